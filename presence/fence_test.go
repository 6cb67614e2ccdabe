package presence_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/presently/presently/presence"
)

// reads is what a fence reads: every read takes a while, and tells its number as of when it began.
type reads struct {
	began, ended atomic.Int64
	takes        time.Duration
	fail         error
}

func (r *reads) read(ctx context.Context) ([]presence.Head, error) {
	n := r.began.Add(1)
	defer r.ended.Add(1)
	select {
	case <-time.After(r.takes):
		return []presence.Head{{Epoch: 1, Seq: n}}, r.fail
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func TestAStormOfWaitsReadsTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &reads{takes: time.Second}
		wait := presence.Fence(r.read)
		var all sync.WaitGroup
		for range 1000 {
			all.Go(func() {
				if heads, err := wait(t.Context()); err != nil || len(heads) != 1 {
					t.Errorf("got %v, %v", heads, err)
				}
			})
		}
		all.Wait()
		if n := r.began.Load(); n > 2 {
			t.Errorf("%d reads for 1000 who waited at once, want at most 2", n)
		}
	})
}

// A read that is under way may have begun before a write that was acknowledged since.
func TestWhoComesDuringAReadGetsTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &reads{takes: time.Second}
		wait := presence.Fence(r.read)
		var all sync.WaitGroup
		for i := range 50 {
			all.Go(func() {
				time.Sleep(time.Duration(i) * 70 * time.Millisecond)
				begun := r.began.Load()
				heads, err := wait(t.Context())
				if err != nil {
					t.Error(err)
				} else if heads[0].Seq <= begun {
					t.Errorf("served by read %d, which had begun before", heads[0].Seq)
				}
			})
		}
		all.Wait()
		// 3.5 s of comers and reads of a second, one at a time.
		if n := r.began.Load(); n > 6 {
			t.Errorf("%d reads, want at most 6", n)
		}
	})
}

func TestReadsOfAFenceDoNotOverlap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var now atomic.Int64
		wait := presence.Fence(func(context.Context) ([]presence.Head, error) {
			if n := now.Add(1); n > 1 {
				t.Errorf("%d reads at once", n)
			}
			time.Sleep(time.Millisecond)
			now.Add(-1)
			return nil, nil
		})
		var all sync.WaitGroup
		for i := range 200 {
			all.Go(func() {
				time.Sleep(time.Duration(i) * 100 * time.Microsecond)
				_, _ = wait(t.Context())
			})
		}
		all.Wait()
	})
}

func TestAFailedReadFailsItsWaitersAndNoOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("broken")
		r := &reads{takes: time.Second, fail: broken}
		wait := presence.Fence(r.read)
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() {
				if _, err := wait(t.Context()); !errors.Is(err, broken) {
					t.Errorf("got %v, want %v", err, broken)
				}
			})
		}
		all.Wait()
		r.fail = nil
		if _, err := wait(t.Context()); err != nil {
			t.Errorf("the next one got %v", err)
		}
	})
}

// Whoever reads for the others must not take their answer with him when his client goes away.
func TestTheReadOutlivesItsLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &reads{takes: time.Second}
		wait := presence.Fence(r.read)
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() { _, _ = wait(ctx) })
		synctest.Wait() // who leads is reading
		for range 5 {
			all.Go(func() {
				if _, err := wait(t.Context()); err != nil {
					t.Errorf("who waits on: %v", err)
				}
			})
		}
		synctest.Wait()
		cancel()
		all.Wait()
	})
}

func TestWhoGivesUpDoesNotStrandTheLead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &reads{takes: time.Second}
		wait := presence.Fence(r.read)
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		for range 20 { // each may or may not take the lead before it sees that it has gone
			began := time.Now()
			if _, err := wait(gone); err == nil && time.Since(began) < time.Second {
				t.Fatal("an answer without a read")
			}
		}

		// All who would have taken the lead next give up while a read is under way.
		var all sync.WaitGroup
		all.Go(func() { _, _ = wait(t.Context()) })
		synctest.Wait()
		soon, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		for range 5 {
			all.Go(func() {
				if _, err := wait(soon); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %v, want the end of the context", err)
				}
			})
		}
		all.Wait()
		if _, err := wait(t.Context()); err != nil {
			t.Errorf("the next one got %v", err)
		}
	})
}

func TestAHungStoreHoldsAFenceForSecondsOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &reads{takes: time.Hour}
		wait := presence.Fence(r.read)
		began := time.Now()
		if _, err := wait(t.Context()); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the end of its time", err)
		}
		if took := time.Since(began); took != presence.SharedFor {
			t.Errorf("it took %s, want %s", took, presence.SharedFor)
		}
	})
}
