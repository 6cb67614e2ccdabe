package parsers

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"crypto/hmac"
	"crypto/sha256"

	gosse "github.com/tmaxmax/go-sse"
)

// nasty are texts that some reader has taken for more than a text.
func nasty() []string {
	texts := []string{
		"data: forged", "event: forged", "id: forged", "retry: 1", ": forged", ":", " ", "  a  ", "data", `"}]}`, `","status":"dnd`, `\`, `\"`, `\n\ndata: forged\n\n`, "%0a%0adata: forged%0a%0a",
		"\n\ndata: forged\n\n", "\r\rdata: forged\r\r", "\r\n\r\ndata: forged\r\n\r\n", "a\nid: forged", "\x00", "<script>alert(1)</script>", "</script>", "<!--", "]]>", "&lt;", "'; DROP TABLE users;--", "${7*7}", "{{7*7}}", "../../etc/passwd",
		"Ada\u0301", "ﷺ", "👩‍👩‍👧‍👦", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "𐍈", "null", "undefined", "true", "NaN", "-1", "1e400", "__proto__", "constructor", "ada", "ada\u200b",
	}
	odd := []rune{0x7f, 0xa0, 0xad, 0x61c, 0x200b, 0x200c, 0x200d, 0x200e, 0x200f, 0x2028, 0x2029, 0x202a, 0x202e, 0x2060, 0x2066, 0x2069, 0x3000, 0xfeff, 0xfff9, 0xfffc, 0xfffd, 0xfffe, 0xffff, 0x1f600, 0xe0001, 0xe0100, 0xf0000, 0x10ffff}
	for c := range rune(0x20) {
		odd = append(odd, c)
	}
	for c := rune(0x80); c < 0xa0; c++ {
		odd = append(odd, c)
	}
	for _, c := range odd {
		texts = append(texts, string(c), "a"+string(c)+string(c)+"data: forged"+string(c)+string(c)+"b")
	}
	return texts
}

const secret = "a secret of more than thirty-two bytes, for readers"

// token signs what is said of a user.
func token(user string, profile map[string]string) string {
	segment := func(v any) string {
		b, _ := json.Marshal(v) //nolint:errchkjson // maps of strings
		return base64.RawURLEncoding.EncodeToString(b)
	}
	claims := map[string]any{"sub": user, "exp": time.Now().Add(time.Hour).Unix()}
	if profile != nil {
		claims["profile"] = profile
	}
	text := segment(map[string]string{"alg": "HS256"}) + "." + segment(claims)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(text))
	return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// instance is a running Presently.
type instance struct {
	*testing.T
	url string
}

var serving = regexp.MustCompile(`"msg":"serving".*?"address":"([^"]+)"`)

func start(t *testing.T) *instance {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "presently")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, ".")
	build.Dir = "../.."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	cmd := exec.CommandContext(t.Context(), binary)
	cmd.Env = []string{"HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH"), "PRESENTLY_LISTEN=127.0.0.1:0", "PRESENTLY_JWT_SECRET=" + secret,
		"PRESENTLY_RATE_LIMIT=off", "PRESENTLY_COALESCE=0s", "PRESENTLY_LOG_FORMAT=json"}
	log, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	address := make(chan string, 1)
	go func() {
		var text []byte
		b := make([]byte, 4096)
		for {
			n, err := log.Read(b)
			text = append(text, b[:n]...)
			if m := serving.FindSubmatch(text); m != nil {
				address <- string(m[1])
				io.Copy(io.Discard, log) //nolint:errcheck // until it ends
				return
			}
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		cmd.Process.Kill() //nolint:errcheck // it has ended
		cmd.Wait()         //nolint:errcheck // killed
	})
	select {
	case a := <-address:
		return &instance{t, "http://" + a}
	case <-time.After(patience):
		t.Fatal("presently does not serve")
		return nil
	}
}

// ask sends a request and returns the status. Whatever strangers send, no answer is a fault of ours.
func (i *instance) ask(token, method, path string, body any) int {
	i.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		i.Fatal(err)
	}
	req, err := http.NewRequestWithContext(i.Context(), method, i.url+path, bytes.NewReader(text))
	if err != nil {
		i.Fatal(err)
	}
	if body == nil {
		req.Body = http.NoBody
		req.ContentLength = 0
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		i.Fatal(err)
	}
	defer res.Body.Close()
	io.Copy(io.Discard, res.Body) //nolint:errcheck // its status is enough
	if res.StatusCode >= 500 {
		i.Errorf("%s %s %s: %d", method, path, text, res.StatusCode)
	}
	return res.StatusCode
}

