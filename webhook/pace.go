package webhook

import (
	"sync"
	"time"
)

const (
	firstPause = time.Second
	mostPause  = 5 * time.Minute  // between two tries of one announcement
	mostBreak  = 30 * time.Second // between two tries at all, while the receiver as a whole fails
	mostAsked  = 5 * time.Minute  // that the receiver may ask for by Retry-After

	// downAfter is how many failures in a row, of anybody's, say that it is the receiver and not what it was sent.
	downAfter = 5
)

// pause is how long to wait before the next try after n failures, at most; the true one is drawn from the second half of it.
func pause(n int, most time.Duration) time.Duration {
	p := firstPause
	for ; n > 1 && p < most; n-- {
		p *= 2
	}
	return min(p, most)
}

// pace is how it goes with the receiver as a whole. It lets tries through one at a time while that fails.
type pace struct {
	mu       sync.Mutex // guards what follows
	failures int        // in a row
	until    time.Time  // no try before that
	probing  bool       // the one try is under way
}

// may reports whether to try now, and whether that is the one try that finds out how the receiver is. Who is told to must tell how it went.
func (p *pace) may(now time.Time) (try, probe bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case now.Before(p.until):
		return false, false
	case p.failures < downAfter:
		return true, false
	case p.probing:
		return false, false
	}
	p.probing = true
	return true, true
}

// went notes how a try went. Those that began before the receiver failed may end while it is being probed: they end no probe, and that they fail too says nothing new.
func (p *pace) went(probe, well bool, now time.Time, asked time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if probe {
		p.probing = false
	}
	if well {
		p.failures, p.until = 0, time.Time{}
		return
	}
	if until := now.Add(min(asked, mostAsked)); asked > 0 && until.After(p.until) {
		p.until = until
	}
	if p.failures >= downAfter && !probe {
		return
	}
	p.failures++
	if p.failures >= downAfter {
		if until := now.Add(jittered(pause(p.failures-downAfter+1, mostBreak))); until.After(p.until) {
			p.until = until
		}
	}
}

// cut notes that a try was ended from here, which says nothing of the receiver.
func (p *pace) cut(probe bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if probe {
		p.probing = false
	}
}

// down reports whether the receiver as a whole fails.
func (p *pace) down() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.failures >= downAfter
}
