package presence_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/presently/presently/presence"
)

// onLedger tells a story of a board of one lane that Run keeps, on virtual time.
func onLedger(t *testing.T, tell func(t *testing.T, l *ledger)) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(1)
		start(t, l.board.Run)
		l.board.Beacon(l.beacon(0, 0))
		tell(t, l)
	})
}

var errBroken = errors.New("broken")

func TestWhoWatchesHearsFromThenOn(t *testing.T) {
	onLedger(t, func(t *testing.T, l *ledger) {
		l.say("ada", presence.Busy)
		l.mustWatch(t, "ada", "bob")
		l.ear.want(t, "ada=busy", "bob=offline")
		l.say("ada", presence.DND)
		l.say("cy", presence.Online)
		l.say("bob", presence.Online)
		l.ear.want(t, "ada dnd", "bob online")
	})
}

func TestAChangeAroundTheLookupIsNeitherLostNorDoubledNorReordered(t *testing.T) {
	for _, c := range []struct {
		name string
		// What is written and told before the read, between read and answer, and after the watch.
		before, between, after func(l *ledger)
		want                   []string
	}{
		{
			name:   "told before the read",
			before: func(l *ledger) { l.say("ada", presence.Busy) },
			want:   []string{"ada=busy"},
		},
		{
			name:    "told between read and answer",
			between: func(l *ledger) { l.say("ada", presence.Busy) },
			want:    []string{"ada=busy"},
		},
		{
			name:  "told after the watch",
			after: func(l *ledger) { l.say("ada", presence.Busy) },
			want:  []string{"ada=online", "ada busy"},
		},
		{
			name:    "told at each moment",
			before:  func(l *ledger) { l.say("ada", presence.Busy); l.say("ada", presence.Away) },
			between: func(l *ledger) { l.say("ada", presence.DND); l.say("ada", presence.Busy) },
			after:   func(l *ledger) { l.say("ada", presence.Online); l.say("ada", presence.Away) },
			want:    []string{"ada=busy", "ada online", "ada away"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			onLedger(t, func(t *testing.T, l *ledger) {
				l.say("ada", presence.Online)
				if c.before != nil {
					l.before = func() { c.before(l) }
				}
				if c.between != nil {
					l.after = func() { c.between(l) }
				}
				l.mustWatch(t, "ada")
				if c.after != nil {
					c.after(l)
				}
				l.ear.want(t, c.want...)
			})
		})
	}
}

// The lane tells of a write only after the record was read that includes it.
func TestAChangeThatComesAfterTheReadThatHasItIsDropped(t *testing.T) {
	onLedger(t, func(t *testing.T, l *ledger) {
		one := l.write("ada", saying("session-1", presence.Busy))
		two := l.write("ada", saying("session-1", presence.DND))
		l.after = func() { l.board.Changed(one) }
		l.mustWatch(t, "ada")
		l.board.Changed(two)
		l.say("ada", presence.Away)
		l.ear.want(t, "ada=dnd", "ada away")
	})
}

func TestManyWhoWatchAtOnceReadOnce(t *testing.T) {
	onLedger(t, func(t *testing.T, l *ledger) {
		l.before = func() { time.Sleep(time.Second) }
		var all sync.WaitGroup
		for range 500 {
			all.Go(func() { l.mustWatch(t, "ada", "bob") })
		}
		all.Wait()
		if got := l.asked(); !slices.Equal(got, []string{"ada bob"}) {
			t.Errorf("asked for %q, want one Lookup of both", got)
		}
	})
}

func TestAUserWatchedTwiceInOneCallIsWatchedTwice(t *testing.T) {
	onLedger(t, func(t *testing.T, l *ledger) {
		l.mustWatch(t, "ada", "ada")
		l.ear.want(t, "ada=offline", "ada=offline")
		l.board.Unwatch([]string{"ada"})
		l.pass(presence.Version(2 * presence.LingerFor.Microseconds()))
		l.say("ada", presence.Busy)
		l.ear.want(t, "ada busy")
	})
}

