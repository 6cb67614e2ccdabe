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
	"sync/atomic"
	"testing"
	"time"
)

// What a pool writes goes over real sockets and real time: it is where the kernel is asked. The limit is for a machine that is busy with
// other things; nobody waits for it.
const soon = 20 * time.Second

// served are streams of a hub over real sockets until the test ends: written by a pool, or by a goroutine each.
type served struct {
	*httptest.Server
	*testing.T
	hub     *Hub
	pool    *Pool
	ended   chan error
	stop    context.CancelFunc // ends the pool's Run
	options Options
	wrap    func(net.Listener) net.Listener // nil: as it is
}

// onBothSinks tells one story of both ways to write a stream. A reader cannot tell them apart, but that a pooled stream's connection ends with it.
func onBothSinks(t *testing.T, o Options, story func(s *served)) {
	t.Run("pool", func(t *testing.T) { story(servePooled(t, o)) })
	t.Run("wrapped connections", func(t *testing.T) {
		s := newServed(t, o)
		s.wrap = func(l net.Listener) net.Listener { return opaque{l} }
		s.runPool()
		s.start()
		story(s)
	})
	t.Run("goroutines", func(t *testing.T) {
		s := newServed(t, o)
		s.start()
		story(s)
	})
}

// opaque is a listener whose connections show no descriptor.
type opaque struct{ net.Listener }

func (o opaque) Accept() (net.Conn, error) {
	conn, err := o.Listener.Accept()
	return struct{ net.Conn }{conn}, err
}

func newServed(t *testing.T, o Options) *served {
	return &served{T: t, hub: NewHub(testKinds), pool: NewPool(), ended: make(chan error, 100), options: o}
}

func servePooled(t *testing.T, o Options) *served {
	s := newServed(t, o)
	s.runPool()
	s.start()
	return s
}

func (s *served) runPool() {
	ctx, cancel := context.WithCancelCause(context.Background())
	s.stop = func() { cancel(errors.New("stopped")) }
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.pool.Run(ctx)
	}()
	s.Cleanup(func() { s.stop(); <-done })
	s.until("the pool runs", func() bool {
		s.pool.mu.Lock()
		defer s.pool.mu.Unlock()
		return s.pool.running
	})
}

func (s *served) start() {
	s.Server = httptest.NewUnstartedServer(wrapped(http.HandlerFunc(s.serve)))
	if s.wrap != nil {
		s.Listener = s.wrap(s.Listener)
	}
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetHTTP1(true)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	s.Cleanup(s.Close)
}

func (s *served) serve(w http.ResponseWriter, r *http.Request) {
	stream := s.hub.NewStream(s.options)
	s.hub.Watch(stream, user("a"), 0)
	s.pool.Serve(stream, w, r, func(err error) { s.ended <- err })
}

// open returns a stream over a connection of its own: the response's head, and its body.
func (s *served) open() (net.Conn, *http.Response, *bufio.Reader) {
	s.Helper()
	had := s.hub.Len()
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(soon))
	io.WriteString(conn, "GET / HTTP/1.1\r\nHost: presently\r\n\r\n")
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		s.Fatal(err)
	}
	s.until("it is watched", func() bool { return s.hub.Len() > had })
	return conn, res, bufio.NewReader(res.Body)
}

func (s *served) until(what string, true func() bool) {
	s.Helper()
	for limit := time.Now().Add(soon); !true(); time.Sleep(time.Millisecond) {
		if time.Now().After(limit) {
			s.Fatal("not in time: ", what)
		}
	}
}

