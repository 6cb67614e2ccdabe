package presence_test

import (
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/presently/presently/presence"
)

// t0 is when the tests begin; v is a moment some time after it.
var t0 = time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)

func after(d time.Duration) time.Time    { return t0.Add(d) }
func v(d time.Duration) presence.Version { return presence.VersionAt(after(d)) }

const (
	second = time.Second
	minute = time.Minute
	hour   = time.Hour
	day    = 24 * time.Hour
)

// recordOf is a record of ada with the given facts.
func recordOf(facts ...presence.Fact) presence.Record {
	r := presence.Record{User: "ada"}
	r.Set(facts...)
	return r
}

func saying(id string, s presence.Status) presence.Session {
	return presence.Session{ID: id, State: s, Version: v(0)}
}

func awaySince(id string, input time.Duration) presence.Session {
	s := saying(id, presence.Away)
	s.Input = after(input)
	return s
}

func idle(s presence.Session, input time.Duration) presence.Session {
	s.Idle, s.Input = true, after(input)
	return s
}

// doing is an activity of the moment of saying; without a type it is one that has ended.
func doing(session, kind string, until time.Duration) presence.Activity {
	return presence.Activity{Session: session, Type: kind, Since: after(0), Until: after(until), Version: v(0)}
}

func on(device string, s presence.Session) presence.Session {
	s.Device = device
	return s
}

// hid is that ada hides from everybody, or has come out again.
func hid(h presence.Hiding) presence.Fact {
	return presence.Facts{
		presence.Invisibility{On: h.On, Version: h.Version},
		presence.HidingFrom{Class: presence.Other, Hiding: h}, presence.HidingFrom{Class: presence.Contact, Hiding: h},
	}
}

func chose(s presence.Status, until time.Duration) presence.Chosen {
	c := presence.Chosen{Status: s, Version: v(second)}
	if until != 0 {
		c.Until = after(until)
	}
	return c
}

func TestStatusFollowsTheRules(t *testing.T) {
	online, busy, dnd := saying("session-1", presence.Online), saying("session-2", presence.Busy), saying("session-3", presence.DND)
	away := awaySince("session-4", -minute)
	hides := hid(presence.Hiding{On: true, At: after(0), Seen: after(0), Shown: v(0), Version: v(0)})
	came := hid(presence.Hiding{At: after(0), Version: v(0)})
	for _, c := range []struct {
		name         string
		record       presence.Record
		now          time.Duration
		self, others presence.Status
	}{
		{"1: of whom nothing is known is offline", recordOf(), 0, presence.Offline, presence.Offline},
		{"1: without a session nobody is online, whatever he chose", recordOf(chose(presence.Online, 0)), 0, presence.Offline, presence.Offline},
		{"1: without a session nobody is busy by choice", recordOf(chose(presence.DND, hour)), 0, presence.Offline, presence.Offline},
		{"1: without a session even who hides is offline to himself", recordOf(hides), 0, presence.Offline, presence.Offline},
		{"2: who hides is invisible to himself and offline to others", recordOf(online, hides), minute, presence.Invisible, presence.Offline},
		{"2: hiding beats a choice", recordOf(online, hides, chose(presence.DND, 0)), minute, presence.Invisible, presence.Offline},
		{"2: hiding beats an expired choice", recordOf(online, hides, chose(presence.DND, second)), minute, presence.Invisible, presence.Offline},
		{"2: hiding beats what sessions say", recordOf(dnd, hides), minute, presence.Invisible, presence.Offline},
		{"2: who came out is seen", recordOf(online, came), minute, presence.Online, presence.Online},
		{"3: a choice beats a stronger session", recordOf(dnd, chose(presence.Away, 0)), minute, presence.Away, presence.Away},
		{"3: a choice beats a weaker session", recordOf(away, chose(presence.DND, hour)), minute, presence.DND, presence.DND},
		{"3: a choice of online beats idleness", recordOf(idle(online, -hour), chose(presence.Online, 0)), minute, presence.Online, presence.Online},
		{"3: a choice stands until just before its end", recordOf(online, chose(presence.Busy, minute)), minute - time.Microsecond, presence.Busy, presence.Busy},
		{"3: a choice ends exactly at its end", recordOf(online, chose(presence.Busy, minute)), minute, presence.Online, presence.Online},
		{"3: a choice is over after its end", recordOf(online, chose(presence.Busy, minute)), hour, presence.Online, presence.Online},
		{"3: a choice without end stands", recordOf(online, chose(presence.Busy, 0)), 400 * day, presence.Busy, presence.Busy},
		{"3: a cleared choice is none", recordOf(online, chose("", 0)), minute, presence.Online, presence.Online},
		{"4: away alone is away", recordOf(away), 0, presence.Away, presence.Away},
		{"4: online beats away", recordOf(away, online), 0, presence.Online, presence.Online},
		{"4: busy beats online", recordOf(online, busy), 0, presence.Busy, presence.Busy},
		{"4: dnd beats all", recordOf(online, busy, dnd, away), 0, presence.DND, presence.DND},
		{"4: an idle session is away, though it says online", recordOf(idle(online, 0)), 0, presence.Away, presence.Away},
		{"4: an idle session is away, though it says dnd", recordOf(idle(dnd, 0)), 0, presence.Away, presence.Away},
		{"4: an idle dnd is weaker than online", recordOf(idle(dnd, 0), online), 0, presence.Online, presence.Online},
		{"7: closing one leaves the others", recordOf(busy, online, presence.SessionEnded("session-2")), 0, presence.Online, presence.Online},
	} {
		for class, want := range []presence.Status{presence.Other: c.others, presence.Contact: c.others, presence.Self: c.self} {
			if got := c.record.View(presence.Class(class), v(c.now)).Status; got != want {
				t.Errorf("%s: %s sees %q, want %q", c.name, classes[class], got, want)
			}
		}
	}
}

