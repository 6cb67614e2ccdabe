package handlers

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/presently/presently/api"
	"github.com/presently/presently/presence"
)

// failure is an error made for the client: one code of the contract, and what to do about it.
type failure struct {
	code   api.ProblemCode
	detail string
	fields []api.FieldError
	after  time.Duration // Retry-After
	scope  string        // that was needed
	allow  string        // methods that would do
	cause  error         // for the log alone
}

func (f *failure) Error() string {
	if f.cause != nil {
		return fmt.Sprintf("%s: %v", f.detail, f.cause)
	}
	return f.detail
}

func (f *failure) Unwrap() error { return f.cause }

func failf(code api.ProblemCode, format string, args ...any) *failure {
	return &failure{code: code, detail: fmt.Sprintf(format, args...)}
}

// invalid says what is wrong with one field, or with a parameter (pointer "/name").
func invalid(pointer, detail string) *failure {
	return &failure{
		code: api.ProblemCodeValidationFailed, detail: strings.TrimPrefix(strings.TrimPrefix(pointer, "/")+": "+detail, ": "),
		fields: []api.FieldError{{Pointer: pointer, Detail: detail}},
	}
}

// problems is the one place where a code meets its status.
var problems = map[api.ProblemCode]struct {
	status int
	title  string
}{
	api.ProblemCodeMalformedJSON:        {http.StatusBadRequest, "The body is not one well-formed JSON document"},
	api.ProblemCodeValidationFailed:     {http.StatusBadRequest, "Something in the request is not as it must be"},
	api.ProblemCodeMissingToken:         {http.StatusUnauthorized, "A token is needed"},
	api.ProblemCodeInvalidToken:         {http.StatusUnauthorized, "The token is not valid"},
	api.ProblemCodeTokenExpired:         {http.StatusUnauthorized, "The token has expired"},
	api.ProblemCodeInsufficientScope:    {http.StatusForbidden, "The token does not grant this"},
	api.ProblemCodeOriginNotAllowed:     {http.StatusForbidden, "This page may not use the cookie"},
	api.ProblemCodeRoomNotGranted:       {http.StatusForbidden, "The token does not grant this room"},
	api.ProblemCodeNotFound:             {http.StatusNotFound, "There is no such thing here"},
	api.ProblemCodeMethodNotAllowed:     {http.StatusMethodNotAllowed, "This path has no such method"},
	api.ProblemCodeNoSession:            {http.StatusConflict, "This needs a live session"},
	api.ProblemCodeTooManyRelations:     {http.StatusConflict, "The user has too many contacts or blocks"},
	api.ProblemCodeSubscriptionGone:     {http.StatusGone, "The subscription has ended"},
	api.ProblemCodeTooManyRooms:         {http.StatusConflict, "The session is in too many rooms"},
	api.ProblemCodePreconditionFailed:   {http.StatusPreconditionFailed, "It has changed since you read it"},
	api.ProblemCodeBodyTooLarge:         {http.StatusRequestEntityTooLarge, "The body is too large"},
	api.ProblemCodeUnsupportedMediaType: {http.StatusUnsupportedMediaType, "The content type is not one that is understood here"},
	api.ProblemCodeRateLimited:          {http.StatusTooManyRequests, "Too many requests of this kind"},
	api.ProblemCodeTooManySessions:      {http.StatusTooManyRequests, "The user has too many sessions"},
	api.ProblemCodeTooManyStreams:       {http.StatusTooManyRequests, "The user has too many streams open"},
	api.ProblemCodeStoreUnavailable:     {http.StatusServiceUnavailable, "The store does not answer"},
	api.ProblemCodeKeysUnavailable:      {http.StatusServiceUnavailable, "The keys of tokens have not been fetched yet"},
	api.ProblemCodeDraining:             {http.StatusServiceUnavailable, "This instance is about to stop"},
	api.ProblemCodeTooManyConnections:   {http.StatusServiceUnavailable, "There are too many connections"},
	api.ProblemCodeInternal:             {http.StatusInternalServerError, "Something went wrong on our side"},
}

