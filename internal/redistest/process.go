package redistest

import (
	"fmt"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// process is a child that ends when this test binary does.
type process struct {
	cmd  *exec.Cmd
	pid  int
	done chan struct{} // closed when the process has been reaped
	err  error         // how it ended; read after done
}

// begin starts cmd. The kernel's "signal on parent death" means the death of
// the thread that forked, and Go ends threads whose goroutine is locked to
// them; so one goroutine forks, holds its thread and waits for the child.
func begin(cmd *exec.Cmd) (*process, error) {
	p := &process{cmd: cmd, done: make(chan struct{})}
	dieWithParent(cmd)
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends after the child
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		p.err = cmd.Wait()
		close(p.done)
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	p.pid = cmd.Process.Pid
	return p, nil
}

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// signal goes through os.Process, which knows when the child was reaped: a
// bare kill(pid) could hit a stranger who got the number since.
func (p *process) signal(sig syscall.Signal) error {
	if p.ended() {
		return fmt.Errorf("process %d has ended: %v", p.pid, p.err)
	}
	return p.cmd.Process.Signal(sig)
}

// end signals the process and returns when it has been reaped; one that has
// not ended after limit, such as a frozen one asked politely, is killed.
func (p *process) end(sig syscall.Signal, limit time.Duration) {
	_ = p.signal(sig) // it may have ended by itself
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-p.done:
	case <-timer.C:
		_ = p.signal(syscall.SIGKILL)
		<-p.done
	}
}
