package handlers

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"github.com/presently/presently/internal/contract"
)

// TestMain sees to it, where all tests were run, that they have asked for every operation of the contract and seen every event.
func TestMain(m *testing.M) {
	code := m.Run()
	if code == 0 && whole() {
		c := contract.Load(mute{})
		for _, id := range c.Uncovered() {
			fmt.Println("no test has asked for the operation", id)
			code = 1
		}
		for _, name := range c.UncoveredEvents() {
			fmt.Println("no test has seen the event", name)
			code = 1
		}
	}
	os.Exit(code)
}

func whole() bool {
	for _, name := range []string{"run", "skip", "fuzz", "list", "bench"} {
		if f := flag.Lookup("test." + name); f != nil && f.Value.String() != "" {
			return false
		}
	}
	return true
}

// mute is the testing.TB of no test: there is none any more.
type mute struct{ testing.TB }

func (mute) Helper()                      {}
func (mute) Fatalf(f string, args ...any) { panic(fmt.Sprintf(f, args...)) }
