package handlers

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/presently/presently/api"
	"github.com/presently/presently/presence"
)

// memberNames are the names in a list of presences.
func memberNames(list []api.Presence) []string {
	names := []string{}
	for _, p := range list {
		names = append(names, p.UserID)
	}
	slices.Sort(names)
	return names
}

// enter beats a session into rooms.
func (w *world) enter(user, session string, rooms ...string) {
	w.Helper()
	list, _ := json.Marshal(rooms)
	w.beat(user, session, `,"rooms":`+string(list))
}

func (s *watching) room() api.RoomEvent {
	s.Helper()
	return decodeEvent[api.RoomEvent](s, s.next("room"))
}

func (s *watching) typing() api.TypingEvent {
	s.Helper()
	return decodeEvent[api.TypingEvent](s, s.next("typing"))
}

// wantRoom reads a room event that amends.
func (s *watching) wantRoom(joined, left string, count int64) api.RoomEvent {
	s.Helper()
	e := s.room()
	if got := strings.Join(memberNames(e.Joined), " "); got != joined {
		s.Fatalf("joined %q, want %q: %+v", got, joined, e)
	}
	if got := strings.Join(e.Left, " "); got != left {
		s.Fatalf("left %q, want %q: %+v", got, left, e)
	}
	if e.Count != count {
		s.Fatalf("count %d, want %d", e.Count, count)
	}
	return e
}

func (w *world) typeIn(user, session, room, more string) {
	w.Helper()
	r := w.ask(user, "PUT", "/v1/rooms/"+room+"/typing", `{"sessionId":"`+session+`"`+more+`}`)
	if r.status != http.StatusNoContent {
		w.Fatalf("typing: %d %s", r.status, r.body)
	}
}

func TestARoomsStreamTellsWhoComesAndGoes(t *testing.T) {
	inWorld(t, func(w *world) {
		w.enter("ada", "ada-laptop", "lobby")
		s := w.watch("cat", "room=lobby")
		_, snap, _ := s.started()
		lobby := snap.Rooms["lobby"]
		if got := memberNames(lobby.Members); fmt.Sprint(got) != "[ada]" || lobby.Count != 1 || len(snap.Presences) != 0 {
			t.Fatalf("snapshot %+v", snap)
		}
		w.enter("ben", "ben-laptop", "lobby")
		e := s.wantRoom("ben", "", 2)
		if e.Rev <= lobby.Rev || e.Joined[0].Status != api.StatusOnline {
			t.Errorf("joined %+v after rev %d", e, lobby.Rev)
		}
		// Watching a room brings the presence of its members.
		w.ask("ben", "PUT", "/v1/presence/status", `{"status":"dnd"}`)
		if p := s.presence(); p.UserID != "ben" || p.Status != api.StatusDnd {
			t.Errorf("presence %+v", p)
		}
		// A second device is no second member; closing it leaves the first.
		w.enter("ben", "ben-mobile", "lobby")
		w.ask("ben", "DELETE", "/v1/presence/me/sessions/ben-laptop", "")
		s.nothing(2 * time.Second)
		// Leaving the room is no leaving of the building, and what he does elsewhere is no longer told.
		w.enter("ben", "ben-mobile", "attic")
		s.wantRoom("", "ben", 1)
		w.ask("ben", "PUT", "/v1/presence/status", `{"status":"busy"}`)
		s.nothing(2 * time.Second)
		// Silence ends a membership with its session.
		time.Sleep(time.Minute)
		s.wantRoom("", "ada", 0)
	})
}

func TestARoomsStreamShowsItsReaderHimself(t *testing.T) {
	inWorld(t, func(w *world) {
		s := w.watch("ada", "room=lobby")
		_, snap, _ := s.started()
		if r, named := snap.Rooms["lobby"]; !named || r.Count != 0 || r.Members == nil {
			t.Fatalf("snapshot %+v", snap)
		}
		w.ask("ada", "PUT", "/v1/presence/status", `{"status":"invisible"}`)
		w.enter("ada", "ada-laptop", "lobby")
		e := s.wantRoom("ada", "", 1)
		if e.Joined[0].Status != api.StatusInvisible {
			t.Errorf("himself: %+v", e.Joined[0])
		}
		other := w.watch("ben", "room=lobby")
		if _, snap, _ := other.started(); snap.Rooms["lobby"].Count != 0 {
			t.Errorf("to others %+v", snap)
		}
		w.ask("ada", "DELETE", "/v1/presence/status", "")
		other.wantRoom("ada", "", 1)
	})
}

