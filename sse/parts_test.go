package sse

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// team is a key made of parts.
func team(id string) Key { return Key{teams, id} }

// part returns a frame about one part of its key.
func part(name, text string) *Frame {
	return &Frame{Data: []byte(name + "=" + text), Part: name}
}

func whole(text string) *Frame { return &Frame{Data: []byte(text), Whole: true} }

func urgently(f *Frame) *Frame {
	f.Urgent = true
	return f
}

// joinParts makes one event of the whole and one of all other parts.
func joinParts(k Key, frames []*Frame) (events []Event) {
	if frames[0].Whole {
		events = append(events, Event{Name: "whole ", ID: "no", Data: fmt.Appendf(nil, "%s:%s", k.ID, frames[0].Data)})
		frames = frames[1:]
	}
	var list []string
	for _, f := range frames {
		list = append(list, string(f.Data))
	}
	if len(list) > 0 {
		events = append(events, Event{Name: "team ", Data: fmt.Appendf(nil, "%s:%s", k.ID, strings.Join(list, ","))})
	}
	return events
}

// wholes is an Options.Whole that notes what it is asked.
type wholes struct {
	asked []string
	text  func(Key) string
}

func (w *wholes) of(k Key) *Frame {
	w.asked = append(w.asked, k.ID)
	if text := w.text(k); text != "" {
		return whole(text)
	}
	return nil
}

func allOf(k Key) string { return "all of " + k.ID }

// partsOf tells how many parts wait in s.
func partsOf(s *Stream) (parts int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, frames := range s.box.parts {
		parts += len(frames)
	}
	return parts
}

func TestPartsOfOneKeyAreMergedWithinOneWindow(t *testing.T) {
	for _, c := range []struct {
		name  string
		offer []*Frame
		want  []string
	}{
		{"one", []*Frame{part("a", "1")}, []string{"team #cr:a=1"}},
		{"several", []*Frame{part("b", "1"), part("a", "1")}, []string{"team #cr:b=1,a=1"}},
		{"the newest of each, in the place of the first", []*Frame{part("a", "1"), part("b", "1"), part("a", "2")}, []string{"team #cr:a=2,b=1"}},
		{"a whole replaces what came before it", []*Frame{part("a", "1"), part("b", "1"), whole("x")}, []string{"whole #cr:x"}},
		{"a whole stays before what came after it", []*Frame{part("a", "1"), whole("x"), part("b", "2"), part("b", "3")}, []string{"whole r:x", "team #cr:b=3"}},
		{"a whole replaces a whole", []*Frame{whole("x"), part("b", "2"), whole("y")}, []string{"whole #cr:y"}},
		{"a frame that names no part is not the whole", []*Frame{whole("x"), part("", "1"), part("", "2")}, []string{"whole r:x", "team #cr:=2"}},
		{"versions and digests are not looked at", []*Frame{say(7, "x"), say(3, "y")}, []string{"team #cr:y"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := NewHub(testKinds)
				r := run(t, watching(h, Options{Coalesce: time.Second, Cursor: func() string { return "c" }}, team("r")))
				for range 2 { // the second is as new as the first
					h.Offer(team("r"), 0, part("first", "!"))
					r.expect(t, fmt.Sprintf("%v team #cr:first=!", time.Since(r.start)))
					for _, f := range c.offer {
						h.Offer(team("r"), 0, f)
					}
					r.expect(t)
					pass(time.Second)
					r.expect(t, fmt.Sprintf("%v %s", time.Since(r.start), strings.Join(c.want, " ")))
					pass(time.Second)
				}
				if r.box.parts != nil {
					t.Error("an idle stream keeps a map of parts")
				}
			})
		})
	}
}

func TestOneUrgentPartTakesItsKeyAlong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHub(testKinds)
		r := run(t, watching(h, Options{Coalesce: time.Second, Cursor: func() string { return "c" }}, team("r"), team("s")))
		h.Offer(team("r"), 0, part("a", "1"))
		r.expect(t, "0s team #cr:a=1")
		h.Offer(team("s"), 0, part("a", "2"))
		h.Offer(team("r"), 0, part("a", "2"))
		h.Offer(team("r"), 0, urgently(part("b", "2")))
		r.expect(t, "0s team r:a=2,b=2") // no id: that of s is older
		h.Offer(team("r"), 0, part("b", "3"))
		r.expect(t)
		pass(time.Second)
		r.expect(t, "1s team s:a=2 team #cr:b=3")
	})
}

func TestPartsComeInThePlaceOfTheirKind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHub(testKinds)
		s := watching(h, Options{Cursor: func() string { return "c" }}, team("r"), user("a"), room("x"), team("s"))
		h.Offer(team("s"), 0, part("a", "1"))
		h.Offer(team("r"), 0, part("a", "1"))
		h.Offer(room("x"), 0, say(1, "x1"))
		h.Offer(user("a"), 0, say(1, "a1"))
		run(t, s).expect(t, "0s presence[a1] roomx1 team s:a=1 team #cr:a=1")
	})
}

