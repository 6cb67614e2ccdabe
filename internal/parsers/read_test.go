package parsers

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/launchdarkly/eventsource"
	r3labs "github.com/r3labs/sse/v2"
	gosse "github.com/tmaxmax/go-sse"
	"gopkg.in/cenkalti/backoff.v1"
)

// seen is an event as a reader has it: name, data and the last id.
type seen [3]string

// readByAll reads a recording with every reader.
func readByAll(t *testing.T, recording []byte) map[string][]seen {
	t.Helper()
	all := readByNode(t, recording)
	all["tmaxmax/go-sse"] = readByGoSSE(t, recording)
	all["launchdarkly/eventsource"] = readByLaunchDarkly(t, recording)
	all["r3labs/sse"] = readByR3labs(t, recording)
	return all
}

func readByGoSSE(t *testing.T, recording []byte) (events []seen) {
	t.Helper()
	for e, err := range gosse.Read(bytes.NewReader(recording), &gosse.ReadConfig{MaxEventSize: 1 << 24}) {
		if err != nil {
			t.Fatalf("go-sse: %v", err)
		}
		if e.Type != "" || e.Data != "" { // it yields an event for a retry: alone, too
			events = append(events, seen{e.Type, e.Data, e.LastEventID})
		}
	}
	return events
}

func readByLaunchDarkly(t *testing.T, recording []byte) (events []seen) {
	t.Helper()
	decoder := eventsource.NewDecoder(bytes.NewReader(recording))
	for {
		e, err := decoder.Decode()
		if errors.Is(err, io.EOF) {
			return events
		}
		if err != nil {
			t.Fatalf("launchdarkly: %v", err)
		}
		events = append(events, seen{e.Event(), e.Data(), e.(eventsource.EventWithLastID).LastEventID()})
	}
}

func readByR3labs(t *testing.T, recording []byte) (events []seen) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		w.Write(recording) //nolint:errcheck // the reader will tell
	}))
	defer server.Close()
	client := r3labs.NewClient(server.URL, r3labs.ClientMaxBufferSize(1<<24))
	client.ReconnectStrategy = &backoff.StopBackOff{}
	id := ""
	err := client.SubscribeRawWithContext(t.Context(), func(e *r3labs.Event) {
		if len(e.ID) > 0 {
			id = string(e.ID) // it tells of each event its own
		}
		events = append(events, seen{string(e.Event), string(e.Data), id})
	})
	if err != nil && !errors.Is(err, io.EOF) {
		t.Fatalf("r3labs: %v", err)
	}
	return events
}

// readByNode reads with those of read.mjs, which it installs where they are missing.
func readByNode(t *testing.T, recording []byte) map[string][]seen {
	t.Helper()
	if _, err := os.Stat("node_modules/undici"); err != nil {
		if out, err := exec.CommandContext(t.Context(), "npm", "ci", "--no-fund", "--no-audit").CombinedOutput(); err != nil {
			t.Fatalf("npm ci: %v\n%s", err, out)
		}
	}
	file := filepath.Join(t.TempDir(), "recording")
	if err := os.WriteFile(file, recording, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "node", "--no-warnings", "read.mjs", file)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	all := map[string][]seen{}
	if err := cmd.Run(); err != nil {
		t.Fatalf("read.mjs: %v\n%s", err, stderr.String())
	}
	if err := json.Unmarshal(stdout.Bytes(), &all); err != nil || len(all) < 7 {
		t.Fatalf("read.mjs: %d readers, %v", len(all), err)
	}
	return all
}

// wantAgreement fails where a reader has seen other events than the rest, and returns what they have seen.
func wantAgreement(t *testing.T, recording []byte) []seen {
	t.Helper()
	all := readByAll(t, recording)
	want := all["presently-client"]
	disagreements := 0
	for reader, got := range all {
		if slices.Equal(got, want) {
			continue
		}
		disagreements++
		for i := range max(len(got), len(want)) {
			if i >= len(got) || i >= len(want) || got[i] != want[i] {
				t.Errorf("%s has %d events, our client %d; number %d is\n%q\nand\n%q", reader, len(got), len(want), i, at(got, i), at(want, i))
				break
			}
		}
	}
	t.Logf("%d bytes, %d events, %d readers, %d disagreements", len(recording), len(want), len(all), disagreements)
	return want
}

func at(events []seen, i int) seen {
	if i < len(events) {
		return events[i]
	}
	return seen{"none"}
}

// A recording with everything in it that readers are known to differ by shows that the test can fail.
func TestReadersDoDisagreeWhereTextsAreNotKeptInTheirLines(t *testing.T) {
	t.Parallel()
	all := readByAll(t, []byte("event: a\ndata: 1\rdata: 2\u2028data: 3\u0085\n\nid: \x00\ndata:\n\n"))
	same := true
	for _, got := range all {
		same = same && slices.Equal(got, all["presently-client"])
	}
	if same {
		t.Errorf("all see %q", all["presently-client"])
	}
}

const patience = 30 * time.Second
