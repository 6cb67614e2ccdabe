package presence

import (
	"context"
	"strings"
	"time"
)

const (
	// looksMost is how many records are kept because somebody has looked at their users, which strangers decide. One of a user with many
	// relations counts for several. With some 2 KiB each that is 40 MiB; past it, those go who were looked at first.
	looksMost = 20_000
	// relationsAsARecord is how many relations weigh as much as a record.
	relationsAsARecord = 16
	// lookWaits is how long a look waits for a lane that is behind before it reads the store, which takes about as long.
	lookWaits = 50 * time.Millisecond
)

// Moment is how far a lane has come, and when that was: every later change has a greater version than AsOf.
type Moment struct {
	Head
	AsOf Version
}

// Looker is told by Look how users are, by their place in its list. It is told of each once, by one of the two; in no order, but never of two
// at once.
type Looker interface {
	// Kept is told of one whose record the board keeps, as it is as of a moment or later; called as a Listener is.
	Kept(place int, e *Entry, asOf Version)
	// Read is told of one whose record was read from the store.
	Read(place int, r Record)
}

// Look finds out how users are, each as of a moment after the call began: so that it shows every write that was acknowledged before, at whichever
// instance. Users who have been looked at of late are kept on the board, in step with the store, and cost a map's look; for all of them together, and
// for all who look at the same time, one small read tells how far the lanes must have come. The others are read from the store.
//
// Where the board cannot be sure of a lane (it is behind, has missed something, or may have lost something) all of its users are read. So are those
// who are on the board for another reason, such as that they watch a room: how long a look takes tells nothing of a user but that
// others have looked at him. For the same reason nobody is kept because he has looked at himself.
func (b *Board) Look(ctx context.Context, viewer string, users []string, to Looker) error {
	l := &look{board: b, viewer: viewer, users: users, to: to}
	if b.away.Load() {
		return l.read(ctx, allOf(users))
	}
	l.sort()
	if len(l.lanes) == 0 {
		return l.read(ctx, allOf(users))
	}
	moments, err := b.moments.wait(ctx)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil { // perhaps one lane alone cannot be asked, in which none of them is
		return l.read(ctx, allOf(users))
	}
	for i := range l.lanes {
		l.kept(ctx, &l.lanes[i], moments[l.lanes[i].lane])
	}
	if len(l.others) == 0 {
		return nil
	}
	return l.read(ctx, l.others)
}

func allOf(users []string) []int {
	places := make([]int, len(users))
	for i := range places {
		places[i] = i
	}
	return places
}

// look is one call of Look.
type look struct {
	board  *Board
	viewer string
	users  []string
	to     Looker
	lanes  []lookLane // of users who may be on the board
	others []int      // places of those who are to be read
}

// lookLane is what there is to look at in one lane.
type lookLane struct {
	lane   int
	before Head  // how far it had been heard when the look began
	places []int // of users
}

// sort finds out whom the board may know, lane by lane.
func (l *look) sort() {
	lanes, ends := make([]int, len(l.users)), make([]int, len(l.board.lanes)+1)
	for place, user := range l.users {
		lanes[place] = l.board.source.Lane(user)
		ends[lanes[place]+1]++
	}
	for i := range l.board.lanes {
		ends[i+1] += ends[i]
	}
	places := make([]int, len(l.users))
	for place, lane := range lanes {
		places[ends[lane]] = place
		ends[lane]++
	}
	from := 0
	for i, to := range ends[:len(l.board.lanes)] {
		of := lookLane{lane: i, places: places[from:to]}
		if from = to; len(of.places) == 0 {
			continue
		}
		if l.known(&of) {
			l.lanes = append(l.lanes, of)
		} else {
			l.others = append(l.others, of.places...)
		}
	}
}

// known reports whether the board has any of the users of a lane.
func (l *look) known(of *lookLane) bool {
	lane := &l.board.lanes[of.lane]
	lane.mu.Lock()
	defer lane.mu.Unlock()
	of.before = lane.head
	if !lane.sound() {
		return false
	}
	for _, place := range of.places {
		if lane.looked(l.users[place]) != nil {
			return true
		}
	}
	return false
}

// kept tells of the users of one lane who are on the board, once it is as far as the store was.
func (l *look) kept(ctx context.Context, of *lookLane, m Moment) {
	lane := &l.board.lanes[of.lane]
	lane.mu.Lock()
	if m.After(lane.head) {
		lane.mu.Unlock()
		soon, cancel := context.WithTimeout(ctx, lookWaits)
		lane.reach(soon, m.Head)
		cancel()
		lane.mu.Lock()
	}
	defer lane.mu.Unlock()
	// A store that has gone back, or is in another epoch, may have lost what is believed here.
	if !lane.sound() || m.After(lane.head) || m.Epoch != lane.head.Epoch || of.before.After(m.Head) {
		l.others = append(l.others, of.places...)
		return
	}
	for _, place := range of.places {
		e := lane.looked(l.users[place])
		if e == nil {
			l.others = append(l.others, place)
			continue
		}
		lane.lookedAt(e, l.viewer)
		l.to.Kept(place, e, m.AsOf)
	}
}

// read tells of users by what the store has.
func (l *look) read(ctx context.Context, places []int) error {
	keep, rest, mine := l.board.toKeep(l.viewer, l.users, places)
	if err := l.lookup(ctx, "", keep, mine); err != nil {
		return err
	}
	return l.lookup(ctx, l.viewer, rest, nil)
}

