package redisstore

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/presently/presently/presence"
)

const (
	// batchMost is how many commands travel in one pipeline: some 60 KiB, half of a connection's buffer.
	batchMost = 256
	// queueMost is how many wait behind those under way. Whoever finds the queue full waits with his context.
	queueMost = 4096
	// stuckAfter is how long a pipeline is under way when the next no longer waits for it: many round trips in a datacentre, and nothing beside a lost packet.
	stuckAfter = 2 * time.Millisecond
)

const (
	// hungAfter is how long nothing is answered when whoever waits is told so: of the calls within a minute's outage, fewer than one in a hundred then wait for more than
	// 300 ms. A server that stands still for less, to fork or by a long command, costs nobody his answer.
	hungAfter = 750 * time.Millisecond
	hungCheck = 100 * time.Millisecond // how often that is looked at
)

var (
	errClosed = errors.New("the store is closed")
	errHung   = errors.New("nothing is answered")
)

// coalescer sends commands that are asked for at the same time in one pipeline. There is no delay for company to come, but that pipelines go one after
// the other, as long as none takes long: under load each carries what has gathered meanwhile. Most of what a small pipeline costs Redis, and us, is
// not its commands.
//
// Commands that wait for each other keep their order; between others there is none, as on connections of their own.
type coalescer struct {
	client redis.UniversalClient
	panics *presence.Panics
	hears  func(error) // is told of each pipeline that is over
	queue  chan *errand
	turn   chan struct{} // whose pipeline is under way holds it
	quit   chan struct{}
	done   sync.WaitGroup
	silent func() bool // whether beacons have not been answered for hungAfter either

	waiting atomic.Int32 // pipelines that have no answer yet
	heard   atomic.Int64 // when one was answered, or the first of those that wait was sent, in local µs
	hang    atomic.Value // chan struct{}: closed while nothing is answered
}

// errand is what one caller wants done: a move, or commands, which stay together and in order, or both, the move first.
type errand struct {
	ctx      context.Context
	moves    bool
	move     move
	in       *procession
	commands []command
	gone     atomic.Bool   // nobody waits for it any more
	done     chan struct{} // has room for one, so that nobody waits for a caller who has gone
	err      error         // of all of it; when it is done
}

// errands are those that are done with. The callers of others have gone, and nobody knows when they will be done with.
var errands = sync.Pool{New: func() any { return &errand{done: make(chan struct{}, 1)} }}

func (e *errand) size() int {
	if e.moves {
		return 1 + len(e.commands)
	}
	return len(e.commands)
}

// finish is the last thing to be done with it.
func (e *errand) finish(err error) {
	e.err = err
	e.done <- struct{}{}
}

func newCoalescer(client redis.UniversalClient, panics *presence.Panics, hears func(error), flushers int, silent func() bool) *coalescer {
	c := &coalescer{client: client, panics: panics, hears: hears, queue: make(chan *errand, queueMost), turn: make(chan struct{}, 1), quit: make(chan struct{}), silent: silent}
	c.hang.Store(make(chan struct{}))
	for range flushers {
		c.done.Go(c.flush)
	}
	c.done.Go(c.lookForHang)
	return c
}

func (c *coalescer) hung() chan struct{} { return c.hang.Load().(chan struct{}) }

// lookForHang lets everybody go who waits for a server that has answered nothing for a while, beacons included, and refuses others until one is answered.
func (c *coalescer) lookForHang() {
	tick := time.NewTicker(hungCheck)
	defer tick.Stop()
	for last := time.Now(); ; last = time.Now() {
		select {
		case <-c.quit:
			return
		case <-tick.C:
		}
		if time.Since(last) > 3*hungCheck {
			continue // it was we who stood still: the answers may be here, and unread
		}
		if c.waiting.Load() > 0 && localMicros()-c.heard.Load() > hungAfter.Microseconds() && c.silent() {
			select {
			case <-c.hung():
			default:
				close(c.hung())
			}
		}
	}
}

// answered notes that the server answers.
func (c *coalescer) answered() {
	c.heard.Store(localMicros())
	hung := c.hung()
	select {
	case <-hung:
		c.hang.CompareAndSwap(hung, make(chan struct{}))
	default:
	}
}

// do sends the commands and waits for their answers, which are in them unless do returns an error.
func (c *coalescer) do(ctx context.Context, commands ...command) error {
	e := errands.Get().(*errand)
	e.ctx, e.moves, e.commands = ctx, false, commands
	err, done := c.run(ctx, e, nil)
	if done {
		e.release()
	} else {
		e.gone.Store(true)
	}
	return err
}

// move does the same with a move before them, and reports whether it has moved. It waits no longer than for callTimeout.
func (c *coalescer) move(ctx context.Context, m move, commands ...command) (moved bool, err error) {
	e := errands.Get().(*errand)
	e.ctx, e.moves, e.move, e.commands = ctx, true, m, commands
	late := timers.Get().(*time.Timer)
	late.Reset(callTimeout)
	err, done := c.run(ctx, e, late.C)
	late.Stop()
	timers.Put(late)
	if !done {
		e.gone.Store(true)
		return false, err
	}
	if err == nil {
		moved, err = e.move.moved, e.move.err
	}
	e.release()
	return moved, err
}

