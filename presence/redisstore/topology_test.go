package redisstore

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/presently/presently/internal/redistest"
	"github.com/presently/presently/presence"
)

// Every kind of Redis is reached through one URL, and does all that the store needs of it.
func TestOneURLReachesEveryKindOfRedis(t *testing.T) {
	for _, tc := range []struct {
		name string
		url  func(t *testing.T) string
	}{
		{"standalone with password and database", func(t *testing.T) string {
			return redistest.Start(t, "--requirepass", "pa/ss@:,").URL() + "/3"
		}},
		{"sentinel", func(t *testing.T) string { return redistest.StartSentinel(t, 1).URL() + "?db=2" }},
		{"cluster", func(t *testing.T) string { return redistest.StartCluster(t, 3, 0).URL() }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			i := begin(t, tc.url(t), Options{Partitions: 16})
			i.tape.ready(t, i.Store, false)
			users := people(40) // on all partitions, or nearly
			for n, u := range users {
				b := testBeat(u, "session-1")
				b.Rooms = &[]string{"lobby"}
				i.beat(b)
				b.Minimal = n%2 == 0
				if out := i.beat(b); !out.Steady {
					t.Errorf("%+v, want steady", out)
				}
				i.tape.waitFor(t, u+" beat", 1)
			}
			records, err := i.Lookup(t.Context(), "", users)
			if err != nil {
				t.Fatal(err)
			}
			for n, r := range records {
				if r.User != users[n] || len(r.Sessions) != 1 {
					t.Errorf("record %d: %+v", n, r)
				}
			}
			x, err := i.Room(t.Context(), presence.RoomQuery{Room: "lobby", Limit: 30, Since: 1, Typing: true})
			if rooms, e := i.RoomCount(t.Context()); err != nil || x.Users != 40 || len(x.Members) != 30 || e != nil || rooms != 1 {
				t.Errorf("%+v, %v; %d rooms, %v", x, err, rooms, e)
			}
			if some, of, err := i.Sample(t.Context(), 7); err != nil || of != 40 || len(slices.Compact(slices.Sorted(slices.Values(some)))) != 7 {
				t.Errorf("a sample: %q of %d, %v", some, of, err)
			}
			if err := i.Leave(t.Context(), users[0], "session-1", 200*time.Millisecond); err != nil {
				t.Fatal(err)
			}
			i.tape.waitFor(t, users[0]+" leave", 1)
			if err := i.End(t.Context(), users[1], "session-1"); err != nil {
				t.Fatal(err)
			}
			i.tape.waitFor(t, users[1]+" end", 1)
			if err := i.choose(users[2], presence.Invisible); err != nil {
				t.Fatal(err)
			}
			i.tape.waitFor(t, users[2]+" choice", 1)
			for _, u := range users[2:] {
				i.tape.waitFor(t, u+" lapse", 1)
			}
			if _, err := i.Secret(t.Context()); err != nil {
				t.Error(err)
			}
			x, err = i.Room(t.Context(), presence.RoomQuery{Room: "lobby", Since: 1})
			if err != nil || x.Users != 0 || len(x.Gone) != len(users) {
				t.Errorf("%+v, %v", x, err)
			}
			v, err := i.PutSubscription(t.Context(), presence.Subscription{ID: "sub-1", User: users[0], Expires: time.Now().Add(time.Hour)})
			if sub, e := i.Subscription(t.Context(), "sub-1"); err != nil || e != nil || sub.Version != v {
				t.Errorf("%+v, %v, %v", sub, err, e)
			}
			i.tape.waitFor(t, "note sub-1", 1)
			if all, err := i.Instances(t.Context(), presence.Instance{Name: "a", Streams: 7}); err != nil || presence.StreamsOf(all) != 7 {
				t.Errorf("%+v, %v", all, err)
			}
			if all, err := i.LargestRooms(t.Context(), 3); err != nil || len(all) != 0 {
				t.Errorf("%+v, %v", all, err)
			}
			found, err := i.Check(t.Context())
			if got := fmt.Sprint(found); err != nil || strings.Contains(got, "min-replicas") != (tc.name == "sentinel") {
				t.Errorf("Check: %v, %v", got, err)
			}
		})
	}
}

func TestTheDeathOfAMasterMakesNobodyOffline(t *testing.T) {
	for _, tc := range []struct {
		name  string
		start func(t *testing.T) (url string, kill func())
	}{
		{"sentinel", func(t *testing.T) (string, func()) {
			g := redistest.StartSentinel(t, 1)
			return g.URL(), func() { g.Master().Kill() }
		}},
		{"cluster", func(t *testing.T) (string, func()) {
			c := redistest.StartCluster(t, 3, 1)
			return c.URL(), func() { c.MasterOf(t.Context(), newPartition(4, 0, 0, redisTime).meta).Kill() }
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			url, kill := tc.start(t)
			i := begin(t, url, Options{})
			users := people(30)
			defer i.keep(users)()
			for _, u := range users {
				i.tape.waitFor(t, u+" beat", 1)
			}
			epoch := i.head(t)[0].Epoch
			kill()
			killed := time.Now()
			i.tape.waitFor(t, "lost", 1)
			i.tape.waitFor(t, "found", 1)
			t.Logf("found again %.1f s after the master's death", time.Since(killed).Seconds())
			// The lane of the dead master's partition goes on in a new epoch, because what the replica had not got is lost.
			i.tape.until(t, "a new epoch", func() bool { return i.tape.beacons[0].Epoch > epoch })
			i.tape.until(t, "the end of its hold", func() bool { return i.tape.beacons[0].Held == 0 })
			for _, u := range users {
				i.wantStatus(u, presence.Online)
				if n := i.tape.count(u + " lapse"); n > 0 {
					t.Errorf("%s was told offline", u)
				}
			}
		})
	}
}