func TestHidingIsLeavingTheRoom(t *testing.T) {
	inWorld(t, func(w *world) {
		w.enter("ada", "ada-laptop", "lobby")
		w.enter("bob", "bob-laptop", "lobby")
		w.ask("ada", "PUT", "/v1/contacts/friend", "")
		stranger, friend, bob := w.watch("stranger", "room=lobby"), w.watch("friend", "room=lobby"), w.watch("bob", "room=lobby")
		for _, s := range []*watching{stranger, friend, bob} {
			s.started()
		}
		w.ask("ada", "PUT", "/v1/presence/privacy", `{"online":"contacts","lastSeen":"contacts","activity":"contacts","typing":"everyone"}`)
		stranger.wantRoom("", "ada", 1)
		bob.wantRoom("", "ada", 1)
		friend.nothing(2 * time.Second)
		w.ask("ada", "PUT", "/v1/blocks/friend", "")
		friend.wantRoom("", "ada", 1)
		w.ask("ada", "DELETE", "/v1/blocks/friend", "")
		friend.wantRoom("ada", "", 2)
		w.ask("ada", "PUT", "/v1/contacts/stranger", "")
		stranger.wantRoom("ada", "", 2)
		w.ask("ada", "PUT", "/v1/presence/status", `{"status":"invisible"}`)
		stranger.wantRoom("", "ada", 1)
		friend.wantRoom("", "ada", 1)
		bob.nothing(2 * time.Second)
	})
}

func TestTypingIsToldAtOnceAndEndsByItself(t *testing.T) {
	inWorld(t, func(w *world) {
		w.enter("ada", "ada-laptop", "lobby")
		s := w.watch("ben", "room=lobby")
		s.started()
		w.typeIn("ada", "ada-laptop", "lobby", `,"ttlMs":3000`)
		began := time.Now()
		e := s.next("typing")
		typing := decodeEvent[api.TypingEvent](s, e)
		if typing.Room != "lobby" || typing.ThreadID != nil || len(typing.Typing) != 1 || typing.Typing[0].UserID != "ada" || *typing.Typing[0].Profile.Name != "ADA" {
			t.Fatalf("typing %+v", typing)
		}
		if e.at.Sub(began) > 10*time.Millisecond || e.id == "" {
			t.Errorf("told after %v with id %q", e.at.Sub(began), e.id)
		}
		s2 := w.watch("cat", "room=lobby")
		if _, snap, _ := s2.started(); len(snap.Typing["lobby"]) != 1 || snap.Typing["lobby"][0].UserID != "ada" {
			t.Errorf("snapshot %+v", snap)
		}
		end := s.next("typing")
		if got := decodeEvent[api.TypingEvent](s, end); got.Typing == nil || len(got.Typing) != 0 {
			t.Errorf("typing %+v", got)
		}
		if lasted := end.at.Sub(began); lasted < 3*time.Second || lasted > 4*time.Second {
			t.Errorf("it lasted %v", lasted)
		}
		// In a thread, and ended by leaving the room.
		w.typeIn("ada", "ada-laptop", "lobby", `,"threadId":"t1"`)
		if got := s.typing(); *got.ThreadID != "t1" || len(got.Typing) != 1 {
			t.Errorf("typing %+v", got)
		}
		w.ask("ada", "DELETE", "/v1/rooms/lobby/members/me", "")
		var names []string
		for range 2 {
			names = append(names, (<-s.events).name)
		}
		slices.Sort(names)
		if fmt.Sprint(names) != "[room typing]" {
			t.Errorf("events %q", names)
		}
	})
}

func TestNobodyIsToldOfTypingByWhomHeMayNotSeeType(t *testing.T) {
	inWorld(t, func(w *world) {
		w.enter("ada", "ada-laptop", "lobby")
		w.ask("ada", "PUT", "/v1/presence/privacy", `{"online":"everyone","lastSeen":"contacts","activity":"contacts","typing":"nobody"}`)
		s, self := w.watch("ben", "room=lobby"), w.watch("ada", "room=lobby")
		s.started()
		self.started()
		w.typeIn("ada", "ada-laptop", "lobby", "")
		if got := self.typing(); len(got.Typing) != 1 {
			t.Errorf("to herself %+v", got)
		}
		s.nothing(10 * time.Second)
	})
}

