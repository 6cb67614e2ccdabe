package presence_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/presently/presently/presence"
	"github.com/presently/presently/presence/memstore"
)

// The timings of plays on virtual time.
const (
	ttl   = 9 * time.Second
	grace = 4 * time.Second
	sweep = time.Second
)

var (
	people   = []string{"ada", "bob", "cy"}
	sessions = []string{"session-1", "session-2", "session-3"}
	rooms    = []string{"hall", "lobby"}
)

// deed is what somebody does; it is drawn before the bubble of virtual time, in which nothing can be drawn.
type deed struct {
	do      string // beat, leave, end, choose, say, do, show, relate, block, join, go, type, stop, wait
	who     string
	session string
	beat    presence.Beat
	status  presence.Status
	lasts   time.Duration
	text    string
	doing   *presence.Doing
	privacy presence.Privacy
	other   string
	is      bool
	where   presence.Typing
	wait    time.Duration
}

func drawDeed(t *rapid.T) deed {
	d := deed{
		do: rapid.SampledFrom([]string{
			"beat", "beat", "beat", "beat", "leave", "end", "choose", "choose", "say", "do", "show", "relate", "block", "wait", "wait", "wait",
			"join", "join", "go", "type", "stop",
		}).Draw(t, "do"),
		who:     rapid.SampledFrom(people).Draw(t, "who"),
		session: rapid.SampledFrom(sessions).Draw(t, "session"),
	}
	switch d.do {
	case "beat":
		d.beat = drawBeat(t)
		d.beat.Doing, d.beat.Rooms = drawDoing(t), drawRooms(t)
	case "do":
		d.doing = drawDoing(t)
	case "say":
		d.text = rapid.SampledFrom([]string{"", "Standup", "Lunch"}).Draw(t, "text")
		d.lasts = rapid.SampledFrom([]time.Duration{0, 700 * time.Millisecond, time.Hour}).Draw(t, "lasts")
	case "show":
		d.privacy = drawPrivacy(t, 0)
	case "relate", "block":
		d.other, d.is = rapid.SampledFrom(people).Draw(t, "other"), rapid.Bool().Draw(t, "is")
	case "choose":
		d.status = rapid.SampledFrom([]presence.Status{"", presence.Online, presence.Away, presence.DND, presence.Invisible, presence.Invisible}).Draw(t, "status")
		d.lasts = rapid.SampledFrom([]time.Duration{0, 700 * time.Millisecond, 3 * time.Second, time.Hour}).Draw(t, "lasts")
	case "join", "go", "type", "stop":
		d.where = drawWhere(t, d.session)
	case "wait":
		d.wait = time.Duration(rapid.IntRange(1, 120).Draw(t, "tenths")) * 100 * time.Millisecond
	}
	return d
}

func drawDoing(t *rapid.T) *presence.Doing {
	if rapid.Bool().Draw(t, "does nothing") {
		return nil
	}
	return &presence.Doing{
		Type: rapid.SampledFrom([]string{"viewing", "in_call"}).Draw(t, "type"),
		TTL:  rapid.SampledFrom([]time.Duration{900 * time.Millisecond, 6 * time.Second, time.Minute}).Draw(t, "activity's ttl"),
	}
}

// drawWhere draws where somebody goes or types, at times by whatever session he has.
func drawWhere(t *rapid.T, session string) presence.Typing {
	return presence.Typing{
		Session: rapid.SampledFrom([]string{session, session, ""}).Draw(t, "by"), Room: rapid.SampledFrom(rooms).Draw(t, "room"),
		Thread: rapid.SampledFrom([]string{"", "t"}).Draw(t, "thread"),
		TTL:    rapid.SampledFrom([]time.Duration{700 * time.Millisecond, 6 * time.Second, 30 * time.Second}).Draw(t, "typing's ttl"),
	}
}

// drawRooms draws what a beat says of rooms: often nothing.
func drawRooms(t *rapid.T) *[]string {
	return rapid.SampledFrom([]*[]string{nil, nil, {}, {"hall"}, {"lobby"}, &rooms}).Draw(t, "rooms")
}

func drawBeat(t *rapid.T) presence.Beat {
	b := presence.Beat{
		State:   rapid.SampledFrom([]presence.Status{presence.Online, presence.Away, presence.Busy, presence.DND}).Draw(t, "state"),
		IdleFor: rapid.SampledFrom([]time.Duration{0, 0, 2 * time.Second, 7 * time.Second}).Draw(t, "idle"),
		Hidden:  rapid.Bool().Draw(t, "hidden"),
		Profile: presence.Profile{Name: rapid.SampledFrom([]string{"", "A", "B"}).Draw(t, "name")},
		TTL:     ttl, MaxLive: 3,
	}
	b.Idle = b.IdleFor >= 5*time.Second
	if rapid.Bool().Draw(t, "has device") {
		d := rapid.SampledFrom([]string{"web", "phone"}).Draw(t, "device")
		b.Device = &d
	}
	if rapid.Bool().Draw(t, "has seq") {
		n := rapid.Int64Range(0, 9).Draw(t, "seq")
		b.Seq = &n
	}
	return b
}

func drawDeeds(most int) *rapid.Generator[[]deed] { return several(drawDeed, most) }

// several draws a list of any length. Between two lengths rapid itself draws mostly short ones, in which nothing leads to anything.
func several[T any](draw func(*rapid.T) T, most int) *rapid.Generator[[]T] {
	return rapid.Custom(func(t *rapid.T) []T {
		n := rapid.IntRange(1, most).Draw(t, "how many")
		return rapid.SliceOfN(rapid.Custom(draw), n, n).Draw(t, "list")
	})
}

