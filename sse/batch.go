package sse

import "sync"

// A batch is all that one flush writes. Batches are pooled, so that a stream
// between two flushes holds no buffers.
type batch struct {
	control   []Event
	final     []Event
	shipments []shipment
	snapshots []composition
	cursor    string // the id to give, or empty
	ended     bool

	out  []byte
	data []byte // of one event that merges frames
}

// A composition is a snapshot with the news that it is made of.
type composition struct {
	news    []News
	compose Compose
}

var batches = sync.Pool{New: func() any { return new(batch) }}

// batchLimit is the size past which a buffer is left to the garbage collector: a
// few large snapshots should not make the pool large for good.
const batchLimit = 64 << 10

func newBatch() *batch { return batches.Get().(*batch) }

func (b *batch) recycle() {
	if cap(b.out)+cap(b.data)+16*cap(b.shipments) > batchLimit {
		return
	}
	clear(b.shipments) // a pooled batch should not keep frames alive
	*b = batch{shipments: b.shipments[:0], out: b.out[:0], data: b.data[:0]}
	batches.Put(b)
}

func (b *batch) event(e Event) { b.out = e.AppendTo(b.out) }

func (b *batch) events(list []Event) {
	for _, e := range list {
		b.event(e)
	}
}

// frames writes the shipments, kind after kind. The last event has the cursor,
// unless a snapshot follows that will have it.
func (b *batch) frames(kinds []KindSpec) {
	left := len(b.shipments)
	for k := range kinds {
		if left == 0 {
			return
		}
		kind := &kinds[k]
		merged := 0
		for _, s := range b.shipments {
			if s.kind != Kind(k) {
				continue
			}
			left--
			if kind.Each {
				b.event(Event{Name: kind.Name, ID: b.id(left), Data: s.frame.Data})
				continue
			}
			b.merge(kind, s.frame, merged == 0)
			merged++
		}
		if merged > 0 {
			b.data = append(b.data, kind.Close...)
			b.event(Event{Name: kind.Name, ID: b.id(left), Data: b.data})
		}
	}
}

// merge adds f to the data of one event of its kind.
func (b *batch) merge(kind *KindSpec, f *Frame, first bool) {
	if first {
		b.data = append(b.data[:0], kind.Open...)
	} else {
		b.data = append(b.data, kind.Sep...)
	}
	b.data = append(b.data, f.Data...)
}

// id returns the id of an event after which left frames follow.
func (b *batch) id(left int) string {
	if left > 0 || len(b.snapshots) > 0 {
		return ""
	}
	return b.cursor
}

// compose writes the snapshots. The last one may use the cursor.
func (b *batch) compose() {
	for i, s := range b.snapshots {
		cursor := ""
		if i == len(b.snapshots)-1 {
			cursor = b.cursor
		}
		b.events(s.compose(s.news, cursor))
	}
}
