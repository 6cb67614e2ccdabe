package presence

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	lingerFor    = 30 * time.Second // a storm of reconnects finds the records that it left
	readAtOnce   = 500              // records in one Lookup when a lane is read again
	pendingLimit = 256              // changes kept for a record that is being read; past it, it is read again
	catchUp      = 2 * time.Second  // how long Watch waits for a lane before it reads for itself
	retryAfter   = 250 * time.Millisecond
	skippedAfter = 5 * time.Second // until what has panicked is tried again that others need not wait for
	never        = Version(1<<63 - 1)
)

// Source is what a Board needs of a Store.
type Source interface {
	Lookup(ctx context.Context, viewer string, users []string) ([]Record, error)
	Lanes() int
	Lane(user string) int
	Heads(ctx context.Context, lanes []int) ([]Head, error)
	Room(ctx context.Context, q RoomQuery) (RoomIndex, error)
}

// Listener is told by a Board what happens to watched users. Calls about users of one lane come one at a time; none may block,
// or call the board or its store.
type Listener interface {
	// Changed says that the entry's record may have changed, or that an expiry that it shows has passed. An entry that has no watcher
	// yet, or none any more, is told of too.
	Changed(e *Entry)
	// Moved says that what viewers see of one user in a watched room may have changed: that he is there, or types there. e is his entry
	// among the room's Members, which leaves them after the call where he has gone. Calls about one room come one at a time.
	Moved(g *Gathering, e *Entry)
	// Counted says that a room has been counted anew, or has become crowded, or no longer is: its Members may be others than before.
	Counted(g *Gathering)
	// Subscribed says that a subscription has changed, Revoked that tokens have been revoked, SubscriptionsMissed that what either would have told
	// of a lane may have been missed.
	Subscribed(id string)
	Revoked(r Revocation)
	SubscriptionsMissed(lane int)
	// Lost and Found say that the board can no longer, or again, keep in step with the store.
	Lost()
	Found()
}

// Entry is a watched user on a Board. Its fields may be used only within calls that the board makes.
type Entry struct {
	Record Record
	Now    Version // the store time as of which Record is true
	Beacon Version // the lane's last beacon, or when Record was read: unlike Now, it does not tell when anything happened
	Memo   any     // the listener's own

	user     string
	watchers int
	rooms    []*Gathering  // for which it is watched too; each counts as a watcher
	idleAt   Version       // when the last watcher left
	noted    bool          // the entry stands in its lane's idle
	sure     Version       // the store time up to which Record has all changes
	read     Version       // as of when Record was read
	expires  Version       // what the entry stands in the lane's expiries with
	place    int           // where; -1: not there
	ready    chan struct{} // closed once Record has been read, or could not be
	loaded   bool
	err      error
	whole    uint64   // how much of what the lane has missed is in Record; less than all: no later change tells how he is
	pending  []Change // heard while the record was being read, or not whole
	again    bool     // too much was heard: the record must be read again
	failed   bool     // the last telling of it has panicked
}

// Board keeps the records of watched users in memory, in step with the store whose Feed it is. A record is read once and then
// changed by what the lane tells, so that any number of streams watch a user at the price of one.
//
// A panic of its source or its listener costs what it was about, and nothing else: no lock stays held, nobody waits for what will not come, and
// what the listener may have missed is told anew, once.
type Board struct {
	Panics *Panics // of source and listener; set before the board is used

	source   Source
	listener Listener
	lanes    []boardLane
	fence    fence[[]Head]
	work     chan struct{} // one token: some lane is to be read again
	skipped  atomic.Bool   // some lane was read again but for users or rooms that panicked
	rooms    gatherings

	unheard   atomic.Int32  // lanes that have not been heard of yet
	listening chan struct{} // closed when there are none

	mu    sync.Mutex // guards what follows; held while the listener is told
	lost  bool
	found bool // to be told once all lanes have been read again

	clock boardClock
}

// boardClock follows the store's time.
type boardClock struct {
	mu      sync.Mutex // guards what follows
	newest  Version    // of all beacons
	heardAt time.Time  // when, by the clock of this process
}

