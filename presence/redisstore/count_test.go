package redisstore

import (
	"fmt"
	"testing"
	"time"

	"github.com/presently/presently/internal/redistest"
	"github.com/presently/presently/presence"
)

// How many commands each operation is, scripts' own included: what a deployment pays Redis for. A steady beat is in
// [TestASteadyBeatIsOneCommandAndNoScript].
func TestCountedCommandsOfOperations(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	i := quiet(t, server)
	var users []string
	for n := range 100 {
		users = append(users, fmt.Sprint("user-", n))
		i.beat(presence.Beat{User: users[n], Session: "session-1", State: presence.Online, TTL: testTTL, MaxLive: 20})
	}
	state := presence.Online
	for _, c := range []struct {
		name string
		most int64
		do   func() error
	}{
		{"a look at one user", 5, func() error { _, err := i.Lookup(t.Context(), "viewer", users[:1]); return err }},
		{"a look at a hundred users", 212, func() error { _, err := i.Lookup(t.Context(), "viewer", users); return err }},
		{"a change", 14, func() error {
			state = presence.Busy
			_, err := i.Beat(t.Context(), presence.Beat{User: "user-1", Session: "session-1", State: state, TTL: testTTL, MaxLive: 20, IdleFor: time.Second})
			return err
		}},
	} {
		made := calls(t, server, func() {
			if err := c.do(); err != nil {
				t.Fatal(err)
			}
		})
		sum := int64(0)
		for _, n := range made {
			sum += n
		}
		if sum > c.most || sum == 0 {
			t.Errorf("%s is %d commands, want at most %d: %v", c.name, sum, c.most, made)
		}
	}
}
