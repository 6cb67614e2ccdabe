package presence

// Entry is a watched user on a Board. Its fields may be used only within calls that the board makes.
type Entry struct {
	Record Record
	Now    Version // the store time as of which Record is true
	Beacon Version // the lane's last beacon, or when Record was read: unlike Now, it does not tell when anything happened
	Memo   any     // the listener's own

	user     string
	watchers int
	rooms    []*Gathering  // for which it is watched too; each counts as a watcher
	idleAt   Version       // when the last watcher left
	noted    bool          // the entry stands in its lane's idle
	sure     Version       // the store time up to which Record has all changes
	read     Version       // as of when Record was read
	expires  Version       // what the entry stands in the lane's expiries with
	place    int           // where; -1: not there
	ready    chan struct{} // closed once Record has been read, or could not be
	loaded   bool
	err      error
	whole    uint64   // how much of what the lane has missed is in Record; less than all: no later change tells how he is
	pending  []Change // heard while the record was being read, or not whole
	again    bool     // too much was heard: the record must be read again
	failed   bool     // the last telling of it has panicked
	lookedAt Version  // when somebody last looked at it, by the lane's clock; 0: nobody has
	weight   int      // among the lane's looks, where it was made for one
}

// Moment is when the entry is to be viewed: at the last beacon. Now would show, by what the passing of time alone has changed, that something
// has happened in the lane which the viewer may not see.
func (e *Entry) Moment() Version {
	if e.Beacon == 0 {
		return e.Now
	}
	return e.Beacon
}

func (e *Entry) hear(c Change) {
	if len(e.pending) == pendingLimit {
		e.again = true
		return
	}
	e.pending = append(e.pending, c)
}
