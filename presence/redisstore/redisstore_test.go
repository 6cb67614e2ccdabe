package redisstore

import (
	"context"
	"flag"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/presently/presently/internal/redistest"
	"github.com/presently/presently/presence"
	"github.com/presently/presently/presence/storetest"
)

func TestMain(m *testing.M) {
	LogTo(slog.New(slog.DiscardHandler))
	flag.Parse()
	_ = flag.Set("test.parallel", "8") // most of these tests wait for Redis, not for a core
	// After many failed dials go-redis tries once a second in a goroutine that notices the end of its pool only then.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/redis/go-redis/v9/internal/pool.(*ConnPool).tryDial"))
}

// turnedClock makes scripts take the time from a key of the partition, which a test turns. Beacons come all the same while it stands.
var turnedClock = timeSource{lua: `
local US = tonumber(redis.call('GET', string.sub(KEYS[1], 1, -5) .. 'now'))
redis.call('HDEL', KEYS[1], 'beacon')`, command: "get %snow"}

// turned is a store whose Redis has a clock that the test turns.
type turned struct {
	*Store
	other *Store // on the same server, if not nil
	t     testing.TB
	admin *redis.Client
	now   time.Time
	local atomic.Int64 // the same for what tells ages
}

// turn starts a store on a server that it empties. Its first sweep is over, and begins a hold; it makes others only when told to. Nothing
// of it outlives stop: histories turn thousands.
func turn(t testing.TB, admin *redis.Client, feed presence.Feed) (c *turned, stop func()) {
	t.Helper()
	c = &turned{t: t, admin: admin, now: time.UnixMilli(1_795_340_465_000)}
	if err := c.admin.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	c.Store = dial(t, c.url(), Options{Partitions: 4, TTL: storetest.TTL, Sweep: time.Hour, time: turnedClock})
	c.freeze(c.Store)
	c.set()
	ear := newAttentive(feed)
	end := start(t, c.Store, ear)
	ear.untilSwept(t, c.Store)
	return c, func() { end(); _ = c.Close() }
}

func (c *turned) url() string { return "redis://" + c.admin.Options().Addr }

// freeze lets the clocks of a store stand still between the turns, however slow the machine is.
func (c *turned) freeze(s *Store) {
	for i := range s.clocks {
		s.clocks[i].local = func() int64 { return 0 }
	}
	s.local = c.local.Load
}

// pass lets time pass, and sweeps.
func (c *turned) pass(d time.Duration) {
	c.advance(d)
	c.sweep(c.t.Context(), c.all())
}

func (c *turned) advance(d time.Duration) {
	c.now = c.now.Add(d)
	c.set()
}

func (c *turned) set() {
	c.t.Helper()
	c.local.Store(c.now.UnixMicro())
	for i := range c.partitions {
		key := c.partitions[i].prefix + "now"
		if err := c.admin.Set(c.t.Context(), key, strconv.FormatInt(c.now.UnixMicro(), 10), 0).Err(); err != nil {
			c.t.Fatal(err)
		}
		c.clocks[i].observe(c.now.UnixMicro())
		if c.other != nil {
			c.other.clocks[i].observe(c.now.UnixMicro())
		}
	}
}

// conformance runs f with a fresh store each time, all on one server.
func conformance(t *testing.T) storetest.With {
	admin := redistest.Start(t).Client(t)
	return func(t *testing.T, f func(t *testing.T, fx storetest.Fixture)) {
		heard := storetest.NewRecorder()
		c, stop := turn(t, admin, heard)
		defer stop()
		f(t, c.fixture(c.Store, heard))
	}
}

// fixture begins in the middle of a second, as the suite does.
func (c *turned) fixture(s presence.Store, heard *storetest.Recorder) storetest.Fixture {
	c.advance(storetest.Sweep / 2)
	advance := func(d time.Duration) {
		for ; d > 0; d -= storetest.Sweep {
			c.pass(storetest.Sweep / 2)
			c.advance(storetest.Sweep / 2)
		}
	}
	return storetest.Fixture{Store: s, Heard: heard, Advance: advance, Tick: func() { c.advance(time.Millisecond) }}
}

