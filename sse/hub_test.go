package sse

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// checkEmpty is for when all streams of h have ended.
func checkEmpty(t *testing.T, h *Hub) {
	t.Helper()
	if n := h.Len(); n > 0 {
		t.Errorf("%d streams are left in the hub", n)
	}
	for i := range h.shards {
		for k, topic := range h.shards[i].topics {
			t.Errorf("%v is left in the hub with %d references", k, topic.refs)
		}
	}
}

// checkLinks checks that topics and mailboxes point to each other.
func checkLinks(t *testing.T, h *Hub) {
	t.Helper()
	subs := 0
	for i := range h.shards {
		for k, topic := range h.shards[i].topics {
			if int(topic.refs) != len(topic.subs) {
				t.Errorf("%v has %d references and %d subscribers", k, topic.refs, len(topic.subs))
			}
			for place, sub := range topic.subs {
				subs++
				if w := sub.stream.box.watches[sub.slot]; w.topic != topic || int(w.place) != place || w.variant != sub.variant {
					t.Errorf("%v: subscriber %d and its watch disagree: %+v, %+v", k, place, sub, w)
				}
			}
		}
	}
	watches := 0
	for _, s := range h.Streams() {
		for _, w := range s.box.watches {
			if w.topic != nil {
				watches++
			}
		}
	}
	if subs != watches {
		t.Errorf("%d subscribers, %d watches", subs, watches)
	}
}

func TestOffersReachTheirVariantOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHub(testKinds)
		a, b := h.NewStream(Options{}), h.NewStream(Options{})
		h.Watch(a, user("x"), 3)
		h.Watch(b, user("x"), 200)
		h.Watch(b, room("x"), 0)
		ra, rb := run(t, a), run(t, b)
		h.Offer(user("x"), 3, say(1, "three"))
		h.Offer(user("x"), 200, say(1, "two hundred"))
		h.Offer(user("x"), 4, say(1, "four"))
		h.Offer(user("nobody"), 0, say(1, "nobody"))
		ra.expect(t, "0s presence[three]")
		rb.expect(t, "0s presence[two hundred]")
	})
}

func TestHubKnowsWhatIsWatched(t *testing.T) {
	h := NewHub(testKinds)
	a, b, c := h.NewStream(Options{}), h.NewStream(Options{}), h.NewStream(Options{})
	h.Watch(a, user("x"), 2)
	h.Watch(b, user("x"), 1)
	h.Watch(c, user("x"), 2)
	if got := h.Variants(user("x")); !slices.Equal(got, []Variant{1, 2}) {
		t.Errorf("got variants %v, want 1 and 2", got)
	}
	h.Watch(b, user("x"), 2)
	if got := h.Variants(user("x")); !slices.Equal(got, []Variant{2}) {
		t.Errorf("got variants %v, want 2", got)
	}
	if h.Watched(room("x")) || h.Variants(room("x")) != nil {
		t.Error("a room of the same name is taken for watched")
	}
	h.Unwatch(a, user("x"))
	h.Unwatch(a, user("x"))
	h.Unwatch(a, user("y"))
	c.Close()
	if !h.Watched(user("x")) {
		t.Error("b's watch is lost")
	}
	b.Close()
	if h.Watched(user("x")) {
		t.Error("x is watched by nobody, and yet watched")
	}
	a.Close()
	a.Close()
	checkEmpty(t, h)
}

func TestAClosedStreamWatchesNothing(t *testing.T) {
	h := NewHub(testKinds)
	s := h.NewStream(Options{})
	s.Close()
	h.Watch(s, user("a"), 0)
	checkEmpty(t, h)
	if err := s.Run(t.Context(), &tape{}); err != nil {
		t.Errorf("Run of a closed stream returned %v", err)
	}
}

func TestAWatchBegunAnewKnowsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHub(testKinds)
		r := run(t, watching(h, Options{}, user("a"), user("b")))
		h.Offer(user("a"), 0, say(5, "a"))
		r.expect(t, "0s presence[a]")
		h.Unwatch(r.Stream, user("a"))
		h.Watch(r.Stream, user("c"), 0) // takes a's place
		h.Watch(r.Stream, user("a"), 0)
		h.Offer(user("a"), 0, say(4, "a"))
		r.expect(t, "0s presence[a]")
	})
}

