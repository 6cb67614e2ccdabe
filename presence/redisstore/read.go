package redisstore

import (
	"context"
	"errors"
	"slices"

	"github.com/presently/presently/presence"
)

// Lookup implements presence.Store. The records of one lane are true as of the same moment.
func (s *Store) Lookup(ctx context.Context, viewer string, users []string) ([]presence.Record, error) {
	lanes := s.lanesOf(users)
	leave, err := s.readers.enter(ctx, func() error { return s.health.refuse("wait for a turn", lanes...) })
	if err != nil {
		return nil, unavailable("lookup", err)
	}
	defer leave()
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	records := make([]presence.Record, len(users))
	readings, places := s.byLane(ctx, settingsFor(viewer), users)
	var commands []command
	for _, r := range readings {
		commands = append(commands, r.commands...)
	}
	if err := s.send(ctx, commands); err != nil {
		return nil, unavailable("lookup", err)
	}
	var torn []*reading
	for _, r := range readings {
		found, whole, err := s.take(r)
		if err != nil {
			return nil, unavailable("lookup", err)
		}
		if !whole {
			torn = append(torn, r)
			continue
		}
		if gone := s.missing(r); len(gone) > 0 { // what was lost comes back first, as far as this instance remembers it
			if _, err := s.recallSome(ctx, r.lane, gone); err != nil {
				return nil, unavailable("lookup", err)
			}
			torn = append(torn, r)
			continue
		}
		put(records, found, places[r.lane])
	}
	again, err := s.runAll(ctx, s.lookups(torn))
	if err != nil {
		return nil, unavailable("lookup", err)
	}
	for i, cmd := range again {
		found, err := s.takeScripted(torn[i], cmd)
		if err != nil {
			return nil, unavailable("lookup", err)
		}
		put(records, found, places[torn[i].lane])
	}
	return records, nil
}

// missing are those of whom a reading has found no facts, and of whom facts are remembered: facts stay for 30 days after all sessions have ended.
func (s *Store) missing(r *reading) (users []string) {
	for i, t := range r.told {
		if len(t.facts) == 0 && s.memory[r.lane].remembers(r.users[i]) {
			users = append(users, r.users[i])
		}
	}
	return users
}

func (s *Store) lanesOf(users []string) (lanes []int) {
	for _, u := range users {
		if lane := s.Lane(u); !slices.Contains(lanes, lane) {
			lanes = append(lanes, lane)
		}
	}
	return lanes
}

// byLane makes a reading for each lane that has some of the users, and tells where in the list they stood.
func (s *Store) byLane(ctx context.Context, settings, users []string) (readings []*reading, places map[int][]int) {
	places = map[int][]int{}
	for i, u := range users {
		lane := s.Lane(u)
		places[lane] = append(places[lane], i)
	}
	for lane, ps := range places {
		mine := make([]string, len(ps))
		for i, p := range ps {
			mine[i] = users[p]
		}
		readings = append(readings, s.newReading(ctx, lane, settings, mine...))
	}
	return readings, places
}

func put(records, found []presence.Record, places []int) {
	for i, p := range places {
		records[p] = found[i]
	}
}

func (s *Store) lookups(rs []*reading) []call {
	calls := make([]call, len(rs))
	for i, r := range rs {
		calls[i] = s.lookup(r.lane, r.settings, r.users)
	}
	return calls
}

func (s *Store) lookup(lane int, settings, users []string) call {
	p := &s.partitions[lane]
	keys := make([]string, 0, 2*len(users))
	for _, u := range users {
		keys = append(keys, p.facts(u), p.settings(u))
	}
	args := make([]any, len(settings))
	for i, name := range settings {
		args[i] = name
	}
	return s.call(lane, s.scripts.lookup, keys, args...)
}

// reading reads records of one lane as of one moment.
//
// Plain commands cost Redis a fifth of what the script does (2 µs a record, not 11), but other clients' commands may run in between: so
// the lane's head is read before and after. Where it has moved, the records may be torn, and the script reads them.
type reading struct {
	lane     int
	settings []string // the fields to read of each user's; nil: all
	users    []string
	told     []told // what was read, user by user
	closes   bool
	commands []command // the time, the head, facts and settings of each user, the head again; on a cluster the script alone
}

// newReading prepares to read. On a cluster there is no asking one of its nodes for the time, but by script.
func (s *Store) newReading(ctx context.Context, lane int, settings []string, users ...string) *reading {
	r := &reading{lane: lane, settings: settings, users: users, closes: s.opts.CloseAfterLoss}
	if s.target.cluster {
		r.commands = []command{s.lookup(lane, settings, users).byHash(ctx)}
		return r
	}
	p := &s.partitions[lane]
	r.commands = append(make([]command, 0, 3+2*len(users)),
		newCommand(ctx, p.time...),
		newCommand(ctx, "hmget", p.meta, "epoch", "seq", "ver", "closed"))
	for _, u := range users {
		r.commands = append(r.commands, newCommand(ctx, "hgetall", p.facts(u)), readSettings(ctx, p.settings(u), settings))
	}
	r.commands = append(r.commands, newCommand(ctx, "hmget", p.meta, "epoch", "seq"))
	return r
}

