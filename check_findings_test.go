package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/presently/presently/internal/redistest"
)

// amiss is a server of which one thing or another is as it should not be: what it answers by method and path, and 404 to all else.
type amiss map[string]http.HandlerFunc

func (a amiss) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if answer := a[r.Method+" "+r.URL.Path]; answer != nil {
		answer(w, r)
		return
	}
	http.NotFound(w, r)
}

// says answers with a status, headers and a body.
func says(status int, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for _, h := range headers {
			name, value, _ := strings.Cut(h, ": ")
			w.Header().Set(name, value)
		}
		w.WriteHeader(status)
		io.WriteString(w, body) //nolint:errcheck // a test
	}
}

// tokenOf is a token that nobody verifies, with these claims.
func tokenOf(claims string) string {
	return "e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".c2ln"
}

const (
	beatAt    = "POST /v1/presence/heartbeat"
	streamAt  = "GET /v1/stream"
	goodToken = `{"iat":1000,"exp":2000,"aud":"presently","sub":"check"}`
)

func beaten(next, ttl time.Duration, lastBeat time.Time) string {
	return fmt.Sprintf(`{"presence":{"userId":"check"},"nextMs":%d,"ttlMs":%d,"session":{"lastBeatAt":%q}}`, next.Milliseconds(), ttl.Milliseconds(), lastBeat.UTC().Format(time.RFC3339Nano))
}

