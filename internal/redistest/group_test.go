package redistest_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/presently/presently/internal/redistest"
)

func TestClusterServesEverySlotAndItsURLNamesAllNodes(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t, 3, 0)
	client, ctx := c.Client(t), t.Context()
	for i := range 50 {
		must(t, client.Set(ctx, fmt.Sprint("k", i), i, 0).Err())
	}
	if got, err := client.DBSize(ctx).Result(); got != 50 {
		t.Errorf("keys = %d, %v; want 50", got, err)
	}
	if want := "redis://" + strings.Join(c.Addrs(), ","); c.URL() != want || len(c.Addrs()) != 3 {
		t.Errorf("URL = %s, want %s", c.URL(), want)
	}
}

func TestClusterReplicaTakesOverAKilledMaster(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t, 3, 1)
	client, ctx := c.Client(t), t.Context()
	must(t, client.Set(ctx, "k", "v", 0).Err())
	must(t, client.Do(ctx, "WAIT", 1, 1000).Err())
	old := c.MasterOf(ctx, "k")
	old.Kill()
	until(t, func() error {
		if s := c.MasterOf(ctx, "k"); s == old {
			return errors.New("the dead master is still named")
		}
		return client.Get(ctx, "k").Err()
	})
	old.Restart() // as a replica, which it learns from the others
	until(t, func() error {
		if role := old.Info(ctx, "replication")["role"]; role != "slave" {
			return fmt.Errorf("old master is %s", role)
		}
		return nil
	})
}

func TestSentinelsPromoteAReplicaOfAKilledMaster(t *testing.T) {
	t.Parallel()
	g := redistest.StartSentinel(t, 1)
	client, ctx := g.Client(t), t.Context()
	must(t, client.Set(ctx, "k", "v", 0).Err())
	must(t, client.Do(ctx, "WAIT", 1, 1000).Err())
	old := g.Master()
	old.Kill()
	until(t, func() error {
		if g.Master() == old {
			return errors.New("the dead master is still named")
		}
		return client.Get(ctx, "k").Err()
	})
	if old != g.Servers[0] {
		t.Error("the first master was not the first server")
	}
	if !strings.HasPrefix(g.URL(), "redis+sentinel://127.0.0.1:") || !strings.HasSuffix(g.URL(), "/mymaster") {
		t.Errorf("URL = %s", g.URL())
	}
}

// until waits for what Redis decides by its own clock.
func until(t *testing.T, f func() error) {
	t.Helper()
	limit := time.NewTimer(40 * time.Second)
	defer limit.Stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := f()
		if err == nil {
			return
		}
		select {
		case <-limit.C:
			t.Fatalf("still: %v", err)
		case <-tick.C:
		}
	}
}
