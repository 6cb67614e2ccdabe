package redisstore

import (
	"context"
	"fmt"
	"sync"
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

// What it costs Redis when a session begins and ends, by the number of rooms that it is in meanwhile, without and with an outbox (from which nothing is taken).
func BenchmarkComeAndGo(b *testing.B) {
	for _, c := range []struct{ n, outbox int }{{0, 0}, {1, 0}, {10, 0}, {0, 10_000}, {1, 10_000}, {10, 10_000}} {
		n, name := c.n, fmt.Sprint(c.n, " rooms")
		if c.outbox > 0 {
			name += ", outbox"
		}
		b.Run(name, func(b *testing.B) {
			server := redistest.Start(b)
			s := open(b, server.URL(), Options{TTL: 90 * time.Second, Outbox: c.outbox})
			defer s.Close()
			rooms := make([]string, n)
			for i := range rooms {
				rooms[i] = fmt.Sprint("room-", i)
			}
			var next atomic.Int64
			before := server.CPU(b.Context())
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					beat := testBeat(fmt.Sprint("user-", next.Add(1)%5000), "session-1")
					beat.Minimal, beat.Rooms = true, &rooms
					if _, err := s.Beat(context.Background(), beat); err != nil {
						b.Error(err)
					}
					if err := s.End(context.Background(), beat.User, beat.Session); err != nil {
						b.Error(err)
					}
				}
			})
			used := server.CPU(b.Context()) - before
			b.ReportMetric(float64(used.Microseconds())/float64(b.N), "redis-µs/op")
		})
	}
}

// What it costs Redis to read a room of 100 among 20,000 users with three rooms each: all partitions are asked.
func BenchmarkRoom(b *testing.B) {
	server := redistest.Start(b)
	s := open(b, server.URL(), Options{TTL: 90 * time.Second})
	defer s.Close()
	const users, size = 20_000, 100
	var work sync.WaitGroup
	for w := range 64 {
		work.Go(func() {
			for n := w; n < users; n += 64 {
				rooms := []string{fmt.Sprint("a-", n*size/users), fmt.Sprint("b-", n%(users/size)), fmt.Sprint("c-", n/2)}
				beat := testBeat(fmt.Sprint("user-", n), "session-1")
				beat.Rooms, beat.Minimal, beat.TTL = &rooms, true, time.Hour
				if _, err := s.Beat(b.Context(), beat); err != nil {
					b.Error(err)
				}
			}
		})
	}
	work.Wait()
	for name, q := range map[string]presence.RoomQuery{
		"count":   {Room: "b-7"},
		"members": {Room: "b-7", Limit: presence.RoomShown},
		"all":     {Room: "b-7", Limit: presence.RoomShown, Since: 1, Typing: true},
	} {
		b.Run(name, func(b *testing.B) {
			before := server.CPU(b.Context())
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if x, err := s.Room(context.Background(), q); err != nil || x.Users != size {
						b.Errorf("%+v, %v", x, err)
					}
				}
			})
			used := server.CPU(b.Context()) - before
			b.ReportMetric(float64(used.Microseconds())/float64(b.N), "redis-µs/op")
		})
	}
}
