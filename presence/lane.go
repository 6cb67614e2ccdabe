package presence

import (
	"cmp"
	"container/heap"
	"context"
	"slices"
	"sync"
	"sync/atomic"
)

type boardLane struct {
	mu       sync.Mutex // guards what follows
	head     Head
	beacon   Version // of the last beacon while nothing was missing: all changes up to it have been heard
	clock    Version // the newest time heard of
	held     Version // until then the store's silence about somebody is no evidence; 0: no hold
	doubt    bool    // the store may have lost what is believed here; till the hold is over and all has been read again
	spoke    bool    // there has been a beacon
	looks    int     // what the entries weigh that were made for looks
	entries  map[string]*Entry
	idle     []idling // left by their last watcher, each entry at most once; some have found new ones since
	expiries expiries
	missed   uint64        // how often changes may have been lost
	fresh    uint64        // how many of these times have been made good by reading again
	failed   bool          // the last telling of what was missed has panicked
	moved    chan struct{} // closed when the lane gets on; nil: nobody waits for that

	// For beaconTime, which would wait for all who watch while a change is told.
	heard   atomic.Int64 // the beacon, or 0 in doubt
	telling atomic.Bool  // what a beacon covers is being told: until that is over, neither the last one nor this is right
}

// ofLanes asks each lane, with its lock held, for something that it guards.
func ofLanes[T any](b *Board, ask func(*boardLane) T) []T {
	list := make([]T, len(b.lanes))
	for i := range b.lanes {
		l := &b.lanes[i]
		l.mu.Lock()
		list[i] = ask(l)
		l.mu.Unlock()
	}
	return list
}

// stale reports whether watched records may lack changes that were announced.
func (l *boardLane) stale() bool { return l.fresh != l.missed }

type idling struct {
	entry *Entry
	since Version
}

// laneUser is one of a list of users, by his lane and his place in the list.
type laneUser struct{ lane, user int32 }

// inLanes is the order in which a list of users is gone through, lane after lane: to take a lane's lock for each of a stream's hundred users anew is what
// a storm of streams would wait for.
func (b *Board) inLanes(users []string) []laneUser {
	order := make([]laneUser, len(users))
	for i, u := range users {
		order[i] = laneUser{int32(b.source.Lane(u)), int32(i)} //nolint:gosec // partitions are few, and lists have an end
	}
	if len(b.lanes) > 1 {
		slices.SortStableFunc(order, func(x, y laneUser) int { return cmp.Compare(x.lane, y.lane) })
	}
	return order
}

// usersAtOnce is how many users are gone through before others come to their turn in the lane.
const usersAtOnce = 100

// each calls f with each of some users, whose lane's lock is held.
func (b *Board) each(order []laneUser, f func(l *boardLane, user int)) {
	for len(order) > 0 {
		n := 1
		for n < len(order) && n < usersAtOnce && order[n].lane == order[0].lane {
			n++
		}
		b.lanes[order[0].lane].each(order[:n], f)
		order = order[n:]
	}
}

func (l *boardLane) each(users []laneUser, f func(l *boardLane, user int)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, u := range users {
		f(l, int(u.user))
	}
}

// view notes as of when the entry is to be viewed.
func (l *boardLane) view(e *Entry) {
	e.Now, e.Beacon = max(l.clock, e.Record.AsOf), max(l.beacon, e.read)
}

func (l *boardLane) drop(e *Entry) {
	if e.watchers--; e.watchers == 0 && e.loaded {
		e.idleAt = l.clock
		l.note(e)
	}
}

func (l *boardLane) note(e *Entry) {
	if !e.noted {
		e.noted = true
		l.idle = append(l.idle, idling{e, e.idleAt})
	}
}

func (l *boardLane) beaconTime() Version {
	if l.telling.Load() {
		l.mu.Lock()
		defer l.mu.Unlock()
	}
	return Version(l.heard.Load())
}

// publish lets beaconTime tell how far the lane is. The lane's lock is held.
func (l *boardLane) publish() {
	if l.doubt {
		l.heard.Store(0)
	} else {
		l.heard.Store(int64(l.beacon))
	}
}

// reached reports whether the lane's records include all changes up to head.
func (l *boardLane) reached(head Head) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !head.After(l.head) && !l.stale()
}

// reach waits until the lane's records include all changes up to head, and reports whether they do.
func (l *boardLane) reach(ctx context.Context, head Head) bool {
	for {
		l.mu.Lock()
		if !head.After(l.head) && !l.stale() {
			l.mu.Unlock()
			return true
		}
		if l.moved == nil {
			l.moved = make(chan struct{})
		}
		moved := l.moved
		l.mu.Unlock()
		select {
		case <-moved:
		case <-ctx.Done():
			return false
		}
	}
}

func (l *boardLane) tellMoved() {
	if l.moved != nil {
		close(l.moved)
		l.moved = nil
	}
}

// forget lets go of records that nobody has watched for a while.
func (l *boardLane) forget() {
	for len(l.idle) > 0 && l.lingered(l.idle[0].since) {
		e := l.idle[0].entry
		l.idle[0] = idling{}
		l.idle = l.idle[1:]
		e.noted = false
		switch {
		case e.watchers > 0:
		case !l.lingered(e.idleAt):
			l.note(e) // watched meanwhile, and left again
		default:
			l.remove(e)
		}
	}
}

// remove takes out an entry that nobody watches.
func (l *boardLane) remove(e *Entry) {
	delete(l.entries, e.user)
	l.looks -= e.weight
	if e.place >= 0 {
		heap.Remove(&l.expiries, e.place)
	}
}

func (l *boardLane) lingered(since Version) bool {
	return l.clock.Time().Sub(since.Time()) > lingerFor
}

// lacking are the users to be read again where the lane is stale, and how often it had missed something when it was asked.
func (l *boardLane) lacking() (missed uint64, stale bool, users []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if stale = l.stale(); stale {
		for u, e := range l.entries {
			if e.loaded {
				users = append(users, u)
			}
		}
	}
	return l.missed, stale, users
}

// expect notes when the passing of time will next change what the entry shows.
func (l *boardLane) expect(e *Entry) {
	at, ok := e.Record.NextExpiry(l.beacon) // the moment at which it is viewed
	e.expires = at
	switch {
	case ok && e.place >= 0:
		heap.Fix(&l.expiries, e.place)
	case ok:
		heap.Push(&l.expiries, e)
	case e.place >= 0:
		heap.Remove(&l.expiries, e.place)
	}
}

// expiries is a heap of entries by the moment at which time alone changes what they show.
type expiries []*Entry

func (h expiries) Len() int           { return len(h) }
func (h expiries) Less(i, j int) bool { return h[i].expires < h[j].expires }
func (h expiries) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i, j
}

func (h *expiries) Push(x any) {
	e := x.(*Entry)
	e.place = len(*h)
	*h = append(*h, e)
}

func (h *expiries) Pop() any {
	old := *h
	e := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	e.place = -1
	return e
}
