package main

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/presently/presently/api"
)

const (
	mostSkew      = 2 * time.Second // of clocks that are kept
	wrongSkew     = 30 * time.Second
	longToken     = 24 * time.Hour
	slowAnswer    = 250 * time.Millisecond
	soonToldAfter = 2 * time.Second

	oldCertificate  = 14 * 24 * time.Hour // most are renewed a month before
	lateCertificate = 3 * 24 * time.Hour

	lateWebhook = time.Minute // while others are taken
)

// checkedSelf is the user as whom the checklist asks, while he is online.
type checkedSelf struct {
	user, session string
	lastBeat      time.Time // the store's clock
	asked         time.Time // this machine's, at the same moment
}

// reach finds out whether there is anything.
func (c *checkup) reach(ctx context.Context) bool {
	start := time.Now()
	_, err := c.server.as("").ask(ctx, http.MethodGet, "/healthz", nil, nil)
	if err != nil {
		c.found(wrong, "see that it runs, and that the address is the one that its clients use: "+c.server.base.Redacted(), "the server does not answer: %v", err)
		return false
	}
	took := time.Since(start)
	if took > slowAnswer {
		c.found(hint, "look at what lies in between", "the server answers, after %s", tenths(took))
		return true
	}
	c.found(fine, "", "the server answers, after %s", tenths(took))
	return true
}

func (c *checkup) secure(ctx context.Context) {
	switch {
	case c.server.base.Scheme == "https":
		c.found(fine, "", "https: tokens cannot be read on the way")
		c.certificate(ctx)
	case c.server.inClear():
		c.found(wrong, "set PRESENTLY_TLS_CERT and PRESENTLY_TLS_KEY, or let a proxy end TLS in front of it", "without https tokens can be read on the way")
	default:
		c.found(hint, "check the address that users have, too: what lies in between matters most", "the address is this machine's own")
	}
}

// certificate looks at when the one that is given out here expires, or one that it stands on.
func (c *checkup) certificate(ctx context.Context) {
	response, err := c.server.as("").send(ctx, http.MethodGet, "/healthz", nil, nil)
	if err != nil {
		c.found(wrong, "renew it, or have this machine trust its issuer as those of the users do", "the certificate: %v", err)
		return
	}
	response.Body.Close()
	if response.TLS == nil || len(response.TLS.PeerCertificates) == 0 {
		return // something else spoke TLS, such as a proxy of the environment
	}
	first := response.TLS.PeerCertificates[0].NotAfter
	for _, link := range response.TLS.PeerCertificates {
		if link.NotAfter.Before(first) {
			first = link.NotAfter
		}
	}
	left := time.Until(first).Round(time.Hour)
	const todo = "renew it, and see why that has not happened by itself; Presently reads renewed files within ten seconds"
	switch on := first.UTC().Format(time.DateOnly); {
	case left < lateCertificate:
		c.found(wrong, todo, "the certificate expires in %s, on %s", left, on)
	case left < oldCertificate:
		c.found(hint, todo, "the certificate expires in %.0f days, on %s", left.Hours()/24, on)
	default:
		c.found(fine, "", "the certificate is good until %s", on)
	}
}

func (c *checkup) ready(ctx context.Context) {
	if _, err := c.server.as("").ask(ctx, http.MethodGet, "/readyz", nil, nil); err != nil {
		c.found(wrong, "store_unavailable: look at Redis; keys_unavailable: at the JWKS; draining: it is about to stop. A load balancer should ask /readyz, and restart for /healthz alone", "the server is not ready: %v", err)
		return
	}
	c.found(fine, "", "it is ready (a load balancer should ask /readyz, and restart for /healthz alone)")
}

func (c *checkup) documented(ctx context.Context) {
	response, err := c.server.as("").send(ctx, http.MethodGet, "/openapi.yaml", nil, nil)
	if err != nil {
		c.found(hint, "let proxies pass /openapi.yaml and /docs, for those who write clients", "its contract cannot be read: %v", err)
		return
	}
	response.Body.Close()
	c.found(fine, "", "its contract can be read at /openapi.yaml, and as a page at /docs")
}

