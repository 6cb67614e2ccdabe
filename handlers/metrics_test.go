package handlers

import (
	"bufio"
	"bytes"
	"context"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/presently/presently/api"
	"github.com/presently/presently/presence"
)

// metrics reads what the world's server tells of itself, by name and labels as they are written.
func (w *world) metrics() map[string]float64 {
	w.Helper()
	r := w.ask("", "GET", "/metrics", "")
	if r.status != http.StatusOK {
		w.Fatalf("%d %s", r.status, r.body)
	}
	all := map[string]float64{}
	for lines := bufio.NewScanner(bytes.NewReader(r.body)); lines.Scan(); {
		name, value, ok := strings.Cut(lines.Text(), " ")
		if n, err := strconv.ParseFloat(value, 64); ok && err == nil {
			all[name] = n
		}
	}
	return all
}

// wantMetrics fails where one of these is another.
func (w *world) wantMetrics(want map[string]float64) {
	w.Helper()
	got := w.metrics()
	for name, n := range want {
		if value, ok := got[name]; !ok || value != n {
			w.Errorf("%s is %v (there: %t), want %v", name, value, ok, n)
		}
	}
}

func TestHeartbeatsAreCountedByWhatBecameOfThem(t *testing.T) {
	inMoodyWorld(t, func(w *world, m *moody) {
		beat := w.beat("ada", "session-1", `,"seq":1`)
		w.beat("ada", "session-1", `,"seq":2`)
		w.beat("ada", "session-1", `,"seq":3,"state":"busy"`)
		w.beat("ada", "session-1", `,"seq":1,"state":"idle"`)
		for range 2 {
			w.ask("", "POST", "/v1/presence/leave", `{"leaveToken":"`+beat.LeaveToken+`"}`)
			w.beat("ada", "session-1", `,"state":"busy"`)
		}
		w.beat("ada", "session-1", `,"state":"busy"`)
		for _, err := range []error{presence.ErrUnavailable, presence.ErrTooManySessions} {
			m.mood(func() error { return err })
			w.ask("ada", "POST", beatPath, `{"sessionId":"session-1","state":"dnd"}`)
		}
		m.mood(nil)
		w.wantMetrics(map[string]float64{
			`presently_heartbeats_total{result="changed",state="online"}`: 1,
			`presently_heartbeats_total{result="steady",state="online"}`:  1,
			`presently_heartbeats_total{result="changed",state="busy"}`:   1,
			`presently_heartbeats_total{result="old",state="away"}`:       1,
			`presently_heartbeats_total{result="steady",state="busy"}`:    3,
			`presently_heartbeats_total{result="failed",state="dnd"}`:     1,
			`presently_heartbeats_total{result="refused",state="dnd"}`:    1,
			`presently_flaps_total`:                      2,
			`presently_transitions_total{cause="beat"}`:  2,
			`presently_transitions_total{cause="lapse"}`: 0,
			`presently_heartbeat_interval_seconds`:       30,
		})
		time.Sleep(2 * time.Minute)
		w.wantMetrics(map[string]float64{`presently_transitions_total{cause="lapse"}`: 1})
	})
}

func TestUsersAndSessionsAreCountedButNotAtEachQuestion(t *testing.T) {
	inMoodyWorld(t, func(w *world, m *moody) {
		w.beat("ada", "session-1", "")
		w.beat("ada", "session-2", "")
		w.beat("ben", "session-1", "")
		w.wantMetrics(map[string]float64{"presently_users": 2, "presently_sessions": 3})
		w.beat("cleo", "session-1", "")
		w.wantMetrics(map[string]float64{"presently_users": 2, "presently_sessions": 3})
		time.Sleep(censusEvery)
		w.wantMetrics(map[string]float64{"presently_users": 3, "presently_sessions": 4})
		time.Sleep(censusEvery)
		m.mood(func() error { return presence.ErrUnavailable })
		if n, ok := w.metrics()["presently_users"]; ok {
			w.Errorf("%v users, while nobody knows", n)
		}
	})
}

