// Command page writes docs/reliability.md from a file of results that the tests of package e2e made: see make soak.
package main

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"slices"
	"strings"

	"github.com/presently/presently/e2e/chaos"
)

func main() {
	command := flag.String("command", "make soak", "what made the results")
	machine := flag.String("machine", "", "where")
	product := flag.String("product", "", "version of what was tested")
	notes := flag.String("notes", "", "file whose text comes before the table")
	run := flag.String("run", "", "file that tells how all was run")
	flag.Parse()
	if err := write(flag.Arg(0), *command, *machine, *product, *notes, *run); err != nil {
		log.Fatal(err)
	}
}

// row is all runs of one fault.
type row struct {
	first      chaos.Result
	runs       int
	alone      int
	failed     int
	violations int
	wronged    int
	sightings  int
	beats      int
	reconnects int
	partial    bool
	minutes    float64 // of users
	most       map[string]float64
	seeds      []string

	byItself *row // the runs with nothing beside them, if any
}

// timing is where figures of time are to be taken from: runs that had the machine for themselves, where there are any.
func (x *row) timing() *row {
	if x.byItself != nil {
		return x.byItself
	}
	return x
}

// read returns the last word on each run.
func read(results string) (all []chaos.Result, err error) {
	text, err := os.ReadFile(results)
	if err != nil {
		return nil, err
	}
	type key struct {
		id   string
		seed uint64
	}
	at := map[key]int{}
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var r chaos.Result
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return nil, fmt.Errorf("%s: %w", results, err)
		}
		k := key{r.ID, r.Seed}
		if i, before := at[k]; before && all[i].Partial {
			all[i] = r
			continue
		}
		at[k] = len(all)
		all = append(all, r)
	}
	return all, lines.Err()
}

func write(results, command, machine, product, notes, run string) error {
	all, err := read(results)
	if err != nil {
		return err
	}
	rows, order := map[string]*row{}, []string{}
	raced := map[bool]bool{}
	for _, r := range all {
		x := rows[r.ID]
		if x == nil {
			x = &row{first: r, most: map[string]float64{}}
			rows[r.ID], order = x, append(order, r.ID)
		}
		raced[r.Raced] = true
		x.add(r)
		if r.Alone {
			if x.byItself == nil {
				x.byItself = &row{first: r, most: map[string]float64{}}
			}
			x.byItself.add(r)
		}
	}
	slices.SortFunc(order, compare)
	page := strings.Builder{}
	page.WriteString(head)
	fmt.Fprintf(&page, "- Command: `%s`\n- Machine: %s\n- Product: %s; race detector: %s\n", command, machine, product, yesNo(raced))
	if err := writeRun(&page, run, rows, all); err != nil {
		return err
	}
	if notes != "" {
		more, err := os.ReadFile(notes)
		if err != nil {
			return err
		}
		page.Write(append(bytes.TrimSpace(more), "\n\n"...))
	}
	writeGoals(&page, rows, command)
	page.WriteString("\n## Each fault\n\n| | fault | what must be so | runs | of these alone | failed | violations | users falsely offline | figures (the worst of all runs) |\n| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | --- |\n")
	for _, id := range order {
		x := rows[id]
		fmt.Fprintf(&page, "| %s | %s | %s | %d | %d | %d | %d | %d | %s |\n", id, x.first.Fault, x.first.Promise, x.runs, x.alone, x.failed, x.violations, x.wronged, x.figures())
	}
	writeFailures(&page, all)
	fmt.Fprint(&page, tail)
	for _, id := range order {
		fmt.Fprintf(&page, "| %s | %s |\n", id, strings.Join(rows[id].seeds, ", "))
	}
	_, err = os.Stdout.WriteString(page.String())
	return err
}

// writeRun tells how all was run.
func writeRun(page *strings.Builder, name string, rows map[string]*row, all []chaos.Result) error {
	failed, violations, wronged := 0, 0, 0
	for _, r := range all {
		if r.Failed {
			failed++
		}
		violations, wronged = violations+r.Violations, wronged+r.Figures.FalseOffline
	}
	fmt.Fprintf(page, "- In all: %d stages of %d kinds, of which %d failed; %d violations; %d users falsely offline\n", len(all), len(rows), failed, violations, wronged)
	if name != "" {
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		var run chaos.Run
		if err := json.Unmarshal(text, &run); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		fmt.Fprintf(page, "- It took %.0f min, in which %.1f cores were busy with it on average; up to %d stages stood side by side (random faults count as two)\n", run.Minutes, run.Cores, run.Parallel)
		if run.Left > 0 {
			fmt.Fprintf(page, "- For %d stages that were asked for there was no time left\n", run.Left)
		}
		if run.Stopped {
			fmt.Fprint(page, "- It was stopped by hand\n")
		}
	}
	if x := rows["R17"]; x != nil && x.partial {
		fmt.Fprint(page, "- Random faults were cut short: what is told of them is what had been judged by then\n")
	}
	page.WriteString("\n")
	return nil
}

// writeFailures tells what failed, and with what seed.
func writeFailures(page *strings.Builder, all []chaos.Result) {
	first := true
	for _, r := range all {
		if !r.Failed {
			continue
		}
		if first {
			page.WriteString("\n## What failed\n\nThe log is .cache/soak/log on the machine that ran it.\n\n")
			first = false
		}
		how := "beside others"
		if r.Alone {
			how = "alone"
		}
		fmt.Fprintf(page, "- %s, %s, seed %d: %s\n", r.ID, how, r.Seed, cmp.Or(strings.Join(r.Broken, "; "), "no violation; see the log"))
	}
}

