package handlers

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/presently/presently/presence/memstore"
)

// Whoever hides can do what he likes: the viewer from whom he hides gets the very same bytes at the very same moments as if he did
// nothing, and as if he had gone when he hid. One history is played three times to find out.
func TestNothingThatSomebodyDoesWhileHiddenCanBeTold(t *testing.T) {
	for _, way := range waysToHide {
		for seed := range uint64(3) {
			t.Run(fmt.Sprint(way.name, "/", seed), func(t *testing.T) {
				t.Parallel()
				quiet := playHidden(t, way, seed, false, false)
				compareHeard(t, "he does something", quiet, playHidden(t, way, seed, true, false))
				if way.likeGone {
					compareHeard(t, "he is really gone", quiet, playHidden(t, way, seed, false, true))
				}
			})
		}
	}
}

// wayToHide is one way in which ada hides from eve.
type wayToHide struct {
	name     string
	before   []string // requests of ada, long before
	hide     string   // the request that hides her, or "invisible" or an audience
	online   []string // audiences that she may set meanwhile
	choices  bool     // her choice of status does not hide her, so she may change it
	blockEve bool     // to block eve, and to unblock her, shows nothing
	addEve   bool     // to make eve a contact shows nothing
	likeGone bool
}

var everyAudience = []string{"everyone", "contacts", "nobody"}

const (
	blockEve, unblockEve = "PUT /v1/blocks/eve", "DELETE /v1/blocks/eve"
	befriendEve          = "PUT /v1/contacts/eve"
)

var waysToHide = []wayToHide{
	{name: "invisible to a stranger", hide: "invisible", online: everyAudience, blockEve: true, likeGone: true},
	{name: "invisible to a contact", before: []string{befriendEve}, hide: "invisible", online: everyAudience, likeGone: true},
	{name: "invisible to one who was blocked", before: []string{blockEve, unblockEve}, hide: "invisible", online: everyAudience, blockEve: true, likeGone: true},
	{name: "nobody, to a stranger", hide: "nobody", online: []string{"contacts", "nobody"}, choices: true, blockEve: true, likeGone: true},
	{name: "nobody, to a contact", before: []string{befriendEve}, hide: "nobody", online: []string{"nobody"}, choices: true, likeGone: true},
	{name: "contacts, to a stranger", hide: "contacts", online: []string{"contacts", "nobody"}, choices: true, blockEve: true, likeGone: true},
	{name: "contacts, to one who was blocked", before: []string{blockEve, unblockEve}, hide: "contacts", online: []string{"contacts", "nobody"}, choices: true, blockEve: true, likeGone: true},
	{name: "blocked", hide: blockEve, online: everyAudience, choices: true, addEve: true, likeGone: true},
	{name: "blocked for the second time", before: []string{blockEve, unblockEve}, hide: blockEve, online: everyAudience, choices: true, addEve: true, likeGone: true},
	// Who is no longer a contact sees less of everybody, also of who is gone.
	{name: "blocked, a contact", before: []string{befriendEve}, hide: blockEve, online: everyAudience, choices: true, addEve: true},
}

// hiddenPlay is one playing of a history.
type hiddenPlay struct {
	*world
	way      wayToHide
	dice     *rand.Rand
	start    time.Time
	script   []moment
	leave    map[string]string // ada's leave tokens by session
	lastSeen string            // ada's setting, which does show
	streams  []*rawStream
	heard    []string // by eve
}

// moment is something that somebody does at a time. What is secret is done in some playings only.
type moment struct {
	at     time.Duration
	secret bool
	do     func()
}

const (
	hiddenSince = 20*time.Second + 403*time.Millisecond // 97 ms before a beacon
	hiddenUntil = 5 * time.Minute
)

