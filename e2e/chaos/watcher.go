package chaos

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/presently/presently/api"
)

// Frame is one event of a stream.
type Frame struct {
	Name, ID, Data string
	Retry          time.Duration // 0: none
}

// ReadFrames reads a stream until it ends, or f returns false. Comments are not told.
func ReadFrames(r io.Reader, f func(Frame) bool) error {
	lines := bufio.NewReaderSize(r, 64<<10)
	var now Frame
	var data []string
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return err
		}
		line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "event":
			now.Name = value
		case "id":
			now.ID = value
		case "data":
			data = append(data, value)
		case "retry":
			if ms, err := strconv.ParseInt(value, 10, 64); err == nil {
				now.Retry = time.Duration(ms) * time.Millisecond
			}
		}
		if line != "" {
			continue
		}
		if now.Name != "" || now.Retry > 0 {
			now.Data = strings.Join(data, "\n")
			if !f(now) {
				return nil
			}
		}
		now, data = Frame{}, nil
	}
}

// watcher holds a stream, and comes back as a client should.
type watcher struct {
	play  *Play
	name  string
	token string
	watch Watch
	dice  *rand.Rand

	conn   int
	lastID string
	retry  time.Duration

	mu      sync.Mutex // guards what follows
	live    bool       // has its snapshot, and has not ended
	people  map[string]seen
	rooms   map[string]*crowd
	changed At // when anything came last
}

type seen struct {
	look string
	rev  int64
}

// crowd is who is in a room, as far as told.
type crowd struct {
	members map[string]bool
	rev     int64
}

func newWatcher(p *Play, name string, dice *rand.Rand) *watcher {
	w := &watcher{play: p, name: name, token: p.opts.Token(name), dice: dice, retry: 3 * time.Second, people: map[string]seen{}, rooms: map[string]*crowd{}}
	watched := p.opts.Watched
	if watched == 0 {
		watched = 12 + dice.IntN(13)
	}
	for _, n := range dice.Perm(len(p.users))[:min(len(p.users), watched)] {
		w.watch.Users = append(w.watch.Users, p.users[n])
	}
	for range dice.IntN(3) {
		if room := p.room(dice); !slices.Contains(w.watch.Rooms, room) {
			w.watch.Rooms = append(w.watch.Rooms, room)
		}
	}
	p.write(func(h *History) { h.Watches[name] = w.watch })
	return w
}

