package handlers

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/presently/presently/api"
	"github.com/presently/presently/presence"
)

func TestATokenGrantsTheRoomsThatItsGlobsFit(t *testing.T) {
	for _, test := range []struct {
		globs string // space-separated
		yes   string // rooms, space-separated
		no    string
	}{
		{"lobby", "lobby", "Lobby lobby2 alobby lobb * l*"},
		{"team-*", "team- team-a team-a-b team-*", "team Team-a a-team-a tea"},
		{"*-team", "-team a-team team-team", "team -teams"},
		{"*", "a * lobby ünïcode 🙂", ""},
		{"***", "a lobby", ""},
		{"a*b", "ab axb abb a*b aab", "a b ba axbc xab"},
		{"a*a", "aa aba aaa", "a"},
		{"ab*ba", "abba abxba ababa", "aba ab ba"},
		{"*a*", "a ba ab bab", "b bb"},
		{"a*b*c", "abc axbxc abcbc abcc", "ac acb ab bc abcd"},
		{"*ab*ab*", "abab xabyabz ababab", "ab aba abba bab"},
		{"*aab", "aaab aab", "ab aaba"},
		{"team-? [ab] {a,b} a.c \\* .*", "team-? [ab] {a,b} a.c \\* \\anything .x", "team-a a b abc anything"},
		{"zürich-*", "zürich-ost", "zu\u0308rich-ost zürich"},
		{"🙂*🙃", "🙂🙃 🙂x🙃", "🙂 🙃"},
		{"lobby team-*", "lobby team-1", "hall"},
	} {
		id := Identity{Rooms: strings.Fields(test.globs)}
		for _, room := range strings.Fields(test.yes) {
			if !id.MayEnter(room) {
				t.Errorf("%q does not grant %q", test.globs, room)
			}
		}
		for _, room := range strings.Fields(test.no) {
			if id.MayEnter(room) {
				t.Errorf("%q grants %q", test.globs, room)
			}
		}
	}
}

func TestATokenWithoutGlobsGrantsAllRoomsAndAnEmptyListNone(t *testing.T) {
	if !(Identity{}).MayEnter("lobby") {
		t.Error("a token that says nothing of rooms does not grant one")
	}
	if (Identity{Rooms: []string{}}).MayEnter("lobby") {
		t.Error("a token that grants no room grants one")
	}
}

// The globs of a token are its issuer's, but the rooms are anybody's to name: no pair of them may keep a processor busy.
func TestManyStarsCostNoMoreThanTheyAreLong(t *testing.T) {
	name := strings.Repeat("a", 1<<20)
	for _, glob := range []string{
		strings.Repeat("a*", 1<<16) + "b", strings.Repeat("*a", 1<<16) + "*b", strings.Repeat("*", 1<<16) + "b", strings.Repeat("a*", 1<<16) + strings.Repeat("*aaab", 1<<10),
	} {
		began := time.Now()
		if fitsGlob(glob, name) {
			t.Errorf("%.20q… fits", glob)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("%.20q… took %s", glob, took)
		}
	}
}

func TestTheRefusalOfARoomSaysWhatToDo(t *testing.T) {
	f := errRoom("/room", "team-x")
	if f.code != api.ProblemCodeRoomNotGranted || !strings.Contains(f.detail, "team-x") || !strings.Contains(f.detail, "token") {
		t.Errorf("%+v", f)
	}
}

func FuzzGlobsFitAsTheirDefinitionSays(f *testing.F) {
	for _, pair := range [][2]string{
		{"team-*", "team-a"}, {"*", "a"}, {"a*b*c", "abcbc"}, {"*aab", "aaab"}, {"a*a", "a"}, {"[a]", "[a]"}, {"🙂*", "🙂x"}, {"**", "x"}, {"a", "a"}, {".", "a"},
	} {
		f.Add(pair[0], pair[1])
	}
	f.Fuzz(func(t *testing.T, glob, room string) {
		if !presence.ValidUser(glob) || !presence.ValidUser(room) {
			return // neither is a name that reaches it
		}
		want := regexp.MustCompile(`(?s)\A` + strings.ReplaceAll(regexp.QuoteMeta(glob), `\*`, ".*") + `\z`).MatchString(room)
		if got := fitsGlob(glob, room); got != want {
			t.Errorf("%q fits %q: %t, want %t", glob, room, got, want)
		}
	})
}
