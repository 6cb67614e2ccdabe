package e2e

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/presently/presently/internal/redistest"
)

// otherEnv names a program of another version, and longerEnv for how long both are to run side by side. `make upgrade FROM=…` sets them. Without, the program runs beside
// itself, so that the test is known to work.
const (
	otherEnv  = "PRESENTLY_TEST_OTHER"
	longerEnv = "PRESENTLY_TEST_OTHER_TIME"
)

// A deployment as it is in the middle: the version before and this one share a Redis, people's clients talk to both, and then the old one is stopped. And as it is where
// somebody goes back.
func TestAnotherVersionWorksBesideThisOne(t *testing.T) {
	t.Parallel()
	other := os.Getenv(otherEnv)
	if other == "" {
		other = binary
	}
	together := 2 * time.Second
	if text := os.Getenv(longerEnv); text != "" {
		var err error
		if together, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	for name, programs := range map[string][2]string{"upgrade": {other, binary}, "going back": {binary, other}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			settings := []string{
				"PRESENTLY_REDIS_URL=" + redistest.Start(t).URL(), "PRESENTLY_JWT_SECRET=" + secret,
				"PRESENTLY_TTL=10s", "PRESENTLY_HEARTBEAT=2s", "PRESENTLY_GRACE=200ms", "PRESENTLY_SWEEP=200ms", "PRESENTLY_DRAIN=1s",
			}
			leaving := versioned(t, programs[0], settings...)
			// What the version before has written, this one finds.
			leaving.as("early").beat("session-1", `"state":"busy"`)
			leaving.as("early").choose("dnd")
			coming := versioned(t, programs[1], settings...)
			if got := coming.as("eve").see("early").Status; got != "dnd" {
				t.Errorf("who chose dnd before is %s", got)
			}
			sideBySide(t, leaving, coming, together)
		})
	}
}

// versioned runs a program of any version. What it answers is not held against the contract of this one.
func versioned(t testing.TB, program string, settings ...string) *instance {
	t.Helper()
	i := launchBuilt(t, program, settings...)
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	t.Cleanup(transport.CloseIdleConnections)
	i.client = &http.Client{Transport: transport}
	i.awaitReady()
	return i
}

func sideBySide(t *testing.T, leaving, coming *instance, together time.Duration) {
	both := []*instance{leaving, coming}
	var users []string
	for n := range 20 {
		user := fmt.Sprint("user-", n)
		users = append(users, user)
		both[n%2].as(user).beat("session-1")
	}
	gone := make(chan struct{}) // the one that leaves is asked no more
	crowd := startCrowd(t, both, users, gone)
	watched := append([]string{"ada", "ben"}, users...)
	streams := []*watching{leaving.as("eve").watch(watched...), coming.as("eve").watch(watched...), leaving.as("mia").watch(watched...)}
	for n, until := 0, time.Now().Add(together); n < 2 || time.Now().Before(until); n++ {
		here, there := both[n%2], both[1-n%2]
		changesAreSeen(t, here, there, streams)
	}
	close(gone)
	crowd.more(t, 40)
	leaving.program.ask()
	for _, n := range []int{0, 2} { // go on at the other version with an id of the first
		w := streams[n]
		for !w.ended() {
			if _, open := w.take(); !open {
				break
			}
		}
		nobodyOffline(t, w, users)
		streams[n] = coming.as(map[int]string{0: "eve", 2: "mia"}[n]).open(w.lastID(), watched...)
		if !streams[n].hello.Resumed {
			// What an id holds may change with a version. Then it is as good as none: the client gets a snapshot.
			t.Logf("stream %d begins anew, with a snapshot", n)
			if os.Getenv(otherEnv) == "" {
				t.Error("of the same version it should be resumed")
			}
		}
	}
	changesAreSeen(t, coming, coming, streams)
	crowd.more(t, 100)
	crowd.end(t)
	for _, w := range streams {
		nobodyOffline(t, w, users)
	}
	for _, i := range both {
		for line := range strings.Lines(i.program.log.String()) {
			if strings.Contains(line, `"level":"ERROR"`) || strings.Contains(line, `"level":"WARN"`) && !strings.Contains(line, "no persistence") && !strings.Contains(line, "is not a setting") &&
				!strings.Contains(line, "browsers let hidden tabs") {
				t.Errorf("a log says %s", line)
			}
		}
	}
}

// startCrowd has users beat at both versions in turn, and at the one that stays alone when the other leaves.
func startCrowd(t testing.TB, both []*instance, users []string, gone <-chan struct{}) *beating {
	b := &beating{stop: make(chan struct{})}
	for _, user := range users {
		b.all.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-b.stop:
					return
				case <-time.After(200 * time.Millisecond):
				}
				at := both[n%2]
				select {
				case <-gone:
					at = both[1]
				default:
				}
				if _, err := at.as(user).try("POST", "/v1/presence/heartbeat", beatBody("session-1")); err != nil {
					text := err.Error()
					b.failed.CompareAndSwap(nil, &text)
				}
				b.beats.Add(1)
			}
		})
	}
	return b
}

// changesAreSeen does at one version what the streams of both, and reads at the other, must show.
func changesAreSeen(t *testing.T, here, there *instance, streams []*watching) {
	t.Helper()
	shows := func(user, status string) {
		t.Helper()
		for n, w := range streams {
			waitUntil(t, fmt.Sprintf("stream %d shows %s as %s", n, user, status), func() bool { return string(w.newest(user).Status) == status })
		}
		if got := there.as("eve").see(user).Status; string(got) != status {
			t.Errorf("%s is read as %s, not %s", user, got, status)
		}
	}
	answer := here.as("ada").beat("session-1", `"state":"busy"`)
	shows("ada", "busy")
	there.as("ada").choose("dnd")
	shows("ada", "dnd")
	here.as("ada").choose("invisible")
	shows("ada", "offline")
	there.as("ada").must("DELETE", "/v1/presence/status", "")
	shows("ada", "busy")
	there.as("ada").leave(answer) // a token of the other version
	shows("ada", "offline")
	var together sync.WaitGroup
	for n, i := range []*instance{here, there} {
		together.Go(func() {
			_, _ = i.as("ben").try("POST", "/v1/presence/heartbeat", beatBody(fmt.Sprint("device-", n)))
		})
	}
	together.Wait()
	shows("ben", "online")
	for n := range 2 {
		here.as("ben").must("DELETE", fmt.Sprint("/v1/presence/me/sessions/device-", n), "")
	}
	shows("ben", "offline")
}

// nobodyOffline looks through all that a stream has told.
func nobodyOffline(t *testing.T, w *watching, users []string) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.events {
		if e.name != "presence" && e.name != "snapshot" {
			continue
		}
		for _, p := range e.presences(t) {
			for _, user := range users {
				if p.UserID == user && p.Status != "online" {
					t.Errorf("%s is told to be %s", user, p.Status)
				}
			}
		}
	}
}
