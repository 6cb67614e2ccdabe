package handlers

import (
	"net/http"

	"github.com/presently/presently/api"
)

// What the contract has and nothing answers yet. Each method goes from here to the file where it is implemented, and this file with the last.

func (s *Server) pending(w http.ResponseWriter, r *http.Request) {
	s.fail(w, r, failf(api.ProblemCodeInternal, "This operation is not there yet."))
}

// ListOnline is pending.
func (s *Server) ListOnline(w http.ResponseWriter, r *http.Request, _ api.ListOnlineParams) {
	s.pending(w, r)
}

// CountMembers is pending.
func (s *Server) CountMembers(w http.ResponseWriter, r *http.Request, _ api.RoomInPath) {
	s.pending(w, r)
}

// LeaveRoom is pending.
func (s *Server) LeaveRoom(w http.ResponseWriter, r *http.Request, _ api.RoomInPath, _ api.LeaveRoomParams) {
	s.pending(w, r)
}

// JoinRoom is pending.
func (s *Server) JoinRoom(w http.ResponseWriter, r *http.Request, _ api.RoomInPath, _ api.JoinRoomParams) {
	s.pending(w, r)
}

// ListMembers is pending.
func (s *Server) ListMembers(w http.ResponseWriter, r *http.Request, _ api.RoomInPath, _ api.ListMembersParams) {
	s.pending(w, r)
}

// StopTyping is pending.
func (s *Server) StopTyping(w http.ResponseWriter, r *http.Request, _ api.RoomInPath, _ api.StopTypingParams) {
	s.pending(w, r)
}

// ListTyping is pending.
func (s *Server) ListTyping(w http.ResponseWriter, r *http.Request, _ api.RoomInPath, _ api.ListTypingParams) {
	s.pending(w, r)
}

// PostTyping is pending.
func (s *Server) PostTyping(w http.ResponseWriter, r *http.Request, _ api.RoomInPath) {
	s.pending(w, r)
}

// SetTyping is pending.
func (s *Server) SetTyping(w http.ResponseWriter, r *http.Request, _ api.RoomInPath) { s.pending(w, r) }

// GetStats is pending.
func (s *Server) GetStats(w http.ResponseWriter, r *http.Request) { s.pending(w, r) }

// CreateSubscription is pending.
func (s *Server) CreateSubscription(w http.ResponseWriter, r *http.Request) { s.pending(w, r) }

// EndSubscription is pending.
func (s *Server) EndSubscription(w http.ResponseWriter, r *http.Request, _ api.SubscriptionIDInPath) {
	s.pending(w, r)
}

// GetSubscription is pending.
func (s *Server) GetSubscription(w http.ResponseWriter, r *http.Request, _ api.SubscriptionIDInPath) {
	s.pending(w, r)
}

// ChangeSubscription is pending.
func (s *Server) ChangeSubscription(w http.ResponseWriter, r *http.Request, _ api.SubscriptionIDInPath) {
	s.pending(w, r)
}

// RenewSubscription is pending.
func (s *Server) RenewSubscription(w http.ResponseWriter, r *http.Request, _ api.SubscriptionIDInPath) {
	s.pending(w, r)
}

// ListRoomsOfUser is pending.
func (s *Server) ListRoomsOfUser(w http.ResponseWriter, r *http.Request, _ api.UserIDInPath) {
	s.pending(w, r)
}
