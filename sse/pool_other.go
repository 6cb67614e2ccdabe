//go:build !linux

package sse

import (
	"errors"
	"sync"
	"syscall"
)

// canPool tells whether connections can be taken over here. Where they cannot, what follows is never called.
const canPool = false

type hangups struct{}

func newHangups() (*hangups, error)                  { return nil, errors.ErrUnsupported }
func (h *hangups) add(syscall.RawConn, uint64) error { return errors.ErrUnsupported }
func (h *hangups) watch(func(id uint64))             {}
func (h *hangups) close()                            {}

type pushing struct{ buffer []byte }

var pushes = sync.Pool{New: func() any { return new(pushing) }}

func (b *pushing) to(syscall.RawConn) (int, error) { return 0, errors.ErrUnsupported }