// failureOf finds out what to tell the client of an error. What is not meant for him he does not learn.
func failureOf(err error) *failure {
	var f *failure
	var tooLarge *http.MaxBytesError
	var keyUnknown *keyUnknownError
	switch {
	case errors.As(err, &f):
		return f
	case errors.Is(err, errTokenMissing):
		return &failure{code: api.ProblemCodeMissingToken, detail: "Send a token as Authorization: Bearer, or in the cookie presently.", cause: err}
	case errors.Is(err, errTokenExpired):
		return &failure{code: api.ProblemCodeTokenExpired, detail: "Get a fresh token and try again: " + tokenFault(err, errTokenExpired) + ".", cause: err}
	case errors.As(err, &keyUnknown):
		return &failure{code: api.ProblemCodeInvalidToken, detail: "Try again in a moment with the same token: " + keyUnknown.Error() + ".", after: keyUnknown.after, cause: err}
	case errors.Is(err, errTokenInvalid):
		return &failure{code: api.ProblemCodeInvalidToken, detail: "Get another token: " + tokenFault(err, errTokenInvalid) + ".", cause: err}
	case errors.As(err, &tooLarge):
		return &failure{code: api.ProblemCodeBodyTooLarge, detail: fmt.Sprintf("Send at most %d bytes.", tooLarge.Limit), cause: err}
	case errors.Is(err, presence.ErrTooManySessions):
		return &failure{code: api.ProblemCodeTooManySessions, detail: "End a session, or wait until one lapses; those that are live stay.", after: time.Minute, cause: err}
	case errors.Is(err, presence.ErrNoSession):
		return &failure{code: api.ProblemCodeNoSession, detail: "Send a heartbeat with this sessionId first, then try again.", cause: err}
	case errors.Is(err, presence.ErrTooManyRelations):
		return &failure{code: api.ProblemCodeTooManyRelations, detail: "End a contact or a block first; those that there are stay.", cause: err}
	case errors.Is(err, presence.ErrTooManyRooms):
		return &failure{code: api.ProblemCodeTooManyRooms, detail: "Leave a room first; those that the session is in stay.", cause: err}
	case errors.Is(err, presence.ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
		return &failure{code: api.ProblemCodeStoreUnavailable, detail: "Try again in a moment, over a new connection. Nobody is made offline by this.", after: retryAfter(), cause: err}
	}
	return &failure{code: api.ProblemCodeInternal, detail: "Try again, and tell us the requestId if it stays.", cause: err}
}

// tokenFault is what may be said of why a token is refused: our own words, never the token's.
func tokenFault(err, kind error) string {
	detail, _ := strings.CutPrefix(err.Error(), kind.Error()+": ")
	return detail
}

// retryAfter is when to come back to a store that is away: spread, so that not everybody does so at once.
func retryAfter() time.Duration { return time.Duration(1+rand.IntN(5)) * time.Second }

// fail answers a request with an error.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil {
		panic(http.ErrAbortHandler) // nobody is there to be told; saying nothing would be a 200
	}
	f := failureOf(err)
	p := f.problem(r)
	noteFailure(r, f, p)
	if wantsErrorsAsStream(r) {
		s.failStream(w, r, f, p)
		return
	}
	h := w.Header()
	f.headers(h, int(p.Status))
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	writeBody(w, int(p.Status), p)
}

func (f *failure) problem(r *http.Request) api.Problem {
	known := problems[f.code]
	return api.Problem{
		Type: "/docs#problem-" + string(f.code), Title: known.title, Status: int32(known.status),
		Code: f.code, Detail: f.detail, Errors: f.fields, Instance: instance(r), RequestID: requestID(r.Context()),
	}
}

// instance is the path of a request, as a reference. A path that begins with two slashes would be one to a host of that name.
func instance(r *http.Request) *string {
	path := r.URL.EscapedPath()
	if strings.HasPrefix(path, "//") {
		return nil
	}
	return &path
}

// headers sets what a client needs to know besides the body.
func (f *failure) headers(h http.Header, status int) {
	switch f.code {
	case api.ProblemCodeMissingToken: // RFC 6750, section 3: no error code where no token was sent
		h.Set("WWW-Authenticate", `Bearer realm="presently"`)
	case api.ProblemCodeInvalidToken:
		h.Set("WWW-Authenticate", `Bearer realm="presently", error="invalid_token", error_description="the token is not valid"`)
	case api.ProblemCodeTokenExpired:
		h.Set("WWW-Authenticate", `Bearer realm="presently", error="invalid_token", error_description="the token has expired"`)
	case api.ProblemCodeInsufficientScope:
		h.Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="presently", error="insufficient_scope", scope=%q`, f.scope))
	}
	if f.allow != "" {
		h.Set("Allow", f.allow)
	}
	if f.after > 0 {
		h.Set("Retry-After", itoa(seconds(f.after)))
	}
	if status == http.StatusServiceUnavailable {
		h.Set("Connection", "close") // so that the client moves to an instance that can see
	}
}

// noteFailure keeps what is wrong with us for the line that the log has of the request.
func noteFailure(r *http.Request, f *failure, p api.Problem) {
	if p.Status >= http.StatusInternalServerError && f.cause != nil { // a refusal that is our policy, such as draining, has no cause
		x := exchangeOf(r.Context())
		x.fault, x.code = f.cause, f.code
	}
}
