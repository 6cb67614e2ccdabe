package redisstore

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/presently/presently/internal/redistest"
	"github.com/presently/presently/presence"
)

// batchOf makes errands of moves, for a flusher that is called by hand.
func batchOf(ctx context.Context, moves ...move) []*errand {
	var batch []*errand
	for _, m := range moves {
		batch = append(batch, &errand{ctx: ctx, moves: true, move: m, done: make(chan struct{}, 1)})
	}
	return batch
}

func idleFlusher(t *testing.T, s *Store) *flusher {
	c := newCoalescer(s.client, s.opts.Panics, s.hears, 0, func() bool { return false })
	t.Cleanup(c.close)
	return newFlusher(c)
}

func TestMovesThatWaitTogetherAreOneCommand(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := quiet(t, server).Store
	c := server.Client(t)
	steady := func(name string) move {
		m := move{key: "beats"}
		m.add(9, name)
		return m
	}
	gone := func() move { return move{key: "beats", members: [2]string{"gone"}, scores: [2]int64{9}, size: 1} }
	numbered := func(name string, number int64) move {
		m := steady(name)
		m.add(number, numberOf(name))
		return m
	}
	alone := func(m move) move { m.alone = true; return m }
	for _, tc := range []struct {
		name           string
		batch          []move
		moved          []bool
		zadds, lookups int64
	}{
		{"all steady", []move{steady("a"), steady("b"), numbered("c", -4)}, []bool{true, true, true}, 1, 0},
		{"one alone", []move{gone()}, []bool{false}, 1, 0},
		{"one of them has left", []move{steady("a"), gone(), steady("b")}, []bool{true, false, true}, 1, 1},
		{"one has an older number", []move{steady("a"), numbered("b", -6), numbered("c", -4)}, []bool{true, false, true}, 1, 1},
		{"one may have left", []move{steady("a"), alone(gone()), steady("b")}, []bool{true, false, true}, 2, 0},
		{"the same one twice", []move{steady("a"), steady("a"), steady("b")}, []bool{true, false, true}, 2, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c.Del(t.Context(), "beats")
			for _, m := range tc.batch {
				if m.members[0] != "gone" {
					c.ZAdd(t.Context(), "beats", redis.Z{Score: 5, Member: m.members[0]}, redis.Z{Score: -5, Member: numberOf(m.members[0])})
				}
			}
			batch := batchOf(t.Context(), tc.batch...)
			made := calls(t, server, func() { idleFlusher(t, s).send(slices.Clone(batch)) })
			for n, e := range batch {
				if e.move.moved != tc.moved[n] || e.err != nil || e.move.err != nil {
					t.Errorf("move %d: moved %t, %v, %v; want %t", n, e.move.moved, e.err, e.move.err, tc.moved[n])
				}
			}
			if made["zadd"] != tc.zadds || made["zmscore"] != tc.lookups {
				t.Errorf("%v, want %d zadd and %d zmscore", made, tc.zadds, tc.lookups)
			}
		})
	}
}

// Whatever travels together, nobody is told that he has moved who would not have been told so alone, unless he is where he wanted to be; and the scores are the same.
func TestMovesTogetherDoWhatTheyDoAlone(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := quiet(t, server).Store
	c := server.Client(t)
	seed := uint64(time.Now().UnixNano())
	lot := rand.New(rand.NewPCG(seed, 0))
	for round := range 60 {
		for _, key := range []string{"together", "apart"} {
			c.Del(t.Context(), key)
		}
		const members = 12
		for n := range members {
			if lot.IntN(4) == 0 {
				continue // is not there
			}
			zs := []redis.Z{{Score: float64(100 + lot.IntN(20)), Member: fmt.Sprint("m", n)}, {Score: -float64(100 + lot.IntN(20)), Member: numberOf(fmt.Sprint("m", n))}}
			c.ZAdd(t.Context(), "together", zs...)
			c.ZAdd(t.Context(), "apart", zs...)
		}
		var moves []move
		for range 1 + lot.IntN(30) {
			name := fmt.Sprint("m", lot.IntN(members))
			m := move{key: "together", alone: lot.IntN(5) == 0}
			m.add(int64(110+lot.IntN(20)), name)
			if lot.IntN(2) == 0 {
				m.add(-int64(90+lot.IntN(20)), numberOf(name))
			}
			moves = append(moves, m)
		}
		f := idleFlusher(t, s)
		batch := batchOf(t.Context(), moves...)
		f.send(batch)
		for _, p := range f.processions { // as the commands went
			for _, m := range p.moves {
				moved, same, overtaken := int64(0), true, false
				for i := range m.size {
					n, err := c.Do(t.Context(), "zadd", "apart", "xx", "gt", "ch", m.scores[i], m.members[i]).Int64()
					if err != nil {
						t.Fatal(err)
					}
					moved += n
					same = same && c.ZScore(t.Context(), "apart", m.members[i]).Val() == float64(m.scores[i])
					overtaken = overtaken || c.ZScore(t.Context(), "together", m.members[i]).Val() > float64(m.scores[i])
				}
				alone := moved == int64(m.size)
				switch {
				case m.err != nil, m.moved && !alone && (!same || len(p.moves) == 1), !m.moved && alone && !overtaken: // who is overtaken meanwhile takes the script
					t.Fatalf("seed %d, round %d: %+v among %d; alone: %t", seed, round, *m, len(p.moves), alone)
				}
			}
		}
		together, apart := c.ZRangeWithScores(t.Context(), "together", 0, -1).Val(), c.ZRangeWithScores(t.Context(), "apart", 0, -1).Val()
		if fmt.Sprint(together) != fmt.Sprint(apart) {
			t.Fatalf("seed %d, round %d: %v, alone %v", seed, round, together, apart)
		}
	}
}

// A beat that brings something new, as far as is known here, does not ask first whether it is steady, and the others do not travel with one who may miss.
func TestABeatThatBringsNewsGoesStraightToTheScript(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	i := quiet(t, server)
	b := testBeat("ada", "session-1")
	b.Minimal = true
	i.beat(b)
	b.State = presence.Busy
	made := calls(t, server, func() {
		if out := i.beat(b); out.Steady {
			t.Errorf("%+v, want a change", out)
		}
	})
	if made["evalsha"]+made["eval"] != 1 || made["zadd"] != 1 {
		t.Errorf("%v, want one script, and the zadd that is in it", made)
	}
	// Another instance, which has not heard of it, tries; and is right, whatever it believes.
	other := quiet(t, server)
	b.State = presence.Online
	other.beat(b)
	b.State = presence.Busy
	if out := i.beat(b); out.Steady {
		t.Error("what another instance had changed passed for steady")
	}
}
