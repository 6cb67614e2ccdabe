package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
	"time"
)

// Of a key, as Standard Webhooks has it.
const (
	keyPrefix = "whsec_"
	leastKey  = 24
	mostKey   = 64
)

// ErrSecret says what a secret must be, without repeating it.
var ErrSecret = errors.New("must be base64 of 24 to 64 bytes, with whsec_ before it or not; two, separated by a blank, while one replaces the other")

// ParseSecret reads the secrets that sign: one, or several separated by blanks. Libraries that verify take them as they stand.
func ParseSecret(text string) (keys [][]byte, err error) {
	for part := range strings.FieldsSeq(text) {
		part = strings.TrimPrefix(part, keyPrefix)
		key, err := base64.StdEncoding.DecodeString(part)
		if err != nil {
			key, err = base64.RawStdEncoding.DecodeString(part)
		}
		if err != nil || len(key) < leastKey || len(key) > mostKey {
			return nil, ErrSecret
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, ErrSecret
	}
	return keys, nil
}

// signature is the value of webhook-signature.
func signature(keys [][]byte, id string, at time.Time, body []byte) string {
	var all []string
	for _, key := range keys {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(id + "." + strconv.FormatInt(at.Unix(), 10) + "."))
		mac.Write(body)
		all = append(all, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	return strings.Join(all, " ")
}
