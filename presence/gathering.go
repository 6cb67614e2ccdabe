package presence

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
)

// countEvery is how often a crowded room is counted anew.
const countEvery = 2 * time.Second

// Gathering is a watched room on a Board. It is made of the records of those who are in the room or type there, and of their changes, so that
// what is told of a room and of its members is decided by the same function at the same moment. Its fields may be used only within calls
// that the board makes.
type Gathering struct {
	Room string

	// Members are copies of the entries of all who are in the room, or type there, and whom somebody may see; where the room is crowded, of
	// those alone whom some see and others do not, and of its readers. Their Memos are the listener's own.
	Members map[string]*Entry

	Crowded bool // more than RoomShown users are there whom everybody may see; Users tells how many
	Users   int
	Memo    any // the listener's own

	mu      sync.Mutex     // guards all but Room and what follows; taken within a lane's
	all     bool           // Members are to be all; Crowded follows when they are
	shown   int            // Members whom everybody may see
	loose   []string       // who were Members until the room became crowded; their entries still point here
	readers map[string]int // whose streams watch it
	closed  bool

	refs  int // guarded by the board's rooms.mu
	ready chan struct{}
	err   error // before ready is closed
}

// gatherings are the rooms of a board.
type gatherings struct {
	wake chan struct{} // one token: somebody is to be looked up

	mu     sync.RWMutex // guards what follows
	byRoom map[string]*Gathering
	queue  map[string][]*Gathering // users to be looked up, because they may have come into these rooms
}

