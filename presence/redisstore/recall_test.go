package redisstore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/presently/presently/internal/redistest"
	"github.com/presently/presently/presence"
)

// soon waits until f.
func soon(t testing.TB, what string, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !f(); {
		if time.Now().After(deadline) {
			t.Fatalf("waited for %s", what)
		}
		<-time.After(5 * time.Millisecond)
	}
}

// knows waits until the instance remembers all that there is of the users.
func (i *instance) knows(users ...string) {
	i.t.Helper()
	for _, u := range users {
		m := &i.memory[i.Lane(u)]
		soon(i.t, "all of "+u, func() bool {
			m.mu.Lock()
			defer m.mu.Unlock()
			r := m.find(u)
			return r != nil && r.whole && r.related && !r.doubt
		})
	}
}

// On a cluster one node loses what it has, and the others' lanes go on.
func TestANodeThatLosesItsDataGetsItBack(t *testing.T) {
	t.Parallel()
	cluster := redistest.StartCluster(t, 3, 0)
	o := Options{Partitions: 8}
	i, other := begin(t, cluster.URL(), o), begin(t, cluster.URL(), o)
	users := append(i.live(), people(20)...)
	for _, u := range users[4:] {
		i.beat(long(u, "session-1"))
	}
	i.knows(users...)
	want := other.all(users)
	lane := i.Lane("ada")
	flush(t, cluster.MasterOf(t.Context(), i.partitions[lane].meta))
	other.becomes(users, want)
}

// The ways to lose what there is, without anything of what came after the last SAVE.
var losses = []struct {
	name string
	lose func(t *testing.T, s *redistest.Server)
}{
	{"flushed", flush},
	{"restarted empty", func(_ *testing.T, s *redistest.Server) { s.RestartEmpty() }},
}

func flush(t *testing.T, s *redistest.Server) {
	t.Helper()
	if err := s.Client(t).FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
}

// long is a beat of a session that lives longer than the test takes.
func long(user, session string) presence.Beat {
	b := testBeat(user, session)
	b.TTL = 10 * time.Minute
	return b
}

func (i *instance) must(err error) {
	i.t.Helper()
	if err != nil {
		i.t.Fatal(err)
	}
}

// live gives users everything that one can have, and returns them.
func (i *instance) live() []string {
	i.t.Helper()
	ctx, tr, for1h := i.t.Context(), i.tracker(), presence.Lasts{For: new(time.Hour)}
	beat := long("ada", "session-1")
	beat.Rooms, beat.Device = &[]string{"hall", "a|b=%"}, new("web")
	beat.Profile = presence.Profile{Name: "Ada | =\n"}
	beat.Doing = &presence.Doing{Type: "viewing", Target: "/docs/7", TTL: time.Hour}
	beat.Seq = new(int64(7))
	i.beat(beat)
	i.beat(long("ada", "session-2"))
	i.must(i.End(ctx, "ada", "session-2"))
	_, err := tr.Choose(ctx, "ada", presence.DND, for1h)
	i.must(err)
	_, err = tr.SetCustom(ctx, "ada", "Standup", "☕", presence.Lasts{})
	i.must(err)
	i.must(tr.SetContact(ctx, "ada", "bob", true))
	i.must(tr.SetContact(ctx, "ada", "carl", true))
	i.must(tr.SetContact(ctx, "ada", "carl", false))
	i.must(tr.SetBlock(ctx, "ada", "eve", true))

	i.beat(long("hidden", "session-1"))
	i.must(i.choose("hidden", presence.Invisible))
	i.must(tr.Join(ctx, "hidden", "session-1", "hall"))

	i.beat(long("private", "session-1"))
	_, err = tr.SetPrivacy(ctx, "private", presence.Privacy{
		Online: presence.Contacts, LastSeen: presence.Nobody, Activity: presence.Nobody, Typing: presence.Nobody,
	}, nil)
	i.must(err)
	i.must(tr.SetContact(ctx, "private", "ada", true))
	i.must(tr.Join(ctx, "private", "session-1", "hall"))

	away := long("idler", "session-1")
	away.IdleFor, away.Idle, away.Hidden = 20*time.Minute, true, true
	i.beat(away)
	i.must(tr.Join(ctx, "idler", "session-1", "attic"))
	i.must(tr.Join(ctx, "idler", "session-1", "hall"))
	i.must(tr.LeaveRoom(ctx, "idler", "session-1", "attic"))
	return []string{"ada", "hidden", "private", "idler"}
}

// facts tells all facts of a record with their versions, but for what only scripts care about.
func facts(r presence.Record) string {
	r = r.Clone()
	r.Head, r.AsOf, r.Marks = presence.Head{}, 0, nil
	return strings.ReplaceAll(fmt.Sprintf("%+v", r), " User", "\n User")
}

