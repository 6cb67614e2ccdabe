package presence_test

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/presently/presently/presence"
	"github.com/presently/presently/presence/memstore"
)

// seen is what one look has shown of users, by their places.
type seen struct {
	viewer string
	views  []presence.View
	asOf   []presence.Version
	same   []presence.Version // until when the view is the same, of those who were kept
	kept   int
}

func (s *seen) Kept(place int, e *presence.Entry, asOf presence.Version) {
	s.kept++
	s.views[place], s.asOf[place] = e.Record.ViewFor(s.viewer, asOf), asOf
	s.same[place] = e.Record.LooksTheSameUntil(s.viewer, asOf)
}

func (s *seen) Read(place int, r presence.Record) {
	s.views[place], s.asOf[place] = r.ViewFor(s.viewer, r.AsOf), r.AsOf
}

func look(ctx context.Context, b *presence.Board, viewer string, users ...string) (*seen, error) {
	n := len(users)
	s := &seen{viewer: viewer, views: make([]presence.View, n), asOf: make([]presence.Version, n), same: make([]presence.Version, n)}
	return s, b.Look(ctx, viewer, append([]string{}, users...), s)
}

func mustLook(t *testing.T, b *presence.Board, viewer string, users ...string) *seen {
	t.Helper()
	s, err := look(t.Context(), b, viewer, users...)
	if err != nil {
		t.Fatal(err)
	}
	for place, v := range s.views {
		if v.User != users[place] {
			t.Fatalf("%s stands where %s was asked for", v.User, users[place])
		}
	}
	return s
}

// However late or lost the messages are, every look shows every viewer just what the store has at that moment.
func TestALookShowsWhatTheStoreHas(t *testing.T) {
	all := 0
	rapid.Check(t, func(rt *rapid.T) {
		moves := several(drawLookMove, 60).Draw(rt, "moves")
		inBubble(t, rt, func(t *testing.T) string {
			wrong, kept := playLooks(t, moves)
			if all += kept; wrong == "" {
				return ""
			}
			var lines strings.Builder
			for _, m := range moves {
				fmt.Fprintln(&lines, " ", m)
			}
			return wrong + ", after\n" + lines.String()
		})
	})
	if all == 0 {
		t.Error("nobody was ever shown by the board")
	}
}

func drawLookMove(t *rapid.T) move {
	m := move{line: rapid.SampledFrom([]string{"", "", "", "hear", "hear", "hear", "lose", "look", "look", "look"}).Draw(t, "line")}
	if m.line == "" {
		m.deed = drawDeed(t)
		return m
	}
	m.who = rapid.SampledFrom(append(people, "a stranger")).Draw(t, "who")
	m.n = rapid.IntRange(1, 8).Draw(t, "messages")
	return m
}

func playLooks(t *testing.T, moves []move) (wrong string, kept int) {
	store := memstore.New(memstore.Options{TTL: ttl, Sweep: sweep})
	n, w := &line{written: map[string]presence.Head{}}, &watching{last: map[string]presence.Entry{}}
	board := presence.NewBoard(store, w)
	start(t, func(ctx context.Context) error { return store.Run(ctx, n) })
	start(t, board.Run)
	synctest.Wait()
	n.deliver(board, 1<<30) // so that it listens
	looks := func(who string) string {
		before := lookup(t, store, people...)
		s := mustLook(t, board, who, people...)
		kept += s.kept
		after := lookup(t, store, people...)
		for place, got := range s.views {
			at := s.asOf[place]
			one, other := before[place].ViewFor(who, at), after[place].ViewFor(who, at) // it may have waited for the lane
			if !reflect.DeepEqual(got, one) && !reflect.DeepEqual(got, other) {
				return fmt.Sprintf("%s sees %s as\n     %+v\nwant %+v", who, people[place], got, one)
			}
			if at < before[place].AsOf || at > after[place].AsOf {
				return fmt.Sprintf("%s sees %s as of %d, want between %d and %d", who, people[place], at, before[place].AsOf, after[place].AsOf)
			}
			for _, later := range []presence.Version{at + (s.same[place]-at)/2, s.same[place] - 1} {
				if still := before[place].ViewFor(who, later); s.same[place] > at && reflect.DeepEqual(got, one) && !reflect.DeepEqual(still, one) {
					return fmt.Sprintf("what %s sees of %s is not the same until %d:\n     %+v\nwas %+v", who, people[place], later, still, one)
				}
			}
		}
		return ""
	}
	for _, m := range moves {
		switch m.line {
		case "":
			_ = m.perform(t.Context(), store)
		case "hear":
			n.deliver(board, m.n)
		case "lose":
			n.lose(m.n)
		case "look":
			if wrong := looks(m.who); wrong != "" {
				return wrong, kept
			}
		}
		synctest.Wait()
	}
	return "", kept
}

func TestWhoIsLookedAtOftenIsReadOnce(t *testing.T) {
	onLedger(t, func(t *testing.T, l *ledger) {
		l.say("ada", presence.Busy)
		for i, want := range []presence.Status{presence.Busy, presence.Busy, presence.DND, presence.Online} {
			if i > 1 {
				l.say("ada", want)
			}
			s := mustLook(t, l.board, "eve", "ada", "bob")
			if s.views[0].Status != want || s.views[1].Status != presence.Offline || s.kept > 0 != (i > 0) {
				t.Errorf("look %d: %+v, kept %d", i, s.views, s.kept)
			}
		}
		if got := l.asked(); len(got) != 1 {
			t.Errorf("the store was asked for %q", got)
		}
	})
}

