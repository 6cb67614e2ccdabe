package e2e

import (
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/presently/presently/api"
	"github.com/presently/presently/internal/redistest"
)

// What the documents that Presently began with got wrong, one story for each, as their users would have seen it. docs/seeds.md has the whole list.

// Each heartbeat of a seed sets its user online, whatever he had chosen.
func TestABeatNeverErasesWhatWasChosen(t *testing.T) {
	t.Parallel()
	a, b := startPair(t, redistest.Start(t).URL())
	a.as("ada").beat("on-the-web", `"device":"web"`)
	a.as("ada").choose("dnd")
	w := b.as("eve").watch("ada", "canary")
	for _, beat := range []func(){
		func() { a.as("ada").beat("on-the-web") },
		func() { b.as("ada").beat("on-the-web", `"state":"online"`, `"idleMs":0`) },
		func() { b.as("ada").beat("on-mobile", `"state":"online"`, `"visibility":"visible"`) },
		func() { a.as("ada").beat("on-mobile", `"state":"away"`) },
	} {
		beat()
		if got := b.as("eve").see("ada"); got.Status != "dnd" || got.Notify {
			t.Errorf("after a beat she is %s", show(got))
		}
	}
	quiet(time.Now().Add(time.Second).UnixMicro(), a.as("canary"), w)
	b.as("ada").must("DELETE", "/v1/presence/status", "")
	w.told("ada", "online")
}

// A heartbeat of a seed writes a time into a key that has expired, and leaves it without a status: its user beats and is offline for ever.
func TestABeatAfterALapseBringsHerBackAsSheWas(t *testing.T) {
	t.Parallel()
	a, b := startPair(t, redistest.Start(t).URL(), "PRESENTLY_TTL=1s", "PRESENTLY_SWEEP=100ms")
	w := b.as("eve").watch("ada")
	a.as("ada").beat("session-1", `"device":"web"`, `"state":"busy"`)
	w.told("ada", "busy")
	w.told("ada", "offline")
	b.as("ada").beat("session-1", `"device":"web"`)
	w.told("ada", "online")
	w.told("ada", "offline")
}

// Whoever is in a seed's Redis once is there for ever: keys of last seen, of custom statuses and of typists have no TTL.
// Redis must be left empty by people who are gone, but for what they decided about others.
func TestEveryKeyExpiresButForSettings(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	a, b := startPair(t, redis.URL(), "PRESENTLY_GRACE=200ms", "PRESENTLY_SWEEP=100ms")
	allOfIt(t, a, b)
	client := redis.Client(t)
	settings := regexp.MustCompile(`^presently:(secret|\{[^}]+\}:s:.+)$`)
	var stays []string
	waitUntilOr(t, func() bool {
		stays = nil
		keys := client.Scan(t.Context(), 0, "*", 1000).Iterator()
		for keys.Next(t.Context()) {
			ttl, err := client.TTL(t.Context(), keys.Val()).Result()
			if err != nil {
				t.Fatal(err)
			}
			if ttl == -1 && !settings.MatchString(keys.Val()) {
				stays = append(stays, keys.Val())
			}
			if !strings.HasPrefix(keys.Val(), "presently:") {
				t.Fatalf("%q is a key of nobody's", keys.Val())
			}
		}
		return len(stays) == 0 && keys.Err() == nil
	}, func() { t.Errorf("%d keys stay for ever:\n%s", len(stays), strings.Join(stays, "\n")) })
}

// waitUntilOr looks again and again for as long as what a sweep does may take, and says what else.
func waitUntilOr(t testing.TB, ok func() bool, or func()) {
	t.Helper()
	for limit := time.Now().Add(5 * time.Second); !ok(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(limit) {
			or()
			return
		}
	}
}

// A seed asks KEYS presence:* every 30 s, for which Redis stands still while it looks at all that it has.
func TestNothingNeedsACommandThatLooksAtAllKeys(t *testing.T) {
	t.Parallel()
	banned := []string{"KEYS", "SCAN", "SMEMBERS", "HSCAN", "SSCAN", "ZSCAN", "RANDOMKEY", "SORT", "FLUSHALL", "FLUSHDB"}
	var args []string
	for _, command := range banned {
		args = append(args, "--rename-command", command, "") // there is no such command
	}
	redis := redistest.Start(t, args...)
	if err := redis.Client(t).Keys(t.Context(), "*").Err(); err == nil || !strings.Contains(err.Error(), "unknown command") {
		t.Fatalf("KEYS is there: %v", err)
	}
	a, b := startPair(t, redis.URL(), "PRESENTLY_GRACE=200ms", "PRESENTLY_SWEEP=100ms")
	allOfIt(t, a, b)

	// And where it is there, nobody asks: a refusal could have been swallowed.
	all := redistest.Start(t)
	a, b = startPair(t, all.URL(), "PRESENTLY_GRACE=200ms", "PRESENTLY_SWEEP=100ms")
	allOfIt(t, a, b)
	asked := all.CommandStats(t.Context())
	for _, command := range banned {
		if n := asked[strings.ToLower(command)].Calls; n > 0 {
			t.Errorf("%d times %s", n, command)
		}
	}
	if asked["zadd"].Calls == 0 {
		t.Errorf("nothing was counted: %v", asked)
	}
}

