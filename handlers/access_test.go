package handlers

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/presently/presently/api"
)

// operations are all that need a token, with a body that does.
var operations = []struct{ method, path, body, scope string }{
	{"POST", "/v1/presence/heartbeat", `{"sessionId":"session-1"}`, ScopeWrite},
	{"PUT", "/v1/presence/activity", `{"sessionId":"session-1","type":"busy"}`, ScopeWrite},
	{"DELETE", "/v1/presence/activity?sessionId=session-1", "", ScopeWrite},
	{"PUT", "/v1/rooms/lobby/members/me?sessionId=session-1", "", ScopeWrite},
	{"PUT", "/v1/rooms/lobby/typing", `{"sessionId":"session-1"}`, ScopeWrite},
	{"POST", "/v1/rooms/lobby/typing", `{"sessionId":"session-1"}`, ScopeWrite},
	{"GET", "/v1/rooms/lobby/typing", "", ScopeRead},
	{"DELETE", "/v1/rooms/lobby/typing", "", ScopeWrite},
	{"GET", "/v1/rooms/lobby/presence", "", ScopeRead},
	{"GET", "/v1/rooms/lobby/count", "", ScopeRead},
	{"GET", "/v1/users/ada/rooms", "", ScopeRead},
	{"DELETE", "/v1/rooms/lobby/members/me", "", ScopeWrite},
	{"GET", "/v1/stats", "", ScopeStats},
	{"GET", "/v1/admin/online", "", ScopeAdmin},
	{"DELETE", "/v1/presence/me/sessions/session-1", "", ScopeWrite},
	{"PUT", "/v1/presence/status", `{"status":"busy"}`, ScopeWrite},
	{"DELETE", "/v1/presence/status", "", ScopeWrite},
	{"PUT", "/v1/presence/custom", `{"text":"Standup"}`, ScopeWrite},
	{"DELETE", "/v1/presence/custom", "", ScopeWrite},
	{"PUT", "/v1/presence/privacy", `{"online":"nobody","lastSeen":"nobody","activity":"nobody","typing":"nobody"}`, ScopeWrite},
	{"GET", "/v1/presence/privacy", "", ScopeRead},
	{"PUT", "/v1/contacts/ben", "", ScopeWrite},
	{"DELETE", "/v1/contacts/ben", "", ScopeWrite},
	{"GET", "/v1/contacts", "", ScopeRead},
	{"PUT", "/v1/blocks/ben", "", ScopeWrite},
	{"DELETE", "/v1/blocks/ben", "", ScopeWrite},
	{"GET", "/v1/blocks", "", ScopeRead},
	{"GET", "/v1/presence/ben/explain", "", ScopeAdmin},
	{"PUT", "/v1/admin/presence/ben", `{}`, ScopeAdmin},
	{"DELETE", "/v1/admin/users/ben/sessions", "", ScopeAdmin},
	{"POST", "/v1/admin/users/ben/revoke", "", ScopeAdmin},
	{"GET", "/v1/presence/me", "", ScopeRead},
	{"GET", "/v1/presence/me/sessions", "", ScopeRead},
	{"GET", "/v1/presence/ada", "", ScopeRead},
	{"GET", "/v1/presence?user=ada", "", ScopeRead},
	{"POST", "/v1/presence/query", `{"users":["ada"]}`, ScopeRead},
	{"POST", "/v1/subscriptions", `{"users":["ada"]}`, ScopeRead},
	{"GET", "/v1/stream?user=ada", "", ScopeRead},
}

// granting is the header of a token of ada's for one scope alone.
func granting(scope string) string {
	return "Authorization: Bearer " + token("ada", map[string]any{"scope": scope})
}

// open are those that need none.
var open = []string{"/healthz", "/readyz", "/openapi.yaml", "/docs", "/"}

