package handlers

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/presently/presently/api"
	"github.com/presently/presently/presence"
	"github.com/presently/presently/presence/memstore"
)

// subscribe makes a subscription, which must do.
func (w *world) subscribe(user, body string, headers ...string) api.Subscription {
	w.Helper()
	return as[api.Subscription](w, w.ask(user, "POST", "/v1/subscriptions", body, headers...), http.StatusCreated)
}

// onSubscriptions are all that can be asked of a subscription that is there, each of which needs one that is live.
var onSubscriptions = []struct{ method, more, body string }{
	{"GET", "", ""},
	{"PATCH", "", `{"addUsers":["cyd"]}`},
	{"POST", "/renew", ""},
	{"DELETE", "", ""}, // last: it ends it
}

func (w *world) onSubscription(user, method, id, more, body string, headers ...string) reply {
	w.Helper()
	return w.ask(user, method, "/v1/subscriptions/"+id+more, body, headers...)
}

func (w *world) change(user, id, body string) api.Subscription {
	w.Helper()
	return as[api.Subscription](w, w.onSubscription(user, "PATCH", id, "", body), http.StatusOK)
}

// wantWatched checks what a subscription watches, by what its owner is told of it.
func (w *world) wantWatched(user, id, users, rooms string, mode api.SubscriptionMode) {
	w.Helper()
	sub := as[api.Subscription](w, w.onSubscription(user, "GET", id, "", ""), http.StatusOK)
	if strings.Join(sub.Users, " ") != users || strings.Join(sub.Rooms, " ") != rooms || sub.Mode != mode {
		w.Errorf("watches %q in rooms %q, %s, want %q in rooms %q, %s", sub.Users, sub.Rooms, sub.Mode, users, rooms, mode)
	}
}

// holding is the header of a token of a user's that grants rooms and lasts for a while.
func holding(user string, lasts time.Duration, rooms ...string) string {
	return "Authorization: Bearer " + token(user, map[string]any{"rooms": append([]string{}, rooms...), "exp": time.Now().Add(lasts).Unix()})
}

// names are n different ones, as a JSON array.
func names(prefix string, n int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprint(prefix, i)
	}
	return string(encode(list))
}

func TestASubscriptionIsWhatWasAskedForAndEndsWithTheToken(t *testing.T) {
	inWorld(t, func(w *world) {
		exp := time.Now().Add(time.Hour).Truncate(time.Second)
		r := w.ask("", "POST", "/v1/subscriptions", `{"users":["zoe","ben","zoe","ada"],"rooms":["lobby","lobby","team-docs"],"events":["typing","presence"],"mode":"quiet"}`,
			"Authorization: Bearer "+token("ada", map[string]any{"exp": exp.Unix()}))
		sub := as[api.Subscription](w, r, http.StatusCreated)
		want := api.Subscription{
			ID: sub.ID, Ticket: sub.Ticket, StreamURL: "/v1/stream?ticket=" + url.QueryEscape(sub.Ticket), ExpiresAt: formatTime(exp),
			Users: []string{"zoe", "ben", "ada"}, Rooms: []string{"lobby", "team-docs"},
			Events: []api.EventKind{api.EventKindPresence, api.EventKindTyping}, Mode: api.SubscriptionModeQuiet,
		}
		if string(encode(sub)) != string(encode(want)) || !strings.HasPrefix(sub.Ticket, sub.ID+".") || len(sub.Ticket) != 16+1+22 {
			w.Errorf("%s\nwant %s", r.body, encode(want))
		}
		if got := r.header.Get("Location"); got != "/v1/subscriptions/"+sub.ID || r.header.Get("Cache-Control") != "no-store" {
			w.Errorf("%v", r.header)
		}
		if got := w.ask("ada", "GET", r.header.Get("Location"), ""); string(got.body) != string(r.body) {
			w.Errorf("read again, it is %s\nwant %s", got.body, r.body)
		}
		other := w.subscribe("ada", `{"rooms":["lobby"]}`)
		if other.ID == sub.ID || other.Mode != api.SubscriptionModeLive || len(other.Events) != 3 || other.Users == nil || len(other.Users) > 0 {
			w.Errorf("without a word, it is %+v", other)
		}
	})
}

