package main

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"flag"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const testSecret = "a secret that is good for tests, and for nothing else"

func load(t testing.TB, args []string, environ ...string) (config, error) {
	t.Helper()
	return loadConfig(flag.NewFlagSet("presently", flag.ContinueOnError), args, environ)
}

func loadGood(t testing.TB, environ ...string) config {
	t.Helper()
	c, err := load(t, nil, environ...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestConfigKnowsEveryNameOfTheDesign(t *testing.T) {
	const design = `LISTEN REDIS_URL JWT_SECRET JWT_KEY_FILE JWKS_URL JWT_ALGORITHMS JWT_ISSUER JWT_AUDIENCE JWT_LEEWAY TTL GRACE HEARTBEAT SWEEP
		IDLE_AFTER TYPING_TTL COALESCE DRAIN STREAM_MAX_AGE RATE_LIMIT CORS_ORIGINS TLS_CERT TLS_KEY ADMIN_LISTEN LOG_LEVEL LOG_FORMAT DEMO
		PARTITIONS AFTER_LOSS OTLP_ENDPOINT WEBHOOK_URL WEBHOOK_SECRET` +
		` CONNECTIONS CONNECTIONS_PER_ADDRESS` // which it leaves open
	var names []string
	for _, s := range settings {
		if s.group != clientGroup {
			names = append(names, s.name)
		}
	}
	want := strings.Fields(design)
	slices.Sort(names)
	slices.Sort(want)
	if !slices.Equal(names, want) {
		t.Errorf("settings = %v\nwant %v", names, want)
	}
}

func TestConfigHasTheTimingsOfTheDesign(t *testing.T) {
	c := loadGood(t, "PRESENTLY_JWT_SECRET="+testSecret)
	for name, d := range map[string]struct{ got, want time.Duration }{
		"TTL":            {c.policy.TTL, 90 * time.Second},
		"GRACE":          {c.policy.Grace, 10 * time.Second},
		"HEARTBEAT":      {c.policy.Heartbeat, 30 * time.Second},
		"IDLE_AFTER":     {c.policy.IdleAfter, 5 * time.Minute},
		"TYPING_TTL":     {c.policy.TypingTTL, 6 * time.Second},
		"SWEEP":          {c.sweep, time.Second},
		"COALESCE":       {c.coalesce, 250 * time.Millisecond},
		"DRAIN":          {c.drain, 25 * time.Second},
		"STREAM_MAX_AGE": {c.maxAge, 30 * time.Minute},
	} {
		if d.got != d.want {
			t.Errorf("%s = %v, want %v", name, d.got, d.want)
		}
	}
	if c.policy.Sessions != 20 || c.partitions != 16 || c.listen != ":8080" {
		t.Errorf("sessions = %d, partitions = %d, listen = %q", c.policy.Sessions, c.partitions, c.listen)
	}
}

func TestHeartbeatIsAThirdOfTheTTLUpToHalfAMinute(t *testing.T) {
	for ttl, want := range map[string]time.Duration{"1s": time.Second / 3, "60s": 20 * time.Second, "90s": 30 * time.Second, "10m": 30 * time.Second} {
		if got := loadGood(t, "PRESENTLY_TTL="+ttl).policy.Heartbeat; got != want {
			t.Errorf("TTL %s: heartbeat = %v, want %v", ttl, got, want)
		}
	}
}

func TestSmallTimesAreForTests(t *testing.T) {
	c := loadGood(t, "PRESENTLY_TTL=1s", "PRESENTLY_GRACE=0", "PRESENTLY_SWEEP=20ms", "PRESENTLY_COALESCE=0", "PRESENTLY_DRAIN=0", "PRESENTLY_IDLE_AFTER=500ms", "PRESENTLY_HEARTBEAT=300ms")
	if c.policy.TTL != time.Second || c.policy.Grace != 0 || c.coalesce != 0 || c.drain != 0 {
		t.Errorf("config = %+v", c.policy)
	}
}

func TestFlagWinsOverEnvironment(t *testing.T) {
	if c := loadGood(t, "PRESENTLY_TTL=2s"); c.sweep != 200*time.Millisecond {
		t.Errorf("a TTL of 2 s is swept every %v, want a tenth of it", c.sweep)
	}
	c, err := load(t, []string{"--ttl=80s", "-grace", "3s", "--heartbeat="}, "PRESENTLY_TTL=70s", "PRESENTLY_HEARTBEAT=nonsense", "PRESENTLY_REDIS_URL=")
	if err != nil {
		t.Fatal(err)
	}
	if c.policy.TTL != 80*time.Second || c.policy.Grace != 3*time.Second || c.policy.Heartbeat != 80*time.Second/3 || !c.development {
		t.Errorf("config = %+v, development = %v", c.policy, c.development)
	}
}

func TestAKeyFileThatCannotBeReadHidesNothingElseThatIsWrong(t *testing.T) {
	_, err := load(t, nil, "PRESENTLY_JWT_KEY_FILE=nowhere.pem", "PRESENTLY_JWT_SECRET=short", "PRESENTLY_JWT_ALGORITHMS=none,HS256,RS256", "PRESENTLY_JWT_LEEWAY=2m", "PRESENTLY_JWKS_URL=nonsense")
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		"PRESENTLY_JWT_KEY_FILE: ", "PRESENTLY_JWT_SECRET: HS256 needs", `PRESENTLY_JWT_ALGORITHMS: "none" is not one of`, "PRESENTLY_JWT_LEEWAY: ", "PRESENTLY_JWKS_URL: ",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %s: %v", want, err)
		}
	}
	if strings.Contains(err.Error(), "RS256 has no key") {
		t.Errorf("the key of RS256 may be in the file: %v", err)
	}
	if _, err := load(t, nil, "PRESENTLY_JWT_KEY_FILE=nowhere.pem"); err == nil || strings.Contains(err.Error(), "JWT_SECRET") {
		t.Errorf("no secret is missing: %v", err)
	}
}

