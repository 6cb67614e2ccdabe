package presence_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/presently/presently/presence"
)

// ledger is a Source by hand: what is written in it is announced only when the test says so, and its reads can be held up, or fail.
type ledger struct {
	board *presence.Board
	ear   *ear

	mu      sync.Mutex // guards what follows
	lanes   int
	heads   []presence.Head
	version presence.Version
	records map[string]presence.Record
	lookups []string      // what was asked for, one string each
	fails   error         // what reads answer
	failing string        // the user whose Lookup alone fails
	hangs   bool          // reads end with their context
	slow    time.Duration // how long Moments takes to answer

	// Called in a Lookup before and after the reading, and after that of a room's index.
	before, after, afterRoom, headsAsked func()
}

func newLedger(lanes int) *ledger {
	l := &ledger{lanes: lanes, heads: make([]presence.Head, lanes), version: v(0), records: map[string]presence.Record{}}
	for i := range l.heads {
		l.heads[i].Epoch = 1
	}
	l.ear = &ear{}
	l.board = presence.NewBoard(l, l.ear)
	return l
}

// A user's lane is the number that his name ends with, or 0.
func (l *ledger) Lane(user string) int {
	if c := int(user[len(user)-1] - '0'); c >= 0 && c < l.lanes {
		return c
	}
	return 0
}

func (l *ledger) Lanes() int { return l.lanes }

func (l *ledger) Heads(ctx context.Context, lanes []int) ([]presence.Head, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.headsAsked != nil {
		l.headsAsked()
	}
	var heads []presence.Head
	for _, i := range lanes {
		heads = append(heads, l.heads[i])
	}
	return heads, l.fails
}

func (l *ledger) Moments(context.Context) ([]presence.Moment, error) {
	l.mu.Lock()
	defer time.Sleep(l.slow)
	defer l.mu.Unlock()
	if l.headsAsked != nil {
		l.headsAsked()
	}
	var moments []presence.Moment
	for _, h := range l.heads {
		moments = append(moments, presence.Moment{Head: h, AsOf: l.version})
	}
	return moments, l.fails
}

func (l *ledger) Lookup(ctx context.Context, _ string, users []string) ([]presence.Record, error) {
	l.mu.Lock()
	l.lookups = append(l.lookups, strings.Join(users, " "))
	before := l.before
	l.mu.Unlock()
	if before != nil {
		before()
	}
	if l.hangs {
		<-ctx.Done()
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	l.mu.Lock()
	var records []presence.Record
	for _, u := range users {
		records = append(records, l.read(u))
	}
	err, after := l.fails, l.after
	if slices.Contains(users, l.failing) {
		err = errBroken
	}
	l.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if after != nil {
		after()
	}
	return records, nil
}

func (l *ledger) read(u string) presence.Record {
	r, ok := l.records[u]
	if !ok {
		r.User = u
	}
	r = clone(r)
	r.Head, r.AsOf = l.heads[l.Lane(u)], l.version
	return r
}

// Room reads the index of a room off the records.
func (l *ledger) Room(ctx context.Context, q presence.RoomQuery) (presence.RoomIndex, error) {
	l.mu.Lock()
	l.lookups = append(l.lookups, "room "+q.Room)
	index, err, after := l.index(q), l.fails, l.afterRoom
	l.mu.Unlock()
	if err != nil {
		return presence.RoomIndex{}, err
	}
	if after != nil {
		after()
	}
	return index, ctx.Err()
}

func (l *ledger) index(q presence.RoomQuery) (index presence.RoomIndex) {
	for _, u := range slices.Sorted(maps.Keys(l.records)) {
		r := l.records[u]
		if r.TypesIn(q.Room, l.version) {
			index.Typing = append(index.Typing, u)
		}
		if !r.In(q.Room) {
			continue
		}
		all, apart := r.SeenBy()
		if all {
			index.Users++
			index.Members = append(index.Members, u)
		}
		if apart {
			index.Apart = append(index.Apart, u)
		}
	}
	index.Members = index.Members[:min(q.Limit, len(index.Members))]
	return index
}

// write makes a change that nobody hears of yet.
func (l *ledger) write(user string, facts ...presence.Fact) presence.Change {
	l.mu.Lock()
	defer l.mu.Unlock()
	lane := l.Lane(user)
	l.heads[lane].Seq++
	l.version++
	for i, f := range facts {
		facts[i] = versioned(f, l.version)
	}
	c := presence.Change{Lane: lane, Head: l.heads[lane], Version: l.version, User: user, Facts: facts}
	r := l.records[user]
	r.User = user
	l.records[user] = r.Apply(c)
	return c
}

func versioned(f presence.Fact, version presence.Version) presence.Fact {
	switch f := f.(type) {
	case presence.Session:
		f.Version = version
		return f
	case presence.Chosen:
		f.Version = version
		return f
	case presence.Profile:
		f.Version = version
		return f
	case presence.Seen:
		f.Version = version
		return f
	case presence.Custom:
		f.Version = version
		return f
	case presence.Activity:
		f.Version = version
		return f
	case presence.Privacy:
		f.Version = version
		return f
	case presence.Invisibility:
		f.Version = version
		return f
	case presence.HidingFrom:
		f.Version = version
		return f
	case presence.Relation:
		f.Version = version
		return f
	case presence.Membership:
		return in(f.Session, version, namesOf(f)...)
	case presence.Mark:
		f.Version = version
		return f
	}
	return f
}

func namesOf(m presence.Membership) (rooms []string) {
	for _, s := range m.Stays {
		rooms = append(rooms, s.Room)
	}
	return rooms
}

// say writes what a session of the user says, and announces it.
func (l *ledger) say(user string, s presence.Status) presence.Change {
	c := l.write(user, saying("session-1", s))
	l.board.Changed(c)
	return c
}

// ends is what a store announces when the user's only session has ended.
func (l *ledger) ends(user string) presence.Change {
	return l.write(user, presence.SessionEnded("session-1"), presence.Seen{At: t0, Input: t0})
}

// pass lets the store's time pass, and tells a beacon of each lane.
func (l *ledger) pass(d presence.Version) {
	l.mu.Lock()
	l.version += d
	l.mu.Unlock()
	for i := range l.lanes {
		l.board.Beacon(l.beacon(i, 0))
	}
}

func (l *ledger) beacon(lane int, held presence.Version) presence.Beacon {
	l.mu.Lock()
	defer l.mu.Unlock()
	return presence.Beacon{Lane: lane, Head: l.heads[lane], Now: l.version, Held: held}
}

// lose begins a new epoch in which nothing is known.
func (l *ledger) lose() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.records = map[string]presence.Record{}
	for i := range l.heads {
		l.heads[i] = presence.Head{Epoch: l.heads[i].Epoch + 1}
	}
}

