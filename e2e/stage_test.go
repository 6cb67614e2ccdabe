//go:build faults

package e2e

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/presently/presently/e2e/chaos"
	"github.com/presently/presently/internal/redistest"
)

const (
	resultsEnv = "PRESENTLY_FAULT_RESULTS" // file to which each run of a fault adds a line of JSON
	seedEnv    = "PRESENTLY_FAULT_SEED"    // number to play again

	shortTTL   = 4 * time.Second
	stageGrace = time.Second
	// lateness is what a busy machine is forgiven on top of a hold, which lasts one TTL and which a stall of the machine itself may begin.
	lateness = 4 * time.Second
	// stalls is how many times the greatest stall of this process others are forgiven: it takes so many of them, one after the other, to tell anybody
	// of anything (Redis, an instance, the balancer, ourselves).
	stalls = 4
)

// stage is some instances behind a balancer, with people on them, and a Redis that is about to have a bad day.
type stage struct {
	t        *testing.T
	fault    *fault
	happens  *fault // what happens just now, where it is another
	seed     uint64
	redis    *redistest.Server // where there is just one
	replica  *redistest.Server // of redis, where the fault asked for one
	group    *redistest.Sentinel
	cluster  *redistest.Cluster
	url      func(slot int) string
	settings []string
	slots    []*instance
	balancer *chaos.Balancer
	play     *chaos.Play
	began    time.Time
	figures  map[string]float64
	proxies  []*chaos.Proxy          // between instances and Redis, by slot, where the fault asked for them
	program  string                  // what instances run
	extra    func(slot int) []string // settings of one instance alone
	long     bool                    // as much of everything as it takes, not only what is short
	judging  *chaos.Judge            // where what is seen is judged piece by piece
}

// fault is something that goes wrong, and what is then to be so.
type fault struct {
	id, name  string
	promise   string // what is to be so, for the page of results
	ttl       time.Duration
	instances int  // 3 where not given
	lossy     bool // data is lost
	settings  []string
	options   func(*chaos.Options)
	prepare   func(s *stage) // before instances start: sets url; a single Redis where not given
	happen    func(s *stage)
	alone     func(s *stage) // instead, without people on a stage
	heavy     bool           // on the machine
	timed     bool           // what it measures is of use only where nothing runs beside it
	long      bool           // as much of everything as it takes, and nothing beside it
	random    bool           // may happen at any time to the stage of the soak
}

// fixedSeed is the seed that was asked for, or a new one.
func fixedSeed(t testing.TB) uint64 {
	text := os.Getenv(seedEnv)
	if text == "" {
		return rand.Uint64()
	}
	seed, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", seedEnv, err)
	}
	return seed
}

// newStage starts everything, and returns when all watchers have their streams and people have come and gone for a while.
func newStage(t *testing.T, f *fault) *stage {
	t.Helper()
	s := bareStage(t, f)
	ttl := f.ttl
	if ttl == 0 {
		ttl = shortTTL
	}
	s.settings = append([]string{
		"PRESENTLY_JWT_SECRET=" + secret, "PRESENTLY_TTL=" + ttl.String(), "PRESENTLY_GRACE=" + stageGrace.String(),
		"PRESENTLY_SWEEP=100ms", "PRESENTLY_LOG_LEVEL=info",
	}, f.settings...)
	if f.prepare != nil {
		f.prepare(s)
	} else {
		s.redis = redistest.Start(t)
		s.url = func(int) string { return s.redis.URL() }
	}
	var err error
	if s.balancer, err = chaos.NewBalancer(ttl / 5); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.balancer.Close)
	s.slots = make([]*instance, 3)
	if f.instances > 0 {
		s.slots = s.slots[:f.instances]
	}
	for n := range s.slots {
		s.launch(n)
	}
	s.awaitReady()
	o := chaos.Options{
		URL: s.balancer.URL, Token: func(user string) string { return sign(t, user, 3*time.Hour) }, TTL: ttl, Grace: stageGrace,
		Seed: s.seed, Users: 48, Watchers: 12, Rooms: 4, NoLate: f.lossy,
	}
	if f.options != nil {
		f.options(&o)
	}
	s.play = chaos.Begin(o)
	t.Cleanup(func() { s.play.Stop() })
	waitUntil(t, "all watchers have their streams", func() bool { return s.play.Connected() == o.Watchers })
	time.Sleep(2 * time.Second)
	return s
}

// bareStage is one without anything on it.
func bareStage(t *testing.T, f *fault) *stage {
	s := &stage{t: t, fault: f, long: f.long, seed: fixedSeed(t), began: time.Now(), figures: map[string]float64{}, program: binary}
	t.Logf("seed %d (%s=%d plays it again)", s.seed, seedEnv, s.seed)
	return s
}

