package presence

import (
	"context"
	"errors"
	"slices"
)

// enter adds a watcher to the user's entry, and reports whether the caller is the one who must read its record. The lock is held.
func (l *boardLane) enter(user string) (e *Entry, first bool) {
	e = l.entries[user]
	if e == nil {
		e = &Entry{user: user, place: -1, ready: make(chan struct{})}
		l.entries[user] = e
		first = true
	}
	e.watchers++
	return e, first
}

// load reads the records of entries that the caller has made, and that others may be waiting for by now.
func (b *Board) load(ctx context.Context, entries []*Entry) error {
	ctx, cancel := shared(ctx)
	defer cancel()
	users := make([]string, len(entries))
	for i, e := range entries {
		users[i] = e.user
	}
	load := func(some []string) error { return b.loadThese(ctx, some) }
	err := load(users)
	if errors.Is(err, ErrPanicked) && len(users) > 1 {
		err = inChunks(users, 1, load)
	}
	if err != nil {
		b.abandon(entries, err)
	}
	return err
}

func (b *Board) loadThese(ctx context.Context, users []string) error {
	for len(users) > 0 {
		records, err := b.lookup(ctx, users)
		if err != nil {
			return err
		}
		var again []string
		for _, r := range records {
			if !b.settle(r) {
				again = append(again, r.User)
			}
		}
		users = again
	}
	return nil
}

// lookup reads records of the source.
func (b *Board) lookup(ctx context.Context, users []string) (records []Record, err error) {
	err = b.Panics.Try(PanicInRead, func() error {
		records, err = b.source.Lookup(ctx, "", users)
		return err
	})
	return records, err
}

// inChunks does something for users, some at a time. What panics for several is done for each alone, so that it fails for those only who are the cause:
// others come to their own. What fails in another way ends it.
func inChunks(users []string, size int, do func(some []string) error) (panicked error) {
	for some := range slices.Chunk(users, size) {
		err := do(some)
		if errors.Is(err, ErrPanicked) && len(some) > 1 {
			err = inChunks(some, 1, do)
		}
		switch {
		case errors.Is(err, ErrPanicked):
			panicked = err
		case err != nil:
			return err
		}
	}
	return panicked
}

// settle gives an entry the record that was read for it, and reports false where it must be read once more.
func (b *Board) settle(r Record) bool {
	l := b.lane(r.User)
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entries[r.User]
	if e == nil || e.loaded {
		return true
	}
	if e.again {
		e.again, e.pending = false, nil
		return false
	}
	if l.beacon == 0 || l.doubt {
		// Else it is dated by the last beacon, as those are who are watched already: what it shows is as old as that, or tells its own time.
		e.read = r.AsOf
	}
	for _, c := range e.pending {
		r = r.Apply(c)
	}
	e.Record, e.sure, e.pending, e.loaded, e.whole = r, r.AsOf, nil, true, l.missed
	close(e.ready)
	b.isolate(l, e, func() {
		l.view(e)
		l.expect(e)
		b.gather(l, e)
	})
	return true
}

// abandon gives up entries that could not be read. Those who wait for them learn why.
func (b *Board) abandon(entries []*Entry, err error) {
	for _, e := range entries {
		l := b.lane(e.user)
		l.mu.Lock()
		if !e.loaded {
			e.err = err
			close(e.ready)
			delete(l.entries, e.user)
			l.looks -= e.weight
		}
		l.mu.Unlock()
	}
}

// loaded waits until entries that others have made are read.
func (b *Board) loaded(ctx context.Context, entries []*Entry) error {
	for _, e := range entries {
		select {
		case <-e.ready: // nearly always, and without the locks that it takes to wait for either
			if e.err != nil {
				return e.err
			}
			continue
		default:
		}
		select {
		case <-e.ready:
			if e.err != nil {
				return e.err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// await waits until entries that others have made are read, and as new as the store is now.
func (b *Board) await(ctx context.Context, entries []*Entry) error {
	if err := b.loaded(ctx, entries); err != nil {
		return err
	}
	heads, err := b.fence.wait(ctx)
	if err != nil {
		return err
	}
	late := b.late(ctx, heads, entries)
	if len(late) == 0 {
		return nil
	}
	var behind []string
	for _, e := range entries {
		if late[b.source.Lane(e.user)] {
			behind = append(behind, e.user)
		}
	}
	return b.reread(ctx, behind)
}

// late are those of the entries' lanes that do not come as far as heads in time.
func (b *Board) late(ctx context.Context, heads []Head, entries []*Entry) map[int]bool {
	asked, late := make([]bool, len(b.lanes)), map[int]bool{}
	for _, e := range entries {
		if i := b.source.Lane(e.user); !asked[i] {
			asked[i] = true
			if !b.lanes[i].reached(heads[i]) {
				late[i] = true
			}
		}
	}
	if len(late) == 0 {
		return nil
	}
	soon, cancel := context.WithTimeout(ctx, catchUp)
	defer cancel()
	for i := range late {
		if b.lanes[i].reach(soon, heads[i]) {
			delete(late, i)
		}
	}
	return late
}
