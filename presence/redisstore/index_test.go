package redisstore

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/presently/presently/internal/redistest"
	"github.com/presently/presently/presence"
)

// beatIn sends a beat of a session that is in just these rooms.
func (i *instance) beatIn(user, session string, rooms ...string) {
	i.t.Helper()
	b := testBeat(user, session)
	b.Rooms, b.Minimal = &rooms, true
	i.beat(b)
}

// entries are those of the index in the partition of a user.
func (i *instance) entries(admin *redis.Client, user string) []string {
	i.t.Helper()
	found, err := admin.ZRange(i.t.Context(), i.partitions[i.Lane(user)].rooms, 0, -1).Result()
	if err != nil {
		i.t.Fatal(err)
	}
	return found
}

func TestTheIndexHasNothingButWhatTheRecordsSay(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	i, admin := quiet(t, server), server.Client(t)
	want := func(step string, entries ...string) {
		t.Helper()
		if got := i.entries(admin, "ada"); fmt.Sprintf("%q", got) != fmt.Sprintf("%q", entries) {
			t.Errorf("%s: %q, want %q", step, got, entries)
		}
	}
	i.beat(testBeat("ada", "session-1"))
	want("a beat", "s\nada\nsession-1", "u\nada")
	i.beatIn("ada", "session-1", "a|b=%", "hall")
	i.beatIn("ada", "session-2", "hall")
	want("rooms", "ra%7Cb%3D%25", "rhall", "s\nada\nsession-1", "s\nada\nsession-2", "sa%7Cb%3D%25\nada\nsession-1",
		"shall\nada\nsession-1", "shall\nada\nsession-2", "u\nada", "ua%7Cb%3D%25\nada", "uhall\nada")
	if err := i.tracker().SetBlock(t.Context(), "ada", "eve", true); err != nil {
		t.Fatal(err)
	}
	i.beatIn("ada", "session-1", "attic")
	want("somebody blocked", "a\nada", "aattic\nada", "ahall\nada", "rattic", "rhall", "s\nada\nsession-1", "s\nada\nsession-2",
		"sattic\nada\nsession-1", "shall\nada\nsession-2", "u\nada", "uattic\nada", "uhall\nada")
	if err := i.End(t.Context(), "ada", "session-1"); err != nil {
		t.Fatal(err)
	}
	want("an end", "a\nada", "ahall\nada", "rhall", "s\nada\nsession-2", "shall\nada\nsession-2", "u\nada", "uhall\nada")
	if err := i.choose("ada", presence.Invisible); err != nil {
		t.Fatal(err)
	}
	want("hiding")
	i.beatIn("ada", "session-3", "hall", "lobby")
	want("hidden")
	if err := i.End(t.Context(), "ada", "session-2"); err != nil {
		t.Fatal(err)
	}
	if err := i.choose("ada", ""); err != nil {
		t.Fatal(err)
	}
	want("no longer hidden", "a\nada", "ahall\nada", "alobby\nada", "rhall", "rlobby", "s\nada\nsession-3", "shall\nada\nsession-3",
		"slobby\nada\nsession-3", "u\nada", "uhall\nada", "ulobby\nada")
	if err := i.Leave(t.Context(), "ada", "session-3", 0); err != nil {
		t.Fatal(err)
	}
	want("nobody")
}

// What somebody does while he hides writes nothing where others look.
func TestWhoHidesMovesNothingInTheIndex(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	i, admin := quiet(t, server), server.Client(t)
	i.beatIn("ada", "session-1", "hall")
	for _, hide := range []func() error{
		func() error { return i.tracker().SetBlock(t.Context(), "ada", "eve", true) },
		func() error { return i.choose("ada", presence.Invisible) },
	} {
		if err := hide(); err != nil {
			t.Fatal(err)
		}
	}
	p := &i.partitions[i.Lane("ada")]
	shown := func() string {
		var all []string
		for _, key := range admin.Keys(t.Context(), "*").Val() {
			if key == p.rooms || strings.HasPrefix(key, p.gone("")) || strings.HasPrefix(key, p.types("")) {
				all = append(all, key+fmt.Sprint(admin.ZRangeWithScores(t.Context(), key, 0, -1).Val()))
			}
		}
		slices.Sort(all)
		return fmt.Sprint(all)
	}
	before := shown()
	i.beatIn("ada", "session-1", "lobby")
	i.beatIn("ada", "session-2", "hall", "lobby")
	for _, do := range []func() error{
		func() error { return i.tracker().Join(t.Context(), "ada", "session-2", "attic") },
		func() error { return i.tracker().LeaveRoom(t.Context(), "ada", "", "hall") },
		func() error {
			return i.tracker().StartTyping(t.Context(), "ada", presence.Typing{Session: "session-1", Room: "lobby", TTL: time.Minute})
		},
		func() error { return i.tracker().SetBlock(t.Context(), "ada", "bob", true) },
		func() error { return i.End(t.Context(), "ada", "session-1") },
		func() error { return i.Leave(t.Context(), "ada", "session-2", 0) },
	} {
		if err := do(); err != nil {
			t.Fatal(err)
		}
		if got := shown(); got != before {
			t.Fatalf("shown %s\nwas   %s", got, before)
		}
	}
}

