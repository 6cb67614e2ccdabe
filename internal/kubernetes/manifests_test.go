// Package kubernetes_test holds deploy/kubernetes to Kubernetes' own types, in which no field may be misspelt, and to the program that it runs.
package kubernetes_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	gateway "sigs.k8s.io/gateway-api/apis/v1"
	"sigs.k8s.io/json"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

const (
	directory    = "../../deploy/kubernetes"
	drain        = 25 * time.Second // PRESENTLY_DRAIN's default; the manifest says it, too
	lastRequests = 10 * time.Second // what comes after it at most: two waits of 5 s
)

// kinds are all that the manifests have, with the type that knows their fields.
var kinds = map[string]func() any{
	"v1 ServiceAccount":                      func() any { return new(core.ServiceAccount) },
	"v1 ConfigMap":                           func() any { return new(core.ConfigMap) },
	"v1 Service":                             func() any { return new(core.Service) },
	"apps/v1 Deployment":                     func() any { return new(apps.Deployment) },
	"policy/v1 PodDisruptionBudget":          func() any { return new(policy.PodDisruptionBudget) },
	"autoscaling/v2 HorizontalPodAutoscaler": func() any { return new(autoscaling.HorizontalPodAutoscaler) },
	"networking.k8s.io/v1 NetworkPolicy":     func() any { return new(networking.NetworkPolicy) },
	"networking.k8s.io/v1 Ingress":           func() any { return new(networking.Ingress) },
	"gateway.networking.k8s.io/v1 HTTPRoute": func() any { return new(gateway.HTTPRoute) },
	"monitoring.coreos.com/v1 PodMonitor":    func() any { return new(monitoring.PodMonitor) },
}

// build is `kubectl kustomize`, and decodes what it makes strictly.
func build(t *testing.T, at string) map[string]any {
	t.Helper()
	made, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), at)
	if err != nil {
		t.Fatalf("%s: %v", at, err)
	}
	all := map[string]any{}
	for _, r := range made.Resources() {
		text, err := r.AsYAML()
		if err != nil {
			t.Fatal(err)
		}
		decoded, err := decode(text)
		if err != nil {
			t.Errorf("%s: %v", at, err)
			continue
		}
		all[r.GetKind()+"/"+strings.SplitN(r.GetName(), "-", 2)[0]+suffix(r.GetName())] = decoded
	}
	return all
}

// suffix keeps presently-repeatable apart, but not the hash of a ConfigMap.
func suffix(name string) string {
	if strings.HasSuffix(name, "-repeatable") {
		return "-repeatable"
	}
	return ""
}

type unknownKind string

func (k unknownKind) Error() string { return "no type is known for " + string(k) }

func decode(text []byte) (any, error) {
	var head meta.TypeMeta
	if err := yaml.Unmarshal(text, &head); err != nil {
		return nil, err
	}
	empty, ok := kinds[head.APIVersion+" "+head.Kind]
	if !ok {
		return nil, unknownKind(head.APIVersion + " " + head.Kind)
	}
	v := empty()
	converted, err := yaml.YAMLToJSONStrict(text)
	if err != nil {
		return nil, err
	}
	wrong, err := json.UnmarshalStrict(converted, v) // minds the case of names, as Kubernetes does
	return v, errors.Join(append(wrong, err)...)
}

