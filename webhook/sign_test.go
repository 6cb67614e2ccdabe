package webhook

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/presently/presently/presence/memstore"
)

// The example of Standard Webhooks' own libraries.
func TestTheSignatureIsThatOfStandardWebhooks(t *testing.T) {
	keys, err := ParseSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		t.Fatal(err)
	}
	got := signature(keys, "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`))
	if want := "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; got != want {
		t.Errorf("signature = %s, want %s", got, want)
	}
}

func TestSecretsAreReadAndRefused(t *testing.T) {
	long := "whsec_" + strings.Repeat("A", 86) + "==" // 64 bytes
	for text, keys := range map[string]int{
		"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw":                                  1,
		"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw":                                        1,
		" MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n":                                     1,
		"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX": 2,
		"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8":                             1, // no padding
		long:                           1,
		long + "AAAA":                  0,
		"":                             0,
		"whsec_":                       0,
		"secret":                       0,
		"not base64 at all !!":         0,
		"AAECAwQFBgcICQoLDA0ODxAREhM=": 0, // 20 bytes
	} {
		got, err := ParseSecret(text)
		if len(got) != keys || (err == nil) != (keys > 0) {
			t.Errorf("%.20q: %d keys, %v; want %d", text, len(got), err, keys)
		}
	}
}

func TestARedirectIsARefusalAndNotFollowed(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("followed") }))
	defer elsewhere.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		receiver := httptest.NewServer(http.RedirectHandler(elsewhere.URL, status))
		p := newPoster(Options{Outbox: memstore.New(memstore.Options{}), URL: receiver.URL, Keys: [][]byte{testKey}, Lease: 15 * time.Second})
		if err := p.deliver(t.Context(), "id", []byte("{}")); err == nil {
			t.Errorf("%d: taken", status)
		}
		p.close()
		receiver.Close()
	}
}

// A receiver that answers without end, and one that never does.
func TestNoAnswerIsReadForEver(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"endless": func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				if _, err := io.WriteString(w, strings.Repeat("x", 4096)); err != nil {
					return
				}
			}
		},
		"silent": func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.ReadAll(r.Body) // else the server does not notice that the client has gone
			<-r.Context().Done()
		},
	} {
		t.Run(name, func(t *testing.T) {
			receiver := httptest.NewServer(handler)
			defer receiver.Close()
			p := newPoster(Options{Outbox: memstore.New(memstore.Options{}), URL: receiver.URL, Keys: [][]byte{testKey}, Lease: 300 * time.Millisecond})
			defer p.close()
			done := make(chan error, 1)
			go func() { done <- p.deliver(context.Background(), "id", []byte("{}")) }()
			select {
			case err := <-done:
				if (err == nil) != (name == "endless") {
					t.Errorf("%s: %v", name, err)
				}
			case <-time.After(20 * time.Second):
				t.Fatal("it never ends")
			}
		})
	}
}

func TestNoErrorHasTheAddress(t *testing.T) {
	receiver := httptest.NewServer(http.NotFoundHandler())
	address := strings.Replace(receiver.URL, "http://", "http://user:hunter2@", 1) + "/hook?key=hunter2"
	receiver.Close()
	p := newPoster(Options{Outbox: memstore.New(memstore.Options{}), URL: address, Keys: [][]byte{testKey}, Lease: 15 * time.Second, Logger: slog.Default()})
	defer p.close()
	if err := p.deliver(t.Context(), "id", []byte("{}")); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("error = %v", err)
	}
}
