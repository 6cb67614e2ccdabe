package handlers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	keysEvery    = 5 * time.Minute  // how long a key is believed that its provider has withdrawn
	keysApart    = 10 * time.Second // least time between two fetches that tokens ask for: strangers can make as many kids as they like
	keysTimeout  = 5 * time.Second  // of one fetch, from the first byte asked to the last one read
	keysSize     = 1 << 20
	keysPatience = 3 * time.Second // of a request whose token names a key that is being fetched
	keysWaiting  = 100             // requests that wait so at a time; the others come again
	keysRetry    = time.Second     // after the first fetch that fails; doubled each time, up to keysRetryMost
	keysMostWait = time.Minute
)

// keySet are the keys that an identity provider publishes as a JWKS: kept, fetched anew now and then, and when a token comes that was signed with
// one that is not known yet. So a provider may change keys without telling us, and the first token of a new key is believed.
//
// What is kept stays, while fetching fails: else nobody would be let in because the provider is away. The set is replaced as a whole, so that a key which
// is not in it any more is not believed any more.
type keySet struct {
	url      string
	accepted []string // algorithms; empty: what each key is made for
	client   *http.Client
	ask      chan struct{} // a token: fetch now
	versions atomic.Uint64 // how often the keys have become others

	mu      sync.Mutex               // guards what follows
	keys    map[string][]providedKey // by kid; nil: none were fetched yet
	text    []byte                   // that they were read from
	failed  bool                     // the last fetch
	last    time.Time                // when it began
	round   chan struct{}            // closed when the fetch that is under way, or asked for, has ended; nil: none is
	waiting int
}

// newKeySet makes a set that is empty until it runs.
func newKeySet(address string, accepted []string) (*keySet, error) {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http" || u.Fragment != "":
		return nil, errors.New("it is no address: write it like https://id.example.org/.well-known/jwks.json")
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return nil, errors.New("it must be https: whoever is on the way could give out keys of his own")
	}
	return &keySet{url: address, accepted: accepted, client: keysClient(), ask: make(chan struct{}, 1)}, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// keysClient follows nobody elsewhere: the address that was configured is the one that is trusted.
func keysClient() *http.Client {
	return &http.Client{
		Timeout:       keysTimeout,
		Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true, ForceAttemptHTTP2: true, MaxResponseHeaderBytes: 64 << 10},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// run fetches until ctx ends.
func (s *keySet) run(ctx context.Context, log *slog.Logger) {
	for failures := 0; ; {
		changed, unfit, err := s.refresh(ctx)
		wait := jitter(keysEvery, 0.1)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			wait = min(keysRetry<<min(failures, 10), keysMostWait)
			failures++
			log.Warn("the keys of tokens cannot be fetched; those that there are stay", "error", err, "keys", s.size(), "next", wait.String())
		default:
			failures = 0
		}
		if changed {
			log.Info("keys of tokens fetched", "keys", s.size())
			for _, why := range unfit {
				log.Warn("a key of the JWKS is not used: " + why)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-s.ask:
		case <-time.After(wait):
		}
	}
}

// refresh fetches the set once, and lets those know who wait for it.
func (s *keySet) refresh(ctx context.Context) (changed bool, unfit []string, err error) {
	s.mu.Lock()
	s.last = time.Now()
	select {
	case <-s.ask: // that is this one
	default:
	}
	if s.round == nil {
		s.round = make(chan struct{})
	}
	s.mu.Unlock()

	text, err := s.fetch(ctx)
	var keys map[string][]providedKey
	if err == nil {
		keys, unfit, err = parseKeys(text, s.accepted)
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.round)
	s.round = nil
	if s.failed = err != nil; s.failed {
		return false, nil, err
	}
	changed = !bytes.Equal(text, s.text)
	s.keys, s.text = keys, text
	if changed {
		s.versions.Add(1)
	}
	return changed, unfit, nil
}

// fetch reads the document. Errors do not repeat the address, which may hold a password.
func (s *keySet) fetch(ctx context.Context) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
	if err != nil {
		return nil, errors.New("no address")
	}
	request.Header.Set("Accept", "application/jwk-set+json, application/json")
	response, err := s.client.Do(request)
	if e, ok := errors.AsType[*url.Error](err); ok {
		return nil, e.Err
	}
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the answer is %s", response.Status)
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, keysSize+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("the answer breaks off: %w", err)
	case len(text) > keysSize:
		return nil, fmt.Errorf("the answer is longer than %d bytes", keysSize)
	}
	return text, nil
}

// find is the keys of an id that may have signed with an algorithm. A token without kid has been signed with a key without one.
func (s *keySet) find(ctx context.Context, kid, algorithm string) ([]any, error) {
	keys, known := s.known(kid)
	if !known {
		if err := s.await(ctx); err != nil {
			return nil, err
		}
		if keys, known = s.known(kid); !known {
			return nil, s.unknown()
		}
	}
	var found []any
	for _, k := range keys {
		if slices.Contains(k.algorithms, algorithm) {
			found = append(found, k.key)
		}
	}
	return found, nil
}

func (s *keySet) known(kid string) ([]providedKey, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	keys, known := s.keys[kid]
	return keys, known
}

// await waits until the set has been fetched anew. Where that may not be yet, whoever asks is to come again.
func (s *keySet) await(ctx context.Context) error {
	round, err := s.join()
	if err != nil {
		return err
	}
	defer s.leave()
	limit := time.NewTimer(keysPatience)
	defer limit.Stop()
	select {
	case <-round:
		return nil
	case <-limit.C:
		return keyNotYet(keysPatience)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// join takes part in the fetch that is under way, or asks for one, unless the last was a moment ago.
func (s *keySet) join() (round chan struct{}, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch rest := keysApart - time.Since(s.last); {
	case s.waiting >= keysWaiting:
		return nil, keyNotYet(keysPatience)
	case s.round == nil && rest > 0:
		return nil, keyNotYet(rest)
	case s.round == nil:
		s.round = make(chan struct{})
		nudge(s.ask)
	}
	s.waiting++
	return s.round, nil
}

func (s *keySet) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting--
}

// unknown says that a key is not there, after looking just now.
func (s *keySet) unknown() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed {
		return keyNotYet(keysApart)
	}
	return badToken(`its "kid" names no key of the issuer`)
}

// version changes with the keys.
func (s *keySet) version() uint64 {
	if s == nil {
		return 0
	}
	return s.versions.Load()
}

// fetched reports whether there are keys.
func (s *keySet) fetched() bool { return s.size() > 0 }

func (s *keySet) size() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.keys)
}

// keyUnknownError is a token that may be good: its key is not known here yet. It is refused as any other, as nothing is proved, but its bearer
// may come again with it. A 503 would let a stranger who invents kids look like a server that is failing.
type keyUnknownError struct{ after time.Duration }

func keyNotYet(after time.Duration) error { return &keyUnknownError{after} }

func (e *keyUnknownError) Error() string { return "the key that its kid names is not known yet" }

func (e *keyUnknownError) Unwrap() error { return errTokenInvalid }
