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
// A stream remembers one frame a key, however slow its reader is, and at most
// 16 control events and 16 snapshots that were asked for. Nothing in this package blocks while it holds a lock, and
// no slow reader delays an offer: only Run writes, and only a write that makes
// no progress ends it.
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
// one written and the newest are lost on purpose. A stream has no history: what
// a reader missed before it connected is for its Opening to say.
package sse
