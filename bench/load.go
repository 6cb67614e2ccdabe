//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// streams are open streams, all read by one thread with one buffer, which counts.
type streams struct {
	addr  netip.AddrPort
	epoll int

	deliveries, bytes atomic.Int64
	ready             atomic.Int64 // that have got their snapshot
	gone              atomic.Int64
	opened            int                    // ever, which makes viewers: one may have ten streams
	refused           atomic.Pointer[string] // an answer that was none of a stream
	refusals          atomic.Int64
	again             chan *state // those that are to be asked for again
	webSocket         bool
	latency           *latency // nil: nobody wants to know

	mu   sync.Mutex     // guards what follows
	open map[int]*state // by descriptor
}

// state is one stream. The reading thread has it.
type state struct {
	due     int // names of the snapshot that are still to come
	request string
	watched int
}

func newStreams(addr string) (*streams, error) {
	epoll, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	at, err := netip.ParseAddrPort(addr)
	if err != nil {
		return nil, err
	}
	s := &streams{addr: at, epoll: epoll, open: map[int]*state{}, again: make(chan *state, 100_000)}
	go s.read()
	return s, nil
}

// read counts what comes, until close.
func (s *streams) read() {
	runtime.LockOSThread()
	var events [256]syscall.EpollEvent
	buffer := make([]byte, 64<<10)
	for {
		n, err := syscall.EpollWait(s.epoll, events[:], -1)
		if err != nil && !errors.Is(err, syscall.EINTR) {
			return
		}
		for _, e := range events[:max(n, 0)] {
			fd := int(e.Fd)
			n, err := syscall.Read(fd, buffer)
			if n <= 0 {
				if !errors.Is(err, syscall.EAGAIN) {
					syscall.EpollCtl(s.epoll, syscall.EPOLL_CTL_DEL, fd, nil) //nolint:errcheck // it is of no use any more
					s.lose(fd)
				}
				continue
			}
			s.count(fd, buffer[:n])
		}
	}
}

// lose notes that a stream has ended. One that was refused is asked for again, as clients do.
func (s *streams) lose(fd int) {
	s.mu.Lock()
	state := s.open[fd]
	s.mu.Unlock()
	if state == nil || state.due == 0 {
		s.gone.Add(1)
		return
	}
	s.refusals.Add(1)
	s.mu.Lock()
	delete(s.open, fd)
	syscall.Close(fd) //nolint:errcheck // nobody is there
	s.mu.Unlock()
	s.again <- state
}

func (s *streams) count(fd int, p []byte) {
	s.bytes.Add(int64(len(p)))
	if bytes.HasPrefix(p, []byte("HTTP/1.1 ")) && p[9] > '2' {
		answer := string(p)
		s.refused.Store(&answer)
	}
	names := bytes.Count(p, []byte{'~'})
	s.mu.Lock()
	state := s.open[fd]
	s.mu.Unlock()
	if state == nil {
		return
	}
	if state.due > 0 {
		taken := min(names, state.due)
		names -= taken
		if state.due -= taken; state.due == 0 {
			s.ready.Add(1)
		}
	}
	s.deliveries.Add(int64(names))
	if s.latency != nil && names > 0 {
		s.latency.note(p)
	}
}

// latency is how long deliveries take since their changes were posted. One user changes, to and fro: what was read tells which way, so that a
// change may be under way while the one before it still is.
type latency struct {
	posted [2]atomic.Int64 // ns, of the last change to online and to busy

	mu   sync.Mutex // guards what follows
	took []time.Duration
}

func (l *latency) note(p []byte) {
	way := 0
	if bytes.Contains(p, []byte("busy")) {
		way = 1
	}
	took := time.Duration(time.Now().UnixNano() - l.posted[way].Load())
	l.mu.Lock()
	defer l.mu.Unlock()
	l.took = append(l.took, took)
}

// quantile is the latency that so many stay under, in ms.
func (l *latency) quantile(q float64) float64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.took) == 0 {
		return 0
	}
	slices.Sort(l.took)
	return l.took[min(len(l.took)-1, int(q*float64(len(l.took))))].Seconds() * 1000
}

