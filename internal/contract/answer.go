package contract

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

const problemSchema = "#/components/schemas/Problem"

// CheckResponse fails the test where an answer is not what the contract says.
// The body of a stream is left to [Contract.CheckEvent].
func (c *Contract) CheckResponse(tb testing.TB, req *http.Request, status int, header http.Header, body []byte) {
	tb.Helper()
	if err := c.checkResponse(req, status, header, body); err != nil {
		tb.Errorf("contract: %s %s: %d: %v\nheader %v\nbody %s", req.Method, req.URL.RequestURI(), status, err, header, body)
	}
}

func (c *Contract) checkResponse(req *http.Request, status int, header http.Header, body []byte) error {
	a := answer{c: c, head: req.Method == http.MethodHead, status: status, header: header, body: body}
	op, ok := c.find(req)
	if !ok {
		if unseen(req) {
			return nil
		}
		return a.checkNoOperation()
	}
	c.mu.Lock()
	c.answers[op.spec.OperationID]++
	c.mu.Unlock()
	return a.check(op)
}

// unseen says whether the contract has nothing to say about req: what belongs
// to the docs page, and what CORS answers before anybody else.
func unseen(req *http.Request) bool {
	return strings.HasPrefix(req.URL.Path, "/docs/") || req.Method == http.MethodOptions
}

// answer is one answer, on trial.
type answer struct {
	c      *Contract
	head   bool // HEAD: the same header as GET, and no body
	status int
	header http.Header
	body   []byte
}

// checkNoOperation checks the answer to a path or method that is not there.
func (a answer) checkNoOperation() error {
	var code string
	switch a.status {
	case http.StatusNotFound:
		code = "not_found"
	case http.StatusMethodNotAllowed:
		code = "method_not_allowed"
		if a.header.Get("Allow") == "" {
			return errors.New("a 405 without Allow")
		}
	default:
		return errors.New("there is no such operation, so this has to be a 404 or 405")
	}
	if a.header.Get("X-Request-Id") == "" {
		return errors.New("header X-Request-Id is missing")
	}
	if got, _, _ := mime.ParseMediaType(a.header.Get("Content-Type")); got != "application/problem+json" {
		return fmt.Errorf("Content-Type is %q, want application/problem+json", got)
	}
	if a.head {
		return a.checkEmpty()
	}
	return a.checkProblem(problemSchema, []string{code})
}

func (a answer) check(op operation) error {
	ref := op.spec.Responses.Value(strconv.Itoa(a.status))
	if ref == nil {
		return fmt.Errorf("%s does not declare this status", op.spec.OperationID)
	}
	pointer := op.pointer() + "/responses/" + strconv.Itoa(a.status)
	if ref.Ref != "" {
		pointer = ref.Ref
	}
	if err := a.checkHeaders(pointer, ref.Value); err != nil {
		return err
	}
	if len(ref.Value.Content) == 0 {
		return a.checkEmpty()
	}
	return a.checkContent(pointer, ref.Value.Content)
}

func (a answer) checkHeaders(pointer string, response *openapi3.Response) error {
	for _, name := range slices.Sorted(maps.Keys(response.Headers)) {
		ref := response.Headers[name]
		values := a.header.Values(name)
		if len(values) == 0 {
			if ref.Value.Required {
				return fmt.Errorf("header %s is missing", name)
			}
			continue
		}
		at := pointer + "/headers/" + escape(name)
		if ref.Ref != "" {
			at = ref.Ref
		}
		value := headerValue(ref.Value.Schema.Value, strings.Join(values, ", "))
		if err := a.c.check(at+"/schema", value); err != nil {
			return fmt.Errorf("header %s: %w", name, err)
		}
	}
	return nil
}

// headerValue reads a header as its schema wants it. What cannot be read as
// such stays a string, for the schema to refuse.
func headerValue(schema *openapi3.Schema, text string) any {
	if schema.Type.Is("integer") {
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return n
		}
	}
	return text
}

func (a answer) checkEmpty() error {
	if len(a.body) != 0 {
		return errors.New("a body where there should be none")
	}
	return nil
}

func (a answer) checkContent(pointer string, content openapi3.Content) error {
	got, _, err := mime.ParseMediaType(a.header.Get("Content-Type"))
	if err != nil {
		return fmt.Errorf("Content-Type %q: %w", a.header.Get("Content-Type"), err)
	}
	media, ok := content[got]
	if !ok {
		return fmt.Errorf("Content-Type is %q, want one of %q", got, slices.Sorted(maps.Keys(content)))
	}
	at := pointer + "/content/" + escape(got) + "/schema"
	switch {
	case a.head:
		return a.checkEmpty()
	case got == "text/event-stream":
		return nil
	case got == "application/json":
		return a.checkJSON(at)
	case got == "application/problem+json":
		return a.checkProblem(at, codesOf(media))
	}
	return a.c.check(at, string(a.body))
}

func (a answer) checkJSON(pointer string) error {
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(a.body))
	if err != nil {
		return fmt.Errorf("the body is not JSON: %w", err)
	}
	return a.c.check(pointer, value)
}

// checkProblem checks a problem document, and that it says the same as the
// header that it came with.
func (a answer) checkProblem(pointer string, codes []string) error {
	if err := a.checkJSON(pointer); err != nil {
		return err
	}
	value, _ := jsonschema.UnmarshalJSON(bytes.NewReader(a.body))
	problem := value.(map[string]any)
	if code := problem["code"].(string); !slices.Contains(codes, code) {
		return fmt.Errorf("code %q is not among those that the contract shows here, %q", code, codes)
	}
	if got := fmt.Sprint(problem["status"]); got != strconv.Itoa(a.status) {
		return fmt.Errorf("the problem says status %s", got)
	}
	if got, want := problem["requestId"], a.header.Get("X-Request-Id"); got != want {
		return fmt.Errorf("the problem says requestId %q, X-Request-Id %q", got, want)
	}
	return nil
}

// codesOf lists the problem codes of the examples of an answer.
func codesOf(media *openapi3.MediaType) []string {
	var codes []string
	for _, name := range slices.Sorted(maps.Keys(media.Examples)) {
		example, _ := media.Examples[name].Value.Value.(map[string]any)
		code, _ := example["code"].(string)
		codes = append(codes, code)
	}
	return codes
}
