package handlers

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/presently/presently/api"
	"github.com/presently/presently/presence"
	"github.com/presently/presently/sse"
)

const (
	commentEvery   = 15 * time.Second // proxies cut streams that are idle for 30 to 100 s
	pingEvery      = 30 * time.Second // lets a client see that a stream is dead
	expiryWarning  = 60 * time.Second // ahead of a token's end
	maxAgeJitter   = 0.2              // so that streams opened together do not end together
	streamsAUser   = 10
	usersAStream   = 100
	roomsAStream   = 50
	presencesAPart = 100             // of a snapshot
	closeFirst     = 3 * time.Second // for a client with too many streams to close one
)

// OpenStream implements GET /v1/stream.
func (s *Server) OpenStream(w http.ResponseWriter, r *http.Request, params api.OpenStreamParams) {
	if err := checkQuery(r, params); err != nil {
		s.fail(w, r, err)
		return
	}
	users := distinct(params.User)
	if len(users) == 0 {
		s.fail(w, r, invalid("/user", "is needed: name at least one user to watch"))
		return
	}
	if s.draining.Load() {
		s.fail(w, r, errDraining())
		return
	}
	if r.Method == http.MethodHead {
		sse.Start(w, r) //nolint:errcheck // the client has gone
		return
	}
	who := identity(r)
	leave, ok := s.streams.enter(who.User)
	if !ok {
		s.fail(w, r, errTooManyStreams())
		return
	}
	defer leave()
	o := opening{who: who, users: users, lastID: lastEventID(params)}
	if err := s.stream(w, r, o); err != nil {
		s.fail(w, r, err)
	}
}

// lastEventID is the id to go on from; the header wins.
func lastEventID(p api.OpenStreamParams) string {
	for _, id := range []*api.EventID{p.LastEventIDHeader, p.LastEventID} {
		if id != nil && *id != "" {
			return *id
		}
	}
	return ""
}

// opening is what a client asked for.
type opening struct {
	who    Identity
	users  []string
	lastID string
}

// stream writes a stream until it ends. It returns an error only where nothing has been written yet.
func (s *Server) stream(w http.ResponseWriter, r *http.Request, o opening) error {
	place, err := s.newPlace(r.Context(), o.who.User, o.users)
	if err != nil {
		return err
	}
	since, resumed := place.read(o.lastID)
	var views views
	stream := s.hub.NewStream(sse.Options{
		Coalesce: s.opts.Coalesce, Comment: commentEvery, Ping: pingEvery,
		Reader: o.who.User, Watches: len(o.users),
		PingEvent: func() sse.Event {
			return sse.Event{Name: "ping", Data: encode(api.PingEvent{ServerTime: formatTime(s.board.Clock())})}
		},
		Cursor: func() string { return place.id(s.board.Heard(o.users)) },
		Opening: func(news []sse.News, cursor string) []sse.Event {
			events := []sse.Event{s.hello(r, resumed)}
			if s.feed.lost.Load() {
				events = append(events, s.feed.degraded())
			}
			scope := api.SnapshotScopeAll
			if resumed {
				news, scope = views.changedSince(since, news), api.SnapshotScopeChanged
			}
			return append(events, snapshot(news, scope, cursor)...)
		},
	})
	defer stream.Close()

	views.first = make(map[string]view, len(o.users))
	err = s.board.Watch(r.Context(), o.users, func(e *presence.Entry) {
		seen := e.Record.ViewFor(o.who.User, e.Moment())
		resumed = resumed && e.Record.Head.Epoch < int64(since) // else the store has lost data since
		views.first[e.Record.User] = view{version: seen.Version, frame: s.feed.attach(stream, e)}
	})
	if err != nil {
		return err
	}
	defer s.board.Unwatch(o.users)

	sink, err := sse.Start(w, r)
	if err != nil {
		return nil //nolint:nilerr // the client has gone
	}
	defer s.endInTime(stream, o.who.Expires)()
	if err := stream.Run(r.Context(), sink); err != nil {
		s.log.DebugContext(r.Context(), "stream ended", "requestId", requestID(r.Context()), "user", o.who.User, "reason", err)
	}
	return nil
}

// views remembers how each user was when a stream began to watch him.
type views struct {
	first map[string]view
}

type view struct {
	version presence.Version
	frame   *sse.Frame
}

// changedSince keeps the news whose view has changed since a moment. A frame that is not the first has come between watching and the
// opening, so it is news, whatever the version of the first was.
func (v *views) changedSince(since presence.Version, news []sse.News) []sse.News {
	var changed []sse.News
	for _, n := range news {
		if first := v.first[n.Key.ID]; first.version > since || first.frame != n.Frame {
			changed = append(changed, n)
		}
	}
	return changed
}

func (s *Server) hello(r *http.Request, resumed bool) sse.Event {
	return sse.Event{Name: "hello", Retry: retryDelay(), Data: encode(api.HelloEvent{
		StreamID: requestID(r.Context()), Resumed: resumed, ServerTime: formatTime(s.board.Clock()),
		PingMs: pingEvery.Milliseconds(), Limits: api.StreamLimits{Users: usersAStream, Rooms: roomsAStream},
	})}
}

// retryDelay is when a client is to come back: spread, so that the streams of an instance that dies do not come back all at once.
func retryDelay() time.Duration { return 2*time.Second + rand.N(3*time.Second) }

