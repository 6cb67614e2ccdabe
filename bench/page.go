//go:build linux

package main

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// writePages writes results into the pages that show them, between marks, and the pictures beside them. What is not between marks is written by hand.
func writePages(dir string) error {
	performance, err := performanceTables(dir)
	if err != nil {
		return err
	}
	if err := fill("docs/performance.md", performance); err != nil {
		return err
	}
	scaling, err := scalingTables(dir)
	if err != nil {
		return err
	}
	if err := fill("docs/scaling.md", scaling); err != nil {
		return err
	}
	return copyPictures(dir)
}

// fill replaces what is between <!-- bench NAME --> and <!-- end --> in a page.
func fill(page string, tables map[string]string) error {
	b, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	for name, table := range tables {
		open, end := []byte("<!-- bench "+name+" -->"), []byte("<!-- end -->")
		at := bytes.Index(b, open)
		if at < 0 {
			return fmt.Errorf("%s has no place for %s", page, name)
		}
		at += len(open)
		to := bytes.Index(b[at:], end)
		if to < 0 {
			return fmt.Errorf("%s: %s has no end", page, name)
		}
		b = slices.Concat(b[:at], []byte("\n\n"+table+"\n"), b[at+to:])
	}
	return os.WriteFile(page, b, 0o644)
}

