package e2e

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/presently/presently/api"
	"github.com/presently/presently/internal/contract"
	"github.com/presently/presently/internal/redistest"
)

// The configurations that deploy/ has for proxies are run as they are shipped, TLS included. Only addresses and files are others, and
// what the program of Debian is too old to know.

// proxyKind is a proxy that deploy/ has a configuration for.
type proxyKind struct {
	name    string
	program string // what is run, unless the environment names another
	config  string
	args    func(config, listen string) []string
	plain   bool // it has no TLS, and is good for streams alone
}

var (
	nginxKind = proxyKind{
		name: "nginx", program: "nginx", config: "nginx/nginx.conf",
		args: func(config, _ string) []string {
			return []string{"-c", config, "-p", filepath.Dir(config), "-e", "stderr", "-g", "daemon off; master_process off;"}
		},
	}
	haproxyKind = proxyKind{
		name: "haproxy", program: "haproxy", config: "haproxy/haproxy.cfg",
		args: func(config, _ string) []string { return []string{"-db", "-f", config} },
	}
	caddyKind = proxyKind{
		name: "caddy", program: "caddy", config: "caddy/Caddyfile",
		args: func(config, _ string) []string { return []string{"run", "--adapter", "caddyfile", "--config", config} },
	}
	varnishKind = proxyKind{
		name: "varnish", program: "varnishd", config: "varnish/presently.vcl", plain: true,
		args: func(config, listen string) []string {
			return []string{"-F", "-a", listen, "-f", config, "-n", filepath.Join(filepath.Dir(config), "work"), "-p", "timeout_idle=75", "-p", "http_req_size=64k", "-p", "http_req_hdr_len=40k",
				"-p", "workspace_client=192k", "-p", "workspace_backend=192k"}
		},
	}
)

// proxyKinds are those that `make setup` installs, and Varnish where PRESENTLY_TEST_VARNISH names one.
func proxyKinds() []proxyKind {
	kinds := []proxyKind{nginxKind, haproxyKind, caddyKind}
	if os.Getenv(varnishKind.env()) != "" {
		kinds = append(kinds, varnishKind)
	}
	return kinds
}

// balancers are those that do not only pass on streams.
func balancers() []proxyKind {
	return slices.DeleteFunc(proxyKinds(), func(k proxyKind) bool { return k.plain })
}

// env names the program to be run instead of the one that is installed.
func (k proxyKind) env() string { return "PRESENTLY_TEST_" + strings.ToUpper(k.name) }

// find returns the path of the program. Where it is missing the test fails: a skipped test proves nothing, and nobody sees it.
func (k proxyKind) find(t testing.TB) string {
	t.Helper()
	names := []string{k.program, "/usr/sbin/" + k.program} // Debian's is not on everyone's PATH
	if named := os.Getenv(k.env()); named != "" {
		names = []string{named}
	}
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Fatalf("no %s on this machine; `make setup` installs it", k.program)
	return ""
}

// proxied is a proxy that runs in front of two instances. The instances that it looks like to clients have no process.
type proxied struct {
	clear, secure *instance // secure is nil where the proxy has no TLS
	program       *program
}

// behind runs a proxy with its shipped configuration.
func (k proxyKind) behind(t testing.TB, a, b *instance) *proxied {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "deploy", k.config))
	if err != nil {
		t.Fatal(err)
	}
	dir, clear, secure := t.TempDir(), freeAddress(t), freeAddress(t)
	chain, key := writeCertificate(t, dir, "proxy.test")
	joined := filepath.Join(dir, "tls.pem")
	writeFile(t, joined, slices.Concat(readFile(t, chain), readFile(t, key)))
	host := func(i *instance) string { return strings.TrimPrefix(i.url, "http://") }
	split := func(address string) (host, port string) {
		host, port, _ = net.SplitHostPort(address)
		return host, port
	}
	hostA, portA := split(host(a))
	hostB, portB := split(host(b))
	conf := strings.NewReplacer(
		"presently-1:8080", host(a), "presently-2:8080", host(b),
		`.host = "presently-1"; .port = "8080"`, fmt.Sprintf(".host = %q; .port = %q", hostA, portA),
		`.host = "presently-2"; .port = "8080"`, fmt.Sprintf(".host = %q; .port = %q", hostB, portB),
		"#tls ", "",
		"listen 8080;", "listen "+clear+";", "listen 8443 ssl;", "listen "+secure+" ssl http2;", // http2 on is of nginx 1.25
		"http2 on;", "", " resolve;", ";", "/tmp/", dir+"/",
		"bind :8080", "bind "+clear, "bind :8443", "bind "+secure,
		"\n:8080 {", "\nhttps://"+secure+" {",
		"maxconn 16384", "maxconn 1000", // which needs no more files than any shell allows
		"/etc/presently/tls.pem", joined, "/etc/presently/tls.crt", chain, "/etc/presently/tls.key", key,
	).Replace(string(text))
	if k.name == "caddy" {
		conf = caddyTwice(conf, clear, secure)
	}
	config := filepath.Join(dir, filepath.Base(k.config))
	writeFile(t, config, []byte(conf))
	p := &proxied{program: run(t, k.find(t), nil, k.args(config, clear)...)}
	go func() {
		for range p.program.lines { // or its log would have no room one day
		}
	}()
	t.Cleanup(func() { p.end(t) })
	p.clear = p.listens(t, clear, &http.Transport{MaxIdleConnsPerHost: 64})
	if !k.plain {
		p.secure = p.listens(t, secure, &http.Transport{MaxIdleConnsPerHost: 64, ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}})
	}
	return p
}

