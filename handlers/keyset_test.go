package handlers

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/presently/presently/api"
)

// provider is an identity provider on virtual time, reached over pipes.
type provider struct {
	fetches atomic.Int32

	mu     sync.Mutex // guards what follows
	answer http.HandlerFunc
}

func (p *provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.fetches.Add(1)
	p.mu.Lock()
	answer := p.answer
	p.mu.Unlock()
	answer(w, r)
}

func (p *provider) answers(f http.HandlerFunc) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answer = f
}

// publishes makes the provider publish keys, each by what jwkOf makes of it.
func (p *provider) publishes(keys ...claimSet) {
	text, err := json.Marshal(claimSet{"keys": keys})
	if err != nil {
		panic(err)
	}
	p.answers(func(w http.ResponseWriter, _ *http.Request) { w.Write(text) }) //nolint:errcheck // a test
}

func (p *provider) fails() {
	p.answers(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusInternalServerError) })
}

// jwkOf is a public key as a provider publishes it; more overrides and adds, and nil takes away.
func jwkOf(k pair, kid string, more claimSet) claimSet {
	enc := base64.RawURLEncoding.EncodeToString
	j := claimSet{"kid": kid, "use": "sig"}
	switch key := k.public.(type) {
	case *rsa.PublicKey:
		j["kty"], j["n"], j["e"] = "RSA", enc(key.N.Bytes()), enc(big.NewInt(int64(key.E)).Bytes())
	case *ecdsa.PublicKey:
		point, err := key.Bytes()
		if err != nil {
			panic(err)
		}
		half := len(point) / 2
		j["kty"], j["crv"], j["x"], j["y"] = "EC", key.Params().Name, enc(point[1:1+half]), enc(point[1+half:])
	case ed25519.PublicKey:
		j["kty"], j["crv"], j["x"] = "OKP", "Ed25519", enc(key)
	}
	for name, value := range more {
		if j[name] = value; value == nil {
			delete(j, name)
		}
	}
	return j
}

// withProvider tells a story of a verifier whose keys come from a provider, on virtual time. The verifier runs from the beginning.
func withProvider(t *testing.T, c TokenConfig, begin func(*provider), story func(v *Verifier, p *provider)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p, listener := &provider{}, newPipes()
		begin(p)
		web := &http.Server{Handler: p}
		go web.Serve(listener) //nolint:errcheck // ends with the test
		c.JWKS = "http://localhost/keys"
		v := verifier(t, c)
		v.provided.client.Transport.(*http.Transport).DialContext = listener.dial
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			v.Run(ctx, slog.New(slog.DiscardHandler))
		}()
		t.Cleanup(func() {
			cancel()
			<-ended     // Run ends with its context
			web.Close() //nolint:errcheck // a test
			time.Sleep(time.Minute)
		})
		synctest.Wait()
		story(v, p)
	})
}

func signed(t testing.TB, alg, kid string, k pair) string {
	t.Helper()
	header := claimSet{"alg": alg}
	if kid != "" {
		header["kid"] = kid
	}
	return sign(t, signingMethod(alg), k.private, header, goodClaims())
}

func refused(t *testing.T, v *Verifier, token string) {
	t.Helper()
	if id, err := v.Verify(token); !errors.Is(err, errTokenInvalid) {
		t.Errorf("Verify = %+v, %v; want the token to be invalid", id, err)
	}
}

func believed(t *testing.T, v *Verifier, token string) {
	t.Helper()
	if _, err := v.Verify(token); err != nil {
		t.Errorf("Verify: %v", err)
	}
}

