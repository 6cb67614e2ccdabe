package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/presently/presently/internal/contract"
	"github.com/presently/presently/presence"
	"github.com/presently/presently/presence/memstore"
)

const (
	ttl   = time.Hour
	grace = 10 * time.Second
)

var testKey = bytes.Repeat([]byte{7}, 32)

// world is a store, and a receiver of its webhooks, on virtual time.
type world struct {
	t        *testing.T
	store    *memstore.Store
	contract *contract.Contract

	mu     sync.Mutex // guards what follows
	answer func(post) (status int, header http.Header, err error)
	posts  []post
}

// post is a request that the receiver had, and what it answered.
type post struct {
	id, kind, who  string // who: a user or a room
	status, before string
	at             time.Time
	taken          bool
	rev            int64
}

func (p post) String() string { return p.kind + " " + p.who }

// inWorld runs f with a store of which nothing is delivered yet.
func inWorld(t *testing.T, f func(w *world)) {
	inWorldOf(t, memstore.Options{TTL: ttl, Sweep: time.Second, Outbox: 1000}, f)
}

func inWorldOf(t *testing.T, o memstore.Options, f func(w *world)) {
	judge := contract.Load(t)
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, contract: judge, store: memstore.New(o)}
		go w.store.Run(t.Context(), deaf{}) //nolint:errcheck // ends with the test
		time.Sleep(ttl + time.Second)       // past the hold with which every store begins
		f(w)
	})
}

type deaf struct{}

func (deaf) Changed(presence.Change) {}
func (deaf) Beacon(presence.Beacon)  {}
func (deaf) Missed(int)              {}
func (deaf) Lost()                   {}
func (deaf) Found()                  {}

// deliver starts a deliverer that the test, or stop, ends.
func (w *world) deliver(name string) (d *Deliverer, stop func()) {
	d = New(Options{
		Outbox: w.store, URL: "https://receiver.example/hook", Keys: [][]byte{testKey}, Name: name, Agent: "test",
		Logger: slog.New(slog.DiscardHandler), Transport: w,
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := d.Run(ctx); err != nil {
			w.t.Errorf("Run: %v", err)
		}
	}()
	stop = func() { cancel(); <-done }
	w.t.Cleanup(stop)
	return d, stop
}

// RoundTrip is the receiver. It takes everything unless told otherwise.
func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	w.contract.CheckWebhook(w.t, r.Header, body)
	var said struct {
		Type string
		Data struct {
			UserID, Room, Status, Before string
			Rev                          int64
		}
	}
	if err := json.Unmarshal(body, &said); err != nil {
		return nil, err
	}
	p := post{
		id: r.Header.Get("webhook-id"), kind: said.Type, who: said.Data.UserID + said.Data.Room, status: said.Data.Status, before: said.Data.Before,
		rev: said.Data.Rev, at: time.Now(),
	}
	time.Sleep(time.Millisecond)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	status, header := http.StatusNoContent, http.Header{}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.answer != nil {
		if status, header, err = w.answer(p); err != nil {
			return nil, err
		}
	}
	p.taken = status/100 == 2
	w.posts = append(w.posts, p)
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader("thank you"))}, nil
}

// answers has the receiver answer otherwise from now on.
func (w *world) answers(f func(post) (int, http.Header, error)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answer = f
}

func refuse(user string) func(post) (int, http.Header, error) {
	return func(p post) (int, http.Header, error) {
		if p.who == user {
			return http.StatusInternalServerError, nil, nil
		}
		return http.StatusNoContent, nil, nil
	}
}

func refuseAll(post) (int, http.Header, error) { return http.StatusInternalServerError, nil, nil }

// taken is what the receiver has taken of one user or room, each once, as kinds.
func (w *world) taken(who string) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var kinds []string
	seen := map[string]bool{}
	for _, p := range w.posts {
		if p.who == who && p.taken && !seen[p.id] {
			seen[p.id] = true
			kinds = append(kinds, p.kind)
		}
	}
	return kinds
}

func (w *world) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.posts)
}

