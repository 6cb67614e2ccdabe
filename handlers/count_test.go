//go:build !race

package handlers

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
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
		{"a look at one user", "GET", "/v1/presence?user=bea", "", 52},
	} {
		a := newAsking(t, "ada", c.method, c.path, c.body)
		a.do(t)
		if n := testing.AllocsPerRun(200, func() { a.do(t) }); n > c.most {
			t.Errorf("%s makes %v allocations, want at most %v", c.name, n, c.most)
		}
	}
}

// Of users who have been looked at before, each is copied from what was written of him, and nothing else.
func TestCountedAllocationsOfALookAtAHundredUsers(t *testing.T) {
	a := newAsking(t, "ada", "GET", "/v1/presence?"+hundredUsers(), "")
	a.run(t)
	a.do(t)
	if n := testing.AllocsPerRun(200, func() { a.do(t) }); n > 60 {
		t.Errorf("a look at a hundred users makes %v allocations, want at most 60", n)
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

// What a storm of streams allocates is what its collector has to go through: of each stream, and of each user whom it watches.
func TestCountedAllocationsOfAStreamThatOpens(t *testing.T) {
	inWorld(t, func(w *world) {
		w.watch("bob", watchQuery(55)).started() // as others do in a storm
		count := func(users int) (allocations, bytes float64) {
			o := newBegins(w, users)
			for range 20 {
				o.do()
			}
			const streams = 100
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			for range streams {
				o.do()
			}
			runtime.ReadMemStats(&after)
			return float64(after.Mallocs-before.Mallocs) / streams, float64(after.TotalAlloc-before.TotalAlloc) / streams
		}
		few, fewBytes := count(5)
		many, manyBytes := count(55)
		if few > 145 {
			t.Errorf("a stream of 5 users makes %v allocations, want at most 145", few)
		}
		if each := (many - few) / 50; each > 0.2 {
			t.Errorf("each of 50 more users makes %v allocations, want at most 0.2", each)
		}
		if each := (manyBytes - fewBytes) / 50; each > 250 {
			t.Errorf("each of 50 more users takes %v bytes of %v, want at most 250", each, manyBytes)
		}
	})
}

// begins is a stream that is opened again and again, and left as soon as something was written to it.
type begins struct {
	*world
	nowhere
	request *http.Request
	leave   context.CancelFunc
	written bool
}

func newBegins(w *world, users int) *begins {
	r, err := http.NewRequest("GET", "http://presently/v1/stream?"+watchQuery(users), nil)
	if err != nil {
		w.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token("eve", nil))
	return &begins{world: w, nowhere: nowhere{header: http.Header{}}, request: r}
}

func watchQuery(users int) string {
	query := make([]string, users)
	for i := range query {
		query[i] = fmt.Sprint("user=user-", i)
	}
	return strings.Join(query, "&")
}

func (o *begins) Header() http.Header         { return o.nowhere.Header() }
func (o *begins) WriteHeader(status int)      { o.nowhere.WriteHeader(status) }
func (o *begins) Flush()                      {}
func (o *begins) Write(p []byte) (int, error) { o.written = true; o.leave(); return len(p), nil }

func (o *begins) do() {
	var ctx context.Context
	ctx, o.leave = context.WithCancel(context.Background())
	clear(o.header)
	o.written = false
	o.server.ServeHTTP(o, o.request.WithContext(ctx))
	if !o.written || o.status != http.StatusOK {
		o.Fatalf("nothing was written, with status %d", o.status)
	}
	synctest.Wait()
}
