package home

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

const token = "eyJ.test.token"

var (
	development = Options{
		Demo: true, Silence: 90 * time.Second,
		People: func() ([]Person, error) { return []Person{{"ada", "Ada", token}}, nil },
	}
	asked = Options{Demo: true} // in production
)

func get(t testing.TB, o Options, path string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, path, nil)
	r.Host = "localhost:8080"
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
			continue
		}
		r.Header.Set(headers[i], headers[i+1])
	}
	Handler(o).ServeHTTP(w, r)
	return w
}

func known(t testing.TB, w *httptest.ResponseRecorder) (p people) {
	t.Helper()
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Code != http.StatusOK || p.People == nil {
		t.Fatalf("people.json answers %d %q: %v", w.Code, w.Body, err)
	}
	return p
}

// A page of a stranger may call this machine by a name of its own (DNS rebinding), and would then read what we answer.
func TestTokensAreGivenToLoopbackNamesAlone(t *testing.T) {
	for host, given := range map[string]bool{
		"localhost":                true,
		"localhost:8080":           true,
		"LocalHost:8080":           true,
		"127.0.0.1:8080":           true,
		"127.0.0.1":                true,
		"127.9.9.9:8080":           true,
		"[::1]:8080":               true,
		"[::1]":                    true,
		"evil.example:8080":        false,
		"evil.example":             false,
		"localhost.evil.example":   false,
		"127.0.0.1.evil.example":   false,
		"localhost.":               false,
		"0.0.0.0:8080":             false,
		"[::]:8080":                false,
		"10.0.0.1:8080":            false,
		"2130706433:8080":          false,
		"localhost:8080@evil":      false,
		"evil.example:8080:8080":   false,
		"evil.example#@localhost:": false,
		"":                         false,
	} {
		w := get(t, development, "/home/people.json", "Host", host)
		if has := strings.Contains(w.Body.String(), token); has != given {
			t.Errorf("Host %q: it has the token: %v, want %v", host, has, given)
		}
		if known(t, w).Elsewhere == given {
			t.Errorf("Host %q: elsewhere = %v", host, given)
		}
	}
}

// PRESENTLY_CORS_ORIGINS lets pages read the API as whoever they are, not become Ada.
func TestTokensAreNotGivenToPagesFromElsewhere(t *testing.T) {
	for site, given := range map[string]bool{"same-origin": true, "none": true, "same-site": false, "cross-site": false} {
		w := get(t, development, "/home/people.json", "Sec-Fetch-Site", site)
		if has := strings.Contains(w.Body.String(), token); has != given {
			t.Errorf("Sec-Fetch-Site %s: it has the token: %v, want %v", site, has, given)
		}
	}
}

func TestTokensAreNotKeptByAnybody(t *testing.T) {
	if got := get(t, development, "/home/people.json").Header().Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control = %q", got)
	}
	if page := get(t, development, "/").Body.String(); strings.Contains(page, token) {
		t.Error("the page itself, which may be kept, has the token")
	}
}

func TestDemoOfProductionHasNoTokens(t *testing.T) {
	if p := known(t, get(t, asked, "/home/people.json")); len(p.People) > 0 || p.Elsewhere {
		t.Errorf("people.json says %+v", p)
	}
}

func TestPageOfProductionIsPlain(t *testing.T) {
	page := get(t, Options{}, "/").Body.String()
	for _, part := range []string{`href="/docs"`, `href="/openapi.yaml"`, `src="/home/plain.js"`, "curl -N"} {
		if !strings.Contains(page, part) {
			t.Errorf("the page has no %s", part)
		}
	}
	for _, path := range []string{"/home/demo.js", "/home/people.json"} {
		if w := get(t, Options{}, path); w.Code != http.StatusNotFound {
			t.Errorf("%s answers %d", path, w.Code)
		}
	}
}

func TestWhereNoTokenCanBeMadeNothingElseIsTold(t *testing.T) {
	o := development
	o.People = func() ([]Person, error) { return nil, errors.New("secret reasons") }
	if w := get(t, o, "/home/people.json"); w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "reasons") {
		t.Errorf("people.json answers %d %q", w.Code, w.Body)
	}
}

func TestPolicyIsStrict(t *testing.T) {
	for _, path := range []string{"/", "/home/demo.js", "/home/page.css", "/home/people.json"} {
		h := get(t, development, path).Header()
		policy := h.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "script-src 'self';", "style-src 'self';", "connect-src 'self';", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'"} {
			if !strings.Contains(policy, want) {
				t.Errorf("%s: policy lacks %s", path, want)
			}
		}
		if strings.Contains(policy, "unsafe") || strings.Contains(policy, "http") {
			t.Errorf("%s: policy = %s", path, policy)
		}
		if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") != "no-referrer" || h.Get("Cross-Origin-Resource-Policy") != "same-origin" {
			t.Errorf("%s: headers = %v", path, h)
		}
	}
}

var (
	elsewhere = regexp.MustCompile(`(?:src|href)="(?:https?:)?//[^"]*|@import|url\(`)
	markup    = regexp.MustCompile(`\son[a-z]+="|\sstyle="|<style|<script>|innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|\beval\(|setHTML`)
)

// The pages must work on a machine without a network, and tell nobody that they were opened; and what people say must stay text.
func TestPagesLoadNothingFromElsewhereAndHaveNoWayForMarkup(t *testing.T) {
	for _, path := range []string{"/", "/home/demo.js", "/home/plain.js", "/home/page.css"} {
		for _, o := range []Options{development, {}} {
			body := get(t, o, path).Body.String()
			if at := elsewhere.FindString(body); at != "" {
				t.Errorf("%s has %s", path, at)
			}
			if at := markup.FindString(body); at != "" {
				t.Errorf("%s has %s, which the policy forbids or markup could come through", path, at)
			}
			if strings.Contains(body, "{lines}") {
				t.Errorf("%s lacks a part", path)
			}
		}
	}
}

// A page that may not be stored cannot come back from the back-forward cache.
func TestPageMayBeKeptIfItIsAskedAbout(t *testing.T) {
	h := get(t, development, "/").Header()
	if h.Get("Cache-Control") != "no-cache" || get(t, development, "/", "If-None-Match", h.Get("ETag")).Code != http.StatusNotModified {
		t.Errorf("headers = %v", h)
	}
}

// The program is built without Node, of what `make demo` has built.
func TestBundleIsNotStale(t *testing.T) {
	root := filepath.Join("..", "..")
	list, err := os.Open(filepath.Join("page", "sources.txt"))
	if err != nil {
		t.Fatal(err)
	}
	defer list.Close()
	var paths []string
	for lines := bufio.NewScanner(list); lines.Scan(); {
		want, path, _ := strings.Cut(lines.Text(), "  ")
		source, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(path)))
		if sum := sha256.Sum256(source); err != nil || hex.EncodeToString(sum[:]) != want {
			t.Errorf("%s is not what the demo was built of, run: make demo (%v)", path, err)
		}
		paths = append(paths, path)
	}
	for _, want := range []string{"client/src/client.ts", "client/src/live.ts", "web/home/src/demo.ts", "web/home/page/demo.js", "web/home/page/plain.js"} {
		if !slices.Contains(paths, want) {
			t.Errorf("sources.txt does not have %s", want)
		}
	}
}
