package handlers

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/go-chi/cors"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/presently/presently/api"
	"github.com/presently/presently/presence"
	"github.com/presently/presently/sse"
)

// Options are what a Server is made of.
type Options struct {
	Tracker *presence.Tracker
	Self    presence.Instance // what does not change of this instance, but for its name
	Tokens  *Verifier

	Coalesce     time.Duration // least time between two flushes of presence on one stream
	Drain        time.Duration // over which streams are ended when the process stops
	Notice       time.Duration // how long an instance that leaves answers at least, for those to see who ask now and then whether it is ready
	StreamMaxAge time.Duration

	Origins  []string // that browsers may ask from; none: no CORS, and no writes by cookie from elsewhere
	Contract []byte   // openapi.yaml
	Docs     http.Handler
	Home     http.Handler
	Log      *slog.Logger

	Panics   *presence.Panics                     // which the store has too; nil: one of its own
	Rates    bool                                 // off switches off rates, never caps
	Registry prometheus.Registerer                // where what is measured is registered; nil: nowhere
	Metrics  http.Handler                         // of /metrics; nil: it is not served here
	Trace    func(next http.Handler) http.Handler // around each request; nil: nothing

	Operators bool // what is registered is read by operators alone, so that what strangers must not know may be among it
}

// Server answers all requests. It is safe for concurrent use.
type Server struct {
	opts     Options
	tracker  *presence.Tracker
	board    *presence.Board
	feed     *feed
	hub      *sse.Hub
	pool     *sse.Pool
	streams  streamCount
	limits   *limits // nil: none
	metrics  *metrics
	revoked  *revocations
	sealer   sealer
	panics   *presence.Panics
	log      *slog.Logger
	router   http.Handler
	fixed    map[string]string // paths beneath /v1/presence/ that are no user, and the methods that they have
	draining atomic.Bool
	leaving  chan struct{} // closed when it drains
}

var _ api.ServerInterface = (*Server)(nil)

// New makes a server. Streams live only while Run runs.
func New(opts Options) *Server {
	s := &Server{opts: opts, tracker: opts.Tracker, hub: sse.NewHub(kinds), pool: sse.NewPool(), panics: opts.Panics, log: opts.Log, leaving: make(chan struct{})}
	if s.panics == nil {
		s.panics = presence.NewPanics(opts.Log)
	}
	s.hub.Panicked = func(value any) { s.panics.Caught(context.Background(), presence.PanicInStream, value) }
	s.streams.open = map[string]int{}
	s.revoked = newRevocations()
	s.sealer.secret = opts.Tracker.Secret
	s.feed = &feed{hub: s.hub, followers: followers{of: map[string]map[*follower]bool{}}, subscriptionLane: opts.Tracker.SubscriptionLane}
	s.board = presence.NewBoard(opts.Tracker.Store, s.feed)
	s.board.Panics = s.panics
	s.feed.clock, s.feed.seen, s.feed.revoked, s.feed.panics = s.board.Clock, s.seen, s.revoked, s.panics
	s.metrics = newMetrics(opts.Registry, s)
	if opts.Rates {
		s.limits = newLimits(opts.Tracker.Policy)
		s.metrics.watchLimits(opts.Registry, s.limits)
	}
	s.router = s.routes()
	return s
}

// seen is the moment of the store up to which everything has been heard.
func (s *Server) seen() time.Time {
	now := s.board.Clock()
	if heard := now.Add(-s.board.Silence()); heard.Unix() > 0 {
		return heard
	}
	return now // nothing has been heard yet
}

// Run keeps the board in step with the store until ctx ends.
func (s *Server) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	keep := func(where presence.Place, run func() error) {
		g.Go(func() error { return s.panics.Keep(ctx, where, run) })
	}
	heard := s.metrics.hearing(s.board, s.panics, s.tracker.Lanes())
	keep(presence.PanicInStore, func() error { return s.tracker.Run(ctx, heard) })
	keep(presence.PanicInTask, func() error { return s.board.Run(ctx) })
	g.Go(func() error { // which keeps what panics in a stream to that stream
		s.pool.Run(ctx)
		return nil
	})
	keep(presence.PanicInTask, func() error {
		s.report(ctx)
		return nil
	})
	keep(presence.PanicInTask, func() error {
		s.followRevocations(ctx)
		return nil
	})
	if err := g.Wait(); err != nil {
		return fmt.Errorf("follow the store: %w", err)
	}
	return nil
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.router.ServeHTTP(w, r) }

