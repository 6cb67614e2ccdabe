package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/presently/presently/internal/contract"
)

// tried are the pages whose commands are run. Every block of them that is marked sh is run as it stands, in one shell for each page, against a server of its own, and what the page
// shows beneath must be what came out of it. docs/api/ has to show every operation of the contract.
var tried = []string{"quickstart.md", "errors.md", "backends.md", "privacy.md", "troubleshooting.md", "api/*.md"}

// A page of documentation that is wrong is worse than none.
func TestCommandsOfPagesDoWhatThePagesShow(t *testing.T) {
	t.Parallel()
	needCurl(t)
	if _, err := exec.LookPath("jq"); err != nil {
		t.Fatalf("the pages take answers apart with jq: apt-get install jq (%v)", err)
	}
	shown := make(chan map[string]bool, 100)
	t.Run("pages", func(t *testing.T) {
		for _, name := range triedPages(t) {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				called := tryPage(t, name)
				if strings.HasPrefix(name, "api/") {
					shown <- called
				}
			})
		}
	})
	close(shown)
	all := map[string]bool{}
	for called := range shown {
		maps.Copy(all, called)
	}
	for _, o := range contract.Load(t).Operations() {
		if !all[o] {
			t.Errorf("docs/api/ does not show %s", o)
		}
	}
}

func triedPages(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, pattern := range tried {
		found, err := filepath.Glob("../docs/" + pattern)
		if err != nil || len(found) == 0 {
			t.Fatalf("docs/%s: there is no such page (%v)", pattern, err)
		}
		for _, name := range found {
			all = append(all, strings.TrimPrefix(filepath.ToSlash(name), "../docs/"))
		}
	}
	return all
}

// tryPage runs the commands of a page, and returns which operations they called.
func tryPage(t *testing.T, name string) map[string]bool {
	text, err := os.ReadFile("../docs/" + name)
	if err != nil {
		t.Fatal(err)
	}
	// Rates are on, as they are for whoever follows the page.
	i := start(t, "PRESENTLY_JWT_SECRET="+secret, "PRESENTLY_RATE_LIMIT=on", "PRESENTLY_LOG_LEVEL=info")
	sh := newShell(t, i)
	called := map[string]bool{}
	for _, b := range blocksOf(string(text)) {
		out := sh.run(b.commands)
		sh.checkStatuses(b, called)
		sh.checkShown(b, out)
	}
	return called
}

// Whoever gets an error finds out what to do about it.
func TestErrorsPageHasEveryCode(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/errors.md")
	if err != nil {
		t.Fatal(err)
	}
	var headings []string
	for _, m := range regexp.MustCompile(`(?m)^## ([a-z_]+)$`).FindAllStringSubmatch(string(text), -1) {
		headings = append(headings, m[1])
	}
	slices.Sort(headings)
	if codes := contract.Load(t).Codes(); !slices.Equal(headings, codes) {
		t.Errorf("the page is about\n%q, the contract has\n%q", headings, codes)
	}
}

// block is what is to be run, and what the page shows of it until the next one.
type block struct {
	line     int
	commands string
	shown    []string
}

var fence = regexp.MustCompile("^```([a-z]*)$")

// blocksOf reads a page. What is shown stands in blocks marked json, or not marked at all.
func blocksOf(text string) []block {
	var all []block
	kind, inside := "", false
	for n, line := range strings.Split(text, "\n") {
		m := fence.FindStringSubmatch(line)
		switch {
		case m != nil && !inside:
			kind, inside = m[1], true
			if kind == "sh" {
				all = append(all, block{line: n + 1})
			}
		case m != nil:
			inside = false
		case inside && kind == "sh":
			all[len(all)-1].commands += line + "\n"
		case inside && (kind == "" || kind == "json") && len(all) > 0:
			all[len(all)-1].shown = append(all[len(all)-1].shown, line)
		}
	}
	return all
}

// shell is a bash that remembers its variables from block to block.
type shell struct {
	t      *testing.T
	in     io.WriteCloser
	out    *bufio.Reader
	dir    string // of files that tell what was called (calls), and what streams have brought (stream.*)
	called int    // lines of calls that have been looked at
}

