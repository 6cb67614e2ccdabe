package sse

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// queueLimit is how many control events, and how many snapshots that were asked
// for, wait for a writer. They are seldom, and a writer that is stuck is gone
// after five seconds: whoever fills this is in a loop.
const queueLimit = 16

// Options are how one stream likes to be written. The functions are called by
// Run, one at a time and without any lock held; each may be nil.
type Options struct {
	// Coalesce is the least time between two flushes of frames that are not
	// urgent. The first after a quiet time goes at once. Opening is a flush.
	Coalesce time.Duration

	// Comment is the interval at which a comment is written, so that no proxy
	// thinks the stream dead. 0 is never.
	Comment time.Duration

	// Ping is the interval at which PingEvent is written, whatever else is.
	// 0 is never, and so is no PingEvent.
	Ping      time.Duration
	PingEvent func() Event

	// Cursor returns a position up to which everything has been offered. It is
	// called before a flush takes what is pending, and becomes the id of the
	// flush's last event, if nothing is pending after that.
	Cursor func() string

	// Opening composes what a stream begins with, of all watched keys in the
	// order of the calls of Watch. It is called once, first of all, and its
	// events have the ids that it gives them.
	Opening Compose

	// Whole returns a frame that says everything about a key made of parts, or
	// nil where there is nothing to say. It is asked for when parts were dropped,
	// because more than 512 of one key waited for the reader or the stream was
	// quiet, and its frame is written in their stead. What is offered from a
	// moment before the asking on is written after it, so a part may be told
	// twice, in the whole and alone: parts are to be idempotent.
	Whole func(Key) *Frame

	// Wrote is told of each write that went well: for how long the oldest frame in
	// it had waited since it was offered, Coalesce included, and how long the write
	// took. The wait is negative where it is not known: of what the stream opens
	// with, of what was quiet, of urgent frames that go before others.
	Wrote func(waited, took time.Duration)

	// Reader is whose stream it is. It means nothing to sse.
	Reader string

	// Watches is how many keys to make room for. More are welcome.
	Watches int
}

// Compose turns news that a stream is to show into events. They count as sent.
// The cursor is what Cursor said before they were taken; it is empty when the
// events must not have an id.
type Compose func(news []News, cursor string) []Event

// News is the newest frame of a key that a stream has not yet written, or nil
// where there is none. Of a key made of parts it is a Whole frame; parts that
// came after that, or that came alone, follow in the next flush, and the cursor
// is empty for them.
type News struct {
	Key   Key
	Frame *Frame
}

// Stream is one reader of a hub. Its methods may be called from any goroutine;
// Run is called once, or [Pool.Serve] instead.
type Stream struct {
	hub   *Hub
	opts  Options
	place int // in hub.streams; guarded by hub.mu

	mu        sync.Mutex    // guards what follows
	wake      chan struct{} // holds one token, so that whoever wakes never waits; nil where no Run runs
	pooled    *pooled       // nil where no pool writes the stream
	box       mailbox
	control   []Event
	snapshots []snapshot
	live      Compose // the catch-up that ends the quiet, or nil
	final     []Event
	ended     bool      // final is settled
	closed    bool      // out of the hub, or on its way
	since     time.Time // when the first of what is pending came; zero: nobody wants to know

	written atomic.Int64
}

// A snapshot is one that was asked for by Resnapshot.
type snapshot struct {
	news    []News // still without frames
	compose Compose
}

// NewStream returns a stream that watches nothing yet. It is part of the hub
// until its Run returns or it is closed.
func (h *Hub) NewStream(o Options) *Stream {
	if o.PingEvent == nil {
		o.Ping = 0
	}
	s := &Stream{hub: h, opts: o}
	s.box.grow(o.Watches)
	h.add(s)
	return s
}

// Offer offers f to this stream alone, if it watches k in v. The variant is
// asked for so that a lookup that was overtaken by a change of class cannot
// show what the reader may no longer see.
func (s *Stream) Offer(k Key, v Variant, f *Frame) {
	t := s.hub.topic(k)
	if t == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.survive()
	slot := s.box.find(t)
	s.deliver(slot >= 0 && s.box.watches[slot].variant == v && s.box.offer(slot, f))
}

