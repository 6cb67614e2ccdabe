package handlers

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/golang-jwt/jwt/v5"
)

var testSecret = []byte("a secret of more than sixty-four bytes, which is enough for each HMAC there is")

// claimSet is the claims of a token, changed a little by each test.
type claimSet = map[string]any

func goodClaims() claimSet {
	return claimSet{"sub": "ada", "exp": time.Now().Add(time.Hour).Unix()}
}

func with(more claimSet) claimSet {
	c := goodClaims()
	for k, v := range more {
		if c[k] = v; v == nil {
			delete(c, k)
		}
	}
	return c
}

// sign makes a token of anything, which the library would not.
func sign(t testing.TB, method jwt.SigningMethod, key any, header, claims any) string {
	t.Helper()
	text := segment(t, header) + "." + segment(t, claims)
	sig, err := method.Sign(text, key)
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(sig)
}

func segment(t testing.TB, v any) string {
	t.Helper()
	raw, ok := v.(string)
	if !ok {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		raw = string(b)
	}
	return base64.RawURLEncoding.EncodeToString([]byte(raw))
}

func hs256(t testing.TB, claims any) string {
	return sign(t, jwt.SigningMethodHS256, testSecret, `{"alg":"HS256","typ":"JWT"}`, claims)
}

func verifier(t testing.TB, c TokenConfig) *Verifier {
	t.Helper()
	v, err := NewVerifier(c)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestTokenSaysWhoAsks(t *testing.T) {
	v := verifier(t, TokenConfig{Secret: testSecret})
	id, err := v.Verify(hs256(t, with(claimSet{
		"sub": "Ada ☕/1", "scope": "openid presence:read presence:admin other", "rooms": []string{"team-*", "lobby"}, "iat": "whatever",
		"profile": claimSet{"name": "Ada", "avatar": "https://example.org/a.png", "title": 7, "deep": []any{claimSet{}}},
	})))
	if err != nil {
		t.Fatal(err)
	}
	if id.User != "Ada ☕/1" || id.Profile.Name != "Ada" || id.Profile.Avatar != "https://example.org/a.png" {
		t.Errorf("identity = %+v", id)
	}
	if got, want := id.Scopes.String(), "presence:read presence:admin"; got != want {
		t.Errorf("scopes = %q, want %q", got, want)
	}
	if id.Scopes.Has(ScopeWrite) || !id.Scopes.Has(ScopeAdmin) || id.Scopes.Has("openid") || id.Scopes.Has("") {
		t.Errorf("scopes %v have what the token did not grant, or lack what it did", id.Scopes)
	}
	if want := []string{"team-*", "lobby"}; !slices.Equal(id.Rooms, want) {
		t.Errorf("rooms = %v, want %v", id.Rooms, want)
	}
}

func TestAbsentClaimsGrantTheOrdinary(t *testing.T) {
	id, err := verifier(t, TokenConfig{Secret: testSecret}).Verify(hs256(t, goodClaims()))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := id.Scopes.String(), "presence:read presence:write"; got != want {
		t.Errorf("scopes = %q, want %q", got, want)
	}
	if id.Rooms != nil {
		t.Errorf("rooms = %v, want nil: all of them", id.Rooms)
	}
}

func TestEmptyClaimsGrantNothing(t *testing.T) {
	id, err := verifier(t, TokenConfig{Secret: testSecret}).Verify(hs256(t, with(claimSet{"scope": "", "rooms": []string{}})))
	if err != nil {
		t.Fatal(err)
	}
	if id.Scopes != 0 || id.Rooms == nil || len(id.Rooms) != 0 {
		t.Errorf("scopes = %q, rooms = %#v; want none and none", id.Scopes, id.Rooms)
	}
}

// pair is a key of each kind that there is.
type pair struct {
	private any
	public  crypto.PublicKey
}

func ecPair(t testing.TB, curve elliptic.Curve) pair {
	t.Helper()
	k, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return pair{k, &k.PublicKey}
}

func rsaPair(t testing.TB, bits int) pair {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return pair{k, &k.PublicKey}
}

func edPair(t testing.TB) pair {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return pair{private, public}
}

func TestEveryAlgorithmVerifiesItsOwnTokensOnly(t *testing.T) {
	rsaKey := rsaPair(t, 2048)
	keys := map[string]pair{
		"HS256": {private: testSecret}, "HS384": {private: testSecret}, "HS512": {private: testSecret},
		"RS256": rsaKey, "RS384": rsaKey, "RS512": rsaKey, "PS256": rsaKey, "PS384": rsaKey, "PS512": rsaKey,
		"ES256": ecPair(t, elliptic.P256()), "ES384": ecPair(t, elliptic.P384()), "ES512": ecPair(t, elliptic.P521()),
		"EdDSA": edPair(t),
	}
	tokens := map[string]string{}
	for _, name := range algorithms {
		tokens[name] = sign(t, signingMethod(name), keys[name].private, claimSet{"alg": name}, goodClaims())
	}
	for _, name := range algorithms {
		t.Run(name, func(t *testing.T) {
			c := TokenConfig{Algorithms: []string{name}}
			if keys[name].public == nil {
				c.Secret = testSecret
			} else {
				c.PublicKeys = []crypto.PublicKey{keys[name].public}
			}
			v := verifier(t, c)
			for made, token := range tokens {
				if _, err := v.Verify(token); (err == nil) != (made == name) {
					t.Errorf("token made with %s: error = %v", made, err)
				}
			}
		})
	}
}

func TestAlgorithmFollowsFromTheKeyWhereNoneIsConfigured(t *testing.T) {
	rsaKey := rsaPair(t, 2048)
	v := verifier(t, TokenConfig{Secret: testSecret, PublicKeys: []crypto.PublicKey{
		rsaKey.public, ecPair(t, elliptic.P256()).public, ecPair(t, elliptic.P384()).public, ecPair(t, elliptic.P521()).public, edPair(t).public,
	}})
	for name, m := range v.methods {
		if len(m.keys) != 1 {
			t.Errorf("%s has %d keys, want 1", name, len(m.keys))
		}
	}
	for _, name := range []string{"HS256", "RS256", "ES256", "ES384", "ES512", "EdDSA"} {
		if _, ok := v.methods[name]; !ok {
			t.Errorf("%s is not accepted", name)
		}
	}
	if got, want := len(v.methods), 6; got != want {
		t.Errorf("%d algorithms are accepted, want %d", got, want)
	}
}

// A key file holds the old key and the new one while keys are changed; each must do, whatever kid the issuer writes.
func TestEachOfSeveralKeysIsTried(t *testing.T) {
	old, fresh, stranger := ecPair(t, elliptic.P256()), ecPair(t, elliptic.P256()), ecPair(t, elliptic.P256())
	v := verifier(t, TokenConfig{PublicKeys: []crypto.PublicKey{old.public, fresh.public}})
	for i, k := range []pair{old, fresh, stranger} {
		token := sign(t, jwt.SigningMethodES256, k.private, claimSet{"alg": "ES256", "kid": "2026-01"}, goodClaims())
		if _, err := v.Verify(token); (err == nil) != (i < 2) {
			t.Errorf("key %d: error = %v", i, err)
		}
	}
}

func TestAttacksAreInvalidTokens(t *testing.T) {
	rsaKey, ec := rsaPair(t, 2048), ecPair(t, elliptic.P256())
	der, err := x509.MarshalPKIXPublicKey(rsaKey.public)
	if err != nil {
		t.Fatal(err)
	}
	publicPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})

	bySecret := verifier(t, TokenConfig{Secret: testSecret, Issuer: "https://id.example", Audience: "presently"})
	byKeys := verifier(t, TokenConfig{PublicKeys: []crypto.PublicKey{rsaKey.public, ec.public}})
	ours := claimSet{"iss": "https://id.example", "aud": "presently"}
	good := func(more claimSet) claimSet {
		c := with(ours)
		for k, v := range more {
			if c[k] = v; v == nil {
				delete(c, k)
			}
		}
		return c
	}
	if _, err := bySecret.Verify(hs256(t, good(nil))); err != nil {
		t.Fatalf("the token that the attacks start from is refused: %v", err)
	}
	if _, err := bySecret.Verify(hs256(t, good(claimSet{"aud": []string{"other", "presently"}}))); err != nil {
		t.Fatalf("one of several audiences is refused: %v", err)
	}
	headed := func(header any) string { return sign(t, jwt.SigningMethodHS256, testSecret, header, good(nil)) }
	claiming := func(more claimSet) string { return hs256(t, good(more)) }
	raw := func(claims string) string {
		return hs256(t, fmt.Sprintf(`{"iss":"https://id.example","aud":"presently","exp":%d,%s}`, time.Now().Add(time.Hour).Unix(), claims))
	}
	unsigned := func(alg, signature string) string {
		return segment(t, claimSet{"alg": alg}) + "." + segment(t, good(nil)) + "." + signature
	}
	whole := headed(`{"alg":"HS256"}`)
	cut := strings.LastIndexByte(whole, '.')
	ownKey := edPair(t)

	attacks := []struct {
		name  string
		v     *Verifier
		token string
	}{
		{"none", bySecret, unsigned("none", "")},
		{"None", bySecret, unsigned("None", "")},
		{"nOnE with a signature", bySecret, unsigned("nOnE", "AAAA")},
		{"no algorithm at all", bySecret, headed(`{}`)},
		{"algorithm null", bySecret, headed(`{"alg":null}`)},
		{"algorithm in a list", bySecret, headed(`{"alg":["HS256"]}`)},
		{"algorithm in lower case", bySecret, headed(`{"alg":"hs256"}`)},
		{"algorithm with a blank", bySecret, headed(`{"alg":"HS256 "}`)},
		{"name in another case", bySecret, headed(`{"ALG":"HS256"}`)},
		{"algorithm twice", bySecret, headed(`{"alg":"none","alg":"HS256"}`)},
		{"HS384 where HS256 is configured", bySecret, sign(t, jwt.SigningMethodHS384, testSecret, `{"alg":"HS384"}`, good(nil))},
		{"the public key's PEM as a secret", byKeys, sign(t, jwt.SigningMethodHS256, publicPEM, `{"alg":"HS256"}`, good(nil))},
		{"the public key's DER as a secret", byKeys, sign(t, jwt.SigningMethodHS256, der, `{"alg":"HS256"}`, good(nil))},
		{"HMAC by the PEM, said to be RS256", byKeys, sign(t, jwt.SigningMethodHS256, publicPEM, `{"alg":"RS256"}`, good(nil))},
		{"PS256 by a key for RS256", byKeys, sign(t, jwt.SigningMethodPS256, rsaKey.private, `{"alg":"PS256"}`, good(nil))},
		{"RSA signature said to be ES256", byKeys, sign(t, jwt.SigningMethodRS256, rsaKey.private, `{"alg":"ES256"}`, good(nil))},
		{"psychic signature: r = s = 0", byKeys, segment(t, `{"alg":"ES256"}`) + "." + segment(t, good(nil)) + "." + segment(t, string(make([]byte, 64)))},
		{"psychic signature: r = s = the order", byKeys, segment(t, `{"alg":"ES256"}`) + "." + segment(t, good(nil)) + "." +
			segment(t, strings.Repeat(string(elliptic.P256().Params().N.FillBytes(make([]byte, 32))), 2))},
		{"ECDSA signature as DER", byKeys, derSigned(t, ec, good(nil))},
		{"RSA signature of zeroes", byKeys, segment(t, `{"alg":"RS256"}`) + "." + segment(t, good(nil)) + "." + segment(t, string(make([]byte, 256)))},

		{"key in the header", byKeys, sign(t, jwt.SigningMethodEdDSA, ownKey.private, claimSet{"alg": "EdDSA", "jwk": claimSet{
			"kty": "OKP", "crv": "Ed25519", "x": base64.RawURLEncoding.EncodeToString(ownKey.public.(ed25519.PublicKey))}}, good(nil))},
		{"address of a key", byKeys, sign(t, jwt.SigningMethodRS256, rsaPair(t, 2048).private, claimSet{"alg": "RS256", "jku": "https://evil.example/keys", "x5u": "https://evil.example/x"}, good(nil))},
		{"kid is a path to an empty secret", bySecret, sign(t, jwt.SigningMethodHS256, []byte{}, claimSet{"alg": "HS256", "kid": "../../../../dev/null"}, good(nil))},
		{"kid is SQL that makes a secret", bySecret, sign(t, jwt.SigningMethodHS256, []byte("x"), claimSet{"alg": "HS256", "kid": "' UNION SELECT 'x"}, good(nil))},
		{"kid is a number", bySecret, headed(`{"alg":"HS256","kid":0}`)},
		{"crit", bySecret, headed(`{"alg":"HS256","crit":["exp"],"exp":1}`)},
		{"crit empty", bySecret, headed(`{"alg":"HS256","crit":[]}`)},
		{"crit null", bySecret, headed(`{"alg":"HS256","crit":null}`)},
		{"unencoded payload", bySecret, headed(`{"alg":"HS256","b64":false,"crit":["b64"]}`)},

		{"empty", bySecret, ""},
		{"dots", bySecret, ".."},
		{"empty signature", bySecret, whole[:cut+1]},
		{"no signature", bySecret, whole[:cut]},
		{"signature null", bySecret, whole[:cut] + ".null"},
		{"signature cut", bySecret, whole[:len(whole)-4]},
		{"signature of another token", bySecret, whole[:cut] + claiming(claimSet{"sub": "eve"})[strings.LastIndexByte(claiming(claimSet{"sub": "eve"}), '.'):]},
		{"claims changed", bySecret, segment(t, `{"alg":"HS256"}`) + "." + segment(t, good(claimSet{"sub": "eve"})) + whole[cut:]},
		{"another secret", bySecret, sign(t, jwt.SigningMethodHS256, []byte(strings.Repeat("x", 64)), `{"alg":"HS256"}`, good(nil))},
		{"one part more", bySecret, whole + ".e30"},
		{"one dot more", bySecret, whole + "."},
		{"blank before", bySecret, " " + whole},
		{"blank after", bySecret, whole + " "},
		{"line break in the signature", bySecret, whole[:cut+5] + "\r\n" + whole[cut+5:]},
		{"line break after", bySecret, whole + "\n"},
		{"padding", bySecret, whole + "="},
		{"the other base64", bySecret, whole[:cut] + "." + strings.NewReplacer("-", "+", "_", "/").Replace(slashed(t, good(nil)))},
		{"loose last bits in the signature", bySecret, whole[:len(whole)-1] + string(loose(whole[len(whole)-1]))},
		{"not base64 at all", bySecret, "a.b!.c"},
		{"header is no JSON", bySecret, headed(`{"alg":"HS256"`)},
		{"header is a list", bySecret, headed(`["HS256"]`)},
		{"header has two documents", bySecret, headed(`{"alg":"HS256"}{}`)},
		{"claims are no object", bySecret, hs256(t, `"ada"`)},
		{"claims null", bySecret, hs256(t, `null`)},
		{"claims have two documents", bySecret, hs256(t, `{"sub":"ada"}{"sub":"eve"}`)},
		{"claims are not UTF-8", bySecret, raw("\"sub\":\"ada\xff\"")},
		{"giant", bySecret, claiming(claimSet{"filler": strings.Repeat("x", maxToken)})},
		{"10,000 claims", bySecret, hs256(t, good(manyClaims(10_000)))},
		{"nested to the limit", bySecret, raw(`"x":` + strings.Repeat("[", 5000))},

		{"a claim twice", bySecret, raw(`"sub":"ada","sub":"ada"`)},
		{"an unknown claim twice", bySecret, raw(`"sub":"ada","x":1,"x":1`)},
		{"a claim twice, once escaped", bySecret, raw(`"sub":"eve","\u0073ub":"ada"`)},
		{"sub in another case", bySecret, raw(`"Sub":"ada"`)},
		{"no sub", bySecret, claiming(claimSet{"sub": nil})},
		{"sub null", bySecret, raw(`"sub":null`)},
		{"sub empty", bySecret, claiming(claimSet{"sub": ""})},
		{"sub a number", bySecret, claiming(claimSet{"sub": 7})},
		{"sub a list", bySecret, claiming(claimSet{"sub": []string{"ada"}})},
		{"sub ..", bySecret, claiming(claimSet{"sub": ".."})},
		{"sub with a line break", bySecret, claiming(claimSet{"sub": "ada\n"})},
		{"sub with a zero byte", bySecret, claiming(claimSet{"sub": "ada\x00"})},
		{"sub too long", bySecret, claiming(claimSet{"sub": strings.Repeat("ä", 129)})},
		{"no exp", bySecret, claiming(claimSet{"exp": nil})},
		{"exp null", bySecret, hs256(t, `{"iss":"https://id.example","aud":"presently","sub":"ada","exp":null}`)},
		{"exp a string", bySecret, claiming(claimSet{"exp": "9999999999"})},
		{"exp a bool", bySecret, claiming(claimSet{"exp": true})},
		{"exp an object", bySecret, claiming(claimSet{"exp": claimSet{}})},
		{"exp beyond any time", bySecret, claiming(claimSet{"exp": 1e300})},
		{"exp beyond any number", bySecret, hs256(t, `{"iss":"https://id.example","aud":"presently","sub":"ada","exp":1e400}`)},
		{"exp in milliseconds", bySecret, claiming(claimSet{"exp": time.Now().Add(time.Hour).UnixMilli()})},
		{"nbf ahead", bySecret, claiming(claimSet{"nbf": time.Now().Add(5 * time.Second).Unix()})},
		{"nbf a string", bySecret, claiming(claimSet{"nbf": "0"})},
		{"nbf null", bySecret, raw(`"sub":"ada","nbf":null`)},
		{"nbf beyond any time", bySecret, claiming(claimSet{"nbf": -1e300})},
		{"no iss", bySecret, claiming(claimSet{"iss": nil})},
		{"iss another", bySecret, claiming(claimSet{"iss": "https://id.example/"})},
		{"iss a list", bySecret, claiming(claimSet{"iss": []string{"https://id.example"}})},
		{"no aud", bySecret, claiming(claimSet{"aud": nil})},
		{"aud another", bySecret, claiming(claimSet{"aud": "presently-test"})},
		{"aud an empty list", bySecret, claiming(claimSet{"aud": []string{}})},
		{"aud a number", bySecret, claiming(claimSet{"aud": 1})},
		{"aud an object", bySecret, claiming(claimSet{"aud": claimSet{"presently": true}})},
		{"aud a list of lists", bySecret, claiming(claimSet{"aud": []any{[]any{"presently"}}})},
		{"scope a list", bySecret, claiming(claimSet{"scope": []string{"presence:read"}})},
		{"scope null", bySecret, raw(`"sub":"ada","scope":null`)},
		{"scope a number", bySecret, claiming(claimSet{"scope": 1})},
		{"rooms null", bySecret, raw(`"sub":"ada","rooms":null`)},
		{"rooms a string", bySecret, claiming(claimSet{"rooms": "*"})},
		{"rooms with null", bySecret, raw(`"sub":"ada","rooms":[null]`)},
		{"rooms with an empty name", bySecret, claiming(claimSet{"rooms": []string{""}})},
		{"rooms with a control character", bySecret, claiming(claimSet{"rooms": []string{"a\nb"}})},
		{"profile null", bySecret, raw(`"sub":"ada","profile":null`)},
		{"profile a string", bySecret, claiming(claimSet{"profile": "Ada"})},
		{"profile a list", bySecret, claiming(claimSet{"profile": []string{"Ada"}})},
		{"profile too long", bySecret, claiming(claimSet{"profile": claimSet{"name": strings.Repeat("a", maxProfile)}})},
		{"profile too long by what is ignored", bySecret, claiming(claimSet{"profile": claimSet{"x": strings.Repeat("a", maxProfile)}})},
		{"name a number", bySecret, claiming(claimSet{"profile": claimSet{"name": 1}})},
		{"name null", bySecret, raw(`"sub":"ada","profile":{"name":null}`)},
		{"name with a control character", bySecret, claiming(claimSet{"profile": claimSet{"name": "A\u0007"}})},
		{"avatar with a C1 control character", bySecret, claiming(claimSet{"profile": claimSet{"avatar": "A\u0085"}})},
		{"name twice", bySecret, raw(`"sub":"ada","profile":{"name":"a","name":"b"}`)},
	}
	for _, a := range attacks {
		t.Run(a.name, func(t *testing.T) {
			id, err := a.v.Verify(a.token)
			if !errors.Is(err, errTokenInvalid) {
				t.Errorf("Verify = %+v, %v; want the token to be invalid", id, err)
			}
			if err != nil && strings.Contains(err.Error(), "jsontext") {
				t.Errorf("%q shows our inside", err)
			}
		})
	}
}

