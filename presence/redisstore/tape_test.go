package redisstore

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/presently/presently/presence"
)

// patience is how long a test waits for what must happen. It is long because two cores may be running everything else too.
const patience = 20 * time.Second

// tape is a feed that records what it hears, for tests to wait for.
type tape struct {
	mu      sync.Mutex // guards what follows
	events  []string
	changes []presence.Change
	beacons map[int]presence.Beacon
	moved   chan struct{}
}

func newTape() *tape { return &tape{beacons: map[int]presence.Beacon{}, moved: make(chan struct{})} }

func (tp *tape) record(event string) {
	tp.events = append(tp.events, event)
	close(tp.moved)
	tp.moved = make(chan struct{})
}

func (tp *tape) Changed(c presence.Change) {
	tp.mu.Lock()
	defer tp.mu.Unlock()
	tp.changes = append(tp.changes, c)
	if c.Subscription != "" {
		tp.record("note " + c.Subscription)
		return
	}
	tp.record(fmt.Sprintf("%s %s", c.User, c.Cause))
}

func (tp *tape) Beacon(b presence.Beacon) {
	tp.mu.Lock()
	defer tp.mu.Unlock()
	tp.beacons[b.Lane] = b
	tp.record("")
}

func (tp *tape) Missed(lane int) {
	tp.mu.Lock()
	defer tp.mu.Unlock()
	tp.record(fmt.Sprint("missed ", lane))
}

func (tp *tape) Lost() {
	tp.mu.Lock()
	defer tp.mu.Unlock()
	tp.record("lost")
}

func (tp *tape) Found() {
	tp.mu.Lock()
	defer tp.mu.Unlock()
	tp.record("found")
}

// until waits until f says that the tape has what the test needs; f may read the tape's fields.
func (tp *tape) until(t testing.TB, what string, f func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		tp.mu.Lock()
		done, moved := f(), tp.moved
		tp.mu.Unlock()
		if done {
			return
		}
		select {
		case <-moved:
		case <-ctx.Done():
			t.Fatalf("waited for %s; heard %s", what, tp)
		}
	}
}

// heard counts an event.
func (tp *tape) heard(event string) (n int) {
	for _, e := range tp.events {
		if e == event {
			n++
		}
	}
	return n
}

// waitFor waits until an event was heard n times.
func (tp *tape) waitFor(t testing.TB, event string, n int) {
	t.Helper()
	tp.until(t, fmt.Sprintf("%d × %q", n, event), func() bool { return tp.heard(event) >= n })
}

// ready waits until every lane is heard, and held or not as wanted.
func (tp *tape) ready(t testing.TB, s *Store, held bool) {
	t.Helper()
	tp.until(t, fmt.Sprintf("%d lanes, held %t", s.Lanes(), held), func() bool {
		for i := range s.Lanes() {
			if b, ok := tp.beacons[i]; !ok || (b.Held != 0) != held {
				return false
			}
		}
		return true
	})
}

// caughtUp waits until everything announced before the call was heard.
func (tp *tape) caughtUp(t testing.TB, s *Store) {
	t.Helper()
	lanes := make([]int, s.Lanes())
	for i := range lanes {
		lanes[i] = i
	}
	heads, err := s.Heads(t.Context(), lanes)
	if err != nil {
		t.Fatal(err)
	}
	tp.until(t, "all that was announced", func() bool {
		for i, h := range heads {
			if h.After(tp.beacons[i].Head) {
				return false
			}
		}
		return true
	})
}

func (tp *tape) String() string {
	tp.mu.Lock()
	defer tp.mu.Unlock()
	var out []string
	for _, e := range tp.events {
		if e != "" {
			out = append(out, e)
		}
	}
	return strings.Join(out, ", ")
}
