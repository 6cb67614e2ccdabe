package handlers

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/presently/presently/api"
	"github.com/presently/presently/presence"
	"github.com/presently/presently/presence/memstore"
	"github.com/presently/presently/sse"
)

var errStoreAway = fmt.Errorf("test: %w", presence.ErrUnavailable)

func TestATokenThatEndsSoonIsToldAtOnce(t *testing.T) {
	inWorld(t, func(w *world) {
		ends := time.Now().Add(41 * time.Second).Truncate(time.Second)
		s := w.watch("", "user=ada", "Authorization: Bearer "+token("bob", map[string]any{"exp": ends.Unix()}))
		began := time.Now()
		s.started()
		e := s.next("tokenExpiring")
		if got := decodeEvent[api.TokenExpiringEvent](s, e); got.ExpiresAt != formatTime(ends) || e.at != began || e.id != "" {
			w.Errorf("%+v after %s", e, e.at.Sub(began))
		}
		e = s.next("reconnect")
		if got := decodeEvent[api.ReconnectEvent](s, e); got.Reason != api.ReconnectReasonTokenExpired || !e.at.Equal(ends) || got.AfterMs != int64(e.retryMs()) {
			w.Errorf("%+v %s late", e, e.at.Sub(ends))
		}
	})
}

func TestStreamsEndWithinAFifthOfTheirAgeAndNotTogether(t *testing.T) {
	inWorld(t, func(w *world) {
		began := time.Now()
		ends := map[time.Duration]bool{}
		var open []*watching
		for i := range 12 {
			open = append(open, w.watch(fmt.Sprintf("bob-%d", i), "user=ada"))
		}
		for _, s := range open {
			var last event
			for e := range s.events {
				last = e
			}
			age := last.at.Sub(began)
			if last.name != "reconnect" || age < 24*time.Minute || age > 36*time.Minute {
				w.Errorf("%+v after %s, want reconnect after 24 to 36 min", last, age)
				continue
			}
			if got := decodeEvent[api.ReconnectEvent](s, last); got.Reason != api.ReconnectReasonMaxAge || got.AfterMs != int64(last.retryMs()) {
				w.Errorf("%+v", last)
			}
			ends[age.Round(time.Second)] = true
		}
		if len(ends) < 10 {
			w.Errorf("12 streams ended after %v", ends)
		}
	})
}

func TestOneStreamTooManyIsRefusedAndTheOlderLive(t *testing.T) {
	inWorld(t, func(w *world) {
		var open []*watching
		for range streamsAUser {
			s := w.watch("bob", "user=ada")
			s.started()
			open = append(open, s)
		}
		r := w.ask("bob", "GET", "/v1/stream?user=ada", "")
		w.wantProblem(r, http.StatusTooManyRequests, api.ProblemCodeTooManyStreams)
		if r.header.Get("Retry-After") == "" {
			w.Errorf("no Retry-After: %v", r.header)
		}
		w.watch("eve", "user=ada").started()
		time.Sleep(time.Second)
		w.beat("ada", "session-1", "")
		for _, s := range open {
			if p := s.presence(); p.Status != api.StatusOnline {
				w.Errorf("%+v", p)
			}
		}
		open[3].cancel()
		synctest.Wait()
		w.watch("bob", "user=ada").started()
		w.wantProblem(w.ask("bob", "GET", "/v1/stream?user=ada", ""), http.StatusTooManyRequests, api.ProblemCodeTooManyStreams)
	})
}

func TestTheLossOfTheStoreIsToldAndNobodyGoesOfflineByIt(t *testing.T) {
	inWorld(t, func(w *world) {
		w.beat("ada", "session-1", "")
		s := w.watch("bob", "user=ada")
		s.started()
		w.server.board.Lost()
		e := s.next("degraded")
		since := decodeEvent[api.DegradedEvent](s, e).Since
		if lost := e.at.Sub(parseTime(w, since)); lost < 0 || lost > time.Second || e.id != "" { // the last beacon
			w.Errorf("since %s, which is %s ago", since, lost)
		}
		time.Sleep(3 * time.Second)
		late := w.watch("eve", "user=ada")
		late.next("hello")
		if got := decodeEvent[api.DegradedEvent](late, late.next("degraded")).Since; got != since {
			w.Errorf("a new stream is told since %s, want %s", got, since)
		}
		if snap := decodeEvent[api.SnapshotEvent](late, late.next("snapshot")); snap.Presences[0].Status != api.StatusOnline {
			w.Errorf("%+v", snap)
		}
		w.server.board.Lost() // is told once
		s.nothing(time.Second)
		w.server.board.Found()
		for _, s := range []*watching{s, late} {
			e := s.next("recovered")
			if got := decodeEvent[api.RecoveredEvent](s, e).ServerTime; e.at.Sub(parseTime(w, got)) > time.Second {
				w.Errorf("%+v", e)
			}
			s.nothing(time.Second)
		}
		w.watch("mia", "user=ada").started()
	})
}

