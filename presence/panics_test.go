package presence_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/presently/presently/presence"
)

// trap panics at one thing, so many times.
func trap(at string, times int) func(string) {
	return func(s string) {
		if s == at && times > 0 {
			times--
			panic("at " + at)
		}
	}
}

const always = 1 << 30

// onWaryLedger is onLedger with panics that are counted, and are not to be seen.
func onWaryLedger(t *testing.T, lanes int, tell func(t *testing.T, l *ledger)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(lanes)
		l.board.Panics = presence.NewPanics(slog.New(slog.DiscardHandler))
		start(t, l.board.Run)
		for i := range lanes {
			l.board.Beacon(l.beacon(i, 0))
		}
		tell(t, l)
	})
}

func (l *ledger) wantPanics(t *testing.T, where presence.Place, min int) {
	t.Helper()
	if got := l.board.Panics.Counts()[where]; got < uint64(min) {
		t.Errorf("%d panics in %s were counted, want %d", got, where, min)
	}
}

func TestAListenerThatPanicsOnceIsToldAgain(t *testing.T) {
	onWaryLedger(t, 1, func(t *testing.T, l *ledger) {
		l.mustWatch(t, "ada", "bob")
		l.ear.forget()
		l.ear.startled = trap("ada busy", 1)
		l.say("ada", presence.Busy)
		l.say("bob", presence.DND) // whom the lane tells of next
		synctest.Wait()
		if told := l.ear.told(); !slices.Contains(told, "ada busy") || !slices.Contains(told, "bob dnd") {
			t.Errorf("told %q", told)
		}
		l.pass(1)
		if heard := l.board.Heard(l.board.LanesOf(slices.Values([]string{"ada"}))); heard == 0 || heard != l.version {
			t.Errorf("heard up to %d, want %d: the lane does not get on", heard, l.version)
		}
		l.wantPanics(t, presence.PanicInListener, 1)
	})
}

func TestAListenerThatAlwaysPanicsAtOneUserHearsOfOthers(t *testing.T) {
	onWaryLedger(t, 1, func(t *testing.T, l *ledger) {
		l.mustWatch(t, "ada", "bob")
		l.ear.forget()
		l.ear.startled = trap("ada busy", always)
		l.say("ada", presence.Busy)
		synctest.Wait()
		l.say("bob", presence.DND)
		l.board.Missed(0)
		synctest.Wait()
		l.ear.wantLast(t, "bob dnd")
		l.pass(1)
		if heard := l.board.Heard(l.board.LanesOf(slices.Values([]string{"bob"}))); heard != l.version {
			t.Errorf("heard up to %d, want %d: the lane waits for a user who cannot be told of", heard, l.version)
		}
		l.ear.forget()
		l.say("ada", presence.Away)
		l.ear.want(t, "ada away")
	})
}

// Time alone changes what is shown: the next who is due must not be so for ever.
func TestAPanicAtAnExpiryHoldsUpNoOther(t *testing.T) {
	onWaryLedger(t, 1, func(t *testing.T, l *ledger) {
		for i, user := range []string{"ada", "bob"} {
			until := l.version.Time().Add(time.Duration(i+1) * time.Minute)
			l.board.Changed(l.write(user, saying("session-1", presence.Online), presence.Chosen{Status: presence.DND, Until: until}))
		}
		l.mustWatch(t, "ada", "bob")
		l.ear.forget()
		l.ear.startled = trap("ada online", always)
		l.pass(presence.Version((3 * time.Minute).Microseconds()))
		l.pass(1)
		l.ear.wantLast(t, "bob online")
	})
}

func TestWhoeverWaitsForAReadThatPanicsIsTold(t *testing.T) {
	onWaryLedger(t, 1, func(t *testing.T, l *ledger) {
		l.before = func() { time.Sleep(time.Second); panic("in Lookup") }
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				if err := l.watch(ctx, "ada"); !errors.Is(err, presence.ErrPanicked) {
					t.Errorf("Watch: %v, want %v", err, presence.ErrPanicked)
				}
			})
		}
		all.Wait()
		l.before = nil
		l.mustWatch(t, "ada")
		l.board.Unwatch([]string{"ada"})
		l.wantNothingLeft(t)
		l.wantPanics(t, presence.PanicInRead, 1)
	})
}

