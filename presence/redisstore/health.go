package redisstore

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/presently/presently/presence"
)

// brokenAfter is how long a lane's beacons have failed when its calls are refused.
const brokenAfter = time.Second

// health is whether commands get through to each lane, as far as beacons tell.
//
// It is also the breaker: while a lane's beacons fail, calls on it are refused at once instead of waiting for an answer each, so that a
// Redis that hangs for a minute has no more callers waiting than came in its first second and a half. Beacons go on trying, and the first that is
// answered lets calls through again.
type health []laneHealth

type laneHealth struct {
	last atomic.Int64 // when a beacon was last answered, in local µs
	down atomic.Bool  // the newest failed
}

func (l *laneHealth) answered() {
	l.last.Store(localMicros())
	l.down.Store(false)
}

func (l *laneHealth) failed() { l.down.Store(true) }

// failing reports whether the lane's commands have been failing, or have not been tried, for so long.
func (h health) failing(lane int, d time.Duration) bool {
	return localMicros()-h[lane].last.Load() > d.Microseconds()
}

func (h health) anyFailing(d time.Duration) bool {
	for lane := range h {
		if h.failing(lane, d) {
			return true
		}
	}
	return false
}

// broken reports whether calls on the lane are refused. A process that was itself stopped has beacons that are late, not ones that failed.
func (h health) broken(lane int) bool { return h[lane].down.Load() && h.failing(lane, brokenAfter) }

// refuse is the answer to a call on these lanes while one of them is broken, else nil.
func (h health) refuse(op string, lanes ...int) error {
	for _, lane := range lanes {
		if h.broken(lane) {
			return fmt.Errorf("%s: %w: its commands fail", op, presence.ErrUnavailable)
		}
	}
	return nil
}
