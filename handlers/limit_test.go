package handlers

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/presently/presently/api"
)

// inLimitedWorld is inWorld with rates.
func inLimitedWorld(t *testing.T, story func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		store := newStore()
		o := worldOptions(t, store)
		o.Rates = true
		w := newWorldOf(t, New(o), store)
		w.run()
		story(w)
	})
}

const beatPath = "/v1/presence/heartbeat"

func beatBody(session string) string { return `{"sessionId":"` + session + `"}` }

// wantLimited is wantProblem for a rate, and returns after how long to come back.
func (w *world) wantLimited(r reply) time.Duration {
	w.Helper()
	w.wantProblem(r, http.StatusTooManyRequests, api.ProblemCodeRateLimited)
	after, err := strconv.Atoi(r.header.Get("Retry-After"))
	if err != nil || after < 1 {
		w.Fatalf("Retry-After %q, want whole seconds, at least one", r.header.Get("Retry-After"))
	}
	if !strings.Contains(r.header.Get("RateLimit"), ";r=0;") {
		w.Errorf("RateLimit %s, and yet it is refused", r.header.Get("RateLimit"))
	}
	return time.Duration(after) * time.Second
}

func TestASessionBeatsTwiceAsOftenAsItNeedsTo(t *testing.T) {
	inLimitedWorld(t, func(w *world) {
		for left := 5; left >= 0; left-- {
			r := w.ask("ada", "POST", beatPath, beatBody("session-1"))
			as[api.BeatAnswer](w, r, http.StatusOK)
			if got, want := r.header.Get("RateLimit"), fmt.Sprintf(`"heartbeat";r=%d;t=%d`, left, (6-left)*15); got != want {
				w.Errorf("RateLimit %s, want %s", got, want)
			}
			if got, want := r.header.Get("RateLimit-Policy"), `"heartbeat";q=6;w=90`; got != want {
				w.Errorf("RateLimit-Policy %s, want %s", got, want)
			}
		}
		if after := w.wantLimited(w.ask("ada", "POST", beatPath, beatBody("session-1"))); after != 15*time.Second {
			w.Errorf("come back after %v, want 15s", after)
		}
		w.beat("ada", "session-2", "") // has its own
		w.beat("ben", "session-1", "")
		time.Sleep(15*time.Second - time.Millisecond)
		w.wantLimited(w.ask("ada", "POST", beatPath, beatBody("session-1"), "Prefer: return=minimal"))
		time.Sleep(time.Millisecond)
		r := w.ask("ada", "POST", beatPath, beatBody("session-1"), "Prefer: return=minimal")
		if r.status != http.StatusNoContent || r.header.Get("RateLimit") == "" {
			w.Errorf("%d %v", r.status, r.header)
		}
		w.wantLimited(w.ask("ada", "POST", beatPath, beatBody("session-1")))
	})
}

// A page with a bug beats as fast as it can. It looked to others as if nothing were wrong, and must look so when it is mended.
func TestWhoFloodsAndThenKeepsToTheIntervalIsNeverOffline(t *testing.T) {
	inLimitedWorld(t, func(w *world) {
		w.beat("ada", "session-1", "")
		s := w.watch("eve", "user=ada")
		if _, snapshot, _ := s.started(); snapshot.Presences[0].Status != api.StatusOnline {
			w.Fatalf("%+v", snapshot)
		}
		refused := 0
		for range 5 * 200 { // 200 s
			if r := w.ask("ada", "POST", beatPath, beatBody("session-1"), "Prefer: return=minimal"); r.status != http.StatusNoContent {
				w.wantLimited(r)
				refused++
			}
			time.Sleep(200 * time.Millisecond)
		}
		if refused < 900 {
			w.Errorf("%d of 1000 refused", refused)
		}
		for range 10 {
			r := w.ask("ada", "POST", beatPath, beatBody("session-1"), "Prefer: return=minimal")
			next, _ := strconv.Atoi(r.header.Get("Presence-Next-Ms"))
			if r.status == http.StatusTooManyRequests {
				time.Sleep(w.wantLimited(r))
				continue
			}
			time.Sleep(time.Duration(next) * time.Millisecond)
		}
		s.nothing(0)
	})
}