// A change that was acknowledged elsewhere, and has not been heard here, is waited for, but not for long.
func TestALookWaitsForWhatWasWritten(t *testing.T) {
	for name, hears := range map[string]bool{"it is heard": true, "it is not heard": false} {
		t.Run(name, func(t *testing.T) {
			onLedger(t, func(t *testing.T, l *ledger) {
				l.say("ada", presence.Busy)
				mustLook(t, l.board, "eve", "ada")
				c := l.write("ada", saying("session-1", presence.DND))
				if hears {
					go func() {
						time.Sleep(10 * time.Millisecond)
						l.board.Changed(c)
					}()
				}
				began := time.Now()
				s := mustLook(t, l.board, "eve", "ada")
				if s.views[0].Status != presence.DND || s.kept == 1 != hears || time.Since(began) > presence.LookWaits {
					t.Errorf("after %s: %+v, kept %d", time.Since(began), s.views[0], s.kept)
				}
			})
		})
	}
}

// Where the store goes back, or loses what it had, whoever looks sees what it has.
func TestALookDoesNotBelieveTheBoardMoreThanTheStore(t *testing.T) {
	for name, change := range map[string]func(l *ledger){
		"it is empty":        func(l *ledger) { l.heads[0] = presence.Head{} },
		"it has gone back":   func(l *ledger) { l.heads[0].Seq -= 2 },
		"it has a new epoch": func(l *ledger) { l.heads[0] = presence.Head{Epoch: 2} },
	} {
		t.Run(name, func(t *testing.T) {
			onLedger(t, func(t *testing.T, l *ledger) {
				for range 3 {
					l.say("ada", presence.Busy)
				}
				mustLook(t, l.board, "eve", "ada")
				l.mu.Lock()
				delete(l.records, "ada")
				change(l)
				l.mu.Unlock()
				if s := mustLook(t, l.board, "eve", "ada"); s.kept > 0 || s.views[0].Status != presence.Offline {
					t.Errorf("kept %d, %+v", s.kept, s.views[0])
				}
			})
		})
	}
}

// A user may be on the board because he hides and watches a room himself. A look that is quicker for that would tell that he is here.
func TestALookDoesNotTellWhoIsOnTheBoardForAnotherReason(t *testing.T) {
	onLedger(t, func(t *testing.T, l *ledger) {
		l.mustWatch(t, "ada")
		mustLook(t, l.board, "bob", "bob") // nor whether he looks at himself
		for _, user := range []string{"ada", "bob", "cy"} {
			if s := mustLook(t, l.board, "eve", user); s.kept > 0 {
				t.Errorf("the first look at %s did not ask the store", user)
			}
			if s := mustLook(t, l.board, "eve", user); s.kept == 0 {
				t.Errorf("the second look at %s asked the store", user)
			}
		}
		for range 4 { // still watched by somebody, and looked at by nobody
			l.pass(presence.Version((presence.LingerFor / 3).Microseconds()))
		}
		if s := mustLook(t, l.board, "eve", "ada"); s.kept > 0 {
			t.Error("a look after a long while did not ask the store")
		}
	})
}

// Strangers decide whom they look at: what that makes the board keep is bounded, and is let go of.
func TestWhatLooksMakeTheBoardKeepIsBoundedAndForgotten(t *testing.T) {
	onLedger(t, func(t *testing.T, l *ledger) {
		for i := range presence.LooksMost/100 + 50 {
			users := make([]string, 100)
			for j := range users {
				users[j] = fmt.Sprint("user-", i, "-", j, "x")
			}
			mustLook(t, l.board, "eve", users...)
		}
		if n, weight := l.board.Len(), l.board.Looks(); n != presence.LooksMost || weight != n {
			t.Errorf("%d records are kept, which weigh %d, want %d", n, weight, presence.LooksMost)
		}
		for user, kept := range map[string]int{"bob": 0, "user-0-0x": 0, "cy": 0, fmt.Sprint("user-", presence.LooksMost/100, "-0x"): 1} {
			if s := mustLook(t, l.board, "eve", user); s.kept != kept { // whoever is new is kept from now on
				t.Errorf("of %s, %d is kept, want %d", user, s.kept, kept)
			}
			if s := mustLook(t, l.board, "eve", user); s.kept != 1 {
				t.Errorf("%s is not kept", user)
			}
		}
		for range 2 {
			l.pass(presence.Version((presence.LingerFor + time.Second).Microseconds()))
		}
		if n, weight := l.board.Len(), l.board.Looks(); n != 0 || weight != 0 {
			t.Errorf("later, %d records are kept, which weigh %d", n, weight)
		}
	})
}

func TestALookThatFailsLeavesNothingBehind(t *testing.T) {
	onLedger(t, func(t *testing.T, l *ledger) {
		l.fails = errBroken
		if _, err := look(t.Context(), l.board, "eve", "ada", "bob"); err == nil {
			t.Error("no error")
		}
		if n, weight := l.board.Len(), l.board.Looks(); n != 0 || weight != 0 {
			t.Errorf("%d records, which weigh %d", n, weight)
		}
		l.fails = nil
		mustLook(t, l.board, "eve", "ada", "bob")
		l.mustWatch(t, "ada")
	})
}

// A hundred who look at the same time share a read of how far the lanes are.
func TestLooksAtTheSameTimeShareARead(t *testing.T) {
	onLedger(t, func(t *testing.T, l *ledger) {
		mustLook(t, l.board, "eve", "ada")
		asked := 0
		l.mu.Lock()
		l.headsAsked, l.slow = func() { asked++ }, time.Second
		l.mu.Unlock()
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() {
				if s, err := look(t.Context(), l.board, "eve", "ada"); err != nil || s.kept != 1 {
					t.Errorf("kept %d, %v", s.kept, err)
				}
			})
		}
		all.Wait()
		if asked > 2 {
			t.Errorf("%d reads for a hundred looks", asked)
		}
	})
}