func yesNo(raced map[bool]bool) string {
	switch {
	case raced[true] && raced[false]:
		return "in some runs"
	case raced[true]:
		return "on"
	}
	return "off"
}

func (x *row) add(r chaos.Result) {
	x.runs++
	x.partial = x.partial || r.Partial
	if r.Alone {
		x.alone++
	}
	if r.Failed {
		x.failed++
	}
	f := r.Figures
	x.violations += r.Violations
	x.wronged += f.FalseOffline
	x.sightings += f.Sightings
	x.beats += f.Beats
	x.reconnects += f.Reconnects
	x.minutes += float64(f.Users) * f.Seconds / 60
	x.seeds = append(x.seeds, fmt.Sprint(r.Seed))
	most := func(name string, v float64) {
		if v != 0 {
			x.most[name] = max(x.most[name], v)
		}
	}
	for name, v := range r.More {
		most(name, v)
	}
	most("lateP99", f.LateP99)
	most("lateMax", f.LateMax)
	most("beatP99", f.BeatP99)
	most("awayMax", f.AwayMax)
}

// words are how figures are told, in this order.
var words = []struct{ name, text string }{
	{"minutes", "%.1f min"}, {"faults", "%.0f faults"}, {"degradedS", "`degraded` after %.2f s"}, {"recoveredS", "`recovered` after %.2f s"},
	{"backAfter", "writes back %.2f s after the cause ended"}, {"restoredS", "all streams restored %.1f s after the kill"}, {"convergeS", "agreed with REST after %.1f s"},
	{"noticedS", "noticed after %.2f s"}, {"outageS", "no writes for %.2f s"}, {"refusedP99", "a refusal took %.2f s (p99)"}, {"lost", "%.0f messages lost"},
	{"streams", "%.0f streams"}, {"lateP99", "ends told %.2f s late (p99)"}, {"beatP99", "a beat took %.2f s (p99)"}, {"awayMax", "a stream was away %.1f s"}, {"failed", "%.0f requests failed"},
	{"broken", "%.0f requests answered by nobody"}, {"readers", "%.0f readers"}, {"cutS", "all cut after %.1f s"}, {"cycles", "%.0f streams"},
	{"descriptors", "%+.0f descriptors"}, {"goroutines", "%+.0f goroutines"}, {"residentMiB", "%+.0f MiB resident"}, {"residentEndMiB", "%+.0f MiB in the end"},
	{"refusedAtP99", "a beat at an instance itself took %.2f s (p99)"}, {"frozenS", "Redis hung for %.0f s"}, {"silentS", "no stream was silent for more than %.1f s"},
	{"changesPerS", "%.0f changes a second"}, {"seenP50", "seen after %.4f s"}, {"seenP99", "%.4f s (p99)"}, {"caughtUpS", "all was told again after %.1f s"},
	{"kernelKiB", "%.0f KiB of the kernel's for each"}, {"othersBefore", "others' beats took %.4f s before"}, {"othersDuring", "%.4f s meanwhile (p99)"},
	{"stallS", "the machine stalled for %.2f s"}, {"beforeTold", "ended before the deadline told: %.0f"},
}

func (x *row) figures() string {
	list := []string{fmt.Sprintf("%d beats, %d sightings", x.beats, x.sightings)}
	if x.beats == 0 {
		list = nil
	}
	for _, w := range words {
		if v, ok := x.most[w.name]; ok && (v != 0 || strings.Contains(w.text, "%+") || w.name == "failed") {
			list = append(list, fmt.Sprintf(w.text, v))
		}
	}
	return strings.Join(list, "; ")
}

// compare puts A2 before A10, and R after A.
func compare(a, b string) int {
	split := func(s string) (letter string, n int, rest string) {
		_, _ = fmt.Sscanf(s[1:], "%d%s", &n, &rest)
		return s[:1], n, rest
	}
	la, na, ra := split(a)
	lb, nb, rb := split(b)
	if c := strings.Compare(la, lb); c != 0 {
		return c
	}
	if na != nb {
		return na - nb
	}
	return strings.Compare(ra, rb)
}

const head = `# Reliability: what was done to it, and what was seen

Real instances and real Redis processes run on loopback behind a small balancer; users beat, leave, fall silent, flap, end
their sessions, hide, and send beats twice and late; watchers hold streams and come back with Last-Event-ID. A checker (` + "`e2e/chaos`" + `) holds all that they saw against all that was done.
This page is made by ` + "`make soak`" + `: do not edit it.

| | |
| --- | --- |
| P1 | nobody who beats in time, or tries to, is told offline |
| P2 | whoever is silent past the deadline is told offline, once |
| P3 | never early |
| P4 | revs of one user only grow, per watcher |
| P5 | after the last change all watchers agree with REST, in time |
| P6 | no coming, joining or leaving without a cause |
| P7 | who hides changes nothing for others |

A violation is one telling to one watcher that breaks one of them.

`

const tail = `
## Seeds

` + "`PRESENTLY_FAULT_SEED=… go test -tags faults ./e2e -run 'Faults/A1_'`" + ` lets the same people do the same things again; when the machine does its part is not repeatable.

| | seeds |
| --- | --- |
`