// prelude makes of curl one that tells besides what it called and what status it got, and that leaves a stream running, as a reader does in another terminal.
const prelude = `
curl() {
	for arg; do
		if [[ $arg == -N ]]; then
			local name
			name=$(mktemp "$dir/stream.XXXXXX")
			command curl -s "$@" >"$name" &
			echo "200 STREAM" >>"$dir/calls"
			for ((n = 0; n < 300; n++)); do
				if grep -q '^event: snapshot\|^event: selftest\|^event: problem' "$name"; then return; fi
				sleep 0.1
			done
			return 1
		fi
	done
	command curl -w '%{stderr}%{http_code} %{method} %{url_effective}\n' "$@" 2> >(grep -E '^[0-9]{3} [A-Z]+ http' >>"$dir/calls"; touch "$dir/told")
	local status=$?
	until [[ -e $dir/told ]]; do sleep 0.01; done
	rm "$dir/told"
	return $status
}
`

func newShell(t *testing.T, i *instance) *shell {
	t.Helper()
	s := &shell{t: t, dir: t.TempDir()}
	cmd := exec.CommandContext(t.Context(), "bash")
	cmd.Env = []string{"PATH=" + filepath.Dir(binary) + ":" + os.Getenv("PATH"), "HOME=" + s.dir, "dir=" + s.dir, "PRESENTLY_JWT_SECRET=" + secret, "P=" + i.url}
	var err error
	if s.in, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	s.out = bufio.NewReader(out)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		io.WriteString(s.in, "kill $(jobs -p) 2>/dev/null; exit\n") //nolint:errcheck // it may have ended
		s.in.Close()
		cmd.Wait() //nolint:errcheck // whatever its status is
	})
	s.write(prelude)
	return s
}

func (s *shell) write(text string) {
	s.t.Helper()
	if _, err := io.WriteString(s.in, text); err != nil {
		s.t.Fatal(err)
	}
}

const marker = "--- this block has ended ---"

// replaced is what a page says that a reader needs, and that the test has done: a server, its address, its secret.
var replaced = regexp.MustCompile(`^(export PRESENTLY_JWT_SECRET=|presently *&|P=http://|go run \.)`)

func (s *shell) run(commands string) string {
	s.t.Helper()
	var mine strings.Builder
	for line := range strings.Lines(commands) {
		if !replaced.MatchString(line) {
			mine.WriteString(line)
		}
	}
	s.write(mine.String() + "\necho; echo '" + marker + "'\n")
	ended := time.AfterFunc(patience, func() { s.in.Close() })
	defer ended.Stop()
	var out strings.Builder
	for {
		line, err := s.out.ReadString('\n')
		if err != nil {
			s.t.Fatalf("%s\nhas not ended: %v\n%s", commands, err, &out)
		}
		if strings.TrimSpace(line) == marker {
			return out.String()
		}
		out.WriteString(line)
	}
}

var expected = regexp.MustCompile(`#.*?\b([1-5]\d\d)\b`)

// checkStatuses holds each call to the status that stands behind it as a comment (# 404), or else to success.
func (s *shell) checkStatuses(b block, called map[string]bool) {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, "calls"))
	if err != nil && strings.Contains(b.commands, "curl") {
		s.t.Fatal(err)
	}
	all := strings.Split(strings.TrimSpace(string(text)), "\n")
	mine := all[min(s.called, len(all)):]
	s.called = len(all)
	if len(text) == 0 {
		s.called, mine = 0, nil
	}
	n := 0
	for line := range strings.Lines(strings.ReplaceAll(b.commands, "\\\n", " ")) {
		if !strings.Contains(line, "curl ") || strings.HasPrefix(strings.TrimSpace(line), "#") {
			continue
		}
		if n >= len(mine) {
			s.t.Errorf("line %d: %d calls were made, fewer than there are", b.line, len(mine))
			return
		}
		status, rest, _ := strings.Cut(mine[n], " ")
		n++
		want := "2"
		if m := expected.FindStringSubmatch(line); m != nil {
			want = m[1]
		}
		if !strings.HasPrefix(status, want) {
			s.t.Errorf("line %d: got status %s, want %s: %s", b.line, status, want, line)
		}
		if method, address, ok := strings.Cut(rest, " "); ok {
			s.note(called, method, address)
		} else {
			s.note(called, "GET", streamIn(line))
		}
	}
}

// streamIn is the path of a line that opens a stream.
func streamIn(line string) string {
	if strings.Contains(line, "/selftest") {
		return "/v1/stream/selftest"
	}
	return "/v1/stream"
}

