package e2e

import (
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/presently/presently/api"
	"github.com/presently/presently/internal/redistest"
)

// A deployment: the instance is asked to stop, and nobody whom it served is thought to have gone.
func TestStoppingAnInstanceMovesItsStreamsAndMakesNobodyOffline(t *testing.T) {
	t.Parallel()
	a, b := startPair(t, redistest.Start(t).URL(), "PRESENTLY_DRAIN=4s", "PRESENTLY_GRACE=100ms")
	a.as("ada").beat("session-1")
	b.as("canary").beat("canary-session")
	elsewhere := b.as("eve").watch("ada", "canary")
	var here []*watching
	for _, viewer := range []string{"v1", "v2", "v3", "v4"} {
		here = append(here, a.as(viewer).watch("ada"))
	}
	a.program.ask()
	waitUntil(t, "the first stream has ended", func() bool {
		for _, w := range here {
			select {
			case <-w.done:
				return true
			default:
			}
		}
		return false
	})
	if got := a.readiness(); got != http.StatusServiceUnavailable {
		t.Errorf("readiness is %d while streams drain", got)
	}
	if r, err := a.as("late").ask(soon(t), "GET", "/v1/stream?user=ada", ""); err != nil || decode[api.Problem](t, r.body).Code != api.ProblemCodeDraining {
		t.Errorf("a new stream at an instance that drains: %d %s, %v", r.status, r.body, err)
	}
	a.as("ada").beat("session-1") // requests are answered to the end
	for _, w := range here {
		e := w.await("reconnect")
		if got := decode[api.ReconnectEvent](t, []byte(e.data)); got.Reason != api.ReconnectReasonDrain || w.retryOf("reconnect") != strconv.FormatInt(got.AfterMs, 10) {
			t.Errorf("%+v with retry: %q", got, w.retryOf("reconnect"))
		}
		if e, open := w.take(); open {
			t.Errorf("%s %s after reconnect", e.name, e.data)
		}
	}
	if status := a.program.wait(stopping); status != 0 {
		t.Errorf("ends with status %d", status)
	}
	quiet(time.Now().Add(time.Second).UnixMicro(), b.as("canary"), elsewhere)
	if got := b.as("eve").see("ada").Status; got != "online" {
		t.Errorf("ada is %s", got)
	}
}

func TestStreamsOfAnInstanceThatWasStoppedGoOnAtAnother(t *testing.T) {
	t.Parallel()
	a, b := startPair(t, redistest.Start(t).URL())
	a.as("ada").beat("session-1")
	w := a.as("eve").watch("ada", "ben")
	a.program.ask()
	w.await("reconnect")
	b.as("ben").beat("session-1")
	again := b.as("eve").open(w.lastID(), "ada", "ben")
	again.snapshot()
	if p := again.in("ben"); p.Status != "online" || !again.hello.Resumed {
		t.Errorf("%s, resumed %t after %q", show(p), again.hello.Resumed, w.lastID())
	}
}

// kill -9 says nothing to anybody: an instance that has gone is no user who has.
func TestWhoBeatAtAnInstanceThatIsKilledStaysUntilHisDeadline(t *testing.T) {
	t.Parallel()
	a, b := startPair(t, redistest.Start(t).URL(), "PRESENTLY_TTL=3s", "PRESENTLY_SWEEP=100ms", "PRESENTLY_GRACE=100ms")
	w := b.as("eve").watch("ada")
	answer := a.as("ada").beat("session-1")
	w.told("ada", "online")
	a.kill()
	if p := w.told("ada", "offline"); p.Rev < micros(t, answer.Session.Deadline) {
		t.Errorf("offline before the deadline %s: %s", answer.Session.Deadline, show(p))
	}
}
