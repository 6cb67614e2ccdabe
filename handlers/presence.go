package handlers

import (
	"fmt"
	"hash/fnv"
	"net/http"
	"strings"

	"github.com/presently/presently/api"
)

// GetMe implements GET /v1/presence/me.
func (s *Server) GetMe(w http.ResponseWriter, r *http.Request) {
	seen, err := s.look(r, []string{identity(r).User})
	if err != nil {
		s.fail(w, r, err)
		return
	}
	answer(w, http.StatusOK, seen[0])
}

// GetPresence implements GET /v1/presence/{userId}.
func (s *Server) GetPresence(w http.ResponseWriter, r *http.Request, user api.UserIDInPath, params api.GetPresenceParams) {
	if err := checkUser(user); err != nil {
		s.fail(w, r, err)
		return
	}
	seen, err := s.look(r, []string{user})
	if err != nil {
		s.fail(w, r, err)
		return
	}
	tag := etag(seen[0])
	w.Header().Set("ETag", tag)
	if params.IfNoneMatch != nil && matches(*params.IfNoneMatch, tag) {
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	answer(w, http.StatusOK, seen[0])
}

// etag stands for the bytes that this viewer gets, apart from rev, which moves with the time; hence weak.
func etag(p api.Presence) string {
	p.Rev = 0
	h := fnv.New64a()
	h.Write(encode(p))
	return fmt.Sprintf(`W/"%016x"`, h.Sum64())
}

// matches compares weakly, as RFC 9110 says of If-None-Match.
func matches(header, tag string) bool {
	for t := range strings.SplitSeq(header, ",") {
		t = strings.TrimSpace(t)
		if t == "*" || strings.TrimPrefix(t, "W/") == strings.TrimPrefix(tag, "W/") {
			return true
		}
	}
	return false
}

// ListPresences implements GET /v1/presence.
func (s *Server) ListPresences(w http.ResponseWriter, r *http.Request, params api.ListPresencesParams) {
	if err := checkQuery(r, params); err != nil {
		s.fail(w, r, err)
		return
	}
	seen, err := s.look(r, distinct(params.User))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	answer(w, http.StatusOK, api.PresenceList{Presences: seen})
}

// QueryPresences implements POST /v1/presence/query.
func (s *Server) QueryPresences(w http.ResponseWriter, r *http.Request) {
	query, err := decode[api.PresenceQuery](w, r, queryBodyLimit)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	seen, err := s.look(r, distinct(query.Users))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	if query.OnlyOnline != nil && *query.OnlyOnline {
		online := make([]api.Presence, 0, len(seen))
		for _, p := range seen {
			if p.Status != api.StatusOffline {
				online = append(online, p)
			}
		}
		seen = online
	}
	answer(w, http.StatusOK, api.PresenceList{Presences: seen})
}

// look is what the asking user may see of others, in the order asked for.
func (s *Server) look(r *http.Request, users []string) ([]api.Presence, error) {
	seen := make([]api.Presence, 0, len(users))
	if len(users) == 0 {
		return seen, nil
	}
	viewer := identity(r).User
	records, err := s.tracker.Lookup(r.Context(), viewer, users)
	if err != nil {
		return nil, err
	}
	for _, record := range records {
		seen = append(seen, presenceOf(record.ViewFor(viewer, record.AsOf), record.AsOf))
	}
	return seen, nil
}

// distinct drops doubles and keeps the order.
func distinct(ids []string) []string {
	out := make([]string, 0, len(ids))
	seen := make(map[string]bool, len(ids))
	for _, id := range ids {
		if !seen[id] {
			seen[id] = true
			out = append(out, id)
		}
	}
	return out
}
