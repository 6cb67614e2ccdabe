package main

import (
	"crypto/rand"
	"errors"
	"flag"
	"log/slog"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/presently/presently/handlers"
	"github.com/presently/presently/presence"
)

// config is everything that the environment and the flags say, checked and complete. It holds secrets: print single fields of it.
type config struct {
	listen string
	tls    *servedCertificate // nil: in clear

	redisURL    string // empty: the embedded store
	partitions  int
	demo        bool
	development bool // neither Redis nor a key: loopback only, with a secret made up for this run

	tokens   *handlers.Verifier
	issuer   issuer // makes tokens that tokens verifies, where there is a secret
	policy   presence.Policy
	sweep    time.Duration
	coalesce time.Duration
	maxAge   time.Duration
	drain    time.Duration
	origins  []string
	closes   bool // once the store has lost data, people are hidden who have written no setting since

	connections     int // at once; 0: any number
	connectionsEach int // of one address; likewise

	rates bool   // off switches off rates, never caps
	admin string // address for operators; empty: none
	otlp  string // where traces are posted; empty: there are none

	webhookURL  string   // where webhooks are posted; empty: there are none
	webhookKeys [][]byte // that sign them

	logLevel  slog.Level
	logFormat string

	warnings []string
}

const (
	day             = 24 * time.Hour
	sessionsAUser   = 20
	mostHeartbeat   = 30 * time.Second
	mostConnections = 10_000_000
	hiddenTabsNeed  = 65 * time.Second // browsers fire a hidden tab's timers once a minute
)

// loadConfig reads all settings, once. Its error is a *configError that names everything that is wrong, or flag.ErrHelp.
func loadConfig(fs *flag.FlagSet, args, environ []string) (config, error) {
	r, err := gather(fs, args, environ)
	if err != nil {
		return config{}, err
	}
	c := config{
		redisURL:   r.text("REDIS_URL"),
		partitions: r.number("PARTITIONS", 1, 1024),
		policy: presence.Policy{
			TTL:       r.duration("TTL", 100*time.Millisecond, day),
			Grace:     r.duration("GRACE", 0, day),
			IdleAfter: r.duration("IDLE_AFTER", 10*time.Millisecond, day),
			TypingTTL: r.duration("TYPING_TTL", time.Second, 30*time.Second),
			Sessions:  sessionsAUser,
		},
		sweep:     r.duration("SWEEP", 10*time.Millisecond, 10*time.Second),
		coalesce:  r.duration("COALESCE", 0, 10*time.Second),
		maxAge:    r.duration("STREAM_MAX_AGE", time.Second, day),
		drain:     r.duration("DRAIN", 0, time.Hour),
		origins:   r.origins("CORS_ORIGINS"),
		logFormat: r.oneOf("LOG_FORMAT", "text", "json"),
		closes:    r.oneOf("AFTER_LOSS", "open", "closed") == "closed",
	}
	readConnections(r, &c)
	c.policy.Heartbeat = readHeartbeat(r, c.policy.TTL)
	if c.closes && c.redisURL == "" {
		r.warn("%s is closed, and the memory of this process loses all when it ends: each time, nobody sees others until they write a setting", r.source("AFTER_LOSS"))
	}
	checkRedisURL(r)
	readLogLevel(r, &c)
	readTLS(r, &c)
	readTokens(r, &c)
	c.listen = readAddress(r, "LISTEN", c.development)
	readOperation(r, &c)
	if !r.isGiven("SWEEP") {
		// A sweep tells by the last one's age whether the store was away. Where sessions live shortly, a second is too coarse for that.
		c.sweep = min(c.sweep, max(c.policy.TTL/10, 10*time.Millisecond))
	}
	demo := r.oneOf("DEMO", "auto", "on", "off")
	c.demo = demo == "on" || demo == "auto" && c.development
	if c.development && !r.isGiven("DRAIN") {
		c.drain = time.Second // there is no other instance to go to
	}
	c.warnings = r.warnings
	return c, r.err()
}

// readHeartbeat holds the interval to being shorter than the TTL by so much that its jitter of 10 % never makes anybody offline.
func readHeartbeat(r *reader, ttl time.Duration) time.Duration {
	beat := min(ttl/3, mostHeartbeat)
	if r.isGiven("HEARTBEAT") {
		beat = r.duration("HEARTBEAT", 10*time.Millisecond, day)
	}
	if ttl > 0 && ttl <= beat*11/10 {
		r.wrong("HEARTBEAT", "%v is too long for a TTL of %v, which must be more than 1.1 heartbeats; a third of it is good", beat, ttl)
	}
	if ttl < hiddenTabsNeed {
		r.warn("%s is %v: browsers let hidden tabs beat once a minute, so under %v their users flap", r.source("TTL"), ttl, hiddenTabsNeed)
	}
	return beat
}

// checkRedisURL sees what is plainly no Redis, without ever repeating it: it may hold a password. The store looks closer.
func checkRedisURL(r *reader) {
	scheme, rest, _ := strings.Cut(r.text("REDIS_URL"), "://")
	if r.isGiven("REDIS_URL") && (rest == "" || !slices.Contains([]string{"redis", "rediss", "redis+sentinel", "rediss+sentinel"}, scheme)) {
		r.wrong("REDIS_URL", "is no address of a Redis: write it like redis://localhost:6379, redis://a:6379,b:6379,c:6379 or redis+sentinel://a:26379/master")
	}
}

