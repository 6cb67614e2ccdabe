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

// turn is a deed that everybody may know of, and one that its doer may do right after it if he is hidden.
type turn struct {
	open, secret deed
}

// drawSecret draws something that does not end a hiding.
func drawSecret(t *rapid.T, hider string) deed {
	if rapid.IntRange(0, 3).Draw(t, "no secret") == 0 {
		return deed{}
	}
	d := rapid.Custom(drawDeed).Filter(func(d deed) bool {
		return d.do != "wait" && d.status != presence.Invisible
	}).Draw(t, "secret")
	if d.other != "" {
		d.other = "dee" // a third party
	}
	if rapid.IntRange(0, 3).Draw(t, "somebody else's") != 0 {
		d.who = hider
	}
	return d
}

func (u turn) String() string {
	if u.secret.do == "" {
		return "  " + u.open.String()
	}
	return fmt.Sprintf("  %s\n    in secret, where hidden: %s", u.open, u.secret)
}

// drawHidingDeed draws one of the ways to hide from cy, or from everybody.
func drawHidingDeed(t *rapid.T, who string) deed {
	p := drawPrivacy(t, 0)
	p.Online = rapid.SampledFrom([]presence.Audience{presence.Contacts, presence.Nobody}).Draw(t, "hides from")
	return rapid.SampledFrom([]deed{
		{do: "choose", who: who, status: presence.Invisible}, {do: "show", who: who, privacy: p}, {do: "block", who: who, other: "cy", is: true},
	}).Draw(t, "hides by")
}

// glimpse is what a viewer sees of one user after a turn.
type glimpse struct {
	view   presence.View
	meets  string // where he is and types
	hidden bool
	acted  bool // in secret, so far
}

// meets tells where a viewer sees somebody, since when, and type.
func meets(r presence.Record, viewer string) (told string) {
	for _, room := range r.RoomsFor(viewer) {
		told += fmt.Sprintf("in %s since %d ", room, r.CameInto(viewer, room)/1000)
	}
	for _, room := range rooms {
		for _, m := range r.TypesFor(viewer, room, r.AsOf) {
			told += fmt.Sprintf("types in %s/%s until %s ", room, m.Thread, m.Until)
		}
	}
	return told
}

// scene is what is seen after a turn.
type scene struct {
	of    map[string]glimpse // by user
	index string             // what the store tells of rooms, of which others make their lists and counts
	open  bool               // what somebody has done in secret may show there by now, because he was not hidden from everybody
}

