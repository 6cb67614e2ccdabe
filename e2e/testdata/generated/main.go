// A program that knows of Presently only what a generator made of its contract: Ada beats, Ben sees her, and what goes wrong is a problem with a code.
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"

	"generated/presently"
)

func main() {
	if err := run(context.Background(), os.Getenv("URL")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, url string) error {
	ada, err := client(url, os.Getenv("ADA"))
	if err != nil {
		return err
	}
	ben, err := client(url, os.Getenv("BEN"))
	if err != nil {
		return err
	}
	state := presently.BeatStateBusy
	beat, err := ada.HeartbeatWithResponse(ctx, nil, presently.Beat{SessionId: "generated-go", State: &state})
	if err != nil || beat.JSON200 == nil {
		return fmt.Errorf("beat: %w, %s", err, beat.Body)
	}
	seen, err := ben.GetPresenceWithResponse(ctx, "ada", nil)
	if err != nil || seen.JSON200 == nil || seen.JSON200.Profile == nil || seen.JSON200.Profile.Name == nil {
		return fmt.Errorf("read: %w, %s", err, seen.Body)
	}
	refused, err := ben.JoinRoomWithResponse(ctx, "lobby", &presently.JoinRoomParams{SessionId: "not-there"})
	if err != nil || refused.ApplicationproblemJSON409 == nil {
		return fmt.Errorf("join: %w, %s", err, refused.Body)
	}
	_, err = fmt.Println(beat.JSON200.Session.SessionId, beat.JSON200.TtlMs, seen.JSON200.Status, *seen.JSON200.Profile.Name, refused.ApplicationproblemJSON409.Code)
	return err
}

func client(url, token string) (*presently.ClientWithResponses, error) {
	return presently.NewClientWithResponses(url, presently.WithRequestEditorFn(func(_ context.Context, r *http.Request) error {
		r.Header.Set("Authorization", "Bearer "+token)
		return nil
	}))
}
