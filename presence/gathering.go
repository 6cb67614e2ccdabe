package presence

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
)

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

	again    fence[struct{}] // reads who is there
	most     int             // past which it is crowded
	panicked atomic.Int32    // how often in a row reading who is there has panicked
	lacks    atomic.Bool     // somebody was left out, because looking him up has panicked
	crowds   chan struct{}   // poked where it is crowded, so that it is counted before long

	mu      sync.Mutex     // guards what follows, Members, Crowded, Users and Memo; taken within a lane's
	all     bool           // Members are to be all; Crowded follows when they are
	shown   int            // Members whom everybody may see
	loose   []string       // who were Members until the room became crowded; their entries may still point here
	readers map[string]int // whose streams watch it
	missed  uint64         // how often somebody may have been missed, from the beginning
	fresh   uint64         // how many of these times have been made good by reading again
	closed  bool

	refs int // guarded by the board's rooms.mu
}

// open has everybody gathered who is heard of, before it is read who is there: between that reading and its end nobody is missed.
func (g *Gathering) open() (missed uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.all = true
	return g.missed
}

// doubt says that others may be in the room than are known here, so that it must be read again.
func (g *Gathering) doubt() { g.missed++ }

// heardOf reports whether the lanes tell all about it: somebody may have been missed else, and a crowd's number is not heard but read.
func (g *Gathering) heardOf() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.fresh == g.missed && !g.Crowded
}

// crowd is how many there are where it is crowded.
func (g *Gathering) crowd() (users int, crowded bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.Users, g.Crowded
}

// count takes note of how many there are, and returns those whose entries need not be watched any more for that. Where so many have
// come meanwhile that it is crowded, it remains so until it is counted again.
func (g *Gathering) count(users int) (loose []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.Users = users
	if users > g.most {
		g.thin()
	}
	loose, g.loose = g.loose, nil
	return loose
}

// thin makes it a crowd, which keeps those alone who are to be looked at one by one.
func (g *Gathering) thin() {
	g.all, g.Crowded = false, true
	for u, m := range g.Members {
		if !g.keeps(m) {
			g.loose = append(g.loose, u)
			g.forget(m)
		}
	}
	poke(g.crowds)
}

// unknown are those of an index who must be looked up. It is doubtful what is known of them where somebody may have been missed.
func (g *Gathering) unknown(index RoomIndex) (users []string, doubtful bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	users = slices.Clone(index.Apart)
	if g.all { // nobody is told who types in a crowd
		users = slices.Concat(users, index.Members, index.Typing)
	}
	users = slices.DeleteFunc(users, func(u string) bool { return g.Members[u] != nil })
	slices.Sort(users)
	return slices.Compact(users), g.fresh != g.missed
}

// gathered says that it is complete, as of the moment when it was opened.
func (g *Gathering) gathered(listener Listener, missed uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.fresh, g.Crowded = missed, !g.all
	if !g.closed {
		listener.Counted(g)
	}
}

// unlessOld calls f, unless some of the Members are old, whom it returns.
func (g *Gathering) unlessOld(f func(*Gathering), isOld func(*Entry) bool) (old []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for u, m := range g.Members {
		if isOld(m) {
			old = append(old, u)
		}
	}
	if len(old) == 0 {
		f(g)
	}
	return old
}

// hear takes in how a user is now, and tells the listener. It reports whether he is to be watched on for the room's sake. His lane's lock is held.
func (g *Gathering) hear(listener Listener, e *Entry) (kept bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	m := g.Members[e.user]
	if g.closed || m == nil && !g.keeps(e) {
		return false
	}
	if m == nil {
		m = &Entry{user: e.user}
		g.Members[e.user] = m
	}
	g.show(m, e)
	if g.all && g.shown > g.most {
		g.overflow(listener)
		return g.Members[e.user] != nil
	}
	listener.Moved(g, m)
	if kept = g.keeps(m); !kept {
		g.forget(m)
	}
	return kept
}

// show makes a member what his entry is now.
func (g *Gathering) show(m, e *Entry) {
	if m.Record.InForAll(g.Room) {
		g.shown--
	}
	m.Record, m.Now, m.Beacon = e.Record, e.Now, e.Beacon
	if m.Record.InForAll(g.Room) {
		g.shown++
	}
}

// overflow makes it a crowd because of one who has come.
func (g *Gathering) overflow(listener Listener) {
	g.Users = max(g.Users, g.shown) // at the last count they may have been more
	g.thin()
	listener.Counted(g)
}

// keeps reports whether a user is to be watched because of the room: he is there or types there, and somebody may see him.
func (g *Gathering) keeps(e *Entry) bool {
	if !e.Record.In(g.Room) && !e.Record.TypesIn(g.Room, e.Moment()) {
		return false
	}
	all, apart := e.Record.SeenBy()
	return apart || all && g.all || g.readers[e.user] > 0
}

// forget takes a member out.
func (g *Gathering) forget(m *Entry) {
	delete(g.Members, m.user)
	if m.Record.InForAll(g.Room) {
		g.shown--
	}
}

// has reports whether a user is among the Members.
func (g *Gathering) has(user string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.Members[user] != nil
}

// takesAll reports whether everybody who comes in becomes one of the Members. Who else comes into a crowd is known when it is counted; its
// readers are watched in any case.
func (g *Gathering) takesAll() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.all && !g.closed
}

// unread ends what one stream of a reader began, and returns him where he need not be watched any more.
func (g *Gathering) unread(reader string) (loose []string) {
	if g.readers[reader]--; g.readers[reader] > 0 {
		return nil
	}
	delete(g.readers, reader)
	if m := g.Members[reader]; m != nil && !g.keeps(m) {
		g.forget(m) // whom nobody else saw
		return []string{reader}
	}
	return nil
}

// close ends it, and returns those whose entries may still point here.
func (g *Gathering) close() (loose []string) {
	g.closed = true
	loose, g.loose = slices.AppendSeq(g.loose, maps.Keys(g.Members)), nil
	clear(g.Members)
	return loose
}