// A cluster refuses scripts that touch keys of two slots, and Sentinel's clients know no shards.
func TestAllOfItOnAClusterAndBehindSentinels(t *testing.T) {
	t.Parallel()
	for kind, url := range map[string]func(*testing.T) string{
		"sentinel": func(t *testing.T) string { return redistest.StartSentinel(t, 1).URL() },
		"cluster":  func(t *testing.T) string { return redistest.StartCluster(t, 3, 0).URL() },
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			a, b := startPair(t, url(t), "PRESENTLY_GRACE=200ms", "PRESENTLY_SWEEP=100ms")
			allOfIt(t, a, b)
		})
	}
}

// allOfIt has two people and a backend do everything that there is to do.
func allOfIt(t testing.TB, a, b *instance) {
	t.Helper()
	ada, ben := a.as("ada"), b.as("ben")
	w := b.as("eve").watchThat("user=ada&user=ben&room=lobby")
	page := ada.beat("on-the-web", `"device":"web"`, `"rooms":["lobby","attic"]`, `"activity":{"type":"viewing","target":"/docs/7"}`, `"seq":1`)
	w.fills("lobby", 1)
	mobile := b.as("ada").beat("on-mobile", `"device":"mobile"`, `"visibility":"hidden"`, `"idleMs":600000`, `"seq":1`)
	ben.beat("session-1")
	ben.must("PUT", "/v1/rooms/lobby/members/me?sessionId=session-1", "")
	w.fills("lobby", 2)
	for _, request := range []string{
		`PUT /v1/presence/status {"status":"dnd","expiresInMs":0}`, `PUT /v1/presence/custom {"text":"Standup","emoji":"☕","expiresInMs":0}`,
		`PUT /v1/presence/activity {"sessionId":"on-the-web","type":"in_call","ttlMs":60000}`,
		`PUT /v1/contacts/ben`, `PUT /v1/blocks/mallory`, `PUT ` + privacyPath + " " + privacy("contacts"), `PUT ` + privacyPath + " " + privacy("everyone"),
		`PUT /v1/rooms/lobby/typing {"sessionId":"on-the-web","ttlMs":30000}`, `PUT /v1/rooms/lobby/typing {"sessionId":"on-the-web","threadId":"t-1"}`,
		`DELETE /v1/rooms/lobby/typing`, `GET /v1/presence/me`, `GET /v1/presence/me/sessions`, `GET /v1/presence/me/explain`, `GET /v1/presence?user=ben`,
		`GET /v1/presence/ben`, `GET /v1/contacts`, `GET /v1/blocks`, `GET /v1/rooms/lobby/presence?limit=1`, `GET /v1/rooms/lobby/count`, `GET /v1/rooms/lobby/typing`,
		`GET /v1/users/ben/rooms`, `DELETE /v1/blocks/mallory`, `PUT /v1/presence/status {"status":"invisible"}`, `DELETE /v1/presence/status`,
	} {
		method, rest, _ := strings.Cut(request, " ")
		path, body, _ := strings.Cut(rest, " ")
		ada.must(method, path, body)
	}
	backend := b.admin("backend")
	backend.must("PUT", "/v1/admin/presence/bot", `{"state":"busy","ttlMs":60000,"rooms":["lobby"],"profile":{"name":"Bot"},"activity":{"type":"custom","label":"Building"}}`)
	backend.must("GET", "/v1/admin/online", "")
	a.counting().must("GET", "/v1/stats", "")

	sub := ada.subscribe(`{"users":["ben"],"rooms":["lobby"]}`)
	stream := b.followed(sub)
	ada.change(sub, `{"addUsers":["bot"]}`)
	stream.part("added")
	ada.must("POST", subscriptions+"/"+sub.ID+"/renew", "")
	ended := ben.subscribe(`{"rooms":["attic"]}`)
	ben.must("DELETE", subscriptions+"/"+ended.ID, "")
	waitUntil(t, "the streams are counted", func() bool {
		return decode[api.Stats](t, a.counting().must("GET", "/v1/stats", "").body).Streams == 2
	})

	backend.must("DELETE", "/v1/admin/users/ben/sessions", "")
	ada.must("DELETE", "/v1/rooms/attic/members/me", "")
	ada.leave(mobile)
	waitUntil(t, "her grace is over", func() bool {
		return len(decode[api.SessionList](t, ada.must("GET", "/v1/presence/me/sessions", "").body).Sessions) == 1
	})
	ada.leave(page)
	ada.must("DELETE", "/v1/presence/me/sessions/on-the-web", "")
	ada.beat("on-the-web", `"rooms":["lobby"]`)
	w.close()
}

