package presence

import (
	"slices"
	"time"
)

// What others see of people whose settings the store has lost is a matter of choice (PRESENTLY_AFTER_LOSS). Where a store closes after a loss, it notes
// when that was. From then on everybody is hidden from everybody else who has not written a setting since, because he may have wanted to be: a
// record that is read of him says so (Closed), and its hidings are that one.

// Sure says that a user has written a setting, or that those that he has are known to be his: what was lost before counts no more.
type Sure struct{ Version Version }

func (f Sure) applyTo(r *Record) {
	r.Sure = max(r.Sure, f.Version)
	if r.Sure > r.Closed {
		r.Closed = 0
	}
}

// CloseUnlessSure hides a record that was read from all others, where no setting was written since the store lost data (0: it has not).
func (r *Record) CloseUnlessSure(lost Version) {
	if lost > r.Sure {
		r.Closed = lost
	}
}

// hiding is the one that a class sees.
func (r Record) hiding(c Class) Hiding {
	if r.Closed != 0 { // nothing is known of what they saw before, so they see nothing
		return Hiding{On: true, At: r.Closed.Time(), Shown: r.Closed, Version: r.Closed}
	}
	return r.Hidings[c]
}

// HidesFrom reports whether a whole class sees the user as gone.
func (r Record) HidesFrom(c Class) bool { return c != Self && r.hiding(c).On }

// opened are the hidings of a closed record once its user has written a setting: others see him come online now, unless his settings hide him.
func (r Record) opened(now time.Time, v Version) (hidings [Self]Hiding) {
	for c := range hidings {
		hidings[c] = Hiding{At: now, Version: v}
		if r.hides(Class(c)) {
			hidings[c] = Hiding{On: true, At: now, Shown: r.Closed, Version: v}
		}
	}
	return hidings
}

// surely adds to the facts of a change of settings that they are sure, where the record is closed.
func (r Record) surely(now time.Time, v Version, facts []Fact) []Fact {
	if r.Closed == 0 {
		return facts
	}
	facts = slices.DeleteFunc(facts, func(f Fact) bool {
		_, is := f.(HidingFrom) // made as if he had not been closed
		return is
	})
	after := r.Clone()
	after.Set(facts...)
	for c, h := range after.opened(now, v) {
		facts = append(facts, HidingFrom{Class(c), h})
	}
	facts = append(facts, Sure{v})
	return append(facts, r.whereabouts(VersionAt(now))...) // whoever watches his rooms need not know of him yet
}
