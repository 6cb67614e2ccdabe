package main

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

const helpHead = `Presently answers one question over plain HTTP: who is here right now, and what are they doing?

  presently               serve
  presently --version     the version
%s
Each command tells more with --help, with examples: presently watch --help.

With no setting at all it serves for development: on this machine alone, in memory, with a token printed
for you. To serve others, give it a key for tokens; to serve with several instances, or to keep
what it knows over a restart, also the URL of a Redis:

  PRESENTLY_REDIS_URL=redis://localhost:6379 PRESENTLY_JWT_SECRET="$(openssl rand -base64 48)" presently

Each setting is an environment variable, or a flag, which wins: PRESENTLY_REDIS_URL is --redis-url. Everybody on a
machine sees the flags of a process: keep secrets in the environment. Durations are written like 90s, 5m or
250ms; lists are separated by commas.
`

// printHelp writes what there is to know before the documentation.
func printHelp(w io.Writer) error {
	b := bufio.NewWriter(w)
	var list strings.Builder
	for _, c := range commands() {
		fmt.Fprintf(&list, "  presently %-13s %s\n", c.name, c.about)
	}
	fmt.Fprintf(b, helpHead, list.String())
	group := ""
	for _, s := range settings {
		if s.group != group {
			group = s.group
			fmt.Fprintf(b, "\n%s\n", group)
		}
		help := s.help
		if s.initial != "" {
			help = joined(help, "("+s.initial+")")
		}
		fmt.Fprintf(b, "  %-26s %-11s %s\n", s.env(), s.arg, help)
	}
	return b.Flush()
}

func joined(a, b string) string {
	if a == "" {
		return b
	}
	return a + " " + b
}