// indexOf tells what the store says of all rooms, and of who has gone since a moment.
func indexOf(t *testing.T, s presence.Store, since presence.Version) string {
	count, err := s.RoomCount(t.Context())
	told := fmt.Sprint(count, " rooms")
	for _, room := range append([]string{presence.Everywhere}, rooms...) {
		if err == nil {
			var x presence.RoomIndex
			x, err = s.Room(t.Context(), presence.RoomQuery{Room: room, Limit: 9, Since: since, Typing: true})
			told += fmt.Sprintf(" in %q %+v", room, x)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return told
}

// shows reports whether somebody else may see what the user does.
func shows(r presence.Record) bool {
	return !r.Hidings[presence.Other].On || !r.Hidings[presence.Contact].On
}

// glimpses plays turns on a store of their own and tells what the viewer sees of each of the people after each of them, or what is wrong with
// it in itself.
func glimpses(t *testing.T, viewer string, turns []turn, secretly bool) (seen []scene, wrong string) {
	s := running(t, &tape{})
	acted, cameOut, open := map[string]bool{}, map[string]time.Time{}, false
	before := map[string]glimpse{}
	tick := func() { time.Sleep(time.Millisecond); synctest.Wait() }
	for i, u := range turns {
		began, since := time.Now(), lookup(t, s, "ada")[0].AsOf
		_ = u.open.perform(t.Context(), s)
		tick()
		if r := lookup(t, s, u.secret.who)[0]; secretly && u.secret.do != "" && r.HiddenFrom(viewer) && !(u.secret.do == "choose" && r.Invisible.On) {
			if u.secret.do == "show" { // what is nothing to somebody from whom he is hidden
				p := r.PrivacyOrDefault()
				u.secret.privacy.Online, u.secret.privacy.LastSeen = p.Online, p.LastSeen
			}
			_ = u.secret.perform(t.Context(), s)
			open = open || shows(r)
			acted[u.secret.who] = true
		}
		tick()
		now := map[string]glimpse{}
		records, err := s.Lookup(t.Context(), viewer, people)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range records {
			g := glimpse{r.ViewFor(viewer, r.AsOf), meets(r, viewer), r.HiddenFrom(viewer), acted[r.User]}
			// Where one sweep ends several sessions in the same microsecond, each version is one more than the last. That shows nothing to those
			// who do not know the microsecond, which they do on virtual time alone.
			g.view.Version -= g.view.Version % 1000
			if before[r.User].hidden && !g.hidden {
				cameOut[r.User] = began
			}
			for _, at := range []time.Time{g.view.LastSeenAt, g.view.LastActiveAt, g.view.Activity.Since} {
				if !at.IsZero() && at.Before(cameOut[r.User]) {
					wrong = fmt.Sprintf("after turn %d %s sees %+v, with a time from before %s, when %s came out of hiding", i, viewer, g.view, cameOut[r.User], r.User)
				}
			}
			for _, room := range rooms {
				for _, m := range r.TypesFor(viewer, room, r.AsOf) {
					if at := m.Version.Time(); at.Before(cameOut[r.User]) {
						wrong = fmt.Sprintf("after turn %d %s sees %s typing since %s, who came out of hiding at %s", i, viewer, r.User, at, cameOut[r.User])
					}
				}
			}
			now[r.User] = g
		}
		for _, r := range lookup(t, s, people...) {
			open = open || acted[r.User] && shows(r)
		}
		seen, before = append(seen, scene{now, indexOf(t, s, since), open}), now
	}
	return seen, wrong
}

// The attack: to learn by any difference, also in versions and in what is shown of somebody else, what a user does while he is hidden from
// the viewer, or that he does anything at all. What he does shows again only once he has come out.
func TestWhatIsDoneInHidingCannotBeSeen(t *testing.T) {
	often(t, func(rt *rapid.T) {
		viewer := rapid.SampledFrom([]string{"cy", "cy", "eve"}).Draw(rt, "viewer")
		var turns []turn
		for _, d := range drawDeeds(15).Draw(rt, "youth") {
			turns = append(turns, turn{open: d})
		}
		hider := rapid.SampledFrom([]string{"ada", "bob"}).Draw(rt, "hider")
		turns = append(turns, turn{open: deed{do: "relate", who: hider, other: "cy", is: rapid.Bool().Draw(rt, "to a contact")}})
		turns = append(turns, turn{open: drawHidingDeed(rt, hider)})
		turns = append(turns, several(func(t *rapid.T) turn {
			return turn{drawDeed(t), drawSecret(t, hider)}
		}, 25).Draw(rt, "turns")...)
		var without, with []scene
		told := func(wrong string) string {
			if wrong != "" {
				for _, u := range turns {
					wrong += "\n" + u.String()
				}
			}
			return wrong
		}
		inBubble(t, rt, func(t *testing.T) (wrong string) {
			without, wrong = glimpses(t, viewer, turns, false)
			return told(wrong)
		})
		inBubble(t, rt, func(t *testing.T) (wrong string) {
			with, wrong = glimpses(t, viewer, turns, true)
			return told(wrong)
		})
		if wrong := told(difference(viewer, without, with)); wrong != "" {
			rt.Fatal(wrong)
		}
	})
}

// often checks a property more often than others: what breaks it takes several deeds in the right order.
func often(t *testing.T, property func(*rapid.T)) {
	for i := range 20 {
		if !t.Run(fmt.Sprint(i), func(t *testing.T) { rapid.Check(t, property) }) {
			return
		}
	}
}

func difference(viewer string, without, with []scene) string {
	out := map[string]bool{} // who has come out after he acted in secret: from then on it may show
	for i := range with {
		if a, b := without[i].index, with[i].index; a != b && !with[i].open {
			return fmt.Sprintf("after turn %d the index says\n             %s\nwith secrets %s", i, a, b)
		}
		for _, user := range people {
			a, b := without[i].of[user], with[i].of[user]
			out[user] = out[user] || b.acted && !b.hidden
			if a.hidden != b.hidden && !out[user] {
				return fmt.Sprintf("after turn %d %s is hidden from %s: %t, with secrets %t", i, user, viewer, a.hidden, b.hidden)
			}
			if !out[user] && (a.meets != b.meets || !reflect.DeepEqual(a.view, b.view)) {
				return fmt.Sprintf("after turn %d %s sees of %s\n             %+v\nwith secrets %+v", i, viewer, user, a, b)
			}
		}
	}
	return ""
}