// The record is in memory already, and the change on its way: a stream that opens after the write was acknowledged must show it.
func TestWatchWaitsForALaneThatLags(t *testing.T) {
	onLedger(t, func(t *testing.T, l *ledger) {
		l.mustWatch(t, "ada")
		c := l.write("ada", saying("session-1", presence.Busy))
		go func() {
			time.Sleep(time.Second)
			l.board.Changed(c)
		}()
		began := time.Now()
		l.mustWatch(t, "ada")
		if took := time.Since(began); took != time.Second {
			t.Errorf("Watch took %s, want as long as the change, 1s", took)
		}
		l.ear.want(t, "ada=offline", "ada busy", "ada=busy")
	})
}

func TestWatchReadsForItselfWhereALaneIsDeaf(t *testing.T) {
	onLedger(t, func(t *testing.T, l *ledger) {
		l.mustWatch(t, "ada")
		l.write("ada", saying("session-1", presence.Busy))
		began := time.Now()
		l.mustWatch(t, "ada")
		if took := time.Since(began); took != presence.CatchUp {
			t.Errorf("Watch took %s, want %s", took, presence.CatchUp)
		}
		l.ear.want(t, "ada=offline", "ada busy", "ada=busy")
	})
}

func TestABeaconAloneShowsThatALaneHasCaughtUp(t *testing.T) {
	onLedger(t, func(t *testing.T, l *ledger) {
		l.mustWatch(t, "ada")
		l.board.Changed(l.write("bob", saying("session-1", presence.Busy)))
		began := time.Now()
		l.mustWatch(t, "ada")
		if took := time.Since(began); took != 0 {
			t.Errorf("Watch took %s, though nothing was missing", took)
		}
	})
}

// The change to ada was lost and a later one heard: the lane is where the store is, but the record is not.
func TestWatchReadsForItselfWhereALaneHasMissedSomething(t *testing.T) {
	onLedger(t, func(t *testing.T, l *ledger) {
		l.mustWatch(t, "ada", "bob")
		l.ear.want(t, "ada=offline", "bob=offline")
		l.write("ada", saying("session-1", presence.Busy)) // lost
		next := l.write("bob", saying("session-1", presence.Away))
		l.set(func() { l.fails = errBroken }) // so that Run cannot read again yet
		l.board.Missed(0)
		l.board.Changed(next)
		synctest.Wait()
		l.ear.want(t) // of bob something may have been missed, too
		l.set(func() { l.fails = nil })
		l.mustWatch(t, "ada")
		l.ear.wantLast(t, "ada=busy")
	})
}

// As before, but Run is just reading, and has not come to ada.
func TestWatchReadsForItselfWhileALaneIsReadAgain(t *testing.T) {
	onLedger(t, func(t *testing.T, l *ledger) {
		l.mustWatch(t, "ada")
		l.ear.want(t, "ada=offline")
		l.write("ada", saying("session-1", presence.Busy)) // lost
		slow := make(chan struct{})
		l.set(func() { l.before = func() { <-slow } })
		l.board.Missed(0)
		l.board.Changed(l.write("bob", saying("session-1", presence.Away)))
		synctest.Wait()
		l.set(func() { l.before = nil })
		l.mustWatch(t, "ada")
		l.ear.want(t, "ada busy", "ada=busy")
		close(slow)
	})
}

func TestAFailedLookupFailsAllWhoWaitAndLeavesNothing(t *testing.T) {
	onLedger(t, func(t *testing.T, l *ledger) {
		l.fails = errBroken
		l.before = func() { time.Sleep(time.Second) }
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() {
				if err := l.watch(t.Context(), "ada", "bob"); !errors.Is(err, errBroken) {
					t.Errorf("got %v, want %v", err, errBroken)
				}
			})
		}
		all.Wait()
		if n := l.board.Len(); n != 0 {
			t.Errorf("%d records are left, want none", n)
		}
		l.ear.want(t)
		l.set(func() { l.fails = nil })
		l.say("ada", presence.Busy)
		l.mustWatch(t, "ada")
		l.say("ada", presence.DND)
		l.ear.want(t, "ada=busy", "ada dnd")
	})
}

