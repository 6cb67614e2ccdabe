package handlers

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/presently/presently/api"
	"github.com/presently/presently/presence"
)

// revocations are those that stand, of all users, in memory: whether a token counts is asked with each request, and may cost the store nothing. They
// are read once, follow the lanes from then on, and are read again where something may have been missed.
type revocations struct {
	reading singleflight.Group
	again   chan struct{} // a token: something may have been missed

	mu     sync.RWMutex // guards what follows
	read   bool
	before map[string]int64 // ms, by user
	held   map[string]map[*tokenHolder]bool
}

// tokenHolder is a stream that hangs on its user's token.
type tokenHolder struct {
	issued  time.Time
	revoked func() // must not block
}

func newRevocations() *revocations {
	return &revocations{again: make(chan struct{}, 1), before: map[string]int64{}, held: map[string]map[*tokenHolder]bool{}}
}

// refuses reports whether what a user was given at a moment does not count any more. Who does not say when it was is refused with all.
func (rv *revocations) refuses(user string, issued time.Time) bool {
	rv.mu.RLock()
	defer rv.mu.RUnlock()
	return rv.refusesLocked(user, issued)
}

func (rv *revocations) refusesLocked(user string, issued time.Time) bool {
	before, ok := rv.before[user]
	return ok && (issued.IsZero() || issued.UnixMilli() < before)
}

// hold has a stream be told when its token is revoked, even if that was before, until leave is called.
func (rv *revocations) hold(user string, issued time.Time, revoked func()) (leave func()) {
	h := &tokenHolder{issued, revoked}
	rv.mu.Lock()
	defer rv.mu.Unlock()
	if rv.held[user] == nil {
		rv.held[user] = map[*tokenHolder]bool{}
	}
	rv.held[user][h] = true
	if rv.refusesLocked(user, issued) {
		revoked()
	}
	return func() {
		rv.mu.Lock()
		defer rv.mu.Unlock()
		if delete(rv.held[user], h); len(rv.held[user]) == 0 {
			delete(rv.held, user)
		}
	}
}

// add lets a revocation count here, and tells the streams that it ends.
func (rv *revocations) add(r presence.Revocation) {
	rv.mu.Lock()
	defer rv.mu.Unlock()
	before := r.Before.UnixMilli()
	if before <= rv.before[r.User] {
		return
	}
	rv.before[r.User] = before
	for h := range rv.held[r.User] {
		if rv.refusesLocked(r.User, h.issued) {
			h.revoked()
		}
	}
}

func (rv *revocations) isRead() bool {
	rv.mu.RLock()
	defer rv.mu.RUnlock()
	return rv.read
}

// lacking are those known here that are not among all, or less: the store has lost them. Those that it has forgotten with reason are forgotten.
func (rv *revocations) lacking(all []presence.Revocation, now time.Time) []presence.Revocation {
	stored := make(map[string]int64, len(all))
	for _, r := range all {
		stored[r.User] = r.Before.UnixMilli()
	}
	rv.mu.Lock()
	defer rv.mu.Unlock()
	var lost []presence.Revocation
	for user, before := range rv.before {
		at := time.UnixMilli(before)
		switch {
		case stored[user] >= before:
		case now.Sub(at) >= presence.RevocationKept:
			delete(rv.before, user)
		default:
			lost = append(lost, presence.Revocation{User: user, Before: at})
		}
	}
	return lost
}

// readRevocations brings those here in line with the store, and the store with those here where it has lost some.
func (s *Server) readRevocations(ctx context.Context) error {
	all, err := s.tracker.Revocations(ctx)
	if err != nil {
		return fmt.Errorf("read revocations: %w", err)
	}
	for _, r := range all {
		s.revoked.add(r)
	}
	for _, r := range s.revoked.lacking(all, s.board.Clock()) {
		if _, err := s.tracker.Revoke(ctx, r); err != nil {
			return fmt.Errorf("put a revocation back: %w", err)
		}
	}
	s.revoked.mu.Lock()
	defer s.revoked.mu.Unlock()
	s.revoked.read = true
	return nil
}

// followRevocations reads them again whenever something may have been missed, until ctx ends.
func (s *Server) followRevocations(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.revoked.again:
		}
		err := s.panics.Try(presence.PanicInTask, func() error { return s.readRevocations(ctx) })
		if err != nil && ctx.Err() == nil {
			s.log.DebugContext(ctx, "revocations not followed", "error", err)
			time.AfterFunc(readAgainAfter, func() { nudge(s.revoked.again) })
		}
	}
}

// stands refuses what was revoked. Nothing is believed before it is known what is not to be.
func (s *Server) stands(ctx context.Context, user string, issued time.Time) error {
	if !s.revoked.isRead() {
		read := s.revoked.reading.DoChan("", func() (any, error) { // whose panic would end the process
			return nil, s.panics.Try(presence.PanicInRead, func() error { return s.readRevocations(context.WithoutCancel(ctx)) })
		})
		select {
		case r := <-read:
			if r.Err != nil {
				return r.Err
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	if s.revoked.refuses(user, issued) {
		return badToken("it was revoked")
	}
	return nil
}

// Revoked implements presence.Listener.
func (f *feed) Revoked(r presence.Revocation) { f.revoked.add(r) }

// RevokeTokens implements POST /v1/admin/users/{userId}/revoke.
func (s *Server) RevokeTokens(w http.ResponseWriter, r *http.Request, user api.UserIDInPath) {
	revocation, err := s.revocationOf(w, r, user)
	if err == nil {
		revocation, err = s.tracker.Revoke(r.Context(), revocation)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.revoked.add(revocation) // others hear of it, and so would we
	noContent(w)
}

// revocationOf reads what is asked for. Nobody is locked out until some day: a moment to come would refuse tokens that are not made yet.
func (s *Server) revocationOf(w http.ResponseWriter, r *http.Request, user string) (presence.Revocation, error) {
	var body api.RevokeRequest
	err := checkUser(user)
	if r.ContentLength != 0 && err == nil {
		body, err = decode[api.RevokeRequest](w, r, bodyLimit)
	}
	out := presence.Revocation{User: user}
	if err != nil || body.Before == nil {
		return out, err
	}
	out.Before, err = time.Parse(time.RFC3339, *body.Before)
	now := s.board.Clock()
	switch {
	case err != nil || out.Before.Year() < 1970:
		return out, invalid("/before", "must be a time like 2026-11-22T10:00:00Z")
	case out.Before.After(now):
		return out, invalid("/before", "must not be in the future; it is "+formatTime(now)+" here")
	case now.Sub(out.Before) >= presence.RevocationKept:
		return out, invalid("/before", "must be at most 400 days ago")
	}
	return out, nil
}
