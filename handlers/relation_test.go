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
	"github.com/presently/presently/presence"
)

// decide puts or deletes a contact or a block, which must do.
func (w *world) decide(user, method, path string) {
	w.Helper()
	if r := w.ask(user, method, "/v1/"+path, ""); r.status != http.StatusNoContent || len(r.body) > 0 {
		w.Fatalf("%s %s: %d %s", method, path, r.status, r.body)
	}
}

// related are the users in a list, "contacts" or "blocks".
func (w *world) related(user, list string) []string {
	w.Helper()
	var ids []string
	for _, rel := range as[map[string][]api.Relation](w, w.ask(user, "GET", "/v1/"+list, ""), http.StatusOK)[list] {
		ids = append(ids, rel.UserID)
	}
	return ids
}

var lists = []string{"contacts", "blocks"}

func TestContactsAndBlocksAreListedByNameWithTheirBeginning(t *testing.T) {
	inWorld(t, func(w *world) {
		for i, list := range lists {
			if r := w.ask("ada", "GET", "/v1/"+list, ""); strings.TrimSpace(string(r.body)) != `{"`+list+`":[]}` {
				w.Errorf("none: %s", r.body)
			}
			start := time.Now()
			for _, other := range []string{"zoe", "ben", "zoe"} { // twice is once
				w.decide("ada", "PUT", list+"/"+other+strings.Repeat("x", i))
				time.Sleep(time.Second)
			}
			got := as[map[string][]api.Relation](w, w.ask("ada", "GET", "/v1/"+list, ""), http.StatusOK)[list]
			want := []api.Relation{
				{UserID: "ben" + strings.Repeat("x", i), Since: formatTime(start.Add(time.Second))},
				{UserID: "zoe" + strings.Repeat("x", i), Since: formatTime(start)},
			}
			if !slices.Equal(got, want) {
				w.Errorf("%s: %+v, want %+v", list, got, want)
			}
			if got := w.related("zoe", list); len(got) > 0 {
				w.Errorf("the other one has %s %q: they are not mutual", list, got)
			}
			for range 2 {
				w.decide("ada", "DELETE", list+"/"+want[0].UserID)
			}
			w.decide("ada", "DELETE", list+"/nobody")
			if got := w.related("ada", list); !slices.Equal(got, []string{want[1].UserID}) {
				w.Errorf("%s after one was deleted: %q", list, got)
			}
		}
	})
}

func TestContactsAndBlocksTakeEveryUserUnderHisOwnID(t *testing.T) {
	inWorld(t, func(w *world) {
		for _, list := range lists {
			want := slices.Clone(oddUsers)
			slices.Sort(want)
			for _, user := range oddUsers {
				w.decide("ada", "PUT", list+"/"+url.PathEscape(user))
				w.decide("ada", "PUT", list+"/"+allEscaped(user))
			}
			if got := w.related("ada", list); !slices.Equal(got, want) {
				w.Errorf("%s: %q, want %q", list, got, want)
			}
			for _, user := range oddUsers {
				w.decide("ada", "DELETE", list+"/"+allEscaped(user))
			}
			if got := w.related("ada", list); len(got) > 0 {
				w.Errorf("%s after all were deleted: %q", list, got)
			}
		}
	})
}

func TestOneselfAndWhoCannotBeAreNoContact(t *testing.T) {
	inWorld(t, func(w *world) {
		for _, list := range lists {
			for _, method := range []string{"PUT", "DELETE"} {
				w.wantInvalid(w.ask("ada", method, "/v1/"+list+"/ada", ""), "/userId")
				w.wantInvalid(w.ask("ada", method, "/v1/"+list+"/%61da", ""), "/userId")
				for _, user := range badUsers {
					if user != "" {
						w.wantInvalid(w.ask("ada", method, "/v1/"+list+"/"+allEscaped(user), ""), "/userId")
					}
				}
			}
			if got := w.related("ada", list); len(got) > 0 {
				w.Errorf("%s: %q", list, got)
			}
		}
	})
}

func TestAUserMayHaveOnlySoManyRelations(t *testing.T) {
	inStillWorld(t, func(w *world) {
		_, err := w.store.Amend(w.Context(), "ada", presence.BySetting, func(_ presence.Record, now time.Time, v presence.Version) ([]presence.Fact, error) {
			var facts []presence.Fact
			for i := range presence.RelationsKept {
				facts = append(facts, presence.Relation{Viewer: fmt.Sprintf("user-%04d", i), Contact: true, Since: now, Version: v})
			}
			return facts, nil
		})
		if err != nil {
			w.Fatal(err)
		}
		for _, list := range lists {
			w.wantProblem(w.ask("ada", "PUT", "/v1/"+list+"/one-more", ""), http.StatusConflict, api.ProblemCodeTooManyRelations)
			w.decide("ada", "PUT", list+"/user-0000") // who is one already
		}
		w.decide("ada", "DELETE", "contacts/user-0002")
		w.decide("ada", "PUT", "contacts/one-more")
	})
}

