package handlers

import (
	"context"
	"crypto"
	"crypto/rsa"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"
)

const maxLeeway = time.Minute // clocks that are further off want to be set, not believed

// TokenConfig says which tokens to believe.
type TokenConfig struct {
	Secret     []byte             // for HS256, HS384, HS512
	PublicKeys []crypto.PublicKey // *rsa.PublicKey, *ecdsa.PublicKey, ed25519.PublicKey
	KeysUnread bool               // there are more, which could not be read: that none fits is not said
	JWKS       string             // address where more public keys are published; Run fetches them
	Algorithms []string           // empty: HS256 for the secret, for each public key what it is made for (RSA: RS256, unless a JWKS says otherwise)
	Issuer     string             // empty: any
	Audience   string             // empty: any
	Leeway     time.Duration      // how far the clocks of issuers may be off
	Forgetful  bool               // check each token anew, each time; for measuring what that costs
}

// TokenConfigError is something wrong with one field of a TokenConfig.
type TokenConfigError struct{ Field, Problem string }

func (e *TokenConfigError) Error() string { return e.Field + ": " + e.Problem }

// Verifier tells good tokens from bad ones. It is safe for concurrent use.
//
// The algorithm is the configuration's choice: a token's header only says which of the configured ones it was made with, and every
// algorithm has its own kind of key, so that no key is ever used as what it is not. The few keys that are configured are all tried; in a JWKS the key is
// found by its kid. Whatever else a header offers to find a key with (jwk, jku, x5c, x5u) is not looked at.
type Verifier struct {
	methods  map[string]tokenMethod // by name
	provided *keySet                // nil: no JWKS
	issuer   string
	audience string
	leeway   time.Duration

	forgetful bool
	memory    tokenMemory
}

// NewVerifier makes a verifier. The error joins one *TokenConfigError for everything that is wrong.
func NewVerifier(c TokenConfig) (*Verifier, error) {
	v := &Verifier{methods: map[string]tokenMethod{}, issuer: c.Issuer, audience: c.Audience, leeway: c.Leeway, forgetful: c.Forgetful}
	var wrong []error
	problem := func(field, format string, args ...any) {
		wrong = append(wrong, &TokenConfigError{field, fmt.Sprintf(format, args...)})
	}
	if c.Leeway < 0 || c.Leeway > maxLeeway {
		problem("Leeway", "%v is not between 0 and %v", c.Leeway, maxLeeway)
	}
	if len(c.Secret) == 0 && len(c.PublicKeys) == 0 && c.JWKS == "" && !c.KeysUnread {
		problem("Secret", "there is neither a secret nor a public key")
	}
	if c.JWKS != "" {
		var err error
		if v.provided, err = newKeySet(c.JWKS, c.Algorithms); err != nil {
			problem("JWKS", "%v", err)
		}
	}
	if strings.HasPrefix(strings.TrimSpace(string(c.Secret)), "-----BEGIN") {
		problem("Secret", "this is a PEM file; keys are given as a key file, a secret is known to nobody else")
	}

	names := c.Algorithms
	if len(names) == 0 {
		names = defaultAlgorithms(c)
	}
	if c.JWKS != "" && len(c.Algorithms) > 0 && !slices.ContainsFunc(names, isPublic) {
		problem("JWKS", "its keys fit none of the algorithms %s", strings.Join(names, ", "))
	}
	keys := c.keys()
	used := make([]bool, len(keys))
	for _, name := range names {
		m := tokenMethod{SigningMethod: signingMethod(name)}
		if m.SigningMethod == nil {
			problem("Algorithms", "%q is not one of %s", name, strings.Join(algorithms, ", "))
			continue
		}
		for i, key := range keys {
			if fits(m, key) {
				m.keys, used[i] = append(m.keys, key), true
			}
		}
		if elsewhere := c.JWKS != "" || c.KeysUnread; len(m.keys) == 0 && (!elsewhere || isHMAC(m)) {
			problem("Algorithms", "%s has no key: it needs %s", name, keyFor(m))
		}
		if least := leastSecret(m); len(c.Secret) > 0 && len(c.Secret) < least {
			problem("Secret", "%s needs %d bytes or more, this has %d; `openssl rand -base64 48` makes a good one", name, least, len(c.Secret))
		}
		v.methods[name] = m
	}
	for i, key := range keys {
		field, what := "PublicKeys", describeKey(key)
		if _, secret := key.([]byte); secret {
			field = "Secret"
		}
		if k, ok := key.(*rsa.PublicKey); ok && k.Size() < 2048/8 {
			problem(field, "%s is too short to be safe: use 2048 bits or more", what)
		}
		if !used[i] {
			problem(field, "%s fits none of the algorithms %s", what, strings.Join(names, ", "))
		}
	}
	if err := errors.Join(wrong...); err != nil {
		return nil, err
	}
	if c.JWKS != "" && len(c.Algorithms) == 0 {
		v.allowPublic()
	}
	return v, nil
}

// allowPublic lets each key of the JWKS say what it signs with, where the configuration does not. Configured keys stay with what they were made for.
func (v *Verifier) allowPublic() {
	for _, name := range algorithms {
		if _, known := v.methods[name]; !known && isPublic(name) {
			v.methods[name] = tokenMethod{SigningMethod: signingMethod(name)}
		}
	}
}

// Run keeps the keys of the JWKS fresh, where there is one, until ctx ends.
func (v *Verifier) Run(ctx context.Context, log *slog.Logger) {
	if v.provided != nil {
		v.provided.run(ctx, log)
	}
}

// Ready reports whether there are keys to verify with: those of a JWKS have to be fetched first.
func (v *Verifier) Ready() bool { return v.provided == nil || v.provided.fetched() }

func (c TokenConfig) keys() []any {
	var keys []any
	if len(c.Secret) > 0 {
		keys = append(keys, c.Secret)
	}
	for _, k := range c.PublicKeys {
		keys = append(keys, k)
	}
	return keys
}