func (s *Server) routes() http.Handler {
	r := chi.NewRouter()
	r.Use(s.identify)
	if s.opts.Trace != nil {
		r.Use(s.opts.Trace)
	}
	r.Use(s.recoverer, bodiesInTime, answersInTime)
	if len(s.opts.Origins) > 0 {
		r.Use(cors.Handler(cors.Options{
			AllowedOrigins:   s.opts.Origins,
			AllowedMethods:   []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"},
			AllowedHeaders:   []string{"Authorization", "Content-Type", "If-Match", "Last-Event-ID", "Prefer"},
			ExposedHeaders:   []string{"Presence-Next-Ms", "ETag", "Retry-After", "RateLimit", "RateLimit-Policy", "X-Request-Id"},
			AllowCredentials: true,
			MaxAge:           600,
		}))
	}
	r.Use(s.refuseSurplus, rawPath, oneLine, s.operationsBeforeUsers, middleware.GetHead)
	r.NotFound(func(w http.ResponseWriter, r *http.Request) { s.fail(w, r, errPath()) })
	r.MethodNotAllowed(func(w http.ResponseWriter, req *http.Request) {
		if allow := allowed(r, req); allow != "" {
			s.fail(w, req, errMethod(allow))
			return
		}
		s.fail(w, req, errPath()) // chi asks for methods that it does not know before it looks for a path
	})
	r.Handle("/docs/*", s.opts.Docs)
	r.Handle("/home/*", s.opts.Home)
	all := api.HandlerWithOptions(s, api.ChiServerOptions{
		BaseRouter:       r,
		Middlewares:      []api.MiddlewareFunc{s.limited, s.authorize}, // the last comes first
		ErrorHandlerFunc: s.failParameter,
	})
	s.fixed = fixedPaths(r)
	return all
}

func errPath() *failure { return failf(api.ProblemCodeNotFound, "See /docs for what there is.") }

func errMethod(allow string) *failure {
	return &failure{code: api.ProblemCodeMethodNotAllowed, detail: "Use " + allow + ".", allow: allow}
}

// fixedPaths are the paths beneath /v1/presence/ that stand for operations without GET, and what they have instead. A GET of one would
// be taken for a look at the user of that name; he is read by ?user=.
func fixedPaths(r chi.Routes) map[string]string {
	methods := map[string][]string{}
	err := chi.Walk(r, func(method, path string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		if strings.HasPrefix(path, "/v1/presence/") && !strings.Contains(path, "{") {
			methods[path] = append(methods[path], method)
		}
		return nil
	})
	if err != nil {
		panic(err)
	}
	fixed := map[string]string{}
	for path, have := range methods {
		if !slices.Contains(have, http.MethodGet) {
			slices.Sort(have)
			fixed[path] = strings.Join(have, ", ")
		}
	}
	return fixed
}

// operationsBeforeUsers keeps the paths of operations from being taken for users. It asks for no token, as it does not for other paths and methods that
// are not there.
func (s *Server) operationsBeforeUsers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if allow, fixed := s.fixed[r.URL.RawPath]; fixed && !slices.Contains(strings.Split(allow, ", "), r.Method) {
			s.fail(w, r, errMethod(allow))
			return
		}
		if strings.HasPrefix(r.URL.RawPath, "/v1/") && strings.Contains(r.URL.RawPath, "//") {
			s.fail(w, r, errPath()) // chi would find an empty id between the slashes
			return
		}
		next.ServeHTTP(w, r)
	})
}

// rawPath makes chi match the path as it came, so that the generated code, which decodes each parameter, decodes it exactly once. Where a
// path has no unusual escapes, net/http leaves RawPath empty, and chi would match, and decode, the decoded one.
func rawPath(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.URL.RawPath = r.URL.EscapedPath()
		next.ServeHTTP(w, r)
	})
}

// oneLine makes one line of headers that are lists and may come as several, which the generated code would refuse.
func oneLine(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, name := range []string{"Prefer", "If-Match", "If-None-Match"} {
			if lines := r.Header[name]; len(lines) > 1 {
				r.Header[name] = []string{strings.Join(lines, ", ")}
			}
		}
		next.ServeHTTP(w, r)
	})
}

// allowed are the methods that a path has.
func allowed(routes chi.Routes, r *http.Request) string {
	var methods []string
	for _, m := range []string{"GET", "POST", "PUT", "PATCH", "DELETE"} {
		if routes.Match(chi.NewRouteContext(), m, r.URL.EscapedPath()) {
			methods = append(methods, m)
			if m == "GET" {
				methods = append(methods, "HEAD")
			}
		}
	}
	return strings.Join(methods, ", ")
}

