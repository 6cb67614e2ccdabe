package redisstore

import (
	"cmp"
	"context"
	"slices"
	"strconv"

	"github.com/presently/presently/presence"
)

// Instances implements presence.Store.
func (s *Store) Instances(ctx context.Context, me presence.Instance) ([]presence.Instance, error) {
	if err := s.health.refuse("instances", 0); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	c := s.call(0, s.scripts.instances, []string{s.partitions[0].streams()}, me.Name, me.Streams, presence.InstanceBelieved.Milliseconds(), packInstance(me))
	reply, err := s.run(ctx, c)
	if err != nil {
		return nil, unavailable("instances", err)
	}
	a := newAnswer(reply)
	var all []presence.Instance
	for len(a.items) > 0 && a.err == nil {
		all = append(all, instanceOf(a.text(), a.text()))
	}
	if a.err != nil {
		return nil, unavailable("instances", a.err)
	}
	slices.SortFunc(all, func(a, b presence.Instance) int { return cmp.Compare(a.Name, b.Name) })
	return all, nil
}

// packInstance is what an instance says of itself behind its streams and when it said so, which is all that versions before this one know.
func packInstance(i presence.Instance) string {
	var p packed
	return p.time(i.Started).text(i.Version).text(i.Host).flag(i.Draining).flag(i.Closes).flag(i.Webhook).String()
}

func instanceOf(name, value string) presence.Instance {
	v := parts(value)
	streams, _ := strconv.Atoi(v.next()) // none, if it is no number
	v.skip(1)
	if v == "" {
		return presence.Instance{Name: name, Streams: streams, Terse: true}
	}
	return presence.Instance{
		Name: name, Streams: streams, Started: v.time(), Version: v.text(), Host: v.text(), Draining: v.flag(), Closes: v.flag(), Webhook: v.flag(),
	}
}
