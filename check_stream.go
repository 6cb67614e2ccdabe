package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/presently/presently/api"
)

const (
	firstBytes   = time.Second
	streamCheck  = 15 * time.Second
	selftestGap  = time.Second
	bufferAdvice = "switch off buffering for /v1/stream. nginx: proxy_buffering off and proxy_http_version 1.1; no gzip on text/event-stream; a CDN must let it through unbuffered. " +
		"deploy/ has tried configurations"
)

var errSeen = errors.New("seen")

// heardAt is an event and when it came.
type heardAt struct {
	event
	after time.Duration
}

// listen reads a stream until an event will do, or the time is over. It tells what came, and how the stream began.
func (c *checkup) listen(ctx context.Context, path, lastID string, enough func(event) bool) (all []heardAt, head http.Header, err error) {
	ctx, cancel := context.WithTimeout(ctx, streamCheck)
	defer cancel()
	header := http.Header{"Accept": {"text/event-stream"}}
	if lastID != "" {
		header.Set("Last-Event-ID", lastID)
	}
	start := time.Now()
	response, err := c.server.send(ctx, http.MethodGet, path, nil, header)
	if err != nil {
		return nil, nil, err
	}
	defer response.Body.Close()
	err = readEvents(response.Body, func(e event, _ time.Duration) error {
		if e.name == "" {
			return nil
		}
		all = append(all, heardAt{e, time.Since(start)})
		if enough(e) {
			return errSeen
		}
		return nil
	})
	if errors.Is(err, errSeen) {
		err = nil
	}
	return all, response.Header, err
}

// streams opens a stream, sees a change on it, and comes back to it.
func (c *checkup) streams(ctx context.Context) {
	path := "/v1/stream?user=" + url.QueryEscape(c.me.user)
	lastID, changed := "", time.Time{}
	var told time.Duration
	all, head, err := c.listen(ctx, path, "", func(e event) bool {
		if e.id != "" {
			lastID = e.id
		}
		switch e.name {
		case "snapshot":
			var part api.SnapshotEvent
			if json.Unmarshal([]byte(e.data), &part) == nil && part.Part == part.Parts {
				changed = time.Now()
				go c.server.ask(ctx, http.MethodPost, "/v1/presence/heartbeat", c.beatOf(c.me, "busy"), nil) //nolint:errcheck // that nothing comes tells
			}
		case "presence":
			told = time.Since(changed)
			return true
		}
		return false
	})
	switch {
	case len(all) == 0:
		c.found(wrong, bufferAdvice, "streams: nothing arrives (%v)", err)
		return
	case all[0].after > firstBytes:
		c.found(wrong, bufferAdvice, "streams: the first event came after %s", tenths(all[0].after))
	case told == 0:
		c.found(wrong, "see that all instances share one Redis and one PRESENTLY_PARTITIONS, and that pub/sub reaches them", "streams: a change was made and not told within %s", streamCheck)
		return
	case told > soonToldAfter:
		c.found(hint, "PRESENTLY_COALESCE is the only delay that is meant (250ms)", "streams: a change was told after %s", tenths(told))
	default:
		c.found(fine, "", "streams: the first event came after %s, a change was told after %s", tenths(all[0].after), tenths(told))
	}
	c.streamHead(head)
	if lastID == "" {
		c.found(skipped, "try again when the server has run for a while: it is not sure yet of what the store knows", "streams: coming back, as there was no id to come back with")
		return
	}
	c.resume(ctx, path, lastID)
}

func (c *checkup) streamHead(head http.Header) {
	if kind := head.Get("Content-Encoding"); kind != "" && kind != "identity" {
		c.found(wrong, "switch off compression for text/event-stream: it holds events back", "streams are compressed on the way (%s)", plain(kind))
	}
	if !strings.Contains(head.Get("Cache-Control"), "no-transform") {
		c.found(hint, "let proxies pass Cache-Control: no-transform, which keeps others from compressing", "streams: a proxy has changed Cache-Control")
	}
}

// resume comes back with the last id, as after a break of the network.
func (c *checkup) resume(ctx context.Context, path, lastID string) {
	var hello api.HelloEvent
	_, _, err := c.listen(ctx, path, lastID, func(e event) bool {
		return e.name == "hello" && json.Unmarshal([]byte(e.data), &hello) == nil
	})
	switch {
	case err != nil || hello.StreamID == "":
		c.found(wrong, "look at the server's log", "streams: coming back does not work: %v", err)
	case !hello.Resumed:
		c.found(hint, "see that proxies pass Last-Event-ID, and that all instances share one Redis", "streams: coming back with the last id begins anew")
	default:
		c.found(fine, "", "streams: coming back with the last id costs only what was missed")
	}
}

// buffers looks at when the events of the selftest arrive, which leave a second apart.
func (c *checkup) buffers(ctx context.Context) {
	all, _, err := c.listen(ctx, "/v1/stream/selftest", "", func(e event) bool {
		var s api.SelftestEvent
		return json.Unmarshal([]byte(e.data), &s) == nil && s.N == s.Of
	})
	if err != nil || len(all) < 2 {
		c.found(wrong, bufferAdvice, "streams: %d of five events arrived (%v)", len(all), err)
		return
	}
	c.paced(all)
}

// paced judges when two or more events of the selftest came.
func (c *checkup) paced(all []heardAt) {
	least, most := streamCheck, time.Duration(0)
	for i := 1; i < len(all); i++ {
		gap := all[i].after - all[i-1].after
		least, most = min(least, gap), max(most, gap)
	}
	what := fmt.Sprintf("five events that leave a second apart arrive %s to %s apart", tenths(least), tenths(most))
	switch {
	case least < selftestGap/2 || all[0].after > firstBytes:
		c.found(wrong, bufferAdvice, "streams are collected on the way: %s, the first after %s", what, tenths(all[0].after))
	case most > 2*selftestGap:
		c.found(hint, "look at what lies in between, and at the load", "streams stutter: %s", what)
	default:
		c.found(fine, "", "nothing on the way collects streams: %s", what)
	}
}