// TestHubStaysConsistent lets streams come, watch, move, unwatch and go while
// others offer. In the end each stream has the last frame of each key that it
// watches, and the hub is empty.
func TestHubStaysConsistent(t *testing.T) {
	const streams, keys, rounds, variants = 24, 12, 400, 3
	h := NewHub(testKinds)
	key := func(i int) Key { return Key{Kind(i % 2), fmt.Sprint(i)} }

	ctx, stop := context.WithCancel(t.Context())
	var offering sync.WaitGroup
	for i := range keys {
		offering.Go(func() {
			for v := int64(1); ctx.Err() == nil; v++ {
				for _, variant := range h.Variants(key(i)) {
					h.Offer(key(i), variant, say(v, fmt.Sprint(v)))
				}
				h.Broadcast(Event{Name: "control"})
			}
		})
	}
	var busy sync.WaitGroup
	for range streams {
		busy.Go(func() {
			for range 5 {
				churn(h, key, keys, rounds/5, variants)
			}
		})
	}
	busy.Wait()
	stop()
	offering.Wait()
	checkEmpty(t, h)
}

func churn(h *Hub, key func(int) Key, keys, rounds, variants int) {
	s := h.NewStream(Options{Cursor: func() string { return "c" }})
	var writing sync.WaitGroup
	writing.Go(func() { s.Run(context.Background(), &tape{}) })
	for range rounds {
		k := key(rand.IntN(keys))
		switch rand.IntN(6) {
		case 0:
			h.Unwatch(s, k)
		case 1:
			h.WatchHeld(s, k, 0)
			s.Resnapshot([]Key{k}, func([]News, string) []Event { return nil })
		case 2:
			s.Offer(k, 0, say(0, "looked up"))
		default:
			h.Watch(s, k, Variant(rand.IntN(variants)))
		}
	}
	if rand.IntN(2) == 0 {
		s.End(Event{Name: "reconnect"})
	} else {
		s.Close() // as a handler that fails would, with others still at it
	}
	writing.Wait()
}

func TestLinksHoldThroughChurn(t *testing.T) {
	h := NewHub(testKinds)
	var list []*Stream
	for range 20 {
		list = append(list, h.NewStream(Options{}))
		list[len(list)-1].box.opened = true // so that places are reused
	}
	var busy sync.WaitGroup
	for _, s := range list {
		for range 2 { // two goroutines on one stream, as a PATCH and a feed are
			busy.Go(func() {
				for range 500 {
					k := user(fmt.Sprint(rand.IntN(30)))
					if rand.IntN(2) == 0 {
						h.Watch(s, k, Variant(rand.IntN(2)))
					} else {
						h.Unwatch(s, k)
					}
				}
			})
		}
	}
	busy.Wait()
	checkLinks(t, h)
	for _, s := range list {
		s.Close()
	}
	checkEmpty(t, h)
}

// One mailbox that is broken costs its own stream, not those that are told after it.
func TestAStreamThatPanicsEndsAndTheOthersAreTold(t *testing.T) {
	h := NewHub(testKinds)
	var panics []any
	h.Panicked = func(v any) { panics = append(panics, v) }
	k := Key{Kind: 0, ID: "ada"}
	broken, other := h.NewStream(Options{}), h.NewStream(Options{})
	for _, s := range []*Stream{broken, other} {
		h.Watch(s, k, 0)
	}
	topic := broken.box.watches[0].topic
	broken.box.watches[0].topic = nil
	h.Offer(k, 0, &Frame{Data: []byte("{}"), Digest: 1, Version: 1})
	broken.box.watches[0].topic = topic
	if other.Pending() != 1 || len(panics) != 1 {
		t.Errorf("%d is pending for the other, and %d panics were told", other.Pending(), len(panics))
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := broken.Run(ctx, discard{}); err != nil {
		t.Errorf("Run of the broken one: %v", err)
	}
	other.Close()
	checkEmpty(t, h)
}
