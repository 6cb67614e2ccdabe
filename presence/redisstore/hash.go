package redisstore

import (
	"slices"
	"strconv"
	"strings"

	"github.com/presently/presently/presence"
)

// hash is a user's hash in memory, by field.
type hash []stored

type stored struct{ field, value string }

// newHash reads a hash as Redis tells it: the values of the fields that are named, or all fields with their names.
func newHash(items []any, names []string) hash {
	h := make(hash, 0, max(len(names), len(items)/2))
	add := func(field string, value any) {
		if v, ok := value.(string); ok {
			h = append(h, stored{field, v})
		}
	}
	for i, name := range names {
		if i < len(items) {
			add(name, items[i])
		}
	}
	for i := 0; names == nil && i+1 < len(items); i += 2 {
		name, _ := items[i].(string)
		add(name, items[i+1])
	}
	slices.SortFunc(h, func(a, b stored) int { return strings.Compare(a.field, b.field) })
	return h
}

func (h hash) find(field string) (int, bool) {
	return slices.BinarySearchFunc(h, field, func(p stored, field string) int { return strings.Compare(p.field, field) })
}

func (h hash) value(field string) (string, bool) {
	if i, found := h.find(field); found {
		return h[i].value, true
	}
	return "", false
}

func (h *hash) set(field, value string) {
	i, found := h.find(field)
	if found {
		(*h)[i].value = value
		return
	}
	*h = slices.Insert(*h, i, stored{field, value})
}

// renew sets a field, where only newer values count if it has none that is newer.
func (h *hash) renew(field, value string, onlyNewer bool) {
	if was, there := h.value(field); there && onlyNewer && !newerOrSame(kindOf(field), value, was) {
		return
	}
	h.set(field, value)
}

// drop takes a field out and tells what it was.
func (h *hash) drop(field string) string {
	i, found := h.find(field)
	if !found {
		return ""
	}
	value := (*h)[i].value
	*h = slices.Delete(*h, i, i+1)
	return value
}

// places are the parts of a value that are its version, by kind; the first is 1. recall.lua goes by them too.
var places = map[string]int{
	"s": 4, "a": 6, "m": 1, "c": 4, "custom": 4, "p": 3, "e": 3,
	"invisible": 2, "privacy": 5, "hide": 5, "r": 4, "related": 1,
}

// Parts of a session's field, as in lua/prelude.lua.
const (
	seqPlace  = 9
	saysPlace = 11
	leftPlace = 13 // and two more that only a session has which has left

	returnsPlace = 16

	unsettled = "..........." // is no fingerprint
)

func kindOf(field string) string {
	kind, _, _ := strings.Cut(field, ":")
	return kind
}

// isSetting tells in which of the two hashes a field stands.
func isSetting(field string) bool {
	switch kindOf(field) {
	case "invisible", "privacy", "hide", "r", "related":
		return true
	}
	return false
}

func versionOf(kind, value string) presence.Version {
	v, _ := strconv.ParseInt(part(value, places[kind]), 10, 64)
	return presence.Version(v)
}

func newerOrSame(kind, value, than string) bool {
	return versionOf(kind, value) >= versionOf(kind, than)
}

// part is one of the parts of a value; the first is 1.
func part(value string, n int) string {
	p := parts(value)
	p.skip(n - 1)
	return p.next()
}

// void reports whether a relation says nothing any more.
func void(value string) bool {
	p := parts(value)
	f := presence.Relation{Contact: p.flag(), Blocked: p.flag()}
	p.skip(2)
	f.Hiding = hiding(&p)
	return whereRelated(f) == "void"
}
