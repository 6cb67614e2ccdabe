package presence_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/presently/presently/presence"
)

// enters writes that a user's session is in just these rooms, and announces it.
func (l *ledger) enters(user string, rooms ...string) {
	l.board.Changed(l.entersUnheard(user, rooms...))
}

func (l *ledger) entersUnheard(user string, rooms ...string) presence.Change {
	return l.write(user, saying("session-1", presence.Online), in("session-1", 0, rooms...))
}

func (l *ledger) leaves(user string) { l.board.Changed(l.ends(user)) }

// hides has a user hide from everybody, or come out again as a store announces it: with where he is.
func (l *ledger) hides(user string, is bool) {
	facts := []presence.Fact{hid(presence.Hiding{On: is})}
	l.set(func() {
		for _, m := range l.records[user].Memberships {
			if !is {
				facts = append(facts, m)
			}
		}
	})
	l.board.Changed(l.write(user, facts...))
}

// readRoom watches a room for a reader, and returns what he sees there at first.
func (l *ledger) readRoom(ctx context.Context, room, reader string) (seen string, err error) {
	err = l.board.WatchRoom(ctx, room, reader, func(g *presence.Gathering) { seen = seenIn(g, reader) })
	return seen, err
}

func (l *ledger) mustReadRoom(t *testing.T, room, reader, want string) {
	t.Helper()
	seen, err := l.readRoom(t.Context(), room, reader)
	if err != nil {
		t.Errorf("WatchRoom: %v", err)
	}
	if seen != want {
		t.Errorf("%s began with %q in the %s, want %q", reader, seen, room, want)
	}
}

// wantIn checks whom a reader sees in a watched room when nothing is under way any more.
func (l *ledger) wantIn(t *testing.T, room, reader, want string) {
	t.Helper()
	synctest.Wait()
	if got := l.seen(room, reader); got != want {
		t.Errorf("%s sees %q in the %s, want %q", reader, got, room, want)
	}
}

func (l *ledger) seen(room, reader string) (seen string) {
	l.board.InRoom(room, func(g *presence.Gathering) { seen = seenIn(g, reader) })
	return seen
}

// wantNothingLeft checks that nobody is watched and, after a while, that nobody is remembered.
func (l *ledger) wantNothingLeft(t *testing.T) {
	t.Helper()
	synctest.Wait()
	if watched, pointing := l.board.Watched(); len(watched)+len(pointing) > 0 {
		t.Errorf("%q are still watched, and the entries of %q point to rooms where they are not", watched, pointing)
	}
	l.linger()
	if n := l.board.Len(); n != 0 {
		t.Errorf("%d records are left, want none", n)
	}
}

// linger lets so much time pass that who is not watched is forgotten.
func (l *ledger) linger() {
	l.pass(1)
	l.pass(presence.Version(presence.LingerFor.Microseconds()) + 1)
}

