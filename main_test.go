package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"go.uber.org/goleak"

	"github.com/presently/presently/internal/redistest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what should happen at once, on a machine that does much else.
const patience = 30 * time.Second

// instance is the program, running in this process.
type instance struct {
	t      testing.TB
	url    string
	stdout *terminal
	stderr *terminal
	stop   context.CancelFunc
	done   chan error // gets what run returned
}

// start runs the program on a free port and returns when it serves.
func start(t testing.TB, environ ...string) *instance {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	i := &instance{t: t, stdout: newTerminal(), stderr: newTerminal(), stop: stop, done: make(chan error, 1)}
	environ = append([]string{"PRESENTLY_LISTEN=127.0.0.1:0", "PRESENTLY_LOG_FORMAT=json", "PRESENTLY_DRAIN=100ms"}, environ...)
	go func() {
		err := run(ctx, nil, environ, i.stdout, i.stderr)
		i.done <- err
		i.stdout.end()
		i.stderr.end()
	}()
	t.Cleanup(func() {
		stop()
		i.wait()
	})
	serving := i.stderr.await(t, regexp.MustCompile(`"msg":"serving".*"address":"([^"]+)","tls":(true|false)`))
	i.url = map[string]string{"true": "https://", "false": "http://"}[serving[2]] + serving[1]
	return i
}

// wait waits for the end and reports how it ended, however often it is asked.
func (i *instance) wait() error {
	i.t.Helper()
	select {
	case err := <-i.done:
		i.done <- err
		return err
	case <-time.After(patience):
		i.t.Fatalf("it does not end; its log:\n%s", i.stderr)
		return nil
	}
}

// terminal is what the program writes, and where a test waits for it.
type terminal struct {
	mu      sync.Mutex // guards what follows
	written bytes.Buffer
	ended   bool
	changed chan struct{} // closed and replaced at each change
}

func newTerminal() *terminal { return &terminal{changed: make(chan struct{})} }

func (w *terminal) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	defer w.tell()
	return w.written.Write(p)
}

func (w *terminal) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = true
	w.tell()
}

func (w *terminal) tell() {
	close(w.changed)
	w.changed = make(chan struct{})
}

func (w *terminal) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.written.String()
}

// await waits until the pattern is written, and returns what its groups match.
func (w *terminal) await(t testing.TB, pattern *regexp.Regexp) []string {
	t.Helper()
	late := time.After(patience)
	for {
		w.mu.Lock()
		found, ended, changed := pattern.FindStringSubmatch(w.written.String()), w.ended, w.changed
		w.mu.Unlock()
		if found != nil {
			return found
		}
		if ended {
			t.Fatalf("it ended without writing %s:\n%s", pattern, w)
		}
		select {
		case <-changed:
		case <-late:
			t.Fatalf("it has not written %s:\n%s", pattern, w)
		}
	}
}

// runOnce runs a command that ends by itself.
func runOnce(t testing.TB, args []string, environ ...string) (stdout string, err error) {
	t.Helper()
	var out bytes.Buffer
	err = run(t.Context(), args, environ, &out, io.Discard)
	return out.String(), err
}

// client has connections of its own, which end with the test.
func client(t testing.TB) *http.Client {
	c := &http.Client{Transport: &http.Transport{}}
	t.Cleanup(c.CloseIdleConnections)
	return c
}

func status(t testing.TB, c *http.Client, url string) int {
	t.Helper()
	response, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	return response.StatusCode
}

// pasted makes the request that a shell and curl would make of one line: words are split at blanks outside of single quotes.
func pasted(t testing.TB, line string) *http.Request {
	t.Helper()
	var words []string
	for i, part := range strings.Split(line, "'") {
		if i%2 == 1 {
			words = append(words, part)
			continue
		}
		words = append(words, strings.Fields(part)...)
	}
	method, url, header, body := "", "", http.Header{}, io.Reader(nil)
	for i := 1; i < len(words); i++ {
		switch words[i] {
		case "-N":
		case "-H":
			i++
			name, value, _ := strings.Cut(words[i], ": ")
			header.Add(name, value)
		case "-d":
			i++
			body = strings.NewReader(words[i])
			if method == "" {
				method = http.MethodPost
			}
		case "-X":
			i++
			method = words[i]
		default:
			url = words[i]
		}
	}
	r, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	r.Header = header
	return r
}

