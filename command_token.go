package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/presently/presently/handlers"
)

const tokenHelp = `presently token makes a token, to try things with. It goes to stdout, alone.

  TOKEN=$(presently token --sub ada --name Ada)

  --sub       the user; needed
  --name      shown to others
  --avatar    shown to others, the URL of a picture
  --scope     what it grants (presence:read presence:write); there are presence:stats and presence:admin, too
  --rooms     which rooms it grants, as a list of names and globs such as team-*; none: all
  --ttl       how long it is good (1h)

It is signed with PRESENTLY_JWT_SECRET, for PRESENTLY_JWT_ISSUER and PRESENTLY_JWT_AUDIENCE where these are set, as the
server knows them. What is signed with a private key only its owner can make.
`

// grant is what a token says.
type grant struct {
	user, name, avatar string
	scope              string
	rooms              []string // nil: all
	lasts              time.Duration
}

// issuer makes the tokens that a verifier of the same configuration believes.
type issuer struct {
	method jwt.SigningMethod
	config handlers.TokenConfig
}

// newIssuer signs with the first algorithm that takes a secret.
func newIssuer(c handlers.TokenConfig) issuer {
	method := "HS256"
	if i := slices.IndexFunc(c.Algorithms, func(name string) bool { return strings.HasPrefix(name, "HS") }); i >= 0 {
		method = c.Algorithms[i]
	}
	return issuer{jwt.GetSigningMethod(method), c}
}

func (i issuer) issue(g grant) (string, error) {
	now := time.Now()
	claims := jwt.MapClaims{"sub": g.user, "scope": g.scope, "iat": now.Unix(), "exp": now.Add(g.lasts).Unix()}
	profile := map[string]string{}
	for name, value := range map[string]string{"name": g.name, "avatar": g.avatar} {
		if value != "" {
			profile[name] = value
		}
	}
	if len(profile) > 0 {
		claims["profile"] = profile
	}
	if g.rooms != nil {
		claims["rooms"] = g.rooms
	}
	if i.config.Issuer != "" {
		claims["iss"] = i.config.Issuer
	}
	if i.config.Audience != "" {
		claims["aud"] = i.config.Audience
	}
	token, err := jwt.NewWithClaims(i.method, claims).SignedString(i.config.Secret)
	if err != nil {
		return "", fmt.Errorf("sign the token: %w", err)
	}
	return token, nil
}

// runToken prints a token, after making sure that the server would take it.
func runToken(args, environ []string, stdout io.Writer) error {
	fs := flag.NewFlagSet("token", flag.ContinueOnError)
	var g grant
	fs.StringVar(&g.user, "sub", "", "")
	fs.StringVar(&g.name, "name", "", "")
	fs.StringVar(&g.avatar, "avatar", "", "")
	fs.StringVar(&g.scope, "scope", handlers.ScopeRead+" "+handlers.ScopeWrite, "")
	rooms := fs.String("rooms", "", "")
	fs.DurationVar(&g.lasts, "ttl", time.Hour, "")
	r, err := gather(fs, args, environ, "JWT_SECRET", "JWT_ALGORITHMS", "JWT_ISSUER", "JWT_AUDIENCE")
	if errors.Is(err, flag.ErrHelp) {
		_, err = io.WriteString(stdout, tokenHelp)
		return err
	}
	if err := errors.Join(err, r.err()); err != nil {
		return err
	}
	if *rooms != "" {
		g.rooms = strings.Split(*rooms, ",")
	}
	token, err := r.issueChecked(g)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(stdout, token)
	return err
}

// issuerConfig is what the server believes that is signed with the secret: algorithms of public keys are of no use to an issuer without the private
// ones.
func (r *reader) issuerConfig() handlers.TokenConfig {
	c := handlers.TokenConfig{
		Secret: []byte(r.text("JWT_SECRET")), Algorithms: r.list("JWT_ALGORITHMS"),
		Issuer: r.text("JWT_ISSUER"), Audience: r.text("JWT_AUDIENCE"),
	}
	isSecret := func(name string) bool { return strings.HasPrefix(name, "HS") }
	if slices.ContainsFunc(c.Algorithms, isSecret) {
		c.Algorithms = slices.DeleteFunc(c.Algorithms, func(name string) bool { return !isSecret(name) })
	}
	return c
}

func (r *reader) issueChecked(g grant) (string, error) {
	c := r.issuerConfig()
	if g.user == "" {
		return "", usagef("say whom the token is for: presently token --sub ada")
	}
	if len(c.Secret) == 0 {
		return "", usagef("PRESENTLY_JWT_SECRET is not set: set it to the server's; a server in development prints a token when it starts")
	}
	for scope := range strings.FieldsSeq(g.scope) {
		if handlers.ParseScopes(scope) == 0 {
			return "", usagef("--scope: there is no scope %q", scope)
		}
	}
	v, err := handlers.NewVerifier(c)
	if err != nil {
		r.tokenProblems(err)
		return "", r.err()
	}
	token, err := newIssuer(c).issue(g)
	if err != nil {
		return "", err
	}
	if _, err := v.Verify(token); err != nil {
		return "", usagef("the server would refuse it: %v", err)
	}
	return token, nil
}
