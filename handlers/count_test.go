//go:build !race

package handlers

import (
	"testing"
	"time"
)

// What is counted here is the same on every machine, however busy: see docs/performance.md. Counts may only fall. The race detector
// would add to them: `make test-counts` runs these, without it.

func TestCountedAllocationsOfARequest(t *testing.T) {
	for _, c := range []struct {
		name, method, path, body string
		most                     float64
	}{
		{"a steady heartbeat", "POST", "/v1/presence/heartbeat", `{"sessionId":"session-1","state":"online"}`, 42},
		{"a look at one user", "GET", "/v1/presence?user=bea", "", 46},
	} {
		a := newAsking(t, "ada", c.method, c.path, c.body)
		a.do(t)
		if n := testing.AllocsPerRun(200, func() { a.do(t) }); n > c.most {
			t.Errorf("%s makes %v allocations, want at most %v", c.name, n, c.most)
		}
	}
}

// What goes over the wire for one change, to each who watches.
func TestCountedBytesOfAnEvent(t *testing.T) {
	inWorld(t, func(w *world) {
		w.beat("ada", "session-1", "")
		time.Sleep(time.Second)
		s := w.watch("bob", "user=ada")
		s.started()
		w.beat("ada", "session-1", `,"state":"busy"`)
		e := s.next("presence")
		if n := len("event: presence\nid: \ndata: \n\n") + len(e.id) + len(e.data); n > 200 {
			t.Errorf("a change of one user is %d bytes: %+v", n, e)
		}
	})
}
