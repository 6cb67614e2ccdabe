package chaos

import (
	"bytes"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Proxy stands between an instance and its Redis, and is the network's bad days. What a broken network holds back comes when it heals, as TCP would
// bring it, unless the connection was given up meanwhile.
type Proxy struct {
	Addr string

	l       net.Listener
	done    sync.WaitGroup
	latency atomic.Int64 // ns, each way
	rate    atomic.Int64 // bytes a second, each way of each connection; 0: as many as come
	loss    atomic.Int64 // one in so many of what comes to subscribers is lost; 0: none

	idle atomic.Int64 // ns after which a connection is cut on which nothing came either way; 0: never

	// Lost is how often something was, and Idle how many connections were cut for being idle.
	Lost, Idle atomic.Int64

	mu          sync.Mutex // guards what follows
	target      string
	cut         bool // nothing passes
	cutBus      bool // nothing passes to connections that have subscribed
	cutCommands bool // nothing passes to connections that have not
	healed      chan struct{}
	conns       map[net.Conn]bool
	closed      bool
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

// Lead leads connections that are made from now on elsewhere, as an address does that has moved. Those that there are go on.
func (p *Proxy) Lead(target string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target = target
}

// Latency delays all that passes from now on, each way.
func (p *Proxy) Latency(d time.Duration) { p.latency.Store(int64(d)) }

// Rate lets only so many bytes a second pass each way of each connection; 0: as many as come.
func (p *Proxy) Rate(bytes int64) { p.rate.Store(bytes) }

// Lose drops one in so many pieces of what comes to subscribers, of those that are whole messages as far as can be seen; 0: none.
func (p *Proxy) Lose(oneIn int64) { p.loss.Store(oneIn) }

// CutCommands holds back what comes to those who have not subscribed, or nothing any more.
func (p *Proxy) CutCommands(cut bool) { p.holdBack(false, false, cut) }

// Cut holds back everything, or what goes to subscribers, or nothing any more.
func (p *Proxy) Cut(all, bus bool) { p.holdBack(all, bus, false) }

func (p *Proxy) holdBack(all, bus, commands bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut, p.cutBus, p.cutCommands = all, bus, commands
	close(p.healed) // whoever waits looks again
	p.healed = make(chan struct{})
}

// CutIdle cuts connections on which nothing comes from their server for so long, as balancers do; 0: none. It counts for connections that are made from now on.
func (p *Proxy) CutIdle(after time.Duration) { p.idle.Store(int64(after)) }

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
	cut     *time.Timer // where idle ones are
}

func (p *Proxy) serve(client net.Conn) {
	defer client.Close()
	p.mu.Lock()
	target := p.target
	p.mu.Unlock()
	server, err := net.DialTimeout("tcp", target, dialLimit)
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
	if idle := time.Duration(p.idle.Load()); idle > 0 {
		k.cut = time.AfterFunc(idle, func() { p.Idle.Add(1); end() })
		defer k.cut.Stop()
	}
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
	var free time.Time // when the wire is
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			data := bytes.Clone(buffer[:n])
			if up && !k.bus.Load() && bytes.Contains(bytes.ToLower(data), []byte("subscribe\r\n")) {
				k.bus.Store(true)
			}
			if !up && k.cut != nil {
				k.cut.Reset(time.Duration(k.p.idle.Load()))
			}
			if !up && k.loses(data) {
				k.p.Lost.Add(1)
				continue
			}
			now := time.Now()
			if rate := k.p.rate.Load(); rate > 0 {
				free = later(free, now).Add(time.Duration(int64(n) * int64(time.Second) / rate))
			}
			queue <- chunk{data, later(free, now).Add(time.Duration(k.p.latency.Load()))}
		}
		if err != nil {
			break
		}
	}
	close(queue)
	k.goneNow.Do(func() { close(k.gone); to.Close(); from.Close() })
	writer.Wait()
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// loses says whether a piece of what comes to a subscriber is to be lost. It must be whole messages, or the connection would make no sense any more: they
// have no line breaks of that kind in them, and a server that has little to say writes them one by one.
func (k *link) loses(data []byte) bool {
	oneIn := k.p.loss.Load()
	return oneIn > 0 && k.bus.Load() && len(data) < 4<<10 && bytes.HasSuffix(data, []byte("\r\n")) &&
		(bytes.HasPrefix(data, []byte("*3\r\n$7\r\nmessage")) || bytes.HasPrefix(data, []byte(">3\r\n$7\r\nmessage"))) && rand.Int64N(oneIn) == 0
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
		held, healed := k.p.cut || !up && (k.p.cutBus && k.bus.Load() || k.p.cutCommands && !k.bus.Load()), k.p.healed
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
