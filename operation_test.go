package main

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/presently/presently/internal/redistest"
)

// adminURL is the address for operators, as the log tells it.
func (i *instance) adminURL(t testing.TB) string {
	t.Helper()
	return "http://" + i.stderr.await(t, regexp.MustCompile(`"msg":"serving".*"admin":"([^"]+)"`))[1]
}

func get(t testing.TB, c *http.Client, url string) (status int, body string) {
	t.Helper()
	response, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

func TestMetricsMoveToTheAddressForOperatorsAndProfilesAreThereAlone(t *testing.T) {
	i, c := start(t, "PRESENTLY_JWT_SECRET="+testSecret, "PRESENTLY_ADMIN_LISTEN=127.0.0.1:0"), client(t)
	admin := i.adminURL(t)
	for url, want := range map[string]int{
		i.url + "/metrics": 404, i.url + "/debug/pprof/": 404, i.url + "/debug/pprof/goroutine": 404,
		admin + "/": 200, admin + "/?user=ada&viewer=ben": 200, admin + "/metrics": 200, admin + "/debug/pprof/": 200, admin + "/debug/pprof/goroutine?debug=1": 200,
		admin + "/debug/pprof/cmdline": 404, admin + "/v1/presence/me": 404, admin + "/healthz": 404,
	} {
		if got := status(t, c, url); got != want {
			t.Errorf("GET %s = %d, want %d", url, got, want)
		}
	}
	if _, text := get(t, c, admin+"/?user=ada"); !strings.Contains(text, "There is no live session") || !strings.Contains(text, "the memory of this process") {
		t.Errorf("the page:\n%s", text)
	}
	_, text := get(t, c, admin+"/metrics")
	for _, name := range []string{"presently_build_info{", "go_goroutines ", `presently_users_by_status{status="dnd"} 0`, "presently_privacy_drops_total 0"} {
		if !strings.Contains(text, "\n"+name) {
			t.Errorf("there is no %s in the metrics:\n%s", name, text)
		}
	}
}

func TestWithoutAnAddressForOperatorsMetricsAreWithEverythingElse(t *testing.T) {
	i, c := start(t, "PRESENTLY_JWT_SECRET="+testSecret), client(t)
	if got, text := get(t, c, i.url+"/metrics"); got != http.StatusOK || !strings.Contains(text, "\npresently_streams 0\n") || strings.Contains(text, "presently_privacy_drops") {
		t.Errorf("%d %s", got, text)
	}
	if got := status(t, c, i.url+"/debug/pprof/"); got != http.StatusNotFound {
		t.Errorf("profiles: %d, want 404", got)
	}
}

// Somebody who takes a long profile does not keep the instance from ending.
func TestTheAddressForOperatorsEndsLastAndDoesNotWait(t *testing.T) {
	i, c := start(t, "PRESENTLY_JWT_SECRET="+testSecret, "PRESENTLY_ADMIN_LISTEN=127.0.0.1:0", "PRESENTLY_DRAIN=2s"), client(t)
	admin := i.adminURL(t)
	cut := make(chan error, 1)
	go func() {
		response, err := c.Get(admin + "/debug/pprof/trace?seconds=60")
		if err == nil {
			_, err = io.Copy(io.Discard, response.Body)
			response.Body.Close()
		}
		cut <- err
	}()
	next, other := watch(t, client(t), i.url), watch(t, client(t), i.url)
	i.stop()
	until(t, next, "reconnect")
	if got, text := get(t, client(t), admin+"/metrics"); got != http.StatusOK || !strings.Contains(text, "\npresently_draining 1\n") {
		t.Errorf("while it drains: %d %s", got, text)
	}
	until(t, other, "reconnect")
	if err := i.wait(); err != nil {
		t.Errorf("run = %v", err)
	}
	<-cut
}

func TestAnAddressForOperatorsThatIsTakenIsAnError(t *testing.T) {
	i := start(t, "PRESENTLY_JWT_SECRET="+testSecret)
	taken := strings.TrimPrefix(i.url, "http://")
	_, err := runOnce(t, nil, "PRESENTLY_LISTEN=127.0.0.1:0", "PRESENTLY_ADMIN_LISTEN="+taken, "PRESENTLY_JWT_SECRET="+testSecret)
	if err == nil || !strings.Contains(err.Error(), "PRESENTLY_ADMIN_LISTEN: ") {
		t.Errorf("run = %v", err)
	}
}

func TestRatesAreOnUnlessTheyAreSwitchedOff(t *testing.T) {
	for setting, want := range map[string]int{"on": http.StatusTooManyRequests, "off": http.StatusOK} {
		i, c := start(t, "PRESENTLY_JWT_SECRET="+testSecret, "PRESENTLY_RATE_LIMIT="+setting), client(t)
		last := 0
		for range 10 {
			last = i.beat(t, c, "ada")
		}
		if last != want {
			t.Errorf("rates %s: the tenth beat at once is answered %d, want %d", setting, last, want)
		}
	}
}

// beat sends a heartbeat and returns the status.
func (i *instance) beat(t testing.TB, c *http.Client, user string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, i.url+"/v1/presence/heartbeat", strings.NewReader(`{"sessionId":"session-1"}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+token(t, "--sub="+user))
	response, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	return response.StatusCode
}

// collector is where traces are posted.
type collector struct {
	*httptest.Server
	mu    sync.Mutex // guards what follows
	paths []string
	got   bytes.Buffer
}

func newCollector(t testing.TB) *collector {
	c := &collector{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.paths = append(c.paths, r.URL.Path)
		io.Copy(&c.got, r.Body) //nolint:errcheck // a test
	}))
	t.Cleanup(c.Close)
	return c
}

func TestTracesTellOfOperationsAndOfTheStoreAndOfNobody(t *testing.T) {
	traces := newCollector(t)
	i, c := start(t, "PRESENTLY_JWT_SECRET="+testSecret, "PRESENTLY_OTLP_ENDPOINT="+traces.URL), client(t)
	i.beat(t, c, "ada-lovelace")
	status(t, c, i.url+"/v1/presence/ada-lovelace?secret=hunter2")
	status(t, c, i.url+"/healthz")
	i.stop()
	if err := i.wait(); err != nil { // what is left is sent then
		t.Fatal(err)
	}
	traces.mu.Lock()
	defer traces.mu.Unlock()
	text := traces.got.String()
	for _, want := range []string{"POST /v1/presence/heartbeat", "store beat", "GET /v1/presence/{userId}", "http.response.status_code", "presently.request_id"} {
		if !strings.Contains(text, want) {
			t.Errorf("the traces do not tell of %s", want)
		}
	}
	for _, secret := range []string{"ada-lovelace", "hunter2", "eyJ", "healthz", "session-1"} {
		if strings.Contains(text, secret) {
			t.Errorf("the traces tell %s", secret)
		}
	}
	if len(traces.paths) == 0 || traces.paths[0] != "/v1/traces" {
		t.Errorf("posted to %q", traces.paths)
	}
	traces.CloseClientConnections()
}

// A collector that is away is told of, and costs nobody anything.
func TestACollectorThatIsAwayStopsNothing(t *testing.T) {
	i, c := start(t, "PRESENTLY_JWT_SECRET="+testSecret, "PRESENTLY_OTLP_ENDPOINT=http://127.0.0.1:1"), client(t)
	if got := i.beat(t, c, "ada"); got != http.StatusOK {
		t.Errorf("%d", got)
	}
	i.stop()
	if err := i.wait(); err != nil {
		t.Errorf("run = %v", err)
	}
	if !strings.Contains(i.stderr.String(), "traces are lost") {
		t.Errorf("the log says nothing of it:\n%s", i.stderr)
	}
}

// What a dashboard shows or an alert waits for has to be there: a name that is wrong is a graph without a line, and an alarm that never comes.
func TestDashboardAndAlertsNameMetricsThatAreThere(t *testing.T) {
	receiver := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(receiver.Close)
	i, c := start(t, "PRESENTLY_JWT_SECRET="+testSecret, "PRESENTLY_REDIS_URL="+redistest.Start(t).URL(), "PRESENTLY_ADMIN_LISTEN=127.0.0.1:0",
		"PRESENTLY_WEBHOOK_URL="+receiver.URL, "PRESENTLY_WEBHOOK_SECRET=whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), client(t)
	becomes(t, c, i.url+"/readyz", http.StatusOK)
	i.beat(t, c, "ada")
	watch(t, c, i.url)
	_, text := get(t, c, i.adminURL(t)+"/metrics")
	there := metricsOf(text)
	if len(there) < 40 {
		t.Fatalf("%d metrics:\n%s", len(there), text)
	}
	chain, key := certificateFiles(t)
	secure := start(t, "PRESENTLY_JWT_SECRET="+testSecret, "PRESENTLY_TLS_CERT="+chain, "PRESENTLY_TLS_KEY="+key, "PRESENTLY_ADMIN_LISTEN=127.0.0.1:0")
	_, text = get(t, c, secure.adminURL(t)+"/metrics")
	if !regexp.MustCompile(`(?m)^presently_certificate_expiry_seconds [1-9]`).MatchString(text) {
		t.Error("nothing says when the certificate expires")
	}
	there["presently_certificate_expiry_seconds"] = metricsOf(text)["presently_certificate_expiry_seconds"]
	for _, file := range []string{"deploy/grafana/dashboard.json", "deploy/prometheus/alerts.yml", "docs/operating.md", "docs/webhooks.md"} {
		named := metricsNamed(t, file)
		if len(named) < 7 {
			t.Errorf("%s names %d metrics", file, len(named))
		}
		for name, labels := range named {
			known, ok := there[name]
			if !ok && strings.HasSuffix(file, ".md") { // which may say of a histogram what it is
				known, ok = there[name+"_count"]
			}
			if !ok {
				t.Errorf("%s: there is no %s", file, name)
			}
			for label := range labels {
				if ok && !known[label] && label != "instance" && label != "job" {
					t.Errorf("%s: %s has no label %s", file, name, label)
				}
			}
		}
	}
	for _, file := range []string{"deploy/grafana/dashboard.json", "deploy/prometheus/alerts.yml"} {
		named := metricsNamed(t, file)
		for _, name := range []string{
			"presently_webhook_dead_total", "presently_webhook_oldest_seconds", "presently_webhook_paused", "presently_panics_total", "presently_after_loss_closed",
			"presently_certificate_expiry_seconds",
		} {
			if named[name] == nil {
				t.Errorf("%s has nothing of %s", file, name)
			}
		}
	}
	documented := metricsNamed(t, "docs/operating.md")
	for _, name := range slices.Sorted(maps.Keys(there)) {
		family := regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(name, "")
		if strings.HasPrefix(name, "presently_") && documented[name] == nil && documented[family] == nil {
			t.Errorf("docs/operating.md does not tell of %s", name)
		}
	}
}

var (
	sampleLine  = regexp.MustCompile(`(?m)^(\w+)(?:\{(.*)\})? [^ ]+$`)
	labelOf     = regexp.MustCompile(`(\w+)="`)
	metricName  = regexp.MustCompile(`\b((?:presently|go|process)_[a-z0-9_]+)(?:\{([^}]*)\})?`)
	labelChosen = regexp.MustCompile(`(\w+)\s*(?:=~|!~|!=|=)`)
)

// metricsOf are the names of samples, each with its labels.
func metricsOf(text string) map[string]map[string]bool {
	all := map[string]map[string]bool{}
	for _, m := range sampleLine.FindAllStringSubmatch(text, -1) {
		if all[m[1]] == nil {
			all[m[1]] = map[string]bool{}
		}
		for _, l := range labelOf.FindAllStringSubmatch(m[2], -1) {
			all[m[1]][l[1]] = true
		}
	}
	return all
}

// metricsNamed are the metrics that a file names, with the labels by which it chooses.
func metricsNamed(t testing.TB, file string) map[string]map[string]bool {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasSuffix(file, ".json") && !json.Valid(text) {
		t.Errorf("%s is no JSON", file)
	}
	all := map[string]map[string]bool{}
	for _, m := range metricName.FindAllStringSubmatch(string(text), -1) {
		if all[m[1]] == nil {
			all[m[1]] = map[string]bool{}
		}
		for _, l := range labelChosen.FindAllStringSubmatch(m[2], -1) {
			all[m[1]][l[1]] = true
		}
	}
	return all
}