func TestASubscriptionThatCannotBeIsRefused(t *testing.T) {
	inWorld(t, func(w *world) {
		for _, test := range []struct {
			body     string
			pointers []string
		}{
			{`{}`, []string{""}},
			{`{"users":[],"rooms":[]}`, []string{""}},
			{`{"mode":"quiet"}`, []string{""}},
			{`{"users":["ada",".."]}`, []string{"/users/1"}},
			{`{"rooms":["","a\u0000"]}`, []string{"/rooms/0", "/rooms/1"}},
			{`{"users":` + names("u", 1001) + `}`, []string{"/users"}},
			{`{"rooms":` + names("r", 51) + `}`, []string{"/rooms"}},
			{`{"users":["ada"],"mode":"loud"}`, []string{"/mode"}},
			{`{"users":["ada"],"events":[]}`, []string{"/events"}},
			{`{"users":["ada"],"events":["ping"]}`, []string{"/events/0"}},
			{`{"users":["ada"],"events":["room","room"]}`, []string{"/events"}},
			{`{"users":"ada"}`, []string{"/users"}},
			{`{"users":null}`, []string{"/users"}},
			{`{"users":["ada"],"ticket":"x"}`, []string{"/ticket"}},
		} {
			w.wantInvalid(w.ask("ada", "POST", "/v1/subscriptions", test.body), test.pointers...)
		}
		if sub := w.subscribe("ada", `{"users":`+names("u", 1000)+`,"rooms":`+names("r", 50)+`}`); len(sub.Users) != 1000 || len(sub.Rooms) != 50 {
			w.Errorf("%d users, %d rooms", len(sub.Users), len(sub.Rooms))
		}
	})
}

// pointers are where a problem says that something is at fault.
func pointers(p api.Problem) string {
	var all []string
	for _, field := range p.Errors {
		all = append(all, field.Pointer)
	}
	return strings.Join(all, " ")
}

func TestOnlyRoomsThatTheTokenGrantsAreWatched(t *testing.T) {
	inWorld(t, func(w *world) {
		team := holding("ada", time.Hour, "team-*", "lobby")
		w.wantProblem(w.ask("", "POST", "/v1/subscriptions", `{"users":["ben"],"rooms":["team-docs","board"]}`, team), http.StatusForbidden, api.ProblemCodeRoomNotGranted)
		w.wantProblem(w.ask("", "POST", "/v1/subscriptions", `{"rooms":["lobby"]}`, holding("ada", time.Hour)), http.StatusForbidden, api.ProblemCodeRoomNotGranted)
		sub := w.subscribe("", `{"users":["ben"],"rooms":["team-docs","lobby"]}`, team)
		p := w.wantProblem(w.onSubscription("", "PATCH", sub.ID, "", `{"addUsers":["cyd"],"removeUsers":["ben"],"addRooms":["team-x","board"],"mode":"quiet"}`, team), http.StatusForbidden, api.ProblemCodeRoomNotGranted)
		if !strings.Contains(p.Detail, "board") || pointers(p) != "/addRooms/1" {
			w.Errorf("which room? %q, %+v", p.Detail, p.Errors)
		}
		// All that are not granted are named, so that the rest can be had at once.
		p = w.wantProblem(w.ask("", "POST", "/v1/subscriptions", `{"rooms":["lobby","board","lobby","attic"]}`, team), http.StatusForbidden, api.ProblemCodeRoomNotGranted)
		if pointers(p) != "/rooms/1 /rooms/3" {
			w.Errorf("which rooms? %+v", p.Errors)
		}
		w.wantWatched("ada", sub.ID, "ben", "team-docs lobby", api.SubscriptionModeLive)
		// Who may no longer enter a room may still watch it no longer.
		as[api.Subscription](w, w.onSubscription("", "PATCH", sub.ID, "", `{"removeRooms":["lobby"]}`, holding("ada", time.Hour)), http.StatusOK)
		w.wantWatched("ada", sub.ID, "ben", "team-docs", api.SubscriptionModeLive)
	})
}