// recorder keeps what a stream writes, and tells of its events as they come.
type recorder struct {
	mu     sync.Mutex // guards what follows
	bytes  []byte
	events chan gosse.Event
	cancel context.CancelFunc
}

func (r *recorder) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.bytes = append(r.bytes, p...)
	return len(p), nil
}

func (i *instance) open(token, query string, headers ...string) *recorder {
	i.Helper()
	ctx, cancel := context.WithCancel(i.Context())
	req, err := http.NewRequestWithContext(ctx, "GET", i.url+"/v1/stream?"+query, nil)
	if err != nil {
		i.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		i.Fatal(err)
	}
	if res.StatusCode != http.StatusOK {
		i.Fatalf("%s: %s", query, res.Status)
	}
	r := &recorder{events: make(chan gosse.Event, 1000), cancel: cancel}
	go func() {
		defer close(r.events)
		defer res.Body.Close()
		for e, err := range gosse.Read(io.TeeReader(res.Body, r), &gosse.ReadConfig{MaxEventSize: 1 << 24}) {
			if err != nil {
				return
			}
			r.events <- e
		}
	}()
	i.Cleanup(cancel)
	return r
}

// until waits for an event whose data fits, and fails where none comes.
func (i *instance) until(r *recorder, what string, fits func(data map[string]any) bool) {
	i.Helper()
	limit := time.After(patience)
	for {
		select {
		case e, open := <-r.events:
			var data map[string]any
			if !open {
				i.Fatalf("the stream has ended before it told %s", what)
			}
			if e.Data == "" {
				continue
			}
			if err := json.Unmarshal([]byte(e.Data), &data); err != nil {
				i.Fatalf("%s: %v in %q", e.Type, err, e.Data)
			}
			if fits(data) {
				return
			}
		case <-limit:
			i.Fatalf("the stream does not tell %s", what)
		}
	}
}

// rest is what was recorded, once the stream has been left.
func (r *recorder) rest() []byte {
	r.cancel()
	for range r.events {
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if end := bytes.LastIndex(r.bytes, []byte("\n\n")); end >= 0 {
		return r.bytes[:end+2] // the last event may have been cut off
	}
	return nil
}

// field finds a value in a document, by names and numbers.
func field(v any, path ...any) any {
	for _, step := range path {
		switch at := step.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[at]
		case int:
			l, _ := v.([]any)
			if at >= len(l) {
				return nil
			}
			v = l[at]
		}
	}
	return v
}

