package redisstore

import (
	"hash/maphash"
	"sync"
)

const (
	numberShards = 64
	// numbersKept per shard and generation: 2^20 sessions of one process in all, some 40 MiB when full. A session that is forgotten costs one
	// script at its next beat.
	numbersKept = 1 << 13
)

// numbers remembers the highest number that this process has seen of each session, because the one command of a steady beat would take an
// older beat with the same facts for a newer one. It is bounded: of two generations, the older is dropped when the newer is full.
type numbers struct {
	seed   maphash.Seed // random, so that nobody can make a session that is taken for another's
	shards [numberShards]numberShard
}

type numberShard struct {
	mu         sync.Mutex // guards what follows
	young, old map[uint64]int64
}

func newNumbers() *numbers {
	n := &numbers{seed: maphash.MakeSeed()}
	for i := range n.shards {
		n.shards[i].young = map[uint64]int64{}
	}
	return n
}

func (n *numbers) shard(user, session string) (*numberShard, uint64) {
	var h maphash.Hash
	h.SetSeed(n.seed)
	h.WriteString(session) // has no colon
	h.WriteByte(':')
	h.WriteString(user)
	key := h.Sum64()
	return &n.shards[key%numberShards], key
}

// newer reports whether seq is known to be newer than all that came through this process. Where it is not, Redis must be asked.
func (n *numbers) newer(user, session string, seq int64) bool {
	s, key := n.shard(user, session)
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.highest(key)
	return ok && seq > v
}

// has reports whether n is no greater than the highest number that is known.
func (n *numbers) has(user, session string, number int64) bool {
	s, key := n.shard(user, session)
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.highest(key)
	return ok && number <= v
}

// highestOf is the highest number that is known.
func (n *numbers) highestOf(user, session string) (int64, bool) {
	s, key := n.shard(user, session)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.highest(key)
}

func (s *numberShard) highest(key uint64) (int64, bool) {
	v, ok := s.young[key]
	if !ok {
		v, ok = s.old[key]
	}
	return v, ok
}

// saw takes note of a number that Redis has accepted.
func (n *numbers) saw(user, session string, seq int64) {
	s, key := n.shard(user, session)
	s.saw(key, seq)
}

func (s *numberShard) saw(key uint64, seq int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v, ok := s.highest(key); ok {
		seq = max(seq, v)
	}
	if len(s.young) >= numbersKept {
		s.young, s.old = map[uint64]int64{}, s.young
	}
	s.young[key] = seq
}