var classes = []string{presence.Other: "another", presence.Contact: "a contact", presence.Self: "he himself"}

func everyClass(yield func(presence.Class) bool) {
	for c := range presence.Class(presence.Classes) {
		if !yield(c) {
			return
		}
	}
}

// A view is checked whole, so that a field that shows where it must not is found too.
func TestEachClassSeesItsFieldsAndNoOther(t *testing.T) {
	ada := presence.Profile{Name: "Ada", Avatar: "https://example.org/a.png", Version: v(-day)}
	bare := presence.Profile{Name: "Ada", Avatar: "https://example.org/a.png"}
	seen := presence.Seen{At: after(-hour), Input: after(-2 * hour), Version: v(-hour)}
	web := on("web", saying("session-1", presence.Online))
	phone := on("phone", awaySince("session-2", -10*minute))
	type fields struct {
		chosen     presence.Status
		devices    map[string]presence.Status
		lastSeenAt time.Time
		lastSeen   presence.Bucket
		lastActive time.Time
	}
	for _, c := range []struct {
		name    string
		record  presence.Record
		status  presence.Status
		silent  bool // no notify
		friends fields
		self    fields
		version presence.Version
	}{
		{
			name: "offline", record: recordOf(ada, seen, chose(presence.DND, 0)), status: presence.Offline,
			friends: fields{lastSeenAt: after(-hour), lastSeen: presence.Hours},
			self:    fields{lastSeenAt: after(-hour), lastSeen: presence.Hours},
			version: v(-hour),
		},
		{
			name: "online", record: recordOf(ada, seen, web), status: presence.Online,
			friends: fields{devices: map[string]presence.Status{"web": presence.Online}},
			self:    fields{devices: map[string]presence.Status{"web": presence.Online}},
			version: v(0),
		},
		{
			name: "dnd by choice", record: recordOf(ada, web, chose(presence.DND, hour)), status: presence.DND, silent: true,
			friends: fields{chosen: presence.DND, devices: map[string]presence.Status{"web": presence.Online}},
			self:    fields{chosen: presence.DND, devices: map[string]presence.Status{"web": presence.Online}},
			version: v(second),
		},
		{
			name: "dnd by a session", record: recordOf(ada, on("web", saying("session-1", presence.DND))), status: presence.DND, silent: true,
			friends: fields{devices: map[string]presence.Status{"web": presence.DND}},
			self:    fields{devices: map[string]presence.Status{"web": presence.DND}},
			version: v(0),
		},
		{
			name: "a session that says dnd under a choice of online notifies", record: recordOf(ada, on("web", saying("session-1", presence.DND)), chose(presence.Online, 0)),
			status:  presence.Online,
			friends: fields{chosen: presence.Online, devices: map[string]presence.Status{"web": presence.DND}},
			self:    fields{chosen: presence.Online, devices: map[string]presence.Status{"web": presence.DND}},
			version: v(second),
		},
		{
			name: "away by itself", record: recordOf(ada, seen, phone), status: presence.Away,
			friends: fields{devices: map[string]presence.Status{"phone": presence.Away}, lastActive: after(-10 * minute)},
			self:    fields{devices: map[string]presence.Status{"phone": presence.Away}, lastActive: after(-10 * minute)},
			version: v(0),
		},
		{
			name:   "away by choice since its own input, not that of sessions",
			record: recordOf(ada, web, presence.Chosen{Status: presence.Away, Input: after(-5 * minute), Version: v(2 * second)}), status: presence.Away,
			friends: fields{chosen: presence.Away, devices: map[string]presence.Status{"web": presence.Online}, lastActive: after(-5 * minute)},
			self:    fields{chosen: presence.Away, devices: map[string]presence.Status{"web": presence.Online}, lastActive: after(-5 * minute)},
			version: v(2 * second),
		},
		{
			name: "a choice that has expired shows neither itself nor less than its end", record: recordOf(ada, web, chose(presence.DND, 30*second)), status: presence.Online,
			friends: fields{devices: map[string]presence.Status{"web": presence.Online}},
			self:    fields{devices: map[string]presence.Status{"web": presence.Online}},
			version: v(30 * second),
		},
	} {
		for class := range everyClass {
			want := presence.View{User: "ada", Status: c.status, Notify: !c.silent, Profile: bare, Version: c.version}
			f := fields{}
			switch class {
			case presence.Contact:
				f = c.friends
			case presence.Self:
				f = c.self
			}
			want.Chosen, want.Devices, want.LastSeenAt, want.LastSeen, want.LastActiveAt = f.chosen, f.devices, f.lastSeenAt, f.lastSeen, f.lastActive
			r := c.record
			if r.Profile == (presence.Profile{}) {
				want.Profile = presence.Profile{}
			}
			if got := r.View(class, v(minute)); !reflect.DeepEqual(got, want) {
				t.Errorf("%s: %s sees\n     %+v\nwant %+v", c.name, classes[class], got, want)
			}
		}
	}
}

