package handlers

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"hash/fnv"
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

	mu     sync.Mutex // guards what follows: all events between two beacons have one id, but where a crowd forms or ends
	at     presence.Version
	crowds crowds
	last   string
}

// newPlace makes the ids of a stream. It has the sealer get its key now, because an id cannot fail later.
func (s *Server) newPlace(ctx context.Context, viewer string, list watchList) (*place, error) {
	if _, err := s.sealer.sharedKey(ctx); err != nil {
		return nil, err
	}
	users, rooms := list.sorted, list.rooms
	if users == nil {
		users, _ = sortIDs(list.users)
	}
	if len(rooms) > 1 {
		rooms, _ = sortIDs(rooms)
	}
	line := fmt.Appendf(make([]byte, 0, 128), "%s\n%v\n", viewer, list.wants) // ids have no line ends
	h := sha256.New()
	h.Write(line)
	for _, ids := range [][]string{users, rooms} {
		for _, id := range ids {
			line = append(append(line[:0], id...), '\n')
			h.Write(line)
		}
		h.Write([]byte{'\n'})
	}
	return &place{sealer: &s.sealer, about: base64.RawURLEncoding.EncodeToString(h.Sum(line[:0])[:12])}, nil
}

// sortIDs puts ids in order, and tells whether each of them is there once.
func sortIDs(ids []string) (sorted []string, distinct bool) {
	sorted = slices.Clone(ids)
	slices.Sort(sorted)
	for i := 1; i < len(sorted); i++ {
		if sorted[i] == sorted[i-1] {
			return sorted, false
		}
	}
	return sorted, true
}

func (p *place) id(at presence.Version, crowds crowds) string {
	if at == 0 {
		return "" // no beacon yet: nothing can be promised
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.at != at || p.crowds != crowds {
		p.at, p.crowds = at, crowds
		parts := []string{strconv.FormatInt(int64(at), 36), p.about}
		if crowds != 0 {
			parts = append(parts, strconv.FormatUint(uint64(crowds), 36))
		}
		p.last, _ = p.sealer.seal(context.Background(), placePurpose, parts...) // the key is there
	}
	return p.last
}

// read tells the moment that an id stands for, and the rooms that were told by their number then; ok is false where it is none of this
// stream's.
func (p *place) read(id string) (at presence.Version, were crowds, ok bool) {
	parts, ok, _ := p.sealer.open(context.Background(), placePurpose, id)
	if !ok || len(parts) < 2 || len(parts) > 3 || parts[1] != p.about {
		return 0, 0, false
	}
	n, err := strconv.ParseInt(parts[0], 36, 64)
	if err == nil && len(parts) == 3 {
		var bits uint64
		bits, err = strconv.ParseUint(parts[2], 36, 64)
		were = crowds(bits)
	}
	return presence.Version(n), were, err == nil
}

// crowds are rooms of which a reader knows the number alone. An id has to say so: when such a room shrinks, its reader is told who is there only
// once it has been counted, which is after all changes that made it shrink. Several rooms may share a bit, which costs a room told in vain.
type crowds uint64

func (c crowds) has(room string) bool { return c&crowdBit(room) != 0 }

// crowdBit is the same at all instances.
func crowdBit(room string) crowds {
	h := fnv.New32a()
	h.Write([]byte(room))
	return 1 << (h.Sum32() % 64)
}
