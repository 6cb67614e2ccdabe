package memstore

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/presently/presently/presence"
)

// countedFor is how long an instance's number of streams counts after it was told.
const countedFor = 10 * time.Second

// streams is how many an instance had open.
type streams struct {
	open int
	at   time.Time
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

// CountStreams implements presence.Store.
func (s *Store) CountStreams(_ context.Context, instance string, open int) (all int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.streams[instance] = streams{open, time.Now()}
	for name, n := range s.streams {
		if time.Since(n.at) >= countedFor {
			delete(s.streams, name)
			continue
		}
		all += n.open
	}
	return all, nil
}
