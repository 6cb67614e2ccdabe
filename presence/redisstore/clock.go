package redisstore

import (
	"strings"
	"sync"
	"time"
)

// timeSource is how a partition tells the time: to scripts, and by a plain command.
type timeSource struct {
	lua     string
	command string // with the partition's prefix for %s
}

var redisTime = timeSource{lua: source("clock"), command: "time"}

// question is the plain command for one partition.
func (t timeSource) question(prefix string) (args []any) {
	for word := range strings.FieldsSeq(t.command) {
		args = append(args, strings.ReplaceAll(word, "%s", prefix))
	}
	return args
}

// micros reads the answer of TIME, seconds and µs, or µs alone.
func micros(reply any) int64 {
	if list, ok := reply.([]any); ok {
		a := &answer{items: list}
		return a.number()*1_000_000 + a.number()
	}
	return (&answer{items: []any{reply}}).number()
}

// clockWindow is how long an observation counts, at least; at most it counts twice as long. Beacons come twice a second, so there are
// some ten to choose from, and two clocks drift apart by under a ms meanwhile.
const clockWindow = 5 * time.Second

var processStart = time.Now()

// localMicros is the process's monotonic clock: a wall clock that is set must move no deadline.
func localMicros() int64 { return time.Since(processStart).Microseconds() }

// clock estimates the clock of a partition's Redis between two answers from it. An answer tells a time that has passed already when it
// is read, so the greatest difference to our own clock among the recent ones is the closest: the estimate is early by the fastest way
// here, and late by no more than the drift.
type clock struct {
	local func() int64 // for tests; nil: localMicros

	mu      sync.Mutex // guards what follows
	best    int64      // greatest difference since began
	before  int64      // greatest difference in the window before that
	began   int64      // local
	windows int        // how many of the two there are
}

func (c *clock) here() int64 {
	if c.local != nil {
		return c.local()
	}
	return localMicros()
}

// observe takes an answer that told the time.
func (c *clock) observe(micros int64) {
	local := c.here()
	c.mu.Lock()
	defer c.mu.Unlock()
	switch age := local - c.began; {
	case c.windows == 0 || age >= 2*clockWindow.Microseconds():
		c.best, c.began, c.windows = micros-local, local, 1
	case age >= clockWindow.Microseconds():
		c.before, c.best, c.began, c.windows = c.best, micros-local, local, 2
	default:
		c.best = max(c.best, micros-local)
	}
}

// millis estimates the time in ms. It is not ok where nothing was observed of late.
func (c *clock) millis() (ms int64, ok bool) {
	local := c.here()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.windows == 0 || local-c.began >= 2*clockWindow.Microseconds() {
		return 0, false
	}
	best := c.best
	if c.windows == 2 {
		best = max(best, c.before)
	}
	return (local + best) / 1000, true
}

// reset forgets all, because Redis' clock may have been set.
func (c *clock) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.windows = 0
}