// offer is for topics, whose lock keeps slot from meaning another key.
func (s *Stream) offer(slot int32, f *Frame, r *round) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.survive()
	s.deliverIn(r, s.box.offer(slot, f))
}

// show offers f, if there is one, to the slot of a key that is being watched. The lock is held.
func (s *Stream) show(slot int32, f *Frame) {
	if f != nil {
		defer s.survive()
		s.deliver(s.box.offer(slot, f))
	}
}

// survive is deferred by what is done for many streams in turn: one whose mailbox panics is ended, and the others get what is theirs. The lock
// is held.
func (s *Stream) survive() {
	if s.hub.Panicked == nil {
		return
	}
	if v := recover(); v != nil {
		s.ended, s.final = true, nil
		s.poke()
		s.hub.Panicked(v)
	}
}

// deliver notes when something came for which the writer is to be woken, and wakes it. The lock is held.
func (s *Stream) deliver(wake bool) {
	var r round
	s.deliverIn(&r, wake)
	r.end()
}

// deliverIn is deliver in a round of several.
func (s *Stream) deliverIn(r *round, wake bool) {
	if !wake {
		return
	}
	if s.opts.Wrote != nil && (s.since.IsZero() || s.box.counts[normal]+s.box.counts[urgent] == 1) {
		s.since = r.began()
	}
	if m := s.pooled; m != nil && !m.busy {
		m.busy = true
		r.add(m)
		return
	}
	s.poke()
}

// poke has whoever writes the stream look at it. Nobody does yet when there is neither: he will look first of all. The lock is held.
func (s *Stream) poke() {
	if s.pooled != nil {
		s.pooled.poke()
		return
	}
	select {
	case s.wake <- struct{}{}:
	default: // a token is there: Run will look anyway
	}
}

// Send writes e at once, before any pending frames. Events are written in the
// order of the calls. When 16 wait, the oldest of e's name gives way to e, or
// else the oldest of all: what was said last holds. After End it does nothing.
func (s *Stream) Send(e Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return
	}
	if len(s.control) >= queueLimit {
		sameName := func(old Event) bool { return old.Name == e.Name }
		i := max(0, slices.IndexFunc(s.control, sameName))
		s.control = slices.Delete(s.control, i, i+1)
	}
	s.control = append(s.control, e)
	s.poke()
}

// Resnapshot writes what compose makes of the news of keys, which it is given in
// their order. It is for keys that were added by [Hub.WatchHeld] and holds them
// back no longer. All else that is pending is written before it.
//
// It returns false when the stream has ended or 16 snapshots wait, as they do in a
// long quiet. Compose is not called then, nor when the stream ends before its
// turn. The keys are held back no longer all the same, and come as any other:
// nobody would ask for them again.
func (s *Stream) Resnapshot(keys []Key, compose Compose) bool {
	news := make([]News, len(keys))
	for i, k := range keys {
		news[i].Key = k
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return false
	}
	if len(s.snapshots) >= queueLimit {
		s.unhold(keys)
		return false
	}
	s.snapshots = append(s.snapshots, snapshot{news, compose})
	s.poke()
	return true
}

// unhold holds back no longer what is pending of keys. The lock is held.
func (s *Stream) unhold(keys []Key) {
	for _, k := range keys {
		if t := s.hub.topic(k); t != nil {
			if slot := s.box.find(t); slot >= 0 {
				s.box.unhold(slot)
			}
		}
	}
	s.poke()
}

// End makes Run write what was sent, then the final events, and return. Pending
// frames are not written. The first call holds; later ones do nothing.
func (s *Stream) End(final ...Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended {
		s.ended, s.final = true, final
		s.poke()
	}
}

// Close ends the stream and takes it out of the hub. Run does so when it
// returns; a caller that may not get as far as Run closes the stream itself.
// Closing again does nothing.
func (s *Stream) Close() {
	s.End()
	s.mu.Lock()
	s.closed = true // no watch is added from now on
	slots := len(s.box.watches)
	s.mu.Unlock()
	for slot := range slots {
		s.mu.Lock()
		t := s.box.watches[slot].topic
		s.mu.Unlock()
		if t != nil {
			s.hub.part(t, s)
		}
	}
	s.hub.remove(s)
}

