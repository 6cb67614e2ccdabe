package e2e

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// What README promises somebody who has never seen this: start it, paste three lines, see a person come, get busy and go.
func TestAStrangerPastesThreeLinesAndSeesAdaComeAndGo(t *testing.T) {
	t.Parallel()
	needCurl(t)
	lines := pasteable(t, execute(t, []string{"PRESENTLY_LISTEN=:0", "PRESENTLY_TTL=4s"}))
	if len(lines) != 3 {
		t.Fatalf("%d lines to paste, want 3: %q", len(lines), lines)
	}
	stream := bashStream(t, lines[0])
	if got := stream.in("ada").Status; got != "offline" {
		t.Errorf("ada is %s before she has come", got)
	}
	bash(t, lines[1])
	stream.told("ada", "online")
	bash(t, lines[2])
	stream.told("ada", "dnd")
	stream.told("ada", "offline") // nobody beats again
}

// pasteable reads the terminal up to the last line that begins with curl.
func pasteable(t *testing.T, p *program) []string {
	t.Helper()
	var lines []string
	limit := time.After(patience)
	for len(lines) < 3 {
		select {
		case line, open := <-p.lines:
			if !open {
				t.Fatalf("presently has ended: %q\n%s", lines, p.log)
			}
			if strings.HasPrefix(line, "curl ") {
				lines = append(lines, line)
			}
		case <-limit:
			t.Fatalf("the terminal shows only %q\n%s", lines, p.log)
		}
	}
	return lines
}

// Whoever reaches an instance in development gets all rights, so it must not be reached from elsewhere.
func TestDevelopmentListensOnLoopbackAlone(t *testing.T) {
	t.Parallel()
	i := start(t, "PRESENTLY_LISTEN=:0")
	host, port, err := net.SplitHostPort(strings.TrimPrefix(i.url, "http://"))
	if err != nil || !net.ParseIP(host).IsLoopback() {
		t.Fatalf("listens at %s", i.url)
	}
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addresses {
		network, ok := a.(*net.IPNet)
		if !ok || network.IP.IsLoopback() || network.IP.IsLinkLocalUnicast() {
			continue
		}
		if conn, err := net.DialTimeout("tcp", net.JoinHostPort(network.IP.String(), port), time.Second); err == nil {
			conn.Close()
			t.Errorf("answers at %s", network.IP)
		}
	}
	status, _, stderr := exits(t, []string{"PRESENTLY_LISTEN=0.0.0.0:0"})
	if status != 2 || !strings.Contains(stderr, "PRESENTLY_LISTEN") || !strings.Contains(stderr, "PRESENTLY_JWT_SECRET") {
		t.Errorf("for everybody, without a key: status %d: %s", status, stderr)
	}
}

func TestWithRedisAndWithoutAKeyItDoesNotStartAndSaysWhy(t *testing.T) {
	t.Parallel()
	status, stdout, stderr := exits(t, []string{"PRESENTLY_REDIS_URL=redis://127.0.0.1:1", "PRESENTLY_LISTEN=127.0.0.1:0"})
	if status != 2 || stdout != "" {
		t.Errorf("status %d, stdout %q", status, stdout)
	}
	for _, word := range []string{"PRESENTLY_JWT_SECRET", "PRESENTLY_JWT_KEY_FILE", "PRESENTLY_REDIS_URL"} {
		if !strings.Contains(stderr, word) {
			t.Errorf("%s is not named in: %s", word, stderr)
		}
	}
}

func TestEverySettingThatIsWrongIsNamedAtOnce(t *testing.T) {
	t.Parallel()
	status, _, stderr := exits(t, []string{"PRESENTLY_TTL=soon", "PRESENTLY_SWEEP=0s", "PRESENTLY_LISTEN=nowhere", "PRESENTLY_JWT_SECRET=short"}, "--grace", "-3s")
	for _, name := range []string{"PRESENTLY_TTL", "PRESENTLY_SWEEP", "PRESENTLY_LISTEN", "PRESENTLY_JWT_SECRET", "--grace"} {
		if status != 2 || !strings.Contains(stderr, name) {
			t.Errorf("status %d, and %s is not named in: %s", status, name, stderr)
		}
	}
}

// As README shows for an instance with a secret: presently token makes what the server believes.
func TestATokenFromTheCommandLineIsBelieved(t *testing.T) {
	t.Parallel()
	i := start(t, "PRESENTLY_JWT_SECRET="+secret)
	status, stdout, stderr := exits(t, []string{"PRESENTLY_JWT_SECRET=" + secret}, "token", "--sub", "ada", "--name", "Ada")
	if status != 0 {
		t.Fatalf("status %d: %s", status, stderr)
	}
	ada := &person{at: i, user: "ada", token: strings.TrimSpace(stdout)}
	if got := ada.beat("session-1").Presence; got.UserID != "ada" || got.Profile == nil || *got.Profile.Name != "Ada" {
		t.Errorf("beats as %s", show(got))
	}
}

// docs/security.md says of every attack which test proves that it fails.
func TestThePageOfStrangersNamesTestsThatAreThere(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	for n := range 20 {
		if !strings.Contains(string(page), fmt.Sprintf("\n| S%d |", n+1)) {
			t.Errorf("it says nothing of S%d", n+1)
		}
	}
	named := regexp.MustCompile("`([\\w/]+_test\\.go):((?:Test|Fuzz)\\w+)`").FindAllStringSubmatch(string(page), -1)
	if len(named) < 80 {
		t.Errorf("only %d tests are named", len(named))
	}
	for _, n := range named {
		file, err := os.ReadFile("../" + n[1])
		if err != nil || !regexp.MustCompile(`\nfunc `+n[2]+`\([tf] \*testing\.[TF]\)`).Match(file) {
			t.Errorf("there is no %s in %s (%v)", n[2], n[1], err)
		}
	}
	// Each fuzzer that there is, is there too.
	files, err := filepath.Glob("../handlers/*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		file, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range regexp.MustCompile(`\nfunc (Fuzz\w+)\(`).FindAllSubmatch(file, -1) {
			if !strings.Contains(string(page), string(f[1])) {
				t.Errorf("%s is not named", f[1])
			}
		}
	}
}