// playHidden plays a history and returns all that eve heard. The dice are thrown before anything happens, so that it differs in nothing but
// in what is left out.
func playHidden(t *testing.T, way wayToHide, seed uint64, secrets, gone bool) (heard []string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		// Sweeps fall on no other's moment, between which the scheduler would choose.
		w := newWorld(t, memstore.New(memstore.Options{TTL: worldPolicy.TTL, Sweep: time.Second + 13*time.Microsecond}))
		w.server.sealer.key = worldSecret // so that ids are the same in all playings
		w.run()
		w.server.opts.Coalesce += 7 * time.Microsecond // nor do flushes
		p := &hiddenPlay{world: w, way: way, dice: rand.New(rand.NewPCG(seed, 1)), start: time.Now(), leave: map[string]string{}}
		p.write(gone)
		for _, m := range p.script {
			if m.secret && !secrets {
				continue
			}
			time.Sleep(time.Until(p.start.Add(m.at)))
			m.do()
			synctest.Wait()
		}
		for _, s := range p.streams {
			s.cancel()
			<-s.done
			heard = append(heard, s.heard()...)
		}
		heard = append(p.heard, heard...)
	})
	return heard
}

func compareHeard(t *testing.T, what string, one, other []string) {
	t.Helper()
	for i := range min(len(one), len(other)) {
		if one[i] != other[i] {
			t.Fatalf("eve can tell that %s: while hidden she hears\n%s\nand now\n%s", what, one[i], other[i])
		}
	}
	if len(one) != len(other) {
		t.Fatalf("eve can tell that %s: she hears %d things, and %d", what, len(one), len(other))
	}
}

// The parts of a second in which each has his moments, so that nobody acts when another does, nor when the store has a beacon or a sweep,
// nor when a stream has coalesced what came then.
const (
	adaMoment = 3 + iota
	tomMoment
	eveMoment
	streamMoment
	momentStep = 11 // ms
)

// throw adds moments at random times.
func (p *hiddenPlay) throw(n int, from, to time.Duration, part int, secret bool, make func() func()) {
	for range n {
		at := from + time.Duration(p.dice.Int64N(int64(to-from)))
		at = at.Truncate(momentStep*time.Millisecond) + time.Duration(part)*time.Millisecond
		if at%(250*time.Millisecond) == 0 {
			at += momentStep * time.Millisecond
		}
		p.script = append(p.script, moment{at, secret, make()})
	}
}

func (p *hiddenPlay) write(gone bool) {
	at := func(at time.Duration, do func()) { p.script = append(p.script, moment{at, false, do}) }
	p.lastSeen = everyAudience[p.dice.IntN(3)]
	ada := func(request string) func() { return func() { p.mustDo("ada", request, "") } }
	at(time.Millisecond, func() { p.setPrivacy("everyone", "everyone", "everyone") })
	for i, request := range p.way.before {
		at(time.Duration(2+i)*time.Millisecond, ada(request))
	}
	at(10*time.Millisecond, p.openStream(""))

	// What all can see.
	p.throw(15, 100*time.Millisecond, hiddenSince-2500*time.Millisecond, adaMoment, false, p.adaActs)
	p.throw(60, 100*time.Millisecond, hiddenUntil, tomMoment, false, p.tomActs)

	// In the end one session is left, so that to be gone is one step.
	for i, step := range []func(){
		func() { p.ask("ada", "DELETE", "/v1/presence/status", "") },
		func() { p.beatAs("ada", sessionOfAda(0), `,"state":"online","rooms":["attic","lobby"]`) },
		ada("DELETE /v1/presence/me/sessions/" + sessionOfAda(1)),
		ada("DELETE /v1/presence/me/sessions/" + sessionOfAda(2)),
		ada("DELETE /v1/presence/me/sessions/" + backendSession),
		func() { p.setPrivacy("everyone", "everyone", "everyone") },
		func() { p.mustDo("ada", "PUT /v1/rooms/lobby/typing", typing(sessionOfAda(0), "30000")) }, // which her hiding ends
	} {
		at(hiddenSince-2*time.Second+time.Duration(i)*270*time.Millisecond, step)
	}
	busy := p.dice.IntN(200) // with streams that have just been flushed, so that her hiding waits
	at(hiddenSince-time.Duration(busy)*time.Millisecond-500*time.Microsecond, func() { p.beatAs("ada", sessionOfAda(0), `,"state":"busy"`) })
	at(hiddenSince, func() { p.hide(gone) })

	// What nobody but herself can see.
	p.throw(6, hiddenSince+time.Millisecond*momentStep, hiddenSince+600*time.Millisecond, adaMoment, true, p.adaActs)
	p.throw(80, hiddenSince+time.Millisecond*momentStep, hiddenUntil, adaMoment, true, p.adaActs)

	// And how eve looks.
	p.throw(3, hiddenSince+time.Millisecond*momentStep, hiddenSince+600*time.Millisecond, streamMoment, false, p.eveStreams)
	p.throw(30, 100*time.Millisecond, hiddenUntil, streamMoment, false, p.eveStreams)
	bucket := hiddenSince + time.Minute // of her last-seen time: changes now
	p.throw(3, bucket, bucket+300*time.Millisecond, adaMoment, true, p.adaActs)
	p.throw(6, bucket, bucket+400*time.Millisecond, streamMoment, false, p.eveStreams)
	p.throw(80, 100*time.Millisecond, hiddenUntil, eveMoment, false, p.eveLooks)
	at(hiddenUntil+time.Second, func() {})
	slices.SortStableFunc(p.script, func(a, b moment) int { return int(a.at - b.at) })
}

