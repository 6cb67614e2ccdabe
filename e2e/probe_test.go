//go:build faults

package e2e

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/presently/presently/e2e/chaos"
	"github.com/presently/presently/internal/redistest"
)

// probes ask each instance by itself, past the balancer, at a steady pace, whatever they are answered.
type probes struct {
	stop context.CancelFunc
	done sync.WaitGroup

	mu   sync.Mutex        // guards what follows
	took [][]time.Duration // of each slot
}

// probe begins to send beats to each instance, so many a second.
func (s *stage) probe(perSecond int) *probes {
	ctx, stop := context.WithCancel(s.t.Context())
	p := &probes{stop: stop, took: make([][]time.Duration, len(s.slots))}
	for slot, i := range s.slots {
		asker := *i.as(fmt.Sprint("probe-", slot))
		asker.at = &instance{t: s.t, url: i.url, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}, Timeout: 10 * time.Second}}
		p.done.Go(func() {
			defer asker.at.client.CloseIdleConnections()
			tick := time.NewTicker(time.Second / time.Duration(perSecond))
			defer tick.Stop()
			var asked sync.WaitGroup
			defer asked.Wait()
			for n := 0; ; n++ {
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
				}
				asked.Go(func() {
					began := time.Now()
					_, err := asker.ask(s.t.Context(), "POST", "/v1/presence/heartbeat", beatBody(fmt.Sprint("probe-session-", n%10)), "Prefer: return=minimal")
					if took := time.Since(began); err == nil {
						p.mu.Lock()
						defer p.mu.Unlock()
						p.took[slot] = append(p.took[slot], took)
					}
				})
			}
		})
	}
	return p
}

// end returns the 99th percentile of what was asked, at the slowest of the instances, and how many were asked in all.
func (p *probes) end() (p99 time.Duration, n int) {
	p.stop()
	p.done.Wait()
	for _, took := range p.took {
		if slices.Sort(took); len(took) > 0 {
			p99, n = max(p99, took[len(took)*99/100]), n+len(took)
		}
	}
	return p99, n
}

// quietest opens a stream at each instance on which nothing happens, and returns what ends them and tells the longest time in which one of them said nothing, and how
// many comments came on the one that got fewest.
func (s *stage) quietest() (end func() (gap time.Duration, fewest int)) {
	var mu sync.Mutex // guards what follows
	gap, counts := time.Duration(0), make([]int, len(s.slots))
	var conns []net.Conn
	var all sync.WaitGroup
	for slot, i := range s.slots {
		c, err := openRaw(s.t, &net.Dialer{}, i.url, sign(s.t, fmt.Sprint("patient-", slot), time.Hour), url.Values{"user": {"nobody"}}.Encode())
		if err != nil {
			s.t.Fatal(err)
		}
		conns = append(conns, c)
		lines := bufio.NewReader(c)
		if err := begins(lines); err != nil {
			s.t.Fatal(err)
		}
		all.Go(func() {
			for last := time.Now(); ; {
				line, err := lines.ReadString('\n')
				mu.Lock()
				if strings.HasPrefix(line, ":") {
					counts[slot]++
				}
				gap = max(gap, time.Since(last))
				mu.Unlock()
				if last = time.Now(); err != nil {
					return
				}
			}
		})
	}
	return func() (time.Duration, int) {
		for _, c := range conns {
			c.Close()
		}
		all.Wait()
		return gap, slices.Min(counts)
	}
}

// hangs freezes Redis, and sees what becomes of those who ask meanwhile, and of those who only listen.
func hangs(s *stage) {
	hold := s.ttl() + time.Second
	if s.long {
		hold = time.Minute
	}
	var asking *probes
	var listening func() (time.Duration, int)
	if s.long {
		listening = s.quietest()
	}
	frozen := s.play.Now()
	var thawed chaos.At
	before := s.goroutines()
	s.away(func() {
		s.redis.Freeze()
		if s.long {
			asking = s.probe(50)
		}
	}, hold, func() {
		s.figure("goroutines", s.goroutines()-before)
		if s.long {
			p99, n := asking.end()
			s.figure("refusedAtP99", p99.Seconds())
			s.figure("asked", float64(n))
			gap, fewest := listening()
			s.figure("silentS", gap.Seconds())
			s.figure("comments", float64(fewest))
			s.figure("frozenS", hold.Seconds())
		}
		thawed = s.play.Now()
		s.redis.Thaw()
	})
	s.toldWithin("degradedS", "degraded", frozen, 3*time.Second)
	s.toldWithin("recoveredS", "recovered", thawed, 5*time.Second)
}

