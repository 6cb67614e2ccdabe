package sse

import (
	"fmt"
	"hash/maphash"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// TestMailboxProperties plays random offers, moves, pauses and stalls on one
// stream and holds what its reader sees against a model that remembers all.
func TestMailboxProperties(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		coalesce := time.Duration(rapid.IntRange(0, 2).Draw(rt, "coalesce")) * time.Second
		var steps []step
		for range 5 { // rapid's slices are short
			steps = append(steps, rapid.SliceOf(rapid.Custom(drawStep)).Draw(rt, "steps")...)
		}
		// rapid stays outside the bubble: it measures time, and expects failures
		// in its own goroutine.
		var failure any
		synctest.Test(t, func(t *testing.T) {
			defer func() { failure = recover() }()
			p := newPlay(t, coalesce)
			defer p.end()
			for _, step := range steps {
				p.play(step)
				p.check()
			}
			p.settle()
		})
		if failure != nil {
			rt.Fatal(failure)
		}
	})
}

// A step is one thing that happens to the stream.
type step struct {
	do      string
	key     string
	variant Variant

	frame *Frame // of offer
	said  string // in it
	alone bool   // offered to this stream, not to all

	held bool // of watch
	keys []string
	time time.Duration // of pass
}

func (s step) GoString() string {
	switch s.do {
	case "offer":
		return fmt.Sprintf("offer %s urgent=%t alone=%t", s.frame.Data, s.frame.Urgent, s.alone)
	case "watch":
		return fmt.Sprintf("watch %s/%d held=%t", s.key, s.variant, s.held)
	case "unwatch":
		return "unwatch " + s.key
	case "snapshot":
		return fmt.Sprint("snapshot ", s.keys)
	case "pass":
		return fmt.Sprint("pass ", s.time)
	}
	return s.do
}

func drawStep(rt *rapid.T) step {
	key := rapid.SampledFrom(playKeys)
	s := step{
		do:      rapid.SampledFrom(strings.Fields("offer offer offer offer offer watch watch unwatch snapshot pass stall")).Draw(rt, "do"),
		key:     key.Draw(rt, "key"),
		variant: rapid.SampledFrom([]Variant{0, 0, 1}).Draw(rt, "variant"), // most offers find a watch
	}
	switch s.do {
	case "offer":
		s.said = rapid.SampledFrom([]string{"online", "busy", "away"}).Draw(rt, "said")
		version := rapid.Int64Range(0, 20).Draw(rt, "version")
		s.frame = say(version, fmt.Sprintf("%s/%d/%d/%s", s.key, s.variant, version, s.said))
		s.frame.Digest = maphash.String(seed, s.said) // not the version: that is the moment
		s.frame.Urgent = rapid.Bool().Draw(rt, "urgent")
		s.alone = rapid.Bool().Draw(rt, "alone")
	case "watch":
		s.held = rapid.Bool().Draw(rt, "held")
	case "snapshot":
		s.keys = rapid.SliceOfNDistinct(key, 1, len(playKeys), rapid.ID).Draw(rt, "keys")
	case "pass":
		s.time = time.Duration(rapid.IntRange(1, 1500).Draw(rt, "ms")) * time.Millisecond
	}
	return s
}

var playKeys = []string{"0", "1", "2", "3"}

// A play is the model: what was said of each key, and what the reader saw.
type play struct {
	h       *Hub
	s       *Stream
	tape    *tape
	done    chan struct{}
	resume  func()
	moment  atomic.Int64 // counts what the feed did; the stream's cursor
	watches map[string]*told
}

// told is the model of one watch.
type told struct {
	variant Variant
	held    bool
	version int64            // newest said in this variant
	due     string           // what the reader should see in the end; empty: as it is
	shown   string           // what the reader saw last
	written int64            // its version, in this variant
	past    map[int64]string // due as of each moment at which it changed
}

func newPlay(t *testing.T, coalesce time.Duration) *play {
	p := &play{h: NewHub(testKinds), tape: &tape{}, done: make(chan struct{}), watches: map[string]*told{}}
	p.s = p.h.NewStream(Options{Coalesce: coalesce, Cursor: func() string { return fmt.Sprint(p.moment.Load()) }})
	go func() {
		defer close(p.done)
		p.s.Run(t.Context(), p.tape)
	}()
	synctest.Wait()
	for _, key := range playKeys[:2] {
		p.watch(key, 0, false)
	}
	return p
}

func (p *play) end() {
	if p.resume != nil {
		p.resume()
	}
	p.s.End()
	<-p.done
}

