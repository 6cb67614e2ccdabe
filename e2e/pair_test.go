package e2e

import (
	"fmt"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/presently/presently/api"
	"github.com/presently/presently/internal/redistest"
)

func TestWhatHappensAtOneInstanceIsSeenAtTheOther(t *testing.T) {
	t.Parallel()
	a, b := startPair(t, redistest.Start(t).URL(), "PRESENTLY_GRACE=200ms")
	for _, side := range []struct {
		name       string
		here, over *instance
		user       string
	}{{"from A to B", a, b, "ada"}, {"from B to A", b, a, "ben"}} {
		over, here := side.over.as("eve").watch(side.user), side.here.as("eve").watch(side.user)
		if got := over.in(side.user).Status; got != "offline" {
			t.Errorf("%s: %s is unknown, and %s", side.name, side.user, got)
		}
		user := side.here.as(side.user)
		answer := user.beat("session-1", `"device":"web"`)
		user.choose("dnd")
		if got := side.over.as("eve").see(side.user); got.Status != "dnd" || got.Notify {
			t.Errorf("%s: REST shows %s", side.name, show(got))
		}
		user.must("DELETE", "/v1/presence/status", "")
		user.beat("session-1", `"state":"busy"`)
		user.leave(answer)
		for _, w := range []*watching{over, here} {
			// Changes within a flush come as one; the newest is always among them.
			for w.await("presence").presences(t)[0].Status != "busy" {
			}
			if last := w.told(side.user, "offline"); last.LastSeenAt != nil {
				t.Errorf("%s: a stranger learns when %s was last seen: %s", side.name, side.user, show(last))
			}
		}
	}
}

func TestOneDeviceOfSeveralIsClosedAndTheOthersStay(t *testing.T) {
	t.Parallel()
	a, b := startPair(t, redistest.Start(t).URL())
	onA, onB := a.as("ada").watch("ada"), b.as("eve").watch("ada")
	a.as("ada").beat("on-the-web", `"device":"web"`)
	onA.told("ada", "online")
	onB.told("ada", "online")
	b.as("ada").beat("on-mobile", `"device":"mobile"`, `"state":"busy"`)
	onB.told("ada", "busy")
	if p := onA.told("ada", "busy"); p.Devices["web"] != "online" || p.Devices["mobile"] != "busy" || len(p.Devices) != 2 {
		t.Errorf("her own view: %s", show(p))
	}
	a.as("ada").must("DELETE", "/v1/presence/me/sessions/on-mobile", "") // at once
	onB.told("ada", "online")
	if p := onA.told("ada", "online"); p.Devices["web"] != "online" || len(p.Devices) != 1 {
		t.Errorf("her own view: %s", show(p))
	}
	b.as("ada").must("DELETE", "/v1/presence/me/sessions/on-the-web", "")
	onA.told("ada", "offline")
	onB.told("ada", "offline")
}

func TestLeavingAndReturningWithinGraceIsSeenByNobody(t *testing.T) {
	t.Parallel()
	const grace = 5 * time.Second
	a, b := startPair(t, redistest.Start(t).URL(), "PRESENTLY_GRACE="+grace.String(), "PRESENTLY_SWEEP=100ms")
	answer := a.as("ada").beat("session-1")
	streams := []*watching{a.as("eve").watch("ada", "canary"), b.as("eve").watch("ada", "canary")}
	for range 2 {
		left := time.Now().UnixMicro()
		a.as("ada").leave(answer)
		quiet(left+time.Second.Microseconds(), a.as("canary"), streams...)
		answer = b.as("ada").beat("session-1") // at whichever instance serves the page now
		if back := micros(t, answer.Session.LastBeatAt); back-left > grace.Microseconds() {
			t.Fatalf("this machine stood still for longer than the grace of %v", grace)
		}
	}
	quiet(micros(t, answer.Session.LastBeatAt)+(grace+time.Second).Microseconds(), a.as("canary"), streams...)
}

func TestSilenceIsToldOnceOnEachInstanceAndNeverEarly(t *testing.T) {
	t.Parallel()
	a, b := startPair(t, redistest.Start(t).URL(), "PRESENTLY_TTL=3s", "PRESENTLY_SWEEP=100ms")
	var users []string
	deadlines := map[string]int64{}
	for n := range 20 {
		user := fmt.Sprint("user-", n)
		users = append(users, user)
		answer := []*instance{a, b}[n%2].as(user).beat("session-1")
		deadlines[user] = micros(t, answer.Session.Deadline)
	}
	watched := append(slices.Clone(users), "canary")
	streams := []*watching{a.as("eve").watch(watched...), b.as("eve").watch(watched...)}
	for _, w := range streams {
		for ended := map[string]bool{}; len(ended) < len(users); {
			for _, p := range w.await("presence").presences(t) {
				if p.Status != "offline" || ended[p.UserID] || p.Rev < deadlines[p.UserID] || p.UserID == "canary" {
					t.Fatalf("%s, with the deadline %d:\n%s", show(p), deadlines[p.UserID], w.text())
				}
				ended[p.UserID] = true
			}
		}
	}
	// Ten sweeps of each instance later it still was told but once.
	quiet(time.Now().Add(time.Second).UnixMicro(), a.as("canary"), streams...)
	for _, p := range b.as("user-0").sees("user-0") {
		if at := micros(t, *p.LastSeenAt); at > deadlines["user-0"]-(2900*time.Millisecond).Microseconds() {
			t.Errorf("last seen when the silence was noticed, not when she was heard: %s, deadline %d", show(p), deadlines["user-0"])
		}
	}
}

