package e2e

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/presently/presently/internal/redistest"
)

// Redis loses what it knew, or stands still, while people go on beating. None of it may make anybody offline: that is rule 10.

const outageTTL = 4 * time.Second

// outage is two instances with people whose hearts beat, and streams on both.
type outage struct {
	redis   *redistest.Server
	a, b    *instance
	canary  *person
	streams []*watching // of ada and ben, who beat all the time, and of the canary
	silent  *watching   // of cyd, who is silent from now on
}

func newOutage(t testing.TB) *outage {
	t.Helper()
	o := &outage{redis: redistest.Start(t)}
	o.a, o.b = startPair(t, o.redis.URL(), "PRESENTLY_TTL="+outageTTL.String(), "PRESENTLY_SWEEP=100ms")
	o.canary = o.a.as("canary")
	o.canary.beat("canary-session")
	o.a.as("ada").beat("session-1")
	o.b.as("ben").beat("session-1")
	keepBeating(t, o.a.as("ada"), o.b.as("ben"))
	o.streams = []*watching{o.a.as("eve").watch("ada", "ben", "canary"), o.b.as("eve").watch("ada", "ben", "canary")}
	o.b.as("cyd").beat("session-1")
	o.silent = o.a.as("eve").watch("cyd")
	if got := o.silent.in("cyd").Status; got != "online" {
		t.Fatalf("cyd is %s", got)
	}
	return o
}

// keepBeating beats for people until the test ends, and forgives refusals.
func keepBeating(t testing.TB, people ...*person) {
	ctx, cancel := context.WithCancel(t.Context())
	var hearts sync.WaitGroup
	for _, p := range people {
		hearts.Go(func() {
			tick := time.NewTicker(outageTTL / 16)
			defer tick.Stop()
			for ctx.Err() == nil {
				p.ask(ctx, "POST", "/v1/presence/heartbeat", beatBody("session-1"), "Prefer: return=minimal") //nolint:errcheck // the store may be away
				select {
				case <-tick.C:
				case <-ctx.Done():
				}
			}
		})
	}
	t.Cleanup(hearts.Wait)
	t.Cleanup(cancel)
}

// over shows that nothing was told of those who beat, up to two TTLs after an outage that ended at a moment, and that whoever was silent
// has had a whole TTL to be heard.
func (o *outage) over(t testing.TB, ended time.Time) {
	t.Helper()
	waitUntil(t, "a beat gets through", func() bool {
		r, err := o.canary.ask(t.Context(), "POST", "/v1/presence/heartbeat", beatBody("canary-session"))
		return err == nil && r.status == http.StatusOK
	})
	quiet(ended.Add(2*outageTTL).UnixMicro(), o.canary, o.streams...)
	if p := o.silent.told("cyd", "offline"); p.Rev < ended.Add(outageTTL).UnixMicro() {
		t.Errorf("cyd, who was silent, has lapsed %v after the outage: %s", time.UnixMicro(p.Rev).Sub(ended), show(p))
	}
	for _, i := range []*instance{o.a, o.b} {
		for _, p := range i.as("eve").sees("ada", "ben") {
			if p.Status != "online" {
				t.Errorf("REST: %s", show(p))
			}
		}
	}
}

func TestFlushallUnderBeatingUsersIsSeenByNobody(t *testing.T) {
	t.Parallel()
	o := newOutage(t)
	flushed := time.Now()
	if err := o.redis.Client(t).FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	o.over(t, flushed)
}

func TestARedisThatComesBackEmptyMakesNobodyOffline(t *testing.T) {
	t.Parallel()
	o := newOutage(t)
	for _, w := range append(o.streams, o.silent) {
		w.ignored = []string{"degraded", "recovered"} // it may take so long, or not
	}
	back := time.Now() // the instances may find it back before RestartEmpty does
	o.redis.RestartEmpty()
	o.over(t, back)
}

func TestARedisThatStandsStillIsToldAndMakesNobodyOffline(t *testing.T) {
	t.Parallel()
	o := newOutage(t)
	o.redis.Freeze()
	frozen := time.Now()
	r, err := o.b.as("dan").ask(soon(t), "POST", "/v1/presence/heartbeat", beatBody("session-1"))
	if after, _ := strconv.Atoi(r.header.Get("Retry-After")); err != nil || r.status != http.StatusServiceUnavailable || after < 1 || after > 5 {
		t.Errorf("a beat: %d %s, Retry-After %q, %v", r.status, r.body, r.header.Get("Retry-After"), err)
	}
	if took := time.Since(frozen); took > 10*time.Second { // 1.5 s, on a machine that has nothing else to do
		t.Errorf("the refusal took %v", took)
	}
	for _, w := range append(o.streams, o.silent) {
		w.await("degraded")
	}
	waitUntil(t, "the instances call themselves not ready", func() bool {
		return o.a.readiness() == http.StatusServiceUnavailable && o.b.readiness() == http.StatusServiceUnavailable
	})
	if r := o.a.as("eve").must("GET", "/healthz", ""); r.status != http.StatusOK {
		t.Errorf("health is %d", r.status)
	}
	waitUntil(t, "3 s have passed", func() bool { return time.Since(frozen) > 3*time.Second })
	o.redis.Thaw()
	thawed := time.Now()
	for _, w := range append(o.streams, o.silent) {
		w.await("recovered")
	}
	waitUntil(t, "the instances are ready again", func() bool {
		return o.a.readiness() == http.StatusOK && o.b.readiness() == http.StatusOK
	})
	o.over(t, thawed)
}
