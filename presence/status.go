package presence

// Status is how available somebody is. The words are those of the wire.
type Status string

const (
	Offline   Status = "offline"
	Online    Status = "online"
	Away      Status = "away"
	Busy      Status = "busy"
	DND       Status = "dnd"
	Invisible Status = "invisible" // chosen only; the user alone sees it
)

// strength orders what several sessions say of one user: the strongest is believed (rule 4).
func (s Status) strength() int {
	switch s {
	case DND:
		return 4
	case Busy:
		return 3
	case Online:
		return 2
	case Away:
		return 1
	}
	return 0
}

// Sayable reports whether a session may say s of itself.
func (s Status) Sayable() bool { return s.strength() > 0 }

// Choosable reports whether a user may choose s.
func (s Status) Choosable() bool { return s.Sayable() || s == Invisible }