// seenIn is whom a viewer sees in a room, by name, with a * where he types; or how many in a crowd, as a listener counts them.
func seenIn(g *presence.Gathering, viewer string) string {
	n, names := g.Users, []string{}
	for user, m := range g.Members {
		visible := m.Record.InFor(viewer, g.Room)
		if m.Record.InForAll(g.Room) {
			n--
		}
		if visible {
			n++
		}
		switch types := len(m.Record.TypesFor(viewer, g.Room, m.Moment())) > 0; {
		case types:
			names = append(names, user+"*")
		case visible:
			names = append(names, user)
		}
	}
	if g.Crowded {
		return fmt.Sprint(n)
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

func TestWhoWatchesARoomHearsWhoComesAndGoes(t *testing.T) {
	onLedger(t, func(t *testing.T, l *ledger) {
		l.enters("ada", "hall", "lobby")
		l.enters("bob", "hall")
		l.mustReadRoom(t, "lobby", "cat", "ada")
		l.enters("bob", "lobby")
		l.enters("cy", "lobby")
		l.wantIn(t, "lobby", "cat", "ada bob cy")
		l.enters("ada", "hall")
		l.leaves("bob")
		l.wantIn(t, "lobby", "cat", "cy")
		l.board.UnwatchRoom("lobby", "cat")
		l.wantNothingLeft(t)
	})
}

// In each story dee comes into the lobby, and ada goes. What was written before WatchRoom is seen at once, what comes later soon.
func TestWhoComesOrGoesAroundTheReadingOfARoomIsNotMissed(t *testing.T) {
	const early, late = "bob dee", "bob dee"
	for _, c := range []struct {
		name                                  string
		before, indexed, looking, looked, end bool // when it happens: the index being read, the records, after
		first                                 string
	}{
		{name: "before", before: true, first: early},
		{name: "when the index has been read", indexed: true},
		{name: "when the records are to be read", looking: true},
		{name: "when the records have been read", looked: true},
		{name: "after", end: true, first: "ada bob"},
	} {
		for _, watched := range []bool{false, true} {
			for _, heard := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, users watched: %t, heard: %t", c.name, watched, heard), func(t *testing.T) {
					onLedger(t, func(t *testing.T, l *ledger) {
						l.enters("ada", "lobby")
						l.enters("bob", "lobby")
						if watched {
							l.mustWatch(t, "ada", "dee")
						}
						var unheard []presence.Change
						happen := func() {
							l.set(func() { l.before, l.after, l.afterRoom = nil, nil, nil })
							for _, change := range []presence.Change{l.entersUnheard("dee", "lobby"), l.ends("ada")} {
								if heard {
									l.board.Changed(change)
								} else {
									unheard = append(unheard, change)
								}
							}
						}
						when := func(is bool) func() {
							if is {
								return happen
							}
							return nil
						}
						if c.before {
							happen()
						}
						l.set(func() { l.afterRoom, l.before, l.after = when(c.indexed), when(c.looking), when(c.looked) })
						seen, err := l.readRoom(t.Context(), "lobby", "cat")
						if err != nil || c.first != "" && seen != c.first {
							t.Errorf("began with %q, %v, want %q", seen, err, c.first)
						}
						if c.end {
							happen()
						}
						for _, change := range unheard {
							l.board.Changed(change)
						}
						l.wantIn(t, "lobby", "cat", late)
					})
				})
			}
		}
	}
}

func TestARoomIsReadOnceForAllWhoComeAtOnce(t *testing.T) {
	onLedger(t, func(t *testing.T, l *ledger) {
		l.enters("ada", "lobby")
		l.before = func() { time.Sleep(time.Second) }
		var all sync.WaitGroup
		for i := range 100 {
			all.Go(func() { l.mustReadRoom(t, "lobby", fmt.Sprintf("user-%d-", i%3), "ada") })
		}
		all.Wait()
		reads := slices.DeleteFunc(l.asked(), func(s string) bool { return s != "room lobby" })
		if len(reads) > 2 { // who comes while it is read is served by the next reading
			t.Errorf("the room was read %d times, want at most 2", len(reads))
		}
	})
}

// The instance starts, and a room is watched before anything has been heard of the lane in which somebody comes.
func TestWhoComesBeforeTheFirstBeaconIsSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(2)
		start(t, l.board.Run)
		l.enters("a0", "lobby")
		l.mustReadRoom(t, "lobby", "c0", "a0")
		l.entersUnheard("b1", "lobby")
		l.pass(1)
		l.wantIn(t, "lobby", "c0", "a0 b1")
	})
}

// What was written before somebody watched a room is shown to him, also where the lane has not told it yet.
func TestWhoWatchesARoomThatIsWatchedWaitsForTheLane(t *testing.T) {
	onLedger(t, func(t *testing.T, l *ledger) {
		l.enters("ada", "lobby")
		l.mustReadRoom(t, "lobby", "cat", "ada")
		came, went := l.entersUnheard("bob", "lobby"), l.ends("ada")
		go func() {
			time.Sleep(time.Second)
			l.board.Changed(came)
			l.board.Changed(went)
		}()
		began := time.Now()
		l.mustReadRoom(t, "lobby", "dee", "bob")
		if took := time.Since(began); took != time.Second {
			t.Errorf("it took %s, want as long as the changes, 1s", took)
		}
	})
}

// Who left was shown for ever: the index, which was read instead, names only those who are there.
func TestWhoWatchesARoomReadsAllMembersWhereALaneIsDeaf(t *testing.T) {
	onLedger(t, func(t *testing.T, l *ledger) {
		l.enters("ada", "lobby")
		l.mustReadRoom(t, "lobby", "cat", "ada")
		l.entersUnheard("bob", "lobby")
		l.ends("ada")
		l.mustReadRoom(t, "lobby", "dee", "bob")
		l.wantIn(t, "lobby", "cat", "bob")
	})
}

