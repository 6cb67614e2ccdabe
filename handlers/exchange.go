package handlers

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/presently/presently/api"
	"github.com/presently/presently/presence"
	"github.com/presently/presently/sse"
)

// slowRequest is what the log takes for worth telling: the store is given up after 1.5 s, and answers in a few ms.
const slowRequest = time.Second

// exchange is one request, and what is noted of its answer on the way, for one line of the log and for the metrics. It is the ResponseWriter of everything
// behind [Server.identify].
type exchange struct {
	http.ResponseWriter
	id     string
	began  time.Time
	who    Identity // whose token it is, once that is known
	users  []string // whom a list is asked for, where readQuery has read them
	status int      // 0: nothing was answered
	bytes  int64
	fault  error // ours, for the log alone
	code   api.ProblemCode
	ended  string // why a stream ended
	lasts  bool   // a stream that may outlive its handler

	badQuery error // why it could be read only in part
}

// Unwrap lets http.ResponseController reach what is beneath.
func (x *exchange) Unwrap() http.ResponseWriter { return x.ResponseWriter }

func (x *exchange) WriteHeader(status int) {
	if x.status == 0 && status >= http.StatusOK {
		x.status = status
	}
	x.ResponseWriter.WriteHeader(status)
}

func (x *exchange) Write(p []byte) (int, error) {
	if x.status == 0 {
		x.status = http.StatusOK
	}
	n, err := x.ResponseWriter.Write(p)
	x.bytes += int64(n)
	return n, err
}

// Status is that of the answer, 0 before there is one. Options.Trace may ask for it.
func (x *exchange) Status() int { return x.status }

// isStream tells what lasts from what is answered.
func (x *exchange) isStream() bool {
	return x.lasts || x.Header().Get("Content-Type") == "text/event-stream"
}

// exchangeOf is the exchange of a request; of one that has not come through [Server.identify], as in tests, one that nobody looks at.
func exchangeOf(ctx context.Context) *exchange {
	if x, ok := ctx.Value(keyExchange).(*exchange); ok {
		return x
	}
	return new(exchange)
}

// identify gives each request an id, under which the log knows it too, and tells of the request when it is over.
func (s *Server) identify(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := &exchange{ResponseWriter: w, id: randomID()}
		w.Header().Set("X-Request-Id", x.id)
		ctx := context.WithValue(r.Context(), keyExchange, x)
		if r.URL.RawQuery != "" {
			ctx = api.WithQuery(ctx, x.readQuery(r.URL))
		}
		r = r.WithContext(ctx)
		x.began = time.Now()
		defer func() { // also where the answer is broken off by a panic
			if !x.lasts {
				s.tell(subjectOf(r), x)
			}
		}()
		next.ServeHTTP(x, r)
	})
}

// readQuery is the query of a request, as far as the operations are to see it. A list of users is read here, where the generated code and the rules would go
// through it three times, by reflection: that was half of what a look at a hundred users cost. What is not taken as it is, because anything is wrong
// with it or unusual about it, is left to them; else they are shown the first user alone.
func (x *exchange) readQuery(u *url.URL) (query url.Values) {
	if u.Path == listPath && strings.Contains(u.RawQuery, "&") {
		if x.users = usersIn(u.RawQuery); x.users != nil {
			return url.Values{"user": x.users[:1:1]}
		}
	}
	query, x.badQuery = url.ParseQuery(u.RawQuery)
	return query
}

// subject is what a request asks for, without anything that is as long as the request.
type subject struct{ method, route, path string }

func subjectOf(r *http.Request) subject {
	return subject{r.Method, chi.RouteContext(r.Context()).RoutePattern(), r.URL.EscapedPath()}
}

// tellLater has nothing be told of a stream when its handler returns, but when what it returns is called. That keeps nothing of the request, and not the
// server's buffers beneath it: ten thousand streams may wait at a time.
func (s *Server) tellLater(r *http.Request, user string) (tell func(err error, bytes int64, ended string)) {
	x := exchangeOf(r.Context())
	x.lasts, x.status = true, http.StatusOK // a pool writes the answer's head itself
	of := subjectOf(r)
	of.method, of.path = strings.Clone(of.method), strings.Clone(of.path)
	later := exchange{id: x.id, began: x.began, who: Identity{User: user}, status: http.StatusOK, lasts: true}
	return func(err error, bytes int64, ended string) {
		if bug, ok := errors.AsType[*sse.PanicError](err); ok {
			s.panics.Caught(context.Background(), presence.PanicInStream, bug.Value, "requestId", later.id, "in", string(bug.Stack))
		}
		later.bytes, later.ended = bytes, ended
		s.tell(of, &later)
	}
}

// tell counts a request that is over, and writes its one line: faults of ours always, what was slow for info, all else for debug. Whose request it was, and
// of whom, is for debug alone: presence is personal, and logs are kept. The query is for nobody, it may have a ticket.
func (s *Server) tell(of subject, x *exchange) {
	took := time.Since(x.began)
	s.metrics.answered(of.method, of.route, x, took)
	ctx, level := context.Background(), x.level(took)
	if !s.log.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("requestId", x.id), slog.String("method", of.method), slog.String("route", of.route), slog.Int("status", x.status),
		slog.Float64("ms", float64(took.Microseconds())/1000), slog.Int64("bytes", x.bytes),
	}
	if x.fault != nil {
		attrs = append(attrs, slog.String("code", string(x.code)), slog.Any("error", x.fault))
	}
	if x.ended != "" {
		attrs = append(attrs, slog.String("ended", x.ended))
	}
	if s.log.Enabled(ctx, slog.LevelDebug) {
		attrs = append(attrs, slog.String("path", of.path), slog.String("user", x.who.User))
	}
	s.log.LogAttrs(ctx, level, "request", attrs...)
}

func (x *exchange) level(took time.Duration) slog.Level {
	switch {
	case x.fault != nil && x.code == api.ProblemCodeStoreUnavailable:
		return slog.LevelWarn
	case x.fault != nil:
		return slog.LevelError
	case took >= slowRequest && !x.isStream():
		return slog.LevelInfo
	}
	return slog.LevelDebug
}

func requestID(ctx context.Context) string { return exchangeOf(ctx).id }

// randomID tells things apart in logs; it opens nothing.
func randomID() string {
	const digits = "0123456789abcdef"
	var b [16]byte
	n := rand.Uint64()
	for i := range b {
		b[i] = digits[n>>(4*i)&15]
	}
	return string(b[:])
}
