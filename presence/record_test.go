package presence_test

import (
	"fmt"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/presently/presently/presence"
)

func at(seq int64) presence.Head { return presence.Head{Epoch: 1, Seq: seq} }

func changeOf(seq int64, facts ...presence.Fact) presence.Change {
	return presence.Change{Head: at(seq), Version: v(time.Duration(seq) * second), User: "ada", Facts: facts}
}

func TestAChangeSetsItsFactsAndNoOther(t *testing.T) {
	r := presence.Record{User: "ada"}
	for i, c := range []struct {
		fact presence.Fact
		want func(*presence.Record)
	}{
		{saying("session-2", presence.Online), func(r *presence.Record) {
			r.Sessions = []presence.Session{saying("session-2", presence.Online)}
		}},
		{saying("session-1", presence.Busy), func(r *presence.Record) {
			r.Sessions = []presence.Session{saying("session-1", presence.Busy), saying("session-2", presence.Online)}
		}},
		{saying("session-2", presence.DND), func(r *presence.Record) { r.Sessions[1].State = presence.DND }},
		{presence.SessionEnded("session-3"), func(*presence.Record) {}},
		{presence.SessionEnded("session-1"), func(r *presence.Record) {
			r.Sessions = []presence.Session{saying("session-2", presence.DND)}
		}},
		{chose(presence.Away, hour), func(r *presence.Record) { r.Chosen = chose(presence.Away, hour) }},
		{presence.Profile{Name: "Ada", Version: 7}, func(r *presence.Record) { r.Profile = presence.Profile{Name: "Ada", Version: 7} }},
		{presence.Seen{At: t0, Version: 8}, func(r *presence.Record) { r.Seen = presence.Seen{At: t0, Version: 8} }},
		{presence.Custom{Text: "Standup", Version: 9}, func(r *presence.Record) { r.Custom = presence.Custom{Text: "Standup", Version: 9} }},
		{presence.Privacy{Online: presence.Nobody, Version: 10}, func(r *presence.Record) { r.Privacy = presence.Privacy{Online: presence.Nobody, Version: 10} }},
		{presence.Invisibility{On: true, Version: 11}, func(r *presence.Record) { r.Invisible = presence.Invisibility{On: true, Version: 11} }},
		{presence.HidingFrom{Class: presence.Other, Hiding: presence.Hiding{On: true, Version: 12}}, func(r *presence.Record) {
			r.Hidings[presence.Other] = presence.Hiding{On: true, Version: 12}
		}},
		{presence.HidingFrom{Class: presence.Contact, Hiding: presence.Hiding{Version: 13}}, func(r *presence.Record) {
			r.Hidings[presence.Contact] = presence.Hiding{Version: 13}
		}},
		{presence.Relation{Viewer: "cy", Contact: true, Version: 14}, func(r *presence.Record) {
			r.Relations = map[string]presence.Relation{"cy": {Viewer: "cy", Contact: true, Version: 14}}
			r.RelatedAt = 14
		}},
		{presence.Relation{Viewer: "bob", Blocked: true, Version: 15}, func(r *presence.Record) {
			r.Relations["bob"] = presence.Relation{Viewer: "bob", Blocked: true, Version: 15}
			r.RelatedAt = 15
		}},
		{presence.Relation{Viewer: "cy", Version: 16}, func(r *presence.Record) { delete(r.Relations, "cy"); r.RelatedAt = 16 }},
		{presence.Relation{Viewer: "bob", Hiding: presence.Hiding{At: t0, Version: 17}, Version: 17}, func(r *presence.Record) {
			r.Relations["bob"] = presence.Relation{Viewer: "bob", Hiding: presence.Hiding{At: t0, Version: 17}, Version: 17}
			r.RelatedAt = 17
		}},
		{doing("session-2", "viewing", hour), func(r *presence.Record) { r.Doing = []presence.Activity{doing("session-2", "viewing", hour)} }},
		{saying("session-1", presence.Online), func(r *presence.Record) {
			r.Sessions = []presence.Session{saying("session-1", presence.Online), saying("session-2", presence.DND)}
		}},
		{doing("session-1", "in_call", hour), func(r *presence.Record) {
			r.Doing = []presence.Activity{doing("session-1", "in_call", hour), doing("session-2", "viewing", hour)}
		}},
		{doing("session-2", "", 0), func(r *presence.Record) { r.Doing[1] = doing("session-2", "", 0) }},
		{in("session-2", 19, "hall"), func(r *presence.Record) { r.Memberships = []presence.Membership{in("session-2", 19, "hall")} }},
		{in("session-1", 20, "lobby"), func(r *presence.Record) {
			r.Memberships = []presence.Membership{in("session-1", 20, "lobby"), in("session-2", 19, "hall")}
		}},
		{in("session-2", 21), func(r *presence.Record) { r.Memberships[1] = in("session-2", 21) }},
		{presence.Mark{Room: "lobby", Thread: "t", Session: "session-1", Until: t0}, func(r *presence.Record) {
			r.Marks = []presence.Mark{{Room: "lobby", Thread: "t", Session: "session-1", Until: t0}}
		}},
		{presence.Mark{Room: "lobby", Session: "session-2", Until: t0}, func(r *presence.Record) {
			r.Marks = []presence.Mark{{Room: "lobby", Session: "session-2", Until: t0}, {Room: "lobby", Thread: "t", Session: "session-1", Until: t0}}
		}},
		{presence.Mark{Room: "lobby", Session: "session-2", Member: true, Until: t0}, func(r *presence.Record) { r.Marks[0].Member = true }},
		{presence.Mark{Room: "hall"}, func(*presence.Record) {}},
		{presence.SessionEnded("session-1"), func(r *presence.Record) {
			r.Sessions = []presence.Session{saying("session-2", presence.DND)}
			r.Doing = []presence.Activity{doing("session-2", "", 0)}
			r.Memberships, r.Marks = r.Memberships[1:], r.Marks[:1]
		}},
		{presence.Mark{Room: "lobby"}, func(r *presence.Record) { r.Marks = []presence.Mark{} }},
	} {
		ch := changeOf(int64(i+1), c.fact)
		want := clone(r)
		c.want(&want)
		want.Head, want.AsOf = ch.Head, ch.Version
		if r = r.Apply(ch); !reflect.DeepEqual(r, want) {
			t.Fatalf("after %T:\n got %+v\nwant %+v", c.fact, r, want)
		}
	}
}

