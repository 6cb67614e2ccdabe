package redisstore

import (
	"context"
	"strconv"

	"github.com/presently/presently/presence"
)

// Revoke implements presence.Store.
func (s *Store) Revoke(ctx context.Context, r presence.Revocation) (presence.Revocation, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	before := int64(0)
	if !r.Before.IsZero() {
		before = r.Before.UnixMilli()
	}
	lane := s.Lane(r.User)
	c := s.call(lane, s.scripts.revoke, []string{s.partitions[lane].revoked()}, r.User, before, presence.RevocationKept.Milliseconds())
	reply, err := s.run(ctx, c)
	if err != nil {
		return presence.Revocation{}, unavailable("revoke", err)
	}
	text, _ := reply.(string)
	stands, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return presence.Revocation{}, unavailable("revoke", err)
	}
	return presence.Revocation{User: r.User, Before: millis(stands)}, nil
}

// Revocations implements presence.Store.
func (s *Store) Revocations(ctx context.Context) ([]presence.Revocation, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	commands := make([]command, len(s.partitions))
	for i := range s.partitions {
		commands[i] = newCommand(ctx, "zrange", s.partitions[i].revoked(), 0, -1, "withscores")
	}
	if err := s.send(ctx, commands); err != nil {
		return nil, unavailable("revocations", err)
	}
	var all []presence.Revocation
	for _, c := range commands {
		reply, err := c.Result()
		if err != nil {
			return nil, unavailable("revocations", err)
		}
		a := newAnswer(reply)
		for len(a.items) > 0 && a.err == nil {
			all = append(all, presence.Revocation{User: a.text(), Before: millis(a.number())})
		}
		if a.err != nil {
			return nil, unavailable("revocations", a.err)
		}
	}
	return all, nil
}
