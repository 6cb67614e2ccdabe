package handlers

import (
	"context"
	"math"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/presently/presently/presence"
)

// censusEvery is how often users are counted at most, however many ask.
const censusEvery = 10 * time.Second

// census is how many users and sessions there are, by the store's index: as a stranger to everybody would count. It is a prometheus.Collector, so that nobody
// counts them where nobody asks. While the store does not answer it tells nothing, which is more than a wrong number.
type census struct {
	tracker         *presence.Tracker
	users, sessions *prometheus.Desc

	mu    sync.Mutex // guards what follows; those who ask together wait for one answer
	at    time.Time
	index presence.RoomIndex
}

func newCensus(t *presence.Tracker) *census {
	return &census{
		tracker:  t,
		users:    prometheus.NewDesc("presently_users", "Users who are here, as a stranger would count. Every instance tells the same number: do not add them up.", nil, nil),
		sessions: prometheus.NewDesc("presently_sessions", "Their sessions; likewise.", nil, nil),
	}
}

// Describe implements prometheus.Collector.
func (c *census) Describe(out chan<- *prometheus.Desc) { out <- c.users; out <- c.sessions }

// Collect implements prometheus.Collector.
func (c *census) Collect(out chan<- prometheus.Metric) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.at) >= censusEvery {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		index, err := c.tracker.Room(ctx, presence.RoomQuery{Room: presence.Everywhere})
		if err != nil {
			return
		}
		c.at, c.index = time.Now(), presence.RoomIndex{Users: index.Users, Sessions: index.Sessions}
	}
	out <- prometheus.MustNewConstMetric(c.users, prometheus.GaugeValue, float64(c.index.Users))
	out <- prometheus.MustNewConstMetric(c.sessions, prometheus.GaugeValue, float64(c.index.Sessions))
}

const (
	// statusesEvery is how often users are looked at for their statuses at most.
	statusesEvery = 30 * time.Second
	// statusesOf is how many are: 500 tell a share of a half to 2 or 3 in a hundred (its standard error is 2.2), and cost Redis some ms.
	statusesOf = 500
	// stranger is nobody's name, so that nobody has a relation to him.
	stranger = "."
)

// statuses is how many users are shown in each status, of those whom census counts and as a stranger sees them. Where there are many it looks at some, so
// that it never reads everybody.
type statuses struct {
	tracker *presence.Tracker
	users   *prometheus.Desc

	mu    sync.Mutex // guards what follows; those who ask together wait for one answer
	at    time.Time
	shown map[presence.Status]float64
}

func newStatuses(t *presence.Tracker) *statuses {
	return &statuses{
		tracker: t,
		users: prometheus.NewDesc("presently_users_by_status", "Of presently_users how many are shown so to a stranger; where there are more than 500, reckoned from 500 of them. "+
			"Every instance tells about the same: do not add them up.", []string{"status"}, nil),
	}
}

// Describe implements prometheus.Collector.
func (c *statuses) Describe(out chan<- *prometheus.Desc) { out <- c.users }

// Collect implements prometheus.Collector.
func (c *statuses) Collect(out chan<- prometheus.Metric) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.at) >= statusesEvery {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		shown, err := c.look(ctx)
		if err != nil {
			return
		}
		c.at, c.shown = time.Now(), shown
	}
	for status, n := range c.shown {
		out <- prometheus.MustNewConstMetric(c.users, prometheus.GaugeValue, n, string(status))
	}
}

func (c *statuses) look(ctx context.Context) (map[presence.Status]float64, error) {
	users, of, err := c.tracker.Sample(ctx, statusesOf)
	if err != nil {
		return nil, err
	}
	shown := map[presence.Status]float64{presence.Online: 0, presence.Away: 0, presence.Busy: 0, presence.DND: 0}
	if len(users) == 0 {
		return shown, nil
	}
	records, err := c.tracker.Lookup(ctx, stranger, users)
	if err != nil {
		return nil, err
	}
	seen := map[presence.Status]int{}
	for _, r := range records {
		seen[r.View(presence.Other, r.AsOf).Status]++
	}
	for status := range shown { // who has gone meanwhile is in none
		shown[status] = math.Round(float64(seen[status]) * float64(of) / float64(len(users)))
	}
	return shown, nil
}

// operatorsOnly is what operators alone may know: a stranger who watches somebody hidden would see a number move whenever that one does something.
func (s *Server) operatorsOnly(reg prometheus.Registerer) {
	reg.MustRegister(newStatuses(s.tracker))
	promauto.With(reg).NewCounterFunc(prometheus.CounterOpts{
		Name: "presently_privacy_drops_total", Help: "Changes of users who are watched here of which a class of viewers, or a viewer whom they block, was told nothing, because they hide.",
	}, func() float64 { return float64(s.feed.withheld.Load()) })
}