// TestNoTextForgesAnEvent says every nasty text in every field that reaches a stream. What is taken must come out in its own field, and all readers
// must see the same events; what has a control character in it must be refused.
func TestNoTextForgesAnEvent(t *testing.T) {
	t.Parallel()
	i := start(t)
	mallory := func(profile map[string]string) string { return token("mallory", profile) }
	plain := mallory(nil)
	i.ask(plain, "PUT", "/v1/presence/privacy", map[string]string{"online": "everyone", "lastSeen": "everyone", "activity": "everyone", "typing": "everyone"})
	i.ask(plain, "POST", "/v1/presence/heartbeat", map[string]any{"sessionId": "session-1"})
	watch := i.open(token("eve", nil), "user=mallory&room=lobby")

	person := func(path ...any) func(map[string]any) any {
		return func(data map[string]any) any { return field(data, append([]any{"presences", 0}, path...)...) }
	}
	beat := func(profile map[string]string) int {
		return i.ask(mallory(profile), "POST", "/v1/presence/heartbeat", map[string]any{"sessionId": "session-1"})
	}
	put := func(path string, body map[string]any) int { return i.ask(plain, "PUT", path, body) }
	fields := []struct {
		name string
		say  func(text string) int
		told func(data map[string]any) any
	}{
		{"profile.name", func(s string) int { return beat(map[string]string{"name": s}) }, person("profile", "name")},
		{"profile.avatar", func(s string) int { return beat(map[string]string{"avatar": s}) }, person("profile", "avatar")},
		{"custom.text", func(s string) int { return put("/v1/presence/custom", map[string]any{"text": s}) }, person("custom", "text")},
		{"custom.emoji", func(s string) int { return put("/v1/presence/custom", map[string]any{"text": "x", "emoji": s}) }, person("custom", "emoji")},
		{"activity.label", func(s string) int {
			return put("/v1/presence/activity", map[string]any{"sessionId": "session-1", "type": "custom", "label": s})
		}, person("activity", "label")},
		{"activity.target", func(s string) int {
			return put("/v1/presence/activity", map[string]any{"sessionId": "session-1", "type": "custom", "target": s})
		}, person("activity", "target")},
		{"threadId", func(s string) int {
			i.ask(plain, "DELETE", "/v1/rooms/lobby/typing", nil)
			return put("/v1/rooms/lobby/typing", map[string]any{"sessionId": "session-1", "threadId": s})
		}, func(data map[string]any) any {
			if len(fmt.Sprint(data["typing"])) <= 2 {
				return nil
			}
			return data["threadId"]
		}},
	}
	taken, refused := 0, 0
	var recording []byte
	for _, text := range nasty() {
		control := strings.ContainsFunc(text, unicode.IsControl)
		for _, f := range fields {
			switch status := f.say(text); {
			case status < 300 && control:
				t.Errorf("%s %q is taken, with its control characters", f.name, text)
			case status < 300:
				taken++
				i.until(watch, fmt.Sprintf("%s %q", f.name, text), func(data map[string]any) bool { return f.told(data) == any(text) })
			default:
				refused++
			}
		}
		// What names something: who one is, where one is, what one watches, where one goes on, what one is refused.
		q := url.QueryEscape(text)
		if status := i.ask(token(text, nil), "POST", "/v1/presence/heartbeat", map[string]any{"sessionId": "session-2", "rooms": []string{"attic"}}); status < 300 {
			if control {
				t.Errorf("user %q is taken", text)
			}
			taken++
			s := i.open(plain, "room=attic&user="+q)
			i.until(s, fmt.Sprintf("user %q", text), func(data map[string]any) bool { return person("userId")(data) == any(text) })
			recording = append(recording, s.rest()...)
			i.ask(token(text, nil), "DELETE", "/v1/presence/me/sessions/session-2", nil)
		}
		if status := i.ask(plain, "PUT", "/v1/rooms/"+url.PathEscape(text)+"/members/me?sessionId=session-1", nil); status < 300 {
			if control {
				t.Errorf("room %q is taken", text)
			}
			taken++
			s := i.open(plain, "room="+q)
			i.until(s, fmt.Sprintf("room %q", text), func(data map[string]any) bool { return field(data, "rooms", text) != nil })
			recording = append(recording, s.rest()...)
			i.ask(plain, "DELETE", "/v1/rooms/"+url.PathEscape(text)+"/members/me", nil)
		}
		for _, name := range []string{"device", "sessionId"} {
			body := map[string]any{"sessionId": "session-1", name: text}
			if status := i.ask(plain, "POST", "/v1/presence/heartbeat", body); status < 300 && control {
				t.Errorf("%s %q is taken", name, text)
			}
		}
		for _, query := range []string{"user=", "room=", "ticket=", "user=mallory&lastEventId=", "errors=", q + "="} {
			s := i.open(plain, "errors=stream&"+query+q)
			i.until(s, "anything", func(map[string]any) bool { return true })
			recording = append(recording, s.rest()...)
		}
		if !strings.ContainsFunc(text, func(c rune) bool { return c < ' ' || c == 0x7f }) { // else Go's client does not send it
			s := i.open(plain, "user=mallory", "Last-Event-ID: "+text)
			i.until(s, "how things stand", func(data map[string]any) bool { return data["scope"] == "all" })
			recording = append(recording, s.rest()...)
		}
	}
	recording = append(watch.rest(), recording...)

	known := []string{"hello", "snapshot", "presence", "room", "typing", "problem", "ping"}
	for _, e := range wantAgreement(t, recording) {
		if !slices.Contains(known, e[0]) || !json.Valid([]byte(e[1])) || strings.Contains(e[2], "forged") {
			t.Errorf("nobody meant this event: %q", e)
		}
	}
	t.Logf("%d texts in %d fields: %d taken, %d refused", len(nasty()), len(fields)+2, taken, refused)
}