// One tab of hers makes up sessions, or forgets them; another keeps to the interval.
func TestMadeUpSessionsDoNotStarveARealOne(t *testing.T) {
	inLimitedWorld(t, func(w *world) {
		w.beat("ada", "session-1", "")
		limited, full := 0, 0
		for i := range 300 {
			r := w.ask("ada", "POST", beatPath, beatBody(fmt.Sprint("made-up-", i)))
			switch p := as[api.Problem](w, r, r.status); p.Code {
			case api.ProblemCodeRateLimited:
				limited++
			case api.ProblemCodeTooManySessions:
				full++
			}
			time.Sleep(100 * time.Millisecond)
			if i%100 == 99 {
				w.beat("ada", "session-1", "")
			}
		}
		if full == 0 || limited < 200 {
			w.Errorf("%d refused for the cap, %d for the rate", full, limited)
		}
		w.beat("ben", "session-1", "")
	})
}

func TestEachLimitHoldsForItsUserAndForAllThatItCovers(t *testing.T) {
	privacy := `{"online":"nobody","lastSeen":"nobody","activity":"nobody","typing":"nobody"}`
	for _, test := range []struct {
		name   string
		n      int
		policy string
		every  time.Duration // until one more
		do     [][3]string   // method, path, body: in turns
	}{
		{"settings", 20, `"settings";q=20;w=60`, 3 * time.Second, [][3]string{
			{"PUT", "/v1/presence/status", `{"status":"busy"}`}, {"DELETE", "/v1/presence/status", ""},
			{"PUT", "/v1/presence/custom", `{"text":"Standup"}`}, {"DELETE", "/v1/presence/custom", ""},
			{"PUT", "/v1/presence/activity", `{"sessionId":"session-1","type":"busy"}`}, {"DELETE", "/v1/presence/activity?sessionId=session-1", ""},
			{"PUT", "/v1/presence/privacy", privacy},
			{"PUT", "/v1/contacts/ben", ""}, {"DELETE", "/v1/contacts/ben", ""}, {"PUT", "/v1/blocks/ben", ""}, {"DELETE", "/v1/blocks/ben", ""},
		}},
		{"typing", 5, `"typing";q=5;w=5`, time.Second, [][3]string{
			{"PUT", "/v1/rooms/lobby/typing", `{"sessionId":"session-1"}`}, {"POST", "/v1/rooms/%6Cobby/typing", `{"sessionId":"session-1"}`},
			{"DELETE", "/v1/rooms/lobby/typing", ""},
		}},
		{"query", 60, `"query";q=60;w=60`, time.Second, [][3]string{
			{"GET", "/v1/presence?user=ben", ""}, {"HEAD", "/v1/presence?user=ben", ""}, {"POST", "/v1/presence/query", `{"users":["ben"]}`},
			{"GET", "/v1/rooms/lobby/presence", ""}, {"GET", "/v1/rooms/lobby/count", ""}, {"GET", "/v1/rooms/lobby/typing", ""},
			{"GET", "/v1/users/ben/rooms", ""}, {"POST", "/v1/subscriptions", `{"users":["ben"]}`}, {"GET", "/v1/stats", ""}, {"GET", "/v1/admin/online", ""},
		}},
		{"room", 300, `"room";q=300;w=60`, time.Second / 5, [][3]string{{"PUT", "/v1/rooms/lobby/members/me?sessionId=session-1", ""}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			inLimitedWorld(t, func(w *world) {
				w.beat("ada", "session-1", "")
				w.beat("eve", "session-1", "")
				turn := 0
				do := func(user string) reply {
					op := test.do[turn%len(test.do)]
					turn++
					all := "Authorization: Bearer " + token(user, map[string]any{"scope": strings.Join(scopeNames[:], " ")})
					r := w.ask("", op[0], op[1], op[2], all)
					if got := r.header.Get("RateLimit-Policy"); got != test.policy {
						w.Errorf("%s %s: RateLimit-Policy %s, want %s", op[0], op[1], got, test.policy)
					}
					return r
				}
				for i := range test.n {
					r := do("ada")
					if r.status >= 300 {
						w.Fatalf("%d: %d %s", i, r.status, r.body)
					}
					if got, want := r.header.Get("RateLimit"), fmt.Sprintf(`"%s";r=%d;t=%d`, test.name, test.n-1-i, seconds(test.every*time.Duration(i+1))); got != want {
						w.Errorf("RateLimit %s, want %s", got, want)
					}
				}
				for range test.do {
					if test.do[turn%len(test.do)][0] == "HEAD" {
						turn++
					}
					if after := w.wantLimited(do("ada")); after != max(test.every, time.Second) {
						w.Errorf("come back after %v, want %v", after, max(test.every, time.Second))
					}
				}
				if r := do("eve"); r.status >= 300 {
					w.Errorf("another user: %d %s", r.status, r.body)
				}
				time.Sleep(test.every)
				if r := do("ada"); r.status >= 300 {
					w.Errorf("in time: %d %s", r.status, r.body)
				}
				turn = 0
				w.wantLimited(do("ada"))
			})
		})
	}
}

