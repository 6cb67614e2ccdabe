package redisstore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/presently/presently/internal/redistest"
	"github.com/presently/presently/presence"
)

func (i *instance) tracker() *presence.Tracker { return &presence.Tracker{Store: i.Store} }

// calls counts the commands that f makes Redis do, those inside scripts included, but for what instances do by themselves.
func calls(t *testing.T, server *redistest.Server, f func()) map[string]int64 {
	t.Helper()
	before := server.CommandStats(t.Context())
	f()
	made := map[string]int64{}
	for name, c := range server.CommandStats(t.Context()) {
		if n := c.Calls - before[name].Calls; n > 0 && name != "info" && name != "hello" {
			made[name] = n
		}
	}
	return made
}

// keys are those of a user.
func (i *instance) keys(user string) (facts, settings string) {
	p := &i.partitions[i.Lane(user)]
	return p.facts(user), p.settings(user)
}

// What is acknowledged is there afterwards, whatever the others do meanwhile: also while sweeps find that they were late, begin epochs, and everybody offers
// back what he remembers, some of it old. A machine that stands still for seconds does the same.
func TestAmendmentsOfManyInstancesLoseNothing(t *testing.T) {
	t.Run("undisturbed", func(t *testing.T) { t.Parallel(); amendAtOnce(t, false) })
	t.Run("while epochs begin", func(t *testing.T) { t.Parallel(); amendAtOnce(t, true) })
}

func amendAtOnce(t *testing.T, epochs bool) {
	server := redistest.Start(t)
	const instances, workers = 4, 4
	each := 5
	if epochs {
		each = 20 // for as long as it takes instances to speak
	}
	var all []*instance
	for range instances {
		all = append(all, begin(t, server.URL(), Options{TTL: 30 * time.Second}))
	}
	var work sync.WaitGroup
	stop := func() {}
	if epochs {
		stop = all[0].disturb(server)
	}
	for n, i := range all {
		for w := range workers {
			work.Go(func() {
				for k := range each {
					other := fmt.Sprint("friend-", n, "-", w, "-", k)
					// What got no answer in time may have happened or not; to say it again makes it so.
					retry(t, func() error { return i.tracker().SetContact(t.Context(), "ada", other, true) })
				}
			})
		}
		work.Go(func() { // beats come in between all the while
			for k := range each {
				b := testBeat("ada", fmt.Sprint("session-", n))
				b.TTL, b.State = 30*time.Second, []presence.Status{presence.Online, presence.Busy}[k%2]
				b.Doing = &presence.Doing{Type: "viewing", Target: fmt.Sprint(k), TTL: time.Minute}
				retry(t, func() error {
					_, err := i.Beat(t.Context(), b)
					return err
				})
			}
		})
	}
	lane, began := all[0].Lane("ada"), all[0].head(t)
	work.Wait()
	stop()
	r := all[0].record("ada")
	if epochs && all[0].head(t)[lane].Epoch == began[lane].Epoch {
		t.Error("no epoch has begun, so nobody was disturbed")
	}
	for n := range instances {
		for w := range workers {
			for k := range each {
				if other := fmt.Sprint("friend-", n, "-", w, "-", k); !r.Relations[other].Contact {
					t.Errorf("%s was acknowledged, and is no contact", other)
				}
			}
		}
	}
	if epochs { // in which messages are heard that were not told in order
		return
	}
	for _, i := range all {
		i.tape.caughtUp(t, i.Store)
		told := presence.Record{User: "ada"}
		for _, c := range i.tape.changes {
			told = told.Apply(c)
		}
		told.AsOf = r.AsOf
		for f := range r.Sessions { // what steady beats have moved is told to nobody
			r.Sessions[f].TTL, told.Sessions[f].TTL = 0, 0
		}
		if fmt.Sprint(told) != fmt.Sprint(r) {
			t.Errorf("told of %+v\nread      %+v", told, r)
		}
	}
}

// disturb makes sweeps believe that they are late, so that each begins an epoch, until stop is called.
func (i *instance) disturb(server *redistest.Server) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	meta, admin := i.partitions[i.Lane("ada")].meta, server.Client(i.t)
	var done sync.WaitGroup
	done.Go(func() {
		for ctx.Err() == nil {
			admin.HDel(ctx, meta, "tick")
			select {
			case <-ctx.Done():
			case <-time.After(20 * time.Millisecond):
			}
		}
	})
	return func() { cancel(); done.Wait() }
}