func TestAChangeTakesAwayThenAddsAndKeepsTheOrder(t *testing.T) {
	inWorld(t, func(w *world) {
		sub := w.subscribe("ada", `{"users":["a","b","c"],"rooms":["r","s"]}`)
		if got := w.change("ada", sub.ID, `{"addUsers":["d","a","e","d","b"],"removeUsers":["b","nobody"],"addRooms":["t","s"],"removeRooms":["r"]}`); got.Ticket != sub.Ticket || got.ExpiresAt != sub.ExpiresAt || got.ID != sub.ID {
			w.Errorf("%+v, was %+v", got, sub)
		}
		w.wantWatched("ada", sub.ID, "a c d e b", "s t", api.SubscriptionModeLive)
		w.change("ada", sub.ID, `{"mode":"quiet"}`)
		w.wantWatched("ada", sub.ID, "a c d e b", "s t", api.SubscriptionModeQuiet)
		w.change("ada", sub.ID, `{"removeUsers":["a","b","c","d","e"],"removeRooms":["s","t"]}`) // to nothing, which is no fault
		w.wantWatched("ada", sub.ID, "", "", api.SubscriptionModeQuiet)
		w.change("ada", sub.ID, `{"mode":"live","addRooms":["r"]}`)
		w.wantWatched("ada", sub.ID, "", "r", api.SubscriptionModeLive)
	})
}

func TestAChangeThatCannotBeChangesNothing(t *testing.T) {
	inWorld(t, func(w *world) {
		sub := w.subscribe("ada", `{"users":`+names("u", 999)+`,"rooms":`+names("r", 49)+`}`)
		path := "/v1/subscriptions/" + sub.ID
		for _, test := range []struct{ body, pointer string }{
			{`{"addUsers":["a","b"],"mode":"quiet"}`, "/addUsers"},
			{`{"addUsers":["a","b"],"removeUsers":["nobody"],"mode":"quiet"}`, "/addUsers"},
			{`{"addRooms":["a","b"],"mode":"quiet"}`, "/addRooms"},
			{`{"addRooms":["a",".."],"mode":"quiet"}`, "/addRooms/1"},
			{`{"removeUsers":[""],"mode":"quiet"}`, "/removeUsers/0"},
			{`{"addUsers":` + names("v", 1001) + `}`, "/addUsers"},
			{`{"removeRooms":` + names("v", 51) + `}`, "/removeRooms"},
			{`{"mode":"loud"}`, "/mode"},
			{`{"users":["a"]}`, "/users"},
			{`{"events":["room"]}`, "/events"},
			{`{"addUsers":null}`, "/addUsers"},
		} {
			w.wantInvalid(w.ask("ada", "PATCH", path, test.body), test.pointer)
		}
		w.wantProblem(w.ask("ada", "PATCH", path, `{`), http.StatusBadRequest, api.ProblemCodeMalformedJSON)
		w.wantProblem(w.ask("ada", "PATCH", path, `{}`, "Content-Type: text/plain"), http.StatusUnsupportedMediaType, api.ProblemCodeUnsupportedMediaType)
		w.wantProblem(w.ask("ada", "PATCH", path, `{}`+strings.Repeat(" ", 1<<20-1)), http.StatusRequestEntityTooLarge, api.ProblemCodeBodyTooLarge)
		if got := as[api.Subscription](w, w.ask("ada", "GET", path, ""), http.StatusOK); string(encode(got)) != string(encode(sub)) {
			w.Errorf("it has become %d users, %d rooms, %s", len(got.Users), len(got.Rooms), got.Mode)
		}
		got := w.change("ada", sub.ID, `{"addUsers":["a","b","u0"],"removeUsers":["u1"],"addRooms":["a","b"],"removeRooms":["r1"]}`+strings.Repeat(" ", 1<<19)) // the caps hold afterwards
		if len(got.Users) != 1000 || len(got.Rooms) != 50 {
			w.Errorf("%d users, %d rooms", len(got.Users), len(got.Rooms))
		}
	})
}

