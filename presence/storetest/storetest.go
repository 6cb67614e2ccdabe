// Package storetest is the conformance suite of presence.Store: what the contract says as stories, and a random history that every
// store must tell exactly as memstore does.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/presently/presently/presence"
)

// The suite's timings. They are whole seconds, and everything that a test does happens in the middle of a second, sweeps at its
// beginning, so that stores with slightly different clocks tell the same story.
const (
	TTL   = 9 * time.Second
	Grace = 4 * time.Second
	Sweep = time.Second

	// Outbox is how many notes a lane of the store keeps.
	Outbox = 200
)

// Fixture is a store under test whose clock the test can turn.
type Fixture struct {
	Store presence.Store // and a presence.Outbox

	// Heard is the feed that the store's Run was given.
	Heard *Recorder

	// Advance lets whole seconds pass, with a sweep at the beginning of each.
	Advance func(d time.Duration)

	// Tick lets one millisecond pass: sessions with the same deadline would end in no particular order.
	Tick func()
}

// Recorder is a feed that remembers what it heard.
type Recorder struct {
	mu      sync.Mutex // guards what follows
	changes []presence.Change
	heads   map[int]presence.Head
	moved   chan struct{}
}

// NewRecorder makes a feed that has heard nothing.
func NewRecorder() *Recorder {
	return &Recorder{heads: map[int]presence.Head{}, moved: make(chan struct{})}
}

// Changed implements presence.Feed.
func (r *Recorder) Changed(c presence.Change) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.changes = append(r.changes, c)
	r.move(c.Lane, c.Head)
}

// Beacon implements presence.Feed.
func (r *Recorder) Beacon(b presence.Beacon) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.move(b.Lane, b.Head)
}

// Missed, Lost and Found implement presence.Feed.
func (r *Recorder) Missed(int) {}
func (r *Recorder) Lost()      {}
func (r *Recorder) Found()     {}

func (r *Recorder) move(lane int, h presence.Head) {
	if h.After(r.heads[lane]) {
		r.heads[lane] = h
	}
	close(r.moved)
	r.moved = make(chan struct{})
}

// take returns what was heard since the last take, once everything that the store has announced was heard.
func (r *Recorder) take(t testing.TB, s presence.Store) []presence.Change {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	lanes := make([]int, s.Lanes())
	for i := range lanes {
		lanes[i] = i
	}
	heads, err := s.Heads(ctx, lanes)
	if err != nil {
		t.Fatal(err)
	}
	for {
		r.mu.Lock()
		behind := slices.ContainsFunc(lanes, func(i int) bool { return heads[i].After(r.heads[i]) })
		moved := r.moved
		if !behind {
			out := r.changes
			r.changes = nil
			r.mu.Unlock()
			return out
		}
		r.mu.Unlock()
		select {
		case <-moved:
		case <-ctx.Done():
			t.Fatalf("the feed never heard of what was announced up to %v", heads)
		}
	}
}

// teller writes down what a store did, in words that do not depend on its clock.
type teller struct {
	t     testing.TB
	fx    Fixture
	start time.Time // of the store's clock
	lines []string
	folds map[string]presence.Record // what the changes alone make of each user
	last  map[string]presence.Record // what was read of each user at the last look
	since presence.Version           // a moment between the last look and what came after it
	told  announced
}

// stranger is a viewer to whom nobody has a relation.
const stranger = "a stranger"

func newTeller(t testing.TB, fx Fixture, users []string) *teller {
	t.Helper()
	records, err := fx.Store.Lookup(t.Context(), "", users)
	if err != nil {
		t.Fatal(err)
	}
	tl := &teller{
		t: t, fx: fx, start: records[0].AsOf.Time(), folds: map[string]presence.Record{}, last: map[string]presence.Record{}, told: announced{},
	}
	for _, r := range records {
		tl.folds[r.User] = r
	}
	tl.looked(records)
	return tl
}

func (tl *teller) say(format string, args ...any) {
	tl.lines = append(tl.lines, fmt.Sprintf(format, args...))
}

// listen writes down the changes heard since it was last called. Changes of one moment have no order between users.
func (tl *teller) listen() {
	var heard []string
	for _, c := range tl.fx.Heard.take(tl.t, tl.fx.Store) {
		heard = append(heard, fmt.Sprintf("  %s: %s by %s:%s", tl.at(c.Version.Time()), c.User, c.Cause, tl.facts(c.Facts)))
		if fold, ok := tl.folds[c.User]; ok {
			tl.folds[c.User] = fold.Apply(c)
		}
	}
	slices.Sort(heard)
	tl.lines = append(tl.lines, heard...)
}

