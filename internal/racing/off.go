//go:build !race

package racing

// Enabled is whether the race detector runs.
const Enabled = false
