package main

import (
	"errors"
	"flag"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestEachCommandTellsAllAboutItself(t *testing.T) {
	for _, c := range commands() {
		for _, args := range [][]string{{c.name, "--help"}, {"help", c.name}} {
			out, err := runOnce(t, args)
			if err != nil || out != c.help || !strings.HasPrefix(out, "presently "+c.name+" ") {
				t.Errorf("%q: %v\n%s", args, err, out)
			}
			if c.name != "health" && !strings.Contains(out, "\n  ") {
				t.Errorf("%q has no example", args)
			}
			for line := range strings.Lines(out) {
				if len([]rune(line)) > 150 {
					t.Errorf("%q: this line is too long for a terminal: %s", args, line)
				}
			}
		}
		all, err := runOnce(t, []string{"help"})
		if err != nil || !strings.Contains(all, "presently "+c.name+" ") || !strings.Contains(all, c.about) {
			t.Errorf("help does not tell of %s: %v", c.name, err)
		}
	}
	if _, err := runOnce(t, []string{"help", "nothing"}); exitCode(err) != 2 {
		t.Errorf("help about nothing: %v", err)
	}
}

// What help tells of is there, and what it takes is told by completion.
func TestFlagsOfHelpAreThoseOfTheCommand(t *testing.T) {
	for _, c := range commands() {
		for _, name := range c.flags() {
			_, err := runOnce(t, []string{c.name, "--" + name})
			if err == nil || strings.Contains(err.Error(), "is no flag") || errors.Is(err, flag.ErrHelp) {
				t.Errorf("%s --%s without a value: %v", c.name, name, err)
			}
			if !slices.Contains(c.completions(), "--"+name) {
				t.Errorf("%s --%s is not completed", c.name, name)
			}
		}
		for _, name := range c.takes {
			if !slices.ContainsFunc(settings, func(s setting) bool { return s.name == name }) {
				t.Errorf("%s takes %s, which is no setting", c.name, name)
			}
		}
	}
}

func TestCompletionOfBash(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Fatal(err) // make needs it too
	}
	script, err := runOnce(t, []string{"completion", "bash"})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "completion")
	if err := os.WriteFile(file, []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{
		"presently w":               "watch",
		"presently ":                "token watch sim check health completion help",
		"presently watch --r":       "--room",
		"presently sim --se":        "--secret",
		"presently check --redis":   "--redis-url",
		"presently token --jwt-s":   "--jwt-secret",
		"presently help si":         "sim",
		"presently completion z":    "zsh",
		"presently --redis":         "--redis-url",
		"presently --ttl=1 --redis": "--redis-url",
	} {
		words := strings.Split(line, " ")
		cmd := exec.CommandContext(t.Context(), bash, "-c", `source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _presently; echo "${COMPREPLY[*]}"`, file)
		cmd.Args = append(cmd.Args, words...)
		out, err := cmd.CombinedOutput()
		if got := strings.TrimSpace(string(out)); err != nil || got != want && !strings.HasPrefix(got, want+" --") {
			t.Errorf("%q is completed to %q, %v; want %q", line, got, err, want)
		}
	}
}

func TestCompletionOfOtherShells(t *testing.T) {
	for shell, words := range map[string][]string{
		"zsh":  {"#compdef presently\n", "watch) words_here=(--help --user --room "},
		"fish": {"complete -c presently -f -n __fish_use_subcommand -a watch -d 'see people and rooms live, in the terminal'", "-n '__fish_seen_subcommand_from sim' -l users"},
	} {
		out, err := runOnce(t, []string{"completion", shell})
		for _, want := range words {
			if err != nil || !strings.Contains(out, want) {
				t.Errorf("%s: %v, without %q:\n%s", shell, err, want, out)
			}
		}
		path, err := exec.LookPath(shell)
		if err != nil {
			continue
		}
		cmd := exec.CommandContext(t.Context(), path, "-n")
		cmd.Stdin = strings.NewReader(out)
		if said, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s does not read it: %v\n%s", shell, err, said)
		}
	}
	for _, args := range [][]string{{}, {"tcsh"}, {"bash", "zsh"}} {
		if _, err := runOnce(t, append([]string{"completion"}, args...)); exitCode(err) != 2 || err == nil {
			t.Errorf("completion %q: %v", args, err)
		}
	}
}

