//go:build !race

package sse

import (
	"testing"
	"unsafe"
)

// What is counted here is the same on every machine, however busy: see docs/performance.md. Counts may only fall. The race detector
// would add to them: `make test-counts` runs these, without it.

func TestCountedAllocationsOfADelivery(t *testing.T) {
	const watchers = 1000
	h := NewHub(testKinds)
	writers := make([]writer, watchers)
	for i := range writers {
		s := h.NewStream(Options{Cursor: func() string { return "cursor" }})
		h.Watch(s, user("a"), 0)
		writers[i] = writer{Stream: s, sink: discard{}}
		if err := writers[i].open(); err != nil {
			t.Fatal(err)
		}
	}
	frames := make([]*Frame, 200)
	for v := range frames {
		frames[v] = &Frame{Data: []byte(`{"userId":"a","status":"busy"}`), Digest: uint64(v + 1), Version: int64(v)}
	}
	next := 0
	deliver := func() {
		h.Offer(user("a"), 0, frames[next])
		next++
		for i := range writers {
			if _, err := writers[i].flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	deliver() // each mailbox makes its list
	if n := testing.AllocsPerRun(100, deliver); n > watchers/100 {
		t.Errorf("a change for %d watchers makes %v allocations", watchers, n)
	}
}

// A stream that waits is little more than its watches: on either side of the list, fifty times each.
func TestCountedBytesOfAWatch(t *testing.T) {
	if n := unsafe.Sizeof(watch{}); n > 24 {
		t.Errorf("a watch is %d bytes in its stream's mailbox", n)
	}
	if n := unsafe.Sizeof(sub{}); n > 16 {
		t.Errorf("a watch is %d bytes in its topic", n)
	}
}
