package presence_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/presently/presently/presence"
)

// meeting is a tracker on a store of its own, where ada has a live session.
func meeting(t *testing.T, f func(t *testing.T, tracker *presence.Tracker)) {
	synctest.Test(t, func(t *testing.T) {
		tracker := &presence.Tracker{Store: running(t, &tape{}), Policy: presence.Policy{TTL: ttl, Sessions: 3, TypingTTL: 6 * time.Second}}
		if _, err := tracker.Heartbeat(t.Context(), presence.Heartbeat{User: "ada", Session: "session-1"}); err != nil {
			t.Fatal(err)
		}
		f(t, tracker)
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestABeatMayNameItsRoomsInAnyOrder(t *testing.T) {
	meeting(t, func(t *testing.T, tracker *presence.Tracker) {
		rooms := []string{"lobby", "hall", "lobby"}
		out, err := tracker.Heartbeat(t.Context(), presence.Heartbeat{User: "ada", Session: "session-1", Rooms: &rooms})
		must(t, err)
		if got := out.Record.RoomsOf("session-1"); fmt.Sprint(got) != "[hall lobby]" {
			t.Errorf("in %q", got)
		}
		if fmt.Sprint(rooms) != "[lobby hall lobby]" {
			t.Errorf("what the caller gave is now %q", rooms)
		}
	})
}

func TestTypingLastsAsPolicySaysWhereNothingElseIsAsked(t *testing.T) {
	meeting(t, func(t *testing.T, tracker *presence.Tracker) {
		for ttl, want := range map[time.Duration]time.Duration{0: 6 * time.Second, 20 * time.Second: 20 * time.Second} {
			must(t, tracker.StartTyping(t.Context(), "ada", presence.Typing{Session: "session-1", Room: "lobby", TTL: ttl}))
			r := lookup(t, tracker, "ada")[0]
			if got := r.Marks[0].Until.Sub(r.AsOf.Time()); (got - want).Abs() > time.Millisecond {
				t.Errorf("asked for %s: lasts %s, want %s", ttl, got, want)
			}
		}
	})
}

func TestAMarkSaysWhetherItsUserWasAMember(t *testing.T) {
	meeting(t, func(t *testing.T, tracker *presence.Tracker) {
		must(t, tracker.Join(t.Context(), "ada", "session-1", "lobby"))
		for room, member := range map[string]bool{"lobby": true, "hall": false} {
			must(t, tracker.StartTyping(t.Context(), "ada", presence.Typing{Session: "session-1", Room: room}))
			marks := lookup(t, tracker, "ada")[0].TypesFor("bob", room, 0)
			if len(marks) != 1 || marks[0].Member != member {
				t.Errorf("in the %s %+v, want a member's: %t", room, marks, member)
			}
		}
	})
}

func TestMarksThatNoLongerHoldGiveWayFirst(t *testing.T) {
	meeting(t, func(t *testing.T, tracker *presence.Tracker) {
		types := func(room string, lasts time.Duration) {
			t.Helper()
			must(t, tracker.StartTyping(t.Context(), "ada", presence.Typing{Session: "session-1", Room: room, TTL: lasts}))
		}
		must(t, tracker.Join(t.Context(), "ada", "session-1", "left"))
		types("left", 8*time.Second)
		types("expired", time.Second)
		for i := range presence.MarksAUser - 2 {
			types(fmt.Sprint("room-", i), 5*time.Second)
		}
		must(t, tracker.LeaveRoom(t.Context(), "ada", "session-1", "left"))
		time.Sleep(2 * time.Second)
		types("new", 6*time.Second)
		r := lookup(t, tracker, "ada")[0]
		if len(r.Marks) != presence.MarksAUser-1 || r.TypesIn("left", r.AsOf) || !r.TypesIn("new", r.AsOf) || !r.TypesIn("room-0", r.AsOf) {
			t.Errorf("%d marks %+v, want the new one and those that hold", len(r.Marks), r.Marks)
		}
	})
}

// The attack: to fill the record that everybody's instance keeps in memory.
func TestAMarkTooManyTakesThePlaceOfThatWhichEndsFirst(t *testing.T) {
	meeting(t, func(t *testing.T, tracker *presence.Tracker) {
		for i := range 3 * presence.MarksAUser {
			must(t, tracker.StartTyping(t.Context(), "ada", presence.Typing{Session: "session-1", Room: fmt.Sprintf("room-%02d", i)}))
			time.Sleep(time.Millisecond)
			r := lookup(t, tracker, "ada")[0]
			if want := min(i+1, presence.MarksAUser); len(r.Marks) != want {
				t.Fatalf("after %d marks there are %d, want %d", i+1, len(r.Marks), want)
			}
		}
		r := lookup(t, tracker, "ada")[0]
		for i := range 3 * presence.MarksAUser {
			if got, want := r.TypesIn(fmt.Sprintf("room-%02d", i), r.AsOf), i >= 2*presence.MarksAUser; got != want {
				t.Errorf("types in room %d: %t, want %t", i, got, want)
			}
		}
	})
}

func TestMeetingNeedsALiveSession(t *testing.T) {
	meeting(t, func(t *testing.T, tracker *presence.Tracker) {
		other := presence.Typing{Session: "session-2", Room: "lobby", TTL: time.Second}
		for what, err := range map[string]error{
			"join":  tracker.Join(t.Context(), "ada", "session-2", "lobby"),
			"type":  tracker.StartTyping(t.Context(), "ada", other),
			"stop":  tracker.StopTyping(t.Context(), "ada", other),
			"bob's": tracker.Join(t.Context(), "bob", "session-1", "lobby"),
		} {
			if !errors.Is(err, presence.ErrNoSession) {
				t.Errorf("%s: %v, want ErrNoSession", what, err)
			}
		}
		must(t, tracker.LeaveRoom(t.Context(), "bob", "session-1", "lobby"))
		must(t, tracker.StopTyping(t.Context(), "bob", presence.Typing{Room: "lobby"}))
	})
}
