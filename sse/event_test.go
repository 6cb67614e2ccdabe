package sse

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	gosse "github.com/tmaxmax/go-sse"
)

func TestEventIsWrittenAsTheSpecSays(t *testing.T) {
	for _, c := range []struct {
		event Event
		want  string
	}{
		{Event{}, ""},
		{Event{Data: []byte(`{}`)}, "data: {}\n\n"},
		{Event{Name: "presence", ID: "7", Data: []byte(`{}`)}, "event: presence\nid: 7\ndata: {}\n\n"},
		{Event{Retry: 2500 * time.Millisecond}, "retry: 2500\n\n"},
		{Event{Retry: time.Microsecond}, ""},
		{Event{Retry: -time.Second}, ""},
		{Event{ID: "7"}, "id: 7\n\n"},
		{Event{Name: "ping"}, "event: ping\ndata: \n\n"},
		{Event{Data: []byte("a\nb\rc\r\nd\n\re")}, "data: a\ndata: b\ndata: c\ndata: d\ndata: \ndata: e\n\n"},
		{Event{Data: []byte("a\n")}, "data: a\ndata: \n\n"},
		{Event{Data: []byte("\r\n")}, "data: \ndata: \n\n"},
		{Event{Data: []byte(" a")}, "data:  a\n\n"},
		{Event{Data: []byte("\uFEFFa")}, "data: \uFEFFa\n\n"},
		{Event{Data: []byte("a\u2028b\u2029c\u0085d")}, "data: a\u2028b\u2029c\u0085d\n\n"},
		// The attack: a name or an id from a client that brings an event along.
		{Event{Name: "x\ndata: forged\n\n"}, "event: xdata: forged\ndata: \n\n"},
		{Event{ID: "1\r\rdata: forged\r\r", Data: []byte("a")}, "id: 1data: forged\ndata: a\n\n"},
		// A NUL would make readers ignore the id, and so keep an older one.
		{Event{ID: "1\x002", Data: []byte("a")}, "id: 12\ndata: a\n\n"},
		{Event{Name: "\r\n", ID: "\x00\n"}, ""},
		{Event{Name: "a", Append: appends("b")}, "event: a\ndata: b\n\n"},
		{Event{Append: appends("")}, "data: \n\n"},
		{Event{Append: appends("a\r\nb\n\nevent: forged")}, "data: a\ndata: b\ndata: \ndata: event: forged\n\n"},
	} {
		if got := string(c.event.AppendTo(nil)); got != c.want {
			t.Errorf("%+v:\n got %q\nwant %q", c.event, got, c.want)
		}
	}
}

func TestAppendToLeavesWhatIsThereAlone(t *testing.T) {
	dst := []byte("before")
	if got := string(Event{Name: "\n"}.AppendTo(dst)); got != "before" {
		t.Errorf("an empty event changed the buffer: %q", got)
	}
	if got := string(Event{Data: []byte("a")}.AppendTo(dst)); got != "beforedata: a\n\n" {
		t.Errorf("got %q", got)
	}
}

func TestCommentIsNeverAnEvent(t *testing.T) {
	for text, want := range map[string]string{
		"":                    ":\n\n",
		"keep":                ": keep\n\n",
		"a\ndata: forged\n\n": ": a\n: data: forged\n: \n: \n\n",
		"\rid: 1\r\nretry: 1": ": \n: id: 1\n: retry: 1\n\n",
	} {
		got := string(AppendComment(nil, text))
		if got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
		if r := read(got); len(r.events) > 0 || r.lastID != "" || r.retry >= 0 {
			t.Errorf("%q is read as %+v", text, r)
		}
	}
}

