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
	waiting []waiting          // what is pending, in the order in which it came; of some slots nothing by now
	parts   map[int32][]*Frame // by slot, those pending of keys made of parts; nil where there are none
	counts  [stateCount]int32
	free    int32 // first free slot plus one
	hint    int32 // where find begins
	turn    int32 // where entry begins
	opened  bool
	quiet   bool // until Run has taken the catch-up
}

// A watch is one watched key, or a free slot. There are fifty for each stream that
// waits, so it has nothing that only those need that do not wait.
type watch struct {
	topic   *topic // nil: free
	sent    *stamp // of what the reader knows of the key; nil: nothing
	place   int32  // in topic.subs; in a free slot, the next free one plus one
	variant Variant
	held    bool // what is pending waits for a snapshot
	listed  bool // the slot is in waiting; stays with the slot, not the key
}

// A waiting is what is pending in a slot.
type waiting struct {
	frame  *Frame // of a key made of parts, any of them, or lost; nil: nothing any more
	slot   int32
	urgent bool // goes at once, also when what made it so was replaced
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

// state tells of a slot with what is pending in it, or nil.
func (w *watch) state(p *waiting) state {
	switch {
	case p == nil || p.frame == nil:
		return settled
	case w.held:
		return held
	case p.urgent:
		return urgent
	}
	return normal
}

// add puts w in a slot. Until the stream has opened, slots are in the order in
// which keys were watched, as Opening sees them; so only later are they reused.
func (b *mailbox) add(w watch, how entry) int32 {
	if how.sent != nil {
		w.sent = how.sent.stamp()
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
	w := &b.watches[slot]
	if w.variant == v {
		return
	}
	b.put(slot, nil)
	w.variant = v
	if w.sent != nil {
		w.sent = &stamp{digest: w.sent.digest, version: math.MinInt64}
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

// entry returns what is pending in slot, or nil where it is not listed. It begins where the
// last search ended: an opening goes through all slots in their order.
func (b *mailbox) entry(slot int32) *waiting {
	if !b.watches[slot].listed {
		return nil
	}
	n := int32(len(b.waiting))
	for i := range n {
		at := b.turn + i
		if at >= n {
			at %= n
		}
		if b.waiting[at].slot == slot {
			b.turn = at + 1
			return &b.waiting[at]
		}
	}
	panic("sse: a slot is listed that is not in the list")
}

// newest is the version of the newest frame that was offered to a watch with p pending.
func (w *watch) newest(p *waiting) int64 {
	switch {
	case p != nil && p.frame != nil:
		return p.frame.Version
	case w.sent != nil:
		return w.sent.version
	}
	return math.MinInt64
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
	case f.Version < w.newest(b.entry(slot)):
		return false
	case f.Digest != 0 && w.sent != nil && f.Digest == w.sent.digest:
		w.sent = f.stamp()
		b.put(slot, nil) // things are again as the reader saw them last
	default:
		b.put(slot, f)
	}
	return !b.quiet && (b.counts[urgent] > before[urgent] || before[normal] == 0 && b.counts[normal] > 0)
}

// put makes f what is pending in slot, and keeps the counts.
func (b *mailbox) put(slot int32, f *Frame) {
	w, p := &b.watches[slot], b.entry(slot)
	if p == nil {
		if f == nil {
			return
		}
		w.listed = true
		if b.waiting == nil && !b.opened {
			b.waiting = make([]waiting, 0, cap(b.watches)) // each will come until it opens
		}
		b.waiting = append(b.waiting, waiting{slot: slot})
		p = &b.waiting[len(b.waiting)-1]
	}
	b.counts[w.state(p)]--
	p.frame, p.urgent = f, f != nil && (p.urgent || f.Urgent)
	b.counts[w.state(p)]++
	if f == nil {
		b.forget(slot)
	}
}

// unhold holds back no longer what is pending in slot.
func (b *mailbox) unhold(slot int32) {
	w, p := &b.watches[slot], b.entry(slot)
	b.counts[w.state(p)]--
	w.held = false
	b.counts[w.state(p)]++
}

// ship returns what is pending in slot, or nil, and counts it as sent.
func (b *mailbox) ship(slot int32) *Frame {
	p := b.entry(slot)
	if p == nil || p.frame == nil {
		return nil
	}
	f := p.frame
	b.watches[slot].sent = f.stamp()
	b.put(slot, nil)
	return f
}

// take moves what is pending and urgent to out, or all but what is held.
func (b *mailbox) take(out *batch, all bool) {
	rest := b.waiting[:0]
	for _, p := range b.waiting {
		w := &b.watches[p.slot]
		state := w.state(&p)
		if state == held || state == normal && !all {
			rest = append(rest, p)
			continue
		}
		w.listed = false
		if state == settled {
			continue
		}
		b.counts[state]--
		b.counts[settled]++
		if w.topic.parts {
			// A lost mark ends here, before anybody is asked for the whole: what is offered from now
			// on may be missing there, so it is kept.
			out.parcels = append(out.parcels, parcel{w.topic.key, b.parts[p.slot]})
			b.forget(p.slot)
			continue
		}
		w.sent = p.frame.stamp()
		out.shipments = append(out.shipments, shipment{w.topic.key.Kind, p.frame})
	}
	b.relist(rest)
}

// relist makes rest, which is the front of what was waiting, all that is.
func (b *mailbox) relist(rest []waiting) {
	clear(b.waiting[len(rest):]) // whoever waits holds no frames
	b.waiting = rest
	if len(rest) == 0 && cap(rest) > 64 {
		b.waiting = nil // one storm should not stay for half an hour of quiet
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
	rest := b.waiting[:0]
	for _, p := range b.waiting {
		w := &b.watches[p.slot]
		if w.listed = p.frame != nil; w.listed {
			rest = append(rest, p)
		}
	}
	b.relist(rest)
	if len(rest) == 0 {
		b.waiting = nil // an opening or a catch-up filled it as nothing that follows will
	}
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

// grow makes room for n watches and no more, and for what all of them show first.
func (b *mailbox) grow(n int) {
	b.watches, b.waiting = slices.Grow(b.watches, n), slices.Grow(b.waiting, n)
}

// pending tells whether anything that was offered is still to be written.
func (b *mailbox) pending() bool {
	return b.counts[normal]+b.counts[urgent]+b.counts[held] > 0
}

// A shipment is a frame on its way out.
type shipment struct {
	kind  Kind
	frame *Frame
}