func (p *play) fail(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

func (p *play) play(s step) {
	switch s.do {
	case "offer":
		p.offer(s)
	case "watch":
		p.watch(s.key, s.variant, s.held)
	case "unwatch":
		p.unwatch(s.key)
	case "snapshot":
		p.snapshot(s.keys)
	case "pass":
		pass(s.time)
	case "stall":
		p.stallOrResume()
	}
}

// key makes half of the keys of one kind and half of the other.
func (p *play) key(id string) Key { return Key{Kind(id[0] % 2), id} }

func (p *play) offer(s step) {
	if s.alone {
		p.s.Offer(p.key(s.key), s.variant, s.frame)
	} else {
		p.h.Offer(p.key(s.key), s.variant, s.frame)
	}
	moment := p.moment.Add(1)
	if w := p.watches[s.key]; w != nil && w.variant == s.variant && s.frame.Version >= w.version {
		w.version, w.due = s.frame.Version, s.said
		w.past[moment] = s.said
	}
	synctest.Wait()
}

func (p *play) watch(id string, v Variant, held bool) {
	p.catchUp()
	if held {
		p.h.WatchHeld(p.s, p.key(id), v)
	} else {
		p.h.Watch(p.s, p.key(id), v)
	}
	moment := p.moment.Add(1)
	switch w := p.watches[id]; {
	case w == nil:
		p.watches[id] = &told{variant: v, held: held, version: -1, written: -1, past: map[int64]string{moment: ""}}
	case w.variant != v:
		w.variant, w.version, w.written, w.due = v, -1, -1, w.shown
		w.past = map[int64]string{moment: w.shown}
	}
}

func (p *play) unwatch(id string) {
	p.catchUp()
	p.h.Unwatch(p.s, p.key(id))
	delete(p.watches, id)
	p.moment.Add(1)
}

// snapshot composes one event a frame, in the form in which they would have come.
func (p *play) snapshot(ids []string) {
	p.absorb()
	var keys []Key
	for _, id := range ids {
		keys = append(keys, p.key(id))
	}
	p.s.Resnapshot(keys, func(news []News, cursor string) (events []Event) {
		for _, n := range news {
			if n.Frame != nil {
				events = append(events, Event{Name: "room", Data: n.Frame.Data})
			}
		}
		return append(events, Event{Name: "end", ID: cursor, Data: []byte("end")})
	})
	for _, id := range ids {
		if w := p.watches[id]; w != nil {
			w.held = false
		}
	}
	p.catchUp() // so that the snapshot is written
}

func (p *play) stallOrResume() {
	if p.resume == nil {
		p.resume = p.tape.stall()
	} else {
		p.catchUp()
	}
}

// catchUp lets the reader read all that is written, so that nothing of it is
// taken for what comes after.
func (p *play) catchUp() {
	if p.resume != nil {
		p.resume()
		p.resume = nil
	}
	synctest.Wait()
	p.absorb()
}

// check reads what was written and looks at the bounds.
func (p *play) check() {
	synctest.Wait()
	p.absorb()
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	b := &p.s.box
	pending := 0
	for i := range b.watches {
		if b.watches[i].pending != nil {
			pending++
		}
	}
	if counted := b.counts[normal] + b.counts[urgent] + b.counts[held]; int(counted) != pending {
		p.fail("%d frames are pending, counted as %d", pending, counted)
	}
	if len(b.watches) > len(playKeys) || len(b.dirty) > len(playKeys) {
		p.fail("%d watches and %d dirty slots for %d keys", len(b.watches), len(b.dirty), len(playKeys))
	}
}

// absorb lets the reader read.
func (p *play) absorb() {
	p.tape.mu.Lock()
	writes := p.tape.writes
	p.tape.writes = nil
	p.tape.mu.Unlock()
	for _, write := range writes {
		_, text, _ := strings.Cut(write, " ")
		lastID := ""
		for _, e := range read(text).events {
			if lastID != "" {
				p.fail("an event follows the one with the id: %q", text)
			}
			lastID = e.lastID
			if e.name == "end" {
				continue
			}
			for part := range strings.SplitSeq(strings.Trim(e.data, "[]"), ",") {
				p.see(part)
			}
		}
		if lastID != "" {
			p.checkCovered(lastID)
		}
	}
}

func (p *play) see(data string) {
	var id, said string
	var v Variant
	var version int64
	if _, err := fmt.Sscanf(strings.ReplaceAll(data, "/", " "), "%s %d %d %s", &id, &v, &version, &said); err != nil {
		p.fail("%q: %v", data, err)
	}
	w := p.watches[id]
	switch {
	case w == nil || w.variant != v:
		p.fail("%q is written, and not watched", data)
	case version < w.written:
		p.fail("%s: version %d is written after %d", id, version, w.written)
	case said == w.shown:
		p.fail("%s: %q is written twice", id, said)
	case w.held:
		p.fail("%s: %q is written before its snapshot", id, said)
	}
	w.shown, w.written = said, version
}

// checkCovered checks what an id promises: that the reader has seen all that was
// said until then, or something newer.
func (p *play) checkCovered(id string) {
	moment, _ := strconv.ParseInt(id, 10, 64)
	for k, w := range p.watches {
		asOf, begun := int64(-1), false
		for m := range w.past {
			if m <= moment {
				asOf, begun = max(asOf, m), true
			}
		}
		if !begun {
			continue // watched since
		}
		ok := false
		for m, said := range w.past {
			ok = ok || m >= asOf && said == w.shown
		}
		if !ok {
			p.fail("id %s promises more of %s than %q: %v", id, k, w.shown, w.past)
		}
	}
}

// settle waits until everything is written, and looks whether the reader has the
// newest of everything.
func (p *play) settle() {
	p.catchUp()
	pass(time.Minute)
	p.absorb()
	for id, w := range p.watches {
		if !w.held && w.due != w.shown {
			p.fail("%s: the reader sees %q in the end, want %q", id, w.shown, w.due)
		}
	}
}
