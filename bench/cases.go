//go:build linux

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
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
	s, err := r.newStreams(r.addr)
	if err != nil {
		return nil, nil, err
	}
	return people, s, s.openAll(ctx, lists)
}

func (r *run) newStreams(addr string) (*streams, error) {
	s, err := newStreams(addr)
	if err == nil {
		s.webSocket = r.label() == "socketio"
	}
	return s, err
}

func (r *run) streamsOr(n int) int {
	if r.streams > 0 {
		return r.streams
	}
	return n
}

// settleFor is how long idle streams are left alone before their memory is looked at: as long as servers take to give back what opening them took.
const settleFor = 7 * time.Second

// measureIdle opens streams in steps and then waits, because what opening them needs is not what they need.
func measureIdle(ctx context.Context, r *run) error {
	defer r.stop()
	crowd := names(2000)
	lists := watchLists(r.streamsOr(10_000), r.watch, crowd)
	if err := r.start(ctx); err != nil {
		return err
	}
	before := r.server.rss() // of a server that has done nothing: whatever it needs for streams is theirs, and so are those whom they watch
	if err := newChanges(crowd).all(r.addr); err != nil {
		return err
	}
	s, err := r.newStreams(r.addr)
	if err != nil {
		return err
	}
	defer s.close()
	for len(lists) > 0 {
		n := min(1000, len(lists))
		if err := s.openAll(ctx, lists[:n]); err != nil {
			return err
		}
		lists = lists[n:]
	}
	stopPerf := r.perf("idle")
	then := r.usage()
	opened := r.server.rss()
	sleep(ctx, settleFor)
	used := r.since(then)
	rss := r.server.rss()
	stopPerf()
	n := float64(s.ready.Load())
	if gone := s.gone.Load(); gone > 0 {
		return fmt.Errorf("%d streams have ended", gone)
	}
	r.add("KiB per idle stream", (rss-before)/n)
	r.add("KiB per stream just opened", (opened-before)/n)
	r.add("idle CPU, % of a core", 100*float64(used.server)/float64(settleFor))
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
	if r.redis != nil {
		sleep(ctx, time.Second)
	}
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
		r.add(of+": Redis µs per change", (float64(used.redis.Microseconds())-float64(rest.redis.Microseconds())*(r.length.Seconds()+0.3))/float64(made))
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
	of := fmt.Sprintf("most, %d watchers", n)
	stopPerf := r.perf(of)
	defer stopPerf()
	ctx, cancel := context.WithTimeout(ctx, r.length)
	defer cancel()
	then, had, begun := r.usage(), s.deliveries.Load(), time.Now()
	made, err := people.post(ctx, r.addr, 0)
	if err != nil {
		return err
	}
	got, took := float64(s.deliveries.Load()-had), time.Since(begun)
	r.since(then)
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
	return r.sparseBeats(ctx, requests, rest)
}