func (w *world) wants(who string, kinds ...string) {
	w.t.Helper()
	if got := w.taken(who); !slices.Equal(got, kinds) {
		w.t.Errorf("of %s was taken %q, want %q", who, got, kinds)
	}
}

func (w *world) do(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) beat(user string, state presence.Status, rooms ...string) {
	w.t.Helper()
	_, err := w.store.Beat(w.t.Context(), presence.Beat{User: user, Session: "session-1", State: state, TTL: ttl, MaxLive: 1, Rooms: &rooms})
	w.do(err)
}

func (w *world) end(user string) { w.t.Helper(); w.do(w.store.End(w.t.Context(), user, "session-1")) }

func (w *world) choose(user string, s presence.Status, lasts time.Duration) {
	w.t.Helper()
	tracker := presence.Tracker{Store: w.store, Policy: presence.Policy{TTL: ttl, Grace: grace, Sessions: 1}}
	_, err := tracker.Choose(w.t.Context(), user, s, presence.Lasts{For: &lasts})
	w.do(err)
}

func (w *world) dead() int64 {
	w.t.Helper()
	b, err := w.store.Backlog(w.t.Context())
	w.do(err)
	return b.Dead
}

func (w *world) waiting() int {
	w.t.Helper()
	b, err := w.store.Backlog(w.t.Context())
	w.do(err)
	return b.Waiting
}

func TestComingGoingAndChangingAreTold(t *testing.T) {
	inWorld(t, func(w *world) {
		w.deliver("a")
		steps := []func(){
			func() { w.beat("ada", presence.Online, "lobby") },
			func() { w.beat("ben", presence.Online, "lobby") },
			func() { w.choose("ada", presence.Busy, 0) },
			func() { w.beat("ada", presence.Online, "lobby", "den") }, // nothing of his status
			func() { w.end("ben") },
			func() { w.end("ada") },
		}
		for _, step := range steps {
			step()
			time.Sleep(time.Second)
		}
		w.wants("ada", "user.online", "status.changed", "user.offline")
		w.wants("ben", "user.online", "user.offline")
		w.wants("lobby", "room.occupied", "room.vacated")
		w.wants("den", "room.occupied", "room.vacated")
		rev := map[string]int64{}
		for _, p := range w.posts {
			if p.rev <= rev[p.who] {
				t.Errorf("%s has rev %d after %d", p, p.rev, rev[p.who])
			}
			rev[p.who] = p.rev
		}
		if n := w.waiting(); n != 0 {
			t.Errorf("%d notes wait when all is told", n)
		}
	})
}

func TestAFlapWithinGraceIsNotTold(t *testing.T) {
	inWorld(t, func(w *world) {
		w.deliver("a")
		w.beat("ada", presence.Online, "lobby")
		for range 3 {
			w.do(w.store.Leave(t.Context(), "ada", "session-1", grace))
			time.Sleep(grace / 2)
			w.beat("ada", presence.Online, "lobby")
			time.Sleep(grace / 2)
		}
		w.wants("ada", "user.online")
		w.wants("lobby", "room.occupied")
		w.do(w.store.Leave(t.Context(), "ada", "session-1", grace))
		time.Sleep(2 * grace)
		w.wants("ada", "user.online", "user.offline")
		w.wants("lobby", "room.occupied", "room.vacated")
	})
}

// What is told here may be passed on to anybody.
func TestWhoHidesHasGoneOffline(t *testing.T) {
	inWorld(t, func(w *world) {
		w.deliver("a")
		w.beat("ada", presence.Online, "lobby")
		time.Sleep(time.Second)
		w.choose("ada", presence.Invisible, 0)
		time.Sleep(time.Second)
		w.beat("ada", presence.Away, "lobby", "den")
		time.Sleep(time.Second)
		w.wants("ada", "user.online", "user.offline")
		w.wants("lobby", "room.occupied", "room.vacated")
		w.wants("den")
		w.choose("ada", "", 0)
		time.Sleep(time.Second)
		w.wants("ada", "user.online", "user.offline", "user.online")
		w.wants("den", "room.occupied")
	})
}

