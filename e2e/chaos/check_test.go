package chaos

import (
	"slices"
	"testing"
	"time"
)

const sec = time.Second

// tale is a history by hand: TTL 10 s, grace 2 s, the store's clock in step with ours.
type tale struct {
	h    History
	conn map[string]int
}

func newTale() *tale {
	return &tale{h: History{TTL: 10 * sec, Grace: 2 * sec, Watches: map[string]Watch{}, Ended: 60 * sec}, conn: map[string]int{}}
}

const rtt = 10 * time.Millisecond

// does notes a deed that takes 10 ms.
func (x *tale) does(user string, at At, kind Kind, rooms ...string) *Deed {
	x.h.Deeds = append(x.h.Deeds, Deed{User: user, Session: user + "-1", Kind: kind, Sent: at, Answered: at + rtt, Outcome: Done, Rooms: rooms})
	return &x.h.Deeds[len(x.h.Deeds)-1]
}

// beats from a moment to another every 3 s.
func (x *tale) beats(user string, from, to At, rooms ...string) {
	for at := from; at <= to; at += 3 * sec {
		x.does(user, at, Beat, rooms...)
	}
}

func (x *tale) means(user string, from, to At) {
	x.h.Intents = append(x.h.Intents, Intent{user, from, to})
}

// watches opens a stream of a watcher.
func (x *tale) watches(watcher string, at At, users ...string) {
	x.h.Watches[watcher] = Watch{Users: users, Rooms: []string{"lobby"}}
	x.conn[watcher]++
	x.h.Streams = append(x.h.Streams, Stream{Watcher: watcher, Conn: x.conn[watcher], From: at})
}

// sees notes what a watcher was told 100 ms after it was true.
func (x *tale) sees(watcher, user string, at At, status string) *Sighting {
	x.h.Sightings = append(x.h.Sightings, Sighting{
		Watcher: watcher, Conn: x.conn[watcher], At: at + 100*time.Millisecond, What: Event, User: user, Status: status, Rev: at.Microseconds(), Look: status,
	})
	return &x.h.Sightings[len(x.h.Sightings)-1]
}

func (x *tale) moves(watcher, user string, at At, what string) *Sighting {
	s := x.sees(watcher, user, at, "")
	s.What, s.Room = what, "lobby"
	return s
}

func (x *tale) away(from, to At) {
	x.h.Outages = append(x.h.Outages, Outage{Name: "away", From: from, Back: to, To: to + 500*time.Millisecond})
}

// A history in which all is as it should be, with all that may look wrong and is not.
func fair() *tale {
	x := newTale()
	x.does("hugo", 0, Hide)
	x.watches("w", 500*time.Millisecond, "ada", "ben", "cyd", "dan", "eve", "hugo")
	x.sees("w", "hugo", 600*time.Millisecond, "offline").What = Snapshot

	x.means("ada", 1*sec+rtt, 0) // steady to the end, through an outage of 15 s
	x.beats("ada", 1*sec, 20*sec, "lobby")
	for at := 23 * sec; at < 36*sec; at += 3 * sec {
		x.does("ada", at, Beat, "lobby").Outcome = Unknown
	}
	x.beats("ada", 36*sec, 59*sec, "lobby")
	x.sees("w", "ada", 1*sec+5*time.Millisecond, "online")
	x.moves("w", "ada", 1*sec+6*time.Millisecond, Joined)
	x.away(21*sec, 36*sec)

	x.beats("hugo", 1*sec, 59*sec, "lobby")

	x.beats("ben", 1*sec, 4*sec) // silent from 4 s on, told at 14 s
	x.sees("w", "ben", 1*sec+5*time.Millisecond, "online")
	x.sees("w", "ben", 14*sec+400*time.Millisecond, "offline")

	x.does("cyd", 2*sec, Beat, "lobby") // leaves and is gone after grace; his beat at 9.5 s is of before
	x.moves("w", "cyd", 2*sec+5*time.Millisecond, Joined)
	x.sees("w", "cyd", 2*sec+5*time.Millisecond, "online")
	x.does("cyd", 5*sec, Leave)
	x.sees("w", "cyd", 7*sec+5*time.Millisecond, "offline")
	x.moves("w", "cyd", 7*sec+5*time.Millisecond, Left)
	x.does("cyd", 9500*time.Millisecond, Beat, "lobby").Stale = true

	x.beats("dan", 1*sec, 4*sec) // leaves and comes back within grace
	x.does("dan", 5*sec, Leave)
	x.beats("dan", 6*sec, 58*sec)
	x.sees("w", "dan", 1*sec+5*time.Millisecond, "online")

	x.does("eve", 18*sec, Beat) // whose deadline falls into the outage: a whole TTL after it
	x.sees("w", "eve", 18*sec+5*time.Millisecond, "online")
	x.sees("w", "eve", 46*sec+600*time.Millisecond, "offline")
	return x
}

