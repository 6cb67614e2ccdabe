//go:build linux

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

func names(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprint("user~", i)
	}
	return list
}

// watchLists are n lists of k users of a crowd, chosen by lot, the same in every run.
func watchLists(n, k int, crowd []string) [][]string {
	lot := rand.New(rand.NewPCG(1, 2))
	lists := make([][]string, n)
	for i := range lists {
		for _, at := range lot.Perm(len(crowd))[:k] {
			lists[i] = append(lists[i], crowd[at])
		}
	}
	return lists
}

// begin starts the subject with a crowd that is there, and streams that watch.
func (r *run) begin(ctx context.Context, crowd []string, lists [][]string) (*changes, *streams, error) {
	if err := r.start(ctx); err != nil {
		return nil, nil, err
	}
	people := newChanges(crowd)
	if err := people.all(r.addr); err != nil {
		return nil, nil, err
	}
	s, err := newStreams(r.addr)
	if err != nil {
		return nil, nil, err
	}
	return people, s, s.openAll(ctx, lists)
}

func (r *run) streamsOr(n int) int {
	if r.streams > 0 {
		return r.streams
	}
	return n
}

// measureIdle opens streams in steps and then waits, because what opening them needs is not what they need.
func measureIdle(ctx context.Context, r *run) error {
	defer r.stop()
	crowd := names(2000)
	lists := watchLists(r.streamsOr(10_000), r.watch, crowd)
	if err := r.start(ctx); err != nil {
		return err
	}
	if err := newChanges(crowd).all(r.addr); err != nil {
		return err
	}
	s, err := newStreams(r.addr)
	if err != nil {
		return err
	}
	defer s.close()
	before := r.server.rss()
	for len(lists) > 0 {
		n := min(1000, len(lists))
		if err := s.openAll(ctx, lists[:n]); err != nil {
			return err
		}
		lists = lists[n:]
	}
	stopPerf := r.perf("idle")
	then := r.usage()
	sleep(ctx, r.length)
	used := r.since(then)
	rss := r.server.rss()
	stopPerf()
	n := float64(s.ready.Load())
	if gone := s.gone.Load(); gone > 0 {
		return fmt.Errorf("%d streams have ended", gone)
	}
	r.add("KiB per idle stream", (rss-before)/n)
	r.add("idle CPU, % of a core", 100*float64(used.server)/float64(r.length))
	return nil
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// measureFanout has one user change for watchers, at a rate and then as fast as the server takes it.
func measureFanout(ctx context.Context, r *run) error {
	for _, watchers := range []int{50, 1000} {
		if r.settings.streams > 0 {
			watchers = r.settings.streams
		}
		rate := float64(r.rate)
		if watchers >= 1000 {
			rate *= 2
		}
		if err := r.spread(ctx, names(1), watchers, 1, rate/float64(watchers), fmt.Sprintf("%d watchers", watchers)); err != nil {
			return err
		}
		if r.settings.streams > 0 {
			break
		}
	}
	return r.most(ctx, 1000)
}

// measureInterest has each of many streams watch some of many users.
func measureInterest(ctx context.Context, r *run) error {
	n := r.streamsOr(2000)
	crowd := names(n)
	return r.spread(ctx, crowd, n, r.watch, float64(r.rate)/float64(r.watch), fmt.Sprintf("%d streams of %d", n, r.watch))
}

// spread measures what a delivery costs, of so many changes a second.
func (r *run) spread(ctx context.Context, crowd []string, n, watch int, rate float64, of string) error {
	fresh := *r
	r = &fresh
	defer r.stop()
	people, s, err := r.begin(ctx, crowd, watchLists(n, watch, crowd))
	if err != nil {
		return err
	}
	defer s.close()
	idle := r.usage()
	sleep(ctx, time.Second)
	rest := r.since(idle) // beacons and sweeps
	stopPerf := r.perf(of)
	defer stopPerf()
	then, had, bytes := r.usage(), s.deliveries.Load(), s.bytes.Load()
	ctx, cancel := context.WithTimeout(ctx, r.length)
	defer cancel()
	made, err := people.post(ctx, r.addr, rate)
	if err != nil {
		return err
	}
	time.Sleep(300 * time.Millisecond) // for what is on its way
	used := r.since(then)
	got := float64(s.deliveries.Load() - had)
	r.add(of+": µs per delivery", float64(used.server.Microseconds())/got)
	r.add(of+": bytes per delivery", float64(s.bytes.Load()-bytes)/got)
	r.add(of+": % delivered", 100*got/float64(made*n*watch/len(crowd)))
	if r.redis != nil {
		r.add(of+": Redis µs per change", float64(used.redis.Microseconds()-rest.redis.Microseconds()*int64(r.length/time.Second))/float64(made))
	}
	return nil
}

// most finds out how many deliveries a second there are when four users change as fast as they are answered.
func (r *run) most(ctx context.Context, n int) error {
	fresh := *r
	r = &fresh
	defer r.stop()
	crowd := names(4)
	people, s, err := r.begin(ctx, crowd, watchLists(n, len(crowd), crowd))
	if err != nil {
		return err
	}
	defer s.close()
	ctx, cancel := context.WithTimeout(ctx, r.length)
	defer cancel()
	then, had, begun := r.usage(), s.deliveries.Load(), time.Now()
	made, err := people.post(ctx, r.addr, 0)
	if err != nil {
		return err
	}
	got, took := float64(s.deliveries.Load()-had), time.Since(begun)
	r.since(then)
	of := fmt.Sprintf("most, %d watchers", n)
	r.add(of+": deliveries a second", got/took.Seconds())
	r.add(of+": % delivered", 100*got/float64(made*n))
	return nil
}

// measureBeat has sessions beat that have nothing new to say.
func measureBeat(ctx context.Context, r *run) error {
	defer r.stop()
	if err := r.start(ctx); err != nil {
		return err
	}
	const connections = 32
	crowd := names(512)
	requests := make([][]byte, len(crowd))
	for i, u := range crowd {
		requests[i] = beatRequest(u, token(u), "online")
	}
	beat := func(n int) (time.Duration, error) {
		return askAll(r.addr, connections, n, func(i int) []byte { return requests[i%len(requests)] })
	}
	if _, err := beat(4 * len(crowd)); err != nil {
		return err
	}
	idle := r.usage()
	sleep(ctx, time.Second)
	rest := r.since(idle) // beacons and sweeps
	stopPerf := r.perf("beat")
	defer stopPerf()
	const beats = 40_000
	then := r.usage()
	took, err := beat(beats)
	if err != nil {
		return err
	}
	used := r.since(then)
	r.add("µs per beat", float64(used.server.Microseconds())/beats)
	r.add("beats a second", beats/took.Seconds())
	if r.redis != nil {
		r.add("Redis µs per beat", (float64(used.redis.Microseconds())-float64(rest.redis.Microseconds())*took.Seconds())/beats)
	}
	return nil
}

// measureQuery looks at one user, and at a hundred.
func measureQuery(ctx context.Context, r *run) error {
	defer r.stop()
	if err := r.start(ctx); err != nil {
		return err
	}
	crowd := names(2000)
	if err := newChanges(crowd).all(r.addr); err != nil {
		return err
	}
	signed, lists := token("viewer"), map[int][][]string{1: watchLists(500, 1, crowd), 100: watchLists(500, 100, crowd)}
	var cost [2]float64
	for i, users := range []int{1, 100} {
		request := func(i int) []byte {
			return fmt.Appendf(nil, "GET /v1/presence?user=%s HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer %s\r\n\r\n", strings.Join(lists[users][i%500], "&user="), signed)
		}
		if _, err := askAll(r.addr, 16, 500, request); err != nil {
			return err
		}
		count := []int{20_000, 4_000}[i]
		stopPerf := r.perf(fmt.Sprint("query-", users))
		then := r.usage()
		_, err := askAll(r.addr, 16, count, request)
		used := r.since(then)
		stopPerf()
		if err != nil {
			return err
		}
		cost[i] = float64(used.server.Microseconds()) / float64(count)
		r.add(fmt.Sprintf("µs per query of %d", users), cost[i])
		if r.redis != nil {
			r.add(fmt.Sprintf("Redis µs per query of %d", users), float64(used.redis.Microseconds())/float64(count))
		}
	}
	r.add("100 users cost as many of one", cost[1]/cost[0])
	return nil
}

// measureStorm cuts all streams, and has them come back.
func measureStorm(ctx context.Context, r *run) error {
	defer r.stop()
	crowd := names(2000)
	lists := watchLists(r.streamsOr(5_000), r.watch, crowd)
	_, s, err := r.begin(ctx, crowd, lists)
	if err != nil {
		return err
	}
	defer s.close()
	sleep(ctx, time.Second)
	s.cut()
	stopPerf := r.perf("storm")
	defer stopPerf()
	then, begun := r.usage(), time.Now()
	if err := s.openAll(ctx, lists); err != nil {
		return err
	}
	took := time.Since(begun)
	used := r.since(then)
	n := float64(len(lists))
	r.add("seconds until all are back", took.Seconds())
	r.add("µs per stream that comes back", float64(used.server.Microseconds())/n)
	if r.redis != nil {
		r.add("Redis µs per stream that comes back", float64(used.redis.Microseconds())/n)
	}
	return nil
}
