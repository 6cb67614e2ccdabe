package handlers

import (
	"slices"
	"sync"
	"time"

	"github.com/presently/presently/presence"
)

// hearing notes how well the store is heard, on its way to the board: it is a presence.Feed before another.
type hearing struct {
	presence.Feed
	metrics *metrics
	panics  *presence.Panics

	mu    sync.Mutex // guards what follows
	lanes []laneHeard
	lost  time.Time     // since when; zero: it is heard
	gone  time.Duration // for how long it was not, before
}

// laneHeard is what was heard of one lane.
type laneHeard struct {
	beacon time.Time        // when the last came, by the clock of this process
	held   presence.Version // until then; 0: it is not
	head   presence.Head    // as of the last beacon; its epoch is 0 where nothing was heard yet
}

// hearing makes m listen to what feed is told.
func (m *metrics) hearing(feed presence.Feed, panics *presence.Panics, lanes int) presence.Feed {
	h := &m.heard
	h.mu.Lock()
	defer h.mu.Unlock()
	h.Feed, h.metrics, h.panics, h.lanes = feed, m, panics, make([]laneHeard, lanes)
	for i := range h.lanes {
		h.lanes[i].beacon = time.Now() // as if: from now on silence counts
	}
	return h
}

// Changed implements presence.Feed.
func (h *hearing) Changed(c presence.Change) {
	if c.User != "" { // else it is of a subscription, or a revocation
		counter := h.metrics.transitions[c.Cause]
		if counter == nil {
			counter = h.metrics.transitions[otherCause]
		}
		counter.Inc()
	}
	h.survive(c.Lane, func() { h.Feed.Changed(c) })
}

// survive keeps a panic of the feed from the store, whose goroutine tells of other lanes too, or has a write to answer. What was missed by it is read
// again.
func (h *hearing) survive(lane int, tell func()) {
	if h.panics.Try(presence.PanicInListener, func() error { tell(); return nil }) != nil {
		_ = h.panics.Try(presence.PanicInListener, func() error { h.Feed.Missed(lane); return nil })
	}
}

// Beacon implements presence.Feed.
func (h *hearing) Beacon(b presence.Beacon) {
	h.mu.Lock()
	l := &h.lanes[b.Lane]
	if l.head.Epoch != 0 && l.head.Epoch != b.Epoch {
		h.metrics.epochs.Inc()
	}
	l.beacon, l.held, l.head = time.Now(), b.Held, b.Head
	h.mu.Unlock()
	h.survive(b.Lane, func() { h.Feed.Beacon(b) })
}

// Missed implements presence.Feed. Whoever begins to listen may have missed something too, which is no gap.
func (h *hearing) Missed(lane int) {
	h.mu.Lock()
	begun := h.lanes[lane].head.Epoch != 0
	h.mu.Unlock()
	if begun {
		h.metrics.gaps.Inc()
	}
	h.Feed.Missed(lane)
}

// Lost implements presence.Feed.
func (h *hearing) Lost() {
	h.mu.Lock()
	if h.lost.IsZero() {
		h.lost = time.Now()
	}
	h.mu.Unlock()
	h.Feed.Lost()
}

// Found implements presence.Feed.
func (h *hearing) Found() {
	h.mu.Lock()
	if !h.lost.IsZero() {
		h.gone += time.Since(h.lost)
		h.lost = time.Time{}
	}
	h.mu.Unlock()
	h.Feed.Found()
}

// each is what was heard of every lane.
func (h *hearing) each() []laneHeard {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.lanes)
}

// age is how long the lane that is most behind has been silent.
func (h *hearing) age() (most time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, l := range h.lanes {
		most = max(most, time.Since(l.beacon))
	}
	return most
}

// held is how many lanes are.
func (h *hearing) held() (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, l := range h.lanes {
		if l.held != 0 {
			n++
		}
	}
	return n
}

// degraded is whether the store is not heard now, and for how long it was not all together.
func (h *hearing) degraded() (now bool, total time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.lost.IsZero() {
		return false, h.gone
	}
	return true, h.gone + time.Since(h.lost)
}