// A user's browser closes the stream that happened to be the first, and all others who had come for the same record were refused.
func TestTheFirstToWatchMayGoAwayWithoutTheOthers(t *testing.T) {
	onLedger(t, func(t *testing.T, l *ledger) {
		l.before = func() { time.Sleep(time.Second) }
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() { _ = l.watch(ctx, "ada") })
		synctest.Wait()
		all.Go(func() {
			if err := l.watch(t.Context(), "ada"); err != nil {
				t.Errorf("who came second: %v", err)
			}
		})
		synctest.Wait()
		cancel()
		all.Wait()
		l.say("ada", presence.Busy)
		if notes := l.ear.notes; !slices.Contains(notes, "ada busy") {
			t.Errorf("told %q, want the change", notes)
		}
	})
}

func TestALaterWatcherMayGoAwayWithoutTheOthers(t *testing.T) {
	onLedger(t, func(t *testing.T, l *ledger) {
		l.before = func() { time.Sleep(time.Second) }
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() { l.mustWatch(t, "ada") })
		synctest.Wait()
		all.Go(func() {
			if err := l.watch(ctx, "ada"); !errors.Is(err, context.Canceled) {
				t.Errorf("got %v, want %v", err, context.Canceled)
			}
		})
		synctest.Wait()
		cancel()
		all.Wait()
		l.say("ada", presence.Busy)
		l.ear.want(t, "ada=offline", "ada busy")
	})
}

// One who cannot be read must not stay watched by those who could be read before him.
func TestAFailedWatchUnwatchesWhatItHad(t *testing.T) {
	onLedger(t, func(t *testing.T, l *ledger) {
		l.mustWatch(t, "ada")
		l.board.Unwatch([]string{"ada"})
		l.ear.want(t, "ada=offline")
		l.set(func() { l.fails = errBroken })
		if err := l.watch(t.Context(), "ada", "bob"); !errors.Is(err, errBroken) {
			t.Errorf("got %v, want %v", err, errBroken)
		}
		l.set(func() { l.fails = nil })
		l.pass(1)
		l.pass(presence.Version(presence.LingerFor.Microseconds()) + 1)
		if n := l.board.Len(); n != 0 {
			t.Errorf("%d records are left, want none", n)
		}
	})
}

func TestTooMuchHeardDuringTheLookupReadsAgain(t *testing.T) {
	onLedger(t, func(t *testing.T, l *ledger) {
		states := []presence.Status{presence.Online, presence.Busy}
		l.after = func() {
			l.set(func() { l.after = nil })
			for i := range presence.PendingLimit + 1 {
				l.say("ada", states[i%2])
			}
			l.say("ada", presence.DND)
		}
		l.mustWatch(t, "ada")
		l.say("ada", presence.Away)
		l.ear.want(t, "ada=dnd", "ada away")
		if n := len(l.asked()); n != 2 {
			t.Errorf("%d Lookups, want 2", n)
		}
	})
}

func TestAsMuchAsIsKeptDuringTheLookupIsNotReadAgain(t *testing.T) {
	onLedger(t, func(t *testing.T, l *ledger) {
		states := []presence.Status{presence.Online, presence.Busy}
		l.after = func() {
			for i := range presence.PendingLimit {
				l.say("ada", states[i%2])
			}
		}
		l.mustWatch(t, "ada")
		l.ear.want(t, "ada=busy")
		if n := len(l.asked()); n != 1 {
			t.Errorf("%d Lookups, want 1", n)
		}
	})
}

func TestWhatIsMissedDuringTheLookupIsReadAgain(t *testing.T) {
	onLedger(t, func(t *testing.T, l *ledger) {
		l.after = func() {
			l.set(func() { l.after = nil })
			l.write("ada", saying("session-1", presence.DND)) // lost
			l.board.Missed(0)
		}
		l.mustWatch(t, "ada")
		l.ear.want(t, "ada=dnd")
	})
}

func TestWhatWasMissedIsReadAgainAndTold(t *testing.T) {
	onLedger(t, func(t *testing.T, l *ledger) {
		l.mustWatch(t, "ada")
		l.write("ada", saying("session-1", presence.Busy)) // lost
		l.board.Missed(0)
		synctest.Wait()
		l.say("ada", presence.DND)
		l.ear.want(t, "ada=offline", "ada busy", "ada dnd")
	})
}

