package handlers

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/presently/presently/api"
	"github.com/presently/presently/presence"
)

func roomPath(room string) string { return "/v1/rooms/" + url.PathEscape(room) }

// join brings a session into a room, or takes it out (DELETE), which must do.
func (w *world) join(method, user, room, session string) {
	w.Helper()
	query := ""
	if session != "" {
		query = "?sessionId=" + session
	}
	if r := w.ask(user, method, roomPath(room)+"/members/me"+query, ""); r.status != http.StatusNoContent || len(r.body) > 0 {
		w.Fatalf("%s %s, %s: %d %s", method, room, user, r.status, r.body)
	}
}

// members is one page of a room.
func (w *world) members(viewer, room, query string) api.RoomMembers {
	w.Helper()
	return as[api.RoomMembers](w, w.ask(viewer, "GET", roomPath(room)+"/presence"+query, ""), http.StatusOK)
}

// ids are those of presences, as they came.
func ids(list []api.Presence) []string {
	out := make([]string, 0, len(list))
	for _, p := range list {
		out = append(out, p.UserID)
	}
	return out
}

func (w *world) count(viewer, room string) api.RoomCount {
	w.Helper()
	return as[api.RoomCount](w, w.ask(viewer, "GET", roomPath(room)+"/count", ""), http.StatusOK)
}

func (w *world) roomsOf(viewer, user string) []string {
	w.Helper()
	return as[api.RoomList](w, w.ask(viewer, "GET", "/v1/users/"+url.PathEscape(user)+"/rooms", ""), http.StatusOK).Rooms
}

// wantThere fails unless a viewer sees just these users in a room, by so many sessions, in every way to look.
func (w *world) wantThere(viewer, room string, sessions int64, users ...string) {
	w.Helper()
	users = slices.Sorted(slices.Values(users))
	m := w.members(viewer, room, "")
	if got := ids(m.Members); !slices.Equal(got, users) || m.Count != int64(len(users)) || m.Truncated || m.Cursor != nil {
		w.Errorf("%s sees %q in %s, want %q: %+v", viewer, got, room, users, m)
	}
	for _, p := range m.Members {
		if p.Status == api.StatusOffline {
			w.Errorf("%s sees %s offline in %s", viewer, p.UserID, room)
		}
	}
	if got, want := w.count(viewer, room), (api.RoomCount{Users: int64(len(users)), Sessions: sessions}); got != want {
		w.Errorf("%s counts %+v in %s, want %+v", viewer, got, room, want)
	}
	for _, user := range users {
		if got := w.roomsOf(viewer, user); !slices.Contains(got, room) {
			w.Errorf("%s sees %s in %q, want %s among them", viewer, user, got, room)
		}
	}
}

// inRooms are the rooms of each session of a user.
func (w *world) inRooms(user string) map[string][]string {
	w.Helper()
	rooms := map[string][]string{}
	for _, s := range w.sessions(user) {
		rooms[s.SessionID] = s.Rooms
	}
	return rooms
}

func TestWhoJoinsARoomIsThereUntilAllHisSessionsHaveLeft(t *testing.T) {
	inWorld(t, func(w *world) {
		w.wantThere("eve", "lobby", 0)
		for _, session := range []string{"session-1", "session-2"} {
			w.beat("ada", session, "")
			for range 2 { // twice is once
				w.join("PUT", "ada", "lobby", session)
			}
		}
		w.beat("ben", "session-1", "")
		w.join("PUT", "ben", "lobby", "session-1")
		w.join("PUT", "ben", "attic", "session-1")
		w.wantThere("eve", "lobby", 3, "ada", "ben")
		if got := w.roomsOf("eve", "ben"); !slices.Equal(got, []string{"attic", "lobby"}) {
			w.Errorf("ben is in %q", got)
		}
		for range 2 {
			w.join("DELETE", "ada", "lobby", "session-1")
		}
		w.wantThere("eve", "lobby", 2, "ada", "ben")
		w.join("DELETE", "ada", "lobby", "session-2")
		w.wantThere("eve", "lobby", 1, "ben")
		w.join("DELETE", "ada", "lobby", "not-there")
		w.join("DELETE", "ada", "lobby", "")
		w.join("DELETE", "ben", "lobby", "") // by all sessions
		w.wantThere("eve", "lobby", 0)
		w.wantThere("eve", "attic", 1, "ben")
	})
}