// TestEveryControlCharacterPasses puts each of C0 and C1, and what else is
// known to break lines somewhere, into every field.
func TestEveryControlCharacterPasses(t *testing.T) {
	var odd []string
	for c := range rune(0xA0) {
		if c < 0x20 || c >= 0x7F {
			odd = append(odd, string(c))
		}
	}
	odd = append(odd, "\uFEFF", "\u2028", "\u2029", "\uFFFE", "\xC2", "\x80", "\xFF", "\xEF\xBB", ":", " ")
	for _, c := range odd {
		for _, text := range []string{c, c + "a", "a" + c, "a" + c + "b", c + c, c + "data: forged" + c + c} {
			checkRoundTrip(t, text, text, text, 1)
		}
	}
}

func FuzzEventIsReadAsItself(f *testing.F) {
	f.Add("presence", "1-2", `{"presences":[]}`, int64(0))
	f.Add("x\ndata: forged\n\n", "1\n\ndata: forged\n\n", "a\n\nevent: forged\ndata: b\n\n", int64(3000))
	f.Add("\uFEFFevent", "\uFEFF", "\uFEFFdata", int64(-1))
	f.Add("a\u2028b", "\x00", "\r\n\r\r\n\n", int64(1)<<62)
	f.Add(" ", " ", " ", int64(999999))
	f.Add("\xEF\xBB", "\xC2", "\xE2\x80\n", int64(1))
	f.Fuzz(func(t *testing.T, name, id, data string, retry int64) { checkRoundTrip(t, name, id, data, retry) })
}

// checkRoundTrip writes an event between two others and reads what came out,
// with the two readers.
func checkRoundTrip(t *testing.T, name, id, data string, retry int64) {
	t.Helper()
	var stream []byte
	stream = AppendComment(stream, data)
	stream = Event{Name: "before", ID: "b", Data: []byte("1")}.AppendTo(stream)
	stream = Event{Name: name, ID: id, Retry: time.Duration(retry), Data: []byte(data)}.AppendTo(stream)
	stream = AppendComment(stream, name)
	stream = Event{Name: "after", Data: []byte("2")}.AppendTo(stream)

	want := reading{retry: -1, lastID: "b", events: []seen{{"before", "1", "b"}}}
	drop := func(s, chars string) string {
		for _, c := range chars {
			s = strings.ReplaceAll(s, string(c), "")
		}
		return s
	}
	name, id = drop(name, "\r\n"), drop(id, "\r\n\x00")
	if id != "" {
		want.lastID = id
	}
	if ms := int(time.Duration(retry).Milliseconds()); ms > 0 {
		want.retry = ms
	}
	if name != "" || data != "" {
		data = strings.ReplaceAll(strings.ReplaceAll(data, "\r\n", "\n"), "\r", "\n")
		want.events = append(want.events, seen{name, data, want.lastID})
	}
	want.events = append(want.events, seen{"after", "2", want.lastID})

	if got := read(string(stream)); !reflect.DeepEqual(got, want) {
		t.Errorf("stream %q\n got %#v\nwant %#v", stream, got, want)
	}
	// Replacing what is no UTF-8, as browsers do, must not make or break lines.
	if !utf8.Valid(stream) {
		if got := read(strings.ToValidUTF8(string(stream), "\uFFFD")); len(got.events) != len(want.events) {
			t.Errorf("stream %q: as UTF-8 it is read as %#v", stream, got)
		}
	}
	if got := readByGoSSE(t, string(stream)); !slices.Equal(got, want.events) {
		t.Errorf("stream %q\ngo-sse read %q\nwant        %q", stream, got, want.events)
	}
}

// readByGoSSE reads with tmaxmax/go-sse, which also yields events without data,
// as browsers do not.
func readByGoSSE(t *testing.T, stream string) (events []seen) {
	t.Helper()
	for e, err := range gosse.Read(strings.NewReader(stream), &gosse.ReadConfig{MaxEventSize: 1 << 24}) {
		if err != nil {
			t.Fatalf("go-sse: %v in %q", err, stream)
		}
		if e.Type != "" || e.Data != "" {
			events = append(events, seen{e.Type, e.Data, e.LastEventID})
		}
	}
	return events
}

func appends(text string) func([]byte) []byte {
	return func(dst []byte) []byte { return append(dst, text...) }
}