func TestEverythingWrongIsNamedAtOnce(t *testing.T) {
	_, err := load(t, []string{"--partitions=0", "--no-such-flag", "value", "---", "--grace=-1s", "--drain"},
		"PRESENTLY_TTL=90", "PRESENTLY_LISTEN=8080", "PRESENTLY_LOG_FORMAT=xml", "PRESENTLY_LOG_LEVEL=loud", "PRESENTLY_RATE_LIMIT=no",
		"PRESENTLY_COALESCE=11s", "PRESENTLY_TYPING_TTL=31s", "PRESENTLY_TLS_CERT=cert.pem", "PRESENTLY_CORS_ORIGINS=*,https://ok.example,https://a.example/",
		"PRESENTLY_JWT_LEEWAY=2m", "PRESENTLY_JWT_SECRET=short", "PRESENTLY_JWT_ALGORITHMS=none,HS256,RS256", "PRESENTLY_AFTER_LOSS=maybe",
		"PRESENTLY_REDIS_URL=http://localhost")
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		"--no-such-flag is no flag", "bad flag syntax", "--drain stands alone",
		`--partitions: "0" is no number from 1 to 1024`, "--grace: -1s is not between 0s and 24h0m0s",
		`PRESENTLY_TTL: "90" is no duration: write it like 90s`, `PRESENTLY_LISTEN: "8080" is no address: write it like :8080`,
		`PRESENTLY_LOG_FORMAT: "xml" is none of text, json`, `PRESENTLY_LOG_LEVEL: "loud" is none of`, `PRESENTLY_RATE_LIMIT: "no" is none of on, off`,
		"PRESENTLY_COALESCE: 11s is not between", "PRESENTLY_TYPING_TTL: 31s is not between", "PRESENTLY_TLS_KEY: is needed with PRESENTLY_TLS_CERT",
		`PRESENTLY_CORS_ORIGINS: "*" would let pages in`, `PRESENTLY_CORS_ORIGINS: "https://a.example/" is no origin`,
		"PRESENTLY_JWT_LEEWAY: 2m0s is not between", "PRESENTLY_JWT_SECRET: HS256 needs 32 bytes or more, this has 5",
		`PRESENTLY_JWT_ALGORITHMS: "none" is not one of`, "PRESENTLY_JWT_ALGORITHMS: RS256 has no key", `PRESENTLY_AFTER_LOSS: "maybe" is none of`,
		"PRESENTLY_REDIS_URL: ",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %s", want)
		}
	}
	if strings.Contains(err.Error(), "value") || strings.Contains(err.Error(), "ok.example") {
		t.Error("the error names what is not wrong")
	}
	if t.Failed() {
		t.Log(err)
	}
	if exitCode(err) != 2 {
		t.Errorf("exit code = %d, want 2", exitCode(err))
	}
}

