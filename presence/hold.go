package presence

import (
	"maps"
	"time"
)

// TickLimit is how far apart two sweeps may be before the store takes it that it was away. After that nobody lapses for one TTL, because
// nobody could be heard (rule 10). It is at most 5 s, and less where sessions live so shortly that 5 s of silence would end them.
func TickLimit(sweep, ttl time.Duration) time.Duration {
	return max(3*sweep, min(5*time.Second, ttl/2))
}

// besides makes the record to be believed while a lane is held, of what was read (r) and what was known here: the store may have lost facts,
// or have old ones back, so of each fact the newer counts. Where nothing was lost, that is what was read. Up to the moment sure, all
// changes were known here.
func (r Record) besides(known Record, sure Version) Record {
	out := r.Clone()
	out.Sessions, out.Doing, out.Memberships = nil, nil, nil
	for _, s := range r.Sessions {
		k, live := known.Session(s.ID)
		switch {
		case live && k.Version > s.Version:
			out.Set(k)
		case live, s.Version > min(sure, known.Seen.Version):
			out.Set(s)
		}
		// Else its end was heard here: the store has it back from an older copy.
	}
	if r.Seen.Version <= sure { // no end that was not heard here
		for _, k := range known.Sessions {
			if _, live := r.Session(k.ID); !live {
				out.Set(k)
			}
		}
	}
	for _, s := range out.Sessions {
		for _, from := range []Record{r, known} {
			was, _ := from.Session(s.ID) // perhaps an earlier one with this ID, whose activity is over
			if a := from.activityOf(s.ID); was.Started.Equal(s.Started) && a.Version > out.activityOf(s.ID).Version {
				out.Set(a)
			}
			if m := from.membershipOf(s.ID); was.Started.Equal(s.Started) && m.Version > out.membershipOf(s.ID).Version {
				out.Set(m)
			}
		}
	}
	if known.RelatedAt > r.RelatedAt { // all of them, because of one that ended nothing is left to compare
		out.Relations, out.RelatedAt = maps.Clone(known.Relations), known.RelatedAt
	}
	for class := range known.Hidings {
		if known.Hidings[class].Version > r.Hidings[class].Version {
			out.Hidings[class] = known.Hidings[class]
		}
	}
	newer(&out.Chosen, known.Chosen, known.Chosen.Version > r.Chosen.Version)
	newer(&out.Custom, known.Custom, known.Custom.Version > r.Custom.Version)
	newer(&out.Profile, known.Profile, known.Profile.Version > r.Profile.Version)
	newer(&out.Seen, known.Seen, known.Seen.Version > r.Seen.Version)
	newer(&out.Privacy, known.Privacy, known.Privacy.Version > r.Privacy.Version)
	newer(&out.Invisible, known.Invisible, known.Invisible.Version > r.Invisible.Version)
	if known.Closed == 0 {
		out.Closed = 0 // his settings are known here, and are his
	}
	out.AsOf = max(r.AsOf, known.AsOf)
	return out
}

func newer[T any](fact *T, known T, is bool) {
	if is {
		*fact = known
	}
}
