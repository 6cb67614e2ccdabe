package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/presently/presently/internal/redistest"
)

// longEnv is for how long streams are held open through each proxy, such as 10m. `make proxies` sets it.
const longEnv = "PRESENTLY_PROXY_TIME"

// held is streams that are held open through one door: half of them watch somebody who changes all the time, half somebody who never does, so that
// nothing but comments keeps them open.
type held struct {
	door       string
	at         *instance
	live, idle []*watching
	first      []time.Duration // until the first byte
	gaps       []time.Duration // of the selftest
	sent       int
	delays     []time.Duration // from asking for a change to its event, both through the proxy
	without    int             // changes that Redis was too slow for
	failed     []string
}

const (
	heldStreams = 10 // of each sort
	changeEvery = 5 * time.Second
)

// It reports what docs/deploying.md shows. What must hold, holds for any duration: no stream is cut, and everything arrives.
func TestStreamsStayOpenThroughShippedProxies(t *testing.T) {
	text := os.Getenv(longEnv)
	if text == "" {
		text = "1s" // long enough for a change or two
	}
	long, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	t.Parallel()
	a, b := startPair(t, redistest.Start(t).URL())
	all := []*held{{door: "none", at: a}}
	for _, kind := range proxyKinds() {
		for name, door := range kind.behind(t, a, b).doors() {
			all = append(all, &held{door: kind.name + ", " + name, at: door})
		}
	}
	for n, h := range all {
		h.open(t, n)
	}
	var running sync.WaitGroup
	until := time.Now().Add(long)
	for n, h := range all {
		running.Go(func() { h.hold(fmt.Sprint("live-", n), until) })
	}
	running.Wait()
	slices.SortFunc(all, func(a, b *held) int { return strings.Compare(a.door, b.door) })
	for _, h := range all {
		h.report(t, long)
	}
}

func (h *held) open(t *testing.T, n int) {
	for s := range heldStreams {
		viewer := h.at.as(fmt.Sprintf("viewer-%d-%d", n, s))
		for _, user := range []string{"live", "idle"} {
			start := time.Now()
			w := viewer.watch(fmt.Sprint(user, "-", n))
			w.mu.Lock()
			h.first = append(h.first, w.events[0].at.Sub(start))
			w.mu.Unlock()
			if user == "live" {
				h.live = append(h.live, w)
			} else {
				h.idle = append(h.idle, w)
			}
		}
	}
}

// hold changes the user's status through the proxy until it is time, and looks how its events come.
func (h *held) hold(user string, until time.Time) {
	h.selftest(user)
	for n := 0; n == 0 || time.Now().Before(until); n++ {
		state, asked := []string{"busy", "online"}[n%2], time.Now()
		if _, err := h.at.as(user).try("POST", "/v1/presence/heartbeat", beatBody("session-1", fmt.Sprintf(`"state":%q`, state))); err != nil {
			if strings.Contains(err.Error(), "store_unavailable") {
				h.without++ // said by an instance of a Redis that stood still, and passed on as it should be
			} else {
				h.failed = append(h.failed, err.Error())
			}
			continue
		}
		h.sent++
		for _, w := range h.live {
			limit := time.Now().Add(patience)
			for string(w.newest(user).Status) != state && time.Now().Before(limit) && !w.ended() {
				time.Sleep(time.Millisecond)
			}
			if p := w.newest(user); string(p.Status) == state {
				h.delays = append(h.delays, w.newestAt().Sub(asked))
			} else {
				h.failed = append(h.failed, fmt.Sprintf("%s is not told, but %s", state, show(p)))
			}
		}
		if rest := time.Until(until); rest > 0 {
			time.Sleep(min(changeEvery, rest))
		}
	}
	h.selftest(user)
}

// newestAt is when the last event came.
func (w *watching) newestAt() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.events[len(w.events)-1].at
}

// selftest measures how far apart the five events arrive that leave a second apart.
func (h *held) selftest(user string) {
	ctx, cancel := context.WithTimeout(h.at.t.Context(), patience)
	defer cancel()
	who := h.at.as(user)
	request, err := http.NewRequestWithContext(ctx, "GET", h.at.url+"/v1/stream/selftest", nil)
	if err != nil {
		h.failed = append(h.failed, err.Error())
		return
	}
	request.Header.Set("Authorization", "Bearer "+who.token)
	response, err := h.at.client.Do(request)
	if err != nil {
		h.failed = append(h.failed, err.Error())
		return
	}
	defer response.Body.Close()
	var last time.Time
	buffer, seen := make([]byte, 64<<10), 0
	for seen < 5 {
		n, err := response.Body.Read(buffer)
		if events := strings.Count(string(buffer[:n]), "event: selftest"); events > 0 {
			now := time.Now()
			for range events {
				if !last.IsZero() {
					h.gaps = append(h.gaps, now.Sub(last))
				}
				last = now
				seen++
			}
		}
		if err != nil {
			break
		}
	}
	if seen < 5 {
		h.failed = append(h.failed, fmt.Sprintf("selftest: %d of 5 events", seen))
	}
	_, _ = io.Copy(io.Discard, response.Body)
}

func (h *held) report(t *testing.T, long time.Duration) {
	cuts, comments := 0, 0
	for _, w := range slices.Concat(h.live, h.idle) {
		if w.ended() {
			cuts++
			t.Errorf("%s: a stream was cut after:\n%s", h.door, w.text())
		}
	}
	for _, w := range h.idle {
		comments += strings.Count(w.text(), "\n:") + strings.Count(w.text(), "event: ping")
	}
	for _, text := range h.failed {
		t.Errorf("%s: %s", h.door, text)
	}
	slices.Sort(h.first)
	slices.Sort(h.delays)
	slices.Sort(h.gaps)
	at := func(all []time.Duration, share float64) string {
		if len(all) == 0 {
			return "-"
		}
		return all[min(int(share*float64(len(all))), len(all)-1)].Round(100 * time.Microsecond).String()
	}
	if h.without > 0 {
		t.Logf("%s: %d changes without an answer by Redis", h.door, h.without)
	}
	t.Logf("| %s | %d for %v | %d | %s / %s | %s to %s | %d of %d | %s / %s / %s | %d |", h.door, len(h.live)+len(h.idle), long, cuts, at(h.first, 0.5), at(h.first, 1), at(h.gaps, 0), at(h.gaps, 1),
		len(h.delays), h.sent*len(h.live), at(h.delays, 0.5), at(h.delays, 0.99), at(h.delays, 1), comments)
}
