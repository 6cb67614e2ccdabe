package presence

import (
	"maps"
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
	User        string
	Sessions    []Session // live ones, by ID; those that have left are live until their grace ends
	Chosen      Chosen
	Custom      Custom
	Doing       []Activity   // of live sessions, by session
	Memberships []Membership // of live sessions that are or were in rooms, by session
	Marks       []Mark       // by room and thread
	Profile     Profile
	Seen        Seen

	Privacy   Privacy
	Invisible Invisibility
	Hidings   [Self]Hiding        // from Other and from Contact
	Sure      Version             // of the last setting that was written after a loss
	Closed    Version             // since when he is hidden because the store has lost data; 0: he is not. Not stored, but found when he is read
	Relations map[string]Relation // by the other user; all of them, or the one asked for
	RelatedAt Version             // of the last change to a relation

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
	Returns  int    // how often it said goodbye and came back within its grace: flaps that nobody saw
	HasSeq   bool
	Seq      int64 // highest seen, where HasSeq
	TTL      time.Duration
	Started  time.Time
	Input    time.Time // newest input as of the change to away; zero while not away
	Instance string    // that which took the session's last change
	Version  Version   // of the last change to what the session shows: State, Idle, Device

	// Told by Store.Sessions and to an Amendment alone: steady heartbeats are no changes, so a record in memory does not know them.
	LastBeat  time.Time
	LastInput time.Time // newest input as of the last beat
	Deadline  time.Time
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

// Custom is what the user says of himself in his own words. It outlives his sessions.
type Custom struct {
	Text, Emoji string    // both empty: nothing
	Until       time.Time // zero: until cleared
	Version     Version
}

func (c Custom) empty() bool { return c.Text == "" && c.Emoji == "" }

func (c Custom) expired(now Version) bool {
	return !c.empty() && !c.Until.IsZero() && VersionAt(c.Until) <= now
}

// Activity is what a session says that its user is doing. It ends with the session.
type Activity struct {
	Session       string
	Type          string // empty: nothing
	Target, Label string
	Since, Until  time.Time
	Version       Version // of the last change to what it shows, which Until is not
}

func (a Activity) expired(now Version) bool {
	return a.Type != "" && VersionAt(a.Until) <= now
}

// same reports whether two activities are one that goes on.
func (a Activity) same(b Activity) bool {
	return a.Type == b.Type && a.Target == b.Target && a.Label == b.Label
}

// A Fact is one thing known of a user: a Session, SessionEnded, Membership, Mark, Chosen, Custom, Activity, Profile, Seen, Privacy, Invisibility,
// HidingFrom, Sure or Relation.
type Fact interface{ applyTo(*Record) }

// SessionEnded says that the session of this ID is no more.
type SessionEnded string

func (f Session) applyTo(r *Record) { r.Sessions = put(r.Sessions, f, f.ID, bySessionID) }

func (f SessionEnded) applyTo(r *Record) {
	r.Sessions = drop(r.Sessions, string(f), bySessionID)
	r.Doing = drop(r.Doing, string(f), byActivitySession)
	r.Memberships = drop(r.Memberships, string(f), byMembershipSession)
	r.Marks = slices.DeleteFunc(r.Marks, func(m Mark) bool { return m.Session == string(f) })
}

func (f Activity) applyTo(r *Record) { r.Doing = put(r.Doing, f, f.Session, byActivitySession) }

func (f Chosen) applyTo(r *Record)  { r.Chosen = f }
func (f Profile) applyTo(r *Record) { r.Profile = f }
func (f Seen) applyTo(r *Record)    { r.Seen = f }
func (f Custom) applyTo(r *Record)  { r.Custom = f }

// put takes f into a list that is in order, in place of what has its key.
func put[F any](list []F, f F, key string, by func(F, string) int) []F {
	i, found := slices.BinarySearchFunc(list, key, by)
	if found {
		list[i] = f
		return list
	}
	return slices.Insert(list, i, f)
}

// drop takes what has the key out of a list that is in order.
func drop[F any](list []F, key string, by func(F, string) int) []F {
	if i, found := slices.BinarySearchFunc(list, key, by); found {
		return slices.Delete(list, i, i+1)
	}
	return list
}

func bySessionID(s Session, id string) int { return strings.Compare(s.ID, id) }

func byActivitySession(a Activity, id string) int { return strings.Compare(a.Session, id) }

// Apply makes the record that r becomes by a change. A change that r already includes makes r itself.
func (r Record) Apply(c Change) Record {
	if !c.Head.After(r.Head) {
		return r
	}
	r = r.Clone()
	for _, f := range c.Facts {
		if c.Cause != ByRecall || r.admits(f) {
			r.Set(f)
		}
	}
	r.Head, r.AsOf = c.Head, max(r.AsOf, c.Version)
	return r
}

// admits reports whether the record has nothing newer than a fact, which may be older than the last change.
func (r Record) admits(f Fact) bool {
	switch f := f.(type) {
	case Session:
		known, _ := r.Session(f.ID)
		return f.Version >= known.Version
	case Activity:
		return f.Version >= r.activityOf(f.Session).Version
	case Membership:
		return f.Version >= r.membershipOf(f.Session).Version
	case Chosen:
		return f.Version >= r.Chosen.Version
	case Custom:
		return f.Version >= r.Custom.Version
	case Profile:
		return f.Version >= r.Profile.Version
	case Seen:
		return f.Version >= r.Seen.Version
	case Privacy:
		return f.Version >= r.Privacy.Version
	case Invisibility:
		return f.Version >= r.Invisible.Version
	case HidingFrom:
		return f.Version >= r.Hidings[f.Class].Version
	case Relation:
		return f.Version >= r.Relations[f.Viewer].Version
	}
	return true
}

// Clone makes a record that Set can change without changing r.
func (r Record) Clone() Record {
	r.Sessions, r.Doing, r.Relations = slices.Clone(r.Sessions), slices.Clone(r.Doing), maps.Clone(r.Relations)
	r.Memberships, r.Marks = slices.Clone(r.Memberships), slices.Clone(r.Marks)
	return r
}

// Blank reports whether nothing is known of the user.
func (r Record) Blank() bool {
	return len(r.Sessions) == 0 && r.Chosen.Version == 0 && r.Profile.Version == 0 && r.Seen.Version == 0 &&
		r.Custom.Version == 0 && r.Privacy.Version == 0 && r.Invisible.Version == 0 && len(r.Relations) == 0
}

// HasSettings reports whether the user has settings, which are kept for ever.
func (r Record) HasSettings() bool {
	return r.Privacy.Version != 0 || r.Invisible.On || len(r.Relations) > 0 || r.Sure != 0
}

// Chose reports whether anything that the user chose still holds.
func (r Record) Chose(now Version) bool {
	return r.Chosen.At(now) != "" || !r.Custom.empty() && !r.Custom.expired(now)
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

// activityOf is what a session says that the user does.
func (r Record) activityOf(session string) Activity {
	if i, found := slices.BinarySearchFunc(r.Doing, session, byActivitySession); found {
		return r.Doing[i]
	}
	return Activity{Session: session}
}

// NextExpiry is the next moment after now at which the passing of time alone changes what the record shows.
func (r Record) NextExpiry(now Version) (Version, bool) {
	var next Version
	soonest := func(shown bool, until time.Time) {
		if at := VersionAt(until); shown && !until.IsZero() && at > now && (next == 0 || at < next) {
			next = at
		}
	}
	soonest(r.Chosen.Status != "", r.Chosen.Until)
	soonest(!r.Custom.empty(), r.Custom.Until)
	for _, a := range r.Doing {
		soonest(a.Type != "", a.Until)
	}
	for _, m := range r.Marks {
		soonest(true, m.Until)
	}
	return next, next != 0
}
