package main

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/presently/presently/handlers"
	"github.com/presently/presently/sse"
)

const (
	// filesApart is how many files a process needs besides the connections of strangers: for Redis, webhooks, traces, operators. Without them it would be
	// strangers who decide whether Redis can be reached.
	filesApart = 256

	// surplusKept is how many connections there may be that are one too many, for as long as it takes to say so. Past it they are closed unheard.
	surplusKept = 128
	// surplusOfOne is how many of these one address may have.
	surplusOfOne = 8
)

// connections is a listener that bounds how many of its connections are open, all together and of one address. It never waits: who is slow beyond a bound
// must not keep others out. A connection that is one too many is accepted and marked, so that its requests are refused in the words of HTTP, whatever
// version of it they speak.
type connections struct {
	net.Listener
	most int // all together; 0: any number
	each int // of one address; 0: any number

	mu      sync.Mutex // guards what follows
	open    int        // without those that are too many
	surplus int
	of      map[netip.Addr]int // both kinds, by address; empty where each is 0
	refused int64              // because there were too many, or of one address
}

func limitConnections(l net.Listener, most, each int) *connections {
	return &connections{Listener: l, most: most, each: each, of: map[netip.Addr]int{}}
}

// Accept implements net.Listener.
func (l *connections) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		tcp, ok := c.(*net.TCPConn)
		if !ok {
			return c, nil // not ours to count: main listens on TCP alone
		}
		from := netip.Addr{}
		if remote, ok := tcp.RemoteAddr().(*net.TCPAddr); ok {
			from = countedFor(remote.AddrPort().Addr())
		}
		surplus, ok := l.enter(from)
		if !ok {
			c.Close() //nolint:errcheck // nobody was there
			continue
		}
		return &connection{TCPConn: tcp, in: l, from: from, surplus: surplus}, nil
	}
}

// enter counts a connection, and tells whether it is one too many. It is not ok where there are too many even of these.
func (l *connections) enter(from netip.Addr) (surplus, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	surplus = l.most > 0 && l.open >= l.most || l.each > 0 && l.of[from] >= l.each
	if surplus {
		l.refused++
		if l.surplus >= surplusKept || l.each > 0 && l.of[from] >= l.each+surplusOfOne {
			return true, false
		}
		l.surplus++
	} else {
		l.open++
	}
	if l.each > 0 {
		l.of[from]++
	}
	return surplus, true
}

func (l *connections) leave(from netip.Addr, surplus bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if surplus {
		l.surplus--
	} else {
		l.open--
	}
	if l.each == 0 {
		return
	}
	if l.of[from]--; l.of[from] == 0 {
		delete(l.of, from)
	}
}

// register has it measured.
func (l *connections) register(reg prometheus.Registerer) {
	reg.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "presently_connections", Help: "Connections that are open, streams among them, without those for operators.",
		}, func() float64 {
			l.mu.Lock()
			defer l.mu.Unlock()
			return float64(l.open + l.surplus)
		}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "presently_connections_max", Help: "How many may be open; 0: any number.",
		}, func() float64 { return float64(l.most) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "presently_connections_refused_total", Help: "Connections that were one too many, all together or of one address.",
		}, func() float64 {
			l.mu.Lock()
			defer l.mu.Unlock()
			return float64(l.refused)
		}),
	)
}

// connection is one that is counted until it is closed, whoever has it by then: streams are taken over from the HTTP server. It has all methods of the TCP
// connection, by which streams are written without a goroutine.
type connection struct {
	*net.TCPConn
	in      *connections
	from    netip.Addr
	surplus bool
	closed  atomic.Bool
}

// Close implements net.Conn.
func (c *connection) Close() error {
	if !c.closed.Swap(true) {
		c.in.leave(c.from, c.surplus)
	}
	return c.TCPConn.Close()
}

// countedFor is for whom an address counts. Of IPv6 whoever has one has all of its /64.
func countedFor(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if network, err := a.Prefix(64); err == nil && a.Is6() {
		return network.Addr()
	}
	return a
}

// withConnection notes what handlers need to know of a connection: it is an http.Server's ConnContext.
func withConnection(ctx context.Context, c net.Conn) context.Context {
	ctx = sse.WithConn(ctx, c)
	if inner, ok := c.(interface{ NetConn() net.Conn }); ok { // TLS
		c = inner.NetConn()
	}
	if c, ok := c.(*connection); ok && c.surplus {
		ctx = handlers.Surplus(ctx)
	}
	return ctx
}
