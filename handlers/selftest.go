package handlers

import (
	"net/http"
	"time"

	"github.com/presently/presently/api"
	"github.com/presently/presently/sse"
)

const (
	selftestEvents = 5
	selftestEvery  = time.Second
)

// OpenSelftest implements GET /v1/stream/selftest. Its events are written as those of every stream are, each flushed by itself, and their
// distance on arrival tells whether something on the way collects them.
func (s *Server) OpenSelftest(w http.ResponseWriter, r *http.Request) {
	if s.draining.Load() {
		s.fail(w, r, errDraining())
		return
	}
	if r.Method == http.MethodHead {
		sse.Start(w, r) //nolint:errcheck // the client has gone
		return
	}
	leave, ok := s.streams.enter(identity(r).User)
	if !ok {
		s.fail(w, r, errTooManyStreams())
		return
	}
	defer leave()
	sink, err := sse.Start(w, r)
	if err != nil {
		return // the client has gone
	}
	s.selftest(r, sink)
}

// selftest writes the events until they are all there, nobody reads them any more or the instance is about to stop.
func (s *Server) selftest(r *http.Request, sink sse.Sink) {
	tick := time.NewTicker(selftestEvery)
	defer tick.Stop()
	for n := int64(1); ; n++ {
		e := sse.Event{Name: "selftest", Data: encode(api.SelftestEvent{N: n, Of: selftestEvents, ServerTime: formatTime(s.board.Clock())})}
		if err := sink.Write(e.AppendTo(nil)); err != nil || n == selftestEvents {
			return
		}
		select {
		case <-tick.C:
		case <-r.Context().Done():
			return
		case <-s.leaving:
			return
		}
	}
}
