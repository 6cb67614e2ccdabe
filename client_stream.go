package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	streamSilence = 45 * time.Second // a comment comes every 15 s: three that are missing are a stream that is dead
	streamRetry   = 3 * time.Second  // until the server has said something else
	mostRetry     = 30 * time.Second
	lineSize      = 16 << 20
)

// event is one of a stream.
type event struct {
	name, id, data string
}

var errStreamDead = errors.New("nothing has been heard for too long")

// subscriber reads a stream for as long as it may, over as many connections as that takes, as the standard has it: it comes back after what the
// server said last (retry:), with the id of the last event.
type subscriber struct {
	server *remote
	path   string
	lastID string
	retry  time.Duration
	fails  int // since the last event
}

func newSubscriber(server *remote, path string) *subscriber {
	return &subscriber{server: server, path: path, retry: streamRetry}
}

// run tells hear of each event, and paused of each end with how long it waits, until ctx ends, hear returns an error, or coming back is pointless.
func (s *subscriber) run(ctx context.Context, hear func(event) error, paused func(why error, wait time.Duration)) error {
	for {
		err := s.connect(ctx, hear)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil && !mayComeAgain(err) {
			return err
		}
		wait := s.wait(err)
		paused(err, wait)
		if !sleep(ctx, wait) {
			return nil
		}
	}
}

// heardError is one of whoever hears, which ends all.
type heardError struct{ error }

// finalError is a refusal that came as an event.
type finalError struct{ error }

func mayComeAgain(err error) bool {
	if e, ok := errors.AsType[*refusal](err); ok {
		return e.status >= 500 || e.status == http.StatusTooManyRequests || e.status == http.StatusRequestTimeout || e.after > 0
	}
	var heard heardError
	var final finalError
	return !errors.As(err, &heard) && !errors.As(err, &final)
}

// wait is how long to wait before the next connection: what the server asked for, and longer where it does not get better.
func (s *subscriber) wait(err error) time.Duration {
	if e, ok := errors.AsType[*refusal](err); ok && e.after > 0 {
		return e.after + rand.N(time.Second)
	}
	s.fails++
	return min(s.retry<<min(s.fails-1, 4), max(s.retry, mostRetry))
}

// connect reads one connection to its end. A stream that ends in order is no error.
func (s *subscriber) connect(ctx context.Context, hear func(event) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watchdog := time.AfterFunc(streamSilence, func() { cancel(errStreamDead) })
	defer watchdog.Stop()
	header := http.Header{"Accept": {"text/event-stream"}}
	if s.lastID != "" {
		header.Set("Last-Event-ID", s.lastID)
	}
	response, err := s.server.send(ctx, http.MethodGet, s.path, nil, header)
	if err != nil {
		return deadOr(ctx, err)
	}
	defer response.Body.Close()
	if kind := response.Header.Get("Content-Type"); !strings.HasPrefix(kind, "text/event-stream") {
		return finalError{fmt.Errorf("the answer is %q and no stream: is something else at this address?", plain(kind))}
	}
	err = readEvents(alive{response.Body, watchdog}, func(e event, retry time.Duration) error {
		if retry > 0 {
			s.retry = retry
		}
		if e.id != "" {
			s.lastID = e.id
		}
		if e.name == "" {
			return nil
		}
		s.fails = 0
		if e.name == "problem" {
			return problemOf(e)
		}
		if err := hear(e); err != nil {
			return heardError{err}
		}
		return nil
	})
	return deadOr(ctx, err)
}

// problemOf is the error that an event tells.
func problemOf(e event) error {
	r := &refusal{}
	if err := json.Unmarshal([]byte(e.data), &r.problem); err != nil {
		return finalError{err}
	}
	r.status = int(r.problem.Status)
	if r.problem.Final != nil && *r.problem.Final {
		return finalError{r}
	}
	return fmt.Errorf("%s", r)
}

func deadOr(ctx context.Context, err error) error {
	if errors.Is(context.Cause(ctx), errStreamDead) {
		return errStreamDead
	}
	return err
}

// alive keeps the watchdog quiet while bytes come.
type alive struct {
	io.Reader
	watchdog *time.Timer
}

func (a alive) Read(p []byte) (int, error) {
	n, err := a.Reader.Read(p)
	a.watchdog.Reset(streamSilence)
	return n, err
}

// readEvents reads a stream (WHATWG, 9.2.6) to its end. hear is told of each event, and with an empty name of a retry: or an id: that came without
// one.
func readEvents(r io.Reader, hear func(e event, retry time.Duration) error) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 64<<10), lineSize)
	lines.Split(splitLines)
	var e event
	var retry time.Duration
	var data []string
	for first := true; lines.Scan(); first = false {
		line := lines.Text()
		if first {
			line = strings.TrimPrefix(line, "\ufeff")
		}
		if line == "" {
			if e.data = strings.Join(data, "\n"); data == nil {
				e.name = ""
			} else if e.name == "" {
				e.name = "message"
			}
			if err := hear(e, retry); err != nil {
				return err
			}
			e, retry, data = event{}, 0, nil
			continue
		}
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "event":
			e.name = value
		case "data":
			data = append(data, value)
		case "id":
			if !strings.ContainsRune(value, 0) {
				e.id = value
			}
		case "retry":
			if ms, err := strconv.ParseUint(value, 10, 31); err == nil {
				retry = time.Duration(ms) * time.Millisecond
			}
		}
	}
	return lines.Err()
}

// splitLines ends a line with \n, \r\n or \r.
func splitLines(text []byte, atEnd bool) (advance int, line []byte, err error) {
	i := bytes.IndexAny(text, "\r\n")
	switch {
	case i < 0:
		return 0, nil, nil // half a line at the end does not count
	case text[i] == '\n':
		return i + 1, text[:i], nil
	case i+1 < len(text) && text[i+1] == '\n':
		return i + 2, text[:i], nil
	case i+1 < len(text) || atEnd:
		return i + 1, text[:i], nil
	}
	return 0, nil, nil // a \n may follow
}

// streamPath is the path of a stream of users and rooms.
func streamPath(users, rooms []string) string {
	var q []string
	for _, u := range users {
		q = append(q, "user="+url.QueryEscape(u))
	}
	for _, room := range rooms {
		q = append(q, "room="+url.QueryEscape(room))
	}
	return "/v1/stream?" + strings.Join(q, "&")
}
