package redisstore

import (
	"strconv"
	"strings"
	"time"

	"github.com/presently/presently/presence"
)

// Facts are stored as fields of a hash, and travel in changes as lines "field=value" of the same form, so that one decoder reads both.
// A value is a list of parts, separated by "|"; new parts are added at its end, and readers ignore what they do not know: two versions of the
// program may run side by side. lua/prelude.lua has the order of a session's parts.

// generalSettings are those that concern whole classes, when a relation last changed, and the version of all: all but the relations
// themselves. As in lua/prelude.lua.
var generalSettings = []string{"invisible", "privacy", "hide:other", "hide:contact", "related", "v"}

// setField adds to a record what one field of its hashes says.
func setField(r *presence.Record, name, value string) {
	if name == "related" {
		v := parts(value)
		r.RelatedAt = max(r.RelatedAt, v.version())
		return
	}
	if f, ok := fact(name, value); ok {
		r.Set(f)
	}
}

// fact decodes one field. Fields that are no fact, or not known to this version, are not ok.
func fact(field, value string) (f presence.Fact, ok bool) {
	kind, id, _ := strings.Cut(field, ":")
	v := parts(value)
	switch kind {
	case "s":
		return session(id, v), true
	case "c":
		return presence.Chosen{Status: presence.Status(v.text()), Until: v.time(), Input: v.time(), Version: v.version()}, true
	case "p":
		return profile(&v), true
	case "e":
		return presence.Seen{At: v.time(), Input: v.time(), Version: v.version()}, true
	case "a":
		return presence.Activity{
			Session: id, Type: v.text(), Target: v.text(), Label: v.text(), Since: v.time(), Until: v.time(), Version: v.version(),
		}, true
	case "m":
		return membership(id, v), true
	case "y":
		where := parts(id)
		return presence.Mark{
			Room: where.text(), Thread: where.text(), Session: v.text(), Member: v.flag(), Until: v.time(), Version: v.version(),
		}, true
	case "custom":
		return presence.Custom{Text: v.text(), Emoji: v.text(), Until: v.time(), Version: v.version()}, true
	case "invisible":
		return presence.Invisibility{On: v.flag(), Version: v.version()}, true
	case "privacy":
		return presence.Privacy{
			Online: v.audience(), LastSeen: v.audience(), Activity: v.audience(), Typing: v.audience(), Version: v.version(),
		}, true
	case "hide":
		class, ok := map[string]presence.Class{"other": presence.Other, "contact": presence.Contact}[id]
		return presence.HidingFrom{Class: class, Hiding: hiding(&v)}, ok
	case "r":
		return presence.Relation{
			Viewer: unescape(id), Contact: v.flag(), Blocked: v.flag(), Since: v.time(), Version: v.version(), Hiding: hiding(&v),
		}, true
	}
	return nil, false
}

func session(id string, v parts) presence.Session {
	s := presence.Session{
		ID: id, State: presence.Status(v.text()), Idle: v.flag(), Device: v.text(), Version: v.version(),
		Hidden: v.flag(), TTL: v.duration(), Started: v.time(), Input: v.time(),
	}
	s.Seq, s.HasSeq = v.maybe()
	s.Instance = v.text()
	v.skip(2) // fingerprints of what the session says, which only scripts compare
	s.Left = v.text() != ""
	v.skip(2) // what scripts alone need, while it has left
	returns, _ := v.maybe()
	s.Returns = int(returns)
	return s
}

func membership(id string, v parts) presence.Membership {
	m := presence.Membership{Session: id, Version: v.version()}
	for v != "" {
		m.Stays = append(m.Stays, presence.Stay{Room: v.text(), Since: v.version()})
	}
	return m
}

func profile(v *parts) presence.Profile {
	return presence.Profile{Name: v.text(), Avatar: v.text(), Version: v.version()}
}

func hiding(v *parts) presence.Hiding {
	return presence.Hiding{On: v.flag(), At: v.time(), Seen: v.time(), Shown: v.version(), Version: v.version(), Profile: profile(v)}
}

// parts are the parts of a value not read yet. Missing ones read as zero.
type parts string

func (p *parts) next() string {
	part, rest, _ := strings.Cut(string(*p), "|")
	*p = parts(rest)
	return part
}

func (p *parts) skip(n int) {
	for range n {
		p.next()
	}
}

func (p *parts) text() string { return unescape(p.next()) }
func (p *parts) flag() bool   { return p.next() == "1" }

func (p *parts) audience() presence.Audience { return presence.Audience(p.text()) }

func (p *parts) maybe() (int64, bool) {
	n, err := strconv.ParseInt(p.next(), 10, 64)
	return n, err == nil
}

func (p *parts) version() presence.Version {
	n, _ := p.maybe()
	return presence.Version(n)
}

func (p *parts) duration() time.Duration {
	n, _ := p.maybe()
	return time.Duration(n) * time.Millisecond
}

func (p *parts) time() time.Time {
	n, _ := p.maybe()
	return millis(n)
}

func millis(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMilli(n).UTC()
}

// escape makes text that can be a part of a value: it has no separator, and nothing that ends a line.
func escape(s string) string {
	var b []byte
	for i := range len(s) {
		switch c := s[i]; {
		case !mustEscape(c):
			if b != nil {
				b = append(b, c)
			}
		default:
			if b == nil {
				b = append(make([]byte, 0, len(s)+8), s[:i]...)
			}
			b = append(b, '%', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	if b == nil {
		return s // nearly always
	}
	return string(b)
}

const hexDigits = "0123456789ABCDEF"

func mustEscape(c byte) bool { return c < ' ' || c == 0x7f || c == '|' || c == '%' }

// unescape undoes escape. What escape did not make stays as it is.
func unescape(s string) string {
	at := strings.IndexByte(s, '%')
	if at < 0 {
		return s
	}
	var b strings.Builder
	for ; at >= 0; at = strings.IndexByte(s, '%') {
		b.WriteString(s[:at])
		n, err := strconv.ParseUint(s[at+1:min(at+3, len(s))], 16, 8)
		if err != nil || at+3 > len(s) {
			b.WriteByte('%')
			s = s[at+1:]
			continue
		}
		b.WriteByte(byte(n))
		s = s[at+3:]
	}
	b.WriteString(s)
	return b.String()
}
