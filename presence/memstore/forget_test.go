package memstore

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/presently/presently/presence"
)

// onItsClock runs f with a store that sweeps and forgets on virtual time.
func onItsClock(t *testing.T, f func(t *testing.T, s *Store)) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{TTL: 10 * time.Minute, Sweep: time.Second})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.Run(ctx, deaf{}) }()
		synctest.Wait()
		f(t, s)
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

func beat(t *testing.T, s *Store, user string, rooms ...string) {
	t.Helper()
	b := presence.Beat{User: user, Session: "session-1", State: presence.Online, TTL: 10 * time.Minute, MaxLive: 1, Rooms: &rooms}
	if _, err := s.Beat(t.Context(), b); err != nil {
		t.Fatal(err)
	}
}

func gone(t *testing.T, s *Store, room string) string {
	t.Helper()
	x, err := s.Room(t.Context(), presence.RoomQuery{Room: room, Since: 1})
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(x.Gone)
}

func TestWhoHasGoneIsForgottenAfterAWhile(t *testing.T) {
	onItsClock(t, func(t *testing.T, s *Store) {
		for _, user := range []string{"ada", "bob"} {
			beat(t, s, user, "lobby")
		}
		beat(t, s, "ada")
		time.Sleep(5 * time.Minute)
		beat(t, s, "bob")
		time.Sleep(presence.GoneKept - 6*time.Minute)
		if got := gone(t, s, "lobby"); got != "[ada bob]" {
			t.Errorf("just before, %s have gone", got)
		}
		time.Sleep(2 * time.Minute)
		if got := gone(t, s, "lobby"); got != "[bob]" {
			t.Errorf("just after the first, %s have gone", got)
		}
		time.Sleep(5 * time.Minute)
		if got := gone(t, s, "lobby"); got != "[]" {
			t.Errorf("after the last, %s have gone", got)
		}
	})
}

// The attack: to join ever new rooms, each of which would stay in memory.
func TestRoomsThatNobodyIsInAreForgotten(t *testing.T) {
	onItsClock(t, func(t *testing.T, s *Store) {
		for i := range 100 {
			beat(t, s, "ada", fmt.Sprint("room-", i))
		}
		if err := s.End(t.Context(), "ada", "session-1"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(presence.GoneKept + purgeEvery)
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.rooms) != 0 {
			t.Errorf("%d rooms are kept", len(s.rooms))
		}
	})
}

func TestASubscriptionIsForgottenADayAfterItsEnd(t *testing.T) {
	onItsClock(t, func(t *testing.T, s *Store) {
		sub := presence.Subscription{ID: "s-1", User: "ada", Expires: time.Now().Add(time.Hour)}
		if _, err := s.PutSubscription(t.Context(), sub); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour + presence.SubscriptionKept - time.Minute)
		if _, err := s.Subscription(t.Context(), "s-1"); err != nil {
			t.Errorf("a minute before: %v", err)
		}
		time.Sleep(2 * time.Minute)
		if got, err := s.Subscription(t.Context(), "s-1"); err != presence.ErrNoSubscription { //nolint:errorlint // as it is
			t.Errorf("a minute after: %+v, %v", got, err)
		}
		time.Sleep(purgeEvery)
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.subscriptions) != 0 {
			t.Errorf("%d subscriptions are kept", len(s.subscriptions))
		}
	})
}

// A caller that changes its copy of a subscription, as it does before it puts it again, changed ours.
func TestASubscriptionSharesNothingWithItsCallers(t *testing.T) {
	s := New(Options{})
	sub := presence.Subscription{ID: "s-1", Users: []string{"ada", "bob"}, Rooms: []string{"lobby"}, Events: []string{"room"}, Grants: []string{"*"}, Expires: time.Now().Add(time.Hour)}
	if _, err := s.PutSubscription(t.Context(), sub); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		for _, list := range [][]string{sub.Users, sub.Rooms, sub.Events, sub.Grants} {
			list[0] = "changed"
		}
		var err error
		if sub, err = s.Subscription(t.Context(), "s-1"); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(sub.Users, sub.Rooms, sub.Events, sub.Grants); got != "[ada bob] [lobby] [room] [*]" {
			t.Errorf("stored %s", got)
		}
	}
}