// Nor is anybody told who would be hidden, had the store not lost that.
func TestWhoIsHiddenByALossIsNotTold(t *testing.T) {
	inWorldOf(t, memstore.Options{TTL: ttl, Sweep: time.Second, Outbox: 1000, CloseAfterLoss: true}, func(w *world) {
		w.deliver("a")
		w.beat("ada", presence.Online, "lobby")
		time.Sleep(time.Second)
		w.choose("ada", presence.DND, time.Minute)
		time.Sleep(2 * time.Minute)
		w.wants("ada")
		w.wants("lobby")
		tracker := presence.Tracker{Store: w.store, Policy: presence.Policy{TTL: ttl, Grace: grace, Sessions: 1}}
		_, err := tracker.SetPrivacy(t.Context(), "ada", presence.DefaultPrivacy, nil)
		w.do(err)
		time.Sleep(time.Second)
		w.wants("ada", "user.online")
		w.wants("lobby", "room.occupied")
	})
}

// Nobody does anything at that moment.
func TestAChoiceThatExpiresIsTold(t *testing.T) {
	inWorld(t, func(w *world) {
		w.deliver("a")
		w.beat("ada", presence.Online)
		w.choose("ada", presence.DND, time.Minute)
		time.Sleep(59 * time.Second)
		w.wants("ada", "user.online", "status.changed")
		time.Sleep(2 * time.Second)
		w.wants("ada", "user.online", "status.changed", "status.changed")
		if last := w.posts[len(w.posts)-1]; last.before != "dnd" || last.status != "online" {
			t.Errorf("told last: %+v", last)
		}
	})
}

func TestSteadyBeatsTellNothing(t *testing.T) {
	inWorld(t, func(w *world) {
		w.beat("ada", presence.Online, "lobby")
		before := w.waiting()
		for range 10 {
			time.Sleep(time.Second)
			w.beat("ada", presence.Online, "lobby")
		}
		if after := w.waiting(); after != before {
			t.Errorf("%d notes after steady beats, %d before", after, before)
		}
	})
}

func TestWhoIsRefusedHoldsUpHimselfAlone(t *testing.T) {
	inWorld(t, func(w *world) {
		d, _ := w.deliver("a")
		w.answers(refuse("ada"))
		w.beat("ada", presence.Online)
		time.Sleep(100 * time.Millisecond)
		w.choose("ada", presence.Busy, 0)
		w.end("ada")
		for i := range 20 {
			w.beat(fmt.Sprint("user-", i), presence.Online)
			time.Sleep(500 * time.Millisecond)
			w.wants(fmt.Sprint("user-", i), "user.online")
		}
		w.wants("ada")
		w.answers(nil)
		time.Sleep(time.Minute)
		w.wants("ada", "user.online", "status.changed", "user.offline")
		ids := map[string]string{}
		for _, p := range w.posts {
			if was, ok := ids[p.id]; ok && was != p.String() {
				t.Errorf("id %s is of %s and of %s", p.id, was, p)
			}
			ids[p.id] = p.String()
		}
		if s := d.Stats(); s.Refused == 0 || s.Delivered != 23 || s.Dead != 0 || w.dead() != 0 {
			t.Errorf("stats: %+v", s)
		}
	})
}

func TestWhatIsRefusedAgainAndAgainIsGivenUp(t *testing.T) {
	inWorld(t, func(w *world) {
		d, _ := w.deliver("a")
		w.answers(func(p post) (int, http.Header, error) {
			if p.who == "ada" && p.kind == "user.online" {
				return http.StatusBadRequest, nil, nil
			}
			return http.StatusOK, nil, nil
		})
		w.beat("ada", presence.Online)
		time.Sleep(time.Second)
		w.end("ada")
		for i := range 120 { // others come all the while
			w.beat(fmt.Sprint("user-", i), presence.Online)
			time.Sleep(10 * time.Second)
		}
		w.wants("ada", "user.offline")
		if s := d.Stats(); s.Dead != 1 || w.dead() != 1 {
			t.Errorf("%d given up here, %d in all, want 1", s.Dead, w.dead())
		}
		tries := 0
		for _, p := range w.posts {
			if p.String() == "user.online ada" {
				tries++
			}
		}
		if tries != mostTold {
			t.Errorf("%d tries, want %d", tries, mostTold)
		}
	})
}