func (s *shell) note(called map[string]bool, method, address string) {
	s.t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		s.t.Fatal(err)
	}
	u.Scheme, u.Host = "", ""
	request, err := http.NewRequestWithContext(s.t.Context(), method, u.String(), http.NoBody)
	if err != nil {
		s.t.Fatal(err)
	}
	if o, ok := contract.Load(s.t).OperationOf(request); ok {
		called[o] = true
	}
}

// checkShown holds what the page shows to what came out, by what it is: events anywhere in what streams have brought, everything else in its order.
func (s *shell) checkShown(b block, out string) {
	s.t.Helper()
	got := strings.Split(out, "\n")
	at := 0
	for k := 0; k < len(b.shown); k++ {
		line := b.shown[k]
		switch {
		case strings.TrimSpace(line) == "":
		case strings.HasPrefix(line, "event: "):
			var event []string
			for ; k < len(b.shown) && strings.TrimSpace(b.shown[k]) != ""; k++ {
				event = append(event, b.shown[k])
			}
			s.awaitEvent(b, out, likeness(event))
		default:
			found := slices.IndexFunc(got[at:], func(have string) bool { return like(have) == like(line) })
			if found < 0 {
				s.t.Errorf("line %d: the page shows\n%s\nwhich is\n%s\nand what came out has none such:\n%s", b.line, line, like(line), likeAll(got[at:]))
				return
			}
			at += found + 1
		}
	}
}

// awaitEvent waits until some stream has brought an event.
func (s *shell) awaitEvent(b block, out, want string) {
	s.t.Helper()
	limit := time.Now().Add(patience)
	for {
		all := out
		names, err := filepath.Glob(filepath.Join(s.dir, "stream.*"))
		if err != nil {
			s.t.Fatal(err)
		}
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err != nil {
				s.t.Fatal(err)
			}
			all += "\n\n" + string(text)
		}
		var have []string
		for event := range strings.SplitSeq(all, "\n\n") {
			have = append(have, likeness(strings.Split(strings.TrimSpace(event), "\n")))
		}
		if slices.Contains(have, want) {
			return
		}
		if time.Now().After(limit) {
			s.t.Errorf("line %d: the page shows the event\n%s\nand the streams brought\n%s", b.line, want, strings.Join(have, "\n"))
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// likeness is an event without what differs each time. Whether it has an id does: that depends on what else is on its way.
func likeness(event []string) string {
	var lines []string
	for _, line := range event {
		name, value, _ := strings.Cut(strings.TrimRight(line, "\r"), ": ")
		switch name {
		case "event":
			lines = append(lines, line)
		case "data":
			lines = append(lines, "data: "+like(value))
		}
	}
	return strings.Join(lines, "\n")
}

var (
	moment  = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`)
	header  = regexp.MustCompile(`^(?i)(etag|date|presence-next-ms|x-request-id|retry-after|location): .*$`)
	hosts   = regexp.MustCompile(`(localhost|127\.0\.0\.1):\d+`)
	ids     = regexp.MustCompile(`/subscriptions/[A-Za-z0-9_-]{16}`)
	volatil = []string{"rev", "nextMs", "ageMs", "beatAgeMs", "inputAgeMs", "remainingMs", "requestId", "id", "ticket", "streamUrl", "leaveToken", "streamId", "subscriptionId", "afterMs"}
)

// like is a line without what differs each time: moments, versions, ids. Keys, statuses and words stay.
func like(line string) string {
	line = strings.TrimSpace(line)
	var value any
	if json.Unmarshal([]byte(line), &value) != nil {
		if m := header.FindStringSubmatch(line); m != nil {
			return m[1]
		}
		return moment.ReplaceAllString(line, "TIME")
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(still(value)); err != nil {
		return fmt.Sprint(err)
	}
	return strings.TrimSpace(out.String())
}

func still(value any) any {
	switch value := value.(type) {
	case map[string]any:
		for key, inner := range value {
			if _, isProblem := value["code"]; slices.Contains(volatil, key) || key == "instance" && !isProblem {
				value[key] = "…"
			} else {
				value[key] = still(inner)
			}
		}
	case []any:
		for n := range value {
			value[n] = still(value[n])
		}
	case string:
		return ids.ReplaceAllString(hosts.ReplaceAllString(moment.ReplaceAllString(value, "TIME"), "HOST"), "/subscriptions/ID")
	}
	return value
}

func likeAll(lines []string) string {
	var all []string
	for _, line := range lines {
		if line := like(line); line != "" {
			all = append(all, line)
		}
	}
	return strings.Join(all, "\n")
}
