package handlers

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/presently/presently/api"
	"github.com/presently/presently/internal/contract"
	"github.com/presently/presently/presence"
	"github.com/presently/presently/presence/memstore"
)

var worldSecret = []byte("a secret of at least thirty-two bytes")

// world is a whole instance on virtual time: a memstore, the server, and clients that reach it over pipes. Every answer and event is held
// against the contract on its way.
type world struct {
	*testing.T
	server *Server
	client *http.Client
	pipes  *pipes
	store  presence.Store
}

var worldPolicy = presence.Policy{
	TTL: 90 * time.Second, Grace: 10 * time.Second, Heartbeat: 30 * time.Second, IdleAfter: 5 * time.Minute, Sessions: 20,
	TypingTTL: 6 * time.Second,
}

// inWorld runs a story in a world of its own.
func inWorld(t *testing.T, story func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, newStore())
		w.run()
		story(w)
	})
}

// inStillWorld is inWorld where nobody follows the store: no session lapses, no stream is told anything, and years cost nothing.
func inStillWorld(t *testing.T, story func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { story(newWorld(t, newStore())) })
}

func newStore() *memstore.Store {
	return memstore.New(memstore.Options{TTL: worldPolicy.TTL, Sweep: time.Second})
}

func newServer(t testing.TB, store presence.Store) *Server {
	t.Helper()
	return New(worldOptions(t, store))
}

func worldOptions(t testing.TB, store presence.Store) Options {
	t.Helper()
	tokens, err := NewVerifier(TokenConfig{Secret: worldSecret})
	if err != nil {
		t.Fatal(err)
	}
	page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		io.WriteString(w, "<!doctype html>") //nolint:errcheck // a test
	})
	registry := prometheus.NewRegistry()
	return Options{
		Registry: registry, Metrics: promhttp.HandlerFor(registry, promhttp.HandlerOpts{}),
		Tracker:  &presence.Tracker{Store: store, Policy: worldPolicy, Instance: "test"},
		Self:     presence.Instance{Host: "host-1", Version: "v1.2.3", Started: time.Now()},
		Tokens:   tokens,
		Coalesce: 250 * time.Millisecond, Drain: 25 * time.Second, StreamMaxAge: 30 * time.Minute,
		Origins:  []string{"https://app.example"},
		Contract: []byte("openapi: 3.1.0\n"), Docs: page, Home: page, Log: slog.New(slog.DiscardHandler),
	}
}

func newWorld(t *testing.T, store presence.Store) *world {
	t.Helper()
	return newWorldOf(t, newServer(t, store), store)
}

func newWorldOf(t *testing.T, s *Server, store presence.Store) *world {
	t.Helper()
	listener := newPipes()
	web := &http.Server{Handler: s, ReadHeaderTimeout: 5 * time.Second}
	go web.Serve(listener) //nolint:errcheck // ends with the test
	transport := &http.Transport{DialContext: listener.dial}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		web.Close()             //nolint:errcheck // a test
		time.Sleep(time.Second) // for connections whose body was not read to its end, over which net/http lingers
	})
	return &world{T: t, server: s, store: store, client: contract.Load(t).Recorder(t, transport).Client(), pipes: listener}
}

// run has the server follow its store until the test ends.
func (w *world) run() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.server.Run(ctx) }()
	w.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			w.Errorf("Run: %v", err)
		}
	})
	synctest.Wait()
	time.Sleep(500 * time.Millisecond) // to the middle between two sweeps
}

