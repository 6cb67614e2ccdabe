package sse

import (
	"fmt"
	"io"
	"runtime"
	"sync"
	"testing"
	"time"
)

// discard is a sink that takes everything.
type discard struct{}

func (discard) Write(p []byte) error { _, err := io.Discard.Write(p); return err }

// BenchmarkOffer1000Watchers offers one frame to a thousand streams. "mailbox"
// is the hub's part; "written" waits until all have written it.
func BenchmarkOffer1000Watchers(b *testing.B) {
	data := fmt.Appendf(nil, `{"userId":"u1","status":"busy","rev":%d}`, time.Now().UnixMicro())
	b.Run("mailbox", func(b *testing.B) {
		h := NewHub(testKinds)
		for range 1000 {
			watching(h, Options{}, user("a"))
		}
		b.ReportAllocs()
		for v := int64(0); b.Loop(); v++ {
			h.Offer(user("a"), 0, &Frame{Data: data, Digest: uint64(v), Version: v})
		}
		perStream(b, 1000)
	})
	b.Run("written", func(b *testing.B) {
		h := NewHub(testKinds)
		var written, running sync.WaitGroup
		for range 1000 {
			s := watching(h, Options{}, user("a"))
			running.Go(func() { s.Run(b.Context(), counting{&written}) })
		}
		b.ReportAllocs()
		for v := int64(0); b.Loop(); v++ {
			written.Add(1000)
			h.Offer(user("a"), 0, &Frame{Data: data, Digest: uint64(v), Version: v})
			written.Wait()
		}
		perStream(b, 1000)
		b.StopTimer()
		for _, s := range h.Streams() {
			s.End()
		}
		running.Wait()
	})
}

type counting struct{ written *sync.WaitGroup }

func (c counting) Write([]byte) error {
	c.written.Done()
	return nil
}

func perStream(b *testing.B, streams int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*streams), "ns/stream")
}

// BenchmarkOfferInParallel shows that offers of different keys do not contend.
func BenchmarkOfferInParallel(b *testing.B) {
	h := NewHub(testKinds)
	keys := make([]Key, 64)
	for i := range keys {
		keys[i] = user(fmt.Sprint(i))
		watching(h, Options{}, keys[i])
	}
	var mu sync.Mutex
	next := 0
	b.RunParallel(func(pb *testing.PB) {
		mu.Lock()
		k := keys[next%len(keys)]
		next++
		mu.Unlock()
		for v := int64(0); pb.Next(); v++ {
			h.Offer(k, 0, &Frame{Digest: uint64(v), Version: v})
		}
	})
}

// BenchmarkConnect watches a thousand keys and offers what a lookup found.
func BenchmarkConnect(b *testing.B) {
	h := NewHub(testKinds)
	var keys []Key
	for i := range 1000 {
		keys = append(keys, user(fmt.Sprint(i)))
	}
	crowd := watching(h, Options{}, keys...)
	defer crowd.Close()
	f := say(1, "online")
	b.ReportAllocs()
	for b.Loop() {
		s := watching(h, Options{Watches: len(keys)}, keys...)
		for _, k := range keys {
			s.Offer(k, 0, f)
		}
		s.Close()
	}
}

// BenchmarkFlush writes a hundred changed users as one event.
func BenchmarkFlush(b *testing.B) {
	h := NewHub(testKinds)
	s := h.NewStream(Options{})
	data := make([]byte, 200)
	for i := range data {
		data[i] = 'x'
	}
	for i := range 100 {
		h.Watch(s, user(fmt.Sprint(i)), 0)
	}
	w := writer{Stream: s, sink: discard{}}
	w.open()
	b.ReportAllocs()
	for v := int64(0); b.Loop(); v++ {
		f := &Frame{Data: data, Digest: uint64(v), Version: v}
		for slot := range int32(100) {
			s.offer(slot, f, new(round))
		}
		if _, err := w.flush(); err != nil {
			b.Fatal(err)
		}
	}
	s.Close()
}

// BenchmarkIdleStreamMemory measures what a stream costs that watches 50 keys,
// has shown a frame of each, and now waits: in this package, without HTTP. In
// "shared" all streams watch the same keys, in "own" no two do; the ids and the
// goroutine's stack are told apart.
func BenchmarkIdleStreamMemory(b *testing.B) {
	const streams, watches = 2000, 50
	for name, key := range map[string]func(s, w int) Key{
		"shared": func(_, w int) Key { return user(fmt.Sprint(w)) },
		"own":    func(s, w int) Key { return user(fmt.Sprint(s, "-", w)) },
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				h := NewHub(testKinds)
				before, stackBefore := memory()
				var running sync.WaitGroup
				for i := range streams {
					s := idle(h, i, watches, key)
					running.Go(func() { s.Run(b.Context(), discard{}) })
				}
				settleAll(h)
				after, stackAfter := memory()
				b.ReportMetric(float64(after-before)/streams, "B/stream")
				b.ReportMetric(float64(stackAfter-stackBefore)/streams, "stackB/stream")
				for _, s := range h.Streams() {
					s.End()
				}
				running.Wait()
			}
		})
	}
}

// idle returns a stream with a frame offered for each of its keys.
func idle(h *Hub, i, watches int, key func(s, w int) Key) *Stream {
	s := h.NewStream(Options{
		Coalesce: 250 * time.Millisecond, Comment: 15 * time.Second, Ping: 30 * time.Second,
		PingEvent: func() Event { return Event{Name: "ping", ID: fmt.Sprint(i)} },
		Cursor:    func() string { return fmt.Sprint(i) },
		Opening:   func([]News, string) []Event { return []Event{{Name: "hello"}} },
		Watches:   watches,
	})
	for w := range watches {
		k := key(i, w)
		h.Watch(s, k, 0)
		s.Offer(k, 0, &Frame{Data: make([]byte, 300), Version: 1})
	}
	return s
}

// settleAll waits until every stream has opened.
func settleAll(h *Hub) {
	for _, s := range h.Streams() {
		for pendingIn(s) {
			runtime.Gosched()
		}
	}
	time.Sleep(100 * time.Millisecond) // a benchmark may: it measures what is real
}

func memory() (heap, stack int64) {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // the second one empties the pools
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc), int64(m.StackInuse)
}
