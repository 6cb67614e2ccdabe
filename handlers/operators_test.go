package handlers

import (
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/presently/presently/presence"
)

// page is the operators' page, with the text that a person reads.
func (w *world) page(query url.Values) (page, text string) {
	w.Helper()
	rec := httptest.NewRecorder()
	more := func() []Fact { return []Fact{{"version", "1.2.3"}} }
	w.server.Operators(more).ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/?"+query.Encode(), nil))
	page = rec.Body.String()
	policy := rec.Header().Get("Content-Security-Policy")
	if rec.Code != http.StatusOK || !strings.HasPrefix(policy, "default-src 'none'; ") || rec.Header().Get("Cache-Control") != "no-store" {
		w.Errorf("%d %v", rec.Code, rec.Header())
	}
	if style := regexp.MustCompile(`(?s)<style>(.*)</style>`).FindStringSubmatch(page); style == nil || style[1] != operatorsStyle || !strings.Contains(policy, styleHash()) {
		w.Error("the style is not the one that the policy allows")
	}
	body := page[strings.Index(page, "<h1>"):]
	return page, strings.Join(strings.Fields(html.UnescapeString(regexp.MustCompile(`<[^>]*>`).ReplaceAllString(body, " "))), " ")
}

func wantText(t testing.TB, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("the page does not say %q:\n%s", part, text)
		}
	}
}

func TestOperatorsSeeHowTheInstanceDoesAndWhyAUserIsShownAsHeIs(t *testing.T) {
	inMoodyWorld(t, func(w *world, m *moody) {
		w.beat("ada", "session-1", `,"device":"phone","rooms":["lobby"]`)
		w.beat("ben", "session-1", `,"rooms":["lobby","attic"]`)
		for _, room := range []string{"lobby", "attic", "lobby"} {
			s := w.watch("eve", "room="+room)
			s.next("hello")
		}
		time.Sleep(20 * time.Second)
		w.choose("ada", `{"status":"invisible"}`)
		synctest.Wait()
		_, text := w.page(url.Values{})
		wantText(t, text, "instance test", "users, as a stranger would count 1", "sessions 1", "streams here 3", "version 1.2.3", "lobby 2 1 attic 1 1",
			"last beacon held 0 2000-01-01T00:00:00.000Z", "for 1m10s yet") // a store that begins holds
		_, text = w.page(url.Values{"user": {"ada"}, "viewer": {"eve"}})
		wantText(t, text, "invisible : The user chose to be invisible", "To eve he is offline : ada is invisible to everybody else.", "session-1 phone online online 20s ago 1m10s 0 test")
		_, text = w.page(url.Values{"user": {"nobody"}})
		wantText(t, text, "offline : There is no live session")
		_, text = w.page(url.Values{"user": {".."}})
		wantText(t, text, "Nobody can be called that")
		m.mood(func() error { return presence.ErrUnavailable })
		_, text = w.page(url.Values{"user": {"ada"}})
		wantText(t, text, "streams here 3", "The store does not answer: instances and rooms are not known now.", "The store does not answer. Rooms")
		if strings.Contains(text, "Nobody is in any") {
			t.Error("it says of rooms what it does not know")
		}
	})
}

func TestOperatorsSeeAllInstancesAndTheLargestRooms(t *testing.T) {
	inWorld(t, func(w *world) {
		_, text := w.page(url.Values{})
		wantText(t, text, "Nobody is in any.", "None is watched.")
		for user, rooms := range map[string]string{"ada": `["lobby"]`, "ben": `["attic","lobby"]`, "cyd": `["lobby"]`} {
			w.beat(user, "session-1", `,"rooms":`+rooms)
		}
		for _, i := range []presence.Instance{
			{Name: "beside", Host: "pod<2>", Version: "v2.0.0", Started: time.Now().Add(-2 * time.Hour), Streams: 7, Closes: true, Webhook: true, Draining: true},
			{Name: "older", Streams: 1, Terse: true},
		} {
			if _, err := w.store.Instances(t.Context(), i); err != nil {
				t.Fatal(err)
			}
		}
		_, text = w.page(url.Values{})
		wantText(t, text, "streams on all instances 8",
			"beside pod<2> v2.0.0 2h0m0s 7 drains another version another PRESENTLY_AFTER_LOSS one of the two knows of a webhook, the other does not",
			"older an older one 1", "test, this one host-1 v1.2.3", "room users lobby 3 attic 1")
		time.Sleep(presence.InstanceBelieved)
		_, text = w.page(url.Values{})
		if strings.Contains(text, "beside") || !strings.Contains(text, "test, this one host-1") {
			t.Errorf("ten seconds later:\n%s", text)
		}
	})
}

// What people call themselves and their rooms is text, also to those who see everything.
func TestTheOperatorsPageRunsNothingOfWhatPeopleWrite(t *testing.T) {
	inWorld(t, func(w *world) {
		const name, room = `<script>alert(1)</script>`, `"><img src=x onerror=alert(2)>`
		w.beat(name, "session-1", "")
		if _, err := w.store.Instances(t.Context(), presence.Instance{Name: "<img src=a>", Host: name, Version: room}); err != nil {
			t.Fatal(err)
		}
		w.ask(name, "PUT", "/v1/rooms/"+url.PathEscape(room)+"/members/me?sessionId=session-1", "")
		s := w.watch("eve", "room="+url.QueryEscape(room))
		s.next("hello")
		page, text := w.page(url.Values{"user": {name}, "viewer": {`" autofocus onfocus="alert(3)`}})
		for _, tag := range []string{"<script", "<img", `" onfocus=`, `" autofocus`} {
			if strings.Contains(page, tag) {
				t.Errorf("the page has %s:\n%s", tag, page)
			}
		}
		wantText(t, text, room)
	})
}
