package main

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/presently/presently/presence"
	"github.com/presently/presently/webhook"
)

const (
	// notesKept is how many changes a partition keeps for webhooks while they cannot be delivered: some 0.5 KB each.
	notesKept = 10_000

	backlogEvery = 5 * time.Second // how often the backlog is read at most, however many ask
)

// webhooks posts what happens, where that is configured.
type webhooks struct{ deliverer *webhook.Deliverer }

func newWebhooks(c config, store openedStore, instance string, reg *prometheus.Registry, panics *presence.Panics, log *slog.Logger) webhooks {
	if c.webhookURL == "" {
		return webhooks{}
	}
	d := webhook.New(webhook.Options{
		Outbox: store.outbox, URL: c.webhookURL, Keys: c.webhookKeys, Name: instance, Agent: "presently/" + versionName(), Logger: log, Panics: panics,
	})
	reg.MustRegister(&webhookCollector{deliverer: d, outbox: store.outbox})
	return webhooks{d}
}

func (w webhooks) run(ctx context.Context) error {
	if w.deliverer == nil {
		return nil
	}
	return w.deliverer.Run(ctx)
}

var (
	webhookDeliveries = prometheus.NewDesc("presently_webhook_deliveries_total", "Requests to the webhook's receiver, by what became of them: delivered (2xx), refused (another answer), unreachable (none).", []string{"result"}, nil)
	webhookGivenUp    = prometheus.NewDesc("presently_webhook_given_up_total", "Events that this instance has given up, because the receiver took others and not them.", nil, nil)
	webhookLanes      = prometheus.NewDesc("presently_webhook_lanes", "Lanes whose webhooks this instance delivers.", nil, nil)
	webhookPaused     = prometheus.NewDesc("presently_webhook_paused", "1 while the webhook's receiver as a whole fails.", nil, nil)
	webhookDead       = prometheus.NewDesc("presently_webhook_dead_total", "Events that were given up, by anybody or because the outbox was full. Every instance tells the same number: do not add them up.", nil, nil)
	webhookPending    = prometheus.NewDesc("presently_webhook_pending", "Changes that wait in the outbox; likewise.", nil, nil)
	webhookOldest     = prometheus.NewDesc("presently_webhook_oldest_seconds", "For how long the oldest of them has waited; likewise.", nil, nil)
)

// webhookCollector tells how it goes with webhooks. What the store has of them is read when somebody asks; while it does not answer, it is not told.
type webhookCollector struct {
	deliverer *webhook.Deliverer
	outbox    presence.Outbox

	mu      sync.Mutex // guards what follows; those who ask together wait for one answer
	at      time.Time
	backlog presence.Backlog
}

// Describe implements prometheus.Collector.
func (c *webhookCollector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{webhookDeliveries, webhookGivenUp, webhookLanes, webhookPaused, webhookDead, webhookPending, webhookOldest} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (c *webhookCollector) Collect(out chan<- prometheus.Metric) {
	counter := func(d *prometheus.Desc, n int64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
	}
	gauge := func(d *prometheus.Desc, n float64) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, n)
	}
	s := c.deliverer.Stats()
	counter(webhookDeliveries, s.Delivered, "delivered")
	counter(webhookDeliveries, s.Refused, "refused")
	counter(webhookDeliveries, s.Unreachable, "unreachable")
	counter(webhookGivenUp, s.Dead)
	gauge(webhookLanes, float64(s.Lanes))
	paused := 0.0
	if s.Paused {
		paused = 1
	}
	gauge(webhookPaused, paused)
	b, err := c.read()
	if err != nil {
		return
	}
	counter(webhookDead, b.Dead)
	gauge(webhookPending, float64(b.Waiting))
	gauge(webhookOldest, b.Oldest.Seconds())
}

func (c *webhookCollector) read() (presence.Backlog, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.at) < backlogEvery {
		return c.backlog, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	b, err := c.outbox.Backlog(ctx)
	if err == nil {
		c.at, c.backlog = time.Now(), b
	}
	return b, err
}
