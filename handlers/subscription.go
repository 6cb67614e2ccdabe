package handlers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/presently/presently/api"
	"github.com/presently/presently/presence"
)

const (
	usersASubscription = 1000
	roomsASubscription = 50
)

// everyEvent is what a subscription tells that does not say what it wants.
var everyEvent = []api.EventKind{api.EventKindPresence, api.EventKindRoom, api.EventKindTyping}

// CreateSubscription implements POST /v1/subscriptions.
func (s *Server) CreateSubscription(w http.ResponseWriter, r *http.Request) {
	var sub presence.Subscription
	wanted, err := decode[api.SubscriptionRequest](w, r, queryBodyLimit)
	if err == nil {
		sub, err = s.subscribe(r.Context(), identity(r), wanted)
	}
	if err == nil {
		w.Header().Set("Location", "/v1/subscriptions/"+sub.ID)
	}
	s.answerSubscription(w, r, http.StatusCreated, sub, err)
}

func (s *Server) subscribe(ctx context.Context, who Identity, wanted api.SubscriptionRequest) (presence.Subscription, error) {
	sub := presence.Subscription{
		ID: randomWord(), User: who.User, Users: distinct(wanted.Users), Rooms: distinct(wanted.Rooms),
		Quiet: orZero(wanted.Mode) == api.SubscriptionModeQuiet,
		// One token stands behind a subscription: what it grants, and how long.
		Grants: who.Rooms, Issued: issueOf(who), Expires: endOf(who),
	}
	for _, kind := range everyEvent {
		if wanted.Events == nil || slices.Contains(wanted.Events, kind) {
			sub.Events = append(sub.Events, string(kind))
		}
	}
	if len(sub.Users)+len(sub.Rooms) == 0 {
		return sub, invalid("", "name at least one user or room to watch")
	}
	err := who.mayEnterAll("/rooms", wanted.Rooms)
	if err == nil {
		sub.Ticket, err = s.newTicket(ctx, sub.ID)
	}
	if err == nil {
		sub, err = s.tracker.Subscribe(ctx, sub, s.board.Clock())
	}
	return sub, err
}

// GetSubscription implements GET /v1/subscriptions/{id}.
func (s *Server) GetSubscription(w http.ResponseWriter, r *http.Request, id api.SubscriptionIDInPath) {
	sub, err := s.amendSubscription(r, id, func(sub presence.Subscription) (presence.Subscription, error) { return sub, nil })
	s.answerSubscription(w, r, http.StatusOK, sub, err)
}

// ChangeSubscription implements PATCH /v1/subscriptions/{id}.
func (s *Server) ChangeSubscription(w http.ResponseWriter, r *http.Request, id api.SubscriptionIDInPath) {
	var sub presence.Subscription
	change, err := decode[api.SubscriptionChange](w, r, queryBodyLimit)
	if err == nil {
		sub, err = s.amendSubscription(r, id, func(sub presence.Subscription) (presence.Subscription, error) {
			return changed(sub, change, identity(r))
		})
	}
	s.answerSubscription(w, r, http.StatusOK, sub, err)
}

// changed is a subscription after a change, for which who stands.
func changed(sub presence.Subscription, c api.SubscriptionChange, who Identity) (presence.Subscription, error) {
	if err := who.mayEnterAll("/addRooms", c.AddRooms); err != nil {
		return sub, err
	}
	for _, room := range c.AddRooms {
		// A room that only this token grants is not watched for longer than this token lasts.
		if end := endOf(who); !grants(sub.Grants, room) && end.Before(sub.Expires) {
			sub.Expires = end
		}
	}
	sub.Users = distinct(append(without(sub.Users, c.RemoveUsers), c.AddUsers...))
	sub.Rooms = distinct(append(without(sub.Rooms, c.RemoveRooms), c.AddRooms...))
	if c.Mode != nil {
		sub.Quiet = *c.Mode == api.SubscriptionModeQuiet
	}
	return sub, cmp.Or(
		tooMany("/addUsers", len(sub.Users), usersASubscription),
		tooMany("/addRooms", len(sub.Rooms), roomsASubscription),
	)
}