func (s *served) wantEnd(is func(error) bool) {
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

func expectBytes(t *testing.T, r *bufio.Reader, want string) {
	t.Helper()
	got := make([]byte, len(want))
	n, err := io.ReadFull(r, got)
	if string(got) != want {
		t.Fatalf("got %.200q (%d bytes), %v, want %.200q (%d bytes)", got[:n], n, err, want, len(want))
	}
}

func TestAStreamOnTheWire(t *testing.T) {
	onBothSinks(t, Options{}, func(s *served) {
		_, res, body := s.open()
		for name, want := range map[string]string{
			"Content-Type": "text/event-stream", "Cache-Control": "no-cache, no-store, no-transform", "X-Accel-Buffering": "no",
		} {
			if got := res.Header.Values(name); len(got) != 1 || got[0] != want {
				s.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		if res.StatusCode != http.StatusOK || res.ContentLength >= 0 || res.Header.Get("Date") == "" {
			s.Errorf("%+v", res)
		}
		s.hub.Offer(user("a"), 0, say(1, "a1"))
		expectBytes(s.T, body, "event: presence\ndata: [a1]\n\n")
		s.hub.Offer(user("a"), 0, say(2, "a2"))
		expectBytes(s.T, body, "event: presence\ndata: [a2]\n\n")
		s.hub.Streams()[0].End(Event{Name: "reconnect"})
		expectBytes(s.T, body, "event: reconnect\ndata: \n\n")
		if rest, err := io.ReadAll(body); len(rest) > 0 || err != nil {
			s.Errorf("after the end: %q, %v", rest, err)
		}
		s.wantEnd(func(err error) bool { return err == nil })
		checkEmpty(s.T, s.hub)
	})
}

// Whatever a pool does not take is written by the goroutine that serves it, and by the same rules.
func TestAPoolLeavesToOthersWhatItCannotTake(t *testing.T) {
	s := servePooled(t, Options{})
	conn, head, _ := s.open()
	if !head.Close {
		t.Errorf("not taken: %+v", head)
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
		"HTTP/1.0": func() (*http.Response, error) {
			conn, err := net.Dial("tcp", s.Listener.Addr().String())
			if err != nil {
				return nil, err
			}
			t.Cleanup(func() { conn.Close() })
			io.WriteString(conn, "GET / HTTP/1.0\r\n\r\n")
			res, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err == nil {
				res.Close = len(res.TransferEncoding) > 0 // where it is taken, its body has chunks
			}
			return res, err
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

func TestAStreamIsOpenedAndKeptAwake(t *testing.T) {
	var pings atomic.Int32
	onBothSinks(t, Options{
		Comment: 20 * time.Millisecond, Ping: 50 * time.Millisecond,
		PingEvent: func() Event { pings.Add(1); return Event{Name: "ping"} },
		Opening:   func(news []News, _ string) []Event { return []Event{{Name: "snapshot", Data: listing(news)}} },
	}, func(s *served) {
		_, _, body := s.open()
		expectBytes(s.T, body, "event: snapshot\ndata: a:-,\n\n")
		comments := 0
		for seen := 0; seen < 3 || comments < 3; {
			line, err := body.ReadString('\n')
			if err != nil {
				s.Fatal(err)
			}
			switch line {
			case ":\n":
				comments++
			case "event: ping\n":
				seen++
			}
		}
	})
}

func TestAStreamCoalescesForReal(t *testing.T) {
	const every = 200 * time.Millisecond
	onBothSinks(t, Options{Coalesce: every}, func(s *served) {
		_, _, body := s.open()
		s.hub.Offer(user("a"), 0, say(1, "a1"))
		expectBytes(s.T, body, "event: presence\ndata: [a1]\n\n")
		begun := time.Now()
		s.hub.Offer(user("a"), 0, say(2, "a2"))
		s.hub.Offer(user("a"), 0, say(3, "a3"))
		expectBytes(s.T, body, "event: presence\ndata: [a3]\n\n")
		if took := time.Since(begun); took < every/2 { // some of it passed before it begun
			s.Errorf("the second came after %v", took)
		}
	})
}

// A reader that has gone is noticed without anything being written to it, whether it says so or is only silent from then on.
func TestAReaderThatGoesIsNoticed(t *testing.T) {
	onBothSinks(t, Options{}, func(s *served) {
		for name, leave := range map[string]func(*net.TCPConn) error{
			"closes":        (*net.TCPConn).Close,
			"stops sending": (*net.TCPConn).CloseWrite,
			"resets": func(c *net.TCPConn) error {
				c.SetLinger(0)
				return c.Close()
			},
			"says something first": func(c *net.TCPConn) error {
				if s.stop == nil {
					return c.Close() // net/http reads on only when the handler has returned, and does not see it
				}
				io.WriteString(c, "GET /other HTTP/1.1\r\n\r\n")
				return c.CloseWrite()
			},
		} {
			conn, _, _ := s.open()
			if err := leave(conn.(*net.TCPConn)); err != nil {
				s.Fatal(err)
			}
			s.wantEnd(func(err error) bool { return errors.Is(err, context.Canceled) })
			if n := s.hub.Len(); n > 0 {
				s.Errorf("%s: %d streams", name, n)
			}
		}
		checkEmpty(s.T, s.hub)
	})
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
		expectBytes(t, body, fmt.Sprintf("event: presence\ndata: [a%d]\n\n", v))
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
func TestAReaderThatIsSlowIsNotCut(t *testing.T) {
	onBothSinks(t, Options{}, func(s *served) {
		_, _, body := s.open()
		long := strings.Repeat("0123456789abcdef", 1<<18) // more than the kernel takes of what nobody reads
		s.hub.Offer(user("a"), 0, say(1, long))
		s.until("it is on its way", func() bool { return !pendingIn(s.hub.Streams()[0]) })
		for v := int64(2); v < 100; v++ {
			s.hub.Offer(user("a"), 0, say(v, fmt.Sprint("a", v)))
		}
		expectBytes(s.T, body, "event: presence\ndata: ["+long+"]\n\n"+"event: presence\ndata: [a99]\n\n")
		s.hub.Streams()[0].End(Event{Name: "reconnect"})
		expectBytes(s.T, body, "event: reconnect\ndata: \n\n")
	})
}

// How long writes take is how slow readers are seen: a pool that tells of one when the kernel has some of it would see none.
func TestAWriteIsToldOfWhenAllOfItIsTaken(t *testing.T) {
	var told atomic.Int64
	onBothSinks(t, Options{Wrote: func(waited, took time.Duration) { told.Add(int64(max(took, 1))) }}, func(s *served) {
		told.Store(0)
		_, _, body := s.open()
		long := strings.Repeat("0123456789abcdef", 1<<18)
		s.hub.Offer(user("a"), 0, say(1, long))
		s.until("it is on its way", func() bool { return !pendingIn(s.hub.Streams()[0]) })
		time.Sleep(50 * time.Millisecond) // for whoever tells too soon
		if n := told.Load(); n > 0 {
			s.Errorf("told of a write of %v that was not over", time.Duration(n))
		}
		expectBytes(s.T, body, "event: presence\ndata: ["+long+"]\n\n")
		s.until("it is told", func() bool { return told.Load() > 0 })
	})
}

func TestAStreamThatEndedBeforeItWasServedStillSaysHello(t *testing.T) {
	onBothSinks(t, Options{Opening: func([]News, string) []Event { return []Event{{Name: "hello"}} }}, func(s *served) {
		s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			stream := s.hub.NewStream(s.options)
			stream.End(Event{Name: "reconnect"})
			s.pool.Serve(stream, w, r, func(err error) { s.ended <- err })
		})
		res, err := http.Get(s.URL)
		if err != nil {
			s.Fatal(err)
		}
		defer res.Body.Close()
		if got, err := io.ReadAll(res.Body); string(got) != "event: hello\ndata: \n\nevent: reconnect\ndata: \n\n" || err != nil {
			s.Errorf("%q, %v", got, err)
		}
		s.wantEnd(func(err error) bool { return err == nil })
	})
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
	if rest, err := io.ReadAll(first); err == nil {
		t.Errorf("the reader sees a stream that ended well: %q", rest)
	}
	_, _, body := s.open()
	s.hub.Offer(user("a"), 0, say(2, "a2"))
	expectBytes(t, body, "event: presence\ndata: [a2]\n\n")
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
func TestStreamsInACrowd(t *testing.T) {
	onBothSinks(t, Options{Comment: 3 * time.Millisecond, Coalesce: time.Millisecond}, func(s *served) {
		const readers = 50
		var reading sync.WaitGroup
		for i := range readers {
			reading.Go(func() {
				res, err := http.Get(s.URL)
				if err != nil {
					s.Error(err)
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
				s.Errorf("reader %d did not get the last: %v", i, lines.Err())
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
		checkEmpty(s.T, s.hub)
		s.pool.timers.mu.Lock()
		defer s.pool.timers.mu.Unlock()
		if n := len(s.pool.timers.heap); n > 0 {
			s.Errorf("%d timers remain", n)
		}
	})
}

// A reader who is told of everything in one piece costs one write, and one wake of his own.
func TestAPoolWritesTheHeadOfAResponseTogetherWithWhatComesFirst(t *testing.T) {
	s := servePooled(t, Options{Opening: func([]News, string) []Event { return []Event{{Name: "hello", Data: []byte("{}")}} }})
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(soon))
	io.WriteString(conn, "GET / HTTP/1.1\r\nHost: presently\r\n\r\n")
	got := make([]byte, 4096)
	n, err := conn.Read(got)
	if err != nil {
		t.Fatal(err)
	}
	head, body, _ := bytes.Cut(got[:n], []byte("\r\n\r\n"))
	for _, want := range []string{"HTTP/1.1 200 OK\r\n", "\r\nContent-Type: text/event-stream", "\r\nConnection: close", "\r\nTransfer-Encoding: chunked", "\r\nDate: "} {
		if !bytes.Contains(head, []byte(want)) {
			t.Errorf("the head lacks %q:\n%s", want, head)
		}
	}
	if want := "17\r\nevent: hello\ndata: {}\n\n\r\n"; string(body) != want {
		t.Errorf("with the head came %q, want %q", body, want)
	}
}

func TestWorkersShareWhatWaits(t *testing.T) {
	const streams = 100
	p, other := NewPool(), NewPool()
	p.workers, other.workers = 2, 2
	var r round
	for i := range streams {
		r.add(&pooled{pool: p, id: uint64(i)})
		if i == streams/2 {
			r.add(&pooled{pool: other, id: streams})
		}
	}
	r.end()
	r.end() // there is nothing more
	if other.length != 1 || other.next().id != streams {
		t.Error("the stream of another pool is not in its queue")
	}
	seen := uint64(0)
	for p.length > 0 {
		n, most := 0, p.length
		for m := p.next(); m != nil; m = m.next {
			if m.id != seen {
				t.Fatalf("stream %d comes when %d is due", m.id, seen)
			}
			seen++
			n++
		}
		if n > fewStreams/2 || most > 1 && n > most/2 || p.length != streams-int(seen) {
			t.Errorf("a worker takes %d of %d, and leaves %d", n, most, p.length)
		}
	}
	if seen != streams || p.first != nil {
		t.Errorf("%d of %d streams", seen, streams)
	}
}

// Waking a thread costs as much as several writes.
func TestFewStreamsWakeOneWorker(t *testing.T) {
	p := NewPool()
	p.workers, p.asleep = 4, 4
	for i, want := range map[int]int{1: 3, fewStreams: 3, fewStreams + 1: 2, 2*fewStreams + 1: 1, 4 * fewStreams: 0} {
		p.length, p.asleep, p.first, p.last = 0, 4, nil, nil
		for range i {
			m := &pooled{pool: p}
			p.queue(m, m, 1)
		}
		if p.asleep != want {
			t.Errorf("%d streams leave %d workers asleep, want %d", i, p.asleep, want)
		}
	}
}
