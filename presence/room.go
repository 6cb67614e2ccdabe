package presence

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

const (
	// Everywhere is the room of all live sessions. Its name is none that people could use.
	Everywhere = ""

	// RoomsASession is how many rooms a session may be in.
	RoomsASession = 50
	// RoomShown is how many members of a room are told by name; past it, viewers are told their number alone.
	RoomShown = 500
	// TypingShown is the size of a room past which nobody is told who types.
	TypingShown = 100
	// MarksAUser is how many typing marks a user may have, over all rooms and threads; past it the oldest gives way.
	MarksAUser = 20

	// GoneKept is how long a room's index remembers who has gone: a little longer than any stream lives.
	GoneKept = 45 * time.Minute
)

// Membership is which rooms a session is in: one without stays says that it has left them. It ends with the session. What a user's sessions say of rooms is the truth; the store's
// index of a room is made of it, in the same step.
type Membership struct {
	Session string
	Stays   []Stay // by room
	Version Version
}

// Stay is a session's being in a room.
type Stay struct {
	Room  string
	Since Version // of the change by which it came in
}

// Mark says that the user types, in a room and perhaps in one of its threads. There is one for each room and thread.
type Mark struct {
	Room, Thread string
	Session      string    // at which he types
	Member       bool      // he was a member of the room; the mark ends when he no longer is
	Until        time.Time // zero: he no longer types
	Version      Version
}

func (m Mark) expired(now Version) bool { return VersionAt(m.Until) <= now }

func (f Membership) applyTo(r *Record) {
	r.Memberships = put(r.Memberships, f, f.Session, byMembershipSession)
}

func (f Mark) applyTo(r *Record) {
	i, found := slices.BinarySearchFunc(r.Marks, f, byPlace)
	switch {
	case f.Until.IsZero() && found:
		r.Marks = slices.Delete(r.Marks, i, i+1)
	case f.Until.IsZero():
	case found:
		r.Marks[i] = f
	default:
		r.Marks = slices.Insert(r.Marks, i, f)
	}
}

func byMembershipSession(m Membership, id string) int { return strings.Compare(m.Session, id) }

func byPlace(a, b Mark) int {
	return cmp.Or(strings.Compare(a.Room, b.Room), strings.Compare(a.Thread, b.Thread))
}

func byRoom(s Stay, room string) int { return strings.Compare(s.Room, room) }

// membershipOf is which rooms a session is in.
func (r Record) membershipOf(session string) Membership {
	if i, found := slices.BinarySearchFunc(r.Memberships, session, byMembershipSession); found {
		return r.Memberships[i]
	}
	return Membership{Session: session}
}

// RoomsOf are the rooms that a session is in, by name.
func (r Record) RoomsOf(session string) []string {
	stays := r.membershipOf(session).Stays
	rooms := make([]string, len(stays))
	for i, s := range stays {
		rooms[i] = s.Room
	}
	return rooms
}

// SessionsIn is how many live sessions are in the room, and since when the user has been there by those that still are.
func (r Record) SessionsIn(room string) (n int, since Version) {
	note := func(v Version) {
		if n++; n == 1 || v < since {
			since = v
		}
	}
	if room == Everywhere {
		for _, s := range r.Sessions {
			note(VersionAt(s.Started))
		}
		return n, since
	}
	for _, m := range r.Memberships {
		if i, in := slices.BinarySearchFunc(m.Stays, room, byRoom); in {
			note(m.Stays[i].Since)
		}
	}
	return n, since
}

// In reports whether the user is in the room, whoever may see it.
func (r Record) In(room string) bool {
	n, _ := r.SessionsIn(room)
	return n > 0
}

// InFor reports whether the viewer may see that the user is in the room. Hiding is leaving: who is hidden is in no room (rule 2).
func (r Record) InFor(viewer, room string) bool { return r.In(room) && !r.HiddenFrom(viewer) }

// InForAll reports whether everybody may see that he is in the room, but for those whom he blocks.
func (r Record) InForAll(room string) bool { return r.In(room) && !r.HidesFrom(Other) }

