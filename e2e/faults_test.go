package e2e

import (
	"testing"
	"time"

	"github.com/presently/presently/e2e/chaos"
)

// faults are all that go wrong while people beat and others watch. Each has an instance or a Redis of its own to break; what must be so whatever
// happens is P1 to P7 of package chaos, and each may ask for more.
var faults = []*fault{
	{id: "A1", name: "one of three instances is killed", random: true, happen: func(s *stage) {
		s.kill(0)
		time.Sleep(time.Second)
		s.launch(0)
		s.awaitReady()
	}},
	{id: "A6", name: "FLUSHALL", lossy: true, random: true, happen: func(s *stage) {
		s.outage(chaos.Outage{}, func() {
			if err := s.redis.Client(s.t).FlushAll(s.t.Context()).Err(); err != nil {
				s.t.Fatal(err)
			}
		}, 0, func() {})
	}},
}

// Two at a time: more would starve each other on two cores.
var stages = make(chan struct{}, 2)

// Each fault once, in its short form. What follows from one is judged by what every watcher saw.
func TestNobodyIsToldWrongThingsUnderFaults(t *testing.T) {
	for _, f := range faults {
		t.Run(f.id+" "+f.name, func(t *testing.T) {
			t.Parallel()
			stages <- struct{}{}
			defer func() { <-stages }()
			s := newStage(t, f)
			f.happen(s)
			s.end()
		})
	}
}
