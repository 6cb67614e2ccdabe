// Package contract holds what the service says against what openapi.yaml says
// that it says. Tests send their requests through a [Recorder], which checks
// every answer and every event of a stream as it passes, and can tell at the
// end which operations nobody tried.
//
// # What is checked
//
// An answer has a status that its operation declares, the declared headers, the
// declared media type, and a body that fits the schema. A request for what is no
// operation is answered by a problem with 404, or 405 and Allow. The code of a
// problem is one that the contract shows among the examples of that status. An
// event of a stream is one of the operation's x-events, its data fits, only
// events of state carry an id, and where a stream has a hello, it begins with it.
//
// The contract leaves its objects open, so that clients survive fields that are
// still to come. Here they are closed: a field that is not declared is a fault.
//
// # What is not
//
// Requests are sent as they are, wrong ones too. The pages beneath /docs/ are no
// operations and pass unseen.
package contract

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

const source = "openapi.yaml"

// Contract is openapi.yaml, ready to judge. It may be used concurrently.
type Contract struct {
	doc        *openapi3.T
	operations []operation // the most concrete path first
	events     map[string]string

	mu       sync.Mutex // guards what follows
	compiler *jsonschema.Compiler
	schemas  map[string]*jsonschema.Schema // by pointer into doc
	answers  map[string]int                // by operation id
	told     map[string]int                // by name of event
}

// Load returns the contract of the repository that the test runs in. All tests
// of a process share one, and so what it remembers as covered.
func Load(tb testing.TB) *Contract {
	tb.Helper()
	c, err := load()
	if err != nil {
		tb.Fatalf("contract: %v", err)
	}
	return c
}

var load = sync.OnceValues(func() (*Contract, error) {
	path, err := find()
	if err != nil {
		return nil, err
	}
	doc, err := openapi3.NewLoader().LoadFromFile(path)
	if err != nil {
		return nil, err
	}
	return newContract(doc)
})

// find looks for openapi.yaml from the test's directory, its package's,
// upwards.
func find() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for at := dir; ; at = filepath.Dir(at) {
		path := filepath.Join(at, source)
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
		if at == filepath.Dir(at) {
			return "", fmt.Errorf("no %s in or above %s", source, dir)
		}
	}
}

func newContract(doc *openapi3.T) (*Contract, error) {
	if err := doc.WalkSchemas(closeObject); err != nil {
		return nil, err
	}
	compiler, err := newCompiler(doc)
	if err != nil {
		return nil, err
	}
	c := &Contract{
		doc:        doc,
		operations: operationsOf(doc),
		compiler:   compiler,
		schemas:    map[string]*jsonschema.Schema{},
		answers:    map[string]int{},
		told:       map[string]int{},
	}
	c.events, err = eventsOf(c.operations)
	return c, err
}

// closeObject refuses what an object does not declare. What stands under a "not"
// stays open: closing it would let more pass, not less.
func closeObject(pointer string, ref *openapi3.SchemaRef) error {
	if strings.HasSuffix(pointer, "/not") {
		return openapi3.SkipSubtree
	}
	s := ref.Value
	if s.Type.Is("object") && s.AdditionalProperties.Has == nil && s.AdditionalProperties.Schema == nil {
		s.AdditionalProperties = openapi3.BoolSchema{Has: new(false)}
	}
	return nil
}

// newCompiler makes schemas of the places in doc. kin-openapi would do it by
// itself, for 1.5 ms an answer: it compiles anew each time.
func newCompiler(doc *openapi3.T) (*jsonschema.Compiler, error) {
	text, err := json.Marshal(doc)
	if err != nil {
		return nil, err
	}
	tree, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020)
	compiler.AssertFormat()
	return compiler, compiler.AddResource(source, tree)
}

// check holds value, as jsonschema.UnmarshalJSON gives it, against the schema
// at pointer, such as "#/components/schemas/Presence".
func (c *Contract) check(pointer string, value any) error {
	schema, err := c.schema(pointer)
	if err != nil {
		return err
	}
	return schema.Validate(value)
}

func (c *Contract) schema(pointer string) (*jsonschema.Schema, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if schema := c.schemas[pointer]; schema != nil {
		return schema, nil
	}
	schema, err := c.compiler.Compile(source + pointer)
	if err != nil {
		return nil, fmt.Errorf("schema at %s: %w", pointer, err)
	}
	c.schemas[pointer] = schema
	return schema, nil
}

// Uncovered lists the operations of which no answer has been checked so far.
func (c *Contract) Uncovered() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var ids []string
	for _, op := range c.operations {
		if id := op.spec.OperationID; c.answers[id] == 0 {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// UncoveredEvents lists the events of which none has been checked so far.
func (c *Contract) UncoveredEvents() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var names []string
	for name := range c.events {
		if c.told[name] == 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// operation is a method on a path.
type operation struct {
	method, path string
	spec         *openapi3.Operation
}

// pointer is where the operation stands in the contract.
func (o operation) pointer() string {
	return "#/paths/" + escape(o.path) + "/" + strings.ToLower(o.method)
}

// Operations are the ids of all operations, sorted.
func (c *Contract) Operations() []string {
	var ids []string
	for _, o := range c.operations {
		ids = append(ids, o.spec.OperationID)
	}
	slices.Sort(ids)
	return ids
}

// OperationOf is the id of the operation that a request would be answered by.
func (c *Contract) OperationOf(req *http.Request) (string, bool) {
	o, ok := c.find(req)
	if !ok {
		return "", false
	}
	return o.spec.OperationID, true
}

// Codes are the codes of all problems, sorted.
func (c *Contract) Codes() []string {
	var codes []string
	for _, code := range c.doc.Components.Schemas["ProblemCode"].Value.Enum {
		codes = append(codes, fmt.Sprint(code))
	}
	slices.Sort(codes)
	return codes
}

func operationsOf(doc *openapi3.T) []operation {
	var ops []operation
	for path, item := range doc.Paths.Map() {
		for method, spec := range item.Operations() {
			ops = append(ops, operation{method, path, spec})
		}
	}
	slices.SortFunc(ops, func(a, b operation) int {
		return cmp.Or(
			cmp.Compare(strings.Count(a.path, "{"), strings.Count(b.path, "{")),
			cmp.Compare(a.path, b.path),
			cmp.Compare(a.method, b.method))
	})
	return ops
}

// find returns the operation that req asks for. As OpenAPI has it, a path
// without parameters hides those that would fit too: GET /v1/presence/status is
// no operation, although a user might be called status.
func (c *Contract) find(req *http.Request) (operation, bool) {
	method := req.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	path := ""
	for _, op := range c.operations {
		if path == "" && fits(op.path, req.URL.EscapedPath()) {
			path = op.path
		}
		if op.path == path && op.method == method {
			return op, true
		}
	}
	return operation{}, false
}

// fits says whether an escaped path is one of a template's.
func fits(template, path string) bool {
	want, got := strings.Split(template, "/"), strings.Split(path, "/")
	return slices.EqualFunc(want, got, func(want, got string) bool {
		if strings.HasPrefix(want, "{") {
			return got != ""
		}
		return want == got
	})
}

// escape makes a reference token of a JSON pointer in a URL's fragment.
func escape(token string) string {
	token = strings.NewReplacer("~", "~0", "/", "~1").Replace(token)
	return strings.NewReplacer("{", "%7B", "}", "%7D", "+", "%2B").Replace(token)
}
