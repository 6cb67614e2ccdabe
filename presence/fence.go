package presence

import (
	"context"
	"sync"
	"time"
)

// A read that others wait for outlives the context of whoever makes it, but not by long.
const sharedFor = 2 * time.Second

func shared(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), sharedFor)
}

// fence reads something (how far the lanes have come, or who is in a room) once for all who ask at the same time, and one read after the
// other: whoever asks while a read is under way is served by the next one, because the one under way may have begun before a write that he
// must see.
type fence[T any] struct {
	read func(context.Context) (T, error)

	mu      sync.Mutex // guards what follows
	next    *fenceRead[T]
	running bool
}

type fenceRead[T any] struct {
	lead  chan struct{} // one token: whoever takes it reads for all who wait
	done  chan struct{}
	found T
	err   error
}

func (f *fence[T]) wait(ctx context.Context) (found T, err error) {
	f.mu.Lock()
	if f.next == nil {
		f.next = &fenceRead[T]{lead: make(chan struct{}, 1), done: make(chan struct{})}
	}
	r := f.next
	if !f.running {
		f.running = true
		r.lead <- struct{}{}
	}
	f.mu.Unlock()
	select {
	case <-r.lead:
		f.run(ctx, r)
		return r.found, r.err
	case <-r.done:
		return r.found, r.err
	case <-ctx.Done():
		return found, ctx.Err()
	}
}

// run reads for all who wait for r, and hands the lead to those who have come meanwhile.
func (f *fence[T]) run(ctx context.Context, r *fenceRead[T]) {
	f.mu.Lock()
	f.next = nil
	f.mu.Unlock()
	ctx, cancel := shared(ctx)
	defer cancel()
	r.err = ErrPanicked // unless the read returns
	defer f.pass(r)
	r.found, r.err = f.read(ctx)
}

// pass ends a read, whatever became of it.
func (f *fence[T]) pass(r *fenceRead[T]) {
	close(r.done)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.next == nil {
		f.running = false
		return
	}
	f.next.lead <- struct{}{}
}
