package handlers

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/presently/presently/api"
)

func TestAStreamTellsHowSomebodyComesGetsBusyAndGoes(t *testing.T) {
	inWorld(t, func(w *world) {
		s := w.watch("bob", "user=ada")
		hello, snap, last := s.started()
		if hello.Resumed || hello.PingMs != 30000 || last.id == "" {
			w.Fatalf("hello %+v, last %+v", hello, last)
		}
		if len(snap.Presences) != 1 || snap.Presences[0].Status != api.StatusOffline || snap.Scope != api.SnapshotScopeAll {
			w.Fatalf("snapshot %+v", snap)
		}
		time.Sleep(time.Second) // the snapshot was a flush, too
		began := time.Now()
		answer := w.beat("ada", "session-1", `,"device":"web"`)
		e := s.next("presence")
		p := decodeEvent[api.PresenceEvent](s, e).Presences[0]
		if p.Status != api.StatusOnline || e.at.Sub(began) > 0 || e.id == "" || p.Rev <= snap.Presences[0].Rev {
			w.Fatalf("%+v after %s: %+v", e, e.at.Sub(began), p)
		}
		w.ask("ada", "PUT", "/v1/presence/status", `{"status":"dnd"}`)
		if p := s.presence(); p.Status != api.StatusDnd || p.Notify {
			w.Fatalf("%+v", p)
		}
		w.ask("ada", "DELETE", "/v1/presence/status", "")
		if p := s.presence(); p.Status != api.StatusOnline {
			w.Fatalf("%+v", p)
		}
		w.ask("", "POST", "/v1/presence/leave", `{"leaveToken":"`+answer.LeaveToken+`"}`)
		s.nothing(9 * time.Second)
		if p := s.presence(); p.Status != api.StatusOffline {
			w.Fatalf("%+v", p)
		}
	})
}

func TestSilenceIsToldOnceWithinASecondOfTheDeadline(t *testing.T) {
	inWorld(t, func(w *world) {
		s := w.watch("bob", "user=ada")
		s.started()
		beaten := time.Now()
		w.beat("ada", "session-1", "")
		s.presence()
		s.nothing(worldPolicy.TTL - time.Second)
		e := s.next("presence")
		if late := e.at.Sub(beaten.Add(worldPolicy.TTL)); late < 0 || late > time.Second {
			w.Fatalf("told %s after the deadline", late)
		}
		s.nothing(5 * time.Minute)
	})
}

func TestLeavingAndComingBackWithinGraceSendsNobodyAByte(t *testing.T) {
	inWorld(t, func(w *world) {
		s := w.watch("bob", "user=ada")
		s.started()
		answer := w.beat("ada", "session-1", "")
		s.presence()
		for range 3 {
			w.ask("", "POST", "/v1/presence/leave", answer.LeaveToken, "Content-Type: text/plain")
			s.nothing(5 * time.Second)
			w.beat("ada", "session-1", "")
		}
		s.nothing(time.Minute)
	})
}

func TestAStatusThatGoesThereAndBackWithinAFlushIsNotSent(t *testing.T) {
	inWorld(t, func(w *world) {
		s := w.watch("bob", "user=ada&user=eve")
		s.started()
		w.beat("ada", "session-1", "")
		s.presence()
		w.beat("eve", "session-1", "") // waits for the flush with what follows
		w.beat("ada", "session-1", `,"state":"busy"`)
		w.beat("ada", "session-1", "")
		if p := s.presence(); p.UserID != "eve" {
			w.Fatalf("%+v", p)
		}
		s.nothing(time.Second)
	})
}

