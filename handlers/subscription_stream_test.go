package handlers

import (
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/presently/presently/api"
)

// follow opens the stream of a subscription as EventSource does: by its address alone.
func (w *world) follow(sub api.Subscription, headers ...string) *watching {
	w.Helper()
	return w.watchAt("", sub.StreamURL, headers...)
}

func (s *watching) snapshot(scope api.SnapshotScope) api.SnapshotEvent {
	s.Helper()
	snap := decodeEvent[api.SnapshotEvent](s, s.next("snapshot"))
	if snap.Scope != scope {
		s.Fatalf("scope %s, want %s: %+v", snap.Scope, scope, snap)
	}
	return snap
}

func TestATicketAloneOpensTheStreamOfItsSubscription(t *testing.T) {
	inWorld(t, func(w *world) {
		w.enter("ada", "ada-laptop", "lobby")
		sub := w.subscribe("cat", `{"users":["ben"],"rooms":["lobby"]}`)
		s := w.follow(sub)
		hello, snap, _ := s.started()
		if *hello.SubscriptionID != sub.ID || snap.Rooms["lobby"].Count != 1 || len(snap.Presences) != 1 {
			t.Fatalf("hello %+v, snapshot %+v", hello, snap)
		}
		w.beat("ben", "ben-laptop", "")
		if p := s.presence(); p.UserID != "ben" {
			t.Errorf("%+v", p)
		}
		again := w.follow(sub) // reusable over reconnects
		again.started()
		for _, path := range []string{"/v1/presence/ben?ticket=", "/v1/rooms/lobby/presence?ticket="} {
			if r := w.ask("", "GET", path+sub.Ticket, ""); r.status != http.StatusUnauthorized {
				t.Errorf("%s: %d", path, r.status)
			}
		}
	})
}

// Ten thousand of these wait at a time.
func TestNobodyWaitsForASubscriptionToChange(t *testing.T) {
	inWorld(t, func(w *world) {
		sub := w.subscribe("cat", `{"users":["dan"]}`)
		s := w.follow(sub)
		s.started()
		stacks := make([]byte, 1<<20)
		for _, users := range []string{"ben", "ada"} { // nor after it has changed
			w.change("cat", sub.ID, `{"addUsers":["`+users+`"]}`)
			s.snapshot(api.SnapshotScopeAdded)
			synctest.Wait()
			if all := string(stacks[:runtime.Stack(stacks, true)]); strings.Contains(all, "(*follower)") {
				t.Errorf("a goroutine follows: %s", all)
			}
		}
	})
}

func TestAChangeOfASubscriptionChangesItsOpenStream(t *testing.T) {
	inWorld(t, func(w *world) {
		w.enter("ada", "ada-laptop", "lobby")
		w.beat("ben", "ben-laptop", "")
		sub := w.subscribe("cat", `{"users":["dan"]}`)
		s := w.follow(sub)
		s.started()
		w.change("cat", sub.ID, `{"addUsers":["ben","ada"],"addRooms":["lobby"]}`)
		snap := s.snapshot(api.SnapshotScopeAdded)
		if got := memberNames(snap.Presences); strings.Join(got, " ") != "ada ben" || snap.Rooms["lobby"].Count != 1 || snap.Typing["lobby"] == nil {
			t.Fatalf("added %+v", snap)
		}
		w.ask("ben", "PUT", "/v1/presence/status", `{"status":"busy"}`)
		if p := s.presence(); p.UserID != "ben" || p.Status != api.StatusBusy {
			t.Errorf("%+v", p)
		}
		w.enter("ben", "ben-laptop", "lobby")
		s.wantRoom("ben", "", 2)
		// Taking away the user leaves the member, and the other way round.
		w.change("cat", sub.ID, `{"removeUsers":["ben"]}`)
		w.ask("ben", "PUT", "/v1/presence/status", `{"status":"dnd"}`)
		if p := s.presence(); p.Status != api.StatusDnd {
			t.Errorf("%+v", p)
		}
		w.change("cat", sub.ID, `{"removeRooms":["lobby"]}`)
		w.ask("ben", "PUT", "/v1/presence/status", `{"status":"online"}`)
		w.enter("eve", "eve-laptop", "lobby")
		s.nothing(2 * time.Second)
		w.ask("ada", "PUT", "/v1/presence/status", `{"status":"busy"}`)
		if p := s.presence(); p.UserID != "ada" {
			t.Errorf("%+v", p)
		}
		if n := w.server.board.Len(); n < 2 {
			t.Errorf("%d records", n)
		}
	})
}

