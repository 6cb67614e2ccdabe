package main

import (
	"fmt"
	"net/http"
	"runtime"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/presently/presently/handlers"
	"github.com/presently/presently/presence/redisstore"
)

const (
	scrapeTimeout = 5 * time.Second
	scrapesAtOnce = 4 // a stranger who can ask for metrics costs no more than that
)

// newRegistry makes a registry of its own, with what is known of the process, the build, the settings that instances must agree about, the certificate and Redis.
func newRegistry(c config, store openedStore) *prometheus.Registry {
	reg := prometheus.NewRegistry()
	reg.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "presently_build_info", Help: "1, with what this is.",
			ConstLabels: prometheus.Labels{"version": versionName(), "goversion": runtime.Version()},
		}, func() float64 { return 1 }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "presently_after_loss_closed", Help: "1 where PRESENTLY_AFTER_LOSS is closed. All instances should tell the same.",
		}, func() float64 {
			if c.closes {
				return 1
			}
			return 0
		}),
	)
	if c.tls != nil {
		reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "presently_certificate_expiry_seconds", Help: "When the certificate that is given out expires, or one of its chain that does so first, in seconds since 1970.",
		}, func() float64 { return float64(c.tls.expires().Unix()) }))
	}
	if store.redis != nil {
		reg.MustRegister(redisCollector{store.redis})
	}
	return reg
}

func serveMetrics(reg *prometheus.Registry) http.Handler {
	return promhttp.HandlerFor(reg, promhttp.HandlerOpts{Timeout: scrapeTimeout, MaxRequestsInFlight: scrapesAtOnce})
}

// redisCollector tells how it goes with Redis, as redisstore counts it.
type redisCollector struct{ store *redisstore.Store }

// redisMetric is one number that redisCollector tells.
type redisMetric struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	read func(redisstore.Stats) float64
}

func newRedisMetric(name, help string, kind prometheus.ValueType, read func(redisstore.Stats) float64) redisMetric {
	return redisMetric{prometheus.NewDesc("presently_"+name, help, nil, nil), kind, read}
}

var redisMetrics = []redisMetric{
	newRedisMetric("redis_pool_connections", "Connections to Redis, at work or not.", prometheus.GaugeValue,
		func(s redisstore.Stats) float64 { return float64(s.Pool.TotalConns) }),
	newRedisMetric("redis_pool_idle_connections", "Connections to Redis that are not at work.", prometheus.GaugeValue,
		func(s redisstore.Stats) float64 { return float64(s.Pool.IdleConns) }),
	newRedisMetric("redis_pool_hits_total", "Calls that found a connection.", prometheus.CounterValue,
		func(s redisstore.Stats) float64 { return float64(s.Pool.Hits) }),
	newRedisMetric("redis_pool_misses_total", "Calls that had to make a connection, or to wait for one.", prometheus.CounterValue,
		func(s redisstore.Stats) float64 { return float64(s.Pool.Misses) }),
	newRedisMetric("redis_pool_timeouts_total", "Calls that got no connection in time.", prometheus.CounterValue,
		func(s redisstore.Stats) float64 { return float64(s.Pool.Timeouts) }),
	newRedisMetric("redis_pool_stale_connections_total", "Connections that were found broken, and closed.", prometheus.CounterValue,
		func(s redisstore.Stats) float64 { return float64(s.Pool.StaleConns) }),
	newRedisMetric("redis_waiting", "Callers whose commands wait for the next pipeline.", prometheus.GaugeValue,
		func(s redisstore.Stats) float64 { return float64(s.Waiting) }),
	newRedisMetric("redis_listens_total", "Connections on which lanes were listened to; each after the first stands for one that broke.", prometheus.CounterValue,
		func(s redisstore.Stats) float64 { return float64(s.Listened) }),
	newRedisMetric("redis_unanswered_seconds", "Since the last answer to a beacon, in the lane that has none for longest: whether commands get through.", prometheus.GaugeValue,
		func(s redisstore.Stats) float64 { return s.Unanswered.Seconds() }),
	newRedisMetric("sweep_age_seconds", "Since the last sweep from here, of the lane that was swept longest ago.", prometheus.GaugeValue,
		func(s redisstore.Stats) float64 { return s.Sweep.Seconds() }),
	newRedisMetric("sweep_interval_seconds", "How often each lane is to be swept.", prometheus.GaugeValue,
		func(s redisstore.Stats) float64 { return s.SweepEvery.Seconds() }),
	newRedisMetric("swept_sessions_total", "Sessions that sweeps from here have ended, for silence or after their grace.", prometheus.CounterValue,
		func(s redisstore.Stats) float64 { return float64(s.Swept) }),
	newRedisMetric("partitions", "Into how many parts Redis' data is divided.", prometheus.GaugeValue,
		func(s redisstore.Stats) float64 { return float64(s.Partitions) }),
}

// sweepLag is how late sweeps come: count and sum over those that ended somebody.
var sweepLag = prometheus.NewDesc("presently_sweep_lag_seconds", "How long after the first deadline a sweep from here came that ended sessions.", nil, nil)

// Describe implements prometheus.Collector.
func (c redisCollector) Describe(out chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, out) }

// Collect implements prometheus.Collector.
func (c redisCollector) Collect(out chan<- prometheus.Metric) {
	now := c.store.Stats()
	for _, m := range redisMetrics {
		out <- prometheus.MustNewConstMetric(m.desc, m.kind, m.read(now))
	}
	out <- prometheus.MustNewConstSummary(sweepLag, uint64(now.Claims), now.Late.Seconds(), nil)
}

// facts are what the operators' page tells of the build and of Redis.
func (s openedStore) facts() []handlers.Fact {
	facts := []handlers.Fact{{Name: "version", Value: versionName() + ", " + runtime.Version()}}
	if s.redis == nil {
		return append(facts, handlers.Fact{Name: "store", Value: "the memory of this process"})
	}
	n := s.redis.Stats()
	return append(facts,
		handlers.Fact{Name: "partitions", Value: strconv.Itoa(n.Partitions)},
		handlers.Fact{Name: "Redis' last answer to a beacon", Value: n.Unanswered.Round(time.Millisecond).String() + " ago"},
		handlers.Fact{Name: "last sweep from here of the partition left alone for longest", Value: n.Sweep.Round(time.Millisecond).String() + " ago"},
		handlers.Fact{Name: "connections to Redis", Value: fmt.Sprintf("%d, %d of them idle; %d calls got none in time", n.Pool.TotalConns, n.Pool.IdleConns, n.Pool.Timeouts)},
		handlers.Fact{Name: "connections listened on since the start", Value: strconv.FormatInt(n.Listened, 10)},
	)
}