// Who had left unheard made a crowd together with those who had come.
func TestWhoHasGoneUnheardIsNotCounted(t *testing.T) {
	onLedger(t, func(t *testing.T, l *ledger) {
		l.crowd(3)
		l.mustReadRoom(t, "lobby", "cat", "ada bob cy")
		l.ends("cy")
		l.entersUnheard("dee", "lobby")
		l.mustReadRoom(t, "lobby", "eve", "ada bob dee")
	})
}

// ada is watched, and has left a room before anybody watched it, but something that she did earlier is heard only now.
func TestAnEarlierChangeBringsNobodyBackIntoARoom(t *testing.T) {
	onLedger(t, func(t *testing.T, l *ledger) {
		l.enters("ada", "lobby")
		l.mustWatch(t, "ada")
		earlier := l.write("ada", chose(presence.Busy, 0))
		left := l.write("ada", in("session-1", 0))
		l.afterRoom = func() { time.Sleep(time.Second) }
		go func() {
			time.Sleep(time.Second / 2)
			l.board.Changed(earlier)
			time.Sleep(time.Second)
			l.board.Changed(left)
		}()
		l.mustReadRoom(t, "lobby", "cat", "")
	})
}

// cat opens a room in which ada has just arrived, whose record somebody else is reading: she was not there, and an id said that all
// had been told.
func TestWhoComesWhileHisRecordIsReadForOthersIsWaitedFor(t *testing.T) {
	onLedger(t, func(t *testing.T, l *ledger) {
		l.enters("bob", "lobby")
		l.mustReadRoom(t, "lobby", "cat", "bob")
		l.set(func() { l.before = func() { time.Sleep(time.Second) } })
		go func() { _ = l.watch(t.Context(), "ada") }()
		synctest.Wait()
		l.enters("ada", "lobby")
		l.pass(10)
		if heard := l.board.HeardAll(); heard != 0 {
			t.Errorf("all is heard up to %d, though ada is not seen yet", heard)
		}
		l.mustReadRoom(t, "lobby", "dee", "ada bob")
		l.wantIn(t, "lobby", "cat", "ada bob")
		if heard := l.board.HeardAll(); heard == 0 {
			t.Error("nothing is heard for sure, though nobody is missing")
		}
	})
}

// The watch of ada's record failed, and with it went what had been heard of her.
func TestWhoComesWhileHisRecordCannotBeReadIsSeenWhenItCan(t *testing.T) {
	onLedger(t, func(t *testing.T, l *ledger) {
		l.mustReadRoom(t, "lobby", "cat", "")
		l.set(func() { l.before = func() { time.Sleep(time.Second) } })
		go func() { _ = l.watch(t.Context(), "ada") }()
		synctest.Wait()
		l.enters("ada", "lobby")
		l.set(func() { l.fails, l.before = errBroken, nil })
		time.Sleep(5 * time.Second)
		l.wantIn(t, "lobby", "cat", "")
		l.set(func() { l.fails = nil })
		time.Sleep(time.Second)
		l.wantIn(t, "lobby", "cat", "ada")
	})
}

func TestNothingIsHeardForSureWhileANewcomerIsLookedUp(t *testing.T) {
	onLedger(t, func(t *testing.T, l *ledger) {
		l.mustReadRoom(t, "lobby", "cat", "")
		l.set(func() { l.fails = errBroken })
		l.enters("ada", "lobby")
		l.pass(10)
		synctest.Wait()
		if heard := l.board.HeardAll(); heard != 0 {
			t.Errorf("all is heard up to %d, though ada is not seen yet", heard)
		}
		l.set(func() { l.fails = nil })
		time.Sleep(time.Second)
		l.wantIn(t, "lobby", "cat", "ada")
		if got, want := l.board.HeardAll(), v(0)+10; got < want {
			t.Errorf("heard up to %d, want %d", got, want)
		}
	})
}

