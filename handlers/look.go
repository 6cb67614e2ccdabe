package handlers

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"net/http"
	"strconv"
	"sync"

	"github.com/presently/presently/api"
	"github.com/presently/presently/presence"
)

// A sight is what one viewer sees of one user, as of a moment.
type sight struct {
	*written
	rev presence.Version
}

// written is the JSON of a presence around its rev, which moves with the time. It is shared, and never changed.
type written struct {
	head, tail []byte
	offline    bool
}

func (w *written) appendTo(b, rev []byte) []byte {
	return append(append(append(b, w.head...), rev...), w.tail...)
}

// tag stands for the bytes that a viewer gets, apart from rev; hence weak.
func (w *written) tag() string {
	h := fnv.New64a()
	h.Write(w.appendTo(nil, []byte{'0'}))
	return fmt.Sprintf(`W/"%016x"`, h.Sum64())
}

// writtenOf encodes a presence, but for its rev.
func writtenOf(p api.Presence) *written {
	p.Rev = markedRev
	b := encode(p)
	i := bytes.Index(b, revMark)
	return &written{b[: i+len(`"rev":`) : i+len(`"rev":`)], b[i+len(revMark):], p.Status == api.StatusOffline}
}

// A rev that none is, so that its place can be found in what was encoded: whatever people write has no quotes without a backslash, and no device has a
// number.
const markedRev = -1 << 63

var revMark = fmt.Appendf(nil, `"rev":%d`, int64(markedRev))

// sights are those of several users, in the order asked for. It is the Looker that finds them.
type sights struct {
	viewer string
	list   []sight
}

// look is what the asking user may see of others, each of whom is named once.
func (s *Server) look(r *http.Request, users []string) ([]sight, error) {
	to := &sights{viewer: identity(r).User, list: make([]sight, len(users))}
	if len(users) == 0 {
		return to.list, nil
	}
	if err := s.board.Look(r.Context(), to.viewer, users, to); err != nil {
		return nil, err
	}
	return to.list, nil
}

// Kept implements presence.Looker. What was encoded for the viewer's class before is taken as it is.
func (s *sights) Kept(place int, e *presence.Entry, asOf presence.Version) {
	g := glimpseFor(e, s.viewer)
	g.at(e, s.viewer, asOf)
	s.list[place] = sight{g.written, max(asOf, g.version)}
}

// Read implements presence.Looker.
func (s *sights) Read(place int, r presence.Record) {
	s.list[place] = sight{writtenOf(presenceOf(r.ViewFor(s.viewer, r.AsOf), 0)), r.AsOf}
}

// glimpsesApart bounds the viewers who stand apart of whom it is remembered what they saw of one user.
const glimpsesApart = 16

// glimpses are what looks have last shown of one user: to each class of viewers, and to those who stand apart.
type glimpses struct {
	of    [presence.Classes]glimpse
	apart map[string]*glimpse
}

// glimpse is a view of one user as it was last written.
type glimpse struct {
	*written // nil: nothing yet

	known       presence.Head    // the record that it was made of
	asOf        presence.Version // the same
	version     presence.Version // of the view
	bucket      presence.Bucket
	profile     presence.Profile
	from, until presence.Version // between them, the passing of time changes nothing of it
}

func glimpseFor(e *presence.Entry, viewer string) *glimpse {
	memo := shownOf(e)
	if memo.glimpses == nil {
		memo.glimpses = new(glimpses)
	}
	if !e.Record.Apart(viewer) {
		return &memo.glimpses.of[e.Record.ClassOf(viewer)]
	}
	g := memo.glimpses.apart[viewer]
	if g == nil {
		if memo.glimpses.apart == nil || len(memo.glimpses.apart) >= glimpsesApart {
			memo.glimpses.apart = map[string]*glimpse{}
		}
		g = new(glimpse)
		memo.glimpses.apart[viewer] = g
	}
	return g
}

// at brings the glimpse to a moment. Where the record has changed, but not the view, it is not encoded again: how long a look takes shall not tell that
// somebody who hides has done something.
func (g *glimpse) at(e *presence.Entry, viewer string, now presence.Version) {
	r := &e.Record
	if g.written != nil && g.known == r.Head && g.asOf == r.AsOf && g.from <= now && now < g.until {
		return
	}
	var view presence.View
	if r.Apart(viewer) {
		view = r.ViewFor(viewer, now)
	} else {
		view = r.View(r.ClassOf(viewer), now)
	}
	g.known, g.asOf, g.from, g.until = r.Head, r.AsOf, now, r.LooksTheSameUntil(viewer, now)
	if g.written != nil && g.version == view.Version && g.bucket == view.LastSeen && g.profile == view.Profile {
		return
	}
	g.written = writtenOf(presenceOf(view, 0))
	g.version, g.bucket, g.profile = view.Version, view.LastSeen, view.Profile
}

// listBuffers are those of answers that are lists; large ones are not kept.
var listBuffers = sync.Pool{New: func() any { return new([]byte) }}

const listKept = 64 << 10

// answerList sends an api.PresenceList.
func answerList(w http.ResponseWriter, seen []sight, onlyOnline bool) {
	buffer := listBuffers.Get().(*[]byte)
	b := append((*buffer)[:0], `{"presences":[`...)
	empty := true
	var revs [20]byte
	rev, of := revs[:0], presence.Version(-1)
	for _, s := range seen {
		if onlyOnline && s.offline {
			continue
		}
		if !empty {
			b = append(b, ',')
		}
		if empty = false; s.rev != of { // those of one lane have the same
			rev, of = strconv.AppendInt(revs[:0], int64(s.rev), 10), s.rev
		}
		b = s.appendTo(b, rev)
	}
	b = append(b, "]}\n"...)
	answerBytes(w, b)
	if cap(b) <= listKept {
		*buffer = b
		listBuffers.Put(buffer)
	}
}

// answerOne sends an api.Presence.
func answerOne(w http.ResponseWriter, s sight) {
	answerBytes(w, append(s.appendTo(nil, strconv.AppendInt(nil, int64(s.rev), 10)), '\n'))
}

// answerBytes sends presence data that is encoded already.
func answerBytes(w http.ResponseWriter, body []byte) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(http.StatusOK)
	w.Write(body) //nolint:errcheck // the client has gone
}
