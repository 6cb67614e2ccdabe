package e2e

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/presently/presently/api"
	"github.com/presently/presently/internal/redistest"
)

// types says that a session types in a room; more is further members of the body.
func (p *person) types(session, room string, more ...string) {
	p.at.t.Helper()
	p.must("PUT", roomPath(room)+"/typing", beatBody(session, more...))
}

// findsTyping asks who types in a room, each with his thread after a slash.
func (p *person) findsTyping(room, query string, want ...string) {
	p.at.t.Helper()
	got := []string{}
	for _, m := range decode[api.TypingList](p.at.t, p.must("GET", roomPath(room)+"/typing"+query, "").body).Typing {
		who := m.UserID
		if m.ThreadID != nil {
			who += "/" + *m.ThreadID
		}
		got = append(got, who)
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		p.at.t.Fatalf("%s finds %q typing in %s%s, want %q", p.user, got, room, query, want)
	}
}

// typing reads the next event, which has to say that just these type, in a thread or outside of threads.
func (w *watching) typing(thread string, users ...string) api.TypingEvent {
	w.t.Helper()
	e := decode[api.TypingEvent](w.t, []byte(w.await("typing").data))
	var got []string
	for _, typist := range e.Typing {
		got = append(got, typist.UserID)
	}
	slices.Sort(got)
	in := ""
	if e.ThreadID != nil {
		in = *e.ThreadID
	}
	if in != thread || !slices.Equal(got, users) || e.Typing == nil {
		w.t.Fatalf("%+v came where %q were to type in thread %q:\n%s", e, users, thread, w.text())
	}
	return e
}

// apart reads events that may come in any order, such as of leaving a room and of what ends by it.
func (w *watching) apart(kinds ...string) map[string]event {
	w.t.Helper()
	got := map[string]event{}
	for range kinds {
		e, _ := w.take()
		got[e.name] = e
	}
	for _, k := range kinds {
		if got[k].name == "" {
			w.t.Fatalf("%q were to come:\n%s", kinds, w.text())
		}
	}
	return got
}

// Presence is collected for as long as PRESENTLY_COALESCE says, typing is not: it passes by what waits.
func TestTypingIsToldAtTheOtherInstanceAtOnce(t *testing.T) {
	t.Parallel()
	a, b := startPair(t, redistest.Start(t).URL(), "PRESENTLY_COALESCE=10s")
	ada := a.as("ada")
	ada.enter("session-1", "lobby")
	w := b.as("eve").watchThat("room=lobby")
	ada.choose("busy")
	w.told("ada", "busy") // from here on the stream waits for the next 10 s
	ada.choose("dnd")
	ada.types("session-1", "lobby", `"ttlMs":30000`)
	e := w.typing("", "ada")
	if typist := e.Typing[0]; typist.Profile == nil || *typist.Profile.Name != "ADA" || e.Room != "lobby" {
		t.Errorf("she types as %+v", e)
	}
	b.as("eve").findsTyping("lobby", "", "ada")
	if late := b.as("late").watchThat("room=lobby"); len(late.first.Typing["lobby"]) != 1 || late.first.Typing["lobby"][0].UserID != "ada" {
		t.Errorf("the snapshot has %+v", late.first.Typing)
	}
	w.told("ada", "dnd")
}

func TestTypingEndsWhenItIsSaidToEndAtTheOtherInstance(t *testing.T) {
	t.Parallel()
	a, b := startPair(t, redistest.Start(t).URL())
	a.as("ada").beat("session-1") // who types need not be a member
	streams := []*watching{a.as("eve").watchThat("room=lobby&user=canary"), b.as("eve").watchThat("room=lobby&user=canary")}
	for _, stop := range []func(){
		func() { b.as("ada").must("DELETE", "/v1/rooms/lobby/typing", "") },
		func() { b.as("ada").types("session-1", "lobby", `"typing":false`) },
		func() { b.as("ada").must("POST", "/v1/rooms/lobby/typing", `{"sessionId":"session-1","typing":false}`) },
	} {
		a.as("ada").types("session-1", "lobby")
		for _, w := range streams {
			w.typing("", "ada")
		}
		stop()
		for _, w := range streams {
			w.typing("")
		}
		a.as("eve").findsTyping("lobby", "")
	}
	b.as("ada").must("DELETE", "/v1/rooms/lobby/typing", "") // what is not there ends without a word
	quiet(time.Now().UnixMicro(), a.as("canary"), streams...)
	a.as("ada").refused(http.StatusConflict, "no_session", "PUT", "/v1/rooms/lobby/typing", `{"sessionId":"session-2"}`)
}

