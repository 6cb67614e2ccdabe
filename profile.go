//go:build profile

package main

import (
	"log"
	"net/http"
	_ "net/http/pprof" //nolint:gosec // that is what this build is for
	"os"
)

// A build with `-tags profile` serves pprof at PRESENTLY_PROFILE, for bench: no other build has it.
func init() {
	if addr := os.Getenv("PRESENTLY_PROFILE"); addr != "" {
		go func() { log.Println(http.ListenAndServe(addr, nil)) }() //nolint:gosec // on loopback, for a minute
	}
}
