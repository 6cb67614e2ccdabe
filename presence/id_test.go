package presence_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/presently/presently/presence"
)

func TestValidUserTakesWhatCanBePrinted(t *testing.T) {
	for _, c := range []struct {
		id   string
		want bool
	}{
		{"", false},
		{".", false},
		{"..", false},
		{"...", true},
		{".a", true},
		{"ada", true},
		{"ada lovelace", true}, // the one space that IsPrint knows
		{" ", true},
		{"user@example.org/7?x=1#y", true},
		{`{a}:*[b]"\|%00`, true},
		{"ä", true},
		{"a\u0308", true}, // the same letter in two code points is another user
		{"日本語", true},
		{"☕", true},
		{"👩\u200d💻", false}, // a joiner cannot be seen
		{"\u00a0", false},
		{"\u2028", false},
		{"\u202e", false}, // turns the text around it
		{"\ufeff", false},
		{"\ufffd", true}, // a replacement character that was really sent
		{"\u00ad", false},
		{"\ue000", false}, // private use
		{"a\x00", false},
		{"a\n", false},
		{"a\r", false},
		{"a\t", false},
		{"\x7f", false},
		{"\u0085", false},
		{"\xff", false},
		{"a\xc3", false},
		{"\xed\xa0\x80", false}, // half of a surrogate pair
		{"\xc0\xaf", false},     // a slash in more bytes than it needs
		{strings.Repeat("a", 128), true},
		{strings.Repeat("a", 129), false},
		{strings.Repeat("☕", 128), true},
		{strings.Repeat("☕", 129), false},
	} {
		if got := presence.ValidUser(c.id); got != c.want {
			t.Errorf("ValidUser(%+q) = %t, want %t", c.id, got, c.want)
		}
	}
}

func TestValidSessionTakesEightToSixtyFourWordCharacters(t *testing.T) {
	for _, c := range []struct {
		id   string
		want bool
	}{
		{"", false},
		{"1234567", false},
		{"12345678", true},
		{"AZaz09_-", true},
		{strings.Repeat("x", 64), true},
		{strings.Repeat("x", 65), false},
		{"1234567.", false},
		{"1234567 ", false},
		{"1234567:", false},
		{"1234567\n", false},
		{"12345678\n", false},
		{"1234567\x00", false},
		{"1234567ä", false},
		{"ääää", false},
	} {
		if got := presence.ValidSession(c.id); got != c.want {
			t.Errorf("ValidSession(%+q) = %t, want %t", c.id, got, c.want)
		}
	}
}

func TestValidDeviceTakesOneToThirtyTwoWordCharacters(t *testing.T) {
	for _, c := range []struct {
		name string
		want bool
	}{
		{"", false},
		{"w", true},
		{"web", true},
		{"Pixel_9-a", true},
		{strings.Repeat("x", 32), true},
		{strings.Repeat("x", 33), false},
		{"my phone", false},
		{"a=b", false},
		{"@", false},
		{"[", false},
		{"`", false},
		{"{", false},
		{"/", false},
		{"web\n", false},
		{"é", false},
	} {
		if got := presence.ValidDevice(c.name); got != c.want {
			t.Errorf("ValidDevice(%+q) = %t, want %t", c.name, got, c.want)
		}
	}
}

func FuzzValidUser(f *testing.F) {
	for _, id := range []string{"", ".", "..", "ada", "☕", "a\x00", "\xff", "\u202e", strings.Repeat("ä", 128), strings.Repeat("ä", 129)} {
		f.Add(id)
	}
	f.Fuzz(func(t *testing.T, id string) {
		valid := presence.ValidUser(id)
		switch n := utf8.RuneCountInString(id); {
		case !valid && utf8.ValidString(id) && n >= 1 && n <= 128 && id != "." && id != ".." && !strings.ContainsFunc(id, unprintable):
			t.Fatalf("%+q is refused, though nothing is wrong with it", id)
		case !valid:
		case !utf8.ValidString(id):
			t.Fatalf("%+q is valid, though it is not UTF-8", id)
		case n < 1 || n > 128:
			t.Fatalf("%+q is valid with %d code points, want 1 to 128", id, n)
		case id == "." || id == "..":
			t.Fatalf("%+q is valid, though clients rewrite it in a path", id)
		case strings.ContainsFunc(id, unprintable), strings.ContainsFunc(id, unicode.IsControl):
			t.Fatalf("%+q is valid, though not all of it can be printed", id)
		}
	})
}

func unprintable(r rune) bool { return !unicode.IsPrint(r) }
