package redisstore

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/presently/presently/internal/redistest"
	"github.com/presently/presently/presence"
)

// shows is a Looker for strangers.
type shows struct {
	status []presence.Status
	kept   int
}

func (s *shows) Kept(place int, e *presence.Entry, asOf presence.Version) {
	s.kept++
	s.status[place] = e.Record.View(presence.Other, asOf).Status
}

func (s *shows) Read(place int, r presence.Record) {
	s.status[place] = r.View(presence.Other, r.AsOf).Status
}

// unheard is a listener that does nothing.
type unheard struct{}

func (unheard) Changed(*presence.Entry)                    {}
func (unheard) Moved(*presence.Gathering, *presence.Entry) {}
func (unheard) Counted(*presence.Gathering)                {}
func (unheard) Subscribed(string)                          {}
func (unheard) Revoked(presence.Revocation)                {}
func (unheard) SubscriptionsMissed(int)                    {}
func (unheard) Lost()                                      {}
func (unheard) Found()                                     {}

// What was acknowledged at one instance is shown by a look at another at once, thousands of times; nearly always by the other's board, which has heard of it.
func TestALookShowsAtOnceWhatWasWrittenElsewhere(t *testing.T) {
	const users = 40
	for _, kind := range []struct {
		name, url string
		writes    int
	}{{"one server", redistest.Start(t).URL(), 4000}, {"a cluster", redistest.StartCluster(t, 3, 0).URL(), 500}} {
		t.Run(kind.name, func(t *testing.T) {
			url, writes := kind.url, kind.writes
			here, there := open(t, url, Options{TTL: time.Hour, Partitions: 4}), open(t, url, Options{TTL: time.Hour, Partitions: 4})
			board := presence.NewBoard(there, unheard{})
			ctx, cancel := context.WithCancel(t.Context())
			boardDone := make(chan error, 1)
			go func() { boardDone <- board.Run(ctx) }()
			t.Cleanup(func() { cancel(); <-boardDone })
			t.Cleanup(start(t, there, board))
			select {
			case <-board.Listening():
			case <-time.After(time.Minute):
				t.Fatal("the lanes are not heard")
			}
			list, want := make([]string, users), make([]presence.Status, users)
			for i := range list {
				list[i], want[i] = fmt.Sprint("user-", i), presence.Offline
			}
			kept, all, states := 0, users*writes, []presence.Status{presence.Online, presence.Busy, presence.DND}
			for n := range writes {
				who := n * 7 % users
				b := testBeat(list[who], "session-1")
				b.State, b.TTL = states[n%len(states)], time.Hour
				if n%11 == 0 {
					want[who] = presence.Offline
					if err := here.End(t.Context(), list[who], "session-1"); err != nil {
						t.Fatal(err)
					}
				} else {
					want[who] = b.State
					if _, err := here.Beat(t.Context(), b); err != nil {
						t.Fatal(err)
					}
				}
				s := &shows{status: make([]presence.Status, users)}
				if err := board.Look(t.Context(), "eve", list, s); err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(s.status, want) {
					t.Fatalf("after write %d, of %s: %v, want %v", n, list[who], s.status, want)
				}
				kept += s.kept
			}
			if kept < all/2 {
				t.Errorf("the board has shown %d of %d", kept, all)
			}
			t.Logf("of %d, the board has shown all but %d", all, all-kept)
		})
	}
}
