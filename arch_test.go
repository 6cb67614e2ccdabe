package main_test

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"maps"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The picture. Arrows not drawn here do not exist.
//
//	main ──────────────► everything
//	handlers ──────────► api   presence   sse
//	presence/redisstore ► presence   go-redis
//	presence/memstore ─► presence
//	presence/storetest ► presence   presence/memstore   rapid
//	webhook ───────────► api   presence
//	api, presence, sse ► nothing of ours
//
// If your change needs a new arrow, draw it here first and see if you still
// like it.
const module = "github.com/presently/presently"

const (
	goRedis = "github.com/redis/go-redis/v9"
	xxhash  = "github.com/cespare/xxhash/v2"
	rapid   = "pgregory.net/rapid"

	// anyLibrary lets a package import every library but go-redis.
	anyLibrary = "*"
)

// layer is what the code of one package, its tests aside, may import besides
// the standard library. A library name that ends in /... covers a library's packages.
type layer struct {
	ours      []string
	libraries []string
}

// layers has an entry for each package. A new package fails the test until it
// is drawn.
var layers = map[string]layer{
	"":         {ours: []string{"..."}, libraries: []string{anyLibrary, goRedis + "/..."}},
	"handlers": {ours: []string{"api", "presence", "sse"}, libraries: []string{anyLibrary}},
	"api":      {libraries: []string{anyLibrary}}, // what the generator asks for
	"webhook":  {ours: []string{"api", "presence"}},
	"presence": {},
	"sse":      {},
	"web":      {}, // embedded pages, which main mounts
	"web/docs": {libraries: []string{"github.com/yuin/goldmark/..."}},
	"web/home": {},

	"presence/memstore":   {ours: []string{"presence"}},
	"presence/redisstore": {ours: []string{"presence"}, libraries: []string{goRedis + "/...", xxhash, "golang.org/x/sync/..."}},
	"presence/storetest":  {ours: []string{"presence", "presence/memstore"}, libraries: []string{rapid}},

	// Tests use these, shipped code never does: that is held below.
	"internal/redistest": {libraries: []string{goRedis + "/..."}},
	"internal/contract":  {ours: []string{"api"}, libraries: []string{anyLibrary}},
	"bench":              {ours: []string{"..."}, libraries: []string{anyLibrary}},
	"e2e":                {ours: []string{"..."}, libraries: []string{anyLibrary}},
	"e2e/chaos":          {ours: []string{"api"}},
	"e2e/chaos/page":     {ours: []string{"e2e/chaos"}},
}

// onlyForTests are the packages that no shipped code may reach.
var onlyForTests = []string{"internal/redistest", "internal/contract", "presence/storetest", "e2e", "e2e/chaos", "e2e/chaos/page"}

func TestPackagesImportOnlyWhatThePictureShows(t *testing.T) {
	for _, p := range packages(t) {
		l, drawn := layers[p.name]
		if !drawn {
			t.Errorf("package %s is not in the picture: draw it in layers", p)
			continue
		}
		for _, imported := range p.Imports {
			if why := l.refuses(imported); why != "" {
				t.Errorf("%s imports %s: %s", p, imported, why)
			}
		}
	}
}

func TestShippedCodeReachesNoTestSupport(t *testing.T) {
	for _, p := range packages(t) {
		if slices.Contains(onlyForTests, p.name) || p.name == "bench" {
			continue
		}
		for _, imported := range p.Imports {
			if name, ok := ours(imported); ok && slices.Contains(onlyForTests, name) {
				t.Errorf("%s imports %s outside its tests", p, imported)
			}
			if imported == "testing" && p.name != "presence/storetest" {
				t.Errorf("%s imports testing outside its tests", p)
			}
		}
	}
}

// A shared drawer has no contract, so everything ends up in it.
func TestNoPackageIsNamedAfterNothing(t *testing.T) {
	drawers := []string{"util", "utils", "common", "models", "helpers", "manager", "data"}
	for _, p := range packages(t) {
		if slices.Contains(drawers, p.Name) || slices.Contains(drawers, path.Base(p.ImportPath)) {
			t.Errorf("%s: name the package after what it knows", p)
		}
	}
}

