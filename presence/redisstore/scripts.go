package redisstore

import (
	"context"
	"crypto/sha1"
	"embed"
	"encoding/hex"
	"errors"
	"strings"

	"github.com/redis/go-redis/v9"
)

//go:embed lua/*.lua
var sources embed.FS

// script is a Lua script with all that it begins with.
type script struct {
	source string
	hash   string
}

// scripts are those of lua/, each named after its file.
type scripts struct {
	beat, leave, end, amend, sweep, beacon, lookup, sessions *script
}

// loadScripts reads the scripts, which tell the time by clock: clock.lua, or a test's own.
func loadScripts(clock string) scripts {
	load := func(name string) *script {
		src := clock + "\n" + source("prelude") + "\n" + source(name)
		sum := sha1.Sum([]byte(src))
		return &script{source: src, hash: hex.EncodeToString(sum[:])}
	}
	return scripts{
		beat: load("beat"), leave: load("leave"), end: load("end"), amend: load("amend"),
		sweep: load("sweep"), beacon: load("beacon"), lookup: load("lookup"), sessions: load("sessions"),
	}
}

func source(name string) string {
	b, err := sources.ReadFile("lua/" + name + ".lua")
	if err != nil {
		panic(err) // it is embedded
	}
	return strings.TrimSpace(string(b))
}

// call is one run of a script.
type call struct {
	lane   int
	script *script
	keys   []string
	args   []any
}

// bySource asks for the run by the whole text, byHash by its hash, which Redis may not know yet, or no more.
func (c call) byHash(ctx context.Context) command   { return c.command(ctx, "evalsha", c.script.hash) }
func (c call) bySource(ctx context.Context) command { return c.command(ctx, "eval", c.script.source) }

func (c call) command(ctx context.Context, name, text string) command {
	args := make([]any, 0, 3+len(c.keys)+len(c.args))
	args = append(args, name, text, len(c.keys))
	for _, k := range c.keys {
		args = append(args, k)
	}
	return newCommand(ctx, append(args, c.args...)...)
}

func unknownScript(err error) bool { return redis.HasErrorPrefix(err, "NOSCRIPT") }

// run runs one script in company of others.
func (s *Store) run(ctx context.Context, c call) (any, error) {
	cmd := c.byHash(ctx)
	if err := s.coalescer(c.lane).do(ctx, cmd); err != nil {
		return nil, err
	}
	if unknownScript(cmd.Err()) {
		cmd = c.bySource(ctx)
		if err := s.coalescer(c.lane).do(ctx, cmd); err != nil {
			return nil, err
		}
	}
	reply, err := cmd.Result()
	if errors.Is(err, redis.Nil) {
		return nil, nil // it returned nothing
	}
	return reply, err
}

// runAll runs scripts in one pipeline. Only those that Redis did not know are sent again. Each command has its own error.
func (s *Store) runAll(ctx context.Context, calls []call) []command {
	commands := make([]command, len(calls))
	p := s.client.Pipeline()
	for i, c := range calls {
		commands[i] = c.byHash(ctx)
		_ = p.Process(ctx, commands[i])
	}
	_, _ = p.Exec(ctx)
	p = s.client.Pipeline()
	for i, c := range calls {
		if unknownScript(commands[i].Err()) {
			commands[i] = c.bySource(ctx)
			_ = p.Process(ctx, commands[i])
		}
	}
	if p.Len() > 0 {
		_, _ = p.Exec(ctx)
	}
	return commands
}
