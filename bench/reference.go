//go:build linux

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/presently/presently/handlers"
)

// serveReference serves until it is killed. All references speak as much of Presently's API as the cases need, and mean as little by it as
// they can: whatever is posted goes to whoever watches the user in X-User. No tokens, no privacy, no conflation, no ids to come back with,
// no deadlines.
func serveReference(kind string) error {
	l, err := net.Listen("tcp", os.Getenv("BENCH_LISTEN"))
	if err != nil {
		return err
	}
	h := &hub{topics: map[string][]watcher{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /readyz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("POST /v1/presence/heartbeat", h.publish)
	switch kind {
	case "plain":
		mux.HandleFunc("GET /v1/stream", h.plain)
	case "hijack":
		mux.HandleFunc("GET /v1/stream", h.hijack)
	case "raw":
		return h.raw(l, mux)
	case "chi":
		routes, err := chiHandler()
		if err != nil {
			return err
		}
		return http.Serve(l, routes)
	}
	return http.Serve(l, mux)
}

// chiHandler takes heartbeats as Presently does, with its router and its check of tokens, each time anew as middleware for chi does, and does nothing with them: the body is not even parsed.
func chiHandler() (http.Handler, error) {
	tokens, err := handlers.NewVerifier(handlers.TokenConfig{Secret: []byte(secret), Forgetful: true})
	if err != nil {
		return nil, err
	}
	r := chi.NewRouter()
	r.Get("/readyz", func(http.ResponseWriter, *http.Request) {})
	r.Post("/v1/presence/heartbeat", func(w http.ResponseWriter, r *http.Request) {
		if _, _, err := tokens.Authenticate(r); err != nil {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if _, err := io.ReadAll(r.Body); err != nil {
			return
		}
		w.Header().Set("Presence-Next-Ms", "30000")
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(http.StatusNoContent)
	})
	return r, nil
}

type watcher interface{ send(event []byte) }

// hub knows who watches whom.
type hub struct {
	mu     sync.RWMutex // guards what follows
	topics map[string][]watcher
}

func (h *hub) join(w watcher, users []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, u := range users {
		h.topics[u] = append(h.topics[u], w)
	}
}

func (h *hub) leave(w watcher, users []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, u := range users {
		for i, other := range h.topics[u] {
			if other == w {
				last := len(h.topics[u]) - 1
				h.topics[u][i] = h.topics[u][last]
				h.topics[u] = h.topics[u][:last]
				break
			}
		}
	}
}

// publish encodes an event once, as long as one of Presently's, for all who watch.
func (h *hub) publish(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	var said struct {
		State string `json:"state"`
	}
	if err := json.Unmarshal(body, &said); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	user := r.Header.Get("X-User")
	now := time.Now().UnixMicro()
	event := fmt.Appendf(nil, "event: presence\nid: %086d\ndata: {\"presences\":[%s]}\n\n", now, presenceJSON(user, said.State, now))
	h.mu.RLock()
	for _, to := range h.topics[user] {
		to.send(event)
	}
	h.mu.RUnlock()
	w.WriteHeader(http.StatusNoContent)
}

func presenceJSON(user, status string, rev int64) string {
	return fmt.Sprintf(`{"userId":%q,"status":%q,"notify":true,"rev":%d}`, user, status, rev)
}

// snapshot names all users of a watch list.
func snapshot(users []string) []byte {
	b := []byte("event: snapshot\ndata: {\"part\":1,\"parts\":1,\"scope\":\"all\",\"presences\":[")
	for i, u := range users {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, presenceJSON(u, "online", 1)...)
	}
	return append(b, "],\"rooms\":{},\"typing\":{}}\n\n"...)
}

// plain is a stream as tutorials write it: a goroutine, a channel, a flush.
func (h *hub) plain(w http.ResponseWriter, r *http.Request) {
	users := r.URL.Query()["user"]
	events := make(queue, 16)
	h.join(events, users)
	defer h.leave(events, users)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-cache")
	w.Write(snapshot(users)) //nolint:errcheck // as below
	flusher := w.(http.Flusher)
	flusher.Flush()
	for {
		select {
		case <-r.Context().Done():
			return
		case event := <-events:
			if _, err := w.Write(event); err != nil {
				return
			}
			flusher.Flush()
		}
	}
}

type queue chan []byte

func (q queue) send(event []byte) { q <- event }

// hijack takes the connection over, so that the handler can return: what is left of a stream is a goroutine that reads.
func (h *hub) hijack(w http.ResponseWriter, r *http.Request) {
	users := r.URL.Query()["user"]
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	c := &chunked{conn}
	io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n") //nolint:errcheck // as below
	c.send(snapshot(users))
	h.join(c, users)
	go func() {
		conn.Read(make([]byte, 1)) //nolint:errcheck // either way it is over
		h.leave(c, users)
		conn.Close() //nolint:errcheck // nobody is there
	}()
}

type chunked struct{ net.Conn }

func (c *chunked) send(event []byte) {
	c.Write(fmt.Appendf(make([]byte, 0, len(event)+16), "%x\r\n%s\r\n", len(event), event)) //nolint:errcheck // the reader will notice
}

// raw is a stream without net/http, which waits without so much as a goroutine. Whatever is no stream goes to rest.
func (h *hub) raw(l net.Listener, rest http.Handler) error {
	others := &handed{conns: make(chan net.Conn), Listener: l}
	go http.Serve(others, rest) //nolint:errcheck // ends with the process
	for {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			in := bufio.NewReader(conn)
			if head, _ := in.Peek(len("GET /v1/stream")); string(head) != "GET /v1/stream" {
				others.conns <- &peeked{conn, in}
				return
			}
			r, err := http.ReadRequest(in)
			if err != nil {
				conn.Close() //nolint:errcheck // it is no request
				return
			}
			users := r.URL.Query()["user"]
			io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\nConnection: close\r\n\r\n") //nolint:errcheck // as below
			c := direct{conn}
			c.send(snapshot(users))
			h.join(c, users)
		}()
	}
}

type direct struct{ net.Conn }

func (c direct) send(event []byte) { c.Write(event) } //nolint:errcheck // who has gone is not noticed

// handed is a listener of connections that somebody else has accepted.
type handed struct {
	net.Listener
	conns chan net.Conn
}

func (l *handed) Accept() (net.Conn, error) { return <-l.conns, nil }

// peeked is a connection of which something was read.
type peeked struct {
	net.Conn
	in *bufio.Reader
}

func (c *peeked) Read(p []byte) (int, error) { return c.in.Read(p) }