func TestNothingIsGivenUpWhileTheWholeReceiverFails(t *testing.T) {
	for name, fails := range map[string]func(post) (int, http.Header, error){
		"answers 500": refuseAll,
		"is down":     func(post) (int, http.Header, error) { return 0, nil, errors.New("connection refused") },
		"redirects": func(post) (int, http.Header, error) {
			return http.StatusFound, http.Header{"Location": {"https://elsewhere.example/"}}, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				d, _ := w.deliver("a")
				w.answers(fails)
				const users = 40
				for i := range users {
					w.beat(fmt.Sprint("user-", i), presence.Online)
					time.Sleep(time.Second)
					w.end(fmt.Sprint("user-", i))
				}
				time.Sleep(3 * time.Hour)
				if !d.Stats().Paused {
					t.Error("delivery is not paused")
				}
				if s := d.Stats(); s.Refused+s.Unreachable > 1000 || s.Dead != 0 || w.dead() != 0 {
					t.Errorf("in three hours: %+v", s)
				}
				w.answers(nil)
				time.Sleep(2 * time.Minute)
				for i := range users {
					w.wants(fmt.Sprint("user-", i), "user.online", "user.offline")
				}
				if d.Stats().Paused {
					t.Error("delivery is paused yet")
				}
			})
		})
	}
}

func TestAFullOutboxGivesUpWhatIsOldest(t *testing.T) {
	inWorld(t, func(w *world) { // nobody delivers
		for i := range 600 {
			w.beat(fmt.Sprint("user-", i), presence.Online)
			time.Sleep(time.Millisecond)
			w.end(fmt.Sprint("user-", i))
		}
		if w.waiting() != 1000 || w.dead() != 200 {
			t.Errorf("%d wait, %d were given up, want 1000 and 200", w.waiting(), w.dead())
		}
		w.deliver("a")
		time.Sleep(time.Minute)
		w.wants("user-0")
		w.wants("user-599", "user.online", "user.offline")
	})
}

// What was given up in between is made good for by what comes later: each note says how its user is, not what has changed.
func TestAfterAGapTheNewestIsTold(t *testing.T) {
	inWorld(t, func(w *world) {
		w.beat("ada", presence.Online)
		w.choose("ada", presence.Busy, 0)
		for i := range 1000 {
			if i == 500 {
				w.choose("ada", presence.DND, 0)
			}
			w.beat(fmt.Sprint("user-", i), presence.Online)
		}
		w.deliver("a")
		time.Sleep(time.Minute)
		w.wants("ada", "user.online")
		for _, p := range w.posts {
			if p.who == "ada" && p.status != "dnd" {
				t.Errorf("she is dnd, and was told as %+v", p)
			}
		}
	})
}

func TestManyWhoAreRefusedDoNotHoldUpOthersForEver(t *testing.T) {
	inWorld(t, func(w *world) {
		w.deliver("a")
		w.answers(refuse("ada"))
		w.beat("ada", presence.Online)
		for i := range 2 * window { // all of them behind the first
			w.choose("ada", []presence.Status{presence.Busy, presence.DND}[i%2], 0)
		}
		began := time.Now()
		w.beat("ben", presence.Online)
		for len(w.taken("ben")) == 0 && time.Since(began) < time.Hour {
			time.Sleep(time.Second)
			w.beat(fmt.Sprint("user-", time.Since(began)), presence.Online)
		}
		w.wants("ben", "user.online")
	})
}

func TestRetryAfterIsKept(t *testing.T) {
	inWorld(t, func(w *world) {
		w.deliver("a")
		w.answers(func(post) (int, http.Header, error) {
			return http.StatusTooManyRequests, http.Header{"Retry-After": {"100"}}, nil
		})
		w.beat("ada", presence.Online)
		time.Sleep(time.Second)
		w.answers(nil)
		time.Sleep(90 * time.Second)
		if n := w.count(); n != 1 {
			t.Errorf("%d requests, though asked to wait", n)
		}
		time.Sleep(20 * time.Second)
		w.wants("ada", "user.online")
	})
}

