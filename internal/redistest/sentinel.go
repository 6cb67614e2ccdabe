package redistest

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	masterName = "mymaster"
	sentinels  = 3 // the least that survives the loss of one

	downAfter       = time.Second     // when a sentinel calls a silent master down
	failoverTimeout = 5 * time.Second // a try that went wrong is repeated after twice this
)

// Sentinel is one master with replicas, watched by three sentinels.
type Sentinel struct {
	Servers   []*Server // the first master first, then the first replicas
	Sentinels []*Server
	t         testing.TB
}

// StartSentinel makes a master, its replicas and three sentinels that agree
// on a dead master when quorum of them (2 where not given) miss it for a
// second. It returns when all know each other. It ends with t.
func StartSentinel(t testing.TB, replicas int, quorum ...int) *Sentinel {
	t.Helper()
	need := 2
	if len(quorum) > 0 {
		need = quorum[0]
	}
	g := &Sentinel{t: t}
	ctx, cancel := context.WithTimeout(context.Background(), groupLimit)
	defer cancel()
	// A sentinel finds replicas in its first look at the master, and looks
	// again only after 10 s: so they are there before the sentinels are.
	if err := g.startServers(ctx, replicas); err != nil {
		t.Fatalf("redistest: replicas: %v", err)
	}
	for range sentinels {
		g.Sentinels = append(g.Sentinels, g.launchSentinel(g.Servers[0], need))
	}
	for _, s := range g.Sentinels {
		s.awaitReady()
	}
	for _, s := range g.Sentinels {
		if err := poll(ctx, func() error { return g.watching(ctx, s) }); err != nil {
			t.Fatalf("redistest: sentinel %s: %v\n%s", s.Addr(), err, s.tail())
		}
	}
	return g
}

func (g *Sentinel) startServers(ctx context.Context, replicas int) error {
	master := launch(g.t, "")
	g.Servers = append(g.Servers, master)
	for range replicas {
		conf := fmt.Sprintf("replicaof 127.0.0.1 %d\n", master.port)
		g.Servers = append(g.Servers, launch(g.t, conf))
	}
	for _, s := range g.Servers {
		s.awaitReady()
		if err := poll(ctx, func() error { return s.linked(ctx) }); err != nil {
			return err
		}
	}
	return nil
}

func (g *Sentinel) launchSentinel(master *Server, quorum int) *Server {
	g.t.Helper()
	s := &Server{t: g.t, name: "sentinel", dir: g.t.TempDir(), port: reservePort(g.t), args: []string{"--sentinel"}}
	s.conf = fmt.Sprintf(`port %d
bind 127.0.0.1
dir %q
sentinel monitor %[3]s 127.0.0.1 %[4]d %[5]d
sentinel down-after-milliseconds %[3]s %[6]d
sentinel failover-timeout %[3]s %[7]d
sentinel parallel-syncs %[3]s 1
`, s.port, s.dir, masterName, master.port, quorum, downAfter.Milliseconds(), failoverTimeout.Milliseconds())
	s.spawn()
	g.t.Cleanup(s.cleanup)
	return s
}

// watching: the sentinel sees a healthy master, its replicas and its peers.
func (g *Sentinel) watching(ctx context.Context, s *Server) error {
	client := sentinelClient(s)
	defer client.Close()
	m, err := client.Master(ctx, masterName).Result()
	if err != nil {
		return err
	}
	flags, replicas, others := m["flags"], m["num-slaves"], m["num-other-sentinels"]
	if flags != "master" || replicas != strconv.Itoa(len(g.Servers)-1) || others != strconv.Itoa(sentinels-1) {
		return fmt.Errorf("sees a master that is %q with %s replicas, and %s other sentinels", flags, replicas, others)
	}
	return nil
}

func sentinelClient(s *Server) *redis.SentinelClient {
	return redis.NewSentinelClient(&redis.Options{
		Addr:                     s.Addr(),
		ContextTimeoutEnabled:    true,
		DisableIdentity:          true,
		MaintNotificationsConfig: quiet,
	})
}

// Addrs are the addresses of the sentinels.
func (g *Sentinel) Addrs() []string {
	var addrs []string
	for _, s := range g.Sentinels {
		addrs = append(addrs, s.Addr())
	}
	return addrs
}

// URL is what PRESENTLY_REDIS_URL would be:
// redis+sentinel://127.0.0.1:p1,127.0.0.1:p2,127.0.0.1:p3/mymaster.
func (g *Sentinel) URL() string {
	return "redis+sentinel://" + strings.Join(g.Addrs(), ",") + "/" + masterName
}

// Client returns a client that follows the master, closed when t ends.
func (g *Sentinel) Client(t testing.TB) *redis.Client {
	t.Helper()
	client := redis.NewFailoverClient(&redis.FailoverOptions{
		MasterName:            masterName,
		SentinelAddrs:         g.Addrs(),
		ContextTimeoutEnabled: true,
		DisableIdentity:       true,
	})
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// Master returns the server that the first sentinel to answer holds to be the
// master now. It changes once a failover is done.
func (g *Sentinel) Master() *Server {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	var err error
	for _, s := range g.Sentinels {
		if s.proc.ended() {
			continue
		}
		var master *Server
		if master, err = g.masterBy(ctx, s); err == nil {
			return master
		}
	}
	g.t.Fatalf("redistest: no sentinel names a master: %v", err)
	return nil
}

func (g *Sentinel) masterBy(ctx context.Context, s *Server) (*Server, error) {
	client := sentinelClient(s)
	defer client.Close()
	addr, err := client.GetMasterAddrByName(ctx, masterName).Result()
	if err != nil {
		return nil, err
	}
	return at(g.Servers, net.JoinHostPort(addr[0], addr[1]))
}
