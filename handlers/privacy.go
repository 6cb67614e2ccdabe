package handlers

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/presently/presently/api"
	"github.com/presently/presently/presence"
)

// GetPrivacy implements GET /v1/presence/privacy.
func (s *Server) GetPrivacy(w http.ResponseWriter, r *http.Request) {
	record, err := s.own(r)
	s.answerPrivacy(w, r, record, err)
}

// SetPrivacy implements PUT /v1/presence/privacy.
func (s *Server) SetPrivacy(w http.ResponseWriter, r *http.Request, params api.SetPrivacyParams) {
	p, err := decode[api.Privacy](w, r, bodyLimit)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	var check func(presence.Privacy) error
	if params.IfMatch != nil {
		check = func(now presence.Privacy) error {
			if matchesStrongly(*params.IfMatch, privacyTag(now)) {
				return nil
			}
			return failf(api.ProblemCodePreconditionFailed, "Read the settings again, and send their ETag as If-Match.")
		}
	}
	record, err := s.tracker.SetPrivacy(r.Context(), identity(r).User, presence.Privacy{
		Online: presence.Audience(p.Online), LastSeen: presence.Audience(p.LastSeen),
		Activity: presence.Audience(p.Activity), Typing: presence.Audience(p.Typing),
	}, check)
	s.answerPrivacy(w, r, record, err)
}

func (s *Server) answerPrivacy(w http.ResponseWriter, r *http.Request, record presence.Record, err error) {
	if err != nil {
		s.fail(w, r, err)
		return
	}
	p := record.PrivacyOrDefault()
	w.Header().Set("ETag", privacyTag(p))
	answer(w, http.StatusOK, privacyOf(p))
}

func privacyOf(p presence.Privacy) api.Privacy {
	return api.Privacy{
		Online: api.Audience(p.Online), LastSeen: api.Audience(p.LastSeen),
		Activity: api.Audience(p.Activity), Typing: api.Audience(p.Typing),
	}
}

// privacyTag stands for one state of the settings, which is more than its values: who changes them there and back has changed them.
func privacyTag(p presence.Privacy) string {
	return `"` + strconv.FormatInt(int64(p.Version), 36) + `"`
}

// matchesStrongly compares as RFC 9110 says of If-Match: a weak tag matches nothing.
func matchesStrongly(header, tag string) bool {
	for t := range strings.SplitSeq(header, ",") {
		if t = strings.TrimSpace(t); t == "*" || t == tag {
			return true
		}
	}
	return false
}

// own is all that is known of the user who asks, his relations included.
func (s *Server) own(r *http.Request) (presence.Record, error) {
	records, err := s.tracker.Lookup(r.Context(), "", []string{identity(r).User})
	if err != nil {
		return presence.Record{}, err
	}
	return records[0], nil
}
