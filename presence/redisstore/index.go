package redisstore

import (
	"strings"

	"github.com/presently/presently/presence"
)

// The index of rooms is a sorted set in which all scores are 0, so that it is ordered by name and what a room has stands together. Its entries are
//
//	u<room>\n<user>              the user is in the room, and everybody may see it
//	s<room>\n<user>\n<session>   so is this session of his
//	a<room>\n<user>              he is in the room; some may see it, and others may not
//	r<room>                      somebody is in the room, and everybody may see it
//
// where the room of all live sessions has no name. It says nothing that the records of the partition's users do not, and is changed by the
// scripts that change them: by amendments with what is reckoned here, by those that begin, move and end sessions with entries in lua/prelude.lua.
const (
	entryUser    = "u"
	entrySession = "s"
	entryApart   = "a"
	entryRoom    = "r"
)

// place is what a room's entries of one kind begin with.
func place(kind, room string) string { return kind + roomName(room) + "\n" }

// span is the range of a room's entries of one kind, after one of them or from the first: no name has a control character.
func span(kind, room, after string) (from, to string) {
	from, to = "["+place(kind, room), "("+kind+roomName(room)+"\v"
	if after != "" {
		from = "(" + place(kind, room) + after
	}
	return from, to
}

// indexed is what a user's record puts into the index of rooms.
type indexed struct {
	entries map[string]bool
	types   map[string]int64 // until when he may be typing, by room, in ms
}

func index(r presence.Record) indexed {
	x := indexed{map[string]bool{}, map[string]int64{}}
	all, apart := r.SeenBy()
	for _, s := range r.Sessions {
		for _, room := range append(r.RoomsOf(s.ID), presence.Everywhere) {
			if all {
				x.entries[place(entryUser, room)+r.User] = true
				x.entries[place(entrySession, room)+r.User+"\n"+s.ID] = true
			}
			if apart {
				x.entries[place(entryApart, room)+r.User] = true
			}
		}
	}
	for _, m := range r.Marks {
		if all || apart {
			x.types[m.Room] = max(x.types[m.Room], m.Until.UnixMilli())
		}
	}
	return x
}

// indexing is how amend.lua is to bring the index in line with facts that are set.
func indexing(before presence.Record, facts []presence.Fact) (args []any) {
	after := before.Clone()
	after.Set(facts...)
	was, is := index(before), index(after)
	for entry := range is.entries {
		if !was.entries[entry] {
			args = append(args, "come", entry, "")
		}
	}
	for entry := range was.entries {
		if !is.entries[entry] {
			args = append(args, "go", entry, "")
		}
	}
	for room, until := range is.types {
		if was.types[room] != until {
			args = append(args, "types", roomName(room), until)
		}
	}
	for room := range was.types {
		if is.types[room] == 0 {
			args = append(args, "types", roomName(room), 0)
		}
	}
	return append(args, relating(before, after, facts)...)
}

// relating is what relations mean to the index: whoever is hidden from one viewer more has gone out of his sight, and scripts must know who
// blocks somebody.
func relating(before, after presence.Record, facts []presence.Fact) (args []any) {
	related, blinds := false, false
	for _, f := range facts {
		if rel, ok := f.(presence.Relation); ok {
			related = true
			blinds = blinds || !before.HiddenFrom(rel.Viewer) && after.HiddenFrom(rel.Viewer)
		}
	}
	if related {
		var blocks packed
		args = append(args, "silent", "apart", blocks.flag(len(after.Blocks()) > 0).String())
	}
	if blinds {
		for _, room := range before.Rooms() {
			args = append(args, "blinds", roomName(room), "")
		}
	}
	return args
}

// userOf is the end of an entry that has one.
func userOf(entry string) string { return entry[strings.LastIndexByte(entry, '\n')+1:] }