// derSigned makes the signature that openssl makes, which JWS does not allow: two encodings of one signature are two tokens.
func derSigned(t testing.TB, k pair, claims any) string {
	t.Helper()
	text := segment(t, `{"alg":"ES256"}`) + "." + segment(t, claims)
	h := crypto.SHA256.New()
	h.Write([]byte(text))
	sig, err := ecdsa.SignASN1(rand.Reader, k.private.(*ecdsa.PrivateKey), h.Sum(nil))
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(sig)
}

// slashed finds a signature with a character that the two alphabets write differently.
func slashed(t testing.TB, claims claimSet) string {
	t.Helper()
	for i := 0; ; i++ {
		claims["jti"] = i
		token := hs256(t, claims)
		if signature := token[strings.LastIndexByte(token, '.')+1:]; strings.ContainsAny(signature, "-_") {
			return signature
		}
	}
}

// loose is the character after c: in the last place of 32 bytes, its two lowest bits count for nothing.
func loose(c byte) byte {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return alphabet[strings.IndexByte(alphabet, c)^1]
}

func manyClaims(n int) claimSet {
	c := claimSet{}
	for i := range n {
		c[fmt.Sprint("c", i)] = i
	}
	return c
}

func TestKidAndTheOffersOfAHeaderChangeNothing(t *testing.T) {
	v := verifier(t, TokenConfig{Secret: testSecret})
	for _, header := range []string{
		`{"alg":"HS256","kid":"../../dev/null"}`,
		`{"alg":"HS256","jku":"http://127.0.0.1:1/keys","x5u":"http://127.0.0.1:1/x","jwk":{"kty":"oct","k":"AA"}}`,
		`{"alg":"HS256","typ":"at+jwt","cty":"JWT"}`,
	} {
		if _, err := v.Verify(sign(t, jwt.SigningMethodHS256, testSecret, header, goodClaims())); err != nil {
			t.Errorf("header %s: %v", header, err)
		}
	}
}