func TestWhoHidesIsSeenByTheCopyAlone(t *testing.T) {
	r := recordOf(
		on("web", saying("session-1", presence.DND)), awaySince("session-2", 0),
		presence.Profile{Name: "Countess", Version: v(hour)},
		presence.Seen{At: after(hour), Input: after(hour), Version: v(hour)},
		hid(presence.Hiding{On: true, At: after(0), Seen: after(-minute), Shown: v(-minute), Version: v(0), Profile: presence.Profile{Name: "Ada", Version: v(-day)}}),
	)
	offline := presence.View{User: "ada", Status: presence.Offline, Notify: true, Profile: presence.Profile{Name: "Ada"}, Version: v(-minute)}
	if got := r.View(presence.Other, v(2*hour)); !reflect.DeepEqual(got, offline) {
		t.Errorf("another sees\n     %+v\nwant %+v", got, offline)
	}
	offline.LastSeenAt, offline.LastSeen = after(-minute), presence.Hours
	if got := r.View(presence.Contact, v(2*hour)); !reflect.DeepEqual(got, offline) {
		t.Errorf("a contact sees\n     %+v\nwant %+v", got, offline)
	}
	self := presence.View{
		User: "ada", Status: presence.Invisible, Chosen: presence.Invisible, Notify: true, Profile: presence.Profile{Name: "Countess"}, Version: v(hour),
		Devices: map[string]presence.Status{"web": presence.DND, presence.OtherDevice: presence.Away},
	}
	if got := r.View(presence.Self, v(2*hour)); !reflect.DeepEqual(got, self) {
		t.Errorf("she herself sees\n     %+v\nwant %+v", got, self)
	}
}