// readConnections bounds connections by what the process can have, unless somebody knows better: at the bound it refuses them, where past the files that it may
// open it could not even talk to Redis.
func readConnections(r *reader, c *config) {
	c.connectionsEach = r.number("CONNECTIONS_PER_ADDRESS", 0, mostConnections)
	files := filesAllowed()
	if !r.isGiven("CONNECTIONS") {
		if files > 0 {
			c.connections = max(files/2, files-filesApart-surplusKept)
		}
		return
	}
	c.connections = r.number("CONNECTIONS", 0, mostConnections)
	if files > 0 && c.connections > files-filesApart-surplusKept {
		r.warn("%s is %d, and the process may have %d files open: raise that (ulimit -n, LimitNOFILE=), or Redis may not be reached when there are many connections", r.source("CONNECTIONS"), c.connections, files)
	}
}

func readLogLevel(r *reader, c *config) {
	level := r.oneOf("LOG_LEVEL", "info", "debug", "warn", "error")
	if err := c.logLevel.UnmarshalText([]byte(level)); err != nil {
		r.wrong("LOG_LEVEL", "%v", err)
	}
}

func readTLS(r *reader, c *config) {
	cert, key := r.text("TLS_CERT"), r.text("TLS_KEY")
	switch {
	case cert == "" && key == "":
		return
	case cert == "":
		r.wrong("TLS_CERT", "is needed with %s: both or none", r.source("TLS_KEY"))
		return
	case key == "":
		r.wrong("TLS_KEY", "is needed with %s: both or none", r.source("TLS_CERT"))
		return
	}
	pair, err := newCertificate(cert, key)
	if err != nil {
		r.wrong("TLS_CERT", "does not make a pair with %s: %v", r.source("TLS_KEY"), err)
		return
	}
	c.tls = pair
}

// readTokens decides who is believed. Nobody runs unprotected by forgetting something: only where neither Redis nor a key is given
// is this taken for development.
func readTokens(r *reader, c *config) {
	t := handlers.TokenConfig{
		Secret:     []byte(r.text("JWT_SECRET")),
		JWKS:       r.text("JWKS_URL"),
		Algorithms: r.list("JWT_ALGORITHMS"),
		Issuer:     r.text("JWT_ISSUER"),
		Audience:   r.text("JWT_AUDIENCE"),
		Leeway:     r.duration("JWT_LEEWAY", math.MinInt64, math.MaxInt64), // the verifier knows what is too much
	}
	if file := r.text("JWT_KEY_FILE"); file != "" {
		keys, err := readKeys(file)
		if err != nil {
			r.wrong("JWT_KEY_FILE", "%v", err)
			t.KeysUnread = true // what is wrong besides is told, too
		}
		t.PublicKeys = keys
	}
	switch hasKey := len(t.Secret) > 0 || len(t.PublicKeys) > 0 || t.JWKS != "" || t.KeysUnread; {
	case !hasKey && c.redisURL != "":
		r.wrong("JWT_SECRET", "is needed with %s, or PRESENTLY_JWT_KEY_FILE or PRESENTLY_JWKS_URL: without a key nobody could be told from anybody; `openssl rand -base64 48` makes a good secret", r.source("REDIS_URL"))
		return
	case !hasKey:
		c.development = true
		t.Secret = randomSecret()
	case c.redisURL == "":
		r.warn("PRESENTLY_REDIS_URL is not set: presence is kept in the memory of this process, on this instance alone, and is gone when it ends")
	}
	if t.JWKS != "" && t.Audience == "" {
		r.warn("PRESENTLY_JWT_AUDIENCE is not set: with %s each token of that provider is believed, also those that it makes for other services", r.source("JWKS_URL"))
	}
	if secret := string(t.Secret); !c.development && strings.TrimSpace(secret) != secret {
		r.warn("%s begins or ends with white space, which is taken as part of the secret", r.source("JWT_SECRET"))
	}
	var err error
	c.tokens, err = handlers.NewVerifier(t)
	r.tokenProblems(err)
	c.issuer = newIssuer(t)
}

// tokenProblems tells what a verifier cannot be made of, by the names of the settings.
func (r *reader) tokenProblems(err error) {
	names := map[string]string{"Secret": "JWT_SECRET", "JWKS": "JWKS_URL", "PublicKeys": "JWT_KEY_FILE", "Algorithms": "JWT_ALGORITHMS", "Leeway": "JWT_LEEWAY"}
	joined, _ := err.(interface{ Unwrap() []error })
	if joined == nil {
		return
	}
	for _, err := range joined.Unwrap() {
		if e, ok := errors.AsType[*handlers.TokenConfigError](err); ok {
			r.wrong(names[e.Field], "%s", e.Problem)
		}
	}
}

// randomSecret is long enough for each algorithm.
func randomSecret() []byte {
	secret := make([]byte, 64)
	rand.Read(secret)
	return secret
}