// timers are stopped.
var timers = sync.Pool{New: func() any {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return t
}}

func (e *errand) release() {
	e.ctx, e.move, e.in, e.commands, e.err = nil, move{}, nil, nil, nil
	errands.Put(e)
}

// run has an errand done. It reports false where nobody has waited for that.
func (c *coalescer) run(ctx context.Context, e *errand, late <-chan time.Time) (err error, done bool) {
	hung := c.hung()
	select {
	case <-hung:
		return errHung, false
	default:
	}
	select {
	case c.queue <- e:
	case <-hung:
		return errHung, false
	case <-late:
		return context.DeadlineExceeded, false
	case <-ctx.Done():
		return context.Cause(ctx), false
	case <-c.quit:
		return errClosed, false
	}
	select {
	case <-e.done:
		return e.err, true
	case <-late:
		return context.DeadlineExceeded, false
	case <-hung: // what was sent may yet be done, as where there was no time left
		return errHung, false
	case <-ctx.Done():
		return context.Cause(ctx), false
	case <-c.quit:
		return errClosed, false
	}
}

func (c *coalescer) flush() {
	f := newFlusher(c)
	defer f.stuck.Stop()
	for {
		select {
		case e := <-c.queue:
			mine := f.await()
			runtime.Gosched() // who is about to ask comes along: a tenth less of Redis' time where cores are busy, nothing where they are not
			f.send(f.gather(e))
			if mine {
				<-c.turn
			}
		case <-c.quit:
			return
		}
	}
}

// flusher sends one pipeline at a time.
type flusher struct {
	*coalescer
	stuck *time.Timer

	// What follows is of the present batch, and kept to be used again.
	batch       []*errand
	doubtful    []*errand
	processions []*procession
	byKey       map[string]*procession
	taken       map[string]bool
}

func newFlusher(c *coalescer) *flusher {
	return &flusher{coalescer: c, stuck: time.NewTimer(time.Hour), byKey: map[string]*procession{}, taken: map[string]bool{}}
}

// await waits for the pipeline that is under way, and reports whether the turn is ours then; else that one is stuck.
func (f *flusher) await() bool {
	select {
	case f.turn <- struct{}{}:
		return true
	default:
	}
	f.stuck.Reset(stuckAfter)
	select {
	case f.turn <- struct{}{}:
		return true
	case <-f.stuck.C:
	case <-f.quit:
	}
	return false
}

// gather takes what waits in the queue, up to a batch, and leaves out what nobody waits for any more.
func (f *flusher) gather(e *errand) []*errand {
	f.batch = f.batch[:0]
	for n := 0; ; {
		if e.ctx.Err() == nil && !e.gone.Load() {
			f.batch = append(f.batch, e)
			n += e.size()
		}
		if n >= batchMost {
			return f.batch
		}
		select {
		case e = <-f.queue:
		default:
			return f.batch
		}
	}
}

func (f *flusher) send(batch []*errand) {
	if len(batch) == 0 {
		return
	}
	err := f.panics.Try(presence.PanicInStore, func() error { f.exec(batch); return nil })
	f.doubtful = f.doubtful[:0]
	for i, e := range batch {
		batch[i] = nil
		if err == nil && e.in != nil && e.in.doubt {
			f.doubtful = append(f.doubtful, e)
			continue
		}
		e.finish(err)
	}
	if len(f.doubtful) == 0 {
		return
	}
	err = f.panics.Try(presence.PanicInStore, func() error { f.resolve(); return nil })
	for i, e := range f.doubtful {
		f.doubtful[i] = nil
		e.finish(err)
	}
}

func (f *flusher) exec(batch []*errand) {
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	p := f.client.Pipeline()
	f.line(batch)
	for _, moves := range f.processions {
		_ = p.Process(ctx, moves.command(ctx))
	}
	for _, e := range batch {
		for _, cmd := range e.commands {
			_ = p.Process(ctx, cmd)
		}
	}
	f.ask(ctx, p)
	for _, moves := range f.processions {
		moves.settle()
	}
}

// resolve finds out who has moved, where that is in doubt.
func (f *flusher) resolve() {
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	p := f.client.Pipeline()
	for _, moves := range f.processions {
		if moves.doubt {
			_ = p.Process(ctx, moves.question(ctx))
		}
	}
	f.ask(ctx, p)
	for _, moves := range f.processions {
		if moves.doubt {
			moves.look()
		}
	}
}

// ask sends a pipeline and waits for its answers. Each command has its own error.
func (f *flusher) ask(ctx context.Context, p redis.Pipeliner) {
	if f.waiting.Add(1) == 1 {
		f.heard.Store(localMicros())
	}
	defer f.waiting.Add(-1)
	_, err := p.Exec(ctx)
	f.hears(err)
	if isReply(err) {
		f.answered()
	}
}

// close ends the flushers and waits for them. Callers get errClosed.
func (c *coalescer) close() {
	close(c.quit)
	c.done.Wait()
}
