// Package webhook tells a backend of the operator's what happens, by posting it what an outbox has.
//
// # Promise
//
// Each announcement is posted until it is taken (any 2xx), in order for each user and each room; one that is refused holds up what comes later of the same user, and nobody
// else. It may come more than once, always with the same id. When the whole receiver fails, delivery pauses, and one try at a time finds out when it is back: nothing is
// given up for that, but for what has no room in the outbox. What the receiver refuses again and again while it takes others is given up, and counted.
//
// # Who delivers
//
// The outbox has lanes. An instance holds some of them by leases, as many as are its share; each is worked on by one goroutine ([lane]), which alone reads notes, makes
// announcements of them and finishes them, while a few requests are under way at once, never two of one user. An instance that dies loses its leases; what it had not finished
// is read by the next, from the oldest.
package webhook

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/presently/presently/presence"
)

// Options say where a deliverer delivers to. The zero value of those that have one is their default.
type Options struct {
	Outbox presence.Outbox
	URL    string
	// Keys are the secrets that sign, each by itself, so that one can be replaced by another without a gap.
	Keys [][]byte
	// Name tells this deliverer from all others on the same outbox.
	Name   string
	Agent  string // User-Agent
	Logger *slog.Logger
	Panics *presence.Panics

	// Lease is how long an instance that died holds up its lanes; 15 s by default. A request may take two thirds of it.
	Lease time.Duration
	// Poll is how often an outbox is read in which there was nothing; 200 ms by default.
	Poll time.Duration
	// Transport is for tests.
	Transport http.RoundTripper
}

// Stats are what one deliverer has done.
type Stats struct {
	Delivered   int64 // was taken
	Refused     int64 // had another answer than 2xx
	Unreachable int64 // had none
	Dead        int64 // given up here
	Lanes       int   // held
	Paused      bool  // the receiver as a whole fails
}

// Deliverer delivers what an outbox has.
type Deliverer struct {
	o      Options
	post   *poster
	pace   pace
	counts counts
	held   map[int]*lane // Run alone
	lanes  atomic.Int64  // how many are held
}

type counts struct{ delivered, refused, unreachable, dead atomic.Int64 }

// New makes a deliverer.
func New(o Options) *Deliverer {
	o.Lease = cmp.Or(o.Lease, 15*time.Second)
	o.Poll = cmp.Or(o.Poll, 200*time.Millisecond)
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return &Deliverer{o: o, post: newPoster(o), held: map[int]*lane{}}
}

// Stats reads what was done.
func (d *Deliverer) Stats() Stats {
	return Stats{
		Delivered: d.counts.delivered.Load(), Refused: d.counts.refused.Load(), Unreachable: d.counts.unreachable.Load(),
		Dead: d.counts.dead.Load(), Lanes: int(d.lanes.Load()), Paused: d.pace.down(),
	}
}

// Run delivers until ctx ends, and gives what it holds to others. It is called once.
func (d *Deliverer) Run(ctx context.Context) error {
	defer d.post.close()
	for {
		d.share(ctx)
		select {
		case <-ctx.Done():
			d.leave()
			return nil
		case <-time.After(jittered(d.o.Lease / 5)):
		}
	}
}

// share keeps the lanes that are held, and sees to it that they are this deliverer's share. While the store does not answer, leases run out by themselves.
func (d *Deliverer) share(ctx context.Context) {
	for n, l := range d.held {
		if l.over() {
			delete(d.held, n)
		}
	}
	d.renew(ctx)
	all, err := d.o.Outbox.Deliverers(ctx, d.o.Name, d.o.Lease)
	if err != nil || ctx.Err() != nil {
		d.lanes.Store(int64(len(d.held)))
		return
	}
	lanes := d.o.Outbox.Lanes()
	share := (lanes + max(all, 1) - 1) / max(all, 1)
	for _, l := range d.surplus(share) {
		l.retire()
	}
	for _, n := range rand.Perm(lanes) { // instances that begin together are not to ask for the same
		if len(d.held) >= share {
			break
		}
		if d.held[n] == nil {
			d.take(ctx, n)
		}
	}
	d.lanes.Store(int64(len(d.held)))
}

func (d *Deliverer) take(ctx context.Context, n int) {
	until := time.Now().Add(d.o.Lease)
	tenure, err := d.o.Outbox.Hold(ctx, n, d.o.Name, d.o.Lease)
	if err != nil {
		return // another's, or the store does not answer: later
	}
	d.held[n] = startLane(d, tenure, until)
}

// renew asks for all lanes at once. One that is somebody else's by now ends by itself.
func (d *Deliverer) renew(ctx context.Context) {
	var asked sync.WaitGroup
	for n, l := range d.held {
		asked.Go(func() {
			until := time.Now().Add(d.o.Lease)
			var tenure presence.Tenure
			err := d.o.Panics.Try(presence.PanicInTask, func() (err error) { // whose panic would end the process
				tenure, err = d.o.Outbox.Hold(ctx, n, d.o.Name, d.o.Lease)
				return err
			})
			switch {
			case err == nil && tenure != l.tenure && l.retiring():
				_ = d.o.Outbox.LetGo(ctx, tenure) // it was just let go, for another to take it
				l.lose()
			case errors.Is(err, presence.ErrNotHeld), err == nil && tenure != l.tenure:
				l.lose()
			case err == nil:
				l.extend(until)
			}
		})
	}
	asked.Wait()
}

// surplus are the lanes that others should have, those that retire already among them.
func (d *Deliverer) surplus(share int) []*lane {
	var all []*lane
	for _, l := range d.held {
		all = append(all, l)
	}
	slices.SortFunc(all, func(a, b *lane) int {
		if a.retiring() != b.retiring() && a.retiring() {
			return -1
		}
		return cmp.Compare(b.tenure.Lane, a.tenure.Lane)
	})
	return all[:max(0, len(all)-share)]
}

// leave lets requests under way end, if they do so soon, and gives everything away.
func (d *Deliverer) leave() {
	for _, l := range d.held {
		l.retire()
	}
	limit := time.After(lastRequests)
	for _, l := range d.held {
		select {
		case <-l.done:
		case <-limit:
			limit = nil
			for _, l := range d.held {
				l.lose()
			}
			<-l.done
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), lastWords)
	defer cancel()
	_, _ = d.o.Outbox.Deliverers(ctx, d.o.Name, 0) // others find out by themselves
	d.lanes.Store(0)
}

const (
	lastRequests = 2 * time.Second // for requests under way when the process is to stop
	lastWords    = time.Second     // for the store to take that a lane is let go
)

// jittered is a time between half of d and d.
func jittered(d time.Duration) time.Duration {
	return d/2 + rand.N(d/2+1)
}