func TestALaneIsHeldByOneAndTakenOverByTheOther(t *testing.T) {
	inWorld(t, func(w *world) {
		a, stop := w.deliver("a")
		time.Sleep(time.Second)
		b, _ := w.deliver("b")
		w.beat("ada", presence.Online)
		time.Sleep(30 * time.Second)
		if a.Stats().Lanes != 1 || b.Stats().Lanes != 0 {
			t.Fatalf("a holds %d, b %d", a.Stats().Lanes, b.Stats().Lanes)
		}
		stop()
		w.end("ada")
		time.Sleep(30 * time.Second)
		if b.Stats().Lanes != 1 {
			t.Errorf("b holds %d", b.Stats().Lanes)
		}
		w.wants("ada", "user.online", "user.offline")
		if w.count() != 2 {
			t.Errorf("%d requests, want 2: who stops finishes what it has delivered", w.count())
		}
	})
}

// The instance died between the receiver's answer and finishing.
func TestWhatWasNotFinishedIsDeliveredAgainUnderItsID(t *testing.T) {
	inWorld(t, func(w *world) {
		w.beat("ada", presence.Online)
		tenure, err := w.store.Hold(t.Context(), 0, "the dead", time.Minute)
		w.do(err)
		notes, err := w.store.Notes(t.Context(), tenure, "", 10)
		w.do(err)
		w.deliver("a")
		time.Sleep(30 * time.Second)
		if w.count() != 0 {
			t.Fatal("delivered by one who does not hold the lane")
		}
		time.Sleep(time.Minute)
		w.wants("ada", "user.online")
		if got, want := w.posts[0].id, idOf(notes[0]); got != want {
			t.Errorf("id %s, was %s", got, want)
		}
		if err := w.store.Finish(t.Context(), tenure, []presence.Finished{{Note: notes[0]}}); !errors.Is(err, presence.ErrNotHeld) {
			t.Errorf("the dead finishes: %v", err)
		}
	})
}

// A request that hangs must have ended before anybody else may hold its lane, else it could come after what the other sends.
func TestARequestEndsBeforeItsLease(t *testing.T) {
	d := New(Options{Outbox: memstore.New(memstore.Options{}), URL: "https://receiver.example/hook"})
	if d.post.timeout >= d.o.Lease {
		t.Errorf("a request may take %s, a lease lasts %s", d.post.timeout, d.o.Lease)
	}
	l, now := &lane{d: d}, time.Now()
	l.extend(now.Add(d.post.timeout))
	if l.surely(now) {
		t.Error("a request begins that may end after the lease")
	}
	l.extend(now.Add(d.post.timeout + time.Nanosecond))
	if !l.surely(now) {
		t.Error("no request begins though there is time")
	}
}

// What came back after a loss was told before: what is read together with that goes on from there.
func TestWhoComesBackAndGoesAtOnceHasGoneOffline(t *testing.T) {
	here := presence.Record{User: "ada", Sessions: []presence.Session{{ID: "session-1", State: presence.Online}}}
	back := presence.Note{ID: "1-0", Version: 1000, Cause: presence.ByRecall, Record: here}
	if back.Status() != presence.Online {
		t.Fatalf("she is %q", back.Status())
	}
	gone := presence.Note{ID: "2-0", Version: 2000, Cause: presence.ByEnd, Record: presence.Record{User: "ada"}}
	l := &lane{byKey: map[string]*queue{}}
	l.addAll([]presence.Note{back, gone})
	if len(l.finished) != 1 || len(l.queues) != 1 || !strings.Contains(string(l.queues[0].items[0].body), string(presence.UserOffline)) {
		t.Errorf("finished %+v, to be told %+v; want one of each", l.finished, l.queues)
	}
}