func TestTokenExpiresAtTheMomentThatItNames(t *testing.T) {
	for _, leeway := range []time.Duration{0, time.Minute} {
		t.Run(leeway.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v := verifier(t, TokenConfig{Secret: testSecret, Leeway: leeway})
				exp := time.Now().Add(time.Hour).Truncate(time.Second)
				token := hs256(t, claimSet{"sub": "ada", "exp": exp.Unix()})

				time.Sleep(time.Until(exp.Add(leeway)) - time.Nanosecond)
				id, err := v.Verify(token)
				if err != nil {
					t.Fatalf("1 ns before its end: %v", err)
				}
				if want := exp.Add(leeway); !id.Expires.Equal(want) {
					t.Errorf("Expires = %v, want %v", id.Expires, want)
				}
				time.Sleep(time.Nanosecond)
				if _, err := v.Verify(token); !errors.Is(err, errTokenExpired) {
					t.Errorf("at its end: %v, want it to have expired", err)
				}
			})
		})
	}
}

func TestTokenIsValidFromTheMomentThatItNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := verifier(t, TokenConfig{Secret: testSecret, Leeway: 10 * time.Second})
		nbf := time.Now().Add(time.Hour)
		token := hs256(t, claimSet{"sub": "ada", "exp": nbf.Add(time.Hour).Unix(), "nbf": nbf.Unix()})
		time.Sleep(time.Hour - 10*time.Second - time.Nanosecond)
		if _, err := v.Verify(token); !errors.Is(err, errTokenInvalid) {
			t.Errorf("1 ns too early: %v, want it to be invalid", err)
		}
		time.Sleep(time.Nanosecond)
		if _, err := v.Verify(token); err != nil {
			t.Errorf("at the moment: %v", err)
		}
	})
}

func TestFractionsOfASecondCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // begins at a full second
		v := verifier(t, TokenConfig{Secret: testSecret})
		token := hs256(t, fmt.Sprintf(`{"sub":"ada","exp":%d.5}`, time.Now().Unix()))
		if _, err := v.Verify(token); err != nil {
			t.Errorf("half a second before its end: %v", err)
		}
		time.Sleep(500 * time.Millisecond)
		if _, err := v.Verify(token); !errors.Is(err, errTokenExpired) {
			t.Errorf("at its end: %v", err)
		}
	})
}

// A client that is told "expired" fetches a fresh token and comes back; against anything else that would not help.
func TestExpiredIsSaidOnlyOfTokensThatAreRightOtherwise(t *testing.T) {
	v := verifier(t, TokenConfig{Secret: testSecret, Audience: "presently"})
	old := with(claimSet{"exp": time.Now().Add(-time.Hour).Unix(), "aud": "presently"})
	if _, err := v.Verify(hs256(t, old)); !errors.Is(err, errTokenExpired) {
		t.Errorf("error = %v, want expired", err)
	}
	forged := sign(t, jwt.SigningMethodHS256, []byte("guess"), `{"alg":"HS256"}`, old)
	if _, err := v.Verify(forged); !errors.Is(err, errTokenInvalid) || errors.Is(err, errTokenExpired) {
		t.Errorf("forged: error = %v, want invalid", err)
	}
	old["aud"] = "other"
	if _, err := v.Verify(hs256(t, old)); !errors.Is(err, errTokenInvalid) || errors.Is(err, errTokenExpired) {
		t.Errorf("for another audience: error = %v, want invalid", err)
	}
	for _, exp := range []int64{0, -1} {
		if _, err := v.Verify(hs256(t, with(claimSet{"exp": exp, "aud": "presently"}))); !errors.Is(err, errTokenExpired) {
			t.Errorf("exp %d: error = %v, want expired", exp, err)
		}
	}
}