func parseTime(w *world, s string) time.Time {
	w.Helper()
	at, err := time.Parse(wireTime, s)
	if err != nil {
		w.Fatal(err)
	}
	return at
}

// Since is the moment up to which everything was seen, not that at which the loss was noticed: a client may tell its user how old the picture is.
func TestDegradedTellsHowOldThePictureIs(t *testing.T) {
	inStillWorld(t, func(w *world) {
		w.server.board.Beacon(presence.Beacon{Now: presence.VersionAt(time.Now())})
		heard := time.Now()
		s := w.watch("bob", "user=ada")
		s.started()
		time.Sleep(2 * time.Second)
		w.server.board.Lost()
		if got := decodeEvent[api.DegradedEvent](s, s.next("degraded")).Since; got != formatTime(heard) {
			w.Errorf("since %s, want %s", got, formatTime(heard))
		}
	})
}

func TestPresenceIsFlushedAtMostFourTimesASecond(t *testing.T) {
	inWorld(t, func(w *world) {
		var users []string
		for i := range 20 {
			users = append(users, fmt.Sprintf("user=%d", i))
		}
		s := w.watch("bob", strings.Join(users, "&"))
		s.started()
		time.Sleep(time.Second)
		state := []string{"online", "busy", "away", "dnd"}
		for i := range 400 {
			w.beat(fmt.Sprint(i%20), "session-1", `,"state":"`+state[i/20%4]+`"`)
			time.Sleep(5 * time.Millisecond)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		var last time.Time
		told, flushes := map[string]api.Status{}, 0
		for len(s.events) > 0 {
			e := <-s.events
			if e.name != "presence" {
				continue
			}
			if since := e.at.Sub(last); since < 250*time.Millisecond {
				w.Errorf("%s after the last flush", since)
			}
			last = e.at
			flushes++
			seen := map[string]bool{}
			for _, p := range decodeEvent[api.PresenceEvent](s, e).Presences {
				if seen[p.UserID] {
					w.Errorf("%s is twice in one event", p.UserID)
				}
				seen[p.UserID], told[p.UserID] = true, p.Status
			}
		}
		if flushes < 8 || flushes > 10 {
			w.Errorf("%d flushes in 2 s, want 8 to 10", flushes)
		}
		for i := range 20 {
			user := fmt.Sprint(i)
			if want := w.see("bob", user).Status; told[user] != want {
				w.Errorf("%s is told to be %s, and is %s", user, told[user], want)
			}
		}
	})
}

func TestViewersOfOneKindGetTheSameBytesAndTheUserMore(t *testing.T) {
	inWorld(t, func(w *world) {
		bob, eve, ada := w.watch("bob", "user=ada"), w.watch("eve", "user=ada&user=bob"), w.watch("ada", "user=ada")
		for _, s := range []*watching{bob, eve, ada} {
			s.started()
		}
		for _, do := range []func(){
			func() { w.beat("ada", "session-1", `,"device":"web"`) },
			func() { w.choose("ada", `{"status":"dnd"}`) },
			func() { w.choose("ada", `{"status":"away"}`) },
			func() { w.ask("ada", "DELETE", "/v1/presence/me/sessions/session-1", "") },
		} {
			time.Sleep(time.Second)
			do()
			b, e, a := bob.next("presence"), eve.next("presence"), ada.next("presence")
			if b.data != e.data || b.id == e.id || b.id == "" {
				w.Errorf("bob gets %+v, eve %+v", b, e)
			}
			other, self := decodeEvent[api.PresenceEvent](bob, b).Presences[0], decodeEvent[api.PresenceEvent](ada, a).Presences[0]
			if other.Chosen != nil || other.Devices != nil || other.LastSeen != nil || other.LastSeenAt != nil || other.LastActiveAt != nil || other.Profile == nil {
				w.Errorf("a stranger sees %s", b.data)
			}
			more := self.Devices["web"] == api.SessionStateOnline && self.LastSeen == nil
			if self.Status == api.StatusOffline {
				more = self.Devices == nil && self.LastSeenAt != nil
			}
			if self.Status != other.Status || !more {
				w.Errorf("she sees %s", a.data)
			}
		}
	})
}

// What only the user himself may see changes nothing for others: no byte is sent to them.
func TestWhatAViewerMayNotSeeIsNotEvenSilentlyTold(t *testing.T) {
	inWorld(t, func(w *world) {
		w.beat("ada", "session-1", `,"device":"web"`)
		bob, ada := w.watch("bob", "user=ada"), w.watch("ada", "user=ada")
		bob.started()
		ada.started()
		for _, do := range []func(){
			func() { w.beat("ada", "session-2", `,"device":"mobile","state":"away"`) },
			func() { w.choose("ada", `{"status":"online"}`) },
			func() { w.ask("ada", "DELETE", "/v1/presence/me/sessions/session-2", "") },
		} {
			time.Sleep(time.Second)
			do()
			ada.presence()
			bob.nothing(time.Second)
		}
	})
}

func TestASnapshotNamesEverybodyInTheOrderAskedFor(t *testing.T) {
	inWorld(t, func(w *world) {
		var query, want []string
		for i := range 100 {
			want = append(want, fmt.Sprintf("user-%d", (i*37)%100))
		}
		for i, u := range want {
			query = append(query, "user="+u)
			if i%10 == 0 {
				w.beat(u, "session-1", "")
			}
		}
		hello, snap, e := w.watch("bob", strings.Join(query, "&")).started()
		var got []string
		online := 0
		for _, p := range snap.Presences {
			got = append(got, p.UserID)
			if p.Status == api.StatusOnline {
				online++
			}
		}
		if !slices.Equal(got, want) || online != 10 || snap.Part != 1 || snap.Parts != 1 || hello.Resumed || e.id == "" || snap.Rooms == nil || snap.Typing == nil {
			w.Errorf("%d online; %v, want %v", online, got, want)
		}
		_, snap, _ = w.watch("bob", "user=b&user=a&user=b&user=a").started()
		if len(snap.Presences) != 2 || snap.Presences[0].UserID != "b" {
			w.Errorf("%+v", snap)
		}
	})
}

// opens has the server answer a request for a stream without a network. The first flush, with the headers, comes when the
// stream watches already and has not written anything yet.
type opens struct {
	*httptest.ResponseRecorder
	once  sync.Once
	first func()
}

func (o *opens) Flush() { o.once.Do(o.first) }

func TestAChangeWhileAStreamComesBackIsNotMissed(t *testing.T) {
	inWorld(t, func(w *world) {
		w.beat("ada", "session-1", "")
		time.Sleep(time.Second)
		s := w.watch("bob", "user=ada&user=eve")
		_, _, last := s.started()
		s.cancel()
		ctx, cancel := context.WithCancel(w.Context())
		req := httptest.NewRequestWithContext(ctx, "GET", "/v1/stream?user=ada&user=eve&lastEventId="+last.id, nil)
		req.Header.Set("Authorization", "Bearer "+token("bob", nil))
		rec := &opens{ResponseRecorder: httptest.NewRecorder(), first: func() {
			if _, err := w.server.tracker.Heartbeat(ctx, presence.Heartbeat{User: "ada", Session: "session-1", State: presence.Busy}); err != nil {
				w.Error(err)
			}
		}}
		done := make(chan struct{})
		go func() {
			defer close(done)
			w.server.ServeHTTP(rec, req)
		}()
		time.Sleep(5 * time.Second)
		cancel()
		<-done
		if got := rec.Body.String(); !strings.Contains(got, `"resumed":true`) || !strings.Contains(got, `"status":"busy"`) {
			w.Errorf("the stream says\n%s", got)
		}
	})
}

// reborn is a store that has lost its data: its records are of a later epoch.
type reborn struct {
	*memstore.Store
	epoch int64
}

func (r *reborn) Lookup(ctx context.Context, viewer string, users []string) ([]presence.Record, error) {
	records, err := r.Store.Lookup(ctx, viewer, users)
	for i := range records {
		records[i].Head.Epoch = max(records[i].Head.Epoch, r.epoch)
	}
	return records, err
}

func TestAfterLostDataAStreamBeginsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &reborn{Store: newStore()}
		w := newWorld(t, store)
		w.run()
		time.Sleep(time.Second)
		s := w.watch("bob", "user=ada")
		_, _, last := s.started()
		s.cancel()
		time.Sleep(time.Minute) // until the record is forgotten
		store.epoch = time.Now().UnixMicro()
		hello, snap, _ := w.watch("bob", "user=ada", "Last-Event-ID: "+last.id).started()
		if hello.Resumed || snap.Scope != api.SnapshotScopeAll {
			w.Errorf("%+v %+v", hello, snap)
		}
	})
}

