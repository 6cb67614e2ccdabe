package redisstore

import (
	"context"
	"slices"

	"github.com/presently/presently/presence"
)

// subscriptionBytes bounds what an instance remembers of subscriptions, in each of two generations.
const subscriptionBytes = 32 << 20

// subscriptionMemory is the part of a lane's memory that has subscriptions, as they were last written or read here. The lane's lock guards it.
type subscriptionMemory struct {
	most, size int
	young, old map[string]presence.Subscription
}

func newSubscriptionMemory(lanes int) subscriptionMemory {
	m := subscriptionMemory{most: subscriptionBytes / lanes}
	m.forget()
	return m
}

// forget is for when changes may have been missed: what was ended meanwhile must not come back.
func (m *subscriptionMemory) forget() {
	m.young, m.old, m.size = map[string]presence.Subscription{}, map[string]presence.Subscription{}, 0
}

func (m *subscriptionMemory) find(id string) (presence.Subscription, bool) {
	if sub, there := m.young[id]; there {
		return sub, true
	}
	sub, there := m.old[id]
	return sub, there
}

func (m *subscriptionMemory) keep(sub presence.Subscription) {
	if was, there := m.find(sub.ID); there && was.Version > sub.Version {
		return
	}
	if m.size > m.most {
		m.young, m.old, m.size = map[string]presence.Subscription{}, m.young, 0
	}
	if _, there := m.young[sub.ID]; !there {
		m.size += sizeOf(sub)
	}
	m.young[sub.ID] = sub
	delete(m.old, sub.ID)
}

func sizeOf(sub presence.Subscription) int {
	size := 512
	for _, list := range [][]string{sub.Users, sub.Rooms, sub.Events, sub.Grants} {
		for _, s := range list {
			size += 16 + len(s)
		}
	}
	return size
}

// heard takes note of a change by another instance.
func (m *subscriptionMemory) heard(id string, v presence.Version) {
	if sub, there := m.find(id); there && sub.Version < v {
		delete(m.young, id)
		delete(m.old, id)
	}
}

// keepSubscription remembers a subscription as it is stored.
func (m *laneMemory) keepSubscription(sub presence.Subscription) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.notes.keep(sub)
}

func (m *laneMemory) subscription(id string) (presence.Subscription, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.notes.find(id)
}

func (m *laneMemory) subscriptions() (all []presence.Subscription) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, generation := range []map[string]presence.Subscription{m.notes.young, m.notes.old} {
		for _, sub := range generation {
			all = append(all, sub)
		}
	}
	return all
}

// recallSubscriptions offers back all that is remembered of one lane.
func (s *Store) recallSubscriptions(ctx context.Context, lane int) error {
	for some := range slices.Chunk(s.memory[lane].subscriptions(), recalledAtOnce) {
		if err := s.resubscribe(ctx, lane, some...); err != nil {
			return err
		}
	}
	return nil
}

// resubscribe offers subscriptions back.
func (s *Store) resubscribe(ctx context.Context, lane int, subs ...presence.Subscription) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	calls := make([]call, len(subs))
	for i, sub := range subs {
		args := append([]any{sub.ID, int64(sub.Version), keptUntil(sub)}, subscriptionFields(sub)...)
		calls[i] = s.call(lane, s.scripts.resubscribe, []string{s.partitions[lane].subscription(sub.ID)}, args...)
	}
	commands, err := s.runAll(ctx, calls)
	if err != nil {
		return err
	}
	for _, cmd := range commands {
		if cmd.Err() != nil {
			return cmd.Err()
		}
	}
	return nil
}
