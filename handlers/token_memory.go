package handlers

import (
	"crypto/sha256"
	"sync"
	"time"
)

// tokensRemembered is how many tokens of each of two generations are kept: some 200 bytes each, and a user has one at a time.
const tokensRemembered = 32 << 10

// tokenMemory are tokens that were found good, so that a client that asks twice a minute has its signature checked once an hour. A token is known by its
// digest: what is in memory opens no door.
//
// Nothing is remembered of what may change: a token is looked at again when it expires and when the published keys are others, and whether it was revoked is
// asked elsewhere, each time ([Server.stands]). Bad tokens are not remembered; whoever sends them may send each of them once.
type tokenMemory struct {
	mu         sync.RWMutex // guards what follows
	young, old map[tokenDigest]remembered
}

type tokenDigest [sha256.Size]byte

type remembered struct {
	Identity
	keys uint64 // the version of the published keys
}

// find returns what a token stands for, if that is known and still so.
func (m *tokenMemory) find(of tokenDigest, keys uint64, now time.Time) (Identity, bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	r, known := m.young[of]
	if !known {
		r, known = m.old[of]
	}
	return r.Identity, known && r.keys == keys && now.Before(r.Expires)
}

// add remembers a token. When a generation is full, the one before it is forgotten; who is in use still comes again.
func (m *tokenMemory) add(of tokenDigest, id Identity, keys uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.young == nil || len(m.young) >= tokensRemembered {
		m.young, m.old = make(map[tokenDigest]remembered), m.young
	}
	m.young[of] = remembered{id, keys}
}
