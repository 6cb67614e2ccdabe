//go:build linux

package sse

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// What a pool writes goes over real sockets and real time: it is where the kernel is asked. The limit is for a machine that is busy with
// other things; nobody waits for it.
const soon = 20 * time.Second

// pooledServer serves streams of a hub by a pool until the test ends.
type pooledServer struct {
	*httptest.Server
	*testing.T
	hub     *Hub
	pool    *Pool
	ended   chan error
	stop    context.CancelFunc // ends the pool's Run
	options Options
}

func servePooled(t *testing.T, o Options) *pooledServer {
	s := &pooledServer{T: t, hub: NewHub(testKinds), pool: NewPool(), ended: make(chan error, 100), options: o}
	ctx, cancel := context.WithCancelCause(context.Background())
	s.stop = func() { cancel(errors.New("stopped")) }
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.pool.Run(ctx)
	}()
	t.Cleanup(func() { s.stop(); <-done })
	s.until("the pool runs", func() bool {
		s.pool.mu.Lock()
		defer s.pool.mu.Unlock()
		return s.pool.running
	})
	s.Server = httptest.NewUnstartedServer(wrapped(http.HandlerFunc(s.serve)))
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetHTTP1(true)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	t.Cleanup(s.Close)
	return s
}

func (s *pooledServer) serve(w http.ResponseWriter, r *http.Request) {
	stream := s.hub.NewStream(s.options)
	s.hub.Watch(stream, user("a"), 0)
	s.pool.Serve(stream, w, r, func(err error) { s.ended <- err })
}

// open returns the head of a stream and a reader of its body, chunks and all, over a connection of its own.
func (s *pooledServer) open(more ...string) (net.Conn, string, *bufio.Reader) {
	s.Helper()
	had := s.hub.Len()
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(soon))
	io.WriteString(conn, "GET / HTTP/1.1\r\nHost: presently\r\n"+strings.Join(more, "")+"\r\n")
	in, head := bufio.NewReader(conn), ""
	for !strings.HasSuffix(head, "\r\n\r\n") {
		line, err := in.ReadString('\n')
		if err != nil {
			s.Fatal(err)
		}
		head += line
	}
	s.until("it is watched", func() bool { return s.hub.Len() > had })
	return conn, head, in
}

func (s *pooledServer) until(what string, true func() bool) {
	s.Helper()
	for limit := time.Now().Add(soon); !true(); time.Sleep(time.Millisecond) {
		if time.Now().After(limit) {
			s.Fatal("not in time: ", what)
		}
	}
}

func (s *pooledServer) wantEnd(is func(error) bool) {
	s.Helper()
	select {
	case err := <-s.ended:
		if !is(err) {
			s.Errorf("the stream ended with %v", err)
		}
	case <-time.After(soon):
		s.Fatal("the stream does not end")
	}
}

func chunk(text string) string { return fmt.Sprintf("%x\r\n%s\r\n", len(text), text) }

func expectBytes(t *testing.T, r *bufio.Reader, want string) {
	t.Helper()
	got := make([]byte, len(want))
	n, err := io.ReadFull(r, got)
	if string(got) != want {
		t.Fatalf("got %.200q (%d bytes), %v, want %.200q (%d bytes)", got[:n], n, err, want, len(want))
	}
}

func TestAPooledStreamLooksLikeAnyOtherOnTheWire(t *testing.T) {
	s := servePooled(t, Options{})
	_, head, body := s.open()
	for _, want := range []string{
		"HTTP/1.1 200 OK\r\n", "Content-Type: text/event-stream\r\n", "Cache-Control: no-cache, no-store, no-transform\r\n",
		"X-Accel-Buffering: no\r\n", "Transfer-Encoding: chunked\r\n", "Connection: close\r\n", "Date: ",
	} {
		if strings.Count(head, want) != 1 {
			t.Errorf("%q is not once in %q", want, head)
		}
	}
	s.hub.Offer(user("a"), 0, say(1, "a1"))
	expectBytes(t, body, chunk("event: presence\ndata: [a1]\n\n"))
	s.hub.Offer(user("a"), 0, say(2, "a2"))
	expectBytes(t, body, chunk("event: presence\ndata: [a2]\n\n"))
	s.hub.Streams()[0].End(Event{Name: "reconnect"})
	expectBytes(t, body, chunk("event: reconnect\ndata: \n\n")+"0\r\n\r\n")
	if rest, err := io.ReadAll(body); len(rest) > 0 || err != nil {
		t.Errorf("after the end: %q, %v", rest, err)
	}
	s.wantEnd(func(err error) bool { return err == nil })
	checkEmpty(t, s.hub)
}