type boardLane struct {
	mu       sync.Mutex // guards what follows
	head     Head
	beacon   Version // of the last beacon while nothing was missing: all changes up to it have been heard
	clock    Version // the newest time heard of
	held     Version // until then the store's silence about somebody is no evidence; 0: no hold
	doubt    bool    // the store may have lost what is believed here; till the hold is over and all has been read again
	spoke    bool    // there has been a beacon
	entries  map[string]*Entry
	idle     []idling // left by their last watcher, each entry at most once; some have found new ones since
	expiries expiries
	missed   uint64        // how often changes may have been lost
	fresh    uint64        // how many of these times have been made good by reading again
	failed   bool          // the last telling of what was missed has panicked
	moved    chan struct{} // closed when the lane gets on; nil: nobody waits for that

	// For beaconTime, which would wait for all who watch while a change is told.
	heard   atomic.Int64 // the beacon, or 0 in doubt
	telling atomic.Bool  // what a beacon covers is being told: until that is over, neither the last one nor this is right
}

// stale reports whether watched records may lack changes that were announced.
func (l *boardLane) stale() bool { return l.fresh != l.missed }

type idling struct {
	entry *Entry
	since Version
}

// NewBoard makes a board that is to be fed by its source's Run, and told about by Run.
func NewBoard(source Source, listener Listener) *Board {
	b := &Board{source: source, listener: listener, lanes: make([]boardLane, source.Lanes()), work: make(chan struct{}, 1), listening: make(chan struct{})}
	b.unheard.Store(int32(len(b.lanes))) //nolint:gosec // partitions are few
	for i := range b.lanes {
		b.lanes[i].entries = map[string]*Entry{}
	}
	b.rooms = newGatherings()
	b.fence.read = func(ctx context.Context) (heads []Head, err error) {
		all := make([]int, len(b.lanes))
		for i := range all {
			all[i] = i
		}
		err = b.Panics.Try(PanicInRead, func() error {
			heads, err = source.Heads(ctx, all)
			return err
		})
		return heads, err
	}
	return b
}

// Watch keeps the users' records until Unwatch, and calls attach with each entry, in no order but one at a time per lane, at a moment when it
// reflects every write acknowledged before Watch began, and so that no later change is missed: whoever subscribes
// within attach hears everything that comes after what attach was shown.
//
// On an error, or when attach panics, nothing is watched, though attach may have been called.
func (b *Board) Watch(ctx context.Context, users []string, attach func(*Entry)) error {
	if err := b.keep(ctx, users, b.await); err != nil {
		return fmt.Errorf("watch: %w", err)
	}
	watched := false
	defer func() {
		if !watched {
			b.Unwatch(users)
		}
	}()
	for _, u := range users {
		b.lane(u).show(u, attach)
	}
	watched = true
	return nil
}

func (l *boardLane) show(user string, attach func(*Entry)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entries[user]
	l.view(e)
	attach(e)
}

// keep adds a watcher to each of the users, and reads the records of those who have none yet. What is to be done about the others is for await.
// On an error nobody has been added.
func (b *Board) keep(ctx context.Context, users []string, await func(context.Context, []*Entry) error) error {
	var mine, others []*Entry
	for _, u := range users {
		if e, first := b.enter(u); first {
			mine = append(mine, e)
		} else {
			others = append(others, e)
		}
	}
	err := b.load(ctx, mine)
	if err == nil && len(others) > 0 {
		err = await(ctx, others)
	}
	if err != nil {
		b.leave(mine)
		b.leave(others)
	}
	return err
}

// Unwatch ends what one Watch began. The records stay for a while.
func (b *Board) Unwatch(users []string) {
	for _, u := range users {
		l := b.lane(u)
		l.mu.Lock()
		if e := l.entries[u]; e != nil {
			l.drop(e)
		}
		l.mu.Unlock()
	}
}

// Moment is when the entry is to be viewed: at the last beacon. Now would show, by what the passing of time alone has changed, that something
// has happened in the lane which the viewer may not see.
func (e *Entry) Moment() Version {
	if e.Beacon == 0 {
		return e.Now
	}
	return e.Beacon
}

// view notes as of when the entry is to be viewed.
func (l *boardLane) view(e *Entry) {
	e.Now, e.Beacon = max(l.clock, e.Record.AsOf), max(l.beacon, e.read)
}

func (b *Board) leave(entries []*Entry) {
	for _, e := range entries {
		l := b.lane(e.user)
		l.mu.Lock()
		l.drop(e)
		l.mu.Unlock()
	}
}

