package handlers

import (
	"encoding/json"
	"hash/maphash"
	"maps"
	"slices"
	"strconv"

	"github.com/presently/presently/api"
	"github.com/presently/presently/presence"
	"github.com/presently/presently/sse"
)

func roomKey(room string) sse.Key   { return sse.Key{Kind: kindRoom, ID: room} }
func typingKey(room string) sse.Key { return sse.Key{Kind: kindTyping, ID: room} }

// shownRoom is the Memo of a gathering: those to whom the room is shown. Its lock is the gathering's.
type shownRoom struct {
	views   map[*roomView]bool
	typists map[string]bool // members with a mark, perhaps an old one
}

func shownRoomOf(g *presence.Gathering) *shownRoom {
	memo, _ := g.Memo.(*shownRoom)
	if memo == nil {
		memo = &shownRoom{views: map[*roomView]bool{}, typists: map[string]bool{}}
		g.Memo = memo
	}
	return memo
}

// roomView is what one stream has been told of a room. Its lock is the gathering's.
type roomView struct {
	*viewing
	room    string
	members map[string]bool // whom the stream sees there; none in a crowd
	crowded bool
	count   int
	rev     presence.Version
	typing  map[string]uint64 // digests of the lists that it was told, by thread
	first   *sse.Frame        // what it began with
}

// standing is what decides whom a member is shown to. While it stays the same, so does that.
type standing struct {
	in       bool
	hidden   [presence.Self]bool
	related  presence.Version
	typing   bool
	audience presence.Audience
}

func standingOf(e *presence.Entry, room string) standing {
	s := standing{in: e.Record.In(room), typing: e.Record.TypesIn(room, e.Moment()), related: e.Record.RelatedAt, audience: e.Record.PrivacyOrDefault().Typing}
	for c := range s.hidden {
		s.hidden[c] = e.Record.HidesFrom(presence.Class(c))
	}
	return s
}

// Moved implements presence.Listener.
func (f *feed) Moved(g *presence.Gathering, e *presence.Entry) {
	memo, member := shownRoomOf(g), shownOf(e)
	before, now := member.standing, standingOf(e, g.Room)
	*member = shown{related: e.Record.RelatedAt, standing: before}
	if now.typing {
		memo.typists[e.Record.User] = true
	}
	if before == now && !now.typing {
		return
	}
	for v := range memo.views {
		f.isolate(v.stream, func() {
			moved := !v.crowded && !g.Crowded && f.move(g, v, e)
			if before.typing || now.typing || moved && len(memo.typists) > 0 {
				f.retell(g, v)
			}
		})
	}
	member.standing = now // last: what panics is told again
	if !now.typing {
		delete(memo.typists, e.Record.User)
	}
}

// move tells one stream that it sees somebody come into a room, or go out of it.
func (f *feed) move(g *presence.Gathering, v *roomView, e *presence.Entry) bool {
	user := e.Record.User
	visible := e.Record.InFor(v.reader, g.Room)
	if visible == v.members[user] {
		return false
	}
	shows := e.Record.ViewFor(v.reader, e.Moment())
	rev := revOf(e, shows)
	part := &sse.Frame{Part: user}
	if visible {
		rev = max(rev, e.Record.CameInto(v.reader, g.Room))
		frame := f.memberFrame(e, v.reader)
		v.members[user] = true
		v.hold(e, g.Room, frame)
		part.Data = frame.Data
	} else {
		delete(v.members, user)
		v.release(user)
		part.Data = encode(user)
	}
	v.count, v.rev = len(v.members), max(v.rev+1, rev)
	// The sum goes with the part, in fields that a hub does not look at here: of two frames a flush could take the first alone.
	part.Digest, part.Version = uint64(v.count), int64(v.rev)
	v.offer(part)
	return true
}

func (v *roomView) offer(f *sse.Frame) { v.stream.Offer(roomKey(v.room), 0, f) }

// memberFrame is the frame of what a viewer sees of a member. It is made once for each class, until the member changes.
func (f *feed) memberFrame(e *presence.Entry, viewer string) *sse.Frame {
	if !e.Record.Apart(viewer) {
		if frame := shownOf(e).frames[e.Record.ClassOf(viewer)]; frame != nil {
			return frame
		}
	}
	return f.frameFor(e, viewer)
}

// summary is the end of each event of a room: how many members the stream sees, as of when.
func (v *roomView) summary() []byte { return summaryOf(uint64(v.count), int64(v.rev)) }

