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
	lasts, until, err := s.expiry(choice.ExpiresInMs, choice.ExpiresAt)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	record, err := s.tracker.Choose(r.Context(), identity(r).User, presence.Status(choice.Status), lasts, until)
	s.answerSelf(w, r, record, err)
}

// ClearStatus implements DELETE /v1/presence/status.
func (s *Server) ClearStatus(w http.ResponseWriter, r *http.Request) {
	record, err := s.tracker.Clear(r.Context(), identity(r).User)
	s.answerSelf(w, r, record, err)
}

// expiry reads the two ways to say when something ends. The contract's rules have seen to it that at most one is given.
func (s *Server) expiry(inMs *int64, at *string) (lasts *time.Duration, until *time.Time, err error) {
	if inMs != nil {
		d := time.Duration(*inMs) * time.Millisecond
		lasts = &d
	}
	if at == nil {
		return lasts, nil, nil
	}
	t, err := time.Parse(time.RFC3339, *at)
	now := s.board.Clock()
	switch {
	case err != nil:
		return nil, nil, invalid("/expiresAt", "must be a time like 2026-11-22T10:00:00Z")
	case !t.After(now):
		return nil, nil, invalid("/expiresAt", "must be in the future; it is "+formatTime(now)+" here")
	case t.Sub(now) > longestChoice:
		return nil, nil, invalid("/expiresAt", "must be at most a year ahead")
	}
	return nil, &t, nil
}

// answerSelf tells a user how he stands after what he did.
func (s *Server) answerSelf(w http.ResponseWriter, r *http.Request, record presence.Record, err error) {
	if err != nil {
		s.fail(w, r, err)
		return
	}
	answer(w, http.StatusOK, presenceOf(record.View(presence.Self, record.AsOf), record.AsOf))
}
