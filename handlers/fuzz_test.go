package handlers

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/presently/presently/api"
	"github.com/presently/presently/internal/contract"
	"github.com/presently/presently/presence"
)

// fuzzing is a server that is asked directly: whatever it is sent, its answer must be one of the contract, and no fault of ours.
type fuzzing struct {
	server   *Server
	contract *contract.Contract
	bearer   string
}

func fuzz(f *testing.F) *fuzzing {
	f.Helper()
	z := &fuzzing{server: newServer(f, newStore()), contract: contract.Load(f), bearer: "Bearer " + token("ada", nil)}
	ctx, cancel := context.WithCancel(f.Context())
	done := make(chan error, 1)
	go func() { done <- z.server.Run(ctx) }()
	f.Cleanup(func() { cancel(); <-done })
	for z.server.board.Newest() == 0 { // until then it is not ready, which would be a 503
		runtime.Gosched()
	}
	return z
}

// reading is a client who has read enough of a stream when something was written.
type reading struct {
	*httptest.ResponseRecorder
	enough context.CancelFunc
}

func (r *reading) Write(p []byte) (int, error) {
	if r.Header().Get("Content-Type") == "text/event-stream" {
		defer r.enough()
	}
	return r.ResponseRecorder.Write(p)
}

func (z *fuzzing) ask(t *testing.T, method, target, body string, headers ...string) *reading {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, "http://presently"+target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", z.bearer)
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	rec := &reading{httptest.NewRecorder(), cancel}
	asked := req.Clone(ctx)
	z.server.ServeHTTP(rec, req)
	text := rec.Body.Bytes()
	if method == http.MethodHead {
		text = nil // net/http leaves it out
	}
	z.contract.CheckResponse(t, asked, rec.Code, rec.Header(), text)
	if rec.Code >= 500 {
		t.Errorf("%s %s: %d %s", method, target, rec.Code, text)
	}
	if rec.Header().Get("Content-Type") == "text/event-stream" {
		z.checkStream(t, text)
	}
	return rec
}

func (z *fuzzing) checkStream(t *testing.T, text []byte) {
	t.Helper()
	for frame := range bytes.SplitSeq(bytes.TrimSuffix(text, []byte("\n\n")), []byte("\n\n")) {
		var name string
		for line := range strings.SplitSeq(string(frame), "\n") {
			switch field, value, _ := strings.Cut(line, ": "); field {
			case "event":
				name = value
			case "data":
				z.contract.CheckEvent(t, name, []byte(value))
			case "id", "retry", "":
			default:
				t.Errorf("a line that is no field: %q", line)
			}
		}
	}
}

// nastyValues are JSON values that some parser has fallen for.
var nastyValues = []string{
	`null`, `true`, `0`, `-0`, `-1`, `1.0`, `1e2`, `1e400`, `-1e400`, `9007199254740993`, `9223372036854775807`, `9223372036854775808`, `""`, `"\u0000"`, `"\ud800"`, "\"\xff\"", "\"\u2028\"",
	`"\\"`, `"..."`, `[]`, `[[]]`, `{}`, `{"a":{}}`, `"2000-01-01T00:00:00Z"`, `"9999-12-31T23:59:59Z"`, `"0000-00-00T00:00:00Z"`, `"2999-02-30T00:00:00+99:99"`, `"` + strings.Repeat("x", 300) + `"`,
}

func nastyBodies(fields ...string) []string {
	bodies := []string{
		"", " ", "\x00", "{", "}", "[", "null", "1", `""`, "{}", "[]", "{}{}", "{}\n", "\ufeff{}", strings.Repeat("[", 9), strings.Repeat("[", 2000), strings.Repeat(`{"":`, 2000),
		`{"":1}`, `{"\n":1}`, `{"~/":1}`, `{"a":1,"a":1}`, `{"__proto__":{}}`,
	}
	for _, field := range fields {
		for _, value := range nastyValues {
			bodies = append(bodies, `{"`+field+`":`+value+`}`)
		}
	}
	return bodies
}

// members are those of a JSON object that encoding/json, which is not ours, can read.
func members(t *testing.T, body string) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(body), &m); err != nil {
		t.Errorf("%q was taken: %v", body, err)
	}
	return m
}

