package presence_test

import (
	"context"
	"reflect"
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
	record presence.Record // that an amendment is given
	facts  []presence.Fact // that it makes
	cause  presence.Cause
	grace  time.Duration
}

func (h *hearer) Beat(_ context.Context, b presence.Beat) (presence.Beaten, error) {
	h.beat = b
	return presence.Beaten{}, nil
}

func (h *hearer) Amend(_ context.Context, user string, cause presence.Cause, change presence.Amendment) (presence.Record, error) {
	h.record.User, h.cause = user, cause
	facts, err := change(h.record, t0, v(0))
	h.facts = facts
	return h.record, err
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
	hour, zero, end := time.Hour, time.Duration(0), after(5*minute)
	for _, c := range []struct {
		name   string
		status presence.Status
		lasts  presence.Lasts
		want   time.Time
	}{
		{"busy lasts a day", presence.Busy, presence.Lasts{}, after(24 * hour)},
		{"dnd lasts a day", presence.DND, presence.Lasts{}, after(24 * hour)},
		{"away lasts a week", presence.Away, presence.Lasts{}, after(7 * 24 * hour)},
		{"online lasts a week", presence.Online, presence.Lasts{}, after(7 * 24 * hour)},
		{"a duration is taken", presence.Busy, presence.Lasts{For: &hour}, after(hour)},
		{"0 lasts until cleared", presence.Busy, presence.Lasts{For: &zero}, time.Time{}},
		{"an end is taken", presence.DND, presence.Lasts{Until: &end}, after(5 * minute)},
	} {
		tr, h := tracker()
		if _, err := tr.Choose(t.Context(), "ada", c.status, c.lasts); err != nil {
			t.Fatal(err)
		}
		want := []presence.Fact{presence.Chosen{Status: c.status, Until: c.want, Version: v(0)}}
		if h.record.User != "ada" || h.cause != presence.ByChoice || !reflect.DeepEqual(h.facts, want) {
			t.Errorf("%s: %s of %s makes %+v, want %+v", c.name, h.cause, h.record.User, h.facts, want)
		}
	}
}

// Nobody starts to appear by the clock alone, whatever he asks for.
func TestInvisibleLastsUntilCleared(t *testing.T) {
	hour, end := time.Hour, after(hour)
	for name, lasts := range map[string]presence.Lasts{"by default": {}, "for an hour": {For: &hour}, "until a moment": {Until: &end}} {
		tr, h := tracker()
		if _, err := tr.Choose(t.Context(), "ada", presence.Invisible, lasts); err != nil {
			t.Fatal(err)
		}
		h.record.Set(h.facts...)
		if !h.record.Invisible.On || h.record.Chosen != (presence.Chosen{}) {
			t.Errorf("%s: got %+v", name, h.facts)
		}
		if at, ends := h.record.NextExpiry(v(0)); ends {
			t.Errorf("%s: ends at %d", name, at)
		}
	}
}

func TestClearingReturnsToAutomatic(t *testing.T) {
	tr, h := tracker()
	if _, err := tr.Clear(t.Context(), "ada"); err != nil {
		t.Fatal(err)
	}
	if len(h.facts) != 0 {
		t.Errorf("with nothing chosen: got %+v, want nothing", h.facts)
	}
	h.record.Set(chose(presence.DND, hour))
	if _, err := tr.Clear(t.Context(), "ada"); err != nil {
		t.Fatal(err)
	}
	if want := []presence.Fact{presence.Chosen{Version: v(0)}}; !reflect.DeepEqual(h.facts, want) {
		t.Errorf("got %+v, want %+v", h.facts, want)
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
