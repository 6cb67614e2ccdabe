package sse

import (
	"errors"
	"net/http"
	"time"
)

// Sink is where a stream is written to: [ResponseSink], and a connection that was
// taken over from the HTTP server.
type Sink interface {
	// Write writes p and sees to it that it leaves the process. It returns an
	// error when the reader has taken nothing for too long. It does not keep p.
	Write(p []byte) error
}

const (
	// stuckAfter is how long a write may make no progress. It is the only thing
	// that cuts a reader, and frees what the reader holds.
	stuckAfter = 5 * time.Second

	// pieceSize is how much has to be taken within stuckAfter. A snapshot of a
	// thousand users has hundreds of KiB, which a phone on a slow network takes
	// longer for without being stuck.
	pieceSize = 16 << 10
)

// ResponseSink writes a stream as the response to an HTTP request, on HTTP/1.1
// and HTTP/2, also through wrappers that have an Unwrap method.
type ResponseSink struct {
	w       http.ResponseWriter
	control *http.ResponseController
	disarm  bool
}

// Start sends the headers of an event stream, so that the client sees at once
// that it is connected, and returns a sink for its body. It fails where w cannot
// be flushed, by then with a response that has begun, or where the client has
// gone.
//
// A w that knows no deadlines, as in tests, is written to without.
//
// On HTTP/2 the deadline covers a stream whose reader does not read it. One that
// reads nothing of its whole connection is for http.Server's
// HTTP2.WriteByteTimeout to cut.
func Start(w http.ResponseWriter, r *http.Request) (*ResponseSink, error) {
	setHeaders(w.Header())
	s := &ResponseSink{
		w:       w,
		control: http.NewResponseController(w),
		disarm:  r.ProtoMajor >= 2,
	}
	if err := s.arm(); err != nil {
		return nil, err
	}
	w.WriteHeader(http.StatusOK)
	return s, s.flush()
}

func setHeaders(h http.Header) {
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-cache, no-store, no-transform")
	h.Set("X-Accel-Buffering", "no") // nginx would collect 4 KiB before it passes anything on
}

// Write writes p and flushes.
func (s *ResponseSink) Write(p []byte) error {
	for {
		piece := p[:min(len(p), pieceSize)]
		if err := s.arm(); err != nil {
			return err
		}
		if _, err := s.w.Write(piece); err != nil {
			return err
		}
		if p = p[len(piece):]; len(p) == 0 {
			return s.flush()
		}
	}
}

// arm sets the deadline for what is written next.
func (s *ResponseSink) arm() error {
	return s.deadline(time.Now().Add(stuckAfter))
}

// flush sends what was written. On HTTP/2, it then takes the deadline away, which
// there resets a stream also while nothing is being written. On HTTP/1.1 it
// stays, so that it covers the end of the body, which the server writes when the
// handler has returned.
func (s *ResponseSink) flush() error {
	if err := s.control.Flush(); err != nil {
		return err
	}
	if s.disarm {
		return s.deadline(time.Time{})
	}
	return nil
}

func (s *ResponseSink) deadline(t time.Time) error {
	if err := s.control.SetWriteDeadline(t); !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return nil
}
