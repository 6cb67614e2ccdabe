package sse

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// watching returns a stream that watches keys in variant 0.
func watching(h *Hub, o Options, keys ...Key) *Stream {
	s := h.NewStream(o)
	for _, k := range keys {
		h.Watch(s, k, 0)
	}
	return s
}

// sizes tells how much the mailbox of s holds: each watch has room for one frame.
func sizes(s *Stream) (watches, dirty int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.box.watches), len(s.box.waiting)
}

func TestFirstChangeGoesAtOnceAndLaterOnesAreCoalesced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHub(testKinds)
		r := run(t, watching(h, Options{Coalesce: 250 * time.Millisecond}, user("a"), user("b")))
		pass(time.Second)
		h.Offer(user("a"), 0, say(1, "a1"))
		r.expect(t, "1s presence[a1]")
		pass(100 * time.Millisecond)
		h.Offer(user("b"), 0, say(1, "b1"))
		h.Offer(user("a"), 0, say(2, "a2"))
		h.Offer(user("b"), 0, say(2, "b2"))
		r.expect(t)
		pass(150 * time.Millisecond)
		r.expect(t, "1.25s presence[b2,a2]")
		pass(250 * time.Millisecond)
		h.Offer(user("a"), 0, say(3, "a3"))
		r.expect(t, "1.5s presence[a3]")
	})
}

func TestWithoutCoalesceEveryChangeGoesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHub(testKinds)
		r := run(t, watching(h, Options{}, user("a")))
		for v := range int64(3) {
			h.Offer(user("a"), 0, say(v, fmt.Sprint("a", v)))
			r.expect(t, fmt.Sprintf("0s presence[a%d]", v))
		}
	})
}

func TestUrgentFramesGoAtOnceAndLeaveTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHub(testKinds)
		n := 0
		o := Options{Coalesce: time.Second, Cursor: func() string { n++; return fmt.Sprint(n) }}
		r := run(t, watching(h, o, user("a"), user("b"), room("r")))
		h.Offer(user("a"), 0, say(1, "a1"))
		r.expect(t, "0s presence#1[a1]")
		pass(100 * time.Millisecond)
		h.Offer(user("a"), 0, say(2, "a2"))
		h.Offer(room("r"), 0, shout(1, "r1"))
		r.expect(t, "100ms roomr1") // no id: a2 is older than what an id would promise
		pass(900 * time.Millisecond)
		r.expect(t, "1s presence#3[a2]")
		pass(100 * time.Millisecond)
		h.Offer(room("r"), 0, shout(2, "r2"))
		r.expect(t, "1.1s room#4r2") // nothing else is on its way
	})
}

func TestAnUrgentChangeStaysUrgentWhenAnotherReplacesIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHub(testKinds)
		r := run(t, watching(h, Options{Coalesce: time.Minute}, user("a")))
		h.Offer(user("a"), 0, say(1, "a1"))
		r.expect(t, "0s presence[a1]")
		resume := r.stall()
		r.Send(Event{Name: "degraded"})
		synctest.Wait()
		h.Offer(user("a"), 0, shout(2, "a2"))
		h.Offer(user("a"), 0, say(3, "a3"))
		resume()
		r.expect(t, "0s degraded", "0s presence[a3]")
		h.Offer(user("a"), 0, say(4, "a4"))
		r.expect(t) // and the next is not urgent for it
	})
}

func TestAStateThatFlapsWithinOneWindowIsNotWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHub(testKinds)
		r := run(t, watching(h, Options{Coalesce: time.Second}, user("a")))
		h.Offer(user("a"), 0, say(1, "online"))
		r.expect(t, "0s presence[online]")
		h.Offer(user("a"), 0, say(2, "busy"))
		h.Offer(user("a"), 0, say(3, "online"))
		pass(time.Minute)
		r.expect(t)
		h.Offer(user("a"), 0, say(2, "busy")) // late: older than what the reader knows by now
		pass(time.Minute)
		r.expect(t)
		h.Offer(user("a"), 0, say(4, "busy"))
		r.expect(t, "2m0s presence[busy]")
	})
}

func TestAFrameWithoutADigestIsAlwaysWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHub(testKinds)
		r := run(t, watching(h, Options{}, user("a")))
		for range 2 {
			h.Offer(user("a"), 0, &Frame{Data: []byte("a")})
			r.expect(t, "0s presence[a]")
		}
	})
}

// Watching and unwatching while a flush is awaited must not add up.
func TestChurnWithinOneWindowIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHub(testKinds)
		r := run(t, watching(h, Options{Coalesce: time.Minute}, user("a"), user("b")))
		h.Offer(user("a"), 0, say(1, "a1"))
		r.expect(t, "0s presence[a1]")
		for range 100 {
			h.Unwatch(r.Stream, user("b"))
			h.Watch(r.Stream, user("b"), 0)
			h.Offer(user("b"), 0, say(1, "b1"))
		}
		if watches, dirty := sizes(r.Stream); watches != 2 || dirty != 1 {
			t.Errorf("%d watches and %d dirty slots, want 2 and 1", watches, dirty)
		}
		pass(time.Minute)
		r.expect(t, "1m0s presence[b1]")
	})
}

func TestAnOlderVersionNeverReplacesANewer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHub(testKinds)
		s := watching(h, Options{}, user("a"), user("b"))
		h.Offer(user("a"), 0, say(5, "a5")) // pending
		s.Offer(user("a"), 0, say(4, "a4"))
		r := run(t, s)
		r.expect(t, "0s presence[a5]")
		s.Offer(user("a"), 0, say(4, "a4")) // sent
		r.expect(t)
		s.Offer(user("a"), 0, say(5, "a5 as corrected"))
		r.expect(t, "0s presence[a5 as corrected]")
	})
}

func TestASlowReaderGetsTheNewestOfEachKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHub(testKinds)
		r := run(t, watching(h, Options{}, user("a"), user("b")))
		resume := r.stall()
		h.Offer(user("a"), 0, say(0, "first"))
		synctest.Wait()
		for v := range int64(1000) {
			h.Offer(user("a"), 0, say(v, fmt.Sprint("a", v)))
			h.Offer(user("b"), 0, say(v, fmt.Sprint("b", v)))
			synctest.Wait()
			if watches, dirty := sizes(r.Stream); watches != 2 || dirty > 2 {
				t.Fatalf("%d watches and %d dirty slots for 2 keys", watches, dirty)
			}
		}
		resume()
		r.expect(t, "0s presence[first]", "0s presence[a999,b999]")
	})
}

func TestCommentComesRegularlyWhateverElseIsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHub(testKinds)
		r := run(t, watching(h, Options{Comment: 15 * time.Second}, user("a")))
		pass(15 * time.Second)
		r.expect(t, "15s comment")
		pass(10 * time.Second)
		h.Offer(user("a"), 0, say(1, "a1"))
		r.expect(t, "25s presence[a1]")
		pass(5 * time.Second)
		r.expect(t, "30s comment")
	})
}

func TestPingComesRegularlyBesideTheComment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHub(testKinds)
		o := Options{
			Comment: 15 * time.Second, Ping: 30 * time.Second,
			PingEvent: func() Event { return Event{Name: "ping", Data: []byte("{}")} },
		}
		r := run(t, watching(h, o, user("a")))
		pass(29 * time.Second)
		h.Offer(user("a"), 0, say(1, "a1"))
		pass(31 * time.Second)
		r.expect(t, "15s comment", "29s presence[a1]", "30s comment ping{}", "45s comment", "1m0s comment ping{}")
	})
}

