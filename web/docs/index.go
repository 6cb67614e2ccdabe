package docs

import (
	"regexp"
	"strings"
)

// entry is one thing that can be found. The names are short, since every reader who searches loads them all; they are a map, since JSON tags are for the contract.
type entry map[string]string

// index is what the search looks through: each passage of each page, and each operation. u is the path beneath the directory of /docs, t the title of the page, h the heading, x the text.
func (b *book) index(contract []byte) []entry {
	var all []entry
	for _, p := range b.order {
		for _, s := range p.passages {
			link := strings.TrimSuffix("docs/"+p.Path, "/")
			if s.ID != "" {
				link += "#" + s.ID
			}
			all = append(all, entry{"u": link, "t": p.Name, "h": s.Heading, "x": s.Text})
		}
	}
	for _, o := range operations(contract) {
		all = append(all, entry{"u": "docs/reference#" + strings.ToLower(o.method) + "-" + o.path, "t": o.method + " " + o.path, "h": o.summary, "x": o.id})
	}
	return all
}

// operation is one of the contract's.
type operation struct{ method, path, id, summary string }

var (
	pathLine   = regexp.MustCompile(`^  (/\S*):$`)
	methodLine = regexp.MustCompile(`^    (get|put|post|delete|patch):$`)
	idLine     = regexp.MustCompile(`^      operationId: (\S+)$`)
	sayLine    = regexp.MustCompile(`^      summary: (.+)$`)
)

// operations reads them out of openapi.yaml by how that file is laid out, which spares the program a parser of YAML. A test holds the result to what a real one reads.
func operations(contract []byte) []operation {
	var all []operation
	path := ""
	for line := range strings.Lines(string(contract)) {
		line = strings.TrimRight(line, "\n")
		if line == "components:" {
			break
		}
		if m := pathLine.FindStringSubmatch(line); m != nil {
			path = m[1]
		} else if m := methodLine.FindStringSubmatch(line); m != nil && path != "" {
			all = append(all, operation{method: strings.ToUpper(m[1]), path: path})
		} else if m := idLine.FindStringSubmatch(line); m != nil && len(all) > 0 {
			all[len(all)-1].id = m[1]
		} else if m := sayLine.FindStringSubmatch(line); m != nil && len(all) > 0 {
			all[len(all)-1].summary = strings.Trim(m[1], `'"`)
		}
	}
	return all
}
