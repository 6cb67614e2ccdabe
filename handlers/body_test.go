package handlers

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/presently/presently/api"
)

// readers are the operations that read a body, and a body that each likes. The one that takes whatever it is sent stands last.
var readers = []struct {
	method, path, good string
	limit              int
}{
	{"POST", "/v1/presence/heartbeat", `{"sessionId":"session-1"}`, 16 << 10},
	{"PUT", "/v1/presence/status", `{"status":"busy"}`, 16 << 10},
	{"POST", "/v1/presence/query", `{"users":["ada"]}`, 1 << 20},
	{"PUT", "/v1/presence/custom", `{"text":"Standup"}`, 16 << 10},
	{"PUT", "/v1/presence/activity", `{"sessionId":"session-1","type":"busy"}`, 16 << 10},
	{"PUT", "/v1/rooms/lobby/typing", `{"sessionId":"session-1"}`, 16 << 10},
	{"POST", "/v1/rooms/lobby/typing", `{"sessionId":"session-1"}`, 16 << 10},
	{"PUT", "/v1/presence/privacy", `{"online":"nobody","lastSeen":"nobody","activity":"nobody","typing":"nobody"}`, 16 << 10},
	{"POST", "/v1/subscriptions", `{"users":["ada"]}`, 1 << 20},
	{"POST", "/v1/presence/leave", `{"leaveToken":"nonsense"}`, 16 << 10},
}

// strict are the readers that refuse what is not as they like it.
var strict = readers[:len(readers)-1]

func TestABodyMustBeOneWellFormedDocument(t *testing.T) {
	inWorld(t, func(w *world) {
		for _, reader := range strict {
			good := reader.good
			open := strings.TrimSuffix(good, "}")
			for name, body := range map[string]string{
				"nothing":                "",
				"blanks":                 " \n\t ",
				"half":                   open,
				"two documents":          good + good,
				"two lines of documents": good + "\n" + good,
				"garbage behind":         good + "x",
				"a brace too many":       good + "}",
				"NUL behind":             good + "\x00",
				"a form feed behind":     good + "\f",
				"a no-break space":       good + "\u00a0",
				"a byte order mark":      "\ufeff" + good,
				"UTF-16":                 "\xff\xfe{\x00}\x00",
				"a key twice":            open + `,` + strings.TrimPrefix(good, "{"),
				"a key twice, escaped":   open + `,"\u0061":1,"a":1}`,
				"invalid UTF-8":          open + ",\"a\":\"\xff\"}",
				"a surrogate, encoded":   open + ",\"a\":\"\xed\xa0\x80\"}",
				"half a surrogate pair":  open + `,"a":"\ud800"}`,
				"a control character":    open + ",\"a\":\"\n\"}",
				"a comment":              good + "// yes",
				"single quotes":          `{'a':1}`,
				"a comma too many":       open + ",}",
				"NaN":                    open + `,"a":NaN}`,
				"a leading zero":         open + `,"a":01}`,
				"a form":                 "sessionId=session-1",
				"depth 9":                open + `,"a":[[[[[[[[1]]]]]]]]}`,
				"depth 5000":             strings.Repeat("[", 5000) + strings.Repeat("]", 5000),
				"depth 5000, open":       strings.Repeat(`{"a":`, 2500),
			} {
				r := w.ask("ada", reader.method, reader.path, body, "Content-Type: application/json")
				if p := w.wantProblem(r, http.StatusBadRequest, api.ProblemCodeMalformedJSON); len(p.Errors) > 0 {
					w.Errorf("%s, %s: %s", reader.path, name, r.body)
				}
			}
		}
		if p := w.see("ada", "ada"); p.Status != api.StatusOffline {
			w.Errorf("a refused body has changed something: %+v", p)
		}
	})
}

