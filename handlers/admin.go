package handlers

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/presently/presently/api"
	"github.com/presently/presently/presence"
)

// backendSession is the session of a user whose backend names none.
const backendSession = "set-by-backend"

// EndSessions implements DELETE /v1/admin/users/{userId}/sessions.
func (s *Server) EndSessions(w http.ResponseWriter, r *http.Request, user api.UserIDInPath) {
	err := checkUser(user)
	if err == nil {
		err = s.forceOut(r.Context(), user)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	noContent(w)
}

// forceOut ends the sessions that there are, one by one; asked again, it ends those that an error has left.
func (s *Server) forceOut(ctx context.Context, user string) error {
	record, err := s.tracker.Sessions(ctx, user)
	if err != nil {
		return err
	}
	for _, session := range record.Sessions {
		if err := s.tracker.End(ctx, user, session.ID); err != nil {
			return err
		}
	}
	return nil
}

// SetPresence implements PUT /v1/admin/presence/{userId}.
func (s *Server) SetPresence(w http.ResponseWriter, r *http.Request, user api.UserIDInPath) {
	body, err := decode[api.AdminBeat](w, r, bodyLimit)
	if err == nil {
		err = checkUser(user)
	}
	rooms, _ := sortOut(body.Rooms, identity(r))
	if err == nil {
		err = identity(r).mayEnterAll("/rooms", body.Rooms)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	record, err := s.beatFor(r.Context(), user, body, rooms)
	s.answerSelf(w, r, record, err)
}

// beatFor beats a session of a user. The custom status comes after the beat, which may be refused.
func (s *Server) beatFor(ctx context.Context, user string, body api.AdminBeat, rooms *[]string) (presence.Record, error) {
	var lasts presence.Lasts
	if body.Custom != nil {
		var err error
		if lasts, err = s.customLasts(*body.Custom); err != nil {
			return presence.Record{}, beneath("/custom", err)
		}
	}
	profile, err := s.profileFor(ctx, user, body.Profile)
	if err != nil {
		return presence.Record{}, err
	}
	beat := presence.Beat{
		User: user, Session: backendSession, Device: body.Device, State: stateOf(body.State), TTL: s.tracker.Policy.TTL,
		Profile: profile, Rooms: rooms, Instance: s.tracker.Instance, MaxLive: s.tracker.Policy.Sessions,
	}
	if body.SessionID != nil {
		beat.Session = *body.SessionID
	}
	if body.TTLMs != nil {
		beat.TTL = time.Duration(*body.TTLMs) * time.Millisecond
	}
	if body.Activity != nil {
		beat.Doing = doingOf(*body.Activity)
	}
	out, err := s.tracker.Beat(ctx, beat)
	if err != nil || body.Custom == nil {
		return out.Record, err
	}
	return s.tracker.SetCustom(ctx, user, *body.Custom.Text, orZero(body.Custom.Emoji), lasts)
}

// profileFor is the profile that a backend gives a user, or the one that he has: a beat without any would take it away.
func (s *Server) profileFor(ctx context.Context, user string, given *api.AdminProfile) (presence.Profile, error) {
	if given != nil {
		return presence.Profile{Name: orZero(given.Name), Avatar: orZero(given.Avatar)}, nil
	}
	records, err := s.tracker.Lookup(ctx, user, []string{user})
	if err != nil {
		return presence.Profile{}, err
	}
	return presence.Profile{Name: records[0].Profile.Name, Avatar: records[0].Profile.Avatar}, nil
}

// beneath moves what is invalid in a part of a document to where the part stands.
func beneath(field string, err error) error {
	var f *failure
	if !errors.As(err, &f) || len(f.fields) != 1 {
		return err
	}
	return invalid(field+f.fields[0].Pointer, f.fields[0].Detail)
}
