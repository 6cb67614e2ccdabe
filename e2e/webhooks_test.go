package e2e

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/presently/presently/internal/contract"
	"github.com/presently/presently/internal/redistest"
)

const webhookSecret = "whsec_d2ViaG9va3MgYXJlIHNpZ25lZCB3aXRoIHRoaXMga2V5"

// receiver is a backend that is told what happens. It believes nothing that is not signed, and keeps what it takes.
type receiver struct {
	t      testing.TB
	server *httptest.Server
	key    []byte

	mu       sync.Mutex // guards what follows
	status   int
	pause    time.Duration
	requests int
	taken    map[string]hook // by id
	order    []string        // ids, as they were taken first
}

type hook struct {
	Type string
	Data struct {
		UserID, Room, Status, Before string
		Rev                          int64
	}
}

func newReceiver(t testing.TB) *receiver {
	t.Helper()
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(webhookSecret, "whsec_"))
	if err != nil {
		t.Fatal(err)
	}
	r := &receiver{t: t, key: key, status: http.StatusNoContent, taken: map[string]hook{}}
	judge := contract.Load(t)
	r.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return // its sender has died
		}
		judge.CheckWebhook(t, req.Header, body)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.requests++
		if r.pause > 0 {
			r.mu.Unlock()
			time.Sleep(r.pause)
			r.mu.Lock()
		}
		if r.status/100 == 2 {
			r.take(req.Header, body)
		}
		w.WriteHeader(r.status)
	}))
	t.Cleanup(r.server.Close)
	return r
}

func (r *receiver) take(header http.Header, body []byte) {
	id := header.Get("webhook-id")
	mac := hmac.New(sha256.New, r.key)
	fmt.Fprintf(mac, "%s.%s.%s", id, header.Get("webhook-timestamp"), body)
	if want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)); header.Get("webhook-signature") != want {
		r.t.Errorf("the signature is %s, want %s", header.Get("webhook-signature"), want)
	}
	var h hook
	if err := json.Unmarshal(body, &h); err != nil {
		r.t.Error(err)
	}
	if was, again := r.taken[id]; again {
		if was != h {
			r.t.Errorf("%s is %+v, and was %+v", id, h, was)
		}
		return
	}
	r.taken[id] = h
	r.order = append(r.order, id)
}

func (r *receiver) answers(status int, pause time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status, r.pause = status, pause
}

// told is what was taken of a user or a room, in order, each event once.
func (r *receiver) told(who string) (kinds []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, id := range r.order {
		if h := r.taken[id]; h.Data.UserID+h.Data.Room == who {
			kinds = append(kinds, h.Type)
		}
	}
	return kinds
}

func (r *receiver) counts() (requests, taken int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.requests, len(r.order)
}

