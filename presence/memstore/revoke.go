package memstore

import (
	"context"
	"maps"
	"time"

	"github.com/presently/presently/presence"
)

// Revoke implements presence.Store.
func (s *Store) Revoke(_ context.Context, r presence.Revocation) (presence.Revocation, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forgetRevocations()
	now := time.Now()
	if r.Before.IsZero() {
		r.Before = now
	}
	r.Before = wire(r.Before)
	if was := s.revoked[r.User]; !r.Before.After(was) {
		r.Before = was
		return r, nil
	}
	s.revoked[r.User] = r.Before
	s.announce(presence.Change{Version: max(s.version+1, presence.VersionAt(now)), Revocation: r})
	return r, nil
}

// Revocations implements presence.Store.
func (s *Store) Revocations(context.Context) ([]presence.Revocation, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]presence.Revocation, 0, len(s.revoked))
	for user, before := range s.revoked {
		all = append(all, presence.Revocation{User: user, Before: before})
	}
	return all, nil
}

// forgetRevocations forgets those that nothing is good for long enough to need.
func (s *Store) forgetRevocations() {
	maps.DeleteFunc(s.revoked, func(_ string, before time.Time) bool { return time.Since(before) >= presence.RevocationKept })
}