func verdict(x *tale) Verdict {
	slices.SortStableFunc(x.h.Sightings, func(a, b Sighting) int { return int(a.At - b.At) })
	return Check(&x.h, Slack{Late: 2 * sec, Effect: 2 * sec, Told: true})
}

func TestAFairHistoryIsNotFaulted(t *testing.T) {
	v := verdict(fair())
	for _, x := range v.Violations {
		t.Error(x)
	}
	f := v.Figures
	if f.Lapses != 1 || f.LateMax < 0.4 || f.LateMax > 0.6 || f.Users != 6 || f.FalseOffline != 0 || f.Unanswered != 5 {
		t.Errorf("%+v", f)
	}
}

// Each plants one fault into a fair history. A checker that finds nothing there proves nothing elsewhere.
func TestEachPlantedFaultIsFound(t *testing.T) {
	late := func(x *tale, user string) *Sighting { // what was last told of a user
		for i := len(x.h.Sightings) - 1; ; i-- {
			if s := &x.h.Sightings[i]; s.User == user && s.Room == "" {
				return s
			}
		}
	}
	for _, tc := range []struct {
		name, property string
		plant          func(x *tale)
	}{
		{"a steady user is told offline", "P1", func(x *tale) { x.sees("w", "ada", 15*sec, "offline") }},
		{"offline by an outage", "P1", func(x *tale) { x.sees("w", "ada", 31*sec, "offline") }},
		{"offline within a TTL after an outage", "P1", func(x *tale) { x.sees("w", "ada", 36*sec, "offline") }},
		{"a snapshot calls a steady user offline", "P1", func(x *tale) { x.sees("w", "ada", 15*sec, "offline").What = Snapshot }},
		{"offline because his beats were refused", "P1", func(x *tale) {
			x.means("fay", 1*sec, 0)
			x.does("fay", 1*sec, Beat)
			for at := 4 * sec; at < 20*sec; at += 3 * sec {
				x.does("fay", at, Beat).Outcome = Unknown
			}
			x.sees("w", "fay", 16*sec, "offline")
		}},
		{"silence is not told", "P2", func(x *tale) {
			x.h.Sightings = slices.DeleteFunc(x.h.Sightings, func(s Sighting) bool { return s.User == "ben" && s.Status == "offline" })
		}},
		{"silence is told too late", "P2", func(x *tale) { late(x, "ben").At += 5 * sec }},
		{"silence after an outage is not told", "P2", func(x *tale) { late(x, "eve").At += 10 * sec }},
		{"silence is told twice", "P2", func(x *tale) { x.sees("w", "ben", 16*sec, "offline") }},
		{"silence is told early", "P3", func(x *tale) {
			s := late(x, "ben")
			s.Rev, s.At = (13900 * time.Millisecond).Microseconds(), 14*sec
		}},
		{"early by the deadline that was promised", "P3", func(x *tale) {
			x.h.Deeds[slices.IndexFunc(x.h.Deeds, func(d Deed) bool { return d.User == "ben" && d.Sent == 4*sec })].Deadline = (14500 * time.Millisecond).Microseconds()
		}},
		{"leaving is told before grace is over", "P3", func(x *tale) {
			s := late(x, "cyd")
			s.Rev, s.At = (6900 * time.Millisecond).Microseconds(), 7*sec
		}},
		{"offline within grace, and back", "P3", func(x *tale) { x.sees("w", "dan", 5500*time.Millisecond, "offline") }},
		{"an outage is held against who was silent", "P3", func(x *tale) {
			s := late(x, "eve")
			s.Rev, s.At = (45 * sec).Microseconds(), 45*sec+1
		}},
		{"a rev goes back", "P4", func(x *tale) {
			s := x.sees("w", "ada", 3*sec, "busy")
			s.Rev = sec.Microseconds()
		}},
		{"a rev is told twice", "P4", func(x *tale) {
			rev := late(x, "ada").Rev
			x.sees("w", "ada", 3*sec, "busy").Rev = rev
		}},
		{"a rev goes back on the next stream", "P4", func(x *tale) {
			x.watches("w", 50*sec, "ada")
			s := x.sees("w", "ada", 50*sec, "online")
			s.What, s.Rev = Snapshot, sec.Microseconds()
		}},
		{"a rev is of the future", "P4", func(x *tale) { x.sees("w", "ada", 20*sec, "busy").At = 19 * sec }},
		{"a room's rev goes back", "P4", func(x *tale) { x.moves("w", "ada", 50*sec, Member).Rev = 5_000_000 }},
		{"a watcher and REST differ", "P5", func(x *tale) {
			x.h.Disagreements = []Disagreement{{"w", "ada", "busy", "online"}}
		}},
		{"a ghost comes back", "P6", func(x *tale) { x.sees("w", "ben", 30*sec, "online") }},
		{"a late beat brings back who has left", "P6", func(x *tale) { x.sees("w", "cyd", 9600*time.Millisecond, "online") }},
		{"somebody of whom nothing is known", "P6", func(x *tale) { x.sees("w", "zoe", 9*sec, "online") }},
		{"a member leaves without a cause", "P6", func(x *tale) { x.moves("w", "ada", 15*sec, Left) }},
		{"a member leaves by an outage", "P6", func(x *tale) { x.moves("w", "ada", 40*sec, Left) }},
		{"somebody joins where he never was", "P6", func(x *tale) { x.moves("w", "ben", 5*sec, Joined) }},
		{"somebody is in a room that he has left", "P6", func(x *tale) { x.moves("w", "cyd", 12*sec, Member) }},
		{"a member joins again", "P6", func(x *tale) { x.moves("w", "ada", 15*sec, Joined) }},
		{"somebody is told again as he was", "P6", func(x *tale) { x.sees("w", "ada", 15*sec, "online") }},
		{"a hidden user is told online", "P7", func(x *tale) { x.sees("w", "hugo", 15*sec, "online") }},
		{"a snapshot shows a hidden user", "P7", func(x *tale) { x.sees("w", "hugo", 15*sec, "online").What = Snapshot }},
		{"a hidden user is shown in a room", "P7", func(x *tale) { x.sees("w", "hugo", 15*sec, "online").What = Shown }},
		{"a room shows a steady user offline", "P1", func(x *tale) { x.sees("w", "ada", 15*sec, "offline").What = Shown }},
		{"a hidden user moves something", "P7", func(x *tale) { x.sees("w", "hugo", 15*sec, "offline") }},
		{"a hidden user types", "P7", func(x *tale) { x.moves("w", "hugo", 15*sec, Typing) }},
		{"somebody types who has gone", "P6", func(x *tale) { x.moves("w", "ben", 20*sec, Typing) }},
		{"a hidden user is in a room", "P7", func(x *tale) { x.moves("w", "hugo", 15*sec, Member) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			x := fair()
			tc.plant(x)
			v := verdict(x)
			if len(v.Of(tc.property)) == 0 {
				t.Errorf("no %s among %v", tc.property, v.Violations)
			}
			if (v.Figures.FalseOffline > 0) != (tc.property == "P1") {
				t.Errorf("%d users falsely offline", v.Figures.FalseOffline)
			}
			if others := len(v.Violations) - len(v.Of(tc.property)); others > 0 && tc.property != "P4" {
				t.Errorf("besides, %v", v.Violations)
			}
		})
	}
}

