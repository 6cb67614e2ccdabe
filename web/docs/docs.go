// Package docs is the API reference as a page: RapiDoc reading openapi.yaml.
// Everything comes from the binary and nothing from elsewhere, and no script
// is inline, so the page keeps to a strict Content-Security-Policy.
//
// RapiDoc (MIT) is vendored as npm has it, compressed, which takes 0.2 MB of the
// binary where swagger-ui would take 1.9; vendor.sh says which version, and
// fetches it.
package docs

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	_ "embed"
	"fmt"
	"io"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"
)

var (
	//go:embed page/index.html
	index []byte
	//go:embed page/page.css
	pageCSS []byte
	//go:embed page/page.js
	pageJS []byte
	//go:embed page/rapidoc.js.gz
	rapidocGZ []byte
	//go:embed page/rapidoc.LICENSE.txt
	rapidocLicense []byte
)

// policy allows what the page does and no more. RapiDoc writes style attributes
// into its markup, so styles have to be allowed inline; scripts are not. Images
// from data: are those that it draws for itself.
const policy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
	"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Handler serves the page at prefix, such as "/docs", and what it is made of
// beneath. The page reads the openapi.yaml that lies beside prefix.
func Handler(prefix string) http.Handler {
	page := bytes.ReplaceAll(index, []byte("{base}"), []byte(path.Base(prefix)))
	mux := http.NewServeMux()
	mux.Handle("GET "+prefix, file("text/html", page))
	mux.Handle("GET "+prefix+"/{$}", http.RedirectHandler(prefix, http.StatusPermanentRedirect))
	mux.Handle("GET "+prefix+"/page.css", file("text/css", pageCSS))
	mux.Handle("GET "+prefix+"/page.js", file("text/javascript", pageJS))
	mux.Handle("GET "+prefix+"/rapidoc.js", zipped("text/javascript", rapidocGZ))
	mux.Handle("GET "+prefix+"/rapidoc.LICENSE.txt", file("text/plain", rapidocLicense))
	return mux
}

// file serves body, which a browser may keep but has to ask about each time:
// the next release has the same names.
func file(kind string, body []byte) http.Handler {
	etag := fmt.Sprintf(`"%x"`, sha256.Sum256(body))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Type", kind+"; charset=utf-8")
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-cache")
		h.Set("ETag", etag)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
	})
}

// zipped serves what is kept compressed, as it is to those who accept that,
// which are all browsers.
func zipped(kind string, gz []byte) http.Handler {
	packed := file(kind, gz)
	plain := sync.OnceValue(func() http.Handler { return file(kind, unzip(gz)) })
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
