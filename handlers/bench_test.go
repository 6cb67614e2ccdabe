package handlers

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/presently/presently/presence"
)

// go test -run '^$' -bench . -benchmem ./handlers

// nowhere is a ResponseWriter that keeps only what a test would ask.
type nowhere struct {
	header http.Header
	status int
}

func (w *nowhere) Header() http.Header         { return w.header }
func (w *nowhere) Write(p []byte) (int, error) { return len(p), nil }
func (w *nowhere) WriteHeader(status int)      { w.status = status }

// asking is a request that is made again and again, as over one connection.
type asking struct {
	server *Server
	*http.Request
	text string
}

func newAsking(t testing.TB, user, method, path, body string) *asking {
	s := newServer(t, newStore())
	r, err := http.NewRequest(method, "http://presently"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token(user, nil))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Prefer", "return=minimal")
	return &asking{s, r, body}
}

// run has the server's board follow its store, until the test is over.
func (a *asking) run(t testing.TB) {
	go a.server.Run(t.Context()) //nolint:errcheck // ends with the test
	<-a.server.board.Listening()
}

func (a *asking) do(t testing.TB) {
	w := nowhere{header: http.Header{}}
	r := *a.Request
	r.Body = io.NopCloser(strings.NewReader(a.text))
	a.server.ServeHTTP(&w, &r)
	if w.status >= 300 {
		t.Fatalf("status %d", w.status)
	}
}

// A heartbeat that brings nothing new, from the router to the answer, with the embedded store.
func BenchmarkHeartbeat(b *testing.B) {
	a := newAsking(b, "ada", "POST", "/v1/presence/heartbeat", `{"sessionId":"session-1","state":"online"}`)
	b.ReportAllocs()
	for b.Loop() {
		a.do(b)
	}
}

// A look at one user, and at a hundred, who have been looked at before.
func BenchmarkLook(b *testing.B) {
	for users, query := range map[int]string{1: "user=user~0", 100: hundredUsers()} {
		b.Run(fmt.Sprint(users), func(b *testing.B) {
			a := newAsking(b, "ada", "GET", "/v1/presence?"+query, "")
			a.run(b)
			b.ReportAllocs()
			for b.Loop() {
				a.do(b)
			}
		})
	}
}

func hundredUsers() string {
	users := make([]string, 100)
	for i := range users {
		users[i] = fmt.Sprint("user=user~", i)
	}
	return strings.Join(users, "&")
}

// How many a viewer sees in a room of 10,000, of whom some block somebody: each of those is looked at.
func BenchmarkHeadcount(b *testing.B) {
	for _, blocking := range []int{0, 100, 1000, 10_000} {
		b.Run(fmt.Sprint(blocking, " block somebody"), func(b *testing.B) {
			s := newServer(b, newStore())
			go s.Run(b.Context()) //nolint:errcheck // ends with the benchmark
			<-s.board.Listening()
			for i := range 10_000 {
				user := fmt.Sprint("user-", i)
				_, err := s.tracker.Heartbeat(context.Background(), presence.Heartbeat{User: user, Session: "session-1", State: presence.Online, Rooms: &[]string{"lobby"}})
				if err == nil && i < blocking {
					err = s.tracker.SetBlock(context.Background(), user, "mallory", true)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
			b.ReportAllocs()
			for b.Loop() {
				if n, err := s.headcountFor(context.Background(), "eve", "lobby"); err != nil || n.users != 10_000 {
					b.Fatal(n, err)
				}
			}
		})
	}
}
