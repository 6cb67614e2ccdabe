package handlers

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/presently/presently/api"
	"github.com/presently/presently/presence"
)

func (w *world) stats() api.Stats {
	w.Helper()
	return as[api.Stats](w, w.ask("", "GET", "/v1/stats", "", granting(ScopeStats)), http.StatusOK)
}

func TestStatisticsCountUsersSessionsRoomsAndStreams(t *testing.T) {
	inWorld(t, func(w *world) {
		want := func(users, sessions, rooms, streams int64) {
			w.Helper()
			if got, want := w.stats(), (api.Stats{Users: users, Sessions: sessions, Rooms: rooms, Streams: streams}); got != want {
				w.Errorf("%+v, want %+v", got, want)
			}
		}
		want(0, 0, 0, 0)
		w.beat("ada", "session-1", `,"rooms":["lobby","attic"]`)
		w.beat("ada", "session-2", "")
		w.beat("ben", "session-1", `,"rooms":["lobby"]`)
		want(2, 3, 2, 0)
		w.typeIn("ben", "session-1", "cellar", "") // which makes it no room
		s := w.watch("eve", "user=ada")
		s.started()
		want(2, 3, 2, 1)
		s.cancel()
		w.join("DELETE", "ada", "attic", "")
		w.ask("ada", "DELETE", "/v1/presence/me/sessions/session-2", "")
		synctest.Wait()
		want(2, 2, 1, 0)
		time.Sleep(2 * time.Minute)
		want(0, 0, 0, 0)
	})
}

// Each instance tells how many streams it has, again and again, so that any of them can tell how many there are.
func TestStreamsAreCountedOverAllInstances(t *testing.T) {
	inWorld(t, func(w *world) {
		another := func(open int) int {
			w.Helper()
			all, err := w.store.Instances(w.Context(), presence.Instance{Name: "another", Streams: open})
			if err != nil {
				w.Fatal(err)
			}
			return presence.StreamsOf(all)
		}
		streams := []*watching{w.watch("ada", "user=ben"), w.watch("ben", "user=ada")}
		for _, s := range streams {
			s.started()
		}
		time.Sleep(time.Second) // in which it is told
		for range 4 {
			if all, shown := another(3), w.stats().Streams; all != 5 || shown != 5 {
				w.Errorf("%d streams, shown %d, want 5", all, shown)
			}
			time.Sleep(9 * time.Second) // four of them are longer than what was told once is believed
		}
		streams[0].cancel()
		time.Sleep(time.Second)
		if all := another(0); all != 1 {
			w.Errorf("%d streams, want 1", all)
		}
		time.Sleep(12 * time.Second)
		if shown := w.stats().Streams; shown != 1 {
			w.Errorf("shown %d, want 1", shown)
		}
	})
}

func TestWhoIsOnlineIsListedInPages(t *testing.T) {
	inStillWorld(t, func(w *world) {
		var want []string
		for i := range 27 {
			user := fmt.Sprintf("user-%02d", i*10%27)
			w.beat(user, "session-1", `,"state":"`+[]string{"online", "away", "busy"}[i%3]+`"`)
			if i%4 == 0 {
				w.choose(user, `{"status":"invisible"}`)
				continue
			}
			want = append(want, user)
		}
		w.set("gone", `{}`)
		w.admin("DELETE", "users/gone/sessions", "")
		slices.Sort(want)
		get := func(query string) api.RoomMembers {
			p := as[api.OnlinePage](w, w.ask("", "GET", "/v1/admin/online"+query, "", adminOf("backend")), http.StatusOK)
			if p.Count != int64(len(want)) {
				w.Errorf("count %d, want %d", p.Count, len(want))
			}
			for _, p := range p.Presences {
				if p.Status == api.StatusOffline || p.Rev == 0 {
					w.Errorf("%+v", p)
				}
			}
			return api.RoomMembers{Members: p.Presences, Cursor: p.Cursor, Truncated: p.Truncated}
		}
		for _, limit := range []int{1, 10, 20, 100} {
			if got := slices.Concat(w.pages(get, limit, func([]string) {})...); !slices.Equal(got, want) {
				w.Errorf("pages of %d: %q, want %q", limit, got, want)
			}
		}
	})
}