// A lane that had missed something waited for itself, 2 s for each watched room, and nothing that time ends was told meanwhile.
func TestARoomIsReadAgainWithoutWaitingForTheLaneThatIs(t *testing.T) {
	onLedger(t, func(t *testing.T, l *ledger) {
		for i := range 20 {
			l.enters(fmt.Sprintf("user-%d-", i), fmt.Sprintf("room-%d", i))
			l.mustReadRoom(t, fmt.Sprintf("room-%d", i), "cat", fmt.Sprintf("user-%d-", i))
		}
		l.mustWatch(t, "ada")
		l.ends("user-3-") // lost, and what follows
		l.entersUnheard("ada", "room-3")
		l.entersUnheard("bob", "room-3")
		began := time.Now()
		l.board.Lost()
		l.board.Missed(0)
		l.board.Found()
		l.wantIn(t, "room-3", "cat", "ada bob")
		l.ear.wantLast(t, "found")
		if took := time.Since(began); took != 0 {
			t.Errorf("it took %s", took)
		}
	})
}

func TestAWatchOfARoomThatFailsLeavesNothing(t *testing.T) {
	for name, fail := range map[string]func(*ledger){
		"at the index":         func(l *ledger) { l.fails = errBroken },
		"at the members":       func(l *ledger) { l.afterRoom = func() { l.set(func() { l.fails = errBroken }) } },
		"at the later members": func(l *ledger) { l.after = func() { l.set(func() { l.fails = errBroken }) } },
		"at the reader":        func(l *ledger) { l.failing = "cat" },
		"when somebody is early": func(l *ledger) {
			l.afterRoom = func() { l.say("early", presence.Busy); l.set(func() { l.fails = errBroken }) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			onLedger(t, func(t *testing.T, l *ledger) {
				for i := range presence.ReadAtOnce {
					l.enters(fmt.Sprintf("user-%d-", i), "lobby")
				}
				l.board.Changed(l.write("zoe", saying("session-1", presence.Online), in("session-1", 0, "lobby"), hidFromOthers(true, 0)))
				l.enters("early", "lobby")
				l.mustWatch(t, "early")
				l.board.Unwatch([]string{"early"})
				fail(l)
				var all sync.WaitGroup
				for range 3 {
					all.Go(func() {
						if _, err := l.readRoom(t.Context(), "lobby", "cat"); !errors.Is(err, errBroken) {
							t.Errorf("got %v, want %v", err, errBroken)
						}
					})
				}
				all.Wait()
				l.wantNothingLeft(t)
				l.set(func() { l.fails, l.failing, l.after, l.afterRoom = nil, "", nil, nil })
				l.leaves("user-7-")
				seen, err := l.readRoom(t.Context(), "lobby", "dee")
				if err != nil || len(strings.Fields(seen)) != presence.ReadAtOnce || strings.Contains(seen, "user-7-") {
					t.Errorf("then began with %q, %v", seen, err)
				}
				l.enters("user-7-", "lobby")
				l.wantIn(t, "lobby", "dee", "501")
			})
		})
	}
}

// The stream that came first to a room was refused, and took the room from that which came after it.
func TestWhoFailsTakesNothingFromWhoComesNext(t *testing.T) {
	onLedger(t, func(t *testing.T, l *ledger) {
		l.enters("ada", "lobby")
		l.set(func() { l.fails, l.afterRoom = errBroken, nil; l.before = func() { time.Sleep(time.Second) } })
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() { _, _ = l.readRoom(t.Context(), "lobby", "cat") })
		}
		synctest.Wait()
		l.set(func() { l.fails = nil })
		all.Go(func() { l.mustReadRoom(t, "lobby", "dee", "ada") })
		all.Wait()
		l.enters("bob", "lobby")
		time.Sleep(5 * time.Second)
		l.wantIn(t, "lobby", "dee", "ada bob")
	})
}

func TestWhoComesToARoomMayGoAwayWithoutTheOthers(t *testing.T) {
	onLedger(t, func(t *testing.T, l *ledger) {
		l.enters("ada", "lobby")
		l.before = func() { time.Sleep(time.Second) }
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() {
			if _, err := l.readRoom(ctx, "lobby", "cat"); err == nil {
				l.board.UnwatchRoom("lobby", "cat")
			}
		})
		synctest.Wait()
		all.Go(func() { l.mustReadRoom(t, "lobby", "dee", "ada") })
		synctest.Wait()
		cancel()
		all.Wait()
		l.enters("bob", "lobby")
		time.Sleep(5 * time.Second)
		l.wantIn(t, "lobby", "dee", "ada bob")
		l.board.UnwatchRoom("lobby", "dee")
		l.wantNothingLeft(t)
	})
}