func (l *boardLane) drop(e *Entry) {
	if e.watchers--; e.watchers == 0 && e.loaded {
		e.idleAt = l.clock
		l.note(e)
	}
}

func (l *boardLane) note(e *Entry) {
	if !e.noted {
		e.noted = true
		l.idle = append(l.idle, idling{e, e.idleAt})
	}
}

// Heard is the time up to which all changes in any of the lanes have been heard: 0 where nothing can be said, because a lane has not been
// heard yet, or because what is believed here may be lost in the store, so that nobody else could tell how it goes on.
func (b *Board) Heard(lanes []int) Version {
	least := never
	for _, i := range lanes {
		least = min(least, b.lanes[i].beaconTime())
	}
	if least == never {
		return 0
	}
	return least
}

// LanesOf are the lanes that tell of the users.
func (b *Board) LanesOf(users iter.Seq[string]) []int {
	seen := make([]bool, len(b.lanes))
	for u := range users {
		seen[b.source.Lane(u)] = true
	}
	lanes := []int{}
	for i := range seen {
		if seen[i] {
			lanes = append(lanes, i)
		}
	}
	return lanes
}

// HeardAll is Heard for whoever watches rooms: anybody may come into one. It is 0 as well while somebody who may have come is being looked up.
func (b *Board) HeardAll() Version {
	least := never
	for i := range b.lanes {
		least = min(least, b.lanes[i].beaconTime())
	}
	if b.rooms.expecting() { // asked last: who is heard of by now is expected, or has been told of
		return 0
	}
	return least
}

func (l *boardLane) beaconTime() Version {
	if l.telling.Load() {
		l.mu.Lock()
		defer l.mu.Unlock()
	}
	return Version(l.heard.Load())
}

// publish lets beaconTime tell how far the lane is. The lane's lock is held.
func (l *boardLane) publish() {
	if l.doubt {
		l.heard.Store(0)
	} else {
		l.heard.Store(int64(l.beacon))
	}
}

func (c *boardClock) hear(now Version) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now > c.newest {
		c.newest, c.heardAt = now, time.Now()
	}
}

// Epoch is the newest of all lanes.
func (b *Board) Epoch() (newest int64) {
	for i := range b.lanes {
		l := &b.lanes[i]
		l.mu.Lock()
		newest = max(newest, l.head.Epoch)
		l.mu.Unlock()
	}
	return newest
}

// Newest is the time of the newest beacon.
func (b *Board) Newest() Version {
	b.clock.mu.Lock()
	defer b.clock.mu.Unlock()
	return b.clock.newest
}

// Clock is the store's time, as far as it is known here: that of the newest beacon, and what has passed since.
func (b *Board) Clock() time.Time {
	b.clock.mu.Lock()
	defer b.clock.mu.Unlock()
	if b.clock.heardAt.IsZero() {
		return time.Now().UTC()
	}
	return b.clock.newest.Time().Add(time.Since(b.clock.heardAt))
}

// Listening is closed once every lane has been heard of. Until then nobody can be told up to when he has seen everything.
func (b *Board) Listening() <-chan struct{} { return b.listening }

// Silence is how long no beacon has been heard.
func (b *Board) Silence() time.Duration {
	b.clock.mu.Lock()
	defer b.clock.mu.Unlock()
	if b.clock.heardAt.IsZero() {
		return 1<<63 - 1
	}
	return time.Since(b.clock.heardAt)
}

// Len is the number of records kept.
func (b *Board) Len() int {
	n := 0
	for i := range b.lanes {
		l := &b.lanes[i]
		l.mu.Lock()
		n += len(l.entries)
		l.mu.Unlock()
	}
	return n
}

func (b *Board) lane(user string) *boardLane { return &b.lanes[b.source.Lane(user)] }

// enter adds a watcher to the user's entry, and reports whether the caller is the one who must read its record.
func (b *Board) enter(user string) (e *Entry, first bool) {
	l := b.lane(user)
	l.mu.Lock()
	defer l.mu.Unlock()
	e = l.entries[user]
	if e == nil {
		e = &Entry{user: user, place: -1, ready: make(chan struct{})}
		l.entries[user] = e
		first = true
	}
	e.watchers++
	return e, first
}

