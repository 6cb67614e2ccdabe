package storetest

import (
	"errors"
	"fmt"
	"time"

	"github.com/presently/presently/presence"
)

// awkward are names and texts that a store might take for its own punctuation.
var awkward = []string{"a|b", "a=b", "=", "%v", "%7C", "100 %", "a:b", "{a}", `\`, `"`, "☕", "r:a", "v", "<b>"}

// view is what a viewer sees of a user.
func (a *actor) view(user, viewer string) presence.View {
	a.t.Helper()
	rs, err := a.fx.Store.Lookup(a.t.Context(), viewer, []string{user})
	if err != nil {
		a.t.Fatalf("Lookup: %v", err)
	}
	return rs[0].ViewFor(viewer, rs[0].AsOf)
}

func (a *actor) amend(user string, change presence.Amendment) (presence.Record, error) {
	a.t.Helper()
	return a.fx.Store.Amend(a.t.Context(), user, presence.ByChoice, change)
}

// did fails the test where somebody could not do what he did.
func (a *actor) did(err error) {
	a.t.Helper()
	if err != nil {
		a.t.Fatal(err)
	}
}

// wantDoing checks an activity of ada's first session.
func (a *actor) wantDoing(kind string, since, until time.Time) {
	a.t.Helper()
	r := a.record("ada")
	if len(r.Doing) != 1 || r.Doing[0].Type != kind || !near(r.Doing[0].Since, since) || !near(r.Doing[0].Until, until) {
		a.t.Fatalf("doing %+v, want %s from %s to %s", r.Doing, kind, since, until)
	}
}

// now is the store's.
func (a *actor) now() time.Time { return a.record("ada").AsOf.Time() }

// amendStories are of what people say, do and hide.
var amendStories = []story{
	{"AnAmendmentSeesAllThatTheStoreKnows", func(a *actor) {
		b := beatOf("ada", "session-1")
		b.IdleFor = 2 * time.Second
		a.beat(b)
		away := beatOf("ada", "session-2")
		away.IdleFor, away.Idle = 7*time.Second, true
		a.beat(away)
		a.did(tracker(a.fx).SetContact(a.t.Context(), "ada", "bob", true))
		a.fx.Advance(3 * time.Second)
		a.beat(b)
		away.IdleFor += 3 * time.Second
		a.beat(away)
		at := a.now()
		_, err := a.amend("ada", func(r presence.Record, now time.Time, v presence.Version) ([]presence.Fact, error) {
			if !near(now, at) || !now.Equal(now.Truncate(time.Millisecond)) || v <= r.AsOf || !r.Relations["bob"].Contact {
				a.t.Errorf("at %s of %s, version %d, record %+v", now, at, v, r)
			}
			for i, idle := range []time.Duration{2 * time.Second, 10 * time.Second} {
				if s := r.Sessions[i]; !near(s.LastBeat, at) || !near(s.Deadline, at.Add(TTL)) || !near(s.LastInput, at.Add(-idle)) {
					a.t.Errorf("at %s session %+v, want input %s ago", at, s, idle)
				}
			}
			return nil, nil
		})
		a.did(err)
	}},
	{"AnAmendmentWithoutFactsTellsNobody", func(a *actor) {
		a.beat(beatOf("ada", "session-1"))
		a.wantHeard(presence.ByBeat)
		before := a.record("ada")
		r, err := a.amend("ada", func(presence.Record, time.Time, presence.Version) ([]presence.Fact, error) { return nil, nil })
		a.did(err)
		if r.Head != before.Head || len(r.Sessions) != 1 {
			a.t.Fatalf("record %+v, was %+v", r, before)
		}
		refused := errors.New("refused")
		_, err = a.amend("bob", func(presence.Record, time.Time, presence.Version) ([]presence.Fact, error) { return nil, refused })
		if err != refused { //nolint:errorlint // as it is
			a.t.Fatalf("error %v, want the change's own", err)
		}
		if r := a.record("bob"); !r.Blank() {
			a.t.Fatalf("a refused change left %+v", r)
		}
		a.wantHeard()
	}},
	{"WhatIsSaidIsKeptToTheLetter", func(a *actor) {
		a.beat(beatOf("ada", "session-1"))
		for _, text := range awkward {
			_, err := tracker(a.fx).SetCustom(a.t.Context(), "ada", text, text, presence.Lasts{})
			a.did(err)
			_, err = tracker(a.fx).SetActivity(a.t.Context(), "ada", "session-1", &presence.Doing{Type: "viewing", Target: text, Label: text, TTL: TTL})
			a.did(err)
			v := a.view("ada", "ada")
			if v.Custom.Text != text || v.Custom.Emoji != text || v.Activity.Target != text || v.Activity.Label != text {
				a.t.Fatalf("said %q, seen %+v", text, v)
			}
			b := beatOf("ada", "session-1")
			b.Doing = &presence.Doing{Type: "in_call", Target: text, Label: text, TTL: TTL}
			a.beat(b)
			if v := a.view("ada", "ada"); v.Activity.Type != "in_call" || v.Activity.Target != text || v.Activity.Label != text {
				a.t.Fatalf("beat with %q, seen %+v", text, v)
			}
		}
	}},
	{"RelationsToAnybodyAreTold", func(a *actor) {
		for _, other := range awkward {
			a.did(tracker(a.fx).SetContact(a.t.Context(), "ada", other, true))
			a.did(tracker(a.fx).SetBlock(a.t.Context(), "ada", other+"!", true))
		}
		all := a.record("ada")
		if len(all.Contacts()) != len(awkward) || len(all.Blocks()) != len(awkward) {
			a.t.Fatalf("%d contacts, %d blocks, want %d of each", len(all.Contacts()), len(all.Blocks()), len(awkward))
		}
		told := presence.Record{User: "ada"}
		for _, c := range a.fx.Heard.take(a.t, a.fx.Store) {
			told = told.Apply(c)
		}
		if fmt.Sprint(told.Relations) != fmt.Sprint(all.Relations) || told.RelatedAt != all.RelatedAt {
			a.t.Fatalf("told of %v\nread      %v", told.Relations, all.Relations)
		}
		for _, other := range awkward {
			rs, err := a.fx.Store.Lookup(a.t.Context(), other, []string{"nobody", "ada"})
			a.did(err)
			if r := rs[1]; len(r.Relations) != 1 || !r.Relations[other].Contact || r.RelatedAt != all.RelatedAt {
				a.t.Fatalf("to %q relations %+v", other, r.Relations)
			}
		}
		for _, other := range awkward {
			a.did(tracker(a.fx).SetContact(a.t.Context(), "ada", other, false))
		}
		if r := a.record("ada"); len(r.Contacts()) != 0 || len(r.Blocks()) != len(awkward) || r.RelatedAt <= all.RelatedAt {
			a.t.Fatalf("afterwards %+v", r)
		}
	}},
	{"AContactWhoIsNoMoreIsAStrangerToWhomThatIsNews", func(a *actor) {
		a.did(tracker(a.fx).SetContact(a.t.Context(), "ada", "bob", true))
		before := a.record("ada")
		a.did(tracker(a.fx).SetContact(a.t.Context(), "ada", "bob", false))
		r := a.record("ada")
		view := r.ViewFor("bob", r.AsOf)
		if len(r.Contacts()) != 0 || r.ClassOf("bob") != presence.Other || view.Version <= before.ViewFor("bob", before.AsOf).Version {
			a.t.Fatalf("relations %+v show him %+v", r.Relations, view)
		}
		a.wantHeard(presence.BySetting, presence.BySetting)
	}},
	{"AnActivityGoesOnWhileBeatsSaySo", func(a *actor) {
		b := beatOf("ada", "session-1")
		b.Minimal, b.Doing = true, &presence.Doing{Type: "viewing", Target: "/docs/7", TTL: 12 * time.Second}
		a.beat(b)
		since := a.now()
		a.wantHeard(presence.ByBeat)
		a.fx.Advance(5 * time.Second)
		if out := a.beat(b); !out.Steady {
			a.t.Fatalf("%+v, want steady", out)
		}
		a.wantHeard()
		a.fx.Advance(2 * time.Second) // more than half of it has passed
		if out := a.beat(b); out.Steady {
			a.t.Fatalf("%+v, want a change", out)
		}
		a.wantDoing("viewing", since, a.now().Add(12*time.Second))
		a.wantHeard(presence.ByBeat)
		b.Doing = &presence.Doing{Type: "viewing", Target: "/docs/7", TTL: 3 * time.Second}
		a.beat(b) // ends earlier
		a.wantDoing("viewing", since, a.now().Add(3*time.Second))
		a.fx.Advance(4 * time.Second)
		if v := a.view("ada", "ada"); v.Activity.Type != "" || v.Status != presence.Online {
			a.t.Fatalf("after its end %+v", v)
		}
		a.wantHeard(presence.ByBeat)
		a.beat(b) // begins anew
		a.wantDoing("viewing", a.now(), a.now().Add(3*time.Second))
	}},
	{"ABeatWithoutActivityKeepsIt", func(a *actor) {
		b := beatOf("ada", "session-1")
		b.Doing = &presence.Doing{Type: "in_call", TTL: 12 * time.Second}
		a.beat(b)
		since := a.now()
		b.Doing = nil
		a.beat(b)
		a.fx.Advance(2 * time.Second)
		a.beat(b)
		a.wantDoing("in_call", since, since.Add(12*time.Second))
		a.wantHeard(presence.ByBeat)
	}},
	// A store that takes beats with the same content for steady would go on showing what was set in between.
	{"ABeatSaysAnewWhatWasAmendedSince", func(a *actor) {
		b := beatOf("ada", "session-1")
		b.Seq, b.Doing = seq(1), &presence.Doing{Type: "viewing", TTL: 30 * time.Second}
		for _, other := range []*presence.Doing{nil, {Type: "in_call", TTL: 30 * time.Second}} {
			for range 3 {
				b.Seq = seq(*b.Seq + 1)
				a.beat(b)
			}
			_, err := tracker(a.fx).SetActivity(a.t.Context(), "ada", "session-1", other)
			a.did(err)
			a.fx.Advance(time.Second)
			old := b
			old.Seq = seq(1)
			if out := a.beat(old); !out.Old {
				a.t.Fatalf("%+v, want old", out)
			}
			b.Seq = seq(*b.Seq + 1)
			a.beat(b)
			a.wantDoing("viewing", a.now(), a.now().Add(30*time.Second))
		}
		a.fx.Advance(TTL - time.Second)
		a.wantStatus("ada", presence.Online) // the last beat counted
		a.fx.Advance(2 * time.Second)
		a.wantStatus("ada", presence.Offline) // and only once
	}},
	{"AnActivityEndsWithItsSession", func(a *actor) {
		doing := &presence.Doing{Type: "in_call", TTL: time.Hour}
		if _, err := tracker(a.fx).SetActivity(a.t.Context(), "ada", "session-1", doing); !errors.Is(err, presence.ErrNoSession) {
			a.t.Fatalf("error %v, want ErrNoSession", err)
		}
		a.beat(beatOf("ada", "session-1"))
		_, err := tracker(a.fx).SetActivity(a.t.Context(), "ada", "session-1", doing)
		a.did(err)
		a.did(a.fx.Store.End(a.t.Context(), "ada", "session-1"))
		a.beat(beatOf("ada", "session-1"))
		if r := a.record("ada"); len(r.Doing) != 0 {
			a.t.Fatalf("doing %+v", r.Doing)
		}
		a.wantHeard(presence.ByBeat, presence.ByChoice, presence.ByEnd, presence.ByBeat)
	}},
	{"WhoBlocksIsGoneForOneViewerAlone", func(a *actor) {
		b := beatOf("ada", "session-1")
		b.Profile = presence.Profile{Name: "Ada"}
		a.beat(b)
		a.did(tracker(a.fx).SetBlock(a.t.Context(), "ada", "bob", true))
		before := a.view("ada", "bob")
		b.State, b.Profile.Name = presence.Busy, "Countess"
		a.beat(b)
		a.fx.Advance(2 * time.Second)
		a.beat(b)
		if after := a.view("ada", "bob"); before.Status != presence.Offline || fmt.Sprint(after) != fmt.Sprint(before) {
			a.t.Fatalf("bob sees %+v, saw %+v", after, before)
		}
		if v := a.view("ada", "carl"); v.Status != presence.Busy || v.Profile.Name != "Countess" {
			a.t.Fatalf("carl sees %+v", v)
		}
	}},
	{"SettingsOutliveTheSession", func(a *actor) {
		a.beat(beatOf("ada", "session-1"))
		hidden := presence.DefaultPrivacy
		hidden.Online = presence.Contacts
		_, err := tracker(a.fx).SetPrivacy(a.t.Context(), "ada", hidden, nil)
		a.did(err)
		a.did(tracker(a.fx).SetContact(a.t.Context(), "ada", "bob", true))
		a.fx.Advance(3 * TTL)
		a.beat(beatOf("ada", "session-2"))
		if v := a.view("ada", "carl"); v.Status != presence.Offline {
			a.t.Fatalf("carl sees %+v", v)
		}
		if v := a.view("ada", "bob"); v.Status != presence.Online {
			a.t.Fatalf("bob sees %+v", v)
		}
	}},
}