func TestDevicesShowTheStrongestStateOfEachName(t *testing.T) {
	r := recordOf(
		on("web", saying("session-1", presence.Away)),
		on("web", saying("session-2", presence.Busy)),
		on("web", saying("session-3", presence.Online)),
		on("phone", idle(saying("session-4", presence.DND), 0)),
		saying("session-5", presence.Away),
		saying("session-6", presence.Online),
	)
	want := map[string]presence.Status{"web": presence.Busy, "phone": presence.Away, "other": presence.Online}
	for _, class := range []presence.Class{presence.Contact, presence.Self} {
		if got := r.View(class, v(0)).Devices; !reflect.DeepEqual(got, want) {
			t.Errorf("%s sees %v, want %v", classes[class], got, want)
		}
	}
	if got := r.View(presence.Other, v(0)).Devices; got != nil {
		t.Errorf("another sees %v, want nothing", got)
	}
}

func TestLastActiveIsTheNewestInputOfLiveAndEndedSessions(t *testing.T) {
	for _, c := range []struct {
		name  string
		facts []presence.Fact
		want  time.Time
	}{
		{"of one session", []presence.Fact{awaySince("session-1", -minute)}, after(-minute)},
		{"the newest of several", []presence.Fact{awaySince("session-1", -minute), idle(saying("session-2", presence.DND), -second)}, after(-second)},
		{"of one that ended later", []presence.Fact{awaySince("session-1", -minute), presence.Seen{At: after(0), Input: after(-2 * second)}}, after(-2 * second)},
		{"not of one that ended earlier", []presence.Fact{awaySince("session-1", -minute), presence.Seen{At: after(0), Input: after(-hour)}}, after(-minute)},
		{"not while online", []presence.Fact{awaySince("session-1", -minute), saying("session-2", presence.Online)}, time.Time{}},
		{"not under a choice of busy", []presence.Fact{awaySince("session-1", -minute), chose(presence.Busy, 0)}, time.Time{}},
	} {
		if got := recordOf(c.facts...).View(presence.Self, v(minute)).LastActiveAt; !got.Equal(c.want) {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}

// Times of a hidden spell would tell that there was one, and what was done in it.
func TestAfterComingOutNoTimeIsOlderThanThat(t *testing.T) {
	out := hid(presence.Hiding{At: after(0), Version: v(0)})
	for _, c := range []struct {
		name            string
		record          presence.Record
		contact, self   time.Time
		contactA, selfA time.Time
	}{
		{
			name: "last seen before", record: recordOf(out, presence.Seen{At: after(-hour), Version: v(-hour)}),
			contact: after(0), self: after(-hour),
		},
		{
			name: "last seen after", record: recordOf(out, presence.Seen{At: after(second), Version: v(second)}),
			contact: after(second), self: after(second),
		},
		{
			name: "never seen", record: recordOf(out),
		},
		{
			name: "last active before", record: recordOf(out, awaySince("session-1", -hour)),
			contactA: after(0), selfA: after(-hour),
		},
		{
			name: "last active before, by choice", record: recordOf(out, saying("session-1", presence.Online), presence.Chosen{Status: presence.Away, Input: after(-hour), Version: v(0)}),
			contactA: after(0), selfA: after(-hour),
		},
		{
			name: "last active after", record: recordOf(out, awaySince("session-1", second)),
			contactA: after(second), selfA: after(second),
		},
	} {
		for class, want := range map[presence.Class][2]time.Time{presence.Contact: {c.contact, c.contactA}, presence.Self: {c.self, c.selfA}, presence.Other: {}} {
			got := c.record.View(class, v(minute))
			if !got.LastSeenAt.Equal(want[0]) || !got.LastActiveAt.Equal(want[1]) {
				t.Errorf("%s: %s sees last seen %s and active %s, want %s and %s", c.name, classes[class], got.LastSeenAt, got.LastActiveAt, want[0], want[1])
			}
		}
	}
}

func TestBucketsBeginAtTheirBorders(t *testing.T) {
	for _, c := range []struct {
		ago  time.Duration
		want presence.Bucket
	}{
		{-hour, presence.Now},
		{0, presence.Now},
		{minute - time.Millisecond, presence.Now},
		{minute, presence.Minutes},
		{hour - time.Millisecond, presence.Minutes},
		{hour, presence.Hours},
		{day - time.Millisecond, presence.Hours},
		{day, presence.Days},
		{7*day - time.Millisecond, presence.Days},
		{7 * day, presence.Weeks},
		{30*day - time.Millisecond, presence.Weeks},
		{30 * day, presence.Long},
		{4000 * day, presence.Long},
	} {
		if got := presence.BucketOf(after(-c.ago), v(0)); got != c.want {
			t.Errorf("%s ago is %q, want %q", c.ago, got, c.want)
		}
	}
	if got := presence.BucketOf(time.Time{}, v(0)); got != presence.Long {
		t.Errorf("never is %q, want %q", got, presence.Long)
	}
}

func TestNobodyButHimselfIsSelf(t *testing.T) {
	r := recordOf()
	if got := r.ClassOf("ada"); got != presence.Self {
		t.Errorf("ada is class %d to herself, want %d", got, presence.Self)
	}
	for _, viewer := range []string{"", "Ada", "ada ", "bob"} {
		if got := r.ClassOf(viewer); got != presence.Other {
			t.Errorf("%q is class %d to ada, want %d", viewer, got, presence.Other)
		}
	}
}

// drawRecord draws any record at all, also such as no store would make.
func drawRecord(t *rapid.T) presence.Record {
	r := presence.Record{User: "ada"}
	for _, id := range []string{"session-1", "session-2", "session-3"} {
		if rapid.Bool().Draw(t, "has "+id) {
			r.Set(drawSession(t, id))
		}
	}
	if rapid.Bool().Draw(t, "has chosen") {
		c := presence.Chosen{Status: rapid.SampledFrom([]presence.Status{"", presence.Online, presence.Away, presence.Busy, presence.DND}).Draw(t, "chosen"), Version: drawVersion(t, "chosen")}
		if rapid.Bool().Draw(t, "ends") {
			c.Until = drawTime(t, "until")
		}
		c.Input = drawTime(t, "chosen input")
		r.Set(c)
	}
	r.Set(presence.Profile{Name: rapid.SampledFrom([]string{"", "Ada", "Countess"}).Draw(t, "name"), Version: drawVersion(t, "profile")})
	if rapid.Bool().Draw(t, "has said") {
		c := presence.Custom{Text: rapid.SampledFrom([]string{"", "Standup"}).Draw(t, "text"), Version: drawVersion(t, "custom")}
		if rapid.Bool().Draw(t, "custom ends") {
			c.Until = drawTime(t, "custom until")
		}
		r.Set(c)
	}
	for _, s := range r.Sessions {
		if rapid.Bool().Draw(t, "does") {
			r.Set(drawActivity(t, s.ID))
		}
	}
	if rapid.Bool().Draw(t, "has privacy") {
		r.Set(drawPrivacy(t, drawVersion(t, "privacy")))
	}
	if rapid.Bool().Draw(t, "has been seen") {
		r.Set(presence.Seen{At: drawTime(t, "seen"), Input: drawTime(t, "seen input"), Version: drawVersion(t, "seen")})
	}
	if rapid.Bool().Draw(t, "has hidden") {
		r.Set(hid(drawHiding(t, rapid.Bool().Draw(t, "hides"))))
	}
	return r
}

func drawActivity(t *rapid.T, session string) presence.Activity {
	return presence.Activity{
		Session: session, Type: rapid.SampledFrom([]string{"", "viewing", "in_call"}).Draw(t, "type"), Target: rapid.SampledFrom([]string{"", "/docs/7"}).Draw(t, "target"),
		Since: drawTime(t, "since"), Until: drawTime(t, "activity until"), Version: drawVersion(t, "activity"),
	}
}

func drawPrivacy(t *rapid.T, version presence.Version) presence.Privacy {
	audience := rapid.SampledFrom([]presence.Audience{presence.Everyone, presence.Contacts, presence.Nobody})
	return presence.Privacy{
		Online: audience.Draw(t, "online"), LastSeen: audience.Draw(t, "lastSeen"), Activity: audience.Draw(t, "activity"), Typing: audience.Draw(t, "typing"),
		Version: version,
	}
}

func drawHiding(t *rapid.T, on bool) presence.Hiding {
	return presence.Hiding{
		On: on, At: drawTime(t, "hid"), Seen: drawTime(t, "copied seen"), Shown: drawVersion(t, "shown"), Version: drawVersion(t, "hiding"),
		Profile: presence.Profile{Name: rapid.SampledFrom([]string{"", "Ada"}).Draw(t, "copied name"), Version: drawVersion(t, "copied profile")},
	}
}

func drawSession(t *rapid.T, id string) presence.Session {
	s := presence.Session{
		ID: id, State: rapid.SampledFrom([]presence.Status{presence.Online, presence.Away, presence.Busy, presence.DND}).Draw(t, "state"),
		Idle:   rapid.Bool().Draw(t, "idle"),
		Device: rapid.SampledFrom([]string{"", "web", "phone"}).Draw(t, "device"),
		Input:  drawTime(t, "input"), Version: drawVersion(t, "session"),
	}
	return s
}

func drawTime(t *rapid.T, label string) time.Time {
	return after(time.Duration(rapid.IntRange(-10_000, 10_000).Draw(t, label)) * time.Second)
}

func drawVersion(t *rapid.T, label string) presence.Version {
	return presence.VersionAt(drawTime(t, label+" version"))
}

func TestAViewDependsOnNothingButRecordClassAndMoment(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, now := drawRecord(t), drawVersion(t, "now")
		before := clone(r)
		for class := range everyClass {
			one, two := r.View(class, now), r.View(class, now)
			if !reflect.DeepEqual(one, two) {
				t.Fatalf("class %d sees\n%+v, then\n%+v", class, one, two)
			}
			for d := range one.Devices {
				one.Devices[d] = "changed"
			}
			if three := r.View(class, now); !reflect.DeepEqual(two, three) {
				t.Fatalf("who changes his view changes that of others: %+v, want %+v", three, two)
			}
		}
		if !reflect.DeepEqual(r, before) {
			t.Fatalf("looking changed the record: %+v, was %+v", r, before)
		}
	})
}

