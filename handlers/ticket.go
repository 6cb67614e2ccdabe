package handlers

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"

	"github.com/presently/presently/api"
	"github.com/presently/presently/presence"
)

// A ticket is the id of its subscription, a dot, and a secret: a MAC over the id and a nonce. The store keeps the nonce and a hash of the ticket, which open
// nothing without the key, and from which its owner can be told the same ticket again. It holds as long as they stand there.

const (
	ticketPurpose = "ticket"
	wordSize      = 12 // random bytes of an id and of a nonce, which nobody is to have twice
)

// newTicket is what the store keeps of a new subscription's ticket.
func (s *Server) newTicket(ctx context.Context, id string) (kept string, err error) {
	nonce := randomWord()
	ticket, err := s.sealTicket(ctx, id, nonce)
	return nonce + ":" + hashTicket(ticket), err
}

// ticketOf is the ticket that opens a subscription's stream, told anew.
func (s *Server) ticketOf(ctx context.Context, sub presence.Subscription) (string, error) {
	nonce, _, _ := strings.Cut(sub.Ticket, ":")
	return s.sealTicket(ctx, sub.ID, nonce)
}

func (s *Server) sealTicket(ctx context.Context, id, nonce string) (string, error) {
	key, err := s.sealer.sharedKey(ctx)
	if err != nil {
		return "", err
	}
	return id + "." + base64.RawURLEncoding.EncodeToString(mac(key, ticketPurpose, id+"\n"+nonce)), nil
}

func hashTicket(ticket string) string {
	sum := sha256.Sum256([]byte(ticket))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// admitTicket is the live subscription whose stream a ticket opens. Whatever is wrong with a ticket, the same is said of it.
func (s *Server) admitTicket(ctx context.Context, ticket string) (presence.Subscription, error) {
	id, _, _ := strings.Cut(ticket, ".")
	if !isWord(id) {
		return presence.Subscription{}, errGone()
	}
	sub, err := s.tracker.Subscription(ctx, id)
	if err != nil && !errors.Is(err, presence.ErrNoSubscription) {
		return presence.Subscription{}, err
	}
	_, hash, _ := strings.Cut(sub.Ticket, ":")
	if subtle.ConstantTimeCompare([]byte(hashTicket(ticket)), []byte(hash)) == 0 || !sub.Live(s.board.Clock()) {
		return presence.Subscription{}, errGone()
	}
	switch err := s.stands(ctx, sub.User, sub.Issued); {
	case errors.Is(err, errTokenInvalid):
		return presence.Subscription{}, errGone()
	case err != nil:
		return presence.Subscription{}, err
	}
	return sub, nil
}

// bringsTicket reports whether a request comes with a ticket to an operation that the contract lets be opened by one.
func bringsTicket(r *http.Request) bool {
	_, opens := r.Context().Value(api.TicketScopes).([]string)
	return opens && api.QueryOf(r).Get("ticket") != ""
}

// randomWord is 96 random bits, in letters that need no escape in a URL.
func randomWord() string {
	var b [wordSize]byte
	rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

func isWord(text string) bool {
	b, err := decodeSegment(text)
	return err == nil && len(b) == wordSize
}

func errGone() *failure {
	return failf(api.ProblemCodeSubscriptionGone, "Make a new one with POST /v1/subscriptions, and open its streamUrl.")
}
