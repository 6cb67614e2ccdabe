package handlers

import (
	"sync/atomic"
	"time"

	"github.com/presently/presently/api"
	"github.com/presently/presently/presence"
	"github.com/presently/presently/sse"
)

// The kinds of things that streams watch, and how each becomes events.
const (
	kindRoom sse.Kind = iota // first: whoever comes in is known before more is told of him
	kindUser
	kindTyping
)

var kinds = []sse.KindSpec{
	kindRoom:   {Name: "room", Merge: mergeRoom},
	kindTyping: {Name: "typing", Merge: mergeTyping},
	kindUser:   {Name: "presence", Open: `{"presences":[`, Sep: ",", Close: `]}`},
}

func userKey(user string) sse.Key { return sse.Key{Kind: kindUser, ID: user} }

// feed brings what happens on the board to the streams: it is the board's listener.
type feed struct {
	hub              *sse.Hub
	followers        followers
	revoked          *revocations
	subscriptionLane func(id string) int
	panics           *presence.Panics
	clock            func() time.Time // the store's
	seen             func() time.Time // the moment up to which it has been followed
	withheld         atomic.Int64     // changes of which some were told nothing, because a user hides from them
	lost             atomic.Bool
	since            atomic.Value // api.Time, up to when everything was seen
}

// apart is the variant of viewers who see something that nobody else of their class does: those who are blocked, or were.
const apart = sse.Variant(presence.Classes)

// shown is what was last made of one user, for each class of viewers that wanted it. It is the Memo of the user's entry, and of each room's copy
// of it.
type shown struct {
	standing standing         // in the room whose copy it is
	related  presence.Version // of the relations by which the streams watch
	frames   [presence.Classes]*sse.Frame
	stamps   [presence.Classes]stamp
	sources  [presence.Classes]source
	apart    map[string]uint64 // digests of what viewers who stand apart were offered last
	glimpses *glimpses         // of requests, not of streams; nil: nobody has looked
}

// stamp tells two frames of one class apart without encoding either: what a view says goes by its version, but for the bucket, which goes by the moment.
type stamp struct{ version, moment, rev presence.Version }

// source is what a frame was made of: while that is the same, its view need not even be computed, as fifty times for each stream of a storm.
type source struct {
	head                        presence.Head
	asOf, moment, beacon, least presence.Version
}

func (m *shown) noteApart(viewer string, frame *sse.Frame) {
	if m.apart == nil {
		m.apart = map[string]uint64{}
	}
	m.apart[viewer] = frame.Digest
}

func shownOf(e *presence.Entry) *shown {
	memo, _ := e.Memo.(*shown)
	if memo == nil {
		memo = &shown{related: e.Record.RelatedAt}
		e.Memo = memo
	}
	return memo
}

// Changed implements presence.Listener.
func (f *feed) Changed(e *presence.Entry) {
	key, memo := userKey(e.Record.User), shownOf(e)
	told := false
	defer func() {
		if !told { // by a panic: all of it is to be told when the board tells of him again
			e.Memo = &shown{related: -1}
		}
	}()
	f.tell(e, key, memo)
	told = true
}

func (f *feed) tell(e *presence.Entry, key sse.Key, memo *shown) {
	var least presence.Version
	clear(memo.sources[:])
	if memo.related != e.Record.RelatedAt {
		memo.related = e.Record.RelatedAt
		f.regroup(e, key)
		least = e.Record.RelatedAt // for those who have moved just now, and are offered the frame of their class too
	}
	withheld := 0
	for _, v := range f.hub.Variants(key) {
		if v == apart {
			withheld += f.tellApart(e, key)
			continue
		}
		last := memo.frames[v]
		if frame := memo.frame(e, presence.Class(v), least); last == nil || frame.Digest != last.Digest {
			f.hub.Offer(key, v, frame)
		} else if e.Record.HidesFrom(presence.Class(v)) {
			withheld++
		}
	}
	if least == 0 { // a change of relations is theirs whom it concerns
		f.withheld.Add(int64(withheld))
	}
}

// attach shows a user to a stream from now on, beginning with the view that it returns. It is called by the board, so that nothing falls
// between the view and what follows.
func (f *feed) attach(s *sse.Stream, e *presence.Entry) view {
	first, v := f.viewFor(e, s.Reader())
	if v == apart {
		shownOf(e).noteApart(s.Reader(), first.frame)
	}
	f.hub.Show(s, userKey(e.Record.User), v, first.frame) // held back, for a snapshot to tell first
	return first
}

// show makes a stream that watches a user do so in another variant, beginning with a frame.
func (f *feed) show(s *sse.Stream, e *presence.Entry, v sse.Variant, frame *sse.Frame) {
	key := userKey(e.Record.User)
	f.hub.Watch(s, key, v)
	if v == apart {
		shownOf(e).noteApart(s.Reader(), frame)
	}
	s.Offer(key, v, frame)
}