// An instance that was cut off for a while may offer the store what others have known better since.
func TestWhatTheStoreGetsBackUndoesNothingNewer(t *testing.T) {
	older := []presence.Fact{
		saying("session-1", presence.Busy), presence.Activity{Session: "session-1", Type: "viewing", Version: 2},
		presence.Membership{Session: "session-1", Stays: []presence.Stay{{Room: "hall", Since: 2}}, Version: 2},
		presence.Chosen{Status: presence.DND, Version: 2}, presence.Custom{Text: "old", Version: 2}, presence.Profile{Name: "old", Version: 2},
		presence.Seen{At: t0, Version: 2}, presence.Privacy{Online: presence.Nobody, Version: 2}, presence.Invisibility{On: true, Version: 2},
		presence.HidingFrom{Class: presence.Other, Hiding: presence.Hiding{On: true, Version: 2}},
		presence.Relation{Viewer: "eve", Blocked: true, Version: 2},
	}
	now := saying("session-1", presence.Online)
	now.Version++
	newer := []presence.Fact{
		now, presence.Activity{Session: "session-1", Version: 3}, presence.Membership{Session: "session-1", Version: 3},
		presence.Chosen{Version: 3}, presence.Custom{Version: 3}, presence.Profile{Name: "new", Version: 3}, presence.Seen{At: t0, Version: 3},
		presence.Privacy{Online: presence.Everyone, Version: 3}, presence.Invisibility{Version: 3},
		presence.HidingFrom{Class: presence.Other, Hiding: presence.Hiding{Version: 3}}, presence.Relation{Viewer: "eve", Contact: true, Version: 3},
	}
	back := func(seq int64, facts []presence.Fact) presence.Change {
		c := changeOf(seq, facts...)
		c.Cause = presence.ByRecall
		return c
	}
	bare := func(r presence.Record) presence.Record {
		r.Head, r.AsOf = presence.Head{}, 0
		return r
	}
	known := presence.Record{User: "ada"}.Apply(changeOf(1, newer...))
	for i, f := range older {
		if got := known.Apply(back(2, older[i:i+1])); !reflect.DeepEqual(bare(got), bare(known)) {
			t.Errorf("%T made %+v of %+v", f, got, known)
		}
	}
	lost := presence.Record{User: "ada"}.Apply(changeOf(1, older...))
	if got := lost.Apply(back(2, newer)); !reflect.DeepEqual(bare(got), bare(known)) {
		t.Errorf("what is newer made %+v, want %+v", got, known)
	}
}