func TestAQuietStreamSaysNothingAndCatchesUpOnce(t *testing.T) {
	inWorld(t, func(w *world) {
		w.enter("ada", "ada-laptop", "lobby")
		w.beat("ben", "ben-laptop", "")
		sub := w.subscribe("cat", `{"users":["ben","dan"],"rooms":["lobby"]}`)
		s := w.follow(sub)
		s.started()
		w.change("cat", sub.ID, `{"mode":"quiet"}`)
		synctest.Wait()
		for _, status := range []string{"busy", "dnd", "away"} {
			w.ask("ben", "PUT", "/v1/presence/status", `{"status":"`+status+`"}`)
			time.Sleep(time.Second)
		}
		w.enter("eve", "eve-laptop", "lobby")
		w.typeIn("eve", "eve-laptop", "lobby", `,"ttlMs":30000`)
		s.nothing(5 * time.Second)
		w.change("cat", sub.ID, `{"mode":"live"}`)
		snap := s.snapshot(api.SnapshotScopeChanged)
		if len(snap.Presences) != 1 || snap.Presences[0].Status != api.StatusAway {
			t.Errorf("presences %+v", snap.Presences)
		}
		if r := snap.Rooms["lobby"]; strings.Join(memberNames(r.Members), " ") != "ada eve" || r.Count != 2 {
			t.Errorf("room %+v", r)
		}
		if typing := snap.Typing["lobby"]; len(typing) != 1 || typing[0].UserID != "eve" {
			t.Errorf("typing %+v", typing)
		}
		s.nothing(2 * time.Second)
		w.ask("ben", "PUT", "/v1/presence/status", `{"status":"dnd"}`)
		s.presence()
	})
}

func TestASubscriptionMayBeQuietFromTheStart(t *testing.T) {
	inWorld(t, func(w *world) {
		sub := w.subscribe("cat", `{"users":["ben"],"mode":"quiet"}`)
		s := w.follow(sub)
		s.started()
		w.beat("ben", "ben-laptop", "")
		s.nothing(5 * time.Second)
		w.change("cat", sub.ID, `{"mode":"live"}`)
		if snap := s.snapshot(api.SnapshotScopeChanged); len(snap.Presences) != 1 {
			t.Errorf("%+v", snap)
		}
	})
}

func TestAStreamTellsOnlyTheEventsThatWereAskedFor(t *testing.T) {
	inWorld(t, func(w *world) {
		w.enter("ada", "ada-laptop", "lobby")
		only := map[string]*watching{}
		for _, kind := range []string{"presence", "room", "typing"} {
			s := w.follow(w.subscribe("cat", `{"users":["ada"],"rooms":["lobby"],"events":["`+kind+`"]}`))
			s.started()
			only[kind] = s
		}
		w.enter("ben", "ben-laptop", "lobby")
		w.ask("ada", "PUT", "/v1/presence/status", `{"status":"busy"}`)
		w.typeIn("ben", "ben-laptop", "lobby", "")
		only["presence"].presence()
		only["room"].wantRoom("ben", "", 2)
		only["typing"].typing()
		only["presence"].nothing(3 * time.Second)
		only["room"].nothing(3 * time.Second)
	})
}

func TestRenewingLetsTheOpenStreamLiveOn(t *testing.T) {
	inWorld(t, func(w *world) {
		sub := w.subscribe("cat", `{"users":["ben"]}`, holding("cat", 2*time.Minute))
		s := w.follow(sub)
		s.started()
		time.Sleep(61 * time.Second)
		s.next("tokenExpiring")
		w.onSubscription("cat", "POST", sub.ID, "/renew", "", holding("cat", time.Hour))
		time.Sleep(2 * time.Minute)
		w.beat("ben", "ben-laptop", "")
		if p := s.presence(); p.UserID != "ben" {
			t.Errorf("%+v", p)
		}
	})
}

func TestAStreamEndsWithItsSubscription(t *testing.T) {
	inWorld(t, func(w *world) {
		ended := w.subscribe("cat", `{"users":["ben"]}`)
		expired := w.subscribe("cat", `{"users":["ben"]}`, holding("cat", 30*time.Second))
		s, late := w.follow(ended), w.follow(expired)
		s.started()
		late.started()
		w.onSubscription("cat", "DELETE", ended.ID, "", "")
		p := decodeEvent[api.Problem](s, s.next("problem"))
		if p.Code != api.ProblemCodeSubscriptionGone || !*p.Final {
			t.Errorf("problem %+v", p)
		}
		late.next("tokenExpiring")
		if e := decodeEvent[api.ReconnectEvent](late, late.next("reconnect")); e.Reason != api.ReconnectReasonTokenExpired {
			t.Errorf("%+v", e)
		}
		time.Sleep(time.Second)
		for _, sub := range []api.Subscription{ended, expired} {
			w.wantProblem(w.ask("", "GET", sub.StreamURL, ""), http.StatusGone, api.ProblemCodeSubscriptionGone)
		}
	})
}

func TestAResumedSubscriptionIsToldWhatItMissedUnlessItsListIsAnother(t *testing.T) {
	inWorld(t, func(w *world) {
		w.beat("ben", "ben-laptop", "")
		time.Sleep(time.Second)
		sub := w.subscribe("cat", `{"users":["ben","dan"]}`)
		s := w.follow(sub)
		_, _, e := s.started()
		s.cancel()
		w.ask("ben", "PUT", "/v1/presence/status", `{"status":"busy"}`)
		again := w.follow(sub, "Last-Event-ID: "+e.id)
		again.next("hello")
		if snap := again.snapshot(api.SnapshotScopeChanged); !slices.Equal(memberNames(snap.Presences), []string{"ben"}) {
			t.Errorf("%+v", snap)
		}
		again.cancel()
		w.change("cat", sub.ID, `{"addUsers":["eve"]}`)
		third := w.follow(sub, "Last-Event-ID: "+e.id)
		third.next("hello")
		if snap := third.snapshot(api.SnapshotScopeAll); len(snap.Presences) != 3 {
			t.Errorf("%+v", snap)
		}
	})
}