func clone(r presence.Record) presence.Record {
	r.Sessions, r.Doing, r.Relations = slices.Clone(r.Sessions), slices.Clone(r.Doing), maps.Clone(r.Relations)
	r.Memberships, r.Marks = slices.Clone(r.Memberships), slices.Clone(r.Marks)
	return r
}

func TestWithoutALiveSessionEverybodySeesOffline(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, now := drawRecord(t), drawVersion(t, "now")
		r.Sessions = nil
		for class := range everyClass {
			if got := r.View(class, now); got.Status != presence.Offline || got.Chosen != "" || got.Devices != nil || !got.LastActiveAt.IsZero() ||
				got.Custom != (presence.Custom{}) || got.Activity != (presence.Activity{}) || !got.Notify {
				t.Fatalf("%s sees %+v of a user without sessions, want offline and nothing else", classes[class], got)
			}
		}
	})
}

// The attack: to find out that somebody hides, or what he does meanwhile, by any difference in what is shown of him.
func TestNothingButTheCopyShowsOfWhoHides(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h, now := drawHiding(t, true), drawVersion(t, "now")
		one, two := drawRecord(t), drawRecord(t)
		one.Set(hid(h))
		h.Version = drawVersion(t, "another hiding") // the fact's own version is not for others either
		two.Set(hid(h))
		two.Privacy = one.Privacy // which says who sees the time of the copy
		for _, class := range []presence.Class{presence.Other, presence.Contact} {
			if a, b := one.View(class, now), two.View(class, now); !reflect.DeepEqual(a, b) {
				t.Fatalf("%s sees a difference:\n%+v\n%+v", classes[class], a, b)
			}
		}
	})
}

