package redisstore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/presently/presently/internal/redistest"
	"github.com/presently/presently/presence"
	"github.com/presently/presently/presence/storetest"
)

// The timings of tests on a real clock: short, but a session outlives what a loaded machine stalls a process for.
const (
	testTTL   = 4 * time.Second
	testSweep = 100 * time.Millisecond
)

// instance is a running store with its feed.
type instance struct {
	*Store
	tape *tape
	t    testing.TB
}

// begin starts an instance and waits until it hears all lanes.
func begin(t testing.TB, url string, o Options) *instance {
	t.Helper()
	if o.TTL == 0 {
		o.TTL = testTTL
	}
	if o.Sweep == 0 {
		o.Sweep = testSweep
	}
	if o.Partitions == 0 {
		o.Partitions = 4
	}
	i := &instance{Store: open(t, url, o), tape: newTape(), t: t}
	t.Cleanup(start(t, i.Store, i.tape))
	i.tape.until(t, "every lane", func() bool { return len(i.tape.beacons) == i.Lanes() })
	return i
}

func testBeat(user, session string) presence.Beat {
	return presence.Beat{User: user, Session: session, State: presence.Online, TTL: testTTL, MaxLive: 20, Instance: "a"}
}

func (i *instance) beat(b presence.Beat) presence.Beaten {
	i.t.Helper()
	out, err := i.Beat(i.t.Context(), b)
	if err != nil {
		i.t.Fatalf("Beat(%s, %s): %v", b.User, b.Session, err)
	}
	return out
}

func (i *instance) record(user string) presence.Record {
	i.t.Helper()
	rs, err := i.Lookup(i.t.Context(), "", []string{user})
	if err != nil {
		i.t.Fatalf("Lookup(%s): %v", user, err)
	}
	return rs[0]
}

func (i *instance) choose(user string, s presence.Status) error {
	_, err := (&presence.Tracker{Store: i.Store}).Choose(i.t.Context(), user, s, presence.Lasts{})
	return err
}

func (i *instance) wantStatus(user string, want presence.Status) {
	i.t.Helper()
	r := i.record(user)
	if got := r.View(presence.Self, r.AsOf).Status; got != want {
		i.t.Fatalf("%s is %s, want %s; %+v", user, got, want, r)
	}
}

// keep beats for the users again and again, each by himself as clients do, whatever comes of it, until stop is called.
func (i *instance) keep(users []string) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	for _, u := range users {
		done.Go(func() {
			b := testBeat(u, "session-1")
			b.Minimal = true
			tick := time.NewTicker(testTTL / 6)
			defer tick.Stop()
			for ctx.Err() == nil {
				_, _ = i.Beat(ctx, b)
				select {
				case <-ctx.Done():
				case <-tick.C:
				}
			}
		})
	}
	return func() { cancel(); done.Wait() }
}

func people(n int) []string {
	users := make([]string, n)
	for i := range users {
		users[i] = fmt.Sprint("user-", i)
	}
	return users
}

func TestEveryInstanceHearsEveryChangeOnceAndInOrder(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	a := begin(t, server.URL(), Options{})
	b := begin(t, server.URL(), Options{})
	const rounds = 30
	var work sync.WaitGroup
	for n, u := range people(8) {
		work.Go(func() {
			on := []*instance{a, b}[n%2]
			for i := range rounds {
				beat := testBeat(u, "session-1")
				beat.State = []presence.Status{presence.Online, presence.Busy}[i%2]
				if _, err := on.Beat(t.Context(), beat); err != nil {
					t.Error(err)
				}
			}
		})
	}
	work.Wait()
	for _, i := range []*instance{a, b} {
		i.tape.until(t, "all changes", func() bool { return len(i.tape.changes) >= 8*rounds })
		heads := map[int]presence.Head{}
		for _, c := range i.tape.changes {
			if last, ok := heads[c.Lane]; ok && (c.Epoch != last.Epoch || c.Seq != last.Seq+1) {
				t.Errorf("change %v after %v on lane %d", c.Head, last, c.Lane)
			}
			heads[c.Lane] = c.Head
		}
		if len(i.tape.changes) != 8*rounds {
			t.Errorf("%d changes, want %d", len(i.tape.changes), 8*rounds)
		}
	}
	if !slices.EqualFunc(byLane(a), byLane(b), func(x, y presence.Change) bool { return x.Head == y.Head && x.User == y.User }) {
		t.Error("the instances heard different things")
	}
}