// Each thing that the checklist finds about a server, at one of which it is so. All that is not fine comes with what to do about it.
func TestCheckTellsOfEachThingThatIsAmiss(t *testing.T) {
	t.Parallel()
	problem := says(403, `{"code":"insufficient_scope","title":"Insufficient scope","detail":"Get a token."}`, "Content-Type: application/problem+json")
	const snapshot = "event: hello\ndata: {\"streamId\":\"s\",\"resumed\":false}\n\nid: 7\nevent: snapshot\ndata: {\"part\":1,\"parts\":1}\n\n"
	beat := func(next, ttl, off time.Duration, headers ...string) amiss {
		return amiss{beatAt: func(w http.ResponseWriter, r *http.Request) {
			says(200, beaten(next, ttl, time.Now().Add(off)), headers...)(w, r)
		}}
	}
	streaming := func(headers string, resumed bool, late time.Duration) amiss {
		return amiss{beatAt: says(200, "{}"), streamAt: func(w http.ResponseWriter, r *http.Request) {
			text := snapshot
			if r.Header.Get("Last-Event-ID") != "" {
				text = strings.Replace(text, "false", fmt.Sprint(resumed), 1)
			}
			time.Sleep(late) // a server that is slow
			says(200, text+"event: presence\ndata: {}\n\n", "Content-Type: text/event-stream", headers)(w, r)
		}}
	}
	gaps := func(gaps ...time.Duration) func(*checkup, context.Context) {
		return func(c *checkup, _ context.Context) {
			var all []heardAt
			at := time.Duration(0)
			for _, gap := range gaps {
				at += gap
				all = append(all, heardAt{event{}, at})
			}
			c.paced(all)
		}
	}
	const proper = "Cache-Control: no-cache, no-store, no-transform"
	for _, tt := range []struct {
		want   string // what it begins with
		do     func(*checkup, context.Context)
		server amiss
		set    func(*checkup)
	}{
		{"! the server answers, after ", func(c *checkup, ctx context.Context) { c.reach(ctx) }, amiss{"GET /healthz": func(http.ResponseWriter, *http.Request) { time.Sleep(slowAnswer + 50*time.Millisecond) }}, nil},
		{"✗ the server does not answer: the answer is 404 Not Found, and none that Presently gives", func(c *checkup, ctx context.Context) { c.reach(ctx) }, nil, nil},
		{"✗ without https tokens can be read", (*checkup).secure, nil, func(c *checkup) { c.server.base, _ = url.Parse("http://presence.example.org") }},
		{"! the address is this machine's own", (*checkup).secure, nil, nil},
		{"✗ the server is not ready: Unavailable (store_unavailable)", (*checkup).ready, amiss{"GET /readyz": says(503, `{"code":"store_unavailable","title":"Unavailable"}`, "Content-Type: application/problem+json")}, nil},
		{"! its contract cannot be read", (*checkup).documented, nil, nil},
		{"✗ strangers are let in", (*checkup).strangers, amiss{"GET /v1/presence/me": says(200, "{}")}, nil},
		{"! strangers get status 404", (*checkup).strangers, nil, nil},
		{"✗ CORS: any page may ask", (*checkup).origins, amiss{"OPTIONS /v1/presence/heartbeat": says(204, "", "Access-Control-Allow-Origin: https://evil.example")}, nil},
		{"✗ CORS: pages of https://app.example may not ask", (*checkup).origins, nil, func(c *checkup) { c.origin = "https://app.example" }},
		{"! CORS: pages of https://app.example may ask, but not with the cookie", (*checkup).origins, amiss{"OPTIONS /v1/presence/heartbeat": func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Origin") == "https://app.example" {
				w.Header().Set("Access-Control-Allow-Origin", "https://app.example")
			}
		}}, func(c *checkup) { c.origin = "https://app.example" }},
		{"! CORS: EOF", (*checkup).origins, amiss{"OPTIONS /v1/presence/heartbeat": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }}, nil},
		{"✗ profiles can be taken by anybody", (*checkup).monitored, amiss{"GET /debug/pprof/": says(200, "")}, nil},
		{"– metrics: they are not at this address", (*checkup).monitored, nil, nil},
		{"✗ metrics cannot be read", (*checkup).monitored, nil, func(c *checkup) { c.admin = c.server.base.String() }},
		{"✗ metrics: there are none of Presently's", (*checkup).monitored, amiss{"GET /metrics": says(200, "up 1\n")}, nil},
		{"– heartbeats, streams, tokens, clocks: there is no token", asking((*checkup).token), nil, func(c *checkup) { c.server.token = "" }},
		{"✗ the token is refused: Insufficient scope (insufficient_scope). Get a token.", asking((*checkup).token), amiss{"GET /v1/presence/me": problem}, nil},
		{"– tokens: this one cannot be read here", judging, nil, func(c *checkup) { c.server.token = "opaque" }},
		{"! the token does not say when it was issued", judging, nil, func(c *checkup) { c.server.token = tokenOf(`{"exp":2000,"aud":"x"}`) }},
		{"! the token does not say what it is for", judging, nil, func(c *checkup) { c.server.token = tokenOf(`{"exp":2000,"iat":1000}`) }},
		{"! the token is good for 25h0m0s", judging, nil, func(c *checkup) { c.server.token = tokenOf(`{"exp":91000,"iat":1000,"aud":"x"}`) }},
		{"! the token may do everything", judging, nil, func(c *checkup) {
			c.server.token = tokenOf(`{"exp":2000,"iat":1000,"aud":"x","scope":"a presence:admin"}`)
		}},
		{"✗ heartbeats are refused: Insufficient scope", (*checkup).beats, amiss{beatAt: problem}, nil},
		{"✗ heartbeats are asked for every 1m30s, and believed for 1m30s", (*checkup).beats, beat(90*time.Second, 90*time.Second, 0, "RateLimit: x"), nil},
		{"! heartbeats are believed for 30s: users with hidden tabs flap", (*checkup).beats, beat(10*time.Second, 30*time.Second, 0, "RateLimit: x"), nil},
		{"✗ the store's clock is ", (*checkup).beats, beat(30*time.Second, 90*time.Second, time.Minute, "RateLimit: x"), nil},
		{"! the store's clock is ", (*checkup).beats, beat(30*time.Second, 90*time.Second, 10*time.Second, "RateLimit: x"), nil},
		{"! rates: nothing says that there are any", (*checkup).beats, beat(30*time.Second, 90*time.Second, 0), nil},
		{"! privacy cannot be read: Insufficient scope", (*checkup).privacy, amiss{"GET /v1/presence/privacy": problem}, nil},
		{"✗ streams: nothing arrives", (*checkup).streams, amiss{streamAt: says(200, "")}, known},
		{"✗ streams: the first event came after 1", (*checkup).streams, streaming(proper, true, firstBytes+100*time.Millisecond), known},
		{"✗ streams: a change was made and not told within 15s", (*checkup).streams, amiss{beatAt: says(200, "{}"), streamAt: says(200, snapshot, proper)}, known},
		{"✗ streams are compressed on the way (br)", func(c *checkup, _ context.Context) {
			c.streamHead(http.Header{"Content-Encoding": {"br"}, "Cache-Control": {"no-transform"}})
		}, nil, nil},
		{"! streams: a proxy has changed Cache-Control", (*checkup).streams, streaming("Cache-Control: no-cache", true, 0), known},
		{"! streams: coming back with the last id begins anew", (*checkup).streams, streaming(proper, false, 0), known},
		{"✗ streams: coming back does not work", func(c *checkup, ctx context.Context) { c.resume(ctx, "/v1/stream", "7") }, nil, nil},
		{"✗ streams: 0 of five events arrived", (*checkup).buffers, nil, nil},
		{"✗ streams are collected on the way: five events that leave a second apart arrive", gaps(0, 0, 0, 0, 0), nil, nil},
		{"! streams stutter: ", gaps(0, selftestGap, 2*selftestGap+time.Millisecond), nil, nil},
		{"! the session of this check lives on until it lapses", (*checkup).leave, nil, known},
		{"– Redis: persistence, eviction, clock, access", (*checkup).redis, nil, nil},
		{"✗ Redis: ", (*checkup).redis, nil, func(c *checkup) { c.redisURL, c.partitions = "redis://127.0.0.1:1/nonsense", 16 }},
		{"✗ Redis does not answer", (*checkup).redis, nil, func(c *checkup) { c.redisURL, c.partitions = "redis://127.0.0.1:1", 16 }},
		{"! Redis is spoken to in clear", func(c *checkup, _ context.Context) { c.redisAccess() }, nil, func(c *checkup) { c.redisURL = "redis://:secret@10.0.0.5:6379" }},
	} {
		t.Run(tt.want, func(t *testing.T) {
			t.Parallel()
			out := atServer(t, tt.server, func(c *checkup) {
				if tt.set != nil {
					tt.set(c)
				}
				tt.do(c, t.Context())
			})
			if !strings.Contains("\n"+out, "\n"+tt.want) {
				t.Errorf("got\n%swant\n%s", out, tt.want)
			}
			wantAdvice(t, out)
		})
	}
}

