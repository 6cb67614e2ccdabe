package handlers

import (
	"context"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/presently/presently/api"
	"github.com/presently/presently/presence"
	"github.com/presently/presently/sse"
)

const (
	commentEvery  = 15 * time.Second // proxies cut streams that are idle for 30 to 100 s
	pingEvery     = 30 * time.Second // lets a client see that a stream is dead
	expiryWarning = 60 * time.Second // ahead of a token's end
	maxAgeJitter  = 0.2              // so that streams opened together do not end together
	streamsAUser  = 10
	usersAStream  = 100
	roomsAStream  = 50
	closeFirst    = 3 * time.Second // for a client with too many streams to close one
)

// OpenStream implements GET /v1/stream.
func (s *Server) OpenStream(w http.ResponseWriter, r *http.Request, params api.OpenStreamParams) {
	o, err := opening{}, checkOpening(r, params)
	if err == nil {
		o, err = s.openingOf(r, params)
	}
	if err == nil && s.draining.Load() {
		err = errDraining()
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	if r.Method == http.MethodHead {
		sse.Start(w, r) //nolint:errcheck // the client has gone
		return
	}
	leave, ok := s.streams.enter(o.user)
	if !ok {
		s.fail(w, r, &failure{code: api.ProblemCodeTooManyStreams, detail: "Close a stream first; those that are open stay.", after: closeFirst})
		return
	}
	sse.LimitBuffer(r.Context())
	if err := s.stream(w, r, o, leave); err != nil {
		s.fail(w, r, err)
	}
}

// checkOpening is checkQuery that looks at long lists itself: the validator makes two things of each user. It comes to its word where something is wrong.
func checkOpening(r *http.Request, params api.OpenStreamParams) error {
	valid := func(ids []string, most int) bool {
		return len(ids) <= most && !slices.ContainsFunc(ids, func(id string) bool { return !presence.ValidUser(id) })
	}
	if params.Ticket == nil && valid(params.User, usersAStream) && valid(params.Room, roomsAStream) {
		params.User, params.Room = nil, nil
	}
	return checkQuery(r, params)
}

// opening is what a client asked for.
type opening struct {
	user    string
	issued  time.Time // the token, where none stands behind a subscription
	expires time.Time
	watchList
	lastID string

	subscription string           // its ID, where a ticket named it
	version      presence.Version // of the subscription
}

// watchList is what a stream is to show.
type watchList struct {
	users, rooms []string
	sorted       []string // users; or nil
	wants        wants
	quiet        bool
}

// openingOf reads what is asked for, by whom.
func (s *Server) openingOf(r *http.Request, params api.OpenStreamParams) (opening, error) {
	if params.Ticket != nil {
		sub, err := s.admitTicket(r.Context(), *params.Ticket)
		if err != nil {
			return opening{}, err
		}
		return opening{
			user: sub.User, expires: sub.Expires, watchList: watchListOf(sub), lastID: lastEventID(params),
			subscription: sub.ID, version: sub.Version,
		}, nil
	}
	who := identity(r)
	o := opening{user: who.User, issued: who.Issued, expires: who.Expires, lastID: lastEventID(params)}
	o.users, o.rooms, o.wants = params.User, distinct(params.Room), wants{true, true, true}
	if list, once := sortIDs(params.User); once {
		o.sorted = list
	} else {
		o.users = distinct(params.User)
	}
	if len(o.users)+len(o.rooms) == 0 {
		return opening{}, invalid("/user", "name at least one user or room to watch, as ?user= or ?room=")
	}
	return o, who.mayEnterAll("/room", o.rooms)
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

// stream writes a stream, perhaps beyond its return. It returns an error only where nothing has been written. When the stream has ended, it calls
// leave.
func (s *Server) stream(w http.ResponseWriter, r *http.Request, o opening, leave func()) error {
	var atEnd cleanup
	handedOn := false
	defer func() {
		if !handedOn {
			atEnd.run()
		}
	}()
	atEnd.add(leave)
	v, begin := newViewing(s.feed, s.board, o.user, o.wants), beginning{resumed: true}
	atEnd.add(v.end)
	where, err := s.newPlace(r.Context(), o.user, o.watchList)
	if err != nil {
		return err
	}
	v.place.Store(where)
	begin.asked = o.users
	begin.since, begin.crowds, begin.resumed = where.read(o.lastID)
	v.stream = s.hub.NewStream(sse.Options{
		Coalesce: s.opts.Coalesce, Comment: commentEvery, Ping: pingEvery,
		Reader: o.user, Watches: len(o.users), Whole: v.whole, Wrote: s.metrics.write,
		PingEvent: func() sse.Event {
			return sse.Event{Name: "ping", Data: encode(api.PingEvent{ServerTime: formatTime(s.board.Clock())})}
		},
		Cursor: func() string { return v.place.Load().id(v.heard(), v.crowds()) }, // in this order: a crowd that forms in between is newer than what was heard
		Opening: func(news []sse.News, cursor string) []sse.Event {
			events := []sse.Event{s.hello(r, o, begin.resumed)}
			if s.feed.lost.Load() {
				events = append(events, s.feed.degraded())
			}
			return append(events, begin.snapshot(v, news, cursor)...)
		},
	})
	atEnd.add(v.stream.Close)
	if err := s.begin(r.Context(), v, o, &begin); err != nil {
		return err
	}
	end := s.endInTime(v.stream, o.expires)
	atEnd.add(end.stop)
	if o.subscription != "" {
		atEnd.add(s.follow(context.WithValue(context.Background(), keyExchange, &exchange{id: requestID(r.Context())}), v, o, end))
	} else {
		atEnd.add(s.revoked.hold(o.user, o.issued, func() { v.stream.End(reconnect(api.ReconnectReasonTokenExpired, 0)) }))
	}
	s.metrics.opens(o.lastID, begin.resumed)
	tell := s.tellLater(r, o.user)
	handedOn = true
	s.pool.Serve(v.stream, w, r, func(err error) {
		s.feed.isolate(v.stream, func() {
			defer atEnd.run()
			tell(err, v.stream.Written(), s.metrics.closes(v.stream, err))
		})
	})
	return nil
}

// cleanup is what remains to be done when a stream has ended, the last that was added first. A stream outlives its handler, so defer will not do.
type cleanup []func()

func (c *cleanup) add(f func()) { *c = append(*c, f) }

func (c cleanup) run() {
	for _, f := range slices.Backward(c) {
		f()
	}
}

// begin has a stream watch what it was opened for, and finds out what has changed since its reader was here last.
func (s *Server) begin(ctx context.Context, v *viewing, o opening, b *beginning) error {
	s.listenFirst(ctx)
	if b.resumed {
		b.back = v.comesBack(b.since)
		defer v.begun()
	}
	err := v.watchUsers(ctx, o.users, func(e *presence.Entry, first view) {
		if b.resumed = b.resumed && e.Record.Head.Epoch < int64(b.since); b.resumed { // else the store has lost data since
			b.note(e.Record.User, first)
		}
	})
	if err == nil {
		err = v.watchRooms(ctx, o.rooms)
	}
	if err != nil {
		return err
	}
	if o.quiet {
		v.stream.Quiet()
	}
	if len(o.rooms) == 0 || !b.resumed {
		return nil
	}
	if b.resumed = s.board.Epoch() < int64(b.since); !b.resumed {
		return nil
	}
	b.rooms, err = s.roomsChangedSince(ctx, v, b.since, b.crowds)
	return err
}

// listenFirst gives an instance that has just started time for the first beacons: without them the snapshot could have no id, and a
// reader who is cut off at once could not resume.
func (s *Server) listenFirst(ctx context.Context) {
	if s.listening() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, firstBeacons)
	defer cancel()
	select {
	case <-s.board.Listening():
	case <-ctx.Done():
	}
}

// firstBeacons is how long a stream waits for the first of them at most. They come twice a second.
const firstBeacons = time.Second

// beginning is how a stream begins: from a moment that its reader has seen already, or anew.
type beginning struct {
	resumed bool
	asked   []string // users, in the order in which they are told
	since   presence.Version
	crowds  crowds          // whose members the reader did not know then
	firsts  map[string]view // how the users were who were asked for, where the stream resumes
	rooms   map[string]bool // that have changed since
	back    *comeback       // or nil
}

func (b *beginning) note(user string, first view) {
	if b.firsts == nil {
		b.firsts = map[string]view{}
	}
	b.firsts[user] = first
}

// snapshot tells how things stand. A resumed stream to which nothing has happened needs none.
func (b *beginning) snapshot(v *viewing, news []sse.News, cursor string) []sse.Event {
	shows := snapshotContent{presences: make([]*sse.Frame, 0, len(news))}
	for _, n := range asAsked(b.asked, news) {
		if n.Frame != nil && (!b.resumed || b.news(v, n)) && !b.roomTells(v, n) {
			shows.add(n.Key, n.Frame)
		}
	}
	if !b.resumed {
		return shows.events(api.SnapshotScopeAll, cursor)
	}
	if shows.empty() {
		return nil
	}
	return shows.events(api.SnapshotScopeChanged, cursor)
}

// marksLast is how long a reader who was told of a typist may believe it, at most.
const marksLast = 31 * time.Second

// news reports whether what a resumed stream could show is new to its reader. A frame that is not the first has come between watching and the
// opening, so it is, whatever the version of the first was.
func (b *beginning) news(v *viewing, n sse.News) bool {
	switch n.Key.Kind {
	case kindRoom:
		rv := v.room(n.Key.ID)
		return b.rooms[n.Key.ID] || rv == nil || n.Frame != rv.first
	case kindTyping: // what he saw then ends by itself, unless that was just now
		return string(n.Frame.Data) != "[]" || v.board.Newest()-b.since < presence.Version(marksLast.Microseconds())
	}
	first := b.firsts[n.Key.ID]
	return first.version > b.since || first.frame != n.Frame
}

// roomTells reports whether a room that is told whole brings what a stream that came back could show of a user.
func (b *beginning) roomTells(v *viewing, n sse.News) bool {
	if b.back == nil || n.Key.Kind != kindUser || !v.wants.room {
		return false
	}
	m := b.back.missed[n.Key.ID]
	return n.Frame == m.frame && slices.ContainsFunc(m.rooms, func(room string) bool { return !b.resumed || b.rooms[room] })
}

func (s *Server) hello(r *http.Request, o opening, resumed bool) sse.Event {
	limits := api.StreamLimits{Users: usersAStream, Rooms: roomsAStream}
	if o.subscription != "" {
		limits.Users = usersASubscription
	}
	return sse.Event{Name: "hello", Retry: retryDelay(), Data: encode(api.HelloEvent{
		StreamID: requestID(r.Context()), SubscriptionID: optional(o.subscription), Resumed: resumed, ServerTime: formatTime(s.board.Clock()),
		PingMs: pingEvery.Milliseconds(), Limits: limits,
	})}
}

// retryDelay is when a client is to come back: spread, so that the streams of an instance that dies do not come back all at once.
func retryDelay() time.Duration { return 2*time.Second + rand.N(3*time.Second) }

// endInTime sees to it that a stream ends before its token does, and not later than its age allows.
func (s *Server) endInTime(stream *sse.Stream, tokenEnds time.Time) *ending {
	e := &ending{stream: stream, oldest: time.Now().Add(jitter(s.opts.StreamMaxAge, maxAgeJitter))}
	e.timer = time.AfterFunc(time.Hour, func() { s.feed.isolate(stream, e.look) })
	e.set(tokenEnds)
	return e
}

// ending ends one stream. One timer does for all of its reasons.
type ending struct {
	stream *sse.Stream
	oldest time.Time
	timer  *time.Timer

	mu      sync.Mutex // guards what follows
	expires time.Time
	warned  bool // of that
	stopped bool
}

// set makes the stream end with a token that ends then.
func (e *ending) set(expires time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !expires.Equal(e.expires) {
		e.expires, e.warned = expires, false
		e.arm()
	}
}

// arm sets the timer for what comes first. The lock is held.
func (e *ending) arm() {
	next := e.expires
	if !e.warned {
		next = next.Add(-expiryWarning)
	}
	if e.oldest.Before(next) {
		next = e.oldest
	}
	if !e.stopped {
		e.timer.Reset(time.Until(next))
	}
}

// look does what is due.
func (e *ending) look() {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch now := time.Now(); {
	case !now.Before(e.oldest):
		e.stream.End(reconnect(api.ReconnectReasonMaxAge, 0))
		return
	case !now.Before(e.expires):
		e.stream.End(reconnect(api.ReconnectReasonTokenExpired, 0))
		return
	case !e.warned && !now.Before(e.expires.Add(-expiryWarning)):
		e.warned = true
		e.stream.Send(sse.Event{Name: "tokenExpiring", Data: encode(api.TokenExpiringEvent{ExpiresAt: formatTime(e.expires)})})
	}
	e.arm()
}

func (e *ending) stop() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.stopped = true
	e.timer.Stop()
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
		api.QueryOf(r).Get("errors") == string(api.ErrorsModeStream)
}

// failStream tells a refusal as the one event of a stream.
func (s *Server) failStream(w http.ResponseWriter, r *http.Request, f *failure, p api.Problem) {
	final := p.Status < http.StatusInternalServerError && p.Status != http.StatusTooManyRequests && f.code != api.ProblemCodeTokenExpired && f.after == 0
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
