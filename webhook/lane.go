package webhook

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"github.com/presently/presently/presence"
)

const (
	abreast  = 4   // requests of one lane at once
	window   = 256 // notes of one lane in memory
	mostTold = 10  // tries of one announcement that the receiver refuses while it takes others: over some nine minutes
	leastTry = 3   // tries of one that is given up because it and its like hold up all others
	finishes = 100 // notes that are finished in one step
)

// lane works off one lane of the outbox for as long as it is held. One goroutine owns all of it but what is said to be shared.
type lane struct {
	d      *Deliverer
	tenure presence.Tenure
	cancel context.CancelFunc // ends requests, and the goroutine: the lane is somebody else's
	ended  chan struct{}      // closed: begin nothing any more, and let go
	done   chan struct{}      // closed when the goroutine has ended
	retire func()             // closes ended
	until  atomic.Int64       // shared: when the lease is over at the earliest, in ns since d began

	results  chan result // of requests; it has room for all of them
	sending  int
	read     string    // id of the last note that was read
	readNext time.Time // when to read again
	more     bool      // the last time there was more than was read
	held     int       // notes in queues
	queues   []*queue  // that have notes, oldest first
	byKey    map[string]*queue
	finished []presence.Finished
}

// queue is what is to be told of one user, or of one room.
type queue struct {
	key      string
	items    []item
	told     presence.Status // once all items are
	busy     bool            // the first is under way
	attempts int             // of the first, that were its own failures
	next     time.Time       // not before
	tried    time.Time
}

// item is a note and what is posted of it; nothing, where body is nil.
type item struct {
	note presence.Note
	id   string
	body []byte
}

// errCutOff says that a request was ended here, because the lane is lost or the process stops: how it would have ended is not known.
var errCutOff = errors.New("cut off")

type result struct {
	queue *queue
	err   error
}

var began = time.Now() // with the monotonic clock, which goes on while a process is stopped

func startLane(d *Deliverer, t presence.Tenure, until time.Time) *lane {
	ctx, cancel := context.WithCancel(context.Background())
	l := &lane{
		d: d, tenure: t, cancel: cancel, ended: make(chan struct{}), done: make(chan struct{}),
		results: make(chan result, abreast), byKey: map[string]*queue{},
	}
	var retired atomic.Bool
	l.retire = func() {
		if !retired.Swap(true) {
			close(l.ended)
		}
	}
	l.extend(until)
	go func() {
		defer close(l.done)
		defer cancel()
		// After a panic the lane is begun anew, with what is not finished.
		_ = d.o.Panics.Try(presence.PanicInTask, func() error { l.run(ctx); return nil })
	}()
	return l
}

func (l *lane) extend(until time.Time) { l.until.Store(int64(until.Sub(began))) }

// lose ends everything at once.
func (l *lane) lose() { l.cancel() }

func (l *lane) over() bool {
	select {
	case <-l.done:
		return true
	default:
		return false
	}
}

func (l *lane) retiring() bool {
	select {
	case <-l.ended:
		return true
	default:
		return false
	}
}

// surely reports whether a request that begins now ends before anybody else could hold the lane.
func (l *lane) surely(now time.Time) bool {
	return now.Sub(began)+l.d.post.timeout < time.Duration(l.until.Load())
}

func (l *lane) run(ctx context.Context) {
	for ctx.Err() == nil && !(l.retiring() && l.sending == 0) {
		if err := l.keepUp(ctx); errors.Is(err, presence.ErrNotHeld) {
			break
		}
		if !l.retiring() {
			l.begin(ctx, time.Now())
		}
		l.wait(ctx)
	}
	l.cancel()
	for ; l.sending > 0; l.sending-- {
		l.take(<-l.results)
	}
	l.giveAway()
}

// giveAway finishes what was delivered and lets the lane go, if it still is ours. What it cannot finish is delivered again, by the next.
func (l *lane) giveAway() {
	ctx, cancel := context.WithTimeout(context.Background(), lastWords)
	defer cancel()
	if err := l.flush(ctx); err == nil {
		_ = l.d.o.Outbox.LetGo(ctx, l.tenure) // or the lease runs out
	}
}

