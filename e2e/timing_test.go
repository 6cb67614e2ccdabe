//go:build timing

package e2e

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/presently/presently/internal/redistest"
)

const (
	timed      = 10_000 // samples of a class
	ofAClass   = 20     // users, so that what is measured is no property of one of them
	timesATest = 4      // classes that are compared with who has gone
)

// How long an answer takes must not tell who hides from who has gone. This measures, and judges nothing: two samples of other moments of a busy machine differ, too.
// It is run by hand, and what it has told is in docs/security.md:
//
//	go test -tags timing -count=1 -timeout 30m -run TestTheTimeOfAnAnswer -v ./e2e
func TestTheTimeOfAnAnswerIsMeasured(t *testing.T) {
	for _, kind := range []struct{ name, url string }{{"redis", redistest.Start(t).URL()}, {"memory", ""}} {
		settings := []string{"PRESENTLY_JWT_SECRET=" + secret, "PRESENTLY_TTL=1h", "PRESENTLY_LOG_LEVEL=info"}
		if kind.url != "" {
			settings = append(settings, "PRESENTLY_REDIS_URL="+kind.url)
		}
		i := launch(t, settings...)
		i.awaitReady()
		eve := i.as("eve")
		eve.at = &instance{t: t, url: i.url, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1}}, program: i.program} // the contract's recorder takes longer than the server
		classes := i.people()
		for _, way := range []struct {
			name string
			look func(user string) (method, path, body string)
		}{
			{"GET /v1/presence/{userId}", func(user string) (string, string, string) { return "GET", "/v1/presence/" + user, "" }},
			{"POST /v1/presence/query", func(user string) (string, string, string) {
				return "POST", "/v1/presence/query", `{"users":["` + user + `"]}`
			}},
			{"GET /v1/users/{userId}/rooms", func(user string) (string, string, string) { return "GET", "/v1/users/" + user + "/rooms", "" }},
		} {
			took := map[string][]float64{}
			for n := range timed {
				for _, at := range rand.Perm(len(classes)) {
					class := classes[at]
					method, path, body := way.look(nameIn(class, (n+at)%ofAClass))
					began := time.Now()
					r, err := eve.ask(t.Context(), method, path, body)
					if err != nil || r.status != 200 {
						t.Fatalf("%s %s: %d %v", method, path, r.status, err)
					}
					took[class] = append(took[class], float64(time.Since(began).Nanoseconds())/1000)
				}
			}
			for _, class := range classes {
				slices.Sort(took[class])
			}
			gone := took["gone"]
			t.Logf("%s, %s: gone: median %.0f µs, p90 %.0f µs; load %s", kind.name, way.name, gone[timed/2], gone[timed*9/10], loadNow())
			for _, class := range classes[1:] {
				d, p := kolmogorovSmirnov(gone, took[class])
				t.Logf("   %-10s median ×%.3f, p90 ×%.3f, D %.4f, p %.3g, ×%d for as many comparisons: %.3g", class,
					took[class][timed/2]/gone[timed/2], took[class][timed*9/10]/gone[timed*9/10], d, p, timesATest, min(1, p*timesATest))
			}
		}
	}
}

// people makes users of each class, whose lives were the same but for what hides them; the first class is of those who have gone, and of them there are
// two kinds, which shows what the measurement itself makes of the same.
func (i *instance) people() []string {
	hide := map[string]func(p *person){
		"gone":       func(p *person) { p.must("DELETE", "/v1/presence/me/sessions/session-1", "") },
		"gone-again": func(p *person) { p.must("DELETE", "/v1/presence/me/sessions/session-1", "") },
		"invisible":  func(p *person) { p.choose("invisible") },
		"nobody": func(p *person) {
			p.must("PUT", "/v1/presence/privacy", `{"online":"nobody","lastSeen":"nobody","activity":"nobody","typing":"nobody"}`)
		},
		"blocked": func(p *person) { p.must("PUT", "/v1/blocks/eve", "") },
	}
	classes := []string{"gone", "gone-again", "invisible", "nobody", "blocked"}
	for _, class := range classes {
		for n := range ofAClass {
			p := i.as(nameIn(class, n))
			p.beat("session-1", `"device":"web"`, `"rooms":["lobby"]`)
			p.must("PUT", "/v1/presence/custom", `{"text":"Standup"}`)
			hide[class](p)
		}
	}
	return classes
}

// nameIn is a user of a class. All names are as long, so that it is no length that is measured.
func nameIn(class string, n int) string {
	return fmt.Sprintf("%s-%02d", (class + "..........")[:10], n)
}

// kolmogorovSmirnov compares two sorted samples: the greatest distance of their distributions, and how probable one as great is where they are the same.
func kolmogorovSmirnov(a, b []float64) (d, p float64) {
	for i, j := 0, 0; i < len(a) && j < len(b); {
		x := min(a[i], b[j])
		for i < len(a) && a[i] <= x {
			i++
		}
		for j < len(b) && b[j] <= x {
			j++
		}
		d = max(d, math.Abs(float64(i)/float64(len(a))-float64(j)/float64(len(b))))
	}
	n := math.Sqrt(float64(len(a)) * float64(len(b)) / float64(len(a)+len(b)))
	lambda := (n + 0.12 + 0.11/n) * d
	for k := 1.0; k <= 100; k++ {
		p += 2 * math.Pow(-1, k-1) * math.Exp(-2*k*k*lambda*lambda)
	}
	return d, min(1, max(0, p))
}

func loadNow() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Join(strings.Fields(string(text))[:1], " ")
}
