package presence_test

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/presently/presently/presence"
	"github.com/presently/presently/presence/memstore"
)

// stage is a memstore on which ada lives, and from where others look at her. A moment passes with everything she does.
type stage struct {
	presence.Tracker
	t *testing.T
}

// onStage tells a story of ada. She shows everything to everybody, where the story does not say otherwise; cy is her contact, bob and eve are
// strangers.
func onStage(t *testing.T, tell func(*stage)) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New(memstore.Options{TTL: ttl, Sweep: sweep})
		a := &stage{Tracker: presence.Tracker{Store: s, Policy: presence.Policy{TTL: ttl, IdleAfter: 5 * minute, Sessions: 3}}, t: t}
		a.shows(open)
		a.relates("cy", true)
		tell(a)
	})
}

var open = presence.Privacy{Online: presence.Everyone, LastSeen: presence.Everyone, Activity: presence.Everyone, Typing: presence.Everyone}

// did ends what ada did; it must have been possible.
func (a *stage) did(err error) {
	a.t.Helper()
	if err != nil {
		a.t.Fatal(err)
	}
	time.Sleep(time.Second)
}

func (a *stage) shows(p presence.Privacy) {
	a.t.Helper()
	_, err := a.SetPrivacy(a.t.Context(), "ada", p, nil)
	a.did(err)
}

func (a *stage) showsOnline(to presence.Audience) {
	a.t.Helper()
	p := open
	p.Online = to
	a.shows(p)
}

func (a *stage) chooses(s presence.Status) {
	a.t.Helper()
	_, err := a.Choose(a.t.Context(), "ada", s, presence.Lasts{})
	a.did(err)
}

func (a *stage) relates(other string, contact bool) {
	a.t.Helper()
	a.did(a.SetContact(a.t.Context(), "ada", other, contact))
}

func (a *stage) blocks(other string, is bool) {
	a.t.Helper()
	a.did(a.SetBlock(a.t.Context(), "ada", other, is))
}

func (a *stage) beats(h presence.Heartbeat) {
	a.t.Helper()
	h.User = "ada"
	_, err := a.Heartbeat(a.t.Context(), h)
	a.did(err)
}

func (a *stage) leaves(session string) {
	a.t.Helper()
	a.did(a.End(a.t.Context(), "ada", session))
}

func (a *stage) seenBy(viewer string) presence.View {
	a.t.Helper()
	rs, err := a.Lookup(a.t.Context(), viewer, []string{"ada"})
	if err != nil {
		a.t.Fatal(err)
	}
	return rs[0].ViewFor(viewer, rs[0].AsOf)
}

// wantUnchanged checks that what viewers see of ada, versions and all, stays as it is whatever is done.
func (a *stage) wantUnchanged(do func(), viewers ...string) {
	a.t.Helper()
	before := map[string]presence.View{}
	for _, viewer := range viewers {
		before[viewer] = a.seenBy(viewer)
	}
	do()
	for _, viewer := range viewers {
		if got := a.seenBy(viewer); !reflect.DeepEqual(got, before[viewer]) {
			a.t.Errorf("%s sees\n   %+v\nsaw %+v", viewer, got, before[viewer])
		}
	}
}

// wantNothingOlder checks that a viewer to whom ada has come out of hiding sees her as offline, and last seen when she came out.
func (a *stage) wantNothingOlder(viewer string, cameOut time.Time) {
	a.t.Helper()
	if got := a.seenBy(viewer); got.Status != presence.Offline || !got.LastSeenAt.Equal(cameOut.UTC()) {
		a.t.Errorf("%s sees her %s, last seen %s, want offline, %s", viewer, got.Status, got.LastSeenAt, cameOut.UTC())
	}
}

// Rule 9, whole: what each class of viewers sees under each setting in each state. What is not told must be absent, so views are compared whole.
func TestPrivacySaysWhoSeesWhat(t *testing.T) {
	audiences := []presence.Audience{presence.Everyone, presence.Contacts, presence.Nobody}
	for _, online := range audiences {
		for _, seen := range audiences {
			for _, activity := range audiences {
				for _, status := range []presence.Status{presence.Online, presence.Away, presence.Offline} {
					onStage(t, func(a *stage) {
						a.blocks("mallory", true)
						a.relates("mallory", true) // blocks beat contacts
						lived := a.lives(status)
						p := presence.Privacy{Online: online, LastSeen: seen, Activity: activity, Typing: presence.Everyone}
						hid := time.Now().UTC()
						a.shows(p)
						for _, viewer := range []string{"ada", "cy", "eve", "mallory"} {
							want := wantUnder(p, viewer, lived, hid)
							got := a.seenBy(viewer)
							if got.Version == 0 {
								t.Errorf("%+v: %s has no version", p, viewer)
							}
							got.Version = 0
							if !reflect.DeepEqual(got, want) {
								t.Errorf("%+v: when %s, %s sees\n     %+v\nwant %+v", p, status, viewer, got, want)
							}
						}
					})
				}
			}
		}
	}
}

