package handlers

import (
	"fmt"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/presently/presently/api"
)

func TestABeatTellsHowTheUserAndTheSessionStand(t *testing.T) {
	inWorld(t, func(w *world) {
		now := time.Now()
		a := w.beat("ada", "session-1", `,"device":"web","state":"busy","idleMs":1200,"visibility":"visible","seq":41`)
		if a.Presence.UserID != "ada" || a.Presence.Status != api.StatusBusy || a.Presence.Devices["web"] != api.SessionStateBusy || !a.Presence.Notify || *a.Presence.Profile.Name != "ADA" {
			w.Errorf("presence %+v", a.Presence)
		}
		want := api.Session{
			SessionID: "session-1", Device: new("web"), State: api.SessionStateBusy, Visibility: api.VisibilityVisible, Seq: new(int64(41)),
			StartedAt: formatTime(now), LastBeatAt: formatTime(now), Deadline: formatTime(now.Add(90 * time.Second)),
		}
		if got := a.Session; string(encode(got)) != string(encode(want)) {
			w.Errorf("session %s, want %s", encode(got), encode(want))
		}
		if a.TTLMs != 90_000 || a.IdleAfterMs != 300_000 || a.LeaveToken == "" {
			w.Errorf("%+v", a)
		}
	})
}

func TestABeatThatWantsLittleIsAnsweredByAHeader(t *testing.T) {
	inWorld(t, func(w *world) {
		for i, test := range []struct {
			prefer  []string
			minimal bool
		}{
			{[]string{"return=minimal"}, true},
			{[]string{"Return=Minimal"}, true},
			{[]string{`return="minimal"`}, true},
			{[]string{"return = minimal"}, true},
			{[]string{"respond-async, return=minimal; x=y, wait=10"}, true},
			{[]string{"respond-async", "return=minimal"}, true}, // RFC 7240, section 2: the same as one line
			{[]string{"return=representation"}, false},
			{[]string{"minimal"}, false},
			{[]string{`"return=minimal`}, false},
			{[]string{""}, false},
		} {
			session := fmt.Sprintf("session-%d", i)
			req, _ := http.NewRequest("POST", "http://presently/v1/presence/heartbeat", body(`{"sessionId":"`+session+`"}`))
			req.Header = http.Header{"Prefer": test.prefer, "Content-Type": {"application/json"}, "Authorization": {"Bearer " + token("ada", nil)}}
			res, err := w.client.Do(req)
			if err != nil {
				w.Fatal(err)
			}
			next, _ := strconv.Atoi(res.Header.Get("Presence-Next-Ms"))
			if status := res.StatusCode; (status == http.StatusNoContent) != test.minimal || status >= 300 || next < 27_000 || next > 33_000 {
				w.Errorf("Prefer %q: %d %v", test.prefer, status, res.Header)
			}
			if got := res.Header.Get("Preference-Applied"); (got == "return=minimal") != test.minimal {
				w.Errorf("Prefer %q: Preference-Applied %q", test.prefer, got)
			}
		}
		if got := w.see("ada", "ada"); got.Status != api.StatusOnline {
			w.Errorf("after minimal beats: %+v", got)
		}
	})
}

func TestBeatsAreAskedForWithinATenthOfTheIntervalAndNotInStep(t *testing.T) {
	inWorld(t, func(w *world) {
		least, most := int64(1<<62), int64(0)
		for range 100 {
			next := w.beat("ada", "session-1", "").NextMs
			least, most = min(least, next), max(most, next)
		}
		if least < 27_000 || most > 33_000 || most-least < 3_000 {
			w.Fatalf("from %d to %d, want 27000 to 33000, well spread", least, most)
		}
	})
}