func TestReadingAgainIsTriedUntilItSucceeds(t *testing.T) {
	onLedger(t, func(t *testing.T, l *ledger) {
		l.mustWatch(t, "ada")
		l.write("ada", saying("session-1", presence.Busy)) // lost
		l.set(func() { l.fails = errBroken })
		l.board.Missed(0)
		time.Sleep(10 * time.Second)
		l.ear.want(t, "ada=offline")
		l.set(func() { l.fails = nil })
		time.Sleep(time.Second)
		l.ear.want(t, "ada busy")
	})
}

// Somebody comes back on a new page, which is missed, and his old page ends: those who watched were told that he had gone, until all was read again.
func TestAnEndIsNotToldWhileWhatWasMissedBeforeItIsNotRead(t *testing.T) {
	onLedger(t, func(t *testing.T, l *ledger) {
		l.say("ada", presence.Online)
		l.mustWatch(t, "ada")
		l.write("ada", saying("session-2", presence.Busy)) // lost
		l.set(func() { l.fails = errBroken })
		l.board.Missed(0)
		l.board.Changed(l.write("ada", presence.SessionEnded("session-1")))
		time.Sleep(10 * time.Second)
		l.ear.want(t, "ada=online")
		l.set(func() { l.fails = nil })
		time.Sleep(time.Second)
		l.say("ada", presence.DND)
		l.ear.want(t, "ada busy", "ada dnd")
	})
}

// The same, with the end on its way while the lane is read again: the read was dropped for being older, and what was missed with it, for good.
func TestAReadIsNotDroppedForAChangeThatCameAfterWhatWasMissed(t *testing.T) {
	onLedger(t, func(t *testing.T, l *ledger) {
		l.say("ada", presence.Online)
		l.mustWatch(t, "ada")
		l.write("ada", saying("session-2", presence.Busy)) // lost
		l.after = func() {
			l.set(func() { l.after = nil })
			l.board.Changed(l.write("ada", presence.SessionEnded("session-1")))
		}
		l.board.Missed(0)
		synctest.Wait()
		l.ear.want(t, "ada=online", "ada busy")
	})
}

// What is heard while a lane cannot be read is kept, but not without bound: then it is read, once more.
func TestTooMuchHeardWhileALaneIsStaleReadsAgain(t *testing.T) {
	onLedger(t, func(t *testing.T, l *ledger) {
		l.mustWatch(t, "ada")
		l.set(func() { l.fails = errBroken })
		l.board.Missed(0)
		for range presence.PendingLimit {
			l.say("ada", presence.Busy)
			l.say("ada", presence.Away)
		}
		l.ear.want(t, "ada=offline")
		l.set(func() { l.fails = nil })
		time.Sleep(time.Second)
		l.say("ada", presence.DND)
		l.ear.wantLast(t, "ada away", "ada dnd")
		l.ear.wantNever(t, "ada busy")
	})
}

func TestALaneWithManyIsReadAgainInPieces(t *testing.T) {
	onLedger(t, func(t *testing.T, l *ledger) {
		var users []string
		for i := range 2*presence.ReadAtOnce + 7 {
			users = append(users, fmt.Sprintf("user-%d-", i))
		}
		l.mustWatch(t, users...)
		l.set(func() { l.lookups = nil })
		l.board.Missed(0)
		synctest.Wait()
		if n := len(l.asked()); n != 3 {
			t.Errorf("%d Lookups for %d records, want 3", n, len(users))
		}
	})
}

// A change that is heard while the lane is read again is newer than the read: the read must not undo it.
func TestAnOlderReadDoesNotUndoAChange(t *testing.T) {
	onLedger(t, func(t *testing.T, l *ledger) {
		l.mustWatch(t, "ada")
		l.after = func() {
			l.set(func() { l.after = nil })
			l.say("ada", presence.DND)
		}
		l.board.Missed(0)
		synctest.Wait()
		l.ear.want(t, "ada=offline", "ada dnd")
	})
}

func TestFoundIsToldWhenAllLanesAreReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(3)
		start(t, l.board.Run)
		l.mustWatch(t, "a0", "b1", "c2")
		l.ear.want(t, "a0=offline", "b1=offline", "c2=offline")
		l.board.Lost()
		l.board.Lost()
		l.ear.want(t, "lost")
		for _, u := range []string{"a0", "b1", "c2"} {
			l.write(u, saying("session-1", presence.Busy)) // lost
		}
		l.set(func() { l.before = func() { time.Sleep(time.Second) } })
		for i := range 3 {
			l.board.Missed(i)
		}
		l.board.Found()
		l.board.Found()
		time.Sleep(10 * time.Second)
		l.ear.want(t, "a0 busy", "b1 busy", "c2 busy", "found")
	})
}

// Run has just read everything again when the store is found: it must not tell so before it has read what was missed meanwhile.
func TestFoundIsNotToldByAnEarlierReading(t *testing.T) {
	onLedger(t, func(t *testing.T, l *ledger) {
		l.mustWatch(t, "ada")
		l.board.Lost()
		l.set(func() {
			l.after = func() {
				l.set(func() { l.after = nil })
				l.write("ada", saying("session-1", presence.Busy)) // lost, and not in what was read
				l.board.Missed(0)
				l.board.Found()
			}
		})
		l.board.Missed(0)
		synctest.Wait()
		l.ear.want(t, "ada=offline", "lost", "ada offline", "ada busy", "found")
	})
}

func TestFoundAndLostAgainIsNotTold(t *testing.T) {
	onLedger(t, func(t *testing.T, l *ledger) {
		l.mustWatch(t, "ada")
		l.set(func() { l.before = func() { time.Sleep(time.Second) } })
		l.board.Lost()
		l.board.Missed(0)
		l.board.Found()
		synctest.Wait()
		l.board.Lost() // before the lane has been read
		time.Sleep(10 * time.Second)
		l.ear.want(t, "ada=offline", "lost", "ada offline")
		l.board.Missed(0)
		l.board.Found()
		time.Sleep(10 * time.Second)
		l.ear.want(t, "ada offline", "found")
	})
}

func TestFoundWithoutLostTellsNothing(t *testing.T) {
	onLedger(t, func(t *testing.T, l *ledger) {
		l.board.Missed(0)
		l.board.Found()
		synctest.Wait()
		l.ear.want(t)
	})
}

// hold begins a new epoch, and tells it as a store does: first that something was missed, then a beacon that says how long the hold is.
func (l *ledger) hold() {
	l.board.Missed(0)
	l.board.Beacon(l.beacon(0, v(hour)))
	synctest.Wait()
}

func (l *ledger) endHold() {
	l.pass(1)
	synctest.Wait()
}

func TestWhoIsGoneWithTheStoresDataStaysUntilTheHoldEnds(t *testing.T) {
	onLedger(t, func(t *testing.T, l *ledger) {
		l.say("ada", presence.Busy)
		l.say("bob", presence.Away)
		l.mustWatch(t, "ada", "bob")
		l.lose()
		l.hold()
		l.mustWatch(t, "ada", "bob")
		l.ear.wantLast(t, "ada=busy", "bob=away")
		l.say("bob", presence.Online) // he has beaten again
		l.board.Missed(0)
		synctest.Wait()
		l.ear.wantNever(t, "ada offline", "bob offline")
		l.mustWatch(t, "ada", "bob")
		l.ear.wantLast(t, "ada=busy", "bob=online")
		l.endHold()
		l.mustWatch(t, "ada", "bob")
		l.ear.wantLast(t, "ada=offline", "bob=online")
	})
}

// An id from a time in which the store had lost somebody would say that he was seen as he is believed to be; and where the hold ends while
// the client is away, nobody could tell it that he is gone: the store does not know of him.
func TestNothingIsHeardForSureUntilAHoldAfterALossIsOver(t *testing.T) {
	onLedger(t, func(t *testing.T, l *ledger) {
		l.say("ada", presence.Busy)
		l.mustWatch(t, "ada")
		heard := func() bool { return l.board.Heard(l.board.LanesOf(slices.Values([]string{"ada"}))) != 0 }
		if !heard() {
			t.Fatal("nothing heard before the loss")
		}
		l.lose()
		l.hold()
		if heard() {
			t.Error("heard for sure during the hold")
		}
		l.endHold()
		l.pass(1)
		if !heard() {
			t.Error("nothing heard after the hold")
		}
	})
}

