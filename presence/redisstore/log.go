package redisstore

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/redis/go-redis/v9"
)

// LogTo sends what go-redis says of itself, such as every failed dial, to l at debug level: the store tells of the loss once, and better.
// go-redis has one logger for the whole process, so this is for main, before it opens a store.
func LogTo(l *slog.Logger) { redis.SetLogger(driverLog{l}) }

type driverLog struct{ *slog.Logger }

// Printf implements go-redis's logger.
func (d driverLog) Printf(ctx context.Context, format string, v ...any) {
	if d.Enabled(ctx, slog.LevelDebug) {
		d.DebugContext(ctx, "go-redis: "+fmt.Sprintf(format, v...))
	}
}
