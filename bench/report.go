//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// report collects the figures of one case.
type report struct {
	Case      string    `json:"case"`
	At        time.Time `json:"at"`
	Commit    string    `json:"commit"`
	Command   string    `json:"command"`
	Machine   string    `json:"machine"`
	Load      string    `json:"load"`     // as /proc/loadavg, when it began
	LoadSide  []float64 `json:"loadSide"` // cores that the load side used while something was measured
	Others    []float64 `json:"others"`   // cores that whoever else is on the machine used meanwhile
	Reference string    `json:"reference"`
	Figures   []*figure `json:"figures"`
	Points    []point   `json:"points,omitempty"`
}

// point is one of a curve.
type point struct {
	Along  string  `json:"along"`
	Metric string  `json:"metric"`
	Line   string  `json:"line"`
	X      float64 `json:"x"`
	Y      float64 `json:"y"`
}

func (r *run) point(along, metric, line string, x, y float64) {
	r.report.Points = append(r.report.Points, point{along, metric, line, x, y})
}

// figure is one thing that was measured of one subject, in each run.
type figure struct {
	Metric  string    `json:"metric"`
	Subject string    `json:"subject"`
	Values  []float64 `json:"values"`
	Median  float64   `json:"median"`
	Ratio   float64   `json:"ratio,omitempty"` // of the medians, to the reference
}

func newReport(name, reference string) *report {
	load, _ := os.ReadFile("/proc/loadavg")
	commit, _ := exec.Command("git", "describe", "--always", "--dirty").Output()
	return &report{
		Case: name, At: time.Now().UTC().Truncate(time.Second), Commit: strings.TrimSpace(string(commit)),
		Command: "go run ./bench " + strings.Join(os.Args[1:], " "), Machine: fmt.Sprintf("%d cores, %s", runtime.NumCPU(), runtime.Version()),
		Load: strings.Join(strings.Fields(string(load))[:3], " "), Reference: reference,
	}
}

func (r *report) add(subject, metric string, value float64) {
	i := slices.IndexFunc(r.Figures, func(f *figure) bool { return f.Subject == subject && f.Metric == metric })
	if i < 0 {
		i = len(r.Figures)
		r.Figures = append(r.Figures, &figure{Metric: metric, Subject: subject})
	}
	r.Figures[i].Values = append(r.Figures[i].Values, value)
}

func (r *report) note(loadSide, others float64) {
	r.LoadSide, r.Others = append(r.LoadSide, loadSide), append(r.Others, max(0, others))
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

// metrics are in the order in which they were first measured.
func (r *report) metrics() (list []string) {
	for _, f := range r.Figures {
		if !slices.Contains(list, f.Metric) {
			list = append(list, f.Metric)
		}
	}
	return list
}

func (r *report) of(metric string) (list []*figure) {
	for _, f := range r.Figures {
		if f.Metric == metric {
			list = append(list, f)
		}
	}
	return list
}

// publish prints the table, and writes it as JSON and as a picture.
func (r *report) publish(dir string) error {
	for _, f := range r.Figures {
		f.Median = median(f.Values)
	}
	for _, m := range r.metrics() {
		figures := r.of(m)
		for _, f := range figures {
			if base := figures[0]; base.Subject == r.Reference && base.Median > 0 {
				f.Ratio = f.Median / base.Median
			}
		}
	}
	if len(r.LoadSide) == 0 {
		r.note(0, 0) // nothing was
	}
	fmt.Printf("\n%s, %s, load %s, load side %.2f cores, others %.2f cores (medians)\n\n", r.Case, r.Machine, r.Load, median(r.LoadSide), median(r.Others))
	for _, m := range r.metrics() {
		fmt.Printf("%s\n", m)
		for _, f := range r.of(m) {
			fmt.Printf("  %-10s %10.4g   (%.4g to %.4g)", f.Subject, f.Median, slices.Min(f.Values), slices.Max(f.Values))
			if f.Ratio > 0 {
				fmt.Printf("   %.2f x %s", f.Ratio, r.Reference)
			}
			fmt.Println()
		}
	}
	for _, p := range r.Points {
		fmt.Printf("%s at %.4g %s, %s: %.4g\n", p.Metric, p.X, p.Along, p.Line, p.Y)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	b, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, r.Case+".json"), append(b, '\n'), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, r.Case+".svg"), r.svg(), 0o644)
}

// svg draws one group of bars for each metric, with a line from the least to the most.
func (r *report) svg() []byte {
	const row, left, width = 18, 150, 420
	b, y := []byte{}, 24
	for _, m := range r.metrics() {
		figures := r.of(m)
		most := 0.0
		for _, f := range figures {
			most = max(most, slices.Max(f.Values))
		}
		at := func(v float64) float64 { return left + width*v/max(most, 1e-9) }
		b = fmt.Appendf(b, `<text x="8" y="%d" font-weight="bold">%s</text>`+"\n", y, m)
		for _, f := range figures {
			y += row
			b = fmt.Appendf(b, `<text x="16" y="%d">%s</text><rect x="%d" y="%d" width="%.1f" height="12" fill="%s"/>`, y, f.Subject, left, y-10, at(f.Median)-left, r.colour(f))
			b = fmt.Appendf(b, `<path d="M%.1f %dH%.1f" stroke="#333"/><text x="%d" y="%d">%.4g</text>`+"\n", at(slices.Min(f.Values)), y-4, at(slices.Max(f.Values)), left+width+8, y, f.Median)
		}
		y += row + 10
	}
	chart, y := r.curves(y)
	b = append(b, chart...)
	head := fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12"><rect width="100%%" height="100%%" fill="#fff"/>`+"\n", left+width+90, y)
	return append([]byte(head), append(b, "</svg>\n"...)...)
}

