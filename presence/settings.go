package presence

import "time"

// Audience is who may see something.
type Audience string

const (
	Everyone Audience = "everyone"
	Contacts Audience = "contacts"
	Nobody   Audience = "nobody"
)

// admits reports whether a class of viewers is among the audience. Everybody sees himself.
func (a Audience) admits(c Class) bool {
	switch a {
	case Nobody:
		return c == Self
	case Contacts:
		return c != Other
	}
	return true
}

// Privacy is who may see what of a user. Like all settings it never expires by the clock.
type Privacy struct {
	Online   Audience // that he is here at all; custom status, notify and profile follow it
	LastSeen Audience
	Activity Audience
	Typing   Audience
	Version  Version // 0: never set
}

// DefaultPrivacy is that of a user who never set his (rule 9).
var DefaultPrivacy = Privacy{Online: Everyone, LastSeen: Contacts, Activity: Contacts, Typing: Everyone}

func (p Privacy) orDefault() Privacy {
	if p.Version == 0 {
		return DefaultPrivacy
	}
	return p
}

// Invisibility says whether the user has chosen to be invisible.
type Invisibility struct {
	On      bool
	Version Version
}

// Hiding says whether the user is hidden from some viewers, and holds a copy of all that they go on seeing while he is. What they see of
// a hidden user is made of this copy alone, so that nothing he does meanwhile can show.
type Hiding struct {
	On      bool
	At      time.Time // when the hiding began, or ended
	Seen    time.Time // last seen, as they see it from then on
	Profile Profile
	Shown   Version // version of what they see: that of the hiding, or older where he was offline to them already
	Version Version
}

// HidingFrom is the hiding from a whole class of viewers, because he is invisible or because of his privacy.
type HidingFrom struct {
	Class Class // Other or Contact
	Hiding
}

// Relation is what the user has decided about one other user. One that was ended stays: for its version, and because it may have to go on
// hiding times that its viewer did not see.
type Relation struct {
	Viewer  string
	Contact bool // sees more; unless blocked
	Blocked bool // sees the user as gone
	Since   time.Time

	// Hiding is the viewer's own, where his relation began or ended a hiding: On while it does, else with the end of the last one.
	Hiding  Hiding
	Version Version
}

// apart reports whether the viewer sees something that nobody else of his class does.
func (r Relation) apart() bool { return r.Blocked || r.Hiding.Version != 0 }

// void reports whether the relation says nothing any more.
func (r Relation) void() bool { return !r.Contact && !r.apart() }

// hides reports whether the settings of the record hide the user from a class.
func (r Record) hides(c Class) bool {
	return c != Self && (r.Invisible.On || !r.Privacy.orDefault().Online.admits(c))
}

// HiddenFrom reports whether a viewer sees the user as gone, whatever he does.
func (r Record) HiddenFrom(viewer string) bool {
	class := r.ClassOf(viewer)
	return class != Self && (r.Relations[viewer].Blocked || r.HidesFrom(class))
}

// hidesBefore reports whether it is the relation's own hiding that its viewer sees, not that of his class.
func (r Relation) hidesBefore(class Hiding) bool {
	return r.Hiding.On && (r.Blocked || !class.On || r.Hiding.Version >= class.Version)
}

// hidingFrom is the copy that a viewer from whom the user is hidden sees.
func (r Record) hidingFrom(viewer string) Hiding {
	own, class := r.Relations[viewer], r.hiding(r.ClassOf(viewer))
	if own.hidesBefore(class) {
		return own.Hiding
	}
	// The copy of his class knows nothing of what was hidden from him alone before that.
	class.Seen, class.Shown = notBefore(class.Seen, own.cameOut()), max(class.Shown, own.Version)
	return class
}

// setSettings makes the facts of a change of settings that concern whole classes.
func (r Record) setSettings(now time.Time, v Version, setting Fact) []Fact {
	closed := r
	r.Closed = 0
	after := r
	after.Set(setting)
	facts := []Fact{setting}
	unhides := false
	for class := Other; class < Self; class++ {
		h := r.Hidings[class]
		was, is := h.On, after.hides(class)
		switch {
		case is && !was:
			h = r.copyOf(r.View(class, VersionAt(now)), r.cameOut(class), now, v)
		case was && !is:
			h = Hiding{At: now, Version: v}
			unhides = true
		}
		if is && r.tellsSeen(class) != after.tellsSeen(class) {
			h.Shown, h.Version = v, v
		}
		if h != r.Hidings[class] {
			facts = append(facts, HidingFrom{class, h})
		}
	}
	for _, rel := range r.related(func(rel Relation) bool { return rel.Hiding.On }) { // never one to himself
		// One that lasts while the class is shown him is over for its viewer: touched, it would outlive the class's next hiding, which is newer.
		if class := r.ClassOf(rel.Viewer); r.HiddenFrom(rel.Viewer) && rel.hidesBefore(r.Hidings[class]) && r.tellsSeen(class) != after.tellsSeen(class) {
			rel.Hiding.Shown, rel.Hiding.Version, rel.Version = v, v, v
			facts = append(facts, rel)
		}
	}
	if unhides && closed.Closed == 0 { // whoever watches his rooms need not know of him yet
		facts = append(facts, r.whereabouts(VersionAt(now))...)
	}
	return closed.surely(now, v, facts)
}

