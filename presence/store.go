package presence

import (
	"context"
	"errors"
	"time"
)

var (
	// ErrUnavailable says that the store did not answer in time, or not as a store. Nothing is known of what became of a write.
	ErrUnavailable = errors.New("the store does not answer")
	// ErrNoSession says that what was asked for needs a live session.
	ErrNoSession = errors.New("no such live session")
	// ErrTooManyRelations says that the user has as many contacts or blocks as he may.
	ErrTooManyRelations = errors.New("too many contacts or blocks")
	// ErrTooManyRooms says that the session is in as many rooms as it may.
	ErrTooManyRooms = errors.New("too many rooms")
	// ErrNoSubscription says that there is no such subscription, and never was as far as is known.
	ErrNoSubscription = errors.New("no such subscription")
	// ErrSubscriptionChanged says that somebody else has changed the subscription since it was read.
	ErrSubscriptionChanged = errors.New("the subscription has changed")
	// ErrTooManySessions says that the user has as many sessions as he may; those that he has live on.
	ErrTooManySessions = errors.New("too many sessions")
)

// Store keeps the facts. It has two implementations, memstore (embedded, the model) and redisstore, and one conformance suite,
// storetest, that holds them to each other and to what is written here.
//
// Each write is one step: the change and its announcement to every [Feed] happen together or not at all, in an order that is the same
// for everybody. A read sees every write that was acknowledged before the read began, at whichever instance. All methods may be called at
// once from many goroutines; all return when ctx ends; whatever goes wrong with the store itself wraps ErrUnavailable.
type Store interface {
	// Beat takes one heartbeat. A beat that brings nothing new extends the session's life and announces nothing.
	Beat(ctx context.Context, b Beat) (Beaten, error)

	// Leave starts the grace of a session: it is believed for that long yet, and announced as ended only then. A session that has left
	// already, or is not there, stays as it is.
	Leave(ctx context.Context, user, session string, grace time.Duration) error

	// End ends a session at once. It is no error if there is none.
	End(ctx context.Context, user, session string) error

	// Amend changes the facts of a user by what change makes of his record, with the fields that Sessions tells, at that very moment: no
	// other change of his comes between. change may be called more than once, and must not keep or change what it is given. Without facts
	// nothing is changed or announced.
	Amend(ctx context.Context, user string, cause Cause, change Amendment) (Record, error)

	// Lookup reads records, in the order asked for, with the relation of each to viewer; with all relations where viewer is empty. A user
	// of whom nothing is known has a record without facts.
	Lookup(ctx context.Context, viewer string, users []string) ([]Record, error)

	// Sessions reads one record with the LastBeat and Deadline of each session.
	Sessions(ctx context.Context, user string) (Record, error)

	// Room reads what the index knows of a room: of Everywhere, of all live sessions.
	Room(ctx context.Context, q RoomQuery) (RoomIndex, error)

	// RoomCount is how many rooms there are that somebody is in, and may be seen to be.
	RoomCount(ctx context.Context) (int, error)

	// LargestRooms are the n rooms in which most users are, largest first. It does a bounded amount of work: of very many places where people are it
	// looks at some thousands, picked at random, and counts in the rooms that came up most often. A room that has a hundredth of all is as good as
	// certain to be among these, and the numbers are true.
	LargestRooms(ctx context.Context, n int) ([]RoomSize, error)

	// Sample names some of the users whom the index has Everywhere, and tells how many these are: all where they are n or fewer, else n of them,
	// spread evenly over the others, and other ones each time. It does an amount of work that n bounds.
	Sample(ctx context.Context, n int) (users []string, of int, err error)

	// PutSubscription stores a subscription in place of the one of its ID and Version, or a new one where Version is 0, and announces it. It
	// returns the new version, or ErrSubscriptionChanged where another one is stored. It is kept for SubscriptionKept after its end.
	PutSubscription(ctx context.Context, s Subscription) (Version, error)

	// CountSubscription notes that a user is about to have a new subscription, or one for longer, which ends at a moment. It returns those that he has
	// too many then, counted longest ago, to be ended by the caller: they are not counted any more. Those count as well that have expired, until they are
	// forgotten; that makes nobody lose one that is renewed now and then.
	CountSubscription(ctx context.Context, user, id string, ends time.Time, most int) (surplus []string, err error)

	// UncountSubscription notes that one has ended.
	UncountSubscription(ctx context.Context, user, id string) error

	// Subscription reads one, ended or not, or ErrNoSubscription.
	Subscription(ctx context.Context, id string) (Subscription, error)

	// Revoke stores that whatever its user was given before a moment does not count any more, and announces it; where a later moment
	// stands already, nothing changes. A zero Before is now. It returns what stands, for RevocationKept.
	Revoke(ctx context.Context, r Revocation) (Revocation, error)

	// Revocations reads all that stand.
	Revocations(ctx context.Context) ([]Revocation, error)

	// Instances notes what an instance says of itself, where it has a name, and returns all that have said something lately, by name.
	Instances(ctx context.Context, me Instance) (all []Instance, err error)

	// Lanes is the number of lanes; they are numbered from 0. Lane is the one that a user's changes travel in, SubscriptionLane that of a
	// subscription's.
	Lanes() int
	Lane(user string) int
	SubscriptionLane(id string) int

	// Heads reads the number of the last change in each of the given lanes: a feed that has heard them has heard
	// every write acknowledged before the call.
	Heads(ctx context.Context, lanes []int) ([]Head, error)

	// Moments reads the same of all lanes, each with a moment of the store that is not before the call: a record that has all changes up to the head
	// is true as of then.
	Moments(ctx context.Context) ([]Moment, error)

	// Secret is a random key that all instances share, made at first need.
	Secret(ctx context.Context) ([]byte, error)

	// Ping finds out whether the store can be used.
	Ping(ctx context.Context) error

	// Run does what is due (sweeps lapsed sessions, sends beacons) and tells feed what happens, until ctx ends. It is called once.
	Run(ctx context.Context, feed Feed) error
}

