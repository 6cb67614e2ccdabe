package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/presently/presently/api"
	"github.com/presently/presently/internal/redistest"
)

func roomPath(room string) string { return "/v1/rooms/" + url.PathEscape(room) }

// enter beats a session that is in just these rooms.
func (p *person) enter(session string, rooms ...string) api.BeatAnswer {
	p.at.t.Helper()
	list, err := json.Marshal(append([]string{}, rooms...))
	if err != nil {
		p.at.t.Fatal(err)
	}
	return p.beat(session, `"rooms":`+string(list))
}

// refused sends a request that has to be refused, with this code.
func (p *person) refused(status int, code api.ProblemCode, method, path, body string) {
	p.at.t.Helper()
	r, err := p.ask(soon(p.at.t), method, path, body)
	if err != nil || r.status != status || decode[api.Problem](p.at.t, r.body).Code != code {
		p.at.t.Fatalf("%s: %s %s: %d %s (%v), want %d %s", p.user, method, path, r.status, r.body, err, status, code)
	}
}

// holding is somebody whose token grants some rooms alone.
func (i *instance) holding(user string, globs ...string) *person {
	return &person{at: i, user: user, token: signClaims(i.t, user, time.Hour, map[string]any{"rooms": globs})}
}

func (p *person) pageOf(room, query string) api.RoomMembers {
	p.at.t.Helper()
	return decode[api.RoomMembers](p.at.t, p.must("GET", roomPath(room)+"/presence"+query, "").body)
}

func (p *person) countIn(room string) api.RoomCount {
	p.at.t.Helper()
	return decode[api.RoomCount](p.at.t, p.must("GET", roomPath(room)+"/count", "").body)
}

func (p *person) roomsOf(user string) []string {
	p.at.t.Helper()
	return decode[api.RoomList](p.at.t, p.must("GET", "/v1/users/"+url.PathEscape(user)+"/rooms", "").body).Rooms
}

// finds asks for a room by page and by number.
func (p *person) finds(room string, sessions int64, users ...string) {
	p.at.t.Helper()
	page := p.pageOf(room, "")
	if got := names(page.Members); !slices.Equal(got, users) || page.Count != int64(len(users)) || page.Truncated {
		p.at.t.Fatalf("%s finds %q in %s (count %d), want %q", p.user, got, room, page.Count, users)
	}
	if got, want := p.countIn(room), (api.RoomCount{Users: int64(len(users)), Sessions: sessions}); got != want {
		p.at.t.Fatalf("%s counts %+v in %s, want %+v", p.user, got, room, want)
	}
	for _, u := range users {
		if got := p.roomsOf(u); !slices.Contains(got, room) {
			p.at.t.Fatalf("%s finds %s in %q, but not in %s", p.user, u, got, room)
		}
	}
}

// names are those of a list, in order.
func names(list []api.Presence) []string {
	all := []string{}
	for _, p := range list {
		all = append(all, p.UserID)
	}
	slices.Sort(all)
	return all
}

// moved reads the next event, which has to say who came into a room and who went.
func (w *watching) moved(joined, left string, count int64) api.RoomEvent {
	w.t.Helper()
	e := decode[api.RoomEvent](w.t, []byte(w.await("room").data))
	if strings.Join(names(e.Joined), " ") != joined || strings.Join(e.Left, " ") != left || e.Count != count || e.Members != nil {
		w.t.Fatalf("%+v came where %q was to come and %q to go, which makes %d:\n%s", e, joined, left, count, w.text())
	}
	return e
}

// crowd is what a client makes of the events of one room.
type crowd struct {
	members map[string]bool // nil: too many to be told by name
	count   int64
	rev     int64
}

