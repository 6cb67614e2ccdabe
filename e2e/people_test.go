package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/presently/presently/api"
	"github.com/presently/presently/internal/redistest"
)

const privacyPath = "/v1/presence/privacy"

func privacy(online string) string {
	return fmt.Sprintf(`{"online":%q,"lastSeen":"contacts","activity":"contacts","typing":"everyone"}`, online)
}

func TestWhatSomebodySaysOfHimselfIsToldAndSoIsItsEnd(t *testing.T) {
	t.Parallel()
	a, b := startPair(t, redistest.Start(t).URL())
	ada := a.as("ada")
	ada.beat("session-1")
	ada.must("PUT", "/v1/contacts/ben", "")
	stranger, contact := b.as("eve").watch("ada", "canary"), b.as("ben").watch("ada")

	before := time.Now()
	ada.must("PUT", "/v1/presence/custom", `{"text":"Standup","emoji":"☕","expiresInMs":2000}`)
	for _, w := range []*watching{stranger, contact} {
		if p := w.told("ada", "online"); p.Custom == nil || p.Custom.Text != "Standup" || *p.Custom.Emoji != "☕" || p.Custom.ExpiresAt == nil {
			t.Errorf("her custom status: %s", show(p))
		}
	}
	for _, w := range []*watching{stranger, contact} {
		if p := w.told("ada", "online"); p.Custom != nil || p.Rev < before.Add(2*time.Second).UnixMicro() {
			t.Errorf("its end: %s, begun at %s", show(p), before)
		}
	}

	before = time.Now()
	ada.must("PUT", "/v1/presence/activity", `{"sessionId":"session-1","type":"viewing","target":"/docs/7","ttlMs":1000}`)
	if p := contact.told("ada", "online"); p.Activity == nil || p.Activity.Type != "viewing" || *p.Activity.Target != "/docs/7" {
		t.Errorf("what she does: %s", show(p))
	}
	if p := contact.told("ada", "online"); p.Activity != nil || p.Rev < before.Add(time.Second).UnixMicro() {
		t.Errorf("its end: %s, begun at %s", show(p), before)
	}
	quiet(time.Now().UnixMicro(), a.as("canary"), stranger) // it was not for strangers
}

func TestPrivacyTakesEffectAtOnceOnStreamsOfTheOtherInstance(t *testing.T) {
	t.Parallel()
	a, b := startPair(t, redistest.Start(t).URL())
	ada := a.as("ada")
	ada.beat("session-1", `"device":"web"`)
	ada.must("PUT", "/v1/contacts/ben", "")
	stranger, contact := b.as("eve").watch("ada", "canary"), b.as("ben").watch("ada", "canary")

	ada.must("PUT", privacyPath, privacy("contacts"))
	stranger.told("ada", "offline")
	if p := b.as("ben").see("ada"); p.Status != "online" || p.Devices["web"] != "online" {
		t.Errorf("a contact sees %s", show(p))
	}
	quiet(time.Now().UnixMicro(), a.as("canary"), stranger, contact) // a contact saw nothing of it
	ada.beat("session-1", `"state":"busy"`)
	contact.told("ada", "busy")
	quiet(time.Now().UnixMicro(), a.as("canary"), stranger, contact)

	ada.must("PUT", privacyPath, privacy("nobody"))
	back := contact.told("ada", "offline")
	if back.LastSeenAt == nil || micros(t, *back.LastSeenAt) > back.Rev {
		t.Errorf("a contact is told of her going: %s", show(back))
	}
	ada.must("PUT", privacyPath, privacy("everyone"))
	stranger.told("ada", "busy")
	contact.told("ada", "busy")
}

func TestWhoBecomesAContactIsShownMoreOnHisOpenStream(t *testing.T) {
	t.Parallel()
	a, b := startPair(t, redistest.Start(t).URL())
	ada := a.as("ada")
	ada.beat("session-1", `"device":"web"`)
	ada.choose("dnd")
	w := b.as("ben").watch("ada")
	if p := w.in("ada"); p.Devices != nil || p.Chosen != nil {
		t.Errorf("a stranger sees %s", show(p))
	}
	ada.must("PUT", "/v1/contacts/ben", "")
	if p := w.told("ada", "dnd"); p.Devices["web"] != "online" || p.Chosen == nil || *p.Chosen != "dnd" {
		t.Errorf("a contact is told %s", show(p))
	}
	ada.must("DELETE", "/v1/presence/me/sessions/session-1", "")
	if p := w.told("ada", "offline"); p.LastSeenAt == nil || p.LastSeen == nil {
		t.Errorf("a contact is told %s", show(p))
	}
	ada.must("DELETE", "/v1/contacts/ben", "")
	if p := w.told("ada", "offline"); p.LastSeenAt != nil || p.LastSeen != nil {
		t.Errorf("who is a contact no longer is told %s", show(p))
	}
}

