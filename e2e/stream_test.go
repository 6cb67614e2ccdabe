package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tmaxmax/go-sse"

	"github.com/presently/presently/api"
)

// event is one event of a stream, as go-sse, which is no code of ours, understands it.
type event struct {
	name, id, data string
	at             time.Time
}

// presences are those that the event tells of.
func (e event) presences(t testing.TB) []api.Presence {
	t.Helper()
	return decode[api.PresenceEvent](t, []byte(e.data)).Presences
}

// watching is an open stream, or one that has ended. It holds what it hears against the promises that hold for every stream.
type watching struct {
	t      testing.TB
	cancel context.CancelFunc
	hello  api.HelloEvent
	first  api.SnapshotEvent // unless the stream was resumed and nothing had happened
	more   chan struct{}     // a token: look at events again
	done   chan struct{}     // closed when the stream has ended
	next   int               // event that the test has not seen yet

	ignored []string // names of events that may come at any time

	mu     sync.Mutex // guards what follows
	raw    bytes.Buffer
	events []event // but for pings
	last   map[string]api.Presence
}

// watch opens a stream, and reads it up to its snapshot.
func (p *person) watch(users ...string) *watching {
	p.at.t.Helper()
	w := p.open("", users...)
	w.snapshot()
	return w
}

// open opens a stream of users, from an id on where one is given, and reads its hello.
func (p *person) open(lastID string, users ...string) *watching {
	p.at.t.Helper()
	return p.openAt("/v1/stream?"+url.Values{"user": users}.Encode(), lastID)
}

// watchThat opens a stream of what a query names, such as "room=lobby&user=ada", and reads it up to its snapshot.
func (p *person) watchThat(query string) *watching {
	p.at.t.Helper()
	w := p.openAt("/v1/stream?"+query, "")
	w.snapshot()
	return w
}

// openAt opens the stream at a path, and reads its hello. Nobody in particular, who has no token, sends none.
func (p *person) openAt(path, lastID string) *watching {
	t := p.at.t
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	request, err := http.NewRequestWithContext(ctx, "GET", p.at.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if p.token != "" {
		request.Header.Set("Authorization", "Bearer "+p.token)
	}
	if lastID != "" {
		request.Header.Set("Last-Event-ID", lastID)
	}
	response, err := p.at.client.Do(request)
	if err != nil {
		t.Fatalf("stream: %v", err)
	}
	if response.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(response.Body)
		t.Fatalf("stream: %d %s", response.StatusCode, body)
	}
	w := follow(t, cancel, response.Body)
	w.hello = decode[api.HelloEvent](t, []byte(w.await("hello").data))
	return w
}

// follow reads a stream until it ends, or the test does.
func follow(t testing.TB, cancel context.CancelFunc, body io.ReadCloser) *watching {
	w := &watching{t: t, cancel: cancel, more: make(chan struct{}, 1), done: make(chan struct{}), last: map[string]api.Presence{}}
	go func() {
		defer close(w.done)
		defer body.Close()
		w.read(io.TeeReader(body, rawOf{w}))
	}()
	t.Cleanup(w.close)
	return w
}

func (w *watching) close() {
	w.cancel()
	<-w.done
}

type rawOf struct{ w *watching }

func (r rawOf) Write(b []byte) (int, error) {
	r.w.mu.Lock()
	defer r.w.mu.Unlock()
	return r.w.raw.Write(b)
}

func (w *watching) read(body io.Reader) {
	for e, err := range sse.Read(body, &sse.ReadConfig{MaxEventSize: 1 << 20}) {
		if err != nil {
			return // how a stream ends is told by its last event
		}
		if e.Type == "ping" {
			continue
		}
		w.hear(event{name: e.Type, id: e.LastEventID, data: e.Data, at: time.Now()})
	}
}

func (w *watching) hear(e event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if e.name == "presence" || e.name == "snapshot" {
		var told api.PresenceEvent // a snapshot has the same member
		if err := json.Unmarshal([]byte(e.data), &told); err != nil {
			w.t.Errorf("%s: %v: %s", e.name, err, e.data)
		}
		for _, p := range told.Presences {
			w.judge(p)
			w.last[p.UserID] = p
		}
	}
	w.events = append(w.events, e)
	select {
	case w.more <- struct{}{}:
	default:
	}
}

