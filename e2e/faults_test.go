//go:build faults

package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/presently/presently/e2e/chaos"
	"github.com/presently/presently/internal/redistest"
	"github.com/presently/presently/presence"
)

// faults are all that goes wrong while people beat and others watch. Each has instances and a Redis of its own to break; what must be so whatever
// happens is P1 to P7 of package chaos, and some ask for more.
var faults = []*fault{
	{id: "A0", timed: true, name: "nothing goes wrong", promise: "P1 to P7", happen: func(s *stage) { time.Sleep(5 * time.Second) }},
	{id: "A0b", timed: true, name: "many changes, seen at another instance", promise: "P1 to P7", happen: changes},
	{id: "A1", timed: true, name: "one of three instances is killed", promise: "P1: nobody falsely offline; its streams move to others", random: true, happen: func(s *stage) {
		killed := s.play.Now()
		s.kill(0)
		time.Sleep(time.Second)
		s.launch(0)
		s.awaitReady()
		s.connected(killed)
	}},
	{id: "A2", name: "two of three instances are killed, then all", promise: "P1: who beats stays; Redis keeps the truth", random: true, happen: func(s *stage) {
		s.kill(0, 1)
		time.Sleep(time.Second)
		s.launch(0)
		s.launch(1)
		s.awaitReady()
		// Longer than two sweeps may be apart: within that, whoever is silent past his deadline may be told so at once.
		s.outage(chaos.Outage{Blind: true}, func() { s.kill(0, 1, 2) }, presence.TickLimit(100*time.Millisecond, s.ttl())+500*time.Millisecond, func() {
			for n := range s.slots {
				s.launch(n)
			}
			s.awaitReady()
		})
	}},
	{id: "A3", name: "rolling restart by SIGTERM", promise: "no failed request, no flap", settings: []string{"PRESENTLY_DRAIN=1s"}, happen: rollingRestart},
	{id: "A4", name: "an instance is frozen for longer than a TTL", promise: "P1, P6: a stale instance announces nothing", random: true, happen: func(s *stage) {
		s.outage(chaos.Outage{Part: true}, s.slots[0].freeze, s.ttl()+time.Second, s.slots[0].thaw)
	}},
	{id: "A5", name: "Redis is killed and comes back empty after a second", promise: "P1; streams stay open", lossy: true, random: true, happen: func(s *stage) {
		s.away(s.redis.Kill, time.Second, func() { s.redis.RestartEmpty() })
	}},
	{id: "A5b", name: "Redis is killed and comes back empty after a TTL", promise: "P1; streams stay open", lossy: true, random: true, happen: func(s *stage) {
		s.away(s.redis.Kill, s.ttl()+time.Second, func() { s.redis.RestartEmpty() })
	}},
	{id: "A6", name: "FLUSHALL", promise: "P1; streams stay open, though nothing was disconnected", lossy: true, random: true, happen: func(s *stage) {
		s.away(func() { s.do("flushall") }, 0, s.renewed)
	}},
	{id: "A6b", name: "SWAPDB with an empty one", promise: "P1; streams stay open, though nothing was disconnected", lossy: true, happen: func(s *stage) {
		s.away(func() { s.do("swapdb", 0, 1) }, 0, s.renewed)
	}},
	{id: "A6c", name: "keys of users are deleted, as by eviction", promise: "P1; beats that ask for the record find it missing", lossy: true, options: func(o *chaos.Options) { o.Whole = true }, happen: deleteUsers},
	{id: "A7", name: "Redis comes back with old data", promise: "P1, P4, P6: no ghosts, revs do not go back", lossy: true, random: true, happen: func(s *stage) {
		s.do("save")
		time.Sleep(3 * time.Second) // people come and go meanwhile
		s.away(s.redis.Kill, 500*time.Millisecond, func() { s.redis.Restart() })
	}},
	{id: "A8", timed: true, name: "Redis is frozen for longer than a TTL", promise: "P1; `degraded` within 3 s, `recovered` within 5 s", random: true, happen: hangs},
	{id: "A8b", name: "Redis pauses all clients", promise: "P1; streams stay open", random: true, happen: func(s *stage) {
		s.away(func() { s.do("client", "pause", 3000, "all") }, 3*time.Second, func() {})
	}},
	{id: "A9", name: "Redis is 200 ms away", promise: "P1 to P7, as if near", prepare: behindProxies(3), random: true, happen: func(s *stage) {
		for _, p := range s.proxies {
			p.Latency(100 * time.Millisecond)
		}
		time.Sleep(5 * time.Second)
		for _, p := range s.proxies {
			p.Latency(0)
		}
	}},
	{id: "A9b", name: "Redis is behind 10 KB/s a connection", promise: "P1 to P7", prepare: behindProxies(3), random: true, happen: func(s *stage) {
		s.outage(chaos.Outage{Part: true}, func() {
			for _, p := range s.proxies {
				p.Rate(10_000)
			}
		}, 4*time.Second, func() {
			for _, p := range s.proxies {
				p.Rate(0)
			}
		})
	}},
	{id: "A10", name: "one instance is cut off from Redis", promise: "P1: beats go elsewhere; `degraded`, not ready", prepare: behindProxies(1), random: true, happen: func(s *stage) {
		var cut, healed chaos.At
		s.outage(chaos.Outage{Part: true}, func() {
			cut = s.play.Now()
			s.proxies[0].Cut(true, true)
		}, max(s.ttl()+time.Second, 4*time.Second), func() {
			if got := s.slots[0].readiness(); got != 503 {
				s.t.Errorf("the readiness of an instance without Redis is %d", got)
			}
			healed = s.play.Now()
			s.proxies[0].Cut(false, false)
		})
		s.toldWithin("degradedS", "degraded", cut, 3*time.Second)
		s.toldWithin("recoveredS", "recovered", healed, 5*time.Second)
	}},
	{id: "A11", name: "one instance is cut off from the bus alone", promise: "P1, P5; `degraded` within 3 s, `recovered` within 5 s", prepare: behindProxies(1), random: true, happen: func(s *stage) {
		cut := s.play.Now()
		s.proxies[0].Cut(false, true)
		s.toldWithin("degradedS", "degraded", cut, 3*time.Second)
		time.Sleep(2 * time.Second)
		healed := s.play.Now()
		s.proxies[0].Cut(false, false)
		s.toldWithin("recoveredS", "recovered", healed, 5*time.Second)
	}},
	{id: "A11b", name: "one instance hears the bus, and its commands get no answer", promise: "P1; `degraded` within 3 s, `recovered` within 5 s", prepare: behindProxies(1), random: true, happen: func(s *stage) {
		var cut, healed chaos.At
		s.outage(chaos.Outage{Part: true}, func() {
			cut = s.play.Now()
			s.proxies[0].CutCommands(true)
			s.toldWithin("degradedS", "degraded", cut, 3*time.Second)
		}, time.Second, func() {
			healed = s.play.Now()
			s.proxies[0].CutCommands(false)
		})
		s.toldWithin("recoveredS", "recovered", healed, 5*time.Second)
	}},
	{id: "A12", name: "subscriptions are killed in a loop", promise: "P5: nothing missed stays missed", random: true, happen: func(s *stage) {
		s.again(4*time.Second, 200*time.Millisecond, func() { s.do("client", "kill", "type", "pubsub") })
	}},
	{id: "A12b", timed: true, name: "one in ten messages is lost on the way to one instance", promise: "P4, P5: a gap is noticed", prepare: behindProxies(1), random: true, happen: func(s *stage) {
		s.proxies[0].Lose(10)
		time.Sleep(5 * time.Second)
		s.proxies[0].Lose(0)
		lost := s.proxies[0].Lost.Load()
		s.figure("lost", float64(lost))
		if lost == 0 {
			s.t.Error("nothing was lost")
		}
	}},
	{id: "A12c", timed: true, name: "one instance's subscription is cut, with thousands of messages", promise: "P4, P5: all is read again", prepare: behindProxies(1), happen: thousandsAreLost},
	{id: "A13", name: "an instance does not read its subscription, which Redis ends", promise: "P5: what was missed is read again", random: true, happen: func(s *stage) {
		s.do("config", "set", "client-output-buffer-limit", "pubsub 16kb 8kb 1")
		defer s.do("config", "set", "client-output-buffer-limit", "pubsub 32mb 8mb 60")
		s.outage(chaos.Outage{Part: true}, s.slots[0].freeze, s.ttl()/2, s.slots[0].thaw)
	}},
	{id: "A14", timed: true, name: "Sentinel fails over", promise: "P1; writes are back soon", ttl: 5 * time.Second, instances: 2, prepare: behindSentinels, happen: func(s *stage) {
		s.failOver()
	}},
	{id: "A14b", name: "Sentinel fails over to a replica that lags behind", promise: "P1, P4, P6, as with old data", ttl: 5 * time.Second, instances: 2, lossy: true, prepare: behindSentinels, happen: func(s *stage) {
		const late = "written-too-late"
		s.lag()
		if err := s.group.Master().Client(s.t).Set(s.t.Context(), late, 1, 0).Err(); err != nil {
			s.t.Fatal(err)
		}
		time.Sleep(2 * time.Second) // people come and go meanwhile
		s.failOver()
		if n, err := s.group.Master().Client(s.t).Exists(s.t.Context(), late).Result(); err != nil || n != 0 {
			s.t.Errorf("nothing was lost: %d, %v", n, err)
		}
	}},
	{id: "A15", name: "a master of the cluster dies", promise: "P1 for all partitions", ttl: 5 * time.Second, instances: 2, prepare: onCluster, happen: func(s *stage) {
		s.outage(chaos.Outage{Part: true}, func() { s.cluster.MasterOf(s.t.Context(), "presently:{16.0}:meta").Kill() }, time.Second, func() {
			time.Sleep(8 * time.Second) // a probe is in one partition: it may not be the one that is away
		})
	}},
	{id: "A15b", name: "a slot of the cluster moves to another master", promise: "P1 for all partitions", ttl: 5 * time.Second, instances: 2, prepare: onCluster, happen: func(s *stage) {
		s.outage(chaos.Outage{Part: true}, func() { s.moveSlot("presently:{16.0}:meta") }, time.Second, func() {})
	}},
	{id: "A16", timed: true, name: "an instance stays attached to a master that was demoted", promise: "P1, P5; `degraded` within 3 s, and back by itself", prepare: behindAnAddress, happen: demoted},
	{id: "A17a", name: "Redis is full and refuses writes", promise: "P1; 503 meanwhile", random: true, happen: func(s *stage) {
		s.away(func() { s.do("config", "set", "maxmemory", "1") }, s.ttl()+time.Second, func() { s.do("config", "set", "maxmemory", "0") })
	}},
	{id: "A17b", name: "Redis has no connections to give", promise: "P1; 503 meanwhile", random: true, happen: func(s *stage) {
		admin := s.redis.Client(s.t).Conn() // of which there will be no other
		defer admin.Close()
		do := func(args ...any) {
			if err := admin.Do(s.t.Context(), args...).Err(); err != nil {
				s.t.Fatalf("%v: %v", args, err)
			}
		}
		do("ping")
		s.away(func() {
			do("config", "set", "maxclients", "1")
			do("client", "kill", "type", "pubsub")
			do("client", "kill", "type", "normal")
		}, s.ttl()+time.Second, func() { do("config", "set", "maxclients", "10000") })
	}},
	{id: "A17c", name: "Redis forgets its scripts again and again", promise: "P1 to P7, as if nothing were", random: true, happen: func(s *stage) {
		s.again(4*time.Second, 100*time.Millisecond, func() { s.do("script", "flush") })
	}},
	{id: "A17d", name: "Redis is made a replica, and refuses writes", promise: "P1; 503 meanwhile", random: true, happen: func(s *stage) {
		s.away(func() { s.do("replicaof", "127.0.0.1", "1") }, s.ttl()+time.Second, func() { s.do("replicaof", "no", "one") })
	}},
	{id: "A17e", name: "Redis takes a while to load its data", promise: "P1; 503 meanwhile", lossy: true, random: true, happen: func(s *stage) {
		s.do("debug", "populate", "1000")
		s.do("save")
		s.away(s.redis.Kill, 100*time.Millisecond, func() { // 2 s for the keys above
			s.redis.Restart("--key-load-delay", "2000", "--loading-process-events-interval-bytes", "1024")
		})
	}},
	{id: "A17f", name: "Redis is busy with somebody's script", promise: "P1; 503 meanwhile", random: true, happen: func(s *stage) {
		s.do("config", "set", "busy-reply-threshold", "200")
		busy := redis.NewClient(&redis.Options{Addr: s.redis.Addr(), MaxRetries: -1, ReadTimeout: -1}) // one script, and no other after it
		defer busy.Close()
		s.away(func() {
			go busy.Eval(context.WithoutCancel(s.t.Context()), "while true do end", nil)
		}, s.ttl()+time.Second, func() { s.do("script", "kill") })
	}},
	{id: "A17g", name: "Redis takes the right to write away", promise: "P1; 503 meanwhile", random: true, happen: func(s *stage) {
		s.away(func() { s.do("acl", "setuser", "default", "-zadd", "-eval", "-evalsha", "-hset") }, s.ttl()+time.Second, func() {
			s.do("acl", "setuser", "default", "+@all")
		})
	}},
	{id: "A18", name: "clocks are an hour fast and an hour slow", promise: "no transition from a clock that is wrong", prepare: skewed, happen: func(s *stage) { time.Sleep(6 * time.Second) }},
	{id: "A20", name: "beats come twice, late and in disorder", promise: "P6: no old beat brings anybody back", options: func(o *chaos.Options) { o.Late = true }, happen: func(s *stage) { time.Sleep(6 * time.Second) }},
	{id: "A21", name: "a storm of streams that come back at once", promise: "P1 for others; all streams restored", ttl: 8 * time.Second, heavy: true, happen: storm},
	{id: "A23", name: "a thousand streams of which nothing is read", promise: "P1 for others; memory is bounded; cut in time", ttl: 8 * time.Second, heavy: true, happen: zeroWindows},
	{id: "A24", name: "streams over HTTP/2 whose window is shut, or lets a byte through now and then", promise: "P1 for others; cut after 5 s", happen: slowOverHTTP2},
	{id: "A25", name: "streams open and close, again and again", promise: "descriptors and goroutines as before", heavy: true, alone: cycles},
	{id: "A27", name: "messages of unknown kinds, versions and nonsense on the bus", promise: "P1 to P7; not even `degraded`", random: true, happen: strangeMessages},
	{id: "A28", name: "streams grow old after two seconds", promise: "P6: no flap", settings: []string{"PRESENTLY_STREAM_MAX_AGE=2s"}, happen: func(s *stage) { time.Sleep(7 * time.Second) }},
	{id: "A28b", name: "a balancer cuts what is idle", promise: "P6; comments keep streams on which nothing happens", happen: quietStreams},
}

