//go:build linux

// Bench measures Presently beside the least that one could write instead, in one run on one machine, so that what counts is the ratio.
//
//	go run ./bench idle          resident memory for each stream that waits, with its watch list
//	go run ./bench fanout        CPU of the server for each delivery, one topic and many watchers; and the most deliveries a second
//	go run ./bench interest      the same, where each of many streams watches 50 of many topics
//	go run ./bench beat          CPU of the server and of Redis for a heartbeat that brings nothing new
//	go run ./bench query         CPU for a look at one user and at a hundred
//	go run ./bench latency       how long a change takes to its watchers
//	go run ./bench storm         everybody comes back at once
//	go run ./bench pair          what a change costs one of two instances where others watch
//	go run ./bench size          what a change costs among a thousand users and among a hundred thousand
//	go run ./bench soak          whether memory grows while people live
//	go run ./bench sim           what the figures of the others foretell of a mixed crowd, held against that crowd
//	go run ./bench all           each of them
//	go run ./bench page          writes what was found into docs/performance.md and docs/scaling.md
//
// It starts the servers that it measures as processes of their own, on loopback, and reads their CPU and memory from /proc. All repetitions of
// a case are made with each server in turn, so that a machine that others use too is as unfair to one as to the next. What the load side took
// itself, and what everybody else on the machine took meanwhile, is printed beside the figures.
//
// Every subject gets the same bytes to answer, and is judged by what comes out: every user's name has one ~ in it, and nothing else has, so that
// a delivery is a ~ that was read.
//
// The references are in reference.go: "plain" is what a tutorial on net/http teaches, "hijack" and "raw" show what there is to gain. What people would
// write in Node is in others/.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// settings are the flags.
type settings struct {
	repeat   int
	only     string
	out      string
	also     string
	coalesce time.Duration
	length   time.Duration
	streams  int
	watch    int
	rate     int
	profile  string
	soak     time.Duration
}

// A measurement is one case.
type measurement struct {
	name     string
	subjects []string // the first reference first
	measure  func(context.Context, *run) error
	most     int // repetitions, where more would take too long; 0: as many as asked for
}

// cases are what can be measured, in the order of "all".
var cases = []measurement{
	{"idle", []string{"plain", "raw", "memory", "redis", "node", "socketio"}, measureIdle, 2},
	{"fanout", []string{"plain", "raw", "memory", "redis", "node", "socketio"}, measureFanout, 0},
	{"interest", []string{"plain", "raw", "memory", "redis", "node", "socketio"}, measureInterest, 2},
	{"latency", []string{"plain", "memory", "redis", "node", "socketio"}, measureLatency, 2},
	{"beat", []string{"chi", "memory", "redis", "node"}, measureBeat, 0},
	{"query", []string{"memory", "redis"}, measureQuery, 0},
	{"storm", []string{"plain", "memory", "redis", "node", "socketio"}, measureStorm, 2},
	{"pair", []string{"redis"}, measurePair, 2},
	{"size", []string{"redis"}, measureSize, 1},
	{"soak", []string{"memory", "redis"}, measureSoak, 1},
	{"sim", []string{"redis"}, measureSim, 1},
}

func main() {
	if len(os.Args) == 3 && os.Args[1] == "reference" {
		fail(serveReference(os.Args[2]))
		return
	}
	var s settings
	fs := flag.NewFlagSet("bench", flag.ExitOnError)
	fs.IntVar(&s.repeat, "repeat", 3, "how often each case is run with each server")
	fs.StringVar(&s.only, "only", "", "the subjects to measure, as plain,memory")
	fs.StringVar(&s.also, "also", "", "other builds of presently to measure, as before=/tmp/presently,after=/tmp/presently2")
	fs.StringVar(&s.out, "out", "bench/results", "where results go")
	fs.DurationVar(&s.coalesce, "coalesce", 0, "PRESENTLY_COALESCE")
	fs.DurationVar(&s.length, "length", 4*time.Second, "of what goes on at a steady rate")
	fs.IntVar(&s.streams, "streams", 0, "how many streams, instead of what the case has")
	fs.IntVar(&s.watch, "watch", 50, "users on each stream's watch list")
	fs.IntVar(&s.rate, "rate", 20_000, "deliveries a second")
	fs.StringVar(&s.profile, "perf", "", "a folder for what perf record says of each server")
	fs.DurationVar(&s.soak, "soak", time.Minute, "how long soak lets a crowd live")
	fs.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: bench idle|fanout|interest|latency|beat|query|storm|pair|size|soak|sim|all|page [flags]")
		fs.PrintDefaults()
	}
	if len(os.Args) < 2 {
		fs.Usage()
		os.Exit(2)
	}
	fs.Parse(os.Args[2:]) //nolint:errcheck // it exits
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if os.Args[1] == "page" {
		fail(writePages(s.out))
		return
	}
	known := false
	for _, c := range cases {
		if os.Args[1] == c.name || os.Args[1] == "all" {
			known = true
			fail(perform(ctx, c, subjectsOf(c.subjects, s), s))
		}
	}
	if !known {
		fs.Usage()
		os.Exit(2)
	}
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// subjectsOf are the servers to measure; of other builds, the part before = is the name.
func subjectsOf(all []string, s settings) []string {
	if s.only != "" {
		all = slices.DeleteFunc(slices.Clone(all), func(name string) bool { return !slices.Contains(strings.Split(s.only, ","), name) })
	}
	if s.also != "" {
		all = append(slices.Clone(all), strings.Split(s.also, ",")...)
	}
	return all
}

// perform runs one case as often as asked for with each subject, and reports.
func perform(ctx context.Context, c measurement, subjects []string, s settings) error {
	if len(subjects) == 0 {
		return nil
	}
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // the system will
	if slices.ContainsFunc(subjects, needsBuild) {
		if err := buildPresently(ctx, filepath.Join(dir, "presently")); err != nil {
			return err
		}
	}
	if slices.ContainsFunc(subjects, func(name string) bool { return slices.Contains(others, name) }) {
		if err := installOthers(ctx); err != nil {
			fmt.Fprintln(os.Stderr, "bench: without servers of others, which npm does not install:", err)
			subjects = slices.DeleteFunc(subjects, func(name string) bool { return slices.Contains(others, name) })
		}
	}
	repeat := s.repeat
	if c.most > 0 {
		repeat = min(repeat, c.most)
	}
	r := newReport(c.name, subjects[0])
	for range repeat {
		for _, subject := range subjects {
			once := func() error { return c.measure(ctx, &run{settings: s, report: r, dir: dir, subject: subject}) }
			err := once()
			if err != nil && ctx.Err() == nil { // on a busy machine a store's answer comes too late now and then
				fmt.Fprintf(os.Stderr, "bench: %s of %s, once more: %v\n", c.name, subject, err)
				err = once()
			}
			if err != nil {
				return fmt.Errorf("%s of %s: %w", c.name, subject, err)
			}
		}
	}
	return r.publish(s.out)
}
