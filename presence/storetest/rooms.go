package storetest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/presently/presently/presence"
)

func (a *actor) join(user, session, room string) {
	a.t.Helper()
	a.did(tracker(a.fx).Join(a.t.Context(), user, session, room))
}

func (a *actor) goFrom(user, session, room string) {
	a.t.Helper()
	a.did(tracker(a.fx).LeaveRoom(a.t.Context(), user, session, room))
}

func (a *actor) end(user, session string) {
	a.t.Helper()
	a.did(a.fx.Store.End(a.t.Context(), user, session))
}

func (a *actor) show(user string, online presence.Audience) {
	a.t.Helper()
	p := presence.DefaultPrivacy
	p.Online = online
	_, err := tracker(a.fx).SetPrivacy(a.t.Context(), user, p, nil)
	a.did(err)
}

// beatIn is a beat of a session that is in just these rooms.
func beatIn(user, session string, rooms ...string) presence.Beat {
	b := beatOf(user, session)
	rooms = slices.Sorted(slices.Values(rooms))
	b.Rooms = &rooms
	return b
}

func (a *actor) room(room string) presence.RoomIndex {
	a.t.Helper()
	return readRoom(a.t, a.fx.Store, room, 0)
}

// wantRoom checks who is in a room, and with how many sessions.
func (a *actor) wantRoom(room string, sessions int, members ...string) {
	a.t.Helper()
	x := a.room(room)
	if x.Users != len(members) || x.Sessions != sessions || fmt.Sprint(x.Members) != fmt.Sprint(members) {
		a.t.Fatalf("in %q there are %+v, want %q with %d sessions", room, x, members, sessions)
	}
}

// wantApart checks whom only some may see in the room.
func (a *actor) wantApart(room string, users ...string) {
	a.t.Helper()
	if x := a.room(room); fmt.Sprint(x.Apart) != fmt.Sprint(users) {
		a.t.Fatalf("in %q there are %+v, want %q apart", room, x, users)
	}
}

// wantGone checks who has gone from a room since a moment.
func (a *actor) wantGone(room string, since presence.Version, users ...string) {
	a.t.Helper()
	if x := readRoom(a.t, a.fx.Store, room, since); fmt.Sprint(x.Gone) != fmt.Sprint(users) {
		a.t.Fatalf("from %q since %d %q have gone, want %q", room, since, x.Gone, users)
	}
}

// wantIn checks in which rooms a viewer sees a user.
func (a *actor) wantIn(user, viewer string, rooms ...string) {
	a.t.Helper()
	if got := a.record(user).RoomsFor(viewer); fmt.Sprint(got) != fmt.Sprint(rooms) {
		a.t.Fatalf("%s sees %s in %q, want %q", viewer, user, got, rooms)
	}
}

func (a *actor) wantRoomCount(want int) {
	a.t.Helper()
	if n, err := a.fx.Store.RoomCount(a.t.Context()); err != nil || n != want {
		a.t.Fatalf("%d rooms, %v, want %d", n, err, want)
	}
}

// moment is one between what has been done and what will be.
func (a *actor) moment() presence.Version {
	a.t.Helper()
	a.fx.Tick()
	now := a.record("ada").AsOf
	a.fx.Tick()
	return now
}