func (i *instance) all(users []string) map[string]string {
	i.t.Helper()
	out := map[string]string{}
	retry(i.t, func() error { // connections that a restart has cut fail once
		records, err := i.Lookup(i.t.Context(), "", users)
		for _, r := range records {
			out[r.User] = facts(r)
		}
		for _, room := range []string{presence.Everywhere, "hall", "attic", "a|b=%"} {
			x, e := i.Room(i.t.Context(), presence.RoomQuery{Room: room, Limit: 100})
			out["room "+room], err = fmt.Sprintf("%+v", x), errors.Join(err, e)
		}
		n, e := i.RoomCount(i.t.Context())
		out["rooms"] = fmt.Sprint(n)
		return errors.Join(err, e)
	})
	return out
}

// becomes waits until all is as wanted. It does not go by what is heard: whoever restarts a Redis may not be heard at once.
func (i *instance) becomes(users []string, want map[string]string) {
	i.t.Helper()
	for deadline := time.Now().Add(patience); ; {
		all := i.all(users)
		maps.DeleteFunc(all, func(what, got string) bool { _, asked := want[what]; return !asked || want[what] == got })
		if len(all) == 0 {
			return
		}
		if time.Now().After(deadline) {
			for what, got := range all {
				i.t.Errorf("%s is\n%s\nwant\n%s", what, got, want[what])
			}
			i.t.FailNow()
		}
		<-time.After(10 * time.Millisecond)
	}
}

func (i *instance) wantAll(users []string, want map[string]string) {
	i.t.Helper()
	for what, got := range i.all(users) {
		if got != want[what] {
			i.t.Errorf("%s is\n%s\nwant\n%s", what, got, want[what])
		}
	}
}

// dnd, custom status, activity, privacy, invisibility, contacts, blocks and rooms: of all that, another instance reads each fact with the
// version that it had, though nobody has sent a beat since.
func TestWhatPeopleAreAndSetSurvivesLostData(t *testing.T) {
	for _, tc := range losses {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			i, other := begin(t, server.URL(), Options{}), begin(t, server.URL(), Options{})
			users := i.live()
			i.knows(users...)
			want := other.all(users)
			tc.lose(t, server)
			other.becomes(users, want)
			r := other.record("ada")
			if r.View(presence.Other, r.AsOf).Status != presence.DND || r.ViewFor("eve", r.AsOf).Status != presence.Offline {
				t.Error("not dnd, or blocked in vain")
			}
			for _, u := range []string{"hidden", "private"} {
				if r := other.record(u); r.View(presence.Other, r.AsOf).Status != presence.Offline {
					t.Errorf("%s no longer hides", u)
				}
			}
			// The number of a session survives too: an older beat changes nothing.
			late := long("ada", "session-1")
			late.Seq, late.State = new(int64(7)), presence.Busy
			if out := other.beat(late); !out.Old {
				t.Errorf("a late beat after the loss: %+v", out)
			}
		})
	}
}

// witness is a stream that watches users through a board: what its viewer was shown, whenever that was something else than before.
type witness struct {
	viewer string
	mu     sync.Mutex // guards what follows
	last   map[string]string
	shown  []string
}

func (w *witness) see(e *presence.Entry) {
	v := e.Record.ViewFor(w.viewer, e.Moment())
	said := fmt.Sprintf("%+v rooms %v", v, e.Record.RoomsFor(w.viewer))
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.last[v.User] != said {
		w.last[v.User] = said
		w.shown = append(w.shown, said)
	}
}

func (w *witness) Changed(e *presence.Entry)                      { w.see(e) }
func (w *witness) Moved(_ *presence.Gathering, e *presence.Entry) { w.see(e) }
func (w *witness) Counted(*presence.Gathering)                    {}
func (w *witness) Revoked(presence.Revocation)                    {}
func (w *witness) Subscribed(string)                              {}
func (w *witness) SubscriptionsMissed(int)                        {}
func (w *witness) Lost()                                          {}
func (w *witness) Found()                                         {}

// both feeds a board and a tape.
type both struct {
	*presence.Board
	tape *tape
}

func (b both) Changed(c presence.Change) { b.Board.Changed(c); b.tape.Changed(c) }
func (b both) Beacon(n presence.Beacon)  { b.Board.Beacon(n); b.tape.Beacon(n) }
func (b both) Missed(lane int)           { b.Board.Missed(lane); b.tape.Missed(lane) }
func (b both) Lost()                     { b.Board.Lost(); b.tape.Lost() }
func (b both) Found()                    { b.Board.Found(); b.tape.Found() }

// watch starts an instance with a board on which a viewer watches users.
func watch(t *testing.T, url, viewer string, users []string) (*instance, *witness) {
	t.Helper()
	i := &instance{Store: open(t, url, Options{TTL: testTTL, Sweep: testSweep, Partitions: 4}), tape: newTape(), t: t}
	w := &witness{viewer: viewer, last: map[string]string{}}
	board := presence.NewBoard(i.Store, w)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = board.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	t.Cleanup(start(t, i.Store, both{board, i.tape}))
	i.tape.until(t, "every lane", func() bool { return len(i.tape.beacons) == i.Lanes() })
	i.must(board.Watch(t.Context(), users, w.see))
	return i, w
}

