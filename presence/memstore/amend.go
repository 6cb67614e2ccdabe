package memstore

import (
	"context"

	"github.com/presently/presently/presence"
)

// Amend implements presence.Store.
func (s *Store) Amend(_ context.Context, name string, cause presence.Cause, change presence.Amendment) (presence.Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.begin(name)
	facts, err := change(s.readWhole(name), wire(w.now), w.version)
	if err != nil {
		return presence.Record{}, err
	}
	w.set(facts...)
	w.commit(cause)
	return s.read(name), nil
}