func TestStreamsAreCountedByHowTheyBeginAndWhyTheyEnd(t *testing.T) {
	inWorld(t, func(w *world) {
		w.beat("ada", "session-1", "")
		client := w.watch("eve", "user=ada")
		_, _, first := client.started()
		w.wantMetrics(map[string]float64{"presently_streams": 1, `presently_stream_opens_total{how="new"}`: 1, "presently_stream_pending": 0})
		client.cancel()
		resumed := w.watch("eve", "user=ada&lastEventId="+first.id)
		resumed.next("hello")
		anew := w.watch("eve", "user=ada&lastEventId=nonsense")
		anew.started()
		resumed.cancel()
		anew.cancel()
		drain := func(s *watching) {
			for range s.events {
			}
		}
		drain(w.watch("", "user=ada", "Authorization: Bearer "+token("eve", map[string]any{"exp": time.Now().Add(5 * time.Second).Unix()})))
		drain(w.watch("eve", "user=ada"))
		sub := w.subscribe("eve", `{"users":["ada"]}`)
		s := w.follow(sub)
		w.onSubscription("eve", "DELETE", sub.ID, "", "")
		drain(s)
		s = w.watch("eve", "user=ada")
		if err := w.server.Drain(context.Background()); err != nil {
			w.Fatal(err)
		}
		drain(s)
		synctest.Wait()
		w.wantMetrics(map[string]float64{
			"presently_streams": 0, "presently_draining": 1,
			`presently_stream_opens_total{how="new"}`:                                     5,
			`presently_stream_opens_total{how="resumed"}`:                                 1,
			`presently_stream_opens_total{how="snapshot"}`:                                1,
			`presently_stream_closes_total{reason="client"}`:                              3,
			`presently_stream_closes_total{reason="tokenExpired"}`:                        1,
			`presently_stream_closes_total{reason="maxAge"}`:                              1,
			`presently_stream_closes_total{reason="subscriptionGone"}`:                    1,
			`presently_stream_closes_total{reason="drain"}`:                               1,
			`presently_stream_closes_total{reason="stuck"}`:                               0,
			`presently_http_requests_total{method="GET",route="/v1/stream",status="200"}`: 7,
		})
	})
}

// A pause between two flushes is all that virtual time lets pass.
func TestTheWayFromAChangeToTheStreamIsMeasured(t *testing.T) {
	inWorld(t, func(w *world) {
		w.beat("ada", "session-1", "")
		s := w.watch("eve", "user=ada")
		s.started()
		time.Sleep(time.Second)
		w.choose("ada", `{"status":"busy"}`)
		s.presence()
		w.choose("ada", `{"status":"dnd"}`)
		s.presence()
		synctest.Wait() // a reader has an event before its write is counted
		got := w.metrics()
		const name = "presently_stream_latency_seconds"
		if got[name+"_count"] != 2 || got[name+"_sum"] != .25 || got[name+`_bucket{le="0.001"}`] != 1 {
			w.Errorf("%v changes in %v s, %v of them at once; want 2 in 0.25 s, 1 of them at once", got[name+"_count"], got[name+"_sum"], got[name+`_bucket{le="0.001"}`])
		}
		if got["presently_stream_write_seconds_count"] < 3 {
			w.Errorf("%v writes", got["presently_stream_write_seconds_count"])
		}
	})
}

func TestRequestsAreCountedByOperationAndNeverByWhatStrangersInvent(t *testing.T) {
	inWorld(t, func(w *world) {
		for _, path := range []string{"/v1/presence/ben", "/v1/presence/cleo", "/v1/presence/%F0%9F%98%80"} {
			w.ask("ada", "GET", path, "")
		}
		w.ask("", "GET", "/v1/presence/ben", "")
		w.ask("ada", "HEAD", "/v1/presence/ben", "")
		for _, path := range []string{"/nothing", "/v1/presence/ben/x"} {
			w.ask("ada", "GET", path, "")
		}
		for _, method := range []string{"BREW", "WHEN", "PATCH"} {
			w.ask("ada", method, "/v1/presence/ben", "")
			w.ask("ada", method, "/v1/presence/heartbeat", "")
		}
		w.wantMetrics(map[string]float64{
			`presently_http_requests_total{method="GET",route="/v1/presence/{userId}",status="200"}`:    3,
			`presently_http_requests_total{method="GET",route="/v1/presence/{userId}",status="401"}`:    1,
			`presently_http_requests_total{method="HEAD",route="/v1/presence/{userId}",status="200"}`:   1,
			`presently_http_requests_total{method="",route="",status="404"}`:                            2,
			`presently_http_requests_total{method="",route="",status="405"}`:                            6,
			`presently_http_request_duration_seconds_count{method="GET",route="/v1/presence/{userId}"}`: 4,
		})
	})
}

// Labels are words of ours: what people are called, and where they are, is nobody's business who looks at a dashboard.
func TestMetricsNameNobody(t *testing.T) {
	inWorld(t, func(w *world) {
		beat := w.beat("ada", "session-1", `,"rooms":["lobby"],"device":"phone"`)
		w.choose("ada", `{"status":"busy"}`)
		w.typeIn("ada", "session-1", "lobby", "")
		sub := w.subscribe("eve", `{"users":["ada"],"rooms":["lobby"]}`)
		s := w.follow(sub)
		s.next("hello")
		w.ask("eve", "GET", "/v1/rooms/lobby/presence", "")
		w.ask("eve", "GET", "/v1/users/ada/rooms", "")
		w.ask("", "POST", "/v1/presence/leave", `{"leaveToken":"`+beat.LeaveToken+`"}`)
		w.onSubscription("eve", "DELETE", sub.ID, "", "")
		w.ask("eve", "GET", "/v1/presence/ada?x=secret", "")
		text := string(w.ask("", "GET", "/metrics", "").body)
		for _, id := range []string{`ada`, `eve`, `lobby`, `phone`, `session-1`, sub.ID, sub.Ticket, beat.LeaveToken, "secret"} {
			for line := range strings.SplitSeq(text, "\n") {
				if !strings.HasPrefix(line, "#") && strings.Contains(line, id) {
					w.Errorf("%s is in %s", id, line)
				}
			}
		}
	})
}