func TestProfileMayBeAsLongAsPromised(t *testing.T) {
	const frame = `{"name":""}`
	v := verifier(t, TokenConfig{Secret: testSecret})
	name := strings.Repeat("a", maxProfile-len(frame))
	id, err := v.Verify(hs256(t, with(claimSet{"profile": claimSet{"name": name}})))
	if err != nil || id.Profile.Name != name {
		t.Errorf("%d bytes: error = %v", maxProfile, err)
	}
}

func TestTokenIsTakenFromOneHeaderOrTheCookie(t *testing.T) {
	tests := []struct {
		name       string
		headers    []string
		cookie     string
		query      string
		raw        string
		fromCookie bool
		err        error
	}{
		{name: "nothing", err: errTokenMissing},
		{name: "bearer", headers: []string{"Bearer abc"}, raw: "abc"},
		{name: "lower-case bearer", headers: []string{"bearer abc"}, raw: "abc"},
		{name: "upper-case bearer", headers: []string{"BEARER abc"}, raw: "abc"},
		{name: "two blanks", headers: []string{"Bearer  abc"}, raw: "abc"},
		{name: "cookie", cookie: "presently=abc", raw: "abc", fromCookie: true},
		{name: "cookie among others", cookie: "a=b; presently=abc; c=d", raw: "abc", fromCookie: true},
		{name: "header wins", headers: []string{"Bearer abc"}, cookie: "presently=def", raw: "abc"},
		{name: "bad header wins, too", headers: []string{"Basic YTpi"}, cookie: "presently=def", err: errTokenInvalid},
		{name: "never the query", query: "?access_token=abc&token=abc&presently=abc", err: errTokenMissing},
		{name: "two headers", headers: []string{"Bearer abc", "Bearer abc"}, err: errTokenInvalid},
		{name: "header without a token", headers: []string{"Bearer"}, err: errTokenInvalid},
		{name: "header with a blank token", headers: []string{"Bearer  "}, err: errTokenInvalid},
		{name: "empty header", headers: []string{""}, err: errTokenInvalid},
		{name: "token without a scheme", headers: []string{"abc"}, err: errTokenInvalid},
		{name: "basic", headers: []string{"Basic YTpi"}, err: errTokenInvalid},
		{name: "tab for a blank", headers: []string{"Bearer\tabc"}, err: errTokenInvalid},
		{name: "two cookies", cookie: "presently=abc; presently=def", fromCookie: true, err: errTokenInvalid},
		{name: "empty cookie", cookie: "presently=", err: errTokenMissing},
		{name: "cookie in another case", cookie: "Presently=abc", err: errTokenMissing},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "/v1/presence/me"+tt.query, nil)
			for _, h := range tt.headers {
				r.Header.Add("Authorization", h)
			}
			if tt.cookie != "" {
				r.Header.Set("Cookie", tt.cookie)
			}
			raw, fromCookie, err := credentials(r)
			if raw != tt.raw || fromCookie != tt.fromCookie || !errors.Is(err, tt.err) {
				t.Errorf("credentials = %q, %v, %v; want %q, %v, %v", raw, fromCookie, err, tt.raw, tt.fromCookie, tt.err)
			}
		})
	}
}