func copyPictures(dir string) error {
	for _, c := range cases {
		b, err := os.ReadFile(filepath.Join(dir, c.name+".svg"))
		if err != nil {
			return err
		}
		if err := os.WriteFile("docs/images/bench-"+c.name+".svg", b, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func (r *report) figure(metric, subject string) *figure {
	for _, f := range r.Figures {
		if f.Metric == metric && f.Subject == subject {
			return f
		}
	}
	return nil
}

// subjectNames are what readers know the subjects by.
var subjectNames = map[string]string{
	"plain": "plain net/http", "raw": "raw write(2)", "hijack": "hijack", "chi": "chi and token check", "memory": "Presently, embedded store",
	"redis": "Presently, Redis", "node": "naive Node, Redis", "socketio": "Socket.IO, Redis adapter",
}

// performanceTables are one table for each case, and one of goals.
func performanceTables(dir string) (map[string]string, error) {
	tables := map[string]string{}
	var machine []string
	for _, c := range cases {
		r, err := readReport(dir, c.name)
		if err != nil {
			return nil, err
		}
		if len(r.Figures) > 0 && c.name != "sim" { // that one is for docs/scaling.md
			tables[c.name] = r.markdown()
		}
		machine = append(machine, fmt.Sprintf("| %s | %s | %s | %s | %.2f | %.2f |", c.name, r.At.Format("2006-01-02 15:04"), r.Commit, r.Load, median(r.LoadSide), median(r.Others)))
	}
	r, err := readReport(dir, "idle")
	if err != nil {
		return nil, err
	}
	tables["machine"] = "Machine: " + r.Machine + "; everything over loopback.\n\n| case | at (UTC) | commit | load when it began | cores that the load side used | cores that others used |\n| --- | --- | --- | --- | --- | --- |\n" +
		strings.Join(machine, "\n") + "\n"
	tables["goals"], err = goalTable(dir)
	return tables, err
}

// markdown is a table of metrics by subjects: the median, the least and the most, and the ratio to the reference.
func (r *report) markdown() string {
	var subjects []string
	for _, f := range r.Figures {
		if !slices.Contains(subjects, f.Subject) {
			subjects = append(subjects, f.Subject)
		}
	}
	var b strings.Builder
	b.WriteString("| |")
	for _, s := range subjects {
		fmt.Fprintf(&b, " %s |", subjectNames[s])
	}
	b.WriteString("\n|" + strings.Repeat(" --- |", len(subjects)+1) + "\n")
	for _, m := range r.metrics() {
		fmt.Fprintf(&b, "| %s |", m)
		for _, s := range subjects {
			f := r.figure(m, s)
			if f == nil {
				b.WriteString(" |")
				continue
			}
			fmt.Fprintf(&b, " %s", short(f.Median))
			if least, most := slices.Min(f.Values), slices.Max(f.Values); short(least) != short(most) {
				fmt.Fprintf(&b, " (%s–%s)", short(least), short(most))
			}
			if base := r.figure(m, r.Reference); f.Ratio > 0 && s != r.Reference && short(base.Median) != short(0) { // nothing is no measure
				fmt.Fprintf(&b, " **%.2f×**", f.Ratio)
			}
			b.WriteString(" |")
		}
		b.WriteString("\n")
	}
	return b.String()
}

// short is a figure with three digits that count.
func short(v float64) string {
	switch a := math.Abs(v); {
	case a >= 10_000:
		return fmt.Sprintf("%.0fk", v/1000)
	case a >= 100:
		return fmt.Sprintf("%.0f", v)
	case a >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// A goal is what is measured to be at most, or at least, so much.
type goal struct {
	what   string
	during string
	metric string
	ratio  bool // to the reference; else the figure itself
	limit  float64
	least  bool
}

var goals = []goal{
	{"KiB per idle stream, watch list of 50 counted", "idle", "KiB per idle stream", false, 8, false},
	{"the same, to the reference", "idle", "KiB per idle stream", true, 0.3, false},
	{"CPU per delivery, 50 watchers", "fanout", "50 watchers: µs per delivery", true, 1.0, false},
	{"CPU per delivery, 1,000 watchers", "fanout", "1000 watchers: µs per delivery", true, 0.9, false},
	{"most deliveries a second", "fanout", "most, 1000 watchers: deliveries a second", true, 1.0, true},
	{"CPU of a steady heartbeat, to chi with the same token check", "beat", "µs per beat", true, 1.5, false},
	{"Redis µs per steady heartbeat", "beat", "Redis µs per beat", false, 4, false},
	{"100 users queried, to one", "query", "100 users cost as many of one", false, 3, false},
	{"µs more per change for watchers at another instance", "pair", "µs more per change for watchers elsewhere", false, 5, false},
	{"p99 from beat to event, at half load", "latency", "ms from change to delivery, p99", true, 3, false},
	{"seconds of a storm", "storm", "seconds until all are back", true, 1.7, false},
}

// goalTable holds what was measured against what was to be reached.
func goalTable(dir string) (string, error) {
	var b strings.Builder
	b.WriteString("| goal | at | Presently, embedded store | Presently, Redis | |\n| --- | --- | --- | --- | --- |\n")
	for _, g := range goals {
		r, err := readReport(dir, g.during)
		if err != nil {
			return "", err
		}
		bound, values := "most", [2]string{"", ""}
		var missed []string
		if g.least {
			bound = "least"
		}
		for i, subject := range []string{"memory", "redis"} {
			f := r.figure(g.metric, subject)
			if f == nil {
				continue
			}
			value, unit := f.Median, ""
			if g.ratio {
				value, unit = f.Ratio, "×"
			}
			values[i] = fmt.Sprintf("%.2f%s", value, unit)
			if value != g.limit && (value < g.limit) == g.least {
				missed = append(missed, []string{"embedded", "Redis"}[i])
			}
		}
		verdict := "met"
		if len(missed) > 0 {
			verdict = "**missed**: " + strings.Join(missed, ", ")
		}
		unit := ""
		if g.ratio {
			unit = "×"
		}
		fmt.Fprintf(&b, "| %s | %s %g%s | %s | %s | %s |\n", g.what, bound, g.limit, unit, values[0], values[1], verdict)
	}
	return b.String(), nil
}

// scalingTables are what crowds need, by the costs that were measured.
func scalingTables(dir string) (map[string]string, error) {
	c, err := readCosts(dir)
	if err != nil {
		return nil, err
	}
	sim, err := readReport(dir, "sim")
	if err != nil {
		return nil, err
	}
	tables := map[string]string{
		"costs": fmt.Sprintf("| cost | instance, µs | Redis, µs |\n| --- | --- | --- |\n| a steady beat | %s | %s |\n| a change | %s | %s |\n| a change that is heard, and watched by nobody here | %s | |\n| a delivery | %s | |\n\nAn idle stream with a watch list of 50: %s KiB.\n",
			short(c.beat), short(c.beatRedis), short(c.change), short(c.changeRedis), short(c.hear), short(c.delivery), short(c.streamKiB)),
		"sim": sim.markdown(),
	}
	var b strings.Builder
	b.WriteString("| users online | beats a second | changes a second | deliveries a second | instances | Redis shards | GiB of streams an instance | of each instance, to hear |\n|" + strings.Repeat(" --- |", 8) + "\n")
	for _, users := range []float64{1e5, 1e6, 1e7, 1e8} {
		w := world(users)
		n := c.of(w)
		memory := "" // of so many instances as cannot be
		if !math.IsInf(n.instances, 1) {
			memory = fmt.Sprintf("%.2f", n.memory)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s | %.0f %% |\n", people(users), short(w.beats), short(w.changes), short(w.deliveries),
			count(n.instances), count(n.shards), memory, 100*n.hearing)
	}
	tables["needs"] = b.String()
	return tables, nil
}

func people(n float64) string {
	if n >= 1e6 {
		return fmt.Sprintf("%.0fM", n/1e6)
	}
	return fmt.Sprintf("%.0fk", n/1000)
}

func count(n float64) string {
	if math.IsInf(n, 1) {
		return "divide the crowd"
	}
	return fmt.Sprintf("%.0f", n)
}
