package redisstore

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
)

// Warning is something about a Redis that works today and loses presence, or settings, on a bad day.
type Warning struct {
	Server string // its address; empty where there is but one
	What   string // what was found
	Advice string // what to do
}

func (w Warning) String() string {
	if w.Server == "" {
		return w.What + ": " + w.Advice
	}
	return w.Server + ": " + w.What + ": " + w.Advice
}

// Check looks at the settings of every server that holds data. What a server does not tell (managed ones forbid CONFIG) is no warning.
func (s *Store) Check(ctx context.Context) ([]Warning, error) {
	cluster, ok := s.client.(*redis.ClusterClient)
	if !ok {
		found, err := check(ctx, s.client)
		if err != nil {
			return nil, unavailable("check", err)
		}
		return found, nil
	}
	var mu sync.Mutex
	var all []Warning
	err := cluster.ForEachMaster(ctx, func(ctx context.Context, c *redis.Client) error {
		found, err := check(ctx, c)
		mu.Lock()
		defer mu.Unlock()
		for _, w := range found {
			w.Server = c.Options().Addr
			all = append(all, w)
		}
		return err
	})
	if err != nil {
		return nil, unavailable("check", err)
	}
	return all, nil
}

type server interface {
	Info(ctx context.Context, section ...string) *redis.StringCmd
	ConfigGet(ctx context.Context, parameter string) *redis.MapStringStringCmd
}

func check(ctx context.Context, c server) (found []Warning, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*callTimeout)
	defer cancel()
	info, err := c.Info(ctx).Result()
	if err != nil {
		return nil, err
	}
	warn := func(what, advice string) { found = append(found, Warning{What: what, Advice: advice}) }

	if v := infoField(info, "redis_version"); !atLeast(v, 7, 0) {
		warn("Redis "+v, "use 7.0 or newer: ZADD, SET and PEXPIRE are used in forms that older ones refuse")
	}
	if p := setting(ctx, c, "maxmemory-policy"); p != "" && p != "noeviction" {
		warn("maxmemory-policy "+p, "set noeviction: an evicted user is offline until an instance that remembers him notices, and the settings of one who is away are gone for good")
	}
	if setting(ctx, c, "appendonly") == "no" {
		if save, known := lookUp(ctx, c, "save"); known && save == "" {
			warn("no persistence", "set appendonly yes: settings (who is invisible, privacy, blocks) live in Redis, and a restart would show everybody")
		} else {
			warn("appendonly no", "set appendonly yes: what people set since the last snapshot (who is invisible, privacy, blocks) is lost when Redis dies")
		}
	}
	if hard, known := pubsubLimit(setting(ctx, c, "client-output-buffer-limit")); known && hard != 0 && hard < pubsubLeast {
		warn(fmt.Sprintf("client-output-buffer-limit pubsub %d", hard),
			"set pubsub 32mb 8mb 60: instances that are busy for a moment are cut off and must read all that they watch again")
	} else if known && hard == 0 {
		warn("client-output-buffer-limit pubsub 0", "set pubsub 32mb 8mb 60: an instance that hangs makes Redis grow without bound")
	}
	if clients, most := infoNumber(info, "connected_clients"), infoNumber(info, "maxclients"); most > 0 && clients > most*8/10 {
		warn(fmt.Sprintf("%d of %d clients are connected", clients, most),
			"raise maxclients (and the process' limit of open files): an instance that gets no connection answers 503")
	}
	if replicas, _ := strconv.Atoi(infoField(info, "connected_slaves")); replicas > 0 && setting(ctx, c, "min-replicas-to-write") == "0" {
		warn(fmt.Sprintf("min-replicas-to-write 0 with %d replicas", replicas),
			"set 1: a master that was cut off would go on taking writes, which are lost when it comes back as a replica")
	}
	return found, nil
}

// pubsubLeast is what an ear may have to be sent at once: some 2 s of 10,000 changes a second.
const pubsubLeast = 4 << 20

// pubsubLimit reads the hard limit for subscribers of "normal 0 0 0 slave … pubsub 33554432 8388608 60".
func pubsubLimit(limits string) (hard int64, known bool) {
	_, rest, _ := strings.Cut(limits, "pubsub ")
	hard, err := strconv.ParseInt(strings.SplitN(rest, " ", 2)[0], 10, 64)
	return hard, err == nil
}

func setting(ctx context.Context, c server, name string) string {
	v, _ := lookUp(ctx, c, name)
	return v
}

func lookUp(ctx context.Context, c server, name string) (string, bool) {
	v, err := c.ConfigGet(ctx, name).Result()
	if err != nil {
		return "", false
	}
	value, ok := v[name]
	return value, ok
}

// infoNumber is 0 where there is none.
func infoNumber(info, name string) int {
	n, _ := strconv.Atoi(infoField(info, name))
	return n
}

func infoField(info, name string) string {
	for line := range strings.Lines(info) {
		if key, value, _ := strings.Cut(strings.TrimSpace(line), ":"); key == name {
			return value
		}
	}
	return ""
}

// atLeast reports whether a version such as 7.0.15 is new enough. One that cannot be read is.
func atLeast(version string, major, minor int) bool {
	var a, b int
	if n, _ := fmt.Sscanf(version, "%d.%d", &a, &b); n != 2 {
		return true
	}
	return a > major || a == major && b >= minor
}
