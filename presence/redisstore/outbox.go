package redisstore

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/presently/presently/presence"
)

const (
	touchedAtOnce = 50 // rooms that one read looks at
	settleTries   = 10 // of a room that comes and goes while it is looked at
)

var errUnsettled = errors.New("the room comes and goes too fast")

// Deliverers implements presence.Outbox.
func (s *Store) Deliverers(ctx context.Context, by string, lease time.Duration) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if lease == 0 {
		if err := s.send(ctx, []command{newCommand(ctx, "hdel", s.partitions[0].deliverers(), escape(by))}); err != nil {
			return 0, unavailable("count deliverers", err)
		}
		return 0, nil
	}
	// Counted as instances are: each says that it is one.
	reply, err := s.run(ctx, s.call(0, s.scripts.instances, []string{s.partitions[0].deliverers()}, escape(by), 1, lease.Milliseconds(), ""))
	if err != nil {
		return 0, unavailable("count deliverers", err)
	}
	a := newAnswer(reply)
	if a.err != nil {
		return 0, unavailable("count deliverers", a.err)
	}
	return len(a.items) / 2, nil
}

// Hold implements presence.Outbox.
func (s *Store) Hold(ctx context.Context, lane int, by string, lease time.Duration) (presence.Tenure, error) {
	number, err := s.tenure(ctx, "hold", lane, by, lease.Milliseconds(), 0)
	if err == nil && number == 0 {
		err = presence.ErrNotHeld
	}
	return presence.Tenure{Lane: lane, By: by, Number: number}, err
}

// LetGo implements presence.Outbox.
func (s *Store) LetGo(ctx context.Context, t presence.Tenure) error {
	_, err := s.tenure(ctx, "let go", t.Lane, t.By, 0, t.Number)
	return err
}

func (s *Store) tenure(ctx context.Context, op string, lane int, by string, leaseMs, number int64) (int64, error) {
	reply, err := s.runOutbox(ctx, op, lane, s.scripts.tenure, escape(by), leaseMs, number)
	if err != nil {
		return 0, err
	}
	if n, ok := reply.(int64); ok {
		return n, nil
	}
	text, _ := reply.(string)
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, unavailable(op, err)
	}
	return n, nil
}

func (s *Store) runOutbox(ctx context.Context, op string, lane int, sc *script, args ...any) (any, error) {
	if err := s.health.refuse(op, lane); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	reply, err := s.run(ctx, s.call(lane, sc, nil, args...))
	if err != nil {
		return nil, unavailable(op, err)
	}
	return reply, nil
}

// Notes implements presence.Outbox. It also looks at rooms that changes have touched, and puts notes of those that are no more what was said of them into
// the outbox of the room's own lane, where they are read later.
func (s *Store) Notes(ctx context.Context, t presence.Tenure, after string, most int) ([]presence.Note, error) {
	reply, err := s.runOutbox(ctx, "notes", t.Lane, s.scripts.notes, escape(t.By), t.Number, after, most, touchedAtOnce)
	if err != nil {
		return nil, err
	}
	a := newAnswer(reply)
	if a.text() == "not held" {
		return nil, presence.ErrNotHeld
	}
	entries, told := newAnswer(a.next()), newAnswer(a.next())
	touched := newAnswer(a.next())
	var notes []presence.Note
	for a.err == nil && entries.err == nil && told.err == nil && len(entries.items) > 0 {
		n := note(t.Lane, entries.next())
		if status := told.next(); status != nil {
			word, _ := status.(string)
			n.Told = presence.Status(word)
		}
		notes = append(notes, n)
	}
	if err := errors.Join(a.err, entries.err, told.err, touched.err); err != nil {
		return nil, unavailable("notes", err)
	}
	return notes, s.settle(ctx, t.Lane, touched)
}

// note decodes an entry of the stream. One that cannot be read tells nothing, and is done with like others.
func note(lane int, item any) presence.Note {
	n := presence.Note{Lane: lane}
	entry, _ := item.([]any)
	if len(entry) != 2 {
		return n
	}
	n.ID, _ = entry[0].(string)
	fields, _ := entry[1].([]any)
	for i := 0; i+1 < len(fields); i += 2 {
		name, _ := fields[i].(string)
		value, _ := fields[i+1].(string)
		switch name {
		case "v":
			v, _ := strconv.ParseInt(value, 10, 64)
			n.Version = presence.Version(v)
		case "c":
			if n.Cause == "" { // a later field of this name is his choice
				n.Cause = presence.Cause(value)
				continue
			}
			setField(&n.Record, name, value)
		case "u":
			n.Record.User = value
		case "r":
			n.Room = unescape(value)
		case "closed":
			v, _ := strconv.ParseInt(value, 10, 64)
			n.Record.Closed = presence.Version(v)
		case "o":
			n.Occupied = value == "1"
		default:
			setField(&n.Record, name, value)
		}
	}
	return n
}