// wait returns when something has come back, or is due, or may be there to be read.
func (l *lane) wait(ctx context.Context) {
	now := time.Now()
	next := l.readNext
	if l.more && l.held < window/2 {
		next = now
	}
	for _, q := range l.queues {
		if !q.busy && q.next.After(now) && q.next.Before(next) {
			next = q.next
		}
	}
	ended := l.ended
	if l.retiring() { // only what is under way is waited for
		ended, next = nil, now.Add(l.d.o.Poll)
	}
	timer := time.NewTimer(max(time.Millisecond, next.Sub(now)))
	defer timer.Stop()
	select {
	case r := <-l.results:
		l.sending--
		l.take(r)
		for len(l.results) > 0 {
			l.sending--
			l.take(<-l.results)
		}
	case <-timer.C:
	case <-ended:
	case <-ctx.Done():
	}
}

// keepUp finishes what is done with, and reads more where there is room. In this order: what was told of somebody is read with his notes.
func (l *lane) keepUp(ctx context.Context) error {
	if err := l.flush(ctx); err != nil {
		l.readNext, l.more = time.Now().Add(jittered(l.d.o.Poll)), false // not at once
		return err
	}
	now := time.Now()
	if l.retiring() || l.held >= window || now.Before(l.readNext) && !(l.more && l.held < window/2) {
		if l.held >= window && !now.Before(l.readNext) {
			l.readNext = now.Add(jittered(l.d.o.Poll))
		}
		return nil
	}
	l.readNext = now.Add(jittered(l.d.o.Poll))
	if l.held == 0 {
		l.read = "" // all that there is: a Redis that took over, whose clock is behind, gives notes IDs that are less than what was read
	}
	notes, err := l.d.o.Outbox.Notes(ctx, l.tenure, l.read, window-l.held)
	l.addAll(notes)
	l.more = err == nil && len(notes) > 0 && l.held >= window/2
	if err == nil {
		err = l.flush(ctx) // what needs no telling
	}
	if err != nil && ctx.Err() == nil && !errors.Is(err, presence.ErrNotHeld) {
		l.d.o.Logger.Debug("webhook: the outbox does not answer", "lane", l.tenure.Lane, "error", err)
	}
	return err
}

func (l *lane) flush(ctx context.Context) error {
	for len(l.finished) > 0 {
		some := l.finished[:min(len(l.finished), finishes)]
		if err := l.d.o.Outbox.Finish(ctx, l.tenure, some); err != nil {
			return err
		}
		l.finished = l.finished[len(some):]
	}
	l.finished = nil
	return nil
}

// addAll puts notes into queues that were read together. What needs no telling is done with only then, for what was told before is known as of the reading: who came back by an
// offer, of which nothing is told, is here for what comes after it.
func (l *lane) addAll(notes []presence.Note) {
	for _, n := range notes {
		l.add(n)
	}
	for _, q := range slices.Clone(l.queues) {
		l.skip(q)
	}
}

// add puts a note into the queue of whom it is about.
func (l *lane) add(n presence.Note) {
	l.read = n.ID
	l.held++
	key := n.Record.User
	if n.Room != "" {
		key = "\n" + n.Room // is no user
	}
	q := l.byKey[key]
	if q == nil {
		q = &queue{key: key, told: n.Told}
		l.byKey[key] = q
		l.queues = append(l.queues, q)
	}
	it := item{note: n, id: idOf(n)}
	if a, tells := n.Announce(q.told); tells {
		body, err := bodyOf(a)
		if err != nil {
			l.d.o.Logger.Error("webhook: what is to be told cannot be written", "id", it.id, "error", err)
		}
		it.body = body
	}
	if n.Room == "" {
		q.told = n.Status()
	}
	q.items = append(q.items, it)
}

// skip finishes what needs no telling, and forgets a queue in which nothing is left.
func (l *lane) skip(q *queue) {
	for len(q.items) > 0 && !q.busy && q.items[0].body == nil {
		l.finish(q, "")
	}
	if len(q.items) == 0 {
		delete(l.byKey, q.key)
		l.queues = slices.DeleteFunc(l.queues, func(o *queue) bool { return o == q })
	}
}

