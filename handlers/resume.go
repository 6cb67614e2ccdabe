package handlers

import (
	"context"
	"time"

	"github.com/presently/presently/presence"
)

// roomsChangedSince finds out in which of a stream's rooms its reader would have seen something change since a moment: somebody came, or went, or came
// out of hiding, or hid; and all of those that he knew as crowds, whose members were never told to him. Of those who have gone the store tells, for as long as a stream can be away.
func (s *Server) roomsChangedSince(ctx context.Context, v *viewing, since presence.Version, were crowds) (map[string]bool, error) {
	changed := map[string]bool{}
	for _, room := range v.roomNames() {
		if changed[room] = were.has(room); changed[room] {
			continue
		}
		whether, err := s.roomChangedSince(ctx, v, room, since)
		if err != nil {
			return nil, err
		}
		changed[room] = whether
	}
	return changed, nil
}

func (s *Server) roomChangedSince(ctx context.Context, v *viewing, room string, since presence.Version) (bool, error) {
	if time.Duration(s.board.Newest()-since)*time.Microsecond > presence.GoneKept || v.membersChangedSince(room, since) {
		return true, nil
	}
	index, err := s.tracker.Room(ctx, presence.RoomQuery{Room: room, Since: since})
	if err != nil || len(index.Gone) == 0 {
		return false, err
	}
	if len(index.Gone) > presence.RoomShown { // the room itself is cheaper to tell than to find out
		return true, nil
	}
	records, err := s.tracker.Lookup(ctx, v.reader, index.Gone)
	if err != nil {
		return false, err
	}
	for _, r := range records {
		if !r.HiddenSince(v.reader, since) {
			return true, nil
		}
	}
	return false, nil
}

// membersChangedSince tells the same of those who are in the room. Of a crowd, whose number is all there is to tell, nobody knows what it was.
func (v *viewing) membersChangedSince(room string, since presence.Version) (changed bool) {
	v.board.InRoom(room, func(g *presence.Gathering) {
		changed = g.Crowded
		for _, m := range g.Members {
			switch r := m.Record; {
			case !r.In(room):
			case r.InFor(v.reader, room):
				changed = changed || r.CameInto(v.reader, room) > since
			default:
				changed = changed || !r.HiddenSince(v.reader, since)
			}
		}
	})
	return changed
}
