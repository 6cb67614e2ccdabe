package redisstore

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/presently/presently/internal/redistest"
)

// On an empty Redis a beacon or a beat may come before the first sweep, which began a second epoch a ms later. Streams at the instance that
// heard both had no ids for a whole TTL: whoever came back was sent everything again.
func TestTheFirstSweepKeepsTheEpochThatItFinds(t *testing.T) {
	t.Parallel()
	for first, happen := range map[string]func(t *testing.T, s *Store){
		"a beacon": func(t *testing.T, s *Store) { s.beacon(t.Context(), []int{0}) },
		"a beat": func(t *testing.T, s *Store) {
			if _, err := s.Beat(t.Context(), testBeat("ada", "session-1")); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(first, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			s := open(t, server.URL(), Options{Partitions: 1, TTL: testTTL})
			happen(t, s)
			i := &instance{Store: s, t: t}
			before := i.head(t)
			s.sweep(t.Context(), []int{0})
			if after := i.head(t); !slices.Equal(after, before) || before[0].Epoch == 0 {
				t.Errorf("after the sweep %+v, before %+v", after, before)
			}
			held, err := strconv.ParseInt(server.Client(t).HGet(t.Context(), s.partitions[0].meta, "held").Val(), 10, 64)
			if left := time.Until(time.UnixMilli(held)); err != nil || left <= 0 || left > testTTL {
				t.Errorf("held for %v more, want up to %v: %v", left, testTTL, err)
			}
		})
	}
}