func (l *ledger) set(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f()
}

func (l *ledger) asked() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.lookups)
}

// watch watches, and notes what each user is shown as.
func (l *ledger) watch(ctx context.Context, users ...string) error {
	return l.board.Watch(ctx, users, l.ear.attach)
}

func (l *ledger) mustWatch(t *testing.T, users ...string) {
	t.Helper()
	if err := l.watch(t.Context(), users...); err != nil {
		t.Fatalf("Watch: %v", err)
	}
}

// ear is a listener that notes what it is told: "ada busy" for a change, "ada=busy" for what a watcher began with.
type ear struct {
	startled func(note string) // panics at some; nil: never

	mu    sync.Mutex // guards what follows
	notes []string
}

func (e *ear) note(s string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.startled != nil {
		e.startled(s)
	}
	e.notes = append(e.notes, s)
}

func (e *ear) Changed(n *presence.Entry) { e.note(n.Record.User + " " + status(n)) }

func (e *ear) Moved(g *presence.Gathering, n *presence.Entry) {
	if n.Record.In(g.Room) {
		e.note(n.Record.User + " in " + g.Room)
		return
	}
	e.note(n.Record.User + " out of " + g.Room)
}

func (e *ear) Counted(g *presence.Gathering) {
	e.note(fmt.Sprintf("%s counted %t %d", g.Room, g.Crowded, g.Users))
}
func (e *ear) Subscribed(id string)          { e.note("subscription " + id) }
func (e *ear) Revoked(r presence.Revocation) { e.note("revoked " + r.User) }
func (e *ear) SubscriptionsMissed(lane int) {
	if e.startled != nil {
		e.startled(fmt.Sprint("subscriptions missed ", lane))
	}
}
func (e *ear) attach(n *presence.Entry) { e.note(n.Record.User + "=" + status(n)) }
func (e *ear) Lost()                    { e.note("lost") }
func (e *ear) Found()                   { e.note("found") }

func status(n *presence.Entry) string { return string(n.Record.View(presence.Self, n.Now).Status) }

// want checks what was told since it was last called.
func (e *ear) want(t *testing.T, want ...string) {
	t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	if fmt.Sprint(e.notes) != fmt.Sprint(want) {
		t.Errorf("told %q, want %q", e.notes, want)
	}
	e.notes = nil
}

// wantLast checks the last things that were told, and wantNever that something was not told at all; both leave the notes.
func (e *ear) wantLast(t *testing.T, want ...string) {
	t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	if got := e.notes[max(0, len(e.notes)-len(want)):]; !slices.Equal(got, want) {
		t.Errorf("told %q, want %q at the end", e.notes, want)
	}
}

func (e *ear) wantNever(t *testing.T, never ...string) {
	t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, n := range never {
		if slices.Contains(e.notes, n) {
			t.Errorf("told %q, want never %q", e.notes, n)
		}
	}
}

func (e *ear) told() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.notes)
}

func (e *ear) forget() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.notes = nil
}
