package lint_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// The proxy's configuration is tried with a real nginx before instances that
// say what a test wants. Two things are changed: addresses, and "resolve",
// which Debian's nginx is too old to know.

func TestProxyPassesAStreamOnAsItIsWritten(t *testing.T) {
	done := make(chan struct{})
	defer close(done)
	proxy := startProxy(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, "event: hello\n\n")
		_ = http.NewResponseController(w).Flush()
		select { // the stream stays open: what arrives was not collected
		case <-done:
		case <-r.Context().Done():
		}
	})
	for _, path := range []string{"/v1/stream?user=ada", "/v1/stream/selftest"} {
		res := proxy.do(t, "GET", path)
		line, err := bufio.NewReader(res.Body).ReadString('\n')
		if line != "event: hello\n" {
			t.Errorf("%s: first line = %q, %v", path, line, err)
		}
	}
}

// An instance ends streams that are not read. A proxy that buffers would take
// in a gigabyte for such a reader, stale by the time it is read.
func TestProxyLetsTheInstanceFeelASlowReader(t *testing.T) {
	const enough = 64 << 20 // several times what sockets hold
	total := make(chan int, 1)
	proxy := startProxy(t, func(w http.ResponseWriter, _ *http.Request) {
		control, piece, sum := http.NewResponseController(w), make([]byte, 64<<10), 0
		for sum < enough {
			_ = control.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
			n, err := w.Write(piece)
			if sum += n; err != nil {
				break
			}
		}
		total <- sum
	})
	proxy.do(t, "GET", "/v1/stream?user=ada") // and does not read
	if got := <-total; got >= enough {
		t.Errorf("the instance wrote %d bytes to a reader that reads nothing", got)
	}
}

func TestProxyKeepsConnectionsToInstances(t *testing.T) {
	var remote atomic.Value
	proxy := startProxy(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Proto != "HTTP/1.1" || r.Close {
			t.Errorf("instance sees %s, close %t", r.Proto, r.Close)
		}
		if r.Header.Get("X-Forwarded-For") != "127.0.0.1" || r.Header.Get("X-Forwarded-Proto") != "http" {
			t.Errorf("instance sees %v", r.Header)
		}
		remote.Store(r.RemoteAddr)
	})
	// One at a time, so one connection does.
	seen := map[any]bool{}
	for range 5 {
		proxy.do(t, "GET", "/v1/presence/ada")
		seen[remote.Load()] = true
	}
	if len(seen) > 2 { // one for each address that stands in for an instance
		t.Errorf("5 requests came over %d connections", len(seen))
	}
}

func TestProxyTriesAnotherInstanceForWhatMayBeRepeated(t *testing.T) {
	for _, tc := range []struct {
		method, path string
		status       int
		tries        int32
	}{
		{"POST", "/v1/presence/heartbeat", 200, 2},
		{"POST", "/v1/presence/leave", 200, 2},
		{"POST", "/v1/presence/query", 200, 2},
		{"PUT", "/v1/presence/status", 200, 2},
		{"GET", "/v1/presence/ada", 200, 2},
		{"GET", "/v1/stream?user=ada", 200, 2},
		{"POST", "/v1/subscriptions", 503, 1},
	} {
		t.Run(tc.method+" "+tc.path, func(t *testing.T) {
			var tries atomic.Int32
			proxy := startProxy(t, func(w http.ResponseWriter, r *http.Request) {
				if tries.Add(1) == 1 {
					w.WriteHeader(503)
				}
			})
			res := proxy.do(t, tc.method, tc.path)
			if res.StatusCode != tc.status || tries.Load() != tc.tries {
				t.Errorf("status %d after %d tries, want %d after %d", res.StatusCode, tries.Load(), tc.status, tc.tries)
			}
		})
	}
}

// With max_fails as it is by default, one refusal by each instance left the
// proxy with "no live upstreams" and clients with its 502 for ten seconds.
func TestProxyPassesOnARefusalByAllInstances(t *testing.T) {
	proxy := startProxy(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.Header().Set("Retry-After", "3")
		w.WriteHeader(503)
		fmt.Fprint(w, `{"code":"store_unavailable"}`)
	})
	for range 5 {
		res := proxy.do(t, "POST", "/v1/presence/heartbeat")
		body, _ := io.ReadAll(res.Body)
		if res.StatusCode != 503 || res.Header.Get("Retry-After") != "3" || !strings.Contains(string(body), "store_unavailable") {
			t.Fatalf("client sees %d %v %s", res.StatusCode, res.Header, body)
		}
	}
}

