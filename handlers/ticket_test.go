package handlers

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/presently/presently/api"
	"github.com/presently/presently/presence"
	"github.com/presently/presently/presence/memstore"
)

// wantNoTicket fails unless a ticket opens nothing, and is told so in the words for all of them.
func (w *world) wantNoTicket(what, ticket string) {
	w.Helper()
	sub, err := w.server.admitTicket(w.Context(), ticket)
	if f := failureOf(err); f.code != api.ProblemCodeSubscriptionGone || f.Error() != errGone().Error() || sub.ID != "" {
		w.Errorf("%s opens %+v, %v", what, sub, err)
	}
}

func (w *world) wantTicket(sub api.Subscription) presence.Subscription {
	w.Helper()
	got, err := w.server.admitTicket(w.Context(), sub.Ticket)
	if err != nil || got.ID != sub.ID {
		w.Errorf("%s opens %+v, %v", sub.Ticket, got, err)
	}
	return got
}

func TestATicketOpensItsSubscriptionForAsLongAsThatLives(t *testing.T) {
	inWorld(t, func(w *world) {
		sub := w.subscribe("", `{"users":["ben"],"rooms":["lobby"],"mode":"quiet"}`, holding("ada", time.Minute, "lobby"))
		other := w.subscribe("ada", `{"users":["ben"]}`)
		for range 2 { // as often as need be
			got := w.wantTicket(sub)
			if got.User != "ada" || !slices.Equal(got.Users, []string{"ben"}) || !slices.Equal(got.Rooms, []string{"lobby"}) || !got.Quiet {
				w.Errorf("%+v", got)
			}
		}
		w.change("ada", sub.ID, `{"addUsers":["cyd"]}`)
		if got := w.wantTicket(sub); len(got.Users) != 2 {
			w.Errorf("%+v", got)
		}
		as[api.Subscription](w, w.onSubscription("", "POST", sub.ID, "/renew", "", holding("ada", 2*time.Minute, "lobby")), http.StatusOK)
		time.Sleep(time.Minute)
		w.wantTicket(sub)
		time.Sleep(time.Minute)
		w.wantNoTicket("that of an expired one", sub.Ticket)
		w.onSubscription("ada", "DELETE", other.ID, "", "")
		w.wantNoTicket("that of an ended one", other.Ticket)
	})
}

func TestNothingElseIsATicket(t *testing.T) {
	inWorld(t, func(w *world) {
		one, other := w.subscribe("ada", `{"users":["ben"]}`), w.subscribe("ada", `{"users":["ben"]}`)
		id, secret, _ := strings.Cut(one.Ticket, ".")
		otherID, otherSecret, _ := strings.Cut(other.Ticket, ".")
		kept, err := w.store.Subscription(w.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		nonce, hash, _ := strings.Cut(kept.Ticket, ":")
		last := one.Ticket[:len(one.Ticket)-1]
		for _, ticket := range []string{
			"", ".", "..", id, id + ".", "." + secret, secret, secret + "." + id, id + secret, id + ":" + secret, id + "." + otherSecret, otherID + "." + secret,
			one.Ticket + ".", one.Ticket + "A", one.Ticket + "=", one.Ticket + "\n", " " + one.Ticket, last, one.Ticket + one.Ticket, strings.ToUpper(one.Ticket),
			id + "." + nonce, id + "." + hash, id + "." + hash[:22], kept.Ticket, randomWord() + "." + secret, id + "." + strings.Repeat("A", 22), strings.Repeat("a", 1<<16), "\x00", "t1.x",
			token("ada", nil), w.beat("ada", "session-1", "").LeaveToken,
		} {
			w.wantNoTicket(fmt.Sprintf("%.100q", ticket), ticket)
		}
		for c := range strings.SplitSeq("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", "") {
			if ticket := last + c; ticket != one.Ticket { // two loose bits do not make another spelling
				w.wantNoTicket(ticket, ticket)
			}
		}
	})
}

func TestATicketIsForTheStreamAlone(t *testing.T) {
	inWorld(t, func(w *world) {
		sub := w.subscribe("ada", `{"users":["ben"]}`)
		for _, op := range operations {
			if strings.HasPrefix(op.path, "/v1/stream?") {
				continue
			}
			path, _, _ := strings.Cut(op.path, "?")
			w.wantProblem(w.ask("", op.method, path+"?ticket="+sub.Ticket, op.body), http.StatusUnauthorized, api.ProblemCodeMissingToken)
		}
		for _, query := range []string{"ticket", "ticket=", "Ticket=" + sub.Ticket, "user=ben&ticket="} {
			w.wantProblem(w.ask("", "GET", "/v1/stream?"+query, ""), http.StatusUnauthorized, api.ProblemCodeMissingToken)
		}
	})
}

// Of a request with a ticket no token is looked at, be it good or bad; and nothing that is wrong with a ticket gives it away.
func TestATicketStandsInPlaceOfAToken(t *testing.T) {
	inWorld(t, func(w *world) {
		sub := w.subscribe("ada", `{"users":["ben"]}`)
		wrong := sub.Ticket[:len(sub.Ticket)-4] + "AAAA"
		for _, header := range []string{"Authorization: ", "Authorization: Bearer nonsense", "Cookie: presently=nonsense", granting(ScopeWrite)} {
			r := w.ask("", "GET", "/v1/stream?ticket="+wrong, "", header)
			if r.status == http.StatusUnauthorized || r.status == http.StatusForbidden || r.status < 400 || strings.Contains(string(r.body), wrong[17:]) {
				w.Errorf("%s: %d %s", header, r.status, r.body)
			}
		}
	})
}

// noting is a store that remembers all subscriptions that it was ever given.
type noting struct {
	*memstore.Store
	given []string
}

func (n *noting) PutSubscription(ctx context.Context, sub presence.Subscription) (presence.Version, error) {
	n.given = append(n.given, fmt.Sprintf("%+v", sub))
	return n.Store.PutSubscription(ctx, sub)
}

// Who sees a subscription where it is kept, or a log, or a problem, cannot open its stream.
func TestATicketIsKeptAndToldNowhereButToItsOwner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &noting{Store: newStore()}
		w := newWorld(t, n)
		var log bytes.Buffer
		w.server.log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		w.run()
		sub := w.subscribe("ada", `{"users":["ben"]}`)
		for _, r := range []reply{
			w.onSubscription("ada", "PATCH", sub.ID, "", `{"mode":"quiet"}`),
			w.onSubscription("", "POST", sub.ID, "/renew", "", holding("ada", 100*time.Hour)),
			w.onSubscription("ada", "GET", sub.ID, "", ""),
		} {
			if got := as[api.Subscription](w, r, http.StatusOK); got.Ticket != sub.Ticket || got.StreamURL != sub.StreamURL {
				w.Errorf("its owner is told %s, was told %s", got.Ticket, sub.Ticket)
			}
		}
		w.wantTicket(sub)
		w.onSubscription("ada", "DELETE", sub.ID, "", "")
		refused := w.ask("", "GET", "/v1/stream?ticket="+sub.Ticket, "")
		told := fmt.Sprint(n.given, log.String(), string(refused.body), refused.header)
		_, secret, _ := strings.Cut(sub.Ticket, ".")
		if len(n.given) != 4 || strings.Contains(told, secret) {
			w.Errorf("%s is in %s", secret, told)
		}
	})
}

