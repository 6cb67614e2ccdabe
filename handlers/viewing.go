package handlers

import (
	"context"
	"iter"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/presently/presently/api"
	"github.com/presently/presently/presence"
	"github.com/presently/presently/sse"
)

// viewing is one open stream and what it watches: the users and rooms that were asked for, and the members whom it sees in these rooms.
type viewing struct {
	feed   *feed
	board  *presence.Board
	stream *sse.Stream
	reader string
	wants  wants
	place  atomic.Pointer[place] // of its present watch list

	// Ten thousand of these wait at a time: lists are as long as they need to be, and maps are nil until there is a room.
	mu    sync.Mutex           // guards what follows; taken within a lane's and a room's lock
	users []string             // asked for
	found bool                 // users are sorted, because somebody was looked for among them
	lanes []int                // of users; replaced, never changed, so that it can be read on
	rooms map[string]*roomView // asked for; what they point to is guarded by their rooms
	crowd map[string]bool      // rooms of which the stream may have been told the number alone, if nothing since
	seen  map[string]int       // members by the number of rooms where they are shown
	back  *comeback            // nil: it has begun, or begins anew
}

// comeback is what a stream finds out that comes back, while it begins: which members of rooms have changed since its reader was here.
type comeback struct {
	since  presence.Version
	missed map[string]missed
}

// missed is a member of rooms as he is now, whom the reader has last seen otherwise.
type missed struct {
	frame *sse.Frame
	rooms []string
}

// wants are the kinds of events that a stream is to tell.
type wants struct{ presence, room, typing bool }

func (w *wants) add(kind api.EventKind) {
	switch kind {
	case api.EventKindPresence:
		w.presence = true
	case api.EventKindRoom:
		w.room = true
	case api.EventKindTyping:
		w.typing = true
	}
}

// view is how a user was when a stream began to watch him.
type view struct {
	version presence.Version
	frame   *sse.Frame
}

func newViewing(f *feed, b *presence.Board, reader string, w wants) *viewing {
	return &viewing{feed: f, board: b, reader: reader, wants: w}
}

// watchUsers shows more users. seen hears of each as he is now, lane after lane.
func (v *viewing) watchUsers(ctx context.Context, users []string, seen func(*presence.Entry, view)) error {
	if !v.wants.presence {
		return nil
	}
	v.mu.Lock()
	v.users = slices.Grow(v.users, len(users))
	v.mu.Unlock()
	watched := false
	defer func() {
		if !watched { // because of an error, or a panic: the board has let go of all of them
			v.forget(slices.Values(users))
		}
	}()
	if err := v.board.Watch(ctx, users, func(e *presence.Entry) { seen(e, v.attach(e)) }); err != nil {
		return err
	}
	watched = true
	v.mu.Lock()
	defer v.mu.Unlock()
	v.lanes = v.board.LanesOf(slices.Values(v.users))
	return nil
}

// attach shows a user from now on, beginning with the frame that it returns. It is called by the board, so that nothing falls between the
// view and what follows.
func (v *viewing) attach(e *presence.Entry) view {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.users, v.found = append(v.users, e.Record.User), false // one string for all who watch him, where the request's would keep the request's alive
	return v.feed.attach(v.stream, e)
}

// find is where a user stands who was asked for. Only streams that have rooms, or are changed, look for any: the others need not be sorted. The lock
// is held.
func (v *viewing) find(user string) (i int, asked bool) {
	if !v.found {
		slices.Sort(v.users)
		v.found = true
	}
	return slices.BinarySearch(v.users, user)
}

// asks tells whether a user was asked for. The lock is held.
func (v *viewing) asks(user string) bool {
	_, asked := v.find(user)
	return asked
}

// forget shows users no longer who were asked for, but for those who are seen in a room.
func (v *viewing) forget(users iter.Seq[string]) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for u := range users {
		if i, asked := v.find(u); asked {
			v.users = slices.Delete(v.users, i, i+1)
		}
		if v.seen[u] == 0 {
			v.feed.hub.Unwatch(v.stream, userKey(u))
		}
	}
	v.lanes = v.board.LanesOf(slices.Values(v.users))
}

