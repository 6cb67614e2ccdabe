package redisstore

import (
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/presently/presently/internal/redistest"
	"github.com/presently/presently/presence"
)

// Clients that come again and again to a Redis that hangs pile up as far as the first second and a half, and then are told at once.
func TestAHungRedisPilesUpNothing(t *testing.T) {
	server := redistest.Start(t)
	i := begin(t, server.URL(), Options{})
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
