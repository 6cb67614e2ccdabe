package presence_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/presently/presently/presence"
)

const olderStore = "a store that is older"

// unmarked is the record without marks: the next refresh brings a lost one back, 3 s later.
func unmarked(r presence.Record) presence.Record {
	r = clone(r)
	r.Marks = nil
	return r
}

// endless is the record without the ends of activities.
func endless(r presence.Record) presence.Record {
	r = clone(r)
	for i := range r.Doing {
		r.Doing[i].Until = time.Time{}
	}
	return r
}

// During a hold a board has two records of a user: that which it knew, and that which the store now has. Where the store has lost
// nothing, its own is newer and must be believed whole; where it is back with an old copy, that which was known.
func TestTheNewerOfTwoRecordsIsBelievedDuringAHold(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		deeds := drawDeeds(30).Draw(rt, "deeds")
		known := rapid.IntRange(0, len(deeds)).Draw(rt, "known after")
		inBubble(t, rt, func(t *testing.T) string {
			s := running(t, &tape{})
			older := map[string]presence.Record{}
			for i, d := range deeds {
				if i == known {
					for _, r := range lookup(t, s, people...) {
						older[r.User] = r
					}
				}
				_ = d.perform(t.Context(), s)
				time.Sleep(time.Millisecond) // or a session could begin twice at the same time
			}
			for _, newer := range lookup(t, s, people...) {
				older, ok := older[newer.User]
				if !ok {
					continue
				}
				for order, got := range map[string]presence.Record{
					"a store that was away": presence.Besides(newer, older),
					olderStore:              presence.Besides(older, newer),
				} {
					got, want := unmarked(got), unmarked(newer)
					if order == olderStore { // the end of an activity that goes on has no version
						got, want = endless(got), endless(want)
					}
					if shown(got) != shown(want) {
						return fmt.Sprintf("%s: after\n%s\nthe record of %s is\n     %s\nwant %s\nthe older was\n     %s",
							order, story(deeds), newer.User, shown(got), shown(want), shown(older))
					}
				}
			}
			return ""
		})
	})
}

func TestOfAStoreThatLostAllWhatWasKnownIsBelieved(t *testing.T) {
	known := recordOf(saying("session-1", presence.Busy), chose(presence.DND, 0), presence.Profile{Name: "Ada", Version: 1},
		presence.Seen{At: t0, Version: 2}, hid(presence.Hiding{On: true, Version: 3}))
	known.Head, known.AsOf = at(7), v(0)
	lost := presence.Record{User: "ada", Head: presence.Head{Epoch: 2}, AsOf: v(1)}
	got := presence.Besides(lost, known)
	if shown(got) != shown(known) {
		t.Errorf("got %s\nwant %s", shown(got), shown(known))
	}
	if got.Head != lost.Head || got.AsOf != lost.AsOf {
		t.Errorf("at %v as of %d, want %v and %d: changes from the reading on count", got.Head, got.AsOf, lost.Head, lost.AsOf)
	}
}

// The store is back without its newest facts, or has new ones that were not heard here.
func TestOfEachFactTheNewerIsBelieved(t *testing.T) {
	online := saying("session-1", presence.Online)
	hides := func(c presence.Class, on bool, version presence.Version) presence.Fact {
		return presence.HidingFrom{Class: c, Hiding: presence.Hiding{On: on, Version: version}}
	}
	bob := func(contact bool, version presence.Version) presence.Fact {
		return presence.Relation{Viewer: "bob", Contact: contact, Version: version}
	}
	began := func(after time.Duration, version presence.Version) presence.Session {
		s := online
		s.Started, s.Version = t0.Add(after), version
		return s
	}
	does := func(kind string, version presence.Version) presence.Fact {
		return presence.Activity{Session: "session-1", Type: kind, Until: after(hour), Version: version}
	}
	type facts []presence.Fact
	for name, c := range map[string]struct{ older, newer facts }{
		"a custom status":               {facts{presence.Custom{Text: "Standup", Version: 1}}, facts{presence.Custom{Text: "Lunch", Version: 2}}},
		"a custom status, cleared":      {facts{presence.Custom{Text: "Standup", Version: 1}}, facts{presence.Custom{Version: 2}}},
		"privacy":                       {facts{presence.Privacy{Online: presence.Everyone, Version: 1}}, facts{presence.Privacy{Online: presence.Nobody, Version: 2}}},
		"invisible":                     {facts{presence.Invisibility{On: true, Version: 1}}, facts{presence.Invisibility{Version: 2}}},
		"a hiding that began":           {facts{}, facts{hides(presence.Other, true, 2)}},
		"a hiding that ended":           {facts{hides(presence.Contact, true, 1)}, facts{hides(presence.Contact, false, 2)}},
		"a contact":                     {facts{}, facts{bob(true, 2)}},
		"a contact who was removed":     {facts{bob(true, 1)}, facts{bob(true, 1), bob(false, 2)}},
		"one of two who was removed":    {facts{presence.Relation{Viewer: "cy", Blocked: true, Version: 1}, bob(true, 2)}, facts{presence.Relation{Viewer: "cy", Blocked: true, Version: 1}, bob(true, 2), bob(false, 3)}},
		"a contact who was blocked":     {facts{bob(true, 1)}, facts{presence.Relation{Viewer: "bob", Contact: true, Blocked: true, Version: 2}}},
		"an activity":                   {facts{online}, facts{online, does("viewing", 2)}},
		"an activity that was stopped":  {facts{online, does("viewing", 1)}, facts{online, does("", 2)}},
		"a room that was joined":        {facts{online}, facts{online, in("session-1", 2, "lobby")}},
		"a room that was left":          {facts{online, in("session-1", 1, "lobby")}, facts{online, in("session-1", 2)}},
		"no room of one that is new":    {facts{began(0, 1), in("session-1", 2, "lobby")}, facts{presence.Seen{Version: 3}, began(minute, 4)}},
		"none of a session that began":  {facts{began(0, 1), does("viewing", 2)}, facts{presence.Seen{Version: 3}, began(minute, 4)}},
		"none of a session that ended":  {facts{began(0, 1), does("viewing", 2)}, facts{presence.Seen{Version: 3}}},
		"that of a session that is new": {facts{began(0, 1), does("viewing", 2)}, facts{presence.Seen{Version: 3}, began(minute, 4), does("in_call", 5)}},
	} {
		older, newer := recordOf(c.older...), recordOf(c.newer...)
		older.AsOf, newer.AsOf = 2, 5
		for order, got := range map[string]presence.Record{
			"the store has the newer": presence.Besides(newer, older),
			"the newer is known here": presence.Besides(older, newer),
		} {
			if shown(got) != shown(newer) {
				t.Errorf("%s: %s:\n got %s\nwant %s", name, order, shown(got), shown(newer))
			}
		}
	}
}

// An instance that has known the lane only since the loss has a record without facts, which is newer than a session that another instance
// then brings back with its first version.
func TestASessionThatIsBroughtBackAfterALossIsBelieved(t *testing.T) {
	known := presence.Record{User: "ada", AsOf: v(hour)}
	back := recordOf(saying("session-1", presence.Busy))
	back.AsOf = v(2 * hour)
	if got := presence.Besides(back, known); shown(got) != shown(back) {
		t.Errorf("got %s\nwant %s", shown(got), shown(back))
	}
}
