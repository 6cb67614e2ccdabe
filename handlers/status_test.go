package handlers

import (
	"net/http"
	"testing"
	"time"

	"github.com/presently/presently/api"
)

func (w *world) choose(user, choice string) api.Presence {
	w.Helper()
	return as[api.Presence](w, w.ask(user, "PUT", "/v1/presence/status", choice), http.StatusOK)
}

func TestAChoiceWinsOverTheSessionsUntilItIsCleared(t *testing.T) {
	inWorld(t, func(w *world) {
		w.beat("ada", "session-1", `,"device":"web","state":"dnd"`)
		for _, test := range []struct {
			choice, self, others string
			notify               bool
		}{
			{"online", "online", "online", true},
			{"away", "away", "away", true},
			{"busy", "busy", "busy", true},
			{"dnd", "dnd", "dnd", false},
			{"invisible", "invisible", "offline", true},
		} {
			p := w.choose("ada", `{"status":"`+test.choice+`"}`)
			if string(p.Status) != test.self || p.Chosen == nil || string(*p.Chosen) != test.choice || p.Notify != test.notify || p.Devices["web"] != api.SessionStateDnd {
				w.Errorf("%s: told %+v", test.choice, p)
			}
			a := w.beat("ada", "session-1", `,"state":"dnd"`) // which changes nothing of it
			if string(a.Presence.Status) != test.self || string(w.see("ada", "ada").Status) != test.self {
				w.Errorf("%s: a beat answers %+v", test.choice, a.Presence)
			}
			if p := w.see("eve", "ada"); string(p.Status) != test.others || p.Notify != test.notify || p.Chosen != nil || p.Devices != nil {
				w.Errorf("%s: others see %+v", test.choice, p)
			}
		}
		for range 2 {
			p := as[api.Presence](w, w.ask("ada", "DELETE", "/v1/presence/status", ""), http.StatusOK)
			if p.Status != api.StatusDnd || p.Chosen != nil {
				w.Errorf("cleared: %+v", p)
			}
		}
	})
}

func TestAChoiceWithoutASessionIsOffline(t *testing.T) {
	inWorld(t, func(w *world) {
		if p := w.choose("ada", `{"status":"busy"}`); p.Status != api.StatusOffline || p.Chosen != nil {
			w.Errorf("%+v", p)
		}
		if a := w.beat("ada", "session-1", ""); a.Presence.Status != api.StatusBusy {
			w.Errorf("with one: %+v", a.Presence)
		}
	})
}

func TestAChoiceExpiresWhenItWasToldTo(t *testing.T) {
	const day = 24 * time.Hour
	at := func(d time.Duration) func() string {
		return func() string { return `,"expiresAt":"` + time.Now().Add(d).Format(time.RFC3339Nano) + `"` }
	}
	in := func(more string) func() string { return func() string { return more } }
	for _, test := range []struct {
		name, status string
		expiry       func() string
		lasts        time.Duration // 0: for ever
	}{
		{"busy by default", "busy", in(""), day},
		{"dnd by default", "dnd", in(""), day},
		{"away by default", "away", in(""), 7 * day},
		{"online by default", "online", in(""), 7 * day},
		{"invisible by default", "invisible", in(""), 0},
		{"until cleared", "busy", in(`,"expiresInMs":0`), 0},
		{"for a while", "dnd", in(`,"expiresInMs":1500000`), 25 * time.Minute},
		{"for a millisecond", "dnd", in(`,"expiresInMs":1`), time.Millisecond},
		{"until a moment", "busy", at(time.Hour), time.Hour},
		{"until a moment far from Greenwich", "busy", func() string {
			return `,"expiresAt":"` + time.Now().Add(time.Hour).In(time.FixedZone("", 5*3600+1800)).Format(time.RFC3339) + `"`
		}, time.Hour},
		{"for a year", "away", in(`,"expiresInMs":31536000000`), 365 * day},
		{"until a year from now", "away", at(365 * day), 365 * day},
	} {
		inStillWorld(t, func(w *world) {
			state := `,"state":"online"`
			if test.status == "online" { // to be told from what the session says
				state = `,"state":"busy"`
			}
			automatic := w.beat("ada", "session-1", state).Presence.Status
			chosen := w.choose("ada", `{"status":"`+test.status+`"`+test.expiry()+`}`).Status
			if string(chosen) != test.status {
				w.Errorf("%s: chosen %s", test.name, chosen)
			}
			if test.lasts == 0 {
				time.Sleep(1000 * day)
				if got := w.see("ada", "ada").Status; got != chosen {
					w.Errorf("%s: after 1000 days %s, want %s", test.name, got, chosen)
				}
				return
			}
			time.Sleep(test.lasts - time.Millisecond)
			if got := w.see("ada", "ada").Status; got != chosen {
				w.Errorf("%s: %s before its end, want %s", test.name, got, chosen)
			}
			time.Sleep(2 * time.Millisecond)
			if got := w.see("ada", "ada").Status; got != automatic {
				w.Errorf("%s: %s after its end, want %s", test.name, got, automatic)
			}
		})
	}
}

