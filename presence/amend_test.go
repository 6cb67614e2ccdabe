package presence_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/presently/presently/presence"
	"github.com/presently/presently/presence/memstore"
)

func TestACustomStatusIsSeenUntilItsEnd(t *testing.T) {
	online := saying("session-1", presence.Online)
	ends := presence.Custom{Text: "Standup", Emoji: "☕", Until: after(minute), Version: v(second)}
	stays := presence.Custom{Emoji: "☕", Version: v(second)}
	for _, c := range []struct {
		name    string
		record  presence.Record
		now     presence.Version
		want    presence.Custom
		version presence.Version
	}{
		{"before its end", recordOf(online, ends), v(minute) - 1, presence.Custom{Text: "Standup", Emoji: "☕", Until: after(minute)}, v(second)},
		{"at its end", recordOf(online, ends), v(minute), presence.Custom{}, v(minute)},
		{"without end", recordOf(online, stays), v(400 * day), presence.Custom{Emoji: "☕"}, v(second)},
		{"cleared", recordOf(online, presence.Custom{Version: v(hour)}), v(2 * hour), presence.Custom{}, v(hour)},
		{"offline", recordOf(stays), v(minute), presence.Custom{}, 0},
	} {
		for class := range everyClass {
			got := c.record.View(class, c.now)
			if got.Custom != c.want || got.Version != c.version {
				t.Errorf("%s: %s sees %+v as of %d, want %+v as of %d", c.name, classes[class], got.Custom, got.Version, c.want, c.version)
			}
		}
	}
}

func TestTheNewestActivityThatGoesOnIsSeen(t *testing.T) {
	old, young := doing("session-1", "viewing", hour), doing("session-2", "in_call", minute)
	young.Since, young.Version = after(second), v(second)
	both := []presence.Fact{saying("session-1", presence.Online), saying("session-2", presence.Online), old, young}
	stopped := presence.Activity{Session: "session-2", Version: v(2 * second)}
	for _, c := range []struct {
		name    string
		record  presence.Record
		now     presence.Version
		kind    string
		since   time.Time
		version presence.Version
	}{
		{"the newest of two", recordOf(both...), v(minute) - 1, "in_call", after(second), v(second)},
		{"the other one when it has expired", recordOf(both...), v(minute), "viewing", after(0), v(minute)},
		{"the other one when it was stopped", recordOf(append(both, stopped)...), v(minute), "viewing", after(0), v(2 * second)},
		{"none when both have expired", recordOf(both...), v(hour), "", time.Time{}, v(hour)},
		{"none of a session that has ended", recordOf(append(both, presence.SessionEnded("session-2"))...), v(2 * second), "viewing", after(0), v(0)},
	} {
		got := c.record.View(presence.Self, c.now)
		if want := (presence.Activity{Type: c.kind, Since: c.since}); got.Activity != want || got.Version != c.version {
			t.Errorf("%s: %+v as of %d, want %+v as of %d", c.name, got.Activity, got.Version, want, c.version)
		}
	}
}

func TestTheSoonestExpiryIsExpected(t *testing.T) {
	r := recordOf(
		saying("session-1", presence.Online), saying("session-2", presence.Online), chose(presence.DND, 4*minute),
		presence.Custom{Text: "Standup", Until: after(3 * minute), Version: v(0)},
		doing("session-1", "viewing", 2*minute), doing("session-2", "in_call", minute),
	)
	now := v(0)
	for _, want := range []time.Duration{minute, 2 * minute, 3 * minute, 4 * minute} {
		next, ok := r.NextExpiry(now)
		if !ok || next != v(want) {
			t.Fatalf("after %d the next expiry is %d, want %d", now, next, v(want))
		}
		now = next
	}
	if next, ok := r.NextExpiry(now); ok {
		t.Errorf("after the last there is one at %d", next)
	}
	r.Set(presence.Custom{Until: after(hour), Version: v(1)}, doing("session-1", "", hour))
	if next, ok := r.NextExpiry(now); ok {
		t.Errorf("what has ended already expires at %d", next)
	}
}

