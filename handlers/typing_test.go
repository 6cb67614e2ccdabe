package handlers

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/presently/presently/api"
	"github.com/presently/presently/presence"
)

// typists are those whom a viewer sees typing.
func (w *world) typists(viewer, room, query string) []api.TypistInRoom {
	w.Helper()
	return as[api.TypingList](w, w.ask(viewer, "GET", roomPath(room)+"/typing"+query, ""), http.StatusOK).Typing
}

// typingIn is who types and where, as "user/thread".
func (w *world) typingIn(viewer, room, query string) []string {
	w.Helper()
	list := []string{}
	for _, t := range w.typists(viewer, room, query) {
		list = append(list, t.UserID+"/"+orZero(t.ThreadID))
	}
	return list
}

func (w *world) wantTyping(viewer, room string, want ...string) {
	w.Helper()
	if got := w.typingIn(viewer, room, ""); !slices.Equal(got, want) {
		w.Errorf("%s sees %q typing in %s, want %q", viewer, got, room, want)
	}
}

func TestWhoTypesIsShownUntilItEndsByItself(t *testing.T) {
	for _, test := range []struct {
		ttl   string
		lasts time.Duration
	}{{"", 6 * time.Second}, {`,"ttlMs":1000`, time.Second}, {`,"ttlMs":30000`, 30 * time.Second}} {
		inWorld(t, func(w *world) {
			w.beat("ada", "session-1", "")
			w.wantTyping("ben", "lobby")
			w.typeIn("ada", "session-1", "lobby", test.ttl)
			ends := time.Now().Add(test.lasts)
			for _, viewer := range []string{"ben", "ada"} {
				got := w.typists(viewer, "lobby", "")
				if len(got) != 1 || got[0].UserID != "ada" || got[0].ThreadID != nil || got[0].ExpiresAt != formatTime(ends) || *got[0].Profile.Name != "ADA" {
					w.Errorf("%s: %s sees %+v", test.ttl, viewer, got)
				}
			}
			time.Sleep(test.lasts - time.Millisecond)
			w.wantTyping("ben", "lobby", "ada/")
			time.Sleep(2 * time.Millisecond) // a record may be of a microsecond ago
			w.wantTyping("ben", "lobby")
			w.wantTyping("ada", "lobby")
		})
	}
}

func TestToSayItAgainExtendsIt(t *testing.T) {
	inWorld(t, func(w *world) {
		w.beat("ada", "session-1", "")
		for i := range 5 {
			r := w.ask("ada", []string{"PUT", "POST"}[i%2], "/v1/rooms/lobby/typing", `{"sessionId":"session-1","typing":true}`)
			if r.status != http.StatusNoContent || len(r.body) > 0 {
				w.Fatalf("%d %s", r.status, r.body)
			}
			time.Sleep(3 * time.Second)
			w.wantTyping("ben", "lobby", "ada/")
		}
		time.Sleep(3 * time.Second)
		w.wantTyping("ben", "lobby")
	})
}

func TestTypingEndsWhenItIsSaidToEnd(t *testing.T) {
	const stop = `{"sessionId":"session-1","typing":false}`
	for _, end := range []struct{ method, query, body string }{
		{"PUT", "", stop},
		{"POST", "", stop},
		{"DELETE", "", ""},
		{"DELETE", "?sessionId=session-1", ""},
		{"DELETE", "?sessionId=session-2", ""}, // it is one mark, whichever session says so
	} {
		inWorld(t, func(w *world) {
			w.beat("ada", "session-1", "")
			w.beat("ada", "session-2", "")
			w.typeIn("ada", "session-1", "lobby", "")
			w.typeIn("ada", "session-1", "lobby", `,"threadId":"t-1"`)
			w.typeIn("ada", "session-1", "attic", "")
			for range 2 { // twice is once
				if r := w.ask("ada", end.method, "/v1/rooms/lobby/typing"+end.query, end.body); r.status != http.StatusNoContent {
					w.Fatalf("%s: %d %s", end.method, r.status, r.body)
				}
				w.wantTyping("ben", "lobby", "ada/t-1")
				w.wantTyping("ben", "attic", "ada/")
			}
		})
	}
}

