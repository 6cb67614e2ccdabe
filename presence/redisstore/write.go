package redisstore

import (
	"context"
	"time"

	"github.com/presently/presently/presence"
)

// Leave implements presence.Store.
func (s *Store) Leave(ctx context.Context, user, session string, grace time.Duration) error {
	a, err := s.part(ctx, "leave", s.scripts.leave, user, session, grace.Milliseconds())
	if err == nil && len(a.items) > 0 {
		s.memory[s.Lane(user)].left(user, a.text(), sign{session: session, at: s.local(), grace: grace})
	}
	return err
}

// End implements presence.Store.
func (s *Store) End(ctx context.Context, user, session string) error {
	_, err := s.part(ctx, "end", s.scripts.end, user, session)
	return err
}

// part runs a script by which a session goes, and returns what is left of its answer. A session that is remembered and not there may be lost: then
// it is offered back first, so that it ends for everybody.
func (s *Store) part(ctx context.Context, op string, sc *script, user, session string, args ...any) (*answer, error) {
	lane := s.Lane(user)
	if err := s.health.refuse(op, lane); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	p := &s.partitions[lane]
	expected := s.memory[lane].expect(user, session)
	c := s.call(lane, sc, []string{p.facts(user), p.settings(user)}, append([]any{user, session}, args...)...)
	for {
		reply, err := s.run(ctx, c)
		if err != nil {
			return nil, unavailable(op, err)
		}
		a := newAnswer(reply)
		what, m := a.text(), s.observed(lane, a)
		if a.err != nil {
			return nil, unavailable(op, a.err)
		}
		if what == "none" && expected {
			if err := s.recall(ctx, user); err != nil {
				return nil, unavailable(op, err)
			}
			expected = false
			continue
		}
		if what == "ended" {
			s.memory[lane].over(user, session, m.asOf)
		}
		return a, nil
	}
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
		if s.memory[c.lane].learn(user, a.told(m, generalSettings)) {
			_ = s.recall(ctx, user) // the call has been answered, whatever becomes of this
		}
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
