package handlers

import (
	"context"
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

	mu    sync.Mutex           // guards what follows; taken within a lane's and a room's lock
	users map[string]view      // asked for, and how each was at first
	names []string             // of users; replaced, never changed, so that it can be read on
	rooms map[string]*roomView // asked for; what they point to is guarded by their rooms
	held  map[string]int       // users by how many reasons there are to show them: that they were asked for, and each room where they are seen

	// Until a stream that comes back has begun: from when on it missed things, and the members of rooms who have changed since. 0: it has begun, or begins anew.
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
	return &viewing{
		feed: f, board: b, reader: reader, wants: w,
		users: map[string]view{}, rooms: map[string]*roomView{}, held: map[string]int{},
	}
}

// watchUsers shows more users. seen hears of each as he is now.
func (v *viewing) watchUsers(ctx context.Context, users []string, seen func(*presence.Entry)) error {
	if !v.wants.presence {
		return nil
	}
	added := map[string]view{}
	err := v.board.Watch(ctx, users, func(e *presence.Entry) {
		shown := e.Record.ViewFor(v.reader, e.Moment())
		added[e.Record.User] = view{version: shown.Version, frame: v.attach(e)}
		seen(e)
	})
	if err != nil {
		for u := range added {
			v.release(u)
		}
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	maps.Copy(v.users, added)
	v.names = slices.Collect(maps.Keys(v.users))
	return nil
}

// first is how a user was who was asked for.
func (v *viewing) first(user string) view {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.users[user]
}

// attach shows a user from now on, beginning with the frame that it returns. It is called by the board, so that nothing falls between the
// view and what follows.
func (v *viewing) attach(e *presence.Entry) *sse.Frame {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.held[e.Record.User]++
	return v.feed.attach(v.stream, e)
}

// hold shows a member of a room, whom the room's event has brought. A reader who comes back is not told of a room where nobody came or went, and so
// hears by himself of a member who has changed meanwhile.
func (v *viewing) hold(e *presence.Entry, room string, frame *sse.Frame) {
	if !v.wants.presence {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	user, variant := e.Record.User, variantOf(e.Record, v.reader)
	v.held[user]++
	switch first := v.held[user] == 1; {
	case v.since != 0 && e.Record.ViewFor(v.reader, e.Moment()).Version > v.since:
		m := v.missed[user]
		m.rooms = append(m.rooms, room)
		if first {
			m.frame = frame
			v.feed.hub.Watch(v.stream, userKey(user), variant)
			v.stream.Offer(userKey(user), variant, frame)
		}
		v.missed[user] = m
	case first:
		v.feed.hub.WatchSent(v.stream, userKey(user), variant, frame)
	}
}

// comesBack has the stream find out whom its reader has missed since a moment, until it has begun.
func (v *viewing) comesBack(since presence.Version) (begun func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.since, v.missed = since, map[string]missed{}
	return func() {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.since = 0
	}
}

// hasBegun lets go of what only the beginning needs.
func (v *viewing) hasBegun() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.missed = nil
}

// missedIn are the rooms that bring a user with a frame to one who comes back, where they are told whole.
func (v *viewing) missedIn(user string, frame *sse.Frame) []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	if m := v.missed[user]; m.frame == frame {
		return m.rooms
	}
	return nil
}

// release ends one reason to show a user.
func (v *viewing) release(user string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.held[user]--; v.held[user] <= 0 {
		delete(v.held, user)
		v.feed.hub.Unwatch(v.stream, userKey(user))
	}
}

// unwatchUsers shows users no longer, but for those who are seen in a room.
func (v *viewing) unwatchUsers(users []string) {
	if !v.wants.presence {
		return
	}
	v.mu.Lock()
	for _, u := range users {
		delete(v.users, u)
	}
	v.names = slices.Collect(maps.Keys(v.users))
	v.mu.Unlock()
	for _, u := range users {
		v.release(u)
	}
	v.board.Unwatch(users)
}

// watchRooms shows more rooms.
func (v *viewing) watchRooms(ctx context.Context, rooms []string) error {
	for _, room := range rooms {
		err := v.board.WatchRoom(ctx, room, v.reader, func(g *presence.Gathering) {
			rv := v.feed.attachRoom(v, g)
			v.mu.Lock()
			v.rooms[room] = rv
			v.mu.Unlock()
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
	users := slices.Collect(maps.Keys(v.users))
	v.mu.Unlock()
	v.board.Unwatch(users)
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
	users, rooms := v.names, len(v.rooms) > 0
	v.mu.Unlock()
	if rooms {
		return v.board.HeardAll()
	}
	return v.board.Heard(users)
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
