package redisstore

import (
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/presently/presently/presence"
)

const (
	// usersRemembered bounds the users whom one instance remembers: some 1 KB each.
	usersRemembered = 200_000
	// gravesKept is how many ended sessions of a user are remembered, as in lua/ending.lua.
	gravesKept = 20
)

// memory is what this instance offers back when Redis has lost it: the two hashes of each user for whom it took something within the longest TTL
// of a session, at least. They are learnt from answers that carry them and kept up by the changes that the ear hears. Time in which
// nothing is heard makes nobody forgotten.
type memory []laneMemory

type laneMemory struct {
	keep  time.Duration
	most  int          // users in each generation
	epoch atomic.Int64 // the lane's, as heard last

	mu         sync.Mutex // guards what follows
	young, old map[string]*remembered
	turned     int64            // when young was empty, in local µs; later by as long as the lane was not heard
	heard      int64            // the lane's last beacon, in local µs
	version    presence.Version // the greatest heard of
	settled    int64            // the epoch in which all that was remembered has been offered back, or the first
	unread     []string         // users whose hashes are to be read
	notes      subscriptionMemory
	recalled   int64 // when a user was last offered back by anybody, in local µs; 0: never
}

// remembered is what is known of one user.
type remembered struct {
	head            presence.Head // of the last change that it includes
	facts, settings hash
	factsV          string // v of each hash; empty: not known, or there is none; then what is known is not in it for sure
	settingsV       string
	whole           bool // the facts are all that there are
	related         bool // so are the relations, as of the field of that name
	sure            bool // the settings are his, not what a loss has left of them
	doubt           bool // a change may have been missed
	queued          bool // it stands in unread
	ended           []grave
	signs           []sign
	suspects        []string // sessions that somebody has offered back: their next beat is not to be taken for steady
}

// grave is a session that is known to have ended.
type grave struct {
	session string
	number  string // highest; empty: none
	version presence.Version
}

// sign is the last sign of life of a session that came through this instance.
type sign struct {
	session string
	at      int64 // local µs
	idle    int64 // as in a score
	grace   time.Duration
	says    string // the fingerprint of what it says since; empty: not known for sure
}

func newMemory(lanes int, ttl time.Duration) memory {
	m := make(memory, lanes)
	for i := range m {
		l := &m[i]
		l.keep, l.most, l.turned = ttl*5/3, max(1, usersRemembered/2/lanes), localMicros()
		l.young, l.old, l.notes = map[string]*remembered{}, map[string]*remembered{}, newSubscriptionMemory(lanes)
	}
	return m
}

// met is what is remembered of a session that beats.
type met struct {
	live bool // it is believed to live
	// suspect: it was offered back, and has not beaten here since. What was offered may be older than what the session says by now: then
	// there are two members of it, and beats that pass for steady move the one that does not count.
	suspect bool
	says    string // as in sign
}

// expect remembers a user from now on, and reports whether a session of his is believed to live.
func (m *laneMemory) expect(user, session string) bool { return m.meet(user, session).live }

// meet remembers a user from now on, and tells what is known of a session of his.
func (m *laneMemory) meet(user, session string) (known met) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.young[user]
	if r == nil {
		if r = m.old[user]; r == nil {
			r = &remembered{}
			if m.recalled != 0 && localMicros()-m.recalled < m.keep.Microseconds() { // perhaps he was offered back
				r.suspects = []string{session}
			}
			m.ask(user, r)
		}
		if len(m.young) >= m.most {
			m.turn()
		}
		m.young[user] = r
		delete(m.old, user)
	}
	_, known.live = r.facts.value("s:" + session)
	known.suspect = slices.Contains(r.suspects, session)
	for i := range r.signs {
		if r.signs[i].session == session {
			known.says = r.signs[i].says
		}
	}
	return known
}

func (m *laneMemory) turn() {
	m.young, m.old, m.turned = map[string]*remembered{}, m.young, localMicros()
	m.unread = slices.DeleteFunc(m.unread, func(u string) bool { return m.old[u] == nil })
}

// ask has a user read whose hashes are not known, or not surely.
func (m *laneMemory) ask(user string, r *remembered) {
	if !r.queued && r.unsure() {
		r.queued = true
		m.unread = append(m.unread, user)
	}
}

func (m *laneMemory) find(user string) *remembered {
	if r := m.young[user]; r != nil {
		return r
	}
	return m.old[user]
}

// greatest is the greatest version heard of.
func (m *laneMemory) greatest() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return int64(m.version)
}

// remembers reports whether there are facts of a user to offer back.
func (m *laneMemory) remembers(user string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.find(user)
	return r != nil && len(r.facts) > 0
}

