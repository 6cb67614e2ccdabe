// Package parsers has tests alone: a running Presently is told every nasty text in every field that takes any, what it then writes to streams is
// recorded, and readers of event streams that others wrote read the recordings. They must see the same events, which are those that were meant.
package parsers
