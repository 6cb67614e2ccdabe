package handlers

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/presently/presently/api"
)

func (w *world) say(user, custom string) api.Presence {
	w.Helper()
	return as[api.Presence](w, w.ask(user, "PUT", "/v1/presence/custom", custom), http.StatusOK)
}

// custom is what a presence says in words, an emoji and an expiry.
func custom(p api.Presence) string {
	if p.Custom == nil {
		return ""
	}
	return strings.Join([]string{p.Custom.Text, orZero(p.Custom.Emoji), orZero(p.Custom.ExpiresAt)}, "|")
}

func TestACustomStatusIsShownToAllUntilItIsReplacedOrCleared(t *testing.T) {
	inWorld(t, func(w *world) {
		w.beat("ada", "session-1", "")
		for _, test := range []struct{ custom, want string }{
			{`{"text":"Standup","emoji":"☕"}`, "Standup|☕|"},
			{`{"text":"Writing"}`, "Writing||"},
			{`{"text":"","emoji":"🎧"}`, "|🎧|"},
			{`{"text":"` + strings.Repeat("🙂", 100) + `"}`, strings.Repeat("🙂", 100) + "||"},
			{`{"text":"x","emoji":"` + strings.Repeat("ä", 32) + `"}`, "x|" + strings.Repeat("ä", 32) + "|"},
			{`{"text":"<b>\"\\ \u2028\u2029\u202e\u00a0</b>"}`, "<b>\"\\ \u2028\u2029\u202e\u00a0</b>||"},
			{`{"text":"👩‍👩‍👧‍👦","emoji":":coffee:","expiresInMs":0}`, "👩‍👩‍👧‍👦|:coffee:|"},
		} {
			told := w.say("ada", test.custom)
			a := w.beat("ada", "session-1", "") // which changes nothing of it
			for _, p := range []api.Presence{told, a.Presence, w.see("ada", "ada"), w.see("eve", "ada")} {
				if got := custom(p); got != test.want {
					w.Errorf("%s: shown %q, want %q", test.custom, got, test.want)
				}
			}
		}
		for range 2 {
			p := as[api.Presence](w, w.ask("ada", "DELETE", "/v1/presence/custom", ""), http.StatusOK)
			if p.Custom != nil || w.see("eve", "ada").Custom != nil {
				w.Errorf("cleared: %+v", p)
			}
		}
	})
}

func TestACustomStatusOutlivesTheSessionAndIsShownOnlyWhileNotOffline(t *testing.T) {
	inWorld(t, func(w *world) {
		if p := w.say("ada", `{"text":"On holiday"}`); p.Status != api.StatusOffline || p.Custom != nil {
			w.Errorf("without a session: %+v", p)
		}
		for _, session := range []string{"session-1", "session-2"} {
			w.beat("ada", session, "")
			if got := custom(w.see("eve", "ada")); got != "On holiday||" {
				w.Errorf("online: %q", got)
			}
			w.choose("ada", `{"status":"invisible"}`)
			if p, self := w.see("eve", "ada"), w.see("ada", "ada"); p.Custom != nil || custom(self) != "On holiday||" {
				w.Errorf("hidden: %+v; to herself %+v", p, self)
			}
			w.ask("ada", "DELETE", "/v1/presence/status", "")
			w.ask("ada", "DELETE", "/v1/presence/me/sessions/"+session, "")
			if p, self := w.see("eve", "ada"), w.see("ada", "ada"); p.Custom != nil || self.Custom != nil {
				w.Errorf("gone: %+v; to herself %+v", p, self)
			}
		}
	})
}

