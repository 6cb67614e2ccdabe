//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"
)

// costs are what was measured of Presently over Redis: µs of CPU, and KiB.
type costs struct {
	beat, beatRedis     float64 // one that brings nothing new
	change, changeRedis float64 // one that does, where nobody watches
	hear                float64 // a change elsewhere that nobody here watches
	delivery            float64
	streamKiB           float64
}

// What was measured of Redis before we began: what it costs to publish to one subscriber, and to each further one.
const publishFirst, publishNext = 3, 0.45

// readCosts takes them from the results of other cases.
func readCosts(dir string) (costs, error) {
	var c costs
	for _, want := range []struct {
		of            string
		during, named string
		to            *float64
	}{
		{"redis", "beat", "µs per beat, 1,000 a second", &c.beat}, {"redis", "beat", "Redis µs per beat, 1,000 a second", &c.beatRedis},
		{"redis", "pair", "µs per change where it is written, nobody watches", &c.change},
		{"redis", "pair", "Redis µs per change", &c.changeRedis},
		{"redis", "pair", "µs per change where it is heard, nobody watches", &c.hear},
		{"redis", "interest", "2000 streams of 50: µs per delivery", &c.delivery},
		{"redis", "idle", "KiB per idle stream", &c.streamKiB},
	} {
		r, err := readReport(dir, want.during)
		if err != nil {
			return c, err
		}
		f := r.figure(want.named, want.of)
		if f == nil {
			return c, fmt.Errorf("%s has no %q: run it first", want.during, want.named)
		}
		*want.to = f.Median
	}
	c.delivery = max(0, c.delivery-c.change/50) // a change and its fifty deliveries were measured together
	return c, nil
}

func readReport(dir, name string) (*report, error) {
	b, err := os.ReadFile(filepath.Join(dir, name+".json"))
	if err != nil {
		return nil, fmt.Errorf("run it first: %w", err)
	}
	r := new(report)
	return r, json.Unmarshal(b, r)
}

// A crowd is so many people at a time.
type crowd struct {
	users                 float64
	beats, changes        float64 // a second, of all
	deliveries            float64
	streams               float64
	instanceCores, redis1 float64 // to be used of an instance, and of a Redis
}

// world is a crowd by the rates that docs/scaling.md states.
func world(users float64) crowd {
	changes := users / 600 // each changes every ten minutes
	return crowd{users: users, beats: users / 30, changes: changes, deliveries: changes * 50, streams: users, instanceCores: 4 * 0.6, redis1: 0.6}
}

// needs are what a crowd needs.
type needs struct {
	instances, shards float64
	hearing           float64 // share of each instance that goes into hearing what is changed elsewhere
	memory            float64 // GiB of each instance
}

// of is found by trying: more instances make each publication dearer, and hear as much each. It is infinite where hearing alone takes all.
func (c costs) of(w crowd) needs {
	n := needs{hearing: w.changes * c.hear / 1e6 / w.instanceCores}
	if n.hearing >= 1 {
		return needs{instances: math.Inf(1), shards: math.Inf(1), hearing: n.hearing}
	}
	n.instances = math.Ceil((w.beats*c.beat + w.changes*c.change + w.deliveries*c.delivery) / 1e6 / (w.instanceCores * (1 - n.hearing)))
	n.instances = max(n.instances, 2) // one may fail
	publish := publishNext * (n.instances - 1)
	n.shards = math.Ceil((w.beats*c.beatRedis + w.changes*(c.changeRedis+publish)) / 1e6 / w.redis1)
	n.memory = w.streams * c.streamKiB / n.instances / (1 << 20)
	return n
}

// foretell is what one instance and its Redis would use of a core each.
func (c costs) foretell(beats, changes, deliveries float64) (instance, redis float64) {
	return (beats*c.beat + changes*c.change + deliveries*c.delivery) / 1e6, (beats*c.beatRedis + changes*c.changeRedis) / 1e6
}

// measureSim lets a mixed crowd live, and holds what it costs against what the costs of its parts foretell.
func measureSim(ctx context.Context, r *run) error {
	c, err := readCosts(r.out)
	if err != nil {
		return err
	}
	for _, scale := range []float64{0.5, 1} {
		if err := r.mix(ctx, c, scale); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) mix(ctx context.Context, c costs, scale float64) error {
	fresh := *r
	r = &fresh
	defer r.stop()
	all := names(4000)
	lists := watchLists(2000, 50, all[:2000])
	people, s, err := r.begin(ctx, all[:2000], lists)
	if err != nil {
		return err
	}
	defer s.close()
	steady := newSteady(all[2000:])
	if _, err := askAll(r.addr, 8, len(steady), func(i int) []byte { return steady[i] }); err != nil {
		return err
	}
	idle := r.usage()
	sleep(ctx, 2*time.Second)
	rest := r.since(idle) // beacons and sweeps
	then, had := r.usage(), s.deliveries.Load()
	limited, cancel := context.WithTimeout(ctx, max(r.length, 4*time.Second))
	defer cancel()
	beaten := make(chan error, 1)
	var beats atomic.Int64
	go func() { beaten <- beatAt(limited, r.addr, steady, 800*scale, &beats) }()
	made, err := people.post(limited, r.addr, 200*scale)
	if err != nil {
		return err
	}
	if err := <-beaten; err != nil {
		return err
	}
	used := r.since(then)
	seconds := time.Since(then.at).Seconds()
	got := float64(s.deliveries.Load() - had)
	instance, redis := c.foretell(float64(beats.Load())/seconds, float64(made)/seconds, got/seconds)
	measured := used.server.Seconds()/seconds - rest.server.Seconds()/2
	measuredRedis := used.redis.Seconds()/seconds - rest.redis.Seconds()/2
	of := fmt.Sprintf("%.0f beats, %.0f changes, %.0f deliveries a second: ", 800*scale, 200*scale, 10_000*scale)
	r.add(of+"cores of the instance, measured", measured)
	r.add(of+"cores of the instance, foretold", instance)
	r.add(of+"cores of Redis, measured", measuredRedis)
	r.add(of+"cores of Redis, foretold", redis)
	return nil
}

func newSteady(users []string) [][]byte {
	requests := make([][]byte, len(users))
	for i, u := range users {
		requests[i] = beatRequest(u, token(u), "online")
	}
	return requests
}

// beatAt sends requests at a rate until ctx ends.
func beatAt(ctx context.Context, addr string, requests [][]byte, rate float64, sent *atomic.Int64) error {
	q, err := dialRequester(addr)
	if err != nil {
		return err
	}
	defer q.conn.Close() //nolint:errcheck // all was read
	begun := time.Now()
	for i := 0; ctx.Err() == nil; i++ {
		if wait := time.Until(begun.Add(time.Duration(float64(i) / rate * float64(time.Second)))); wait > 0 {
			time.Sleep(wait)
		}
		if err := q.ask(requests[i%len(requests)]); err != nil {
			return err
		}
		sent.Add(1)
	}
	return nil
}
