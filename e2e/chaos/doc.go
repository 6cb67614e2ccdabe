// Package chaos plays people and watchers against running instances of Presently, and proves from what was recorded that nobody was lied to.
// Tests alone use it: package e2e breaks things meanwhile.
//
// # Model
//
// A [Play] has users, each with a habit (steady, leaving, falling silent, flapping, hiding, …), and watchers, who hold streams as a client
// should: they come back with Last-Event-ID, after the retry that they were given. All go through a [Balancer] of ours. What users did and were answered (a [Deed]),
// and what watchers saw (a [Sighting]), is written down with one monotonic clock: that is a [History].
//
// [Check] reads a history and knows nothing else. It works out, for each user, when he was surely here, and when he perhaps was: a request takes effect
// between sending and answer, one without an answer perhaps never. What was seen must fit into that.
//
//	P1  nobody who beats in time, or tries to, is told offline
//	P2  whoever is silent past the deadline is told offline, once
//	P3  never before the deadline
//	P4  revs of one user, and of one room, only grow, per watcher
//	P5  after the last change all watchers agree with REST, in time
//	P6  no coming, joining or leaving without a cause
//	P7  who hides changes nothing for others
//
// An [Outage] is time in which the store did not answer: it counts against nobody (rule 10 of the design).
//
// # Not proved
//
// Times are compared by rev, which is the store's clock, and mapped to the monotonic one by samples: the two must run on one machine. What could have been so or so counts as right:
// the checker can miss a fault, but does not invent one.
package chaos