func summaryOf(count uint64, rev int64) []byte {
	b := strconv.AppendUint([]byte(`"count":`), count, 10)
	return strconv.AppendInt(append(b, `,"rev":`...), rev, 10)
}

// Counted implements presence.Listener.
func (f *feed) Counted(g *presence.Gathering) {
	for v := range shownRoomOf(g).views {
		f.isolate(v.stream, func() {
			switch {
			case g.Crowded:
				f.recount(g, v)
			case v.crowded:
				f.fill(g, v)
				v.offer(f.wholeRoom(g, v))
				v.setCrowd(v.room, false)
				f.retell(g, v)
			}
		})
	}
}

// recount tells a stream how many are in a crowd.
func (f *feed) recount(g *presence.Gathering, v *roomView) {
	count := crowdFor(g, v.reader)
	if v.crowded && count == v.count {
		return
	}
	if !v.crowded {
		v.clear()
		f.retell(g, v)
	}
	v.crowded, v.count = true, count
	v.setCrowd(v.room, true)
	v.offer(f.wholeRoom(g, v))
}

// crowdFor is how many members of a crowd a viewer may see.
func crowdFor(g *presence.Gathering, viewer string) int {
	n := g.Users
	for _, m := range g.Members {
		if m.Record.InForAll(g.Room) {
			n--
		}
		if m.Record.InFor(viewer, g.Room) {
			n++
		}
	}
	return n
}

// clear shows the members of a room no longer.
func (v *roomView) clear() {
	for user := range v.members {
		v.release(user)
	}
	clear(v.members)
}

// fill has a stream see the members of a room.
func (f *feed) fill(g *presence.Gathering, v *roomView) {
	v.crowded = false
	for user, m := range g.Members {
		if m.Record.InFor(v.reader, g.Room) {
			v.members[user] = true
			v.hold(m, g.Room, f.memberFrame(m, v.reader))
		}
	}
	v.count = len(v.members)
}

// attachRoom shows a room to a stream from now on. It is called by the board, so that nothing falls between what it begins with and what
// follows.
func (f *feed) attachRoom(by *viewing, g *presence.Gathering) *roomView {
	v := &roomView{viewing: by, room: g.Room, members: map[string]bool{}, typing: map[string]uint64{}}
	if g.Crowded {
		v.crowded, v.count = true, crowdFor(g, v.reader)
		v.setCrowd(v.room, true)
	} else {
		f.fill(g, v)
	}
	shownRoomOf(g).views[v] = true
	if v.wants.room {
		f.hub.WatchHeld(v.stream, roomKey(g.Room), 0)
		v.first = f.wholeRoom(g, v)
		v.offer(v.first)
	}
	if v.wants.typing {
		f.hub.WatchHeld(v.stream, typingKey(g.Room), 0)
		v.stream.Offer(typingKey(g.Room), 0, f.wholeTyping(g, v))
	}
	return v
}

// detachRoom shows a room no longer.
func (f *feed) detachRoom(g *presence.Gathering, v *roomView) {
	delete(shownRoomOf(g).views, v)
	f.hub.Unwatch(v.stream, roomKey(g.Room))
	f.hub.Unwatch(v.stream, typingKey(g.Room))
	v.clear()
}

// wholeRoom says who is in a room, as far as a stream may see: the inside of an api.RoomState.
func (f *feed) wholeRoom(g *presence.Gathering, v *roomView) *sse.Frame {
	v.rev = max(v.rev+1, v.board.Newest())
	if v.crowded {
		return &sse.Frame{Whole: true, Data: v.summary()}
	}
	b := []byte(`"members":[`)
	for i, user := range slices.Sorted(maps.Keys(v.members)) {
		if i > 0 {
			b = append(b, ',')
		}
		m := g.Members[user]
		v.rev = max(v.rev, m.Record.CameInto(v.reader, g.Room))
		b = append(b, f.memberFrame(m, v.reader).Data...)
	}
	return &sse.Frame{Whole: true, Data: append(append(b, `],`...), v.summary()...)}
}