// What could have been so or so is no fault.
func TestWhatIsUncertainIsNotFaulted(t *testing.T) {
	for _, tc := range []struct {
		name  string
		plant func(x *tale)
	}{
		{"a beat without an answer counts, or does not", func(x *tale) {
			x.does("fay", 1*sec, Beat)
			x.does("fay", 9*sec, Beat).Outcome = Unknown
			x.sees("w", "fay", 11100*time.Millisecond, "offline")
			x.sees("w", "fay", 12*sec, "online")
		}},
		{"a leave without an answer counts, or does not", func(x *tale) {
			x.does("fay", 1*sec, Beat)
			x.does("fay", 4*sec, Leave).Outcome = Unknown
			x.sees("w", "fay", 1*sec, "online")
			x.sees("w", "fay", 10*sec, "offline")
		}},
		{"who did not try in time is not wronged", func(x *tale) {
			x.means("fay", 1*sec, 0)
			x.does("fay", 1*sec, Beat)
			x.does("fay", 13*sec, Beat)
			x.sees("w", "fay", 11100*time.Millisecond, "offline")
			x.sees("w", "fay", 13*sec+5*time.Millisecond, "online")
			x.sees("w", "fay", 47*sec, "offline")
		}},
		{"who ends on one page while he beats on the next", func(x *tale) {
			x.does("fay", 1*sec, Beat)
			x.sees("w", "fay", 1*sec, "online")
			x.does("fay", 2*sec, End)
			x.does("fay", 2*sec, Beat).Session = "fay-2"
			x.sees("w", "fay", 2*sec+rtt-time.Millisecond, "offline")
			x.sees("w", "fay", 2*sec+rtt, "online")
			x.sees("w", "fay", 12*sec+rtt, "offline")
		}},
		{"one whose part of the store was away may be spared", func(x *tale) {
			x.h.Outages = append(x.h.Outages, Outage{Name: "part", From: 10 * sec, Back: 12 * sec, To: 13 * sec, Part: true})
			x.does("fay", 1*sec, Beat)
			x.sees("w", "fay", 1*sec, "online")
			x.sees("w", "fay", 23*sec, "offline")
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			x := fair()
			tc.plant(x)
			for _, v := range verdict(x).Violations {
				t.Error(v)
			}
		})
	}
}

