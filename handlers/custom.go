package handlers

import (
	"net/http"

	"github.com/presently/presently/api"
	"github.com/presently/presently/presence"
)

// SetCustom implements PUT /v1/presence/custom.
func (s *Server) SetCustom(w http.ResponseWriter, r *http.Request) {
	choice, err := decode[api.CustomChoice](w, r, bodyLimit)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	lasts, err := s.customLasts(choice)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	record, err := s.tracker.SetCustom(r.Context(), identity(r).User, *choice.Text, orZero(choice.Emoji), lasts)
	s.answerSelf(w, r, record, err)
}

// customLasts is how long a custom status is to keep, if it says anything at all.
func (s *Server) customLasts(c api.CustomChoice) (presence.Lasts, error) {
	if *c.Text == "" && c.Emoji == nil {
		return presence.Lasts{}, invalid("/text", "must not be empty without an emoji; DELETE clears it")
	}
	return s.lasts(c.ExpiresInMs, c.ExpiresAt)
}

// ClearCustom implements DELETE /v1/presence/custom.
func (s *Server) ClearCustom(w http.ResponseWriter, r *http.Request) {
	record, err := s.tracker.SetCustom(r.Context(), identity(r).User, "", "", presence.Lasts{})
	s.answerSelf(w, r, record, err)
}
