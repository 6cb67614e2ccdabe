package e2e

import (
	"bufio"
	"context"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/presently/presently/api"
	"github.com/presently/presently/internal/redistest"
)

// BenchmarkFigures prints what Presently costs here and now, a minute's work. It asserts nothing: figures of a noisy machine are for people,
// and mean most as the ratios of one run. It is a benchmark so that tests do not take it along.
//
//	go test ./e2e -run xxx -bench Figures -benchtime 1x
//	go test ./e2e -run xxx -bench Figures/latency -benchtime 1x
func BenchmarkFigures(b *testing.B) {
	if raced {
		b.Fatal("the race detector would be measured")
	}
	for _, m := range []struct {
		name string
		take func(testing.TB)
	}{
		{"commands", measureCommands}, {"redis-cpu", measureRedisCPU}, {"once", measureOnce},
		{"latency", measureLatency}, {"size", measureSize}, {"first-event", measureFirstEvent},
	} {
		b.Run(m.name, func(b *testing.B) {
			for b.Loop() {
				m.take(b)
			}
		})
	}
}

func figure(format string, args ...any) { fmt.Printf("  "+format+"\n", args...) }

// measured starts instances whose answers nobody judges, which would take longer than the answers.
func measured(t testing.TB, n int, redisURL string, settings ...string) []*instance {
	t.Helper()
	all := startMany(t, n, redisURL, append(settings, "PRESENTLY_LOG_LEVEL=info")...)
	for _, i := range all {
		transport := &http.Transport{MaxIdleConnsPerHost: 256}
		t.Cleanup(transport.CloseIdleConnections)
		i.client = &http.Client{Transport: transport}
	}
	return all
}

// What Redis is asked for by a beat that brings nothing new, as MONITOR shows it. The sessions take turns, because a beat in the same
// millisecond as the last of its session moves no deadline, and then asks a script.
func measureCommands(t testing.TB) {
	redis := redistest.Start(t)
	i := measured(t, 1, redis.URL())[0]
	const sessions, turns, prefix = 100, 10, "quentin-" // which is in no script's hash
	for _, kind := range []struct {
		name    string
		headers []string
	}{{"minimal", []string{"Prefer: return=minimal"}}, {"full", nil}} {
		round := func() {
			for n := range sessions {
				i.as(fmt.Sprint(prefix, n)).must("POST", "/v1/presence/heartbeat", beatBody("session-1"), kind.headers...)
			}
		}
		round() // which says something new
		counts := monitor(t, redis, prefix, func() {
			for range turns {
				round()
			}
		})
		for _, command := range slices.Sorted(maps.Keys(counts)) {
			figure("%d steady %s heartbeats: %d x %s", sessions*turns, kind.name, counts[command], command)
		}
		figure("%d steady %s heartbeats: %d scripts", sessions*turns, kind.name, counts["eval"]+counts["evalsha"])
	}
}

// monitor counts the commands that clients send about somebody while f runs; those of the scripts themselves are not counted.
func monitor(t testing.TB, redis *redistest.Server, about string, f func()) map[string]int {
	t.Helper()
	conn, err := net.Dial("tcp", redis.Addr())
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(conn, "MONITOR\r\n")
	lines := bufio.NewScanner(conn)
	lines.Buffer(nil, 1<<20)
	lines.Scan() // +OK
	const end = "the end of what is counted"
	counts := map[string]int{}
	var counted sync.WaitGroup
	counted.Go(func() {
		command := regexp.MustCompile(`^\+[\d.]+ \[\d+ [^l]\S*\] "(\w+)"`) // not [0 lua]
		for lines.Scan() && !strings.Contains(lines.Text(), end) {
			if m := command.FindStringSubmatch(lines.Text()); m != nil && strings.Contains(lines.Text(), about) {
				counts[strings.ToLower(m[1])]++
			}
		}
	})
	f()
	if err := redis.Client(t).Echo(t.Context(), end).Err(); err != nil {
		t.Fatal(err)
	}
	counted.Wait()
	conn.Close()
	return counts
}

