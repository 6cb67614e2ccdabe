package handlers

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/presently/presently/api"
)

func (w *world) do(user, activity string) api.Presence {
	w.Helper()
	return as[api.Presence](w, w.ask(user, "PUT", "/v1/presence/activity", activity), http.StatusOK)
}

// activity is what a presence says somebody does.
func activity(p api.Presence) string {
	if p.Activity == nil {
		return ""
	}
	return strings.Join([]string{string(p.Activity.Type), orZero(p.Activity.Target), orZero(p.Activity.Label)}, "|")
}

func TestAnActivityIsShownToContactsByDefault(t *testing.T) {
	inWorld(t, func(w *world) {
		w.beat("ada", "session-1", "")
		w.ask("ada", "PUT", "/v1/contacts/ben", "")
		for _, test := range []struct{ activity, want string }{
			{`"type":"viewing","target":"/docs/7","label":"The design"`, "viewing|/docs/7|The design"},
			{`"type":"typing"`, "typing||"},
			{`"type":"busy"`, "busy||"},
			{`"type":"in_call","ttlMs":86400000`, "in_call||"},
			{`"type":"in_meeting","ttlMs":1000`, "in_meeting||"},
			{`"type":"presenting","target":"` + strings.Repeat("🙂", 512) + `"`, "presenting|" + strings.Repeat("🙂", 512) + "|"},
			{`"type":"custom","label":"` + strings.Repeat("ä", 100) + `"`, "custom||" + strings.Repeat("ä", 100)},
		} {
			at := formatTime(time.Now())
			told := w.do("ada", `{"sessionId":"session-1",`+test.activity+`}`)
			for _, p := range []api.Presence{told, w.see("ada", "ada"), w.see("ben", "ada")} {
				if activity(p) != test.want || p.Activity.Since != at {
					w.Errorf("%s: shown %q since %v, want %q since %s", test.activity, activity(p), p.Activity, test.want, at)
				}
			}
			if p := w.see("eve", "ada"); p.Activity != nil {
				w.Errorf("%s: a stranger sees %+v", test.activity, p.Activity)
			}
			time.Sleep(10 * time.Millisecond)
		}
	})
}

func TestAnActivityNeedsALiveSession(t *testing.T) {
	inWorld(t, func(w *world) {
		const doing = `{"sessionId":"session-1","type":"busy"}`
		put := func() reply { return w.ask("ada", "PUT", "/v1/presence/activity", doing) }
		w.wantProblem(put(), http.StatusConflict, api.ProblemCodeNoSession)
		w.beat("eve", "session-1", "") // the same id, but not hers
		w.wantProblem(put(), http.StatusConflict, api.ProblemCodeNoSession)
		w.beat("ada", "session-1", "")
		if p := w.do("ada", doing); activity(p) != "busy||" {
			w.Errorf("%+v", p)
		}
		w.ask("ada", "DELETE", "/v1/presence/me/sessions/session-1", "")
		w.wantProblem(put(), http.StatusConflict, api.ProblemCodeNoSession)
		if p := w.beat("ada", "session-1", "").Presence; p.Activity != nil {
			w.Errorf("it has outlived its session: %+v", p)
		}
	})
}

func TestOfSeveralSessionsTheNewestActivityShows(t *testing.T) {
	inWorld(t, func(w *world) {
		shown := func(want string) {
			w.Helper()
			if got := activity(w.see("ada", "ada")); got != want {
				w.Errorf("shown %q, want %q", got, want)
			}
			time.Sleep(time.Second)
		}
		clear := func(query string) api.Presence {
			w.Helper()
			return as[api.Presence](w, w.ask("ada", "DELETE", "/v1/presence/activity"+query, ""), http.StatusOK)
		}
		w.beat("ada", "session-1", "")
		w.beat("ada", "session-2", "")
		w.do("ada", `{"sessionId":"session-1","type":"in_call"}`)
		shown("in_call||")
		w.do("ada", `{"sessionId":"session-2","type":"viewing","target":"/a"}`)
		shown("viewing|/a|")
		w.do("ada", `{"sessionId":"session-1","type":"in_call"}`) // goes on, which is nothing new
		shown("viewing|/a|")
		clear("?sessionId=session-2")
		shown("in_call||")
		clear("?sessionId=session-2")
		clear("?sessionId=not-there")
		shown("in_call||")
		w.do("ada", `{"sessionId":"session-2","type":"busy"}`)
		w.ask("ada", "DELETE", "/v1/presence/me/sessions/session-2", "")
		shown("in_call||")
		w.beat("ada", "session-2", `,"activity":{"type":"presenting"}`)
		shown("presenting||")
		for range 2 {
			if p := clear(""); p.Activity != nil {
				w.Errorf("cleared at all sessions: %+v", p)
			}
		}
		shown("")
	})
}

