package sse

import (
	"slices"
	"time"
)

// Quiet makes the stream write nothing but what is sent, comments, pings and its
// end, from now on until [Stream.Live]; only a write that is under way is
// finished. Frames go on being kept, the newest of each key; of keys made of parts
// only that there were some, for which Options.Whole is asked in the end.
//
// A snapshot that is asked for waits as well, and at most 16 do; the keys of those
// that are refused come with the catch-up, as do keys that are added by
// [Hub.Watch].
//
// A stream that is made quiet before it runs writes its opening all the same. One
// that is quiet stays so; a catch-up that is not yet written is taken back, and is
// for the next Live to write.
func (s *Stream) Quiet() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.box.quiet, s.live, s.since = true, nil, time.Time{}
	if s.box.muted() {
		s.box.mute()
	}
}

// Live ends the quiet. It writes what compose makes of all that is pending, once:
// of the keys that have news, none without a frame, in the order of watching,
// except that a key which was added to an open stream may have the place of one
// that has gone. There may be none. What is held back stays so; snapshots that
// wait are written next, each as [Stream.Resnapshot] says, and the last of all has
// the cursor.
//
// It does nothing and returns false when the stream is not quiet or has ended.
func (s *Stream) Live(compose Compose) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended || !s.silent() {
		return false
	}
	s.live = func(news []News, cursor string) []Event {
		return compose(slices.DeleteFunc(news, func(n News) bool { return n.Frame == nil }), cursor)
	}
	s.poke()
	return true
}

// silent tells whether frames are not to be written. The lock is held.
func (s *Stream) silent() bool { return s.box.quiet && s.live == nil }

// muted tells whether parts are not kept. Those of an opening are: it is written
// in the quiet as well.
func (b *mailbox) muted() bool { return b.quiet && b.opened }

// mute drops the parts that were kept until now.
func (b *mailbox) mute() {
	for slot := range b.parts {
		b.lose(slot)
	}
}

// catchUp ends the quiet and ships all that is not held back.
func (b *mailbox) catchUp() (news []News) {
	b.quiet = false
	for slot := range b.watches {
		w := &b.watches[slot]
		switch w.state(b.entry(int32(slot))) {
		case normal, urgent:
			news = append(news, News{w.topic.key, b.ship(int32(slot))})
		}
	}
	b.sweep()
	return news
}
