// Package docs is the documentation as a small site: the Markdown of docs/ as pages, and openapi.yaml as a reference to read and try. Everything comes from the
// binary and nothing from elsewhere; no script is inline, so each page keeps to a strict Content-Security-Policy.
//
// # Pages
//
// Every .md file that the handler is given is a page, rendered when the site is first asked for. docs/order.txt says in which order the navigation has them; one
// that it does not name comes last. Links are written as GitHub understands them, relative from file to file, and lead to the same places here.
//
// # The reference
//
// It is RapiDoc (MIT), vendored as npm has it, compressed, which takes 0.2 MB of the binary where swagger-ui would take 1.9; vendor.sh says which version, and
// fetches it. In development it is given a token, as the demo is: only to a page of this server that a browser on this machine shows.
package docs

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"
)

var (
	//go:embed page/reference.html
	referenceHTML []byte
	//go:embed page/layout.html
	layoutHTML string
	//go:embed page/*.css page/*.js page/rapidoc.LICENSE.txt
	parts embed.FS
	//go:embed page/rapidoc.js.gz
	rapidocGZ []byte
)

const (
	// policy allows what pages do and no more.
	policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	// referencePolicy: RapiDoc writes style attributes into its markup, so styles have to be allowed inline; scripts are not. Images from data: are those that it
	// draws for itself.
	referencePolicy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; " +
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

var layout = template.Must(template.New("layout").Parse(layoutHTML))

// Options are what the site is made of.
type Options struct {
	// Files has the Markdown, by its paths in the repository: docs/, and whatever else is to be a page.
	Files fs.FS
	// Contract is openapi.yaml, whose operations can be searched for.
	Contract []byte
	// Token makes a token to try things with. Where it is nil, as in production, there is none to be had.
	Token func() (string, error)
	// Near reports whether a request may have it.
	Near func(*http.Request) bool
}

// Handler serves the site at prefix, such as "/docs", and what it is made of beneath. It reads the openapi.yaml that lies beside prefix.
func Handler(prefix string, o Options) http.Handler {
	mux := http.NewServeMux()
	made := sync.OnceValues(o.site)
	serve := func(w http.ResponseWriter, r *http.Request) {
		s, err := made()
		if err != nil {
			http.Error(w, "the pages cannot be made: "+err.Error(), http.StatusInternalServerError) // a test would have seen it
			return
		}
		name := strings.TrimPrefix(r.URL.Path, prefix)
		trimmed := strings.Trim(name, "/")
		switch h := s.files[trimmed]; {
		case h == nil:
			s.missing(w, r)
		case strings.HasSuffix(name, "/"):
			http.Redirect(w, r, path.Join(prefix, trimmed), http.StatusPermanentRedirect)
		default:
			h.ServeHTTP(w, r)
		}
	}
	mux.HandleFunc("GET "+prefix, serve)
	mux.HandleFunc("GET "+prefix+"/{page...}", serve)
	mux.Handle("GET "+prefix+"/reference", file("text/html", referencePolicy, referenceHTML))
	mux.Handle("GET "+prefix+"/rapidoc.js", zipped("text/javascript", rapidocGZ))
	for name, kind := range map[string]string{
		"site.css": "text/css", "reference.css": "text/css", "site.js": "text/javascript", "reference.js": "text/javascript", "rapidoc.LICENSE.txt": "text/plain",
	} {
		body, err := parts.ReadFile("page/" + name)
		if err != nil {
			panic(err) // what is not embedded is seen at the first start
		}
		mux.Handle("GET "+prefix+"/"+name, file(kind, policy, body))
	}
	if o.Token != nil {
		mux.HandleFunc("GET "+prefix+"/token.json", o.serveToken)
	}
	return mux
}

// site is what has been made of the Markdown: files, by their paths beneath the prefix.
type site struct {
	book  *book
	files map[string]http.Handler
}

func (o Options) site() (*site, error) {
	b, err := readBook(o.Files)
	if err != nil {
		return nil, err
	}
	s := &site{book: b, files: map[string]http.Handler{}}
	for i, p := range b.order {
		body, err := b.render(p)
		if err != nil {
			return nil, err
		}
		l := laid{Page: p, Up: upFrom(p.Path), Body: template.HTML(body), Sections: b.sections, Front: p == b.front} //nolint:gosec // rendered from our own Markdown
		if i > 0 {
			l.Previous = b.order[i-1]
		}
		if i+1 < len(b.order) {
			l.Next = b.order[i+1]
		}
		var whole bytes.Buffer
		if err := layout.Execute(&whole, l); err != nil {
			return nil, err
		}
		s.files[p.Path] = file("text/html", policy, whole.Bytes())
	}
	index, err := json.Marshal(b.index(o.Contract))
	if err != nil {
		return nil, err
	}
	s.files["search.json"] = file("application/json", policy, index)
	return s, o.addImages(s.files)
}

func (o Options) addImages(files map[string]http.Handler) error {
	images, err := fs.Glob(o.Files, "docs/images/*.png")
	if err != nil {
		return err
	}
	for _, name := range images {
		body, err := fs.ReadFile(o.Files, name)
		if err != nil {
			return err
		}
		files[strings.TrimPrefix(name, "docs/")] = file("image/png", policy, body)
	}
	return nil
}

// laid is what the layout is given.
type laid struct {
	Page           *page
	Up             string
	Body           template.HTML
	Sections       []section
	Previous, Next *page
	Front          bool
}

// Link leads to a page of the site.
func (l laid) Link(p *page) string { return strings.TrimSuffix(l.Up+"docs/"+p.Path, "/") }

// Open reports whether a section is shown in full: those with many pages are not, unless one reads them.
func (l laid) Open(s section) bool {
	for _, p := range s.Pages {
		if p == l.Page {
			return true
		}
	}
	return len(s.Pages) <= 10
}

// missing answers for a page that there is not, with the navigation to those that there are.
func (s *site) missing(w http.ResponseWriter, r *http.Request) {
	up := strings.Repeat("../", strings.Count(r.URL.Path, "/")-1)
	nothing := laid{Page: &page{Path: "?", Title: "There is no such page"}, Up: up, Sections: s.book.sections,
		Body: "<h1>There is no such page</h1><p>Search for it, or look into the list of pages.</p>"}
	protect(w.Header(), "text/html", policy)
	w.WriteHeader(http.StatusNotFound)
	layout.Execute(w, nothing) //nolint:errcheck // the browser has gone
}

// serveToken gives a token to whoever is at this machine.
func (o Options) serveToken(w http.ResponseWriter, r *http.Request) {
	token := ""
	if o.Near == nil || o.Near(r) {
		made, err := o.Token()
		if err != nil {
			http.Error(w, "no token can be made", http.StatusInternalServerError)
			return
		}
		token = made
	}
	body, err := json.Marshal(map[string]string{"token": token})
	if err != nil {
		http.Error(w, "no token can be told", http.StatusInternalServerError)
		return
	}
	protect(w.Header(), "application/json", policy)
	w.Header().Set("Cache-Control", "no-store")
	w.Write(body) //nolint:errcheck // the browser has gone
}

func protect(h http.Header, kind, policy string) {
	if !strings.HasPrefix(kind, "image/") && kind != "application/json" {
		kind += "; charset=utf-8"
	}
	h.Set("Content-Type", kind)
	h.Set("Content-Security-Policy", policy)
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-cache")
}

// file serves body, which a browser may keep but has to ask about each time:
// the next release has the same names.
func file(kind, policy string, body []byte) http.Handler {
	etag := fmt.Sprintf(`"%x"`, sha256.Sum256(body))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		protect(w.Header(), kind, policy)
		w.Header().Set("ETag", etag)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
	})
}

// zipped serves what is kept compressed, as it is to those who accept that,
// which are all browsers.
func zipped(kind string, gz []byte) http.Handler {
	packed := file(kind, policy, gz)
	plain := sync.OnceValue(func() http.Handler { return file(kind, policy, unzip(gz)) })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Vary", "Accept-Encoding")
		if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			plain().ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Encoding", "gzip")
		packed.ServeHTTP(w, r)
	})
}

// unzip panics where the embedded file is broken, which a test would have seen.
func unzip(gz []byte) []byte {
	r, err := gzip.NewReader(bytes.NewReader(gz))
	if err != nil {
		panic(err)
	}
	body, err := io.ReadAll(r)
	if err != nil {
		panic(err)
	}
	return body
}
