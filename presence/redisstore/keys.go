package redisstore

import (
	"strconv"

	"github.com/cespare/xxhash/v2"
)

// secretKey is the one key that belongs to no partition.
const secretKey = "presently:secret"

// partition names the keys of one partition. They share a hash tag, so that one script may touch all of them on a cluster. The number of
// partitions is part of the tag: instances that disagree about it do not meet, instead of taking each other's users for lost.
type partition struct {
	meta  string // hash: epoch, seq, ver (highest version), tick (of the last sweep), held, parting (until then leaves wait), beacon, process
	beats string // sorted set: live sessions by deadline
	left  string // sorted set: sessions in their grace by its end
	rooms string // sorted set: the index of rooms, by name; all scores are 0
	lane  string // pub/sub channel

	prefix string
	time   []any // the command that tells the time there
}

// newPartition names partition i of n. Channels, unlike keys, are shared by all databases of a Redis, so theirs says which one it is of.
func newPartition(n, i, db int, t timeSource) partition {
	prefix := "presently:{" + strconv.Itoa(n) + "." + strconv.Itoa(i) + "}:"
	p := partition{
		meta: prefix + "meta", beats: prefix + "beats", left: prefix + "left", rooms: prefix + "rooms", lane: prefix + "lane",
		prefix: prefix, time: t.question(prefix),
	}
	if db != 0 {
		p.lane += "." + strconv.Itoa(db)
	}
	return p
}

// An id is always the tail of its key, so that none can reach another's.

// facts is the hash of what is known of a user. It has a TTL. Like settings it has, beside the fields of facts.go, v: the version of its last change.
func (p *partition) facts(user string) string { return p.prefix + "u:" + user }

// settings is the hash of what a user has decided about others. It has no TTL: nobody appears by the clock alone.
func (p *partition) settings(user string) string { return p.prefix + "s:" + user }

// gone is the sorted set of who has gone out of a room, by the version of the change. It lasts presence.GoneKept.
func (p *partition) gone(room string) string { return p.prefix + "gone:" + roomName(room) }

// types is the sorted set of who may be typing in a room, by the end of it in ms. It lasts as long as the last of them.
func (p *partition) types(room string) string { return p.prefix + "types:" + roomName(room) }

// subscription is a hash. It lasts presence.SubscriptionKept longer than what it holds.
func (p *partition) subscription(id string) string { return p.prefix + "sub:" + id }

// subscriptions is the sorted set of the ids of a user's subscriptions, by when they were made, in ms. It lasts as long as the one that ends last.
func (p *partition) subscriptions(user string) string { return p.prefix + "subs:" + user }

// revoked is the sorted set of users whose tokens have been revoked, by the moment before which, in ms. Each that is added takes those out that
// have stood for presence.RevocationKept.
func (p *partition) revoked() string { return p.prefix + "revoked" }

// streams is the hash of what each instance says of itself, of which its streams come first. It is one for all, in the first partition.
func (p *partition) streams() string { return p.prefix + "streams" }

// outbox is the stream of notes that are not done with, or, by name, one of the keys beside it: see lua/outbox.lua.
func (p *partition) outbox(name string) string {
	if name == "" {
		return p.prefix + "outbox"
	}
	return p.prefix + "outbox:" + name
}

// deliverers is the hash of who works on outboxes. It is one for all, in the first partition.
func (p *partition) deliverers() string { return p.prefix + "outbox:deliverers" }

// member is a session's name in beats and left.
func member(says, session, user string) string { return says + session + ":" + user }

// numberOf is the name in beats beside which the highest number of a session stands. No member begins so.
func numberOf(member string) string { return "#" + member }

func partitionOf(user string, n int) int { return int(xxhash.Sum64String(user) % uint64(n)) }