func (p *hiddenPlay) hide(gone bool) {
	switch hide := p.way.hide; {
	case gone:
		p.mustDo("ada", "DELETE /v1/presence/me/sessions/"+sessionOfAda(0), "")
	case hide == "invisible":
		p.mustDo("ada", "PUT /v1/presence/status", `{"status":"invisible"}`)
	case slices.Contains(everyAudience, hide):
		p.setPrivacy(hide, "everyone", "everyone")
	default:
		p.mustDo("ada", hide, "")
	}
}

func (p *hiddenPlay) mustDo(user, request, body string) {
	method, path, _ := strings.Cut(request, " ")
	if r := p.ask(user, method, path, body); r.status >= 300 {
		p.Fatalf("%s %s: %d %s", user, request, r.status, r.body)
	}
}

func (p *hiddenPlay) setPrivacy(online, activity, typing string) {
	p.mustDo("ada", "PUT /v1/presence/privacy", privacy(online, p.lastSeen, activity, typing))
}

func sessionOfAda(n int) string { return fmt.Sprintf("session-of-ada-%d", n) }

// beatAs beats as user/name, where the name is that of the token.
func (p *hiddenPlay) beatAs(as, session, more string) {
	user, name, _ := strings.Cut(as, "/")
	var headers []string
	if name != "" {
		headers = append(headers, "Authorization: Bearer "+token(user, map[string]any{"profile": map[string]string{"name": name}}))
	}
	r := p.ask(user, "POST", "/v1/presence/heartbeat", `{"sessionId":"`+session+`"`+more+`}`, headers...)
	if r.status != http.StatusOK {
		p.Fatalf("%d %s", r.status, r.body)
	}
	if user == "ada" {
		p.leave[session] = leaveTokenIn.FindStringSubmatch(string(r.body))[1]
	}
}

var leaveTokenIn = regexp.MustCompile(`"leaveToken":"([^"]*)"`)

func (p *hiddenPlay) one(of ...string) string { return of[p.dice.IntN(len(of))] }

func (p *hiddenPlay) room() string { return "/v1/rooms/" + p.one("lobby", "lobby", "attic") }

func typing(session, ttlMs string) string {
	return `{"sessionId":"` + session + `","ttlMs":` + ttlMs + `}`
}

// expiry is a short one, and not by the second.
func (p *hiddenPlay) expiry() string { return fmt.Sprint(1000 + p.dice.IntN(20000)) }

