package handlers

import (
	"slices"
	"strings"
	"time"

	"github.com/presently/presently/presence"
)

// What a token may grant.
const (
	ScopeRead  = "presence:read"
	ScopeWrite = "presence:write"
	ScopeStats = "presence:stats"
	ScopeAdmin = "presence:admin"
)

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
