package redisstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/presently/presently/presence"
)

const (
	deafAfter  = 2 * time.Second        // without a beacon
	checkEvery = 250 * time.Millisecond // how often lanes are checked for deafness while others speak
	dialAgain  = 100 * time.Millisecond // first pause between two tries, doubled up to a second, each with jitter
)

var errDeaf = errors.New("no beacon for 2 s")

// ear listens to all lanes on one connection, and tells the feed what it hears and when it cannot hear. It is a loop of our own because
// go-redis's Channel drops messages, hides reconnects and never notices a server that hangs.
type ear struct {
	store *Store
	feed  presence.Feed
	log   *slog.Logger
	lanes []hearing
	lost  bool
	check time.Time // when to look for deaf lanes again
}

// hearing is what was heard on one lane.
type hearing struct {
	head   presence.Head
	doubt  bool      // nothing was heard yet on this connection: something may have been said before it
	spoke  bool      // a beacon came on this connection
	beacon time.Time // of the last one
}

func newEar(s *Store, feed presence.Feed) *ear {
	e := &ear{store: s, feed: feed, log: s.opts.Logger, lanes: make([]hearing, s.Lanes())}
	for i := range e.lanes {
		e.lanes[i].beacon = time.Now() // as if: from now on silence counts
	}
	return e
}

// listen holds a connection until ctx ends.
func (e *ear) listen(ctx context.Context) {
	pause := dialAgain
	for ctx.Err() == nil {
		start := time.Now()
		err := e.store.opts.Panics.Try(presence.PanicInStore, func() error { return e.connection(ctx) })
		if ctx.Err() != nil {
			return
		}
		if errors.Is(err, presence.ErrPanicked) {
			e.forget() // the next connection tells the feed what it may have missed
		}
		e.tellOfDeafness()
		if time.Since(start) > deafAfter+time.Second {
			pause = dialAgain
		}
		e.log.Debug("redis: listening ended", "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(pause/2 + rand.N(pause)):
		}
		e.tellOfDeafness()
		pause = min(2*pause, time.Second)
	}
}

func (e *ear) tellOfDeafness() {
	_ = e.store.opts.Panics.Try(presence.PanicInStore, func() error { e.lookForDeafness(time.Now()); return nil })
}

// forget has it taken for missed what memory may not have heard.
func (e *ear) forget() {
	for lane := range e.store.memory {
		e.store.memory[lane].missed()
	}
}

// connection listens on one connection until it fails, or is deaf.
func (e *ear) connection(ctx context.Context) error {
	ps := e.store.client.Subscribe(ctx) // of nothing yet: does not connect
	stop := context.AfterFunc(ctx, func() { _ = ps.Close() })
	defer func() {
		stop()
		_ = ps.Close()
	}()
	if err := e.subscribe(ctx, ps); err != nil {
		return err
	}
	e.store.tally.connections.Add(1)
	for i := range e.lanes {
		e.lanes[i].doubt, e.lanes[i].spoke = true, false
	}
	since := time.Now()
	for {
		// Beacons come on every lane, so a silent connection is a broken one: a timeout, which may leave half a message in the buffer, ends it.
		m, err := ps.ReceiveTimeout(ctx, deafAfter)
		if err != nil {
			return fmt.Errorf("receive: %w", err)
		}
		now := time.Now()
		if m, ok := m.(*redis.Message); ok {
			e.hear(m, now)
		}
		if now.Before(e.check) {
			continue
		}
		e.check = now.Add(checkEvery)
		e.lookForDeafness(now)
		e.lookForRecovery()
		if e.deaf(now) && now.Sub(since) > deafAfter {
			return errDeaf // this connection may be to a server that is no longer the master
		}
	}
}

func (e *ear) subscribe(ctx context.Context, ps *redis.PubSub) error {
	// While nothing is lost yet, a try may not take longer than until it is: that must be told in time.
	limit := stepTimeout
	if left := deafAfter - time.Since(e.oldest()); !e.lost && left > 0 {
		limit = min(limit, left)
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	channels := make([]string, 0, len(e.lanes))
	for c := range e.store.channels {
		channels = append(channels, c)
	}
	if err := ps.Subscribe(ctx, channels...); err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	return nil
}

// hear takes one message. Of what was missed the feed is told before it hears what came after.
func (e *ear) hear(m *redis.Message, now time.Time) {
	lane, ok := e.store.channels[m.Channel]
	if !ok {
		return
	}
	msg, ok := parseMessage(lane, m.Payload)
	if !ok {
		return // of another version of the program; where it counts, the next number shows it
	}
	h := &e.lanes[lane]
	if msg.micros == 0 {
		c := msg.change
		if c.Epoch < h.head.Epoch {
			return // a server that is no longer the master
		}
		e.move(lane, c.Head, presence.Head{Epoch: h.head.Epoch, Seq: h.head.Seq + 1})
		if e.store.memory[lane].hear(c, msg.told) {
			e.store.recaller.lost(lane)
		}
		e.feed.Changed(c)
		return
	}
	b := msg.beacon
	if b.Epoch < h.head.Epoch {
		return
	}
	e.move(lane, b.Head, h.head)
	e.store.clocks[lane].observe(msg.micros)
	e.store.memory[lane].tick(b.Now)
	h.beacon, h.spoke = now, true
	e.feed.Beacon(b)
}

// move notes that a lane has come to head, which was to be expected if nothing was missed.
func (e *ear) move(lane int, head, expected presence.Head) {
	h := &e.lanes[lane]
	if head.Epoch != h.head.Epoch {
		e.store.clocks[lane].reset() // time itself may have been lost
		e.store.renewed.Store(true)
	}
	e.store.memory[lane].epoch.Store(head.Epoch)
	switch {
	case h.head.Epoch == 0:
		e.store.memory[lane].settle(head.Epoch)
		e.store.memory[lane].missed()
	case head.Epoch != h.head.Epoch:
		e.store.recaller.lost(lane)
	case head != expected:
		e.store.memory[lane].missed()
	}
	if h.doubt || head != expected {
		e.feed.Missed(lane)
	}
	h.head, h.doubt = head, false
}

func (e *ear) deaf(now time.Time) bool { return now.Sub(e.oldest()) >= deafAfter }

// oldest is when the lane that has been silent for longest spoke.
func (e *ear) oldest() time.Time {
	oldest := e.lanes[0].beacon
	for _, h := range e.lanes[1:] {
		if h.beacon.Before(oldest) {
			oldest = h.beacon
		}
	}
	return oldest
}

// lookForDeafness tells the feed when it can no longer be sure of what happens: a lane is silent, or commands fail.
func (e *ear) lookForDeafness(now time.Time) {
	if e.lost || !e.deaf(now) && !e.store.health.anyFailing(deafAfter) {
		return
	}
	e.log.Warn("redis: lost", "commandsFail", e.store.health.anyFailing(deafAfter))
	e.feed.Lost()
	e.lost = true
}

// lookForRecovery tells the feed when all lanes speak again and commands get through.
func (e *ear) lookForRecovery() {
	if !e.lost || e.store.health.anyFailing(deafAfter) {
		return
	}
	if e.deaf(time.Now()) || slices.ContainsFunc(e.lanes, func(h hearing) bool { return !h.spoke }) {
		return
	}
	e.log.Warn("redis: found again")
	for i := range e.lanes {
		e.feed.Missed(i)
	}
	e.feed.Found()
	e.lost = false
}