// strangers tries what anybody can try.
func (c *checkup) strangers(ctx context.Context) {
	ask := func(token string) int {
		_, err := c.server.as(token).ask(ctx, http.MethodGet, "/v1/presence/me", nil, nil)
		if e, ok := errors.AsType[*refusal](err); ok {
			return e.status
		}
		if err != nil {
			return 0
		}
		return http.StatusOK
	}
	claims := c.forgedClaims()
	unsigned, err := jwt.NewWithClaims(jwt.SigningMethodNone, claims).SignedString(jwt.UnsafeAllowNoneSignatureType)
	tries := map[string]string{"without a token": "", "with a token that nobody signed": unsigned}
	for i, secret := range weakSecrets() {
		weak, signErr := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(secret))
		err = errors.Join(err, signErr)
		tries[fmt.Sprintf("with a token signed with a secret from an example (%d)", i+1)] = weak
	}
	if err != nil {
		c.found(skipped, "this is a fault of ours: tell us", "strangers: %v", err)
		return
	}
	for what, token := range tries {
		switch got := ask(token); got {
		case http.StatusUnauthorized:
		case http.StatusOK:
			c.found(wrong, "set PRESENTLY_JWT_SECRET to what `openssl rand -base64 48` makes; see that no proxy adds a token or a cookie of its own", "strangers are let in %s", what)
			return
		default:
			c.found(hint, "see what answers in its place", "strangers get status %d %s, and 401 was to be expected", got, what)
			return
		}
	}
	c.found(fine, "", "strangers are not let in: without a token, with an unsigned one, with secrets from examples")
}

// forgedClaims are those of the token that was given, where there is one: a server that looks at iss and aud would refuse others for these.
func (c *checkup) forgedClaims() jwt.MapClaims {
	claims := jwt.MapClaims{}
	if parts := strings.Split(c.server.token, "."); len(parts) == 3 && decodePart(parts[1], &claims) == nil && claims["sub"] != nil {
		return claims
	}
	now := time.Now()
	return jwt.MapClaims{"sub": "check", "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(), "scope": "presence:read"}
}

// weakSecrets are those that stand in documentation and get copied from there, in forms that are long enough to be taken.
func weakSecrets() []string {
	var all []string
	for _, s := range []string{
		"a-string-secret-at-least-256-bits-long", "your-256-bit-secret", "your-secret-key", "secret", "changeme", "change-me", "supersecret", "password", "jwt-secret", "presently",
		"development", "test", "0", "a",
	} {
		all = append(all, strings.Repeat(s, (32+len(s)-1)/len(s)))
	}
	return all
}

// origins asks as a page from elsewhere would.
func (c *checkup) origins(ctx context.Context) {
	const foreign = "https://evil.example"
	allowed, _, err := c.preflight(ctx, foreign)
	switch {
	case err != nil:
		c.found(hint, "let OPTIONS pass", "CORS: %v", err)
	case allowed == "*" || allowed == foreign:
		c.found(wrong, "list your own origins in PRESENTLY_CORS_ORIGINS, and see that no proxy adds Access-Control-Allow-Origin", "CORS: any page may ask, and read the answers")
	default:
		c.found(fine, "", "CORS: pages from elsewhere may not ask")
	}
	if c.origin == "" {
		return
	}
	switch allowed, credentials, err := c.preflight(ctx, c.origin); {
	case err != nil || allowed != c.origin:
		c.found(wrong, "list it in PRESENTLY_CORS_ORIGINS, to the letter", "CORS: pages of %s may not ask", plain(c.origin))
	case !credentials:
		c.found(hint, "see that no proxy takes Access-Control-Allow-Credentials away", "CORS: pages of %s may ask, but not with the cookie", plain(c.origin))
	default:
		c.found(fine, "", "CORS: pages of %s may ask", plain(c.origin))
	}
}

func (c *checkup) preflight(ctx context.Context, origin string) (allowed string, credentials bool, err error) {
	header := http.Header{"Origin": {origin}, "Access-Control-Request-Method": {"POST"}, "Access-Control-Request-Headers": {"authorization,content-type"}}
	response, err := c.server.as("").send(ctx, http.MethodOptions, "/v1/presence/heartbeat", nil, header)
	if _, refused := errors.AsType[*refusal](err); refused {
		return "", false, nil // there is no CORS at all
	}
	if err != nil {
		return "", false, err
	}
	response.Body.Close()
	return response.Header.Get("Access-Control-Allow-Origin"), response.Header.Get("Access-Control-Allow-Credentials") == "true", nil
}

func (c *checkup) monitored(ctx context.Context) {
	status := func(path string) int {
		_, err := c.server.as("").ask(ctx, http.MethodGet, path, nil, nil)
		if e, ok := errors.AsType[*refusal](err); ok {
			return e.status
		}
		if err != nil {
			return 0
		}
		return http.StatusOK
	}
	if status("/debug/pprof/") == http.StatusOK {
		c.found(wrong, "keep /debug away from the public address", "profiles can be taken by anybody")
	}
	public := status("/metrics") == http.StatusOK
	if public && !isLoopback(c.server.base.Hostname()) {
		c.found(hint, "set PRESENTLY_ADMIN_LISTEN to an address that only your monitoring reaches; metrics and profiles move there", "metrics can be read by anybody")
	}
	switch {
	case c.admin == "" && !public:
		c.found(skipped, "name --admin-url, where PRESENTLY_ADMIN_LISTEN listens", "metrics: they are not at this address")
		return
	case c.admin == "":
		c.admin = c.server.base.String()
	}
	text, err := fetchText(ctx, c.server.http, strings.TrimSuffix(c.admin, "/")+"/metrics")
	switch {
	case err != nil:
		c.found(wrong, "set PRESENTLY_ADMIN_LISTEN, and let your monitoring read it", "metrics cannot be read: %v", err)
	case !strings.Contains(text, "\npresently_") && !strings.HasPrefix(text, "presently_"):
		c.found(wrong, "see what answers there", "metrics: there are none of Presently's")
	default:
		c.found(fine, "", "metrics can be read")
		c.webhook(text)
	}
}

// webhook looks in the metrics at how it goes with webhooks, where there are any.
func (c *checkup) webhook(metrics string) {
	value := func(name string) (n float64) {
		for line := range strings.Lines(metrics) {
			if rest, is := strings.CutPrefix(line, name+" "); is {
				n, _ = strconv.ParseFloat(strings.TrimSpace(rest), 64)
			}
		}
		return n
	}
	switch {
	case !strings.Contains(metrics, "\npresently_webhook_paused "):
		return // none is configured
	case value("presently_webhook_paused") > 0:
		c.found(wrong, "see that PRESENTLY_WEBHOOK_URL answers with 2xx within 10 s; the server's log says what it answers", "webhooks: the receiver takes nothing; %.0f changes wait", value("presently_webhook_pending"))
	case value("presently_webhook_dead_total") > 0:
		c.found(hint, "the server's log says which, and why; see docs/webhooks.md", "webhooks: %.0f events were given up so far", value("presently_webhook_dead_total"))
	case value("presently_webhook_oldest_seconds") > lateWebhook.Seconds():
		c.found(hint, "see what the server's log says of deliveries; the receiver should answer before it works", "webhooks: some have waited for %.0f s", value("presently_webhook_oldest_seconds"))
	case value(`presently_webhook_deliveries_total{result="delivered"}`) == 0:
		c.found(hint, "look again once somebody has come or gone; see docs/webhooks.md to try the receiver", "webhooks: this instance has delivered none so far, so it is not known whether the receiver takes them")
	default:
		c.found(fine, "", "webhooks are delivered")
	}
}

func fetchText(ctx context.Context, client *http.Client, address string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return "", err
	}
	response, err := client.Do(request)
	if err != nil {
		return "", withoutURL(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("the answer is %s", response.Status)
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, answerSize))
	return string(text), err
}