func TestTypingIsLimitedInEachRoom(t *testing.T) {
	inLimitedWorld(t, func(w *world) {
		w.beat("ada", "session-1", "")
		for range 5 {
			as[any](w, w.ask("ada", "PUT", "/v1/rooms/lobby/typing", beatBody("session-1")), http.StatusNoContent)
		}
		w.wantLimited(w.ask("ada", "PUT", "/v1/rooms/lobby/typing", beatBody("session-1")))
		as[any](w, w.ask("ada", "PUT", "/v1/rooms/attic/typing", beatBody("session-1")), http.StatusNoContent)
	})
}

// A refused change is no change.
func TestWhatARateRefusesHasNotHappened(t *testing.T) {
	inLimitedWorld(t, func(w *world) {
		w.beat("ada", "session-1", "")
		for range 20 {
			w.choose("ada", `{"status":"busy"}`)
		}
		w.wantLimited(w.ask("ada", "PUT", "/v1/presence/status", `{"status":"dnd"}`))
		if got := w.see("eve", "ada").Status; got != api.StatusBusy {
			w.Errorf("%s, want busy", got)
		}
	})
}

func TestOneUserIsReadWithoutLimit(t *testing.T) {
	inLimitedWorld(t, func(w *world) {
		for _, path := range []string{"/v1/presence/ben", "/v1/presence/me", "/v1/presence/me/sessions", "/v1/presence/privacy", "/v1/contacts", "/v1/blocks"} {
			for range 100 {
				if r := w.ask("ada", "GET", path, ""); r.status != http.StatusOK || r.header.Get("RateLimit") != "" {
					w.Fatalf("%s: %d %v", path, r.status, r.header)
				}
			}
		}
	})
}

// Who has no good token is refused for that, however often, and uses up nobody's tokens.
func TestWhoIsNotLetInIsNotLimited(t *testing.T) {
	inLimitedWorld(t, func(w *world) {
		for range 100 {
			for _, headers := range [][]string{{"Authorization: Bearer nonsense"}, {granting(ScopeStats)}} {
				r := w.ask("", "PUT", "/v1/presence/status", `{"status":"busy"}`, headers...)
				if r.status != http.StatusUnauthorized && r.status != http.StatusForbidden || r.header.Get("RateLimit") != "" {
					w.Fatalf("%d %v", r.status, r.header)
				}
			}
		}
		w.beat("ada", "session-1", "")
		w.choose("ada", `{"status":"busy"}`)
	})
}

func TestWithoutRatesTheCapsStay(t *testing.T) {
	inWorld(t, func(w *world) {
		for i := range 200 {
			r := w.ask("ada", "POST", beatPath, beatBody(fmt.Sprint("session-", i%20)))
			if r.status != http.StatusOK || r.header.Get("RateLimit") != "" || r.header.Get("RateLimit-Policy") != "" {
				w.Fatalf("%d %v", r.status, r.header)
			}
			if r := w.ask("ada", "PUT", "/v1/presence/status", `{"status":"busy"}`); r.status != http.StatusOK {
				w.Fatalf("%d %s", r.status, r.body)
			}
		}
		w.wantProblem(w.ask("ada", "POST", beatPath, beatBody("one-too-many")), http.StatusTooManyRequests, api.ProblemCodeTooManySessions)
	})
}

func TestEachLimitedOperationIsThere(t *testing.T) {
	server := newServer(t, newStore())
	var there []operation
	err := chi.Walk(server.router.(chi.Routes), func(method, route string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		there = append(there, operation{method, route})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for op := range newLimits(worldPolicy).of {
		if !slices.Contains(there, op) {
			t.Errorf("%s %s is no operation", op.method, op.route)
		}
	}
}

func TestBucketsAreForgottenWhenTheyAreFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimit("query", 60, time.Minute, 60)
		for i := range 1000 {
			l.take(bucketKey{user: fmt.Sprint(i)})
		}
		time.Sleep(59 * time.Second)
		l.take(bucketKey{user: "7"}) // is used again, and so stays
		time.Sleep(time.Second)
		for range 500 {
			l.take(bucketKey{user: "ada"})
		}
		if got := l.len(); got != 2 || !l.knows(bucketKey{user: "7"}) || !l.knows(bucketKey{user: "ada"}) {
			t.Errorf("%d buckets", got)
		}
	})
}

