package main

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"log/slog"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestARenewedCertificateIsGivenOutWithoutARestart(t *testing.T) {
	pairs := keyPairs(t)
	type files struct{ chain, key []byte }
	var all []files
	for _, n := range []int{1, 2} {
		der, err := x509.MarshalPKCS8PrivateKey(pairs[n].private)
		all = append(all, files{certificate(t, pairs[n].private), pemBlock(t, "PRIVATE KEY", der, err)})
	}
	chain, key := write(t, all[0].chain), write(t, all[0].key)
	replace := func(name string, text []byte) {
		if err := os.WriteFile(name+".new", text, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(name+".new", name); err != nil {
			t.Fatal(err)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		c, err := newCertificate(chain, key)
		if err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		c.log = slog.New(slog.NewTextHandler(&log, nil))
		shows := func(when string, want int) {
			t.Helper()
			pair, err := c.get(nil)
			if err == nil && !c.expires().Equal(pair.Leaf.NotAfter) {
				t.Errorf("%s: expires %s, want %s", when, c.expires(), pair.Leaf.NotAfter)
			}
			if err != nil || !pairs[want].private.Public().(interface{ Equal(crypto.PublicKey) bool }).Equal(pair.Leaf.PublicKey) {
				t.Errorf("%s: not the certificate of pair %d, %v", when, want, err)
			}
		}
		shows("at first", 1)
		replace(key, all[1].key) // half of the new pair is there
		time.Sleep(lookAgain)
		shows("with another's key", 1)
		replace(chain, all[1].chain)
		shows("before it looks again", 1)
		time.Sleep(lookAgain)
		shows("renewed", 2)
		if err := os.Remove(key); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			time.Sleep(lookAgain)
			shows("without a file", 2)
		}
		if got := strings.Count(log.String(), "cannot be read anew"); got != 2 { // once for the half, once for what is missing
			t.Errorf("%d complaints:\n%s", got, &log)
		}
	})
}

// certificateFiles are those of a certificate that is good.
func certificateFiles(t testing.TB) (chain, key string) {
	t.Helper()
	pair := keyPairs(t)[1]
	der, err := x509.MarshalPKCS8PrivateKey(pair.private)
	return write(t, certificate(t, pair.private)), write(t, pemBlock(t, "PRIVATE KEY", der, err))
}