func TestEveryOperationRefusesWhoHasNoGoodToken(t *testing.T) {
	expired := func() string { return token("ada", map[string]any{"exp": time.Now().Add(-time.Second).Unix()}) }
	for _, test := range []struct {
		name      string
		token     func() string
		code      api.ProblemCode
		challenge string
	}{
		{"none", func() string { return "" }, api.ProblemCodeMissingToken, `Bearer realm="presently"`},
		{"nonsense", func() string { return "Bearer nonsense" }, api.ProblemCodeInvalidToken, `Bearer realm="presently", error="invalid_token", error_description="the token is not valid"`},
		{"expired", func() string { return "Bearer " + expired() }, api.ProblemCodeTokenExpired, `Bearer realm="presently", error="invalid_token", error_description="the token has expired"`},
		{"a user who cannot be", func() string { return "Bearer " + token("..", nil) }, api.ProblemCodeInvalidToken, `Bearer realm="presently", error="invalid_token", error_description="the token is not valid"`},
	} {
		inWorld(t, func(w *world) {
			for _, op := range operations {
				r := w.ask("", op.method, op.path, op.body, "Authorization: "+test.token())
				w.wantProblem(r, http.StatusUnauthorized, test.code)
				if got := r.header.Values("WWW-Authenticate"); !slices.Equal(got, []string{test.challenge}) {
					w.Errorf("%s %s, token %s: WWW-Authenticate %q, want %q", op.method, op.path, test.name, got, test.challenge)
				}
			}
		})
	}
}

func TestEveryOperationNeedsItsScopeAndNoOther(t *testing.T) {
	inWorld(t, func(w *world) {
		for _, op := range operations {
			others := strings.TrimSpace(strings.ReplaceAll("presence:read presence:write presence:stats presence:admin", op.scope, ""))
			r := w.ask("", op.method, op.path, op.body, granting(others))
			p := w.wantProblem(r, http.StatusForbidden, api.ProblemCodeInsufficientScope)
			want := `Bearer realm="presently", error="insufficient_scope", scope="` + op.scope + `"`
			if got := r.header.Get("WWW-Authenticate"); got != want || !strings.Contains(p.Detail, op.scope) {
				w.Errorf("%s %s: WWW-Authenticate %q, want %q; detail %q", op.method, op.path, got, want, p.Detail)
			}
			if strings.HasPrefix(op.path, "/v1/stream") {
				w.watch("", "user=ada", granting(op.scope)).started()
				continue
			}
			if r := w.ask("", op.method, op.path, op.body, granting("other:scope "+op.scope)); r.status >= 300 {
				w.Errorf("%s %s with %s: %d %s", op.method, op.path, op.scope, r.status, r.body)
			}
		}
	})
}

func TestSomeOperationsNeedNoToken(t *testing.T) {
	inWorld(t, func(w *world) {
		for _, path := range open {
			if r := w.ask("", "GET", path, "", "Authorization: Bearer nonsense"); r.status != http.StatusOK {
				w.Errorf("%s: %d %s", path, r.status, r.body)
			}
		}
	})
}

// A browser sends the cookie whichever page made it ask. Only a page of ours may have it written.
func TestTheCookieWritesOnlyForPagesThatAreListed(t *testing.T) {
	inWorld(t, func(w *world) {
		all := token("ada", map[string]any{"scope": strings.Join(scopeNames[:], " ")})
		cookie := "Cookie: presently=" + all
		for _, test := range []struct {
			name    string
			headers []string
			refused bool
		}{
			{"no origin", nil, true},
			{"a foreign origin", []string{"Origin: https://evil.example"}, true},
			{"an origin that looks alike", []string{"Origin: https://app.example.evil.example"}, true},
			{"another port", []string{"Origin: https://app.example:8443"}, true},
			{"another scheme", []string{"Origin: http://app.example"}, true},
			{"an opaque origin", []string{"Origin: null"}, true},
			{"a listed origin", []string{"Origin: https://app.example"}, false},
			{"the same origin", []string{"Origin: http://presently"}, false},
			{"the same origin behind a proxy", []string{"Origin: https://presently", "X-Forwarded-Proto: https"}, false},
			{"no origin, but a token in the header", []string{"Authorization: Bearer " + all}, false},
		} {
			for _, op := range operations {
				if op.path == "/v1/stream?user=ada" {
					continue
				}
				r := w.ask("", op.method, op.path, op.body, append(test.headers, cookie)...)
				if op.method != "GET" && test.refused {
					w.wantProblem(r, http.StatusForbidden, api.ProblemCodeOriginNotAllowed)
				} else if r.status >= 300 {
					w.Errorf("%s %s from %s: %d %s", op.method, op.path, test.name, r.status, r.body)
				}
			}
		}
		w.watch("", "user=ada", cookie, "Origin: https://evil.example").started()
	})
}

