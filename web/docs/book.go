package docs

import (
	"cmp"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/renderer/html"
	"github.com/yuin/goldmark/text"
)

// repository is where links lead that go to what is no page, such as a source file.
const repository = "https://github.com/presently/presently/blob/main/"

// orderFile lists the pages of docs/ in the order of the navigation, beneath headings. Names of pages that there are not (yet) are no fault, and pages that it
// does not name come last: a new page needs no change here to be found.
const orderFile = "docs/order.txt"

// book is all pages, rendered.
type book struct {
	front    *page // docs/README.md, above the list of all others
	sections []section
	pages    map[string]*page // by the path in the site, such as "api/people"; "" is the front page
	order    []*page          // as one reads them
}

type section struct {
	Title string
	Pages []*page
}

// page is one file of Markdown.
type page struct {
	File     string // in the repository
	Path     string // in the site, beneath /docs
	Title    string // its first heading
	Name     string // the same, up to a colon: what lists call it
	Summary  string // the first sentence of its first paragraph
	Headings []heading
	source   []byte
	tree     ast.Node
	passages []passage // what is searched
}

// heading is a second-level one, as the page's own table of contents has it.
type heading struct{ ID, Text string }

// passage is what stands beneath one heading.
type passage struct{ ID, Heading, Text string }

var markdown = goldmark.New(
	goldmark.WithExtensions(extension.NewTable(extension.WithTableCellAlignMethod(extension.TableCellAlignAttribute)), extension.Strikethrough, extension.Linkify),
	goldmark.WithParserOptions(parser.WithAutoHeadingID()),
	goldmark.WithRendererOptions(html.WithXHTML()),
)

// readBook reads every .md file of a file system, whose paths are those of the repository.
func readBook(files fs.FS) (*book, error) {
	b := &book{pages: map[string]*page{}}
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path.Ext(name) != ".md" {
			return err
		}
		source, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		p := parsePage(name, source)
		if other, taken := b.pages[p.Path]; taken {
			return fmt.Errorf("%s and %s would both be /docs/%s", other.File, name, p.Path)
		}
		b.pages[p.Path] = p
		return nil
	})
	if err != nil {
		return nil, err
	}
	if b.front = b.pages[""]; b.front == nil {
		return nil, fmt.Errorf("there is no docs/README.md")
	}
	order, err := fs.ReadFile(files, orderFile)
	if err != nil {
		return nil, err
	}
	b.arrange(string(order))
	return b, nil
}

// sitePath is where a file is found in the site: docs/api/people.md is api/people, docs/decisions/README.md is decisions, client/README.md is client.
func sitePath(file string) string {
	name := strings.TrimSuffix(strings.TrimPrefix(file, "docs/"), ".md")
	if dir, base := path.Split(name); base == "README" {
		return strings.TrimSuffix(dir, "/")
	}
	return name
}

// arrange sorts the pages into sections. In order.txt a line that begins with # is a heading, one that begins with - names what is no page of the site but a part of
// one, and every other names a page, or with /* all pages of a directory that are not named elsewhere.
func (b *book) arrange(order string) {
	placed := map[string]bool{"": true}
	for line := range strings.Lines(order) {
		name := strings.TrimSpace(line)
		if part, ok := strings.CutPrefix(name, "- "); ok {
			placed[part] = true
			delete(b.pages, part)
		}
	}
	for line := range strings.Lines(order) {
		name := strings.TrimSpace(line)
		if title, ok := strings.CutPrefix(name, "# "); ok {
			b.sections = append(b.sections, section{Title: title})
			continue
		}
		if dir, ok := strings.CutSuffix(name, "/*"); ok {
			for _, p := range b.sorted() {
				if strings.HasPrefix(p.Path, dir+"/") {
					b.place(p, placed)
				}
			}
			continue
		}
		if p := b.pages[name]; p != nil && len(b.sections) > 0 {
			b.place(p, placed)
		}
	}
	b.sections = append(b.sections, section{Title: "More"})
	for _, p := range b.sorted() {
		b.place(p, placed)
	}
	b.sections = slices.DeleteFunc(b.sections, func(s section) bool { return len(s.Pages) == 0 })
	b.order = []*page{b.front}
	for _, s := range b.sections {
		b.order = append(b.order, s.Pages...)
	}
}

func (b *book) place(p *page, placed map[string]bool) {
	if !placed[p.Path] {
		placed[p.Path] = true
		last := &b.sections[len(b.sections)-1]
		last.Pages = append(last.Pages, p)
	}
}

func (b *book) sorted() []*page {
	var all []*page
	for _, p := range b.pages {
		all = append(all, p)
	}
	slices.SortFunc(all, func(x, y *page) int { return cmp.Compare(x.Path, y.Path) })
	return all
}

func parsePage(file string, source []byte) *page {
	p := &page{File: file, Path: sitePath(file), source: source}
	p.tree = markdown.Parser().Parse(text.NewReader(source), parser.WithContext(parser.NewContext(parser.WithIDs(&anchors{seen: map[string]int{}}))))
	here := passage{}
	for n := p.tree.FirstChild(); n != nil; n = n.NextSibling() {
		h, isHeading := n.(*ast.Heading)
		if !isHeading {
			words := plain(n, source)
			if _, prose := n.(*ast.Paragraph); prose && p.Summary == "" {
				p.Summary = firstSentence(words)
			}
			here.Text += words + " "
			continue
		}
		words, id := plain(h, source), headingID(h)
		switch {
		case h.Level == 1 && p.Title == "":
			p.Title = words
		case h.Level == 2:
			p.Headings = append(p.Headings, heading{id, words})
		}
		p.passages = append(p.passages, here)
		here = passage{ID: id, Heading: words}
	}
	p.passages = slices.DeleteFunc(append(p.passages, here), func(s passage) bool { return s == passage{} })
	p.Title = cmp.Or(p.Title, p.Path)
	p.Name, _, _ = strings.Cut(p.Title, ": ")
	return p
}

func headingID(h *ast.Heading) string {
	id, _ := h.AttributeString("id")
	b, _ := id.([]byte)
	return string(b)
}

// plain is what a node says, without how.
func plain(n ast.Node, source []byte) string {
	var b strings.Builder
	_ = ast.Walk(n, func(n ast.Node, entering bool) (ast.WalkStatus, error) { // nothing in it fails
		if !entering {
			if n.Type() == ast.TypeBlock {
				b.WriteByte(' ')
			}
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Text:
			b.Write(n.Segment.Value(source))
			if n.SoftLineBreak() || n.HardLineBreak() {
				b.WriteByte(' ')
			}
		case *ast.FencedCodeBlock:
			b.Write(n.Lines().Value(source))
		case *ast.AutoLink:
			b.Write(n.Label(source))
		}
		return ast.WalkContinue, nil
	})
	return strings.Join(strings.Fields(b.String()), " ")
}

func firstSentence(words string) string {
	if end := strings.IndexAny(words, ".?!:"); end > 0 {
		for end+1 < len(words) && words[end+1] != ' ' {
			next := strings.IndexAny(words[end+1:], ".?!:")
			if next < 0 {
				return words
			}
			end += 1 + next
		}
		return strings.TrimSuffix(words[:end+1], ":")
	}
	return words
}