// pipes is a network of one host.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case p.conns <- server:
		return client, nil
	case <-p.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { close(p.closed); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipes", Net: "pipe"} }

// token signs claims for a user; more overrides and adds, and nil takes away.
func token(user string, more map[string]any) string {
	claims := jwt.MapClaims{"sub": user, "exp": time.Now().Add(24 * time.Hour).Unix()}
	for k, v := range more {
		claims[k] = v
		if v == nil {
			delete(claims, k)
		}
	}
	signed, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString(worldSecret)
	if err != nil {
		panic(err)
	}
	return signed
}

// reply is an answer that has been read.
type reply struct {
	status int
	header http.Header
	body   []byte
	close  bool // with "Connection: close", which is for the client's transport and no longer in header
}

// ask sends a request as a user; an empty user sends no token. headers are "Name: value".
func (w *world) ask(user, method, path, body string, headers ...string) reply {
	w.Helper()
	req, err := http.NewRequestWithContext(w.Context(), method, "http://presently"+path, strings.NewReader(body))
	if err != nil {
		w.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	} else {
		req.Body = http.NoBody
	}
	if user != "" {
		req.Header.Set("Authorization", "Bearer "+token(user, map[string]any{"profile": map[string]string{"name": strings.ToUpper(user)}}))
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Del(name)
		if value != "" {
			req.Header.Set(name, value)
		}
	}
	res, err := w.client.Do(req)
	if err != nil {
		w.Fatal(err)
	}
	defer res.Body.Close() //nolint:errcheck // a test
	got, err := io.ReadAll(res.Body)
	if err != nil {
		w.Fatal(err)
	}
	return reply{res.StatusCode, res.Header, got, res.Close}
}

// as decodes a reply that must have a status.
func as[T any](w *world, r reply, status int) T {
	w.Helper()
	var v T
	if r.status != status {
		w.Fatalf("status %d, want %d: %s", r.status, status, r.body)
	}
	if len(r.body) > 0 {
		if err := json.Unmarshal(r.body, &v); err != nil {
			w.Fatalf("%v: %s", err, r.body)
		}
	}
	return v
}

func (w *world) wantProblem(r reply, status int, code api.ProblemCode) api.Problem {
	w.Helper()
	p := as[api.Problem](w, r, status)
	if p.Code != code || p.Detail == "" || p.RequestID == "" || p.RequestID != r.header.Get("X-Request-Id") {
		w.Fatalf("problem %s, want code %s", r.body, code)
	}
	return p
}

// wantInvalid is wantProblem for validation_failed, whose errors must point to certain places.
func (w *world) wantInvalid(r reply, pointers ...string) {
	w.Helper()
	var got []string
	for _, e := range w.wantProblem(r, http.StatusBadRequest, api.ProblemCodeValidationFailed).Errors {
		got = append(got, e.Pointer)
	}
	if !slices.Equal(got, pointers) {
		w.Errorf("errors at %q, want %q: %s", got, pointers, r.body)
	}
}

func body(text string) io.Reader { return strings.NewReader(text) }

func (w *world) beat(user, session, more string) api.BeatAnswer {
	w.Helper()
	return as[api.BeatAnswer](w, w.ask(user, "POST", "/v1/presence/heartbeat", `{"sessionId":"`+session+`"`+more+`}`), http.StatusOK)
}

func (w *world) sessions(user string) []api.Session {
	w.Helper()
	return as[api.SessionList](w, w.ask(user, "GET", "/v1/presence/me/sessions", ""), http.StatusOK).Sessions
}

func (w *world) see(viewer, user string) api.Presence {
	w.Helper()
	return as[api.Presence](w, w.ask(viewer, "GET", "/v1/presence/"+user, ""), http.StatusOK)
}

// event is one event that a stream sent, and when.
type event struct {
	name, id, data string
	retry          string
	at             time.Time
}

// watching is an open stream.
type watching struct {
	*world
	header http.Header
	events chan event
	cancel context.CancelFunc
}

// stream asks for a stream, which must be granted; an empty user sends no token.
func (w *world) stream(user, query string, headers ...string) (res *http.Response, cancel context.CancelFunc) {
	w.Helper()
	return w.streamAt(user, "/v1/stream?"+query, headers...)
}

// streamAt is stream for one of any path.
func (w *world) streamAt(user, path string, headers ...string) (res *http.Response, cancel context.CancelFunc) {
	w.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://presently"+path, nil)
	if err != nil {
		w.Fatal(err)
	}
	if user != "" {
		req.Header.Set("Authorization", "Bearer "+token(user, nil))
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	res, err = w.client.Do(req)
	if err != nil {
		w.Fatal(err)
	}
	if res.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(res.Body)
		w.Fatalf("stream: %d %s", res.StatusCode, body)
	}
	return res, cancel
}

// watch opens a stream and reads it.
func (w *world) watch(user, query string, headers ...string) *watching {
	w.Helper()
	return w.watchAt(user, "/v1/stream?"+query, headers...)
}

// watchAt is watch for a stream of any path.
func (w *world) watchAt(user, path string, headers ...string) *watching {
	w.Helper()
	res, cancel := w.streamAt(user, path, headers...)
	s := &watching{world: w, header: res.Header, events: make(chan event, 1000), cancel: cancel}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.read(res.Body)
	}()
	w.Cleanup(func() { cancel(); <-done })
	return s
}

func (s *watching) read(body io.ReadCloser) {
	defer body.Close() //nolint:errcheck // a test
	defer close(s.events)
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, 1<<20)
	var e event
	for lines.Scan() {
		line := lines.Text()
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case line == "":
			if e != (event{}) {
				e.at = time.Now()
				s.events <- e
			}
			e = event{}
		case field == "":
			e.name = "comment"
		case field == "event":
			e.name = value
		case field == "data":
			e.data += value
		case field == "id":
			e.id = value
		case field == "retry":
			e.retry = value
		}
	}
}

// next is the next event that is neither comment nor ping, which must have a name; it waits up to a minute of virtual time.
func (s *watching) next(name string) event {
	s.Helper()
	timeout := time.After(time.Minute)
	for {
		select {
		case e, ok := <-s.events:
			if !ok {
				s.Fatalf("the stream ended, want %s", name)
			}
			if e.name == "comment" || e.name == "ping" {
				continue
			}
			if e.name != name {
				s.Fatalf("event %+v, want %s", e, name)
			}
			return e
		case <-timeout:
			s.Fatalf("no event, want %s", name)
		}
	}
}

// nothing fails if the stream says anything of people within a time.
func (s *watching) nothing(within time.Duration) {
	s.Helper()
	time.Sleep(within)
	synctest.Wait()
	for {
		select {
		case e, ok := <-s.events:
			if ok && (e.name == "comment" || e.name == "ping") {
				continue
			}
			s.Fatalf("event %+v (open: %t), want silence", e, ok)
		default:
			return
		}
	}
}

// started reads hello and a snapshot of one part.
func (s *watching) started() (api.HelloEvent, api.SnapshotEvent, event) {
	s.Helper()
	hello := decodeEvent[api.HelloEvent](s, s.next("hello"))
	e := s.next("snapshot")
	return hello, decodeEvent[api.SnapshotEvent](s, e), e
}

// presence is the one presence of the next event.
func (s *watching) presence() api.Presence {
	s.Helper()
	p := decodeEvent[api.PresenceEvent](s, s.next("presence"))
	if len(p.Presences) != 1 {
		s.Fatalf("%d presences, want 1: %+v", len(p.Presences), p)
	}
	return p.Presences[0]
}

func decodeEvent[T any](s *watching, e event) T {
	s.Helper()
	var v T
	d := json.NewDecoder(bytes.NewReader([]byte(e.data)))
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		s.Fatalf("event %s: %v: %s", e.name, err, e.data)
	}
	return v
}
