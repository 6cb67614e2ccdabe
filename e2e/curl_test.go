package e2e

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/presently/presently/internal/contract"
)

// needCurl fails the test where there is no curl: a skipped test proves nothing, and nobody sees it.
func needCurl(t testing.TB) {
	t.Helper()
	if _, err := exec.LookPath("curl"); err != nil {
		t.Fatalf("these tests paste what the terminal shows, which needs curl: apt-get install curl (%v)", err)
	}
}

// bash runs a line as somebody who pasted it would, and returns what it printed.
func bash(t testing.TB, line string) string {
	t.Helper()
	var stderr strings.Builder
	cmd := exec.CommandContext(soon(t), "bash", "-c", line)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", line, err, &stderr)
	}
	return string(out)
}

// bashStream runs a line that goes on printing a stream.
func bashStream(t testing.TB, line string) *watching {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cmd := exec.CommandContext(ctx, "bash", "-c", "exec "+line)
	dieWithUs(cmd)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // as in execute
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // it is killed
		}
	}()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	w := follow(t, cancel, out)
	w.await("hello")
	w.snapshot()
	return w
}

// curl runs curl with arguments against an instance, and holds the answer against the contract.
func (i *instance) curl(method, path string, args ...string) reply {
	i.t.Helper()
	needCurl(i.t)
	cmd := exec.CommandContext(soon(i.t), "curl", append([]string{"-sS", "-i", "--raw", "-X", method, i.url + path}, args...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		i.t.Fatalf("%v: %v\n%s", cmd.Args, err, out)
	}
	request, err := http.NewRequestWithContext(i.t.Context(), method, i.url+path, http.NoBody)
	if err != nil {
		i.t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(out)), request)
	if err != nil {
		i.t.Fatalf("%v: %v\n%s", cmd.Args, err, out)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		i.t.Fatalf("%v: %v\n%s", cmd.Args, err, out)
	}
	contract.Load(i.t).CheckResponse(i.t, request, response.StatusCode, response.Header, body)
	return reply{response.StatusCode, response.Header, body}
}