// Whoever watches is shown nothing at all by a loss that is made good: not by the loss, not by what comes back, and not by the end of the hold.
func TestALossIsNothingToSee(t *testing.T) {
	for _, tc := range losses {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			i := begin(t, server.URL(), Options{})
			i.tape.ready(t, i.Store, false) // the first hold is over
			users := i.live()
			i.knows(users...)
			stranger, seen := watch(t, server.URL(), "a stranger", users)
			_, seenByBob := watch(t, server.URL(), "bob", users)
			for _, w := range []*witness{seen, seenByBob} {
				w.mu.Lock()
				w.shown = nil
				w.mu.Unlock()
			}
			tc.lose(t, server)
			stranger.tape.ready(t, stranger.Store, true)
			i.beat(long("idler", "session-1")) // who is no longer idle: the one thing to see
			soon(t, "ada to be back", func() bool { return len(stranger.all(users)["ada"]) > 0 && len(stranger.record("ada").Sessions) > 0 })
			stranger.tape.ready(t, stranger.Store, false)
			stranger.tape.caughtUp(t, stranger.Store)
			for _, w := range []*witness{seen, seenByBob} {
				w.mu.Lock()
				if len(w.shown) != 1 || !strings.Contains(w.shown[0], "User:idler Status:online") {
					t.Errorf("%s was shown\n%s", w.viewer, strings.Join(w.shown, "\n"))
				}
				w.mu.Unlock()
			}
		})
	}
}

// Several instances may remember the same: each fact is taken once, and told once.
func TestWhatSeveralInstancesRememberComesBackOnce(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	var all []*instance
	for range 3 {
		all = append(all, begin(t, server.URL(), Options{}))
	}
	users := people(30)
	for n, u := range users {
		for k, i := range all {
			i.beat(long(u, "session-1"))
			i.beat(long(u, fmt.Sprint("session-", n, "-", k)))
		}
	}
	for _, i := range all {
		i.tape.caughtUp(t, i.Store)
		i.knows(users...)
	}
	want := all[0].all(users)
	flush(t, server)
	all[0].tape.ready(t, all[0].Store, true)
	for _, i := range all {
		for _, u := range users {
			i.tape.waitFor(t, u+" recall", 1)
		}
		i.tape.ready(t, i.Store, false) // by now all have offered
	}
	all[1].wantAll(users, want)
	for _, u := range users {
		if n := all[0].tape.count(u + " recall"); n != 1 {
			t.Errorf("%s was told %d times", u, n)
		}
	}
}

// Nobody who beats is offline for REST once what was lost is back, whichever instance takes his beats, and nobody who does not beat is kept for ever.
func TestWhoBeatsIsOnlineForEverybodySoonAfterALoss(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	i, other := begin(t, server.URL(), Options{}), begin(t, server.URL(), Options{})
	users := people(40)
	defer i.keep(users[:20])()
	defer other.keep(users[10:20])()
	for _, u := range users[20:30] {
		other.beat(testBeat(u, "session-1"))
	}
	for _, u := range users[:30] {
		i.tape.waitFor(t, u+" beat", 1)
	}
	i.knows(users[:20]...)
	other.knows(users[20:30]...)
	for round := range 3 {
		flush(t, server)
		began := time.Now()
		soon(t, "everybody to be online", func() bool {
			rs, err := i.Lookup(t.Context(), "", users[:20])
			return err == nil && !slices.ContainsFunc(rs, func(r presence.Record) bool { return len(r.Sessions) == 0 })
		})
		within(t, "loss and recall", began, 3*time.Second)
		i.tape.until(t, "another hold", func() bool { return i.tape.heard("missed 0") >= round+2 && i.tape.beacons[0].Held != 0 })
	}
	for _, u := range users[20:30] {
		i.tape.waitFor(t, u+" lapse", 1)
	}
	for _, u := range users[:20] {
		i.wantStatus(u, presence.Online)
		if n := i.tape.count(u + " lapse"); n > 0 {
			t.Errorf("%s was told offline", u)
		}
	}
}

