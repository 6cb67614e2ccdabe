//go:build race

// Package racing tells tests whether the race detector runs: it allocates where the product does not, so that nothing can be counted.
package racing

// Enabled is whether the race detector runs.
const Enabled = true
