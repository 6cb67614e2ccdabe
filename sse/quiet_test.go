package sse

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// catchUp composes one event of all news.
func catchUp(news []News, cursor string) []Event {
	return []Event{{Name: "catchUp ", ID: cursor, Data: listing(news)}}
}

func TestAQuietStreamCatchesUpOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHub(testKinds)
		all := &wholes{text: allOf}
		n := 0
		o := Options{Coalesce: time.Second, Cursor: func() string { n++; return fmt.Sprint(n) }, Whole: all.of}
		r := run(t, watching(h, o, user("a"), team("r"), user("b"), room("x"), user("c"), team("s")))
		h.Offer(user("c"), 0, say(1, "c1"))
		r.expect(t, "0s presence#1[c1]")
		h.Offer(team("r"), 0, part("a", "waits"))
		r.Quiet()
		for v := range int64(3600) {
			h.Offer(user("b"), 0, say(v, fmt.Sprint("b", v)))
			h.Offer(user("a"), 0, shout(v, fmt.Sprint("a", v)))
			h.Offer(user("c"), 0, say(2+v, fmt.Sprint("c", v%2))) // is c1 in the end
			h.Offer(team("r"), 0, urgently(part(fmt.Sprint(v), "!")))
			h.Offer(team("r"), 0, whole("of then"))
			r.Quiet() // changes nothing
			pass(time.Second)
			if parts := partsOf(r.Stream); parts > 0 {
				t.Fatalf("%d parts are kept in the quiet", parts)
			}
		}
		r.expect(t)
		if n > 1 || len(all.asked) > 0 {
			t.Errorf("the cursor was read %d times and wholes of %v, in the quiet", n-1, all.asked)
		}
		if !r.Live(catchUp) {
			t.Error("the stream was not quiet")
		}
		r.expect(t, "1h0m0s catchUp #2a:a3599,r:all of r,b:b3599,")
		if _, dirty := sizes(r.Stream); dirty > 0 {
			t.Errorf("%d slots are dirty when all is written", dirty)
		}
		h.Offer(user("b"), 0, say(9999, "b3599")) // as the catch-up said
		h.Offer(team("r"), 0, part("a", "1"))
		r.expect(t)
		pass(time.Second) // the catch-up is a flush
		r.expect(t, "1h0m1s team #3r:a=1")
	})
}

func TestALiveStreamHasNothingToCatchUpWith(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHub(testKinds)
		r := run(t, watching(h, Options{Cursor: func() string { return "c" }}, user("a")))
		if r.Live(catchUp) {
			t.Error("a stream that was never quiet went live")
		}
		r.Quiet()
		if !r.Live(catchUp) || r.Live(catchUp) {
			t.Error("want the first Live to end the quiet, and the second to do nothing")
		}
		r.expect(t, "0s catchUp #c") // of nothing: the caller decides whether that is worth an event
		r.Quiet()
		r.Live(func([]News, string) []Event { return nil })
		r.expect(t)
		h.Offer(user("a"), 0, say(1, "a1"))
		r.expect(t, "0s presence#c[a1]")
		r.Quiet()
		r.End()
		if r.Live(catchUp) {
			t.Error("a stream that has ended went live")
		}
	})
}

func TestTheQuietIsOnlyForFrames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHub(testKinds)
		o := Options{
			Comment: 15 * time.Second, Ping: 30 * time.Second,
			PingEvent: func() Event { return Event{Name: "ping"} },
		}
		r := run(t, watching(h, o, user("a")))
		r.Quiet()
		h.Offer(user("a"), 0, shout(1, "a1"))
		pass(20 * time.Second)
		r.Send(Event{Name: "degraded"})
		r.expect(t, "15s comment", "20s degraded")
		pass(10 * time.Second)
		r.expect(t, "30s comment ping")
		r.End(Event{Name: "reconnect"})
		<-r.done
		r.expect(t, "30s reconnect")
		checkEmpty(t, h)
	})
}

func TestAStreamThatBeginsQuietOpensAllTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHub(testKinds)
		all := &wholes{text: allOf}
		o := Options{Cursor: func() string { return "c" }, Whole: all.of, Opening: func(news []News, cursor string) []Event {
			return []Event{{Name: "hello"}, {Name: "snapshot", ID: cursor, Data: listing(news)}}
		}}
		s := watching(h, o, user("a"), user("b"), team("r"), team("s"))
		s.Quiet()
		h.Offer(user("a"), 0, say(1, "a1"))
		h.Offer(team("r"), 0, whole("x"))
		h.Offer(team("s"), 0, whole("y"))
		h.Offer(team("s"), 0, part("a", "1"))
		r := run(t, s)
		r.expect(t, "0s hello snapshota:a1,b:-,r:x,s:y,") // no id: a part of s is on its way
		if partsOf(s) > 0 || len(all.asked) > 0 {
			t.Errorf("%d parts are kept, and %v were asked for", partsOf(s), all.asked)
		}
		h.Offer(user("b"), 0, say(1, "b1"))
		r.expect(t)
		s.Live(catchUp)
		r.expect(t, "0s catchUp #cb:b1,s:all of s,")
	})
}

func TestAQuietStreamWithoutAnOpeningKeepsNoParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHub(testKinds)
		s := watching(h, Options{Whole: (&wholes{text: allOf}).of}, team("r"))
		h.Offer(team("r"), 0, part("a", "1"))
		s.Quiet()
		r := run(t, s)
		r.expect(t)
		s.Live(catchUp)
		r.expect(t, "0s catchUp r:all of r,")
	})
}

