package storetest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/presently/presently/presence"
)

// subscriptionOf is a new one that ends in an hour.
func (a *actor) subscriptionOf(id string) presence.Subscription {
	return presence.Subscription{ID: id, User: "ada", Users: []string{"bob"}, Expires: a.now().Add(time.Hour).Truncate(time.Millisecond)}
}

func (a *actor) put(s presence.Subscription) presence.Subscription {
	a.t.Helper()
	v, err := a.fx.Store.PutSubscription(a.t.Context(), s)
	if err != nil || v <= s.Version {
		a.t.Fatalf("PutSubscription(%+v): version %d, %v", s, v, err)
	}
	s.Version = v
	return s
}

// wantStored checks that a subscription is stored, and just so.
func (a *actor) wantStored(want presence.Subscription) {
	a.t.Helper()
	got, err := a.fx.Store.Subscription(a.t.Context(), want.ID)
	if err != nil {
		a.t.Fatalf("Subscription: %v", err)
	}
	if fmt.Sprintf("%#v", got.Grants == nil) != fmt.Sprintf("%#v", want.Grants == nil) || !got.Expires.Equal(want.Expires) {
		a.t.Fatalf("stored %#v\nwant   %#v", got, want)
	}
	got.Expires, want.Expires = time.Time{}, time.Time{}
	if fmt.Sprintf("%+q", fmt.Sprint(got)) != fmt.Sprintf("%+q", fmt.Sprint(want)) || len(got.Users) != len(want.Users) {
		a.t.Fatalf("stored %+v\nwant   %+v", got, want)
	}
}

func (a *actor) streams(instance string, open, want int) {
	a.t.Helper()
	if all, err := a.fx.Store.Instances(a.t.Context(), presence.Instance{Name: instance, Streams: open}); err != nil || presence.StreamsOf(all) != want {
		a.t.Fatalf("Instances(%s, %d): %+v, %v, want %d streams", instance, open, all, err, want)
	}
}

// wantInstances checks what instances are known to one that only asks.
func (a *actor) wantInstances(want ...presence.Instance) {
	a.t.Helper()
	got, err := a.fx.Store.Instances(a.t.Context(), presence.Instance{})
	if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) || err != nil {
		a.t.Fatalf("Instances: %+v, %v, want %+v", got, err, want)
	}
}

