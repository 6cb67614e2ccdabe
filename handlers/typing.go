package handlers

import (
	"context"
	"net/http"
	"time"

	"github.com/presently/presently/api"
	"github.com/presently/presently/presence"
)

// SetTyping implements PUT /v1/rooms/{room}/typing.
func (s *Server) SetTyping(w http.ResponseWriter, r *http.Request, room api.RoomInPath) {
	err := mayEnter(r, room)
	var mark api.TypingMark
	if err == nil {
		mark, err = decode[api.TypingMark](w, r, bodyLimit)
	}
	if err == nil {
		err = s.mark(r.Context(), identity(r).User, room, mark)
	}
	s.answerDone(w, r, err)
}

// PostTyping implements POST /v1/rooms/{room}/typing.
func (s *Server) PostTyping(w http.ResponseWriter, r *http.Request, room api.RoomInPath) {
	s.SetTyping(w, r, room)
}

// mark says that a user types, or no longer does.
func (s *Server) mark(ctx context.Context, user, room string, m api.TypingMark) error {
	where := presence.Typing{Session: m.SessionID, Room: room, Thread: orZero(m.ThreadID), TTL: time.Duration(orZero(m.TTLMs)) * time.Millisecond}
	if m.Typing != nil && !*m.Typing {
		return s.tracker.StopTyping(ctx, user, where)
	}
	return s.tracker.StartTyping(ctx, user, where)
}

// StopTyping implements DELETE /v1/rooms/{room}/typing. Like LeaveRoom it asks for no grant.
func (s *Server) StopTyping(w http.ResponseWriter, r *http.Request, room api.RoomInPath, params api.StopTypingParams) {
	err := checkRoom(room)
	if err == nil {
		err = checkQuery(r, params)
	}
	if err == nil {
		err = s.tracker.StopTyping(r.Context(), identity(r).User, presence.Typing{
			Session: orZero(params.SessionID), Room: room, Thread: orZero(params.ThreadID),
		})
	}
	s.answerDone(w, r, err)
}

// ListTyping implements GET /v1/rooms/{room}/typing.
func (s *Server) ListTyping(w http.ResponseWriter, r *http.Request, room api.RoomInPath, params api.ListTypingParams) {
	err := mayEnter(r, room)
	if err == nil {
		err = checkQuery(r, params)
	}
	var list []api.TypistInRoom
	if err == nil {
		list, err = s.typists(r.Context(), identity(r).User, room, params.ThreadID)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	answer(w, http.StatusOK, api.TypingList{Typing: list})
}

// typists are those whom a viewer may see typing, by user and thread; nobody in a crowd.
func (s *Server) typists(ctx context.Context, viewer, room string, thread *api.ThreadID) ([]api.TypistInRoom, error) {
	list := []api.TypistInRoom{}
	index, err := s.tracker.Room(ctx, presence.RoomQuery{Room: room, Typing: true})
	if err != nil {
		return nil, err
	}
	crowd, err := s.isCrowd(ctx, viewer, room, index)
	if err != nil || crowd {
		return list, err
	}
	candidates := inOrder("", "", index.Typing, []string{viewer}) // whom the index leaves out while he hides
	err = s.lookup(ctx, viewer, candidates, func(r presence.Record) bool {
		for _, t := range typistsOf(r, viewer, room, r.AsOf) {
			if thread == nil || orZero(t.ThreadID) == *thread {
				list = append(list, t)
			}
		}
		return true
	})
	return list, err
}

// isCrowd reports whether a viewer sees so many in a room that nobody is told who types. Mostly the index alone tells.
func (s *Server) isCrowd(ctx context.Context, viewer, room string, index presence.RoomIndex) (bool, error) {
	unsure := len(index.Apart) + 1 // the viewer himself
	switch {
	case index.Users+unsure <= presence.TypingShown:
		return false, nil
	case index.Users-unsure > presence.TypingShown:
		return true, nil
	}
	n, err := s.headcountFor(ctx, viewer, room)
	return n.users > presence.TypingShown, err
}
