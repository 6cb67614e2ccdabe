package chaos

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/presently/presently/api"
)

// Options are what a play is made of.
type Options struct {
	URL        string                   // of the balancer
	Token      func(user string) string // as whoever issues tokens would make it
	TTL, Grace time.Duration
	Seed       uint64
	Users      int
	Watchers   int
	Rooms      int
	Watched    int  // users of each watcher; 12 to 24 where not given
	Restless   bool // users change something with most beats, and type
	Steady     bool // nobody but steady and hidden users
	Late       bool // beats come late, twice and in disorder from all who are not steady
	Whole      bool // every beat asks for the record
	NoLate     bool // nobody sends beats late: data is lost, and with it the numbers that tell
}

// Play is people who do this and that, and others who watch them.
type Play struct {
	opts     Options
	client   *http.Client
	users    []string
	watchers []*watcher
	*recorder

	calm    chan struct{} // closed when nothing is to change any more
	calming sync.Once
	stop    context.CancelFunc
	running sync.WaitGroup
}

// habits are those of users, in turn: half of them are steady.
var habits = []func(*player){
	(*player).steady, (*player).leaving, (*player).steady, (*player).silent, (*player).steady, (*player).flapping,
	(*player).steady, (*player).ending, (*player).steady, (*player).hiding, (*player).steady, (*player).shuffling,
}

// Begin starts a play, which goes on until Stop.
func Begin(o Options) *Play {
	ctx, stop := context.WithCancel(context.Background())
	p := &Play{
		opts: o, recorder: newRecorder(o.TTL, o.Grace), calm: make(chan struct{}), stop: stop,
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256}},
	}
	for n := range o.Users {
		p.users = append(p.users, fmt.Sprint("user-", n))
	}
	p.running.Go(func() {
		for tick := time.NewTicker(sampleEvery); ; {
			select {
			case <-ctx.Done():
				tick.Stop()
				return
			case <-tick.C:
				p.sample()
			}
		}
	})
	for n, name := range p.users {
		u := &player{play: p, ctx: ctx, name: name, token: o.Token(name), dice: rand.New(rand.NewPCG(o.Seed, uint64(n)))}
		habit := habits[n%len(habits)]
		switch hides := n%len(habits) == 9; {
		case o.Steady && !hides:
			habit = (*player).steady
		case o.Late && !hides && n%2 == 1:
			habit = (*player).shuffling
		}
		p.running.Go(func() { habit(u) })
	}
	for n := range o.Watchers {
		w := newWatcher(p, fmt.Sprint("watcher-", n), rand.New(rand.NewPCG(o.Seed, uint64(1_000_000+n))))
		p.watchers = append(p.watchers, w)
		p.running.Go(func() { w.run(ctx) })
	}
	return p
}

// Calm lets nothing change from now on but what is under way: who is here stays, and who is not stays away.
func (p *Play) Calm() { p.calming.Do(func() { close(p.calm) }) }

// Stop ends the play, and returns what happened.
func (p *Play) Stop() History {
	p.stop()
	p.running.Wait()
	p.client.CloseIdleConnections()
	return p.read()
}

// Weigh has what was seen so far judged, and forgets it: a long play is more than memory holds. No outage may be under way. It returns what was taken,
// which is of use where it breaks something.
func (p *Play) Weigh(j *Judge, slack Slack) History {
	h := p.piece()
	j.Take(&h, slack, h.Ended-p.opts.TTL/2-time.Second-2*h.Stall) // a request is given up before half a TTL has passed
	return h
}

// Now is the moment on the play's clock.
func (p *Play) Now() At { return p.now() }

// Stall is by how much this process was late so far: what is to come from others by a certain time may come later by a few times that, on the same
// busy machine.
func (p *Play) Stall() At {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.h.Stall
}

// Outage notes one.
func (p *Play) Outage(o Outage) { p.write(func(h *History) { h.Outages = append(h.Outages, o) }) }

// Notices are the events of all streams so far that are not about people.
func (p *Play) Notices() []Notice {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.h.Notices)
}

// Deeds are what users did so far.
func (p *Play) Deeds() []Deed {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.h.Deeds)
}

// Watching are the watchers, and what they watch.
func (p *Play) Watching() map[string]Watch {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.h.Watches)
}

// player is one user.
type player struct {
	play  *Play
	ctx   context.Context // the play's; a player is one run
	name  string
	token string
	dice  *rand.Rand

	session string
	pages   int
	seq     int64 // of the last beat; 0: he sends none
	acked   int64 // the highest that was answered
	state   string
	rooms   []string
	leave   string // the last leave token
	next    time.Duration
	old     []string // bodies of beats that are over
	meant   bool     // an intent is open
}

func (u *player) over() bool { return u.ctx.Err() != nil }

func (u *player) isCalm() bool {
	select {
	case <-u.play.calm:
		return true
	default:
		return false
	}
}

func (u *player) sleep(d time.Duration) {
	select {
	case <-u.ctx.Done():
	case <-time.After(d):
	}
}

