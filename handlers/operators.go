package handlers

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"net/http"
	"strconv"
	"time"

	"github.com/presently/presently/api"
	"github.com/presently/presently/presence"
)

// Fact is something that operators are told.
type Fact struct{ Name, Value string }

var (
	//go:embed operators.html
	operatorsPage string
	//go:embed operators.css
	operatorsStyle string

	operatorsTemplate = template.Must(template.New("operators").Funcs(template.FuncMap{
		"ms": func(n int64) string { return lasting(time.Duration(n) * time.Millisecond) },
	}).Parse(operatorsPage))
	operatorsPolicy = "default-src 'none'; style-src '" + styleHash() + "'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

func styleHash() string {
	sum := sha256.Sum256([]byte(operatorsStyle))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// busiestRooms is how many rooms are shown, of each kind.
const busiestRooms = 20

// Operators is a page that shows how this instance does, and why a user is shown as he is. It asks for no token: whoever serves it sees to it that operators
// alone can reach it. more tells what the server does not know of itself.
func (s *Server) Operators(more func() []Fact) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 3*time.Second)
		defer cancel()
		var page bytes.Buffer
		if err := operatorsTemplate.Execute(&page, s.desk(ctx, more(), r.FormValue("user"), r.FormValue("viewer"))); err != nil {
			s.log.ErrorContext(ctx, "the operators' page cannot be made", "error", err)
			http.Error(w, "The log knows more.", http.StatusInternalServerError)
			return
		}
		h := w.Header()
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Content-Security-Policy", operatorsPolicy)
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Referrer-Policy", "no-referrer") // the address has names in it
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		w.Write(page.Bytes()) //nolint:errcheck // the browser has gone
	})
}

// desk is what the page shows.
type desk struct {
	Style         template.CSS
	Instance, Now string
	Trouble       string
	Facts         []Fact
	Instances     []deskInstance
	Silent        bool // the store tells nothing now
	Largest       []presence.RoomSize
	Rooms         []deskRoom
	Lanes         []deskLane
	User, Viewer  string
	Explained     *api.Explanation
	Unexplained   string
}

type deskInstance struct {
	presence.Instance
	Here       bool // it is the one that shows the page
	Since, Ago string
	Odd        []string // what it does not have in common with this one
}

type deskRoom struct {
	Room             string
	Streams, Members int
}

type deskLane struct {
	Lane         int
	Epoch        string // when it began
	Changes      int64
	Beacon, Held string
}

func (s *Server) desk(ctx context.Context, more []Fact, user, viewer string) desk {
	now := s.board.Clock()
	all, err := s.tracker.Instances(ctx, s.self())
	d := desk{
		Style: template.CSS(operatorsStyle), Instance: s.tracker.Instance, Now: formatTime(now), //nolint:gosec // ours, embedded
		User: user, Viewer: viewer, Facts: append(s.facts(ctx, all), more...), Silent: err != nil,
	}
	if lost, _ := s.metrics.heard.degraded(); lost {
		d.Trouble = "Degraded: the store is not heard here. Streams show the last known state, and nobody goes offline by it."
	}
	if s.draining.Load() {
		d.Trouble = "Draining: this instance is about to stop."
	}
	for _, i := range all {
		d.Instances = append(d.Instances, s.deskInstance(i, now))
	}
	if d.Largest, err = s.tracker.LargestRooms(ctx, busiestRooms); err != nil {
		d.Silent = true
	}
	for _, a := range s.hub.Busiest(kindRoom, busiestRooms) {
		room := deskRoom{Room: a.Key.ID, Streams: a.Streams}
		s.board.InRoom(room.Room, func(g *presence.Gathering) {
			if room.Members = len(g.Members); g.Crowded {
				room.Members = g.Users
			}
		})
		d.Rooms = append(d.Rooms, room)
	}
	for i, l := range s.metrics.heard.each() {
		lane := deskLane{Lane: i, Epoch: formatTime(presence.Version(l.head.Epoch).Time()), Changes: l.head.Seq, Beacon: lasting(time.Since(l.beacon)), Held: "no"}
		if l.held != 0 {
			lane.Held = "for " + lasting(l.held.Time().Sub(now)) + " yet"
		}
		d.Lanes = append(d.Lanes, lane)
	}
	d.explain(ctx, s)
	return d
}

func (s *Server) deskInstance(i presence.Instance, now time.Time) deskInstance {
	d := deskInstance{Instance: i, Here: i.Name == s.tracker.Instance}
	me := s.self()
	if i.Terse {
		d.Version, d.Odd = "an older one", nil
		return d
	}
	d.Since, d.Ago = formatTime(i.Started), lasting(now.Sub(i.Started))
	if i.Version != me.Version {
		d.Odd = append(d.Odd, "another version")
	}
	if i.Closes != me.Closes {
		d.Odd = append(d.Odd, "another PRESENTLY_AFTER_LOSS")
	}
	if i.Webhook != me.Webhook {
		d.Odd = append(d.Odd, "one of the two knows of a webhook, the other does not")
	}
	return d
}

// facts are the numbers of all and of this instance; those that the store does not tell now are left out.
func (s *Server) facts(ctx context.Context, all []presence.Instance) []Fact {
	var facts []Fact
	add := func(name string, n int) { facts = append(facts, Fact{name, strconv.Itoa(n)}) }
	if index, err := s.tracker.Room(ctx, presence.RoomQuery{Room: presence.Everywhere}); err == nil {
		add("users, as a stranger would count", index.Users)
		add("sessions", index.Sessions)
	}
	if len(all) > 0 {
		add("streams on all instances", presence.StreamsOf(all))
	}
	add("streams here", s.hub.Len())
	sum, most := pending(s.hub)
	add("things that wait in mailboxes", sum)
	add("in the fullest", most)
	add("records in memory", s.board.Len())
	_, lost := s.metrics.heard.degraded()
	return append(facts, Fact{"degraded, all together", lasting(lost)})
}

func (d *desk) explain(ctx context.Context, s *Server) {
	switch {
	case d.User == "":
		return
	case !presence.ValidUser(d.User), d.Viewer != "" && !presence.ValidUser(d.Viewer):
		d.Unexplained = "Nobody can be called that: a user has 1 to 128 printable characters."
		return
	}
	record, err := s.tracker.Sessions(ctx, d.User)
	if err != nil {
		d.Unexplained = "The store does not answer."
		return
	}
	d.Explained = new(explanationOf(record))
	if d.Viewer != "" {
		d.Explained.Viewer = new(explainedView(record, d.Viewer))
	}
}

// lasting is a duration for people.
func lasting(d time.Duration) string {
	if d >= 10*time.Second {
		return d.Round(time.Second).String()
	}
	return d.Round(10 * time.Millisecond).String()
}
