package docs

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

func get(t *testing.T, path, encoding string) (*http.Response, string) {
	t.Helper()
	req := httptest.NewRequest("GET", path, nil)
	req.Header.Set("Accept-Encoding", encoding)
	w := httptest.NewRecorder()
	Handler("/docs").ServeHTTP(w, req)
	body, err := io.ReadAll(w.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	return w.Result(), string(body)
}

func TestPageIsThereWithAllItRefersTo(t *testing.T) {
	resp, page := get(t, "/docs", "")
	if resp.StatusCode != 200 {
		t.Fatalf("got status %d, want 200", resp.StatusCode)
	}
	parts := regexp.MustCompile(`(?:src|href)="(docs/[^"]+)"`).FindAllStringSubmatch(page, -1)
	if len(parts) != 3 {
		t.Fatalf("got parts %q, want 3", parts)
	}
	for _, part := range parts {
		if resp, body := get(t, "/"+part[1], "gzip"); resp.StatusCode != 200 || body == "" {
			t.Errorf("%s: got status %d and %d bytes", part[1], resp.StatusCode, len(body))
		}
	}
}

func TestEverythingIsServedStrictly(t *testing.T) {
	for path, kind := range map[string]string{
		"/docs":                     "text/html; charset=utf-8",
		"/docs/page.css":            "text/css; charset=utf-8",
		"/docs/page.js":             "text/javascript; charset=utf-8",
		"/docs/rapidoc.js":          "text/javascript; charset=utf-8",
		"/docs/rapidoc.LICENSE.txt": "text/plain; charset=utf-8",
	} {
		resp, _ := get(t, path, "gzip")
		for name, want := range map[string]string{
			"Content-Type":            kind,
			"Content-Security-Policy": policy,
			"X-Content-Type-Options":  "nosniff",
			"Cache-Control":           "no-cache",
		} {
			if got := resp.Header.Get(name); got != want {
				t.Errorf("%s: got %s %q, want %q", path, name, got, want)
			}
		}
	}
}

// An inline script would be refused by our own policy, and a foreign one would
// make the page useless where there is no internet.
func TestPageHasNoInlineScriptAndNothingForeign(t *testing.T) {
	_, page := get(t, "/docs", "")
	if inline := regexp.MustCompile(`<script[^>]*>[^<]|\son\w+=|javascript:`).FindString(page); inline != "" {
		t.Errorf("the page has an inline script: %q", inline)
	}
	if strings.Contains(page, "//") {
		t.Errorf("the page refers to another host:\n%s", page)
	}
}

func TestScriptIsTheSameForThoseWhoCannotUnzip(t *testing.T) {
	packed, gz := get(t, "/docs/rapidoc.js", "br, gzip")
	plain, js := get(t, "/docs/rapidoc.js", "br")
	if got := packed.Header.Get("Content-Encoding"); got != "gzip" {
		t.Errorf("got Content-Encoding %q, want gzip", got)
	}
	if got := plain.Header.Get("Content-Encoding"); got != "" {
		t.Errorf("got Content-Encoding %q for those who cannot unzip", got)
	}
	if !bytes.Equal(unzip([]byte(gz)), []byte(js)) {
		t.Error("the two differ")
	}
	if packed.Header.Get("ETag") == plain.Header.Get("ETag") {
		t.Error("both have the same ETag")
	}
}