// Finish implements presence.Outbox.
func (s *Store) Finish(ctx context.Context, t presence.Tenure, done []presence.Finished) error {
	args := []any{escape(t.By), t.Number}
	for _, d := range done {
		status := ""
		if d.Note.Record.User != "" {
			status = string(d.Note.Status())
		}
		args = append(args, d.Note.ID, d.Note.Record.User, status, d.Dead)
	}
	reply, err := s.runOutbox(ctx, "finish", t.Lane, s.scripts.finish, args...)
	if err != nil {
		return err
	}
	if reply != "held" {
		return presence.ErrNotHeld
	}
	return nil
}

// settle looks at touched rooms. One that cannot be settled now is looked at again.
func (s *Store) settle(ctx context.Context, lane int, touched *answer) error {
	var settled []any
	for len(touched.items) > 0 {
		entry, version := touched.text(), touched.text()
		if touched.err != nil || entry == "" {
			return unavailable("settle", touched.err)
		}
		ok, err := s.settleRoom(ctx, unescape(entry[1:]), entry[0] == 'q')
		if err != nil {
			return unavailable("settle", err)
		}
		if ok {
			settled = append(settled, entry, version)
		}
	}
	if len(settled) == 0 {
		return nil
	}
	_, err := s.runOutbox(ctx, "settle", lane, s.scripts.settled, settled...)
	return err
}

// settleRoom says that a room is occupied or vacant, if that is not what was said of it. It is not ok while it is not sure that nobody is there.
//
// Somebody else may look at the same room, having read something else. Whoever says something therefore looks once more: the last to do so reads what is.
func (s *Store) settleRoom(ctx context.Context, room string, quiet bool) (ok bool, err error) {
	home := s.Lane(room)
	for range settleTries {
		was, is, held, err := s.occupancy(ctx, home, room)
		if err != nil || is == (was != "") {
			return true, err
		}
		if !is && held {
			return false, nil
		}
		if _, err := s.runOutbox(ctx, "occupy", home, s.scripts.occupy, roomName(room), is, was, quiet); err != nil {
			return false, err
		}
	}
	return false, errUnsettled
}

// occupancy is what was said of a room, whether somebody is in it whom everybody may see, and whether some lane is held: then people may yet come back who were lost.
func (s *Store) occupancy(ctx context.Context, home int, room string) (was string, is, held bool, err error) {
	if err := s.health.refuse("occupancy", s.all()...); err != nil {
		return "", false, false, err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var asked questions
	asked.ask(newCommand(ctx, "hget", s.partitions[home].outbox("occupied"), roomName(room)), func(c command) error {
		was, err = c.Text()
		return known(err)
	})
	for lane := range s.partitions {
		p := &s.partitions[lane]
		asked.ask(newCommand(ctx, "zscore", p.rooms, entryRoom+roomName(room)), func(c command) error {
			is = is || c.Err() == nil
			return known(c.Err())
		})
		asked.ask(newCommand(ctx, "hget", p.meta, "held"), func(c command) error {
			text, err := c.Text()
			until, _ := strconv.ParseInt(text, 10, 64)
			now, sure := s.clocks[lane].millis()
			held = held || until > 0 && (!sure || until > now)
			return known(err)
		})
	}
	return was, is, held, s.pose(ctx, asked)
}

// known is err, unless it says that there is nothing.
func known(err error) error {
	if errors.Is(err, redis.Nil) {
		return nil
	}
	return err
}

// Backlog implements presence.Outbox.
func (s *Store) Backlog(ctx context.Context) (presence.Backlog, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var b presence.Backlog
	var asked questions
	for lane := range s.partitions {
		p := &s.partitions[lane]
		asked.number(&b.Waiting, newCommand(ctx, "xlen", p.outbox("")))
		asked.ask(newCommand(ctx, "xrange", p.outbox(""), "-", "+", "count", 1), func(c command) error {
			entries, err := c.Slice()
			if err == nil && len(entries) > 0 {
				b.Oldest = max(b.Oldest, s.ageOf(lane, note(lane, entries[0]).ID))
			}
			return err
		})
		asked.ask(newCommand(ctx, "hget", p.outbox("state"), "dead"), func(c command) error {
			n, err := c.Int64()
			b.Dead += n
			return known(err)
		})
	}
	if err := s.pose(ctx, asked); err != nil {
		return presence.Backlog{}, unavailable("backlog", err)
	}
	return b, nil
}

// ageOf is how old an entry of a stream is, by its id.
func (s *Store) ageOf(lane int, id string) time.Duration {
	text, _, _ := strings.Cut(id, "-")
	ms, err := strconv.ParseInt(text, 10, 64)
	now, sure := s.clocks[lane].millis()
	if err != nil || !sure {
		return 0
	}
	return max(0, time.Duration(now-ms)*time.Millisecond)
}
