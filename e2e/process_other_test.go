//go:build !linux

package e2e

import "os/exec"

// dieWithUs does nothing where the kernel offers nothing like it.
func dieWithUs(*exec.Cmd) {}
