package redisstore

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/presently/presently/internal/redistest"
	"github.com/presently/presently/presence"
)

func FuzzPartsKeepTheirText(f *testing.F) {
	for _, s := range []string{"", "Ada", "|", "%", "%7C", "a|b\nc%", "☕\x00\u2028\u0085", "%zz", "\xff|\xfe"} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, name, avatar string) {
		packed := packProfile(presence.Profile{Name: name, Avatar: avatar}) + "|7"
		if strings.ContainsAny(packed, "\n\r\x00") || strings.Count(packed, "|") != 2 {
			t.Fatalf("%q would be torn apart", packed)
		}
		v := parts(packed)
		if got := profile(&v); got.Name != name || got.Avatar != avatar || got.Version != 7 {
			t.Fatalf("%q became %+v", packed, got)
		}
	})
}

func FuzzMessagesOfStrangersDoNoHarm(f *testing.F) {
	f.Add("1\nc\n5\n6\n7\nbeat\nada\ns:session-1=online|0|web|7")
	f.Add("1\nb\n5\n6\n7\n0\n8")
	f.Add("1\nc\n\n\n")
	f.Add("2\nc")
	f.Fuzz(func(_ *testing.T, payload string) { parseMessage(0, payload) })
}

// Two versions of the program run side by side during a deployment.
func TestWhatALaterVersionSaysIsReadAsFarAsItIsKnown(t *testing.T) {
	m, ok := parseMessage(3, strings.Join([]string{
		"1", "c", "5", "6", "7", "beat", "ada",
		"s:session-1=online|0|web|7|1|90000|1000|0|4|a|says|profile||||new|newer", "x=what", "e=1000|2000|7|more", "t:session-2=4|7",
	}, "\n"))
	if !ok {
		t.Fatal("not read")
	}
	want := presence.Change{
		Lane: 3, Head: presence.Head{Epoch: 5, Seq: 6}, Version: 7, Cause: presence.ByBeat, User: "ada",
		Facts: []presence.Fact{
			presence.Session{
				ID: "session-1", State: presence.Online, Device: "web", Version: 7, Hidden: true, TTL: 90 * time.Second,
				Started: time.UnixMilli(1000).UTC(), Seq: 4, HasSeq: true, Instance: "a",
			},
			presence.Seen{At: time.UnixMilli(1000).UTC(), Input: time.UnixMilli(2000).UTC(), Version: 7},
			presence.SessionEnded("session-2"),
		},
	}
	if got := fmt.Sprintf("%+v", m.change); got != fmt.Sprintf("%+v", want) {
		t.Errorf("got  %s\nwant %+v", got, want)
	}
	for _, other := range []string{"2\nc\n5\n6\n7\nbeat\nada", "1\nz\n5\n6\n7", "", "nonsense"} {
		if _, ok := parseMessage(0, other); ok {
			t.Errorf("%q was read", other)
		}
	}
}

func TestTheClockIsTheFastestOfRecentAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c clock
		if _, ok := c.millis(); ok {
			t.Error("a time from nowhere")
		}
		const offset = 1_000_000_000
		at := func(late time.Duration) int64 { return localMicros() + offset - late.Microseconds() }
		want := func(step string, late time.Duration) {
			t.Helper()
			if got, ok := c.millis(); !ok || got != at(late)/1000 {
				t.Errorf("%s: %d, %t; want %d", step, got, ok, at(late)/1000)
			}
		}
		c.observe(at(40 * time.Millisecond))
		want("first", 40*time.Millisecond)
		c.observe(at(3 * time.Millisecond))
		want("faster", 3*time.Millisecond)
		c.observe(at(80 * time.Millisecond))
		want("slower", 3*time.Millisecond)
		time.Sleep(clockWindow)
		c.observe(at(9 * time.Millisecond))
		want("the window before still counts", 3*time.Millisecond)
		time.Sleep(clockWindow)
		c.observe(at(9 * time.Millisecond))
		want("but not for ever", 9*time.Millisecond)
		c.observe(at(-time.Hour))
		want("a clock that was set ahead", -time.Hour)
		c.reset()
		c.observe(at(9 * time.Millisecond))
		want("a clock that was set back", 9*time.Millisecond)
		time.Sleep(2 * clockWindow)
		if _, ok := c.millis(); ok {
			t.Error("a time of long ago")
		}
	})
}

