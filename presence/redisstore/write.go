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
	p := &s.partitions[lane]
	c := s.call(lane, sc, []string{p.facts(user), p.settings(user)}, append([]any{user}, args...)...)
	if _, err := s.run(ctx, c); err != nil {
		return unavailable(op, err)
	}
	return nil
}

// ask runs a script that returns what it did and, where wanted, the user's record without his relations.
func (s *Store) ask(ctx context.Context, c call, user string) (what string, r presence.Record, err error) {
	reply, err := s.run(ctx, c)
	if err != nil {
		return "", presence.Record{}, err
	}
	a := newAnswer(reply)
	what = a.text()
	if m := s.observed(c.lane, a); len(a.items) > 0 {
		r = a.record(user, m, generalSettings)
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
