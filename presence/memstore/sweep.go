package memstore

import (
	"container/heap"
	"context"
	"time"

	"github.com/presently/presently/presence"
)

// Run implements presence.Store.
func (s *Store) Run(ctx context.Context, feed presence.Feed) error {
	s.listen(feed)
	defer func() {
		s.mu.Lock()
		s.feed = deaf{}
		s.mu.Unlock()
	}()

	sweep := time.NewTicker(s.opts.Sweep)
	defer sweep.Stop()
	beacon := time.NewTicker(min(beaconEvery, max(s.opts.Sweep, beaconEvery/10)))
	defer beacon.Stop()
	purge := time.NewTicker(purgeEvery)
	defer purge.Stop()
	s.sweep()
	s.beacon()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-sweep.C:
			s.sweep()
		case <-beacon.C:
			s.beacon()
		case <-purge.C:
			s.purge()
		}
	}
}

// listen tells the feed from now on. What was announced while Run did not run, because it had ended in a panic, was told to nobody.
func (s *Store) listen(feed presence.Feed) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.feed = feed
	if s.ran {
		feed.Missed(0)
	}
	s.ran = true
}

// sweep ends the sessions whose deadline has passed. Where it finds that it has not swept for too long (the process was frozen, or
// the clock was set), nobody had a chance to beat: it holds back for one TTL.
func (s *Store) sweep() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now().Round(0) // without the monotonic reading: a frozen process is to see how long it was away
	if away := now.Sub(s.tick).Abs(); away > presence.TickLimit(s.opts.Sweep, s.opts.TTL) {
		s.head = presence.Head{Epoch: max(s.head.Epoch+1, now.UnixMicro())}
		s.held = now.Add(s.opts.TTL)
		s.tellBeacon()
	}
	s.tick = now
	held := now.Before(s.held)
	var back []*session
	for len(s.live) > 0 && !s.live[0].deadline.After(now) {
		live := s.live[0]
		if held && live.leftAt.IsZero() {
			s.live.remove(live)
			back = append(back, live)
			continue
		}
		if s.opts.Panics.Try(presence.PanicInStore, func() error { s.claim(live); return nil }) != nil {
			s.live.expect(live, now.Add(s.opts.TTL)) // others are not to wait for this one
		}
	}
	for _, live := range back {
		s.live.expect(live, live.deadline)
	}
}

// claim ends one session whose deadline has passed.
func (s *Store) claim(live *session) {
	w := s.begin(live.user)
	if live.leftAt.IsZero() {
		w.end(live, live.lastBeat)
		w.commit(presence.ByLapse)
		return
	}
	w.end(live, live.leftAt)
	w.commit(presence.ByLeave)
}

func (s *Store) beacon() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tellBeacon()
}

func (s *Store) tellBeacon() {
	b := presence.Beacon{Head: s.head, Now: s.asOf()}
	if time.Now().Before(s.held) {
		b.Held = presence.VersionAt(s.held)
	}
	s.feed.Beacon(b)
}

// deadlines is a heap of sessions, the first to lapse on top.
type deadlines []*session

func (d *deadlines) expect(live *session, deadline time.Time) {
	live.deadline = deadline
	if live.place >= 0 {
		heap.Fix(d, live.place)
		return
	}
	heap.Push(d, live)
}

func (d *deadlines) remove(live *session) { heap.Remove(d, live.place) }

func (d deadlines) Len() int           { return len(d) }
func (d deadlines) Less(i, j int) bool { return d[i].deadline.Before(d[j].deadline) }
func (d deadlines) Swap(i, j int) {
	d[i], d[j] = d[j], d[i]
	d[i].place, d[j].place = i, j
}

func (d *deadlines) Push(x any) {
	live := x.(*session)
	live.place = len(*d)
	*d = append(*d, live)
}

func (d *deadlines) Pop() any {
	old := *d
	live := old[len(old)-1]
	old[len(old)-1] = nil
	*d = old[:len(old)-1]
	live.place = -1
	return live
}