// Pending is how many keys have something that is still to be written.
func (s *Stream) Pending() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return int(s.box.counts[normal] + s.box.counts[urgent] + s.box.counts[held])
}

// Final returns the events that End was given.
func (s *Stream) Final() []Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.final
}

// Reader is whose stream it is, as Options said.
func (s *Stream) Reader() string { return s.opts.Reader }

// Written is how many bytes have been written to the reader, or are on their way.
func (s *Stream) Written() int64 { return s.written.Load() }

// Run writes the stream to sink until it is ended (nil), until ctx is (its
// cause), or until a write fails. What Opening composes comes first, even if the
// stream was ended before. Everything that is due is one write.
func (s *Stream) Run(ctx context.Context, sink Sink) error {
	defer s.Close()
	wake := make(chan struct{}, 1)
	s.mu.Lock()
	s.wake = wake
	s.mu.Unlock()
	w := writer{Stream: s, sink: sink}
	if err := w.open(); err != nil {
		return err
	}
	timer := time.NewTimer(time.Hour) // set before each wait
	defer timer.Stop()
	for {
		if ended, err := w.flush(); ended || err != nil {
			return err
		}
		if next := w.next(); next.IsZero() {
			timer.Stop()
		} else {
			timer.Reset(time.Until(next))
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-wake:
		case <-timer.C:
		}
	}
}

// A writer is the part of a stream that only whoever writes it touches: Run, or one goroutine of a pool at a time.
type writer struct {
	*Stream
	sink    Sink
	comment time.Time // when the next is due
	flushed time.Time // frames that were not urgent
	ping    time.Time // when the next is due
}

// open writes what the stream begins with.
func (w *writer) open() error {
	now := time.Now()
	w.comment, w.ping = now.Add(w.opts.Comment), now.Add(w.opts.Ping)
	compose := w.opts.Opening
	if compose == nil {
		w.mu.Lock()
		w.box.begin()
		w.mu.Unlock()
		return nil
	}
	news, cursor := w.takeFirst(w.cursor())
	w.fill(news)
	w.opts.Opening = nil // it may hold on to much, and is done
	w.flushed = now

	b := newBatch()
	defer b.recycle()
	b.began = now
	b.events(compose(news, cursor))
	return w.write(b)
}

// takeFirst takes what the stream opens with, whose cursor is empty where more is pending.
func (w *writer) takeFirst(cursor string) ([]News, string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.since = time.Time{} // what it opens with is not news
	news := w.box.open()
	if w.box.pending() {
		cursor = ""
	}
	return news, cursor
}

// flush writes all that is due, which may be nothing.
func (w *writer) flush() (ended bool, err error) {
	now := time.Now()
	b := newBatch()
	defer b.recycle()
	b.began = now
	due := w.due(now)
	if due {
		// Before the take: a frame that is offered between the two is written
		// under a cursor that does not cover it, and comes twice at worst.
		b.cursor = w.cursor()
	}
	w.take(b, now, due)
	w.find(b)

	b.events(b.control)
	if w.opts.Comment > 0 && !now.Before(w.comment) {
		b.out = AppendComment(b.out, "")
		w.comment = after(w.comment, w.opts.Comment, now)
	}
	if w.opts.Ping > 0 && !now.Before(w.ping) {
		b.event(w.opts.PingEvent())
		w.ping = after(w.ping, w.opts.Ping, now)
	}
	b.frames(w.hub.kinds)
	b.compose()
	b.events(b.final)
	return b.ended, w.write(b)
}

// after is when something regular is due that was due before now. What was missed in a long write is not made up for.
func after(due time.Time, every time.Duration, now time.Time) time.Time {
	if due = due.Add(every); due.Before(now) {
		due = now.Add(every)
	}
	return due
}

// due tells whether take would find frames, snapshots or a catch-up.
func (w *writer) due(now time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.ended && !w.silent() && (w.box.counts[urgent] > 0 || w.allDue(now))
}

