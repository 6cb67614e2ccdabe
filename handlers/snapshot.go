package handlers

import (
	"bytes"
	"slices"
	"strconv"

	"github.com/presently/presently/api"
	"github.com/presently/presently/sse"
)

// presencesAPart bounds a part of a snapshot, but for a room, which is never divided.
const presencesAPart = 100

// snapshotContent is what a snapshot is to show, in JSON already.
type snapshotContent struct {
	presences []*sse.Frame
	rooms     []named // insides of api.RoomState
	typing    []named // lists of api.TypistInRoom
}

// add takes in what there is to show of a key.
func (c *snapshotContent) add(k sse.Key, f *sse.Frame) {
	switch k.Kind {
	case kindUser:
		c.presences = append(c.presences, f)
	case kindRoom:
		c.rooms = append(c.rooms, named{k.ID, roomState(f.Data)})
	case kindTyping:
		c.typing = append(c.typing, named{k.ID, f.Data})
	}
}

// asAsked puts news of users into the order in which they were asked for: they were watched lane by lane. Who was not asked for comes last.
func asAsked(users []string, news []sse.News) []sse.News {
	i := 0
	for i < len(users) && i < len(news) && news[i].Key == userKey(users[i]) {
		i++
	}
	if i == len(users) || i == len(news) {
		return news // there is one lane
	}
	place := make(map[string]int, len(users))
	for i, u := range users {
		place[u] = i
	}
	placed := make([]sse.News, len(users), len(users)+len(news))
	for _, n := range news {
		if i, asked := place[n.Key.ID]; asked && n.Key.Kind == kindUser {
			placed[i] = n
		} else {
			placed = append(placed, n)
		}
	}
	return placed
}

// roomState is the whole of a room as a snapshot has it, which says of a crowd too who is there: nobody by name.
func roomState(inside []byte) []byte {
	b := []byte(`{`)
	if !bytes.HasPrefix(inside, []byte(`"members":`)) {
		b = append(b, `"members":[],`...)
	}
	return append(append(b, inside...), '}')
}

func (c *snapshotContent) empty() bool { return len(c.presences)+len(c.rooms)+len(c.typing) == 0 }

// events are the parts of a snapshot, of which only the last has an id.
func (c *snapshotContent) events(scope api.SnapshotScope, cursor string) []sse.Event {
	var parts []snapshotContent
	for some := range slices.Chunk(c.presences, presencesAPart) {
		parts = append(parts, snapshotContent{presences: some})
	}
	if len(parts) == 0 {
		parts = append(parts, snapshotContent{})
	}
	size := len(parts[len(parts)-1].presences) * presenceSize
	for _, r := range c.rooms {
		if size > 0 && size+len(r.data) > presencesAPart*presenceSize {
			parts, size = append(parts, snapshotContent{}), 0
		}
		last := &parts[len(parts)-1]
		last.rooms = append(last.rooms, r)
		size += len(r.data)
	}
	parts[len(parts)-1].typing = c.typing
	events := make([]sse.Event, len(parts))
	for i := range parts {
		events[i] = sse.Event{Name: "snapshot", Append: func(dst []byte) []byte { return parts[i].appendTo(dst, scope, i+1, len(parts)) }}
	}
	events[len(events)-1].ID = cursor
	return events
}

// presenceSize is that of a usual presence in bytes.
const presenceSize = 200

// appendTo appends an api.SnapshotEvent: the frames that all share go from where they are to what is written.
func (c *snapshotContent) appendTo(b []byte, scope api.SnapshotScope, part, parts int) []byte {
	b = slices.Grow(b, (len(c.presences)+1)*presenceSize)
	b = strconv.AppendInt(append(b, `{"part":`...), int64(part), 10)
	b = strconv.AppendInt(append(b, `,"parts":`...), int64(parts), 10)
	b = append(append(append(b, `,"scope":"`...), scope...), `","presences":[`...)
	for i, f := range c.presences {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, f.Data...)
	}
	b = appendNamed(append(b, `],"rooms":{`...), c.rooms)
	b = appendNamed(append(b, `},"typing":{`...), c.typing)
	return append(b, "}}"...)
}

func appendNamed(b []byte, list []named) []byte {
	for i, n := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, encode(n.name)...), ':'), n.data...)
	}
	return b
}