// Whoever stops without a word is told to have stopped by a clock that each instance has: Redis is asked for nothing, and asks itself for nothing.
func TestTypingThatExpiresIsToldOnceAndCostsRedisNothing(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	a, b := startPair(t, redis.URL())
	const room = "quentins-room" // which is in no script's hash
	a.as("quentin").beat("session-1")
	streams := []*watching{a.as("eve").watchThat("room=" + room + "&user=canary"), b.as("eve").watchThat("room=" + room + "&user=canary")}
	a.as("quentin").types("session-1", room, `"ttlMs":2000`)
	var ends int64
	for _, w := range streams {
		ends = micros(t, w.typing("", "quentin").Typing[0].ExpiresAt)
	}
	said := mentions(t, redis, []string{"quentin"}, func() {
		for _, w := range streams {
			e := w.await("typing")
			if got := decode[api.TypingEvent](t, []byte(e.data)); len(got.Typing) > 0 || e.at.UnixMicro() < ends {
				t.Errorf("it was to end at %d, and ends at %s by %s", ends, e.at, e.data)
			}
		}
	})
	if len(said) > 0 {
		t.Errorf("the end cost Redis %q", said)
	}
	quiet(time.Now().Add(time.Second).UnixMicro(), a.as("canary"), streams...)
	b.as("eve").findsTyping(room, "")
}

// mentions are the commands that name something while f runs, those of scripts among them.
func mentions(t testing.TB, redis *redistest.Server, what []string, f func()) (said []string) {
	t.Helper()
	conn, err := net.Dial("tcp", redis.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "MONITOR\r\n")
	lines := bufio.NewScanner(conn)
	lines.Buffer(nil, 1<<20)
	lines.Scan() // +OK
	const end = "the end of what is listened to"
	var heard sync.WaitGroup
	heard.Go(func() {
		for lines.Scan() && !strings.Contains(lines.Text(), end) {
			if slices.ContainsFunc(what, func(w string) bool { return strings.Contains(lines.Text(), w) }) {
				said = append(said, lines.Text())
			}
		}
	})
	f()
	if err := redis.Client(t).Echo(t.Context(), end).Err(); err != nil {
		t.Fatal(err)
	}
	heard.Wait()
	return said
}

func TestAMembersTypingEndsWithHisBeingThere(t *testing.T) {
	t.Parallel()
	a, b := startPair(t, redistest.Start(t).URL(), "PRESENTLY_GRACE=100ms", "PRESENTLY_SWEEP=100ms")
	w := b.as("eve").watchThat("room=lobby")
	for _, end := range []struct {
		name string
		end  func(api.BeatAnswer)
	}{
		{"leaving the room", func(api.BeatAnswer) { b.as("ada").must("DELETE", "/v1/rooms/lobby/members/me", "") }},
		{"a beat without the room", func(api.BeatAnswer) { b.as("ada").enter("session-1") }},
		{"the end of the session", func(api.BeatAnswer) { b.as("ada").must("DELETE", "/v1/presence/me/sessions/session-1", "") }},
		{"leaving, when grace is over", func(s api.BeatAnswer) { b.as("ada").leave(s) }},
	} {
		session := a.as("ada").enter("session-1", "lobby")
		w.moved("ada", "", 1)
		a.as("ada").types("session-1", "lobby", `"ttlMs":30000`, `"threadId":"t-1"`)
		w.typing("t-1", "ada")
		end.end(session)
		told := w.apart("room", "typing")
		if e := decode[api.TypingEvent](t, []byte(told["typing"].data)); len(e.Typing) > 0 || *e.ThreadID != "t-1" {
			t.Errorf("%s: %+v", end.name, e)
		}
		if e := decode[api.RoomEvent](t, []byte(told["room"].data)); !slices.Equal(e.Left, []string{"ada"}) {
			t.Errorf("%s: %+v", end.name, e)
		}
		a.as("eve").findsTyping("lobby", "")
	}
}

func TestTypingIsAListForEachThread(t *testing.T) {
	t.Parallel()
	a, b := startPair(t, redistest.Start(t).URL())
	for _, user := range []string{"ada", "ben"} {
		a.as(user).enter("session-1", "lobby")
	}
	b.as("ada").enter("session-2", "lobby")
	w := b.as("eve").watchThat("room=lobby")
	const long = `"ttlMs":30000`
	a.as("ada").types("session-1", "lobby", long)
	first := w.typing("", "ada").Typing[0].ExpiresAt
	b.as("ada").types("session-2", "lobby", long) // another device makes no second mark
	if again := w.typing("", "ada").Typing[0].ExpiresAt; micros(t, again) < micros(t, first) {
		t.Errorf("it was to last until %s, and now until %s", first, again)
	}
	a.as("ben").types("session-1", "lobby", long, `"threadId":"t-1"`)
	w.typing("t-1", "ben")
	a.as("ada").types("session-1", "lobby", long, `"threadId":"t-1"`)
	w.typing("t-1", "ada", "ben")
	a.as("ben").types("session-1", "lobby", long)
	w.typing("", "ada", "ben")
	a.as("eve").findsTyping("lobby", "", "ada", "ada/t-1", "ben", "ben/t-1")
	b.as("eve").findsTyping("lobby", "?threadId=t-1", "ada/t-1", "ben/t-1")
	b.as("eve").findsTyping("lobby", "?threadId=t-2")
	b.as("ada").must("DELETE", "/v1/rooms/lobby/typing?threadId=t-1", "")
	w.typing("t-1", "ben")
	a.as("eve").findsTyping("lobby", "", "ada", "ben", "ben/t-1")
}