// allDue is due for frames that are not urgent. A snapshot takes them along, as
// it could not have an id before them, and so does a catch-up.
func (w *writer) allDue(now time.Time) bool {
	return w.live != nil || len(w.snapshots) > 0 || w.box.counts[normal] > 0 && !now.Before(w.flushed.Add(w.opts.Coalesce))
}

// take moves what is due into b. Frames that came since due said no are left for
// the next round, of which they have told Run, as there is no cursor for them.
func (w *writer) take(b *batch, now time.Time, due bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	b.control, w.control = w.control, nil
	if b.ended = w.ended; b.ended {
		b.final = w.final
	}
	if b.ended || !due || w.silent() {
		return
	}
	all := w.allDue(now)
	if all {
		w.flushed = now
	}
	if all || w.box.counts[normal] == 0 {
		b.since, w.since = w.since, time.Time{}
	}
	if w.live != nil {
		b.snapshots = append(b.snapshots, composition{w.box.catchUp(), w.live})
		w.live = nil
	} else if all || w.box.counts[urgent] > 0 {
		w.box.take(b, all)
	}
	for _, s := range w.snapshots {
		w.release(s.news)
		b.snapshots = append(b.snapshots, composition(s))
	}
	w.snapshots = nil
	if w.box.pending() {
		b.cursor = ""
	}
}

// release ships what a snapshot may show into its news, and holds that back no
// longer. Keys that are not watched by now have none. The lock is held.
func (w *writer) release(news []News) {
	for i, n := range news {
		if t := w.hub.topic(n.Key); t != nil {
			news[i].Frame = w.box.release(t)
		}
	}
}

// find replaces what was lost in b.
func (w *writer) find(b *batch) {
	for i := range b.parcels {
		p := &b.parcels[i]
		if p.frames != nil {
			continue
		}
		if f := w.whole(p.key); f != nil {
			p.frames = []*Frame{f}
		}
	}
	for _, s := range b.snapshots {
		w.fill(s.news)
	}
}

// fill replaces what was lost of news.
func (w *writer) fill(news []News) {
	for i, n := range news {
		if n.Frame == lost {
			news[i].Frame = w.whole(n.Key)
		}
	}
}

func (w *writer) whole(k Key) *Frame {
	if w.opts.Whole == nil {
		return nil
	}
	return w.opts.Whole(k)
}

// next returns when flush is to be called again if nothing wakes it, or zero.
func (w *writer) next() (next time.Time) {
	sooner := func(t time.Time) {
		if next.IsZero() || t.Before(next) {
			next = t
		}
	}
	if w.opts.Comment > 0 {
		sooner(w.comment)
	}
	if w.opts.Ping > 0 {
		sooner(w.ping)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.silent() {
		return next
	}
	if w.box.counts[normal] > 0 {
		sooner(w.flushed.Add(w.opts.Coalesce))
	}
	if w.box.counts[urgent] > 0 {
		sooner(time.Now()) // parts that a snapshot has left, and that were held until then
	}
	return next
}

func (w *writer) cursor() string {
	if w.opts.Cursor == nil {
		return ""
	}
	return w.opts.Cursor()
}

func (w *writer) write(b *batch) error {
	if len(b.out) == 0 {
		return nil
	}
	if err := w.sink.Write(b.out); err != nil {
		return fmt.Errorf("write stream: %w", err)
	}
	w.written.Add(int64(len(b.out)))
	if m := w.pooled; m != nil && len(m.rest) > 0 {
		m.late.since, m.late.began = b.since, b.began
		return nil
	}
	w.tell(b.since, b.began)
	return nil
}

// tell tells of a write whose oldest frame came at since, and which began to be made at began: asking the clock again
// before it is handed on would cost more than making it.
func (w *writer) tell(since, began time.Time) {
	if w.opts.Wrote == nil {
		return
	}
	now, waited := time.Now(), time.Duration(-1)
	if !since.IsZero() {
		waited = now.Sub(since)
	}
	w.opts.Wrote(waited, now.Sub(began))
}