// roomStories are of people who meet.
var roomStories = []story{
	{"JoiningNeedsALiveSession", func(a *actor) {
		join := func(session string) error { return tracker(a.fx).Join(a.t.Context(), "ada", session, "lobby") }
		if err := join("session-1"); !errors.Is(err, presence.ErrNoSession) {
			a.t.Fatalf("error %v, want ErrNoSession", err)
		}
		a.beat(beatOf("ada", "session-1"))
		if err := join("session-2"); !errors.Is(err, presence.ErrNoSession) {
			a.t.Fatalf("error %v by another session, want ErrNoSession", err)
		}
		a.did(join("session-1"))
		a.did(join("session-1"))
		a.wantRoom("lobby", 1, "ada")
		a.wantIn("ada", "bob", "lobby")
		a.wantHeard(presence.ByBeat, presence.ByRoom) // once more is nothing new
	}},
	{"AMembershipEndsWithItsSession", func(a *actor) {
		for _, user := range []string{"ada", "bob", "cy"} {
			a.beat(beatIn(user, "session-1", "lobby"))
		}
		a.wantHeard(presence.ByBeat, presence.ByBeat, presence.ByBeat)
		since := a.moment()
		a.wantRoom("lobby", 3, "ada", "bob", "cy")
		a.end("ada", "session-1")
		a.wantRoom("lobby", 2, "bob", "cy")
		a.wantHeard(presence.ByEnd)
		a.leave("bob", "session-1")
		a.wantRoom("lobby", 2, "bob", "cy") // believed until its grace ends
		a.fx.Advance(Grace + time.Second)
		a.wantRoom("lobby", 1, "cy")
		a.wantHeard(presence.ByLeave)
		a.fx.Advance(TTL)
		a.wantRoom("lobby", 0)
		a.wantHeard(presence.ByLapse)
		a.wantGone("lobby", since, "ada", "bob", "cy")
		a.beat(beatOf("ada", "session-1"))
		a.wantRoom("lobby", 0)
		a.wantIn("ada", "ada")
	}},
	{"AUserCountsOnceAndHisSessionsApart", func(a *actor) {
		a.beat(beatIn("ada", "session-1", "lobby"))
		a.beat(beatIn("ada", "session-2", "lobby", "hall"))
		a.beat(beatOf("ada", "session-3"))
		a.beat(beatIn("bob", "session-1", "lobby"))
		a.wantRoom("lobby", 3, "ada", "bob")
		a.wantRoom("hall", 1, "ada")
		a.wantRoom(presence.Everywhere, 4, "ada", "bob")
		a.goFrom("ada", "session-1", "lobby")
		a.wantRoom("lobby", 2, "ada", "bob")
		a.end("ada", "session-2")
		a.wantRoom("lobby", 1, "bob")
		a.wantRoom("hall", 0)
		a.wantRoom(presence.Everywhere, 3, "ada", "bob")
	}},
	{"ABeatsRoomsAreAllThatItsSessionIsIn", func(a *actor) {
		a.beat(beatIn("ada", "session-1", "hall", "lobby"))
		came := a.record("ada")
		a.fx.Advance(time.Second)
		if out := a.beat(beatIn("ada", "session-1", "attic", "lobby")); fmt.Sprint(out.Record.Rooms()) != "[attic lobby]" {
			a.t.Fatalf("the beat's answer says %q", out.Record.Rooms())
		}
		a.wantIn("ada", "bob", "attic", "lobby")
		a.wantRoom("hall", 0)
		a.wantRoom("lobby", 1, "ada")
		r := a.record("ada")
		if r.CameInto("bob", "lobby") != came.CameInto("bob", "lobby") || r.CameInto("bob", "attic") <= came.AsOf {
			a.t.Fatalf("in the lobby since %d, in the attic since %d; the lobby was hers at %+v", r.CameInto("bob", "lobby"), r.CameInto("bob", "attic"), came.Memberships)
		}
		a.beat(beatIn("ada", "session-1"))
		a.wantIn("ada", "bob")
		a.wantRoomCount(0)
		a.wantHeard(presence.ByBeat, presence.ByBeat, presence.ByBeat)
	}},
	// By this a server holds users to a rate of rooms.
	{"ABeatTellsIntoHowManyRoomsItsSessionHasCome", func(a *actor) {
		wants := func(b presence.Beat, came int) {
			a.t.Helper()
			for _, b.Minimal = range []bool{true, false} { // the second brings nothing new
				if out := a.beat(b); out.Came != came {
					a.t.Fatalf("Beat(%s, %v) brings her into %d rooms, want %d", b.Session, b.Rooms, out.Came, came)
				}
				came = 0
			}
		}
		wants(beatOf("ada", "session-1"), 0)
		wants(beatIn("ada", "session-1", "hall", "lobby"), 2)
		wants(beatIn("ada", "session-1", "attic", "hall", "lobby"), 1)
		wants(beatIn("ada", "session-1", "den", "hall"), 1)
		wants(beatIn("ada", "session-1", "hall"), 0)
		wants(beatIn("ada", "session-2", "hall", "lobby"), 2) // a new session, of a user who is in one of them
		a.leave("ada", "session-2")
		wants(beatIn("ada", "session-2", "hall", "porch", "lobby"), 1) // and returns
		wants(beatIn("ada", "session-1"), 0)
	}},
	{"ABeatWithoutRoomsKeepsThem", func(a *actor) {
		a.beat(beatOf("ada", "session-1"))
		a.beat(beatIn("ada", "session-1", "hall"))
		a.join("ada", "session-1", "lobby")
		a.fx.Advance(time.Second)
		a.beat(beatOf("ada", "session-1"))
		b := beatOf("ada", "session-1")
		b.State = presence.Busy
		a.beat(b)
		a.wantIn("ada", "bob", "hall", "lobby")
		a.wantHeard(presence.ByBeat, presence.ByBeat, presence.ByRoom, presence.ByBeat)
	}},
	{"ASteadyBeatWithRoomsTellsNobody", func(a *actor) {
		b := beatIn("ada", "session-1", rooms...)
		b.Minimal = true
		a.beat(b)
		for range 4 {
			a.fx.Advance(TTL - 2*time.Second)
			if out := a.beat(b); !out.Steady {
				a.t.Fatalf("%+v, want steady", out)
			}
		}
		a.wantIn("ada", "bob", rooms...)
		a.wantHeard(presence.ByBeat)
	}},
	// A store that takes beats with the same content for steady would leave her where she went in between.
	{"ABeatSaysItsRoomsAnewAfterOthersWereJoinedOrLeft", func(a *actor) {
		b := beatIn("ada", "session-1", "hall", "lobby")
		b.Minimal = true
		for _, moves := range []func(){
			func() { a.join("ada", "session-1", "attic") },
			func() { a.goFrom("ada", "session-1", "hall") },
			func() { a.goFrom("ada", "", "lobby") },
			func() { a.beat(beatIn("ada", "session-1")) },
		} {
			for range 3 {
				a.beat(b)
			}
			moves()
			if out := a.beat(b); out.Steady {
				a.t.Fatalf("%+v, want a change", out)
			}
			a.wantIn("ada", "bob", "hall", "lobby")
			a.wantRoom("attic", 0)
			a.wantRoom("hall", 1, "ada")
		}
	}},
	{"AnOlderBeatMovesNobody", func(a *actor) {
		b := beatIn("ada", "session-1", "lobby")
		b.Seq = seq(2)
		a.beat(b)
		old := beatIn("ada", "session-1", "hall")
		old.Seq = seq(1)
		a.beat(old)
		a.wantIn("ada", "bob", "lobby")
		a.wantRoomCount(1)
	}},
	{"LeavingARoomIsBySessionOrByAll", func(a *actor) {
		for _, session := range sessions[:3] {
			a.beat(beatIn("ada", session, "hall", "lobby"))
		}
		a.goFrom("ada", "session-9", "lobby")
		a.goFrom("bob", "", "lobby")
		a.goFrom("ada", "", "attic")
		a.wantHeard(presence.ByBeat, presence.ByBeat, presence.ByBeat)
		a.goFrom("ada", "session-2", "lobby")
		a.wantRoom("lobby", 2, "ada")
		a.goFrom("ada", "", "lobby")
		a.wantRoom("lobby", 0)
		a.wantRoom("hall", 3, "ada")
		a.goFrom("ada", "", "lobby")
		a.wantHeard(presence.ByRoom, presence.ByRoom) // all sessions in one step
	}},
	{"WhoHidesIsInNoRoom", func(a *actor) {
		a.beat(beatIn("ada", "session-1", "lobby"))
		a.beat(beatIn("bob", "session-1", "lobby"))
		a.did(tracker(a.fx).SetContact(a.t.Context(), "ada", "cy", true))
		since := a.moment()
		a.choose("ada", presence.Invisible, 0)
		a.wantRoom("lobby", 1, "bob")
		a.wantRoom(presence.Everywhere, 1, "bob")
		a.wantApart("lobby")
		a.wantIn("ada", "cy")
		a.wantIn("ada", "ada", "lobby") // to her own eyes she is
		a.wantGone("lobby", since, "ada")
		hidden := a.moment()
		a.join("ada", "session-1", "hall")
		a.beat(beatIn("ada", "session-2", "lobby", "attic"))
		a.goFrom("ada", "", "lobby")
		a.join("ada", "session-1", "lobby")
		a.did(tracker(a.fx).StartTyping(a.t.Context(), "ada", presence.Typing{Session: "session-1", Room: "lobby", TTL: time.Minute}))
		a.did(tracker(a.fx).SetBlock(a.t.Context(), "ada", "eve", true))
		for _, room := range []string{"hall", "attic"} {
			a.wantRoom(room, 0)
			a.wantApart(room)
			a.wantGone(room, since)
		}
		a.goFrom("ada", "", "attic")
		a.wantRoomCount(1)
		a.wantGone("lobby", hidden)
		a.wantGone("attic", hidden)
		a.choose("ada", "", 0)
		a.wantRoom("lobby", 2, "ada", "bob")
		a.wantRoom("hall", 1, "ada")
		a.wantIn("ada", "cy", "hall", "lobby")
		a.wantRoom(presence.Everywhere, 3, "ada", "bob")
	}},
	{"WhoShowsHimselfToContactsAloneIsApart", func(a *actor) {
		a.beat(beatIn("ada", "session-1", "lobby"))
		a.did(tracker(a.fx).SetContact(a.t.Context(), "ada", "bob", true))
		since := a.moment()
		a.show("ada", presence.Contacts)
		a.wantRoom("lobby", 0)
		a.wantRoom(presence.Everywhere, 0)
		a.wantApart("lobby", "ada")
		a.wantApart(presence.Everywhere, "ada")
		a.wantRoomCount(0)
		a.wantGone("lobby", since, "ada") // to strangers
		a.wantIn("ada", "bob", "lobby")
		a.wantIn("ada", "cy")
		since = a.moment()
		a.did(tracker(a.fx).SetContact(a.t.Context(), "ada", "bob", false))
		a.wantGone("lobby", since, "ada") // to bob
		a.wantApart("lobby", "ada")
		since = a.moment()
		a.goFrom("ada", "", "lobby")
		a.wantApart("lobby")
		a.wantGone("lobby", since, "ada") // to any contact
	}},
	{"WhoBlocksIsAMemberAndApart", func(a *actor) {
		a.beat(beatIn("ada", "session-1", "lobby"))
		since := a.moment()
		a.did(tracker(a.fx).SetBlock(a.t.Context(), "ada", "bob", true))
		a.wantRoom("lobby", 1, "ada")
		a.wantApart("lobby", "ada")
		a.wantGone("lobby", since, "ada") // to bob
		a.wantIn("ada", "bob")
		a.wantIn("ada", "cy", "lobby")
		a.did(tracker(a.fx).SetBlock(a.t.Context(), "ada", "bob", false))
		a.wantRoom("lobby", 1, "ada")
		a.wantApart("lobby")
		a.wantIn("ada", "bob", "lobby")
	}},
	{"WhoHasGoneIsToldByTheMomentAskedFor", func(a *actor) {
		for _, user := range []string{"ada", "bob", "cy"} {
			a.beat(beatIn(user, "session-1", "hall", "lobby"))
		}
		first := a.moment()
		a.goFrom("ada", "", "lobby")
		second := a.moment()
		a.beat(beatIn("bob", "session-1", "hall"))
		third := a.moment()
		a.wantGone("lobby", first, "ada", "bob")
		a.wantGone("lobby", second, "bob")
		a.wantGone("lobby", third)
		a.wantGone("hall", first)
		a.join("ada", "session-1", "lobby")
		a.wantGone("lobby", first, "ada", "bob") // though she is back
		a.wantRoom("lobby", 2, "ada", "cy")
		a.goFrom("ada", "", "lobby")
		a.wantGone("lobby", third, "ada")
		for range 6 {
			a.fx.Advance(TTL)
			a.beat(beatOf("cy", "session-1"))
		}
		a.wantGone("lobby", first, "ada", "bob")
	}},
	{"MembersComeInPagesInTheOrderOfTheirBytes", func(a *actor) {
		users := append([]string{"Zoë", "ada", "bob", "Ünï", "\U0001F40C", "\uFF5E", "zz"}, awkward...)
		for _, user := range users {
			a.beat(beatIn(user, "session-1", "lobby"))
		}
		slices.Sort(users)
		for _, room := range []string{"lobby", presence.Everywhere} {
			a.wantRoom(room, len(users), users...)
			for i, after := range users {
				x, err := a.fx.Store.Room(a.t.Context(), presence.RoomQuery{Room: room, After: after, Limit: 3})
				a.did(err)
				if want := users[i+1 : min(len(users), i+4)]; fmt.Sprint(x.Members) != fmt.Sprint(want) || x.Users != len(users) {
					a.t.Fatalf("after %q come %q of %d, want %q", after, x.Members, x.Users, want)
				}
			}
			x, err := a.fx.Store.Room(a.t.Context(), presence.RoomQuery{Room: room, After: "b", Limit: 1}) // who is not there
			a.did(err)
			if fmt.Sprint(x.Members) != "[bob]" {
				a.t.Fatalf("after b come %q", x.Members)
			}
		}
	}},
	{"ACountNeedsNoMembers", func(a *actor) {
		a.beat(beatIn("ada", "session-1", "lobby"))
		for _, room := range []string{"lobby", presence.Everywhere} {
			x, err := a.fx.Store.Room(a.t.Context(), presence.RoomQuery{Room: room})
			a.did(err)
			if x.Users != 1 || x.Sessions != 1 || len(x.Members)+len(x.Gone)+len(x.Typing) != 0 {
				a.t.Fatalf("in %q %+v", room, x)
			}
		}
	}},
	{"NoRoomReachesAnother", func(a *actor) {
		names := append([]string{"a", "*", "?", "[a]", "a b", "\u00e4", "a\u0308", "meta", "all", "%00"}, awkward...)
		a.beat(beatOf("ada", "session-1"))
		for i, room := range names {
			a.join("ada", "session-1", room)
			a.wantRoomCount(i + 1)
		}
		a.beat(beatIn("ada", "session-1", names...))
		sorted := slices.Sorted(slices.Values(names))
		a.wantIn("ada", "ada", sorted...)
		for i, room := range names {
			a.goFrom("ada", "", room)
			a.wantRoom(room, 0)
			for _, other := range names[i+1:] {
				a.wantRoom(other, 1, "ada")
			}
		}
	}},
	{"RoomsDoNotOutliveTheirMembers", func(a *actor) {
		a.wantRoomCount(0)
		a.beat(beatIn("ada", "session-1", "hall", "lobby"))
		a.beat(beatIn("bob", "session-1", "lobby"))
		a.wantRoomCount(2)
		a.goFrom("ada", "", "hall")
		a.wantRoomCount(1)
		a.fx.Advance(TTL + time.Second)
		a.wantRoomCount(0)
		a.wantRoom(presence.Everywhere, 0)
	}},
	{"TheLargestRoomsAreThoseOfMostUsers", func(a *actor) {
		largest := func(n int, want ...presence.RoomSize) {
			a.t.Helper()
			if got, err := a.fx.Store.LargestRooms(a.t.Context(), n); err != nil || !slices.Equal(got, want) {
				a.t.Fatalf("the %d largest rooms: %+v, %v, want %+v", n, got, err, want)
			}
		}
		largest(5)
		a.beat(beatOf("zoe", "session-1")) // in none
		a.beat(beatIn("ada", "session-1", "hall", "lobby", "u=|%\u2028"))
		a.beat(beatIn("ada", "session-2", "hall"))
		a.beat(beatIn("bob", "session-1", "hall", "lobby"))
		a.beat(beatIn("cyd", "session-1", "lobby"))
		largest(5, presence.RoomSize{Room: "lobby", Users: 3}, presence.RoomSize{Room: "hall", Users: 2}, presence.RoomSize{Room: "u=|%\u2028", Users: 1})
		largest(1, presence.RoomSize{Room: "lobby", Users: 3})
		a.goFrom("bob", "", "hall")
		a.goFrom("ada", "", "hall")
		largest(5, presence.RoomSize{Room: "lobby", Users: 3}, presence.RoomSize{Room: "u=|%\u2028", Users: 1})
	}},
	{"ASampleIsOfThoseWhomEverybodyMaySee", func(a *actor) {
		sample := func(n, of int) []string {
			a.t.Helper()
			users, got, err := a.fx.Store.Sample(a.t.Context(), n)
			if err != nil || got != of || len(users) != min(n, of) {
				a.t.Fatalf("a sample of %d: %q of %d, %v, want them of %d", n, users, got, err, of)
			}
			slices.Sort(users)
			return users
		}
		sample(5, 0)
		all := []string{"ada", "bob|=%", "cyd", "zoe\u2028"}
		for _, user := range all {
			a.beat(beatIn(user, "session-1", "hall", "lobby", "attic"))
			a.beat(beatOf(user, "session-2"))
		}
		a.beat(beatOf("eve", "session-1"))
		a.choose("eve", presence.Invisible, 0)
		if got := sample(9, 4); !slices.Equal(got, all) {
			a.t.Fatalf("everybody: %q", got)
		}
		seen := map[string]bool{}
		for range 200 {
			for _, user := range slices.Compact(sample(2, 4)) {
				seen[user] = true
			}
		}
		if got := slices.Sorted(maps.Keys(seen)); !slices.Equal(got, all) {
			a.t.Fatalf("200 samples of two have %q, and never others", got)
		}
	}},
	{"OneRoomTooManyIsRefused", func(a *actor) {
		names := make([]string, presence.RoomsASession)
		for i := range names {
			names[i] = fmt.Sprintf("room-%02d", i)
		}
		a.beat(beatIn("ada", "session-1", names...))
		a.wantRoomCount(len(names))
		if err := tracker(a.fx).Join(a.t.Context(), "ada", "session-1", "one more"); !errors.Is(err, presence.ErrTooManyRooms) {
			a.t.Fatalf("error %v, want ErrTooManyRooms", err)
		}
		a.join("ada", "session-1", names[7]) // where she is
		a.beat(beatOf("ada", "session-2"))
		a.join("ada", "session-2", "one more")
		a.wantRoomCount(len(names) + 1)
		a.goFrom("ada", "session-1", names[0])
		a.join("ada", "session-1", "one more")
		a.wantRoomCount(len(names))
	}},
	{"ARoomIsReadAsTheWriteBeforeLeftIt", func(a *actor) {
		a.beat(beatOf("ada", "session-1"))
		for range 10 {
			a.join("ada", "session-1", "lobby")
			a.wantRoom("lobby", 1, "ada")
			a.beat(beatIn("ada", "session-1"))
			a.wantRoom("lobby", 0)
		}
	}},
}
