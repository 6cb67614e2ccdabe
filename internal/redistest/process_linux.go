package redistest

import (
	"os/exec"
	"syscall"
)

// dieWithParent also puts the child into a process group of its own: an
// interrupt typed at the terminal then reaches the test, which ends the child.
func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