func TestWhoIsBlockedSeesHerGoAndComeBackWithoutTimesOfBetween(t *testing.T) {
	t.Parallel()
	a, b := startPair(t, redistest.Start(t).URL())
	ada := a.as("ada")
	ada.must("PUT", privacyPath, `{"online":"everyone","lastSeen":"everyone","activity":"everyone","typing":"everyone"}`)
	ada.beat("session-1", `"idleMs":600000`)
	blocked, other := b.as("mallory").watch("ada", "canary"), b.as("eve").watch("ada", "canary")

	ada.must("PUT", "/v1/blocks/mallory", "")
	blocked.told("ada", "offline")
	// What she does now is for the other one alone.
	ada.must("PUT", "/v1/presence/activity", `{"sessionId":"session-1","type":"in_call"}`)
	since := other.told("ada", "away").Activity.Since
	quiet(time.Now().UnixMicro(), a.as("canary"), blocked, other)
	if p := b.as("mallory").see("ada"); p.Status != "offline" || p.Activity != nil {
		t.Errorf("who is blocked reads %s", show(p))
	}

	before := time.Now().UnixMicro() / 1000 * 1000
	ada.must("DELETE", "/v1/blocks/mallory", "")
	back := blocked.told("ada", "away")
	if back.Activity == nil || back.LastActiveAt == nil {
		t.Fatalf("unblocked, he is told %s", show(back))
	}
	for _, at := range []api.Time{back.Activity.Since, *back.LastActiveAt} {
		if micros(t, at) < before {
			t.Errorf("%s is older than the end of the block: %s", at, show(back))
		}
	}
	if p := b.as("eve").see("ada"); p.Activity == nil || p.Activity.Since != since {
		t.Errorf("the other one sees %s, since %s", show(p), since)
	}
	// And he sees her all the while.
	b.as("mallory").beat("session-1")
	if p := ada.see("mallory"); p.Status != "online" {
		t.Errorf("she sees %s", show(p))
	}
}

// Settings outlive the sessions and the instances, for they are the store's. Invisible is one of them: nobody starts to appear.
func TestSettingsSurviveSessionsAndInstances(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	a, b := startPair(t, redis.URL())
	ada := a.as("ada")
	session := ada.beat("session-1")
	for _, request := range []string{"contacts/ben", "blocks/mallory"} {
		ada.must("PUT", "/v1/"+request, "")
	}
	ada.must("PUT", privacyPath, privacy("contacts"))
	ada.must("PUT", "/v1/presence/custom", `{"text":"Standup"}`)
	zoe := a.as("zoe")
	zoe.beat("session-1")
	zoe.choose("invisible")
	tag := b.as("ada").must("GET", privacyPath, "").header.Get("ETag")
	ada.leave(session)
	ada.must("DELETE", "/v1/presence/me/sessions/session-1", "")
	zoe.must("DELETE", "/v1/presence/me/sessions/session-1", "")
	for _, i := range []*instance{a, b} {
		if status := i.program.stop(); status != 0 {
			t.Fatalf("an instance ends with status %d", status)
		}
	}

	a, b = startPair(t, redis.URL())
	settings := a.as("ada").must("GET", privacyPath, "")
	if got := decode[api.Privacy](t, settings.body); got.Online != api.AudienceContacts || settings.header.Get("ETag") != tag {
		t.Errorf("privacy %s with the tag %s, want %s", settings.body, settings.header.Get("ETag"), tag)
	}
	for list, user := range map[string]string{"contacts": "ben", "blocks": "mallory"} {
		if got := string(b.as("ada").must("GET", "/v1/"+list, "").body); !strings.Contains(got, user) {
			t.Errorf("%s: %s, want %s", list, got, user)
		}
	}
	a.as("ada").beat("session-2")
	a.as("zoe").beat("session-2")
	if p := b.as("zoe").see("zoe"); p.Status != "invisible" {
		t.Errorf("in her own eyes zoe is %s", show(p))
	}
	for _, test := range []struct{ viewer, user, want string }{
		{"eve", "ada", "offline"}, {"mallory", "ada", "offline"}, {"ben", "ada", "online"}, {"ben", "zoe", "offline"},
	} {
		if p := b.as(test.viewer).see(test.user); string(p.Status) != test.want || (p.Custom != nil) != (test.want == "online") {
			t.Errorf("%s sees %s, want %s", test.viewer, show(p), test.want)
		}
	}
}