// WatchRoom keeps a room together until UnwatchRoom, and calls attach with it at a moment when it reflects every write acknowledged before
// WatchRoom began, and so that no later change is missed. reader is whose stream it is for: he sees himself, even where nobody else does.
func (b *Board) WatchRoom(ctx context.Context, room, reader string, attach func(*Gathering)) error {
	g, first := b.enterRoom(room, reader)
	var err error
	if first {
		err = b.assemble(ctx, g)
	} else {
		err = b.joinWatch(ctx, g)
	}
	if err == nil {
		err = b.lookFor(ctx, []string{reader})
	}
	if err != nil {
		b.UnwatchRoom(room, reader)
		return fmt.Errorf("watch room: %w", err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	attach(g)
	return nil
}

func (b *Board) enterRoom(room, reader string) (g *Gathering, first bool) {
	b.rooms.mu.Lock()
	defer b.rooms.mu.Unlock()
	g = b.rooms.byRoom[room]
	if g == nil {
		g = &Gathering{Room: room, Members: map[string]*Entry{}, readers: map[string]int{}, all: true, ready: make(chan struct{})}
		b.rooms.byRoom[room] = g
		first = true
	}
	g.refs++
	g.mu.Lock()
	g.readers[reader]++
	g.mu.Unlock()
	return g, first
}

// UnwatchRoom ends what one WatchRoom began.
func (b *Board) UnwatchRoom(room, reader string) {
	b.rooms.mu.Lock()
	g := b.rooms.byRoom[room]
	if g == nil {
		b.rooms.mu.Unlock()
		return
	}
	g.refs--
	last := g.refs == 0
	if last {
		delete(b.rooms.byRoom, room)
	}
	g.mu.Lock()
	if g.readers[reader]--; g.readers[reader] == 0 {
		delete(g.readers, reader)
	}
	var members []string
	if last {
		g.closed = true
		members = g.loose
		for u := range g.Members {
			members = append(members, u)
		}
	}
	g.mu.Unlock()
	b.rooms.mu.Unlock()
	b.letGo(g, members)
}

// InRoom calls f with a room that is watched.
func (b *Board) InRoom(room string, f func(*Gathering)) {
	b.rooms.mu.RLock()
	g := b.rooms.byRoom[room]
	b.rooms.mu.RUnlock()
	if g == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	f(g)
}

// letGo takes a room out of the entries of those who need not be watched for it any more.
func (b *Board) letGo(g *Gathering, users []string) {
	for _, u := range users {
		l := b.lane(u)
		l.mu.Lock()
		if e := l.entries[u]; e != nil {
			if i := slices.Index(e.rooms, g); i >= 0 {
				e.rooms = slices.Delete(e.rooms, i, i+1)
				l.drop(e)
			}
		}
		l.mu.Unlock()
	}
}

// assemble reads a room for the first time. Others may be waiting for it.
func (b *Board) assemble(ctx context.Context, g *Gathering) error {
	ctx, cancel := shared(ctx)
	defer cancel()
	g.err = b.regather(ctx, g)
	if g.err != nil {
		b.rooms.mu.Lock()
		if b.rooms.byRoom[g.Room] == g {
			delete(b.rooms.byRoom, g.Room) // whoever comes next begins anew; who waits learns why
		}
		b.rooms.mu.Unlock()
		g.mu.Lock()
		g.closed = true
		g.mu.Unlock()
	}
	close(g.ready)
	return g.err
}

// joinWatch waits until a room that others watch already is as new as the store is now.
func (b *Board) joinWatch(ctx context.Context, g *Gathering) error {
	select {
	case <-g.ready:
		if g.err != nil {
			return g.err
		}
	case <-ctx.Done():
		return ctx.Err()
	}
	heads, err := b.fence.wait(ctx)
	if err != nil {
		return err
	}
	soon, cancel := context.WithTimeout(ctx, catchUp)
	defer cancel()
	for i := range b.lanes {
		if !b.lanes[i].reach(soon, heads[i]) {
			return b.regather(ctx, g)
		}
	}
	if g.crowded() { // whose numbers are read, not heard
		return b.regather(ctx, g)
	}
	return b.lookFor(ctx, b.queued(g))
}

func (g *Gathering) crowded() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.Crowded
}

// regather reads who is in a room, and looks them up.
func (b *Board) regather(ctx context.Context, g *Gathering) error {
	index, err := b.source.Room(ctx, RoomQuery{Room: g.Room, Limit: RoomShown, Typing: true})
	if err != nil {
		return fmt.Errorf("read room: %w", err)
	}
	users := append(index.Apart, index.Typing...)
	if index.Users <= RoomShown {
		users = append(users, index.Members...)
	}
	loose := g.count(index.Users, b.doubts())
	slices.Sort(users)
	if err := b.lookFor(ctx, slices.Compact(users)); err != nil {
		return err
	}
	b.letGo(g, loose)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.Crowded = !g.all
	if !g.closed {
		b.listener.Counted(g)
	}
	return nil
}

// count takes note of how many are in the room, whether they are too many to be told by name, and returns those whose entries need not be
// watched any more for that.
func (g *Gathering) count(users int, doubt bool) (loose []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.Crowded && doubt { // the store may have lost some of them, which is no evidence
		users = max(users, g.Users)
	}
	g.Users, g.all = users, users <= RoomShown
	if !g.all {
		g.Crowded = true
		g.thin()
	}
	loose, g.loose = g.loose, nil
	return loose
}

// thin keeps of a crowd those alone who are to be looked at one by one.
func (g *Gathering) thin() {
	for u, m := range g.Members {
		if !g.keeps(m) {
			g.loose = append(g.loose, u)
			g.forget(m)
		}
	}
}

// lookFor looks users up, and gathers them in the rooms where they are.
func (b *Board) lookFor(ctx context.Context, users []string) error {
	for some := range slices.Chunk(users, readAtOnce) {
		err := b.Watch(ctx, some, func(e *Entry) { b.gather(b.lane(e.user), e) })
		if err != nil {
			return err
		}
		b.Unwatch(some)
	}
	return nil
}

// gather tells the watched rooms in which the entry's user is, or was, how he is now. The lane's lock is held.
func (b *Board) gather(l *boardLane, e *Entry) {
	found := b.gatheringsOf(e)
	for _, g := range found {
		if !slices.Contains(e.rooms, g) {
			e.rooms = append(e.rooms, g)
			e.watchers++
		}
	}
	e.rooms = slices.DeleteFunc(e.rooms, func(g *Gathering) bool {
		kept, crowded := g.hear(b.listener, e)
		if crowded {
			poke(b.rooms.wake)
		}
		if !kept {
			l.drop(e)
		}
		return !kept
	})
}

// gatheringsOf are the watched rooms in which the user is or types.
func (b *Board) gatheringsOf(e *Entry) (found []*Gathering) {
	b.rooms.mu.RLock()
	defer b.rooms.mu.RUnlock()
	if len(b.rooms.byRoom) == 0 {
		return nil
	}
	note := func(room string) {
		if g := b.rooms.byRoom[room]; g != nil && !slices.Contains(found, g) {
			found = append(found, g)
		}
	}
	for _, m := range e.Record.Memberships {
		for _, s := range m.Stays {
			note(s.Room)
		}
	}
	for _, m := range e.Record.Marks {
		note(m.Room)
	}
	return found
}

// hear takes in how a user is now, and tells the listener. It reports whether he is still to be watched for the room, and whether the
// room has become crowded by him.
func (g *Gathering) hear(listener Listener, e *Entry) (kept, crowded bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false, false
	}
	m := g.Members[e.user]
	if m == nil {
		m = &Entry{user: e.user}
		if !g.keeps(e) {
			return false, false
		}
		g.Members[e.user] = m
	} else if m.Record.InForAll(g.Room) {
		g.shown--
	}
	m.Record, m.Now, m.Beacon = e.Record, e.Now, e.Beacon
	if m.Record.InForAll(g.Room) {
		g.shown++
	}
	if g.all && g.shown > RoomShown {
		g.all, g.Crowded, g.Users, crowded = false, true, g.shown, true
		g.thin()
		listener.Counted(g)
		_, kept = g.Members[e.user]
		return kept, crowded
	}
	listener.Moved(g, m)
	if kept = g.keeps(m); !kept {
		g.forget(m)
	}
	return kept, false
}

