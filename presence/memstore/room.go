package memstore

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/presently/presently/presence"
)

// room is the index of one room. It is made of records alone, by bring.
type room struct {
	members  []string // whom everybody may see there, sorted
	sessions int      // of members
	apart    map[string]bool
	typing   map[string]bool // with a mark, which may have expired
	gone     map[string]presence.Version
}

// place is what the index of a room has of one user.
type place struct {
	sessions           int
	all, apart, typing bool
}

// Room implements presence.Store.
func (s *Store) Room(_ context.Context, q presence.RoomQuery) (presence.RoomIndex, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.rooms[q.Room]
	if r == nil {
		return presence.RoomIndex{}, nil
	}
	x := presence.RoomIndex{Users: len(r.members), Sessions: r.sessions, Apart: slices.Sorted(maps.Keys(r.apart))}
	x.Members = r.page(q.After, q.Limit)
	if q.Since != 0 {
		x.Gone = r.goneSince(max(q.Since, forgotten()))
	}
	if q.Typing {
		x.Typing = s.typing(q.Room, r)
	}
	return x, nil
}

// page copies the members after one of them, or after where he would be.
func (r *room) page(after string, limit int) []string {
	from, found := slices.BinarySearch(r.members, after)
	if found {
		from++
	}
	return slices.Clone(r.members[from:min(len(r.members), from+max(0, limit))])
}

func (r *room) goneSince(since presence.Version) []string {
	var gone []string
	for user, at := range r.gone {
		if at > since {
			gone = append(gone, user)
		}
	}
	slices.Sort(gone)
	return gone
}

// forgotten is the moment up to which it is not remembered who has gone.
func forgotten() presence.Version { return presence.VersionAt(time.Now().Add(-presence.GoneKept)) }

// typing leaves out those whose marks have expired, which the index does not notice.
func (s *Store) typing(name string, r *room) []string {
	var typing []string
	now := presence.VersionAt(time.Now())
	for user := range r.typing {
		if s.users[user].record.TypesIn(name, now) {
			typing = append(typing, user)
		}
	}
	slices.Sort(typing)
	return typing
}

// RoomCount implements presence.Store.
func (s *Store) RoomCount(context.Context) (n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, r := range s.rooms {
		if name != presence.Everywhere && len(r.members) > 0 {
			n++
		}
	}
	return n, nil
}

// LargestRooms implements presence.Store. It looks at all of them.
func (s *Store) LargestRooms(_ context.Context, n int) (all []presence.RoomSize, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, r := range s.rooms {
		if name != presence.Everywhere && len(r.members) > 0 {
			all = append(all, presence.RoomSize{Room: name, Users: len(r.members)})
		}
	}
	return presence.Largest(all, n), nil
}

// Sample implements presence.Store.
func (s *Store) Sample(_ context.Context, n int) (users []string, of int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.rooms[presence.Everywhere]
	if r == nil {
		return nil, 0, nil
	}
	for _, i := range presence.Spread(n, len(r.members)) {
		users = append(users, r.members[i])
	}
	return users, len(r.members), nil
}

// bring brings the index of all rooms in line with a change. Nothing else changes it.
func (w *write) bring() {
	before, after := placesOf(w.before), placesOf(w.user.record)
	blinds := w.blinds()
	touched := maps.Clone(before)
	maps.Copy(touched, after)
	for name := range touched {
		was, is := before[name], after[name]
		if leaves := was.all && !is.all || was.apart && !is.apart; name != presence.Everywhere && (leaves || blinds && was.sessions > 0) {
			w.store.room(name).gone[w.before.User] = w.version
		}
		if was != is {
			w.store.room(name).move(w.before.User, was, is)
		}
		w.store.tidy(name)
	}
}

// blinds reports whether somebody loses sight of the user by a change of their relation.
func (w *write) blinds() bool {
	return slices.ContainsFunc(w.facts, func(f presence.Fact) bool {
		rel, ok := f.(presence.Relation)
		return ok && !w.before.HiddenFrom(rel.Viewer) && w.user.record.HiddenFrom(rel.Viewer)
	})
}

// placesOf are the places that a user has in the index, by room. Who hides from everybody has none.
func placesOf(r presence.Record) map[string]place {
	places := map[string]place{}
	all, apart := r.SeenBy()
	if !all && !apart {
		return places
	}
	for _, name := range append(r.Rooms(), presence.Everywhere) {
		if n, _ := r.SessionsIn(name); n > 0 {
			places[name] = place{sessions: n, all: all, apart: apart}
		}
	}
	for _, m := range r.Marks {
		p := places[m.Room]
		p.typing = true
		places[m.Room] = p
	}
	return places
}

func (s *Store) room(name string) *room {
	r := s.rooms[name]
	if r == nil {
		r = &room{apart: map[string]bool{}, typing: map[string]bool{}, gone: map[string]presence.Version{}}
		s.rooms[name] = r
	}
	return r
}

// move changes what the index has of one user.
func (r *room) move(user string, was, is place) {
	i, _ := slices.BinarySearch(r.members, user)
	if was.all {
		r.sessions -= was.sessions
	}
	if is.all {
		r.sessions += is.sessions
	}
	switch {
	case is.all && !was.all:
		r.members = slices.Insert(r.members, i, user)
	case was.all && !is.all:
		r.members = slices.Delete(r.members, i, i+1)
	}
	put(r.apart, user, is.apart)
	put(r.typing, user, is.typing)
}

func put(set map[string]bool, user string, in bool) {
	if in {
		set[user] = true
		return
	}
	delete(set, user)
}

// tidy forgets a room of which there is nothing to tell.
func (s *Store) tidy(name string) {
	if r := s.rooms[name]; r != nil && len(r.members)+len(r.apart)+len(r.typing)+len(r.gone) == 0 {
		delete(s.rooms, name)
	}
}

// forgetGone forgets who went long ago.
func (s *Store) forgetGone() {
	for name, r := range s.rooms {
		maps.DeleteFunc(r.gone, func(_ string, at presence.Version) bool { return at <= forgotten() })
		s.tidy(name)
	}
}
