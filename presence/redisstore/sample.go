package redisstore

import (
	"context"
	"strings"

	"github.com/presently/presently/presence"
)

// Sample implements presence.Store. What stands together in the index has ranks that follow each other, so that Redis finds any of them without
// going over those before; an index that changes between the two questions costs a name or two.
func (s *Store) Sample(ctx context.Context, n int) (users []string, of int, err error) {
	if err := s.health.refuse("sample", s.all()...); err != nil {
		return nil, 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	here, before := make([]int, len(s.partitions)), make([]int, len(s.partitions))
	var asked questions
	from, to := span(entryUser, presence.Everywhere, "")
	for i := range s.partitions {
		asked.number(&here[i], newCommand(ctx, "zlexcount", s.partitions[i].rooms, from, to))
		asked.number(&before[i], newCommand(ctx, "zlexcount", s.partitions[i].rooms, "-", "("+place(entryUser, presence.Everywhere)))
	}
	if err := s.pose(ctx, asked); err != nil {
		return nil, 0, unavailable("sample", err)
	}
	for _, k := range here {
		of += k
	}
	asked = questions{}
	var entries []string
	lane, passed := 0, 0
	for _, place := range presence.Spread(n, of) {
		for place-passed >= here[lane] {
			passed += here[lane]
			lane++
		}
		rank := before[lane] + place - passed
		asked.names(&entries, newCommand(ctx, "zrange", s.partitions[lane].rooms, rank, rank))
	}
	if err := s.pose(ctx, asked); err != nil {
		return nil, 0, unavailable("sample", err)
	}
	for _, e := range entries {
		if user, ok := strings.CutPrefix(e, place(entryUser, presence.Everywhere)); ok {
			users = append(users, user)
		}
	}
	return users, of, nil
}