// load reads the records of entries that the caller has made, and that others may be waiting for by now.
func (b *Board) load(ctx context.Context, entries []*Entry) error {
	ctx, cancel := shared(ctx)
	defer cancel()
	users := make([]string, len(entries))
	for i, e := range entries {
		users[i] = e.user
	}
	load := func(some []string) error { return b.loadThese(ctx, some) }
	err := load(users)
	if errors.Is(err, ErrPanicked) && len(users) > 1 {
		err = inChunks(users, 1, load)
	}
	if err != nil {
		b.abandon(entries, err)
	}
	return err
}

func (b *Board) loadThese(ctx context.Context, users []string) error {
	for len(users) > 0 {
		records, err := b.lookup(ctx, users)
		if err != nil {
			return err
		}
		var again []string
		for _, r := range records {
			if !b.settle(r) {
				again = append(again, r.User)
			}
		}
		users = again
	}
	return nil
}

// lookup reads records of the source.
func (b *Board) lookup(ctx context.Context, users []string) (records []Record, err error) {
	err = b.Panics.Try(PanicInRead, func() error {
		records, err = b.source.Lookup(ctx, "", users)
		return err
	})
	return records, err
}

// inChunks does something for users, some at a time. What panics for several is done for each alone, so that it fails for those only who are the cause:
// others come to their own. What fails in another way ends it.
func inChunks(users []string, size int, do func(some []string) error) (panicked error) {
	for some := range slices.Chunk(users, size) {
		err := do(some)
		if errors.Is(err, ErrPanicked) && len(some) > 1 {
			err = inChunks(some, 1, do)
		}
		switch {
		case errors.Is(err, ErrPanicked):
			panicked = err
		case err != nil:
			return err
		}
	}
	return panicked
}

// settle gives an entry the record that was read for it, and reports false where it must be read once more.
func (b *Board) settle(r Record) bool {
	l := b.lane(r.User)
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entries[r.User]
	if e == nil || e.loaded {
		return true
	}
	if e.again {
		e.again, e.pending = false, nil
		return false
	}
	if l.beacon == 0 || l.doubt {
		// Else it is dated by the last beacon, as those are who are watched already: what it shows is as old as that, or tells its own time.
		e.read = r.AsOf
	}
	for _, c := range e.pending {
		r = r.Apply(c)
	}
	e.Record, e.sure, e.pending, e.loaded, e.whole = r, r.AsOf, nil, true, l.missed
	close(e.ready)
	b.isolate(l, e, func() {
		l.view(e)
		l.expect(e)
		b.gather(l, e)
	})
	return true
}

// abandon gives up entries that could not be read. Those who wait for them learn why.
func (b *Board) abandon(entries []*Entry, err error) {
	for _, e := range entries {
		l := b.lane(e.user)
		l.mu.Lock()
		if !e.loaded {
			e.err = err
			close(e.ready)
			delete(l.entries, e.user)
		}
		l.mu.Unlock()
	}
}