// events reads a stream: lines "event: data", without the rest.
func events(t testing.TB, body io.Reader) func() (string, error) {
	lines := bufio.NewScanner(body)
	return func() (string, error) {
		name := ""
		for lines.Scan() {
			field, value, _ := strings.Cut(lines.Text(), ": ")
			switch field {
			case "event":
				name = value
			case "data":
				return name + ": " + value, nil
			}
		}
		return "", errors.Join(lines.Err(), io.EOF)
	}
}

// until reads events up to one that has all the words.
func until(t testing.TB, next func() (string, error), words ...string) string {
	t.Helper()
	var seen []string
	for {
		e, err := next()
		if err != nil {
			t.Fatalf("no event has %q: %v; there were\n%s", words, err, strings.Join(seen, "\n"))
		}
		seen = append(seen, e)
		missing := false
		for _, w := range words {
			missing = missing || !strings.Contains(e, w)
		}
		if !missing {
			return e
		}
	}
}

var curlLine = regexp.MustCompile(`(?m)^curl .*$`)

// What a newcomer does: start, paste three lines in their order, look, and wait.
func TestThreeLinesOnTheTerminalShowAdaComeAndGo(t *testing.T) {
	i := start(t, "PRESENTLY_TTL=1s", "PRESENTLY_SWEEP=20ms")
	i.stdout.await(t, regexp.MustCompile(`This token is good`))
	lines := curlLine.FindAllString(i.stdout.String(), -1)
	if len(lines) != 3 {
		t.Fatalf("there are %d curl lines, want 3:\n%s", len(lines), i.stdout)
	}
	if want := "offline after 1s"; !strings.Contains(i.stdout.String(), want) {
		t.Errorf("the terminal does not say %q", want)
	}

	c := client(t)
	stream, err := c.Do(pasted(t, lines[0]))
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Body.Close()
	next := events(t, stream.Body)
	until(t, next, "hello")
	until(t, next, "snapshot", `"status":"offline"`)
	paste(t, c, lines[1])
	until(t, next, "presence", `"status":"online"`)
	paste(t, c, lines[2])
	until(t, next, "presence", `"status":"dnd"`)
	until(t, next, "presence", `"status":"offline"`)
}

func paste(t testing.TB, c *http.Client, line string) {
	t.Helper()
	response, err := c.Do(pasted(t, line))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(response.Body)
		t.Fatalf("%s\nanswers %s: %s", line, response.Status, body)
	}
}

func TestPagesAndContractAreServed(t *testing.T) {
	i, c := start(t), client(t)
	for _, path := range []string{"/", "/docs", "/openapi.yaml", "/healthz", "/readyz"} {
		if got := status(t, c, i.url+path); got != http.StatusOK {
			t.Errorf("GET %s = %d, want 200", path, got)
		}
	}
}

func TestStreamsAreSentAwayWhenTheProcessIsAskedToStop(t *testing.T) {
	i, c := start(t, "PRESENTLY_JWT_SECRET="+testSecret), client(t)
	next := watch(t, c, i.url)
	i.stop()
	until(t, next, "reconnect", `"reason":"drain"`)
	if e, err := next(); err == nil {
		t.Errorf("after reconnect came %s, want the end", e)
	}
	if err := i.wait(); err != nil {
		t.Errorf("run = %v", err)
	}
	if _, err := c.Get(i.url + "/healthz"); err == nil {
		t.Error("it still answers")
	}
}

// watch opens a stream as ada and reads its first event.
func watch(t testing.TB, c *http.Client, url string) (next func() (string, error)) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/v1/stream?user=ada", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token(t, "--sub=ada"))
	stream, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stream.Body.Close() })
	next = events(t, stream.Body)
	until(t, next, "hello")
	return next
}

func token(t testing.TB, args ...string) string {
	t.Helper()
	out, err := runOnce(t, append([]string{"token"}, args...), "PRESENTLY_JWT_SECRET="+testSecret)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(out)
}

