package presence_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/presently/presently/presence"
)

// in is a session's being in rooms, which it came into at a moment.
func in(session string, since presence.Version, rooms ...string) presence.Membership {
	m := presence.Membership{Session: session, Version: since}
	for _, room := range rooms {
		m.Stays = append(m.Stays, presence.Stay{Room: room, Since: since})
	}
	return m
}

// hidFromOthers is that ada hides from all but her contacts, or no longer does.
func hidFromOthers(is bool, version presence.Version) presence.Fact {
	return presence.HidingFrom{Class: presence.Other, Hiding: presence.Hiding{On: is, Version: version}}
}

func friend(viewer string, version presence.Version) presence.Fact {
	return presence.Relation{Viewer: viewer, Contact: true, Version: version}
}

func blocked(viewer string, version presence.Version) presence.Fact {
	return presence.Relation{Viewer: viewer, Contact: true, Blocked: true, Hiding: presence.Hiding{On: true, Version: version}, Version: version}
}

// inLobby is ada in the lobby since the first second, with bob as a contact.
func inLobby(more ...presence.Fact) presence.Record {
	return recordOf(append([]presence.Fact{saying("session-1", presence.Online), in("session-1", v(second), "lobby"), friend("bob", v(0))}, more...)...)
}

func TestWhoMaySeeThatAUserIsInARoom(t *testing.T) {
	hides := hid(presence.Hiding{On: true, Version: v(second)})
	came := hid(presence.Hiding{Version: v(minute)})
	for _, c := range []struct {
		name             string
		record           presence.Record
		ada, bob, others bool // who see her there
		all, apart       bool
	}{
		{"in it", inLobby(), true, true, true, true, false},
		{"not in it", recordOf(saying("session-1", presence.Online), in("session-1", v(0), "hall")), false, false, false, true, false},
		{"went out of it", inLobby(in("session-1", v(minute))), false, false, false, true, false},
		{"its session has ended", inLobby(presence.SessionEnded("session-1")), false, false, false, true, false},
		{"invisible", inLobby(hides), true, false, false, false, false},
		{"invisible, and blocks", inLobby(hides, blocked("cy", v(minute))), true, false, false, false, false},
		{"visible again", inLobby(hides, came), true, true, true, true, false},
		{"hides from others", inLobby(hidFromOthers(true, v(minute))), true, true, false, false, true},
		{"hides from others, and blocks a contact", inLobby(hidFromOthers(true, v(minute)), blocked("bob", v(minute))), true, false, false, false, true},
		{"blocks", inLobby(blocked("bob", v(minute))), true, false, true, true, true},
	} {
		for viewer, want := range map[string]bool{"ada": c.ada, "bob": c.bob, "eve": c.others} {
			if got := c.record.InFor(viewer, "lobby"); got != want {
				t.Errorf("%s: for %s she is there: %t, want %t", c.name, viewer, got, want)
			}
			if got := c.record.RoomsFor(viewer); slices.Contains(got, "lobby") != want {
				t.Errorf("%s: for %s she is in %q", c.name, viewer, got)
			}
		}
		if got := c.record.InForAll("lobby"); got != c.others {
			t.Errorf("%s: for all she is there: %t, want %t", c.name, got, c.others)
		}
		if all, apart := c.record.SeenBy(); all != c.all || apart != c.apart {
			t.Errorf("%s: seen by all %t, apart %t, want %t, %t", c.name, all, apart, c.all, c.apart)
		}
	}
}

func TestRoomsAreNamedOnceAndInOrder(t *testing.T) {
	r := inLobby(saying("session-2", presence.Online), in("session-2", v(second), "attic", "lobby", "zoo"))
	if got := r.RoomsFor("eve"); fmt.Sprint(got) != "[attic lobby zoo]" {
		t.Errorf("in %q", got)
	}
	if got := r.RoomsOf("session-1"); fmt.Sprint(got) != "[lobby]" {
		t.Errorf("session-1 is in %q", got)
	}
	if got := r.RoomsOf("session-9"); got == nil || len(got) != 0 {
		t.Errorf("a session that is not there is in %#v, want no rooms", got)
	}
	if got := (presence.Record{}).RoomsFor("eve"); got == nil || len(got) != 0 {
		t.Errorf("nobody is in %#v, want no rooms", got)
	}
}

