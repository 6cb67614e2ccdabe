package presence

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
)

const (
	roomsAtOnce = 8 // read at the same time, when all of them are read again
	rereads     = 4 // one should do, but for members who come in meanwhile
)

// WatchRoom keeps a room together until UnwatchRoom, and calls attach with it at a moment when it reflects every write acknowledged before
// WatchRoom began, and so that no later change is missed. reader is whose stream it is for: he sees himself, even where nobody else does.
//
// On an error nothing is watched.
func (b *Board) WatchRoom(ctx context.Context, room, reader string, attach func(*Gathering)) error {
	g := b.rooms.enter(room, reader, b.regatherSafely)
	watched := false
	defer func() { // even where attach panics
		if !watched {
			b.letGo(g, b.rooms.leave(g, reader))
		}
	}()
	if err := b.show(ctx, g, reader, attach); err != nil {
		return fmt.Errorf("watch room: %w", err)
	}
	watched = true
	return nil
}

// show attaches somebody to a room that is as new as the store is now. The reader stays watched, because no index tells of one who hides.
func (b *Board) show(ctx context.Context, g *Gathering, reader string, attach func(*Gathering)) error {
	missing, err := b.catchUpWith(ctx, g)
	if err != nil {
		return err
	}
	if err := b.Watch(ctx, []string{reader}, func(e *Entry) { b.gather(b.lane(reader), e) }); err != nil {
		return err
	}
	watched := false
	defer func() {
		if !watched {
			b.Unwatch([]string{reader})
		}
	}()
	err = b.whenNew(ctx, g, missing, attach)
	watched = err == nil
	return err
}

// whenNew calls f with the gathering when no Member lacks what is missing from the lanes. A store that has gone back to before that is none.
func (b *Board) whenNew(ctx context.Context, g *Gathering, missing []Head, f func(*Gathering)) error {
	for range rereads {
		old := g.unlessOld(f, func(m *Entry) bool { return missing[b.source.Lane(m.user)].After(m.Record.Head) })
		if len(old) == 0 {
			return nil
		}
		if err := b.reread(ctx, old); err != nil {
			return err
		}
	}
	return fmt.Errorf("members: %w", ErrUnavailable)
}

// UnwatchRoom ends what one WatchRoom began.
func (b *Board) UnwatchRoom(room, reader string) {
	if g := b.rooms.find(room); g != nil {
		b.letGo(g, b.rooms.leave(g, reader))
		b.Unwatch([]string{reader})
	}
}

// InRoom calls f with a room that is watched.
func (b *Board) InRoom(room string, f func(*Gathering)) {
	g := b.rooms.find(room)
	if g == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	f(g)
}

// letGo takes a room out of the entries of users who are no longer among its Members. Some may be again.
func (b *Board) letGo(g *Gathering, users []string) {
	for _, u := range users {
		l := b.lane(u)
		l.mu.Lock()
		if e := l.entries[u]; e != nil && !g.has(u) {
			l.unwatchFor(e, g)
		}
		l.mu.Unlock()
	}
}

func (l *boardLane) unwatchFor(e *Entry, g *Gathering) {
	if i := slices.Index(e.rooms, g); i >= 0 {
		e.rooms = slices.Delete(e.rooms, i, i+1)
		l.drop(e)
	}
}

func (e *Entry) watchFor(g *Gathering) {
	if !slices.Contains(e.rooms, g) {
		e.rooms = append(e.rooms, g)
		e.watchers++
	}
}

// catchUpWith returns when nobody is missing from the gathering who was there when it was called: as soon as the lanes tell so, where they tell all
// about it. It returns what some lanes have not told by then, because of which Members may be known as they were before.
func (b *Board) catchUpWith(ctx context.Context, g *Gathering) (missing []Head, err error) {
	missing, err = b.catchUp(ctx)
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(missing, func(h Head) bool { return h != Head{} }) {
		if err := b.whenNew(ctx, g, missing, (*Gathering).doubt); err != nil { // who has gone must not make it a crowd with who has come
			return nil, err
		}
	}
	if g.heardOf() {
		return missing, b.lookUpMost(ctx, b.rooms.expectedIn(g), false, g)
	}
	_, err = g.again.wait(ctx)
	return missing, err
}

// catchUp waits until all lanes are where the store is now, but not for long. It returns where those should be that are not.
func (b *Board) catchUp(ctx context.Context) (missing []Head, err error) {
	heads, err := b.fence.wait(ctx)
	if err != nil {
		return nil, err
	}
	soon, cancel := context.WithTimeout(ctx, catchUp)
	defer cancel()
	missing = make([]Head, len(heads))
	for i := range b.lanes {
		if !b.lanes[i].reach(soon, heads[i]) {
			missing[i] = heads[i]
		}
	}
	return missing, ctx.Err()
}