func TestACrowdIsToldByItsNumber(t *testing.T) {
	inWorld(t, func(w *world) {
		const crowd = presence.RoomShown + 20
		s := w.watch("ben", "room=stadium")
		s.started()
		heard := make(chan [2]int, 1)
		stop := make(chan struct{})
		go func() { // read on, so that the stream is no slow one
			bytes, events := 0, 0
			for {
				select {
				case e, ok := <-s.events:
					if !ok {
						heard <- [2]int{bytes, events}
						return
					}
					bytes += len(e.data)
					events++
				case <-stop:
					heard <- [2]int{bytes, events}
					return
				}
			}
		}()
		for i := range crowd {
			w.enter(fmt.Sprintf("user-%04d", i), "session-1", "stadium")
			time.Sleep(20 * time.Millisecond)
		}
		time.Sleep(3 * time.Second)
		close(stop)
		total := <-heard
		if bytes := total[0]; bytes > crowd*500 { // each comes once; telling all of all would be 100 times as much
			t.Errorf("%d bytes in %d events for %d who came", bytes, total[1], crowd)
		}
		late := w.watch("cat", "room=stadium")
		_, snap, _ := late.started()
		if r := snap.Rooms["stadium"]; r.Count != crowd || len(r.Members) != 0 || r.Members == nil {
			t.Fatalf("snapshot: count %d, %d members", r.Count, len(r.Members))
		}
		for i := range 10 {
			w.enter(fmt.Sprintf("late-%04d", i), "session-1", "stadium")
		}
		e := late.room()
		if e.Count != crowd+10 || e.Joined != nil || e.Members != nil || e.Left != nil {
			t.Errorf("event %+v", e)
		}
		// Back under the limit, all are told by name again.
		for i := range 40 {
			if r := w.ask(fmt.Sprintf("user-%04d", i), "DELETE", "/v1/rooms/stadium/members/me", ""); r.status != http.StatusNoContent {
				w.Fatalf("%d %s", r.status, r.body)
			}
		}
		for {
			e := late.room()
			if e.Members != nil {
				if len(e.Members) != crowd-30 || e.Count != crowd-30 {
					t.Errorf("%d members, count %d, want %d", len(e.Members), e.Count, crowd-30)
				}
				break
			}
		}
		w.enter("last", "session-1", "stadium")
		late.wantRoom("last", "", crowd-29)
	})
}

// A crowd is counted only every 2 s. Whose last id came after the last change that made it one no more, but before that count, was told the number
// and never who is there.
func TestWhoKnewACrowdByItsNumberIsToldWhoIsThereWhenItHasShrunk(t *testing.T) {
	inWorld(t, func(w *world) {
		const crowd = presence.RoomShown + 20
		for i := range crowd {
			w.enter(fmt.Sprintf("user-%04d", i), "session-1", "stadium")
		}
		w.enter("ada", "ada-laptop", "lobby")
		time.Sleep(time.Second)
		first := w.watch("cat", "room=stadium&room=lobby&user=ada")
		_, snap, e := first.started()
		if r := snap.Rooms["stadium"]; r.Count != crowd || len(r.Members) != 0 {
			t.Fatalf("snapshot: count %d, %d members", r.Count, len(r.Members))
		}
		w.enter("one-more", "session-1", "stadium")
		if e := first.room(); e.Count != crowd+1 { // counted just now
			t.Fatalf("count %d", e.Count)
		}
		for i := range 41 {
			w.ask(fmt.Sprintf("user-%04d", i), "DELETE", "/v1/rooms/stadium/members/me", "")
		}
		time.Sleep(600 * time.Millisecond) // a beacon, and so an id, past all of these
		w.ask("ada", "PUT", "/v1/presence/status", `{"status":"dnd"}`)
		e = first.next("presence")
		first.cancel()
		time.Sleep(3 * time.Second)
		again := w.watch("cat", "room=stadium&room=lobby&user=ada", "Last-Event-ID: "+e.id)
		hello, snap, e := again.started()
		if snap.Part < snap.Parts { // the status of ada, and then the room, which is a part of its own
			e = again.next("snapshot")
			snap = decodeEvent[api.SnapshotEvent](again, e)
		}
		if !hello.Resumed || snap.Scope != api.SnapshotScopeChanged || len(snap.Rooms) != 1 {
			t.Fatalf("resumed %t, %s, %d rooms", hello.Resumed, snap.Scope, len(snap.Rooms))
		}
		if r := snap.Rooms["stadium"]; r.Count != crowd-40 || len(r.Members) != crowd-40 {
			t.Errorf("count %d, %d members, want %d", r.Count, len(r.Members), crowd-40)
		}
		// Who knows the members by name is not told them again.
		time.Sleep(time.Second)
		again.cancel()
		third := w.watch("cat", "room=stadium&room=lobby&user=ada", "Last-Event-ID: "+e.id)
		if hello, snap, _ := third.started(); !hello.Resumed || len(snap.Rooms) != 0 {
			t.Errorf("resumed %t, and told of %d rooms", hello.Resumed, len(snap.Rooms))
		}
	})
}

