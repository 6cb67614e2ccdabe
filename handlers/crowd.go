package handlers

import (
	"context"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/presently/presently/api"
)

// Surplus marks what is asked over a connection that is one too many: it is refused, and the connection closed. The mark is made for http.Server's
// ConnContext.
func Surplus(ctx context.Context) context.Context { return context.WithValue(ctx, keySurplus, true) }

// refuseSurplus answers, over a connection that is one too many, what is for operators and balancers: a full instance is not a sick one, and is not to be
// restarted for it. All else is refused like any other request, over HTTP/2 and as the event of a stream too, instead of by a connection that breaks.
func (s *Server) refuseSurplus(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Context().Value(keySurplus) == nil {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Connection", "close")
		if strings.HasPrefix(r.URL.Path, "/v1/") {
			s.fail(w, r, errTooManyConnections())
			return
		}
		next.ServeHTTP(w, r)
	})
}

func errTooManyConnections() *failure {
	return &failure{
		code: api.ProblemCodeTooManyConnections, detail: "Try again in a moment, over a new connection. Nobody goes offline by this.",
		after: time.Duration(1+rand.IntN(5)) * time.Second,
	}
}
