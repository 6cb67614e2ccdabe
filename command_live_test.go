package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/presently/presently/api"
	"github.com/presently/presently/internal/redistest"
)

// running is a command that goes on until it is stopped.
type running struct {
	stdout, stderr *terminal
	stop           context.CancelFunc
	done           chan error
}

func (i *instance) command(environ []string, args ...string) *running {
	ctx, stop := context.WithCancel(context.Background())
	r := &running{newTerminal(), newTerminal(), stop, make(chan error, 1)}
	go func() {
		err := run(ctx, args, append(environ, "PRESENTLY_URL="+i.url), r.stdout, r.stderr)
		r.stdout.end()
		r.done <- err
	}()
	i.t.Cleanup(func() {
		stop()
		r.wait(i.t)
	})
	return r
}

func (r *running) wait(t testing.TB) error {
	t.Helper()
	select {
	case err := <-r.done:
		r.done <- err
		return err
	case <-time.After(patience):
		t.Fatalf("it does not end; it wrote\n%s", r.stdout)
		return nil
	}
}

func TestWatchShowsPeopleAndRoomsLive(t *testing.T) {
	i := start(t, "PRESENTLY_JWT_SECRET="+testSecret)
	ada, me := "PRESENTLY_TOKEN="+token(t, "--sub=ada", "--name=Ada"), "PRESENTLY_TOKEN="+token(t, "--sub=me")
	w := i.command([]string{me}, "watch", "--user", "ada", "--room", "lobby")
	w.stdout.await(t, regexp.MustCompile(`(?m)^\d\d:\d\d:\d\d  ada  offline`))
	w.stdout.await(t, regexp.MustCompile(`(?m)  lobby  0 here$`))

	person := i.as(t, ada)
	person.must(t, "POST", "/v1/presence/heartbeat", `{"sessionId":"session-1","rooms":["lobby"]}`)
	w.stdout.await(t, regexp.MustCompile(`(?m)  Ada \(ada\)  online$`))
	w.stdout.await(t, regexp.MustCompile(`(?m)  lobby  \+ Ada \(ada\), online \(1 here\)$`))
	person.must(t, "PUT", "/v1/rooms/lobby/typing", `{"sessionId":"session-1"}`)
	w.stdout.await(t, regexp.MustCompile(`(?m)  lobby  typing: Ada \(ada\)$`))
	person.must(t, "DELETE", "/v1/presence/me/sessions/session-1", "")
	w.stdout.await(t, regexp.MustCompile(`(?m)  lobby  - Ada \(ada\) \(0 here\)$`))
	w.stdout.await(t, regexp.MustCompile(`(?m)  Ada \(ada\)  offline`))
	w.stop()
	if err := w.wait(t); err != nil || w.stderr.String() != "" {
		t.Errorf("watch ends with %v; %s", err, w.stderr)
	}
	if strings.Contains(w.stdout.String(), "\x1b") {
		t.Error("a pipe gets what is for terminals")
	}
}

// The server restarts: whoever watches is told, and goes on watching.
func TestWatchGoesOnAfterTheServerWasAway(t *testing.T) {
	redis := redistest.Start(t)
	environ := []string{"PRESENTLY_JWT_SECRET=" + testSecret, "PRESENTLY_REDIS_URL=" + redis.URL()}
	first := start(t, environ...)
	person := first.as(t, "PRESENTLY_TOKEN="+token(t, "--sub=ada"))
	person.must(t, "POST", "/v1/presence/heartbeat", `{"sessionId":"session-1"}`)
	proxy := newSwitch(t, first.url)
	through := &instance{t: t, url: proxy.url}
	w := through.command([]string{"PRESENTLY_TOKEN=" + token(t, "--sub=me")}, "watch", "--user=ada")
	w.stdout.await(t, regexp.MustCompile(`  ada  online`))
	first.stop()
	first.wait()
	w.stdout.await(t, regexp.MustCompile(`coming back in|trying again in`))

	second := start(t, environ...)
	proxy.to(t, second.url)
	w.stdout.await(t, regexp.MustCompile(`  connected again`))
	person = second.as(t, "PRESENTLY_TOKEN="+token(t, "--sub=ada"))
	person.must(t, "PUT", "/v1/presence/status", `{"status":"dnd"}`)
	w.stdout.await(t, regexp.MustCompile(`  ada  dnd`))
	if n := strings.Count(w.stdout.String(), "  ada  online"); n != 1 {
		t.Errorf("it was told %d times that she is online; coming back costs only what was missed:\n%s", n, w.stdout)
	}
}