// dial opens a stream.
func (s *streams) dial(request string, watched int) error {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if err := syscall.Connect(fd, &syscall.SockaddrInet4{Addr: s.addr.Addr().As4(), Port: int(s.addr.Port())}); err != nil {
		return errors.Join(err, syscall.Close(fd))
	}
	if _, err := syscall.Write(fd, []byte(request)); err != nil {
		return errors.Join(err, syscall.Close(fd))
	}
	if s.webSocket {
		if err := openNamespace(fd); err != nil {
			return errors.Join(err, syscall.Close(fd))
		}
	}
	s.mu.Lock()
	s.open[fd] = &state{watched, request, watched}
	s.mu.Unlock()
	if err := syscall.SetNonblock(fd, true); err != nil {
		return err
	}
	return syscall.EpollCtl(s.epoll, syscall.EPOLL_CTL_ADD, fd, &syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(fd)})
}

// openAll opens a stream for each list of users, ten by one viewer, and waits until each has its snapshot.
func (s *streams) openAll(ctx context.Context, lists [][]string) error {
	target, first := s.ready.Load()+int64(len(lists)), s.opened
	s.opened += len(lists)
	failed := make(chan error, 1)
	var next atomic.Int64
	var workers sync.WaitGroup
	for range 16 {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(lists); i = int(next.Add(1)) - 1 {
				request := streamRequest(fmt.Sprint("viewer-", (first+i)/10), lists[i])
				if s.webSocket {
					request = socketRequest(lists[i])
				}
				if err := s.dial(request, len(lists[i])); err != nil {
					select {
					case failed <- err:
					default:
					}
					return
				}
			}
		})
	}
	workers.Wait()
	deadline := time.Now().Add(time.Minute)
	for s.ready.Load() < target {
		select {
		case err := <-failed:
			return err
		case <-ctx.Done():
			return ctx.Err()
		case lost := <-s.again:
			time.Sleep(time.Millisecond) // as clients, who come back after a while and not together
			if err := s.dial(lost.request, lost.watched); err != nil {
				return err
			}
		case <-time.After(time.Millisecond):
		}
		if time.Now().After(deadline) {
			why := ""
			if refused := s.refused.Load(); refused != nil {
				why = ": " + *refused
			}
			return fmt.Errorf("%d of %d streams have begun, %d have ended%s", s.ready.Load(), target, s.gone.Load(), why)
		}
	}
	return nil
}

// cut closes all streams, as a network that fails does.
func (s *streams) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for fd := range s.open {
		syscall.Close(fd) //nolint:errcheck // what could fail
		delete(s.open, fd)
	}
}

// cutSome closes so many of them.
func (s *streams) cutSome(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for fd := range s.open {
		if n--; n < 0 {
			return
		}
		delete(s.open, fd)
		syscall.Close(fd) //nolint:errcheck // what could fail
	}
}

func (s *streams) close() {
	s.cut()
	syscall.Close(s.epoll) //nolint:errcheck // what could fail
}

func streamRequest(viewer string, users []string) string {
	return "GET /v1/stream?user=" + strings.Join(users, "&user=") + " HTTP/1.1\r\nHost: bench\r\nAccept: text/event-stream\r\nAuthorization: Bearer " + token(viewer) + "\r\n\r\n"
}

// openNamespace opens Socket.IO's main namespace, in a masked frame, when Engine.IO has said that it is open.
func openNamespace(fd int) error {
	var head []byte
	buffer := make([]byte, 1024)
	for !bytes.Contains(head, []byte("maxPayload")) {
		n, err := syscall.Read(fd, buffer)
		if n <= 0 {
			return fmt.Errorf("no Engine.IO: %q, %w", head, err)
		}
		head = append(head, buffer[:n]...)
	}
	_, err := syscall.Write(fd, []byte("\x81\x82\x00\x00\x00\x0040"))
	return err
}

// socketRequest opens a WebSocket for Engine.IO 4.
func socketRequest(users []string) string {
	return "GET /socket.io/?EIO=4&transport=websocket&user=" + strings.Join(users, "&user=") + " HTTP/1.1\r\nHost: bench\r\nConnection: Upgrade\r\n" +
		"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
}

// A requester asks for one thing after another over one connection, as a client with keep-alive does.
type requester struct {
	conn net.Conn
	in   *bufio.Reader
}