func TestMetricsWithAnAddressOfTheirOwnAreNotHere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newStore()
		o := worldOptions(t, store)
		o.Metrics = nil
		w := newWorldOf(t, New(o), store)
		w.wantProblem(w.ask("", "GET", "/metrics", ""), http.StatusNotFound, api.ProblemCodeNotFound)
	})
}

func TestRefusalsOfRatesAreCounted(t *testing.T) {
	inLimitedWorld(t, func(w *world) {
		for range 8 {
			w.ask("ada", "POST", beatPath, beatBody("session-1"))
		}
		w.wantMetrics(map[string]float64{
			`presently_rate_limited_total{limit="heartbeat"}`:                                          2,
			`presently_rate_limited_total{limit="query"}`:                                              0,
			`presently_rate_limit_buckets{limit="heartbeat"}`:                                          1,
			`presently_rate_limit_buckets{limit="typing"}`:                                             0,
			`presently_heartbeats_total{result="refused",state="online"}`:                              2,
			`presently_http_requests_total{method="POST",route="/v1/presence/heartbeat",status="429"}`: 2,
		})
	})
}

// silent is a feed that hears nothing.
type silent struct{}

func (silent) Changed(presence.Change) {}
func (silent) Beacon(presence.Beacon)  {}
func (silent) Missed(int)              {}
func (silent) Lost()                   {}
func (silent) Found()                  {}

func TestHowWellTheStoreIsHeardIsMeasured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, newStore())
		m := w.server.metrics
		feed := m.hearing(silent{}, w.server.panics, 2)
		beacons := func(epoch int64, held presence.Version) {
			for lane := range 2 {
				feed.Beacon(presence.Beacon{Lane: lane, Head: presence.Head{Epoch: epoch}, Now: 1, Held: held})
			}
		}
		feed.Missed(0) // before anything was heard
		beacons(7, 0)
		time.Sleep(2 * time.Second)
		feed.Beacon(presence.Beacon{Lane: 1, Head: presence.Head{Epoch: 7}})
		time.Sleep(time.Second)
		w.wantMetrics(map[string]float64{
			"presently_beacon_age_seconds": 3, "presently_lane_gaps_total": 0, "presently_epochs_total": 0, "presently_held_lanes": 0,
			"presently_degraded": 0, "presently_degraded_seconds_total": 0,
		})
		feed.Lost()
		feed.Lost()
		time.Sleep(4 * time.Second)
		w.wantMetrics(map[string]float64{"presently_degraded": 1, "presently_degraded_seconds_total": 4})
		feed.Missed(0)
		feed.Missed(1)
		beacons(8, 9)
		feed.Found()
		time.Sleep(time.Second)
		feed.Changed(presence.Change{Cause: "of another version", User: "ada"})
		feed.Changed(presence.Change{Subscription: "one"})
		w.wantMetrics(map[string]float64{
			"presently_degraded": 0, "presently_degraded_seconds_total": 4, "presently_lane_gaps_total": 2, "presently_epochs_total": 2,
			"presently_held_lanes": 2, "presently_beacon_age_seconds": 1, `presently_transitions_total{cause="other"}`: 1,
		})
	})
}

// What is counted with every beat, request and write is free.
func TestCountingDoesNotAllocate(t *testing.T) {
	m := newServer(t, newStore()).metrics
	x := &exchange{ResponseWriter: nobody{}, status: http.StatusOK}
	n := testing.AllocsPerRun(1000, func() {
		m.beat(presence.Busy, presence.Beaten{Steady: true, Returned: true}, nil)
		m.answered("GET", "/v1/presence/{userId}", x, time.Millisecond)
		m.write(time.Millisecond, time.Microsecond)
		m.opens("", false)
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkCountingARequest(b *testing.B) {
	m := newServer(b, newStore()).metrics
	x := &exchange{ResponseWriter: nobody{}, status: http.StatusNoContent}
	b.ReportAllocs()
	for b.Loop() {
		m.answered("POST", beatPath, x, time.Millisecond)
		m.beat(presence.Online, presence.Beaten{Steady: true}, nil)
	}
}

// nobody is whom an answer goes to that is not looked at.
type nobody struct{ http.ResponseWriter }

var noHeader = http.Header{}

func (nobody) Header() http.Header { return noHeader }