func TestARecordReadLaterThanAChangeStaysAsOfItsReading(t *testing.T) {
	r := presence.Record{User: "ada", AsOf: v(hour)}
	if got := r.Apply(changeOf(1)).AsOf; got != v(hour) {
		t.Errorf("as of %d, want %d", got, v(hour))
	}
}

func TestHeadsAreOrderedByEpochThenNumber(t *testing.T) {
	heads := []presence.Head{{}, {Epoch: 1}, {Epoch: 1, Seq: 1}, {Epoch: 1, Seq: 9}, {Epoch: 2}, {Epoch: 2, Seq: 3}}
	for i, a := range heads {
		for j, b := range heads {
			if got, want := a.After(b), i > j; got != want {
				t.Errorf("%+v after %+v: %t, want %t", a, b, got, want)
			}
		}
	}
}

func TestARecordIsBlankOnlyWithoutAnyFact(t *testing.T) {
	r := presence.Record{User: "ada", Head: at(7), AsOf: v(0)}
	if !r.Blank() {
		t.Errorf("%+v is not blank, though it has no fact", r)
	}
	for _, f := range []presence.Fact{
		saying("session-1", presence.Online), presence.Chosen{Version: 1}, presence.Profile{Version: 1}, presence.Seen{Version: 1},
		presence.Custom{Version: 1}, presence.Privacy{Version: 1}, presence.Invisibility{Version: 1}, presence.Relation{Viewer: "bob", Contact: true, Version: 1},
	} {
		one := clone(r)
		one.Set(f)
		if one.Blank() {
			t.Errorf("blank with %+v", f)
		}
	}
}

func TestASessionIsFoundByItsID(t *testing.T) {
	r := recordOf(saying("session-2", presence.Busy), saying("session-1", presence.DND))
	if s, ok := r.Session("session-2"); !ok || s.State != presence.Busy {
		t.Errorf("got %+v, %t, want the busy one", s, ok)
	}
	if s, ok := r.Session("session-3"); ok {
		t.Errorf("got %+v, want none", s)
	}
}

func TestOnlyAChoiceThatEndsIsExpectedToExpire(t *testing.T) {
	for _, c := range []struct {
		name   string
		chosen presence.Chosen
		now    presence.Version
		want   presence.Version
	}{
		{"none", presence.Chosen{}, v(0), 0},
		{"cleared", chose("", hour), v(0), 0},
		{"without end", chose(presence.DND, 0), v(0), 0},
		{"ends later", chose(presence.DND, hour), v(0), v(hour)},
		{"just before the end", chose(presence.DND, hour), v(hour) - 1, v(hour)},
		{"at the end", chose(presence.DND, hour), v(hour), 0},
		{"past the end", chose(presence.DND, hour), v(2 * hour), 0},
	} {
		got, ok := recordOf(c.chosen).NextExpiry(c.now)
		if got != c.want || ok != (c.want != 0) {
			t.Errorf("%s: got %d, %t, want %d", c.name, got, ok, c.want)
		}
	}
}

func drawChanges(t *rapid.T) []presence.Change {
	var changes []presence.Change
	for i := range rapid.IntRange(1, 12).Draw(t, "changes") {
		var facts []presence.Fact
		for range rapid.IntRange(0, 3).Draw(t, "facts") {
			id := rapid.SampledFrom(sessions).Draw(t, "session")
			facts = append(facts, rapid.SampledFrom([]presence.Fact{
				drawSession(t, id), presence.SessionEnded(id), presence.Profile{Name: "Ada", Version: drawVersion(t, "profile")},
				presence.Custom{Text: "Standup", Version: drawVersion(t, "custom")}, drawActivity(t, id), drawPrivacy(t, drawVersion(t, "privacy")),
				presence.Relation{Viewer: "bob", Contact: rapid.Bool().Draw(t, "contact"), Version: drawVersion(t, "relation")},
				presence.Seen{At: drawTime(t, "seen")}, hid(drawHiding(t, true)), presence.Chosen{Status: presence.DND, Version: drawVersion(t, "chosen")},
			}).Draw(t, "fact"))
		}
		changes = append(changes, changeOf(int64(i+1), facts...))
	}
	return changes
}