// hold shows a member of a room, whom the room's event has brought. A reader who comes back is not told of a room where nobody came or went, and so
// hears by himself of a member who has changed meanwhile.
func (v *viewing) hold(e *presence.Entry, room string, frame *sse.Frame) {
	if !v.wants.presence {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.seen == nil {
		v.seen = map[string]int{}
	}
	user := e.Record.User
	v.seen[user]++
	if v.asks(user) {
		return
	}
	variant, first := variantOf(e, v.reader), v.seen[user] == 1
	switch {
	case v.back != nil && e.Record.ViewFor(v.reader, e.Moment()).Version > v.back.since:
		m := v.back.missed[user]
		m.rooms = append(m.rooms, room)
		if first {
			m.frame = frame
			v.feed.hub.Watch(v.stream, userKey(user), variant)
			v.stream.Offer(userKey(user), variant, frame)
		}
		v.back.missed[user] = m
	case first:
		v.feed.hub.WatchSent(v.stream, userKey(user), variant, frame)
	}
}

// comesBack has the stream find out whom its reader has missed since a moment, until it has begun.
func (v *viewing) comesBack(since presence.Version) *comeback {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.back = &comeback{since: since, missed: map[string]missed{}}
	return v.back
}

// begun says that all is watched that the stream was opened for. What is missed is known by now.
func (v *viewing) begun() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.back = nil
}

// release shows a member no longer in one of the rooms where he was seen.
func (v *viewing) release(user string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.seen[user] > 1 {
		v.seen[user]--
		return
	}
	delete(v.seen, user)
	if !v.asks(user) {
		v.feed.hub.Unwatch(v.stream, userKey(user))
	}
}

// unwatchUsers shows users no longer, but for those who are seen in a room.
func (v *viewing) unwatchUsers(users []string) {
	if v.wants.presence {
		v.forget(slices.Values(users))
		v.board.Unwatch(users)
	}
}

// watchRooms shows more rooms.
func (v *viewing) watchRooms(ctx context.Context, rooms []string) error {
	for _, room := range rooms {
		err := v.board.WatchRoom(ctx, room, v.reader, func(g *presence.Gathering) {
			rv := v.feed.attachRoom(v, g)
			v.mu.Lock()
			defer v.mu.Unlock()
			if v.rooms == nil {
				v.rooms = map[string]*roomView{}
			}
			v.rooms[room] = rv
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// unwatchRooms shows rooms no longer.
func (v *viewing) unwatchRooms(rooms []string) {
	for _, room := range rooms {
		if rv := v.room(room); rv != nil {
			v.board.InRoom(room, func(g *presence.Gathering) { v.feed.detachRoom(g, rv) })
			v.mu.Lock()
			delete(v.rooms, room)
			delete(v.crowd, room)
			v.mu.Unlock()
			v.board.UnwatchRoom(room, v.reader)
		}
	}
}

func (v *viewing) room(name string) *roomView {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.rooms[name]
}

// end lets go of everything. The stream has ended.
func (v *viewing) end() {
	v.mu.Lock()
	users := v.users
	v.mu.Unlock()
	v.board.Unwatch(users) // nobody changes them any more
	v.unwatchRooms(v.roomNames())
}

func (v *viewing) roomNames() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Collect(maps.Keys(v.rooms))
}

// heard is the time up to which everything that the stream watches has been heard.
func (v *viewing) heard() presence.Version {
	v.mu.Lock()
	lanes, rooms := v.lanes, len(v.rooms) > 0
	v.mu.Unlock()
	if rooms {
		return v.board.HeardAll()
	}
	return v.board.Heard(lanes)
}

// setCrowd notes that a room is told by its number, before that is offered; or, once who is there has been offered, that it no longer is.
func (v *viewing) setCrowd(room string, is bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if is {
		if v.crowd == nil {
			v.crowd = map[string]bool{}
		}
		v.crowd[room] = true
	} else {
		delete(v.crowd, room)
	}
}

// crowds are the rooms whose number is all that the stream tells.
func (v *viewing) crowds() (c crowds) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for room := range v.crowd {
		c |= crowdBit(room)
	}
	return c
}

// whole says everything about a room whose changes were dropped, because the reader is slow or quiet.
func (v *viewing) whole(k sse.Key) *sse.Frame {
	rv := v.room(k.ID)
	if rv == nil {
		return nil
	}
	var frame *sse.Frame
	v.board.InRoom(k.ID, func(g *presence.Gathering) {
		switch k.Kind {
		case kindRoom:
			frame = v.feed.wholeRoom(g, rv)
		case kindTyping:
			frame = v.feed.wholeTyping(g, rv)
		}
	})
	return frame
}
