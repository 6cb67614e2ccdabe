package storetest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/presently/presently/presence"
)

// rooms are those of the histories.
var rooms = []string{"lobby", "team:7|x", "Ünï ☕"}

// places are all rooms that are looked at.
var places = append([]string{presence.Everywhere}, rooms...)

// meets tells who is where, and who types, of one user to one viewer.
func (tl *teller) meets(r presence.Record, viewer string, now presence.Version) string {
	var out []string
	for _, room := range r.RoomsFor(viewer) {
		out = append(out, fmt.Sprintf("in %s since %s", room, tl.at(r.CameInto(viewer, room).Time())))
	}
	for _, room := range rooms {
		for _, m := range r.TypesFor(viewer, room, now) {
			out = append(out, fmt.Sprintf("types in %s/%s at %s until %s", room, m.Thread, m.Session, tl.at(m.Until)))
		}
	}
	return fmt.Sprint(out)
}

// index writes down what the store knows of each room, and checks that it is what the records alone say.
func (tl *teller) index(users []string) {
	tl.t.Helper()
	records, err := tl.fx.Store.Lookup(tl.t.Context(), "", users)
	if err != nil {
		tl.t.Fatal(err)
	}
	used := 0
	for _, room := range places {
		want, got := indexOf(records, room), readRoom(tl.t, tl.fx.Store, room, tl.since)
		if room != presence.Everywhere {
			used += min(1, want.Users)
			tl.checkGone(records, room, got.Gone)
		}
		typing := tl.checkTyping(records, room, got.Typing)
		got.Gone, got.Typing = nil, nil
		if fmt.Sprint(want) != fmt.Sprint(got) {
			tl.t.Fatalf("by the index of %q there are %+v, by the records %+v", room, got, want)
		}
		tl.say("  in %q %+v typing %q", room, got, typing)
	}
	if n, err := tl.fx.Store.RoomCount(tl.t.Context()); err != nil || n != used {
		tl.t.Fatalf("RoomCount: %d, %v, want %d", n, err, used)
	}
	tl.looked(records)
}

// looked remembers what was seen, to tell who has gone by the next look.
func (tl *teller) looked(records []presence.Record) {
	tl.since = records[0].AsOf
	for _, r := range records {
		tl.last[r.User] = r
		tl.since = min(tl.since, r.AsOf)
	}
}

// indexOf is what a room's index must be by the records, without who has gone or types.
func indexOf(records []presence.Record, room string) presence.RoomIndex {
	x := presence.RoomIndex{}
	for _, r := range records {
		n, _ := r.SessionsIn(room)
		all, apart := r.SeenBy()
		if all && n > 0 {
			x.Users, x.Sessions, x.Members = x.Users+1, x.Sessions+n, append(x.Members, r.User)
		}
		if apart && n > 0 {
			x.Apart = append(x.Apart, r.User)
		}
	}
	slices.Sort(x.Members)
	slices.Sort(x.Apart)
	return x
}

// readRoom reads all of a room in pages of two.
func readRoom(t testing.TB, s presence.Store, room string, since presence.Version) presence.RoomIndex {
	t.Helper()
	q := presence.RoomQuery{Room: room, Limit: 2, Since: since, Typing: true}
	x, err := s.Room(t.Context(), q)
	if err != nil {
		t.Fatalf("Room: %v", err)
	}
	for page := x.Members; len(page) == q.Limit; {
		next, err := s.Room(t.Context(), presence.RoomQuery{Room: room, After: page[len(page)-1], Limit: q.Limit})
		if err != nil {
			t.Fatalf("Room: %v", err)
		}
		page = next.Members
		x.Members = append(x.Members, page...)
	}
	slices.Sort(x.Apart)
	slices.Sort(x.Gone)
	slices.Sort(x.Typing)
	return x
}

// checkGone holds those who have gone since the last look to the records then and now. More may be named than have gone, but nobody whom
// nobody saw there.
func (tl *teller) checkGone(records []presence.Record, room string, gone []string) {
	tl.t.Helper()
	for _, now := range records {
		last, named := tl.last[now.User], slices.Contains(gone, now.User)
		if here(last, room) && (!here(now, room) || tl.outOfSight(last, now, room)) && !named {
			tl.t.Fatalf("%s has gone from %q, or from somebody's sight; the index says that %q have\nwas %+v\nis  %+v", now.User, room, gone, last, now)
		}
		if named && !here(last, room) {
			tl.t.Fatalf("%s is told to have gone from %q, where nobody saw him: %+v", now.User, room, last)
		}
	}
}

// here reports whether somebody else may see that the user is in the room.
func here(r presence.Record, room string) bool {
	all, apart := r.SeenBy()
	return r.In(room) && (all || apart)
}

// outOfSight reports whether somebody no longer sees the user there.
func (tl *teller) outOfSight(last, now presence.Record, room string) bool {
	return slices.ContainsFunc(append([]string{stranger}, players...), func(viewer string) bool {
		return last.InFor(viewer, room) && !now.InFor(viewer, room)
	})
}

// checkTyping checks that the index names everybody who types where others may see him, and nobody who has not lately, and tells the former.
func (tl *teller) checkTyping(records []presence.Record, room string, named []string) (typing []string) {
	tl.t.Helper()
	for _, r := range records {
		all, apart := r.SeenBy()
		marked := slices.ContainsFunc(r.Marks, func(m presence.Mark) bool { return m.Room == room })
		is := (all || apart) && r.TypesIn(room, r.AsOf)
		if is {
			typing = append(typing, r.User)
		}
		if in := slices.Contains(named, r.User); is && !in || in && !marked {
			tl.t.Fatalf("by the index %q type in %q; the marks of %s are %+v", named, room, r.User, r.Marks)
		}
	}
	return typing
}
