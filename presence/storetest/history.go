package storetest

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/presently/presently/presence"
	"github.com/presently/presently/presence/memstore"
)

// step is something that a person, or time, does.
type step struct {
	do   string // beat, leave, end, choose, wait
	beat presence.Beat
	pick presence.Choice
	wait time.Duration
}

var (
	players  = []string{"ada", "bob", "Ünï ☕:{x}*?"}
	sessions = []string{"session-1", "session-2", "session-3", "session-4"}
)

// History draws what a few people do over a few minutes.
func history(t *rapid.T) []step {
	return rapid.SliceOfN(rapid.Custom(drawStep), 1, 40).Draw(t, "history")
}

func drawStep(t *rapid.T) step {
	user := rapid.SampledFrom(players).Draw(t, "user")
	session := rapid.SampledFrom(sessions).Draw(t, "session")
	s := step{do: rapid.SampledFrom([]string{"beat", "beat", "beat", "beat", "leave", "end", "choose", "wait", "wait"}).Draw(t, "do")}
	s.beat = presence.Beat{User: user, Session: session}
	switch s.do {
	case "beat":
		s.beat = drawBeat(t, user, session)
	case "choose":
		s.pick.User = user
		s.pick.Status = rapid.SampledFrom([]presence.Status{
			"", presence.Online, presence.Away, presence.Busy, presence.DND, presence.Invisible,
		}).Draw(t, "chosen")
		if s.pick.Status != "" && s.pick.Status != presence.Invisible {
			s.pick.For = rapid.SampledFrom([]time.Duration{0, 5 * time.Second, time.Hour}).Draw(t, "for")
		}
	case "wait":
		s.wait = time.Second * time.Duration(rapid.IntRange(1, 12).Draw(t, "seconds"))
	}
	return s
}

func drawBeat(t *rapid.T, user, session string) presence.Beat {
	b := presence.Beat{
		User: user, Session: session, TTL: TTL, MaxLive: 3, Instance: "a",
		State:   rapid.SampledFrom([]presence.Status{presence.Online, presence.Online, presence.Away, presence.Busy, presence.DND}).Draw(t, "state"),
		IdleFor: time.Second * time.Duration(rapid.SampledFrom([]int{0, 0, 2, 7}).Draw(t, "idle")),
		Hidden:  rapid.Bool().Draw(t, "hidden"),
		Minimal: rapid.Bool().Draw(t, "minimal"),
		Profile: presence.Profile{Name: rapid.SampledFrom([]string{"", "Name", "<b>\"|%s"}).Draw(t, "name")},
	}
	b.Idle = b.IdleFor >= 5*time.Second
	if b.Hidden {
		b.TTL = TTL * 5 / 3
	}
	if rapid.Bool().Draw(t, "hasDevice") {
		device := rapid.SampledFrom([]string{"web", "mobile"}).Draw(t, "device")
		b.Device = &device
	}
	if rapid.Bool().Draw(t, "hasSeq") {
		seq := rapid.Int64Range(0, 6).Draw(t, "seq")
		b.Seq = &seq
	}
	return b
}

func (s step) String() string {
	switch s.do {
	case "choose":
		return fmt.Sprintf("%s chooses %q for %s", s.pick.User, s.pick.Status, s.pick.For)
	case "wait":
		return fmt.Sprintf("%s pass", s.wait)
	case "beat":
		b := s.beat
		device, seq := "-", "-"
		if b.Device != nil {
			device = *b.Device
		}
		if b.Seq != nil {
			seq = fmt.Sprint(*b.Seq)
		}
		return fmt.Sprintf("%s beats %s %s idle %s hidden %t device %s seq %s as %q", b.User, b.Session, b.State, b.IdleFor, b.Hidden, device, seq, b.Profile.Name)
	}
	return fmt.Sprintf("%s %ss %s", s.beat.User, s.do, s.beat.Session)
}

// play runs a history on a store and writes down everything that could be seen of it.
func play(t testing.TB, fx Fixture, steps []step) []string {
	tl := newTeller(t, fx, players)
	for _, s := range steps {
		tl.say("%s", s)
		tl.say("  %s", s.run(t, fx))
		fx.Tick()
		tl.listen()
		tl.look(players)
	}
	return tl.lines
}

func (s step) run(t testing.TB, fx Fixture) string {
	ctx := t.Context()
	switch s.do {
	case "beat":
		b, err := fx.Store.Beat(ctx, s.beat)
		return fmt.Sprintf("%s old=%t", outcome(err), b.Old)
	case "leave":
		return outcome(fx.Store.Leave(ctx, s.beat.User, s.beat.Session, Grace))
	case "end":
		return outcome(fx.Store.End(ctx, s.beat.User, s.beat.Session))
	case "choose":
		_, err := fx.Store.Choose(ctx, s.pick)
		return outcome(err)
	}
	fx.Advance(s.wait)
	return "ok"
}

// WithMemstore runs f with a memstore on virtual time.
func WithMemstore(t *testing.T, f func(t *testing.T, fx Fixture)) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New(memstore.Options{TTL: TTL, Sweep: Sweep})
		heard := NewRecorder()
		go s.Run(t.Context(), heard) //nolint:errcheck // ends with the test
		time.Sleep(Sweep / 2)
		synctest.Wait()
		advance := func(d time.Duration) {
			time.Sleep(d)
			synctest.Wait()
		}
		f(t, Fixture{Store: s, Heard: heard, Advance: advance, Tick: func() { advance(time.Millisecond) }})
	})
}
