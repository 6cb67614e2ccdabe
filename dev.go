package main

import (
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/presently/presently/handlers"
	"github.com/presently/presently/web/home"
)

const (
	devUser    = "ada"
	devSession = "terminal1"
)

// devToken is a token for all that there is. There is one only in development, where only this machine can ask for it.
func (c config) devToken() (string, error) {
	return c.issuer.issue(grant{
		user: devUser, name: "Ada", lasts: day,
		scope: strings.Join([]string{handlers.ScopeRead, handlers.ScopeWrite, handlers.ScopeStats, handlers.ScopeAdmin}, " "),
	})
}

// devPeople are those whom the demo may be, with tokens for what people do and no more.
func (c config) devPeople() ([]home.Person, error) {
	var people []home.Person
	for _, name := range []string{"Ada", "Ben", "Cat", "Dan"} {
		user := strings.ToLower(name)
		token, err := c.issuer.issue(grant{user: user, name: name, lasts: day, scope: handlers.ScopeRead + " " + handlers.ScopeWrite})
		if err != nil {
			return nil, err
		}
		people = append(people, home.Person{User: user, Name: name, Token: token})
	}
	return people, nil
}

const greeting = `
Presently %[1]s, in development: on this machine alone, and what it knows is gone when it ends.
Open %[2]s to try it in a browser, or paste three lines. In one terminal, watch %[3]s:

%[4]s

In another, let %[3]s come online, and then ask not to be disturbed:

%[5]s

%[6]s

Without another heartbeat %[3]s is offline after %[7]v. This token is good for a day:

%[8]s

`

// greet tells a newcomer what to do first.
func greet(w io.Writer, c config, address string) error {
	token, err := c.devToken()
	if err != nil {
		return err
	}
	base, curl := url.URL{Scheme: "http", Host: address}, "curl"
	if c.tls != nil {
		base.Scheme, curl = "https", "curl -k"
	}
	auth := fmt.Sprintf("-H 'Authorization: Bearer %s'", token)
	const json = "-H 'Content-Type: application/json'"
	_, err = fmt.Fprintf(w, greeting, versionName(), base.String(), devUser,
		fmt.Sprintf("%s -N %s '%s/v1/stream?user=%s'", curl, auth, &base, devUser),
		fmt.Sprintf(`%s %s %s -d '{"sessionId":"%s"}' %s/v1/presence/heartbeat`, curl, auth, json, devSession, &base),
		fmt.Sprintf(`%s -X PUT %s %s -d '{"status":"dnd"}' %s/v1/presence/status`, curl, auth, json, &base),
		c.policy.TTL, token)
	return err
}
