package storetest

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/presently/presently/presence"
)

func (a *actor) typ(user string, where presence.Typing) {
	a.t.Helper()
	if where.Session == "" {
		where.Session = "session-1"
	}
	if where.TTL == 0 {
		where.TTL = 6 * time.Second
	}
	a.did(tracker(a.fx).StartTyping(a.t.Context(), user, where))
}

func (a *actor) stop(user string, where presence.Typing) {
	a.t.Helper()
	a.did(tracker(a.fx).StopTyping(a.t.Context(), user, where))
}

// wantTyping checks in which threads of a room a user types, to a stranger; and that the index names him there if he does.
func (a *actor) wantTyping(user, room string, threads ...string) {
	a.t.Helper()
	r := a.record(user)
	var got []string
	for _, m := range r.TypesFor(stranger, room, r.AsOf) {
		got = append(got, m.Thread)
	}
	if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", threads) {
		a.t.Fatalf("%s types in %q of %s, want %q; marks %+v", user, got, room, threads, r.Marks)
	}
	if x := a.room(room); len(threads) > 0 && !slices.Contains(x.Typing, user) {
		a.t.Fatalf("by the index of %q %q may type, but %s does", room, x.Typing, user)
	}
}

// typingStories are of typing, which ends by itself.
var typingStories = []story{
	{"TypingEndsByItsOwnClock", func(a *actor) {
		a.beat(beatIn("ada", "session-1", "lobby"))
		a.typ("ada", presence.Typing{Room: "lobby"})
		until := a.now().Add(6 * time.Second)
		if r := a.record("ada"); !near(r.Marks[0].Until, until) {
			a.t.Fatalf("marks %+v, want one until %s", r.Marks, until)
		}
		a.wantHeard(presence.ByBeat, presence.ByTyping)
		a.fx.Advance(5 * time.Second)
		a.wantTyping("ada", "lobby", "")
		a.fx.Advance(2 * time.Second)
		a.wantTyping("ada", "lobby")
		a.wantHeard()
	}},
	{"TypingGoesOnWhileItIsSaid", func(a *actor) {
		a.beat(beatIn("ada", "session-1", "lobby"))
		for range 4 {
			a.typ("ada", presence.Typing{Room: "lobby", Thread: "t"})
			a.fx.Advance(3 * time.Second)
			a.beat(beatOf("ada", "session-1"))
			a.wantTyping("ada", "lobby", "t")
		}
		if r := a.record("ada"); len(r.Marks) != 1 {
			a.t.Fatalf("marks %+v, want one", r.Marks)
		}
		a.fx.Advance(4 * time.Second)
		a.wantTyping("ada", "lobby")
	}},
	{"TypingEndsOnStop", func(a *actor) {
		a.beat(beatIn("ada", "session-1", "lobby"))
		a.beat(beatOf("ada", "session-2"))
		a.typ("ada", presence.Typing{Room: "lobby"})
		a.typ("ada", presence.Typing{Room: "lobby", Thread: "t"})
		a.wantTyping("ada", "lobby", "", "t")
		a.stop("ada", presence.Typing{Room: "lobby", Session: "session-2"}) // whichever session says so
		a.wantTyping("ada", "lobby", "t")
		a.stop("ada", presence.Typing{Room: "lobby"})
		a.stop("ada", presence.Typing{Room: "hall", Thread: "t"})
		a.wantTyping("ada", "lobby", "t")
		a.stop("ada", presence.Typing{Room: "lobby", Thread: "t"})
		a.wantTyping("ada", "lobby")
		if x := a.room("lobby"); len(x.Typing) != 0 {
			a.t.Fatalf("%q may type", x.Typing)
		}
		a.wantHeard(presence.ByBeat, presence.ByBeat, presence.ByTyping, presence.ByTyping, presence.ByTyping, presence.ByTyping)
	}},
	{"TypingNeedsALiveSession", func(a *actor) {
		where := presence.Typing{Session: "session-1", Room: "lobby", TTL: time.Second}
		if err := tracker(a.fx).StartTyping(a.t.Context(), "ada", where); !errors.Is(err, presence.ErrNoSession) {
			a.t.Fatalf("error %v, want ErrNoSession", err)
		}
		if err := tracker(a.fx).StopTyping(a.t.Context(), "ada", where); !errors.Is(err, presence.ErrNoSession) {
			a.t.Fatalf("error %v of a stop, want ErrNoSession", err)
		}
		a.stop("ada", presence.Typing{Room: "lobby"})
		a.wantHeard()
	}},
	{"TypingEndsWhenItsUserLeavesTheRoom", func(a *actor) {
		goes := []func(){
			func() { a.goFrom("ada", "session-1", "lobby") },
			func() { a.goFrom("ada", "", "lobby") },
			func() { a.beat(beatIn("ada", "session-1", "hall")) },
		}
		a.beat(beatOf("ada", "session-1"))
		for _, leaves := range goes {
			a.join("ada", "session-1", "lobby")
			a.typ("ada", presence.Typing{Room: "lobby"})
			a.typ("ada", presence.Typing{Room: "hall"})
			a.wantTyping("ada", "lobby", "")
			leaves()
			a.wantTyping("ada", "lobby")
			a.wantTyping("ada", "hall", "")
			a.join("ada", "session-1", "lobby")
			a.wantTyping("ada", "lobby") // to come back is not to type
		}
	}},
	{"TypingGoesOnWhileAnotherSessionIsInTheRoom", func(a *actor) {
		a.beat(beatIn("ada", "session-1", "lobby"))
		a.beat(beatIn("ada", "session-2", "lobby"))
		a.typ("ada", presence.Typing{Room: "lobby"})
		a.goFrom("ada", "session-1", "lobby")
		a.wantTyping("ada", "lobby", "")
		a.goFrom("ada", "session-2", "lobby")
		a.wantTyping("ada", "lobby")
	}},
	{"TypingEndsWithItsSession", func(a *actor) {
		a.beat(beatIn("ada", "session-1", "lobby"))
		a.beat(beatIn("ada", "session-2", "lobby"))
		a.typ("ada", presence.Typing{Room: "lobby", TTL: 30 * time.Second})
		a.typ("ada", presence.Typing{Room: "hall", TTL: 30 * time.Second})
		a.typ("ada", presence.Typing{Room: "lobby", Thread: "t", Session: "session-2", TTL: 30 * time.Second})
		a.end("ada", "session-1")
		a.wantTyping("ada", "lobby", "t")
		a.wantTyping("ada", "hall")
		a.fx.Advance(TTL + time.Second)
		a.wantTyping("ada", "lobby")
		a.beat(beatIn("ada", "session-1", "lobby"))
		a.beat(beatIn("ada", "session-2", "lobby"))
		a.wantTyping("ada", "lobby")
		a.wantTyping("ada", "hall")
	}},
	{"TheTypistNeedNotBeAMember", func(a *actor) {
		a.beat(beatOf("ada", "session-1"))
		a.typ("ada", presence.Typing{Room: "lobby"})
		a.wantTyping("ada", "lobby", "")
		a.wantRoom("lobby", 0)
		a.wantRoomCount(0)
		a.join("ada", "session-1", "lobby")
		a.goFrom("ada", "session-1", "lobby")
		a.wantTyping("ada", "lobby", "") // she began as none
		a.join("ada", "session-1", "lobby")
		a.goFrom("ada", "", "lobby") // in whatever capacity
		a.wantTyping("ada", "lobby")
	}},
	{"TypingIsHiddenByItsPrivacy", func(a *actor) {
		a.beat(beatIn("ada", "session-1", "lobby"))
		a.typ("ada", presence.Typing{Room: "lobby", TTL: 30 * time.Second})
		p := presence.DefaultPrivacy
		p.Typing = presence.Nobody
		_, err := tracker(a.fx).SetPrivacy(a.t.Context(), "ada", p, nil)
		a.did(err)
		a.wantTyping("ada", "lobby")
		if r := a.record("ada"); len(r.TypesFor("ada", "lobby", r.AsOf)) != 1 {
			a.t.Fatalf("she does not see herself type: %+v", r.Marks)
		}
		_, err = tracker(a.fx).SetPrivacy(a.t.Context(), "ada", presence.DefaultPrivacy, nil)
		a.did(err)
		a.wantTyping("ada", "lobby", "")
		a.choose("ada", presence.Invisible, 0)
		a.wantTyping("ada", "lobby")
	}},
	// Whoever watches a room forgets who hides, and would not know of her until she types again.
	{"WhoComesOutOfHidingTellsAgainWhereSheIsAndTypes", func(a *actor) {
		a.beat(beatIn("ada", "session-1", "lobby"))
		a.beat(beatIn("ada", "session-2", "attic"))
		a.goFrom("ada", "session-2", "attic")
		a.typ("ada", presence.Typing{Room: "hall", TTL: 20 * time.Second})
		a.typ("ada", presence.Typing{Room: "attic", TTL: time.Second})
		a.choose("ada", presence.Invisible, 0)
		a.fx.Advance(2 * time.Second)
		a.fx.Heard.take(a.t, a.fx.Store)
		a.choose("ada", "", 0)
		var rooms []string
		for _, f := range a.wantHeard(presence.ByChoice)[0].Facts {
			switch f := f.(type) {
			case presence.Membership:
				rooms = append(rooms, fmt.Sprint(f.Session, f.Stays[0].Room))
			case presence.Mark:
				rooms = append(rooms, f.Room)
			}
		}
		if slices.Sort(rooms); fmt.Sprint(rooms) != "[hall session-1lobby]" {
			a.t.Fatalf("told of %q", rooms)
		}
		a.wantTyping("ada", "hall") // who comes out is not in the middle of a word
	}},
	{"TypingBegunInHidingIsNotSeenUntilItIsSaidAgain", func(a *actor) {
		a.beat(beatIn("ada", "session-1", "lobby"))
		for _, way := range []struct {
			hide, show func()
		}{
			{func() { a.choose("ada", presence.Invisible, 0) }, func() { a.choose("ada", "", 0) }},
			{func() { a.did(tracker(a.fx).SetBlock(a.t.Context(), "ada", stranger, true)) }, func() { a.did(tracker(a.fx).SetBlock(a.t.Context(), "ada", stranger, false)) }},
		} {
			a.typ("ada", presence.Typing{Room: "lobby", Thread: "before"})
			a.wantTyping("ada", "lobby", "before")
			way.hide()
			a.typ("ada", presence.Typing{Room: "lobby", Thread: "hidden"})
			a.wantTyping("ada", "lobby")
			way.show()
			a.wantTyping("ada", "lobby")
			a.typ("ada", presence.Typing{Room: "lobby", Thread: "hidden"})
			a.wantTyping("ada", "lobby", "hidden")
			a.stop("ada", presence.Typing{Room: "lobby", Thread: "hidden"})
			a.stop("ada", presence.Typing{Room: "lobby", Thread: "before"})
		}
	}},
	{"AtMostSoManyMarksAUser", func(a *actor) {
		a.beat(beatOf("ada", "session-1"))
		for i := range presence.MarksAUser {
			a.typ("ada", presence.Typing{Room: fmt.Sprintf("room-%02d", i), TTL: time.Duration(30-i) * time.Second})
		}
		a.typ("ada", presence.Typing{Room: "room-00", TTL: 30 * time.Second}) // one of them
		a.wantTyping("ada", "room-19", "")
		a.typ("ada", presence.Typing{Room: "one more"})
		a.wantTyping("ada", "room-19") // it would have been the first to end
		a.wantTyping("ada", "room-18", "")
		a.wantTyping("ada", "one more", "")
		a.fx.Advance(7 * time.Second) // to the end of that one alone
		a.typ("ada", presence.Typing{Room: "one more", Thread: "t"})
		if r := a.record("ada"); len(r.Marks) != presence.MarksAUser {
			a.t.Fatalf("%d marks, want %d", len(r.Marks), presence.MarksAUser)
		}
		a.wantTyping("ada", "room-18", "")
		a.wantTyping("ada", "one more", "t")
	}},
	{"PlacesOfTypingAreKeptToTheLetter", func(a *actor) {
		a.beat(beatOf("ada", "session-1"))
		for _, name := range awkward {
			a.typ("ada", presence.Typing{Room: name, Thread: name + name})
			a.wantTyping("ada", name, name+name)
			a.typ("ada", presence.Typing{Room: name})
			a.wantTyping("ada", name, "", name+name)
			a.stop("ada", presence.Typing{Room: name})
			a.wantTyping("ada", name, name+name)
			a.stop("ada", presence.Typing{Room: name, Thread: name + name})
			a.wantTyping("ada", name)
		}
	}},
}