// lives lets ada do something of each kind, and tells all that there is to be seen of it.
func (a *stage) lives(status presence.Status) presence.View {
	a.t.Helper()
	web := "web"
	began := time.Now().UTC()
	h := presence.Heartbeat{
		Session: "session-1", Device: &web, Profile: presence.Profile{Name: "Ada"}, Doing: &presence.Doing{Type: "viewing", Target: "/docs/7", TTL: hour},
	}
	if status == presence.Away {
		h.Idle = 6 * minute
	}
	a.beats(h)
	_, err := a.SetCustom(a.t.Context(), "ada", "Standup", "", presence.Lasts{})
	a.did(err)
	view := presence.View{
		User: "ada", Status: status, Notify: true, Profile: presence.Profile{Name: "Ada"}, Custom: presence.Custom{Text: "Standup"},
		Devices: map[string]presence.Status{"web": status}, Activity: presence.Activity{Type: "viewing", Target: "/docs/7", Since: began},
	}
	switch status {
	case presence.Away:
		view.LastActiveAt = began.Add(-6 * minute)
	case presence.Offline:
		view = presence.View{User: "ada", Status: status, Notify: true, Profile: presence.Profile{Name: "Ada"}, LastSeenAt: time.Now().UTC(), LastSeen: presence.Now}
		a.leaves("session-1")
	case presence.Online:
		a.chooses(presence.Online)
		view.Chosen = presence.Online
	}
	return view
}

// wantUnder is what rule 9 says that a viewer sees. Before hid, everything was shown to everybody but mallory.
func wantUnder(p presence.Privacy, viewer string, lived presence.View, hid time.Time) presence.View {
	admits := func(a presence.Audience) bool {
		return viewer == "ada" || a == presence.Everyone || a == presence.Contacts && viewer == "cy"
	}
	want := lived
	switch {
	case viewer == "mallory": // blocked before there was anything to see
		return presence.View{User: "ada", Status: presence.Offline, Notify: true, LastSeen: bucketIf(admits(p.LastSeen))}
	case !admits(p.Online) && want.Status != presence.Offline:
		want = presence.View{User: "ada", Status: presence.Offline, Notify: true, Profile: want.Profile, LastSeenAt: hid, LastSeen: presence.Now}
	}
	if viewer != "ada" && viewer != "cy" {
		want.Chosen, want.Devices = "", nil
	}
	if !admits(p.LastSeen) {
		want.LastSeenAt, want.LastSeen, want.LastActiveAt = time.Time{}, "", time.Time{}
	}
	if !admits(p.Activity) {
		want.Activity = presence.Activity{}
	}
	return want
}

// bucketIf is what is told of one who has never been seen.
func bucketIf(tell bool) presence.Bucket {
	if tell {
		return presence.Long
	}
	return ""
}

