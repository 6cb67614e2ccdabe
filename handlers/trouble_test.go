package handlers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/presently/presently/api"
	"github.com/presently/presently/presence"
	"github.com/presently/presently/presence/memstore"
)

// moody is a store that can be told to get into trouble.
type moody struct {
	*memstore.Store
	trouble atomic.Pointer[func() error] // what happens instead; it may panic
}

func (m *moody) mood(do func() error) { m.trouble.Store(&do) }

func (m *moody) try() error {
	if do := m.trouble.Load(); do != nil && *do != nil {
		return (*do)()
	}
	return nil
}

func (m *moody) Beat(ctx context.Context, b presence.Beat) (presence.Beaten, error) {
	if err := m.try(); err != nil {
		return presence.Beaten{}, err
	}
	return m.Store.Beat(ctx, b)
}

func (m *moody) Revoke(ctx context.Context, r presence.Revocation) (presence.Revocation, error) {
	if err := m.try(); err != nil {
		return r, err
	}
	return m.Store.Revoke(ctx, r)
}

func (m *moody) Leave(ctx context.Context, user, session string, grace time.Duration) error {
	if err := m.try(); err != nil {
		return err
	}
	return m.Store.Leave(ctx, user, session, grace)
}

func (m *moody) End(ctx context.Context, user, session string) error {
	if err := m.try(); err != nil {
		return err
	}
	return m.Store.End(ctx, user, session)
}

func (m *moody) Amend(ctx context.Context, user string, cause presence.Cause, change presence.Amendment) (presence.Record, error) {
	if err := m.try(); err != nil {
		return presence.Record{}, err
	}
	return m.Store.Amend(ctx, user, cause, change)
}

func (m *moody) Lookup(ctx context.Context, viewer string, users []string) ([]presence.Record, error) {
	if err := m.try(); err != nil {
		return nil, err
	}
	return m.Store.Lookup(ctx, viewer, users)
}

func (m *moody) Sessions(ctx context.Context, user string) (presence.Record, error) {
	if err := m.try(); err != nil {
		return presence.Record{}, err
	}
	return m.Store.Sessions(ctx, user)
}

func (m *moody) Subscription(ctx context.Context, id string) (presence.Subscription, error) {
	if err := m.try(); err != nil {
		return presence.Subscription{}, err
	}
	return m.Store.Subscription(ctx, id)
}

func (m *moody) PutSubscription(ctx context.Context, sub presence.Subscription) (presence.Version, error) {
	if err := m.try(); err != nil {
		return 0, err
	}
	return m.Store.PutSubscription(ctx, sub)
}

func (m *moody) Revocations(ctx context.Context) ([]presence.Revocation, error) {
	if err := m.try(); err != nil {
		return nil, err
	}
	return m.Store.Revocations(ctx)
}

func (m *moody) Room(ctx context.Context, q presence.RoomQuery) (presence.RoomIndex, error) {
	if err := m.try(); err != nil {
		return presence.RoomIndex{}, err
	}
	return m.Store.Room(ctx, q)
}

func (m *moody) RoomCount(ctx context.Context) (int, error) {
	if err := m.try(); err != nil {
		return 0, err
	}
	return m.Store.RoomCount(ctx)
}

func (m *moody) Instances(ctx context.Context, me presence.Instance) ([]presence.Instance, error) {
	if err := m.try(); err != nil {
		return nil, err
	}
	return m.Store.Instances(ctx, me)
}

func (m *moody) LargestRooms(ctx context.Context, n int) ([]presence.RoomSize, error) {
	if err := m.try(); err != nil {
		return nil, err
	}
	return m.Store.LargestRooms(ctx, n)
}

func (m *moody) Sample(ctx context.Context, n int) ([]string, int, error) {
	if err := m.try(); err != nil {
		return nil, 0, err
	}
	return m.Store.Sample(ctx, n)
}

