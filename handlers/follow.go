package handlers

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/presently/presently/api"
	"github.com/presently/presently/presence"
	"github.com/presently/presently/sse"
)

// followers are the streams that show subscriptions here, and follow their changes.
type followers struct {
	mu sync.Mutex // guards what follows
	of map[string]map[*follower]bool
}

func (f *followers) enter(one *follower) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.of[one.id] == nil {
		f.of[one.id] = map[*follower]bool{}
	}
	f.of[one.id][one] = true
}

func (f *followers) leave(one *follower) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.of[one.id], one)
	if len(f.of[one.id]) == 0 {
		delete(f.of, one.id)
	}
}

// tell has the streams of the subscriptions that are meant look at them again.
func (f *followers) tell(meant func(id string) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for id, streams := range f.of {
		if !meant(id) {
			continue
		}
		for one := range streams {
			one.changed()
		}
	}
}

func nudge(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Subscribed implements presence.Listener.
func (f *feed) Subscribed(id string) {
	f.followers.mu.Lock()
	defer f.followers.mu.Unlock()
	for one := range f.followers.of[id] {
		one.changed()
	}
}

// SubscriptionsMissed implements presence.Listener.
func (f *feed) SubscriptionsMissed(lane int) {
	f.followers.tell(func(id string) bool { return f.subscriptionLane(id) == lane })
	nudge(f.revoked.again)
}

// readAgainAfter is how long to wait before a subscription is read again that could not be read.
const readAgainAfter = 250 * time.Millisecond

// follow brings a stream in line with its subscription whenever that changes, wherever it was changed, until what it returns is called.
func (s *Server) follow(ctx context.Context, v *viewing, o opening, end *ending) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	f := &follower{Server: s, ctx: ctx, id: o.subscription, v: v, end: end, list: o.watchList, version: o.version}
	s.feed.followers.enter(f)
	f.changed() // it may have been since it was read
	// Which token stands behind it only the store knows: look at it, whatever was revoked.
	leave := s.revoked.hold(o.user, time.Time{}, f.changed)
	return func() {
		leave()
		s.feed.followers.leave(f)
		cancel()
		f.stop()
	}
}

// follower is one stream that shows a subscription. Most of the time nothing changes, and it is no goroutine.
type follower struct {
	*Server
	ctx context.Context // of the stream
	id  string          // of the subscription
	v   *viewing
	end *ending

	// What the stream shows as yet. Whoever looks has it.
	list    watchList
	version presence.Version

	looking sync.WaitGroup // for the one who looks

	mu      sync.Mutex // guards what follows
	due     bool       // it may have changed since it was looked at
	busy    bool       // somebody looks
	stopped bool
}

// changed has the subscription looked at, which may have changed. It does not wait for that.
func (f *follower) changed() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.due = true
	if !f.busy && !f.stopped {
		f.busy = true
		f.looking.Go(func() { f.feed.isolate(f.v.stream, f.keepUp) }) // a panic ends the stream: nobody is to look any more
	}
}

func (f *follower) stop() {
	f.mu.Lock()
	f.stopped = true
	f.mu.Unlock()
	f.looking.Wait()
}

// keepUp looks at the subscription for as long as it may have changed.
func (f *follower) keepUp() {
	for f.next() {
		if err := f.look(f.ctx, f.id); err != nil && f.ctx.Err() == nil {
			f.log.DebugContext(f.ctx, "subscription not followed", "error", err)
			time.AfterFunc(readAgainAfter, f.changed)
		}
	}
}

// next tells whether it is to be looked at.
func (f *follower) next() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.busy = f.due && !f.stopped
	f.due = false
	return f.busy
}

func (f *follower) look(ctx context.Context, id string) error {
	sub, err := f.tracker.Subscription(ctx, id)
	if errors.Is(err, presence.ErrNoSubscription) || err == nil && (sub.Ended || f.revoked.refuses(sub.User, sub.Issued)) {
		f.v.stream.End(f.gone())
		return nil
	}
	if err != nil || sub.Version == f.version {
		return err
	}
	f.end.set(sub.Expires)
	if err := f.apply(ctx, watchListOf(sub)); err != nil {
		return err
	}
	f.version = sub.Version
	return nil
}

