package contract

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// CheckEvent fails the test where an event's data is not what the contract says.
func (c *Contract) CheckEvent(tb testing.TB, name string, data []byte) {
	tb.Helper()
	if err := c.checkEvent(name, data); err != nil {
		tb.Errorf("contract: event %q: %v\ndata %s", name, err, data)
	}
}

func (c *Contract) checkEvent(name string, data []byte) error {
	pointer, ok := c.events[name]
	if !ok {
		return errors.New("no operation declares this event")
	}
	c.mu.Lock()
	c.told[name]++
	c.mu.Unlock()
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		return fmt.Errorf("the data is not JSON: %w", err)
	}
	return c.check(pointer, value)
}

// eventsOf collects the x-events of all operations: name to schema.
func eventsOf(ops []operation) (map[string]string, error) {
	events := map[string]string{}
	for _, op := range ops {
		for name, schema := range op.events() {
			ref, _ := schema.(map[string]any)["$ref"].(string)
			if !strings.HasPrefix(ref, "#/components/schemas/") {
				return nil, fmt.Errorf("%s: x-events: %s refers to no schema: %v", op.spec.OperationID, name, schema)
			}
			events[name] = ref
		}
	}
	return events, nil
}

// events are the x-events of the operation, by name.
func (o operation) events() map[string]any {
	if o.spec == nil {
		return nil
	}
	declared, _ := o.spec.Extensions["x-events"].(map[string]any)
	return declared
}

// stateEvents tell of people and rooms. They alone may carry an id.
var stateEvents = []string{"snapshot", "presence", "room", "typing"}

// stream checks the text of one stream as it comes. It reads only what we
// write, not all that the standard lets others write: lines end in LF, and a
// field has one blank after its colon.
type stream struct {
	c      *Contract
	op     operation
	first  string // name of the first event, once there was one
	unread []byte
}

// write takes the next bytes of the stream, and returns what is wrong with the
// frames that they complete.
func (s *stream) write(b []byte) error {
	s.unread = append(s.unread, b...)
	var faults []error
	for {
		frame, rest, ok := bytes.Cut(s.unread, []byte("\n\n"))
		if !ok {
			return errors.Join(faults...)
		}
		s.unread = rest
		if err := s.checkFrame(string(frame)); err != nil {
			faults = append(faults, fmt.Errorf("%w\nframe %q", err, frame))
		}
	}
}

func (s *stream) checkFrame(text string) error {
	frame, err := parseFrame(text)
	if err != nil || frame.name == "" {
		return err
	}
	if s.first == "" {
		s.first = frame.name
		if _, greets := s.op.events()["hello"]; greets && frame.name != "hello" && frame.name != "problem" {
			return errors.New("a stream begins with hello, or is nothing but a problem")
		}
	}
	if frame.hasID && !slices.Contains(stateEvents, frame.name) {
		return errors.New("an id on an event that is not state")
	}
	if _, declared := s.op.events()[frame.name]; !declared {
		return fmt.Errorf("the stream does not declare the event %q", frame.name)
	}
	return s.c.checkEvent(frame.name, []byte(strings.Join(frame.data, "\n")))
}

type frame struct {
	name  string // empty for comments and retry:
	data  []string
	hasID bool
}

func parseFrame(text string) (frame, error) {
	var f frame
	for line := range strings.SplitSeq(strings.TrimLeft(text, "\n"), "\n") {
		field, value, ok := strings.Cut(line, ": ")
		switch {
		case line == "" || strings.HasPrefix(line, ":"):
		case strings.Contains(line, "\r"):
			return f, errors.New("a carriage return in a stream")
		case !ok:
			return f, fmt.Errorf("a line that is no field: %q", line)
		case field == "event":
			f.name = value
		case field == "data":
			f.data = append(f.data, value)
		case field == "id":
			f.hasID = true
		case field != "retry":
			return f, fmt.Errorf("no field of an event: %q", line)
		}
	}
	if f.name == "" && (f.data != nil || f.hasID) {
		return f, errors.New("data without a name: EventSource would call it message")
	}
	return f, nil
}