// A page of a stranger that opens streams in its visitor's name would leave him none for himself, though it cannot read them.
func TestPagesOfOtherSitesDoNotEvenReadByTheCookie(t *testing.T) {
	inWorld(t, func(w *world) {
		cookie := "Cookie: presently=" + token("ada", map[string]any{"scope": strings.Join(scopeNames[:], " ")})
		for _, headers := range [][]string{{"Sec-Fetch-Site: cross-site"}, {"Sec-Fetch-Site: cross-site", "Origin: https://evil.example"}, {"Sec-Fetch-Site: cross-site", "Origin: null"}} {
			for _, op := range operations {
				r := w.ask("", op.method, op.path, op.body, append(headers, cookie)...)
				w.wantProblem(r, http.StatusForbidden, api.ProblemCodeOriginNotAllowed)
			}
			if r := w.ask("ada", "GET", "/v1/presence/me", "", headers...); r.status != http.StatusOK {
				w.Errorf("with a token of its own: %d %s", r.status, r.body)
			}
		}
		for _, headers := range [][]string{
			nil, {"Sec-Fetch-Site: none"}, {"Sec-Fetch-Site: same-origin"}, {"Sec-Fetch-Site: same-site"}, {"Sec-Fetch-Site: cross-site", "Origin: https://app.example"},
		} {
			w.watch("", "user=ada", append(headers, cookie)...).started()
			if r := w.ask("", "GET", "/v1/presence/me", "", append(headers, cookie)...); r.status != http.StatusOK {
				w.Errorf("%v: %d %s", headers, r.status, r.body)
			}
		}
	})
}

// What a page may do with our answers is said to listed pages alone.
func TestOnlyListedPagesAreGivenAnswers(t *testing.T) {
	inWorld(t, func(w *world) {
		for _, test := range []struct{ origin, allow string }{
			{"https://app.example", "https://app.example"}, {"https://evil.example", ""}, {"null", ""},
		} {
			pre := w.ask("", "OPTIONS", "/v1/presence/heartbeat", "", "Origin: "+test.origin,
				"Access-Control-Request-Method: POST", "Access-Control-Request-Headers: authorization, content-type, if-match, last-event-id, prefer")
			got := w.ask("ada", "GET", "/v1/presence/me", "", "Origin: "+test.origin)
			for _, r := range []reply{pre, got} {
				if a := r.header.Get("Access-Control-Allow-Origin"); a != test.allow {
					w.Errorf("to %s: Access-Control-Allow-Origin %q, want %q", test.origin, a, test.allow)
				}
				if c := r.header.Get("Access-Control-Allow-Credentials"); (c == "true") != (test.allow != "") {
					w.Errorf("to %s: Access-Control-Allow-Credentials %q", test.origin, c)
				}
			}
			if test.allow == "" {
				continue
			}
			for _, name := range []string{"Authorization", "Content-Type", "If-Match", "Last-Event-ID", "Prefer"} {
				if !strings.Contains(strings.ToLower(pre.header.Get("Access-Control-Allow-Headers")), strings.ToLower(name)) {
					w.Errorf("preflight does not allow %s: %v", name, pre.header)
				}
			}
			for _, name := range []string{"Presence-Next-Ms", "ETag", "Retry-After", "RateLimit", "RateLimit-Policy", "X-Request-Id"} {
				exposed := strings.Split(strings.ToLower(got.header.Get("Access-Control-Expose-Headers")), ", ")
				if !slices.Contains(exposed, strings.ToLower(name)) {
					w.Errorf("%s is not exposed: %q", name, exposed)
				}
			}
			if got := pre.header.Get("Access-Control-Allow-Methods"); got != "POST" {
				w.Errorf("preflight allows %q", got)
			}
		}
	})
}

