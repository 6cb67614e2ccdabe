package presence

import (
	"context"
	"errors"
	"time"
)

// ErrNotHeld says that another deliverer has the lane by now, or that the store has forgotten who had it.
var ErrNotHeld = errors.New("the lane is not held")

// Outbox is what a store keeps for somebody outside who is to be told of everybody's coming and going, whether or not anybody watches. The step
// that changes a user also puts a [Note] into the outbox of his lane, where it stays until it is done with.
//
// A lane's notes are worked off by one deliverer at a time, which is what keeps them in order: he holds the lane for a lease, and nothing of what he does
// counts once somebody else holds it.
type Outbox interface {
	Lanes() int

	// Deliverers notes that a deliverer is here, for as long as a lease lasts (0: no longer), and counts those who are.
	Deliverers(ctx context.Context, by string, lease time.Duration) (int, error)

	// Hold takes a lane for a lease, or keeps it for another. It fails with ErrNotHeld where somebody else has it.
	Hold(ctx context.Context, lane int, by string, lease time.Duration) (Tenure, error)

	// LetGo gives a lane away before its lease is over.
	LetGo(ctx context.Context, t Tenure) error

	// Notes reads those that have come after one of them (empty: all), in order, with what was told before of those whom they are about.
	Notes(ctx context.Context, t Tenure, after string, most int) ([]Note, error)

	// Finish takes notes out that are done with, in this order.
	Finish(ctx context.Context, t Tenure, done []Finished) error

	// Backlog is what waits, over all lanes.
	Backlog(ctx context.Context) (Backlog, error)
}

// Tenure is a deliverer's having a lane. A number is never given twice.
type Tenure struct {
	Lane   int
	By     string
	Number int64
}

// Note is what an outbox has of one change: either how a user is since then, or that a room is occupied or vacant.
type Note struct {
	ID      string // orders the notes of a lane
	Lane    int
	Version Version // of the change
	Cause   Cause

	Record Record // of a user: what his status is made of, as of the change
	Told   Status // what was told of him last; empty: nothing, or that he is offline

	Room     string // of a room
	Occupied bool
}

// Finished is a note that is done with, and what holds from then on.
type Finished struct {
	Note Note
	Dead string // why it was given up; empty: it was not
}

// Backlog is how much is yet to be told.
type Backlog struct {
	Waiting int
	Oldest  time.Duration // age of the note that has waited for longest
	Dead    int64         // notes that were given up since the store was empty
}

// ByExpiry is the cause of a note, though of no change: what a user chose has expired.
const ByExpiry Cause = "expiry"

// AnnouncementKind is what an announcement tells.
type AnnouncementKind string

const (
	UserOnline    AnnouncementKind = "user.online"
	UserOffline   AnnouncementKind = "user.offline"
	StatusChanged AnnouncementKind = "status.changed"
	RoomOccupied  AnnouncementKind = "room.occupied"
	RoomVacated   AnnouncementKind = "room.vacated"
)

// Announcement is what somebody outside is told of a note. It says what a viewer without any relation to the user sees: a backend that hears of it may pass
// it on, so who hides has gone offline here, too.
type Announcement struct {
	Kind           AnnouncementKind
	User           string // or Room
	Status, Before Status // of the user
	Room           string
	At             Version
}

// Status is what a stranger sees of the note's user.
func (n Note) Status() Status { return n.Record.View(Other, n.Version).Status }

// Announce makes what is to be told of a note, given what was told of its user before. What comes back after a loss, of somebody of whom nothing is known to
// have been told, was told before the loss.
func (n Note) Announce(told Status) (Announcement, bool) {
	a := Announcement{At: n.Version}
	if n.Room != "" {
		a.Room, a.Kind = n.Room, RoomVacated
		if n.Occupied {
			a.Kind = RoomOccupied
		}
		return a, true
	}
	if told == "" {
		told = Offline
	}
	a.User, a.Status, a.Before = n.Record.User, n.Status(), told
	switch {
	case a.Status == told, told == Offline && n.Cause == ByRecall:
		return Announcement{}, false
	case told == Offline:
		a.Kind = UserOnline
	case a.Status == Offline:
		a.Kind = UserOffline
	default:
		a.Kind = StatusChanged
	}
	return a, true
}

// Concerns reports whether a change may be one of which an outbox tells: of how a user is. Where he is, is told by rooms.
func (c Change) Concerns() bool {
	for _, f := range c.Facts {
		switch f.(type) {
		case Session, SessionEnded, Chosen, HidingFrom, Sure:
			return true
		}
	}
	return false
}
