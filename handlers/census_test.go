package handlers

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/presently/presently/presence"
)

// inOperatorsWorld is a world whose metrics are read by operators alone.
func inOperatorsWorld(t *testing.T, story func(w *world, m *moody)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		m := &moody{Store: newStore()}
		o := worldOptions(t, m)
		o.Operators = true
		w := newWorldOf(t, New(o), m)
		w.run()
		story(w, m)
	})
}

// How many there are of each status is what a stranger could count: who hides is in none, and what he does moves no number.
func TestOperatorsSeeHowManyAreShownInEachStatus(t *testing.T) {
	inOperatorsWorld(t, func(w *world, m *moody) {
		byStatus := func(online, away, busy, dnd float64) {
			w.Helper()
			w.wantMetrics(map[string]float64{
				`presently_users_by_status{status="online"}`: online, `presently_users_by_status{status="away"}`: away,
				`presently_users_by_status{status="busy"}`: busy, `presently_users_by_status{status="dnd"}`: dnd,
			})
		}
		byStatus(0, 0, 0, 0)
		w.beat("ada", "session-1", `,"state":"busy"`)
		w.beat("ada", "session-2", `,"state":"idle"`)
		w.beat("ben", "session-1", `,"state":"idle"`)
		w.beat("cleo", "session-1", ``)
		w.choose("cleo", `{"status":"dnd"}`)
		w.beat("dan", "session-1", ``)
		w.beat("eve", "session-1", ``)
		w.choose("eve", `{"status":"invisible"}`)
		w.beat("fay", "session-1", ``)
		w.ask("fay", "PUT", "/v1/presence/privacy", `{"online":"contacts","lastSeen":"contacts","activity":"contacts","typing":"everyone"}`)
		byStatus(0, 0, 0, 0) // as of before
		time.Sleep(statusesEvery)
		byStatus(1, 1, 1, 1)
		w.choose("eve", `{"status":"busy"}`)
		time.Sleep(statusesEvery)
		byStatus(1, 1, 2, 1)
		time.Sleep(statusesEvery)
		m.mood(func() error { return presence.ErrUnavailable })
		if n, ok := w.metrics()[`presently_users_by_status{status="online"}`]; ok {
			w.Errorf("%v are online, while nobody knows", n)
		}
	})
}

// Where there are very many, some are looked at, and the others are taken to be like them.
func TestStatusesOfManyAreReckonedFromSome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &counting{Store: newStore()}
		for n := range 4 * statusesOf {
			state := presence.Online
			if n%4 == 0 {
				state = presence.Away
			}
			if _, err := store.Beat(t.Context(), presence.Beat{User: fmt.Sprintf("%x", n*2654435761), Session: "session-1", State: state, TTL: time.Hour, MaxLive: 1}); err != nil {
				t.Fatal(err)
			}
		}
		shown, err := newStatuses(&presence.Tracker{Store: store}).look(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if away := shown[presence.Away]; away < 350 || away > 650 || away+shown[presence.Online] != 4*statusesOf {
			t.Errorf("of 2000, of whom 500 are away, %v are said to be so", shown)
		}
		if store.looked != statusesOf {
			t.Errorf("%d records were read for it, want %d", store.looked, statusesOf)
		}
	})
}

// A change is counted as withheld where somebody watches who must not learn of it, and only there.
func TestChangesThatPrivacyWithholdsAreCounted(t *testing.T) {
	inOperatorsWorld(t, func(w *world, _ *moody) {
		withheld := func(want float64) {
			w.Helper()
			synctest.Wait()
			w.wantMetrics(map[string]float64{"presently_privacy_drops_total": want})
		}
		w.beat("ada", "session-1", ``)
		w.choose("ada", `{"status":"invisible"}`)
		w.choose("ada", `{"status":"busy"}`)
		withheld(0) // nobody watches
		s := w.watch("eve", "user=ada")
		s.started()
		w.choose("ada", `{"status":"online"}`)
		withheld(0) // she was told
		w.choose("ada", `{"status":"invisible"}`)
		withheld(0) // she was told that ada has gone
		w.beat("ada", "session-1", `,"state":"dnd"`)
		withheld(1)
		w.ask("ada", "PUT", "/v1/presence/custom", `{"text":"nobody shall know"}`)
		withheld(2)
		w.choose("ada", `{"status":"online"}`)
		withheld(2)
		w.decide("ada", "PUT", "blocks/eve")
		withheld(2)
		w.choose("ada", `{"status":"busy"}`)
		withheld(3)
	})
}

// Whoever watches somebody hidden must not see a number move whenever that one does something, nor how many hide.
func TestWhatOperatorsAloneMayKnowIsNotAmongMetricsThatAnybodyReads(t *testing.T) {
	inWorld(t, func(w *world) {
		w.beat("ada", "session-1", "")
		r := w.ask("", "GET", "/metrics", "")
		if r.status != http.StatusOK {
			t.Fatalf("%d %s", r.status, r.body)
		}
		for _, name := range []string{"presently_privacy_drops", "presently_users_by_status"} {
			if strings.Contains(string(r.body), name) {
				t.Errorf("anybody can read %s", name)
			}
		}
	})
}

// counting is a store that counts the records that are read of it.
type counting struct {
	presence.Store
	looked int
}

func (c *counting) Lookup(ctx context.Context, viewer string, users []string) ([]presence.Record, error) {
	c.looked += len(users)
	return c.Store.Lookup(ctx, viewer, users)
}
