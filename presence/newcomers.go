package presence

import (
	"context"
	"slices"
	"time"
)

const (
	countEvery     = 2 * time.Second // how often crowds are counted anew
	newcomersLimit = 10_000          // users to be looked up; past it their lanes are read again, and all rooms
)

// expectIn has a user looked up whose record is not here, or not yet, if he has come into a watched room. The lane's lock is held.
func (b *Board) expectIn(l *boardLane, c Change) {
	expect := func(room string) {
		if g := b.rooms.find(room); g != nil && g.takesAll() && !b.rooms.expect(c.User, g) {
			b.readAgain(l)
		}
	}
	for _, f := range c.Facts {
		switch f := f.(type) {
		case Membership:
			for _, s := range f.Stays {
				expect(s.Room)
			}
		case Mark:
			expect(f.Room)
		}
	}
}

// expect queues a newcomer, and reports false where there are too many.
func (r *gatherings) expect(user string, g *Gathering) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	rooms := r.newcomers[user]
	if rooms == nil && len(r.newcomers) >= newcomersLimit {
		return false
	}
	if !slices.Contains(rooms, g) {
		r.newcomers[user] = append(rooms, g)
		poke(r.came)
	}
	return true
}

// expecting reports whether somebody is still to be looked up.
func (r *gatherings) expecting() bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return len(r.newcomers) > 0
}

// expectedIn are those who are still to be looked up for one room.
func (r *gatherings) expectedIn(g *Gathering) (users []string) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for u, rooms := range r.newcomers {
		if slices.Contains(rooms, g) {
			users = append(users, u)
		}
	}
	return users
}

// expected are all who are still to be looked up. Whoever has come only into rooms that do not take him any more is forgotten.
func (r *gatherings) expected() (users []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for u, rooms := range r.newcomers {
		if slices.ContainsFunc(rooms, (*Gathering).takesAll) {
			users = append(users, u)
		} else {
			delete(r.newcomers, u)
		}
	}
	return users
}

// found says that users have been looked up. Of what has been heard of them since, their entries know.
func (r *gatherings) found(users []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, u := range users {
		delete(r.newcomers, u)
	}
}

// runRooms looks up newcomers and counts crowds, until ctx ends.
func (b *Board) runRooms(ctx context.Context) {
	_ = b.Panics.Keep(ctx, PanicInTask, func() error {
		poke(b.rooms.came) // where it begins again, there may be some of either kind
		poke(b.rooms.crowds)
		b.followRooms(ctx)
		return nil
	})
}

func (b *Board) followRooms(ctx context.Context) {
	var retry, count <-chan time.Time
	for {
		came := b.rooms.came
		if retry != nil {
			came = nil
		}
		select {
		case <-ctx.Done():
			return
		case <-came:
			retry = b.lookUpNewcomers(ctx)
		case <-retry:
			retry = b.lookUpNewcomers(ctx)
		case <-b.rooms.crowds:
			if count == nil {
				count = time.After(countEvery)
			}
		case <-count:
			count = b.countCrowds(ctx)
		}
	}
}

// lookUpNewcomers returns when it is to be called again, because it has failed. Newcomers stay noted until they have been looked up, so
// that others can tell that they are missing.
func (b *Board) lookUpNewcomers(ctx context.Context) (retry <-chan time.Time) {
	for {
		users := b.rooms.expected()
		if len(users) == 0 {
			return nil
		}
		if b.lookUpMost(ctx, users, false, b.rooms.all()...) != nil {
			return time.After(retryAfter)
		}
		b.rooms.found(users)
	}
}

// countCrowds returns when it is to be called again, if there are any.
func (b *Board) countCrowds(ctx context.Context) (next <-chan time.Time) {
	crowds := slices.DeleteFunc(b.rooms.all(), func(g *Gathering) bool {
		_, crowded := g.crowd()
		return !crowded
	})
	if len(crowds) == 0 {
		return nil
	}
	_ = b.regatherAll(ctx, crowds) // else the next time
	return time.After(countEvery)
}