// A lane that is heard again from an earlier point, or in part, changes nothing that is known already.
func TestWhatIsKnownAlreadyChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		changes := drawChanges(t)
		r := presence.Record{User: "ada"}
		for i, c := range changes {
			before, was := r, clone(r)
			r = r.Apply(c)
			if !reflect.DeepEqual(before, was) {
				t.Fatalf("applying changed the record that it was applied to:\n got %+v\nwant %+v", before, was)
			}
			again := r
			for _, j := range rapid.SliceOfN(rapid.IntRange(0, i), 0, 5).Draw(t, "heard again") {
				again = again.Apply(changes[j])
			}
			if !reflect.DeepEqual(again, r) {
				t.Fatalf("hearing again makes\n     %+v\nwant %+v", again, r)
			}
		}
	})
}

func TestSessionsStayInTheOrderOfTheirIDs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := presence.Record{User: "ada"}
		for _, c := range drawChanges(t) {
			r = r.Apply(c)
		}
		for i := 1; i < len(r.Sessions); i++ {
			if r.Sessions[i-1].ID >= r.Sessions[i].ID {
				t.Fatalf("%q stands before %q", r.Sessions[i-1].ID, r.Sessions[i].ID)
			}
		}
	})
}

func TestChangesInOrderMakeTheRecordThatIsRead(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		deeds := drawDeeds(40).Draw(rt, "deeds")
		inBubble(t, rt, func(t *testing.T) string {
			feed := &tape{}
			s := running(t, feed)
			folds := map[string]presence.Record{}
			for _, r := range lookup(t, s, people...) {
				folds[r.User] = r
			}
			for i, d := range deeds {
				_ = d.perform(t.Context(), s) // one session too many is no matter here
				synctest.Wait()
				for _, c := range feed.heard {
					folds[c.User] = folds[c.User].Apply(c)
				}
				feed.heard = nil
				for _, r := range lookup(t, s, people...) {
					if got, want := shown(folds[r.User]), shown(r); got != want {
						return fmt.Sprintf("after\n%s\nthe changes make of %s\n     %s\nwant %s", story(deeds[:i+1]), r.User, got, want)
					}
				}
			}
			return ""
		})
	})
}

// A stream that comes back with an id is told the views that are newer than it: a view that changed under its version, or went
// back to an older one, would never be told.
func TestAViewsVersionTellsWhetherItChanged(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		deeds := drawDeeds(40).Draw(rt, "deeds")
		inBubble(t, rt, func(t *testing.T) string {
			s := running(t, &tape{})
			last, newest := map[string]presence.View{}, map[string]presence.Version{}
			for i, d := range deeds {
				_ = d.perform(t.Context(), s)
				for _, r := range lookup(t, s, people...) {
					views := map[string]presence.View{}
					for class := range everyClass {
						views[classes[class]+" of "+r.User] = r.View(class, r.AsOf)
					}
					for _, viewer := range people { // to whom somebody else may become something else
						view := r.ViewFor(viewer, r.AsOf)
						views[fmt.Sprint(viewer, ", ", classes[r.ClassOf(viewer)], ", of ", r.User)] = view
						who := viewer + " of " + r.User
						if view.Version < newest[who] {
							return fmt.Sprintf("after\n%s\n%s: the version fell from %d to %+v", story(deeds[:i+1]), who, newest[who], view)
						}
						newest[who] = view.Version
					}
					for who, view := range views {
						before, seen := last[who]
						last[who] = view
						before.LastSeen, view.LastSeen = "", ""
						switch {
						case !seen:
						case view.Version < before.Version:
							return fmt.Sprintf("after\n%s\n%s: the version fell\nfrom %+v\nto   %+v", story(deeds[:i+1]), who, before, view)
						case view.Version == before.Version && !reflect.DeepEqual(view, before):
							return fmt.Sprintf("after\n%s\n%s: another view with the same version\nfrom %+v\nto   %+v", story(deeds[:i+1]), who, before, view)
						case view.Version > r.AsOf:
							return fmt.Sprintf("after\n%s\n%s: %+v is newer than its record, as of %d", story(deeds[:i+1]), who, view, r.AsOf)
						}
					}
				}
			}
			return ""
		})
	})
}