// adaActs is something that ada does, which does not end her hiding.
func (p *hiddenPlay) adaActs() func() {
	session := sessionOfAda(p.dice.IntN(3))
	do := func(request, body string) func() {
		method, path, _ := strings.Cut(request, " ")
		return func() {
			if r := p.ask("ada", method, path, body); r.status >= 300 && r.status != http.StatusConflict {
				p.Fatalf("%s: %d %s", request, r.status, r.body)
			}
		}
	}
	switch p.dice.IntN(23) {
	case 0, 1, 2, 3, 4:
		more := `,"state":"` + p.one("online", "away", "busy", "dnd") + `","device":"` + p.one("web", "mobile") + `"`
		more += p.one("", "", `,"rooms":["lobby"]`, `,"rooms":["attic","cellar","lobby"]`, `,"rooms":[]`)
		more += p.one("", `,"idleMs":600000`, `,"visibility":"hidden"`, `,"activity":{"type":"in_call","ttlMs":`+p.expiry()+`}`)
		as := "ada/" + p.one("Ada", "Adele")
		return func() { p.beatAs(as, session, more) }
	case 5:
		return func() { p.ask("", "POST", "/v1/presence/leave", p.leave[session]+" ", "Content-Type: text/plain") }
	case 6:
		return do("DELETE /v1/presence/me/sessions/"+session, "")
	case 7, 8:
		return do("PUT /v1/presence/custom", `{"text":"`+p.one("Standup", "Lunch")+`","expiresInMs":`+p.expiry()+`}`)
	case 9:
		return do("DELETE /v1/presence/custom", "")
	case 10:
		return do("PUT /v1/presence/activity", `{"sessionId":"`+session+`","type":"`+p.one("viewing", "in_meeting")+`","ttlMs":`+p.expiry()+`}`)
	case 11:
		return do("DELETE /v1/presence/activity", "")
	case 12:
		return do(p.one("PUT", "DELETE")+" "+p.one("/v1/contacts/", "/v1/blocks/")+p.one("tom", "zed"), "")
	case 13:
		return p.adaOnEve(do)
	case 14:
		online, activity, typing := p.one(p.way.online...), p.one(everyAudience...), p.one(everyAudience...)
		return func() {
			if time.Since(p.start) < hiddenSince {
				online = "everyone"
			}
			p.setPrivacy(online, activity, typing)
		}
	case 15:
		return p.adaChooses(do)
	case 17, 18:
		return do(p.one("PUT", "PUT", "DELETE")+" "+p.room()+"/members/me?sessionId="+session, "")
	case 19, 20, 21:
		request := p.one("PUT", "PUT", "POST", "DELETE") + " " + p.room() + "/typing"
		if body := typing(session, p.expiry()); !strings.HasPrefix(request, "DELETE") {
			return do(request, body)
		}
		return do(request, "")
	case 16:
		if p.dice.IntN(3) == 0 {
			return func() {
				if time.Since(p.start) < hiddenSince {
					return // her sessions end one by one, and whether a flush falls between is up to the scheduler
				}
				p.ask("", "DELETE", "/v1/admin/users/ada/sessions", "", adminOf("root"))
			}
		}
		set := `{"state":"busy","ttlMs":` + p.expiry() + `,"rooms":["` + p.one("lobby", "attic") + `"],"profile":{"name":"` + p.one("Ada", "Eda") + `"}}`
		return func() { p.ask("", "PUT", "/v1/admin/presence/ada", set, adminOf("root")) }
	}
	query := p.one("user=ada&user=eve", "user=tom&user=ada")
	return func() { // she looks herself
		s := p.open("ada", query, "")
		p.ask("ada", "GET", "/v1/presence/me/explain?viewer=eve", "")
		time.AfterFunc(20*time.Second, s.cancel)
	}
}

func (p *hiddenPlay) adaOnEve(do func(request, body string) func()) func() {
	method := p.one("PUT", "DELETE")
	path := ""
	if p.way.blockEve {
		path = "/v1/blocks/eve"
	}
	if p.way.addEve {
		path = "/v1/contacts/eve"
	}
	return func() {
		// Not while eve has yet to be told that ada has gone: whose relation changes then is told it as of the next beacon.
		if path != "" && time.Since(p.start) > hiddenSince+time.Second {
			do(method+" "+path, "")()
		}
	}
}

func (p *hiddenPlay) adaChooses(do func(request, body string) func()) func() {
	choice := do("PUT /v1/presence/status", `{"status":"`+p.one("busy", "away", "dnd", "online")+`","expiresInMs":`+p.expiry()+`}`)
	hide := do("PUT /v1/presence/status", `{"status":"invisible"}`)
	clearIt := do("DELETE /v1/presence/status", "")
	later := p.dice.IntN(3)
	return func() {
		switch {
		case time.Since(p.start) < hiddenSince:
			choice()
		case !p.way.choices:
			hide()
		default:
			[]func(){choice, hide, clearIt}[later]()
		}
	}
}

