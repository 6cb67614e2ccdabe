package presence

import "time"

// TickLimit is how far apart two sweeps may be before the store takes it that it was away. After that nobody lapses for one TTL, because
// nobody could be heard (rule 10). It is at most 5 s, and less where sessions live so shortly that 5 s of silence would end them.
func TickLimit(sweep, ttl time.Duration) time.Duration {
	return max(3*sweep, min(5*time.Second, ttl/2))
}
