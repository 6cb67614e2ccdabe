package redisstore

import (
	"crypto/tls"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

const (
	// A hung Redis must be an error within the 2 s that a client waits, so each step has half of that.
	stepTimeout = time.Second
	// callTimeout bounds all steps of one call together.
	callTimeout = 1500 * time.Millisecond

	// poolSize bounds the connections of calls that are not coalesced, to each node.
	poolSize = 32
	// pipelinePoolSize is for the flushers, lookups, sweeps and beacons, which travel in pipelines.
	pipelinePoolSize = 16
)

// target is what a URL names.
type target struct {
	options redis.UniversalOptions
	cluster bool
	db      int
}

// parse reads redis://, rediss:// (several hosts: a cluster) and redis+sentinel://…/master. An error never shows the password.
func parse(raw string) (target, error) {
	// Several hosts are no URL to net/url, where each has a port of its own.
	scheme, rest, ok := strings.Cut(raw, "://")
	if !ok {
		return target{}, fmt.Errorf("redis URL: no scheme")
	}
	authority, tail := rest, ""
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		authority, tail = rest[:i], rest[i:]
	}
	userinfo, hosts := "", authority
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		userinfo, hosts = authority[:i+1], authority[i+1:]
	}
	u, err := url.Parse(scheme + "://" + userinfo + "host" + tail)
	if err != nil {
		return target{}, fmt.Errorf("redis URL: user, password, path or query cannot be read") // err has the password
	}
	t := target{options: redis.UniversalOptions{Addrs: strings.Split(hosts, ",")}}
	if u.User != nil {
		t.options.Username = u.User.Username()
		t.options.Password, _ = u.User.Password()
	}
	path := strings.Trim(u.Path, "/")
	switch scheme {
	case "redis", "rediss":
		t.cluster = len(t.options.Addrs) > 1 || u.Query().Get("cluster") == "true"
		if err := t.setDB(path); err != nil {
			return target{}, err
		}
	case "redis+sentinel", "rediss+sentinel":
		if path == "" {
			return target{}, fmt.Errorf("redis URL: redis+sentinel://host:port/master needs the master's name")
		}
		t.options.MasterName = path
		t.options.SentinelUsername = u.Query().Get("sentinel_username")
		t.options.SentinelPassword = u.Query().Get("sentinel_password")
	default:
		return target{}, fmt.Errorf("redis URL: scheme %q is none of redis, rediss, redis+sentinel", scheme)
	}
	if err := t.setDB(u.Query().Get("db")); err != nil {
		return target{}, err
	}
	if t.cluster && t.db != 0 {
		return target{}, fmt.Errorf("redis URL: a cluster has database 0 alone")
	}
	for i, a := range t.options.Addrs {
		if t.options.Addrs[i], err = withPort(a, t.options.MasterName != ""); err != nil {
			return target{}, err
		}
	}
	if strings.HasPrefix(scheme, "rediss") {
		t.options.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	return t, nil
}

func (t *target) setDB(s string) (err error) {
	if s == "" {
		return nil
	}
	if t.db, err = strconv.Atoi(s); err != nil || t.db < 0 {
		return fmt.Errorf("redis URL: database %q is no number", s)
	}
	t.options.DB = t.db
	return nil
}

func withPort(addr string, sentinel bool) (string, error) {
	u, err := url.Parse("redis://" + addr)
	if err != nil || u.Hostname() == "" {
		return "", fmt.Errorf("redis URL: %q is no host", addr)
	}
	if u.Port() != "" {
		return addr, nil
	}
	if sentinel {
		return addr + ":26379", nil
	}
	return addr + ":6379", nil
}

// dial makes the client, without connecting.
func (t target) dial() redis.UniversalClient {
	o := t.options
	o.Protocol = 2 // no maps, doubles or pushes, which nothing here needs
	o.ContextTimeoutEnabled = true
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = stepTimeout, stepTimeout, stepTimeout, stepTimeout
	o.DialerRetries = 1
	o.PoolSize, o.MaxActiveConns = poolSize, poolSize
	o.PipelinePoolSize = pipelinePoolSize
	o.DisableIdentity = true
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	switch {
	case o.MasterName != "":
		f := o.Failover()
		f.MaxRetries = -1
		f.Dialer = dialFailures(&redis.Options{DialTimeout: o.DialTimeout, TLSConfig: o.TLSConfig})
		return redis.NewFailoverClient(f)
	case t.cluster:
		c := o.Cluster()
		// Without these two no client recovers from a master's death within 25 s; with them in some 5 s.
		c.ClusterStateReloadInterval = time.Second
		c.DialerRetries = 1
		// Redirects are also how a cluster client repeats what got no answer: that is ruled out by command.NoRetry.
		c.MaxRedirects = 3
		c.DisableRoutingPolicies = true
		return redis.NewClusterClient(c)
	}
	s := o.Simple()
	// What got no answer may have happened: the caller is told so, instead of having it done twice.
	s.MaxRetries = -1
	s.Dialer = dialFailures(&redis.Options{DialTimeout: o.DialTimeout, TLSConfig: o.TLSConfig})
	return redis.NewClient(s)
}
