package storetest

import (
	"time"

	"github.com/presently/presently/presence"
)

// wantHidden checks that nobody but a user himself sees that he is here.
func (a *actor) wantHidden(user string) {
	a.t.Helper()
	for _, viewer := range []string{stranger, "ben"} {
		v := a.view(user, viewer)
		want := presence.View{User: user, Status: presence.Offline, Notify: true, LastSeen: v.LastSeen, Version: v.Version}
		if v.Status != want.Status || v.Profile != want.Profile || !v.LastSeenAt.IsZero() || v.Devices != nil || v.Activity != want.Activity {
			a.t.Errorf("%s sees %+v, want %+v", viewer, v, want)
		}
	}
	if v := a.view(user, user); v.Status == presence.Offline {
		a.t.Errorf("%s does not see himself: %+v", user, v)
	}
	a.wantRoom("hall", 0)
	a.wantRoom(presence.Everywhere, 0)
	a.wantIn(user, stranger)
	a.wantIn(user, user, "hall")
}

// comes has a user be in the hall, hidden, with all that others could see.
func (a *actor) comes(user string) {
	a.t.Helper()
	b := beatOf(user, "session-1")
	b.Rooms, b.Profile = &[]string{"hall"}, presence.Profile{Name: "A"}
	a.beat(b)
	a.choose(user, presence.Busy, time.Hour)
	a.wantHidden(user)
	a.fx.Advance(2 * time.Second)
	a.fx.Heard.take(a.t, a.fx.Store)
}

// wantShown checks that others see a user come online now, and learn where he is.
func (a *actor) wantShown(user string) {
	a.t.Helper()
	if v := a.view(user, stranger); v.Status != presence.Busy || v.Profile.Name != "A" {
		a.t.Errorf("a stranger sees %+v", v)
	}
	a.wantRoom("hall", 1, user)
	a.wantRoom(presence.Everywhere, 1, user)
	moved, came := false, a.record(user).Hidings[presence.Other].At
	if came.IsZero() {
		a.t.Error("nothing tells when he came out")
	}
	for _, c := range a.fx.Heard.take(a.t, a.fx.Store) {
		for _, f := range c.Facts {
			m, is := f.(presence.Membership)
			moved = moved || is && len(m.Stays) > 0
		}
	}
	if !moved {
		a.t.Error("nobody who watches the hall learns that he is there")
	}
	a.leave(user, "session-1")
	a.fx.Advance(Grace + Sweep)
	if r := a.record(user); r.Seen.At.Before(came) {
		a.t.Errorf("last seen %v, before he came out at %v", r.Seen.At, came)
	}
}

// lossStories are of a store that closes after lost data, and is empty.
var lossStories = []story{
	{"APrivacySettingShowsAgain", func(a *actor) {
		a.comes("ada")
		_, err := tracker(a.fx).SetPrivacy(a.t.Context(), "ada", presence.DefaultPrivacy, nil) // as they would be anyway
		a.did(err)
		a.wantShown("ada")
	}},
	{"ARelationShowsAgain", func(a *actor) {
		for user, set := range map[string]func(user string) error{
			"ada": func(user string) error { return tracker(a.fx).SetContact(a.t.Context(), user, "ben", true) },
			"cyd": func(user string) error { return tracker(a.fx).SetContact(a.t.Context(), user, "ben", false) }, // who was none
			"dan": func(user string) error { return tracker(a.fx).SetBlock(a.t.Context(), user, "eve", true) },
		} {
			a.comes(user)
			a.did(set(user))
			for viewer, rel := range a.record(user).Relations {
				if !rel.Blocked && rel.Hiding != (presence.Hiding{}) {
					a.t.Errorf("%s has a hiding of his own: %+v", viewer, rel)
				}
			}
			a.wantShown(user)
		}
	}},
	{"WhoIsBlockedGoesOnSeeingNothing", func(a *actor) {
		a.comes("ada")
		a.did(tracker(a.fx).SetBlock(a.t.Context(), "ada", "ben", true))
		if v := a.view("ada", "ben"); v.Status != presence.Offline || v.Profile.Name != "" || !v.LastSeenAt.IsZero() {
			a.t.Errorf("who is blocked sees %+v", v)
		}
		a.wantShown("ada")
	}},
	{"ASettingThatHidesHides", func(a *actor) {
		a.comes("ada")
		private := presence.DefaultPrivacy
		private.Online = presence.Nobody
		_, err := tracker(a.fx).SetPrivacy(a.t.Context(), "ada", private, nil)
		a.did(err)
		a.wantHidden("ada")
		_, err = tracker(a.fx).SetPrivacy(a.t.Context(), "ada", presence.DefaultPrivacy, nil)
		a.did(err)
		a.wantShown("ada")
	}},
	{"WhoBecomesInvisibleStaysHidden", func(a *actor) {
		a.comes("ada")
		a.choose("ada", presence.Invisible, 0)
		a.wantHidden("ada")
		a.choose("ada", presence.Busy, 0)
		a.wantShown("ada")
	}},
	{"WhatIsNoSettingShowsNothing", func(a *actor) {
		a.comes("ada")
		_, err := tracker(a.fx).SetCustom(a.t.Context(), "ada", "here", "", presence.Lasts{})
		a.did(err)
		a.beat(beatOf("ada", "session-2"))
		a.typ("ada", presence.Typing{Room: "hall", Session: "session-1", TTL: 5 * time.Second})
		a.wantHidden("ada")
		a.wantTyping("ada", "hall")
	}},
}
