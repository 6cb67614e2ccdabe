package sse

import (
	"context"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Kinds as a presence service has them: one merged, one of events of their own,
// one made of parts.
const (
	people Kind = iota
	rooms
	teams
)

var testKinds = []KindSpec{
	people: {Name: "presence", Open: `[`, Sep: `,`, Close: `]`},
	rooms:  {Name: "room", Each: true},
	teams:  {Name: "unused", Merge: joinParts},
}

func user(id string) Key { return Key{people, id} }
func room(id string) Key { return Key{rooms, id} }

var seed = maphash.MakeSeed()

// say returns a frame whose digest is that of its text.
func say(version int64, text string) *Frame {
	return &Frame{Data: []byte(text), Digest: maphash.String(seed, text), Version: version}
}

func shout(version int64, text string) *Frame {
	f := say(version, text)
	f.Urgent = true
	return f
}

// listing is how news look in a snapshot.
func listing(news []News) (data []byte) {
	for _, n := range news {
		said := "-"
		if n.Frame != nil {
			said = string(n.Frame.Data)
		}
		data = fmt.Appendf(data, "%s:%s,", n.Key.ID, said)
	}
	return data
}

// A tape is a sink that notes what is written to it and when.
type tape struct {
	start time.Time

	mu     sync.Mutex // guards what follows
	writes []string
	gate   chan struct{} // where set, writes wait for it to close
	err    error
}

func (p *tape) Write(b []byte) error {
	p.mu.Lock()
	gate := p.gate
	p.mu.Unlock()
	if gate != nil {
		<-gate
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.writes = append(p.writes, fmt.Sprintf("%v %s", time.Since(p.start), b))
	}
	return p.err
}

// stall makes the reader stop reading until the returned function is called.
func (p *tape) stall() (resume func()) {
	gate := make(chan struct{})
	p.mu.Lock()
	p.gate = gate
	p.mu.Unlock()
	return sync.OnceFunc(func() {
		p.mu.Lock()
		p.gate = nil
		p.mu.Unlock()
		close(gate)
	})
}

func (p *tape) breakWith(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = err
}

// rewind returns the writes since the last call: the time since the start of the
// tape, then the bytes in short: "250ms presence#id[a,b]".
func (p *tape) rewind() []string {
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	var list []string
	for _, w := range p.writes {
		at, text, _ := strings.Cut(w, " ")
		list = append(list, strings.Join(append([]string{at}, brief(text)...), " "))
	}
	p.writes = nil
	return list
}

// expect compares what was written since the last call.
func (p *tape) expect(t *testing.T, want ...string) {
	t.Helper()
	if got := p.rewind(); !slices.Equal(got, want) {
		t.Fatalf("\n got %q\nwant %q", got, want)
	}
}

// brief shortens each event of text to name#id and data.
func brief(text string) (list []string) {
	for block := range strings.SplitSeq(strings.TrimSuffix(text, "\n\n"), "\n\n") {
		if strings.HasPrefix(block, ":") {
			list = append(list, "comment")
			continue
		}
		name, id, data := "", "", ""
		for line := range strings.SplitSeq(block, "\n") {
			switch field, value, _ := strings.Cut(line, ": "); field {
			case "event":
				name = value
			case "id":
				id = "#" + value
			case "data":
				data += value
			}
		}
		list = append(list, name+id+data)
	}
	return list
}

// running is a stream whose Run is under way.
type running struct {
	*Stream
	*tape
	done chan struct{}
	err  error // once done is closed
}

// run starts Run, and ends it with the test.
func run(t *testing.T, s *Stream) *running {
	return runCtx(t.Context(), t, s)
}

func runCtx(ctx context.Context, t *testing.T, s *Stream) *running {
	r := &running{Stream: s, tape: &tape{start: time.Now()}, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		r.err = s.Run(ctx, r.tape)
	}()
	t.Cleanup(func() {
		s.End()
		<-r.done
	})
	synctest.Wait()
	return r
}

// pass lets time go by.
func pass(d time.Duration) {
	time.Sleep(d) // in a synctest bubble: no real time
	synctest.Wait()
}
