package sse

import (
	"bytes"
	"strconv"
	"strings"
	"time"
)

// Event is one event of a stream as WHATWG HTML, section 9.2, defines it.
// Fields that are empty are not written.
//
// A reader dispatches an event that has Data or a Name. Without either it only
// takes note of Retry and ID.
type Event struct {
	Name  string
	ID    string
	Retry time.Duration // how long to wait before coming back, in whole milliseconds
	Data  []byte        // may have any line ends; a reader sees each as \n

	// Append, where it is not nil, appends what Data would be. It spares what is
	// large and written once a buffer of its own.
	Append func(dst []byte) []byte
}

// AppendTo appends e as it goes over the wire. Whatever the fields hold, a
// reader finds this one event and no other: line ends in Data begin a new data
// line, and those in Name and ID are left out, as is NUL in ID, for which a
// reader would ignore the whole id. Bytes that are not UTF-8 pass, and are seen
// as U+FFFD.
func (e Event) AppendTo(dst []byte) []byte {
	start := len(dst)
	dst = appendField(dst, "event: ", e.Name, "\r\n")
	named := len(dst) > start
	dst = appendField(dst, "id: ", e.ID, "\r\n\x00")
	if ms := e.Retry.Milliseconds(); ms > 0 {
		dst = append(dst, "retry: "...)
		dst = strconv.AppendInt(dst, ms, 10)
		dst = append(dst, '\n')
	}
	// An empty data line is what makes a reader dispatch an event that has
	// nothing to tell but its name.
	if e.Append != nil {
		dst = e.appendData(dst)
	} else if named || len(e.Data) > 0 {
		dst = appendLines(dst, "data: ", e.Data)
	}
	if len(dst) == start {
		return dst
	}
	return append(dst, '\n')
}

// appendData appends what Append does, which is one line unless it has to be
// taken apart.
func (e Event) appendData(dst []byte) []byte {
	const prefix = "data: "
	start := len(dst)
	dst = e.Append(append(dst, prefix...))
	text := dst[start+len(prefix):]
	if bytes.IndexByte(text, '\n') < 0 && bytes.IndexByte(text, '\r') < 0 {
		return append(dst, '\n')
	}
	return appendLines(dst[:start], prefix, bytes.Clone(text))
}

// AppendComment appends a comment, which readers skip. It ends with an empty
// line, so that it stands apart also for readers that split at empty lines.
func AppendComment(dst []byte, text string) []byte {
	if text == "" {
		return append(dst, ":\n\n"...)
	}
	return append(appendLines(dst, ": ", []byte(text)), '\n')
}

// appendField appends a field of one line, without the characters in drop, or
// nothing where nothing is left of value. The space in prefix is the one that
// readers take away, so that one at the beginning of value survives.
func appendField(dst []byte, prefix, value, drop string) []byte {
	start := len(dst)
	dst = append(dst, prefix...)
	if !containsAny(value, drop) {
		dst = append(dst, value...)
	} else {
		for i := range len(value) {
			if strings.IndexByte(drop, value[i]) < 0 {
				dst = append(dst, value[i])
			}
		}
	}
	if len(dst) == start+len(prefix) {
		return dst[:start]
	}
	return append(dst, '\n')
}

// containsAny is [strings.ContainsAny] for the three characters at most that are dropped anywhere: as many fast searches, where that one looks at each byte.
func containsAny(value, drop string) bool {
	for i := range len(drop) {
		if strings.IndexByte(value, drop[i]) >= 0 {
			return true
		}
	}
	return false
}

// appendLines appends text with prefix before each of its lines, which end in
// \n, \r or \r\n.
func appendLines(dst []byte, prefix string, text []byte) []byte {
	// JSON, which is nearly everything that comes here, is one line: two fast
	// searches and one copy.
	several := bytes.IndexByte(text, '\n') >= 0 || bytes.IndexByte(text, '\r') >= 0
	for several {
		end := bytes.IndexAny(text, "\r\n")
		if end < 0 {
			break
		}
		dst = append(dst, prefix...)
		dst = append(dst, text[:end]...)
		dst = append(dst, '\n')
		if bytes.HasPrefix(text[end:], []byte("\r\n")) {
			end++
		}
		text = text[end+1:]
	}
	dst = append(dst, prefix...)
	dst = append(dst, text...)
	return append(dst, '\n')
}
