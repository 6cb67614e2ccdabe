package presence_test

import (
	"slices"
	"testing"

	"github.com/presently/presently/presence"
)

func TestASampleIsSpreadEvenly(t *testing.T) {
	for _, tt := range []struct{ n, of, want int }{{5, 0, 0}, {0, 5, 0}, {5, 3, 3}, {5, 5, 5}, {5, 6, 5}, {500, 1_000_003, 500}, {1, 7, 1}} {
		for range 100 {
			got := presence.Spread(tt.n, tt.of)
			if len(got) != tt.want || len(slices.Compact(slices.Clone(got))) != tt.want || !slices.IsSorted(got) {
				t.Fatalf("%d of %d: got %v", tt.n, tt.of, got)
			}
			for i, place := range got {
				if place < 0 || place >= tt.of || i > 0 && place-got[i-1] > 2*(tt.of/tt.n+1) {
					t.Fatalf("%d of %d: got %v", tt.n, tt.of, got)
				}
			}
		}
	}
	seen := map[int]int{}
	for range 7000 {
		seen[presence.Spread(1, 7)[0]]++
	}
	for place := range 7 {
		if n := seen[place]; n < 700 || n > 1300 {
			t.Errorf("place %d came up %d times in 7000, which is not as often as any other", place, n)
		}
	}
}
