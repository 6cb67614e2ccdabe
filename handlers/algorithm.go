package handlers

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"fmt"
	"slices"

	"github.com/golang-jwt/jwt/v5"
)

var algorithms = []string{
	"HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
}

// tokenMethod is an algorithm that tokens may be signed with, and those of the configured keys that fit it.
type tokenMethod struct {
	jwt.SigningMethod
	keys []any // as the method likes them
}

// signingMethod is nil for "none" in any spelling, and for whatever else jwt may come to know.
func signingMethod(name string) jwt.SigningMethod {
	if !slices.Contains(algorithms, name) {
		return nil
	}
	return jwt.GetSigningMethod(name)
}

func isPublic(name string) bool {
	return signingMethod(name) != nil && !isHMAC(tokenMethod{SigningMethod: signingMethod(name)})
}

func isHMAC(m tokenMethod) bool {
	_, is := m.SigningMethod.(*jwt.SigningMethodHMAC)
	return is
}

// defaultAlgorithms are the first that fits each key.
func defaultAlgorithms(c TokenConfig) []string {
	var names []string
	for _, key := range c.keys() {
		i := slices.IndexFunc(algorithms, func(name string) bool { return fits(tokenMethod{SigningMethod: signingMethod(name)}, key) })
		if i >= 0 && !slices.Contains(names, algorithms[i]) {
			names = append(names, algorithms[i])
		}
	}
	return names
}

// fits reports whether the key is of the kind, and on the curve, that the method is defined for.
func fits(m tokenMethod, key any) bool {
	switch method := m.SigningMethod.(type) {
	case *jwt.SigningMethodHMAC:
		_, ok := key.([]byte)
		return ok
	case *jwt.SigningMethodRSA, *jwt.SigningMethodRSAPSS:
		_, ok := key.(*rsa.PublicKey)
		return ok
	case *jwt.SigningMethodECDSA:
		k, ok := key.(*ecdsa.PublicKey)
		return ok && k.Curve.Params().BitSize == method.CurveBits
	case *jwt.SigningMethodEd25519:
		_, ok := key.(ed25519.PublicKey)
		return ok
	}
	return false
}

func keyFor(m tokenMethod) string {
	switch method := m.SigningMethod.(type) {
	case *jwt.SigningMethodHMAC:
		return "a secret"
	case *jwt.SigningMethodECDSA:
		return fmt.Sprintf("an EC public key on P-%d", method.CurveBits)
	case *jwt.SigningMethodEd25519:
		return "an Ed25519 public key"
	}
	return "an RSA public key"
}

// leastSecret is the length of the method's hash: a shorter secret would be the weakest part (RFC 7518, 3.2).
func leastSecret(m tokenMethod) int {
	if hmac, ok := m.SigningMethod.(*jwt.SigningMethodHMAC); ok {
		return hmac.Hash.Size()
	}
	return 0
}

func describeKey(key any) string {
	switch k := key.(type) {
	case []byte:
		return "the secret"
	case *rsa.PublicKey:
		return fmt.Sprintf("the RSA key of %d bits", k.N.BitLen())
	case *ecdsa.PublicKey:
		return "the EC key on " + k.Curve.Params().Name
	case ed25519.PublicKey:
		return "the Ed25519 key"
	}
	return fmt.Sprintf("a key of type %T", key)
}

func (m tokenMethod) signed(text string, signature []byte, keys []any) bool {
	return slices.ContainsFunc(keys, func(key any) bool { return m.Verify(text, signature, key) == nil })
}