func TestARoomThatIsWatchedTwiceIsWatchedTwice(t *testing.T) {
	onLedger(t, func(t *testing.T, l *ledger) {
		l.enters("ada", "lobby")
		l.mustReadRoom(t, "lobby", "cat", "ada")
		l.mustReadRoom(t, "lobby", "cat", "ada")
		l.board.UnwatchRoom("lobby", "cat")
		l.leaves("ada")
		l.wantIn(t, "lobby", "cat", "")
		l.board.UnwatchRoom("lobby", "cat")
		l.board.UnwatchRoom("lobby", "cat") // once too often
		l.wantNothingLeft(t)
	})
}

// crowd has the first n of four users come into the lobby, where more than three are a crowd.
func (l *ledger) crowd(n int) {
	l.board.RoomsShown(3)
	for _, u := range []string{"ada", "bob", "cy", "dee"}[:n] {
		l.enters(u, "lobby")
	}
}

// A room that had been crowded for a moment stopped watching its members: they stayed for ever.
func TestACrowdThatIsNoneAnyMoreIsSeenByNameAgain(t *testing.T) {
	onLedger(t, func(t *testing.T, l *ledger) {
		l.crowd(3)
		l.mustReadRoom(t, "lobby", "cat", "ada bob cy")
		l.enters("dee", "lobby")
		l.wantIn(t, "lobby", "cat", "4")
		l.leaves("ada")
		l.wantIn(t, "lobby", "cat", "4")
		time.Sleep(presence.CountEvery)
		l.wantIn(t, "lobby", "cat", "bob cy dee")
		l.linger()
		l.leaves("bob")
		l.hides("cy", true)
		l.wantIn(t, "lobby", "cat", "dee")
		l.hides("cy", false)
		l.wantIn(t, "lobby", "cat", "cy dee")
		l.board.UnwatchRoom("lobby", "cat")
		l.wantNothingLeft(t)
	})
}

// A room that was crowded from the beginning was counted anew only when somebody had come.
func TestACrowdIsCountedThoughNobodyComes(t *testing.T) {
	onLedger(t, func(t *testing.T, l *ledger) {
		l.crowd(4)
		l.enters("eve", "lobby")
		l.mustReadRoom(t, "lobby", "cat", "5")
		l.leaves("ada")
		time.Sleep(presence.CountEvery)
		l.wantIn(t, "lobby", "cat", "4")
		l.leaves("bob")
		time.Sleep(presence.CountEvery)
		l.wantIn(t, "lobby", "cat", "cy dee eve")
	})
}

func TestNobodyIsWatchedForACrowdButWhomSomeSeeAndItsReaders(t *testing.T) {
	onLedger(t, func(t *testing.T, l *ledger) {
		l.crowd(3)
		l.mustReadRoom(t, "lobby", "cat", "ada bob cy")
		l.enters("dee", "lobby")
		l.wantIn(t, "lobby", "cat", "4")
		l.board.Changed(l.write("eve", saying("session-1", presence.Online), in("session-1", 0, "lobby"), hidFromOthers(true, 0), friend("cat", 0)))
		l.hides("cat", true)
		l.enters("cat", "lobby")
		synctest.Wait()
		l.linger()
		l.set(func() { l.lookups = nil })
		time.Sleep(presence.CountEvery)
		l.wantIn(t, "lobby", "cat", "6")
		l.wantIn(t, "lobby", "zoe", "4")
		if got, want := l.asked(), []string{"room lobby", "eve"}; !slices.Equal(got, want) {
			t.Errorf("asked for %q, want %q", got, want)
		}
		l.ear.forget()
		time.Sleep(presence.CountEvery)
		synctest.Wait()
		l.ear.want(t, "lobby counted true 4")
		if watched, pointing := l.board.Watched(); fmt.Sprint(slices.Sorted(slices.Values(watched))) != "[cat eve]" || pointing != nil {
			t.Errorf("%q are watched, want cat and eve; %q point to the room in vain", watched, pointing)
		}
	})
}