// failParameter answers a request whose parameters cannot be read; one without a valid token learns only that.
func (s *Server) failParameter(w http.ResponseWriter, r *http.Request, err error) {
	err = cmp.Or(queryFailure(r), parameterFailure(err))
	if _, refused := s.admit(r); refused != nil {
		err = refused
	}
	s.fail(w, r, err)
}

// checkQuery holds the parameters of a query to the rules of the contract.
func checkQuery(r *http.Request, params any) error {
	if err := queryFailure(r); err != nil {
		return err
	}
	return validate(params)
}

// queryFailure refuses a query that net/url would read only in part.
func queryFailure(r *http.Request) error {
	if exchangeOf(r.Context()).badQuery != nil {
		return invalid("", "the query cannot be read: percent-encode it")
	}
	return nil
}

func parameterFailure(err error) error {
	name, detail := "", "cannot be read"
	switch e := err.(type) { //nolint:errorlint // the generated code does not wrap them
	case *api.InvalidParamFormatError:
		name = e.ParamName
	case *api.RequiredParamError:
		name, detail = e.ParamName, "is needed"
	case *api.RequiredHeaderError:
		name, detail = e.ParamName, "is needed"
	case *api.TooManyValuesForParamError:
		name, detail = e.ParamName, "is given more than once"
	case *api.UnescapedCookieParamError:
		name = e.ParamName
	case *api.UnmarshalingParamError:
		name = e.ParamName
	}
	return invalid("/"+name, detail)
}

type contextKey int

const (
	keyExchange contextKey = iota
	keySurplus
)

// recoverer keeps a bug in one request from ending the process.
func (s *Server) recoverer(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			v := recover()
			if v == nil {
				return
			}
			if v == http.ErrAbortHandler { //nolint:errorlint // as net/http compares it
				panic(v)
			}
			s.panics.Caught(r.Context(), presence.PanicInRequest, v, "requestId", requestID(r.Context()))
			if w.Header().Get("Content-Type") == "text/event-stream" {
				panic(http.ErrAbortHandler) // the stream has begun: its reader is told by its being cut
			}
			s.fail(w, r, fmt.Errorf("panic: %v", v))
		}()
		next.ServeHTTP(w, r)
	})
}

// authorize lets a request pass whose token grants what the contract asks for, and notes who it is.
func (s *Server) authorize(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, err := s.admit(r)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		exchangeOf(r.Context()).who = who
		next.ServeHTTP(w, r)
	})
}

// admit finds out who asks. The scopes that an operation needs come from the contract, through the generated code; one without any
// is for everybody. Who brings a ticket where one may is nobody yet: the operation has to find out, by [Server.admitTicket].
func (s *Server) admit(r *http.Request) (Identity, error) {
	needed, protected := r.Context().Value(api.BearerScopes).([]string)
	if !protected || bringsTicket(r) {
		return Identity{}, nil
	}
	who, byCookie, err := s.opts.Tokens.Authenticate(r)
	if err == nil {
		err = s.stands(r.Context(), who.User, who.Issued)
	}
	if err != nil {
		return Identity{}, err
	}
	for _, scope := range needed {
		if !who.Scopes.Has(scope) {
			return Identity{}, errScope(scope)
		}
	}
	if byCookie && !s.mayUseCookie(r) {
		return Identity{}, failf(api.ProblemCodeOriginNotAllowed, "Send the token as Authorization: Bearer, or have this page's origin listed in PRESENTLY_CORS_ORIGINS.")
	}
	return who, nil
}

func errScope(needed string) *failure {
	return &failure{code: api.ProblemCodeInsufficientScope, detail: "Get a token with the scope " + needed + ".", scope: needed}
}

// mayUseCookie tells whether a request that a browser may have sent by itself, with the cookie, comes from a page that may do that. Without CORS a page does
// not get to see the answer to what it reads; but how long it took shows, and streams that a page of a stranger opens would be those that the user's own
// are then too many of. So what a browser says is from another site may not read by the cookie either.
func (s *Server) mayUseCookie(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return r.Header.Get("Sec-Fetch-Site") != "cross-site" || slices.Contains(s.opts.Origins, origin)
	}
	scheme := "http://"
	if r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https" {
		scheme = "https://"
	}
	return origin != "" && (origin == scheme+r.Host || slices.Contains(s.opts.Origins, origin))
}

func identity(r *http.Request) Identity {
	return exchangeOf(r.Context()).who
}
