package redisstore

import (
	"context"
	"strconv"
)

// questions are commands that read, and where their answers go.
type questions struct {
	commands []command
	take     []func(command) error
}

func (q *questions) ask(c command, take func(command) error) {
	q.commands, q.take = append(q.commands, c), append(q.take, take)
}

// number asks for a number that is added to others.
func (q *questions) number(sum *int, c command) {
	q.ask(c, func(c command) error {
		n, err := c.Int()
		*sum += n
		return err
	})
}

// names asks for names that join others.
func (q *questions) names(all *[]string, c command) {
	q.ask(c, func(c command) error {
		names, err := c.StringSlice()
		*all = append(*all, names...)
		return err
	})
}

// users asks for entries of users, or for their names.
func (q *questions) users(all *[]string, c command) {
	q.ask(c, func(c command) error {
		entries, err := c.StringSlice()
		for _, e := range entries {
			*all = append(*all, userOf(e))
		}
		return err
	})
}

// pose poses questions, all in one pipeline.
func (s *Store) pose(ctx context.Context, q questions) error {
	if err := s.send(ctx, q.commands); err != nil {
		return err
	}
	for i, c := range q.commands {
		if err := q.take[i](c); err != nil {
			return err
		}
	}
	return nil
}

// after is the least score that is greater.
func after(n int64) string { return "(" + strconv.FormatInt(n, 10) }

// fromNow is the least score of a time in ms that has not passed, as far as is known: the clock is early rather than late.
func (s *Store) fromNow(lane int) string {
	if ms, ok := s.clocks[lane].millis(); ok {
		return after(ms)
	}
	return "-inf"
}
