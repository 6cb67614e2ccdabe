package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"embed"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/presently/presently/handlers"
	"github.com/presently/presently/presence"
	"github.com/presently/presently/presence/memstore"
	"github.com/presently/presently/presence/redisstore"
	"github.com/presently/presently/web/docs"
	"github.com/presently/presently/web/home"
)

const (
	headerTimeout = 5 * time.Second // for the head of a request to arrive; handlers bound bodies
	idleTimeout   = 2 * time.Minute // longer than load balancers keep a connection (60 to 75 s), so that they close first
	headerBytes   = 32 << 10        // a token of 8 KiB and a stream's hundred users fit
	http2Stuck    = 5 * time.Second // for a connection of which nothing is read; a stream has a deadline of its own
	adviseEvery   = 5 * time.Second // while Redis does not answer
	lastRequests  = 5 * time.Second // for what is under way when the streams have ended
)

// runServe reads the configuration and serves until ctx ends.
func runServe(ctx context.Context, args, environ []string, stdout, stderr io.Writer) error {
	fs := flag.NewFlagSet("presently", flag.ContinueOnError)
	showVersion := fs.Bool("version", false, "")
	c, err := loadConfig(fs, args, environ)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return printHelp(stdout)
	case *showVersion:
		_, err = fmt.Fprintln(stdout, "presently", versionName())
		return err
	case err != nil:
		return err
	}
	log := newLogger(c, stderr)
	for _, w := range c.warnings {
		log.Warn(w)
	}
	return serve(ctx, c, stdout, log)
}

func newLogger(c config, w io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: c.logLevel}
	if c.logFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// serve runs one instance until ctx ends or something fails. Then the streams are moved, requests under way may end, and the store goes last.
func serve(ctx context.Context, c config, stdout io.Writer, log *slog.Logger) error {
	defer limitGarbage()()
	panics := presence.NewPanics(log)
	store, err := openStore(ctx, c, panics, log)
	if err != nil {
		return err
	}
	defer store.close()
	instance := randomName()
	traces, err := newTracing(ctx, c, instance, log)
	if err != nil {
		return err
	}
	defer traces.close()
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", c.listen)
	if err != nil {
		return fmt.Errorf("PRESENTLY_LISTEN: %w", err)
	}
	limited := limitConnections(listener, c.connections, c.connectionsEach)
	admin, err := listenAdmin(ctx, c, log)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	registry := newRegistry(c, store)
	limited.register(registry)
	hooks := newWebhooks(c, store, instance, registry, panics, log)
	presently := newHandlers(c, store.Store, instance, registry, traces, panics, log)
	// What serves outlives ctx, which only asks it to stop.
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	server := newServer(c, presently, life, log)

	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return presently.Run(life) })
	g.Go(func() error {
		return panics.Keep(life, presence.PanicInTask, func() error {
			c.tokens.Run(life, log)
			return nil
		})
	})
	g.Go(func() error { return panics.Keep(life, presence.PanicInTask, func() error { return hooks.run(life) }) })
	g.Go(func() error { return accept(server, limited) })
	g.Go(func() error { return admin.serve(presently.Operators(store.facts), serveMetrics(registry)) })
	g.Go(func() error {
		return panics.Keep(life, presence.PanicInTask, func() error {
			store.advise(life)
			return nil
		})
	})
	g.Go(func() error {
		returnMemory(life)
		return nil
	})
	g.Go(func() error {
		<-ctx.Done()
		defer end()
		log.Info("stopping", "reason", context.Cause(ctx), "drain", c.drain.String())
		return errors.Join(stop(presently, server, c.drain), admin.stop())
	})
	log.Info("serving", "version", versionName(), "address", listener.Addr().String(), "tls", c.tls != nil,
		"admin", admin.address(), "store", storeName(c), "instance", instance, "ttl", c.policy.TTL.String(), "heartbeat", c.policy.Heartbeat.String())
	if c.development {
		if err := greet(stdout, c, listener.Addr().String()); err != nil {
			log.Warn("the terminal cannot be written to", "error", err)
		}
	}
	return g.Wait()
}

func newHandlers(c config, store presence.Store, instance string, registry *prometheus.Registry, traces *tracing, panics *presence.Panics, log *slog.Logger) *handlers.Server {
	var metrics http.Handler
	if c.admin == "" {
		metrics = serveMetrics(registry)
	}
	return handlers.New(handlers.Options{
		Tracker:  &presence.Tracker{Store: traces.store(store), Policy: c.policy, Instance: instance},
		Self:     selfOf(c),
		Tokens:   c.tokens,
		Coalesce: c.coalesce, Drain: c.drain, StreamMaxAge: c.maxAge,
		Origins:  c.origins,
		Contract: contract,
		Docs:     newDocs(c),
		Home:     newHome(c),
		Log:      log,
		Panics:   panics,
		Rates:    c.rates,
		Registry: registry, Metrics: metrics, Trace: traces.middleware(),
		Operators: c.admin != "",
	})
}

