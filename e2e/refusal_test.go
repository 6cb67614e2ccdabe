package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/presently/presently/api"
)

// Whoever does something wrong learns in the answer what to do instead.
func TestEveryMistakeIsAnsweredByWhatToDo(t *testing.T) {
	t.Parallel()
	i := start(t, "PRESENTLY_JWT_SECRET="+secret)
	const (
		beat   = "/v1/presence/heartbeat"
		status = "/v1/presence/status"
		asJSON = "Content-Type: application/json"
	)
	auth := "Authorization: Bearer " + sign(t, "ada", time.Hour)
	forged := strings.TrimSuffix(auth, auth[len(auth)-8:]) + "AAAAAAAA"
	for _, mistake := range []struct {
		name         string
		method, path string
		auth         string
		contentType  string
		body         string
		status       int
		code         api.ProblemCode
		says         string // in the detail
	}{
		{"bad JSON", "POST", beat, auth, asJSON, `{"sessionId":`, 400, "malformed_json", ""},
		{"no JSON at all", "POST", beat, auth, asJSON, `hello`, 400, "malformed_json", ""},
		{"an empty body", "POST", beat, auth, asJSON, ``, 400, "malformed_json", ""},
		{"two documents", "POST", beat, auth, asJSON, `{"sessionId":"session-1"}{}`, 400, "malformed_json", "one"},
		{"a key twice", "POST", beat, auth, asJSON, `{"sessionId":"session-1","sessionId":"session-2"}`, 400, "malformed_json", ""},
		{"an unknown field", "POST", beat, auth, asJSON, `{"sessionId":"session-1","mood":"good"}`, 400, "validation_failed", "mood"},
		{"a wrong type", "POST", beat, auth, asJSON, `{"sessionId":42}`, 400, "validation_failed", "sessionId"},
		{"a field that is missing", "POST", beat, auth, asJSON, `{}`, 400, "validation_failed", "sessionId"},
		{"too short", "POST", beat, auth, asJSON, `{"sessionId":"s1"}`, 400, "validation_failed", "sessionId"},
		{"too long", "POST", beat, auth, asJSON, `{"sessionId":"` + strings.Repeat("x", 65) + `"}`, 400, "validation_failed", "sessionId"},
		{"no such status", "PUT", status, auth, asJSON, `{"status":"sleepy"}`, 400, "validation_failed", "status"},
		{"a time that is over", "PUT", status, auth, asJSON, `{"status":"dnd","expiresAt":"2020-01-01T00:00:00Z"}`, 400, "validation_failed", "expiresAt"},
		{"a body past its limit", "POST", beat, auth, asJSON, `{"sessionId":"` + strings.Repeat("x", 17<<10) + `"}`, 413, "body_too_large", "16384"},
		{"no content type", "POST", beat, auth, "Content-Type:", `{"sessionId":"session-1"}`, 415, "unsupported_media_type", "application/json"},
		{"a wrong content type", "POST", beat, auth, "Content-Type: application/x-www-form-urlencoded", `sessionId=session-1`, 415, "unsupported_media_type", "application/json"},
		{"no token", "POST", beat, "", asJSON, `{"sessionId":"session-1"}`, 401, "missing_token", "Authorization: Bearer"},
		{"a wrong token", "POST", beat, "Authorization: Bearer nonsense", asJSON, `{"sessionId":"session-1"}`, 401, "invalid_token", "token"},
		{"a forged token", "POST", beat, forged, asJSON, `{"sessionId":"session-1"}`, 401, "invalid_token", "token"},
		{"an expired token", "POST", beat, "Authorization: Bearer " + sign(t, "ada", -time.Minute), asJSON, `{"sessionId":"session-1"}`, 401, "token_expired", "fresh"},
		{"no token for a stream", "GET", "/v1/stream?user=ada", "", "", "", 401, "missing_token", "Authorization: Bearer"},
		{"nothing to watch", "GET", "/v1/stream", auth, "", "", 400, "validation_failed", "user"},
		{"a user who cannot be", "GET", "/v1/presence?user=", auth, "", "", 400, "validation_failed", "user"},
		{"no such path", "GET", "/v1/presents", auth, "", "", 404, "not_found", "/docs"},
		{"no such method", "PATCH", status, auth, asJSON, `{"status":"dnd"}`, 405, "method_not_allowed", "PUT"},
	} {
		t.Run(mistake.name, func(t *testing.T) {
			args := []string{"-H", mistake.auth, "-H", mistake.contentType}
			if mistake.body != "" || mistake.method == "POST" {
				args = append(args, "--data-binary", mistake.body)
			}
			r := i.curl(mistake.method, mistake.path, args...)
			var p api.Problem
			if err := json.Unmarshal(r.body, &p); err != nil || r.status != mistake.status || p.Code != mistake.code {
				t.Fatalf("%d %s, want %d %s: %v", r.status, r.body, mistake.status, mistake.code, err)
			}
			said := p.Detail + fmt.Sprint(p.Errors)
			if p.Detail == p.Title || !strings.Contains(said, mistake.says) {
				t.Errorf("says %q, which has no %q", said, mistake.says)
			}
			if (r.status == http.StatusUnauthorized) != (r.header.Get("WWW-Authenticate") != "") {
				t.Errorf("WWW-Authenticate %q with %d", r.header.Get("WWW-Authenticate"), r.status)
			}
		})
	}
}

// EventSource gives up for ever on any status but 200, and tells the page nothing of the body.
func TestAStreamThatIsRefusedCanSayWhyToEventSource(t *testing.T) {
	t.Parallel()
	i := start(t, "PRESENTLY_JWT_SECRET="+secret)
	r := i.curl("GET", "/v1/stream?user=ada&errors=stream")
	text := string(r.body)
	for _, part := range []string{"retry: ", "event: problem\n", `"code":"missing_token"`, `"final":true`} {
		if r.status != http.StatusOK || !strings.Contains(text, part) {
			t.Errorf("%d without %s:\n%s", r.status, part, text)
		}
	}
}