func TestAMembershipEndsWithItsSession(t *testing.T) {
	inWorld(t, func(w *world) {
		for _, session := range []string{"session-1", "session-2", "session-3", "session-4"} {
			w.beat("ada", session, "")
			w.join("PUT", "ada", "lobby", session)
		}
		leave := w.beat("ada", "session-2", "").LeaveToken
		w.wantThere("ben", "lobby", 4, "ada")
		w.ask("ada", "DELETE", "/v1/presence/me/sessions/session-1", "")
		w.wantThere("ben", "lobby", 3, "ada")
		w.ask("", "POST", "/v1/presence/leave", leave, "Content-Type: text/plain")
		w.wantThere("ben", "lobby", 3, "ada") // until the grace has passed
		time.Sleep(12 * time.Second)
		w.wantThere("ben", "lobby", 2, "ada")
		time.Sleep(60 * time.Second)
		w.beat("ada", "session-3", "")
		time.Sleep(30 * time.Second)
		w.wantThere("ben", "lobby", 1, "ada") // the fourth has lapsed
		w.beat("ada", "session-1", "")        // which has forgotten where it was
		if got := w.inRooms("ada"); len(got["session-1"]) > 0 || !slices.Equal(got["session-3"], []string{"lobby"}) {
			w.Errorf("rooms by session: %v", got)
		}
		w.admin("DELETE", "users/ada/sessions", "")
		w.wantThere("ben", "lobby", 0)
	})
}

func TestEveryRoomIsFoundUnderItsOwnName(t *testing.T) {
	inWorld(t, func(w *world) {
		for i, room := range oddUsers {
			user := fmt.Sprintf("user-%d", i)
			w.beat(user, "session-1", "")
			for _, path := range []string{url.PathEscape(room), allEscaped(room)} {
				if r := w.ask(user, "PUT", "/v1/rooms/"+path+"/members/me?sessionId=session-1", ""); r.status != http.StatusNoContent {
					w.Fatalf("%q as %s: %d %s", room, path, r.status, r.body)
				}
				if got := w.members("eve", room, ""); !slices.Equal(ids(got.Members), []string{user}) {
					w.Errorf("%q as %s: %+v", room, path, got)
				}
			}
			w.wantThere("eve", room, 1, user)
			w.typeIn(user, "session-1", url.PathEscape(room), `,"threadId":`+string(encode(room)))
			if got := w.typingIn("eve", room, "?threadId="+url.QueryEscape(room)); len(got) != 1 || got[0] != user+"/"+room {
				w.Errorf("%q: typing %q", room, got)
			}
			if a := w.beat(user, "session-1", `,"rooms":[`+string(encode(room))+`]`); !slices.Equal(a.Session.Rooms, []string{room}) {
				w.Errorf("%q, by a beat: %q", room, a.Session.Rooms)
			}
			w.join("DELETE", user, room, "")
			w.wantThere("eve", room, 0)
		}
	})
}

