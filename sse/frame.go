package sse

import "sync/atomic"

// Frame is what there is to say about one key at one moment: a fragment of
// JSON, encoded once and shared by every stream that shows it. Nobody changes a
// frame that was offered.
type Frame struct {
	Data []byte

	// Digest stands for all of Data that a reader could care about, which is
	// all but the moment. Of two frames in a row of one key that have the same
	// digest, a stream writes one. 0 is no digest, and equal to none.
	Digest uint64

	// Version orders the frames of one key in one variant: an older one never
	// follows a newer one.
	Version int64

	// Urgent frames are written at once, where others wait for their stream's
	// Coalesce to be over.
	Urgent bool

	// Part is the piece of its key that the frame is about, and Whole says that
	// it is about all of it. They are for kinds that have a Merge.
	Part  string
	Whole bool

	known atomic.Pointer[stamp] // nil until a stream has shown it
}

// A stamp is what has to be known of a frame that was shown, so that its data can
// go. All streams that showed one frame share it.
type stamp struct {
	digest  uint64
	version int64
}

func (f *Frame) stamp() *stamp {
	if s := f.known.Load(); s != nil {
		return s
	}
	f.known.CompareAndSwap(nil, &stamp{f.Digest, f.Version})
	return f.known.Load()
}

// Kind tells what sort of thing a key names, and through the hub's [KindSpec]
// how its frames become events.
type Kind uint8

// Key names one thing that streams watch.
type Key struct {
	Kind Kind
	ID   string
}

// Variant tells views of one key apart that differ by who looks: a frame
// reaches only those who watch its key in its variant.
type Variant uint8

// KindSpec tells how the pending frames of one kind become events in a flush.
type KindSpec struct {
	Name string // of the events

	// Each makes every frame an event of its own. Otherwise all frames of the
	// kind become one event, whose data is Open, the frames with Sep between
	// them, and Close.
	Each             bool
	Open, Sep, Close string

	// Merge is for a kind whose keys are made of parts, where a frame tells a
	// change to one of them. It returns the events that stand for the frames
	// that are pending of k, in the order in which they first came: a Whole
	// frame has replaced all that came before it, and each other one an earlier
	// one of its Part. They were offered in order, and each is news: Version and
	// Digest are not looked at.
	//
	// Merge gives names and data; the id is the stream's. It is called by the
	// Run of any stream, maybe of several at a time.
	Merge func(k Key, frames []*Frame) []Event
}
