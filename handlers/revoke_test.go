package handlers

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/presently/presently/api"
	"github.com/presently/presently/presence"
	"github.com/presently/presently/presence/memstore"
)

// issued is the header of a token of a user's that was issued at a moment.
func issued(user string, at any) string {
	if t, ok := at.(time.Time); ok {
		at = t.Unix()
	}
	return "Authorization: Bearer " + token(user, map[string]any{"iat": at})
}

func (w *world) revoke(user, body string) {
	w.Helper()
	if r := w.admin("POST", "users/"+user+"/revoke", body); r.status != http.StatusNoContent || len(r.body) > 0 {
		w.Fatalf("%d %s", r.status, r.body)
	}
}

func (w *world) wantRefused(header string) {
	w.Helper()
	w.wantProblem(w.ask("", "GET", "/v1/presence/me", "", header), http.StatusUnauthorized, api.ProblemCodeInvalidToken)
}

func (w *world) wantBelieved(header string) {
	w.Helper()
	if r := w.ask("", "GET", "/v1/presence/me", "", header); r.status != http.StatusOK {
		w.Errorf("%d %s", r.status, r.body)
	}
}

func TestRevokedTokensAreRefusedAndLaterOnesAreNot(t *testing.T) {
	inWorld(t, func(w *world) {
		old := issued("ada", time.Now())
		w.wantBelieved(old)
		w.wantBelieved(issued("ada", nil))
		time.Sleep(time.Minute)
		w.revoke("ada", "")
		w.wantRefused(old)
		w.wantRefused(issued("ada", time.Now())) // of the same second
		for _, at := range []any{nil, "2026-11-22", true, -1, 1e300} {
			w.wantRefused(issued("ada", at))
		}
		w.wantBelieved(issued("bob", nil))
		w.wantBelieved(issued("ada", time.Now().Add(time.Second)))
		time.Sleep(time.Second)
		w.wantBelieved(issued("ada", time.Now()))
		s := w.watch("", "user=ada&errors=stream", old)
		if p := decodeEvent[api.Problem](s, s.next("problem")); p.Code != api.ProblemCodeInvalidToken || p.Final == nil || !*p.Final {
			w.Errorf("a stream with a revoked token: %+v", p)
		}
	})
}

func TestTokensBeforeAMomentAreRevoked(t *testing.T) {
	inWorld(t, func(w *world) {
		leak := time.Now().Truncate(time.Second)
		time.Sleep(time.Hour)
		w.revoke("ada", `{"before":"`+leak.Add(time.Minute).Format(time.RFC3339)+`"}`)
		w.wantRefused(issued("ada", leak.Add(59*time.Second)))
		w.wantBelieved(issued("ada", leak.Add(60*time.Second)))
		w.revoke("ada", `{"before":"`+leak.Format(time.RFC3339)+`"}`) // takes nothing back
		w.wantRefused(issued("ada", leak.Add(59*time.Second)))
		w.revoke("ada", `{}`)
		w.wantRefused(issued("ada", leak.Add(60*time.Second)))

		for _, before := range []string{"tomorrow", "", time.Now().Add(time.Minute).UTC().Format(time.RFC3339), time.Now().Add(-presence.RevocationKept).UTC().Format(time.RFC3339), "0001-01-01T00:00:00Z"} {
			w.wantInvalid(w.admin("POST", "users/ada/revoke", `{"before":"`+before+`"}`), "/before")
		}
		w.wantInvalid(w.admin("POST", "users/"+allEscaped("a\nb")+"/revoke", ""), "/userId")
		w.wantInvalid(w.admin("POST", "users/ada/revoke", `{"after":"2026-01-01T00:00:00Z"}`), "/after")
		w.wantProblem(w.ask("", "POST", "/v1/admin/users/ada/revoke", "{}", adminOf("backend"), "Content-Type: text/plain"), http.StatusUnsupportedMediaType, api.ProblemCodeUnsupportedMediaType)
	})
}

