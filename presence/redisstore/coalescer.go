package redisstore

import (
	"context"
	"errors"
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

// coalescer sends commands that are asked for at the same time in one pipeline. There is no delay for company to come: under load
// it gathers while earlier pipelines are on their way.
//
// Commands that wait for each other keep their order; between others there is none, as on connections of their own.
type coalescer struct {
	client redis.UniversalClient
	panics *presence.Panics
	queue  chan *errand
	quit   chan struct{}
	done   sync.WaitGroup
	silent func() bool // whether beacons have not been answered for hungAfter either

	waiting atomic.Int32 // pipelines that have no answer yet
	heard   atomic.Int64 // when one was answered, or the first of those that wait was sent, in local µs
	hang    atomic.Value // chan struct{}: closed while nothing is answered
}

// errand is a list of commands for one caller, which stay together and in order.
type errand struct {
	ctx      context.Context
	commands []command
	done     chan struct{}
	err      error // of all of them; before done is closed
}

func newCoalescer(client redis.UniversalClient, panics *presence.Panics, flushers int, silent func() bool) *coalescer {
	c := &coalescer{client: client, panics: panics, queue: make(chan *errand, queueMost), quit: make(chan struct{}), silent: silent}
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
	e, hung := &errand{ctx: ctx, commands: commands, done: make(chan struct{})}, c.hung()
	select {
	case <-hung:
		return errHung
	default:
	}
	select {
	case c.queue <- e:
	case <-hung:
		return errHung
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-c.quit:
		return errClosed
	}
	select {
	case <-e.done:
		return e.err
	case <-hung: // what was sent may yet be done, as where there was no time left
		return errHung
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-c.quit:
		return errClosed
	}
}

func (c *coalescer) flush() {
	for {
		select {
		case e := <-c.queue:
			c.send(c.gather(e))
		case <-c.quit:
			return
		}
	}
}

// gather takes what waits in the queue, up to a batch, and leaves out what nobody waits for any more.
func (c *coalescer) gather(e *errand) []*errand {
	var batch []*errand
	for n := 0; ; {
		if e.ctx.Err() == nil {
			batch = append(batch, e)
			n += len(e.commands)
		}
		if n >= batchMost {
			return batch
		}
		select {
		case e = <-c.queue:
		default:
			return batch
		}
	}
}

func (c *coalescer) send(batch []*errand) {
	if len(batch) == 0 {
		return
	}
	err := c.panics.Try(presence.PanicInStore, func() error { c.exec(batch); return nil })
	for _, e := range batch {
		e.err = err
		close(e.done)
	}
}

func (c *coalescer) exec(batch []*errand) {
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	p := c.client.Pipeline()
	for _, e := range batch {
		for _, cmd := range e.commands {
			_ = p.Process(ctx, cmd)
		}
	}
	if c.waiting.Add(1) == 1 {
		c.heard.Store(localMicros())
	}
	defer c.waiting.Add(-1)
	_, _ = p.Exec(ctx) // each command has its own error
	if err := batch[0].commands[0].Err(); err == nil || redisAnswered(err) {
		c.answered()
	}
}

// redisAnswered says whether an error is an answer.
func redisAnswered(err error) bool {
	var answer redis.Error
	return errors.As(err, &answer)
}

// close ends the flushers and waits for them. Callers get errClosed.
func (c *coalescer) close() {
	close(c.quit)
	c.done.Wait()
}