// The end comes by the clock alone, and is told on streams at that moment.
func TestTheEndOfACustomStatusIsTold(t *testing.T) {
	inWorld(t, func(w *world) {
		w.beat("ada", "session-1", "")
		s := w.watch("bob", "user=ada")
		s.started()
		time.Sleep(time.Second)
		ends := time.Now().Add(50 * time.Second)
		w.say("ada", `{"text":"Standup","expiresAt":"`+ends.Format(time.RFC3339Nano)+`"}`)
		if got, want := custom(s.presence()), "Standup||"+formatTime(ends); got != want {
			w.Fatalf("told %q, want %q", got, want)
		}
		e := s.next("presence")
		p := decodeEvent[api.PresenceEvent](s, e).Presences[0]
		if late := e.at.Sub(ends); p.Custom != nil || late < 0 || late > time.Second {
			w.Fatalf("%s after the end: %+v", late, p)
		}
		if p := w.see("ada", "ada"); p.Custom != nil {
			w.Fatalf("%+v", p)
		}
	})
}

func TestACustomStatusKeepsForAsLongAsItWasToldTo(t *testing.T) {
	inStillWorld(t, func(w *world) {
		w.beat("ada", "session-1", "")
		if p := w.say("ada", `{"text":"x","expiresInMs":31536000000}`); custom(p) != "x||"+formatTime(time.Now().Add(365*24*time.Hour)) {
			w.Errorf("for a year: %+v", p.Custom)
		}
		if p := w.say("ada", `{"text":"x"}`); custom(p) != "x||" {
			w.Errorf("without an expiry after one with: %+v", p.Custom)
		}
		time.Sleep(1000 * 24 * time.Hour)
		if got := custom(w.see("eve", "ada")); got != "x||" {
			w.Errorf("after 1000 days: %q", got)
		}
	})
}

func TestACustomStatusThatCannotBeIsRefused(t *testing.T) {
	inWorld(t, func(w *world) {
		w.beat("ada", "session-1", "")
		w.say("ada", `{"text":"before"}`)
		for _, test := range []struct{ custom, pointer string }{
			{`{}`, "/text"},
			{`{"emoji":"☕"}`, "/text"},
			{`{"text":""}`, "/text"},
			{`{"text":null,"emoji":"☕"}`, "/text"},
			{`{"text":1}`, "/text"},
			{`{"text":"` + strings.Repeat("x", 101) + `"}`, "/text"},
			{`{"text":"` + strings.Repeat("🙂", 101) + `"}`, "/text"},
			{`{"text":"a\nb"}`, "/text"},
			{`{"text":"\u0000"}`, "/text"},
			{`{"text":"\u007f"}`, "/text"},
			{`{"text":"a\u0085b"}`, "/text"},
			{`{"text":"\t"}`, "/text"},
			{`{"text":"x","emoji":""}`, "/emoji"},
			{`{"text":"x","emoji":"` + strings.Repeat("🙂", 33) + `"}`, "/emoji"},
			{`{"text":"x","emoji":"\u001b"}`, "/emoji"},
			{`{"text":"x","expiresInMs":-1}`, "/expiresInMs"},
			{`{"text":"x","expiresInMs":31536000001}`, "/expiresInMs"},
			{`{"text":"x","expiresInMs":1,"expiresAt":"2000-01-02T00:00:00Z"}`, "/expiresInMs"},
			{`{"text":"x","expiresAt":"1999-01-02T00:00:00Z"}`, "/expiresAt"},
			{`{"text":"x","expiresAt":"tomorrow"}`, "/expiresAt"},
			{`{"text":"x","color":"red"}`, "/color"},
			{`{"text":"x","userId":"bob"}`, "/userId"},
		} {
			w.wantInvalid(w.ask("ada", "PUT", "/v1/presence/custom", test.custom), test.pointer)
		}
		w.wantProblem(w.ask("ada", "PUT", "/v1/presence/custom", `{"text":"\ud83d"}`), http.StatusBadRequest, api.ProblemCodeMalformedJSON)
		w.wantProblem(w.ask("ada", "PUT", "/v1/presence/custom", "{\"text\":\"\xff\"}"), http.StatusBadRequest, api.ProblemCodeMalformedJSON)
		if got := custom(w.see("ada", "ada")); got != "before||" {
			w.Errorf("a refused one has changed something: %q", got)
		}
	})
}
