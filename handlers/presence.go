package handlers

import (
	"hash/maphash"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/presently/presently/api"
	"github.com/presently/presently/presence"
)

// GetMe implements GET /v1/presence/me.
func (s *Server) GetMe(w http.ResponseWriter, r *http.Request) {
	seen, err := s.look(r, []string{identity(r).User})
	if err != nil {
		s.fail(w, r, err)
		return
	}
	answerOne(w, seen[0])
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
	tag := seen[0].tag()
	w.Header().Set("ETag", tag)
	if params.IfNoneMatch != nil && matches(*params.IfNoneMatch, tag) {
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	answerOne(w, seen[0])
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
	users := params.User
	if named := exchangeOf(r.Context()).users; named != nil {
		users = named
	}
	seen, err := s.look(r, eachOnce(users))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	answerList(w, seen, false)
}

// QueryPresences implements POST /v1/presence/query.
func (s *Server) QueryPresences(w http.ResponseWriter, r *http.Request) {
	query, err := decode[api.PresenceQuery](w, r, queryBodyLimit)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	seen, err := s.look(r, eachOnce(query.Users))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	answerList(w, seen, orZero(query.OnlyOnline))
}

// listPath is where users are listed whom the query names.
const listPath = "/v1/presence"

// usersMost is how many users a list may name, as the contract has it.
const usersMost = 100

// usersIn are the users of a query that names nothing else, and names them validly; else nil.
func usersIn(query string) []string {
	users := make([]string, 0, min(usersMost, 1+strings.Count(query, "&")))
	for more := true; more; {
		var pair string
		pair, query, more = strings.Cut(query, "&")
		user, named := strings.CutPrefix(pair, "user=")
		if !named || len(users) == usersMost {
			return nil
		}
		if !isPlainUser(user) {
			if strings.Contains(user, ";") { // which net/url refuses
				return nil
			}
			var err error
			if user, err = url.QueryUnescape(user); err != nil || !presence.ValidUser(user) {
				return nil
			}
		}
		users = append(users, user)
	}
	return users
}

// isPlainUser reports whether a user's name in a query is valid, and stands there as it is.
func isPlainUser(name string) bool {
	if len(name) == 0 || len(name) > 128 || name[0] == '.' {
		return false
	}
	for i := range len(name) {
		if c := name[i]; c <= ' ' || c >= 0x7f || c == '%' || c == '+' || c == ';' {
			return false
		}
	}
	return true
}

// eachAtOnce is how many ids are compared without a map, by a table that is twice as large or larger.
const eachAtOnce = 128

var eachSeed = maphash.MakeSeed() // random, so that nobody can choose ids that stand in each other's way

// eachOnce is distinct for long lists that nobody changes. Where nobody is named twice, it returns the list itself.
func eachOnce(ids []string) []string {
	if len(ids) > eachAtOnce {
		return distinct(ids)
	}
	var table [2 * eachAtOnce]uint8 // places in out, from 1
	out := ids[:0:0]
	for n, id := range ids {
		i := uint8(maphash.String(eachSeed, id)) //nolint:gosec // its last bits
		for table[i] != 0 && out[table[i]-1] != id {
			i++ // which goes round
		}
		switch {
		case table[i] != 0 && len(out) == n: // the first double
			out = slices.Clone(out)
			continue
		case table[i] != 0:
			continue
		case len(out) == n:
			out = ids[: n+1 : n+1]
		default:
			out = append(out, id)
		}
		table[i] = uint8(len(out)) //nolint:gosec // at most eachAtOnce
	}
	return out
}

// distinct drops doubles and keeps the order.
func distinct(ids []string) []string {
	out, seen := make([]string, 0, len(ids)), make(map[string]bool, len(ids))
	for _, id := range ids {
		if !seen[id] {
			seen[id] = true
			out = append(out, id)
		}
	}
	return out
}
