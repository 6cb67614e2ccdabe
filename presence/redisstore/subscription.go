package redisstore

import (
	"context"
	"strings"
	"time"

	"github.com/presently/presently/presence"
)

// PutSubscription implements presence.Store.
func (s *Store) PutSubscription(ctx context.Context, sub presence.Subscription) (presence.Version, error) {
	if err := s.health.refuse("subscription", s.SubscriptionLane(sub.ID)); err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	lane := s.SubscriptionLane(sub.ID)
	args := append([]any{sub.ID, int64(sub.Version), keptUntil(sub)}, subscriptionFields(sub)...)
	reply, err := s.run(ctx, s.call(lane, s.scripts.subscription, []string{s.partitions[lane].subscription(sub.ID)}, args...))
	if err != nil {
		return 0, unavailable("subscription", err)
	}
	a := newAnswer(reply)
	if a.text() == "conflict" {
		return 0, presence.ErrSubscriptionChanged
	}
	version := presence.Version(a.number())
	if a.err != nil {
		return 0, unavailable("subscription", a.err)
	}
	sub.Version = version
	s.memory[lane].keepSubscription(sub)
	return version, nil
}

// CountSubscription implements presence.Store. It is plain commands, not a script: of two that count at once both may see one too many, and the user
// has one less for it.
func (s *Store) CountSubscription(ctx context.Context, user, id string, ends time.Time, most int) (surplus []string, err error) {
	lane := s.Lane(user)
	if err := s.health.refuse("count subscriptions", lane); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	key, until := s.partitions[lane].subscriptions(user), ends.Add(presence.SubscriptionKept).UnixMilli()
	made, _ := s.clocks[lane].millis()
	count := newCommand(ctx, "zcard", key)
	counting := []command{
		newCommand(ctx, "zadd", key, made, id), count,
		newCommand(ctx, "pexpireat", key, until, "nx"), newCommand(ctx, "pexpireat", key, until, "gt"),
	}
	if err := s.send(ctx, counting); err != nil {
		return nil, unavailable("count subscriptions", err)
	}
	for _, c := range counting {
		if c.Err() != nil {
			return nil, unavailable("count subscriptions", c.Err())
		}
	}
	n, err := count.Int()
	if err != nil || n <= most {
		return nil, err
	}
	pop := newCommand(ctx, "zpopmin", key, n-most)
	if err := s.send(ctx, []command{pop}); err != nil {
		return nil, unavailable("count subscriptions", err)
	}
	reply, err := pop.Result()
	if err != nil {
		return nil, unavailable("count subscriptions", err)
	}
	return poppedMembers(reply), nil
}

// UncountSubscription implements presence.Store.
func (s *Store) UncountSubscription(ctx context.Context, user, id string) error {
	lane := s.Lane(user)
	if err := s.health.refuse("uncount subscriptions", lane); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	c := newCommand(ctx, "zrem", s.partitions[lane].subscriptions(user), id)
	err := s.send(ctx, []command{c})
	if err == nil {
		err = c.Err()
	}
	if err != nil {
		return unavailable("uncount subscriptions", err)
	}
	return nil
}

// poppedMembers are the members of what ZPOPMIN returns, without their scores: RESP3 has pairs, RESP2 one list.
func poppedMembers(reply any) (members []string) {
	items, _ := reply.([]any)
	for i, item := range items {
		if pair, ok := item.([]any); ok && len(pair) > 0 {
			item = pair[0]
		} else if i%2 == 1 {
			continue
		}
		if member, ok := item.(string); ok {
			members = append(members, member)
		}
	}
	return members
}

func keptUntil(sub presence.Subscription) int64 {
	return sub.Expires.Add(presence.SubscriptionKept).UnixMilli()
}

// Subscription implements presence.Store.
func (s *Store) Subscription(ctx context.Context, id string) (presence.Subscription, error) {
	if err := s.health.refuse("subscription", s.SubscriptionLane(id)); err != nil {
		return presence.Subscription{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	lane := s.SubscriptionLane(id)
	read := newCommand(ctx, "hgetall", s.partitions[lane].subscription(id))
	if err := s.send(ctx, []command{read}); err != nil {
		return presence.Subscription{}, unavailable("subscription", err)
	}
	fields, err := stringMap(read)
	if err != nil {
		return presence.Subscription{}, unavailable("subscription", err)
	}
	if len(fields) == 0 {
		return s.lostSubscription(ctx, lane, id)
	}
	sub := subscription(id, fields)
	s.memory[lane].keepSubscription(sub)
	return sub, nil
}

// lostSubscription offers back one that is not there and remembered: its stream is to live on.
func (s *Store) lostSubscription(ctx context.Context, lane int, id string) (presence.Subscription, error) {
	sub, there := s.memory[lane].subscription(id)
	if now, known := s.clocks[lane].millis(); !there || known && keptUntil(sub) <= now {
		return presence.Subscription{}, presence.ErrNoSubscription
	}
	if err := s.resubscribe(ctx, lane, sub); err != nil {
		return presence.Subscription{}, unavailable("subscription", err)
	}
	return sub, nil
}

// stringMap reads a hash, which comes as a list or as a map.
func stringMap(c command) (map[string]string, error) {
	reply, err := c.Result()
	if err != nil {
		return nil, err
	}
	a := newAnswer(reply)
	fields := map[string]string{}
	for len(a.items) > 0 && a.err == nil {
		name := a.text()
		fields[name] = a.text()
	}
	return fields, a.err
}

// subscriptionFields are the fields of a subscription's hash with their values: what subscription reads. Its version is given by the script.
func subscriptionFields(s presence.Subscription) []any {
	var quiet, ended, issued, expires packed
	quiet.flag(s.Quiet)
	ended.flag(s.Ended)
	issued.time(s.Issued)
	expires.time(s.Expires)
	fields := []any{
		"user", escape(s.User), "ticket", escape(s.Ticket), "quiet", quiet.String(), "ended", ended.String(), "issued", issued.String(), "expires", expires.String(),
	}
	for _, l := range []struct {
		name string
		list []string
	}{{"users", s.Users}, {"rooms", s.Rooms}, {"events", s.Events}, {"grants", s.Grants}} {
		if l.list != nil { // to have none granted is not to have all granted
			fields = append(fields, l.name, packList(l.list))
		}
	}
	return fields
}

func subscription(id string, fields map[string]string) presence.Subscription {
	part := func(name string) *parts { return new(parts(fields[name])) }
	list := func(name string) []string {
		packed, there := fields[name]
		if !there {
			return nil
		}
		return unpackList(packed)
	}
	return presence.Subscription{
		ID: id, User: part("user").text(), Ticket: part("ticket").text(), Quiet: part("quiet").flag(), Ended: part("ended").flag(),
		Issued: part("issued").time(), Expires: part("expires").time(), Version: part("version").version(),
		Users: list("users"), Rooms: list("rooms"), Events: list("events"), Grants: list("grants"),
	}
}

// packList makes one value of texts. Each begins with a separator, so that one empty text is another than none.
func packList(texts []string) string {
	var b strings.Builder
	for _, t := range texts {
		b.WriteString("|" + escape(t))
	}
	return b.String()
}

func unpackList(packed string) []string {
	texts := strings.Split(packed, "|")[1:]
	for i, t := range texts {
		texts[i] = unescape(t)
	}
	return texts
}
