package handlers

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/presently/presently/api"
)

// admin asks as a backend whose token grants nothing but that.
func (w *world) admin(method, path, body string) reply {
	w.Helper()
	return w.ask("", method, "/v1/admin/"+path, body, adminOf("backend"))
}

func (w *world) set(user, beat string) api.Presence {
	w.Helper()
	return as[api.Presence](w, w.admin("PUT", "presence/"+user, beat), http.StatusOK)
}

func TestAUserWhoIsForcedOutIsGoneAtOnceOnAllDevices(t *testing.T) {
	inWorld(t, func(w *world) {
		for _, session := range []string{"session-1", "session-2", "session-3"} {
			w.beat("ada", session, "")
		}
		w.beat("ben", "session-1", "")
		s := w.watch("eve", "user=ada")
		s.started()
		for range 2 {
			if r := w.admin("DELETE", "users/ada/sessions", ""); r.status != http.StatusNoContent || len(r.body) > 0 {
				w.Fatalf("%d %s", r.status, r.body)
			}
		}
		if p := s.presence(); p.Status != api.StatusOffline || len(w.sessions("ada")) > 0 {
			w.Errorf("%+v", p)
		}
		if p := w.see("eve", "ben"); p.Status != api.StatusOnline {
			w.Errorf("another user: %+v", p)
		}
		if p := w.beat("ada", "session-1", "").Presence; p.Status != api.StatusOnline {
			w.Errorf("it is no ban: %+v", p)
		}
		w.wantInvalid(w.admin("DELETE", "users/"+allEscaped("a\nb")+"/sessions", ""), "/userId")
	})
}

func TestABackendBeatsForWhoHasNoClient(t *testing.T) {
	inWorld(t, func(w *world) {
		p := w.set("bot", `{"state":"busy","device":"rack","ttlMs":600000,"profile":{"name":"Build bot","avatar":"https://example.org/b.png"},
			"activity":{"type":"custom","label":"Building main","ttlMs":300000},"custom":{"text":"At work","emoji":"🤖","expiresInMs":400000}}`)
		if p.UserID != "bot" || p.Status != api.StatusBusy || p.Devices["rack"] != api.SessionStateBusy || activity(p) != "custom||Building main" || !strings.HasPrefix(custom(p), "At work|🤖|") {
			w.Errorf("%s", encode(p))
		}
		if p := w.see("eve", "bot"); p.Status != api.StatusBusy || *p.Profile.Name != "Build bot" || p.Devices != nil {
			w.Errorf("a stranger sees %s", encode(p))
		}
		time.Sleep(310 * time.Second)
		if p := w.see("bot", "bot"); p.Status != api.StatusBusy || p.Activity != nil || p.Custom == nil {
			w.Errorf("after the activity: %s", encode(p))
		}
		time.Sleep(285 * time.Second)
		if p := w.see("bot", "bot"); p.Status != api.StatusBusy || p.Custom != nil {
			w.Errorf("just before the end: %s", encode(p))
		}
		time.Sleep(7 * time.Second)
		if p := w.see("bot", "bot"); p.Status != api.StatusOffline {
			w.Errorf("after the end: %s", encode(p))
		}
		if p := w.set("bot", `{}`); p.Status != api.StatusOnline || *p.Profile.Name != "Build bot" {
			w.Errorf("in short: %s", encode(p))
		}
		if got := w.sessions("bot"); len(got) != 1 || got[0].SessionID != "set-by-backend" || got[0].Device != nil {
			w.Errorf("%+v", got)
		}
		time.Sleep(worldPolicy.TTL + time.Second)
		if p := w.see("bot", "bot"); p.Status != api.StatusOffline {
			w.Errorf("a TTL later: %s", encode(p))
		}
	})
}

func TestABackendsBeatIsOneOfTheUsersSessions(t *testing.T) {
	inWorld(t, func(w *world) {
		w.beat("ada", "session-1", `,"device":"web"`)
		w.say("ada", `{"text":"Standup"}`)
		if p := w.set("ada", `{"sessionId":"desk-phone","device":"phone","state":"dnd"}`); p.Status != api.StatusDnd || len(p.Devices) != 2 || *p.Profile.Name != "ADA" || custom(p) != "Standup||" {
			w.Errorf("%s", encode(p))
		}
		if p := w.set("ada", `{"sessionId":"desk-phone","state":"idle"}`); p.Status != api.StatusOnline || p.Devices["phone"] != api.SessionStateAway {
			w.Errorf("idle: %s", encode(p))
		}
		w.choose("ada", `{"status":"invisible"}`)
		if p := w.set("ada", `{}`); p.Status != api.StatusInvisible || w.see("eve", "ada").Status != api.StatusOffline {
			w.Errorf("what she chose counts as ever: %s", encode(p))
		}
		for i := range worldPolicy.Sessions - 3 {
			w.set("ada", `{"sessionId":"session-`+strings.Repeat("x", i+1)+`"}`)
		}
		w.wantProblem(w.admin("PUT", "presence/ada", `{"sessionId":"one-too-many"}`), http.StatusTooManyRequests, api.ProblemCodeTooManySessions)
	})
}

func TestABackendsBeatThatCannotBeIsRefused(t *testing.T) {
	inWorld(t, func(w *world) {
		for _, test := range []struct{ beat, pointer string }{
			{`{"sessionId":"short"}`, "/sessionId"},
			{`{"device":""}`, "/device"},
			{`{"state":"offline"}`, "/state"},
			{`{"ttlMs":999}`, "/ttlMs"},
			{`{"ttlMs":86400001}`, "/ttlMs"},
			{`{"activity":{}}`, "/activity/type"},
			{`{"activity":{"type":"busy","label":"\n"}}`, "/activity/label"},
			{`{"custom":{}}`, "/custom/text"},
			{`{"custom":{"text":""}}`, "/custom/text"},
			{`{"custom":{"text":"x","expiresAt":"1999-01-01T00:00:00Z"}}`, "/custom/expiresAt"},
			{`{"profile":{"name":"` + strings.Repeat("x", 101) + `"}}`, "/profile/name"},
			{`{"profile":{"avatar":"a\u0000b"}}`, "/profile/avatar"},
			{`{"profile":{"email":"x"}}`, "/profile/email"},
			{`{"status":"busy"}`, "/status"},
		} {
			w.wantInvalid(w.admin("PUT", "presence/bot", test.beat), test.pointer)
		}
		w.wantInvalid(w.admin("PUT", "presence/%0a", `{}`), "/userId")
		if p := w.see("bot", "bot"); p.Status != api.StatusOffline || p.Profile != nil {
			w.Errorf("a refused one has changed something: %s", encode(p))
		}
	})
}