// learn takes in one event, as the contract says that a client does.
func (c *crowd) learn(t testing.TB, room string, e event) {
	t.Helper()
	switch e.name {
	case "snapshot":
		if state, ok := decode[api.SnapshotEvent](t, []byte(e.data)).Rooms[room]; ok {
			c.members, c.count, c.rev = map[string]bool{}, state.Count, state.Rev
			c.add(state.Members)
			if c.count > int64(len(c.members)) {
				c.members = nil
			}
		}
	case "room":
		told := decode[api.RoomEvent](t, []byte(e.data))
		if told.Room != room {
			return
		}
		if told.Rev <= c.rev {
			t.Errorf("the rev of %s does not grow over %d: %s", room, c.rev, e.data)
		}
		c.count, c.rev = told.Count, told.Rev
		switch {
		case told.Members != nil:
			c.members = map[string]bool{}
			c.add(told.Members)
		case told.Joined == nil && told.Left == nil:
			c.members = nil
			return
		}
		c.add(told.Joined)
		for _, u := range told.Left {
			delete(c.members, u)
		}
		if int64(len(c.members)) != c.count {
			t.Errorf("the count %d is not that of %d members: %s", c.count, len(c.members), e.data)
		}
	}
}

func (c *crowd) add(list []api.Presence) {
	for _, p := range list {
		c.members[p.UserID] = true
	}
}

// fills reads on until the room has so many members.
func (w *watching) fills(room string, count int64) *crowd {
	w.t.Helper()
	w.mu.Lock()
	seen := slices.Clone(w.events[:w.next])
	w.mu.Unlock()
	c := &crowd{}
	for _, e := range seen {
		c.learn(w.t, room, e)
	}
	for c.count != count {
		e, ok := w.take()
		if !ok {
			w.t.Fatalf("the stream has ended with %d in %s, and %d were to be there", c.count, room, count)
		}
		c.learn(w.t, room, e)
	}
	return c
}

func TestWhoComesByABeatAtOneInstanceIsInTheRoomAtTheOther(t *testing.T) {
	t.Parallel()
	a, b := startPair(t, redistest.Start(t).URL())
	streams := []*watching{a.as("eve").watchThat("room=lobby"), b.as("eve").watchThat("room=lobby")}
	for _, w := range streams {
		if lobby, named := w.first.Rooms["lobby"]; !named || lobby.Count != 0 || len(lobby.Members) != 0 {
			t.Errorf("nobody is there yet: %+v", w.first)
		}
	}
	a.as("ada").enter("session-1", "lobby", "attic")
	for _, w := range streams {
		if e := w.moved("ada", "", 1); e.Joined[0].Status != "online" || *e.Joined[0].Profile.Name != "ADA" {
			t.Errorf("she comes as %+v", e.Joined[0])
		}
	}
	b.as("eve").finds("lobby", 1, "ada")
	if got := b.as("eve").roomsOf("ada"); !slices.Equal(got, []string{"attic", "lobby"}) {
		t.Errorf("ada is in %q", got)
	}

	// Who watches a room hears how its members are.
	a.as("ada").choose("dnd")
	for _, w := range streams {
		w.told("ada", "dnd")
	}
	a.as("ada").beat("session-1", `"device":"web"`) // which says nothing of rooms
	b.as("ben").enter("session-1", "lobby")
	for _, w := range streams {
		w.moved("ben", "", 2)
	}
	late := b.as("late").watchThat("room=lobby")
	if lobby := late.first.Rooms["lobby"]; !slices.Equal(names(lobby.Members), []string{"ada", "ben"}) || lobby.Count != 2 {
		t.Errorf("the snapshot has %+v", lobby)
	}

	// What a beat does not name is left; the people stay who they are.
	a.as("ada").enter("session-1", "attic")
	for _, w := range streams {
		w.moved("", "ada", 1)
	}
	a.as("eve").finds("lobby", 1, "ben")
	b.as("eve").finds("attic", 1, "ada")
	if got := b.as("eve").see("ada"); got.Status != "dnd" {
		t.Errorf("whoever leaves a room has not left: %s", show(got))
	}
	b.as("ada").enter("session-1")
	if got := a.as("eve").roomsOf("ada"); len(got) > 0 {
		t.Errorf("ada is in %q", got)
	}
}

