//go:build faults

package e2e

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/presently/presently/e2e/chaos"
)

// The long forms are asked for by `make soak`, in the environment.
const (
	repeatsEnv = "PRESENTLY_SOAK_REPEATS" // how often each fault is run
	minutesEnv = "PRESENTLY_SOAK_MINUTES" // of random faults
)

func soakNumber(t testing.TB, env string, otherwise float64) float64 {
	t.Helper()
	text := os.Getenv(env)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || n < 0 {
		t.Fatalf("%s: %q is no number", env, text)
	}
	return n
}

// smallSoak is what `make faults` can bear.
func smallSoak(o *chaos.Options) { o.Users, o.Watchers = 72, 18 }

// bigSoak makes ten million sightings in half an hour: many streams of whom each watches most of all that are restless.
func bigSoak(o *chaos.Options) {
	o.Users, o.Watchers, o.Watched, o.Rooms, o.Restless = 120, 420, 100, 16, true
}

// Faults that may happen to anybody happen to the same instances, one after the other, by chance. The seed tells which, and who does what.
func TestNobodyIsToldWrongThingsInASoak(t *testing.T) {
	end := time.Now().Add(20 * time.Second)
	randomFaults(t, smallSoak, func() bool { return time.Now().Before(end) })
}

// pieces is after how long what was seen is judged, and let go of.
const pieces = 45 * time.Second

// randomFaults happen while they go on.
func randomFaults(t *testing.T, size func(*chaos.Options), goOn func() bool) {
	soak := &fault{id: "R17", name: "random faults, one after the other", promise: "P1 to P7", prepare: behindProxies(3), options: func(o *chaos.Options) {
		size(o)
		o.NoLate = true // data is lost, and with it the numbers that tell what is late
	}}
	var possible []*fault
	for _, f := range faults {
		if f.random {
			possible = append(possible, f)
		}
	}
	s := newStage(t, soak)
	s.judging = chaos.NewJudge()
	dice := rand.New(rand.NewPCG(s.seed, 17))
	begin, judged := time.Now(), time.Now()
	happened := 0
	for ; goOn() && !t.Failed(); happened++ {
		f := possible[dice.IntN(len(possible))]
		t.Logf("%.1f s: %s %s", s.play.Now().Seconds(), f.id, f.name)
		s.happens = f
		f.happen(s)
		s.awaitReady()
		time.Sleep(time.Duration(dice.Int64N(int64(2 * s.ttl()))))
		if time.Since(judged) > pieces {
			s.weigh()
			judged = time.Now()
			s.figure("faults", float64(happened+1))
			s.figure("minutes", time.Since(begin).Minutes())
			s.reportSoFar()
		}
	}
	s.figure("faults", float64(happened))
	s.figure("minutes", time.Since(begin).Minutes())
	s.end()
}

// weigh judges what was seen up to now.
func (s *stage) weigh() {
	s.t.Helper()
	began := time.Now()
	h := s.play.Weigh(s.judging, s.slack(s.play.Stall()))
	v := s.judging.Verdict
	s.t.Logf("%.1f s: %d sightings judged in %v, %d violations; the machine stalled for %v at most", s.play.Now().Seconds(), len(h.Sightings), time.Since(began), len(v.Violations), h.Stall)
	if len(v.Violations) > 0 {
		s.t.Error("what was seen breaks what was promised")
		s.keep(&h)
	}
}

// Each fault, in its short form, once. What follows from one is judged by what every watcher saw. Like the soak it runs before all tests that are Parallel: those
// would take the time that faults are measured in.
func TestNobodyIsToldWrongThingsUnderFaults(t *testing.T) {
	for _, f := range faults {
		t.Run(f.id+" "+f.name, func(t *testing.T) {
			if !f.heavy {
				t.Parallel()
				defer takePlace()()
			}
			f.run(t)
		})
	}
}