func FuzzHeartbeatBody(f *testing.F) {
	z := fuzz(f)
	for _, body := range nastyBodies("sessionId", "device", "state", "idleMs", "visibility", "seq", "rooms") {
		f.Add(body)
		if rest, ok := strings.CutPrefix(body, "{"); ok {
			f.Add(`{"sessionId":"session-1",` + rest)
		}
	}
	f.Add(`{"sessionId":"laptop-4f9a1c","device":"web","state":"idle","idleMs":1200,"visibility":"hidden","seq":41}`)
	for _, room := range slices.Concat(oddUsers, badUsers) {
		f.Add(string(encode(map[string]any{"sessionId": "session-1", "rooms": []string{room, "lobby", room}})))
	}
	f.Fuzz(func(t *testing.T, body string) {
		r := z.ask(t, "POST", "/v1/presence/heartbeat", body, "Content-Type: application/json")
		if r.Code != http.StatusOK {
			return
		}
		var a api.BeatAnswer
		if err := json.Unmarshal(r.Body.Bytes(), &a); err != nil || a.Session.SessionID != members(t, body)["sessionId"] || !presence.ValidSession(a.Session.SessionID) {
			t.Errorf("%q: %s", body, r.Body)
		}
	})
}

func FuzzStatusBody(f *testing.F) {
	z := fuzz(f)
	for _, body := range nastyBodies("status", "expiresInMs", "expiresAt") {
		f.Add(body)
		if rest, ok := strings.CutPrefix(body, "{"); ok {
			f.Add(`{"status":"busy",` + rest)
		}
	}
	f.Fuzz(func(t *testing.T, body string) {
		r := z.ask(t, "PUT", "/v1/presence/status", body, "Content-Type: application/json")
		if r.Code == http.StatusOK {
			if status, _ := members(t, body)["status"].(string); !presence.Status(status).Choosable() {
				t.Errorf("%q: %s", body, r.Body)
			}
		}
	})
}

// FuzzOwnBodies plays on what users say and decide of themselves: whatever is taken can be read back as it was said.
func FuzzOwnBodies(f *testing.F) {
	z := fuzz(f)
	if _, err := z.server.tracker.Heartbeat(f.Context(), presence.Heartbeat{User: "ada", Session: "session-1"}); err != nil {
		f.Fatal(err)
	}
	paths := []string{"/v1/presence/custom", "/v1/presence/activity", "/v1/presence/privacy"}
	for i, own := range []struct {
		good   string
		fields []string
	}{
		{`"text":"Standup"`, []string{"emoji", "expiresInMs"}},
		{`"sessionId":"session-1","type":"busy"`, []string{"target", "label", "ttlMs"}},
		{`"online":"nobody","lastSeen":"nobody","activity":"nobody"`, []string{"typing"}},
	} {
		f.Add(uint8(i), "{"+own.good+"}")
		for _, body := range nastyBodies(own.fields...) {
			if rest, ok := strings.CutPrefix(body, "{"); ok {
				f.Add(uint8(i), "{"+own.good+","+rest)
			}
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, body string) {
		path := paths[int(which)%len(paths)]
		r := z.ask(t, "PUT", path, body, "Content-Type: application/json")
		if r.Code != http.StatusOK {
			return
		}
		said := members(t, body)
		if path == "/v1/presence/privacy" {
			for name, audience := range members(t, r.Body.String()) {
				if said[name] != audience {
					t.Errorf("%q: %s", body, r.Body)
				}
			}
			return
		}
		var p api.Presence
		if err := json.Unmarshal(r.Body.Bytes(), &p); err != nil {
			t.Errorf("%q: %v", body, err)
		}
		// Without a session, or with one that has just lapsed, nothing shows.
		if c := p.Custom; path == "/v1/presence/custom" && c != nil && (c.Text != said["text"] || !isPlain(c.Text) || !isPlain(orZero(c.Emoji))) {
			t.Errorf("%q: %s", body, r.Body)
		}
		if a := p.Activity; path == "/v1/presence/activity" && a != nil && (string(a.Type) != said["type"] || !isPlain(orZero(a.Target)) || !isPlain(orZero(a.Label))) {
			t.Errorf("%q: %s", body, r.Body)
		}
	})
}

func FuzzQueryBody(f *testing.F) {
	z := fuzz(f)
	for _, body := range nastyBodies("users", "onlyOnline") {
		f.Add(body)
	}
	for _, value := range nastyValues {
		f.Add(`{"users":[` + value + `,"ada"]}`)
	}
	for _, user := range slices.Concat(oddUsers, badUsers) {
		f.Add(string(encode(map[string]any{"users": []string{user}, "onlyOnline": false})))
	}
	f.Add(`{"users":[` + strings.Repeat(`"a",`, 500) + `"a"]}`)
	f.Fuzz(func(t *testing.T, body string) {
		r := z.ask(t, "POST", "/v1/presence/query", body, "Content-Type: application/json")
		if r.Code != http.StatusOK {
			return
		}
		m := members(t, body)
		users, _ := m["users"].([]any)
		asked := map[any]bool{}
		for _, user := range users {
			asked[user] = true
		}
		var list api.PresenceList
		if err := json.Unmarshal(r.Body.Bytes(), &list); err != nil || m["onlyOnline"] != true && len(list.Presences) != len(asked) {
			t.Errorf("%q: %s", body, r.Body)
		}
		for _, p := range list.Presences {
			if !asked[p.UserID] || !presence.ValidUser(p.UserID) {
				t.Errorf("%q: %s", body, r.Body)
			}
		}
	})
}

