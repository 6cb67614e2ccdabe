package handlers

import (
	"fmt"
	"net/http"
	"slices"

	"github.com/presently/presently/api"
	"github.com/presently/presently/presence"
)

// ExplainPresence implements GET /v1/presence/{userId}/explain.
func (s *Server) ExplainPresence(w http.ResponseWriter, r *http.Request, user api.UserIDInPath, params api.ExplainPresenceParams) {
	who := identity(r)
	if user == "me" {
		user = who.User
	}
	if err := mayExplain(who, user); err != nil {
		s.fail(w, r, err)
		return
	}
	err := checkUser(user)
	if err == nil {
		err = checkQuery(r, params)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	record, err := s.tracker.Sessions(r.Context(), user)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	e := explanationOf(record)
	if params.Viewer != nil {
		e.Viewer = new(explainedView(record, *params.Viewer))
	}
	answer(w, http.StatusOK, e)
}

// mayExplain lets everybody ask for himself. The contract cannot say so, because its scopes do not know whom a path names.
func mayExplain(who Identity, user string) error {
	needed := ScopeAdmin
	if user == who.User {
		needed = ScopeRead
	}
	if who.Scopes.Has(needed) || who.Scopes.Has(ScopeAdmin) {
		return nil
	}
	return errScope(needed)
}

func explanationOf(record presence.Record) api.Explanation {
	now := record.AsOf
	reason := record.Explain(now)
	e := api.Explanation{
		UserID: record.User, AsOf: formatTime(now.Time()),
		Status: api.Status(reason.Status), Rule: api.StatusRule(reason.Rule), Because: because(record, reason),
		Privacy:  privacyOf(record.PrivacyOrDefault()),
		Sessions: make([]api.ExplainedSession, 0, len(record.Sessions)),
	}
	switch c := record.Chosen; {
	case record.Invisible.On: // a setting, which no clock ends, but the user's choice all the same
		e.Chosen = &api.ExplainedChoice{Status: api.ChosenStatus(presence.Invisible)}
	case c.Status != "":
		e.Chosen = &api.ExplainedChoice{Status: api.ChosenStatus(c.Status), ExpiresAt: optionalTime(c.Until), Expired: c.Expired(now)}
	}
	for _, session := range oldestFirst(record.Sessions) {
		e.Sessions = append(e.Sessions, explainedSession(record, session))
	}
	return e
}

func because(record presence.Record, reason presence.Reason) string {
	switch reason.Rule {
	case presence.ByNoSession:
		return "There is no live session, so nothing else counts."
	case presence.ByHiding:
		return "The user chose to be invisible: offline to everyone else, until it is cleared."
	case presence.ByChosen:
		if until := record.Chosen.Until; !until.IsZero() {
			return fmt.Sprintf("The user chose %s, which holds until %s, whatever the sessions say.", reason.Status, formatTime(until))
		}
		return fmt.Sprintf("The user chose %s, which holds until it is cleared, whatever the sessions say.", reason.Status)
	}
	which := "The one live session"
	if n := len(record.Sessions); n > 1 {
		which = fmt.Sprintf("The strongest of %d live sessions", n)
	}
	return fmt.Sprintf("%s decides, and %s counts as %s.", which, called(record, reason.Session), reason.Status)
}

// called is what people call a session: by its device, where it has named one. Clients make up ids that say nothing.
func called(record presence.Record, id string) string {
	if s, _ := record.Session(id); s.Device != "" {
		return "the one on " + s.Device
	}
	return id
}

func explainedSession(r presence.Record, s presence.Session) api.ExplainedSession {
	shown, asOf := sessionOf(r, s), r.AsOf.Time()
	return api.ExplainedSession{
		SessionID: shown.SessionID, Device: shown.Device, Visibility: shown.Visibility, Seq: shown.Seq, Left: shown.Left, Returns: int64(s.Returns),
		Says: api.SessionState(s.State), CountsAs: shown.State, Instance: s.Instance,
		StartedAt: shown.StartedAt, AgeMs: asOf.Sub(s.Started).Milliseconds(),
		LastBeatAt: shown.LastBeatAt, BeatAgeMs: asOf.Sub(s.LastBeat).Milliseconds(), InputAgeMs: asOf.Sub(s.LastInput).Milliseconds(),
		Deadline: shown.Deadline, RemainingMs: s.Deadline.Sub(asOf).Milliseconds(),
	}
}

// explainedView tells what a viewer sees. It is made of the user's record alone, so it can tell nothing of the viewer.
func explainedView(record presence.Record, viewer string) api.ExplainedView {
	sight := record.SightOf(viewer)
	return api.ExplainedView{
		UserID: viewer, Relation: relationKind(sight), Rule: api.ViewRule(sight.Rule), Hidden: sight.Hidden,
		Because:  sightBecause(record.User, viewer, sight),
		Presence: presenceOf(record.ViewFor(viewer, record.AsOf), record.AsOf),
	}
}

func relationKind(s presence.Sight) api.RelationKind {
	switch {
	case s.Class == presence.Self:
		return api.RelationKindSelf
	case s.Blocked:
		return api.RelationKindBlocked
	case s.Class == presence.Contact:
		return api.RelationKindContact
	}
	return api.RelationKindOther
}

func sightBecause(user, viewer string, s presence.Sight) string {
	switch s.Rule {
	case presence.AsSelf:
		return "Everybody sees himself."
	case presence.AsBlocked:
		return fmt.Sprintf("%s blocks %s.", user, viewer)
	case presence.AsInvisible:
		return fmt.Sprintf("%s is invisible to everybody else.", user)
	case presence.AsNobody:
		return fmt.Sprintf("Nobody may see that %s is online.", user)
	case presence.AsContacts:
		if s.Class == presence.Contact {
			return fmt.Sprintf("Only contacts may see that %s is online, and %s is one.", user, viewer)
		}
		return fmt.Sprintf("Only contacts may see that %s is online, and %s is none.", user, viewer)
	}
	return fmt.Sprintf("Everyone may see that %s is online.", user)
}

// oldestFirst sorts sessions by their start.
func oldestFirst(sessions []presence.Session) []presence.Session {
	sessions = slices.Clone(sessions)
	slices.SortStableFunc(sessions, func(a, b presence.Session) int { return a.Started.Compare(b.Started) })
	return sessions
}
