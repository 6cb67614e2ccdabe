package redisstore

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/presently/presently/internal/redistest"
	"github.com/presently/presently/presence"
)

// boxed is a store with an outbox.
func boxed(t *testing.T, url string, partitions, most int) *Store {
	t.Helper()
	s := dial(t, url, Options{Partitions: partitions, Outbox: most, TTL: time.Minute, Sweep: time.Second})
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// endHolds lets the hold end with which every lane begins, and tells the store what time it is.
func endHolds(t *testing.T, s *Store) {
	t.Helper()
	s.beacon(t.Context(), s.all())
	for i := range s.partitions {
		if err := s.client.HSet(t.Context(), s.partitions[i].meta, "held", "1").Err(); err != nil {
			t.Fatal(err)
		}
	}
}

func (s *Store) mustHold(t *testing.T, lane int) presence.Tenure {
	t.Helper()
	tenure, err := s.Hold(t.Context(), lane, "test", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	return tenure
}

// announces works off all lanes, and returns what would be told, as words.
func announces(t *testing.T, s *Store) (words []string) {
	t.Helper()
	for quiet := 0; quiet < 2; quiet++ {
		for lane := range s.Lanes() {
			tenure := s.mustHold(t, lane)
			for {
				notes, err := s.Notes(t.Context(), tenure, "", 1)
				if err != nil {
					t.Fatal(err)
				}
				if len(notes) == 0 {
					break
				}
				quiet = 0
				if a, tells := notes[0].Announce(notes[0].Told); tells {
					words = append(words, fmt.Sprintf("%s %s%s", a.Kind, a.User, a.Room))
				}
				if err := s.Finish(t.Context(), tenure, []presence.Finished{{Note: notes[0]}}); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	return words
}

func comeIn(t *testing.T, s *Store, user string, rooms ...string) {
	t.Helper()
	b := presence.Beat{User: user, Session: "session-1", State: presence.Online, TTL: time.Minute, MaxLive: 1, Rooms: &rooms}
	if _, err := s.Beat(t.Context(), b); err != nil {
		t.Fatal(err)
	}
}

func goOut(t *testing.T, s *Store, user string) {
	t.Helper()
	if err := s.End(t.Context(), user, "session-1"); err != nil {
		t.Fatal(err)
	}
}

// Where no webhook is configured nothing is kept for one, and scripts have no part of it.
func TestWithoutAnOutboxNothingIsKept(t *testing.T) {
	server := redistest.Start(t)
	s := dial(t, server.URL(), Options{Partitions: 4})
	defer s.Close()
	for _, sc := range []*script{s.scripts.beat, s.scripts.amend, s.scripts.end, s.scripts.leave, s.scripts.sweep, s.scripts.recall} {
		if strings.Contains(sc.source, "outbox:") {
			t.Error("a script has the outbox's part")
		}
	}
	comeIn(t, s, "ada", "lobby")
	goOut(t, s, "ada")
	for _, key := range server.Client(t).Keys(t.Context(), "*").Val() {
		if strings.Contains(key, "outbox") {
			t.Errorf("there is %s", key)
		}
	}
}

// All that is kept has an end, should nobody ever configure webhooks again.
func TestAllThatAnOutboxKeepsHasAnEnd(t *testing.T) {
	server := redistest.Start(t)
	s := boxed(t, server.URL(), 1, 3)
	for i := range 5 {
		comeIn(t, s, fmt.Sprint("user-", i), "lobby")
	}
	tracker := presence.Tracker{Store: s, Policy: presence.Policy{TTL: time.Minute, Sessions: 1}}
	if _, err := tracker.Choose(t.Context(), "user-4", presence.Busy, presence.Lasts{}); err != nil {
		t.Fatal(err)
	}
	announces(t, s)
	comeIn(t, s, "user-5", "den")
	s.mustHold(t, 0)
	if _, err := s.Deliverers(t.Context(), "test", time.Minute); err != nil {
		t.Fatal(err)
	}
	client, found := server.Client(t), 0
	for _, key := range client.Keys(t.Context(), "*outbox*").Val() {
		found++
		if ttl := client.PTTL(t.Context(), key).Val(); ttl <= 0 {
			t.Errorf("%s lasts for ever", key)
		}
	}
	if found != 8 {
		t.Errorf("%d keys, want 8: %v", found, client.Keys(t.Context(), "*outbox*").Val())
	}
}

func TestASteadyBeatIsOnePlainCommandWithAnOutboxToo(t *testing.T) {
	server := redistest.Start(t)
	s := boxed(t, server.URL(), 1, 100)
	s.thorough = func() bool { return false }
	comeIn(t, s, "ada", "lobby")
	minimal := presence.Beat{User: "ada", Session: "session-1", State: presence.Online, TTL: time.Minute, MaxLive: 1, Rooms: &[]string{"lobby"}, Minimal: true}
	made := calls(t, server, func() {
		for range 20 {
			time.Sleep(2 * time.Millisecond) // a beat of the same millisecond extends nothing
			if _, err := s.Beat(t.Context(), minimal); err != nil {
				t.Fatal(err)
			}
		}
	})
	if len(made) != 1 || made["zadd"] != 20 {
		t.Errorf("20 steady beats made %v", made)
	}
}

func TestAFullOutboxKeepsTheNewestAndCountsWhatItGivesUp(t *testing.T) {
	server := redistest.Start(t)
	s := boxed(t, server.URL(), 1, 10)
	for i := range 25 {
		comeIn(t, s, fmt.Sprint("user-", i))
	}
	b, err := s.Backlog(t.Context())
	if err != nil || b.Waiting != 10 || b.Dead != 15 {
		t.Errorf("backlog = %+v, %v; want 10 waiting, 15 dead", b, err)
	}
	dead := server.Client(t).XRange(t.Context(), s.partitions[0].outbox("dead"), "-", "+").Val()
	if len(dead) != 15 || dead[0].Values["u"] != "user-0" || dead[0].Values["dead"] != "full" {
		t.Errorf("%d in the dead letters, the first %v", len(dead), dead)
	}
	if words := announces(t, s); len(words) != 10 || words[0] != "user.online user-15" {
		t.Errorf("told: %q", words)
	}
}

func TestTheDeadLettersAreBounded(t *testing.T) {
	server := redistest.Start(t)
	s := boxed(t, server.URL(), 1, 1)
	const users = 1500
	var people sync.WaitGroup
	for n := range 10 {
		people.Go(func() {
			for i := range users / 10 {
				comeIn(t, s, fmt.Sprint("user-", n, "-", i))
			}
		})
	}
	people.Wait()
	if n := server.Client(t).XLen(t.Context(), s.partitions[0].outbox("dead")).Val(); n < 1000 || n > 1200 { // about: Redis trims by whole nodes
		t.Errorf("%d dead letters are kept, want about 1000", n)
	}
	if b, err := s.Backlog(t.Context()); err != nil || b.Dead != users-1 {
		t.Errorf("%+v, %v: want %d dead", b, err, users-1)
	}
}

func TestWhoLostALaneChangesNothingInIt(t *testing.T) {
	server := redistest.Start(t)
	s := boxed(t, server.URL(), 1, 10)
	ctx := t.Context()
	comeIn(t, s, "ada")
	old, err := s.Hold(ctx, 0, "a", 50*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	notes, err := s.Notes(ctx, old, "", 10)
	if err != nil || len(notes) != 1 {
		t.Fatalf("%d notes, %v", len(notes), err)
	}
	var now presence.Tenure
	await(t, "the lease is over", func() bool { now, err = s.Hold(ctx, 0, "b", time.Minute); return err == nil })
	if _, err := s.Hold(ctx, 0, "a", time.Minute); !errors.Is(err, presence.ErrNotHeld) {
		t.Errorf("a holds it, too: %v", err)
	}
	if _, err := s.Notes(ctx, old, "", 10); !errors.Is(err, presence.ErrNotHeld) {
		t.Errorf("a reads: %v", err)
	}
	if err := s.Finish(ctx, old, []presence.Finished{{Note: notes[0]}}); !errors.Is(err, presence.ErrNotHeld) {
		t.Errorf("a finishes: %v", err)
	}
	if err := s.LetGo(ctx, old); err != nil {
		t.Error(err)
	}
	again, err := s.Notes(ctx, now, "", 10)
	if err != nil || len(again) != 1 || again[0].ID != notes[0].ID {
		t.Errorf("b reads %d, %v", len(again), err)
	}
	if err := s.LetGo(ctx, now); err != nil {
		t.Fatal(err)
	}
	// The same name later is another tenure: what was sent in the first may still be on its way.
	if then, err := s.Hold(ctx, 0, "b", time.Minute); err != nil || then.Number == now.Number || then.Number == old.Number {
		t.Errorf("tenures %d, %d, %d, %v", old.Number, now.Number, then.Number, err)
	}
}

func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for limit := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("it does not come to be that %s", what)
		}
	}
}

func TestDeliverersAreCountedWhileTheyAreHere(t *testing.T) {
	s := boxed(t, redistest.Start(t).URL(), 4, 10)
	count := func(by string, lease time.Duration) int {
		n, err := s.Deliverers(t.Context(), by, lease)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if a, b, again := count("a", time.Minute), count("b", time.Minute), count("a", time.Minute); a != 1 || b != 2 || again != 2 {
		t.Errorf("counted %d, %d, %d", a, b, again)
	}
	count("b", 0)
	if n := count("a", time.Minute); n != 1 {
		t.Errorf("%d after one has gone", n)
	}
}

// On a cluster a room's members, and what was said of it, are on several nodes.
func TestARoomOfAClusterIsOccupiedOnceAndVacatedOnce(t *testing.T) {
	s := boxed(t, redistest.StartCluster(t, 3, 0).URL(), 16, 1000)
	endHolds(t, s)
	var users []string
	for i := range 40 {
		users = append(users, fmt.Sprint("user-", i))
		comeIn(t, s, users[i], "lobby")
	}
	rooms := func() (words []string) {
		for _, w := range announces(t, s) {
			if strings.HasPrefix(w, "room.") {
				words = append(words, w)
			}
		}
		return words
	}
	if got := rooms(); fmt.Sprint(got) != "[room.occupied lobby]" {
		t.Errorf("told: %q", got)
	}
	for _, u := range users[1:] {
		goOut(t, s, u)
	}
	if got := rooms(); len(got) != 0 {
		t.Errorf("one is there yet, and told: %q", got)
	}
	goOut(t, s, users[0])
	if got := rooms(); fmt.Sprint(got) != "[room.vacated lobby]" {
		t.Errorf("told: %q", got)
	}
}

// One leaves a room while another comes into it, and a deliverer each looks at it: what was said last is what is.
func TestWhatIsSaidOfARoomEndsAsTheRoomIs(t *testing.T) {
	server := redistest.Start(t)
	s := boxed(t, server.URL(), 4, 100_000)
	endHolds(t, s)
	const goes, comes = "user-0", "user-2"
	if s.Lane(goes) == s.Lane(comes) {
		t.Fatal("both are in one lane: the test shows nothing")
	}
	one, other := s.mustHold(t, s.Lane(goes)), s.mustHold(t, s.Lane(comes))
	look := func(tenure presence.Tenure) {
		if _, err := s.Notes(t.Context(), tenure, "", 1); err != nil {
			t.Error(err)
		}
	}
	for n := range 400 {
		room := fmt.Sprint("room-", n)
		comeIn(t, s, goes, room)
		look(one)
		later := rand.N(400 * time.Microsecond)
		var both sync.WaitGroup
		both.Go(func() { comeIn(t, s, goes); look(one) })
		both.Go(func() {
			time.Sleep(later)
			comeIn(t, s, comes, room)
			look(other)
		})
		both.Wait()
		was, is, _, err := s.occupancy(t.Context(), s.Lane(room), room)
		if err != nil || !is || was == "" {
			t.Fatalf("after %d rooms: somebody is there: %t, was said: %q, %v", n, is, was, err)
		}
	}
}

// All is lost and offered back. Somebody leaves while others have not come back yet: their room is not vacant.
func TestARoomIsNotVacatedWhileItsPeopleMayComeBack(t *testing.T) {
	server := redistest.Start(t)
	s := boxed(t, server.URL(), 4, 1000)
	admin := server.Client(t)
	for i := range 4 {
		comeIn(t, s, fmt.Sprint("user-", i), "lobby")
	}
	if got := announces(t, s); len(got) != 5 {
		t.Fatalf("told: %q", got)
	}
	// A lane begins anew and is held; of the room's people only one is here.
	for i := range s.partitions {
		if err := admin.HSet(t.Context(), s.partitions[i].meta, "held", time.Now().Add(time.Hour).UnixMilli()).Err(); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 4 {
		goOut(t, s, fmt.Sprint("user-", i))
	}
	for _, w := range announces(t, s) {
		if strings.HasPrefix(w, "room.") {
			t.Errorf("in a hold: %s", w)
		}
	}
	endHolds(t, s)
	if got := announces(t, s); fmt.Sprint(got) != "[room.vacated lobby]" {
		t.Errorf("after the hold: %q", got)
	}
}

// Rooms that cannot be vacant yet hold up none that are occupied.
func TestWhoComesWhileManyRoomsAreHeldIsTold(t *testing.T) {
	server := redistest.Start(t)
	s := boxed(t, server.URL(), 1, 10_000)
	var rooms []string
	for i := range touchedAtOnce + 10 {
		rooms = append(rooms, fmt.Sprint("room-", i))
	}
	endHolds(t, s)
	comeIn(t, s, "ada", rooms...)
	announces(t, s)
	hold := func(until time.Time) {
		t.Helper()
		if err := s.client.HSet(t.Context(), s.partitions[0].meta, "held", until.UnixMilli()).Err(); err != nil {
			t.Fatal(err)
		}
	}
	hold(time.Now().Add(time.Hour))
	goOut(t, s, "ada")
	comeIn(t, s, "ben", "lobby")
	if got := announces(t, s); fmt.Sprint(got) != "[user.offline ada user.online ben room.occupied lobby]" {
		t.Errorf("told during the hold: %q", got)
	}
	hold(time.Now().Add(-time.Second))
	if got := announces(t, s); len(got) != len(rooms) {
		t.Errorf("%d told after the hold, want that all %d rooms are vacant", len(got), len(rooms))
	}
}

// What one instance remembers comes back as it was, and was told before.
func TestWhatIsOfferedBackIsNotToldAgain(t *testing.T) {
	server := redistest.Start(t)
	s := boxed(t, server.URL(), 2, 1000)
	for i := range 6 {
		comeIn(t, s, fmt.Sprint("user-", i), "lobby", fmt.Sprint("room-", i))
	}
	if got := announces(t, s); len(got) != 13 {
		t.Fatalf("told: %q", got)
	}
	for i := range 6 { // what instances know, they learn from answers
		comeIn(t, s, fmt.Sprint("user-", i), "lobby", fmt.Sprint("room-", i))
	}
	if err := server.Client(t).FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	for i := range 6 {
		if err := s.recall(t.Context(), fmt.Sprint("user-", i)); err != nil {
			t.Fatal(err)
		}
	}
	if got := announces(t, s); len(got) != 0 {
		t.Errorf("told: %q", got)
	}
	x, err := s.Room(t.Context(), presence.RoomQuery{Room: "lobby"})
	if err != nil || x.Users != 6 {
		t.Fatalf("%d have come back, %v: the test shows nothing", x.Users, err)
	}
	goOut(t, s, "user-0")
	if got := announces(t, s); len(got) == 0 || got[0] != "user.offline user-0" {
		t.Errorf("told then: %q", got)
	}
}

// Who is hidden because Redis has lost data is not told of, until he writes a setting. What was told of him, and of rooms, before an old dump came back, is taken back.
func TestWhoIsHiddenByALossIsNotTold(t *testing.T) {
	server := redistest.Start(t)
	s := dial(t, server.URL(), Options{Partitions: 2, Outbox: 1000, TTL: time.Minute, Sweep: time.Second, CloseAfterLoss: true})
	t.Cleanup(func() { _ = s.Close() })
	opens := func(user string) {
		t.Helper()
		if _, err := (&presence.Tracker{Store: s}).SetPrivacy(t.Context(), user, presence.DefaultPrivacy, nil); err != nil {
			t.Fatal(err)
		}
	}
	endHolds(t, s)
	comeIn(t, s, "ada", "lobby")
	comeIn(t, s, "ben", "den")
	if got := announces(t, s); len(got) != 0 {
		t.Errorf("told of who is hidden: %q", got)
	}
	opens("ada")
	opens("ben")
	if got := announces(t, s); len(got) != 4 {
		t.Errorf("told of who is shown: %q", got)
	}

	for lane := range s.partitions { // as where an old dump is loaded: an epoch begins that is later than what it has
		past := time.Now().Add(time.Hour).UnixMicro()
		if _, err := s.run(t.Context(), s.call(lane, s.scripts.sweep, nil, time.Minute.Microseconds(), s.opts.TTL.Milliseconds(), claimAtOnce, past, 0)); err != nil {
			t.Fatal(err)
		}
	}
	endHolds(t, s)
	b := presence.Beat{User: "ada", Session: "session-1", State: presence.Away, TTL: time.Minute, MaxLive: 1}
	if _, err := s.Beat(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	got := announces(t, s)
	slices.Sort(got)
	if want := "[room.vacated den room.vacated lobby user.offline ada]"; fmt.Sprint(got) != want {
		t.Errorf("told after the loss: %q, want %s", got, want)
	}
	opens("ada")
	if got := announces(t, s); fmt.Sprint(got) != "[user.online ada room.occupied lobby]" {
		t.Errorf("told once she is shown again: %q", got)
	}
}

// An entry that another version of the program wrote, or nobody, is done with like others.
func TestANoteThatCannotBeReadHoldsUpNothing(t *testing.T) {
	server := redistest.Start(t)
	s := boxed(t, server.URL(), 1, 10)
	for _, values := range []map[string]any{{"x": "y"}, {"u": "eve"}, {"v": "no number", "c": "beat", "u": "eve", "s:1": "|||"}, {"v": "1", "c": "beat", "u": "eve", "c:": "zzz", "t": "u"}} {
		if err := server.Client(t).XAdd(t.Context(), &redis.XAddArgs{Stream: s.partitions[0].outbox(""), Values: values}).Err(); err != nil {
			t.Fatal(err)
		}
	}
	comeIn(t, s, "ada")
	if got := announces(t, s); len(got) == 0 || got[len(got)-1] != "user.online ada" {
		t.Errorf("told: %q", got)
	}
	if b, err := s.Backlog(t.Context()); err != nil || b.Waiting != 0 {
		t.Errorf("%+v, %v", b, err)
	}
}
