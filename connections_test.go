package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// dial opens a connection and waits until it counts: its first answer has come.
func (i *instance) dial(t testing.TB) (net.Conn, *http.Response) {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(i.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience)) //nolint:errcheck // a socket has them
	return c, askOver(t, c)
}

// askOver asks how ada is over a connection. Of one that is closed unheard there is no answer.
func askOver(t testing.TB, c net.Conn) *http.Response {
	t.Helper()
	io.WriteString(c, "GET /v1/presence/me HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+token(t, "--sub", "ada")+"\r\n\r\n") //nolint:errcheck // as below
	r, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return new(http.Response)
	}
	var body bytes.Buffer
	body.ReadFrom(r.Body) //nolint:errcheck // what is missing is seen
	r.Body = io.NopCloser(&body)
	return r
}

// wantCrowded wants an answer that refuses a connection.
func wantCrowded(t testing.TB, r *http.Response) {
	t.Helper()
	var p struct{ Code string }
	if err := json.NewDecoder(r.Body).Decode(&p); err != nil || r.StatusCode != http.StatusServiceUnavailable || p.Code != "too_many_connections" || r.Header.Get("Retry-After") == "" {
		t.Errorf("%d %q %v %v, want to be told that there are too many", r.StatusCode, p.Code, r.Header, err)
	}
}

// Whoever comes once there is no room is told so, and neither he, nor how slow he is, is felt by those who are there.
func TestOneConnectionTooManyIsToldSoAndTheOthersAreServed(t *testing.T) {
	for name, setting := range map[string]string{"all together": "PRESENTLY_CONNECTIONS=3", "of an address": "PRESENTLY_CONNECTIONS_PER_ADDRESS=3"} {
		t.Run(name, func(t *testing.T) {
			i := start(t, "PRESENTLY_JWT_SECRET="+testSecret, setting)
			var inside []net.Conn
			for range 3 {
				c, r := i.dial(t)
				if r.StatusCode != http.StatusOK {
					t.Fatalf("%d within the bound", r.StatusCode)
				}
				inside = append(inside, c)
			}
			over, r := i.dial(t)
			wantCrowded(t, r)
			if n, err := over.Read(make([]byte, 1)); err != io.EOF {
				t.Errorf("it stays open: %d, %v", n, err)
			}
			alone := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
			if got := status(t, alone, i.url+"/healthz"); got != http.StatusOK {
				t.Errorf("an instance that is full is called sick: %d", got)
			}
			r, err := alone.Get(i.url + "/v1/stream?user=ada&errors=stream")
			if err != nil {
				t.Fatal(err)
			}
			defer r.Body.Close()
			if text, _ := io.ReadAll(r.Body); r.StatusCode != http.StatusOK || !strings.Contains(string(text), "event: problem") || !strings.Contains(string(text), `"final":false`) {
				t.Errorf("a stream is refused by %d %s", r.StatusCode, text)
			}
			for range surplusKept + 10 { // who say nothing
				c, err := net.Dial("tcp", strings.TrimPrefix(i.url, "http://"))
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
			}
			if r := askOver(t, inside[1]); r.StatusCode != http.StatusOK {
				t.Errorf("one of those who were there: %d", r.StatusCode)
			}
			inside[0].Close()
			for by := time.Now().Add(patience); ; {
				if c, r := i.dial(t); r.StatusCode == http.StatusOK {
					break
				} else {
					c.Close()
				}
				if time.Now().After(by) {
					t.Fatal("the room of one who has gone is not given to another")
				}
				time.Sleep(50 * time.Millisecond)
			}
		})
	}
}