// Three hidings that overlap, begun and ended in every order. To bob, who is blocked too, ada is gone from the first beginning to the last end, and
// what he sees is from before the first.
func TestOverlappingHidingsHideFromTheFirstToTheLast(t *testing.T) {
	type hiding struct {
		name                        string
		on                          func(*stage, bool)
		fromStrangers, fromContacts bool
	}
	hidings := []hiding{
		{"invisible", func(a *stage, on bool) { a.chooses(map[bool]presence.Status{true: presence.Invisible}[on]) }, true, true},
		{"privacy", func(a *stage, on bool) {
			a.showsOnline(map[bool]presence.Audience{true: presence.Contacts, false: presence.Everyone}[on])
		}, true, false},
		{"block", func(a *stage, on bool) { a.blocks("bob", on) }, false, false},
	}
	orders := [][]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}}
	for _, in := range orders {
		for _, out := range orders {
			for _, before := range []presence.Status{presence.Online, presence.Offline} {
				name := fmt.Sprintf("%s on %s %s %s off %s %s %s", before, hidings[in[0]].name, hidings[in[1]].name, hidings[in[2]].name,
					hidings[out[0]].name, hidings[out[1]].name, hidings[out[2]].name)
				onStage(t, func(a *stage) {
					a.beats(presence.Heartbeat{Session: "session-1", Profile: presence.Profile{Name: "Ada"}})
					seen := time.Now().UTC()
					if before == presence.Offline {
						a.leaves("session-1")
						time.Sleep(minute)
					}
					if before == presence.Online {
						seen = time.Now().UTC()
					}
					on := map[int]bool{}
					check := func() {
						a.t.Helper()
						strangers, contacts := false, false
						for i, h := range hidings {
							strangers, contacts = strangers || on[i] && h.fromStrangers, contacts || on[i] && h.fromContacts
						}
						for viewer, hidden := range map[string]bool{"bob": strangers || on[2], "eve": strangers, "cy": contacts} {
							if got := a.seenBy(viewer); (got.Status == presence.Offline) != hidden {
								t.Errorf("%s: with %v on, %s sees %+v, hidden %t", name, on, viewer, got, hidden)
							}
						}
						if !strangers && !on[2] {
							return
						}
						got := a.seenBy("bob")
						got.LastSeen, got.Version = "", 0
						want := presence.View{User: "ada", Status: presence.Offline, Notify: true, Profile: presence.Profile{Name: "Ada"}, LastSeenAt: seen}
						if !reflect.DeepEqual(got, want) {
							t.Errorf("%s: with %v on, bob sees\n     %+v\nwant %+v", name, on, got, want)
						}
					}
					secretly := func(status presence.Status) {
						a.beats(presence.Heartbeat{Session: "session-2", State: status, Profile: presence.Profile{Name: "Countess"}})
					}
					for n, i := range in {
						hidings[i].on(a, true)
						on[i] = true
						secretly([]presence.Status{presence.Busy, presence.DND}[n%2])
						check()
					}
					var cameOut time.Time
					for n, i := range out {
						cameOut = time.Now()
						hidings[i].on(a, false)
						on[i] = false
						if n < 2 {
							check()
							secretly(presence.Online)
						}
					}
					if got := a.seenBy("bob"); got.Status != presence.Online || got.Profile.Name != "Countess" {
						t.Errorf("%s: in the end bob sees %+v", name, got)
					}
					a.beats(presence.Heartbeat{Session: "session-2", Idle: hour})
					a.leaves("session-1")
					if got := a.seenBy("bob"); got.Status != presence.Away || got.LastActiveAt.Before(cameOut) {
						t.Errorf("%s: away, bob sees %+v, want no time before %s", name, got, cameOut)
					}
				})
			}
		}
	}
}

// It looked to bob as if ada had been here while she blocked him: the copy that was made for all strangers had her true time.
func TestWhoWasBlockedSeesNothingOlderWhenSheHidesFromAll(t *testing.T) {
	for name, hide := range map[string]func(*stage){
		"invisible": func(a *stage) { a.chooses(presence.Invisible) },
		"privacy":   func(a *stage) { a.showsOnline(presence.Contacts) },
	} {
		t.Run(name, func(t *testing.T) {
			onStage(t, func(a *stage) {
				a.blocks("bob", true)
				a.beats(presence.Heartbeat{Session: "session-1"})
				a.leaves("session-1")
				cameOut := time.Now()
				a.blocks("bob", false)
				a.wantNothingOlder("bob", cameOut)
				before := a.seenBy("bob")
				hide(a)
				a.wantNothingOlder("bob", cameOut)
				if after := a.seenBy("bob"); after.Version < before.Version {
					t.Errorf("the version fell from %d to %d", before.Version, after.Version)
				}
			})
		})
	}
}

// ada was here while strangers saw nothing. One of them becomes a contact: contacts have seen her, but he has not.
func TestAContactWhoWasAStrangerSeesNothingFromBefore(t *testing.T) {
	onStage(t, func(a *stage) {
		a.showsOnline(presence.Contacts)
		a.beats(presence.Heartbeat{Session: "session-1"})
		seen := time.Now()
		a.leaves("session-1")
		cameOut := time.Now()
		a.showsOnline(presence.Everyone)
		a.wantNothingOlder("eve", cameOut)
		a.relates("eve", true)
		a.wantNothingOlder("eve", cameOut)
		a.wantNothingOlder("cy", seen) // who saw her
	})
}

