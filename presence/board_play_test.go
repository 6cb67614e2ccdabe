package presence_test

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/presently/presently/presence"
	"github.com/presently/presently/presence/memstore"
)

// line is a feed between a store and a board on which messages are late, and some are lost.
type line struct {
	lane int

	mu      sync.Mutex // guards what follows
	late    []func(presence.Feed)
	written map[string]presence.Head
	lost    bool             // the board must be told before it hears on
	time    presence.Version // of the last beacon
}

func (n *line) carry(f func(presence.Feed)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.late = append(n.late, f)
}

func (n *line) Changed(c presence.Change) {
	n.carry(func(f presence.Feed) { f.Changed(c) })
	n.mu.Lock()
	defer n.mu.Unlock()
	n.written[c.User] = c.Head
}

// acknowledged is the last change of each user so far.
func (n *line) acknowledged() map[string]presence.Head {
	n.mu.Lock()
	defer n.mu.Unlock()
	return maps.Clone(n.written)
}

func (n *line) Beacon(b presence.Beacon) {
	n.carry(func(f presence.Feed) {
		b.Lane = n.lane
		f.Beacon(b)
		n.time = b.Now
	})
}
func (n *line) Missed(lane int) { n.carry(func(f presence.Feed) { f.Missed(lane) }) }
func (n *line) Lost()           { n.carry(presence.Feed.Lost) }
func (n *line) Found()          { n.carry(presence.Feed.Found) }

// take takes messages off the line.
func (n *line) take(most int) []func(presence.Feed) {
	n.mu.Lock()
	defer n.mu.Unlock()
	most = min(most, len(n.late))
	taken := slices.Clone(n.late[:most])
	n.late = n.late[most:]
	return taken
}

// deliver lets the board hear some of what is late.
func (n *line) deliver(b *presence.Board, most int) {
	for _, tell := range n.take(most) {
		if n.lost {
			n.lost = false
			b.Missed(n.lane)
		}
		tell(b)
	}
}

// lose loses some of what is late; the board learns of it when it hears on.
func (n *line) lose(most int) {
	n.lost = len(n.take(most)) > 0 || n.lost
}

// watching is one who watches users on a board, and checks what he is shown.
type watching struct {
	mu    sync.Mutex // guards what follows
	last  map[string]presence.Entry
	wrong string
}

func (w *watching) Changed(e *presence.Entry)                  { w.see(e) }
func (w *watching) Moved(*presence.Gathering, *presence.Entry) {}
func (w *watching) Counted(*presence.Gathering)                {}
func (w *watching) Subscribed(string)                          {}
func (w *watching) Revoked(presence.Revocation)                {}
func (w *watching) SubscriptionsMissed(int)                    {}
func (w *watching) Lost()                                      {}
func (w *watching) Found()                                     {}

func (w *watching) see(e *presence.Entry) {
	w.mu.Lock()
	defer w.mu.Unlock()
	last, seen := w.last[e.Record.User]
	switch {
	case !seen:
	case last.Record.Head.After(e.Record.Head):
		w.wrong = fmt.Sprintf("told of %s as of %v after %v", e.Record.User, e.Record.Head, last.Record.Head)
	case e.Now < last.Now:
		w.wrong = fmt.Sprintf("told of %s at %d after %d", e.Record.User, e.Now, last.Now)
	}
	w.last[e.Record.User] = presence.Entry{Record: e.Record, Now: e.Now}
}

// attach checks that a watcher is shown what was written before he came.
func (w *watching) attach(written map[string]presence.Head) func(*presence.Entry) {
	return func(e *presence.Entry) {
		w.see(e)
		w.mu.Lock()
		defer w.mu.Unlock()
		if h := written[e.Record.User]; h.After(e.Record.Head) {
			w.wrong = fmt.Sprintf("a watcher of %s was shown the record as of %v, though change %v was acknowledged before he came", e.Record.User, e.Record.Head, h)
		}
	}
}

// move is what happens between a store and a board: a deed, or something on the line, or at the board.
type move struct {
	deed
	line string // hear, lose, watch, unwatch; empty: the deed
	n    int
}

func (m move) String() string {
	switch m.line {
	case "":
		return m.deed.String()
	case "hear", "lose":
		return fmt.Sprintf("%s %d messages", m.line, m.n)
	}
	return m.line + " " + m.who
}