// places are how many stages may stand at a time: each takes about a third of a core. A heavy one stands alone.
var places = make(chan struct{}, 3)

func takePlace() (leave func()) {
	places <- struct{}{}
	return func() { <-places }
}

func (f *fault) run(t *testing.T) {
	t.Helper()
	if f.alone != nil {
		s := bareStage(t, f)
		f.alone(s)
		s.report(chaos.Verdict{}, false)
		return
	}
	s := newStage(t, f)
	f.happen(s)
	s.end()
}

// do asks Redis for one thing.
func (s *stage) do(args ...any) {
	s.t.Helper()
	if err := s.redis.Client(s.t).Do(s.t.Context(), args...).Err(); err != nil && err != redis.Nil { //nolint:errorlint // as go-redis returns it
		s.t.Fatalf("%v: %v", args, err)
	}
}

// again does something every now and then for a while.
func (s *stage) again(during, every time.Duration, f func()) {
	for until := time.Now().Add(during); time.Now().Before(until); time.Sleep(every) {
		f()
	}
}

// renewed waits until Redis has an epoch again in each partition, and notes how long that took: then the loss has been noticed.
func (s *stage) renewed() {
	s.t.Helper()
	lost, client := time.Now(), s.redis.Client(s.t)
	waitUntil(s.t, "the loss is noticed in all partitions", func() bool {
		for n := range 16 {
			if is, err := client.HExists(s.t.Context(), fmt.Sprintf("presently:{16.%d}:meta", n), "epoch").Result(); err != nil || !is {
				return false
			}
		}
		return true
	})
	s.figure("noticedS", time.Since(lost).Seconds())
}

