package redisstore

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/presently/presently/internal/redistest"
	"github.com/presently/presently/presence"
)

// While Redis stands still those who ask are told so before long, not each after the whole of his time: those who wait already as well as those who come.
func TestWhoWaitsForARedisThatHangsIsToldSoon(t *testing.T) {
	server := redistest.Start(t)
	i := begin(t, server.URL(), Options{})
	i.tape.ready(t, i.Store, false)
	i.beat(long("ada", "session-1"))
	server.Freeze()
	var waiting sync.WaitGroup
	began := time.Now()
	for range 20 {
		waiting.Go(func() {
			if _, err := i.Beat(t.Context(), long("ada", "session-1")); !errors.Is(err, presence.ErrUnavailable) {
				t.Errorf("a beat: %v", err)
			}
		})
	}
	soon(t, "the hang to be noticed", func() bool {
		select {
		case <-i.coalescers[0].hung():
			return true
		default:
			return false
		}
	})
	waiting.Wait()
	t.Logf("all were told after %v", time.Since(began))
	server.Thaw()
	soon(t, "calls to get through", func() bool {
		_, err := i.Beat(t.Context(), long("ada", "session-1"))
		return err == nil
	})
}

// A server whose beacons are answered is alive, however long others wait for theirs; so is one that nobody asks anything.
func TestALivelyRedisDoesNotHang(t *testing.T) {
	server := redistest.Start(t)
	i := begin(t, server.URL(), Options{})
	c := i.coalescers[0]
	c.waiting.Add(1) // one that is never answered, where beacons are
	c.heard.Store(localMicros() - time.Minute.Microseconds())
	checked := time.Now()
	for time.Since(checked) < 4*hungCheck {
		i.beat(long("ada", "session-1"))
		select {
		case <-c.hung():
			t.Fatal("called hung, and beacons are answered")
		case <-time.After(hungCheck / 10):
		}
		c.heard.Store(localMicros() - time.Minute.Microseconds())
	}
	c.waiting.Add(-1)
	i.must(func() error { _, err := i.Beat(t.Context(), long("ada", "session-1")); return err }())
}