// forget takes a member out. The lock is held.
func (g *Gathering) forget(m *Entry) {
	delete(g.Members, m.user)
	if m.Record.InForAll(g.Room) {
		g.shown--
	}
}

// keeps reports whether a user is to be watched because of the room: he is there or types there, and somebody may see him. The lock is held.
func (g *Gathering) keeps(e *Entry) bool {
	if !e.Record.In(g.Room) && !e.Record.TypesIn(g.Room, e.Moment()) {
		return false
	}
	if g.readers[e.user] > 0 {
		return true
	}
	all, apart := e.Record.SeenBy()
	return apart || all && g.all
}

// expectIn has a user looked up who is not watched yet, if he has come into a watched room. The lane's lock is held.
func (b *Board) expectIn(c Change) {
	if !slices.ContainsFunc(c.Facts, bringsIn) {
		return
	}
	b.rooms.mu.Lock()
	defer b.rooms.mu.Unlock()
	note := func(room string) {
		if g := b.rooms.byRoom[room]; g != nil && !slices.Contains(b.rooms.queue[c.User], g) {
			b.rooms.queue[c.User] = append(b.rooms.queue[c.User], g)
			poke(b.rooms.wake)
		}
	}
	for _, f := range c.Facts {
		switch f := f.(type) {
		case Membership:
			for _, s := range f.Stays {
				note(s.Room)
			}
		case Mark:
			note(f.Room)
		}
	}
}

func bringsIn(f Fact) bool {
	switch f.(type) {
	case Membership, Mark:
		return true
	}
	return false
}

// queued are those who are to be looked up for a room.
func (b *Board) queued(g *Gathering) (users []string) {
	b.rooms.mu.RLock()
	defer b.rooms.mu.RUnlock()
	for u, gs := range b.rooms.queue {
		if slices.Contains(gs, g) {
			users = append(users, u)
		}
	}
	return users
}

// doubts reports whether the store may have lost something.
func (b *Board) doubts() bool {
	for i := range b.lanes {
		l := &b.lanes[i]
		l.mu.Lock()
		doubt := l.doubt
		l.mu.Unlock()
		if doubt {
			return true
		}
	}
	return false
}

// runRooms looks up those who come into watched rooms, and counts crowds, until ctx ends.
func (b *Board) runRooms(ctx context.Context) {
	var count <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-b.rooms.wake:
			if b.lookForQueued(ctx) != nil {
				time.AfterFunc(retryAfter, func() { poke(b.rooms.wake) })
			}
		case <-count:
			count = nil
			for _, g := range b.crowds() {
				_ = b.regather(ctx, g) // else the next time
			}
		}
		if count == nil && len(b.crowds()) > 0 {
			count = time.After(countEvery)
		}
	}
}

func (b *Board) crowds() []*Gathering {
	return slices.DeleteFunc(b.rooms.all(), func(g *Gathering) bool { return !g.crowded() })
}

func (r *gatherings) all() []*Gathering {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return slices.Collect(maps.Values(r.byRoom))
}

// lookForQueued empties the queue. Whoever is in it stays there until he has been looked up, so that others can tell that he is missing.
func (b *Board) lookForQueued(ctx context.Context) error {
	for {
		users := b.rooms.expected()
		if len(users) == 0 {
			return nil
		}
		if err := b.lookFor(ctx, users); err != nil {
			return err
		}
		b.rooms.mu.Lock()
		for _, u := range users {
			delete(b.rooms.queue, u)
		}
		b.rooms.mu.Unlock()
	}
}

// expected are those in the queue. Whoever has come into crowds alone is forgotten.
func (r *gatherings) expected() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	users := make([]string, 0, len(r.queue))
	for u, gs := range r.queue {
		if slices.ContainsFunc(gs, (*Gathering).takesAll) {
			users = append(users, u)
			continue
		}
		delete(r.queue, u)
	}
	return users
}

// takesAll reports whether whoever comes in becomes one of the Members.
func (g *Gathering) takesAll() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.all && !g.closed
}

func (r *gatherings) any() bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return len(r.byRoom) > 0
}

// expecting reports whether somebody is still to be looked up.
func (r *gatherings) expecting() bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return len(r.queue) > 0
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
