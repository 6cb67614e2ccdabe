package e2e

import (
	"testing"

	"github.com/presently/presently/internal/redistest"
)

// One setting names whichever kind of Redis there is.
func TestTheSameStoryOnEachKindOfRedis(t *testing.T) {
	t.Parallel()
	for kind, url := range map[string]func(*testing.T) string{
		"standalone":    func(t *testing.T) string { return redistest.Start(t).URL() },
		"with password": func(t *testing.T) string { return redistest.Start(t, "--requirepass", "open sesame/@:").URL() },
		"sentinel":      func(t *testing.T) string { return redistest.StartSentinel(t, 1).URL() },
		"cluster":       func(t *testing.T) string { return redistest.StartCluster(t, 3, 0).URL() },
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			a, b := startPair(t, url(t), "PRESENTLY_GRACE=100ms")
			for _, user := range []string{"ada", "ben", "cyd", "dan"} { // of several partitions
				w := b.as("eve").watch(user)
				answer := a.as(user).beat("session-1")
				w.told(user, "online")
				a.as(user).choose("busy")
				w.told(user, "busy")
				if got := b.as("eve").see(user).Status; got != "busy" {
					t.Errorf("REST shows %s %s", user, got)
				}
				a.as(user).leave(answer)
				w.told(user, "offline")
			}
		})
	}
}

func TestARedisThatRefusesUsIsNamedAtOnceWithoutItsPassword(t *testing.T) {
	t.Parallel()
	address := redistest.Start(t, "--requirepass", "open sesame").Addr()
	const wrong = "guessed-wrongly"
	status, _, stderr := exits(t, []string{"PRESENTLY_REDIS_URL=redis://:" + wrong + "@" + address, "PRESENTLY_JWT_SECRET=" + secret, "PRESENTLY_LISTEN=127.0.0.1:0"})
	if status == 0 || !contains(stderr, "PRESENTLY_REDIS_URL", "password") || contains(stderr, wrong) {
		t.Errorf("status %d: %s", status, stderr)
	}
}