func (w *watcher) run(ctx context.Context) {
	for ctx.Err() == nil {
		wait := w.stream(ctx)
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

// stream opens one and reads it to its end. It returns when to come back.
func (w *watcher) stream(ctx context.Context) time.Duration {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	late := time.AfterFunc(2*openLimit, cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, w.play.opts.URL+"/v1/stream?"+url.Values{"user": w.watch.Users, "room": w.watch.Rooms}.Encode(), nil)
	if err != nil {
		panic(err)
	}
	r.Header.Set("Authorization", "Bearer "+w.token)
	if w.lastID != "" {
		r.Header.Set("Last-Event-ID", w.lastID)
	}
	soon := time.Duration(250+w.dice.IntN(500)) * time.Millisecond
	response, err := w.play.client.Do(r)
	late.Stop()
	if err != nil {
		return soon
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(response.Body)
		w.note("refused", fmt.Sprint(response.StatusCode, " ", string(text)))
		return soon
	}
	w.conn++
	opened := false
	err = ReadFrames(response.Body, func(f Frame) bool {
		at := w.play.now()
		if f.Retry > 0 {
			w.retry = f.Retry
		}
		w.hear(f, at)
		if f.Name == "hello" {
			opened = true
		}
		if f.ID != "" {
			w.lastID = f.ID
		}
		return true
	})
	w.mu.Lock()
	w.live = false
	w.mu.Unlock()
	if opened {
		w.play.write(func(h *History) {
			for i := len(h.Streams) - 1; i >= 0; i-- {
				if s := &h.Streams[i]; s.Watcher == w.name && s.Conn == w.conn {
					s.To, s.How = w.play.now(), fmt.Sprint(err)
					return
				}
			}
		})
	}
	return w.retry
}

func (w *watcher) note(what, text string) {
	w.play.write(func(h *History) {
		h.Notices = append(h.Notices, Notice{Watcher: w.name, Conn: w.conn, At: w.play.now(), What: what, Text: text})
	})
}

// hear takes one event.
func (w *watcher) hear(f Frame, at At) {
	var told []Sighting
	w.mu.Lock()
	defer w.mu.Unlock()
	w.changed = at
	switch f.Name {
	case "hello":
		var hello api.HelloEvent
		w.parse(f, &hello)
		w.play.write(func(h *History) {
			h.Streams = append(h.Streams, Stream{Watcher: w.name, Conn: w.conn, From: at, Resumed: hello.Resumed})
		})
		w.live = hello.Resumed // perhaps nothing more is to come
		return
	case "snapshot":
		var s api.SnapshotEvent
		w.parse(f, &s)
		if s.Scope == "all" && s.Part == 1 {
			w.people, w.rooms = map[string]seen{}, map[string]*crowd{}
		}
		for _, p := range s.Presences {
			told = append(told, w.see(p, Snapshot, at))
		}
		for room, state := range s.Rooms {
			told = append(told, w.gather(room, state.Members, state.Rev, at)...)
		}
		if s.Part == s.Parts {
			w.live = true
		}
	case "presence":
		var e api.PresenceEvent
		w.parse(f, &e)
		for _, p := range e.Presences {
			told = append(told, w.see(p, Event, at))
		}
	case "room":
		var e api.RoomEvent
		w.parse(f, &e)
		told = w.room(e, at)
	case "typing":
		var e api.TypingEvent
		w.parse(f, &e)
		for _, typist := range e.Typing {
			told = append(told, Sighting{Watcher: w.name, Conn: w.conn, At: at, What: Typing, User: typist.UserID, Room: e.Room})
		}
	case "ping", "":
	default:
		w.play.write(func(h *History) {
			h.Notices = append(h.Notices, Notice{Watcher: w.name, Conn: w.conn, At: at, What: f.Name, Text: f.Data})
		})
	}
	w.play.write(func(h *History) { h.Sightings = append(h.Sightings, told...) })
}

func (w *watcher) parse(f Frame, into any) {
	if err := json.Unmarshal([]byte(f.Data), into); err != nil {
		w.play.write(func(h *History) {
			h.Disagreements = append(h.Disagreements, Disagreement{w.name, f.Name, f.Data, err.Error()})
		})
	}
}

// see takes in one presence: what is not newer is dropped.
func (w *watcher) see(p api.Presence, what string, at At) Sighting {
	s := Sighting{Watcher: w.name, Conn: w.conn, At: at, What: what, User: p.UserID, Status: string(p.Status), Rev: p.Rev, Look: look(p)}
	if before, ok := w.people[p.UserID]; !ok || p.Rev > before.rev {
		w.people[p.UserID] = seen{s.Look, p.Rev}
	}
	return s
}

// look is what an event may change: neither rev nor lastSeen.
func look(p api.Presence) string {
	p.Rev, p.LastSeen = 0, nil
	text, err := json.Marshal(p)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// gather takes in all members of a room.
func (w *watcher) gather(room string, members []api.Presence, rev int64, at At) (told []Sighting) {
	c := &crowd{members: map[string]bool{}, rev: rev}
	w.rooms[room] = c
	for _, p := range members {
		c.members[p.UserID] = true
		told = append(told, w.see(p, Shown, at), Sighting{Watcher: w.name, Conn: w.conn, At: at, What: Member, User: p.UserID, Rev: rev, Room: room})
	}
	return told
}

// room amends who is in one.
func (w *watcher) room(e api.RoomEvent, at At) (told []Sighting) {
	if e.Members != nil {
		return w.gather(e.Room, e.Members, e.Rev, at)
	}
	c := w.rooms[e.Room]
	if c == nil {
		c = &crowd{members: map[string]bool{}}
		w.rooms[e.Room] = c
	}
	c.rev = e.Rev
	sighting := func(user, what string) {
		told = append(told, Sighting{Watcher: w.name, Conn: w.conn, At: at, What: what, User: user, Rev: e.Rev, Room: e.Room})
	}
	for _, user := range e.Left {
		delete(c.members, user)
		sighting(user, Left)
	}
	for _, p := range e.Joined {
		c.members[p.UserID] = true
		told = append(told, w.see(p, Shown, at))
		sighting(p.UserID, Joined)
	}
	if int64(len(c.members)) != e.Count {
		w.play.write(func(h *History) {
			h.Disagreements = append(h.Disagreements, Disagreement{w.name, e.Room, fmt.Sprint(len(c.members), " members"), fmt.Sprint("a count of ", e.Count)})
		})
	}
	return told
}
