package presence

import (
	"iter"
	"sync"
	"time"
)

// boardClock follows the store's time.
type boardClock struct {
	mu      sync.Mutex // guards what follows
	newest  Version    // of all beacons
	heardAt time.Time  // when, by the clock of this process
}

// Heard is the time up to which all changes in any of the lanes have been heard: 0 where nothing can be said, because a lane has not been
// heard yet, or because what is believed here may be lost in the store, so that nobody else could tell how it goes on.
func (b *Board) Heard(lanes []int) Version {
	least := never
	for _, i := range lanes {
		least = min(least, b.lanes[i].beaconTime())
	}
	if least == never {
		return 0
	}
	return least
}

// LanesOf are the lanes that tell of the users.
func (b *Board) LanesOf(users iter.Seq[string]) []int {
	seen, n := make([]bool, len(b.lanes)), 0
	for u := range users {
		if i := b.source.Lane(u); !seen[i] {
			seen[i] = true
			n++
		}
	}
	lanes := make([]int, 0, n) // and no more: each stream keeps its own
	for i := range seen {
		if seen[i] {
			lanes = append(lanes, i)
		}
	}
	return lanes
}

// HeardAll is Heard for whoever watches rooms: anybody may come into one. It is 0 as well while somebody who may have come is being looked up.
func (b *Board) HeardAll() Version {
	least := never
	for i := range b.lanes {
		least = min(least, b.lanes[i].beaconTime())
	}
	if b.rooms.expecting() { // asked last: who is heard of by now is expected, or has been told of
		return 0
	}
	return least
}

func (c *boardClock) hear(now Version) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now > c.newest {
		c.newest, c.heardAt = now, time.Now()
	}
}

// Epoch is the newest of all lanes.
func (b *Board) Epoch() (newest int64) {
	for i := range b.lanes {
		l := &b.lanes[i]
		l.mu.Lock()
		newest = max(newest, l.head.Epoch)
		l.mu.Unlock()
	}
	return newest
}

// Newest is the time of the newest beacon.
func (b *Board) Newest() Version {
	b.clock.mu.Lock()
	defer b.clock.mu.Unlock()
	return b.clock.newest
}

// Clock is the store's time, as far as it is known here: that of the newest beacon, and what has passed since.
func (b *Board) Clock() time.Time {
	b.clock.mu.Lock()
	defer b.clock.mu.Unlock()
	if b.clock.heardAt.IsZero() {
		return time.Now().UTC()
	}
	return b.clock.newest.Time().Add(time.Since(b.clock.heardAt))
}

// Listening is closed once every lane has been heard of. Until then nobody can be told up to when he has seen everything.
func (b *Board) Listening() <-chan struct{} { return b.listening }

// Silence is how long no beacon has been heard.
func (b *Board) Silence() time.Duration {
	b.clock.mu.Lock()
	defer b.clock.mu.Unlock()
	if b.clock.heardAt.IsZero() {
		return 1<<63 - 1
	}
	return time.Since(b.clock.heardAt)
}
