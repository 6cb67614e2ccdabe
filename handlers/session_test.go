package handlers

import (
	"net/http"
	"testing"
	"time"

	"github.com/presently/presently/api"
)

func TestSessionsAreListedWithTheirDeadlinesOldestFirst(t *testing.T) {
	inWorld(t, func(w *world) {
		if got := w.sessions("ada"); got == nil || len(got) != 0 {
			w.Fatalf("%v, want an empty list", got)
		}
		start := time.Now()
		w.beat("ada", "zzzzzzzz", `,"device":"web","seq":1`)
		time.Sleep(10 * time.Second)
		left := w.beat("ada", "mmmmmmmm", `,"state":"away","visibility":"hidden"`).LeaveToken
		time.Sleep(10 * time.Second)
		w.beat("ada", "aaaaaaaa", "")
		w.beat("eve", "eeeeeeee", "")
		time.Sleep(10 * time.Second)
		w.beat("ada", "zzzzzzzz", `,"seq":2`)
		w.ask("", "POST", "/v1/presence/leave", left, "Content-Type: text/plain")
		at := func(s int) string { return formatTime(start.Add(time.Duration(s) * time.Second)) }
		want := []api.Session{
			{SessionID: "zzzzzzzz", Device: new("web"), State: "online", Visibility: "visible", Seq: new(int64(2)), StartedAt: at(0), LastBeatAt: at(30), Deadline: at(120)},
			{SessionID: "mmmmmmmm", State: "away", Visibility: "hidden", Left: true, StartedAt: at(10), LastBeatAt: at(10), Deadline: at(40)},
			{SessionID: "aaaaaaaa", State: "online", Visibility: "visible", StartedAt: at(20), LastBeatAt: at(20), Deadline: at(110)},
		}
		if got := string(encode(w.sessions("ada"))); got != string(encode(want)) {
			w.Fatalf("sessions\n%s, want\n%s", got, encode(want))
		}
	})
}

func TestEndingASessionNeedsNoGraceAndSparesTheOthers(t *testing.T) {
	inWorld(t, func(w *world) {
		w.beat("ada", "session-1", `,"device":"web"`)
		w.beat("ada", "session-2", `,"device":"mobile"`)
		w.beat("eve", "session-1", "")
		s := w.watch("bob", "user=ada")
		s.started()
		end := func(session string) reply { return w.ask("ada", "DELETE", "/v1/presence/me/sessions/"+session, "") }
		if r := end("session-1"); r.status != http.StatusNoContent {
			w.Fatalf("%d %s", r.status, r.body)
		}
		if p := w.see("ada", "ada"); len(p.Devices) != 1 || p.Status != api.StatusOnline {
			w.Fatalf("%+v", p)
		}
		s.nothing(time.Second) // two or one: she is online
		end("session-2")
		if p := w.see("bob", "ada"); p.Status != api.StatusOffline {
			w.Fatalf("%+v", p)
		}
		if p := s.presence(); p.Status != api.StatusOffline {
			w.Fatalf("%+v", p)
		}
		if r := end("session-2"); r.status != http.StatusNoContent {
			w.Fatalf("a session that has ended: %d %s", r.status, r.body)
		}
		if p := w.see("bob", "eve"); p.Status != api.StatusOnline {
			w.Fatalf("another user's session of the same name: %+v", p)
		}
	})
}

func TestEndingASessionWantsAnIDThatCanBe(t *testing.T) {
	inWorld(t, func(w *world) {
		for _, id := range []string{"short", "with%20space", "with%2Fslash", "12345678%00", "%C3%A4%C3%B6%C3%BC%C3%9F%C3%A4%C3%B6%C3%BC%C3%9F", "12345678901234567890123456789012345678901234567890123456789012345"} {
			w.wantInvalid(w.ask("ada", "DELETE", "/v1/presence/me/sessions/"+id, ""), "/sessionId")
		}
	})
}