func FuzzLeaveBody(f *testing.F) {
	z := fuzz(f)
	token, err := z.server.sealer.seal(f.Context(), leavePurpose, "ada", "session-1")
	if err != nil {
		f.Fatal(err)
	}
	for _, asText := range []bool{false, true} {
		for _, body := range append(nastyBodies("leaveToken"), token, `{"leaveToken":"`+token+`"}`) {
			f.Add(body, asText)
		}
	}
	f.Fuzz(func(t *testing.T, body string, asText bool) {
		contentType := "application/json"
		if asText {
			contentType = "text/plain;charset=UTF-8"
		}
		r := z.ask(t, "POST", "/v1/presence/leave", body, "Content-Type: "+contentType, "Authorization: ")
		if len(body) <= bodyLimit && r.Code != http.StatusAccepted {
			t.Errorf("%q: %d %s", body, r.Code, r.Body)
		}
	})
}

// FuzzMarks plays on what users say of their typing, and on where a page begins: whatever is taken shows, in the room and thread that it named.
func FuzzMarks(f *testing.F) {
	z := fuzz(f)
	for _, body := range nastyBodies("sessionId", "typing", "threadId", "ttlMs") {
		f.Add(body, "")
		if rest, ok := strings.CutPrefix(body, "{"); ok {
			f.Add(`{"sessionId":"session-1",`+rest, "")
		}
	}
	for _, id := range slices.Concat(oddUsers, badUsers) {
		f.Add(string(encode(map[string]any{"sessionId": "session-1", "threadId": id})), cursorAfter(id))
	}
	f.Fuzz(func(t *testing.T, body, cursor string) {
		_, err := z.server.tracker.Heartbeat(t.Context(), presence.Heartbeat{User: "ada", Session: "session-1", Rooms: &[]string{"lobby"}})
		if err != nil {
			t.Fatal(err)
		}
		r := z.ask(t, "PUT", "/v1/rooms/lobby/typing", body, "Content-Type: application/json")
		if r.Code == http.StatusNoContent {
			said := members(t, body)
			thread, _ := said["threadId"].(string)
			var list api.TypingList
			shown := z.ask(t, "GET", "/v1/rooms/lobby/typing", "").Body.Bytes()
			err := json.Unmarshal(shown, &list)
			types := slices.ContainsFunc(list.Typing, func(m api.TypistInRoom) bool { return orZero(m.ThreadID) == thread })
			if err != nil || types != (said["typing"] != false) {
				t.Errorf("%q: %s", body, shown)
			}
		}
		z.ask(t, "GET", "/v1/rooms/lobby/presence?limit=1&cursor="+url.QueryEscape(cursor), "")
	})
}

func FuzzPath(f *testing.F) {
	z := fuzz(f)
	methods := []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "BREW"}
	paths := []string{"/", "//", "/v1", "/v1/", "/v1/presence", "/v1/presence/", "/v1/presence/me", "/v1/presence/me/", "/v1/presence/me/sessions/session-1", "/v1/presence/status", "/v1/presence/leave", "/healthz", "/readyz", "/openapi.yaml", "/docs", "/docs/", "/v1/../v1/presence/me", "/v1/presence/%2e%2e", "/v1/presence/..%2f..", "/%761/presence/me", "/v1/presence/%6de", "//evil.example/%2e%2e", "/\\evil.example", "/v1/presence/ada?user=bob", "/v1/presence/{userId}", "/v1/presence/*", "/v1/stream", "*"}
	for _, user := range slices.Concat(oddUsers, badUsers) {
		paths = append(paths, "/v1/contacts/"+allEscaped(user), "/v1/blocks/"+url.PathEscape(user), "/v1/presence/"+allEscaped(user)+"/explain")
		paths = append(paths, "/v1/rooms/"+allEscaped(user)+"/presence", "/v1/rooms/"+url.PathEscape(user)+"/typing", "/v1/rooms/"+url.PathEscape(user)+"/members/me?sessionId=session-1", "/v1/users/"+allEscaped(user)+"/rooms")
		paths = append(paths, "/v1/presence/"+url.PathEscape(user), "/v1/presence/"+allEscaped(user), "/v1/presence/me/sessions/"+url.PathEscape(user))
	}
	for i, path := range paths {
		f.Add(uint8(i%len(methods)), path)
		f.Add(uint8(0), path)
	}
	f.Fuzz(func(t *testing.T, method uint8, path string) {
		if !strings.HasPrefix(path, "/") || !isTarget(path) {
			return // no path
		}
		z.ask(t, methods[int(method)%len(methods)], path, "")
	})
}