// loaded waits until entries that others have made are read.
func (b *Board) loaded(ctx context.Context, entries []*Entry) error {
	for _, e := range entries {
		select {
		case <-e.ready:
			if e.err != nil {
				return e.err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// await waits until entries that others have made are read, and as new as the store is now.
func (b *Board) await(ctx context.Context, entries []*Entry) error {
	if err := b.loaded(ctx, entries); err != nil {
		return err
	}
	heads, err := b.fence.wait(ctx)
	if err != nil {
		return err
	}
	soon, cancel := context.WithTimeout(ctx, catchUp)
	defer cancel()
	var behind []string
	for _, e := range entries {
		i := b.source.Lane(e.user)
		if !b.lanes[i].reach(soon, heads[i]) {
			behind = append(behind, e.user)
		}
	}
	return b.reread(ctx, behind)
}

// reach waits until the lane's records include all changes up to head, and reports whether they do.
func (l *boardLane) reach(ctx context.Context, head Head) bool {
	for {
		l.mu.Lock()
		if !head.After(l.head) && !l.stale() {
			l.mu.Unlock()
			return true
		}
		if l.moved == nil {
			l.moved = make(chan struct{})
		}
		moved := l.moved
		l.mu.Unlock()
		select {
		case <-moved:
		case <-ctx.Done():
			return false
		}
	}
}

func (l *boardLane) tellMoved() {
	if l.moved != nil {
		close(l.moved)
		l.moved = nil
	}
}

// Changed implements Feed.
func (b *Board) Changed(c Change) {
	l := &b.lanes[c.Lane]
	l.mu.Lock()
	defer l.mu.Unlock()
	b.move(l, c.Head, c.Version)
	if c.Subscription != "" || c.Revocation.User != "" {
		b.note(l, c)
		return
	}
	e := l.entries[c.User]
	if e == nil || !e.loaded { // whoever reads his record may fail
		b.expectIn(l, c)
	}
	if e == nil {
		return
	}
	if !e.loaded || e.whole != l.missed { // without what was missed this would show him as he never was: gone, where another session began unheard
		e.hear(c)
		return
	}
	if !c.Head.After(e.Record.Head) {
		return
	}
	e.Record = e.Record.Apply(c)
	e.sure = e.Record.AsOf
	b.tell(l, e)
}

// note tells the listener of a change that is not one of a user. Should that panic, the lane is read again, with which the listener hears that it
// may have missed some.
func (b *Board) note(l *boardLane, c Change) {
	err := b.Panics.Try(PanicInListener, func() error {
		if c.Subscription != "" {
			b.listener.Subscribed(c.Subscription)
		} else {
			b.listener.Revoked(c.Revocation)
		}
		return nil
	})
	if err != nil {
		b.readAgain(l)
	}
}

func (e *Entry) hear(c Change) {
	if len(e.pending) == pendingLimit {
		e.again = true
		return
	}
	e.pending = append(e.pending, c)
}

// Beacon implements Feed.
func (b *Board) Beacon(n Beacon) {
	b.clock.hear(n.Now)
	l := &b.lanes[n.Lane]
	l.mu.Lock()
	defer l.mu.Unlock()
	l.telling.Store(true)
	defer l.telling.Store(false)
	b.move(l, n.Head, n.Now)
	if l.held != 0 && n.Held == 0 {
		// While the lane was held, what the store had lost was no evidence. Now it is.
		b.readAgain(l)
	}
	l.held = n.Held
	if !l.stale() { // else there may be earlier changes yet to be told
		l.doubt = l.doubt && l.held != 0
		l.beacon = max(l.beacon, n.Now)
		if !l.spoke {
			l.spoke = true
			if b.unheard.Add(-1) == 0 {
				close(b.listening)
			}
		}
		for len(l.expiries) > 0 && l.expiries[0].expires <= l.beacon {
			b.tell(l, l.expiries[0]) // which moves it, or takes it out
		}
		l.publish()
	}
	l.forget()
}

// tell tells the listener of an entry that is to be viewed anew.
func (b *Board) tell(l *boardLane, e *Entry) {
	b.isolate(l, e, func() {
		l.view(e)
		l.expect(e)
		b.gather(l, e) // first, so that whoever sees him leave is not told besides what he does elsewhere
		b.listener.Changed(e)
	})
}

// isolate calls f, which is about one entry. Should it panic, the lane is read again, so that all is told anew that may not have been; should it panic
// then too, others are not to wait for this one, who is told of when he changes next. The lane's lock is held.
func (b *Board) isolate(l *boardLane, e *Entry, f func()) {
	if b.Panics.Try(PanicInListener, func() error { f(); return nil }) == nil {
		e.failed = false
		return
	}
	if e.place >= 0 && e.expires <= l.beacon {
		heap.Remove(&l.expiries, e.place) // else it would be the next again, for ever
	}
	if !e.failed {
		e.failed = true
		b.readAgain(l)
	}
}

// move notes how far the lane has come and what time it is there.
func (b *Board) move(l *boardLane, head Head, now Version) {
	l.clock = max(l.clock, now)
	if !head.After(l.head) {
		return
	}
	if l.head == (Head{}) && (len(l.entries) > 0 || b.rooms.any()) {
		b.readAgain(l) // they were read before anything could be heard
	}
	if head.Epoch != l.head.Epoch && l.head.Epoch != 0 {
		l.held, l.doubt = never, true // until a beacon says how long
		l.publish()
	}
	l.head = head
	l.tellMoved()
}

// forget lets go of records that nobody has watched for a while.
func (l *boardLane) forget() {
	for len(l.idle) > 0 && l.lingered(l.idle[0].since) {
		e := l.idle[0].entry
		l.idle[0] = idling{}
		l.idle = l.idle[1:]
		e.noted = false
		switch {
		case e.watchers > 0:
		case !l.lingered(e.idleAt):
			l.note(e) // watched meanwhile, and left again
		default:
			delete(l.entries, e.user)
			if e.place >= 0 {
				heap.Remove(&l.expiries, e.place)
			}
		}
	}
}

func (l *boardLane) lingered(since Version) bool {
	return l.clock.Time().Sub(since.Time()) > lingerFor
}

// Missed implements Feed.
func (b *Board) Missed(lane int) {
	l := &b.lanes[lane]
	l.mu.Lock()
	defer l.mu.Unlock()
	b.readAgain(l)
}

func (b *Board) readAgain(l *boardLane) {
	l.missed++
	for _, e := range l.entries {
		e.again = e.again || !e.loaded // what is being read now may have missed it too
	}
	b.wake()
}

func (b *Board) wake() { poke(b.work) }

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Lost implements Feed.
func (b *Board) Lost() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.found = false
	if !b.lost {
		b.lost = true
		_ = b.Panics.Try(PanicInListener, func() error { b.listener.Lost(); return nil }) // it hears of Found in any case
	}
}

// Found implements Feed. The listener hears of it when all that was missed has been read.
func (b *Board) Found() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.found = b.lost
	b.wake()
}

// Run reads lanes again that have missed something, until ctx ends.
func (b *Board) Run(ctx context.Context) error {
	var rooms sync.WaitGroup
	rooms.Go(func() { b.runRooms(ctx) })
	defer rooms.Wait()
	var skipped <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-skipped:
			skipped = nil
			b.readSkipped(ctx)
		case <-b.work:
			for !b.catchUpStale(ctx) {
				select {
				case <-ctx.Done():
					return nil
				case <-time.After(retryAfter):
				}
			}
		}
		if b.skipped.Swap(false) {
			skipped = time.After(skippedAfter)
		}
	}
}

