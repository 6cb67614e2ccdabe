package memstore

import (
	"context"
	"slices"
	"time"

	"github.com/presently/presently/presence"
)

// Beat implements presence.Store.
func (s *Store) Beat(_ context.Context, b presence.Beat) (presence.Beaten, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.begin(b.User)
	live := w.user.sessions[b.Session]
	if highest, ok := w.user.highest(b.Session); ok && b.Seq != nil && *b.Seq <= highest {
		return presence.Beaten{Old: true, Record: s.read(b.User)}, nil
	}
	repeats := live != nil && live.name == b.Profile.Name && live.avatar == b.Profile.Avatar
	if live == nil {
		if len(w.user.sessions) >= b.MaxLive {
			return presence.Beaten{}, presence.ErrTooManySessions
		}
		live = &session{user: b.User, id: b.Session, place: -1}
		w.user.sessions[b.Session] = live
		w.user.ended = slices.DeleteFunc(w.user.ended, func(t tombstone) bool { return t.session == b.Session })
	}
	returns := !live.leftAt.IsZero()
	live.idle, live.lastBeat, live.leftAt = b.IdleFor, w.now, time.Time{}
	if b.Seq != nil {
		live.seq, live.hasSeq = *b.Seq, true
	}
	s.live.expect(live, w.now.Add(b.TTL))

	w.session(b, live, returns)
	// Two sessions may come with tokens of different age: what a session says anew counts, not what it repeats.
	live.name, live.avatar = b.Profile.Name, b.Profile.Avatar
	if p := b.Profile; !repeats && (p.Name != w.user.record.Profile.Name || p.Avatar != w.user.record.Profile.Avatar) {
		p.Version = w.version
		w.set(p)
	}
	if b.Doing != nil {
		if a, changed := w.user.record.Does(b.Session, b.Doing, wire(w.now), w.version); changed {
			w.set(a)
		}
	}
	came := 0
	if b.Rooms != nil {
		before := w.user.record.RoomsOf(b.Session)
		if m, changed := w.user.record.SetRooms(b.Session, *b.Rooms, w.version); changed {
			w.set(m)
			came = m.Beyond(before)
		}
	}
	w.commit(presence.ByBeat)
	out := presence.Beaten{Steady: len(w.facts) == 0, Returned: returns, Came: came}
	if !b.Minimal {
		out.Record = s.read(b.User)
	}
	return out, nil
}

// session brings the session's fact in line with a beat. Only what it shows makes a change.
func (w *write) session(b presence.Beat, live *session, returns bool) {
	before, known := w.user.record.Session(b.Session)
	f := before
	f.ID, f.State, f.Idle = b.Session, b.State, b.Idle
	f.Hidden, f.Left, f.TTL, f.Instance = b.Hidden, false, b.TTL, b.Instance
	f.Seq, f.HasSeq = live.seq, live.hasSeq
	if returns {
		f.Returns++
	}
	if b.Device != nil {
		f.Device = *b.Device
	}
	if !known {
		f.Started = wire(w.now)
	}
	switch {
	case f.Status() != presence.Away:
		f.Input = time.Time{}
	case !known || before.Status() != presence.Away:
		f.Input = wire(w.now.Add(-b.IdleFor))
	}
	if known && f.State == before.State && f.Idle == before.Idle && f.Device == before.Device {
		w.hush(f)
		return
	}
	f.Version = w.version
	w.set(f)
}

// highest is the highest number that a beat of the session had, also after its end.
func (u *user) highest(id string) (int64, bool) {
	if live := u.sessions[id]; live != nil {
		return live.seq, live.hasSeq
	}
	for _, t := range u.ended {
		if t.session == id {
			return t.seq, true
		}
	}
	return 0, false
}

// Leave implements presence.Store.
func (s *Store) Leave(_ context.Context, name, id string, grace time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	w, live := s.find(name, id)
	if live == nil || !live.leftAt.IsZero() {
		return nil
	}
	live.leftAt = w.now
	s.live.expect(live, w.now.Add(grace))
	f, _ := w.user.record.Session(id)
	f.Left = true
	w.hush(f)
	if grace == 0 {
		w.end(live, w.now)
		w.commit(presence.ByLeave)
	}
	return nil
}

// End implements presence.Store.
func (s *Store) End(_ context.Context, name, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w, live := s.find(name, id); live != nil {
		w.end(live, w.now)
		w.commit(presence.ByEnd)
	}
	return nil
}

func (s *Store) find(name, id string) (*write, *session) {
	u := s.users[name]
	if u == nil || u.sessions[id] == nil {
		return nil, nil
	}
	return s.begin(name), u.sessions[id]
}

// end takes a session out; seen is when it was last heard of.
func (w *write) end(live *session, seen time.Time) {
	w.store.live.remove(live)
	delete(w.user.sessions, live.id)
	if live.hasSeq {
		w.user.ended = append(w.user.ended, tombstone{live.id, live.seq})
		w.user.ended = w.user.ended[max(0, len(w.user.ended)-tombstones):]
	}
	f, _ := w.user.record.Session(live.id)
	e := w.user.record.Seen
	e.At = later(e.At, wire(seen))
	e.Input = later(e.Input, live.newestInput(f))
	e.Version = w.version
	w.set(presence.SessionEnded(live.id), e)
}

// newestInput is when the session last had input: fixed while it is away, else as its last beat told.
func (live *session) newestInput(f presence.Session) time.Time {
	if !f.Input.IsZero() {
		return f.Input
	}
	return wire(live.lastBeat.Add(-live.idle))
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
