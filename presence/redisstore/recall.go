package redisstore

import (
	"context"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/presently/presently/presence"
)

const (
	// recallSpread is over how long instances spread their offers, so that most find that another was there before.
	recallSpread = 500 * time.Millisecond
	// recalledAtOnce is how many users one pipeline asks about, or offers: some 5 ms of Redis' time.
	recalledAtOnce = 100
	// readEvery and readAtOnce bound the reading of users who are remembered but not known yet: 400 a second.
	readEvery  = 100 * time.Millisecond
	readAtOnce = 40
	// graceUnknown is what is left of the grace of a session that left through another instance.
	graceUnknown = 10 * time.Second
	// leastGrace is what is left of any grace that is offered back: long enough for another instance to say that the session has come back, which nothing
	// tells the one that took the leave.
	leastGrace = 2 * recallSpread
)

// recaller knows in which lanes data may have been lost.
type recaller struct {
	wake chan struct{}

	mu  sync.Mutex // guards what follows
	due map[int]bool
}

func newRecaller() recaller { return recaller{wake: make(chan struct{}, 1), due: map[int]bool{}} }

// lost notes that data of a lane may have been lost.
func (r *recaller) lost(lane int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.due[lane] = true
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

func (r *recaller) take() (lanes []int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for lane := range r.due {
		lanes = append(lanes, lane)
	}
	clear(r.due)
	slices.Sort(lanes)
	return lanes
}

// offerBack offers what is remembered whenever data may have been lost, until ctx ends. It is no harm to offer twice, so what
// got no answer is offered again.
func (s *Store) offerBack(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.recaller.wake:
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(rand.N(recallSpread)):
		}
		began, users, taken := time.Now(), 0, 0
		for _, lane := range s.recaller.take() {
			if s.health.broken(lane) {
				s.recaller.lost(lane)
				continue
			}
			err := s.opts.Panics.Try(presence.PanicInStore, func() error {
				n, accepted, err := s.recallLane(ctx, lane)
				users, taken = users+n, taken+accepted
				return err
			})
			if err != nil {
				s.recaller.lost(lane)
			}
		}
		if taken > 0 {
			s.opts.Logger.Warn("redis: lost data were offered back", "users", users, "taken", taken, "took", time.Since(began))
		}
	}
}

// recallLane offers all that is remembered of one lane.
func (s *Store) recallLane(ctx context.Context, lane int) (users, taken int, err error) {
	epoch := s.memory[lane].epoch.Load()
	if err := s.recallSubscriptions(ctx, lane); err != nil {
		return 0, 0, err
	}
	for some := range slices.Chunk(s.memory[lane].users(), recalledAtOnce) {
		n, err := s.recallSome(ctx, lane, some)
		if err != nil {
			return users, taken, err
		}
		users, taken = users+len(some), taken+n
	}
	s.memory[lane].settle(epoch)
	return users, taken, nil
}

// recallSome offers back those of some users of a lane who seem to have changed: most have not where nothing was lost.
func (s *Store) recallSome(ctx context.Context, lane int, users []string) (taken int, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	p := &s.partitions[lane]
	var versions []command
	for _, u := range users {
		versions = append(versions, newCommand(ctx, "hget", p.facts(u), "v"), newCommand(ctx, "hget", p.settings(u), "v"))
	}
	if err := s.send(ctx, versions); err != nil {
		return 0, err
	}
	var calls []call
	var offered []string
	for i, u := range users {
		facts, _ := versions[2*i].Text()
		settings, _ := versions[2*i+1].Text()
		_ = s.opts.Panics.Try(presence.PanicInStore, func() error { // others are not to wait for a user who cannot be offered
			if c, ok := s.offer(lane, u, facts, settings); ok {
				calls, offered = append(calls, c), append(offered, u)
			}
			return nil
		})
	}
	commands, err := s.runAll(ctx, calls)
	if err != nil {
		return 0, err
	}
	for i, cmd := range commands {
		did, err := s.recalled(lane, cmd)
		if redis.HasErrorPrefix(err, "ERR") { // the script failed: others are not to wait for a user who cannot be offered
			s.opts.Logger.Error("redis: recall", "user", offered[i], "error", err)
			continue
		}
		if err != nil {
			return taken, err
		}
		if did {
			taken++
		}
	}
	s.memory[lane].unsure(offered)
	return taken, nil
}

func (s *Store) recalled(lane int, cmd command) (did bool, err error) {
	reply, err := cmd.Result()
	if err != nil {
		return false, err
	}
	a := newAnswer(reply)
	did = a.text() == "recalled"
	s.observed(lane, a)
	return did, a.err
}

// recall offers back what is remembered of one user, of whom something was lost.
func (s *Store) recall(ctx context.Context, user string) error {
	lane := s.Lane(user)
	c, ok := s.offer(lane, user, "lost", "lost")
	if !ok {
		return nil
	}
	_, err := s.run(ctx, c)
	return err
}

