package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

const healthHelp = `presently health ends with 0 if the instance on this machine serves, and with 1 if not.

  --url       another address to ask, such as https://presence.example.org/healthz

It asks /healthz at PRESENTLY_LISTEN, over TLS if PRESENTLY_TLS_CERT is set. Health does not depend on Redis; /readyz does.
`

// healthTimeout is shorter than that of a container's health check, so that the reason is seen.
const healthTimeout = 2 * time.Second

// runHealth is the health check of an image that holds nothing but this program.
func runHealth(ctx context.Context, args, environ []string, stdout io.Writer) error {
	fs := flag.NewFlagSet("health", flag.ContinueOnError)
	url := fs.String("url", "", "")
	r, err := gather(fs, args, environ, "LISTEN", "TLS_CERT")
	if errors.Is(err, flag.ErrHelp) {
		_, err = io.WriteString(stdout, healthHelp)
		return err
	}
	if err := errors.Join(err, r.err()); err != nil {
		return err
	}
	transport := &http.Transport{}
	if *url == "" {
		// The certificate names the public host, not the loopback address; nothing secret is said here.
		transport.TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
		if *url, err = ownHealth(r.text("LISTEN"), r.isGiven("TLS_CERT")); err != nil {
			return err
		}
	}
	return askHealth(ctx, &http.Client{Transport: transport, Timeout: healthTimeout}, *url)
}

// ownHealth is where an instance that listens at an address is asked from the same machine.
func ownHealth(listen string, secure bool) (string, error) {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return "", usagef("PRESENTLY_LISTEN: %q is no address", listen)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1" // an image from scratch has no /etc/hosts to know localhost by
	}
	scheme := "http"
	if secure {
		scheme = "https"
	}
	return scheme + "://" + net.JoinHostPort(host, port) + "/healthz", nil
}

func askHealth(ctx context.Context, client *http.Client, url string) error {
	defer client.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return usagef("--url: %v", err)
	}
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("not healthy: %w", err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("not healthy: %s answers %s", url, response.Status)
	}
	return nil
}
