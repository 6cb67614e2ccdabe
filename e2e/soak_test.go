//go:build faults

package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/presently/presently/e2e/chaos"
)

// The long forms are asked for by `make soak`, in the environment.
const (
	repeatsEnv = "PRESENTLY_SOAK_REPEATS" // how often each fault is run; 1 where not given
	minutesEnv = "PRESENTLY_SOAK_MINUTES" // of random faults; a third of one where not given
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

// Faults that may happen to anybody happen to the same instances, one after the other, by chance. The seed tells which, and who does what.
func TestNobodyIsToldWrongThingsInASoak(t *testing.T) {
	soak := &fault{id: "R17", name: "random faults, one after the other", promise: "P1 to P7", prepare: behindProxies(3), options: func(o *chaos.Options) {
		o.Users, o.Watchers = 72, 18
		o.NoLate = true // data is lost, and with it the numbers that tell what is late
	}}
	var possible []*fault
	for _, f := range faults {
		if f.random {
			possible = append(possible, f)
		}
	}
	s := newStage(t, soak)
	dice := rand.New(rand.NewPCG(s.seed, 17))
	begin, minutes := time.Now(), soakNumber(t, minutesEnv, 1.0/3)
	happened := 0
	for ; time.Since(begin) < time.Duration(minutes*float64(time.Minute)) && !t.Failed(); happened++ {
		f := possible[dice.IntN(len(possible))]
		t.Logf("%.1f s: %s %s", s.play.Now().Seconds(), f.id, f.name)
		s.happens = f
		f.happen(s)
		s.awaitReady()
		time.Sleep(time.Duration(dice.Int64N(int64(2 * s.ttl()))))
	}
	s.figure("faults", float64(happened))
	s.figure("minutes", time.Since(begin).Minutes())
	s.end()
}

// Each fault, in its short form, once or as often as the environment says. What follows from one is judged by what every watcher saw. Like the
// soak it runs before all tests that are Parallel: those would take the time that faults are measured in.
func TestNobodyIsToldWrongThingsUnderFaults(t *testing.T) {
	repeats := int(soakNumber(t, repeatsEnv, 1))
	for _, f := range faults {
		for n := range repeats {
			name := f.id + " " + f.name
			if n > 0 {
				name += fmt.Sprintf(", time %d", n+1)
			}
			t.Run(name, func(t *testing.T) {
				if !f.heavy {
					t.Parallel()
					defer takePlace()()
				}
				f.run(t)
			})
		}
	}
}
