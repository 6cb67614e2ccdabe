package handlers

import (
	"net/http"
	"testing"
	"time"

	"github.com/presently/presently/api"
)

const privacyPath = "/v1/presence/privacy"

func privacy(online, lastSeen, activity, typing string) string {
	return `{"online":"` + online + `","lastSeen":"` + lastSeen + `","activity":"` + activity + `","typing":"` + typing + `"}`
}

func TestPrivacyBeginsWithTheDefaultsAndIsReplacedWhole(t *testing.T) {
	inWorld(t, func(w *world) {
		get := func() reply { return w.ask("ada", "GET", privacyPath, "") }
		defaults := api.Privacy{Online: "everyone", LastSeen: "contacts", Activity: "contacts", Typing: "everyone"}
		first := get()
		if got := as[api.Privacy](w, first, http.StatusOK); got != defaults {
			w.Fatalf("%+v, want %+v", got, defaults)
		}
		put := w.ask("ada", "PUT", privacyPath, privacy("contacts", "nobody", "everyone", "nobody"))
		want := api.Privacy{Online: "contacts", LastSeen: "nobody", Activity: "everyone", Typing: "nobody"}
		second := get()
		for _, r := range []reply{put, second} {
			if got := as[api.Privacy](w, r, http.StatusOK); got != want || r.header.Get("ETag") != put.header.Get("ETag") {
				w.Errorf("%+v, %s, want %+v", got, r.header.Get("ETag"), want)
			}
		}
		if put.header.Get("ETag") == first.header.Get("ETag") {
			w.Errorf("the tag is %s still", put.header.Get("ETag"))
		}
		if again := w.ask("ada", "PUT", privacyPath, privacy("contacts", "nobody", "everyone", "nobody")); again.header.Get("ETag") != put.header.Get("ETag") {
			w.Errorf("the same settings once more: %s, want %s", again.header.Get("ETag"), put.header.Get("ETag"))
		}
		if got := as[api.Privacy](w, w.ask("eve", "GET", privacyPath, ""), http.StatusOK); got != defaults {
			w.Errorf("eve has %+v", got)
		}
	})
}

func TestPrivacyIsChangedOnlyIfItIsWhatTheClientHasRead(t *testing.T) {
	inWorld(t, func(w *world) {
		put := func(online string, headers ...string) reply {
			return w.ask("ada", "PUT", privacyPath, privacy(online, "contacts", "contacts", "everyone"), headers...)
		}
		tag := func() string { return w.ask("ada", "GET", privacyPath, "").header.Get("ETag") }
		first := tag()
		if r := put("contacts", "If-Match: "+first); r.status != http.StatusOK {
			w.Fatalf("%d %s", r.status, r.body)
		}
		for _, header := range []string{first, `"x"`, "W/" + tag(), `"*"`, "nonsense", first + `, "x"`} {
			w.wantProblem(put("nobody", "If-Match: "+header), http.StatusPreconditionFailed, api.ProblemCodePreconditionFailed)
		}
		if got := as[api.Privacy](w, w.ask("ada", "GET", privacyPath, ""), http.StatusOK); got.Online != api.AudienceContacts {
			w.Fatalf("a refused change has changed something: %+v", got)
		}
		for i, header := range []string{tag(), "*", " * ", ""} {
			if r := put([]string{"nobody", "contacts"}[i%2], "If-Match: "+header); r.status != http.StatusOK {
				w.Errorf("If-Match %q: %d %s", header, r.status, r.body)
			}
		}
		if r := put("nobody", `If-Match: "x", `+tag()); r.status != http.StatusOK {
			w.Errorf("one of two: %d %s", r.status, r.body)
		}
		// A list may come as several lines.
		req, err := http.NewRequestWithContext(w.Context(), http.MethodPut, "http://presently"+privacyPath, body(privacy("contacts", "contacts", "contacts", "everyone")))
		if err != nil {
			w.Fatal(err)
		}
		req.Header = http.Header{"Authorization": {"Bearer " + token("ada", nil)}, "Content-Type": {"application/json"}, "If-Match": {`"x"`, tag()}}
		res, err := w.client.Do(req)
		if err != nil {
			w.Fatal(err)
		}
		defer res.Body.Close() //nolint:errcheck // a test
		if res.StatusCode != http.StatusOK {
			w.Errorf("on two lines: %s", res.Status)
		}
		// There and back is a change: somebody has decided something meanwhile.
		before := tag()
		time.Sleep(time.Millisecond)
		put("everyone")
		put("nobody")
		w.wantProblem(put("contacts", "If-Match: "+before), http.StatusPreconditionFailed, api.ProblemCodePreconditionFailed)
	})
}

