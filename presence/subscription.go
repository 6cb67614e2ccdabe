package presence

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"time"
)

const (
	// subscriptionTries is how often a change is made anew because something came between. Each failure is somebody else's success.
	subscriptionTries = 50
	// subscriptionPause bounds the pause before the next try, which is random, so that those who met do not meet again.
	subscriptionPause = 10 * time.Millisecond
	// subscriptionsAUser is how many a user may have. Nobody has use for so many, but one takes up to 1 MiB in the store, for as long as its token is good
	// and a day: without a bound a single token could fill it.
	subscriptionsAUser = 100
)

var errSubscriptionContended = fmt.Errorf("%w: others changed the subscription each time", ErrUnavailable)

// Live reports whether the subscription may be used at a moment.
func (s Subscription) Live(now time.Time) bool { return !s.Ended && now.Before(s.Expires) }

// Subscribe stores a new subscription. Of too many that a user has, those that he made or renewed longest ago end: pages that crash leave theirs behind, and he
// should not be locked out by them until his tokens end.
func (t *Tracker) Subscribe(ctx context.Context, s Subscription, now time.Time) (Subscription, error) {
	if err := t.Count(ctx, s, now); err != nil {
		return s, err
	}
	var err error
	s.Version, err = t.PutSubscription(ctx, s)
	return s, err
}

// Count counts a subscription as the newest of its user's, and ends those that are too many then.
func (t *Tracker) Count(ctx context.Context, s Subscription, now time.Time) error {
	surplus, err := t.CountSubscription(ctx, s.User, s.ID, s.Expires, subscriptionsAUser)
	if err != nil {
		return err
	}
	for _, id := range surplus {
		_, err := t.AmendSubscription(ctx, id, func(old Subscription) (Subscription, error) {
			if old.Ended || old.User != s.User {
				return old, nil
			}
			return old.EndedAt(now), nil
		})
		if err != nil && !errors.Is(err, ErrNoSubscription) {
			return err
		}
	}
	return nil
}

// EndedAt is what remains of a subscription: that there was one, and that for a while from now.
func (s Subscription) EndedAt(now time.Time) Subscription {
	return Subscription{ID: s.ID, User: s.User, Ended: true, Expires: now.Truncate(time.Millisecond), Version: s.Version}
}

// AmendSubscription makes of a subscription what change makes of it, and returns that: no other change comes between. change may be called more than
// once, and must not touch what the lists that it is given hold. Where nothing is different in the end, nothing is stored or announced.
func (t *Tracker) AmendSubscription(ctx context.Context, id string, change func(Subscription) (Subscription, error)) (Subscription, error) {
	for try := range subscriptionTries {
		if err := pauseBefore(ctx, try); err != nil {
			return Subscription{}, err
		}
		before, err := t.Subscription(ctx, id)
		if err != nil {
			return Subscription{}, err
		}
		after, err := change(before)
		if err != nil {
			return Subscription{}, err
		}
		if reflect.DeepEqual(after, before) {
			return before, nil
		}
		after.Version, err = t.PutSubscription(ctx, after)
		if !errors.Is(err, ErrSubscriptionChanged) {
			return after, err
		}
	}
	return Subscription{}, errSubscriptionContended
}

// pauseBefore waits a little before each try but the first.
func pauseBefore(ctx context.Context, try int) error {
	if try == 0 {
		return nil
	}
	select {
	case <-time.After(rand.N(min(time.Duration(try)*time.Millisecond, subscriptionPause))):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
