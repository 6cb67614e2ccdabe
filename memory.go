package main

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// Left alone, Go's collector lets as much garbage pile up as there is that lives. A small instance then collects all the time while it is busy, as there is
// next to nothing that lives: a quarter of the CPU of heartbeats went there. With both of these, garbage takes half of what lives and 32 MiB. GOGC and GOMEMLIMIT
// of the environment win. docs/performance.md has what was measured.
const (
	garbageShare = 50       // % of what lives
	ballastSize  = 64 << 20 // counted as living, and never touched: it takes no memory
)

// What a storm of reconnects took is given back when it is quiet: ten thousand idle streams are to cost what they hold, not what opening them took.
const (
	quietEvery  = 3 * time.Second
	quietAllocs = 5 << 20  // of garbage made in that time; who makes more will want the memory again
	worthwhile  = 16 << 20 // to give back
)

// limitGarbage sets the collector until what it returns is called, unless the environment does.
func limitGarbage() (end func()) {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return func() {}
	}
	ballast := make([]byte, ballastSize)
	before := debug.SetGCPercent(garbageShare)
	return func() {
		debug.SetGCPercent(before)
		runtime.KeepAlive(ballast)
	}
}

// returnMemory gives memory back whenever it is quiet after it was not, until ctx ends.
func returnMemory(ctx context.Context) {
	tick := time.NewTicker(quietEvery)
	defer tick.Stop()
	before, kept := uint64(0), uint64(0) // kept: what was still held after the last time, so that it is not tried for ever
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := readHeap()
		quiet := now.allocated-before < quietAllocs
		before = now.allocated
		if spare := now.held - min(now.held, now.live); quiet && spare > kept+worthwhile && spare > now.live/8 {
			debug.FreeOSMemory()
			now = readHeap()
			kept = now.held - min(now.held, now.live)
		}
	}
}

// heap is what the collector knows, in bytes. The ballast counts as neither: it lives, and takes nothing.
type heap struct{ allocated, live, held uint64 }

func readHeap() heap {
	samples := []metrics.Sample{
		{Name: "/gc/heap/allocs:bytes"}, {Name: "/gc/heap/live:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/free:bytes"}, {Name: "/memory/classes/heap/unused:bytes"},
	}
	metrics.Read(samples)
	value := func(i int) uint64 { return samples[i].Value.Uint64() }
	return heap{allocated: value(0), live: value(1), held: value(2) + value(3) + value(4)}
}
