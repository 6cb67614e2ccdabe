package lint_test

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/opencontainers/go-digest"
)

// What `docker build --check` would say.
func TestDockerfilePassesDockersOwnChecks(t *testing.T) {
	for _, w := range check(t, read(t, "Dockerfile")) {
		t.Error(w)
	}
}

// The check is worth something: it finds what is wrong with a wrong file.
func TestChecksFindFaultsInADockerfile(t *testing.T) {
	good := read(t, "Dockerfile")
	for _, tc := range []struct{ name, old, new, want string }{
		{"unknown instruction", "EXPOSE 8080", "EXPOSED 8080", "unknown instruction"},
		{"unknown flag", "--interval=10s", "--intervall=10s", "intervall"},
		{"variable never set", "$VERSION\"\n# For", "$VERSOIN\"\n# For", "VERSOIN"},
		{"secret in the image", "STOPSIGNAL SIGTERM", "ENV PRESENTLY_JWT_SECRET=x", "Secret"},
		{"two ways to start", "ENTRYPOINT [\"/presently\"]", "ENTRYPOINT /presently", "JSON arguments"},
		{"two health checks", "STOPSIGNAL SIGTERM", "HEALTHCHECK CMD [\"/x\"]", "HEALTHCHECK"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bad := strings.Replace(good, tc.old, tc.new, 1)
			if bad == good {
				t.Fatalf("no %q in Dockerfile", tc.old)
			}
			if got := strings.Join(check(t, bad), "\n"); !strings.Contains(got, tc.want) {
				t.Errorf("check says %q, want something of %q", got, tc.want)
			}
		})
	}
}

func check(t *testing.T, dockerfile string) (found []string) {
	t.Helper()
	_, err := dockerfile2llb.Dockerfile2LLB(t.Context(), []byte(dockerfile), dockerfile2llb.ConvertOpt{
		AllStages:    true,
		MetaResolver: noRegistry{},
		Warn: func(rule, _, _, message string, _ []parser.Range) {
			found = append(found, rule+": "+message)
		},
	})
	if err != nil {
		found = append(found, err.Error())
	}
	return found
}

// noRegistry says of every base image that it sets nothing.
type noRegistry struct{}

func (noRegistry) ResolveImageConfig(_ context.Context, ref string, _ sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	return ref, "", []byte(`{"architecture":"amd64","os":"linux","config":{}}`), nil
}

func TestImageIsBuiltWithTheModulesGo(t *testing.T) {
	base := stages(t)[0].BaseName
	got := regexp.MustCompile(`^golang:(\d+\.\d+)`).FindStringSubmatch(base)
	want := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(read(t, "go.mod"))
	if got == nil || want == nil || got[1] != want[1] {
		t.Errorf("the image is built with %q, go.mod says %q", base, want)
	}
}

func TestImageHoldsNothingButTheBinaryAndRunsUnprivileged(t *testing.T) {
	all := stages(t)
	last := all[len(all)-1]
	if last.BaseName != "scratch" {
		t.Errorf("base = %s, want scratch", last.BaseName)
	}
	seen := map[string]bool{}
	for _, c := range last.Commands {
		seen[c.Name()] = true
		switch c := c.(type) {
		case *instructions.RunCommand:
			t.Errorf("RUN in an image without a shell: %s", c)
		case *instructions.UserCommand:
			user, _, _ := strings.Cut(c.User, ":")
			if uid, err := strconv.Atoi(user); err != nil || uid == 0 {
				t.Errorf("USER %s, want a number other than 0", c.User)
			}
		case *instructions.ExposeCommand:
			for _, p := range c.Ports {
				if n, err := strconv.Atoi(p); err != nil || n < 1024 {
					t.Errorf("EXPOSE %s, want a port that needs no privilege", p)
				}
			}
		case *instructions.HealthCheckCommand:
			if want := []string{"CMD", "/presently", "health"}; !slices.Equal(c.Health.Test, want) {
				t.Errorf("HEALTHCHECK %q, want %q", c.Health.Test, want)
			}
		case *instructions.CopyCommand:
			if !hasStage(all, c.From) {
				t.Errorf("COPY --from=%s: no such stage", c.From)
			}
		}
	}
	for _, name := range []string{"USER", "EXPOSE", "HEALTHCHECK", "ENTRYPOINT", "LABEL", "STOPSIGNAL"} {
		if !seen[name] {
			t.Errorf("the image has no %s", name)
		}
	}
}

func hasStage(all []instructions.Stage, name string) bool {
	return slices.ContainsFunc(all, func(s instructions.Stage) bool { return s.Name == name })
}

func stages(t *testing.T) []instructions.Stage {
	t.Helper()
	parsed, err := parser.Parse(strings.NewReader(read(t, "Dockerfile")))
	if err != nil {
		t.Fatal(err)
	}
	all, _, err := instructions.Parse(parsed.AST, nil)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