func TestInProductionNothingIsSaidOnTheTerminalAndTheFirstPageHasNoToken(t *testing.T) {
	i, c := start(t, "PRESENTLY_JWT_SECRET="+testSecret), client(t)
	response, err := c.Get(i.url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	page, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(page), "eyJ") || strings.Contains(string(page), "demo") {
		t.Error("the first page is that of development")
	}
	i.stop()
	i.wait()
	if i.stdout.String() != "" {
		t.Errorf("stdout = %s", i.stdout)
	}
	if !strings.Contains(i.stderr.String(), "presence is kept in the memory of this process") {
		t.Errorf("the log does not warn that memory is volatile:\n%s", i.stderr)
	}
}

func TestLogHasNoSecret(t *testing.T) {
	i := start(t, "PRESENTLY_JWT_SECRET="+testSecret, "PRESENTLY_REDIS_URL=redis://user:hunter2@127.0.0.1:1/0", "PRESENTLY_LOG_LEVEL=debug")
	i.stop()
	i.wait()
	for _, secret := range []string{testSecret, "hunter2"} {
		if strings.Contains(i.stderr.String(), secret) {
			t.Errorf("the log has %q:\n%s", secret, i.stderr)
		}
	}
}

func TestStartsWithoutItsRedisAndIsReadyOnceThatAnswers(t *testing.T) {
	redis := redistest.Start(t)
	redis.Kill()
	i, c := start(t, "PRESENTLY_JWT_SECRET="+testSecret, "PRESENTLY_REDIS_URL="+redis.URL(), "PRESENTLY_TTL=1s"), client(t)
	if got := status(t, c, i.url+"/healthz"); got != http.StatusOK {
		t.Errorf("health = %d, want 200: it does not depend on Redis", got)
	}
	becomes(t, c, i.url+"/readyz", http.StatusServiceUnavailable)
	i.stderr.await(t, regexp.MustCompile(`"level":"WARN".*redis`))

	redis.Restart()
	becomes(t, c, i.url+"/readyz", http.StatusOK)
	until(t, watch(t, c, i.url), "snapshot", `"status":"offline"`)
	i.stop()
	if err := i.wait(); err != nil {
		t.Errorf("run = %v", err)
	}
}

// An operator learns of a careless Redis on the first day, not on the bad one.
func TestLogWarnsOfARedisThatForgets(t *testing.T) {
	i := start(t, "PRESENTLY_JWT_SECRET="+testSecret, "PRESENTLY_REDIS_URL="+redistest.Start(t).URL())
	i.stderr.await(t, regexp.MustCompile(`"level":"WARN","msg":"redis: no persistence: set appendonly yes`))
}

func becomes(t testing.TB, c *http.Client, url string, want int) {
	t.Helper()
	got := 0
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if got = status(t, c, url); got == want {
			return
		}
	}
	t.Fatalf("%s = %d, want %d", url, got, want)
}

func TestRedisURLThatIsNoneIsToldWithoutItsPassword(t *testing.T) {
	_, err := runOnce(t, nil, "PRESENTLY_LISTEN=127.0.0.1:0", "PRESENTLY_JWT_SECRET="+testSecret, "PRESENTLY_REDIS_URL=redis://:hunter2@host/nonsense")
	if err == nil || !strings.Contains(err.Error(), "PRESENTLY_REDIS_URL: ") || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("run = %v", err)
	}
}

func TestPortThatIsTakenIsAnError(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = runOnce(t, nil, "PRESENTLY_LISTEN="+l.Addr().String())
	if err == nil || !strings.Contains(err.Error(), "PRESENTLY_LISTEN: ") || exitCode(err) != 1 {
		t.Errorf("run = %v", err)
	}
}