// An old dump is no evidence either: who left since, or ended a session, stays gone, and no version goes back.
func TestWhoLeftAfterTheDumpStaysGone(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	i, other := begin(t, server.URL(), Options{}), begin(t, server.URL(), Options{})
	users := []string{"ada", "bob", "carl", "dora"}
	for _, u := range users {
		b := long(u, "session-1")
		b.Rooms = &[]string{"hall", "attic"}
		i.beat(b)
	}
	numbered := long("carl", "session-2")
	numbered.Seq = new(int64(5))
	i.beat(numbered)
	for _, other := range []string{"bob", "zoe"} {
		i.must(i.tracker().SetContact(t.Context(), "ada", other, true))
	}
	i.must(server.Client(t).Save(t.Context()).Err())

	i.must(i.End(t.Context(), "ada", "session-1"))
	i.must(i.Leave(t.Context(), "bob", "session-1", time.Second)) // which nobody is told before the crash
	i.must(i.End(t.Context(), "carl", "session-2"))
	i.must(i.tracker().LeaveRoom(t.Context(), "dora", "session-1", "attic"))
	i.must(i.choose("dora", presence.DND))
	i.must(i.tracker().SetContact(t.Context(), "ada", "bob", false))
	i.must(i.tracker().SetBlock(t.Context(), "ada", "bob", true))
	forget := func(_ presence.Record, _ time.Time, v presence.Version) ([]presence.Fact, error) {
		return []presence.Fact{presence.Relation{Viewer: "zoe", Version: v}}, nil // as for whoever has too many
	}
	_, err := i.Amend(t.Context(), "ada", presence.BySetting, forget)
	i.must(err)
	i.beat(long("eve", "session-1")) // whom the dump does not know
	i.tape.caughtUp(t, i.Store)
	i.knows("ada", "bob", "carl", "dora", "eve")
	before := other.all([]string{"ada", "carl", "dora", "eve"})
	heads := i.head(t)
	server.Kill()
	server.Restart()
	soon(t, "bob to be gone", func() bool {
		rs, err := other.Lookup(t.Context(), "", []string{"bob"})
		return err == nil && len(rs[0].Sessions) == 0
	})
	for what := range before { // where bob was
		if strings.HasPrefix(what, "room") {
			delete(before, what)
		}
	}
	other.becomes([]string{"ada", "carl", "dora", "eve"}, before)
	for _, u := range []string{"ada", "bob"} {
		if r := other.record(u); len(r.Sessions) > 0 {
			t.Errorf("%s is back: %+v", u, r)
		}
	}
	x, err := other.Room(t.Context(), presence.RoomQuery{Room: "hall", Limit: 10})
	if want := []string{"carl", "dora"}; err != nil || !slices.Equal(x.Members, want) {
		t.Errorf("in the hall are %v, %v, want %v", x.Members, err, want)
	}
	late := numbered
	late.Seq = new(int64(4))
	if out := other.beat(late); !out.Old {
		t.Errorf("a late beat of an ended session: %+v", out)
	}
	for lane, h := range i.head(t) {
		if !h.After(heads[lane]) {
			t.Errorf("lane %d went from %v back to %v", lane, heads[lane], h)
		}
	}
}

// In an old dump a user is leaving whose leave is long over, and who has come back since by another session. To end the first one again must not
// tell that all of his sessions have ended.
func TestAnOldLeaveWaitsForWhatIsRemembered(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	i := begin(t, server.URL(), Options{})
	other := begin(t, server.URL(), Options{})
	i.beat(long("bob", "session-1"))
	i.must(i.Leave(t.Context(), "bob", "session-1", time.Second))
	i.must(server.Client(t).Save(t.Context()).Err())
	i.tape.waitFor(t, "bob leave", 1)
	i.beat(long("bob", "session-2"))
	i.tape.caughtUp(t, i.Store)
	i.knows("bob")
	before := i.head(t)[i.Lane("bob")]
	server.Kill()
	server.Restart()
	soon(t, "bob to be offered back", func() bool {
		rs, err := other.Lookup(t.Context(), "", []string{"bob"})
		if err != nil || rs[0].Head.Epoch <= before.Epoch {
			return false
		}
		_, first := rs[0].Session("session-1")
		_, second := rs[0].Session("session-2")
		if !first && !second {
			t.Fatal("bob's old session has ended before the new one was offered back")
		}
		return second
	})
}

// Versions are moments, and no moment comes twice, even where the new Redis' clock is an hour behind the lost one's.
func TestVersionsAndEpochsGrowThoughTheClockIsLostToo(t *testing.T) {
	tape := newTape()
	admin := redistest.Start(t).Client(t)
	c, stop := turn(t, admin, tape)
	defer stop()
	i := &instance{Store: c.Store, tape: tape, t: t}
	i.beat(long("ada", "session-1"))
	i.must(i.choose("ada", presence.DND))
	i.tape.caughtUp(t, i.Store)
	i.knows("ada")
	before, head := i.record("ada"), i.head(t)[i.Lane("ada")]
	flush2(t, c, -time.Hour)
	if err := i.choose("ada", presence.Busy); err != nil {
		t.Fatal(err)
	}
	c.sweep(t.Context(), c.all())
	c.beacon(t.Context(), c.all())
	i.tape.until(t, "a new epoch", func() bool { return i.tape.beacons[i.Lane("ada")].Epoch > head.Epoch })
	after := i.record("ada")
	if after.Chosen.Version <= before.Chosen.Version || after.AsOf <= before.AsOf || after.Sessions[0].Version != before.Sessions[0].Version {
		t.Errorf("went back: %+v after %+v", after, before)
	}
	if got := i.head(t)[i.Lane("ada")]; !got.After(head) {
		t.Errorf("%v after %v", got, head)
	}
}

