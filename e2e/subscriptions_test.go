package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/presently/presently/api"
	"github.com/presently/presently/internal/redistest"
)

const subscriptions = "/v1/subscriptions"

func (p *person) subscribe(body string) api.Subscription {
	p.at.t.Helper()
	return decode[api.Subscription](p.at.t, p.must("POST", subscriptions, body).body)
}

func (p *person) change(sub api.Subscription, body string) api.Subscription {
	p.at.t.Helper()
	return decode[api.Subscription](p.at.t, p.must("PATCH", subscriptions+"/"+sub.ID, body).body)
}

// follow opens the stream of a subscription as EventSource does, by its address alone, and reads its hello.
func (i *instance) follow(sub api.Subscription, lastID string) *watching {
	i.t.Helper()
	w := (&person{at: i}).openAt(sub.StreamURL, lastID)
	if id := w.hello.SubscriptionID; id == nil || *id != sub.ID {
		i.t.Fatalf("a stream of %s was to be opened, and says %+v", sub.ID, w.hello)
	}
	return w
}

// followed is follow up to the snapshot.
func (i *instance) followed(sub api.Subscription) *watching {
	i.t.Helper()
	w := i.follow(sub, "")
	w.snapshot()
	return w
}

// part reads the next event, which has to be a snapshot of this scope.
func (w *watching) part(scope api.SnapshotScope) api.SnapshotEvent {
	w.t.Helper()
	s := decode[api.SnapshotEvent](w.t, []byte(w.await("snapshot").data))
	if s.Scope != scope {
		w.t.Fatalf("a snapshot of scope %s where %s was to come:\n%s", s.Scope, scope, w.text())
	}
	return s
}

// lasting is somebody whose token lasts so long.
func (i *instance) lasting(user string, d time.Duration) *person {
	return &person{at: i, user: user, token: sign(i.t, user, d)}
}

func TestASubscriptionMadeAtOneInstanceOpensAStreamAtTheOther(t *testing.T) {
	t.Parallel()
	a, b := startPair(t, redistest.Start(t).URL())
	a.as("ada").enter("session-1", "lobby")
	eve := a.as("eve")
	sub := eve.subscribe(`{"users":["ben"],"rooms":["lobby"]}`)
	w := b.followed(sub)
	if w.in("ben").Status != "offline" || !slices.Equal(names(w.first.Rooms["lobby"].Members), []string{"ada"}) || len(w.first.Presences) != 1 {
		t.Errorf("the snapshot has %+v", w.first)
	}
	a.as("ben").beat("session-1")
	w.told("ben", "online")
	if got := decode[api.Subscription](t, b.as("eve").must("GET", subscriptions+"/"+sub.ID, "").body); got.Ticket != sub.Ticket || got.StreamURL != sub.StreamURL {
		t.Errorf("at the other instance it is %+v, and was made as %+v", got, sub)
	}
	b.as("mallory").refused(http.StatusNotFound, "not_found", "GET", subscriptions+"/"+sub.ID, "")
	b.as("mallory").refused(http.StatusNotFound, "not_found", "DELETE", subscriptions+"/"+sub.ID, "")
	nobody := &person{at: b}
	for _, path := range []string{"/v1/presence/ben", "/v1/rooms/lobby/presence", "/v1/stream/selftest", "/v1/presence/me"} {
		nobody.refused(http.StatusUnauthorized, "missing_token", "GET", path+"?ticket="+url.QueryEscape(sub.Ticket), "")
	}
}

func TestAChangeAtOneInstanceChangesTheOpenStreamAtTheOther(t *testing.T) {
	t.Parallel()
	a, b := startPair(t, redistest.Start(t).URL())
	a.as("ada").enter("session-1", "lobby")
	a.as("ada").types("session-1", "lobby", `"ttlMs":30000`)
	b.as("ben").beat("session-1")
	eve := a.as("eve")
	sub := eve.subscribe(`{"users":["canary"]}`)
	w := b.followed(sub)

	eve.change(sub, `{"addUsers":["ben"],"addRooms":["lobby","attic"]}`)
	added := w.part("added")
	if !slices.Equal(names(added.Presences), []string{"ben"}) || len(added.Rooms) != 2 || added.Rooms["lobby"].Count != 1 || len(added.Typing["lobby"]) != 1 {
		t.Errorf("added is %+v", added)
	}
	a.as("ben").choose("busy")
	w.told("ben", "busy")
	b.as("ben").enter("session-1", "lobby")
	w.moved("ben", "", 2)

	// Without the user he is still a member; without the room too, he is heard of no more. The canary comes after all that was to come of him.
	eve.change(sub, `{"removeUsers":["ben"]}`)
	quiet(time.Now().UnixMicro(), b.as("canary"), w)
	a.as("ben").choose("dnd")
	w.told("ben", "dnd")
	eve.change(sub, `{"removeRooms":["lobby"],"addUsers":["dan"]}`)
	w.part("added")
	a.as("ben").choose("online")
	b.as("cyd").enter("session-1", "lobby")
	quiet(time.Now().UnixMicro(), b.as("canary"), w)
	b.as("cyd").enter("session-1", "attic")
	w.moved("cyd", "", 1)
	if got := eve.change(sub, `{}`); !slices.Equal(got.Users, []string{"canary", "dan"}) || !slices.Equal(got.Rooms, []string{"attic"}) {
		t.Errorf("in the end it watches %+v", got)
	}
}