// Load balancers and browsers carry many streams over one connection where they may.
func TestHTTP2IsSpokenInClearAndOverTLS(t *testing.T) {
	k := keyPairs(t)[1].private
	cert := certificate(t, k)
	der, err := x509.MarshalPKCS8PrivateKey(k)
	secure := start(t, "PRESENTLY_TLS_CERT="+write(t, cert), "PRESENTLY_TLS_KEY="+write(t, pemBlock(t, "PRIVATE KEY", der, err)), "PRESENTLY_JWT_SECRET="+testSecret)
	clear := start(t, "PRESENTLY_JWT_SECRET="+testSecret)

	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(cert)
	for name, tt := range map[string]struct {
		url string
		set func(*http.Protocols, bool)
	}{
		"h2":  {secure.url, (*http.Protocols).SetHTTP2},
		"h2c": {clear.url, (*http.Protocols).SetUnencryptedHTTP2},
	} {
		t.Run(name, func(t *testing.T) {
			protocols := new(http.Protocols)
			tt.set(protocols, true)
			transport := &http.Transport{Protocols: protocols, TLSClientConfig: &tls.Config{RootCAs: roots}}
			defer transport.CloseIdleConnections()
			response, err := (&http.Client{Transport: transport}).Get(tt.url + "/healthz")
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			if response.ProtoMajor != 2 || response.StatusCode != http.StatusOK {
				t.Errorf("it answers %s %s", response.Proto, response.Status)
			}
			next := watch(t, &http.Client{Transport: transport}, tt.url)
			until(t, next, "snapshot")
		})
	}
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(secure.url, "https://"))
	if _, err := runOnce(t, []string{"health"}, "PRESENTLY_LISTEN=:"+port, "PRESENTLY_TLS_CERT=cert.pem"); err != nil {
		t.Errorf("health over TLS: %v", err)
	}
}

func TestHealthTellsWhetherTheInstanceServes(t *testing.T) {
	i := start(t, "PRESENTLY_JWT_SECRET="+testSecret)
	address := strings.TrimPrefix(i.url, "http://")
	_, port, _ := net.SplitHostPort(address)
	for _, listen := range []string{address, ":" + port, "0.0.0.0:" + port} {
		if _, err := runOnce(t, []string{"health"}, "PRESENTLY_LISTEN="+listen); err != nil {
			t.Errorf("listening at %s: %v", listen, err)
		}
	}
	var err error
	for limit := time.Now().Add(patience); time.Now().Before(limit); time.Sleep(10 * time.Millisecond) { // it serves before it is ready
		if _, err = runOnce(t, []string{"health", "--url", i.url + "/readyz"}); err == nil {
			break
		}
	}
	if err != nil {
		t.Errorf("--url: %v", err)
	}
	_, err = runOnce(t, []string{"health", "--url", i.url + "/nowhere"})
	if err == nil || !strings.Contains(err.Error(), "404") || exitCode(err) != 1 {
		t.Errorf("of a path that is not there: %v", err)
	}
	i.stop()
	i.wait()
	if _, err := runOnce(t, []string{"health", "--listen=" + address}); err == nil || exitCode(err) != 1 {
		t.Errorf("of an instance that has ended: %v", err)
	}
}

// The identity provider is away when the instance starts, and comes later: nobody has to start anything again.
func TestServesTokensOfAProviderOnceItsKeysAreThere(t *testing.T) {
	key := keyPairs(t)[1].private.(*ecdsa.PrivateKey)
	point, err := key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	enc := base64.RawURLEncoding.EncodeToString
	set := fmt.Sprintf(`{"keys":[{"kty":"EC","crv":"P-256","kid":"2026","use":"sig","x":%q,"y":%q}]}`, enc(point[1:33]), enc(point[33:]))
	var published atomic.Bool
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if !published.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		io.WriteString(w, set) //nolint:errcheck // a test
	}))
	defer provider.Close()
	address := strings.Replace(provider.URL, "http://", "http://me:hunter2@", 1)
	i, c := start(t, "PRESENTLY_JWKS_URL="+address+"/keys", "PRESENTLY_JWT_AUDIENCE=presently"), client(t)
	becomes(t, c, i.url+"/readyz", http.StatusServiceUnavailable)
	i.stderr.await(t, regexp.MustCompile(`"level":"WARN","msg":"the keys of tokens cannot be fetched`))

	published.Store(true)
	becomes(t, c, i.url+"/readyz", http.StatusOK)
	made := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{"sub": "ada", "aud": "presently", "exp": time.Now().Add(time.Hour).Unix()})
	made.Header["kid"] = "2026"
	token, err := made.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, i.url+"/v1/presence/me", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	response, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Errorf("a token of the provider: %s", response.Status)
	}
	i.stop()
	i.wait()
	if strings.Contains(i.stderr.String(), "hunter2") {
		t.Errorf("the log has the provider's password:\n%s", i.stderr)
	}
}