func TestSessionsInARoomAndSinceWhen(t *testing.T) {
	one, two := saying("session-1", presence.Online), saying("session-2", presence.Online)
	one.Started, two.Started = after(minute), after(second)
	r := recordOf(one, two, in("session-1", v(2*minute), "hall", "lobby"), in("session-2", v(3*minute), "lobby"))
	for _, c := range []struct {
		room  string
		n     int
		since presence.Version
	}{
		{"lobby", 2, v(2 * minute)}, {"hall", 1, v(2 * minute)}, {"attic", 0, 0}, {presence.Everywhere, 2, v(second)},
	} {
		if n, since := r.SessionsIn(c.room); n != c.n || since != c.since {
			t.Errorf("%q: %d since %d, want %d since %d", c.room, n, since, c.n, c.since)
		}
	}
}

func TestWhenAUserCameIntoARoomForAViewer(t *testing.T) {
	came := hid(presence.Hiding{At: after(hour), Version: v(hour)})
	cameToContacts := presence.HidingFrom{Class: presence.Contact, Hiding: presence.Hiding{Version: v(hour)}}
	for _, c := range []struct {
		name          string
		record        presence.Record
		ada, bob, eve presence.Version
	}{
		{"joined", inLobby(), v(second), v(second), v(second)},
		{"before he became a contact", inLobby(friend("bob", v(minute))), v(second), v(minute), v(second)},
		{"before she came out", inLobby(came), v(second), v(hour), v(hour)},
		{"after she came out", inLobby(came, in("session-1", v(2*hour), "lobby")), v(2 * hour), v(2 * hour), v(2 * hour)},
		{"before she came out to contacts", inLobby(cameToContacts), v(second), v(hour), v(second)},
	} {
		for viewer, want := range map[string]presence.Version{"ada": c.ada, "bob": c.bob, "eve": c.eve} {
			if got := c.record.CameInto(viewer, "lobby"); got != want {
				t.Errorf("%s: for %s since %d, want %d", c.name, viewer, got, want)
			}
		}
	}
}

func TestHiddenSinceAMoment(t *testing.T) {
	hides := hid(presence.Hiding{On: true, Version: v(minute)})
	for _, c := range []struct {
		name          string
		record        presence.Record
		since         presence.Version
		ada, bob, eve bool
	}{
		{"not hidden", inLobby(), v(hour), false, false, false},
		{"hidden before", inLobby(hides), v(minute), false, true, true},
		{"hidden later", inLobby(hides), v(minute) - 1, false, false, false},
		{"hidden, and another relation later", inLobby(hides, friend("bob", v(hour))), v(minute), false, false, true},
		{"hidden from others alone", inLobby(hidFromOthers(true, v(minute))), v(minute), false, false, true},
		{"blocked before", inLobby(blocked("bob", v(minute))), v(minute), false, true, false},
		{"blocked later", inLobby(blocked("bob", v(minute))), v(minute) - 1, false, false, false},
	} {
		for viewer, want := range map[string]bool{"ada": c.ada, "bob": c.bob, "eve": c.eve} {
			if got := c.record.HiddenSince(viewer, c.since); got != want {
				t.Errorf("%s: from %s: %t, want %t", c.name, viewer, got, want)
			}
		}
	}
}