// Whatever comes between the read and the write of an amendment: it is made again, of the record as it is then.
func TestAnAmendmentIsMadeAgainWhenSomethingComesBetween(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	i, other := quiet(t, server), quiet(t, server)
	for _, tc := range []struct {
		name  string
		first func(user string)
		seen  func(r presence.Record) bool
	}{
		{"a first beat", func(u string) { other.beat(testBeat(u, "session-1")) },
			func(r presence.Record) bool { return len(r.Sessions) == 1 }},
		{"a first contact", func(u string) { _ = other.tracker().SetContact(t.Context(), u, "carl", true) },
			func(r presence.Record) bool { return r.Relations["carl"].Contact }},
		{"a contact that is no more", func(u string) {
			_ = other.tracker().SetContact(t.Context(), u, "carl", true)
			_ = other.tracker().SetContact(t.Context(), u, "carl", false)
		}, func(r presence.Record) bool { return r.RelatedAt != 0 }},
		{"hiding", func(u string) { _ = other.choose(u, presence.Invisible) },
			func(r presence.Record) bool { return r.Invisible.On }},
		{"a session's end", func(u string) {
			other.beat(testBeat(u, "session-1"))
			_ = other.End(t.Context(), u, "session-1")
		}, func(r presence.Record) bool { return r.Seen.Version != 0 }},
		{"settings, and then the loss of all else", func(u string) {
			other.beat(testBeat(u, "session-1"))
			_ = other.tracker().SetContact(t.Context(), u, "carl", true)
			facts, _ := other.keys(u)
			server.Client(t).Del(t.Context(), facts)
		}, func(r presence.Record) bool { return r.Relations["carl"].Contact }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tries := 0
			_, err := i.Amend(t.Context(), tc.name, presence.BySetting,
				func(r presence.Record, _ time.Time, v presence.Version) ([]presence.Fact, error) {
					if tries++; tries == 1 {
						tc.first(tc.name)
					} else if !tc.seen(r) {
						t.Errorf("did not see what came between: %+v", r)
					}
					return []presence.Fact{presence.Custom{Text: fmt.Sprint("try ", tries), Version: v}}, nil
				})
			if r := i.record(tc.name); err != nil || tries != 2 || r.Custom.Text != "try 2" || !tc.seen(r) {
				t.Errorf("%d tries, %v, record %+v", tries, err, r)
			}
		})
	}
}

// A steady beat is nothing that comes between.
func TestSteadyBeatsDoNotDisturbAmendments(t *testing.T) {
	t.Parallel()
	i := quiet(t, redistest.Start(t))
	i.beat(testBeat("ada", "session-1"))
	tries := 0
	_, err := i.Amend(t.Context(), "ada", presence.ByChoice, func(_ presence.Record, _ time.Time, v presence.Version) ([]presence.Fact, error) {
		tries++
		if out := i.beat(testBeat("ada", "session-1")); !out.Steady {
			t.Errorf("%+v, want steady", out)
		}
		return []presence.Fact{presence.Custom{Text: "Standup", Version: v}}, nil
	})
	if err != nil || tries != 1 {
		t.Errorf("%d tries, %v", tries, err)
	}
}

