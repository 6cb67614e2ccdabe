package redisstore

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/presently/presently/presence"
)

const (
	// versionToCome stands for the version of a change that is being made: the script that commits it gives the true one. It is greater than
	// all others, as that will be.
	versionToCome presence.Version = math.MaxInt64
	// versionMark is its place in a value. No text has one: escape makes of every % three characters that are another.
	versionMark = "%v"
)

// field is a fact as amend.lua is to store it.
type field struct {
	where       string // facts or settings; gone or void: a fact or a setting that is no more; silent: a setting for scripts alone
	name, value string
}

// encode makes the fields of a fact that an amendment sets: what fact decodes.
func encode(f presence.Fact) ([]field, error) {
	var p packed
	switch f := f.(type) {
	case presence.Chosen:
		p.text(string(f.Status)).time(f.Until).time(f.Input).version(f.Version)
		return []field{{"facts", "c", p.String()}}, nil
	case presence.Custom:
		p.text(f.Text).text(f.Emoji).time(f.Until).version(f.Version)
		return []field{{"facts", "custom", p.String()}}, nil
	case presence.Activity:
		p.text(f.Type).text(f.Target).text(f.Label).time(f.Since).time(f.Until).version(f.Version)
		return []field{{"facts", "a:" + f.Session, p.String()}}, nil
	case presence.Membership:
		p.version(f.Version)
		for _, s := range f.Stays {
			p.part(roomName(s.Room)).version(s.Since)
		}
		return []field{{"facts", "m:" + f.Session, p.String()}}, nil // without stays too: that it is no loss must be told from the version
	case presence.Mark:
		p.text(f.Session).flag(f.Member).time(f.Until).version(f.Version)
		return []field{{whereIf(!f.Until.IsZero()), markField(f), p.String()}}, nil
	case presence.Invisibility:
		p.flag(f.On).version(f.Version)
		return []field{{"settings", "invisible", p.String()}}, nil
	case presence.Privacy:
		p.text(string(f.Online)).text(string(f.LastSeen)).text(string(f.Activity)).text(string(f.Typing)).version(f.Version)
		return []field{{"settings", "privacy", p.String()}}, nil
	case presence.HidingFrom:
		p.hiding(f.Hiding)
		return []field{{"settings", hidingField(f.Class), p.String()}}, nil
	case presence.Relation:
		p.flag(f.Contact).flag(f.Blocked).time(f.Since).version(f.Version).hiding(f.Hiding)
		var when packed
		when.version(f.Version)
		return []field{{whereRelated(f), relationField(f.Viewer), p.String()}, {"settings", "related", when.String()}}, nil
	}
	return nil, fmt.Errorf("%T is not to be amended", f)
}

// whereRelated says that a relation that says nothing any more is not stored. It is announced all the same.
func whereRelated(f presence.Relation) string {
	if !f.Contact && !f.Blocked && f.Hiding.Version == 0 {
		return "void"
	}
	return "settings"
}

func hidingField(c presence.Class) string {
	if c == presence.Contact {
		return "hide:contact"
	}
	return "hide:other"
}

// whereIf says that a fact that says nothing any more is not stored. It is announced all the same.
func whereIf(says bool) string {
	if says {
		return "facts"
	}
	return "gone"
}

// relationField is the field of the relation to a viewer.
func relationField(viewer string) string { return "r:" + fieldName(viewer) }

// markField is the field of a mark.
func markField(m presence.Mark) string { return "y:" + roomName(m.Room) + "|" + fieldName(m.Thread) }

// roomName is a room as it stands in facts and in the index, where scripts compare it.
func roomName(room string) string { return fieldName(room) }

// fieldName is text that can be part of a field's name. In messages it stands before a "=", so it has none.
func fieldName(s string) string { return strings.ReplaceAll(escape(s), "=", "%3D") }

// packRooms is what a beat says of rooms. Each begins with a separator, so that none is another than nothing said.
func packRooms(rooms *[]string) string {
	if rooms == nil {
		return "-"
	}
	var b strings.Builder
	for _, room := range *rooms {
		b.WriteString("|" + roomName(room))
	}
	return b.String()
}

// doing is an activity as beat.lua takes it: what two that are the same have in common.
func packDoing(d presence.Doing) string {
	var p packed
	return p.text(d.Type).text(d.Target).text(d.Label).String()
}

// packProfile is the profile as scripts take it: all parts but its version.
func packProfile(f presence.Profile) string {
	var p packed
	return p.text(f.Name).text(f.Avatar).String()
}

// packed is a value in the making: parts read it.
type packed struct{ list []string }

func (p *packed) String() string { return strings.Join(p.list, "|") }

func (p *packed) part(s string) *packed {
	p.list = append(p.list, s)
	return p
}

func (p *packed) number(n int64) *packed { return p.part(strconv.FormatInt(n, 10)) }
func (p *packed) text(s string) *packed  { return p.part(escape(s)) }

func (p *packed) flag(on bool) *packed {
	if on {
		return p.part("1")
	}
	return p.part("0")
}

func (p *packed) time(t time.Time) *packed {
	if t.IsZero() {
		return p.number(0)
	}
	return p.number(t.UnixMilli())
}

func (p *packed) version(v presence.Version) *packed {
	if v == versionToCome {
		return p.part(versionMark)
	}
	return p.number(int64(v))
}

func (p *packed) hiding(h presence.Hiding) *packed {
	return p.flag(h.On).time(h.At).time(h.Seen).version(h.Shown).version(h.Version).
		text(h.Profile.Name).text(h.Profile.Avatar).version(h.Profile.Version)
}
