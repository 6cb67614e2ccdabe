package redisstore

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/presently/presently/presence"
)

const (
	// As in lua/prelude.lua: a score in beats is the deadline in ms and, in its low bits, the idleness.
	scoreGrain = 4096
	idleGrain  = 250 * time.Millisecond
	seqBase    = int64(1) << 53

	// factsKept is how long facts outlive the last write.
	factsKept = 30 * 24 * time.Hour
	// A session that beats steadily writes no facts. One beat in so many, drawn by lot, makes them last on, and finds out whether they are
	// still there: a key that was deleted or evicted comes back within some 16 min of beats every 30 s.
	thoroughEvery = 32
)

// Beat implements presence.Store.
func (s *Store) Beat(ctx context.Context, b presence.Beat) (presence.Beaten, error) {
	lane := s.Lane(b.User)
	if err := s.health.refuse("beat", lane); err != nil {
		return presence.Beaten{}, err
	}
	m := &s.memory[lane]
	known := m.meet(b.User, b.Session)
	says, sent := fingerprint(b), s.local()
	out, err := s.takeBeat(ctx, b, says, known)
	if err == nil && !out.Old {
		m.lived(b.User, sign{session: b.Session, at: sent, idle: idleness(b), says: says})
	}
	return out, err
}

// takeBeat takes a heartbeat by the plain command, or by the script.
func (s *Store) takeBeat(ctx context.Context, b presence.Beat, says string, known met) (presence.Beaten, error) {
	began := time.Now()
	now, tried := s.mayBeSteady(b, says, known)
	if tried {
		out, ok, err := s.extend(ctx, b, says, now, known.says == "")
		if err != nil {
			return presence.Beaten{}, unavailable("beat", err)
		}
		if ok {
			return out, nil
		}
	}
	// Nearly all beats end before this, in less time than it takes to set a context's clock.
	ctx, cancel := context.WithDeadline(ctx, began.Add(callTimeout))
	defer cancel()
	out, err := s.beat(ctx, b, says, tried, known.live)
	if !errors.Is(err, errSessionLost) {
		return out, err
	}
	if err := s.recall(ctx, b.User); err != nil {
		return presence.Beaten{}, unavailable("beat", err)
	}
	return s.beat(ctx, b, says, tried, false)
}

// errSessionLost says that a session is not there, and nothing tells that it has ended.
var errSessionLost = errors.New("the session was lost")

// mayBeSteady tells the time, where the plain command can do all that the beat asks for.
func (s *Store) mayBeSteady(b presence.Beat, says string, known met) (nowMs int64, ok bool) {
	if known.suspect || known.says != "" && known.says != says || b.Seq != nil && !s.numbers.newer(b.User, b.Session, *b.Seq) {
		return 0, false
	}
	nowMs, ok = s.clocks[s.Lane(b.User)].millis()
	return nowMs, ok && (b.Doing == nil || s.lasting.has(b.User, says+b.Session, nowMs))
}

// extend moves the deadline of a session that says what it said before. It reports false where it did not find that to be all,
// whatever it has moved: then the script does the rest. alone: it is not known that the session said so before.
func (s *Store) extend(ctx context.Context, b presence.Beat, says string, nowMs int64, alone bool) (presence.Beaten, bool, error) {
	lane := s.Lane(b.User)
	p := &s.partitions[lane]
	m := member(says, b.Session, b.User)
	moves := move{key: p.beats, alone: alone}
	moves.add(score(nowMs, b), m)
	if b.Seq != nil {
		moves.add(*b.Seq-seqBase, numberOf(m))
	}
	var commands []command
	thorough := s.thorough()
	if thorough {
		commands = append(commands, newCommand(ctx, "pexpire", p.facts(b.User), factsKept.Milliseconds(), "gt"))
	}
	var look *reading
	if thorough || !b.Minimal {
		look = s.newReading(ctx, lane, generalSettings, b.User)
		commands = append(commands, look.commands...)
	}
	moved, err := s.coalescer(lane).move(ctx, moves, commands...)
	if err != nil || !moved {
		return presence.Beaten{}, false, err
	}
	if b.Seq != nil {
		s.numbers.saw(b.User, b.Session, *b.Seq)
	}
	out := presence.Beaten{Steady: true}
	if look == nil {
		return out, true, nil
	}
	records, whole, err := s.take(look)
	if err != nil || !whole {
		return presence.Beaten{}, false, err
	}
	if !b.Minimal {
		out.Record = records[0]
	}
	if s.memory[lane].learn(b.User, look.told[0]) {
		return presence.Beaten{}, false, s.recall(ctx, b.User)
	}
	// Where its facts were lost, and nobody remembers them, the script makes the session anew.
	_, found := records[0].Session(b.Session)
	return out, found, nil
}

