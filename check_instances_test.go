package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/presently/presently/presence"
)

func TestCheckLooksAtWhetherInstancesAreAlike(t *testing.T) {
	a, b := presence.Instance{Name: "a", Version: "v1"}, presence.Instance{Name: "b", Version: "v1"}
	closed, hooked, newer, terse := b, b, b, presence.Instance{Name: "c", Terse: true}
	closed.Closes, hooked.Webhook, newer.Version = true, true, "v2"
	for want, all := range map[string][]presence.Instance{
		"! instances: none has said anything in this Redis for 10s":         nil,
		"! instances: there is one alone":                                   {a},
		"✗ instances: 1 of 2 have PRESENTLY_AFTER_LOSS=closed":              {a, closed, terse},
		"✗ instances: 1 of 2 know of the webhook":                           {a, hooked},
		"! instances: they are of different versions: v1, v2":               {a, newer},
		"! instances: they are of different versions: an older one, v1":     {a, b, terse},
		"✓ instances: there are 2, and they are alike in what they must be": {closed, closed},
		"✓ instances: there are 3, and they are alike in what they must be": {a, b, b},
	} {
		var out strings.Builder
		c := &checkup{out: &out}
		c.instances(all)
		if !strings.Contains(out.String(), want+"\n") && !strings.Contains(out.String(), want+",") {
			t.Errorf("%+v: wrote %q, want %q", all, out.String(), want)
		}
		if marks := strings.Count(out.String(), "✓"); strings.HasPrefix(want, "✓") != (marks == 1) {
			t.Errorf("%+v: wrote %q", all, out.String())
		}
	}
}

func TestCheckLooksAtTheEndOfTheCertificate(t *testing.T) {
	for want, lasts := range map[string]time.Duration{
		"✗ the certificate expires in 48h0m0s, on ": 48 * time.Hour,
		"! the certificate expires in 10 days, on ": 240 * time.Hour,
		"✓ the certificate is good until ":          2400 * time.Hour,
	} {
		key := keyPairs(t)[1].private
		block, _ := pem.Decode(certificateFor(t, key, lasts))
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{block.Bytes}, PrivateKey: key}}}
		server.StartTLS()
		t.Cleanup(server.Close)
		u, err := url.Parse(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		root, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		trusted := x509.NewCertPool()
		trusted.AddCert(root)
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusted, ServerName: "localhost"}}
		t.Cleanup(transport.CloseIdleConnections)
		var out strings.Builder
		c := &checkup{out: &out, server: &remote{base: u, http: &http.Client{Transport: transport}}}
		c.secure(t.Context())
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s: wrote %q, want %q", lasts, &out, want)
		}
	}
}
