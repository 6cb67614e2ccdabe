package main

import (
	"strings"
	"testing"
)

func TestCheckLooksAtWebhooks(t *testing.T) {
	const head = "# HELP presently_webhook_paused 1 while …\n"
	for metrics, want := range map[string]string{
		"presently_streams 0\n": "",
		head + "presently_webhook_paused 0\npresently_webhook_dead_total 0\npresently_webhook_deliveries_total{result=\"delivered\"} 1\n":        "✓ webhooks are delivered",
		head + "presently_webhook_paused 0\npresently_webhook_deliveries_total{result=\"delivered\"} 0\n":                                        "! webhooks: this instance has delivered none so far",
		head + "presently_webhook_paused 0\npresently_webhook_deliveries_total{result=\"delivered\"} 9\npresently_webhook_oldest_seconds 61.5\n": "! webhooks: some have waited for 62 s",
		head + "presently_webhook_paused 1\npresently_webhook_dead_total 3\npresently_webhook_pending 12\n":                                      "✗ webhooks: the receiver takes nothing; 12 changes wait",
		head + "presently_webhook_paused 0\npresently_webhook_dead_total 3\n":                                                                    "webhooks: 3 events were given up",
	} {
		var out strings.Builder
		c := &checkup{out: &out}
		c.webhook(metrics)
		if got := out.String(); !strings.Contains(got, want) || want == "" && got != "" {
			t.Errorf("%q: wrote %q, want %q", metrics, got, want)
		}
	}
}