// finish is done with the first item of a queue.
func (l *lane) finish(q *queue, dead string) {
	l.finished = append(l.finished, presence.Finished{Note: q.items[0].note, Dead: dead})
	q.items[0] = item{}
	q.items = q.items[1:]
	q.attempts, q.next = 0, time.Time{}
	l.held--
}

// begin sends what is due, of those first who were tried longest ago, so that nobody who fails keeps others from being tried.
func (l *lane) begin(ctx context.Context, now time.Time) {
	if l.held >= window {
		l.relieve()
	}
	var due []*queue
	for _, q := range l.queues {
		if !q.busy && !q.next.After(now) {
			due = append(due, q)
		}
	}
	slices.SortStableFunc(due, func(a, b *queue) int { return a.tried.Compare(b.tried) })
	for _, q := range due {
		if l.sending >= abreast || !l.surely(now) {
			return
		}
		try, probe := l.d.pace.may(now)
		if !try {
			return
		}
		q.busy, q.tried = true, now
		l.sending++
		it := q.items[0]
		go func() { l.results <- result{q, l.send(ctx, it, probe)} }() // has room
	}
}

// send makes one try, and tells the pace how it went.
func (l *lane) send(ctx context.Context, it item, probe bool) error {
	err := l.d.o.Panics.Try(presence.PanicInTask, func() error { return l.d.post.deliver(ctx, it.id, it.body) })
	if err != nil && ctx.Err() != nil {
		l.d.pace.cut(probe)
		return errCutOff
	}
	var asked time.Duration
	refused, answered := errors.AsType[*refusal](err)
	switch {
	case err == nil:
		l.d.counts.delivered.Add(1)
	case answered:
		asked = refused.after
		l.d.counts.refused.Add(1)
	default:
		l.d.counts.unreachable.Add(1)
	}
	before := l.d.pace.down()
	l.d.pace.went(probe, err == nil, time.Now(), asked)
	switch after := l.d.pace.down(); {
	case after && !before:
		l.d.o.Logger.Warn("webhook: the receiver fails; what is to be told waits", "error", err)
	case before && !after:
		l.d.o.Logger.Warn("webhook: the receiver is back")
	}
	return err
}

// take takes what became of a request.
func (l *lane) take(r result) {
	q := r.queue
	q.busy = false
	switch {
	case r.err == nil:
		l.finish(q, "")
		l.skip(q)
	case errors.Is(r.err, errCutOff), l.d.pace.down():
		// It is not to blame. The pace says when to go on.
	default:
		q.attempts++
		q.next = time.Now().Add(jittered(pause(q.attempts, mostPause)))
		if q.attempts >= mostTold {
			l.giveUp(q, r.err.Error())
		}
	}
}

// giveUp is done with an announcement that was not delivered. Those that come after it go on from what it would have told.
func (l *lane) giveUp(q *queue, why string) {
	l.d.counts.dead.Add(1)
	l.d.o.Logger.Warn("webhook: given up", "id", q.items[0].id, "tries", q.attempts, "why", why)
	l.finish(q, why)
	l.skip(q)
}

// relieve makes room where some hold up all others: it gives up the oldest of one who fills half of what there is by himself, so that others are tried and it shows whether
// the receiver takes them; and, where it does, of one whom it has refused most often.
func (l *lane) relieve() {
	longest := slices.MaxFunc(l.queues, func(a, b *queue) int { return cmp.Compare(len(a.items), len(b.items)) })
	if len(longest.items) > window/2 {
		if !longest.busy && !longest.tried.IsZero() {
			l.giveUp(longest, "held up others")
		}
		return
	}
	worst := slices.MaxFunc(l.queues, func(a, b *queue) int { return cmp.Compare(a.attempts, b.attempts) })
	if !l.d.pace.down() && !worst.busy && worst.attempts >= leastTry {
		l.giveUp(worst, "held up others")
	}
}
