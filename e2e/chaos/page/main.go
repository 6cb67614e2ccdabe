// Command page writes docs/reliability.md from a file of results that the tests of package e2e made: see make soak.
package main

import (
	"bufio"
	"bytes"
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
	flag.Parse()
	if err := write(flag.Arg(0), *command, *machine, *product, *notes); err != nil {
		log.Fatal(err)
	}
}

// row is all runs of one fault.
type row struct {
	first      chaos.Result
	runs       int
	failed     int
	violations int
	wronged    int
	sightings  int
	beats      int
	reconnects int
	minutes    float64 // of users
	most       map[string]float64
	seeds      []string
}

func write(results, command, machine, product, notes string) error {
	text, err := os.ReadFile(results)
	if err != nil {
		return err
	}
	rows, order := map[string]*row{}, []string{}
	raced := map[bool]bool{}
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		var r chaos.Result
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return fmt.Errorf("%s: %w", results, err)
		}
		x := rows[r.ID]
		if x == nil {
			x = &row{first: r, most: map[string]float64{}}
			rows[r.ID], order = x, append(order, r.ID)
		}
		raced[r.Raced] = true
		x.add(r)
	}
	slices.SortFunc(order, compare)
	page := strings.Builder{}
	page.WriteString(head)
	fmt.Fprintf(&page, "- Command: `%s`\n- Machine: %s\n- Product: %s; race detector: %s\n\n", command, machine, product, yesNo(raced))
	if notes != "" {
		more, err := os.ReadFile(notes)
		if err != nil {
			return err
		}
		page.Write(append(bytes.TrimSpace(more), "\n\n"...))
	}
	writeGoals(&page, rows, command)
	page.WriteString("\n## Each fault\n\n| | fault | what must be so | runs | failed | violations | users falsely offline | figures (the worst of all runs) |\n| --- | --- | --- | ---: | ---: | ---: | ---: | --- |\n")
	for _, id := range order {
		x := rows[id]
		fmt.Fprintf(&page, "| %s | %s | %s | %d | %d | %d | %d | %s |\n", id, x.first.Fault, x.first.Promise, x.runs, x.failed, x.violations, x.wronged, x.figures())
	}
	fmt.Fprint(&page, tail)
	for _, id := range order {
		fmt.Fprintf(&page, "| %s | %s |\n", id, strings.Join(rows[id].seeds, ", "))
	}
	_, err = os.Stdout.WriteString(page.String())
	return err
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
	{"descriptors", "%+.0f descriptors"}, {"goroutines", "%+.0f goroutines"}, {"residentMiB", "%+.0f MiB resident"},
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
