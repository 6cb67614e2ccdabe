package presence

import "context"

// What tests of the inside need.
const (
	LingerFor    = lingerFor
	PendingLimit = pendingLimit
	CatchUp      = catchUp
	ReadAtOnce   = readAtOnce
	SharedFor    = sharedFor

	NewcomersLimit = newcomersLimit
	CountEvery     = countEvery

	LooksMost = looksMost
	LookWaits = lookWaits
)

// Fence makes a fence's wait.
func Fence(read func(context.Context) ([]Head, error)) func(context.Context) ([]Head, error) {
	return (&fence[[]Head]{read: read}).wait
}

// Expecting is the number of entries that wait for an expiry, and Leaving that of those noted as left by their last watcher.
func (b *Board) Expecting() (n int) {
	return b.count(func(l *boardLane) int { return len(l.expiries) })
}

func (b *Board) Leaving() (n int) {
	return b.count(func(l *boardLane) int { return len(l.idle) })
}

// Looks is what the entries weigh that were made for looks.
func (b *Board) Looks() (n int) {
	return b.count(func(l *boardLane) int { return l.looks })
}

func (b *Board) count(of func(*boardLane) int) (n int) {
	for i := range b.lanes {
		l := &b.lanes[i]
		l.mu.Lock()
		n += of(l)
		l.mu.Unlock()
	}
	return n
}

// Facts are several in one.
type Facts []Fact

func (f Facts) applyTo(r *Record) { r.Set(f...) }

// Besides is what is believed during a hold.
func Besides(read, known Record) Record { return read.besides(known, known.AsOf) }

// RoomsShown makes a room with more than n members a crowd.
func (b *Board) RoomsShown(n int) { b.rooms.most = n }

// Watched are the users whose records somebody watches, or a room; Pointing those whose entries point to rooms that are watched no longer,
// or that do not have them among their Members.
func (b *Board) Watched() (watched, pointing []string) {
	for i := range b.lanes {
		l := &b.lanes[i]
		l.mu.Lock()
		for u, e := range l.entries {
			if e.watchers > 0 {
				watched = append(watched, u)
			}
			for _, g := range e.rooms {
				if b.rooms.find(g.Room) != g || !g.has(u) {
					pointing = append(pointing, u)
				}
			}
		}
		l.mu.Unlock()
	}
	return watched, pointing
}

// Shown is what RoomsShown has set.
func (b *Board) Shown() int { return b.rooms.most }