// A merge may make nothing of its frames: the id then goes on what comes before.
func TestTheIDGoesOnTheLastEventWhateverAMergeMakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kinds := slices.Clone(testKinds)
		kinds[teams].Merge = func(Key, []*Frame) []Event { return nil }
		h := NewHub(kinds)
		r := run(t, watching(h, Options{Cursor: func() string { return "c" }}, user("a"), team("r")))
		h.Offer(team("r"), 0, part("a", "1"))
		r.expect(t)
		resume := r.stall()
		h.Offer(user("a"), 0, say(1, "a1"))
		synctest.Wait()
		h.Offer(user("a"), 0, say(2, "a2"))
		h.Offer(team("r"), 0, part("a", "1"))
		resume()
		r.expect(t, "0s presence#c[a1]", "0s presence#c[a2]")
	})
}

func TestASnapshotShowsOnlyAWhole(t *testing.T) {
	for _, c := range []struct {
		name     string
		offer    []*Frame
		snapshot string
		later    string
	}{
		{"nothing", nil, "snapshot#cr:-,", ""},
		{"the whole", []*Frame{whole("x")}, "snapshot#cr:x,", ""},
		{"the whole, then parts", []*Frame{whole("x"), part("a", "1"), part("b", "1")}, "snapshotr:x,", "team #cr:a=1,b=1"},
		{"parts alone", []*Frame{part("a", "1"), part("b", "1")}, "snapshotr:-,", "team #cr:a=1,b=1"},
	} {
		offer := func(h *Hub) {
			for _, f := range c.offer {
				h.Offer(team("r"), 0, f)
			}
		}
		compose := func(news []News, cursor string) []Event {
			return []Event{{Name: "snapshot", ID: cursor, Data: listing(news)}}
		}
		later := func(t *testing.T, r *running) {
			pass(time.Second)
			if c.later == "" {
				r.expect(t)
			} else {
				r.expect(t, "1s "+c.later)
			}
		}
		o := Options{Coalesce: time.Second, Cursor: func() string { return "c" }}
		t.Run("opening with "+c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := NewHub(testKinds)
				o := o
				o.Opening = compose
				s := watching(h, o, team("r"))
				offer(h)
				r := run(t, s)
				r.expect(t, "0s "+c.snapshot)
				later(t, r)
			})
		})
		t.Run("adding with "+c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := NewHub(testKinds)
				r := run(t, watching(h, o))
				h.WatchHeld(r.Stream, team("r"), 0)
				offer(h)
				r.expect(t)
				r.Resnapshot([]Key{team("r")}, compose)
				r.expect(t, "0s "+c.snapshot)
				later(t, r)
			})
		})
	}
}

func TestUrgentPartsFollowTheirSnapshotAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHub(testKinds)
		r := run(t, watching(h, Options{Coalesce: time.Hour}))
		h.WatchHeld(r.Stream, team("r"), 0)
		h.Offer(team("r"), 0, whole("x"))
		h.Offer(team("r"), 0, urgently(part("a", "1")))
		r.Resnapshot([]Key{team("r")}, func(news []News, _ string) []Event {
			return []Event{{Name: "snapshot", Data: listing(news)}}
		})
		r.expect(t, "0s snapshotr:x,", "0s team r:a=1")
	})
}

func TestPartsOfAnotherVariantAreDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHub(testKinds)
		r := run(t, watching(h, Options{Coalesce: time.Second}, team("r"), team("s")))
		h.Offer(team("s"), 0, part("a", "1"))
		r.expect(t, "0s team s:a=1")
		h.Offer(team("r"), 0, part("a", "secret"))
		h.Offer(team("s"), 0, part("a", "secret"))
		h.Watch(r.Stream, team("r"), 1)
		h.Unwatch(r.Stream, team("s"))
		if r.box.parts != nil {
			t.Error("parts are left of what is not shown")
		}
		h.Offer(team("r"), 1, whole("x"))
		pass(time.Second)
		r.expect(t, "1s whole r:x")
	})
}