func TestWhoComesByPutAtOneInstanceGoesByDeleteAtTheOther(t *testing.T) {
	t.Parallel()
	a, b := startPair(t, redistest.Start(t).URL())
	streams := []*watching{a.as("eve").watchThat("room=lobby"), b.as("eve").watchThat("room=lobby")}
	const door = "/v1/rooms/lobby/members/me"
	a.as("ada").refused(http.StatusConflict, "no_session", "PUT", door+"?sessionId=session-1", "")
	b.as("ada").beat("session-1")
	for range 2 {
		a.as("ada").must("PUT", door+"?sessionId=session-1", "") // twice is no fault, and no news
		a.as("ada").must("PUT", door+"?sessionId=session-1", "")
		for _, w := range streams {
			w.moved("ada", "", 1)
		}
		b.as("eve").finds("lobby", 1, "ada")
		b.as("ada").must("DELETE", door, "")
		b.as("ada").must("DELETE", door, "")
		for _, w := range streams {
			w.moved("", "ada", 0)
		}
		a.as("eve").finds("lobby", 0)
	}
}

func TestARoomThatTheTokenDoesNotGrantIsRefusedAndTheBeatCounts(t *testing.T) {
	t.Parallel()
	a, b := startPair(t, redistest.Start(t).URL())
	w := b.as("eve").watchThat("room=team-a&room=lobby&user=ada")
	ada := a.holding("ada", "team-*", "hall")
	answer := ada.enter("session-1", "lobby", "team-a", "team")
	if !slices.Equal(answer.RefusedRooms, []string{"lobby", "team"}) || answer.Presence.Status != "online" {
		t.Errorf("the beat is answered %+v", answer)
	}
	for range 2 { // she comes, and comes into the one room
		switch e, _ := w.take(); e.name {
		case "presence", "room":
			if strings.Contains(e.data, "lobby") || !strings.Contains(e.data, "ada") {
				t.Errorf("%s %s", e.name, e.data)
			}
		default:
			t.Fatalf("%s:\n%s", e.name, w.text())
		}
	}
	b.as("eve").finds("team-a", 1, "ada")
	b.as("eve").finds("lobby", 0)
	ada = b.holding("ada", "team-*", "hall")
	for _, request := range []string{
		"PUT /v1/rooms/lobby/members/me?sessionId=session-1", "GET /v1/rooms/lobby/presence", "GET /v1/rooms/lobby/count", "GET /v1/rooms/lobby/typing",
		"GET /v1/stream?room=team-a&room=lobby",
	} {
		method, path, _ := strings.Cut(request, " ")
		ada.refused(http.StatusForbidden, "room_not_granted", method, path, "")
	}
	ada.refused(http.StatusForbidden, "room_not_granted", "PUT", "/v1/rooms/lobby/typing", `{"sessionId":"session-1"}`)
	ada.refused(http.StatusForbidden, "room_not_granted", "POST", "/v1/subscriptions", `{"rooms":["team-a","lobby"]}`)
	b.as("ben").enter("session-1", "team-a", "lobby")
	if got := ada.roomsOf("ben"); !slices.Equal(got, []string{"team-a"}) {
		t.Errorf("of ben's rooms ada may see %q", got)
	}
}

func TestTwoDevicesInARoomAreOneMember(t *testing.T) {
	t.Parallel()
	a, b := startPair(t, redistest.Start(t).URL())
	streams := []*watching{a.as("eve").watchThat("room=lobby&user=canary"), b.as("eve").watchThat("room=lobby&user=canary")}
	a.as("ada").enter("on-the-web", "lobby")
	for _, w := range streams {
		w.moved("ada", "", 1)
	}
	b.as("ada").enter("on-mobile", "lobby")
	a.as("eve").finds("lobby", 2, "ada")
	a.as("ada").must("DELETE", "/v1/rooms/lobby/members/me?sessionId=on-mobile", "") // the other instance's
	b.as("eve").finds("lobby", 1, "ada")
	b.as("ada").enter("on-mobile", "lobby")
	b.as("ada").must("DELETE", "/v1/presence/me/sessions/on-the-web", "")
	b.as("eve").finds("lobby", 1, "ada")
	quiet(time.Now().UnixMicro(), a.as("canary"), streams...)
	a.as("ada").must("DELETE", "/v1/presence/me/sessions/on-mobile", "")
	for _, w := range streams {
		w.moved("", "ada", 0)
	}
	a.as("eve").finds("lobby", 0)
}