// The twins live alike until one hides at the moment when the other goes offline. From then on nobody else can tell them apart, whatever
// the hidden one does.
func TestWhoHidesCannotBeToldFromHisTwinWhoWentOffline(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		youth := drawDeeds(25).Draw(rt, "youth")
		secret := drawDeeds(15).Draw(rt, "secret")
		inBubble(t, rt, func(t *testing.T) string {
			s := running(t, &tape{})
			for _, d := range youth {
				if d.other != "" {
					d.other = "cy"
				}
				_ = d.by("ada").perform(t.Context(), s)
				if d.do != "wait" {
					_ = d.by("bob").perform(t.Context(), s)
				}
			}
			hides := deed{do: "choose", who: "ada", status: presence.Invisible}
			_ = hides.perform(t.Context(), s)
			for _, id := range sessions {
				_ = deed{do: "end", who: "bob", session: id}.perform(t.Context(), s)
			}
			for i, d := range append([]deed{hides}, secret...) {
				twins := lookup(t, s, "ada", "bob")
				switch d.do {
				case "choose":
				case "show": // what his twin does too, but neither comes out by it
					d.privacy.Online = twins[0].PrivacyOrDefault().Online
					_ = d.by("ada").perform(t.Context(), s)
					_ = d.by("bob").perform(t.Context(), s)
				case "relate", "block":
					d.other = "dee"
					_ = d.by("ada").perform(t.Context(), s)
				default:
					_ = d.by("ada").perform(t.Context(), s)
				}
				twins = lookup(t, s, "ada", "bob")
				if ada, bob := seenBy("cy", twins[0]), seenBy("cy", twins[1]); !reflect.DeepEqual(ada, bob) {
					return fmt.Sprintf("cy sees a difference after\n%s\n  (hides)\n%s\nhidden  %+v\noffline %+v",
						story(youth), story(secret[:i]), ada, bob)
				}
				for _, class := range []presence.Class{presence.Other, presence.Contact} {
					ada, bob := twins[0].View(class, twins[0].AsOf), twins[1].View(class, twins[1].AsOf)
					ada.User, ada.Version, bob.User, bob.Version = "", 0, "", 0
					if !reflect.DeepEqual(ada, bob) {
						return fmt.Sprintf("%s sees a difference after\n%s\n  (hides)\n%s\nhidden  %+v\noffline %+v",
							classes[class], story(youth), story(secret[:i]), ada, bob)
					}
				}
			}
			return ""
		})
	})
}

// seenBy is what a viewer sees of somebody, whoever he is.
func seenBy(viewer string, r presence.Record) presence.View {
	view := r.ViewFor(viewer, r.AsOf)
	view.User, view.Version = "", 0
	return view
}

// To a contact it looked as if she had last been seen in the middle of the first spell, when she was hidden.
func TestHidingAgainShowsNothingOfTheFirstTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := running(t, &tape{})
		for _, d := range []deed{
			{do: "choose", status: presence.Invisible},
			{do: "beat", session: "session-1", beat: presence.Beat{State: presence.Online, TTL: ttl, MaxLive: 3}},
			{do: "end", session: "session-1"},
			{do: "wait", wait: 10 * time.Second},
			{do: "choose", status: ""},
			{do: "wait", wait: 10 * time.Second},
		} {
			if err := d.by("ada").perform(t.Context(), s); err != nil {
				t.Fatal(err)
			}
		}
		r := lookup(t, s, "ada")[0]
		want := r.View(presence.Contact, r.AsOf)
		if err := (deed{do: "choose", who: "ada", status: presence.Invisible}).perform(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		r = lookup(t, s, "ada")[0]
		if got := r.View(presence.Contact, r.AsOf); !reflect.DeepEqual(got, want) {
			t.Errorf("a contact sees\n     %+v\nwant %+v, as before she hid again", got, want)
		}
	})
}