func TestProxyPassesOverAnInstanceThatIsGone(t *testing.T) {
	proxy := startProxy(t, func(http.ResponseWriter, *http.Request) {})
	proxy.second.Close()
	for range 6 {
		for _, method := range []string{"GET", "POST"} {
			if res := proxy.do(t, method, "/v1/presence/status"); res.StatusCode != 200 {
				t.Errorf("%s: %s", method, res.Status)
			}
		}
	}
}

func TestProxyLeavesTheRefusalOfALargeBodyToTheInstance(t *testing.T) {
	proxy := startProxy(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(413)
		fmt.Fprint(w, "problem")
	})
	res := proxy.send(t, "POST", "/v1/presence/query", strings.NewReader(strings.Repeat("x", 1<<20+1)))
	if body, _ := io.ReadAll(res.Body); string(body) != "problem" {
		t.Errorf("client sees %d %s", res.StatusCode, body)
	}
}

type proxy struct {
	url, log      string
	first, second *httptest.Server
}

// startProxy runs nginx as an unprivileged user, as compose.yaml does, before
// two instances that both answer as instance does.
func startProxy(t *testing.T, instance http.HandlerFunc) *proxy {
	t.Helper()
	p := &proxy{first: httptest.NewServer(instance), second: httptest.NewServer(instance)}
	t.Cleanup(p.first.Close)
	t.Cleanup(p.second.Close)
	// Not t.TempDir, whose parent is closed to other users.
	dir, err := os.MkdirTemp("", "presently-proxy-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	addr := freeAddr(t)
	conf := strings.NewReplacer(
		"presently-1:8080", p.first.Listener.Addr().String(),
		"presently-2:8080", p.second.Listener.Addr().String(),
		" resolve;", ";",
		"listen 8080", "listen "+addr,
		"/tmp/", dir+"/",
	).Replace(read(t, "deploy/nginx/nginx.conf"))
	p.url, p.log = "http://"+addr, filepath.Join(dir, "log")
	runNginx(t, dir, conf, addr)
	return p
}

func runNginx(t *testing.T, dir, conf, addr string) {
	t.Helper()
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(conf), 0o644); err != nil {
		t.Fatal(err)
	}
	logFile, err := os.OpenFile(filepath.Join(dir, "log"), os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o666)
	if err != nil {
		t.Fatal(err)
	}
	defer logFile.Close()
	cmd := exec.Command(nginx(t), "-c", file, "-p", dir, "-e", "stderr", "-g", "daemon off;")
	cmd.Stdout, cmd.Stderr = logFile, logFile
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	if os.Getuid() == 0 {
		const nobody = 65534
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
		for _, name := range []string{dir, logFile.Name()} {
			if err := os.Chown(name, nobody, nobody); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // the master ends its workers
		<-ended
		if t.Failed() {
			b, _ := os.ReadFile(logFile.Name())
			t.Logf("nginx says:\n%s", b)
		}
	})
	awaitListener(t, addr, ended)
}

func nginx(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"nginx", "/usr/sbin/nginx"} { // Debian's is not on everyone's PATH
		if bin, err := exec.LookPath(name); err == nil {
			return bin
		}
	}
	t.Fatal("no nginx on this machine; `make setup` installs it")
	return ""
}