func inMoodyWorld(t *testing.T, story func(w *world, m *moody)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		m := &moody{Store: newStore()}
		w := newWorld(t, m)
		w.run()
		story(w, m)
	})
}

// A client is to move to an instance that can see, and not all of them at once.
func TestWhereTheStoreIsAwayClientsAreSentElsewhere(t *testing.T) {
	inMoodyWorld(t, func(w *world, m *moody) {
		leave := `{"leaveToken":"` + w.beat("ada", "session-1", "").LeaveToken + `"}`
		waits := map[string]bool{}
		for _, err := range []error{fmt.Errorf("dial redis-7.internal:6379: %w", presence.ErrUnavailable), context.DeadlineExceeded} {
			m.mood(func() error { return err })
			for range 5 {
				for _, op := range append(operations, struct{ method, path, body, scope string }{"POST", "/v1/presence/leave", leave, ""}) {
					r := w.ask("", op.method, op.path, op.body, granting(op.scope))
					w.wantProblem(r, http.StatusServiceUnavailable, api.ProblemCodeStoreUnavailable)
					wait, err := strconv.Atoi(r.header.Get("Retry-After"))
					if err != nil || wait < 1 || wait > 5 || !r.close || strings.Contains(string(r.body), "redis") {
						w.Errorf("%s %s: %v %s", op.method, op.path, r.header, r.body)
					}
					waits[r.header.Get("Retry-After")] = true
				}
			}
		}
		if len(waits) < 4 {
			w.Errorf("everybody comes back after %v", waits)
		}
		for _, path := range open {
			if r := w.ask("", "GET", path, ""); r.status != http.StatusOK {
				w.Errorf("%s needs the store: %d", path, r.status)
			}
		}
		m.mood(nil)
		if p := w.see("bob", "ada"); p.Status != api.StatusOnline {
			w.Errorf("%+v", p)
		}
	})
}

func TestReadinessDependsOnTheStoreAndHealthDoesNot(t *testing.T) {
	inStillWorld(t, func(w *world) { // nothing has been heard of the store yet
		w.wantProblem(w.ask("", "GET", "/readyz", ""), http.StatusServiceUnavailable, api.ProblemCodeStoreUnavailable)
		if r := w.ask("", "GET", "/healthz", ""); r.status != http.StatusOK {
			w.Fatalf("%d", r.status)
		}
		heard := func() { w.server.board.Beacon(presence.Beacon{Now: presence.VersionAt(time.Now())}) }
		heard()
		time.Sleep(worldPolicy.TTL / 3)
		if r := w.ask("", "GET", "/readyz", ""); r.status != http.StatusOK {
			w.Fatalf("after a third of a TTL: %d", r.status)
		}
		time.Sleep(time.Millisecond)
		w.wantProblem(w.ask("", "GET", "/readyz", ""), http.StatusServiceUnavailable, api.ProblemCodeStoreUnavailable)
		if r := w.ask("", "GET", "/healthz", ""); r.status != http.StatusOK {
			w.Fatalf("%d", r.status)
		}
		heard()
		if r := w.ask("", "GET", "/readyz", ""); r.status != http.StatusOK {
			w.Fatalf("heard again: %d", r.status)
		}
	})
}

// What went wrong inside is for the log: it may name hosts, users, queries.
func TestAFaultOfOursIsShownAsNothing(t *testing.T) {
	for name, fault := range map[string]func() error{
		"an error": func() error { return errors.New("secret-host: WRONGTYPE") },
		"a panic":  func() error { panic("secret-host: nil map") },
	} {
		inMoodyWorld(t, func(w *world, m *moody) {
			m.mood(fault)
			for _, op := range operations {
				r := w.ask("", op.method, op.path, op.body, granting(op.scope))
				w.wantProblem(r, http.StatusInternalServerError, api.ProblemCodeInternal)
				if strings.Contains(string(r.body), "secret") {
					w.Errorf("%s, %s %s: %s", name, op.method, op.path, r.body)
				}
			}
			m.mood(nil)
			if p := w.see("bob", "ada"); p.Status != api.StatusOffline { // and the process lives
				w.Errorf("%+v", p)
			}
			for range 2 * streamsAUser { // and what failed holds no stream
				s := w.watch("ada", "user=bob")
				s.started()
				s.cancel()
				synctest.Wait()
			}
			if got := w.server.hub.Len(); got != 0 {
				w.Errorf("%s: %d streams remain", name, got)
			}
		})
	}
}