// hears waits until just these kinds have been taken of somebody, in this order.
func (r *receiver) hears(who string, kinds ...string) {
	r.t.Helper()
	limit := time.Now().Add(patience)
	for got := r.told(who); !slices.Equal(got, kinds); got = r.told(who) {
		if time.Now().After(limit) || len(got) > len(kinds) {
			r.t.Fatalf("of %s was told %q, want %q", who, got, kinds)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func (r *receiver) settings() []string {
	return []string{"PRESENTLY_WEBHOOK_URL=" + r.server.URL + "/hook", "PRESENTLY_WEBHOOK_SECRET=" + webhookSecret}
}

func TestAReceiverIsToldOfPeopleAndRooms(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	a, b := startPair(t, redistest.Start(t).URL(), append(r.settings(), "PRESENTLY_GRACE=2s", "PRESENTLY_SWEEP=100ms", "PRESENTLY_TTL=3s")...)
	a.as("ada").enter("session-1", "lobby")
	r.hears("ada", "user.online")
	r.hears("lobby", "room.occupied")
	b.as("ben").enter("session-1", "lobby")
	r.hears("ben", "user.online")
	a.as("ada").choose("dnd")
	r.hears("ada", "user.online", "status.changed")
	b.as("ben").choose("invisible")
	r.hears("ben", "user.online", "user.offline")
	a.as("ada").choose("busy", `"expiresInMs":300`) // and it expires
	r.hears("ada", "user.online", "status.changed", "status.changed", "status.changed")
	// Whoever falls silent ends, but not before the hold with which the store began has passed.
	r.hears("ada", "user.online", "status.changed", "status.changed", "status.changed", "user.offline")
	r.hears("lobby", "room.occupied", "room.vacated")
	text := a.metrics()
	for _, name := range []string{
		`presently_webhook_deliveries_total{result="delivered"}`, "presently_webhook_dead_total 0", "presently_webhook_pending", "presently_webhook_oldest_seconds",
		"presently_webhook_lanes", "presently_webhook_paused 0",
	} {
		if !strings.Contains(text, name) {
			t.Errorf("the metrics have no %s", name)
		}
	}
}

func (i *instance) metrics() string {
	i.t.Helper()
	response, err := http.Get(i.url + "/metrics")
	if err != nil {
		i.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		i.t.Fatal(err)
	}
	return string(text)
}

func TestAFlapWithinGraceReachesNoReceiver(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	a, b := startPair(t, redistest.Start(t).URL(), append(r.settings(), "PRESENTLY_GRACE=3s", "PRESENTLY_SWEEP=100ms")...)
	answer := a.as("ada").enter("session-1", "lobby")
	r.hears("ada", "user.online")
	r.hears("lobby", "room.occupied")
	for range 3 {
		a.as("ada").leave(answer)
		answer = b.as("ada").beat("session-1")
	}
	time.Sleep(4 * time.Second) // past the grace of each leave
	b.as("canary").beat("session-1")
	r.hears("canary", "user.online")
	r.hears("ada", "user.online")
	r.hears("lobby", "room.occupied")
}

// comesAndGoes makes three events of a user.
func comesAndGoes(p *person) {
	p.beat("session-1")
	p.choose("busy")
	p.must("DELETE", "/v1/presence/me/sessions/session-1", "")
}

var cameAndWent = []string{"user.online", "status.changed", "user.offline"}

// kill -9 in the middle: some events are on their way, some have been answered and not finished, some wait.
func TestAnInstanceThatDiesLosesNoWebhook(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	r.answers(http.StatusNoContent, 50*time.Millisecond)
	a, b := startPair(t, redistest.Start(t).URL(), r.settings()...)
	waitUntil(t, "both deliver", func() bool {
		return strings.Contains(a.metrics(), "presently_webhook_lanes 8") && strings.Contains(b.metrics(), "presently_webhook_lanes 8")
	})
	const users = 60
	var people sync.WaitGroup
	for n := range users {
		people.Go(func() { comesAndGoes([]*instance{a, b}[n%2].as(fmt.Sprint("user-", n))) })
	}
	people.Wait()
	waitUntil(t, "some have arrived", func() bool { _, taken := r.counts(); return taken > 10 })
	a.kill()
	if _, taken := r.counts(); taken == 3*users {
		t.Fatal("all had arrived before the kill: the test shows nothing")
	}
	for n := range users {
		r.hears(fmt.Sprint("user-", n), cameAndWent...)
	}
}

// Who is asked to stop gives away what it delivers, so that nobody waits for its leases.
func TestAnInstanceThatStopsGivesItsWebhooksAway(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	redis := redistest.Start(t)
	a, b := startPair(t, redis.URL(), r.settings()...)
	waitUntil(t, "both deliver", func() bool {
		return strings.Contains(a.metrics(), "presently_webhook_lanes 8") && strings.Contains(b.metrics(), "presently_webhook_lanes 8")
	})
	a.program.stop()
	waitUntil(t, "the other delivers all", func() bool { return strings.Contains(b.metrics(), "presently_webhook_lanes 16") })
	comesAndGoes(b.as("ada"))
	r.hears("ada", cameAndWent...)
}

func TestAReceiverThatFailsForAWhileMissesNothing(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	r.answers(http.StatusInternalServerError, 0)
	a, b := startPair(t, redistest.Start(t).URL(), r.settings()...)
	const users = 20
	for n := range users {
		comesAndGoes([]*instance{a, b}[n%2].as(fmt.Sprint("user-", n)))
	}
	waitUntil(t, "delivery pauses", func() bool {
		return strings.Contains(a.metrics(), "presently_webhook_paused 1") && strings.Contains(b.metrics(), "presently_webhook_paused 1")
	})
	if requests, taken := r.counts(); requests > 20*users || taken > 0 {
		t.Errorf("%d requests to a receiver that fails, %d taken", requests, taken)
	}
	r.answers(http.StatusOK, 0)
	for n := range users {
		r.hears(fmt.Sprint("user-", n), cameAndWent...)
	}
}

// All that Redis knew is gone, and comes back from the instances: nobody has gone, nobody has come.
func TestFlushallTellsNoReceiverAnything(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	redis := redistest.Start(t)
	a, b := startPair(t, redis.URL(), append(r.settings(), "PRESENTLY_TTL=3s", "PRESENTLY_HEARTBEAT=1s", "PRESENTLY_SWEEP=100ms")...)
	const users = 20
	beatAll := func() {
		for n := range users {
			[]*instance{a, b}[n%2].as(fmt.Sprint("user-", n)).enter("session-1", "lobby", fmt.Sprint("room-", n%3))
		}
	}
	beatAll()
	for n := range users {
		r.hears(fmt.Sprint("user-", n), "user.online")
	}
	for _, room := range []string{"lobby", "room-0", "room-1", "room-2"} {
		r.hears(room, "room.occupied")
	}
	beatAll()
	_, before := r.counts()
	if err := redis.Client(t).FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	for until := time.Now().Add(8 * time.Second); time.Now().Before(until); time.Sleep(500 * time.Millisecond) {
		beatAll()
	}
	if _, after := r.counts(); after != before {
		for _, id := range r.order[before:] {
			t.Errorf("after the loss %s was told: %+v", id, r.taken[id])
		}
	}
	// Those who really go are told of, though all that was told before is lost.
	a.as("user-0").must("DELETE", "/v1/presence/me/sessions/session-1", "")
	r.hears("user-0", "user.online", "user.offline")
}

// Development: no Redis, one instance.
func TestWebhooksNeedNoRedis(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	a := start(t, append(r.settings(), "PRESENTLY_JWT_SECRET="+secret)...)
	a.as("ada").enter("session-1", "lobby")
	r.hears("lobby", "room.occupied")
	a.as("ada").choose("busy")
	a.as("ada").must("DELETE", "/v1/presence/me/sessions/session-1", "")
	r.hears("ada", cameAndWent...)
}

// A secret, or the password of an address, is in no log and no error. instance.end looks at logs for what is in every test; this is for what is not.
func TestNoLogHasWhatOpensTheReceiver(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	r.answers(http.StatusBadGateway, 0)
	address := strings.Replace(r.server.URL, "http://", "http://operator:hunter2@", 1) + "/hook?key=hunter2"
	a := start(t, "PRESENTLY_JWT_SECRET="+secret, "PRESENTLY_WEBHOOK_URL="+address, "PRESENTLY_WEBHOOK_SECRET="+webhookSecret)
	for n := range 10 {
		a.as(fmt.Sprint("user-", n)).beat("session-1")
	}
	waitUntil(t, "delivery pauses", func() bool { return strings.Contains(a.metrics(), "presently_webhook_paused 1") })
	r.server.CloseClientConnections()
	r.server.Listener.Close()
	waitUntil(t, "nobody answers", func() bool {
		return !strings.Contains(a.metrics(), `presently_webhook_deliveries_total{result="unreachable"} 0`)
	})
	a.program.stop()
	for _, key := range []string{"hunter2", "whsec_", strings.TrimPrefix(webhookSecret, "whsec_")} {
		if strings.Contains(a.program.log.String(), key) {
			t.Errorf("the log has %q:\n%s", key, a.program.log)
		}
	}
}
