package redistest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	slots = 16384

	// nodeTimeout is when the others call a silent node dead: far under the
	// default of 15 s, so that a test of failover is short, and over what a
	// loaded two-core machine stalls a process for.
	nodeTimeout = 2 * time.Second

	// groupLimit covers a cluster's fixed 2 s before a new master is writable
	// and the sentinels' greeting every 2 s, several times over.
	groupLimit = 60 * time.Second
)

// Cluster is a Redis Cluster of separate processes.
type Cluster struct {
	Nodes []*Server // the first masters first, then the first replicas
	bus   []int     // their cluster bus ports
	t     testing.TB
}

// StartCluster makes a cluster of masters with the slots divided evenly and
// replicasEach replicas behind each, and returns when every node calls it
// well. Extra arguments go to every node. It ends with t.
func StartCluster(t testing.TB, masters, replicasEach int, args ...string) *Cluster {
	t.Helper()
	if masters < 1 || replicasEach < 0 {
		t.Fatalf("redistest: a cluster of %d masters with %d replicas each", masters, replicasEach)
	}
	c := &Cluster{t: t}
	for range masters * (1 + replicasEach) {
		bus := reservePort(t)
		c.bus = append(c.bus, bus)
		c.Nodes = append(c.Nodes, launch(t, clusterConf(bus), args...))
	}
	for _, n := range c.Nodes {
		n.awaitReady()
	}
	ctx, cancel := context.WithTimeout(context.Background(), groupLimit)
	defer cancel()
	if err := c.form(ctx, masters); err != nil {
		t.Fatalf("redistest: form a cluster: %v", err)
	}
	return c
}

func clusterConf(busPort int) string {
	return fmt.Sprintf(`cluster-enabled yes
cluster-config-file nodes.conf
cluster-node-timeout %d
cluster-port %d
`, nodeTimeout.Milliseconds(), busPort)
}

// form is what redis-cli --cluster create does.
func (c *Cluster) form(ctx context.Context, masters int) error {
	for i, n := range c.Nodes[:masters] {
		first, last := i*slots/masters, (i+1)*slots/masters-1
		if _, err := n.do(ctx, "CLUSTER", "ADDSLOTSRANGE", first, last); err != nil {
			return err
		}
	}
	for i, n := range c.Nodes {
		// Distinct epochs from the start spare the nodes a vote on them.
		if _, err := n.do(ctx, "CLUSTER", "SET-CONFIG-EPOCH", i+1); err != nil {
			return err
		}
		for j, other := range c.Nodes[:i] {
			if _, err := n.do(ctx, "CLUSTER", "MEET", "127.0.0.1", other.port, c.bus[j]); err != nil {
				return err
			}
		}
	}
	if err := c.each(ctx, c.acquainted); err != nil {
		return err
	}
	for i, n := range c.Nodes[masters:] {
		id, err := c.Nodes[i%masters].do(ctx, "CLUSTER", "MYID")
		if err != nil {
			return err
		}
		if _, err := n.do(ctx, "CLUSTER", "REPLICATE", id); err != nil {
			return err
		}
	}
	return c.each(ctx, func(ctx context.Context, n *Server) error { return c.settled(ctx, n, masters) })
}

// each waits for every node in turn; all of them move while it waits for one.
func (c *Cluster) each(ctx context.Context, f func(context.Context, *Server) error) error {
	for _, n := range c.Nodes {
		if err := poll(ctx, func() error { return f(ctx, n) }); err != nil {
			return fmt.Errorf("node %s: %w", n.Addr(), err)
		}
	}
	return nil
}

// acquainted: the node has shaken hands with all others.
func (c *Cluster) acquainted(ctx context.Context, n *Server) error {
	nodes, err := n.do(ctx, "CLUSTER", "NODES")
	if err != nil {
		return err
	}
	if got := strings.Count(nodes, " connected"); got != len(c.Nodes) || strings.Contains(nodes, "handshake") {
		return fmt.Errorf("knows %d of %d nodes:\n%s", got, len(c.Nodes), nodes)
	}
	return nil
}