// isTarget reports whether net/http would let a request for it through.
func isTarget(path string) bool {
	_, err := url.Parse("http://presently" + path)
	return err == nil
}

func FuzzQueryString(f *testing.F) {
	z := fuzz(f)
	for _, user := range slices.Concat(oddUsers, badUsers) {
		f.Add("user=" + url.QueryEscape(user) + "&user=" + allEscaped(user))
		f.Add("user=ada&lastEventId=" + url.QueryEscape(user))
		f.Add("user=ada&errors=" + url.QueryEscape(user))
	}
	for _, query := range []string{
		"", "user", "user=", "user[]=a", "user=a,b", "user=a;user=b", "user=%", "user=%zz", "user=a&user", "&&&", "=", "%00=1", "USER=ada", "user=ada&errors=stream", "errors=stream", "user=..&errors=stream", "errors=stream&errors=http&user=ada",
		"user=ada&lastEventId=a&lastEventId=b", "user=ada&room=x", "user=ada&ticket=x", strings.Repeat("user=a&", 101), strings.Repeat("user=a&", 101) + "errors=stream", "user=ada#fragment", "user=ada&access_token=x",
	} {
		f.Add(query)
	}
	f.Fuzz(func(t *testing.T, query string) {
		for _, path := range []string{"/v1/presence", "/v1/stream"} {
			if !isTarget(path + "?" + query) {
				return // no query
			}
			r := z.ask(t, "GET", path+"?"+query, "")
			if r.Code != http.StatusOK || strings.Contains(r.Body.String(), "event: problem\n") {
				continue
			}
			query, _, _ := strings.Cut(query, "#")
			values, err := url.ParseQuery(query)
			if users := values["user"]; err != nil || len(users) == 0 || len(users) > 100 || slices.ContainsFunc(users, func(u string) bool { return !presence.ValidUser(u) }) {
				t.Errorf("%s?%q: %s", path, query, r.Body)
			}
		}
	})
}

// FuzzAdminBodies plays on what a backend says of users.
func FuzzAdminBodies(f *testing.F) {
	z := fuzz(f)
	z.bearer = "Bearer " + token("backend", map[string]any{"scope": ScopeAdmin})
	for _, body := range nastyBodies("state", "rooms", "before") {
		f.Add(false, body)
		f.Add(true, body)
	}
	f.Fuzz(func(t *testing.T, revoke bool, body string) {
		method, path := "PUT", "/v1/admin/presence/ben"
		if revoke {
			method, path = "POST", "/v1/admin/users/ben/revoke"
		}
		if r := z.ask(t, method, path, body, "Content-Type: application/json"); r.Code < 300 && body != "" {
			members(t, body)
		}
	})
}

// FuzzHeaders plays on what is read of headers, but for tokens, which have a fuzzer of their own: nothing of them is a fault of ours, and nothing is said back.
func FuzzHeaders(f *testing.F) {
	z := fuzz(f)
	names := []string{"Last-Event-ID", "If-Match", "If-None-Match", "Prefer", "Origin", "Sec-Fetch-Site", "Cookie", "Accept", "X-Forwarded-Proto", "Content-Type", "Content-Encoding", "Access-Control-Request-Method", "Access-Control-Request-Headers"}
	for i := range names {
		for _, value := range []string{"", `"`, `*`, `W/"x"`, `"a", "b"`, `return=minimal`, `return=minimal, return=representation;x="`, `presently=a; presently=b`, `presently="`, "null", "\t", ",,,", ";;;", strings.Repeat("a,", 4000), "ä\u2028"} {
			f.Add(uint8(i), value)
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, value string) {
		name := names[int(which)%len(names)]
		if !validHeader(value) {
			return // net/http lets none of them through
		}
		for _, op := range []struct{ method, path, body string }{
			{"GET", "/v1/stream?user=ada", ""}, {"GET", "/v1/presence/ben", ""}, {"PUT", "/v1/presence/privacy", `{"online":"everyone","lastSeen":"nobody","activity":"nobody","typing":"nobody"}`},
			{"POST", "/v1/presence/heartbeat", `{"sessionId":"session-1"}`}, {"OPTIONS", "/v1/presence/me", ""},
		} {
			headers := []string{"Content-Type: application/json", name + ": " + value}
			r := z.ask(t, op.method, op.path, op.body, headers...)
			if len(value) < 12 || slices.Contains([]string{"https://app.example", "application/json"}, value) {
				continue
			}
			for key, lines := range r.Header() {
				if key != "Preference-Applied" && strings.Contains(strings.Join(lines, " "), value) { // that has words of ours alone
					t.Errorf("%s %s says %q of %s back, in %s", op.method, op.path, value, name, key)
				}
			}
		}
	})
}

func validHeader(value string) bool {
	return !strings.ContainsFunc(value, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f })
}
