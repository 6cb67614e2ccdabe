package webhook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

const (
	answerKept  = 64 << 10 // of an answer is read, so that the connection can be used again
	answerHeads = 16 << 10
)

// poster makes single requests.
type poster struct {
	url     string
	keys    [][]byte
	agent   string
	timeout time.Duration
	client  *http.Client
}

func newPoster(o Options) *poster {
	transport := o.Transport
	if transport == nil {
		t := http.DefaultTransport.(*http.Transport).Clone() // with the proxies of the environment
		t.MaxIdleConnsPerHost, t.MaxResponseHeaderBytes = o.Outbox.Lanes()*abreast, answerHeads
		transport = t
	}
	return &poster{
		url: o.URL, keys: o.Keys, agent: o.Agent, timeout: o.Lease * 2 / 3,
		client: &http.Client{
			Transport: transport,
			// What is signed for one address is not for another.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

func (p *poster) close() { p.client.CloseIdleConnections() }

// refusal is an answer that is not 2xx.
type refusal struct {
	status int
	after  time.Duration // that it asked for
}

func (r *refusal) Error() string { return fmt.Sprintf("the answer is %d", r.status) }

// deliver posts a body once. No error has the address, which may hold a password.
func (p *poster) deliver(ctx context.Context, id string, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, bytes.NewReader(body))
	if err != nil {
		return withoutURL(err)
	}
	at := time.Now()
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", p.agent)
	request.Header.Set("webhook-id", id)
	request.Header.Set("webhook-timestamp", strconv.FormatInt(at.Unix(), 10))
	request.Header.Set("webhook-signature", signature(p.keys, id, at, body))
	response, err := p.client.Do(request)
	if err != nil {
		return withoutURL(err)
	}
	defer response.Body.Close()
	_, _ = io.CopyN(io.Discard, response.Body, answerKept) // whatever it says, the status counts
	if response.StatusCode/100 == 2 {
		return nil
	}
	return &refusal{response.StatusCode, asksFor(response.Header.Get("Retry-After"), at)}
}

func withoutURL(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}

// asksFor reads Retry-After, which is a number of seconds or a date.
func asksFor(value string, now time.Time) time.Duration {
	if n, err := strconv.Atoi(value); err == nil && n > 0 {
		return time.Duration(min(n, int(mostAsked/time.Second))) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return min(max(0, at.Sub(now)), mostAsked)
	}
	return 0
}
