package handlers

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/presently/presently/api"
)

// retryMs is the reconnection time that an event sets.
func (e event) retryMs() int {
	n, _ := strconv.Atoi(e.retry)
	return n
}

func TestAStreamBeginsAtOnceAndAsksNobodyToKeepIt(t *testing.T) {
	inWorld(t, func(w *world) {
		retries := map[int]bool{}
		for i := range 20 {
			began := time.Now()
			s := w.watch(fmt.Sprintf("bob-%d", i), "user=ada", "Accept-Encoding: gzip, br, deflate, zstd", "Accept: */*")
			for name, want := range map[string]string{
				"Content-Type": "text/event-stream", "Cache-Control": "no-cache, no-store, no-transform", "X-Accel-Buffering": "no", "Content-Encoding": "", "Content-Length": "",
			} {
				if got := strings.Join(s.header.Values(name), "|"); got != want {
					w.Errorf("%s: %q, want %q", name, got, want)
				}
			}
			e := s.next("hello")
			hello := decodeEvent[api.HelloEvent](s, e)
			if e.at != began || e.id != "" || hello.StreamID == "" || hello.SubscriptionID != nil || hello.Limits != (api.StreamLimits{Users: 100, Rooms: 50}) || hello.PingMs != 30_000 {
				w.Errorf("%+v %+v", e, hello)
			}
			if ms := e.retryMs(); ms < 2000 || ms > 5000 {
				w.Errorf("retry %q, want 2000 to 5000", e.retry)
			}
			retries[e.retryMs()] = true
			if e := s.next("snapshot"); e.at != began || e.id == "" {
				w.Errorf("%+v", e)
			}
		}
		if len(retries) < 10 {
			w.Errorf("all come back after %v", retries)
		}
	})
}

func TestHeadOfAStreamIsItsHeadersAndNoStream(t *testing.T) {
	inWorld(t, func(w *world) {
		for range 2 * streamsAUser { // which do not count
			r := w.ask("bob", "HEAD", "/v1/stream?user=ada", "")
			if r.status != http.StatusOK || r.header.Get("Content-Type") != "text/event-stream" || r.header.Get("X-Accel-Buffering") != "no" || len(r.body) > 0 {
				w.Fatalf("%+v", r)
			}
		}
		if got := w.server.hub.Len(); got != 0 {
			w.Errorf("%d streams", got)
		}
	})
}

func TestAQuietStreamIsKeptAwake(t *testing.T) {
	inWorld(t, func(w *world) {
		s := w.watch("bob", "user=ada")
		s.started()
		began := time.Now()
		time.Sleep(5*time.Minute + time.Second)
		synctest.Wait()
		count, last := map[string]int{}, began
		for len(s.events) > 0 {
			e := <-s.events
			count[e.name]++
			if quiet := e.at.Sub(last); quiet > commentEvery {
				w.Errorf("nothing for %s", quiet)
			}
			last = e.at
			if e.name != "ping" {
				continue
			}
			at := e.at.Sub(began)
			if p := decodeEvent[api.PingEvent](s, e); at%pingEvery != 0 || e.id != "" || p.ServerTime[:19] != formatTime(e.at.Add(-time.Microsecond))[:19] {
				w.Errorf("ping after %s: %+v", at, e)
			}
		}
		if count["ping"] != 10 || count["comment"] != 20 {
			w.Errorf("%v, want 10 pings and 20 comments", count)
		}
	})
}

func TestARefusalIsAnEventWhereTheClientAsksForThat(t *testing.T) {
	bearer := func(user string, claims map[string]any) string { return "Authorization: Bearer " + token(user, claims) }
	for _, test := range []struct {
		name, query string
		headers     []string
		before      func(w *world, m *moody)
		code        api.ProblemCode
		status      int32
		final       bool
	}{
		{name: "no token", query: "user=ada", code: "missing_token", status: 401, final: true},
		{name: "a bad token", query: "user=ada", headers: []string{"Authorization: Bearer x"}, code: "invalid_token", status: 401, final: true},
		{name: "an old token", query: "user=ada", headers: []string{bearer("bob", map[string]any{"exp": 1})}, code: "token_expired", status: 401},
		{name: "a token for less", query: "user=ada", headers: []string{bearer("bob", map[string]any{"scope": "presence:write"})}, code: "insufficient_scope", status: 403, final: true},
		{name: "nobody to watch", query: "", code: "validation_failed", status: 400, final: true},
		{name: "no user", query: "user=..", code: "validation_failed", status: 400, final: true},
		{name: "too many users", query: strings.Repeat("user=ada&", 101), code: "validation_failed", status: 400, final: true},
		{name: "half a query", query: "user=%zz", code: "validation_failed", status: 400, final: true},
		{name: "two ids", query: "user=ada&lastEventId=a&lastEventId=b", code: "validation_failed", status: 400, final: true},
		{name: "too many streams", query: "user=ada", code: "too_many_streams", status: 429, before: func(w *world, _ *moody) {
			for range streamsAUser {
				w.watch("bob", "user=ada").started()
			}
		}},
		{name: "draining", query: "user=ada", code: "draining", status: 503, before: func(w *world, _ *moody) {
			if err := w.server.Drain(w.Context()); err != nil {
				w.Fatal(err)
			}
		}},
		{name: "no store", query: "user=ada", code: "store_unavailable", status: 503, before: func(_ *world, m *moody) {
			m.mood(func() error { return errStoreAway })
		}},
		{name: "a fault", query: "user=ada", code: "internal", status: 500, before: func(_ *world, m *moody) {
			m.mood(func() error { return io.ErrShortBuffer })
		}},
	} {
		inMoodyWorld(t, func(w *world, m *moody) {
			if test.before != nil {
				test.before(w, m)
			}
			user := "bob"
			if test.name == "no token" {
				user = ""
			}
			s := w.watch(user, test.query+"&errors=stream", test.headers...)
			e := s.next("problem")
			p := decodeEvent[api.Problem](s, e)
			if p.Code != test.code || p.Status != test.status || p.Final == nil || *p.Final != test.final || p.Detail == "" || p.RequestID != s.header.Get("X-Request-Id") {
				w.Errorf("%s: %s, want %d %s, final %t", test.name, e.data, test.status, test.code, test.final)
			}
			if ms := e.retryMs(); ms < 2000 || ms > 5000 || e.id != "" {
				w.Errorf("%s: %+v, want to be told to come back after 2 to 5 s", test.name, e)
			}
			if e, open := <-s.events; open {
				w.Errorf("%s: the stream goes on: %+v", test.name, e)
			}
			// And without being asked for that, it is a status.
			r := w.ask(user, "GET", "/v1/stream?"+test.query+"&errors=http", "", test.headers...)
			w.wantProblem(r, int(test.status), test.code)
		})
	}
}

