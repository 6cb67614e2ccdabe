package sse

import (
	"sync"
	"time"
)

// A batch is all that one flush writes. Batches are pooled, so that a stream
// between two flushes holds no buffers.
type batch struct {
	control   []Event
	final     []Event
	shipments []shipment
	parcels   []parcel
	snapshots []composition
	cursor    string // the id to give, or empty
	ended     bool
	since     time.Time // when the first of the frames came; zero: not known
	began     time.Time // to be made

	out  []byte
	data []byte // of one event that merges frames
	last Event  // of the frames, until it is known that another follows
	held bool   // there is such a last
}

// A composition is a snapshot or catch-up with the news that it is made of.
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
	if cap(b.out)+cap(b.data)+16*cap(b.shipments)+48*cap(b.parcels) > batchLimit {
		return
	}
	clear(b.shipments) // a pooled batch should not keep frames alive
	clear(b.parcels)
	*b = batch{shipments: b.shipments[:0], parcels: b.parcels[:0], out: b.out[:0], data: b.data[:0]}
	batches.Put(b)
}

func (b *batch) event(e Event) { b.out = e.AppendTo(b.out) }

func (b *batch) events(list []Event) {
	for _, e := range list {
		b.event(e)
	}
}

// frames writes the shipments and parcels, kind after kind. The last event has
// the cursor, unless a snapshot follows that will have it.
func (b *batch) frames(kinds []KindSpec) {
	for k := range kinds {
		if kind := &kinds[k]; kind.Merge != nil {
			b.unpack(Kind(k), kind)
		} else {
			b.ship(Kind(k), kind)
		}
	}
	if len(b.snapshots) > 0 {
		b.settle("")
	} else {
		b.settle(b.cursor)
	}
}

// ship writes the shipments of one kind.
func (b *batch) ship(k Kind, kind *KindSpec) {
	merged := 0
	for _, s := range b.shipments {
		switch {
		case s.kind != k:
		case kind.Each:
			b.next(Event{Name: kind.Name, Data: s.frame.Data})
		default:
			b.merge(kind, s.frame, merged == 0)
			merged++
		}
	}
	if merged > 0 {
		b.data = append(b.data, kind.Close...)
		b.next(Event{Name: kind.Name, Data: b.data})
	}
}

// merge adds f to the data of one event of its kind.
func (b *batch) merge(kind *KindSpec, f *Frame, first bool) {
	if first {
		b.settle("") // its data may be here, and f makes another event
		b.data = append(b.data[:0], kind.Open...)
	} else {
		b.data = append(b.data, kind.Sep...)
	}
	b.data = append(b.data, f.Data...)
}

// unpack writes the parcels of one kind.
func (b *batch) unpack(k Kind, kind *KindSpec) {
	for _, p := range b.parcels {
		if p.key.Kind != k || len(p.frames) == 0 {
			continue
		}
		for _, e := range kind.Merge(p.key, p.frames) {
			b.next(e)
		}
	}
}

// next writes e as soon as it is known whether it is the last. What a parcel
// comes to is not known before, and may be nothing.
func (b *batch) next(e Event) {
	b.settle("")
	b.last, b.held = e, true
}

// settle writes what next was given last.
func (b *batch) settle(id string) {
	if b.held {
		b.last.ID = id
		b.event(b.last)
		b.held = false
	}
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
