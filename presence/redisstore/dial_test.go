package redisstore

import (
	"testing"

	"github.com/presently/presently/internal/redistest"
)

// However many calls have found nobody, the first that finds somebody gets through: go-redis's pool would refuse it for up to a second more.
func TestTheFirstCallToARedisThatIsBackGetsThrough(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	at, err := parse(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	client := at.dial()
	defer client.Close()
	ping := func() (plain, piped error) {
		p := client.Pipeline()
		p.Ping(t.Context())
		_, piped = p.Exec(t.Context())
		return client.Ping(t.Context()).Err(), piped
	}
	for round := range 3 {
		server.Kill()
		for range 2 * poolSize {
			if plain, piped := ping(); plain == nil || piped == nil {
				t.Fatal("a dead Redis answers")
			}
		}
		server.RestartEmpty()
		if plain, piped := ping(); plain != nil || piped != nil {
			t.Errorf("round %d: %v, %v", round, plain, piped)
		}
	}
}