// Whatever a pool does not take is written by the goroutine that serves it, and by the same rules.
func TestAPoolLeavesToOthersWhatItCannotTake(t *testing.T) {
	s := servePooled(t, Options{})
	conn, head, _ := s.open()
	if !strings.Contains(head, "Connection: close") {
		t.Errorf("not taken: %q", head)
	}
	conn.Close()
	s.wantEnd(func(err error) bool { return errors.Is(err, context.Canceled) })

	for name, serve := range map[string]func() (*http.Response, error){
		"HTTP/2": func() (*http.Response, error) {
			transport := &http.Transport{Protocols: new(http.Protocols)}
			transport.Protocols.SetUnencryptedHTTP2(true)
			t.Cleanup(transport.CloseIdleConnections)
			return (&http.Client{Transport: transport}).Get(s.URL)
		},
		"TLS": func() (*http.Response, error) {
			secure := httptest.NewTLSServer(http.HandlerFunc(s.serve))
			t.Cleanup(secure.Close)
			return secure.Client().Get(secure.URL)
		},
		"a pipe": func() (*http.Response, error) {
			return serve(t, http.HandlerFunc(s.serve)).client(t, false).Get("http://presently/")
		},
		"no Run": func() (*http.Response, error) {
			s.pool.mu.Lock()
			s.pool.running = false
			s.pool.mu.Unlock()
			return http.Get(s.URL)
		},
	} {
		if name == "no Run" {
			defer func() {
				s.pool.mu.Lock()
				s.pool.running = true
				s.pool.mu.Unlock()
			}()
		}
		res, err := serve()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if res.Close {
			t.Errorf("%s: taken", name)
		}
		s.until("watched", func() bool { return s.hub.Len() == 1 })
		s.hub.Offer(user("a"), 0, say(1, "a1"))
		expectEvent(t, bufio.NewReader(res.Body), "event: presence\ndata: [a1]\n\n")
		s.hub.Streams()[0].End()
		s.wantEnd(func(err error) bool { return err == nil })
		res.Body.Close()
	}
}

func TestAPooledStreamIsOpenedAndKeptAwake(t *testing.T) {
	pings := 0
	s := servePooled(t, Options{
		Comment: 20 * time.Millisecond, Ping: 50 * time.Millisecond,
		PingEvent: func() Event { pings++; return Event{Name: "ping"} },
		Opening:   func(news []News, _ string) []Event { return []Event{{Name: "snapshot", Data: listing(news)}} },
	})
	_, _, body := s.open()
	expectBytes(t, body, chunk("event: snapshot\ndata: a:-,\n\n"))
	comments := 0
	for seen := 0; seen < 3 || comments < 3; {
		line, err := body.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		switch line {
		case ":\n":
			comments++
		case "event: ping\n":
			seen++
		}
	}
}

func TestAPooledStreamCoalesces(t *testing.T) {
	const every = 200 * time.Millisecond
	s := servePooled(t, Options{Coalesce: every})
	_, _, body := s.open()
	s.hub.Offer(user("a"), 0, say(1, "a1"))
	expectBytes(t, body, chunk("event: presence\ndata: [a1]\n\n"))
	begun := time.Now()
	s.hub.Offer(user("a"), 0, say(2, "a2"))
	s.hub.Offer(user("a"), 0, say(3, "a3"))
	expectBytes(t, body, chunk("event: presence\ndata: [a3]\n\n"))
	if took := time.Since(begun); took < every/2 { // some of it passed before it begun
		t.Errorf("the second came after %v", took)
	}
}

// A reader that has gone is noticed without anything being written to it, whether it says so or is only silent from then on.
func TestAPooledReaderThatGoesIsNoticed(t *testing.T) {
	s := servePooled(t, Options{})
	for name, leave := range map[string]func(*net.TCPConn) error{
		"closes":        (*net.TCPConn).Close,
		"stops sending": (*net.TCPConn).CloseWrite,
		"resets": func(c *net.TCPConn) error {
			c.SetLinger(0)
			return c.Close()
		},
		"says something first": func(c *net.TCPConn) error {
			io.WriteString(c, "GET /other HTTP/1.1\r\n\r\n")
			return c.CloseWrite()
		},
	} {
		conn, _, _ := s.open()
		if err := leave(conn.(*net.TCPConn)); err != nil {
			t.Fatal(err)
		}
		s.wantEnd(func(err error) bool { return errors.Is(err, context.Canceled) })
		if n := s.hub.Len(); n > 0 {
			t.Errorf("%s: %d streams", name, n)
		}
	}
	checkEmpty(t, s.hub)
}

// One who does not read is cut in time, and delays nobody.
func TestAPooledReaderThatDoesNotReadIsCut(t *testing.T) {
	s := servePooled(t, Options{})
	s.pool.stuckAfter = 300 * time.Millisecond
	stuck, _, _ := s.open()
	stuck.(*net.TCPConn).SetReadBuffer(4 << 10)
	first := s.hub.Streams()[0]
	_, _, body := s.open()
	other := s.hub.Streams()[1]
	long := strings.Repeat("x", 1<<20)
	for v := int64(1); len(s.ended) == 0; v++ {
		first.Offer(user("a"), 0, say(v, fmt.Sprint(long, v)))
		begun := time.Now()
		other.Offer(user("a"), 0, say(v, fmt.Sprint("a", v)))
		expectBytes(t, body, chunk(fmt.Sprintf("event: presence\ndata: [a%d]\n\n", v)))
		if took := time.Since(begun); took > s.pool.stuckAfter/2 {
			t.Logf("a reader beside a stuck one has waited for %v", took) // or for the machine
		}
		if v > 100_000 {
			t.Fatal("the stuck reader is not cut")
		}
	}
	s.wantEnd(func(err error) bool { return errors.Is(err, context.DeadlineExceeded) || isTimeout(err) })
}

