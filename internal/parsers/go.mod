// Readers of event streams that others wrote, in a module of their own: they read what Presently writes, and must agree about it.
module github.com/presently/presently/internal/parsers

go 1.26.0

require (
	github.com/launchdarkly/eventsource v1.11.0
	github.com/r3labs/sse/v2 v2.10.0
	github.com/tmaxmax/go-sse v0.11.0
	gopkg.in/cenkalti/backoff.v1 v1.1.0
)

require golang.org/x/net v0.62.0 // indirect