// look writes down what everybody sees of everybody, and checks that the changes alone would have shown the same.
func (tl *teller) look(users []string) {
	tl.t.Helper()
	for _, viewer := range append([]string{stranger}, users...) {
		records, err := tl.fx.Store.Lookup(tl.t.Context(), viewer, users)
		if err != nil {
			tl.t.Fatal(err)
		}
		for i, r := range records {
			if r.User != users[i] {
				tl.t.Fatalf("Lookup: record %d is of %q, want %q", i, r.User, users[i])
			}
			if fold := tl.folds[r.User]; r.RelatedAt != fold.RelatedAt {
				tl.t.Fatalf("the last change to a relation of %s was at %d by the changes, at %d by Lookup", r.User, fold.RelatedAt, r.RelatedAt)
			}
			read, told := tl.seen(r, viewer, r.AsOf), tl.seen(tl.folds[r.User], viewer, r.AsOf)
			if read != told {
				tl.t.Fatalf("to %s the changes show %s\nLookup shows      %s", viewer, told, read)
			}
			tl.say("  to %s %s", viewer, read)
		}
	}
	tl.index(users)
}

// seen is all that a viewer sees of a user.
func (tl *teller) seen(r presence.Record, viewer string, now presence.Version) string {
	return tl.view(r.ViewFor(viewer, now)) + " " + tl.meets(r, viewer, now)
}

func (tl *teller) view(v presence.View) string {
	var devices []string
	for d, s := range v.Devices {
		devices = append(devices, d+"="+string(s))
	}
	slices.Sort(devices)
	return fmt.Sprintf("%s %s chosen=%s %v notify=%t seen=%s active=%s %s custom=%s%s until=%s doing=%s/%s/%s since=%s",
		v.User, v.Status, v.Chosen, devices, v.Notify, tl.at(v.LastSeenAt), tl.at(v.LastActiveAt), v.Profile.Name,
		v.Custom.Text, v.Custom.Emoji, tl.at(v.Custom.Until), v.Activity.Type, v.Activity.Target, v.Activity.Label, tl.at(v.Activity.Since))
}

// at tells a time in seconds since the start, rounded to the second.
func (tl *teller) at(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return fmt.Sprintf("%.0fs", t.Sub(tl.start).Round(time.Second).Seconds())
}

func (tl *teller) facts(facts []presence.Fact) string {
	var out []string
	for _, f := range facts {
		switch f := f.(type) {
		case presence.Session:
			out = append(out, fmt.Sprintf("session(%s %s %s idle=%t input=%s began=%s by %s)",
				f.ID, f.Device, f.State, f.Idle, tl.at(f.Input), tl.at(f.Started), f.Instance))
		case presence.SessionEnded:
			out = append(out, fmt.Sprintf("ended(%s)", string(f)))
		case presence.Chosen:
			out = append(out, fmt.Sprintf("chosen(%s until=%s input=%s)", f.Status, tl.at(f.Until), tl.at(f.Input)))
		case presence.Profile:
			out = append(out, fmt.Sprintf("profile(%s %s)", f.Name, f.Avatar))
		case presence.Seen:
			out = append(out, fmt.Sprintf("seen(%s input=%s)", tl.at(f.At), tl.at(f.Input)))
		case presence.Custom:
			out = append(out, fmt.Sprintf("custom(%s%s until=%s)", f.Text, f.Emoji, tl.at(f.Until)))
		case presence.Activity:
			out = append(out, fmt.Sprintf("activity(%s %s %s %s since=%s until=%s)", f.Session, f.Type, f.Target, f.Label, tl.at(f.Since), tl.at(f.Until)))
		case presence.Membership:
			out = append(out, fmt.Sprintf("membership(%s %s)", f.Session, tl.stays(f.Stays)))
		case presence.Mark:
			out = append(out, fmt.Sprintf("mark(%s/%s at %s member=%t until=%s)", f.Room, f.Thread, f.Session, f.Member, tl.at(f.Until)))
		case presence.Privacy:
			out = append(out, fmt.Sprintf("privacy(%s %s %s %s)", f.Online, f.LastSeen, f.Activity, f.Typing))
		case presence.Invisibility:
			out = append(out, fmt.Sprintf("invisible(%t)", f.On))
		case presence.HidingFrom:
			out = append(out, fmt.Sprintf("hiding(%d %s)", f.Class, tl.hiding(f.Hiding)))
		case presence.Relation:
			out = append(out, fmt.Sprintf("relation(%s contact=%t blocked=%t since=%s %s)", f.Viewer, f.Contact, f.Blocked, tl.at(f.Since), tl.hiding(f.Hiding)))
		default:
			tl.t.Fatalf("unknown fact %T", f)
		}
	}
	slices.Sort(out)
	return " " + strings.Join(out, " ")
}

func (tl *teller) stays(stays []presence.Stay) string {
	var out []string
	for _, s := range stays {
		out = append(out, s.Room+" since "+tl.at(s.Since.Time()))
	}
	return strings.Join(out, ", ")
}

func (tl *teller) hiding(h presence.Hiding) string {
	return fmt.Sprintf("on=%t at=%s seen=%s %s", h.On, tl.at(h.At), tl.at(h.Seen), h.Profile.Name)
}

// outcome tells an error in words that all stores share.
func outcome(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, presence.ErrTooManySessions):
		return "too many"
	case errors.Is(err, presence.ErrNoSession):
		return "no session"
	case errors.Is(err, presence.ErrTooManyRooms):
		return "too many rooms"
	}
	return err.Error()
}