func (r *report) colour(f *figure) string {
	switch {
	case slices.Contains(references, f.Subject):
		return "#b8c0c8"
	case slices.Contains(others, f.Subject):
		return "#e0a458"
	}
	return "#3b7dd8"
}

// curves draws one chart below y for each metric of points, and returns where they end.
func (r *report) curves(y int) ([]byte, int) {
	const left, width, height = 60, 480, 150
	var b []byte
	var drawn []string
	for _, first := range r.Points {
		if slices.Contains(drawn, first.Metric) {
			continue
		}
		drawn = append(drawn, first.Metric)
		var lines []string
		mostX, mostY, leastX := 0.0, 0.0, first.X
		for _, p := range r.Points {
			if p.Metric == first.Metric {
				mostX, mostY, leastX = max(mostX, p.X), max(mostY, p.Y), min(leastX, p.X)
				if !slices.Contains(lines, p.Line) {
					lines = append(lines, p.Line)
				}
			}
		}
		scale := func(x float64) float64 { return x }
		if leastX > 0 && mostX/leastX >= 50 {
			scale = math.Log10
		}
		atX := func(x float64) float64 {
			return left + width*(scale(x)-scale(leastX))/max(scale(mostX)-scale(leastX), 1e-9)
		}
		atY := func(v float64) float64 { return float64(y+20+height) - height*v/max(mostY, 1e-9) }
		b = fmt.Appendf(b, `<text x="8" y="%d" font-weight="bold">%s, by %s</text>`+"\n", y, first.Metric, first.Along)
		b = fmt.Appendf(b, `<path d="M%d %dV%dH%d" fill="none" stroke="#888"/><text x="%d" y="%d" text-anchor="end">%.4g</text><text x="%d" y="%d" text-anchor="end">0</text>`+"\n",
			left, y+20, y+20+height, left+width, left-6, y+26, mostY, left-6, y+22+height)
		b = fmt.Appendf(b, `<text x="%d" y="%d">%.6g</text><text x="%d" y="%d" text-anchor="end">%.6g</text>`+"\n", left, y+36+height, leastX, left+width, y+36+height, mostX)
		for i, line := range lines {
			colour, path, letter := []string{"#3b7dd8", "#c0392b", "#2e8b57", "#e0a458", "#777777"}[i%5], "", "M"
			for _, p := range r.Points {
				if p.Metric == first.Metric && p.Line == line {
					path += fmt.Sprintf("%s%.1f %.1f", letter, atX(p.X), atY(p.Y))
					letter = "L"
				}
			}
			b = fmt.Appendf(b, `<path d="%s" fill="none" stroke="%s" stroke-width="2"/><text x="%d" y="%d" fill="%s">%s</text>`+"\n", path, colour, left+12+i*130, y+16, colour, line)
		}
		y += height + 64
	}
	return b, y
}

// perf records where the server spends its time, in the kernel too, where asked for, until what it returns is called. Of Presently, pprof tells the same of
// Go alone, and of the heap.
func (r *run) perf(of string) (stop func()) {
	if r.profile == "" {
		return func() {}
	}
	name := filepath.Join(r.profile, strings.ReplaceAll(r.report.Case+"-"+r.label()+"-"+of, " ", "-"))
	cmd := exec.Command("perf", "record", "-q", "-F", "499", "-g", "-p", fmt.Sprint(r.server.Process.Pid), "-o", name+".perf")
	if cmd.Start() != nil {
		return func() {}
	}
	cpu := make(chan struct{})
	go func() {
		defer close(cpu)
		r.fetchProfile("profile?seconds=2", name+".cpu")
	}()
	return func() {
		cmd.Process.Signal(os.Interrupt) //nolint:errcheck // it has ended
		cmd.Wait()                       //nolint:errcheck // it was interrupted
		<-cpu
		r.fetchProfile("heap?gc=1", name+".heap")
		r.fetchProfile("allocs", name+".allocs")
	}
}

// fetchProfile writes a profile of Presently to a file. Where that fails there is none.
func (r *run) fetchProfile(what, file string) {
	if r.admin == "" {
		return
	}
	res, err := http.Get("http://" + r.admin + "/debug/pprof/" + what)
	if err != nil {
		return
	}
	defer res.Body.Close() //nolint:errcheck // it was read
	if b, err := io.ReadAll(res.Body); err == nil {
		os.WriteFile(file, b, 0o644) //nolint:errcheck // there is none then
	}
}
