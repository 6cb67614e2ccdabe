package e2e

import (
	"net/http"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/presently/presently/api"
	"github.com/presently/presently/internal/redistest"
)

// Somebody has lost his laptop: a backend says so to one instance, and what was opened with its tokens ends at the other, too.
func TestRevokedTokensEndEverywhere(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	a, b := startPair(t, redis.URL())
	ada := b.as("ada")
	ada.beat("session-1")
	byToken := ada.watch("bob")
	sub := decode[api.Subscription](t, ada.must("POST", "/v1/subscriptions", `{"users":["bob"]}`).body)
	nobody := &person{at: b}
	byTicket := nobody.openAt(sub.StreamURL, "")
	byTicket.snapshot()
	bob := b.as("bob").watch("ada")

	admin := &person{at: a, user: "backend", token: signClaims(t, "backend", time.Hour, jwt.MapClaims{"scope": "presence:admin"})}
	sent := time.Now()
	admin.must("POST", "/v1/admin/users/ada/revoke", "")
	byToken.await("reconnect")
	byTicket.await("problem")
	took := time.Since(sent)
	t.Logf("both streams at the other instance ended after %v", took)

	for _, at := range []*instance{a, b} {
		ask := func(p *person, method, path string) int {
			r, err := p.ask(soon(t), method, path, "")
			if err != nil {
				t.Fatal(err)
			}
			return r.status
		}
		if got := ask(&person{at: at, token: ada.token}, "GET", "/v1/presence/me"); got != http.StatusUnauthorized {
			t.Errorf("her token at %s: %d", at.url, got)
		}
		if got := ask(&person{at: at}, "GET", sub.StreamURL); got != http.StatusGone {
			t.Errorf("her ticket at %s: %d", at.url, got)
		}
		later := signClaims(t, "ada", time.Hour, jwt.MapClaims{"iat": time.Now().Add(time.Second).Unix()})
		if got := ask(&person{at: at, token: later}, "GET", "/v1/presence/me"); got != http.StatusOK {
			t.Errorf("a later token at %s: %d", at.url, got)
		}
	}

	// An instance that starts later knows it, too. and so does the Redis that all of them share, after it has lost everything.
	later := start(t, "PRESENTLY_REDIS_URL="+redis.URL(), "PRESENTLY_JWT_SECRET="+secret)
	if r, err := (&person{at: later, token: ada.token}).ask(soon(t), "GET", "/v1/presence/me", ""); err != nil || r.status != http.StatusUnauthorized {
		t.Errorf("her token at an instance that has just started: %d, %v", r.status, err)
	}
	bob.cancel()
}