func TestCommandsOfClientsSayWhatIsMissing(t *testing.T) {
	const token = "PRESENTLY_TOKEN=a.b.c"
	for _, tt := range []struct {
		args    []string
		environ string
		want    string
	}{
		{[]string{"watch"}, token, "nothing to watch"},
		{[]string{"watch", "--user", ""}, token, "is empty"},
		{[]string{"watch", "--user=ada"}, "", "PRESENTLY_TOKEN is not set"},
		{[]string{"watch", "--user=ada"}, "PRESENTLY_TOKEN=a b", "PRESENTLY_TOKEN: is no token"},
		{[]string{"watch", "--user=ada", "--url=presence.example.org"}, token, "--url: is no address"},
		{[]string{"watch", "--user=ada", "--url=http://x/?token=abc"}, token, "--url: is more than an address"},
		{[]string{"watch", "--user=ada", "--url=http://me:hunter2@x/"}, token, "--url: is more than an address"},
		{[]string{"watch", "ada"}, token, "an argument that is no flag"},
		{[]string{"watch", "--users=ada"}, token, "--users is no flag; did you mean --user?; see presently help watch"},
		{[]string{"watch", "--frobnicate"}, token, "--frobnicate is no flag; see presently help watch"},
		{[]string{"sim", "--user=3"}, token, "did you mean --users?"},
		{[]string{"sim", "--romos", "3"}, token, "did you mean --rooms?"},
		{[]string{"sim", "--users"}, token, "--users stands alone: write --users=…; see presently help sim"},
		{[]string{"sim", "--users=many"}, token, `--users: "many" cannot be read: write a number`},
		{[]string{"sim", "--for=5x"}, token, `--for: "5x" cannot be read: write it like 90s`},
		{[]string{"watch", "--user=ada", "--plain=perhaps"}, token, `--plain: "perhaps" cannot be read: write true or false`},
		{[]string{"sim"}, "", "PRESENTLY_JWT_SECRET is not set"},
		{[]string{"sim", "--secret=short"}, "", "--secret: HS256 needs 32 bytes"},
		{[]string{"sim", "--users=0"}, token, "--users: 0 is not between"},
		{[]string{"sim", "--users=21"}, token, "may have 20"},
		{[]string{"sim", "--pace=0"}, token, "--pace"},
		{[]string{"sim", "--pace=NaN"}, token, "--pace"},
		{[]string{"sim", "--rooms=-1"}, token, "--rooms"},
		{[]string{"sim", "--for=-1s"}, token, "--for"},
		{[]string{"check", "--redis-url=mysql://x"}, token, "--redis-url: is no address"},
		{[]string{"check", "--admin-url=nowhere"}, token, "--admin-url"},
	} {
		_, err := runOnce(t, tt.args, tt.environ)
		if err == nil || !strings.Contains(err.Error(), tt.want) || exitCode(err) != 2 {
			t.Errorf("%q: %v (exit code %d), want it to say %q", tt.args, err, exitCode(err), tt.want)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: the error has the password", tt.args)
		}
	}
}

// The settings of clients are none of the server's: as flags they are not known to it, in its environment they do no harm.
func TestServerHasNoSettingsOfClients(t *testing.T) {
	if _, err := load(t, []string{"--url=http://x"}); err == nil {
		t.Error("presently --url is taken")
	}
	c, err := load(t, nil, "PRESENTLY_URL=http://x", "PRESENTLY_TOKEN=x")
	if err != nil || len(c.warnings) > 0 {
		t.Errorf("%v, warnings %q", err, c.warnings)
	}
}

func TestHelpMayBePiped(t *testing.T) {
	if err := run(t.Context(), []string{"help"}, nil, brokenPipe{}, io.Discard); err == nil {
		t.Error("nobody is told that the help was not written")
	}
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }
