package e2e

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/presently/presently/api"
	"github.com/presently/presently/internal/redistest"
)

const (
	players   = 30
	onlookers = 20
	playTime  = 4 * time.Second
)

// Many people do this and that at three instances. Whoever watched knows in the end what REST says, at each of them; that no stream told
// anything twice, or old, is held for all streams (see judge).
func TestAfterRandomPlayEveryWatcherKnowsWhatRESTSays(t *testing.T) {
	t.Parallel()
	instances := startMany(t, 3, redistest.Start(t).URL(), "PRESENTLY_GRACE=200ms", "PRESENTLY_SWEEP=100ms")
	var users []string
	for n := range players {
		users = append(users, fmt.Sprint("player-", n))
	}
	watched := append(slices.Clone(users), "canary")
	instances[0].as("canary").beat("canary-session")
	viewers := slices.Concat(users[:onlookers/2], make([]string, onlookers/2)) // half of them play themselves
	var streams []*watching
	for n := range viewers {
		if viewers[n] == "" {
			viewers[n] = fmt.Sprint("onlooker-", n)
		}
		streams = append(streams, instances[n%3].as(viewers[n]).watch(watched...))
	}

	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	var play sync.WaitGroup
	ends := time.Now().Add(playTime)
	for n, user := range users {
		play.Go(func() {
			dice := rand.New(rand.NewPCG(seed, uint64(n)))
			for time.Now().Before(ends) {
				if err := move(dice, instances[dice.IntN(3)].as(user)); err != nil {
					t.Error(err)
				}
				time.Sleep(time.Duration(dice.IntN(200)) * time.Millisecond) // players think
			}
		})
	}
	play.Wait()
	if t.Failed() {
		return
	}

	// Choices of a second, and grace, are over by then.
	settled := time.Now().Add(2 * time.Second).UnixMicro()
	canary := instances[1].as("canary")
	for n, w := range streams {
		for state := 0; w.newest("canary").Rev < settled; state++ {
			canary.beat("canary-session", fmt.Sprintf(`"state":%q`, []string{"busy", "online"}[state%2]))
			waitUntil(t, "the canary is seen", func() bool {
				return string(w.newest("canary").Status) == []string{"busy", "online"}[state%2]
			})
		}
		for _, i := range instances {
			for _, p := range i.as(viewers[n]).sees(users...) {
				if got := w.newest(p.UserID); look(got) != look(p) {
					t.Fatalf("%s has seen last\n%s, but REST says\n%s", viewers[n], show(got), show(p))
				}
			}
		}
	}
}

// move is one thing that somebody does.
func move(dice *rand.Rand, p *person) error {
	session := fmt.Sprint("session-", dice.IntN(3))
	pick := func(words ...string) string { return words[dice.IntN(len(words))] }
	method, path, body := "POST", "/v1/presence/heartbeat", beatBody(session, fmt.Sprintf(`"state":%q`, pick("online", "away", "busy", "dnd")))
	switch dice.IntN(8) {
	case 0, 1:
	case 2:
		body = beatBody(session, fmt.Sprintf(`"device":%q,"idleMs":%d`, pick("web", "mobile"), dice.IntN(600_000)))
	case 3:
		body = beatBody(session)
	case 4:
		r, err := p.try(method, path, beatBody(session))
		if err != nil {
			return err
		}
		var beaten api.BeatAnswer
		if err := json.Unmarshal(r.body, &beaten); err != nil {
			return err
		}
		path, body = "/v1/presence/leave", beaten.LeaveToken
	case 5:
		method, path, body = "DELETE", "/v1/presence/me/sessions/"+session, ""
	case 6:
		method, path = "PUT", "/v1/presence/status"
		body = fmt.Sprintf(`{"status":%q,"expiresInMs":%s}`, pick("online", "away", "busy", "dnd", "invisible"), pick("0", "300", "1000"))
	case 7:
		method, path, body = "DELETE", "/v1/presence/status", ""
	}
	_, err := p.try(method, path, body)
	return err
}
