package lint_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

// drain is PRESENTLY_DRAIN's default: streams are closed spread over it.
const drain = 25 * time.Second

func TestComposeFileLoadsAsDockerComposeWouldLoadIt(t *testing.T) {
	p := compose(t)
	for _, name := range []string{"presently-1", "presently-2", "redis", "proxy"} {
		if _, ok := p.Services[name]; !ok {
			t.Errorf("no service %s", name)
		}
	}
	one, two := p.Services["presently-1"], p.Services["presently-2"]
	if *one.Environment["PRESENTLY_JWT_SECRET"] != "s3cret" || *two.Environment["PRESENTLY_JWT_SECRET"] != "s3cret" {
		t.Error("the secret does not reach both instances")
	}
}

func TestComposeWithoutASecretSaysHowToMakeOne(t *testing.T) {
	_, err := load(t, "PRESENTLY_JWT_SECRET=")
	if err == nil || !strings.Contains(err.Error(), "openssl rand -base64 32") {
		t.Errorf("error = %v, want it to name the command", err)
	}
}

func TestEveryServiceIsHardenedAndWatched(t *testing.T) {
	for name, s := range compose(t).Services {
		if !s.ReadOnly {
			t.Errorf("%s: the file system can be written to", name)
		}
		if len(s.CapDrop) != 1 || s.CapDrop[0] != "ALL" || len(s.CapAdd) > 0 || s.Privileged {
			t.Errorf("%s: capabilities -%v +%v, privileged %t", name, s.CapDrop, s.CapAdd, s.Privileged)
		}
		if len(s.SecurityOpt) != 1 || s.SecurityOpt[0] != "no-new-privileges:true" {
			t.Errorf("%s: security options %v", name, s.SecurityOpt)
		}
		// The image of Presently has both itself.
		if s.Build == nil && (s.HealthCheck == nil || s.User == "" || s.User == "root") {
			t.Errorf("%s: user %q, health check %v", name, s.User, s.HealthCheck)
		}
	}
}

func TestServicesStartAfterWhatTheyNeedIsHealthy(t *testing.T) {
	p := compose(t)
	for from, to := range map[string][]string{
		"proxy":       {"presently-1", "presently-2"},
		"presently-1": {"redis"},
		"presently-2": {"redis"},
	} {
		for _, name := range to {
			if d, ok := p.Services[from].DependsOn[name]; !ok || d.Condition != types.ServiceConditionHealthy {
				t.Errorf("%s does not wait for a healthy %s", from, name)
			}
		}
	}
}

func TestInstancesGetTimeToDrain(t *testing.T) {
	for _, name := range []string{"presently-1", "presently-2"} {
		grace := compose(t).Services[name].StopGracePeriod
		if grace == nil || time.Duration(*grace) < drain+10*time.Second {
			t.Errorf("%s: stop_grace_period = %v, want 10 s over the drain of %v", name, grace, drain)
		}
	}
}

func TestOnlyTheProxyIsReachable(t *testing.T) {
	p := compose(t)
	for name, s := range p.Services {
		if len(s.Ports) > 0 && name != "proxy" {
			t.Errorf("%s publishes %v", name, s.Ports)
		}
		if _, onStore := s.Networks["store"]; onStore == (name == "proxy") {
			t.Errorf("%s on the network of Redis: %t", name, onStore)
		}
	}
	if ip := p.Services["proxy"].Ports[0].HostIP; ip != "127.0.0.1" {
		t.Errorf("published on %q, want loopback unless told otherwise", ip)
	}
	if !p.Networks["store"].Internal {
		t.Error("Redis can reach, and be reached from, the outside")
	}
}

func TestMountedFilesExist(t *testing.T) {
	for name, s := range compose(t).Services {
		for _, v := range s.Volumes {
			if v.Type != types.VolumeTypeBind {
				continue
			}
			if _, err := os.Stat(v.Source); err != nil {
				t.Errorf("%s mounts %v", name, err)
			}
		}
	}
}

func TestRedisForgetsNothing(t *testing.T) {
	got := strings.Join(compose(t).Services["redis"].Command, " ")
	for _, want := range []string{"--appendonly yes", "--maxmemory-policy noeviction"} {
		if !strings.Contains(got, want) {
			t.Errorf("redis runs as %q, want %s", got, want)
		}
	}
}

// A misspelt setting is no error to Docker, and none to a program that does
// not look for it.
func TestSettingsInComposeExist(t *testing.T) {
	source := settings(t)
	for name, s := range compose(t).Services {
		for key := range s.Environment {
			if source != "" && !strings.Contains(source, `"`+strings.TrimPrefix(key, "PRESENTLY_")+`"`) {
				t.Errorf("%s sets %s, which no config*.go knows", name, key)
			}
		}
	}
}

// settings is the source of the configuration, or nothing while there is none.
func settings(t *testing.T) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "..", "config*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(b)
	}
	return all.String()
}

func TestProxyKnowsEveryInstance(t *testing.T) {
	conf := read(t, "deploy/nginx/nginx.conf")
	known := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^\s*server (presently-\d+):8080 `).FindAllStringSubmatch(conf, -1) {
		known[m[1]] = true
	}
	for name, s := range compose(t).Services {
		if s.Build != nil && !known[name] {
			t.Errorf("nginx.conf has no server %s:8080", name)
		}
		delete(known, name)
	}
	for name := range known {
		t.Errorf("nginx.conf names %s, which compose.yaml does not", name)
	}
}

func compose(t *testing.T) *types.Project {
	t.Helper()
	p, err := load(t, "PRESENTLY_JWT_SECRET=s3cret")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// load reads the schema, anchors, interpolation and references as
// `docker compose config` does.
func load(t *testing.T, env ...string) (*types.Project, error) {
	t.Helper()
	o, err := cli.NewProjectOptions([]string{filepath.Join("..", "..", "compose.yaml")}, cli.WithEnv(env))
	if err != nil {
		t.Fatal(err)
	}
	return o.LoadProject(t.Context())
}
