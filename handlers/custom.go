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
	if *choice.Text == "" && choice.Emoji == nil {
		s.fail(w, r, invalid("/text", "must not be empty without an emoji; DELETE clears it"))
		return
	}
	lasts, err := s.lasts(choice.ExpiresInMs, choice.ExpiresAt)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	record, err := s.tracker.SetCustom(r.Context(), identity(r).User, *choice.Text, orZero(choice.Emoji), lasts)
	s.answerSelf(w, r, record, err)
}

// ClearCustom implements DELETE /v1/presence/custom.
func (s *Server) ClearCustom(w http.ResponseWriter, r *http.Request) {
	record, err := s.tracker.SetCustom(r.Context(), identity(r).User, "", "", presence.Lasts{})
	s.answerSelf(w, r, record, err)
}