func TestAuthenticateTellsWhetherTheCookieSpoke(t *testing.T) {
	v := verifier(t, TokenConfig{Secret: testSecret})
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.AddCookie(&http.Cookie{Name: "presently", Value: hs256(t, goodClaims())})
	id, fromCookie, err := v.Authenticate(r)
	if err != nil || !fromCookie || id.User != "ada" {
		t.Errorf("by cookie: %+v, %v, %v", id, fromCookie, err)
	}
	r = httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Authorization", "Bearer "+hs256(t, goodClaims())+" "+hs256(t, goodClaims()))
	if _, _, err := v.Authenticate(r); !errors.Is(err, errTokenInvalid) {
		t.Errorf("two tokens in one header: %v, want invalid", err)
	}
}

func TestWrongKeysAreNamedAllAtOnce(t *testing.T) {
	weak := &rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 1023), E: 65537}
	ec := ecPair(t, elliptic.P256())
	tests := []struct {
		name string
		c    TokenConfig
		want []string
	}{
		{"nothing", TokenConfig{}, []string{"Secret: there is neither a secret nor a public key"}},
		{"short secret", TokenConfig{Secret: []byte("hunter2")}, []string{"Secret: HS256 needs 32 bytes or more, this has 7"}},
		{"secret too short for its algorithm", TokenConfig{Secret: testSecret[:40], Algorithms: []string{"HS512"}}, []string{"HS512 needs 64 bytes or more, this has 40"}},
		{"PEM for a secret", TokenConfig{Secret: []byte("-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----")}, []string{"Secret: this is a PEM file"}},
		{"none", TokenConfig{Secret: testSecret, Algorithms: []string{"none"}}, []string{`Algorithms: "none" is not one of HS256`, "Secret: the secret fits none"}},
		{"algorithm without a key", TokenConfig{Secret: testSecret, Algorithms: []string{"HS256", "RS256"}}, []string{"Algorithms: RS256 has no key: it needs an RSA public key"}},
		{"wrong curve", TokenConfig{PublicKeys: []crypto.PublicKey{ec.public}, Algorithms: []string{"ES384"}},
			[]string{"ES384 has no key: it needs an EC public key on P-384", "PublicKeys: the EC key on P-256 fits none of the algorithms ES384"}},
		{"P-224", TokenConfig{PublicKeys: []crypto.PublicKey{ecPair(t, elliptic.P224()).public}}, []string{"PublicKeys: the EC key on P-224 fits none"}},
		{"private key", TokenConfig{PublicKeys: []crypto.PublicKey{ec.private}}, []string{"PublicKeys: a key of type *ecdsa.PrivateKey fits none"}},
		{"weak RSA and long leeway", TokenConfig{PublicKeys: []crypto.PublicKey{weak}, Leeway: 2 * time.Minute},
			[]string{"PublicKeys: the RSA key of 1024 bits is too short", "Leeway: 2m0s is not between 0 and 1m0s"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := NewVerifier(tt.c)
			for _, want := range tt.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("error = %v\nwant it to say %s", err, want)
				}
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("error shows the secret: %v", err)
			}
		})
	}
}