// The quiet ends where Run comes to the catch-up: until then nothing is written
// beside it, and parts are not kept.
func TestAStuckReaderCatchesUpWithTheNewest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHub(testKinds)
		r := run(t, watching(h, Options{Whole: (&wholes{text: allOf}).of}, user("a"), team("r")))
		r.Quiet()
		resume := r.stall()
		r.Send(Event{Name: "degraded"})
		synctest.Wait()
		h.Offer(user("a"), 0, say(1, "a1"))
		r.Live(catchUp)
		h.Offer(user("a"), 0, shout(2, "a2"))
		h.Offer(team("r"), 0, part("a", "1"))
		if partsOf(r.Stream) > 0 {
			t.Error("parts are kept before the catch-up")
		}
		resume()
		r.expect(t, "0s degraded", "0s catchUp a:a2,r:all of r,")
	})
}

func TestAQuietThatReturnsTakesTheCatchUpBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHub(testKinds)
		r := run(t, watching(h, Options{}, user("a")))
		r.Quiet()
		resume := r.stall()
		r.Send(Event{Name: "degraded"})
		synctest.Wait()
		h.Offer(user("a"), 0, say(1, "a1"))
		for range 100 {
			if !r.Live(catchUp) {
				t.Fatal("the stream was not quiet")
			}
			r.Quiet()
		}
		resume()
		r.expect(t, "0s degraded")
		r.Live(catchUp)
		r.expect(t, "0s catchUp a:a1,")
	})
}

func TestSnapshotsWaitForTheEndOfTheQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHub(testKinds)
		o := Options{Cursor: func() string { return "c" }, Whole: (&wholes{text: allOf}).of}
		r := run(t, watching(h, o, user("a")))
		added := func(news []News, cursor string) []Event {
			return []Event{{Name: "added ", ID: cursor, Data: listing(news)}}
		}
		r.Quiet()
		for _, k := range []Key{user("b"), user("c"), team("r")} {
			h.WatchHeld(r.Stream, k, 0)
		}
		h.Watch(r.Stream, user("d"), 0)
		for _, k := range []Key{user("a"), user("b"), user("c"), user("d")} {
			h.Offer(k, 0, say(1, k.ID+"1"))
		}
		h.Offer(team("r"), 0, part("a", "1"))
		r.Resnapshot([]Key{team("r"), user("b")}, added)
		r.expect(t)
		r.Live(catchUp)
		r.expect(t, "0s catchUp a:a1,d:d1, added r:all of r,b:b1,") // no id: c is still held back
		r.Resnapshot([]Key{user("c")}, added)
		r.expect(t, "0s added #cc:c1,")
	})
}

func TestKeysAddedInTheQuietTakeThePlacesOfThoseThatHaveGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHub(testKinds)
		r := run(t, watching(h, Options{Cursor: func() string { return "c" }}, user("a"), user("b"), user("c")))
		r.Quiet()
		h.Offer(user("a"), 0, say(1, "a1"))
		h.Offer(user("b"), 0, say(1, "b1"))
		h.Unwatch(r.Stream, user("a"))
		h.Watch(r.Stream, user("d"), 0)
		h.Offer(user("d"), 0, say(1, "d1"))
		if watches, dirty := sizes(r.Stream); watches != 3 || dirty > 3 {
			t.Errorf("%d watches and %d dirty slots for 3 keys", watches, dirty)
		}
		r.Live(catchUp)
		r.expect(t, "0s catchUp #cd:d1,b:b1,")
	})
}

func TestAQuietThatBeginsDuringAFlushComesBeforeIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHub(testKinds)
		var s *Stream
		s = watching(h, Options{Cursor: func() string { s.Quiet(); return "c" }}, user("a"))
		h.Offer(user("a"), 0, say(1, "a1"))
		r := run(t, s)
		r.expect(t)
		r.Live(func([]News, string) []Event { return nil }) // its cursor is read, and so it is taken back
		r.expect(t)
	})
}

func TestAQuietStreamSleeps(t *testing.T) {
	h := NewHub(testKinds)
	s := watching(h, Options{}, user("a"), user("b"))
	defer s.Close()
	s.wake = make(chan struct{}, 1) // as Run does
	s.Quiet()
	h.Offer(user("a"), 0, shout(1, "a1"))
	h.Offer(user("b"), 0, say(1, "b1"))
	if len(s.wake) > 0 {
		t.Error("frames that are not to be written have woken the stream")
	}
}

// How it looked: a page changed its list many times while it was hidden, and never
// saw some of those that it had added.
func TestKeysOfARefusedSnapshotAreNotHeldForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHub(testKinds)
		r := run(t, watching(h, Options{Cursor: func() string { return "c" }}))
		nothing := func([]News, string) []Event { return nil }
		r.Quiet()
		for range queueLimit {
			r.Resnapshot(nil, nothing)
		}
		h.WatchHeld(r.Stream, user("a"), 0)
		h.WatchHeld(r.Stream, user("b"), 0)
		h.Offer(user("a"), 0, say(1, "a1"))
		if r.Resnapshot([]Key{user("a"), user("b"), user("unknown")}, nothing) {
			t.Error("taken past the bound")
		}
		h.Offer(user("b"), 0, say(1, "b1"))
		r.expect(t)
		r.Live(catchUp)
		r.expect(t, "0s catchUp a:a1,b:b1,")
		h.Offer(user("b"), 0, say(2, "b2"))
		r.expect(t, "0s presence#c[b2]") // nothing is on its way for ever
	})
}
