package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"time"

	"github.com/presently/presently/handlers"
)

const simHelp = `presently sim plays people on a server: they beat, fall asleep and wake, reload their page, vanish, go from room to room and type.
It is there to look at: open the server's page, or presently watch --room sim-1, beside it.

  PRESENTLY_JWT_SECRET=… presently sim --users 50 --for 5m
  PRESENTLY_TOKEN=… presently sim --users 3 --url https://presence.example.org

  --users     how many people (20); with a token, how many devices of its user, 20 at most
  --rooms     how many rooms they meet in, sim-1, sim-2, … (5)
  --pace      how lively they are: 2 does everything twice as often (1)
  --for       how long (until you stop it with Ctrl-C)
  --secret    that the server's tokens are signed with, PRESENTLY_JWT_SECRET; better there
  --url       where the server is, PRESENTLY_URL (http://localhost:8080)
  --token     of one user, PRESENTLY_TOKEN; then all of them are his devices

At the end everybody says goodbye, and is offline after the grace. What it did is told once a second in a terminal, else every ten
seconds. It ends with status 1 where the server refuses whatever they do.
`

const (
	mostSimUsers = 100_000
	mostSimRooms = 1000
	devicesAUser = sessionsAUser
)

// simulation is what is to be played.
type simulation struct {
	users, rooms int
	pace         float64
	lasts        time.Duration // 0: until it is stopped
}

func runSim(ctx context.Context, in invocation) error {
	fs := flag.NewFlagSet("sim", flag.ContinueOnError)
	var sim simulation
	fs.IntVar(&sim.users, "users", 20, "")
	fs.IntVar(&sim.rooms, "rooms", 5, "")
	fs.Float64Var(&sim.pace, "pace", 1, "")
	fs.DurationVar(&sim.lasts, "for", 0, "")
	secret := fs.String("secret", "", "")
	r, err := gather(fs, in.args, in.environ, append([]string{"JWT_SECRET", "JWT_ALGORITHMS", "JWT_ISSUER", "JWT_AUDIENCE"}, clientSettings...)...)
	if err != nil {
		return err
	}
	if *secret != "" {
		r.given["JWT_SECRET"] = given{*secret, "--secret"}
	}
	server := newRemote(r)
	if err := errors.Join(r.err(), sim.check()); err != nil {
		return err
	}
	defer server.http.CloseIdleConnections()
	tokens, err := r.simTokens(server, sim.users)
	if err != nil {
		return err
	}
	return sim.play(ctx, server, tokens, in)
}

func (s simulation) check() error {
	switch {
	case s.users < 1 || s.users > mostSimUsers:
		return usagef("--users: %d is not between 1 and %d", s.users, mostSimUsers)
	case s.rooms < 0 || s.rooms > mostSimRooms:
		return usagef("--rooms: %d is not between 0 and %d", s.rooms, mostSimRooms)
	case !(s.pace > 0 && s.pace <= 1000):
		return usagef("--pace: %v is not between 0 and 1000", s.pace)
	case s.lasts < 0:
		return usagef("--for: %v is over already", s.lasts)
	}
	return nil
}

// simTokens tells who each of the people is: a user of his own, or a device of the one whose token is given.
func (r *reader) simTokens(server *remote, users int) (func(i int) (string, error), error) {
	if server.token != "" {
		if users > devicesAUser {
			return nil, usagef("--users: with a token they are all devices of its user, who may have %d; give a secret instead, and each gets a token of his own", devicesAUser)
		}
		return func(int) (string, error) { return server.token, nil }, nil
	}
	if _, err := r.issueChecked(simGrant(0)); err != nil {
		return nil, err
	}
	made := newIssuer(r.issuerConfig())
	return func(i int) (string, error) { return made.issue(simGrant(i)) }, nil
}

func simGrant(i int) grant {
	name := simNames[i%len(simNames)]
	if round := i / len(simNames); round > 0 {
		name = fmt.Sprint(name, " ", round+1)
	}
	return grant{user: fmt.Sprintf("sim-%d", i+1), name: name, scope: handlers.ScopeRead + " " + handlers.ScopeWrite, lasts: day}
}

var simNames = []string{
	"Ada", "Ben", "Cyd", "Dora", "Emil", "Fay", "Gus", "Hana", "Ivo", "Jun", "Kai", "Lea", "Max", "Noor", "Ole", "Pia", "Quin", "Rosa", "Sami", "Tove",
	"Uma", "Vito", "Wanda", "Xenia", "Yuri", "Zoe",
}