func TestRedisstoreKeepsTheContract(t *testing.T) { storetest.Stories(t, conformance(t)) }

func TestRedisstoreTellsTheHistoriesOfMemstore(t *testing.T) { storetest.Histories(t, conformance(t)) }

// What one instance does, another must not have to know.
func TestTwoInstancesTellTheHistoriesOfMemstore(t *testing.T) {
	admin := redistest.Start(t).Client(t)
	storetest.Histories(t, func(t *testing.T, f func(t *testing.T, fx storetest.Fixture)) {
		heard := storetest.NewRecorder()
		c, stop := turn(t, admin, heard)
		defer stop()
		c.other = dial(t, c.url(), c.opts)
		c.freeze(c.other)
		defer c.other.Close()
		f(t, c.fixture(&pair{Store: c.Store, other: c.other}, heard))
	})
}

// pair is two instances behind a load balancer. Beats with a number stay with one, because of the gap that the package's doc owns up to.
type pair struct {
	*Store
	other *Store
	calls int
}

func (p *pair) next() *Store {
	if p.calls++; p.calls%2 == 0 {
		return p.Store
	}
	return p.other
}

func (p *pair) Beat(ctx context.Context, b presence.Beat) (presence.Beaten, error) {
	if b.Seq != nil {
		return p.Store.Beat(ctx, b)
	}
	return p.next().Beat(ctx, b)
}

func (p *pair) Leave(ctx context.Context, user, session string, grace time.Duration) error {
	return p.next().Leave(ctx, user, session, grace)
}

func (p *pair) Amend(ctx context.Context, user string, cause presence.Cause, change presence.Amendment) (presence.Record, error) {
	return p.next().Amend(ctx, user, cause, change)
}

func (p *pair) Lookup(ctx context.Context, viewer string, users []string) ([]presence.Record, error) {
	return p.next().Lookup(ctx, viewer, users)
}

func open(t testing.TB, url string, o Options) *Store {
	t.Helper()
	s := dial(t, url, o)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// dial opens a store that the test closes.
func dial(t testing.TB, url string, o Options) *Store {
	t.Helper()
	o.Logger = slog.New(slog.DiscardHandler)
	s, err := Open(t.Context(), url, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// start runs the store until stop is called.
func start(t testing.TB, s *Store, feed presence.Feed) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, feed) }()
	return func() {
		t.Helper()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
}

// attentive is a feed that lets tests wait for what it hears.
type attentive struct {
	presence.Feed
	mu      sync.Mutex // guards what follows
	beacons map[int]presence.Beacon
	moved   chan struct{}
}

func newAttentive(next presence.Feed) *attentive {
	return &attentive{Feed: next, beacons: map[int]presence.Beacon{}, moved: make(chan struct{})}
}

func (a *attentive) Beacon(b presence.Beacon) {
	a.Feed.Beacon(b)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.beacons[b.Lane] = b
	close(a.moved)
	a.moved = make(chan struct{})
}

// untilSwept waits until all lanes are heard, and in an epoch that a sweep has begun.
func (a *attentive) untilSwept(t testing.TB, s *Store) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; {
		a.mu.Lock()
		swept, moved := 0, a.moved
		for _, b := range a.beacons {
			if b.Held < presence.VersionAt(time.Date(2090, 1, 1, 0, 0, 0, 0, time.UTC)) {
				swept++
			}
		}
		a.mu.Unlock()
		if swept == s.Lanes() {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d lanes heard", swept, s.Lanes())
		}
		s.beacon(t.Context(), s.all())
		select {
		case <-moved:
		case <-time.After(5 * time.Millisecond):
		}
	}
}
