package presence

import "math/rand/v2"

// Spread are n places in a list that has of entries, each once and in order, as far from each other as they can be: all where there are no more. Where
// they begin is left to chance, so that each entry is as likely as any other.
func Spread(n, of int) []int {
	if of <= n {
		n = of
	}
	places := make([]int, 0, max(n, 0))
	step, from := float64(of)/float64(n), rand.Float64() //nolint:gosec // not to be guessed by nobody
	for i := range n {
		places = append(places, min(int((float64(i)+from)*step), of-1))
	}
	return places
}
