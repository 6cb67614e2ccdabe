package sse

import "testing"

func TestWorkersShareWhatWaits(t *testing.T) {
	const streams = 100
	p, other := NewPool(), NewPool()
	p.workers, other.workers = 2, 2
	var r round
	for i := range streams {
		r.add(&pooled{pool: p, id: uint64(i)})
		if i == streams/2 {
			r.add(&pooled{pool: other, id: streams})
		}
	}
	r.end()
	r.end() // there is nothing more
	if other.length != 1 || other.next().id != streams {
		t.Error("the stream of another pool is not in its queue")
	}
	seen := uint64(0)
	for p.length > 0 {
		n, most := 0, p.length
		for m := p.next(); m != nil; m = m.next {
			if m.id != seen {
				t.Fatalf("stream %d comes when %d is due", m.id, seen)
			}
			seen++
			n++
		}
		if n > fewStreams/2 || most > 1 && n > most/2 || p.length != streams-int(seen) {
			t.Errorf("a worker takes %d of %d, and leaves %d", n, most, p.length)
		}
	}
	if seen != streams || p.first != nil {
		t.Errorf("%d of %d streams", seen, streams)
	}
}

// Waking a thread costs as much as several writes.
func TestFewStreamsWakeOneWorker(t *testing.T) {
	p := NewPool()
	p.workers, p.asleep = 4, 4
	for i, want := range map[int]int{1: 3, fewStreams: 3, fewStreams + 1: 2, 2*fewStreams + 1: 1, 4 * fewStreams: 0} {
		p.length, p.asleep, p.first, p.last = 0, 4, nil, nil
		for range i {
			m := &pooled{pool: p}
			p.queue(m, m, 1)
		}
		if p.asleep != want {
			t.Errorf("%d streams leave %d workers asleep, want %d", i, p.asleep, want)
		}
	}
}
