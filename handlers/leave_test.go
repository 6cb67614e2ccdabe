package handlers

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/presently/presently/api"
)

func TestALeaveIsHeardHoweverABeaconSendsIt(t *testing.T) {
	for _, test := range []struct{ name, contentType, before, after string }{
		{"JSON", "application/json", `{"leaveToken":"`, `"}`},
		{"JSON with a charset", "application/json; charset=UTF-8", `{"leaveToken":"`, `"}`},
		{"the bare token", "text/plain", "", ""},
		{"a string beacon", "text/plain;charset=UTF-8", "", ""},
		{"the bare token in a line", "text/plain", " ", "\r\n"},
		{"JSON as text", "text/plain", `{"leaveToken":"`, `"}`},
		{"JSON as text with a charset", "Text/Plain; charset=utf-8", "\n" + ` { "leaveToken" : "`, `" }`},
		{"a beacon of a blob without a type", "", `{"leaveToken":"`, `"}`}, // browsers send none
		{"curl, which calls it a form", "application/x-www-form-urlencoded", `{"leaveToken":"`, `"}`},
		{"a type that is none", ";", "", ""},
	} {
		inWorld(t, func(w *world) {
			a := w.beat("ada", "session-1", "")
			time.Sleep(3 * time.Second)
			now := time.Now()
			if r := w.ask("", "POST", "/v1/presence/leave", test.before+a.LeaveToken+test.after, "Content-Type: "+test.contentType); r.status != http.StatusAccepted || len(r.body) > 0 {
				w.Errorf("%s: %d %s", test.name, r.status, r.body)
			}
			if s := w.sessions("ada")[0]; !s.Left || s.Deadline != formatTime(now.Add(worldPolicy.Grace)) {
				w.Errorf("%s: %+v, want it to end %s after %s", test.name, s, worldPolicy.Grace, now)
			}
		})
	}
}

// The answer tells nothing: who tries tokens learns from no status which of them was good.
func TestALeaveWithATokenThatIsNoneChangesNothing(t *testing.T) {
	inWorld(t, func(w *world) {
		good := w.beat("ada", "session-1", "").LeaveToken
		_, _, snapshot := w.watch("ada", "user=ada").started()
		want := string(encode(w.sessions("ada")))
		for _, forged := range []string{
			"nonsense", strings.ToUpper(good), good[:len(good)-1], good + "A", good[1:], "AAAA" + good[4:],
			snapshot.id, // sealed by the same key, for another purpose
			strings.Repeat("A", 2048), "\x00", "\xff\xfe", "%00", "null", "[]", "0",
		} {
			if r := w.ask("", "POST", "/v1/presence/leave", forged, "Content-Type: text/plain"); r.status != http.StatusAccepted {
				w.Errorf("%q: %d %s", forged, r.status, r.body)
			}
		}
		if r := w.ask("", "POST", "/v1/presence/leave", `{"leaveToken":"nonsense"}`); r.status != http.StatusAccepted {
			w.Errorf("%d %s", r.status, r.body)
		}
		if got := string(encode(w.sessions("ada"))); got != want {
			w.Errorf("sessions %s, want %s", got, want)
		}
	})
}

// Nobody is there any more to mend a body, and whoever tries some learns nothing from any.
func TestALeaveIsAcceptedWhateverItsBodyIs(t *testing.T) {
	inWorld(t, func(w *world) {
		good := w.beat("ada", "session-1", "").LeaveToken
		want := string(encode(w.sessions("ada")))
		var bodies []string
		for _, values := range hostileValues {
			bodies = append(bodies, values...)
		}
		document := `{"leaveToken":"` + good + `"}`
		for _, body := range append(bodies,
			"", " \n", "{", "{}", "null", "1", `[]`, `"`+good+`"`, `["`+good+`"]`, `{"leaveToken":null}`, `{"leaveToken":""}`, `{"leaveToken":1}`, `{"leaveToken":["`+good+`"]}`,
			`{"leavetoken":"`+good+`"}`, `{"leaveToken":"`+good+`","sessionId":"session-1"}`, `{"leaveToken":"`+good+`","leaveToken":"`+good+`"}`,
			document+document, document+"x", document+"\x00", "\ufeff"+document, `{"leaveToken":"`+good+"\xff\"}", `{"a":[[[[[[[[1]]]]]]]],"leaveToken":"`+good+`"}`,
			"leaveToken="+good, strings.Repeat("[", 16<<10), strings.Repeat("a", 16<<10), "\x1f\x8b\x08\x00",
		) {
			for _, header := range []string{"Content-Type: application/json", "Content-Type: text/plain", "Content-Type: ", "Content-Type: multipart/form-data; boundary=x", "Content-Encoding: gzip"} {
				if r := w.ask("", "POST", "/v1/presence/leave", body, header); r.status != http.StatusAccepted || len(r.body) > 0 {
					w.Errorf("%q, %s: %d %s", body, header, r.status, r.body)
				}
			}
		}
		if got := string(encode(w.sessions("ada"))); got != want {
			w.Errorf("sessions %s, want %s", got, want)
		}
		r := w.ask("", "POST", "/v1/presence/leave", document+strings.Repeat(" ", 16<<10))
		w.wantProblem(r, http.StatusRequestEntityTooLarge, api.ProblemCodeBodyTooLarge)
	})
}