// readSkipped tries again what nobody has waited for, because reading it has panicked.
func (b *Board) readSkipped(ctx context.Context) {
	err := b.Panics.Try(PanicInTask, func() error {
		return errors.Join(b.reread(ctx, b.skippedUsers()), b.regatherAll(ctx, b.skippedRooms()))
	})
	if err != nil {
		b.skipped.Store(true)
	}
}

// skippedUsers are those whose lane has been read again without them.
func (b *Board) skippedUsers() (users []string) {
	for i := range b.lanes {
		l := &b.lanes[i]
		l.mu.Lock()
		for u, e := range l.entries {
			if e.loaded && e.whole != l.missed && !l.stale() {
				users = append(users, u)
			}
		}
		l.mu.Unlock()
	}
	return users
}

func (b *Board) skippedRooms() []*Gathering {
	return slices.DeleteFunc(b.rooms.all(), func(g *Gathering) bool { return !g.lacks.Swap(false) && g.panicked.Load() == 0 })
}

// catchUpStale reports false where it must be tried again.
func (b *Board) catchUpStale(ctx context.Context) (ok bool) {
	_ = b.Panics.Try(PanicInTask, func() error {
		ok = b.readStale(ctx) && b.tellFound()
		return nil
	})
	return ok
}

// tellFound tells the listener that the store is found, unless more was missed since the lanes were read again: then Run has been woken. It reports
// false where the listener could not be told.
func (b *Board) tellFound() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.found || b.stale() {
		return true
	}
	if b.Panics.Try(PanicInListener, func() error { b.listener.Found(); return nil }) != nil {
		return false
	}
	b.found, b.lost = false, false
	return true
}

func (b *Board) stale() bool {
	for i := range b.lanes {
		l := &b.lanes[i]
		l.mu.Lock()
		stale := l.stale()
		l.mu.Unlock()
		if stale {
			return true
		}
	}
	return false
}

// readStale reads the stale lanes again, and reports whether that went well.
func (b *Board) readStale(ctx context.Context) bool {
	ok := true
	read := map[*boardLane]uint64{}
	for i := range b.lanes {
		l := &b.lanes[i]
		missed, stale, users := l.lacking()
		if !stale {
			continue
		}
		b.noteMissed(i)
		err := b.reread(ctx, users)
		if errors.Is(err, ErrPanicked) { // the others are not to wait for those who cannot be read
			b.skipped.Store(true)
		} else if err != nil {
			ok = false
			continue
		}
		read[l] = missed
	}
	if len(read) > 0 && b.regatherAll(ctx, b.rooms.all()) != nil {
		return false
	}
	for l, missed := range read {
		l.mu.Lock()
		l.fresh = missed // it may have missed more since
		if !l.stale() {
			l.tellMoved()
		}
		l.mu.Unlock()
	}
	return ok
}

