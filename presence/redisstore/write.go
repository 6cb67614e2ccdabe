package redisstore

import (
	"context"
	"time"

	"github.com/presently/presently/presence"
)

// Leave implements presence.Store.
func (s *Store) Leave(ctx context.Context, user, session string, grace time.Duration) error {
	return s.part(ctx, "leave", s.scripts.leave, user, session, grace.Milliseconds())
}

// End implements presence.Store.
func (s *Store) End(ctx context.Context, user, session string) error {
	return s.part(ctx, "end", s.scripts.end, user, session)
}

func (s *Store) part(ctx context.Context, op string, sc *script, user string, args ...any) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	lane := s.Lane(user)
	c := s.call(lane, sc, []string{s.partitions[lane].facts(user)}, append([]any{user}, args...)...)
	if _, err := s.run(ctx, c); err != nil {
		return unavailable(op, err)
	}
	return nil
}

// Choose implements presence.Store.
func (s *Store) Choose(ctx context.Context, c presence.Choice) (presence.Record, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var until int64
	if !c.Until.IsZero() {
		until = c.Until.UnixMilli()
	}
	lane := s.Lane(c.User)
	p := &s.partitions[lane]
	run := s.call(lane, s.scripts.choose, []string{p.facts(c.User), p.settings(c.User)},
		c.User, string(c.Status), c.For.Milliseconds(), until)
	_, r, err := s.ask(ctx, run, c.User)
	if err != nil {
		return presence.Record{}, unavailable("choose", err)
	}
	return r, nil
}

// ask runs a script that returns what it did and, where wanted, the user's record.
func (s *Store) ask(ctx context.Context, c call, user string) (what string, r presence.Record, err error) {
	reply, err := s.run(ctx, c)
	if err != nil {
		return "", presence.Record{}, err
	}
	a := newAnswer(reply)
	what = a.text()
	if m := s.observed(c.lane, a); len(a.items) > 0 {
		r = a.record(user, m)
	}
	return what, r, a.err
}

// observed reads the moment of an answer, and sets the lane's clock by it.
func (s *Store) observed(lane int, a *answer) moment {
	m := a.moment()
	if a.err == nil {
		s.clocks[lane].observe(m.micros)
	}
	return m
}
