package e2e

import (
	"encoding/json"
	"maps"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/presently/presently/internal/redistest"
)

// What docs/operating.md has operators write down, run and read is as it says. It has more to show than commands, so that it is not among the pages of
// TestCommandsOfPagesDoWhatThePagesShow.
func TestThePageAboutOperatingHolds(t *testing.T) {
	t.Parallel()
	needCurl(t)
	page := read(t, "../docs/operating.md")
	alone, replicated := settingsOfRedis(t, page)
	redis := redistest.Start(t, alone...)
	i := start(t, "PRESENTLY_REDIS_URL="+redis.URL(), "PRESENTLY_JWT_SECRET="+secret, "PRESENTLY_ADMIN_LISTEN=127.0.0.1:0")

	t.Run("settings of Redis leave nothing to warn of", func(t *testing.T) {
		master := redistest.Start(t, append(slices.Clone(alone), replicated...)...)
		redistest.Start(t, append(slices.Clone(alone), "--replicaof", "127.0.0.1", strconv.Itoa(master.Port()))...)
		for name, r := range map[string]*redistest.Server{"alone": redis, "with a replica": master} {
			waitUntil(t, name+": nothing is warned of", func() bool { // a replica takes its time to come
				out, err := exec.CommandContext(t.Context(), binary, "check", "--url", i.url, "--redis-url", r.URL()).CombinedOutput()
				return err == nil && strings.Contains(string(out), "✓ Redis keeps what it has: persistence, no eviction, replicas, version")
			})
		}
		if log := i.program.log.String(); strings.Contains(log, "redis: ") {
			t.Errorf("it warns of something:\n%s", log)
		}
	})

	t.Run("commands", func(t *testing.T) {
		admin := regexp.MustCompile(`"admin":"([^"]+)"`).FindStringSubmatch(i.program.log.String())
		cache, err := exec.CommandContext(t.Context(), "go", "env", "GOCACHE").Output()
		if err != nil {
			t.Fatal(err)
		}
		var commands []block
		for _, b := range blocksOf(page) {
			if strings.Contains(b.commands, "/debug/pprof/") {
				commands = append(commands, b)
			}
		}
		if len(commands) != 1 {
			t.Fatalf("the page shows %d blocks with profiles", len(commands))
		}
		out := newShell(t, "GOCACHE="+strings.TrimSpace(string(cache))).run(strings.NewReplacer("127.0.0.1:9090", admin[1], "seconds=10", "seconds=1").Replace(commands[0].commands))
		for _, want := range []string{"\npresently_privacy_drops_total 0\n", "\nType: cpu\n"} {
			if !strings.Contains("\n"+out, want) {
				t.Errorf("there is no %q in\n%s", want, out)
			}
		}
	})

	t.Run("the line of a request has what it shows", func(t *testing.T) {
		shown := regexp.MustCompile("```json\n(.*)\n```").FindStringSubmatch(page)
		if shown == nil {
			t.Fatal("the page shows no line of the log")
		}
		if r, err := i.as("eve").ask(soon(t), "GET", "/v1/presence/ada", ""); err != nil || r.status != 200 {
			t.Fatal(r, err)
		}
		want := fieldsOf(t, shown[1])
		waitUntil(t, "the log has a line with "+strings.Join(want, ", "), func() bool {
			for line := range strings.Lines(i.program.log.String()) {
				if strings.Contains(line, `"path":"/v1/presence/ada"`) && slices.Equal(fieldsOf(t, line), want) {
					return true
				}
			}
			return false
		})
	})
}

// settingsOfRedis are those that the page lists, as arguments of redis-server: for one that stands alone, and what one with replicas has besides.
func settingsOfRedis(t testing.TB, page string) (alone, replicated []string) {
	t.Helper()
	_, listed, _ := strings.Cut(page, "```\n")
	listed, _, found := strings.Cut(listed, "```")
	own, others, split := strings.Cut(listed, "# with replicas:")
	if !found || !split {
		t.Fatalf("the page lists no settings of Redis:\n%s", listed)
	}
	arguments := func(text string) (all []string) {
		for line := range strings.Lines(strings.TrimSpace(text)) {
			words := strings.Fields(line)
			all = append(all, append([]string{"--" + words[0]}, words[1:]...)...)
		}
		return all
	}
	return arguments(own), arguments(others)
}

func fieldsOf(t testing.TB, line string) []string {
	t.Helper()
	var fields map[string]any
	if err := json.Unmarshal([]byte(line), &fields); err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return slices.Sorted(maps.Keys(fields))
}