func TestAnExpiryThatCannotBeIsRefused(t *testing.T) {
	inWorld(t, func(w *world) {
		now := time.Now()
		w.beat("ada", "session-1", "")
		for _, test := range []struct{ choice, pointer string }{
			{`"expiresInMs":0,"expiresAt":"` + now.Add(time.Hour).Format(time.RFC3339) + `"`, "/expiresInMs"},
			{`"expiresInMs":1000,"expiresAt":"` + now.Add(time.Hour).Format(time.RFC3339) + `"`, "/expiresInMs"},
			{`"expiresInMs":-1`, "/expiresInMs"},
			{`"expiresInMs":31536000001`, "/expiresInMs"},
			{`"expiresInMs":9223372036854775807`, "/expiresInMs"},
			{`"expiresInMs":1.5`, "/expiresInMs"},
			{`"expiresInMs":"1000"`, "/expiresInMs"},
			{`"expiresInMs":null`, "/expiresInMs"},
			{`"expiresAt":"` + now.Add(-time.Second).Format(time.RFC3339) + `"`, "/expiresAt"},
			{`"expiresAt":"` + now.Add(365*24*time.Hour+time.Second).Format(time.RFC3339) + `"`, "/expiresAt"},
			{`"expiresAt":"9999-12-31T23:59:59Z"`, "/expiresAt"},
			{`"expiresAt":"0000-01-01T00:00:00Z"`, "/expiresAt"},
			{`"expiresAt":"tomorrow"`, "/expiresAt"},
			{`"expiresAt":"2000-01-02"`, "/expiresAt"},
			{`"expiresAt":"2000-01-02T00:00:00"`, "/expiresAt"},
			{`"expiresAt":"2000-13-02T00:00:00Z"`, "/expiresAt"},
			{`"expiresAt":""`, "/expiresAt"},
			{`"expiresAt":946771200`, "/expiresAt"},
		} {
			w.wantInvalid(w.ask("ada", "PUT", "/v1/presence/status", `{"status":"busy",`+test.choice+`}`), test.pointer)
		}
		if p := w.see("ada", "ada"); p.Status != api.StatusOnline {
			w.Errorf("a refused choice has changed something: %+v", p)
		}
	})
}

// The expiry of a choice is told on streams by the clock alone: nobody writes anything at that moment.
func TestTheEndOfAChoiceIsTold(t *testing.T) {
	inWorld(t, func(w *world) {
		w.beat("ada", "session-1", "")
		s := w.watch("bob", "user=ada")
		s.started()
		time.Sleep(time.Second)
		ends := time.Now().Add(50 * time.Second)
		w.choose("ada", `{"status":"dnd","expiresInMs":50000}`)
		if p := s.presence(); p.Status != api.StatusDnd {
			w.Fatalf("%+v", p)
		}
		e := s.next("presence")
		p := decodeEvent[api.PresenceEvent](s, e).Presences[0]
		if late := e.at.Sub(ends); p.Status != api.StatusOnline || !p.Notify || late < 0 || late > time.Second {
			w.Fatalf("%s after the end: %+v", late, p)
		}
	})
}

