package redisstore

import (
	"strconv"
	"strings"

	"github.com/presently/presently/presence"
)

// A message of a lane is a list of lines: the version of the format, the kind, and what lua/prelude.lua appends for that kind. Readers ignore other
// formats, other kinds, further lines of a beacon and facts that they do not know; where that loses something, the numbers show it.
const (
	messageFormat = "1"
	kindChange    = "c"
	kindBeacon    = "b"
	kindNote      = "n" // a change of a subscription
	kindRevoked   = "r"
)

// message is a change (also a note) or a beacon.
type message struct {
	change presence.Change
	told   lines // the facts of a change, as they came
	beacon presence.Beacon
	micros int64 // the clock as a beacon tells it; 0: this is a change
}

func parseMessage(lane int, payload string) (message, bool) {
	l := lines(payload)
	if l.text() != messageFormat {
		return message{}, false
	}
	switch l.text() {
	case kindChange:
		c := presence.Change{Lane: lane, Head: l.head(), Version: presence.Version(l.number()), Cause: presence.Cause(l.text()), User: l.text()}
		told := l
		for l != "" {
			l.fact(&c)
		}
		return message{change: c, told: told}, c.Epoch != 0 && c.User != ""
	case kindNote:
		c := presence.Change{Lane: lane, Head: l.head(), Version: presence.Version(l.number()), Subscription: l.text()}
		return message{change: c}, c.Epoch != 0 && c.Subscription != ""
	case kindRevoked:
		c := presence.Change{Lane: lane, Head: l.head(), Version: presence.Version(l.number())}
		c.Revocation = presence.Revocation{User: l.text(), Before: millis(l.number())}
		return message{change: c}, c.Epoch != 0 && c.Revocation.User != ""
	case kindBeacon:
		b := presence.Beacon{Lane: lane, Head: l.head(), Now: presence.Version(l.number()), Held: presence.Version(l.number() * 1000)}
		micros := l.number()
		return message{beacon: b, micros: micros}, b.Epoch != 0 && micros != 0
	}
	return message{}, false
}

type lines string

func (l *lines) text() string {
	line, rest, _ := strings.Cut(string(*l), "\n")
	*l = lines(rest)
	return line
}

func (l *lines) number() int64 {
	n, _ := strconv.ParseInt(l.text(), 10, 64)
	return n
}

func (l *lines) head() presence.Head { return presence.Head{Epoch: l.number(), Seq: l.number()} }

// fact reads one line of a change. The grave of a session, which a record does not show, says in a change that it has ended.
func (l *lines) fact(c *presence.Change) {
	field, value, _ := strings.Cut(l.text(), "=")
	if id, ok := strings.CutPrefix(field, "t:"); ok {
		c.Facts = append(c.Facts, presence.SessionEnded(id))
		return
	}
	if f, ok := fact(field, value); ok {
		c.Facts = append(c.Facts, f)
	}
}
