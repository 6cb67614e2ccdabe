package handlers

import (
	"bytes"
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

// encodePresence puts a presence into JSON, with a digest that stands for all of it but the moments: rev, and the bucket, whose change is no event.
func encodePresence(p api.Presence) (data []byte, digest uint64) {
	var h maphash.Hash
	h.SetSeed(seed)
	data = encode(p)
	rest := data
	if p.LastSeen != nil { // else a device may be called that
		rest = hashBefore(&h, rest, `"lastSeen":`)
	}
	h.Write(hashBefore(&h, rest, `"rev":`)) //nolint:errcheck // it cannot fail
	return data, h.Sum64()
}

// hashBefore takes in what stands before the value of a field, and returns what stands behind it. The value has no comma in it, and is not the last. It
// is the last field of that name: devices, which may have any, come before both of those that are not for the digest.
func hashBefore(h *maphash.Hash, data []byte, field string) (rest []byte) {
	from := bytes.LastIndex(data, []byte(field)) + len(field)
	h.Write(data[:from]) //nolint:errcheck // it cannot fail
	return data[from+bytes.IndexByte(data[from:], ','):]
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
