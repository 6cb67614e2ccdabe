package main

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// toldOf is what a picture says of events, written as "name data".
func toldOf(t testing.TB, p *picture, events ...string) (lines []string) {
	t.Helper()
	for _, e := range events {
		name, data, _ := strings.Cut(e, " ")
		changes, err := p.hear(event{name: name, data: data})
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, changes...)
	}
	return lines
}

func wantTold(t testing.TB, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("told %q\nwant %q", got, want)
	}
}

func TestPictureTellsWhatHasChanged(t *testing.T) {
	p := newPicture([]string{"ada"}, nil)
	wantTold(t, toldOf(t, p, "hello {}", `snapshot {"part":1,"parts":1,"scope":"all","presences":[{"userId":"ada","status":"offline","lastSeen":"hours","rev":5}],"rooms":{},"typing":{}}`),
		"ada  offline last seen: hours")
	wantTold(t, toldOf(t, p,
		`presence {"presences":[{"userId":"ada","status":"online","rev":6,"profile":{"name":"Ada"},"devices":{"web":"online","phone":"away"}}]}`,
		`presence {"presences":[{"userId":"ada","status":"busy","rev":6}]}`,                                                                      // not newer
		`presence {"presences":[{"userId":"ada","status":"online","rev":7,"profile":{"name":"Ada"},"devices":{"web":"online","phone":"away"}}]}`, // nothing new
		`presence {"presences":[{"userId":"ada","status":"dnd","rev":8,"profile":{"name":"Ada"},"custom":{"text":"Standup","emoji":"☕"},"activity":{"type":"viewing","target":"/docs/7"}}]}`,
		"ping {}", "later {}"),
		"Ada (ada)  online (phone away, web online)", "Ada (ada)  dnd ☕ “Standup” · viewing /docs/7")
	wantTold(t, toldOf(t, p, "degraded {}", "recovered {}"), "the server has lost its store: this is how things were", "the server has its store again")
	if _, err := p.hear(event{name: "presence", data: "[]"}); err == nil {
		t.Error("nonsense is taken")
	}
}

func TestPictureFollowsRooms(t *testing.T) {
	p := newPicture(nil, []string{"lobby"})
	soon := time.Now().Add(time.Minute).UTC().Format(time.RFC3339)
	wantTold(t, toldOf(t, p, `snapshot {"scope":"all","presences":[],"rooms":{"lobby":{"members":[{"userId":"ada","status":"online","rev":1}],"count":1,"rev":1}},"typing":{"lobby":[]}}`),
		"lobby  + ada, online (1 here)")
	wantTold(t, toldOf(t, p,
		`room {"room":"lobby","joined":[{"userId":"ben","status":"away","rev":2}],"count":2,"rev":2}`,
		`typing {"room":"lobby","threadId":"t1","typing":[{"userId":"ben","expiresAt":"`+soon+`"}]}`,
		`typing {"room":"lobby","typing":[{"userId":"ada","expiresAt":"`+soon+`"}]}`,
		`typing {"room":"lobby","typing":[{"userId":"ada","expiresAt":"`+soon+`"}]}`,
		`typing {"room":"lobby","threadId":"t1","typing":[]}`,
		`typing {"room":"lobby","typing":[]}`,
		`room {"room":"lobby","left":["ada"],"count":1,"rev":3}`,
		`room {"room":"lobby","left":["ben"],"count":0,"rev":2}`, // older
		`room {"room":"other","left":["ben"],"count":0,"rev":4}`,
		`room {"room":"lobby","members":[{"userId":"cyd","status":"online","rev":4}],"count":1,"rev":4}`,
		`room {"room":"lobby","count":501,"rev":5}`),
		"lobby  + ben, away (2 here)", "lobby  typing: ben (t1)", "lobby  typing: ada, ben (t1)", "lobby  typing: ada", "lobby  typing: nobody", "lobby  - ada (1 here)",
		"lobby  - ben (1 here)", "lobby  + cyd, online (1 here)", "lobby  501 here")
	if room := p.rooms["lobby"]; !room.crowded || len(room.members) != 0 {
		t.Errorf("of a crowded room %d members are shown", len(room.members))
	}
}

func TestTypingEndsByTheClock(t *testing.T) {
	p := newPicture(nil, []string{"lobby"})
	toldOf(t, p, `typing {"room":"lobby","typing":[{"userId":"ada","expiresAt":"2026-01-01T00:00:00.000Z"}]}`)
	if who := p.typistsOf(p.rooms["lobby"], time.Now()); len(who) != 0 {
		t.Errorf("%q type", who)
	}
}

func TestTableFitsTheScreen(t *testing.T) {
	p := newPicture([]string{"ada", "zoe"}, []string{"lobby"})
	null, err := os.Open(os.DevNull) // has no size
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	w := &watcher{screen: null, at: "http://x", picture: p, state: "live"}
	toldOf(t, p, `presence {"presences":[{"userId":"zoe","status":"away","rev":1,"lastActiveAt":"2020-01-01T12:00:00.000Z"},{"userId":"ada","status":"online","rev":1,"profile":{"name":"\u001b[2JAda"}}]}`,
		`snapshot {"presences":[],"rooms":{"lobby":{"count":2,"rev":1,"members":[{"userId":"ben","status":"online","rev":1},{"userId":"ada","status":"online","rev":1}]}},"typing":{}}`)
	table := w.table("12:00:00")
	for _, want := range []string{"http://x   12:00:00   live\n", "● \ufffd[2JAda (ada)  online", "◐ zoe ", "away    since 2020-01-01", "● ben ", "lobby: 2 here: \ufffd[2JAda (ada), ben\n"} {
		if !strings.Contains(table, want) {
			t.Errorf("the table does not have %q:\n%s", want, table)
		}
	}
	if strings.Index(table, "(ada)") > strings.Index(table, "zoe") || strings.Index(table, "zoe") > strings.Index(table, "ben") {
		t.Errorf("the order is not that in which they were asked for:\n%s", table)
	}
	for i := range 100 {
		p.asked = append(p.asked, strings.Repeat("u", i+1))
	}
	if n := strings.Count(string(w.frame("12:00:00")), "\n"); n > 24 {
		t.Errorf("%d lines are written to a screen of 24", n)
	}
}
