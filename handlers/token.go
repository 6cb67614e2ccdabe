package handlers

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/golang-jwt/jwt/v5"

	"github.com/presently/presently/presence"
)

// What a token may grant.
const (
	ScopeRead  = "presence:read"
	ScopeWrite = "presence:write"
	ScopeStats = "presence:stats"
	ScopeAdmin = "presence:admin"
)

const (
	tokenCookie = "presently"

	maxToken   = 8 << 10 // a header line must hold it; identity providers stay under 4 KiB
	maxProfile = 1 << 10 // it travels in every presence of the user
	maxLeeway  = time.Minute
)

var (
	errTokenMissing = errors.New("no token")
	errTokenInvalid = errors.New("the token is not valid")
	errTokenExpired = errors.New("the token has expired") // and is right in everything else: a fresh one would do
)

// badToken says why, in words that are fit for whoever sent the token: ours, never the token's.
func badToken(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errTokenInvalid, fmt.Sprintf(format, args...))
}

// Identity is who asks, as of a token that was verified.
type Identity struct {
	User    string
	Profile presence.Profile // without a version
	Scopes  Scopes
	Rooms   []string  // globs in which only * is special; nil: every room
	Issued  time.Time // when the token was, at the earliest: leeway is taken off; zero where it does not say
	Expires time.Time // from then on the token is not believed any more; leeway is included
}

// Scopes is a set of the scopes that are known here.
type Scopes uint8

var scopeNames = [...]string{ScopeRead, ScopeWrite, ScopeStats, ScopeAdmin}

// ParseScopes reads a space-separated list. Names that mean nothing here are passed over: tokens serve other services too.
func ParseScopes(list string) Scopes {
	var s Scopes
	for name := range strings.SplitSeq(list, " ") {
		if i := slices.Index(scopeNames[:], name); i >= 0 {
			s |= 1 << i
		}
	}
	return s
}

// Has reports whether the set holds the scope of that name.
func (s Scopes) Has(name string) bool {
	i := slices.Index(scopeNames[:], name)
	return i >= 0 && s&(1<<i) != 0
}

// String lists the set as a token would.
func (s Scopes) String() string {
	var names []string
	for _, name := range scopeNames {
		if s.Has(name) {
			names = append(names, name)
		}
	}
	return strings.Join(names, " ")
}

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

