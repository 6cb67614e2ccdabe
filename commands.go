package main

import (
	"context"
	"errors"
	"flag"
	"io"
	"regexp"
	"slices"
	"strings"
)

// command is one thing that the program does besides serving.
type command struct {
	name  string
	about string // in one line
	help  string // all of it; each flag begins a line: "  --flag  what it does"
	takes []string
	run   func(ctx context.Context, in invocation) error
}

// invocation is what a command was called with.
type invocation struct {
	args, environ  []string
	stdout, stderr io.Writer
}

// commands are all that there are, in the order of help. takes are the settings that are flags of theirs, too.
func commands() []command {
	return []command{
		{"token", "make a token, to try things with", tokenHelp, []string{"JWT_SECRET", "JWT_ALGORITHMS", "JWT_ISSUER", "JWT_AUDIENCE"},
			func(_ context.Context, in invocation) error { return runToken(in.args, in.environ, in.stdout) }},
		{"watch", "see people and rooms live, in the terminal", watchHelp, clientSettings, runWatch},
		{"sim", "people who beat, sleep, wake, flap, type and meet", simHelp, slices.Concat(clientSettings, []string{"JWT_SECRET", "JWT_ALGORITHMS", "JWT_ISSUER", "JWT_AUDIENCE"}), runSim},
		{"check", "the production checklist, against a running server", checkHelp, slices.Concat(clientSettings, []string{"REDIS_URL", "PARTITIONS"}), runCheck},
		{"health", "find out whether the instance on this machine serves", healthHelp, []string{"LISTEN", "TLS_CERT"},
			func(ctx context.Context, in invocation) error { return runHealth(ctx, in.args, in.environ, in.stdout) }},
		{"completion", "have your shell complete all this", completionHelp, nil, runCompletion},
		{"help", "this text, or more about one command", helpHelp, nil, runHelp},
	}
}

// clientSettings are those of the commands that talk to a server as its clients do.
var clientSettings = []string{"URL", "TOKEN"}

func findCommand(name string) (command, bool) {
	all := commands()
	i := slices.IndexFunc(all, func(c command) bool { return c.name == name })
	if i < 0 {
		return command{}, false
	}
	return all[i], true
}

// runCommand runs a command, or writes its help where that is asked for.
func (c command) runCommand(ctx context.Context, in invocation) error {
	err := c.run(ctx, in)
	if errors.Is(err, flag.ErrHelp) {
		_, err = io.WriteString(in.stdout, c.help)
	}
	return err
}

var flagInHelp = regexp.MustCompile(`(?m)^  --([a-z-]+)`)

// flags are those that the help tells of.
func (c command) flags() []string {
	var names []string
	for _, m := range flagInHelp.FindAllStringSubmatch(c.help, -1) {
		names = append(names, m[1])
	}
	return names
}

func commandNames() []string {
	var names []string
	for _, c := range commands() {
		names = append(names, c.name)
	}
	return names
}

const helpHelp = `presently help shows what there is; with the name of a command, all about that.

  presently help watch
`

// runHelp takes the name of a command, which no other command does.
func runHelp(_ context.Context, in invocation) error {
	if len(in.args) == 0 {
		return printHelp(in.stdout)
	}
	if strings.HasPrefix(in.args[0], "-") {
		return flag.ErrHelp
	}
	c, ok := findCommand(in.args[0])
	if !ok {
		return noCommand(in.args[0])
	}
	_, err := io.WriteString(in.stdout, c.help)
	return err
}

func noCommand(name string) error {
	return usagef("there is no command %q: the commands are %s, and without one presently serves", name, strings.Join(commandNames(), ", "))
}