func awaitListener(t *testing.T, addr string, ended <-chan struct{}) {
	t.Helper()
	limit := time.After(20 * time.Second)
	for {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			_ = conn.Close()
			return
		}
		select {
		case <-ended:
			t.Fatal("nginx ended by itself")
		case <-limit:
			t.Fatalf("nginx does not listen: %v", err)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func (p *proxy) do(t *testing.T, method, path string) *http.Response {
	t.Helper()
	var body io.Reader
	if method != "GET" {
		body = strings.NewReader("{}")
	}
	return p.send(t, method, path, body)
}

func (p *proxy) send(t *testing.T, method, path string, body io.Reader) *http.Response {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, method, p.url+path, body)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	return res
}

// A request that the proxy takes for one and an instance for two is how strangers get their words into others' requests. Whatever is sent, an instance
// is asked just what the proxy thinks it has asked.
func TestProxyAndInstanceAgreeWhereARequestEnds(t *testing.T) {
	var mu sync.Mutex
	var asked []string
	proxy := startProxy(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, r.Method+" "+r.URL.Path)
	})
	const (
		hidden = "GET /hidden HTTP/1.1\r\nHost: x\r\n\r\n"
		head   = "POST /v1/presence/heartbeat HTTP/1.1\r\nHost: x\r\n"
		chunks = "Transfer-Encoding: chunked\r\n"
	)
	length := fmt.Sprintf("Content-Length: %d\r\n", len(hidden)+5)
	for _, sent := range []string{
		head + length + chunks + "\r\n0\r\n\r\n" + hidden,
		head + chunks + length + "\r\n0\r\n\r\n" + hidden,
		head + "Content-Length: 3\r\n" + length + "\r\nabc" + hidden,
		head + "Content-Length: 3, 3\r\n\r\nabc" + hidden,
		head + "Content-Length: +3\r\n\r\nabc" + hidden,
		head + "Content-Length : 3\r\n\r\nabc" + hidden,
		head + "Content-Length: 0\r\n" + "Content-Length: 0\r\n\r\n" + hidden,
		head + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + hidden,
		head + "Transfer-Encoding: xchunked\r\n" + length + "\r\n0\r\n\r\n" + hidden,
		head + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + hidden,
		head + "Transfer-Encoding: identity, chunked\r\n" + length + "\r\n0\r\n\r\n" + hidden,
		head + "Transfer-Encoding:\vchunked\r\n" + length + "\r\n0\r\n\r\n" + hidden,
		head + "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n" + hidden,
		head + "X: y\r\n Transfer-Encoding: chunked\r\n" + length + "\r\n0\r\n\r\n" + hidden,
		head + "X: y\rTransfer-Encoding: chunked\r\n" + length + "\r\n0\r\n\r\n" + hidden,
		head + "X: y\nTransfer-Encoding: chunked\n" + "\r\n0\r\n\r\n" + hidden,
		head + chunks + "\r\n0\n\n" + hidden,
		head + chunks + "\r\n1;a\nb\r\nx\r\n0\r\n\r\n" + hidden,
		head + chunks + "\r\n1\rx\r\n0\r\n\r\n" + hidden,
		head + chunks + "\r\n0x1\r\nx\r\n0\r\n\r\n" + hidden,
		head + chunks + "\r\n-1\r\nx\r\n0\r\n\r\n" + hidden,
		head + chunks + "\r\n1ffffffffffffffff\r\nx\r\n0\r\n\r\n" + hidden,
		head + chunks + "\r\n3\r\nabcd\r\n0\r\n\r\n" + hidden,
		head + chunks + "\r\n0\r\nX: y\r\n\r\n" + hidden,
		strings.Replace(head, "1.1", "1.0", 1) + chunks + "\r\n0\r\n\r\n" + hidden,
		strings.Replace(head, "POST", "GET", 1) + length + "\r\n" + hidden + "abcde" + hidden,
		strings.Replace(head, "POST", "HEAD", 1) + length + "\r\n" + hidden + "abcde" + hidden,
		strings.Replace(head, "POST", "DELETE", 1) + chunks + "\r\n0\r\n\r\n" + hidden,
		head + "Expect: 100-continue\r\n" + length + "\r\n" + hidden + "abcde" + hidden,
		head + "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n" + length + "\r\n" + hidden + "abcde" + hidden,
		head + "Connection: Content-Length\r\n" + length + "\r\n" + hidden + "abcde" + hidden,
	} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(proxy.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		_, _ = io.WriteString(conn, sent+"GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		_, _ = io.Copy(io.Discard, conn)
		_ = conn.Close()
	}
	mu.Lock()
	defer mu.Unlock()
	differ := func() (differences []string) {
		log, err := os.ReadFile(proxy.log)
		if err != nil {
			t.Fatal(err)
		}
		counted := map[string]int{} // how often the proxy passed each on
		for _, m := range passedOn.FindAllStringSubmatch(string(log), -1) {
			counted[m[1]]++
		}
		for _, request := range asked {
			counted[request]--
		}
		for request, n := range counted {
			if n != 0 {
				differences = append(differences, fmt.Sprintf("%s: the proxy passed on %d more than instances were asked", request, n))
			}
		}
		return differences
	}
	for limit := time.Now().Add(10 * time.Second); len(differ()) > 0 && time.Now().Before(limit); { // it writes its log after the answer
		time.Sleep(5 * time.Millisecond)
	}
	for _, difference := range differ() {
		t.Error(difference)
	}
	if len(asked) < 10 {
		t.Errorf("only %d requests were passed on: %q", len(asked), asked)
	}
}

// passedOn is a line of the log that has the address of an instance at its end.
var passedOn = regexp.MustCompile(`"(\w+ [^"]*)" \d+ \d+ [\d.]+s [\d.]+:\d+`)