// bob is watched, and comes into a crowd when it has just been counted, and is none: he was never seen there.
func TestWhoComesWhileACrowdIsCountedIsNotMissed(t *testing.T) {
	for _, watched := range []bool{false, true} {
		t.Run(fmt.Sprintf("watched: %t", watched), func(t *testing.T) {
			onLedger(t, func(t *testing.T, l *ledger) {
				l.crowd(4)
				l.mustReadRoom(t, "lobby", "cat", "4")
				l.leaves("ada")
				l.leaves("bob")
				if watched {
					l.mustWatch(t, "bob")
				}
				l.set(func() {
					l.afterRoom = func() {
						l.set(func() { l.afterRoom = nil })
						l.enters("bob", "lobby")
					}
				})
				time.Sleep(presence.CountEvery)
				l.wantIn(t, "lobby", "cat", "bob cy dee")
			})
		})
	}
}

func TestWhoComesToACrowdIsToldItsNumberAsOfThen(t *testing.T) {
	onLedger(t, func(t *testing.T, l *ledger) {
		l.crowd(4)
		l.mustReadRoom(t, "lobby", "cat", "4")
		l.enters("eve", "lobby")
		l.mustReadRoom(t, "lobby", "zoe", "5")
	})
}

// Those who are watched anyway do something while a crowd is counted, and are more than make a crowd, though not all of it.
func TestACrowdIsNotForgottenWhileItIsCounted(t *testing.T) {
	onLedger(t, func(t *testing.T, l *ledger) {
		l.crowd(4)
		l.enters("eve", "lobby")
		l.mustReadRoom(t, "lobby", "cat", "5")
		l.mustWatch(t, "ada", "bob", "cy", "dee")
		counted := ""
		l.set(func() {
			l.afterRoom = func() {
				for _, u := range []string{"ada", "bob", "cy", "dee"} {
					l.say(u, presence.Busy)
				}
				counted = l.seen("lobby", "cat")
			}
		})
		time.Sleep(presence.CountEvery)
		l.wantIn(t, "lobby", "cat", "5")
		if counted != "5" {
			t.Errorf("cat saw %q while the crowd was counted, want 5", counted)
		}
	})
}

func TestACrowdThatIsLeftBeforeItIsCountedLeavesNothing(t *testing.T) {
	onLedger(t, func(t *testing.T, l *ledger) {
		l.crowd(3)
		l.mustReadRoom(t, "lobby", "cat", "ada bob cy")
		l.enters("dee", "lobby")
		l.wantIn(t, "lobby", "cat", "4")
		l.board.UnwatchRoom("lobby", "cat")
		l.wantNothingLeft(t)
	})
}

// Several streams open while a crowd comes to be none: an older count must not follow a newer one.
func TestACrowdIsCountedByOneAfterTheOther(t *testing.T) {
	onLedger(t, func(t *testing.T, l *ledger) {
		l.crowd(4)
		l.mustReadRoom(t, "lobby", "cat", "4")
		l.leaves("ada")
		l.set(func() { l.afterRoom = func() { time.Sleep(time.Second) } })
		var all sync.WaitGroup
		all.Go(func() { l.mustReadRoom(t, "lobby", "eve", "4") })
		time.Sleep(time.Second / 2)
		l.set(func() { l.afterRoom = nil })
		l.enters("ada", "lobby")
		all.Go(func() { l.mustReadRoom(t, "lobby", "zoe", "4") })
		all.Wait()
		time.Sleep(5 * time.Second)
		l.wantIn(t, "lobby", "cat", "4")
	})
}

// The members whom a crowd let go stayed watched for ever when the reading of others failed.
func TestACountThatFailsLetsGoAllTheSame(t *testing.T) {
	onLedger(t, func(t *testing.T, l *ledger) {
		l.crowd(3)
		l.mustReadRoom(t, "lobby", "cat", "ada bob cy")
		l.enters("dee", "lobby")
		l.write("eve", saying("session-1", presence.Online), in("session-1", 0, "lobby"), hidFromOthers(true, 0)) // unheard, to be looked up
		l.set(func() { l.afterRoom = func() { l.set(func() { l.fails = errBroken }) } })
		time.Sleep(presence.CountEvery)
		l.board.UnwatchRoom("lobby", "cat")
		l.wantNothingLeft(t)
	})
}

// Who once stood on the board and is in a crowd stayed there as long as he did something from time to time.
func TestACrowdKeepsNobodyWhomItDoesNotNeed(t *testing.T) {
	onLedger(t, func(t *testing.T, l *ledger) {
		l.crowd(4)
		l.mustReadRoom(t, "lobby", "cat", "4")
		l.mustWatch(t, "ada")
		l.board.Unwatch([]string{"ada"})
		l.pass(1)
		for range 4 {
			l.pass(presence.Version(presence.LingerFor.Microseconds()) / 3)
			l.say("ada", presence.Busy)
		}
		watched, _ := l.board.Watched()
		if n := l.board.Len(); n != len(watched) {
			t.Errorf("%d records, want those of the %d who are watched", n, len(watched))
		}
	})
}