func FuzzVerify(f *testing.F) {
	v := verifier(f, TokenConfig{Secret: testSecret})
	f.Add(`{"alg":"HS256"}`, `{"sub":"ada","exp":4102444800}`)
	f.Add(`{"alg":"HS256","crit":[]}`, `{"sub":"ada","exp":4102444800,"scope":"presence:read","rooms":["a*"],"profile":{"name":"A"}}`)
	f.Fuzz(func(t *testing.T, header, claims string) {
		id, err := v.Verify(sign(t, jwt.SigningMethodHS256, testSecret, header, claims))
		if (err == nil) != (id.User != "") {
			t.Errorf("Verify = %+v, %v: an identity and an error, or neither", id, err)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	for _, name := range []string{"HS256", "ES256", "RS256"} {
		b.Run(name, func(b *testing.B) {
			k, c := pair{private: testSecret}, TokenConfig{Secret: testSecret}
			switch name {
			case "ES256":
				k = ecPair(b, elliptic.P256())
				c = TokenConfig{PublicKeys: []crypto.PublicKey{k.public}}
			case "RS256":
				k = rsaPair(b, 2048)
				c = TokenConfig{PublicKeys: []crypto.PublicKey{k.public}}
			}
			v, token := verifier(b, c), sign(b, signingMethod(name), k.private, claimSet{"alg": name}, with(claimSet{"profile": claimSet{"name": "Ada"}}))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := v.Verify(token); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
