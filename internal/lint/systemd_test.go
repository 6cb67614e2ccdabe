package lint_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// lastRequests is what comes after the drain at most: two waits of 5 s, see stop in command_serve.go.
const lastRequests = 10 * time.Second

func TestUnitGivesAnInstanceTimeToMoveItsStreams(t *testing.T) {
	unit := read(t, "deploy/systemd/presently.service")
	if limit, err := time.ParseDuration(directive(t, unit, "TimeoutStopSec")); err != nil || limit <= drain+lastRequests {
		t.Errorf("it is killed after %v, %v, where it may take %v", limit, err, drain+lastRequests)
	}
	if files, err := strconv.Atoi(directive(t, unit, "LimitNOFILE")); err != nil || files < 65536 {
		t.Errorf("it may open %d files, %v", files, err)
	}
	if user := directive(t, unit, "DynamicUser"); user != "yes" {
		t.Errorf("DynamicUser=%s: does it run as root?", user)
	}
}

func directive(t *testing.T, unit, name string) string {
	t.Helper()
	found := regexp.MustCompile(`(?m)^`+name+`=(.*)$`).FindAllStringSubmatch(unit, -1)
	if len(found) != 1 {
		t.Fatalf("%s is there %d times", name, len(found))
	}
	return found[0][1]
}

// systemd reads the unit, with the lines for TLS and without. What it would say of a wrong one is tried, too.
func TestUnitIsOneThatSystemdTakes(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Fatalf("%v: make setup installs it", err)
	}
	unit := strings.Replace(read(t, "deploy/systemd/presently.service"), "/usr/local/bin/presently", "/bin/true", 1)
	verify := func(text string) (string, error) {
		file := filepath.Join(t.TempDir(), "presently.service")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.CommandContext(t.Context(), analyze, "verify", "--man=no", file).CombinedOutput()
		return string(out), err
	}
	for _, text := range []string{unit, strings.ReplaceAll(unit, "#tls ", "")} {
		if out, err := verify(text); err != nil || strings.Contains(out, "presently.service") {
			t.Errorf("%v\n%s", err, out)
		}
	}
	if out, _ := verify(strings.Replace(unit, "LimitNOFILE", "LimitNoFile", 1)); !strings.Contains(out, "LimitNoFile") {
		t.Errorf("a misspelt directive is not found: %s", out)
	}
}

// Each setting that a file of deploy/ names is one.
func TestDeployedSettingsExist(t *testing.T) {
	settings := read(t, "config_settings.go")
	for _, file := range []string{"compose.yaml", "deploy/systemd/presently.env", "deploy/systemd/presently.service", "deploy/kubernetes/example/kustomization.yaml"} {
		names := regexp.MustCompile(`\bPRESENTLY_([A-Z_]+)\b`).FindAllStringSubmatch(read(t, file), -1)
		if len(names) == 0 {
			t.Errorf("%s names no setting", file)
		}
		for _, name := range names {
			if name[1] != "PORT" && !strings.Contains(settings, `"`+name[1]+`"`) { // PRESENTLY_PORT is compose.yaml's own
				t.Errorf("%s: %s is not a setting", file, name[0])
			}
		}
	}
}
