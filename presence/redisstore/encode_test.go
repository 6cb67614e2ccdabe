package redisstore

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/presently/presently/presence"
)

// What encode and amend.lua write, a change and a record read back, whatever people write.
func TestAmendedFactsAreReadAsTheyWereWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOfN(rapid.SampledFrom([]rune("a|=%v7C:\\\"\n\x00☕")), 0, 12, -1)
		flag := rapid.Bool()
		when := rapid.Custom(func(t *rapid.T) time.Time { return millis(rapid.Int64Range(0, 4e12).Draw(t, "ms")) })
		number := rapid.Custom(func(t *rapid.T) presence.Version {
			return rapid.SampledFrom([]presence.Version{0, 1795340465000001, versionToCome}).Draw(t, "version")
		})
		hiding := rapid.Custom(func(t *rapid.T) presence.Hiding {
			return presence.Hiding{
				On: flag.Draw(t, "on"), At: when.Draw(t, "at"), Seen: when.Draw(t, "seen"), Shown: number.Draw(t, "shown"), Version: number.Draw(t, "v"),
				Profile: presence.Profile{Name: text.Draw(t, "name"), Avatar: text.Draw(t, "avatar")},
			}
		})
		audience := func() presence.Audience {
			return rapid.SampledFrom([]presence.Audience{presence.Everyone, presence.Contacts, presence.Nobody}).Draw(t, "audience")
		}
		v := number.Draw(t, "version")
		facts := []presence.Fact{
			presence.Chosen{Status: presence.DND, Until: when.Draw(t, "until"), Input: when.Draw(t, "input"), Version: v},
			presence.Custom{Text: text.Draw(t, "text"), Emoji: text.Draw(t, "emoji"), Until: when.Draw(t, "until"), Version: v},
			presence.Activity{
				Session: "session-1", Type: "viewing", Target: text.Draw(t, "target"), Label: text.Draw(t, "label"),
				Since: when.Draw(t, "since"), Until: when.Draw(t, "until"), Version: v,
			},
			presence.Membership{Session: "session-1", Version: v, Stays: rapid.SliceOf(rapid.Custom(func(t *rapid.T) presence.Stay {
				return presence.Stay{Room: text.Draw(t, "room"), Since: number.Draw(t, "since")}
			})).Draw(t, "stays")},
			presence.Mark{
				Room: text.Draw(t, "room"), Thread: text.Draw(t, "thread"), Session: "session-1", Member: flag.Draw(t, "member"),
				Until: when.Draw(t, "until"), Version: v,
			},
			presence.Privacy{Online: audience(), LastSeen: audience(), Activity: audience(), Typing: audience(), Version: v},
			presence.Invisibility{On: flag.Draw(t, "invisible"), Version: v},
			presence.HidingFrom{Class: presence.Other, Hiding: hiding.Draw(t, "other")},
			presence.HidingFrom{Class: presence.Contact, Hiding: hiding.Draw(t, "contact")},
			presence.Relation{
				Viewer: text.Draw(t, "viewer"), Contact: flag.Draw(t, "contact"), Blocked: flag.Draw(t, "blocked"),
				Since: when.Draw(t, "since"), Hiding: hiding.Draw(t, "own"), Version: v,
			},
		}
		const given = "1795340465000009" // as amend.lua puts it in
		message := "1\nc\n7\n8\n" + given + "\nchoice\nada"
		for _, f := range facts {
			fields, err := encode(f)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range fields {
				message += "\n" + f.name + "=" + strings.ReplaceAll(f.value, versionMark, given)
			}
		}
		m, ok := parseMessage(3, message+"\nx:later=1|2\nlater=3")
		got := fmt.Sprintf("%+v", m.change.Facts)
		want := strings.ReplaceAll(fmt.Sprintf("%+v", facts), fmt.Sprint(int64(versionToCome)), given)
		if !ok || m.change.User != "ada" || got != want {
			t.Fatalf("read %s\nwant %s\nfrom %q", got, want, message)
		}
	})
}

func TestListsKeepTheirTexts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.SliceOf(rapid.StringOfN(rapid.SampledFrom([]rune("a|=%\n☕")), 0, 4, -1)).Draw(t, "list")
		if got := unpackList(packList(list)); fmt.Sprintf("%q", got) != fmt.Sprintf("%q", list) {
			t.Fatalf("%q became %q", list, got)
		}
	})
}

func TestWhatNoAmendmentMakesIsRefused(t *testing.T) {
	for _, f := range []presence.Fact{presence.Session{ID: "session-1"}, presence.SessionEnded("session-1"), presence.Seen{}, presence.Profile{}} {
		if fields, err := encode(f); err == nil {
			t.Errorf("%T became %v", f, fields)
		}
	}
}
