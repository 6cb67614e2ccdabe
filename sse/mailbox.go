package sse

import (
	"math"
	"slices"
)

// A mailbox is what one stream watches and has not yet written: at most one
// frame a key. It is guarded by its stream's lock. An idle one is the list of
// its watches and nothing else.
type mailbox struct {
	watches []watch // places are kept: topics point to them by index
	dirty   []int32 // slots with something pending, in the order in which it came; some no longer
	counts  [stateCount]int32
	free    int32 // first free slot plus one
	hint    int32 // where find begins
	opened  bool
}

// A watch is one watched key, or a free slot.
type watch struct {
	topic   *topic // nil: free
	pending *Frame
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
// the writer should know: not when it knows already that something waits.
func (b *mailbox) offer(slot int32, f *Frame) (wake bool) {
	w := &b.watches[slot]
	if f.Version < w.version {
		return false
	}
	w.version = f.Version
	before := b.counts
	if f.Digest != 0 && f.Digest == w.digest {
		b.put(slot, nil) // things are again as the reader saw them last
	} else {
		b.put(slot, f)
	}
	return b.counts[urgent] > before[urgent] || before[normal] == 0 && b.counts[normal] > 0
}

// put makes f what is pending in slot, and keeps the counts.
func (b *mailbox) put(slot int32, f *Frame) {
	w := &b.watches[slot]
	b.counts[w.state()]--
	w.pending = f
	w.urgent = f != nil && (w.urgent || f.Urgent)
	b.counts[w.state()]++
	if f != nil && !w.listed {
		w.listed = true
		b.dirty = append(b.dirty, slot)
	}
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

// take appends what is pending and urgent to dst, or all but what is held.
func (b *mailbox) take(dst []shipment, all bool) []shipment {
	rest := b.dirty[:0]
	for _, slot := range b.dirty {
		w := &b.watches[slot]
		switch state := w.state(); {
		case state == held, state == normal && !all:
			rest = append(rest, slot)
			continue
		case state != settled:
			dst = append(dst, shipment{w.topic.key.Kind, b.ship(slot)})
		}
		w.listed = false
	}
	b.dirty = rest
	if len(rest) == 0 && cap(rest) > 256 {
		b.dirty = nil // one storm should not stay for half an hour of quiet
	}
	return dst
}

// open ships everything, in the order of watching, nil where nothing came yet.
func (b *mailbox) open() []News {
	b.opened = true
	news := make([]News, 0, len(b.watches))
	for slot := range b.watches {
		if t := b.watches[slot].topic; t != nil {
			news = append(news, News{t.key, b.ship(int32(slot))})
		}
		b.watches[slot].listed = false
	}
	b.dirty = nil
	return news
}

// release ships what is pending of topics into their news, and holds it back no
// longer.
func (b *mailbox) release(news []News, topics []*topic) {
	for i, t := range topics {
		if t == nil {
			continue
		}
		if slot := b.find(t); slot >= 0 {
			news[i].Frame = b.ship(slot)
			b.watches[slot].held = false
		}
	}
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
