package redistest_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/presently/presently/internal/redistest"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestServerAnswersAndEndsWithItsTest(t *testing.T) {
	var s *redistest.Server
	t.Run("inner", func(t *testing.T) {
		s = redistest.Start(t)
		if err := s.Client(t).Set(t.Context(), "k", "v", 0).Err(); err != nil {
			t.Fatal(err)
		}
	})
	if alive(s.Pid()) {
		t.Errorf("server %d lives after its test", s.Pid())
	}
}

func TestServerListensOnLoopbackAlone(t *testing.T) {
	s := redistest.Start(t)
	bind, err := s.Client(t).ConfigGet(t.Context(), "bind").Result()
	if err != nil || bind["bind"] != "127.0.0.1" {
		t.Errorf("bind = %v, %v; want 127.0.0.1", bind, err)
	}
}

func TestRestartKeepsTheAddressAndOnlyWhatWasOnDisk(t *testing.T) {
	for _, tc := range []struct {
		name    string
		args    []string
		restart func(*redistest.Server)
		want    int64
	}{
		{"memory only", nil, func(s *redistest.Server) { s.Kill(); s.Restart() }, 0},
		{"append-only file", []string{"--appendonly", "yes", "--appendfsync", "always"}, func(s *redistest.Server) { s.Kill(); s.Restart() }, 1},
		{"stopped with its file", []string{"--appendonly", "yes"}, func(s *redistest.Server) { s.Stop(); s.Restart() }, 1},
		{"without saying end", []string{"--appendonly", "yes", "--appendfsync", "always"}, func(s *redistest.Server) { s.Restart() }, 1},
		{"emptied", []string{"--appendonly", "yes"}, func(s *redistest.Server) { s.RestartEmpty() }, 0},
		{"other arguments", nil, func(s *redistest.Server) { s.Restart("--maxmemory", "100mb") }, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := redistest.Start(t, tc.args...)
			addr, pid := s.Addr(), s.Pid()
			must(t, s.Client(t).Set(t.Context(), "k", "v", 0).Err())
			tc.restart(s)
			if s.Addr() != addr || s.Pid() == pid {
				t.Errorf("restart: %s as %d, want %s as another than %d", s.Addr(), s.Pid(), addr, pid)
			}
			got, err := s.Client(t).Exists(t.Context(), "k").Result()
			if err != nil || got != tc.want {
				t.Errorf("keys left = %d, %v; want %d", got, err, tc.want)
			}
		})
	}
}

// An old backup is the nastiest loss: keys are there, and wrong.
func TestRestartAfterSaveBringsBackTheMomentOfTheSave(t *testing.T) {
	s := redistest.Start(t)
	c, ctx := s.Client(t), t.Context()
	must(t, c.Set(ctx, "k", "old", 0).Err())
	must(t, c.Save(ctx).Err())
	must(t, c.Set(ctx, "k", "new", 0).Err())
	s.Kill()
	s.Restart()
	if got, err := s.Client(t).Get(ctx, "k").Result(); got != "old" {
		t.Errorf("k = %q, %v; want old", got, err)
	}
}

func TestFrozenServerIsSilentAndGoesOnAfterThaw(t *testing.T) {
	s := redistest.Start(t)
	c := s.Client(t)
	must(t, c.Set(t.Context(), "k", "v", 0).Err())
	s.Freeze()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := c.Get(ctx, "k").Err(); err == nil {
		t.Error("a frozen server answered")
	}
	s.Thaw()
	if got, err := c.Get(t.Context(), "k").Result(); got != "v" {
		t.Errorf("after thaw k = %q, %v; want v", got, err)
	}
}

func TestFrozenServerStillEndsWithItsTest(t *testing.T) {
	var s *redistest.Server
	t.Run("inner", func(t *testing.T) {
		s = redistest.Start(t)
		s.Freeze()
	})
	if alive(s.Pid()) {
		t.Errorf("frozen server %d lives after its test", s.Pid())
	}
}

func TestPasswordReachesURLAndClient(t *testing.T) {
	s := redistest.Start(t, "--requirepass", "pa/ss")
	must(t, s.Client(t).Ping(t.Context()).Err())
	if want := "redis://:pa%2Fss@" + s.Addr(); s.URL() != want {
		t.Errorf("URL = %s, want %s", s.URL(), want)
	}
}

func TestCommandStatsCountOnlyTheCallersCommands(t *testing.T) {
	s := redistest.Start(t)
	c, ctx := s.Client(t), t.Context()
	before := s.CommandStats(ctx)
	for range 3 {
		must(t, c.Set(ctx, "k", "v", 0).Err())
	}
	after := s.CommandStats(ctx)
	if got := after["set"].Calls - before["set"].Calls; got != 3 {
		t.Errorf("set calls = %d, want 3", got)
	}
	for name := range after {
		if !slices.Contains([]string{"ping", "hello", "set", "info"}, name) { // PING is how Start waits
			t.Errorf("unasked command %q in %v", name, after)
		}
	}
}

func TestCPUGrowsWithWork(t *testing.T) {
	s := redistest.Start(t)
	before := s.CPU(t.Context())
	const spin = "local x = 0 for i = 1, 5000000 do x = x + i end return x"
	must(t, s.Client(t).Eval(t.Context(), spin, nil).Err())
	if after := s.CPU(t.Context()); after <= before {
		t.Errorf("CPU = %v after work, %v before", after, before)
	}
}

func TestServersOfOneTestHaveTheirOwnPorts(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 5 {
		s := redistest.Start(t)
		if seen[s.Addr()] {
			t.Errorf("%s given twice", s.Addr())
		}
		seen[s.Addr()] = true
	}
}

// A killed test binary runs no cleanup. Servers that outlived it would pile up
// on a developer's machine, each with a port.
func TestKilledTestBinaryLeavesNoServer(t *testing.T) {
	const child = "REDISTEST_CHILD"
	if os.Getenv(child) != "" {
		fmt.Printf("pid %d\n", redistest.Start(t).Pid())
		<-t.Context().Done() // never: the parent kills us
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), child+"=1")
	stdout, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	var pid int
	_, err = fmt.Fscanf(bufio.NewReader(stdout), "pid %d", &pid)
	must(t, cmd.Process.Kill())
	_ = cmd.Wait() // says that it was killed
	must(t, err)
	deadline := time.Now().Add(5 * time.Second)
	for alive(pid) {
		if time.Now().After(deadline) {
			t.Fatalf("server %d outlives the test binary", pid)
		}
		runtime.Gosched()
	}
}

func TestMissingServerSaysWhatToDo(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	rec := &recorder{TB: t}
	done := make(chan struct{})
	go func() { // Fatal ends its goroutine
		defer close(done)
		redistest.Start(rec)
	}()
	<-done
	if !strings.Contains(rec.fatal, "make setup") {
		t.Errorf("message = %q, want it to name make setup", rec.fatal)
	}
}

// recorder keeps what would have failed the test.
type recorder struct {
	testing.TB
	fatal string
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.fatal = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// alive is false of a process that is gone or only waits to be reaped by init.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(stat), ") Z ")
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