func byLane(i *instance) []presence.Change {
	out := slices.Clone(i.tape.changes)
	slices.SortStableFunc(out, func(a, b presence.Change) int { return a.Lane - b.Lane })
	return out
}

// Redis tells each lapse once, to everybody. An instance that was too slow to hear it knows that, and reads.
func TestAnyNumberOfSweepersTellEachLapseOnce(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	const sweepers, sessions = 4, 2000
	var all []*instance
	for range sweepers {
		all = append(all, begin(t, server.URL(), Options{Partitions: 16, TTL: 2 * time.Second, Sweep: 50 * time.Millisecond}))
	}
	told := bystander(t, server, all[0].Store)
	var work sync.WaitGroup
	for part := range slices.Chunk(people(sessions), 40) {
		work.Go(func() {
			for _, u := range part {
				b := testBeat(u, "session-1")
				b.TTL, b.Minimal = 2*time.Second, true
				retry(t, func() error { // on a loaded machine: what got no answer may have happened
					_, err := all[0].Beat(t.Context(), b)
					return err
				})
			}
		})
	}
	work.Wait()
	told.until(t, "all lapses", func() bool {
		gone := map[string]bool{}
		for _, c := range told.changes {
			gone[c.User] = c.Cause == presence.ByLapse
		}
		return len(gone) == sessions && !slices.Contains(slices.Collect(maps.Values(gone)), false)
	})
	began, ended := map[string]int{}, map[string]int{}
	for _, c := range told.changes {
		switch c.Cause {
		case presence.ByBeat:
			began[c.User]++
		case presence.ByLapse:
			ended[c.User]++
		}
	}
	if !maps.Equal(began, ended) {
		t.Errorf("sessions began %d times and lapsed %d times, not all as often as they began", len(began), len(ended))
	}
	for n, i := range all {
		i.wantAllHeard(n, told.changes)
		retry(t, func() error { // and by reading everybody is gone
			records, err := i.Lookup(t.Context(), "", people(sessions))
			for _, r := range records {
				if len(r.Sessions) > 0 {
					t.Errorf("instance %d: %s is still there: %+v", n, r.User, r.Sessions)
				}
			}
			return err
		})
	}
}

// wantAllHeard checks that an instance heard no change twice, and either all of a lane's or that it missed some, so that it reads again.
func (i *instance) wantAllHeard(n int, told []presence.Change) {
	i.t.Helper()
	heard := map[int]map[presence.Head]int{}
	i.tape.until(i.t, "all that was told, or what was missed", func() bool {
		for lane := range i.Lanes() {
			heard[lane] = map[presence.Head]int{}
		}
		for _, c := range i.tape.changes {
			heard[c.Lane][c.Head]++
		}
		for _, c := range told {
			if heard[c.Lane][c.Head] == 0 && i.tape.heard(fmt.Sprint("missed ", c.Lane)) < 2 { // once at the beginning
				return false
			}
		}
		return true
	})
	for lane, changes := range heard {
		for head, times := range changes {
			if times > 1 {
				i.t.Errorf("instance %d heard %v of lane %d %d times", n, head, lane, times)
			}
		}
	}
}

