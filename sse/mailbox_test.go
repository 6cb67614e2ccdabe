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
		// Each play has a bubble of its own, as rapid measures time. A failure is
		// a panic, which rapid expects in its own goroutine.
		var failure any
		synctest.Test(t, func(t *testing.T) {
			defer func() { failure = recover() }()
			p := newPlay(t, rt)
			defer p.end()
			rt.Repeat(map[string]func(*rapid.T){
				"offer":    p.offer,
				"offer 2":  p.offer, // as often as all that moves watches about
				"offer 3":  p.offer,
				"offer 4":  p.offer,
				"watch":    p.watch,
				"unwatch":  p.unwatch,
				"snapshot": p.snapshot,
				"pass":     p.pass,
				"stall":    p.stallOrResume,
				"":         p.check,
			})
			p.settle()
		})
		if failure != nil {
			panic(failure)
		}
	})
}

const playKeys = 4

// A play is the model: what was said of each key, and what the reader saw.
type play struct {
	rt      *rapid.T
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

func newPlay(t *testing.T, rt *rapid.T) *play {
	p := &play{rt: rt, h: NewHub(testKinds), tape: &tape{}, done: make(chan struct{}), watches: map[string]*told{}}
	o := Options{Cursor: func() string { return fmt.Sprint(p.moment.Load()) }}
	o.Coalesce = time.Duration(rapid.IntRange(0, 2).Draw(rt, "coalesce")) * time.Second
	p.s = p.h.NewStream(o)
	go func() {
		defer close(p.done)
		p.s.Run(t.Context(), p.tape)
	}()
	synctest.Wait()
	for i := range playKeys {
		p.enroll(strconv.Itoa(i), 0, false)
	}
	return p
}

func (p *play) end() {
	if p.resume != nil {
		p.resume()
	}
	p.s.End()
	<-p.done
	if p.h.Len() > 0 || p.h.Watched(p.key("0")) {
		p.rt.Error("the hub is not empty")
	}
}

// key makes half of the keys of one kind and half of the other.
func (p *play) key(id string) Key { return Key{Kind(id[0] % 2), id} }

func (p *play) draw(rt *rapid.T) string {
	return strconv.Itoa(rapid.IntRange(0, playKeys-1).Draw(rt, "key"))
}

// drawVariant draws mostly the one, so that most offers find a watch.
func (p *play) drawVariant(rt *rapid.T) Variant {
	return rapid.SampledFrom([]Variant{0, 0, 0, 1}).Draw(rt, "variant")
}

// offer says one of three things of a key, with a version that may be old, to
// all or to this stream, in a variant that may be another.
func (p *play) offer(rt *rapid.T) {
	id := p.draw(rt)
	v := p.drawVariant(rt)
	version := rapid.Int64Range(0, 20).Draw(rt, "version")
	said := rapid.SampledFrom([]string{"online", "busy", "away"}).Draw(rt, "said")
	f := say(version, fmt.Sprintf("%s/%d/%d/%s", id, v, version, said))
	f.Digest = maphash.String(seed, said) // not the version: that is the moment
	f.Urgent = rapid.Bool().Draw(rt, "urgent")
	if rapid.Bool().Draw(rt, "alone") {
		p.s.Offer(p.key(id), v, f)
	} else {
		p.h.Offer(p.key(id), v, f)
	}
	p.moment.Add(1)
	if w := p.watches[id]; w != nil && w.variant == v && version >= w.version {
		w.version, w.due = version, said
		w.past[p.moment.Load()] = said
	}
	synctest.Wait()
}

func (p *play) watch(rt *rapid.T) {
	id, v := p.draw(rt), p.drawVariant(rt)
	held := rapid.Bool().Draw(rt, "held")
	p.catchUp()
	p.enroll(id, v, held)
}

func (p *play) enroll(id string, v Variant, held bool) {
	if held {
		p.h.WatchHeld(p.s, p.key(id), v)
	} else {
		p.h.Watch(p.s, p.key(id), v)
	}
	w := p.watches[id]
	p.moment.Add(1)
	switch {
	case w == nil:
		p.watches[id] = &told{variant: v, held: held, version: -1, written: -1, past: map[int64]string{p.moment.Load(): ""}}
	case w.variant != v:
		w.variant, w.version, w.written, w.due = v, -1, -1, w.shown
		w.past = map[int64]string{p.moment.Load(): w.shown}
	}
}

func (p *play) unwatch(rt *rapid.T) {
	id := p.draw(rt)
	p.catchUp()
	p.h.Unwatch(p.s, p.key(id))
	delete(p.watches, id)
	p.moment.Add(1)
}

// snapshot composes one event a frame, in the form in which they would have come.
func (p *play) snapshot(rt *rapid.T) {
	ids := rapid.SliceOfNDistinct(rapid.IntRange(0, playKeys-1), 1, playKeys, rapid.ID).Draw(rt, "keys")
	p.absorb()
	var keys []Key
	for _, i := range ids {
		keys = append(keys, p.key(strconv.Itoa(i)))
	}
	p.s.Resnapshot(keys, func(frames []*Frame, cursor string) (events []Event) {
		for _, f := range frames {
			if f != nil {
				events = append(events, Event{Name: "room", Data: f.Data})
			}
		}
		return append(events, Event{Name: "end", ID: cursor, Data: []byte("end")})
	})
	for _, k := range keys {
		if w := p.watches[k.ID]; w != nil {
			w.held = false
		}
	}
	p.catchUp() // so that the snapshot is written
}

func (p *play) pass(rt *rapid.T) {
	pass(time.Duration(rapid.IntRange(1, 1500).Draw(rt, "ms")) * time.Millisecond)
}

func (p *play) stallOrResume(*rapid.T) {
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
func (p *play) check(rt *rapid.T) {
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
		rt.Fatalf("%d frames are pending, counted as %d", pending, counted)
	}
	if len(b.watches) > playKeys || len(b.dirty) > playKeys {
		rt.Fatalf("%d watches and %d dirty slots for %d keys", len(b.watches), len(b.dirty), playKeys)
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
				p.rt.Fatalf("an event follows the one with the id: %q", text)
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
		p.rt.Fatalf("%q: %v", data, err)
	}
	w := p.watches[id]
	switch {
	case w == nil || w.variant != v:
		p.rt.Fatalf("%q is written and not watched", data)
	case version < w.written:
		p.rt.Fatalf("%s: version %d is written after %d", id, version, w.written)
	case said == w.shown:
		p.rt.Fatalf("%s: %q is written twice", id, said)
	case w.held:
		p.rt.Fatalf("%s: %q is written before its snapshot", id, said)
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
			p.rt.Fatalf("id %s promises more of %s than %q: %v", id, k, w.shown, w.past)
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
			p.rt.Fatalf("%s: the reader sees %q in the end, want %q", id, w.shown, w.due)
		}
	}
}