func isTimeout(err error) bool {
	timeout, ok := errors.AsType[net.Error](err)
	return ok && timeout.Timeout()
}

// A slow reader gets all of a large snapshot, byte for byte, and the newest of what came meanwhile.
func TestAPooledReaderThatIsSlowIsNotCut(t *testing.T) {
	s := servePooled(t, Options{})
	_, _, body := s.open()
	long := strings.Repeat("0123456789abcdef", 1<<18) // more than the kernel takes of what nobody reads
	s.hub.Offer(user("a"), 0, say(1, long))
	s.until("it is on its way", func() bool { return !pendingIn(s.hub.Streams()[0]) })
	for v := int64(2); v < 100; v++ {
		s.hub.Offer(user("a"), 0, say(v, fmt.Sprint("a", v)))
	}
	expectBytes(t, body, chunk("event: presence\ndata: ["+long+"]\n\n")+chunk("event: presence\ndata: [a99]\n\n"))
	s.hub.Streams()[0].End(Event{Name: "reconnect"})
	expectBytes(t, body, chunk("event: reconnect\ndata: \n\n")+"0\r\n\r\n")
}

func TestAStreamThatEndedBeforeItWasPooledStillSaysHello(t *testing.T) {
	s := servePooled(t, Options{Opening: func([]News, string) []Event { return []Event{{Name: "hello"}} }})
	s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		stream := s.hub.NewStream(s.options)
		stream.End(Event{Name: "reconnect"})
		s.pool.Serve(stream, w, r, func(err error) { s.ended <- err })
	})
	res, err := http.Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if got, err := io.ReadAll(res.Body); string(got) != "event: hello\ndata: \n\nevent: reconnect\ndata: \n\n" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	s.wantEnd(func(err error) bool { return err == nil })
}

// A bug in what one stream shows ends that stream, and is told.
func TestAPanicEndsOnlyItsPooledStream(t *testing.T) {
	calls := 0
	s := servePooled(t, Options{Cursor: func() string {
		if calls++; calls == 1 {
			panic("a bug")
		}
		return ""
	}})
	_, _, first := s.open()
	s.hub.Offer(user("a"), 0, say(1, "a1"))
	s.wantEnd(func(err error) bool {
		bug, ok := errors.AsType[*PanicError](err)
		return ok && bug.Value == "a bug" && bytes.Contains(bug.Stack, []byte("pool_test.go"))
	})
	if rest, _ := io.ReadAll(first); strings.Contains(string(rest), "0\r\n") {
		t.Errorf("the reader sees a stream that ended well: %q", rest)
	}
	_, _, body := s.open()
	s.hub.Offer(user("a"), 0, say(2, "a2"))
	expectBytes(t, body, chunk("event: presence\ndata: [a2]\n\n"))
}

func TestAPoolThatStopsCutsItsStreams(t *testing.T) {
	s := servePooled(t, Options{Comment: time.Millisecond})
	for range 20 {
		s.open()
	}
	s.stop()
	for range 20 {
		s.wantEnd(func(err error) bool { return err != nil })
	}
	checkEmpty(t, s.hub)
}

// Many streams come, are told everything, and go, side by side.
func TestPooledStreamsInACrowd(t *testing.T) {
	s := servePooled(t, Options{Comment: 3 * time.Millisecond, Coalesce: time.Millisecond})
	const readers = 50
	var reading sync.WaitGroup
	for i := range readers {
		reading.Go(func() {
			res, err := http.Get(s.URL)
			if err != nil {
				t.Error(err)
				return
			}
			defer res.Body.Close()
			lines := bufio.NewScanner(res.Body)
			for lines.Scan() {
				if lines.Text() == "data: [last]" {
					return
				}
				if i%5 == 0 && lines.Text() == "data: [a20]" { // or it is conflated away
					return
				}
			}
			t.Errorf("reader %d did not get the last: %v", i, lines.Err())
		})
	}
	s.until("all are there", func() bool { return s.hub.Len() == readers })
	for v := int64(1); v < 2000; v++ {
		s.hub.Offer(user("a"), 0, say(v, fmt.Sprint("a", v)))
		if v%100 == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	s.hub.Offer(user("a"), 0, say(2000, "last"))
	reading.Wait()
	s.until("all have gone", func() bool { return s.hub.Len() == 0 })
	checkEmpty(t, s.hub)
	if n := len(s.pool.timers.heap); n > 0 {
		t.Errorf("%d timers remain", n)
	}
}
