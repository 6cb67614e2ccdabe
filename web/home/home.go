// Package home is the first page: what this server is, three lines to try it with, and in development a live panel.
//
// It is one document. Its style and its script stand in it, allowed by their hashes, and nothing else may run or be loaded.
//
// # Development
//
// The page then carries a token, for whoever is at this machine. A page from elsewhere cannot read it (there is no CORS here), unless its
// author points a name of his own at the loopback address (DNS rebinding): so the token is given only where the browser was told a loopback
// name.
package home

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

var (
	//go:embed page/index.html
	index []byte
	//go:embed page/page.css
	style []byte
	//go:embed page/page.js
	script []byte
)

// Options say what the page shows. The zero value is that of production.
type Options struct {
	// Token makes a token for User. Where it is set, this is development, and the page has the live panel.
	Token func() (string, error)
	User  string
	// Silence is how long a session is believed without a heartbeat.
	Silence time.Duration
}

// Handler serves the page.
func Handler(o Options) http.Handler {
	page := bytes.Replace(index, []byte("{style}"), style, 1)
	page = bytes.Replace(page, []byte("{script}"), script, 1)
	before, after, _ := bytes.Cut(page, []byte("{development}"))
	policy := "default-src 'none'; script-src " + hash(script) + "; style-src " + hash(style) + "; connect-src 'self'; img-src data:; " +
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Content-Security-Policy", policy)
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY") // for what does not know frame-ancestors
		h.Set("Cache-Control", "no-store")
		if r.Method == http.MethodHead {
			return
		}
		w.Write(bytes.Join([][]byte{before, o.development(r.Host), after}, nil)) //nolint:errcheck // the browser has gone
	})
}

// hash allows one inline element, to the byte.
func hash(source []byte) string {
	sum := sha256.Sum256(source)
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// development is what the script needs for the live panel, as JSON that is safe within HTML: null in production, no more than a
// reason where the request came by a name that is not loopback's.
func (o Options) development(host string) []byte {
	if o.Token == nil {
		return []byte("null")
	}
	known := map[string]any{}
	if isLoopback(host) {
		if token, err := o.Token(); err == nil {
			known = map[string]any{"user": o.User, "token": token, "silenceMs": o.Silence.Milliseconds()}
		}
	}
	b, err := json.Marshal(known)
	if err != nil {
		return []byte("null")
	}
	return b
}

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
