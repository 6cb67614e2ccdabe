package handlers

import (
	"net/http"

	"github.com/presently/presently/api"
)

// What the contract has and nothing answers yet. Each method goes from here to the file where it is implemented, and this file with the last.

func (s *Server) pending(w http.ResponseWriter, r *http.Request) {
	s.fail(w, r, failf(api.ProblemCodeInternal, "This operation is not there yet."))
}

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

