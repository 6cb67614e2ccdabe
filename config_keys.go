package main

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strings"
)

// readKeys reads the public keys of a PEM file.
func readKeys(file string) ([]crypto.PublicKey, error) {
	rest, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var keys []crypto.PublicKey
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		key, err := parseKey(file, block)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("%s holds no PEM: a public key there begins with -----BEGIN PUBLIC KEY-----", file)
	}
	return keys, nil
}

func parseKey(file string, block *pem.Block) (key crypto.PublicKey, err error) {
	switch {
	case strings.HasSuffix(block.Type, "PRIVATE KEY"):
		return nil, fmt.Errorf("%s holds a private key, which only the issuer of tokens should have: take its public half, `openssl pkey -in private.pem -pubout`", file)
	case block.Type == "PUBLIC KEY":
		key, err = x509.ParsePKIXPublicKey(block.Bytes)
	case block.Type == "RSA PUBLIC KEY":
		key, err = x509.ParsePKCS1PublicKey(block.Bytes)
	case block.Type == "CERTIFICATE":
		var cert *x509.Certificate
		if cert, err = x509.ParseCertificate(block.Bytes); err == nil {
			key = cert.PublicKey
		}
	default:
		err = errors.New("neither a public key nor a certificate")
	}
	if err != nil {
		return nil, fmt.Errorf("%s, -----BEGIN %s-----: %w", file, block.Type, err)
	}
	return key, nil
}
