package handlers

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/presently/presently/api"
	"github.com/presently/presently/presence"
)

// journal is a log that is read.
type journal struct {
	mu   sync.Mutex // guards what follows
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	synctest.Wait()
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// requests are the lines of requests since the last call.
func (j *journal) requests(t testing.TB) (lines []map[string]any) {
	t.Helper()
	text := j.String()
	j.mu.Lock()
	j.text.Reset()
	j.mu.Unlock()
	for line := range strings.Lines(text) {
		var entry map[string]any
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if entry["msg"] == "request" {
			lines = append(lines, entry)
		}
	}
	return lines
}

// inLoggedWorld is inMoodyWorld with a log of some level.
func inLoggedWorld(t *testing.T, level slog.Level, story func(w *world, m *moody, j *journal)) {
	t.Helper()
	inMoodyWorld(t, func(w *world, m *moody) {
		j := &journal{}
		w.server.log = slog.New(slog.NewJSONHandler(j, &slog.HandlerOptions{Level: level}))
		story(w, m, j)
	})
}

func TestEachRequestIsOneLine(t *testing.T) {
	inLoggedWorld(t, slog.LevelDebug, func(w *world, m *moody, j *journal) {
		line := func(r reply, want string) {
			w.Helper()
			lines := j.requests(w)
			if len(lines) != 1 {
				w.Fatalf("%d lines: %v", len(lines), lines)
			}
			l := lines[0]
			if got := fmt.Sprint(l["level"], " ", l["method"], " ", l["route"], " ", l["status"], " ", l["path"], " ", l["user"]); got != want {
				w.Errorf("%s\nwant %s", got, want)
			}
			if l["requestId"] != r.header.Get("X-Request-Id") || l["bytes"] != float64(len(r.body)) || l["ms"] == nil {
				w.Errorf("%v", l)
			}
		}
		line(w.ask("ada", "GET", "/v1/presence/b%6En?x=1", ""), "DEBUG GET /v1/presence/{userId} 200 /v1/presence/b%6En ada")
		line(w.ask("", "GET", "/v1/presence/ben", ""), "DEBUG GET /v1/presence/{userId} 401 /v1/presence/ben ")
		line(w.ask("ada", "GET", "/nothing", ""), "DEBUG GET  404 /nothing ")
		line(w.ask("", "GET", "/healthz", ""), "DEBUG GET /healthz 200 /healthz ")
		m.mood(func() error { return fmt.Errorf("dial: %w", presence.ErrUnavailable) })
		line(w.ask("ada", "GET", "/v1/presence/ben", ""), "WARN GET /v1/presence/{userId} 503 /v1/presence/ben ada")
		m.mood(func() error { return errors.New("a bug") })
		line(w.ask("ada", "GET", "/v1/presence/ben", ""), "ERROR GET /v1/presence/{userId} 500 /v1/presence/ben ada")
		m.mood(nil)

		s := w.watch("ada", "user=ben")
		s.started()
		if lines := j.requests(w); len(lines) != 0 {
			w.Errorf("a stream is told of before its end: %v", lines)
		}
		time.Sleep(time.Minute)
		s.cancel()
		lines := j.requests(w)
		if len(lines) != 1 || lines[0]["ended"] != "client" || lines[0]["ms"] != 60000.0 || lines[0]["level"] != "DEBUG" || lines[0]["bytes"] == 0.0 {
			w.Errorf("%v", lines)
		}
	})
}

// What is kept for long has faults and what is slow, and nobody's name.
func TestTheUsualLogHasFaultsAndWhatIsSlowAndNoNames(t *testing.T) {
	inLoggedWorld(t, slog.LevelInfo, func(w *world, m *moody, j *journal) {
		w.beat("ada", "session-1", "")
		w.ask("ada", "GET", "/v1/presence/ben", "")
		w.ask("", "GET", "/v1/presence/ben", "")
		if lines := j.requests(w); len(lines) != 0 {
			w.Errorf("%v", lines)
		}
		m.mood(func() error { time.Sleep(slowRequest); return nil })
		w.ask("ada", "GET", "/v1/presence/cleo", "") // of whom the store has not been asked yet
		m.mood(func() error { return errors.New("a bug") })
		r := w.ask("ada", "GET", "/v1/rooms/lobby/presence", "")
		w.wantProblem(r, http.StatusInternalServerError, api.ProblemCodeInternal)
		text := j.String()
		lines := j.requests(w)
		if len(lines) != 2 || lines[0]["level"] != "INFO" || lines[0]["ms"] != 1000.0 ||
			lines[1]["level"] != "ERROR" || lines[1]["error"] != "a bug" || lines[1]["code"] != "internal" || lines[1]["requestId"] != r.header.Get("X-Request-Id") {
			w.Errorf("%v", lines)
		}
		for _, name := range []string{"ada", "ben", "cleo", "lobby"} {
			if strings.Contains(text, name) {
				w.Errorf("%s is in %s", name, text)
			}
		}
	})
}

// Whoever may read the log may not become anybody by it.
func TestNoLogHasAKeyInIt(t *testing.T) {
	inLoggedWorld(t, slog.LevelDebug, func(w *world, m *moody, j *journal) {
		jwt := token("ada", nil)
		bearer := "Authorization: Bearer " + jwt
		beat := as[api.BeatAnswer](w, w.ask("", "POST", beatPath, beatBody("session-1"), bearer), http.StatusOK)
		sub := as[api.Subscription](w, w.ask("", "POST", "/v1/subscriptions", `{"users":["ben"]}`, bearer), http.StatusCreated)
		s := w.follow(sub)
		s.next("hello")
		s.cancel()
		leave := `{"leaveToken":"` + beat.LeaveToken + `"}`
		for _, mood := range []func() error{
			nil,
			func() error { return presence.ErrUnavailable },
			func() error { return errors.New("a bug") },
			func() error { panic("a bug") },
		} {
			m.mood(mood)
			w.ask("", "POST", "/v1/presence/leave", leave)
			w.ask("", "POST", "/v1/presence/leave", leave[:len(leave)-1])
			w.ask("", "POST", "/v1/presence/leave", beat.LeaveToken, "Content-Type: text/plain")
			w.ask("", "GET", "/v1/presence/me", "", bearer)
			w.ask("", "GET", "/v1/presence/me", "", "Cookie: presently="+jwt)
			w.ask("", "GET", "/v1/presence/me?token="+jwt, "")
			w.ask("", "GET", "/v1/presence/me", "", bearer+"x")
			w.ask("", "HEAD", sub.StreamURL, "")
			w.ask("", "GET", sub.StreamURL+"x", "")
			w.ask("", "GET", sub.StreamURL+"&errors=stream&user=%zz", "")
		}
		m.mood(nil)
		_, secret, _ := strings.Cut(sub.Ticket, ".")
		text := j.String()
		for name, key := range map[string]string{"token": jwt, "signature": jwt[strings.LastIndex(jwt, ".")+1:], "ticket": secret, "leaveToken": beat.LeaveToken} {
			if strings.Contains(text, key) {
				w.Errorf("the log has the %s:\n%s", name, text)
			}
		}
		if n := strings.Count(text, `"msg":"request"`); n < 40 {
			w.Errorf("%d requests in the log", n)
		}
	})
}