func TestWhatIsNoRoomIsRefusedAndPointedAt(t *testing.T) {
	inWorld(t, func(w *world) {
		w.beat("ada", "session-1", "")
		for _, room := range badUsers {
			if room == "" {
				continue
			}
			path := "/v1/rooms/" + allEscaped(room)
			for _, r := range []reply{
				w.ask("ada", "PUT", path+"/members/me?sessionId=session-1", ""),
				w.ask("ada", "DELETE", path+"/members/me", ""),
				w.ask("ada", "GET", path+"/presence", ""),
				w.ask("ada", "GET", path+"/count", ""),
				w.ask("ada", "GET", path+"/typing", ""),
				w.ask("ada", "PUT", path+"/typing", `{"sessionId":"session-1"}`),
				w.ask("ada", "POST", path+"/typing", `{"sessionId":"session-1"}`),
				w.ask("ada", "DELETE", path+"/typing", ""),
			} {
				w.wantInvalid(r, "/room")
			}
			w.wantInvalid(w.ask("ada", "GET", "/v1/users/"+allEscaped(room)+"/rooms", ""), "/userId")
		}
		w.wantInvalid(w.ask("ada", "POST", "/v1/presence/heartbeat", `{"sessionId":"session-1","rooms":["lobby","..","a\nb",""]}`), "/rooms/1", "/rooms/2", "/rooms/3")
		w.wantInvalid(w.admin("PUT", "presence/ada", `{"rooms":["lobby",""]}`), "/rooms/1")
		for query, pointer := range map[string]string{"": "/sessionId", "?sessionId=": "/sessionId", "?sessionId=short": "/sessionId", "?sessionId=%zz": ""} {
			w.wantInvalid(w.ask("ada", "PUT", "/v1/rooms/lobby/members/me"+query, ""), pointer)
			if query != "" {
				w.wantInvalid(w.ask("ada", "DELETE", "/v1/rooms/lobby/members/me"+query, ""), pointer)
			}
		}
		if got := w.inRooms("ada"); len(got["session-1"]) > 0 {
			w.Errorf("a refused one has changed something: %v", got)
		}
	})
}

func TestJoiningNeedsALiveSession(t *testing.T) {
	inWorld(t, func(w *world) {
		put := func() reply {
			return w.ask("ada", "PUT", "/v1/rooms/lobby/members/me?sessionId=session-1", "")
		}
		w.wantProblem(put(), http.StatusConflict, api.ProblemCodeNoSession)
		w.beat("eve", "session-1", "") // the same id, but not hers
		w.wantProblem(put(), http.StatusConflict, api.ProblemCodeNoSession)
		w.join("DELETE", "ada", "lobby", "session-1") // which needs none
		w.beat("ada", "session-1", "")
		w.join("PUT", "ada", "lobby", "session-1")
		w.ask("ada", "DELETE", "/v1/presence/me/sessions/session-1", "")
		w.wantProblem(put(), http.StatusConflict, api.ProblemCodeNoSession)
		w.wantThere("eve", "lobby", 0)
	})
}

func TestASessionMayBeInFiftyRooms(t *testing.T) {
	inWorld(t, func(w *world) {
		var rooms []string
		for i := range presence.RoomsASession {
			rooms = append(rooms, fmt.Sprintf("room-%02d", i))
		}
		w.beat("ada", "session-1", "")
		for _, room := range rooms {
			w.join("PUT", "ada", room, "session-1")
		}
		full := w.ask("ada", "PUT", "/v1/rooms/one-more/members/me?sessionId=session-1", "")
		if p := w.wantProblem(full, http.StatusConflict, api.ProblemCodeTooManyRooms); !strings.Contains(p.Detail, "Leave") {
			w.Errorf("%q does not say what to do", p.Detail)
		}
		w.join("PUT", "ada", rooms[7], "session-1") // where it is already
		if got := w.inRooms("ada")["session-1"]; !slices.Equal(got, rooms) {
			w.Errorf("it is in %q", got)
		}
		w.join("DELETE", "ada", rooms[7], "session-1")
		w.join("PUT", "ada", "one-more", "session-1")

		beat := func(rooms []string) reply {
			return w.ask("ada", "POST", "/v1/presence/heartbeat", `{"sessionId":"session-2","rooms":`+string(encode(rooms))+`}`)
		}
		if a := as[api.BeatAnswer](w, beat(rooms), http.StatusOK); !slices.Equal(a.Session.Rooms, rooms) {
			w.Errorf("another session is in %q", a.Session.Rooms)
		}
		w.wantInvalid(beat(append(rooms, "one-more")), "/rooms")
		w.wantInvalid(w.admin("PUT", "presence/ada", `{"rooms":`+string(encode(append(rooms, "one-more")))+`}`), "/rooms")
		if got := w.inRooms("ada")["session-2"]; !slices.Equal(got, rooms) {
			w.Errorf("a refused beat has changed something: %q", got)
		}
	})
}

