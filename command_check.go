package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net/url"
	"strings"
)

const checkHelp = `presently check goes through the production checklist: it talks to a running server as a client does, and to its Redis where that is
given, and tells what it found, with what to do about it. It takes about ten seconds.

  PRESENTLY_TOKEN=$(presently token --sub check) presently check --url https://presence.example.org
  presently check --redis-url redis://10.0.0.5:6379 --origin https://app.example.org --admin-url http://10.0.0.7:9090

  --url         where the server is, as its users see it: through all proxies, PRESENTLY_URL (http://localhost:8080)
  --token       who asks, PRESENTLY_TOKEN; without one, what needs one is not checked
  --redis-url   the Redis behind it, PRESENTLY_REDIS_URL
  --partitions  into how many parts its data is divided, PRESENTLY_PARTITIONS (16)
  --origin      an origin whose pages must be able to ask, as in PRESENTLY_CORS_ORIGINS
  --admin-url   where metrics are, as in PRESENTLY_ADMIN_LISTEN

✓ is fine, ! is to be looked at, ✗ is wrong, – was not checked. With one ✗ or more it ends with status 1. The token's user is online for these
seconds, with a device called check; give it a user of its own.
`

func runCheck(ctx context.Context, in invocation) error {
	fs := flag.NewFlagSet("check", flag.ContinueOnError)
	origin, admin := fs.String("origin", "", ""), fs.String("admin-url", "", "")
	r, err := gather(fs, in.args, in.environ, append([]string{"REDIS_URL", "PARTITIONS"}, clientSettings...)...)
	if err != nil {
		return err
	}
	checkRedisURL(r)
	c := &checkup{
		out: in.stdout, server: newRemote(r), origin: strings.TrimSuffix(*origin, "/"), admin: *admin,
		redisURL: r.text("REDIS_URL"), partitions: r.number("PARTITIONS", 1, 1024),
	}
	if u, err := url.Parse(*admin); *admin != "" && (err != nil || u.Hostname() == "") {
		r.problem("--admin-url: is no address: write it like http://10.0.0.7:9090")
	}
	if err := r.err(); err != nil {
		return err
	}
	defer c.server.http.CloseIdleConnections()
	c.run(ctx)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	fmt.Fprintf(c.out, "\n%d fine, %d to be looked at, %d wrong, %d not checked\n", c.grades[fine], c.grades[hint], c.grades[wrong], c.grades[skipped])
	if c.grades[wrong] > 0 {
		return fmt.Errorf("%d of the checks found something wrong", c.grades[wrong])
	}
	return nil
}

type grade int

const (
	fine grade = iota
	hint
	wrong
	skipped
)

var gradeMarks = [...]string{fine: "✓", hint: "!", wrong: "✗", skipped: "–"}

// checkup is one go through the list.
type checkup struct {
	out        io.Writer
	server     *remote
	origin     string
	admin      string
	redisURL   string
	partitions int
	grades     [4]int
	me         *checkedSelf // nil: no token that does
}

// run goes through the list, as far as it can.
func (c *checkup) run(ctx context.Context) {
	if !c.reach(ctx) {
		return
	}
	c.secure(ctx)
	c.ready(ctx)
	c.documented(ctx)
	c.strangers(ctx)
	c.origins(ctx)
	c.monitored(ctx)
	if c.token(ctx) {
		c.beats(ctx)
	}
	if c.me != nil {
		c.privacy(ctx)
		c.streams(ctx)
		c.buffers(ctx)
	}
	c.redis(ctx)
	c.leave(ctx)
}

// found tells one thing, and what to do about it.
func (c *checkup) found(g grade, todo, format string, args ...any) {
	c.grades[g]++
	fmt.Fprintf(c.out, "%s %s\n", gradeMarks[g], fmt.Sprintf(format, args...))
	if todo != "" {
		fmt.Fprintf(c.out, "    → %s\n", todo)
	}
}