func TestKeysOfAProviderVerifyWhatTheyAreMadeFor(t *testing.T) {
	rsaKey, psKey, ec256, ec384, ec521, ed := rsaPair(t, 2048), rsaPair(t, 2048), ecPair(t, elliptic.P256()), ecPair(t, elliptic.P384()), ecPair(t, elliptic.P521()), edPair(t)
	withProvider(t, TokenConfig{Secret: testSecret}, func(p *provider) {
		p.publishes(jwkOf(rsaKey, "rsa", nil), jwkOf(psKey, "ps", claimSet{"alg": "PS384", "key_ops": []string{"verify"}}), jwkOf(ec256, "ec256", nil),
			jwkOf(ec384, "ec384", claimSet{"use": nil}), jwkOf(ec521, "ec521", claimSet{"alg": "ES512"}), jwkOf(ed, "ed", nil))
	}, func(v *Verifier, p *provider) {
		believed(t, v, signed(t, "RS256", "rsa", rsaKey))
		believed(t, v, signed(t, "PS384", "ps", psKey))
		believed(t, v, signed(t, "ES256", "ec256", ec256))
		believed(t, v, signed(t, "ES384", "ec384", ec384))
		believed(t, v, signed(t, "ES512", "ec521", ec521))
		believed(t, v, signed(t, "EdDSA", "ed", ed))
		believed(t, v, hs256(t, goodClaims())) // the secret does as before

		refused(t, v, signed(t, "RS384", "rsa", rsaKey)) // without alg: RS256 alone
		refused(t, v, signed(t, "PS256", "rsa", rsaKey))
		refused(t, v, signed(t, "RS256", "ps", psKey))
		refused(t, v, signed(t, "PS256", "ps", psKey))
		refused(t, v, signed(t, "ES256", "ec256", ecPair(t, elliptic.P256())))
		if n := p.fetches.Load(); n != 1 {
			t.Errorf("%d fetches, want 1: each kid was known", n)
		}
	})
}

func TestConfiguredAlgorithmsBoundThoseOfAProvider(t *testing.T) {
	free, rs, ec := rsaPair(t, 2048), rsaPair(t, 2048), ecPair(t, elliptic.P256())
	withProvider(t, TokenConfig{Algorithms: []string{"PS256", "RS512"}}, func(p *provider) {
		p.publishes(jwkOf(free, "free", nil), jwkOf(rs, "rs", claimSet{"alg": "RS256"}), jwkOf(ec, "ec", nil))
	}, func(v *Verifier, _ *provider) {
		believed(t, v, signed(t, "PS256", "free", free))
		believed(t, v, signed(t, "RS512", "free", free))
		refused(t, v, signed(t, "RS256", "free", free))
		refused(t, v, signed(t, "RS256", "rs", rs)) // its alg is not accepted here
		refused(t, v, signed(t, "PS256", "rs", rs))
		refused(t, v, signed(t, "ES256", "ec", ec))
	})
}

// What strangers try who can read the public keys, as anybody can.
func TestPublishedKeysAreNoSecretsAndKidsArePlainNames(t *testing.T) {
	key, ec := rsaPair(t, 2048), ecPair(t, elliptic.P256())
	der, err := x509.MarshalPKIXPublicKey(key.public)
	if err != nil {
		t.Fatal(err)
	}
	asPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	n := key.public.(*rsa.PublicKey).N.Bytes()
	hmac := func(secret []byte, header string) string {
		return sign(t, signingMethod("HS256"), secret, header, goodClaims())
	}
	secret := []byte("0123456789abcdef0123456789abcdef")
	withProvider(t, TokenConfig{}, func(p *provider) {
		p.publishes(jwkOf(key, "k1", nil), jwkOf(ec, "../k2", nil), claimSet{"kty": "oct", "kid": "oct", "alg": "HS256", "k": base64.RawURLEncoding.EncodeToString(secret)})
	}, func(v *Verifier, _ *provider) {
		for name, token := range map[string]string{
			"HMAC by the PEM":                hmac(asPEM, `{"alg":"HS256","kid":"k1"}`),
			"HMAC by the DER":                hmac(der, `{"alg":"HS256","kid":"k1"}`),
			"HMAC by the modulus":            hmac(n, `{"alg":"HS256","kid":"k1"}`),
			"HMAC said to be RS256":          hmac(asPEM, `{"alg":"RS256","kid":"k1"}`),
			"HMAC by a published secret":     hmac(secret, `{"alg":"HS256","kid":"oct"}`),
			"none":                           segment(t, `{"alg":"none","kid":"k1"}`) + "." + segment(t, goodClaims()) + ".",
			"kid of another key":             signed(t, "ES256", "k1", ec),
			"no kid":                         signed(t, "RS256", "", key),
			"kid in another case":            signed(t, "RS256", "K1", key),
			"kid with a blank":               signed(t, "RS256", "k1 ", key),
			"kid as a path to the key":       signed(t, "RS256", "./k1", key),
			"kid as a list":                  sign(t, signingMethod("RS256"), key.private, `{"alg":"RS256","kid":["k1"]}`, goodClaims()),
			"kid twice":                      sign(t, signingMethod("RS256"), key.private, `{"alg":"RS256","kid":"k1","kid":"k1"}`, goodClaims()),
			"kid as a URL, with a jku":       signed(t, "RS256", "http://localhost/keys#k1", key),
			"key in the header":              sign(t, signingMethod("ES256"), ecPair(t, elliptic.P256()).private, claimSet{"alg": "ES256", "kid": "../k2", "jwk": jwkOf(ec, "../k2", nil)}, goodClaims()),
			"psychic signature, by its kid":  segment(t, `{"alg":"ES256","kid":"../k2"}`) + "." + segment(t, goodClaims()) + "." + segment(t, string(make([]byte, 64))),
			"RSA signature said to be EdDSA": sign(t, signingMethod("RS256"), key.private, `{"alg":"EdDSA","kid":"k1"}`, goodClaims()),
		} {
			t.Log(name)
			refused(t, v, token)
		}
		believed(t, v, signed(t, "RS256", "k1", key))
		believed(t, v, signed(t, "ES256", "../k2", ec)) // a name like any other
	})
}

