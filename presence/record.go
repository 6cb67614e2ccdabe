package presence

import (
	"slices"
	"strings"
	"time"
)

// Version is a moment of the store's clock in microseconds since 1970, made strictly increasing within a lane: the version of a
// fact is the moment of its last change.
type Version int64

// Time is the version as a time, in UTC.
func (v Version) Time() time.Time { return time.UnixMicro(int64(v)).UTC() }

// VersionAt is the version of the moment t.
func VersionAt(t time.Time) Version { return Version(t.UnixMicro()) }

// Record is all that is known of one user: facts, each with the version of its last change. A record that nobody ever wrote is
// its zero value with a user, and means offline.
//
// Records are values that nobody changes: [Record.Apply] makes a new one.
type Record struct {
	User     string
	Sessions []Session // live ones, by ID; those that have left are live until their grace ends
	Chosen   Chosen
	Profile  Profile
	Seen     Seen
	Hiding   Hiding

	Head Head    // how far the lane had come: the last change that this record includes
	AsOf Version // store time as of which the record is true; every later change has a greater version
}

// Session is one device or tab of the user.
type Session struct {
	ID       string
	Device   string // empty where the client never named one
	State    Status // as the client says
	Idle     bool   // no input for the idle limit, as of the last beat: counts as away, whatever State says
	Hidden   bool   // the page is hidden; the session's TTL is longer
	Left     bool   // said goodbye; believed until its grace ends
	HasSeq   bool
	Seq      int64 // highest seen, where HasSeq
	TTL      time.Duration
	Started  time.Time
	Input    time.Time // newest input as of the change to away; zero while not away
	Instance string    // that which took the session's last change
	Version  Version   // of the last change to what the session shows: State, Idle, Device

	// Told by Store.Sessions alone: steady heartbeats are no changes, so a record in memory does not know them.
	LastBeat time.Time
	Deadline time.Time
}

// Status is what the session counts as.
func (s Session) Status() Status {
	if s.Idle {
		return Away
	}
	return s.State
}

// Chosen is the status that the user chose. A cleared choice keeps its version.
type Chosen struct {
	Status  Status    // empty: none
	Until   time.Time // zero: until cleared
	Input   time.Time // newest input when away was chosen
	Version Version
}

// At is the choice as it stands at a moment: none once it has expired.
func (c Chosen) At(now Version) Status {
	if c.expired(now) {
		return ""
	}
	return c.Status
}

func (c Chosen) expired(now Version) bool {
	return c.Status != "" && !c.Until.IsZero() && VersionAt(c.Until) <= now
}

// Profile is what the user's token says of him.
type Profile struct {
	Name, Avatar string
	Version      Version
}

// Seen is what remains of sessions that have ended.
type Seen struct {
	At      time.Time // the last heartbeat of a session that lapsed, or the moment of a leave
	Input   time.Time // newest input of ended sessions
	Version Version   // of the last end of a session
}

// Hiding says whether the user is invisible, and holds a copy of all that others go on seeing while he is. Views of a hidden
// user are made of this copy alone, so that nothing he does meanwhile can show.
type Hiding struct {
	On      bool
	At      time.Time // when he hid, or came out again
	Seen    time.Time // last seen, as others see it from then on
	Profile Profile
	Shown   Version // version of what others see: that of the hiding, or older where he was offline already
	Version Version
}

// A Fact is one thing known of a user: a Session, SessionEnded, Chosen, Profile, Seen or Hiding.
type Fact interface{ applyTo(*Record) }

// SessionEnded says that the session of this ID is no more.
type SessionEnded string

func (f Session) applyTo(r *Record) {
	i, found := slices.BinarySearchFunc(r.Sessions, f.ID, bySessionID)
	if found {
		r.Sessions[i] = f
		return
	}
	r.Sessions = slices.Insert(r.Sessions, i, f)
}

func (f SessionEnded) applyTo(r *Record) {
	if i, found := slices.BinarySearchFunc(r.Sessions, string(f), bySessionID); found {
		r.Sessions = slices.Delete(r.Sessions, i, i+1)
	}
}

func (f Chosen) applyTo(r *Record)  { r.Chosen = f }
func (f Profile) applyTo(r *Record) { r.Profile = f }
func (f Seen) applyTo(r *Record)    { r.Seen = f }
func (f Hiding) applyTo(r *Record)  { r.Hiding = f }

func bySessionID(s Session, id string) int { return strings.Compare(s.ID, id) }

// Apply makes the record that r becomes by a change. A change that r already includes makes r itself.
func (r Record) Apply(c Change) Record {
	if !c.Head.After(r.Head) {
		return r
	}
	r.Sessions = slices.Clone(r.Sessions)
	for _, f := range c.Facts {
		f.applyTo(&r)
	}
	r.Head, r.AsOf = c.Head, max(r.AsOf, c.Version)
	return r
}

// Blank reports whether nothing is known of the user.
func (r Record) Blank() bool {
	return len(r.Sessions) == 0 && r.Chosen.Version == 0 && r.Profile.Version == 0 && r.Seen.Version == 0 && r.Hiding.Version == 0
}

// Set adds facts to a record that is being read or written; unlike Apply it changes r.
func (r *Record) Set(facts ...Fact) {
	for _, f := range facts {
		f.applyTo(r)
	}
}

// Session finds the live session of that ID.
func (r Record) Session(id string) (Session, bool) {
	i, found := slices.BinarySearchFunc(r.Sessions, id, bySessionID)
	if !found {
		return Session{}, false
	}
	return r.Sessions[i], true
}

// NextExpiry is the next moment after now at which the passing of time alone changes what the record shows.
func (r Record) NextExpiry(now Version) (Version, bool) {
	if r.Chosen.Status == "" || r.Chosen.Until.IsZero() || r.Chosen.expired(now) {
		return 0, false
	}
	return VersionAt(r.Chosen.Until), true
}