func TestHowErrorsLookIsAskedForInTheContractsWords(t *testing.T) {
	inWorld(t, func(w *world) {
		for _, mode := range []string{"Stream", "", "sse", "stream,http"} {
			w.wantInvalid(w.ask("bob", "GET", "/v1/stream?user=ada&errors="+url.QueryEscape(mode), ""), "/errors")
		}
	})
}

func TestTheHeaderOfTheLastIDWinsOverTheQuery(t *testing.T) {
	inWorld(t, func(w *world) {
		time.Sleep(time.Second)
		s := w.watch("bob", "user=ada")
		_, _, last := s.started()
		s.cancel()
		for _, test := range []struct {
			query, header string
			resumed       bool
		}{
			{"&lastEventId=nonsense", last.id, true},
			{"&lastEventId=" + last.id, "nonsense", false},
			{"&lastEventId=" + last.id, "", true},
			{"", last.id, true},
			{"", last.id + "A", false},
			{"", strings.ToUpper(last.id), false},
			{"&lastEventId=%00%0a", "", false},
			{"&lastEventId=" + strings.Repeat("A", 5000), "", false},
		} {
			var headers []string
			if test.header != "" {
				headers = []string{"Last-Event-ID: " + test.header}
			}
			s := w.watch("bob", "user=ada"+test.query, headers...)
			if hello := decodeEvent[api.HelloEvent](s, s.next("hello")); hello.Resumed != test.resumed {
				w.Errorf("query %q, header %q: resumed %t", test.query, test.header, hello.Resumed)
			}
			s.cancel()
			synctest.Wait()
		}
	})
}

// What people are called, and whom one asks for, comes from people.
func TestNoNameForgesAnEvent(t *testing.T) {
	names := []string{
		`"}]}`, `\n\nevent: problem`, "event: problem", "data: {}", ": comment", "id: 1", "retry: 0", "</script><script>alert(1)</script>", "a\u2028b\u2029c", "\ufeff", "\u202eabc", "🙂", "\\u000a", `\u000a`, "&lt;", "%0a%0a",
	}
	inWorld(t, func(w *world) {
		users := []string{"data:", "event: x", ": x", `"},{`, "<img src=x>", "💥"}
		query := url.Values{"user": users}.Encode()
		s := w.watch("bob", query)
		_, snap, _ := s.started()
		for i, p := range snap.Presences {
			if p.UserID != users[i] {
				w.Errorf("%q, want %q", p.UserID, users[i])
			}
		}
		for i, name := range names {
			time.Sleep(time.Second)
			user := users[i%len(users)]
			as[api.BeatAnswer](w, w.ask("", "POST", "/v1/presence/heartbeat", `{"sessionId":"session-1"}`,
				"Authorization: Bearer "+token(user, map[string]any{"profile": map[string]string{"name": name, "avatar": name}})), http.StatusOK)
			if p := s.presence(); p.UserID != user || *p.Profile.Name != name || *p.Profile.Avatar != name {
				w.Errorf("%q called %q: %+v", user, name, p)
			}
		}
		for _, name := range []string{"a\nb", "a\rb", "a\x00b", "a\u0085b", "a\x1bb", "a\x7fb"} {
			r := w.ask("", "POST", "/v1/presence/heartbeat", `{"sessionId":"session-1"}`,
				"Authorization: Bearer "+token("ada", map[string]any{"profile": map[string]string{"name": name}}))
			w.wantProblem(r, http.StatusUnauthorized, api.ProblemCodeInvalidToken)
		}
	})
}