// Run reads again as soon as it hears that something was missed, which may be before the first beacon of the new epoch.
func TestAReadBeforeTheFirstBeaconOfAnEpochIsNoEvidenceEither(t *testing.T) {
	onLedger(t, func(t *testing.T, l *ledger) {
		l.say("ada", presence.Busy)
		l.mustWatch(t, "ada")
		l.lose()
		l.board.Missed(0)
		synctest.Wait()
		l.ear.wantNever(t, "ada offline")
		l.hold()
		l.ear.wantNever(t, "ada offline")
		l.endHold()
		l.ear.wantLast(t, "ada offline")
	})
}

func TestChangesCountDuringAHold(t *testing.T) {
	onLedger(t, func(t *testing.T, l *ledger) {
		l.say("ada", presence.Busy)
		l.say("bob", presence.Busy)
		l.mustWatch(t, "ada", "bob")
		l.lose()
		l.hold()
		l.say("ada", presence.DND)
		l.board.Changed(l.ends("bob")) // as one who leaves
		l.ear.wantLast(t, "ada dnd", "bob offline")
		l.ear.forget()
		l.endHold()
		l.ear.wantNever(t, "bob busy", "ada offline")
	})
}

// ada's laptop has beaten again after the store lost everything, her phone not yet.
func TestOneSessionThatIsBackIsNoEvidenceThatTheOthersAreGone(t *testing.T) {
	onLedger(t, func(t *testing.T, l *ledger) {
		l.say("ada", presence.Online)
		l.board.Changed(l.write("ada", saying("session-2", presence.DND)))
		l.mustWatch(t, "ada")
		l.ear.want(t, "ada=dnd")
		l.lose()
		l.write("ada", saying("session-1", presence.Online))
		l.hold()
		l.ear.wantNever(t, "ada online", "ada offline")
		l.endHold()
		l.ear.wantLast(t, "ada online")
	})
}

// The store is back with what it knew an hour ago, when ada was offline and bob had not left.
func TestAnOldStoreIsNoEvidence(t *testing.T) {
	onLedger(t, func(t *testing.T, l *ledger) {
		l.say("ada", presence.Online)
		l.board.Changed(l.ends("ada"))
		l.say("bob", presence.Busy)
		l.board.Changed(l.write("cy", saying("session-1", presence.Busy), chose(presence.Away, 0)))
		old := map[string]presence.Record{}
		for u, r := range l.records {
			old[u] = clone(r)
		}
		l.say("ada", presence.DND)
		l.board.Changed(l.ends("bob"))
		l.board.Changed(l.write("cy", chose(presence.DND, 0)))
		l.mustWatch(t, "ada", "bob", "cy")
		l.ear.want(t, "ada=dnd", "bob=offline", "cy=dnd")
		l.lose()
		l.set(func() { l.records = old })
		l.hold()
		l.ear.wantNever(t, "ada offline", "bob busy", "cy away")
		l.mustWatch(t, "ada", "bob", "cy")
		l.ear.wantLast(t, "ada=dnd", "bob=offline", "cy=dnd")
		l.endHold() // now there is nothing better to go by
		l.mustWatch(t, "ada", "bob", "cy")
		l.ear.wantLast(t, "ada=offline", "bob=busy", "cy=away")
	})
}

// A store that was only away has all it knew: who left meanwhile is gone at once, whom the hold does not concern.
func TestAnEndThatWasMissedCountsDuringAHold(t *testing.T) {
	onLedger(t, func(t *testing.T, l *ledger) {
		l.say("ada", presence.Busy)
		l.mustWatch(t, "ada")
		l.ends("ada") // lost
		l.set(func() { l.heads[0] = presence.Head{Epoch: 2} })
		l.hold()
		l.ear.wantLast(t, "ada offline")
	})
}

func TestAChoiceThatEndsIsToldOnceAndWhenABeaconHasPassedIt(t *testing.T) {
	onLedger(t, func(t *testing.T, l *ledger) {
		l.write("ada", saying("session-1", presence.Online), chose(presence.DND, minute))
		l.mustWatch(t, "ada")
		l.ear.want(t, "ada=dnd")
		l.pass(v(minute) - l.version - 1)
		time.Sleep(time.Hour) // the process's clock is no matter
		l.ear.want(t)
		l.pass(1)
		l.ear.want(t, "ada online")
		l.pass(1)
		l.pass(v(hour) - v(minute))
		l.ear.want(t)
	})
}