// subscriptionStories are of what streams watch, and of their number.
var subscriptionStories = []story{
	{"ASubscriptionIsReadAsItWasPut", func(a *actor) {
		s := a.subscriptionOf("s-1")
		s.Users, s.Rooms, s.Events = append([]string{"zoe", "ada"}, awkward...), awkward, []string{"presence", "typing"}
		s.Ticket, s.Quiet, s.Grants = "hash|of=it", true, []string{"team-*", "a|b"}
		s = a.put(s)
		a.wantStored(s)
		s.Issued = a.now().Add(-time.Hour).Truncate(time.Millisecond).UTC()
		s = a.put(s)
		a.wantStored(s)
		s.Users, s.Rooms, s.Events, s.Grants, s.Quiet, s.Ticket = nil, []string{"lobby"}, nil, nil, false, ""
		s = a.put(s)
		a.wantStored(s)
		s.Grants = []string{} // no room at all
		a.wantStored(a.put(s))
		other := a.subscriptionOf("s-2")
		other.User = `Ünï ☕:{x}*?|"\`
		a.wantStored(a.put(other))
	}},
	{"AnUnknownSubscriptionIsNone", func(a *actor) {
		a.put(a.subscriptionOf("s-1"))
		for _, id := range []string{"s-2", "s", "*", "s-1|"} {
			if _, err := a.fx.Store.Subscription(a.t.Context(), id); !errors.Is(err, presence.ErrNoSubscription) {
				a.t.Fatalf("%q: error %v, want ErrNoSubscription", id, err)
			}
		}
	}},
	{"OnlyWhoKnowsTheNewestChangesASubscription", func(a *actor) {
		first := a.put(a.subscriptionOf("s-1"))
		second := first
		second.Users = []string{"bob", "cy"}
		second = a.put(second)
		for _, version := range []presence.Version{0, first.Version, second.Version + 1} {
			s := first
			s.Version = version
			if _, err := a.fx.Store.PutSubscription(a.t.Context(), s); !errors.Is(err, presence.ErrSubscriptionChanged) {
				a.t.Fatalf("with version %d of %d: error %v, want ErrSubscriptionChanged", version, second.Version, err)
			}
		}
		a.wantStored(second)
		a.wantHeard("", "")
	}},
	{"OfManyAtOnceOneChangesASubscription", func(a *actor) {
		s := a.put(a.subscriptionOf("s-1"))
		var wins, changed atomic.Int32
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				switch _, err := a.fx.Store.PutSubscription(a.t.Context(), s); {
				case err == nil:
					wins.Add(1)
				case errors.Is(err, presence.ErrSubscriptionChanged):
					changed.Add(1)
				}
			})
		}
		all.Wait()
		if wins.Load() != 1 || changed.Load() != 7 {
			a.t.Fatalf("%d succeeded, %d found it changed", wins.Load(), changed.Load())
		}
	}},
	{"AChangeOfASubscriptionIsToldOnItsLane", func(a *actor) {
		for i := range 10 {
			s := a.put(a.subscriptionOf(fmt.Sprint("s-", i)))
			a.fx.Tick()
			s.Quiet = true
			changed := a.put(s)
			heard := a.wantHeard("", "")
			for k, version := range []presence.Version{s.Version, changed.Version} {
				c := heard[k]
				if c.Subscription != s.ID || c.User != "" || len(c.Facts) != 0 || c.Lane != a.fx.Store.SubscriptionLane(s.ID) || c.Version != version {
					a.t.Fatalf("heard %+v of %+v", c, changed)
				}
			}
			if one, two := heard[0], heard[1]; two.Epoch != one.Epoch || two.Seq != one.Seq+1 || two.Version <= one.Version {
				a.t.Fatalf("heard %+v, then %+v", one, two)
			}
			heads, err := a.fx.Store.Heads(a.t.Context(), []int{heard[1].Lane})
			a.did(err)
			if heads[0] != heard[1].Head {
				a.t.Fatalf("head %v after the change %+v", heads[0], heard[1])
			}
		}
	}},
	{"SubscriptionsAndUsersShareTheNumbersOfALane", func(a *actor) {
		s := a.put(a.subscriptionOf("s-1"))
		for a.fx.Store.Lane("ada") != a.fx.Store.SubscriptionLane(s.ID) {
			s = a.put(a.subscriptionOf(s.ID + "x"))
		}
		a.fx.Heard.take(a.t, a.fx.Store)
		a.beat(beatOf("ada", "session-1"))
		s = a.put(s)
		a.end("ada", "session-1")
		var last presence.Change
		for _, c := range a.wantHeard(presence.ByBeat, "", presence.ByEnd) {
			if last.Seq != 0 && (c.Seq != last.Seq+1 || c.Version <= last.Version) {
				a.t.Fatalf("%+v after %+v", c, last)
			}
			last = c
		}
	}},
	{"AnEndedSubscriptionCanStillBeRead", func(a *actor) {
		s := a.put(a.subscriptionOf("s-1"))
		s.Ended = true
		s = a.put(s)
		short := a.subscriptionOf("s-2")
		short.Expires = a.now().Add(2 * time.Second).Truncate(time.Millisecond)
		short = a.put(short)
		a.fx.Advance(5 * time.Second)
		a.wantStored(s)
		a.wantStored(short)
	}},
	{"OfTooManySubscriptionsTheOldestAreSurplus", func(a *actor) {
		count := func(user string, i int, ends time.Duration, want ...string) {
			a.t.Helper()
			a.fx.Advance(20 * time.Millisecond) // of those of one millisecond any may be the oldest
			surplus, err := a.fx.Store.CountSubscription(a.t.Context(), user, fmt.Sprint("s-", i), a.now().Add(ends), 3)
			if err != nil || !slices.Equal(surplus, want) {
				a.t.Fatalf("%s's s-%d: surplus %q, %v, want %q", user, i, surplus, err, want)
			}
		}
		for i := range 3 {
			count("ada", i, time.Hour)
		}
		count("bob", 10, time.Minute)
		count("ada", 3, time.Hour, "s-0")
		count("ada", 4, -time.Hour, "s-1") // its end is no reason to keep more of them
		count("ada", 5, time.Hour, "s-2")
		count("bob", 11, time.Hour)
		count("ada", 3, 2*time.Hour) // renewed
		count("ada", 6, time.Hour, "s-4")
		if err := a.fx.Store.UncountSubscription(a.t.Context(), "ada", "s-6"); err != nil {
			a.t.Fatal(err)
		}
		count("ada", 7, time.Hour)
		count("ada", 8, time.Hour, "s-5")
		count("ada", 9, time.Hour, "s-3")
	}},
	{"StreamsAreCountedOverAllInstancesThatSaySo", func(a *actor) {
		a.streams("a", 3, 3)
		a.streams("b", 4, 7)
		a.streams("a", 5, 9)
		a.fx.Advance(6 * time.Second)
		a.streams("b", 1, 6)
		a.fx.Advance(6 * time.Second) // a has been silent for twelve
		a.streams("b", 1, 1)
		a.streams("a", 0, 1)
	}},
	{"InstancesAreKnownByWhatTheySayOfThemselves", func(a *actor) {
		a.wantInstances()
		one := presence.Instance{
			Name: "a|b", Host: "presently-0.example", Version: "v1|2%3\n", Started: a.now().Add(-time.Hour).Truncate(time.Millisecond).UTC(), Streams: 3, Closes: true,
		}
		other := presence.Instance{Name: "c", Started: one.Started, Draining: true, Webhook: true}
		for _, i := range []presence.Instance{other, one} {
			if _, err := a.fx.Store.Instances(a.t.Context(), i); err != nil {
				a.t.Fatal(err)
			}
		}
		a.wantInstances(one, other)
		a.fx.Advance(presence.InstanceBelieved / 2)
		a.wantInstances(one, other) // asking is no saying
		other.Streams = 1
		if _, err := a.fx.Store.Instances(a.t.Context(), other); err != nil {
			a.t.Fatal(err)
		}
		a.fx.Advance(presence.InstanceBelieved/2 + time.Second)
		a.wantInstances(other)
	}},
}