// Whoever has more than Lua can pass on at once must still be able to hide.
func TestWhoIsEverywhereCanHide(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	i, admin := quiet(t, server), server.Client(t)
	rooms := make([]string, presence.RoomsASession)
	for s := range 200 {
		for n := range rooms {
			rooms[n] = fmt.Sprintf("room-%03d-%02d", s, n)
		}
		b := testBeat("ada", fmt.Sprintf("session-%03d", s))
		b.Rooms, b.Minimal, b.MaxLive = &rooms, true, 200
		i.beat(b)
	}
	for _, status := range []presence.Status{presence.Invisible, ""} {
		if err := i.choose("ada", status); err != nil {
			t.Fatal(err)
		}
		if got := len(i.entries(admin, "ada")); (got == 0) != (status == presence.Invisible) {
			t.Errorf("%q: %d entries", status, got)
		}
	}
	if n, err := i.RoomCount(t.Context()); err != nil || n != 200*presence.RoomsASession {
		t.Errorf("%d rooms, %v", n, err)
	}
}

// Rooms are for those who are in some: nobody else pays for them, but once when a session begins or ends.
func TestWhatRoomsCost(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	i := quiet(t, server)
	b := testBeat("ada", "session-1")
	b.Minimal = true
	rooms := []string{"hall", "lobby"}
	n := 0
	change := func() {
		n++
		b.State = []presence.Status{presence.Online, presence.Busy}[n%2]
		i.beat(b)
	}
	change()
	want := func(step string, want map[string]int64, f func()) {
		t.Helper()
		if got := calls(t, server, f); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %v, want %v", step, got, want)
		}
	}
	script := map[string]int64{"evalsha": 1, "hget": 1, "hmget": 1, "hset": 3, "pttl": 1, "publish": 1, "time": 1, "zadd": 1, "zrem": 1, "zscore": 1} // no plain command first: that it is news is known here
	want("a change", script, change)
	b.Rooms = &rooms
	i.beat(b)
	script["hget"]++ // its rooms, to compare
	want("a change in rooms", script, change)
	b.Rooms = nil
	i.beat(b)
	script["hget"]--
	want("a change in rooms that the beat says nothing of", script, change)
	look := map[string]int64{"zlexcount": 8, "zrangebylex": 8}
	_, _ = i.Room(t.Context(), presence.RoomQuery{})
	want("a room", look, func() { _, _ = i.Room(t.Context(), presence.RoomQuery{Room: "hall", Limit: 7}) })
}

