package handlers

import (
	"errors"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/presently/presently/api"
	"github.com/presently/presently/presence"
	"github.com/presently/presently/sse"
)

// metrics is what is measured here. Labels are words of ours, never anybody's id, so that their number is bounded and they tell nothing of people.
// All of it is counted where it happens, without allocation, or read when somebody asks.
type metrics struct {
	requests    *prometheus.CounterVec   // method, route, status
	took        *prometheus.HistogramVec // method, route
	beats       map[beatOutcome]prometheus.Counter
	flaps       prometheus.Counter
	transitions map[presence.Cause]prometheus.Counter
	opened      map[string]prometheus.Counter // by how
	closed      *prometheus.CounterVec        // reason
	wrote       prometheus.Histogram
	waited      prometheus.Histogram
	limited     *prometheus.CounterVec // limit
	gaps        prometheus.Counter
	epochs      prometheus.Counter
	heard       hearing
}

// beatOutcome is what became of a heartbeat, and what it said.
type beatOutcome struct {
	result string
	state  presence.Status
}

const (
	beatSteady  = "steady"  // nothing new
	beatChanged = "changed" // something to tell
	beatOld     = "old"     // overtaken by a newer one
	beatRefused = "refused" // a rate, or too many sessions
	beatFailed  = "failed"  // the store did not answer
)

// How streams begin, and end.
const (
	openedNew      = "new"      // without an id to go on from
	openedResumed  = "resumed"  // told what has changed since its reader was here
	openedAnew     = "snapshot" // the id could not be gone on from: all is told again
	closedByClient = "client"
	closedStuck    = "stuck" // nothing was read of it for 5 s
	closedGone     = "subscriptionGone"
)

var otherCause presence.Cause = "other" // of a newer version of the program

// newMetrics makes what s measures.
func newMetrics(reg prometheus.Registerer, s *Server) *metrics {
	f := promauto.With(reg)
	m := &metrics{
		requests: f.NewCounterVec(prometheus.CounterOpts{
			Name: "presently_http_requests_total", Help: "Requests that are over, streams included. Status 0: nothing was answered, or the answer was broken off.",
		}, []string{"method", "route", "status"}),
		took: f.NewHistogramVec(prometheus.HistogramOpts{
			Name: "presently_http_request_duration_seconds", Help: "How long requests took, but for streams.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5},
		}, []string{"method", "route"}),
		beats: map[beatOutcome]prometheus.Counter{},
		flaps: f.NewCounter(prometheus.CounterOpts{
			Name: "presently_flaps_total", Help: "Sessions that said goodbye and came back within their grace, which nobody saw.",
		}),
		transitions: map[presence.Cause]prometheus.Counter{},
		opened:      map[string]prometheus.Counter{},
		closed: f.NewCounterVec(prometheus.CounterOpts{
			Name: "presently_stream_closes_total", Help: "Streams that have ended, by reason.",
		}, []string{"reason"}),
		wrote: f.NewHistogram(prometheus.HistogramOpts{
			Name: "presently_stream_write_seconds", Help: "How long a write to a stream took.",
			Buckets: []float64{.00001, .000025, .00005, .0001, .0005, .001, .01, .1, 1, 5},
		}),
		waited: f.NewHistogram(prometheus.HistogramOpts{
			Name: "presently_stream_latency_seconds", Help: "From a change's being known here to its being written to a stream, the pause between two flushes included.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .3, .5, 1, 2.5, 5, 10},
		}),
		limited: f.NewCounterVec(prometheus.CounterOpts{
			Name: "presently_rate_limited_total", Help: "Requests that were refused by a rate.",
		}, []string{"limit"}),
		gaps: f.NewCounter(prometheus.CounterOpts{
			Name: "presently_lane_gaps_total", Help: "Times that changes in a lane may have been missed, so that what is watched there was read again.",
		}),
		epochs: f.NewCounter(prometheus.CounterOpts{
			Name: "presently_epochs_total", Help: "Times that a lane began anew, because the store was away or had lost something. Every instance hears of all.",
		}),
	}
	beats := f.NewCounterVec(prometheus.CounterOpts{
		Name: "presently_heartbeats_total", Help: "Heartbeats, by what became of them and what they said of their session.",
	}, []string{"result", "state"})
	for _, result := range []string{beatSteady, beatChanged, beatOld, beatRefused, beatFailed} {
		for _, state := range []presence.Status{presence.Online, presence.Away, presence.Busy, presence.DND} {
			m.beats[beatOutcome{result, state}] = beats.WithLabelValues(result, string(state))
		}
	}
	transitions := f.NewCounterVec(prometheus.CounterOpts{
		Name: "presently_transitions_total", Help: "Changes that were told in the lanes, by cause. Every instance hears all of them: do not add them up.",
	}, []string{"cause"})
	for _, cause := range []presence.Cause{
		presence.ByBeat, presence.ByLeave, presence.ByEnd, presence.ByLapse, presence.ByChoice, presence.BySetting, presence.ByRoom, presence.ByTyping, otherCause,
	} {
		m.transitions[cause] = transitions.WithLabelValues(string(cause))
	}
	opened := f.NewCounterVec(prometheus.CounterOpts{
		Name: "presently_stream_opens_total", Help: "Streams that were opened: new, resumed, or told all again by a snapshot although they came with an id.",
	}, []string{"how"})
	for _, how := range []string{openedNew, openedResumed, openedAnew} {
		m.opened[how] = opened.WithLabelValues(how)
	}
	for _, reason := range []string{
		closedByClient, closedStuck, closedGone,
		string(api.ReconnectReasonDrain), string(api.ReconnectReasonMaxAge), string(api.ReconnectReasonTokenExpired),
	} {
		m.closed.WithLabelValues(reason)
	}
	m.watchServer(f, s)
	if reg != nil {
		reg.MustRegister(newCensus(s.tracker))
	}
	if reg != nil && s.opts.Operators {
		s.operatorsOnly(reg)
	}
	return m
}