func TestAResumedStreamIsToldOfRoomsOnlyWhatHasChanged(t *testing.T) {
	inWorld(t, func(w *world) {
		w.enter("ada", "ada-laptop", "lobby", "attic")
		w.enter("ben", "ben-laptop", "attic")
		time.Sleep(time.Second) // past the next beacon
		first := w.watch("cat", "room=lobby&room=attic")
		_, _, e := first.started()
		time.Sleep(time.Second)
		first.cancel()
		time.Sleep(40 * time.Second)
		w.beat("ada", "ada-laptop", "")
		w.beat("ben", "ben-laptop", "")
		again := w.watch("cat", "room=lobby&room=attic", "Last-Event-ID: "+e.id)
		if hello := decodeEvent[api.HelloEvent](again, again.next("hello")); !hello.Resumed {
			t.Fatal("not resumed")
		}
		again.nothing(time.Second)
		again.cancel()
		synctest.Wait()
		w.ask("ben", "DELETE", "/v1/presence/me/sessions/ben-laptop", "")
		third := w.watch("cat", "room=lobby&room=attic", "Last-Event-ID: "+e.id)
		_, snap, _ := third.started()
		if snap.Scope != api.SnapshotScopeChanged || len(snap.Rooms) != 1 || snap.Rooms["attic"].Count != 1 {
			t.Errorf("snapshot %+v", snap)
		}
	})
}

// A member who was not asked for by name is watched like one who was: what he did while the stream was away is told, alone where nobody came or
// went, and by the room where somebody did.
func TestAResumedStreamIsToldOfMembersWhoHaveChanged(t *testing.T) {
	inWorld(t, func(w *world) {
		w.enter("ada", "ada-laptop", "lobby", "attic")
		w.enter("ben", "ben-laptop", "lobby", "attic")
		time.Sleep(time.Second) // past the next beacon
		first := w.watch("cat", "room=lobby&room=attic")
		_, _, e := first.started()
		time.Sleep(time.Second)
		first.cancel()
		synctest.Wait()
		w.ask("ben", "PUT", "/v1/presence/status", `{"status":"dnd"}`)
		again := w.watch("cat", "room=lobby&room=attic", "Last-Event-ID: "+e.id)
		hello, snap, _ := again.started()
		if !hello.Resumed || snap.Scope != api.SnapshotScopeChanged || len(snap.Rooms) != 0 ||
			len(snap.Presences) != 1 || snap.Presences[0].UserID != "ben" || snap.Presences[0].Status != api.StatusDnd {
			t.Errorf("hello %+v, snapshot %+v", hello, snap)
		}
		w.ask("ben", "PUT", "/v1/presence/status", `{"status":"busy"}`)
		if p := decodeEvent[api.PresenceEvent](again, again.next("presence")); len(p.Presences) != 1 || p.Presences[0].Status != api.StatusBusy {
			t.Errorf("then %+v", p)
		}
		again.cancel()
		synctest.Wait()
		w.enter("dan", "dan-laptop", "attic")
		third := w.watch("cat", "room=lobby&room=attic", "Last-Event-ID: "+e.id)
		_, snap, _ = third.started()
		if attic := snap.Rooms["attic"]; len(snap.Presences) != 0 || len(snap.Rooms) != 1 || len(attic.Members) != 3 || attic.Members[1].Status != api.StatusBusy {
			t.Errorf("snapshot %+v", snap)
		}
		third.cancel()
		anew := w.watch("cat", "room=lobby&room=attic", "Last-Event-ID: of another server")
		if hello, snap, _ := anew.started(); hello.Resumed || len(snap.Presences) != 0 || len(snap.Rooms) != 2 {
			t.Errorf("hello %+v, snapshot %+v", hello, snap)
		}
	})
}