func TestAChosenStatusThatExpiresIsTold(t *testing.T) {
	t.Parallel()
	a, b := startPair(t, redistest.Start(t).URL())
	streams := []*watching{a.as("eve").watch("ada"), b.as("eve").watch("ada")}
	a.as("ada").beat("session-1")
	for _, w := range streams {
		w.told("ada", "online")
	}
	before := time.Now()
	b.as("ada").choose("dnd", `"expiresInMs":2000`)
	for _, w := range streams {
		if p := w.told("ada", "dnd"); p.Notify {
			t.Errorf("may be disturbed: %s", show(p))
		}
	}
	for _, w := range streams {
		if p := w.told("ada", "online"); p.Rev < before.Add(2*time.Second).UnixMicro() {
			t.Errorf("over too early: %s, chosen at %s", show(p), before)
		}
	}
	if got := a.as("eve").see("ada").Status; got != "online" {
		t.Errorf("REST: %s", got)
	}
}

func TestWhoIsInvisibleIsOfflineToAllButHimself(t *testing.T) {
	t.Parallel()
	a, b := startPair(t, redistest.Start(t).URL(), "PRESENTLY_GRACE=100ms")
	ada := a.as("ada")
	ada.beat("session-1")
	self, others := b.as("ada").watch("ada", "canary"), []*watching{a.as("eve").watch("ada", "canary"), b.as("eve").watch("ada", "canary")}
	b.as("canary").beat("canary-session")
	for _, w := range append(others, self) {
		w.told("canary", "online")
	}
	ada.choose("invisible")
	self.told("ada", "invisible")
	for _, w := range others {
		w.told("ada", "offline")
	}
	// What she does while hidden moves nothing for others, by stream or by request.
	eve := b.as("eve")
	hidden := eve.see("ada")
	b.as("ada").beat("session-2", `"state":"busy"`, `"device":"mobile"`)
	ada.leave(ada.beat("session-1"))
	quiet(time.Now().Add(time.Second).UnixMicro(), a.as("canary"), others...)
	if now := eve.see("ada"); look(now) != look(hidden) {
		t.Errorf("it shows that she did something: %s, then %s", show(hidden), show(now))
	}
	if got := a.as("ada").see("ada").Status; got != "invisible" {
		t.Errorf("to herself she is %s", got)
	}
	ada.choose("away")
	for _, w := range others {
		w.told("ada", "away")
	}
}

// A read at any instance reflects every write that was acknowledged before it was sent.
func TestWhatWasAcknowledgedAtOneInstanceIsReadAtTheOther(t *testing.T) {
	t.Parallel()
	a, b := startPair(t, redistest.Start(t).URL())
	for n := range 200 {
		user := fmt.Sprint("user-", n%7)
		state := []string{"online", "busy"}[n/7%2]
		a.as(user).beat("session-1", fmt.Sprintf(`"state":%q`, state))
		if got := b.as("eve").see(user); string(got.Status) != state {
			t.Fatalf("round %d: %s beat as %s, and is read as %s", n, user, state, show(got))
		}
	}
}

// B stands still while A takes the write, so that the news of it and the request reach B at the same time.
func TestWhatWasAcknowledgedAtOneInstanceIsInTheSnapshotOfTheOther(t *testing.T) {
	t.Parallel()
	a, b := startPair(t, redistest.Start(t).URL())
	b.as("eve").watch("watched") // so that B has her record in memory, which is the harder case
	for n := range 50 {
		state := []string{"busy", "online"}[n%2]
		fresh := fmt.Sprint("fresh-", n)
		b.program.signal(syscall.SIGSTOP)
		for other := range 10 {
			a.as(fmt.Sprint("other-", other)).beat("session-1", fmt.Sprintf(`"state":%q`, state))
		}
		for _, user := range []string{fresh, "watched"} {
			a.as(user).beat("session-1", fmt.Sprintf(`"state":%q`, state))
		}
		time.AfterFunc(time.Millisecond, func() { b.program.signal(syscall.SIGCONT) })
		for _, user := range []string{"watched", fresh} {
			w := b.as("eve").watch(user)
			if got := w.in(user); string(got.Status) != state {
				t.Fatalf("round %d: %s beat as %s, and the snapshot has %s", n, user, state, show(got))
			}
			w.close()
		}
	}
}

func TestUnknownUsersAreOffline(t *testing.T) {
	t.Parallel()
	a := start(t, "PRESENTLY_JWT_SECRET="+secret)
	for _, user := range []string{"nobody", "me", "heartbeat", "Ünïcödé ☕", "a/b", "..%2f", "{1}:u:ada"} {
		p := a.as("eve").see(user)
		if p.Status != "offline" || p.LastSeen != nil || p.Chosen != nil || !p.Notify || p.UserID != user {
			t.Errorf("%s", show(p))
		}
		if got := a.as("eve").watch(user).in(user); got.Status != api.StatusOffline {
			t.Errorf("in a snapshot: %s", show(got))
		}
	}
}
