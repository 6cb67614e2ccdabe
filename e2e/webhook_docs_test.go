package e2e

import (
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/presently/presently/internal/contract"
)

// What docs/webhooks.md shows is what the contract says, and its recipe makes the signature that it shows.
func TestThePageOfWebhooksTellsTheTruth(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/webhooks.md")
	if err != nil {
		t.Fatal(err)
	}
	judge := contract.Load(t)
	header := http.Header{}
	for _, m := range regexp.MustCompile(`(?m)^(Webhook-\w+): (.*)$`).FindAllStringSubmatch(string(page), -1) {
		header.Set(m[1], m[2])
	}
	bodies := regexp.MustCompile(`(?m)^\{"data".*$`).FindAllString(string(page), -1)
	if len(bodies) != 5 {
		t.Errorf("%d bodies are shown, want 5", len(bodies))
	}
	for _, body := range bodies {
		judge.CheckWebhook(t, header, []byte(body))
	}
	recipe := regexp.MustCompile("(?s)```sh\n(secret=.*?)```").FindStringSubmatch(string(page))
	if recipe == nil {
		t.Fatal("there is no recipe")
	}
	out, err := exec.CommandContext(t.Context(), "sh", "-c", recipe[1]).Output()
	if err != nil {
		t.Fatalf("the recipe: %v", err)
	}
	if got, want := "v1,"+strings.TrimSpace(string(out)), header.Get("webhook-signature"); got != want {
		t.Errorf("the recipe makes %s, the request shown has %s", got, want)
	}
}
