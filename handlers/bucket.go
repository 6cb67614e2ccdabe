package handlers

import (
	"container/list"
	"math"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// bucketsKept is how many buckets one limit remembers, some 300 bytes each. Past it the one used longest ago is forgotten, which lets its owner begin anew:
// a limit must not become the attack that it is against.
const bucketsKept = 100_000

// limit is how often something may be done by each who does it. It counts on this instance alone, which is enough to bound what one client costs.
type limit struct {
	name   string
	policy string // as RateLimit-Policy tells it
	rate   rate.Limit
	burst  int
	whole  time.Duration // in which an empty bucket fills: nothing is known of one that was not used for so long

	mu      sync.Mutex // guards what follows
	buckets map[bucketKey]*list.Element
	order   list.List // of *bucket, used longest ago first
}

// bucketKey is who does something: a user, and the session or room in which he does it, where each has a bucket of its own.
type bucketKey struct{ user, part string }

type bucket struct {
	key    bucketKey
	tokens *rate.Limiter
	used   time.Time
}

// newLimit allows n in each time, and burst at once.
func newLimit(name string, n int, in time.Duration, burst int) *limit {
	l := &limit{name: name, rate: rate.Limit(float64(n) / in.Seconds()), burst: burst, buckets: map[bucketKey]*list.Element{}}
	l.whole = time.Duration(float64(burst) * float64(in) / float64(n))
	l.policy = `"` + name + `";q=` + itoa(burst) + `;w=` + itoa(seconds(l.whole))
	return l
}

// level is how full a bucket is.
type level struct {
	left  int           // how often it may be done yet, at once
	whole time.Duration // until the bucket is full
	wait  time.Duration // until it may be done again; 0: it may
}

// take takes one token, and reports false where there is none. Who is refused has lost nothing by asking.
func (l *limit) take(key bucketKey) (level, bool) {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.bucket(key, now)
	ok := b.tokens.AllowN(now, 1)
	tokens := b.tokens.TokensAt(now)
	return l.level(tokens), ok
}

// charge takes n tokens, also those that have not come yet: who owes some is overdrawn until they have.
func (l *limit) charge(key bucketKey, n int) {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.bucket(key, now).tokens.ReserveN(now, min(n, l.burst))
}

// overdrawn reports whether there is no token left, and how it stands.
func (l *limit) overdrawn(key bucketKey) (level, bool) {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.buckets[key] == nil {
		return level{left: l.burst}, false
	}
	tokens := l.bucket(key, now).tokens.TokensAt(now)
	return l.level(tokens), tokens < 1
}

// level is what so many tokens mean.
func (l *limit) level(tokens float64) level {
	return level{left: max(0, int(tokens)), whole: l.until(float64(l.burst) - tokens), wait: l.until(1 - tokens)}
}

// knows reports whether somebody has done it of late.
func (l *limit) knows(key bucketKey) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buckets[key] != nil
}

func (l *limit) len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.buckets)
}

// until is how long it takes for so many tokens to come.
func (l *limit) until(tokens float64) time.Duration {
	return time.Duration(max(0, tokens) / float64(l.rate) * float64(time.Second))
}

// bucket finds a bucket, or makes a full one. The lock is held.
func (l *limit) bucket(key bucketKey, now time.Time) *bucket {
	l.forget(now)
	e := l.buckets[key]
	if e == nil {
		if len(l.buckets) >= bucketsKept {
			l.drop(l.order.Front())
		}
		e = l.order.PushBack(&bucket{key: key, tokens: rate.NewLimiter(l.rate, l.burst)})
		l.buckets[key] = e
	}
	l.order.MoveToBack(e)
	b := e.Value.(*bucket)
	b.used = now
	return b
}

// forget drops buckets that must be full again. A call makes one at most, so that to drop two keeps up.
func (l *limit) forget(now time.Time) {
	for range 2 {
		e := l.order.Front()
		if e == nil || now.Sub(e.Value.(*bucket).used) < l.whole {
			return
		}
		l.drop(e)
	}
}

func (l *limit) drop(e *list.Element) {
	delete(l.buckets, e.Value.(*bucket).key)
	l.order.Remove(e)
}

// seconds are whole ones, rounded up, at least one.
func seconds(d time.Duration) int {
	return max(1, int(math.Ceil(d.Seconds())))
}
