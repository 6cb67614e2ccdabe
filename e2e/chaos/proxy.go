package chaos

import (
	"bytes"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Proxy stands between an instance and its Redis, and is the network's bad days. What a broken network holds back comes when it heals, as TCP would
// bring it, unless the connection was given up meanwhile.
type Proxy struct {
	Addr string

	target  string
	l       net.Listener
	done    sync.WaitGroup
	latency atomic.Int64 // ns, each way

	mu     sync.Mutex // guards what follows
	cut    bool       // nothing passes
	cutBus bool       // nothing passes to connections that have subscribed
	healed chan struct{}
	conns  map[net.Conn]bool
	closed bool
}

// NewProxy listens on loopback until Close, and passes everything to target.
func NewProxy(target string) (*Proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Proxy{Addr: l.Addr().String(), target: target, l: l, healed: make(chan struct{}), conns: map[net.Conn]bool{}}
	p.done.Go(p.accept)
	return p, nil
}

// Close cuts everything for good.
func (p *Proxy) Close() {
	p.mu.Lock()
	p.closed = true
	for c := range p.conns {
		c.Close()
	}
	p.mu.Unlock()
	p.l.Close()
	p.Cut(false, false)
	p.done.Wait()
}

// Latency delays all that passes from now on, each way.
func (p *Proxy) Latency(d time.Duration) { p.latency.Store(int64(d)) }

// Cut holds back everything, or what goes to subscribers, or nothing any more.
func (p *Proxy) Cut(all, bus bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut, p.cutBus = all, bus
	close(p.healed) // whoever waits looks again
	p.healed = make(chan struct{})
}

// Drop closes all connections.
func (p *Proxy) Drop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.Close()
	}
}

func (p *Proxy) accept() {
	for {
		c, err := p.l.Accept()
		if err != nil {
			return
		}
		p.done.Go(func() { p.serve(c) })
	}
}

// link is one connection through the proxy.
type link struct {
	p       *Proxy
	bus     atomic.Bool
	gone    chan struct{} // closed when either end has closed
	goneNow sync.Once
}

func (p *Proxy) serve(client net.Conn) {
	defer client.Close()
	server, err := net.DialTimeout("tcp", p.target, dialLimit)
	if err != nil {
		return
	}
	defer server.Close()
	if !p.hold(client, server) {
		return
	}
	defer p.release(client, server)
	k := &link{p: p, gone: make(chan struct{})}
	end := func() { k.goneNow.Do(func() { close(k.gone); client.Close(); server.Close() }) }
	var both sync.WaitGroup
	both.Go(func() { defer end(); k.pump(server, client, true) })
	both.Go(func() { defer end(); k.pump(client, server, false) })
	both.Wait()
}

func (p *Proxy) hold(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		p.conns[c] = true
	}
	return !p.closed
}

func (p *Proxy) release(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		delete(p.conns, c)
	}
}

type chunk struct {
	data []byte
	due  time.Time
}

// pump passes what it reads, each chunk after its delay. The queue has room for what is on the wire of a slow network.
func (k *link) pump(to, from net.Conn, up bool) {
	queue := make(chan chunk, 1024)
	var writer sync.WaitGroup
	writer.Go(func() {
		for c := range queue {
			if !k.await(c.due, up) {
				break
			}
			if _, err := to.Write(c.data); err != nil {
				break
			}
		}
		from.Close()
		for range queue { //nolint:revive // the reader may wait for room
		}
	})
	buffer := make([]byte, 16<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			data := bytes.Clone(buffer[:n])
			if up && !k.bus.Load() && bytes.Contains(bytes.ToLower(data), []byte("subscribe\r\n")) {
				k.bus.Store(true)
			}
			queue <- chunk{data, time.Now().Add(time.Duration(k.p.latency.Load()))}
		}
		if err != nil {
			break
		}
	}
	close(queue)
	k.goneNow.Do(func() { close(k.gone); to.Close(); from.Close() })
	writer.Wait()
}

// await waits until a chunk is due and the network lets it pass.
func (k *link) await(due time.Time, up bool) bool {
	if wait := time.Until(due); wait > 0 {
		select {
		case <-time.After(wait):
		case <-k.gone:
			return false
		}
	}
	for {
		k.p.mu.Lock()
		held, healed := k.p.cut || k.p.cutBus && k.bus.Load() && !up, k.p.healed
		k.p.mu.Unlock()
		if !held {
			return true
		}
		select {
		case <-healed:
		case <-k.gone:
			return false
		}
	}
}
