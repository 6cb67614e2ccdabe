package handlers

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"sync"

	"github.com/presently/presently/presence"
)

const placePurpose = "place"

// place knows the ids of one stream's events: each stands for a moment up to which everything was seen, and is sealed with whom and what
// the stream was for, so that it means nothing to another stream.
type place struct {
	sealer *sealer
	about  string // a digest of the viewer and his watch list

	mu   sync.Mutex // guards what follows: all events between two beacons have one id
	at   presence.Version
	last string
}

// newPlace makes the ids of a stream. It has the sealer get its key now, because an id cannot fail later.
func (s *Server) newPlace(ctx context.Context, viewer string, list watchList) (*place, error) {
	if _, err := s.sealer.sharedKey(ctx); err != nil {
		return nil, err
	}
	h := sha256.New()
	fmt.Fprintf(h, "%s\n%v\n", viewer, list.wants) // ids have no line ends
	for _, ids := range [][]string{list.users, list.rooms} {
		for _, id := range slices.Sorted(slices.Values(ids)) {
			h.Write([]byte(id + "\n"))
		}
		h.Write([]byte{'\n'})
	}
	return &place{sealer: &s.sealer, about: base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:12])}, nil
}

func (p *place) id(at presence.Version) string {
	if at == 0 {
		return "" // no beacon yet: nothing can be promised
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.at != at {
		p.at = at
		p.last, _ = p.sealer.seal(context.Background(), placePurpose, strconv.FormatInt(int64(at), 36), p.about) // the key is there
	}
	return p.last
}

// read tells the moment that an id stands for; ok is false where it is none of this stream's.
func (p *place) read(id string) (at presence.Version, ok bool) {
	parts, ok, _ := p.sealer.open(context.Background(), placePurpose, id)
	if !ok || len(parts) != 2 || parts[1] != p.about {
		return 0, false
	}
	n, err := strconv.ParseInt(parts[0], 36, 64)
	return presence.Version(n), err == nil
}
