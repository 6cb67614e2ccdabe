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

// record reads a user's facts and settings as of a moment.
func (a *answer) record(user string, m moment) presence.Record {
	r := presence.Record{User: user, Head: m.head, AsOf: m.asOf}
	a.fields(&r)
	a.fields(&r)
	return r
}

// fields reads one hash.
func (a *answer) fields(r *presence.Record) {
	item := a.next()
	list, ok := item.([]any)
	if !ok {
		a.fail("%T where a hash was expected", item)
		return
	}
	for i := 0; i+1 < len(list); i += 2 {
		name, _ := list[i].(string)
		value, _ := list[i+1].(string)
		if f, ok := fact(name, value); ok {
			r.Set(f)
		}
	}
}