func TestLeavingAndReturningWithinGraceSendsARoomNotAByte(t *testing.T) {
	t.Parallel()
	const grace = 6 * time.Second
	a, b := startPair(t, redistest.Start(t).URL(), "PRESENTLY_GRACE="+grace.String(), "PRESENTLY_SWEEP=100ms")
	page := a.as("ada").enter("first-page", "lobby")
	streams := []*watching{a.as("eve").watchThat("room=lobby&user=canary"), b.as("eve").watchThat("room=lobby&user=canary")}
	returns := func(left time.Time, again api.BeatAnswer) {
		t.Helper()
		if back := micros(t, again.Session.LastBeatAt); back-left.UnixMicro() > grace.Microseconds() {
			t.Fatalf("this machine stood still for longer than the grace of %v", grace)
		}
	}
	left := time.Now()
	a.as("ada").leave(page)
	quiet(left.Add(time.Second).UnixMicro(), a.as("canary"), streams...)
	b.as("eve").finds("lobby", 1, "ada") // in her grace she is there
	page = b.as("ada").beat("first-page")
	returns(left, page)

	// A reload: the page goes, and the next one comes, as another session.
	left = time.Now()
	b.as("ada").leave(page)
	returns(left, a.as("ada").enter("second-page", "lobby"))
	quiet(left.Add(grace+time.Second).UnixMicro(), a.as("canary"), streams...)
	b.as("eve").finds("lobby", 1, "ada")

	// And whoever does not return is told once.
	page = a.as("ada").beat("second-page")
	left = time.Now()
	a.as("ada").leave(page)
	for _, w := range streams {
		if e := w.moved("", "ada", 0); e.Rev < left.Add(grace-time.Second).UnixMicro() {
			t.Errorf("she left at %s, and is told to have gone by %+v", left, e)
		}
	}
}

func TestSilenceLeavesTheRoomOnceAndNeverEarly(t *testing.T) {
	t.Parallel()
	a, b := startPair(t, redistest.Start(t).URL(), "PRESENTLY_TTL=3s", "PRESENTLY_SWEEP=100ms")
	streams := []*watching{a.as("eve").watchThat("room=lobby&user=canary"), b.as("eve").watchThat("room=lobby&user=canary")}
	deadlines := map[string]int64{}
	for n := range 12 {
		user := fmt.Sprint("user-", n)
		answer := []*instance{a, b}[n%2].as(user).enter("session-1", "lobby")
		deadlines[user] = micros(t, answer.Session.Deadline)
	}
	for _, w := range streams {
		w.fills("lobby", int64(len(deadlines)))
		for gone := map[string]bool{}; len(gone) < len(deadlines); {
			e := decode[api.RoomEvent](t, []byte(w.await("room").data))
			for _, u := range e.Left {
				if gone[u] || e.Rev < deadlines[u] {
					t.Errorf("%s goes at %d, with the deadline %d:\n%s", u, e.Rev, deadlines[u], w.text())
				}
				gone[u] = true
			}
			if len(e.Joined) > 0 || e.Count != int64(len(deadlines)-len(gone)) {
				t.Errorf("%+v after %d have gone", e, len(gone))
			}
		}
	}
	quiet(time.Now().Add(time.Second).UnixMicro(), a.as("canary"), streams...)
	b.as("eve").finds("lobby", 0)
	if got := a.as("eve").roomsOf("user-0"); len(got) > 0 {
		t.Errorf("who is not here is in %q", got)
	}
}

