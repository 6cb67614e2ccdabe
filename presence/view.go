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

// ClassOf tells what viewer is to the record's user.
func (r Record) ClassOf(viewer string) Class {
	if viewer == r.User {
		return Self
	}
	return Other
}

// View makes what viewers of a class see at a moment. It is the one place where the rules of presence are applied, for REST and for
// streams alike.
func (r Record) View(class Class, now Version) View {
	if class != Self && r.Hiding.On {
		return r.hidden(class, now)
	}
	v := View{User: r.User, Notify: true, Profile: Profile{Name: r.Profile.Name, Avatar: r.Profile.Avatar}}
	v.Version = max(r.Profile.Version, r.Seen.Version, r.Hiding.Version)
	for _, s := range r.Sessions {
		v.Version = max(v.Version, s.Version)
	}
	if len(r.Sessions) == 0 { // rule 1
		v.offline(class, r.notBefore(class, r.Seen.At), now)
		return v
	}

	chosen := r.Chosen.At(now)
	v.Version = max(v.Version, r.Chosen.Version)
	if r.Chosen.expired(now) {
		v.Version = max(v.Version, VersionAt(r.Chosen.Until))
	}
	if r.Hiding.On {
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
	if v.Status == Away && class != Other {
		v.LastActiveAt = r.notBefore(class, r.lastActive(chosen))
	}
	return v
}

// hidden is the view of a user who hides: that of one who went offline when the hiding began (rule 2).
func (r Record) hidden(class Class, now Version) View {
	h := r.Hiding
	v := View{User: r.User, Notify: true, Profile: Profile{Name: h.Profile.Name, Avatar: h.Profile.Avatar}}
	v.Version = h.Shown
	v.offline(class, h.Seen, now)
	return v
}

// offline makes it the view of one who is not here. What the store forgets after SeenKept is not shown after that, forgotten or not: it
// never forgets who hides, who could else be told from who is gone.
func (v *View) offline(class Class, seen time.Time, now Version) {
	v.Status = Offline
	if !seen.IsZero() && now.Time().Sub(seen) >= SeenKept {
		v.Profile, seen = Profile{}, time.Time{}
	}
	if class != Other {
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

// notBefore keeps times of a hidden spell from those who did not see it: no time that they see is older than the moment when
// the user came out.
func (r Record) notBefore(class Class, t time.Time) time.Time {
	if class == Self || t.IsZero() {
		return t
	}
	return later(t, r.Hiding.At)
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
