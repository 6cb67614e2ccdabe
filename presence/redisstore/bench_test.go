package redisstore

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/presently/presently/internal/redistest"
	"github.com/presently/presently/presence"
)

// What a heartbeat costs Redis, by what it brings:
//
//	go test ./presence/redisstore -run xxx -bench . -cpu 64
func BenchmarkBeat(b *testing.B) {
	states := []presence.Status{presence.Online, presence.Busy}
	for _, bc := range []struct {
		name string
		beat func(*presence.Beat, int64)
	}{
		{"steady", func(b *presence.Beat, n int64) { b.Minimal = true }},
		{"steady with number", func(b *presence.Beat, n int64) { b.Minimal, b.Seq = true, &n }},
		{"steady with activity", func(b *presence.Beat, n int64) {
			b.Minimal, b.Doing = true, &presence.Doing{Type: "viewing", Target: "/docs/7", TTL: time.Hour}
		}},
		{"steady with record", func(b *presence.Beat, n int64) {}},
		{"unchanged by script", func(b *presence.Beat, n int64) { b.Minimal, b.Hidden = true, n%2 == 0 }},
		{"other activity", func(b *presence.Beat, n int64) {
			b.Minimal, b.Doing = true, &presence.Doing{Type: "viewing", Target: fmt.Sprint("/docs/", n), TTL: time.Hour}
		}},
		{"changed", func(b *presence.Beat, n int64) { b.Minimal, b.State = true, states[n%2] }},
	} {
		b.Run(bc.name, func(b *testing.B) {
			server := redistest.Start(b)
			s := open(b, server.URL(), Options{TTL: 90 * time.Second})
			defer s.Close()
			const users = 2000
			beatOf := func(n int64) presence.Beat {
				beat := presence.Beat{
					User: fmt.Sprint("user-", n%users), Session: "session-1", State: presence.Online, TTL: 90 * time.Second,
					Instance: "a", MaxLive: 20, Profile: presence.Profile{Name: "Ada"},
				}
				bc.beat(&beat, n/users)
				return beat
			}
			for n := range int64(users) {
				if _, err := s.Beat(b.Context(), beatOf(n)); err != nil {
					b.Fatal(err)
				}
			}
			var n atomic.Int64
			n.Store(users)
			before, stats := server.CPU(b.Context()), server.CommandStats(b.Context())
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := s.Beat(context.Background(), beatOf(n.Add(1))); err != nil {
						b.Error(err)
					}
				}
			})
			b.StopTimer()
			used := server.CPU(b.Context()) - before
			b.ReportMetric(float64(used.Microseconds())/float64(b.N), "redis-µs/op")
			var usec, calls int64
			for name, c := range server.CommandStats(b.Context()) {
				switch name {
				case "zadd", "evalsha", "eval", "exec":
					usec += c.Usec - stats[name].Usec
					calls += c.Calls - stats[name].Calls
				}
			}
			b.ReportMetric(float64(usec)/float64(calls), "command-µs")
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "beats/s")
		})
	}
}

// What it costs Redis to change what a user says of himself, by the number of his contacts: the record is read twice.
func BenchmarkAmend(b *testing.B) {
	for _, contacts := range []int{0, 100, 1000} {
		b.Run(fmt.Sprint(contacts, " contacts"), func(b *testing.B) {
			server := redistest.Start(b)
			s := open(b, server.URL(), Options{TTL: 90 * time.Second})
			defer s.Close()
			tracker := &presence.Tracker{Store: s}
			for n := range contacts {
				if err := tracker.SetContact(b.Context(), "ada", fmt.Sprint("friend-", n), true); err != nil {
					b.Fatal(err)
				}
			}
			before := server.CPU(b.Context())
			for n := 0; b.Loop(); n++ {
				if _, err := tracker.SetCustom(b.Context(), "ada", fmt.Sprint("meeting ", n), "", presence.Lasts{}); err != nil {
					b.Fatal(err)
				}
			}
			used := server.CPU(b.Context()) - before
			b.ReportMetric(float64(used.Microseconds())/float64(b.N), "redis-µs/op")
		})
	}
}