func dialRequester(addr string) (*requester, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	return &requester{conn, bufio.NewReaderSize(conn, 32<<10)}, nil
}

// ask sends a request and reads its answer, which must be good.
func (q *requester) ask(request []byte) error {
	if _, err := q.conn.Write(request); err != nil {
		return err
	}
	status, err := q.in.ReadSlice('\n')
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(status, []byte("HTTP/1.1 2")) {
		rest, _ := q.in.Peek(q.in.Buffered())
		return fmt.Errorf("%s%s", status, rest)
	}
	length, chunks := 0, false
	for {
		line, err := q.in.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(line) == 2 {
			break
		}
		if v, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			fmt.Sscan(string(v), &length) //nolint:errcheck // the server is ours
		}
		chunks = chunks || bytes.HasPrefix(line, []byte("Transfer-Encoding: chunked"))
	}
	for chunks {
		line, err := q.in.ReadSlice('\n')
		if err != nil {
			return err
		}
		size := 0
		fmt.Sscanf(string(line), "%x", &size) //nolint:errcheck // the server is ours
		if _, err := q.in.Discard(size + 2); err != nil {
			return err
		}
		chunks = size > 0
	}
	_, err = q.in.Discard(length)
	return err
}

// beatRequest is a heartbeat of a user in a state.
func beatRequest(user, signed, state string) []byte {
	body := fmt.Sprintf(`{"sessionId":"session-1","state":%q}`, state)
	return fmt.Appendf(nil, "POST /v1/presence/heartbeat HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer %s\r\nX-User: %s\r\nPrefer: return=minimal\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		signed, user, len(body), body)
}

// askAll sends count requests over connections side by side, each waiting for its answer, and returns how long that took.
func askAll(addr string, connections, count int, request func(i int) []byte) (time.Duration, error) {
	begun := time.Now()
	errs := make(chan error, connections)
	for c := range connections {
		go func() {
			q, err := dialRequester(addr)
			for i := c; i < count && err == nil; i += connections {
				err = q.ask(request(i))
			}
			if q != nil {
				q.conn.Close() //nolint:errcheck // all was read
			}
			errs <- err
		}()
	}
	var err error
	for range connections {
		err = errors.Join(err, <-errs)
	}
	return time.Since(begun), err
}

// changes makes users change their state.
type changes struct {
	users    []string
	requests [][2][]byte
	turn     []int
	latency  *latency
}

func newChanges(users []string) *changes {
	c := &changes{users: users, turn: make([]int, len(users))}
	for _, u := range users {
		signed := token(u)
		c.requests = append(c.requests, [2][]byte{beatRequest(u, signed, "busy"), beatRequest(u, signed, "online")})
	}
	return c
}

// next is what makes user i change.
func (c *changes) next(i int) []byte {
	c.turn[i]++
	way := c.turn[i] % 2 // 1: online
	if c.latency != nil {
		c.latency.posted[1-way].Store(time.Now().UnixNano())
	}
	return c.requests[i][way]
}

// all makes each user say something once, over several connections.
func (c *changes) all(addr string) error {
	_, err := askAll(addr, 8, len(c.users), func(i int) []byte { return c.next(i) })
	return err
}

// post makes changes until ctx ends, rate a second over all users, or as many as the server takes, and returns how many it made.
func (c *changes) post(ctx context.Context, addr string, rate float64) (int, error) {
	posters := min(4, len(c.users))
	var made atomic.Int64
	errs := make(chan error, posters)
	begun := time.Now()
	for p := range posters {
		go func() {
			q, err := dialRequester(addr)
			for i := p; err == nil && ctx.Err() == nil; i += posters { // each user has one poster, so that his changes come in order
				if rate > 0 {
					if wait := time.Until(begun.Add(time.Duration(float64(i) / rate * float64(time.Second)))); wait > 0 {
						time.Sleep(wait)
					}
				}
				if err = q.ask(c.next(i % (len(c.users) / posters * posters))); err == nil {
					made.Add(1)
				}
			}
			if q != nil {
				q.conn.Close() //nolint:errcheck // all was read
			}
			errs <- err
		}()
	}
	var err error
	for range posters {
		err = errors.Join(err, <-errs)
	}
	return int(made.Load()), err
}