func TestAQuietStreamSaysNothingAndCatchesUpOnceWhicheverInstanceIsTold(t *testing.T) {
	t.Parallel()
	a, b := startPair(t, redistest.Start(t).URL())
	a.as("ada").enter("session-1", "lobby")
	b.as("ben").beat("session-1")
	eve := a.as("eve")
	sub := eve.subscribe(`{"users":["ben","dan","canary"],"rooms":["lobby"]}`)
	w, live := b.followed(sub), b.as("eve").watch("canary")
	eve.change(sub, `{"mode":"quiet"}`)
	// It is quiet from when the canary is not told to it any more.
	waitUntil(t, "the stream is quiet", func() bool {
		since := time.Now()
		quiet(since.Add(600*time.Millisecond).UnixMicro(), a.as("canary"), live) // more than a flush
		return w.newest("canary").Rev < since.UnixMicro()
	})
	w.skip()
	for _, status := range []string{"busy", "dnd", "away"} {
		a.as("ben").choose(status)
	}
	b.as("cyd").enter("session-1", "lobby")
	a.as("cyd").types("session-1", "lobby", `"ttlMs":30000`)
	quiet(time.Now().Add(time.Second).UnixMicro(), a.as("canary"), live)
	eve.change(sub, `{"mode":"live"}`)
	back := w.part("changed")
	if who := names(back.Presences); !slices.Equal(who, []string{"ben", "canary"}) && !slices.Equal(who, []string{"ben"}) || w.newest("ben").Status != "away" {
		t.Errorf("of people it catches up with %+v", back.Presences)
	}
	if lobby := back.Rooms["lobby"]; !slices.Equal(names(lobby.Members), []string{"ada", "cyd"}) || len(back.Typing["lobby"]) != 1 {
		t.Errorf("of the lobby it catches up with %+v, and %+v typing", lobby, back.Typing)
	}
	quiet(time.Now().UnixMicro(), a.as("canary"), w)
	b.as("ben").choose("dnd")
	w.told("ben", "dnd")
}

// skip passes over what has come.
func (w *watching) skip() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.next = len(w.events)
}

func TestRenewingAtOneInstanceLetsTheOpenStreamAtTheOtherLiveOn(t *testing.T) {
	t.Parallel()
	a, b := startPair(t, redistest.Start(t).URL())
	const short = 8 * time.Second
	renewed := a.lasting("eve", short).subscribe(`{"users":["ben"]}`)
	left := a.lasting("eve", short).subscribe(`{"users":["ben"]}`)
	w, ends := b.followed(renewed), b.followed(left)
	for sub, w := range map[*api.Subscription]*watching{&renewed: w, &left: ends} {
		if e := decode[api.TokenExpiringEvent](t, []byte(w.await("tokenExpiring").data)); e.ExpiresAt != sub.ExpiresAt {
			t.Errorf("it ends at %s, and says %s", sub.ExpiresAt, e.ExpiresAt)
		}
	}
	fresh := a.as("eve")
	a.as("mallory").refused(http.StatusNotFound, "not_found", "POST", subscriptions+"/"+renewed.ID+"/renew", "")
	again := decode[api.Subscription](t, fresh.must("POST", subscriptions+"/"+renewed.ID+"/renew", "").body)
	if again.Ticket != renewed.Ticket || micros(t, again.ExpiresAt) <= micros(t, renewed.ExpiresAt) {
		t.Errorf("renewed, it is %+v, and was %+v", again, renewed)
	}
	if e := decode[api.ReconnectEvent](t, []byte(ends.await("reconnect").data)); e.Reason != "tokenExpired" {
		t.Errorf("the one that was left ends by %+v", e)
	}
	waitUntil(t, "the first expiry is over by a second", func() bool { return time.Now().UnixMicro() > micros(t, renewed.ExpiresAt)+1e6 })
	a.as("ben").beat("session-1")
	w.told("ben", "online")
	nobody := &person{at: a}
	for _, i := range []*instance{a, b} {
		nobody.at = i
		nobody.refused(http.StatusGone, "subscription_gone", "GET", left.StreamURL, "")
		i.as("eve").refused(http.StatusGone, "subscription_gone", "POST", subscriptions+"/"+left.ID+"/renew", "")
	}
}

