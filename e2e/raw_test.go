package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// dialRaw is a connection on which a test says what no client of HTTP would.
func (i *instance) dialRaw(t testing.TB) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(i.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience)) //nolint:errcheck // a socket has them
	return conn
}

var statusLine = regexp.MustCompile(`(?m)^HTTP/1\.[01] (\d+)`)

// A request that two programs may take for requests of different lengths is how one user's request comes to be read as another's. Where its length can be
// read in two ways it is refused and the connection closed, so that what follows is no request.
func TestARequestOfTwoLengthsIsRefused(t *testing.T) {
	t.Parallel()
	i := start(t, "PRESENTLY_JWT_SECRET="+secret)
	const (
		beat  = "POST /v1/presence/heartbeat HTTP/1.1\r\n"
		body  = `{"sessionId":"session-1"}`
		size  = "Content-Length: 25\r\n"
		piece = "19\r\n" + body + "\r\n0\r\n\r\n"
		// The last that is sent, so that the answer to it is where the answers end. It is hidden in those that must not be read on.
		last = "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
	)
	head := "Host: x\r\nContent-Type: application/json\r\nAuthorization: Bearer " + sign(t, "ada", time.Hour) + "\r\n"
	chunked := head + "Transfer-Encoding: chunked\r\n"
	for _, test := range []struct {
		name, sent string
		answers    []string
	}{
		{"an honest one", beat + head + size + "\r\n" + body + last, []string{"200", "200"}},
		{"an honest one in chunks", beat + chunked + "\r\n" + piece + last, []string{"200", "200"}},
		{"the same length twice", beat + head + size + size + "\r\n" + body + last, []string{"200", "200"}},
		// RFC 9112, 6.1: the chunks count. net/http has it so; a proxy that forwards both is to be mended, and nginx forwards neither.
		{"a length and chunks", beat + chunked + size + "\r\n" + piece + last, []string{"200", "200"}},
		{"two lengths", beat + head + size + "Content-Length: 3\r\n\r\n" + body + last, []string{"400"}},
		{"a list of lengths", beat + head + "Content-Length: 25, 25\r\n\r\n" + body + last, []string{"400"}},
		{"a length with a sign", beat + head + "Content-Length: +25\r\n\r\n" + body + last, []string{"400"}},
		{"a length below zero", beat + head + "Content-Length: -1\r\n\r\n" + body + last, []string{"400"}},
		{"a length of base 16", beat + head + "Content-Length: 0x19\r\n\r\n" + body + last, []string{"400"}},
		{"a length with a blank before its colon", beat + head + "Content-Length : 25\r\n\r\n" + body + last, []string{"400"}},
		{"a length past all numbers", beat + head + "Content-Length: 99999999999999999999\r\n\r\n" + body + last, []string{"400"}},
		{"another encoding", beat + head + "Transfer-Encoding: xchunked\r\n\r\n" + piece + last, []string{"501"}},
		{"chunks, then another encoding", beat + head + "Transfer-Encoding: chunked, identity\r\n\r\n" + piece + last, []string{"501"}},
		{"two encodings", beat + head + "Transfer-Encoding: gzip, chunked\r\n\r\n" + piece + last, []string{"501"}},
		{"chunks twice", beat + chunked + "Transfer-Encoding: chunked\r\n\r\n" + piece + last, []string{"501"}},
		{"chunks behind a vertical tab", beat + head + "Transfer-Encoding:\vchunked\r\n\r\n" + piece + last, []string{"400"}},
		{"chunks in HTTP/1.0", strings.Replace(beat, "1.1", "1.0", 1) + chunked + "\r\n" + piece + last, []string{"400"}},
		{"a chunk that ends with LF alone", beat + chunked + "\r\n19\n" + body + "\n0\n\n" + last, []string{"400"}},
		{"LF in a chunk's extension", beat + chunked + "\r\n19;a\nb\r\n" + body + "\r\n0\r\n\r\n" + last, []string{"400"}},
		{"a chunk past all numbers", beat + chunked + "\r\nfffffffffffffffff\r\n" + body + "\r\n0\r\n\r\n" + last, []string{"400"}},
		{"a chunk below zero", beat + chunked + "\r\n-1\r\n" + body + "\r\n0\r\n\r\n" + last, []string{"400"}},
		{"a chunk of base 0x", beat + chunked + "\r\n0x19\r\n" + body + "\r\n0\r\n\r\n" + last, []string{"400"}},
		{"a chunk longer than it says", beat + chunked + "\r\n19\r\n" + body + "xx\r\n0\r\n\r\n" + last, []string{"400"}},
		{"a bare CR in a header", "GET /v1/presence/me HTTP/1.1\r\nX: a\rY: b\r\n" + head + "\r\n" + last, []string{"400"}},
		{"NUL in a header", "GET /v1/presence/me HTTP/1.1\r\nX: a\x00b\r\n" + head + "\r\n" + last, []string{"400"}},
		{"a header without a name", "GET /v1/presence/me HTTP/1.1\r\n: b\r\n" + head + "\r\n" + last, []string{"400"}},
		{"no host", "GET /healthz HTTP/1.1\r\n\r\n" + last, []string{"400"}},
		{"two hosts", "GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" + last, []string{"400"}},
		{"a blank in the path", "GET /v1/presence/a b HTTP/1.1\r\n" + head + "\r\n" + last, []string{"400"}},
		{"two tokens", "GET /v1/presence/me HTTP/1.1\r\n" + head + "Authorization: Bearer x\r\n\r\n" + last, []string{"401", "200"}},
		{"a header of 40 KB", "GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("a", 40_000) + "\r\n\r\n" + last, []string{"431"}},
		{"a request hidden in a body that nobody wants", "GET /v1/presence/me HTTP/1.1\r\n" + head + fmt.Sprintf("Content-Length: %d\r\n\r\n", len(last)) + last + last, []string{"200", "200"}},
		{"a compressed body", beat + head + "Content-Encoding: gzip\r\n" + size + "\r\n" + body + last, []string{"415", "200"}},
		{"a token in a trailer", "POST /v1/presence/heartbeat HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nTrailer: Authorization\r\n\r\n19\r\n" + body +
			"\r\n0\r\n" + strings.TrimPrefix(head, "Host: x\r\nContent-Type: application/json\r\n") + "\r\n" + last, []string{"401", "200"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			conn := i.dialRaw(t)
			go io.WriteString(conn, test.sent) //nolint:errcheck // the server may not want it all
			got, err := io.ReadAll(conn)
			if e, ok := err.(net.Error); ok && e.Timeout() {
				t.Fatalf("the connection stays open: %q", got)
			}
			var answers []string
			for _, m := range statusLine.FindAllSubmatch(got, -1) {
				answers = append(answers, string(m[1]))
			}
			// A connection that is closed while something unread is on its way may lose the refusal, but never gets more.
			if lost := len(answers) == 0 && len(test.answers) == 1; !slices.Equal(answers, test.answers) && !lost {
				t.Errorf("answers %q, want %q:\n%s", answers, test.answers, got)
			}
		})
	}
}

// Who sends as little as keeps a connection open, or reads nothing, does not hold it for long, and keeps nobody else from being answered.
func TestSlowStrangersAreCutWhileOthersAreAnswered(t *testing.T) {
	t.Parallel()
	i := start(t, "PRESENTLY_JWT_SECRET="+secret)
	bearer := "Authorization: Bearer " + sign(t, "ada", time.Hour) + "\r\n"
	const (
		asJSON  = "Content-Type: application/json\r\n"
		preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
		each    = 20
	)
	slow := []struct{ name, first, drip string }{
		{"nothing", "", ""},
		{"half a request line", "GET /v1/presence", "a"},
		{"headers without end", "GET /healthz HTTP/1.1\r\nHost: x\r\n", "X: y\r\n"},
		{"half of HTTP/2", "PRI * HT", ""},
		{"HTTP/2, and nothing", preface, ""},
		{"a body, byte by byte", "POST /v1/presence/heartbeat HTTP/1.1\r\nHost: x\r\n" + asJSON + bearer + "Content-Length: 10000\r\n\r\n", " "},
		{"a body without a token", "POST /v1/presence/heartbeat HTTP/1.1\r\nHost: x\r\n" + asJSON + "Content-Length: 10000\r\n\r\n", " "},
		{"a body in tiny chunks", "POST /v1/presence/leave HTTP/1.1\r\nHost: x\r\n" + asJSON + "Transfer-Encoding: chunked\r\n\r\n", "1\r\n \r\n"},
		{"an endless chunk extension", "POST /v1/presence/leave HTTP/1.1\r\nHost: x\r\n" + asJSON + "Transfer-Encoding: chunked\r\n\r\n1;", "x"},
		{"an endless trailer", "POST /v1/presence/leave HTTP/1.1\r\nHost: x\r\n" + asJSON + "Transfer-Encoding: chunked\r\n\r\n0\r\n", "X: y\r\n"},
		{"a stream with a body that does not come", "GET /v1/stream?user=ada HTTP/1.1\r\nHost: x\r\n" + bearer + "Content-Length: 100\r\n\r\n", ""},
	}
	cut := make(chan error, each*len(slow))
	for _, s := range slow {
		for range each {
			conn := i.dialRaw(t) // with patience: an idle connection would be held for longer
			go func() { cut <- dripUntilCut(conn, s.name, s.first, s.drip) }()
		}
	}
	for range cap(cut) {
		select {
		case err := <-cut:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(2 * patience):
			t.Fatal("slow connections are held")
		}
		if r, err := i.client.Get(i.url + "/healthz"); err != nil || r.StatusCode != http.StatusOK {
			t.Fatalf("meanwhile nobody is answered: %v", err)
		} else {
			r.Body.Close()
		}
	}
}

// dripUntilCut sends a little now and then, until the server has had enough of it.
func dripUntilCut(conn net.Conn, name, first, drip string) error {
	if _, err := io.WriteString(conn, first); err != nil {
		return nil //nolint:nilerr // it is cut
	}
	ended := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.Discard, conn)
		ended <- err
	}()
	every := time.NewTicker(250 * time.Millisecond)
	defer every.Stop()
	for {
		select {
		case err := <-ended:
			if e, ok := err.(net.Error); ok && e.Timeout() {
				return fmt.Errorf("%s holds a connection for %v", name, patience)
			}
			return nil
		case <-every.C:
			if _, err := io.Copy(conn, bytes.NewReader([]byte(drip))); err != nil {
				drip = "" // it is cut: its reader will see that
			}
		}
	}
}