func TestFieldsAreHeldToTheContractAndPointedAt(t *testing.T) {
	const beat, status, query = 0, 1, 2
	for _, test := range []struct {
		reader   int
		body     string
		pointers []string
	}{
		{beat, `{}`, []string{"/sessionId"}},
		{beat, `null`, []string{""}},
		{beat, `[]`, []string{""}},
		{beat, `"session-1"`, []string{""}},
		{beat, `1`, []string{""}},
		{beat, `[[[[[[[[1]]]]]]]]`, []string{""}},
		{beat, `{"sessionId":"short"}`, []string{"/sessionId"}},
		{beat, `{"sessionId":"session 1"}`, []string{"/sessionId"}},
		{beat, `{"sessionId":"sessiön-1"}`, []string{"/sessionId"}},
		{beat, `{"sessionId":"session-1\n"}`, []string{"/sessionId"}},
		{beat, `{"sessionId":"` + strings.Repeat("x", 65) + `"}`, []string{"/sessionId"}},
		{beat, `{"sessionId":12345678}`, []string{"/sessionId"}},
		{beat, `{"sessionId":["session-1"]}`, []string{"/sessionId"}},
		{beat, `{"sessionId":{"a":"session-1"}}`, []string{"/sessionId"}},
		{beat, `{"sessionId":true}`, []string{"/sessionId"}},
		{beat, `{"sessionId":null}`, []string{"/sessionId"}},
		{beat, `{"sessionid":"session-1"}`, []string{"/sessionid"}},
		{beat, `{"sessionId":"session-1","userId":"eve"}`, []string{"/userId"}},
		{beat, `{"sessionId":"session-1","a/b~c":1}`, []string{"/a~1b~0c"}},
		{beat, `{"sessionId":"session-1","":1}`, []string{"/"}},
		{beat, `{"sessionId":"session-1","a\nb":1}`, []string{"/a\nb"}},
		{beat, `{"sessionId":"session-1","\u0000":1}`, []string{"/\x00"}},
		{beat, `{"sessionId":"session-1","device":""}`, []string{"/device"}},
		{beat, `{"sessionId":"session-1","device":"my phone"}`, []string{"/device"}},
		{beat, `{"sessionId":"session-1","device":"` + strings.Repeat("x", 33) + `"}`, []string{"/device"}},
		{beat, `{"sessionId":"session-1","device":null}`, []string{"/device"}},
		{beat, `{"sessionId":"session-1","state":"offline"}`, []string{"/state"}},
		{beat, `{"sessionId":"session-1","state":"invisible"}`, []string{"/state"}},
		{beat, `{"sessionId":"session-1","state":"Online"}`, []string{"/state"}},
		{beat, `{"sessionId":"session-1","state":""}`, []string{"/state"}},
		{beat, `{"sessionId":"session-1","state":1}`, []string{"/state"}},
		{beat, `{"sessionId":"session-1","idleMs":-1}`, []string{"/idleMs"}},
		{beat, `{"sessionId":"session-1","idleMs":3153600000001}`, []string{"/idleMs"}},
		{beat, `{"sessionId":"session-1","idleMs":9223372036854775807}`, []string{"/idleMs"}},
		{beat, `{"sessionId":"session-1","idleMs":9223372036854775808}`, []string{"/idleMs"}},
		{beat, `{"sessionId":"session-1","idleMs":1e3}`, []string{"/idleMs"}},
		{beat, `{"sessionId":"session-1","idleMs":1.5}`, []string{"/idleMs"}},
		{beat, `{"sessionId":"session-1","idleMs":1e999999}`, []string{"/idleMs"}},
		{beat, `{"sessionId":"session-1","idleMs":"1"}`, []string{"/idleMs"}},
		{beat, `{"sessionId":"session-1","idleMs":false}`, []string{"/idleMs"}},
		{beat, `{"sessionId":"session-1","visibility":"prerender"}`, []string{"/visibility"}},
		{beat, `{"sessionId":"session-1","visibility":true}`, []string{"/visibility"}},
		{beat, `{"sessionId":"session-1","seq":-1}`, []string{"/seq"}},
		{beat, `{"sessionId":"session-1","seq":9007199254740992}`, []string{"/seq"}},
		{beat, `{"sessionId":"session-1","seq":0.5}`, []string{"/seq"}},
		{beat, `{"sessionId":"session-1","rooms":"lobby"}`, []string{"/rooms"}},
		{beat, `{"sessionId":"session-1","rooms":null}`, []string{"/rooms"}},
		{beat, `{"sessionId":"session-1","rooms":["a",2]}`, []string{"/rooms/1"}},
		{beat, `{"sessionId":"session-1","rooms":["a",null]}`, []string{"/rooms/1"}},
		{beat, `{"sessionId":"session-1","rooms":[["a"]]}`, []string{"/rooms/0"}},
		{beat, `{"sessionId":"session-1","refusedRooms":[]}`, []string{"/refusedRooms"}},
		{beat, `{"sessionId":"x","device":"","state":"x","idleMs":-1,"visibility":"x","seq":-1}`, []string{"/device", "/idleMs", "/seq", "/sessionId", "/state", "/visibility"}},
		{status, `{}`, []string{"/status"}},
		{status, `{"status":"offline"}`, []string{"/status"}},
		{status, `{"status":"idle"}`, []string{"/status"}},
		{status, `{"status":"auto"}`, []string{"/status"}},
		{status, `{"status":""}`, []string{"/status"}},
		{status, `{"status":null}`, []string{"/status"}},
		{status, `{"status":"busy","text":"hello"}`, []string{"/text"}},
		{query, `{}`, []string{"/users"}},
		{query, `{"users":null}`, []string{"/users"}},
		{query, `{"users":"ada"}`, []string{"/users"}},
		{query, `{"users":{"0":"ada"}}`, []string{"/users"}},
		{query, `{"users":["a","b","c",4]}`, []string{"/users/3"}},
		{query, `{"users":["a","b","c",null]}`, []string{"/users/3"}},
		{query, `{"users":["a","b","c",["d"]]}`, []string{"/users/3"}},
		{query, `{"users":["a","b","c",""]}`, []string{"/users/3"}},
		{query, `{"users":["..","b","."]}`, []string{"/users/0", "/users/2"}},
		{query, `{"users":["a"],"onlyOnline":"true"}`, []string{"/onlyOnline"}},
		{query, `{"users":["a"],"onlyOnline":1}`, []string{"/onlyOnline"}},
		{query, `{"users":["a"],"onlyOnline":null}`, []string{"/onlyOnline"}},
		{query, `{"users":["a"],"viewer":"eve"}`, []string{"/viewer"}},
	} {
		inStillWorld(t, func(w *world) {
			r := readers[test.reader]
			w.wantInvalid(w.ask("ada", r.method, r.path, test.body), test.pointers...)
		})
	}
}

