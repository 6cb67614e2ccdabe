package redistest

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9/maintnotifications"
)

// quiet keeps go-redis from asking the server for maintenance notifications.
var quiet = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}

// Stat is what Redis has counted for one command since it started or since
// CONFIG RESETSTAT.
type Stat struct {
	Calls int64
	Usec  int64 // CPU time in microseconds, without reading and writing the socket
}

// CommandStats returns INFO commandstats by lower-case command name, such as
// "zadd" or "client|setinfo". Commands inside scripts count too.
func (s *Server) CommandStats(ctx context.Context) map[string]Stat {
	s.t.Helper()
	stats := make(map[string]Stat)
	for name, value := range s.Info(ctx, "commandstats") {
		command, ok := strings.CutPrefix(name, "cmdstat_")
		if !ok {
			continue
		}
		stat, err := parseStat(value)
		if err != nil {
			s.t.Fatalf("redistest: INFO commandstats: %s: %v", name, err)
		}
		stats[command] = stat
	}
	return stats
}

// parseStat reads "calls=3,usec=12,usec_per_call=4.00,rejected_calls=0,…".
func parseStat(value string) (stat Stat, err error) {
	for pair := range strings.SplitSeq(value, ",") {
		name, number, _ := strings.Cut(pair, "=")
		switch name {
		case "calls":
			stat.Calls, err = strconv.ParseInt(number, 10, 64)
		case "usec":
			stat.Usec, err = strconv.ParseInt(number, 10, 64)
		}
		if err != nil {
			return Stat{}, err
		}
	}
	return stat, nil
}

// CPU returns the CPU time, user and system, that the server has used since
// it started.
func (s *Server) CPU(ctx context.Context) time.Duration {
	s.t.Helper()
	info := s.Info(ctx, "cpu")
	return s.seconds(info, "used_cpu_user") + s.seconds(info, "used_cpu_sys")
}

func (s *Server) seconds(info map[string]string, name string) time.Duration {
	s.t.Helper()
	f, err := strconv.ParseFloat(info[name], 64)
	if err != nil {
		s.t.Fatalf("redistest: INFO cpu: %s: %v", name, err)
	}
	return time.Duration(f * float64(time.Second))
}

// Info returns one section of INFO as a map.
func (s *Server) Info(ctx context.Context, section string) map[string]string {
	s.t.Helper()
	info, err := s.info(ctx, "INFO", section)
	if err != nil {
		s.t.Fatalf("redistest: %v", err)
	}
	return info
}

func (s *Server) info(ctx context.Context, command ...any) (map[string]string, error) {
	text, err := s.do(ctx, command...)
	if err != nil {
		return nil, err
	}
	info := make(map[string]string)
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			info[name] = value
		}
	}
	if len(info) == 0 {
		return nil, fmt.Errorf("%v at %s: empty answer", command, s.Addr())
	}
	return info, nil
}
