package handlers

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/presently/presently/api"
)

// Whatever people do, and however long ago they were seen, every viewer gets by each way of looking the very bytes that the store's records make: rev is the
// moment as of which they are, and the tag stands for the rest.
func TestEveryLookIsWhatTheStoreHasByteForByte(t *testing.T) {
	for seed := range uint64(12) {
		inWorld(t, func(w *world) {
			dice := rand.New(rand.NewPCG(seed, 3))
			one := func(of ...string) string { return of[dice.IntN(len(of))] }
			users := []string{"ada", "ben", "nobody"}
			viewers := []string{"ada", "ben", "contact", "stranger", "blocked", "both"}
			for range 150 {
				user := one("ada", "ada", "ben")
				switch dice.IntN(10) {
				case 0, 1:
					w.beat(user, one("session-1", "session-2"), `,"state":"`+one("online", "away", "busy")+`","device":"`+one("web", "rev")+`"`+one("", `,"activity":{"type":"in_call","ttlMs":5000}`))
				case 2:
					w.ask(user, "DELETE", "/v1/presence/me/sessions/"+one("session-1", "session-2"), "")
				case 3:
					w.ask(user, one("PUT", "DELETE"), "/v1/"+one(lists...)+"/"+one(viewers...), "")
				case 4:
					w.ask(user, "PUT", privacyPath, privacy(one(everyAudience...), one(everyAudience...), one(everyAudience...), "everyone"))
				case 5:
					w.choose(user, `{"status":"`+one("invisible", "invisible", "busy", "away")+`"}`)
				case 6:
					w.ask(user, "DELETE", "/v1/presence/status", "")
				case 7:
					w.say(user, `{"text":"\"rev\":-9223372036854775808 <&>","emoji":"☕","expiresInMs":`+one("700", "60000")+`}`)
				}
				time.Sleep([]time.Duration{0, 0, time.Millisecond, 300 * time.Millisecond, time.Second, 7 * time.Second, 59 * time.Second, 10 * time.Minute, time.Hour}[dice.IntN(9)])
				w.wantLooksOf(one(viewers...), users, fmt.Sprint("seed ", seed))
			}
		})
	}
}

func (w *world) wantLooksOf(viewer string, users []string, when string) {
	w.Helper()
	records, err := w.store.Lookup(w.Context(), viewer, users)
	if err != nil {
		w.Fatal(err)
	}
	want := func(revs []api.Presence) (all []string) {
		for i, r := range records {
			rev := revs[i].Rev
			if rev != int64(r.AsOf) { // no time has passed
				w.Fatalf("%s: rev %d, want %d", when, rev, r.AsOf)
			}
			p := presenceOf(r.ViewFor(viewer, r.AsOf), 0)
			p.Rev = rev
			all = append(all, string(encode(p)))
		}
		return all
	}
	for _, r := range []reply{
		w.ask(viewer, "GET", "/v1/presence?user="+strings.Join(users, "&user="), ""),
		w.ask(viewer, "POST", "/v1/presence/query", string(encode(api.PresenceQuery{Users: users}))),
	} {
		all := want(as[api.PresenceList](w, r, http.StatusOK).Presences)
		if got, want := string(r.body), `{"presences":[`+strings.Join(all, ",")+"]}\n"; got != want {
			w.Fatalf("%s, %s gets\n%s, want\n%s", when, viewer, got, want)
		}
	}
	online := as[api.PresenceList](w, w.ask(viewer, "POST", "/v1/presence/query", string(encode(api.PresenceQuery{Users: users, OnlyOnline: new(true)}))), http.StatusOK).Presences
	for i, r := range records {
		r, is := r, r.ViewFor(viewer, r.AsOf).Status != "offline"
		if got := slices.ContainsFunc(online, func(p api.Presence) bool { return p.UserID == r.User }); got != is {
			w.Fatalf("%s, %s is told that %s is online: %t", when, viewer, users[i], got)
		}
		reply := w.ask(viewer, "GET", "/v1/presence/"+users[i], "")
		p := presenceOf(r.ViewFor(viewer, r.AsOf), 0)
		tag := writtenOf(p).tag()
		p.Rev = as[api.Presence](w, reply, http.StatusOK).Rev
		if got, want := string(reply.body), string(encode(p))+"\n"; got != want || reply.header.Get("ETag") != tag {
			w.Fatalf("%s, %s gets %s %s, want %s %s", when, viewer, reply.header.Get("ETag"), got, tag, want)
		}
	}
}

// A list is read by us where it is plain, and by the generated code where it is not: both must come to the same.
func TestAListIsReadTheSameByUsAndByTheGeneratedCode(t *testing.T) {
	inWorld(t, func(w *world) {
		for query, want := range map[string]string{
			"user=a&user=b":                           "a b",
			"user=a&user=b&user=a":                    "a b",
			"user=a%20b&user=c":                       "a b c",
			"user=a+b&user=%41&user=A":                "a b A",
			"user=.a&user=...":                        ".a ...",
			"user=%C3%A4&user=ä":                      "ä",
			"user=a=b&user=a%26b":                     "a=b a&b",
			"user=a&user=b&":                          "a b",
			"&user=a&&user=b":                         "a b",
			"user=a&x=1&user=b":                       "a b",
			"%75ser=a&user=b":                         "a b",
			"user=a&user=.":                           "!",
			"user=a&user=":                            "!",
			"user=a&user":                             "!",
			"user=a&user=b%0a":                        "!",
			"user=a&user=b%7f":                        "!",
			"user=a&user=b;c":                         "!",
			"user=a&user=%zz":                         "!",
			"user=a&user=%ff":                         "!",
			"user=a&user=" + longest + "x":            "!",
			"user=a&user=" + longest:                  "a " + longest,
			"user=a" + strings.Repeat("&user=a", 99):  "a",
			"user=a" + strings.Repeat("&user=a", 100): "!",
		} {
			r := w.ask("bob", "GET", "/v1/presence?"+query, "")
			if want == "!" {
				w.wantProblem(r, http.StatusBadRequest, api.ProblemCodeValidationFailed)
				continue
			}
			if got := strings.Join(ids(as[api.PresenceList](w, r, http.StatusOK).Presences), " "); got != want {
				w.Errorf("%s: %s, want %s", query, got, want)
			}
		}
	})
}

var longest = strings.Repeat("x", 128)

func TestEachOnceDropsDoublesAndChangesNoList(t *testing.T) {
	for _, n := range []int{0, 1, 2, 5, 100, eachAtOnce, eachAtOnce + 1, 500} {
		dice := rand.New(rand.NewPCG(uint64(n), 1)) //nolint:gosec // small
		for _, of := range []int{1, 3, 40, 1000, 1 << 30} {
			list := make([]string, n)
			for i := range list {
				list[i] = fmt.Sprint(dice.IntN(of))
			}
			before := slices.Clone(list)
			want := distinct(list)
			if got := eachOnce(list); !slices.Equal(got, want) || !slices.Equal(list, before) || cap(got) > 0 && len(got) == len(list) && cap(got) != len(got) {
				t.Errorf("%d of %d: %q, want %q", n, of, got, want)
			}
		}
	}
}
