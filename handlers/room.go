package handlers

import (
	"net/http"
	"slices"

	"github.com/presently/presently/api"
	"github.com/presently/presently/presence"
)

// JoinRoom implements PUT /v1/rooms/{room}/members/me.
func (s *Server) JoinRoom(w http.ResponseWriter, r *http.Request, room api.RoomInPath, params api.JoinRoomParams) {
	err := mayEnter(r, room)
	if err == nil {
		err = checkQuery(r, params)
	}
	if err == nil {
		err = s.tracker.Join(r.Context(), identity(r).User, params.SessionID, room)
	}
	s.answerDone(w, r, err)
}

// LeaveRoom implements DELETE /v1/rooms/{room}/members/me. It asks for no grant: a token that no longer has the room must not keep its user there.
func (s *Server) LeaveRoom(w http.ResponseWriter, r *http.Request, room api.RoomInPath, params api.LeaveRoomParams) {
	err := checkRoom(room)
	if err == nil {
		err = checkQuery(r, params)
	}
	if err == nil {
		err = s.tracker.LeaveRoom(r.Context(), identity(r).User, orZero(params.SessionID), room)
	}
	s.answerDone(w, r, err)
}

// ListMembers implements GET /v1/rooms/{room}/presence.
func (s *Server) ListMembers(w http.ResponseWriter, r *http.Request, room api.RoomInPath, params api.ListMembersParams) {
	err := mayEnter(r, room)
	if err == nil {
		err = checkQuery(r, params)
	}
	var p page
	if err == nil {
		p, err = s.pageOf(r, room, params.Limit, params.Cursor)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	answer(w, http.StatusOK, api.RoomMembers{Members: p.presences, Count: int64(p.count), Cursor: p.cursor, Truncated: p.cursor != nil})
}

// CountMembers implements GET /v1/rooms/{room}/count.
func (s *Server) CountMembers(w http.ResponseWriter, r *http.Request, room api.RoomInPath) {
	err := mayEnter(r, room)
	var n headcount
	if err == nil {
		n, err = s.headcountFor(r.Context(), identity(r).User, room)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	answer(w, http.StatusOK, api.RoomCount{Users: int64(n.users), Sessions: int64(n.sessions)})
}

// roomsOf are those of one user that a viewer may see. It is the Looker that finds them.
type roomsOf struct {
	viewer string
	rooms  []string
}

// Kept implements presence.Looker.
func (r *roomsOf) Kept(_ int, e *presence.Entry, _ presence.Version) {
	r.rooms = e.Record.RoomsFor(r.viewer)
}

// Read implements presence.Looker.
func (r *roomsOf) Read(_ int, of presence.Record) { r.rooms = of.RoomsFor(r.viewer) }

// ListRoomsOfUser implements GET /v1/users/{userId}/rooms.
func (s *Server) ListRoomsOfUser(w http.ResponseWriter, r *http.Request, user api.UserIDInPath) {
	who := identity(r)
	err := checkUser(user)
	in := &roomsOf{viewer: who.User}
	if err == nil {
		err = s.board.Look(r.Context(), who.User, []string{user}, in)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	rooms := slices.DeleteFunc(in.rooms, func(room string) bool { return !who.MayEnter(room) })
	answer(w, http.StatusOK, api.RoomList{Rooms: rooms})
}

// mayEnter holds the room in a path to the rule for ids and to what the token grants.
func mayEnter(r *http.Request, room string) error {
	if err := checkRoom(room); err != nil {
		return err
	}
	if !identity(r).MayEnter(room) {
		return errRoom("/room", room)
	}
	return nil
}

func checkRoom(room string) error {
	if presence.ValidUser(room) {
		return nil
	}
	return invalid("/room", "must be 1 to 128 printable characters, and not . or ..")
}

// answerDone says that it is done, or why it is not.
func (s *Server) answerDone(w http.ResponseWriter, r *http.Request, err error) {
	if err != nil {
		s.fail(w, r, err)
		return
	}
	noContent(w)
}
