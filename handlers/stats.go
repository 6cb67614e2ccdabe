package handlers

import (
	"context"
	"net/http"
	"time"

	"github.com/presently/presently/api"
	"github.com/presently/presently/presence"
)

const (
	reportEvery = time.Second                   // what an instance says of itself, where it has changed
	reportAnew  = presence.InstanceBelieved / 2 // where it has not
)

// GetStats implements GET /v1/stats. The numbers are those of the index, which are what a stranger to everybody sees.
func (s *Server) GetStats(w http.ResponseWriter, r *http.Request) {
	here, err := s.tracker.Room(r.Context(), presence.RoomQuery{Room: presence.Everywhere})
	var rooms int
	var all []presence.Instance
	if err == nil {
		rooms, err = s.tracker.RoomCount(r.Context())
	}
	if err == nil {
		all, err = s.tracker.Instances(r.Context(), s.self())
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	answer(w, http.StatusOK, api.Stats{Users: int64(here.Users), Sessions: int64(here.Sessions), Rooms: int64(rooms), Streams: int64(presence.StreamsOf(all))})
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

// self is what this instance says of itself to all others.
func (s *Server) self() presence.Instance {
	me := s.opts.Self
	me.Name, me.Streams, me.Draining = s.tracker.Instance, s.hub.Len(), s.draining.Load()
	return me
}

// report tells the store of this instance, until ctx ends.
func (s *Server) report(ctx context.Context) {
	tick := time.NewTicker(reportEvery)
	defer tick.Stop()
	var told presence.Instance
	var at time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if me := s.self(); me != told || time.Since(at) >= reportAnew {
			if _, err := s.tracker.Instances(ctx, me); err == nil { // else it is told with the next tick
				told, at = me, time.Now()
			}
		}
	}
}