func TestTheLanesAreAskedAgainAfterAPanic(t *testing.T) {
	onWaryLedger(t, 1, func(t *testing.T, l *ledger) {
		l.mustWatch(t, "ada")
		panics := 1
		l.headsAsked = func() {
			if panics--; panics >= 0 {
				panic("in Heads")
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := l.watch(ctx, "ada"); !errors.Is(err, presence.ErrPanicked) {
			t.Errorf("Watch: %v, want %v", err, presence.ErrPanicked)
		}
		if err := l.watch(ctx, "ada"); err != nil {
			t.Errorf("Watch: %v", err)
		}
	})
}

// Of a lane that is read again, one user's record cannot be: the others are, and go on hearing.
func TestAReadThatPanicsForOneUserIsDoneForTheOthers(t *testing.T) {
	onWaryLedger(t, 1, func(t *testing.T, l *ledger) {
		l.mustWatch(t, "ada", "bob", "cy")
		for _, user := range []string{"ada", "bob", "cy"} {
			l.write(user, saying("session-1", presence.Busy)) // unheard
		}
		l.before = func() {
			if strings.Contains(l.asked()[len(l.asked())-1], "bob") {
				panic("at bob")
			}
		}
		l.board.Missed(0)
		synctest.Wait()
		l.ear.forget()
		l.say("ada", presence.DND)
		l.say("cy", presence.DND)
		l.ear.want(t, "ada dnd", "cy dnd")
		l.say("bob", presence.Away)
		l.set(func() { l.before = nil })
		time.Sleep(time.Minute)
		l.ear.want(t, "bob away")
		l.pass(1)
		if heard := l.board.Heard(l.board.LanesOf(slices.Values([]string{"ada"}))); heard != l.version {
			t.Errorf("heard up to %d, want %d", heard, l.version)
		}
	})
}

func TestWhereAttachingPanicsNothingIsWatchedAndNoLockHeld(t *testing.T) {
	onWaryLedger(t, 1, func(t *testing.T, l *ledger) {
		l.enters("ada", "hall")
		for name, watch := range map[string]func(){
			"a user": func() {
				l.board.Watch(t.Context(), []string{"ada", "bob"}, func(*presence.Entry) { panic("in attach") }) //nolint:errcheck // it does not return
			},
			"a room": func() {
				l.board.WatchRoom(t.Context(), "hall", "eve", func(*presence.Gathering) { panic("in attach") }) //nolint:errcheck // it does not return
			},
		} {
			func() {
				defer func() {
					if recover() == nil {
						t.Errorf("%s: the panic was kept from whose stream it is", name)
					}
				}()
				watch()
			}()
			l.wantNothingLeft(t)
		}
	})
}

func TestARoomGetsOverAPanic(t *testing.T) {
	onWaryLedger(t, 1, func(t *testing.T, l *ledger) {
		l.mustReadRoom(t, "hall", "eve", "")
		l.ear.startled = trap("ada in hall", 1)
		l.enters("ada", "hall")
		l.enters("bob", "hall")
		l.wantIn(t, "hall", "eve", "ada bob")
		if told := l.ear.told(); !slices.Contains(told, "ada in hall") {
			t.Errorf("told %q: of who came in a panic the listener never heard", told)
		}

		l.ear.startled = trap("hall counted false 2", 1)
		l.board.Missed(0)
		time.Sleep(time.Second)
		l.enters("cy", "hall")
		l.wantIn(t, "hall", "eve", "ada bob cy")
		l.pass(1)
		if l.board.HeardAll() != l.version {
			t.Error("the rooms do not get on")
		}
	})
}

func TestANewcomerWhoCannotBeLookedUpIsNotWaitedFor(t *testing.T) {
	onWaryLedger(t, 1, func(t *testing.T, l *ledger) {
		l.mustReadRoom(t, "hall", "eve", "")
		l.before = func() {
			if strings.Contains(l.asked()[len(l.asked())-1], "ada") {
				panic("at ada")
			}
		}
		l.enters("ada", "hall")
		l.enters("bob", "hall")
		l.wantIn(t, "hall", "eve", "bob")
		l.pass(1)
		if l.board.HeardAll() != l.version {
			t.Error("the rooms wait for who cannot be looked up")
		}
		l.mustReadRoom(t, "hall", "fay", "bob")
		l.set(func() { l.before = nil })
		time.Sleep(time.Minute)
		l.wantIn(t, "hall", "eve", "ada bob")
	})
}

// What a lane tells besides users: where it was missed by a panic, the listener is told that.
func TestNotesThatPanicAreMissed(t *testing.T) {
	for _, times := range []int{1, always} {
		onWaryLedger(t, 1, func(t *testing.T, l *ledger) {
			l.mustWatch(t, "ada")
			l.ear.startled = trap("subscription sub-1", 1)
			missed := 0
			note := l.write("ada")
			note.User, note.Subscription = "", "sub-1"
			trapMissed := trap("subscriptions missed 0", times)
			startled := l.ear.startled
			l.ear.startled = func(s string) {
				if strings.HasPrefix(s, "subscriptions missed") {
					missed++
				}
				startled(s)
				trapMissed(s)
			}
			l.board.Changed(note)
			synctest.Wait()
			if missed != 2 {
				t.Errorf("told %d times that notes were missed, want 2", missed)
			}
			l.ear.forget()
			l.say("ada", presence.Busy)
			l.ear.want(t, "ada busy")
		})
	}
}

func TestFoundIsToldAfterAPanic(t *testing.T) {
	onWaryLedger(t, 1, func(t *testing.T, l *ledger) {
		l.ear.startled = trap("found", 1)
		l.board.Lost()
		l.board.Found()
		time.Sleep(time.Second)
		l.ear.want(t, "lost", "found")
	})
}

func TestPanicsAreCountedAndTheirStacksLoggedNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		p := presence.NewPanics(slog.New(slog.NewTextHandler(&out, nil)))
		boom := func() error { panic("boom") }
		for range 3 {
			if err := p.Try(presence.PanicInTask, boom); !errors.Is(err, presence.ErrPanicked) {
				t.Errorf("%v", err)
			}
		}
		time.Sleep(2 * time.Minute)
		_ = p.Try(presence.PanicInTask, boom)
		if got := fmt.Sprint(p.Counts()); got != "map[task:4]" {
			t.Error(got)
		}
		if lines, stacks := strings.Count(out.String(), "value=boom"), strings.Count(out.String(), "panics_test.go"); lines != 4 || stacks < 2 || stacks > 3*lines/2 {
			t.Errorf("%d lines, %d mentions of this file:\n%s", lines, stacks, &out)
		}
		times := 0
		err := p.Keep(t.Context(), presence.PanicInTask, func() error {
			if times++; times < 3 {
				panic("boom")
			}
			return errBroken
		})
		if times != 3 || !errors.Is(err, errBroken) {
			t.Errorf("called %d times, ended with %v", times, err)
		}
	})
}