// bystander records what Redis tells everybody, however long it stands still meanwhile: it is no instance, which takes silence for deafness.
func bystander(t *testing.T, server *redistest.Server, s *Store) *tape {
	t.Helper()
	told := newTape()
	ps := server.Client(t).Subscribe(t.Context(), slices.Collect(maps.Keys(s.channels))...)
	for range s.channels {
		if _, err := ps.Receive(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() {
		for {
			m, err := ps.ReceiveMessage(ctx)
			if err != nil {
				return
			}
			lane := s.channels[m.Channel]
			if parsed, ok := parseMessage(lane, m.Payload); ok && parsed.micros == 0 {
				told.Changed(parsed.change)
			}
		}
	})
	t.Cleanup(func() { cancel(); ps.Close(); done.Wait() })
	return told
}

// An empty Redis is no evidence: nobody may be told offline who goes on beating.
func TestLostDataMakesNobodyOffline(t *testing.T) {
	for _, tc := range []struct {
		name string
		lose func(t *testing.T, s *redistest.Server)
		lost bool // the connection too
	}{
		{"flushed", func(t *testing.T, s *redistest.Server) {
			if err := s.Client(t).FlushAll(t.Context()).Err(); err != nil {
				t.Fatal(err)
			}
		}, false},
		{"restarted empty", func(_ *testing.T, s *redistest.Server) { s.RestartEmpty() }, false},
		{"its meta deleted", func(t *testing.T, s *redistest.Server) {
			for i := range 4 {
				p := newPartition(4, i, 0, redisTime)
				if err := s.Client(t).Del(t.Context(), p.meta).Err(); err != nil {
					t.Fatal(err)
				}
			}
		}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			i := begin(t, server.URL(), Options{})
			i.tape.ready(t, i.Store, false)
			users := people(20)
			defer i.keep(users)()
			for _, u := range users {
				i.tape.waitFor(t, u+" beat", 1)
			}
			before, secret := i.head(t), i.sharedSecret()
			for lane := range i.Lanes() {
				i.tape.waitFor(t, fmt.Sprint("missed ", lane), 1) // at the beginning
			}
			tc.lose(t, server)
			i.tape.ready(t, i.Store, true)
			i.tape.ready(t, i.Store, false)
			for lane, h := range i.head(t) {
				if h.Epoch <= before[lane].Epoch {
					t.Errorf("lane %d: epoch %d after %d", lane, h.Epoch, before[lane].Epoch)
				}
			}
			for lane := range i.Lanes() {
				i.tape.waitFor(t, fmt.Sprint("missed ", lane), 2)
			}
			if later := quiet(t, server); later.sharedSecret() != secret {
				t.Error("an instance that starts after the loss has another secret")
			}
			for _, u := range users {
				i.wantStatus(u, presence.Online)
				if n := i.tape.count(u + " lapse"); n > 0 {
					t.Errorf("%s was told offline", u)
				}
			}
		})
	}
}

func (i *instance) sharedSecret() string {
	i.t.Helper()
	secret, err := i.Secret(i.t.Context())
	if err != nil {
		i.t.Fatal(err)
	}
	return string(secret)
}

func (tp *tape) count(event string) int {
	tp.mu.Lock()
	defer tp.mu.Unlock()
	return tp.heard(event)
}

func (i *instance) head(t testing.TB) []presence.Head {
	t.Helper()
	lanes := make([]int, i.Lanes())
	for l := range lanes {
		lanes[l] = l
	}
	heads, err := i.Heads(t.Context(), lanes)
	if err != nil {
		t.Fatal(err)
	}
	return heads
}

// within checks what is promised in time, with as much again for a machine that runs everything else too.
func within(t testing.TB, what string, since time.Time, promised time.Duration) {
	t.Helper()
	took := time.Since(since)
	t.Logf("%s took %.2f s", what, took.Seconds())
	if took > 2*promised {
		t.Errorf("%s took %v, want %v", what, took, promised)
	}
}

// A hung Redis keeps its connections open and says nothing: only deadlines notice.
func TestAHungRedisIsAnErrorInTimeAndCountsAgainstNobody(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	i := begin(t, server.URL(), Options{})
	i.tape.ready(t, i.Store, false)
	i.beat(testBeat("ada", "session-1"))
	server.Freeze()
	began := time.Now()
	var work sync.WaitGroup
	for name, call := range map[string]func() error{
		"Beat":     func() error { _, err := i.Beat(t.Context(), testBeat("bob", "session-1")); return err },
		"steady":   func() error { _, err := i.Beat(t.Context(), testBeat("ada", "session-1")); return err },
		"Leave":    func() error { return i.Leave(t.Context(), "ada", "session-1", time.Second) },
		"Lookup":   func() error { _, err := i.Lookup(t.Context(), "", people(50)); return err },
		"Amend":    func() error { return i.choose("eve", presence.DND) },
		"Sessions": func() error { _, err := i.Sessions(t.Context(), "ada"); return err },
		"Heads":    func() error { _, err := i.Heads(t.Context(), []int{0, 1}); return err },
		"Ping":     func() error { return i.Ping(t.Context()) },
		"Secret":   func() error { _, err := i.Secret(t.Context()); return err },
	} {
		work.Go(func() {
			if err := call(); !errors.Is(err, presence.ErrUnavailable) {
				t.Errorf("%s of a hung Redis: %v, want ErrUnavailable", name, err)
			}
			within(t, name, began, 2*time.Second)
		})
	}
	work.Wait()
	i.tape.waitFor(t, "lost", 1)
	within(t, "telling the loss", began, 3*time.Second)
	// Frozen for longer than ada's session lasts.
	ctx, cancel := context.WithTimeout(t.Context(), testTTL+500*time.Millisecond-time.Since(began))
	defer cancel()
	<-ctx.Done()
	thawed := time.Now()
	server.Thaw()
	i.tape.waitFor(t, "found", 1)
	within(t, "recovery", thawed, 5*time.Second)
	for lane := range i.Lanes() {
		i.tape.waitFor(t, fmt.Sprint("missed ", lane), 2)
	}
	i.wantStatus("ada", presence.Online) // the hold protects her, though her deadline has passed
	if n := i.tape.count("ada lapse"); n > 0 {
		t.Error("ada was told offline by an outage")
	}
	i.tape.waitFor(t, "ada lapse", 1) // but her silence after it counts
	if took := time.Since(thawed); took < testTTL {
		t.Errorf("ada lapsed %v after the thaw, want a full TTL", took)
	}
}

