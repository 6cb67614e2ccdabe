// Package sse carries state to many readers as Server-Sent Events. It knows
// keys, frames and streams; what they mean is known to whoever offers them.
//
// # Model
//
// A [Frame] is what there is to say about one [Key] at one moment, encoded
// once and shared by every stream that shows it. A [Stream] is one reader. It
// watches keys, each in one [Variant] (the class of viewer that the reader is
// to that key), and keeps in its mailbox the newest frame of each that it has
// not yet written. A [Hub] brings a frame to the streams that watch its key in
// its variant. [Stream.Run] is the write loop: it belongs to the goroutine that
// calls it and writes to a [Sink].
//
//	Hub.Offer ──▶ topic ──▶ mailbox of each watching stream ──▶ Run ──▶ Sink
//
// Most frames say all that there is to say about their key. Where that would be
// long, a kind is made of parts: a frame then tells a change of one part or the
// whole, and the mailbox keeps the newest of each part that is not yet written.
//
// A stream that nobody looks at may be made quiet: frames wait until it goes live
// again, and come in one catch-up.
//
// # Promised
//
// Whoever has returned from Watch gets every later Offer of that key in that
// variant: so watch first, then look up, then offer what was found. The
// mailbox keeps the newer of the two, in whichever order they come.
//
// Within one variant the versions that a stream writes of a key never shrink,
// and no two frames in a row of one key have the same digest, even when a state
// went away and came back between two flushes. What is offered last, among
// equals by version, is written in the end.
//
// The parts of one key are written in the order in which they were offered, but
// for those that a newer frame of the same part, or a whole, has replaced.
//
// A stream remembers one frame a key, or 512 parts, however slow its reader is,
// and at most 16 control events and 16 snapshots that were asked for. Past 512
// parts it remembers that there were some, and writes the whole instead. A stream
// that is quiet remembers no parts at all.
//
// Nothing in this package blocks while it holds a lock, and no slow reader delays
// an offer: only Run writes, and only a write that makes no progress ends it.
//
// An event carries an id only where nothing that was offered before the cursor
// was read is still on its way in this stream.
//
// A stream whose Run has returned, or that was closed, leaves nothing in the
// hub.
//
// # Not promised
//
// Nothing is promised about the order between keys, except that one flush
// writes its events in the order of the hub's kinds. Frames between the last
// one written and the newest are lost on purpose. A part may be told twice, where
// the whole was asked for that has it already. A stream has no history: what
// a reader missed before it connected is for its Opening to say.
package sse
