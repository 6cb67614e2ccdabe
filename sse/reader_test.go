package sse

import (
	"strconv"
	"strings"
)

// A reading is what a browser makes of a stream.
type reading struct {
	events []seen
	lastID string
	retry  int // in ms; -1 while none came
}

// seen is an event as EventSource dispatches it.
type seen struct {
	name, data string
	lastID     string // as of the dispatch, whichever event brought it
}

// read interprets a stream word by word as WHATWG HTML, sections 9.2.5 and
// 9.2.6, say, from the beginning. It shares nothing with the code that it tests.
func read(stream string) reading {
	r := reading{retry: -1}
	var name, id, data string
	for line := range lines(strings.TrimPrefix(stream, "\uFEFF")) {
		field, value, colon := strings.Cut(line, ":")
		switch {
		case line == "":
			r.lastID = id
			if data != "" {
				r.events = append(r.events, seen{name, strings.TrimSuffix(data, "\n"), id})
			}
			name, data = "", ""
			continue
		case colon && field == "":
			continue
		}
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "event":
			name = value
		case "data":
			data += value + "\n"
		case "id":
			if !strings.Contains(value, "\x00") {
				id = value
			}
		case "retry":
			if strings.Trim(value, "0123456789") == "" {
				if ms, err := strconv.Atoi(value); err == nil {
					r.retry = ms
				}
			}
		}
	}
	return r
}

// lines yields the lines that are complete: what follows the last line end is
// never interpreted.
func lines(s string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for {
			end := strings.IndexAny(s, "\r\n")
			if end < 0 {
				return
			}
			line := s[:end]
			if strings.HasPrefix(s[end:], "\r\n") {
				end++
			}
			s = s[end+1:]
			if !yield(line) {
				return
			}
		}
	}
}
