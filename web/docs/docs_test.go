package docs

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/getkin/kin-openapi/openapi3"
)

// repo is what the program embeds.
var repo = os.DirFS("../..")

func contractText(t testing.TB) []byte {
	t.Helper()
	text, err := fs.ReadFile(repo, "openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// manual is what main embeds: docs/ and the client's README.
func manual(t testing.TB) fs.FS {
	t.Helper()
	files := fstest.MapFS{}
	for _, pattern := range []string{"docs/order.txt", "docs/*.md", "docs/*/*.md", "client/README.md"} {
		names, err := fs.Glob(repo, pattern)
		if err != nil || len(names) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		for _, name := range names {
			body, err := fs.ReadFile(repo, name)
			if err != nil {
				t.Fatal(err)
			}
			files[name] = &fstest.MapFile{Data: body}
		}
	}
	return files
}

func options(t testing.TB) Options { return Options{Files: manual(t), Contract: contractText(t)} }

func get(t testing.TB, h http.Handler, target, encoding string) (*http.Response, string) {
	t.Helper()
	req := httptest.NewRequest("GET", target, nil)
	req.Header.Set("Accept-Encoding", encoding)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	body, err := io.ReadAll(w.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	return w.Result(), string(body)
}

var (
	links   = regexp.MustCompile(`(?:href|src)="([^"]*)"`)
	anchorA = regexp.MustCompile(` id="([^"]+)"`)
)

// Every link between pages leads somewhere, to a heading that is there, in the site. What leads to a file of the repository names one that there is.
func TestEveryLinkOfThePagesLeadsSomewhere(t *testing.T) {
	h := Handler("/docs", options(t))
	b, err := readBook(manual(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range b.order {
		at := strings.TrimSuffix("/docs/"+p.Path, "/")
		resp, body := get(t, h, at, "")
		if resp.StatusCode != http.StatusOK {
			t.Errorf("%s: got status %d", at, resp.StatusCode)
		}
		for _, m := range links.FindAllStringSubmatch(body, -1) {
			if fault := follow(t, h, at, m[1]); fault != "" {
				t.Errorf("%s: %s: %s", p.File, m[1], fault)
			}
		}
	}
}

// follow says what is wrong with a link, or nothing.
func follow(t *testing.T, h http.Handler, at, link string) string {
	t.Helper()
	if file, ok := strings.CutPrefix(link, repository); ok {
		file, _, _ = strings.Cut(file, "#")
		if _, err := fs.Stat(repo, file); err != nil {
			return "the repository has no such file"
		}
		return ""
	}
	if strings.Contains(link, ":") {
		return "" // elsewhere
	}
	target, fragment, _ := strings.Cut(link, "#")
	full := at
	if target != "" {
		full = path.Join(path.Dir(at), target)
	}
	if full == "/openapi.yaml" {
		return ""
	}
	resp, body := get(t, h, full, "gzip")
	if resp.StatusCode != http.StatusOK {
		return resp.Status
	}
	if fragment == "" || full == "/docs/reference" {
		return ""
	}
	for _, m := range anchorA.FindAllStringSubmatch(body, -1) {
		if m[1] == fragment {
			return ""
		}
	}
	return "that page has no such heading"
}

// On GitHub the same links work: they are relative, and name files and headings that there are. All pages of the repository are looked at here, too.
func TestEveryLinkWorksOnGitHub(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^()\s]+)\)`)
	fences := regexp.MustCompile("(?s)\n```.*?\n```|`[^`\n]+`")
	names, err := markdownFiles()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		text, err := fs.ReadFile(repo, name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(fences.ReplaceAllString(string(text), ""), -1) {
			target, fragment, _ := strings.Cut(m[1], "#")
			if strings.Contains(m[1], ":") {
				continue
			}
			file := name
			if target != "" {
				file = path.Join(path.Dir(name), target)
			}
			info, err := fs.Stat(repo, file)
			if err != nil {
				t.Errorf("%s: %s: there is no such file", name, m[1])
				continue
			}
			if fragment == "" || info.IsDir() || path.Ext(file) != ".md" {
				continue
			}
			other, err := fs.ReadFile(repo, file)
			if err != nil {
				t.Fatal(err)
			}
			if p := parsePage(file, other); !slices.ContainsFunc(p.passages, func(s passage) bool { return s.ID == fragment }) {
				t.Errorf("%s: %s: that page has no such heading", name, m[1])
			}
		}
	}
}

// markdownFiles are all of the repository, but for what was downloaded or built.
func markdownFiles() (names []string, err error) {
	err = fs.WalkDir(repo, ".", func(name string, d fs.DirEntry, err error) error {
		switch base := path.Base(name); {
		case err != nil:
			return err
		case d.IsDir() && (base == "node_modules" || base == "dist" || base != "." && strings.HasPrefix(base, ".")):
			return fs.SkipDir
		case path.Ext(name) == ".md":
			names = append(names, name)
		}
		return nil
	})
	return names, err
}

// Whoever writes a page finds it in the site, whether or not he knows of the order.
func TestEveryPageIsInTheNavigation(t *testing.T) {
	files := fstest.MapFS{
		"docs/README.md":     {Data: []byte("# Front\n\nHere.")},
		"docs/order.txt":     {Data: []byte("# Begin\nsecond\nnot-written-yet\n# Inside\nbox/*\n- part\n")},
		"docs/first.md":      {Data: []byte("# First\n\nOne. And more.")},
		"docs/second.md":     {Data: []byte("# Second\n\nSee [first](first.md#a-b), [code](../main.go#L1), [box](box/README.md), ![a picture](images/a.png) and [in](box/in.md).\n\n## It's `x`: a_b & c\n\n## Twice\n\n## Twice\n")},
		"docs/part.md":       {Data: []byte("# A part of another\n")},
		"docs/box/in.md":     {Data: []byte("# In\n\n[Back](../second.md), [all](README.md).")},
		"docs/box/README.md": {Data: []byte("# Box\n\nAll.")},
	}
	b, err := readBook(files)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range b.sections {
		for _, p := range s.Pages {
			got = append(got, s.Title+": "+p.Title)
		}
	}
	if want := []string{"Begin: Second", "Inside: In", "More: Box", "More: First"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	second, err := b.render(b.pages["second"])
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`href="../docs/first#a-b"`, `href="` + repository + `main.go#L1"`, `href="../docs/box"`, `href="../docs/box/in"`, `<a href="` + repository + `docs/images/a.png">a picture</a>`, `id="its-x-a_b--c"`, `id="twice"`, `id="twice-1"`} {
		if !strings.Contains(string(second), want) {
			t.Errorf("the page has no %s:\n%s", want, second)
		}
	}
	if got := b.pages["first"].Summary; got != "One." {
		t.Errorf("got summary %q", got)
	}
}

// What stands beneath a page's name in the list of all pages says something of it.
func TestEveryPageHasASummaryThatSaysSomething(t *testing.T) {
	b, err := readBook(manual(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range b.order {
		if words := strings.Fields(p.Summary); len(words) < 4 || strings.HasPrefix(p.Summary, "This page") {
			t.Errorf("%s begins with %q, which tells nobody what is in it", p.File, p.Summary)
		}
	}
}

func TestTwoFilesForOnePageAreRefused(t *testing.T) {
	_, err := readBook(fstest.MapFS{"docs/README.md": {}, "docs/order.txt": {}, "docs/a.md": {}, "docs/a/README.md": {}})
	if err == nil {
		t.Error("got no error")
	}
	if _, err := readBook(fstest.MapFS{"docs/a.md": {}}); err == nil {
		t.Error("got no error without a front page")
	}
	if _, err := readBook(fstest.MapFS{"docs/README.md": {}}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v without an order", err)
	}
}

// The index is read out of openapi.yaml by how it is laid out.
func TestEveryOperationCanBeFound(t *testing.T) {
	text := contractText(t)
	doc, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		t.Fatal(err)
	}
	var want []operation
	for path, item := range doc.Paths.Map() {
		for method, o := range item.Operations() {
			want = append(want, operation{method, path, o.OperationID, o.Summary})
		}
	}
	got := operations(text)
	order := func(x, y operation) int { return strings.Compare(x.id, y.id) }
	slices.SortFunc(want, order)
	slices.SortFunc(got, order)
	if !slices.Equal(got, want) {
		t.Errorf("got\n%v\nwant\n%v", got, want)
	}
}

func TestSearchFindsPassagesAndOperations(t *testing.T) {
	h := Handler("/docs", options(t))
	_, body := get(t, h, "/docs/search.json", "")
	var index []map[string]string
	if err := json.Unmarshal([]byte(body), &index); err != nil {
		t.Fatal(err)
	}
	for _, want := range []map[string]string{
		{"u": "docs/api/people#privacy", "h": "Privacy"},
		{"u": "docs/reference#post-/v1/presence/heartbeat", "t": "POST /v1/presence/heartbeat", "x": "heartbeat"},
	} {
		if !slices.ContainsFunc(index, func(have map[string]string) bool {
			return have["u"] == want["u"] && strings.Contains(have["h"]+have["t"]+have["x"], want["h"]+want["t"]+want["x"][:0])
		}) {
			t.Errorf("there is no %v", want)
		}
	}
	if len(body) > 400_000 {
		t.Errorf("the index has %d bytes, which every reader who searches loads", len(body))
	}
}

func TestEverythingIsServedStrictly(t *testing.T) {
	h := Handler("/docs", options(t))
	for target, want := range map[string]struct{ kind, policy string }{
		"/docs":                     {"text/html; charset=utf-8", policy},
		"/docs/api/people":          {"text/html; charset=utf-8", policy},
		"/docs/reference":           {"text/html; charset=utf-8", referencePolicy},
		"/docs/site.css":            {"text/css; charset=utf-8", policy},
		"/docs/site.js":             {"text/javascript; charset=utf-8", policy},
		"/docs/reference.js":        {"text/javascript; charset=utf-8", policy},
		"/docs/rapidoc.js":          {"text/javascript; charset=utf-8", policy},
		"/docs/rapidoc.LICENSE.txt": {"text/plain; charset=utf-8", policy},
		"/docs/search.json":         {"application/json", policy},
		"/docs/nothing/here":        {"text/html; charset=utf-8", policy},
	} {
		resp, _ := get(t, h, target, "gzip")
		for name, want := range map[string]string{
			"Content-Type": want.kind, "Content-Security-Policy": want.policy, "X-Content-Type-Options": "nosniff", "Cache-Control": "no-cache",
		} {
			if got := resp.Header.Get(name); got != want {
				t.Errorf("%s: got %s %q, want %q", target, name, got, want)
			}
		}
	}
}

// An inline script would be refused by our own policy, and a foreign one would make the page useless where there is no internet.
func TestPagesHaveNoInlineScriptAndLoadNothingForeign(t *testing.T) {
	h := Handler("/docs", options(t))
	b, err := readBook(manual(t))
	if err != nil {
		t.Fatal(err)
	}
	targets := []string{"/docs/reference", "/docs/nothing/here"}
	for _, p := range b.order {
		targets = append(targets, strings.TrimSuffix("/docs/"+p.Path, "/"))
	}
	inline := regexp.MustCompile(`<script[^>]*>[^<]|<[^>]*\s(on\w+|style)=|href="javascript:|<style`)
	foreign := regexp.MustCompile(`<(?:script|link|img)[^>]*(?:src|href)="(?:https?:)?//`)
	for _, target := range targets {
		_, body := get(t, h, target, "")
		if found := inline.FindString(body); found != "" {
			t.Errorf("%s has something inline: %q", target, found)
		}
		if found := foreign.FindString(body); found != "" {
			t.Errorf("%s loads from elsewhere: %q", target, found)
		}
	}
}

func TestAPageThatThereIsNotLeadsToThoseThatThereAre(t *testing.T) {
	h := Handler("/docs", options(t))
	resp, body := get(t, h, "/docs/not/there", "")
	if resp.StatusCode != http.StatusNotFound || !strings.Contains(body, `href="../../docs/quickstart"`) {
		t.Errorf("got status %d and\n%s", resp.StatusCode, body)
	}
	for target, want := range map[string]string{"/docs/": "/docs", "/docs/api/people/": "/docs/api/people"} {
		if resp, _ := get(t, h, target, ""); resp.StatusCode != http.StatusPermanentRedirect || resp.Header.Get("Location") != want {
			t.Errorf("%s: got status %d to %q, want %q", target, resp.StatusCode, resp.Header.Get("Location"), want)
		}
	}
}

func TestScriptIsTheSameForThoseWhoCannotUnzip(t *testing.T) {
	h := Handler("/docs", options(t))
	packed, gz := get(t, h, "/docs/rapidoc.js", "br, gzip")
	plain, js := get(t, h, "/docs/rapidoc.js", "br")
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

// A token is for pages on this machine, in development.
func TestTokenIsGivenToThoseWhoAreNearAlone(t *testing.T) {
	o := options(t)
	if resp, _ := get(t, Handler("/docs", o), "/docs/token.json", ""); resp.StatusCode != http.StatusNotFound {
		t.Errorf("in production: got status %d, want 404", resp.StatusCode)
	}
	o.Token = func() (string, error) { return "a.token", nil }
	for near, want := range map[bool]string{true: `{"token":"a.token"}`, false: `{"token":""}`} {
		o.Near = func(*http.Request) bool { return near }
		resp, body := get(t, Handler("/docs", o), "/docs/token.json", "")
		if body != want || resp.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("near %t: got %s, %v", near, body, resp.Header)
		}
	}
}
