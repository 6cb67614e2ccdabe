package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"time"
)

// lastScrape is how long the operators' address waits for who is asking, when all else has ended. A profile that takes longer is cut.
const lastScrape = time.Second

// admin is the address of operators: a page that shows how the instance does, metrics and profiles, without any token. Who can reach it can learn much, and slow the instance down.
// A nil one is none.
type admin struct {
	listener net.Listener
	server   *http.Server
}

// listenAdmin takes the address, or returns nil where none is configured.
func listenAdmin(ctx context.Context, c config, log *slog.Logger) (*admin, error) {
	if c.admin == "" {
		return nil, nil
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", c.admin)
	if err != nil {
		return nil, fmt.Errorf("PRESENTLY_ADMIN_LISTEN: %w", err)
	}
	return &admin{listener, &http.Server{
		ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: headerBytes,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}}, nil
}

// serve answers until stop is called.
func (a *admin) serve(page, metrics http.Handler) error {
	if a == nil {
		return nil
	}
	mux := http.NewServeMux()
	mux.Handle("GET /{$}", page)
	mux.Handle("GET /metrics", metrics)
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("POST /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	mux.Handle("GET /debug/pprof/cmdline", http.NotFoundHandler()) // flags may be secrets
	a.server.Handler = mux
	return accept(a.server, a.listener)
}

// address is where it listens; empty: nowhere.
func (a *admin) address() string {
	if a == nil {
		return ""
	}
	return a.listener.Addr().String()
}

// stop comes last, so that the end of everything else can be watched.
func (a *admin) stop() error {
	if a == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), lastScrape)
	defer cancel()
	if err := a.server.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return a.server.Close()
}
