// Package presence is the domain: what is known of people, and what each viewer may see of it.
//
// # Model
//
// A [Store] keeps raw facts: the sessions of a user, the status he chose, when he was last seen, whether he hides. A [Record]
// is all the facts about one user. A [View] is what one [Class] of viewers may see of a record at a moment; it is
// computed by [Record.View], never stored, and that function is the only place where the rules of presence live.
//
// A [Tracker] puts policy (how long a session lives, how long a choice lasts) between the people and the store. A [Board] keeps
// the records of watched users in memory, in step with the store, and tells its listener when one has changed.
//
// # Ordering
//
// Users are spread over lanes. Within a lane, changes are numbered without gaps, and their versions only grow; nothing is
// promised between lanes. A store that cannot say what it missed says that it missed something ([Feed.Missed]), and
// the board reads again.
//
// # Time
//
// Every time in this package is the store's. Nothing compares a deadline with the clock of the process: only the store's sweep
// ends a session, and a choice expires on a stream when the lane's clock has passed its end.
//
// The package imports the standard library alone, and knows no HTTP, no JSON and no Redis.
package presence
