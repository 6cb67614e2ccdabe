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

// most is the greatest value of a figure over some faults, where it can be of the runs that had the machine for themselves.
func (rs results) most(name string, ids ...string) (most float64) {
	for _, id := range ids {
		if x := rs[id]; x != nil {
			most = max(most, x.timing().most[name])
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
	{goal{"R8", "lost messages: all is told", "≤ 2 s after a cut, ≤ 10 s else", func(rs results) (string, bool) {
		cut, agreed := rs.most("caughtUpS", "A12c"), rs.most("convergeS", "A12", "A12b")
		return fmt.Sprintf("%.1f s after a cut in which %.0f were lost; %.1f s with up to %.0f lost here and there", cut, rs.most("lost", "A12c"), agreed, rs.most("lost", "A12b")),
			cut <= 2 && agreed <= 10 && rs.sum(violations, "A12", "A12b", "A12c") == 0
	}, "a cut ends with the connection; of what is lost here and there, one in ten, some are beacons"}, []string{"A12", "A12b", "A12c"}},
	{goal{"R9", "an end is told late by, and early", "≤ 1 s (p99), never", func(rs results) (string, bool) {
		late, early := rs.most("lateP99", "A0", "A20", "A27", "A28"), rs.sum(violations, "A0", "A20", "A27", "A28")
		return fmt.Sprintf("%.2f s, %d violations", late, early), late <= 1 && early == 0
	}, "where the store was not away (A0, A20, A27, A28); the way of an explicit leave was not measured"}, []string{"A0", "A20", "A27", "A28"}},
	{goal{"R10", "a change reaches a watcher at another instance", "≤ 3 ms, ≤ 20 ms (p99) at 1,000 a second", func(rs results) (string, bool) {
		p50, p99, n := rs.most("seenP50", "A0b"), rs.most("seenP99", "A0b"), rs.most("changesPerS", "A0b")
		return fmt.Sprintf("%.1f ms, %.1f ms at %.0f a second", 1000*p50, 1000*p99, n), p50 <= .003 && p99 <= .02 && n >= 900
	}, "from sending the beat to reading the event, 400 streams of one user each, who changes less often than a stream is flushed; clients and servers share the cores"}, []string{"A0b"}},
	{goal{"R11", "reconnect storm: all restored; false offlines; POST p99", "≤ 4 s, 0, ≤ 250 ms", func(rs results) (string, bool) {
		x := rs["A21"]
		restored, beats := x.most["restoredS"], x.most["beatP99"]
		return fmt.Sprintf("%.1f s for %.0f streams, %d, %.0f ms", restored, x.most["streams"], x.wronged, 1000*beats), restored <= 4 && x.wronged == 0 && beats <= .25
	}, "servers, Redis and all clients share the cores; beats whose instance is dead are asked of another one, which counts"}, []string{"A21"}},
	{goal{"R12", "memory of an idle stream", "≤ 20 KB", nil, "of the load generator (bench/)"}, nil},
	{goal{"R13", "zero-window readers: cut; growth of resident memory; the kernel's for each; p99 of others", "≤ 10 s, ≤ 32 MiB, ≤ 128 KiB, +≤ 10 %", func(rs results) (string, bool) {
		cut, grown, kernel := rs.most("cutS", "A23"), rs.most("residentMiB", "A23"), rs.most("kernelKiB", "A23")
		before, during := rs.most("othersBefore", "A23"), rs.most("othersDuring", "A23")
		text := fmt.Sprintf("%.1f s, %.0f MiB at most and %.0f in the end for %.0f readers", cut, grown, rs.most("residentEndMiB", "A23"), rs.most("readers", "A23"))
		if before > 0 {
			text += fmt.Sprintf(", %.0f KiB, %.1f ms after %.1f ms", kernel, 1000*during, 1000*before)
		}
		return text, cut <= 10 && grown <= 32 && before > 0 && kernel <= 128 && during <= 1.1*before
	}, "100 changes a second; memory is that of the process, most of it garbage of opening that the collector lets be (memory.go): a heap profile shows 11 KiB alive for each reader; the kernel's is that of both ends of each connection; p99 is of a few hundred beats, so that it is that of the slowest few"}, []string{"A23"}},
	{goal{"R14", "Redis hangs: refusals p99; more goroutines; keep-alives missed", "≤ 300 ms, ≤ those in flight, 0", func(rs results) (string, bool) {
		at, through, more := rs.most("refusedAtP99", "A8"), rs.most("refusedP99", "A8"), rs.most("goroutines", "A8")
		if at == 0 {
			return fmt.Sprintf("%.0f ms through the balancer, %+.0f in three instances, while Redis hung for some seconds", 1000*through, more), false
		}
		frozen, comments, silent := rs.most("frozenS", "A8"), rs.most("comments", "A8"), rs.most("silentS", "A8")
		return fmt.Sprintf("%.0f ms at each instance (50 beats a second for %.0f s), %.0f ms through the balancer; %+.0f in three instances; %.0f comments, never %.1f s without", 1000*at, frozen, 1000*through, more, comments, silent),
			at <= .3 && more <= 300 && silent < 16
	}, "the first to come wait for 0.75 s, then all are told at once"}, []string{"A8"}},
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
			x.violations == 0 && x.failed == 0 && !x.partial && x.most["minutes"] >= 29.5 && x.sightings >= 10_000_000
	}, "one sighting is one user or typist told to one watcher; other stages stand beside it; while the store is away nothing changes, which is what bounds their number"}, []string{"R17"}},
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
