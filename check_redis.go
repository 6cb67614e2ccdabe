package main

import (
	"context"
	"log/slog"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/presently/presently/presence"
	"github.com/presently/presently/presence/redisstore"
)

const (
	slowRedis  = 5 * time.Millisecond
	redisTries = 5
	redisReads = "let this user of Redis run what docs/operating.md lists; Redis' own log, and SLOWLOG, tell more"
)

// redis looks at the Redis behind the server.
func (c *checkup) redis(ctx context.Context) {
	if c.redisURL == "" {
		c.found(skipped, "name --redis-url, on a machine that reaches it; without any, presence is in the memory of one process", "Redis: persistence, eviction, clock, access")
		return
	}
	quiet := slog.New(slog.DiscardHandler)
	redisstore.LogTo(quiet)
	store, err := redisstore.Open(ctx, c.redisURL, redisstore.Options{Partitions: c.partitions, Logger: quiet})
	if err != nil {
		c.found(wrong, "see that --redis-url is the PRESENTLY_REDIS_URL of the server, password included", "Redis: %v", err)
		return
	}
	defer store.Close() //nolint:errcheck // nothing was written
	took, err := pingRedis(ctx, store)
	if err != nil {
		c.found(wrong, "see that it runs, and that this machine reaches it", "Redis does not answer: %v", err)
		return
	}
	if took > slowRedis {
		c.found(hint, "keep Redis near its instances", "Redis answers after %s", tenths(took))
	} else {
		c.found(fine, "", "Redis answers after %s", tenths(took))
	}
	c.redisSettings(ctx, store)
	c.redisAccess()
	c.redisData(ctx, store)
	all, err := store.Instances(ctx, presence.Instance{})
	if err != nil {
		c.found(wrong, redisReads, "Redis: %v", err)
		return
	}
	c.instances(all)
}

// instances looks at whether those that share this Redis are alike, as far as they must be.
func (c *checkup) instances(all []presence.Instance) {
	if len(all) == 0 {
		c.found(hint, "see that --redis-url and --partitions are those of the server", "instances: none has said anything in this Redis for %s", presence.InstanceBelieved)
		return
	}
	odd := false
	say := func(g grade, todo, format string, args ...any) {
		odd = true
		c.found(g, todo, format, args...)
	}
	versions, closed, hooked, known := map[string]bool{}, 0, 0, 0
	for _, i := range all {
		if i.Terse {
			versions["an older one"] = true
			continue
		}
		known++
		versions[plain(i.Version)] = true
		if i.Closes {
			closed++
		}
		if i.Webhook {
			hooked++
		}
	}
	if closed > 0 && closed < known {
		say(wrong, "set the same on all: who is hidden after a loss depends on which of them is asked", "instances: %d of %d have PRESENTLY_AFTER_LOSS=closed", closed, known)
	}
	if hooked > 0 && hooked < known {
		say(wrong, "set PRESENTLY_WEBHOOK_URL and PRESENTLY_WEBHOOK_SECRET on all: what happens through the others is not told", "instances: %d of %d know of the webhook", hooked, known)
	}
	if len(versions) > 1 {
		say(hint, "finish the upgrade: two versions work side by side, but not for ever", "instances: they are of different versions: %s", strings.Join(slices.Sorted(maps.Keys(versions)), ", "))
	}
	if len(all) == 1 {
		say(hint, "run two or more: they are all alike, and nobody notices when one stops", "instances: there is one alone")
	}
	if !odd {
		c.found(fine, "", "instances: there are %d, and they are alike in what they must be", len(all))
	}
}

// pingRedis is the median of a few answers.
func pingRedis(ctx context.Context, store *redisstore.Store) (time.Duration, error) {
	var took []time.Duration
	for range redisTries {
		start := time.Now()
		if err := store.Ping(ctx); err != nil {
			return 0, err
		}
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	return took[len(took)/2], nil
}

func (c *checkup) redisSettings(ctx context.Context, store *redisstore.Store) {
	warnings, err := store.Check(ctx)
	if err != nil {
		c.found(hint, "let this user of Redis run INFO and CONFIG GET, or look yourself: appendonly yes, maxmemory-policy noeviction", "Redis does not tell its settings: %v", err)
		return
	}
	for _, w := range warnings {
		what := w.What
		if w.Server != "" {
			what = w.Server + ": " + what
		}
		c.found(wrong, w.Advice, "Redis: %s", plain(what))
	}
	if len(warnings) == 0 {
		c.found(fine, "", "Redis keeps what it has: persistence, no eviction, replicas, version (as far as it tells)")
	}
}

func (c *checkup) redisAccess() {
	u, err := url.Parse(c.redisURL)
	if err != nil {
		return // a list of hosts, which url does not know
	}
	if _, given := u.User.Password(); !given {
		c.found(hint, "give it a password, or a user of its own (ACL), and put that into PRESENTLY_REDIS_URL", "Redis lets in whoever reaches it")
	}
	if u.Scheme == "redis" && !isLoopback(u.Hostname()) {
		c.found(hint, "use rediss:// unless the network is yours alone", "Redis is spoken to in clear")
	}
}

// redisData finds out whether this is the Redis of this server, by the session that was begun there.
func (c *checkup) redisData(ctx context.Context, store *redisstore.Store) {
	if c.me == nil {
		c.found(skipped, "set PRESENTLY_TOKEN", "Redis: whether it is that of this server, and its clock")
		return
	}
	start := time.Now()
	records, err := store.Lookup(ctx, "", []string{c.me.user})
	took := time.Since(start)
	if err != nil {
		c.found(wrong, redisReads, "Redis: %v", err)
		return
	}
	if _, there := records[0].Session(c.me.session); !there {
		c.found(wrong, "see that --redis-url and --partitions are those of the server, and that all instances have the same", "Redis: this is not the one that the server has, or its partitions are others")
		return
	}
	c.found(fine, "", "Redis is the one that the server has, with its %d partitions", c.partitions)
	c.clock("Redis'", records[0].AsOf.Time().Sub(start.Add(took/2)), took)
}