func score(nowMs int64, b presence.Beat) int64 {
	return (nowMs+b.TTL.Milliseconds())*scoreGrain + idleness(b)
}

func idleness(b presence.Beat) int64 { return min(max(0, int64(b.IdleFor/idleGrain)), scoreGrain-1) }

// beat takes a heartbeat by the script, which is right in every case.
func (s *Store) beat(ctx context.Context, b presence.Beat, says string, tried, expected bool) (presence.Beaten, error) {
	lane := s.Lane(b.User)
	p := &s.partitions[lane]
	device, named, seq, doing, doingTTL := "", false, "", "", int64(0)
	if b.Device != nil {
		device, named = *b.Device, true
	}
	if b.Seq != nil {
		seq = fmt.Sprint(*b.Seq)
	}
	wanted := !b.Minimal || b.Doing != nil // the record tells how long the activity lasts
	if b.Doing != nil {
		doing, doingTTL = packDoing(*b.Doing), b.Doing.TTL.Milliseconds()
	}
	profile := packProfile(b.Profile)
	what, r, err := s.ask(ctx, s.call(lane, s.scripts.beat, []string{p.facts(b.User), p.settings(b.User)},
		b.User, b.Session, says, b.TTL.Milliseconds(), string(b.State), b.Idle, max(0, b.IdleFor.Milliseconds()), b.Hidden,
		device, named, seq, profile, digest([]byte(profile)), escape(b.Instance), b.MaxLive, tried, doing, doingTTL,
		packRooms(b.Rooms), wanted, expected), b.User)
	if err != nil {
		return presence.Beaten{}, unavailable("beat", err)
	}
	switch what {
	case "many":
		return presence.Beaten{}, presence.ErrTooManySessions
	case "lost":
		return presence.Beaten{}, errSessionLost
	}
	what, rooms, _ := strings.Cut(what, "+")
	came, _ := strconv.Atoi(rooms) // none, where nothing is said of rooms
	what, returned := strings.CutSuffix(what, "!")
	out := presence.Beaten{Old: what == "old", Steady: what == "steady", Returned: returned, Came: came, Record: r}
	if b.Seq != nil && !out.Old {
		s.numbers.saw(b.User, b.Session, *b.Seq)
	}
	if b.Doing != nil && !out.Old {
		s.lasts(b, says, r)
	}
	if b.Minimal {
		out.Record = presence.Record{}
	}
	return out, nil
}

// lasts notes until when beats with this activity need not extend it: the second half of its life is when they do.
func (s *Store) lasts(b presence.Beat, says string, r presence.Record) {
	for _, a := range r.Doing {
		if a.Session == b.Session {
			s.lasting.saw(b.User, says+b.Session, a.Until.UnixMilli()-(b.Doing.TTL.Milliseconds()+1)/2)
		}
	}
}

// fingerprint tells apart all that a beat can say, but for its time, idleness and number: beats with the same fingerprint only
// extend the session.
func fingerprint(b presence.Beat) string {
	buf := make([]byte, 0, 128)
	text := func(s string) {
		buf = binary.AppendUvarint(buf, uint64(len(s)))
		buf = append(buf, s...)
	}
	flag := func(on bool) {
		if on {
			buf = append(buf, 1)
			return
		}
		buf = append(buf, 0)
	}
	flag(b.Idle)
	flag(b.Hidden)
	flag(b.Device != nil)
	if b.Device != nil {
		text(*b.Device)
	}
	text(string(b.State))
	buf = binary.AppendVarint(buf, b.TTL.Milliseconds())
	text(b.Profile.Name)
	text(b.Profile.Avatar)
	if b.Doing != nil {
		text(b.Doing.Type)
		text(b.Doing.Target)
		text(b.Doing.Label)
		buf = binary.AppendVarint(buf, b.Doing.TTL.Milliseconds())
	}
	if b.Rooms != nil {
		buf = append(buf, roomsTag)
		for _, room := range *b.Rooms {
			text(room)
		}
	}
	return digest(buf)
}

// roomsTag tells rooms from an activity, which begins with the length of its type, where a beat has but one of them.
const roomsTag = 0xff

// digest is 11 characters of [A-Za-z0-9_-].
func digest(b []byte) string {
	var sum [8]byte
	binary.BigEndian.PutUint64(sum[:], xxhash.Sum64(b))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
