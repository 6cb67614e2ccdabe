package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/presently/presently/presence"
)

// With runs f with a fresh store.
type With func(t *testing.T, f func(t *testing.T, fx Fixture))

// Histories plays random histories on the store and on memstore, and compares all that could be seen of each step.
func Histories(t *testing.T, with With) {
	rapid.Check(t, func(rt *rapid.T) {
		steps := history(rt)
		var want, got []string
		WithMemstore(t, func(t *testing.T, fx Fixture) { want = play(t, fx, steps) })
		with(t, func(t *testing.T, fx Fixture) { got = play(t, fx, steps) })
		for i := range want {
			if i >= len(got) || got[i] != want[i] {
				from := max(0, i-12)
				rt.Fatalf("the stores part at line %d; memstore tells\n%s\nthis store tells\n%s", i,
					strings.Join(want[from:i+1], "\n"), strings.Join(got[from:min(len(got), i+1)], "\n"))
			}
		}
	})
}

// story is one promise of presence.Store.
type story struct {
	name string
	tell func(*actor)
}

// Stories tells each promise of the contract as a story.
func Stories(t *testing.T, with With) {
	for _, s := range stories {
		t.Run(s.name, func(t *testing.T) {
			with(t, func(t *testing.T, fx Fixture) { s.tell(&actor{t: t, fx: fx}) })
		})
	}
}

// actor lets users do things and looks at what comes of it.
type actor struct {
	t  *testing.T
	fx Fixture
}

func beatOf(user, session string) presence.Beat {
	return presence.Beat{User: user, Session: session, State: presence.Online, TTL: TTL, MaxLive: 3, Instance: "a"}
}

func (a *actor) beat(b presence.Beat) presence.Beaten {
	a.t.Helper()
	out, err := a.fx.Store.Beat(a.t.Context(), b)
	if err != nil {
		a.t.Fatalf("Beat(%s, %s): %v", b.User, b.Session, err)
	}
	return out
}

func (a *actor) leave(user, session string) {
	a.t.Helper()
	if err := a.fx.Store.Leave(a.t.Context(), user, session, Grace); err != nil {
		a.t.Fatalf("Leave: %v", err)
	}
}

func (a *actor) choose(user string, s presence.Status, lasts time.Duration) presence.Record {
	a.t.Helper()
	r, err := tracker(a.fx).Choose(a.t.Context(), user, s, presence.Lasts{For: &lasts})
	if err != nil {
		a.t.Fatalf("Choose: %v", err)
	}
	return r
}

func (a *actor) record(user string) presence.Record {
	a.t.Helper()
	rs, err := a.fx.Store.Lookup(a.t.Context(), "", []string{user})
	if err != nil {
		a.t.Fatalf("Lookup: %v", err)
	}
	return rs[0]
}

func (a *actor) sessions(user string) presence.Record {
	a.t.Helper()
	r, err := a.fx.Store.Sessions(a.t.Context(), user)
	if err != nil {
		a.t.Fatalf("Sessions: %v", err)
	}
	return r
}

func (a *actor) wantStatus(user string, want presence.Status) {
	a.t.Helper()
	r := a.record(user)
	if got := r.View(presence.Self, r.AsOf).Status; got != want {
		a.t.Fatalf("%s is %s, want %s; record %+v", user, got, want, r)
	}
}

// wantHeard checks the causes of all changes announced since the last call.
func (a *actor) wantHeard(want ...presence.Cause) []presence.Change {
	a.t.Helper()
	heard := a.fx.Heard.take(a.t, a.fx.Store)
	var got []presence.Cause
	for _, c := range heard {
		got = append(got, c.Cause)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		a.t.Fatalf("heard %v, want %v; %+v", got, want, heard)
	}
	return heard
}

func seq(n int64) *int64         { return &n }
func device(name string) *string { return &name }

// near reports whether two times are the same but for the time that the test itself took.
func near(a, b time.Time) bool { return a.Sub(b).Abs() < 600*time.Millisecond }

