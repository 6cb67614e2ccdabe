package presence

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"runtime/debug"
	"sync"
	"time"
)

// Place is where a panic was caught.
type Place string

// The places, each of which goes on after a panic.
const (
	PanicInRequest  Place = "request"  // it was answered 500, or its stream was cut
	PanicInStream   Place = "stream"   // which was ended: what serves one stream outside of its request
	PanicInListener Place = "listener" // what a Board tells of one user or room
	PanicInRead     Place = "read"     // of a Store, for all who wait for it
	PanicInStore    Place = "store"    // a Store's own goroutines
	PanicInTask     Place = "task"     // what goes on beside requests
)

// Places are all of them.
func Places() []Place {
	return []Place{PanicInRequest, PanicInStream, PanicInListener, PanicInRead, PanicInStore, PanicInTask}
}

// ErrPanicked is what those are told who wait for something that has panicked.
var ErrPanicked = errors.New("panic")

const (
	stackEvery = time.Minute // at each place: one that panics again and again is not to fill the log with the same stack
	keepPause  = time.Second
)

// Panics takes note of bugs that are kept from ending the process, or from letting others wait for ever. Whoever starts a goroutine has it caught
// there what the goroutine panics with. A nil *Panics is one that nobody asks, and logs all the same.
type Panics struct {
	log *slog.Logger

	mu      sync.Mutex // guards what follows
	counts  map[Place]uint64
	stackAt map[Place]time.Time // when one was logged
}

// NewPanics makes one that logs to log.
func NewPanics(log *slog.Logger) *Panics {
	return &Panics{log: log, counts: map[Place]uint64{}, stackAt: map[Place]time.Time{}}
}

// Caught counts and logs what recover has returned, from within the deferred function that called it. attrs are for the log.
func (p *Panics) Caught(ctx context.Context, where Place, value any, attrs ...any) {
	log, first := slog.Default(), true
	if p != nil {
		log, first = p.log, p.count(where)
	}
	attrs = append([]any{"where", string(where), "value", fmt.Sprint(value)}, attrs...)
	if first {
		attrs = append(attrs, "stack", string(debug.Stack()))
	}
	log.ErrorContext(ctx, "panic", attrs...)
}

// count reports whether it is time to log a stack.
func (p *Panics) count(where Place) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.counts[where]++
	if at, told := p.stackAt[where]; told && time.Since(at) < stackEvery {
		return false
	}
	p.stackAt[where] = time.Now()
	return true
}

// Counts is how many were caught at each place.
func (p *Panics) Counts() map[Place]uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.counts)
}

// Try calls f. Where that panics, it returns ErrPanicked.
func (p *Panics) Try(where Place, f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			p.Caught(context.Background(), where, v)
			err = fmt.Errorf("%w: %v", ErrPanicked, v)
		}
	}()
	return f()
}

// Keep calls f, and again after a pause whenever that has panicked, until it returns or ctx ends.
func (p *Panics) Keep(ctx context.Context, where Place, f func() error) error {
	for {
		err := p.Try(where, f)
		if !errors.Is(err, ErrPanicked) {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(keepPause):
		}
	}
}
