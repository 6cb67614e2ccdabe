package redisstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/presently/presently/presence"
)

// Options say how a store behaves. The zero value of a field is its default.
type Options struct {
	// Partitions is the number of partitions, which is that of lanes. All instances must agree; 16 by default.
	Partitions int
	// Sweep is how often lapsed sessions are looked for; 1 s by default.
	Sweep time.Duration
	// TTL is how long nobody lapses once the store is back from an outage or has lost what it knew: the time that a live session may be
	// silent; 90 s by default.
	TTL time.Duration
	// CloseAfterLoss hides everybody from others, once Redis has lost its data, until he writes a setting, or an instance that remembers his has
	// offered them back. An empty Redis is one that has lost its data. All instances must agree.
	CloseAfterLoss bool
	// Logger hears of outages; slog.Default by default.
	Logger *slog.Logger
	// Outbox is how many notes a partition keeps for whoever delivers them (presence.Outbox); 0: none, and changes cost what they cost without. Where
	// one instance has one, all must: a change that comes through another is not noted.
	Outbox int
	// Panics hears of those of the store's own goroutines, which go on.
	Panics *presence.Panics

	time  timeSource   // for tests that turn the clock
	pulse func() int64 // what tells how late this process is: localMicros, but for tests
}

// Store implements presence.Store on Redis.
type Store struct {
	opts       Options
	client     redis.UniversalClient
	target     target
	partitions []partition
	channels   map[string]int // lanes by channel
	clocks     []clock
	numbers    *numbers // of beats
	lasting    *numbers // until when, in ms, a session's activity is not to be extended, by what its beats say
	scripts    scripts
	coalescers []*coalescer
	readers    readers
	health     health
	memory     memory
	recaller   recaller
	tally      tally
	heard      atomic.Int64 // when a pipeline was last answered, in local µs
	local      func() int64 // what tells ages: localMicros, but for tests
	thorough   func() bool  // by lot: this steady beat looks after its user's facts
	secret     atomic.Pointer[[]byte]
	renewed    atomic.Bool    // an epoch has begun: what has no partition may be lost too
	under      sync.WaitGroup // pipelines under way

	mu     sync.Mutex // guards what follows
	closed bool
}

