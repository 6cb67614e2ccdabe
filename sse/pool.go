package sse

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// Pool writes streams that have no goroutine of their own. It takes a stream's
// connection over from the HTTP server, so that the handler can return: what is
// left of a stream that waits is its mailbox, its connection, and an entry in the
// pool's timers. A few workers write the streams that have something to write.
//
// No reader delays another's: a worker gives to a connection what that takes at
// once, and leaves the rest to a goroutine that lives until it is written. The
// deadline is the same as for a [ResponseSink].
//
// It does so for HTTP/1.1 in clear over TCP, on Linux, where the request has no body; also where a listener has wrapped its
// connections: one that does not show its descriptor costs a goroutine that reads. All other streams, and all while Run
// does not run, are written by the goroutine that serves them, as by [Stream.Run].
// A reader cannot tell the two apart, but that the connection ends with the stream.
type Pool struct {
	timers timers

	mu         sync.Mutex // guards what follows
	running    bool
	stopped    bool      // for the workers: no stream is left
	ready      sync.Cond // there is a first, or it is stopped
	first      *pooled   // of the streams that wait for a worker
	last       *pooled   // of these
	length     int       // how many they are
	workers    int
	asleep     int      // workers that wait, but for those that are being woken
	hangups    *hangups // nil until there is a stream
	lastID     uint64   // of a stream
	streams    map[uint64]*pooled
	emptied    chan struct{} // closed when the last of the streams has gone after Run's ctx has ended
	background sync.WaitGroup

	stuckAfter time.Duration
}

// lingerFor is how long a connection stays open after a stream that ended well: were it closed at once, a byte that
// came from the reader and was not read would make the kernel throw away the last event. It is what net/http waits.
const lingerFor = 500 * time.Millisecond

// NewPool returns a pool that writes nothing until Run runs.
func NewPool() *Pool {
	p := &Pool{streams: make(map[uint64]*pooled), emptied: make(chan struct{}), stuckAfter: stuckAfter}
	p.ready.L = &p.mu
	return p
}

// Run writes streams until ctx ends, and then cuts those that are left. It returns when nothing of them is left either, and is called once.
func (p *Pool) Run(ctx context.Context) {
	p.mu.Lock()
	p.running, p.workers = true, runtime.GOMAXPROCS(0)
	p.mu.Unlock()
	var workers sync.WaitGroup
	for range p.workers {
		workers.Go(p.work)
	}

	<-ctx.Done()
	p.mu.Lock()
	p.running = false
	left := make([]*pooled, 0, len(p.streams))
	for _, s := range p.streams {
		left = append(left, s)
	}
	if len(left) == 0 {
		close(p.emptied)
	}
	p.mu.Unlock()
	for _, s := range left {
		s.cut(context.Cause(ctx))
	}
	<-p.emptied
	p.mu.Lock()
	p.stopped = true
	p.ready.Broadcast()
	if p.hangups != nil {
		p.hangups.close()
		p.hangups = nil
	}
	p.mu.Unlock()
	workers.Wait()
	p.background.Wait()
}

// Serve writes s as the response to r. It may return before the stream has ended: done is called then, once, with what
// Run would return, by a goroutine of its own. The caller does not use w any more.
func (p *Pool) Serve(s *Stream, w http.ResponseWriter, r *http.Request, done func(error)) {
	if m := p.enter(s, r, done); m != nil {
		if m.take(w) {
			return
		}
		p.leave(m)
	}
	sink, err := Start(w, r)
	defer func() { done(err) }()
	defer s.Close()
	if err == nil {
		err = s.Run(r.Context(), sink)
	}
}

// enter makes room for a stream, or returns nil where the pool does not write it.
func (p *Pool) enter(s *Stream, r *http.Request, done func(error)) *pooled {
	_, tcp := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	withBody := r.ContentLength != 0 // one that does not come is for the HTTP server to cut
	if !canPool || !tcp || r.TLS != nil || r.ProtoMajor != 1 || r.ProtoMinor < 1 || withBody {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.running || !p.watchHangups() {
		return nil
	}
	p.lastID++
	m := &pooled{writer: writer{Stream: s}, pool: p, done: done, id: p.lastID, busy: true, again: true, place: -1}
	m.sink = m
	p.streams[m.id] = m
	return m
}

// watchHangups sees to it that the pool is told who has gone. The lock is held.
func (p *Pool) watchHangups() bool {
	if p.hangups != nil {
		return true
	}
	h, err := newHangups()
	if err != nil {
		return false
	}
	p.hangups = h
	p.background.Go(func() { h.watch(p.hungUp) })
	return true
}

func (p *Pool) leave(m *pooled) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.streams, m.id)
	if !p.running && len(p.streams) == 0 {
		close(p.emptied)
	}
}

