package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const envPrefix = "PRESENTLY_"

// setting is one thing that can be configured: by the environment variable PRESENTLY_NAME, or by the flag --name, which wins. An empty value is none.
type setting struct {
	group   string // under which help shows it
	name    string
	arg     string // what stands for the value in help
	initial string // value where none is given
	help    string
}

func (s setting) env() string { return envPrefix + s.name }

// flag is the name without dashes: REDIS_URL is redis-url.
func (s setting) flag() string { return strings.ToLower(strings.ReplaceAll(s.name, "_", "-")) }

// settings are all that there are, in the order of help.
var settings = []setting{
	{"Serving", "LISTEN", "address", ":8080", "host:port; without a host all interfaces, in development loopback alone"},
	{"Serving", "TLS_CERT", "file", "", "certificate chain in PEM; with it and the key HTTPS is served; renewed files are taken within 10 s"},
	{"Serving", "TLS_KEY", "file", "", "private key in PEM"},
	{"Serving", "CORS_ORIGINS", "list", "", "origins whose pages may ask, such as https://app.example.org,https://example.org"},
	{"Serving", "RATE_LIMIT", "on|off", "on", "off switches off rates, never caps"},
	{"Serving", "CONNECTIONS", "number", "", "how many may be open at once; none: as many files as the process may open, less some; 0: any number"},
	{"Serving", "CONNECTIONS_PER_ADDRESS", "number", "0", "how many of one address (of IPv6: of one /64); 0: any number; not behind a proxy, of which all come"},
	{"Serving", "DEMO", "auto|on|off", "auto", "the team room at /; auto: in development; on elsewhere it asks for a token, and gives none"},
	{"Serving", "DRAIN", "duration", "25s", "time over which streams are ended when the process is asked to stop"},

	{"Store", "REDIS_URL", "url", "", "redis://, rediss://, several hosts for a cluster, redis+sentinel://…/master; none: memory of this process"},
	{"Store", "PARTITIONS", "number", "16", "into how many parts Redis' data is divided; the same on every instance, for ever"},
	{"Store", "AFTER_LOSS", "open|closed", "open", "closed: once Redis has lost its data, nobody sees others until they write a setting; the same on every instance"},

	{"Tokens", "JWT_SECRET", "secret", "", "of 32 bytes or more, shared with whoever issues tokens"},
	{"Tokens", "JWT_KEY_FILE", "file", "", "public keys or certificates in PEM; each may have signed a token"},
	{"Tokens", "JWKS_URL", "url", "", "where an identity provider publishes its public keys (JWKS); https, but on this machine"},
	{"Tokens", "JWT_ALGORITHMS", "list", "", "those accepted; none: what fits the keys (HS256, RS256, ES256, …, EdDSA)"},
	{"Tokens", "JWT_ISSUER", "text", "", "the iss that tokens must have; none: any"},
	{"Tokens", "JWT_AUDIENCE", "text", "", "the aud that tokens must have; none: any"},
	{"Tokens", "JWT_LEEWAY", "duration", "0s", "by how much issuers' clocks may be off, up to 1m"},

	{"Presence", "TTL", "duration", "90s", "silence after which a session is over"},
	{"Presence", "HEARTBEAT", "duration", "", "what clients are asked to keep to; none: a third of the TTL, at most 30s"},
	{"Presence", "GRACE", "duration", "10s", "from leaving to being offline, so that a reload is no leaving"},
	{"Presence", "IDLE_AFTER", "duration", "5m", "without input for so long, a session counts as away"},
	{"Presence", "SWEEP", "duration", "1s", "how often sessions are looked for that are over; by default at most a tenth of the TTL"},
	{"Presence", "TYPING_TTL", "duration", "6s", "how long somebody types who does not say how long, 1s to 30s"},

	{"Streams", "COALESCE", "duration", "250ms", "least time between two flushes of one stream, 0s to 10s"},
	{"Streams", "STREAM_MAX_AGE", "duration", "30m", "after about which a stream is asked to reconnect"},

	{"Operation", "LOG_LEVEL", "level", "info", "debug, info, warn or error"},
	{"Operation", "LOG_FORMAT", "text|json", "text", ""},
	{"Operation", "ADMIN_LISTEN", "address", "", "a second address, for operators alone: a page, profiles, and the metrics, which then are only there"},
	{"Operation", "OTLP_ENDPOINT", "url", "", "a collector to which traces go by OTLP over HTTP, such as http://localhost:4318"},
	{"Operation", "WEBHOOK_URL", "url", "", "where what happens to users and rooms is posted; the same on every instance"},
	{"Operation", "WEBHOOK_SECRET", "secret", "", "that signs what is posted: `openssl rand -base64 32`; two, separated by a blank, while one replaces the other"},

	{clientGroup, "URL", "url", "http://localhost:8080", "where the server is"},
	{clientGroup, "TOKEN", "token", "", "who asks; better here than as a flag, which everybody on a machine sees"},
}

// clientGroup are the settings of commands that talk to a server; the server itself has nothing to do with them.
const clientGroup = "Commands that talk to a server"

// reader reads settings one by one and collects what is wrong with them, so that one error can tell all of it.
type reader struct {
	given    map[string]given // by name; not empty
	problems []error
	warnings []string
}

type given struct{ value, source string } // source is the flag or the variable