func TestAfterALossPeopleAreShownUnlessItIsClosed(t *testing.T) {
	for mode, closes := range map[string]bool{"open": false, "closed": true} {
		if c := loadGood(t, "PRESENTLY_AFTER_LOSS="+mode, "PRESENTLY_RATE_LIMIT=off"); c.closes != closes {
			t.Errorf("%s is read as closes %t", mode, c.closes)
		}
	}
}

func TestAWebhookNeedsAnAddressAndASecret(t *testing.T) {
	const url, key = "PRESENTLY_WEBHOOK_URL=", "PRESENTLY_WEBHOOK_SECRET="
	const good = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	for _, tc := range []struct {
		environ []string
		wrong   string // part of the error; empty: there is none
	}{
		{[]string{url + "https://app.example/hook", key + good}, ""},
		{[]string{url + "https://user:hunter2@app.example:8443/hook?a=b", key + good + " " + good}, ""},
		{[]string{url + "http://127.0.0.1:9000", key + good}, ""},
		{[]string{url + "https://app.example/hook"}, "PRESENTLY_WEBHOOK_SECRET: is needed with PRESENTLY_WEBHOOK_URL"},
		{[]string{key + good}, "PRESENTLY_WEBHOOK_URL: is needed with PRESENTLY_WEBHOOK_SECRET"},
		{[]string{url + "app.example/hook", key + good}, "PRESENTLY_WEBHOOK_URL: is no address"},
		{[]string{url + "ftp://app.example/hook", key + good}, "PRESENTLY_WEBHOOK_URL: is no address"},
		{[]string{url + "https://hunter2@:80/", key + good}, "PRESENTLY_WEBHOOK_URL: is no address"},
		{[]string{url + "https://app.example/hook", key + "hunter2"}, "PRESENTLY_WEBHOOK_SECRET: must be base64"},
	} {
		c, err := load(t, nil, tc.environ...)
		switch {
		case tc.wrong == "" && (err != nil || c.webhookURL == "" || len(c.webhookKeys) == 0):
			t.Errorf("%s: %q, %d keys, %v", tc.environ, c.webhookURL, len(c.webhookKeys), err)
		case tc.wrong != "" && (err == nil || !strings.Contains(err.Error(), tc.wrong) || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), good)):
			t.Errorf("%s: error = %v", tc.environ, err)
		}
	}
	warned := func(address string) bool {
		c := loadGood(t, url+address, key+good)
		return strings.Contains(strings.Join(c.warnings, "\n"), "PRESENTLY_WEBHOOK_URL is http")
	}
	if !warned("http://app.example/hook") || warned("http://localhost:9000/hook") || warned("https://app.example/hook") {
		t.Error("a warning is for http to elsewhere, and for that alone")
	}
}

func TestTTLMustExceedTheHeartbeat(t *testing.T) {
	for beat, good := range map[string]bool{"10s": true, "18.1s": true, "18.19s": false, "20s": false, "30s": false} {
		_, err := load(t, nil, "PRESENTLY_TTL=20s", "PRESENTLY_HEARTBEAT="+beat)
		if (err == nil) != good {
			t.Errorf("heartbeat %s for a TTL of 20s: error = %v", beat, err)
		}
	}
}