// SeenBy tells how a room's index has the user while he is in it: as one whom everybody may see there (all), as one whom some see and others do
// not (apart), as both where he blocks somebody, or, while he hides from everybody, not at all. It needs all of his relations.
func (r Record) SeenBy() (all, apart bool) {
	all = !r.HidesFrom(Other)
	apart = r.HidesFrom(Other) != r.HidesFrom(Contact)
	for _, rel := range r.Relations {
		apart = apart || all && rel.Blocked
	}
	return all, apart
}

// CameInto is the version of what the viewer sees of the user's being in the room, who is InFor him.
func (r Record) CameInto(viewer, room string) Version {
	_, since := r.SessionsIn(room)
	class := r.ClassOf(viewer)
	if class == Self {
		return since
	}
	return max(since, r.hiding(class).Version, r.Relations[viewer].Version)
}

// HiddenSince reports whether the viewer has seen nothing of the user's coming and going since a moment, because the user has been hidden
// from him all the time.
func (r Record) HiddenSince(viewer string, since Version) bool {
	if !r.HiddenFrom(viewer) {
		return false
	}
	return r.hidingFrom(viewer).Version <= since && r.Relations[viewer].Version <= since
}

// RoomsFor are the rooms in which the viewer may see the user, by name.
func (r Record) RoomsFor(viewer string) []string {
	rooms := []string{}
	if r.HiddenFrom(viewer) {
		return rooms
	}
	return append(rooms, r.Rooms()...)
}

// Rooms are the rooms that the user is in, by name.
func (r Record) Rooms() []string {
	var rooms []string
	for _, m := range r.Memberships {
		for _, s := range m.Stays {
			rooms = append(rooms, s.Room)
		}
	}
	slices.Sort(rooms)
	return slices.Compact(rooms)
}

// TypesFor are the user's marks in a room that the viewer may see, by thread (rules 8 and 9). One that was set while the user was hidden from the
// viewer, or before, ended for him when the hiding began, and is not seen until it is set again: who comes out of hiding looks like one who comes
// online, and nobody does so in the middle of a word. That privacy hides typing alone is no hiding of this kind.
func (r Record) TypesFor(viewer, room string, now Version) []Mark {
	if r.HiddenFrom(viewer) || !r.PrivacyOrDefault().Typing.admits(r.ClassOf(viewer)) {
		return nil
	}
	var out []Mark
	cameOut := r.cameOutFor(viewer)
	for _, m := range r.Marks {
		if m.Room == room && m.Version > cameOut && r.holds(m, now) {
			out = append(out, m)
		}
	}
	return out
}

// holds reports whether a mark still says that the user types.
func (r Record) holds(m Mark, now Version) bool {
	_, live := r.Session(m.Session)
	return live && !m.expired(now) && (!m.Member || r.stayed(m.Room, m.Version))
}

// stayed reports whether the user has been in the room since a moment: who has left and come back is another member.
func (r Record) stayed(room string, since Version) bool {
	n, came := r.SessionsIn(room)
	return n > 0 && came <= since
}

// TypesIn reports whether the user has a mark in the room that has not expired.
func (r Record) TypesIn(room string, now Version) bool {
	return slices.ContainsFunc(r.Marks, func(m Mark) bool { return m.Room == room && r.holds(m, now) })
}

// Beyond is how many rooms of a membership are not among others, which are sorted.
func (m Membership) Beyond(rooms []string) (n int) {
	for _, stay := range m.Stays {
		if _, in := slices.BinarySearch(rooms, stay.Room); !in {
			n++
		}
	}
	return n
}

// SetRooms is the membership of a session that is in just these rooms from now on.
func (r Record) SetRooms(session string, rooms []string, v Version) (m Membership, changed bool) {
	before := r.membershipOf(session)
	m = Membership{Session: session, Version: v}
	rooms = slices.Sorted(slices.Values(rooms))
	for _, room := range slices.Compact(rooms) {
		stay := Stay{Room: room, Since: v}
		if i, in := slices.BinarySearchFunc(before.Stays, room, byRoom); in {
			stay = before.Stays[i]
		}
		m.Stays = append(m.Stays, stay)
	}
	return m, !slices.Equal(m.Stays, before.Stays)
}