func TestAStreamGoesOnFromItsLastID(t *testing.T) {
	inWorld(t, func(w *world) {
		w.beat("ada", "session-1", "")
		time.Sleep(time.Second) // past the next beacon: an id promises no more than that
		s := w.watch("bob", "user=ada&user=eve")
		_, _, last := s.started()
		s.cancel()

		again := w.watch("bob", "user=eve&user=ada", "Last-Event-ID: "+last.id)
		if hello := decodeEvent[api.HelloEvent](again, again.next("hello")); !hello.Resumed {
			w.Fatalf("%+v", hello)
		}
		again.nothing(2 * time.Second)
		again.cancel()

		w.beat("eve", "session-1", "")
		third := w.watch("bob", "user=ada&user=eve&lastEventId="+last.id)
		hello, snap, _ := third.started()
		if !hello.Resumed || snap.Scope != api.SnapshotScopeChanged || len(snap.Presences) != 1 || snap.Presences[0].UserID != "eve" {
			w.Fatalf("%+v %+v", hello, snap)
		}
		for name, other := range map[string]*watching{
			"another viewer":   w.watch("ada", "user=ada&user=eve", "Last-Event-ID: "+last.id),
			"another list":     w.watch("bob", "user=ada", "Last-Event-ID: "+last.id),
			"an unreadable id": w.watch("bob", "user=ada&user=eve", "Last-Event-ID: nonsense"),
		} {
			if hello, snap, _ := other.started(); hello.Resumed || snap.Scope != api.SnapshotScopeAll {
				w.Errorf("%s: %+v %+v", name, hello, snap)
			}
		}
	})
}

func TestAStreamEndsWithItsToken(t *testing.T) {
	inWorld(t, func(w *world) {
		ends := time.Now().Add(3 * time.Minute).Truncate(time.Second)
		s := w.watch("", "user=ada", "Authorization: Bearer "+token("bob", map[string]any{"exp": ends.Unix()}))
		s.started()
		time.Sleep(2 * time.Minute)
		if e := s.next("tokenExpiring"); !e.at.Equal(ends.Add(-time.Minute)) {
			w.Fatalf("%s before the end", ends.Sub(e.at))
		}
		time.Sleep(50 * time.Second)
		e := s.next("reconnect")
		if got := decodeEvent[api.ReconnectEvent](s, e); got.Reason != api.ReconnectReasonTokenExpired || !e.at.Equal(ends) || e.retry == "" {
			w.Fatalf("%+v %+v", e, got)
		}
		if _, open := <-s.events; open {
			w.Fatal("the stream goes on")
		}
	})
}

// A balancer that asks every few seconds is told not to send anything here any more before there is nobody to send it to.
func TestAnInstanceThatLeavesAnswersUntilThatWasNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newStore()
		o := worldOptions(t, store)
		o.Notice = 5 * time.Second
		w := newWorldOf(t, New(o), store)
		w.run()
		began := time.Now()
		drained := make(chan error, 1)
		go func() { drained <- w.server.Drain(w.Context()) }()
		time.Sleep(o.Notice - time.Millisecond)
		select {
		case err := <-drained:
			w.Fatalf("gone after %v: %v", time.Since(began), err)
		default:
		}
		w.wantProblem(w.ask("", "GET", "/readyz", ""), http.StatusServiceUnavailable, api.ProblemCodeDraining)
		w.beat("ada", "session-1", "")
		if err := <-drained; err != nil || time.Since(began) != o.Notice {
			w.Fatalf("gone after %v: %v", time.Since(began), err)
		}
	})
}

func TestDrainingEndsStreamsEvenlyAndTellsNobodyOffline(t *testing.T) {
	inWorld(t, func(w *world) {
		w.beat("ada", "session-1", "")
		var open []*watching
		for _, user := range []string{"a", "b", "c", "d", "e"} {
			s := w.watch(user, "user=ada")
			s.started()
			open = append(open, s)
		}
		began := time.Now()
		drained := make(chan error, 1)
		go func() { drained <- w.server.Drain(w.Context()) }()
		ends := map[time.Duration]bool{}
		for _, s := range open {
			e := s.next("reconnect")
			ends[e.at.Sub(began).Round(time.Second)] = true
			if got := decodeEvent[api.ReconnectEvent](s, e); got.Reason != api.ReconnectReasonDrain {
				w.Fatalf("%+v", got)
			}
		}
		if len(ends) != 5 || !ends[0] {
			w.Fatalf("streams ended after %v", ends)
		}
		w.wantProblem(w.ask("bob", "GET", "/v1/stream?user=ada", ""), http.StatusServiceUnavailable, api.ProblemCodeDraining)
		w.wantProblem(w.ask("", "GET", "/readyz", ""), http.StatusServiceUnavailable, api.ProblemCodeDraining)
		if err := <-drained; err != nil {
			w.Fatal(err)
		}
		if p := w.see("bob", "ada"); p.Status != api.StatusOnline {
			w.Fatalf("%+v", p)
		}
	})
}
