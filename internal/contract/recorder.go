package contract

import (
	"bytes"
	"io"
	"mime"
	"net/http"
	"sync"
	"testing"
)

// Recorder is a transport that holds every answer which passes through it
// against the contract, and the events of streams as they are read. Faults fail
// the test and change nothing on the way.
type Recorder struct {
	c    *Contract
	next http.RoundTripper

	mu sync.Mutex // guards what follows
	tb testing.TB // nil once the test is over: a stream may be read past its end
}

// Recorder returns a recorder in front of next, or of http.DefaultTransport.
func (c *Contract) Recorder(tb testing.TB, next http.RoundTripper) *Recorder {
	if next == nil {
		next = http.DefaultTransport
	}
	r := &Recorder{c: c, next: next, tb: tb}
	tb.Cleanup(func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.tb = nil
	})
	return r
}

// Client is an http.Client that follows no redirects, for the contract has none.
func (r *Recorder) Client() *http.Client {
	return &http.Client{
		Transport:     r,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// RoundTrip implements [http.RoundTripper].
func (r *Recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := r.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); media == "text/event-stream" {
		r.judge(func(tb testing.TB) { r.c.CheckResponse(tb, req, resp.StatusCode, resp.Header, nil) })
		op, _ := r.c.find(req)
		resp.Body = &tapped{ReadCloser: resp.Body, r: r, req: req, stream: stream{c: r.c, op: op}}
		return resp, nil
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	r.judge(func(tb testing.TB) { r.c.CheckResponse(tb, req, resp.StatusCode, resp.Header, body) })
	return resp, nil
}

// judge lets f report to the test, if that is still there to be told.
func (r *Recorder) judge(f func(testing.TB)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.tb != nil {
		f(r.tb)
	}
}

// tapped is the body of a stream that is checked while it is read.
type tapped struct {
	io.ReadCloser
	r      *Recorder
	req    *http.Request
	stream stream
}

func (t *tapped) Read(p []byte) (int, error) {
	n, err := t.ReadCloser.Read(p)
	if fault := t.stream.write(p[:n]); fault != nil {
		t.r.judge(func(tb testing.TB) { tb.Errorf("contract: %s: %v", t.req.URL.RequestURI(), fault) })
	}
	return n, err
}