// kill -9 of the instance that took everybody's beats. Nobody of them has gone, and nobody hears otherwise.
func TestARoomLosesNobodyWithTheInstanceThatTookTheBeats(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	a, b := startPair(t, redis.URL(), "PRESENTLY_TTL=6s", "PRESENTLY_SWEEP=100ms")
	var users []string
	for n := range 20 {
		users = append(users, fmt.Sprint("user-", 10+n))
		a.as(users[n]).enter("session-1", "lobby")
	}
	w := b.as("eve").watchThat("room=lobby&user=canary")
	killed := time.Now()
	a.kill()
	for _, u := range users {
		b.as(u).beat("session-1", `"visibility":"hidden"`) // hidden ones live longer
	}
	quiet(killed.Add(7*time.Second).UnixMicro(), b.as("canary"), w) // past every deadline that A has set
	b.as("eve").finds("lobby", 20, users...)
	c := startMany(t, 1, redis.URL(), "PRESENTLY_TTL=6s", "PRESENTLY_SWEEP=100ms")[0]
	if lobby := c.as("eve").watchThat("room=lobby").first.Rooms["lobby"]; !slices.Equal(names(lobby.Members), users) {
		t.Errorf("an instance that starts now has %q", names(lobby.Members))
	}
}

func TestHidingIsLeavingTheRoomOnStreamsOfTheOtherInstance(t *testing.T) {
	t.Parallel()
	a, b := startPair(t, redistest.Start(t).URL())
	ada := a.as("ada")
	ada.enter("session-1", "lobby")
	b.as("bob").enter("session-1", "lobby")
	ada.must("PUT", "/v1/contacts/friend", "")
	const query = "room=lobby&user=canary"
	stranger, friend, bob := b.as("stranger").watchThat(query), b.as("friend").watchThat(query), b.as("bob").watchThat(query)
	all := []*watching{stranger, friend, bob}
	finds := map[bool][]string{true: {"ada", "bob"}, false: {"bob"}}

	ada.must("PUT", privacyPath, privacy("contacts"))
	stranger.moved("", "ada", 1)
	bob.moved("", "ada", 1)
	b.as("stranger").finds("lobby", 1, finds[false]...)
	b.as("friend").finds("lobby", 2, finds[true]...)
	if got := b.as("stranger").roomsOf("ada"); len(got) > 0 {
		t.Errorf("a stranger finds her in %q", got)
	}
	quiet(time.Now().UnixMicro(), a.as("canary"), all...)

	ada.must("PUT", "/v1/blocks/friend", "")
	friend.moved("", "ada", 1)
	ada.must("DELETE", "/v1/blocks/friend", "")
	friend.moved("ada", "", 2)
	ada.must("PUT", "/v1/contacts/stranger", "")
	stranger.moved("ada", "", 2)
	ada.must("PUT", privacyPath, privacy("everyone"))
	bob.moved("ada", "", 2)
	quiet(time.Now().UnixMicro(), a.as("canary"), all...)

	ada.choose("invisible")
	for _, w := range all {
		w.moved("", "ada", 1)
	}
	// What she does now moves nothing for anybody but herself.
	ada.enter("session-1", "attic")
	ada.enter("session-2", "lobby", "attic")
	ada.must("PUT", "/v1/rooms/lobby/typing", `{"sessionId":"session-2"}`)
	for _, viewer := range []string{"stranger", "friend", "bob"} {
		b.as(viewer).finds("lobby", 1, "bob")
		b.as(viewer).finds("attic", 0)
	}
	b.as("ada").finds("attic", 2, "ada")
	quiet(time.Now().Add(time.Second).UnixMicro(), a.as("canary"), all...)
	ada.must("DELETE", "/v1/rooms/lobby/typing", "")
	ada.must("DELETE", "/v1/presence/status", "")
	for _, w := range all {
		w.moved("ada", "", 2)
	}
}

