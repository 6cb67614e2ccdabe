package chaos

import (
	"maps"
	"slices"
	"sync"
	"time"
)

// At is a moment: how long after the beginning of the history.
type At = time.Duration

// Kind is what somebody does.
type Kind string

// All that users do.
const (
	Beat  Kind = "beat"
	Leave Kind = "leave" // grace begins
	End   Kind = "end"   // at once
	Hide  Kind = "hide"  // from everybody, for good
	Other Kind = "other" // whatever changes neither who is here nor where
)

// Outcome is what is known of a deed.
type Outcome string

// Outcomes. What was answered by nobody, or by a store in trouble, may have been done, later even.
const (
	Done    Outcome = "done"
	Refused Outcome = "refused"
	Unknown Outcome = "unknown"
)

// Deed is one request of a user.
type Deed struct {
	User, Session  string
	Kind           Kind
	Sent, Answered At
	Outcome        Outcome
	Deadline       int64    // of the session as a beat's answer tells it, in the store's µs; 0: not told
	Rooms          []string // that the session is in from this beat on
	Again          bool     // another instance was asked too, and may yet do it
	Stale          bool     // a beat that is older than others which were answered: it must do nothing
	Status         int      // of the answer; 0: none
	Said           string   // for messages
}

// Intent is a time in which a user means to be here, and tries whatever it takes. It is over before he does anything else.
type Intent struct {
	User     string
	From, To At // To 0: to the end
}

// What was seen.
const (
	Event    = "presence"
	Snapshot = "snapshot"
	Shown    = "shown"  // beside another's coming or going in a room
	Member   = "member" // in a list of all members
	Joined   = "joined"
	Left     = "left"
	Typing   = "typing"
)

// Sighting is what one watcher was told of one user.
type Sighting struct {
	Watcher string
	Conn    int // which of the watcher's streams
	At      At
	What    string
	User    string
	Status  string // of Event, Snapshot and Shown
	Rev     int64  // the room's, where there is one
	Room    string // of Member, Joined, Left, Typing
	Look    string // all that is shown, times of the view apart
}

// Stream is one connection of a watcher, from hello on.
type Stream struct {
	Watcher  string
	Conn     int
	From, To At // To 0: to the end
	Resumed  bool
	How      string // it ended
}

// Notice is an event of a stream that is not about people.
type Notice struct {
	Watcher string
	Conn    int
	At      At
	What    string // degraded, recovered, reconnect, problem
	Text    string
}

// Outage is time in which the store, or everything, was away.
type Outage struct {
	Name  string
	From  At   // the store surely answered up to here
	Back  At   // before this it surely did not
	To    At   // from here on it surely did, to everybody
	Part  bool // it was away for some users or instances alone: nobody need be spared for it
	Blind bool // the instances were away rather than the store
}

// Disagreement is a difference between a watcher and REST that did not go away.
type Disagreement struct{ Watcher, Of, Seen, Asked string }

// Sample pairs the monotonic clock with the wall's, which is the store's.
type Sample struct {
	At   At
	Wall int64 // µs
}

// History is all that happened.
type History struct {
	TTL, Grace    time.Duration
	Samples       []Sample
	Watches       map[string]Watch
	Deeds         []Deed
	Intents       []Intent
	Sightings     []Sighting
	Streams       []Stream
	Notices       []Notice
	Outages       []Outage
	Disagreements []Disagreement
	Ended         At
	Stall         At // by how much this process itself was late at most, because the machine was busy: so late may anybody be
}

// Watch is what a watcher watches.
type Watch struct{ Users, Rooms []string }

// at is when the store's clock showed so many µs.
func (h *History) at(micros int64) At {
	if len(h.Samples) == 0 {
		return time.Duration(micros) * time.Microsecond
	}
	i, _ := slices.BinarySearchFunc(h.Samples, micros, func(s Sample, m int64) int { return int(s.Wall - m) })
	s := h.Samples[max(0, i-1)]
	return s.At + time.Duration(micros-s.Wall)*time.Microsecond
}

// recorder collects a history. It may be used concurrently.
type recorder struct {
	began time.Time

	mu sync.Mutex // guards what follows
	h  History
}

func newRecorder(ttl, grace time.Duration) *recorder {
	r := &recorder{began: time.Now()}
	r.h.TTL, r.h.Grace, r.h.Watches = ttl, grace, map[string]Watch{}
	r.sample()
	return r
}

func (r *recorder) now() At { return time.Since(r.began) }

// sampleEvery is how often clocks are compared. How late that is done tells how busy the machine is.
const sampleEvery = 100 * time.Millisecond

func (r *recorder) sample() {
	now := time.Now()
	r.write(func(h *History) {
		if n := len(h.Samples); n > 0 {
			h.Stall = max(h.Stall, now.Sub(r.began)-h.Samples[n-1].At-sampleEvery, time.Since(now))
		}
		h.Samples = append(h.Samples, Sample{now.Sub(r.began), now.UnixMicro()})
	})
}

func (r *recorder) write(f func(*History)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f(&r.h)
}

// read returns a copy of what was recorded so far.
func (r *recorder) read() History {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := r.h
	h.Samples, h.Deeds, h.Intents = slices.Clone(h.Samples), slices.Clone(h.Deeds), slices.Clone(h.Intents)
	h.Sightings, h.Streams, h.Notices = slices.Clone(h.Sightings), slices.Clone(h.Streams), slices.Clone(h.Notices)
	h.Outages, h.Disagreements = slices.Clone(h.Outages), slices.Clone(h.Disagreements)
	h.Ended = r.now()
	return h
}

// piece returns what was recorded so far, and lets go of what was seen. Whatever is appended to alone need not be copied.
func (r *recorder) piece() History {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := r.h
	r.h.Sightings = nil
	h.Watches = maps.Clone(h.Watches)
	h.Intents, h.Streams, h.Outages = slices.Clone(h.Intents), slices.Clone(h.Streams), slices.Clone(h.Outages)
	h.Ended = r.now()
	return h
}
