package chaos

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Slack is what the checker forgives.
type Slack struct {
	Late   time.Duration // how long after it is due the end of a session may be told
	Effect time.Duration // for how long after it was sent a request without an answer may take effect
	Told   bool          // a session must live to the deadline that an answer told, not only for a TTL from when the beat was sent
}

// DefaultSlack suits a machine whose two cores are busy.
var DefaultSlack = Slack{Late: 5 * time.Second, Effect: 5 * time.Second}

// Violation is a promise that was broken.
type Violation struct {
	Property      string // P1 to P7
	User, Watcher string
	At            At
	Text          string
}

func (v Violation) String() string {
	return fmt.Sprintf("%s at %.3f s: %s %s (watcher %s)", v.Property, v.At.Seconds(), v.User, v.Text, v.Watcher)
}

// Figures are what a history comes to.
type Figures struct {
	Seconds      float64 `json:"seconds"`
	Users        int     `json:"users"`
	Watchers     int     `json:"watchers"`
	Beats        int     `json:"beats"`
	Unanswered   int     `json:"unanswered"` // requests without an answer, or refused by a store in trouble
	Sightings    int     `json:"sightings"`
	Reconnects   int     `json:"reconnects"`
	FalseOffline int     `json:"falseOffline"` // users wrongly told offline, each once
	Lapses       int     `json:"lapses"`       // tellings of an end by silence, of which the deadline is known
	LateP50      float64 `json:"lateP50"`      // s after the deadline
	LateP99      float64 `json:"lateP99"`
	LateMax      float64 `json:"lateMax"`
	BeatP50      float64 `json:"beatP50"` // s from sending a beat to its answer, through the balancer
	BeatP99      float64 `json:"beatP99"`
	BeatMax      float64 `json:"beatMax"`
	AwayP50      float64 `json:"awayP50"` // s from the end of a stream to the hello of the next
	AwayMax      float64 `json:"awayMax"`
}

// Verdict is what Check finds.
type Verdict struct {
	Violations []Violation
	Figures    Figures
}

// Of are the violations of some properties.
func (v Verdict) Of(properties ...string) []Violation {
	var out []Violation
	for _, x := range v.Violations {
		if slices.Contains(properties, x.Property) {
			out = append(out, x)
		}
	}
	return out
}

// Judge holds a history against P1 to P7, whole or piece by piece: of what was seen, which is most of a long one, it keeps only what the next piece is to be
// held against.
type Judge struct {
	h     *History // of the piece in hand
	slack Slack
	who   map[string]*whereabouts
	Verdict
	wronged   map[string]bool
	late      []time.Duration
	sightings int

	later  []Sighting // not judged yet: what caused them may not be known
	ended  At         // ends of sessions up to here have been looked at
	last   map[topic]Sighting
	told   map[topic]Sighting  // of a user, the last
	inRoom map[topic]Sighting  // of a user in a room
	shown  map[stream]Sighting // of a user, the last on this stream
}

// NewJudge returns one who has heard of nothing yet.
func NewJudge() *Judge {
	return &Judge{
		wronged: map[string]bool{}, ended: -forever,
		last: map[topic]Sighting{}, told: map[topic]Sighting{}, inRoom: map[topic]Sighting{}, shown: map[stream]Sighting{},
	}
}

// Check holds a whole history against P1 to P7.
func Check(h *History, slack Slack) Verdict { return NewJudge().Finish(h, slack) }

// Finish takes the last piece, and returns what was found in all of them.
func (j *Judge) Finish(h *History, slack Slack) Verdict {
	j.Take(h, slack, forever)
	for _, d := range h.Disagreements {
		j.add("P5", d.Of, d.Watcher, h.Ended, "was seen as %s in the end, but REST says %s", d.Seen, d.Asked)
	}
	j.count()
	return j.Verdict
}

