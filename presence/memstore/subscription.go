package memstore

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/presently/presently/presence"
)

// said is what an instance has said of itself.
type said struct {
	presence.Instance
	at time.Time
}

// SubscriptionLane implements presence.Store.
func (s *Store) SubscriptionLane(string) int { return 0 }

// counted is a subscription as it counts for its user, until it is forgotten.
type counted struct {
	id   string
	ends time.Time
}

// CountSubscription implements presence.Store.
func (s *Store) CountSubscription(_ context.Context, user, id string, ends time.Time, most int) (surplus []string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	his := append(without(s.counted[user], id), counted{id, ends})
	for len(his) > most {
		surplus = append(surplus, his[0].id)
		his = his[1:]
	}
	s.counted[user] = slices.Clone(his)
	return surplus, nil
}

// UncountSubscription implements presence.Store.
func (s *Store) UncountSubscription(_ context.Context, user, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.counted[user] = without(s.counted[user], id); len(s.counted[user]) == 0 {
		delete(s.counted, user)
	}
	return nil
}

func without(all []counted, id string) []counted {
	return slices.DeleteFunc(all, func(c counted) bool { return c.id == id })
}

// PutSubscription implements presence.Store.
func (s *Store) PutSubscription(_ context.Context, sub presence.Subscription) (presence.Version, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.subscriptions[sub.ID].Version != sub.Version {
		return 0, presence.ErrSubscriptionChanged
	}
	sub = copied(sub)
	sub.Version = max(s.version+1, presence.VersionAt(time.Now()))
	s.subscriptions[sub.ID] = sub
	s.announce(presence.Change{Version: sub.Version, Subscription: sub.ID})
	return sub.Version, nil
}

// Subscription implements presence.Store.
func (s *Store) Subscription(_ context.Context, id string) (presence.Subscription, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sub, ok := s.subscriptions[id]
	if !ok || forgettable(sub) {
		return presence.Subscription{}, presence.ErrNoSubscription
	}
	return copied(sub), nil
}

// copied shares no list with the subscription: what callers do to theirs must not change ours.
func copied(sub presence.Subscription) presence.Subscription {
	for _, list := range []*[]string{&sub.Users, &sub.Rooms, &sub.Events, &sub.Grants} {
		*list = slices.Clone(*list)
	}
	sub.Expires = wire(sub.Expires)
	if !sub.Issued.IsZero() {
		sub.Issued = wire(sub.Issued)
	}
	return sub
}

func forgettable(sub presence.Subscription) bool {
	return time.Since(sub.Expires) >= presence.SubscriptionKept
}

// forgetSubscriptions forgets those that ended long ago.
func (s *Store) forgetSubscriptions() {
	maps.DeleteFunc(s.subscriptions, func(_ string, sub presence.Subscription) bool { return forgettable(sub) })
	maps.DeleteFunc(s.counted, func(_ string, his []counted) bool {
		return !slices.ContainsFunc(his, func(c counted) bool { return time.Since(c.ends) < presence.SubscriptionKept })
	})
}

// Instances implements presence.Store.
func (s *Store) Instances(_ context.Context, me presence.Instance) (all []presence.Instance, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if me.Name != "" {
		me.Started = wire(me.Started)
		s.instances[me.Name] = said{me, time.Now()}
	}
	for _, name := range slices.Sorted(maps.Keys(s.instances)) {
		i := s.instances[name]
		if time.Since(i.at) >= presence.InstanceBelieved {
			delete(s.instances, name)
			continue
		}
		all = append(all, i.Instance)
	}
	return all, nil
}