// watchServer is what is read when somebody asks.
func (m *metrics) watchServer(f promauto.Factory, s *Server) {
	gauge := func(name, help string, read func() float64) {
		f.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, read)
	}
	for _, where := range presence.Places() {
		f.NewCounterFunc(prometheus.CounterOpts{
			Name: "presently_panics_total", Help: "Bugs that were kept from ending the process, by where that was.", ConstLabels: prometheus.Labels{"where": string(where)},
		}, func() float64 { return float64(s.panics.Counts()[where]) })
	}
	gauge("presently_streams", "Streams that are open here.", func() float64 { return float64(s.hub.Len()) })
	gauge("presently_stream_pending", "Things that wait to be written, over all mailboxes.", func() float64 {
		sum, _ := pending(s.hub)
		return float64(sum)
	})
	gauge("presently_stream_pending_max", "Things that wait in the fullest mailbox.", func() float64 {
		_, most := pending(s.hub)
		return float64(most)
	})
	gauge("presently_watched_records", "Records of users that are kept in memory because somebody watches them, or did of late.", func() float64 { return float64(s.board.Len()) })
	gauge("presently_beacon_age_seconds", "For how long the lane that is most behind has told nothing.", func() float64 { return m.heard.age().Seconds() })
	gauge("presently_held_lanes", "Lanes in which nobody goes offline by silence, because the store was away or has lost something.", func() float64 { return float64(m.heard.held()) })
	gauge("presently_degraded", "1 while the store is not heard here, and streams show the last known state.", func() float64 {
		if now, _ := m.heard.degraded(); now {
			return 1
		}
		return 0
	})
	f.NewCounterFunc(prometheus.CounterOpts{
		Name: "presently_degraded_seconds_total", Help: "For how long, all together, the store was not heard here.",
	}, func() float64 {
		_, total := m.heard.degraded()
		return total.Seconds()
	})
	gauge("presently_heartbeat_interval_seconds", "What clients are asked to keep to.", func() float64 { return s.tracker.Policy.Heartbeat.Seconds() })
	gauge("presently_draining", "1 while this instance is about to stop.", func() float64 {
		if s.draining.Load() {
			return 1
		}
		return 0
	})
}

