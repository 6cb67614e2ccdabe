package handlers

import (
	"slices"
	"strings"

	"github.com/presently/presently/api"
)

// MayEnter reports whether the token grants a room.
func (id Identity) MayEnter(room string) bool { return grants(id.Rooms, room) }

// mayEnterAll refuses the first room that the token does not grant.
func (id Identity) mayEnterAll(rooms []string) error {
	for _, room := range rooms {
		if !id.MayEnter(room) {
			return errRoom(room)
		}
	}
	return nil
}

// grants reports whether one of the globs fits a room; nil fits all.
func grants(globs []string, room string) bool {
	return globs == nil || slices.ContainsFunc(globs, func(glob string) bool { return fitsGlob(glob, room) })
}

// fitsGlob reports whether a name is what a glob says, in which * is any run of characters, the empty one included, and nothing else is special. Taking
// each piece between two stars where it comes first is never wrong, as it leaves the most for those after it: so no way has to be tried
// twice, however many stars there are.
func fitsGlob(glob, name string) bool {
	head, rest, starred := strings.Cut(glob, "*")
	if !starred {
		return glob == name
	}
	name, ok := strings.CutPrefix(name, head)
	for ok {
		piece, after, more := strings.Cut(rest, "*")
		if !more {
			return strings.HasSuffix(name, piece)
		}
		_, name, ok = strings.Cut(name, piece)
		rest = after
	}
	return false
}

// errRoom says that the token does not grant a room.
func errRoom(room string) *failure {
	return failf(api.ProblemCodeRoomNotGranted, "Get a token whose rooms name %s, or leave that room out.", room)
}