// by is the same deed of somebody else.
func (d deed) by(who string) deed {
	d.who = who
	return d
}

func (d deed) perform(ctx context.Context, s presence.Store) (err error) {
	tracker := presence.Tracker{Store: s}
	switch d.do {
	case "beat":
		b := d.beat
		b.User, b.Session = d.who, d.session
		_, err = s.Beat(ctx, b)
	case "leave":
		err = s.Leave(ctx, d.who, d.session, grace)
	case "end":
		err = s.End(ctx, d.who, d.session)
	case "choose":
		_, err = tracker.Choose(ctx, d.who, d.status, presence.Lasts{For: &d.lasts})
	case "say":
		_, err = tracker.SetCustom(ctx, d.who, d.text, "", presence.Lasts{For: &d.lasts})
	case "do":
		_, err = tracker.SetActivity(ctx, d.who, d.session, d.doing)
	case "show":
		_, err = tracker.SetPrivacy(ctx, d.who, d.privacy, nil)
	case "relate":
		err = tracker.SetContact(ctx, d.who, d.other, d.is)
	case "block":
		err = tracker.SetBlock(ctx, d.who, d.other, d.is)
	case "join":
		err = tracker.Join(ctx, d.who, d.session, d.where.Room)
	case "go":
		err = tracker.LeaveRoom(ctx, d.who, d.where.Session, d.where.Room)
	case "type":
		err = tracker.StartTyping(ctx, d.who, d.where)
	case "stop":
		err = tracker.StopTyping(ctx, d.who, d.where)
	case "wait":
		time.Sleep(d.wait)
		synctest.Wait()
	}
	return err
}

func (d deed) String() string {
	switch d.do {
	case "choose":
		return fmt.Sprintf("%s chooses %q for %s", d.who, d.status, d.lasts)
	case "say":
		return fmt.Sprintf("%s says %q for %s", d.who, d.text, d.lasts)
	case "do":
		return fmt.Sprintf("%s does %+v at %s", d.who, d.doing, d.session)
	case "show":
		return fmt.Sprintf("%s shows %+v", d.who, d.privacy)
	case "relate", "block":
		return fmt.Sprintf("%s %ss %s: %t", d.who, d.do, d.other, d.is)
	case "join", "go", "type", "stop":
		return fmt.Sprintf("%s %ss %+v", d.who, d.do, d.where)
	case "wait":
		return fmt.Sprintf("%s pass", d.wait)
	case "beat":
		b := d.beat
		text := fmt.Sprintf("%s beats %s %s idle %s as %q", d.who, d.session, b.State, b.IdleFor, b.Profile.Name)
		if b.Device != nil {
			text += " on " + *b.Device
		}
		if b.Doing != nil {
			text += fmt.Sprintf(" doing %+v", *b.Doing)
		}
		if b.Rooms != nil {
			text += fmt.Sprintf(" in %q", *b.Rooms)
		}
		if b.Seq != nil {
			text += fmt.Sprint(" seq ", *b.Seq)
		}
		return text
	}
	return fmt.Sprintf("%s %ss %s", d.who, d.do, d.session)
}

// inBubble runs f on virtual time for a rapid test, which must not fail within: f returns what is wrong.
func inBubble(t *testing.T, rt *rapid.T, f func(t *testing.T) string) {
	var wrong string
	synctest.Test(t, func(t *testing.T) { wrong = f(t) })
	if wrong != "" {
		rt.Fatal(wrong)
	}
}

// tape is a feed that keeps what it hears.
type tape struct{ heard []presence.Change }

func (p *tape) Changed(c presence.Change) { p.heard = append(p.heard, c) }
func (*tape) Beacon(presence.Beacon)      {}
func (*tape) Missed(int)                  {}
func (*tape) Lost()                       {}
func (*tape) Found()                      {}

// running starts a memstore that tells feed, and lets it reach the middle between two sweeps.
func running(t *testing.T, feed presence.Feed) *memstore.Store {
	s := memstore.New(memstore.Options{TTL: ttl, Sweep: sweep})
	start(t, func(ctx context.Context) error { return s.Run(ctx, feed) })
	time.Sleep(sweep / 20)
	synctest.Wait()
	return s
}

// start runs something until the test's bubble ends.
func start(t *testing.T, run func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

// lookup reads records that must be there to be read.
func lookup(t *testing.T, s presence.Source, users ...string) []presence.Record {
	t.Helper()
	records, err := s.Lookup(t.Context(), "", users)
	if err != nil {
		t.Fatal(err)
	}
	return records
}

// shown is all that a record shows, without the heads and moments of its reading, and what heartbeats change without telling.
func shown(r presence.Record) string {
	var b strings.Builder
	for _, s := range r.Sessions {
		fmt.Fprintf(&b, "session(%s %q %s idle=%t %s %s %d) ", s.ID, s.Device, s.State, s.Idle, s.Input, s.Started, s.Version)
	}
	fmt.Fprintf(&b, "%+v %+v %+v %+v %+v %+v %+v %+v", r.Chosen, r.Profile, r.Seen, r.Custom, r.Doing, r.Privacy, r.Invisible, r.Hidings)
	fmt.Fprintf(&b, " %+v %d %+v %+v", r.Relations, r.RelatedAt, r.Memberships, r.Marks)
	return b.String()
}

// story is a play with what came of it, for a failure's message.
func story(deeds []deed) string {
	var lines []string
	for _, d := range deeds {
		lines = append(lines, "  "+d.String())
	}
	return strings.Join(slices.Clip(lines), "\n")
}
