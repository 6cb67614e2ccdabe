package handlers

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/presently/presently/api"
)

// A full instance is not a sick one: what operators and balancers ask is answered over a connection that is one too many, and nothing else is.
func TestOverASurplusConnectionOperatorsAloneAreAnswered(t *testing.T) {
	inWorld(t, func(w *world) {
		ask := func(method, path string) *httptest.ResponseRecorder {
			r, _ := http.NewRequestWithContext(Surplus(w.Context()), method, "http://presently"+path, nil)
			r.Header.Set("Authorization", "Bearer "+token("ada", nil))
			a := httptest.NewRecorder()
			w.server.ServeHTTP(a, r)
			return a
		}
		for _, path := range open {
			if a := ask("GET", path); a.Code != http.StatusOK || a.Header().Get("Connection") != "close" {
				w.Errorf("%s: %d %v", path, a.Code, a.Header())
			}
		}
		for _, op := range operations {
			a := ask(op.method, op.path)
			p := as[api.Problem](w, reply{status: a.Code, header: a.Header(), body: a.Body.Bytes()}, http.StatusServiceUnavailable)
			if p.Code != api.ProblemCodeTooManyConnections || a.Header().Get("Retry-After") == "" || a.Header().Get("Connection") != "close" {
				w.Errorf("%s %s: %d %v %s", op.method, op.path, a.Code, a.Header(), a.Body)
			}
		}
	})
}

// Who asks and asks, and takes no answer, held a goroutine and all that the connection's buffers had for as long as he liked.
func TestAnAnswerMustBeTakenInTime(t *testing.T) {
	inWorld(t, func(w *world) {
		conn, err := w.pipes.dial(w.Context(), "", "")
		if err != nil {
			w.Fatal(err)
		}
		began := time.Now()
		for err == nil {
			_, err = io.WriteString(conn, "GET /openapi.yaml HTTP/1.1\r\nHost: presently\r\n\r\n")
			if time.Since(began) > time.Hour {
				break
			}
		}
		if took := time.Since(began); took < answerTimeout || took > answerTimeout+2*time.Second {
			w.Errorf("held for %v (%v), want %v", took, err, answerTimeout)
		}
		conn.Close() //nolint:errcheck // a test
	})
}