func TestThereIsOneMarkForEachUserAndThread(t *testing.T) {
	inWorld(t, func(w *world) {
		for _, user := range []string{"ben", "ada"} {
			for _, session := range []string{"session-1", "session-2"} {
				w.beat(user, session, "")
				for _, thread := range []string{"", `,"threadId":"t/2"`, `,"threadId":"t-1"`} {
					w.typeIn(user, session, "lobby", thread)
				}
			}
		}
		w.wantTyping("eve", "lobby", "ada/", "ada/t-1", "ada/t/2", "ben/", "ben/t-1", "ben/t/2")
		for query, want := range map[string][]string{"?threadId=t-1": {"ada/t-1", "ben/t-1"}, "?threadId=t%2F2": {"ada/t/2", "ben/t/2"}, "?threadId=t": {}} {
			if got := w.typingIn("eve", "lobby", query); !slices.Equal(got, want) {
				w.Errorf("%s: %q, want %q", query, got, want)
			}
		}
		w.ask("ada", "DELETE", "/v1/rooms/lobby/typing?threadId=t%2F2", "")
		w.ask("ben", "PUT", "/v1/rooms/lobby/typing", `{"sessionId":"session-1","threadId":"t-1","typing":false}`)
		w.wantTyping("eve", "lobby", "ada/", "ada/t-1", "ben/", "ben/t/2")
	})
}

func TestTypingEndsWithTheSessionAtWhichItWasSaidLast(t *testing.T) {
	inWorld(t, func(w *world) {
		end := func(session string) { w.ask("ada", "DELETE", "/v1/presence/me/sessions/"+session, "") }
		for _, session := range []string{"session-1", "session-2"} {
			w.beat("ada", session, "")
			w.typeIn("ada", session, "lobby", "")
		}
		w.typeIn("ada", "session-1", "attic", "")
		end("session-1")
		w.wantTyping("ben", "lobby", "ada/")
		w.wantTyping("ben", "attic")
		end("session-2")
		w.wantTyping("ben", "lobby")
		w.beat("ada", "session-2", "")
		w.wantTyping("ben", "lobby") // a session that comes back does not type
	})
}

func TestAMembersTypingEndsWhenHeLeavesTheRoom(t *testing.T) {
	inWorld(t, func(w *world) {
		w.beat("ada", "session-1", `,"rooms":["lobby","attic"]`)
		w.beat("ada", "session-2", `,"rooms":["lobby"]`)
		w.beat("ben", "session-1", "")
		w.typeIn("ada", "session-1", "lobby", `,"ttlMs":30000`)
		w.typeIn("ada", "session-1", "attic", `,"ttlMs":30000`)
		w.typeIn("ben", "session-1", "lobby", `,"ttlMs":30000`) // who is no member
		w.join("DELETE", "ada", "lobby", "session-1")
		w.wantTyping("eve", "lobby", "ada/", "ben/") // she is there with the other
		w.join("DELETE", "ada", "lobby", "session-2")
		w.wantTyping("eve", "lobby", "ben/")
		w.beat("ada", "session-1", `,"rooms":["lobby"]`)
		w.wantTyping("eve", "attic")
		w.wantTyping("eve", "lobby", "ben/") // who comes back does not type
		w.join("DELETE", "ben", "lobby", "")
		w.wantTyping("eve", "lobby", "ben/") // he was never there: nothing has ended
	})
}

func TestTypingNeedsALiveSession(t *testing.T) {
	inWorld(t, func(w *world) {
		const mark = `{"sessionId":"session-1"}`
		refused := func() {
			w.Helper()
			for _, r := range []reply{
				w.ask("ada", "PUT", "/v1/rooms/lobby/typing", mark),
				w.ask("ada", "POST", "/v1/rooms/lobby/typing", mark),
				w.ask("ada", "PUT", "/v1/rooms/lobby/typing", `{"sessionId":"session-1","typing":false}`),
				w.ask("ada", "DELETE", "/v1/rooms/lobby/typing?sessionId=session-1", ""),
			} {
				w.wantProblem(r, http.StatusConflict, api.ProblemCodeNoSession)
			}
		}
		refused()
		w.beat("eve", "session-1", "") // the same id, but not hers
		refused()
		w.beat("ada", "session-1", "")
		w.typeIn("ada", "session-1", "lobby", "")
		w.ask("ada", "DELETE", "/v1/presence/me/sessions/session-1", "")
		refused()
		if r := w.ask("ada", "DELETE", "/v1/rooms/lobby/typing", ""); r.status != http.StatusNoContent {
			w.Errorf("to stop without naming one: %d %s", r.status, r.body)
		}
	})
}

func TestWhoMaySeeThatOneTypesIsOnesOwnChoice(t *testing.T) {
	inWorld(t, func(w *world) {
		w.beat("ada", "session-1", `,"rooms":["lobby"]`)
		w.decide("ada", "PUT", "contacts/contact")
		w.typeIn("ada", "session-1", "lobby", `,"ttlMs":30000`)
		for _, test := range []struct {
			typing            string
			contact, stranger bool
		}{{"everyone", true, true}, {"contacts", true, false}, {"nobody", false, false}} {
			w.ask("ada", "PUT", privacyPath, privacy("everyone", "everyone", "everyone", test.typing))
			for viewer, sees := range map[string]bool{"ada": true, "contact": test.contact, "stranger": test.stranger} {
				if got := len(w.typingIn(viewer, "lobby", "")) == 1; got != sees {
					w.Errorf("typing for %s: %s sees it: %t", test.typing, viewer, got)
				}
				w.wantThere(viewer, "lobby", 1, "ada") // which it does not hide
			}
		}
	})
}

func TestInACrowdNobodyIsToldWhoTypes(t *testing.T) {
	inStillWorld(t, func(w *world) {
		for i := range presence.TypingShown - 1 {
			w.inLobby(fmt.Sprintf("user-%03d", i))
		}
		w.inLobby("zoe")
		w.typeIn("zoe", "session-1", "lobby", `,"ttlMs":30000`)
		w.wantTyping("eve", "lobby", "zoe/") // a hundred
		w.inLobby("one-more")
		w.wantTyping("eve", "lobby")
		w.wantTyping("zoe", "lobby")
		w.join("DELETE", "one-more", "lobby", "")
		w.wantTyping("eve", "lobby", "zoe/")

		// Each counts those whom he may see.
		w.inLobby("one-more")
		w.decide("one-more", "PUT", "blocks/eve")
		w.wantTyping("eve", "lobby", "zoe/")
		w.wantTyping("ben", "lobby")
		w.ask("one-more", "PUT", privacyPath, privacy("contacts", "contacts", "contacts", "contacts"))
		w.decide("one-more", "PUT", "contacts/ben")
		w.wantTyping("eve", "lobby", "zoe/")
		w.wantTyping("zoe", "lobby", "zoe/")
		w.wantTyping("ben", "lobby")
		w.choose("one-more", `{"status":"invisible"}`)
		w.wantTyping("ben", "lobby", "zoe/")
		w.wantTyping("one-more", "lobby") // she counts herself
		for i := range 3 {
			w.inLobby(fmt.Sprintf("and-more-%d", i))
		}
		w.wantTyping("eve", "lobby")
	})
}

func TestAMarkThatCannotBeIsRefused(t *testing.T) {
	inWorld(t, func(w *world) {
		w.beat("ada", "session-1", "")
		for _, test := range []struct{ more, pointer string }{
			{`"typing":"true"`, "/typing"},
			{`"typing":1`, "/typing"},
			{`"typing":null`, "/typing"},
			{`"threadId":""`, "/threadId"},
			{`"threadId":".."`, "/threadId"},
			{`"threadId":"a\nb"`, "/threadId"},
			{`"threadId":"` + strings.Repeat("x", 129) + `"`, "/threadId"},
			{`"threadId":7`, "/threadId"},
			{`"ttlMs":0`, "/ttlMs"},
			{`"ttlMs":999`, "/ttlMs"},
			{`"ttlMs":30001`, "/ttlMs"},
			{`"ttlMs":1000.5`, "/ttlMs"},
			{`"ttlMs":"6000"`, "/ttlMs"},
			{`"room":"lobby"`, "/room"},
			{`"userId":"eve"`, "/userId"},
		} {
			for _, method := range []string{"PUT", "POST"} {
				w.wantInvalid(w.ask("ada", method, "/v1/rooms/lobby/typing", `{"sessionId":"session-1",`+test.more+`}`), test.pointer)
			}
		}
		w.wantInvalid(w.ask("ada", "PUT", "/v1/rooms/lobby/typing", `{}`), "/sessionId")
		w.wantInvalid(w.ask("ada", "PUT", "/v1/rooms/lobby/typing", `{"sessionId":"short"}`), "/sessionId")
		for query, pointer := range map[string]string{
			"?sessionId=short": "/sessionId", "?sessionId=": "/sessionId", "?threadId=": "/threadId", "?threadId=..": "/threadId", "?threadId=%0a": "/threadId", "?threadId=%zz": "",
		} {
			w.wantInvalid(w.ask("ada", "DELETE", "/v1/rooms/lobby/typing"+query, ""), pointer)
			if !strings.Contains(query, "session") {
				w.wantInvalid(w.ask("ada", "GET", "/v1/rooms/lobby/typing"+query, ""), pointer)
			}
		}
		w.wantTyping("ada", "lobby")
	})
}

func TestOfTooManyMarksTheOldestGivesWay(t *testing.T) {
	inWorld(t, func(w *world) {
		w.beat("ada", "session-1", "")
		for i := range presence.MarksAUser + 1 {
			w.typeIn("ada", "session-1", "lobby", fmt.Sprintf(`,"threadId":"t-%02d"`, i))
			time.Sleep(10 * time.Millisecond)
		}
		if got := w.typingIn("eve", "lobby", ""); len(got) != presence.MarksAUser || got[0] != "ada/t-01" {
			w.Errorf("%d marks: %q", len(got), got)
		}
	})
}
