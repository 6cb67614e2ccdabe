package sse

import (
	"cmp"
	"hash/maphash"
	"slices"
	"sync"
)

// shardCount is how many locks the keys share. It only has to make it unlikely
// that two of the handful of goroutines that offer meet in one.
const shardCount = 64

// Hub brings frames to the streams that watch their keys. Its methods may be
// called from any goroutine; offers of different keys do not wait for each
// other.
type Hub struct {
	// Panicked is told what a stream's mailbox panicked with when something was
	// offered to it. The stream ends, and the others of the topic get what is
	// theirs. Where it is nil, whoever offers panics. Set before the hub is used.
	Panicked func(value any)

	kinds  []KindSpec
	seed   maphash.Seed
	shards [shardCount]shard

	mu      sync.Mutex // guards what follows
	streams []*Stream  // each knows its place here
}

// Locks are taken in the order topic, stream, shard, each left out at will.
// Nobody holds two of one sort.

// A shard holds the topics of its part of the keys.
type shard struct {
	mu     sync.RWMutex // guards topics, and every topic's refs
	topics map[Key]*topic
}

// NewHub returns a hub for kinds, where a [Kind] is an index. Their order is
// also the order of events within one flush.
func NewHub(kinds []KindSpec) *Hub {
	h := &Hub{kinds: slices.Clone(kinds), seed: maphash.MakeSeed()}
	for i := range h.shards {
		h.shards[i].topics = make(map[Key]*topic)
	}
	return h
}

// Watch makes s watch k in variant v. It does nothing when s is closed.
//
// When s watches k in another variant already, it moves. What is pending of the
// old variant is dropped, as it may no longer be shown, and versions start anew,
// as those of different views do not compare. What was sent stays known, so that
// an offer that looks the same is not written again. So after a move the caller
// offers the view of the new variant to s.
func (h *Hub) Watch(s *Stream, k Key, v Variant) { h.watch(s, k, v, entry{}) }

// WatchHeld is Watch for a key that is added to an open stream, whose first
// frame should come in a snapshot: what is offered waits for a
// [Stream.Resnapshot] that names the key. A key that s watches already is not
// held back.
func (h *Hub) WatchHeld(s *Stream, k Key, v Variant) { h.watch(s, k, v, entry{held: true}) }

// WatchSent is Watch for a key of which f counts as written, because another
// event carries it. It does nothing to a key that s watches already, in whatever
// variant: what is known to be sent of that is surer.
func (h *Hub) WatchSent(s *Stream, k Key, v Variant, f *Frame) { h.watch(s, k, v, entry{sent: f}) }

// Show is WatchHeld and [Stream.Offer] in one step, which is a third of the work
// where fifty keys are to be shown to a stream that begins.
func (h *Hub) Show(s *Stream, k Key, v Variant, f *Frame) {
	h.watch(s, k, v, entry{held: true, shown: f})
}

// An entry tells how a watch begins.
type entry struct {
	held  bool
	sent  *Frame // or nil
	shown *Frame // or nil: it is offered
}

func (h *Hub) watch(s *Stream, k Key, v Variant, how entry) {
	_ = h.kinds[k.Kind] // an unknown kind is a bug of the caller: panic here, not in Run
	t := h.enter(k)
	if !t.join(s, v, how) {
		h.leave(t)
	}
}

// Unwatch makes s forget k: what is pending of it is dropped, and what was sent
// is no longer known.
func (h *Hub) Unwatch(s *Stream, k Key) {
	if t := h.topic(k); t != nil {
		h.part(t, s)
	}
}

// part takes s out of t.
func (h *Hub) part(t *topic, s *Stream) {
	if t.part(s) {
		h.leave(t)
	}
}

// Offer offers f to every stream that watches k in v.
func (h *Hub) Offer(k Key, v Variant, f *Frame) {
	if t := h.topic(k); t != nil {
		t.offer(v, f)
	}
}

// Variants tells in which variants k is watched, so that nothing is encoded for
// nobody.
func (h *Hub) Variants(k Key) []Variant {
	if t := h.topic(k); t != nil {
		return t.variants()
	}
	return nil
}

// Watchers returns the streams that watch k, with the variant that each does so in.
func (h *Hub) Watchers(k Key) map[*Stream]Variant {
	if t := h.topic(k); t != nil {
		return t.watchers()
	}
	return nil
}

// Busiest returns the n keys of a kind that most streams watch, with how many do, the most first. It looks at all of them, so it is for people.
func (h *Hub) Busiest(kind Kind, n int) []Audience {
	var all []Audience
	for i := range h.shards {
		all = append(all, h.shards[i].audiences(kind)...)
	}
	slices.SortFunc(all, func(a, b Audience) int {
		return cmp.Or(cmp.Compare(b.Streams, a.Streams), cmp.Compare(a.Key.ID, b.Key.ID))
	})
	return all[:min(n, len(all))]
}

// An Audience is how many streams watch a key.
type Audience struct {
	Key     Key
	Streams int
}

func (sh *shard) audiences(kind Kind) (all []Audience) {
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	for k, t := range sh.topics {
		if k.Kind == kind {
			all = append(all, Audience{k, int(t.refs)})
		}
	}
	return all
}

// Watched tells whether any stream watches k.
func (h *Hub) Watched(k Key) bool { return h.topic(k) != nil }

// Broadcast sends e to every stream, as [Stream.Send] does.
func (h *Hub) Broadcast(e Event) {
	for _, s := range h.Streams() {
		s.Send(e)
	}
}

// Streams returns the streams that are not closed.
func (h *Hub) Streams() []*Stream {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.streams)
}

// Len returns how many streams are not closed.
func (h *Hub) Len() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.streams)
}

func (h *Hub) add(s *Stream) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s.place = len(h.streams)
	h.streams = append(h.streams, s)
}

func (h *Hub) remove(s *Stream) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s.place < 0 {
		return
	}
	last := len(h.streams) - 1
	h.streams[s.place] = h.streams[last]
	h.streams[s.place].place = s.place
	h.streams[last] = nil
	h.streams = h.streams[:last]
	s.place = -1
}

func (h *Hub) shard(k Key) *shard {
	return &h.shards[(maphash.String(h.seed, k.ID)+uint64(k.Kind))%shardCount]
}

// topic returns the topic of k, or nil where nobody watches it.
func (h *Hub) topic(k Key) *topic {
	sh := h.shard(k)
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	return sh.topics[k]
}

// enter returns the topic of k, which stays in the hub until leave. Counting
// references apart from subscribers lets a shard's lock be held for a moment
// only, and not while a large topic fans out.
func (h *Hub) enter(k Key) *topic {
	sh := h.shard(k)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	t := sh.topics[k]
	if t == nil {
		t = &topic{key: k, parts: h.kinds[k.Kind].Merge != nil}
		sh.topics[k] = t
	}
	t.refs++
	return t
}

func (h *Hub) leave(t *topic) {
	sh := h.shard(t.key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if t.refs--; t.refs == 0 {
		delete(sh.topics, t.key)
	}
}
