// Package memstore keeps presence in the memory of one process: the embedded default, and the model that redisstore is held to.
//
// It is a whole store, with deadlines, grace, sweep, holds and beacons, for one instance; what it knows is gone with the process. Its
// clock is that of the time package, so that tests can turn it (testing/synctest).
package memstore

import (
	"context"
	"crypto/rand"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/presently/presently/presence"
)

// Options say how a store behaves; they mean what they mean to redisstore.
type Options struct {
	TTL   time.Duration // length of a hold
	Sweep time.Duration // how often lapsed sessions are looked for
	// Outbox is how many notes are kept for whoever delivers them; 0: none.
	Outbox int

	Panics *presence.Panics // hears of those of a sweep

	// CloseAfterLoss hides whoever has written no setting: what was known before this process began is lost.
	CloseAfterLoss bool
}

const (
	tombstones  = 20 // highest numbers of ended sessions kept per user, against late beats
	purgeEvery  = time.Hour
	beaconEvery = 500 * time.Millisecond
)

// Store implements presence.Store. It has one lane.
type Store struct {
	opts   Options
	secret []byte
	closed presence.Version // when all was lost; 0: nobody is hidden for that

	mu      sync.Mutex // guards what follows
	feed    presence.Feed
	ran     bool // Run has run before
	users   map[string]*user
	live    deadlines // all live sessions
	head    presence.Head
	version presence.Version // the highest given, or told as a moment
	tick    time.Time        // of the last sweep
	held    time.Time

	rooms         map[string]*room // what is in line with the users' records; see bring
	subscriptions map[string]presence.Subscription
	counted       map[string][]counted // by user, those made longest ago first
	revoked       map[string]time.Time // before when, by user
	instances     map[string]said      // by name
	outbox        outbox
}

// user is a record with what nobody but the store needs to know.
type user struct {
	record   presence.Record
	sessions map[string]*session
	ended    []tombstone // oldest first
}

type session struct {
	user, id string
	idle     time.Duration // as of the last beat
	name     string        // the profile that it brought
	avatar   string
	hasSeq   bool
	seq      int64 // highest seen
	lastBeat time.Time
	leftAt   time.Time // zero: has not left
	deadline time.Time
	place    int // in live
}

type tombstone struct {
	session string
	seq     int64
}

// New makes an empty store.
func New(opts Options) *Store {
	s := &Store{
		opts: opts, users: map[string]*user{}, feed: deaf{}, secret: make([]byte, 32),
		rooms: map[string]*room{}, subscriptions: map[string]presence.Subscription{}, counted: map[string][]counted{}, revoked: map[string]time.Time{}, instances: map[string]said{},
		outbox: newOutbox(),
	}
	rand.Read(s.secret)
	s.head.Epoch = time.Now().UnixMicro()
	if opts.CloseAfterLoss {
		s.closed = presence.Version(s.head.Epoch)
	}
	return s
}

// Lanes implements presence.Store.
func (s *Store) Lanes() int { return 1 }

// Lane implements presence.Store.
func (s *Store) Lane(string) int { return 0 }

// Ping implements presence.Store.
func (s *Store) Ping(context.Context) error { return nil }

// Secret implements presence.Store.
func (s *Store) Secret(context.Context) ([]byte, error) { return s.secret, nil }

// Heads implements presence.Store.
func (s *Store) Heads(_ context.Context, lanes []int) ([]presence.Head, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Repeat([]presence.Head{s.head}, len(lanes)), nil
}

// Moments implements presence.Store.
func (s *Store) Moments(context.Context) ([]presence.Moment, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return []presence.Moment{{Head: s.head, AsOf: s.asOf()}}, nil
}

// Lookup implements presence.Store.
func (s *Store) Lookup(_ context.Context, viewer string, users []string) ([]presence.Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	records := make([]presence.Record, len(users))
	for i, u := range users {
		records[i] = s.read(u)
		if viewer != "" {
			records[i].Relations = only(records[i].Relations, viewer)
		}
	}
	return records, nil
}