// wireTypes may carry JSON tags outside of api, each for its reason.
var wireTypes = map[string]string{
	"handlers/claims.go": "a JWT is its issuer's, and is read as it comes",
	"handlers/jwk.go":   "so is a JWKS",
	"web/home/home.go":  "the demo's page asks its own server who it may be, and nobody else does",
}

// The wire is described in openapi.yaml alone. A tagged struct elsewhere is a
// second description that nobody keeps in step. redisstore's records are
// versions of facts, not JSON.
func TestJSONTagsAppearInAPIAlone(t *testing.T) {
	excused := map[string]bool{}
	for _, f := range sources(t) {
		if f.pkg.name == "api" || slices.Contains(onlyForTests, f.pkg.name) || f.pkg.name == "bench" {
			continue
		}
		ast.Inspect(f.tree, func(n ast.Node) bool {
			field, ok := n.(*ast.Field)
			if !ok || field.Tag == nil || !strings.Contains(field.Tag.Value, `json:"`) {
				return true
			}
			if _, ok := wireTypes[f.name]; ok {
				excused[f.name] = true
				return true
			}
			t.Errorf("%s: JSON tag %s: describe it in openapi.yaml, or excuse %s in wireTypes",
				f.at(field), field.Tag.Value, f.name)
			return true
		})
	}
	for name := range wireTypes {
		if !excused[name] {
			t.Errorf("wireTypes excuses %s, which has no JSON tags", name)
		}
	}
}

// One table in handlers turns errors into statuses. sse knows that a stream is
// 200 or no stream, and nothing else.
func TestStatusesAppearInHandlersAlone(t *testing.T) {
	for _, f := range sources(t) {
		// api is generated from the statuses of the contract; main is a client
		// too, which asks whether an answer is 200; pages are no part of the
		// contract.
		if slices.Contains([]string{"handlers", "api", "", "bench"}, f.pkg.name) || f.pkg.isPage() || slices.Contains(onlyForTests, f.pkg.name) {
			continue
		}
		ast.Inspect(f.tree, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if f.pkg.name == "sse" && (sel.Sel.Name == "StatusOK" || sel.Sel.Name == "WriteHeader") {
				return true
			}
			if x, ok := sel.X.(*ast.Ident); ok && x.Name == "http" && strings.HasPrefix(sel.Sel.Name, "Status") {
				t.Errorf("%s: http.%s outside of handlers", f.at(n), sel.Sel.Name)
			}
			if sel.Sel.Name == "WriteHeader" {
				t.Errorf("%s: WriteHeader outside of handlers", f.at(n))
			}
			return true
		})
	}
}

func TestHTTPIsKnownToFewPackages(t *testing.T) {
	allowed := []string{"", "api", "handlers", "sse", "webhook", "bench", "internal/contract", "e2e", "e2e/chaos"}
	for _, p := range packages(t) {
		if slices.Contains(p.Imports, "net/http") && !slices.Contains(allowed, p.name) && !p.isPage() {
			t.Errorf("%s imports net/http", p)
		}
	}
}

// The environment is read by main, which hands out values.
func TestOnlyMainReadsTheEnvironment(t *testing.T) {
	for _, f := range sources(t) {
		if f.pkg.name == "" || f.pkg.name == "bench" || slices.Contains(onlyForTests, f.pkg.name) {
			continue
		}
		ast.Inspect(f.tree, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			x, ok := sel.X.(*ast.Ident)
			if ok && x.Name == "os" && slices.Contains([]string{"Getenv", "LookupEnv", "Environ", "Args", "Exit"}, sel.Sel.Name) {
				t.Errorf("%s: os.%s outside of main", f.at(n), sel.Sel.Name)
			}
			return true
		})
	}
}

// refuses says why the layer may not import a path, or nothing.
func (l layer) refuses(imported string) string {
	if name, ok := ours(imported); ok {
		if slices.Contains(l.ours, "...") || slices.Contains(l.ours, name) {
			return ""
		}
		return "no such arrow"
	}
	if isStandard(imported) || matches(l.libraries, imported) {
		return ""
	}
	if !slices.Contains(l.libraries, anyLibrary) {
		return "this package does without that library"
	}
	if matches([]string{goRedis + "/..."}, imported) {
		return "go-redis is known to redisstore and main alone"
	}
	return ""
}

