package presence

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	lingerFor    = 30 * time.Second // a storm of reconnects finds the records that it left
	readAtOnce   = 500              // records in one Lookup when a lane is read again
	pendingLimit = 256              // changes kept for a record that is being read; past it, it is read again
	catchUp      = 2 * time.Second  // how long Watch waits for a lane before it reads for itself
	retryAfter   = 250 * time.Millisecond
	skippedAfter = 5 * time.Second // until what has panicked is tried again that others need not wait for
	never        = Version(1<<63 - 1)
)

// Source is what a Board needs of a Store.
type Source interface {
	Lookup(ctx context.Context, viewer string, users []string) ([]Record, error)
	Lanes() int
	Lane(user string) int
	Heads(ctx context.Context, lanes []int) ([]Head, error)
	Moments(ctx context.Context) ([]Moment, error)
	Room(ctx context.Context, q RoomQuery) (RoomIndex, error)
}

// Listener is told by a Board what happens to watched users. Calls about users of one lane come one at a time; none may block,
// or call the board or its store.
type Listener interface {
	// Changed says that the entry's record may have changed, or that an expiry that it shows has passed. An entry that has no watcher
	// yet, or none any more, is told of too.
	Changed(e *Entry)
	// Moved says that what viewers see of one user in a watched room may have changed: that he is there, or types there. e is his entry
	// among the room's Members, which leaves them after the call where he has gone. Calls about one room come one at a time.
	Moved(g *Gathering, e *Entry)
	// Counted says that a room has been counted anew, or has become crowded, or no longer is: its Members may be others than before.
	Counted(g *Gathering)
	// Subscribed says that a subscription has changed, Revoked that tokens have been revoked, SubscriptionsMissed that what either would have told
	// of a lane may have been missed.
	Subscribed(id string)
	Revoked(r Revocation)
	SubscriptionsMissed(lane int)
	// Lost and Found say that the board can no longer, or again, keep in step with the store.
	Lost()
	Found()
}

// Board keeps the records of watched users in memory, in step with the store whose Feed it is. A record is read once and then
// changed by what the lane tells, so that any number of streams watch a user at the price of one.
//
// A panic of its source or its listener costs what it was about, and nothing else: no lock stays held, nobody waits for what will not come, and
// what the listener may have missed is told anew, once.
type Board struct {
	Panics *Panics // of source and listener; set before the board is used

	source   Source
	listener Listener
	lanes    []boardLane
	fence    fence[[]Head]
	moments  fence[[]Moment] // for looks, which tell as of when they are true
	away     atomic.Bool     // the store is lost: whoever looks learns it from the store
	work     chan struct{}   // one token: some lane is to be read again
	skipped  atomic.Bool     // some lane was read again but for users or rooms that panicked
	rooms    gatherings

	unheard   atomic.Int32  // lanes that have not been heard of yet
	listening chan struct{} // closed when there are none

	mu    sync.Mutex // guards what follows; held while the listener is told
	lost  bool
	found bool // to be told once all lanes have been read again

	clock boardClock
}

// NewBoard makes a board that is to be fed by its source's Run, and told about by Run.
func NewBoard(source Source, listener Listener) *Board {
	b := &Board{source: source, listener: listener, lanes: make([]boardLane, source.Lanes()), work: make(chan struct{}, 1), listening: make(chan struct{})}
	b.unheard.Store(int32(len(b.lanes))) //nolint:gosec // partitions are few
	for i := range b.lanes {
		b.lanes[i].entries = map[string]*Entry{}
	}
	b.rooms = newGatherings()
	b.fence.read = func(ctx context.Context) (heads []Head, err error) {
		all := make([]int, len(b.lanes))
		for i := range all {
			all[i] = i
		}
		err = b.Panics.Try(PanicInRead, func() error {
			heads, err = source.Heads(ctx, all)
			return err
		})
		return heads, err
	}
	b.moments.read = func(ctx context.Context) (moments []Moment, err error) {
		err = b.Panics.Try(PanicInRead, func() error {
			moments, err = source.Moments(ctx)
			return err
		})
		return moments, err
	}
	return b
}

// Watch keeps the users' records until Unwatch, and calls attach with each entry, in no order but one at a time per lane, at a moment when it
// reflects every write acknowledged before Watch began, and so that no later change is missed: whoever subscribes
// within attach hears everything that comes after what attach was shown.
//
// On an error, or when attach panics, nothing is watched, though attach may have been called.
func (b *Board) Watch(ctx context.Context, users []string, attach func(*Entry)) error {
	order := b.inLanes(users)
	entries, err := b.keep(ctx, users, order, b.await)
	if err != nil {
		return fmt.Errorf("watch: %w", err)
	}
	watched := false
	defer func() {
		if !watched {
			b.Unwatch(users)
		}
	}()
	b.each(order, func(l *boardLane, i int) {
		l.view(entries[i])
		attach(entries[i])
	})
	watched = true
	return nil
}

// keep adds a watcher to each of the users, and reads the records of those who have none yet. What is to be done about the others is for await.
// On an error nobody has been added.
func (b *Board) keep(ctx context.Context, users []string, order []laneUser, await func(context.Context, []*Entry) error) ([]*Entry, error) {
	entries := make([]*Entry, len(users))
	var mine []*Entry
	b.each(order, func(l *boardLane, i int) {
		e, first := l.enter(users[i])
		if entries[i] = e; first {
			mine = append(mine, e)
		}
	})
	var err error
	others := entries
	if len(mine) > 0 {
		err = b.load(ctx, mine)
		own := make(map[*Entry]bool, len(mine))
		for _, e := range mine {
			own[e] = true
		}
		others = slices.DeleteFunc(slices.Clone(entries), func(e *Entry) bool { return own[e] })
	}
	if err == nil && len(others) > 0 {
		err = await(ctx, others)
	}
	if err != nil {
		b.leave(entries)
	}
	return entries, err
}

// Unwatch ends what one Watch began. The records stay for a while.
func (b *Board) Unwatch(users []string) {
	b.each(b.inLanes(users), func(l *boardLane, i int) {
		if e := l.entries[users[i]]; e != nil {
			l.drop(e)
		}
	})
}

func (b *Board) leave(entries []*Entry) {
	for _, e := range entries {
		l := b.lane(e.user)
		l.mu.Lock()
		l.drop(e)
		l.mu.Unlock()
	}
}

// Len is the number of records kept.
func (b *Board) Len() int {
	n := 0
	for i := range b.lanes {
		l := &b.lanes[i]
		l.mu.Lock()
		n += len(l.entries)
		l.mu.Unlock()
	}
	return n
}

func (b *Board) lane(user string) *boardLane { return &b.lanes[b.source.Lane(user)] }