// Whoever hides looks, through every outlet, like one who went offline at that moment, whatever he does meanwhile.
func TestTheInvisibleAreOfflineToOthersEverywhere(t *testing.T) {
	inWorld(t, func(w *world) {
		w.beat("ada", "session-1", `,"device":"web"`)
		w.beat("off", "session-1", "")
		stranger, self := w.watch("bob", "user=ada"), w.watch("ada", "user=ada")
		stranger.started()
		self.started()
		time.Sleep(time.Second)

		w.choose("ada", `{"status":"invisible"}`)
		w.ask("off", "DELETE", "/v1/presence/me/sessions/session-1", "")
		time.Sleep(time.Second)
		hidden := w.watch("bob", "user=ada")
		_, _, last := hidden.started()
		hidden.cancel()
		if p := stranger.presence(); p.Status != api.StatusOffline {
			w.Fatalf("a stranger sees %+v", p)
		}
		if p := self.presence(); p.Status != api.StatusInvisible || *p.Chosen != api.ChosenStatusInvisible || p.Devices["web"] != api.SessionStateOnline {
			w.Fatalf("she sees %+v", p)
		}
		looks := func(user string) [4]string {
			w.Helper()
			list := as[api.PresenceList](w, w.ask("bob", "GET", "/v1/presence?user="+user, ""), http.StatusOK).Presences
			query := as[api.PresenceList](w, w.ask("bob", "POST", "/v1/presence/query", `{"users":["`+user+`"]}`), http.StatusOK).Presences
			online := as[api.PresenceList](w, w.ask("bob", "POST", "/v1/presence/query", `{"users":["`+user+`"],"onlyOnline":true}`), http.StatusOK).Presences
			s := w.watch("bob", "user="+user)
			_, snap, _ := s.started()
			s.cancel()
			if len(online) != 0 {
				w.Errorf("%s is among those who are online", user)
			}
			var all [4]string
			for i, p := range []api.Presence{w.see("bob", user), list[0], query[0], snap.Presences[0]} {
				if p.Rev == 0 {
					w.Errorf("%+v", p)
				}
				p.UserID, p.Rev = "", 0
				if p.Profile != nil {
					p.Profile = &api.Profile{}
				}
				all[i] = string(encode(p))
			}
			return all
		}
		for step, do := range []func(){
			func() {},
			func() { w.beat("ada", "session-1", `,"state":"busy"`) },
			func() { w.beat("ada", "session-2", `,"device":"mobile"`) },
			func() {
				as[api.BeatAnswer](w, w.ask("", "POST", "/v1/presence/heartbeat", `{"sessionId":"session-1"}`,
					"Authorization: Bearer "+token("ada", map[string]any{"profile": map[string]string{"name": "Somebody"}})), http.StatusOK)
			},
			func() { w.ask("ada", "DELETE", "/v1/presence/me/sessions/session-1", "") },
			func() { time.Sleep(2 * worldPolicy.TTL) },
			func() { w.beat("ada", "session-3", "") },
		} {
			do()
			if ada, off := looks("ada"), looks("off"); ada != off {
				w.Errorf("step %d: hidden\n%s\ngone\n%s", step, ada, off)
			}
			stranger.nothing(2 * time.Second)
			back := w.watch("bob", "user=ada", "Last-Event-ID: "+last.id)
			back.next("hello")
			back.nothing(time.Second)
			back.cancel()
		}
		if p := as[api.Presence](w, w.ask("ada", "GET", "/v1/presence/me", ""), http.StatusOK); p.Status != api.StatusInvisible {
			w.Errorf("to herself: %+v", p)
		}
		_, snap, _ := w.watch("ada", "user=ada").started()
		if p := snap.Presences[0]; p.Status != api.StatusInvisible {
			w.Errorf("to herself, on a stream: %+v", p)
		}
		as[api.Presence](w, w.ask("ada", "DELETE", "/v1/presence/status", ""), http.StatusOK)
		if p := stranger.presence(); p.Status != api.StatusOnline {
			w.Errorf("out again: %+v", p)
		}
	})
}