// flush2 empties the server and sets its clock.
func flush2(t *testing.T, c *turned, by time.Duration) {
	t.Helper()
	pipe := c.admin.TxPipeline()
	pipe.FlushAll(t.Context())
	c.now = c.now.Add(by)
	for i := range c.partitions {
		pipe.Set(t.Context(), c.partitions[i].prefix+"now", c.now.UnixMicro(), 0)
	}
	if _, err := pipe.Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// What somebody does between the loss and its repair counts, and does not undo the rest.
func TestWhatHappensBetweenALossAndItsRepairCounts(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	// These two do not hear, so nothing is repaired but by what is done.
	i, stranger := quiet(t, server), quiet(t, server)
	prepare := func(t *testing.T, user string) {
		b := long(user, "session-1")
		b.Rooms = &[]string{"hall"}
		i.beat(b)
		i.must(i.choose(user, presence.DND))
		i.must(i.tracker().SetBlock(t.Context(), user, "eve", true))
	}
	for _, tc := range []struct {
		name string
		do   func(user string) error
		want func(r presence.Record) bool
	}{
		{"a beat", func(u string) error { _, err := i.Beat(t.Context(), long(u, "session-1")); return err },
			func(r presence.Record) bool { return r.In("hall") && r.Chosen.Status == presence.DND }},
		{"a beat that says something new", func(u string) error {
			b := long(u, "session-1")
			b.State = presence.Busy
			_, err := i.Beat(t.Context(), b)
			return err
		}, func(r presence.Record) bool { return r.In("hall") && r.Sessions[0].State == presence.Busy }},
		{"a leave", func(u string) error { return i.Leave(t.Context(), u, "session-1", time.Minute) },
			func(r presence.Record) bool { return r.Sessions[0].Left }},
		{"an end", func(u string) error { return i.End(t.Context(), u, "session-1") },
			func(r presence.Record) bool { return len(r.Sessions) == 0 && r.Seen.Version != 0 && !r.In("hall") }},
		{"a choice", func(u string) error { return i.choose(u, presence.Away) },
			func(r presence.Record) bool { return r.Chosen.Status == presence.Away && r.In("hall") }},
		{"a relation", func(u string) error { return i.tracker().SetContact(t.Context(), u, "bob", true) },
			func(r presence.Record) bool { return r.Relations["bob"].Contact }},
		{"a relation made where nobody remembered", func(u string) error {
			return errors.Join(stranger.tracker().SetContact(t.Context(), u, "bob", true), i.recall(t.Context(), u))
		}, func(r presence.Record) bool { return r.Relations["bob"].Contact && r.In("hall") }},
		{"a beat where nobody remembered", func(u string) error {
			_, err := stranger.Beat(t.Context(), long(u, "session-1"))
			return errors.Join(err, i.recall(t.Context(), u))
		}, func(r presence.Record) bool { return r.In("hall") && r.Chosen.Status == presence.DND }},
	} {
		prepare(t, tc.name)
		flush(t, server)
		if err := tc.do(tc.name); err != nil {
			t.Fatalf("%s: %v", tc.name, err)
		}
		r := stranger.record(tc.name)
		if !tc.want(r) || !r.Relations["eve"].Blocked {
			t.Errorf("after %s: %+v", tc.name, r)
		}
		before := facts(r)
		i.must(i.recall(t.Context(), tc.name)) // again, which is nothing new
		if after := facts(stranger.record(tc.name)); after != before {
			t.Errorf("after %s, offered again: %s, want %s", tc.name, after, before)
		}
	}
}

// Who comes with another session after a loss, before anything has been offered back, makes a hash anew that has nothing but that: what he was besides is not to be
// taken for known because the hash's version is.
func TestASessionBegunAfterALossDoesNotHideThoseThatWereLost(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	i, stranger := begin(t, server.URL(), Options{}), quiet(t, server)
	users := people(40)
	for _, u := range users {
		b := long(u, "session-1")
		b.Rooms = &[]string{"hall"}
		i.beat(b)
		i.must(i.choose(u, presence.DND))
	}
	i.knows(users...)
	flush(t, server)
	for n, u := range users {
		i.beat(long(u, "session-2"))
		if n%2 == 0 { // his settings are made anew, too
			i.must(i.tracker().SetContact(t.Context(), u, "bob", true))
		}
	}
	for _, u := range users {
		soon(t, u+" to be as he was", func() bool {
			r := stranger.record(u)
			return len(r.Sessions) == 2 && r.In("hall") && r.Chosen.Status == presence.DND
		})
	}
}

// A session that comes back lives on as it was: it lapses when its silence is due, and its next beat is as cheap as ever.
func TestASessionThatComesBackLivesAndEndsAsItWould(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	i := begin(t, server.URL(), Options{})
	for _, u := range []string{"ada", "bob"} {
		i.beat(testBeat(u, "session-1"))
	}
	i.must(i.Leave(t.Context(), "bob", "session-1", 2*time.Second))
	i.knows("ada", "bob")
	flush(t, server)
	i.tape.waitFor(t, "ada recall", 1)
	i.tape.waitFor(t, "bob recall", 1)
	if r := i.record("bob"); len(r.Sessions) != 1 || !r.Sessions[0].Left {
		t.Errorf("bob's grace was forgotten: %+v", r)
	}
	if out := i.beat(testBeat("ada", "session-1")); !out.Steady {
		t.Errorf("%+v, want a steady beat", out)
	}
	i.tape.waitFor(t, "bob leave", 1)
	i.tape.waitFor(t, "ada lapse", 1)
}

// Neither a leave nor a return within its grace is told to other instances. What is remembered of the leave must not end the session.
func TestARecalledLeaveDoesNotUndoAReturn(t *testing.T) {
	t.Parallel()
	minimal := testBeat("bob", "session-1")
	minimal.Minimal, minimal.TTL = true, time.Minute
	for _, test := range []struct {
		name    string
		returns func(here, there *instance) // after a leave that here has taken
	}{
		{"here, by a beat that is not told the record", func(here, _ *instance) { here.beat(minimal) }},
		{"elsewhere, and here by a steady beat", func(here, there *instance) { there.beat(minimal); here.beat(minimal) }},
		{"elsewhere", func(_, there *instance) { there.beat(minimal) }},
	} {
		for _, lose := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, lost: %t", test.name, lose), func(t *testing.T) {
				t.Parallel()
				server := redistest.Start(t)
				here, there := begin(t, server.URL(), Options{}), begin(t, server.URL(), Options{})
				here.thorough, there.thorough = func() bool { return false }, func() bool { return false }
				here.beat(minimal)
				there.beat(minimal)
				here.knows("bob")
				there.knows("bob")
				here.must(here.Leave(t.Context(), "bob", "session-1", time.Minute))
				left := time.Now()
				soon(t, "the next ms, which signs of life are told apart by", func() bool { return time.Since(left) > 2*time.Millisecond })
				test.returns(here, there)
				if lose {
					flush(t, server)
				}
				here.must(here.recall(t.Context(), "bob"))
				if lose {
					there.tape.waitFor(t, "bob recall", 1)
				}
				_, err := there.recallSome(t.Context(), there.Lane("bob"), []string{"bob"})
				there.must(err)
				if r := here.record("bob"); len(r.Sessions) != 1 || r.Sessions[0].Left {
					t.Errorf("bob has come back, and has left again: %+v", r.Sessions)
				}
			})
		}
	}
}

