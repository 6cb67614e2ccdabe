package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/presently/presently/api"
)

const (
	answerSize    = 16 << 20
	answerTimeout = 10 * time.Second
)

// remote is a server as its clients see it.
type remote struct {
	base  *url.URL
	token string // of whoever asks; empty: nobody in particular
	http  *http.Client
}

// newRemote reads where the server is, and who asks.
func newRemote(r *reader) *remote {
	u, err := url.Parse(r.text("URL"))
	switch {
	case err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https":
		r.wrong("URL", "is no address: write it like https://presence.example.org")
		return nil
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		r.wrong("URL", "is more than an address: a token goes into PRESENTLY_TOKEN, never into a URL, which ends up in logs")
		return nil
	}
	u.Path = strings.TrimSuffix(u.Path, "/")
	token := strings.TrimSpace(r.text("TOKEN"))
	if strings.ContainsFunc(token, func(c rune) bool { return c <= ' ' || c > '~' }) {
		r.wrong("TOKEN", "is no token: it has characters that none has")
	}
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: 64, MaxConnsPerHost: 512, ForceAttemptHTTP2: true}
	return &remote{u, token, &http.Client{Transport: transport, CheckRedirect: sameHost}}
}

// sameHost follows nobody elsewhere: the token is for the server that was named.
func sameHost(r *http.Request, via []*http.Request) error {
	if r.URL.Host != via[0].URL.Host || r.URL.Scheme != via[0].URL.Scheme || len(via) > 5 {
		return http.ErrUseLastResponse
	}
	return nil
}

// inClear reports whether the token can be read by whoever is on the way.
func (s *remote) inClear() bool { return s.base.Scheme == "http" && !isLoopback(s.base.Hostname()) }

// as is the same server for somebody else.
func (s *remote) as(token string) *remote { return &remote{s.base, token, s.http} }

// refusal is an answer that is an error.
type refusal struct {
	status  int
	problem api.Problem // without a code where the answer is none of Presently's
	after   time.Duration
}

func (e *refusal) Error() string {
	if e.problem.Code == "" {
		return fmt.Sprintf("the answer is %d %s, and none that Presently gives: is something else at this address?", e.status, http.StatusText(e.status))
	}
	return fmt.Sprintf("%s (%s). %s", plain(e.problem.Title), plain(string(e.problem.Code)), plain(e.problem.Detail))
}

// ask sends a request and reads the answer into out, unless that is nil. A body that is text goes as such, anything else as JSON.
func (s *remote) ask(ctx context.Context, method, path string, body, out any) (http.Header, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	response, err := s.send(ctx, method, path, body, nil)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if out == nil || response.StatusCode == http.StatusNoContent {
		_, err = io.Copy(io.Discard, io.LimitReader(response.Body, answerSize))
		return response.Header, err
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, answerSize)).Decode(out); err != nil {
		return nil, fmt.Errorf("the answer cannot be read: %w", err)
	}
	return response.Header, nil
}

// send sends a request. An answer that is an error is a *refusal.
func (s *remote) send(ctx context.Context, method, path string, body any, header http.Header) (*http.Response, error) {
	var content io.Reader
	kind := "application/json"
	switch body := body.(type) {
	case nil:
	case string:
		content, kind = strings.NewReader(body), "text/plain"
	default:
		text, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		content = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, s.base.String()+path, content)
	if err != nil {
		return nil, err
	}
	for name, values := range header {
		request.Header[name] = values
	}
	request.Header.Set("User-Agent", "presently/"+versionName())
	if body != nil {
		request.Header.Set("Content-Type", kind)
	}
	if s.token != "" {
		request.Header.Set("Authorization", "Bearer "+s.token)
	}
	response, err := s.http.Do(request)
	if err != nil {
		return nil, withoutURL(err)
	}
	if response.StatusCode/100 != 2 {
		defer response.Body.Close()
		return nil, refusalOf(response)
	}
	return response, nil
}

func refusalOf(response *http.Response) *refusal {
	r := &refusal{status: response.StatusCode}
	if strings.HasPrefix(response.Header.Get("Content-Type"), "application/problem+json") {
		if json.NewDecoder(io.LimitReader(response.Body, 1<<20)).Decode(&r.problem) != nil {
			r.problem = api.Problem{}
		}
	}
	seconds, _ := strconv.Atoi(response.Header.Get("Retry-After"))
	r.after = time.Duration(min(max(seconds, 0), 3600)) * time.Second
	return r
}

// withoutURL is what went wrong with a request, without its URL, which is known.
func withoutURL(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}

// plain is a text that comes from others, made harmless for a terminal: what a terminal would act on does not get there.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, text)
}

// sleep waits, and reports false where ctx ended before.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