func TestWatchEndsWhereComingBackIsPointless(t *testing.T) {
	i := start(t, "PRESENTLY_JWT_SECRET="+testSecret)
	for environ, want := range map[string]string{
		"PRESENTLY_TOKEN=a.b.c": "invalid_token",
		"PRESENTLY_TOKEN=" + token(t, "--sub=me", "--rooms=team-*"):         "room_not_granted",
		"PRESENTLY_TOKEN=" + token(t, "--sub=me", "--scope=presence:write"): "insufficient_scope",
	} {
		_, err := runOnce(t, []string{"watch", "--room=lobby"}, environ, "PRESENTLY_URL="+i.url)
		if err == nil || !strings.Contains(err.Error(), want) || exitCode(err) != 1 {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// asked is somebody who talks to an instance.
type asked struct{ server *remote }

func (i *instance) as(t testing.TB, environ string) asked {
	t.Helper()
	u, err := url.Parse(i.url)
	if err != nil {
		t.Fatal(err)
	}
	return asked{&remote{u, strings.TrimPrefix(environ, "PRESENTLY_TOKEN="), client(t)}}
}

func (a asked) must(t testing.TB, method, path, body string) {
	t.Helper()
	var content any
	if body != "" {
		content = json.RawMessage(body)
	}
	if _, err := a.server.ask(t.Context(), method, path, content, nil); err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
}

// switchable is a proxy whose server can be changed.
type switchable struct {
	url    string
	target chan string
}

func newSwitch(t testing.TB, first string) *switchable {
	t.Helper()
	s := &switchable{target: make(chan string, 1)}
	s.target <- first
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	server := httptest.NewServer(&httputil.ReverseProxy{Transport: transport, FlushInterval: -1, ErrorLog: nil, ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) {
		w.WriteHeader(http.StatusBadGateway)
	}, Rewrite: func(r *httputil.ProxyRequest) {
		target := <-s.target
		s.target <- target
		u, err := url.Parse(target)
		if err != nil {
			panic(err)
		}
		r.SetURL(u)
	}})
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

func (s *switchable) to(t testing.TB, url string) {
	t.Helper()
	<-s.target
	s.target <- url
}

func stats(t testing.TB, i *instance) api.Stats {
	t.Helper()
	var s api.Stats
	if _, err := i.as(t, token(t, "--sub=ops", "--scope=presence:stats")).server.ask(t.Context(), "GET", "/v1/stats", nil, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSimPlaysPeopleWhoSayGoodbyeAtTheEnd(t *testing.T) {
	i := start(t, "PRESENTLY_JWT_SECRET="+testSecret, "PRESENTLY_GRACE=50ms", "PRESENTLY_TTL=2s", "PRESENTLY_RATE_LIMIT=off")
	s := i.command([]string{"PRESENTLY_JWT_SECRET=" + testSecret}, "sim", "--users=12", "--rooms=2", "--pace=200")
	deadline := time.Now().Add(patience)
	for got := stats(t, i); got.Users < 8 || got.Rooms != 2; got = stats(t, i) {
		if time.Now().After(deadline) {
			t.Fatalf("after %v there are %+v", patience, got)
		}
		time.Sleep(20 * time.Millisecond)
	}
	s.stop() // as Ctrl-C does
	if err := s.wait(t); err != nil {
		t.Errorf("sim: %v", err)
	}
	summary := regexp.MustCompile(`(?m)^\d+s  0 here, 0 asleep  ·  [1-9]\d* beats, 0 failed, median .*, p99 .*  ·  .*$`)
	if !summary.MatchString(s.stdout.String()) || strings.Contains(s.stdout.String(), "last error") {
		t.Errorf("sim ends with\n%s", s.stdout)
	}
	for stats(t, i).Users > 0 {
		if time.Now().After(deadline) {
			t.Fatal("they are there yet")
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func TestSimWithATokenPlaysTheDevicesOfOneUser(t *testing.T) {
	i := start(t, "PRESENTLY_JWT_SECRET="+testSecret, "PRESENTLY_RATE_LIMIT=off")
	s := i.command([]string{"PRESENTLY_TOKEN=" + token(t, "--sub=ada")}, "sim", "--users=3", "--rooms=0", "--for=6s")
	deadline := time.Now().Add(patience)
	for got := stats(t, i); got.Users != 1 || got.Sessions < 2; got = stats(t, i) {
		if time.Now().After(deadline) {
			t.Fatalf("there are %+v", got)
		}
		time.Sleep(20 * time.Millisecond)
	}
	if err := s.wait(t); err != nil {
		t.Errorf("sim: %v", err)
	}
}

func TestSimEndsWhereTheServerRefusesThem(t *testing.T) {
	i := start(t, "PRESENTLY_JWT_SECRET="+testSecret)
	_, err := runOnce(t, []string{"sim", "--users=3", "--secret=" + testSecret + "another"}, "PRESENTLY_URL="+i.url)
	if err == nil || !strings.Contains(err.Error(), "the server refuses them: ") || !strings.Contains(err.Error(), "invalid_token") || exitCode(err) != 1 {
		t.Errorf("sim: %v", err)
	}
}

func wantFindings(t testing.TB, out string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !regexp.MustCompile(`(?m)^` + w).MatchString(out) {
			t.Errorf("there is no finding %s in\n%s", w, out)
		}
	}
}

func TestCheckFindsNothingWrongWhereNothingIs(t *testing.T) {
	redis := redistest.Start(t, "--appendonly", "yes", "--requirepass", "open sesame")
	i := start(t, "PRESENTLY_JWT_SECRET="+testSecret, "PRESENTLY_JWT_AUDIENCE=presently", "PRESENTLY_REDIS_URL="+redis.URL(), "PRESENTLY_CORS_ORIGINS=https://app.example")
	made, err := runOnce(t, []string{"token", "--sub=check"}, "PRESENTLY_JWT_SECRET="+testSecret, "PRESENTLY_JWT_AUDIENCE=presently")
	if err != nil {
		t.Fatal(err)
	}
	becomes(t, client(t), i.url+"/readyz", http.StatusOK)
	out, err := runOnce(t, []string{"check", "--origin=https://app.example/"}, "PRESENTLY_URL="+i.url, "PRESENTLY_TOKEN="+made, "PRESENTLY_REDIS_URL="+redis.URL())
	if err != nil {
		t.Errorf("check: %v\n%s", err, out)
	}
	wantFindings(t, out, "✓ the server answers", "✓ it is ready", "✓ its contract", "✓ strangers are not let in", "✓ CORS: pages from elsewhere may not", "✓ CORS: pages of https://app.example may",
		"✓ the token is taken", "✓ heartbeats are asked for every (27|28|29|30|31|32|33)s, and believed for 1m30s", "✓ the store's clock", "✓ privacy", "✓ streams: the first event", "[✓–] streams: coming back",
		"✓ nothing on the way collects", "✓ Redis answers", "✓ Redis keeps what it has", "✓ Redis is the one that the server has, with its 16 partitions", "✓ Redis' clock", `\d+ fine, \d+ to be looked at, 0 wrong, \d not checked`)
	if n := sessionsOf(t, i, made); n != 0 {
		t.Errorf("%d sessions are left", n)
	}
}

func sessionsOf(t testing.TB, i *instance, token string) int {
	t.Helper()
	var list api.SessionList
	if _, err := i.as(t, strings.TrimSpace(token)).server.ask(t.Context(), "GET", "/v1/presence/me/sessions", nil, &list); err != nil {
		t.Fatal(err)
	}
	return len(list.Sessions)
}

// A proxy that collects streams, opens the door to every page, and lets profiles out; a Redis that forgets and is another than the server's.
func TestCheckFindsWhatIsWrong(t *testing.T) {
	redis := redistest.Start(t)
	i := start(t, "PRESENTLY_JWT_SECRET="+strings.Repeat("secret", 6), "PRESENTLY_TTL=3s")
	u, err := url.Parse(i.url)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(u)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	careless := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		switch r.URL.Path {
		case "/debug/pprof/":
			return
		case "/v1/stream/selftest":
			collect(t, w, r, u)
		default:
			if r.Method != http.MethodOptions {
				proxy.ServeHTTP(w, r)
			}
		}
	}))
	t.Cleanup(careless.Close)
	made, err := runOnce(t, []string{"token", "--sub=check", "--ttl=48h", "--scope=presence:read presence:write presence:admin"}, "PRESENTLY_JWT_SECRET="+strings.Repeat("secret", 6))
	if err != nil {
		t.Fatal(err)
	}
	out, err := runOnce(t, []string{"check", "--redis-url", redis.URL(), "--admin-url", careless.URL}, "PRESENTLY_URL="+careless.URL, "PRESENTLY_TOKEN="+made)
	if err == nil || exitCode(err) != 1 {
		t.Errorf("check: %v", err)
	}
	wantFindings(t, out, "✗ strangers are let in with a token signed with a secret from an example", "✗ CORS: any page may ask", "✗ profiles can be taken", "✓ metrics can be read",
		"! the token is good for 48h", "! the token does not say what it is for", `! the token may do everything`, "! heartbeats are believed for 3s", "✗ streams are collected on the way",
		"✗ Redis: no persistence", "! Redis lets in whoever", "✗ Redis: this is not the one that the server has", "    → switch off buffering", `\d+ fine, \d+ to be looked at, \d+ wrong`)
}

// collect answers when it has all of the answer, as a proxy that buffers does.
func collect(t testing.TB, w http.ResponseWriter, r *http.Request, target *url.URL) {
	t.Helper()
	out := r.Clone(r.Context())
	out.URL.Scheme, out.URL.Host, out.RequestURI = target.Scheme, target.Host, ""
	response, err := client(t).Do(out)
	if err != nil {
		t.Error(err)
		return
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Error(err)
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Write(text) //nolint:errcheck // a test
}

func TestCheckWithoutATokenTellsWhatItLeftOut(t *testing.T) {
	i := start(t, "PRESENTLY_JWT_SECRET="+testSecret)
	out, err := runOnce(t, []string{"check"}, "PRESENTLY_URL="+i.url)
	if err != nil {
		t.Errorf("check: %v", err)
	}
	wantFindings(t, out, "– heartbeats, streams, tokens, clocks: there is no token", "– Redis", fmt.Sprintf(`%s, 0 wrong, 2 not checked`, `\d+ fine, \d+ to be looked at`))
	i.stop()
	i.wait()
	out, err = runOnce(t, []string{"check"}, "PRESENTLY_URL="+i.url)
	if err == nil || exitCode(err) != 1 {
		t.Errorf("check of a server that is away: %v", err)
	}
	wantFindings(t, out, "✗ the server does not answer: ", "0 fine, 0 to be looked at, 1 wrong")
}
