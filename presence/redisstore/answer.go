package redisstore

import (
	"fmt"
	"strconv"

	"github.com/presently/presently/presence"
)

// answer reads what a script returned, item by item. The first thing that is not as expected is its error.
type answer struct {
	items []any
	err   error
}

func newAnswer(v any) *answer {
	items, ok := v.([]any)
	if !ok {
		return &answer{err: fmt.Errorf("a script returned %T", v)}
	}
	return &answer{items: items}
}

func (a *answer) fail(format string, args ...any) {
	if a.err == nil {
		a.err = fmt.Errorf("a script returned "+format, args...)
	}
}

func (a *answer) next() any {
	if len(a.items) == 0 {
		a.fail("too little")
		return nil
	}
	item := a.items[0]
	a.items = a.items[1:]
	return item
}

func (a *answer) text() string {
	item := a.next()
	s, ok := item.(string)
	if !ok {
		a.fail("%T where a string was expected", item)
	}
	return s
}

// number reads a number, which scripts return as text where it may be large.
func (a *answer) number() int64 {
	item := a.next()
	switch v := item.(type) {
	case int64:
		return v
	case string:
		n, err := strconv.ParseInt(v, 10, 64)
		if err == nil {
			return n
		}
	}
	a.fail("%v where a number was expected", item)
	return 0
}

// maybe reads a number that may not be there, and is 0 then.
func (a *answer) maybe() int64 {
	if len(a.items) > 0 && a.items[0] == nil {
		a.items = a.items[1:]
		return 0
	}
	return a.number()
}

func (a *answer) head() presence.Head { return presence.Head{Epoch: a.maybe(), Seq: a.maybe()} }

// moment is where a partition stood when a script ran.
type moment struct {
	micros int64 // Redis' clock
	head   presence.Head
	asOf   presence.Version
}

// moment reads µs, epoch, seq and version.
func (a *answer) moment() moment {
	m := moment{micros: a.number(), head: a.head()}
	m.at(a.number())
	return m
}

// at sets asOf: a later change, even in this same µs, has a greater version than the clock less one, and than every version given so far.
func (m *moment) at(version int64) { m.asOf = presence.Version(max(m.micros-1, version)) }

// record is one about which nothing is known yet.
func (m moment) record(user string) presence.Record {
	return presence.Record{User: user, Head: m.head, AsOf: m.asOf}
}

// record reads a user's facts and settings as of a moment: those settings that are named, or all.
func (a *answer) record(user string, m moment, settings []string) presence.Record {
	r := m.record(user)
	a.hash(&r, nil)
	a.hash(&r, settings)
	return r
}

// told is what the user's hashes that come next hold.
func (a *answer) told(m moment, settings []string) told {
	t := told{head: m.head, names: settings}
	if len(a.items) >= 2 {
		t.facts, _ = a.items[0].([]any)
		t.settings, _ = a.items[1].([]any)
	}
	return t
}

// hash reads one hash: the values of the fields that are named, or all fields with their names. It returns the version of the last change to it, as text.
func (a *answer) hash(r *presence.Record, names []string) (own string) {
	item := a.next()
	list, ok := item.([]any)
	if !ok || names != nil && len(list) != len(names) {
		a.fail("%T where a hash was expected", item)
		return ""
	}
	own = "0"
	set := func(name string, value any) {
		v, ok := value.(string)
		if name == "v" {
			own = v
		}
		if ok {
			setField(r, name, v)
		}
	}
	for i, name := range names {
		set(name, list[i])
	}
	for i := 0; names == nil && i+1 < len(list); i += 2 {
		name, _ := list[i].(string)
		set(name, list[i+1])
	}
	return own
}