func TestAStrangerWhoBecomesAContactComesToSeeHer(t *testing.T) {
	onStage(t, func(a *stage) {
		a.showsOnline(presence.Contacts)
		a.beats(presence.Heartbeat{Session: "session-1"})
		cameOut := time.Now()
		a.relates("eve", true)
		if got := a.seenBy("eve"); got.Status != presence.Online || got.Version != presence.VersionAt(cameOut) {
			t.Errorf("eve sees %+v", got)
		}
		seen := time.Now()
		a.leaves("session-1")
		a.wantNothingOlder("eve", seen)
	})
}

func TestAContactWhoIsRemovedWhileStrangersSeeNothingSeesHerGo(t *testing.T) {
	onStage(t, func(a *stage) {
		a.showsOnline(presence.Contacts)
		a.beats(presence.Heartbeat{Session: "session-1", Profile: presence.Profile{Name: "Ada"}})
		gone := time.Now()
		a.relates("cy", false)
		a.wantNothingOlder("cy", gone)
		a.wantUnchanged(func() {
			a.beats(presence.Heartbeat{Session: "session-1", State: presence.DND, Profile: presence.Profile{Name: "Countess"}})
			a.relates("bob", true)
			a.leaves("session-1")
		}, "cy", "eve")
		a.wantUnchanged(func() { a.chooses(presence.Invisible); a.chooses("") }, "cy", "eve")
		cameOut := time.Now()
		a.relates("cy", true)
		a.wantNothingOlder("cy", cameOut)
	})
}

// bob was unblocked while ada was invisible. That she comes out and hides again counts for him as for all.
func TestAnOldHidingOfOnesOwnDoesNotOutliveThatOfAll(t *testing.T) {
	onStage(t, func(a *stage) {
		a.beats(presence.Heartbeat{Session: "session-1"})
		a.blocks("bob", true)
		a.chooses(presence.Invisible)
		a.blocks("bob", false)
		a.chooses("")
		if got := a.seenBy("bob"); got.Status != presence.Online {
			t.Errorf("bob sees %+v, want her", got)
		}
		gone := time.Now()
		a.chooses(presence.Invisible)
		a.wantNothingOlder("bob", gone)
		a.wantNothingOlder("eve", gone)
	})
}

// All in one millisecond: only versions tell what was first.
func TestHidingsAreToldApartByVersionNotByTime(t *testing.T) {
	onStage(t, func(a *stage) {
		ctx := t.Context()
		a.beats(presence.Heartbeat{Session: "session-1", Profile: presence.Profile{Name: "Ada"}})
		quick := func(err error) {
			if err != nil {
				t.Fatal(err)
			}
		}
		quick(a.SetBlock(ctx, "ada", "bob", true))
		_, err := a.Heartbeat(ctx, presence.Heartbeat{User: "ada", Session: "session-1", Profile: presence.Profile{Name: "Countess"}})
		quick(err)
		_, err = a.Choose(ctx, "ada", presence.Invisible, presence.Lasts{})
		quick(err)
		quick(a.SetBlock(ctx, "ada", "bob", false))
		if got := a.seenBy("bob").Profile.Name; got != "Ada" {
			t.Errorf("bob sees %q, the name that she took while she blocked him", got)
		}
		if got := a.seenBy("eve").Profile.Name; got != "Countess" {
			t.Errorf("eve sees %q, want the name that she saw last", got)
		}
	})
}

// bob was unblocked while ada was invisible, and goes on seeing what he saw when she blocked him, also when what he may see of it changes.
func TestOnesOwnHidingStandsWhenPrivacyChanges(t *testing.T) {
	onStage(t, func(a *stage) {
		a.beats(presence.Heartbeat{Session: "session-1", Profile: presence.Profile{Name: "Ada"}})
		blocked := time.Now()
		a.blocks("bob", true)
		a.beats(presence.Heartbeat{Session: "session-1", Profile: presence.Profile{Name: "Countess"}})
		a.chooses(presence.Invisible)
		a.blocks("bob", false)
		for _, to := range []presence.Audience{presence.Nobody, presence.Everyone} {
			p := open
			p.LastSeen = to
			a.shows(p)
			if got := a.seenBy("bob").Profile.Name; got != "Ada" {
				t.Errorf("bob sees %q, the name that she took while she blocked him", got)
			}
		}
		a.wantNothingOlder("bob", blocked)
		a.chooses("")
		gone := time.Now()
		a.chooses(presence.Invisible)
		a.wantNothingOlder("bob", gone)
	})
}