// Who comes back through an instance that has not met him before, a moment before the loss, is known there by that sign of life alone.
func TestARecalledLeaveDoesNotUndoAReturnThroughAnInstanceThatKnowsNothingElse(t *testing.T) {
	t.Parallel()
	minimal := testBeat("bob", "session-1")
	minimal.Minimal, minimal.TTL = true, time.Minute
	server := redistest.Start(t)
	here, there := begin(t, server.URL(), Options{}), begin(t, server.URL(), Options{})
	here.beat(minimal)
	here.knows("bob")
	here.must(here.Leave(t.Context(), "bob", "session-1", time.Minute))
	left := time.Now()
	soon(t, "the next ms, which signs of life are told apart by", func() bool { return time.Since(left) > 2*time.Millisecond })
	there.beat(minimal)
	flush(t, server)
	here.must(here.recall(t.Context(), "bob"))
	there.tape.waitFor(t, "bob recall", 1)
	soon(t, "who has come back is here", func() bool {
		r := here.record("bob")
		return len(r.Sessions) == 1 && !r.Sessions[0].Left
	})
}

// Whoever is asked about a user whom it remembers does not read the ruins to anybody, though no loss has been noticed yet.
func TestALookupOffersBackWhatItMisses(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	i := begin(t, server.URL(), Options{})
	i.beat(long("ada", "session-1"))
	i.must(i.choose("bob", presence.Busy))
	i.beat(long("bob", "session-1"))
	i.knows("ada", "bob")
	for range 3 {
		flush(t, server)
		records, err := i.Lookup(t.Context(), "eve", []string{"ada", "nobody", "bob"})
		if err != nil {
			t.Fatal(err)
		}
		if a, n, b := records[0], records[1], records[2]; len(a.Sessions) != 1 || len(n.Sessions) != 0 || len(b.Sessions) != 1 || b.Chosen.Status != presence.Busy {
			t.Fatalf("%+v", records)
		}
		i.knows("ada", "bob")
	}
}

// What is remembered here of what a session says may be older than what it has said elsewhere. To offer it back must not leave two deadlines of the session, of
// which its beats move the wrong one.
func TestARecalledSessionLivesByItsBeats(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	here, there := begin(t, server.URL(), Options{}), begin(t, server.URL(), Options{})
	here.thorough, there.thorough = func() bool { return false }, func() bool { return false }
	first := testBeat("bob", "session-1")
	first.Minimal, first.Device = true, new("web")
	silently := first // it is the TTL alone that changes, which nobody is shown
	silently.TTL += time.Second
	here.beat(first)
	here.knows("bob")
	there.beat(silently)
	facts, settings := there.keys("bob")
	here.must(server.Client(t).Del(t.Context(), facts, settings).Err())
	here.must(here.recall(t.Context(), "bob"))
	there.tape.waitFor(t, "bob recall", 1)
	there.beat(silently)
	members, err := server.Client(t).ZRange(t.Context(), here.partitions[here.Lane("bob")].beats, 0, -1).Result()
	if want := []string{member(fingerprint(silently), "session-1", "bob")}; err != nil || !slices.Equal(members, want) {
		t.Errorf("deadlines of %q, %v, want %q", members, err, want)
	}
}

