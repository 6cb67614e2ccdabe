package redisstore

import (
	"context"
	"strconv"
)

// move is what a steady beat asks for: that scores in a lane's beats grow. Moves that wait for a pipeline at the same time travel as one command, which
// costs Redis and us less than one each.
type move struct {
	key     string
	members [2]string // the session's deadline, and where it has one its highest number
	scores  [2]int64
	size    int
	// alone has it travel as a command of its own. It is for beats that may well bring something new: they are not to have their neighbours looked at again.
	alone bool

	moved bool // all of it
	err   error
}

func (m *move) add(score int64, member string) {
	m.members[m.size], m.scores[m.size] = member, score
	m.size++
}

// procession is moves that travel as one command, whose answer tells no more than how many scores have grown.
type procession struct {
	moves []*move
	sent  command
	size  int
	asked command // who has moved; where the answer was too small a number
	doubt bool    // it was
}

// line puts the moves of a batch together by key. No member is in a command twice: the second would be taken for one that has not moved, or for the first.
func (f *flusher) line(batch []*errand) {
	clear(f.byKey)
	clear(f.taken)
	f.processions = f.processions[:0]
	for _, e := range batch {
		if !e.moves {
			continue
		}
		m := &e.move
		p, double := f.byKey[m.key], f.taken[m.members[0]]
		if p == nil || double || m.alone {
			p = new(procession)
			f.processions = append(f.processions, p)
			if !double && !m.alone {
				f.byKey[m.key] = p
			}
		}
		f.taken[m.members[0]] = true
		p.moves, p.size, e.in = append(p.moves, m), p.size+m.size, p
	}
}

// command makes ZADD of it.
func (p *procession) command(ctx context.Context) command {
	args := append(make([]any, 0, 5+2*p.size), "zadd", p.moves[0].key, "xx", "gt", "ch")
	for _, m := range p.moves {
		for i := range m.size {
			args = append(args, &m.scores[i], &m.members[i]) // go-redis takes pointers, which need no memory of their own
		}
	}
	p.sent = newCommand(ctx, args...)
	return p.sent
}

// settle takes the answer, which may leave it in doubt who has moved.
func (p *procession) settle() {
	n, err := p.sent.Int64()
	p.doubt = err == nil && n != int64(p.size) && len(p.moves) > 1
	for _, m := range p.moves {
		m.moved, m.err = n == int64(p.size), err
	}
}

// question asks for the scores of all.
func (p *procession) question(ctx context.Context) command {
	args := append(make([]any, 0, 2+p.size), "zmscore", p.moves[0].key)
	for _, m := range p.moves {
		for i := range m.size {
			args = append(args, &m.members[i])
		}
	}
	p.asked = newCommand(ctx, args...)
	return p.asked
}

// look takes the scores: who has what was sent has moved. So has, as far as that counts, one for whom somebody else has sent the very same in the same
// ms; his session lives until then, and who has moved it on since, or away, is found out by the script.
func (p *procession) look() {
	scores, err := p.asked.Slice()
	for _, m := range p.moves {
		m.moved, m.err = err == nil && len(scores) >= m.size, err
		for i := range m.size {
			m.moved = m.moved && isScore(scores[i], m.scores[i])
		}
		scores = scores[min(m.size, len(scores)):]
	}
}

// isScore compares a score as Redis writes it, which is a double that holds all of ours exactly.
func isScore(answer any, score int64) bool {
	text, ok := answer.(string)
	if !ok {
		return false // there is no such member
	}
	f, err := strconv.ParseFloat(text, 64)
	return err == nil && f == float64(score)
}