func TestWarningsTellWhatWorksButHurts(t *testing.T) {
	tests := []struct {
		name    string
		environ []string
		want    string // empty: no warning
	}{
		{"development", nil, ""},
		{"TTL too short for hidden tabs", []string{"PRESENTLY_TTL=64s"}, "PRESENTLY_TTL is 1m4s: browsers let hidden tabs beat once a minute"},
		{"JWKS without an audience", []string{"PRESENTLY_JWKS_URL=https://id.example/keys"}, "PRESENTLY_JWT_AUDIENCE is not set: with PRESENTLY_JWKS_URL each token"},
		{"TTL long enough", []string{"PRESENTLY_TTL=65s"}, ""},
		{"unknown setting", []string{"PRESENTLY_TLL=90s"}, "PRESENTLY_TLL is not a setting"},
		{"settings of others", []string{"HOME=/", "PATH=/bin", "PRESENTLY=1"}, ""},
		{"what Kubernetes sets for a service", []string{"PRESENTLY_SERVICE_HOST=10.0.0.1", "PRESENTLY_PORT=tcp://10.0.0.1:80", "PRESENTLY_PORT_80_TCP_ADDR=10.0.0.1"}, ""},
		{"key without Redis", []string{"PRESENTLY_JWT_SECRET=" + testSecret}, "presence is kept in the memory of this process"},
		{"key and Redis", []string{"PRESENTLY_JWT_SECRET=" + testSecret, "PRESENTLY_REDIS_URL=redis://localhost"}, ""},
		{"secret from a file, with its line break", []string{"PRESENTLY_JWT_SECRET=" + testSecret + "\n", "PRESENTLY_REDIS_URL=redis://localhost"}, "begins or ends with white space"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := strings.Join(loadGood(t, tt.environ...).warnings, "\n")
			if !strings.Contains(got, tt.want) || tt.want == "" && got != "" {
				t.Errorf("warnings = %q, want %q", got, tt.want)
			}
		})
	}
}

func TestDevelopmentIsForThisMachineAlone(t *testing.T) {
	for listen, want := range map[string]string{
		"":               "127.0.0.1:8080",
		":9000":          "127.0.0.1:9000",
		"127.0.0.1:9000": "127.0.0.1:9000",
		"localhost:9000": "localhost:9000",
		"[::1]:9000":     "[::1]:9000",
		"0.0.0.0:9000":   "", // refused
		"[::]:9000":      "",
		"10.0.0.1:9000":  "",
		"example.org:80": "",
	} {
		c, err := load(t, nil, "PRESENTLY_LISTEN="+listen)
		switch {
		case want == "" && (err == nil || !strings.Contains(err.Error(), "set PRESENTLY_JWT_SECRET")):
			t.Errorf("%q: error = %v, want it to say what to set", listen, err)
		case want != "" && (err != nil || c.listen != want || !c.development):
			t.Errorf("%q: listen = %q, error = %v; want %q", listen, c.listen, err, want)
		}
	}
	c := loadGood(t, "PRESENTLY_LISTEN=0.0.0.0:9000", "PRESENTLY_JWT_SECRET="+testSecret)
	if c.development || c.listen != "0.0.0.0:9000" {
		t.Errorf("with a secret: development = %v, listen = %q", c.development, c.listen)
	}
}

func TestRedisNeedsAKey(t *testing.T) {
	_, err := load(t, nil, "PRESENTLY_REDIS_URL=redis://localhost")
	if err == nil || !strings.Contains(err.Error(), "PRESENTLY_JWT_SECRET: is needed with PRESENTLY_REDIS_URL") {
		t.Errorf("error = %v", err)
	}
}

func TestSecretOfDevelopmentIsAnotherEachTime(t *testing.T) {
	a, b := loadGood(t), loadGood(t)
	token, err := a.devToken()
	if err != nil {
		t.Fatal(err)
	}
	if id, err := a.tokens.Verify(token); err != nil || id.User != "ada" || id.Scopes.String() != "presence:read presence:write presence:stats presence:admin" {
		t.Errorf("its own server says %+v, %v", id, err)
	}
	if _, err := b.tokens.Verify(token); err == nil {
		t.Error("another server believes the token")
	}
}

