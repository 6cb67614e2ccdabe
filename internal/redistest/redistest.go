// Package redistest starts real redis-server processes for tests.
//
// A store that is only tested against an imitation of Redis is tested against
// our idea of Redis. A real server is ready in some 30 ms, so every test that
// needs one starts its own, and may kill, freeze, empty or restart it without
// asking its neighbours.
//
//	s := redistest.Start(t)                     // one server
//	c := redistest.StartCluster(t, 3, 1)        // three masters, a replica each
//	n := redistest.StartSentinel(t, 1)          // a master, a replica, three sentinels
//
// # Promised
//
// Servers listen on 127.0.0.1 only, on a port that no other test binary of
// this package uses at the same time, and keep that port over [Server.Restart].
// Nothing is persisted unless arguments ask for it. When the test ends the
// server is gone, and it also ends when the test binary is killed. A test that
// fails shows the end of the server's log.
//
// A missing redis-server fails the test: a skipped test proves nothing and
// nobody sees it. `make setup` installs it.
//
// # Not promised
//
// The methods that end, freeze and start a server are for one goroutine at a
// time. Methods without a testing.TB of their own fail the test that started
// the server.
package redistest

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// startLimit is generous because two noisy cores may be running three
	// other test binaries under the race detector.
	startLimit = 20 * time.Second
	stopLimit  = 5 * time.Second
	logTail    = 1 << 10 // bytes shown of each server when a test fails
)

// Server is one redis-server process, and what replaces it after a restart.
type Server struct {
	t    testing.TB
	name string // "redis" or "sentinel", for messages
	dir  string // working directory: configuration, log, data
	port int
	conf string   // first content of the configuration file
	args []string // the caller's, which win over conf

	proc *process
}

// Start runs a redis-server with the extra command line arguments args, such
// as "--appendonly", "yes", and returns when it answers. It ends with t.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	s := launch(t, "", args...)
	s.awaitReady()
	return s
}

// launch is Start without the wait, so that a group comes up side by side.
// The lines of conf, unlike args, stay over a restart with other arguments,
// and Redis rewrites them where a sentinel gives it another role.
func launch(t testing.TB, conf string, args ...string) *Server {
	t.Helper()
	s := &Server{t: t, name: "redis", dir: t.TempDir(), port: reservePort(t), args: args}
	// DEBUG SLEEP and its like are how faults are played. The delay, 5 s by
	// default, is for more replicas to share a first copy.
	s.conf = fmt.Sprintf(`port %d
bind 127.0.0.1
dir %q
daemonize no
save ""
appendonly no
enable-debug-command local
repl-diskless-sync-delay 0
%s`, s.port, s.dir, conf)
	s.spawn()
	t.Cleanup(s.cleanup)
	return s
}

func (s *Server) spawn() {
	s.t.Helper()
	bin, err := exec.LookPath("redis-server")
	if err != nil {
		s.t.Fatalf("redistest: no redis-server on this machine; `make setup` installs it (%v)", err)
	}
	if err := s.writeConf(); err != nil {
		s.t.Fatalf("redistest: write configuration: %v", err)
	}
	log, err := os.OpenFile(s.logPath(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		s.t.Fatalf("redistest: open log: %v", err)
	}
	defer log.Close() // the process has its own copy
	cmd := exec.Command(bin, append([]string{s.confPath()}, s.args...)...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Dir = s.dir
	if s.proc, err = begin(cmd); err != nil {
		s.t.Fatalf("redistest: start %s: %v", bin, err)
	}
}

// writeConf keeps a file that is there: it holds what Redis or a sentinel has
// written since.
func (s *Server) writeConf() error {
	if _, err := os.Stat(s.confPath()); err == nil {
		return nil
	}
	return os.WriteFile(s.confPath(), []byte(s.conf), 0o600)
}

func (s *Server) confPath() string { return filepath.Join(s.dir, s.name+".conf") }
func (s *Server) logPath() string  { return filepath.Join(s.dir, "server.log") }

// awaitReady returns when the server answers PING, which it does only after
// its data is loaded.
func (s *Server) awaitReady() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	err := poll(ctx, func() error {
		if s.proc.ended() {
			return stopPolling{fmt.Errorf("it ended: %v", s.proc.err)}
		}
		return ping(ctx, s.Addr())
	})
	if err != nil {
		s.t.Fatalf("redistest: %s at %s did not come up: %v\n%s", s.name, s.Addr(), err, s.tail())
	}
}

func (s *Server) cleanup() {
	if s.t.Failed() {
		s.t.Logf("redistest: log of %s at %s ends:\n%s", s.name, s.Addr(), s.tail())
	}
	s.Kill()
}

func (s *Server) tail() string {
	b, err := os.ReadFile(s.logPath())
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, len(b)-logTail):])
}