func TestABeatNamesAllRoomsOfItsSession(t *testing.T) {
	inWorld(t, func(w *world) {
		for _, test := range []struct {
			rooms string
			want  []string
		}{
			{`,"rooms":["b","a","b"]`, []string{"a", "b"}},
			{``, []string{"a", "b"}},
			{`,"state":"busy"`, []string{"a", "b"}},
			{`,"rooms":["b","c"]`, []string{"b", "c"}},
			{`,"rooms":["b"]`, []string{"b"}},
			{`,"rooms":[]`, nil},
			{``, nil},
		} {
			a := w.beat("ada", "session-1", test.rooms)
			if !slices.Equal(a.Session.Rooms, test.want) || !slices.Equal(w.inRooms("ada")["session-1"], test.want) || !slices.Equal(w.roomsOf("eve", "ada"), test.want) {
				w.Errorf("%s: in %q, want %q", test.rooms, a.Session.Rooms, test.want)
			}
			if named := strings.Contains(test.rooms, "rooms"); (a.RefusedRooms != nil) != named || len(a.RefusedRooms) > 0 {
				w.Errorf("%s: refused %#v", test.rooms, a.RefusedRooms)
			}
		}
		w.beat("ada", "session-1", `,"rooms":["a"],"seq":5`)
		if a := w.beat("ada", "session-1", `,"rooms":["b"],"seq":4`); !slices.Equal(a.Session.Rooms, []string{"a"}) {
			w.Errorf("after an older beat it is in %q", a.Session.Rooms)
		}
		w.join("PUT", "ada", "c", "session-1")
		if a := w.beat("ada", "session-1", `,"rooms":["c"],"seq":6`); !slices.Equal(a.Session.Rooms, []string{"c"}) {
			w.Errorf("it is in %q", a.Session.Rooms)
		}
		if r := w.ask("ada", "POST", "/v1/presence/heartbeat", `{"sessionId":"session-1","rooms":["d"]}`, "Prefer: return=minimal"); r.status != http.StatusNoContent {
			w.Errorf("a minimal beat of granted rooms: %d %s", r.status, r.body)
		}
		w.wantThere("eve", "d", 1, "ada")
		w.set("bot", `{"rooms":["d","c","d"]}`)
		w.set("bot", `{}`)
		w.wantThere("eve", "d", 2, "ada", "bot")
		w.set("bot", `{"rooms":["c"]}`)
		w.wantThere("eve", "d", 1, "ada")
		w.wantThere("eve", "c", 1, "bot")
	})
}

// grantedRooms is the header of a token for certain rooms.
func grantedRooms(user string, globs ...string) string {
	return "Authorization: Bearer " + token(user, map[string]any{"rooms": append([]string{}, globs...)})
}

func TestOnlyRoomsThatTheTokenGrantsCanBeEnteredAndSeen(t *testing.T) {
	inWorld(t, func(w *world) {
		team := grantedRooms("ada", "team-*", "lobby")
		w.beat("ada", "session-1", `,"rooms":["attic","team-a"]`) // with a token for all
		w.beat("ben", "session-1", `,"rooms":["attic","cellar","lobby"]`)
		for _, room := range []string{"attic", "team", "Lobby", "*"} {
			path := roomPath(room)
			for _, r := range []reply{
				w.ask("", "PUT", path+"/members/me?sessionId=session-1", "", team),
				w.ask("", "GET", path+"/presence", "", team),
				w.ask("", "GET", path+"/count", "", team),
				w.ask("", "GET", path+"/typing", "", team),
				w.ask("", "PUT", path+"/typing", `{"sessionId":"session-1"}`, team),
				w.ask("", "POST", path+"/typing", `{"sessionId":"session-1"}`, team),
			} {
				if p := w.wantProblem(r, http.StatusForbidden, api.ProblemCodeRoomNotGranted); !strings.Contains(p.Detail, room) {
					w.Errorf("%q does not name %s", p.Detail, room)
				}
			}
		}
		for _, room := range []string{"lobby", "team-", "team-b"} {
			for _, r := range []reply{
				w.ask("", "PUT", roomPath(room)+"/members/me?sessionId=session-1", "", team),
				w.ask("", "GET", roomPath(room)+"/presence", "", team),
				w.ask("", "PUT", roomPath(room)+"/typing", `{"sessionId":"session-1"}`, team),
			} {
				if r.status >= 300 {
					w.Errorf("%s: %d %s", room, r.status, r.body)
				}
			}
		}
		rooms := func(user string) []string {
			return as[api.RoomList](w, w.ask("", "GET", "/v1/users/"+user+"/rooms", "", team), http.StatusOK).Rooms
		}
		if ada, ben := rooms("ada"), rooms("ben"); !slices.Equal(ada, []string{"lobby", "team-", "team-a", "team-b"}) || !slices.Equal(ben, []string{"lobby"}) {
			w.Errorf("with this token, ada is in %q and ben in %q", ada, ben)
		}
		// To go out, and to stop typing, needs no grant.
		w.typeIn("ada", "session-1", "attic", "")
		for _, path := range []string{"/v1/rooms/attic/typing", "/v1/rooms/attic/members/me"} {
			if r := w.ask("", "DELETE", path, "", team); r.status != http.StatusNoContent {
				w.Errorf("%s: %d %s", path, r.status, r.body)
			}
		}
		w.wantThere("eve", "attic", 1, "ben")
	})
}

