// Package redisstore keeps presence in Redis 7.0 or newer (standalone, Sentinel or Cluster), for any number of instances.
//
// # Layout
//
// Users are hashed to partitions. All keys of a partition share a hash tag, so that one script may touch them on a cluster, and
// everything that happens in a partition happens in one order:
//
//	presently:{16.3}:meta       epoch, seq and ver (where the lane is), tick (of the last sweep), held, parting, beacon, process
//	presently:{16.3}:beats      sorted set: live sessions, by deadline
//	presently:{16.3}:left       sorted set: sessions that said goodbye, by the end of their grace
//	presently:{16.3}:rooms      sorted set, by name: the index of rooms (index.go)
//	presently:{16.3}:u:<user>   facts: s:<session>, a:<session> (activity), m:<session> (its rooms, or that it has left them), t:<session> (grave),
//	                            y:<room>|<thread> (typing), c (chosen), custom, p (profile), e (last seen)
//	presently:{16.3}:s:<user>   settings: invisible, privacy, hide:<class>, r:<user> (relation), related (when the last of them
//	                            changed), apart (he blocks somebody; for scripts); without TTL, because nobody appears by the clock alone
//	presently:{16.3}:gone:<room>   sorted set: users who have gone out of the room or of somebody's sight there, by version; for 45 min
//	presently:{16.3}:types:<room>  sorted set: users who may be typing in the room, by the end of it
//	presently:{16.3}:sub:<id>   a subscription; until a day after its end
//	presently:{16.3}:revoked    sorted set: users whose tokens have been revoked, by the moment before which
//	presently:{16.3}:lane       channel: changes, changes of subscriptions, revocations and beacons
//	presently:{16.0}:streams    what each instance says of itself, its streams first, and when it said so; only there
//	presently:{16.3}:outbox…    where webhooks are configured: what is to be told of the partition's users and rooms (lua/outbox.lua)
//	presently:secret            the secret that all instances share
//
// Whatever changes facts is a script (lua/), which announces on the lane what it did, in the same step.
//
// # Amendments
//
// What people say, do and hide is worked out in Go, from the record: one script reads it, another commits, unless one of the user's two
// keys has changed since (v in each is the version of its last change); then all of it is done again. Steady beats are no changes, and
// disturb nobody.
// How rooms change by an amendment is worked out with it.
//
// # Heartbeats
//
// A member of beats is named after the session and a fingerprint of all that its last beat said. A beat that says the same again is
// one plain command, ZADD XX GT CH with the new deadline; one that says anything else misses, and takes the script, which is right
// in every case. A leave takes the member out, so late beats miss too. The deadline is reckoned by an estimate of Redis' clock, which
// is set by beacons and answers; where there is none, the script goes by the clock itself. The low bits of the score are how long
// before the beat the newest input was, so that it is known when the session ends. The highest number (seq) of a session is the score of a
// second member, moved by the same command. An activity that goes on is to be extended in the second half of its life: each instance remembers
// when that begins, and takes the script from then on, or where it does not know; an amendment of the activity, or of its
// rooms, renames the session's member, so that its next beat misses. Commands of callers at the same time travel in one pipeline.
//
// Records are read by plain commands too, between two readings of the lane's number, and by a script where that has moved in between; on a
// cluster always, since there is no asking a certain node for the time.
//
// # Rooms
//
// A room has no place of its own: it is in the partitions of its members. Whichever script moves a user (a beat, an amendment, the end of a
// session) also moves him in the index of his partition, so the index cannot drift from the facts, and nothing has to be handed from one
// partition to another. It has no deadlines: it ends with sessions. Who hides from everybody is not in it, and moves nothing there. A read asks all
// partitions in one pipeline of plain commands; what it names is as of one moment in each, but not over all.
//
// # The outbox
//
// Where webhooks are configured, the script that changes how a user is also appends to a stream what his status is made of since. What is told is worked out from
// that alone, by the one who holds the partition's lease: each write of his is refused once it is another's. Rooms lie in many partitions, so scripts only note that the first has
// come into a room of theirs, or the last has gone; who reads the note looks at all partitions, and says in that of the room's name what has become of it.
// See docs/decisions/0013-one-deliverer-a-partition.md.
//
// # Silence
//
// Only a claim by a sweep ends a session for its silence; it claims and tells in one script, so that any number of instances may
// sweep and each end is told once. Nothing else compares a deadline with a clock. A sweep that finds the tick of the one before it missing, too
// old or in the future, or another Redis process than before, knows that the store was away or has lost something: it begins a
// new epoch, and holds the partition for one TTL, in which leaves end and silence does not count. Where there are data still, which may be old ones, leaves wait
// for 3 s: instances are about to say who has come back since (see below).
//
// # After a loss
//
// An instance remembers (memory.go) the two hashes of everybody for whom it took a beat, a leave, an end or an amendment within a TTL: as answers
// carried them, as the lanes have told since, and, of those whose beats need no answer, as it read them in the background. A lane's new epoch says
// that data may be lost. Then it offers them back, in batches, after a moment of its own: first it asks which hashes have another version than it knows, and the
// others go through recall.lua, one user each. Of each field the newer counts. A session that is not there comes back, unless it has a grave or one of
// the user's sessions has ended unheard; one that has ended since an old dump ends; leaves, numbers, deadlines and the index of rooms are restored with
// it. What was taken is one change (presence.ByRecall), in which facts have the versions that they had: watchers see nothing, and of many instances
// that remember the same the first tells it. Nothing is learnt in the new epoch until all has been offered, because an old dump says less than it seems.
//
// Who acts through an instance that remembers him does not wait for that: a beat that finds no session, though none is known to have
// ended, a thorough beat, a look at oneself and an amendment offer back first what they find missing. So does the loss of one user's keys end.
//
// Subscriptions that were written or read here come back the same way, and so does the shared secret. Typing marks do not.
//
// # Refusing
//
// While a lane's beacons have failed for a second, calls on it are refused at once; beacons go on, and the first that is answered lets calls
// through again.
//
// # Hearing
//
// Every change has a number. Every half second somebody tells each lane its number and time (a beacon); instances agree who by the
// time of the last one. The ear of an instance takes a gap, another epoch or a new connection for something missed, and 2 s without a beacon on
// any lane, or of failing commands, for a loss: the feed hears Missed before it hears what came after, Lost once, and Found when every lane
// speaks again on the present connection and commands get through.
//
// # Not promised
//
// A heartbeat with a number that comes late, through another instance than the newer one, and says what the session says anyway, passes for
// a steady one: it lengthens the life of a session that is there, once, by no more than a TTL from its coming. It never
// brings back one that has left or ended: graves keep the numbers of a user's last 20 sessions.
//
// A command that got no answer is not sent again, because it may have been carried out: the caller learns ErrUnavailable, and nothing of
// what became of it.
//
// What a replica had not got when its master died is lost, but for what instances remember. So is what was set by users whom no living instance has
// dealt with in the last TTL.
//
// An instance that remembers nothing of a user may take a change of his settings between a loss and its repair. Fields are restored one by one, so
// who was hidden by a privacy setting, and opened it in that second, stays hidden until he changes a setting again: rather that than the other way round.
//
// Where Redis' clock is set back by less than begins an epoch, the version of a change may be less than the time as of which a record was
// read in the half second before: beacons alone leave their time behind.
//
// Newest inputs of sessions that end while active are kept to a quarter second, up to 17 min back; all other times to a ms.
package redisstore