// behindProxies starts a Redis, and puts a proxy between it and each of so many instances.
func behindProxies(n int) func(s *stage) {
	return func(s *stage) {
		s.redis = redistest.Start(s.t)
		for range n {
			p, err := chaos.NewProxy(s.redis.Addr())
			if err != nil {
				s.t.Fatal(err)
			}
			s.t.Cleanup(p.Close)
			s.proxies = append(s.proxies, p)
		}
		s.url = func(slot int) string {
			if slot < n {
				return "redis://" + s.proxies[slot].Addr
			}
			return s.redis.URL()
		}
	}
}

func (s *stage) ttl() time.Duration {
	if s.fault.ttl == 0 {
		return shortTTL
	}
	return s.fault.ttl
}

// launch starts an instance in a slot.
func (s *stage) launch(slot int) {
	s.t.Helper()
	settings := append([]string{"PRESENTLY_REDIS_URL=" + s.url(slot)}, s.settings...)
	if s.extra != nil {
		settings = append(settings, s.extra(slot)...)
	}
	s.slots[slot] = launchBuilt(s.t, s.program, settings...)
	s.balancer.Set(slot, s.slots[slot].url)
}

// awaitReady waits for the balancer to see all instances.
func (s *stage) awaitReady() {
	s.t.Helper()
	waitUntil(s.t, "all instances are ready", func() bool { return s.balancer.Ready() == len(s.slots) })
}

func (s *stage) kill(slots ...int) {
	for _, n := range slots {
		s.slots[n].kill()
	}
}

func (s *stage) urls() []string {
	var all []string
	for _, i := range s.slots {
		all = append(all, i.url)
	}
	return all
}

// answered waits until a beat gets through at each of the instances.
func (s *stage) answered() {
	s.t.Helper()
	var all sync.WaitGroup
	for _, i := range s.slots {
		all.Go(func() {
			waitUntil(s.t, "a beat gets through at each instance", func() bool {
				r, err := i.as("probe").ask(s.t.Context(), "POST", "/v1/presence/heartbeat", beatBody("probe-session"))
				return err == nil && r.status == 200
			})
		})
	}
	all.Wait()
}

// away takes the store away for a while, and notes for how long it was.
func (s *stage) away(take func(), hold time.Duration, giveBack func()) {
	s.t.Helper()
	s.outage(chaos.Outage{}, take, hold, giveBack)
}

func (s *stage) outage(o chaos.Outage, take func(), hold time.Duration, giveBack func()) {
	s.t.Helper()
	o.Name, o.From = cmp.Or(s.happens, s.fault).name, s.play.Now()
	take()
	time.Sleep(hold)
	o.Back = s.play.Now()
	giveBack()
	s.answered()
	o.To = s.play.Now()
	s.play.Outage(o)
	s.figure("backAfter", (o.To - o.Back).Seconds())
	s.figure("outageS", (o.To - o.From).Seconds())
}

// figure notes the greatest of what was measured under one name.
func (s *stage) figure(name string, value float64) { s.figures[name] = max(s.figures[name], value) }

// noticed is when, after a moment, the first and the last of the watchers' open streams were told something; -1: never.
func (s *stage) noticed(what string, after chaos.At) (first, last time.Duration, n int) {
	first, last = -1, -1
	for _, notice := range s.play.Notices() {
		if notice.What == what && notice.At >= after {
			if n++; first < 0 {
				first = notice.At - after
			}
			last = notice.At - after
		}
	}
	return first, last, n
}

// generous is what is given for what was promised within some time: twice that, a second, and what the machine itself is late.
func (s *stage) generous(promised time.Duration) time.Duration {
	return 2*promised + time.Second + stalls*s.play.Stall()
}

// within notes how long something took, and fails where that is generously more than what was promised.
func (s *stage) within(name string, took, promised time.Duration) {
	s.t.Helper()
	s.figure(name, took.Seconds())
	if took < 0 || took > s.generous(promised) {
		s.t.Errorf("%s: %.2f s, promised are %v", name, took.Seconds(), promised)
	}
}

