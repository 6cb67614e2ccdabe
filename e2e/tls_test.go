package e2e

import (
	"crypto/tls"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/presently/presently/internal/contract"
)

// An instance that serves TLS itself is what a small deployment has, and what a proxy that encrypts up to the instance meets. The client is curl.
func TestStreamsBySeveralHTTPVersionsWithCurl(t *testing.T) {
	t.Parallel()
	needCurl(t)
	chain, key := writeCertificate(t, t.TempDir(), "first.test")
	clear := start(t, "PRESENTLY_JWT_SECRET="+secret)
	secure := startSecure(t, chain, key)
	for name, tc := range map[string]struct {
		at      *instance
		flags   string
		version string
	}{
		"HTTP/1.1":                {clear, "--http1.1", "1.1"},
		"HTTP/2 in clear":         {clear, "--http2-prior-knowledge", "2"},
		"HTTP/1.1 over TLS":       {secure, "--http1.1 --cacert " + chain, "1.1"},
		"HTTP/2 over TLS":         {secure, "--http2 --cacert " + chain, "2"},
		"HTTP/2 over TLS 1.2":     {secure, "--http2 --tls-max 1.2 --cacert " + chain, "2"},
		"an upgrade stays at 1.1": {clear, "--http2", "1.1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			auth := " -sS -H 'Authorization: Bearer " + tc.at.as("eve").token + "' "
			if got := bash(t, "curl "+tc.flags+auth+"-o /dev/null -w '%{http_version} %{http_code}' "+tc.at.url+"/v1/presence/me"); got != tc.version+" 200" {
				t.Errorf("HTTP version and status are %s", got)
			}
			user := "ada-" + strings.Map(func(r rune) rune {
				if r == ' ' || r == '/' || r == '.' {
					return '-'
				}
				return r
			}, name)
			w := bashStream(t, "curl "+tc.flags+auth+"-N '"+tc.at.url+"/v1/stream?user="+user+"'")
			tc.at.as(user).beat("session-1")
			w.told(user, "online")
		})
	}
	if out, err := exec.CommandContext(soon(t), "curl", "-sS", "--tlsv1.0", "--tls-max", "1.1", "--ciphers", "DEFAULT@SECLEVEL=0", "--cacert", chain, secure.url+"/healthz").CombinedOutput(); err == nil {
		t.Errorf("TLS 1.1 is spoken: %s", out)
	}
}

// startSecure runs an instance with TLS.
func startSecure(t testing.TB, chain, key string) *instance {
	t.Helper()
	i := launch(t, "PRESENTLY_JWT_SECRET="+secret, "PRESENTLY_TLS_CERT="+chain, "PRESENTLY_TLS_KEY="+key)
	i.url = strings.Replace(i.url, "http://", "https://", 1)
	transport := &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	t.Cleanup(transport.CloseIdleConnections)
	i.client = contract.Load(t).Recorder(t, transport).Client()
	i.awaitReady()
	return i
}

// As cert-manager and certbot do it: the names that the settings have are links, which another pair is put behind.
func TestARenewedCertificateIsServedAndStreamsGoOn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"first.test", "second.test"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		writeCertificate(t, filepath.Join(dir, name), name)
	}
	live := filepath.Join(dir, "live")
	link := func(to string) {
		if err := os.Symlink(to, live+".new"); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(live+".new", live); err != nil {
			t.Fatal(err)
		}
	}
	link("first.test")
	i := startSecure(t, filepath.Join(live, "tls.crt"), filepath.Join(live, "tls.key"))
	served := func() string {
		conn, err := tls.Dial("tcp", strings.TrimPrefix(i.url, "https://"), &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		return conn.ConnectionState().PeerCertificates[0].DNSNames[0]
	}
	w := i.as("eve").watch("ada")
	if got := served(); got != "first.test" {
		t.Errorf("at first it shows %s", got)
	}
	link("second.test")
	waitUntil(t, "the new certificate is served", func() bool { return served() == "second.test" })
	i.as("ada").beat("session-1")
	w.told("ada", "online") // on the connection that is older than the certificate
}