func TestABeatCountsWithTheRoomsThatAreGranted(t *testing.T) {
	inWorld(t, func(w *world) {
		team := grantedRooms("ada", "team-*")
		beat := func(rooms string, headers ...string) reply {
			return w.ask("", "POST", "/v1/presence/heartbeat", `{"sessionId":"session-1"`+rooms+`}`, append(headers, team)...)
		}
		for _, minimal := range []string{"", "return=minimal"} {
			r := beat(`,"rooms":["x","team-b","attic","team-a","x"]`, "Prefer: "+minimal)
			a := as[api.BeatAnswer](w, r, http.StatusOK)
			if !slices.Equal(a.RefusedRooms, []string{"x", "attic"}) || !slices.Equal(a.Session.Rooms, []string{"team-a", "team-b"}) || r.header.Get("Preference-Applied") != "" {
				w.Errorf("Prefer %q: %s", minimal, r.body)
			}
		}
		if a := as[api.BeatAnswer](w, beat(`,"rooms":["attic"]`), http.StatusOK); len(a.Session.Rooms) > 0 || a.Presence.Status != api.StatusOnline {
			w.Errorf("of none: %+v", a)
		}
		if r := beat(``); strings.Contains(string(r.body), "refusedRooms") {
			w.Errorf("without rooms: %s", r.body)
		}
		none := w.ask("", "POST", "/v1/presence/heartbeat", `{"sessionId":"session-1","rooms":["lobby"]}`, grantedRooms("ada"))
		if a := as[api.BeatAnswer](w, none, http.StatusOK); !slices.Equal(a.RefusedRooms, []string{"lobby"}) {
			w.Errorf("a token for no room: %s", none.body)
		}
	})
}

func TestARoomThatABackendMayNotEnterRefusesItsWholeBeat(t *testing.T) {
	inWorld(t, func(w *world) {
		backend := "Authorization: Bearer " + token("backend", map[string]any{"scope": ScopeAdmin, "rooms": []string{"team-*"}})
		put := func(rooms string) reply {
			return w.ask("", "PUT", "/v1/admin/presence/bot", `{"rooms":`+rooms+`}`, backend)
		}
		w.wantProblem(put(`["team-a","attic"]`), http.StatusForbidden, api.ProblemCodeRoomNotGranted)
		if p := w.see("eve", "bot"); p.Status != api.StatusOffline {
			w.Errorf("it has counted: %+v", p)
		}
		if p := as[api.Presence](w, put(`["team-a"]`), http.StatusOK); p.Status != api.StatusOnline {
			w.Errorf("%+v", p)
		}
		w.wantThere("eve", "team-a", 1, "bot")
	})
}

// hides are ways in which ada keeps others from seeing her, and who sees her then.
var hides = []struct {
	name                                string
	do, body                            string
	contact, stranger, blocked, counted bool // counted: in statistics, which know no viewer
}{
	{"not at all", "", "", true, true, false, true},
	{"invisible", "PUT /v1/presence/status", `{"status":"invisible"}`, false, false, false, false},
	{"to all but contacts", "PUT " + privacyPath, privacy("contacts", "contacts", "contacts", "everyone"), true, false, false, false},
	{"to all", "PUT " + privacyPath, privacy("nobody", "contacts", "contacts", "everyone"), false, false, false, false},
}