// hungUp is told that a reader has gone.
func (p *Pool) hungUp(id uint64) {
	p.mu.Lock()
	m := p.streams[id]
	p.mu.Unlock()
	if m != nil {
		m.cut(context.Canceled)
	}
}

// fewStreams are so many that one worker writes them as soon as another would have been woken to help: each takes some µs.
const fewStreams = 32

// queue has workers look at a list of streams.
func (p *Pool) queue(first, last *pooled, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.first == nil {
		p.first = first
	} else {
		p.last.next = first
	}
	p.last = last
	p.length += n
	for p.asleep > 0 && p.length > fewStreams*(p.workers-p.asleep) {
		p.asleep--
		p.ready.Signal()
	}
}

// work writes streams until the pool is stopped.
func (p *Pool) work() {
	for m := p.next(); m != nil; m = p.next() {
		for m != nil {
			next := m.next
			m.next = nil
			m.turn()
			m = next
		}
	}
}

// next is a list of streams to write, or nil when there will be none any more. A worker takes several at a time, so that workers seldom meet, and
// leaves enough to the others.
func (p *Pool) next() *pooled {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.first == nil {
		if p.stopped {
			return nil
		}
		p.asleep++
		p.ready.Wait()
	}
	n := min(1+p.length/(2*p.workers), fewStreams/2)
	first := p.first
	last := first
	for range n - 1 {
		last = last.next
	}
	p.first, last.next = last.next, nil
	p.length -= n
	return first
}

// A round is one frame on its way to streams. Those that a pool writes go to its queue some at a time: one by one, whoever offers and whoever
// writes would stand in each other's way for each.
type round struct {
	first, last *pooled
	n           int
	at          time.Time
}

// began is when the round began, by the clock, which is asked once.
func (r *round) began() time.Time {
	if r.at.IsZero() {
		r.at = time.Now()
	}
	return r.at
}

// add has m looked at, which nobody else may have looked at meanwhile.
func (r *round) add(m *pooled) {
	if r.n == fewStreams || r.n > 0 && r.first.pool != m.pool {
		r.end()
	}
	if r.n == 0 {
		r.first = m
	} else {
		r.last.next = m
	}
	r.last = m
	r.n++
}

// end has all looked at that were added.
func (r *round) end() {
	if r.n > 0 {
		r.first.pool.queue(r.first, r.last, r.n)
	}
	r.first, r.last, r.n = nil, nil, 0
}

// pooled is a stream that a pool writes. It is its own sink.
type pooled struct {
	writer
	pool *Pool
	done func(error)
	conn net.Conn
	raw  syscall.RawConn                  // nil: the connection has none
	head []byte                           // of the response, which goes with what is written first
	rest []byte                           // what the connection has not taken yet
	late struct{ since, began time.Time } // of that: what Options.Wrote is to be told when it is taken
	id   uint64
	next *pooled // in the pool's queue, guarded by its lock; or in the list of whoever has made it busy

	due   time.Time // in the pool's timers, and guarded by their lock
	place int       // there; -1: not there

	// Guarded by the stream's lock: whether the stream is in the queue or in somebody's hands, whether it was poked since it was taken
	// from the queue, and why it is to be cut.
	busy, again bool
	gone        error
}

// take takes over the connection beneath w, to which nothing was written. It returns false where it could not.
func (m *pooled) take(w http.ResponseWriter) bool {
	h := w.Header()
	setHeaders(h)
	h.Set("Connection", "close")
	conn, _, err := http.NewResponseController(w).Hijack()
	if errors.Is(err, http.ErrNotSupported) {
		return false
	}
	m.mu.Lock()
	m.Stream.pooled, m.conn, m.head = m, conn, responseHead(h)
	m.mu.Unlock()
	if err == nil {
		err = m.connect()
	}
	if err == nil {
		_, err = m.guard(func() (bool, error) { return false, m.open() })
	}
	if head := m.head; err == nil && head != nil { // it opens with nothing
		m.head = nil
		err = m.send(head)
	}
	m.after(false, err)
	return true
}