func TestNumbersAreRememberedWithinBounds(t *testing.T) {
	n := newNumbers()
	if n.newer("ada", "session-1", 5) {
		t.Error("newer than nothing: Redis must be asked")
	}
	n.saw("ada", "session-1", 5)
	n.saw("ada", "session-1", 3)
	if n.newer("ada", "session-1", 5) || !n.newer("ada", "session-1", 6) || n.newer("bob", "session-1", 6) {
		t.Error("5 is the highest of ada's session-1")
	}
	shard := &n.shards[0]
	for key := range uint64(3 * numbersKept) {
		shard.saw(key, 1)
	}
	if held := len(shard.young) + len(shard.old); held > 2*numbersKept {
		t.Errorf("%d held in a shard, want %d at most", held, 2*numbersKept)
	}
}

func TestCheckSaysWhatToDo(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		args []string
		want []string
	}{
		{"safe", []string{"--appendonly", "yes"}, nil},
		{"snapshots", []string{"--save", "60 1"}, []string{"appendonly no"}},
		{"subscribers cut short", []string{"--appendonly", "yes", "--client-output-buffer-limit", "pubsub", "1mb", "512kb", "5"},
			[]string{"client-output-buffer-limit pubsub 1048576"}},
		{"subscribers without bound", []string{"--appendonly", "yes", "--client-output-buffer-limit", "pubsub", "0", "0", "0"},
			[]string{"client-output-buffer-limit pubsub 0"}},
		{"evicting", []string{"--appendonly", "yes", "--maxmemory-policy", "allkeys-lru"}, []string{"maxmemory-policy allkeys-lru"}},
		{"volatile", nil, []string{"no persistence"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := quiet(t, redistest.Start(t, tc.args...))
			found, err := s.Check(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, w := range found {
				got = append(got, w.What)
			}
			if fmt.Sprint(got) != fmt.Sprint(tc.want) {
				t.Errorf("%v, want %v", found, tc.want)
			}
		})
	}
	for version, want := range map[string]bool{"6.2.14": false, "7.0.0": true, "7.2.4": true, "8.0.1": true, "10.1": true, "valkey": true} {
		if atLeast(version, 7, 0) != want {
			t.Errorf("atLeast(%s) = %t", version, !want)
		}
	}
}

func TestWhatWaitingDoesNotMendIsAnErrorAtOnce(t *testing.T) {
	t.Parallel()
	locked := redistest.Start(t, "--requirepass", "secret")
	if _, err := Open(t.Context(), "redis://"+locked.Addr(), Options{}); err == nil || !strings.Contains(err.Error(), "refuses") {
		t.Errorf("without a password: %v", err)
	}
	if _, err := Open(t.Context(), "redis://:wrong@"+locked.Addr(), Options{}); err == nil || strings.Contains(err.Error(), "wrong") {
		t.Errorf("with a wrong one: %v", err)
	}
	locked.Kill() // one that is down may come up
	s := open(t, locked.URL(), Options{})
	if err := s.Ping(t.Context()); err == nil {
		t.Error("a dead Redis answers")
	}
	locked.Restart()
	retry(t, func() error { return s.Ping(t.Context()) })
}