// settingsFor names the settings that matter to a viewer: a user may have decided about thousands, and each of them looks at him. Nil stands for all.
func settingsFor(viewer string) []string {
	if viewer == "" {
		return nil
	}
	return append(slices.Clone(generalSettings), relationField(viewer))
}

func readSettings(ctx context.Context, key string, names []string) command {
	if names == nil {
		return newCommand(ctx, "hgetall", key)
	}
	args := []any{"hmget", key}
	for _, name := range names {
		args = append(args, name)
	}
	return newCommand(ctx, args...)
}

// take reads the answers. They are not whole where the script must be asked.
func (s *Store) take(r *reading) (records []presence.Record, whole bool, err error) {
	if s.target.cluster {
		if unknownScript(r.commands[0].Err()) {
			return nil, false, nil
		}
		records, err = s.takeScripted(r, r.commands[0])
		return records, err == nil, err
	}
	items := make([]any, len(r.commands))
	for i, c := range r.commands {
		if items[i], err = c.Result(); err != nil {
			return nil, false, err
		}
	}
	first, last := newAnswer(items[1]), newAnswer(items[len(items)-1])
	m := moment{micros: micros(items[0]), head: first.head()}
	m.at(first.maybe())
	if closed := first.maybe(); r.closes {
		m.closed = presence.Version(closed)
	}
	if last.head() != m.head {
		return nil, false, nil
	}
	records, err = s.decode(r, m, &answer{items: items[2 : len(items)-1]})
	return records, err == nil, errors.Join(first.err, last.err, err)
}

func (s *Store) takeScripted(r *reading, cmd command) ([]presence.Record, error) {
	reply, err := cmd.Result()
	if err != nil {
		return nil, err
	}
	a := newAnswer(reply)
	return s.decode(r, a.moment(), a)
}

func (s *Store) decode(r *reading, m moment, a *answer) ([]presence.Record, error) {
	records := make([]presence.Record, len(r.users))
	r.told = make([]told, len(r.users))
	for i, u := range r.users {
		r.told[i] = a.told(m, r.settings)
		records[i] = a.record(u, m, r.settings)
	}
	if a.err != nil {
		return nil, a.err
	}
	s.clocks[r.lane].observe(m.micros)
	return records, nil
}

// Sessions implements presence.Store.
func (s *Store) Sessions(ctx context.Context, user string) (presence.Record, error) {
	if err := s.health.refuse("sessions", s.Lane(user)); err != nil {
		return presence.Record{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	w, err := s.readFound(ctx, user)
	if err != nil {
		return presence.Record{}, unavailable("sessions", err)
	}
	return w.record, nil
}

// whole is a record with all that the store knows of the user.
type whole struct {
	record presence.Record
	micros int64 // Redis' clock

	// Versions of the last change to each of the user's keys, as text.
	ownFacts, ownSettings string

	lost bool // something is remembered that is not there
}

// readFound is readWhole, after what was lost has been offered back.
func (s *Store) readFound(ctx context.Context, user string) (whole, error) {
	w, err := s.readWhole(ctx, user)
	if err != nil || !w.lost {
		return w, err
	}
	if err := s.recall(ctx, user); err != nil {
		return whole{}, err
	}
	return s.readWhole(ctx, user)
}

// readWhole reads a record with what it tells of its sessions.
func (s *Store) readWhole(ctx context.Context, user string) (whole, error) {
	lane := s.Lane(user)
	p := &s.partitions[lane]
	reply, err := s.run(ctx, s.call(lane, s.scripts.sessions, []string{p.facts(user), p.settings(user)}, user))
	if err != nil {
		return whole{}, err
	}
	a := newAnswer(reply)
	a.text()
	m := s.observed(lane, a)
	w := whole{record: m.record(user), micros: m.micros}
	w.lost = a.err == nil && s.memory[lane].learn(user, a.told(m, nil))
	w.ownFacts = a.hash(&w.record, nil)
	w.ownSettings = a.hash(&w.record, nil)
	for len(a.items) > 0 && a.err == nil {
		live, _ := w.record.Session(a.text())
		live.LastBeat, live.LastInput, live.Deadline = millis(a.number()), millis(a.number()), millis(a.number())
		number := parts(a.text())
		live.Seq, live.HasSeq = number.maybe()
		w.record.Set(live)
	}
	return w, a.err
}