// Who took a leave may be the first to offer the session back. Whoever knows of a return must have the time to say so.
func TestARecalledGraceWaitsForThoseWhoKnowBetter(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	i := begin(t, server.URL(), Options{})
	i.beat(long("bob", "session-1"))
	i.must(i.Leave(t.Context(), "bob", "session-1", time.Minute))
	m := &i.memory[i.Lane("bob")]
	m.mu.Lock()
	m.find("bob").signs[0].grace = time.Millisecond // which is over by now
	value, _ := m.find("bob").facts.value("s:session-1")
	how := i.signOf(m.find("bob"), "bob", "session-1", value)
	m.mu.Unlock()
	if left := part(how, 3); left != fmt.Sprint(leastGrace.Milliseconds()) {
		t.Errorf("%s ms of the grace are offered, want %v", left, leastGrace)
	}
}

// An evicted key is found missing by one of the user's beats, or when he does something.
func TestADeletedUserIsBackWithOneBeat(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	i, other := begin(t, server.URL(), Options{}), begin(t, server.URL(), Options{})
	users := i.live()
	i.knows(users...)
	want := other.all(users)
	facts, settings := i.keys("ada")
	for _, tc := range []struct {
		name string
		keys []string
		do   func() error
	}{
		{"facts, and a full beat", []string{facts}, func() error { return i.again("ada", false) }},
		{"settings, and a full beat", []string{settings}, func() error { return i.again("ada", false) }},
		{"both, and a beat that asks for nothing", []string{facts, settings}, func() error {
			i.thorough = func() bool { return true }
			defer func() { i.thorough = func() bool { return false } }()
			return i.again("ada", true)
		}},
		{"both, and a look at himself", []string{facts, settings}, func() error { _, err := i.Sessions(t.Context(), "ada"); return err }},
		{"the deadlines too", []string{facts, i.partitions[i.Lane("ada")].beats}, func() error { return i.again("ada", true) }},
	} {
		i.must(server.Client(t).Del(t.Context(), tc.keys...).Err())
		if err := tc.do(); err != nil {
			t.Fatalf("%s: %v", tc.name, err)
		}
		t.Log(tc.name)
		other.wantAll(users, want)
	}
}

// A session that is offered back long after the epoch began is spared by itself: it may be silent for a whole TTL from then. Each such offer used to hold the whole lane for a
// TTL more, so that nobody lapsed while keys went on to be evicted.
func TestALateOfferSparesItsSessionAlone(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	i := begin(t, server.URL(), Options{Partitions: 1})
	i.tape.ready(t, i.Store, false) // a whole hold after the epoch began
	held := func() string { return server.Client(t).HGet(t.Context(), i.partitions[0].meta, "held").Val() }
	before := held()
	i.beat(testBeat("ada", "session-1"))
	i.knows("ada")
	session := func() presence.Session {
		t.Helper()
		r, err := i.Sessions(t.Context(), "ada")
		if err != nil || len(r.Sessions) != 1 {
			t.Fatalf("%+v, %v", r, err)
		}
		return r.Sessions[0]
	}
	heard := session().LastBeat
	soon(t, "half of the TTL to pass", func() bool { return time.Since(heard) > testTTL/2 })
	facts, settings := i.keys("ada")
	i.must(server.Client(t).Del(t.Context(), facts, settings).Err())
	offered := time.Now()
	i.must(i.recall(t.Context(), "ada"))
	if after := held(); after != before {
		t.Errorf("the lane is held until %s, and was until %s", after, before)
	}
	if got := session(); got.Deadline.Before(offered.Add(testTTL-100*time.Millisecond)) || got.LastBeat.Sub(heard).Abs() > 100*time.Millisecond {
		t.Errorf("%+v, want a deadline a TTL after %v, and the last beat at %v", got, offered, heard)
	}
	i.tape.waitFor(t, "ada lapse", 1)
	if seen := i.record("ada").Seen.At; seen.Sub(heard).Abs() > 100*time.Millisecond {
		t.Errorf("was seen last at %v, want %v", seen, heard)
	}
	if lived := time.Since(offered); lived < testTTL-100*time.Millisecond {
		t.Errorf("lapsed %v after it was offered back", lived)
	}
}

// again repeats the beat that live made.
func (i *instance) again(user string, minimal bool) error {
	b := long(user, "session-1")
	b.Profile, b.Device, b.Minimal = presence.Profile{Name: "Ada | =\n"}, new("web"), minimal
	_, err := i.Beat(i.t.Context(), b)
	return err
}