// A minute ahead, so that there is time to get a fresh token.
func TestAStreamSaysAMinuteAheadThatItsTokenEnds(t *testing.T) {
	t.Parallel()
	a, b := startPair(t, redistest.Start(t).URL())
	sub := a.lasting("eve", 63*time.Second).subscribe(`{"users":["ben"]}`)
	for _, w := range []*watching{b.followed(sub), b.lasting("eve", 63*time.Second).watch("ben")} {
		e := w.await("tokenExpiring")
		if ahead := micros(t, decode[api.TokenExpiringEvent](t, []byte(e.data)).ExpiresAt) - e.at.UnixMicro(); ahead > 60_100_000 {
			t.Errorf("it is told %d µs ahead", ahead)
		}
	}
}

func TestDeletingAtOneInstanceEndsTheStreamAtTheOther(t *testing.T) {
	t.Parallel()
	a, b := startPair(t, redistest.Start(t).URL())
	sub := a.as("eve").subscribe(`{"users":["ben"],"rooms":["lobby"]}`)
	streams := []*watching{a.followed(sub), b.followed(sub)}
	b.as("eve").must("DELETE", subscriptions+"/"+sub.ID, "")
	for _, w := range streams {
		if p := decode[api.Problem](t, []byte(w.await("problem").data)); p.Code != "subscription_gone" || p.Final == nil || !*p.Final {
			t.Errorf("it ends by %+v", p)
		}
		if e, open := w.take(); open {
			t.Errorf("%s %s after the end", e.name, e.data)
		}
	}
	for _, i := range []*instance{a, b} {
		(&person{at: i}).refused(http.StatusGone, "subscription_gone", "GET", sub.StreamURL, "")
		i.as("eve").refused(http.StatusGone, "subscription_gone", "GET", subscriptions+"/"+sub.ID, "")
		i.as("eve").refused(http.StatusGone, "subscription_gone", "PATCH", subscriptions+"/"+sub.ID, `{"addUsers":["ada"]}`)
	}
}

// A ticket is worth as much as a token, so it is to be found neither in Redis nor in a log.
func TestATicketIsKeptNowhere(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	a, b := startPair(t, server.URL())
	said := mentions(t, server, []string{"sub:"}, func() {
		sub := a.as("eve").subscribe(`{"users":["ben"],"rooms":["lobby"]}`)
		w := b.followed(sub)
		a.as("eve").change(sub, `{"addUsers":["ada"]}`)
		w.part("added")
		a.as("eve").must("POST", subscriptions+"/"+sub.ID+"/renew", "")
		_, proof, cut := strings.Cut(sub.Ticket, ".")
		if !cut || len(proof) < 16 {
			t.Fatalf("what is secret in %q?", sub.Ticket)
		}
		kept := contentOf(t, server.Client(t))
		if !strings.Contains(kept, sub.ID) {
			t.Errorf("the subscription itself is not found in %s", kept)
		}
		for where, text := range map[string]string{"Redis": kept, "A's log": a.program.log.String(), "B's log": b.program.log.String()} {
			if strings.Contains(text, proof) {
				t.Errorf("the ticket %s is in %s:\n%s", sub.Ticket, where, text)
			}
		}
		t.Cleanup(func() {
			if strings.Contains(a.program.log.String()+b.program.log.String(), proof) {
				t.Errorf("the ticket is in a log in the end")
			}
		})
	})
	if len(said) == 0 {
		t.Error("MONITOR has heard nothing of a subscription")
	}
}

// contentOf is every key of a Redis with all that it holds.
func contentOf(t testing.TB, c *redis.Client) string {
	t.Helper()
	var all strings.Builder
	keys := c.Scan(t.Context(), 0, "*", 1000).Iterator()
	for keys.Next(t.Context()) {
		key := keys.Val()
		kind, err := c.Type(t.Context(), key).Result()
		if err != nil {
			t.Fatal(err)
		}
		var held any
		switch kind {
		case "string":
			held, err = c.Get(t.Context(), key).Result()
		case "hash":
			held, err = c.HGetAll(t.Context(), key).Result()
		case "zset":
			held, err = c.ZRangeWithScores(t.Context(), key, 0, -1).Result()
		case "none": // it has ended meanwhile
		default:
			t.Fatalf("%s is a %s, of which this test knows nothing", key, kind)
		}
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&all, "%s: %v\n", key, held)
	}
	if err := keys.Err(); err != nil {
		t.Fatal(err)
	}
	return all.String()
}

