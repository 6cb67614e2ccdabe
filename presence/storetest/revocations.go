package storetest

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/presently/presently/presence"
)

func (a *actor) revoke(user string, before time.Time) time.Time {
	a.t.Helper()
	r, err := a.fx.Store.Revoke(a.t.Context(), presence.Revocation{User: user, Before: before})
	if err != nil || r.User != user {
		a.t.Fatalf("Revoke(%q): %+v, %v", user, r, err)
	}
	return r.Before
}

// wantRevoked checks which revocations stand, in the order of their users.
func (a *actor) wantRevoked(want ...presence.Revocation) {
	a.t.Helper()
	got, err := a.fx.Store.Revocations(a.t.Context())
	if err != nil {
		a.t.Fatalf("Revocations: %v", err)
	}
	byUser := func(x, y presence.Revocation) int { return cmp.Compare(x.User, y.User) }
	slices.SortFunc(got, byUser)
	slices.SortFunc(want, byUser)
	same := func(x, y presence.Revocation) bool { return x.User == y.User && x.Before.Equal(y.Before) }
	if !slices.EqualFunc(got, want, same) {
		a.t.Fatalf("revocations = %v\nwant          %v", got, want)
	}
}

// revocationStories are of tokens that count no more.
var revocationStories = []story{
	{"ARevocationStandsAndIsToldOnTheLaneOfItsUser", func(a *actor) {
		a.wantRevoked()
		before := a.now().Add(-time.Minute).Truncate(time.Millisecond)
		all := []presence.Revocation{}
		for i, user := range append([]string{"ada", "bob"}, awkward...) {
			at := before.Add(time.Duration(i) * time.Second)
			if got := a.revoke(user, at); !got.Equal(at) {
				a.t.Fatalf("%q stands from %v, want %v", user, got, at)
			}
			c := a.wantHeard("")[0]
			if c.Revocation.User != user || !c.Revocation.Before.Equal(at) || c.Lane != a.fx.Store.Lane(user) || c.User != "" || c.Subscription != "" || c.Version == 0 {
				a.t.Fatalf("heard %+v of %q", c, user)
			}
			all = append(all, c.Revocation)
		}
		a.wantRevoked(all...)
	}},
	{"ARevocationWithoutAMomentIsAsOfNow", func(a *actor) {
		before := a.now()
		at := a.revoke("ada", time.Time{})
		if after := a.now(); at.Before(before.Truncate(time.Millisecond)) || at.After(after) {
			a.t.Fatalf("it stands from %v, asked for between %v and %v", at, before, after)
		}
		a.wantRevoked(presence.Revocation{User: "ada", Before: at})
	}},
	{"TheLatestRevocationStands", func(a *actor) {
		now := a.now().Truncate(time.Millisecond)
		a.revoke("ada", now)
		for _, at := range []time.Time{now, now.Add(-time.Millisecond), now.Add(-time.Hour)} {
			if got := a.revoke("ada", at); !got.Equal(now) {
				a.t.Fatalf("from %v after %v: stands from %v", at, now, got)
			}
		}
		a.wantHeard("") // of the first alone
		a.fx.Tick()
		later := a.revoke("ada", time.Time{})
		a.wantHeard("")
		a.wantRevoked(presence.Revocation{User: "ada", Before: later})
	}},
	{"RevocationsAndUsersShareTheNumbersOfALane", func(a *actor) {
		a.beat(beatOf("ada", "session-1"))
		a.revoke("ada", time.Time{})
		a.end("ada", "session-1")
		var last presence.Change
		for _, c := range a.wantHeard(presence.ByBeat, "", presence.ByEnd) {
			if last.Seq != 0 && (c.Seq != last.Seq+1 || c.Version <= last.Version) {
				a.t.Fatalf("%+v after %+v", c, last)
			}
			last = c
		}
		if r := a.record("ada"); len(r.Sessions) != 0 {
			a.t.Fatalf("record %+v", r)
		}
	}},
	{"AnOldRevocationIsForgotten", func(a *actor) {
		old := a.now().Add(-presence.RevocationKept + 2*time.Second).Truncate(time.Millisecond)
		a.revoke("ada", old)
		a.wantRevoked(presence.Revocation{User: "ada", Before: old})
		a.fx.Advance(3 * time.Second)
		at := a.revoke("bob", time.Time{})
		for i := range 40 { // whichever part of the store ada is in
			a.revoke(fmt.Sprint("user-", i), at)
		}
		got, err := a.fx.Store.Revocations(a.t.Context())
		a.did(err)
		if slices.ContainsFunc(got, func(r presence.Revocation) bool { return r.User == "ada" }) {
			a.t.Fatal("it stands yet")
		}
	}},
}
