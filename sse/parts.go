package sse

import "slices"

// partsLimit is how many frames of one key made of parts wait for a writer. Past
// it the whole is the shorter story, and a reader that is stuck costs no more.
const partsLimit = 512

// lost is what is pending of a key whose parts were dropped: all that is left of
// them is that there were some. Whoever writes it asks Options.Whole instead.
var lost = new(Frame)

// A parcel is what was pending of one key made of parts, on its way out.
type parcel struct {
	key    Key
	frames []*Frame // nil: lost
}

// offerPart takes f in among what is pending in slot.
func (b *mailbox) offerPart(slot int32, f *Frame) {
	p := b.entry(slot)
	wasLost := p != nil && p.frame == lost
	b.put(slot, f) // so that the key is as urgent as f, whatever becomes of f
	if b.muted() || wasLost && !f.Whole {
		b.lose(slot)
		return
	}
	parts := with(b.parts[slot], f)
	if len(parts) > partsLimit {
		b.lose(slot)
		return
	}
	if b.parts == nil {
		b.parts = make(map[int32][]*Frame)
	}
	b.parts[slot] = parts
}

// with returns parts and f, which replaces what it makes obsolete.
func with(parts []*Frame, f *Frame) []*Frame {
	if f.Whole {
		return []*Frame{f}
	}
	same := func(old *Frame) bool { return !old.Whole && old.Part == f.Part }
	if i := slices.IndexFunc(parts, same); i >= 0 {
		parts[i] = f
		return parts
	}
	return append(parts, f)
}

// lose drops the parts that are pending in slot, and remembers that.
func (b *mailbox) lose(slot int32) {
	b.put(slot, lost)
	b.forget(slot)
}

// forget drops the parts of slot. The map goes with the last of them, as an idle
// stream should not keep one.
func (b *mailbox) forget(slot int32) {
	delete(b.parts, slot)
	if len(b.parts) == 0 {
		b.parts = nil
	}
}

// lead ships what a snapshot may show of slot, which is one frame: of a key made
// of parts only a whole one, or lost. The parts after that stay.
func (b *mailbox) lead(slot int32) *Frame {
	parts := b.parts[slot]
	switch {
	case len(parts) == 0 || len(parts) == 1 && parts[0].Whole:
		return b.ship(slot)
	case parts[0].Whole:
		b.parts[slot] = parts[1:]
		b.put(slot, parts[1])
		return parts[0]
	}
	return nil
}
