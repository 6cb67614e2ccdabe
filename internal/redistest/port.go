package redistest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// Ports come from below the kernel's ephemeral range (32768 and up). A port
// in that range can be taken by any outgoing connection while its server is
// down for a restart, and a client that dials it then may even be connected
// to itself.
const (
	firstPort = 20000
	lastPort  = 29999
)

// reservePort returns a port that belongs to this test until it ends, running
// server or not. Test binaries run side by side, so the reservation is a file
// lock, which the kernel drops when its holder dies.
func reservePort(t testing.TB) int {
	t.Helper()
	dir := filepath.Join(os.TempDir(), fmt.Sprintf("presently-redistest-%d", os.Getuid()))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatalf("redistest: reserve a port: %v", err)
	}
	const attempts = 200
	for range attempts {
		port := firstPort + rand.IntN(lastPort-firstPort+1)
		lock, ok := lockPort(dir, port)
		if !ok {
			continue
		}
		if !free(port) {
			_ = lock.Close()
			continue
		}
		t.Cleanup(func() { _ = lock.Close() })
		return port
	}
	t.Fatalf("redistest: no free port in %d..%d after %d attempts", firstPort, lastPort, attempts)
	return 0
}

// lockPort leaves the file where it is: removing a lock file while another
// process opens it would let two hold "the same" lock.
func lockPort(dir string, port int) (*os.File, bool) {
	f, err := os.OpenFile(filepath.Join(dir, strconv.Itoa(port)), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, false
	}
	if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
		_ = f.Close()
		return nil, false
	}
	return f, true
}

func free(port int) bool {
	l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
	if err != nil {
		return false
	}
	_ = l.Close()
	return true
}
