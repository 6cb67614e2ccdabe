package main

import (
	"flag"
	"fmt"
	"regexp"
	"strings"
	"time"
)

var (
	unknownFlag = regexp.MustCompile(`^flag provided but not defined: -+([^=]*)`)
	emptyFlag   = regexp.MustCompile(`^flag needs an argument: -+(.*)`)
	unreadFlag  = regexp.MustCompile(`^invalid (?:boolean )?value "(.*)" for (?:flag )?-+([^:]*): (.*)`)
)

// flagProblem says what package flag found, as people write flags. A value is repeated where it was to be a number or a duration, which is no secret.
func flagProblem(fs *flag.FlagSet, err error) string {
	text := err.Error()
	see := "; see presently help"
	if fs.Name() != "presently" {
		see += " " + fs.Name()
	}
	switch {
	case unknownFlag.MatchString(text):
		name := unknownFlag.FindStringSubmatch(text)[1]
		if like := likeFlag(fs, name); like != "" {
			return fmt.Sprintf("--%s is no flag; did you mean --%s?%s", name, like, see)
		}
		return fmt.Sprintf("--%s is no flag%s", name, see)
	case emptyFlag.MatchString(text):
		name := emptyFlag.FindStringSubmatch(text)[1]
		return fmt.Sprintf("--%s stands alone: write --%s=…%s", name, name, see)
	case unreadFlag.MatchString(text):
		m := unreadFlag.FindStringSubmatch(text)
		if example := exampleOf(fs.Lookup(m[2])); example != "" {
			return fmt.Sprintf("--%s: %q cannot be read: %s", m[2], m[1], example)
		}
		return fmt.Sprintf("--%s: %s", m[2], m[3])
	}
	text, _, _ = strings.Cut(text, "=")
	return text + see
}

// exampleOf is how a flag is written; empty: it has words of its own for what is wrong.
func exampleOf(f *flag.Flag) string {
	g, ok := f.Value.(flag.Getter)
	if !ok {
		return ""
	}
	switch g.Get().(type) {
	case time.Duration:
		return "write it like 90s, 5m or 250ms"
	case bool:
		return "write true or false, or the flag alone"
	}
	return "write a number"
}

// likeFlag is the flag that somebody may have meant: one that begins so, or is one letter or two off.
func likeFlag(fs *flag.FlagSet, name string) (like string) {
	nearest := 3
	fs.VisitAll(func(f *flag.Flag) {
		d := distance(name, f.Name)
		if len(name) > 2 && (strings.HasPrefix(f.Name, name) || strings.HasPrefix(name, f.Name)) {
			d = 1
		}
		if d < nearest && d < len(f.Name) {
			nearest, like = d, f.Name
		}
	})
	return like
}

// distance is how many letters are to be put in, taken out or changed to make b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		left := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := left
			if a[i] != b[j] {
				change++
			}
			left = row[j+1]
			row[j+1] = min(change, row[j]+1, left+1)
		}
	}
	return row[len(b)]
}