var stories = slices.Concat(livingStories, amendStories, roomStories, typingStories, subscriptionStories, revocationStories)

// livingStories are of sessions, their beats and their end.
var livingStories = []story{
	{"NobodyIsOfflineNotMissing", func(a *actor) {
		r := a.record("nobody")
		if r.User != "nobody" || !r.Blank() {
			a.t.Fatalf("record of nobody: %+v", r)
		}
		a.wantStatus("nobody", presence.Offline)
	}},
	{"ABeatMakesASessionAndSilenceEndsItOnce", func(a *actor) {
		a.beat(beatOf("ada", "session-1"))
		a.wantStatus("ada", presence.Online)
		a.wantHeard(presence.ByBeat)
		seen := a.record("ada").AsOf.Time()
		a.fx.Advance(TTL - time.Second)
		a.wantStatus("ada", presence.Online)
		a.wantHeard()
		a.fx.Advance(2 * time.Second)
		a.wantStatus("ada", presence.Offline)
		a.wantHeard(presence.ByLapse)
		if got := a.record("ada").Seen.At; !near(got, seen) {
			a.t.Fatalf("last seen %s, want the last beat, %s", got, seen)
		}
		a.fx.Advance(2 * TTL)
		a.wantHeard()
	}},
	{"ASteadyBeatExtendsAndTellsNobody", func(a *actor) {
		b := beatOf("ada", "session-1")
		b.Device, b.Profile = device("web"), presence.Profile{Name: "Ada"}
		a.beat(b)
		a.wantHeard(presence.ByBeat)
		for range 5 {
			a.fx.Advance(TTL - 2*time.Second)
			if out := a.beat(b); !out.Steady || out.Old {
				a.t.Fatalf("%+v, want steady", out)
			}
		}
		a.wantHeard()
		r := a.sessions("ada")
		if s := r.Sessions[0]; !near(s.Deadline, r.AsOf.Time().Add(TTL)) || !near(s.LastBeat, r.AsOf.Time()) {
			a.t.Fatalf("session %+v as of %s", s, r.AsOf.Time())
		}
	}},
	{"AReadSeesTheWriteBeforeIt", func(a *actor) {
		for i := range 20 {
			b := beatOf("ada", "session-1")
			b.State = []presence.Status{presence.Online, presence.Busy}[i%2]
			if r := a.beat(b).Record; r.Sessions[0].State != b.State {
				a.t.Fatalf("the beat's answer says %s", r.Sessions[0].State)
			}
			a.wantStatus("ada", b.State)
		}
	}},
	{"WhatABeatLeavesOutStays", func(a *actor) {
		b := beatOf("ada", "session-1")
		b.Device = device("web")
		a.beat(b)
		b.Device = nil
		a.beat(b)
		if got := a.record("ada").Sessions[0].Device; got != "web" {
			a.t.Fatalf("device %q, want the earlier", got)
		}
		a.wantHeard(presence.ByBeat)
	}},
	{"LeavingWaitsForGrace", func(a *actor) {
		a.beat(beatOf("ada", "session-1"))
		a.fx.Advance(2 * time.Second)
		a.leave("ada", "session-1")
		left := a.record("ada").AsOf.Time()
		a.leave("ada", "session-1")
		a.wantStatus("ada", presence.Online)
		a.wantHeard(presence.ByBeat)
		a.fx.Advance(Grace - time.Second)
		a.leave("ada", "session-1") // once more does not begin a new grace
		a.wantStatus("ada", presence.Online)
		a.fx.Advance(2 * time.Second)
		a.wantStatus("ada", presence.Offline)
		a.wantHeard(presence.ByLeave)
		if got := a.record("ada").Seen.At; !near(got, left) {
			a.t.Fatalf("last seen %s, want the leave, %s", got, left)
		}
	}},
	{"ComingBackWithinGraceTellsNobody", func(a *actor) {
		b := beatOf("ada", "session-1")
		a.beat(b)
		a.leave("ada", "session-1")
		a.fx.Advance(2 * time.Second)
		if out := a.beat(b); !out.Returned || !out.Steady {
			a.t.Fatalf("%+v, want a steady return", out)
		}
		a.wantHeard(presence.ByBeat)
		a.fx.Advance(TTL - 2*time.Second)
		a.wantStatus("ada", presence.Online)
		a.wantHeard()
		for range 2 {
			if returns := a.sessions("ada").Sessions[0].Returns; returns != 1 { // a steady beat is no return
				a.t.Fatalf("%d returns, want 1", returns)
			}
			if out := a.beat(b); out.Returned {
				a.t.Fatalf("%+v, want no return", out)
			}
		}
		a.leave("ada", "session-1")
		b.State = presence.Busy
		if out := a.beat(b); !out.Returned || out.Steady {
			a.t.Fatalf("%+v, want a return that changes something", out)
		}
		if returns := a.sessions("ada").Sessions[0].Returns; returns != 2 {
			a.t.Fatalf("%d returns, want 2", returns)
		}
	}},
	{"AnOlderBeatChangesNothing", func(a *actor) {
		b := beatOf("ada", "session-1")
		b.Seq, b.State = seq(1), presence.Busy
		a.beat(b)
		for n := int64(2); n < 6; n++ {
			b.Seq = seq(n)
			a.beat(b)
		}
		old := b
		old.Seq, old.State = seq(4), presence.DND
		if out := a.beat(old); !out.Old {
			a.t.Fatalf("%+v, want old", out)
		}
		a.wantStatus("ada", presence.Busy)
		a.fx.Advance(TTL / 2)
		same := b
		same.Seq = seq(3)
		if out := a.beat(same); !out.Old {
			a.t.Fatalf("%+v, want old", out)
		}
		a.fx.Advance(TTL/2 + 2*time.Second)
		a.wantStatus("ada", presence.Offline) // older beats are no proof of life
		a.wantHeard(presence.ByBeat, presence.ByLapse)
		if out := a.beat(same); !out.Old {
			a.t.Fatalf("%+v after the lapse, want old", out)
		}
		a.wantStatus("ada", presence.Offline)
		b.Seq = nil
		a.beat(b)
		a.wantStatus("ada", presence.Busy)
	}},
	{"AfterALeaveOnlyANewerBeatRevives", func(a *actor) {
		b := beatOf("ada", "session-1")
		b.Seq = seq(7)
		a.beat(b)
		a.leave("ada", "session-1")
		if out := a.beat(b); !out.Old {
			a.t.Fatalf("%+v, want old", out)
		}
		a.fx.Advance(Grace + time.Second)
		a.wantStatus("ada", presence.Offline)
		if out := a.beat(b); !out.Old {
			a.t.Fatalf("%+v after grace, want old", out)
		}
		b.Seq = seq(8)
		a.beat(b)
		a.wantStatus("ada", presence.Online)
		a.wantHeard(presence.ByBeat, presence.ByLeave, presence.ByBeat)
	}},
	{"EndingIsAtOnce", func(a *actor) {
		a.beat(beatOf("ada", "session-1"))
		if err := a.fx.Store.End(a.t.Context(), "ada", "session-1"); err != nil {
			a.t.Fatal(err)
		}
		if err := a.fx.Store.End(a.t.Context(), "ada", "session-1"); err != nil {
			a.t.Fatal(err)
		}
		a.wantStatus("ada", presence.Offline)
		a.wantHeard(presence.ByBeat, presence.ByEnd)
	}},
	{"ClosingOneDeviceLeavesTheOthers", func(a *actor) {
		web, mobile := beatOf("ada", "session-1"), beatOf("ada", "session-2")
		web.Device, web.State = device("web"), presence.Busy
		mobile.Device = device("mobile")
		a.beat(web)
		a.beat(mobile)
		a.wantStatus("ada", presence.Busy)
		a.leave("ada", "session-1")
		a.fx.Advance(Grace + time.Second)
		a.wantStatus("ada", presence.Online)
		a.wantHeard(presence.ByBeat, presence.ByBeat, presence.ByLeave)
	}},
	{"TwoUsersMayUseTheSameSessionID", func(a *actor) {
		a.beat(beatOf("ada", "session-1"))
		a.beat(beatOf("bob", "session-1"))
		if err := a.fx.Store.End(a.t.Context(), "ada", "session-1"); err != nil {
			a.t.Fatal(err)
		}
		a.wantStatus("ada", presence.Offline)
		a.wantStatus("bob", presence.Online)
	}},
	{"OneSessionTooManyIsRefusedAndTheOthersLive", func(a *actor) {
		for i := range 3 {
			a.beat(beatOf("ada", fmt.Sprint("session-", i)))
		}
		_, err := a.fx.Store.Beat(a.t.Context(), beatOf("ada", "session-9"))
		if !errors.Is(err, presence.ErrTooManySessions) {
			a.t.Fatalf("error %v, want ErrTooManySessions", err)
		}
		a.beat(beatOf("ada", "session-0"))
		if n := len(a.record("ada").Sessions); n != 3 {
			a.t.Fatalf("%d sessions, want 3", n)
		}
	}},
	{"ABeatNeverErasesAChoice", func(a *actor) {
		a.beat(beatOf("ada", "session-1"))
		a.choose("ada", presence.DND, time.Hour)
		a.beat(beatOf("ada", "session-1"))
		b := beatOf("ada", "session-1")
		b.State = presence.Busy
		a.beat(b)
		a.wantStatus("ada", presence.DND)
		a.choose("ada", "", 0)
		a.wantStatus("ada", presence.Busy)
	}},
	{"AChoiceEndsByItself", func(a *actor) {
		a.beat(beatOf("ada", "session-1"))
		a.choose("ada", presence.DND, 3*time.Second)
		a.wantStatus("ada", presence.DND)
		a.fx.Advance(4 * time.Second)
		a.wantStatus("ada", presence.Online)
	}},
	{"AChoiceAloneMakesNobodyOnline", func(a *actor) {
		a.choose("ada", presence.Online, 0)
		a.wantStatus("ada", presence.Offline)
	}},
	{"AChoiceOutlivesTheSession", func(a *actor) {
		a.beat(beatOf("ada", "session-1"))
		a.choose("ada", presence.Busy, 0)
		a.fx.Advance(TTL + time.Second)
		a.wantStatus("ada", presence.Offline)
		a.beat(beatOf("ada", "session-2"))
		a.wantStatus("ada", presence.Busy)
	}},
	{"WhoHidesLooksLikeOneWhoWentOfflineThen", func(a *actor) {
		b := beatOf("ada", "session-1")
		b.Profile = presence.Profile{Name: "Ada"}
		a.beat(b)
		r := a.choose("ada", presence.Invisible, 0)
		hid := r.AsOf.Time()
		a.wantStatus("ada", presence.Invisible)
		before := r.View(presence.Contact, r.AsOf)
		if before.Status != presence.Offline || !near(before.LastSeenAt, hid) || before.Profile.Name != "Ada" {
			a.t.Fatalf("a contact sees %+v", before)
		}
		b.State, b.Profile.Name = presence.DND, "Countess"
		a.beat(b)
		a.fx.Advance(TTL + time.Second)
		a.choose("ada", presence.Invisible, 0)
		r = a.record("ada")
		if after := r.View(presence.Contact, r.AsOf); fmt.Sprint(after) != fmt.Sprint(before) {
			a.t.Fatalf("what she did while hidden shows:\n%+v, was\n%+v", after, before)
		}
		a.choose("ada", "", 0)
		r = a.record("ada")
		if v := r.View(presence.Contact, r.AsOf); !near(v.LastSeenAt, r.AsOf.Time()) {
			a.t.Fatalf("after coming out, last seen at %s shows the hidden spell", v.LastSeenAt)
		}
	}},
	{"LastActiveIsTheNewestInputOverAllSessions", func(a *actor) {
		idle, active := beatOf("ada", "session-1"), beatOf("ada", "session-2")
		idle.IdleFor, idle.Idle = 7*time.Second, true
		a.beat(idle)
		r := a.record("ada")
		first := r.View(presence.Self, r.AsOf)
		if first.Status != presence.Away || !near(first.LastActiveAt, r.AsOf.Time().Add(-7*time.Second)) {
			a.t.Fatalf("%+v", first)
		}
		a.fx.Advance(3 * time.Second)
		idle.IdleFor += 3 * time.Second
		a.beat(idle)
		r = a.record("ada")
		if v := r.View(presence.Self, r.AsOf); v.LastActiveAt != first.LastActiveAt {
			a.t.Fatalf("the time moved while away: %s, was %s", v.LastActiveAt, first.LastActiveAt)
		}
		a.beat(active)
		a.wantStatus("ada", presence.Online)
		a.fx.Advance(3 * time.Second)
		active.IdleFor = 2 * time.Second
		a.beat(active)
		a.beat(idle)
		r = a.record("ada")
		want := r.AsOf.Time().Add(-2 * time.Second)
		if err := a.fx.Store.End(a.t.Context(), "ada", "session-2"); err != nil {
			a.t.Fatal(err)
		}
		r = a.record("ada")
		if v := r.View(presence.Self, r.AsOf); v.Status != presence.Away || !near(v.LastActiveAt, want) {
			a.t.Fatalf("last active %s, want %s, the newest input of the session that ended; %+v", v.LastActiveAt, want, v)
		}
	}},
	{"VersionsGrowAndReadsStandBetweenThem", func(a *actor) {
		var last presence.Version
		for i := range 10 {
			before := a.record("ada").AsOf
			b := beatOf("ada", "session-1")
			b.State = []presence.Status{presence.Online, presence.Busy}[i%2]
			a.beat(b)
			c := a.wantHeard(presence.ByBeat)[0]
			if c.Version <= last || c.Version <= before {
				a.t.Fatalf("version %d after %d, read as of %d", c.Version, last, before)
			}
			if r := a.record("ada"); r.AsOf < c.Version || r.Head != c.Head {
				a.t.Fatalf("a read as of %d at %v after change %d at %v", r.AsOf, r.Head, c.Version, c.Head)
			}
			last = c.Version
		}
	}},
	{"NoIDReachesAnother", func(a *actor) {
		ids := []string{"a", "a:b", "{a}", "a}", "*", "?", "[a]", "u:a", "s:a", "a b", "\u00e4", "a\u0308", "☕", `"`, `\`, "a|b", "%00", "meta", strings.Repeat("x", 128)}
		for _, id := range ids {
			a.beat(beatOf(id, "session-1"))
		}
		for i, id := range ids {
			if err := a.fx.Store.End(a.t.Context(), id, "session-1"); err != nil {
				a.t.Fatal(err)
			}
			a.wantStatus(id, presence.Offline)
			for _, other := range ids[i+1:] {
				a.wantStatus(other, presence.Online)
			}
		}
	}},
	{"ManyAreReadInTheOrderAskedFor", func(a *actor) {
		users := make([]string, 500)
		for i := range users {
			users[i] = fmt.Sprint("user-", (i*7)%500)
		}
		a.beat(beatOf("user-7", "session-1"))
		rs, err := a.fx.Store.Lookup(a.t.Context(), "", users)
		if err != nil {
			a.t.Fatal(err)
		}
		for i, r := range rs {
			if r.User != users[i] || r.Blank() == (r.User == "user-7") {
				a.t.Fatalf("record %d: %+v, want that of %s", i, r, users[i])
			}
		}
	}},
	{"TheSecretStays", func(a *actor) {
		one, err := a.fx.Store.Secret(a.t.Context())
		if err != nil || len(one) < 16 {
			a.t.Fatalf("secret of %d bytes, %v", len(one), err)
		}
		two, _ := a.fx.Store.Secret(a.t.Context())
		if string(one) != string(two) {
			a.t.Fatal("two secrets")
		}
	}},
}