func TestThereAreNeverMoreBucketsThanMayBe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimit("query", 60, time.Minute, 60)
		for i := range bucketsKept + 10 {
			l.take(bucketKey{user: fmt.Sprint(i)})
		}
		if got := l.len(); got != bucketsKept || l.order.Len() != bucketsKept {
			t.Errorf("%d buckets in a list of %d, want %d", got, l.order.Len(), bucketsKept)
		}
		if l.knows(bucketKey{user: "9"}) || !l.knows(bucketKey{user: "10"}) {
			t.Error("others than the oldest were forgotten")
		}
	})
}

// Short intervals are for tests, and must not make a zero of anything.
func TestLimitsOfShortIntervalsTellWholeSeconds(t *testing.T) {
	policy := worldPolicy
	policy.Heartbeat = 10 * time.Millisecond
	l, h := newLimits(policy), http.Header{}
	for range 6 {
		if err := l.beat(h, "ada", "session-1"); err != nil {
			t.Fatal(err)
		}
	}
	if got := h.Get("RateLimit-Policy"); got != `"heartbeat";q=6;w=1` {
		t.Errorf("RateLimit-Policy %s", got)
	}
	if got := h.Get("RateLimit"); !strings.HasSuffix(got, ";t=1") {
		t.Errorf("RateLimit %s", got)
	}
}

func BenchmarkHeartbeatWithinItsLimit(b *testing.B) {
	l := newLimits(worldPolicy)
	l.heartbeat = newLimit("heartbeat", 1_000_000, time.Second, 1_000_000_000) // enough for all, and never full
	users := make([]string, 10_000)
	for i := range users {
		users[i] = fmt.Sprint("user-", i)
	}
	h := http.Header{}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if err := l.beat(h, users[i%len(users)], "session-1"); err != nil {
			b.Fatal(err)
		}
	}
}

// Each room that somebody has been in is remembered for a while. Who names fifty others with each beat filled Redis with them; and who is in his rooms, and
// stays there, must not lose them because somebody, be it another tab of his own, did that.
func TestBeatsBringNobodyIntoRoomsWithoutEnd(t *testing.T) {
	inLimitedWorld(t, func(w *world) {
		named := func(from, n int) string {
			var rooms []string
			for i := range n {
				rooms = append(rooms, fmt.Sprintf("%q", fmt.Sprint("room-", from+i)))
			}
			return `,"rooms":[` + strings.Join(rooms, ",") + `]`
		}
		w.beat("ada", "session-0", `,"rooms":["lobby"]`)
		came := 1
		for i := range 6 {
			came += len(w.beat("ada", fmt.Sprint("session-", i+1), named(50*i, 50)).Session.Rooms)
		}
		if came != 301 { // the last one brings him beyond what there was
			t.Errorf("in %d rooms", came)
		}
		a := w.beat("ada", "session-7", named(1000, 50))
		if len(a.Session.Rooms) > 0 || len(a.RefusedRooms) > 0 || a.Presence.Status != api.StatusOnline {
			t.Errorf("past the limit: in %d rooms, %d refused, %s", len(a.Session.Rooms), len(a.RefusedRooms), a.Presence.Status)
		}
		for _, rooms := range []string{`,"rooms":["lobby"]`, `,"rooms":[]`, named(2000, 1), ""} { // he stays, whatever is said
			if a := w.beat("ada", "session-0", rooms); !slices.Equal(a.Session.Rooms, []string{"lobby"}) {
				t.Errorf("%s: in %v", rooms, a.Session.Rooms)
			}
		}
		if after := w.wantLimited(w.ask("ada", "PUT", "/v1/rooms/den/members/me?sessionId=session-0", "")); after > time.Second {
			t.Errorf("come back after %v", after)
		}
		w.beat("ben", "session-0", named(0, 50))
		time.Sleep(time.Second)
		if a := w.beat("ada", "session-0", `,"rooms":["den"]`); !slices.Equal(a.Session.Rooms, []string{"den"}) {
			t.Errorf("a second later: in %v", a.Session.Rooms)
		}
		for range 40 { // who names the same again has come into nothing
			time.Sleep(15 * time.Second)
			w.beat("ada", "session-0", `,"rooms":["den"]`)
			w.beat("ada", "session-1", named(0, 50))
		}
		if a := w.beat("ada", "session-2", named(50, 49)); len(a.Session.Rooms) != 49 {
			t.Errorf("who only goes: in %d", len(a.Session.Rooms))
		}
	})
}