// token looks at the token, and whether the server takes it.
func (c *checkup) token(ctx context.Context) bool {
	if c.server.token == "" {
		c.found(skipped, "set PRESENTLY_TOKEN, as in PRESENTLY_TOKEN=$(presently token --sub check) presently check", "heartbeats, streams, tokens, clocks: there is no token")
		return false
	}
	if _, err := c.server.ask(ctx, http.MethodGet, "/v1/presence/me", nil, nil); err != nil {
		c.found(wrong, "get one that the server takes; what its detail says is wrong with this one", "the token is refused: %v", err)
		return false
	}
	if !c.judgeToken() {
		c.found(fine, "", "the token is taken, and is as tokens should be")
	}
	return true
}

// judgeToken reads the token as its issuer made it. It has been verified: by the server.
func (c *checkup) judgeToken() (found bool) {
	say := func(g grade, todo, format string, args ...any) {
		found = true
		c.found(g, todo, format, args...)
	}
	var claims map[string]any
	if parts := strings.Split(c.server.token, "."); len(parts) != 3 || decodePart(parts[1], &claims) != nil {
		say(skipped, "look at it yourself: it should end within the hour, and say when it was issued and what it is for", "tokens: this one cannot be read here")
		return found
	}
	exp, _ := claims["exp"].(float64)
	iat, dated := claims["iat"].(float64)
	switch lasts := time.Duration(exp-iat) * time.Second; {
	case !dated:
		say(hint, "have the issuer write iat: without it, revoking a user's tokens refuses his new ones, too", "the token does not say when it was issued")
	case lasts > longToken:
		say(hint, "make them for an hour or less, and renew them: a stolen one is good until it ends, or is revoked", "the token is good for %s", lasts)
	}
	if _, ok := claims["aud"]; !ok {
		say(hint, "have the issuer write aud, and set PRESENTLY_JWT_AUDIENCE: a token for another service should do nothing here", "the token does not say what it is for")
	}
	if scope, _ := claims["scope"].(string); slices.Contains(strings.Fields(scope), "presence:admin") {
		say(hint, "keep presence:admin for backends", "the token may do everything (presence:admin)")
	}
	return found
}

