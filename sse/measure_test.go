package sse

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// waits collects what Wrote is told of waits.
func waits(o Options) (Options, func(t *testing.T, want ...string)) {
	var mu sync.Mutex
	var told []string
	o.Wrote = func(waited, _ time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		if waited < 0 {
			told = append(told, "-")
			return
		}
		told = append(told, waited.String())
	}
	return o, func(t *testing.T, want ...string) {
		t.Helper()
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		if !slices.Equal(told, want) {
			t.Errorf("waited %q, want %q", told, want)
		}
		told = nil
	}
}

func TestAWriteTellsHowLongItsOldestFrameHasWaited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHub(testKinds)
		o, expect := waits(Options{Coalesce: 250 * time.Millisecond, Opening: func([]News, string) []Event { return []Event{{Name: "hello"}} }})
		s := watching(h, o, user("a"), user("b"), room("r"))
		h.Offer(user("a"), 0, say(1, "a1"))
		time.Sleep(time.Second)
		run(t, s)
		expect(t, "-") // the opening
		time.Sleep(100 * time.Millisecond)
		h.Offer(user("a"), 0, say(2, "a2"))
		time.Sleep(50 * time.Millisecond)
		h.Offer(user("b"), 0, say(1, "b1"))
		h.Offer(room("r"), 0, shout(1, "r1"))
		expect(t, "-") // the urgent one goes before the others
		time.Sleep(time.Second)
		expect(t, "150ms")
		h.Offer(room("r"), 0, shout(2, "r2"))
		expect(t, "0s")
		time.Sleep(time.Second)
		s.Send(Event{Name: "degraded"})
		expect(t, "-")
	})
}

// What was offered and taken back, or was quiet, has nothing to do with the change that comes after.
func TestAWaitBeginsWithTheFrameThatIsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHub(testKinds)
		o, expect := waits(Options{Coalesce: time.Minute})
		s := watching(h, o, user("a"), user("b"))
		run(t, s)
		h.Offer(user("a"), 0, say(1, "online"))
		expect(t, "0s")
		time.Sleep(time.Second)
		h.Offer(user("a"), 0, say(2, "busy"))
		h.Offer(user("a"), 0, say(3, "online"))
		time.Sleep(49 * time.Second)
		h.Offer(user("a"), 0, say(4, "away"))
		time.Sleep(time.Minute)
		expect(t, "10s")
		h.Offer(user("a"), 0, say(5, "busy"))
		s.Quiet()
		time.Sleep(time.Hour)
		s.Live(func(news []News, _ string) []Event {
			return []Event{{Name: "snapshot", Data: []byte(fmt.Sprint(len(news)))}}
		})
		expect(t, "-")
	})
}

func TestAStreamTellsHowMuchWaitsAndHowItWasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHub(testKinds)
		s := watching(h, Options{Coalesce: time.Minute}, user("a"), user("b"), room("r"))
		r := run(t, s)
		h.Offer(user("a"), 0, say(1, "a1"))
		r.expect(t, "0s presence[a1]")
		h.Offer(user("a"), 0, say(2, "a2"))
		h.Offer(user("a"), 0, say(3, "a3"))
		h.Offer(user("b"), 0, say(1, "b1"))
		if got := s.Pending(); got != 2 {
			t.Errorf("%d wait, want 2", got)
		}
		if got := s.Final(); got != nil {
			t.Errorf("%v before the end", got)
		}
		s.End(Event{Name: "reconnect"})
		s.End(Event{Name: "problem"})
		synctest.Wait()
		if got := s.Final(); len(got) != 1 || got[0].Name != "reconnect" {
			t.Errorf("%v, want what was said first", got)
		}
	})
}

func TestTheBusiestKeysAreThoseThatMostStreamsWatch(t *testing.T) {
	h := NewHub(testKinds)
	for i := range 5 {
		s := watching(h, Options{}, user("a"))
		for r := range i {
			h.Watch(s, room(fmt.Sprint("r", r)), 0)
		}
	}
	got := fmt.Sprint(h.Busiest(room("").Kind, 3))
	if want := fmt.Sprint([]Audience{{room("r0"), 4}, {room("r1"), 3}, {room("r2"), 2}}); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got := h.Busiest(room("").Kind, 10); len(got) != 4 {
		t.Errorf("%d rooms, want 4", len(got))
	}
}
