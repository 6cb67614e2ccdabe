package presence

import (
	"unicode"
	"unicode/utf8"
)

// ValidUser reports whether id can name a user (or, by the same rule, a room or a thread): 1 to 128 code points of valid UTF-8, each printable by
// [unicode.IsPrint], and not a path segment that clients rewrite (. and ..).
func ValidUser(id string) bool {
	if id == "" || id == "." || id == ".." || !utf8.ValidString(id) {
		return false
	}
	n := 0
	for _, r := range id {
		if n++; n > 128 || !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}

// ValidSession reports whether id can name a session: 8 to 64 of [A-Za-z0-9_-].
func ValidSession(id string) bool { return len(id) >= 8 && len(id) <= 64 && isWord(id) }

// ValidDevice reports whether name can name a device: 1 to 32 of [A-Za-z0-9_-].
func ValidDevice(name string) bool { return len(name) >= 1 && len(name) <= 32 && isWord(name) }

func isWord(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '-') {
			return false
		}
	}
	return true
}