// known is a checklist that has come online.
func known(c *checkup) { c.me = &checkedSelf{user: "check", session: "check-1"} }

func asking(f func(*checkup, context.Context) bool) func(*checkup, context.Context) {
	return func(c *checkup, ctx context.Context) { f(c, ctx) }
}

func judging(c *checkup, _ context.Context) { c.judgeToken() }

// atServer is what the checklist writes of a server.
func atServer(t testing.TB, a amiss, do func(*checkup)) string {
	t.Helper()
	server := httptest.NewServer(a)
	t.Cleanup(server.Close)
	base, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	var out strings.Builder
	do(&checkup{out: &out, server: &remote{base, tokenOf(goodToken), &http.Client{Transport: transport}}})
	return out.String()
}

// wantAdvice fails where something that is not fine comes without what to do about it.
func wantAdvice(t testing.TB, out string) {
	t.Helper()
	lines := strings.Split(out, "\n")
	for n, line := range lines {
		if mark, _, _ := strings.Cut(line, " "); mark == "✗" || mark == "!" || mark == "–" {
			if n+1 == len(lines) || !strings.HasPrefix(lines[n+1], "    → ") {
				t.Errorf("nothing says what to do about\n%s", line)
			}
		}
	}
}

// A Redis of the worst kind: all that can be wrong with its settings is told, each with what to do.
func TestCheckTellsOfEachSettingOfRedisThatHurts(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t, "--maxmemory-policy", "allkeys-lru", "--client-output-buffer-limit", "pubsub", "1mb", "512kb", "5", "--maxclients", "20")
	for range 17 {
		conn, err := net.Dial("tcp", redis.Addr())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		io.WriteString(conn, "PING\r\n") //nolint:errcheck // the answer tells
		if _, err := io.ReadFull(conn, make([]byte, len("+PONG\r\n"))); err != nil {
			t.Fatal(err)
		}
	}
	out := atServer(t, nil, func(c *checkup) {
		c.redisURL, c.partitions = redis.URL(), 16
		c.redis(t.Context())
	})
	wantFindings(t, out, "✗ Redis: maxmemory-policy allkeys-lru", "✗ Redis: no persistence", "✗ Redis: client-output-buffer-limit pubsub 1048576", `✗ Redis: (18|19|20) of 20 clients are connected`,
		"! Redis lets in whoever reaches it", "– Redis: whether it is that of this server", "! instances: none has said anything")
	wantAdvice(t, out)
}

// A user of Redis who may not look at settings (managed ones forbid it) is told to look himself.
func TestCheckSaysWhereRedisDoesNotTellItsSettings(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	if err := redis.Client(t).Do(t.Context(), "ACL", "SETUSER", "narrow", "on", ">narrow-one", "~*", "&*", "+@all", "-info", "-config").Err(); err != nil {
		t.Fatal(err)
	}
	out := atServer(t, nil, func(c *checkup) {
		c.redisURL, c.partitions = "redis://narrow:narrow-one@"+redis.Addr(), 16
		c.redis(t.Context())
	})
	wantFindings(t, out, "! Redis does not tell its settings", "✓ Redis answers")
	wantAdvice(t, out)
}
