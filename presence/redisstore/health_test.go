package redisstore

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/presently/presently/internal/redistest"
	"github.com/presently/presently/presence"
)

// Clients that come again and again to a Redis that hangs pile up as far as the first second and a half, and then are told at once.
func TestAHungRedisPilesUpNothing(t *testing.T) {
	server := redistest.Start(t)
	i := begin(t, server.URL(), Options{pulse: onTime})
	i.tape.ready(t, i.Store, false)
	const clients = 60
	users := people(clients)
	for _, u := range users {
		i.beat(long(u, "session-1"))
	}
	baseline := runtime.NumGoroutine()
	server.Freeze()
	frozen := time.Now()
	var work sync.WaitGroup
	var told, after, late, wrong atomic.Int64
	var most int
	for n, u := range users {
		work.Go(func() {
			for time.Since(frozen) < 6*time.Second {
				began := time.Now()
				_, err := i.Beat(t.Context(), long(u, "session-1"))
				if n%3 == 0 {
					_, err = i.Lookup(t.Context(), "", users)
				}
				if !errors.Is(err, presence.ErrUnavailable) {
					wrong.Add(1)
				}
				told.Add(1)
				if began.Sub(frozen) > 4*time.Second {
					after.Add(1)
					if time.Since(began) > 500*time.Millisecond {
						late.Add(1)
					}
				}
				<-time.After(20 * time.Millisecond) // the client's way here and back
			}
		})
	}
	for time.Since(frozen) < 6*time.Second {
		most = max(most, runtime.NumGoroutine())
		<-time.After(10 * time.Millisecond)
	}
	work.Wait()
	t.Logf("%d calls were told, %d goroutines at most over %d and the %d of the clients", told.Load(), most-clients-baseline, baseline, clients)
	if late.Load()*20 > after.Load() || wrong.Load() > 0 { // a loaded machine makes some wait for itself
		t.Errorf("%d of %d calls had to wait though nothing had been answered for 4 s, %d were told something else",
			late.Load(), after.Load(), wrong.Load())
	}
	if bound := baseline + 3*clients + 100; most > bound {
		t.Errorf("%d goroutines, want at most %d", most, bound)
	}
	server.Thaw()
	thawed := time.Now()
	soon(t, "calls to get through", func() bool {
		_, err := i.Beat(t.Context(), long(users[0], "session-1"))
		return err == nil
	})
	within(t, "getting through again", thawed, 2*time.Second)
}

// onTime is a process that is never late, whatever the machine of the test does.
func onTime() int64 { return 0 }

// In a storm of reconnects on a machine without a core to spare, one beacon that nobody had the time to read made of it an outage: thousands of streams were told 503.
func TestALateProcessDoesNotTakeItsOwnLatenessForRedis(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	var clock atomic.Int64
	late := func() int64 { // from one look to the next, lateFor passes and more: as in a process that gets no core
		return clock.Add(2 * lateFor.Microseconds())
	}
	refused := func(i *instance) bool {
		return errors.Is(i.health.refuse("beat", i.Store.all()...), presence.ErrUnavailable)
	}
	open := func(o Options) *instance {
		o.Partitions, o.TTL = 4, testTTL
		return &instance{Store: open(t, server.URL(), o), t: t}
	}
	punctual, starved := open(Options{pulse: onTime}), open(Options{pulse: late})
	for _, i := range []*instance{punctual, starved} {
		i.beacon(t.Context(), i.Store.all())
		if refused(i) {
			t.Fatal("refused though Redis answers")
		}
	}
	server.Freeze()
	defer server.Thaw()
	punctual.beacon(t.Context(), punctual.Store.all())
	if !refused(punctual) {
		t.Error("Redis hung for the time of a call, and this process came to look: calls are let through")
	}
	for n := range excusesMost {
		starved.beacon(t.Context(), starved.Store.all())
		if refused(starved) {
			t.Fatalf("refused after beacon %d, for which nobody had the time", n+1)
		}
	}
	starved.beacon(t.Context(), starved.Store.all())
	if !refused(starved) {
		t.Error("who is late for ever never finds out")
	}
	server.Thaw()
	retry(t, func() error {
		starved.beacon(t.Context(), starved.Store.all())
		return starved.health.refuse("beat", starved.Store.all()...)
	})
}