// caddyTwice has Caddy serve its site in clear, too. A site has TLS or has none; the other proxies have one for both.
func caddyTwice(conf, clear, secure string) string {
	at := strings.Index(conf, "\nhttps://"+secure)
	site := strings.NewReplacer("https://"+secure, "http://"+clear, "\ttls ", "\t# tls ").Replace(conf[at:])
	return conf + site
}

// listens waits until the proxy answers, and returns what clients see there.
func (p *proxied) listens(t testing.TB, address string, transport *http.Transport) *instance {
	t.Helper()
	t.Cleanup(transport.CloseIdleConnections)
	i := &instance{t: t, url: "http://" + address, client: contract.Load(t).Recorder(t, transport).Client()}
	if transport.TLSClientConfig != nil {
		i.url = "https://" + address
	}
	waitUntil(t, "the proxy listens", func() bool {
		select {
		case <-p.program.done:
			t.Fatalf("the proxy does not run: %v\n%s", p.program.err, p.program.log)
		default:
		}
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	i.awaitReady()
	return i
}

// end ends the proxy, and sees that it has written down nothing that opens anything.
func (p *proxied) end(t testing.TB) {
	p.program.signal(syscall.SIGTERM)
	p.program.wait(2 * time.Second) // HAProxy would wait for streams
	for name, text := range map[string]string{"stdout": p.program.stdout.String(), "stderr": p.program.log.String()} {
		for _, key := range []string{".eyJ", "ticket=", "user="} {
			if strings.Contains(text, key) {
				t.Errorf("%s of the proxy has %q:\n%s", name, key, text)
				break
			}
		}
	}
	if t.Failed() {
		t.Logf("the proxy says:\n%s\n%s", p.program.log, p.program.stdout)
	}
}

// doors are the ways in that a proxy has.
func (p *proxied) doors() map[string]*instance {
	if p.secure == nil {
		return map[string]*instance{"clear": p.clear}
	}
	return map[string]*instance{"clear": p.clear, "HTTP/2": p.secure}
}

func TestShippedProxiesPassOnStreamsAndLargeHeads(t *testing.T) {
	t.Parallel()
	for _, kind := range proxyKinds() {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			a, b := startPair(t, redistest.Start(t).URL())
			for name, door := range kind.behind(t, a, b).doors() {
				t.Run(name, func(t *testing.T) {
					at := &instance{t: t, url: door.url, client: door.client}
					// A stream stays open, so that what arrives was not collected on the way.
					w := at.as("eve").watch("ada")
					at.as("ada").beat("session-1", `"state":"busy"`)
					w.told("ada", "busy")
					at.as("ada").must("DELETE", "/v1/presence/me/sessions/session-1", "")
					w.told("ada", "offline")
					// The largest head that Presently takes: a token of 8 KiB, and a hundred users.
					var users []string
					for n := range 100 {
						users = append(users, fmt.Sprintf("%0128d", n))
					}
					large := &person{at: at, user: "large", token: signClaims(t, "large", time.Hour, jwt.MapClaims{"pad": strings.Repeat("x", 5800)})}
					if n := len(large.token); n > 8<<10 || n < 7800 {
						t.Fatalf("the token has %d bytes", n)
					}
					if got := large.watch(users...); len(got.first.Presences) != len(users) {
						t.Errorf("%d in the snapshot", len(got.first.Presences))
					}
					// A body that is too large is refused by the instance: the contract has that answer.
					if r, err := at.as("eve").ask(soon(t), "POST", "/v1/presence/query", `{"x":"`+strings.Repeat("x", 1<<20)+`"}`); err != nil || r.status != 413 {
						t.Errorf("a large body: %d %s, %v", r.status, r.body, err)
					}
				})
			}
		})
	}
}

// beating is users who beat without a pause until they are told to stop.
type beating struct {
	stop   chan struct{}
	all    sync.WaitGroup
	beats  atomic.Int64
	failed atomic.Pointer[string] // the first of them
}

func startBeating(at *instance, users ...string) *beating {
	b := &beating{stop: make(chan struct{})}
	for _, user := range users {
		who := at.as(user)
		b.all.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-b.stop:
					return
				case <-time.After(10 * time.Millisecond):
				}
				state := []string{"online", "busy"}[n%2]
				if _, err := who.try("POST", "/v1/presence/heartbeat", beatBody("session-1", fmt.Sprintf(`"state":%q`, state))); err != nil {
					text := err.Error()
					b.failed.CompareAndSwap(nil, &text)
				}
				b.beats.Add(1)
			}
		})
	}
	return b
}

