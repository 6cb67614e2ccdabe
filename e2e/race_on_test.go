//go:build race

package e2e

// raced: the tests have the race detector, so the program gets it too.
const raced = true