// meddled is a store in which something else happens once, after a subscription was read and before it is put.
type meddled struct {
	*memstore.Store
	meanwhile atomic.Pointer[func()]
	puts      atomic.Int32
	refuse    atomic.Bool
}

func (m *meddled) Subscription(ctx context.Context, id string) (presence.Subscription, error) {
	sub, err := m.Store.Subscription(ctx, id)
	if do := m.meanwhile.Swap(nil); do != nil {
		(*do)()
	}
	return sub, err
}

func (m *meddled) PutSubscription(ctx context.Context, sub presence.Subscription) (presence.Version, error) {
	m.puts.Add(1)
	if m.refuse.Load() {
		return 0, presence.ErrSubscriptionChanged
	}
	return m.Store.PutSubscription(ctx, sub)
}

func inMeddledWorld(t *testing.T, story func(w *world, m *meddled)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		m := &meddled{Store: newStore()}
		w := newWorld(t, m)
		w.run()
		story(w, m)
	})
}

func TestOfTwoChangesAtOnceBothLand(t *testing.T) {
	inMeddledWorld(t, func(w *world, m *meddled) {
		sub := w.subscribe("ada", `{"users":["a","b"],"rooms":["r"]}`)
		m.meanwhile.Store(new(func() { w.change("ada", sub.ID, `{"addUsers":["c"],"removeUsers":["a"],"mode":"quiet"}`) }))
		w.change("ada", sub.ID, `{"addUsers":["d"],"removeUsers":["b"],"addRooms":["s"]}`)
		w.wantWatched("ada", sub.ID, "c d", "r s", api.SubscriptionModeQuiet)

		m.meanwhile.Store(new(func() {
			as[api.Subscription](w, w.onSubscription("", "POST", sub.ID, "/renew", "", holding("ada", 100*time.Hour, "*")), http.StatusOK)
		}))
		if got := w.change("ada", sub.ID, `{"removeUsers":["d"]}`); got.ExpiresAt <= sub.ExpiresAt || len(got.Users) != 1 {
			w.Errorf("renewed meanwhile, it is %+v", got)
		}

		// The caps hold for what comes of both, too.
		m.meanwhile.Store(new(func() { w.change("ada", sub.ID, `{"addRooms":`+names("x", 48)+`}`) }))
		w.wantInvalid(w.onSubscription("ada", "PATCH", sub.ID, "", `{"addRooms":["y"]}`), "/addRooms")

		m.meanwhile.Store(new(func() { w.onSubscription("ada", "DELETE", sub.ID, "", "") }))
		w.wantProblem(w.onSubscription("ada", "PATCH", sub.ID, "", `{"addUsers":["z"]}`), http.StatusGone, api.ProblemCodeSubscriptionGone)
	})
}

func TestOfManyChangesAtOnceAllLand(t *testing.T) {
	inWorld(t, func(w *world) {
		sub := w.subscribe("ada", `{"rooms":["r"]}`)
		const many = 20
		replies := make(chan int, many)
		for i := range many {
			go func() {
				req, _ := http.NewRequestWithContext(w.Context(), "PATCH", "http://presently/v1/subscriptions/"+sub.ID, body(fmt.Sprintf(`{"addUsers":["user-%d"]}`, i)))
				req.Header.Set("Content-Type", "application/json")
				req.Header.Set("Authorization", "Bearer "+token("ada", nil))
				res, err := w.client.Do(req)
				if err != nil {
					replies <- 0
					return
				}
				res.Body.Close() //nolint:errcheck // a test
				replies <- res.StatusCode
			}()
		}
		for range many {
			if status := <-replies; status != http.StatusOK {
				w.Errorf("status %d", status)
			}
		}
		if got := as[api.Subscription](w, w.onSubscription("ada", "GET", sub.ID, "", ""), http.StatusOK); len(got.Users) != many {
			w.Errorf("%q", got.Users)
		}
	})
}