// unread is a hook of the client: pipelines that begin with a command get no answer so often, as where nobody has the time to read it.
type unread struct {
	name string
	left atomic.Int32
}

func (u *unread) DialHook(next redis.DialHook) redis.DialHook          { return next }
func (u *unread) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }
func (u *unread) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, commands []redis.Cmder) error {
		if commands[0].Name() == u.name && u.left.Add(-1) >= 0 {
			<-ctx.Done()
			for _, c := range commands {
				c.SetErr(ctx.Err())
			}
			return ctx.Err()
		}
		return next(ctx, commands)
	}
}

func TestARedisThatAnswersOthersIsNotTakenForHung(t *testing.T) {
	t.Parallel()
	i := &instance{Store: open(t, redistest.Start(t).URL(), Options{Partitions: 4, TTL: testTTL, pulse: onTime}), t: t}
	beacons := &unread{name: "evalsha"}
	i.client.AddHook(beacons)
	i.beacon(t.Context(), i.Store.all())
	beacons.left.Store(2)
	i.whileOthersAsk(func() { i.beacon(t.Context(), i.Store.all()) })
	if err := i.health.refuse("beat", i.Store.all()...); err != nil {
		t.Errorf("others were answered all the while: %v", err)
	}
	i.beacon(t.Context(), i.Store.all())
	if i.health.refuse("beat", i.Store.all()...) == nil {
		t.Error("nobody was answered: let through")
	}
}

// whileOthersAsk runs f while others get answers.
func (i *instance) whileOthersAsk(f func()) {
	ctx, stop := context.WithCancel(i.t.Context())
	var asking sync.WaitGroup
	asking.Go(func() {
		for ctx.Err() == nil {
			_, _ = i.Heads(ctx, i.Store.all())
		}
	})
	f()
	stop()
	asking.Wait()
}

func TestLatenessIsWhatARunnerMissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var stolen atomic.Int64
		now := func() int64 { return localMicros() + stolen.Load() }
		wait := func() { <-time.After(time.Second) }
		if late := lateness(now, wait); late != 0 {
			t.Errorf("on time: %v", late)
		}
		if late := lateness(now, func() { wait(); stolen.Add(700_000) }); late < 700*time.Millisecond-pulseEvery || late > 700*time.Millisecond {
			t.Errorf("stopped for 700 ms: %v", late)
		}
		if late := lateness(now, func() {}); late != 0 {
			t.Errorf("at once: %v", late)
		}
	})
}

// A process that was itself stopped, or starved, finds its beacons late. That is no reason to refuse anybody.
func TestLateBeaconsRefuseNobody(t *testing.T) {
	h := make(health, 2)
	h[0].last.Store(localMicros() - time.Minute.Microseconds())
	if err := h.refuse("beat", 0); err != nil {
		t.Errorf("late: %v", err)
	}
	h[0].failed()
	if err := h.refuse("beat", 1, 0); !errors.Is(err, presence.ErrUnavailable) {
		t.Errorf("failed, and late: %v", err)
	}
	h[0].answered()
	h[0].failed()
	if err := h.refuse("beat", 0); err != nil {
		t.Errorf("failed just now: %v", err)
	}
	if h[0].last.Store(localMicros() - brokenAfter.Microseconds() - 1); h.refuse("beat", 0) == nil {
		t.Error("failing for long: let through")
	}
	if err := h.refuse("beat", 1); err != nil {
		t.Errorf("another lane: %v", err)
	}
}
