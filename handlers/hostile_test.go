package handlers

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/presently/presently/api"
)

// hostileValues are no JSON values, by what is wrong with them: the classes of RFC 8259's grammar that parsers have been seen to let pass.
var hostileValues = map[string][]string{
	"numbers": {
		"+1", "+Inf", "-", "--1", "-01", "-1.0.", "-2.", "-NaN", "-Infinity", "-foo", "- 1", ".1", ".-1", "0.1.2", "0.3e", "0.3e+", "0.e1", "0E", "0E+", "0e", "0e+", "00", "012", "-012", "0x1", "0x42", "0b1", "0o7", "1.", "1.0e", "1.0e+", "1.0e-", "1 000.0", "1_000",
		"1,5", "1eE2", "1e1.5", "2.e3", "2.e-3", "2.e+3", "9.e+", "Inf", "Infinity", "NaN", "nan", "1a", "1.2a", "1ea", "1+2", "1-", "\uff11", "1\u0660", "1n", "1f", "1L", "١", "½",
	},
	"strings": {
		`"`, `"a`, `a"`, `'a'`, "`a`", "“a”", `"\`, `"\"`, `"\x00"`, `"\0"`, `"\1"`, `"\a"`, `"\v"`, `"\e"`, `"\'"`, `"\u"`, `"\u0"`, `"\u00"`, `"\u00A"`, `"\u00AG"`, `"\U0041"`, `"\u{41}"`, `"\u 041"`, `"\uD800\"`, `"\uD800\u"`, `"\uD800\u1"`, `"\uD834\uDd"`,
		"\"\n\"", "\"\r\"", "\"\t\"", "\"\x00\"", "\"\x1f\"", "\"a\x08b\"", "\"\\\n\"", `"a"b`, `"a""b"`, `"a" "b"`, `\u0022a\u0022`, `a`, `\n`, "\u00e9", `"a\`, `%22a%22`, `&quot;a&quot;`,
	},
	"UTF-8": {
		"\"\xff\"", "\"\x80\"", "\"\xc0\x80\"", "\"\xc0\xaf\"", "\"\xe0\x80\xaf\"", "\"\xed\xa0\x80\"", "\"\xed\xbf\xbf\"", "\"\xf4\x90\x80\x80\"", "\"\xf8\x88\x80\x80\x80\"", "\"\xe2\x82\"", "\"\xf0\x9f\x98\"", "\"\xc3\"", "\"\xc3\\\"", "\"a\xe5\"", "\xe5", "\"\\ud800\"", "\"\\udc00\"", "\"\\udc00\\ud800\"", "\"\\ud800a\"", "\"\\ud800\\ud800\"",
	},
	"arrays": {
		"[", "]", "[1", "1]", "[1,", "[,1]", "[1,]", "[,]", "[1,,2]", "[,", "[1 2]", "[1:2]", "[1;2]", "(1)", "{1}", "[1)", "[1}", "[[1]", "[1]]", "[\"a\"", "[\"\": 1]", "[x", "[*]", "[1,\n1\n,1", "[-]", "[a", "[1 true]", "[true false]", "[\x00]", "[\"a\",\n4\n,1,", "[<null>]", "[\u00a0]", "[\u2060]", "[\f]", "[\v]",
	},
	"objects": {
		"{", "}", "{]", `{"a"`, `{"a":`, `{"a"}`, `{"a":1`, `{"a":1,}`, `{,}`, `{,"a":1}`, `{"a":1,,"b":2}`, `{a:1}`, `{1:1}`, `{'a':1}`, `{null:1}`, `{[1]:1}`, `{"a" "b"}`, `{"a"::1}`, `{"a":1 "b":2}`, `{"a":1;"b":2}`, `{"a"=1}`, `{"a":1}}`, `{"a":1}#`, `{"a":1}/**/`, `{"a":1}//`, `{/**/"a":1}`,
		`{"a":/*1*/2}`, `{"a":"a" 1}`, `{"a":"b",#}`, `{"a":1,"a":2}`, `{"a":1,"\u0061":2}`, `{"":1,"":2}`, `{"a":{"b":1,"b":1}}`, `{...}`, `{"a":undefined}`, `{"a":function(){}}`, `{"a":(1)}`, "{\"a\xff\":1}", "{\"a\n\":1}", `{"\ud800":1}`,
	},
	"words": {
		"True", "FALSE", "NULL", "nul", "nulll", "tru", "truee", "fals", "t", "n", "undefined", "None", "nil", "yes", "on", "-true", "!1", "true false", "nullnull",
	},
	"documents": {
		"", " ", "\n", "\x00", "\ufeff", "\ufeff{}", "\xef\xbb{}", "\u2060", "\u00a0{}", "{}\u00a0", "{}\x00", "{}\f", "\f{}", "\v{}", "{}{}", "{} {}", "{}\n{}", "{},{}", "{};", "{}1", "[]{}", "1 2", `""""`, "<xml/>", "---\na: 1", "a=1&b=2", "//\n{}", "/**/{}", "{}//", "#{}", ")]}',\n{}", "while(1);{}", "\x1e{}\n",
		"\xff\xfe{\x00}\x00", "\xfe\xff\x00{\x00}", "\x00{\x00}", "\x1f\x8b\x08\x00", "{\x00}", "\\u007b\\u007d", "%7B%7D",
	},
}

// A document that is none is refused as such at every operation that reads one, wherever in it the fault is, and no parser of ours falls over it. That
// encoding/json, which is another's, calls it valid too is allowed for what it is known to let pass.
func TestWhatIsNoJSONIsNeverTaken(t *testing.T) {
	total := 0
	inWorld(t, func(w *world) {
		w.beat("ada", "session-1", "")
		for class, values := range hostileValues {
			for _, value := range values {
				lenient := json.Valid([]byte(value))
				if lenient && class != "UTF-8" && class != "objects" {
					w.Errorf("%s: %q is JSON", class, value)
				}
				for _, reader := range strict {
					open := strings.TrimSuffix(reader.good, "}")
					bodies := []string{open + `,"x":` + value + `}`, open + `,"x":[` + value + `]}`}
					switch {
					case class == "documents":
						bodies = []string{value}
					case class == "objects" && !lenient:
						bodies = append(bodies, value)
					}
					for _, body := range bodies {
						total++
						r := w.ask("ada", reader.method, reader.path, body, "Content-Type: application/json")
						var p api.Problem
						if err := json.Unmarshal(r.body, &p); err != nil || r.status != http.StatusBadRequest || p.Code != api.ProblemCodeMalformedJSON && p.Code != api.ProblemCodeValidationFailed {
							w.Errorf("%s, %s: %q: %d %s", reader.path, class, body, r.status, r.body)
						}
					}
				}
			}
		}
		t.Logf("%d bodies refused", total)
	})
}

// What is JSON is read, however it is written.
func TestWhatIsJSONIsTakenHoweverItIsWritten(t *testing.T) {
	inWorld(t, func(w *world) {
		w.beat("ada", "session-1", "")
		for _, body := range []string{
			`{"text":"a"}`, " {\t\"text\" \r\n: \"a\" } \n", `{"\u0074ext":"a"}`, `{"\u0074\u0065\u0078\u0074":"\u0061"}`, `{"text":"\""}`, `{"text":"\\\/\"\u0041"}`, `{"text":"é"}`, `{"text":"\u00e9"}`, `{"text":"\ud83d\ude00"}`, `{"text":"😀"}`,
			"{\"text\":\"\u2028\u2029\"}", `{"text":"\u2028"}`, "{\"text\":\"\ufeff\"}", "{\"text\":\"\ufffe\uffff\"}", "{\"text\":\"\U0010ffff\"}", `{"text":"\uFFFF"}`, `{"text":" "}`, `{"text":"null"}`, `{"text":"a","expiresInMs":0}`, `{"text":"a","expiresInMs":1000}`, `{"text":"a","emoji":"☕"}`,
		} {
			if r := w.ask("ada", "PUT", "/v1/presence/custom", body); r.status != http.StatusOK {
				w.Errorf("%q: %d %s", body, r.status, r.body)
			}
		}
	})
}

// Keys count as they are written: encoding/json would take STATUS, and even ſtatus, whose first letter is an old s, for status.
func TestKeysInAnotherCaseAreUnknown(t *testing.T) {
	inStillWorld(t, func(w *world) {
		for _, key := range []string{"STATUS", "Status", "statuS", "ſtatus", "ſtatuſ", "status ", " status", "status\u200b", "ѕtatus", "stătus", "sta\u200dtus"} {
			w.wantInvalid(w.ask("ada", "PUT", "/v1/presence/status", fmt.Sprintf("{%q:\"busy\"}", key)), "/"+key)
			body := fmt.Sprintf("{\"status\":\"busy\",%q:\"dnd\"}", key)
			w.wantInvalid(w.ask("ada", "PUT", "/v1/presence/status", body), "/"+key)
		}
		for _, key := range []string{"exp\u0131resInMs", "EXPIRESINMS", "expiresinms"} {
			w.wantInvalid(w.ask("ada", "PUT", "/v1/presence/status", `{"status":"busy","`+key+`":1000}`), "/"+key)
		}
	})
}

// However deep, a document costs no more than it is long, and past eight levels nothing of it is looked at.
func TestDepthIsBounded(t *testing.T) {
	inStillWorld(t, func(w *world) {
		for _, pair := range [][2]string{{"[", "]"}, {`{"a":`, "}"}, {`[{"a":`, "}]"}} {
			for _, n := range []int{9, 100, 1000, 3000} {
				for _, end := range []string{"", "1" + strings.Repeat(pair[1], n)} {
					r := w.ask("ada", "PUT", "/v1/presence/status", strings.Repeat(pair[0], n)+end)
					if r.status != http.StatusBadRequest && (r.status != http.StatusRequestEntityTooLarge || n < 1000) {
						w.Errorf("%s, %d deep: %d %s", pair[0], n, r.status, r.body)
					}
				}
			}
		}
	})
}
