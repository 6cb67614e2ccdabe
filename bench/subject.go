//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const secret = "thirty-two bytes that nobody has to keep"

var (
	references = []string{"plain", "hijack", "raw", "chi"}
	others     = []string{"node", "socketio"} // over Redis too
)

func needsBuild(subject string) bool { return subject == "memory" || subject == "redis" }

// A run is one case with one subject.
type run struct {
	settings
	report  *report
	dir     string
	subject string

	server, redis *process
	addr          string
	redisURL      string // empty: none
	admin         string // of Presently, for profiles
	procs         []*process
}

// A process is one that is measured.
type process struct {
	*exec.Cmd
	done chan struct{}
}

// label is how the subject is called in tables.
func (r *run) label() string {
	name, _, _ := strings.Cut(r.subject, "=")
	return name
}

func (r *run) add(metric string, value float64) { r.report.add(r.label(), metric, value) }

func buildPresently(ctx context.Context, to string) error {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return fmt.Errorf("find the module: %w", err)
	}
	build := exec.CommandContext(ctx, "go", "build", "-o", to, ".")
	build.Dir, build.Env = strings.TrimSpace(string(out)), append(os.Environ(), "CGO_ENABLED=0")
	build.Stderr = os.Stderr
	return build.Run()
}

// start starts the subject, and Redis where it wants that, and waits until it is ready.
func (r *run) start(ctx context.Context, more ...string) error {
	name, _, _ := strings.Cut(r.subject, "=")
	redisURL := ""
	if strings.HasPrefix(name, "redis") || slices.Contains(others, name) {
		at, err := r.startRedis(ctx)
		if err != nil {
			return err
		}
		redisURL = "redis://" + at
	}
	var err error
	r.redisURL = redisURL
	r.server, r.addr, err = r.instance(ctx, more...)
	return err
}

// instance starts one server of the subject, over the Redis that there is.
func (r *run) instance(ctx context.Context, more ...string) (*process, string, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, "", err
	}
	name, path, other := strings.Cut(r.subject, "=")
	var cmd *exec.Cmd
	switch {
	case slices.Contains(references, name):
		self, err := os.Executable()
		if err != nil {
			return nil, "", err
		}
		cmd = exec.CommandContext(ctx, self, "reference", name)
		cmd.Env = append(os.Environ(), "BENCH_LISTEN="+addr)
	case slices.Contains(others, name):
		cmd = exec.CommandContext(ctx, "node", "server.cjs", name)
		cmd.Dir = othersDir
		cmd.Env = append(os.Environ(), "BENCH_LISTEN="+addr, "BENCH_REDIS="+r.redisURL)
	default:
		if !other {
			path = filepath.Join(r.dir, "presently")
		}
		cmd = exec.CommandContext(ctx, path)
		cmd.Env = append(os.Environ(), "PRESENTLY_LISTEN="+addr, "PRESENTLY_JWT_SECRET="+secret, "PRESENTLY_RATE_LIMIT=off", "PRESENTLY_LOG_LEVEL=error",
			"PRESENTLY_COALESCE="+r.coalesce.String(), "PRESENTLY_TTL=30m", "PRESENTLY_HEARTBEAT=30s", "PRESENTLY_STREAM_MAX_AGE=2h", "PRESENTLY_DRAIN=0s")
		cmd.Env = append(cmd.Env, more...)
		if r.redisURL != "" {
			cmd.Env = append(cmd.Env, "PRESENTLY_REDIS_URL="+r.redisURL)
		}
		if r.profile != "" && r.admin == "" {
			if r.admin, err = freeAddr(); err != nil {
				return nil, "", err
			}
			cmd.Env = append(cmd.Env, "PRESENTLY_ADMIN_LISTEN="+r.admin)
		}
	}
	p, err := r.launch(cmd)
	if err != nil {
		return nil, "", err
	}
	return p, addr, r.await(ctx, func() error {
		res, err := http.Get("http://" + addr + "/readyz")
		if err == nil {
			res.Body.Close() //nolint:errcheck // nothing was read
			if res.StatusCode != http.StatusOK {
				err = errors.New(res.Status)
			}
		}
		return err
	})
}

// othersDir is where servers of others are installed, from bench/others.
const othersDir = ".cache/bench"

// installOthers installs what package-lock.json says, unless it is there.
func installOthers(ctx context.Context) error {
	if err := os.MkdirAll(othersDir, 0o755); err != nil {
		return err
	}
	fresh := true
	for _, name := range []string{"package.json", "package-lock.json", "server.cjs"} {
		want, err := os.ReadFile(filepath.Join("bench/others", name))
		if err != nil {
			return err
		}
		got, _ := os.ReadFile(filepath.Join(othersDir, name)) //nolint:errcheck // it is not there
		fresh = fresh && (string(got) == string(want) || name == "server.cjs")
		if err := os.WriteFile(filepath.Join(othersDir, name), want, 0o644); err != nil {
			return err
		}
	}
	if _, err := os.Stat(filepath.Join(othersDir, "node_modules")); fresh && err == nil {
		return nil
	}
	npm := exec.CommandContext(ctx, "npm", "ci", "--no-fund", "--no-audit", "--loglevel=error")
	npm.Dir, npm.Stderr = othersDir, os.Stderr
	return npm.Run()
}

