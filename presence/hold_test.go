package presence_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/presently/presently/presence"
)

// During a hold a board has two records of a user: that which it knew, and that which the store now has. Where the store has lost
// nothing, its own is newer and must be believed whole; where it is back with an old copy, that which was known.
func TestTheNewerOfTwoRecordsIsBelievedDuringAHold(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		deeds := drawDeeds(30).Draw(rt, "deeds")
		for _, d := range deeds { // that are only ever extended: the ends of an activity that goes on have no version
			for _, does := range []*presence.Doing{d.doing, d.beat.Doing} {
				if does != nil {
					does.TTL = 6 * second
				}
			}
		}
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
					"a store that was away":  presence.Besides(newer, older),
					"a store that is older ": presence.Besides(older, newer),
				} {
					if shown(got) != shown(newer) {
						return fmt.Sprintf("%s: after\n%s\nthe record of %s is\n     %s\nwant %s\nthe older was\n     %s",
							order, story(deeds), newer.User, shown(got), shown(newer), shown(older))
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