func TestWhatChangesNothingIsToldToNobody(t *testing.T) {
	inMeddledWorld(t, func(w *world, m *meddled) {
		same := "Authorization: Bearer " + token("ada", nil)
		sub := w.subscribe("", `{"users":["a","b"],"rooms":["r"]}`, same)
		m.puts.Store(0)
		for _, change := range []string{`{}`, `{"addUsers":["b","a"],"addRooms":["r"]}`, `{"removeUsers":["c"]}`, `{"mode":"live"}`} {
			w.change("ada", sub.ID, change)
		}
		as[api.Subscription](w, w.onSubscription("", "POST", sub.ID, "/renew", "", same), http.StatusOK)
		if got := m.puts.Load(); got != 0 {
			w.Errorf("it was stored %d times", got)
		}
	})
}

func TestAChangeThatNeverGetsItsTurnGivesUp(t *testing.T) {
	inMeddledWorld(t, func(w *world, m *meddled) {
		sub := w.subscribe("ada", `{"users":["a"]}`)
		m.puts.Store(0)
		m.refuse.Store(true)
		start := time.Now()
		w.wantProblem(w.onSubscription("ada", "PATCH", sub.ID, "", `{"addUsers":["b"]}`), http.StatusServiceUnavailable, api.ProblemCodeStoreUnavailable)
		if took := time.Since(start); m.puts.Load() > 100 || took > time.Second {
			w.Errorf("after %d tries and %v", m.puts.Load(), took)
		}
	})
}

func TestRenewingLengthensASubscriptionUnderTheFreshToken(t *testing.T) {
	inWorld(t, func(w *world) {
		sub := w.subscribe("", `{"users":["ben"],"rooms":["lobby"]}`, holding("ada", time.Minute, "lobby"))
		renew := func(header string) reply { return w.onSubscription("", "POST", sub.ID, "/renew", "", header) }
		time.Sleep(30 * time.Second)
		got := as[api.Subscription](w, renew(holding("ada", time.Minute, "lo*", "team-*")), http.StatusOK)
		if want := formatTime(time.Now().Add(time.Minute).Truncate(time.Second)); got.ExpiresAt != want || got.Ticket != sub.Ticket {
			w.Errorf("renewed: %+v, want it to end %s", got, want)
		}
		if again := as[api.Subscription](w, renew(holding("ada", 10*time.Second, "lobby")), http.StatusOK); again.ExpiresAt != got.ExpiresAt {
			w.Errorf("a token that ends earlier has shortened it: %+v, was %+v", again, got)
		}
		// The fresh token must grant all that is watched.
		if p := w.wantProblem(renew(holding("ada", time.Hour, "team-*")), http.StatusForbidden, api.ProblemCodeRoomNotGranted); pointers(p) != "/rooms/0" {
			w.Errorf("which room? %+v", p.Errors)
		}
		if after := as[api.Subscription](w, w.onSubscription("ada", "GET", sub.ID, "", ""), http.StatusOK); after.ExpiresAt != got.ExpiresAt {
			w.Errorf("a refused renewal has changed it: %+v", after)
		}
		time.Sleep(40 * time.Second) // past its first end
		w.wantWatched("ada", sub.ID, "ben", "lobby", api.SubscriptionModeLive)
		time.Sleep(20 * time.Second)
		w.wantProblem(renew(holding("ada", time.Hour, "*")), http.StatusGone, api.ProblemCodeSubscriptionGone)
	})
}

