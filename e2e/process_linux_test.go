package e2e

import (
	"os/exec"
	"syscall"
)

// dieWithUs ends the child when the thread that forked it ends, which is when the tests are killed.
func dieWithUs(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
