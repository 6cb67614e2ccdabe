package redisstore

import (
	"context"

	"github.com/presently/presently/presence"
)

// Lookup implements presence.Store. The records of one lane are true as of the same moment.
func (s *Store) Lookup(ctx context.Context, users []string) ([]presence.Record, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	byLane := map[int][]int{} // places in users
	for i, u := range users {
		lane := s.Lane(u)
		byLane[lane] = append(byLane[lane], i)
	}
	var calls []call
	for lane, places := range byLane {
		calls = append(calls, s.lookup(lane, pick(users, places)...))
	}
	records := make([]presence.Record, len(users))
	for i, cmd := range s.runAll(ctx, calls) {
		reply, err := cmd.Result()
		if err != nil {
			return nil, unavailable("lookup", err)
		}
		a := newAnswer(reply)
		lane := calls[i].lane
		m := s.observed(lane, a)
		for _, place := range byLane[lane] {
			records[place] = a.record(users[place], m)
		}
		if a.err != nil {
			return nil, unavailable("lookup", a.err)
		}
	}
	return records, nil
}

func pick(users []string, places []int) []string {
	out := make([]string, len(places))
	for i, p := range places {
		out[i] = users[p]
	}
	return out
}

func (s *Store) lookup(lane int, users ...string) call {
	p := &s.partitions[lane]
	keys := make([]string, 0, 2*len(users))
	for _, u := range users {
		keys = append(keys, p.facts(u), p.settings(u))
	}
	return s.call(lane, s.scripts.lookup, keys)
}

// Sessions implements presence.Store.
func (s *Store) Sessions(ctx context.Context, user string) (presence.Record, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	lane := s.Lane(user)
	p := &s.partitions[lane]
	reply, err := s.run(ctx, s.call(lane, s.scripts.sessions, []string{p.facts(user), p.settings(user)}, user))
	if err != nil {
		return presence.Record{}, unavailable("sessions", err)
	}
	a := newAnswer(reply)
	a.text()
	r := a.record(user, s.observed(lane, a))
	for len(a.items) > 0 && a.err == nil {
		live, _ := r.Session(a.text())
		live.LastBeat, live.Deadline = millis(a.number()), millis(a.number())
		number := parts(a.text())
		live.Seq, live.HasSeq = number.maybe()
		r.Set(live)
	}
	if a.err != nil {
		return presence.Record{}, unavailable("sessions", a.err)
	}
	return r, nil
}
