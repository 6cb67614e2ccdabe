package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/term"
)

const watchHelp = `presently watch shows people and rooms as they are, and every change as it comes, until you stop it (Ctrl-C).
In a terminal that is a table; into a pipe or a file goes one line a change.

  export PRESENTLY_TOKEN=$(presently token --sub me)
  presently watch --user ada --user ben
  presently watch --room lobby --url https://presence.example.org
  presently watch --user ada | grep offline

  --user      a user to watch; may be given up to 100 times
  --room      a room to watch, with whoever is in it and types there; may be given up to 50 times
  --plain     one line a change, in a terminal too
  --url       where the server is, PRESENTLY_URL (http://localhost:8080)
  --token     who asks, PRESENTLY_TOKEN; better there, as everybody on a machine sees the flags of a process

You see what the token's user may see. When the connection breaks, or the server asks for it, it comes back with the id of the last event
and shows what was missed. It ends where coming back is pointless, as with a token that is not valid (status 1).
`

func runWatch(ctx context.Context, in invocation) error {
	fs := flag.NewFlagSet("watch", flag.ContinueOnError)
	var users, rooms []string
	fs.Func("user", "", appendTo(&users))
	fs.Func("room", "", appendTo(&rooms))
	lines := fs.Bool("plain", false, "")
	r, err := gather(fs, in.args, in.environ, clientSettings...)
	if err != nil {
		return err
	}
	server := newRemote(r)
	if err := r.err(); err != nil {
		return err
	}
	if len(users)+len(rooms) == 0 {
		return usagef("nothing to watch: name somebody or a room, as in presently watch --user ada --room lobby")
	}
	if server.token == "" {
		return usagef(`PRESENTLY_TOKEN is not set: who asks? As in PRESENTLY_TOKEN=$(presently token --sub me) presently watch …`)
	}
	if server.inClear() {
		fmt.Fprintln(in.stderr, "presently: without https whoever is on the way can read the token")
	}
	defer server.http.CloseIdleConnections()
	screen := terminalOf(in.stdout)
	if *lines {
		screen = nil
	}
	w := &watcher{out: in.stdout, screen: screen, at: server.base.Redacted(), picture: newPicture(users, rooms), state: "connecting"}
	return w.run(ctx, newSubscriber(server, streamPath(users, rooms)))
}

// appendTo makes a flag that may be given several times.
func appendTo(list *[]string) func(string) error {
	return func(value string) error {
		if value == "" {
			return errors.New("is empty")
		}
		*list = append(*list, value)
		return nil
	}
}

// watcher shows a picture while it changes. One goroutine has it.
type watcher struct {
	out     io.Writer
	screen  *os.File // nil: lines
	at      string
	picture *picture
	state   string // of the connection
	last    []string
}

// told is what the reading goroutine has to tell.
type told struct {
	event event
	state string // where it is no event
}