func TestACutConnectionIsMadeGoodBeforeAnybodyIsLost(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	i := begin(t, server.URL(), Options{})
	admin := server.Client(t)
	for n := range 3 {
		if err := admin.ClientKillByFilter(t.Context(), "TYPE", "pubsub").Err(); err != nil {
			t.Fatal(err)
		}
		i.beat(testBeat(fmt.Sprint("user-", n), "session-1")) // may fall into the gap
		for lane := range i.Lanes() {
			i.tape.waitFor(t, fmt.Sprint("missed ", lane), n+2)
		}
		i.tape.caughtUp(t, i.Store)
	}
	if n := i.tape.count("lost"); n > 0 {
		t.Errorf("a connection that was made good at once was told as a loss")
	}
}

func TestScriptsAreSentAgainWhenRedisHasForgottenThem(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	i := begin(t, server.URL(), Options{})
	admin := server.Client(t)
	for n := range 5 {
		if err := admin.ScriptFlush(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		u := fmt.Sprint("user-", n)
		i.beat(testBeat(u, "session-1"))
		if err := admin.ScriptFlush(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		if err := i.choose(u, presence.DND); err != nil {
			t.Fatal(err)
		}
		i.wantStatus(u, presence.DND)
	}
	if n := i.tape.count("lost"); n > 0 {
		t.Error("told as a loss")
	}
}

// Where no instance remembers who has left since.
func TestAnOldRedisBringsBackNobodyForEver(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	i, other := begin(t, server.URL(), Options{}), quiet(t, server)
	other.beat(testBeat("ghost", "session-1"))
	if err := server.Client(t).Save(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	if err := other.End(t.Context(), "ghost", "session-1"); err != nil {
		t.Fatal(err)
	}
	i.tape.waitFor(t, "ghost end", 1)
	ended := i.record("ghost")
	server.Kill()
	server.Restart()
	i.tape.waitFor(t, "ghost lapse", 1) // after the hold: the dump said that he is here
	r := i.record("ghost")
	if r.AsOf <= ended.AsOf || !r.Head.After(ended.Head) || r.Seen.Version <= ended.Seen.Version {
		t.Errorf("went back: %+v after %+v", r, ended)
	}
}

// While a slot moves to another node of a cluster, a deadline may be where its user's facts are not.
func TestADeadlineWithoutFactsWaitsForThem(t *testing.T) {
	t.Parallel()
	tape := newTape()
	c, stop := turn(t, redistest.Start(t).Client(t), tape)
	defer stop()
	i := &instance{Store: c.Store, tape: tape, t: t}
	c.pass(storetest.TTL + time.Second) // past the first hold
	for _, u := range []string{"ada", "bob"} {
		i.beat(testBeat(u, "session-1"))
	}
	if err := i.Leave(t.Context(), "bob", "session-1", time.Second); err != nil {
		t.Fatal(err)
	}
	move := func(user, from, to string) {
		t.Helper()
		key := i.partitions[i.Lane(user)].facts(user)
		if err := c.admin.Rename(t.Context(), key+from, key+to).Err(); err != nil {
			t.Fatal(err)
		}
	}
	move("ada", "", " away")
	move("bob", "", " away")
	c.pass(time.Minute)
	c.pass(time.Minute)
	i.tape.caughtUp(t, i.Store)
	if n := i.tape.count("ada lapse") + i.tape.count("bob leave"); n > 0 {
		t.Error("told without facts")
	}
	move("ada", " away", "")
	move("bob", " away", "")
	c.pass(10 * time.Minute)
	i.tape.waitFor(t, "ada lapse", 1)
	i.tape.waitFor(t, "bob leave", 1)
}
