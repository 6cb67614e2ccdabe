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