// Open makes a store of the Redis that the URL names:
//
//	redis://user:password@host:port/db          rediss:// for TLS
//	redis://host:port,host:port,host:port       a cluster; of one host with ?cluster=true
//	redis+sentinel://host:port,host:port/master?db=0
//
// A Redis that does not answer now may do so later, and is no error; one that refuses us is.
func Open(ctx context.Context, url string, o Options) (*Store, error) {
	t, err := parse(url)
	if err != nil {
		return nil, err
	}
	if o.Partitions == 0 {
		o.Partitions = 16
	}
	if o.Sweep == 0 {
		o.Sweep = time.Second
	}
	if o.TTL == 0 {
		o.TTL = 90 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.pulse == nil {
		o.pulse = localMicros
	}
	if o.time == (timeSource{}) {
		o.time = redisTime
	}
	s := &Store{
		opts: o, target: t, client: t.dial(), scripts: loadScripts(o.time.lua, o.Outbox, o.CloseAfterLoss), numbers: newNumbers(), lasting: newNumbers(),
		local:    localMicros,
		thorough: func() bool { return rand.Uint32N(thoroughEvery) == 0 },
		readers:  newReaders(),
		memory:   newMemory(o.Partitions, o.TTL), recaller: newRecaller(),
		clocks: make([]clock, o.Partitions), health: make(health, o.Partitions), channels: map[string]int{},
		tally: tally{last: make([]atomic.Int64, o.Partitions)},
	}
	for i := range o.Partitions {
		p := newPartition(o.Partitions, i, t.db, o.time)
		s.partitions = append(s.partitions, p)
		s.channels[p.lane] = i
	}
	if err := s.greet(ctx); err != nil {
		_ = s.client.Close()
		return nil, err
	}
	s.startCoalescers()
	return s, nil
}

// startCoalescers starts few flushers for all lanes where one server has them all. On a cluster each lane has its own, because a pipeline
// is as slow as the slowest node that it goes to.
func (s *Store) startCoalescers() {
	if !s.target.cluster {
		s.coalescers = []*coalescer{newCoalescer(s.client, s.opts.Panics, s.hears, flushersShared, s.silent(0))}
		return
	}
	for lane := range s.partitions {
		s.coalescers = append(s.coalescers, newCoalescer(s.client, s.opts.Panics, s.hears, flushersEach, s.silent(lane)))
	}
}

// silent tells whether the lane's beacons, and with them those of all lanes of its server, have not been answered for a while. Where none are sent, as before Run, it is
// false: nothing would tell that the server is back.
func (s *Store) silent(lane int) func() bool {
	return func() bool { return s.health[lane].last.Load() != 0 && s.health.failing(lane, hungAfter) }
}

const (
	flushersShared = 4
	flushersEach   = 2
)

func (s *Store) coalescer(lane int) *coalescer { return s.coalescers[lane%len(s.coalescers)] }

// greet finds out what waiting does not mend.
func (s *Store) greet(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	info, err := s.client.Info(ctx, "cluster").Result()
	switch {
	case redis.HasErrorPrefix(err, "NOAUTH"), redis.HasErrorPrefix(err, "WRONGPASS"):
		return fmt.Errorf("redis refuses the user or the password of its URL: %w", err)
	case err != nil:
		s.opts.Logger.Warn("redis does not answer yet", "error", err)
	case strings.Contains(info, "cluster_enabled:1") && !s.target.cluster:
		return errors.New("this Redis is a cluster: name several of its hosts in the URL, or add ?cluster=true")
	}
	return nil
}

// Close lets go of all connections. Calls under way fail.
func (s *Store) Close() error {
	s.mu.Lock()
	closed := s.closed
	s.closed = true
	s.mu.Unlock()
	if closed {
		return nil
	}
	for _, c := range s.coalescers {
		c.close()
	}
	err := s.client.Close()
	s.under.Wait()
	return err
}

// Lanes implements presence.Store: a lane is a partition's.
func (s *Store) Lanes() int { return len(s.partitions) }

// Lane implements presence.Store.
func (s *Store) Lane(user string) int { return partitionOf(user, len(s.partitions)) }

// SubscriptionLane implements presence.Store.
func (s *Store) SubscriptionLane(id string) int { return partitionOf(id, len(s.partitions)) }

// Ping implements presence.Store: it asks every server that has a lane.
func (s *Store) Ping(ctx context.Context) error {
	if _, err := s.Heads(ctx, s.all()); err != nil {
		return fmt.Errorf("ping: %w", err)
	}
	return nil
}

func (s *Store) all() []int {
	lanes := make([]int, len(s.partitions))
	for i := range lanes {
		lanes[i] = i
	}
	return lanes
}

// Heads implements presence.Store.
func (s *Store) Heads(ctx context.Context, lanes []int) ([]presence.Head, error) {
	if err := s.health.refuse("heads", lanes...); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	commands := make([]command, len(lanes))
	for i, l := range lanes {
		commands[i] = newCommand(ctx, "hmget", s.partitions[l].meta, "epoch", "seq")
	}
	if err := s.send(ctx, commands); err != nil {
		return nil, unavailable("heads", err)
	}
	heads := make([]presence.Head, len(lanes))
	for i, c := range commands {
		reply, err := c.Result()
		if err != nil {
			return nil, unavailable("heads", err)
		}
		a := newAnswer(reply)
		if heads[i] = a.head(); a.err != nil {
			return nil, unavailable("heads", a.err)
		}
	}
	return heads, nil
}

// Moments implements presence.Store. Where one server has all lanes, the time is asked once and first, as for a reading; on a cluster there is no asking
// for it but by script.
func (s *Store) Moments(ctx context.Context) ([]presence.Moment, error) {
	if err := s.health.refuse("moments", s.all()...); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if s.target.cluster {
		return s.momentsByScript(ctx)
	}
	commands := make([]command, 1, 1+len(s.partitions))
	commands[0] = newCommand(ctx, s.partitions[0].time...)
	for i := range s.partitions {
		commands = append(commands, newCommand(ctx, "hmget", s.partitions[i].meta, "epoch", "seq", "ver"))
	}
	if err := s.send(ctx, commands); err != nil {
		return nil, unavailable("moments", err)
	}
	moments := make([]presence.Moment, len(s.partitions))
	now, err := commands[0].Result()
	if err != nil {
		return nil, unavailable("moments", err)
	}
	for i, c := range commands[1:] {
		reply, err := c.Result()
		if err != nil {
			return nil, unavailable("moments", err)
		}
		a := newAnswer(reply)
		m := moment{micros: micros(now), head: a.head()}
		if m.at(a.maybe()); a.err != nil {
			return nil, unavailable("moments", a.err)
		}
		moments[i] = presence.Moment{Head: m.head, AsOf: m.asOf}
	}
	return moments, nil
}

func (s *Store) momentsByScript(ctx context.Context) ([]presence.Moment, error) {
	calls := make([]call, len(s.partitions))
	for lane := range calls {
		calls[lane] = s.lookup(lane, nil, nil)
	}
	commands, err := s.runAll(ctx, calls)
	if err != nil {
		return nil, unavailable("moments", err)
	}
	moments := make([]presence.Moment, len(s.partitions))
	for i, c := range commands {
		reply, err := c.Result()
		if err != nil {
			return nil, unavailable("moments", err)
		}
		a := newAnswer(reply)
		m := a.moment()
		if a.err != nil {
			return nil, unavailable("moments", a.err)
		}
		moments[i] = presence.Moment{Head: m.head, AsOf: m.asOf}
	}
	return moments, nil
}

// call is a run of a script on a lane: keys and args follow those that every script has.
func (s *Store) call(lane int, sc *script, keys []string, args ...any) call {
	p := &s.partitions[lane]
	return call{
		lane: lane, script: sc,
		keys: append([]string{p.meta, p.beats, p.left, p.rooms}, keys...),
		args: append([]any{p.lane}, args...),
	}
}
