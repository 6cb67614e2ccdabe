package chaos

import (
	"cmp"
	"maps"
	"slices"
)

// span is a time, its end not included.
type span struct{ from, to At }

// spans do not overlap and are in order.
type spans []span

// covers says whether all of a time, to the last moment, is within one span.
func (s spans) covers(from, to At) bool {
	i, _ := slices.BinarySearchFunc(s, to, func(x span, to At) int { return cmp.Compare(x.to, to+1) }) // the first that ends later
	return i < len(s) && s[i].from <= from
}

func (s spans) contains(at At) bool { return s.covers(at, at) }

// merged puts spans in order and joins those that touch.
func merged(all spans) spans {
	all = slices.DeleteFunc(all, func(x span) bool { return x.to <= x.from })
	slices.SortFunc(all, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	var out spans
	for _, x := range all {
		if n := len(out); n > 0 && x.from <= out[n-1].to {
			out[n-1].to = max(out[n-1].to, x.to)
			continue
		}
		out = append(out, x)
	}
	return out
}

func (s spans) within(other spans) spans {
	var out spans
	for _, a := range s {
		for _, b := range other {
			out = append(out, span{max(a.from, b.from), min(a.to, b.to)})
		}
	}
	return merged(out)
}

// later lets every span end later.
func (s spans) later(by At) spans {
	out := slices.Clone(s)
	for i := range out {
		out[i].to += by
	}
	return merged(out)
}

// whereabouts is what can be worked out of one user.
type whereabouts struct {
	surely, perhaps     spans            // here
	surelyIn, perhapsIn map[string]spans // by room
	hidden              At               // since when; -1: never
	lapses              map[At]bool      // those ends of perhaps that are deadlines of silence, of which nothing makes unsure
	tries               []At             // when he sent beats, whatever came of them
	intents             spans

	lasting   spans // perhaps, and for as long after it as may pass before its end is told
	lastingIn map[string]spans
}

const forever = At(1 << 62)

// locate works out where users were.
func locate(h *History, slack Slack) map[string]*whereabouts {
	sessions := map[string]map[string][]Deed{}
	out := map[string]*whereabouts{}
	for _, d := range h.Deeds {
		w := out[d.User]
		if w == nil {
			w = &whereabouts{hidden: -1, surelyIn: map[string]spans{}, perhapsIn: map[string]spans{}, lapses: map[At]bool{}, lastingIn: map[string]spans{}}
			out[d.User], sessions[d.User] = w, map[string][]Deed{}
		}
		switch d.Kind {
		case Hide:
			if d.Outcome == Done && w.hidden < 0 {
				w.hidden = d.Answered
			}
		case Beat, Leave, End:
			if d.Kind == Beat && !d.Stale {
				w.tries = append(w.tries, d.Sent)
			}
			if !d.Stale && d.Outcome != Refused {
				sessions[d.User][d.Session] = append(sessions[d.User][d.Session], d)
			}
		}
	}
	for user, of := range sessions {
		w := out[user]
		for _, id := range slices.Sorted(maps.Keys(of)) {
			deeds := of[id]
			slices.SortStableFunc(deeds, func(a, b Deed) int { return cmp.Compare(a.Sent, b.Sent) })
			w.surelyBy(h, deeds, slack.Told)
			w.perhapsBy(h, deeds, slack.Effect)
		}
		w.surely, w.perhaps = merged(w.surely), merged(w.perhaps)
		for _, by := range []map[string]spans{w.surelyIn, w.perhapsIn} {
			for room, s := range by {
				by[room] = merged(s)
			}
		}
		slices.Sort(w.tries)
		w.lasting = w.perhaps.later(slack.Late)
		for room, s := range w.perhapsIn {
			w.lastingIn[room] = s.later(slack.Late)
		}
	}
	for _, i := range h.Intents {
		if w := out[i.User]; w != nil {
			w.intents = append(w.intents, span{i.From, cmp.Or(i.To, forever)})
		}
	}
	return out
}

// surelyBy adds when a session was surely alive, and where it surely was.
func (w *whereabouts) surelyBy(h *History, deeds []Deed, told bool) {
	var here spans
	cur, left, unsure := span{}, false, false
	since := map[string]At{}
	stays := map[string]spans{}
	outages := h.Outages
	through := func(until At) { // outages that began before
		for len(outages) > 0 && outages[0].From < until {
			o := outages[0]
			outages = outages[1:]
			if !o.Part && !left && cur.from <= o.From && o.From < cur.to {
				cur.to = max(cur.to, o.Back+h.TTL)
			}
		}
	}
	for _, d := range deeds {
		through(d.Sent)
		switch d.Kind {
		case Beat:
			for room, from := range since {
				if !slices.Contains(d.Rooms, room) {
					stays[room] = append(stays[room], span{from, d.Sent})
					delete(since, room)
				}
			}
			if d.Outcome != Done || unsure {
				continue
			}
			deadline := d.Sent + h.TTL
			if told && d.Deadline != 0 {
				deadline = h.at(d.Deadline)
			}
			if cur.to < d.Answered {
				here = append(here, cur)
				cur = span{d.Answered, deadline}
			}
			if left {
				cur.to = deadline
			}
			cur.to, left = max(cur.to, deadline), false
			for _, room := range d.Rooms {
				if _, in := since[room]; !in {
					since[room] = d.Answered
				}
			}
		case Leave:
			left = true
			cur.to = min(cur.to, d.Sent+h.Grace)
		case End:
			cur.to = min(cur.to, d.Sent)
		}
		if d.Kind != Beat && (d.Outcome == Unknown || d.Again) {
			unsure = true // it may be done later yet, after a beat
		}
	}
	through(forever)
	here = merged(append(here, cur))
	w.surely = append(w.surely, here...)
	for room, from := range since {
		stays[room] = append(stays[room], span{from, forever})
	}
	for room, s := range stays {
		w.surelyIn[room] = append(w.surelyIn[room], merged(s).within(here)...)
	}
}

// perhapsBy adds when a session may have been alive, and where it may have been.
func (w *whereabouts) perhapsBy(h *History, deeds []Deed, effect At) {
	var here spans
	var cur span
	left, sure := false, true
	lingers := At(0) // until when a beat without an answer may take effect
	since := map[string]At{}
	stays := map[string]spans{}
	outages := h.Outages
	through := func(until At) {
		for len(outages) > 0 && outages[0].From < until {
			o := outages[0]
			outages = outages[1:]
			if cur.from > o.To || cur.to < o.From {
				continue
			}
			sure = false
			if left {
				cur.to = max(cur.to, o.To)
				continue
			}
			cur.to = max(cur.to, o.To+h.TTL)
		}
	}
	for _, d := range deeds {
		through(d.Sent)
		by := d.Answered
		if d.Outcome != Done || d.Again {
			by = max(by, d.Sent+effect)
			for _, o := range h.Outages {
				if o.From <= by && d.Sent <= o.To {
					by = max(by, o.To+effect)
				}
			}
		}
		switch d.Kind {
		case Beat:
			if d.Sent > cur.to || cur == (span{}) {
				here = append(here, cur)
				if sure && !left {
					w.lapses[cur.to] = true
				}
				cur, sure = span{d.Sent, d.Sent}, true
			}
			until := by + h.TTL
			if d.Outcome == Done {
				if left = false; d.Deadline != 0 {
					until = h.at(d.Deadline)
				}
			}
			if d.Outcome != Done || d.Again {
				until = max(until, by+h.TTL)
				lingers, sure = max(lingers, by), false
			}
			for _, o := range h.Outages { // one that goes on also spares who comes meanwhile
				if o.From <= by && d.Sent <= o.To {
					until, sure = max(until, o.To+h.TTL), false
				}
			}
			cur.to = max(cur.to, until)
			for _, room := range d.Rooms {
				if _, in := since[room]; !in {
					since[room] = d.Sent
				}
			}
			if d.Outcome != Done {
				continue
			}
			for room, from := range since {
				if !slices.Contains(d.Rooms, room) {
					stays[room] = append(stays[room], span{from, max(by, lingers)})
					delete(since, room)
				}
			}
		case Leave, End:
			if d.Outcome != Done {
				sure = false
				continue
			}
			end := d.Answered
			if d.Kind == Leave {
				end += h.Grace
			}
			if left = true; end < cur.to {
				cur.to = end
			}
			if lingers > d.Sent {
				cur.to = max(cur.to, lingers+h.TTL)
			}
		}
	}
	through(forever)
	if sure && !left {
		w.lapses[cur.to] = true
	}
	here = merged(append(here, cur))
	w.perhaps = append(w.perhaps, here...)
	for room, from := range since {
		stays[room] = append(stays[room], span{from, forever})
	}
	for room, s := range stays {
		w.perhapsIn[room] = append(w.perhapsIn[room], merged(s).within(here)...)
	}
}

// meant is the time around a moment in which a user meant to be here.
func (w *whereabouts) meant(at At) (span, bool) {
	i, _ := slices.BinarySearchFunc(w.intents, at, func(x span, at At) int { return cmp.Compare(x.to, at+1) })
	if i == len(w.intents) || w.intents[i].from >= at {
		return span{}, false
	}
	return w.intents[i], true
}

// triedInTime says whether a user has tried to beat so often, up to a moment, that one TTL without an answer is not his fault.
func (w *whereabouts) triedInTime(at, ttl At) bool {
	during, is := w.meant(at)
	if !is {
		return false
	}
	last := max(at-ttl, during.from)
	i, _ := slices.BinarySearch(w.tries, last+1)
	for _, t := range w.tries[i:] {
		if t >= at {
			break
		}
		if t-last > ttl*8/10 {
			return false
		}
		last = t
	}
	return at-last <= ttl*8/10
}