func TestAFloodToAStuckReaderIsBoundedAndComesAsTheWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHub(testKinds)
		all := &wholes{text: allOf}
		r := run(t, watching(h, Options{Cursor: func() string { return "c" }, Whole: all.of}, team("r"), team("s")))
		resume := r.stall()
		h.Offer(team("r"), 0, part("a", "1"))
		synctest.Wait()
		h.Offer(team("s"), 0, part("a", "1"))
		for i := range 10 * partsLimit {
			h.Offer(team("r"), 0, part(fmt.Sprint(i), "!"))
			if n := partsOf(r.Stream); n > partsLimit+1 {
				t.Fatalf("%d parts wait, want %d at most and one of another key", n, partsLimit)
			}
		}
		if n := partsOf(r.Stream); n != 1 {
			t.Errorf("%d parts wait, want the one of another key", n)
		}
		resume()
		r.expect(t, "0s team #cr:a=1", "0s team s:a=1 whole #cr:all of r")
		if fmt.Sprint(all.asked) != "[r]" {
			t.Errorf("asked for %v, want r once", all.asked)
		}
		h.Offer(team("r"), 0, part("a", "2"))
		r.expect(t, "0s team #cr:a=2") // kept again
	})
}

func TestPartsUpToTheLimitAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHub(testKinds)
		s := watching(h, Options{Cursor: func() string { return "c" }, Whole: (&wholes{text: allOf}).of}, team("r"))
		for i := range partsLimit {
			h.Offer(team("r"), 0, part(fmt.Sprint(i), "!"))
		}
		h.Offer(team("r"), 0, part("0", "?"))
		got := run(t, s).rewind()
		if len(got) != 1 || strings.Count(got[0], "=") != partsLimit || !strings.HasPrefix(got[0], "0s team #cr:0=?,1=!,") {
			t.Errorf("got %q", got)
		}
	})
}

// lose makes s lose the parts of k.
func lose(h *Hub, k Key) {
	for i := range partsLimit + 1 {
		h.Offer(k, 0, part(fmt.Sprint(i), "!"))
	}
}

func TestALostKeyWithNothingToSayIsLeftOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHub(testKinds)
		all := &wholes{text: func(Key) string { return "" }}
		s := watching(h, Options{Cursor: func() string { return "c" }, Whole: all.of}, user("a"), team("r"))
		lose(h, team("r"))
		h.Offer(user("a"), 0, say(1, "a1"))
		run(t, s).expect(t, "0s presence#c[a1]")
		if fmt.Sprint(all.asked) != "[r]" {
			t.Errorf("asked for %v, want r once", all.asked)
		}
		deaf := watching(h, Options{}, team("r")) // has no Whole
		lose(h, team("r"))
		run(t, deaf).expect(t)
	})
}

func TestAWholeEndsALoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHub(testKinds)
		all := &wholes{text: allOf}
		s := watching(h, Options{Whole: all.of}, team("r"))
		lose(h, team("r"))
		h.Offer(team("r"), 0, whole("x"))
		h.Offer(team("r"), 0, part("a", "1"))
		run(t, s).expect(t, "0s whole r:x team r:a=1")
		if len(all.asked) > 0 {
			t.Errorf("asked for %v, which was offered", all.asked)
		}
	})
}

func TestALossIsUrgentWhereAPartWas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHub(testKinds)
		r := run(t, watching(h, Options{Coalesce: time.Hour, Whole: (&wholes{text: allOf}).of}, team("r")))
		h.Offer(team("r"), 0, part("a", "1"))
		r.expect(t, "0s team r:a=1")
		lose(h, team("r"))
		r.expect(t)
		h.Offer(team("r"), 0, urgently(part("a", "2")))
		r.expect(t, "0s whole r:all of r")
	})
}

func TestSnapshotsAskForWhatWasLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHub(testKinds)
		compose := func(news []News, cursor string) []Event {
			return []Event{{Name: "snapshot", ID: cursor, Data: listing(news)}}
		}
		o := Options{Opening: compose, Cursor: func() string { return "c" }, Whole: (&wholes{text: func(k Key) string {
			if k.ID == "gone" {
				return ""
			}
			return allOf(k)
		}}).of}
		s := watching(h, o, team("gone"), team("r"))
		lose(h, team("r"))
		lose(h, team("gone"))
		r := run(t, s)
		r.expect(t, "0s snapshot#cgone:-,r:all of r,")
		h.WatchHeld(s, team("s"), 0)
		lose(h, team("s"))
		r.expect(t)
		r.Resnapshot([]Key{team("s")}, compose)
		r.expect(t, "0s snapshot#cs:all of s,")
	})
}

// The mark ends before the whole is asked for: what is offered meanwhile is kept,
// as the whole may not have it. In the other order it would be lost for good.
func TestWhatIsOfferedWhileTheWholeIsAskedForIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHub(testKinds)
		o := Options{Cursor: func() string { return "c" }, Whole: func(k Key) *Frame {
			h.Offer(k, 0, part("a", "meanwhile")) // which also shows that no lock is held
			return whole("x")
		}}
		s := watching(h, o, team("r"))
		lose(h, team("r"))
		run(t, s).expect(t, "0s whole #cr:x", "0s team #cr:a=meanwhile")
	})
}