func TestWhoMaySeeWhatAUserTypes(t *testing.T) {
	marked := func(room, thread string, until time.Duration) presence.Mark {
		return presence.Mark{Room: room, Thread: thread, Session: "session-1", Until: after(until), Version: v(second)}
	}
	member := func(m presence.Mark) presence.Mark {
		m.Member = true
		return m
	}
	typing := func(a presence.Audience) presence.Fact {
		p := presence.DefaultPrivacy
		p.Typing, p.Version = a, v(0)
		return p
	}
	mark := member(marked("lobby", "", minute))
	for _, c := range []struct {
		name          string
		record        presence.Record
		now           presence.Version
		ada, bob, eve string // threads
	}{
		{"a member", inLobby(mark), v(minute) - 1, `[""]`, `[""]`, `[""]`},
		{"expired", inLobby(mark), v(minute), `[]`, `[]`, `[]`},
		{"in two threads and another room", inLobby(marked("lobby", "t", hour), mark, marked("hall", "u", hour)), v(second), `["" "t"]`, `["" "t"]`, `["" "t"]`},
		{"one of two expired", inLobby(marked("lobby", "t", hour), mark), v(minute), `["t"]`, `["t"]`, `["t"]`},
		{"stopped", inLobby(mark, presence.Mark{Room: "lobby"}), v(second), `[]`, `[]`, `[]`},
		{"gone from the room", inLobby(mark, in("session-1", v(2*second))), v(3 * second), `[]`, `[]`, `[]`},
		{"gone from it and back", inLobby(mark, in("session-1", v(2*second)), in("session-1", v(3*second), "lobby")), v(3 * second), `[]`, `[]`, `[]`},
		{"never there", inLobby(marked("lobby", "", minute), in("session-1", v(2*second))), v(3 * second), `[""]`, `[""]`, `[""]`},
		{"there by another session too", inLobby(mark, saying("session-2", presence.Online), in("session-2", v(0), "lobby"), in("session-1", v(minute))), v(second), `[""]`, `[""]`, `[""]`},
		{"its session has ended", inLobby(mark, saying("session-2", presence.Online), in("session-2", v(0), "lobby"), presence.SessionEnded("session-1")), v(second), `[]`, `[]`, `[]`},
		{"to contacts", inLobby(mark, typing(presence.Contacts)), v(second), `[""]`, `[""]`, `[]`},
		{"to nobody", inLobby(mark, typing(presence.Nobody)), v(second), `[""]`, `[]`, `[]`},
		{"hidden", inLobby(mark, hid(presence.Hiding{On: true, Version: v(0)})), v(second), `[""]`, `[]`, `[]`},
		{"hidden from others", inLobby(mark, hidFromOthers(true, v(0))), v(second), `[""]`, `[""]`, `[]`},
		{"blocked", inLobby(mark, blocked("bob", v(0))), v(second), `[""]`, `[]`, `[""]`},
		{"out of hiding since", inLobby(mark, hid(presence.Hiding{At: t0, Version: v(2 * second)})), v(3 * second), `[""]`, `[]`, `[]`},
		{"out of hiding before", inLobby(mark, hid(presence.Hiding{At: t0, Version: v(second) - 1})), v(3 * second), `[""]`, `[""]`, `[""]`},
		{"no longer hidden from others", inLobby(mark, presence.HidingFrom{Class: presence.Other, Hiding: presence.Hiding{At: t0, Version: v(2 * second)}}), v(3 * second), `[""]`, `[""]`, `[]`},
		{"no longer blocked", inLobby(mark, presence.Relation{Viewer: "bob", Hiding: presence.Hiding{At: t0, Version: v(2 * second)}}), v(3 * second), `[""]`, `[]`, `[""]`},
		{"a contact as of now", inLobby(mark, presence.Relation{Viewer: "eve", Contact: true, Hiding: presence.Hiding{Version: v(2 * second)}}), v(3 * second), `[""]`, `[""]`, `[""]`},
	} {
		for viewer, want := range map[string]string{"ada": c.ada, "bob": c.bob, "eve": c.eve} {
			threads := []string{}
			for _, m := range c.record.TypesFor(viewer, "lobby", c.now) {
				threads = append(threads, m.Thread)
			}
			if got := fmt.Sprintf("%q", threads); got != want {
				t.Errorf("%s: %s sees %s, want %s", c.name, viewer, got, want)
			}
		}
		if got, want := c.record.TypesIn("lobby", c.now), c.ada != `[]`; got != want {
			t.Errorf("%s: types in the lobby: %t, want %t", c.name, got, want)
		}
	}
}