// Take judges what has been seen up to a moment. h has all that users did from the beginning, and of what was seen only what was not taken before. Everything that was sent
// by that moment has been answered, or given up, and no outage is under way: else what is yet to be known might explain what was seen. The slack only grows.
func (j *Judge) Take(h *History, slack Slack, until At) {
	slices.SortStableFunc(h.Outages, func(a, b Outage) int { return cmp.Compare(a.From, b.From) })
	j.h, j.slack, j.who = h, slack, locate(h, slack)
	j.sightings += len(h.Sightings)
	var now, later []Sighting
	for _, s := range append(j.later, h.Sightings...) {
		if s.At <= until {
			now = append(now, s)
		} else {
			later = append(later, s)
		}
	}
	j.later = later
	for _, s := range now {
		j.sighting(s)
	}
	for _, s := range now {
		j.order(s)
	}
	j.silence(now, until)
}

// SoFar is what was found in the pieces that were taken.
func (j *Judge) SoFar() Verdict {
	j.count()
	return j.Verdict
}

func (j *Judge) add(property, user, watcher string, at At, format string, args ...any) {
	j.Violations = append(j.Violations, Violation{property, user, watcher, at, fmt.Sprintf(format, args...)})
}

// nobody is somebody of whom no deed is known.
var nobody = &whereabouts{hidden: -1}

func (j *Judge) of(user string) *whereabouts { return cmp.Or(j.who[user], nobody) }

// sighting holds one sighting against what its user did.
func (j *Judge) sighting(s Sighting) {
	w, at := j.of(s.User), j.h.at(s.Rev)
	if at > s.At+clocks {
		j.add("P4", s.User, s.Watcher, s.At, "has a rev %v ahead of the clock", at-s.At)
	}
	if w.hidden >= 0 && s.At > w.hidden {
		if s.What != Snapshot || s.Status != "offline" {
			j.add("P7", s.User, s.Watcher, s.At, "hides, and is told in %s %s %s", s.What, s.Room, s.Status)
		}
		return
	}
	switch s.What {
	case Event, Snapshot, Shown:
		if s.Status == "offline" {
			j.offline(w, s, at)
		} else if !w.lasting.contains(at) {
			j.add("P6", s.User, s.Watcher, s.At, "is told %s (as of %.3f s) without a cause; %s", s.Status, at.Seconds(), describe(w.perhaps, at))
		}
	case Typing:
		if !w.lasting.contains(s.At) {
			j.add("P6", s.User, s.Watcher, s.At, "is told to type in %s, and is not here; %s", s.Room, describe(w.perhaps, s.At))
		}
	case Joined, Member:
		if !w.lastingIn[s.Room].contains(at) {
			j.add("P6", s.User, s.Watcher, s.At, "is told in %s (%s, as of %.3f s) without a cause; %s", s.Room, s.What, at.Seconds(), describe(w.perhapsIn[s.Room], at))
		}
	case Left:
		// Going without a cause is having been there until it was told: the rev of a going may be that of the last beacon.
		if w.surelyIn[s.Room].covers(at-clocks, s.At) {
			j.add("P6", s.User, s.Watcher, s.At, "is told to have left %s (as of %.3f s) without a cause; surely there %s", s.Room, at.Seconds(), describe(w.surelyIn[s.Room], at))
		}
	}
}

// clocks is by how much the store's clock and ours may differ between two samples: times on the wire are whole ms, rounded down.
const clocks = 2 * time.Millisecond

func (j *Judge) offline(w *whereabouts, s Sighting, at At) {
	_, meant := w.meant(at)
	switch {
	case w.surely.covers(at-clocks, at+clocks):
		property := "P3"
		if meant {
			property = "P1"
			j.wronged[s.User] = true
		}
		j.add(property, s.User, s.Watcher, s.At, "is told offline (%s, as of %.3f s), and was surely here %s", s.What, at.Seconds(), describe(w.surely, at))
	case meant && w.triedInTime(at, j.h.TTL):
		j.wronged[s.User] = true
		j.add("P1", s.User, s.Watcher, s.At, "is told offline (%s, as of %.3f s), and tried to beat in time; surely here %s", s.What, at.Seconds(), describe(w.surely, at))
	}
}