// What is judged piece by piece comes to the same, wherever it is cut.
func TestPiecesAreJudgedAsTheWhole(t *testing.T) {
	for name, plant := range map[string]func(x *tale){
		"fair":       func(*tale) {},
		"told again": func(x *tale) { x.sees("w", "ben", 16*sec, "offline") },
		"never told": func(x *tale) {
			x.h.Sightings = slices.DeleteFunc(x.h.Sightings, func(s Sighting) bool { return s.User == "ben" && s.Status == "offline" })
		},
		"a rev back":   func(x *tale) { x.sees("w", "ada", 3*sec, "busy").Rev = sec.Microseconds() },
		"joined again": func(x *tale) { x.moves("w", "ada", 15*sec, Joined) },
		"early":        func(x *tale) { x.sees("w", "dan", 5500*time.Millisecond, "offline") },
	} {
		t.Run(name, func(t *testing.T) {
			x := fair()
			plant(x)
			want := verdict(x) // which puts what was seen in order
			for cut := sec / 2; cut < 59*sec; cut += sec / 2 {
				if slices.ContainsFunc(x.h.Outages, func(o Outage) bool { return o.From <= cut+sec && cut <= o.To }) {
					continue
				}
				j, slack := NewJudge(), Slack{Late: 2 * sec, Effect: 2 * sec, Told: true}
				piece, rest := x.h, x.h
				piece.Sightings, rest.Sightings = nil, nil
				for _, s := range x.h.Sightings {
					if s.At <= cut+sec {
						piece.Sightings = append(piece.Sightings, s)
					} else {
						rest.Sightings = append(rest.Sightings, s)
					}
				}
				piece.Deeds = slices.DeleteFunc(slices.Clone(x.h.Deeds), func(d Deed) bool { return d.Sent > cut+sec })
				piece.Outages = slices.DeleteFunc(slices.Clone(x.h.Outages), func(o Outage) bool { return o.From > cut })
				piece.Ended = cut + sec
				j.Take(&piece, slack, cut)
				got := j.Finish(&rest, slack)
				if !sameViolations(got, want) || got.Figures != want.Figures {
					t.Fatalf("cut at %v: %v %+v, as a whole %v %+v", cut, got.Violations, got.Figures, want.Violations, want.Figures)
				}
			}
		})
	}
}

func sameViolations(a, b Verdict) bool {
	lines := func(v Verdict) (out []string) {
		for _, x := range v.Violations {
			out = append(out, x.Property+x.User+x.Watcher+x.At.String())
		}
		slices.Sort(out)
		return out
	}
	return slices.Equal(lines(a), lines(b))
}
