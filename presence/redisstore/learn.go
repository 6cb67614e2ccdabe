package redisstore

import (
	"slices"
	"strings"

	"github.com/presently/presently/presence"
)

// told is what a user's hashes held as of a head.
type told struct {
	head            presence.Head
	closed          presence.Version // as in moment
	facts, settings []any            // as Redis tells them
	names           []string         // the settings that were read; nil: all
}

// learn takes what was read of a user. lost says that Redis no longer has something that it had: then nothing is learnt. Nor is anything learnt of who is
// remembered, after data may have been lost, before all has been offered back: an old dump, too, has sessions that have not left.
func (m *laneMemory) learn(user string, t told) (lost bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.find(user)
	if r == nil || r.head.After(t.head) && t.head.Epoch == r.head.Epoch {
		return false
	}
	if t.head.Epoch == r.head.Epoch && r.is(t) { // nearly always, and it costs no memory to find out
		r.head, r.doubt = t.head, false
		return false
	}
	facts, settings := newHash(t.facts, nil), newHash(t.settings, t.names)
	if r.lacks(facts, settings, t.names == nil) {
		return true
	}
	heard := m.epoch.Load()
	if r.head.After(t.head) || heard != 0 && m.settled != t.head.Epoch && len(r.facts)+len(r.settings)+len(r.ended) > 0 {
		m.ask(user, r)
		return false
	}
	sure, _ := settings.value("sure")
	r.sure = versionOf("sure", sure) >= t.closed
	r.take(facts, settings, t.names == nil)
	r.head, r.whole, r.doubt = t.head, true, false
	m.ask(user, r)
	return false
}

// is reports whether all that was read is what is remembered: hashes of the same version differ at most in what no change tells of sessions.
func (r *remembered) is(t told) bool {
	if !r.whole || !r.related {
		return false
	}
	var facts, settings string
	for i := 0; i+1 < len(t.facts); i += 2 {
		field, _ := t.facts[i].(string)
		value, _ := t.facts[i+1].(string)
		if field == "v" {
			facts = value
		}
		if strings.HasPrefix(field, "s:") {
			if known, _ := r.facts.value(field); known != value {
				return false
			}
		}
	}
	for i := range t.settings {
		switch {
		case i < len(t.names) && t.names[i] == "v":
			settings, _ = t.settings[i].(string)
		case t.names == nil && i%2 == 1 && t.settings[i-1] == "v":
			settings, _ = t.settings[i].(string)
		}
	}
	return facts == r.factsV && settings == r.settingsV
}

// take replaces what is remembered.
func (r *remembered) take(facts, settings hash, all bool) {
	settingsV := settings.drop("v")
	switch {
	case all || settingsV == "":
		r.settings, r.related = settings, true
	default:
		was, _ := r.settings.value("related")
		is, _ := settings.value("related")
		for _, p := range settings {
			r.settings.set(p.field, p.value)
		}
		r.related = is == "" || r.related && is == was
	}
	r.settingsV, r.factsV = settingsV, facts.drop("v")
	for i := 0; i < len(facts); {
		switch kind, id, _ := strings.Cut(facts[i].field, ":"); kind {
		case "t":
			r.bury(graveOf(id, facts[i].value, 0))
			facts = slices.Delete(facts, i, i+1)
		case "y": // comes and goes
			facts = slices.Delete(facts, i, i+1)
		default:
			i++
		}
	}
	r.facts = slices.Clip(facts)
	r.signs = slices.DeleteFunc(r.signs, func(s sign) bool {
		_, live := r.facts.value("s:" + s.session)
		return !live
	})
}

// lacks reports whether what was read is older than what is remembered. What ended unheard is no loss, only what nobody has ended.
func (r *remembered) lacks(facts, settings hash, all bool) bool {
	ends := func(h hash) presence.Version {
		e, _ := h.value("e")
		return versionOf("e", e)
	}
	ended := ends(facts) > ends(r.facts)
	for _, p := range r.facts {
		is, there := facts.value(p.field)
		kind := kindOf(p.field)
		if !there && ended && (kind == "s" || kind == "a" || kind == "m") {
			continue
		}
		if !there || versionOf(kind, is) < versionOf(kind, p.value) {
			return true
		}
	}
	for _, g := range r.ended {
		if is, there := facts.value("s:" + g.session); there && versionOf("s", is) < g.version {
			return true
		}
	}
	related, _ := settings.value("related")
	for _, p := range r.settings {
		kind := kindOf(p.field)
		is, there := settings.value(p.field)
		if kind == "r" && (!all || !there && versionOf(kind, p.value) <= versionOf("related", related)) {
			continue
		}
		if !there || versionOf(kind, is) < versionOf(kind, p.value) {
			return true
		}
	}
	return false
}