// A handler that returns without an answer has said 200.
func TestWhereTheRequestHasEndedAFailureIsNoSuccess(t *testing.T) {
	inMoodyWorld(t, func(w *world, m *moody) {
		ctx, cancel := context.WithCancel(w.Context())
		m.mood(func() error { cancel(); return ctx.Err() })
		req := httptest.NewRequestWithContext(ctx, "PUT", "/v1/presence/status", body(`{"status":"busy"}`))
		req.Header.Set("Authorization", "Bearer "+token("ada", nil))
		req.Header.Set("Content-Type", "application/json")
		defer func() {
			if v := recover(); v != http.ErrAbortHandler {
				w.Errorf("the handler ended with %v", v)
			}
		}()
		w.server.ServeHTTP(httptest.NewRecorder(), req)
	})
}

// Nothing but cutting it tells a client that a stream has come to harm: it would take a problem document for fields that it does not know.
func TestAPanicEndsItsOwnStreamAndNoOther(t *testing.T) {
	inMoodyWorld(t, func(w *world, m *moody) {
		var armed atomic.Bool
		secret := w.server.sealer.secret
		w.server.sealer.secret = func(ctx context.Context) ([]byte, error) {
			if armed.CompareAndSwap(true, false) {
				panic("in the cursor")
			}
			return secret(ctx)
		}
		other := w.watch("eve", "user=bea")
		other.started()
		req, _ := http.NewRequest("GET", "http://presently/v1/stream?user=ada", nil)
		req.Header.Set("Authorization", "Bearer "+token("bob", nil))
		res, err := w.client.Do(req)
		if err != nil {
			w.Fatal(err)
		}
		read := make(chan error, 1)
		var text []byte
		go func() {
			var err error
			text, err = io.ReadAll(res.Body)
			read <- err
		}()
		time.Sleep(time.Second)
		armed.Store(true)
		w.server.sealer.mu.Lock()
		w.server.sealer.key = nil // so that it is asked for again
		w.server.sealer.mu.Unlock()
		m.Store.Beat(w.Context(), presence.Beat{User: "ada", Session: "session-1", State: presence.Online, TTL: worldPolicy.TTL, MaxLive: 1}) //nolint:errcheck // cannot fail
		if err := <-read; err == nil || strings.Contains(string(text), "requestId") || strings.Count(string(text), "event: ") != 2 {
			w.Errorf("the stream ended with %v, after\n%s", err, text)
		}
		if got := w.server.hub.Len(); got != 1 {
			w.Errorf("%d streams, want 1", got)
		}
		w.beat("bea", "session-1", "")
		if p := other.presence(); p.Status != api.StatusOnline {
			w.Errorf("%+v", p)
		}
	})
}

// What runs for everybody meets the panic: it goes on, and nobody is left with what he had.
func TestAPanicWhereAllIsReadAgainEndsNothing(t *testing.T) {
	inMoodyWorld(t, func(w *world, m *moody) {
		s, room := w.watch("bob", "user=ada"), w.watch("eve", "room=lobby")
		s.started()
		room.started()
		m.mood(func() error { panic("in the store") })
		w.server.board.Missed(0)
		time.Sleep(time.Second)
		m.Store.Beat(w.Context(), presence.Beat{User: "ada", Session: "session-1", State: presence.Busy, TTL: worldPolicy.TTL, MaxLive: 1, Rooms: &[]string{"lobby"}}) //nolint:errcheck // cannot fail
		time.Sleep(time.Second)
		m.mood(nil)
		time.Sleep(10 * time.Second)
		if p := s.presence(); p.Status != api.StatusBusy {
			w.Errorf("%+v", p)
		}
		if e := decodeEvent[api.RoomEvent](room, room.next("room")); e.Count != 1 {
			w.Errorf("%+v", e)
		}
		if got := w.metrics()[`presently_panics_total{where="read"}`]; got < 2 {
			w.Errorf("%v panics in reads are counted", got)
		}
	})
}