// overlay builds the base with components, as an overlay of one's own would.
func overlay(t *testing.T, components ...string) map[string]any {
	t.Helper()
	root, err := filepath.Abs(directory)
	if err != nil {
		t.Fatal(err)
	}
	// kustomize takes no absolute paths, so the overlay lies beside a copy.
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(root)); err != nil {
		t.Fatal(err)
	}
	text := "resources: [../base]\ncomponents:\n"
	for _, c := range components {
		text += "  - ../" + c + "\n"
	}
	mine := filepath.Join(dir, "mine")
	if err := os.Mkdir(mine, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(mine, "kustomization.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return build(t, mine)
}

func TestManifestsHaveNoFieldThatKubernetesDoesNotKnow(t *testing.T) {
	for _, at := range []string{"base", "example"} {
		if got := build(t, filepath.Join(directory, at)); len(got) < 7 {
			t.Errorf("%s makes %d resources only", at, len(got))
		}
	}
	all := overlay(t, "gateway", "ingress-nginx", "monitoring")
	for _, name := range []string{"HTTPRoute/presently", "Ingress/presently", "Ingress/presently-repeatable", "PodMonitor/presently"} {
		if all[name] == nil {
			t.Errorf("no %s", name)
		}
	}
}

// The check is worth something: it finds what is wrong with a wrong file.
func TestAMisspeltFieldIsFound(t *testing.T) {
	good, err := os.ReadFile(filepath.Join(directory, "base", "deployment.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for old, wrong := range map[string]string{
		"readOnlyRootFilesystem": "readonlyRootFilesystem", "terminationGracePeriodSeconds": "terminationGracePeriod", "failureThreshold: 30": "failureThreshold: many", "apps/v1": "apps/v2",
	} {
		bad := strings.Replace(string(good), old, wrong, 1)
		if _, err := decode([]byte(bad)); bad == string(good) || err == nil {
			t.Errorf("%s is not found", wrong)
		}
	}
}

func TestAPodHasTheTimeThatItNeedsToEnd(t *testing.T) {
	all := build(t, filepath.Join(directory, "base"))
	pod := all["Deployment/presently"].(*apps.Deployment).Spec.Template.Spec
	before := time.Duration(container(t, all).Lifecycle.PreStop.Sleep.Seconds) * time.Second
	if said, err := time.ParseDuration(all["ConfigMap/presently"].(*core.ConfigMap).Data["PRESENTLY_DRAIN"]); err != nil || said != drain {
		t.Errorf("PRESENTLY_DRAIN is %v, %v", said, err)
	}
	if grace := time.Duration(*pod.TerminationGracePeriodSeconds) * time.Second; grace <= before+drain+lastRequests {
		t.Errorf("%v to end, where it may take %v, then %v, then %v", grace, before, drain, lastRequests)
	}
}

func container(t *testing.T, all map[string]any) core.Container {
	t.Helper()
	containers := all["Deployment/presently"].(*apps.Deployment).Spec.Template.Spec.Containers
	if len(containers) != 1 {
		t.Fatalf("%d containers", len(containers))
	}
	return containers[0]
}

// What Kubernetes calls restricted.
func TestAPodHasNoRightsThatItDoesNotNeed(t *testing.T) {
	all := build(t, filepath.Join(directory, "base"))
	pod, c := all["Deployment/presently"].(*apps.Deployment).Spec.Template.Spec, container(t, all).SecurityContext
	dockerfile, err := os.ReadFile("../../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	if user := strconv.FormatInt(*pod.SecurityContext.RunAsUser, 10); !bytes.Contains(dockerfile, []byte("USER "+user+":"+user+"\n")) {
		t.Errorf("user %s is not the image's", user)
	}
	if !*pod.SecurityContext.RunAsNonRoot || pod.SecurityContext.SeccompProfile.Type != core.SeccompProfileTypeRuntimeDefault || *pod.AutomountServiceAccountToken {
		t.Errorf("pod: %+v", pod.SecurityContext)
	}
	if *c.AllowPrivilegeEscalation || !*c.ReadOnlyRootFilesystem || !slices.Equal(c.Capabilities.Drop, []core.Capability{"ALL"}) || len(c.Capabilities.Add) > 0 {
		t.Errorf("container: %+v", c)
	}
}

func TestWhatSelectsSelectsThePods(t *testing.T) {
	all := overlay(t, "gateway", "ingress-nginx", "monitoring")
	labels := all["Deployment/presently"].(*apps.Deployment).Spec.Template.Labels
	for name, selector := range map[string]map[string]string{
		"Deployment":    all["Deployment/presently"].(*apps.Deployment).Spec.Selector.MatchLabels,
		"Service":       all["Service/presently"].(*core.Service).Spec.Selector,
		"disruptions":   matchLabels(all["PodDisruptionBudget/presently"].(*policy.PodDisruptionBudget).Spec.Selector),
		"NetworkPolicy": all["NetworkPolicy/presently"].(*networking.NetworkPolicy).Spec.PodSelector.MatchLabels,
		"PodMonitor":    all["PodMonitor/presently"].(*monitoring.PodMonitor).Spec.Selector.MatchLabels,
	} {
		if len(selector) == 0 {
			t.Errorf("%s selects every pod", name)
		}
		for key, value := range selector {
			if labels[key] != value {
				t.Errorf("%s selects %s=%s, pods have %v", name, key, value, labels)
			}
		}
	}
	if target := all["HorizontalPodAutoscaler/presently"].(*autoscaling.HorizontalPodAutoscaler).Spec.ScaleTargetRef; target.Kind != "Deployment" || target.Name != "presently" {
		t.Errorf("what scales scales %+v", target)
	}
	service := all["Service/presently"].(*core.Service).Spec.Ports[0]
	for _, name := range []string{"Ingress/presently", "Ingress/presently-repeatable"} {
		for _, p := range all[name].(*networking.Ingress).Spec.Rules[0].HTTP.Paths {
			if p.Backend.Service.Name != "presently" || p.Backend.Service.Port.Name != service.Name {
				t.Errorf("%s %s goes to %+v", name, p.Path, p.Backend.Service)
			}
		}
	}
	for _, rule := range all["HTTPRoute/presently"].(*gateway.HTTPRoute).Spec.Rules {
		if ref := rule.BackendRefs[0]; ref.Name != "presently" || int32(*ref.Port) != service.Port {
			t.Errorf("the route goes to %+v", ref)
		}
	}
}

// matchLabels are none where there is no selector at all.
func matchLabels(s *meta.LabelSelector) map[string]string {
	if s == nil {
		return nil
	}
	return s.MatchLabels
}

// The program is run with the environment of the pod, and asked at its ports as Kubernetes would.
func TestTheProgramAnswersWhereManifestsAsk(t *testing.T) {
	all := overlay(t, "gateway", "ingress-nginx", "monitoring")
	c := container(t, all)
	program := filepath.Join(t.TempDir(), "presently")
	build := exec.Command("go", "build", "-o", program, ".")
	build.Dir = "../.."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	help, err := exec.Command(program, "help").Output()
	if err != nil {
		t.Fatal(err)
	}
	environment := map[string]string{}
	for name, value := range all["ConfigMap/presently"].(*core.ConfigMap).Data {
		environment[name] = value
	}
	for _, e := range c.Env {
		environment[e.Name] = e.Value
	}
	for name := range environment {
		if strings.HasPrefix(name, "PRESENTLY_") && !regexp.MustCompile(`\b`+name+`\b`).Match(help) {
			t.Errorf("help knows no %s", name)
		}
	}
	ports := map[string]int32{}
	for _, p := range c.Ports {
		ports[p.Name] = p.ContainerPort
	}
	if !strings.Contains(string(help), ":"+strconv.Itoa(int(ports["http"]))) || environment["PRESENTLY_ADMIN_LISTEN"] != ":"+strconv.Itoa(int(ports["admin"])) {
		t.Errorf("ports are %v, PRESENTLY_ADMIN_LISTEN is %s", ports, environment["PRESENTLY_ADMIN_LISTEN"])
	}
	addresses := map[string]string{"http": free(t), "admin": free(t)}
	environment["PRESENTLY_LISTEN"], environment["PRESENTLY_ADMIN_LISTEN"] = addresses["http"], addresses["admin"]
	environment["PRESENTLY_REDIS_URL"], environment["PRESENTLY_JWT_SECRET"] = "redis://127.0.0.1:1", strings.Repeat("s", 48) // nothing listens there
	environment["PRESENTLY_DRAIN"] = "0s"
	log := runProgram(t, program, environment, "http://"+addresses["http"]+"/healthz")

	asked := map[string]bool{}
	for name, probe := range map[string]*core.Probe{"startup": c.StartupProbe, "liveness": c.LivenessProbe, "readiness": c.ReadinessProbe} {
		want := http.StatusOK
		if name == "readiness" {
			want = http.StatusServiceUnavailable // without Redis
		}
		if got := status(t, "http://"+addresses[portName(t, probe.HTTPGet.Port)]+probe.HTTPGet.Path); got != want {
			t.Errorf("the %s probe gets %d, want %d", name, got, want)
		}
		asked[probe.HTTPGet.Path] = true
	}
	if !asked["/healthz"] || !asked["/readyz"] {
		t.Errorf("probes ask %v", asked)
	}
	for _, e := range all["PodMonitor/presently"].(*monitoring.PodMonitor).Spec.PodMetricsEndpoints {
		if got := status(t, "http://"+addresses[*e.Port]+e.Path); got != http.StatusOK {
			t.Errorf("metrics: %d", got)
		}
	}
	// Where requests go, they are known: to whoever has no token, too.
	for _, p := range all["Ingress/presently-repeatable"].(*networking.Ingress).Spec.Rules[0].HTTP.Paths {
		if got := status(t, "http://"+addresses["http"]+p.Path); got != http.StatusMethodNotAllowed && got != http.StatusUnauthorized {
			t.Errorf("GET %s: %d", p.Path, got)
		}
	}
	if strings.Contains(log.String(), "is not a setting") {
		t.Errorf("the log says:\n%s", log)
	}
}

func portName(t *testing.T, port intstr.IntOrString) string {
	t.Helper()
	if port.Type != intstr.String {
		t.Fatalf("the port %v has no name", port)
	}
	return port.StrVal
}

func runProgram(t *testing.T, path string, environment map[string]string, ready string) *bytes.Buffer {
	t.Helper()
	cmd, log := exec.Command(path), &bytes.Buffer{}
	cmd.Stderr = log
	cmd.Env = []string{}
	for name, value := range environment {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stop := func() { _ = cmd.Process.Signal(syscall.SIGKILL); _ = cmd.Wait() }
	t.Cleanup(stop)
	limit := time.Now().Add(30 * time.Second)
	for {
		response, err := http.Get(ready)
		if err == nil {
			response.Body.Close()
			return log
		}
		if time.Now().After(limit) {
			stop()
			t.Fatalf("it does not serve: %v\n%s", err, log)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func status(t *testing.T, url string) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	return response.StatusCode
}

func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
