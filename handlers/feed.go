package handlers

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/presently/presently/api"
	"github.com/presently/presently/presence"
	"github.com/presently/presently/sse"
)

// The kinds of things that streams watch, and how each becomes events.
const (
	kindUser sse.Kind = iota
)

var kinds = []sse.KindSpec{
	kindUser: {Name: "presence", Open: `{"presences":[`, Sep: ",", Close: `]}`},
}

func userKey(user string) sse.Key { return sse.Key{Kind: kindUser, ID: user} }

// feed brings what happens on the board to the streams: it is the board's listener.
type feed struct {
	hub   *sse.Hub
	clock func() time.Time // the store's
	seen  func() time.Time // the moment up to which it has been followed
	lost  atomic.Bool
	since atomic.Value // api.Time, up to when everything was seen
}

// frames are the newest of one user, one for each class of viewers, made when first wanted. They are the Memo of the user's entry.
type frames [presence.Classes]struct {
	frame  *sse.Frame
	bucket presence.Bucket
}

// Changed implements presence.Listener.
func (f *feed) Changed(e *presence.Entry) {
	key := userKey(e.Record.User)
	watched := f.hub.Variants(key)
	for _, v := range watched {
		if frame, changed := frameOf(e, presence.Class(v)); changed {
			f.hub.Offer(key, v, frame)
		}
	}
	if memo, ok := e.Memo.(*frames); ok {
		memo.keepOnly(watched)
	}
}

// keepOnly drops the frames of classes that nobody watched during a change: when the view has changed there and back, the frame would
// say the right thing, but with the rev of a time when it was something else meanwhile.
func (m *frames) keepOnly(watched []sse.Variant) {
	for class := range m {
		if !slices.Contains(watched, sse.Variant(class)) {
			m[class].frame = nil
		}
	}
}

// attach shows a user to a stream from now on, beginning with the frame that it returns. It is called by the board, so that nothing falls
// between the view and what follows.
func (f *feed) attach(s *sse.Stream, viewer string, e *presence.Entry) *sse.Frame {
	class := e.Record.ClassOf(viewer)
	key := userKey(e.Record.User)
	f.hub.Watch(s, key, sse.Variant(class))
	frame, _ := frameOf(e, class)
	s.Offer(key, sse.Variant(class), frame)
	return frame
}

// frameOf is the frame of what a class sees now, and whether it differs from the last one.
func frameOf(e *presence.Entry, class presence.Class) (f *sse.Frame, changed bool) {
	memo, _ := e.Memo.(*frames)
	if memo == nil {
		memo = &frames{}
		e.Memo = memo
	}
	last := &memo[class]
	v := e.Record.View(class, e.Now)
	p := presenceOf(v, e.Now)
	d := digest(p)
	if last.frame != nil && last.frame.Digest == d && last.bucket == v.LastSeen {
		return last.frame, false
	}
	changed = last.frame == nil || last.frame.Digest != d
	last.frame = &sse.Frame{Data: encode(p), Digest: d, Version: int64(e.Now)}
	last.bucket = v.LastSeen
	return last.frame, changed
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
