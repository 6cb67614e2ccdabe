package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"
)

func read(t testing.TB, r io.Reader) (all []string) {
	t.Helper()
	err := readEvents(r, func(e event, retry time.Duration) error {
		all = append(all, fmt.Sprintf("%s|%s|%s|%d", e.name, e.id, e.data, retry.Milliseconds()))
		return nil
	})
	if err != nil {
		t.Errorf("readEvents: %v", err)
	}
	return all
}

func TestEventsAreReadAsTheStandardHasIt(t *testing.T) {
	for text, want := range map[string][]string{
		"event: a\nid: 1\ndata: x\n\n":                 {"a|1|x|0"},
		"\ufeffevent: a\r\ndata: x\r\n\r\n":            {"a||x|0"},
		"event: a\rdata: x\r\r":                        {"a||x|0"},
		": comment\n\nretry: 200\n\n":                  {"|||0", "|||200"},
		"data: x\ndata:  y\ndata\n\n":                  {"message||x\n y\n|0"},
		"event: a\n\ndata: z\n\n":                      {"|||0", "message||z|0"},
		"id: a\x00b\ndata: x\n\n":                      {"message||x|0"},
		"retry: 1s\nretry: -1\ndata: x\n\n":            {"message||x|0"},
		"event: a\ndata: half":                         nil,
		"event: a\ndata: x\n":                          nil,
		"event:a\nevent:b\nfoo: bar\ndata:x:y\n\n":     {"b||x:y|0"},
		"data: " + strings.Repeat("x", 1<<20) + "\n\n": {"message||" + strings.Repeat("x", 1<<20) + "|0"},
	} {
		for name, r := range map[string]io.Reader{"at once": strings.NewReader(text), "byte by byte": iotest.OneByteReader(strings.NewReader(text))} {
			if len(text) > 1<<20 && name != "at once" {
				continue
			}
			if got := read(t, r); !slices.Equal(got, want) {
				t.Errorf("%.60q %s: %.200q, want %.200q", text, name, got, want)
			}
		}
	}
	if err := readEvents(strings.NewReader("data: "+strings.Repeat("x", lineSize)), func(event, time.Duration) error { return nil }); err == nil {
		t.Error("a line without an end is read for ever")
	}
}

func FuzzReadEvents(f *testing.F) {
	f.Add("event: a\nid: 1\ndata: x\n\n: c\r\n\rretry: 5\r\r")
	f.Fuzz(func(t *testing.T, text string) {
		collect := func(r io.Reader) (all []event) {
			readEvents(r, func(e event, _ time.Duration) error { //nolint:errcheck // too long a line
				all = append(all, e)
				return nil
			})
			return all
		}
		if a, b := collect(strings.NewReader(text)), collect(iotest.OneByteReader(strings.NewReader(text))); !slices.Equal(a, b) {
			t.Errorf("at once %q, byte by byte %q", a, b)
		}
	})
}

// remoteAt is a client of a test's own server.
func remoteAt(t testing.TB, h http.HandlerFunc) *remote {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, CheckRedirect: sameHost}
	t.Cleanup(c.CloseIdleConnections)
	return &remote{u, "a.b.c", c}
}

func stream(w http.ResponseWriter, text string) {
	w.Header().Set("Content-Type", "text/event-stream")
	io.WriteString(w, text) //nolint:errcheck // a test
}

const problemGone = `{"type":"/docs#problem-subscription_gone","title":"Gone","status":410,"detail":"Make a new one.","code":"subscription_gone","requestId":"1","final":true}`