func TestUnfitKeysAreLeftOutAndTheOthersServe(t *testing.T) {
	good, weak, long := ecPair(t, elliptic.P256()), rsaPair(t, 1024), rsaPair(t, 2048)
	private := jwkOf(good, "private", claimSet{"d": "AAAA"})
	off := jwkOf(good, "off", claimSet{"y": jwkOf(ecPair(t, elliptic.P256()), "", nil)["y"]})
	huge := base64.RawURLEncoding.EncodeToString(append([]byte{1}, bytes.Repeat([]byte{1}, mostRSA/8)...))
	for name, key := range map[string]any{
		"for encryption":        jwkOf(good, "x", claimSet{"use": "enc"}),
		"use of its own":        jwkOf(good, "x", claimSet{"use": "tls"}),
		"key_ops without":       jwkOf(good, "x", claimSet{"key_ops": []string{"deriveKey"}}),
		"no key_ops at all":     jwkOf(good, "x", claimSet{"key_ops": []string{}}),
		"short RSA":             jwkOf(weak, "x", nil),
		"giant RSA":             jwkOf(long, "x", claimSet{"n": huge}),
		"even exponent":         jwkOf(long, "x", claimSet{"e": "BA"}),
		"exponent 1":            jwkOf(long, "x", claimSet{"e": "AQ"}),
		"giant exponent":        jwkOf(long, "x", claimSet{"e": "AQAAAAAB"}),
		"private":               private,
		"off the curve":         off,
		"short coordinate":      jwkOf(good, "x", claimSet{"x": "AAAA"}),
		"curve of bitcoin":      jwkOf(good, "x", claimSet{"crv": "secp256k1"}),
		"P-256 point on P-384":  jwkOf(good, "x", claimSet{"crv": "P-384"}),
		"X25519":                claimSet{"kty": "OKP", "crv": "X25519", "x": base64.RawURLEncoding.EncodeToString(make([]byte, 32))},
		"unknown kty":           claimSet{"kty": "AKP", "alg": "ML-DSA-44", "pub": "AAAA"},
		"secret":                claimSet{"kty": "oct", "k": "AAAA"},
		"alg of encryption":     jwkOf(long, "x", claimSet{"alg": "RSA-OAEP"}),
		"alg that does not fit": jwkOf(good, "x", claimSet{"alg": "ES384"}),
		"alg none":              jwkOf(good, "x", claimSet{"alg": "none"}),
		"long kid":              jwkOf(good, strings.Repeat("k", mostKidLen+1), nil),
		"kid a number":          jwkOf(good, "x", claimSet{"kid": 7}),
		"no object":             "key",
	} {
		t.Run(name, func(t *testing.T) {
			text, err := json.Marshal(claimSet{"keys": []any{key, jwkOf(good, "good", nil)}})
			if err != nil {
				t.Fatal(err)
			}
			keys, unfit, err := parseKeys(text, nil)
			if err != nil || len(keys) != 1 || len(keys["good"]) != 1 || len(unfit) != 1 {
				t.Errorf("keys = %v, unfit = %q, error = %v; want the good one alone", keys, unfit, err)
			}
		})
	}
}

