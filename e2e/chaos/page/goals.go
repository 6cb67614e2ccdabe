package main

import (
	"fmt"
	"strings"
)

// goal is one figure that was promised, and what the runs say of it.
type goal struct {
	id, what, promised string
	seen               func(rs results) (text string, met bool) // nil: nothing here measures it
	remark             string
}

// results are the rows of all faults that were run.
type results map[string]*row

func (rs results) ran(ids ...string) bool {
	for _, id := range ids {
		if rs[id] == nil {
			return false
		}
	}
	return true
}

// most is the greatest value of a figure over some faults.
func (rs results) most(name string, ids ...string) (most float64) {
	for _, id := range ids {
		if x := rs[id]; x != nil {
			most = max(most, x.most[name])
		}
	}
	return most
}

func (rs results) sum(of func(*row) int, ids ...string) (sum int) {
	for _, id := range ids {
		if x := rs[id]; x != nil {
			sum += of(x)
		}
	}
	return sum
}

func wronged(x *row) int    { return x.wronged }
func violations(x *row) int { return x.violations }
func runs(x *row) int       { return x.runs }

var goals = []struct {
	goal
	needs []string // faults that tell
}{
	{goal{"R1", "false offlines, an instance killed", "0", func(rs results) (string, bool) {
		n, minutes := rs.sum(wronged, "A1", "A2"), rs["A1"].minutes+rs["A2"].minutes
		return fmt.Sprintf("%d, in %d runs and %.0f user-minutes", n, rs.sum(runs, "A1", "A2"), minutes), n == 0
	}, "48 users a run, not 10,000"}, []string{"A1", "A2"}},
	{goal{"R2", "streams restored, and agreement with REST, after a kill -9", "≤ 2.5 s, ≤ 4 s", func(rs results) (string, bool) {
		restored, agreed := rs.most("restoredS", "A1"), rs.most("convergeS", "A1")
		return fmt.Sprintf("%.1f s, %.1f s", restored, agreed), restored <= 2.5 && agreed <= 4
	}, "the greatest, not p99. A killed instance names no `retry:` any more: the streams come back when the last one said, which is a random 2 to 5 s by contract"}, []string{"A1"}},
	{goal{"R3", "rolling restart: flaps, failed POSTs", "0, 0", func(rs results) (string, bool) {
		flaps, failed := rs["A3"].violations, rs.most("failed", "A3")
		return fmt.Sprintf("%d, %.0f", flaps, failed), flaps == 0 && failed == 0
	}, "with a drain of 1 s; the peak of reconnects was not measured"}, []string{"A3"}},
	{goal{"R4", "Redis back empty: false offlines, streams dropped, agreement with REST", "0, 0, ≤ 5 s", func(rs results) (string, bool) {
		n, dropped, agreed := rs.sum(wronged, "A5", "A5b"), rs.sum(func(x *row) int { return x.reconnects }, "A5", "A5b"), rs.most("convergeS", "A5", "A5b")
		return fmt.Sprintf("%d, %d, %.1f s", n, dropped, agreed), n == 0 && dropped == 0 && agreed <= 5
	}, "10,000 users are offered back by TestTenThousandUsersComeBack in presence/redisstore"}, []string{"A5", "A5b"}},
	{goal{"R5", "FLUSHALL: noticed, agreement with REST, false offlines", "≤ 1 s, ≤ 5 s, 0", func(rs results) (string, bool) {
		noticed, agreed, n := rs.most("noticedS", "A6", "A6b"), rs.most("convergeS", "A6", "A6b"), rs.sum(wronged, "A6", "A6b")
		return fmt.Sprintf("%.2f s, %.1f s, %d", noticed, agreed, n), noticed <= 1 && agreed <= 5 && n == 0
	}, "with a sweep of 100 ms; a beacon every 500 ms notices too. See above for REST meanwhile"}, []string{"A6", "A6b"}},
	{goal{"R6", "a deaf bus: told, told to be over", "≤ 3 s, ≤ 2 s", func(rs results) (string, bool) {
		deaf, heals := rs.most("degradedS", "A8", "A10", "A11", "A11b"), rs.most("recoveredS", "A8", "A10", "A11", "A11b")
		return fmt.Sprintf("%.2f s, %.2f s", deaf, heals), deaf <= 3 && heals <= 2
	}, "to the first stream that is told"}, []string{"A8", "A10", "A11", "A11b"}},
	{goal{"R7", "Sentinel failover (down-after 1 s): no writes, false offlines", "≤ 2.5 s, 0", func(rs results) (string, bool) {
		away, n := rs.most("outageS", "A14"), rs["A14"].wronged
		return fmt.Sprintf("%.2f s, of which %.2f s after there was a new master; %d", away, rs.most("afterPromotionS", "A14"), n), away <= 2.5 && n == 0
	}, "to the first beat that is answered at every instance. Sentinel itself takes the rest, with random waits of its own; the gap of the bus alone was not measured"}, []string{"A14"}},
	{goal{"R8", "lost messages: agreement with REST", "≤ 10 s", func(rs results) (string, bool) {
		agreed := rs.most("convergeS", "A12", "A12b")
		return fmt.Sprintf("%.1f s; up to %.0f lost in a run", agreed, rs.most("lost", "A12b")), agreed <= 10 && rs.sum(violations, "A12", "A12b") == 0
	}, "one in ten, of which some are beacons; not 2,000 changes"}, []string{"A12", "A12b"}},
	{goal{"R9", "an end is told late by, and early", "≤ 1 s (p99), never", func(rs results) (string, bool) {
		late, early := rs.most("lateP99", "A0", "A20", "A27", "A28"), rs.sum(violations, "A0", "A20", "A27", "A28")
		return fmt.Sprintf("%.2f s, %d violations", late, early), late <= 1 && early == 0
	}, "where the store was not away (A0, A20, A27, A28); the way of an explicit leave was not measured"}, []string{"A0", "A20", "A27", "A28"}},
	{goal{"R10", "a change reaches a watcher elsewhere", "≤ 3 ms, ≤ 20 ms", nil, "of the load generator (bench/), which measures it by itself"}, nil},
	{goal{"R11", "reconnect storm: all restored; false offlines; POST p99", "≤ 4 s, 0, ≤ 250 ms", func(rs results) (string, bool) {
		x := rs["A21"]
		restored, beats := x.most["restoredS"], x.most["beatP99"]
		return fmt.Sprintf("%.1f s for %.0f streams, %d, %.0f ms", restored, x.most["streams"], x.wronged, 1000*beats), restored <= 4 && x.wronged == 0 && beats <= .25
	}, "servers, Redis and all clients share the cores; beats whose instance is dead are asked of another one, which counts"}, []string{"A21"}},
	{goal{"R12", "memory of an idle stream", "≤ 20 KB", nil, "of the load generator (bench/)"}, nil},
	{goal{"R13", "zero-window readers: cut, growth of resident memory", "≤ 10 s, ≤ 32 MiB", func(rs results) (string, bool) {
		cut, grown := rs.most("cutS", "A23"), rs.most("residentMiB", "A23")
		return fmt.Sprintf("%.1f s, %.0f MiB for %.0f readers", cut, grown, rs.most("readers", "A23")), cut <= 10 && grown <= 32
	}, "memory is that of the process with all streams open, ended ones included until they are collected; the kernel's was not measured"}, []string{"A23"}},
	{goal{"R14", "Redis hangs: refusals p99, more goroutines", "≤ 300 ms, ≤ those in flight", func(rs results) (string, bool) {
		refused, more := rs.most("refusedP99", "A8"), rs.most("goroutines", "A8")
		return fmt.Sprintf("%.0f ms, %+.0f in three instances", 1000*refused, more), refused <= .3 && more <= 300
	}, "for a TTL and a second, not 60 s; the first refusals take up to a second, and a balancer asks three instances. Keep-alives come every 15 s and were not counted"}, []string{"A8"}},
	{goal{"R15", "left over after stream cycles: goroutines, descriptors", "0, 0", func(rs results) (string, bool) {
		g, d := rs.most("goroutines", "A25"), rs.most("descriptors", "A25")
		return fmt.Sprintf("%+.0f, %+.0f after %.0f streams; %+.0f MiB resident", g, d, rs.most("cycles", "A25"), rs.most("residentMiB", "A25")), g <= 0 && d <= 0
	}, "the heap was not measured, resident memory was"}, []string{"A25"}},
	{goal{"R16", "false transitions, clocks an hour off", "0", func(rs results) (string, bool) {
		n := rs["A18"].violations
		return fmt.Sprintf("%d, in %d runs", n, rs["A18"].runs), n == 0
	}, "one instance an hour fast, one an hour slow"}, []string{"A18"}},
	{goal{"R17", "violations in a soak of random faults", "0 in 30 min and 10⁷ sightings", func(rs results) (string, bool) {
		x := rs["R17"]
		return fmt.Sprintf("%d in %.1f min, %.0f faults and %d sightings", x.violations, x.most["minutes"], x.most["faults"], x.sightings),
			x.violations == 0 && x.failed == 0 && x.most["minutes"] >= 29.5 && x.sightings >= 10_000_000
	}, "the number of sightings is bounded by 18 watchers"}, []string{"R17"}},
}

// writeGoals writes what was promised beside what was seen. A fault of which a run failed meets nothing.
func writeGoals(page *strings.Builder, rows map[string]*row, command string) {
	page.WriteString("## What was promised\n\n| | figure | promised | seen (the worst of all runs) | | remark | command |\n| --- | --- | --- | --- | --- | --- | --- |\n")
	rs := results(rows)
	for _, g := range goals {
		text, verdict, by := "not measured here", "", ""
		if g.seen != nil && rs.ran(g.needs...) {
			seen, met := g.seen(rs)
			failed := rs.sum(func(x *row) int { return x.failed }, g.needs...)
			text, verdict, by = seen, "missed", "`"+command+"`"
			switch {
			case failed > 0:
				text += fmt.Sprintf("; %d runs failed", failed)
			case met:
				verdict = "met"
			}
		}
		fmt.Fprintf(page, "| %s | %s | %s | %s | %s | %s | %s |\n", g.id, g.what, g.promised, text, verdict, g.remark, by)
	}
}