// mergeRoom makes one event of what happened in a room since the last one: who came and who went, each as of his last move. A whole replaces what
// the client had.
func mergeRoom(k sse.Key, frames []*sse.Frame) []sse.Event {
	var events []sse.Event
	if frames[0].Whole {
		events = append(events, roomEvent(k.ID, frames[0].Data))
		frames = frames[1:]
	}
	if len(frames) == 0 {
		return events
	}
	joined, left, newest := []byte(`"joined":[`), []byte(`"left":[`), frames[0]
	for _, f := range frames {
		if f.Version > newest.Version {
			newest = f // not always the last: who moves again keeps his place
		}
		if f.Data[0] == '{' {
			joined = append(append(joined, f.Data...), ',')
		} else {
			left = append(append(left, f.Data...), ',')
		}
	}
	return append(events, roomEvent(k.ID, closed(joined), closed(left), summaryOf(newest.Digest, newest.Version)))
}

// closed ends a list, each element of which has a comma after it.
func closed(list []byte) []byte {
	if list[len(list)-1] == ',' {
		list = list[:len(list)-1]
	}
	return append(list, ']')
}

func roomEvent(room string, parts ...[]byte) sse.Event {
	b := append([]byte(`{"room":`), encode(room)...)
	for _, p := range parts {
		b = append(append(b, ','), p...)
	}
	return sse.Event{Name: "room", Data: append(b, '}')}
}

// typistsFor are those whom the viewer may see typing in a room, by user and thread.
func (f *feed) typistsFor(g *presence.Gathering, v *roomView) []api.TypistInRoom {
	list := []api.TypistInRoom{}
	if v.crowded || v.count > presence.TypingShown {
		return list
	}
	for _, user := range slices.Sorted(maps.Keys(shownRoomOf(g).typists)) {
		m := g.Members[user]
		if m == nil {
			continue
		}
		list = append(list, typistsOf(m.Record, v.reader, g.Room, m.Moment())...)
	}
	return list
}

// wholeTyping says who types in a room, in all of its threads.
func (f *feed) wholeTyping(g *presence.Gathering, v *roomView) *sse.Frame {
	list := f.typistsFor(g, v)
	clear(v.typing)
	for thread, typing := range byThread(list) {
		v.typing[thread] = maphash.Bytes(seed, encode(typing))
	}
	return &sse.Frame{Whole: true, Data: encode(list)}
}

func byThread(list []api.TypistInRoom) map[string][]api.Typist {
	threads := map[string][]api.Typist{}
	for _, t := range list {
		thread := orZero(t.ThreadID)
		threads[thread] = append(threads[thread], api.Typist{UserID: t.UserID, Profile: t.Profile, ExpiresAt: t.ExpiresAt})
	}
	return threads
}

// retell tells a stream who types in a room, thread by thread, where that has changed.
func (f *feed) retell(g *presence.Gathering, v *roomView) {
	threads := byThread(f.typistsFor(g, v))
	for thread := range v.typing {
		if threads[thread] == nil {
			delete(v.typing, thread)
			v.offerTyping(thread, []api.Typist{})
		}
	}
	for thread, typing := range threads {
		if digest := maphash.Bytes(seed, encode(typing)); v.typing[thread] != digest {
			v.typing[thread] = digest
			v.offerTyping(thread, typing)
		}
	}
}

func (v *roomView) offerTyping(thread string, typing []api.Typist) {
	event := api.TypingEvent{Room: v.room, ThreadID: optional(thread), Typing: typing}
	v.stream.Offer(typingKey(v.room), 0, &sse.Frame{Part: thread, Urgent: true, Data: encode(event)})
}

// typistsOf are the marks of one user in a room, as far as a viewer may see them.
func typistsOf(r presence.Record, viewer, room string, now presence.Version) []api.TypistInRoom {
	var list []api.TypistInRoom
	for _, m := range r.TypesFor(viewer, room, now) {
		t := api.TypistInRoom{UserID: r.User, ThreadID: optional(m.Thread), ExpiresAt: formatTime(m.Until)}
		if p := r.Profile; p.Name != "" || p.Avatar != "" {
			t.Profile = &api.Profile{Name: optional(p.Name), Avatar: optional(p.Avatar)}
		}
		list = append(list, t)
	}
	return list
}

// mergeTyping tells of each thread by itself. A whole, which names no threads that have fallen silent, can only be a snapshot.
func mergeTyping(k sse.Key, frames []*sse.Frame) []sse.Event {
	events := make([]sse.Event, 0, len(frames))
	for _, f := range frames {
		if !f.Whole {
			events = append(events, sse.Event{Name: "typing", Data: f.Data})
			continue
		}
		shows := snapshotContent{typing: []named{{k.ID, f.Data}}}
		events = append(events, shows.events(api.SnapshotScopeChanged, "")...)
	}
	return events
}

// named is JSON under a name.
type named struct {
	name string
	data json.RawMessage
}