// responseHead is what net/http would write before a body that has no known end. Written with what the stream begins with, it costs neither side a
// system call of its own.
func responseHead(h http.Header) []byte {
	b := bytes.NewBuffer(make([]byte, 0, 512))
	b.WriteString("HTTP/1.1 200 OK\r\n")
	h.Write(b) //nolint:errcheck // a buffer takes all
	b.WriteString("Date: ")
	b.Write(time.Now().UTC().AppendFormat(b.AvailableBuffer(), http.TimeFormat))
	b.WriteString("\r\nTransfer-Encoding: chunked\r\n\r\n")
	return b.Bytes()
}

// connect makes the connection ready to be written to without waiting, and its reader's going be noticed.
func (m *pooled) connect() error {
	direct, ok := m.conn.(syscall.Conn)
	if !ok {
		m.pool.background.Go(func() {
			io.Copy(io.Discard, m.conn) //nolint:errcheck // whatever it is, it is the end
			m.cut(context.Canceled)
		})
		return nil
	}
	var err error
	if m.raw, err = direct.SyscallConn(); err != nil {
		return err
	}
	m.pool.mu.Lock()
	h := m.pool.hangups
	m.pool.mu.Unlock()
	return h.add(m.raw, m.id)
}

// poke has a worker look at the stream, unless one is about to. The stream's lock is held.
func (m *pooled) poke() {
	if m.busy {
		m.again = true
		return
	}
	m.busy = true
	m.pool.queue(m, m, 1)
}

// cut ends the stream without another word.
func (m *pooled) cut(why error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.gone = why
	if m.conn != nil {
		m.conn.Close() //nolint:errcheck // ends a write that is stuck
	}
	m.poke()
}

// turn writes what is due.
func (m *pooled) turn() {
	m.mu.Lock()
	m.again = false
	err := m.gone
	m.mu.Unlock()
	ended := false
	if err == nil {
		ended, err = m.guard(m.flush)
	}
	if ended && err == nil {
		err = m.send(lastChunk)
	}
	m.after(ended, err)
}

var lastChunk = []byte("0\r\n\r\n")

// guard makes an error of a bug in one stream.
func (m *pooled) guard(f func() (bool, error)) (ended bool, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{v, debug.Stack()}
		}
	}()
	return f()
}

