package redisstore

import (
	"context"
	"crypto/rand"
	"errors"

	"github.com/redis/go-redis/v9"
)

// Secret implements presence.Store.
func (s *Store) Secret(ctx context.Context) ([]byte, error) {
	if known := s.secret.Load(); known != nil {
		return *known, nil
	}
	offer := make([]byte, 32)
	rand.Read(offer)
	secret, err := s.offerSecret(ctx, offer)
	if err != nil {
		return nil, unavailable("secret", err)
	}
	s.secret.CompareAndSwap(nil, &secret)
	return *s.secret.Load(), nil
}

// offerSecret returns the secret that is there, which is this one if there was none.
func (s *Store) offerSecret(ctx context.Context, offer []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	set := newCommand(ctx, "set", secretKey, offer, "nx", "get")
	if err := s.send(ctx, []command{set}); err != nil {
		return nil, err
	}
	was, err := set.Text()
	if errors.Is(err, redis.Nil) {
		return offer, nil
	}
	return []byte(was), err
}

// keepSecret puts the secret back where it was lost, before an instance that starts later makes another.
func (s *Store) keepSecret(ctx context.Context) {
	known := s.secret.Load()
	if known == nil || !s.renewed.Swap(false) {
		return
	}
	if _, err := s.offerSecret(ctx, *known); err != nil {
		s.renewed.Store(true)
	}
}