func TestASlotThatMovesToAnotherNodeTakesItsPeopleAlong(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t, 2, 0)
	i := begin(t, c.URL(), Options{})
	i.tape.ready(t, i.Store, false)
	users := people(60)
	defer i.keep(users)()
	for _, u := range users {
		i.tape.waitFor(t, u+" beat", 1)
	}
	p := &i.partitions[0]
	from := c.MasterOf(t.Context(), p.meta)
	to := c.Nodes[0]
	if to == from {
		to = c.Nodes[1]
	}
	do := func(s *redistest.Server, args ...any) *redis.Cmd {
		t.Helper()
		cmd := s.Client(t).Do(t.Context(), args...)
		if cmd.Err() != nil {
			t.Fatal(args, cmd.Err())
		}
		return cmd
	}
	slot := do(from, "cluster", "keyslot", p.meta).Val()
	fromID, toID := do(from, "cluster", "myid").Val(), do(to, "cluster", "myid").Val()
	do(to, "cluster", "setslot", slot, "importing", fromID)
	do(from, "cluster", "setslot", slot, "migrating", toID)
	epoch := i.head(t)[0].Epoch
	for {
		keys := do(from, "cluster", "getkeysinslot", slot, 3).Val().([]any)
		if len(keys) == 0 {
			break
		}
		do(from, append([]any{"migrate", "127.0.0.1", to.Port(), "", 0, 5000, "keys"}, keys...)...)
	}
	for _, s := range []*redistest.Server{to, from} {
		do(s, "cluster", "setslot", slot, "node", toID)
	}
	i.tape.until(t, "a new epoch", func() bool { return i.tape.beacons[0].Epoch > epoch })
	i.tape.until(t, "the end of its hold", func() bool { return i.tape.beacons[0].Held == 0 })
	i.tape.caughtUp(t, i.Store)
	for _, u := range users {
		i.wantStatus(u, presence.Online)
		if n := i.tape.count(u + " lapse"); n > 0 {
			t.Errorf("%s was told offline", u)
		}
	}
}

func TestWhatIsWrongWithTheURLIsSaid(t *testing.T) {
	for _, tc := range []struct{ url, want string }{
		{"localhost:6379", "redis URL: no scheme"},
		{"http://localhost", `redis URL: scheme "http" is none of redis, rediss, redis+sentinel`},
		{"redis://localhost/x", `redis URL: database "x" is no number`},
		{"redis://a,b/2", "redis URL: a cluster has database 0 alone"},
		{"redis+sentinel://a,b", "redis URL: redis+sentinel://host:port/master needs the master's name"},
		{"redis://:secret@", `redis URL: "" is no host`},
		{"redis://u:%zz@h", "redis URL: user, password, path or query cannot be read"},
	} {
		if _, err := parse(tc.url); fmt.Sprint(err) != tc.want {
			t.Errorf("%s: %v, want %s", tc.url, err, tc.want)
		}
	}
}

func TestAURLNamesHostsUsersAndDatabases(t *testing.T) {
	for _, tc := range []struct{ url, want string }{
		{"redis://localhost", "[localhost:6379] user= password= db=0 master= cluster=false tls=false"},
		{"redis://u:p%40@h:1/3", "[h:1] user=u password=p@ db=3 master= cluster=false tls=false"},
		{"redis://:p@[::1]:7?db=4", "[[::1]:7] user= password=p db=4 master= cluster=false tls=false"},
		{"rediss://h:1,i:2", "[h:1 i:2] user= password= db=0 master= cluster=true tls=true"},
		{"redis://h?cluster=true", "[h:6379] user= password= db=0 master= cluster=true tls=false"},
		{"redis+sentinel://u:p@h,i:5/m?db=2", "[h:26379 i:5] user=u password=p db=2 master=m cluster=false tls=false"},
	} {
		x, err := parse(tc.url)
		o := x.options
		got := fmt.Sprintf("%v user=%s password=%s db=%d master=%s cluster=%t tls=%t",
			o.Addrs, o.Username, o.Password, o.DB, o.MasterName, x.cluster, o.TLSConfig != nil)
		if err != nil || got != tc.want {
			t.Errorf("%s:\n got %s, %v\nwant %s", tc.url, got, err, tc.want)
		}
	}
}