// Whoever tries issuer, audience or algorithms in development gets a token that fits them.
func TestTokenOfDevelopmentFitsTheSettings(t *testing.T) {
	c := loadGood(t, "PRESENTLY_JWT_ISSUER=me", "PRESENTLY_JWT_AUDIENCE=presently", "PRESENTLY_JWT_ALGORITHMS=HS512")
	token, err := c.devToken()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.tokens.Verify(token); err != nil {
		t.Error(err)
	}
}

func TestOriginsAreAsBrowsersSendThem(t *testing.T) {
	for origin, good := range map[string]bool{
		"https://app.example.org":      true,
		"http://localhost:3000":        true,
		"https://[::1]:8443":           true,
		"*":                            false,
		"https://*.example.org":        false,
		"null":                         false,
		"app.example.org":              false,
		"https://app.example.org/":     false,
		"https://app.example.org/path": false,
		"https://app.example.org?":     false,
		"https://a@app.example.org":    false,
		"https://App.example.org":      false,
		"https://app.example.org:443":  false,
		"http://app.example.org:80":    false,
		"ftp://app.example.org":        false,
		"https://":                     false,
	} {
		c, err := load(t, nil, "PRESENTLY_CORS_ORIGINS=https://first.example, "+origin)
		if (err == nil) != good {
			t.Errorf("%s: error = %v", origin, err)
		}
		if good && !slices.Equal(c.origins, []string{"https://first.example", origin}) {
			t.Errorf("%s: origins = %v", origin, c.origins)
		}
	}
}

// --- Key files ---------------------------------------------------------------

type keyPair struct {
	private crypto.Signer
	name    string
}

func keyPairs(t testing.TB) []keyPair {
	t.Helper()
	var pairs []keyPair
	add := func(name string, k crypto.Signer, err error) {
		if err != nil {
			t.Fatal(err)
		}
		pairs = append(pairs, keyPair{k, name})
	}
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	add("RSA", r, err)
	for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()} {
		k, err := ecdsa.GenerateKey(curve, rand.Reader)
		add("EC "+curve.Params().Name, k, err)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	add("Ed25519", ed, err)
	return pairs
}