func TestASubscriptionIsResumedAtTheOtherInstanceWithItsRooms(t *testing.T) {
	t.Parallel()
	a, b := startPair(t, redistest.Start(t).URL())
	a.as("ada").enter("session-1", "lobby", "attic")
	b.as("ben").enter("session-1", "lobby")
	eve := a.as("eve")
	sub := eve.subscribe(`{"users":["ada","ben","canary"],"rooms":["lobby","attic"]}`)
	w := a.followed(sub)
	quiet(time.Now().Add(time.Second).UnixMicro(), b.as("canary"), w)
	id := w.lastID()
	w.close()
	b.as("ben").choose("dnd")
	b.as("cyd").enter("session-1", "attic")
	again := b.follow(sub, id)
	again.snapshot()
	if first := again.first; !again.hello.Resumed || first.Scope != "changed" || len(first.Rooms) != 1 || !slices.Equal(names(first.Rooms["attic"].Members), []string{"ada", "cyd"}) {
		t.Errorf("what has changed is the attic:\n%s", again.text())
	}
	who := slices.DeleteFunc(names(again.first.Presences), func(u string) bool { return u == "canary" }) // who may have changed after the last beacon
	if !slices.Equal(who, []string{"ben"}) || again.in("ben").Status != "dnd" {
		t.Errorf("who has changed is ben:\n%s", again.text())
	}
	id = again.lastID()
	again.close()
	eve.change(sub, `{"removeUsers":["ada"]}`) // what is watched is no longer what the id was of
	third := b.follow(sub, id)
	third.snapshot()
	if third.hello.Resumed || third.first.Scope != "all" {
		t.Errorf("resumed with another list:\n%s", third.text())
	}
}

func TestAThousandUsersAndFiftyRoomsAreWatchedByOneSubscription(t *testing.T) {
	t.Parallel()
	a, b := startPair(t, redistest.Start(t).URL())
	var users, rooms []string
	for n := range 1000 {
		users = append(users, fmt.Sprintf("user-%03d", n))
	}
	for n := range 50 {
		rooms = append(rooms, fmt.Sprintf("room-%02d", n))
	}
	body, err := json.Marshal(map[string]any{"users": users, "rooms": rooms})
	if err != nil {
		t.Fatal(err)
	}
	sub := a.as("eve").subscribe(string(body))
	w := b.follow(sub, "")
	var told, in []string
	for last := false; !last; {
		e := w.await("snapshot")
		s := decode[api.SnapshotEvent](t, []byte(e.data))
		told = append(told, names(s.Presences)...)
		for room := range s.Rooms {
			in = append(in, room)
		}
		last = s.Part == s.Parts
		if !last && e.id != "" {
			t.Errorf("who breaks off after part %d of %d would miss the rest, for it has the id %q", s.Part, s.Parts, e.id)
		}
	}
	slices.Sort(told)
	slices.Sort(in)
	if !slices.Equal(told, users) || !slices.Equal(in, rooms) {
		t.Errorf("told of %d users and %d rooms: %q %q", len(told), len(in), told, in)
	}
	a.as("user-999").enter("session-1", "room-49")
	w.apart("presence", "room")
	a.as("eve").refused(http.StatusBadRequest, "validation_failed", "PATCH", subscriptions+"/"+sub.ID, `{"addUsers":["one-too-many"]}`)
	a.as("eve").refused(http.StatusBadRequest, "validation_failed", "PATCH", subscriptions+"/"+sub.ID, `{"addRooms":["one-too-many"]}`)
}