func TestComingBackAtTheOtherInstanceTellsOnlyOfTheRoomsThatHaveChanged(t *testing.T) {
	t.Parallel()
	a, b := startPair(t, redistest.Start(t).URL())
	const query = "room=lobby&room=attic&room=cellar&user=canary"
	a.as("ada").enter("session-1", "lobby", "attic")
	b.as("ben").enter("session-1", "lobby")
	w := a.as("eve").watchThat(query)
	quiet(time.Now().Add(time.Second).UnixMicro(), b.as("canary"), w) // an id promises no more than the last beacon
	id := w.lastID()
	w.close()

	b.as("ben").must("DELETE", "/v1/rooms/lobby/members/me", "")
	a.as("cyd").enter("session-1", "cellar")
	again := b.as("eve").openAt("/v1/stream?"+query, id)
	again.snapshot()
	if !again.hello.Resumed || again.first.Scope != "changed" {
		t.Fatalf("not resumed:\n%s", again.text())
	}
	rooms := again.first.Rooms
	if len(rooms) != 2 || !slices.Equal(names(rooms["lobby"].Members), []string{"ada"}) || !slices.Equal(names(rooms["cellar"].Members), []string{"cyd"}) {
		t.Errorf("what has changed is the lobby and the cellar: %+v", rooms)
	}
	a.as("ada").must("DELETE", "/v1/rooms/attic/members/me", "")
	again.moved("", "ada", 0) // and it goes on
	for name, other := range map[string]*watching{
		"another viewer": a.as("dan").openAt("/v1/stream?"+query, id),
		"another list":   a.as("eve").openAt("/v1/stream?room=lobby", id),
	} {
		other.snapshot()
		if other.hello.Resumed || other.first.Scope != "all" {
			t.Errorf("%s is resumed:\n%s", name, other.text())
		}
	}
}

// Each who comes is told to each watcher once: what a watcher gets grows with the people, not with their square. Without a pause between flushes, each
// of them comes by himself, which costs the most.
func TestSixHundredPeopleJoiningARoomCostAWatcherLessThanAKilobyteEach(t *testing.T) {
	t.Parallel()
	const people = 600
	a, b := startPair(t, redistest.Start(t).URL(), "PRESENTLY_COALESCE=0s")
	streams := []*watching{a.as("eve").watchThat("room=stadium"), b.as("eve").watchThat("room=stadium")}
	before := []int{len(streams[0].text()), len(streams[1].text())}
	var next atomic.Int64
	var doors sync.WaitGroup
	began := time.Now()
	for door := range 8 {
		doors.Go(func() {
			for n := next.Add(1) - 1; n < people; n = next.Add(1) - 1 {
				who := []*instance{a, b}[door%2].as(fmt.Sprintf("user-%03d", n))
				if _, err := who.try("POST", "/v1/presence/heartbeat", beatBody("session-1", `"rooms":["stadium"]`)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	doors.Wait()
	took := time.Since(began)
	for n, w := range streams {
		if c := w.fills("stadium", people); c.members != nil {
			t.Errorf("a room of %d is told by name:\n%.2000s", people, w.text())
		}
		bytes := len(w.text()) - before[n]
		t.Logf("%d people joined within %v: %d bytes in %d events, %d bytes a person", people, took, bytes, w.next-2, bytes/people)
		if bytes >= people<<10 {
			t.Errorf("%d bytes for %d people", bytes, people)
		}
	}
	// And each is found once, in pages, of which every other is asked for at the other instance.
	var found []string
	for n, query := 0, "?limit=100"; ; n++ {
		page := []*instance{a, b}[n%2].as("eve").pageOf("stadium", query)
		found = append(found, names(page.Members)...)
		if page.Count != people || page.Truncated != (page.Cursor != nil) {
			t.Fatalf("page %d: count %d, truncated %t, cursor %v", n, page.Count, page.Truncated, page.Cursor)
		}
		if page.Cursor == nil {
			break
		}
		query = "?limit=100&cursor=" + url.QueryEscape(*page.Cursor)
	}
	slices.Sort(found)
	if len(slices.Compact(slices.Clone(found))) != people || len(found) != people {
		t.Errorf("pages show %d people, want %d", len(found), people)
	}
	if got := b.as("eve").countIn("stadium"); got.Users != people || got.Sessions != people {
		t.Errorf("%+v", got)
	}
}
