package redisstore

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestReadersTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hung := errors.New("hung")
		r, shut := newReaders(), atomic.Bool{}
		refuse := func() error {
			if shut.Load() {
				return hung
			}
			return nil
		}
		enter := func(ctx context.Context) (leave func(), waited time.Duration, err error) {
			began := time.Now()
			leave, err = r.enter(ctx, refuse)
			return leave, time.Since(began), err
		}
		var leaves []func()
		for range readersMost {
			leave, waited, err := enter(t.Context())
			if err != nil || waited != 0 {
				t.Fatalf("%v after %v, want a turn at once", err, waited)
			}
			leaves = append(leaves, leave)
		}
		time.AfterFunc(time.Second, leaves[0])
		leave, waited, err := enter(t.Context())
		if err != nil || waited != time.Second {
			t.Errorf("%v after %v, want the turn that was over after a second", err, waited)
		}
		if _, waited, err := enter(t.Context()); !errors.Is(err, errCrowded) || waited != readerPatience {
			t.Errorf("%v after %v, want to be sent away", err, waited)
		}
		gone, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, waited, err := enter(gone); !errors.Is(err, context.DeadlineExceeded) || waited != time.Second {
			t.Errorf("%v after %v, want the end of who asked", err, waited)
		}
		time.AfterFunc(time.Second+time.Millisecond, func() { shut.Store(true) })
		if _, waited, err := enter(t.Context()); !errors.Is(err, hung) || waited > time.Second+2*readerLooks {
			t.Errorf("%v after %v, want to be told soon after the gate was shut", err, waited)
		}
		leave()
		if _, _, err := enter(t.Context()); !errors.Is(err, hung) || len(r) != readersMost-1 {
			t.Errorf("%v, %d inside; want to be told, and the turn given back", err, len(r))
		}
	})
}
