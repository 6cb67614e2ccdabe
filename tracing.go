package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/presently/presently/presence"
)

// lastTraces is how long the collector may take for what is left when all else has ended.
const lastTraces = 3 * time.Second

// tracing makes a span of each request and of what it asks of the store, and posts them to a collector, some seconds of them at a time; what the collector does
// not take is dropped. A span tells the operation, never of whom: no path, no query, no user. Streams have none, they would end with the day.
type tracing struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
}

// newTracing sends traces to c.otlp, or returns nil where there is no collector. How many of them is the SDK's to say (OTEL_TRACES_SAMPLER): all, unless the caller
// has decided already.
func newTracing(ctx context.Context, c config, instance string, log *slog.Logger) (*tracing, error) {
	if c.otlp == "" {
		return nil, nil
	}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(c.otlp))
	if err != nil {
		return nil, fmt.Errorf("PRESENTLY_OTLP_ENDPOINT: %w", err)
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Warn("traces are lost", "error", err) }))
	p := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(resource.NewSchemaless(
		attribute.String("service.name", "presently"), attribute.String("service.version", versionName()), attribute.String("service.instance.id", instance),
	)))
	return &tracing{p, p.Tracer("github.com/presently/presently")}, nil
}

func (t *tracing) close() {
	if t == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), lastTraces)
	defer cancel()
	_ = t.provider.Shutdown(ctx) // the error handler has told
}

// middleware is what goes around requests; nil: nothing.
func (t *tracing) middleware() func(http.Handler) http.Handler {
	if t == nil {
		return nil
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !strings.HasPrefix(r.URL.Path, "/v1/") || strings.HasPrefix(r.URL.Path, "/v1/stream") {
				next.ServeHTTP(w, r)
				return
			}
			ctx := propagation.TraceContext{}.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
			ctx, span := t.tracer.Start(ctx, "request", trace.WithSpanKind(trace.SpanKindServer))
			defer func() { endRequest(span, w, r) }() // also where the answer is broken off
			next.ServeHTTP(w, r.WithContext(ctx))
		})
	}
}

// endRequest tells of a request what is known at its end: which operation it was, and how it was answered.
func endRequest(span trace.Span, w http.ResponseWriter, r *http.Request) {
	defer span.End()
	if !span.IsRecording() {
		return
	}
	if route := chi.RouteContext(r.Context()).RoutePattern(); route != "" {
		span.SetName(r.Method + " " + route)
		span.SetAttributes(attribute.String("http.request.method", r.Method), attribute.String("http.route", route))
	}
	span.SetAttributes(attribute.String("presently.request_id", w.Header().Get("X-Request-Id")))
	if x, ok := w.(interface{ Status() int }); ok && x.Status() != 0 {
		span.SetAttributes(attribute.Int("http.response.status_code", x.Status()))
		if x.Status() >= http.StatusInternalServerError {
			span.SetStatus(codes.Error, "")
		}
	}
}

// store makes spans of what requests ask of a store.
func (t *tracing) store(s presence.Store) presence.Store {
	if t == nil {
		return s
	}
	return tracedStore{s, t.tracer}
}

// tracedStore is a store that is asked within spans. What nobody requested, such as records that are read again after a gap, has none.
type tracedStore struct {
	presence.Store
	tracer trace.Tracer
}

// span begins a span within that of a request. end takes the error that the call returned.
func (s tracedStore) span(ctx context.Context, op string) (within context.Context, end func(*error)) {
	if !trace.SpanFromContext(ctx).IsRecording() {
		return ctx, func(*error) {}
	}
	ctx, span := s.tracer.Start(ctx, "store "+op, trace.WithSpanKind(trace.SpanKindClient))
	return ctx, func(err *error) {
		if *err != nil {
			span.SetStatus(codes.Error, "") // its text may have a name in it
		}
		span.End()
	}
}

// Beat implements presence.Store.
func (s tracedStore) Beat(ctx context.Context, b presence.Beat) (_ presence.Beaten, err error) {
	ctx, end := s.span(ctx, "beat")
	defer end(&err)
	return s.Store.Beat(ctx, b)
}

// Leave implements presence.Store.
func (s tracedStore) Leave(ctx context.Context, user, session string, grace time.Duration) (err error) {
	ctx, end := s.span(ctx, "leave")
	defer end(&err)
	return s.Store.Leave(ctx, user, session, grace)
}

// End implements presence.Store.
func (s tracedStore) End(ctx context.Context, user, session string) (err error) {
	ctx, end := s.span(ctx, "end")
	defer end(&err)
	return s.Store.End(ctx, user, session)
}

// Amend implements presence.Store.
func (s tracedStore) Amend(ctx context.Context, user string, cause presence.Cause, change presence.Amendment) (_ presence.Record, err error) {
	ctx, end := s.span(ctx, "amend")
	defer end(&err)
	return s.Store.Amend(ctx, user, cause, change)
}

// Lookup implements presence.Store.
func (s tracedStore) Lookup(ctx context.Context, viewer string, users []string) (_ []presence.Record, err error) {
	ctx, end := s.span(ctx, "lookup")
	defer end(&err)
	return s.Store.Lookup(ctx, viewer, users)
}

// Sessions implements presence.Store.
func (s tracedStore) Sessions(ctx context.Context, user string) (_ presence.Record, err error) {
	ctx, end := s.span(ctx, "sessions")
	defer end(&err)
	return s.Store.Sessions(ctx, user)
}

// Room implements presence.Store.
func (s tracedStore) Room(ctx context.Context, q presence.RoomQuery) (_ presence.RoomIndex, err error) {
	ctx, end := s.span(ctx, "room")
	defer end(&err)
	return s.Store.Room(ctx, q)
}

// Subscription implements presence.Store.
func (s tracedStore) Subscription(ctx context.Context, id string) (_ presence.Subscription, err error) {
	ctx, end := s.span(ctx, "subscription")
	defer end(&err)
	return s.Store.Subscription(ctx, id)
}

// PutSubscription implements presence.Store.
func (s tracedStore) PutSubscription(ctx context.Context, sub presence.Subscription) (_ presence.Version, err error) {
	ctx, end := s.span(ctx, "put subscription")
	defer end(&err)
	return s.Store.PutSubscription(ctx, sub)
}