// What beats cost Redis, of which there is one, where instances are many.
func measureRedisCPU(t testing.TB) {
	redis := redistest.Start(t)
	i := measured(t, 1, redis.URL())[0]
	const users = 500
	var people []*person
	for n := range users {
		people = append(people, i.as(fmt.Sprint("user-", n)))
	}
	round := func(together, beats int, state func(n int) string) {
		var next atomic.Int64
		var workers sync.WaitGroup
		for range together {
			workers.Go(func() {
				for n := int(next.Add(1)) - 1; n < beats; n = int(next.Add(1)) - 1 {
					if _, err := people[n%users].try("POST", "/v1/presence/heartbeat", beatBody("session-1", state(n)), "Prefer: return=minimal"); err != nil {
						t.Error(err)
					}
				}
			})
		}
		workers.Wait()
	}
	online := func(int) string { return `"state":"online"` }
	round(16, 2*users, online)
	ctx := t.Context()
	idle := redis.CPU(ctx)
	begun := time.Now()
	time.Sleep(3 * time.Second) // what sweeps and beacons take, and INFO
	idleShare := float64(redis.CPU(ctx)-idle) / float64(time.Since(begun))
	figure("Redis, nobody beating: %.1f %% of a core (sweeps and beacons of 1 instance)", 100*idleShare)
	for _, load := range []struct {
		name     string
		together int
		beats    int
		state    func(n int) string
		command  string
	}{
		{"steady minimal", 64, 40_000, online, "zadd"},
		{"steady minimal", 1, 5_000, online, "zadd"},
		{"changing", 64, 10_000, func(n int) string { return fmt.Sprintf(`"state":%q`, []string{"busy", "online"}[n/users%2]) }, "evalsha"},
	} {
		before, cpu, begun := redis.CommandStats(ctx)[load.command], redis.CPU(ctx), time.Now()
		round(load.together, load.beats, load.state)
		took := time.Since(begun)
		used := redis.CPU(ctx) - cpu - time.Duration(idleShare*float64(took))
		after := redis.CommandStats(ctx)[load.command]
		figure("%s heartbeats, %d at a time: %.1f µs of Redis' CPU each, sockets included; %.2f µs a %s of any kind; %.0f a second", load.name, load.together,
			float64(used.Microseconds())/float64(load.beats), float64(after.Usec-before.Usec)/float64(after.Calls-before.Calls), load.command, float64(load.beats)/took.Seconds())
	}
	client := redis.Client(t)
	sha, err := client.ScriptLoad(ctx, "return 1").Result()
	if err != nil {
		t.Fatal(err)
	}
	before := redis.CommandStats(ctx)["evalsha"]
	for range 5000 {
		client.EvalSha(ctx, sha, nil)
	}
	after := redis.CommandStats(ctx)["evalsha"]
	figure("the cheapest script there is, return 1: %.2f µs", float64(after.Usec-before.Usec)/float64(after.Calls-before.Calls))
}

// How often a lapse is told, where four instances sweep and two are listened to.
func measureOnce(t testing.TB) {
	const users, aStream = 2000, 100
	redis := redistest.Start(t)
	instances := measured(t, 4, redis.URL(), "PRESENTLY_TTL=10s")
	lapses := countLapses(t, redis)
	var streams [2][]*watching
	for s := range streams {
		for first := 0; first < users; first += aStream {
			var watched []string
			for n := first; n < first+aStream; n++ {
				watched = append(watched, fmt.Sprint("user-", n))
			}
			streams[s] = append(streams[s], instances[s].as(fmt.Sprint("viewer-", first)).watch(watched...))
		}
	}
	deadlines := beatAll(t, instances, users)
	time.Sleep(15 * time.Second) // the TTL, and five sweeps of everybody
	for s := range streams {
		told := map[string]int{}
		var late []time.Duration
		for _, w := range streams[s] {
			w.mu.Lock()
			for _, e := range w.events[2:] {
				for _, p := range e.presences(t) {
					if p.Status == "offline" {
						told[p.UserID]++
						late = append(late, e.at.Sub(time.UnixMicro(deadlines[p.UserID])))
					}
				}
			}
			w.mu.Unlock()
		}
		figure("%d lapses, 4 instances sweeping, streams at instance %d: %s; after the deadline: %s", users, s+1, tally(told, users), quantiles(late))
	}
	figure("%d lapses on the lanes: %s", users, tally(lapses(), users))
}

// countLapses counts what is published, by user, until the function that it returns is called.
func countLapses(t testing.TB, redis *redistest.Server) func() map[string]int {
	ctx, cancel := context.WithCancel(t.Context())
	lanes := redis.Client(t).PSubscribe(ctx, "presently:*lane*")
	counts := map[string]int{}
	var counted sync.WaitGroup
	counted.Go(func() {
		for {
			m, err := lanes.ReceiveMessage(ctx)
			if err != nil {
				return
			}
			// As redisstore writes a change: format, kind, epoch, seq, version, cause, user.
			if fields := strings.Split(m.Payload, "\n"); len(fields) > 6 && fields[5] == "lapse" {
				counts[fields[6]]++
			}
		}
	})
	return func() map[string]int {
		cancel()
		lanes.Close()
		counted.Wait()
		return counts
	}
}

