//go:build faults && soak

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/presently/presently/e2e/chaos"
)

// What `make soak` asks for, in the environment.
const (
	budgetEnv   = "PRESENTLY_SOAK_BUDGET"   // minutes for all of it; 0: as many as it takes
	parallelEnv = "PRESENTLY_SOAK_PARALLEL" // stages that stand beside each other
	aloneEnv    = "PRESENTLY_SOAK_ALONE"    // how often those are run that must stand alone

	soakPlaces = 2                // of those that stand beside each other, which random faults take
	firstGuess = 20 * time.Second // that a stage takes, until one has been seen
	settling   = 15 * time.Second // for what follows random faults
)

// soaking is one run of `make soak`: what is measured stands alone first, then random faults happen while all faults are run beside them, again and again.
type soaking struct {
	t        *testing.T
	dir      string // of results; empty: none
	repeats  int
	parallel int
	until    time.Time // when all is to be over; zero: never
	stop     context.Context
	began    time.Time
	cpu      time.Duration // of us and our children when it began

	mu    sync.Mutex // guards what follows
	took  map[string]time.Duration
	turns []*fault // that are yet to be run
	left  int      // that were not, for want of time
}

// TestEverythingBreaksAgainAndAgain is `make soak`. It ends early, and well, by SIGINT or SIGTERM, or when there is a file "stop" beside its results.
func TestEverythingBreaksAgainAndAgain(t *testing.T) {
	stop, release := signal.NotifyContext(t.Context(), syscall.SIGINT, syscall.SIGTERM)
	defer release()
	s := &soaking{
		t: t, repeats: int(soakNumber(t, repeatsEnv, 1)), parallel: int(soakNumber(t, parallelEnv, 7)), stop: stop, began: time.Now(), cpu: spent(), took: map[string]time.Duration{},
	}
	if name := os.Getenv(resultsEnv); name != "" {
		s.dir = filepath.Dir(name)
	}
	if budget := soakNumber(t, budgetEnv, 0); budget > 0 {
		s.until = s.began.Add(minutes(budget))
	}
	if _, err := skewedProgram(); err != nil { // which takes both cores for a while
		t.Error(err)
	}
	for n := range int(soakNumber(t, aloneEnv, 1)) {
		for _, f := range faults {
			if f.heavy || f.timed {
				s.alone(f, n)
			}
		}
	}
	for range s.repeats {
		for _, f := range faults {
			if !f.heavy {
				s.turns = append(s.turns, f)
			}
		}
	}
	var all sync.WaitGroup
	work := func() {
		for f := s.next(); f != nil; f = s.next() {
			s.run(f, ", beside others")
		}
	}
	for range max(1, s.parallel-soakPlaces) {
		all.Go(work)
	}
	if m := soakNumber(t, minutesEnv, 30); m > 0 {
		end := time.Now().Add(minutes(m))
		if !s.until.IsZero() && end.After(s.until.Add(-settling)) {
			end = s.until.Add(-settling)
		}
		t.Run("random faults", func(t *testing.T) {
			randomFaults(t, bigSoak, func() bool { return time.Now().Before(end) && !s.stopped() })
		})
		s.note()
	}
	for range soakPlaces {
		all.Go(work)
	}
	all.Wait()
	s.note()
}

func minutes(n float64) time.Duration { return time.Duration(n * float64(time.Minute)) }

// alone runs one with nothing beside it, as much of it as it takes, and notes what that cost.
func (s *soaking) alone(f *fault, n int) {
	long := *f
	long.long = true
	if !s.fits(f.id + " alone") {
		s.t.Logf("there is no time left for %s alone", f.id)
		return
	}
	began, before := time.Now(), spent()
	s.run(&long, fmt.Sprintf(", alone, time %d", n+1))
	wall, cpu := time.Since(began), spent()-before
	s.t.Logf("cost of %s alone: %.1f s, %.1f s of CPU", f.id, wall.Seconds(), cpu.Seconds())
}

func (s *soaking) run(f *fault, how string) {
	began := time.Now()
	s.t.Run(f.id+" "+f.name+how, f.run)
	s.mu.Lock()
	id := f.id
	if f.long {
		id += " alone"
	}
	s.took[id] = max(s.took[id], time.Since(began))
	s.mu.Unlock()
	s.note()
}

// next is the fault whose turn it is, or nil. One for which there is no time is left out.
func (s *soaking) next() *fault {
	for {
		s.mu.Lock()
		if len(s.turns) == 0 {
			s.mu.Unlock()
			return nil
		}
		f := s.turns[0]
		s.turns = s.turns[1:]
		s.mu.Unlock()
		if s.fits(f.id) {
			return f
		}
		s.mu.Lock()
		s.left++
		s.mu.Unlock()
	}
}

// fits says whether there is time for one more.
func (s *soaking) fits(id string) bool {
	if s.stopped() {
		return false
	}
	s.mu.Lock()
	takes, known := s.took[id]
	s.mu.Unlock()
	if !known {
		takes = firstGuess
	}
	return s.until.IsZero() || time.Now().Add(takes).Before(s.until)
}

func (s *soaking) stopped() bool {
	if s.stop.Err() != nil {
		return true
	}
	_, err := os.Stat(filepath.Join(s.dir, "stop"))
	return s.dir != "" && err == nil
}

// note tells how far it has come, in a file that is whole at any time.
func (s *soaking) note() {
	if s.dir == "" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	wall := time.Since(s.began)
	text, err := json.Marshal(chaos.Run{
		Minutes: wall.Minutes(), Cores: (spent() - s.cpu).Seconds() / wall.Seconds(), Parallel: s.parallel, Left: s.left, Stopped: s.stopped(),
	})
	name := filepath.Join(s.dir, "run.json")
	if err == nil {
		err = os.WriteFile(name+".new", text, 0o600)
	}
	if err == nil {
		err = os.Rename(name+".new", name)
	}
	if err != nil {
		s.t.Error(err)
	}
}

// spent is the CPU time of this process and of all its children that have ended.
func spent() (sum time.Duration) {
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var u syscall.Rusage
		if syscall.Getrusage(who, &u) == nil {
			sum += time.Duration(u.Utime.Nano() + u.Stime.Nano())
		}
	}
	return sum
}