// deleteUsers takes both keys of a few away. Not within the hold that a new Redis begins with: at its end all that is watched is read again, and what is not
// there then has gone, because whoever knew better has had the time to say so.
func deleteUsers(s *stage) {
	time.Sleep(s.ttl())
	client := s.redis.Client(s.t)
	s.again(4*time.Second, 500*time.Millisecond, func() {
		for n := 0; n < 48; n += 8 { // who are always here
			for part := range 16 {
				prefix := fmt.Sprintf("presently:{16.%d}:", part)
				name := fmt.Sprint("user-", n)
				if err := client.Del(s.t.Context(), prefix+"u:"+name, prefix+"s:"+name).Err(); err != nil {
					s.t.Fatal(err)
				}
			}
		}
	})
}

// goroutines is how many all instances have.
func (s *stage) goroutines() (sum float64) {
	s.t.Helper()
	for _, i := range s.slots {
		sum += i.scrape(s.t, "go_goroutines")
	}
	return sum
}

// moveSlot moves the slot of a key to the next master, key by key.
func (s *stage) moveSlot(key string) {
	t := s.t
	t.Helper()
	from := s.cluster.MasterOf(t.Context(), key)
	to := from
	for n := 0; to == from; n++ {
		if to = s.cluster.MasterOf(t.Context(), fmt.Sprint("any-", n)); n > 1000 {
			t.Fatal("there is no other master")
		}
	}
	do := func(at *redistest.Server, args ...any) any {
		t.Helper()
		answer, err := at.Client(t).Do(t.Context(), args...).Result()
		if err != nil {
			t.Fatal(args, err)
		}
		return answer
	}
	slot := do(from, "cluster", "keyslot", key)
	fromID, toID := do(from, "cluster", "myid"), do(to, "cluster", "myid")
	do(to, "cluster", "setslot", slot, "importing", fromID)
	do(from, "cluster", "setslot", slot, "migrating", toID)
	for {
		keys, _ := do(from, "cluster", "getkeysinslot", slot, 3).([]any)
		if len(keys) == 0 {
			break
		}
		do(from, append([]any{"migrate", "127.0.0.1", to.Port(), "", 0, 5000, "keys"}, keys...)...)
	}
	for _, server := range []*redistest.Server{to, from} {
		do(server, "cluster", "setslot", slot, "node", toID)
	}
}