// tomActs is something that tom does for all to see. What he says has short ends, which come by the clock alone.
func (p *hiddenPlay) tomActs() func() {
	request, body := "PUT /v1/presence/custom", `{"text":"`+p.one("Standup", "Lunch")+`","expiresInMs":`+p.expiry()+`}`
	switch p.dice.IntN(8) {
	case 0:
		request, body = "PUT /v1/presence/status", `{"status":"`+p.one("busy", "away")+`","expiresInMs":`+p.expiry()+`}`
	case 1:
		more := `,"state":"` + p.one("online", "busy") + `"` + p.one("", `,"rooms":["lobby"]`, `,"rooms":["attic"]`)
		return func() { p.beatAs("tom", "session-of-tom", more) }
	case 2, 3:
		room, mark := p.room(), typing("session-of-tom", p.expiry())
		return func() {
			p.beatAs("tom", "session-of-tom", "")
			p.mustDo("tom", "PUT "+room+"/typing", mark)
		}
	case 4:
		request, body = "DELETE "+p.room()+"/members/me", ""
	}
	return func() { p.mustDo("tom", request, body) }
}

// eveLooks is a request of eve's, whose answer is noted.
func (p *hiddenPlay) eveLooks() func() {
	request := p.one("GET /v1/presence/ada", "GET /v1/presence?user=ada&user=tom&user=eve", "GET /v1/presence/ada/explain", "GET /v1/presence/ada/explain?viewer=eve",
		"POST /v1/presence/query", "POST /v1/presence/query", "GET /v1/presence/me", "POST /v1/presence/heartbeat", "GET /v1/contacts", "PUT /v1/contacts/ada", "HEAD /v1/presence/ada",
		"GET "+p.room()+"/presence", "GET "+p.room()+"/presence?limit=1", "GET "+p.room()+"/presence?limit=1&cursor="+cursorAfter(p.one("a", "ada", "eve")),
		"GET "+p.room()+"/count", "GET "+p.room()+"/count", "GET "+p.room()+"/typing", "GET "+p.room()+"/typing", "GET /v1/users/ada/rooms", "GET /v1/users/ada/rooms", "GET /v1/users/tom/rooms",
		"GET /v1/admin/online", "GET /v1/admin/online?limit=1", "GET /v1/stats")
	if request == "GET /v1/stats" && p.way.hide == blockEve {
		request = "GET /v1/admin/online" // statistics know no viewer: others see ada still
	}
	body := ""
	switch request {
	case "POST /v1/presence/query":
		body = p.one(`{"users":["tom","ada"]}`, `{"users":["ada","tom","eve"],"onlyOnline":true}`)
	case "POST /v1/presence/heartbeat":
		body = `{"sessionId":"session-of-eve"` + p.one("", `,"rooms":["lobby","attic"]`, `,"rooms":[]`) + `}`
	}
	return func() {
		method, path, _ := strings.Cut(request, " ")
		var headers []string
		switch path, _, _ := strings.Cut(path, "?"); path {
		case "/v1/stats":
			headers = append(headers, "Authorization: Bearer "+token("eve", map[string]any{"scope": ScopeStats}))
		case "/v1/admin/online":
			headers = append(headers, adminOf("eve"))
		}
		r := p.ask("eve", method, path, body, headers...)
		if path == "/v1/stats" {
			r.header.Del("Content-Length") // of how many streams there are, which statistics do tell
		}
		p.hear(request, r)
		if tag := r.header.Get("ETag"); tag != "" {
			p.hear("again, "+request, p.ask("eve", method, path, body, "If-None-Match: "+tag))
		}
	}
}

// hear notes an answer, without what is random.
func (p *hiddenPlay) hear(request string, r reply) {
	for _, name := range []string{"X-Request-Id", "Presence-Next-Ms"} {
		r.header.Del(name)
	}
	p.heard = append(p.heard, fmt.Sprintf("at %v, %s: %d %v %s", time.Since(p.start), request, r.status, r.header, masked(string(r.body))))
}

var random = regexp.MustCompile(`"(streamId|requestId)":"[^"]*"|"(nextMs|streams)":\d+|(?m)^retry: \d+$`)

func masked(text string) string { return random.ReplaceAllString(text, "(random)") }