func TestDocumentsThatAreNoKeySetLeaveTheOldOneInPlace(t *testing.T) {
	key := ecPair(t, elliptic.P256())
	fine := string(must(json.Marshal(claimSet{"keys": []any{jwkOf(key, "k", nil)}})))
	for name, answer := range map[string]http.HandlerFunc{
		"page":           says("<!doctype html><title>Log in</title>"),
		"nothing":        says(""),
		"empty set":      says(`{"keys":[]}`),
		"no set":         says(`{}`),
		"list":           says(`[]`),
		"keys twice":     says(`{"keys":[],` + fine[1:]),
		"two documents":  says(fine + fine),
		"unusable alone": says(`{"keys":[{"kty":"oct","k":"AAAA"}]}`),
		"101 keys":       says(`{"keys":[` + strings.Repeat("{},", mostKeys) + `{}]}`),
		"error": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadGateway)
			io.WriteString(w, fine)
		}, //nolint:errcheck // a test
		"redirect": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) },
		"huge":     func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, fine+strings.Repeat(" ", keysSize)) }, //nolint:errcheck // a test
		"endless header": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X", strings.Repeat("x", 128<<10))
			io.WriteString(w, fine)
		}, //nolint:errcheck // a test
		"broken off": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(len(fine)))
			io.WriteString(w, fine[:20]) //nolint:errcheck // a test
		},
		"silence": hangs,
		"drops": func(w http.ResponseWriter, r *http.Request) {
			for range len(fine) {
				io.WriteString(w, " ")                //nolint:errcheck // a test
				http.NewResponseController(w).Flush() //nolint:errcheck // a test
				if r.Context().Err() != nil {
					return
				}
				time.Sleep(time.Second)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			withProvider(t, TokenConfig{}, func(p *provider) { p.publishes(jwkOf(key, "k", nil)) }, func(v *Verifier, p *provider) {
				p.answers(answer)
				time.Sleep(keysEvery + keysEvery/2)
				if p.fetches.Load() < 2 {
					t.Fatal("it was not fetched again")
				}
				believed(t, v, signed(t, "ES256", "k", key))
				if !v.Ready() {
					t.Error("it is not ready any more")
				}
				p.publishes(jwkOf(key, "k2", nil))
				time.Sleep(2 * keysMostWait)
				believed(t, v, signed(t, "ES256", "k2", key))
			})
		})
	}
}

func says(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, text) } //nolint:errcheck // a test
}

