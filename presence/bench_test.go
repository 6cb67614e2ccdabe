package presence_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/presently/presently/presence"
)

// go test -run '^$' -bench . ./presence

func BenchmarkView(b *testing.B) {
	record := recordOf(
		on("web", saying("session-1", presence.Online)), on("phone", awaySince("session-2", -minute)),
		chose(presence.Busy, hour), presence.Profile{Name: "Ada"}, presence.Seen{At: t0},
	)
	hidden := clone(record)
	hidden.Set(hid(presence.Hiding{On: true, Seen: t0}))
	for _, c := range []struct {
		name   string
		record presence.Record
		class  presence.Class
	}{
		{"other", record, presence.Other},
		{"contact", record, presence.Contact},
		{"hidden", hidden, presence.Contact},
		{"offline", recordOf(presence.Seen{At: t0}), presence.Contact},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c.record.View(c.class, v(minute))
			}
		})
	}
}

// silence is a listener that does nothing, so that the board alone is measured.
type silence struct{}

func (silence) Changed(*presence.Entry)                    {}
func (silence) Moved(*presence.Gathering, *presence.Entry) {}
func (silence) Counted(*presence.Gathering)                {}
func (silence) Subscribed(string)                          {}
func (silence) Revoked(presence.Revocation)                {}
func (silence) SubscriptionsMissed(int)                    {}
func (silence) Lost()                                      {}
func (silence) Found()                                     {}

func BenchmarkBoardChanged(b *testing.B) {
	for _, c := range []struct {
		name, user string
		facts      []presence.Fact
	}{
		{"watched", "user-7-", []presence.Fact{saying("session-1", presence.Busy)}},
		{"watched with expiry", "user-7-", []presence.Fact{chose(presence.DND, hour)}},
		{"unwatched", "bob", []presence.Fact{saying("session-1", presence.Busy)}},
	} {
		b.Run(c.name, func(b *testing.B) {
			l := newLedger(1)
			board := presence.NewBoard(l, silence{})
			var users []string
			for i := range 1000 {
				users = append(users, fmt.Sprintf("user-%d-", i))
				l.write(users[i], saying("session-1", presence.Online), saying("session-2", presence.Away), chose(presence.Away, day))
			}
			if err := board.Watch(context.Background(), users, func(*presence.Entry) {}); err != nil {
				b.Fatal(err)
			}
			change := l.write(c.user, c.facts...)
			b.ReportAllocs()
			for b.Loop() {
				change.Seq++
				change.Version++
				board.Changed(change)
			}
		})
	}
}

func BenchmarkBoardWatch(b *testing.B) {
	l := newLedger(1)
	board := presence.NewBoard(l, silence{})
	users := make([]string, 100)
	for i := range users {
		users[i] = fmt.Sprintf("user-%d-", i)
	}
	if err := board.Watch(context.Background(), users, func(*presence.Entry) {}); err != nil {
		b.Fatal(err)
	}
	board.Beacon(l.beacon(0, 0))
	b.ReportAllocs()
	for b.Loop() {
		if err := board.Watch(context.Background(), users, func(*presence.Entry) {}); err != nil {
			b.Fatal(err)
		}
		board.Unwatch(users)
	}
}

// What a change costs where rooms are watched: of a user who is in ten of them, of one who is watched but in none, and of one who is neither, who
// may come into rooms that nobody watches.
func BenchmarkBoardChangedWithRooms(b *testing.B) {
	var watched, others []string
	for i := range 10 {
		watched, others = append(watched, fmt.Sprintf("room-%d", i)), append(others, fmt.Sprintf("unwatched-%d", i))
	}
	for _, c := range []struct {
		name, user string
		facts      []presence.Fact
	}{
		{"in ten", "user-7-", []presence.Fact{saying("session-1", presence.Busy)}},
		{"watched, in none", "ada", []presence.Fact{saying("session-1", presence.Busy)}},
		{"unwatched, in none", "bob", []presence.Fact{saying("session-1", presence.Busy)}},
		{"unwatched, comes into others", "bob", []presence.Fact{in("session-1", v(0), others...)}},
	} {
		b.Run(c.name, func(b *testing.B) {
			l := newLedger(1)
			board := presence.NewBoard(l, silence{})
			board.Beacon(l.beacon(0, 0))
			for i := range 100 {
				l.write(fmt.Sprintf("user-%d-", i), saying("session-1", presence.Online), in("session-1", v(0), watched...))
			}
			for _, room := range watched {
				if err := board.WatchRoom(context.Background(), room, "cat", func(*presence.Gathering) {}); err != nil {
					b.Fatal(err)
				}
			}
			if err := board.Watch(context.Background(), []string{"ada"}, func(*presence.Entry) {}); err != nil {
				b.Fatal(err)
			}
			change := l.write(c.user, c.facts...)
			b.ReportAllocs()
			for b.Loop() {
				change.Seq++
				change.Version++
				board.Changed(change)
			}
		})
	}
}