func TestWhatTheIndexRemembersOfRoomsDoesNotLast(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	admin := server.Client(t)
	c, stop := turn(t, admin, newTape())
	defer stop()
	i := &instance{Store: c.Store, t: t}
	p := &i.partitions[i.Lane("ada")]
	i.beatIn("ada", "session-1", "hall")
	i.beatIn("ada", "session-1")
	first := admin.ZScore(t.Context(), p.gone("hall"), "ada").Val()
	if ttl := admin.PTTL(t.Context(), p.gone("hall")).Val(); ttl > presence.GoneKept || ttl < presence.GoneKept-time.Minute {
		t.Errorf("who has gone is kept for %s, want %s", ttl, presence.GoneKept)
	}
	other := "ada"
	for n := 0; other == "ada" || i.Lane(other) != i.Lane("ada"); n++ {
		other = fmt.Sprint("other-", n)
	}
	c.advance(presence.GoneKept - time.Second)
	i.beatIn(other, "session-1", "hall")
	i.beatIn(other, "session-1")
	if got := admin.ZRange(t.Context(), p.gone("hall"), 0, -1).Val(); !slices.Equal(got, []string{"ada", other}) {
		t.Errorf("%q have gone", got)
	}
	c.advance(2 * time.Second)
	i.beatIn(other, "session-1", "hall")
	i.beatIn(other, "session-1")
	x, err := i.Room(t.Context(), presence.RoomQuery{Room: "hall", Since: presence.Version(first) - 1})
	if err != nil || !slices.Equal(x.Gone, []string{other}) {
		t.Errorf("%q have gone, %v", x.Gone, err)
	}
	types := func(user string, ttl time.Duration) {
		t.Helper()
		i.beat(testBeat(user, "session-1"))
		if err := i.tracker().StartTyping(t.Context(), user, presence.Typing{Session: "session-1", Room: "hall", TTL: ttl}); err != nil {
			t.Fatal(err)
		}
	}
	types("ada", 20*time.Second)
	types(other, 6*time.Second)
	if ttl := admin.PTTL(t.Context(), p.types("hall")).Val(); ttl > 20*time.Second || ttl < 10*time.Second {
		t.Errorf("who types is kept for %s, want 20 s", ttl)
	}
	c.advance(7 * time.Second)
	if x, err := i.Room(t.Context(), presence.RoomQuery{Room: "hall", Typing: true}); err != nil || !slices.Equal(x.Typing, []string{"ada"}) {
		t.Errorf("%q type, %v", x.Typing, err)
	}
	c.advance(time.Hour)
	i.beatIn("ada", "session-1", "hall")
	c.sweep(t.Context(), c.all())
	if ttl := admin.PTTL(t.Context(), p.rooms).Val(); ttl < factsKept-time.Hour {
		t.Errorf("the index is kept for %s, want %s", ttl, factsKept)
	}
}

// Scripts must know that somebody is blocked; nobody else has to.
func TestScriptsAloneAreToldThatSomebodyIsBlocked(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	i := begin(t, server.URL(), Options{TTL: 30 * time.Second})
	_, settings := i.keys("ada")
	for _, block := range []bool{true, false} {
		if err := i.tracker().SetBlock(t.Context(), "ada", "eve", block); err != nil {
			t.Fatal(err)
		}
		if got := server.Client(t).HGet(t.Context(), settings, "apart").Val(); (got == "1") != block {
			t.Errorf("blocked %t: apart %q", block, got)
		}
	}
	i.tape.caughtUp(t, i.Store)
	for _, c := range i.tape.changes {
		if len(c.Facts) != 1 {
			t.Errorf("told %+v", c.Facts)
		}
	}
}

func TestSubscriptionsAreKeptForADayAfterTheirEnd(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	i := quiet(t, server)
	sub := presence.Subscription{ID: "{x}:|", User: "ada", Expires: time.Now().Add(time.Hour)}
	if _, err := i.PutSubscription(t.Context(), sub); err != nil {
		t.Fatal(err)
	}
	key := i.partitions[i.SubscriptionLane(sub.ID)].subscription(sub.ID)
	if ttl := server.Client(t).PTTL(t.Context(), key).Val(); ttl < 25*time.Hour-time.Minute || ttl > 25*time.Hour {
		t.Errorf("kept for %s, want 25 h", ttl)
	}
	if ttl := server.Client(t).PTTL(t.Context(), i.partitions[0].streams()).Val(); ttl != -2 {
		t.Errorf("streams are kept for %s before there are any", ttl)
	}
	if _, err := i.Instances(t.Context(), presence.Instance{Name: "a|b", Streams: 3}); err != nil {
		t.Fatal(err)
	}
	if ttl := server.Client(t).PTTL(t.Context(), i.partitions[0].streams()).Val(); ttl < time.Second || ttl > presence.InstanceBelieved {
		t.Errorf("streams are kept for %s, want %s", ttl, presence.InstanceBelieved)
	}
}

// Among very many rooms the largest few are found by a sample, with their true numbers.
func TestTheLargestRoomsOfVeryManyAreFound(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	i := quiet(t, server)
	pipe := server.Client(t).Pipeline()
	put := func(room, user string) {
		pipe.ZAdd(t.Context(), i.partitions[i.Lane(user)].rooms, redis.Z{Member: place(entryUser, room) + user}, redis.Z{Member: place(entryUser, "") + user})
	}
	for n := range 30_000 { // each in a room of his own
		put(fmt.Sprint("small-", n), fmt.Sprint("user-", n))
	}
	var want []presence.RoomSize
	for _, r := range []presence.RoomSize{{Room: "hall", Users: 3000}, {Room: "lobby", Users: 2000}, {Room: "attic", Users: 1000}} {
		for n := range r.Users {
			put(r.Room, fmt.Sprint("user-", n))
		}
		want = append(want, r)
	}
	if _, err := pipe.Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, err := i.LargestRooms(t.Context(), 3); err != nil || !slices.Equal(got, want) {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
}
