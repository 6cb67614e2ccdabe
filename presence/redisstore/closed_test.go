package redisstore

import (
	"slices"
	"testing"
	"time"

	"github.com/presently/presently/internal/redistest"
	"github.com/presently/presently/presence"
)

func (i *instance) shown(user string) bool {
	i.t.Helper()
	rs, err := i.Lookup(i.t.Context(), "a stranger", []string{user})
	if err != nil {
		i.t.Fatal(err)
	}
	return rs[0].ViewFor("a stranger", rs[0].AsOf).Status != presence.Offline
}

func (i *instance) opens(user string, online presence.Audience) {
	i.t.Helper()
	p := presence.DefaultPrivacy
	p.Online = online
	if _, err := (&presence.Tracker{Store: i.Store}).SetPrivacy(i.t.Context(), user, p, nil); err != nil {
		i.t.Fatal(err)
	}
}

// Whose settings an instance remembers is not hidden for what Redis has lost; whose settings nobody remembers is, and stays so, also when an
// instance remembers by the next loss what was left of him.
func TestWhatInstancesRememberAfterALossIsSure(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	o := Options{CloseAfterLoss: true}
	i := begin(t, server.URL(), o)
	lose := func(by *instance) {
		t.Helper()
		epoch := by.head(t)[0].Epoch
		flush(t, server)
		soon(t, "the loss to be noticed in every lane", func() bool {
			for _, h := range by.head(t) {
				if h.Epoch <= epoch {
					return false
				}
			}
			return true
		})
	}
	for user, online := range map[string]presence.Audience{"ada": presence.Everyone, "ben": presence.Nobody} {
		i.beat(long(user, "session-1"))
		if i.shown(user) {
			t.Errorf("%s is shown who has written no setting", user)
		}
		i.opens(user, online)
	}
	i.knows("ada", "ben")
	for range 2 {
		lose(i)
		soon(t, "ada to be shown again", func() bool { return i.shown("ada") })
		if i.shown("ben") {
			t.Error("ben is shown who wants to be seen by nobody")
		}
		for _, user := range []string{"ada", "ben"} { // who is not known for sure until he was read again is hidden by a loss that comes before that
			lane := i.Lane(user)
			soon(t, "all to be offered", func() bool {
				m, epoch := &i.memory[lane], i.head(t)[lane].Epoch
				m.mu.Lock()
				defer m.mu.Unlock()
				return m.settled == epoch
			})
			i.knows(user)
		}
	}

	// Another instance knows nothing of them.
	late := begin(t, server.URL(), o)
	late.beat(long("cyd", "session-1"))
	if late.shown("cyd") {
		t.Error("cyd is shown who has written no setting")
	}
	late.knows("cyd")
	lose(late)
	late.tape.waitFor(t, "cyd recall", 1)
	if late.shown("cyd") {
		t.Error("cyd is shown because of a second loss")
	}
	late.opens("cyd", presence.Everyone)
	if !late.shown("cyd") {
		t.Error("cyd is hidden who has written a setting")
	}
}

// Those who watch a room where he is need not know of him, who was hidden there: so they are told where he is.
func TestWhoIsSureAgainIsToldOfInHisRooms(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	i := begin(t, server.URL(), Options{CloseAfterLoss: true})
	b := long("ada", "session-1")
	b.Rooms = &[]string{"hall"}
	i.beat(b)
	i.opens("ada", presence.Everyone)
	i.knows("ada")
	lost := presence.VersionAt(time.Now().Add(time.Hour))
	p := i.partitions[i.Lane("ada")]
	if err := server.Client(t).HSet(t.Context(), p.meta, "closed", int64(lost), "ver", int64(lost)).Err(); err != nil {
		t.Fatal(err)
	}
	i.must(i.recall(t.Context(), "ada"))
	i.tape.waitFor(t, "ada recall", 1)
	i.tape.mu.Lock()
	defer i.tape.mu.Unlock()
	facts := i.tape.changes[len(i.tape.changes)-1].Facts
	if !slices.ContainsFunc(facts, func(f presence.Fact) bool { _, is := f.(presence.Membership); return is }) {
		t.Errorf("told %+v, want where she is", facts)
	}
}

func TestAnOpenStoreHidesNobodyForALoss(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	closing := begin(t, server.URL(), Options{CloseAfterLoss: true})
	closing.beat(long("ada", "session-1"))
	open := begin(t, server.URL(), Options{})
	if closing.shown("ada") || !open.shown("ada") {
		t.Errorf("shown: %t by the one that closes, %t by the one that does not", closing.shown("ada"), open.shown("ada"))
	}
}
