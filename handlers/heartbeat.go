package handlers

import (
	"context"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/presently/presently/api"
	"github.com/presently/presently/presence"
)

const leavePurpose = "leave"

// Heartbeat implements POST /v1/presence/heartbeat.
func (s *Server) Heartbeat(w http.ResponseWriter, r *http.Request, params api.HeartbeatParams) {
	body, err := decode[api.Beat](w, r, bodyLimit)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	granted, refused := sortOut(body.Rooms, identity(r))
	minimal := params.Prefer != nil && prefersMinimal(*params.Prefer) && len(refused) == 0
	beat := heartbeatOf(body, identity(r), minimal)
	if stays := granted != nil && s.limits.stays(w.Header(), beat.User); !stays {
		beat.Rooms = granted
	}
	out, err := s.beat(r.Context(), w.Header(), beat)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.limits.came(beat.User, out.Came)
	next := jitter(s.tracker.Policy.Heartbeat, 0.1)
	w.Header().Set("Presence-Next-Ms", strconv.FormatInt(next.Milliseconds(), 10))
	w.Header().Set("Cache-Control", "no-store")
	if minimal {
		w.Header().Set("Preference-Applied", "return=minimal")
		w.WriteHeader(http.StatusNoContent)
		return
	}
	leave, err := s.sealer.seal(r.Context(), leavePurpose, beat.User, beat.Session)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	session, err := s.beatenSession(r, beat, out)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	answer(w, http.StatusOK, api.BeatAnswer{
		Presence: presenceOf(out.Record.View(presence.Self, out.Record.AsOf), out.Record.AsOf),
		Session:  session, NextMs: next.Milliseconds(),
		TTLMs:       s.tracker.Policy.SessionTTL(beat.Hidden).Milliseconds(),
		IdleAfterMs: s.tracker.Policy.IdleAfter.Milliseconds(),
		LeaveToken:  leave, RefusedRooms: refused,
	})
}

// beat takes a heartbeat, unless its session beats too fast.
func (s *Server) beat(ctx context.Context, h http.Header, beat presence.Heartbeat) (out presence.Beaten, err error) {
	if err = s.limits.beat(h, beat.User, beat.Session); err == nil {
		out, err = s.tracker.Heartbeat(ctx, beat)
	}
	s.metrics.beat(beat.State, out, err)
	return out, err
}

// sortOut tells the rooms of a beat that the token grants, sorted, from those that it does not, in the order of the beat. Of a beat that names
// none both are nil.
func sortOut(rooms []api.RoomID, who Identity) (granted *[]string, refused []api.RoomID) {
	if rooms == nil {
		return nil, nil
	}
	granted, refused = new([]string{}), []api.RoomID{}
	for _, room := range distinct(rooms) {
		if who.MayEnter(room) {
			*granted = append(*granted, room)
		} else {
			refused = append(refused, room)
		}
	}
	slices.Sort(*granted)
	return granted, refused
}

func heartbeatOf(b api.Beat, who Identity, minimal bool) presence.Heartbeat {
	h := presence.Heartbeat{
		User: who.User, Profile: who.Profile, Session: b.SessionID, Device: b.Device, Seq: b.Seq, Minimal: minimal,
		Hidden: b.Visibility != nil && *b.Visibility == api.VisibilityHidden,
	}
	if b.Activity != nil {
		h.Doing = doingOf(*b.Activity)
	}
	if b.IdleMs != nil {
		h.Idle = time.Duration(*b.IdleMs) * time.Millisecond
	}
	h.State = stateOf(b.State)
	return h
}

// stateOf is what a beat says of its session, in the words of the domain.
func stateOf(s *api.BeatState) presence.Status {
	switch {
	case s == nil:
		return presence.Online
	case *s == api.BeatStateIdle:
		return presence.Away
	}
	return presence.Status(*s)
}

// beatenSession is the session as a beat has left it.
func (s *Server) beatenSession(r *http.Request, beat presence.Heartbeat, out presence.Beaten) (api.Session, error) {
	if !out.Old {
		session, _ := out.Record.Session(beat.Session)
		session.LastBeat = out.Record.AsOf.Time()
		session.Deadline = session.LastBeat.Add(session.TTL)
		if beat.Seq != nil {
			session.Seq, session.HasSeq = *beat.Seq, true
		}
		return sessionOf(out.Record, session), nil
	}
	// An old beat moved no deadline, so the present one has to be read.
	record, err := s.tracker.Sessions(r.Context(), beat.User)
	if err != nil {
		return api.Session{}, err
	}
	if session, ok := record.Session(beat.Session); ok {
		return sessionOf(record, session), nil
	}
	at := record.AsOf.Time() // the session has ended, and this beat came too late to change that
	return sessionOf(record, presence.Session{ID: beat.Session, State: presence.Away, Left: true, Started: at, LastBeat: at, Deadline: at}), nil
}

// prefersMinimal reads the Prefer header of RFC 7240, as far as it concerns us.
func prefersMinimal(prefer string) bool {
	for p := range strings.SplitSeq(prefer, ",") {
		p, _, _ = strings.Cut(p, ";")
		name, value, _ := strings.Cut(strings.TrimSpace(p), "=")
		if strings.EqualFold(strings.TrimSpace(name), "return") && strings.EqualFold(strings.Trim(strings.TrimSpace(value), `"`), "minimal") {
			return true
		}
	}
	return false
}

// jitter spreads a duration by a share of it either way.
func jitter(d time.Duration, share float64) time.Duration {
	return d + time.Duration((rand.Float64()*2-1)*share*float64(d))
}

// Leave implements POST /v1/presence/leave. Its only credential is in the body, because sendBeacon can send no header, and what becomes of
// it is told to nobody. Nor is it told what the body is: the page that sent it has gone, and whoever tries bodies is to learn from none.
func (s *Server) Leave(w http.ResponseWriter, r *http.Request) {
	body, err := readWhole(w, r, bodyLimit)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	parts, ok, err := s.sealer.open(r.Context(), leavePurpose, leaveToken(body))
	if err == nil && ok && len(parts) == 2 {
		err = s.tracker.Leave(r.Context(), parts[0], parts[1])
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusAccepted)
}

// leaveToken is the token in a body, which is a document or the bare token, whatever its type says: browsers let a page choose few of them. A body
// without one has a token that is none.
func leaveToken(body []byte) string {
	token := strings.TrimSpace(string(body))
	if !strings.HasPrefix(token, "{") {
		return token
	}
	var document api.Leave
	if unmarshal(body, &document) != nil {
		return ""
	}
	return document.LeaveToken
}