// describe shows the spans around a moment.
func describe(all spans, at At) string {
	first := slices.IndexFunc(all, func(x span) bool { return x.to >= at })
	if first < 0 {
		first = len(all)
	}
	var b strings.Builder
	for _, s := range all[max(0, first-2):min(len(all), first+2)] {
		if s.to > forever/2 {
			fmt.Fprintf(&b, "[%.3f, …)", s.from.Seconds())
			continue
		}
		fmt.Fprintf(&b, "[%.3f, %.3f)", s.from.Seconds(), s.to.Seconds())
	}
	return cmp.Or(b.String(), "never")
}

// topic is what a watcher was told of: somebody, a room, or somebody in a room.
type topic struct{ watcher, of string }

// order holds what a watcher saw against what it saw before: P4, "once", and comings that follow no going.
func (j *Judge) order(s Sighting) {
	if s.What == Typing {
		return // it has no rev, and a list of all who type may come again
	}
	if s.Room != "" {
		room := topic{s.Watcher, "room " + s.Room}
		if before, ok := j.last[room]; ok && s.Rev < before.Rev {
			j.add("P4", s.Room, s.Watcher, s.At, "has the rev %d after %d", s.Rev, before.Rev)
		}
		j.last[room] = s
		j.again(topic{s.Watcher, s.Room + "\x00" + s.User}, s)
		return
	}
	if j.of(s.User).hidden >= 0 {
		return
	}
	k := topic{s.Watcher, s.User}
	if s.What == Shown { // as of whenever he last changed, or was read: what comes next may say the same as it, or as before
		delete(j.told, k)
		return
	}
	before, ok := j.last[k]
	if ok && (s.Rev < before.Rev || s.Rev == before.Rev && s.What == Event && s.Conn == before.Conn) {
		j.add("P4", s.User, s.Watcher, s.At, "has the rev %d (%s) after %d (%s)", s.Rev, s.What, before.Rev, before.What)
	}
	if then, heard := j.told[k]; heard && s.What == Event && then.Conn == s.Conn && then.Look == s.Look {
		property := "P6"
		if s.Status == "offline" {
			property = "P2"
		}
		j.add(property, s.User, s.Watcher, s.At, "is told again as he was: %s", s.Look)
	}
	j.last[k], j.told[k] = s, s
}

// again finds somebody told to have joined who was seen there and cannot have gone since.
func (j *Judge) again(k topic, s Sighting) {
	before, in := j.inRoom[k]
	switch s.What {
	case Left:
		delete(j.inRoom, k)
		return
	case Joined:
		if in && before.Conn == s.Conn && j.of(s.User).surelyIn[s.Room].covers(before.At, j.h.at(s.Rev)+clocks) {
			j.add("P6", s.User, s.Watcher, s.At, "has joined %s again, and had not gone", s.Room)
		}
	}
	j.inRoom[k] = s
}

// stream is what one stream of a watcher tells of one user.
type stream struct {
	topic
	conn int
}

// silence looks, for each end of each user that was to be told by a moment, whether all who watched were. How late is a figure where the deadline is sure.
func (j *Judge) silence(now []Sighting, until At) {
	told := map[stream][]Sighting{}
	for _, s := range now {
		if s.Room == "" {
			k := stream{topic{s.Watcher, s.User}, s.Conn}
			if before, ok := j.shown[k]; ok && len(told[k]) == 0 {
				told[k] = append(told[k], before)
			}
			told[k] = append(told[k], s)
		}
	}
	blind := j.blindness()
	to := max(j.ended, until-j.slack.Late)
	for _, s := range j.h.Streams {
		if s.To != 0 && s.To < j.ended {
			continue // what was due on it has been looked at
		}
		for _, user := range j.h.Watches[s.Watcher].Users {
			w := j.of(user)
			if w.hidden >= 0 {
				continue
			}
			k := stream{topic{s.Watcher, user}, s.Conn}
			heard := told[k]
			if before, ok := j.shown[k]; ok && len(heard) == 0 {
				heard = []Sighting{before}
			}
			j.ends(w, user, s, heard, blind[watcherConn{s.Watcher, s.Conn}], to)
		}
	}
	j.ended = to
	for k, list := range told {
		j.shown[k] = list[len(list)-1]
	}
	over := map[watcherConn]bool{}
	for _, s := range j.h.Streams {
		over[watcherConn{s.Watcher, s.Conn}] = s.To != 0 && s.To < j.ended
	}
	for k := range j.shown {
		if over[watcherConn{k.watcher, k.conn}] {
			delete(j.shown, k)
		}
	}
}