func TestTokenCommandMakesTokensThatTheServerBelieves(t *testing.T) {
	environ := []string{"PRESENTLY_JWT_SECRET=" + testSecret + testSecret, "PRESENTLY_JWT_ALGORITHMS=HS384", "PRESENTLY_JWT_ISSUER=me", "PRESENTLY_JWT_AUDIENCE=presently"}
	out, err := runOnce(t, []string{"token", "--sub", "ada", "--name=Ada", "--avatar=https://example.org/a.png", "--scope=presence:admin", "--rooms=team-*,lobby", "--ttl=2m"}, environ...)
	if err != nil {
		t.Fatal(err)
	}
	raw, rest, _ := strings.Cut(out, "\n")
	if rest != "" {
		t.Errorf("stdout has more than the token: %q", out)
	}
	id, err := loadGood(t, environ...).tokens.Verify(raw)
	if err != nil {
		t.Fatal(err)
	}
	if id.User != "ada" || id.Profile.Name != "Ada" || id.Profile.Avatar != "https://example.org/a.png" ||
		id.Scopes.String() != "presence:admin" || strings.Join(id.Rooms, " ") != "team-* lobby" {
		t.Errorf("identity = %+v", id)
	}
	if left := time.Until(id.Expires); left < time.Minute || left > 2*time.Minute {
		t.Errorf("it is good for %v, want 2m", left)
	}
}

func TestTokenCommandRefusesWhatTheServerWould(t *testing.T) {
	secret := "PRESENTLY_JWT_SECRET=" + testSecret
	tests := []struct {
		name    string
		args    []string
		environ string
		want    string
	}{
		{"no secret", []string{"--sub=ada"}, "", "PRESENTLY_JWT_SECRET is not set"},
		{"no user", nil, secret, "presently token --sub ada"},
		{"short secret", []string{"--sub=ada"}, "PRESENTLY_JWT_SECRET=short", "PRESENTLY_JWT_SECRET: HS256 needs 32 bytes"},
		{"no such scope", []string{"--sub=ada", "--scope=presence:raed"}, secret, `no scope "presence:raed"`},
		{"no user id", []string{"--sub=.."}, secret, `"sub" is not a user`},
		{"expired", []string{"--sub=ada", "--ttl=-1s"}, secret, "has expired"},
		{"no duration", []string{"--sub=ada", "--ttl=1"}, secret, "-ttl"},
		{"unknown flag", []string{"--sub=ada", "--user=ada"}, secret, "-user"},
		{"empty room", []string{"--sub=ada", "--rooms=a,,b"}, secret, `"rooms" has something`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out, err := runOnce(t, append([]string{"token"}, tt.args...), tt.environ)
			if err == nil || !strings.Contains(err.Error(), tt.want) || out != "" || exitCode(err) != 2 {
				t.Errorf("error = %v, stdout = %q; want the error to say %s", err, out, tt.want)
			}
		})
	}
}

func TestCommandsThatAreNotThereAreNamed(t *testing.T) {
	for _, command := range []string{"serve", "Token", "watch ", "presently"} {
		_, err := runOnce(t, []string{command})
		if err == nil || !strings.Contains(err.Error(), `there is no command "`+command+`"`) || exitCode(err) != 2 {
			t.Errorf("%s: %v", command, err)
		}
	}
}

func TestHelpAndVersionGoToTheTerminal(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"help"}, "PRESENTLY_REDIS_URL"},
		{[]string{"--help"}, "PRESENTLY_REDIS_URL"},
		{[]string{"-h"}, "PRESENTLY_REDIS_URL"},
		{[]string{"token", "--help"}, "--sub"},
		{[]string{"health", "--help"}, "--url"},
		{[]string{"--version"}, "presently "},
	} {
		out, err := runOnce(t, tt.args)
		if err != nil || !strings.Contains(out, tt.want) {
			t.Errorf("%v: %v\n%s", tt.args, err, out)
		}
	}
}

// Operators read logs with programs.
func TestLogIsJSONWhereAskedFor(t *testing.T) {
	i := start(t, "PRESENTLY_JWT_SECRET="+testSecret, "PRESENTLY_UNKNOWN=1")
	i.stop()
	i.wait()
	for line := range strings.Lines(i.stderr.String()) {
		if !json.Valid([]byte(line)) {
			t.Errorf("no JSON: %s", line)
		}
	}
	if !strings.Contains(i.stderr.String(), "PRESENTLY_UNKNOWN is not a setting") {
		t.Errorf("the log has no warning:\n%s", i.stderr)
	}
}
