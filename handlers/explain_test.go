package handlers

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/presently/presently/api"
)

func (w *world) explain(user, path string) api.Explanation {
	w.Helper()
	return as[api.Explanation](w, w.ask(user, "GET", "/v1/presence/"+path, ""), http.StatusOK)
}

func adminOf(user string) string {
	return "Authorization: Bearer " + token(user, map[string]any{"scope": ScopeAdmin})
}

func TestExplainTellsEachSessionAndTheRuleThatDecided(t *testing.T) {
	inWorld(t, func(w *world) {
		start := time.Now()
		at := func(s int) string { return formatTime(start.Add(time.Duration(s) * time.Second)) }
		e := w.explain("ada", "ada/explain")
		if e.Rule != api.StatusRuleNoSession || e.Status != api.StatusOffline || e.Sessions == nil || len(e.Sessions) > 0 || e.Chosen != nil || e.Viewer != nil {
			w.Errorf("nobody: %+v", e)
		}
		w.beat("ada", "zzzzzzzz", `,"device":"web","seq":7,"idleMs":2000`)
		time.Sleep(10 * time.Second)
		left := w.beat("ada", "aaaaaaaa", `,"state":"dnd","idleMs":600000,"visibility":"hidden"`).LeaveToken
		time.Sleep(5 * time.Second)
		w.ask("", "POST", "/v1/presence/leave", left, "Content-Type: text/plain")
		time.Sleep(5 * time.Second)
		e = w.explain("ada", "me/explain")
		if e.UserID != "ada" || e.Rule != api.StatusRuleAggregate || e.Status != api.StatusOnline || e.Because != "The strongest of 2 live sessions decides, and the one on web counts as online." {
			w.Errorf("two: %+v", e)
		}
		if asOf, err := time.Parse(wireTime, e.AsOf); err != nil || time.Since(asOf).Abs() > 2*time.Millisecond {
			w.Errorf("as of %s, at %s", e.AsOf, time.Now())
		}
		for i, want := range []api.ExplainedSession{
			{SessionID: "zzzzzzzz", Device: new("web"), Says: "online", CountsAs: "online", Visibility: "visible", Seq: new(int64(7)), Instance: "test",
				StartedAt: at(0), AgeMs: 20000, LastBeatAt: at(0), BeatAgeMs: 20000, InputAgeMs: 22000, Deadline: at(90), RemainingMs: 70000},
			{SessionID: "aaaaaaaa", Says: "dnd", CountsAs: "away", Visibility: "hidden", Left: true, Instance: "test",
				StartedAt: at(10), AgeMs: 10000, LastBeatAt: at(10), BeatAgeMs: 10000, InputAgeMs: 610000, Deadline: at(25), RemainingMs: 5000},
		} {
			got := e.Sessions[i] // as of a microsecond ago
			for _, ms := range []*int64{&got.AgeMs, &got.BeatAgeMs, &got.InputAgeMs, &got.RemainingMs} {
				*ms = (*ms + 1) / 10 * 10
			}
			if string(encode(got)) != string(encode(want)) {
				w.Errorf("session %d\n%s, want\n%s", i, encode(got), encode(want))
			}
		}
		w.choose("ada", `{"status":"busy","expiresInMs":30000}`)
		ends := formatTime(time.Now().Add(30 * time.Second))
		e = w.explain("ada", "ada/explain")
		if e.Rule != api.StatusRuleChosen || e.Status != api.StatusBusy || !strings.Contains(e.Because, ends) ||
			string(encode(e.Chosen)) != `{"expired":false,"expiresAt":"`+ends+`","status":"busy"}` {
			w.Errorf("chosen: %+v %s", e, encode(e.Chosen))
		}
		time.Sleep(40 * time.Second)
		e = w.explain("ada", "ada/explain")
		if e.Rule != api.StatusRuleAggregate || e.Because != "The one live session decides, and the one on web counts as online." || !e.Chosen.Expired {
			w.Errorf("expired: %+v %s", e, encode(e.Chosen))
		}
		w.choose("ada", `{"status":"away","expiresInMs":0}`)
		if e = w.explain("ada", "ada/explain"); e.Rule != api.StatusRuleChosen || !strings.Contains(e.Because, "until it is cleared") || e.Chosen.ExpiresAt != nil {
			w.Errorf("for good: %+v", e)
		}
		w.choose("ada", `{"status":"invisible"}`)
		if e = w.explain("ada", "ada/explain"); e.Rule != api.StatusRuleInvisible || e.Status != api.StatusInvisible ||
			string(encode(e.Chosen)) != `{"expired":false,"status":"invisible"}` {
			w.Errorf("invisible: %+v %s", e, encode(e.Chosen))
		}
	})
}