func TestAnOlderBeatIsAnsweredAndChangesNothing(t *testing.T) {
	inWorld(t, func(w *world) {
		w.beat("ada", "session-1", `,"device":"web","state":"busy","seq":10`)
		before := w.sessions("ada")[0]
		time.Sleep(20 * time.Second)
		for _, seq := range []string{"0", "9", "10"} {
			a := w.beat("ada", "session-1", `,"device":"mobile","state":"dnd","visibility":"hidden","seq":`+seq)
			if string(encode(a.Session)) != string(encode(before)) || a.Presence.Status != api.StatusBusy {
				w.Errorf("seq %s: %s, want %s", seq, encode(a.Session), encode(before))
			}
			if r := w.ask("ada", "POST", "/v1/presence/heartbeat", `{"sessionId":"session-1","state":"dnd","seq":`+seq+`}`, "Prefer: return=minimal"); r.status != http.StatusNoContent {
				w.Errorf("minimal, seq %s: %d", seq, r.status)
			}
		}
		if got := w.sessions("ada")[0]; string(encode(got)) != string(encode(before)) {
			w.Errorf("session %s, want %s", encode(got), encode(before))
		}
		if a := w.beat("ada", "session-1", `,"seq":11`); a.Presence.Status != api.StatusOnline || *a.Session.Seq != 11 {
			w.Errorf("a newer beat: %+v", a)
		}
		if a := w.beat("ada", "session-1", `,"state":"dnd"`); a.Presence.Status != api.StatusDnd {
			w.Errorf("a beat without seq, which is always newest: %+v", a)
		}
	})
}

func TestWhatASessionSaysAndWhetherItIsIdleMakeItsState(t *testing.T) {
	for _, test := range []struct {
		beat string
		want api.SessionState
	}{
		{``, "online"},
		{`,"state":"online"`, "online"},
		{`,"state":"away"`, "away"},
		{`,"state":"idle"`, "away"},
		{`,"state":"busy"`, "busy"},
		{`,"state":"dnd"`, "dnd"},
		{`,"idleMs":0`, "online"},
		{`,"idleMs":299999`, "online"},
		{`,"idleMs":300000`, "away"},
		{`,"idleMs":3153600000000`, "away"},
		{`,"state":"busy","idleMs":299999`, "busy"},
		{`,"state":"busy","idleMs":300000`, "away"},
		{`,"state":"dnd","idleMs":300000`, "away"},
	} {
		inWorld(t, func(w *world) {
			a := w.beat("ada", "session-1", test.beat)
			if a.Session.State != test.want || string(a.Presence.Status) != string(test.want) {
				w.Errorf("beat %s: session %s, user %s, want %s", test.beat, a.Session.State, a.Presence.Status, test.want)
			}
			if got := w.see("eve", "ada").Status; string(got) != string(test.want) {
				w.Errorf("beat %s: others see %s, want %s", test.beat, got, test.want)
			}
		})
	}
}

func TestABeatThatNamesNoDeviceKeepsIt(t *testing.T) {
	inWorld(t, func(w *world) {
		for _, step := range []struct{ beat, want string }{
			{``, "other"}, {`,"device":"web"`, "web"}, {``, "web"}, {`,"state":"busy"`, "web"}, {`,"device":"mobile"`, "mobile"}, {``, "mobile"},
		} {
			a := w.beat("ada", "session-1", step.beat)
			if _, ok := a.Presence.Devices[step.want]; !ok || len(a.Presence.Devices) != 1 {
				w.Fatalf("after %s: %v, want %s", step.beat, a.Presence.Devices, step.want)
			}
		}
	})
}

func TestDevicesCountOnceAndTheStrongestOfEachShows(t *testing.T) {
	inWorld(t, func(w *world) {
		w.beat("ada", "session-1", `,"device":"web","state":"away"`)
		w.beat("ada", "session-2", `,"device":"web","state":"busy"`)
		w.beat("ada", "session-3", `,"device":"mobile"`)
		a := w.beat("ada", "session-4", `,"state":"away"`)
		if got := string(encode(a.Presence.Devices)); got != `{"mobile":"online","other":"away","web":"busy"}` || a.Presence.Status != api.StatusBusy {
			w.Fatalf("%s %+v", got, a.Presence)
		}
		w.ask("ada", "DELETE", "/v1/presence/me/sessions/session-2", "")
		if p := w.see("ada", "ada"); p.Status != api.StatusOnline {
			w.Fatalf("after one of the four has ended: %+v", p)
		}
	})
}