func (w *watcher) run(ctx context.Context, s *subscriber) error {
	g, ctx := errgroup.WithContext(ctx)
	news := make(chan told)
	send := func(t told) error {
		select {
		case news <- t:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	g.Go(func() error {
		defer close(news)
		return s.run(ctx, func(e event) error { return send(told{event: e}) }, func(why error, wait time.Duration) {
			send(told{state: comingBack(why, wait)}) //nolint:errcheck // it has ended
		})
	})
	g.Go(func() error { return w.show(news) })
	return g.Wait()
}

func comingBack(why error, wait time.Duration) string {
	after := wait.Round(100 * time.Millisecond).String()
	if why == nil {
		return "the stream has ended; coming back in " + after
	}
	return fmt.Sprintf("not connected: %v; trying again in %s", why, after)
}

// show writes until the news end. The table is drawn again each second, too, for its clock.
func (w *watcher) show(news <-chan told) error {
	if w.screen != nil {
		io.WriteString(w.out, "\x1b[?25l\x1b[?7l\x1b[2J")               //nolint:errcheck // the next write tells
		defer func() { io.WriteString(w.out, "\x1b[?7h\x1b[?25h\n") }() //nolint:errcheck // the terminal has gone
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		var changes []string
		select {
		case t, open := <-news:
			if !open {
				return nil
			}
			var err error
			if changes, err = w.take(t); err != nil {
				return err
			}
		case <-tick.C:
			if w.screen == nil {
				continue
			}
		}
		if err := w.draw(changes); err != nil {
			return fmt.Errorf("the terminal cannot be written to: %w", err)
		}
	}
}

func (w *watcher) take(t told) ([]string, error) {
	if t.state != "" {
		w.state = t.state
		return []string{t.state}, nil
	}
	if t.event.name == "hello" && w.state != "live" {
		again := w.state != "connecting"
		if w.state = "live"; again {
			return []string{"connected again"}, nil
		}
	}
	return w.picture.hear(t.event)
}

func (w *watcher) draw(changes []string) error {
	now := time.Now().Format("15:04:05")
	for _, c := range changes {
		w.last = append(w.last, now+"  "+c)
	}
	if w.screen != nil {
		w.last = w.last[max(0, len(w.last)-lastChanges):]
		_, err := w.out.Write(w.frame(now))
		return err
	}
	defer func() { w.last = w.last[:0] }()
	for _, line := range w.last {
		if _, err := fmt.Fprintln(w.out, line); err != nil {
			return err
		}
	}
	return nil
}

const lastChanges = 8

// frame is the whole screen: from its top, each line wiped to its end, and all below.
func (w *watcher) frame(now string) []byte {
	_, height, err := term.GetSize(int(w.screen.Fd()))
	if err != nil || height < 5 {
		height = 24
	}
	lines := strings.Split(strings.TrimSuffix(w.table(now), "\n"), "\n")
	if len(lines) > height-1 {
		lines = append(lines[:height-2], fmt.Sprintf("… and %d lines more", len(lines)-height+2))
	}
	var b bytes.Buffer
	b.WriteString("\x1b[H")
	for _, line := range lines {
		b.WriteString(line + "\x1b[K\n")
	}
	b.WriteString("\x1b[J")
	return b.Bytes()
}

// marks stand before each user, as a page would colour them.
var marks = map[string]string{"online": "●", "busy": "◆", "dnd": "⊘", "away": "◐", "invisible": "◌", "offline": "○"}

func (w *watcher) table(now string) string {
	var b strings.Builder
	state := w.state
	if w.picture.degraded {
		state += ", but the server has lost its store: this is how things were"
	}
	fmt.Fprintf(&b, "%s   %s   %s\n\n", w.at, now, state)
	columns := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, user := range w.shown() {
		p := w.picture.users[user]
		status, more, _ := strings.Cut(describe(p), " ")
		fmt.Fprintf(columns, "%s %s\t%s\t%s\n", cmp.Or(marks[string(p.Status)], "·"), w.picture.nameOf(user), status, more)
	}
	columns.Flush() //nolint:errcheck // a string
	for _, name := range slices.Sorted(maps.Keys(w.picture.rooms)) {
		b.WriteString("\n" + w.roomLine(name) + "\n")
	}
	if len(w.last) > 0 {
		b.WriteString("\n" + strings.Join(w.last, "\n") + "\n")
	}
	return b.String()
}

// shown are the users of the table: those who were asked for, then those who are in a room.
func (w *watcher) shown() []string {
	users, in := slices.Clone(w.picture.asked), map[string]bool{}
	for _, room := range w.picture.rooms {
		maps.Copy(in, room.members)
	}
	for _, user := range slices.Sorted(maps.Keys(in)) {
		if !slices.Contains(users, user) {
			users = append(users, user)
		}
	}
	return users
}

func (w *watcher) roomLine(name string) string {
	room := w.picture.rooms[name]
	line := fmt.Sprintf("%s: %d here", plain(name), room.count)
	var who []string
	for _, user := range slices.Sorted(maps.Keys(room.members)) {
		who = append(who, w.picture.nameOf(user))
	}
	if len(who) > 0 && !room.crowded {
		line += ": " + strings.Join(who, ", ")
	}
	if typing := w.picture.typistsOf(room, time.Now()); len(typing) > 0 {
		line += "; typing: " + strings.Join(typing, ", ")
	}
	return line
}

// terminalOf is the terminal behind a writer, or nil.
func terminalOf(out io.Writer) *os.File {
	f, ok := out.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	return f
}
