// Package home is the first page: the demo, which is a team room with everything that clients can do, or a plain page that says what this
// server is.
//
// The demo is an application of client/, built from src/ by build.mjs and committed, so that the program needs no Node to be built. Everything
// comes from the binary, nothing from elsewhere; no style and no script is inline.
//
// # Development
//
// The server then makes tokens for a few people, for whoever is at this machine. A page from elsewhere cannot read them (there is no CORS
// here), unless its author points a name of his own at the loopback address (DNS rebinding): so they are given only where the browser was told
// a loopback name. In production the demo, where it is asked for, has no tokens to give, and asks for one.
package home

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

var (
	//go:embed page/index.html
	plainHTML []byte
	//go:embed page/demo.html
	demoHTML []byte
	//go:embed page/lines.html
	lines []byte
	//go:embed page/page.css
	pageCSS []byte
	//go:embed page/plain.js
	plainJS []byte
	//go:embed page/demo.js
	demoJS []byte
)

// policy allows what the pages do and no more. The client makes its Worker of a blob: timers of a page that is hidden are slow, those of a
// Worker are not.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; worker-src blob:; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Options say what the page shows. The zero value is that of production.
type Options struct {
	// Demo shows the team room.
	Demo bool
	// People makes tokens for those whom the demo may be. Where it is set, this is development.
	People func() ([]Person, error)
	// Silence is how long a session is believed without a heartbeat.
	Silence time.Duration
}

// Person is somebody whom the demo may be.
type Person struct {
	User  string `json:"user"`
	Name  string `json:"name"`
	Token string `json:"token"`
}

// Handler serves the page at /, and what it is made of beneath /home/.
func Handler(o Options) http.Handler {
	page := plainHTML
	if o.Demo {
		page = demoHTML
	}
	mux := http.NewServeMux()
	mux.Handle("GET /{$}", file("text/html", bytes.Replace(page, []byte("{lines}"), lines, 1)))
	mux.Handle("GET /home/page.css", file("text/css", pageCSS))
	mux.Handle("GET /home/plain.js", file("text/javascript", plainJS))
	if o.Demo {
		mux.Handle("GET /home/demo.js", file("text/javascript", demoJS))
		mux.HandleFunc("GET /home/people.json", o.servePeople)
	}
	return mux
}

// file serves body, which a browser may keep but has to ask about each time: the next release has the same names. It may keep the page itself
// in its back-forward cache, too, which no-store would forbid.
func file(kind string, body []byte) http.Handler {
	etag := fmt.Sprintf(`"%x"`, sha256.Sum256(body))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		protect(w.Header())
		w.Header().Set("Content-Type", kind+"; charset=utf-8")
		w.Header().Set("Cache-Control", "no-cache")
		w.Header().Set("ETag", etag)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
	})
}

func protect(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY") // for what does not know frame-ancestors
}

// people is what the demo is told.
type people struct {
	People []Person `json:"people"`
	// Elsewhere is set in development, where the request came by a name that is not loopback's.
	Elsewhere bool  `json:"elsewhere"`
	SilenceMs int64 `json:"silenceMs"`
}

// servePeople gives the tokens, to this machine alone.
func (o Options) servePeople(w http.ResponseWriter, r *http.Request) {
	known := people{People: []Person{}, SilenceMs: o.Silence.Milliseconds()}
	switch {
	case o.People == nil:
	case !AtThisMachine(r):
		known.Elsewhere = true
	default:
		made, err := o.People()
		if err != nil {
			http.Error(w, "no token can be made", http.StatusInternalServerError)
			return
		}
		known.People = made
	}
	body, err := json.Marshal(known)
	if err != nil {
		http.Error(w, "no token can be told", http.StatusInternalServerError)
		return
	}
	protect(w.Header())
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Write(body) //nolint:errcheck // the browser has gone
}

// AtThisMachine reports whether a request is one of a page of this server, in a browser on this machine, or of a program there.
func AtThisMachine(r *http.Request) bool {
	return isLoopback(r.Host) && isOwnPage(r.Header.Get("Sec-Fetch-Site"))
}

// isOwnPage reports whether a request is not one of a page from elsewhere, which PRESENTLY_CORS_ORIGINS may let read the API, but not this.
func isOwnPage(site string) bool { return site == "" || site == "none" || site == "same-origin" }

// isLoopback reports whether a Host header names this machine, as nobody else's name server can.
func isLoopback(host string) bool {
	if name, port, err := net.SplitHostPort(host); err == nil {
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			return false
		}
		host = name
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return ip != nil && ip.IsLoopback()
}
