package handlers

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

const (
	tokenCookie = "presently"

	maxToken = 8 << 10 // a header line must hold it; identity providers stay under 4 KiB
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
	var header joseHeader
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

func decodeSegment(s string) ([]byte, error) {
	// The decoder skips line breaks and, unless strict, loose last bits: one token would have many spellings.
	if strings.ContainsAny(s, "\r\n") {
		return nil, base64.CorruptInputError(0)
	}
	return base64.RawURLEncoding.Strict().DecodeString(s)
}
