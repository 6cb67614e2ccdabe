package sse

import (
	"math"
	"slices"
)

// A mailbox is what one stream watches and has not yet written: at most one
// frame a key, or a bounded number of parts. It is guarded by its stream's lock.
// An idle one is the list of its watches and nothing else.
type mailbox struct {
	watches []watch            // places are kept: topics point to them by index
	parts   map[int32][]*Frame // by slot, those pending of keys made of parts; nil where there are none
	dirty   []int32            // slots with something pending, in the order in which it came; some no longer
	counts  [stateCount]int32
	free    int32 // first free slot plus one
	hint    int32 // where find begins
	opened  bool
	quiet   bool // until Run has taken the catch-up
}

// A watch is one watched key, or a free slot.
type watch struct {
	topic   *topic // nil: free
	pending *Frame // of a key made of parts, any of them, or lost
	digest  uint64 // of what was sent last, or 0. Only this, so that the frame itself can go
	version int64  // the newest offered; an older one is dropped
	place   int32  // in topic.subs; in a free slot, the next free one plus one
	variant Variant
	urgent  bool // what is pending goes at once, also when what made it so was replaced
	held    bool // what is pending waits for a snapshot
	listed  bool // the slot is in dirty; stays with the slot, not the key
}

// A state tells what a watch has pending.
type state uint8

const (
	settled state = iota // nothing
	normal
	urgent
	held
	stateCount
)

func (w *watch) state() state {
	switch {
	case w.pending == nil:
		return settled
	case w.held:
		return held
	case w.urgent:
		return urgent
	}
	return normal
}

// add puts w in a slot. Until the stream has opened, slots are in the order in
// which keys were watched, as Opening sees them; so only later are they reused.
func (b *mailbox) add(w watch, how entry) int32 {
	w.version = math.MinInt64
	if how.sent != nil {
		w.digest, w.version = how.sent.Digest, how.sent.Version
	}
	w.held = how.held && b.opened
	b.counts[settled]++
	if slot := b.free - 1; b.opened && slot >= 0 {
		b.free = b.watches[slot].place
		w.listed = b.watches[slot].listed
		b.watches[slot] = w
		return slot
	}
	b.watches = append(b.watches, w)
	return int32(len(b.watches) - 1)
}

func (b *mailbox) remove(slot int32) {
	b.put(slot, nil)
	b.counts[settled]--
	b.watches[slot] = watch{place: b.free, listed: b.watches[slot].listed}
	b.free = slot + 1
}

// move makes the watch forget everything of its old variant but what the reader
// has seen.
func (b *mailbox) move(slot int32, v Variant) {
	if w := &b.watches[slot]; w.variant != v {
		b.put(slot, nil)
		w.variant = v
		w.version = math.MinInt64
	}
}

// find returns the slot of t, or -1. It begins where the last search ended:
// lookups are offered in the order in which their keys were watched, so that
// most searches are one step.
func (b *mailbox) find(t *topic) int32 {
	n := int32(len(b.watches))
	for i := range n {
		slot := b.hint + i
		if slot >= n {
			slot -= n
		}
		if b.watches[slot].topic == t {
			b.hint = (slot + 1) % n
			return slot
		}
	}
	return -1
}

// offer takes f in, unless it is older than what came before. It tells whether
// the writer should know: not when it knows already that something waits, nor in
// the quiet, whose end it is told.
func (b *mailbox) offer(slot int32, f *Frame) (wake bool) {
	w := &b.watches[slot]
	before := b.counts
	switch {
	case w.topic.parts:
		b.offerPart(slot, f)
	case f.Version < w.version:
		return false
	case f.Digest != 0 && f.Digest == w.digest:
		w.version = f.Version
		b.put(slot, nil) // things are again as the reader saw them last
	default:
		w.version = f.Version
		b.put(slot, f)
	}
	return !b.quiet && (b.counts[urgent] > before[urgent] || before[normal] == 0 && b.counts[normal] > 0)
}

// put makes f what is pending in slot, and keeps the counts.
func (b *mailbox) put(slot int32, f *Frame) {
	w := &b.watches[slot]
	b.counts[w.state()]--
	w.pending = f
	w.urgent = f != nil && (w.urgent || f.Urgent)
	b.counts[w.state()]++
	if f == nil {
		b.forget(slot)
	} else if !w.listed {
		w.listed = true
		b.dirty = append(b.dirty, slot)
	}
}

// unhold holds back no longer what is pending in slot.
func (b *mailbox) unhold(slot int32) {
	w := &b.watches[slot]
	b.counts[w.state()]--
	w.held = false
	b.counts[w.state()]++
}

// ship returns what is pending in slot, or nil, and counts it as sent.
func (b *mailbox) ship(slot int32) *Frame {
	w := &b.watches[slot]
	f := w.pending
	if f != nil {
		w.digest = f.Digest
		b.put(slot, nil)
	}
	return f
}

// take moves what is pending and urgent to out, or all but what is held.
func (b *mailbox) take(out *batch, all bool) {
	rest := b.dirty[:0]
	for _, slot := range b.dirty {
		w := &b.watches[slot]
		switch state := w.state(); {
		case state == held, state == normal && !all:
			rest = append(rest, slot)
			continue
		case state == settled:
		case w.topic.parts:
			out.parcels = append(out.parcels, b.shipParts(slot))
		default:
			out.shipments = append(out.shipments, shipment{w.topic.key.Kind, b.ship(slot)})
		}
		w.listed = false
	}
	b.dirty = rest
	if len(rest) == 0 && cap(rest) > 256 {
		b.dirty = nil // one storm should not stay for half an hour of quiet
	}
}

// open ships all that a snapshot may show, in the order of watching, nil where
// nothing came yet.
func (b *mailbox) open() []News {
	news := make([]News, 0, len(b.watches))
	for slot := range b.watches {
		if t := b.watches[slot].topic; t != nil {
			news = append(news, News{t.key, b.lead(int32(slot))})
		}
	}
	b.sweep()
	b.begin()
	return news
}

// begin ends the time before the opening, or where there is none.
func (b *mailbox) begin() {
	b.opened = true
	if b.muted() {
		b.mute()
	}
}

// sweep takes what is settled off the list.
func (b *mailbox) sweep() {
	var rest []int32
	for _, slot := range b.dirty {
		w := &b.watches[slot]
		if w.listed = w.pending != nil; w.listed {
			rest = append(rest, slot)
		}
	}
	b.dirty = rest
}

// release ships what a snapshot may show of t, and holds it back no longer.
func (b *mailbox) release(t *topic) *Frame {
	slot := b.find(t)
	if slot < 0 {
		return nil
	}
	f := b.lead(slot)
	b.unhold(slot)
	return f
}

// grow makes room for n watches and no more.
func (b *mailbox) grow(n int) { b.watches = slices.Grow(b.watches, n) }

// pending tells whether anything that was offered is still to be written.
func (b *mailbox) pending() bool {
	return b.counts[normal]+b.counts[urgent]+b.counts[held] > 0
}

// A shipment is a frame on its way out.
type shipment struct {
	kind  Kind
	frame *Frame
}