// sparseBeats measures the same where somebody has to be woken for each.
func (r *run) sparseBeats(ctx context.Context, requests [][]byte, rest usage) error {
	limited, cancel := context.WithTimeout(ctx, r.length)
	defer cancel()
	var sent atomic.Int64
	then := r.usage()
	if err := beatAt(limited, r.addr, requests, 1000, &sent); err != nil {
		return err
	}
	used, seconds := r.since(then), time.Since(then.at).Seconds()
	each := func(used, rest time.Duration) float64 {
		return (float64(used.Microseconds()) - float64(rest.Microseconds())*seconds) / float64(sent.Load())
	}
	r.add("µs per beat, 1,000 a second", each(used.server, rest.server))
	if r.redis != nil {
		r.add("Redis µs per beat, 1,000 a second", each(used.redis, rest.redis))
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
	r.add("answers that bade them come again, of 100 streams", 100*float64(s.refusals.Load())/n)
	r.add("µs per stream that comes back", float64(used.server.Microseconds())/n)
	if r.redis != nil {
		r.add("Redis µs per stream that comes back", float64(used.redis.Microseconds())/n)
	}
	return nil
}

// measureLatency looks at how long a change takes to all of its watchers, at about half of what the plain reference can do.
func measureLatency(ctx context.Context, r *run) error {
	const watchers, rate = 1000, 60
	defer r.stop()
	crowd := names(1)
	people, s, err := r.begin(ctx, crowd, watchLists(watchers, 1, crowd))
	if err != nil {
		return err
	}
	defer s.close()
	sleep(ctx, time.Second)
	clock := new(latency)
	people.latency, s.latency = clock, clock
	then := r.usage()
	ctx, cancel := context.WithTimeout(ctx, r.length)
	defer cancel()
	if _, err := people.post(ctx, r.addr, rate); err != nil {
		return err
	}
	time.Sleep(300 * time.Millisecond) // for what is on its way
	r.since(then)
	r.add("ms from change to delivery, p50", clock.quantile(0.5))
	r.add("ms from change to delivery, p99", clock.quantile(0.99))
	return nil
}

// measurePair has one instance write what others' streams show: what does a watcher elsewhere cost the writer?
func measurePair(ctx context.Context, r *run) error {
	defer r.stop()
	if err := r.start(ctx); err != nil {
		return err
	}
	elsewhere, addr, err := r.instance(ctx)
	if err != nil {
		return err
	}
	crowd := names(50)
	people := newChanges(crowd)
	if err := people.all(r.addr); err != nil {
		return err
	}
	s, err := r.newStreams(addr)
	if err != nil {
		return err
	}
	defer s.close()
	alone, heard, redis, err := r.eachChange(ctx, people, elsewhere)
	if err != nil {
		return err
	}
	if err := s.openAll(ctx, watchLists(1000, len(crowd), crowd)); err != nil {
		return err
	}
	watched, there, _, err := r.eachChange(ctx, people, elsewhere)
	if err != nil {
		return err
	}
	r.add("µs per change where it is written, nobody watches", alone)
	r.add("µs per change where it is heard, nobody watches", heard)
	r.add("Redis µs per change", redis)
	r.add("µs per change where it is written, 1,000 watch elsewhere", watched)
	r.add("µs more per change for watchers elsewhere", watched-alone)
	r.add("µs per change where 1,000 watch", there)
	return nil
}

// eachChange is what changes cost the instance where they are made, another one, and Redis, beside what all three need for themselves.
func (r *run) eachChange(ctx context.Context, people *changes, elsewhere *process) (writer, reader, redis float64, err error) {
	const rate = 200
	limited, cancel := context.WithTimeout(ctx, r.length/2) // to warm up
	_, err = people.post(limited, r.addr, rate)
	cancel()
	if err != nil {
		return 0, 0, 0, err
	}
	idle, there := r.usage(), elsewhere.cpu()
	sleep(ctx, r.length)
	rest, restThere, restFor := r.since(idle), elsewhere.cpu()-there, time.Since(idle.at)
	then := r.usage()
	there = elsewhere.cpu()
	limited, cancel = context.WithTimeout(ctx, r.length)
	defer cancel()
	made, err := people.post(limited, r.addr, rate)
	if err != nil {
		return 0, 0, 0, err
	}
	used, usedThere := r.since(then), elsewhere.cpu()-there
	share := float64(time.Since(then.at)) / float64(restFor)
	each := func(used, rest time.Duration) float64 {
		return (float64(used.Microseconds()) - share*float64(rest.Microseconds())) / float64(made)
	}
	return each(used.server, rest.server), each(usedThere, restThere), each(used.redis, rest.redis), nil
}

// measureSize has a crowd grow, and looks at what a change of one of them costs.
func measureSize(ctx context.Context, r *run) error {
	for _, partitions := range []int{1, 16} {
		if err := r.grow(ctx, partitions); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) grow(ctx context.Context, partitions int) error {
	const rate = 300
	fresh := *r
	r = &fresh
	defer r.stop()
	if err := r.start(ctx, fmt.Sprint("PRESENTLY_PARTITIONS=", partitions)); err != nil {
		return err
	}
	of, come := fmt.Sprintf("%d partitions", partitions), 0
	crowd := names(100_000)
	for _, size := range []int{1000, 10_000, 100_000} {
		if err := newChanges(crowd[come:size]).all(r.addr); err != nil {
			return err
		}
		come = size
		people := newChanges(crowd[:200])
		if err := people.all(r.addr); err != nil { // those who were there say busy again, which is nothing new
			return err
		}
		idle := r.usage()
		sleep(ctx, time.Second)
		rest := r.since(idle) // beacons and sweeps
		then := r.usage()
		limited, cancel := context.WithTimeout(ctx, r.length)
		made, err := people.post(limited, r.addr, rate)
		cancel()
		if err != nil {
			return err
		}
		used := r.since(then)
		seconds := time.Since(then.at).Seconds()
		r.point("users", "µs of the instance per change", of, float64(size), float64(used.server.Microseconds())/float64(made))
		r.point("users", "µs of Redis per change", of, float64(size), (float64(used.redis.Microseconds())-float64(rest.redis.Microseconds())*seconds)/float64(made))
	}
	return nil
}

// measureSoak lets a crowd live for a while: people change, some streams are cut and come back. What matters is that nothing grows.
func measureSoak(ctx context.Context, r *run) error {
	defer r.stop()
	crowd := names(1000)
	lists := watchLists(r.streamsOr(1000), r.watch, crowd)
	people, s, err := r.begin(ctx, crowd, lists)
	if err != nil {
		return err
	}
	defer s.close()
	begun, then := time.Now(), r.usage()
	ctx, cancel := context.WithTimeout(ctx, r.soak)
	defer cancel()
	failed := make(chan error, 1)
	go func() {
		_, err := people.post(ctx, r.addr, 200)
		failed <- err
	}()
	for ctx.Err() == nil {
		sleep(ctx, r.soak/20)
		if ctx.Err() != nil {
			break
		}
		r.point("seconds", "MiB resident", r.label(), time.Since(begun).Seconds(), r.server.rss()/1024)
		s.cutSome(len(lists) / 10)
		if err := s.openAll(context.WithoutCancel(ctx), lists[:len(lists)/10]); err != nil {
			return err
		}
	}
	if err := <-failed; err != nil {
		return err
	}
	if gone := s.gone.Load(); gone > 0 {
		return fmt.Errorf("%d streams were ended by the server", gone)
	}
	r.since(then)
	r.add("deliveries", float64(s.deliveries.Load()))
	r.add("MiB resident at the end", r.server.rss()/1024)
	return nil
}