// A lane that is lost cuts off what is under way, for which the receiver is not to blame.
func TestWhatIsCutOffSaysNothingOfTheReceiver(t *testing.T) {
	inWorld(t, func(w *world) {
		for i := range 2 * downAfter {
			w.beat(fmt.Sprint("user-", i), presence.Online)
		}
		hang := make(chan struct{})
		d := New(Options{
			Outbox: w.store, URL: "https://receiver.example/hook", Keys: [][]byte{testKey}, Name: "a", Agent: "test",
			Logger: slog.New(slog.DiscardHandler), Transport: hanging{hang},
		})
		ctx := t.Context()
		for range 3 {
			d.take(ctx, 0)
			time.Sleep(time.Second)
			d.held[0].lose()
			<-d.held[0].done
		}
		if s := d.Stats(); s.Paused || s.Unreachable != 0 {
			t.Errorf("after lanes were lost: %+v", s)
		}
		if try, _ := d.pace.may(time.Now()); !try {
			t.Error("no try is let through")
		}
	})
}

// Tries that were under way when the receiver began to fail end while it is being probed. Each let one more probe through, and made the pauses longer.
func TestOneTryAtATimeProbesAReceiverThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p pace
		try := func() (probe bool) {
			t.Helper()
			ok, probe := p.may(time.Now())
			if !ok {
				t.Fatal("no try is let through")
			}
			return probe
		}
		nothing := func(when string) {
			t.Helper()
			if ok, _ := p.may(time.Now()); ok {
				t.Fatalf("a try is let through %s", when)
			}
		}
		for range downAfter + 10 { // all at once
			if try() {
				t.Fatal("a receiver is probed that does not fail")
			}
		}
		for range downAfter {
			p.went(false, false, time.Now(), 0)
		}
		nothing("as soon as it fails")
		time.Sleep(firstPause)
		if !try() {
			t.Fatal("the first try is no probe")
		}
		for range 9 {
			p.went(false, false, time.Now(), 0)
			time.Sleep(mostBreak)
			nothing("while it is probed")
		}
		p.cut(false) // the tenth was cut off
		nothing("while it is probed")
		p.went(true, false, time.Now(), 0)
		nothing("as soon as the probe has failed")
		time.Sleep(2 * firstPause)
		if !try() {
			t.Fatal("the next try is no probe")
		}
		p.cut(true)
		if !try() {
			t.Fatal("a probe that was cut off says something")
		}
		p.went(true, true, time.Now(), 0)
		for range downAfter {
			if try() {
				t.Fatal("a receiver is probed that is back")
			}
		}
	})
}

// hanging is a receiver that does not answer.
type hanging struct{ until chan struct{} }

func (h hanging) RoundTrip(r *http.Request) (*http.Response, error) {
	select {
	case <-r.Context().Done():
		return nil, r.Context().Err()
	case <-h.until:
		return nil, errors.New("over")
	}
}

// A Redis that takes over may have lost the last notes, and have a clock that is behind: the IDs that it gives are less than one that was read.
func TestNotesAreReadThatHaveLesserIDs(t *testing.T) {
	box := &scripted{reads: [][]presence.Note{{{ID: "9-0"}}, {{ID: "5-0"}}}}
	d := New(Options{Outbox: box, URL: "https://receiver.example/hook", Poll: time.Nanosecond})
	l := &lane{d: d, ended: make(chan struct{}), byKey: map[string]*queue{}}
	for range 2 {
		l.readNext = time.Time{}
		if err := l.keepUp(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(box.done, []string{"9-0", "5-0"}) {
		t.Errorf("done with %q", box.done)
	}
}

// scripted is an outbox of which certain notes are read, where they come after what was read before.
type scripted struct {
	memstore.Store
	reads [][]presence.Note
	done  []string
}

func (s *scripted) Notes(_ context.Context, _ presence.Tenure, after string, _ int) ([]presence.Note, error) {
	notes := s.reads[0]
	if notes[0].ID <= after {
		return nil, nil
	}
	s.reads = s.reads[1:]
	return notes, nil
}

func (s *scripted) Finish(_ context.Context, _ presence.Tenure, done []presence.Finished) error {
	for _, d := range done {
		s.done = append(s.done, d.Note.ID)
	}
	return nil
}