// lookup reads the records of some, and gives them to the entries that were made for them.
func (l *look) lookup(ctx context.Context, viewer string, places []int, mine []*Entry) error {
	if len(places) == 0 {
		return nil
	}
	if len(mine) > 0 { // others may be waiting for them by now
		var cancel func()
		ctx, cancel = shared(ctx)
		defer cancel()
	}
	settled := false
	defer func() { // even where the source panics
		if !settled {
			l.board.abandon(mine, ErrUnavailable)
			l.board.leave(mine)
		}
	}()
	users := make([]string, len(places))
	for i, place := range places {
		users[i] = l.users[place]
	}
	records, err := l.board.source.Lookup(ctx, viewer, users)
	if err != nil {
		return err
	}
	if len(mine) > 0 {
		err = l.board.settleLooks(ctx, records, mine)
	}
	settled = err == nil
	if err != nil {
		return err
	}
	if viewer == "" {
		l.board.noteLooks(records)
	}
	for i, r := range records {
		l.to.Read(places[i], r)
	}
	return nil
}

// toKeep divides users who are to be read from the store: those whom the board is to keep from now on, if it does not have them already, and the rest.
// mine are the entries that were made for that, with the caller for a watcher.
func (b *Board) toKeep(viewer string, users []string, places []int) (keep, rest []int, mine []*Entry) {
	for _, place := range places {
		user := users[place]
		l := b.lane(user)
		l.mu.Lock()
		e := l.entries[user]
		switch {
		case user == viewer || b.away.Load() || !l.sound():
			rest = append(rest, place)
		case e != nil:
			keep = append(keep, place)
		case !l.makeRoom(looksMost / len(b.lanes)):
			rest = append(rest, place)
		default:
			user = strings.Clone(user) // which outlives the request that it is a part of
			users[place] = user
			e = &Entry{user: user, place: -1, ready: make(chan struct{}), watchers: 1, weight: 1}
			l.entries[user] = e
			l.looks++
			keep, mine = append(keep, place), append(mine, e)
		}
		l.mu.Unlock()
	}
	return keep, rest, mine
}

// makeRoom reports whether one more record may be kept for a look. Whoever came first goes for him: were the newcomer not kept, somebody who looks at many could
// have others be read each time, as long as he likes, and time it. The lane's lock is held.
func (l *boardLane) makeRoom(most int) bool {
	const tries = 8 // some are watched by now, or were left by a stream
	for range tries {
		if l.looks < most || len(l.idle) == 0 {
			break
		}
		e := l.idle[0].entry
		l.idle[0] = idling{}
		l.idle = l.idle[1:]
		e.noted = false
		switch {
		case e.watchers > 0: // it is noted when it is left
		case e.weight == 0:
			l.note(e)
		default:
			l.remove(e)
		}
	}
	return l.looks < most
}

// settleLooks gives entries the records that were read for them, and lets go of them: they stay for a while.
func (b *Board) settleLooks(ctx context.Context, records []Record, mine []*Entry) error {
	made := make(map[string]bool, len(mine))
	for _, e := range mine {
		made[e.user] = true
	}
	var again []string
	for _, r := range records {
		if made[r.User] && !b.settle(r) {
			again = append(again, r.User)
		}
	}
	if err := b.loadThese(ctx, again); err != nil {
		return err
	}
	b.leave(mine)
	return nil
}

// noteLooks notes that users have been looked at.
func (b *Board) noteLooks(records []Record) {
	for _, r := range records {
		l := b.lane(r.User)
		l.mu.Lock()
		if e := l.entries[r.User]; e != nil {
			if e.weight > 0 {
				weight := 1 + len(r.Relations)/relationsAsARecord
				l.looks += weight - e.weight
				e.weight = weight
			}
			l.lookedAt(e, "")
		}
		l.mu.Unlock()
	}
}

// sound reports whether the lane's records are what the store has, up to the lane's head: nothing was missed, and nothing may have been lost. A hold that
// has been on since before anything was heard here is no cause for doubt.
func (l *boardLane) sound() bool { return l.spoke && !l.doubt && !l.stale() }

// looked finds the entry of a user who has been looked at of late. The lane's lock is held.
func (l *boardLane) looked(user string) *Entry {
	e := l.entries[user]
	if e == nil || !e.loaded || e.failed || e.whole != l.missed || l.clock-e.lookedAt > Version(lingerFor/time.Microsecond) {
		return nil
	}
	return e
}

// lookedAt notes that somebody has looked at an entry, which lasts for a while from then on.
func (l *boardLane) lookedAt(e *Entry, viewer string) {
	if e.user == viewer {
		return
	}
	e.lookedAt, e.idleAt = l.clock, max(e.idleAt, l.clock)
}

// LooksTheSameUntil is a moment until which the passing of time changes nothing of what a viewer sees, from now on. A change to the record may, before that.
func (r Record) LooksTheSameUntil(viewer string, now Version) Version {
	until, expires := r.NextExpiry(now)
	if !expires {
		until = never
	}
	seen := func(t time.Time) { // what may be shown as a bucket, and is forgotten one day
		if t.IsZero() {
			return
		}
		for _, border := range bucketBorders {
			if at := VersionAt(t.Add(border + time.Microsecond - 1)); at > now { // the first µs that is past it
				until = min(until, at)
				return
			}
		}
	}
	hiding := func(h Hiding) {
		seen(h.At)
		seen(h.Seen)
	}
	seen(r.Seen.At)
	for class := range r.Hidings {
		hiding(r.Hidings[class])
	}
	if rel, related := r.Relations[viewer]; related {
		hiding(rel.Hiding)
	}
	return until
}