// watchLimits counts what limits refuse.
func (m *metrics) watchLimits(reg prometheus.Registerer, l *limits) {
	refused := map[*limit]prometheus.Counter{}
	for _, limit := range l.all() {
		refused[limit] = m.limited.WithLabelValues(limit.name)
		promauto.With(reg).NewGaugeFunc(prometheus.GaugeOpts{
			Name: "presently_rate_limit_buckets", Help: "Of how many users, sessions or rooms a limit knows.", ConstLabels: prometheus.Labels{"limit": limit.name},
		}, func() float64 { return float64(limit.len()) })
	}
	l.counts = func(limit *limit) { refused[limit].Inc() }
}

func pending(hub *sse.Hub) (sum, most int) {
	for _, s := range hub.Streams() {
		n := s.Pending()
		sum, most = sum+n, max(most, n)
	}
	return sum, most
}

// answered counts a request that is over.
func (m *metrics) answered(method, route string, x *exchange, took time.Duration) {
	if route == "" {
		method = "" // anybody may invent one
	}
	m.requests.WithLabelValues(method, route, statusLabel(x.status)).Inc()
	if !x.isStream() {
		m.took.WithLabelValues(method, route).Observe(took.Seconds())
	}
}

func statusLabel(status int) string {
	switch status { // without allocation
	case http.StatusOK:
		return "200"
	case http.StatusNoContent:
		return "204"
	}
	return strconv.Itoa(status)
}

// beat counts a heartbeat.
func (m *metrics) beat(state presence.Status, out presence.Beaten, err error) {
	if state == "" {
		state = presence.Online
	}
	result := beatChanged
	switch {
	case err != nil:
		result = beatFailed
		if _, limited := errors.AsType[*failure](err); limited || errors.Is(err, presence.ErrTooManySessions) {
			result = beatRefused
		}
	case out.Old:
		result = beatOld
	case out.Steady:
		result = beatSteady
	}
	m.beats[beatOutcome{result, state}].Inc()
	if out.Returned {
		m.flaps.Inc()
	}
}

// opens counts a stream that has begun.
func (m *metrics) opens(lastID string, resumed bool) {
	switch {
	case lastID == "":
		m.opened[openedNew].Inc()
	case resumed:
		m.opened[openedResumed].Inc()
	default:
		m.opened[openedAnew].Inc()
	}
}

// closes counts a stream that has ended, and returns why it did.
func (m *metrics) closes(s *sse.Stream, err error) (reason string) {
	reason = closedByClient
	switch {
	case err == nil:
		reason = finalReason(s.Final())
	case errors.Is(err, os.ErrDeadlineExceeded):
		reason = closedStuck
	}
	m.closed.WithLabelValues(reason).Inc()
	return reason
}

// finalReason is why we have ended a stream, as we told its reader.
func finalReason(final []sse.Event) string {
	for _, e := range final {
		var told api.ReconnectEvent
		var problem api.Problem
		switch {
		case e.Name == "reconnect" && json.Unmarshal(e.Data, &told) == nil:
			return string(told.Reason)
		case e.Name == "problem" && json.Unmarshal(e.Data, &problem) == nil && problem.Code != api.ProblemCodeSubscriptionGone:
			return string(problem.Code)
		case e.Name == "problem":
			return closedGone
		}
	}
	return closedByClient
}

// write observes a write to a stream.
func (m *metrics) write(waited, took time.Duration) {
	m.wrote.Observe(took.Seconds())
	if waited >= 0 {
		m.waited.Observe(waited.Seconds())
	}
}
