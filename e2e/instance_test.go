package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/presently/presently/internal/contract"
)

const (
	secret   = "end to end: a secret of more than thirty-two bytes"
	stopping = 15 * time.Second // for an instance without streams to drain, under the race detector
)

// instance is one running process of presently.
type instance struct {
	t       testing.TB
	url     string
	client  *http.Client // holds what it hears against the contract
	program *program
}

// start runs an instance with settings, such as "PRESENTLY_TTL=3s", and returns when it is ready. Nothing else is in its environment
// that could configure it.
func start(t testing.TB, settings ...string) *instance {
	t.Helper()
	i := launch(t, settings...)
	i.awaitReady()
	return i
}

// launch is start without the wait for readiness: the instance serves.
func launch(t testing.TB, settings ...string) *instance {
	t.Helper()
	return launchBuilt(t, binary, settings...)
}

// launchBuilt is launch of a program that was built in another way.
func launchBuilt(t testing.TB, program string, settings ...string) *instance {
	t.Helper()
	defaults := []string{"PRESENTLY_LISTEN=127.0.0.1:0", "PRESENTLY_LOG_FORMAT=json", "PRESENTLY_LOG_LEVEL=debug", "PRESENTLY_DRAIN=0s", "PRESENTLY_RATE_LIMIT=off"}
	i := &instance{t: t, program: run(t, program, append(defaults, settings...))}
	t.Cleanup(i.end)
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	t.Cleanup(transport.CloseIdleConnections)
	i.client = contract.Load(t).Recorder(t, transport).Client()
	select {
	case address := <-i.program.log.address:
		i.url = "http://" + address
	case <-i.program.done:
		t.Fatalf("presently does not start: %v\n%s", i.program.err, i.program.log)
	case <-time.After(patience):
		t.Fatalf("presently does not serve\n%s", i.program.log)
	}
	return i
}

// startPair runs two instances on one Redis.
func startPair(t testing.TB, redisURL string, settings ...string) (a, b *instance) {
	t.Helper()
	all := startMany(t, 2, redisURL, settings...)
	return all[0], all[1]
}

func startMany(t testing.TB, n int, redisURL string, settings ...string) []*instance {
	t.Helper()
	var all []*instance
	for range n {
		all = append(all, launch(t, append([]string{"PRESENTLY_REDIS_URL=" + redisURL, "PRESENTLY_JWT_SECRET=" + secret}, settings...)...))
	}
	for _, i := range all {
		i.awaitReady()
	}
	return all
}

func (i *instance) awaitReady() {
	i.t.Helper()
	waitUntil(i.t, "the instance is ready", func() bool { return i.readiness() == http.StatusOK })
}

// readiness is what /readyz says, or 0.
func (i *instance) readiness() int {
	response, err := i.client.Get(i.url + "/readyz")
	if err != nil {
		return 0
	}
	response.Body.Close()
	return response.StatusCode
}

// waitUntil looks again and again whether something has come to be.
func waitUntil(t testing.TB, what string, ok func() bool) {
	t.Helper()
	limit := time.Now().Add(patience)
	for !ok() {
		if time.Now().After(limit) {
			t.Fatalf("after %v it is still not so that %s", patience, what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// end asks the instance to stop, and sees to it that it ended well.
func (i *instance) end() {
	if status := i.program.stop(); status != 0 && !i.program.killed {
		i.t.Errorf("presently ends with status %d", status)
	}
	i.program.log.check(i.t)
	if i.t.Failed() {
		i.t.Logf("log of %s:\n%s", i.url, i.program.log)
	}
}

// kill is kill -9.
func (i *instance) kill() {
	i.program.killed = true
	i.program.signal(syscall.SIGKILL)
	<-i.program.done
}

// program is a process of the binary.
type program struct {
	cmd    *exec.Cmd
	log    *transcript
	stdout *bytes.Buffer // to be read after done
	lines  chan string   // of stdout, as they come; closed at the end
	done   chan struct{} // closed when the process has ended
	err    error         // how; read after done
	asked  bool          // to stop; a second time would end it at once
	killed bool          // by the test, on purpose
}

// execute runs the binary, which ends when the test does at the latest.
func execute(t testing.TB, settings []string, args ...string) *program {
	t.Helper()
	return run(t, binary, settings, args...)
}

// run is execute of a program that was built in another way.
func run(t testing.TB, path string, settings []string, args ...string) *program {
	t.Helper()
	cmd := exec.Command(path, args...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}, settings...)
	dieWithUs(cmd)
	p := &program{cmd: cmd, log: newTranscript(), stdout: &bytes.Buffer{}, lines: make(chan string, 1000), done: make(chan struct{})}
	cmd.Stderr = p.log
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // the child ends with the thread that forked it: this one is held until the child has ended
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		p.read(out)
		p.err = cmd.Wait()
		close(p.done)
	}()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.stop() })
	return p
}

func (p *program) read(out io.Reader) {
	defer close(p.lines)
	for lines := bufio.NewScanner(io.TeeReader(out, p.stdout)); lines.Scan(); {
		p.lines <- lines.Text()
	}
}

func (p *program) signal(s syscall.Signal) {
	_ = p.cmd.Process.Signal(s) // it may have ended
}

// stop asks the process to end and returns its exit status. One that does not end in time is killed, which is a status, too.
func (p *program) stop() int {
	p.ask()
	return p.wait(stopping)
}

// ask is SIGTERM.
func (p *program) ask() {
	if !p.asked {
		p.asked = true
		p.signal(syscall.SIGTERM)
	}
}

func (p *program) wait(limit time.Duration) int {
	select {
	case <-p.done:
	case <-time.After(limit):
		p.signal(syscall.SIGKILL)
		<-p.done
	}
	var exit *exec.ExitError
	if errors.As(p.err, &exit) {
		return exit.ExitCode()
	}
	return 0
}

// transcript collects a log, and finds in it where the instance serves.
type transcript struct {
	address chan string // one value, when it serves

	mu   sync.Mutex // guards what follows
	text []byte
	read int // how much has been looked at
}

func newTranscript() *transcript { return &transcript{address: make(chan string, 1)} }

func (l *transcript) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, b...)
	for {
		line, _, whole := bytes.Cut(l.text[l.read:], []byte("\n"))
		if !whole {
			return len(b), nil
		}
		l.read += len(line) + 1
		var entry struct{ Msg, Address string }
		if json.Unmarshal(line, &entry) == nil && entry.Msg == "serving" {
			l.address <- entry.Address
		}
	}
}

func (l *transcript) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.text)
}

// check fails the test where the log tells of a bug, or tells what opens something: a token, a ticket, the secret that signs them.
func (l *transcript) check(t testing.TB) {
	text := l.String()
	for _, key := range []string{".eyJ", "ticket=", secret} {
		if strings.Contains(text, key) {
			t.Errorf("the log has %q:\n%s", key, text)
			return
		}
	}
	for _, bug := range []string{"DATA RACE", "panic", "fatal error"} {
		if strings.Contains(text, bug) {
			t.Errorf("the log has a %s:\n%s", bug, text)
			return
		}
	}
}

// exits runs the binary, which is expected to end by itself, and returns its status and what it wrote.
func exits(t testing.TB, settings []string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	p := execute(t, settings, args...)
	status = p.wait(patience)
	p.log.check(t)
	return status, p.stdout.String(), p.log.String()
}

// soon is a context for what must come at once.
func soon(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func contains(text string, parts ...string) bool {
	return !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(text, part) })
}