// regather reads who is in a room, and looks up those who are not known to be there. It is called by the gathering's fence alone.
func (b *Board) regather(ctx context.Context, g *Gathering) error {
	missed, before := g.open(), b.heads()
	index, err := b.source.Room(ctx, RoomQuery{Room: g.Room, Limit: g.most, Typing: true})
	if err != nil {
		return fmt.Errorf("read room: %w", err)
	}
	users, err := b.believe(ctx, index.Users, g, before)
	if err != nil {
		return err
	}
	b.letGo(g, g.count(users))
	unknown, doubtful := g.unknown(index)
	if err := b.lookUpMost(ctx, unknown, doubtful, g); err != nil {
		return err
	}
	g.gathered(b.listener, missed)
	return nil
}

// panicsInARow is how often a room is gathered again whose gathering panics, before others are not to wait for it any more.
const panicsInARow = 3

// regatherSafely is regather for all who wait for it.
func (b *Board) regatherSafely(ctx context.Context, g *Gathering) error {
	err := b.Panics.Try(PanicInRead, func() error { return b.regather(ctx, g) })
	if errors.Is(err, ErrPanicked) {
		g.panicked.Add(1)
	} else {
		g.panicked.Store(0)
	}
	return err
}

// believe is how many are to be believed to be in a room: in a crowd no fewer than before, if the store may have lost some of them since the
// lanes were as they were before, because that is no evidence.
func (b *Board) believe(ctx context.Context, users int, g *Gathering, before []Head) (int, error) {
	crowd, crowded := g.crowd()
	if !crowded || users >= crowd {
		return users, nil
	}
	heads, err := b.fence.wait(ctx)
	if err != nil {
		return 0, err
	}
	for i := range b.lanes {
		heard := before[i] != Head{}
		if b.lanes[i].inDoubt() || heard && (heads[i].Epoch != before[i].Epoch || before[i].After(heads[i])) {
			return crowd, nil
		}
	}
	return users, nil
}

// heads is how far the lanes have been heard.
func (b *Board) heads() []Head { return ofLanes(b, func(l *boardLane) Head { return l.head }) }

func (l *boardLane) inDoubt() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.doubt
}

// lookUp has users gathered in the rooms where they are: those who are watched already as they are known here, or, where that is doubtful, read
// again. Unlike Watch it waits for no lane, because those that are read again wait for it.
func (b *Board) lookUp(ctx context.Context, users []string, doubtful bool) error {
	return inChunks(users, readAtOnce, func(some []string) error { return b.lookUpThese(ctx, some, doubtful) })
}

// lookUpMost is lookUp that leaves out whose reading panics, for now: the rooms are gathered again later.
func (b *Board) lookUpMost(ctx context.Context, users []string, doubtful bool, rooms ...*Gathering) error {
	err := b.lookUp(ctx, users, doubtful)
	if !errors.Is(err, ErrPanicked) {
		return err
	}
	for _, g := range rooms {
		g.lacks.Store(true)
	}
	b.skipped.Store(true)
	b.wake()
	return nil
}

func (b *Board) lookUpThese(ctx context.Context, users []string, doubtful bool) error {
	_, err := b.keep(ctx, users, b.inLanes(users), func(ctx context.Context, known []*Entry) error {
		if err := b.loaded(ctx, known); err != nil {
			return err
		}
		if doubtful {
			if err := b.reread(ctx, names(known)); err != nil {
				return err
			}
		}
		b.gatherThese(known)
		return nil
	})
	if err != nil {
		return fmt.Errorf("look up: %w", err)
	}
	b.Unwatch(users)
	return nil
}

func names(entries []*Entry) []string {
	users := make([]string, len(entries))
	for i, e := range entries {
		users[i] = e.user
	}
	return users
}

func (b *Board) gatherThese(entries []*Entry) {
	for _, e := range entries {
		l := b.lane(e.user)
		l.mu.Lock()
		b.isolate(l, e, func() {
			l.view(e)
			b.gather(l, e)
		})
		l.mu.Unlock()
	}
}

// gather tells the watched rooms in which the entry's user is, or was, how he is now. The lane's lock is held.
func (b *Board) gather(l *boardLane, e *Entry) {
	for _, g := range b.rooms.of(e) {
		if g.hear(b.listener, e) {
			e.watchFor(g)
		} else {
			l.unwatchFor(e, g)
		}
	}
}

// regatherAll reads again who is in rooms: of those who have come unheard nobody else knows.
func (b *Board) regatherAll(ctx context.Context, rooms []*Gathering) error {
	var all sync.WaitGroup
	var failed atomic.Bool
	errs, turns := make([]error, len(rooms)), make(chan struct{}, roomsAtOnce)
	for i, g := range rooms {
		turns <- struct{}{}
		if failed.Load() {
			break
		}
		all.Go(func() {
			defer func() { <-turns }()
			_, err := g.again.wait(ctx)
			if errors.Is(err, ErrPanicked) && g.panicked.Load() >= panicsInARow {
				b.skipped.Store(true)
				return
			}
			errs[i] = err
			failed.CompareAndSwap(false, err != nil)
		})
	}
	all.Wait()
	return errors.Join(errs...)
}
