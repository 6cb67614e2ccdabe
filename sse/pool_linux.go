package sse

import (
	"errors"
	"os"
	"sync"
	"syscall"
)

// canPool tells whether connections can be taken over here.
const canPool = true

// hangups tells which readers have gone, without a goroutine for each that reads: it is an epoll beside the runtime's.
type hangups struct {
	file *os.File // so that the runtime waits for it, and closing it ends that
	raw  syscall.RawConn
}

func newHangups() (*hangups, error) {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if err := syscall.SetNonblock(fd, true); err != nil { // or os would not have the runtime wait
		return nil, errors.Join(err, syscall.Close(fd))
	}
	h := &hangups{file: os.NewFile(uintptr(fd), "epoll")}
	if h.raw, err = h.file.SyscallConn(); err != nil {
		return nil, errors.Join(err, h.file.Close())
	}
	return h, nil
}

func (h *hangups) close() { h.file.Close() } //nolint:errcheck // nothing was written

// add asks to be told once when the reader of a connection has gone, by the id. A reader who only stops sending counts as gone, as with
// net/http. The kernel forgets a connection that is closed.
func (h *hangups) add(conn syscall.RawConn, id uint64) error {
	event := syscall.EpollEvent{Events: syscall.EPOLLRDHUP | syscall.EPOLLONESHOT, Fd: int32(uint32(id)), Pad: int32(uint32(id >> 32))}
	var failed, closed error
	err := h.raw.Control(func(epoll uintptr) {
		closed = conn.Control(func(fd uintptr) {
			failed = os.NewSyscallError("epoll_ctl", syscall.EpollCtl(int(epoll), syscall.EPOLL_CTL_ADD, int(fd), &event))
		})
	})
	return errors.Join(err, closed, failed)
}

// watch tells gone of each who has gone, until close.
func (h *hangups) watch(gone func(id uint64)) {
	var events [64]syscall.EpollEvent
	for {
		n := 0
		err := h.raw.Read(func(epoll uintptr) bool {
			var err error
			for n, err = syscall.EpollWait(int(epoll), events[:], 0); err == syscall.EINTR; { //nolint:errorlint // as it is
				n, err = syscall.EpollWait(int(epoll), events[:], 0)
			}
			return n > 0 // else the runtime waits; it has begun to listen before we looked
		})
		if err != nil {
			return
		}
		for _, e := range events[:n] {
			gone(uint64(uint32(e.Fd)) | uint64(uint32(e.Pad))<<32)
		}
	}
}

// pushing is one write that does not wait. It is pooled with its function, which would be made anew each time.
type pushing struct {
	buffer []byte
	n      int
	err    error
	once   func(fd uintptr) bool
}

var pushes = sync.Pool{New: func() any {
	b := new(pushing)
	b.once = func(fd uintptr) bool {
		for {
			b.n, b.err = syscall.Write(int(fd), b.buffer)
			if b.err != syscall.EINTR { //nolint:errorlint // system calls return it as it is
				return true
			}
		}
	}
	return b
}}

// to writes as much of the buffer as the connection takes at once.
func (b *pushing) to(conn syscall.RawConn) (int, error) {
	if err := conn.Write(b.once); err != nil {
		return 0, err
	}
	if b.err == syscall.EAGAIN { //nolint:errorlint // as above
		return 0, nil
	}
	return max(b.n, 0), os.NewSyscallError("write", b.err)
}
