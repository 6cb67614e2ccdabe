package e2e

import (
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/presently/presently/internal/redistest"
)

// operators asks at the address for operators, which the log tells.
func (i *instance) operators(path string) (status int, text string) {
	i.t.Helper()
	found := regexp.MustCompile(`"admin":"([^"]+)"`).FindStringSubmatch(i.program.log.String())
	if found == nil {
		i.t.Fatalf("the log tells no address for operators:\n%s", i.program.log)
	}
	response, err := http.Get("http://" + found[1] + path)
	if err != nil {
		i.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		i.t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

// measures reads one metric; -1: it is not there.
func (i *instance) measures(name string) float64 {
	i.t.Helper()
	_, text := i.operators("/metrics")
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			n, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil {
				i.t.Fatalf("%s: %v", line, err)
			}
			return n
		}
	}
	return -1
}

func TestOperatorsSeeWhatHappensOnBothInstancesAndStrangersDoNot(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	a, b := startPair(t, redis.URL(), "PRESENTLY_ADMIN_LISTEN=127.0.0.1:0", "PRESENTLY_TTL=3s", "PRESENTLY_SWEEP=100ms", "PRESENTLY_RATE_LIMIT=on")
	for _, path := range []string{"/metrics", "/debug/pprof/", "/debug/pprof/heap"} {
		if r, err := a.as("ada").ask(soon(t), "GET", path, ""); err != nil || r.status != http.StatusNotFound {
			t.Errorf("strangers get %d for %s, %v", r.status, path, err)
		}
		if got, text := a.operators(path); got != http.StatusOK {
			t.Errorf("operators get %d for %s: %s", got, path, text)
		}
	}
	w := b.as("eve").watch("ada")
	a.as("ada").beat("session-1")
	w.told("ada", "online")
	other := regexp.MustCompile(`"instance":"([^"]+)"`).FindStringSubmatch(b.program.log.String())[1]
	waitUntil(t, "one instance's page shows the other, and its stream", func() bool {
		_, page := a.operators("/")
		return regexp.MustCompile(`<td>[0-9a-f]+, this one</td>`).MatchString(page) && regexp.MustCompile(`<tr><td>`+other+`</td>.*<td>1</td>\n`).MatchString(page)
	})
	for _, i := range []*instance{a, b} { // both hear all
		if got := i.measures(`presently_transitions_total{cause="beat"}`); got != 1 {
			t.Errorf("%s has heard of %v beats that change something, want 1", i.url, got)
		}
	}
	if got := b.measures("presently_users"); got != 1 { // A was asked before there was one, and counts again in 10 s
		t.Errorf("%v users, want 1", got)
	}
	if here, there := a.measures("presently_streams"), b.measures("presently_streams"); here != 0 || there != 1 {
		t.Errorf("%v and %v streams, want 0 and 1", here, there)
	}
	w.told("ada", "offline") // by her silence
	if swept := a.measures("presently_swept_sessions_total") + b.measures("presently_swept_sessions_total"); swept != 1 {
		t.Errorf("sweeps have ended %v sessions, want 1", swept)
	}
	if late, n := a.measures("presently_sweep_lag_seconds_sum")+b.measures("presently_sweep_lag_seconds_sum"), a.measures("presently_sweep_lag_seconds_count")+b.measures("presently_sweep_lag_seconds_count"); n != 1 || late < 0 || late > 3 {
		t.Errorf("%v sweeps were %v s late", n, late)
	}

	redis.Freeze()
	waitUntil(t, "the operators see that Redis is not heard", func() bool { return b.measures("presently_degraded") == 1 })
	if got := b.measures("presently_beacon_age_seconds"); got < 1.5 {
		t.Errorf("the last beacon is %v s old", got)
	}
	redis.Thaw()
	waitUntil(t, "Redis is heard again", func() bool { return b.measures("presently_degraded") == 0 })
	if got := b.measures("presently_degraded_seconds_total"); got <= 0 {
		t.Errorf("degraded for %v s", got)
	}
	waitUntil(t, "the hold is told", func() bool { return b.measures("presently_epochs_total") > 0 && b.measures("presently_held_lanes") > 0 })
}

// A client with a bug, on a real clock: what is too much is refused, and nobody goes offline by it.
func TestWhoFloodsIsRefusedAndStaysOnline(t *testing.T) {
	t.Parallel()
	a := start(t, "PRESENTLY_JWT_SECRET="+secret, "PRESENTLY_RATE_LIMIT=on", "PRESENTLY_TTL=3s", "PRESENTLY_SWEEP=100ms")
	ada := a.as("ada")
	ada.beat("session-1")
	w := a.as("eve").watch("ada")
	refused := 0
	for range 1500 {
		r, err := ada.ask(soon(t), "POST", "/v1/presence/heartbeat", `{"sessionId":"session-1"}`)
		switch {
		case err != nil:
			t.Fatal(err)
		case r.status == http.StatusOK:
		case r.status == http.StatusTooManyRequests:
			refused++
			if after, err := strconv.Atoi(r.header.Get("Retry-After")); err != nil || after < 1 || r.header.Get("RateLimit") == "" {
				t.Fatalf("%v", r.header)
			}
		default:
			t.Fatalf("%d %s", r.status, r.body)
		}
	}
	if refused < 1000 {
		t.Errorf("%d of 1500 refused", refused)
	}
	ada.choose("busy")
	w.told("ada", "busy")
	if strings.Contains(w.text(), "offline") {
		t.Errorf("she was offline for a while:\n%s", w.text())
	}
}