// Sessions implements presence.Store.
func (s *Store) Sessions(_ context.Context, name string) (presence.Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.readWhole(name), nil
}

// readWhole reads a record with what it tells of its sessions.
func (s *Store) readWhole(name string) presence.Record {
	r := s.read(name)
	for i := range r.Sessions {
		f, live := &r.Sessions[i], s.users[name].sessions[r.Sessions[i].ID]
		f.LastBeat, f.Deadline, f.LastInput = wire(live.lastBeat), wire(live.deadline), live.newestInput(*f)
		f.Seq, f.HasSeq = live.seq, live.hasSeq
	}
	return r
}

func only(all map[string]presence.Relation, viewer string) map[string]presence.Relation {
	rel, ok := all[viewer]
	if !ok {
		return nil
	}
	return map[string]presence.Relation{viewer: rel}
}

// read copies what is known of a user.
func (s *Store) read(name string) presence.Record {
	r := s.blank(name)
	if u := s.users[name]; u != nil {
		r = u.record.Clone()
	}
	r.Head, r.AsOf = s.head, s.asOf()
	return r
}

// blank is what is known of somebody of whom nothing is.
func (s *Store) blank(name string) presence.Record {
	return presence.Record{User: name, Closed: s.closed}
}

// asOf is a moment that is no later than now, and earlier than the version of any later change, even where the clock is set back.
func (s *Store) asOf() presence.Version {
	s.version = max(s.version, presence.VersionAt(time.Now())-1)
	return s.version
}

// write is one change in the making: the facts that it sets, and the version that they get.
type write struct {
	store   *Store
	user    *user
	now     time.Time
	version presence.Version
	facts   []presence.Fact
	before  presence.Record // the user's, before the first fact
}

func (s *Store) begin(name string) *write {
	u := s.users[name]
	if u == nil {
		u = &user{record: s.blank(name), sessions: map[string]*session{}}
		s.users[name] = u
	}
	now := time.Now()
	return &write{store: s, user: u, now: now, version: max(s.version+1, presence.VersionAt(now))}
}

func (w *write) set(f ...presence.Fact) {
	if len(w.facts) == 0 {
		w.before = w.user.record.Clone()
	}
	w.user.record.Set(f...)
	w.facts = append(w.facts, f...)
}

// commit brings the rooms in line with the change and announces it, if it is one.
func (w *write) commit(cause presence.Cause) {
	if len(w.facts) == 0 {
		return
	}
	w.bring()
	c := presence.Change{Version: w.version, Cause: cause, User: w.user.record.User, Facts: w.facts}
	w.store.announce(c)
	if w.store.opts.Outbox > 0 {
		w.note(c)
	}
}

// announce numbers a change and tells the feed.
func (s *Store) announce(c presence.Change) {
	s.version = c.Version
	s.head.Seq++
	c.Head = s.head
	s.feed.Changed(c)
}

// hush keeps a fact that nobody sees: it has no version and is not announced.
func (w *write) hush(f presence.Fact) { w.user.record.Set(f) }

// wire cuts a time to the precision that the wire and redisstore have.
func wire(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }

// purge forgets users of whom nothing is left but an old last-seen time, and what else is long over.
func (s *Store) purge() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forgetGone()
	s.forgetSubscriptions()
	now := time.Now()
	maps.DeleteFunc(s.users, func(_ string, u *user) bool {
		r := u.record
		return len(u.sessions) == 0 && !r.HasSettings() && !r.Chose(presence.VersionAt(now)) && now.Sub(r.Seen.At) > presence.SeenKept
	})
}

type deaf struct{}

func (deaf) Changed(presence.Change) {}
func (deaf) Beacon(presence.Beacon)  {}
func (deaf) Missed(int)              {}
func (deaf) Lost()                   {}
func (deaf) Found()                  {}