func matches(patterns []string, imported string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		prefix, all := strings.CutSuffix(p, "/...")
		return imported == prefix || all && strings.HasPrefix(imported, prefix+"/")
	})
}

// ours returns the path within this module; the root package is "".
func ours(imported string) (string, bool) {
	if imported == module {
		return "", true
	}
	return strings.CutPrefix(imported, module+"/")
}

// isStandard: only paths of the standard library have no dot in their first
// element.
func isStandard(imported string) bool {
	first, _, _ := strings.Cut(imported, "/")
	return !strings.Contains(first, ".")
}

// pkg is a package as the go command describes it.
type pkg struct {
	ImportPath string
	Name       string
	Dir        string
	GoFiles    []string // without tests
	Imports    []string // of GoFiles

	name string // path within this module
}

func (p pkg) String() string {
	if p.name == "" {
		return "main"
	}
	return p.name
}

func (p pkg) isPage() bool { return p.name == "web" || strings.HasPrefix(p.name, "web/") }

// packages lists this module's packages. One that holds only tests, as the
// root does until there is a main.go, imports nothing here.
func packages(t *testing.T) []pkg {
	t.Helper()
	lookAround(t)
	cmd := exec.CommandContext(t.Context(), "go", "list", "-e", "-json=ImportPath,Name,Dir,GoFiles,Imports", "./...")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &stderr)
	}
	var all []pkg
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		switch err := dec.Decode(&p); err {
		case nil:
			p.name, _ = ours(p.ImportPath)
			all = append(all, p)
		case io.EOF:
			if len(all) == 0 {
				t.Fatal("go list names no package")
			}
			return all
		default:
			t.Fatalf("go list: %v", err)
		}
	}
}

// lookAround reads the module's directories. What `go list` reads is unknown to
// the test cache, which would go on showing the result from before a new file.
func lookAround(t *testing.T) {
	t.Helper()
	err := filepath.WalkDir(".", func(_ string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		if slices.Contains([]string{".git", ".cache", "dist", "node_modules"}, d.Name()) {
			return fs.SkipDir
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// source is one parsed file that is no test.
type source struct {
	pkg  pkg
	name string // path from the module's root
	set  *token.FileSet
	tree *ast.File
}

func (f source) at(n ast.Node) string {
	return f.name + ":" + strconv.Itoa(f.set.Position(n.Pos()).Line)
}

func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	for _, p := range packages(t) {
		for _, name := range p.GoFiles {
			set := token.NewFileSet()
			tree, err := parser.ParseFile(set, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
			if err != nil {
				t.Errorf("%s: %v", p, err)
				continue
			}
			all = append(all, source{p, path.Join(p.name, name), set, tree})
		}
	}
	return all
}

// The test of the test: what it refuses and what it lets pass.
func TestPictureRefusesArrowsThatAreNotDrawn(t *testing.T) {
	for _, tc := range []struct {
		from, to string
		allowed  bool
	}{
		{"presence", "time", true},
		{"presence", "encoding/json", true},
		{"presence", rapid, false},
		{"presence", module + "/sse", false},
		{"sse", module + "/presence", false},
		{"handlers", module + "/presence", true},
		{"handlers", module + "/presence/memstore", false},
		{"handlers", "github.com/go-chi/chi/v5", true},
		{"handlers", goRedis, false},
		{"handlers", goRedis + "/internal/pool", false},
		{"presence/redisstore", goRedis + "/maintnotifications", true},
		{"presence/redisstore", "github.com/redis/go-redis/v99", false},
		{"presence/memstore", goRedis, false},
		{"webhook", module + "/presence", true},
		{"webhook", module + "/handlers", false},
		{"webhook", module + "/presence/redisstore", false},
		{"", module + "/handlers", true},
		{"", goRedis, true},
	} {
		if got := layers[tc.from].refuses(tc.to) == ""; got != tc.allowed {
			t.Errorf("%q imports %q: allowed = %t, want %t", tc.from, tc.to, got, tc.allowed)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(layers)) {
		for _, o := range layers[name].ours {
			if _, drawn := layers[o]; !drawn && o != "..." {
				t.Errorf("%q has an arrow to %q, which is not in the picture", name, o)
			}
		}
	}
}
