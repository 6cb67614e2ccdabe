package e2e

import (
	"testing"
	"time"

	"github.com/presently/presently/internal/redistest"
)

func TestComingBackAtTheOtherInstanceCostsOnlyWhatHasChanged(t *testing.T) {
	t.Parallel()
	a, b := startPair(t, redistest.Start(t).URL())
	users := []string{"u1", "u2", "u3", "u4", "canary"}
	for _, u := range users[:3] {
		a.as(u).beat("session-1")
	}
	canary := b.as("canary")
	canary.beat("canary-session")
	w := a.as("eve").watch(users...)
	quiet(time.Now().Add(time.Second).UnixMicro(), canary, w) // an id promises no more than the last beacon, which is half a second old
	id := w.lastID()
	w.close()

	a.as("u2").choose("dnd")
	b.as("u4").beat("session-1")
	again := b.as("eve").open(id, users...)
	again.snapshot()
	if !again.hello.Resumed || again.first.Scope != "changed" {
		t.Fatalf("not resumed:\n%s", again.text())
	}
	told := map[string]bool{}
	for _, p := range again.first.Presences {
		told[p.UserID] = true
	}
	delete(told, "canary") // who may have changed after the last beacon
	if len(told) != 2 || again.in("u2").Status != "dnd" || again.in("u4").Status != "online" {
		t.Errorf("what has changed is u2 and u4:\n%s", again.text())
	}
	a.as("u1").choose("busy")
	again.told("u1", "busy") // and it goes on

	// Where an id is of no use there is all of it.
	for name, other := range map[string]*watching{
		"another viewer": a.as("dan").open(id, users...),
		"another list":   a.as("eve").open(id, "u1"),
		"nonsense":       a.as("eve").open("nonsense", users...),
	} {
		other.snapshot()
		if other.hello.Resumed || other.first.Scope != "all" {
			t.Errorf("%s is resumed:\n%s", name, other.text())
		}
	}
}

func TestComingBackAfterNothingHasHappenedCostsNothing(t *testing.T) {
	t.Parallel()
	a, b := startPair(t, redistest.Start(t).URL())
	a.as("ada").beat("session-1")
	canary := b.as("canary")
	canary.beat("canary-session")
	w := a.as("eve").watch("ada", "canary")
	quiet(time.Now().Add(time.Second).UnixMicro(), canary, w)
	// The canary falls silent, so that the next id is past all that has happened.
	waitUntil(t, "a stream begins after the last beacon with a change", func() bool {
		last := a.as("eve").watch("ada", "canary")
		id := last.lastID()
		last.close()
		again := b.as("eve").open(id, "ada", "canary")
		defer again.close()
		a.as("ada").choose("busy", `"expiresInMs":0`)
		e, _ := again.take()
		a.as("ada").must("DELETE", "/v1/presence/status", "")
		return again.hello.Resumed && e.name == "presence" && e.presences(t)[0].UserID == "ada"
	})
}

// Flushed data is gone: what an id promised then cannot be kept, and the stream begins anew.
func TestComingBackAfterDataWasLostBeginsAnew(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	a, b := startPair(t, redis.URL(), "PRESENTLY_SWEEP=100ms")
	a.as("ada").beat("session-1")
	w := a.as("eve").watch("ada")
	id := w.lastID()
	w.close()
	if err := redis.Client(t).FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	waitUntil(t, "the loss has been noticed", func() bool {
		again := b.as("eve").open(id, "ada")
		defer again.close()
		return !again.hello.Resumed
	})
}
