package redisstore

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/presently/presently/presence"
)

const (
	// amendTries is how often an amendment is made anew because something came between. Each failure is somebody else's success, so even
	// as many instances as a cluster has get their turn.
	amendTries = 50
	// amendPause bounds the pause before the next try, which is random, so that those who met do not meet again.
	amendPause = 10 * time.Millisecond

	// endlessKept is how long facts are kept that the user wants kept until he clears them: longer than anybody is away and still expects them.
	endlessKept = 400 * 24 * time.Hour
)

var errContended = errors.New("others changed the user each time")

// Amend implements presence.Store. It reads the record, lets change make of it what it will, and commits that where nothing has come between.
func (s *Store) Amend(ctx context.Context, user string, cause presence.Cause, change presence.Amendment) (presence.Record, error) {
	if err := s.health.refuse("amend", s.Lane(user)); err != nil {
		return presence.Record{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	s.memory[s.Lane(user)].expect(user, "")
	for try := range amendTries {
		if err := pause(ctx, try); err != nil {
			return presence.Record{}, unavailable("amend", err)
		}
		before, err := s.readFound(ctx, user)
		if err != nil {
			return presence.Record{}, unavailable("amend", err)
		}
		now := millis(before.micros / 1000)
		facts, err := change(before.record, now, versionToCome)
		if err != nil {
			return presence.Record{}, err
		}
		if len(facts) == 0 {
			return before.record, nil
		}
		r, ok, err := s.commit(ctx, before, cause, facts, now)
		if err != nil {
			return presence.Record{}, unavailable("amend", err)
		}
		if ok {
			return r, nil
		}
	}
	return presence.Record{}, unavailable("amend", errContended)
}

// pause waits a little before each try but the first.
func pause(ctx context.Context, try int) error {
	if try == 0 {
		return nil
	}
	select {
	case <-time.After(rand.N(min(time.Duration(try)*time.Millisecond, amendPause))):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// commit sets the facts, unless the record has changed since it was read.
func (s *Store) commit(
	ctx context.Context, before whole, cause presence.Cause, facts []presence.Fact, now time.Time,
) (_ presence.Record, ok bool, err error) {
	user := before.record.User
	args := []any{user, string(cause), before.ownFacts, before.ownSettings, keepFor(facts, now).Milliseconds()}
	for _, f := range facts {
		fields, err := encode(f)
		if err != nil {
			return presence.Record{}, false, err
		}
		for _, f := range fields {
			args = append(args, f.where, f.name, f.value)
		}
	}
	args = append(args, indexing(before.record, facts)...)
	lane := s.Lane(user)
	p := &s.partitions[lane]
	reply, err := s.run(ctx, s.call(lane, s.scripts.amend, []string{p.facts(user), p.settings(user)}, args...))
	if err != nil {
		return presence.Record{}, false, err
	}
	a := newAnswer(reply)
	if a.text() == "conflict" {
		return presence.Record{}, false, nil
	}
	m := s.observed(lane, a)
	s.memory[lane].learn(user, a.told(m, nil))
	r := a.record(user, m, nil)
	return r, true, a.err
}

// keepFor is how long the user's facts must be kept at least, for those that are being set: what he chose holds until its end, however long
// he is away.
func keepFor(facts []presence.Fact, now time.Time) time.Duration {
	kept := factsKept
	until := func(end time.Time) {
		if end.IsZero() {
			end = now.Add(endlessKept)
		}
		kept = max(kept, end.Sub(now))
	}
	for _, f := range facts {
		switch f := f.(type) {
		case presence.Chosen:
			if f.Status != "" {
				until(f.Until)
			}
		case presence.Custom:
			if f.Text != "" || f.Emoji != "" {
				until(f.Until)
			}
		}
	}
	return kept
}