func TestABodyMustSayWhatItIs(t *testing.T) {
	inWorld(t, func(w *world) {
		for _, reader := range strict {
			for _, header := range []string{
				"Content-Type: ", "Content-Type: application/x-www-form-urlencoded", "Content-Type: multipart/form-data; boundary=x", "Content-Type: text/html",
				"Content-Type: application/xml", "Content-Type: application/jsonx", "Content-Type: application/problem+json", "Content-Type: application", "Content-Type: json",
				"Content-Type: application/json; charset=\"", "Content-Type: */*",
				"Content-Encoding: gzip", "Content-Encoding: br", "Content-Encoding: identity, gzip", "Content-Encoding: x",
			} {
				p := w.wantProblem(w.ask("ada", reader.method, reader.path, reader.good, header), http.StatusUnsupportedMediaType, api.ProblemCodeUnsupportedMediaType)
				if !strings.Contains(p.Detail, "Content-") {
					w.Errorf("%s, %s: %q does not say what to send", reader.path, header, p.Detail)
				}
			}
			w.wantProblem(w.ask("ada", reader.method, reader.path, reader.good, "Content-Type: text/plain"), http.StatusUnsupportedMediaType, api.ProblemCodeUnsupportedMediaType)
			for _, header := range []string{
				"Content-Type: application/json", "Content-Type: application/json; charset=utf-8", "Content-Type: Application/JSON;charset=UTF-8", "Content-Encoding: identity",
			} {
				if r := w.ask("ada", reader.method, reader.path, reader.good, header); r.status >= 300 {
					w.Errorf("%s, %s: %d %s", reader.path, header, r.status, r.body)
				}
			}
		}
	})
}