func TestContactsSeeMoreAtOnce(t *testing.T) {
	inWorld(t, func(w *world) {
		w.beat("ada", "session-1", `,"device":"web","activity":{"type":"in_call"}`)
		s := w.watch("ben", "user=ada")
		s.started()
		time.Sleep(time.Second)
		w.decide("ada", "PUT", "contacts/ben")
		for _, p := range []api.Presence{w.see("ben", "ada"), s.presence()} {
			if p.Devices["web"] != api.SessionStateOnline || p.Activity == nil {
				w.Errorf("a contact sees %+v", p)
			}
		}
		if p := w.see("ada", "ben"); p.Devices != nil {
			w.Errorf("she is no contact of his: %+v", p)
		}
		time.Sleep(time.Second)
		w.decide("ada", "DELETE", "contacts/ben")
		for _, p := range []api.Presence{w.see("ben", "ada"), s.presence()} {
			if p.Devices != nil || p.Activity != nil || p.Status != api.StatusOnline {
				w.Errorf("a contact no longer, he sees %+v", p)
			}
		}
	})
}

// Who is blocked sees his blocker gone, by every outlet and whatever she does; she still sees him.
func TestWhoIsBlockedSeesHisBlockerGo(t *testing.T) {
	inWorld(t, func(w *world) {
		w.beat("ada", "session-1", "")
		w.beat("mallory", "session-1", "")
		w.decide("ada", "PUT", "contacts/mallory")
		s := w.watch("mallory", "user=ada")
		s.started()
		time.Sleep(time.Second)
		w.decide("ada", "PUT", "blocks/mallory")
		if p := s.presence(); p.Status != api.StatusOffline {
			w.Errorf("he is told %+v", p)
		}
		w.choose("ada", `{"status":"busy"}`)
		w.say("ada", `{"text":"Standup"}`)
		s.nothing(2 * time.Second)
		gone := func(p api.Presence) bool {
			return p.Status == api.StatusOffline && p.Custom == nil && p.Devices == nil && p.Chosen == nil && p.Notify
		}
		if p := w.see("mallory", "ada"); !gone(p) {
			w.Errorf("he sees %+v", p)
		}
		for _, r := range []reply{
			w.ask("mallory", "GET", "/v1/presence?user=ada", ""),
			w.ask("mallory", "POST", "/v1/presence/query", `{"users":["ada"]}`),
		} {
			if p := as[api.PresenceList](w, r, http.StatusOK).Presences[0]; !gone(p) {
				w.Errorf("in a list he sees %+v", p)
			}
		}
		if got := as[api.PresenceList](w, w.ask("mallory", "POST", "/v1/presence/query", `{"users":["ada"],"onlyOnline":true}`), http.StatusOK); len(got.Presences) > 0 {
			w.Errorf("among those online he sees %+v", got)
		}
		if p := w.see("ada", "mallory"); p.Status != api.StatusOnline {
			w.Errorf("she sees %+v", p)
		}
		if p := w.see("eve", "ada"); p.Status != api.StatusBusy || custom(p) != "Standup||" {
			w.Errorf("others see %+v", p)
		}
		w.decide("ada", "DELETE", "blocks/mallory")
		if p := s.presence(); p.Status != api.StatusBusy || custom(p) != "Standup||" {
			w.Errorf("unblocked, he is told %+v", p)
		}
	})
}

// Somebody who is no longer a contact sees less, which shows in no fact but the relation.
func TestAStreamThatComesBackLearnsThatItsViewerIsNoContactAnyMore(t *testing.T) {
	inWorld(t, func(w *world) {
		w.decide("ada", "PUT", "contacts/bob")
		w.beat("ada", "session-1", `,"device":"web"`)
		time.Sleep(time.Second) // past the next beacon: an id promises no more than that
		s := w.watch("bob", "user=ada")
		_, snap, last := s.started()
		if snap.Presences[0].Devices == nil {
			w.Fatalf("a contact sees %+v", snap)
		}
		s.cancel()
		time.Sleep(time.Minute / 2)
		w.decide("ada", "DELETE", "contacts/bob")
		_, snap, _ = w.watch("bob", "user=ada", "Last-Event-ID: "+last.id).started()
		if len(snap.Presences) != 1 || snap.Presences[0].Devices != nil || snap.Presences[0].Status != api.StatusOnline {
			w.Errorf("he comes back to %+v", snap)
		}
	})
}