func TestPrivacyIsNotChangedBehindOnesBackAtTheOtherInstance(t *testing.T) {
	t.Parallel()
	a, b := startPair(t, redistest.Start(t).URL())
	at := []*person{a.as("ada"), b.as("ada")}
	first := at[0].must("GET", privacyPath, "").header.Get("ETag")
	second := at[1].must("PUT", privacyPath, privacy("contacts"), "If-Match: "+first).header.Get("ETag")
	if got := at[0].must("GET", privacyPath, "").header.Get("ETag"); got != second || second == first {
		t.Errorf("tags: %s, then %s at one instance and %s at the other", first, second, got)
	}
	r, err := at[0].ask(soon(t), "PUT", privacyPath, privacy("nobody"), "If-Match: "+first)
	if err != nil || r.status != http.StatusPreconditionFailed {
		t.Errorf("with the tag of before: %d %s (%v)", r.status, r.body, err)
	}
	if got := decode[api.Privacy](t, at[1].must("GET", privacyPath, "").body).Online; got != api.AudienceContacts {
		t.Errorf("a refused change has changed it to %s", got)
	}
	at[0].must("PUT", privacyPath, privacy("nobody"), "If-Match: "+second)
}

func TestABackendSeesAndEndsSessionsOfTheOtherInstance(t *testing.T) {
	t.Parallel()
	a, b := startPair(t, redistest.Start(t).URL())
	a.as("ada").beat("made-at-a", `"device":"web"`)
	b.as("ada").beat("made-at-b", `"device":"mobile"`)
	own := decode[api.Explanation](t, a.as("ada").must("GET", "/v1/presence/me/explain", "").body)
	if len(own.Sessions) != 2 || own.Sessions[0].Instance == "" || own.Sessions[0].Instance == own.Sessions[1].Instance {
		t.Fatalf("two sessions at two instances: %+v", own.Sessions)
	}
	backend := b.admin("backend")
	told := decode[api.Explanation](t, backend.must("GET", "/v1/presence/ada/explain?viewer=eve", "").body)
	for n, s := range told.Sessions {
		if s.SessionID != []string{"made-at-a", "made-at-b"}[n] || s.Instance != own.Sessions[n].Instance {
			t.Errorf("at B: %+v, at A: %+v", s, own.Sessions[n])
		}
	}
	if told.Viewer == nil || told.Viewer.Presence.Status != "online" {
		t.Errorf("explained for eve: %+v", told.Viewer)
	}

	streams := []*watching{a.as("eve").watch("ada"), b.as("eve").watch("ada")}
	backend.must("DELETE", "/v1/admin/users/ada/sessions", "")
	for _, w := range streams {
		w.told("ada", "offline")
	}
	if got := decode[api.SessionList](t, a.as("ada").must("GET", "/v1/presence/me/sessions", "").body).Sessions; len(got) > 0 {
		t.Errorf("left are %+v", got)
	}
	backend.must("PUT", "/v1/admin/presence/ada", `{"state":"busy","ttlMs":60000,"profile":{"name":"Ada, the bot"}}`)
	for _, w := range streams {
		if p := w.told("ada", "busy"); p.Profile == nil || *p.Profile.Name != "Ada, the bot" {
			t.Errorf("as the backend has set her: %s", show(p))
		}
	}
}

// admin is somebody whose token has the scope presence:admin.
func (i *instance) admin(user string) *person {
	return &person{at: i, user: user, token: signClaims(i.t, user, time.Hour, map[string]any{"scope": "presence:admin presence:read presence:write"})}
}