func pemBlock(t testing.TB, kind string, der []byte, err error) []byte {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func certificate(t testing.TB, key crypto.Signer) []byte {
	t.Helper()
	return certificateFor(t, key, time.Hour)
}

func certificateFor(t testing.TB, key crypto.Signer, lasts time.Duration) []byte {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotAfter: time.Now().Add(lasts),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	return pemBlock(t, "CERTIFICATE", der, err)
}

func write(t testing.TB, content []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "file.pem")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestKeyFileHoldsPublicKeysOfEachKind(t *testing.T) {
	var all []byte
	for _, k := range keyPairs(t) {
		der, err := x509.MarshalPKIXPublicKey(k.private.Public())
		public := pemBlock(t, "PUBLIC KEY", der, err)
		all = append(append(all, "a comment\n"...), public...)
		for kind, content := range map[string][]byte{"public key": public, "certificate": certificate(t, k.private)} {
			keys, err := readKeys(write(t, content))
			if err != nil || len(keys) != 1 || !k.private.Public().(interface{ Equal(crypto.PublicKey) bool }).Equal(keys[0]) {
				t.Errorf("%s as a %s: %v, %v", k.name, kind, keys, err)
			}
		}
		if r, ok := k.private.(*rsa.PrivateKey); ok {
			if _, err := readKeys(write(t, pemBlock(t, "RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&r.PublicKey), nil))); err != nil {
				t.Errorf("PKCS #1: %v", err)
			}
		}
	}
	c, err := load(t, nil, "PRESENTLY_LISTEN=0.0.0.0:80", "PRESENTLY_JWT_KEY_FILE="+write(t, all))
	if err != nil || c.development {
		t.Errorf("all in one file: development = %v, error = %v", c.development, err)
	}
}

func TestKeyFileThatWillNotDo(t *testing.T) {
	pairs := keyPairs(t)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(pairs[1].private)
	private := pemBlock(t, "PRIVATE KEY", pkcs8, err)
	ecDER, err := x509.MarshalECPrivateKey(pairs[1].private.(*ecdsa.PrivateKey))
	ecPrivate := pemBlock(t, "EC PRIVATE KEY", ecDER, err)
	weak := &rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), 1023, 1), E: 65537}
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p224DER, err := x509.MarshalPKIXPublicKey(&p224.PublicKey)
	tests := []struct {
		name string
		file string
		want string
	}{
		{"private key", write(t, private), "holds a private key, which only the issuer"},
		{"EC private key", write(t, ecPrivate), "holds a private key"},
		{"private key after a certificate", write(t, append(certificate(t, pairs[1].private), private...)), "holds a private key"},
		{"no file", filepath.Join(t.TempDir(), "none.pem"), "no such file"},
		{"no PEM", write(t, []byte(`{"keys":[]}`)), "holds no PEM"},
		{"empty", write(t, nil), "holds no PEM"},
		{"broken", write(t, []byte("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n")), "-----BEGIN PUBLIC KEY-----: "},
		{"something else", write(t, []byte("-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n")), "neither a public key nor a certificate"},
		{"short RSA", write(t, pemBlock(t, "RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(weak), nil)), "PRESENTLY_JWT_KEY_FILE: the RSA key of 1024 bits is too short"},
		{"P-224", write(t, pemBlock(t, "PUBLIC KEY", p224DER, err)), "PRESENTLY_JWT_KEY_FILE: the EC key on P-224 fits none"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := load(t, nil, "PRESENTLY_JWT_KEY_FILE="+tt.file)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error = %v, want it to say %s", err, tt.want)
			}
		})
	}
}

func TestTLSNeedsBothHalvesOfOnePair(t *testing.T) {
	pairs := keyPairs(t)
	cert := write(t, certificate(t, pairs[1].private))
	keyOf := func(i int) string {
		der, err := x509.MarshalPKCS8PrivateKey(pairs[i].private)
		return write(t, pemBlock(t, "PRIVATE KEY", der, err))
	}
	c := loadGood(t, "PRESENTLY_TLS_CERT="+cert, "PRESENTLY_TLS_KEY="+keyOf(1))
	if c.tls == nil {
		t.Error("there is no certificate")
	}
	for name, tt := range map[string]struct{ cert, key, want string }{
		"no key":       {cert, "", "PRESENTLY_TLS_KEY: is needed with PRESENTLY_TLS_CERT"},
		"no cert":      {"", keyOf(1), "PRESENTLY_TLS_CERT: is needed with PRESENTLY_TLS_KEY"},
		"another key":  {cert, keyOf(2), "PRESENTLY_TLS_CERT: does not make a pair"},
		"missing file": {cert + ".none", keyOf(1), "no such file"},
	} {
		_, err := load(t, nil, "PRESENTLY_TLS_CERT="+tt.cert, "PRESENTLY_TLS_KEY="+tt.key)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error = %v, want it to say %s", name, err, tt.want)
		}
	}
}

// Errors end up in logs and in tickets.
func TestErrorsShowNoSecret(t *testing.T) {
	const secret = "hunter2hunter2"
	for _, environ := range [][]string{
		{"PRESENTLY_JWT_SECRET=" + secret},
		{"PRESENTLY_JWT_SECRET=-----BEGIN " + secret},
		{"PRESENTLY_REDIS_URL=:" + secret + "@host:6379", "PRESENTLY_JWT_SECRET=" + testSecret},
		{"PRESENTLY_REDIS_URL=nonsense://:" + secret + "@host", "PRESENTLY_JWT_SECRET=" + testSecret},
		{"PRESENTLY_WEBHOOK_SECRET=" + secret},
	} {
		_, err := load(t, nil, environ...)
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%.30s…: error = %v", environ[0], err)
		}
	}
	for _, args := range [][]string{
		{"--jwt-secret", secret}, {"--jwt-secrt=" + secret}, {"--jwt-secrt", secret}, {"---jwt-secret=" + secret}, {secret},
	} {
		if _, err := load(t, args); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%v: error = %v", args, err)
		}
	}
}

