package presence_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/presently/presently/presence"
	"github.com/presently/presently/presence/memstore"
)

// split is a memstore as a source of two lanes, whose reads may take long, or too long.
type split struct {
	*memstore.Store
	lines [2]*line

	mu            sync.Mutex // guards what follows
	before, after time.Duration
}

func (s *split) Lanes() int           { return len(s.lines) }
func (s *split) Lane(user string) int { return int(user[0]) % len(s.lines) }

func (s *split) Lookup(ctx context.Context, viewer string, users []string) (records []presence.Record, err error) {
	err = s.slowly(ctx, func() { records, err = s.Store.Lookup(ctx, viewer, users) })
	return records, err
}

func (s *split) Room(ctx context.Context, q presence.RoomQuery) (index presence.RoomIndex, err error) {
	err = s.slowly(ctx, func() { index, err = s.Store.Room(ctx, q) })
	return index, err
}

func (s *split) slowly(ctx context.Context, read func()) error {
	s.mu.Lock()
	before, after := s.before, s.after
	s.mu.Unlock()
	if err := rest(ctx, before); err != nil {
		return err
	}
	read()
	return rest(ctx, after)
}

func (s *split) slow(before, after time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before, s.after = before, after
}

func rest(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *split) Changed(c presence.Change) {
	c.Lane = s.Lane(c.User)
	s.lines[c.Lane].Changed(c)
}

func (s *split) Beacon(b presence.Beacon) {
	for _, n := range s.lines {
		n.Beacon(b)
	}
}

func (s *split) Missed(int) {
	for i, n := range s.lines {
		n.Missed(i)
	}
}

func (s *split) Lost()  {}
func (s *split) Found() {}

func (s *split) acknowledged() map[string]presence.Head {
	all := s.lines[0].acknowledged()
	maps.Copy(all, s.lines[1].acknowledged())
	return all
}

// stream watches one room for a reader, and perhaps one user.
type stream struct {
	room, reader, user string
	open               chan struct{} // closed when it is
	failed             bool
}

// auditorium is a board with streams, in a play.
type auditorium struct {
	t       *testing.T
	split   *split
	board   *presence.Board
	streams []*stream
	all     sync.WaitGroup

	mu    sync.Mutex // guards what follows
	wrong string
}

func (a *auditorium) complain(format string, args ...any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.wrong == "" {
		a.wrong = fmt.Sprintf(format, args...)
	}
}

// opens opens a stream. Of whom nothing has happened since then, it must see at first what the store knew.
func (a *auditorium) opens(s *stream) {
	s.open = make(chan struct{})
	a.streams = append(a.streams, s)
	before, truth := a.split.acknowledged(), a.records()
	a.all.Go(func() {
		defer close(s.open)
		err := a.board.Watch(a.t.Context(), []string{s.user}, func(*presence.Entry) {})
		if err == nil {
			err = a.board.WatchRoom(a.t.Context(), s.room, s.reader, func(g *presence.Gathering) { a.check(g, s.reader, before, truth) })
			if err != nil {
				a.board.Unwatch([]string{s.user})
			}
		}
		s.failed = err != nil
	})
	synctest.Wait()
}

func (a *auditorium) check(g *presence.Gathering, reader string, before map[string]presence.Head, truth []presence.Record) {
	now, still := a.split.acknowledged(), true
	for _, r := range truth {
		if now[r.User] != before[r.User] {
			still = false
			continue
		}
		m := g.Members[r.User]
		if got, want := m != nil && m.Record.InFor(reader, g.Room), r.InFor(reader, g.Room); got != want && !g.Crowded {
			a.complain("%s begins with the %s, and sees %s there: %t, want %t", reader, g.Room, r.User, got, want)
		}
	}
	if got, want := seenIn(g, reader), a.truth(g, truth, reader, 0); still && g.Crowded && got != want {
		a.complain("%s begins with the %s as %q, want %q", reader, g.Room, got, want)
	}
}

func (a *auditorium) closes(s *stream) {
	a.all.Go(func() {
		<-s.open
		if !s.failed {
			a.board.UnwatchRoom(s.room, s.reader)
			a.board.Unwatch([]string{s.user})
		}
	})
}

func (a *auditorium) records() []presence.Record {
	records, err := a.split.Store.Lookup(a.t.Context(), "", people)
	if err != nil {
		a.complain("%v", err)
	}
	return records
}

// truth is what seenIn should be of the store's records.
func (a *auditorium) truth(g *presence.Gathering, records []presence.Record, viewer string, now presence.Version) string {
	real := &presence.Gathering{Room: g.Room, Members: map[string]*presence.Entry{}}
	for _, r := range records {
		real.Members[r.User] = &presence.Entry{Record: r, Now: now}
		if r.InForAll(g.Room) {
			real.Users++
		}
	}
	real.Crowded = real.Users > a.board.Shown()
	return seenIn(real, viewer)
}

// settle lets everything be heard and read, until nothing has happened for so long that crowds have been counted, and that the slowest of reads, which takes 6 s, has ended
// and has been heard of.
func (a *auditorium) settle() {
	a.split.slow(0, 0)
	for still := 0; still < 10; {
		before := a.split.acknowledged()
		time.Sleep(time.Second)
		synctest.Wait()
		a.deliver(1 << 30)
		synctest.Wait()
		if still++; !maps.Equal(before, a.split.acknowledged()) {
			still = 0
		}
	}
}

