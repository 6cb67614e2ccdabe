package presence

import (
	"context"
	"slices"
	"time"
)

// Policy is how long things last. The zero value of a field is not a default: main fills in all of them.
type Policy struct {
	TTL       time.Duration // silence after which a session is no longer believed
	Grace     time.Duration // from leaving to being gone, so that a reload is no leaving
	Heartbeat time.Duration // what clients are asked to keep to
	IdleAfter time.Duration // without input for so long, a session counts as away
	Sessions  int           // how many a user may have
	TypingTTL time.Duration // of a mark that names none
}

// Tracker is what people do, with the policy applied, on its way to the store. It is safe for concurrent use.
type Tracker struct {
	Store
	Policy   Policy
	Instance string // the name of this process, shown by explain
}

// Heartbeat is what a client says of one session.
type Heartbeat struct {
	User    string
	Session string
	Device  *string
	State   Status // empty: online
	Idle    time.Duration
	Hidden  bool
	Seq     *int64
	Profile Profile
	Doing   *Doing
	Rooms   *[]string // in any order; nil: as they were
	Minimal bool
}

// Heartbeat takes one heartbeat.
func (t *Tracker) Heartbeat(ctx context.Context, h Heartbeat) (Beaten, error) {
	if h.State == "" {
		h.State = Online
	}
	if h.Rooms != nil {
		rooms := slices.Sorted(slices.Values(*h.Rooms))
		h.Rooms = new(slices.Compact(rooms))
	}
	return t.Beat(ctx, Beat{
		User: h.User, Session: h.Session, Device: h.Device,
		State: h.State, IdleFor: h.Idle, Idle: h.Idle >= t.Policy.IdleAfter,
		Hidden: h.Hidden, Seq: h.Seq, TTL: t.Policy.SessionTTL(h.Hidden), Profile: h.Profile, Doing: h.Doing, Rooms: h.Rooms,
		Instance: t.Instance, MaxLive: t.Policy.Sessions, Minimal: h.Minimal,
	})
}

// SessionTTL is the TTL of a session. Browsers fire the timers of a hidden page once a minute, so hidden sessions live five
// thirds as long.
func (p Policy) SessionTTL(hidden bool) time.Duration {
	if hidden {
		return p.TTL * 5 / 3
	}
	return p.TTL
}

// Leave starts the grace of a session.
func (t *Tracker) Leave(ctx context.Context, user, session string) error {
	return t.Store.Leave(ctx, user, session, t.Policy.Grace)
}
