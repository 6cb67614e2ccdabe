package handlers

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"reflect"
	"strings"
	"time"
	"unicode"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/go-playground/validator/v10"

	"github.com/presently/presently/api"
	"github.com/presently/presently/presence"
)

const (
	bodyLimit      = 16 << 10
	queryBodyLimit = 1 << 20 // bodies that are lists
	depthLimit     = 8
	bodyTimeout    = 10 * time.Second // for a body to arrive
	answerTimeout  = time.Minute      // for an answer to be taken, which is 1 MiB at most; each write of a stream has its own
)

// decode reads the one JSON document of a request's body, strictly: encoding/json would take keys in any case, the last of two equal keys,
// unknown fields, half of a surrogate pair and a second document.
func decode[T any](w http.ResponseWriter, r *http.Request, limit int64) (T, error) {
	var v T
	if !isJSON(r.Header.Get("Content-Type")) {
		return v, failf(api.ProblemCodeUnsupportedMediaType, "Send Content-Type: application/json.")
	}
	body, err := readBody(w, r, limit)
	if err != nil {
		return v, err
	}
	err = unmarshal(body, &v)
	return v, err
}

func isJSON(contentType string) bool {
	if contentType == "application/json" { // nearly always
		return true
	}
	t, _, err := mime.ParseMediaType(contentType)
	return err == nil && t == "application/json"
}

// bodiesInTime gives the body of each request, whether somebody reads it or net/http throws it away after the answer, a while to arrive:
// a client that stops in its middle would hold the connection for ever.
func bodiesInTime(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 0 {
			http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTimeout)) //nolint:errcheck // a recorder in a test has none
		}
		next.ServeHTTP(w, r)
	})
}

// answersInTime gives each answer a while to be taken: a client that asks and asks, and reads nothing, would hold a goroutine and what its connection's buffers have
// for ever. Streams, which last, set the deadline anew with each write; over HTTP/2, where it cuts what waits too, they take it away in between.
func answersInTime(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// As an http.ResponseController would; but this comes with each request, and is to allocate nothing. A recorder in a test has no deadline.
		if w, ok := innermost(w).(interface{ SetWriteDeadline(time.Time) error }); ok {
			w.SetWriteDeadline(time.Now().Add(answerTimeout)) //nolint:errcheck // the connection has gone
		}
		next.ServeHTTP(w, r)
	})
}

func readBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	if e := r.Header.Get("Content-Encoding"); e != "" && e != "identity" {
		return nil, failf(api.ProblemCodeUnsupportedMediaType, "Send the body without Content-Encoding.")
	}
	return readWhole(w, r, limit)
}

// readWhole reads a body as it came.
func readWhole(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(innermost(w), r.Body, limit))
	// What is left of the time would end the request's context. No answer takes half of it, and net/http takes the deadline back before the next request.
	if err == nil && time.Since(exchangeOf(r.Context()).began) > bodyTimeout/2 {
		http.NewResponseController(w).SetReadDeadline(time.Time{}) //nolint:errcheck // a recorder in a test has none
	}
	var tooLarge *http.MaxBytesError
	if err != nil && !errors.As(err, &tooLarge) {
		return nil, &failure{code: api.ProblemCodeMalformedJSON, detail: "The body did not arrive whole.", cause: err}
	}
	return body, err
}

// innermost is net/http's own ResponseWriter, to which alone http.MaxBytesReader can say that the connection is to be closed.
func innermost(w http.ResponseWriter) http.ResponseWriter {
	for {
		outer, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return w
		}
		w = outer.Unwrap()
	}
}

// unmarshal decodes a document and checks it against the contract's rules.
func unmarshal(body []byte, v any) error {
	if !isSimple(body) {
		if err := checkSyntax(body); err != nil {
			return err
		}
	}
	if err := json.Unmarshal(body, v, json.RejectUnknownMembers(true)); err != nil {
		if err := checkSyntax(body); err != nil { // what is no JSON is told as that
			return err
		}
		return semanticFailure(err)
	}
	return validate(v)
}

// isSimple reports whether a body can hold nothing that [checkSyntax] refuses and [json.Unmarshal] takes, which are null and depth: it has too
// few brackets for that, and no null, not even in a text. Such are nearly all, and need not be read twice.
func isSimple(body []byte) bool {
	return bytes.Count(body, []byte{'{'})+bytes.Count(body, []byte{'['}) <= depthLimit && !bytes.Contains(body, []byte("null"))
}

// checkSyntax holds a body to being one document, of valid UTF-8, without keys given twice, nested no deeper than 8, and
// without null, which no field of ours may be.
func checkSyntax(body []byte) error {
	d := jsontext.NewDecoder(bytes.NewReader(body))
	for {
		t, err := d.ReadToken()
		switch {
		case err == io.EOF && d.InputOffset() > 0 && len(bytes.TrimSpace(body)) > 0:
			return nil
		case err != nil:
			return &failure{code: api.ProblemCodeMalformedJSON, detail: syntaxDetail(err), cause: err}
		case t.Kind() == 'n':
			return invalid(string(d.StackPointer()), "must not be null; leave it out")
		case d.StackDepth() > depthLimit:
			return failf(api.ProblemCodeMalformedJSON, "Nest no deeper than %d.", depthLimit)
		}
		if d.StackDepth() == 0 { // the document is whole
			rest := body[d.InputOffset():]
			if len(bytes.TrimSpace(rest)) > 0 {
				return failf(api.ProblemCodeMalformedJSON, "Send one document; something follows it at byte %d.", d.InputOffset())
			}
			return nil
		}
	}
}