func TestAReaderThatGoesLeavesNothing(t *testing.T) {
	inWorld(t, func(w *world) {
		s := w.watch("bob", "user=ada&user=eve")
		s.started()
		if streams, records := w.server.hub.Len(), w.server.board.Len(); streams != 1 || records != 2 {
			w.Fatalf("%d streams, %d records", streams, records)
		}
		s.cancel()
		synctest.Wait()
		if got := w.server.hub.Len(); got != 0 || w.server.hub.Watched(userKey("ada")) {
			w.Errorf("%d streams", got)
		}
		time.Sleep(time.Minute)
		if got := w.server.board.Len(); got != 0 {
			w.Errorf("%d records", got)
		}
		if got := len(w.server.streams.open); got != 0 {
			w.Errorf("%d users are counted to have streams", got)
		}
	})
}

func TestAThousandStreamsLeaveNothing(t *testing.T) {
	inWorld(t, func(w *world) {
		synctest.Wait()
		before, _ := goroutines()
		for round := range 4 {
			ctx, cancel := context.WithCancel(w.Context())
			var all sync.WaitGroup
			for i := range 250 {
				req := httptest.NewRequestWithContext(ctx, "GET", fmt.Sprintf("/v1/stream?user=%d&user=%d&user=%d", i, i%7, (i+round)%100), nil)
				req.Header.Set("Authorization", "Bearer "+token(fmt.Sprint(i%50), nil))
				all.Go(func() {
					w.server.ServeHTTP(&opens{ResponseRecorder: httptest.NewRecorder(), first: func() {}}, req)
				})
			}
			synctest.Wait()
			if got := w.server.hub.Len(); got != 250 {
				w.Errorf("%d streams are open, want 250", got)
			}
			for i := range 50 {
				w.server.tracker.Heartbeat(ctx, presence.Heartbeat{User: fmt.Sprint(i), Session: "session-1"}) //nolint:errcheck // cannot fail
			}
			time.Sleep(time.Second)
			cancel()
			all.Wait()
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if streams, records, users := w.server.hub.Len(), w.server.board.Len(), len(w.server.streams.open); streams+records+users != 0 {
			w.Errorf("%d streams, %d records and %d users remain", streams, records, users)
		}
		if after, stacks := goroutines(); after > before {
			w.Errorf("%d goroutines, %d before\n%s", after, before, stacks)
		}
	})
}

// goroutines counts those of the world: the process has others, which come and go.
func goroutines() (int, []byte) {
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	return strings.Count(string(stacks), ", synctest bubble "), stacks
}

// narrow is a connection that notes how large the kernel's buffer is to be.
type narrow struct {
	net.Conn
	bytes int
}

func (n *narrow) SetWriteBuffer(bytes int) error { n.bytes = bytes; return nil }

func TestAStreamLimitsWhatTheKernelKeepsForItsReader(t *testing.T) {
	inWorld(t, func(w *world) {
		for path, want := range map[string]int{"/v1/stream?user=bob": 32 << 10, "/v1/presence/bob": 0} {
			c := &narrow{}
			ctx, cancel := context.WithTimeout(sse.WithConn(w.Context(), c), time.Second)
			req := httptest.NewRequestWithContext(ctx, "GET", path, nil)
			req.Header.Set("Authorization", "Bearer "+token("ada", nil))
			w.server.ServeHTTP(httptest.NewRecorder(), req)
			cancel()
			if c.bytes != want {
				w.Errorf("%s: a buffer of %d bytes is asked for, want %d", path, c.bytes, want)
			}
		}
	})
}
