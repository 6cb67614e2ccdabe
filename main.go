// Command presently answers one question over plain HTTP: who is here right now, and what are they doing?
//
// Without a command it serves; `presently help` tells the rest. This package is the one that knows all others: it reads the
// configuration, hands out values, and owns the life of everything that runs.
package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
)

//go:embed openapi.yaml
var contract []byte

// version is set by the linker (-X main.version=…).
var version string

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // so that a second signal ends the process at once
	if err := run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "presently:", err)
		os.Exit(exitCode(err))
	}
}

// run is the whole program but for the process around it. It returns when the command is done; the one that serves is done when ctx ends.
func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) error {
	command := ""
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		command, args = args[0], args[1:]
	}
	if command == "" {
		return runServe(ctx, args, environ, stdout, stderr)
	}
	c, ok := findCommand(command)
	if !ok {
		return noCommand(command)
	}
	return c.runCommand(ctx, invocation{args, environ, stdout, stderr})
}

// usageError is a fault of whoever wrote the command line.
type usageError string

func (e usageError) Error() string { return string(e) }

func usagef(format string, args ...any) error { return usageError(fmt.Sprintf(format, args...)) }

// exitCode tells what was asked wrongly, which stays wrong however often it is tried again, from what went wrong.
func exitCode(err error) int {
	if _, ok := errors.AsType[usageError](err); ok {
		return 2
	}
	if _, ok := errors.AsType[*configError](err); ok {
		return 2
	}
	return 1
}

// versionName is the version that was built in, or else what Go knows of the source.
func versionName() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(unknown)"
}