func TestEverybodySeesJustThoseInARoomWhomHeMay(t *testing.T) {
	for _, test := range hides {
		inWorld(t, func(w *world) {
			w.decide("ada", "PUT", "contacts/contact")
			w.decide("ada", "PUT", "blocks/blocked")
			w.decide("ada", "PUT", "contacts/blocked-contact")
			w.decide("ada", "PUT", "blocks/blocked-contact")
			w.beat("ada", "session-1", `,"rooms":["lobby"]`)
			w.beat("ada", "session-2", `,"rooms":["lobby"]`)
			w.beat("ben", "session-1", `,"rooms":["lobby"]`)
			if method, path, ok := strings.Cut(test.do, " "); ok {
				w.ask("ada", method, path, test.body)
			}
			w.typeIn("ada", "session-2", "lobby", "")
			for viewer, sees := range map[string]bool{
				"ada": true, "contact": test.contact, "stranger": test.stranger, "ben": test.stranger, "blocked": test.blocked, "blocked-contact": test.blocked,
			} {
				users, sessions, typing := []string{"ben"}, int64(1), []string{}
				if sees {
					users, sessions, typing = append(users, "ada"), 3, append(typing, "ada/")
				} else if got := w.roomsOf(viewer, "ada"); got == nil || len(got) > 0 {
					t.Errorf("hidden %s: %s sees her in %q", test.name, viewer, got)
				}
				w.wantThere(viewer, "lobby", sessions, users...)
				if got := w.typingIn(viewer, "lobby", ""); !slices.Equal(got, typing) {
					t.Errorf("hidden %s: %s sees %q typing, want %q", test.name, viewer, got, typing)
				}
				slices.Sort(users)
				online := as[api.OnlinePage](w, w.ask("", "GET", "/v1/admin/online", "", adminOf(viewer)), http.StatusOK)
				if got := ids(online.Presences); !slices.Equal(got, users) || online.Count != int64(len(users)) {
					t.Errorf("hidden %s: online for %s are %q, want %q: %+v", test.name, viewer, got, users, online)
				}
			}
			want := api.Stats{Users: 1, Sessions: 1, Rooms: 1}
			if test.counted {
				want.Users, want.Sessions = 2, 3
			}
			if got := w.stats(); got != want {
				t.Errorf("hidden %s: %+v, want %+v", test.name, got, want)
			}
			w.join("DELETE", "ben", "lobby", "")
			if got := w.stats().Rooms; got != 0 && !test.counted || got != 1 && test.counted {
				t.Errorf("hidden %s, and alone in the room: %d rooms", test.name, got)
			}
		})
	}
}

// Who comes out of hiding is seen where he is, at once and by all. That he types is seen when he goes on.
func TestWhoComesOutOfHidingIsWhereHeHasBeen(t *testing.T) {
	inWorld(t, func(w *world) {
		w.beat("ada", "session-1", "")
		w.choose("ada", `{"status":"invisible"}`)
		w.join("PUT", "ada", "lobby", "session-1")
		w.typeIn("ada", "session-1", "lobby", "")
		w.wantThere("eve", "lobby", 0)
		w.ask("ada", "DELETE", "/v1/presence/status", "")
		w.wantThere("eve", "lobby", 1, "ada")
		if got := w.typingIn("eve", "lobby", ""); len(got) != 0 {
			w.Errorf("typing: %q", got)
		}
		w.typeIn("ada", "session-1", "lobby", "")
		if got := w.typingIn("eve", "lobby", ""); len(got) != 1 {
			w.Errorf("typing: %q", got)
		}
	})
}

