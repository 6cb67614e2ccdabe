// Command receiver is a backend that Presently tells what happens: an example to copy from. It needs the standard library alone.
//
//	WEBHOOK_SECRET=… go run . 127.0.0.1:9000
package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	tolerance  = 5 * time.Minute // between the sender's clock and ours
	mostBody   = 16 << 10
	remembered = 10_000 // ids, against doubles
)

// event is what is posted. Ignore fields that you do not know: more will come.
type event struct {
	Type string `json:"type"`
	Data struct {
		UserID string `json:"userId"`
		Room   string `json:"room"`
		Status string `json:"status"`
		Before string `json:"before"`
		Rev    int64  `json:"rev"`
	} `json:"data"`
}

// verify reports whether the body comes from whoever shares the key with us, and is not an old one that somebody sends again.
func verify(key []byte, header http.Header, body []byte, now time.Time) bool {
	id, stamp := header.Get("webhook-id"), header.Get("webhook-timestamp")
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil || now.Sub(time.Unix(seconds, 0)).Abs() > tolerance {
		return false
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", id, stamp, body)
	want := mac.Sum(nil)
	for _, part := range strings.Fields(header.Get("webhook-signature")) { // several while a secret is replaced
		version, signature, _ := strings.Cut(part, ",")
		got, err := base64.StdEncoding.DecodeString(signature)
		if version == "v1" && err == nil && hmac.Equal(got, want) {
			return true
		}
	}
	return false
}

// receiver takes each event once.
type receiver struct {
	key []byte

	mu     sync.Mutex
	seen   map[string]bool // ids; keep them where you keep what you make of the events
	oldest []string
	rev    map[string]int64 // of the newest, by user or room
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, mostBody))
	if err != nil || req.Method != http.MethodPost {
		http.Error(w, "post an event", http.StatusBadRequest)
		return
	}
	if !verify(r.key, req.Header, body, time.Now()) {
		http.Error(w, "the signature does not fit", http.StatusUnauthorized)
		return
	}
	var e event
	if err := json.Unmarshal(body, &e); err != nil {
		http.Error(w, "no event", http.StatusBadRequest)
		return
	}
	r.take(req.Header.Get("webhook-id"), e)
	w.WriteHeader(http.StatusNoContent) // only once it is safe: what is answered so is not sent again
}

func (r *receiver) take(id string, e event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	who := "user " + e.Data.UserID
	if e.Data.Room != "" {
		who = "room " + e.Data.Room
	}
	if r.seen[id] || e.Data.Rev <= r.rev[who] {
		return // a double, or overtaken
	}
	r.seen[id], r.rev[who] = true, e.Data.Rev
	if r.oldest = append(r.oldest, id); len(r.oldest) > remembered {
		delete(r.seen, r.oldest[0])
		r.oldest = r.oldest[1:]
	}
	fmt.Println(e.Type, who, e.Data.Status) // here your own work begins
}

func main() {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(os.Getenv("WEBHOOK_SECRET"), "whsec_"))
	if err != nil || len(key) == 0 || len(os.Args) != 2 {
		log.Fatal("WEBHOOK_SECRET=… receiver 127.0.0.1:9000")
	}
	listener, err := net.Listen("tcp", os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("listening", listener.Addr())
	server := &http.Server{Handler: &receiver{key: key, seen: map[string]bool{}, rev: map[string]int64{}}, ReadTimeout: 10 * time.Second}
	log.Fatal(server.Serve(listener))
}
