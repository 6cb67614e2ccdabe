package handlers

import (
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/presently/presently/api"
	"github.com/presently/presently/presence"
)

// limits are the rates at which people may do things. A rate refuses a request and nothing else: no session ends by it, and the heartbeats that the
// interval asks for always pass, whatever else the client, or another tab of the same user, sends.
type limits struct {
	heartbeat *limit // of one session: twice what the interval needs
	newcomer  *limit // of sessions that have not beaten here of late; else each invented one would bring a bucket of its own
	settings  *limit // what a user says of himself, and who may see it: every change is told to all who watch
	typing    *limit // of one user in one room
	query     *limit // what may name many people: lists, pages, counts, new watch lists
	room      *limit // what a user comes into: each room that he has been in is remembered for a while, though he invents it

	of     map[operation]*limit
	counts func(*limit) // is told of each refusal
}

// operation is one of the contract's.
type operation struct{ method, route string }

func newLimits(p presence.Policy) *limits {
	l := &limits{
		heartbeat: newLimit("heartbeat", 2, p.Heartbeat, 6),
		newcomer:  newLimit("session", 60, time.Minute, 60),
		settings:  newLimit("settings", 20, time.Minute, 20),
		typing:    newLimit("typing", 1, time.Second, 5),
		query:     newLimit("query", 60, time.Minute, 60),
		room:      newLimit("room", 300, time.Minute, 300),
		counts:    func(*limit) {},
	}
	// Not limited: reads of one user or of one's own things, which are one read of the store and are polled by plain clients; rooms that are left;
	// streams, which have a cap; what a backend does under /v1/admin, but for lists.
	l.of = map[operation]*limit{
		{"PUT", "/v1/presence/status"}:         l.settings,
		{"DELETE", "/v1/presence/status"}:      l.settings,
		{"PUT", "/v1/presence/custom"}:         l.settings,
		{"DELETE", "/v1/presence/custom"}:      l.settings,
		{"PUT", "/v1/presence/activity"}:       l.settings,
		{"DELETE", "/v1/presence/activity"}:    l.settings,
		{"PUT", "/v1/presence/privacy"}:        l.settings,
		{"PUT", "/v1/contacts/{userId}"}:       l.settings,
		{"DELETE", "/v1/contacts/{userId}"}:    l.settings,
		{"PUT", "/v1/blocks/{userId}"}:         l.settings,
		{"DELETE", "/v1/blocks/{userId}"}:      l.settings,
		{"PUT", "/v1/rooms/{room}/typing"}:     l.typing,
		{"POST", "/v1/rooms/{room}/typing"}:    l.typing,
		{"DELETE", "/v1/rooms/{room}/typing"}:  l.typing,
		{"PUT", "/v1/rooms/{room}/members/me"}: l.room,
		{"GET", "/v1/presence"}:                l.query,
		{"POST", "/v1/presence/query"}:         l.query,
		{"GET", "/v1/rooms/{room}/presence"}:   l.query,
		{"GET", "/v1/rooms/{room}/count"}:      l.query,
		{"GET", "/v1/rooms/{room}/typing"}:     l.query,
		{"GET", "/v1/users/{userId}/rooms"}:    l.query,
		{"POST", "/v1/subscriptions"}:          l.query,
		{"GET", "/v1/stats"}:                   l.query,
		{"GET", "/v1/admin/online"}:            l.query,
	}
	return l
}

// all are the limits, in the order in which they are documented.
func (l *limits) all() []*limit {
	return []*limit{l.heartbeat, l.newcomer, l.settings, l.typing, l.query, l.room}
}

// limited holds the operations to their rates. It comes after [Server.authorize]: a token's user is who has the bucket, and who has no token is refused for that.
func (s *Server) limited(next http.Handler) http.Handler {
	if s.limits == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if l := s.limits.of[operationOf(r)]; l != nil {
			key := bucketKey{user: identity(r).User}
			if l == s.limits.typing {
				key.part = roomOf(r)
			}
			if err := s.limits.take(w.Header(), l, key); err != nil {
				s.fail(w, r, err)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

func operationOf(r *http.Request) operation {
	op := operation{r.Method, chi.RouteContext(r.Context()).RoutePattern()}
	if op.method == http.MethodHead {
		op.method = http.MethodGet
	}
	return op
}

// roomOf is the room in a path, however it is escaped there. What is no room is refused later, and all of it has one bucket.
func roomOf(r *http.Request) string {
	room, err := url.PathUnescape(chi.URLParam(r, "room"))
	if err != nil || !presence.ValidUser(room) {
		return ""
	}
	return room
}

// beat lets a heartbeat pass, or returns why not. No limits let all pass.
func (l *limits) beat(h http.Header, user, session string) error {
	if l == nil {
		return nil
	}
	key := bucketKey{user, session}
	if !l.heartbeat.knows(key) {
		if err := l.take(h, l.newcomer, bucketKey{user: user}); err != nil {
			return err
		}
	}
	return l.take(h, l.heartbeat, key)
}

// take lets one request pass, or returns why not, and tells the client how it stands, in the fields of draft-ietf-httpapi-ratelimit-headers.
func (l *limits) take(h http.Header, of *limit, key bucketKey) error {
	now, ok := of.take(key)
	of.tell(h, now)
	if ok {
		return nil
	}
	l.counts(of)
	wait := seconds(now.wait)
	return &failure{
		code: api.ProblemCodeRateLimited, after: time.Duration(wait) * time.Second,
		detail: "Wait " + itoa(wait) + " s, then go on at a slower pace. Nobody goes offline by this.",
	}
}

func (l *limit) tell(h http.Header, now level) {
	h.Set("RateLimit-Policy", l.policy)
	h.Set("RateLimit", `"`+l.name+`";r=`+itoa(now.left)+`;t=`+itoa(seconds(now.whole)))
}

// stays reports whether a user has come into so many rooms that his beats are not to move him for now. A beat that names rooms is never refused for them,
// and how many are new shows only when it was taken: so it is charged afterwards, and the next one waits.
func (l *limits) stays(h http.Header, user string) bool {
	if l == nil {
		return false
	}
	now, over := l.room.overdrawn(bucketKey{user: user})
	if over {
		l.counts(l.room)
		l.room.tell(h, now)
	}
	return over
}

// came charges a user for the rooms that a beat of his has brought him into.
func (l *limits) came(user string, rooms int) {
	if l != nil && rooms > 0 {
		l.room.charge(bucketKey{user: user}, rooms)
	}
}

func itoa(n int) string { return strconv.Itoa(n) }