// As long as issuers' clocks may be ahead, a token may be older than it says.
func TestLeewayIsTakenOffTheTimeOfIssue(t *testing.T) {
	inWorld(t, func(w *world) {
		w.server.opts.Tokens = verifier(w, TokenConfig{Secret: worldSecret, Leeway: time.Minute})
		w.revoke("ada", "")
		w.wantRefused(issued("ada", time.Now().Add(30*time.Second)))
		w.wantBelieved(issued("ada", time.Now().Add(61*time.Second)))
	})
}

func TestOpenStreamsEndWithTheirTokens(t *testing.T) {
	inWorld(t, func(w *world) {
		old, undated := w.watch("", "user=bob", issued("ada", time.Now())), w.watch("", "user=bob", issued("ada", nil))
		fresh := w.watch("", "user=bob", issued("ada", time.Now().Add(time.Hour)))
		other := w.watch("", "user=ada", issued("bob", nil))
		for _, s := range []*watching{old, undated, fresh, other} {
			s.started()
		}
		time.Sleep(time.Second)
		start := time.Now()
		w.revoke("ada", "")
		for _, s := range []*watching{old, undated} {
			if e := decodeEvent[api.ReconnectEvent](s, s.next("reconnect")); e.Reason != api.ReconnectReasonTokenExpired {
				w.Errorf("reason %s", e.Reason)
			}
			if e, open := <-s.events; open {
				w.Errorf("the stream goes on: %+v", e)
			}
		}
		if took := time.Since(start); took > time.Second {
			w.Errorf("they ended after %v", took)
		}
		fresh.nothing(10 * time.Second)
		other.nothing(time.Second)
		if n := len(w.server.revoked.held["ada"]); n != 1 {
			w.Errorf("%d streams are held, want 1", n)
		}
		fresh.cancel()
		other.cancel()
		synctest.Wait()
		if n := len(w.server.revoked.held); n != 0 {
			w.Errorf("streams of %d users are held, want none", n)
		}
	})
}

// Another instance announces it; that is all that is heard of it here.
func TestRevocationByAnotherInstanceCountsHere(t *testing.T) {
	inWorld(t, func(w *world) {
		header := issued("ada", time.Now())
		s := w.watch("", "user=bob", header)
		s.started()
		time.Sleep(time.Second)
		if _, err := w.store.Revoke(w.Context(), presence.Revocation{User: "ada"}); err != nil {
			w.Fatal(err)
		}
		s.next("reconnect")
		w.wantRefused(header)
	})
}

func TestSubscriptionsEndWithTheTokensBehindThem(t *testing.T) {
	inWorld(t, func(w *world) {
		old, renewed := w.subscribe("", `{"users":["bob"]}`, issued("ada", time.Now())), w.subscribe("", `{"users":["bob"]}`, issued("ada", nil))
		bobs := w.subscribe("bob", `{"users":["ada"]}`)
		s, kept := w.watchAt("", old.StreamURL), w.watchAt("", renewed.StreamURL)
		s.started()
		kept.started()
		time.Sleep(time.Minute)
		longer := "Authorization: Bearer " + token("ada", map[string]any{"iat": time.Now().Add(time.Minute).Unix(), "exp": time.Now().Add(48 * time.Hour).Unix()})
		as[api.Subscription](w, w.ask("", "POST", "/v1/subscriptions/"+renewed.ID+"/renew", "", longer), http.StatusOK)
		w.revoke("ada", "")

		if p := decodeEvent[api.Problem](s, s.next("problem")); p.Code != api.ProblemCodeSubscriptionGone || p.Final == nil || !*p.Final {
			w.Errorf("the stream of its ticket: %+v", p)
		}
		w.wantProblem(w.ask("", "GET", old.StreamURL, ""), http.StatusGone, api.ProblemCodeSubscriptionGone)
		for _, op := range []struct{ method, path, body string }{
			{"GET", "", ""}, {"PATCH", "", `{"mode":"quiet"}`}, {"POST", "/renew", ""}, {"DELETE", "", ""},
		} {
			w.wantProblem(w.ask("", op.method, "/v1/subscriptions/"+old.ID+op.path, op.body, longer), http.StatusGone, api.ProblemCodeSubscriptionGone)
		}
		kept.nothing(5 * time.Second)
		w.watchAt("", renewed.StreamURL).started()
		w.watchAt("", bobs.StreamURL).started()
		if n := len(w.server.revoked.held["ada"]); n != 2 {
			w.Errorf("%d streams are held, want 2", n)
		}
	})
}

