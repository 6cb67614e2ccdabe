package main

import (
	"os"
	"runtime/debug"
)

// Left alone, Go's collector lets as much garbage pile up as there is that lives. A small instance then collects fifty times a second where
// it is busy, as there is next to nothing that lives; a large one holds twice what its streams need. With both of these, garbage takes half of
// what lives and 16 MiB: see docs/performance.md for what that is worth. GOGC and GOMEMLIMIT of the environment win.
const (
	garbageShare = 50       // % of what lives
	ballastSize  = 32 << 20 // counted as living, and never touched: it takes no memory
)

var ballast []byte

func limitGarbage() {
	if os.Getenv("GOGC") == "" && os.Getenv("GOMEMLIMIT") == "" {
		ballast = make([]byte, ballastSize)
		debug.SetGCPercent(garbageShare)
	}
}
