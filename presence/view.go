package presence

import "time"

// Class is what a viewer is to the user whom he views. All viewers of one class see the same, so that it is encoded once.
type Class uint8

const (
	Other   Class  = iota // no relation
	Contact               // the user lets him see more
	Self                  // the user himself
	Classes = iota        // how many there are
)

// View is what one class of viewers may see of a user. Empty fields are not to be seen.
type View struct {
	User         string
	Status       Status
	Chosen       Status
	Devices      map[string]Status // strongest state by device name; OtherDevice for sessions without one
	Custom       Custom            // without its version
	Activity     Activity          // without session, version and end
	Notify       bool
	LastSeenAt   time.Time
	LastSeen     Bucket
	LastActiveAt time.Time
	Profile      Profile // without its version

	// Version is the greatest among the facts and passed expiries that the view shows: two views of one user and class
	// with the same version say the same.
	Version Version
}

// OtherDevice stands in View.Devices for sessions that never named their device.
const OtherDevice = "other"

// ClassOf tells what viewer is to the record's user, as far as the record knows his relations.
func (r Record) ClassOf(viewer string) Class {
	if viewer == r.User {
		return Self
	}
	if rel := r.Relations[viewer]; rel.Contact && !rel.Blocked {
		return Contact
	}
	return Other
}

// Apart reports whether the viewer must be shown ViewFor him, because nobody else of his class sees just that.
func (r Record) Apart(viewer string) bool { return viewer != r.User && r.Relations[viewer].apart() }

// ViewFor makes what one viewer sees at a moment: what his class sees, unless he is blocked, or was.
func (r Record) ViewFor(viewer string, now Version) View {
	class, rel := r.ClassOf(viewer), r.Relations[viewer]
	if class == Self {
		return r.View(Self, now)
	}
	if r.HiddenFrom(viewer) {
		return r.hidden(class, r.hidingFrom(viewer), now)
	}
	v := r.view(class, later(r.cameOut(class), rel.cameOut()), now)
	v.Version = max(v.Version, rel.Version)
	return v
}

// View makes what viewers of a class see at a moment. With ViewFor, it is the one place where the rules of presence are applied, for REST and
// for streams alike.
func (r Record) View(class Class, now Version) View {
	if r.HidesFrom(class) {
		return r.hidden(class, r.hiding(class), now)
	}
	return r.view(class, r.cameOut(class), now)
}

// hidden is the view of a user who hides: that of one who went offline when the hiding began (rule 2).
func (r Record) hidden(class Class, h Hiding, now Version) View {
	v := View{User: r.User, Notify: true, Profile: h.Profile.shown(), Version: h.Shown}
	v.offline(r.Privacy.orDefault().LastSeen.admits(class), h.Seen, now)
	return v
}

// view is the view of one who does not hide; no time in it is older than cameOut.
func (r Record) view(class Class, cameOut time.Time, now Version) View {
	privacy := r.Privacy.orDefault()
	v := View{User: r.User, Notify: true, Profile: r.Profile.shown()}
	v.Version = max(r.Profile.Version, r.Seen.Version, r.Privacy.Version, r.Invisible.Version)
	if class != Self {
		v.Version = max(v.Version, r.Hidings[class].Version)
	}
	for _, s := range r.Sessions {
		v.Version = max(v.Version, s.Version)
	}
	if len(r.Sessions) == 0 { // rule 1
		v.offline(privacy.LastSeen.admits(class), notBefore(r.Seen.At, cameOut), now)
		return v
	}

	chosen := r.Chosen.At(now)
	v.saw(r.Chosen.Version, r.Chosen.expired(now), r.Chosen.Until)
	if r.Invisible.On {
		chosen = Invisible
	}
	v.Status = chosen // rules 2 and 3
	if chosen == "" {
		v.Status = r.aggregate() // rule 4
	}
	v.Notify = v.Status != DND
	if class != Other {
		v.Chosen = chosen
		v.Devices = r.devices()
	}
	if v.Status == Away && privacy.LastSeen.admits(class) {
		v.LastActiveAt = notBefore(r.lastActive(chosen), cameOut)
	}
	v.saw(r.Custom.Version, r.Custom.expired(now), r.Custom.Until)
	if !r.Custom.expired(now) {
		v.Custom = Custom{Text: r.Custom.Text, Emoji: r.Custom.Emoji, Until: r.Custom.Until}
	}
	if privacy.Activity.admits(class) {
		v.Activity = r.doing(&v, cameOut, now)
	}
	return v
}

// saw notes that the view shows a fact, or that the fact has expired.
func (v *View) saw(version Version, expired bool, until time.Time) {
	v.Version = max(v.Version, version)
	if expired {
		v.Version = max(v.Version, VersionAt(until))
	}
}

// doing is the newest activity that has not expired.
func (r Record) doing(v *View, cameOut time.Time, now Version) Activity {
	var newest Activity
	for _, a := range r.Doing {
		v.saw(a.Version, a.expired(now), a.Until)
		if a.Type != "" && !a.expired(now) && a.Version > newest.Version {
			newest = a
		}
	}
	return Activity{Type: newest.Type, Target: newest.Target, Label: newest.Label, Since: notBefore(newest.Since, cameOut)}
}

func (p Profile) shown() Profile { return Profile{Name: p.Name, Avatar: p.Avatar} }

// offline makes it the view of one who is not here. What the store forgets after SeenKept is not shown after that, forgotten or not: it
// never forgets who hides, who could else be told from who is gone.
func (v *View) offline(tell bool, seen time.Time, now Version) {
	v.Status = Offline
	if !seen.IsZero() && now.Time().Sub(seen) >= SeenKept {
		v.Profile, seen = Profile{}, time.Time{}
	}
	if tell {
		v.LastSeenAt, v.LastSeen = seen, BucketOf(seen, now)
	}
}

// aggregate is the strongest of what the live sessions say.
func (r Record) aggregate() Status {
	best := Offline
	for _, s := range r.Sessions {
		best = stronger(best, s.Status())
	}
	return best
}

func (r Record) devices() map[string]Status {
	d := make(map[string]Status, len(r.Sessions))
	for _, s := range r.Sessions {
		name := s.Device
		if name == "" {
			name = OtherDevice
		}
		d[name] = stronger(d[name], s.Status())
	}
	return d
}

// lastActive is the newest input over all sessions, fixed at the change to away (rule 5).
func (r Record) lastActive(chosen Status) time.Time {
	if chosen == Away {
		return r.Chosen.Input
	}
	newest := r.Seen.Input
	for _, s := range r.Sessions {
		newest = later(newest, s.Input)
	}
	return newest
}

// notBefore keeps times of a hidden spell from those who did not see it.
func notBefore(t, cameOut time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return later(t, cameOut)
}

func stronger(a, b Status) Status {
	if b.strength() > a.strength() {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