func TestPingsMissedInALongWriteAreNotMadeUpFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHub(testKinds)
		r := run(t, watching(h, Options{Ping: time.Second, PingEvent: func() Event { return Event{Name: "ping"} }}))
		resume := r.stall()
		pass(4500 * time.Millisecond)
		resume()
		pass(1500 * time.Millisecond)
		r.expect(t, "4.5s ping", "4.5s ping", "5.5s ping")
	})
}

func TestOpeningComesFirstWithWhatIsKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHub(testKinds)
		o := Options{
			Cursor: func() string { return "c" },
			Opening: func(news []News, cursor string) []Event {
				return []Event{{Name: "hello"}, {Name: "snapshot", ID: cursor, Data: listing(news)}}
			},
		}
		s := watching(h, o, user("a"), user("gone"), room("r"), user("b"), user("a"), user("c"))
		h.Unwatch(s, user("gone"))
		h.Watch(s, user("d"), 0)
		s.Send(Event{Name: "degraded"})
		h.Offer(user("b"), 0, say(1, "b1"))
		s.Offer(user("a"), 0, say(1, "a1"))
		s.Offer(user("d"), 0, say(1, "d1"))
		r := run(t, s)
		r.expect(t, "0s hello snapshot#ca:a1,r:-,b:b1,c:-,d:d1,", "0s degraded")
		if _, dirty := sizes(s); dirty > 0 {
			t.Errorf("%d slots are dirty when all is written", dirty)
		}
		h.Offer(user("b"), 0, say(2, "b1")) // as the snapshot said
		r.expect(t)
		h.Offer(room("r"), 0, say(1, "r1"))
		r.expect(t, "0s room#cr1")
		h.Offer(user("b"), 0, say(3, "b3"))
		r.expect(t, "0s presence#c[b3]")
	})
}

func TestOpeningIsAFlush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHub(testKinds)
		o := Options{Coalesce: time.Second, Opening: func([]News, string) []Event { return []Event{{Name: "hello"}} }}
		r := run(t, watching(h, o, user("a")))
		h.Offer(user("a"), 0, say(1, "a1"))
		pass(time.Second)
		r.expect(t, "0s hello", "1s presence[a1]")
	})
}

// A frame that is offered while the cursor is read is written without being
// covered; the other way round it would be covered without being written.
func TestCursorIsReadBeforeTheTake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHub(testKinds)
		position := 1
		o := Options{Cursor: func() string {
			at := fmt.Sprint(position)
			position++
			h.Offer(user("b"), 0, say(int64(position), fmt.Sprint("b", position)))
			return at
		}}
		r := run(t, watching(h, o, user("a"), user("b")))
		h.Offer(user("a"), 0, say(1, "a1"))
		r.expect(t, "0s presence#1[a1,b2]")
	})
}

func TestOneFlushIsOneWriteInTheOrderOfKinds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHub(testKinds)
		s := watching(h, Options{Cursor: func() string { return "c" }}, user("a"), user("b"), room("r"), room("s"))
		h.Offer(room("s"), 0, shout(1, "s1"))
		h.Offer(user("b"), 0, say(1, "b1"))
		h.Offer(room("r"), 0, say(1, "r1"))
		h.Offer(user("a"), 0, say(1, "a1"))
		s.Send(Event{Name: "recovered"})
		run(t, s).expect(t, "0s recovered presence[b1,a1] rooms1 room#cr1")
	})
}

func TestControlEventsAreBoundedAndTheLastWordHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHub(testKinds)
		s := h.NewStream(Options{})
		s.Send(Event{Name: "tokenExpiring"})
		for i := range 100 {
			s.Send(Event{Name: "degraded", ID: fmt.Sprint(i)})
			s.Send(Event{Name: "recovered", ID: fmt.Sprint(i)})
		}
		if len(s.control) != queueLimit {
			t.Fatalf("%d control events wait, want %d", len(s.control), queueLimit)
		}
		got := run(t, s).rewind()[0]
		if !strings.HasPrefix(got, "0s tokenExpiring ") || !strings.HasSuffix(got, " degraded#99 recovered#99") {
			t.Fatalf("got %q", got)
		}
	})
}

