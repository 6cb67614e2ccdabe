//go:build faults

package e2e

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/presently/presently/internal/redistest"
)

// swarm is many streams with as little as possible of ours for each: a connection, and what is said on it.
const perViewer = 8 // streams; ten are allowed

// stormSize and cycleCount are those of the first run of a soak, or less.
func (s *stage) stormSize() int {
	if s.long {
		return 10_000
	}
	return 1000
}

func (s *stage) cycleCount() int {
	if s.long {
		return 100_000
	}
	return 2000
}

// waitLong is waitUntil for what takes longer the more there are.
func (s *stage) waitLong(what string, ok func() bool) {
	s.t.Helper()
	limit := time.Now().Add(patience * time.Duration(1+s.stormSize()/2500))
	for !ok() {
		if time.Now().After(limit) {
			s.t.Fatalf("it is still not so that %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// idleReaders are fewer under the race detector, which holds ten times as much for each, and takes ten times as long.
func idleReaders() int {
	if raced {
		return 200
	}
	return 1000
}

// openRaw asks an instance for a stream on a connection of its own.
func openRaw(t testing.TB, dialer *net.Dialer, at string, token, query string) (net.Conn, error) {
	c, err := dialer.DialContext(t.Context(), "tcp", strings.TrimPrefix(at, "http://"))
	if err != nil {
		return nil, err
	}
	_, err = fmt.Fprintf(c, "GET /v1/stream?%s HTTP/1.1\r\nHost: presently\r\nAuthorization: Bearer %s\r\n\r\n", query, token)
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// begins reads a stream up to its snapshot.
func begins(r *bufio.Reader) error {
	for n := 0; ; n++ {
		line, err := r.ReadString('\n')
		if err != nil {
			return err
		}
		if n == 0 && !strings.HasPrefix(line, "HTTP/1.1 200") {
			return fmt.Errorf("answered with %s", line)
		}
		if strings.HasPrefix(line, "event: snapshot") {
			return nil
		}
	}
}

// storm opens many streams at one instance, kills it, and lets all of them come back at the same moment.
func storm(s *stage) {
	t, stormSize := s.t, s.stormSize()
	tokens := make([]string, stormSize/perViewer+1)
	for n := range tokens {
		tokens[n] = sign(t, fmt.Sprint("stormer-", n), time.Hour)
	}
	query := url.Values{"user": {"user-0", "user-2", "user-4", "user-6"}}.Encode()
	var back, opened atomic.Int64
	var restored atomic.Int64 // ms after the storm began, of the last one
	var killed atomic.Pointer[time.Time]
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	gate := make(chan struct{}, 64) // dials at a time, at first
	fail := make(chan error, stormSize)
	for n := range stormSize {
		all.Go(func() {
			target, first := s.slots[0].url, true
			for ctx.Err() == nil {
				if first {
					gate <- struct{}{}
				}
				c, err := openRaw(t, &net.Dialer{}, target, tokens[n/perViewer], query)
				if err == nil {
					release := context.AfterFunc(ctx, func() { c.Close() })
					r := bufio.NewReader(c)
					if err = begins(r); err == nil {
						if first {
							opened.Add(1)
							<-gate
							first = false
						} else {
							back.Add(1)
							restored.Store(time.Since(*killed.Load()).Milliseconds())
						}
						_, err = r.WriteTo(discard{})
					}
					release()
					c.Close()
				}
				if first {
					<-gate
					if ctx.Err() == nil {
						fail <- err
					}
					return
				}
				target = s.slots[1+n%2].url // at once, as the worst of clients would
				if killed.Load() == nil && ctx.Err() == nil {
					fail <- fmt.Errorf("a stream ended before its instance was killed: %w", err)
					return
				}
			}
		})
	}
	defer all.Wait()
	defer stop()
	wait := func(what string, ok func() bool) {
		s.waitLong(what, func() bool {
			select {
			case err := <-fail:
				t.Fatalf("a stream: %v", err)
			default:
			}
			return ok()
		})
	}
	wait("all streams are open", func() bool { return opened.Load() == int64(stormSize) })
	now := time.Now()
	killed.Store(&now)
	s.kill(0)
	wait("all streams are open again", func() bool { return back.Load() >= int64(stormSize) })
	s.figure("restoredS", float64(restored.Load())/1000)
	s.figure("streams", float64(stormSize))
	time.Sleep(2 * time.Second) // with all of them, as with few
	s.launch(0)
	s.awaitReady()
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }

// zeroWindows opens a thousand streams of which nothing is read, with windows and segments so small that the kernel takes little for
// them, and has those whom they watch change until every one is stuck.
func zeroWindows(s *stage) {
	t := s.t
	const watched = 100
	i := s.slots[0]
	crowd := make([]string, watched)
	for n := range crowd {
		crowd[n] = fmt.Sprint("restless-", n)
	}
	change := func(round int) {
		var wait sync.WaitGroup
		for part := range 4 {
			wait.Go(func() {
				for n := part; n < watched; n += 4 {
					body := beatBody("session-1", fmt.Sprintf(`"state":%q`, []string{"busy", "online"}[round%2]))
					i.as(crowd[n]).try("POST", "/v1/presence/heartbeat", body) //nolint:errcheck // silence would be seen
				}
			})
		}
		wait.Wait()
	}
	second := time.NewTicker(time.Second)
	defer second.Stop()
	pace := func() {
		if s.long { // a hundred changes a second; else as many as there can be, to be done soon
			<-second.C
		}
	}
	change(0)
	query := url.Values{"user": crowd}.Encode()
	small := &net.Dialer{Control: func(_, _ string, c syscall.RawConn) error {
		var err error
		if e := c.Control(func(fd uintptr) {
			if err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 2304); err == nil {
				err = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_MAXSEG, 536)
			}
		}); e != nil {
			return e
		}
		return err
	}}
	readers := idleReaders()
	var before time.Duration
	if s.long {
		asking := s.probe(50)
		for round := range 6 {
			pace()
			change(round)
		}
		before, _ = asking.end()
	}
	kernel := tcpKiB(t)
	descriptors, resident := i.descriptors(t), i.residentKiB(t)
	var conns []net.Conn
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	for n := range readers {
		c, err := openRaw(t, small, i.url, sign(t, fmt.Sprint("idler-", n/perViewer), time.Hour), query)
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
	}
	waitUntil(t, "all streams are open", func() bool { return i.descriptors(t) >= descriptors+readers })
	var asking *probes
	if s.long {
		asking = s.probe(50)
	}
	began, most, pinned := time.Now(), int64(0), int64(0)
	for round := 1; i.descriptors(t) > descriptors+readers/100+10; round++ {
		pace()
		change(round)
		most, pinned = max(most, i.residentKiB(t)-resident), max(pinned, tcpKiB(t)-kernel)
		if time.Since(began) > patience {
			t.Errorf("after %v, %d of %d streams that read nothing are open", patience, i.descriptors(t)-descriptors, readers)
			break
		}
	}
	if s.long {
		during, _ := asking.end()
		s.figure("othersBefore", before.Seconds())
		s.figure("othersDuring", during.Seconds())
		s.figure("kernelKiB", float64(pinned)/float64(readers)) // of both ends, and of whoever else has sockets
	}
	s.figure("readers", float64(readers))
	s.figure("cutS", time.Since(began).Seconds())
	s.figure("residentMiB", float64(most)/1024)
	s.figure("residentEndMiB", float64(i.residentKiB(t)-resident)/1024)
	// The race detector's shadow is several times what the program itself holds.
	if bound := int64(readers * 256); most > bound && !raced || most > 8*bound {
		t.Errorf("%d readers of nothing took %d KiB", readers, most)
	}
}

// cycles opens and closes streams, and looks for what is left of them: the runtime itself tells its goroutines (GODEBUG=schedtrace).
func cycles(s *stage) {
	t := s.t
	i := launch(t, "PRESENTLY_REDIS_URL="+redistest.Start(t).URL(), "PRESENTLY_JWT_SECRET="+secret, "PRESENTLY_LOG_LEVEL=info",
		"GODEBUG=schedtrace=250,scheddetail=1")
	i.awaitReady()
	i.as("ada").beat("session-1")
	query := url.Values{"user": {"ada", "ben"}, "room": {"lobby"}}.Encode()
	run := func(times int) {
		var all sync.WaitGroup
		work := make(chan int)
		for range 16 {
			all.Go(func() {
				for n := range work {
					c, err := openRaw(t, &net.Dialer{}, i.url, sign(t, fmt.Sprint("cyclist-", n%50), time.Hour), query)
					if err == nil {
						err = begins(bufio.NewReader(c))
						c.Close()
					}
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		for n := range times {
			work <- n
		}
		close(work)
		all.Wait()
	}
	run(200) // so that pools are as full as they get
	descriptors, goroutines := s.rest(i, 0, 0)
	resident := i.residentKiB(t)
	run(s.cycleCount())
	d, g := s.rest(i, descriptors, goroutines)
	s.figure("descriptors", float64(d-descriptors))
	s.figure("goroutines", float64(g-goroutines))
	s.figure("residentMiB", float64(i.residentKiB(t)-resident)/1024)
	s.figure("cycles", float64(s.cycleCount()))
	if d > descriptors || g > goroutines {
		t.Errorf("after %d streams: %d descriptors, %d before; %d goroutines, %d before", s.cycleCount(), d, descriptors, g, goroutines)
	}
	if most := int64(64 << 10); i.residentKiB(t)-resident > most {
		t.Errorf("%d KiB more than before", i.residentKiB(t)-resident)
	}
}

// rest waits for an instance to come to rest, at no more than so many descriptors and goroutines where they are given, and returns how many
// it has then.
func (s *stage) rest(i *instance, descriptors, goroutines int) (d, g int) {
	http.DefaultClient.CloseIdleConnections()
	i.client.CloseIdleConnections()
	limit := time.Now().Add(patience / 2)
	for calm := 0; calm < 4 && time.Now().Before(limit); {
		time.Sleep(300 * time.Millisecond)
		nowD, nowG := i.descriptors(s.t), i.goroutines(s.t)
		if calm++; nowD != d || nowG != g || descriptors > 0 && nowD > descriptors || goroutines > 0 && nowG > goroutines {
			calm = 0
		}
		d, g = nowD, nowG
	}
	return d, g
}

var goroutine = regexp.MustCompile(`(?m)^  G\d+: status=(\d+)`)

// goroutines is how many the runtime told of last.
func (i *instance) goroutines(t testing.TB) int {
	t.Helper()
	var parts []string
	waitUntil(t, "the runtime tells of its goroutines", func() bool {
		parts = strings.Split(i.program.log.String(), "SCHED ")
		return len(parts) > 2
	})
	n := 0
	for _, m := range goroutine.FindAllStringSubmatch(parts[len(parts)-2], -1) { // the last may not be whole
		if m[1] != "6" { // dead, and kept for the next
			n++
		}
	}
	return n
}