func TestHelpNamesEverySettingAndItsDefault(t *testing.T) {
	var b bytes.Buffer
	if err := printHelp(&b); err != nil {
		t.Fatal(err)
	}
	for _, s := range settings {
		if !strings.Contains(b.String(), s.env()+" ") || !strings.Contains(b.String(), s.initial) {
			t.Errorf("help lacks %s", s.env())
		}
	}
	for line := range strings.Lines(b.String()) {
		if len([]rune(line)) > 160 {
			t.Errorf("this line of help is too long to read: %s", line)
		}
	}
	if _, err := load(t, []string{"--help"}); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("--help: %v", err)
	}
}

func TestOperatorsHaveAnAddressOfTheirOwn(t *testing.T) {
	secret := "PRESENTLY_JWT_SECRET=" + testSecret
	if c := loadGood(t, secret); c.admin != "" || c.otlp != "" || !c.rates {
		t.Errorf("by default: admin %q, traces %q, rates %t", c.admin, c.otlp, c.rates)
	}
	if c := loadGood(t, secret, "PRESENTLY_ADMIN_LISTEN=:9090", "PRESENTLY_RATE_LIMIT=off"); c.admin != ":9090" || c.rates {
		t.Errorf("admin %q, rates %t", c.admin, c.rates)
	}
	if c := loadGood(t, "PRESENTLY_ADMIN_LISTEN=:9090"); c.admin != "127.0.0.1:9090" {
		t.Errorf("in development: admin %q, want loopback", c.admin)
	}
	loadGood(t, secret, "PRESENTLY_LISTEN=127.0.0.1:0", "PRESENTLY_ADMIN_LISTEN=127.0.0.1:0")
	for env, want := range map[string]string{
		"PRESENTLY_ADMIN_LISTEN=9090":         `PRESENTLY_ADMIN_LISTEN: "9090" is no address`,
		"PRESENTLY_ADMIN_LISTEN=0.0.0.0:9090": `PRESENTLY_ADMIN_LISTEN: "0.0.0.0:9090" can be reached from elsewhere`,
		"PRESENTLY_LISTEN=0.0.0.0:9090":       `PRESENTLY_LISTEN: "0.0.0.0:9090" can be reached from elsewhere`,
	} {
		if _, err := load(t, nil, env); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", env, err, want)
		}
	}
	_, err := load(t, nil, secret, "PRESENTLY_LISTEN=:9090", "PRESENTLY_ADMIN_LISTEN=:9090")
	if err == nil || !strings.Contains(err.Error(), "PRESENTLY_ADMIN_LISTEN: is PRESENTLY_LISTEN's address too") {
		t.Errorf("one address for both: %v", err)
	}
}

func TestTracesGoToACollectorsAddress(t *testing.T) {
	for given, want := range map[string]string{
		"http://localhost:4318":                     "http://localhost:4318/v1/traces",
		"http://localhost:4318/":                    "http://localhost:4318/v1/traces",
		"https://collector.example/otlp":            "https://collector.example/otlp/v1/traces",
		"https://collector.example/otlp/v1/traces/": "https://collector.example/otlp/v1/traces",
	} {
		if c := loadGood(t, "PRESENTLY_OTLP_ENDPOINT="+given); c.otlp != want {
			t.Errorf("%s: %s, want %s", given, c.otlp, want)
		}
	}
	for _, wrong := range []string{"localhost:4318", "grpc://localhost:4317", "http://", "http://localhost:4318?x=hunter2", "https://me:hunter2@collector.example"} {
		_, err := load(t, nil, "PRESENTLY_OTLP_ENDPOINT="+wrong)
		if err == nil || !strings.Contains(err.Error(), "PRESENTLY_OTLP_ENDPOINT: ") || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", wrong, err)
		}
	}
}
