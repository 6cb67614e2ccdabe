package contract

import (
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

func TestContractIsValid(t *testing.T) {
	path, err := find()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := openapi3.NewLoader().LoadFromFile(path)
	if err != nil {
		t.Fatal(err)
	}
	// Examples are held against their schemas too.
	if err := doc.Validate(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestEveryExampleFitsTheClosedSchema(t *testing.T) {
	c := Load(t)
	for _, op := range c.operations {
		for status, ref := range op.spec.Responses.Map() {
			for media, content := range ref.Value.Content {
				if len(content.Examples) == 0 {
					t.Errorf("%s %s: %s has no example", op.spec.OperationID, status, media)
				}
				if media == "text/event-stream" {
					s := stream{c: c, op: op}
					if err := s.write([]byte(content.Examples["example"].Value.Value.(string) + "\n")); err != nil || s.first == "" || len(s.unread) > 0 {
						t.Errorf("%s: stream: %v, first %q, unread %q", op.spec.OperationID, err, s.first, s.unread)
					}
					continue
				}
				pointer := op.pointer() + "/responses/" + status
				if ref.Ref != "" {
					pointer = ref.Ref
				}
				for name, example := range content.Examples {
					if err := c.check(pointer+"/content/"+escape(media)+"/schema", example.Value.Value); err != nil {
						t.Errorf("%s %s %s: %v", op.spec.OperationID, status, name, err)
					}
				}
			}
		}
	}
}

// The linter cannot see what x-events refers to, so this is where an event that
// no stream declares is found.
func TestEveryEventIsDeclared(t *testing.T) {
	c := Load(t)
	refs := slices.Collect(maps.Values(c.events))
	for name := range c.doc.Components.Schemas {
		ref := "#/components/schemas/" + name
		if strings.HasSuffix(name, "Event") && !slices.Contains(refs, ref) {
			t.Errorf("%s is no event of any stream", name)
		}
	}
	for name, ref := range c.events {
		if _, err := c.schema(ref); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestEveryProblemCodeHasAPlace(t *testing.T) {
	c := Load(t)
	shown := []string{"not_found", "method_not_allowed"} // what is no operation
	for _, op := range c.operations {
		for _, ref := range op.spec.Responses.Map() {
			if media := ref.Value.Content["application/problem+json"]; media != nil {
				shown = append(shown, codesOf(media)...)
			}
		}
	}
	declared := c.doc.Components.Schemas["ProblemCode"].Value.Enum
	for _, code := range declared {
		if !slices.Contains(shown, code.(string)) {
			t.Errorf("no operation answers with %s", code)
		}
	}
	for _, code := range shown {
		if !slices.Contains(declared, any(code)) {
			t.Errorf("%s is answered but not declared", code)
		}
	}
}

func TestOperationsAreFoundAsOpenAPIHasIt(t *testing.T) {
	c := Load(t)
	for _, test := range []struct{ method, path, want string }{
		{"GET", "/", "getHome"},
		{"HEAD", "/v1/presence/me", "getMe"},
		{"GET", "/v1/presence/ada", "getPresence"},
		{"GET", "/v1/presence/a%2Fb", "getPresence"},
		{"GET", "/v1/presence?user=ada", "listPresences"},
		{"DELETE", "/v1/presence/me/sessions/laptop-4f9a1c", "endMySession"},
		{"PUT", "/v1/rooms/a%2Fb/members/me?sessionId=laptop-4f9a1c", "joinRoom"},
		{"GET", "/v1/rooms/me/members/me", ""},
		{"GET", "/v1/stream/selftest", "openSelftest"},
		{"PATCH", "/v1/subscriptions/renew", "changeSubscription"},
		{"POST", "/v1/subscriptions/renew/renew", "renewSubscription"},
		{"GET", "/v1/presence/status", ""}, // not the user who is called status
		{"GET", "/v1/presence/", ""},
		{"GET", "/v1/presence/me/", ""},
		{"POST", "/v1/presence/me", ""},
		{"GET", "/nothing", ""},
	} {
		op, ok := c.find(httptest.NewRequest(test.method, test.path, nil))
		if got := op; ok != (test.want != "") || (ok && got.spec.OperationID != test.want) {
			t.Errorf("%s %s: got %v %+v, want %q", test.method, test.path, ok, got, test.want)
		}
	}
}

func TestAnswersAreHeldToTheContract(t *testing.T) {
	const (
		ada     = `{"userId":"ada","status":"online","notify":true,"rev":1795340465001000}`
		problem = `{"type":"/x","title":"t","status":401,"detail":"d","code":"missing_token","requestId":"r"}`
	)
	header := func(pairs ...string) http.Header {
		h := http.Header{}
		for i := 0; i < len(pairs); i += 2 {
			h.Add(pairs[i], pairs[i+1])
		}
		return h
	}
	seen := header("X-Request-Id", "r", "Cache-Control", "no-store", "Content-Type", "application/json; charset=utf-8", "ETag", `"x"`)
	with := func(name, value string) http.Header {
		h := seen.Clone()
		h.Del(name)
		if value != "" {
			h.Set(name, value)
		}
		return h
	}
	refused := header("X-Request-Id", "r", "Content-Type", "application/problem+json", "WWW-Authenticate", `Bearer realm="presently"`)
	edit := func(s, old, new string) string {
		if !strings.Contains(s, old) {
			t.Fatalf("%s is not in %s", old, s)
		}
		return strings.Replace(s, old, new, 1)
	}
	for _, test := range []struct {
		name, method, path string
		status             int
		header             http.Header
		body               string
		want               string // part of the fault, empty for none
	}{
		{"a presence", "GET", "/v1/presence/ada", 200, seen, ada, ""},
		{"all of a presence", "GET", "/v1/presence/ada", 200, seen, `{"userId":"ada","status":"away","chosen":"away","devices":{"web":"online"},
			"lastActiveAt":"2026-11-22T09:31:44.870Z","notify":true,"rev":1,"profile":{"name":"Ada"}}`, ""},
		{"HEAD has no body", "HEAD", "/v1/presence/ada", 200, seen, "", ""},
		{"HEAD with a body", "HEAD", "/v1/presence/ada", 200, seen, ada, "body where there should be none"},
		{"an undeclared field", "GET", "/v1/presence/ada", 200, seen, edit(ada, `"rev"`, `"extra":1,"rev"`), "extra"},
		{"an undeclared field, deep", "GET", "/v1/presence/ada", 200, seen, edit(ada, `"rev"`, `"profile":{"extra":1},"rev"`), "extra"},
		{"an undeclared field, in a list", "GET", "/v1/presence?user=ada", 200, seen, `{"presences":[` + edit(ada, `"rev"`, `"extra":1,"rev"`) + `]}`, "extra"},
		{"a missing field", "GET", "/v1/presence/ada", 200, seen, edit(ada, `"notify":true,`, ``), "notify"},
		{"a null list", "GET", "/v1/presence?user=ada", 200, seen, `{"presences":null}`, "null"},
		{"a null field", "GET", "/v1/presence/ada", 200, seen, edit(ada, `"rev"`, `"profile":null,"rev"`), "null"},
		{"a status that does not exist", "GET", "/v1/presence/ada", 200, seen, edit(ada, "online", "gone"), "status"},
		{"seconds without milliseconds", "GET", "/v1/presence/ada", 200, seen, edit(ada, `"rev"`, `"lastSeenAt":"2026-11-22T09:31:44Z","rev"`), "lastSeenAt"},
		{"a day that does not exist", "GET", "/v1/presence/ada", 200, seen, edit(ada, `"rev"`, `"lastSeenAt":"2026-02-31T09:31:44.000Z","rev"`), "date-time"},
		{"a rev that is no integer", "GET", "/v1/presence/ada", 200, seen, edit(ada, "1795340465001000", "1.5"), "rev"},
		{"a device without a name", "GET", "/v1/presence/ada", 200, seen, edit(ada, `"rev"`, `"devices":{"":"online"},"rev"`), "propertyName"},
		{"an unprintable user", "GET", "/v1/presence/ada", 200, seen, edit(ada, `"ada"`, `"a\u00a0b"`), "userId"},
		{"no JSON", "GET", "/v1/presence/ada", 200, seen, "online", "not JSON"},
		{"two documents", "GET", "/v1/presence/ada", 200, seen, ada + ada, "not JSON"},
		{"another type", "GET", "/v1/presence/ada", 200, with("Content-Type", "text/plain"), ada, "Content-Type"},
		{"no type", "GET", "/v1/presence/ada", 200, with("Content-Type", ""), ada, "Content-Type"},
		{"a missing header", "GET", "/v1/presence/ada", 200, with("ETag", ""), ada, "header ETag is missing"},
		{"a wrong header", "GET", "/v1/presence/ada", 200, with("Cache-Control", "private"), ada, "header Cache-Control"},
		{"an undeclared status", "GET", "/v1/presence/ada", 418, seen, ada, "does not declare"},
		{"not modified", "GET", "/v1/presence/ada", 304, seen, "", ""},
		{"not modified, with a body", "GET", "/v1/presence/ada", 304, seen, ada, "body where there should be none"},
		{"not modified, without a tag", "GET", "/v1/presence/ada", 304, with("ETag", ""), "", "header ETag is missing"},
		{"beat, in short", "POST", "/v1/presence/heartbeat", 204,
			header("X-Request-Id", "r", "Cache-Control", "no-store", "Presence-Next-Ms", "100", "Preference-Applied", "return=minimal"), "", ""},
		{"beat, no number", "POST", "/v1/presence/heartbeat", 204,
			header("X-Request-Id", "r", "Cache-Control", "no-store", "Presence-Next-Ms", "1s", "Preference-Applied", "return=minimal"), "", "header Presence-Next-Ms"},
		{"a problem", "GET", "/v1/presence/ada", 401, refused, problem, ""},
		{"a problem without a challenge", "GET", "/v1/presence/ada", 401, header("X-Request-Id", "r", "Content-Type", "application/problem+json"), problem, "WWW-Authenticate"},
		{"a problem as JSON", "GET", "/v1/presence/ada", 401, func() http.Header {
			h := refused.Clone()
			h.Set("Content-Type", "application/json")
			return h
		}(), problem, "Content-Type"},
		{"a problem of another status", "GET", "/v1/presence/ada", 401, refused, edit(problem, "401", "403"), "status 403"},
		{"a problem of another request", "GET", "/v1/presence/ada", 401, refused, edit(problem, `"r"`, `"s"`), "requestId"},
		{"a problem that belongs elsewhere", "GET", "/v1/presence/ada", 401, refused, edit(problem, "missing_token", "rate_limited"), `"rate_limited" is not among`},
		{"a problem that nobody knows", "GET", "/v1/presence/ada", 401, refused, edit(problem, "missing_token", "oops"), "code"},
		{"no such path", "GET", "/nothing", 404, refused, edit(edit(problem, "401", "404"), "missing_token", "not_found"), ""},
		{"no such path, plain", "GET", "/nothing", 404, header("X-Request-Id", "r", "Content-Type", "text/plain"), "404 page not found", "Content-Type"},
		{"no such path, answered", "GET", "/nothing", 200, seen, ada, "no such operation"},
		{"no such method", "POST", "/v1/presence/me", 405, func() http.Header {
			h := refused.Clone()
			h.Set("Allow", "GET, HEAD")
			return h
		}(), edit(edit(problem, "401", "405"), "missing_token", "method_not_allowed"), ""},
		{"no such method, and no word which", "POST", "/v1/presence/me", 405, refused, edit(edit(problem, "401", "405"), "missing_token", "method_not_allowed"), "Allow"},
		{"a part of the docs page", "GET", "/docs/page.css", 200, header("Content-Type", "text/css"), "a{}", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := Load(t).checkResponse(httptest.NewRequest(test.method, test.path, nil), test.status, test.header, []byte(test.body))
			wantFault(t, err, test.want)
		})
	}
}

func TestEventsAreHeldToTheContract(t *testing.T) {
	const ada = `{"userId":"ada","status":"online","notify":true,"rev":1}`
	for _, test := range []struct{ name, data, want string }{
		{"presence", `{"presences":[` + ada + `]}`, ""},
		{"presence", `{"presences":[]}`, "presences"},
		{"presence", `{"presences":[{"userId":"ada"}]}`, "status"},
		{"presence", `{"presences":[` + ada + `],"extra":1}`, "extra"},
		{"snapshot", `{"part":1,"parts":1,"scope":"all","presences":[],"rooms":{},"typing":{}}`, ""},
		{"snapshot", `{"part":1,"parts":1,"scope":"all","presences":[],"rooms":null,"typing":{}}`, "rooms"},
		{"snapshot", `{"part":1,"parts":1,"scope":"all","presences":[],"rooms":{"lobby":{}},"typing":{}}`, "rooms"},
		{"snapshot", `{"part":1,"parts":1,"scope":"all","presences":[],"rooms":{"lobby":{"members":[` + ada + `],"count":1,"rev":1}},"typing":{"lobby":[]}}`, ""},
		{"snapshot", `{"part":1,"parts":1,"scope":"all","presences":[],"rooms":{"lobby":{"members":null,"count":1,"rev":1}},"typing":{}}`, "members"},
		{"snapshot", `{"part":1,"parts":1,"scope":"all","presences":[],"rooms":{"":{"members":[],"count":0,"rev":1}},"typing":{}}`, "propertyName"},
		{"snapshot", `{"part":1,"parts":1,"scope":"all","presences":[],"rooms":{},"typing":{"lobby":null}}`, "typing"},
		{"room", `{"room":"lobby","joined":[` + ada + `],"left":["ben"],"count":1,"rev":1}`, ""},
		{"room", `{"room":"lobby","members":[],"count":0,"rev":1}`, ""},
		{"room", `{"room":"lobby","count":812,"rev":1}`, ""},
		{"room", `{"room":"lobby","rev":1}`, "count"},
		{"room", `{"room":"lobby","joined":["ada"],"count":1,"rev":1}`, "joined"},
		{"room", `{"room":"lobby","members":null,"count":1,"rev":1}`, "members"},
		{"typing", `{"room":"lobby","threadId":"t-41","typing":[{"userId":"ada","profile":{"name":"Ada"},"expiresAt":"2026-11-22T09:41:11.001Z"}]}`, ""},
		{"typing", `{"room":"lobby","typing":[]}`, ""},
		{"typing", `{"room":"lobby"}`, "typing"},
		{"typing", `{"room":"lobby","typing":[{"userId":"ada","threadId":"t-41","expiresAt":"2026-11-22T09:41:11.001Z"}]}`, "threadId"},
		{"selftest", `{"n":5,"of":5,"serverTime":"2026-11-22T09:41:05.001Z"}`, ""},
		{"selftest", `{"n":6,"of":5,"serverTime":"2026-11-22T09:41:05.001Z"}`, "maximum"},
		{"reconnect", `{"reason":"drain","afterMs":2000}`, ""},
		{"reconnect", `{"reason":"boredom","afterMs":2000}`, "reason"},
		{"problem", `{"type":"/x","title":"t","status":401,"detail":"d","code":"missing_token","requestId":"r","final":true}`, ""},
		{"ping", ``, "not JSON"},
		{"joy", `{}`, "no operation declares"},
	} {
		wantFault(t, Load(t).checkEvent(test.name, []byte(test.data)), test.want)
	}
}

func TestStreamsAreHeldToTheContract(t *testing.T) {
	const (
		hello = "event: hello\ndata: {\"streamId\":\"s\",\"resumed\":false,\"serverTime\":\"2026-11-22T09:41:05.001Z\",\"pingMs\":30000,\"limits\":{\"users\":100,\"rooms\":50}}\n\n"
		ping  = "event: ping\ndata: {\"serverTime\":\"2026-11-22T09:41:05.001Z\"}\n\n"
		room  = "event: room\ndata: {\"room\":\"lobby\",\"members\":[],\"count\":0,\"rev\":1}\n\n"
		types = "event: typing\ndata: {\"room\":\"lobby\",\"typing\":[]}\n\n"
		test  = "event: selftest\ndata: {\"n\":1,\"of\":5,\"serverTime\":\"2026-11-22T09:41:05.001Z\"}\n\n"

		watch    = "/v1/stream?room=lobby"
		selftest = "/v1/stream/selftest"
	)
	for _, test := range []struct{ name, path, text, want string }{
		{"a stream", watch, "retry: 2000\n\n" + hello + ": still here\n\n" + ping, ""},
		{"ids on a room and on typing", watch, hello + "id: 1\n" + room + "id: 2\n" + types, ""},
		{"no hello", watch, ping, "begins with hello"},
		{"an id on a ping", watch, hello + "id: 1\n" + ping, "id on an event that is not state"},
		{"no name", watch, hello + "data: {}\n\n", "without a name"},
		{"no field", watch, hello + "event\n\n", "no field"},
		{"an undeclared event", watch, hello + "event: joy\ndata: {}\n\n", "does not declare"},
		{"a selftest among people", watch, hello + test, "does not declare"},
		{"a selftest", selftest, test + test, ""},
		{"an id on a selftest", selftest, "id: 1\n" + test, "id on an event that is not state"},
		{"people in a selftest", selftest, test + room, "does not declare"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := Load(t)
			op, _ := c.find(httptest.NewRequest("GET", test.path, nil))
			s := stream{c: c, op: op}
			var err error
			for i := 0; i < len(test.text) && err == nil; i++ { // a frame may come in any pieces
				err = s.write([]byte{test.text[i]})
			}
			wantFault(t, err, test.want)
		})
	}
}

func wantFault(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("got fault %v, want none", err)
	case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
		t.Errorf("got fault %v, want one about %q", err, want)
	}
}

// complaints is a test that only listens.
type complaints struct {
	testing.TB
	got int
}

func (c *complaints) Helper()               {}
func (c *complaints) Errorf(string, ...any) { c.got++ }

func TestRecorderChecksWhatPassesAndChangesNothing(t *testing.T) {
	const body = "event: ping\ndata: {}\n\n"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Request-Id", "r")
		if r.URL.Path == "/healthz" {
			h.Set("Cache-Control", "no-store")
			h.Set("Content-Type", "application/json")
			io.WriteString(w, `{"status":"ok"}`)
			return
		}
		h.Set("Cache-Control", "no-cache, no-store, no-transform")
		h.Set("X-Accel-Buffering", "no")
		h.Set("Content-Type", "text/event-stream")
		io.WriteString(w, body)
	}))
	defer server.Close()

	c, err := newContract(Load(t).doc)
	if err != nil {
		t.Fatal(err)
	}
	listener := &complaints{TB: t}
	client := c.Recorder(listener, nil).Client()
	fetch := func(path string) string {
		resp, err := client.Get(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}

	if got, want := fetch("/healthz"), `{"status":"ok"}`; got != want {
		t.Errorf("got body %q, want %q", got, want)
	}
	if listener.got != 0 {
		t.Errorf("%d complaints about an answer without a fault", listener.got)
	}
	if got := fetch("/v1/stream?user=ada"); got != body {
		t.Errorf("got stream %q, want %q", got, body)
	}
	if listener.got != 1 {
		t.Errorf("got %d complaints about a stream that does not say hello, want 1", listener.got)
	}

	missing := c.Uncovered()
	if slices.Contains(missing, "getHealth") || slices.Contains(missing, "openStream") || !slices.Contains(missing, "heartbeat") {
		t.Errorf("got %q as uncovered, after getHealth and openStream", missing)
	}
	if events := c.UncoveredEvents(); !slices.Contains(events, "hello") {
		t.Errorf("got %q as uncovered events, want hello among them", events)
	}
}

func BenchmarkCheckResponse(b *testing.B) {
	c := Load(b)
	req := httptest.NewRequest("GET", "/v1/presence/ada", nil)
	header := http.Header{"X-Request-Id": {"x"}, "Cache-Control": {"no-store"}, "Content-Type": {"application/json"}, "Etag": {`"x"`}}
	body := []byte(`{"userId":"ada","status":"online","notify":true,"rev":1795340465001000,"devices":{"web":"online"}}`)
	for b.Loop() {
		c.CheckResponse(b, req, 200, header, body)
	}
}
