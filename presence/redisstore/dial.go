package redisstore

import (
	"context"
	"net"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
)

// dialFailures dials as go-redis does, but for where nobody answers: then it returns a connection that fails with the reason at its first use. go-redis's pool counts
// dials that fail, and after as many as it has places it dials once a second only and refuses everybody meanwhile: Redis was back for up to a second, and
// we would not have known. Whom to refuse, and for how long, is for health to say, whose beacons try more often.
func dialFailures(o *redis.Options) func(ctx context.Context, network, addr string) (net.Conn, error) {
	dial := redis.NewDialer(o)
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := dial(ctx, network, addr)
		if err != nil {
			return failure{addr, err}, nil
		}
		return c, nil
	}
}

// failure is a connection that could not be made.
type failure struct {
	addr string
	err  error
}

func (f failure) Read([]byte) (int, error)         { return 0, f.err }
func (f failure) Write([]byte) (int, error)        { return 0, f.err }
func (f failure) Close() error                     { return nil }
func (f failure) LocalAddr() net.Addr              { return f }
func (f failure) RemoteAddr() net.Addr             { return f }
func (f failure) SetDeadline(time.Time) error      { return nil }
func (f failure) SetReadDeadline(time.Time) error  { return nil }
func (f failure) SetWriteDeadline(time.Time) error { return nil }

// SyscallConn has the pool find out that it is of no use, should nobody have waited for it.
func (f failure) SyscallConn() (syscall.RawConn, error) { return nil, f.err }

// Network and String implement net.Addr.
func (f failure) Network() string { return "tcp" }
func (f failure) String() string  { return f.addr }