func TestAnActivityThatGoesOnKeepsItsBeginning(t *testing.T) {
	before := doing("session-1", "viewing", 10*minute)
	before.Target, before.Label = "/docs/7", "Plan"
	same := presence.Doing{Type: "viewing", Target: "/docs/7", Label: "Plan", TTL: 10 * minute}
	with := func(change func(*presence.Doing)) *presence.Doing {
		d := same
		change(&d)
		return &d
	}
	const kept, begun = true, false
	for _, c := range []struct {
		name    string
		doing   *presence.Doing
		now     time.Duration
		goesOn  bool
		changed bool
	}{
		{"the same at once", &same, 0, kept, false},
		{"the same while half of it is left", &same, 5 * minute, kept, false},
		{"the same when less than half is left", &same, 5*minute + time.Millisecond, kept, true},
		{"the same just before its end", &same, 10*minute - time.Millisecond, kept, true},
		{"the same at its end", &same, 10 * minute, begun, true},
		{"shorter", with(func(d *presence.Doing) { d.TTL = 9 * minute }), 0, kept, true},
		{"shorter, but not ending earlier", with(func(d *presence.Doing) { d.TTL = 6 * minute }), 4 * minute, kept, false},
		{"longer, more than twice what is left", with(func(d *presence.Doing) { d.TTL = 30 * minute }), 0, kept, true},
		{"another type", with(func(d *presence.Doing) { d.Type = "in_call" }), minute, begun, true},
		{"another target", with(func(d *presence.Doing) { d.Target = "/docs/8" }), minute, begun, true},
		{"another label", with(func(d *presence.Doing) { d.Label = "" }), minute, begun, true},
	} {
		r := recordOf(saying("session-1", presence.Online), before)
		a, changed := r.Does("session-1", c.doing, after(c.now), v(day))
		want := presence.Activity{
			Session: "session-1", Type: c.doing.Type, Target: c.doing.Target, Label: c.doing.Label,
			Since: after(c.now), Until: after(c.now + c.doing.TTL), Version: v(day),
		}
		if c.goesOn {
			want.Since, want.Version = before.Since, before.Version
		}
		if changed != c.changed || a != want {
			t.Errorf("%s: %+v, changed %t, want %+v, %t", c.name, a, changed, want, c.changed)
		}
	}
}

func TestAnActivityThatIsStoppedIsStoppedOnce(t *testing.T) {
	r := recordOf(saying("session-1", presence.Online), doing("session-1", "viewing", hour))
	a, changed := r.Does("session-1", nil, after(second), v(second))
	if want := (presence.Activity{Session: "session-1", Version: v(second)}); !changed || a != want {
		t.Fatalf("%+v, changed %t, want %+v", a, changed, want)
	}
	r.Set(a)
	if a, changed = r.Does("session-1", nil, after(minute), v(minute)); changed {
		t.Errorf("stopped again: %+v", a)
	}
	if _, changed = r.Does("session-2", nil, after(minute), v(minute)); changed {
		t.Error("stopped at a session that never did anything")
	}
}

func TestWhatIsSoAlreadyIsNotAmended(t *testing.T) {
	full := recordOf(saying("session-1", presence.Online), presence.Custom{Text: "Standup", Version: v(0)})
	for name, amend := range map[string]func(context.Context, *presence.Tracker) error{
		"clearing no custom status": func(ctx context.Context, tr *presence.Tracker) error {
			_, err := tr.SetCustom(ctx, "ada", "", "", presence.Lasts{})
			return err
		},
		"the default privacy": func(ctx context.Context, tr *presence.Tracker) error {
			_, err := tr.SetPrivacy(ctx, "ada", presence.DefaultPrivacy, nil)
			return err
		},
		"no contact":        func(ctx context.Context, tr *presence.Tracker) error { return tr.SetContact(ctx, "ada", "bob", false) },
		"a contact already": func(ctx context.Context, tr *presence.Tracker) error { return tr.SetContact(ctx, "ada", "cy", true) },
		"no block":          func(ctx context.Context, tr *presence.Tracker) error { return tr.SetBlock(ctx, "ada", "cy", false) },
		"nothing done": func(ctx context.Context, tr *presence.Tracker) error {
			_, err := tr.SetActivity(ctx, "ada", "session-1", nil)
			return err
		},
		"nothing done at no session": func(ctx context.Context, tr *presence.Tracker) error {
			_, err := tr.SetActivity(ctx, "ada", "session-2", nil)
			return err
		},
	} {
		tr, h := tracker()
		h.record = clone(full)
		h.record.Set(presence.Relation{Viewer: "cy", Contact: true, Version: v(0)})
		if name == "clearing no custom status" {
			h.record.Custom = presence.Custom{}
		}
		if err := amend(t.Context(), tr); err != nil || len(h.facts) != 0 {
			t.Errorf("%s: makes %+v, %v", name, h.facts, err)
		}
	}
}