func TestAChoiceThatIsReplacedDoesNotEnd(t *testing.T) {
	onLedger(t, func(t *testing.T, l *ledger) {
		l.write("ada", saying("session-1", presence.Online), chose(presence.DND, minute))
		l.mustWatch(t, "ada")
		l.board.Changed(l.write("ada", chose(presence.Busy, 0)))
		l.pass(v(hour) - v(0))
		l.ear.want(t, "ada=dnd", "ada busy")
	})
}

func TestManyChoicesEndInTheirOrder(t *testing.T) {
	onLedger(t, func(t *testing.T, l *ledger) {
		users := []string{"ada", "bob", "cy", "dee"}
		for i, u := range users {
			l.write(u, saying("session-1", presence.Online), chose(presence.DND, time.Duration(4-i)*minute))
		}
		l.mustWatch(t, users...)
		l.ear.want(t, "ada=dnd", "bob=dnd", "cy=dnd", "dee=dnd")
		l.pass(v(2*minute) - l.version)
		l.ear.want(t, "dee online", "cy online")
		l.pass(v(hour) - l.version)
		l.ear.want(t, "bob online", "ada online")
	})
}

func TestRepeatedChangesDoNotPileUp(t *testing.T) {
	onLedger(t, func(t *testing.T, l *ledger) {
		l.mustWatch(t, "ada", "bob")
		for i := range 1000 {
			l.board.Changed(l.write("ada", saying("session-1", presence.Online), chose(presence.DND, time.Duration(1+i%7)*hour)))
			l.board.Changed(l.write("bob", chose(presence.DND, hour)))
			l.board.Changed(l.write("bob", chose("", 0)))
		}
		if n := l.board.Expecting(); n != 1 {
			t.Errorf("%d entries wait for an expiry, want 1", n)
		}
		l.board.Unwatch([]string{"ada", "bob"})
		l.pass(presence.Version(presence.LingerFor.Microseconds()) + 1)
		if n, m := l.board.Expecting(), l.board.Len(); n != 0 || m != 0 {
			t.Errorf("%d of %d entries wait for an expiry, though nobody is watched", n, m)
		}
	})
}

func TestARecordStaysForAWhileAfterItsLastWatcher(t *testing.T) {
	onLedger(t, func(t *testing.T, l *ledger) {
		linger := presence.Version(presence.LingerFor.Microseconds())
		l.pass(1)
		l.mustWatch(t, "ada")
		l.board.Unwatch([]string{"ada"})
		l.pass(linger)
		l.say("ada", presence.Busy)
		l.mustWatch(t, "ada") // comes back in time
		l.ear.want(t, "ada=offline", "ada busy", "ada=busy")
		l.pass(linger + 1)
		l.pass(linger + 1)
		if n := l.board.Len(); n != 1 {
			t.Errorf("%d records, want that which is watched", n)
		}
		l.board.Unwatch([]string{"ada"})
		l.pass(linger)
		if n := l.board.Len(); n != 1 {
			t.Errorf("%d records after %s, want that which was watched until then", n, presence.LingerFor)
		}
		l.pass(1)
		if n := l.board.Len(); n != 0 {
			t.Errorf("%d records, want none", n)
		}
		l.say("ada", presence.DND)
		l.ear.want(t)
		if got := l.asked(); len(got) != 1 {
			t.Errorf("asked for %q, want one Lookup", got)
		}
		l.mustWatch(t, "ada")
		l.ear.want(t, "ada=dnd")
	})
}

// One whom streams come to and leave all the time kept everybody else of his lane in memory for ever.
func TestWhoIsWatchedOnAndOffHoldsUpNobody(t *testing.T) {
	onLedger(t, func(t *testing.T, l *ledger) {
		l.pass(1)
		for i := range 100 {
			l.mustWatch(t, "ada", fmt.Sprintf("user-%d-", i))
			l.board.Unwatch([]string{"ada", fmt.Sprintf("user-%d-", i)})
			l.pass(presence.Version(time.Second.Microseconds()))
		}
		if n := l.board.Len(); n > 32 {
			t.Errorf("%d records, want those of the last 30 s and ada's", n)
		}
		if n := l.board.Leaving(); n > 62 {
			t.Errorf("%d notes of leaving, want those of the last 30 s", n)
		}
	})
}