// A stream that comes back is told the views that are newer than it. One whose viewer has become a contact meanwhile was told nothing.
func TestAChangeOfClassMakesTheViewNewer(t *testing.T) {
	for name, prepare := range map[string]func(*stage){
		"online":    func(*stage) {},
		"offline":   func(a *stage) { a.leaves("session-1") },
		"invisible": func(a *stage) { a.chooses(presence.Invisible) },
	} {
		t.Run(name, func(t *testing.T) {
			onStage(t, func(a *stage) {
				p := open
				p.LastSeen = presence.Contacts
				a.shows(p)
				a.beats(presence.Heartbeat{Session: "session-1"})
				prepare(a)
				for _, step := range []func(){
					func() { a.relates("eve", true) }, func() { a.blocks("eve", true) }, func() { a.blocks("eve", false) },
				} {
					before := a.seenBy("eve")
					step()
					after := a.seenBy("eve")
					if reflect.DeepEqual(before, after) || after.Version <= before.Version {
						t.Errorf("eve sees\n    %+v\nsaw %+v, want something newer", after, before)
					}
				}
			})
		})
	}
}

func TestWhoIsBlockedAgainSeesNothingOfTheFirstTime(t *testing.T) {
	onStage(t, func(a *stage) {
		a.blocks("bob", true)
		a.beats(presence.Heartbeat{Session: "session-1"})
		a.leaves("session-1")
		cameOut := time.Now()
		a.blocks("bob", false)
		a.wantUnchanged(func() { a.blocks("bob", true) }, "bob")
		a.wantNothingOlder("bob", cameOut)
	})
}

// Whom a change of privacy shows more or less, sees something newer, and nobody else.
func TestPrivacyOfLastSeenCountsWhileSheHides(t *testing.T) {
	onStage(t, func(a *stage) {
		a.beats(presence.Heartbeat{Session: "session-1"})
		gone := time.Now()
		a.blocks("bob", true)
		a.chooses(presence.Invisible)
		p := open
		for _, to := range []presence.Audience{presence.Contacts, presence.Everyone} {
			eve, bob := a.seenBy("eve"), a.seenBy("bob")
			p.LastSeen = to
			a.wantUnchanged(func() { a.shows(p) }, "cy")
			for viewer, before := range map[string]presence.View{"eve": eve, "bob": bob} {
				after := a.seenBy(viewer)
				if after.LastSeenAt.IsZero() != (to == presence.Contacts) || after.Version <= before.Version {
					t.Errorf("told to %s: %s sees\n    %+v\nsaw %+v", to, viewer, after, before)
				}
			}
		}
		a.wantNothingOlder("bob", gone)
		a.wantNothingOlder("eve", gone.Add(time.Second))
		a.wantUnchanged(func() {
			p.Activity, p.Typing, p.Online = presence.Nobody, presence.Nobody, presence.Nobody
			a.shows(p)
		}, "bob", "eve", "cy")
	})
}

func TestWhoIsBlockedWhileSheIsGoneSeesNoDifference(t *testing.T) {
	onStage(t, func(a *stage) {
		a.beats(presence.Heartbeat{Session: "session-1"})
		a.leaves("session-1")
		a.wantUnchanged(func() { a.blocks("bob", true) }, "bob", "eve", "cy")
	})
}

func TestARelationToOneShowsToNobodyElse(t *testing.T) {
	onStage(t, func(a *stage) {
		a.beats(presence.Heartbeat{Session: "session-1"})
		a.wantUnchanged(func() {
			a.relates("bob", true)
			a.blocks("bob", true)
			a.relates("dee", true)
			a.relates("dee", false)
			a.blocks("bob", false)
			a.blocks("ada", true) // nobody hides from himself
		}, "eve", "cy", "ada")
	})
}