func (a *auditorium) deliver(most int) {
	for _, n := range a.split.lines {
		n.deliver(a.board, most)
	}
}

// compare compares what everybody sees in the watched rooms with what the store knows.
func (a *auditorium) compare() {
	records, now := a.records(), min(a.split.lines[0].time, a.split.lines[1].time)
	for _, room := range rooms {
		a.board.InRoom(room, func(g *presence.Gathering) {
			for _, viewer := range append([]string{"zoe"}, people...) {
				if !slices.ContainsFunc(a.streams, func(s *stream) bool { return s.room == room && s.reader == viewer && !s.failed }) && viewer != "zoe" {
					continue // he sees what others see, but for himself
				}
				if got, want := seenIn(g, viewer), a.truth(g, records, viewer, now); got != want {
					a.complain("%s ends with the %s as %q, want %q", viewer, room, got, want)
				}
			}
		})
	}
	if a.board.HeardAll() == 0 {
		a.complain("nothing is heard for sure in the end")
	}
	if _, pointing := a.board.Watched(); pointing != nil {
		a.complain("the entries of %q point to rooms where they are not", pointing)
	}
}

// empty closes all streams, after which nothing must be left.
func (a *auditorium) empty() {
	for _, s := range a.streams {
		a.closes(s)
	}
	a.all.Wait()
	for range 3 {
		time.Sleep(presence.LingerFor/2 + time.Second)
		synctest.Wait()
		a.deliver(1 << 30)
	}
	if n := a.board.Len(); n != 0 {
		watched, pointing := a.board.Watched()
		a.complain("%d records are left; %q are watched, %q point to rooms", n, watched, pointing)
	}
}

// act is what happens in such a play: a deed, or something on a line, at the store or at the board.
type act struct {
	deed
	kind          string // hear, lose, slow, open, close; empty: the deed
	n             int
	before, after time.Duration
	stream        stream
}

func drawAct(t *rapid.T) act {
	a := act{kind: rapid.SampledFrom([]string{"", "", "", "", "hear", "hear", "lose", "slow", "open", "open", "close"}).Draw(t, "kind")}
	a.n = rapid.IntRange(0, 7).Draw(t, "n")
	long := rapid.SampledFrom([]time.Duration{0, 0, 300 * time.Millisecond, 1100 * time.Millisecond, 3 * time.Second})
	switch a.kind {
	case "":
		a.deed = drawDeed(t)
	case "slow":
		a.before, a.after = long.Draw(t, "before"), long.Draw(t, "after")
	case "open":
		who := rapid.SampledFrom(people)
		a.stream = stream{room: rapid.SampledFrom(rooms).Draw(t, "room"), reader: who.Draw(t, "reader"), user: who.Draw(t, "user")}
	}
	return a
}

func (a act) String() string {
	switch a.kind {
	case "":
		return a.deed.String()
	case "slow":
		return fmt.Sprintf("reads take %s and %s", a.before, a.after)
	case "open":
		return fmt.Sprintf("%s opens the %s, and watches %s", a.stream.reader, a.stream.room, a.stream.user)
	case "close":
		return "the first stream closes"
	}
	return fmt.Sprintf("%s %d messages of lane %d", a.kind, 1+a.n/2, a.n%2)
}

func (a *auditorium) perform(c act) {
	switch c.kind {
	case "":
		time.Sleep(time.Millisecond) // no session ends and begins at the same moment
		_ = c.deed.perform(a.t.Context(), a.split.Store)
		synctest.Wait()
	case "hear":
		a.split.lines[c.n%2].deliver(a.board, 1+c.n/2)
	case "lose":
		a.split.lines[c.n%2].lose(1 + c.n/2)
	case "slow":
		a.split.slow(c.before, c.after)
	case "open":
		a.opens(&c.stream)
	case "close":
		if len(a.streams) > 0 {
			a.closes(a.streams[0])
			a.streams = a.streams[1:]
		}
	}
}

// However late or lost the messages are, and however slow the reads, everybody ends with what the store knows of the rooms that he watches, and
// begins with no less than what it knew when he came.
func TestWhoeverWatchesRoomsEndsWithWhatTheStoreHas(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		acts := several(drawAct, 60).Draw(rt, "acts")
		most := rapid.SampledFrom([]int{0, 1, 2, 500}).Draw(rt, "no crowd up to")
		inBubble(t, rt, func(t *testing.T) string {
			wrong := playRooms(t, acts, most)
			if wrong == "" {
				return ""
			}
			var lines string
			for _, a := range acts {
				lines += "  " + a.String() + "\n"
			}
			return wrong + ", after\n" + lines
		})
	})
}

func playRooms(t *testing.T, acts []act, most int) string {
	s := &split{Store: memstore.New(memstore.Options{TTL: ttl, Sweep: sweep})}
	for i := range s.lines {
		s.lines[i] = &line{lane: i, written: map[string]presence.Head{}}
	}
	a := &auditorium{t: t, split: s, board: presence.NewBoard(s, silence{})}
	a.board.RoomsShown(most)
	start(t, func(ctx context.Context) error { return s.Store.Run(ctx, s) })
	start(t, a.board.Run)
	synctest.Wait()
	for _, c := range acts {
		a.perform(c)
	}
	a.split.slow(0, 0)
	a.all.Wait()
	a.settle()
	a.compare()
	a.empty()
	return a.wrong
}
