package storetest

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/presently/presently/presence"
	"github.com/presently/presently/presence/memstore"
)

// step is something that a person, or time, does, and how to tell of it.
type step struct {
	says string
	do   func(ctx context.Context, fx Fixture) string // returns what came of it
}

func (s step) String() string { return s.says }

var (
	players  = []string{"ada", "bob", "Ünï ☕:{x}*?"}
	sessions = []string{"session-1", "session-2", "session-3", "session-4"}
)

// History draws what a few people do over a few minutes. Of lists between two lengths rapid draws mostly short ones, in which nothing leads to
// anything.
func history(t *rapid.T) []step {
	n := rapid.IntRange(1, 40).Draw(t, "steps")
	return rapid.SliceOfN(rapid.Custom(drawStep), n, n).Draw(t, "history")
}

func drawStep(t *rapid.T) step {
	user := rapid.SampledFrom(players).Draw(t, "user")
	session := rapid.SampledFrom(sessions).Draw(t, "session")
	draws := map[string]func(*rapid.T, string, string) step{
		"beat": stepBeat, "leave": stepLeave, "end": stepEnd, "choose": stepChoose, "custom": stepCustom,
		"activity": stepActivity, "privacy": stepPrivacy, "relate": stepRelate, "wait": stepWait,
		"join": stepJoin, "go": stepGo, "type": stepType, "stop": stepStop,
	}
	do := rapid.SampledFrom([]string{
		"beat", "beat", "beat", "beat", "leave", "end", "choose", "custom", "activity", "privacy", "relate", "wait", "wait",
		"join", "join", "go", "type", "type", "stop",
	}).Draw(t, "do")
	return draws[do](t, user, session)
}

func stepBeat(t *rapid.T, user, session string) step {
	b := drawBeat(t, user, session)
	return step{tellBeat(b), func(ctx context.Context, fx Fixture) string {
		out, err := fx.Store.Beat(ctx, b)
		return fmt.Sprintf("%s old=%t", outcome(err), out.Old)
	}}
}

func stepLeave(_ *rapid.T, user, session string) step {
	return step{user + " leaves " + session, func(ctx context.Context, fx Fixture) string {
		return outcome(fx.Store.Leave(ctx, user, session, Grace))
	}}
}

func stepEnd(_ *rapid.T, user, session string) step {
	return step{user + " ends " + session, func(ctx context.Context, fx Fixture) string {
		return outcome(fx.Store.End(ctx, user, session))
	}}
}

// tracker is how people reach a store when they change what they have said.
func tracker(fx Fixture) *presence.Tracker { return &presence.Tracker{Store: fx.Store} }

func drawLasts(t *rapid.T) presence.Lasts {
	d := rapid.SampledFrom([]time.Duration{0, 5 * time.Second, time.Hour}).Draw(t, "for")
	return presence.Lasts{For: &d}
}

func stepChoose(t *rapid.T, user, _ string) step {
	status := rapid.SampledFrom([]presence.Status{
		"", presence.Online, presence.Away, presence.Busy, presence.DND, presence.Invisible, presence.Invisible,
	}).Draw(t, "status")
	lasts := drawLasts(t)
	return step{fmt.Sprintf("%s chooses %q for %s", user, status, *lasts.For), func(ctx context.Context, fx Fixture) string {
		_, err := tracker(fx).Choose(ctx, user, status, lasts)
		return outcome(err)
	}}
}

func stepCustom(t *rapid.T, user, _ string) step {
	text := rapid.SampledFrom([]string{"", "Standup", "a|b=c\\%s"}).Draw(t, "text")
	emoji := rapid.SampledFrom([]string{"", "☕"}).Draw(t, "emoji")
	lasts := drawLasts(t)
	return step{fmt.Sprintf("%s says %q %q for %s", user, text, emoji, *lasts.For), func(ctx context.Context, fx Fixture) string {
		_, err := tracker(fx).SetCustom(ctx, user, text, emoji, lasts)
		return outcome(err)
	}}
}

func stepActivity(t *rapid.T, user, session string) step {
	doing := drawDoing(t)
	return step{fmt.Sprintf("%s does %v at %s", user, doing, session), func(ctx context.Context, fx Fixture) string {
		_, err := tracker(fx).SetActivity(ctx, user, session, doing)
		return outcome(err)
	}}
}

func drawDoing(t *rapid.T) *presence.Doing {
	if !rapid.Bool().Draw(t, "does") {
		return nil
	}
	return &presence.Doing{
		Type:   rapid.SampledFrom([]string{"viewing", "in_call"}).Draw(t, "type"),
		Target: rapid.SampledFrom([]string{"", "/docs/7|x"}).Draw(t, "target"),
		TTL:    rapid.SampledFrom([]time.Duration{6 * time.Second, 60 * time.Second}).Draw(t, "ttl"),
	}
}

func stepPrivacy(t *rapid.T, user, _ string) step {
	audience := rapid.SampledFrom([]presence.Audience{presence.Everyone, presence.Everyone, presence.Contacts, presence.Nobody})
	p := presence.Privacy{
		Online: audience.Draw(t, "online"), LastSeen: audience.Draw(t, "lastSeen"),
		Activity: audience.Draw(t, "activity"), Typing: audience.Draw(t, "typing"),
	}
	return step{fmt.Sprintf("%s shows %v", user, p), func(ctx context.Context, fx Fixture) string {
		_, err := tracker(fx).SetPrivacy(ctx, user, p, nil)
		return outcome(err)
	}}
}