func TestAnAmendmentThatIsAlwaysDisturbedGivesUpInTime(t *testing.T) {
	t.Parallel()
	i := quiet(t, redistest.Start(t))
	began, n := time.Now(), 0
	_, err := i.Amend(t.Context(), "ada", presence.ByChoice, func(_ presence.Record, _ time.Time, v presence.Version) ([]presence.Fact, error) {
		n++
		return []presence.Fact{presence.Custom{Text: "mine", Version: v}}, i.tracker().SetContact(t.Context(), "ada", "bob", n%2 == 1)
	})
	if r := i.record("ada"); !errors.Is(err, presence.ErrUnavailable) || r.Custom.Text != "" || n < 2 {
		t.Errorf("%d tries, %v, record %+v", n, err, r)
	}
	within(t, "giving up", began, 2*time.Second)
	ctx, cancel := context.WithCancel(t.Context())
	_, err = i.Amend(ctx, "ada", presence.ByChoice, func(presence.Record, time.Time, presence.Version) ([]presence.Fact, error) {
		cancel()
		return []presence.Fact{presence.Custom{Text: "mine"}}, nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want that ctx was canceled", err)
	}
}

func TestSettingsOutliveAllElse(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	i, admin := quiet(t, server), server.Client(t)
	facts, settings := i.keys("ada")
	i.beat(testBeat("ada", "session-1"))
	sets := []func() error{
		func() error { return i.tracker().SetContact(t.Context(), "ada", "bob", true) },
		func() error { return i.tracker().SetBlock(t.Context(), "ada", "eve", true) },
		func() error { return i.choose("ada", presence.Invisible) },
		func() error {
			p := presence.DefaultPrivacy
			p.LastSeen = presence.Nobody
			_, err := i.tracker().SetPrivacy(t.Context(), "ada", p, nil)
			return err
		},
	}
	for _, set := range sets {
		if err := set(); err != nil {
			t.Fatal(err)
		}
		if err := admin.Del(t.Context(), facts).Err(); err != nil {
			t.Fatal(err)
		}
		i.memory = newMemory(i.Lanes(), testTTL) // as if through another instance each time
	}
	if ttl := admin.PTTL(t.Context(), settings).Val(); ttl != -1 {
		t.Errorf("settings are kept for %s, want for ever", ttl)
	}
	i.beat(testBeat("ada", "session-2"))
	r := i.record("ada")
	if len(r.Contacts()) != 1 || len(r.Blocks()) != 1 || !r.Invisible.On || r.Privacy.LastSeen != presence.Nobody || len(r.Sessions) != 1 {
		t.Errorf("record %+v", r)
	}
	for _, viewer := range []string{"bob", "eve", "carl"} {
		if v := r.ViewFor(viewer, r.AsOf); v.Status != presence.Offline {
			t.Errorf("%s sees %+v", viewer, v)
		}
	}
}

// Settings are for ever, so what nobody else knows of their user must not be.
func TestSettingsAloneMakeNoFacts(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	i := quiet(t, server)
	if err := i.tracker().SetContact(t.Context(), "ada", "bob", true); err != nil {
		t.Fatal(err)
	}
	facts, settings := i.keys("ada")
	if n := server.Client(t).Exists(t.Context(), facts, settings).Val(); n != 1 {
		t.Errorf("%d keys, want that of the settings", n)
	}
}

func TestWhatAmendmentsAndLooksCost(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	i := quiet(t, server)
	for n := range 100 {
		if err := i.tracker().SetContact(t.Context(), "ada", fmt.Sprint("friend-", n), true); err != nil {
			t.Fatal(err)
		}
	}
	for name, tc := range map[string]struct {
		do   func()
		want map[string]int64
	}{
		"look of one": {
			func() { _, _ = i.Lookup(t.Context(), "friend-7", []string{"ada"}) },
			map[string]int64{"time": 1, "hmget": 3, "hgetall": 1},
		},
		"look of all": {
			func() { _, _ = i.Lookup(t.Context(), "", []string{"ada"}) },
			map[string]int64{"time": 1, "hmget": 2, "hgetall": 2},
		},
	} {
		got := calls(t, server, tc.do)
		if fmt.Sprint(got) != fmt.Sprint(tc.want) {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
	amend := func() {
		if _, err := i.tracker().SetCustom(t.Context(), "ada", "Standup", "☕", presence.Lasts{}); err != nil {
			t.Error(err)
		}
	}
	amend() // Redis learns the script
	if got := calls(t, server, amend); got["evalsha"] != 2 || got["eval"] != 0 || got["publish"] != 1 {
		t.Errorf("an amendment: %v, want 2 scripts and 1 message", got)
	}
	nothing := func() {
		_, err := i.Amend(t.Context(), "ada", presence.ByChoice,
			func(presence.Record, time.Time, presence.Version) ([]presence.Fact, error) { return nil, nil })
		if err != nil {
			t.Error(err)
		}
	}
	if got := calls(t, server, nothing); got["evalsha"] != 1 || got["publish"] != 0 || got["hset"] != 0 {
		t.Errorf("an amendment without facts: %v, want 1 script", got)
	}
}

func TestAmendmentsTravelOnACluster(t *testing.T) {
	t.Parallel()
	cluster := redistest.StartCluster(t, 3, 0)
	a := begin(t, cluster.URL(), Options{Partitions: 16, TTL: 30 * time.Second})
	b := begin(t, cluster.URL(), Options{Partitions: 16, TTL: 30 * time.Second})
	users := people(30)
	var work sync.WaitGroup
	for _, u := range users {
		beat := testBeat(u, "session-1")
		beat.TTL, beat.Doing = 30*time.Second, &presence.Doing{Type: "viewing", TTL: time.Minute}
		a.beat(beat)
		for n, i := range []*instance{a, b, a, b} {
			work.Go(func() {
				if err := i.tracker().SetContact(t.Context(), u, fmt.Sprint("friend-", n), true); err != nil {
					t.Error(err)
				}
			})
		}
	}
	work.Wait()
	for _, viewer := range []string{"friend-2", ""} {
		records, err := b.Lookup(t.Context(), viewer, users)
		if err != nil {
			t.Fatal(err)
		}
		for n, r := range records {
			v := r.ViewFor("friend-2", r.AsOf)
			if r.User != users[n] || v.Activity.Type != "viewing" || viewer == "" && len(r.Relations) != 4 || viewer != "" && len(r.Relations) != 1 {
				t.Errorf("record %d to %q: %+v", n, viewer, r)
			}
		}
	}
	for _, i := range []*instance{a, b} {
		for _, u := range users {
			i.tape.waitFor(t, u+" setting", 4)
		}
	}
}

// As many as a user may have: he is looked at by each of them.
func TestARecordWithManyRelationsIsReadInParts(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	i := quiet(t, server)
	_, settings := i.keys("ada")
	pipe := server.Client(t).Pipeline()
	for n := range 2000 {
		pipe.HSet(t.Context(), settings, relationField(fmt.Sprint("friend-", n)), "1|0|1795340465000|1795340465000001|0|0|0|0|0|||0")
	}
	if _, err := pipe.Exec(t.Context()); err != nil && !errors.Is(err, redis.Nil) {
		t.Fatal(err)
	}
	if err := i.tracker().SetContact(t.Context(), "ada", "one too many", true); !errors.Is(err, presence.ErrTooManyRelations) {
		t.Errorf("%v, want ErrTooManyRelations", err)
	}
	rs, err := i.Lookup(t.Context(), "friend-7", []string{"ada"})
	if err != nil || len(rs[0].Relations) != 1 || !rs[0].Relations["friend-7"].Contact {
		t.Errorf("%v, %+v", err, rs)
	}
}
