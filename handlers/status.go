package handlers

import (
	"net/http"
	"time"

	"github.com/presently/presently/api"
	"github.com/presently/presently/presence"
)

const longestChoice = 365 * 24 * time.Hour

// SetStatus implements PUT /v1/presence/status.
func (s *Server) SetStatus(w http.ResponseWriter, r *http.Request) {
	choice, err := decode[api.StatusChoice](w, r, bodyLimit)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	lasts, err := s.lasts(choice.ExpiresInMs, choice.ExpiresAt)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	record, err := s.tracker.Choose(r.Context(), identity(r).User, presence.Status(choice.Status), lasts)
	s.answerSelf(w, r, record, err)
}

// ClearStatus implements DELETE /v1/presence/status.
func (s *Server) ClearStatus(w http.ResponseWriter, r *http.Request) {
	record, err := s.tracker.Clear(r.Context(), identity(r).User)
	s.answerSelf(w, r, record, err)
}

// lasts reads the two ways to say when something ends. The contract's rules have seen to it that at most one is given.
func (s *Server) lasts(inMs *int64, at *string) (presence.Lasts, error) {
	if inMs != nil {
		return presence.Lasts{For: new(time.Duration(*inMs) * time.Millisecond)}, nil
	}
	if at == nil {
		return presence.Lasts{}, nil
	}
	t, err := time.Parse(time.RFC3339, *at)
	now := s.board.Clock()
	switch {
	case err != nil:
		return presence.Lasts{}, invalid("/expiresAt", "must be a time like 2026-11-22T10:00:00Z")
	case !t.After(now):
		return presence.Lasts{}, invalid("/expiresAt", "must be in the future; it is "+formatTime(now)+" here")
	case t.Sub(now) > longestChoice:
		return presence.Lasts{}, invalid("/expiresAt", "must be at most a year ahead")
	}
	return presence.Lasts{Until: &t}, nil
}

// answerSelf tells a user how he stands after what he did.
func (s *Server) answerSelf(w http.ResponseWriter, r *http.Request, record presence.Record, err error) {
	if err != nil {
		s.fail(w, r, err)
		return
	}
	answer(w, http.StatusOK, presenceOf(record.View(presence.Self, record.AsOf), record.AsOf))
}