// Two tokens: one lasts and does not grant the room, the other grants it and does not last. Together they must not watch it for long.
func TestARoomIsNotWatchedForLongerThanATokenGrantsIt(t *testing.T) {
	inWorld(t, func(w *world) {
		long, short := holding("ada", time.Hour, "team-*"), holding("ada", time.Minute, "*")
		sub := w.subscribe("", `{"rooms":["team-docs"]}`, long)
		if got := as[api.Subscription](w, w.onSubscription("", "PATCH", sub.ID, "", `{"addRooms":["team-x"],"addUsers":["ben"]}`, short), http.StatusOK); got.ExpiresAt != sub.ExpiresAt {
			w.Errorf("both grant it, and it ends %s, not %s", got.ExpiresAt, sub.ExpiresAt)
		}
		as[api.Subscription](w, w.onSubscription("", "POST", sub.ID, "/renew", "", short), http.StatusOK)
		want := formatTime(time.Now().Add(time.Minute).Truncate(time.Second))
		if got := as[api.Subscription](w, w.onSubscription("", "PATCH", sub.ID, "", `{"addRooms":["board"]}`, short), http.StatusOK); got.ExpiresAt != want {
			w.Errorf("it ends %s, want %s", got.ExpiresAt, want)
		}
		w.wantProblem(w.onSubscription("", "POST", sub.ID, "/renew", "", long), http.StatusForbidden, api.ProblemCodeRoomNotGranted)
	})
}

func TestWhatHasEndedIsGoneForItsOwner(t *testing.T) {
	inWorld(t, func(w *world) {
		for name, end := range map[string]func(id string){
			"ended": func(id string) {
				if r := w.onSubscription("ada", "DELETE", id, "", ""); r.status != http.StatusNoContent || len(r.body) > 0 {
					w.Errorf("%d %s", r.status, r.body)
				}
			},
			"expired": func(string) { time.Sleep(time.Minute) },
		} {
			sub := w.subscribe("", `{"users":["ben"]}`, holding("ada", time.Minute))
			end(sub.ID)
			for _, op := range onSubscriptions {
				r := w.onSubscription("ada", op.method, sub.ID, op.more, op.body)
				if p := w.wantProblem(r, http.StatusGone, api.ProblemCodeSubscriptionGone); p.Detail != errGone().detail {
					w.Errorf("%s, %s: %s", name, op.method, r.body)
				}
			}
			time.Sleep(presence.SubscriptionKept)
			w.wantProblem(w.onSubscription("ada", "GET", sub.ID, "", ""), http.StatusNotFound, api.ProblemCodeNotFound)
		}
	})
}

// A long token does not make what has ended stay, nor what it watched.
func TestLittleIsKeptOfWhatHasEndedAndNotForLong(t *testing.T) {
	inWorld(t, func(w *world) {
		sub := w.subscribe("", `{"users":`+names("u", 1000)+`}`, holding("ada", 1000*time.Hour))
		w.onSubscription("ada", "DELETE", sub.ID, "", "")
		if kept, err := w.store.Subscription(w.Context(), sub.ID); err != nil || len(kept.Users) > 0 || kept.Ticket != "" || !kept.Ended {
			w.Errorf("%+v, %v", kept, err)
		}
		time.Sleep(presence.SubscriptionKept)
		w.wantProblem(w.onSubscription("ada", "GET", sub.ID, "", ""), http.StatusNotFound, api.ProblemCodeNotFound)
	})
}

