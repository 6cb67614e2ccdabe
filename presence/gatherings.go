package presence

import (
	"context"
	"maps"
	"slices"
	"sync"
)

// gatherings are the rooms of a board.
type gatherings struct {
	most   int           // Gathering.most
	came   chan struct{} // one token: somebody is to be looked up
	crowds chan struct{} // one token: some room is crowded

	mu        sync.RWMutex // guards what follows; taken within a lane's lock, and before a Gathering's
	byRoom    map[string]*Gathering
	newcomers map[string][]*Gathering // users to be looked up, because they may have come into these rooms
}

func newGatherings() gatherings {
	return gatherings{
		most: RoomShown, came: make(chan struct{}, 1), crowds: make(chan struct{}, 1),
		byRoom: map[string]*Gathering{}, newcomers: map[string][]*Gathering{},
	}
}

// enter adds a watcher to a room.
func (r *gatherings) enter(room, reader string, regather func(context.Context, *Gathering) error) *Gathering {
	r.mu.Lock()
	defer r.mu.Unlock()
	g := r.byRoom[room]
	if g == nil {
		g = &Gathering{Room: room, Members: map[string]*Entry{}, most: r.most, crowds: r.crowds, all: true, readers: map[string]int{}, missed: 1}
		g.again.read = func(ctx context.Context) (struct{}, error) { return struct{}{}, regather(ctx, g) }
		r.byRoom[room] = g
	}
	g.refs++
	g.mu.Lock()
	defer g.mu.Unlock()
	g.readers[reader]++
	return g
}

// leave takes a watcher away, and returns those who need not be watched any more for the room's sake.
func (r *gatherings) leave(g *Gathering, reader string) (loose []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.refs--; g.refs > 0 {
		return g.unread(reader)
	}
	delete(r.byRoom, g.Room)
	return g.close()
}

func (r *gatherings) find(room string) *Gathering {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.byRoom[room]
}

func (r *gatherings) any() bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return len(r.byRoom) > 0
}

func (r *gatherings) all() []*Gathering {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return slices.Collect(maps.Values(r.byRoom))
}

// of are the watched rooms in which the entry's user is or types, or for which he is watched.
func (r *gatherings) of(e *Entry) []*Gathering {
	found := slices.Clone(e.rooms)
	r.mu.RLock()
	defer r.mu.RUnlock()
	if len(r.byRoom) == 0 {
		return found
	}
	note := func(room string) {
		if g := r.byRoom[room]; g != nil && !slices.Contains(found, g) {
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
