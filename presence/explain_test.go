package presence_test

import (
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/presently/presently/presence"
	"github.com/presently/presently/presence/memstore"
)

func TestAReasonNamesTheRuleAndTheSessionThatDecided(t *testing.T) {
	start := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	says := func(id string, s presence.Status) presence.Session { return presence.Session{ID: id, State: s} }
	idle := says("session-0", presence.DND)
	idle.Idle = true
	busy := presence.Chosen{Status: presence.Busy, Until: start.Add(time.Hour)}
	hides := presence.Invisibility{On: true, Version: 1}
	for _, test := range []struct {
		name  string
		facts []presence.Fact
		after time.Duration
		want  presence.Reason
	}{
		{"nobody", nil, 0, presence.Reason{Status: presence.Offline, Rule: presence.ByNoSession}},
		{"a choice without a session", []presence.Fact{busy}, 0, presence.Reason{Status: presence.Offline, Rule: presence.ByNoSession}},
		{"hidden without a session", []presence.Fact{hides}, 0, presence.Reason{Status: presence.Offline, Rule: presence.ByNoSession}},
		{"hidden", []presence.Fact{says("session-1", presence.DND), hides, busy}, 0, presence.Reason{Status: presence.Invisible, Rule: presence.ByHiding}},
		{"chosen", []presence.Fact{says("session-1", presence.DND), busy}, time.Hour - time.Microsecond, presence.Reason{Status: presence.Busy, Rule: presence.ByChosen}},
		{"a choice that has expired", []presence.Fact{says("session-1", presence.DND), busy}, time.Hour, presence.Reason{Status: presence.DND, Rule: presence.ByAggregate, Session: "session-1"}},
		{"the strongest", []presence.Fact{idle, says("session-1", presence.Online), says("session-2", presence.Busy), says("session-3", presence.Busy)}, 0,
			presence.Reason{Status: presence.Busy, Rule: presence.ByAggregate, Session: "session-2"}},
		{"idle, whatever it says", []presence.Fact{idle}, 0, presence.Reason{Status: presence.Away, Rule: presence.ByAggregate, Session: "session-0"}},
	} {
		r := presence.Record{User: "ada"}
		r.Set(test.facts...)
		if got := r.Explain(presence.VersionAt(start.Add(test.after))); got != test.want {
			t.Errorf("%s: %+v, want %+v", test.name, got, test.want)
		}
	}
}

func TestASightNamesTheSettingThatApplied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tracker := presence.Tracker{Store: memstore.New(memstore.Options{TTL: time.Minute, Sweep: time.Second}), Policy: presence.Policy{TTL: time.Minute, Sessions: 1}}
		ctx := t.Context()
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		online := func(a presence.Audience) {
			p := presence.DefaultPrivacy
			p.Online = a
			_, err := tracker.SetPrivacy(ctx, "ada", p, nil)
			must(err)
		}
		_, err := tracker.Heartbeat(ctx, presence.Heartbeat{User: "ada", Session: "session-1"})
		must(err)
		must(tracker.SetContact(ctx, "ada", "ben", true))
		must(tracker.SetContact(ctx, "ada", "mallory", true))
		must(tracker.SetBlock(ctx, "ada", "mallory", true))
		const shown, hidden = false, true
		for _, step := range []struct {
			do                         func()
			eve, ben, mallory, herself presence.Sight
		}{
			{func() {},
				presence.Sight{presence.Other, false, presence.AsEveryone, shown}, presence.Sight{presence.Contact, false, presence.AsEveryone, shown},
				presence.Sight{presence.Other, true, presence.AsBlocked, hidden}, presence.Sight{presence.Self, false, presence.AsSelf, shown}},
			{func() { online(presence.Contacts) },
				presence.Sight{presence.Other, false, presence.AsContacts, hidden}, presence.Sight{presence.Contact, false, presence.AsContacts, shown},
				presence.Sight{presence.Other, true, presence.AsBlocked, hidden}, presence.Sight{presence.Self, false, presence.AsSelf, shown}},
			{func() { online(presence.Nobody) },
				presence.Sight{presence.Other, false, presence.AsNobody, hidden}, presence.Sight{presence.Contact, false, presence.AsNobody, hidden},
				presence.Sight{presence.Other, true, presence.AsBlocked, hidden}, presence.Sight{presence.Self, false, presence.AsSelf, shown}},
			{func() { _, err := tracker.Choose(ctx, "ada", presence.Invisible, presence.Lasts{}); must(err) },
				presence.Sight{presence.Other, false, presence.AsInvisible, hidden}, presence.Sight{presence.Contact, false, presence.AsInvisible, hidden},
				presence.Sight{presence.Other, true, presence.AsBlocked, hidden}, presence.Sight{presence.Self, false, presence.AsSelf, shown}},
			{func() {
				online(presence.Everyone)
				_, err := tracker.Clear(ctx, "ada")
				must(err)
				must(tracker.SetBlock(ctx, "ada", "mallory", false))
			},
				presence.Sight{presence.Other, false, presence.AsEveryone, shown}, presence.Sight{presence.Contact, false, presence.AsEveryone, shown},
				presence.Sight{presence.Contact, false, presence.AsEveryone, shown}, presence.Sight{presence.Self, false, presence.AsSelf, shown}},
		} {
			step.do()
			time.Sleep(time.Second)
			r, err := tracker.Sessions(ctx, "ada")
			must(err)
			for viewer, want := range map[string]presence.Sight{"eve": step.eve, "ben": step.ben, "mallory": step.mallory, "ada": step.herself} {
				got := r.SightOf(viewer)
				if got != want {
					t.Errorf("%s: %+v, want %+v", viewer, got, want)
				}
				if offline := r.ViewFor(viewer, r.AsOf).Status == presence.Offline; offline != got.Hidden {
					t.Errorf("%s sees her offline: %t, but %+v", viewer, offline, got)
				}
			}
		}
	})
}

// A reason that contradicts the view would be worse than none.
func TestReasonsAgreeWithViews(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := presence.Record{User: "ada"}
		for _, id := range []string{"session-1", "session-2"} {
			if rapid.Bool().Draw(t, "has "+id) {
				r.Set(presence.Session{
					ID: id, Idle: rapid.Bool().Draw(t, "idle"),
					State: rapid.SampledFrom([]presence.Status{presence.Online, presence.Away, presence.Busy, presence.DND}).Draw(t, "state"),
				})
			}
		}
		chosen := presence.Chosen{Status: rapid.SampledFrom([]presence.Status{"", presence.Online, presence.Away, presence.Busy, presence.DND}).Draw(t, "chosen")}
		if rapid.Bool().Draw(t, "ends") {
			chosen.Until = time.UnixMicro(2)
		}
		r.Set(chosen, presence.Invisibility{On: rapid.Bool().Draw(t, "hides"), Version: 1})
		now := presence.Version(rapid.Int64Range(1, 3).Draw(t, "now"))
		if got, want := r.Explain(now).Status, r.View(presence.Self, now).Status; got != want {
			t.Fatalf("%s by reason, %s by view", got, want)
		}
	})
}