// toldWithin waits for some streams to be told something after a moment.
func (s *stage) toldWithin(name, what string, after chaos.At, promised time.Duration) {
	s.t.Helper()
	asked := time.Now()
	for {
		first, _, n := s.noticed(what, after)
		if n == 0 && s.happens != nil && time.Since(asked) > s.generous(promised) {
			s.t.Logf("nobody was told %s: an instance that was killed before has no streams", what)
			return
		}
		if n > 0 || time.Since(asked) > s.generous(promised) {
			s.within(name, first, promised)
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// end lets things calm down after a fault, and judges all that happened.
func (s *stage) end() {
	s.t.Helper()
	s.play.Calm()
	took, last := s.play.Settle(patience, s.urls()...)
	s.figure("convergeS", took.Seconds())
	s.t.Logf("agreed after %.1f s; the last to differ: %.300v", took.Seconds(), last)
	time.Sleep(s.ttl() + 1500*time.Millisecond) // whoever was made to lapse has done so by then
	s.play.Settle(lateness+s.ttl(), s.urls()...)
	s.judge()
}

// slack is what is forgiven where the machine stalled.
func (s *stage) slack(stall chaos.At) chaos.Slack {
	late := stalls * stall
	return chaos.Slack{Late: s.ttl() + lateness + late, Effect: 5*time.Second + late}
}

func (s *stage) judge() {
	s.t.Helper()
	h := s.play.Stop()
	slack := s.slack(h.Stall)
	var v chaos.Verdict
	if s.judging != nil {
		v = s.judging.Finish(&h, slack)
	} else {
		v = chaos.Check(&h, slack)
		slack.Told = true
		if early := len(chaos.Check(&h, slack).Violations) - len(v.Violations); early != 0 {
			s.t.Logf("finding: %d ends were told before the deadline that the last beat's answer had told", early)
			s.figure("beforeTold", float64(early))
		}
	}
	s.refusals(&h)
	broken := 0
	for _, x := range v.Violations {
		if broken++; broken <= 15 {
			s.t.Errorf("%v", x)
		}
	}
	s.figure("stallS", h.Stall.Seconds())
	s.figure("retries", float64(s.balancer.Retries.Load()))
	s.figure("broken", float64(s.balancer.Broken.Load()))
	f := v.Figures
	s.t.Logf("%d violations; %+v; %v", broken, f, s.figures)
	if broken > 0 {
		s.keep(&h)
	}
	if f.Beats == 0 || f.Sightings == 0 {
		s.t.Errorf("nothing was played: %+v", f)
	}
	s.report(v, false)
}

// reportSoFar tells what a play that goes on has come to.
func (s *stage) reportSoFar() { s.report(s.judging.SoFar(), true) }

// refusals notes how long whoever was refused by a store in trouble had to wait for that, through the balancer, which asks up to three instances.
func (s *stage) refusals(h *chaos.History) {
	var took []time.Duration
	for _, d := range h.Deeds {
		if d.Status == http.StatusServiceUnavailable {
			took = append(took, d.Answered-d.Sent)
		}
	}
	if slices.Sort(took); len(took) > 0 {
		s.figure("refusedP99", took[len(took)*99/100].Seconds())
	}
}

// keep writes a history that has violations to a file, to be looked at.
func (s *stage) keep(h *chaos.History) {
	text, err := json.Marshal(h)
	if err == nil {
		dir := os.TempDir()
		if results := os.Getenv(resultsEnv); results != "" {
			dir = filepath.Dir(results)
		}
		name := filepath.Join(dir, fmt.Sprintf("history-%s-%d.json", s.fault.id, s.seed))
		if err = os.WriteFile(name, text, 0o600); err == nil {
			s.t.Logf("the history is in %s", name)
		}
	}
	if err != nil {
		s.t.Log(err)
	}
}

func (s *stage) report(v chaos.Verdict, partial bool) {
	name := os.Getenv(resultsEnv)
	if name == "" {
		return
	}
	r := chaos.Result{
		ID: s.fault.id, Fault: s.fault.name, Promise: s.fault.promise, Seed: s.seed, Failed: s.t.Failed(), Violations: len(v.Violations), Figures: v.Figures, More: s.figures,
		Seconds: time.Since(s.began).Seconds(), Raced: raced, Alone: s.long, Partial: partial,
	}
	for _, x := range v.Violations[:min(3, len(v.Violations))] {
		r.Broken = append(r.Broken, x.String())
	}
	if err := chaos.AddResult(name, r); err != nil {
		s.t.Error(err)
	}
}

func (i *instance) freeze() { i.program.signal(syscall.SIGSTOP) }
func (i *instance) thaw()   { i.program.signal(syscall.SIGCONT) }

// residentKiB is what the process holds of memory.
func (i *instance) residentKiB(t testing.TB) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", i.program.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return kib
		}
	}
	t.Fatal("no VmRSS")
	return 0
}

// descriptors is how many files and sockets the process has open.
func (i *instance) descriptors(t testing.TB) int {
	t.Helper()
	all, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", i.program.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}