func TestSubscriptionsSurviveLostData(t *testing.T) {
	for _, tc := range losses {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			i, other := begin(t, server.URL(), Options{}), begin(t, server.URL(), Options{})
			sub := presence.Subscription{
				ID: "sub-1", User: "ada", Users: []string{"bob", "carl|%"}, Rooms: []string{}, Events: []string{"presence"},
				Ticket: "hash", Expires: time.Now().Add(time.Hour).UTC().Truncate(time.Millisecond),
			}
			put := func(s presence.Subscription) presence.Subscription {
				v, err := i.PutSubscription(t.Context(), s)
				i.must(err)
				s.Version = v
				return s
			}
			sub = put(sub)
			ended := sub
			ended.ID, ended.Version = "sub-2", 0
			ended = put(ended)
			i.must(server.Client(t).Save(t.Context()).Err())
			ended.Ended = true
			ended = put(ended)
			i.tape.waitFor(t, "note sub-2", 2)
			tc.lose(t, server)
			for put, want := range []presence.Subscription{sub, ended} {
				i.tape.waitFor(t, "note "+want.ID, put+2) // and once when it came back
				got, err := other.Subscription(t.Context(), want.ID)
				if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) || err != nil {
					t.Errorf("%+v, %v, want %+v", got, err, want)
				}
			}
			// Who serves its stream has it in between too, and may change it.
			flush(t, server)
			got, err := i.Subscription(t.Context(), sub.ID)
			if err != nil || got.Version != sub.Version {
				t.Errorf("%+v, %v, want %+v", got, err, sub)
			}
			got.Quiet = true
			if changed := put(got); changed.Version <= sub.Version {
				t.Errorf("version %d after %d", changed.Version, sub.Version)
			}
			if _, err := i.Subscription(t.Context(), "sub-3"); !errors.Is(err, presence.ErrNoSubscription) {
				t.Errorf("one that never was: %v", err)
			}
		})
	}
}

// An end that was put down at another instance is not undone by one that still remembers the subscription.
func TestAnEndedSubscriptionDoesNotComeBack(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	i, other := begin(t, server.URL(), Options{}), begin(t, server.URL(), Options{})
	sub := presence.Subscription{ID: "sub-1", User: "ada", Users: []string{"bob"}, Expires: time.Now().Add(time.Hour)}
	v, err := i.PutSubscription(t.Context(), sub)
	i.must(err)
	sub.Version, sub.Ended = v, true
	if _, err := other.PutSubscription(t.Context(), sub); err != nil {
		t.Fatal(err)
	}
	i.tape.waitFor(t, "note sub-1", 2)
	flush(t, server)
	i.tape.waitFor(t, "note sub-1", 3)
	for _, on := range []*instance{i, other} {
		if got, err := on.Subscription(t.Context(), "sub-1"); err != nil || !got.Ended {
			t.Errorf("%+v, %v, want it ended", got, err)
		}
	}
}

// What it costs to make good the loss of 10,000 users, of whom two instances know half each, and a thousand both.
func TestTenThousandUsersComeBack(t *testing.T) {
	server := redistest.Start(t)
	i, other := begin(t, server.URL(), Options{Partitions: 16}), begin(t, server.URL(), Options{Partitions: 16})
	const n = 10_000
	users := people(n)
	fill := func(on *instance, users []string) {
		var work sync.WaitGroup
		for part := range slices.Chunk(users, 500) {
			work.Go(func() {
				for _, u := range part {
					b := long(u, "session-1")
					b.Profile, b.Rooms = presence.Profile{Name: u}, &[]string{"room-" + u[len(u)-2:]}
					retry(t, func() error { _, err := on.Beat(t.Context(), b); return err })
				}
			})
		}
		work.Wait()
	}
	fill(i, users[:5500])
	fill(other, users[4500:])
	for _, on := range []*instance{i, other} {
		on.tape.caughtUp(t, on.Store)
	}
	before := server.CommandStats(t.Context())
	flush(t, server)
	began := time.Now()
	var back []presence.Record
	soon(t, "all to be back", func() bool {
		back = back[:0]
		for part := range slices.Chunk(users, 500) {
			rs, err := i.Lookup(t.Context(), "", part)
			if err != nil || slices.ContainsFunc(rs, func(r presence.Record) bool { return len(r.Sessions) == 0 }) {
				return false
			}
			back = append(back, rs...)
		}
		return true
	})
	t.Logf("%d users were back %.2f s after the loss", n, time.Since(began).Seconds())
	for k, r := range back {
		if r.Profile.Name != users[k] || len(r.Rooms()) != 1 {
			t.Fatalf("%s came back as %+v", users[k], r)
		}
	}
	after := server.CommandStats(t.Context())
	scripts := after["evalsha"].Calls - before["evalsha"].Calls
	t.Logf("%d scripts, %.1f µs each; %d announcements", scripts,
		float64(after["evalsha"].Usec-before["evalsha"].Usec)/float64(scripts), after["publish"].Calls-before["publish"].Calls)
	if most := int64(2*n + 3000); scripts > most { // with lookups, sweeps and beacons
		t.Errorf("%d scripts, want at most %d", scripts, most)
	}
}