// A seed keeps one socket for each user and marks him offline when any of them closes; another one deletes the user's key.
func TestOneDeviceThatDisconnectsLogsNoOtherOut(t *testing.T) {
	t.Parallel()
	a, b := startPair(t, redistest.Start(t).URL(), "PRESENTLY_GRACE=100ms", "PRESENTLY_SWEEP=100ms")
	a.as("ada").enter("on-the-web", "lobby")
	mobile := b.as("ada").enter("on-mobile", "lobby")
	streams := []*watching{a.as("eve").watchThat("room=lobby&user=ada&user=canary"), b.as("eve").watchThat("room=lobby&user=ada&user=canary")}
	b.as("ada").watch("ben").close() // a stream is no proof of life, and its end is none of death
	b.as("ada").leave(mobile)
	waitUntil(t, "her grace is over", func() bool {
		return len(decode[api.SessionList](t, a.as("ada").must("GET", "/v1/presence/me/sessions", "").body).Sessions) == 1
	})
	b.as("ada").must("POST", "/v1/presence/leave", mobile.LeaveToken) // once more, as pages do
	quiet(time.Now().Add(time.Second).UnixMicro(), a.as("canary"), streams...)
	b.as("eve").finds("lobby", 1, "ada")
	if got := b.as("eve").see("ada"); got.Status != "online" {
		t.Errorf("she is %s", show(got))
	}
}

// The timers of a seed are set by each keystroke and not cleared, so that the first one ends what the second one has begun; those of another
// one set themselves anew for ever.
func TestTypingTwiceEndsOnceAndByTheSecond(t *testing.T) {
	t.Parallel()
	a, b := startPair(t, redistest.Start(t).URL())
	a.as("ada").enter("session-1", "lobby")
	streams := []*watching{a.as("eve").watchThat("room=lobby&user=canary"), b.as("eve").watchThat("room=lobby&user=canary")}
	const ttl = 3 * time.Second
	a.as("ada").types("session-1", "lobby", `"ttlMs":3000`)
	first := micros(t, streams[0].typing("", "ada").Typing[0].ExpiresAt)
	streams[1].typing("", "ada")
	quiet(first-2*time.Second.Microseconds(), a.as("canary"), streams...) // a second goes by
	b.as("ada").types("session-1", "lobby", `"ttlMs":3000`)
	for _, w := range streams {
		second := micros(t, w.typing("", "ada").Typing[0].ExpiresAt) // fails where it has ended in between
		if second < first+time.Second.Microseconds()-ttl.Microseconds()/10 {
			t.Errorf("it was to last until %d, and then until %d", first, second)
		}
		end := w.await("typing")
		if got := decode[api.TypingEvent](t, []byte(end.data)); len(got.Typing) > 0 || end.at.UnixMicro() < second {
			t.Errorf("%s at %s, before %d", end.data, end.at, second)
		}
	}
	quiet(time.Now().Add(ttl+time.Second).UnixMicro(), a.as("canary"), streams...)
}

// A seed clears an activity by setting another one, whose timer clears it again by setting another one, every 3 s for ever.
func TestAnActivityEndsOnce(t *testing.T) {
	t.Parallel()
	a, b := startPair(t, redistest.Start(t).URL())
	ada := a.as("ada")
	ada.beat("session-1")
	ada.must("PUT", "/v1/contacts/ben", "")
	w := b.as("ben").watch("ada", "canary")
	for _, target := range []string{"/docs/7", "/docs/8"} {
		ada.must("PUT", "/v1/presence/activity", fmt.Sprintf(`{"sessionId":"session-1","type":"viewing","target":%q,"ttlMs":1500}`, target))
		if p := w.told("ada", "online"); p.Activity == nil || *p.Activity.Target != target {
			t.Errorf("she is told to do %s", show(p))
		}
	}
	if p := w.told("ada", "online"); p.Activity != nil {
		t.Errorf("and then %s", show(p))
	}
	quiet(time.Now().Add(3*time.Second).UnixMicro(), a.as("canary"), w)
}