type tokenMethod struct {
	jwt.SigningMethod
	keys []any // as the method likes them
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

func isPublic(name string) bool {
	return signingMethod(name) != nil && !isHMAC(tokenMethod{SigningMethod: signingMethod(name)})
}

func isHMAC(m tokenMethod) bool {
	_, is := m.SigningMethod.(*jwt.SigningMethodHMAC)
	return is
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

var algorithms = []string{
	"HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
}

// signingMethod is nil for "none" in any spelling, and for whatever else jwt may come to know.
func signingMethod(name string) jwt.SigningMethod {
	if !slices.Contains(algorithms, name) {
		return nil
	}
	return jwt.GetSigningMethod(name)
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

// Authenticate finds out who sent the request, and whether the token came in the cookie, which browsers send without being asked:
// then the caller has to look at the Origin of whatever is not safe.
func (v *Verifier) Authenticate(r *http.Request) (id Identity, fromCookie bool, err error) {
	raw, fromCookie, err := credentials(r)
	if err != nil {
		return Identity{}, fromCookie, err
	}
	id, err = v.verify(r.Context(), raw)
	return id, fromCookie, err
}

// credentials finds the token of a request, never in its query. A header wins over the cookie, even a bad one; where there are
// two of a kind, who knows which of them a proxy has looked at: neither counts.
func credentials(r *http.Request) (raw string, fromCookie bool, err error) {
	headers, cookies := r.Header.Values("Authorization"), r.CookiesNamed(tokenCookie)
	switch {
	case len(headers) > 1:
		return "", false, badToken("there is more than one Authorization header")
	case len(headers) == 1:
		scheme, rest, _ := strings.Cut(headers[0], " ")
		raw = strings.TrimLeft(rest, " ")
		if !strings.EqualFold(scheme, "Bearer") || raw == "" {
			return "", false, badToken(`the Authorization header is not "Bearer " and a token`)
		}
		return raw, false, nil
	case len(cookies) > 1:
		return "", true, badToken("there is more than one cookie %q", tokenCookie)
	case len(cookies) == 1 && cookies[0].Value != "":
		return cookies[0].Value, true, nil
	}
	return "", false, errTokenMissing
}

// Verify tells whom a token stands for. A token whose key is not known yet waits a moment for it to be fetched.
func (v *Verifier) Verify(raw string) (Identity, error) { return v.verify(context.Background(), raw) }

func (v *Verifier) verify(ctx context.Context, raw string) (Identity, error) {
	if v.forgetful || len(raw) > maxToken {
		return v.verifyAnew(ctx, raw)
	}
	of, keys := tokenDigest(sha256.Sum256([]byte(raw))), v.provided.version()
	if id, known := v.memory.find(of, keys, time.Now()); known {
		return id, nil
	}
	id, err := v.verifyAnew(ctx, raw)
	if err == nil {
		v.memory.add(of, id, keys) // as of before the keys were looked at: if they have changed since, it is looked at again
	}
	return id, err
}

func (v *Verifier) verifyAnew(ctx context.Context, raw string) (Identity, error) {
	payload, err := v.signed(ctx, raw)
	if err != nil {
		return Identity{}, err
	}
	var c claims
	if err := json.Unmarshal(payload, &c); err != nil {
		return Identity{}, badToken("its claims are not as they should be: %s", brief(err))
	}
	return v.identify(c, time.Now())
}

// brief is what a JSON error says about the place, without Go's types.
func brief(err error) string {
	if e, ok := errors.AsType[*json.SemanticError](err); ok {
		return fmt.Sprintf("%q has the wrong type", string(e.JSONPointer))
	}
	if errors.Is(err, jsontext.ErrDuplicateName) {
		return "a name is given twice"
	}
	return "they are not JSON"
}

// signed checks all of a token but its claims, and returns these. Nothing of them is read before the signature is right.
func (v *Verifier) signed(ctx context.Context, raw string) ([]byte, error) {
	if len(raw) > maxToken {
		return nil, badToken("it is longer than %d bytes", maxToken)
	}
	segments := strings.Split(raw, ".")
	if len(segments) != 3 {
		return nil, badToken("it does not have three parts, as a signed JWT has")
	}
	var parts [3][]byte
	for i, s := range segments {
		var err error
		if parts[i], err = decodeSegment(s); err != nil {
			return nil, badToken("part %d is not base64url without padding", i+1)
		}
	}
	var header struct {
		Alg  string         `json:"alg"`
		Kid  string         `json:"kid"`
		Crit jsontext.Value `json:"crit"`
	}
	if err := json.Unmarshal(parts[0], &header); err != nil {
		return nil, badToken("its header is not as it should be: %s", brief(err))
	}
	if header.Crit != nil {
		return nil, badToken(`its header has "crit", of which nothing is understood here`)
	}
	method, ok := v.methods[header.Alg]
	if !ok {
		return nil, badToken("it is not signed with an algorithm that this server accepts")
	}
	text := raw[:len(segments[0])+1+len(segments[1])]
	if method.signed(text, parts[2], method.keys) {
		return parts[1], nil
	}
	if v.provided != nil && !isHMAC(method) {
		keys, err := v.provided.find(ctx, header.Kid, header.Alg)
		if err != nil {
			return nil, err
		}
		if method.signed(text, parts[2], keys) {
			return parts[1], nil
		}
	}
	return nil, badToken("its signature does not fit any key of this server")
}

func (m tokenMethod) signed(text string, signature []byte, keys []any) bool {
	return slices.ContainsFunc(keys, func(key any) bool { return m.Verify(text, signature, key) == nil })
}

func decodeSegment(s string) ([]byte, error) {
	// The decoder skips line breaks and, unless strict, loose last bits: one token would have many spellings.
	if strings.ContainsAny(s, "\r\n") {
		return nil, base64.CorruptInputError(0)
	}
	return base64.RawURLEncoding.Strict().DecodeString(s)
}

// claims are what is read of a token. Names are matched exactly, one given twice is an error, others do not matter.
type claims struct {
	Issuer    given[string]         `json:"iss"`
	Subject   given[string]         `json:"sub"`
	Audience  given[audience]       `json:"aud"`
	Expires   given[numericDate]    `json:"exp"`
	NotBefore given[numericDate]    `json:"nbf"`
	Issued    jsontext.Value        `json:"iat"` // counts only where tokens have been revoked: what cannot be read is as good as absent
	Scope     given[string]         `json:"scope"`
	Rooms     given[[]string]       `json:"rooms"`
	Profile   given[jsontext.Value] `json:"profile"`
}

// given is a claim that may be absent, but not null: null would pass for absent, and absence grants.
type given[T any] struct {
	is    bool
	value T
}

func (g *given[T]) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	if dec.PeekKind() == jsontext.KindNull {
		return errors.New("null")
	}
	g.is = true
	return json.UnmarshalDecode(dec, &g.value)
}

// audience is one name, or an array of them.
type audience []string

func (a *audience) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	if dec.PeekKind() == jsontext.KindString {
		*a = make(audience, 1)
		return json.UnmarshalDecode(dec, &(*a)[0])
	}
	return json.UnmarshalDecode(dec, (*[]string)(a))
}

// numericDate is seconds since 1970, perhaps with a fraction.
type numericDate float64

func (d numericDate) time() (time.Time, bool) {
	const year9999 = 253402300799 // who gives milliseconds is told so here, instead of being believed for ever
	seconds, fraction := math.Modf(float64(d))
	return time.Unix(int64(seconds), int64(fraction*1e9)), math.Abs(seconds) <= year9999
}

// identify judges claims whose signature was right. Expiry comes last: a fresh token would not help against anything else.
func (v *Verifier) identify(c claims, now time.Time) (Identity, error) {
	id := Identity{User: c.Subject.value, Scopes: ParseScopes(ScopeRead + " " + ScopeWrite), Rooms: c.Rooms.value}
	exp, ok := c.Expires.value.time()
	id.Expires = exp.Add(v.leeway)
	id.Issued = v.issued(c.Issued)
	switch nbf, nbfOK := c.NotBefore.value.time(); {
	case !presence.ValidUser(id.User):
		return Identity{}, badToken(`"sub" is not a user: it needs 1 to 128 printable characters`)
	case !c.Expires.is:
		return Identity{}, badToken(`it has no "exp"`)
	case !ok, !nbfOK:
		return Identity{}, badToken(`"exp" and "nbf" are seconds since 1970`)
	case v.issuer != "" && c.Issuer.value != v.issuer:
		return Identity{}, badToken(`"iss" is not the issuer whom this server believes`)
	case v.audience != "" && !slices.Contains(c.Audience.value, v.audience):
		return Identity{}, badToken(`"aud" does not name this server`)
	case c.NotBefore.is && now.Before(nbf.Add(-v.leeway)):
		return Identity{}, badToken(`it is not valid yet, says "nbf"`)
	case !validRooms(id.Rooms):
		return Identity{}, badToken(`"rooms" has something that is neither a room nor a glob such as team-*`)
	}
	if c.Scope.is {
		id.Scopes = ParseScopes(c.Scope.value)
	}
	var err error
	if id.Profile, err = parseProfile(c.Profile); err != nil {
		return Identity{}, err
	}
	if !now.Before(id.Expires) {
		return Identity{}, fmt.Errorf("%w: it was valid until %s", errTokenExpired, exp.UTC().Format(time.RFC3339))
	}
	return id, nil
}

func (v *Verifier) issued(raw jsontext.Value) time.Time {
	var date numericDate
	if raw == nil || json.Unmarshal(raw, &date) != nil {
		return time.Time{}
	}
	at, ok := date.time()
	if !ok {
		return time.Time{}
	}
	return at.Add(-v.leeway)
}

// validRooms holds each glob to the rule of room names, * being as good a character as any.
func validRooms(globs []string) bool {
	return !slices.ContainsFunc(globs, func(glob string) bool { return !presence.ValidUser(glob) })
}

func parseProfile(raw given[jsontext.Value]) (presence.Profile, error) {
	if len(raw.value) > maxProfile {
		return presence.Profile{}, badToken(`"profile" is longer than %d bytes`, maxProfile)
	}
	var p struct {
		Name   given[string] `json:"name"`
		Avatar given[string] `json:"avatar"`
	}
	if raw.is && json.Unmarshal(raw.value, &p) != nil {
		return presence.Profile{}, badToken(`"profile" is not an object whose "name" and "avatar" are strings`)
	}
	if strings.ContainsFunc(p.Name.value+p.Avatar.value, unicode.IsControl) {
		return presence.Profile{}, badToken(`"profile" has control characters`)
	}
	return presence.Profile{Name: p.Name.value, Avatar: p.Avatar.value}, nil
}
