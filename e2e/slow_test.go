//go:build faults

package e2e

import (
	"bufio"
	big "encoding/binary"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/presently/presently/e2e/chaos"
)

// quietStreams watch somebody who never comes, through a balancer that cuts what is idle. Comments must keep them; a connection on which
// nobody says anything shows that it does cut.
func quietStreams(s *stage) {
	const cut, streams = 18 * time.Second, 3 // less than the 30 s of most balancers, more than the 15 s between two comments
	t := s.t
	p, err := chaos.NewProxy(strings.TrimPrefix(s.slots[0].url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	p.CutIdle(cut)
	mute, err := net.Listen("tcp", "127.0.0.1:0") // says nothing to anybody
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	control, err := chaos.NewProxy(mute.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer control.Close()
	control.CutIdle(cut)
	silent, err := net.Dial("tcp", control.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	ended := make(chan error, streams)
	for n := range streams {
		c, err := openRaw(t, &net.Dialer{}, p.Addr, sign(t, fmt.Sprint("quiet-", n), time.Hour), url.Values{"user": {"nobody"}}.Encode())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		go func() {
			r := bufio.NewReader(c)
			err := begins(r)
			if err == nil {
				_, err = io.Copy(io.Discard, r)
			}
			ended <- fmt.Errorf("ended: %w", err)
		}()
	}
	select {
	case err := <-ended:
		t.Errorf("an idle stream is cut: %v", err)
	case <-time.After(2*cut + time.Second):
	}
	if p.Idle.Load() != 0 || control.Idle.Load() != 1 {
		t.Errorf("%d streams were cut for being idle, and %d connections that are mute, want none and the one", p.Idle.Load(), control.Idle.Load())
	}
}

// h2 is a client of HTTP/2 that lets the server send as little as it likes.
type h2 struct {
	net.Conn
	*bufio.Reader
}

const (
	h2Headers, h2Reset, h2Settings, h2GoAway, h2Window = 1, 3, 4, 7, 8
	h2EndHeaders, h2EndStream                          = 4, 1
)

// dialH2 speaks first: of each stream nothing may be sent.
func dialH2(t testing.TB, at string) h2 {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(at, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	h := h2{c, bufio.NewReader(c)}
	_, err = io.WriteString(c, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
	if err == nil {
		err = h.frame(h2Settings, 0, 0, 0, 4, 0, 0, 0, 0) // SETTINGS_INITIAL_WINDOW_SIZE: 0
	}
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func (h h2) frame(kind, flags byte, stream uint32, payload ...byte) error {
	head := []byte{byte(len(payload) >> 16), byte(len(payload) >> 8), byte(len(payload)), kind, flags}
	_, err := h.Write(append(big.BigEndian.AppendUint32(head, stream), payload...))
	return err
}

// get asks for something, each header as a literal that is not indexed.
func (h h2) get(stream uint32, path, token string) error {
	var block []byte
	text := func(s string) {
		if len(s) < 127 {
			block = append(block, byte(len(s)))
		} else { // an integer with a prefix of seven bits
			block = big.AppendUvarint(append(block, 127), uint64(len(s)-127)) //nolint:gosec // not negative
		}
		block = append(block, s...)
	}
	for _, f := range [][2]string{{":method", "GET"}, {":scheme", "http"}, {":authority", "presently"}, {":path", path}, {"authorization", "Bearer " + token}} {
		block = append(block, 0)
		text(f[0])
		text(f[1])
	}
	return h.frame(h2Headers, h2EndHeaders|h2EndStream, stream, block...)
}

// slowOverHTTP2 opens streams whose windows are shut, or let a byte through now and then: what is stuck is cut, as over HTTP/1.1.
func slowOverHTTP2(s *stage) {
	const streams = 8
	t, i := s.t, s.slots[0]
	query := url.Values{"user": {"user-0", "user-2", "user-4"}}.Encode()
	resident := i.residentKiB(t)
	for _, drips := range []bool{false, true} {
		h := dialH2(t, i.url)
		defer h.Close()
		began, open := time.Now(), map[uint32]bool{}
		for n := range streams {
			id := uint32(2*n + 1) //nolint:gosec // few
			open[id] = true
			if err := h.get(id, "/v1/stream?"+query, sign(t, fmt.Sprint("slow-", drips), time.Hour)); err != nil {
				t.Fatal(err)
			}
		}
		over := make(chan struct{})
		if drips {
			go func() {
				for {
					select {
					case <-over:
						return
					case <-time.After(100 * time.Millisecond):
					}
					for n := range streams {
						_ = h.frame(h2Window, 0, uint32(2*n+1), 0, 0, 0, 1) //nolint:gosec // few
					}
				}
			}()
		}
		_ = h.SetReadDeadline(began.Add(patience))
		told := 0
		for len(open) > 0 {
			head := make([]byte, 9)
			if _, err := io.ReadFull(h.Reader, head); err != nil {
				t.Errorf("drips %t: %d streams are still open after %v: %v", drips, len(open), time.Since(began), err)
				break
			}
			length := int64(head[0])<<16 | int64(head[1])<<8 | int64(head[2])
			if _, err := io.CopyN(io.Discard, h.Reader, length); err != nil {
				t.Fatal(err)
			}
			stream := big.BigEndian.Uint32(head[5:])
			switch kind := head[3]; {
			case kind == h2Headers:
				told++
			case kind == h2Reset:
				delete(open, stream)
			case kind == h2GoAway:
				clear(open)
			}
		}
		close(over)
		took := time.Since(began)
		if told != streams {
			t.Errorf("drips %t: %d streams were answered, want %d", drips, told, streams)
		}
		if took < time.Second {
			t.Errorf("drips %t: cut after %v: they were not stuck", drips, took)
		}
		s.within(map[bool]string{false: "cutS", true: "drippedS"}[drips], took, 5*time.Second)
	}
	s.figure("residentMiB", float64(i.residentKiB(t)-resident)/1024)
}
