package redisstore

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/presently/presently/presence"
)

const (
	beaconEvery = 500 * time.Millisecond // four are heard in the time after which silence is deafness
	claimAtOnce = 200                    // some 5 ms of Redis' time
)

// Run implements presence.Store. It owns the goroutines that sweep, send beacons and listen.
func (s *Store) Run(ctx context.Context, feed presence.Feed) error {
	var loops sync.WaitGroup
	for lane := range s.health {
		s.health[lane].answered() // as if: from now on silence counts
		s.tally.last[lane].Store(localMicros())
	}
	for _, lanes := range s.abreast() {
		loops.Go(func() { s.every(ctx, s.opts.Sweep, func() { s.sweep(ctx, lanes) }) })
		loops.Go(func() { s.every(ctx, s.beaconInterval(), func() { s.beacon(ctx, lanes) }) })
	}
	loops.Go(func() { newEar(s, feed).listen(ctx) })
	loops.Go(func() {
		_ = s.opts.Panics.Keep(ctx, presence.PanicInStore, func() error { s.offerBack(ctx); return nil })
	})
	loops.Go(func() { s.every(ctx, readEvery, func() { s.learnLazily(ctx) }) })
	loops.Wait()
	return nil
}

// abreast groups the lanes that are served in one pipeline. On a cluster each goes alone, so that a dead node delays nobody else's sweep: a
// late one begins an epoch.
func (s *Store) abreast() (groups [][]int) {
	if !s.target.cluster {
		return [][]int{s.all()}
	}
	for lane := range s.partitions {
		groups = append(groups, []int{lane})
	}
	return groups
}

func (s *Store) beaconInterval() time.Duration {
	return min(beaconEvery, max(beaconEvery/10, s.opts.Sweep))
}

// every calls f at once and then once an interval, spread so that instances that were started together do not stay together.
func (s *Store) every(ctx context.Context, interval time.Duration, f func()) {
	for {
		next := time.Now().Add(interval*9/10 + rand.N(interval/5))
		_ = s.opts.Panics.Try(presence.PanicInStore, func() error { f(); return nil })
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Until(next)):
		}
	}
}

// sweep sweeps partitions until nothing is left to claim.
func (s *Store) sweep(ctx context.Context, lanes []int) {
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
		calls[i] = s.call(l, s.scripts.sweep, nil, limit, s.opts.TTL.Milliseconds(), claimAtOnce, s.memory[l].epoch.Load(), s.memory[l].greatest())
	}
	commands, err := s.runAll(ctx, calls)
	if err != nil {
		return nil // beacons fail too, and tell
	}
	for i, cmd := range commands {
		reply, err := cmd.Result()
		if err != nil {
			continue
		}
		a := newAnswer(reply)
		if micros := a.number(); a.err == nil {
			s.clocks[lanes[i]].observe(micros)
		}
		claimed := a.number()
		if claimed >= claimAtOnce {
			more = append(more, lanes[i])
		}
		if late := a.number(); a.err == nil {
			s.tally.swept(lanes[i], claimed, time.Duration(late)*time.Millisecond)
		}
	}
	return more
}

// beacon tells lanes how far they are, and finds out whether commands get through.
func (s *Store) beacon(ctx context.Context, lanes []int) {
	running := ctx
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	fresh := s.beaconInterval().Microseconds() * 8 / 10
	calls := make([]call, len(lanes))
	for i, l := range lanes {
		calls[i] = s.call(l, s.scripts.beacon, nil, fresh, s.memory[l].epoch.Load(), s.memory[l].greatest())
	}
	s.keepSecret(ctx)
	var commands []command
	var err error
	sent := localMicros()
	late := lateness(s.opts.pulse, func() { commands, err = s.runAll(ctx, calls) })
	for i, l := range lanes {
		failure := err
		if err == nil {
			var micros int64
			if micros, failure = commands[i].Int64(); failure == nil {
				s.clocks[l].observe(micros)
				s.health[l].answered()
				s.coalescer(l).answered()
				continue
			}
		}
		switch {
		case running.Err() != nil:
		case isReply(failure):
			s.health[l].failed() // it does answer, and will not have it
		case s.heard.Load() > sent+lateFor.Microseconds():
			s.health[l].answered() // others, who came in between: only our turn did not come
		default:
			s.health[l].unanswered(late)
		}
	}
}

// isReply tells what Redis has answered from an answer that did not come.
func isReply(err error) bool {
	_, refused := errors.AsType[redis.Error](err)
	return err == nil || refused
}

// hears notes that a pipeline was answered, by its first error. On a cluster that says little: each lane may be on another node.
func (s *Store) hears(err error) {
	if !s.target.cluster && isReply(err) {
		s.heard.Store(localMicros())
	}
}
