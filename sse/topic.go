package sse

import (
	"slices"
	"sync"
)

// A topic is a key that is watched, with those who watch it.
type topic struct {
	key   Key
	parts bool  // it is of a kind that is made of parts
	refs  int32 // guarded by the shard: subscribers, and those about to join

	mu   sync.Mutex // guards what follows
	subs []sub
}

// A sub is one stream's watch as its topic sees it: the two point to each other
// by index, so that neither side needs a map.
type sub struct {
	stream  *Stream
	slot    int32 // in the stream's mailbox
	variant Variant
}

// join makes s a subscriber in variant v. It returns false when it did not
// become one: it is one already, or closed.
func (t *topic) join(s *Stream, v Variant, how entry) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	if slot := t.slot(s); slot >= 0 {
		if how.sent == nil {
			t.subs[s.box.watches[slot].place].variant = v
			s.box.move(slot, v)
		}
		s.show(slot, how.shown)
		return false
	}
	slot := s.box.add(watch{topic: t, place: int32(len(t.subs)), variant: v}, how)
	t.subs = append(t.subs, sub{stream: s, slot: slot, variant: v})
	s.show(slot, how.shown)
	return true
}

// part takes s out of the subscribers. It returns false when s was none.
func (t *topic) part(s *Stream) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	place := t.remove(s)
	if place < 0 {
		return false
	}
	t.cut(place)
	return true
}

// remove takes t out of the mailbox of s, and returns the place of s among the subscribers, or -1.
func (t *topic) remove(s *Stream) (place int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	slot := t.slot(s)
	if slot < 0 {
		return -1
	}
	place = s.box.watches[slot].place
	s.box.remove(slot)
	return place
}

// cut removes the subscriber at place and moves the last one there.
func (t *topic) cut(place int32) {
	last := len(t.subs) - 1
	if moved := t.subs[last]; int(place) != last {
		t.subs[place] = moved
		moved.stream.mu.Lock()
		moved.stream.box.watches[moved.slot].place = place
		moved.stream.mu.Unlock()
	}
	t.subs[last] = sub{}
	t.subs = t.subs[:last]
	if cap(t.subs) > 16 && last < cap(t.subs)/4 {
		t.subs = slices.Clone(t.subs) // a crowd that has gone takes its memory along
	}
}

// slot returns the slot of t in the mailbox of s, or -1, going through whichever
// side is shorter. The locks of both are held.
func (t *topic) slot(s *Stream) int32 {
	if len(t.subs) > len(s.box.watches) {
		return s.box.find(t)
	}
	for i := range t.subs {
		if t.subs[i].stream == s {
			return t.subs[i].slot
		}
	}
	return -1
}

// offer holds the topic's lock for the whole round, so that a stream that parts
// meanwhile cannot leave a slot that means another key by then.
func (t *topic) offer(v Variant, f *Frame) {
	var r round
	defer r.end()
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range t.subs {
		if sub := &t.subs[i]; sub.variant == v {
			sub.stream.offer(sub.slot, f, &r)
		}
	}
}

func (t *topic) variants() []Variant {
	var seen [256]bool
	n := 0
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range t.subs {
		if v := t.subs[i].variant; !seen[v] {
			seen[v] = true
			n++
		}
	}
	list := make([]Variant, 0, n)
	for v := 0; len(list) < n; v++ {
		if seen[v] {
			list = append(list, Variant(v))
		}
	}
	return list
}

func (t *topic) watchers() map[*Stream]Variant {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make(map[*Stream]Variant, len(t.subs))
	for i := range t.subs {
		all[t.subs[i].stream] = t.subs[i].variant
	}
	return all
}