func TestHeardIsTheLeastBeacon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(3)
		tell := func(lane int, now presence.Version) {
			l.board.Beacon(presence.Beacon{Lane: lane, Head: at(0), Now: now})
		}
		want := func(want presence.Version, users ...string) {
			t.Helper()
			if got := l.board.Heard(l.board.LanesOf(slices.Values(users))); got != want {
				t.Errorf("heard of %v up to %d, want %d", users, got, want)
			}
		}
		want(0)
		want(0, "a0")
		tell(1, 700)
		tell(2, 500)
		want(700, "b1")
		want(500, "b1", "c2", "d1")
		want(500, "c2", "b1")
		want(0, "a0", "b1") // of lane 0 nothing has been heard
		want(0, "b1", "a0")
		tell(0, 900)
		want(500, "a0", "b1", "c2")
		tell(2, 400) // a clock that was set back
		want(500, "a0", "b1", "c2")
		tell(2, 800)
		want(700, "a0", "b1", "c2")
	})
}

// A stream's id must not cover a change that was lost: who came back with it would never hear of that change.
func TestABoardListensOnceEveryLaneHasSpoken(t *testing.T) {
	l := newLedger(2)
	listens := func() bool {
		select {
		case <-l.board.Listening():
			return true
		default:
			return false
		}
	}
	for _, c := range []struct {
		lane int
		want bool
	}{{0, false}, {0, false}, {1, true}, {1, true}} {
		if l.board.Beacon(l.beacon(c.lane, 0)); listens() != c.want {
			t.Errorf("after a beacon of lane %d it listens: %t", c.lane, !c.want)
		}
	}
}

func TestWhatWasMissedIsNotHeardBeforeItIsReadAgain(t *testing.T) {
	onLedger(t, func(t *testing.T, l *ledger) {
		l.mustWatch(t, "ada")
		l.pass(10)
		heard := l.board.Heard(l.board.LanesOf(slices.Values([]string{"ada"})))
		if heard != v(0)+10 {
			t.Fatalf("heard up to %d, want %d", heard, v(0)+10)
		}
		lost := l.write("ada", saying("session-1", presence.Busy))
		l.set(func() { l.fails = errBroken })
		l.board.Missed(0)
		l.pass(10)
		if got := l.board.Heard(l.board.LanesOf(slices.Values([]string{"ada"}))); got >= lost.Version {
			t.Errorf("heard up to %d, though change %d was lost", got, lost.Version)
		}
		l.set(func() { l.fails = nil })
		time.Sleep(time.Second)
		l.ear.want(t, "ada=offline", "ada busy")
		l.pass(10)
		if got, want := l.board.Heard(l.board.LanesOf(slices.Values([]string{"ada"}))), l.version; got != want {
			t.Errorf("heard up to %d, want %d", got, want)
		}
	})
}

func TestRunEndsWithItsContext(t *testing.T) {
	for name, prepare := range map[string]func(*ledger){
		"with nothing to do":       func(*ledger) {},
		"while it reads in vain":   func(l *ledger) { l.fails = errBroken; l.board.Missed(0) },
		"while a read takes long":  func(l *ledger) { l.before = func() { time.Sleep(time.Second) }; l.board.Missed(0) },
		"with work that has come ": func(l *ledger) { l.board.Missed(0) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLedger(1)
				l.mustWatch(t, "ada")
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

func TestAHungStoreHoldsAWatchForSecondsOnly(t *testing.T) {
	onLedger(t, func(t *testing.T, l *ledger) {
		l.hangs = true
		began := time.Now()
		if err := l.watch(t.Context(), "ada"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the end of its time", err)
		}
		if took := time.Since(began); took != presence.SharedFor {
			t.Errorf("it took %s, want %s", took, presence.SharedFor)
		}
		if n := l.board.Len(); n != 0 {
			t.Errorf("%d records are left, want none", n)
		}
	})
}