// forgetful is a store that does not answer about revocations, or has lost them.
type forgetful struct {
	*memstore.Store
	away, lost atomic.Bool
}

func (f *forgetful) Revocations(ctx context.Context) ([]presence.Revocation, error) {
	switch {
	case f.away.Load():
		return nil, errStoreAway
	case f.lost.Load():
		return nil, nil
	}
	return f.Store.Revocations(ctx)
}

func inForgetfulWorld(t *testing.T, story func(w *world, store *forgetful)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		store := &forgetful{Store: newStore()}
		story(newWorld(t, store), store)
	})
}

// An instance that has just started knows of no revocation yet: it believes nobody until it does.
func TestNobodyIsBelievedBeforeRevocationsAreRead(t *testing.T) {
	inForgetfulWorld(t, func(w *world, store *forgetful) {
		if _, err := store.Revoke(w.Context(), presence.Revocation{User: "ada"}); err != nil {
			w.Fatal(err)
		}
		store.away.Store(true)
		w.wantProblem(w.ask("ada", "GET", "/v1/presence/me", ""), http.StatusServiceUnavailable, api.ProblemCodeStoreUnavailable)
		w.wantProblem(w.ask("", "GET", "/v1/presence/me", "", "Authorization: Bearer x"), http.StatusUnauthorized, api.ProblemCodeInvalidToken)
		store.away.Store(false)
		w.wantRefused(issued("ada", time.Now().Add(-time.Minute)))
		w.wantBelieved(issued("bob", nil))
		store.away.Store(true) // it is asked once
		w.wantBelieved(issued("bob", nil))
	})
}

func TestRevocationsThatTheStoreHasLostArePutBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, emptied := &forgetful{Store: newStore()}, newStore()
		w := newWorld(t, store)
		w.revoke("ada", "")
		store.lost.Store(true)
		store.Store = emptied
		if err := w.server.readRevocations(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.wantRefused(issued("ada", nil))
		all, err := emptied.Revocations(t.Context())
		if err != nil || len(all) != 1 || all[0].User != "ada" {
			t.Errorf("the store has %+v, %v", all, err)
		}
	})
}

func TestRevocationsThatNothingNeedsAreForgotten(t *testing.T) {
	inForgetfulWorld(t, func(w *world, store *forgetful) {
		w.revoke("ada", "")
		w.revoke("bob", "")
		time.Sleep(presence.RevocationKept)
		w.revoke("bob", "")
		if err := w.server.readRevocations(w.Context()); err != nil {
			w.Fatal(err)
		}
		if n := len(w.server.revoked.before); n != 1 {
			w.Errorf("%d stand, want 1", n)
		}
	})
}

// What was missed on a lane is read again.
func TestRevocationThatWasMissedIsReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &deafOnce{Store: newStore()}
		w := newWorld(t, store)
		w.run()
		w.wantBelieved(issued("ada", nil))
		s := w.watch("", "user=bob", issued("ada", nil))
		s.started()
		store.deaf.Store(true)
		if _, err := store.Revoke(t.Context(), presence.Revocation{User: "ada"}); err != nil {
			t.Fatal(err)
		}
		s.nothing(10 * time.Second)
		w.server.feed.SubscriptionsMissed(0)
		s.next("reconnect")
		w.wantRefused(issued("ada", nil))
	})
}

// deafOnce tells nothing of revocations while it is deaf.
type deafOnce struct {
	*memstore.Store
	deaf atomic.Bool
}

func (d *deafOnce) Run(ctx context.Context, feed presence.Feed) error {
	return d.Store.Run(ctx, &deafened{feed, &d.deaf})
}

type deafened struct {
	presence.Feed
	deaf *atomic.Bool
}

func (d *deafened) Changed(c presence.Change) {
	if c.Revocation.User != "" && d.deaf.Load() {
		c.Revocation = presence.Revocation{}
	}
	d.Feed.Changed(c)
}
