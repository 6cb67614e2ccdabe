package sse

import (
	"context"
	"net"
)

// sendBuffer is how much the kernel is to keep for one reader, who may read
// nothing at all. Left to itself, it grows a buffer to 4 MiB, which a thousand
// readers that do not read have all pinned long before they are cut. It doubles
// the number for its own needs. A reader who is far away gets as much in a round
// trip, which is plenty for events.
const sendBuffer = 32 << 10

type connKey struct{}

// WithConn notes the connection of the requests that have ctx: it is made for
// http.Server's ConnContext.
func WithConn(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

// LimitBuffer bounds what the kernel keeps for the reader of the stream that a
// request asks for. It does so for the rest of the connection's life. Where
// WithConn was not asked, or the connection has no such buffer, it does nothing.
func LimitBuffer(ctx context.Context) {
	c, _ := ctx.Value(connKey{}).(net.Conn)
	if inner, ok := c.(interface{ NetConn() net.Conn }); ok { // TLS
		c = inner.NetConn()
	}
	if c, ok := c.(interface{ SetWriteBuffer(bytes int) error }); ok {
		_ = c.SetWriteBuffer(sendBuffer) // else it is as it was
	}
}
