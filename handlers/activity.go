package handlers

import (
	"net/http"
	"time"

	"github.com/presently/presently/api"
	"github.com/presently/presently/presence"
)

const activityTTL = 90 * time.Second // as long as a session is believed by default, so that each beat may renew it

// SetActivity implements PUT /v1/presence/activity.
func (s *Server) SetActivity(w http.ResponseWriter, r *http.Request) {
	a, err := decode[api.ActivityChoice](w, r, bodyLimit)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	doing := doingOf(api.Doing{Type: a.Type, Target: a.Target, Label: a.Label, TTLMs: a.TTLMs})
	record, err := s.tracker.SetActivity(r.Context(), identity(r).User, a.SessionID, doing)
	s.answerSelf(w, r, record, err)
}

// ClearActivity implements DELETE /v1/presence/activity.
func (s *Server) ClearActivity(w http.ResponseWriter, r *http.Request, params api.ClearActivityParams) {
	if err := checkQuery(r, params); err != nil {
		s.fail(w, r, err)
		return
	}
	record, err := s.tracker.Amend(r.Context(), identity(r).User, presence.ByChoice, func(r presence.Record, now time.Time, v presence.Version) ([]presence.Fact, error) {
		var facts []presence.Fact
		for _, a := range r.Doing {
			if params.SessionID != nil && a.Session != *params.SessionID {
				continue
			}
			if a, changed := r.Does(a.Session, nil, now, v); changed {
				facts = append(facts, a)
			}
		}
		return facts, nil
	})
	s.answerSelf(w, r, record, err)
}

func doingOf(d api.Doing) *presence.Doing {
	doing := &presence.Doing{Type: string(d.Type), Target: orZero(d.Target), Label: orZero(d.Label), TTL: activityTTL}
	if d.TTLMs != nil {
		doing.TTL = time.Duration(*d.TTLMs) * time.Millisecond
	}
	return doing
}
