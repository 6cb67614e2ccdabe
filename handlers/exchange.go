package handlers

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"log/slog"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/presently/presently/api"
)

// slowRequest is what the log takes for worth telling: the store is given up after 1.5 s, and answers in a few ms.
const slowRequest = time.Second

// exchange is one request, and what is noted of its answer on the way, for one line of the log and for the metrics. It is the ResponseWriter of everything
// behind [Server.identify].
type exchange struct {
	http.ResponseWriter
	id     string
	user   string // whose token it is, once that is known
	status int    // 0: nothing was answered
	bytes  int64
	fault  error // ours, for the log alone
	code   api.ProblemCode
	ended  string // why a stream ended
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
func (x *exchange) isStream() bool { return x.Header().Get("Content-Type") == "text/event-stream" }

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
		r = r.WithContext(context.WithValue(r.Context(), keyExchange, x))
		began := time.Now()
		defer func() { // also where the answer is broken off by a panic
			took := time.Since(began)
			route := chi.RouteContext(r.Context()).RoutePattern()
			s.metrics.answered(r.Method, route, x, took)
			s.logExchange(r, route, x, took)
		}()
		next.ServeHTTP(x, r)
	})
}

// logExchange writes the one line of a request: faults of ours always, what was slow for info, all else for debug. Whose request it was, and of whom, is for
// debug alone: presence is personal, and logs are kept. The query is for nobody, it may have a ticket.
func (s *Server) logExchange(r *http.Request, route string, x *exchange, took time.Duration) {
	level := x.level(took)
	if !s.log.Enabled(r.Context(), level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("requestId", x.id), slog.String("method", r.Method), slog.String("route", route), slog.Int("status", x.status),
		slog.Float64("ms", float64(took.Microseconds())/1000), slog.Int64("bytes", x.bytes),
	}
	if x.fault != nil {
		attrs = append(attrs, slog.String("code", string(x.code)), slog.Any("error", x.fault))
	}
	if x.ended != "" {
		attrs = append(attrs, slog.String("ended", x.ended))
	}
	if s.log.Enabled(r.Context(), slog.LevelDebug) {
		attrs = append(attrs, slog.String("path", r.URL.EscapedPath()), slog.String("user", x.user))
	}
	s.log.LogAttrs(r.Context(), level, "request", attrs...)
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

func randomID() string {
	var b [8]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}
