package handlers

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/presently/presently/presence"
)

const maxProfile = 1 << 10 // it travels in every presence of the user

// joseHeader is what is read of a token before its signature has been checked.
type joseHeader struct {
	Alg  string         `json:"alg"`
	Kid  string         `json:"kid"`
	Crit jsontext.Value `json:"crit"`
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
