package handlers

import (
	"slices"
	"strings"

	"github.com/presently/presently/api"
)

// MayEnter reports whether the token grants a room.
func (id Identity) MayEnter(room string) bool { return grants(id.Rooms, room) }

// mayEnterAll refuses the rooms that the token does not grant, and names all of them, so that whoever asks can leave them out at once. list points to where
// they stand.
func (id Identity) mayEnterAll(list string, rooms []string) error {
	var refused *failure
	for i, room := range rooms {
		switch {
		case id.MayEnter(room):
		case refused == nil:
			refused = errRoom(list+"/"+itoa(i), room)
		default:
			refused.fields = append(refused.fields, notGranted(list+"/"+itoa(i), room))
		}
	}
	if refused == nil {
		return nil // not a *failure that is nil
	}
	return refused
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

// errRoom says that the token does not grant a room, and where in the request it is named.
func errRoom(pointer, room string) *failure {
	f := failf(api.ProblemCodeRoomNotGranted, "Get a token whose rooms name %s, or leave that room out.", room)
	f.fields = []api.FieldError{notGranted(pointer, room)}
	return f
}

func notGranted(pointer, room string) api.FieldError {
	return api.FieldError{Pointer: pointer, Detail: "The token's rooms do not name " + room + "."}
}