// The store has lost everything, and a crowd is counted before any lane has told of it.
func TestALossEmptiesNoCrowdBeforeTheHoldIsOver(t *testing.T) {
	onLedger(t, func(t *testing.T, l *ledger) {
		l.crowd(4)
		l.mustReadRoom(t, "lobby", "cat", "4")
		l.lose()
		time.Sleep(presence.CountEvery)
		l.wantIn(t, "lobby", "cat", "4")
		l.hold()
		time.Sleep(presence.CountEvery)
		l.wantIn(t, "lobby", "cat", "4")
		l.endHold()
		l.pass(1)
		time.Sleep(presence.CountEvery)
		l.wantIn(t, "lobby", "cat", "")
	})
}

// The store was emptied after it had said how far it was, and has not noticed yet.
func TestARoomIsNotShownWhereTheStoreHasGoneBack(t *testing.T) {
	onLedger(t, func(t *testing.T, l *ledger) {
		l.enters("ada", "lobby")
		l.mustReadRoom(t, "lobby", "cat", "ada")
		l.entersUnheard("bob", "lobby")
		go func() {
			time.Sleep(time.Second)
			l.set(func() { l.heads[0] = presence.Head{}; l.records = map[string]presence.Record{} })
		}()
		if _, err := l.readRoom(t.Context(), "lobby", "dee"); !errors.Is(err, presence.ErrUnavailable) {
			t.Errorf("got %v, want %v", err, presence.ErrUnavailable)
		}
		l.wantIn(t, "lobby", "cat", "ada")
		l.board.UnwatchRoom("lobby", "cat")
		l.wantNothingLeft(t)
	})
}

func TestWhoIsGoneWithTheStoresDataStaysInHisRoomsUntilTheHoldEnds(t *testing.T) {
	onLedger(t, func(t *testing.T, l *ledger) {
		l.enters("ada", "lobby")
		l.enters("bob", "lobby")
		l.mustReadRoom(t, "lobby", "cat", "ada bob")
		l.lose()
		l.hold()
		l.enters("bob", "lobby")
		l.wantIn(t, "lobby", "cat", "ada bob")
		l.mustReadRoom(t, "lobby", "dee", "ada bob")
		l.endHold()
		l.wantIn(t, "lobby", "cat", "bob")
	})
}

// A reader who hides is in no index.
func TestAReaderWhoHidesSeesHimself(t *testing.T) {
	for name, come := range map[string]func(*ledger){
		"there before": func(l *ledger) { l.enters("cat", "lobby") },
		"comes later":  func(*ledger) {},
	} {
		t.Run(name, func(t *testing.T) {
			onLedger(t, func(t *testing.T, l *ledger) {
				l.board.RoomsShown(1)
				l.enters("ada", "lobby")
				l.hides("cat", true)
				come(l)
				if _, err := l.readRoom(t.Context(), "lobby", "cat"); err != nil {
					t.Fatal(err)
				}
				l.linger()
				l.enters("cat", "lobby")
				l.wantIn(t, "lobby", "cat", "ada cat")
				l.wantIn(t, "lobby", "ada", "ada")
				l.leaves("cat")
				l.wantIn(t, "lobby", "cat", "ada")
				l.linger()
				l.entersUnheard("cat", "lobby")
				l.board.Missed(0)
				l.wantIn(t, "lobby", "cat", "ada cat")
				l.leaves("cat")
				l.enters("bob", "lobby")
				l.wantIn(t, "lobby", "cat", "2")
				l.linger()
				l.enters("cat", "lobby") // a crowd
				l.wantIn(t, "lobby", "cat", "3")
				l.wantIn(t, "lobby", "ada", "2")
			})
		})
	}
}