// Whether somebody else has such a subscription, or had one, cannot be told.
// A page that crashes leaves its subscription behind. However many do, their user is never locked out, and what he makes the store keep is bounded.
func TestOfTooManySubscriptionsTheOldestEnds(t *testing.T) {
	inWorld(t, func(w *world) {
		first := w.subscribe("ada", `{"users":["ben"]}`)
		stream := w.follow(first)
		stream.started()
		other := w.subscribe("ben", `{"users":["ada"]}`)
		second := w.subscribe("ada", `{"users":["ben"]}`)
		for range 98 {
			w.subscribe("ada", `{"users":["ben"]}`)
		}
		if r := w.onSubscription("ada", "GET", first.ID, "", ""); r.status != http.StatusOK {
			w.Errorf("of a hundred the first is gone: %d %s", r.status, r.body)
		}
		w.subscribe("ada", `{"users":["ben"]}`)
		w.wantProblem(w.onSubscription("ada", "GET", first.ID, "", ""), http.StatusGone, api.ProblemCodeSubscriptionGone)
		if p := decodeEvent[api.Problem](stream, stream.next("problem")); p.Code != api.ProblemCodeSubscriptionGone {
			w.Errorf("its stream ends with %s", p.Code)
		}
		for _, sub := range []struct{ user, id string }{{"ada", second.ID}, {"ben", other.ID}} {
			if r := w.onSubscription(sub.user, "GET", sub.id, "", ""); r.status != http.StatusOK {
				w.Errorf("%s's is gone too: %d %s", sub.user, r.status, r.body)
			}
		}
	})
}

// A page that stays open while others come and go keeps its own: those that were ended do not count, and what is renewed is none of the oldest.
func TestAPageThatStaysOpenKeepsItsSubscription(t *testing.T) {
	inWorld(t, func(w *world) {
		stays := w.subscribe("ada", `{"users":["ben"]}`)
		for range 100 {
			ended := w.subscribe("ada", `{"users":["ben"]}`)
			if r := w.onSubscription("ada", "DELETE", ended.ID, "", ""); r.status != http.StatusNoContent {
				w.Fatalf("DELETE: %d %s", r.status, r.body)
			}
		}
		if r := w.onSubscription("ada", "GET", stays.ID, "", ""); r.status != http.StatusOK {
			w.Errorf("after a hundred were ended: %d %s", r.status, r.body)
		}
		for i := range 100 {
			w.subscribe("ada", `{"users":["ben"]}`)
			if i == 50 {
				if r := w.onSubscription("ada", "POST", stays.ID, "/renew", ""); r.status != http.StatusOK {
					w.Fatalf("renew: %d %s", r.status, r.body)
				}
			}
		}
		if r := w.onSubscription("ada", "GET", stays.ID, "", ""); r.status != http.StatusOK {
			w.Errorf("after a hundred were left behind by others: %d %s", r.status, r.body)
		}
	})
}

func TestAnothersSubscriptionLooksLikeAnUnknownOne(t *testing.T) {
	inWorld(t, func(w *world) {
		live := w.subscribe("ada", `{"users":["ben"]}`).ID
		ended := w.subscribe("ada", `{"users":["ben"]}`).ID
		w.onSubscription("ada", "DELETE", ended, "", "")
		expired := w.subscribe("", `{"users":["ben"]}`, holding("ada", time.Second)).ID
		time.Sleep(time.Minute)
		unknown := randomWord()
		for _, op := range onSubscriptions {
			ask := func(id string) string {
				r := w.onSubscription("eve", op.method, id, op.more, op.body)
				w.wantProblem(r, http.StatusNotFound, api.ProblemCodeNotFound)
				requestID := r.header.Get("X-Request-Id")
				r.header.Del("X-Request-Id")
				r.header.Del("Date")
				return strings.NewReplacer(requestID, "REQUEST", id, "ID").Replace(fmt.Sprint(r.header, string(r.body)))
			}
			want := ask(unknown)
			for _, id := range []string{live + "A", live[1:], live[1:] + "=", "sub-1", "%00", "%0A" + live[1:], strings.Repeat("a", 200), "*", "{x}"} {
				ask(id)
			}
			for _, id := range []string{live, ended, expired, live[1:] + "!"} {
				if got := ask(id); got != want {
					w.Errorf("%s %s:\n%s\nwant\n%s", op.method, id, got, want)
				}
			}
		}
		w.wantWatched("ada", live, "ben", "", api.SubscriptionModeLive) // and nobody has touched it
	})
}