func stepRelate(t *rapid.T, user, _ string) step {
	other := rapid.SampledFrom(players).Draw(t, "other")
	block, is := rapid.Bool().Draw(t, "block"), rapid.Bool().Draw(t, "is")
	return step{fmt.Sprintf("%s to %s: block %t, %t", user, other, block, is), func(ctx context.Context, fx Fixture) string {
		if block {
			return outcome(tracker(fx).SetBlock(ctx, user, other, is))
		}
		return outcome(tracker(fx).SetContact(ctx, user, other, is))
	}}
}

func stepWait(t *rapid.T, _, _ string) step {
	d := time.Second * time.Duration(rapid.IntRange(1, 12).Draw(t, "seconds"))
	return step{fmt.Sprintf("%s pass", d), func(_ context.Context, fx Fixture) string {
		fx.Advance(d)
		return "ok"
	}}
}

func drawRoom(t *rapid.T) string { return rapid.SampledFrom(rooms).Draw(t, "room") }

// drawRooms draws what a beat says of rooms: often nothing.
func drawRooms(t *rapid.T) *[]string {
	return rapid.SampledFrom([]*[]string{nil, nil, {}, {rooms[0]}, {rooms[1], rooms[2]}, &rooms}).Draw(t, "rooms")
}

func stepJoin(t *rapid.T, user, session string) step {
	room := drawRoom(t)
	return step{fmt.Sprintf("%s joins %s at %s", user, room, session), func(ctx context.Context, fx Fixture) string {
		return outcome(tracker(fx).Join(ctx, user, session, room))
	}}
}

func stepGo(t *rapid.T, user, session string) step {
	room := drawRoom(t)
	if rapid.Bool().Draw(t, "all") {
		session = ""
	}
	return step{fmt.Sprintf("%s goes from %s at %q", user, room, session), func(ctx context.Context, fx Fixture) string {
		return outcome(tracker(fx).LeaveRoom(ctx, user, session, room))
	}}
}

func drawTyping(t *rapid.T, session string) presence.Typing {
	return presence.Typing{
		Session: session, Room: drawRoom(t), Thread: rapid.SampledFrom([]string{"", "a|b"}).Draw(t, "thread"),
		TTL: rapid.SampledFrom([]time.Duration{3 * time.Second, 6 * time.Second, 20 * time.Second}).Draw(t, "typing's ttl"),
	}
}

func stepType(t *rapid.T, user, session string) step {
	where := drawTyping(t, session)
	return step{fmt.Sprintf("%s types %v", user, where), func(ctx context.Context, fx Fixture) string {
		return outcome(tracker(fx).StartTyping(ctx, user, where))
	}}
}

func stepStop(t *rapid.T, user, session string) step {
	where := drawTyping(t, rapid.SampledFrom([]string{"", session}).Draw(t, "at"))
	return step{fmt.Sprintf("%s stops to type %v", user, where), func(ctx context.Context, fx Fixture) string {
		return outcome(tracker(fx).StopTyping(ctx, user, where))
	}}
}

func drawBeat(t *rapid.T, user, session string) presence.Beat {
	if rapid.Bool().Draw(t, "usual") { // or hardly a beat would repeat another
		b := presence.Beat{User: user, Session: session, State: presence.Online, TTL: TTL, MaxLive: 3, Instance: "a", Minimal: true}
		if rapid.Bool().Draw(t, "does") {
			b.Doing = &presence.Doing{Type: "viewing", TTL: rapid.SampledFrom([]time.Duration{6 * time.Second, 60 * time.Second}).Draw(t, "ttl")}
		}
		b.Rooms = drawRooms(t)
		return b
	}
	b := presence.Beat{
		User: user, Session: session, TTL: TTL, MaxLive: 3, Instance: "a",
		State:   rapid.SampledFrom([]presence.Status{presence.Online, presence.Online, presence.Away, presence.Busy, presence.DND}).Draw(t, "state"),
		IdleFor: time.Second * time.Duration(rapid.SampledFrom([]int{0, 0, 2, 7}).Draw(t, "idle")),
		Hidden:  rapid.Bool().Draw(t, "hidden"),
		Minimal: rapid.Bool().Draw(t, "minimal"),
		Profile: presence.Profile{Name: rapid.SampledFrom([]string{"", "Name", "<b>\"|%s"}).Draw(t, "name")},
	}
	b.Doing, b.Rooms = drawDoing(t), drawRooms(t)
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

func tellBeat(b presence.Beat) string {
	device, seq, rooms := "-", "-", "-"
	if b.Device != nil {
		device = *b.Device
	}
	if b.Seq != nil {
		seq = fmt.Sprint(*b.Seq)
	}
	if b.Rooms != nil {
		rooms = fmt.Sprintf("%q", *b.Rooms)
	}
	return fmt.Sprintf("%s beats %s %s idle %s hidden %t device %s seq %s as %q doing %v in %s",
		b.User, b.Session, b.State, b.IdleFor, b.Hidden, device, seq, b.Profile.Name, b.Doing, rooms)
}

// play runs a history on a store and writes down everything that could be seen of it.
func play(t testing.TB, fx Fixture, steps []step) []string {
	tl := newTeller(t, fx, players)
	for _, s := range steps {
		tl.say("%s", s)
		tl.say("  %s", s.do(t.Context(), fx))
		fx.Tick()
		tl.listen()
		tl.look(players)
		tl.announced(players)
	}
	return tl.lines
}

// WithMemstore runs f with a memstore on virtual time.
func WithMemstore(t *testing.T, f func(t *testing.T, fx Fixture)) { withMemstore(t, false, f) }

// WithClosedMemstore does so with one that hides whoever has written no setting.
func WithClosedMemstore(t *testing.T, f func(t *testing.T, fx Fixture)) { withMemstore(t, true, f) }

func withMemstore(t *testing.T, closed bool, f func(t *testing.T, fx Fixture)) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New(memstore.Options{TTL: TTL, Sweep: Sweep, Outbox: Outbox, CloseAfterLoss: closed})
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
