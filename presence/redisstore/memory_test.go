package redisstore

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/presently/presently/presence"
)

// A position that is wrong would let an older fact win, silently.
func TestPlacesOfVersionsAreThoseOfTheEncoding(t *testing.T) {
	const v = 1_795_340_465_000_001
	at := time.UnixMilli(1_795_340_465_000)
	hiding := presence.Hiding{On: true, At: at, Seen: at, Shown: 3, Version: v, Profile: presence.Profile{Name: "A", Avatar: "B", Version: 4}}
	own := hiding
	own.Version = 5
	seen := map[string]bool{"s": true, "p": true, "e": true} // which scripts write
	for _, f := range []presence.Fact{
		presence.Chosen{Status: presence.Away, Until: at, Input: at, Version: v},
		presence.Custom{Text: "a|b", Emoji: "☕", Until: at, Version: v},
		presence.Activity{Session: "session-1", Type: "viewing", Target: "a", Label: "b", Since: at, Until: at, Version: v},
		presence.Membership{Session: "session-1", Stays: []presence.Stay{{Room: "hall", Since: 6}}, Version: v},
		presence.Invisibility{On: true, Version: v},
		presence.Privacy{Online: presence.Nobody, LastSeen: presence.Nobody, Activity: presence.Nobody, Typing: presence.Nobody, Version: v},
		presence.HidingFrom{Class: presence.Contact, Hiding: hiding},
		presence.Relation{Viewer: "eve", Contact: true, Since: at, Version: v, Hiding: own},
	} {
		fields, err := encode(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range fields {
			kind := kindOf(f.name)
			seen[kind] = true
			if got := versionOf(kind, f.value); got != v {
				t.Errorf("%s=%s: version %d, want %d", f.name, f.value, got, v)
			}
			if isSetting(f.name) != (f.where == "settings") {
				t.Errorf("%s is put into %s", f.name, f.where)
			}
		}
	}
	for kind, value := range map[string]string{"s": "online|0|web|7|0|1|2|0||a|x|y|||", "p": "a|b|7", "e": "1|2|7"} {
		if got := versionOf(kind, value); got != 7 {
			t.Errorf("%s=%s: version %d, want 7", kind, value, got)
		}
	}
	for kind := range places {
		if !seen[kind] {
			t.Errorf("%s was not tried", kind)
		}
	}
}

// pretend lets time pass for a lane's memory, with beacons or without.
func pretend(m *laneMemory, d time.Duration) {
	m.turned -= d.Microseconds()
	m.heard -= d.Microseconds()
}

func TestMemoryHasBoundsInTimeAndNumber(t *testing.T) {
	m := &newMemory(1, time.Minute)[0]
	m.most = 100
	for n := range 1000 {
		m.expect(fmt.Sprint("user-", n), "session-1")
		m.tick(1)
		if held := len(m.users()); held > 2*m.most || len(m.unread) > 2*m.most {
			t.Fatalf("%d users, %d to be read, want %d at most", held, len(m.unread), 2*m.most)
		}
	}
	if m.find("user-999") == nil || m.find("user-900") == nil || m.find("user-100") != nil {
		t.Error("not the oldest were forgotten")
	}
	minutes := func(n int, each func()) {
		for range n * 60 {
			pretend(m, time.Second)
			each()
			m.tick(1)
		}
	}
	m.expect("ada", "session-1")
	minutes(1, func() {})
	if m.find("ada") == nil {
		t.Error("forgotten within a TTL")
	}
	minutes(10, func() { m.expect("bob", "session-1") })
	if m.find("ada") != nil || m.find("bob") == nil {
		t.Error("who is gone is remembered, or who is here is not")
	}
	pretend(m, time.Hour) // in which nothing is heard
	m.tick(1)
	if m.find("bob") == nil {
		t.Error("an outage made somebody forgotten")
	}
}

func TestMemoryFollowsWhatItHears(t *testing.T) {
	m := &newMemory(1, time.Minute)[0]
	m.expect("ada", "session-1")
	hear := func(seq int64, cause presence.Cause, facts string) {
		m.hear(presence.Change{User: "ada", Head: presence.Head{Epoch: 1, Seq: seq}, Version: presence.Version(seq), Cause: cause}, lines(facts))
	}
	has := func(field, want string) {
		t.Helper()
		got, _ := m.find("ada").facts.value(field)
		if setting, there := m.find("ada").settings.value(field); there {
			got = setting
		}
		if got != want {
			t.Errorf("%s is %q, want %q", field, got, want)
		}
	}
	const session = "online|0||5|0|60000|1|0|9|a|fingerprint|p|||"
	hear(5, presence.ByBeat, "s:session-1="+session+"\nm:session-1=5|hall|5\ny:hall|=session-1|1|9|5")
	has("s:session-1", session)
	has("y:hall|", "")
	hear(6, presence.ByRoom, "m:session-1=6")
	has("m:session-1", "6")
	has("s:session-1", "online|0||5|0|60000|1|0|9|a|...........|p|||") // its next beat says its rooms anew
	hear(4, presence.ByBeat, "p=Old||4")
	has("p", "")
	hear(7, presence.ByRecall, "m:session-1=5|hall|5\np=Ada||2")
	has("m:session-1", "6")
	has("p", "Ada||2")
	hear(8, presence.BySetting, "r:eve=0|1|1|8\nrelated=8\nprivacy=nobody||||8")
	has("r:eve", "") // of relations, all are known or none
	has("privacy", "nobody||||8")
	hear(9, presence.ByEnd, "t:session-1=\ne=1|2|9")
	has("s:session-1", "")
	has("m:session-1", "")
	if g := m.find("ada").ended; len(g) != 1 || g[0] != (grave{"session-1", "9", 9}) {
		t.Errorf("graves %+v", g)
	}
	hear(10, presence.ByBeat, "s:session-1=online|0||10|0|60000|1|0||a|x|p|||")
	hear(11, presence.ByRecall, "t:session-1=9|9") // of the one before
	if _, live := m.find("ada").facts.value("s:session-1"); !live {
		t.Error("an end of the past ended a session of today")
	}
	for n := range int64(100) {
		hear(20+n, presence.ByEnd, fmt.Sprintf("t:other-%d=", n))
	}
	if n := len(m.find("ada").ended); n != gravesKept {
		t.Errorf("%d graves, want %d", n, gravesKept)
	}
	m.hear(presence.Change{User: "stranger", Head: presence.Head{Epoch: 1, Seq: math.MaxInt64}}, "p=x")
	if len(m.users()) != 1 {
		t.Error("whoever is heard of is remembered")
	}
}