// A reader who hides was kept for as long as anybody watched the room, though nobody could see him.
func TestAReaderWhoHidesIsLetGoWithHisLastStream(t *testing.T) {
	onLedger(t, func(t *testing.T, l *ledger) {
		l.hides("cat", true)
		l.enters("cat", "lobby")
		l.mustReadRoom(t, "lobby", "dee", "")
		l.mustReadRoom(t, "lobby", "cat", "cat")
		l.mustReadRoom(t, "lobby", "cat", "cat")
		l.board.UnwatchRoom("lobby", "cat")
		l.wantIn(t, "lobby", "cat", "cat")
		l.board.UnwatchRoom("lobby", "cat")
		l.wantIn(t, "lobby", "cat", "")
		if watched, pointing := l.board.Watched(); slices.Contains(watched, "cat") || pointing != nil {
			t.Errorf("%q are still watched; %q point to the room in vain", watched, pointing)
		}
		l.hides("cat", false)
		l.wantIn(t, "lobby", "dee", "cat")
	})
}

func TestWhoComesOutOfHidingIsSeenWhoeverHadForgottenHim(t *testing.T) {
	onLedger(t, func(t *testing.T, l *ledger) {
		l.enters("ada", "lobby")
		l.mustReadRoom(t, "lobby", "cat", "ada")
		l.hides("ada", true)
		l.wantIn(t, "lobby", "cat", "")
		l.linger()
		watched, _ := l.board.Watched()
		if n := l.board.Len(); n != len(watched) || slices.Contains(watched, "ada") {
			t.Errorf("%d records, want those of %q", n, watched)
		}
		l.hides("ada", false)
		l.wantIn(t, "lobby", "cat", "ada")
	})
}

func TestWhoTypesWithoutBeingThereIsHeardUntilHisMarkEnds(t *testing.T) {
	onLedger(t, func(t *testing.T, l *ledger) {
		mark := func(until time.Duration) presence.Mark {
			return presence.Mark{Room: "lobby", Session: "session-1", Until: after(until)}
		}
		l.board.Changed(l.write("ada", saying("session-1", presence.Online), mark(second)))
		l.mustReadRoom(t, "lobby", "cat", "ada*")
		l.board.Changed(l.write("bob", saying("session-1", presence.Online), mark(2*second)))
		l.wantIn(t, "lobby", "cat", "ada* bob*")
		l.pass(v(second) - l.version)
		l.wantIn(t, "lobby", "cat", "bob*")
		l.board.Changed(l.write("bob", presence.Mark{Room: "lobby"}))
		l.wantIn(t, "lobby", "cat", "")
		if watched, _ := l.board.Watched(); slices.Contains(watched, "ada") || slices.Contains(watched, "bob") {
			t.Errorf("%q are still watched", watched)
		}
	})
}

// So many come while the store cannot be read that they are not remembered one by one.
func TestTooManyNewcomersAreReadFromTheIndex(t *testing.T) {
	onLedger(t, func(t *testing.T, l *ledger) {
		const many = presence.NewcomersLimit + 10
		l.board.RoomsShown(2 * many)
		l.mustReadRoom(t, "lobby", "cat", "")
		l.pass(1)
		l.set(func() { l.fails = errBroken })
		for i := range many {
			l.enters(fmt.Sprintf("user-%d-", i), "lobby")
		}
		l.pass(1)
		synctest.Wait()
		if heard := l.board.HeardAll(); heard != 0 {
			t.Errorf("heard up to %d", heard)
		}
		l.set(func() { l.fails = nil })
		time.Sleep(time.Second)
		synctest.Wait()
		if n := len(strings.Fields(l.seen("lobby", "cat"))); n != many {
			t.Errorf("%d are seen, want %d", n, many)
		}
	})
}

func TestRunEndsWhileRoomsAreWatched(t *testing.T) {
	for name, prepare := range map[string]func(*ledger){
		"with nothing to do":               func(*ledger) {},
		"while newcomers are read in vain": func(l *ledger) { l.fails = errBroken; l.enters("ada", "lobby") },
		"while a crowd waits to be counted": func(l *ledger) {
			l.board.RoomsShown(0)
			l.enters("ada", "hall")
			_, _ = l.readRoom(context.Background(), "hall", "cat")
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLedger(1)
				l.board.Beacon(l.beacon(0, 0))
				l.mustReadRoom(t, "lobby", "cat", "")
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan error, 1)
				go func() { done <- l.board.Run(ctx) }()
				prepare(l)
				synctest.Wait()
				cancel()
				if err := <-done; err != nil {
					t.Errorf("Run ended with %v, want nothing", err)
				}
			})
		})
	}
}
