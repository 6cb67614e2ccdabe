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

// judge is one check of one history.
type judge struct {
	h     *History
	slack Slack
	who   map[string]*whereabouts
	Verdict
	wronged map[string]bool
	late    []time.Duration
}

// Check holds a history against P1 to P7.
func Check(h *History, slack Slack) Verdict {
	slices.SortStableFunc(h.Outages, func(a, b Outage) int { return cmp.Compare(a.From, b.From) })
	j := &judge{h: h, slack: slack, who: locate(h, slack), wronged: map[string]bool{}}
	for _, s := range h.Sightings {
		j.sighting(s)
	}
	j.order()
	j.silence()
	for _, d := range h.Disagreements {
		j.add("P5", d.Of, d.Watcher, h.Ended, "was seen as %s in the end, but REST says %s", d.Seen, d.Asked)
	}
	j.count()
	return j.Verdict
}

func (j *judge) add(property, user, watcher string, at At, format string, args ...any) {
	j.Violations = append(j.Violations, Violation{property, user, watcher, at, fmt.Sprintf(format, args...)})
}

// nobody is somebody of whom no deed is known.
var nobody = &whereabouts{hidden: -1}

func (j *judge) of(user string) *whereabouts { return cmp.Or(j.who[user], nobody) }

// sighting holds one sighting against what its user did.
func (j *judge) sighting(s Sighting) {
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
		} else if !w.perhaps.later(j.slack.Late).contains(at) {
			j.add("P6", s.User, s.Watcher, s.At, "is told %s (as of %.3f s) without a cause; %s", s.Status, at.Seconds(), describe(w.perhaps, at))
		}
	case Joined, Member:
		if !w.perhapsIn[s.Room].later(j.slack.Late).contains(at) {
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

func (j *judge) offline(w *whereabouts, s Sighting, at At) {
	meant := slices.ContainsFunc(w.intents, func(x span) bool { return x.from < at && at < x.to })
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

// order holds what each watcher saw, one after the other, against P4, against "once", and against comings that follow no going.
func (j *judge) order() {
	last := map[topic]Sighting{}
	told := map[topic]Sighting{} // of a user, the last
	inRoom := map[topic]Sighting{}
	for _, s := range j.h.Sightings {
		if s.Room != "" {
			room := topic{s.Watcher, "room " + s.Room}
			if before, ok := last[room]; ok && s.Rev < before.Rev {
				j.add("P4", s.Room, s.Watcher, s.At, "has the rev %d after %d", s.Rev, before.Rev)
			}
			last[room] = s
			j.again(inRoom, topic{s.Watcher, s.Room + "\x00" + s.User}, s)
			continue
		}
		if j.of(s.User).hidden >= 0 {
			continue
		}
		k := topic{s.Watcher, s.User}
		if s.What == Shown { // as of whenever he last changed, or was read: what comes next may say the same as it, or as before
			delete(told, k)
			continue
		}
		before, ok := last[k]
		if ok && (s.Rev < before.Rev || s.Rev == before.Rev && s.What == Event && s.Conn == before.Conn) {
			j.add("P4", s.User, s.Watcher, s.At, "has the rev %d (%s) after %d (%s)", s.Rev, s.What, before.Rev, before.What)
		}
		if then, heard := told[k]; heard && s.What == Event && then.Conn == s.Conn && then.Look == s.Look {
			property := "P6"
			if s.Status == "offline" {
				property = "P2"
			}
			j.add(property, s.User, s.Watcher, s.At, "is told again as he was: %s", s.Look)
		}
		last[k], told[k] = s, s
	}
}

// again finds somebody told to have joined who was seen there and cannot have gone since.
func (j *judge) again(inRoom map[topic]Sighting, k topic, s Sighting) {
	before, in := inRoom[k]
	switch s.What {
	case Left:
		delete(inRoom, k)
		return
	case Joined:
		if in && before.Conn == s.Conn && j.of(s.User).surelyIn[s.Room].covers(before.At, j.h.at(s.Rev)+clocks) {
			j.add("P6", s.User, s.Watcher, s.At, "has joined %s again, and had not gone", s.Room)
		}
	}
	inRoom[k] = s
}

// silence looks, for each end of each user, whether all who watched were told. How late is a figure where the deadline is sure.
func (j *judge) silence() {
	type stream struct {
		topic
		conn int
	}
	told := map[stream][]Sighting{}
	for _, s := range j.h.Sightings {
		if s.Room == "" {
			k := stream{topic{s.Watcher, s.User}, s.Conn}
			told[k] = append(told[k], s)
		}
	}
	for _, s := range j.h.Streams {
		for _, user := range j.h.Watches[s.Watcher].Users {
			if w := j.of(user); w.hidden < 0 {
				j.ends(w, user, s, told[stream{topic{s.Watcher, user}, s.Conn}])
			}
		}
	}
}

func (j *judge) ends(w *whereabouts, user string, stream Stream, told []Sighting) {
	closed := cmp.Or(stream.To, j.h.Ended)
	for n, s := range w.perhaps {
		next := j.h.Ended
		if n+1 < len(w.perhaps) {
			next = w.perhaps[n+1].from
		}
		due := s.to + j.slack.Late
		if stream.From > s.from && stream.From > s.to || due > min(closed, next) || j.blind(stream, s.to, due) {
			continue
		}
		i, _ := slices.BinarySearchFunc(told, due, func(x Sighting, due At) int { return cmp.Compare(x.At, due+1) })
		if i--; i < 0 {
			continue // resumed: it has heard nothing of him here, and what it knew is on another stream
		}
		if told[i].Status != "offline" {
			j.add("P2", user, stream.Watcher, due, "was silent from %.3f s, and is still shown %s", s.to.Seconds(), told[i].Status)
			continue
		}
		if told[i].What == Event && w.lapses[s.to] && told[i].At > s.to-j.h.TTL {
			j.late = append(j.late, told[i].At-s.to)
		}
	}
}

// blind says whether a stream was told meanwhile that it shows the last known state.
func (j *judge) blind(stream Stream, from, to At) bool {
	degraded := false
	for _, n := range j.h.Notices {
		if n.Watcher != stream.Watcher || n.Conn != stream.Conn || n.At > to {
			continue
		}
		switch n.What {
		case "degraded":
			degraded = true
		case "recovered":
			degraded = n.At > from
		}
	}
	return degraded
}

func (j *judge) count() {
	f := &j.Figures
	f.Seconds, f.Users, f.Watchers, f.Sightings = j.h.Ended.Seconds(), len(j.who), len(j.h.Watches), len(j.h.Sightings)
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