// PanicError is why a stream ended whose functions had a bug.
type PanicError struct {
	Value any
	Stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// after decides how it goes on with a stream that has been written, as far as its connection took it.
func (m *pooled) after(ended bool, err error) {
	switch {
	case err == nil && len(m.rest) > 0:
		m.pool.background.Go(func() {
			err := m.press()
			m.after(ended, err)
		})
	case ended || err != nil:
		m.finish(err)
	default:
		m.pool.timers.set(m, m.writer.next())
		m.mu.Lock()
		again := m.again
		m.busy = again
		m.mu.Unlock()
		if again {
			m.pool.queue(m, m, 1)
		}
	}
}

// press writes what the connection did not take at once.
func (m *pooled) press() error {
	for len(m.rest) > 0 {
		if err := m.conn.SetWriteDeadline(time.Now().Add(m.pool.stuckAfter)); err != nil {
			return err
		}
		n, err := m.conn.Write(m.rest[:min(len(m.rest), pieceSize)])
		if err != nil {
			return fmt.Errorf("write stream: %w", err)
		}
		m.rest = m.rest[n:]
	}
	m.rest = nil
	if !m.late.began.IsZero() {
		m.tell(m.late.since, m.late.began)
		m.late.since, m.late.began = time.Time{}, time.Time{}
	}
	m.conn.SetWriteDeadline(time.Time{}) //nolint:errcheck // a connection that was closed meanwhile: all was taken before that, and whoever closed it has said why
	return nil
}

// finish lets go of everything.
func (m *pooled) finish(err error) {
	m.pool.timers.set(m, time.Time{})
	m.Close()
	if m.conn != nil {
		m.hangUp(err == nil)
	}
	m.pool.background.Go(func() { m.done(err) }) // which may wait, as no worker may
	m.pool.leave(m)
}

func (m *pooled) hangUp(well bool) {
	half, ok := m.conn.(interface{ CloseWrite() error })
	if !well || !ok || half.CloseWrite() != nil {
		m.conn.Close() //nolint:errcheck // nobody is there
		return
	}
	m.pool.background.Add(1)
	time.AfterFunc(lingerFor, func() {
		defer m.pool.background.Done()
		m.conn.Close() //nolint:errcheck // all was written
	})
}

// Write implements Sink for the writer. What the connection does not take at once goes to rest.
func (m *pooled) Write(p []byte) error {
	b := pushes.Get().(*pushing)
	defer pushes.Put(b)
	b.buffer = append(b.buffer[:0], m.head...)
	m.head = nil
	b.buffer = strconv.AppendInt(b.buffer, int64(len(p)), 16)
	b.buffer = append(b.buffer, "\r\n"...)
	b.buffer = append(b.buffer, p...)
	b.buffer = append(b.buffer, "\r\n"...)
	defer func() {
		if cap(b.buffer) > batchLimit {
			b.buffer = nil
		}
	}()
	return m.push(b)
}

// send is Write without a frame around it.
func (m *pooled) send(p []byte) error {
	b := pushes.Get().(*pushing)
	defer pushes.Put(b)
	b.buffer = append(b.buffer[:0], p...)
	return m.push(b)
}

func (m *pooled) push(b *pushing) error {
	n := 0
	if len(m.rest) == 0 && m.raw != nil {
		var err error
		if n, err = b.to(m.raw); err != nil {
			return err
		}
	}
	if n < len(b.buffer) {
		m.rest = append(m.rest, b.buffer[n:]...)
	}
	return nil
}

// timers tell when streams are to be looked at that nobody pokes.
type timers struct {
	mu    sync.Mutex // guards what follows
	heap  []*pooled  // the soonest first
	timer *time.Timer
}

// set has m looked at then, and not before unless it is poked; zero is never.
func (t *timers) set(m *pooled, due time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if due.Equal(m.due) && m.place >= 0 {
		return
	}
	first := m.place == 0
	m.due = due
	switch {
	case due.IsZero():
		if m.place >= 0 {
			t.remove(m.place)
		}
	case m.place < 0:
		m.place = len(t.heap)
		t.heap = append(t.heap, m)
		t.up(m.place)
	default:
		t.down(t.up(m.place))
	}
	if first || m.place == 0 {
		t.arm()
	}
}

// arm sets the timer for the first.
func (t *timers) arm() {
	switch {
	case len(t.heap) == 0:
	case t.timer == nil:
		t.timer = time.AfterFunc(time.Until(t.heap[0].due), t.fire)
	default:
		t.timer.Reset(time.Until(t.heap[0].due))
	}
}

// fire has those looked at that are due.
func (t *timers) fire() {
	var due []*pooled
	t.mu.Lock()
	for now := time.Now(); len(t.heap) > 0 && !now.Before(t.heap[0].due); {
		due = append(due, t.remove(0))
	}
	t.arm()
	t.mu.Unlock()
	for _, m := range due {
		m.mu.Lock()
		m.Stream.poke()
		m.mu.Unlock()
	}
}

func (t *timers) remove(i int) *pooled {
	m, last := t.heap[i], len(t.heap)-1
	t.swap(i, last)
	t.heap[last], t.heap = nil, t.heap[:last]
	if i < last {
		t.down(t.up(i))
	}
	m.place = -1
	if cap(t.heap) > 1024 && last < cap(t.heap)/4 {
		t.heap = slices.Clone(t.heap)
	}
	return m
}

func (t *timers) swap(i, j int) {
	t.heap[i], t.heap[j] = t.heap[j], t.heap[i]
	t.heap[i].place, t.heap[j].place = i, j
}

func (t *timers) up(i int) int {
	for ; i > 0 && t.heap[i].due.Before(t.heap[(i-1)/2].due); i = (i - 1) / 2 {
		t.swap(i, (i-1)/2)
	}
	return i
}

func (t *timers) down(i int) {
	for {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(t.heap); child++ {
			if t.heap[child].due.Before(t.heap[least].due) {
				least = child
			}
		}
		if least == i {
			return
		}
		t.swap(i, least)
		i = least
	}
}