// EventSource gives up for ever on any status but 200, and a ticket is what it comes with.
func TestATicketThatOpensNothingSaysSoToEventSource(t *testing.T) {
	t.Parallel()
	a, b := startPair(t, redistest.Start(t).URL())
	sub := a.as("eve").subscribe(`{"users":["ben"]}`)
	a.as("eve").must("DELETE", subscriptions+"/"+sub.ID, "")
	for name, ticket := range map[string]string{
		"one that has ended": sub.Ticket, "none": "nonsense", "one that is wrong in the end": sub.Ticket[:len(sub.Ticket)-2] + "AA",
	} {
		r := b.curl("GET", "/v1/stream?errors=stream&ticket="+url.QueryEscape(ticket))
		for _, part := range []string{"retry: ", "event: problem\n", `"code":"subscription_gone"`, `"final":true`} {
			if r.status != http.StatusOK || !strings.Contains(string(r.body), part) {
				t.Errorf("%s: %d without %s:\n%s", name, r.status, part, r.body)
			}
		}
		if r := b.curl("GET", "/v1/stream?ticket="+url.QueryEscape(ticket)); r.status != http.StatusGone {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
	}
}

// Where a proxy collects what streams say, the five come together at the end.
func TestTheSelftestComesEventByEvent(t *testing.T) {
	t.Parallel()
	i := start(t, "PRESENTLY_JWT_SECRET="+secret)
	request, err := http.NewRequestWithContext(t.Context(), "GET", i.url+"/v1/stream/selftest", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+sign(t, "eve", time.Hour))
	response, err := i.client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	w := follow(t, func() {}, response.Body)
	var at []time.Time
	for n := range 5 {
		e := w.await("selftest")
		if got := decode[api.SelftestEvent](t, []byte(e.data)); got.N != int64(n+1) || got.Of != 5 {
			t.Errorf("%d: %s", n, e.data)
		}
		at = append(at, e.at)
	}
	if took := at[4].Sub(at[0]); took < 3*time.Second {
		t.Errorf("all five within %v: %v", took, at)
	}
	if e, open := w.take(); open {
		t.Errorf("%s after the fifth", e.name)
	}
}

// counting is somebody whose token has the scope presence:stats.
func (i *instance) counting() *person {
	return &person{at: i, user: "counting", token: signClaims(i.t, "counting", time.Hour, map[string]any{"scope": "presence:stats"})}
}

func TestStatisticsAndTheListOfWhoIsOnlineAreOfAllInstances(t *testing.T) {
	t.Parallel()
	a, b := startPair(t, redistest.Start(t).URL())
	at := []*instance{a, b}
	var users []string
	for n := range 9 {
		users = append(users, fmt.Sprint("user-", n))
		at[n%2].as(users[n]).enter("session-1", fmt.Sprint("room-", n%3))
	}
	b.as("user-0").beat("session-2")
	a.as("hidden").beat("session-1")
	a.as("hidden").choose("invisible")
	a.as("gone").beat("session-1")
	b.as("gone").must("DELETE", "/v1/presence/me/sessions/session-1", "")
	streams := []*watching{a.as("eve").watch("user-0"), b.as("eve").watch("user-0"), b.as("dan").watchThat("room=room-0")}
	want := api.Stats{Users: 9, Sessions: 10, Rooms: 3, Streams: 3}
	stats := func(i *instance) api.Stats {
		return decode[api.Stats](t, i.counting().must("GET", "/v1/stats", "").body)
	}
	for _, i := range at {
		waitUntil(t, "the streams of both are counted", func() bool { return stats(i).Streams == want.Streams })
		if got := stats(i); got != want {
			t.Errorf("statistics: %+v, want %+v", got, want)
		}
	}
	streams[1].close()
	waitUntil(t, "A knows that a stream of B has ended", func() bool { return stats(a).Streams == 2 })
	b.kill()
	waitUntil(t, "the streams of an instance that is dead are no longer counted", func() bool { return stats(a).Streams == 1 })
	a.as("eve").refused(http.StatusForbidden, "insufficient_scope", "GET", "/v1/stats", "")
}

func TestPagesOfWhoIsOnlineGoOnAtTheOtherInstance(t *testing.T) {
	t.Parallel()
	a, b := startPair(t, redistest.Start(t).URL())
	at := []*instance{a, b}
	var users []string
	for n := range 11 {
		users = append(users, fmt.Sprint("user-", 10+n))
		at[n%2].as(users[n]).beat("session-1")
	}
	a.as("hidden").beat("session-1")
	a.as("hidden").choose("invisible")
	var found []string
	pages := 0
	for query := "?limit=4"; query != ""; pages++ {
		page := decode[api.OnlinePage](t, at[pages%2].admin("backend").must("GET", "/v1/admin/online"+query, "").body)
		if page.Count != 11 || len(page.Presences) > 4 {
			t.Errorf("page %d: %+v", pages, page)
		}
		found = append(found, names(page.Presences)...)
		query = ""
		if page.Cursor != nil {
			query = "?limit=4&cursor=" + url.QueryEscape(*page.Cursor)
		}
	}
	slices.Sort(found)
	if !slices.Equal(found, users) || pages != 3 {
		t.Errorf("%d pages show %q, want %q", pages, found, users)
	}
	b.as("eve").refused(http.StatusForbidden, "insufficient_scope", "GET", "/v1/admin/online", "")
}
