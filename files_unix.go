//go:build unix

package main

import (
	"math"
	"syscall"
)

// filesAllowed is how many files the process may have open, which Go has raised as far as it may; 0: any number, or it is not known.
func filesAllowed() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || uint64(limit.Cur) > math.MaxInt32 {
		return 0
	}
	return int(limit.Cur)
}