func decodePart(part string, out any) error {
	text, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, out)
}

// beats comes online, and looks at how long that is believed and how clocks go.
func (c *checkup) beats(ctx context.Context) {
	self := &checkedSelf{session: "check-" + randomName()}
	var answer api.BeatAnswer
	start := time.Now()
	header, err := c.server.ask(ctx, http.MethodPost, "/v1/presence/heartbeat", c.beatOf(self, "online"), &answer)
	took := time.Since(start)
	if err != nil {
		c.found(wrong, "give a token with presence:write; look at the server's log for anything else", "heartbeats are refused: %v", err)
		return
	}
	c.me = self
	self.user = answer.Presence.UserID
	self.asked = start.Add(took / 2)
	self.lastBeat, _ = time.Parse(time.RFC3339, answer.Session.LastBeatAt)
	c.timings(time.Duration(answer.NextMs)*time.Millisecond, time.Duration(answer.TTLMs)*time.Millisecond, took)
	c.clock("the store's", self.lastBeat.Sub(self.asked), took)
	if header.Get("RateLimit") == "" && header.Get("RateLimit-Policy") == "" {
		c.found(hint, "leave PRESENTLY_RATE_LIMIT on, and let proxies pass RateLimit", "rates: nothing says that there are any")
	} else {
		c.found(fine, "", "rates: %s", plain(cmp.Or(header.Get("RateLimit-Policy"), header.Get("RateLimit"))))
	}
}

func (c *checkup) beatOf(self *checkedSelf, state api.BeatState) api.Beat {
	return api.Beat{SessionID: self.session, Device: new("check"), State: &state}
}

func (c *checkup) timings(next, ttl, took time.Duration) {
	switch {
	case ttl < next*11/10:
		c.found(wrong, "make PRESENTLY_TTL three heartbeats", "heartbeats are asked for every %s, and believed for %s", next, ttl)
	case ttl < hiddenTabsNeed:
		c.found(hint, "make PRESENTLY_TTL "+hiddenTabsNeed.String()+" or more: browsers let hidden tabs beat once a minute", "heartbeats are believed for %s: users with hidden tabs flap", ttl)
	default:
		c.found(fine, "", "heartbeats are asked for every %s, and believed for %s; one took %s", next.Round(time.Second), ttl, tenths(took))
	}
}

// clock judges how far a clock is off this machine's, where asking took so long.
func (c *checkup) clock(whose string, off, took time.Duration) {
	within := max(off, -off) - took
	switch {
	case within > wrongSkew:
		c.found(wrong, "keep the clocks of all machines with NTP: tokens are judged by the servers', everything else by Redis'", "%s clock is %s off this machine's", whose, off.Round(time.Second))
	case within > mostSkew:
		c.found(hint, "keep the clocks of all machines with NTP", "%s clock is %s off this machine's", whose, off.Round(100*time.Millisecond))
	default:
		c.found(fine, "", "%s clock and this machine's agree to %s", whose, max(off, -off, took, time.Millisecond).Round(time.Millisecond))
	}
}

func (c *checkup) privacy(ctx context.Context) {
	var p api.Privacy
	if _, err := c.server.ask(ctx, http.MethodGet, "/v1/presence/privacy", nil, &p); err != nil {
		c.found(hint, "give the token presence:read", "privacy cannot be read: %v", err)
		return
	}
	c.found(fine, "", "privacy: people decide who sees them (%s sees that one is online, %s when one was last seen)", p.Online, p.LastSeen)
}

// leave ends what the checklist began.
func (c *checkup) leave(ctx context.Context) {
	if c.me == nil {
		return
	}
	ctx = context.WithoutCancel(ctx)
	if _, err := c.server.ask(ctx, http.MethodDelete, "/v1/presence/me/sessions/"+c.me.session, nil, nil); err != nil {
		c.found(hint, "look at the server's log if this happens again; the user is online until then", "the session of this check lives on until it lapses: %v", err)
	}
}
