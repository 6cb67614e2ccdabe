package redisstore

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/presently/presently/presence"
)

const (
	beaconEvery = 500 * time.Millisecond // four are heard in the time after which silence is deafness
	claimAtOnce = 200                    // some 5 ms of Redis' time
)

// health is whether commands get through, as far as beacons tell.
type health struct {
	answered atomic.Int64 // local µs of the last time when every partition answered
}

func (h *health) ok() { h.answered.Store(localMicros()) }

// failing reports whether commands have been failing for so long.
func (h *health) failing(d time.Duration) bool {
	return localMicros()-h.answered.Load() > d.Microseconds()
}

// Run implements presence.Store. It owns the goroutines that sweep, send beacons and listen.
func (s *Store) Run(ctx context.Context, feed presence.Feed) error {
	s.health.ok()
	var loops sync.WaitGroup
	loops.Go(func() { s.every(ctx, s.opts.Sweep, s.sweep) })
	loops.Go(func() { s.every(ctx, s.beaconInterval(), s.beacon) })
	loops.Go(func() { newEar(s, feed).listen(ctx) })
	loops.Wait()
	return nil
}

func (s *Store) beaconInterval() time.Duration {
	return min(beaconEvery, max(beaconEvery/10, s.opts.Sweep))
}

// every calls f at once and then once an interval, spread so that instances that were started together do not stay together.
func (s *Store) every(ctx context.Context, interval time.Duration, f func(context.Context)) {
	for {
		next := time.Now().Add(interval*9/10 + rand.N(interval/5))
		f(ctx)
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Until(next)):
		}
	}
}

// sweep sweeps every partition until nothing is left to claim.
func (s *Store) sweep(ctx context.Context) {
	lanes := make([]int, len(s.partitions))
	for i := range lanes {
		lanes[i] = i
	}
	for len(lanes) > 0 && ctx.Err() == nil {
		lanes = s.sweepOnce(ctx, lanes)
	}
}

// sweepOnce sweeps the partitions of the given lanes, and returns those where there may be more to do. One that does not answer is left for
// the next time.
func (s *Store) sweepOnce(ctx context.Context, lanes []int) (more []int) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	limit := presence.TickLimit(s.opts.Sweep, s.opts.TTL).Microseconds()
	calls := make([]call, len(lanes))
	for i, l := range lanes {
		calls[i] = s.call(l, s.scripts.sweep, nil, limit, s.opts.TTL.Milliseconds(), claimAtOnce)
	}
	for i, cmd := range s.runAll(ctx, calls) {
		reply, err := cmd.Result()
		if err != nil {
			continue // beacons fail too, and tell
		}
		a := newAnswer(reply)
		if micros := a.number(); a.err == nil {
			s.clocks[lanes[i]].observe(micros)
		}
		if a.number() >= claimAtOnce {
			more = append(more, lanes[i])
		}
	}
	return more
}

// beacon tells each lane how far it is, and finds out whether commands get through.
func (s *Store) beacon(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	fresh := s.beaconInterval().Microseconds() * 8 / 10
	calls := make([]call, len(s.partitions))
	for l := range calls {
		calls[l] = s.call(l, s.scripts.beacon, nil, fresh)
	}
	failed := false
	for l, cmd := range s.runAll(ctx, calls) {
		micros, err := cmd.Int64()
		if err != nil {
			failed = true
			continue
		}
		s.clocks[l].observe(micros)
	}
	if !failed {
		s.health.ok()
	}
}