// Beat is a heartbeat as the store takes it. Where a field is nil, the session keeps what it had.
type Beat struct {
	User     string
	Session  string
	Device   *string
	State    Status
	IdleFor  time.Duration // time since the newest input
	Idle     bool          // IdleFor has reached the idle limit
	Hidden   bool
	Seq      *int64 // orders the session's beats; nil: this is the newest
	TTL      time.Duration
	Profile  Profile   // of the token that came with the beat; Version is not used
	Doing    *Doing    // nil: the session keeps what it had
	Rooms    *[]string // all that the session is in, at most RoomsASession, sorted, each once; nil: it keeps what it had
	Instance string
	MaxLive  int // sessions that the user may have

	// Minimal beats do not need the record, which spares a read.
	Minimal bool
}

// Doing is what a session says that its user is doing.
type Doing struct {
	Type, Target, Label string
	TTL                 time.Duration
}

// Beaten is what became of a beat.
type Beaten struct {
	Old    bool // an older beat than the newest: nothing was changed
	Steady bool // nothing new: only the deadline has moved
	// Returned says that the session had said goodbye, and has come back within its grace.
	Returned bool
	Came     int    // into how many rooms the session has come by it
	Record   Record // after the beat; without facts where the beat was Minimal
}

// Amendment makes the facts that change a record, as of a moment, with v for the versions of what they change.
type Amendment func(r Record, now time.Time, v Version) ([]Fact, error)

// Head is how far a lane has come. An epoch begins when the store has lost data or time, and is named by the moment when it began (a Version)
// or later; changes are numbered 1, 2, 3, … within it.
type Head struct {
	Epoch int64
	Seq   int64
}

// After reports whether h is farther than o.
func (h Head) After(o Head) bool {
	return h.Epoch > o.Epoch || h.Epoch == o.Epoch && h.Seq > o.Seq
}

// Cause is why a change happened.
type Cause string

const (
	ByBeat    Cause = "beat"
	ByLeave   Cause = "leave" // grace has passed
	ByEnd     Cause = "end"
	ByLapse   Cause = "lapse"  // the deadline has passed in silence
	ByChoice  Cause = "choice" // of status, custom status or activity
	BySetting Cause = "setting"
	ByRoom    Cause = "room" // a session has come into a room or gone out of it
	ByTyping  Cause = "typing"
	ByRecall  Cause = "recall" // the store had lost it: facts with the versions that they had, of which those count that are newer
)

// RoomQuery asks for what the index knows of one room.
type RoomQuery struct {
	Room   string
	After  string  // members after this one
	Limit  int     // members at most
	Since  Version // who has gone since; 0: not asked
	Typing bool    // also those who may be typing there
}

// RoomIndex is what the index knows of a room. Whom a viewer may see is decided by the records of those whom it names, not by the index.
type RoomIndex struct {
	Users, Sessions int      // in the room, of those whom everybody may see there, but for those whom they block
	Members         []string // the same users, in the order of their bytes
	Apart           []string // in the room, and seen there by some and not by others; some are among Members too
	Gone            []string // who have gone out of the room, or out of sight of somebody, since the moment asked for; GoneKept long
	Typing          []string // who may be typing there
}

// SubscriptionKept is how long an ended subscription is remembered, so that whoever comes late learns that it is gone.
const SubscriptionKept = 24 * time.Hour

// Subscription is what a stream watches on behalf of its user.
type Subscription struct {
	ID, User string
	Users    []string // in the order in which they were named, each once
	Rooms    []string
	Events   []string // kinds of events to be sent
	Quiet    bool
	Ticket   string    // hash of the ticket that opens its stream
	Grants   []string  // globs of rooms that the token granted; nil: all
	Issued   time.Time // when the token was, at the earliest; zero: nobody knows
	Expires  time.Time // with the token
	Ended    bool      // by its user, or by an admin
	Version  Version
}

// RevocationKept is how long a revocation stands. A token that is good for longer would come to life again.
const RevocationKept = 400 * 24 * time.Hour

// Revocation says that no token counts any more which a user was given before a moment, nor what was made with it.
type Revocation struct {
	User   string
	Before time.Time // to the millisecond
}

// Change is one step in the life of one user, or of one subscription, as announced.
type Change struct {
	Lane int
	Head
	Version Version
	Cause   Cause
	User    string
	Facts   []Fact

	Subscription string     // its ID, where it is one that has changed; User is empty then
	Revocation   Revocation // where it is one; User is empty then
}

// Beacon tells how far a lane has come, and what time it is there. It comes about twice a second.
type Beacon struct {
	Lane int
	Head
	Now Version // every later change has a greater version
	// Held is the end of the lane's hold, or zero: until then no silence counts as an end, because the store was away or has lost what it knew.
	Held Version
}

// Feed hears what happens in a store. Calls for one lane come one at a time and in order; none may block.
type Feed interface {
	Changed(Change)
	Beacon(Beacon)
	// Missed says that changes of the lane may have been lost: what is watched there must be read again. It comes before anything that is
	// heard after the loss.
	Missed(lane int)
	// Lost and Found say that this instance has lost the store, or has it again. Found is preceded by Missed for each lane.
	Lost()
	Found()
}
