package docs

import (
	"bytes"
	"fmt"
	"path"
	"strings"
	"unicode"

	"github.com/yuin/goldmark/ast"
)

// anchors makes the ids of headings as GitHub does, so that a link to one works there and here.
type anchors struct{ seen map[string]int }

// Generate implements parser.IDs.
func (a *anchors) Generate(value []byte, _ ast.NodeKind) []byte {
	id := anchor(string(value))
	n := a.seen[id]
	a.seen[id]++
	if n > 0 {
		id = fmt.Sprintf("%s-%d", id, n)
	}
	return []byte(id)
}

// Put implements parser.IDs.
func (a *anchors) Put(value []byte) { a.seen[string(value)]++ }

// anchor is what GitHub makes of the words of a heading.
func anchor(words string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-', r == '_', unicode.IsLetter(r), unicode.IsDigit(r):
			return unicode.ToLower(r)
		}
		return -1
	}, strings.TrimSpace(words))
}

// upFrom leads from a page of the site to the directory that /docs lies in. Links are relative, so that the site works beneath any prefix that a proxy may take away.
func upFrom(sitePath string) string {
	if sitePath == "" {
		return ""
	}
	return strings.Repeat("../", strings.Count(sitePath, "/")+1)
}

// resolve turns a link as the Markdown has it, relative to its file, into one of the site.
func (b *book) resolve(from *page, link, up string) string {
	if strings.Contains(link, ":") || strings.HasPrefix(link, "#") || strings.HasPrefix(link, "/") {
		return link
	}
	file, fragment, _ := strings.Cut(link, "#")
	if fragment != "" {
		fragment = "#" + fragment
	}
	file = path.Join(path.Dir(from.File), file)
	switch {
	case file == "openapi.yaml":
		return up + "docs/reference" + fragment // which reads it
	case path.Dir(file) == "docs/images":
		return up + file
	case path.Ext(file) == ".md" && b.pages[sitePath(file)] != nil && b.pages[sitePath(file)].File == file:
		return up + strings.TrimSuffix("docs/"+sitePath(file), "/") + fragment
	case b.pages[sitePath(file+"/README.md")] != nil && b.pages[sitePath(file+"/README.md")].File == file+"/README.md":
		return up + "docs/" + sitePath(file+"/README.md") + fragment
	}
	return repository + file + fragment
}

// render makes the HTML of a page. It changes the page's tree, and is called once for each.
func (b *book) render(p *page) ([]byte, error) {
	up := upFrom(p.Path)
	err := ast.Walk(p.tree, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Link:
			n.Destination = []byte(b.resolve(p, string(n.Destination), up))
		case *ast.Image:
			n.Destination = []byte(b.resolve(p, string(n.Destination), up))
		}
		return ast.WalkContinue, nil
	})
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := markdown.Renderer().Render(&out, p.source, p.tree); err != nil {
		return nil, fmt.Errorf("%s: %w", p.File, err)
	}
	return scrolling.replace(out.Bytes()), nil
}

// scrolling makes what may be wider than a phone scroll by itself, also by keys. Source text cannot hold these tags: they are escaped there.
var scrolling = replacer{
	"<pre>", `<pre tabindex="0">`,
	"<table>", `<div class="wide" tabindex="0"><table>`,
	"</table>", `</table></div>`,
}

type replacer []string

func (r replacer) replace(text []byte) []byte {
	return []byte(strings.NewReplacer(r...).Replace(string(text)))
}