func (r *run) startRedis(ctx context.Context) (string, error) {
	addr, err := freeAddr()
	if err != nil {
		return "", err
	}
	_, port, _ := net.SplitHostPort(addr)
	r.redis, err = r.launch(exec.CommandContext(ctx, "redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", r.dir, "--loglevel", "warning"))
	if err != nil {
		return "", err
	}
	return addr, r.await(ctx, func() error {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close() //nolint:errcheck // nothing was written
		}
		return err
	})
}

// launch starts a process that ends with this one, whatever ends this one.
func (r *run) launch(cmd *exec.Cmd) (*process, error) {
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd, make(chan struct{})}
	go func() {
		defer close(p.done)
		cmd.Wait() //nolint:errcheck // it is killed
	}()
	r.procs = append(r.procs, p)
	return p, nil
}

func (r *run) stop() {
	for _, p := range slices.Backward(r.procs) {
		p.Process.Kill() //nolint:errcheck // it has ended
		<-p.done
	}
}

func (r *run) await(ctx context.Context, ready func() error) error {
	deadline := time.Now().Add(20 * time.Second)
	for {
		err := ready()
		if err == nil || time.Now().After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close() //nolint:errcheck // it only was to find a port
	return l.Addr().String(), nil
}

// tick is what /proc counts in, where it does not count ns: USER_HZ, the same on every Linux that Go runs on.
const tick = 10 * time.Millisecond

// cpu is what the process has used so far: by its threads, in ns, where the kernel counts that, as none of those that we start ends threads.
func (p *process) cpu() time.Duration {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", p.Process.Pid)) //nolint:errcheck // the pattern is right
	sum := int64(0)
	for _, task := range tasks {
		b, err := os.ReadFile(task)
		if err != nil {
			return p.ticks()
		}
		on, _, _ := strings.Cut(string(b), " ")
		ns, err := strconv.ParseInt(on, 10, 64)
		if err != nil {
			return p.ticks()
		}
		sum += ns
	}
	if sum == 0 {
		return p.ticks()
	}
	return time.Duration(sum)
}

func (p *process) ticks() time.Duration {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.Process.Pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	user, _ := strconv.Atoi(fields[11]) // utime, 14 in proc(5)
	sys, _ := strconv.Atoi(fields[12])
	return time.Duration(user+sys) * tick
}

// rss is the memory that the process has resident, in KiB.
func (p *process) rss() float64 {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Process.Pid))
	_, after, _ := strings.Cut(string(b), "VmRSS:")
	kib, _ := strconv.ParseFloat(strings.Fields(after + " 0")[0], 64)
	return kib
}

// usage is what everybody has used at a moment.
type usage struct {
	at                         time.Time
	server, redis, self, whole time.Duration
}

func (r *run) usage() usage {
	u := usage{at: time.Now(), self: selfCPU(), whole: machineCPU()}
	u.server = r.server.cpu()
	if r.redis != nil {
		u.redis = r.redis.cpu()
	}
	return u
}

func selfCPU() time.Duration {
	var ru syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &ru) //nolint:errcheck // it cannot fail
	return time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
}

// machineCPU is all that was not idle, on all cores.
func machineCPU() time.Duration {
	b, _ := os.ReadFile("/proc/stat")
	line, _, _ := strings.Cut(string(b), "\n")
	sum := 0
	for i, f := range strings.Fields(line)[1:] {
		if n, _ := strconv.Atoi(f); i != 3 && i != 4 && i < 8 { // idle and iowait; guests count as users
			sum += n
		}
	}
	return time.Duration(sum) * tick
}

// since tells what has been used since then, and notes how much of the machine was used by the load side, and by others.
func (r *run) since(then usage) usage {
	now := r.usage()
	d := usage{server: now.server - then.server, redis: now.redis - then.redis, self: now.self - then.self, whole: now.whole - then.whole}
	took := float64(now.at.Sub(then.at))
	if took > float64(100*time.Millisecond) { // else it is a few ticks
		r.report.note(float64(d.self)/took, float64(d.whole-d.self-d.server-d.redis)/took)
	}
	return d
}

// token is one for a user, for as long as a run can be.
func token(user string) string {
	signed, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"sub": user, "exp": time.Now().Add(3 * time.Hour).Unix()}).SignedString([]byte(secret))
	if err != nil {
		panic(err)
	}
	return signed
}
