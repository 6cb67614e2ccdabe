package memstore

import (
	"context"

	"github.com/presently/presently/presence"
)

// Choose implements presence.Store.
func (s *Store) Choose(_ context.Context, c presence.Choice) (presence.Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.begin(c.User)
	hide := c.Status == presence.Invisible
	switch {
	case hide && !w.user.record.Hiding.On:
		w.hide()
	case !hide && w.user.record.Hiding.On:
		w.set(presence.Hiding{At: wire(w.now), Version: w.version})
	}
	if f := w.chosen(c); f.Status != "" || w.user.record.Chosen.Status != "" {
		w.set(f)
	}
	w.commit(presence.ByChoice)
	return s.read(c.User), nil
}

func (w *write) chosen(c presence.Choice) presence.Chosen {
	f := presence.Chosen{Status: c.Status, Until: wire(c.Until), Version: w.version}
	if c.Status == presence.Invisible {
		f.Status = ""
	}
	if c.For > 0 {
		f.Until = wire(w.now.Add(c.For))
	}
	if c.Until.IsZero() && c.For == 0 || f.Status == "" {
		f.Until = presence.Chosen{}.Until
	}
	if c.Status == presence.Away {
		f.Input = w.user.record.Seen.Input
		for _, live := range w.user.sessions {
			f.Input = later(f.Input, w.newestInput(live))
		}
	}
	return f
}

// hide copies what others see of the user now, so that they go on seeing just that.
func (w *write) hide() {
	r := w.user.record
	h := presence.Hiding{On: true, At: wire(w.now), Seen: r.Seen.At, Profile: r.Profile, Version: w.version}
	h.Shown = max(r.Profile.Version, r.Seen.Version, r.Hiding.Version)
	if !h.Seen.IsZero() {
		h.Seen = later(h.Seen, r.Hiding.At) // when he last came out: they see nothing older
	}
	if len(r.Sessions) > 0 {
		h.Seen, h.Shown = wire(w.now), w.version
	}
	w.set(h)
}
