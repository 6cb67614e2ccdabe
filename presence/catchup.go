package presence

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Run reads lanes again that have missed something, until ctx ends.
func (b *Board) Run(ctx context.Context) error {
	var rooms sync.WaitGroup
	rooms.Go(func() { b.runRooms(ctx) })
	defer rooms.Wait()
	var skipped <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-skipped:
			skipped = nil
			b.readSkipped(ctx)
		case <-b.work:
			for !b.catchUpStale(ctx) {
				select {
				case <-ctx.Done():
					return nil
				case <-time.After(retryAfter):
				}
			}
		}
		if b.skipped.Swap(false) {
			skipped = time.After(skippedAfter)
		}
	}
}

// readSkipped tries again what nobody has waited for, because reading it has panicked.
func (b *Board) readSkipped(ctx context.Context) {
	err := b.Panics.Try(PanicInTask, func() error {
		return errors.Join(b.reread(ctx, b.skippedUsers()), b.regatherAll(ctx, b.skippedRooms()))
	})
	if err != nil {
		b.skipped.Store(true)
	}
}

// skippedUsers are those whose lane has been read again without them.
func (b *Board) skippedUsers() (users []string) {
	for i := range b.lanes {
		l := &b.lanes[i]
		l.mu.Lock()
		for u, e := range l.entries {
			if e.loaded && e.whole != l.missed && !l.stale() {
				users = append(users, u)
			}
		}
		l.mu.Unlock()
	}
	return users
}

func (b *Board) skippedRooms() []*Gathering {
	return slices.DeleteFunc(b.rooms.all(), func(g *Gathering) bool { return !g.lacks.Swap(false) && g.panicked.Load() == 0 })
}

// catchUpStale reports false where it must be tried again.
func (b *Board) catchUpStale(ctx context.Context) (ok bool) {
	_ = b.Panics.Try(PanicInTask, func() error {
		ok = b.readStale(ctx) && b.tellFound()
		return nil
	})
	return ok
}

// tellFound tells the listener that the store is found, unless more was missed since the lanes were read again: then Run has been woken. It reports
// false where the listener could not be told.
func (b *Board) tellFound() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.found || b.stale() {
		return true
	}
	if b.Panics.Try(PanicInListener, func() error { b.listener.Found(); return nil }) != nil {
		return false
	}
	b.found, b.lost = false, false
	b.away.Store(false)
	return true
}

func (b *Board) stale() bool {
	for i := range b.lanes {
		l := &b.lanes[i]
		l.mu.Lock()
		stale := l.stale()
		l.mu.Unlock()
		if stale {
			return true
		}
	}
	return false
}

// readStale reads the stale lanes again, and reports whether that went well.
func (b *Board) readStale(ctx context.Context) bool {
	ok := true
	read := map[*boardLane]uint64{}
	for i := range b.lanes {
		l := &b.lanes[i]
		missed, stale, users := l.lacking()
		if !stale {
			continue
		}
		b.noteMissed(i)
		err := b.reread(ctx, users)
		if errors.Is(err, ErrPanicked) { // the others are not to wait for those who cannot be read
			b.skipped.Store(true)
		} else if err != nil {
			ok = false
			continue
		}
		read[l] = missed
	}
	if len(read) > 0 && b.regatherAll(ctx, b.rooms.all()) != nil {
		return false
	}
	for l, missed := range read {
		l.mu.Lock()
		l.fresh = missed // it may have missed more since
		if !l.stale() {
			l.tellMoved()
		}
		l.mu.Unlock()
	}
	return ok
}

// noteMissed tells the listener that a lane may have told of subscriptions unheard. Should that panic, the lane is read once more.
func (b *Board) noteMissed(lane int) {
	failed := b.Panics.Try(PanicInListener, func() error { b.listener.SubscriptionsMissed(lane); return nil }) != nil
	l := &b.lanes[lane]
	l.mu.Lock()
	defer l.mu.Unlock()
	if failed && !l.failed {
		b.readAgain(l)
	}
	l.failed = failed
}

// reread reads records anew and offers what has changed.
func (b *Board) reread(ctx context.Context, users []string) error {
	return inChunks(users, readAtOnce, func(some []string) error { return b.rereadThese(ctx, some) })
}

func (b *Board) rereadThese(ctx context.Context, users []string) error {
	missed := b.missed()
	records, err := b.lookup(ctx, users)
	for _, r := range records {
		b.refresh(r, missed[b.source.Lane(r.User)])
	}
	if err != nil {
		return fmt.Errorf("read again: %w", err)
	}
	return nil
}

// missed is how often each lane has missed something so far: a record that is read now has it.
func (b *Board) missed() []uint64 {
	return ofLanes(b, func(l *boardLane) uint64 { return l.missed })
}

// refresh replaces an entry's record by one that was read later, and has what the lane had missed by then.
func (b *Board) refresh(r Record, missed uint64) {
	l := b.lane(r.User)
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entries[r.User]
	if e == nil || !e.loaded {
		return
	}
	if e.Record.Head.After(r.Head) {
		if e.whole != l.missed && missed == l.missed {
			b.complete(l, e) // it was read later than this
			b.tell(l, e)
		}
		return
	}
	if r.Head.Epoch > max(e.Record.Head.Epoch, l.head.Epoch) {
		l.held, l.doubt = never, true // as by the first message of the new epoch, which is still on its way
		l.publish()
	}
	if l.beacon == 0 || l.doubt || l.stale() {
		// What the store has lost leaves no younger version behind: so the reading dates it. Else, as in settle, the last beacon does.
		e.read = r.AsOf
	}
	if l.held != 0 {
		r = r.besides(e.Record, e.sure)
	}
	e.Record, e.sure = r, r.AsOf
	if missed == l.missed {
		b.complete(l, e)
	}
	b.tell(l, e)
}

// complete gives an entry that has what was missed what was heard since. Where that was too much to keep, the lane is read once more.
func (b *Board) complete(l *boardLane, e *Entry) {
	if e.again {
		e.again, e.pending = false, nil
		b.readAgain(l)
		return
	}
	for _, c := range e.pending {
		e.Record = e.Record.Apply(c)
	}
	e.sure, e.pending, e.whole = e.Record.AsOf, nil, l.missed
}