// regroup moves the streams whose viewers' relation to the user has changed, and shows them what they may see from now on.
func (f *feed) regroup(e *presence.Entry, key sse.Key) {
	for s, v := range f.hub.Watchers(key) {
		if now := variantOf(e, s.Reader()); now != v {
			view := e.Record.ViewFor(s.Reader(), e.Moment())
			rev := revOf(e, view)
			if now != apart {
				// His new class may not have seen anything change, but he does: the change is that of the relation. Who stands apart is told
				// by the version of his view, which is older where he was shown nothing.
				rev = max(rev, e.Record.RelatedAt)
			}
			f.show(s, e, now, frameOf(view, rev, e.Now))
		}
	}
}

// tellApart offers what is new to those who stand apart. What looks as before is not offered again: in place of what is still to be written, it would
// be newer, and tell that something has happened. It returns how many were told nothing because the user hides from them.
func (f *feed) tellApart(e *presence.Entry, key sse.Key) (withheld int) {
	memo := shownOf(e)
	before := memo.apart
	memo.apart = nil // forget those who have gone
	for s, v := range f.hub.Watchers(key) {
		if v != apart {
			continue
		}
		frame := f.frameFor(e, s.Reader())
		if frame.Digest != before[s.Reader()] {
			s.Offer(key, apart, frame)
		} else if e.Record.HiddenFrom(s.Reader()) {
			withheld++
		}
		memo.noteApart(s.Reader(), frame)
	}
	return withheld
}

func variantOf(e *presence.Entry, viewer string) sse.Variant {
	switch {
	case len(e.Record.Relations) == 0 && e.Record.User != viewer: // most are strangers, and a record is large to be passed on
		return sse.Variant(presence.Other)
	case e.Record.Apart(viewer):
		return apart
	}
	return sse.Variant(e.Record.ClassOf(viewer))
}

// viewFor is what one viewer sees now, and the variant in which he does: what his class sees, unless he sees something of his own.
func (f *feed) viewFor(e *presence.Entry, viewer string) (view, sse.Variant) {
	v := variantOf(e, viewer)
	if v == apart {
		shows := e.Record.ViewFor(viewer, e.Moment())
		return view{shows.Version, frameOf(shows, revOf(e, shows), e.Now)}, v
	}
	memo := shownOf(e)
	shows := view{frame: memo.frame(e, presence.Class(v), 0)}
	shows.version = memo.stamps[v].version
	if _, related := e.Record.Relations[viewer]; related { // since when counts for him too
		shows.version = e.Record.ViewFor(viewer, e.Moment()).Version
	}
	return shows, v
}

// frameFor is the frame of what one viewer sees now.
func (f *feed) frameFor(e *presence.Entry, viewer string) *sse.Frame {
	first, _ := f.viewFor(e, viewer)
	return first.frame
}

// frame is the frame of what a class sees now, with a rev that is not less than least. In a storm of streams that begin, all between two beacons
// share one.
func (m *shown) frame(e *presence.Entry, class presence.Class, least presence.Version) *sse.Frame {
	of := source{e.Record.Head, e.Record.AsOf, e.Moment(), e.Beacon, least}
	if m.frames[class] != nil && m.sources[class] == of {
		return m.frames[class]
	}
	view := e.Record.View(class, e.Moment())
	rev := max(revOf(e, view), least)
	now := stamp{view.Version, e.Moment(), rev}
	if m.frames[class] == nil || m.stamps[class] != now {
		m.frames[class], m.stamps[class] = frameOf(view, rev, e.Now), now
	}
	m.sources[class] = of
	return m.frames[class]
}

// revOf is the rev of a view: the last beacon, or what it shows if that is newer. The lane's clock would tell that something has happened that
// the viewer may not see.
func revOf(e *presence.Entry, view presence.View) presence.Version {
	return max(e.Beacon, view.Version)
}

func frameOf(view presence.View, rev, now presence.Version) *sse.Frame {
	data, digest := encodePresence(presenceOf(view, rev))
	return &sse.Frame{Data: data, Digest: digest, Version: int64(now)}
}

// isolate does what is for one stream of many. Where it panics, that stream is ended: its reader comes back and is told all.
func (f *feed) isolate(s *sse.Stream, do func()) {
	if f.panics.Try(presence.PanicInStream, func() error { do(); return nil }) != nil {
		s.End()
	}
}

// Lost implements presence.Listener.
func (f *feed) Lost() {
	f.since.Store(formatTime(f.seen()))
	f.lost.Store(true)
	f.hub.Broadcast(f.degraded())
}

// Found implements presence.Listener.
func (f *feed) Found() {
	f.lost.Store(false)
	f.hub.Broadcast(sse.Event{Name: "recovered", Data: encode(api.RecoveredEvent{ServerTime: formatTime(f.clock())})})
}

func (f *feed) degraded() sse.Event {
	since, _ := f.since.Load().(api.Time)
	return sse.Event{Name: "degraded", Data: encode(api.DegradedEvent{Since: since})}
}