func TestEndWritesTheFinalEventsAndNoFrames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHub(testKinds)
		r := run(t, watching(h, Options{Coalesce: time.Hour}, user("a")))
		h.Offer(user("a"), 0, say(1, "a1"))
		r.expect(t, "0s presence[a1]")
		h.Offer(user("a"), 0, say(2, "a2"))
		r.Send(Event{Name: "degraded"})
		r.End(Event{Name: "reconnect"}, Event{Name: "bye"})
		r.End(Event{Name: "other"})
		r.Send(Event{Name: "late"})
		<-r.done
		if r.err != nil {
			t.Errorf("Run returned %v after End", r.err)
		}
		if got := strings.Join(r.rewind(), " "); strings.ReplaceAll(got, "0s ", "") != "degraded reconnect bye" {
			t.Errorf("got %q", got)
		}
		checkEmpty(t, h)
	})
}

func TestAStreamThatEndedBeforeItBeganStillSaysHello(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHub(testKinds)
		s := h.NewStream(Options{Opening: func([]News, string) []Event { return []Event{{Name: "hello"}} }})
		s.End(Event{Name: "reconnect"})
		run(t, s).expect(t, "0s hello", "0s reconnect")
	})
}

func TestRunTellsWhyItEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHub(testKinds)
		why := errors.New("client has gone")
		ctx, cancel := context.WithCancelCause(t.Context())
		r := runCtx(ctx, t, watching(h, Options{}, user("a")))
		cancel(why)
		if <-r.done; !errors.Is(r.err, why) {
			t.Errorf("got %v, want %v", r.err, why)
		}

		broken := errors.New("broken pipe")
		r = run(t, watching(h, Options{}, user("a")))
		r.breakWith(broken)
		h.Offer(user("a"), 0, say(1, "a1"))
		if <-r.done; !errors.Is(r.err, broken) {
			t.Errorf("got %v, want %v", r.err, broken)
		}
		checkEmpty(t, h)
	})
}

func TestBroadcastReachesEveryStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHub(testKinds)
		a, b := run(t, h.NewStream(Options{})), run(t, h.NewStream(Options{}))
		h.Broadcast(Event{Name: "degraded"})
		a.expect(t, "0s degraded")
		b.expect(t, "0s degraded")
		for _, s := range h.Streams() {
			s.End(Event{Name: "reconnect"})
		}
		<-a.done
		<-b.done
		if n := h.Len(); n != 0 {
			t.Errorf("%d streams are left", n)
		}
	})
}

// How a leak would look: Bob stops letting Eve see more of him, and while her
// stream waits for its next flush, what she may no longer see is in it.
func TestAMoveToAnotherVariantDropsWhatMayNoLongerBeShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const contact, other = 1, 2
		h := NewHub(testKinds)
		s := h.NewStream(Options{Coalesce: time.Second})
		h.Watch(s, user("bob"), contact)
		r := run(t, s)
		h.Offer(user("bob"), contact, say(7, "online, in call"))
		r.expect(t, "0s presence[online, in call]")
		h.Offer(user("bob"), contact, say(9, "online, secret"))
		h.Watch(s, user("bob"), other)
		s.Offer(user("bob"), contact, say(10, "online, looked up too late"))
		h.Offer(user("bob"), contact, say(11, "online, secret"))
		s.Offer(user("bob"), other, say(3, "online")) // shows only older facts
		pass(time.Minute)
		r.expect(t, "1s presence[online]")
		h.Watch(s, user("bob"), contact)
		s.Offer(user("bob"), contact, say(12, "online"))
		pass(time.Minute)
		r.expect(t) // what was sent is still known
	})
}

func TestKeysAddedLaterComeInASnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHub(testKinds)
		n := 0
		o := Options{Coalesce: time.Second, Cursor: func() string { n++; return fmt.Sprint(n) }}
		r := run(t, watching(h, o, user("a")))
		h.Offer(user("a"), 0, say(1, "a1"))
		r.expect(t, "0s presence#1[a1]")

		h.WatchHeld(r.Stream, user("b"), 0)
		h.WatchHeld(r.Stream, user("c"), 0)
		h.WatchHeld(r.Stream, user("a"), 0) // is shown already
		h.Offer(user("b"), 0, say(1, "b1"))
		h.Offer(user("b"), 0, shout(2, "b2"))
		pass(time.Second)
		h.Offer(user("a"), 0, say(2, "a2"))
		r.expect(t, "1s presence[a2]") // no id: b2 is on its way
		h.Offer(user("a"), 0, say(3, "a3"))

		ok := r.Resnapshot([]Key{user("c"), user("b"), user("unknown")}, func(news []News, cursor string) []Event {
			return []Event{{Name: "snapshot", ID: cursor, Data: listing(news)}}
		})
		if !ok {
			t.Error("the snapshot was refused")
		}
		r.expect(t, "1s presence[a3] snapshot#3c:-,b:b2,unknown:-,")
		pass(time.Second)
		h.Offer(user("c"), 0, say(1, "c1"))
		r.expect(t, "2s presence#4[c1]")
	})
}

func TestSnapshotsAreBoundedAndEndWithTheStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHub(testKinds)
		s := h.NewStream(Options{})
		nothing := func([]News, string) []Event { return nil }
		for range queueLimit {
			if !s.Resnapshot(nil, nothing) {
				t.Fatal("refused before the bound")
			}
		}
		if s.Resnapshot(nil, nothing) {
			t.Error("taken past the bound")
		}
		s.Close()
		if s.Resnapshot(nil, nothing) {
			t.Error("taken after the end")
		}
	})
}

// How it looked: somebody joins a room, and each of its members reads twice that
// he is online.
func TestAKeyWatchedAsSentIsNotWrittenAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHub(testKinds)
		r := run(t, watching(h, Options{}, user("a")))
		h.WatchSent(r.Stream, user("b"), 0, say(3, "online"))
		r.Offer(user("b"), 0, say(2, "busy")) // late
		r.Offer(user("b"), 0, say(4, "online"))
		r.expect(t)
		h.Offer(user("b"), 0, say(5, "busy"))
		r.expect(t, "0s presence[busy]")

		h.Offer(user("a"), 0, say(1, "online"))
		r.expect(t, "0s presence[online]")
		h.WatchSent(r.Stream, user("a"), 1, say(9, "busy")) // is watched already
		h.Offer(user("a"), 1, say(9, "away"))
		h.Offer(user("a"), 0, say(2, "online"))
		r.expect(t)
		h.Offer(user("a"), 0, say(3, "busy"))
		r.expect(t, "0s presence[busy]")
	})
}

func TestAnOpeningKnowsWhatWasWatchedAsSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHub(testKinds)
		s := h.NewStream(Options{Opening: func(news []News, _ string) []Event {
			return []Event{{Name: "snapshot", Data: listing(news)}}
		}})
		h.WatchSent(s, user("a"), 0, say(1, "online"))
		h.WatchSent(s, user("b"), 0, say(1, "online"))
		h.Offer(user("a"), 0, say(2, "online"))
		h.Offer(user("b"), 0, say(2, "busy"))
		run(t, s).expect(t, "0s snapshota:-,b:busy,")
	})
}

func TestMergedKindsDoNotMix(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHub([]KindSpec{{Name: "people", Sep: ","}, {Name: "things", Sep: ","}})
		s := watching(h, Options{Cursor: func() string { return "c" }}, Key{0, "a"}, Key{1, "b"})
		h.Offer(Key{1, "b"}, 0, say(1, "b1"))
		h.Offer(Key{0, "a"}, 0, say(1, "a1"))
		run(t, s).expect(t, "0s peoplea1 things#cb1")
	})
}