func TestWhoMaySeeThatOneTypesIsDecidedAtOnceAtTheOtherInstance(t *testing.T) {
	t.Parallel()
	a, b := startPair(t, redistest.Start(t).URL())
	ada := a.as("ada")
	ada.enter("session-1", "lobby")
	ada.must("PUT", "/v1/contacts/friend", "")
	const query = "room=lobby&user=canary"
	stranger, friend, self := b.as("stranger").watchThat(query), b.as("friend").watchThat(query), b.as("ada").watchThat(query)
	all := []*watching{stranger, friend, self}
	const long = `"ttlMs":30000`
	allow := func(audience string) {
		ada.must("PUT", privacyPath, fmt.Sprintf(`{"online":"everyone","lastSeen":"contacts","activity":"contacts","typing":%q}`, audience))
	}
	ada.types("session-1", "lobby", long)
	for _, w := range all {
		w.typing("", "ada")
	}
	allow("contacts") // while she types
	stranger.typing("")
	b.as("stranger").findsTyping("lobby", "")
	b.as("friend").findsTyping("lobby", "", "ada")
	allow("nobody")
	friend.typing("")
	b.as("friend").findsTyping("lobby", "")
	b.as("ada").findsTyping("lobby", "", "ada")
	quiet(time.Now().UnixMicro(), a.as("canary"), all...)
	allow("everyone")
	stranger.typing("", "ada")
	friend.typing("", "ada")

	ada.must("PUT", "/v1/blocks/friend", "")
	friend.apart("room", "typing")
	b.as("friend").findsTyping("lobby", "")
	b.as("stranger").findsTyping("lobby", "", "ada")
	ada.choose("invisible")
	stranger.apart("room", "typing")
	b.as("stranger").findsTyping("lobby", "")
	b.as("ada").findsTyping("lobby", "", "ada")
}

func TestInARoomOfMoreThanAHundredNobodyIsToldWhoTypes(t *testing.T) {
	t.Parallel()
	a, b := startPair(t, redistest.Start(t).URL())
	const shown = 100
	w := b.as("eve").watchThat("room=hall&user=canary")
	for n := range shown {
		[]*instance{a, b}[n%2].as(fmt.Sprint("user-", n)).enter("session-1", "hall")
	}
	w.fills("hall", shown)
	const long = `"ttlMs":30000`
	a.as("user-0").types("session-1", "hall", long)
	w.typing("", "user-0")
	a.as("last").enter("session-1", "hall")
	told := w.apart("room", "typing")
	if e := decode[api.TypingEvent](t, []byte(told["typing"].data)); len(e.Typing) > 0 {
		t.Errorf("with the hundred and first: %+v", e)
	}
	a.as("user-1").types("session-1", "hall", long) // is no fault
	quiet(time.Now().UnixMicro(), a.as("canary"), w)
	b.as("eve").findsTyping("hall", "")
	b.as("last").must("DELETE", "/v1/rooms/hall/members/me", "")
	told = w.apart("room", "typing")
	e := decode[api.TypingEvent](t, []byte(told["typing"].data))
	slices.SortFunc(e.Typing, func(x, y api.Typist) int { return cmp.Compare(x.UserID, y.UserID) })
	if len(e.Typing) != 2 || e.Typing[0].UserID != "user-0" || e.Typing[1].UserID != "user-1" {
		t.Errorf("with the hundredth: %+v", e)
	}
}

// A room's and a thread's name may be anything that a user's may.
func TestTypingIsToldUnderTheNameOfItsRoom(t *testing.T) {
	t.Parallel()
	a, b := startPair(t, redistest.Start(t).URL())
	a.as("ada").beat("session-1")
	for _, room := range []string{"Ünïcödé ☕", "a/b", "..%2f", "{1}:u:ada", "a|b"} {
		w := b.as("eve").watchThat(url.Values{"room": {room}}.Encode())
		thread, err := json.Marshal(room + "|t")
		if err != nil {
			t.Fatal(err)
		}
		a.as("ada").types("session-1", room, `"threadId":`+string(thread))
		if e := w.typing(room+"|t", "ada"); e.Room != room {
			t.Errorf("in %q: %+v", room, e)
		}
		w.close()
	}
}