// gone is the end of a stream whose subscription was ended.
func (f *follower) gone() sse.Event {
	gone := errGone()
	known, final := problems[gone.code], true
	return sse.Event{Name: "problem", Data: encode(api.Problem{
		Type: "/docs#problem-" + string(gone.code), Title: known.title, Status: int32(known.status),
		Code: gone.code, Detail: gone.detail, RequestID: randomID(), Final: &final,
	})}
}

// apply makes the stream show a new list. What is added comes in a snapshot of its own.
func (f *follower) apply(ctx context.Context, list watchList) error {
	where, err := f.newPlace(ctx, f.v.reader, list)
	if err != nil {
		return err
	}
	f.v.place.Store(where)
	f.v.unwatchUsers(without(f.list.users, list.users))
	f.v.unwatchRooms(without(f.list.rooms, list.rooms))
	f.list.users, f.list.rooms = both(f.list.users, list.users), both(f.list.rooms, list.rooms)
	if f.list.quiet && !list.quiet {
		f.v.stream.Live(f.catchUp)
	}
	if !f.list.quiet && list.quiet {
		f.v.stream.Quiet()
	}
	f.list.quiet = list.quiet
	return f.add(ctx, list)
}

// add shows what is new in a list. Where not all of that can be done now, it shows what can.
func (f *follower) add(ctx context.Context, list watchList) error {
	users, rooms := without(list.users, f.list.users), without(list.rooms, f.list.rooms)
	firsts := map[string]*sse.Frame{}
	err := f.v.watchUsers(ctx, users, func(e *presence.Entry, first view) { firsts[e.Record.User] = first.frame })
	if err != nil {
		return err
	}
	f.list.users = append(f.list.users, users...)
	shown := 0
	for ; shown < len(rooms) && err == nil; shown++ {
		if err = f.v.watchRooms(ctx, rooms[shown:shown+1]); err == nil {
			f.list.rooms = append(f.list.rooms, rooms[shown])
		}
	}
	if keys := keysOf(users, rooms[:shown]); len(keys) > 0 {
		f.v.stream.Resnapshot(keys, func(news []sse.News, cursor string) []sse.Event { return added(firsts, news, cursor) })
	}
	return err
}

func keysOf(users, rooms []string) []sse.Key {
	keys := make([]sse.Key, 0, len(users)+2*len(rooms))
	for _, u := range users {
		keys = append(keys, userKey(u))
	}
	for _, room := range rooms {
		keys = append(keys, roomKey(room), typingKey(room))
	}
	return keys
}

// added is the snapshot of what was added to a list.
func added(firsts map[string]*sse.Frame, news []sse.News, cursor string) []sse.Event {
	var shows snapshotContent
	for _, n := range news {
		if n.Frame == nil && n.Key.Kind == kindUser {
			n.Frame = firsts[n.Key.ID] // he was shown already, in a room
		}
		if n.Frame != nil {
			shows.add(n.Key, n.Frame)
		}
	}
	return shows.events(api.SnapshotScopeAdded, cursor)
}

// catchUp is what a page that was hidden has missed.
func (f *follower) catchUp(news []sse.News, cursor string) []sse.Event {
	var shows snapshotContent
	for _, n := range news {
		shows.add(n.Key, n.Frame)
	}
	if shows.empty() {
		return nil
	}
	return shows.events(api.SnapshotScopeChanged, cursor)
}

// without are the elements of a list that are not in another.
func without(list, other []string) []string {
	return pick(list, other, false)
}

// both are the elements of a list that are in another too.
func both(list, other []string) []string {
	return pick(list, other, true)
}

func pick(list, other []string, in bool) []string {
	set := make(map[string]bool, len(other))
	for _, x := range other {
		set[x] = true
	}
	return slices.DeleteFunc(slices.Clone(list), func(x string) bool { return set[x] != in })
}

// watchListOf is what a subscription shows.
func watchListOf(sub presence.Subscription) watchList {
	list := watchList{users: sub.Users, rooms: sub.Rooms, quiet: sub.Quiet}
	for _, kind := range sub.Events {
		list.wants.add(api.EventKind(kind))
	}
	return list
}
