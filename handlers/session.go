package handlers

import (
	"net/http"

	"github.com/presently/presently/api"
	"github.com/presently/presently/presence"
)

// ListMySessions implements GET /v1/presence/me/sessions.
func (s *Server) ListMySessions(w http.ResponseWriter, r *http.Request) {
	record, err := s.tracker.Sessions(r.Context(), identity(r).User)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	list := api.SessionList{Sessions: make([]api.Session, 0, len(record.Sessions))}
	for _, session := range oldestFirst(record.Sessions) {
		list.Sessions = append(list.Sessions, sessionOf(record, session))
	}
	answer(w, http.StatusOK, list)
}

// EndMySession implements DELETE /v1/presence/me/sessions/{sessionId}.
func (s *Server) EndMySession(w http.ResponseWriter, r *http.Request, session api.SessionIDInPath) {
	err := error(invalid("/sessionId", "must be 8 to 64 of A-Z a-z 0-9 _ -"))
	if presence.ValidSession(session) {
		err = s.tracker.End(r.Context(), identity(r).User, session)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	noContent(w)
}