// users are all who are remembered.
func (m *laneMemory) users() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	users := make([]string, 0, len(m.young)+len(m.old))
	for u := range m.young {
		users = append(users, u)
	}
	for u := range m.old {
		users = append(users, u)
	}
	return users
}

// lived notes a sign of life. A session that gives one has not left: a return within grace is told by nothing either, and what is remembered of
// the leave would end the session once more.
func (m *laneMemory) lived(user string, s sign) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.find(user)
	if r == nil {
		return
	}
	r.suspects = slices.DeleteFunc(r.suspects, func(id string) bool { return id == s.session })
	if !r.signed(s) {
		return
	}
	if i, live := r.facts.find("s:" + s.session); live && part(r.facts[i].value, leftPlace) != "" {
		r.facts[i].value = returned(r.facts[i].value)
		r.doubt = true // how often it has come back is to be read
		m.ask(user, r)
	}
}

// returned is the field of a session that has left, as it is when the session has come back.
func returned(packed string) string {
	list := strings.Split(packed, "|")
	for place := leftPlace; place < returnsPlace && place <= len(list); place++ {
		list[place-1] = ""
	}
	return strings.Join(list, "|")
}

// signed notes a sign of life, and reports whether it is the newest of its session.
func (r *remembered) signed(s sign) bool {
	for i := range r.signs {
		if r.signs[i].session == s.session {
			if s.at < r.signs[i].at {
				return false
			}
			r.signs[i] = s
			return true
		}
	}
	r.signs = append(r.signs, s)
	return true
}

// left notes that a session has left, and its field as it is since. No change tells that.
func (m *laneMemory) left(user, packed string, is sign) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.find(user)
	if r == nil {
		return
	}
	r.signed(is)
	if was, live := r.facts.value("s:" + is.session); live && newerOrSame("s", packed, was) {
		r.facts.set("s:"+is.session, packed)
	}
}

// over notes the end of a session.
func (m *laneMemory) over(user, session string, v presence.Version) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r := m.find(user); r != nil {
		r.end(grave{session: session, version: v})
	}
}

// end takes a session out, unless it began after that.
func (r *remembered) end(g grave) {
	if was, live := r.facts.value("s:" + g.session); live {
		if versionOf("s", was) > g.version {
			return
		}
		if g.number == "" {
			g.number = part(was, seqPlace)
		}
	}
	for _, kind := range []string{"s:", "a:", "m:"} {
		r.facts.drop(kind + g.session)
	}
	r.signs = slices.DeleteFunc(r.signs, func(s sign) bool { return s.session == g.session })
	r.bury(g)
}

func (r *remembered) bury(g grave) {
	for i := range r.ended {
		if r.ended[i].session == g.session {
			if g.version > r.ended[i].version {
				r.ended[i] = g
			}
			return
		}
	}
	r.ended = append(r.ended, g)
	slices.SortFunc(r.ended, func(a, b grave) int { return int(a.version - b.version) })
	r.ended = r.ended[max(0, len(r.ended)-gravesKept):]
}

// hear keeps what is remembered in step with a change. told are its facts as they came. objects says that somebody has offered back a session as one that
// has left, of which a sign of life came through here, and that nothing more of it was known: then it is for us to offer it as it is.
func (m *laneMemory) hear(c presence.Change, told lines) (objects bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.version = max(m.version, c.Version)
	if c.Cause == presence.ByRecall {
		m.recalled = localMicros()
	}
	if c.Subscription != "" {
		m.notes.heard(c.Subscription, c.Version)
		return false
	}
	r := m.find(c.User)
	if r == nil || !c.Head.After(r.head) {
		return false
	}
	r.head = c.Head
	v := strconv.FormatInt(int64(c.Version), 10)
	// Until all has been offered back, a hash may have been lost and made anew by this very change: then it has the version that was heard of, and not what is
	// remembered besides.
	anew := c.Head.Epoch != m.settled && c.Cause != presence.ByRecall
	better := false
	for told != "" {
		field, value, _ := strings.Cut(told.text(), "=")
		if c.Cause == presence.ByRecall && r.knowsBetter(field, value) {
			better = true
		} else if c.Cause == presence.ByRecall && r.sawReturn(field, value) {
			// Whether the leave came first, which the script finds out, Redis' clock alone can tell.
			value, better, objects = returned(value), true, true
		}
		hashV := &r.factsV
		if isSetting(field) {
			hashV = &r.settingsV
		}
		switch {
		case anew:
			*hashV = ""
		case *hashV != "" || c.Head.Epoch == m.settled: // else it stays to be offered, whatever others have offered of it
			*hashV = v
		}
		r.hear(strings.Clone(field), strings.Clone(value), c) // not the whole message
	}
	if better {
		r.factsV = "" // what is there now is not what is known here, which is yet to be offered
	}
	m.ask(c.User, r)
	return objects
}

