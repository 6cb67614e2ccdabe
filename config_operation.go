package main

import (
	"net"
	"net/url"
	"strconv"
	"strings"
)

// readOperation reads what operators use: the address that is theirs alone, where traces go, whether there are rates. It comes after readTokens, which finds out
// whether this is development.
func readOperation(r *reader, c *config) {
	c.rates = r.oneOf("RATE_LIMIT", "on", "off") == "on"
	c.otlp = readCollector(r)
	if r.isGiven("ADMIN_LISTEN") {
		c.admin = readAddress(r, "ADMIN_LISTEN", c.development)
	}
	if _, port, _ := net.SplitHostPort(c.listen); c.admin != "" && c.admin == c.listen && port != "0" {
		r.wrong("ADMIN_LISTEN", "is %s's address too: what is there is for operators alone, so it needs one of its own", r.source("LISTEN"))
	}
}

// readAddress checks an address to listen at. Development, where whoever can connect gets a token, is for this machine alone.
func readAddress(r *reader, name string, development bool) string {
	address := r.text(name)
	host, port, err := net.SplitHostPort(address)
	if n, portErr := strconv.Atoi(port); err != nil || portErr != nil || n < 0 || n > 65535 {
		r.wrong(name, "%q is no address: write it like :8080 or 127.0.0.1:8080", address)
		return ""
	}
	switch {
	case !development || isLoopback(host):
	case host == "":
		return net.JoinHostPort("127.0.0.1", port)
	default:
		r.wrong(name, "%q can be reached from elsewhere, which needs a key: set PRESENTLY_JWT_SECRET, PRESENTLY_JWT_KEY_FILE or PRESENTLY_JWKS_URL, or listen at 127.0.0.1:%s", address, port)
	}
	return address
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// tracesPath is where collectors take traces, beneath their address.
const tracesPath = "/v1/traces"

// readCollector returns where traces are posted. What was given is not repeated: it might have a password.
func readCollector(r *reader) string {
	text := r.text("OTLP_ENDPOINT")
	if text == "" {
		return ""
	}
	u, err := url.Parse(text)
	switch {
	case err != nil, u.Scheme != "http" && u.Scheme != "https", u.Host == "", u.RawQuery != "", u.Fragment != "":
		r.wrong("OTLP_ENDPOINT", "is no collector's address: write it like http://localhost:4318; traces are sent by OTLP over HTTP")
		return ""
	case u.User != nil:
		r.wrong("OTLP_ENDPOINT", "must not have a password: set OTEL_EXPORTER_OTLP_HEADERS=Authorization=…")
		return ""
	}
	u.Path = strings.TrimSuffix(strings.TrimSuffix(u.Path, "/"), tracesPath) + tracesPath
	return u.String()
}