// snapshot tells how things stand, in parts of bounded size, of which only the last has an id. A resumed stream to which nothing
// has happened needs none.
func snapshot(news []sse.News, scope api.SnapshotScope, cursor string) []sse.Event {
	if scope == api.SnapshotScopeChanged && len(news) == 0 {
		return nil
	}
	parts := max(1, (len(news)+presencesAPart-1)/presencesAPart)
	events := make([]sse.Event, 0, parts)
	for part := range parts {
		some := news[part*presencesAPart : min(len(news), (part+1)*presencesAPart)]
		events = append(events, sse.Event{Name: "snapshot", Data: snapshotPart(some, scope, part+1, parts)})
	}
	events[parts-1].ID = cursor
	return events
}

// snapshotPart is an api.SnapshotEvent made of frames, which are JSON already.
func snapshotPart(news []sse.News, scope api.SnapshotScope, part, parts int) []byte {
	b := fmt.Appendf(nil, `{"part":%d,"parts":%d,"scope":%q,"presences":[`, part, parts, scope)
	for i, n := range news {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, n.Frame.Data...)
	}
	return append(b, `],"rooms":{},"typing":{}}`...)
}

// endInTime sees to it that a stream ends before its token does, and not later than its age allows. What it returns stops that.
func (s *Server) endInTime(stream *sse.Stream, tokenEnds time.Time) (stop func()) {
	left := time.Until(tokenEnds)
	timers := []*time.Timer{
		time.AfterFunc(max(0, left-expiryWarning), func() {
			stream.Send(sse.Event{Name: "tokenExpiring", Data: encode(api.TokenExpiringEvent{ExpiresAt: formatTime(tokenEnds)})})
		}),
		time.AfterFunc(left, func() { stream.End(reconnect(api.ReconnectReasonTokenExpired, 0)) }),
		time.AfterFunc(jitter(s.opts.StreamMaxAge, maxAgeJitter), func() { stream.End(reconnect(api.ReconnectReasonMaxAge, 0)) }),
	}
	return func() {
		for _, t := range timers {
			t.Stop()
		}
	}
}

// reconnect is the last event of a stream that we end ourselves.
func reconnect(reason api.ReconnectReason, spread time.Duration) sse.Event {
	after := 100*time.Millisecond + rand.N(spread+400*time.Millisecond)
	return sse.Event{Name: "reconnect", Retry: after, Data: encode(api.ReconnectEvent{Reason: reason, AfterMs: after.Milliseconds()})}
}

// streamCount counts the streams that each user has open here.
type streamCount struct {
	mu   sync.Mutex // guards what follows
	open map[string]int
}

func (c *streamCount) enter(user string) (leave func(), ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open[user] >= streamsAUser {
		return nil, false
	}
	c.open[user]++
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.open[user]--; c.open[user] == 0 {
			delete(c.open, user)
		}
	}, true
}

func errTooManyStreams() *failure {
	return &failure{code: api.ProblemCodeTooManyStreams, detail: "Close a stream first; those that are open stay.", after: closeFirst}
}

// wantsErrorsAsStream tells whether a refusal must look like a stream: a native EventSource gives up for ever on every status but 200.
func wantsErrorsAsStream(r *http.Request) bool {
	return r.URL.Path == "/v1/stream" && (r.Method == http.MethodGet || r.Method == http.MethodHead) &&
		r.URL.Query().Get("errors") == string(api.ErrorsModeStream)
}

// failStream tells a refusal as the one event of a stream.
func (s *Server) failStream(w http.ResponseWriter, r *http.Request, f *failure, p api.Problem) {
	final := p.Status < http.StatusInternalServerError && p.Status != http.StatusTooManyRequests && f.code != api.ProblemCodeTokenExpired
	p.Final = &final
	sink, err := sse.Start(w, r)
	if err != nil {
		return
	}
	e := sse.Event{Name: "problem", Retry: max(f.after, retryDelay()), Data: encode(p)}
	sink.Write(e.AppendTo(nil)) //nolint:errcheck // the client has gone
}

// Drain makes the instance leave: no longer ready, no new streams, and those that are open ended one by one over the drain window,
// so that they do not arrive elsewhere all at once. It returns when none is left, or ctx ends. Nobody goes offline by it: a closed
// stream proves nothing.
func (s *Server) Drain(ctx context.Context) error {
	if s.draining.CompareAndSwap(false, true) {
		close(s.leaving)
	}
	window := s.opts.Drain * 9 / 10 // the rest is for the last ones to be written
	streams := s.hub.Streams()
	rand.Shuffle(len(streams), func(i, j int) { streams[i], streams[j] = streams[j], streams[i] })
	start := time.Now()
	for i, stream := range streams {
		stream.End(reconnect(api.ReconnectReasonDrain, time.Second))
		if i+1 == len(streams) || s.hub.Len() == 0 {
			break // nothing comes after the last
		}
		due := start.Add(window * time.Duration(i+1) / time.Duration(len(streams)))
		if err := sleep(ctx, time.Until(due)); err != nil {
			return err
		}
	}
	for s.hub.Len() > 0 {
		for _, late := range s.hub.Streams() { // opened while the readiness changed
			late.End(reconnect(api.ReconnectReasonDrain, time.Second))
		}
		if err := sleep(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

func errDraining() *failure {
	return &failure{code: api.ProblemCodeDraining, detail: "Try again in a moment, over a new connection: another instance will answer.", after: time.Second}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}
