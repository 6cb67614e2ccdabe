package chaos

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/presently/presently/api"
)

// Connected is how many watchers have an open stream with its snapshot.
func (p *Play) Connected() int {
	n := 0
	for _, w := range p.watchers {
		w.mu.Lock()
		if w.live {
			n++
		}
		w.mu.Unlock()
	}
	return n
}

// Settle waits until all watchers agree with REST at all of the instances, and returns how long that took, and what differed last. What
// differs to the end is noted.
func (p *Play) Settle(limit time.Duration, instances ...string) (took time.Duration, last []Disagreement) {
	began := time.Now()
	for {
		took = time.Since(began)
		differences := p.compare(instances)
		if len(differences) == 0 {
			return took, last
		}
		last = differences
		if took > limit {
			p.write(func(h *History) { h.Disagreements = append(h.Disagreements, differences...) })
			return took, last
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// compare asks as each watcher at each instance.
func (p *Play) compare(instances []string) (all []Disagreement) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for _, w := range p.watchers {
		for _, instance := range instances {
			all = append(all, w.compare(ctx, instance)...)
		}
	}
	return all
}

func (w *watcher) compare(ctx context.Context, instance string) (all []Disagreement) {
	differ := func(of, seen, asked string) { all = append(all, Disagreement{w.name, of, seen, asked}) }
	w.mu.Lock()
	live, people, rooms := w.live, maps.Clone(w.people), map[string]string{}
	for room, c := range w.rooms {
		rooms[room] = strings.Join(slices.Sorted(maps.Keys(c.members)), " ")
	}
	w.mu.Unlock()
	if !live {
		differ("its stream", "not open", instance)
		return all
	}
	body, err := json.Marshal(map[string]any{"users": w.watch.Users})
	if err != nil {
		panic(err)
	}
	var list api.PresenceList
	if err := w.get(ctx, http.MethodPost, instance+"/v1/presence/query", string(body), &list); err != nil {
		differ("people", "", err.Error())
		return all
	}
	for _, asked := range list.Presences {
		if got := people[asked.UserID].look; got != look(asked) {
			differ(asked.UserID, got, look(asked))
		}
	}
	for _, room := range w.watch.Rooms {
		var page api.RoomMembers
		if err := w.get(ctx, http.MethodGet, instance+"/v1/rooms/"+url.PathEscape(room)+"/presence?limit=500", "", &page); err != nil {
			differ(room, "", err.Error())
			continue
		}
		var members []string
		for _, m := range page.Members {
			members = append(members, m.UserID)
		}
		slices.Sort(members)
		if got := strings.Join(members, " "); got != rooms[room] || page.Count != int64(len(members)) {
			differ(room, rooms[room], fmt.Sprintf("%s (%d)", got, page.Count))
		}
	}
	return all
}

// get asks an instance itself, past the balancer.
func (w *watcher) get(ctx context.Context, method, at, body string, into any) error {
	r, err := http.NewRequestWithContext(ctx, method, at, strings.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+w.token)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	response, err := w.play.client.Do(r)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %d", method, at, response.StatusCode)
	}
	return json.NewDecoder(response.Body).Decode(into)
}
