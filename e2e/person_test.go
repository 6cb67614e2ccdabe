package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/presently/presently/api"
)

// person is a user as he talks to one instance.
type person struct {
	at    *instance
	user  string
	token string
}

func (i *instance) as(user string) *person {
	return &person{at: i, user: user, token: sign(i.t, user, time.Hour)}
}

// sign makes a token as whoever issues tokens would.
func sign(t testing.TB, user string, lasts time.Duration) string {
	t.Helper()
	return signClaims(t, user, lasts, nil)
}

// signClaims is sign with more claims.
func signClaims(t testing.TB, user string, lasts time.Duration, more jwt.MapClaims) string {
	t.Helper()
	now := time.Now()
	claims := jwt.MapClaims{"sub": user, "iat": now.Unix(), "exp": now.Add(lasts).Unix(), "profile": map[string]string{"name": strings.ToUpper(user)}}
	maps.Copy(claims, more)
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// reply is an answer, whole.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// ask sends one request. A body that is no JSON object goes as text.
func (p *person) ask(ctx context.Context, method, path, body string, headers ...string) (reply, error) {
	request, err := http.NewRequestWithContext(ctx, method, p.at.url+path, strings.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	if body != "" {
		request.Header.Set("Content-Type", "text/plain")
		if strings.HasPrefix(body, "{") {
			request.Header.Set("Content-Type", "application/json")
		}
	}
	if p.token != "" {
		request.Header.Set("Authorization", "Bearer "+p.token)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		request.Header.Set(name, value)
	}
	response, err := p.at.client.Do(request)
	if err != nil {
		return reply{}, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return reply{response.StatusCode, response.Header, text}, err
}

// try sends a request that has to succeed, and says if it does not.
func (p *person) try(method, path, body string, headers ...string) (reply, error) {
	ctx, cancel := context.WithTimeout(p.at.t.Context(), patience)
	defer cancel()
	r, err := p.ask(ctx, method, path, body, headers...)
	if err == nil && r.status >= 300 {
		err = fmt.Errorf("%s: %s %s %s: %d %s", p.user, method, path, body, r.status, r.body)
	}
	return r, err
}

// must is try for the goroutine of the test.
func (p *person) must(method, path, body string, headers ...string) reply {
	p.at.t.Helper()
	r, err := p.try(method, path, body, headers...)
	if err != nil {
		p.at.t.Fatal(err)
	}
	return r
}

// beat beats a session; more is further members of the body, such as `"state":"busy"`.
func (p *person) beat(session string, more ...string) api.BeatAnswer {
	p.at.t.Helper()
	return decode[api.BeatAnswer](p.at.t, p.must("POST", "/v1/presence/heartbeat", beatBody(session, more...)).body)
}

func beatBody(session string, more ...string) string {
	return fmt.Sprintf(`{%s}`, strings.Join(append([]string{fmt.Sprintf(`"sessionId":%q`, session)}, more...), ","))
}

func (p *person) leave(b api.BeatAnswer) { p.must("POST", "/v1/presence/leave", b.LeaveToken) }

// choose sets the user's status; more is further members of the body.
func (p *person) choose(status string, more ...string) api.Presence {
	p.at.t.Helper()
	body := strings.Join(append([]string{fmt.Sprintf(`{"status":%q`, status)}, more...), ",") + "}"
	return decode[api.Presence](p.at.t, p.must("PUT", "/v1/presence/status", body).body)
}

// sees asks how others are.
func (p *person) sees(users ...string) []api.Presence {
	p.at.t.Helper()
	body, err := json.Marshal(map[string]any{"users": users})
	if err != nil {
		p.at.t.Fatal(err)
	}
	return decode[api.PresenceList](p.at.t, p.must("POST", "/v1/presence/query", string(body)).body).Presences
}

func (p *person) see(user string) api.Presence {
	p.at.t.Helper()
	return p.sees(user)[0]
}

func decode[T any](t testing.TB, text []byte) T {
	t.Helper()
	var v T
	d := json.NewDecoder(bytes.NewReader(text))
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return v
}

// micros reads a time of the wire, to compare it with a rev.
func micros(t testing.TB, at api.Time) int64 {
	t.Helper()
	moment, err := time.Parse(time.RFC3339, at)
	if err != nil {
		t.Fatal(err)
	}
	return moment.UnixMicro()
}
