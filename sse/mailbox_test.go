package sse

import (
	"fmt"
	"hash/maphash"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// TestMailboxProperties plays random offers, moves, floods, pauses, stalls and
// quiet times on one stream and holds what its reader sees against a model that
// remembers all.
func TestMailboxProperties(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		coalesce := time.Duration(rapid.IntRange(0, 2).Draw(rt, "coalesce")) * time.Second
		opens := rapid.Bool().Draw(rt, "opens")
		early := rapid.SliceOf(rapid.Custom(drawStep)).Draw(rt, "early")
		var steps []step
		for range 5 { // rapid's slices are short
			steps = append(steps, rapid.SliceOf(rapid.Custom(drawStep)).Draw(rt, "steps")...)
		}
		// rapid stays outside the bubble: it measures time, and expects failures
		// in its own goroutine.
		var failure any
		synctest.Test(t, func(t *testing.T) {
			defer func() { failure = recover() }()
			p := newPlay(coalesce, opens)
			for _, step := range early {
				p.play(step)
				p.check()
			}
			p.begin(t)
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

	frame *Frame            // of offer
	said  map[string]string // in it, of each part; of "" where the key has no parts
	alone bool              // offered to this stream, not to all

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
	case "unwatch", "flood":
		return s.do + " " + s.key
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
		do:      rapid.SampledFrom(strings.Fields("offer offer offer offer offer offer watch watch unwatch snapshot pass stall quiet send flood")).Draw(rt, "do"),
		key:     key.Draw(rt, "key"),
		variant: rapid.SampledFrom([]Variant{0, 0, 1}).Draw(rt, "variant"), // most offers find a watch
	}
	switch s.do {
	case "offer":
		version := rapid.Int64Range(0, 20).Draw(rt, "version")
		s.said = drawSaid(rt, s.key)
		s.frame = saying(s.key, s.variant, version, s.said)
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

// drawSaid says something of a key that has no parts, or of one part, or all.
func drawSaid(rt *rapid.T, key string) map[string]string {
	text := rapid.SampledFrom([]string{"online", "busy", "away"})
	said := map[string]string{}
	switch part := rapid.SampledFrom(append(playParts, "all")).Draw(rt, "part"); {
	case !hasParts(key):
		said[""] = text.Draw(rt, "said")
	case part != "all":
		said[part] = text.Draw(rt, "said")
	default:
		for _, part := range playParts {
			said[part] = text.Draw(rt, "said")
		}
	}
	return said
}

// saying returns a frame that says what was said.
func saying(key string, v Variant, version int64, said map[string]string) *Frame {
	f := &Frame{Version: version, Whole: len(said) > 1}
	var list []string
	for part, text := range said {
		f.Part = part
		f.Digest = maphash.String(seed, text) // not the version: that is the moment
		list = append(list, part+"="+text)
	}
	if f.Whole {
		f.Part = ""
	}
	f.Data = fmt.Appendf(nil, "%s/%d/%d/%s", key, v, version, strings.Join(list, "+"))
	return f
}

// Half of the keys without parts are of one kind and half of the other.
var (
	playKeys  = []string{"0", "1", "2", "3", "4", "6"}
	playParts = []string{"x", "y", "z"}
	playKinds = []KindSpec{testKinds[people], testKinds[rooms], {Merge: func(_ Key, frames []*Frame) []Event {
		var list []string
		for _, f := range frames {
			list = append(list, string(f.Data))
		}
		return []Event{{Name: "team", Data: []byte(strings.Join(list, ","))}}
	}}}
)

func hasParts(key string) bool { return key >= "4" }

func playKey(id string) Key {
	if hasParts(id) {
		return team(id)
	}
	return Key{Kind(id[0] % 2), id}
}

// A play is the model: what was said of each key, and what the reader saw.
type play struct {
	h       *Hub
	s       *Stream
	tape    *tape
	done    chan struct{}
	resume  func()
	moment  atomic.Int64 // counts what the feed did; the stream's cursor
	opens   bool         // an opening is still to be read
	begun   bool
	quiet   bool
	slots   int      // that the watches may take
	waiting []string // keys of snapshots that wait for the beginning or the end of the quiet

	mu      sync.Mutex // guards what whole reads
	watches map[string]*told
}

// told is the model of one watch.
type told struct {
	variant Variant
	held    bool
	version int64 // newest said in this variant
	written int64 // newest that the reader saw in this variant
	parts   map[string]*piece
}

// A piece is the model of one part, or of a key without parts.
type piece struct {
	due   string           // what the reader should see in the end; empty: as it is
	shown string           // what the reader saw last
	past  map[int64]string // due as of each moment at which it changed
}

func newPlay(coalesce time.Duration, opens bool) *play {
	p := &play{h: NewHub(playKinds), tape: &tape{}, done: make(chan struct{}), opens: opens, slots: len(playKeys), watches: map[string]*told{}}
	o := Options{Coalesce: coalesce, Whole: p.whole, Cursor: func() string { return fmt.Sprint(p.moment.Load()) }}
	if opens {
		o.Opening = compose
	}
	p.s = p.h.NewStream(o)
	for _, key := range []string{"0", "1", "4"} {
		p.watch(key, 0, false)
	}
	return p
}

// begin starts the stream.
func (p *play) begin(t *testing.T) {
	p.begun = true
	p.unhold()
	go func() {
		defer close(p.done)
		p.s.Run(t.Context(), p.tape)
	}()
	p.catchUp()
}

// compose makes one event a frame, in the form in which they would have come.
func compose(news []News, cursor string) (events []Event) {
	for _, n := range news {
		if n.Frame != nil {
			events = append(events, Event{Name: "room", Data: n.Frame.Data})
		}
	}
	return append(events, Event{Name: "end", ID: cursor, Data: []byte("end")})
}

// whole is the stream's Options.Whole.
func (p *play) whole(k Key) *Frame {
	p.mu.Lock()
	defer p.mu.Unlock()
	w := p.watches[k.ID]
	if w == nil {
		return nil
	}
	said := map[string]string{}
	for part, piece := range w.parts {
		said[part] = piece.due
	}
	return saying(k.ID, w.variant, 0, said)
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
	case "quiet":
		p.quietOrLive()
	case "send":
		p.s.Send(Event{Name: "control"})
	case "flood":
		p.flood(s)
	}
}

func (p *play) offer(s step) {
	said := p.say(s) // before the offer, as the whole must not lag behind
	if s.alone {
		p.s.Offer(playKey(s.key), s.variant, s.frame)
	} else {
		p.h.Offer(playKey(s.key), s.variant, s.frame)
	}
	moment := p.moment.Add(1)
	for _, piece := range said {
		piece.past[moment] = piece.due
	}
	synctest.Wait()
}

// say notes what is said to the watch that hears it, and returns the pieces.
func (p *play) say(s step) (said []*piece) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w := p.watches[s.key]
	if w == nil || w.variant != s.variant || s.frame.Version < w.version && !hasParts(s.key) {
		return nil
	}
	w.version = s.frame.Version
	for part, text := range s.said {
		w.parts[part].due = text
		said = append(said, w.parts[part])
	}
	return said
}

// flood offers more parts than are kept.
func (p *play) flood(s step) {
	if !hasParts(s.key) {
		return
	}
	for i := range partsLimit + 1 {
		p.h.Offer(playKey(s.key), s.variant, &Frame{Part: fmt.Sprint(i), Data: []byte("flood")})
	}
}

func (p *play) watch(id string, v Variant, held bool) {
	p.catchUp()
	if held {
		p.h.WatchHeld(p.s, playKey(id), v)
	} else {
		p.h.Watch(p.s, playKey(id), v)
	}
	moment := p.moment.Add(1)
	p.mu.Lock()
	defer p.mu.Unlock()
	switch w := p.watches[id]; {
	case w == nil:
		p.watches[id] = newTold(id, v, held && p.begun, moment)
	case w.variant != v:
		w.variant, w.version, w.written = v, -1, -1
		for _, piece := range w.parts {
			piece.due, piece.past = piece.shown, map[int64]string{moment: piece.shown}
		}
	}
}

func newTold(id string, v Variant, held bool, moment int64) *told {
	w := &told{variant: v, held: held, version: -1, written: -1, parts: map[string]*piece{}}
	parts := playParts
	if !hasParts(id) {
		parts = []string{""}
	}
	for _, part := range parts {
		w.parts[part] = &piece{past: map[int64]string{moment: ""}}
	}
	return w
}

func (p *play) unwatch(id string) {
	p.catchUp()
	p.h.Unwatch(p.s, playKey(id))
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.watches[id] != nil && !p.begun {
		p.slots++ // an opening lists the keys in order: slots are not used again before
	}
	delete(p.watches, id)
	p.moment.Add(1)
}

func (p *play) snapshot(ids []string) {
	p.absorb()
	var keys []Key
	for _, id := range ids {
		keys = append(keys, playKey(id))
	}
	if p.s.Resnapshot(keys, compose) {
		p.waiting = append(p.waiting, ids...)
	} else {
		p.show(ids)
	}
	p.unhold()
	p.catchUp() // so that the snapshot is written
}

// unhold expects what snapshots name that may be written by now.
func (p *play) unhold() {
	if !p.begun || p.quiet {
		return
	}
	p.show(p.waiting)
	p.waiting = nil
}

func (p *play) show(ids []string) {
	for _, id := range ids {
		if w := p.watches[id]; w != nil {
			w.held = false
		}
	}
}

func (p *play) quietOrLive() {
	if !p.quiet {
		p.catchUp() // what is under way is still to be written
		p.s.Quiet()
		p.quiet = true
		return
	}
	p.absorb()
	p.quiet = false
	p.unhold()
	live := p.s.Live(func(news []News, cursor string) []Event {
		for _, n := range news {
			if n.Frame == nil {
				return []Event{{Name: "room", Data: []byte("a catch-up without news")}}
			}
		}
		return compose(news, cursor)
	})
	if !live {
		p.fail("the stream was not quiet")
	}
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
	for i, e := range b.waiting {
		if e.frame != nil {
			pending++
		}
		if slices.ContainsFunc(b.waiting[:i], func(other waiting) bool { return other.slot == e.slot }) || !b.watches[e.slot].listed {
			p.fail("slot %d is listed wrongly: %v", e.slot, b.waiting)
		}
	}
	p.checkParts(b)
	if counted := b.counts[normal] + b.counts[urgent] + b.counts[held]; int(counted) != pending {
		p.fail("%d frames are pending, counted as %d", pending, counted)
	}
	if len(b.watches) > p.slots || len(b.waiting) > p.slots {
		p.fail("%d watches and %d dirty slots for %d keys", len(b.watches), len(b.waiting), len(playKeys))
	}
}

// checkParts checks that parts are kept of the keys that have some pending, and
// of no others.
func (p *play) checkParts(b *mailbox) {
	kept := 0
	for i, w := range b.watches {
		n := len(b.parts[int32(i)])
		var pending *Frame
		if e := b.entry(int32(i)); e != nil {
			pending = e.frame
		}
		wanted := w.topic != nil && w.topic.parts && pending != nil && pending != lost
		if n > partsLimit || wanted != (n > 0) {
			p.fail("%d parts of %v are kept while %v is pending", n, w.topic, pending)
		}
		if n > 0 {
			kept++
		}
	}
	if kept != len(b.parts) || (kept > 0) != (b.parts != nil) {
		p.fail("a map for %d keys keeps parts of %d", len(b.parts), kept)
	}
	if b.quiet && b.opened && kept > 0 {
		p.fail("parts of %d keys are kept in the quiet", kept)
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
			if e.name == "control" {
				continue
			}
			if p.quiet && !p.opens {
				p.fail("%q is written in the quiet", text)
			}
			if e.name == "end" {
				continue
			}
			for part := range strings.SplitSeq(strings.Trim(e.data, "[]"), ",") {
				if part != "flood" {
					p.see(part)
				}
			}
		}
		p.opens = false
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
	case w.held:
		p.fail("%s: %q is written before its snapshot", id, said)
	case hasParts(id):
	case version < w.written:
		p.fail("%s: version %d is written after %d", id, version, w.written)
	case said == "="+w.parts[""].shown:
		p.fail("%s: %q is written twice", id, said)
	}
	w.written = version
	for part := range strings.SplitSeq(said, "+") {
		name, text, _ := strings.Cut(part, "=")
		w.parts[name].shown = text
	}
}

// checkCovered checks what an id promises: that the reader has seen all that was
// said until then, or something newer.
func (p *play) checkCovered(id string) {
	moment, _ := strconv.ParseInt(id, 10, 64)
	for k, w := range p.watches {
		for part, piece := range w.parts {
			if !piece.covers(moment) {
				p.fail("id %s promises more of %s %s than %q: %v", id, k, part, piece.shown, piece.past)
			}
		}
	}
}

// covers tells whether the reader has seen what was said until a moment.
func (p *piece) covers(moment int64) bool {
	asOf, begun := int64(-1), false
	for m := range p.past {
		if m <= moment {
			asOf, begun = max(asOf, m), true
		}
	}
	if !begun {
		return true // watched since
	}
	for m, said := range p.past {
		if m >= asOf && said == p.shown {
			return true
		}
	}
	return false
}

// settle waits until everything is written, and looks whether the reader has the
// newest of everything.
func (p *play) settle() {
	if p.quiet {
		p.quietOrLive()
	}
	p.catchUp()
	pass(time.Minute)
	p.absorb()
	for id, w := range p.watches {
		for part, piece := range w.parts {
			if !w.held && piece.due != piece.shown {
				p.fail("%s %s: the reader sees %q in the end, want %q", id, part, piece.shown, piece.due)
			}
		}
	}
}
