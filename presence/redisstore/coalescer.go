package redisstore

import (
	"context"
	"errors"
	"sync"

	"github.com/redis/go-redis/v9"

	"github.com/presently/presently/presence"
)

const (
	// batchMost is how many commands travel in one pipeline: some 60 KiB, half of a connection's buffer.
	batchMost = 256
	// queueMost is how many wait behind those under way. Whoever finds the queue full waits with his context.
	queueMost = 4096
)

var errClosed = errors.New("the store is closed")

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
}

// errand is a list of commands for one caller, which stay together and in order.
type errand struct {
	ctx      context.Context
	commands []command
	done     chan struct{}
	err      error // of all of them; before done is closed
}

func newCoalescer(client redis.UniversalClient, panics *presence.Panics, flushers int) *coalescer {
	c := &coalescer{client: client, panics: panics, queue: make(chan *errand, queueMost), quit: make(chan struct{})}
	for range flushers {
		c.done.Go(c.flush)
	}
	return c
}

// do sends the commands and waits for their answers, which are in them unless do returns an error.
func (c *coalescer) do(ctx context.Context, commands ...command) error {
	e := &errand{ctx: ctx, commands: commands, done: make(chan struct{})}
	select {
	case c.queue <- e:
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-c.quit:
		return errClosed
	}
	select {
	case <-e.done:
		return e.err
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
	_, _ = p.Exec(ctx) // each command has its own error
}

// close ends the flushers and waits for them. Callers get errClosed.
func (c *coalescer) close() {
	close(c.quit)
	c.done.Wait()
}