func hangs(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// A provider begins to sign with a new key without telling anybody; its first token is believed.
func TestFirstTokenOfANewKeyIsBelieved(t *testing.T) {
	old, fresh := rsaPair(t, 2048), ecPair(t, elliptic.P256())
	withProvider(t, TokenConfig{}, func(p *provider) { p.publishes(jwkOf(old, "old", nil)) }, func(v *Verifier, p *provider) {
		time.Sleep(time.Minute)
		p.publishes(jwkOf(old, "old", nil), jwkOf(fresh, "new", nil))
		believed(t, v, signed(t, "ES256", "new", fresh))
		believed(t, v, signed(t, "RS256", "old", old))
		if n := p.fetches.Load(); n != 2 {
			t.Errorf("%d fetches, want 2", n)
		}
	})
}

func TestWithdrawnKeyIsNotBelievedForLong(t *testing.T) {
	old, fresh := rsaPair(t, 2048), ecPair(t, elliptic.P256())
	withProvider(t, TokenConfig{}, func(p *provider) { p.publishes(jwkOf(old, "old", nil)) }, func(v *Verifier, p *provider) {
		p.publishes(jwkOf(fresh, "new", nil))
		believed(t, v, signed(t, "RS256", "old", old))
		time.Sleep(keysEvery * 11 / 10)
		synctest.Wait()
		refused(t, v, signed(t, "RS256", "old", old))
	})
}

// Anybody can make up kids. He causes a fetch every ten seconds and no more, keeps nobody waiting, and does not keep a new key from
// being known in that time.
func TestInventedKidsCauseFewFetches(t *testing.T) {
	key, fresh, own := rsaPair(t, 2048), ecPair(t, elliptic.P256()), ecPair(t, elliptic.P256())
	withProvider(t, TokenConfig{}, func(p *provider) { p.publishes(jwkOf(key, "k", nil)) }, func(v *Verifier, p *provider) {
		time.Sleep(keysApart)
		before := p.fetches.Load()
		good, forged := signed(t, "RS256", "k", key), make([]string, 50)
		for i := range forged {
			forged[i] = signed(t, "ES256", fmt.Sprint("kid", i), own)
		}
		for range 600 { // a minute
			for _, token := range forged {
				refused(t, v, token)
			}
			start := time.Now()
			believed(t, v, good)
			if time.Since(start) > 0 {
				t.Fatal("a good token waits")
			}
			time.Sleep(100 * time.Millisecond)
		}
		if n := p.fetches.Load() - before; n > 7 {
			t.Errorf("%d fetches in a minute, want 7 at most", n)
		}
		p.publishes(jwkOf(key, "k", nil), jwkOf(fresh, "fresh", nil))
		token, waited := signed(t, "ES256", "fresh", fresh), time.Now()
		for _, err := v.Verify(token); err != nil; _, err = v.Verify(token) {
			e, ok := errors.AsType[*keyUnknownError](err)
			if !ok || e.after > keysApart {
				t.Fatalf("Verify: %v; want to be told when to come again", err)
			}
			time.Sleep(e.after)
		}
		if took := time.Since(waited); took > keysApart {
			t.Errorf("the new key was known after %v", took)
		}
	})
}

// A provider that does not answer is no reason for requests to pile up.
func TestFewRequestsWaitForAProviderThatHangs(t *testing.T) {
	key := ecPair(t, elliptic.P256())
	withProvider(t, TokenConfig{}, func(p *provider) { p.publishes(jwkOf(key, "k", nil)) }, func(v *Verifier, p *provider) {
		time.Sleep(keysApart)
		p.answers(hangs)
		token := signed(t, "ES256", "other", key)
		var late atomic.Int32
		var all sync.WaitGroup
		for range 3 * keysWaiting {
			all.Go(func() {
				start := time.Now()
				refused(t, v, token)
				if time.Since(start) > 0 {
					late.Add(1)
				}
				if time.Since(start) > keysPatience {
					t.Errorf("a request waited %v", time.Since(start))
				}
			})
		}
		all.Wait()
		if n := late.Load(); n != keysWaiting {
			t.Errorf("%d requests waited, want %d", n, keysWaiting)
		}
	})
}

func TestRequestsThatAreGivenUpDoNotWaitForKeys(t *testing.T) {
	key := ecPair(t, elliptic.P256())
	withProvider(t, TokenConfig{}, func(p *provider) { p.publishes(jwkOf(key, "k", nil)) }, func(v *Verifier, p *provider) {
		time.Sleep(keysApart)
		p.answers(hangs)
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if _, err := v.verify(ctx, signed(t, "ES256", "other", key)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("verify: %v", err)
		}
	})
}

// An instance that starts while its provider is away comes to itself, soon after the provider does.
func TestProviderThatIsAwayAtFirstIsAskedAgain(t *testing.T) {
	key := edPair(t)
	withProvider(t, TokenConfig{Secret: testSecret}, (*provider).fails, func(v *Verifier, p *provider) {
		if v.Ready() {
			t.Error("it is ready without keys")
		}
		believed(t, v, hs256(t, goodClaims()))
		_, err := v.Verify(signed(t, "EdDSA", "k", key))
		if _, ok := errors.AsType[*keyUnknownError](err); !ok || !errors.Is(err, errTokenInvalid) {
			t.Errorf("Verify: %v; want an invalid token that may come again", err)
		}
		time.Sleep(10 * time.Minute)
		if n := p.fetches.Load(); n < 10 || n > 20 {
			t.Errorf("%d fetches in 10 minutes, want about one a minute", n)
		}
		p.publishes(jwkOf(key, "k", nil))
		time.Sleep(keysMostWait)
		synctest.Wait()
		believed(t, v, signed(t, "EdDSA", "k", key))
		if !v.Ready() {
			t.Error("it is not ready with keys")
		}
	})
}

func TestConfiguredKeysComeBeforeAProviders(t *testing.T) {
	file, key := ecPair(t, elliptic.P256()), ecPair(t, elliptic.P256())
	withProvider(t, TokenConfig{PublicKeys: []crypto.PublicKey{file.public}}, func(p *provider) { p.publishes(jwkOf(key, "k", nil)) }, func(v *Verifier, p *provider) {
		time.Sleep(keysApart)
		believed(t, v, signed(t, "ES256", "any", file))
		believed(t, v, signed(t, "ES256", "k", key))
		if n := p.fetches.Load(); n != 1 {
			t.Errorf("%d fetches, want 1: a configured key needs none", n)
		}
	})
}

func TestAddressOfKeysMustBeSafe(t *testing.T) {
	for address, good := range map[string]bool{
		"https://id.example/keys": true, "https://id.example:8443/keys?tenant=a": true, "http://localhost:8081/keys": true, "http://127.0.0.1/keys": true,
		"http://[::1]:80/keys": true, "http://id.example/keys": false, "http://127.0.0.1.id.example/keys": false, "http://10.0.0.1/keys": false,
		"file:///etc/keys": false, "id.example/keys": false, "https://": false, "https:///keys": false, "/keys": false, "https://id.example/#keys": false,
	} {
		_, err := NewVerifier(TokenConfig{JWKS: address})
		if (err == nil) != good {
			t.Errorf("%s: error = %v", address, err)
		}
	}
	_, err := NewVerifier(TokenConfig{JWKS: "https://id.example/keys", Secret: testSecret, Algorithms: []string{"HS256"}})
	if err == nil || !strings.Contains(err.Error(), "JWKS: its keys fit none of the algorithms HS256") {
		t.Errorf("secrets alone accepted: %v", err)
	}
	_, err = NewVerifier(TokenConfig{JWKS: "https://id.example/keys", Algorithms: []string{"HS256", "RS256"}})
	if err == nil || !strings.Contains(err.Error(), "HS256 has no key") {
		t.Errorf("HS256 without a secret: %v", err)
	}
}

func FuzzParseKeys(f *testing.F) {
	f.Add([]byte(`{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`))
	f.Add([]byte(`{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB","use":"sig","key_ops":["verify"]},{"kty":"EC","crv":"P-256","x":"","y":""}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		keys, _, err := parseKeys(text, nil)
		if (err == nil) != (len(keys) > 0) {
			t.Errorf("%d keys and the error %v", len(keys), err)
		}
		for kid, all := range keys {
			for _, k := range all {
				if len(k.algorithms) != 1 || !fits(tokenMethod{SigningMethod: signingMethod(k.algorithms[0])}, k.key) || len(kid) > mostKidLen {
					t.Errorf("%q is a key for %v", kid, k.algorithms)
				}
			}
		}
	})
}

// Until it has keys an instance asks for no traffic. What comes all the same is refused, and told to come again: for a native EventSource that is
// the difference between a moment and for ever.
func TestWhoseKeyIsNotKnownYetMayComeAgain(t *testing.T) {
	inWorld(t, func(w *world) {
		w.server.opts.Tokens = verifier(w, TokenConfig{Secret: worldSecret, JWKS: "http://localhost/keys"}) // that nobody fetches
		p := w.wantProblem(w.ask("", "GET", "/readyz", ""), http.StatusServiceUnavailable, api.ProblemCodeKeysUnavailable)
		if p.Detail == "" {
			w.Errorf("problem = %+v", p)
		}
		header := "Authorization: Bearer " + signed(w, "ES256", "k", ecPair(w, elliptic.P256()))
		r := w.ask("", "GET", "/v1/presence/me", "", header)
		w.wantProblem(r, http.StatusUnauthorized, api.ProblemCodeInvalidToken)
		if got := r.header.Get("Retry-After"); got != "3" {
			w.Errorf("Retry-After = %q, want 3", got)
		}
		s := w.watch("", "user=ada&errors=stream", header)
		if p := decodeEvent[api.Problem](s, s.next("problem")); p.Final == nil || *p.Final || p.Code != api.ProblemCodeInvalidToken {
			w.Errorf("problem = %+v, want one that is not final", p)
		}
		if r := w.ask("ada", "GET", "/v1/presence/me", ""); r.status != http.StatusOK {
			w.Errorf("with a token by the secret: %d", r.status)
		}
	})
}
