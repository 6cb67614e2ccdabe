package redisstore

import (
	"context"
	"errors"
	"time"
)

const (
	// readersMost is how many lookups are under way at a time. Sweeps, beacons and flushers have the rest of the connections for pipelines.
	readersMost = pipelinePoolSize - 6
	// readerPatience is how long a lookup waits for its turn, beside the time that it then has: in a storm it is a stream that waits, which would only come again.
	readerPatience = 3 * time.Second
	// readerLooks is how often who waits looks whether that is still of use.
	readerLooks = 500 * time.Millisecond
)

var errCrowded = errors.New("too many others read")

// readers lets lookups take turns. Left to the pool of connections, thousands that come at once would wait there in the time that they have for Redis'
// answer, fail in it, and be taken for a Redis that does not answer; beacons would stand in the same queue.
type readers chan struct{}

func newReaders() readers { return make(readers, readersMost) }

// enter waits for a turn, which is over when leave is called. It is refused when refuse says so, or nobody could wait so long.
func (r readers) enter(ctx context.Context, refuse func() error) (leave func(), err error) {
	leave = func() { <-r }
	select {
	case r <- struct{}{}:
		return leave, refuseIn(refuse, leave)
	default:
	}
	look := time.NewTicker(readerLooks)
	defer look.Stop()
	patience := time.NewTimer(readerPatience)
	defer patience.Stop()
	for {
		select {
		case r <- struct{}{}:
			return leave, refuseIn(refuse, leave)
		case <-look.C:
			if err := refuse(); err != nil {
				return nil, err
			}
		case <-patience.C:
			return nil, errCrowded
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// refuseIn gives a turn back that is of no use.
func refuseIn(refuse func() error, leave func()) error {
	err := refuse()
	if err != nil {
		leave()
	}
	return err
}
