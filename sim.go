package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/presently/presently/api"
)

const (
	simArrival  = 5 * time.Second  // over which they come, so that their beats are spread
	simBetween  = 20 * time.Second // two acts of one person, on average
	simRetry    = 5 * time.Second  // after a beat that failed, where the server does not say
	simGoodbyes = 10 * time.Second // for all to leave at the end
)

// play has everybody live until ctx ends or the time is over, and then leave.
func (s simulation) play(ctx context.Context, server *remote, tokens func(i int) (string, error), in invocation) error {
	if s.lasts > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.lasts)
		defer cancel()
	}
	all := &tally{start: time.Now()}
	people := make([]*simPerson, s.users)
	for i := range people {
		token, err := tokens(i)
		if err != nil {
			return err
		}
		people[i] = &simPerson{sim: s, server: server.as(token), all: all, session: fmt.Sprintf("sim-%d-%s", i+1, randomName()), device: simDevices[i%len(simDevices)]}
	}
	g, living := errgroup.WithContext(ctx)
	for _, p := range people {
		g.Go(func() error { return p.live(living) })
	}
	shown := make(chan struct{})
	go func() {
		defer close(shown)
		all.show(living, in.stdout, terminalOf(in.stdout))
	}()
	err := g.Wait()
	<-shown
	s.goodbye(ctx, people)
	fmt.Fprintf(in.stdout, "%s\n", all.line(time.Now()))
	if err != nil {
		return fmt.Errorf("the server refuses them: %w", err)
	}
	return nil
}

var simDevices = []string{"web", "mobile", "desktop"}

// goodbye has everybody leave who is there, also where ctx has ended: that is why they do.
func (s simulation) goodbye(ctx context.Context, people []*simPerson) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), simGoodbyes)
	defer cancel()
	var g errgroup.Group
	g.SetLimit(64)
	for _, p := range people {
		g.Go(func() error {
			p.leave(ctx)
			return nil
		})
	}
	g.Wait() //nolint:errcheck // none returns one
}

// simPerson is one of the people, or one device. One goroutine has it at a time.
type simPerson struct {
	sim     simulation
	server  *remote
	all     *tally
	session string
	device  string

	seq        int64
	rooms      []string
	asleep     time.Time // since when there has been no input; zero: awake
	leaveToken string    // of the last beat; empty: none, or used
	idleAfter  time.Duration
	ttl        time.Duration
	mood       simMood
}

type simMood int

const (
	simAway simMood = iota // not there
	simHere
	simAsleep
)

// live beats as the server asks for, and does something now and then. It returns an error where the server will never take it.
func (p *simPerson) live(ctx context.Context) error {
	beat, act := time.NewTimer(rand.N(simArrival)), time.NewTimer(simArrival+p.pause())
	defer beat.Stop()
	defer act.Stop()
	p.wander()
	for {
		var wait time.Duration
		var err error
		select {
		case <-ctx.Done():
			return nil
		case <-act.C:
			wait = p.act(ctx)
			act.Reset(wait + p.pause())
		case <-beat.C:
		}
		if wait == 0 {
			wait, err = p.beat(ctx)
		}
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		beat.Reset(wait)
	}
}

// pause is how long a person does nothing new.
func (p *simPerson) pause() time.Duration {
	return time.Duration(min(rand.ExpFloat64(), 5) * float64(simBetween) / p.sim.pace)
}

// act does something, and tells how long the person is not there then.
func (p *simPerson) act(ctx context.Context) (absent time.Duration) {
	switch rand.IntN(8) {
	case 0, 1: // falls asleep, or wakes
		if p.asleep.IsZero() {
			p.asleep = time.Now().Add(-p.idleAfter)
		} else {
			p.asleep = time.Time{}
		}
	case 2: // loads the page again
		p.leave(ctx)
		p.all.count(func(t *tally) { t.reloads++ })
		return 200*time.Millisecond + rand.N(2*time.Second)
	case 3: // is suddenly not there any more, and comes back when everybody has noticed
		p.feel(simAway)
		p.all.count(func(t *tally) { t.vanished++ })
		return p.ttl + p.ttl/5 + rand.N(10*time.Second)
	case 4, 5:
		p.wander()
	default:
		p.typing(ctx)
	}
	return 0
}

// wander goes to one or two rooms.
func (p *simPerson) wander() {
	if p.sim.rooms == 0 {
		return
	}
	p.rooms = nil
	for range 1 + rand.IntN(2) {
		if room := fmt.Sprintf("sim-%d", 1+rand.IntN(p.sim.rooms)); !slices.Contains(p.rooms, room) {
			p.rooms = append(p.rooms, room)
		}
	}
	p.all.count(func(t *tally) { t.moves++ })
}