// ends looks at the ends of one user after those that were looked at before, up to a moment.
func (j *Judge) ends(w *whereabouts, user string, on Stream, told []Sighting, blind []Notice, to At) {
	closed := cmp.Or(on.To, j.h.Ended)
	first, _ := slices.BinarySearchFunc(w.perhaps, j.ended, func(s span, at At) int { return cmp.Compare(s.to, at+1) })
	for n, s := range w.perhaps[first:] {
		if s.to > to {
			return
		}
		next := j.h.Ended
		if first+n+1 < len(w.perhaps) {
			next = w.perhaps[first+n+1].from
		}
		due := s.to + j.slack.Late
		if on.From > s.from && on.From > s.to || due > min(closed, next) || degraded(blind, s.to, due) {
			continue
		}
		i, _ := slices.BinarySearchFunc(told, due, func(x Sighting, due At) int { return cmp.Compare(x.At, due+1) })
		if i--; i < 0 {
			continue // resumed: it has heard nothing of him here, and what it knew is on another stream
		}
		if told[i].Status != "offline" {
			j.add("P2", user, on.Watcher, due, "was silent from %.3f s, and is still shown %s", s.to.Seconds(), told[i].Status)
			continue
		}
		if told[i].What == Event && w.lapses[s.to] && told[i].At > s.to-j.h.TTL {
			j.late = append(j.late, told[i].At-s.to)
		}
	}
}

type watcherConn struct {
	watcher string
	conn    int
}

// blindness is when streams were told that they show the last known state, and that it is over.
func (j *Judge) blindness() map[watcherConn][]Notice {
	out := map[watcherConn][]Notice{}
	for _, n := range j.h.Notices {
		if n.What == "degraded" || n.What == "recovered" {
			k := watcherConn{n.Watcher, n.Conn}
			out[k] = append(out[k], n)
		}
	}
	return out
}

// degraded says whether a stream was told meanwhile that it shows the last known state.
func degraded(notices []Notice, from, to At) (is bool) {
	for _, n := range notices {
		if n.At <= to {
			is = n.What == "degraded" || n.At > from
		}
	}
	return is
}

func (j *Judge) count() {
	f := &j.Figures
	f.Seconds, f.Users, f.Watchers, f.Sightings = j.h.Ended.Seconds(), len(j.who), len(j.h.Watches), j.sightings
	var took, away []time.Duration
	for _, d := range j.h.Deeds {
		if d.Kind == Beat {
			f.Beats++
			if d.Outcome == Done {
				took = append(took, d.Answered-d.Sent)
			}
		}
		if d.Outcome != Done && !d.Stale {
			f.Unanswered++
		}
	}
	ended := map[string]At{}
	for _, s := range j.h.Streams {
		if at, before := ended[s.Watcher]; before {
			f.Reconnects++
			away = append(away, s.From-at)
		}
		ended[s.Watcher] = s.To
	}
	f.FalseOffline, f.Lapses = len(j.wronged), len(j.late)
	f.LateP50, f.LateP99, f.LateMax = quantiles(j.late)
	f.BeatP50, f.BeatP99, f.BeatMax = quantiles(took)
	f.AwayP50, _, f.AwayMax = quantiles(away)
}

// quantiles are the median, the 99th percentile and the greatest, in s.
func quantiles(all []time.Duration) (p50, p99, most float64) {
	slices.Sort(all)
	n := len(all)
	if n == 0 {
		return 0, 0, 0
	}
	return all[n/2].Seconds(), all[n*99/100].Seconds(), all[n-1].Seconds()
}
