package handlers

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"sync"
)

// sealer makes opaque tokens that any instance can check, because all share one secret: the store's.
type sealer struct {
	secret func(context.Context) ([]byte, error)

	mu  sync.Mutex // guards what follows
	key []byte
}

const macSize = 16 // bytes; 128 bits are enough for what cannot be tried offline

// seal makes a token of a purpose and its parts, none of which may hold a line break.
func (s *sealer) seal(ctx context.Context, purpose string, parts ...string) (string, error) {
	key, err := s.sharedKey(ctx)
	if err != nil {
		return "", err
	}
	text := strings.Join(parts, "\n")
	return base64.RawURLEncoding.EncodeToString(append(mac(key, purpose, text), text...)), nil
}

// open gets back the parts of a token; ok is false for one that was not sealed for this purpose.
func (s *sealer) open(ctx context.Context, purpose, token string) (parts []string, ok bool, err error) {
	key, err := s.sharedKey(ctx)
	if err != nil {
		return nil, false, err
	}
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(raw) < macSize || !hmac.Equal(raw[:macSize], mac(key, purpose, string(raw[macSize:]))) {
		return nil, false, nil
	}
	return strings.Split(string(raw[macSize:]), "\n"), true, nil
}

func mac(key []byte, purpose, text string) []byte {
	h := hmac.New(sha256.New, key)
	fmt.Fprintf(h, "%s\n%s", purpose, text)
	return h.Sum(nil)[:macSize]
}

func (s *sealer) sharedKey(ctx context.Context) ([]byte, error) {
	s.mu.Lock()
	key := s.key
	s.mu.Unlock()
	if key != nil {
		return key, nil
	}
	key, err := s.secret(ctx)
	if err != nil {
		return nil, fmt.Errorf("shared secret: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.key = key
	return key, nil
}