func TestAPanicWhereASubscriptionIsFollowedEndsItsStreamAlone(t *testing.T) {
	inMoodyWorld(t, func(w *world, m *moody) {
		sub := w.subscribe("cat", `{"users":["ada"]}`)
		s, other := w.follow(sub), w.watch("bob", "user=ada")
		s.started()
		other.started()
		synctest.Wait()
		m.mood(func() error { panic("in the store") })
		w.server.feed.Subscribed(sub.ID)
		synctest.Wait()
		m.mood(nil)
		if got := w.server.hub.Len(); got != 1 {
			w.Errorf("%d streams are open, want the other alone", got)
		}
		w.beat("ada", "session-1", "")
		if p := other.presence(); p.Status != api.StatusOnline {
			w.Errorf("%+v", p)
		}
	})
}

func TestAPanicWhereRevocationsAreReadIsAnAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &moody{Store: newStore()}
		w := newWorld(t, m)
		m.mood(func() error { panic("in the store") })
		w.wantProblem(w.ask("ada", "GET", "/v1/presence/me", ""), http.StatusInternalServerError, api.ProblemCodeInternal)
		m.mood(nil)
		if p := w.see("bob", "ada"); p.Status != api.StatusOffline {
			w.Errorf("%+v", p)
		}
	})
}

// One stream's view of a room is broken: it ends, and the others hear who comes.
func TestAPanicWhereARoomIsToldEndsOneStream(t *testing.T) {
	inMoodyWorld(t, func(w *world, _ *moody) {
		for _, reader := range []string{"bob", "cat", "dan"} {
			w.watch(reader, "room=lobby").started()
		}
		eve := w.watch("eve", "room=lobby")
		eve.started()
		w.server.board.InRoom("lobby", func(g *presence.Gathering) {
			for v := range shownRoomOf(g).views {
				if v.reader != "eve" {
					v.members = nil
				}
			}
		})
		w.enter("ada", "session-1", "lobby")
		if e := decodeEvent[api.RoomEvent](eve, eve.next("room")); e.Count != 1 {
			w.Errorf("%+v", e)
		}
		synctest.Wait()
		if got := w.server.hub.Len(); got != 1 {
			w.Errorf("%d streams are open, want eve's alone", got)
		}
		if got := w.metrics()[`presently_panics_total{where="stream"}`]; got != 3 {
			w.Errorf("%v panics are counted, want 3", got)
		}
	})
}

// startledFeed panics at everything but what it has missed.
type startledFeed struct {
	silent
	missed []int
}

func (f *startledFeed) Changed(presence.Change) { panic("at a change") }
func (f *startledFeed) Beacon(presence.Beacon)  { panic("at a beacon") }
func (f *startledFeed) Missed(lane int)         { f.missed = append(f.missed, lane) }

func TestAStoreNeverMeetsThePanicOfItsFeed(t *testing.T) {
	inStillWorld(t, func(w *world) {
		feed := &startledFeed{}
		heard := w.server.metrics.hearing(feed, w.server.panics, 2)
		heard.Changed(presence.Change{Lane: 1, User: "ada"})
		heard.Beacon(presence.Beacon{Lane: 0})
		if got := fmt.Sprint(feed.missed); got != "[1 0]" {
			w.Errorf("lanes %s are read again, want 1 and 0", got)
		}
	})
}