func drawMove(t *rapid.T) move {
	m := move{line: rapid.SampledFrom([]string{"", "", "", "hear", "hear", "lose", "watch", "unwatch"}).Draw(t, "line")}
	if m.line == "" {
		m.deed = drawDeed(t)
		return m
	}
	m.who = rapid.SampledFrom(people).Draw(t, "who")
	m.n = rapid.IntRange(1, 8).Draw(t, "messages")
	return m
}

// However late or lost the messages are, whoever watches is shown what was written before he came, sees nothing go back, and in the
// end sees what the store has.
func TestWhoeverWatchesEndsWithWhatTheStoreHas(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		moves := several(drawMove, 60).Draw(rt, "moves")
		inBubble(t, rt, func(t *testing.T) string {
			wrong := playOnBoard(t, moves)
			if wrong == "" {
				return ""
			}
			var lines string
			for _, m := range moves {
				lines += "  " + m.String() + "\n"
			}
			return wrong + ", after\n" + lines
		})
	})
}

func playOnBoard(t *testing.T, moves []move) string {
	store := memstore.New(memstore.Options{TTL: ttl, Sweep: sweep})
	n, w := &line{written: map[string]presence.Head{}}, &watching{last: map[string]presence.Entry{}}
	board := presence.NewBoard(store, w)
	start(t, func(ctx context.Context) error { return store.Run(ctx, n) })
	start(t, board.Run)
	synctest.Wait()

	watched, unwatched := map[string]int{}, sync.WaitGroup{}
	for _, m := range moves {
		switch m.line {
		case "":
			time.Sleep(time.Millisecond) // no session ends and begins at the same moment, by which those of one ID are told apart
			_ = m.perform(t.Context(), store)
		case "hear":
			n.deliver(board, m.n)
		case "lose":
			n.lose(m.n)
		case "watch":
			watched[m.who]++
			before := n.acknowledged()
			unwatched.Go(func() {
				if err := board.Watch(t.Context(), []string{m.who}, w.attach(before)); err != nil {
					t.Errorf("Watch: %v", err)
				}
			})
			synctest.Wait() // it may be waiting for the lane
		case "unwatch":
			if watched[m.who] > 0 {
				watched[m.who]--
				unwatched.Go(func() { time.Sleep(3 * time.Second); board.Unwatch([]string{m.who}) }) // after its Watch has ended
			}
		}
	}
	unwatched.Wait()
	time.Sleep(time.Second) // for a last beacon, by which a loss shows
	synctest.Wait()
	n.deliver(board, 1<<30)
	synctest.Wait()

	w.mu.Lock()
	defer w.mu.Unlock()
	if w.wrong != "" {
		return w.wrong
	}
	for _, r := range lookup(t, store, people...) {
		last, seen := w.last[r.User]
		if watched[r.User] == 0 || !seen {
			continue
		}
		if got, want := shown(last.Record), shown(r); got != want {
			return fmt.Sprintf("%s ends as\n     %s\nwant %s", r.User, got, want)
		}
		for class := range everyClass {
			got, want := last.Record.View(class, last.Now), r.View(class, max(n.time, last.Now)) // it may have been read again since the last beacon
			got.LastSeen, want.LastSeen = "", ""
			if !reflect.DeepEqual(got, want) {
				return fmt.Sprintf("%s was told of %s last as\n     %+v\nwant %+v", classes[class], r.User, got, want)
			}
		}
	}
	return ""
}

// main starts the store and opens the listener side by side: what happens in between is not lost.
func TestWhatHappensBeforeTheStoreRunsIsToldWhenItDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New(memstore.Options{TTL: ttl, Sweep: sweep})
		e := &ear{}
		board := presence.NewBoard(store, e)
		start(t, board.Run)
		if err := board.Watch(t.Context(), []string{"ada"}, e.attach); err != nil {
			t.Fatal(err)
		}
		beats := deed{do: "beat", who: "ada", session: "session-1", beat: presence.Beat{State: presence.Busy, TTL: ttl, MaxLive: 3}}
		if err := beats.perform(t.Context(), store); err != nil {
			t.Fatal(err)
		}
		e.want(t, "ada=offline")
		start(t, func(ctx context.Context) error { return store.Run(ctx, board) })
		synctest.Wait()
		e.wantLast(t, "ada busy")
	})
}
