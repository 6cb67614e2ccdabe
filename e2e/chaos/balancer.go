package chaos

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	askEvery   = 200 * time.Millisecond // about readiness
	askLimit   = time.Second
	dialLimit  = time.Second
	openLimit  = 5 * time.Second // for the head of a stream
	mostTries  = 3
	mostBody   = 1 << 20
	bytesAHold = 32 << 10

	triesHeader = "X-Tries" // of an answer: how many instances were asked, where more than one
)

// Balancer is a load balancer as deploy/nginx describes one: round robin over the instances that are ready; what was not answered is tried at another one
// where it may be repeated. It answers nothing by itself: where no instance does, it breaks the connection.
type Balancer struct {
	URL     string
	Retries atomic.Int64 // requests that another instance was asked for
	Broken  atomic.Int64 // requests that nobody answered

	tryLimit  time.Duration // for an answer to anything but a stream
	transport *http.Transport
	server    *http.Server
	stop      context.CancelFunc
	done      sync.WaitGroup

	mu    sync.Mutex // guards what follows
	slots []*backend
	turn  int
}

type backend struct {
	url   string
	ready atomic.Bool
}

// NewBalancer serves on loopback until Close. An instance has tryLimit to answer before another one is asked.
func NewBalancer(tryLimit time.Duration) (*Balancer, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	b := &Balancer{
		URL: "http://" + l.Addr().String(), tryLimit: tryLimit, stop: stop,
		transport: &http.Transport{
			DialContext:         (&net.Dialer{Timeout: dialLimit}).DialContext,
			MaxIdleConnsPerHost: 128, IdleConnTimeout: 30 * time.Second, DisableCompression: true,
		},
	}
	b.server = &http.Server{Handler: b, ReadHeaderTimeout: 10 * time.Second, BaseContext: func(net.Listener) context.Context { return ctx }}
	b.done.Go(func() { _ = b.server.Serve(l) })
	b.done.Go(func() { b.watch(ctx) })
	return b, nil
}

// Close cuts everything.
func (b *Balancer) Close() {
	b.stop()
	_ = b.server.Close()
	b.done.Wait()
	b.transport.CloseIdleConnections()
}

// Set puts an instance into a slot; without a URL the slot is empty. It gets requests once it says that it is ready.
func (b *Balancer) Set(slot int, url string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.slots) <= slot {
		b.slots = append(b.slots, nil)
	}
	b.slots[slot] = nil
	if url != "" {
		b.slots[slot] = &backend{url: url}
	}
}

// Ready is how many instances get requests.
func (b *Balancer) Ready() int { return len(b.candidates(true)) }

// candidates are the instances to ask, the next one in turn first.
func (b *Balancer) candidates(ready bool) []*backend {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.turn++
	var out []*backend
	for i := range b.slots {
		if s := b.slots[(b.turn+i)%len(b.slots)]; s != nil && (!ready || s.ready.Load()) {
			out = append(out, s)
		}
	}
	return out
}

func (b *Balancer) watch(ctx context.Context) {
	asking := map[*backend]bool{}
	var mu sync.Mutex // guards asking
	for ctx.Err() == nil {
		for _, s := range b.candidates(false) {
			mu.Lock()
			busy := asking[s]
			asking[s] = true
			mu.Unlock()
			if busy {
				continue
			}
			b.done.Go(func() {
				s.ready.Store(b.isReady(ctx, s))
				mu.Lock()
				defer mu.Unlock()
				delete(asking, s)
			})
		}
		select {
		case <-ctx.Done():
		case <-time.After(askEvery):
		}
	}
}

func (b *Balancer) isReady(ctx context.Context, s *backend) bool {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/readyz", nil)
	if err != nil {
		return false
	}
	response, err := b.transport.RoundTrip(r)
	if err != nil {
		return false
	}
	_, _ = io.Copy(io.Discard, response.Body)
	response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// ServeHTTP implements http.Handler.
func (b *Balancer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, mostBody))
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	response, cancel, err := b.ask(r, body)
	if err != nil {
		if r.Context().Err() == nil {
			b.Broken.Add(1)
		}
		panic(http.ErrAbortHandler)
	}
	defer cancel()
	defer response.Body.Close()
	maps.Copy(w.Header(), response.Header)
	w.Header().Del("Connection")
	w.WriteHeader(response.StatusCode)
	if pass(w, response.Body) != nil {
		panic(http.ErrAbortHandler)
	}
}

// pass copies a body as it comes.
func pass(w http.ResponseWriter, body io.Reader) error {
	flusher := http.NewResponseController(w)
	buffer := make([]byte, bytesAHold)
	for {
		n, err := body.Read(buffer)
		if n > 0 {
			if _, err := w.Write(buffer[:n]); err != nil {
				return err
			}
			if err := flusher.Flush(); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}

// ask asks instances, one after the other, until one answers.
func (b *Balancer) ask(r *http.Request, body []byte) (*http.Response, context.CancelFunc, error) {
	tries := http.Header{}
	candidates := b.candidates(true)
	if len(candidates) == 0 {
		candidates = b.candidates(false) // better than nobody
	}
	last := errors.New("there are no instances")
	for n, s := range candidates[:min(len(candidates), mostTries)] {
		if n > 0 {
			b.Retries.Add(1)
			tries.Set(triesHeader, strconv.Itoa(n+1))
		}
		response, cancel, err := b.try(r, s, body)
		switch {
		case err == nil && response.StatusCode == http.StatusServiceUnavailable && repeatable(r) && n+1 < min(len(candidates), mostTries):
			response.Body.Close()
			cancel()
		case err == nil:
			maps.Copy(response.Header, tries)
			return response, cancel, nil
		case r.Context().Err() != nil:
			return nil, nil, err
		default:
			s.ready.Store(false) // until it says otherwise
			last = err
			var dial *net.OpError
			if !repeatable(r) && !(errors.As(err, &dial) && dial.Op == "dial") {
				return nil, nil, err
			}
		}
	}
	return nil, nil, last
}

func (b *Balancer) try(r *http.Request, s *backend, body []byte) (*http.Response, context.CancelFunc, error) {
	ctx, cancel := context.WithCancel(r.Context())
	limit := b.tryLimit
	if r.URL.Path == "/v1/stream" {
		limit = openLimit
	}
	late := time.AfterFunc(limit, cancel)
	out, err := http.NewRequestWithContext(ctx, r.Method, s.url+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		cancel()
		return nil, nil, err
	}
	out.Header = r.Header.Clone()
	out.Header.Del("Connection")
	response, err := b.transport.RoundTrip(out)
	if err != nil {
		cancel()
		return nil, nil, err
	}
	if !late.Stop() {
		cancel()
		response.Body.Close()
		return nil, nil, fmt.Errorf("no answer within %v", limit)
	}
	return response, cancel, nil
}

// repeatable says what may be sent twice: see deploy/nginx.
func repeatable(r *http.Request) bool {
	switch r.Method {
	case http.MethodPost:
		return slices.ContainsFunc([]string{"/heartbeat", "/leave", "/query"}, func(end string) bool { return strings.HasSuffix(r.URL.Path, end) })
	case http.MethodPatch:
		return false
	}
	return true
}