func TestTheRoomsThatASessionIsSetTo(t *testing.T) {
	r := recordOf(saying("session-1", presence.Online), in("session-1", v(second), "hall", "lobby"))
	now := v(minute)
	stay := func(room string, since presence.Version) presence.Stay {
		return presence.Stay{Room: room, Since: since}
	}
	for _, c := range []struct {
		session string
		rooms   []string
		want    []presence.Stay
		changed bool
	}{
		{"session-1", []string{"hall", "lobby"}, []presence.Stay{stay("hall", v(second)), stay("lobby", v(second))}, false},
		{"session-1", []string{"lobby", "hall", "lobby"}, []presence.Stay{stay("hall", v(second)), stay("lobby", v(second))}, false},
		{"session-1", []string{"lobby", "attic"}, []presence.Stay{stay("attic", now), stay("lobby", v(second))}, true},
		{"session-1", nil, nil, true},
		{"session-2", nil, nil, false},
		{"session-2", []string{"zoo"}, []presence.Stay{stay("zoo", now)}, true},
	} {
		rooms := slices.Clone(c.rooms)
		got, changed := r.SetRooms(c.session, c.rooms, now)
		if want := (presence.Membership{Session: c.session, Stays: c.want, Version: now}); fmt.Sprint(got) != fmt.Sprint(want) || changed != c.changed {
			t.Errorf("%s in %q: %+v, %t, want %+v, %t", c.session, c.rooms, got, changed, want, c.changed)
		}
		if !slices.Equal(rooms, c.rooms) {
			t.Errorf("what it was given was %q and is now %q", rooms, c.rooms)
		}
	}
}

func TestTheEndOfAMarkIsAnExpiry(t *testing.T) {
	mark := func(thread string, until time.Duration) presence.Mark {
		return presence.Mark{Room: "lobby", Thread: thread, Session: "session-1", Until: after(until), Version: v(0)}
	}
	r := recordOf(saying("session-1", presence.Online), mark("a", minute), mark("b", second), mark("c", hour), chose(presence.Busy, 2*minute))
	now := v(0)
	for _, want := range []presence.Version{v(second), v(minute), v(2 * minute), v(hour)} {
		next, ok := r.NextExpiry(now)
		if !ok || next != want {
			t.Fatalf("after %d comes %d, %t, want %d", now, next, ok, want)
		}
		now = next
	}
	if next, ok := r.NextExpiry(now); ok {
		t.Errorf("after the last comes %d", next)
	}
}

// Whoever comes back with the moment up to which he has seen everything is told who has come since then, and who was not hidden from him all the
// time: one who came into sight before that moment, or was always hidden, would never be told, or told though nothing changed.
func TestWhatAViewerIsToldOfRoomsSinceAMomentIsWhatHasChanged(t *testing.T) {
	often(t, func(rt *rapid.T) {
		deeds := drawDeeds(40).Draw(rt, "deeds")
		inBubble(t, rt, func(t *testing.T) string {
			s := running(t, &tape{})
			var past []map[string]presence.Record
			for i, d := range deeds {
				_ = d.perform(t.Context(), s)
				time.Sleep(time.Millisecond)
				synctest.Wait()
				now := map[string]presence.Record{}
				for _, r := range lookup(t, s, people...) {
					now[r.User] = r
					for _, then := range past {
						if wrong := toldSince(then[r.User], r); wrong != "" {
							return fmt.Sprintf("%s after\n%s", wrong, story(deeds[:i+1]))
						}
					}
				}
				past = append(past, now)
			}
			return ""
		})
	})
}

// toldSince is what is wrong with what viewers are told of a user since then.
func toldSince(then, now presence.Record) string {
	for _, viewer := range append([]string{"eve"}, people...) {
		if !then.HiddenFrom(viewer) && now.HiddenSince(viewer, then.AsOf) {
			return fmt.Sprintf("%s is told to have been hidden from %s since %d, but was not", now.User, viewer, then.AsOf)
		}
		for _, room := range rooms {
			if !then.InFor(viewer, room) && now.InFor(viewer, room) && now.CameInto(viewer, room) <= then.AsOf {
				return fmt.Sprintf("%s came into %s for %s at %d, but was not there at %d", now.User, room, viewer, now.CameInto(viewer, room), then.AsOf)
			}
		}
	}
	return ""
}
