package presence_test

import (
	"context"
	"testing"
	"time"

	"github.com/presently/presently/presence"
)

var policy = presence.Policy{
	TTL: 90 * time.Second, Grace: 10 * time.Second, Heartbeat: 30 * time.Second, IdleAfter: 5 * time.Minute, Sessions: 20,
}

// hearer is a store that remembers what it was asked for.
type hearer struct {
	presence.Store
	beat   presence.Beat
	choice presence.Choice
	grace  time.Duration
}

func (h *hearer) Beat(_ context.Context, b presence.Beat) (presence.Beaten, error) {
	h.beat = b
	return presence.Beaten{}, nil
}

func (h *hearer) Choose(_ context.Context, c presence.Choice) (presence.Record, error) {
	h.choice = c
	return presence.Record{}, nil
}

func (h *hearer) Leave(_ context.Context, _, _ string, grace time.Duration) error {
	h.grace = grace
	return nil
}

func tracker() (*presence.Tracker, *hearer) {
	h := &hearer{}
	return &presence.Tracker{Store: h, Policy: policy, Instance: "here"}, h
}

func TestAChoiceLastsAsLongAsItsStatusDoesByDefault(t *testing.T) {
	hour, zero, end := time.Hour, time.Duration(0), t0
	for _, c := range []struct {
		name   string
		status presence.Status
		lasts  *time.Duration
		until  *time.Time
		want   presence.Choice
	}{
		{"busy lasts a day", presence.Busy, nil, nil, presence.Choice{For: 24 * time.Hour}},
		{"dnd lasts a day", presence.DND, nil, nil, presence.Choice{For: 24 * time.Hour}},
		{"away lasts a week", presence.Away, nil, nil, presence.Choice{For: 7 * 24 * time.Hour}},
		{"online lasts a week", presence.Online, nil, nil, presence.Choice{For: 7 * 24 * time.Hour}},
		{"invisible lasts until cleared", presence.Invisible, nil, nil, presence.Choice{}},
		{"a duration is taken", presence.Busy, &hour, nil, presence.Choice{For: time.Hour}},
		{"0 lasts until cleared", presence.Busy, &zero, nil, presence.Choice{}},
		{"an end is taken", presence.DND, nil, &end, presence.Choice{Until: end}},
	} {
		tr, h := tracker()
		if _, err := tr.Choose(t.Context(), "ada", c.status, c.lasts, c.until); err != nil {
			t.Fatal(err)
		}
		c.want.User, c.want.Status = "ada", c.status
		if h.choice != c.want {
			t.Errorf("%s: got %+v, want %+v", c.name, h.choice, c.want)
		}
	}
}

func TestClearingReturnsToAutomatic(t *testing.T) {
	tr, h := tracker()
	if _, err := tr.Clear(t.Context(), "ada"); err != nil {
		t.Fatal(err)
	}
	if want := (presence.Choice{User: "ada"}); h.choice != want {
		t.Errorf("got %+v, want %+v", h.choice, want)
	}
}

func TestAHeartbeatCarriesThePolicy(t *testing.T) {
	web, n := "web", int64(7)
	for _, c := range []struct {
		name string
		in   presence.Heartbeat
		want presence.Beat
	}{
		{"absent state is online", presence.Heartbeat{}, presence.Beat{State: presence.Online, TTL: 90 * time.Second}},
		{"a state is kept", presence.Heartbeat{State: presence.DND}, presence.Beat{State: presence.DND, TTL: 90 * time.Second}},
		{"a hidden page lives five thirds as long", presence.Heartbeat{Hidden: true}, presence.Beat{State: presence.Online, Hidden: true, TTL: 150 * time.Second}},
		{
			"just under the limit is not idle", presence.Heartbeat{Idle: 5*time.Minute - 1},
			presence.Beat{State: presence.Online, IdleFor: 5*time.Minute - 1, TTL: 90 * time.Second},
		},
		{
			"exactly the limit is idle", presence.Heartbeat{Idle: 5 * time.Minute},
			presence.Beat{State: presence.Online, IdleFor: 5 * time.Minute, Idle: true, TTL: 90 * time.Second},
		},
		{
			"idle whatever it says", presence.Heartbeat{State: presence.DND, Idle: time.Hour},
			presence.Beat{State: presence.DND, IdleFor: time.Hour, Idle: true, TTL: 90 * time.Second},
		},
		{
			"the rest is passed on", presence.Heartbeat{Device: &web, Seq: &n, Minimal: true, Profile: presence.Profile{Name: "Ada"}},
			presence.Beat{State: presence.Online, Device: &web, Seq: &n, Minimal: true, Profile: presence.Profile{Name: "Ada"}, TTL: 90 * time.Second},
		},
	} {
		tr, h := tracker()
		c.in.User, c.in.Session = "ada", "session-1"
		if _, err := tr.Heartbeat(t.Context(), c.in); err != nil {
			t.Fatal(err)
		}
		c.want.User, c.want.Session, c.want.Instance, c.want.MaxLive = "ada", "session-1", "here", 20
		if h.beat != c.want {
			t.Errorf("%s: got %+v, want %+v", c.name, h.beat, c.want)
		}
	}
}

func TestLeavingHasThePolicysGrace(t *testing.T) {
	tr, h := tracker()
	if err := tr.Leave(t.Context(), "ada", "session-1"); err != nil {
		t.Fatal(err)
	}
	if h.grace != 10*time.Second {
		t.Errorf("grace %s, want 10s", h.grace)
	}
}

func TestTheTickLimitIsAtMostFiveSecondsAndLessForShortLives(t *testing.T) {
	for _, c := range []struct{ sweep, ttl, want time.Duration }{
		{time.Second, 90 * time.Second, 5 * time.Second},
		{time.Second, 10 * time.Second, 5 * time.Second},
		{time.Second, 8 * time.Second, 4 * time.Second},
		{time.Second, 2 * time.Second, 3 * time.Second}, // a sweep that is a little late is no outage
		{100 * time.Millisecond, time.Second, 500 * time.Millisecond},
	} {
		if got := presence.TickLimit(c.sweep, c.ttl); got != c.want {
			t.Errorf("TickLimit(%s, %s) = %s, want %s", c.sweep, c.ttl, got, c.want)
		}
	}
}
