package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/presently/presently/api"
)

// picture is what a stream has shown so far. It is the least that a client of streams has to do: take what replaces, drop what is not newer.
type picture struct {
	asked    []string // users, in the order in which they were named
	users    map[string]api.Presence
	rooms    map[string]*roomPicture
	degraded bool
}

type roomPicture struct {
	count   int64
	rev     int64
	crowded bool // of so many only the count is told
	members map[string]bool
	typing  []api.TypistInRoom
	told    string // of it
}

func newPicture(users, rooms []string) *picture {
	p := &picture{asked: users, users: map[string]api.Presence{}, rooms: map[string]*roomPicture{}}
	for _, room := range rooms {
		p.rooms[room] = &roomPicture{members: map[string]bool{}}
	}
	return p
}

// hear takes an event, and tells in words what it has changed.
func (p *picture) hear(e event) ([]string, error) {
	switch e.name {
	case "snapshot":
		return hearAs(e, p.snapshot)
	case "presence":
		return hearAs(e, func(e api.PresenceEvent) []string { return p.presences(e.Presences) })
	case "room":
		return hearAs(e, p.room)
	case "typing":
		return hearAs(e, p.typing)
	case "degraded":
		p.degraded = true
		return []string{"the server has lost its store: this is how things were"}, nil
	case "recovered":
		p.degraded = false
		return []string{"the server has its store again"}, nil
	case "tokenExpiring":
		return []string{"the token is about to expire, and the stream with it"}, nil
	}
	return nil, nil // hello, ping, reconnect, and what later versions may tell
}

func hearAs[T any](e event, take func(T) []string) ([]string, error) {
	var v T
	if err := json.Unmarshal([]byte(e.data), &v); err != nil {
		return nil, fmt.Errorf("the event %s cannot be read: %w", plain(e.name), err)
	}
	return take(v), nil
}

// presences takes those that are newer than what is known.
func (p *picture) presences(all []api.Presence) (lines []string) {
	for _, now := range all {
		was, known := p.users[now.UserID]
		if known && now.Rev <= was.Rev {
			continue
		}
		p.users[now.UserID] = now
		if before, after := describe(was), describe(now); !known || before != after {
			lines = append(lines, nameOf(now)+"  "+after)
		}
	}
	return lines
}

func (p *picture) snapshot(s api.SnapshotEvent) []string {
	lines := p.presences(s.Presences)
	for _, name := range slices.Sorted(maps.Keys(s.Rooms)) {
		state := s.Rooms[name]
		lines = append(lines, p.room(api.RoomEvent{Room: name, Count: state.Count, Members: state.Members, Rev: state.Rev})...)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Typing)) {
		room := p.rooms[name]
		if room == nil {
			continue
		}
		room.typing = s.Typing[name]
		lines = append(lines, p.typingLine(name, room)...)
	}
	return lines
}

// room takes who is there, who has come or gone, or the count alone.
func (p *picture) room(e api.RoomEvent) []string {
	room := p.rooms[e.Room]
	if room == nil || e.Rev < room.rev {
		return nil
	}
	room.count, room.rev = e.Count, e.Rev
	var lines []string
	come := func(all []api.Presence) {
		for _, m := range all {
			if told := p.presences([]api.Presence{m}); slices.Contains(p.asked, m.UserID) {
				lines = append(lines, told...) // of others the room tells
			}
			if !room.members[m.UserID] {
				lines = append(lines, fmt.Sprintf("%s  + %s, %s (%d here)", plain(e.Room), nameOf(m), describe(m), e.Count))
			}
			room.members[m.UserID] = true
		}
	}
	leave := func(user string) {
		if room.members[user] {
			lines = append(lines, fmt.Sprintf("%s  - %s (%d here)", plain(e.Room), p.nameOf(user), e.Count))
		}
		delete(room.members, user)
	}
	switch {
	case e.Count > 0 && len(e.Members) == 0 && e.Joined == nil && e.Left == nil: // of so many only the count is told
		clear(room.members)
	case e.Members != nil:
		here := map[string]bool{}
		for _, m := range e.Members {
			here[m.UserID] = true
		}
		for _, user := range slices.Sorted(maps.Keys(room.members)) {
			if !here[user] {
				leave(user)
			}
		}
	}
	come(e.Members)
	come(e.Joined)
	for _, user := range e.Left {
		leave(user)
	}
	room.crowded = e.Count > int64(len(room.members))
	if len(lines) == 0 {
		lines = []string{fmt.Sprintf("%s  %d here", plain(e.Room), e.Count)}
	}
	return lines
}