// eveStreams opens a stream, perhaps where another has ended.
func (p *hiddenPlay) eveStreams() func() {
	query := p.one("user=ada", "user=ada&user=tom", "user=tom&user=ada&user=eve")
	resume := p.dice.IntN(2) == 0
	which := p.dice.IntN(1000)
	return func() {
		var open, ended []*rawStream
		for _, s := range p.streams {
			if s.open {
				open = append(open, s)
			} else {
				ended = append(ended, s)
			}
		}
		if len(open) > 8 {
			s := open[1+which%(len(open)-1)] // the first stays
			s.open = false
			s.cancel()
			<-s.done
			ended = append(ended, s)
		}
		if resume && len(ended) > 0 {
			s := ended[which%len(ended)]
			if id := s.lastID(); id != "" {
				p.openStreamOf(s.query, id)
				return
			}
		}
		p.openStreamOf(query, "")
	}
}

func (p *hiddenPlay) openStream(lastID string) func() {
	return func() { p.openStreamOf("user=ada&user=tom", lastID) }
}

func (p *hiddenPlay) openStreamOf(query, lastID string) {
	p.streams = append(p.streams, p.open("eve", query, lastID))
}

// rawStream is a stream as its bytes came.
type rawStream struct {
	query  string
	start  time.Time // of the play
	opened time.Time
	open   bool
	cancel func()
	done   chan struct{}

	mu   sync.Mutex // guards what follows
	came []arrival
}

type arrival struct {
	at   time.Time
	text string
}

func (p *hiddenPlay) open(user, query, lastID string) *rawStream {
	var headers []string
	if lastID != "" {
		headers = append(headers, "Last-Event-ID: "+lastID)
	}
	res, cancel := p.stream(user, query, headers...)
	body := res.Body
	s := &rawStream{query: query, start: p.start, opened: time.Now(), open: true, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		defer body.Close() //nolint:errcheck // a test
		b := make([]byte, 64<<10)
		for {
			n, err := body.Read(b)
			s.mu.Lock()
			if last := len(s.came) - 1; last >= 0 && s.came[last].at.Equal(time.Now()) {
				s.came[last].text += string(b[:n])
			} else if n > 0 {
				s.came = append(s.came, arrival{time.Now(), string(b[:n])})
			}
			s.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	p.Cleanup(func() { cancel(); <-s.done })
	return s
}

var idLine = regexp.MustCompile(`(?m)^id: (.*)$`)

func (s *rawStream) lastID() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range slices.Backward(s.came) {
		if ids := idLine.FindAllStringSubmatch(a.text, -1); len(ids) > 0 {
			return ids[len(ids)-1][1]
		}
	}
	return ""
}

func (s *rawStream) heard() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var lines []string
	for _, a := range s.came {
		lines = append(lines, fmt.Sprintf("stream of %s opened at %v, at %v:\n%s", s.query, s.opened.Sub(s.start), a.at.Sub(s.start), masked(a.text)))
	}
	return lines
}

// Whichever way somebody is looked at, the viewer gets the fields that his relation and the user's settings give him, and no other.
func TestEveryWayToLookShowsTheSameFields(t *testing.T) {
	const (
		hidden = "notify profile rev status userId"
		known  = "lastSeen lastSeenAt notify profile rev status userId"
		away   = "custom notify profile rev status userId"
		whole  = "activity chosen custom devices lastActiveAt notify profile rev status userId"
		secret = "activity chosen custom devices notify profile rev status userId" // lastActiveAt is for those who are away
	)
	for _, test := range []struct {
		name, do, body                                 string
		self, contact, stranger, blocked, blockContact string
	}{
		{"online", "", "", whole, whole, away, hidden, hidden},
		{"invisible", "PUT /v1/presence/status", `{"status":"invisible"}`, secret, known, hidden, hidden, hidden},
		{"contacts", "PUT " + privacyPath, privacy("contacts", "contacts", "contacts", "everyone"), whole, whole, hidden, hidden, hidden},
		{"nobody", "PUT " + privacyPath, privacy("nobody", "contacts", "contacts", "everyone"), whole, known, hidden, hidden, hidden},
		{"nobody, and no last seen", "PUT " + privacyPath, privacy("nobody", "nobody", "nobody", "nobody"), whole, hidden, hidden, hidden, hidden},
		{"all for all", "PUT " + privacyPath, privacy("everyone", "everyone", "everyone", "everyone"), whole, whole,
			"activity custom lastActiveAt notify profile rev status userId", known, known},
		{"gone", "DELETE /v1/presence/me/sessions/session-1", "", known, known, hidden, hidden, hidden},
	} {
		t.Run(test.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.beat("ada", "session-1", `,"device":"web","activity":{"type":"in_call","ttlMs":3600000}`)
				w.say("ada", `{"text":"Standup"}`)
				w.choose("ada", `{"status":"away"}`)
				for _, request := range []string{"contacts/contact", "contacts/blocked-contact", "blocks/blocked", "blocks/blocked-contact"} {
					w.decide("ada", "PUT", request)
				}
				if method, path, ok := strings.Cut(test.do, " "); ok {
					if r := w.ask("ada", method, path, test.body); r.status >= 300 {
						t.Fatalf("%d %s", r.status, r.body)
					}
				}
				for viewer, want := range map[string]string{
					"ada": test.self, "contact": test.contact, "stranger": test.stranger, "blocked": test.blocked, "blocked-contact": test.blockContact,
				} {
					for way, got := range w.looks(viewer, "ada") {
						if got != want {
							t.Errorf("%s, to %s: %s, want %s", way, viewer, got, want)
						}
					}
				}
			})
		})
	}
}

