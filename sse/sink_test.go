package sse

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A pipenet is a network without a kernel, so that a test's clock rules it. It
// buffers nothing: who does not read stops the writer at once.
type pipenet struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipenet() *pipenet {
	return &pipenet{conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (n *pipenet) Accept() (net.Conn, error) {
	select {
	case c := <-n.conns:
		return c, nil
	case <-n.closed:
		return nil, net.ErrClosed
	}
}

func (n *pipenet) Close() error {
	n.once.Do(func() { close(n.closed) })
	return nil
}

func (n *pipenet) Addr() net.Addr { return &net.TCPAddr{} }

func (n *pipenet) dial(context.Context, string, string) (net.Conn, error) {
	client, server := net.Pipe()
	n.conns <- server
	return client, nil
}

// serve serves handler until the test ends.
func serve(t *testing.T, handler http.Handler) *pipenet {
	n := newPipenet()
	server := &http.Server{Handler: handler, Protocols: new(http.Protocols), HTTP2: &http.HTTP2Config{WriteByteTimeout: 5 * time.Second}}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	done := make(chan struct{})
	go func() {
		defer close(done)
		server.Serve(n)
	}()
	t.Cleanup(func() {
		server.Close()
		<-done
	})
	return n
}

// client speaks HTTP/1.1 or HTTP/2 until the test ends.
func (n *pipenet) client(t *testing.T, http2 bool) *http.Client {
	transport := &http.Transport{DialContext: n.dial, Protocols: new(http.Protocols)}
	transport.Protocols.SetHTTP1(!http2)
	transport.Protocols.SetUnencryptedHTTP2(http2)
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// streaming is a handler of streams that shows what became of them.
type streaming struct {
	hub   *Hub
	ended chan error
}

func newStreaming() *streaming {
	return &streaming{NewHub(testKinds), make(chan error, 10)}
}

func (h *streaming) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s := h.hub.NewStream(Options{Comment: 15 * time.Second})
	defer s.Close()
	h.hub.Watch(s, user("a"), 0)
	sink, err := Start(w, r)
	if err == nil {
		err = s.Run(r.Context(), sink)
	}
	h.ended <- err
}

// unwrapping is what middleware makes of a ResponseWriter.
type unwrapping struct{ inner http.ResponseWriter }

func (w unwrapping) Header() http.Header         { return w.inner.Header() }
func (w unwrapping) Write(p []byte) (int, error) { return w.inner.Write(p) }
func (w unwrapping) WriteHeader(status int)      { w.inner.WriteHeader(status) }
func (w unwrapping) Unwrap() http.ResponseWriter { return w.inner }

func wrapped(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(unwrapping{w}, r) })
}

// bothProtocols runs a test on HTTP/1.1 and on HTTP/2.
func bothProtocols(t *testing.T, test func(t *testing.T, http2 bool)) {
	t.Run("HTTP/1.1", func(t *testing.T) { synctest.Test(t, func(t *testing.T) { test(t, false) }) })
	t.Run("HTTP/2", func(t *testing.T) { synctest.Test(t, func(t *testing.T) { test(t, true) }) })
}

func connect(t *testing.T, c *http.Client) (*http.Response, *bufio.Reader) {
	t.Helper()
	resp, err := c.Get("http://presently/")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return resp, bufio.NewReader(resp.Body)
}

// expectEvent reads up to the next empty line.
func expectEvent(t *testing.T, r *bufio.Reader, want string) {
	t.Helper()
	got := ""
	for !strings.HasSuffix(got, "\n\n") {
		line, err := r.ReadString('\n')
		if got += line; err != nil {
			t.Fatalf("%v after %q, want %q", err, got, want)
		}
	}
	if got != want {
		t.Fatalf("got %q, want %q", got, want)
	}
}

