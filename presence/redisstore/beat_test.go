package redisstore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/presently/presently/internal/redistest"
	"github.com/presently/presently/presence"
)

func number(n int64) *int64 { return &n }

// quiet opens a store that does nothing of its own accord, so that command statistics show what a test did.
func quiet(t testing.TB, server *redistest.Server) *instance {
	t.Helper()
	i := &instance{Store: open(t, server.URL(), Options{Partitions: 4, TTL: testTTL}), t: t}
	i.thorough = func() bool { return false }
	return i
}

// Nearly all that Redis ever does is take steady heartbeats: what each costs is what a deployment costs.
func TestASteadyBeatIsOneCommandAndNoScript(t *testing.T) {
	t.Parallel()
	const n = 100
	for _, tc := range []struct {
		name string
		beat presence.Beat
		want map[string]int64
	}{
		{"minimal", presence.Beat{Minimal: true}, map[string]int64{"zadd": n}},
		{"minimal with number", presence.Beat{Minimal: true, Seq: number(0)}, map[string]int64{"zadd": n}},
		{"minimal with activity", presence.Beat{Minimal: true, Doing: &presence.Doing{Type: "viewing", TTL: time.Hour}}, map[string]int64{"zadd": n}},
		{"minimal with rooms", presence.Beat{Minimal: true, Rooms: &[]string{"hall", "lobby"}}, map[string]int64{"zadd": n}},
		{"with record", presence.Beat{}, map[string]int64{"zadd": n, "time": n, "hmget": 3 * n, "hgetall": n}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			server := redistest.Start(t)
			i := quiet(t, server)
			b := tc.beat
			b.User, b.Session, b.State, b.TTL, b.MaxLive = "ada", "session-1", presence.Online, testTTL, 20
			i.beat(b)
			before := server.CommandStats(t.Context())
			for k := range int64(n) {
				if b.Seq != nil {
					b.Seq = number(k + 1)
				}
				b.IdleFor = time.Duration(k+1) * 250 * time.Millisecond // even in the same ms something moves
				if out := i.beat(b); !out.Steady || out.Old {
					t.Fatalf("beat %d: %+v, want steady", k, out)
				}
			}
			for name, stat := range server.CommandStats(t.Context()) {
				calls := stat.Calls - before[name].Calls
				if name == "info" || name == "hello" {
					continue // the test's own
				}
				if calls != tc.want[name] {
					t.Errorf("%d calls of %s, want %d", calls, name, tc.want[name])
				}
			}
		})
	}
}

func TestBeatsInTheSameMillisecondAreAllTaken(t *testing.T) {
	t.Parallel()
	i := quiet(t, redistest.Start(t))
	b := testBeat("ada", "session-1")
	for n := range int64(300) {
		b.Seq, b.Minimal = number(n), n%2 == 0
		if out := i.beat(b); out.Old || out.Steady != (n > 0) {
			t.Fatalf("beat %d: %+v", n, out)
		}
	}
	r, err := i.Sessions(t.Context(), "ada")
	if err != nil || r.Sessions[0].Seq != 299 {
		t.Errorf("%+v, %v; want number 299", r.Sessions, err)
	}
}

func TestNumbersOrderTheBeatsOfASessionAtAllInstances(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	a, b := quiet(t, server), quiet(t, server)
	beat := func(on *instance, n int64, state presence.Status) presence.Beaten {
		x := testBeat("ada", "session-1")
		x.Seq, x.State = number(n), state
		return on.beat(x)
	}
	for _, step := range []struct {
		on    *instance
		n     int64
		state presence.Status // DND where it must not count
		old   bool
	}{
		{a, 1, presence.Online, false},
		{b, 2, presence.Online, false},
		{a, 2, presence.DND, true}, // the number again, at the instance that has not seen it
		{a, 3, presence.Busy, false},
		{b, 3, presence.DND, true},
		{b, 2, presence.DND, true},
		{b, 1, presence.DND, true},
		{b, 9007199254740991, presence.Busy, false}, // the greatest that the wire lets through
		{a, 4, presence.DND, true},
		{a, 9007199254740991, presence.DND, true},
		// The very same beat again, at the instance that has not seen it, passes for a steady one: the gap that the package's doc owns up to.
		{a, 9007199254740991, presence.Busy, false},
	} {
		if out := beat(step.on, step.n, step.state); out.Old != step.old {
			t.Errorf("number %d as %s: old %t, want %t", step.n, step.state, out.Old, step.old)
		}
		if got := a.record("ada").Sessions[0].State; got == presence.DND {
			t.Fatalf("number %d as %s counted", step.n, step.state)
		}
	}
}

