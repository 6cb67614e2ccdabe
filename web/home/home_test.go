package home

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"
)

const token = "eyJ.test.token"

var development = Options{
	User: "ada", Silence: 90 * time.Second,
	Token: func() (string, error) { return token, nil },
}

func page(t testing.TB, o Options, host string) (http.Header, string) {
	t.Helper()
	w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil)
	r.Host = host
	Handler(o).ServeHTTP(w, r)
	body, err := io.ReadAll(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	return w.Header(), string(body)
}

// known is what the page tells its script.
func known(t testing.TB, body string) map[string]any {
	t.Helper()
	_, rest, _ := strings.Cut(body, `<script type="application/json" id="development">`)
	data, _, found := strings.Cut(rest, "</script>")
	var v map[string]any
	if err := json.Unmarshal([]byte(data), &v); err != nil || !found {
		t.Fatalf("the page has %q for its script: %v", data, err)
	}
	return v
}

// A page of a stranger may call this machine by a name of its own (DNS rebinding), and would then read what we answer.
func TestTokenIsGivenToLoopbackNamesAlone(t *testing.T) {
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
		_, body := page(t, development, host)
		if has := strings.Contains(body, token); has != given {
			t.Errorf("Host %q: the page has the token: %v, want %v", host, has, given)
		}
		if v := known(t, body); v == nil {
			t.Errorf("Host %q: the page is that of production", host)
		}
	}
}

func TestPageOfProductionKnowsNothing(t *testing.T) {
	_, body := page(t, Options{}, "localhost:8080")
	if v := known(t, body); v != nil {
		t.Errorf("the script is told %v", v)
	}
	for _, link := range []string{`href="/docs"`, `href="/openapi.yaml"`} {
		if !strings.Contains(body, link) {
			t.Errorf("the page has no %s", link)
		}
	}
}

func TestPageShowsNoPanelWhereNoTokenCanBeMade(t *testing.T) {
	o := development
	o.Token = func() (string, error) { return "", errors.New("no") }
	_, body := page(t, o, "localhost")
	if v := known(t, body); v == nil || v["token"] != nil {
		t.Errorf("the script is told %v", v)
	}
}

// Whatever a setting holds, it stays data.
func TestWhatTheScriptIsToldCannotEndItsElement(t *testing.T) {
	o := development
	o.User = `</script><script>alert(1)</script>`
	_, body := page(t, o, "localhost")
	if strings.Contains(body, o.User) {
		t.Error("the user stands in the page as markup")
	}
	if got := known(t, body)["user"]; got != o.User {
		t.Errorf("user = %q, want %q", got, o.User)
	}
}

var inline = regexp.MustCompile(`(?s)<(style|script)>(.*?)</(?:style|script)>`)

func TestPolicyAllowsWhatStandsInThePageAndNothingElse(t *testing.T) {
	h, body := page(t, development, "localhost")
	policy := h.Get("Content-Security-Policy")
	found := inline.FindAllStringSubmatch(body, -1)
	if len(found) != 2 {
		t.Fatalf("the page has %d inline elements, want a style and a script", len(found))
	}
	for _, e := range found {
		if want := e[1] + "-src " + hash([]byte(e[2])) + ";"; !strings.Contains(policy, want) {
			t.Errorf("policy = %s\nwant it to have %s", policy, want)
		}
	}
	for _, want := range []string{"default-src 'none'", "connect-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("policy lacks %s", want)
		}
	}
	if strings.Contains(policy, "unsafe") || strings.Contains(policy, "http") {
		t.Errorf("policy = %s", policy)
	}
	for name, want := range map[string]string{"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"} {
		if got := h.Get(name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
}

// The page must work on a machine without a network, and tell nobody that it was opened.
func TestPageLoadsNothingFromElsewhere(t *testing.T) {
	_, body := page(t, development, "localhost")
	if at := regexp.MustCompile(`(?:src|href)="(?:https?:)?//[^"]*|@import|url\(`).FindString(body); at != "" {
		t.Errorf("the page has %s", at)
	}
	if at := regexp.MustCompile(`\son[a-z]+="|\sstyle="|innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(`).FindString(body); at != "" {
		t.Errorf("the page has %s, which the policy forbids or markup could come through", at)
	}
	if bytes.Contains(script, []byte("</script")) || bytes.Contains(style, []byte("</style")) {
		t.Error("style or script ends its own element")
	}
}

func TestHeadHasNoBody(t *testing.T) {
	w := httptest.NewRecorder()
	Handler(development).ServeHTTP(w, httptest.NewRequest(http.MethodHead, "/", nil))
	if w.Body.Len() != 0 || w.Header().Get("Content-Security-Policy") == "" {
		t.Errorf("HEAD answers %d bytes, headers %v", w.Body.Len(), w.Header())
	}
}