func TestAHeartbeatSaysWhatItsUserDoes(t *testing.T) {
	inWorld(t, func(w *world) {
		start := formatTime(time.Now())
		for i, test := range []struct{ more, want string }{
			{"", ""},
			{`,"activity":{"type":"viewing","target":"/a"}`, "viewing|/a|"},
			{"", "viewing|/a|"},
			{`,"activity":{"type":"viewing","target":"/a"}`, "viewing|/a|"},
			{`,"activity":{"type":"viewing","target":"/b","label":"B","ttlMs":120000}`, "viewing|/b|B"},
			{`,"state":"away"`, "viewing|/b|B"},
		} {
			p := w.beat("ada", "session-1", test.more).Presence
			if got := activity(p); got != test.want {
				w.Errorf("beat %d: %q, want %q", i, got, test.want)
			}
			if test.want == "viewing|/a|" && p.Activity.Since != formatTime(time.Now().Add(-time.Duration(i-1)*30*time.Second)) {
				w.Errorf("beat %d: since %s, began at %s: to say it again does not begin it anew", i, p.Activity.Since, start)
			}
			time.Sleep(30 * time.Second)
		}
	})
}

// Each activity ends by itself, and streams hear of it at that moment, though nobody writes anything.
func TestTheEndOfAnActivityIsTold(t *testing.T) {
	for _, test := range []struct {
		name, ttl string
		lasts     time.Duration
	}{{"by default", "", 90 * time.Second}, {"as asked for", `,"ttlMs":20000`, 20 * time.Second}} {
		inWorld(t, func(w *world) {
			w.beat("ada", "session-1", "")
			s := w.watch("ada", "user=ada")
			s.started()
			time.Sleep(time.Second)
			w.do("ada", `{"sessionId":"session-1","type":"in_call"`+test.ttl+`}`)
			ends := time.Now().Add(test.lasts)
			if p := s.presence(); activity(p) != "in_call||" {
				w.Fatalf("%s: %+v", test.name, p)
			}
			for time.Until(ends) > 45*time.Second {
				time.Sleep(30 * time.Second)
				w.beat("ada", "session-1", "") // which says nothing of it
			}
			e := s.next("presence")
			p := decodeEvent[api.PresenceEvent](s, e).Presences[0]
			if late := e.at.Sub(ends); p.Activity != nil || p.Status != api.StatusOnline || late < 0 || late > time.Second {
				w.Fatalf("%s: %s after the end: %+v", test.name, late, p)
			}
		})
	}
}

func TestAnActivityThatCannotBeIsRefused(t *testing.T) {
	inWorld(t, func(w *world) {
		w.beat("ada", "session-1", "")
		for _, test := range []struct{ doing, pointer string }{
			{``, "/type"},
			{`"type":""`, "/type"},
			{`"type":"dancing"`, "/type"},
			{`"type":1`, "/type"},
			{`"type":"busy","target":""`, "/target"},
			{`"type":"busy","target":"a\nb"`, "/target"},
			{`"type":"busy","target":"` + strings.Repeat("x", 513) + `"`, "/target"},
			{`"type":"busy","label":""`, "/label"},
			{`"type":"busy","label":"\u0007"`, "/label"},
			{`"type":"busy","label":"` + strings.Repeat("🙂", 101) + `"`, "/label"},
			{`"type":"busy","ttlMs":999`, "/ttlMs"},
			{`"type":"busy","ttlMs":86400001`, "/ttlMs"},
			{`"type":"busy","ttlMs":0`, "/ttlMs"},
			{`"type":"busy","ttlMs":1.5`, "/ttlMs"},
			{`"type":"busy","since":"2000-01-01T00:00:00Z"`, "/since"},
		} {
			put := strings.TrimSuffix(`{"sessionId":"session-1",`+test.doing, ",") + `}`
			w.wantInvalid(w.ask("ada", "PUT", "/v1/presence/activity", put), test.pointer)
			beat := `{"sessionId":"session-1","activity":{` + test.doing + `}}`
			w.wantInvalid(w.ask("ada", "POST", "/v1/presence/heartbeat", beat), "/activity"+test.pointer)
		}
		w.wantInvalid(w.ask("ada", "PUT", "/v1/presence/activity", `{"type":"busy"}`), "/sessionId")
		w.wantInvalid(w.ask("ada", "PUT", "/v1/presence/activity", `{"type":"busy","sessionId":"short"}`), "/sessionId")
		w.wantInvalid(w.ask("ada", "DELETE", "/v1/presence/activity?sessionId=short", ""), "/sessionId")
		w.wantInvalid(w.ask("ada", "DELETE", "/v1/presence/activity?sessionId=", ""), "/sessionId")
		w.wantInvalid(w.ask("ada", "DELETE", "/v1/presence/activity?sessionId=%zz", ""), "")
		w.wantInvalid(w.ask("ada", "POST", "/v1/presence/heartbeat", `{"sessionId":"session-1","activity":"busy"}`), "/activity")
		if p := w.see("ada", "ada"); p.Activity != nil {
			w.Errorf("a refused one has changed something: %+v", p)
		}
	})
}