func TestExplainTellsByWhichSettingAViewerSeesWhatHeSees(t *testing.T) {
	inWorld(t, func(w *world) {
		w.beat("ada", "session-1", `,"device":"web"`)
		w.decide("ada", "PUT", "contacts/ben")
		w.decide("ada", "PUT", "blocks/mallory")
		// What others have decided is theirs, and shows nowhere.
		w.decide("eve", "PUT", "blocks/ada")
		w.ask("ben", "PUT", privacyPath, privacy("nobody", "nobody", "nobody", "nobody"))
		for _, test := range []struct {
			do                      func()
			viewer                  string
			relation, rule, because string
			hidden                  bool
			status                  string
			devices                 bool
		}{
			{nil, "eve", "other", "everyone", "Everyone may see that ada is online.", false, "online", false},
			{nil, "ben", "contact", "everyone", "Everyone may see that ada is online.", false, "online", true},
			{nil, "mallory", "blocked", "blocked", "ada blocks mallory.", true, "offline", false},
			{nil, "ada", "self", "self", "Everybody sees himself.", false, "online", true},
			{func() { w.ask("ada", "PUT", privacyPath, privacy("contacts", "nobody", "nobody", "nobody")) },
				"eve", "other", "contacts", "Only contacts may see that ada is online, and eve is none.", true, "offline", false},
			{nil, "ben", "contact", "contacts", "Only contacts may see that ada is online, and ben is one.", false, "online", true},
			{func() { w.ask("ada", "PUT", privacyPath, privacy("nobody", "nobody", "nobody", "nobody")) },
				"ben", "contact", "nobody", "Nobody may see that ada is online.", true, "offline", false},
			{func() { w.choose("ada", `{"status":"invisible"}`) }, "ben", "contact", "invisible", "ada is invisible to everybody else.", true, "offline", false},
			{nil, "mallory", "blocked", "blocked", "ada blocks mallory.", true, "offline", false},
			{nil, "ada", "self", "self", "Everybody sees himself.", false, "invisible", true},
		} {
			if test.do != nil {
				test.do()
			}
			self := w.explain("ada", "ada/explain?viewer="+test.viewer)
			admin := as[api.Explanation](w, w.ask("", "GET", "/v1/presence/ada/explain?viewer="+test.viewer, "", adminOf("root")), http.StatusOK)
			for _, e := range []api.Explanation{self, admin} {
				v := e.Viewer
				if v.UserID != test.viewer || string(v.Relation) != test.relation || string(v.Rule) != test.rule || v.Because != test.because || v.Hidden != test.hidden ||
					string(v.Presence.Status) != test.status || (v.Presence.Devices != nil) != test.devices {
					w.Errorf("%s: %s, want %+v", test.viewer, encode(v), test)
				}
			}
			seen := w.see(test.viewer, "ada")
			seen.Rev = self.Viewer.Presence.Rev
			if string(encode(seen)) != string(encode(self.Viewer.Presence)) {
				w.Errorf("%s sees %s, explained as %s", test.viewer, encode(seen), encode(self.Viewer.Presence))
			}
		}
	})
}

func TestOnlyTheUserHimselfAndAdminsAreTold(t *testing.T) {
	inWorld(t, func(w *world) {
		for _, test := range []struct{ path, scope, missing string }{
			{"ada", "presence:read", ""},
			{"me", "presence:read", ""},
			{"ada", "presence:admin", ""},
			{"ada", "presence:write presence:stats", "presence:read"},
			{"ben", "presence:admin", ""},
			{"ben", "presence:read presence:write presence:stats", "presence:admin"},
			{"%61da", "presence:read", ""},
			{"Ada", "presence:read", "presence:admin"},
			{"..", "presence:read", "presence:admin"},
		} {
			r := w.ask("", "GET", "/v1/presence/"+test.path+"/explain", "", granting(test.scope))
			if test.missing == "" {
				as[api.Explanation](w, r, http.StatusOK)
				continue
			}
			w.wantProblem(r, http.StatusForbidden, api.ProblemCodeInsufficientScope)
			if got := r.header.Get("WWW-Authenticate"); !strings.Contains(got, `scope="`+test.missing+`"`) {
				w.Errorf("%s with %s: %s", test.path, test.scope, got)
			}
		}
	})
}

func TestExplainTakesEveryUserUnderHisOwnIDAndNobodyElse(t *testing.T) {
	inWorld(t, func(w *world) {
		ask := func(path string) reply { return w.ask("", "GET", "/v1/presence/"+path, "", adminOf("root")) }
		for _, user := range oddUsers {
			want := user
			if user == "me" {
				want = "root"
			}
			e := as[api.Explanation](w, ask(url.PathEscape(user)+"/explain?viewer="+url.QueryEscape(user)), http.StatusOK)
			if e.UserID != want || e.Viewer.UserID != user {
				w.Errorf("%q: %s", user, encode(e))
			}
		}
		for _, user := range badUsers {
			if user != "" {
				w.wantInvalid(ask(allEscaped(user)+"/explain"), "/userId")
			}
			w.wantInvalid(ask("ada/explain?viewer="+allEscaped(user)), "/viewer")
		}
		w.wantInvalid(ask("ada/explain?viewer=%zz"), "")
		w.wantInvalid(ask("ada/explain?viewer=a&viewer=b"), "/viewer")
	})
}
