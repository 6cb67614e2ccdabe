package memstore_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/presently/presently/presence"
	"github.com/presently/presently/presence/memstore"
)

// counted is a feed that counts what it is told to have missed.
type counted struct{ missed int }

func (*counted) Changed(presence.Change) {}
func (*counted) Beacon(presence.Beacon)  {}
func (c *counted) Missed(int)            { c.missed++ }
func (*counted) Lost()                   {}
func (*counted) Found()                  {}

// Whoever has Run begin again after a panic has heard nothing meanwhile.
func TestARunThatBeginsAgainSaysThatSomethingWasMissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, feed := memstore.New(memstore.Options{TTL: time.Minute, Sweep: time.Second}), &counted{}
		for range 2 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			if err := s.Run(ctx, feed); err != nil {
				t.Error(err)
			}
			cancel()
		}
		if feed.missed != 1 {
			t.Errorf("told %d times that something was missed, want once", feed.missed)
		}
	})
}
