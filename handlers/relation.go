package handlers

import (
	"context"
	"net/http"

	"github.com/presently/presently/api"
	"github.com/presently/presently/presence"
)

// ListContacts implements GET /v1/contacts.
func (s *Server) ListContacts(w http.ResponseWriter, r *http.Request) {
	record, err := s.own(r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	answer(w, http.StatusOK, api.ContactList{Contacts: relationsOf(record.Contacts())})
}

// ListBlocks implements GET /v1/blocks.
func (s *Server) ListBlocks(w http.ResponseWriter, r *http.Request) {
	record, err := s.own(r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	answer(w, http.StatusOK, api.BlockList{Blocks: relationsOf(record.Blocks())})
}

func relationsOf(relations []presence.Relation) []api.Relation {
	out := make([]api.Relation, 0, len(relations))
	for _, rel := range relations {
		out = append(out, api.Relation{UserID: rel.Viewer, Since: formatTime(rel.Since)})
	}
	return out
}

// AddContact implements PUT /v1/contacts/{userId}.
func (s *Server) AddContact(w http.ResponseWriter, r *http.Request, other api.UserIDInPath) {
	s.relate(w, r, other, s.tracker.SetContact, true)
}

// RemoveContact implements DELETE /v1/contacts/{userId}.
func (s *Server) RemoveContact(w http.ResponseWriter, r *http.Request, other api.UserIDInPath) {
	s.relate(w, r, other, s.tracker.SetContact, false)
}

// AddBlock implements PUT /v1/blocks/{userId}.
func (s *Server) AddBlock(w http.ResponseWriter, r *http.Request, other api.UserIDInPath) {
	s.relate(w, r, other, s.tracker.SetBlock, true)
}

// RemoveBlock implements DELETE /v1/blocks/{userId}.
func (s *Server) RemoveBlock(w http.ResponseWriter, r *http.Request, other api.UserIDInPath) {
	s.relate(w, r, other, s.tracker.SetBlock, false)
}

func (s *Server) relate(w http.ResponseWriter, r *http.Request, other string, set func(context.Context, string, string, bool) error, is bool) {
	user := identity(r).User
	err := checkUser(other)
	if err == nil && other == user {
		err = invalid("/userId", "must be somebody else")
	}
	if err == nil {
		err = set(r.Context(), user, other, is)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	noContent(w)
}

// checkUser holds the user in a path to the rule for ids.
func checkUser(id string) error {
	if presence.ValidUser(id) {
		return nil
	}
	return invalid("/userId", "must be 1 to 128 printable characters, and not . or ..")
}

// noContent says that it is done.
func noContent(w http.ResponseWriter) {
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusNoContent)
}