// settled: the node serves, sees every replica as one, and has its data where
// it is one itself.
func (c *Cluster) settled(ctx context.Context, n *Server, masters int) error {
	nodes, err := n.do(ctx, "CLUSTER", "NODES")
	if err != nil {
		return err
	}
	if got, want := strings.Count(nodes, "slave "), len(c.Nodes)-masters; got != want {
		return fmt.Errorf("sees %d of %d replicas", got, want)
	}
	info, err := n.info(ctx, "CLUSTER", "INFO")
	if err != nil {
		return err
	}
	if info["cluster_state"] != "ok" || info["cluster_size"] != strconv.Itoa(masters) {
		return fmt.Errorf("state %s, size %s of %d", info["cluster_state"], info["cluster_size"], masters)
	}
	return n.linked(ctx)
}

// linked: a replica is in step with its master. True of masters.
func (s *Server) linked(ctx context.Context) error {
	info, err := s.info(ctx, "INFO", "replication")
	if err != nil {
		return err
	}
	if info["role"] == "slave" && info["master_link_status"] != "up" {
		return fmt.Errorf("link to master is %s", info["master_link_status"])
	}
	return nil
}

// Addrs are the addresses of all nodes.
func (c *Cluster) Addrs() []string {
	var addrs []string
	for _, n := range c.Nodes {
		addrs = append(addrs, n.Addr())
	}
	return addrs
}

// URL is what PRESENTLY_REDIS_URL would be: redis://h1:p1,h2:p2,h3:p3.
func (c *Cluster) URL() string { return "redis://" + strings.Join(c.Addrs(), ",") }

// Client returns a client of the whole cluster, closed when t ends.
func (c *Cluster) Client(t testing.TB) *redis.ClusterClient {
	t.Helper()
	client := redis.NewClusterClient(&redis.ClusterOptions{
		Addrs:                      c.Addrs(),
		ContextTimeoutEnabled:      true,
		DisableIdentity:            true,
		MaintNotificationsConfig:   quiet,
		ClusterStateReloadInterval: time.Second, // with the default no client recovers from a failover in a test's time
		DialerRetries:              1,
	})
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// MasterOf returns the node that serves key. Until the nodes notice that it
// has died they still name the old one; while they elect another there is
// none, and MasterOf waits.
func (c *Cluster) MasterOf(ctx context.Context, key string) *Server {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	var master *Server
	err := poll(ctx, func() (err error) {
		asked := slices.IndexFunc(c.Nodes, func(n *Server) bool { return !n.proc.ended() })
		if asked < 0 {
			return stopPolling{errors.New("no node runs")}
		}
		master, err = c.masterOf(ctx, c.Nodes[asked], key)
		return err
	})
	if err != nil {
		c.t.Fatalf("redistest: master of %q: %v", key, err)
	}
	return master
}

func (c *Cluster) masterOf(ctx context.Context, asked *Server, key string) (*Server, error) {
	client := asked.client()
	defer client.Close()
	slot, err := client.ClusterKeySlot(ctx, key).Result()
	if err != nil {
		return nil, err
	}
	shards, err := client.ClusterShards(ctx).Result()
	if err != nil {
		return nil, err
	}
	for _, shard := range shards {
		if addr, ok := masterAddr(shard, slot); ok {
			return at(c.Nodes, addr)
		}
	}
	return nil, fmt.Errorf("%s knows nobody for slot %d", asked.Addr(), slot)
}

// masterAddr is the address of the shard's master where the shard has slot.
func masterAddr(shard redis.ClusterShard, slot int64) (string, bool) {
	if !slices.ContainsFunc(shard.Slots, func(r redis.SlotRange) bool { return r.Start <= slot && slot <= r.End }) {
		return "", false
	}
	// A master that failed is listed as one until it comes back.
	i := slices.IndexFunc(shard.Nodes, func(n redis.Node) bool { return n.Role == "master" && n.Health == "online" })
	if i < 0 {
		return "", false
	}
	return net.JoinHostPort(shard.Nodes[i].IP, strconv.FormatInt(shard.Nodes[i].Port, 10)), true
}

func at(servers []*Server, addr string) (*Server, error) {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	for _, s := range servers {
		if strconv.Itoa(s.port) == port {
			return s, nil
		}
	}
	return nil, fmt.Errorf("%s is none of ours", addr)
}