func TestABodyHasItsLimit(t *testing.T) {
	inWorld(t, func(w *world) {
		for _, reader := range readers {
			upTo := func(n int) string { return reader.good + strings.Repeat(" ", n-len(reader.good)) }
			if r := w.ask("ada", reader.method, reader.path, upTo(reader.limit)); r.status >= 300 {
				w.Errorf("%s, at its limit: %d %s", reader.path, r.status, r.body)
			}
			for _, contentType := range []string{"application/json", "text/plain"} {
				if contentType == "text/plain" && reader.path != "/v1/presence/leave" {
					continue
				}
				r := w.ask("ada", reader.method, reader.path, upTo(reader.limit+1), "Content-Type: "+contentType)
				w.wantProblem(r, http.StatusRequestEntityTooLarge, api.ProblemCodeBodyTooLarge)
			}
		}
	})
}

// Who has no token learns nothing of his body, and has little of it read.
func TestTheTokenIsLookedAtBeforeTheBody(t *testing.T) {
	inWorld(t, func(w *world) {
		for _, reader := range strict {
			for _, body := range []string{"nonsense", reader.good} {
				w.wantProblem(w.ask("", reader.method, reader.path, body, "Content-Type: text/html"), http.StatusUnauthorized, api.ProblemCodeMissingToken)
			}
		}
		for _, path := range []string{"/v1/presence", "/v1/presence?user=%zz", "/v1/presence?user=", "/v1/presence/%00", "/v1/stream", "/v1/stream?lastEventId=a&lastEventId=b"} {
			w.wantProblem(w.ask("", "GET", path, ""), http.StatusUnauthorized, api.ProblemCodeMissingToken)
		}
	})
}

// Whoever stops in the middle of a body holds a connection for as long as one may, and no longer, whether he gets an answer before that or not.
func TestABodyMustArriveInTime(t *testing.T) {
	inWorld(t, func(w *world) {
		bearer := "Authorization: Bearer " + token("ada", nil) + "\r\n"
		for name, request := range map[string]string{
			"a body that is read":        "POST /v1/presence/heartbeat HTTP/1.1\r\nContent-Type: application/json\r\n" + bearer + "Content-Length: 100\r\n",
			"a body that is not, yet":    "POST /v1/presence/heartbeat HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 100\r\n",
			"a body of another type":     "POST /v1/presence/leave HTTP/1.1\r\nContent-Type: text/html\r\nContent-Length: 100\r\n",
			"a body in chunks":           "PUT /v1/presence/status HTTP/1.1\r\nContent-Type: application/json\r\n" + bearer + "Transfer-Encoding: chunked\r\n",
			"a body that nobody wants":   "GET /v1/presence/me HTTP/1.1\r\n" + bearer + "Content-Length: 100\r\n",
			"a body to where is no path": "POST /nothing HTTP/1.1\r\nContent-Length: 100\r\n",
		} {
			conn, err := w.pipes.dial(w.Context(), "", "")
			if err != nil {
				w.Fatal(err)
			}
			began := time.Now()
			if _, err := io.WriteString(conn, request+"Host: presently\r\n\r\n"); err != nil {
				w.Fatal(err)
			}
			go io.WriteString(conn, "2\r\n{\"\r\n")          //nolint:errcheck // the server may have given up
			conn.SetReadDeadline(began.Add(5 * time.Minute)) //nolint:errcheck // pipes have them
			got, err := io.ReadAll(conn)
			if took := time.Since(began); err != nil || took > bodyTimeout+time.Second {
				w.Errorf("%s holds a connection for %s (%v): %q", name, took, err, got)
			}
			conn.Close() //nolint:errcheck // a test
		}
	})
}
