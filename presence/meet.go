package presence

import (
	"context"
	"slices"
	"time"
)

// Join brings a session into a room.
func (t *Tracker) Join(ctx context.Context, user, session, room string) error {
	_, err := t.Amend(ctx, user, ByRoom, func(r Record, _ time.Time, v Version) ([]Fact, error) {
		if _, live := r.Session(session); !live {
			return nil, ErrNoSession
		}
		m, changed := r.SetRooms(session, append(r.RoomsOf(session), room), v)
		if !changed {
			return nil, nil
		}
		if len(m.Stays) > RoomsASession {
			return nil, ErrTooManyRooms
		}
		return []Fact{m}, nil
	})
	return err
}

// LeaveRoom takes a session out of a room, or all sessions of the user where it is empty. It is no error if none is there.
func (t *Tracker) LeaveRoom(ctx context.Context, user, session, room string) error {
	_, err := t.Amend(ctx, user, ByRoom, func(r Record, _ time.Time, v Version) ([]Fact, error) {
		var facts []Fact
		for _, m := range r.Memberships {
			if session != "" && m.Session != session {
				continue
			}
			rooms := slices.DeleteFunc(r.RoomsOf(m.Session), func(name string) bool { return name == room })
			if m, changed := r.SetRooms(m.Session, rooms, v); changed {
				facts = append(facts, m)
			}
		}
		if session == "" && len(facts) > 0 { // and no longer types there, in whatever capacity
			facts = append(facts, r.unmark(func(m Mark) bool { return m.Room == room }, v)...)
		}
		return facts, nil
	})
	return err
}

// Typing says where a user types.
type Typing struct {
	Session, Room, Thread string
	TTL                   time.Duration // 0: the policy's
}

// StartTyping marks the user as typing.
func (t *Tracker) StartTyping(ctx context.Context, user string, where Typing) error {
	if where.TTL == 0 {
		where.TTL = t.Policy.TypingTTL
	}
	_, err := t.Amend(ctx, user, ByTyping, func(r Record, now time.Time, v Version) ([]Fact, error) {
		if _, live := r.Session(where.Session); !live {
			return nil, ErrNoSession
		}
		mark := Mark{
			Room: where.Room, Thread: where.Thread, Session: where.Session, Member: r.In(where.Room),
			Until: now.Add(where.TTL), Version: v,
		}
		others := func(m Mark) bool { return byPlace(m, mark) != 0 }
		facts := r.unmark(func(m Mark) bool { return others(m) && !r.holds(m, VersionAt(now)) }, v)
		if len(r.Marks)-len(facts) >= MarksAUser && !slices.ContainsFunc(r.Marks, func(m Mark) bool { return !others(m) }) {
			oldest := slices.MinFunc(r.Marks, func(a, b Mark) int { return a.Until.Compare(b.Until) })
			facts = append(facts, Mark{Room: oldest.Room, Thread: oldest.Thread, Version: v})
		}
		return append(facts, mark), nil
	})
	return err
}

// StopTyping takes away the user's mark in a room and thread. One that names a session needs it to live.
func (t *Tracker) StopTyping(ctx context.Context, user string, where Typing) error {
	_, err := t.Amend(ctx, user, ByTyping, func(r Record, _ time.Time, v Version) ([]Fact, error) {
		if _, live := r.Session(where.Session); where.Session != "" && !live {
			return nil, ErrNoSession
		}
		return r.unmark(func(m Mark) bool { return m.Room == where.Room && m.Thread == where.Thread }, v), nil
	})
	return err
}

// unmark makes the facts that take marks away.
func (r Record) unmark(which func(Mark) bool, v Version) []Fact {
	var facts []Fact
	for _, m := range r.Marks {
		if which(m) {
			facts = append(facts, Mark{Room: m.Room, Thread: m.Thread, Version: v})
		}
	}
	return facts
}