func TestALeaveTokenEndsItsOwnSessionWhoeverSendsIt(t *testing.T) {
	inWorld(t, func(w *world) {
		ada := w.beat("ada", "session-1", "").LeaveToken
		w.beat("ada", "session-2", "")
		w.beat("eve", "session-1", "")
		w.ask("eve", "POST", "/v1/presence/leave", `{"leaveToken":"`+ada+`"}`)
		if s := w.sessions("ada"); !s[0].Left || s[1].Left {
			w.Errorf("ada's sessions %+v", s)
		}
		if s := w.sessions("eve"); s[0].Left {
			w.Errorf("eve's session %+v", s)
		}
	})
}

func TestASecondLeaveDoesNotLengthenTheGrace(t *testing.T) {
	inWorld(t, func(w *world) {
		leave := `{"leaveToken":"` + w.beat("ada", "session-1", "").LeaveToken + `"}`
		w.ask("", "POST", "/v1/presence/leave", leave)
		want := w.sessions("ada")[0].Deadline
		time.Sleep(8 * time.Second)
		w.ask("", "POST", "/v1/presence/leave", leave)
		if got := w.sessions("ada")[0].Deadline; got != want {
			w.Fatalf("deadline %s, want %s", got, want)
		}
		time.Sleep(3 * time.Second)
		if p := w.see("ada", "ada"); p.Status != api.StatusOffline || *p.LastSeen != api.LastSeenNow {
			w.Fatalf("%+v", p)
		}
		if r := w.ask("", "POST", "/v1/presence/leave", leave); r.status != http.StatusAccepted {
			w.Fatalf("after the end: %d %s", r.status, r.body)
		}
	})
}

// A beat that its own session's leave has overtaken on the way must not bring the session back.
func TestAfterALeaveOnlyAGreaterNumberOrNoneRevives(t *testing.T) {
	inWorld(t, func(w *world) {
		leave := func() {
			w.Helper()
			a := w.beat("ada", "session-1", `,"seq":1000`)
			w.ask("", "POST", "/v1/presence/leave", `{"leaveToken":"`+a.LeaveToken+`"}`)
		}
		w.beat("ada", "session-1", `,"seq":5`)
		leave()
		if a := w.beat("ada", "session-1", `,"seq":1000`); !a.Session.Left {
			w.Errorf("the same number has revived it: %+v", a.Session)
		}
		if a := w.beat("ada", "session-1", `,"seq":1001`); a.Session.Left {
			w.Errorf("a greater number has not revived it: %+v", a.Session)
		}
		time.Sleep(worldPolicy.Grace + 2*time.Second)
		if p := w.see("ada", "ada"); p.Status != api.StatusOnline {
			w.Errorf("it has ended all the same: %+v", p)
		}
		a := w.beat("ada", "session-1", `,"seq":1002`)
		w.ask("", "POST", "/v1/presence/leave", `{"leaveToken":"`+a.LeaveToken+`"}`)
		time.Sleep(worldPolicy.Grace + 2*time.Second)
		for _, seq := range []string{"1001", "1002"} {
			if a := w.beat("ada", "session-1", `,"seq":`+seq); a.Presence.Status != api.StatusOffline || !a.Session.Left {
				w.Errorf("a late beat after the end: %+v", a)
			}
		}
		if a := w.beat("ada", "session-1", ""); a.Presence.Status != api.StatusOnline {
			w.Errorf("a beat without a number has not revived it: %+v", a)
		}
	})
}
