package handlers

import (
	"context"
	"net/http"
	"time"

	"github.com/presently/presently/api"
	"github.com/presently/presently/presence"
)

const (
	reportEvery = time.Second     // the number of streams, where it has changed
	reportAnew  = 5 * time.Second // where it has not: half of the time for which a store believes it
)

// GetStats implements GET /v1/stats. The numbers are those of the index, which are what a stranger to everybody sees.
func (s *Server) GetStats(w http.ResponseWriter, r *http.Request) {
	here, err := s.tracker.Room(r.Context(), presence.RoomQuery{Room: presence.Everywhere})
	var rooms, streams int
	if err == nil {
		rooms, err = s.tracker.RoomCount(r.Context())
	}
	if err == nil {
		streams, err = s.tracker.CountStreams(r.Context(), s.tracker.Instance, s.hub.Len())
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	answer(w, http.StatusOK, api.Stats{Users: int64(here.Users), Sessions: int64(here.Sessions), Rooms: int64(rooms), Streams: int64(streams)})
}

// ListOnline implements GET /v1/admin/online. The scope opens the list; what people hide from the token's user it does not open.
func (s *Server) ListOnline(w http.ResponseWriter, r *http.Request, params api.ListOnlineParams) {
	err := checkQuery(r, params)
	var p page
	if err == nil {
		p, err = s.pageOf(r, presence.Everywhere, params.Limit, params.Cursor)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	answer(w, http.StatusOK, api.OnlinePage{Presences: p.presences, Count: int64(p.count), Cursor: p.cursor, Truncated: p.cursor != nil})
}

// reportStreams tells the store how many streams this instance has open, until ctx ends.
func (s *Server) reportStreams(ctx context.Context) {
	tick := time.NewTicker(reportEvery)
	defer tick.Stop()
	told, at := -1, time.Time{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if open := s.hub.Len(); open != told || time.Since(at) >= reportAnew {
			if _, err := s.tracker.CountStreams(ctx, s.tracker.Instance, open); err == nil { // else it is told with the next tick
				told, at = open, time.Now()
			}
		}
	}
}