// typing takes the list of one thread of a room, which replaces that of before.
func (p *picture) typing(e api.TypingEvent) []string {
	room := p.rooms[e.Room]
	if room == nil {
		return nil
	}
	room.typing = slices.DeleteFunc(slices.Clone(room.typing), func(t api.TypistInRoom) bool { return deref(t.ThreadID) == deref(e.ThreadID) })
	for _, t := range e.Typing {
		room.typing = append(room.typing, api.TypistInRoom{UserID: t.UserID, Profile: t.Profile, ThreadID: e.ThreadID, ExpiresAt: t.ExpiresAt})
	}
	return p.typingLine(e.Room, room)
}

// typingLine tells who types in a room, unless that was told last.
func (p *picture) typingLine(name string, room *roomPicture) []string {
	who := strings.Join(p.typistsOf(room, time.Now()), ", ")
	if who == room.told {
		return nil
	}
	room.told = who
	return []string{plain(name) + "  typing: " + cmp.Or(who, "nobody")}
}

// typistsOf are those who type. A mark that has ended by the clock does so without being told, where the stream is away.
func (p *picture) typistsOf(room *roomPicture, now time.Time) []string {
	var who []string
	for _, t := range room.typing {
		if end, err := time.Parse(time.RFC3339, t.ExpiresAt); err == nil && now.After(end.Add(typingSlack)) {
			continue
		}
		name := p.nameOf(t.UserID)
		if t.ThreadID != nil {
			name += " (" + plain(*t.ThreadID) + ")"
		}
		who = append(who, name)
	}
	slices.Sort(who)
	return who
}

// typingSlack is by how much this machine's clock may be ahead of the server's.
const typingSlack = 10 * time.Second

func (p *picture) nameOf(user string) string {
	if known, ok := p.users[user]; ok {
		return nameOf(known)
	}
	return plain(user)
}

func nameOf(p api.Presence) string {
	if p.Profile != nil && deref(p.Profile.Name) != "" && *p.Profile.Name != p.UserID {
		return plain(*p.Profile.Name) + " (" + plain(p.UserID) + ")"
	}
	return plain(p.UserID)
}

// describe tells in words how somebody is.
func describe(p api.Presence) string {
	words := []string{cmp.Or(string(p.Status), "unknown")}
	if len(p.Devices) > 0 {
		var all []string
		for _, d := range slices.Sorted(maps.Keys(p.Devices)) {
			all = append(all, plain(d)+" "+string(p.Devices[d]))
		}
		words = append(words, "("+strings.Join(all, ", ")+")")
	}
	if p.LastActiveAt != nil {
		words = append(words, "since "+clockOf(*p.LastActiveAt))
	}
	switch {
	case p.LastSeenAt != nil:
		words = append(words, "last seen "+clockOf(*p.LastSeenAt))
	case p.LastSeen != nil:
		words = append(words, "last seen: "+string(*p.LastSeen))
	}
	if p.Custom != nil {
		words = append(words, strings.TrimSpace(plain(deref(p.Custom.Emoji))+" “"+plain(p.Custom.Text)+"”"))
	}
	if a := p.Activity; a != nil {
		words = append(words, strings.TrimSpace("· "+string(a.Type)+" "+plain(cmp.Or(deref(a.Label), deref(a.Target)))))
	}
	return strings.Join(words, " ")
}

// clockOf is a time of the wire in this machine's zone, with the day where that is not today.
func clockOf(wire string) string {
	t, err := time.Parse(time.RFC3339, wire)
	if err != nil {
		return plain(wire)
	}
	t = t.Local()
	if y, m, d := time.Now().Date(); t.Year() == y && t.Month() == m && t.Day() == d {
		return t.Format("15:04:05")
	}
	return t.Format("2006-01-02 15:04")
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
