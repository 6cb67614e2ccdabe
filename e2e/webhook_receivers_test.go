package e2e

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The examples that people copy from take what is signed, each once, and nothing else.
func TestTheExamplesOfReceiversTakeWhatIsSigned(t *testing.T) {
	t.Parallel()
	const dir = "../deploy/webhook-receiver"
	built := filepath.Join(t.TempDir(), "receiver")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-C", dir+"/go", "-o", built, ".").CombinedOutput(); err != nil {
		t.Fatalf("the example in Go does not build: %v\n%s", err, out)
	}
	node, err := exec.LookPath("node")
	if err != nil {
		t.Fatalf("the example in JavaScript needs Node: %v", err)
	}
	for name, command := range map[string][]string{"Go": {built}, "Node": {node, dir + "/node/receiver.mjs"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			example := run(t, command[0], []string{"WEBHOOK_SECRET=" + webhookSecret}, append(command[1:], "127.0.0.1:0")...)
			address, found := strings.CutPrefix(nextLine(t, example), "listening ")
			if !found {
				t.Fatalf("it does not listen: %s", example.log)
			}
			a := start(t, "PRESENTLY_JWT_SECRET="+secret, "PRESENTLY_WEBHOOK_URL=http://"+address+"/", "PRESENTLY_WEBHOOK_SECRET="+webhookSecret)
			a.as("ada").beat("session-1")
			expectLine(t, example, "user.online user ada online")
			a.as("ada").choose("dnd")
			expectLine(t, example, "status.changed user ada dnd")
			a.as("ada").must("DELETE", "/v1/presence/me/sessions/session-1", "")
			expectLine(t, example, "user.offline user ada offline")

			post := forger{t, "http://" + address + "/"}
			good := `{"type":"user.online","timestamp":"2026-11-22T09:41:05.001Z","data":{"userId":"eve","status":"online","before":"offline","rev":7}}`
			now := time.Now()
			for what, status := range map[string]int{
				"no signature":            post.send("msg_1", now, "", good),
				"another key":             post.send("msg_1", now, signWith([]byte("not the key that they share"), "msg_1", now, good), good),
				"another body":            post.send("msg_1", now, signWith(webhookKey(t), "msg_1", now, good), strings.Replace(good, "eve", "ada", 1)),
				"another id":              post.send("msg_2", now, signWith(webhookKey(t), "msg_1", now, good), good),
				"an old one":              post.send("msg_1", now.Add(-time.Hour), signWith(webhookKey(t), "msg_1", now.Add(-time.Hour), good), good),
				"one of the future":       post.send("msg_1", now.Add(time.Hour), signWith(webhookKey(t), "msg_1", now.Add(time.Hour), good), good),
				"another way of signing":  post.send("msg_1", now, strings.Replace(signWith(webhookKey(t), "msg_1", now, good), "v1", "v2", 1), good),
				"a signature of no bytes": post.send("msg_1", now, "v1,", good),
			} {
				if status != http.StatusUnauthorized {
					t.Errorf("%s: status %d", what, status)
				}
			}
			rotated := signWith([]byte("the key that is being replaced"), "msg_1", now, good) + " " + signWith(webhookKey(t), "msg_1", now, good)
			for range 2 { // the second is a double
				if status := post.send("msg_1", now, rotated, good); status != http.StatusNoContent {
					t.Errorf("a good one: status %d", status)
				}
			}
			later := strings.Replace(good, "eve", "fay", 1)
			post.send("msg_3", now, signWith(webhookKey(t), "msg_3", now, later), later)
			expectLine(t, example, "user.online user eve online")
			expectLine(t, example, "user.online user fay online")
		})
	}
}

func nextLine(t *testing.T, p *program) string {
	t.Helper()
	select {
	case line := <-p.lines:
		return line
	case <-time.After(patience):
		t.Fatalf("it writes nothing\n%s", p.log)
		return ""
	}
}

func expectLine(t *testing.T, p *program, want string) {
	t.Helper()
	if got := strings.TrimSpace(nextLine(t, p)); got != want {
		t.Errorf("it wrote %q, want %q", got, want)
	}
}

func webhookKey(t *testing.T) []byte {
	t.Helper()
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(webhookSecret, "whsec_"))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func signWith(key []byte, id string, at time.Time, body string) string {
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%d.%s", id, at.Unix(), body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// forger posts to a receiver what it likes.
type forger struct {
	t   *testing.T
	url string
}

func (f forger) send(id string, at time.Time, signature, body string) int {
	f.t.Helper()
	request, err := http.NewRequestWithContext(f.t.Context(), http.MethodPost, f.url, strings.NewReader(body))
	if err != nil {
		f.t.Fatal(err)
	}
	request.Header.Set("webhook-id", id)
	request.Header.Set("webhook-timestamp", strconv.FormatInt(at.Unix(), 10))
	if signature != "" {
		request.Header.Set("webhook-signature", signature)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		f.t.Fatal(err)
	}
	response.Body.Close()
	return response.StatusCode
}