// offer makes the call that offers a user back, unless there is nothing to offer, or his hashes have the versions that are known.
func (s *Store) offer(lane int, user, factsV, settingsV string) (c call, ok bool) {
	m := &s.memory[lane]
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.find(user)
	if r == nil || len(r.facts)+len(r.settings)+len(r.ended) == 0 || r.intact(factsV, settingsV) && !s.opts.CloseAfterLoss {
		return call{}, false
	}
	ends, _ := r.facts.value("e")
	related := ""
	if r.related {
		value, _ := r.settings.value("related")
		related = strconv.FormatInt(int64(versionOf("related", value)), 10)
	}
	args := []any{user, int64(m.version), r.kept(s.clocks[lane].millis()).Milliseconds(), int64(versionOf("e", ends)), related, s.opts.TTL.Milliseconds()}
	if s.opts.CloseAfterLoss && r.sure && r.whole && r.related && !r.doubt {
		args = append(args, "sure", "", "", "")
	}
	for _, g := range r.ended {
		args = append(args, "ended", "t:"+g.session, g.number+"|"+strconv.FormatInt(int64(g.version), 10), "")
	}
	for _, p := range r.facts {
		if id, is := cutKind(p.field, "s"); is {
			args = append(args, "session", p.field, p.value, s.signOf(r, user, id, p.value))
		}
	}
	for _, p := range r.facts {
		if kind := kindOf(p.field); kind != "s" && places[kind] != 0 {
			args = append(args, "facts", p.field, p.value, places[kind])
		}
	}
	for _, p := range r.settings {
		if kind := kindOf(p.field); places[kind] != 0 && (r.related || kind != "r" && kind != "related") {
			args = append(args, "settings", p.field, p.value, places[kind])
		}
	}
	p := &s.partitions[lane]
	return s.call(lane, s.scripts.recall, []string{p.facts(user), p.settings(user)}, args...), true
}

func cutKind(field, kind string) (id string, is bool) {
	if kindOf(field) != kind {
		return "", false
	}
	return field[len(kind)+1:], true
}

// intact reports whether the hashes are as they were when they were last heard of. A leave is told by nothing, so where there was one they may be older.
func (r *remembered) intact(factsV, settingsV string) bool {
	if !r.whole || factsV != r.factsV || settingsV != r.settingsV || r.factsV == "" && len(r.facts) > 0 || r.settingsV == "" && len(r.settings) > 0 {
		return false
	}
	return !slices.ContainsFunc(r.facts, func(p stored) bool { return kindOf(p.field) == "s" && part(p.value, leftPlace) != "" })
}

// signOf is when a session last gave a sign of life, and with what number, as recall.lua takes it.
func (s *Store) signOf(r *remembered, user, session, value string) string {
	var p packed
	i := slices.IndexFunc(r.signs, func(g sign) bool { return g.session == session })
	if i < 0 { // it was given through another instance, which knows better
		p.part("").number(0).number(graceUnknown.Milliseconds())
	} else {
		since := time.Duration(s.local()-r.signs[i].at) * time.Microsecond
		p.number(since.Milliseconds()).number(r.signs[i].idle).number(max(leastGrace, r.signs[i].grace-since).Milliseconds())
	}
	number, known := s.numbers.highestOf(user, session)
	if n, err := strconv.ParseInt(part(value, seqPlace), 10, 64); err == nil && (!known || n > number) {
		number, known = n, true
	}
	if !known {
		return p.part("").String()
	}
	return p.number(number).String()
}

// kept is how long the facts are to be kept.
func (r *remembered) kept(nowMs int64, known bool) time.Duration {
	if !known {
		nowMs = time.Now().UnixMilli()
	}
	var facts []presence.Fact
	for _, field := range []string{"c", "custom"} {
		if value, there := r.facts.value(field); there {
			f, _ := fact(field, value)
			facts = append(facts, f)
		}
	}
	return keepFor(facts, millis(nowMs))
}

// learnLazily reads those of whom not all is known.
func (s *Store) learnLazily(ctx context.Context) {
	users := make([]string, 0, readAtOnce)
	for lane := range s.memory {
		if len(users) < readAtOnce && !s.health.failing(lane, deafAfter) {
			users = append(users, s.memory[lane].toRead(readAtOnce-len(users))...)
		}
	}
	if len(users) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	readings, _ := s.byLane(ctx, nil, users)
	commands, err := s.runAll(ctx, s.lookups(readings))
	for i, r := range readings {
		if err != nil || s.learnAll(ctx, r, commands[i]) != nil {
			s.memory[r.lane].unsure(r.users)
		}
	}
}

// learnAll takes a reading into memory. Where something was lost, it is offered back.
func (s *Store) learnAll(ctx context.Context, r *reading, cmd command) error {
	if _, err := s.takeScripted(r, cmd); err != nil {
		return err
	}
	for i, u := range r.users {
		if s.memory[r.lane].learn(u, r.told[i]) {
			if err := s.recall(ctx, u); err != nil {
				return err
			}
		}
	}
	return nil
}
