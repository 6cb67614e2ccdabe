package redisstore

import (
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// Stats are numbers for operators, of this instance alone.
type Stats struct {
	Pool       *redis.PoolStats
	Waiting    int           // for a pipeline to take their commands along
	Listened   int64         // connections on which lanes were listened to, this one included
	Swept      int64         // sessions that sweeps from here have ended
	Claims     int64         // sweeps that ended some
	Late       time.Duration // by how much these came after the first deadline, all together
	Sweep      time.Duration // since the last sweep from here of the lane that was swept longest ago
	Unanswered time.Duration // since the last answer to a beacon in the lane that has none for longest
	SweepEvery time.Duration
	Partitions int
}

// Stats reads the numbers. It asks nobody.
func (s *Store) Stats() Stats {
	n := Stats{
		Pool: s.client.PoolStats(), Listened: s.tally.connections.Load(), Swept: s.tally.ended.Load(), Claims: s.tally.claims.Load(),
		Late: time.Duration(s.tally.late.Load()), SweepEvery: s.opts.Sweep, Partitions: len(s.partitions),
	}
	now := localMicros()
	for i := range s.partitions {
		n.Sweep = max(n.Sweep, micro(now-s.tally.last[i].Load()))
		n.Unanswered = max(n.Unanswered, micro(now-s.health[i].last.Load()))
	}
	for _, c := range s.coalescers {
		n.Waiting += len(c.queue)
	}
	return n
}

func micro(n int64) time.Duration { return time.Duration(n) * time.Microsecond }

// tally counts what a store does.
type tally struct {
	connections, ended, claims, late atomic.Int64   // late in ns
	last                             []atomic.Int64 // sweep of each lane, in local µs
}

func (t *tally) swept(lane int, claimed int64, late time.Duration) {
	t.last[lane].Store(localMicros())
	if claimed > 0 {
		t.ended.Add(claimed)
		t.claims.Add(1)
		t.late.Add(int64(late))
	}
}
