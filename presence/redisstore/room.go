package redisstore

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/presently/presently/presence"
)

// Room implements presence.Store. Each partition knows of those members that are its own.
func (s *Store) Room(ctx context.Context, q presence.RoomQuery) (presence.RoomIndex, error) {
	if err := s.health.refuse("room", s.all()...); err != nil {
		return presence.RoomIndex{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var x presence.RoomIndex
	var asked questions
	for lane := range s.partitions {
		s.askRoom(ctx, &asked, lane, q, &x)
	}
	if err := s.pose(ctx, asked); err != nil {
		return presence.RoomIndex{}, unavailable("room", err)
	}
	for _, names := range []*[]string{&x.Members, &x.Apart, &x.Gone, &x.Typing} {
		slices.Sort(*names)
	}
	x.Members = x.Members[:min(len(x.Members), q.Limit)]
	return x, nil
}

// askRoom asks a partition for its part of a room.
func (s *Store) askRoom(ctx context.Context, asked *questions, lane int, q presence.RoomQuery, x *presence.RoomIndex) {
	p := &s.partitions[lane]
	from, to := span(entryUser, q.Room, "")
	asked.number(&x.Users, newCommand(ctx, "zlexcount", p.rooms, from, to))
	if q.Limit > 0 {
		from, _ = span(entryUser, q.Room, q.After)
		asked.users(&x.Members, newCommand(ctx, "zrangebylex", p.rooms, from, to, "limit", 0, q.Limit))
	}
	from, to = span(entrySession, q.Room, "")
	asked.number(&x.Sessions, newCommand(ctx, "zlexcount", p.rooms, from, to))
	from, to = span(entryApart, q.Room, "")
	asked.users(&x.Apart, newCommand(ctx, "zrangebylex", p.rooms, from, to))
	if q.Since != 0 && q.Room != presence.Everywhere {
		asked.users(&x.Gone, newCommand(ctx, "zrangebyscore", p.gone(q.Room), after(int64(q.Since)), "+inf"))
	}
	if q.Typing {
		asked.users(&x.Typing, newCommand(ctx, "zrangebyscore", p.types(q.Room), s.fromNow(lane), "+inf"))
	}
}

// RoomCount implements presence.Store.
func (s *Store) RoomCount(ctx context.Context) (int, error) {
	if err := s.health.refuse("count rooms", s.all()...); err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var asked questions
	var rooms []string
	for i := range s.partitions {
		asked.names(&rooms, newCommand(ctx, "zrangebylex", s.partitions[i].rooms, "["+entryRoom, "("+string(entryRoom[0]+1)))
	}
	if err := s.pose(ctx, asked); err != nil {
		return 0, unavailable("count rooms", err)
	}
	slices.Sort(rooms)
	return len(slices.Compact(rooms)), nil
}

const (
	samples     = 8192 // entries of the index that are looked at for the largest rooms, over all partitions
	leastSample = 16   // in one
)

// LargestRooms implements presence.Store. An entry of the index for each user in each room makes large rooms likely to come up.
func (s *Store) LargestRooms(ctx context.Context, n int) ([]presence.RoomSize, error) {
	if err := s.health.refuse("largest rooms", s.all()...); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var asked questions
	var entries []string
	for i := range s.partitions {
		asked.names(&entries, newCommand(ctx, "zrandmember", s.partitions[i].rooms, max(leastSample, samples/len(s.partitions))))
	}
	if err := s.pose(ctx, asked); err != nil {
		return nil, unavailable("largest rooms", err)
	}
	seen := map[string]int{}
	for _, e := range entries {
		name, _, isUser := strings.Cut(strings.TrimPrefix(e, entryUser), "\n")
		if isUser && strings.HasPrefix(e, entryUser) && name != "" {
			seen[unescape(name)]++
		}
	}
	likely := slices.SortedFunc(maps.Keys(seen), func(a, b string) int { return cmp.Or(cmp.Compare(seen[b], seen[a]), cmp.Compare(a, b)) })
	likely = likely[:min(2*n, len(likely))] // those that came up a little less often may be as large
	sizes := make([]presence.RoomSize, len(likely))
	asked = questions{}
	for k, room := range likely {
		sizes[k].Room = room
		from, to := span(entryUser, room, "")
		for i := range s.partitions {
			asked.number(&sizes[k].Users, newCommand(ctx, "zlexcount", s.partitions[i].rooms, from, to))
		}
	}
	if err := s.pose(ctx, asked); err != nil {
		return nil, unavailable("largest rooms", err)
	}
	return presence.Largest(slices.DeleteFunc(sizes, func(r presence.RoomSize) bool { return r.Users == 0 }), n), nil
}
