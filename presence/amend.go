package presence

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// How long a choice lasts by default (rule 3). Nobody starts to appear by the clock alone, so invisible has no end.
const (
	quietLasts = 24 * time.Hour     // busy, dnd
	plainLasts = 7 * 24 * time.Hour // away, online
)

// RelationsKept is how many relations a user may have, contacts and blocks together.
const RelationsKept = 2000

// Lasts is how long something chosen lasts. At most one of its fields is set; with none, a default holds.
type Lasts struct {
	For   *time.Duration // 0: until cleared
	Until *time.Time
}

// end is when it ends, zero for never.
func (l Lasts) end(now time.Time, byDefault time.Duration) time.Time {
	if l.Until != nil {
		return *l.Until
	}
	if l.For != nil {
		byDefault = *l.For
	}
	if byDefault == 0 {
		return time.Time{}
	}
	return now.Add(byDefault)
}

// Choose sets the user's status, or makes him hide (Invisible).
func (t *Tracker) Choose(ctx context.Context, user string, status Status, lasts Lasts) (Record, error) {
	return t.Amend(ctx, user, ByChoice, func(r Record, now time.Time, v Version) ([]Fact, error) {
		return r.choose(now, v, status, lasts), nil
	})
}

// Clear returns the user to automatic status.
func (t *Tracker) Clear(ctx context.Context, user string) (Record, error) {
	return t.Choose(ctx, user, "", Lasts{})
}

func (r Record) choose(now time.Time, v Version, status Status, lasts Lasts) []Fact {
	var facts []Fact
	if hide := status == Invisible; hide != r.Invisible.On || hide && r.Closed != 0 {
		facts = r.setSettings(now, v, Invisibility{On: hide, Version: v})
	}
	chosen := Chosen{Status: status, Version: v}
	switch status {
	case Invisible:
		chosen.Status = ""
	case Busy, DND:
		chosen.Until = lasts.end(now, quietLasts)
	case Online, Away:
		chosen.Until = lasts.end(now, plainLasts)
	}
	if status == Away {
		chosen.Input = r.newestInput()
	}
	if chosen.Status != "" || r.Chosen.Status != "" {
		facts = append(facts, chosen)
	}
	return facts
}

// newestInput is the newest over all sessions, those that have ended included.
func (r Record) newestInput() time.Time {
	newest := r.Seen.Input
	for _, s := range r.Sessions {
		newest = later(newest, s.LastInput)
	}
	return newest
}

// SetCustom sets the user's custom status; an empty one clears it.
func (t *Tracker) SetCustom(ctx context.Context, user, text, emoji string, lasts Lasts) (Record, error) {
	return t.Amend(ctx, user, ByChoice, func(r Record, now time.Time, v Version) ([]Fact, error) {
		c := Custom{Text: text, Emoji: emoji, Version: v}
		if c.empty() && r.Custom.empty() {
			return nil, nil
		}
		if !c.empty() {
			c.Until = lasts.end(now, 0)
		}
		return []Fact{c}, nil
	})
}

// SetActivity says what the user does at a session; a nil doing says that he no longer does.
func (t *Tracker) SetActivity(ctx context.Context, user, session string, doing *Doing) (Record, error) {
	return t.Amend(ctx, user, ByChoice, func(r Record, now time.Time, v Version) ([]Fact, error) {
		if _, live := r.Session(session); !live {
			if doing == nil {
				return nil, nil
			}
			return nil, ErrNoSession
		}
		if a, changed := r.Does(session, doing, now, v); changed {
			return []Fact{a}, nil
		}
		return nil, nil
	})
}

// Does is the activity that a session has from now on. One that goes on keeps its beginning and its version; as to its end, it is only extended, and
// announced, once half of it has passed.
func (r Record) Does(session string, doing *Doing, now time.Time, v Version) (a Activity, changed bool) {
	before := r.activityOf(session)
	if doing == nil {
		return Activity{Session: session, Version: v}, before.Type != ""
	}
	a = Activity{
		Session: session, Type: doing.Type, Target: doing.Target, Label: doing.Label,
		Since: now, Until: now.Add(doing.TTL), Version: v,
	}
	if before.same(a) && !before.expired(VersionAt(now)) {
		a.Since, a.Version = before.Since, before.Version
		return a, before.Until.Sub(now) < doing.TTL/2 || a.Until.Before(before.Until)
	}
	return a, true
}

// SetPrivacy replaces the user's privacy settings. check, where not nil, may refuse on the ground of those that he has.
func (t *Tracker) SetPrivacy(ctx context.Context, user string, p Privacy, check func(Privacy) error) (Record, error) {
	return t.Amend(ctx, user, BySetting, func(r Record, now time.Time, v Version) ([]Fact, error) {
		if check != nil {
			if err := check(r.PrivacyOrDefault()); err != nil {
				return nil, err
			}
		}
		before := r.PrivacyOrDefault()
		p.Version = before.Version
		if p == before && r.Closed == 0 {
			return nil, nil
		}
		p.Version = v
		return r.setSettings(now, v, p), nil
	})
}

// PrivacyOrDefault is the user's privacy as it holds.
func (r Record) PrivacyOrDefault() Privacy { return r.Privacy.orDefault() }

// SetContact makes another user a contact, or no longer one.
func (t *Tracker) SetContact(ctx context.Context, user, other string, is bool) error {
	return t.relate(ctx, user, other, func(rel *Relation) bool {
		changed := rel.Contact != is
		rel.Contact = is
		return changed
	})
}

// SetBlock blocks another user, or no longer does.
func (t *Tracker) SetBlock(ctx context.Context, user, other string, is bool) error {
	return t.relate(ctx, user, other, func(rel *Relation) bool {
		changed := rel.Blocked != is
		rel.Blocked = is
		return changed
	})
}

func (t *Tracker) relate(ctx context.Context, user, other string, set func(*Relation) (changed bool)) error {
	_, err := t.Amend(ctx, user, BySetting, func(r Record, now time.Time, v Version) ([]Fact, error) {
		rel, known := r.Relations[other]
		if !rel.Contact && !rel.Blocked {
			rel.Viewer, rel.Since = other, now
		}
		if !set(&rel) {
			return r.surely(now, v, nil), nil // it was written all the same
		}
		facts := r.setRelation(now, v, rel)
		if !known && len(r.Relations) >= RelationsKept {
			oldest, ok := r.oldestEnded()
			if !ok {
				return nil, ErrTooManyRelations
			}
			facts = append(facts, Relation{Viewer: oldest, Version: v})
		}
		return facts, nil
	})
	return err
}

// oldestEnded is the viewer whose relation ended longest ago.
func (r Record) oldestEnded() (viewer string, ok bool) {
	var at Version
	for _, rel := range r.Relations {
		if !rel.Contact && !rel.Blocked && (!ok || rel.Version < at) {
			viewer, at, ok = rel.Viewer, rel.Version, true
		}
	}
	return viewer, ok
}

// Contacts lists the user's contacts and Blocks those whom he blocks, by name.
func (r Record) Contacts() []Relation {
	return r.related(func(rel Relation) bool { return rel.Contact })
}
func (r Record) Blocks() []Relation { return r.related(func(rel Relation) bool { return rel.Blocked }) }

func (r Record) related(is func(Relation) bool) []Relation {
	var out []Relation
	for _, rel := range r.Relations {
		if is(rel) {
			out = append(out, rel)
		}
	}
	slices.SortFunc(out, func(a, b Relation) int { return cmp.Compare(a.Viewer, b.Viewer) })
	return out
}
