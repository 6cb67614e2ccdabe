package redisstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/presently/presently/internal/redistest"
	"github.com/presently/presently/presence"
)

// snare is a hook of the client that panics in so many pipelines to come.
type snare struct{ left atomic.Int32 }

func (s *snare) DialHook(next redis.DialHook) redis.DialHook          { return next }
func (s *snare) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }
func (s *snare) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, commands []redis.Cmder) error {
		if s.left.Add(-1) >= 0 {
			panic("in a pipeline")
		}
		return next(ctx, commands)
	}
}

// startled is a feed that panics at so many changes to come.
type startled struct {
	*tape
	left atomic.Int32
}

func (s *startled) Changed(c presence.Change) {
	if s.left.Add(-1) >= 0 {
		panic("at a change")
	}
	s.tape.Changed(c)
}

// What runs for all in the store's own goroutines goes on after a panic, and who waits for it is told.
func TestAStoreSurvivesPanics(t *testing.T) {
	server := redistest.Start(t)
	panics := presence.NewPanics(slog.New(slog.DiscardHandler))
	feed, hook := &startled{tape: newTape()}, &snare{}
	s := open(t, server.URL(), Options{TTL: testTTL, Sweep: testSweep, Partitions: 4, Panics: panics})
	s.client.AddHook(hook)
	i := &instance{Store: s, tape: feed.tape, t: t}
	t.Cleanup(start(t, s, feed))
	feed.until(t, "every lane", func() bool { return len(feed.beacons) == s.Lanes() })

	hook.left.Store(1 << 20)
	began := time.Now()
	for range 2 * flushersShared { // each flusher is to meet it, and to live
		if _, err := s.Beat(t.Context(), testBeat("ada", "session-1")); !errors.Is(err, presence.ErrUnavailable) {
			t.Errorf("a beat whose pipeline panics: %v", err)
		}
	}
	if _, err := s.Heads(t.Context(), s.all()); !errors.Is(err, presence.ErrUnavailable) {
		t.Errorf("heads whose pipeline panics: %v", err)
	}
	if took := time.Since(began); took > callTimeout {
		t.Errorf("they waited for %v instead of being told", took)
	}
	hook.left.Store(0)
	retry(t, func() error { _, err := s.Beat(t.Context(), testBeat("ada", "session-1")); return err })
	i.wantStatus("ada", presence.Online)
	feed.waitFor(t, "ada beat", 1)

	missed := fmt.Sprint("missed ", s.Lane("bob"))
	before := feed.count(missed)
	feed.left.Store(1)
	i.beat(testBeat("bob", "session-1"))
	feed.waitFor(t, missed, before+1)
	i.beat(testBeat("cy", "session-1"))
	feed.waitFor(t, "cy beat", 1)
	if panics.Counts()[presence.PanicInStore] < 2*flushersShared+2 {
		t.Errorf("counted: %v", panics.Counts())
	}
	if s.health.anyFailing(deafAfter) {
		t.Error("beacons have ended")
	}
}
