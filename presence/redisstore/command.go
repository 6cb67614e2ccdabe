package redisstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/presently/presently/presence"
)

// command is a Redis command that is sent once. Redirections are followed, because who redirects has done nothing; but a command that got no
// answer may have been carried out, and is not repeated: a beat that comes a second after its session's leave would revive it.
type command struct{ *redis.Cmd }

var _ redis.Cmder = command{}

// NoRetry implements redis.Cmder.
func (command) NoRetry() bool { return true }

func newCommand(ctx context.Context, args ...any) command { return command{redis.NewCmd(ctx, args...)} }

// unavailable says that the store failed at op. The causes of both are kept.
func unavailable(op string, err error) error {
	if errors.Is(err, presence.ErrUnavailable) {
		return fmt.Errorf("%s: %w", op, err)
	}
	return fmt.Errorf("%s: %w: %w", op, presence.ErrUnavailable, err)
}