// beat says that the person is there, and tells when to say so again.
func (p *simPerson) beat(ctx context.Context) (next time.Duration, err error) {
	p.seq++
	body := api.Beat{SessionID: p.session, Device: &p.device, Seq: &p.seq, Rooms: p.rooms}
	mood := simHere
	if !p.asleep.IsZero() {
		mood, body.IdleMs = simAsleep, new(time.Since(p.asleep).Milliseconds())
	}
	var answer api.BeatAnswer
	start := time.Now()
	_, err = p.server.ask(ctx, http.MethodPost, "/v1/presence/heartbeat", body, &answer)
	if ctx.Err() != nil {
		return 0, nil
	}
	p.all.beat(time.Since(start), err)
	if err != nil {
		return p.after(err)
	}
	p.leaveToken = answer.LeaveToken
	p.idleAfter, p.ttl = time.Duration(answer.IdleAfterMs)*time.Millisecond, time.Duration(answer.TTLMs)*time.Millisecond
	p.feel(mood)
	return max(time.Duration(answer.NextMs)*time.Millisecond, 10*time.Millisecond), nil
}

// after is when to try again, or the error that no trying mends.
func (p *simPerson) after(err error) (time.Duration, error) {
	e, ok := errors.AsType[*refusal](err)
	switch {
	case ok && e.after > 0:
		return e.after + rand.N(time.Second), nil
	case ok && e.status < 500 && e.status != http.StatusTooManyRequests:
		return 0, err
	}
	return simRetry/2 + rand.N(simRetry), nil
}

func (p *simPerson) typing(ctx context.Context) {
	if len(p.rooms) == 0 || p.mood == simAway {
		return
	}
	path := "/v1/rooms/" + url.PathEscape(p.rooms[0]) + "/typing"
	_, err := p.server.ask(ctx, http.MethodPut, path, api.TypingMark{SessionID: p.session}, nil)
	if ctx.Err() == nil {
		p.all.count(func(t *tally) { t.typed++; t.note(err) })
	}
}

func (p *simPerson) leave(ctx context.Context) {
	if p.leaveToken == "" {
		return
	}
	_, err := p.server.ask(ctx, http.MethodPost, "/v1/presence/leave", api.Leave{LeaveToken: p.leaveToken}, nil)
	p.leaveToken = ""
	p.feel(simAway)
	p.all.count(func(t *tally) { t.note(err) })
}

func (p *simPerson) feel(mood simMood) {
	before := p.mood
	p.mood = mood
	p.all.count(func(t *tally) {
		t.moods[before]--
		t.moods[mood]++
	})
}

// tally is what they have done so far.
type tally struct {
	start time.Time

	mu                              sync.Mutex // guards what follows
	moods                           [3]int     // that of simAway counts for nothing
	beats, failed                   int
	reloads, vanished, moves, typed int
	took                            [1024]time.Duration // of the last beats
	lastError                       string
}

func (t *tally) count(change func(*tally)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	change(t)
}

func (t *tally) beat(took time.Duration, err error) {
	t.count(func(t *tally) {
		t.took[t.beats%len(t.took)] = took
		t.beats++
		if err != nil {
			t.failed++
		}
		t.note(err)
	})
}

func (t *tally) note(err error) {
	if err != nil {
		t.lastError = err.Error()
	}
}

// line tells all of it.
func (t *tally) line(now time.Time) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	took := slices.Sorted(slices.Values(t.took[:min(t.beats, len(t.took))]))
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %d here, %d asleep  ·  %d beats, %d failed", now.Sub(t.start).Round(time.Second), t.moods[simHere], t.moods[simAsleep], t.beats, t.failed)
	if len(took) > 0 {
		fmt.Fprintf(&b, ", median %s, p99 %s", tenths(took[len(took)/2]), tenths(took[len(took)*99/100]))
	}
	fmt.Fprintf(&b, "  ·  %d moves, %d typed, %d reloads, %d vanished", t.moves, t.typed, t.reloads, t.vanished)
	if t.lastError != "" {
		fmt.Fprintf(&b, "  ·  last error: %s", t.lastError)
	}
	return b.String()
}

func tenths(d time.Duration) string {
	if d < 100*time.Microsecond { // which would be 0s
		return d.Round(time.Microsecond).String()
	}
	return d.Round(100 * time.Microsecond).String()
}

// show writes the line now and then, until ctx ends: in a terminal in place of the one before.
func (t *tally) show(ctx context.Context, out io.Writer, screen *os.File) {
	every, before, after := 10*time.Second, "", "\n"
	if screen != nil {
		every, before, after = time.Second, "\r\x1b[?7l", "\x1b[K\x1b[?7h"
		defer io.WriteString(out, "\r\x1b[K") //nolint:errcheck // the terminal has gone
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			fmt.Fprint(out, before, t.line(time.Now()), after)
		}
	}
}