func tooMany(pointer string, n, most int) error {
	if n <= most {
		return nil
	}
	return invalid(pointer, fmt.Sprintf("would make it %d; a subscription watches at most %d", n, most))
}

// EndSubscription implements DELETE /v1/subscriptions/{id}.
func (s *Server) EndSubscription(w http.ResponseWriter, r *http.Request, id api.SubscriptionIDInPath) {
	_, err := s.amendSubscription(r, id, func(sub presence.Subscription) (presence.Subscription, error) {
		return sub.EndedAt(s.board.Clock()), nil
	})
	if err != nil {
		s.fail(w, r, err)
		return
	}
	_ = s.tracker.UncountSubscription(r.Context(), identity(r).User, id) // else it counts until it is forgotten
	noContent(w)
}

// RenewSubscription implements POST /v1/subscriptions/{id}/renew.
func (s *Server) RenewSubscription(w http.ResponseWriter, r *http.Request, id api.SubscriptionIDInPath) {
	who := identity(r)
	sub, err := s.amendSubscription(r, id, func(sub presence.Subscription) (presence.Subscription, error) {
		if end := endOf(who); end.After(sub.Expires) { // of two that were sent at once, the later one stays
			sub.Grants, sub.Issued, sub.Expires = who.Rooms, issueOf(who), end
		}
		return sub, who.mayEnterAll("/rooms", sub.Rooms)
	})
	if err == nil {
		err = s.tracker.Count(r.Context(), sub, s.board.Clock()) // whoever renews it has a page open
	}
	s.answerSubscription(w, r, http.StatusOK, sub, err)
}

// amendSubscription changes a live subscription of the user who asks. He learns nothing of others', not even that they are there.
func (s *Server) amendSubscription(
	r *http.Request, id string, change func(presence.Subscription) (presence.Subscription, error),
) (presence.Subscription, error) {
	if !isWord(id) {
		return presence.Subscription{}, errUnknown()
	}
	sub, err := s.tracker.AmendSubscription(r.Context(), id, func(sub presence.Subscription) (presence.Subscription, error) {
		switch {
		case sub.User != identity(r).User:
			return sub, presence.ErrNoSubscription
		case !sub.Live(s.board.Clock()), s.revoked.refuses(sub.User, sub.Issued):
			return sub, errGone()
		}
		return change(sub)
	})
	if errors.Is(err, presence.ErrNoSubscription) {
		err = errUnknown()
	}
	return sub, err
}

func (s *Server) answerSubscription(w http.ResponseWriter, r *http.Request, status int, sub presence.Subscription, err error) {
	var ticket string
	if err == nil {
		ticket, err = s.ticketOf(r.Context(), sub)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	out := api.Subscription{
		ID: sub.ID, Ticket: ticket, StreamURL: "/v1/stream?ticket=" + url.QueryEscape(ticket), ExpiresAt: formatTime(sub.Expires),
		Users: sub.Users, Rooms: sub.Rooms, Events: kindsOf(sub), Mode: api.SubscriptionModeLive,
	}
	if sub.Quiet {
		out.Mode = api.SubscriptionModeQuiet
	}
	answer(w, status, out)
}

// kindsOf are the kinds of events that a subscription tells.
func kindsOf(sub presence.Subscription) []api.EventKind {
	kinds := make([]api.EventKind, 0, len(sub.Events))
	for _, e := range sub.Events {
		kinds = append(kinds, api.EventKind(e))
	}
	return kinds
}

// endOf is when a token ends, as precisely as times are told.
func endOf(who Identity) time.Time { return who.Expires.Truncate(time.Millisecond) }

// issueOf is when a token was issued, as precisely as revocations are.
func issueOf(who Identity) time.Time {
	if who.Issued.UnixMilli() <= 0 {
		return time.Time{}
	}
	return who.Issued.UTC().Truncate(time.Millisecond)
}

func errUnknown() *failure {
	return failf(api.ProblemCodeNotFound, "There is no subscription of yours with this id. Make one with POST /v1/subscriptions.")
}