// A problem reaches the page too, or its script would see nothing but "network error".
func TestRefusalsToListedPagesCanBeRead(t *testing.T) {
	inWorld(t, func(w *world) {
		for _, path := range []string{"/v1/presence/me", "/nothing", "/v1/presence?user=%zz"} {
			r := w.ask("", "GET", path, "", "Origin: https://app.example")
			if r.status < 400 || r.header.Get("Access-Control-Allow-Origin") != "https://app.example" {
				w.Errorf("%s: %d %v", path, r.status, r.header)
			}
		}
	})
}

func TestPathsAndMethodsThatAreNotThereAreSaidToBeSo(t *testing.T) {
	inWorld(t, func(w *world) {
		for _, test := range []struct{ method, path, allow string }{ // without allow: 404
			{"GET", "/nothing", ""},
			{"HEAD", "/nothing", ""},
			{"OPTIONS", "/nothing", ""},
			{"BREW", "/nothing", ""},
			{"GET", "/v1", ""},
			{"GET", "/v2/presence/ada", ""},
			{"GET", "/v1/presence/", ""},
			{"GET", "/v1/presence/me/", ""},
			{"GET", "/v1//presence/me", ""},
			{"GET", "/v1/presence/ada/b", ""},
			{"DELETE", "/v1/presence/me/sessions/", ""},
			{"POST", "/v1/presence/me", "GET, HEAD"},
			{"OPTIONS", "/v1/presence/me", "GET, HEAD"},
			{"BREW", "/v1/presence/me", "GET, HEAD"},
			{"TRACE", "/v1/presence/ada", "GET, HEAD"},
			{"PATCH", "/v1/presence/ada", "GET, HEAD"},
			{"DELETE", "/v1/presence", "GET, HEAD"},
			{"GET", "/v1/presence/heartbeat", "POST"},
			{"HEAD", "/v1/presence/heartbeat", "POST"},
			{"GET", "/v1/presence/leave", "POST"},
			{"GET", "/v1/presence/query", "POST"},
			{"GET", "/v1/presence/status", "DELETE, PUT"},
			{"POST", "/v1/presence/status", "DELETE, PUT"},
			{"GET", "/v1/presence/custom", "DELETE, PUT"},
			{"POST", "/v1/presence/custom", "DELETE, PUT"},
			{"GET", "/v1/presence/activity", "DELETE, PUT"},
			{"DELETE", "/v1/presence/privacy", "GET, HEAD, PUT"},
			{"PATCH", "/v1/presence/privacy", "GET, HEAD, PUT"},
			{"POST", "/v1/contacts", "GET, HEAD"},
			{"GET", "/v1/contacts/ben", "DELETE, PUT"},
			{"GET", "/v1/blocks/ben", "DELETE, PUT"},
			{"PUT", "/v1/blocks/", ""},
			{"GET", "/v1/contacts/", ""},
			{"GET", "/v1/contacts/ben/x", ""},
			{"GET", "/v1/admin/presence/ben", "PUT"},
			{"GET", "/v1/admin/users/ben/sessions", "DELETE"},
			{"GET", "/v1/admin", ""},
			{"POST", "/v1/admin/online", "GET, HEAD"},
			{"DELETE", "/v1/stats", "GET, HEAD"},
			{"GET", "/v1/rooms", ""},
			{"GET", "/v1/rooms/lobby", ""},
			{"GET", "/v1/rooms//presence", ""},
			{"GET", "/v1/rooms/a/b/presence", ""},
			{"GET", "/v1/rooms/lobby/members", ""},
			{"PUT", "/v1/rooms/lobby/members/ada", ""},
			{"GET", "/v1/rooms/lobby/members/me", "DELETE, PUT"},
			{"POST", "/v1/rooms/lobby/members/me", "DELETE, PUT"},
			{"PUT", "/v1/rooms/lobby/presence", "GET, HEAD"},
			{"POST", "/v1/rooms/lobby/count", "GET, HEAD"},
			{"PATCH", "/v1/rooms/lobby/typing", "DELETE, GET, HEAD, POST, PUT"},
			{"PUT", "/v1/users/ada/rooms", "GET, HEAD"},
			{"GET", "/v1/users//rooms", ""},
			{"GET", "/v1/presence//explain", ""},
			{"DELETE", "/v1/admin/users//sessions", ""},
			{"PUT", "/v1/contacts//", ""},
			{"POST", "/v1/presence/ada/explain", "GET, HEAD"},
			{"GET", "/v1/presence/me/sessions/session-1", "DELETE"},
			{"PUT", "/v1/presence/me/sessions", "GET, HEAD"},
			{"GET", "/v1/subscriptions", "POST"},
			{"GET", "/v1/subscriptions/", ""},
			{"PUT", "/v1/subscriptions/sub-1", "GET, HEAD, PATCH, DELETE"},
			{"GET", "/v1/subscriptions/sub-1/renew", "POST"},
			{"POST", "/v1/subscriptions//renew", ""},
			{"POST", "/v1/stream?user=ada", "GET, HEAD"},
			{"POST", "/v1/stream?user=ada&errors=stream", "GET, HEAD"},
			{"POST", "/healthz", "GET, HEAD"},
			{"POST", "/", "GET, HEAD"},
		} {
			for _, user := range []string{"", "ada"} {
				r := w.ask(user, test.method, test.path, "")
				status, code := http.StatusMethodNotAllowed, api.ProblemCodeMethodNotAllowed
				if test.allow == "" {
					status, code = http.StatusNotFound, api.ProblemCodeNotFound
				}
				if r.status != status || sorted(r.header.Get("Allow")) != sorted(test.allow) {
					w.Errorf("%s %s: %d, Allow %q, want %d, %q: %s", test.method, test.path, r.status, r.header.Get("Allow"), status, test.allow, r.body)
					continue
				}
				if test.method != "HEAD" {
					w.wantProblem(r, status, code)
				}
			}
		}
	})
}

