package handlers

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/presently/presently/api"
)

// selftest opens a selftest and reads it.
func (w *world) selftest(user string) *watching {
	w.Helper()
	return w.watchAt(user, "/v1/stream/selftest")
}

// times are when the events came, as offsets from a moment; they must be those of a selftest, in order.
func (s *watching) times(began time.Time) (at []time.Duration) {
	s.Helper()
	for e := range s.events {
		got := decodeEvent[api.SelftestEvent](s, e)
		at = append(at, e.at.Sub(began))
		if e.name != "selftest" || e.id != "" || e.retry != "" || got.N != int64(len(at)) || got.Of != selftestEvents {
			s.Errorf("%+v", e)
		}
		if got.ServerTime[:19] != formatTime(e.at)[:19] {
			s.Errorf("server time %s at %s", got.ServerTime, formatTime(e.at))
		}
	}
	return at
}

func (s *watching) wantTimes(began time.Time, want ...time.Duration) {
	s.Helper()
	got := s.times(began)
	if len(got) != len(want) {
		s.Fatalf("events after %v, want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			s.Errorf("events after %v, want %v", got, want)
		}
	}
}

func TestASelftestIsFiveEventsASecondApart(t *testing.T) {
	inWorld(t, func(w *world) {
		began := time.Now()
		s := w.selftest("bob")
		if got := s.header.Get("Cache-Control") + " " + s.header.Get("X-Accel-Buffering"); got != "no-cache, no-store, no-transform no" {
			w.Errorf("headers %v", s.header)
		}
		s.wantTimes(began, 0, time.Second, 2*time.Second, 3*time.Second, 4*time.Second)
		if took := time.Since(began); took != 4*time.Second {
			w.Errorf("it ended after %s", took)
		}
	})
}

func TestASelftestNeedsATokenForReading(t *testing.T) {
	inStillWorld(t, func(w *world) {
		w.wantProblem(w.ask("", "GET", "/v1/stream/selftest", ""), http.StatusUnauthorized, api.ProblemCodeMissingToken)
		less := "Authorization: Bearer " + token("bob", map[string]any{"scope": "presence:write"})
		w.wantProblem(w.ask("bob", "GET", "/v1/stream/selftest", "", less), http.StatusForbidden, api.ProblemCodeInsufficientScope)
		r := w.ask("bob", "POST", "/v1/stream/selftest", "")
		w.wantProblem(r, http.StatusMethodNotAllowed, api.ProblemCodeMethodNotAllowed)
		if got := r.header.Get("Allow"); got != "GET, HEAD" {
			w.Errorf("Allow: %q", got)
		}
	})
}

func TestHeadOfASelftestIsItsHeadersAtOnce(t *testing.T) {
	inWorld(t, func(w *world) {
		began := time.Now()
		for range 2 * streamsAUser { // which do not count
			r := w.ask("bob", "HEAD", "/v1/stream/selftest", "")
			if r.status != http.StatusOK || r.header.Get("Content-Type") != "text/event-stream" || len(r.body) > 0 {
				w.Fatalf("%+v", r)
			}
		}
		if took := time.Since(began); took != 0 {
			w.Errorf("it took %s", took)
		}
	})
}

func TestASelftestCountsAsAStreamWhileItLasts(t *testing.T) {
	inWorld(t, func(w *world) {
		var open []*watching
		for range streamsAUser {
			open = append(open, w.selftest("bob"))
		}
		r := w.ask("bob", "GET", "/v1/stream/selftest", "")
		w.wantProblem(r, http.StatusTooManyRequests, api.ProblemCodeTooManyStreams)
		if r.header.Get("Retry-After") == "" {
			w.Errorf("no Retry-After: %v", r.header)
		}
		w.wantProblem(w.ask("bob", "GET", "/v1/stream?user=ada", ""), http.StatusTooManyRequests, api.ProblemCodeTooManyStreams)
		w.selftest("eve").cancel()
		open[0].cancel()
		synctest.Wait()
		w.watch("bob", "user=ada").started()
		time.Sleep(selftestEvents * selftestEvery)
		synctest.Wait()
		for range streamsAUser - 1 {
			w.watch("bob", "user=ada").started()
		}
	})
}

func TestASelftestEndsAtOnceWhenTheInstanceIsAboutToStop(t *testing.T) {
	inWorld(t, func(w *world) {
		began := time.Now()
		s := w.selftest("bob")
		time.Sleep(1500 * time.Millisecond)
		if err := w.server.Drain(w.Context()); err != nil {
			w.Fatal(err)
		}
		s.wantTimes(began, 0, time.Second)
		if took := time.Since(began); took != 1500*time.Millisecond {
			w.Errorf("it ended after %s", took)
		}
		w.wantProblem(w.ask("bob", "GET", "/v1/stream/selftest", ""), http.StatusServiceUnavailable, api.ProblemCodeDraining)
		if err := w.server.Drain(w.Context()); err != nil { // and again
			w.Error(err)
		}
	})
}

func TestASelftestDoesNotNeedTheStore(t *testing.T) {
	inWorld(t, func(w *world) {
		w.server.board.Lost()
		began := time.Now()
		w.selftest("bob").wantTimes(began, 0, time.Second, 2*time.Second, 3*time.Second, 4*time.Second)
	})
}