// noteMissed tells the listener that a lane may have told of subscriptions unheard. Should that panic, the lane is read once more.
func (b *Board) noteMissed(lane int) {
	failed := b.Panics.Try(PanicInListener, func() error { b.listener.SubscriptionsMissed(lane); return nil }) != nil
	l := &b.lanes[lane]
	l.mu.Lock()
	defer l.mu.Unlock()
	if failed && !l.failed {
		b.readAgain(l)
	}
	l.failed = failed
}

// lacking are the users to be read again where the lane is stale, and how often it had missed something when it was asked.
func (l *boardLane) lacking() (missed uint64, stale bool, users []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if stale = l.stale(); stale {
		for u, e := range l.entries {
			if e.loaded {
				users = append(users, u)
			}
		}
	}
	return l.missed, stale, users
}

// reread reads records anew and offers what has changed.
func (b *Board) reread(ctx context.Context, users []string) error {
	return inChunks(users, readAtOnce, func(some []string) error { return b.rereadThese(ctx, some) })
}

func (b *Board) rereadThese(ctx context.Context, users []string) error {
	missed := b.missed()
	records, err := b.lookup(ctx, users)
	for _, r := range records {
		b.refresh(r, missed[b.source.Lane(r.User)])
	}
	if err != nil {
		return fmt.Errorf("read again: %w", err)
	}
	return nil
}

// missed is how often each lane has missed something so far: a record that is read now has it.
func (b *Board) missed() []uint64 {
	missed := make([]uint64, len(b.lanes))
	for i := range b.lanes {
		l := &b.lanes[i]
		l.mu.Lock()
		missed[i] = l.missed
		l.mu.Unlock()
	}
	return missed
}

// refresh replaces an entry's record by one that was read later, and has what the lane had missed by then.
func (b *Board) refresh(r Record, missed uint64) {
	l := b.lane(r.User)
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entries[r.User]
	if e == nil || !e.loaded {
		return
	}
	if e.Record.Head.After(r.Head) {
		if e.whole != l.missed && missed == l.missed {
			b.complete(l, e) // it was read later than this
			b.tell(l, e)
		}
		return
	}
	if r.Head.Epoch > max(e.Record.Head.Epoch, l.head.Epoch) {
		l.held, l.doubt = never, true // as by the first message of the new epoch, which is still on its way
		l.publish()
	}
	if l.beacon == 0 || l.doubt || l.stale() {
		// What the store has lost leaves no younger version behind: so the reading dates it. Else, as in settle, the last beacon does.
		e.read = r.AsOf
	}
	if l.held != 0 {
		r = r.besides(e.Record, e.sure)
	}
	e.Record, e.sure = r, r.AsOf
	if missed == l.missed {
		b.complete(l, e)
	}
	b.tell(l, e)
}

// complete gives an entry that has what was missed what was heard since. Where that was too much to keep, the lane is read once more.
func (b *Board) complete(l *boardLane, e *Entry) {
	if e.again {
		e.again, e.pending = false, nil
		b.readAgain(l)
		return
	}
	for _, c := range e.pending {
		e.Record = e.Record.Apply(c)
	}
	e.sure, e.pending, e.whole = e.Record.AsOf, nil, l.missed
}

// expect notes when the passing of time will next change what the entry shows.
func (l *boardLane) expect(e *Entry) {
	at, ok := e.Record.NextExpiry(l.beacon) // the moment at which it is viewed
	e.expires = at
	switch {
	case ok && e.place >= 0:
		heap.Fix(&l.expiries, e.place)
	case ok:
		heap.Push(&l.expiries, e)
	case e.place >= 0:
		heap.Remove(&l.expiries, e.place)
	}
}

// expiries is a heap of entries by the moment at which time alone changes what they show.
type expiries []*Entry

func (h expiries) Len() int           { return len(h) }
func (h expiries) Less(i, j int) bool { return h[i].expires < h[j].expires }
func (h expiries) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i, j
}

func (h *expiries) Push(x any) {
	e := x.(*Entry)
	e.place = len(*h)
	*h = append(*h, e)
}

func (h *expiries) Pop() any {
	old := *h
	e := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	e.place = -1
	return e
}