func TestASubscriptionNeedsATokenForReading(t *testing.T) {
	inMoodyWorld(t, func(w *world, m *moody) {
		sub := w.subscribe("ada", `{"users":["ben"]}`)
		for _, op := range onSubscriptions {
			path := "/v1/subscriptions/" + sub.ID + op.more
			for _, p := range []string{path, path + "?ticket=" + sub.Ticket} { // which is for the stream alone
				w.wantProblem(w.ask("", op.method, p, op.body), http.StatusUnauthorized, api.ProblemCodeMissingToken)
			}
			w.wantProblem(w.ask("", op.method, path, op.body, granting("presence:write presence:admin presence:stats")), http.StatusForbidden, api.ProblemCodeInsufficientScope)
			if op.method != "GET" {
				w.wantProblem(w.ask("", op.method, path, op.body, "Cookie: presently="+token("ada", nil), "Origin: https://evil.example"), http.StatusForbidden, api.ProblemCodeOriginNotAllowed)
			}
			m.mood(func() error { return presence.ErrUnavailable })
			w.wantProblem(w.ask("ada", op.method, path, op.body), http.StatusServiceUnavailable, api.ProblemCodeStoreUnavailable)
			m.mood(nil)
			if r := w.ask("", op.method, path, op.body, granting(ScopeRead)); r.status >= 300 {
				w.Errorf("%s: %d %s", op.method, r.status, r.body)
			}
		}
	})
}

func FuzzSubscriptionBodies(f *testing.F) {
	z := fuzz(f)
	for _, list := range []string{"users", "rooms", "events", "mode", "addUsers", "removeUsers", "addRooms", "removeRooms"} {
		for _, value := range nastyValues {
			f.Add(`{"users":["ada"],"`+list+`":`+value+`}`, `{"`+list+`":`+value+`}`)
			f.Add(`{"rooms":["lobby"],"`+list+`":[`+value+`,"ada"]}`, `{"addUsers":["ada"],"`+list+`":[`+value+`,"ada"]}`)
		}
	}
	for _, user := range slices.Concat(oddUsers, badUsers) {
		list := string(encode([]string{user, "ben", user}))
		f.Add(`{"users":`+list+`}`, `{"addRooms":`+list+`,"addUsers":["ben"],"mode":"quiet"}`)
	}
	f.Add(`{"users":`+names("u", 1000)+`,"rooms":`+names("r", 50)+`}`, `{"addRooms":["one-more"]}`)
	f.Fuzz(func(t *testing.T, create, change string) {
		r := z.ask(t, "POST", "/v1/subscriptions", create, "Content-Type: application/json")
		if r.Code != http.StatusCreated {
			return
		}
		members(t, create)
		path := r.Header().Get("Location")
		if r := z.ask(t, "PATCH", path, change, "Content-Type: application/json"); r.Code == http.StatusOK {
			members(t, change)
		}
		// What has been taken is what is kept, and can be.
		sub, err := z.server.tracker.Subscription(t.Context(), strings.TrimPrefix(path, "/v1/subscriptions/"))
		if err != nil {
			t.Fatal(err)
		}
		for _, list := range [][]string{sub.Users, sub.Rooms} {
			if i := slices.IndexFunc(list, func(id string) bool { return !presence.ValidUser(id) }); i >= 0 || len(distinct(list)) != len(list) || len(list) > 1000 {
				t.Errorf("%q then %q: %q", create, change, list)
			}
		}
		if len(sub.Rooms) > 50 || len(sub.Events) == 0 || len(sub.Events) > 3 {
			t.Errorf("%q then %q: %+v", create, change, sub)
		}
		z.ask(t, "DELETE", path, "")
	})
}
