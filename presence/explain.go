package presence

// Rule is what decided a user's status, of the rules of presence.
type Rule string

const (
	ByNoSession Rule = "no_session" // rule 1: nobody is there
	ByHiding    Rule = "invisible"  // rule 2: he hides; to himself he is invisible, to others offline
	ByChosen    Rule = "chosen"     // rule 3: a choice holds
	ByAggregate Rule = "aggregate"  // rule 4: the strongest live session
)

// Reason is why a user is what he is, in his own eyes.
type Reason struct {
	Status  Status
	Rule    Rule
	Session string // that decided, where one did: the first of the strongest
}

// Explain tells why View(Self, now) shows the status that it shows.
func (r Record) Explain(now Version) Reason {
	chosen := r.Chosen.At(now)
	switch {
	case len(r.Sessions) == 0:
		return Reason{Status: Offline, Rule: ByNoSession}
	case r.Invisible.On:
		return Reason{Status: Invisible, Rule: ByHiding}
	case chosen != "":
		return Reason{Status: chosen, Rule: ByChosen}
	}
	reason := Reason{Status: r.aggregate(), Rule: ByAggregate}
	for _, s := range r.Sessions {
		if s.Status() == reason.Status {
			reason.Session = s.ID
			break
		}
	}
	return reason
}

// Expired reports whether a choice has been made and holds no longer.
func (c Chosen) Expired(now Version) bool { return c.expired(now) }

// ViewRule is what decided whether a viewer may see that the user is here.
type ViewRule string

const (
	AsSelf      ViewRule = "self" // everybody sees himself
	AsBlocked   ViewRule = "blocked"
	AsInvisible ViewRule = "invisible"
	AsEveryone  ViewRule = ViewRule(Everyone) // the setting Privacy.Online
	AsContacts  ViewRule = ViewRule(Contacts)
	AsNobody    ViewRule = ViewRule(Nobody)
)

// Sight is whether a viewer may see that the user is here, and why.
type Sight struct {
	Class   Class
	Blocked bool
	Rule    ViewRule
	Hidden  bool
}

// SightOf tells by which of the user's own settings ViewFor shows him to a viewer, or does not. It tells nothing of the viewer's.
func (r Record) SightOf(viewer string) Sight {
	s := Sight{Class: r.ClassOf(viewer), Hidden: r.HiddenFrom(viewer), Rule: ViewRule(r.PrivacyOrDefault().Online)}
	s.Blocked = s.Class != Self && r.Relations[viewer].Blocked
	switch {
	case s.Class == Self:
		s.Rule = AsSelf
	case s.Blocked:
		s.Rule = AsBlocked
	case r.Invisible.On:
		s.Rule = AsInvisible
	case r.Closed != 0:
		s.Rule = AsNobody // until he says otherwise
	}
	return s
}