// whereabouts are the facts by which a user is in rooms, or types there.
func (r Record) whereabouts(now Version) []Fact {
	var facts []Fact
	for _, m := range r.Memberships {
		if len(m.Stays) > 0 {
			facts = append(facts, m)
		}
	}
	for _, m := range r.Marks {
		if r.holds(m, now) {
			facts = append(facts, m)
		}
	}
	return facts
}

// tellsSeen reports whether a class may see the last-seen time, which is all that a viewer from whom the user is hidden can see change.
func (r Record) tellsSeen(c Class) bool { return r.Privacy.orDefault().LastSeen.admits(c) }

// setRelation makes the facts of a change of one relation.
func (r Record) setRelation(now time.Time, v Version, rel Relation) []Fact {
	rel.Version = v
	after := r
	after.Relations = map[string]Relation{rel.Viewer: rel}
	if r.Closed != 0 {
		after.Closed, after.Hidings = 0, r.opened(now, v)
	}
	was, is := r.HiddenFrom(rel.Viewer), after.HiddenFrom(rel.Viewer)
	before, class := r.ClassOf(rel.Viewer), after.ClassOf(rel.Viewer)
	since := later(r.cameOut(before), r.Relations[rel.Viewer].cameOut())
	switch {
	case was && is: // he goes on seeing what he saw
		rel.Hiding = r.hidingFrom(rel.Viewer)
		rel.Hiding.At, rel.Hiding.Version = now, v
	case is:
		rel.Hiding = r.copyOf(r.ViewFor(rel.Viewer, VersionAt(now)), since, now, v)
	case r.Closed != 0: // he comes out for all at once
	case was:
		rel.Hiding = Hiding{At: now, Version: v}
	case since.After(r.cameOut(class)): // his new class has seen what was hidden from his old one
		rel.Hiding = Hiding{At: since, Version: v}
	}
	if rel.void() { // a contact who is none any more sees less, which his stream must learn of when it comes back
		rel.Hiding = Hiding{Version: v}
	}
	if is && class != before { // which may see the last-seen time, or not
		rel.Hiding.Shown = v
	}
	return r.surely(now, v, []Fact{rel})
}

// copyOf copies what a view shows of the user into a hiding that begins now: one who is here goes offline at this moment.
func (r Record) copyOf(view View, cameOut, now time.Time, v Version) Hiding {
	h := Hiding{On: true, At: now, Seen: now, Profile: view.Profile, Shown: v, Version: v}
	if view.Status == Offline {
		h.Seen, h.Shown = notBefore(r.Seen.At, cameOut), view.Version
	}
	return h
}

// cameOut is when the user last came out of hiding from a class of viewers: they see no time that is older.
func (r Record) cameOut(c Class) time.Time {
	if c == Self {
		return time.Time{}
	}
	return r.hiding(c).ended()
}

// cameOut is when the relation's own hiding ended.
func (r Relation) cameOut() time.Time { return r.Hiding.ended() }

// cameOutFor is the change by which the user last came out of hiding from a viewer. Times are too coarse for what comes in the same millisecond.
func (r Record) cameOutFor(viewer string) Version {
	class := r.ClassOf(viewer)
	if class == Self {
		return 0
	}
	return max(r.hiding(class).endedBy(), r.Relations[viewer].Hiding.endedBy())
}

// endedBy is the change by which a hiding ended. That of a relation which took the end over from its viewer's old class is newer; he then waits for
// a mark that he saw until it is set again.
func (h Hiding) endedBy() Version {
	if h.ended().IsZero() {
		return 0
	}
	return h.Version
}

func (h Hiding) ended() time.Time {
	if h.On {
		return time.Time{}
	}
	return h.At
}

func (f Privacy) applyTo(r *Record)      { r.Privacy = f }
func (f Invisibility) applyTo(r *Record) { r.Invisible = f }
func (f HidingFrom) applyTo(r *Record)   { r.Hidings[f.Class] = f.Hiding }

func (f Relation) applyTo(r *Record) {
	r.RelatedAt = max(r.RelatedAt, f.Version)
	if f.void() {
		delete(r.Relations, f.Viewer)
		return
	}
	if r.Relations == nil {
		r.Relations = map[string]Relation{}
	}
	r.Relations[f.Viewer] = f
}