func TestStreamOverHTTP(t *testing.T) {
	bothProtocols(t, func(t *testing.T, http2 bool) {
		h := newStreaming()
		client := serve(t, wrapped(h)).client(t, http2)
		resp, body := connect(t, client)
		for name, want := range map[string]string{
			"Content-Type":      "text/event-stream",
			"Cache-Control":     "no-cache, no-store, no-transform",
			"X-Accel-Buffering": "no",
		} {
			if got := resp.Header.Get(name); got != want {
				t.Errorf("%s: got %q, want %q", name, got, want)
			}
		}
		synctest.Wait()
		h.hub.Offer(user("a"), 0, say(1, "a1"))
		expectEvent(t, body, "event: presence\ndata: [a1]\n\n")

		// Quiet for longer than a deadline must not end a stream: on HTTP/2 a
		// deadline that is left standing would.
		expectEvent(t, body, ":\n\n")
		h.hub.Offer(user("a"), 0, say(2, "a2"))
		expectEvent(t, body, "event: presence\ndata: [a2]\n\n")

		h.hub.Streams()[0].End(Event{Name: "reconnect"})
		expectEvent(t, body, "event: reconnect\ndata: \n\n")
		if rest, err := io.ReadAll(body); len(rest) > 0 || err != nil {
			t.Errorf("after the end: %q, %v", rest, err)
		}
		if err := <-h.ended; err != nil {
			t.Error(err)
		}

		// And the connection is as good as new, a while later.
		pass(time.Minute)
		resp, _ = connect(t, client)
		synctest.Wait()
		resp.Body.Close()
		if err := <-h.ended; !errors.Is(err, context.Canceled) {
			t.Errorf("the client has gone, and Run returned %v", err)
		}
		checkEmpty(t, h.hub)
	})
}

func TestAReaderThatDoesNotReadIsCutAfterFiveSeconds(t *testing.T) {
	bothProtocols(t, func(t *testing.T, http2 bool) {
		h := newStreaming()
		client := serve(t, wrapped(h)).client(t, http2)
		stuck, _ := connect(t, client)
		synctest.Wait()

		// HTTP/2 readers take 4 MiB a stream before they are seen to be stuck.
		started := time.Now()
		for v := int64(1); ; v++ {
			h.hub.Offer(user("a"), 0, say(v, strings.Repeat("x", 1<<20)+time.Duration(v).String()))
			synctest.Wait()
			if s := h.hub.Streams()[0]; pendingIn(s) {
				break
			}
		}
		if err := <-h.ended; err == nil || errors.Is(err, context.Canceled) {
			t.Errorf("Run returned %v, want a write that failed", err)
		}
		if took := time.Since(started); took != stuckAfter {
			t.Errorf("cut after %v, want %v", took, stuckAfter)
		}
		if _, err := io.ReadAll(stuck.Body); err == nil {
			t.Error("the reader sees a stream that ended well")
		}
		checkEmpty(t, h.hub)
	})
}

// pendingIn tells whether s has a frame that its writer does not take.
func pendingIn(s *Stream) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.box.pending()
}

// One stream that is stuck is cut; another on the same HTTP/2 connection is not.
func TestAStuckStreamSparesItsConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newStreaming()
		client := serve(t, h).client(t, true)
		connect(t, client)
		stuck := h.hub.Streams()[0]
		_, body := connect(t, client)
		for v := int64(1); !pendingIn(stuck); v++ {
			stuck.Offer(user("a"), 0, say(v, strings.Repeat("x", 1<<20)+time.Duration(v).String()))
			synctest.Wait()
		}
		if err := <-h.ended; err == nil {
			t.Error("the stuck stream ended well")
		}
		h.hub.Offer(user("a"), 0, say(1, "a1"))
		expectEvent(t, body, "event: presence\ndata: [a1]\n\n")
	})
}

