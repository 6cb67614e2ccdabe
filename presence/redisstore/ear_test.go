package redisstore

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/presently/presently/internal/redistest"
)

// What an ear makes of the numbers that it hears. It must tell of a gap before what comes after: the board reads again, and knows from the change's
// number whether it has read it already.
func TestAnEarTellsWhatItMissedBeforeWhatItHears(t *testing.T) {
	tape := newTape()
	s := &Store{
		opts:       Options{Logger: slog.New(slog.DiscardHandler)},
		partitions: make([]partition, 1), channels: map[string]int{"lane": 0}, clocks: make([]clock, 1), health: make(health, 1),
		memory: newMemory(1, testTTL), recaller: newRecaller(),
	}
	e := newEar(s, tape)
	e.lanes[0].doubt = true // as on a new connection
	change := func(epoch, seq int) string {
		return fmt.Sprintf("1\nc\n%d\n%d\n7\nbeat\n%d.%d", epoch, seq, epoch, seq)
	}
	note := func(epoch, seq int) string { return fmt.Sprintf("1\nn\n%d\n%d\n7\nsub-1", epoch, seq) }
	beacon := func(epoch, seq int) string { return fmt.Sprintf("1\nb\n%d\n%d\n7\n0\n8", epoch, seq) }
	for _, tc := range []struct{ what, message, want string }{
		{"the first beacon: who read before it may have missed something", beacon(1, 5), "[missed 0 ]"},
		{"the next change", change(1, 6), "[1.6 beat]"},
		{"a beacon that knows no more", beacon(1, 6), "[]"},
		{"a note", note(1, 7), "[note sub-1]"},
		{"a gap", change(1, 9), "[missed 0 1.9 beat]"},
		{"a beacon that knows of more", beacon(1, 10), "[missed 0 ]"},
		{"another format", "2\nc\n1\n11\n7\nbeat\nada", "[]"},
		{"what it hid", change(1, 12), "[missed 0 1.12 beat]"},
		{"a gap before a note", note(1, 14), "[missed 0 note sub-1]"},
		{"a number again: something was lost", change(1, 14), "[missed 0 1.14 beat]"},
		{"an epoch", beacon(2, 0), "[missed 0 ]"},
		{"its first change", change(2, 1), "[2.1 beat]"},
		{"a master of the past", change(1, 15), "[]"},
		{"and its note", note(1, 16), "[]"},
		{"and its beacon", beacon(1, 17), "[]"},
		{"the present one goes on", change(2, 2), "[2.2 beat]"},
		{"an epoch that begins with a change", change(3, 1), "[missed 0 3.1 beat]"},
	} {
		tape.events = nil
		e.hear(&redis.Message{Channel: "lane", Payload: tc.message}, time.Now())
		got := fmt.Sprint(tape.events)
		if tape.heard("") > 0 && tape.heard("missed 0") == 0 {
			got = "[]" // a beacon and nothing else
		}
		if got != tc.want {
			t.Errorf("%s: %s, want %s", tc.what, got, tc.want)
		}
	}
}

// earplug is a proxy to a Redis that can stop the ears, and nothing else, of all who are connected.
type earplug struct {
	net.Listener
	to    string
	deaf  atomic.Bool
	conns sync.WaitGroup
	mu    sync.Mutex // guards what follows
	open  []net.Conn
}

func plug(t *testing.T, server *redistest.Server) *earplug {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &earplug{Listener: l, to: server.Addr()}
	p.conns.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.conns.Go(func() { p.serve(c) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		p.mu.Lock()
		for _, c := range p.open {
			_ = c.Close()
		}
		p.mu.Unlock()
		p.conns.Wait()
	})
	return p
}

func (p *earplug) serve(client net.Conn) {
	server, err := net.Dial("tcp", p.to)
	if err != nil {
		_ = client.Close()
		return
	}
	p.mu.Lock()
	p.open = append(p.open, client, server)
	p.mu.Unlock()
	var listens atomic.Bool
	p.conns.Go(func() {
		defer client.Close()
		_, _ = io.Copy(writer(func(b []byte) (int, error) {
			if listens.Load() && p.deaf.Load() {
				return len(b), nil // into the void
			}
			return client.Write(b)
		}), server)
	})
	defer server.Close()
	_, _ = io.Copy(writer(func(b []byte) (int, error) {
		if bytes.Contains(b, []byte("subscribe")) {
			listens.Store(true)
		}
		return server.Write(b)
	}), client)
}

type writer func([]byte) (int, error)

func (w writer) Write(b []byte) (int, error) { return w(b) }

// Commands get through, messages do not: go-redis's own channel stayed deaf for minutes here.
func TestDeafnessIsNoticedThoughCommandsGetThrough(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	p := plug(t, server)
	i := begin(t, "redis://"+p.Addr().String(), Options{})
	p.deaf.Store(true)
	began := time.Now()
	unheard := testBeat("ada", "session-1")
	unheard.TTL = patience
	i.beat(unheard)
	i.tape.waitFor(t, "lost", 1)
	within(t, "telling deafness", began, 3*time.Second)
	i.wantStatus("ada", "online")
	p.deaf.Store(false)
	healed := time.Now()
	i.tape.waitFor(t, "found", 1)
	within(t, "recovery", healed, 5*time.Second)
	for lane := range i.Lanes() {
		i.tape.waitFor(t, fmt.Sprint("missed ", lane), 2)
	}
	i.beat(testBeat("bob", "session-1"))
	i.tape.waitFor(t, "bob beat", 1)
}
