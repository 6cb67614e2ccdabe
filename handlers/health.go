package handlers

import (
	"net/http"
	"time"

	"github.com/presently/presently/api"
)

// leastPatience keeps readiness from flapping where sessions live so shortly that a third of their TTL is next to nothing.
const leastPatience = 2 * time.Second

// GetHealth implements GET /healthz: the process is alive, whatever Redis is.
func (s *Server) GetHealth(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, api.Health{Status: api.HealthStatusOk})
}

// GetReadiness implements GET /readyz: the instance should get traffic unless it is about to stop, or has not heard of the store for a
// third of a TTL. Sooner would take every instance out for a hiccup that costs nobody anything. One that never had the keys of a JWKS would refuse
// everybody, so it waits for them; once it has some, it keeps them and stays ready. Nor is it ready before it has heard of every lane, because
// the events of its streams could have no ids.
func (s *Server) GetReadiness(w http.ResponseWriter, r *http.Request) {
	switch {
	case s.draining.Load():
		s.fail(w, r, errDraining())
	case s.board.Silence() > max(leastPatience, s.tracker.Policy.TTL/3):
		s.fail(w, r, &failure{code: api.ProblemCodeStoreUnavailable, detail: "Nothing has been heard of the store for too long.", after: retryAfter()})
	case !s.listening():
		s.fail(w, r, &failure{code: api.ProblemCodeStoreUnavailable, detail: "The instance has just started: not every partition of the store has been heard of.", after: retryAfter()})
	case !s.opts.Tokens.Ready():
		s.fail(w, r, &failure{code: api.ProblemCodeKeysUnavailable, detail: "The JWKS has not been fetched yet; the log says why.", after: retryAfter()})
	default:
		answer(w, http.StatusOK, api.Health{Status: api.HealthStatusOk})
	}
}

func (s *Server) listening() bool {
	select {
	case <-s.board.Listening():
		return true
	default:
		return false
	}
}

// GetMetrics implements GET /metrics, unless the metrics have an address of their own.
func (s *Server) GetMetrics(w http.ResponseWriter, r *http.Request) {
	if s.opts.Metrics == nil {
		s.fail(w, r, errPath())
		return
	}
	s.opts.Metrics.ServeHTTP(w, r)
}

// GetContract implements GET /openapi.yaml.
func (s *Server) GetContract(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/yaml; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	w.Write(s.opts.Contract) //nolint:errcheck // the client has gone
}

// GetDocs implements GET /docs.
func (s *Server) GetDocs(w http.ResponseWriter, r *http.Request) { s.opts.Docs.ServeHTTP(w, r) }

// GetHome implements GET /.
func (s *Server) GetHome(w http.ResponseWriter, r *http.Request) { s.opts.Home.ServeHTTP(w, r) }
