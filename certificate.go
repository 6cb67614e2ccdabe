package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// lookAgain is how long a certificate is given out before its files are looked at again. A look every ten seconds costs nothing, and nobody renews in the
// last minute.
const lookAgain = 10 * time.Second

// servedCertificate is a key pair that follows its files: one that was renewed is given out without a restart, which would move every stream. Connections that
// are open stay as they are.
type servedCertificate struct {
	chain, key string
	log        *slog.Logger // nil until serving

	mu     sync.Mutex // guards what follows; handshakes wait for a look at the files, which are on this machine
	pair   *tls.Certificate
	state  fileState // of the files that were read last, good or not
	looked time.Time
}

// fileState is what files were when they were looked at; nil where one could not be.
type fileState [2]os.FileInfo

// same tells files from others that have taken their place, by whatever means: Kubernetes swaps links, certbot too, others write over them.
func (a fileState) same(b fileState) bool {
	for n := range a {
		if a[n] == nil || b[n] == nil {
			if a[n] != b[n] {
				return false
			}
			continue
		}
		if !os.SameFile(a[n], b[n]) || !a[n].ModTime().Equal(b[n].ModTime()) || a[n].Size() != b[n].Size() {
			return false
		}
	}
	return true
}

func newCertificate(chain, key string) (*servedCertificate, error) {
	c := &servedCertificate{chain: chain, key: key, looked: time.Now()}
	state, err := c.states()
	if err != nil {
		return nil, err
	}
	pair, err := tls.LoadX509KeyPair(chain, key)
	if err != nil {
		return nil, err
	}
	c.pair, c.state = &pair, state
	return c, nil
}

// get is a tls.Config's GetCertificate. Where the files do not make a pair, such as while one is new and the other is not yet, the pair before is good still.
func (c *servedCertificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); now.Sub(c.looked) >= lookAgain {
		c.looked = now
		c.look()
	}
	return c.pair, nil
}

// expires is when the first of the chain that is given out does. Who asks has the files looked at, as a handshake does.
func (c *servedCertificate) expires() time.Time {
	pair, err := c.get(nil)
	if err != nil {
		return time.Time{}
	}
	first := pair.Leaf.NotAfter
	for _, der := range pair.Certificate {
		if link, err := x509.ParseCertificate(der); err == nil && link.NotAfter.Before(first) {
			first = link.NotAfter
		}
	}
	return first
}

// look reads the files if they are others than before. A pair that does not fit is told of once, and tried again when a file changes.
func (c *servedCertificate) look() {
	state, err := c.states()
	if err == nil && state.same(c.state) {
		return
	}
	var pair tls.Certificate
	if err == nil {
		pair, err = tls.LoadX509KeyPair(c.chain, c.key)
	}
	first := !state.same(c.state)
	c.state = state
	switch {
	case err == nil:
		c.pair = &pair
		c.log.Info("certificate: read anew", "notAfter", pair.Leaf.NotAfter)
	case first:
		c.log.Error("certificate: cannot be read anew, the one before stays", "error", err)
	}
}

func (c *servedCertificate) states() (all fileState, err error) {
	for n, name := range []string{c.chain, c.key} {
		info, err := os.Stat(name) // follows links
		if err != nil {
			return fileState{}, fmt.Errorf("look for the certificate: %w", err)
		}
		all[n] = info
	}
	return all, nil
}