// awhile is between a and b.
func (u *player) awhile(a, b time.Duration) time.Duration {
	return a + time.Duration(u.dice.Int64N(int64(b-a)))
}

// page is a new page, and so a new session.
func (u *player) page() {
	u.pages++
	u.session = fmt.Sprintf("%s-page-%d", u.name, u.pages)
	u.state, u.old = "", nil
	if u.seq != 0 {
		u.seq, u.acked = 1, 0
	}
	u.rooms = nil
	for range u.dice.IntN(3) {
		if room := u.play.room(u.dice); !slices.Contains(u.rooms, room) {
			u.rooms = append(u.rooms, room)
		}
	}
}

func (p *Play) room(dice *rand.Rand) string {
	return fmt.Sprint("room-", dice.IntN(max(1, p.opts.Rooms)))
}

func (u *player) body() string {
	b := map[string]any{"sessionId": u.session, "rooms": append([]string{}, u.rooms...)}
	if u.state != "" {
		b["state"] = u.state
	}
	if u.seq != 0 {
		b["seq"] = u.seq
	}
	text, err := json.Marshal(b)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// ask sends one request and notes it.
func (u *player) ask(d Deed, method, path, body string, minimal bool) (Deed, []byte, http.Header) {
	d.User = u.name
	ctx, cancel := context.WithTimeout(u.ctx, u.play.opts.TTL*9/20)
	defer cancel()
	d.Sent = u.play.now()
	text, header, status, err := u.play.send(ctx, method, path, body, u.token, minimal)
	d.Answered = u.play.now()
	d.Status, d.Again = status, header.Get(triesHeader) != ""
	switch {
	case err != nil:
		d.Outcome, d.Said = Unknown, err.Error()
	case status < 300:
		d.Outcome = Done
	case status >= 500:
		d.Outcome, d.Said = Unknown, string(text)
	default:
		d.Outcome, d.Said = Refused, string(text)
	}
	if d.Kind == Beat && d.Outcome == Done {
		var answer api.BeatAnswer
		if status == http.StatusOK && json.Unmarshal(text, &answer) == nil {
			if at, err := time.Parse(time.RFC3339, answer.Session.Deadline); err == nil {
				d.Deadline = at.UnixMicro()
			}
			u.leave, u.next = answer.LeaveToken, time.Duration(answer.NextMs)*time.Millisecond
		} else if ms, err := strconv.ParseInt(header.Get("Presence-Next-Ms"), 10, 64); err == nil {
			u.next = time.Duration(ms) * time.Millisecond
		}
	}
	u.play.write(func(h *History) { h.Deeds = append(h.Deeds, d) })
	return d, text, header
}

func (p *Play) send(ctx context.Context, method, path, body, token string, minimal bool) ([]byte, http.Header, int, error) {
	r, err := http.NewRequestWithContext(ctx, method, p.opts.URL+path, bytes.NewReader([]byte(body)))
	if err != nil {
		return nil, nil, 0, err
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if minimal {
		r.Header.Set("Prefer", "return=minimal")
	}
	response, err := p.client.Do(r)
	if err != nil {
		return nil, nil, 0, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return text, response.Header, response.StatusCode, err
}

// beat sends one, and says whether it was answered.
func (u *player) beat() bool {
	minimal := u.leave != "" && u.dice.IntN(2) == 0 && !u.play.opts.Whole
	if u.seq != 0 {
		u.seq++
	}
	body := u.body()
	d, _, _ := u.ask(Deed{Session: u.session, Kind: Beat, Rooms: slices.Clone(u.rooms)}, "POST", "/v1/presence/heartbeat", body, minimal)
	if d.Outcome != Done {
		return false
	}
	u.old, u.acked = append(u.old, body), u.seq
	if !u.meant {
		u.meant = true
		u.play.write(func(h *History) { h.Intents = append(h.Intents, Intent{User: u.name, From: d.Answered}) })
	}
	return true
}

// gives up whatever he meant, from now on.
func (u *player) givesUp() {
	if !u.meant {
		return
	}
	u.meant = false
	u.play.write(func(h *History) {
		for i := len(h.Intents) - 1; i >= 0; i-- {
			if h.Intents[i].User == u.name {
				h.Intents[i].To = u.play.now()
				return
			}
		}
	})
}

// keep beats for n beats that are answered (0: to the end), as a client does: in time, and soon again where there is no answer.
func (u *player) keep(n int) {
	for done := 0; !u.over() && (n == 0 || done < n || u.isCalm()); {
		if u.beat() {
			done++
			u.sleep(u.next)
			continue
		}
		u.sleep(u.awhile(150*time.Millisecond, 400*time.Millisecond))
	}
}

// whim changes something of what he does, perhaps.
func (u *player) whim() {
	if u.isCalm() {
		return
	}
	sides := 8
	if u.play.opts.Restless {
		sides = 5
	}
	switch u.dice.IntN(sides) {
	case 0:
		u.state = []string{"online", "busy", "away", "dnd"}[u.dice.IntN(4)]
	case 1:
		u.rooms = nil
		if u.dice.IntN(3) > 0 {
			u.rooms = []string{u.play.room(u.dice)}
		}
	case 2:
		u.ask(Deed{Kind: Other}, "PUT", "/v1/presence/status", fmt.Sprintf(`{"status":%q,"expiresInMs":0}`, []string{"away", "busy", "dnd"}[u.dice.IntN(3)]), false)
	case 3:
		u.ask(Deed{Kind: Other}, "DELETE", "/v1/presence/status", "", false)
	case 4:
		if u.play.opts.Restless && len(u.rooms) > 0 {
			body := fmt.Sprintf(`{"sessionId":%q,"ttlMs":1000}`, u.session)
			u.ask(Deed{Kind: Other}, "PUT", "/v1/rooms/"+url.PathEscape(u.rooms[0])+"/typing", body, false)
		}
	}
}

// steady users are always here.
func (u *player) steady() {
	u.page()
	u.sleep(u.awhile(0, 500*time.Millisecond))
	for !u.over() {
		u.keep(1)
		u.whim()
	}
}

// bye says goodbye by the leave token.
func (u *player) bye() bool {
	u.givesUp()
	body, _ := json.Marshal(map[string]string{"leaveToken": u.leave})
	saved := u.token
	u.token = ""
	d, _, _ := u.ask(Deed{Session: u.session, Kind: Leave}, "POST", "/v1/presence/leave", string(body), false)
	u.token = saved
	return d.Outcome == Done && !d.Again
}

// awaits the end of the play where it is calm, and says so.
func (u *player) staysAway() bool {
	if u.isCalm() {
		<-u.ctx.Done()
	}
	return u.over()
}

// again repeats one round of a habit on a new page each.
func (u *player) again(round func()) {
	u.sleep(u.awhile(0, 500*time.Millisecond))
	for !u.over() {
		u.page()
		u.leave = ""
		round()
	}
}

func (u *player) leaving() {
	u.again(func() {
		u.keep(1 + u.dice.IntN(2))
		if u.over() {
			return
		}
		u.bye()
		u.away(u.play.opts.Grace+500*time.Millisecond, u.play.opts.Grace+3*time.Second)
	})
}

// away stays away for a while, or for good where nothing is to change.
func (u *player) away(a, b time.Duration) {
	for until := time.Now().Add(u.awhile(a, b)); time.Now().Before(until) && !u.staysAway(); {
		u.sleep(100 * time.Millisecond)
	}
	u.staysAway()
}

func (u *player) silent() {
	u.again(func() {
		u.keep(1 + u.dice.IntN(2))
		u.givesUp()
		u.away(u.play.opts.TTL+2*time.Second, u.play.opts.TTL+7*time.Second)
	})
}

// flapping users leave and are back within grace, as a reload is.
func (u *player) flapping() {
	u.seq = int64(u.dice.IntN(2)) // half of them send numbers
	u.again(func() {
		for !u.over() {
			u.keep(1 + u.dice.IntN(2))
			if u.over() || !u.bye() {
				return // whether he has left is not known: so another page
			}
			u.sleep(u.awhile(0, u.play.opts.Grace/2))
		}
	})
}

// ending users end their session outright.
func (u *player) ending() {
	u.again(func() {
		u.keep(1 + u.dice.IntN(2))
		if u.over() {
			return
		}
		u.givesUp()
		u.ask(Deed{Session: u.session, Kind: End}, "DELETE", "/v1/presence/me/sessions/"+url.PathEscape(u.session), "", false)
		u.away(500*time.Millisecond, 3*time.Second)
	})
}

// hiding users are here all the time, and nobody may know.
func (u *player) hiding() {
	for !u.over() {
		d, _, _ := u.ask(Deed{Kind: Hide}, "PUT", "/v1/presence/privacy", `{"online":"nobody","lastSeen":"nobody","activity":"nobody","typing":"nobody"}`, false)
		if d.Outcome == Done {
			break
		}
		u.sleep(200 * time.Millisecond)
	}
	u.steady()
}

// shuffling users send beats twice, late, and after they have left.
func (u *player) shuffling() {
	u.seq = 1
	u.again(func() {
		for range 1 + u.dice.IntN(3) {
			u.keep(1)
			u.state = []string{"online", "busy", "away"}[u.dice.IntN(3)]
			u.late()
		}
		if u.over() {
			return
		}
		if !u.bye() {
			return
		}
		u.late()
		u.sleep(u.play.opts.Grace + 300*time.Millisecond)
		u.late()
		u.away(time.Second, 3*time.Second)
	})
}

// late sends beats again that are over. None of them may do anything.
func (u *player) late() {
	if u.play.opts.NoLate || u.isCalm() || u.over() {
		return
	}
	var wait sync.WaitGroup
	for range 1 + u.dice.IntN(3) {
		old := u.old[u.dice.IntN(len(u.old))]
		copied := *u
		wait.Go(func() {
			copied.ask(Deed{Session: u.session, Kind: Beat, Stale: true}, "POST", "/v1/presence/heartbeat", old, false)
		})
	}
	wait.Wait()
}