func TestAHiddenSessionLivesFiveThirdsAsLong(t *testing.T) {
	inWorld(t, func(w *world) {
		now := time.Now()
		a := w.beat("ada", "session-1", `,"visibility":"hidden"`)
		if a.TTLMs != 150_000 || a.Session.Visibility != api.VisibilityHidden || a.Session.Deadline != formatTime(now.Add(150*time.Second)) {
			w.Fatalf("%+v", a)
		}
		time.Sleep(149 * time.Second)
		if p := w.see("eve", "ada"); p.Status != api.StatusOnline {
			w.Fatalf("before its deadline: %+v", p)
		}
		time.Sleep(2 * time.Second)
		if p := w.see("eve", "ada"); p.Status != api.StatusOffline {
			w.Fatalf("after its deadline: %+v", p)
		}
		if a := w.beat("ada", "session-1", ""); a.TTLMs != 90_000 || a.Session.Visibility != api.VisibilityVisible {
			w.Fatalf("visible again: %+v", a)
		}
	})
}

func TestOneSessionTooManyIsRefusedAndTheOlderLive(t *testing.T) {
	inWorld(t, func(w *world) {
		for i := range worldPolicy.Sessions {
			w.beat("ada", fmt.Sprintf("session-%d", i), "")
		}
		beat := func(session string) reply {
			return w.ask("ada", "POST", "/v1/presence/heartbeat", `{"sessionId":"`+session+`"}`)
		}
		r := beat("session-too-many")
		w.wantProblem(r, http.StatusTooManyRequests, api.ProblemCodeTooManySessions)
		if r.header.Get("Retry-After") == "" {
			w.Errorf("no Retry-After: %v", r.header)
		}
		if r := beat("session-0"); r.status != http.StatusOK {
			w.Errorf("an older one: %d %s", r.status, r.body)
		}
		if got := len(w.sessions("ada")); got != worldPolicy.Sessions {
			w.Errorf("%d sessions, want %d", got, worldPolicy.Sessions)
		}
		w.beat("eve", "session-0", "") // who has the same id, and sessions of her own
		w.ask("ada", "DELETE", "/v1/presence/me/sessions/session-7", "")
		if r := beat("session-too-many"); r.status != http.StatusOK {
			w.Errorf("after one has ended: %d %s", r.status, r.body)
		}
	})
}

func TestTheProfileIsThatOfTheNewestToken(t *testing.T) {
	inWorld(t, func(w *world) {
		for _, step := range []struct {
			profile any
			want    string
		}{
			{map[string]string{"name": "Ada", "avatar": "https://example.org/a.png"}, `{"avatar":"https://example.org/a.png","name":"Ada"}`},
			{map[string]string{"name": "Ada L."}, `{"name":"Ada L."}`},
			{nil, "null"},
		} {
			as[api.BeatAnswer](w, w.ask("", "POST", "/v1/presence/heartbeat", `{"sessionId":"session-1"}`,
				"Authorization: Bearer "+token("ada", map[string]any{"profile": step.profile})), http.StatusOK)
			if got := string(encode(w.see("eve", "ada").Profile)); got != step.want {
				w.Errorf("profile %s, want %s", got, step.want)
			}
		}
	})
}

func TestLastActiveIsFixedAtTheChangeToAway(t *testing.T) {
	inWorld(t, func(w *world) {
		w.beat("ada", "session-1", "")
		away := time.Now()
		for range 4 {
			a := w.beat("ada", "session-1", `,"idleMs":400000`)
			if got := a.Presence.LastActiveAt; got == nil || *got != formatTime(away.Add(-400*time.Second)) {
				w.Fatalf("lastActiveAt %v, want %s", got, formatTime(away.Add(-400*time.Second)))
			}
			time.Sleep(30 * time.Second)
		}
		if a := w.beat("ada", "session-1", ""); a.Presence.LastActiveAt != nil {
			w.Fatalf("shown while online: %+v", a.Presence)
		}
	})
}
