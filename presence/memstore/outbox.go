package memstore

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/presently/presently/presence"
)

// outbox keeps what is to be told to somebody outside, as long as the process lives.
type outbox struct {
	notes    []waiting // oldest first
	last     int64     // the highest ID given
	told     map[string]presence.Status
	due      map[string]time.Time // when what a user chose expires
	touched  map[string]bool      // rooms to look at
	occupied map[string]bool      // what was said of rooms
	tenure   presence.Tenure
	until    time.Time
	dead     int64
}

type waiting struct {
	presence.Note
	number int64
	since  time.Time
}

func newOutbox() outbox {
	return outbox{told: map[string]presence.Status{}, due: map[string]time.Time{}, touched: map[string]bool{}, occupied: map[string]bool{}}
}

// note puts a change into the outbox, if it is one of which an outbox tells, and notes the rooms to look at.
func (w *write) note(c presence.Change) {
	s := w.store
	if c.Concerns() {
		s.noteUser(w.user.record, c.Version, c.Cause)
	}
	for _, r := range []presence.Record{w.before, w.user.record} {
		for _, room := range r.Rooms() {
			s.outbox.touched[room] = true
		}
	}
}

// settle notes the rooms that are no more what was said of them. While people may yet come back whose silence counts for nothing, no room is said to be vacant.
func (s *Store) settle() {
	o := &s.outbox
	for _, room := range slices.Sorted(maps.Keys(o.touched)) {
		r := s.rooms[room]
		is := r != nil && len(r.members) > 0
		if !is && o.occupied[room] && time.Now().Before(s.held) {
			continue
		}
		delete(o.touched, room)
		if is == o.occupied[room] {
			continue
		}
		put(o.occupied, room, is)
		s.version = max(s.version+1, presence.VersionAt(time.Now()))
		s.putNote(presence.Note{Version: s.version, Cause: presence.ByRoom, Room: room, Occupied: is})
	}
}

func (s *Store) noteUser(r presence.Record, v presence.Version, cause presence.Cause) {
	r = r.Clone()
	s.putNote(presence.Note{Version: v, Cause: cause, Record: presence.Record{
		User: r.User, Sessions: r.Sessions, Chosen: r.Chosen, Closed: r.Closed,
		Hidings: [presence.Self]presence.Hiding{presence.Other: r.Hidings[presence.Other]},
	}})
	delete(s.outbox.due, r.User)
	if c := r.Chosen; c.At(v) != "" && !c.Until.IsZero() {
		s.outbox.due[r.User] = c.Until
	}
}

// putNote gives up what has waited for longest where there is no room.
func (s *Store) putNote(n presence.Note) {
	o := &s.outbox
	if len(o.notes) >= s.opts.Outbox {
		o.notes = slices.Delete(o.notes, 0, 1)
		o.dead++
	}
	o.last++
	n.ID = strconv.FormatInt(o.last, 10)
	o.notes = append(o.notes, waiting{n, o.last, time.Now()})
}

// Deliverers implements presence.Outbox. There is one process, and so one deliverer.
func (s *Store) Deliverers(context.Context, string, time.Duration) (int, error) { return 1, nil }

// Hold implements presence.Outbox.
func (s *Store) Hold(_ context.Context, lane int, by string, lease time.Duration) (presence.Tenure, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, now := &s.outbox, time.Now()
	if o.tenure.By != by {
		if o.tenure.By != "" && now.Before(o.until) {
			return presence.Tenure{}, presence.ErrNotHeld
		}
		o.tenure = presence.Tenure{Lane: lane, By: by, Number: o.tenure.Number + 1}
	}
	o.until = now.Add(lease)
	return o.tenure, nil
}

// LetGo implements presence.Outbox.
func (s *Store) LetGo(_ context.Context, t presence.Tenure) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.outbox.tenure == t {
		s.outbox.tenure.By = ""
	}
	return nil
}

// Notes implements presence.Outbox.
func (s *Store) Notes(_ context.Context, t presence.Tenure, after string, most int) ([]presence.Note, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := &s.outbox
	if o.tenure != t {
		return nil, presence.ErrNotHeld
	}
	s.noteExpired()
	s.settle()
	last, _ := strconv.ParseInt(after, 10, 64)
	var notes []presence.Note
	for _, n := range o.notes {
		if n.number > last && len(notes) < most {
			n.Told = o.told[n.Record.User]
			notes = append(notes, n.Note)
		}
	}
	return notes, nil
}

// noteExpired notes how those are whose choices have expired: nothing else changes them at that moment.
func (s *Store) noteExpired() {
	now := time.Now()
	var users []string
	for user, until := range s.outbox.due {
		if !until.After(now) {
			users = append(users, user)
		}
	}
	slices.Sort(users)
	for _, user := range users {
		delete(s.outbox.due, user)
		if u := s.users[user]; u != nil {
			s.version = max(s.version+1, presence.VersionAt(now))
			s.noteUser(u.record, s.version, presence.ByExpiry)
		}
	}
}

// Finish implements presence.Outbox.
func (s *Store) Finish(_ context.Context, t presence.Tenure, done []presence.Finished) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := &s.outbox
	if o.tenure != t {
		return presence.ErrNotHeld
	}
	for _, d := range done {
		if user := d.Note.Record.User; user != "" {
			delete(o.told, user)
			if status := d.Note.Status(); status != presence.Offline {
				o.told[user] = status
			}
		}
		before := len(o.notes)
		o.notes = slices.DeleteFunc(o.notes, func(n waiting) bool { return n.ID == d.Note.ID })
		if d.Dead != "" && len(o.notes) < before {
			o.dead++
		}
	}
	return nil
}

// Backlog implements presence.Outbox.
func (s *Store) Backlog(context.Context) (presence.Backlog, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := presence.Backlog{Waiting: len(s.outbox.notes), Dead: s.outbox.dead}
	if b.Waiting > 0 {
		b.Oldest = time.Since(s.outbox.notes[0].since)
	}
	return b, nil
}