func (r *remembered) hear(field, value string, c presence.Change) {
	kind, id, _ := strings.Cut(field, ":")
	_, known := places[kind]
	recalled := c.Cause == presence.ByRecall
	if kind == "s" && recalled && !slices.Contains(r.suspects, id) {
		r.suspects = append(r.suspects, id)
	}
	switch {
	case kind == "t":
		r.end(graveOf(id, value, c.Version))
	case !known: // a mark, or of another version of the program
	case kind == "r" && (!r.related || r.doubt):
		r.related = false // one is no use without the others
	case kind == "r" && void(value):
		r.settings.drop(field)
	case isSetting(field):
		r.sure = r.sure || kind == "sure"
		r.settings.renew(field, value, recalled)
	case kind == "s" && recalled && r.knowsBetter(field, value):
	default:
		r.facts.renew(field, value, recalled)
		if (kind == "a" || kind == "m") && c.Cause != presence.ByBeat {
			r.unsettle(id)
		}
		r.says(kind, id, value)
	}
}

// says notes what a change tells of what sessions say: all of it in a session's own field, else that it may be something else by now.
func (r *remembered) says(kind, id, value string) {
	for i := range r.signs {
		switch s := &r.signs[i]; {
		case kind == "s" && s.session == id:
			s.says = strings.Clone(part(value, saysPlace))
		case kind == "p", (kind == "a" || kind == "m") && s.session == id:
			s.says = ""
		}
	}
}

// knowsBetter reports whether a session was heard of here in its present version: whether it has left or come back since is then better known here, and
// for us to offer, than by whoever was the first to offer it.
func (r *remembered) knowsBetter(field, value string) bool {
	was, live := r.facts.value(field)
	id, is := cutKind(field, "s")
	return is && live && versionOf("s", was) == versionOf("s", value) && slices.ContainsFunc(r.signs, func(s sign) bool { return s.session == id })
}

// sawReturn reports whether a session that is said to have left gave a sign of life here, and was not known here otherwise: it came back through this
// instance a moment before the loss, and there was no time to read what it was.
func (r *remembered) sawReturn(field, value string) bool {
	id, is := cutKind(field, "s")
	_, live := r.facts.value(field)
	return is && !live && part(value, leftPlace) != "" && slices.ContainsFunc(r.signs, func(s sign) bool { return s.session == id && s.grace == 0 })
}

// unsettle does to what is remembered what lua/unsettle.lua does.
func (r *remembered) unsettle(session string) {
	if i, live := r.facts.find("s:" + session); live {
		list := strings.Split(r.facts[i].value, "|")
		if len(list) >= saysPlace {
			list[saysPlace-1] = unsettled
			r.facts[i].value = strings.Join(list, "|")
		}
	}
}

// graveOf reads a grave as hashes and changes have it. Changes by which a session ends do not say which version that was, because it is theirs.
func graveOf(session, value string, v presence.Version) grave {
	number, version, _ := strings.Cut(value, "|")
	if n, err := strconv.ParseInt(version, 10, 64); err == nil {
		v = presence.Version(n)
	}
	return grave{session, number, v}
}

// missed notes that changes may have been missed.
func (m *laneMemory) missed() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, generation := range []map[string]*remembered{m.young, m.old} {
		for u, r := range generation {
			r.doubt = true
			m.ask(u, r)
		}
	}
	m.notes.forget()
}

// tick lets time pass: as much as has been heard.
func (m *laneMemory) tick(now presence.Version) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.version = max(m.version, now)
	at := localMicros()
	if silent := at - m.heard; silent > deafAfter.Microseconds() {
		m.turned += silent
	}
	m.heard = at
	if at-m.turned > m.keep.Microseconds() {
		m.turn()
	}
}

// toRead takes some users whose hashes are to be read.
func (m *laneMemory) toRead(most int) (users []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for len(m.unread) > 0 && len(users) < most {
		u := m.unread[0]
		m.unread[0] = ""
		m.unread = m.unread[1:]
		if r := m.find(u); r != nil && r.queued {
			r.queued = false
			if r.unsure() {
				users = append(users, u)
			}
		}
	}
	return users
}

func (r *remembered) unsure() bool { return r.doubt || !r.whole || !r.related }

// settle notes that what was remembered at the beginning of an epoch has been offered back.
func (m *laneMemory) settle(epoch int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.settled = epoch
}

// unsure has users read again.
func (m *laneMemory) unsure(users []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, u := range users {
		if r := m.find(u); r != nil {
			r.doubt = true
			m.ask(u, r)
		}
	}
}