func syntaxDetail(err error) string {
	var s *jsontext.SyntacticError
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName):
		return "A key is given twice."
	case errors.As(err, &s):
		return fmt.Sprintf("There is a syntax error at byte %d.", s.ByteOffset)
	case errors.Is(err, io.EOF):
		return "The body is empty; send a JSON document."
	}
	return "The document ends too early."
}

// semanticFailure says which field does not fit its type.
func semanticFailure(err error) error {
	var s *json.SemanticError
	if !errors.As(err, &s) {
		return &failure{code: api.ProblemCodeMalformedJSON, detail: "The document cannot be read.", cause: err}
	}
	pointer := string(s.JSONPointer)
	if errors.Is(err, json.ErrUnknownName) {
		return invalid(pointer, "is not a field of this document")
	}
	return invalid(pointer, "must be "+jsonType(s.GoType))
}

// jsonType names a Go type as the contract does.
func jsonType(t reflect.Type) string {
	if t == nil {
		return "of another type"
	}
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int32, reflect.Int64:
		return "a whole number"
	case reflect.Slice:
		return "an array"
	case reflect.Pointer:
		return jsonType(t.Elem())
	}
	return "an object"
}

var rules = newRules()

func newRules() *validator.Validate {
	v := validator.New(validator.WithRequiredStructEnabled())
	v.RegisterTagNameFunc(func(f reflect.StructField) string {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		return name
	})
	for tag, valid := range map[string]func(string) bool{
		"userid": presence.ValidUser, "sessionid": presence.ValidSession, "device": presence.ValidDevice, "plain": isPlain,
	} {
		err := v.RegisterValidation(tag, func(l validator.FieldLevel) bool { return valid(l.Field().String()) })
		if err != nil {
			panic(err)
		}
	}
	return v
}

// isPlain reports whether a text can be shown in a line: it has no control characters.
func isPlain(text string) bool { return !strings.ContainsFunc(text, unicode.IsControl) }

// validate holds a document, or the parameters of a request, to the rules that stand in the contract.
func validate(v any) error {
	var faults validator.ValidationErrors
	err := rules.Struct(v)
	if err == nil {
		return nil
	}
	if !errors.As(err, &faults) {
		return fmt.Errorf("validate %T: %w", v, err)
	}
	f := &failure{code: api.ProblemCodeValidationFailed, cause: err}
	var details []string
	for _, fault := range faults {
		pointer, detail := pointerTo(fault), ruleDetail(fault)
		f.fields = append(f.fields, api.FieldError{Pointer: pointer, Detail: detail})
		details = append(details, strings.TrimPrefix(pointer, "/")+": "+detail)
	}
	f.detail = strings.Join(details, "; ") + "."
	return f
}

// pointerTo is the RFC 6901 pointer to a field at fault. Its names are those of the contract, which need no escapes.
func pointerTo(fault validator.FieldError) string {
	_, path, _ := strings.Cut(fault.Namespace(), ".")
	return "/" + strings.NewReplacer(".", "/", "[", "/", "]", "").Replace(path)
}

// alternatives are fields, which a rule names as Go does, in the words of the contract.
func alternatives(fields string) string {
	names := strings.Fields(fields)
	for i, name := range names {
		names[i] = strings.ToLower(name[:1]) + name[1:]
	}
	return strings.Join(names, " or ")
}

// ruleDetail says what a field must be.
func ruleDetail(fault validator.FieldError) string {
	switch fault.Tag() {
	case "required":
		return "is needed"
	case "userid":
		return "must be 1 to 128 printable characters, and not . or .."
	case "sessionid":
		return "must be 8 to 64 of A-Z a-z 0-9 _ -"
	case "device":
		return "must be 1 to 32 of A-Z a-z 0-9 _ -"
	case "plain":
		return "must not have control characters, such as line breaks"
	case "oneof":
		return "must be one of " + strings.ReplaceAll(fault.Param(), " ", ", ")
	case "gte", "min":
		switch fault.Kind() {
		case reflect.Slice:
			return "must have at least " + fault.Param()
		case reflect.String:
			return "must not be empty"
		}
		return "must be at least " + fault.Param()
	case "lte", "max":
		switch fault.Kind() {
		case reflect.Slice:
			return "must have at most " + fault.Param()
		case reflect.String:
			return "must have at most " + fault.Param() + " characters"
		}
		return "must be at most " + fault.Param()
	case "unique":
		return "must not name anything twice"
	case "excluded_with":
		return "must not be given together with " + alternatives(fault.Param())
	case "datetime":
		return "must be a time like 2026-11-22T10:00:00Z"
	}
	return "is not as the contract says (" + fault.Tag() + ")"
}