// gather looks for the named settings (none: all) in flags and environment. The flags of fs are parsed as well. It returns
// flag.ErrHelp where help is asked for.
func gather(fs *flag.FlagSet, args, environ []string, names ...string) (*reader, error) {
	r := &reader{given: map[string]given{}}
	known := map[string]setting{}
	for _, s := range settings {
		known[s.env()] = s
	}
	for _, pair := range environ {
		env, value, _ := strings.Cut(pair, "=")
		s, ok := known[env]
		switch {
		case !ok:
			r.warnUnknown(env)
		case value != "":
			r.given[s.name] = given{value, env}
		}
	}
	for _, s := range settings {
		if len(names) > 0 && !slices.Contains(names, s.name) || len(names) == 0 && s.group == clientGroup {
			continue
		}
		fs.Func(s.flag(), s.help, func(value string) error {
			r.given[s.name] = given{value, "--" + s.flag()}
			return nil
		})
	}
	if err := r.parseFlags(fs, args); err != nil {
		return nil, err
	}
	maps.DeleteFunc(r.given, func(_ string, g given) bool { return g.value == "" })
	return r, nil
}

// parseFlags goes on after a flag that is not known, so that all of them are named. Values are not repeated: they may be secrets.
func (r *reader) parseFlags(fs *flag.FlagSet, args []string) error {
	fs.Init(fs.Name(), flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.Usage = func() {}
	for {
		err := fs.Parse(args)
		if args = fs.Args(); err != nil && strings.HasPrefix(err.Error(), "bad flag syntax") {
			args = args[1:] // the only one that is not consumed
		}
		switch {
		case errors.Is(err, flag.ErrHelp):
			return err
		case err != nil:
			r.problem("%s", flagProblem(fs, err))
			for len(args) > 0 && !strings.HasPrefix(args[0], "-") {
				args = args[1:] // the value of the flag that is not known
			}
		case len(args) > 0:
			r.problem("an argument that is no flag: flags are written --name=value or --name value; see presently help")
			return nil
		default:
			return nil
		}
	}
}

// warnUnknown tells of what looks like a setting and is none. Kubernetes sets some for a service called presently.
func (r *reader) warnUnknown(env string) {
	if strings.HasPrefix(env, envPrefix) && !strings.HasPrefix(env, envPrefix+"SERVICE_") && !strings.HasPrefix(env, envPrefix+"PORT") {
		r.warn("%s is not a setting, and does nothing; see presently help", env)
	}
}

func (r *reader) problem(format string, args ...any) {
	r.problems = append(r.problems, fmt.Errorf(format, args...))
}

// wrong names the setting as it was given.
func (r *reader) wrong(name, format string, args ...any) {
	r.problem("%s: %s", r.source(name), fmt.Sprintf(format, args...))
}

func (r *reader) warn(format string, args ...any) {
	r.warnings = append(r.warnings, fmt.Sprintf(format, args...))
}

func (r *reader) source(name string) string {
	if g, ok := r.given[name]; ok {
		return g.source
	}
	return envPrefix + name
}

func (r *reader) isGiven(name string) bool {
	_, ok := r.given[name]
	return ok
}

func (r *reader) text(name string) string {
	if g, ok := r.given[name]; ok {
		return g.value
	}
	i := slices.IndexFunc(settings, func(s setting) bool { return s.name == name })
	return settings[i].initial
}

func (r *reader) list(name string) []string {
	var all []string
	for s := range strings.SplitSeq(r.text(name), ",") {
		if s = strings.TrimSpace(s); s != "" {
			all = append(all, s)
		}
	}
	return all
}

func (r *reader) duration(name string, least, most time.Duration) time.Duration {
	d, err := time.ParseDuration(r.text(name))
	switch {
	case err != nil:
		r.wrong(name, "%q is no duration: write it like 90s, 5m or 250ms", r.text(name))
	case d < least || d > most:
		r.wrong(name, "%v is not between %v and %v", d, least, most)
	}
	return d
}

func (r *reader) number(name string, least, most int) int {
	n, err := strconv.Atoi(r.text(name))
	if err != nil || n < least || n > most {
		r.wrong(name, "%q is no number from %d to %d", r.text(name), least, most)
	}
	return n
}

func (r *reader) oneOf(name string, words ...string) string {
	if word := r.text(name); slices.Contains(words, word) {
		return word
	}
	r.wrong(name, "%q is none of %s", r.text(name), strings.Join(words, ", "))
	return words[0]
}

// origins are what browsers send as Origin, to the letter: anything else would never match.
func (r *reader) origins(name string) []string {
	all := r.list(name)
	for _, o := range all {
		u, err := url.Parse(o)
		switch {
		case strings.Contains(o, "*"), o == "null":
			r.wrong(name, "%q would let pages in that nobody knows: list each origin", o)
		case err != nil, u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "", o != u.Scheme+"://"+u.Host:
			r.wrong(name, "%q is no origin: write it like https://app.example.org, without a path", o)
		case o != strings.ToLower(o), u.Port() == map[string]string{"http": "80", "https": "443"}[u.Scheme] && u.Port() != "":
			r.wrong(name, "%q is not as browsers send it: in lower case, without the usual port", o)
		}
	}
	return all
}

// err is all that was wrong, or nil.
func (r *reader) err() error {
	if len(r.problems) == 0 {
		return nil
	}
	return &configError{r.problems}
}

// configError names every setting that is wrong.
type configError struct{ problems []error }

func (e *configError) Error() string {
	if len(e.problems) == 1 {
		return "wrong setting: " + e.problems[0].Error()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d settings are wrong:", len(e.problems))
	for _, p := range e.problems {
		b.WriteString("\n  " + p.Error())
	}
	return b.String()
}