func sorted(list string) string {
	names := strings.Split(list, ", ")
	slices.Sort(names)
	return strings.Join(names, ", ")
}

func TestHeadIsAnsweredAsGetIsWithoutTheBody(t *testing.T) {
	inWorld(t, func(w *world) {
		w.beat("ada", "session-1", "")
		paths := append([]string{"/v1/presence/me", "/v1/presence/me/sessions", "/v1/presence/privacy", "/v1/contacts", "/v1/blocks", "/v1/presence/me/explain", "/v1/rooms/lobby/presence", "/v1/rooms/lobby/count", "/v1/rooms/lobby/typing", "/v1/users/ada/rooms", "/v1/stats", "/v1/presence/ada", "/v1/presence?user=ada", "/v1/presence?user=", "/v1/stream"}, open...)
		for _, path := range paths {
			get, head := w.ask("ada", "GET", path, ""), w.ask("ada", "HEAD", path, "")
			for _, h := range []http.Header{get.header, head.header} {
				for _, name := range []string{"X-Request-Id", "Date", "Content-Length", "Connection"} {
					h.Del(name)
				}
			}
			if head.status != get.status || len(head.body) != 0 || !slices.Equal(lines(head.header), lines(get.header)) {
				w.Errorf("HEAD %s: %d %v, %d bytes; GET: %d %v", path, head.status, head.header, len(head.body), get.status, get.header)
			}
		}
	})
}

func lines(h http.Header) []string {
	var l []string
	for name, values := range h {
		l = append(l, name+": "+strings.Join(values, ", "))
	}
	slices.Sort(l)
	return l
}