// Whatever people do, each viewer's lists and counts are those of the records, read one by one.
func TestListsAndCountsAreThoseOfTheRecords(t *testing.T) {
	for seed := range uint64(20) {
		inStillWorld(t, func(w *world) {
			dice := rand.New(rand.NewPCG(seed, 2))
			one := func(of ...string) string { return of[dice.IntN(len(of))] }
			users := []string{"ada", "ben", "cyd", "dan", "eve"}
			for range 60 {
				user, session := one(users...), one("session-1", "session-2")
				switch dice.IntN(6) {
				case 0, 1:
					w.beat(user, session, `,"rooms":[`+one(`"lobby"`, `"lobby"`, `"attic"`, ``)+`]`)
				case 2:
					w.ask(user, "DELETE", "/v1/presence/me/sessions/"+session, "")
				case 3:
					w.ask(user, one("PUT", "DELETE"), "/v1/"+one(lists...)+"/"+one(users...), "")
				case 4:
					w.ask(user, "PUT", privacyPath, privacy(one(everyAudience...), "everyone", "everyone", "everyone"))
				case 5:
					w.choose(user, `{"status":"`+one("invisible", "busy")+`"}`)
				}
				time.Sleep(time.Millisecond)
			}
			for _, viewer := range append(users, "zoe") {
				records, err := w.store.Lookup(w.Context(), viewer, users)
				if err != nil {
					t.Fatal(err)
				}
				var there []string
				var sessions int64
				for _, r := range records {
					if n, _ := r.SessionsIn("lobby"); r.InFor(viewer, "lobby") {
						there, sessions = append(there, r.User), sessions+int64(n)
					}
				}
				w.wantThere(viewer, "lobby", sessions, there...)
				get := func(query string) api.RoomMembers { return w.members(viewer, "lobby", query) }
				if got := slices.Concat(w.pages(get, 2, func([]string) {})...); !slices.Equal(got, there) {
					t.Errorf("seed %d: %s sees %q, want %q", seed, viewer, got, there)
				}
			}
		})
	}
}

// inLobby brings users into the lobby.
func (w *world) inLobby(users ...string) {
	w.Helper()
	for _, user := range users {
		_, err := w.server.tracker.Heartbeat(w.Context(), presence.Heartbeat{User: user, Session: "session-1", Rooms: &[]string{"lobby"}})
		if err != nil {
			w.Fatal(err)
		}
	}
}

// pages reads a list to its end. between is done after each but the last.
func (w *world) pages(get func(query string) api.RoomMembers, limit int, between func(page []string)) (pages [][]string) {
	w.Helper()
	query := fmt.Sprintf("?limit=%d", limit)
	for {
		p := get(query)
		pages = append(pages, ids(p.Members))
		if p.Truncated != (p.Cursor != nil) {
			w.Fatalf("truncated %t, cursor %v", p.Truncated, p.Cursor)
		}
		if p.Cursor == nil {
			return pages
		}
		if len(p.Members) != limit {
			w.Errorf("%d on a page, want %d", len(p.Members), limit)
		}
		query = fmt.Sprintf("?limit=%d&cursor=%s", limit, *p.Cursor)
		between(pages[len(pages)-1])
	}
}

func TestPagesShowEachMemberOnceInTheOrderOfTheBytes(t *testing.T) {
	inStillWorld(t, func(w *world) {
		var hidden, seen []string
		for i := range 60 {
			user := fmt.Sprintf("%c%02d", 'a'+i*7%26, i)
			w.inLobby(user)
			switch i % 5 {
			case 0:
				w.choose(user, `{"status":"invisible"}`)
				hidden = append(hidden, user)
				continue
			case 1:
				w.decide(user, "PUT", "blocks/eve")
				hidden = append(hidden, user)
				continue
			case 2:
				w.ask(user, "PUT", privacyPath, privacy("contacts", "contacts", "contacts", "contacts"))
				w.decide(user, "PUT", "contacts/eve")
			case 3:
				w.decide(user, "PUT", "blocks/mallory")
			}
			seen = append(seen, user)
		}
		long := []string{strings.Repeat("🙂", 128), strings.Repeat("ä", 128), "🙂", "Z", "%2F"} // whose cursors are long, too
		w.inLobby(append(long, "eve")...)
		w.choose("eve", `{"status":"invisible"}`) // and sees herself all the same
		seen = append(append(seen, long...), "eve")
		slices.Sort(seen)
		get := func(query string) api.RoomMembers {
			m := w.members("eve", "lobby", query)
			if m.Count != int64(len(seen)) {
				w.Errorf("count %d, want %d", m.Count, len(seen))
			}
			return m
		}
		for _, limit := range []int{1, 10, len(seen) - 1, len(seen), 500} {
			pages := w.pages(get, limit, func([]string) {})
			if got := slices.Concat(pages...); !slices.Equal(got, seen) {
				w.Errorf("pages of %d: %q, want %q", limit, got, seen)
			}
			if want := (len(seen) + limit - 1) / limit; len(pages) != want {
				w.Errorf("%d pages of %d, want %d", len(pages), limit, want)
			}
		}
		if got := w.members("eve", "lobby", "").Members; len(got) != len(seen) {
			w.Errorf("by default %d on a page", len(got))
		}
		for _, user := range hidden {
			if got := w.roomsOf("eve", user); len(got) > 0 {
				w.Errorf("%s is seen in %q", user, got)
			}
		}
	})
}

