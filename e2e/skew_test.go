//go:build faults

package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/presently/presently/internal/redistest"
)

// skewEnv is by how many seconds the clock of a program that was built for it is wrong.
const skewEnv = "PRESENTLY_TEST_SKEW"

// skewedProgram is the program with another time.Now, which is wrong by as much as the environment says.
var skewedProgram = sync.OnceValues(func() (string, error) {
	dir := filepath.Join(filepath.Dir(binary), "skewed")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return "", err
	}
	source := filepath.Join(strings.TrimSpace(string(root)), "src", "time", "time.go")
	text, err := os.ReadFile(source)
	if err != nil {
		return "", err
	}
	const now = "func Now() Time {\n\tsec, nsec, mono := runtimeNow()\n"
	changed := strings.Replace(string(text), now, now+"\tsec += skew\n", 1)
	changed = strings.Replace(changed, "import (\n", "import (\n\t\"syscall\"\n", 1)
	changed += `
var skew = readSkew()

func readSkew() (s int64) {
	text, _ := syscall.Getenv("` + skewEnv + `")
	sign := int64(1)
	for _, c := range []byte(text) {
		if c == '-' {
			sign = -1
			continue
		}
		s = 10*s + int64(c-'0')
	}
	return sign * s
}
`
	replacement, overlay, program := filepath.Join(dir, "time.go"), filepath.Join(dir, "overlay.json"), filepath.Join(dir, "presently")
	list, err := json.Marshal(map[string]any{"Replace": map[string]string{source: replacement}})
	if err != nil {
		return "", err
	}
	for name, text := range map[string]string{replacement: changed, overlay: string(list)} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			return "", err
		}
	}
	cmd := exec.Command("go", "build", "-overlay", overlay, "-o", program, ".") // without the race detector: all of the library is built anew
	cmd.Dir = ".."
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", &buildError{err, string(out)}
	}
	return program, nil
})

type buildError struct {
	error
	out string
}

func (e *buildError) Error() string { return e.error.Error() + "\n" + e.out }

// skewed lets one instance have the right time, one be an hour fast, and one an hour slow.
func skewed(s *stage) {
	program, err := skewedProgram()
	if err != nil {
		s.t.Fatal(err)
	}
	s.program = program
	s.redis = redistest.Start(s.t)
	s.url = func(int) string { return s.redis.URL() }
	s.extra = func(slot int) []string { return []string{skewEnv + "=" + []string{"0", "3600", "-3600"}[slot]} }
}

// That the clocks are wrong is shown, or the fault above would prove nothing: a token that is good for half an hour more has expired for who is an hour fast.
func TestAnInstanceIsSkewed(t *testing.T) {
	t.Parallel()
	program, err := skewedProgram()
	if err != nil {
		t.Fatal(err)
	}
	url := redistest.Start(t).URL()
	for skew, want := range map[string]int{"0": 200, "3600": 401, "-3600": 200} {
		i := launchBuilt(t, program, "PRESENTLY_REDIS_URL="+url, "PRESENTLY_JWT_SECRET="+secret, skewEnv+"="+skew)
		i.awaitReady()
		p := &person{at: i, user: "ada", token: sign(t, "ada", 30*time.Minute)}
		r, err := p.ask(soon(t), "GET", "/v1/presence/me", "")
		if err != nil || r.status != want {
			t.Errorf("skewed by %s s: %d %s, %v; want %d", skew, r.status, r.body, err, want)
		}
	}
}