// selfOf is what this instance says of itself to operators who look at another.
func selfOf(c config) presence.Instance {
	host, _ := os.Hostname() //nolint:errcheck // none, then
	return presence.Instance{Host: host, Version: versionName(), Started: time.Now(), Closes: c.closes, Webhook: c.webhookURL != ""}
}

// manual is all that is to be read at /docs, in the order that docs/order.txt gives.
//
//go:embed docs/order.txt docs/*.md docs/*/*.md client/README.md
var manual embed.FS

func newDocs(c config) http.Handler {
	o := docs.Options{Files: manual, Contract: contract}
	if c.development {
		o.Token, o.Near = c.devToken, home.AtThisMachine
	}
	return docs.Handler("/docs", o)
}

func newHome(c config) http.Handler {
	o := home.Options{Demo: c.demo, Silence: c.policy.TTL}
	if c.development {
		o.People = c.devPeople
	}
	return home.Handler(o)
}

// newServer has no WriteTimeout: it would end each stream; every write of a stream has a deadline of its own.
func newServer(c config, h http.Handler, life context.Context, log *slog.Logger) *http.Server {
	s := &http.Server{
		Handler: h, ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: headerBytes,
		BaseContext: func(net.Listener) context.Context { return life },
		ConnContext: withConnection,
		ErrorLog:    slog.NewLogLogger(log.Handler(), slog.LevelDebug), // handshakes that strangers break off
		Protocols:   new(http.Protocols),
		HTTP2:       &http.HTTP2Config{WriteByteTimeout: http2Stuck},
	}
	s.Protocols.SetHTTP1(true)
	if c.tls == nil {
		s.Protocols.SetUnencryptedHTTP2(true)
		return s
	}
	s.Protocols.SetHTTP2(true)
	c.tls.log = log
	s.TLSConfig = &tls.Config{GetCertificate: c.tls.get, MinVersion: tls.VersionTLS12}
	return s
}

func accept(s *http.Server, l net.Listener) error {
	serve := s.Serve
	if s.TLSConfig != nil {
		serve = func(l net.Listener) error { return s.ServeTLS(l, "", "") }
	}
	if err := serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}

// stop ends the streams, then everything else that is under way, and waits for neither longer than it may.
func stop(h *handlers.Server, s *http.Server, drain time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), drain+lastRequests)
	defer cancel()
	drainErr := h.Drain(ctx)
	ctx, cancel = context.WithTimeout(context.Background(), lastRequests)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		return errors.Join(drainErr, fmt.Errorf("stop serving: %w", err), s.Close())
	}
	return drainErr
}

// openedStore is a store and what is to be done with it besides using it.
type openedStore struct {
	presence.Store
	outbox presence.Outbox
	redis  *redisstore.Store     // nil: it is none
	advise func(context.Context) // tells of what works today and hurts on a bad day; returns when it has, or ctx ends
	close  func()
}

// openStore opens Redis, or the memory of this process. A Redis that does not answer yet is no reason not to start: readiness tells.
func openStore(ctx context.Context, c config, panics *presence.Panics, log *slog.Logger) (openedStore, error) {
	outbox := 0
	if c.webhookURL != "" {
		outbox = notesKept
	}
	if c.redisURL == "" {
		memory := memstore.New(memstore.Options{TTL: c.policy.TTL, Sweep: c.sweep, Outbox: outbox, Panics: panics, CloseAfterLoss: c.closes})
		return openedStore{Store: memory, outbox: memory, advise: func(context.Context) {}, close: func() {}}, nil
	}
	redisstore.LogTo(log)
	store, err := redisstore.Open(ctx, c.redisURL, redisstore.Options{
		Partitions: c.partitions, Sweep: c.sweep, TTL: c.policy.TTL, Logger: log, Outbox: outbox, Panics: panics, CloseAfterLoss: c.closes,
	})
	if err != nil {
		return openedStore{}, fmt.Errorf("PRESENTLY_REDIS_URL: %w", err)
	}
	return openedStore{
		Store: store, outbox: store, redis: store,
		advise: func(ctx context.Context) { advise(ctx, store, log) },
		close: func() {
			if err := store.Close(); err != nil {
				log.Warn("the store does not close", "error", err)
			}
		},
	}, nil
}

// advise asks until Redis answers.
func advise(ctx context.Context, store *redisstore.Store, log *slog.Logger) {
	for {
		warnings, err := store.Check(ctx)
		if err == nil {
			for _, w := range warnings {
				log.Warn("redis: " + w.String())
			}
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(adviseEvery):
		}
	}
}

func storeName(c config) string {
	if c.redisURL == "" {
		return "memory"
	}
	return "redis"
}

// randomName tells one run of one instance from all others.
func randomName() string {
	b := make([]byte, 4)
	rand.Read(b)
	return hex.EncodeToString(b)
}