// In a seed whoever looks at another window is away at once.
func TestWhoLooksAtAnotherWindowIsNotAwayUntilHeIsIdle(t *testing.T) {
	t.Parallel()
	a, b := startPair(t, redistest.Start(t).URL(), "PRESENTLY_IDLE_AFTER=60s", "PRESENTLY_TTL=30s", "PRESENTLY_HEARTBEAT=10s")
	seen := a.as("ada").beat("session-1", `"visibility":"visible"`)
	w := b.as("eve").watch("ada", "canary")
	hidden := a.as("ada").beat("session-1", `"visibility":"hidden"`)
	b.as("ada").beat("session-1", `"visibility":"hidden"`, `"idleMs":59000`)
	quiet(time.Now().UnixMicro(), a.as("canary"), w)
	if got := b.as("eve").see("ada"); got.Status != "online" {
		t.Errorf("behind another window she is %s", show(got))
	}
	// Browsers let hidden pages beat once a minute at most, so they are believed for longer.
	if seen.TTLMs != 30_000 || hidden.TTLMs != 50_000 {
		t.Errorf("believed for %d ms, hidden for %d ms", seen.TTLMs, hidden.TTLMs)
	}
	b.as("ada").beat("session-1", `"visibility":"hidden"`, `"idleMs":60000`)
	w.told("ada", "away")
	a.as("ada").beat("session-1", `"visibility":"hidden"`, `"idleMs":0`) // input of another kind, such as in a call
	w.told("ada", "online")
}

// The messages of a seed say who they are from, and servers believe it; they say when, and their readers go by it.
func TestNobodySpeaksForAnother(t *testing.T) {
	t.Parallel()
	a, b := startPair(t, redistest.Start(t).URL())
	for _, more := range []string{`"userId":"ben"`, `"timestamp":1795340465001`, `"lastSeen":"2020-01-01T00:00:00.000Z"`} {
		a.as("mallory").refused(http.StatusBadRequest, "validation_failed", "POST", "/v1/presence/heartbeat", beatBody("session-1", more))
	}
	a.as("ben").enter("session-1", "lobby")
	a.as("mallory").refused(http.StatusConflict, "no_session", "PUT", "/v1/rooms/lobby/typing", `{"sessionId":"session-1"}`)
	a.as("mallory").must("DELETE", "/v1/presence/me/sessions/session-1", "") // her own, of which there is none
	b.as("eve").finds("lobby", 1, "ben")
	a.as("mallory").refused(http.StatusForbidden, "insufficient_scope", "PUT", "/v1/admin/presence/ben", `{}`)
}

// Seeds tell everybody of everything. Here a stream tells what it was opened for.
func TestAStreamTellsNothingThatItDoesNotWatch(t *testing.T) {
	t.Parallel()
	a, b := startPair(t, redistest.Start(t).URL())
	w := b.as("eve").watchThat("room=lobby&user=canary")
	a.as("ada").enter("session-1", "attic")
	a.as("ada").types("session-1", "attic")
	a.as("ada").choose("dnd")
	quiet(time.Now().Add(time.Second).UnixMicro(), a.as("canary"), w)
	if strings.Contains(w.text(), "ada") {
		t.Errorf("it tells of ada:\n%s", w.text())
	}
}

// docs/seeds.md says of every capability of the seeds which test proves it.
func TestThePageOfTheSeedsNamesTestsThatAreThere(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/seeds.md")
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`([\\w/]+_test\\.go):(Test\\w+)`").FindAllStringSubmatch(string(page), -1)
	if len(named) < 100 {
		t.Errorf("only %d tests are named", len(named))
	}
	for _, n := range named {
		file, err := os.ReadFile("../" + n[1])
		if err != nil || !strings.Contains(string(file), "\nfunc "+n[2]+"(t *testing.T)") {
			t.Errorf("there is no %s in %s (%v)", n[2], n[1], err)
		}
	}
	for _, n := range regexp.MustCompile("`(client/[\\w/.]+\\.tsx?)(?:: ([^`]+))?`").FindAllStringSubmatch(string(page), -1) {
		file, err := os.ReadFile("../" + n[1])
		begins := regexp.MustCompile(`(?:test|describe)\('` + regexp.QuoteMeta(n[2]) + `'`)
		if err != nil || n[2] == "" || !begins.Match(file) {
			t.Errorf("there is no %q in %s (%v)", n[2], n[1], err)
		}
	}
	if strings.Contains(string(page), "issue ") {
		t.Error("a row waits for an issue: it has no test")
	}
}