func TestPrivacyThatCannotBeIsRefused(t *testing.T) {
	inWorld(t, func(w *world) {
		for _, test := range []struct {
			body     string
			pointers []string
		}{
			{`{}`, []string{"/activity", "/lastSeen", "/online", "/typing"}},
			{`{"online":"everyone","lastSeen":"everyone","activity":"everyone"}`, []string{"/typing"}},
			{privacy("friends", "everyone", "everyone", "everyone"), []string{"/online"}},
			{privacy("everyone", "", "everyone", "everyone"), []string{"/lastSeen"}},
			{privacy("everyone", "everyone", "Nobody", "everyone"), []string{"/activity"}},
			{`{"online":"everyone","lastSeen":"everyone","activity":"everyone","typing":true}`, []string{"/typing"}},
			{`{"online":"everyone","lastSeen":"everyone","activity":"everyone","typing":"nobody","custom":"nobody"}`, []string{"/custom"}},
		} {
			w.wantInvalid(w.ask("ada", "PUT", privacyPath, test.body), test.pointers...)
		}
		w.wantProblem(w.ask("ada", "PUT", privacyPath, ""), http.StatusUnsupportedMediaType, api.ProblemCodeUnsupportedMediaType)
	})
}

// Each setting hides its own fields from those whom it does not admit, and from nobody else.
func TestPrivacyHidesWhatItNamesFromWhomItDoesNotAdmit(t *testing.T) {
	inWorld(t, func(w *world) {
		w.beat("ada", "session-1", `,"device":"web","activity":{"type":"in_call","ttlMs":3600000},"state":"away"`)
		w.say("ada", `{"text":"Standup"}`)
		w.ask("ada", "PUT", "/v1/contacts/ben", "")
		type looks struct{ online, active, doing bool }
		look := func(viewer string) looks {
			p := w.see(viewer, "ada")
			online := p.Status == api.StatusAway
			if online != (p.Custom != nil) {
				w.Errorf("custom follows online: %+v", p)
			}
			return looks{online, p.LastActiveAt != nil, p.Activity != nil}
		}
		all, none := looks{true, true, true}, looks{}
		for _, test := range []struct {
			privacy  string
			eve, ben looks
		}{
			{privacy("everyone", "contacts", "contacts", "everyone"), looks{online: true}, all},
			{privacy("everyone", "everyone", "everyone", "everyone"), all, all},
			{privacy("everyone", "nobody", "everyone", "everyone"), looks{online: true, doing: true}, looks{online: true, doing: true}},
			{privacy("everyone", "everyone", "nobody", "everyone"), looks{online: true, active: true}, looks{online: true, active: true}},
			{privacy("contacts", "everyone", "everyone", "nobody"), none, all},
			{privacy("nobody", "everyone", "everyone", "everyone"), none, none},
		} {
			as[api.Privacy](w, w.ask("ada", "PUT", privacyPath, test.privacy), http.StatusOK)
			if eve, ben, self := look("eve"), look("ben"), look("ada"); eve != test.eve || ben != test.ben || self != all {
				w.Errorf("%s: a stranger sees %+v, want %+v; a contact %+v, want %+v; she herself %+v", test.privacy, eve, test.eve, ben, test.ben, self)
			}
		}
	})
}

// A change of privacy takes effect on streams that are open, at once, for those alone who see a difference.
func TestPrivacyTakesEffectOnOpenStreams(t *testing.T) {
	inWorld(t, func(w *world) {
		w.beat("ada", "session-1", "")
		w.ask("ada", "PUT", "/v1/contacts/ben", "")
		stranger, contact := w.watch("eve", "user=ada"), w.watch("ben", "user=ada")
		stranger.started()
		contact.started()
		time.Sleep(time.Second)
		w.ask("ada", "PUT", privacyPath, privacy("contacts", "contacts", "contacts", "everyone"))
		if p := stranger.presence(); p.Status != api.StatusOffline {
			w.Errorf("a stranger is told %+v", p)
		}
		contact.nothing(2 * time.Second)
		w.choose("ada", `{"status":"busy"}`)
		if p := contact.presence(); p.Status != api.StatusBusy {
			w.Errorf("a contact is told %+v", p)
		}
		stranger.nothing(2 * time.Second)
		w.ask("ada", "PUT", privacyPath, privacy("everyone", "contacts", "contacts", "everyone"))
		if p := stranger.presence(); p.Status != api.StatusBusy {
			w.Errorf("a stranger is told %+v", p)
		}
	})
}
