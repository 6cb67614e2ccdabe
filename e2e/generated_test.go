package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Whoever has another language generates a client from openapi.yaml. Two generators that know nothing of each other, oapi-codegen for Go and openapi-generator for
// Python, understand the whole contract, what they make compiles, and it speaks to a server.
func TestGeneratedClientsSpeakToTheServer(t *testing.T) {
	t.Parallel()
	i := start(t, "PRESENTLY_JWT_SECRET="+secret)
	env := append(os.Environ(), "URL="+i.url, "ADA="+issued(t, "ada", "Ada"), "BEN="+issued(t, "ben", "Ben"))

	t.Run("Go", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		// The libraries that the code asks for are ours, in our versions.
		module := strings.Replace(read(t, "../go.mod"), "module github.com/presently/presently", "module generated", 1)
		for line := range strings.Lines(read(t, "../internal/tools/go.mod")) {
			if name, _, _ := strings.Cut(line, " // indirect"); strings.Contains(name, "go.yaml.in/yaml/v3 ") { // for /openapi.yaml itself
				module += "\nrequire " + strings.TrimSpace(name) + "\n"
			}
		}
		write(t, dir, "go.mod", module)
		write(t, dir, "go.sum", read(t, "../go.sum")+read(t, "../internal/tools/go.sum"))
		write(t, dir, "main.go", read(t, "testdata/generated/main.go"))
		write(t, dir, "presently/doc.go", "package presently\n")
		// It would leave out types that webhooks alone use, and then use them.
		must(t, env, "..", "go", "-C", "internal/tools", "tool", "oapi-codegen", "-generate", "types,client,skip-prune", "-package", "presently",
			"-o", filepath.Join(dir, "presently/client.gen.go"), "../../openapi.yaml")
		must(t, env, dir, "go", "build", "-mod=mod", "-o", "client", ".")
		wantLine(t, must(t, env, dir, "./client"), "generated-go 90000 busy Ada no_session")
	})

	t.Run("Python", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		must(t, env, "..", "internal/tools/python-client.sh", dir)
		const python = "/usr/bin/python3" // whose libraries internal/setup installs
		must(t, env, dir, python, "-m", "compileall", "-q", "presently_api")
		write(t, dir, "people.py", read(t, "testdata/generated/people.py"))
		wantLine(t, must(t, env, dir, python, "people.py"), "generated-py 90000 busy Ada no_session")
	})
}

// issued is a token as a backend would make it.
func issued(t *testing.T, user, name string) string {
	t.Helper()
	status, token, log := exits(t, []string{"PRESENTLY_JWT_SECRET=" + secret}, "token", "--sub", user, "--name", name)
	if status != 0 {
		t.Fatalf("presently token ends with status %d\n%s", status, log)
	}
	return strings.TrimSpace(token)
}

// must runs a command that has to succeed, and returns what it wrote on stdout.
func must(t *testing.T, env []string, dir, name string, args ...string) string {
	t.Helper()
	var stderr strings.Builder
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir, cmd.Env, cmd.Stderr = dir, env, &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v; `make setup` installs what is missing\n%.2000s\n%.4000s", cmd.Args, err, out, &stderr)
	}
	return string(out)
}

func wantLine(t *testing.T, got, want string) {
	t.Helper()
	if strings.TrimSpace(got) != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
