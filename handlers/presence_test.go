package handlers

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/presently/presently/api"
)

// oddUsers are ids that are valid and need care on their way.
var oddUsers = []string{
	"100%", "%41", "%2541", "%2F", "%", "%%", "%zz", "a/b", "/", "//", "a b", " ", "a+b", "a&b=c", "a=b", "a;b", "a?b", "a#b", "a,b", "a:b", "a@b", "~", "...", ".a", `"`, `\`, "'", "<script>",
	"{x}", "[x]", "*", "$ne", "(|(a=*))", "me", "status", "query", "heartbeat", "leave", "sessions", "custom", "activity", "privacy", "explain", "ä", "a\u0308", "Ω", "日本語", "🙂", "👩‍🚀"[:4], "\u0301",
	strings.Repeat("x", 128), strings.Repeat("🙂", 128), strings.Repeat("ä", 128),
}

// badUsers are no users.
var badUsers = []string{
	"", ".", "..", "\x00", "a\x00b", "\n", "\r", "a\r\nX-Injected: 1", "\t", "\x1b[31m", "\x7f", "\u0085", "\u00a0", "\u2028", "\u2029", "\u202e", "\u200b", "\u200d", "\ufeff", "\ufffe", "\ue000",
	"\xff", "\xc0\x80", "\xed\xa0\x80", "a\xf0\x9f\x99", strings.Repeat("x", 129), strings.Repeat("🙂", 129), strings.Repeat("x", 5000),
}

func TestWhoeverIsUnknownIsOffline(t *testing.T) {
	inWorld(t, func(w *world) {
		p := w.see("bob", "nobody")
		if p.UserID != "nobody" || p.Status != api.StatusOffline || !p.Notify || p.Rev == 0 {
			w.Fatalf("%+v", p)
		}
		if p := as[api.Presence](w, w.ask("bob", "GET", "/v1/presence/me", ""), http.StatusOK); p.Status != api.StatusOffline || p.UserID != "bob" {
			w.Fatalf("%+v", p)
		}
	})
}

func TestEveryUserIsReadUnderHisOwnID(t *testing.T) {
	words := []string{"me", "privacy", "status", "query", "heartbeat", "leave", "custom", "activity"} // of this API: read by ?user=
	inWorld(t, func(w *world) {
		for i, user := range oddUsers {
			w.beat(user, "session-1", "")
			if p := as[api.Presence](w, w.ask(user, "GET", "/v1/presence/me", ""), http.StatusOK); p.UserID != user || p.Status != api.StatusOnline {
				w.Errorf("me, as %q: %+v", user, p)
			}
			if !slices.Contains(words, user) {
				for _, path := range []string{url.PathEscape(user), allEscaped(user)} {
					if p := w.see("bob", path); p.UserID != user || p.Status != api.StatusOnline {
						w.Errorf("%q as %s: %+v", user, path, p)
					}
				}
			}
			list := as[api.PresenceList](w, w.ask("bob", "GET", "/v1/presence?user="+url.QueryEscape(user)+"&user="+allEscaped(user), ""), http.StatusOK).Presences
			query := as[api.PresenceList](w, w.ask("bob", "POST", "/v1/presence/query", string(encode(map[string]any{"users": []string{user}}))), http.StatusOK).Presences
			for _, got := range [][]api.Presence{list, query} {
				if len(got) != 1 || got[0].UserID != user || got[0].Status != api.StatusOnline {
					w.Errorf("%q by ?user= or query: %+v", user, got)
				}
			}
			if i%8 == 0 {
				if _, snap, _ := w.watch("bob-"+user[:1], "user="+url.QueryEscape(user)).started(); snap.Presences[0].UserID != user || snap.Presences[0].Status != api.StatusOnline {
					w.Errorf("%q on a stream: %+v", user, snap)
				}
			}
		}
		for _, word := range words[2:] { // the first two can be read
			r := w.ask("bob", "GET", "/v1/presence/"+word, "")
			w.wantProblem(r, http.StatusMethodNotAllowed, api.ProblemCodeMethodNotAllowed)
		}
		if p := w.see("bob", "me"); p.UserID != "bob" {
			w.Errorf("me is %+v", p)
		}
	})
}

// allEscaped escapes every byte, as a client may.
func allEscaped(s string) string {
	var b strings.Builder
	for i := range len(s) {
		fmt.Fprintf(&b, "%%%02x", s[i])
	}
	return b.String()
}

func TestWhatIsNoUserIsRefusedAndPointedAt(t *testing.T) {
	inWorld(t, func(w *world) {
		for _, user := range badUsers {
			if user != "" {
				w.wantInvalid(w.ask("bob", "GET", "/v1/presence/"+allEscaped(user), ""), "/userId")
			}
			for _, path := range []string{"/v1/presence", "/v1/stream"} {
				w.wantInvalid(w.ask("bob", "GET", path+"?user=a&user=b&user=c&user="+allEscaped(user), ""), "/user/3")
			}
			if strings.ToValidUTF8(user, "") == user {
				w.wantInvalid(w.ask("bob", "POST", "/v1/presence/query", string(encode(map[string]any{"users": []string{"a", user, "c", user}}))), "/users/1", "/users/3")
			}
		}
		w.wantInvalid(w.ask("bob", "GET", "/v1/presence/..", ""), "/userId")
	})
}

func TestUsersAreListedInTheOrderAskedForEachOnce(t *testing.T) {
	inWorld(t, func(w *world) {
		w.beat("c", "session-1", "")
		ids := func(r reply) string {
			w.Helper()
			var ids []string
			for _, p := range as[api.PresenceList](w, r, http.StatusOK).Presences {
				ids = append(ids, p.UserID+":"+string(p.Status))
			}
			return strings.Join(ids, " ")
		}
		const want = "c:online a:offline bob:offline B:offline b:offline"
		if got := ids(w.ask("bob", "GET", "/v1/presence?user=c&user=a&user=c&user=bob&user=B&user=b&user=a", "")); got != want {
			w.Errorf("listed %s, want %s", got, want)
		}
		if got := ids(w.ask("bob", "POST", "/v1/presence/query", `{"users":["c","a","c","bob","B","b","a"],"onlyOnline":false}`)); got != want {
			w.Errorf("queried %s, want %s", got, want)
		}
		if got := ids(w.ask("bob", "POST", "/v1/presence/query", `{"users":["a","c","b"],"onlyOnline":true}`)); got != "c:online" {
			w.Errorf("only online: %s", got)
		}
		for _, body := range []string{`{"users":[]}`, `{"users":["a"],"onlyOnline":true}`} {
			if r := w.ask("bob", "POST", "/v1/presence/query", body); strings.TrimSpace(string(r.body)) != `{"presences":[]}` {
				w.Errorf("%s: %s", body, r.body)
			}
		}
	})
}

func TestAListHasItsLimit(t *testing.T) {
	inWorld(t, func(w *world) {
		list := func(n int) string {
			var ids []string
			for i := range n {
				ids = append(ids, fmt.Sprintf("user=%d", i))
			}
			return strings.Join(ids, "&")
		}
		query := func(n int) string {
			var ids []string
			for i := range n {
				ids = append(ids, strings.Repeat("🙂", 120)+fmt.Sprint(i))
			}
			return string(encode(map[string]any{"users": ids}))
		}
		if got := as[api.PresenceList](w, w.ask("bob", "GET", "/v1/presence?"+list(100), ""), http.StatusOK); len(got.Presences) != 100 {
			w.Errorf("%d presences, want 100", len(got.Presences))
		}
		if got := as[api.PresenceList](w, w.ask("bob", "POST", "/v1/presence/query", query(500)), http.StatusOK); len(got.Presences) != 500 {
			w.Errorf("%d presences, want 500", len(got.Presences))
		}
		w.wantInvalid(w.ask("bob", "GET", "/v1/presence?"+list(101), ""), "/user")
		w.wantInvalid(w.ask("bob", "GET", "/v1/stream?"+list(101), ""), "/user")
		w.wantInvalid(w.ask("bob", "POST", "/v1/presence/query", query(501)), "/users")
		w.wantInvalid(w.ask("bob", "GET", "/v1/presence", ""), "/user")
		w.wantInvalid(w.ask("bob", "GET", "/v1/presence?users=ada", ""), "/user")
		w.wantInvalid(w.ask("bob", "GET", "/v1/stream", ""), "/user")
	})
}

func TestAQueryThatCannotBeReadWholeIsNotReadInPart(t *testing.T) {
	inWorld(t, func(w *world) {
		for _, query := range []string{"user=a&user=%zz", "user=%", "user=a;user=b", "user=a&%zz=1"} {
			for _, path := range []string{"/v1/presence?", "/v1/stream?"} {
				w.wantInvalid(w.ask("bob", "GET", path+query, ""), "")
			}
		}
	})
}

func TestAPresenceThatIsUnchangedNeedNotBeSentAgain(t *testing.T) {
	inWorld(t, func(w *world) {
		w.beat("ada", "session-1", "")
		look := func(viewer string, headers ...string) reply {
			return w.ask(viewer, "GET", "/v1/presence/ada", "", headers...)
		}
		first := look("bob")
		tag := first.header.Get("ETag")
		time.Sleep(time.Second)
		w.beat("ada", "session-1", "")
		second := look("bob")
		if second.header.Get("ETag") != tag || string(second.body) == string(first.body) {
			w.Errorf("rev must move, the tag must not: %s %s, %s %s", tag, first.body, second.header.Get("ETag"), second.body)
		}
		strong := strings.TrimPrefix(tag, "W/")
		for _, header := range []string{tag, strong, `"x", ` + tag, tag + `, W/"x"`, `"x",` + strong + `,"y"`, "*", " * "} {
			for _, method := range []string{"GET", "HEAD"} {
				r := w.ask("bob", method, "/v1/presence/ada", "", "If-None-Match: "+header)
				if r.status != http.StatusNotModified || r.header.Get("ETag") != tag || len(r.body) > 0 {
					w.Errorf("%s, If-None-Match %s: %d %v %s", method, header, r.status, r.header, r.body)
				}
			}
		}
		for _, header := range []string{`"x"`, `W/"x", "y"`, "", strings.Trim(strong, `"`), "nonsense", `"*"`} {
			if r := look("bob", "If-None-Match: "+header); r.status != http.StatusOK {
				w.Errorf("If-None-Match %q: %d", header, r.status)
			}
		}
		if r := look("ada"); r.header.Get("ETag") == tag {
			w.Errorf("she, who sees more, gets the tag %s too: %s", tag, r.body)
		}
		w.choose("ada", `{"status":"busy"}`)
		if r := look("bob", "If-None-Match: "+tag); r.status != http.StatusOK || r.header.Get("ETag") == tag {
			w.Errorf("after a change: %d %s", r.status, r.header.Get("ETag"))
		}
		w.ask("ada", "DELETE", "/v1/presence/status", "")
		if r := look("bob", "If-None-Match: "+tag); r.status != http.StatusNotModified {
			w.Errorf("there and back: %d %s", r.status, r.body)
		}
	})
}

func TestRevIsNeverTheTimeOfTheLastChange(t *testing.T) {
	inWorld(t, func(w *world) {
		w.beat("ada", "session-1", "")
		last := int64(0)
		for range 5 {
			time.Sleep(time.Second)
			if rev := w.see("bob", "ada").Rev; rev <= last || time.Since(time.UnixMicro(rev)) > time.Second {
				w.Errorf("rev %d after %d: it is the time as of which the answer is true", rev, last)
			} else {
				last = rev
			}
		}
	})
}

func TestOfflineTellsWhenOnlyToTheUserHimself(t *testing.T) {
	inWorld(t, func(w *world) {
		w.beat("ada", "session-1", "")
		beaten := formatTime(time.Now())
		time.Sleep(worldPolicy.TTL + 2*time.Second)
		p := w.see("ada", "ada")
		if p.Status != api.StatusOffline || p.LastSeenAt == nil || *p.LastSeenAt != beaten || *p.LastSeen != api.LastSeenMinutes || p.Devices != nil || p.Chosen != nil || p.LastActiveAt != nil {
			w.Errorf("she sees %+v, last seen %v, want %s", p, p.LastSeenAt, beaten)
		}
		if p := w.see("eve", "ada"); p.Status != api.StatusOffline || p.LastSeen != nil || p.LastSeenAt != nil {
			w.Errorf("a stranger sees %+v", p)
		}
	})
	inStillWorld(t, func(w *world) {
		w.beat("ada", "session-1", "")
		w.ask("ada", "DELETE", "/v1/presence/me/sessions/session-1", "")
		for _, step := range []struct {
			after time.Duration
			want  api.LastSeen
		}{{0, "now"}, {59 * time.Second, "now"}, {2 * time.Second, "minutes"}, {time.Hour, "hours"}, {24 * time.Hour, "days"}, {7 * 24 * time.Hour, "weeks"}, {30 * 24 * time.Hour, "long"}} {
			time.Sleep(step.after)
			if p := w.see("ada", "ada"); p.LastSeen == nil || *p.LastSeen != step.want {
				w.Errorf("%s later: %+v, want %s", step.after, p, step.want)
			}
		}
	})
}