// Addr is the server's host:port.
func (s *Server) Addr() string { return "127.0.0.1:" + strconv.Itoa(s.port) }

// Port is the server's TCP port.
func (s *Server) Port() int { return s.port }

// URL is what PRESENTLY_REDIS_URL would be, with the password where the
// server was started with "--requirepass".
func (s *Server) URL() string {
	u := url.URL{Scheme: "redis", Host: s.Addr()}
	if p := s.password(); p != "" {
		u.User = url.UserPassword("", p)
	}
	return u.String()
}

func (s *Server) password() string {
	if i := slices.Index(s.args, "--requirepass"); i >= 0 && i+1 < len(s.args) {
		return s.args[i+1]
	}
	return ""
}

// Pid is the process id of the running server, or of the last one that ran.
func (s *Server) Pid() int { return s.proc.pid }

// Kill ends the server with SIGKILL: what was not on disk is lost. Killing a
// server that has ended does nothing.
func (s *Server) Kill() { s.proc.end(syscall.SIGKILL, stopLimit) }

// Stop ends the server with SIGTERM, so that it closes its files properly.
func (s *Server) Stop() { s.proc.end(syscall.SIGTERM, stopLimit) }

// Restart starts the server again at the same address, killing it first where
// it still runs, and returns when it answers. It has the data that was on
// disk: none by default, all of it after "--appendonly", "yes", and the state
// of that moment after a SAVE. Arguments, where given, replace those of Start.
func (s *Server) Restart(args ...string) {
	s.t.Helper()
	s.Kill()
	if len(args) > 0 {
		s.args = args
	}
	s.spawn()
	s.awaitReady()
}

// RestartEmpty is Restart with nothing on disk, like a server whose volume
// was lost. A cluster node forgets its cluster.
func (s *Server) RestartEmpty(args ...string) {
	s.t.Helper()
	s.Kill()
	if err := emptyDir(s.dir); err != nil {
		s.t.Fatalf("redistest: empty %s: %v", s.dir, err)
	}
	s.Restart(args...)
}

func emptyDir(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// Freeze halts the process with SIGSTOP: connections stay open, bytes are
// accepted by the kernel, and nothing answers. Only a deadline notices.
func (s *Server) Freeze() { s.signal(syscall.SIGSTOP) }

// Thaw lets a frozen server go on where it was, with its old idea of the
// past and what was sent to it meanwhile still to be read.
func (s *Server) Thaw() { s.signal(syscall.SIGCONT) }

func (s *Server) signal(sig syscall.Signal) {
	s.t.Helper()
	if err := s.proc.signal(sig); err != nil {
		s.t.Fatalf("redistest: %v to %s at %s: %v", sig, s.name, s.Addr(), err)
	}
}

// Client returns a client of this server alone, closed when t ends.
func (s *Server) Client(t testing.TB) *redis.Client {
	t.Helper()
	c := s.client()
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// client sends nothing but what it is told to, so that command statistics
// show the caller's commands.
func (s *Server) client() *redis.Client {
	return redis.NewClient(&redis.Options{
		Addr:                     s.Addr(),
		Password:                 s.password(),
		ContextTimeoutEnabled:    true,
		DisableIdentity:          true,
		MaintNotificationsConfig: quiet,
	})
}

// do sends one command on a connection of its own and returns the answer as
// text.
func (s *Server) do(ctx context.Context, args ...any) (string, error) {
	c := s.client()
	defer c.Close()
	res, err := c.Do(ctx, args...).Text()
	if err != nil {
		words := strings.Trim(fmt.Sprintf("%v", args), "[]")
		return "", fmt.Errorf("%s at %s: %s: %w", s.name, s.Addr(), words, err)
	}
	return res, nil
}