var strength = map[presence.Status]int{presence.Offline: 0, presence.Away: 1, presence.Online: 2, presence.Busy: 3, presence.DND: 4}

func TestAnotherSessionNeverLowersTheStatus(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, now := drawRecord(t), drawVersion(t, "now")
		r.Chosen = presence.Chosen{}
		r.Set(hid(presence.Hiding{}))
		more := clone(r)
		more.Set(drawSession(t, "session-4"))
		for class := range everyClass {
			if a, b := r.View(class, now).Status, more.View(class, now).Status; strength[b] < strength[a] {
				t.Fatalf("%s saw %s, and %s with another session", classes[class], a, b)
			}
		}
	})
}

func TestAChoiceIsSeenWhateverTheSessionsSay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, now := drawRecord(t), drawVersion(t, "now")
		r.Set(hid(presence.Hiding{}))
		r.Set(drawSession(t, "session-4"))
		chosen := r.Chosen.At(now)
		if chosen == "" {
			return // nothing chosen, or no longer
		}
		for class := range everyClass {
			if got := r.View(class, now).Status; got != chosen {
				t.Fatalf("%s sees %s, want %s, which was chosen", classes[class], got, chosen)
			}
		}
	})
}

// Time alone changes a view at the moments that NextExpiry tells, and at no other: a board turns only to those.
func TestBetweenExpiriesAViewStands(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, now := drawRecord(t), drawVersion(t, "now")
		next, ends := r.NextExpiry(now)
		if ends && next <= now {
			t.Fatalf("the next expiry after %d is %d", now, next)
		}
		then := now + presence.Version(rapid.Int64Range(0, int64(10_000*time.Second/time.Microsecond)).Draw(t, "later"))
		if ends && then >= next {
			then = next - 1
		}
		for class := range everyClass {
			a, b := r.View(class, now), r.View(class, then)
			a.LastSeen, b.LastSeen = "", "" // a bucket's change is no event
			if !reflect.DeepEqual(a, b) {
				t.Fatalf("%s sees %+v, and without an expiry %+v", classes[class], a, b)
			}
		}
	})
}

