package presence

import "time"

// TickLimit is how far apart two sweeps may be before the store takes it that it was away. After that nobody lapses for one TTL, because
// nobody could be heard (rule 10). It is at most 5 s, and less where sessions live so shortly that 5 s of silence would end them.
func TickLimit(sweep, ttl time.Duration) time.Duration {
	return max(3*sweep, min(5*time.Second, ttl/2))
}

// besides makes the record to be believed while a lane is held, of what was read (r) and what was known here: the store may have lost facts,
// or have old ones back, so of each fact the newer counts. Where nothing was lost, that is what was read. Up to the moment sure, all
// changes were known here.
func (r Record) besides(known Record, sure Version) Record {
	out := r
	out.Sessions = nil
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
	if known.Chosen.Version > r.Chosen.Version {
		out.Chosen = known.Chosen
	}
	if known.Profile.Version > r.Profile.Version {
		out.Profile = known.Profile
	}
	if known.Seen.Version > r.Seen.Version {
		out.Seen = known.Seen
	}
	if known.Hiding.Version > r.Hiding.Version {
		out.Hiding = known.Hiding
	}
	out.AsOf = max(r.AsOf, known.AsOf)
	return out
}
