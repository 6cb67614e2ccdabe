package main

import (
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/presently/presently/internal/redistest"
)

// shownIn are the lines of the first block without a language that a page has beneath a heading.
func shownIn(t testing.TB, page, heading string) []string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var shown []string
	beneath, fence := false, ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case strings.HasPrefix(line, "```") && fence != "":
			if fence = ""; len(shown) > 0 {
				return shown
			}
		case strings.HasPrefix(line, "```"):
			fence = line
		case fence == "```" && beneath:
			shown = append(shown, line)
		case fence == "" && strings.HasPrefix(line, "#"):
			beneath = line == heading
		}
	}
	t.Fatalf("%s shows nothing beneath %s", page, heading)
	return nil
}

// writtenIn is how a page first asks for a command with flags, as arguments.
func writtenIn(t testing.TB, page, command string) []string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`presently (` + command + ` --[^)\n]*)`).FindStringSubmatch(string(text))
	if m == nil {
		t.Fatalf("%s does not ask for presently %s", page, command)
	}
	return strings.Fields(m[1])
}

var (
	lasted  = regexp.MustCompile(`\d+(\.\d+)?(µs|ms|s)\b`)
	figure  = regexp.MustCompile(`\d+`)
	measure = regexp.MustCompile(`^[✓!✗] (the server answers|heartbeats|the store's clock|streams: the first|Redis answers|Redis' clock|nothing on the way)`)
)

// findings are what check tells, without what another machine, or a busy one, measures otherwise.
func findings(lines []string) (all []string) {
	skip := false
	for _, line := range lines {
		switch {
		case line == "", figure.MatchString(line) && strings.Contains(line, " fine, "):
			continue
		case strings.HasPrefix(line, "    →") && skip:
			continue // what to do about a measure that is bad just now
		case measure.MatchString(line):
			skip = true
			all = append(all, measure.FindString(line)[len("✓"):])
			continue
		}
		skip = false
		all = append(all, line)
	}
	return all
}

// What a reader compares with what he sees has to be what the commands write: docs/commands.md. What it shows of watch was recorded, and
// TestWatchShowsPeopleAndRoomsLive holds lines like it.
func TestThePageAboutCommandsShowsWhatTheyWrite(t *testing.T) {
	const page = "docs/commands.md"
	help, err := runOnce(t, []string{"help"})
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range shownIn(t, page, "# Commands") {
		if !strings.Contains(help, "\n  "+line+"\n") {
			t.Errorf("%s lists %q, help does not:\n%.900s", page, line, help)
		}
	}
	for _, c := range commands() {
		if !slices.ContainsFunc(shownIn(t, page, "# Commands"), func(line string) bool { return strings.HasPrefix(line, "presently "+c.name+" ") }) {
			t.Errorf("%s does not list %s", page, c.name)
		}
	}

	redis := redistest.Start(t, "--appendonly", "yes")
	environ := []string{"PRESENTLY_JWT_SECRET=" + testSecret, "PRESENTLY_REDIS_URL=" + redis.URL(), "PRESENTLY_RATE_LIMIT=on"}
	i, beside := start(t, environ...), start(t, environ...)
	for _, instance := range []*instance{i, beside} {
		becomes(t, client(t), instance.url+"/readyz", http.StatusOK)
	}
	t.Run("check", func(t *testing.T) {
		args := writtenIn(t, page, "check")
		args[slices.Index(args, "--redis-url")+1] = redis.URL()
		out, err := runOnce(t, args, "PRESENTLY_URL="+i.url, "PRESENTLY_TOKEN="+token(t, "--sub=check"))
		if err != nil {
			t.Errorf("check: %v", err)
		}
		want, got := findings(shownIn(t, page, "## check")), findings(strings.Split(out, "\n"))
		if !slices.Equal(got, want) {
			t.Errorf("check writes\n%s\nand the page shows\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
	t.Run("sim", func(t *testing.T) {
		args := writtenIn(t, page, "sim")
		args[slices.Index(args, "--for")+1] = "4s"
		out, err := runOnce(t, args, "PRESENTLY_URL="+i.url, "PRESENTLY_JWT_SECRET="+testSecret)
		if err != nil {
			t.Errorf("sim: %v", err)
		}
		out = regexp.MustCompile(`(?m)  ·  last error: .*$`).ReplaceAllString(out, "") // a busy machine is none of the page's business
		form := func(line string) string { return figure.ReplaceAllString(lasted.ReplaceAllString(line, "TIME"), "N") }
		for _, line := range shownIn(t, page, "## sim") {
			if !strings.Contains(form(out)+"\n", form(line)+"\n") {
				t.Errorf("the page shows\n%s\nand sim writes\n%s", form(line), form(out))
			}
		}
	})
	t.Run("completion", func(t *testing.T) {
		for _, args := range [][]string{writtenIn(t, page, "token"), writtenIn(t, page, "watch")} {
			name := args[0]
			script, err := runOnce(t, []string{"completion", "bash"})
			if err != nil || !strings.Contains(script, name) {
				t.Errorf("completion does not know %s: %v", name, err)
			}
			for _, arg := range args {
				if flag, _, _ := strings.Cut(arg, "="); strings.HasPrefix(flag, "--") && !strings.Contains(script, flag) {
					t.Errorf("the page asks %s for %s, which completion does not know", name, flag)
				}
			}
		}
	})
}