// A connection of which nothing is read at all does not even take the reset of
// its streams. It is for the server's own timeout, see Start.
func TestAStuckHTTP2ConnectionIsCutByTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newStreaming()
		n := serve(t, h)
		conn := &deaf{stop: make(chan struct{}), closed: make(chan struct{})}
		transport := &http.Transport{Protocols: new(http.Protocols)}
		transport.Protocols.SetUnencryptedHTTP2(true)
		transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			var err error
			conn.Conn, err = n.dial(ctx, network, address)
			return conn, err
		}
		t.Cleanup(transport.CloseIdleConnections)
		connect(t, &http.Client{Transport: transport})
		synctest.Wait()
		close(conn.stop)
		for v := int64(1); v < 4; v++ {
			h.hub.Offer(user("a"), 0, say(v, time.Duration(v).String()))
			synctest.Wait()
		}
		started := time.Now()
		if err := <-h.ended; err == nil {
			t.Error("the stuck stream ended well")
		}
		if took := time.Since(started); took > 2*stuckAfter {
			t.Errorf("cut after %v", took)
		}
		conn.Close()
	})
}

// A deaf connection stops reading once stop is closed.
type deaf struct {
	net.Conn
	stop, closed chan struct{}
	once         sync.Once
}

func (c *deaf) Read(p []byte) (int, error) {
	select {
	case <-c.stop:
		<-c.closed
		return 0, net.ErrClosed
	default:
		return c.Conn.Read(p)
	}
}

func (c *deaf) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

// A slow reader is not a stuck one: as long as it takes a piece now and then, it
// gets all of a large snapshot, however long that takes.
func TestASlowReaderIsNotCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newStreaming()
		n := serve(t, h)
		conn, _ := n.dial(t.Context(), "", "")
		defer conn.Close()
		io.WriteString(conn, "GET / HTTP/1.1\r\nHost: presently\r\n\r\n")
		body := bufio.NewReaderSize(conn, 16)
		for line := ""; line != "\r\n"; {
			line, _ = body.ReadString('\n')
		}
		synctest.Wait()
		h.hub.Offer(user("a"), 0, say(1, strings.Repeat("x", 10*pieceSize)))
		started := time.Now()
		for range 32 { // 5 KiB a second
			pass(time.Second)
			if _, err := io.CopyN(io.Discard, body, 5<<10); err != nil {
				t.Fatalf("cut after %v: %v", time.Since(started), err)
			}
		}
	})
}

// The end of a body is written by the server when the handler has returned. A
// reader that takes the last event but not those five bytes must not hold the
// connection, and so a server that drains, for ever.
func TestTheEndOfAStreamIsUnderTheDeadlineToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newStreaming()
		n := serve(t, h)
		conn, _ := n.dial(t.Context(), "", "")
		defer conn.Close()
		io.WriteString(conn, "GET / HTTP/1.1\r\nHost: presently\r\n\r\n")
		body := bufio.NewReaderSize(conn, 16)
		for line := ""; line != "\r\n"; {
			line, _ = body.ReadString('\n')
		}
		synctest.Wait()
		h.hub.Streams()[0].End(Event{Data: []byte("bye")})
		for _, want := range []string{"b\r\n", "data: bye\n", "\n", "\r\n"} {
			if line, err := body.ReadString('\n'); line != want {
				t.Fatalf("got %q, %v, want %q", line, err, want)
			}
		}
		pass(stuckAfter)
		if rest, _ := io.ReadAll(body); len(rest) > 0 {
			t.Errorf("%q was still waiting to be written", rest)
		}
	})
}

func TestAWriterWithoutDeadlinesIsWrittenTo(t *testing.T) {
	w := httptest.NewRecorder()
	sink, err := Start(w, httptest.NewRequest("GET", "/", nil))
	if err != nil {
		t.Fatal(err)
	}
	if err := sink.Write([]byte("data: a\n\n")); err != nil {
		t.Fatal(err)
	}
	if got := w.Body.String(); got != "data: a\n\n" || !w.Flushed {
		t.Errorf("got %q, flushed %v", got, w.Flushed)
	}
}

func TestAWriterThatCannotFlushIsRefused(t *testing.T) {
	w := struct{ http.ResponseWriter }{httptest.NewRecorder()}
	if _, err := Start(w, httptest.NewRequest("GET", "/", nil)); !errors.Is(err, http.ErrNotSupported) {
		t.Errorf("got %v, want %v", err, http.ErrNotSupported)
	}
}
