package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/presently/presently/sse"
)

// stuckReaders asks a server for streams and reads nothing of them. It returns how many bytes the server could write for each all the same, and how much
// the kernel's pages for TCP have grown by then, also for each: of the whole machine, and for both ends of the connections, which are both here.
func stuckReaders(t *testing.T, readers int, limited bool, pair *tls.Certificate) (wrote, kernel int) {
	t.Helper()
	var bytesWritten atomic.Int64
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	piece := bytes.Repeat([]byte("data: 0123456789\n\n"), 500)
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if limited {
			sse.LimitBuffer(r.Context())
		}
		http.NewResponseController(w).EnableFullDuplex() //nolint:errcheck // only to have the reader's close noticed
		sink, err := sse.Start(w, r)
		for err == nil {
			if err = sink.Write(piece); err == nil {
				bytesWritten.Add(int64(len(piece)))
			}
		}
	})
	var cfg config
	if pair != nil {
		cfg.tls = &servedCertificate{pair: pair, looked: time.Now().Add(time.Hour)} // it has no files to look at
	}
	server := newServer(cfg, h, ctx, slog.New(slog.DiscardHandler))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var done sync.WaitGroup
	done.Go(func() {
		if err := accept(server, l); err != nil {
			t.Error(err)
		}
	})
	defer done.Wait()
	defer server.Close() //nolint:errcheck // a test
	before := tcpPages(t)
	// The window is closed after some KiB.
	dialer := net.Dialer{Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) { _ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4<<10) })
	}}
	for range readers {
		c, err := dialer.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close() //nolint:errcheck // a test
		if pair != nil {
			c = tls.Client(c, &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // our own, made for this test
		}
		if _, err := fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: presently\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
	}
	last := int64(-1)
	for patience := time.Now().Add(time.Minute); last != bytesWritten.Load() || last == 0; {
		if time.Now().After(patience) {
			t.Fatal("they never get stuck")
		}
		last = bytesWritten.Load()
		time.Sleep(500 * time.Millisecond)
	}
	kernel = (tcpPages(t) - before) * os.Getpagesize() / readers
	return int(last) / readers, kernel
}

var tcpMemory = regexp.MustCompile(`(?m)^TCP: .* mem (\d+)$`)

func tcpPages(t *testing.T) int {
	t.Helper()
	b, err := os.ReadFile("/proc/net/sockstat")
	m := tcpMemory.FindSubmatch(b)
	if err != nil || m == nil {
		t.Fatalf("/proc/net/sockstat: %v\n%s", err, b)
	}
	n, _ := strconv.Atoi(string(m[1]))
	return n
}

func selfSigned(t *testing.T) *tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(certificate(t, key))
	return &tls.Certificate{Certificate: [][]byte{block.Bytes}, PrivateKey: key}
}

const zeroWindows = 20 // readers; figures of more differ little

// Readers who do not read are cut after some seconds; until then the kernel must not keep megabytes for each.
func TestAReaderWhoDoesNotReadPinsLittle(t *testing.T) {
	for name, pair := range map[string]*tls.Certificate{"in clear": nil, "TLS": selfSigned(t)} {
		left, leftKernel := stuckReaders(t, zeroWindows, false, pair)
		limited, kernel := stuckReaders(t, zeroWindows, true, pair)
		t.Logf("%s: %d KiB written and %d KiB of the kernel's memory for each, with the buffer left to itself %d and %d KiB", name, limited>>10, kernel>>10, left>>10, leftKernel>>10)
		if limited > 128<<10 || limited*4 > left {
			t.Errorf("%s: %d KiB are pinned by each, %d with the buffer left to itself", name, limited>>10, left>>10)
		}
	}
}
