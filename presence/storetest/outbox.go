package storetest

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/presently/presently/presence"
)

const (
	deliverer = "the suite"
	lease     = time.Hour
)

// announced is what somebody outside knows, who was told all that an outbox had: statuses of users, and "occupied" of rooms.
type announced map[string]presence.Status

// roomKey is no user's name.
func roomKey(room string) string { return "\n" + room }

// drain does what a deliverer would whom nothing goes wrong with, until nothing is left to tell.
func drain(t testing.TB, box presence.Outbox) []presence.Announcement {
	t.Helper()
	var all []presence.Announcement
	// What is read in one lane may put a note of a room into another.
	for quiet := 0; quiet < 2; quiet++ {
		for lane := range box.Lanes() {
			some := drainLane(t, box, lane)
			if len(some) > 0 {
				quiet = 0
			}
			all = append(all, some...)
		}
	}
	return all
}

func drainLane(t testing.TB, box presence.Outbox, lane int) (all []presence.Announcement) {
	t.Helper()
	ctx := t.Context()
	tenure, err := box.Hold(ctx, lane, deliverer, lease)
	if err != nil {
		t.Fatalf("Hold(%d): %v", lane, err)
	}
	for {
		// One at a time, so that what was told is read anew.
		notes, err := box.Notes(ctx, tenure, "", 1)
		if err != nil {
			t.Fatalf("Notes(%d): %v", lane, err)
		}
		if len(notes) == 0 {
			return all
		}
		if a, ok := notes[0].Announce(notes[0].Told); ok {
			all = append(all, a)
		}
		if err := box.Finish(ctx, tenure, []presence.Finished{{Note: notes[0]}}); err != nil {
			t.Fatalf("Finish(%d): %v", lane, err)
		}
	}
}

// hear takes an announcement, and reports whether it tells something that was not so before, and what was.
func (a announced) hear(n presence.Announcement) bool {
	if n.Room != "" {
		was := a[roomKey(n.Room)] != ""
		delete(a, roomKey(n.Room))
		if n.Kind == presence.RoomOccupied {
			a[roomKey(n.Room)] = "occupied"
		}
		return was != (n.Kind == presence.RoomOccupied)
	}
	was, known := a[n.User]
	if !known {
		was = presence.Offline
	}
	a[n.User] = n.Status
	return was == n.Before && was != n.Status
}

// announced writes down what is announced, in the order in which each user and room hears it, and checks that whoever hears just that knows what a stranger sees.
func (tl *teller) announced(users []string) {
	tl.t.Helper()
	said := map[string][]string{}
	for _, a := range drain(tl.t, tl.fx.Store.(presence.Outbox)) {
		if !tl.told.hear(a) {
			tl.t.Fatalf("%+v is announced, and is nothing new", a)
		}
		key := "user " + a.User
		if a.Room != "" {
			key = "room " + a.Room
		}
		said[key] = append(said[key], fmt.Sprintf("%s %s→%s", a.Kind, a.Before, a.Status))
	}
	for _, key := range slices.Sorted(maps.Keys(said)) {
		tl.say("  announced of %s: %q", key, said[key])
	}
	records, err := tl.fx.Store.Lookup(tl.t.Context(), stranger, users)
	if err != nil {
		tl.t.Fatal(err)
	}
	for _, r := range records {
		known, ok := tl.told[r.User]
		if !ok {
			known = presence.Offline
		}
		if is := r.View(presence.Other, r.AsOf).Status; is != known {
			tl.t.Fatalf("%s is %s, and was last announced as %s", r.User, is, known)
		}
	}
	for _, room := range rooms {
		// While a hold lasts no room is said to be vacant.
		if is := readRoom(tl.t, tl.fx.Store, room, tl.since).Users > 0; is && tl.told[roomKey(room)] == "" {
			tl.t.Fatalf("somebody is in %s, and it was not announced", room)
		}
	}
}