// While a list is read, others come and go: whoever stays is on one page, and nobody is on two.
func TestPagesMissNobodyWhoStays(t *testing.T) {
	inStillWorld(t, func(w *world) {
		var stay []string
		for i := range 35 {
			stay = append(stay, fmt.Sprintf("m%02d", i))
		}
		w.inLobby(stay...)
		get := func(query string) api.RoomMembers { return w.members("eve", "lobby", query) }
		pages := w.pages(get, 10, func(page []string) {
			last := page[len(page)-1]               // whom the cursor names
			w.inLobby("a"+last, last[:2], last+"a") // who come before and behind it
			w.join("DELETE", last, "lobby", "")
		})
		got := slices.Concat(pages...)
		if !slices.IsSorted(got) || len(slices.Compact(slices.Clone(got))) != len(got) {
			w.Errorf("not in order, or twice: %q", got)
		}
		for _, user := range stay {
			if !slices.Contains(got, user) {
				w.Errorf("%s is on no page", user)
			}
		}
	})
}

func TestAPageIsAHundredUnlessItsReaderAsksForAnother(t *testing.T) {
	inStillWorld(t, func(w *world) {
		for i := range 501 {
			w.inLobby(fmt.Sprintf("user-%03d", i))
		}
		for query, want := range map[string]int{"": 100, "?limit=500": 500, "?limit=1": 1} {
			if m := w.members("eve", "lobby", query); len(m.Members) != want || m.Count != 501 || !m.Truncated {
				w.Errorf("%s: %d members, count %d, truncated %t", query, len(m.Members), m.Count, m.Truncated)
			}
		}
	})
}

func TestLimitsAndCursorsThatCannotBeAreRefused(t *testing.T) {
	inStillWorld(t, func(w *world) {
		w.inLobby("ada")
		good := cursorAfter("aaa")
		for _, path := range []string{"/v1/rooms/lobby/presence", "/v1/admin/online"} {
			get := func(query string) reply {
				return w.ask("", "GET", path+"?"+query, "", granting(ScopeRead+" "+ScopeAdmin))
			}
			for _, query := range []string{"limit=0", "limit=-1", "limit=501", "limit=x", "limit=1.5", "limit=9223372036854775808", "limit="} {
				w.wantInvalid(get(query), "/limit")
			}
			for _, cursor := range []string{
				"", "aaa", "%", good[1:], good + "=", good + "A", "%20" + good, strings.Repeat("A", 1025), cursorAfter(""), cursorAfter(".."), cursorAfter("a\nb"), cursorAfter("\xff"), cursorAfter(strings.Repeat("x", 129)),
			} {
				if cursor == "%" {
					w.wantInvalid(get("cursor=%"), "")
					continue
				}
				w.wantInvalid(get("cursor="+cursor), "/cursor")
			}
			if r := get("cursor=" + good + "&limit=500"); r.status != http.StatusOK {
				w.Errorf("%s: %d %s", path, r.status, r.body)
			}
		}
		if m := w.members("eve", "lobby", "?cursor="+cursorAfter("zzz")); len(m.Members) > 0 || m.Count != 1 || m.Truncated {
			w.Errorf("past the end: %+v", m)
		}
	})
}