func TestALateBeatDoesNotUndoALeaveOrAnEnd(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	a, b := quiet(t, server), quiet(t, server)
	x := testBeat("ada", "session-1")
	for n := range int64(3) {
		x.Seq = number(n)
		a.beat(x)
		b.beat(x)
	}
	if err := a.Leave(t.Context(), "ada", "session-1", time.Minute); err != nil {
		t.Fatal(err)
	}
	for _, i := range []*instance{a, b} {
		if out := i.beat(x); !out.Old {
			t.Errorf("%+v, want old", out)
		}
	}
	if s := a.record("ada").Sessions[0]; !s.Left {
		t.Errorf("%+v, want one that has left", s)
	}
	x.Seq = number(7)
	if out := b.beat(x); out.Old || !out.Steady {
		t.Errorf("coming back: %+v, want taken and told to nobody", out)
	}
	if s := a.record("ada").Sessions[0]; s.Left {
		t.Errorf("%+v, want one that is back", s)
	}
	if err := a.End(t.Context(), "ada", "session-1"); err != nil {
		t.Fatal(err)
	}
	for _, i := range []*instance{a, b} {
		if out := i.beat(x); !out.Old {
			t.Errorf("%+v after the end, want old", out)
		}
	}
	x.Seq = nil // a client without numbers is always newest
	b.beat(x)
	a.wantStatus("ada", presence.Online)
}

// The key of one user's facts may be deleted, or evicted, while his deadline stays: nobody tells us.
func TestLostFactsComeBackWithABeat(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	i, stranger := quiet(t, server), quiet(t, server) // who remembers nobody
	x := testBeat("ada", "session-1")
	for _, minimal := range []bool{false, true} {
		x.Minimal = minimal
		i.thorough = func() bool { return minimal }
		i.beat(x)
		if err := server.Client(t).Del(t.Context(), i.partitions[i.Lane("ada")].facts("ada")).Err(); err != nil {
			t.Fatal(err)
		}
		stranger.wantStatus("ada", presence.Offline)
		i.beat(x)
		stranger.wantStatus("ada", presence.Online)
	}
}

func TestFactsOutliveWhatTheyAreNeededFor(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	i := quiet(t, server)
	i.thorough = func() bool { return true }
	admin := server.Client(t)
	const day = 24 * time.Hour
	want := func(step string, days int) {
		t.Helper()
		p := &i.partitions[i.Lane("ada")]
		if got := admin.PTTL(t.Context(), p.facts("ada")).Val(); got > time.Duration(days)*day || got < time.Duration(days)*day-time.Hour {
			t.Errorf("%s: facts last %v, want %d days", step, got, days)
		}
		if got := admin.PTTL(t.Context(), p.settings("ada")).Val(); got > 0 {
			t.Errorf("%s: settings end in %v", step, got)
		}
	}
	choose := func(s presence.Status, lasts time.Duration) {
		t.Helper()
		if _, err := i.tracker().Choose(t.Context(), "ada", s, presence.Lasts{For: &lasts}); err != nil {
			t.Fatal(err)
		}
	}
	say := func(text string, lasts time.Duration) {
		t.Helper()
		if _, err := i.tracker().SetCustom(t.Context(), "ada", text, "", presence.Lasts{For: &lasts}); err != nil {
			t.Fatal(err)
		}
	}
	i.beat(testBeat("ada", "session-1"))
	want("a beat", 30)
	choose(presence.DND, time.Hour)
	want("an hour's choice", 30)
	choose(presence.DND, 90*day)
	want("a long choice", 90)
	i.beat(testBeat("ada", "session-1"))
	want("a steady beat after it", 90)
	say("on leave", 120*day)
	want("a longer custom status", 120)
	say("", 0)
	want("none", 120)
	choose(presence.DND, 0)
	want("an endless choice", 400)
	choose(presence.Invisible, 0)
	if got := admin.PTTL(t.Context(), i.partitions[i.Lane("ada")].settings("ada")).Val(); got != -1 {
		t.Errorf("invisible ends in %v", got)
	}
}

func TestACallerWhoGoesAwayIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	i := quiet(t, server)
	server.Freeze()
	defer server.Thaw()
	ctx, cancel := context.WithCancelCause(t.Context())
	done := make(chan error)
	go func() {
		_, err := i.Beat(ctx, testBeat("ada", "session-1"))
		done <- err
	}()
	gone := errors.New("the client is gone")
	cancel(gone)
	if err := <-done; !errors.Is(err, gone) || !errors.Is(err, presence.ErrUnavailable) {
		t.Errorf("%v, want the cause", err)
	}
}

// A thousand times more callers than flushers: each learns in time that there is no answer, and nothing piles up.
func TestNobodyWaitsForeverBehindAHungRedis(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	i := quiet(t, server)
	i.beat(testBeat("ada", "session-1"))
	server.Freeze()
	defer server.Thaw()
	began := time.Now()
	var callers sync.WaitGroup
	for range queueMost + 4*batchMost + 500 {
		callers.Go(func() {
			if _, err := i.Beat(t.Context(), testBeat("ada", "session-1")); !errors.Is(err, presence.ErrUnavailable) {
				t.Errorf("%v, want ErrUnavailable", err)
			}
		})
	}
	callers.Wait()
	within(t, "giving up", began, 2*time.Second)
}

func TestAFingerprintTellsApartAllThatABeatSays(t *testing.T) {
	web, none := "web", ""
	doing := func(kind, target, label string, ttl time.Duration) func(*presence.Beat) {
		return func(b *presence.Beat) { b.Doing = &presence.Doing{Type: kind, Target: target, Label: label, TTL: ttl} }
	}
	base := testBeat("ada", "session-1")
	seen := map[string]string{}
	for name, change := range map[string]func(*presence.Beat){
		"base":         func(*presence.Beat) {},
		"state":        func(b *presence.Beat) { b.State = presence.Busy },
		"idle":         func(b *presence.Beat) { b.Idle = true },
		"hidden":       func(b *presence.Beat) { b.Hidden = true },
		"device":       func(b *presence.Beat) { b.Device = &web },
		"empty device": func(b *presence.Beat) { b.Device = &none },
		"TTL":          func(b *presence.Beat) { b.TTL++; b.TTL += time.Millisecond },
		"name":         func(b *presence.Beat) { b.Profile.Name = "x" },
		"avatar":       func(b *presence.Beat) { b.Profile.Avatar = "x" },
		"longer name":  func(b *presence.Beat) { b.Profile.Name = "xx" },
		"activity":     doing("viewing", "", "", time.Minute),
		"target":       doing("viewing", "x", "", time.Minute),
		"label":        doing("viewing", "", "x", time.Minute),
		"shorter":      doing("viewing", "", "", time.Second),
		"no rooms":     func(b *presence.Beat) { b.Rooms = &[]string{} },
		"a room":       func(b *presence.Beat) { b.Rooms = &[]string{"x"} },
		"rooms":        func(b *presence.Beat) { b.Rooms = &[]string{"x", "y"} },
		"other rooms":  func(b *presence.Beat) { b.Rooms = &[]string{"xy"} },
		"and activity": func(b *presence.Beat) {
			doing("viewing", "", "", time.Minute)(b)
			b.Rooms = &[]string{}
		},
		"both": func(b *presence.Beat) { b.Profile.Name, b.Profile.Avatar = "x", "x" },
	} {
		b := base
		change(&b)
		f := fingerprint(b)
		if other, ok := seen[f]; ok || len(f) != 11 {
			t.Errorf("%s and %s have the fingerprint %s", name, other, f)
		}
		seen[f] = name
	}
	same := base
	same.User, same.Session, same.Instance, same.Seq, same.IdleFor, same.Minimal = "bob", "session-2", "b", number(1), time.Second, true
	if fingerprint(same) != fingerprint(base) {
		t.Error("what does not count makes another fingerprint")
	}
}

func TestAScoreHoldsDeadlineAndIdleness(t *testing.T) {
	year2038 := time.Date(2038, 12, 31, 0, 0, 0, 0, time.UTC).UnixMilli()
	for _, tc := range []struct {
		idle time.Duration
		want int64
	}{{0, 0}, {249 * time.Millisecond, 0}, {250 * time.Millisecond, 1}, {time.Hour, scoreGrain - 1}, {-time.Second, 0}} {
		got := score(year2038, presence.Beat{TTL: time.Second, IdleFor: tc.idle})
		if got%scoreGrain != tc.want || got/scoreGrain != year2038+1000 || int64(float64(got)) != got {
			t.Errorf("idle for %v: %s", tc.idle, fmt.Sprint(got, got%scoreGrain))
		}
	}
}