// judge holds a presence against the one before: it is newer, and says something else.
func (w *watching) judge(p api.Presence) {
	before, ok := w.last[p.UserID]
	if !ok {
		return
	}
	if p.Rev <= before.Rev {
		w.t.Errorf("the rev of %s does not grow: %s, then %s", p.UserID, show(before), show(p))
	}
	if look(p) == look(before) {
		w.t.Errorf("%s is told again as he was: %s, then %s", p.UserID, show(before), show(p))
	}
}

func show(p api.Presence) string {
	text, _ := json.Marshal(p)
	return string(text)
}

// look is all that may change by an event: neither rev, which moves with time, nor lastSeen, whose change is none.
func look(p api.Presence) string {
	p.Rev, p.LastSeen = 0, nil
	return show(p)
}

// await returns the next event, which has to be of this name.
func (w *watching) await(name string) event {
	w.t.Helper()
	e, ok := w.take()
	if !ok {
		w.t.Fatalf("the stream has ended where %s was to come:\n%s", name, w.text())
	}
	if e.name != name {
		w.t.Fatalf("%s %s came where %s was to come:\n%s", e.name, e.data, name, w.text())
	}
	return e
}

// take returns the next event, or false at the end of the stream.
func (w *watching) take() (event, bool) {
	w.t.Helper()
	limit := time.After(patience)
	for {
		ended := false
		select {
		case <-w.done:
			ended = true
		default:
		}
		w.mu.Lock()
		if w.next < len(w.events) {
			e := w.events[w.next]
			w.next++
			w.mu.Unlock()
			if slices.Contains(w.ignored, e.name) {
				continue
			}
			return e, true
		}
		w.mu.Unlock()
		if ended {
			return event{}, false
		}
		select {
		case <-w.more:
		case <-w.done:
		case <-limit:
			w.t.Fatalf("nothing comes for %v after:\n%s", patience, w.text())
		}
	}
}

// text is all that the stream has said.
func (w *watching) text() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.raw.String()
}

// newest is what the stream showed last of a user.
func (w *watching) newest(user string) api.Presence {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last[user]
}

// lastID is the id that a browser would come back with.
func (w *watching) lastID() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.events[len(w.events)-1].id
}

// snapshot reads the snapshot, which has to come next, and be whole.
func (w *watching) snapshot() {
	w.t.Helper()
	w.first = decode[api.SnapshotEvent](w.t, []byte(w.await("snapshot").data))
	if w.first.Parts != 1 {
		w.t.Fatalf("a snapshot in %d parts", w.first.Parts)
	}
}

// in is how a user stands in the first snapshot.
func (w *watching) in(user string) api.Presence {
	w.t.Helper()
	for _, p := range w.first.Presences {
		if p.UserID == user {
			return p
		}
	}
	w.t.Fatalf("%s is not in the snapshot %+v", user, w.first)
	return api.Presence{}
}

// told returns the presence of the next event, which has to be about one user, with this status.
func (w *watching) told(user, status string) api.Presence {
	w.t.Helper()
	e := w.await("presence")
	all := e.presences(w.t)
	if len(all) != 1 || all[0].UserID != user || string(all[0].Status) != status {
		w.t.Fatalf("%s came where %s, %s was to come:\n%s", e.data, user, status, w.text())
	}
	return all[0]
}

// quiet shows that nothing is told to any of the streams until the store's clock is past a moment (µs): somebody whom all of them watch
// changes again and again, and nothing but that arrives. Messages of one lane stay in order; the lanes are close enough to
// each other that one round more shows what another lane had to tell.
func quiet(until int64, canary *person, streams ...*watching) {
	t := canary.at.t
	t.Helper()
	for rounds := 2; rounds > 0; {
		state := "busy"
		if streams[0].newest(canary.user).Status == api.StatusBusy {
			state = "online"
		}
		canary.beat("canary-session", `"visibility":"hidden"`, fmt.Sprintf(`"state":%q`, state)) // hidden ones live longer
		passed := true
		for _, w := range streams {
			passed = w.told(canary.user, state).Rev > until && passed
		}
		if passed {
			rounds--
		}
	}
}

// retryOf is the retry: that came with the last event of a name.
func (w *watching) retryOf(name string) string {
	retry := ""
	for frame := range strings.SplitSeq(w.text(), "\n\n") {
		for line := range strings.Lines(frame + "\n") {
			if value, ok := strings.CutPrefix(line, "retry: "); ok && strings.Contains(frame, "event: "+name+"\n") {
				retry = strings.TrimSpace(value)
			}
		}
	}
	return retry
}
