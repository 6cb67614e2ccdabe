package handlers

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

func TestARememberedTokenStillExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := verifier(t, TokenConfig{Secret: testSecret})
		token := hs256(t, with(claimSet{"exp": time.Now().Add(time.Minute).Unix()}))
		for range 2 {
			if id, err := v.Verify(token); err != nil || id.User == "" {
				t.Fatalf("%+v, %v", id, err)
			}
		}
		if n := len(v.memory.young); n != 1 {
			t.Fatalf("%d tokens remembered", n)
		}
		time.Sleep(time.Minute)
		if id, err := v.Verify(token); !errors.Is(err, errTokenExpired) {
			t.Fatalf("%+v, %v", id, err)
		}
	})
}

// One who changes a character of a good token is nobody, and is not remembered.
func TestOnlyGoodTokensAreRemembered(t *testing.T) {
	v := verifier(t, TokenConfig{Secret: testSecret})
	token := hs256(t, goodClaims())
	if _, err := v.Verify(token); err != nil {
		t.Fatal(err)
	}
	forged := token[:len(token)-2] + "AA"
	for range 2 {
		if _, err := v.Verify(forged); !errors.Is(err, errTokenInvalid) {
			t.Fatal(err)
		}
	}
	if n := len(v.memory.young); n != 1 {
		t.Fatalf("%d tokens remembered", n)
	}
}

func TestTokensAreForgottenWhenTheKeysAreOthersAndWhenThereAreTooMany(t *testing.T) {
	var m tokenMemory
	now := time.Now()
	id := func(i int) tokenDigest { return sha256.Sum256(fmt.Append(nil, i)) }
	for i := range 3*tokensRemembered + 1 {
		m.add(id(i), Identity{User: fmt.Sprint(i), Expires: now.Add(time.Hour)}, 1)
	}
	if n := len(m.young) + len(m.old); n > 2*tokensRemembered {
		t.Errorf("%d tokens remembered", n)
	}
	last := 3 * tokensRemembered
	for _, c := range []struct {
		of    int
		keys  uint64
		known bool
	}{{last, 1, true}, {last - 1, 1, true}, {last, 2, false}, {0, 1, false}} {
		if got, known := m.find(id(c.of), c.keys, now); known != c.known || known && got.User != fmt.Sprint(c.of) {
			t.Errorf("token %d with keys %d: %+v, %t", c.of, c.keys, got, known)
		}
	}
}
