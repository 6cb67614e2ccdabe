package presence

import (
	"container/heap"
)

// Changed implements Feed.
func (b *Board) Changed(c Change) {
	l := &b.lanes[c.Lane]
	l.mu.Lock()
	defer l.mu.Unlock()
	b.move(l, c.Head, c.Version)
	if c.Subscription != "" || c.Revocation.User != "" {
		b.note(l, c)
		return
	}
	e := l.entries[c.User]
	if e == nil || !e.loaded { // whoever reads his record may fail
		b.expectIn(l, c)
	}
	if e == nil {
		return
	}
	if !e.loaded || e.whole != l.missed { // without what was missed this would show him as he never was: gone, where another session began unheard
		e.hear(c)
		return
	}
	if !c.Head.After(e.Record.Head) {
		return
	}
	e.Record = e.Record.Apply(c)
	e.sure = e.Record.AsOf
	b.tell(l, e)
}

// note tells the listener of a change that is not one of a user. Should that panic, the lane is read again, with which the listener hears that it
// may have missed some.
func (b *Board) note(l *boardLane, c Change) {
	err := b.Panics.Try(PanicInListener, func() error {
		if c.Subscription != "" {
			b.listener.Subscribed(c.Subscription)
		} else {
			b.listener.Revoked(c.Revocation)
		}
		return nil
	})
	if err != nil {
		b.readAgain(l)
	}
}

// Beacon implements Feed.
func (b *Board) Beacon(n Beacon) {
	b.clock.hear(n.Now)
	l := &b.lanes[n.Lane]
	l.mu.Lock()
	defer l.mu.Unlock()
	l.telling.Store(true)
	defer l.telling.Store(false)
	b.move(l, n.Head, n.Now)
	if l.held != 0 && n.Held == 0 {
		// While the lane was held, what the store had lost was no evidence. Now it is.
		b.readAgain(l)
	}
	l.held = n.Held
	if !l.stale() { // else there may be earlier changes yet to be told
		l.doubt = l.doubt && l.held != 0
		l.beacon = max(l.beacon, n.Now)
		if !l.spoke {
			l.spoke = true
			if b.unheard.Add(-1) == 0 {
				close(b.listening)
			}
		}
		for len(l.expiries) > 0 && l.expiries[0].expires <= l.beacon {
			b.tell(l, l.expiries[0]) // which moves it, or takes it out
		}
		l.publish()
	}
	l.forget()
}

// tell tells the listener of an entry that is to be viewed anew.
func (b *Board) tell(l *boardLane, e *Entry) {
	b.isolate(l, e, func() {
		l.view(e)
		l.expect(e)
		b.gather(l, e) // first, so that whoever sees him leave is not told besides what he does elsewhere
		b.listener.Changed(e)
	})
}

// isolate calls f, which is about one entry. Should it panic, the lane is read again, so that all is told anew that may not have been; should it panic
// then too, others are not to wait for this one, who is told of when he changes next. The lane's lock is held.
func (b *Board) isolate(l *boardLane, e *Entry, f func()) {
	if b.Panics.Try(PanicInListener, func() error { f(); return nil }) == nil {
		e.failed = false
		return
	}
	if e.place >= 0 && e.expires <= l.beacon {
		heap.Remove(&l.expiries, e.place) // else it would be the next again, for ever
	}
	if !e.failed {
		e.failed = true
		b.readAgain(l)
	}
}

// move notes how far the lane has come and what time it is there.
func (b *Board) move(l *boardLane, head Head, now Version) {
	l.clock = max(l.clock, now)
	if !head.After(l.head) {
		return
	}
	if l.head == (Head{}) && (len(l.entries) > 0 || b.rooms.any()) {
		b.readAgain(l) // they were read before anything could be heard
	}
	if head.Epoch != l.head.Epoch && l.head.Epoch != 0 {
		l.held, l.doubt = never, true // until a beacon says how long
		l.publish()
	}
	l.head = head
	l.tellMoved()
}

// Missed implements Feed.
func (b *Board) Missed(lane int) {
	l := &b.lanes[lane]
	l.mu.Lock()
	defer l.mu.Unlock()
	b.readAgain(l)
}

func (b *Board) readAgain(l *boardLane) {
	l.missed++
	for _, e := range l.entries {
		e.again = e.again || !e.loaded // what is being read now may have missed it too
	}
	b.wake()
}

func (b *Board) wake() { poke(b.work) }

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Lost implements Feed.
func (b *Board) Lost() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.found = false
	b.away.Store(true)
	if !b.lost {
		b.lost = true
		_ = b.Panics.Try(PanicInListener, func() error { b.listener.Lost(); return nil }) // it hears of Found in any case
	}
}

// Found implements Feed. The listener hears of it when all that was missed has been read.
func (b *Board) Found() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.found = b.lost
	b.wake()
}
