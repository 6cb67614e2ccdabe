package presence

import (
	"cmp"
	"slices"
	"time"
)

// InstanceBelieved is for how long what an instance has said of itself counts. Instances say it more often.
const InstanceBelieved = 10 * time.Second

// Instance is what a process says of itself to all that share its store, for operators to look at.
type Instance struct {
	Name     string // of this run of it; Tracker.Instance
	Host     string // of the machine, or the pod
	Version  string
	Started  time.Time
	Streams  int  // that are open there
	Draining bool // it is about to stop
	Closes   bool // PRESENTLY_AFTER_LOSS is closed
	Webhook  bool // it knows of one
	// Terse: it is of a version that tells its name and streams alone.
	Terse bool
}

// StreamsOf is how many streams instances have open, all together.
func StreamsOf(all []Instance) (n int) {
	for _, i := range all {
		n += i.Streams
	}
	return n
}

// RoomSize is how many are in a room, and may be seen to be by anybody.
type RoomSize struct {
	Room  string
	Users int
}

// Largest are the n largest of rooms; of two that are alike the one whose name comes first.
func Largest(all []RoomSize, n int) []RoomSize {
	slices.SortFunc(all, func(a, b RoomSize) int {
		return cmp.Or(cmp.Compare(b.Users, a.Users), cmp.Compare(a.Room, b.Room))
	})
	return all[:min(n, len(all))]
}
