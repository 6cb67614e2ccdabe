package handlers

import (
	"encoding/json"
	"hash/maphash"
	"net/http"
	"time"

	"github.com/presently/presently/api"
	"github.com/presently/presently/presence"
)

// wireTime is how all times are written: RFC 3339, UTC, milliseconds.
const wireTime = "2006-01-02T15:04:05.000Z"

func formatTime(t time.Time) api.Time { return t.UTC().Format(wireTime) }

func optionalTime(t time.Time) *api.Time {
	if t.IsZero() {
		return nil
	}
	s := formatTime(t)
	return &s
}

func optional[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

func orZero[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// presenceOf puts a view on the wire. rev is the moment as of which it is true.
func presenceOf(v presence.View, rev presence.Version) api.Presence {
	p := api.Presence{
		UserID: v.User, Status: api.Status(v.Status), Notify: v.Notify, Rev: int64(rev),
		Chosen:     optional(api.ChosenStatus(v.Chosen)),
		LastSeenAt: optionalTime(v.LastSeenAt), LastSeen: optional(api.LastSeen(v.LastSeen)),
		LastActiveAt: optionalTime(v.LastActiveAt),
	}
	if len(v.Devices) > 0 {
		p.Devices = make(map[string]api.SessionState, len(v.Devices))
		for name, state := range v.Devices {
			p.Devices[name] = api.SessionState(state)
		}
	}
	if c := v.Custom; c != (presence.Custom{}) {
		p.Custom = &api.Custom{Text: c.Text, Emoji: optional(c.Emoji), ExpiresAt: optionalTime(c.Until)}
	}
	if a := v.Activity; a.Type != "" {
		p.Activity = &api.Activity{
			Type: api.ActivityType(a.Type), Target: optional(a.Target), Label: optional(a.Label), Since: formatTime(a.Since),
		}
	}
	if v.Profile != (presence.Profile{}) {
		p.Profile = &api.Profile{Name: optional(v.Profile.Name), Avatar: optional(v.Profile.Avatar)}
	}
	return p
}

// sessionOf puts a session of a record on the wire.
func sessionOf(r presence.Record, s presence.Session) api.Session {
	out := api.Session{
		SessionID: s.ID, Device: optional(s.Device), State: api.SessionState(s.Status()), Visibility: api.VisibilityVisible,
		Left: s.Left, Rooms: r.RoomsOf(s.ID), StartedAt: formatTime(s.Started), LastBeatAt: formatTime(s.LastBeat), Deadline: formatTime(s.Deadline),
	}
	if s.Hidden {
		out.Visibility = api.VisibilityHidden
	}
	if s.HasSeq {
		out.Seq = &s.Seq
	}
	return out
}

// encode puts a value of package api into JSON, which cannot fail: they hold strings, numbers and maps by string.
func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

var seed = maphash.MakeSeed()

// digest stands for all of a presence but the moments: rev, and the bucket, whose change is no event.
func digest(p api.Presence) uint64 {
	p.Rev, p.LastSeen = 0, nil
	return maphash.Bytes(seed, encode(p))
}

func writeBody(w http.ResponseWriter, status int, v any) {
	w.WriteHeader(status)
	w.Write(append(encode(v), '\n')) //nolint:errcheck // the client has gone
}

// answer sends presence data, which nobody may keep.
func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	writeBody(w, status, v)
}