// It comes back after what the server said, with the last id, through whatever happens in between, and ends where that is pointless.
func TestSubscriberComesBackUntilThatIsPointless(t *testing.T) {
	var ids []string
	var n atomic.Int32
	s := newSubscriber(remoteAt(t, func(w http.ResponseWriter, r *http.Request) {
		ids = append(ids, r.Header.Get("Last-Event-ID"))
		if r.Header.Get("Authorization") != "Bearer a.b.c" || r.URL.RawQuery != "user=a%26b" {
			t.Errorf("asked for %s as %q", r.URL, r.Header.Get("Authorization"))
		}
		switch n.Add(1) {
		case 1:
			stream(w, "retry: 1\nevent: hello\ndata: {}\n\nid: one\nevent: x\ndata: 1\n\n")
		case 2:
			w.WriteHeader(http.StatusBadGateway)
		case 3:
			panic(http.ErrAbortHandler)
		case 4:
			stream(w, "event: x\nid: two\ndata: 2\n\nevent: reconnect\nretry: 2\ndata: {}\n\n")
		case 5:
			stream(w, "event: problem\nretry: 1\ndata: {\"code\":\"draining\",\"status\":503,\"final\":false}\n\n")
		default:
			stream(w, "event: problem\ndata: "+problemGone+"\n\n")
		}
	}), streamPath([]string{"a&b"}, nil))
	var heard []string
	var waits []time.Duration
	err := s.run(t.Context(), func(e event) error {
		heard = append(heard, e.name+e.data)
		return nil
	}, func(_ error, wait time.Duration) { waits = append(waits, wait) })
	if err == nil || !strings.Contains(err.Error(), "subscription_gone") {
		t.Errorf("run: %v", err)
	}
	if want := []string{"", "one", "one", "one", "two", "two"}; !slices.Equal(ids, want) {
		t.Errorf("it came with the ids %q, want %q", ids, want)
	}
	if want := []string{"hello{}", "x1", "x2", "reconnect{}"}; !slices.Equal(heard, want) {
		t.Errorf("heard %q, want %q", heard, want)
	}
	if want := []time.Duration{1, 2, 4, 2, 1}; !slices.EqualFunc(waits, want, func(got, ms time.Duration) bool { return got == ms*time.Millisecond }) {
		t.Errorf("it waited %v, want %d ms: as told, and longer while it does not get better", waits, want)
	}
}

func TestSubscriberWaitsAsLongAsARefusalSays(t *testing.T) {
	s := newSubscriber(nil, "")
	if got := s.wait(&refusal{status: 429, after: time.Minute}); got < time.Minute || got > 61*time.Second {
		t.Errorf("after Retry-After: 60 it waits %v", got)
	}
	for range 20 {
		s.wait(io.EOF)
	}
	if got := s.wait(io.EOF); got != mostRetry {
		t.Errorf("after many failures it waits %v, want %v", got, mostRetry)
	}
}

func TestSubscriberEndsAtWhatNoRetryMends(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"forbidden": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) },
		"a page":    func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<!doctype html>") }, //nolint:errcheck // a test
		"elsewhere": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://evil.example/", http.StatusFound)
		},
	} {
		err := newSubscriber(remoteAt(t, answer), "/v1/stream").run(t.Context(), func(event) error { return nil }, func(err error, _ time.Duration) {
			t.Fatalf("%s: it comes back after %v", name, err)
		})
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	enough := errors.New("enough")
	s := newSubscriber(remoteAt(t, func(w http.ResponseWriter, _ *http.Request) { stream(w, "data: 1\n\n") }), "/")
	if err := s.run(t.Context(), func(event) error { return enough }, nil); err == nil || err.Error() != "enough" {
		t.Errorf("whoever hears has had enough: %v", err)
	}
}

func TestSubscriberEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := newSubscriber(remoteAt(t, func(w http.ResponseWriter, r *http.Request) {
		stream(w, "data: 1\n\n")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}), "/")
	err := s.run(ctx, func(event) error { cancel(); return nil }, func(error, time.Duration) { t.Error("it comes back") })
	if err != nil {
		t.Errorf("run: %v", err)
	}
}

func TestRefusalsOfOthersAreToldApart(t *testing.T) {
	_, err := remoteAt(t, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "<html>", http.StatusBadGateway) }).ask(t.Context(), "GET", "/", nil, nil)
	if err == nil || !strings.Contains(err.Error(), "502 Bad Gateway, and none that Presently gives") {
		t.Errorf("%v", err)
	}
	_, err = remoteAt(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusGone)
		io.WriteString(w, strings.Replace(problemGone, "Make", `\u001b[2JMake`, 1)) //nolint:errcheck // a test
	}).ask(t.Context(), "GET", "/", nil, nil)
	if err == nil || err.Error() != "Gone (subscription_gone). \ufffd[2JMake a new one." {
		t.Errorf("%q", err)
	}
}

// Names and texts come from others, and a terminal acts on what it is sent.
func TestNothingThatATerminalActsOnGetsThere(t *testing.T) {
	for _, evil := range []string{"\x1b[2J", "\x9b2J", "a\rb", "a\nb", "\x07", "\u202e", "\u2028", "\ufeff", "\x00", "\xff"} {
		if got := plain("x" + evil + "y"); strings.ContainsAny(got, "\x1b\u009b\r\n\x07\u202e\u2028\ufeff\x00") || !strings.HasPrefix(got, "x") || !strings.HasSuffix(got, "y") {
			t.Errorf("%q becomes %q", evil, got)
		}
	}
	if got := plain("Ünï ☕ “x”"); got != "Ünï ☕ “x”" {
		t.Errorf("harmless text becomes %q", got)
	}
}