// beatAll beats once for each user, and returns the deadlines in µs.
func beatAll(t testing.TB, instances []*instance, users int) map[string]int64 {
	var mu sync.Mutex
	deadlines := map[string]int64{}
	var beats sync.WaitGroup
	const workers = 16
	for worker := range workers {
		beats.Go(func() {
			for n := worker; n < users; n += workers {
				user := fmt.Sprint("user-", n)
				r, err := instances[n%len(instances)].as(user).try("POST", "/v1/presence/heartbeat", beatBody("session-1"))
				if err != nil {
					t.Error(err)
					return
				}
				at := micros(t, decode[api.BeatAnswer](t, r.body).Session.Deadline)
				mu.Lock()
				deadlines[user] = at
				mu.Unlock()
			}
		})
	}
	beats.Wait()
	return deadlines
}

func tally(told map[string]int, of int) string {
	once, more := 0, 0
	for _, n := range told {
		if n == 1 {
			once++
		} else {
			more++
		}
	}
	return fmt.Sprintf("%d told once, %d more than once, %d never", once, more, of-once-more)
}

func quantiles(all []time.Duration) string {
	if len(all) == 0 {
		return "none"
	}
	slices.Sort(all)
	at := func(share float64) time.Duration { return all[int(share*float64(len(all)-1))].Round(time.Microsecond) }
	return fmt.Sprintf("least %v, p50 %v, p99 %v, most %v", at(0), at(0.5), at(0.99), at(1))
}

// From the moment when a beat that brings something new is sent to A until its event has been read at B; and what a request costs that does
// nothing, over the same loopback.
func measureLatency(t testing.TB) {
	const changes = 1000
	all := measured(t, 2, redistest.Start(t).URL(), "PRESENTLY_COALESCE=0s")
	ada := all[0].as("ada")
	ada.beat("session-1", `"state":"busy"`)
	w := all[1].as("eve").watch("ada")
	var events, posts, bare []time.Duration
	for n := range changes {
		state := []string{"online", "busy"}[n%2]
		begun := time.Now()
		ada.must("POST", "/v1/presence/heartbeat", beatBody("session-1", fmt.Sprintf(`"state":%q`, state)), "Prefer: return=minimal")
		posts = append(posts, time.Since(begun))
		events = append(events, w.await("presence").at.Sub(begun))
		begun = time.Now()
		ada.must("GET", "/healthz", "")
		bare = append(bare, time.Since(begun))
	}
	figure("a bare request, GET /healthz: %s", quantiles(bare))
	figure("POST at A, until its answer: %s", quantiles(posts))
	figure("POST at A, until its event at B: %s", quantiles(events))
	middle := func(d []time.Duration) float64 { return float64(d[len(d)/2]) } // they are sorted now
	figure("p50 of the event is %.1f bare requests, of the answer %.1f", middle(events)/middle(bare), middle(posts)/middle(bare))
}

// The binary as `make build` makes it.
func measureSize(t testing.TB) {
	to := filepath.Join(t.TempDir(), "presently")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", to, ".")
	cmd.Dir, cmd.Env = "..", append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	info, err := os.Stat(to)
	if err != nil {
		t.Fatal(err)
	}
	figure("the binary of make build: %.1f MB", float64(info.Size())/1e6)
}

// From `go run .`, with a warm build cache, to the first event on the stream that its terminal tells to open.
func measureFirstEvent(t testing.TB) {
	for try := range 3 {
		begun := time.Now()
		cmd := exec.Command("go", "run", ".")
		cmd.Dir = ".."
		cmd.Env = append(os.Environ(), "PRESENTLY_LISTEN=:0")
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // go run passes no signals on
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var lines []string
		for terminal := bufio.NewScanner(out); len(lines) < 2 && terminal.Scan(); {
			if strings.HasPrefix(terminal.Text(), "curl ") {
				lines = append(lines, terminal.Text())
			}
		}
		printed := time.Since(begun)
		w := bashStream(t, lines[0])
		bash(t, lines[1])
		w.told("ada", "online")
		figure("go run ., %d: the lines to paste after %v, the first event after %v", try+1, printed.Round(time.Millisecond), time.Since(begun).Round(time.Millisecond))
		w.close()
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		_ = cmd.Wait()
	}
}
