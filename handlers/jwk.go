package handlers

import (
	"bytes"
	"cmp"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// A JWKS is a list of keys of which ours to use are few: an identity provider publishes there what it encrypts with as well, and kinds of keys
// that nobody here has heard of. So each key is judged by itself, and one that will not do never keeps the others from being used.

const (
	mostKeys   = 100    // providers publish two to ten
	mostKidLen = 1 << 8 // they are hashes and dates
	leastRSA   = 2048
	mostRSA    = 8192 // a longer one makes each signature so slow to verify that strangers could keep us busy with it
)

// providedKey is one key of a JWKS, and the algorithms that it may have signed with.
type providedKey struct {
	key        any
	algorithms []string
}

// parseKeys reads a JWKS. accepted are the algorithms that the configuration names: where it names none, a key's own alg counts, or the first
// that fits it. unfit says of the keys that are left out why. A set without a single key that will do is an error.
func parseKeys(document []byte, accepted []string) (keys map[string][]providedKey, unfit []string, err error) {
	var set struct {
		Keys []jsontext.Value `json:"keys"`
	}
	switch err := json.Unmarshal(document, &set); {
	case err != nil:
		return nil, nil, fmt.Errorf("it is no JWKS: %s", brief(err))
	case len(set.Keys) > mostKeys:
		return nil, nil, fmt.Errorf("it has %d keys, more than %d", len(set.Keys), mostKeys)
	}
	keys = map[string][]providedKey{}
	for i, text := range set.Keys {
		kid, key, err := parseJWK(text, accepted)
		if err != nil {
			unfit = append(unfit, fmt.Sprintf("key %d (kid %.64q): %v", i+1, kid, err))
			continue
		}
		keys[kid] = append(keys[kid], key)
	}
	if len(keys) == 0 {
		return nil, nil, fmt.Errorf("it has no key that could have signed a token: %s", cmp.Or(strings.Join(unfit, "; "), "it has none at all"))
	}
	return keys, unfit, nil
}

// jwk is what is read of a key (RFC 7517 and 7518). D and K are what only the provider may have.
type jwk struct {
	Kty    string         `json:"kty"`
	Kid    string         `json:"kid"`
	Use    *string        `json:"use"`
	KeyOps *[]string      `json:"key_ops"`
	Alg    string         `json:"alg"`
	Crv    string         `json:"crv"`
	N      string         `json:"n"`
	E      string         `json:"e"`
	X      string         `json:"x"`
	Y      string         `json:"y"`
	D      jsontext.Value `json:"d"`
}

func parseJWK(text []byte, accepted []string) (kid string, _ providedKey, err error) {
	var k jwk
	if err := json.Unmarshal(text, &k); err != nil {
		return "", providedKey{}, fmt.Errorf("it is no JWK: %s", brief(err))
	}
	switch {
	case len(k.Kid) > mostKidLen:
		return "", providedKey{}, fmt.Errorf("its kid is longer than %d bytes", mostKidLen)
	case k.Use != nil && *k.Use != "sig":
		return k.Kid, providedKey{}, errors.New("it is not for signatures, says use")
	case k.KeyOps != nil && !slices.Contains(*k.KeyOps, "verify"):
		return k.Kid, providedKey{}, errors.New("it is not to verify with, says key_ops")
	case k.D != nil:
		// Whoever can read the set can sign with it, and who that is we do not know.
		return k.Kid, providedKey{}, errors.New("it is a private key, published: whoever has fetched it can make tokens; the provider must replace it")
	}
	key, err := k.public()
	if err != nil {
		return k.Kid, providedKey{}, err
	}
	names, err := k.signsWith(key, accepted)
	return k.Kid, providedKey{key, names}, err
}

// public is the key itself.
func (k jwk) public() (any, error) {
	switch k.Kty {
	case "RSA":
		return k.rsa()
	case "EC":
		return k.ec()
	case "OKP":
		return k.ed25519()
	case "oct":
		return nil, errors.New("it is a secret, published: nothing that it signs proves anything")
	}
	return nil, errors.New("its kty is none of RSA, EC and OKP")
}

func (k jwk) rsa() (any, error) {
	n, err1 := decodeSegment(k.N)
	e, err2 := decodeSegment(k.E)
	if err1 != nil || err2 != nil {
		return nil, errors.New("its n or e is not base64url")
	}
	key := &rsa.PublicKey{N: new(big.Int).SetBytes(n)}
	exponent := new(big.Int).SetBytes(e)
	switch bits := key.N.BitLen(); {
	case bits < leastRSA:
		return nil, fmt.Errorf("it has %d bits, too few to be safe: %d are the least", bits, leastRSA)
	case bits > mostRSA:
		return nil, fmt.Errorf("it has %d bits, more than %d", bits, mostRSA)
	case exponent.BitLen() < 2 || exponent.BitLen() > 31 || exponent.Bit(0) == 0 || key.N.Bit(0) == 0:
		return nil, errors.New("its n and e are no RSA key")
	}
	key.E = int(exponent.Int64())
	return key, nil
}

func (k jwk) ec() (any, error) {
	curve, ok := map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()}[k.Crv]
	if !ok {
		return nil, errors.New("its crv is none of P-256, P-384 and P-521")
	}
	x, err1 := decodeSegment(k.X)
	y, err2 := decodeSegment(k.Y)
	if size := (curve.Params().BitSize + 7) / 8; err1 != nil || err2 != nil || len(x) != size || len(y) != size {
		return nil, errors.New("its x and y are not as long as its curve has it")
	}
	key, err := ecdsa.ParseUncompressedPublicKey(curve, bytes.Join([][]byte{{4}, x, y}, nil))
	if err != nil {
		return nil, errors.New("its x and y are no point on its curve")
	}
	return key, nil
}

func (k jwk) ed25519() (any, error) {
	x, err := decodeSegment(k.X)
	if k.Crv != "Ed25519" || err != nil || len(x) != ed25519.PublicKeySize {
		return nil, errors.New("it is no Ed25519 key, the only one of its kty that signs")
	}
	return ed25519.PublicKey(x), nil
}

// signsWith are the algorithms of the key: its own alg, where it has one, of those that are accepted.
func (k jwk) signsWith(key any, accepted []string) ([]string, error) {
	var names []string
	for _, name := range algorithms {
		if fits(tokenMethod{SigningMethod: signingMethod(name)}, key) && (k.Alg == "" || k.Alg == name) && (len(accepted) == 0 || slices.Contains(accepted, name)) {
			names = append(names, name)
		}
	}
	switch {
	case len(names) == 0 && k.Alg != "":
		return nil, errors.New("its alg is none that fits it and is accepted")
	case len(names) == 0:
		return nil, errors.New("it fits none of the algorithms that are accepted")
	case len(accepted) == 0:
		names = names[:1]
	}
	return names, nil
}