// changes are made at one instance and seen at another, each by a stream of its own.
func changes(s *stage) {
	t, people, took := s.t, 40, 4*time.Second
	if s.long {
		people, took = 400, 15*time.Second
	}
	const every = 400 * time.Millisecond // more than a stream waits between two events
	type mover struct {
		*person
		sent atomic.Int64 // when the last change was
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: people}, Timeout: 10 * time.Second}
	defer client.CloseIdleConnections()
	from := &instance{t: t, url: s.slots[0].url, client: client}
	var mu sync.Mutex // guards what follows
	var seen []time.Duration
	var readers, writers sync.WaitGroup
	var conns []net.Conn
	defer func() {
		for _, c := range conns {
			c.Close()
		}
		readers.Wait()
	}()
	ctx, stop := context.WithTimeout(t.Context(), took)
	defer stop()
	began := time.Now()
	for n := range people {
		m := &mover{person: from.as(fmt.Sprint("mover-", n))}
		m.beat("session-1")
		c, err := openRaw(t, &net.Dialer{}, s.slots[1].url, sign(t, fmt.Sprint("onlooker-", n), time.Hour), url.Values{"user": {m.user}}.Encode())
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
		lines := bufio.NewReader(c)
		if err := begins(lines); err != nil {
			t.Fatal(err)
		}
		readers.Go(func() {
			for {
				line, err := lines.ReadString('\n')
				if err != nil {
					return
				}
				if !strings.HasPrefix(line, "event: presence") {
					continue
				}
				if sent := m.sent.Swap(0); sent != 0 {
					mu.Lock()
					seen = append(seen, time.Since(began)-time.Duration(sent))
					mu.Unlock()
				}
			}
		})
		writers.Go(func() {
			time.Sleep(every * time.Duration(n) / time.Duration(people))
			tick := time.NewTicker(every)
			defer tick.Stop()
			for round := 0; ctx.Err() == nil; round++ {
				<-tick.C
				m.sent.Store(int64(time.Since(began)))
				if _, err := m.try("POST", "/v1/presence/heartbeat", beatBody("session-1", fmt.Sprintf(`"state":%q`, []string{"busy", "online"}[round%2])), "Prefer: return=minimal"); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	writers.Wait()
	time.Sleep(every)
	mu.Lock()
	defer mu.Unlock()
	made := float64(len(seen)) / took.Seconds()
	if slices.Sort(seen); len(seen) == 0 {
		t.Fatal("no change was seen")
	}
	s.figure("changesPerS", made)
	s.figure("seenP50", seen[len(seen)/2].Seconds())
	s.figure("seenP99", seen[len(seen)*99/100].Seconds())
}

// thousandsAreLost cuts one instance's subscription while others change thousands of times, and drops what was on the way.
func thousandsAreLost(s *stage) {
	t, rounds := s.t, 10
	if s.long {
		rounds = 100
	}
	const people = 20
	var all []*person
	var names []string
	for n := range people {
		p := s.slots[1].as(fmt.Sprint("lost-", n))
		p.beat("session-1")
		all, names = append(all, p), append(names, p.user)
	}
	c, err := openRaw(t, &net.Dialer{}, s.slots[0].url, sign(t, "loser", time.Hour), url.Values{"user": names}.Encode())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var healed atomic.Int64
	told := make(chan time.Duration, 1)
	lines := bufio.NewReader(c)
	if err := begins(lines); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	go func() {
		busy := map[string]bool{}
		if err := chaos.ReadFrames(lines, func(f chaos.Frame) bool {
			for _, name := range names {
				if at := strings.Index(f.Data, `"userId":"`+name+`"`); at >= 0 && strings.Contains(f.Data, `"status":"dnd"`) {
					busy[name] = true // each is told so in one event alone, which tells of all that were read together
				}
			}
			if len(busy) == people {
				told <- time.Since(began) - time.Duration(healed.Load())
				return false
			}
			return true
		}); err != nil {
			close(told)
		}
	}()
	s.outage(chaos.Outage{Part: true}, func() { s.proxies[0].Cut(false, true) }, 0, func() {
		var writers sync.WaitGroup
		for _, p := range all {
			writers.Go(func() {
				for round := range rounds {
					state := []string{"busy", "online"}[round%2]
					if round == rounds-1 {
						state = "dnd" // which tells the last one
					}
					if _, err := p.try("POST", "/v1/presence/heartbeat", beatBody("session-1", fmt.Sprintf(`"state":%q`, state)), "Prefer: return=minimal"); err != nil {
						t.Error(err)
					}
				}
			})
		}
		writers.Wait()
		time.Sleep(50 * time.Millisecond) // for the last of them to be on the way
		healed.Store(int64(time.Since(began)))
		s.proxies[0].Drop() // and with it all that is held back
		s.proxies[0].Cut(false, false)
	})
	s.figure("lost", float64(people*rounds))
	select {
	case took, ok := <-told:
		if !ok {
			t.Fatal("the stream ended")
		}
		s.within("caughtUpS", took, 2*time.Second)
	case <-time.After(patience):
		t.Error("the stream was never told how they are in the end")
	}
}

// behindAnAddress starts two Redis, of which one follows the other, and an address for each instance that leads to the first.
func behindAnAddress(s *stage) {
	behindProxies(3)(s)
	s.replica = redistest.Start(s.t)
	replicate(s.t, s.replica, s.redis)
}

func replicate(t testing.TB, replica, master *redistest.Server) {
	t.Helper()
	client := replica.Client(t)
	if err := client.Do(t.Context(), "replicaof", "127.0.0.1", master.Port()).Err(); err != nil {
		t.Fatal(err)
	}
	waitUntil(t, "the replica follows", func() bool {
		info, err := client.Info(t.Context(), "replication").Result()
		return err == nil && strings.Contains(info, "master_link_status:up")
	})
}

// demoted makes the replica the master, and the master one that follows nobody. The address leads to the new one, for the instances in slots 1 and 2 at once, and for that in
// slot 0 for new connections alone: those that it has go on to reach the old one, which is told nothing any more.
func demoted(s *stage) {
	t := s.t
	old, next := s.redis.Client(t), s.replica.Client(t)
	var cut chaos.At
	s.outage(chaos.Outage{}, func() {
		cut = s.play.Now()
		if err := old.Do(t.Context(), "replicaof", "127.0.0.1", "1").Err(); err != nil { // nobody listens there
			t.Fatal(err)
		}
	}, 100*time.Millisecond, func() {
		if err := next.Do(t.Context(), "replicaof", "no", "one").Err(); err != nil {
			t.Fatal(err)
		}
		for slot, p := range s.proxies {
			p.Lead(s.replica.Addr())
			if slot > 0 {
				p.Drop()
			}
		}
	})
	s.toldWithin("degradedS", "degraded", cut, 3*time.Second)
	s.toldWithin("recoveredS", "recovered", cut, 3*time.Second+5*time.Second)
	if r, err := s.slots[0].as("probe").ask(t.Context(), "POST", "/v1/presence/heartbeat", beatBody("probe-session")); err != nil || r.status != http.StatusOK {
		t.Errorf("a beat at the instance that was attached to the old master: %d, %v", r.status, err)
	}
}

var tcpMemory = regexp.MustCompile(`(?m)^TCP: .* mem (\d+)$`)

// tcpKiB is what all sockets of the machine hold of the kernel's memory.
func tcpKiB(t testing.TB) int64 {
	t.Helper()
	b, err := os.ReadFile("/proc/net/sockstat")
	m := tcpMemory.FindSubmatch(b)
	if err != nil || m == nil {
		t.Fatalf("/proc/net/sockstat: %v\n%s", err, b)
	}
	n, _ := strconv.ParseInt(string(m[1]), 10, 64)
	return n * int64(os.Getpagesize()) >> 10
}

// scrape is the value of a metric of an instance.
func (i *instance) scrape(t testing.TB, name string) (value float64) {
	t.Helper()
	response, err := i.client.Get(i.url + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			if value, err = strconv.ParseFloat(strings.TrimSpace(rest), 64); err != nil {
				t.Fatal(err)
			}
		}
	}
	return value
}
