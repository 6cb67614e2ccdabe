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
	last    atomic.Int64 // when a beacon was last answered, in local µs
	down    atomic.Bool  // the newest failed
	excused atomic.Int32 // how many have failed, one after the other, for which we may be to blame
}

func (l *laneHealth) answered() {
	l.last.Store(localMicros())
	l.down.Store(false)
	l.excused.Store(0)
}

func (l *laneHealth) failed() { l.down.Store(true) }

const (
	// excusesMost is how many beacons in a row may fail by our own lateness. A process that is late for ever would else never find out that Redis hangs.
	excusesMost = 3
	// lateFor is how late this process must have been, altogether, while a beacon was not answered, for that to tell nothing of Redis.
	lateFor = callTimeout / 3
	// pulseEvery is how often it is looked at whether we come late.
	pulseEvery = 50 * time.Millisecond
)

// unanswered notes a beacon that got no answer in its time, while this process was late by so much. Its answer may have come, and nobody had the time to
// read it: to refuse all calls for that would make of a moment without a core to spare an outage.
func (l *laneHealth) unanswered(late time.Duration) {
	if late >= lateFor && l.excused.Add(1) <= excusesMost {
		return
	}
	l.failed()
}

// lateness runs f, and returns by how much a goroutine that wanted to run all the while was late, altogether: for want of a core, behind others, or
// because the process was stopped.
func lateness(now func() int64, f func()) (late time.Duration) {
	stop, sum := make(chan struct{}), make(chan time.Duration, 1)
	go func() {
		var all time.Duration
		tick := time.NewTimer(pulseEvery)
		defer tick.Stop()
		for looked := now(); ; {
			ended := false
			select {
			case <-tick.C:
			case <-stop:
				ended = true
			}
			at := now()
			all += max(0, micro(at-looked)-pulseEvery)
			if ended {
				sum <- all
				return
			}
			looked = at
			tick.Reset(pulseEvery)
		}
	}()
	defer func() {
		close(stop)
		late = <-sum
	}()
	f()
	return 0
}

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