// more waits for so many beats.
func (b *beating) more(t testing.TB, n int64) {
	t.Helper()
	until := b.beats.Load() + n
	waitUntil(t, "they have beaten", func() bool { return b.beats.Load() >= until })
}

func (b *beating) end(t testing.TB) {
	t.Helper()
	close(b.stop)
	b.all.Wait()
	if text := b.failed.Load(); text != nil {
		t.Errorf("a beat fails: %s", *text)
	}
}

// One of two instances goes, by kill -9 or by a deployment: no beat fails, and each stream goes on at the other.
func TestBehindAShippedProxyAnInstanceMayGo(t *testing.T) {
	t.Parallel()
	for _, kind := range balancers() {
		for how, going := range map[string]func(i *instance){
			"killed":  func(i *instance) { i.kill() },
			"stopped": func(i *instance) { i.program.ask() },
		} {
			if kind.name == caddyKind.name && how == "killed" && os.Getenv(kind.env()) == "" {
				continue // Debian's 2.6 loses a POST when an instance dies over it. `make proxies` builds one that does not, which takes minutes
			}
			t.Run(kind.name+" "+how, func(t *testing.T) {
				t.Parallel()
				a, b := startPair(t, redistest.Start(t).URL(), "PRESENTLY_DRAIN=3s")
				at := kind.behind(t, a, b).clear
				beats := startBeating(at, "ada", "ben", "cyd")
				beats.more(t, 20)
				viewers := []string{"v1", "v2", "v3", "v4"}
				var streams []*watching
				for _, viewer := range viewers {
					streams = append(streams, at.as(viewer).watch("ada", "ben", "cyd"))
				}
				there := openStreams(t, a)
				if there == 0 || there == len(viewers) {
					t.Fatalf("%d of %d streams are at one of two instances", there, len(viewers))
				}
				going(a)
				for moved := 0; moved < there; {
					n := firstEnded(t, streams)
					moved++
					// A status but 200 fails the test, as it would end an EventSource for good.
					streams[n] = at.as(viewers[n]).open(streams[n].lastID(), "ada", "ben", "cyd")
				}
				beats.more(t, 100)
				beats.end(t)
				for n, w := range streams {
					if w.ended() {
						t.Errorf("stream %d has ended:\n%s", n, w.text())
					}
					for _, user := range []string{"ada", "ben", "cyd"} {
						waitUntil(t, "the stream tells of "+user, func() bool {
							return w.newest(user).Status == api.StatusOnline || w.newest(user).Status == api.StatusBusy
						})
					}
				}
			})
		}
	}
}

// openStreams is how many streams an instance has.
func openStreams(t testing.TB, i *instance) int {
	t.Helper()
	r := i.as("").must("GET", "/metrics", "")
	_, after, found := strings.Cut(string(r.body), "\npresently_streams ")
	n, _, _ := strings.Cut(after, "\n")
	count, err := strconv.Atoi(n)
	if !found || err != nil {
		t.Fatalf("no presently_streams: %v\n%s", err, r.body)
	}
	return count
}

func (w *watching) ended() bool {
	select {
	case <-w.done:
		return true
	default:
		return false
	}
}

// firstEnded waits until one of the streams has ended.
func firstEnded(t testing.TB, streams []*watching) (n int) {
	t.Helper()
	waitUntil(t, "a stream has ended", func() bool {
		n = slices.IndexFunc(streams, (*watching).ended)
		return n >= 0
	})
	return n
}

// Without Redis no instance is ready. What they answer, a problem with Retry-After, is what the client gets: the contract has it, and has no page of a proxy.
func TestAShippedProxyPassesOnWhatInstancesSayWithoutRedis(t *testing.T) {
	t.Parallel()
	for _, kind := range balancers() {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			redis := redistest.Start(t)
			a, b := startPair(t, redis.URL(), "PRESENTLY_TTL=3s", "PRESENTLY_HEARTBEAT=1s")
			at := kind.behind(t, a, b).clear
			w := at.as("eve").watch("ada")
			redis.Freeze()
			waitUntil(t, "neither is ready", func() bool { return a.readiness() != 200 && b.readiness() != 200 })
			for range 20 {
				r, err := at.as("ada").ask(soon(t), "POST", "/v1/presence/heartbeat", beatBody("session-1"))
				if err != nil || r.status != 503 || r.header.Get("Retry-After") == "" {
					t.Fatalf("a beat without Redis: %d %v %s, %v", r.status, r.header, r.body, err)
				}
				decode[api.Problem](t, r.body)
				time.Sleep(100 * time.Millisecond) // health checks go on meanwhile
			}
			redis.Thaw()
			w.ignored = []string{"degraded", "recovered"}
			at.awaitReady()
			waitUntil(t, "a beat succeeds", func() bool {
				_, err := at.as("ada").try("POST", "/v1/presence/heartbeat", beatBody("session-1"))
				return err == nil
			})
			w.told("ada", "online") // on the stream that was there all the time
		})
	}
}