// retry waits for what another process does in its own time.
func retry(t testing.TB, f func() error) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); ; <-tick.C {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// Redis itself agrees that no id leaves its partition's slot, and no two users share a key.
func TestKeysStayInTheirSlot(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for i := range 16 {
		p := newPartition(16, i, 0, redisTime)
		slot := slotOf(t, p.meta)
		for _, id := range []string{"a", "{b}", "}", "{", "}{x}", "*", "u:a", "s:a", "meta", "☕"} {
			for _, key := range []string{p.facts(id), p.settings(id), p.gone(id), p.types(id), p.subscription(id), p.subscriptions(id), p.rooms, p.streams()} {
				if slotOf(t, key) != slot {
					t.Errorf("%s is not in the slot of %s", key, p.meta)
				}
				if other, ok := seen[key]; ok && key != p.rooms && key != p.streams() {
					t.Errorf("%s and %s share %s", id, other, key)
				}
				seen[key] = id
			}
		}
	}
}

// Whatever people are called, and whatever their rooms are, what belongs to one of them has a key that belongs to nothing else, in the slot of its partition.
func TestNoTwoThingsShareAKey(t *testing.T) {
	t.Parallel()
	nasty := rapid.SampledFrom([]string{"", "a", ":", "u:", "s:", "sub:", "subs:", "{", "}", "{}", "{x}", "*", "?", "[a]", "\\", "\x00", "\n", "%", "%3D", "=", "|", "meta", "beats", "16.0", "presently:{16.0}:u:", " ", "ä", "a\u0308", "\xff"})
	id := rapid.OneOf(rapid.StringN(0, 130, -1), rapid.Map(rapid.SliceOfN(nasty, 0, 6), func(parts []string) string { return strings.Join(parts, "") }))
	keysOf := func(p *partition, id string) map[string]string {
		return map[string]string{
			"facts": p.facts(id), "settings": p.settings(id), "gone": p.gone(id), "types": p.types(id), "subscription": p.subscription(id), "subscriptions": p.subscriptions(id),
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.SampledFrom([]int{1, 2, 16, 64}).Draw(t, "partitions")
		at, other := rapid.IntRange(0, n-1).Draw(t, "partition"), rapid.IntRange(0, n-1).Draw(t, "another")
		p, q := newPartition(n, at, 0, redisTime), newPartition(n, other, 0, redisTime)
		a, b := id.Draw(t, "a"), id.Draw(t, "b")
		fixed := []string{p.meta, p.beats, p.left, p.rooms, p.lane, p.revoked(), p.streams(), secretKey}
		tag := fmt.Sprintf("%d.%d", n, at)
		for kind, key := range keysOf(&p, a) {
			open := strings.IndexByte(key, '{')
			if got := key[open+1 : open+1+strings.IndexByte(key[open+1:], '}')]; got != tag {
				t.Fatalf("%s of %q: a cluster hashes %q of %q, not %q", kind, a, got, key, tag)
			}
			if slices.Contains(fixed, key) {
				t.Fatalf("%s of %q is %q", kind, a, key)
			}
			for otherKind, otherKey := range keysOf(&q, b) {
				if same := kind == otherKind && a == b && at == other; (key == otherKey) != same {
					t.Fatalf("%s of %q and %s of %q: %q and %q", kind, a, otherKind, b, key, otherKey)
				}
			}
		}
	})
}

// cjson makes {} of [] and 9.007e+15 of a version, and fails at half a surrogate pair: what people write is opaque to scripts, which take it and give it back.
// A command that takes a pattern would read what people write as one.
func TestScriptsReadNothingThatPeopleWrite(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("lua/*.lua")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d scripts, %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, bad := range []string{"cjson", "cmsgpack", "loadstring", "'KEYS'", "'SCAN'", "PSUBSCRIBE", "'EVAL'", "'MATCH'"} {
			if strings.Contains(string(text), bad) {
				t.Errorf("%s has %s", file, bad)
			}
		}
	}
}

// slotOf is the part of the key that a cluster hashes.
func slotOf(t *testing.T, key string) string {
	t.Helper()
	open := strings.IndexByte(key, '{')
	length := strings.IndexByte(key[open+1:], '}')
	if open < 0 || length <= 0 {
		t.Fatalf("%s has no hash tag", key)
	}
	return key[open+1 : open+1+length]
}
