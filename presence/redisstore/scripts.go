package redisstore

import (
	"context"
	"crypto/sha1"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/presently/presently/presence"
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
	beat, leave, end, amend, sweep, beacon, lookup, sessions, recall, subscription, resubscribe, revoke, instances *script
	tenure, notes, finish, occupy, settled                                                                         *script // of the outbox
}

// loadScripts reads the scripts, which tell the time by clock: clock.lua, or a test's own; closes says whether they close after a loss. What few need
// comes to those alone: each function of Lua costs a run 0.1 µs, called or not. With an outbox, those that change users put notes into it; without, they
// are the poorer by all of that.
func loadScripts(clock string, outbox int, closes bool) scripts {
	clock += fmt.Sprintf("\nlocal CLOSES = %t", closes)
	box := "local OUTBOX = " + strconv.Itoa(outbox) + "\n" + source("outbox")
	load := func(name string, parts ...string) *script {
		src := clock + "\n" + source("prelude")
		if changing := slices.Contains(parts, "rooms"); outbox > 0 && changing || slices.Contains(parts, "outbox") {
			src += "\n" + box
		}
		parts = slices.DeleteFunc(parts, func(part string) bool { return part == "outbox" })
		for _, part := range append(parts, name) {
			src += "\n" + source(part)
		}
		sum := sha1.Sum([]byte(src))
		return &script{source: src, hash: hex.EncodeToString(sum[:])}
	}
	return scripts{
		beat: load("beat", "rooms"), leave: load("leave", "rooms", "ending"), end: load("end", "rooms", "ending"),
		amend: load("amend", "rooms", "unsettle"), sweep: load("sweep", "rooms", "ending"), beacon: load("beacon"), lookup: load("lookup"), sessions: load("sessions"),
		recall: load("recall", "rooms", "ending", "unsettle"), subscription: load("subscription"), resubscribe: load("resubscribe"),
		revoke: load("revoke"), instances: load("instances"),
		tenure: load("tenure", "outbox"), notes: load("notes", "outbox"), finish: load("finish", "outbox"), occupy: load("occupy", "outbox"),
		settled: load("settled", "outbox"),
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

// runAll runs scripts in one pipeline. Only those that Redis did not know are sent again. Where there is no error, each command has its own.
func (s *Store) runAll(ctx context.Context, calls []call) ([]command, error) {
	commands := make([]command, len(calls))
	for i, c := range calls {
		commands[i] = c.byHash(ctx)
	}
	if err := s.send(ctx, commands); err != nil {
		return nil, err
	}
	var again []command
	for i, c := range calls {
		if unknownScript(commands[i].Err()) {
			commands[i] = c.bySource(ctx)
			again = append(again, commands[i])
		}
	}
	return commands, s.send(ctx, again)
}

// send sends commands in one pipeline and waits for the answers, which each command has unless there is an error. It waits no longer than ctx
// lasts; go-redis does, for as long as a Redis that hangs may take.
func (s *Store) send(ctx context.Context, commands []command) error {
	if len(commands) == 0 {
		return nil
	}
	if !s.enter() {
		return errClosed
	}
	done := make(chan error, 1)
	go func() {
		defer s.under.Done()
		done <- s.opts.Panics.Try(presence.PanicInStore, func() error {
			p := s.client.Pipeline()
			for _, c := range commands {
				_ = p.Process(ctx, c)
			}
			_, err := p.Exec(ctx) // each command has its own
			s.hears(err)
			return nil
		})
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// enter counts a pipeline that Close will wait for.
func (s *Store) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.under.Add(1)
	return true
}