func TestWhatCannotBeIsRefused(t *testing.T) {
	tr, h := tracker()
	if _, err := tr.SetActivity(t.Context(), "ada", "session-1", &presence.Doing{Type: "viewing", TTL: hour}); !errors.Is(err, presence.ErrNoSession) {
		t.Errorf("an activity without a session: %v, want %v", err, presence.ErrNoSession)
	}
	_, err := tr.SetPrivacy(t.Context(), "ada", presence.Privacy{Online: presence.Nobody}, func(p presence.Privacy) error {
		if p != presence.DefaultPrivacy {
			t.Errorf("asked about %+v, want that which holds", p)
		}
		return errBroken
	})
	if !errors.Is(err, errBroken) || len(h.facts) != 0 {
		t.Errorf("privacy refused by its check: %+v, %v", h.facts, err)
	}
	for i := range presence.RelationsKept {
		h.record.Set(presence.Relation{Viewer: fmt.Sprint("user-", i), Contact: true, Version: v(0)})
	}
	if err := tr.SetContact(t.Context(), "ada", "bob", true); !errors.Is(err, presence.ErrTooManyRelations) {
		t.Errorf("one relation too many: %v, want %v", err, presence.ErrTooManyRelations)
	}
	if err := tr.SetBlock(t.Context(), "ada", "user-7", true); err != nil {
		t.Errorf("one that there is already: %v", err)
	}
}

func TestACustomStatusLastsUntilClearedUnlessItIsToEnd(t *testing.T) {
	hour, end := time.Hour, after(5*minute)
	for _, c := range []struct {
		name  string
		lasts presence.Lasts
		want  time.Time
	}{
		{"by default", presence.Lasts{}, time.Time{}},
		{"for a time", presence.Lasts{For: &hour}, after(hour)},
		{"until a moment", presence.Lasts{Until: &end}, after(5 * minute)},
	} {
		tr, h := tracker()
		if _, err := tr.SetCustom(t.Context(), "ada", "Standup", "", c.lasts); err != nil {
			t.Fatal(err)
		}
		if want := []presence.Fact{presence.Custom{Text: "Standup", Until: c.want, Version: v(0)}}; !reflect.DeepEqual(h.facts, want) {
			t.Errorf("%s: %+v, want %+v", c.name, h.facts, want)
		}
	}
}

// A choice of away is dated by the newest input of all sessions, live and ended.
func TestAwayByChoiceIsSinceTheNewestInput(t *testing.T) {
	one, two := saying("session-1", presence.Online), saying("session-2", presence.Online)
	one.LastInput, two.LastInput = after(-minute), after(-hour)
	for _, c := range []struct {
		facts []presence.Fact
		want  time.Time
	}{
		{nil, time.Time{}},
		{[]presence.Fact{one, two}, after(-minute)},
		{[]presence.Fact{two, presence.Seen{Input: after(-second), Version: v(-second)}}, after(-second)},
	} {
		tr, h := tracker()
		h.record.Set(c.facts...)
		if _, err := tr.Choose(t.Context(), "ada", presence.Away, presence.Lasts{}); err != nil {
			t.Fatal(err)
		}
		if got := h.facts[0].(presence.Chosen).Input; !got.Equal(c.want) {
			t.Errorf("with %+v: since %s, want %s", c.facts, got, c.want)
		}
	}
}

// Whoever makes and ends a contact a day has a thousand ended ones in the end. They make room for new ones, the oldest first.
func TestEndedRelationsMakeRoomForNewOnes(t *testing.T) {
	tr := presence.Tracker{Store: memstore.New(memstore.Options{TTL: ttl, Sweep: sweep})}
	related := func() map[string]presence.Relation {
		rs, err := tr.Lookup(t.Context(), "", []string{"ada"})
		if err != nil {
			t.Fatal(err)
		}
		return rs[0].Relations
	}
	set := func(i int, is bool) error { return tr.SetContact(t.Context(), "ada", fmt.Sprint("user-", i), is) }
	most := presence.RelationsKept
	_, err := tr.Amend(t.Context(), "ada", presence.BySetting, func(_ presence.Record, _ time.Time, v presence.Version) ([]presence.Fact, error) {
		var all []presence.Fact
		for i := range most { // every other one has ended
			rel := presence.Relation{Viewer: fmt.Sprint("user-", i), Contact: i%2 == 0, Version: v + presence.Version(i)}
			if !rel.Contact {
				rel.Hiding.Version = rel.Version
			}
			all = append(all, rel)
		}
		return all, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range most / 2 {
		if err := set(most+i, true); err != nil {
			t.Fatal(err)
		}
		if i%250 > 0 {
			continue
		}
		if all := related(); all["user-1"].Viewer != "" || len(all) != most {
			t.Fatalf("%d relations, with %+v, the oldest that has ended", len(all), all["user-1"])
		}
	}
	if err := set(3*most, true); !errors.Is(err, presence.ErrTooManyRelations) {
		t.Errorf("error %v, want ErrTooManyRelations", err)
	}
	if err := set(0, false); err != nil {
		t.Errorf("one that is there already: %v", err)
	}
}