// looks are the fields of a presence that a viewer gets, by the way in which he looks.
func (w *world) looks(viewer, user string) map[string]string {
	fields := func(presence any) string {
		w.Helper()
		of, ok := presence.(map[string]any)
		if !ok {
			w.Fatalf("no presence: %v", presence)
		}
		return strings.Join(slices.Sorted(maps.Keys(of)), " ")
	}
	first := func(r reply) any {
		return as[map[string]any](w, r, http.StatusOK)["presences"].([]any)[0]
	}
	stream := w.watch(viewer, "user="+user)
	stream.next("hello")
	snapshot := decodeEvent[map[string]any](stream, stream.next("snapshot"))
	explained := as[map[string]any](w, w.ask(user, "GET", "/v1/presence/me/explain?viewer="+viewer, ""), http.StatusOK)["viewer"].(map[string]any)
	return map[string]string{
		"one":     fields(as[any](w, w.ask(viewer, "GET", "/v1/presence/"+user, ""), http.StatusOK)),
		"list":    fields(first(w.ask(viewer, "GET", "/v1/presence?user="+user, ""))),
		"query":   fields(first(w.ask(viewer, "POST", "/v1/presence/query", `{"users":["`+user+`"]}`))),
		"stream":  fields(snapshot["presences"].([]any)[0]),
		"explain": fields(explained["presence"]),
	}
}

// Whose relation changes is told something newer than what he had, though nothing else has changed since the last beacon: a client drops what is not
// newer, and would not show the devices of one who has made him a contact.
func TestWhoseRelationChangesIsToldSomethingNewer(t *testing.T) {
	inWorld(t, func(w *world) {
		w.beat("ada", "session-1", `,"device":"web"`)
		time.Sleep(time.Second)
		stream := w.watch("ben", "user=ada")
		_, first, _ := stream.started()
		before := first.Presences[0]
		for _, change := range []string{"PUT contacts/ben", "DELETE contacts/ben", "PUT contacts/ben", "PUT blocks/ben", "DELETE blocks/ben", "DELETE contacts/ben"} {
			time.Sleep(20 * time.Millisecond) // with streams that wait to be flushed, and without a beacon between
			method, path, _ := strings.Cut(change, " ")
			w.decide("ada", method, path)
			now := stream.presence()
			if now.Rev <= before.Rev {
				w.Errorf("%s: %s, then %s", change, encode(before), encode(now))
			}
			before = now
		}
	})
}

func TestARevDoesNotTellWhetherSomebodyElseWatches(t *testing.T) {
	revs := map[bool]int64{}
	for _, watched := range []bool{false, true} {
		inWorld(t, func(w *world) {
			w.beat("eve", "eve-laptop", "")
			time.Sleep(2 * time.Second)
			if watched {
				w.watch("ada", "user=eve").started()
			}
			time.Sleep(600 * time.Millisecond) // to a moment between two beacons
			_, snap, _ := w.watch("ben", "user=eve").started()
			revs[watched] = snap.Presences[0].Rev
		})
	}
	if revs[true] != revs[false] {
		t.Errorf("rev %d where ada watches too, else %d", revs[true], revs[false])
	}
}
