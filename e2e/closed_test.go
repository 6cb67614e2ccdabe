package e2e

import (
	"testing"

	"github.com/presently/presently/internal/redistest"
)

// All that knew people's settings is gone: Redis is empty, and every instance is new. Where that closes, nobody is shown who wanted to be hidden, and
// nobody else either, until he says what he wants.
func TestAfterLostDataNobodyIsShownUntilHeWritesASetting(t *testing.T) {
	for mode, closed := range map[string]bool{"closed": true, "open": false} {
		t.Run(mode, func(t *testing.T) {
			redis := redistest.Start(t)
			settings := []string{"PRESENTLY_AFTER_LOSS=" + mode, "PRESENTLY_TTL=4s", "PRESENTLY_SWEEP=100ms"}
			a, b := startPair(t, redis.URL(), settings...)
			for _, user := range []string{"ada", "ben"} {
				a.as(user).enter("session-1", "hall")
			}
			a.as("ada").must("PUT", privacyPath, privacy("nobody"))
			a.as("ben").must("PUT", privacyPath, privacy("everyone"))
			if got := b.as("eve").see("ada").Status + b.as("eve").see("ben").Status; got != "offlineonline" {
				t.Fatalf("before the loss ada and ben are %s", got)
			}
			a.kill()
			b.kill()
			if err := redis.Client(t).FlushAll(t.Context()).Err(); err != nil {
				t.Fatal(err)
			}
			a, b = startPair(t, redis.URL(), settings...)
			for _, user := range []string{"ada", "ben"} {
				a.as(user).enter("session-1", "hall")
				if got := a.as(user).see(user).Status; got != "online" {
					t.Errorf("%s sees himself %s", user, got)
				}
			}
			eve := b.as("eve").watchThat("user=ada&user=ben&room=hall")
			if !closed {
				if got := eve.in("ada").Status + eve.in("ben").Status; got != "onlineonline" {
					t.Errorf("ada and ben are %s, although a loss opens", got)
				}
				return
			}
			for _, user := range []string{"ada", "ben"} {
				if p := eve.in(user); p.Status != "offline" || p.Profile != nil || p.LastSeenAt != nil {
					t.Errorf("eve is shown %s", show(p))
				}
				if p := b.as("eve").see(user); p.Status != "offline" {
					t.Errorf("eve sees %s", show(p))
				}
				b.as("eve").finds("hall", 0)
			}
			b.as("ben").must("PUT", privacyPath, privacy("everyone"))
			eve.moved("ben", "", 1)
			eve.told("ben", "online")
			b.as("eve").finds("hall", 1, "ben")
			a.as("ada").must("PUT", "/v1/contacts/ben", "")
			eve.moved("ada", "", 2)
			eve.told("ada", "online")
			a.as("ada").must("PUT", privacyPath, privacy("nobody"))
			eve.moved("", "ada", 1)
			eve.told("ada", "offline")
		})
	}
}