// A stream is a connection that the HTTP server has let go of. It counts until it ends.
func TestAStreamCountsForAsLongAsItIsOpen(t *testing.T) {
	i := start(t, "PRESENTLY_JWT_SECRET="+testSecret, "PRESENTLY_CONNECTIONS=1", "PRESENTLY_ADMIN_LISTEN=127.0.0.1:0")
	c := client(t)
	connections := func() string {
		for line := range strings.Lines(second(get(t, c, i.adminURL(t)+"/metrics"))) {
			if n, ok := strings.CutPrefix(line, "presently_connections "); ok {
				return strings.TrimSpace(n)
			}
		}
		return "none"
	}
	watching := &http.Client{Transport: &http.Transport{}}
	request, err := http.NewRequest("GET", i.url+"/v1/stream?user=ben", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token(t, "--sub", "ada"))
	r, err := watching.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	until(t, events(t, r.Body), "snapshot")
	if got := connections(); got != "1" {
		t.Errorf("%s connections with a stream, want 1", got)
	}
	_, refused := i.dial(t)
	wantCrowded(t, refused)
	r.Body.Close()
	for by := time.Now().Add(patience); connections() != "0"; {
		if time.Now().After(by) {
			t.Fatalf("%s connections after the stream", connections())
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func second[A, B any](_ A, b B) B { return b }

func TestConnectionsOfOneAddressAreThoseOfItsNetwork(t *testing.T) {
	l := limitConnections(nil, 0, 1)
	ada, neighbour, other := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("2001:db8::")
	for n, test := range []struct {
		from        netip.Addr
		surplus, ok bool
	}{{ada, false, true}, {neighbour, false, true}, {other, false, true}, {ada, true, true}, {neighbour, true, true}} {
		if surplus, ok := l.enter(test.from); surplus != test.surplus || ok != test.ok {
			t.Errorf("%d: surplus %t, ok %t, want %t, %t", n, surplus, ok, test.surplus, test.ok)
		}
	}
	for range surplusOfOne - 1 {
		l.enter(ada)
	}
	if _, ok := l.enter(ada); ok {
		t.Error("one address may have any number of connections that are too many")
	}
	for range surplusOfOne {
		l.leave(ada, true)
	}
	l.leave(ada, false)
	if surplus, ok := l.enter(ada); surplus || !ok {
		t.Errorf("after all have gone: surplus %t, ok %t", surplus, ok)
	}
	for address, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "::ffff:192.0.2.1": "192.0.2.1", "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::", "fe80::1%eth0": "fe80::",
	} {
		if got := countedFor(netip.MustParseAddr(address)).String(); got != want {
			t.Errorf("%s counts for %s, want %s", address, got, want)
		}
	}
}

func TestConnectionsAreBoundByFilesUnlessSomebodyKnowsBetter(t *testing.T) {
	files := filesAllowed()
	c := loadGood(t, "PRESENTLY_JWT_SECRET="+testSecret)
	if c.connectionsEach != 0 || files > 0 && (c.connections >= files || c.connections < files/2) {
		t.Errorf("%d, and %d of an address, where there are %d files", c.connections, c.connectionsEach, files)
	}
	if c := loadGood(t, "PRESENTLY_JWT_SECRET="+testSecret, "PRESENTLY_CONNECTIONS=0"); c.connections != 0 {
		t.Errorf("%d where there is to be no bound", c.connections)
	}
	c = loadGood(t, "PRESENTLY_JWT_SECRET="+testSecret, "PRESENTLY_CONNECTIONS=9999999")
	if warned := strings.Contains(strings.Join(c.warnings, "\n"), "PRESENTLY_CONNECTIONS is 9999999"); files > 0 && !warned {
		t.Errorf("nothing is said of there being %d files: %q", files, c.warnings)
	}
	if _, err := load(t, nil, "PRESENTLY_CONNECTIONS=-1", "PRESENTLY_CONNECTIONS_PER_ADDRESS=many"); err == nil || !strings.Contains(err.Error(), "PRESENTLY_CONNECTIONS:") || !strings.Contains(err.Error(), "PRESENTLY_CONNECTIONS_PER_ADDRESS:") {
		t.Errorf("%v", err)
	}
}