// connected waits until every watcher has a stream again.
func (s *stage) connected(since chaos.At) {
	s.t.Helper()
	waitUntil(s.t, "all watchers have their streams again", func() bool { return s.play.Connected() == len(s.play.Watching()) })
	s.figure("restoredS", (s.play.Now() - since).Seconds())
}

func rollingRestart(s *stage) {
	before := s.balancer.Broken.Load()
	for n, i := range s.slots {
		i.program.ask()
		if status := i.program.wait(stopping); status != 0 {
			s.t.Errorf("ends with status %d", status)
		}
		s.launch(n)
		s.awaitReady()
	}
	failed := 0
	for _, d := range s.play.Deeds() {
		if d.Outcome != chaos.Done && !d.Stale {
			if failed++; failed < 5 {
				s.t.Errorf("a request failed: %+v", d)
			}
		}
	}
	s.figure("failed", float64(failed))
	if broken := s.balancer.Broken.Load() - before; broken > 0 {
		s.t.Errorf("%d requests were answered by nobody", broken)
	}
}

func behindSentinels(s *stage) {
	s.group = redistest.StartSentinel(s.t, 1)
	s.url = func(int) string { return s.group.URL() }
}

// lag has the replica hear its master through a slow network, which then brings nothing more: what is written from now on is lost with the master. Sentinel would set
// the replica right after 8 s.
func (s *stage) lag() {
	t := s.t
	t.Helper()
	master := s.group.Master()
	p, err := chaos.NewProxy(master.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	_, port, err := net.SplitHostPort(p.Addr)
	if err != nil {
		t.Fatal(err)
	}
	for _, server := range s.group.Servers {
		if server == master {
			continue
		}
		replica := server.Client(t)
		if err := replica.Do(t.Context(), "replicaof", "127.0.0.1", port).Err(); err != nil {
			t.Fatal(err)
		}
		waitUntil(t, "the replica follows through the proxy", func() bool {
			info, err := replica.Info(t.Context(), "replication").Result()
			return err == nil && strings.Contains(info, "master_link_status:up")
		})
	}
	p.Cut(true, false)
}

// failOver kills the master. Until Sentinel has made another, nobody can write: what it takes from then on is ours.
func (s *stage) failOver() {
	var promoted chaos.At
	var killed chaos.At
	master := s.group.Master()
	s.away(func() {
		killed = s.play.Now()
		master.Kill()
	}, 900*time.Millisecond, func() {
		waitUntil(s.t, "a replica is made the master", func() bool {
			for _, server := range s.group.Servers {
				role, err := server.Client(s.t).Do(s.t.Context(), "role").Slice()
				if server != master && err == nil && len(role) > 0 && role[0] == "master" {
					return true
				}
			}
			return false
		})
		promoted = s.play.Now()
	})
	s.figure("promotedS", (promoted - killed).Seconds())
	s.figure("afterPromotionS", (s.play.Now() - promoted).Seconds())
}

func onCluster(s *stage) {
	s.cluster = redistest.StartCluster(s.t, 3, 1)
	s.url = func(int) string { return s.cluster.URL() }
}

// strangeMessages puts on each lane what a program of another version might, and what no program would.
func strangeMessages(s *stage) {
	client := s.redis.Client(s.t)
	lanes, err := client.PubSubChannels(s.t.Context(), "*").Result()
	if err != nil || len(lanes) == 0 {
		s.t.Fatalf("lanes: %v, %v", lanes, err)
	}
	dice := rand.New(rand.NewPCG(s.seed, 27))
	now := time.Now().UnixMicro()
	strange := []string{
		"", "\n", "1", "1\n", "1\nc", "1\nb", "1\nc\n\n\n\n\n", "2\nc\n1\n1\n1\nbeat\nuser-0\n",
		fmt.Sprintf("2\nb\n%d\n%d\n%d\n0\n%d\n", now, 1<<40, now, now), "1\nz\n1\n2\n3", "1\nz\nuser-0\nlapse",
		`{"v":3,"kind":"change","user":"user-0","status":"offline"}`, "\x00\xff\xfe", strings.Repeat("x", 64<<10), "1\nc\nx\ny\nz\nlapse\nuser-0",
		"1\nb\nx\ny\nz\n0\nnow",
	}
	before := len(s.play.Notices())
	s.again(3*time.Second, 10*time.Millisecond, func() {
		if err := client.Publish(s.t.Context(), lanes[dice.IntN(len(lanes))], strange[dice.IntN(len(strange))]).Err(); err != nil {
			s.t.Fatal(err)
		}
	})
	if after := s.play.Notices(); len(after) > before {
		s.t.Errorf("streams were told %+v", after[before:])
	}
}