// The store forgets who has not been seen for 30 days, sooner or later, but never forgets who hides. If a view did not forget both, and at
// the same moment, then whoever still has a name after a month hides.
func TestAfterThirtyDaysNothingIsLeftToSeeOfAnybodyOffline(t *testing.T) {
	ada := presence.Profile{Name: "Ada", Version: v(0)}
	for name, r := range map[string]presence.Record{
		"who went offline":                    recordOf(ada, presence.Seen{At: after(0), Version: v(0)}),
		"who has a choice that never expires": recordOf(ada, presence.Seen{At: after(0), Version: v(0)}, chose(presence.DND, 0)),
		"who hides":                           recordOf(saying("session-1", presence.Online), hid(presence.Hiding{On: true, Seen: after(0), Shown: v(0), Profile: ada})),
	} {
		for _, class := range []presence.Class{presence.Other, presence.Contact} {
			if got := r.View(class, v(30*day-time.Millisecond)); got.Profile.Name != "Ada" || got.LastSeenAt.IsZero() != (class == presence.Other) {
				t.Errorf("%s: just before, %s sees %+v, want the profile and the time", name, classes[class], got)
			}
			want := recordOf().View(class, v(30*day))
			got := r.View(class, v(30*day))
			got.Version = 0
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%s: after 30 days, %s sees\n     %+v\nwant %+v, as of somebody unknown", name, classes[class], got, want)
			}
		}
	}
}
