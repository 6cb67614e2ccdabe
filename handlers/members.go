package handlers

import (
	"context"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"

	"github.com/presently/presently/api"
	"github.com/presently/presently/presence"
)

const (
	pageSize = 100 // of a list whose reader asks for no other
	lookups  = 501 // records that are read at once: the longest page, and one to know whether more follow

	// Numbers of a room that is changing all the time are taken as they come after so many tries.
	countTries = 3
)

// page is a part of those whom a viewer may see in a room.
type page struct {
	presences []api.Presence
	count     int         // on all pages
	cursor    *api.Cursor // nil: there is no more
}

// pageOf is what the asking user may see of a room, or of everybody who is here (presence.Everywhere).
func (s *Server) pageOf(r *http.Request, room string, limit *api.Limit, cursor *api.Cursor) (page, error) {
	size, viewer := pageSize, identity(r).User
	if limit != nil {
		size = int(*limit)
	}
	after, err := readCursor(cursor)
	if err != nil {
		return page{}, err
	}
	found, more, err := s.membersFor(r.Context(), viewer, room, after, size)
	if err != nil {
		return page{}, err
	}
	p := page{presences: make([]api.Presence, 0, len(found)), count: len(found)}
	for _, m := range found {
		p.presences = append(p.presences, presenceOf(m.ViewFor(viewer, m.AsOf), m.AsOf))
	}
	if more {
		p.cursor = new(cursorAfter(found[len(found)-1].User))
	}
	if more || after != "" {
		n, err := s.headcountFor(r.Context(), viewer, room)
		if err != nil {
			return page{}, err
		}
		p.count = n.users
	}
	return p, nil
}

// cursorStart begins each cursor, before the last user of the page. Cursors of another form will have another.
const cursorStart = "\x02"

func cursorAfter(user string) api.Cursor {
	return base64.RawURLEncoding.EncodeToString([]byte(cursorStart + user))
}

// readCursor gets back the user after whom a page begins.
func readCursor(c *api.Cursor) (after string, err error) {
	if c == nil {
		return "", nil
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(*c)
	after, ours := strings.CutPrefix(string(raw), cursorStart)
	if err != nil || !ours || !presence.ValidUser(after) {
		return "", invalid("/cursor", "must be the cursor of the page before; leave it out to begin")
	}
	return after, nil
}

// membersFor are the records of up to limit members of a room whom a viewer may see, in the order of their bytes, after one of them or from the first.
// It is their records that decide whom he may see; the index only tells whom to look at.
func (s *Server) membersFor(ctx context.Context, viewer, room, after string, limit int) (found []presence.Record, more bool, err error) {
	for {
		index, err := s.tracker.Room(ctx, presence.RoomQuery{Room: room, After: after, Limit: limit + 1})
		if err != nil {
			return nil, false, err
		}
		whole := len(index.Members) <= limit
		upTo := ""
		if !whole {
			upTo = index.Members[limit]
		}
		candidates := inOrder(after, upTo, index.Members, index.Apart, []string{viewer})
		err = s.lookup(ctx, viewer, candidates, func(r presence.Record) bool {
			if r.InFor(viewer, room) {
				found = append(found, r)
			}
			return len(found) <= limit
		})
		if err != nil {
			return nil, false, err
		}
		if len(found) > limit {
			return found[:limit], true, nil
		}
		if whole {
			return found, false, nil
		}
		after = upTo
	}
}

// inOrder are the users of several lists, each once, in the order of their bytes: those after one, and up to another unless that is empty.
func inOrder(after, upTo string, lists ...[]string) []string {
	users := slices.Concat(lists...)
	users = slices.DeleteFunc(users, func(user string) bool { return user <= after || upTo != "" && user > upTo })
	slices.Sort(users)
	return slices.Compact(users)
}

// lookup finds the records of many users, not all at once, until yield has enough.
func (s *Server) lookup(ctx context.Context, viewer string, users []string, yield func(presence.Record) bool) error {
	for some := range slices.Chunk(users, lookups) {
		found := make(records, len(some))
		if err := s.board.Look(ctx, viewer, some, found); err != nil {
			return err
		}
		for _, r := range found {
			if !yield(r) {
				return nil
			}
		}
	}
	return nil
}

// records are those of several users, in the order asked for. It is the Looker that finds them.
type records []presence.Record

// Kept implements presence.Looker.
func (rs records) Kept(place int, e *presence.Entry, asOf presence.Version) {
	rs[place] = e.Record // which nobody changes: the board replaces it
	rs[place].AsOf = max(asOf, e.Record.AsOf)
}

// Read implements presence.Looker.
func (rs records) Read(place int, r presence.Record) { rs[place] = r }

// headcount is how many are in a room, and by how many sessions.
type headcount struct{ users, sessions int }

// headcountFor counts those in a room whom a viewer may see.
func (s *Server) headcountFor(ctx context.Context, viewer, room string) (n headcount, err error) {
	index, err := s.tracker.Room(ctx, presence.RoomQuery{Room: room})
	for range countTries {
		if err == nil {
			n, err = s.judge(ctx, viewer, room, index)
		}
		if err != nil || len(index.Apart) == 0 {
			return n, err
		}
		// Whoever moved between the two reads was judged by what the index did not know. A viewer from whom he is hidden would see that
		// somebody moved.
		before := index
		index, err = s.tracker.Room(ctx, presence.RoomQuery{Room: room})
		if err == nil && index.Users == before.Users && index.Sessions == before.Sessions && slices.Equal(index.Apart, before.Apart) {
			return n, nil
		}
	}
	return n, err
}

// judge corrects the numbers of an index, which are those that a stranger to everybody sees, by the records of whom it has apart, and of the viewer:
// everybody sees himself.
func (s *Server) judge(ctx context.Context, viewer, room string, index presence.RoomIndex) (headcount, error) {
	n := headcount{index.Users, index.Sessions}
	err := s.lookup(ctx, viewer, inOrder("", "", index.Apart, []string{viewer}), func(r presence.Record) bool {
		sessions, _ := r.SessionsIn(room)
		counted, sees := r.InForAll(room), r.InFor(viewer, room)
		switch {
		case sees && !counted:
			n.users, n.sessions = n.users+1, n.sessions+sessions
		case counted && !sees:
			n.users, n.sessions = n.users-1, n.sessions-sessions
		}
		return true
	})
	return n, err
}