// The store's trouble says nothing about a ticket: its client is to come back, not to give up.
func TestATicketIsNotGoneBecauseTheStoreIsAway(t *testing.T) {
	inMoodyWorld(t, func(w *world, m *moody) {
		sub := w.subscribe("ada", `{"users":["ben"]}`)
		m.mood(func() error { return presence.ErrUnavailable })
		if _, err := w.server.admitTicket(w.Context(), sub.Ticket); failureOf(err).code != api.ProblemCodeStoreUnavailable {
			w.Errorf("%v", err)
		}
		m.mood(nil)
		w.wantTicket(sub)
	})
}

// Instances share a key, through their store, and with it all tickets.
func TestATicketIsGoodAtEveryInstance(t *testing.T) {
	inWorld(t, func(w *world) {
		sub := w.subscribe("ada", `{"users":["ben"]}`)
		other := newServer(w, w.store)
		if got, err := other.admitTicket(w.Context(), sub.Ticket); err != nil || got.ID != sub.ID {
			w.Errorf("%+v, %v", got, err)
		}
		kept, err := w.store.Subscription(w.Context(), sub.ID)
		if err != nil {
			w.Fatal(err)
		}
		if ticket, err := other.ticketOf(w.Context(), kept); ticket != sub.Ticket || err != nil {
			w.Errorf("it tells %s, %v, want %s", ticket, err, sub.Ticket)
		}
	})
}

// FuzzTicket: one text opens the stream of a subscription, and whatever else is sent gets one answer.
func FuzzTicket(f *testing.F) {
	z := fuzz(f)
	s := z.server
	sub, err := s.subscribe(f.Context(), Identity{User: "ada", Expires: time.Now().Add(time.Hour)}, api.SubscriptionRequest{Users: []string{"ben"}})
	if err != nil {
		f.Fatal(err)
	}
	good, err := s.ticketOf(f.Context(), sub)
	if err != nil {
		f.Fatal(err)
	}
	for i := range good {
		f.Add(good[:i])
		f.Add(good[:i] + "A" + good[i:])
		f.Add(good[:i] + "A" + good[i+1:])
	}
	for _, ticket := range slices.Concat(oddUsers, badUsers, nastyValues, []string{good, good + "\x00", sub.Ticket, sub.ID + "." + sub.Ticket, "%", "a.b.c"}) {
		f.Add(ticket)
	}
	f.Fuzz(func(t *testing.T, ticket string) {
		got, err := s.admitTicket(t.Context(), ticket)
		if ticket == good {
			if err != nil || got.ID != sub.ID {
				t.Errorf("the ticket opens %+v, %v", got, err)
			}
			return
		}
		if f := failureOf(err); err == nil || f.Error() != errGone().Error() || f.code != api.ProblemCodeSubscriptionGone || got.ID != "" {
			t.Errorf("%q opens %+v, %v", ticket, got, err)
		}
		r := z.ask(t, "GET", "/v1/stream?ticket="+url.QueryEscape(ticket), "", "Authorization: ")
		if r.Code == http.StatusOK || len(ticket) > 20 && strings.Contains(r.Body.String(), ticket) {
			t.Errorf("%q: %d %s", ticket, r.Code, r.Body)
		}
	})
}