// Records are values that nobody changes: a copy must not share what can be changed.
func TestCopiesShareNothingWithTheirSource(t *testing.T) {
	make := func() presence.Record {
		return recordOf(saying("session-1", presence.Online), doing("session-1", "viewing", hour), presence.Relation{Viewer: "bob", Blocked: true, Version: 1})
	}
	facts := []presence.Fact{
		saying("session-1", presence.DND), saying("session-0", presence.DND), doing("session-1", "in_call", hour), doing("session-0", "in_call", hour),
		presence.Relation{Viewer: "bob", Contact: true, Version: 2}, presence.Relation{Viewer: "cy", Contact: true, Version: 3}, presence.Relation{Viewer: "bob", Version: 4},
		presence.SessionEnded("session-1"), presence.HidingFrom{Class: presence.Contact, Hiding: presence.Hiding{On: true}},
	}
	for name, change := range map[string]func(presence.Record){
		"Clone": func(r presence.Record) { c := r.Clone(); c.Set(facts...) },
		"Apply": func(r presence.Record) { r.Apply(changeOf(1, facts...)) },
		"Apply each": func(r presence.Record) {
			for i, f := range facts {
				r.Apply(changeOf(int64(i+1), f))
			}
		},
		"what was applied": func(r presence.Record) { c := r.Apply(changeOf(1)); c.Set(facts...) },
		"besides":          func(r presence.Record) { c := presence.Besides(r, presence.Record{}); c.Set(facts...) },
		"besides, as known": func(r presence.Record) {
			c := presence.Besides(presence.Record{User: "ada", AsOf: v(hour)}, r)
			c.Set(facts...)
		},
	} {
		r := make()
		change(r)
		if want := make(); !reflect.DeepEqual(r, want) {
			t.Errorf("%s changed its source:\n got %+v\nwant %+v", name, r, want)
		}
	}
}

func TestAStoresAnswersShareNothingWithIt(t *testing.T) {
	onStage(t, func(a *stage) {
		a.beats(presence.Heartbeat{Session: "session-1", Doing: &presence.Doing{Type: "viewing", TTL: hour}})
		before := shown(lookup(t, a.Store, "ada")[0])
		spoil := func(r presence.Record, err error) {
			if err != nil {
				t.Fatal(err)
			}
			r.Set(presence.Relation{Viewer: "cy", Blocked: true}, presence.Relation{Viewer: "bob", Contact: true}, doing("session-1", "in_call", day), saying("session-1", presence.DND))
		}
		spoil(lookup(t, a.Store, "ada")[0], nil)
		spoil(a.Sessions(t.Context(), "ada"))
		spoil(a.Amend(t.Context(), "ada", presence.ByChoice, func(r presence.Record, _ time.Time, _ presence.Version) ([]presence.Fact, error) {
			spoil(r, nil)
			return nil, nil
		}))
		if after := shown(lookup(t, a.Store, "ada")[0]); after != before {
			t.Errorf("the store's record has become\n     %s\nwas %s", after, before)
		}
	})
}

func TestRelationsAreListedByName(t *testing.T) {
	r := recordOf()
	for i, name := range []string{"dee", "bob", "cy", "eve"} {
		r.Set(presence.Relation{Viewer: name, Contact: name != "eve", Blocked: name == "eve" || name == "bob", Version: presence.Version(i + 1)})
	}
	names := func(relations []presence.Relation) (names []string) {
		for _, rel := range relations {
			names = append(names, rel.Viewer)
		}
		return names
	}
	if got, want := names(r.Contacts()), []string{"bob", "cy", "dee"}; !slices.Equal(got, want) {
		t.Errorf("contacts %q, want %q", got, want)
	}
	if got, want := names(r.Blocks()), []string{"bob", "eve"}; !slices.Equal(got, want) {
		t.Errorf("blocks %q, want %q", got, want)
	}
}

// A contact made while ada hid from everybody had a hiding of his own, which lasted on after she had come out for all contacts. A change of who may see
// the last-seen time made it the newest, and the time was that of the hiding before.
func TestAHidingThatIsOverForItsViewerStaysSo(t *testing.T) {
	onStage(t, func(a *stage) {
		a.beats(presence.Heartbeat{Session: "session-1"})
		a.showsOnline(presence.Nobody)
		a.relates("bob", true)
		p := open
		p.Online, p.LastSeen = presence.Contacts, presence.Nobody
		cameOut := time.Now()
		a.shows(p)
		a.showsOnline(presence.Nobody)
		if got := a.seenBy("bob"); got.Status != presence.Offline || !got.LastSeenAt.After(cameOut) {
			a.t.Errorf("bob sees her %s, last seen %s, want offline, when she hid again after %s", got.Status, got.LastSeenAt, cameOut.UTC())
		}
	})
}
