// Code generated from openapi.yaml by github.com/oapi-codegen/oapi-codegen/v2 v2.8.2. DO NOT EDIT.

// Package api is openapi.yaml in Go: the bodies, answers and events of the
// contract as types, and its operations as [ServerInterface], which [Handler]
// mounts on chi. It knows the wire and nothing behind it.
//
// # What the types promise
//
// An optional field is a pointer, slice or map, and nil means absent. A Time is
// the text of the wire. The validate tags stand in the contract and are read
// by go-playground/validator; userid, sessionid and device are rules of ours,
// which whoever validates has to register.
//
// # What they do not
//
// Decoding a body is left to the operation: encoding/json alone would accept
// unknown fields, keys given twice and a second document.
//
// Regenerate with internal/tools/generate.sh, never edit.
package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/go-chi/chi/v5"
	"github.com/oapi-codegen/runtime"
)

type queryContextKey struct{}

// WithQuery has the operations take a request's query from its context, where it is parsed already: a stream's names a hundred users, and would else be
// parsed once for each parameter that there could be. Nobody changes it.
func WithQuery(ctx context.Context, query url.Values) context.Context {
	return context.WithValue(ctx, queryContextKey{}, query)
}

// QueryOf is the query of a request.
func QueryOf(r *http.Request) url.Values {
	if query, parsed := r.Context().Value(queryContextKey{}).(url.Values); parsed {
		return query
	}
	return r.URL.Query()
}

const (
	BearerScopes bearerContextKey = "bearer.Scopes"
	CookieScopes cookieContextKey = "cookie.Scopes"
	TicketScopes ticketContextKey = "ticket.Scopes"
)

// Defines values for ActivityType.
const (
	ActivityTypeBusy       ActivityType = "busy"
	ActivityTypeCustom     ActivityType = "custom"
	ActivityTypeInCall     ActivityType = "in_call"
	ActivityTypeInMeeting  ActivityType = "in_meeting"
	ActivityTypePresenting ActivityType = "presenting"
	ActivityTypeTyping     ActivityType = "typing"
	ActivityTypeViewing    ActivityType = "viewing"
)

// Valid indicates whether the value is a known member of the ActivityType enum.
func (e ActivityType) Valid() bool {
	switch e {
	case ActivityTypeBusy:
		return true
	case ActivityTypeCustom:
		return true
	case ActivityTypeInCall:
		return true
	case ActivityTypeInMeeting:
		return true
	case ActivityTypePresenting:
		return true
	case ActivityTypeTyping:
		return true
	case ActivityTypeViewing:
		return true
	default:
		return false
	}
}

// Defines values for Audience.
const (
	AudienceContacts Audience = "contacts"
	AudienceEveryone Audience = "everyone"
	AudienceNobody   Audience = "nobody"
)

// Valid indicates whether the value is a known member of the Audience enum.
func (e Audience) Valid() bool {
	switch e {
	case AudienceContacts:
		return true
	case AudienceEveryone:
		return true
	case AudienceNobody:
		return true
	default:
		return false
	}
}

// Defines values for BeatState.
const (
	BeatStateAway   BeatState = "away"
	BeatStateBusy   BeatState = "busy"
	BeatStateDnd    BeatState = "dnd"
	BeatStateIdle   BeatState = "idle"
	BeatStateOnline BeatState = "online"
)

// Valid indicates whether the value is a known member of the BeatState enum.
func (e BeatState) Valid() bool {
	switch e {
	case BeatStateAway:
		return true
	case BeatStateBusy:
		return true
	case BeatStateDnd:
		return true
	case BeatStateIdle:
		return true
	case BeatStateOnline:
		return true
	default:
		return false
	}
}

// Defines values for ChosenStatus.
const (
	ChosenStatusAway      ChosenStatus = "away"
	ChosenStatusBusy      ChosenStatus = "busy"
	ChosenStatusDnd       ChosenStatus = "dnd"
	ChosenStatusInvisible ChosenStatus = "invisible"
	ChosenStatusOnline    ChosenStatus = "online"
)

// Valid indicates whether the value is a known member of the ChosenStatus enum.
func (e ChosenStatus) Valid() bool {
	switch e {
	case ChosenStatusAway:
		return true
	case ChosenStatusBusy:
		return true
	case ChosenStatusDnd:
		return true
	case ChosenStatusInvisible:
		return true
	case ChosenStatusOnline:
		return true
	default:
		return false
	}
}

// Defines values for ErrorsMode.
const (
	ErrorsModeHTTP   ErrorsMode = "http"
	ErrorsModeStream ErrorsMode = "stream"
)

// Valid indicates whether the value is a known member of the ErrorsMode enum.
func (e ErrorsMode) Valid() bool {
	switch e {
	case ErrorsModeHTTP:
		return true
	case ErrorsModeStream:
		return true
	default:
		return false
	}
}

// Defines values for EventKind.
const (
	EventKindPresence EventKind = "presence"
	EventKindRoom     EventKind = "room"
	EventKindTyping   EventKind = "typing"
)

// Valid indicates whether the value is a known member of the EventKind enum.
func (e EventKind) Valid() bool {
	switch e {
	case EventKindPresence:
		return true
	case EventKindRoom:
		return true
	case EventKindTyping:
		return true
	default:
		return false
	}
}

// Defines values for HealthStatus.
const (
	HealthStatusOk HealthStatus = "ok"
)

// Valid indicates whether the value is a known member of the HealthStatus enum.
func (e HealthStatus) Valid() bool {
	switch e {
	case HealthStatusOk:
		return true
	default:
		return false
	}
}

// Defines values for LastSeen.
const (
	LastSeenDays    LastSeen = "days"
	LastSeenHours   LastSeen = "hours"
	LastSeenLong    LastSeen = "long"
	LastSeenMinutes LastSeen = "minutes"
	LastSeenNow     LastSeen = "now"
	LastSeenWeeks   LastSeen = "weeks"
)

// Valid indicates whether the value is a known member of the LastSeen enum.
func (e LastSeen) Valid() bool {
	switch e {
	case LastSeenDays:
		return true
	case LastSeenHours:
		return true
	case LastSeenLong:
		return true
	case LastSeenMinutes:
		return true
	case LastSeenNow:
		return true
	case LastSeenWeeks:
		return true
	default:
		return false
	}
}

// Defines values for ProblemCode.
const (
	ProblemCodeBodyTooLarge         ProblemCode = "body_too_large"
	ProblemCodeDraining             ProblemCode = "draining"
	ProblemCodeInsufficientScope    ProblemCode = "insufficient_scope"
	ProblemCodeInternal             ProblemCode = "internal"
	ProblemCodeInvalidToken         ProblemCode = "invalid_token"
	ProblemCodeKeysUnavailable      ProblemCode = "keys_unavailable"
	ProblemCodeMalformedJSON        ProblemCode = "malformed_json"
	ProblemCodeMethodNotAllowed     ProblemCode = "method_not_allowed"
	ProblemCodeMissingToken         ProblemCode = "missing_token"
	ProblemCodeNoSession            ProblemCode = "no_session"
	ProblemCodeNotFound             ProblemCode = "not_found"
	ProblemCodeOriginNotAllowed     ProblemCode = "origin_not_allowed"
	ProblemCodePreconditionFailed   ProblemCode = "precondition_failed"
	ProblemCodeRateLimited          ProblemCode = "rate_limited"
	ProblemCodeRoomNotGranted       ProblemCode = "room_not_granted"
	ProblemCodeStoreUnavailable     ProblemCode = "store_unavailable"
	ProblemCodeSubscriptionGone     ProblemCode = "subscription_gone"
	ProblemCodeTokenExpired         ProblemCode = "token_expired"
	ProblemCodeTooManyConnections   ProblemCode = "too_many_connections"
	ProblemCodeTooManyRelations     ProblemCode = "too_many_relations"
	ProblemCodeTooManyRooms         ProblemCode = "too_many_rooms"
	ProblemCodeTooManySessions      ProblemCode = "too_many_sessions"
	ProblemCodeTooManyStreams       ProblemCode = "too_many_streams"
	ProblemCodeUnsupportedMediaType ProblemCode = "unsupported_media_type"
	ProblemCodeValidationFailed     ProblemCode = "validation_failed"
)

// Valid indicates whether the value is a known member of the ProblemCode enum.
func (e ProblemCode) Valid() bool {
	switch e {
	case ProblemCodeBodyTooLarge:
		return true
	case ProblemCodeDraining:
		return true
	case ProblemCodeInsufficientScope:
		return true
	case ProblemCodeInternal:
		return true
	case ProblemCodeInvalidToken:
		return true
	case ProblemCodeKeysUnavailable:
		return true
	case ProblemCodeMalformedJSON:
		return true
	case ProblemCodeMethodNotAllowed:
		return true
	case ProblemCodeMissingToken:
		return true
	case ProblemCodeNoSession:
		return true
	case ProblemCodeNotFound:
		return true
	case ProblemCodeOriginNotAllowed:
		return true
	case ProblemCodePreconditionFailed:
		return true
	case ProblemCodeRateLimited:
		return true
	case ProblemCodeRoomNotGranted:
		return true
	case ProblemCodeStoreUnavailable:
		return true
	case ProblemCodeSubscriptionGone:
		return true
	case ProblemCodeTokenExpired:
		return true
	case ProblemCodeTooManyConnections:
		return true
	case ProblemCodeTooManyRelations:
		return true
	case ProblemCodeTooManyRooms:
		return true
	case ProblemCodeTooManySessions:
		return true
	case ProblemCodeTooManyStreams:
		return true
	case ProblemCodeUnsupportedMediaType:
		return true
	case ProblemCodeValidationFailed:
		return true
	default:
		return false
	}
}

// Defines values for ReconnectReason.
const (
	ReconnectReasonDrain        ReconnectReason = "drain"
	ReconnectReasonMaxAge       ReconnectReason = "maxAge"
	ReconnectReasonTokenExpired ReconnectReason = "tokenExpired"
)

// Valid indicates whether the value is a known member of the ReconnectReason enum.
func (e ReconnectReason) Valid() bool {
	switch e {
	case ReconnectReasonDrain:
		return true
	case ReconnectReasonMaxAge:
		return true
	case ReconnectReasonTokenExpired:
		return true
	default:
		return false
	}
}

// Defines values for RelationKind.
const (
	RelationKindBlocked RelationKind = "blocked"
	RelationKindContact RelationKind = "contact"
	RelationKindOther   RelationKind = "other"
	RelationKindSelf    RelationKind = "self"
)

// Valid indicates whether the value is a known member of the RelationKind enum.
func (e RelationKind) Valid() bool {
	switch e {
	case RelationKindBlocked:
		return true
	case RelationKindContact:
		return true
	case RelationKindOther:
		return true
	case RelationKindSelf:
		return true
	default:
		return false
	}
}

// Defines values for RoomWebhookType.
const (
	RoomWebhookTypeRoomOccupied RoomWebhookType = "room.occupied"
	RoomWebhookTypeRoomVacated  RoomWebhookType = "room.vacated"
)

// Valid indicates whether the value is a known member of the RoomWebhookType enum.
func (e RoomWebhookType) Valid() bool {
	switch e {
	case RoomWebhookTypeRoomOccupied:
		return true
	case RoomWebhookTypeRoomVacated:
		return true
	default:
		return false
	}
}

// Defines values for SessionState.
const (
	SessionStateAway   SessionState = "away"
	SessionStateBusy   SessionState = "busy"
	SessionStateDnd    SessionState = "dnd"
	SessionStateOnline SessionState = "online"
)

// Valid indicates whether the value is a known member of the SessionState enum.
func (e SessionState) Valid() bool {
	switch e {
	case SessionStateAway:
		return true
	case SessionStateBusy:
		return true
	case SessionStateDnd:
		return true
	case SessionStateOnline:
		return true
	default:
		return false
	}
}

// Defines values for ShownStatus.
const (
	ShownStatusAway    ShownStatus = "away"
	ShownStatusBusy    ShownStatus = "busy"
	ShownStatusDnd     ShownStatus = "dnd"
	ShownStatusOffline ShownStatus = "offline"
	ShownStatusOnline  ShownStatus = "online"
)

// Valid indicates whether the value is a known member of the ShownStatus enum.
func (e ShownStatus) Valid() bool {
	switch e {
	case ShownStatusAway:
		return true
	case ShownStatusBusy:
		return true
	case ShownStatusDnd:
		return true
	case ShownStatusOffline:
		return true
	case ShownStatusOnline:
		return true
	default:
		return false
	}
}

// Defines values for SnapshotScope.
const (
	SnapshotScopeAdded   SnapshotScope = "added"
	SnapshotScopeAll     SnapshotScope = "all"
	SnapshotScopeChanged SnapshotScope = "changed"
)

// Valid indicates whether the value is a known member of the SnapshotScope enum.
func (e SnapshotScope) Valid() bool {
	switch e {
	case SnapshotScopeAdded:
		return true
	case SnapshotScopeAll:
		return true
	case SnapshotScopeChanged:
		return true
	default:
		return false
	}
}

// Defines values for Status.
const (
	StatusAway      Status = "away"
	StatusBusy      Status = "busy"
	StatusDnd       Status = "dnd"
	StatusInvisible Status = "invisible"
	StatusOffline   Status = "offline"
	StatusOnline    Status = "online"
)

// Valid indicates whether the value is a known member of the Status enum.
func (e Status) Valid() bool {
	switch e {
	case StatusAway:
		return true
	case StatusBusy:
		return true
	case StatusDnd:
		return true
	case StatusInvisible:
		return true
	case StatusOffline:
		return true
	case StatusOnline:
		return true
	default:
		return false
	}
}

// Defines values for StatusRule.
const (
	StatusRuleAggregate StatusRule = "aggregate"
	StatusRuleChosen    StatusRule = "chosen"
	StatusRuleInvisible StatusRule = "invisible"
	StatusRuleNoSession StatusRule = "no_session"
)

// Valid indicates whether the value is a known member of the StatusRule enum.
func (e StatusRule) Valid() bool {
	switch e {
	case StatusRuleAggregate:
		return true
	case StatusRuleChosen:
		return true
	case StatusRuleInvisible:
		return true
	case StatusRuleNoSession:
		return true
	default:
		return false
	}
}

// Defines values for SubscriptionMode.
const (
	SubscriptionModeLive  SubscriptionMode = "live"
	SubscriptionModeQuiet SubscriptionMode = "quiet"
)

// Valid indicates whether the value is a known member of the SubscriptionMode enum.
func (e SubscriptionMode) Valid() bool {
	switch e {
	case SubscriptionModeLive:
		return true
	case SubscriptionModeQuiet:
		return true
	default:
		return false
	}
}

// Defines values for UserWebhookType.
const (
	UserWebhookTypeStatusChanged UserWebhookType = "status.changed"
	UserWebhookTypeUserOffline   UserWebhookType = "user.offline"
	UserWebhookTypeUserOnline    UserWebhookType = "user.online"
)

// Valid indicates whether the value is a known member of the UserWebhookType enum.
func (e UserWebhookType) Valid() bool {
	switch e {
	case UserWebhookTypeStatusChanged:
		return true
	case UserWebhookTypeUserOffline:
		return true
	case UserWebhookTypeUserOnline:
		return true
	default:
		return false
	}
}

// Defines values for ViewRule.
const (
	ViewRuleBlocked   ViewRule = "blocked"
	ViewRuleContacts  ViewRule = "contacts"
	ViewRuleEveryone  ViewRule = "everyone"
	ViewRuleInvisible ViewRule = "invisible"
	ViewRuleNobody    ViewRule = "nobody"
	ViewRuleSelf      ViewRule = "self"
)

// Valid indicates whether the value is a known member of the ViewRule enum.
func (e ViewRule) Valid() bool {
	switch e {
	case ViewRuleBlocked:
		return true
	case ViewRuleContacts:
		return true
	case ViewRuleEveryone:
		return true
	case ViewRuleInvisible:
		return true
	case ViewRuleNobody:
		return true
	case ViewRuleSelf:
		return true
	default:
		return false
	}
}

// Defines values for Visibility.
const (
	VisibilityHidden  Visibility = "hidden"
	VisibilityVisible Visibility = "visible"
)

// Valid indicates whether the value is a known member of the Visibility enum.
func (e Visibility) Valid() bool {
	switch e {
	case VisibilityHidden:
		return true
	case VisibilityVisible:
		return true
	default:
		return false
	}
}

// Activity What the user does, at the session where he said so last.
type Activity struct {
	// Label How to show it; 1 to 100 characters, none of them a control character.
	Label *ActivityLabel `json:"label,omitempty"`

	// Since When it began.
	Since Time `json:"since"`

	// Target What it is done to, in the words of the client, such as a path; 1 to 512 characters, none of them a control character.
	Target *ActivityTarget `json:"target,omitempty"`

	// Type What kind of thing somebody does. `custom` is anything else, for `label` to tell.
	Type ActivityType `json:"type"`
}

// ActivityChoice defines model for ActivityChoice.
type ActivityChoice struct {
	// Label How to show it; 1 to 100 characters, none of them a control character.
	Label *ActivityLabel `json:"label,omitempty" validate:"omitempty,min=1,max=100,plain"`

	// SessionID One device or tab, named by the client: 8 to 64 letters, digits, `-` and `_`, new for each page load. Two users may
	// use the same.
	SessionID SessionID `json:"sessionId" validate:"required,sessionid"`

	// Target What it is done to, in the words of the client, such as a path; 1 to 512 characters, none of them a control character.
	Target *ActivityTarget `json:"target,omitempty" validate:"omitempty,min=1,max=512,plain"`

	// TTLMs How long it holds unless it is said again, from a second to a day.
	TTLMs *ActivityTTLMs `json:"ttlMs,omitempty" validate:"omitempty,gte=1000,lte=86400000"`

	// Type What kind of thing somebody does. `custom` is anything else, for `label` to tell.
	Type ActivityType `json:"type" validate:"required,oneof=viewing typing busy in_call in_meeting presenting custom"`
}

// ActivityLabel How to show it; 1 to 100 characters, none of them a control character.
type ActivityLabel = string

// ActivityTTLMs How long it holds unless it is said again, from a second to a day.
type ActivityTTLMs = int64

// ActivityTarget What it is done to, in the words of the client, such as a path; 1 to 512 characters, none of them a control character.
type ActivityTarget = string

// ActivityType What kind of thing somebody does. `custom` is anything else, for `label` to tell.
type ActivityType string

// AdminBeat A heartbeat that a backend sends for somebody.
type AdminBeat struct {
	// Activity What the user does at this session.
	Activity *Doing        `json:"activity,omitempty"`
	Custom   *CustomChoice `json:"custom,omitempty"`

	// Device A kind of device, in the client's words; sessions of the same kind show as one.
	Device *Device `json:"device,omitempty" validate:"omitempty,device"`

	// Profile How the user is shown, in place of the `profile` of a token.
	Profile *AdminProfile `json:"profile,omitempty"`

	// Rooms The whole set of the session's rooms; empty, it is in none; absent, they stay.
	Rooms []RoomID `json:"rooms,omitempty" validate:"omitempty,max=50,dive,userid"`

	// SessionID The session that beats; `set-by-backend` where it is absent.
	SessionID *SessionID `json:"sessionId,omitempty" validate:"omitempty,sessionid"`

	// State What a session says of itself; `idle` is another word for `away`.
	State *BeatState `json:"state,omitempty" validate:"omitempty,oneof=online away idle busy dnd"`

	// TTLMs How long it is believed, from a second to a day; the server's TTL where it is absent.
	TTLMs *int64 `json:"ttlMs,omitempty" validate:"omitempty,gte=1000,lte=86400000"`
}

// AdminProfile How the user is shown, in place of the `profile` of a token.
type AdminProfile struct {
	// Avatar The URL of a picture; up to 500 characters, none of them a control character.
	Avatar *string `json:"avatar,omitempty" validate:"omitempty,max=500,plain"`

	// Name Up to 100 characters, none of them a control character.
	Name *string `json:"name,omitempty" validate:"omitempty,max=100,plain"`
}

// Audience Who may see something.
type Audience string

// Beat defines model for Beat.
type Beat struct {
	// Activity What the user does at this session.
	Activity *Doing `json:"activity,omitempty"`

	// Device A kind of device, in the client's words; sessions of the same kind show as one.
	Device *Device `json:"device,omitempty" validate:"omitempty,device"`

	// IdleMs How long ago the user last touched this device. A duration, so that no client's clock matters.
	IdleMs *int64 `json:"idleMs,omitempty" validate:"omitempty,gte=0,lte=3153600000000"`

	// Rooms The whole set of the session's rooms; empty, it is in none; absent, they stay.
	Rooms []RoomID `json:"rooms,omitempty" validate:"omitempty,max=50,dive,userid"`

	// Seq The place of this beat among those of its session; a counter, or the client's milliseconds since 1970.
	Seq *int64 `json:"seq,omitempty" validate:"omitempty,gte=0,lte=9007199254740991"`

	// SessionID One device or tab, named by the client: 8 to 64 letters, digits, `-` and `_`, new for each page load. Two users may
	// use the same.
	SessionID SessionID `json:"sessionId" validate:"required,sessionid"`

	// State What a session says of itself; `idle` is another word for `away`.
	State *BeatState `json:"state,omitempty" validate:"omitempty,oneof=online away idle busy dnd"`

	// Visibility Whether the page is in front. Browsers slow the timers of a hidden one, so it gets more time.
	Visibility *Visibility `json:"visibility,omitempty" validate:"omitempty,oneof=visible hidden"`
}

// BeatAnswer defines model for BeatAnswer.
type BeatAnswer struct {
	// IdleAfterMs The `idleMs` from which a session counts as away.
	IdleAfterMs int64 `json:"idleAfterMs"`

	// LeaveToken An opaque key to nothing but the end of this session.
	LeaveToken LeaveToken `json:"leaveToken"`

	// NextMs When to beat again, jitter included.
	NextMs int64 `json:"nextMs"`

	// Presence What a viewer may know of a user. Whatever is hidden from that viewer is absent.
	Presence Presence `json:"presence"`

	// RefusedRooms Those of the beat's `rooms` that the token does not grant, in the order of the beat; there whenever the beat named `rooms`, empty
	// when all were granted.
	RefusedRooms []RoomID `json:"refusedRooms,omitzero"`
	Session      Session  `json:"session"`

	// TTLMs How long this beat is believed.
	TTLMs int64 `json:"ttlMs"`
}

// BeatState What a session says of itself; `idle` is another word for `away`.
type BeatState string

// BlockList defines model for BlockList.
type BlockList struct {
	// Blocks Those who see nothing.
	Blocks []Relation `json:"blocks"`
}

// ChosenStatus What a user may choose to be.
type ChosenStatus string

// ContactList defines model for ContactList.
type ContactList struct {
	// Contacts Those who see more.
	Contacts []Relation `json:"contacts"`
}

// Cursor Where a list goes on. Opaque, and good for the list that it came with.
type Cursor = string

// Custom What the user says of himself.
type Custom struct {
	Emoji *string `json:"emoji,omitempty"`

	// ExpiresAt When it ends; absent where it keeps until it is cleared.
	ExpiresAt *Time `json:"expiresAt,omitempty"`

	// Text In words; empty beside an emoji that stands alone.
	Text string `json:"text"`
}

// CustomChoice defines model for CustomChoice.
type CustomChoice struct {
	// Emoji 1 to 32 characters, none of them a control character, and not looked at further.
	Emoji *string `json:"emoji,omitempty" validate:"omitempty,min=1,max=32,plain"`

	// ExpiresAt When it ends, RFC 3339 with any offset, in the future and at most a year of 365 days ahead. Not
	// together with `expiresInMs`.
	ExpiresAt *string `json:"expiresAt,omitempty" validate:"omitempty,datetime=2006-01-02T15:04:05Z07:00"`

	// ExpiresInMs How long it keeps, up to a year of 365 days; 0, like none of both, keeps it until it is cleared. Not together with `expiresAt`.
	ExpiresInMs *int64 `json:"expiresInMs,omitempty" validate:"omitempty,gte=0,lte=31536000000,excluded_with=ExpiresAt"`

	// Text Up to 100 characters (code points), none of them a control character; not empty, unless there is an `emoji`.
	Text *string `json:"text" validate:"required,max=100,plain"`
}

// DegradedEvent The instance has lost the store and shows the last known state; nobody becomes offline by that.
type DegradedEvent struct {
	// Since The moment up to which everything was seen.
	Since Time `json:"since"`
}

// Device A kind of device, in the client's words; sessions of the same kind show as one.
type Device = string

// Doing What the user does at this session.
type Doing struct {
	// Label How to show it; 1 to 100 characters, none of them a control character.
	Label *ActivityLabel `json:"label,omitempty" validate:"omitempty,min=1,max=100,plain"`

	// Target What it is done to, in the words of the client, such as a path; 1 to 512 characters, none of them a control character.
	Target *ActivityTarget `json:"target,omitempty" validate:"omitempty,min=1,max=512,plain"`

	// TTLMs How long it holds unless it is said again, from a second to a day.
	TTLMs *ActivityTTLMs `json:"ttlMs,omitempty" validate:"omitempty,gte=1000,lte=86400000"`

	// Type What kind of thing somebody does. `custom` is anything else, for `label` to tell.
	Type ActivityType `json:"type" validate:"required,oneof=viewing typing busy in_call in_meeting presenting custom"`
}

// ErrorsMode `http`: a refusal is a status and a problem document. `stream`: it is a 200 and the event `problem`.
type ErrorsMode string

// EventID The opaque `id` of an event.
type EventID = string

// EventKind An event of a stream that tells of people and rooms; a `snapshot` has what these would tell.
type EventKind string

// ExplainedChoice The status that the user chose last and has not cleared.
type ExplainedChoice struct {
	// Expired Whether it holds no longer.
	Expired bool `json:"expired"`

	// ExpiresAt When it ends, or has ended; absent where it keeps until it is cleared.
	ExpiresAt *Time `json:"expiresAt,omitempty"`

	// Status What a user may choose to be.
	Status ChosenStatus `json:"status"`
}

// ExplainedSession A session, and how it stands as of `asOf`.
type ExplainedSession struct {
	// AgeMs How long ago it started.
	AgeMs int64 `json:"ageMs"`

	// BeatAgeMs How long ago its last beat came.
	BeatAgeMs int64 `json:"beatAgeMs"`

	// CountsAs What it counts as; `away` where its user has been idle for too long, whatever it says.
	CountsAs SessionState `json:"countsAs"`

	// Deadline When it is no longer believed.
	Deadline Time `json:"deadline"`

	// Device A kind of device, in the client's words; sessions of the same kind show as one.
	Device *Device `json:"device,omitempty"`

	// InputAgeMs How long ago its user last touched it, as far as its beats told.
	InputAgeMs int64 `json:"inputAgeMs"`

	// Instance The instance that took its last change.
	Instance string `json:"instance"`

	// LastBeatAt A moment of the server's clock, RFC 3339 in UTC with exactly milliseconds.
	LastBeatAt Time `json:"lastBeatAt"`

	// Left It has said that it leaves, and ends at its deadline unless it beats again.
	Left bool `json:"left"`

	// RemainingMs How long until then. Below 0 it is overdue, and ends with the next sweep, or when the store has been back for a TTL.
	RemainingMs int64 `json:"remainingMs"`

	// Returns How often it has said that it leaves and come back within its grace. Nobody was told of that; many of them are a page that flaps.
	Returns int64 `json:"returns"`

	// Says What its last beat said.
	Says SessionState `json:"says"`

	// Seq The newest `seq` seen; absent while the client sends none.
	Seq *int64 `json:"seq,omitempty"`

	// SessionID One device or tab, named by the client: 8 to 64 letters, digits, `-` and `_`, new for each page load. Two users may
	// use the same.
	SessionID SessionID `json:"sessionId"`

	// StartedAt A moment of the server's clock, RFC 3339 in UTC with exactly milliseconds.
	StartedAt Time `json:"startedAt"`

	// Visibility Whether the page is in front. Browsers slow the timers of a hidden one, so it gets more time.
	Visibility Visibility `json:"visibility"`
}

// ExplainedView What one viewer sees, and by which of the user's settings.
type ExplainedView struct {
	// Because The same in a sentence.
	Because string `json:"because"`

	// Hidden Whether the user is hidden from the viewer, whatever he does.
	Hidden bool `json:"hidden"`

	// Presence What the viewer sees, `rev` as of `asOf`.
	Presence Presence `json:"presence"`

	// Relation What the viewer is to the user, as the user decided. A block wins over a contact.
	Relation RelationKind `json:"relation"`

	// Rule What decided whether the viewer may see that the user is here. `self`: everybody sees himself. `blocked`: the user blocks the viewer.
	// `invisible`: the user hides from everybody. `everyone`, `contacts`, `nobody`: the user's privacy setting `online`.
	Rule ViewRule `json:"rule"`

	// UserID The viewer.
	UserID UserID `json:"userId"`
}

// Explanation defines model for Explanation.
type Explanation struct {
	// AsOf The moment of the store's clock as of which all this is true.
	AsOf Time `json:"asOf"`

	// Because The same in a sentence.
	Because string `json:"because"`

	// Chosen The status that the user chose last and has not cleared.
	Chosen *ExplainedChoice `json:"chosen,omitempty"`

	// Privacy Who may see what of a user. Everybody sees himself; whom he blocks sees nothing.
	Privacy Privacy `json:"privacy"`

	// Rule What decided the status. `no_session`: there is no live session, so it is offline. `invisible`: the user hides.
	// `chosen`: a choice holds. `aggregate`: the strongest live session.
	Rule StatusRule `json:"rule"`

	// Sessions Every session that still counts, oldest first.
	Sessions []ExplainedSession `json:"sessions"`

	// Status The status in the user's own eyes.
	Status Status `json:"status"`

	// UserID Whoever a token's `sub` names: 1 to 128 characters (code points), all printable and no white space but the plain
	// blank; not `.` or `..`.
	UserID UserID `json:"userId"`

	// Viewer What one viewer sees, and by which of the user's settings.
	Viewer *ExplainedView `json:"viewer,omitempty"`
}

// FieldError defines model for FieldError.
type FieldError struct {
	// Detail What it should be.
	Detail string `json:"detail"`

	// Pointer An RFC 6901 pointer into the body, or `/` and the name of the parameter. Empty for the body as a whole.
	Pointer string `json:"pointer"`
}

// Health defines model for Health.
type Health struct {
	Status HealthStatus `json:"status"`
}

// HealthStatus defines model for Health.Status.
type HealthStatus string

// HelloEvent Always the first event.
type HelloEvent struct {
	// Limits How many a stream may watch.
	Limits StreamLimits `json:"limits"`

	// PingMs How often a `ping` comes. A stream that is silent for twice as long is dead.
	PingMs int64 `json:"pingMs"`

	// Resumed Whether the stream goes on where the last one ended, so that only changes follow.
	Resumed bool `json:"resumed"`

	// ServerTime A moment of the server's clock, RFC 3339 in UTC with exactly milliseconds.
	ServerTime Time `json:"serverTime"`

	// StreamID Names this stream in the server's log.
	StreamID string `json:"streamId"`

	// SubscriptionID The subscription that is streamed, where there is one.
	SubscriptionID *string `json:"subscriptionId,omitempty"`
}

// LastSeen How long ago, in words that give away less than a time does.
type LastSeen string

// Leave defines model for Leave.
type Leave struct {
	// LeaveToken The `leaveToken` of the session's last heartbeat.
	LeaveToken string `json:"leaveToken" validate:"required,max=2048"`
}

// LeaveToken An opaque key to nothing but the end of this session.
type LeaveToken = string

// OnlinePage A page of who is online.
type OnlinePage struct {
	// Count How many there are, on all pages.
	Count int64 `json:"count"`

	// Cursor Where the next page begins; absent on the last one.
	Cursor *Cursor `json:"cursor,omitempty"`

	// Presences Those of this page.
	Presences []Presence `json:"presences"`

	// Truncated Whether there are more pages.
	Truncated bool `json:"truncated"`
}

// PingEvent The stream is alive.
type PingEvent struct {
	// ServerTime A moment of the server's clock, RFC 3339 in UTC with exactly milliseconds.
	ServerTime Time `json:"serverTime"`
}

// Presence What a viewer may know of a user. Whatever is hidden from that viewer is absent.
type Presence struct {
	// Activity Shown while the user is not offline to the viewer, to those whom his privacy admits.
	Activity *Activity `json:"activity,omitempty"`

	// Chosen What the user chose, where a choice holds; shown to himself and to his contacts.
	Chosen *ChosenStatus `json:"chosen,omitempty"`

	// Custom Shown while the user is not offline to the viewer.
	Custom *Custom `json:"custom,omitempty"`

	// Devices The strongest state for each kind of device, `other` for sessions that name none; shown to the user himself and to
	// his contacts.
	Devices map[string]SessionState `json:"devices,omitempty"`

	// LastActiveAt When the user last touched any device; shown while away.
	LastActiveAt *Time `json:"lastActiveAt,omitempty"`

	// LastSeen How long ago, in words that give away less than a time does.
	LastSeen *LastSeen `json:"lastSeen,omitempty"`

	// LastSeenAt When the last heartbeat or leave came; shown while offline.
	LastSeenAt *Time `json:"lastSeenAt,omitempty"`

	// Notify Whether the user may be disturbed; false under dnd.
	Notify bool `json:"notify"`

	// Profile What the user's token says of him.
	Profile *Profile `json:"profile,omitempty"`

	// Rev The store's time in microseconds since 1970 as of which what it stands beside is true. Drop what is not newer
	// than what you have; never show it as a time of anything.
	Rev Rev `json:"rev"`

	// Status What a viewer sees a user be. `offline`: no session is alive, or more may not be known. `invisible` is seen only by
	// the user himself.
	Status Status `json:"status"`

	// UserID Whoever a token's `sub` names: 1 to 128 characters (code points), all printable and no white space but the plain
	// blank; not `.` or `..`.
	UserID UserID `json:"userId"`
}

// PresenceEvent The newest of each watched user who changed since the last of these events.
type PresenceEvent struct {
	Presences []Presence `json:"presences"`
}

// PresenceList defines model for PresenceList.
type PresenceList struct {
	Presences []Presence `json:"presences"`
}

// PresenceQuery defines model for PresenceQuery.
type PresenceQuery struct {
	// OnlyOnline Leave out whoever is offline to you.
	OnlyOnline *bool `json:"onlyOnline,omitempty"`

	// Users Whom to look at.
	Users []UserID `json:"users" validate:"required,max=500,dive,userid"`
}

// Privacy Who may see what of a user. Everybody sees himself; whom he blocks sees nothing.
type Privacy struct {
	// Activity What he does.
	Activity Audience `json:"activity" validate:"required,oneof=everyone contacts nobody"`

	// LastSeen The times and the word that tell when he was last here, or last active.
	LastSeen Audience `json:"lastSeen" validate:"required,oneof=everyone contacts nobody"`

	// Online That he is here at all. His custom status, `notify` and his profile follow it.
	Online Audience `json:"online" validate:"required,oneof=everyone contacts nobody"`

	// Typing That he types.
	Typing Audience `json:"typing" validate:"required,oneof=everyone contacts nobody"`
}

// Problem An RFC 9457 problem document.
type Problem struct {
	// Code What went wrong, in a word that does not change. Act on this, and show `title` and `detail`.
	Code ProblemCode `json:"code"`

	// Detail What went wrong this time, and what to do about it.
	Detail string `json:"detail"`

	// Errors With `validation_failed`, every field or parameter at fault; with `room_not_granted`, every room that is not granted, where the request
	// names it, or where a renewed subscription does.
	Errors []FieldError `json:"errors,omitempty"`

	// Final Only in the event `problem`; true where coming back is pointless.
	Final *bool `json:"final,omitempty"`

	// Instance The path of the request.
	Instance *string `json:"instance,omitempty"`

	// RequestID Names the request in the server's log.
	RequestID string `json:"requestId"`

	// Status The HTTP status; in the event `problem`, the one that it stands for.
	Status int32 `json:"status"`

	// Title What went wrong, the same for every problem of this code.
	Title string `json:"title"`

	// Type A link to more about problems of this code.
	Type string `json:"type"`
}

// ProblemCode What went wrong, in a word that does not change. Act on this, and show `title` and `detail`.
type ProblemCode string

// ProblemEvent An RFC 9457 problem document.
type ProblemEvent = Problem

// Profile What the user's token says of him.
type Profile struct {
	Avatar *string `json:"avatar,omitempty"`
	Name   *string `json:"name,omitempty"`
}

// ReconnectEvent The stream ends now; come back after a while, with the last `id`.
type ReconnectEvent struct {
	// AfterMs When to come back; the stream's `retry:` says the same.
	AfterMs int64 `json:"afterMs"`

	// Reason `drain`: the instance is about to stop. `maxAge`: the stream is old enough. `tokenExpired`: come back with a fresh
	// token.
	Reason ReconnectReason `json:"reason"`
}

// ReconnectReason `drain`: the instance is about to stop. `maxAge`: the stream is old enough. `tokenExpired`: come back with a fresh
// token.
type ReconnectReason string

// RecoveredEvent The store is back, and whatever changed meanwhile has been or is about to be sent.
type RecoveredEvent struct {
	// ServerTime A moment of the server's clock, RFC 3339 in UTC with exactly milliseconds.
	ServerTime Time `json:"serverTime"`
}

// Relation defines model for Relation.
type Relation struct {
	// Since Since when there is a relation to this user, as a contact or as a block.
	Since Time `json:"since"`

	// UserID Whoever a token's `sub` names: 1 to 128 characters (code points), all printable and no white space but the plain
	// blank; not `.` or `..`.
	UserID UserID `json:"userId"`
}

// RelationKind What the viewer is to the user, as the user decided. A block wins over a contact.
type RelationKind string

// Rev The store's time in microseconds since 1970 as of which what it stands beside is true. Drop what is not newer
// than what you have; never show it as a time of anything.
type Rev = int64

// RevokeRequest Which tokens of a user are revoked; with an empty body, all that there are.
type RevokeRequest struct {
	// Before Those issued before this moment, RFC 3339, not in the future and at most 400 days ago; now, where it is absent.
	Before *string `json:"before,omitempty" validate:"omitempty,datetime=2006-01-02T15:04:05Z07:00"`
}

// RoomCount defines model for RoomCount.
type RoomCount struct {
	// Sessions By how many sessions.
	Sessions int64 `json:"sessions"`

	// Users How many users are in the room.
	Users int64 `json:"users"`
}

// RoomEvent Who came into a room and who went, since the last of these events. With `joined` or `left` it amends the members that you have; with `members` it
// replaces them; with `count` alone, of a room of more than 500, it tells how many there are.
type RoomEvent struct {
	// Count How many members there are now.
	Count int64 `json:"count"`

	// Joined Those who are there now and were not, or have come back.
	Joined []Presence `json:"joined,omitempty"`

	// Left Those who were there and are not.
	Left []UserID `json:"left,omitempty"`

	// Members All who are there; empty where nobody is.
	Members []Presence `json:"members,omitzero"`

	// Rev The store's time in microseconds since 1970 as of which what it stands beside is true. Drop what is not newer
	// than what you have; never show it as a time of anything.
	Rev Rev `json:"rev"`

	// Room Any place where people meet, named by its clients: 1 to 128 characters (code points), all printable and no white space but the
	// plain blank; not `.` or `..`.
	Room RoomID `json:"room"`
}

// RoomID Any place where people meet, named by its clients: 1 to 128 characters (code points), all printable and no white space but the
// plain blank; not `.` or `..`.
type RoomID = string

// RoomList defines model for RoomList.
type RoomList struct {
	// Rooms The rooms, sorted.
	Rooms []RoomID `json:"rooms"`
}

// RoomMembers A page of the members of a room.
type RoomMembers struct {
	// Count How many there are in the room whom you may see, on all pages.
	Count int64 `json:"count"`

	// Cursor Where the next page begins; absent on the last one.
	Cursor *Cursor `json:"cursor,omitempty"`

	// Members Those of this page.
	Members []Presence `json:"members"`

	// Truncated Whether there are more pages.
	Truncated bool `json:"truncated"`
}

// RoomState Who is in a room.
type RoomState struct {
	// Count How many members there are whom you may see.
	Count int64 `json:"count"`

	// Members All members whom you may see; none in a room of more than 500, of which `count` alone is told.
	Members []Presence `json:"members"`

	// Rev The store's time in microseconds since 1970 as of which what it stands beside is true. Drop what is not newer
	// than what you have; never show it as a time of anything.
	Rev Rev `json:"rev"`
}

// RoomTransition What has become of a room.
type RoomTransition struct {
	// Rev The store's time of the transition in microseconds, greater with each of the same user or room. Drop what is not newer than what you have.
	Rev TransitionRev `json:"rev"`

	// Room Any place where people meet, named by its clients: 1 to 128 characters (code points), all printable and no white space but the
	// plain blank; not `.` or `..`.
	Room RoomID `json:"room"`
}

// RoomWebhook A transition of a room, as it is posted to the operator's backend.
type RoomWebhook struct {
	// Data What has become of a room.
	Data RoomTransition `json:"data"`

	// Timestamp When it was noticed, by the store's clock.
	Timestamp string `json:"timestamp"`

	// Type `room.occupied`: somebody is there whom everybody may see; `room.vacated`: nobody is any more.
	Type RoomWebhookType `json:"type"`
}

// RoomWebhookType `room.occupied`: somebody is there whom everybody may see; `room.vacated`: nobody is any more.
type RoomWebhookType string

// SelftestEvent One of a few events, sent a second apart.
type SelftestEvent struct {
	// N Which one this is, from 1.
	N int64 `json:"n"`

	// Of How many there are.
	Of int64 `json:"of"`

	// ServerTime When it was sent.
	ServerTime Time `json:"serverTime"`
}

// Session defines model for Session.
type Session struct {
	// Deadline When it is no longer believed; the last beat and the TTL, or the leave and the grace.
	Deadline Time `json:"deadline"`

	// Device A kind of device, in the client's words; sessions of the same kind show as one.
	Device *Device `json:"device,omitempty"`

	// LastBeatAt When its last beat came.
	LastBeatAt Time `json:"lastBeatAt"`

	// Left It has said that it leaves, and ends at its deadline unless it beats again.
	Left bool `json:"left"`

	// Rooms The rooms that it is in, by name; absent where it is in none.
	Rooms []RoomID `json:"rooms,omitempty"`

	// Seq The newest `seq` seen; absent while the client sends none.
	Seq *int64 `json:"seq,omitempty"`

	// SessionID One device or tab, named by the client: 8 to 64 letters, digits, `-` and `_`, new for each page load. Two users may
	// use the same.
	SessionID SessionID `json:"sessionId"`

	// StartedAt When its first beat came.
	StartedAt Time `json:"startedAt"`

	// State What a session counts as.
	State SessionState `json:"state"`

	// Visibility Whether the page is in front. Browsers slow the timers of a hidden one, so it gets more time.
	Visibility Visibility `json:"visibility"`
}

// SessionID One device or tab, named by the client: 8 to 64 letters, digits, `-` and `_`, new for each page load. Two users may
// use the same.
type SessionID = string

// SessionList defines model for SessionList.
type SessionList struct {
	Sessions []Session `json:"sessions"`
}

// SessionState What a session counts as.
type SessionState string

// ShownStatus What strangers see a user be.
type ShownStatus string

// SnapshotEvent How things stand, never a join or a leave. It names every watched user and room, offline and empty ones too. A long one comes
// in `parts`, and only the last has an `id`.
type SnapshotEvent struct {
	// Part Which part this is, from 1.
	Part int64 `json:"part"`

	// Parts How many there are.
	Parts     int64      `json:"parts"`
	Presences []Presence `json:"presences"`

	// Rooms Who is in each watched room, by the room.
	Rooms map[string]RoomState `json:"rooms"`

	// Scope `all` replaces everything that the client had; `added` and `changed` only what they name.
	Scope SnapshotScope `json:"scope"`

	// Typing Who types in each watched room, in all of its threads, by the room; the whole list of a room that it names.
	Typing map[string][]TypistInRoom `json:"typing"`
}

// SnapshotScope `all` replaces everything that the client had; `added` and `changed` only what they name.
type SnapshotScope string

// Stats defines model for Stats.
type Stats struct {
	// Rooms Rooms that somebody is in.
	Rooms int64 `json:"rooms"`

	// Sessions Their live sessions.
	Sessions int64 `json:"sessions"`

	// Streams Streams that are open, at all instances; others are counted as of a few seconds ago.
	Streams int64 `json:"streams"`

	// Users Users who have a live session.
	Users int64 `json:"users"`
}

// Status What a viewer sees a user be. `offline`: no session is alive, or more may not be known. `invisible` is seen only by
// the user himself.
type Status string

// StatusChoice defines model for StatusChoice.
type StatusChoice struct {
	// ExpiresAt When the choice ends, RFC 3339 with any offset, in the future and at most a year of 365 days ahead. Not
	// together with `expiresInMs`.
	ExpiresAt *string `json:"expiresAt,omitempty" validate:"omitempty,datetime=2006-01-02T15:04:05Z07:00"`

	// ExpiresInMs How long the choice keeps, up to a year of 365 days; 0 keeps it until it is cleared. Not together with `expiresAt`.
	ExpiresInMs *int64 `json:"expiresInMs,omitempty" validate:"omitempty,gte=0,lte=31536000000,excluded_with=ExpiresAt"`

	// Status What a user may choose to be.
	Status ChosenStatus `json:"status" validate:"required,oneof=online away busy dnd invisible"`
}

// StatusRule What decided the status. `no_session`: there is no live session, so it is offline. `invisible`: the user hides.
// `chosen`: a choice holds. `aggregate`: the strongest live session.
type StatusRule string

// StreamLimits How many a stream may watch.
type StreamLimits struct {
	Rooms int64 `json:"rooms"`
	Users int64 `json:"users"`
}

// Subscription What a stream watches, and the key to that stream.
type Subscription struct {
	// Events What it tells.
	Events []EventKind `json:"events"`

	// ExpiresAt When it ends, and its stream and ticket with it, unless it is renewed.
	ExpiresAt Time `json:"expiresAt"`

	// ID Names a subscription; it opens nothing.
	ID SubscriptionID `json:"id"`

	// Mode `live`: changes are sent. `quiet`: nothing of people and rooms is, until the mode changes back, which sends one compact catch-up.
	Mode SubscriptionMode `json:"mode"`

	// Rooms Which rooms it watches, each once.
	Rooms []RoomID `json:"rooms"`

	// StreamURL Opens the stream, at any instance; `/v1/stream` with the ticket.
	StreamURL string `json:"streamUrl"`

	// Ticket An opaque, read-only key to the stream of one subscription.
	Ticket Ticket `json:"ticket"`

	// Users Whom it watches, each once.
	Users []UserID `json:"users"`
}

// SubscriptionChange What to change; what is absent stays.
type SubscriptionChange struct {
	// AddRooms Which rooms to watch, too.
	AddRooms []RoomID `json:"addRooms,omitempty" validate:"omitempty,max=50,dive,userid"`

	// AddUsers Whom to watch, too.
	AddUsers []UserID `json:"addUsers,omitempty" validate:"omitempty,max=1000,dive,userid"`

	// Mode `live`: changes are sent. `quiet`: nothing of people and rooms is, until the mode changes back, which sends one compact catch-up.
	Mode *SubscriptionMode `json:"mode,omitempty" validate:"omitempty,oneof=live quiet"`

	// RemoveRooms Which rooms to watch no longer.
	RemoveRooms []RoomID `json:"removeRooms,omitempty" validate:"omitempty,max=50,dive,userid"`

	// RemoveUsers Whom to watch no longer.
	RemoveUsers []UserID `json:"removeUsers,omitempty" validate:"omitempty,max=1000,dive,userid"`
}

// SubscriptionID Names a subscription; it opens nothing.
type SubscriptionID = string

// SubscriptionMode `live`: changes are sent. `quiet`: nothing of people and rooms is, until the mode changes back, which sends one compact catch-up.
type SubscriptionMode string

// SubscriptionRequest What to watch; at least one user or room.
type SubscriptionRequest struct {
	// Events What to be told; everything where it is absent. It stays as long as the subscription.
	Events []EventKind `json:"events,omitempty" validate:"omitempty,min=1,unique,dive,oneof=presence room typing"`

	// Mode `live`: changes are sent. `quiet`: nothing of people and rooms is, until the mode changes back, which sends one compact catch-up.
	Mode *SubscriptionMode `json:"mode,omitempty" validate:"omitempty,oneof=live quiet"`

	// Rooms Which rooms to watch, and their members.
	Rooms []RoomID `json:"rooms,omitempty" validate:"omitempty,max=50,dive,userid"`

	// Users Whom to watch.
	Users []UserID `json:"users,omitempty" validate:"omitempty,max=1000,dive,userid"`
}

// ThreadID A thread of a room, named by its clients: 1 to 128 characters (code points), all printable and no white space but the
// plain blank; not `.` or `..`.
type ThreadID = string

// Ticket An opaque, read-only key to the stream of one subscription.
type Ticket = string

// Time A moment of the server's clock, RFC 3339 in UTC with exactly milliseconds.
type Time = string

// TokenExpiringEvent The token ends soon, and the stream with it; a minute ahead.
type TokenExpiringEvent struct {
	// ExpiresAt A moment of the server's clock, RFC 3339 in UTC with exactly milliseconds.
	ExpiresAt Time `json:"expiresAt"`
}

// TransitionRev The store's time of the transition in microseconds, greater with each of the same user or room. Drop what is not newer than what you have.
type TransitionRev = int64

// TypingEvent Who types in a room, or in one of its threads. It is the whole list, which replaces the one that you had.
type TypingEvent struct {
	// Room Any place where people meet, named by its clients: 1 to 128 characters (code points), all printable and no white space but the
	// plain blank; not `.` or `..`.
	Room RoomID `json:"room"`

	// ThreadID The thread; absent, the room outside of threads.
	ThreadID *ThreadID `json:"threadId,omitempty"`

	// Typing Everybody who types there; empty where nobody does any more.
	Typing []Typist `json:"typing"`
}

// TypingList defines model for TypingList.
type TypingList struct {
	// Typing One for each user and thread.
	Typing []TypistInRoom `json:"typing"`
}

// TypingMark That a user types, or no longer does.
type TypingMark struct {
	// SessionID One device or tab, named by the client: 8 to 64 letters, digits, `-` and `_`, new for each page load. Two users may
	// use the same.
	SessionID SessionID `json:"sessionId" validate:"required,sessionid"`

	// ThreadID The thread; absent, the room outside of threads.
	ThreadID *ThreadID `json:"threadId,omitempty" validate:"omitempty,userid"`

	// TTLMs How long it holds unless it is said again, from 1 to 30 seconds; the server's 6 seconds where it is absent.
	TTLMs *int64 `json:"ttlMs,omitempty" validate:"omitempty,gte=1000,lte=30000"`

	// Typing False ends it.
	Typing *bool `json:"typing,omitempty"`
}

// Typist Somebody who types in the room and thread that the event names.
type Typist struct {
	// ExpiresAt When it ends unless it is said again.
	ExpiresAt Time `json:"expiresAt"`

	// Profile What the user's token says of him.
	Profile *Profile `json:"profile,omitempty"`

	// UserID Whoever a token's `sub` names: 1 to 128 characters (code points), all printable and no white space but the plain
	// blank; not `.` or `..`.
	UserID UserID `json:"userId"`
}

// TypistInRoom Somebody who types in a room, and in which of its threads.
type TypistInRoom struct {
	// ExpiresAt When it ends unless it is said again.
	ExpiresAt Time `json:"expiresAt"`

	// Profile What the user's token says of him.
	Profile *Profile `json:"profile,omitempty"`

	// ThreadID The thread; absent, the room outside of threads.
	ThreadID *ThreadID `json:"threadId,omitempty"`

	// UserID Whoever a token's `sub` names: 1 to 128 characters (code points), all printable and no white space but the plain
	// blank; not `.` or `..`.
	UserID UserID `json:"userId"`
}

// UserID Whoever a token's `sub` names: 1 to 128 characters (code points), all printable and no white space but the plain
// blank; not `.` or `..`.
type UserID = string

// UserTransition What has become of a user, as a viewer without any relation to him sees it.
type UserTransition struct {
	// Before What strangers see a user be.
	Before ShownStatus `json:"before"`

	// Rev The store's time of the transition in microseconds, greater with each of the same user or room. Drop what is not newer than what you have.
	Rev TransitionRev `json:"rev"`

	// Status What strangers see a user be.
	Status ShownStatus `json:"status"`

	// UserID Whoever a token's `sub` names: 1 to 128 characters (code points), all printable and no white space but the plain
	// blank; not `.` or `..`.
	UserID UserID `json:"userId"`
}

// UserWebhook A transition of a user, as it is posted to the operator's backend.
type UserWebhook struct {
	// Data What has become of a user, as a viewer without any relation to him sees it.
	Data UserTransition `json:"data"`

	// Timestamp When it happened, by the store's clock.
	Timestamp string `json:"timestamp"`

	// Type `user.online`: he was offline, and is not. `user.offline`: the other way round, once his grace has passed. `status.changed`: he was
	// and is here, with another status.
	Type UserWebhookType `json:"type"`
}

// UserWebhookType `user.online`: he was offline, and is not. `user.offline`: the other way round, once his grace has passed. `status.changed`: he was
// and is here, with another status.
type UserWebhookType string

// ViewRule What decided whether the viewer may see that the user is here. `self`: everybody sees himself. `blocked`: the user blocks the viewer.
// `invisible`: the user hides from everybody. `everyone`, `contacts`, `nobody`: the user's privacy setting `online`.
type ViewRule string

// Visibility Whether the page is in front. Browsers slow the timers of a hidden one, so it gets more time.
type Visibility string

// IfMatch defines model for IfMatch.
type IfMatch = string

// IfNoneMatch defines model for IfNoneMatch.
type IfNoneMatch = string

// Limit defines model for Limit.
type Limit = int64

// Prefer defines model for Prefer.
type Prefer = string

// RoomInPath Any place where people meet, named by its clients: 1 to 128 characters (code points), all printable and no white space but the
// plain blank; not `.` or `..`.
type RoomInPath = RoomID

// SessionIDInPath One device or tab, named by the client: 8 to 64 letters, digits, `-` and `_`, new for each page load. Two users may
// use the same.
type SessionIDInPath = SessionID

// SubscriptionIDInPath Names a subscription; it opens nothing.
type SubscriptionIDInPath = SubscriptionID

// UserIDInPath Whoever a token's `sub` names: 1 to 128 characters (code points), all printable and no white space but the plain
// blank; not `.` or `..`.
type UserIDInPath = UserID

// WebhookID defines model for WebhookID.
type WebhookID = string

// WebhookSignature defines model for WebhookSignature.
type WebhookSignature = string

// WebhookTimestamp defines model for WebhookTimestamp.
type WebhookTimestamp = string

// BadParameter An RFC 9457 problem document.
type BadParameter = Problem

// BadRequest An RFC 9457 problem document.
type BadRequest = Problem

// BodyTooLarge An RFC 9457 problem document.
type BodyTooLarge = Problem

// CannotJoin An RFC 9457 problem document.
type CannotJoin = Problem

// Forbidden An RFC 9457 problem document.
type Forbidden = Problem

// ForbiddenRoom An RFC 9457 problem document.
type ForbiddenRoom = Problem

// Healthy defines model for Healthy.
type Healthy = Health

// Internal An RFC 9457 problem document.
type Internal = Problem

// NoMetrics An RFC 9457 problem document.
type NoMetrics = Problem

// NoSession An RFC 9457 problem document.
type NoSession = Problem

// NotFound An RFC 9457 problem document.
type NotFound = Problem

// NotReady An RFC 9457 problem document.
type NotReady = Problem

// OwnPresence What a viewer may know of a user. Whatever is hidden from that viewer is absent.
type OwnPresence = Presence

// OwnPrivacy Who may see what of a user. Everybody sees himself; whom he blocks sees nothing.
type OwnPrivacy = Privacy

// OwnSubscription What a stream watches, and the key to that stream.
type OwnSubscription = Subscription

// PreconditionFailed An RFC 9457 problem document.
type PreconditionFailed = Problem

// Presences defines model for Presences.
type Presences = PresenceList

// RateLimited An RFC 9457 problem document.
type RateLimited = Problem

// SubscriptionGone An RFC 9457 problem document.
type SubscriptionGone = Problem

// TooManyRelations An RFC 9457 problem document.
type TooManyRelations = Problem

// TooManyStreams An RFC 9457 problem document.
type TooManyStreams = Problem

// Unauthorized An RFC 9457 problem document.
type Unauthorized = Problem

// Unavailable An RFC 9457 problem document.
type Unavailable = Problem

// UnsupportedMediaType An RFC 9457 problem document.
type UnsupportedMediaType = Problem

// Typing That a user types, or no longer does.
type Typing = TypingMark

// bearerContextKey is the context key for bearer security scheme
type bearerContextKey string

// cookieContextKey is the context key for cookie security scheme
type cookieContextKey string

// ticketContextKey is the context key for ticket security scheme
type ticketContextKey string

// ListOnlineParams defines parameters for ListOnline.
type ListOnlineParams struct {
	// Limit How many to list at most.
	Limit *Limit `form:"limit,omitempty" json:"limit,omitempty" validate:"omitempty,gte=1,lte=500"`

	// Cursor The `cursor` of the page before; absent for the first one. Opaque.
	Cursor *Cursor `form:"cursor,omitempty" json:"cursor,omitempty" validate:"omitempty,max=1024"`
}

// ListPresencesParams defines parameters for ListPresences.
type ListPresencesParams struct {
	// User A user to look at; repeat it for more, up to 100.
	User []UserID `form:"user" json:"user" validate:"required,min=1,max=100,dive,userid"`
}

// ClearActivityParams defines parameters for ClearActivity.
type ClearActivityParams struct {
	// SessionID The session at which it ends; absent, it ends at all of them.
	SessionID *SessionID `form:"sessionId,omitempty" json:"sessionId,omitempty" validate:"omitempty,sessionid"`
}

// HeartbeatParams defines parameters for Heartbeat.
type HeartbeatParams struct {
	// Prefer RFC 7240; `return=minimal` asks for a 204 in place of the body. Other preferences are ignored.
	Prefer *Prefer `json:"Prefer,omitempty"`
}

// LeaveTextBody defines parameters for Leave.
type LeaveTextBody = string

// SetPrivacyParams defines parameters for SetPrivacy.
type SetPrivacyParams struct {
	// IfMatch The `ETag` of the settings that you have, or several, or `*`, to change them only if they are still the same.
	IfMatch *IfMatch `json:"If-Match,omitempty"`
}

// GetPresenceParams defines parameters for GetPresence.
type GetPresenceParams struct {
	// IfNoneMatch The `ETag` of the presence that you have, such as `"b1f3Zs0Y"`, or several, or `*`.
	IfNoneMatch *IfNoneMatch `json:"If-None-Match,omitempty"`
}

// ExplainPresenceParams defines parameters for ExplainPresence.
type ExplainPresenceParams struct {
	// Viewer In whose eyes.
	Viewer *UserID `form:"viewer,omitempty" json:"viewer,omitempty" validate:"omitempty,userid"`
}

// LeaveRoomParams defines parameters for LeaveRoom.
type LeaveRoomParams struct {
	// SessionID The session that goes out; absent, all of them do.
	SessionID *SessionID `form:"sessionId,omitempty" json:"sessionId,omitempty" validate:"omitempty,sessionid"`
}

// JoinRoomParams defines parameters for JoinRoom.
type JoinRoomParams struct {
	// SessionID The session that comes in.
	SessionID SessionID `form:"sessionId" json:"sessionId" validate:"required,sessionid"`
}

// ListMembersParams defines parameters for ListMembers.
type ListMembersParams struct {
	// Limit How many to list at most.
	Limit *Limit `form:"limit,omitempty" json:"limit,omitempty" validate:"omitempty,gte=1,lte=500"`

	// Cursor The `cursor` of the page before; absent for the first one. Opaque.
	Cursor *Cursor `form:"cursor,omitempty" json:"cursor,omitempty" validate:"omitempty,max=1024"`
}

// StopTypingParams defines parameters for StopTyping.
type StopTypingParams struct {
	// SessionID The session that says so.
	SessionID *SessionID `form:"sessionId,omitempty" json:"sessionId,omitempty" validate:"omitempty,sessionid"`

	// ThreadID The thread in which the mark ends; absent, the one outside of threads ends.
	ThreadID *ThreadID `form:"threadId,omitempty" json:"threadId,omitempty" validate:"omitempty,userid"`
}

// ListTypingParams defines parameters for ListTyping.
type ListTypingParams struct {
	// ThreadID Only those who type in this thread; absent, all of the room.
	ThreadID *ThreadID `form:"threadId,omitempty" json:"threadId,omitempty" validate:"omitempty,userid"`
}

// OpenStreamParams defines parameters for OpenStream.
type OpenStreamParams struct {
	// User A user to watch; repeat it for more, up to 100. Nothing to watch is a 400.
	User []UserID `form:"user,omitempty" json:"user,omitempty" validate:"omitempty,max=100,dive,userid"`

	// Room A room to watch; repeat it for more, up to 50.
	Room []RoomID `form:"room,omitempty" json:"room,omitempty" validate:"omitempty,max=50,dive,userid"`

	// Ticket The `ticket` of a subscription, which says what to watch; not together with `user` or `room`. It stands in place of a token:
	// one that is sent besides is not looked at.
	Ticket *Ticket `form:"ticket,omitempty" json:"ticket,omitempty" validate:"omitempty,max=256,excluded_with=User Room"`

	// LastEventID The last event id seen, for clients that cannot set the header. The header wins.
	LastEventID *EventID `form:"lastEventId,omitempty" json:"lastEventId,omitempty"`

	// Errors How a refusal looks, as an HTTP status or as an event of the stream.
	Errors *ErrorsMode `form:"errors,omitempty" json:"errors,omitempty" validate:"omitempty,oneof=http stream"`

	// LastEventIDHeader The last event id seen; EventSource sends it by itself. One that cannot be read is the same as none.
	LastEventIDHeader *EventID `json:"Last-Event-ID,omitempty"`
}

// RoomWebhookParams defines parameters for RoomWebhook.
type RoomWebhookParams struct {
	// WebhookID Names the event. It is the same whenever the same event is posted again, so whoever remembers it takes each once.
	WebhookID WebhookID `json:"webhook-id"`

	// WebhookTimestamp When this was sent, in seconds since 1970. Refuse what is older than some minutes.
	WebhookTimestamp WebhookTimestamp `json:"webhook-timestamp"`

	// WebhookSignature `v1,` and the HMAC-SHA256, in base64, of id, timestamp and body joined by full stops, as Standard Webhooks has it. With several secrets there are several,
	// separated by a blank; any that fits will do.
	WebhookSignature WebhookSignature `json:"webhook-signature"`
}

// UserWebhookParams defines parameters for UserWebhook.
type UserWebhookParams struct {
	// WebhookID Names the event. It is the same whenever the same event is posted again, so whoever remembers it takes each once.
	WebhookID WebhookID `json:"webhook-id"`

	// WebhookTimestamp When this was sent, in seconds since 1970. Refuse what is older than some minutes.
	WebhookTimestamp WebhookTimestamp `json:"webhook-timestamp"`

	// WebhookSignature `v1,` and the HMAC-SHA256, in base64, of id, timestamp and body joined by full stops, as Standard Webhooks has it. With several secrets there are several,
	// separated by a blank; any that fits will do.
	WebhookSignature WebhookSignature `json:"webhook-signature"`
}

// SetPresenceJSONRequestBody defines body for SetPresence for application/json ContentType.
type SetPresenceJSONRequestBody = AdminBeat

// RevokeTokensJSONRequestBody defines body for RevokeTokens for application/json ContentType.
type RevokeTokensJSONRequestBody = RevokeRequest

// SetActivityJSONRequestBody defines body for SetActivity for application/json ContentType.
type SetActivityJSONRequestBody = ActivityChoice

// SetCustomJSONRequestBody defines body for SetCustom for application/json ContentType.
type SetCustomJSONRequestBody = CustomChoice

// HeartbeatJSONRequestBody defines body for Heartbeat for application/json ContentType.
type HeartbeatJSONRequestBody = Beat

// LeaveJSONRequestBody defines body for Leave for application/json ContentType.
type LeaveJSONRequestBody = Leave

// LeaveTextRequestBody defines body for Leave for text/plain ContentType.
type LeaveTextRequestBody = LeaveTextBody

// SetPrivacyJSONRequestBody defines body for SetPrivacy for application/json ContentType.
type SetPrivacyJSONRequestBody = Privacy

// QueryPresencesJSONRequestBody defines body for QueryPresences for application/json ContentType.
type QueryPresencesJSONRequestBody = PresenceQuery

// SetStatusJSONRequestBody defines body for SetStatus for application/json ContentType.
type SetStatusJSONRequestBody = StatusChoice

// PostTypingJSONRequestBody defines body for PostTyping for application/json ContentType.
type PostTypingJSONRequestBody = TypingMark

// SetTypingJSONRequestBody defines body for SetTyping for application/json ContentType.
type SetTypingJSONRequestBody = TypingMark

// CreateSubscriptionJSONRequestBody defines body for CreateSubscription for application/json ContentType.
type CreateSubscriptionJSONRequestBody = SubscriptionRequest

// ChangeSubscriptionJSONRequestBody defines body for ChangeSubscription for application/json ContentType.
type ChangeSubscriptionJSONRequestBody = SubscriptionChange

// RoomWebhookJSONRequestBody defines body for RoomWebhook for application/json ContentType.
type RoomWebhookJSONRequestBody = RoomWebhook

// UserWebhookJSONRequestBody defines body for UserWebhook for application/json ContentType.
type UserWebhookJSONRequestBody = UserWebhook

// ServerInterface represents all server handlers.
type ServerInterface interface {
	// GetHome The first page
	// (GET /)
	GetHome(w http.ResponseWriter, r *http.Request)
	// GetDocs Read the documentation
	// (GET /docs)
	GetDocs(w http.ResponseWriter, r *http.Request)
	// GetHealth Is the process alive?
	// (GET /healthz)
	GetHealth(w http.ResponseWriter, r *http.Request)
	// GetMetrics Measure the instance
	// (GET /metrics)
	GetMetrics(w http.ResponseWriter, r *http.Request)
	// GetContract Read this document
	// (GET /openapi.yaml)
	GetContract(w http.ResponseWriter, r *http.Request)
	// GetReadiness Should it get traffic?
	// (GET /readyz)
	GetReadiness(w http.ResponseWriter, r *http.Request)
	// ListOnline List who is online
	// (GET /v1/admin/online)
	ListOnline(w http.ResponseWriter, r *http.Request, params ListOnlineParams)
	// SetPresence Be the heartbeat of a user
	// (PUT /v1/admin/presence/{userId})
	SetPresence(w http.ResponseWriter, r *http.Request, userID UserIDInPath)
	// RevokeTokens Revoke a user's tokens
	// (POST /v1/admin/users/{userId}/revoke)
	RevokeTokens(w http.ResponseWriter, r *http.Request, userID UserIDInPath)
	// EndSessions Force a user out
	// (DELETE /v1/admin/users/{userId}/sessions)
	EndSessions(w http.ResponseWriter, r *http.Request, userID UserIDInPath)
	// ListBlocks List your blocks
	// (GET /v1/blocks)
	ListBlocks(w http.ResponseWriter, r *http.Request)
	// RemoveBlock Be seen by a user again
	// (DELETE /v1/blocks/{userId})
	RemoveBlock(w http.ResponseWriter, r *http.Request, userID UserIDInPath)
	// AddBlock Be offline to a user
	// (PUT /v1/blocks/{userId})
	AddBlock(w http.ResponseWriter, r *http.Request, userID UserIDInPath)
	// ListContacts List your contacts
	// (GET /v1/contacts)
	ListContacts(w http.ResponseWriter, r *http.Request)
	// RemoveContact Let a user see no more of you than others do
	// (DELETE /v1/contacts/{userId})
	RemoveContact(w http.ResponseWriter, r *http.Request, userID UserIDInPath)
	// AddContact Let a user see more of you
	// (PUT /v1/contacts/{userId})
	AddContact(w http.ResponseWriter, r *http.Request, userID UserIDInPath)
	// ListPresences See a few users
	// (GET /v1/presence)
	ListPresences(w http.ResponseWriter, r *http.Request, params ListPresencesParams)
	// ClearActivity Say that you no longer do it
	// (DELETE /v1/presence/activity)
	ClearActivity(w http.ResponseWriter, r *http.Request, params ClearActivityParams)
	// SetActivity Say what you are doing
	// (PUT /v1/presence/activity)
	SetActivity(w http.ResponseWriter, r *http.Request)
	// ClearCustom Say nothing of yourself any more
	// (DELETE /v1/presence/custom)
	ClearCustom(w http.ResponseWriter, r *http.Request)
	// SetCustom Say something of yourself
	// (PUT /v1/presence/custom)
	SetCustom(w http.ResponseWriter, r *http.Request)
	// Heartbeat Say that a session is alive
	// (POST /v1/presence/heartbeat)
	Heartbeat(w http.ResponseWriter, r *http.Request, params HeartbeatParams)
	// Leave Say that a session is about to end
	// (POST /v1/presence/leave)
	Leave(w http.ResponseWriter, r *http.Request)
	// GetMe See yourself as you are
	// (GET /v1/presence/me)
	GetMe(w http.ResponseWriter, r *http.Request)
	// ListMySessions List your sessions
	// (GET /v1/presence/me/sessions)
	ListMySessions(w http.ResponseWriter, r *http.Request)
	// EndMySession End a session at once
	// (DELETE /v1/presence/me/sessions/{sessionId})
	EndMySession(w http.ResponseWriter, r *http.Request, sessionID SessionIDInPath)
	// GetPrivacy See who may see what of you
	// (GET /v1/presence/privacy)
	GetPrivacy(w http.ResponseWriter, r *http.Request)
	// SetPrivacy Decide who may see what of you
	// (PUT /v1/presence/privacy)
	SetPrivacy(w http.ResponseWriter, r *http.Request, params SetPrivacyParams)
	// QueryPresences See many users
	// (POST /v1/presence/query)
	QueryPresences(w http.ResponseWriter, r *http.Request)
	// ClearStatus Return to the automatic status
	// (DELETE /v1/presence/status)
	ClearStatus(w http.ResponseWriter, r *http.Request)
	// SetStatus Choose a status
	// (PUT /v1/presence/status)
	SetStatus(w http.ResponseWriter, r *http.Request)
	// GetPresence See one user
	// (GET /v1/presence/{userId})
	GetPresence(w http.ResponseWriter, r *http.Request, userID UserIDInPath, params GetPresenceParams)
	// ExplainPresence See why a user is what he is
	// (GET /v1/presence/{userId}/explain)
	ExplainPresence(w http.ResponseWriter, r *http.Request, userID UserIDInPath, params ExplainPresenceParams)
	// CountMembers Count who is in a room
	// (GET /v1/rooms/{room}/count)
	CountMembers(w http.ResponseWriter, r *http.Request, room RoomInPath)
	// LeaveRoom Go out of a room
	// (DELETE /v1/rooms/{room}/members/me)
	LeaveRoom(w http.ResponseWriter, r *http.Request, room RoomInPath, params LeaveRoomParams)
	// JoinRoom Come into a room
	// (PUT /v1/rooms/{room}/members/me)
	JoinRoom(w http.ResponseWriter, r *http.Request, room RoomInPath, params JoinRoomParams)
	// ListMembers See who is in a room
	// (GET /v1/rooms/{room}/presence)
	ListMembers(w http.ResponseWriter, r *http.Request, room RoomInPath, params ListMembersParams)
	// StopTyping Say that you no longer type
	// (DELETE /v1/rooms/{room}/typing)
	StopTyping(w http.ResponseWriter, r *http.Request, room RoomInPath, params StopTypingParams)
	// ListTyping See who types in a room
	// (GET /v1/rooms/{room}/typing)
	ListTyping(w http.ResponseWriter, r *http.Request, room RoomInPath, params ListTypingParams)
	// PostTyping Say that you type, by POST
	// (POST /v1/rooms/{room}/typing)
	PostTyping(w http.ResponseWriter, r *http.Request, room RoomInPath)
	// SetTyping Say that you type
	// (PUT /v1/rooms/{room}/typing)
	SetTyping(w http.ResponseWriter, r *http.Request, room RoomInPath)
	// GetStats Count what there is
	// (GET /v1/stats)
	GetStats(w http.ResponseWriter, r *http.Request)
	// OpenStream Watch users and rooms as they change
	// (GET /v1/stream)
	OpenStream(w http.ResponseWriter, r *http.Request, params OpenStreamParams)
	// OpenSelftest See whether streams get through
	// (GET /v1/stream/selftest)
	OpenSelftest(w http.ResponseWriter, r *http.Request)
	// CreateSubscription Say what to watch
	// (POST /v1/subscriptions)
	CreateSubscription(w http.ResponseWriter, r *http.Request)
	// EndSubscription Watch no longer
	// (DELETE /v1/subscriptions/{id})
	EndSubscription(w http.ResponseWriter, r *http.Request, id SubscriptionIDInPath)
	// GetSubscription See what a subscription watches
	// (GET /v1/subscriptions/{id})
	GetSubscription(w http.ResponseWriter, r *http.Request, id SubscriptionIDInPath)
	// ChangeSubscription Change what a subscription watches
	// (PATCH /v1/subscriptions/{id})
	ChangeSubscription(w http.ResponseWriter, r *http.Request, id SubscriptionIDInPath)
	// RenewSubscription Go on watching under a fresh token
	// (POST /v1/subscriptions/{id}/renew)
	RenewSubscription(w http.ResponseWriter, r *http.Request, id SubscriptionIDInPath)
	// ListRoomsOfUser See where a user is
	// (GET /v1/users/{userId}/rooms)
	ListRoomsOfUser(w http.ResponseWriter, r *http.Request, userID UserIDInPath)
}

// Unimplemented server implementation that returns http.StatusNotImplemented for each endpoint.

type Unimplemented struct{}

// GetHome The first page
// (GET /)
func (_ Unimplemented) GetHome(w http.ResponseWriter, r *http.Request) {
	w.WriteHeader(http.StatusNotImplemented)
}

// GetDocs Read the documentation
// (GET /docs)
func (_ Unimplemented) GetDocs(w http.ResponseWriter, r *http.Request) {
	w.WriteHeader(http.StatusNotImplemented)
}

// GetHealth Is the process alive?
// (GET /healthz)
func (_ Unimplemented) GetHealth(w http.ResponseWriter, r *http.Request) {
	w.WriteHeader(http.StatusNotImplemented)
}

// GetMetrics Measure the instance
// (GET /metrics)
func (_ Unimplemented) GetMetrics(w http.ResponseWriter, r *http.Request) {
	w.WriteHeader(http.StatusNotImplemented)
}

// GetContract Read this document
// (GET /openapi.yaml)
func (_ Unimplemented) GetContract(w http.ResponseWriter, r *http.Request) {
	w.WriteHeader(http.StatusNotImplemented)
}

// GetReadiness Should it get traffic?
// (GET /readyz)
func (_ Unimplemented) GetReadiness(w http.ResponseWriter, r *http.Request) {
	w.WriteHeader(http.StatusNotImplemented)
}

// ListOnline List who is online
// (GET /v1/admin/online)
func (_ Unimplemented) ListOnline(w http.ResponseWriter, r *http.Request, params ListOnlineParams) {
	w.WriteHeader(http.StatusNotImplemented)
}

// SetPresence Be the heartbeat of a user
// (PUT /v1/admin/presence/{userId})
func (_ Unimplemented) SetPresence(w http.ResponseWriter, r *http.Request, userID UserIDInPath) {
	w.WriteHeader(http.StatusNotImplemented)
}

// RevokeTokens Revoke a user's tokens
// (POST /v1/admin/users/{userId}/revoke)
func (_ Unimplemented) RevokeTokens(w http.ResponseWriter, r *http.Request, userID UserIDInPath) {
	w.WriteHeader(http.StatusNotImplemented)
}

// EndSessions Force a user out
// (DELETE /v1/admin/users/{userId}/sessions)
func (_ Unimplemented) EndSessions(w http.ResponseWriter, r *http.Request, userID UserIDInPath) {
	w.WriteHeader(http.StatusNotImplemented)
}

// ListBlocks List your blocks
// (GET /v1/blocks)
func (_ Unimplemented) ListBlocks(w http.ResponseWriter, r *http.Request) {
	w.WriteHeader(http.StatusNotImplemented)
}

// RemoveBlock Be seen by a user again
// (DELETE /v1/blocks/{userId})
func (_ Unimplemented) RemoveBlock(w http.ResponseWriter, r *http.Request, userID UserIDInPath) {
	w.WriteHeader(http.StatusNotImplemented)
}

// AddBlock Be offline to a user
// (PUT /v1/blocks/{userId})
func (_ Unimplemented) AddBlock(w http.ResponseWriter, r *http.Request, userID UserIDInPath) {
	w.WriteHeader(http.StatusNotImplemented)
}

// ListContacts List your contacts
// (GET /v1/contacts)
func (_ Unimplemented) ListContacts(w http.ResponseWriter, r *http.Request) {
	w.WriteHeader(http.StatusNotImplemented)
}

// RemoveContact Let a user see no more of you than others do
// (DELETE /v1/contacts/{userId})
func (_ Unimplemented) RemoveContact(w http.ResponseWriter, r *http.Request, userID UserIDInPath) {
	w.WriteHeader(http.StatusNotImplemented)
}

// AddContact Let a user see more of you
// (PUT /v1/contacts/{userId})
func (_ Unimplemented) AddContact(w http.ResponseWriter, r *http.Request, userID UserIDInPath) {
	w.WriteHeader(http.StatusNotImplemented)
}

// ListPresences See a few users
// (GET /v1/presence)
func (_ Unimplemented) ListPresences(w http.ResponseWriter, r *http.Request, params ListPresencesParams) {
	w.WriteHeader(http.StatusNotImplemented)
}

// ClearActivity Say that you no longer do it
// (DELETE /v1/presence/activity)
func (_ Unimplemented) ClearActivity(w http.ResponseWriter, r *http.Request, params ClearActivityParams) {
	w.WriteHeader(http.StatusNotImplemented)
}

// SetActivity Say what you are doing
// (PUT /v1/presence/activity)
func (_ Unimplemented) SetActivity(w http.ResponseWriter, r *http.Request) {
	w.WriteHeader(http.StatusNotImplemented)
}

// ClearCustom Say nothing of yourself any more
// (DELETE /v1/presence/custom)
func (_ Unimplemented) ClearCustom(w http.ResponseWriter, r *http.Request) {
	w.WriteHeader(http.StatusNotImplemented)
}

// SetCustom Say something of yourself
// (PUT /v1/presence/custom)
func (_ Unimplemented) SetCustom(w http.ResponseWriter, r *http.Request) {
	w.WriteHeader(http.StatusNotImplemented)
}

// Heartbeat Say that a session is alive
// (POST /v1/presence/heartbeat)
func (_ Unimplemented) Heartbeat(w http.ResponseWriter, r *http.Request, params HeartbeatParams) {
	w.WriteHeader(http.StatusNotImplemented)
}

// Leave Say that a session is about to end
// (POST /v1/presence/leave)
func (_ Unimplemented) Leave(w http.ResponseWriter, r *http.Request) {
	w.WriteHeader(http.StatusNotImplemented)
}

// GetMe See yourself as you are
// (GET /v1/presence/me)
func (_ Unimplemented) GetMe(w http.ResponseWriter, r *http.Request) {
	w.WriteHeader(http.StatusNotImplemented)
}

// ListMySessions List your sessions
// (GET /v1/presence/me/sessions)
func (_ Unimplemented) ListMySessions(w http.ResponseWriter, r *http.Request) {
	w.WriteHeader(http.StatusNotImplemented)
}

// EndMySession End a session at once
// (DELETE /v1/presence/me/sessions/{sessionId})
func (_ Unimplemented) EndMySession(w http.ResponseWriter, r *http.Request, sessionID SessionIDInPath) {
	w.WriteHeader(http.StatusNotImplemented)
}

// GetPrivacy See who may see what of you
// (GET /v1/presence/privacy)
func (_ Unimplemented) GetPrivacy(w http.ResponseWriter, r *http.Request) {
	w.WriteHeader(http.StatusNotImplemented)
}

// SetPrivacy Decide who may see what of you
// (PUT /v1/presence/privacy)
func (_ Unimplemented) SetPrivacy(w http.ResponseWriter, r *http.Request, params SetPrivacyParams) {
	w.WriteHeader(http.StatusNotImplemented)
}

// QueryPresences See many users
// (POST /v1/presence/query)
func (_ Unimplemented) QueryPresences(w http.ResponseWriter, r *http.Request) {
	w.WriteHeader(http.StatusNotImplemented)
}

// ClearStatus Return to the automatic status
// (DELETE /v1/presence/status)
func (_ Unimplemented) ClearStatus(w http.ResponseWriter, r *http.Request) {
	w.WriteHeader(http.StatusNotImplemented)
}

// SetStatus Choose a status
// (PUT /v1/presence/status)
func (_ Unimplemented) SetStatus(w http.ResponseWriter, r *http.Request) {
	w.WriteHeader(http.StatusNotImplemented)
}

// GetPresence See one user
// (GET /v1/presence/{userId})
func (_ Unimplemented) GetPresence(w http.ResponseWriter, r *http.Request, userID UserIDInPath, params GetPresenceParams) {
	w.WriteHeader(http.StatusNotImplemented)
}

// ExplainPresence See why a user is what he is
// (GET /v1/presence/{userId}/explain)
func (_ Unimplemented) ExplainPresence(w http.ResponseWriter, r *http.Request, userID UserIDInPath, params ExplainPresenceParams) {
	w.WriteHeader(http.StatusNotImplemented)
}

// CountMembers Count who is in a room
// (GET /v1/rooms/{room}/count)
func (_ Unimplemented) CountMembers(w http.ResponseWriter, r *http.Request, room RoomInPath) {
	w.WriteHeader(http.StatusNotImplemented)
}

// LeaveRoom Go out of a room
// (DELETE /v1/rooms/{room}/members/me)
func (_ Unimplemented) LeaveRoom(w http.ResponseWriter, r *http.Request, room RoomInPath, params LeaveRoomParams) {
	w.WriteHeader(http.StatusNotImplemented)
}

// JoinRoom Come into a room
// (PUT /v1/rooms/{room}/members/me)
func (_ Unimplemented) JoinRoom(w http.ResponseWriter, r *http.Request, room RoomInPath, params JoinRoomParams) {
	w.WriteHeader(http.StatusNotImplemented)
}

// ListMembers See who is in a room
// (GET /v1/rooms/{room}/presence)
func (_ Unimplemented) ListMembers(w http.ResponseWriter, r *http.Request, room RoomInPath, params ListMembersParams) {
	w.WriteHeader(http.StatusNotImplemented)
}

// StopTyping Say that you no longer type
// (DELETE /v1/rooms/{room}/typing)
func (_ Unimplemented) StopTyping(w http.ResponseWriter, r *http.Request, room RoomInPath, params StopTypingParams) {
	w.WriteHeader(http.StatusNotImplemented)
}

// ListTyping See who types in a room
// (GET /v1/rooms/{room}/typing)
func (_ Unimplemented) ListTyping(w http.ResponseWriter, r *http.Request, room RoomInPath, params ListTypingParams) {
	w.WriteHeader(http.StatusNotImplemented)
}

// PostTyping Say that you type, by POST
// (POST /v1/rooms/{room}/typing)
func (_ Unimplemented) PostTyping(w http.ResponseWriter, r *http.Request, room RoomInPath) {
	w.WriteHeader(http.StatusNotImplemented)
}

// SetTyping Say that you type
// (PUT /v1/rooms/{room}/typing)
func (_ Unimplemented) SetTyping(w http.ResponseWriter, r *http.Request, room RoomInPath) {
	w.WriteHeader(http.StatusNotImplemented)
}

// GetStats Count what there is
// (GET /v1/stats)
func (_ Unimplemented) GetStats(w http.ResponseWriter, r *http.Request) {
	w.WriteHeader(http.StatusNotImplemented)
}

// OpenStream Watch users and rooms as they change
// (GET /v1/stream)
func (_ Unimplemented) OpenStream(w http.ResponseWriter, r *http.Request, params OpenStreamParams) {
	w.WriteHeader(http.StatusNotImplemented)
}

// OpenSelftest See whether streams get through
// (GET /v1/stream/selftest)
func (_ Unimplemented) OpenSelftest(w http.ResponseWriter, r *http.Request) {
	w.WriteHeader(http.StatusNotImplemented)
}

// CreateSubscription Say what to watch
// (POST /v1/subscriptions)
func (_ Unimplemented) CreateSubscription(w http.ResponseWriter, r *http.Request) {
	w.WriteHeader(http.StatusNotImplemented)
}

// EndSubscription Watch no longer
// (DELETE /v1/subscriptions/{id})
func (_ Unimplemented) EndSubscription(w http.ResponseWriter, r *http.Request, id SubscriptionIDInPath) {
	w.WriteHeader(http.StatusNotImplemented)
}

// GetSubscription See what a subscription watches
// (GET /v1/subscriptions/{id})
func (_ Unimplemented) GetSubscription(w http.ResponseWriter, r *http.Request, id SubscriptionIDInPath) {
	w.WriteHeader(http.StatusNotImplemented)
}

// ChangeSubscription Change what a subscription watches
// (PATCH /v1/subscriptions/{id})
func (_ Unimplemented) ChangeSubscription(w http.ResponseWriter, r *http.Request, id SubscriptionIDInPath) {
	w.WriteHeader(http.StatusNotImplemented)
}

// RenewSubscription Go on watching under a fresh token
// (POST /v1/subscriptions/{id}/renew)
func (_ Unimplemented) RenewSubscription(w http.ResponseWriter, r *http.Request, id SubscriptionIDInPath) {
	w.WriteHeader(http.StatusNotImplemented)
}

// ListRoomsOfUser See where a user is
// (GET /v1/users/{userId}/rooms)
func (_ Unimplemented) ListRoomsOfUser(w http.ResponseWriter, r *http.Request, userID UserIDInPath) {
	w.WriteHeader(http.StatusNotImplemented)
}

// ServerInterfaceWrapper converts contexts to parameters.
type ServerInterfaceWrapper struct {
	Handler            ServerInterface
	HandlerMiddlewares []MiddlewareFunc
	ErrorHandlerFunc   func(w http.ResponseWriter, r *http.Request, err error)
}

type MiddlewareFunc func(http.Handler) http.Handler

// GetHome operation middleware
func (siw *ServerInterfaceWrapper) GetHome(w http.ResponseWriter, r *http.Request) {

	handler := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		siw.Handler.GetHome(w, r)
	}))

	for _, middleware := range siw.HandlerMiddlewares {
		handler = middleware(handler)
	}

	handler.ServeHTTP(w, r)
}

// GetDocs operation middleware
func (siw *ServerInterfaceWrapper) GetDocs(w http.ResponseWriter, r *http.Request) {

	handler := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		siw.Handler.GetDocs(w, r)
	}))

	for _, middleware := range siw.HandlerMiddlewares {
		handler = middleware(handler)
	}

	handler.ServeHTTP(w, r)
}

// GetHealth operation middleware
func (siw *ServerInterfaceWrapper) GetHealth(w http.ResponseWriter, r *http.Request) {

	handler := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		siw.Handler.GetHealth(w, r)
	}))

	for _, middleware := range siw.HandlerMiddlewares {
		handler = middleware(handler)
	}

	handler.ServeHTTP(w, r)
}

// GetMetrics operation middleware
func (siw *ServerInterfaceWrapper) GetMetrics(w http.ResponseWriter, r *http.Request) {

	handler := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		siw.Handler.GetMetrics(w, r)
	}))

	for _, middleware := range siw.HandlerMiddlewares {
		handler = middleware(handler)
	}

	handler.ServeHTTP(w, r)
}

// GetContract operation middleware
func (siw *ServerInterfaceWrapper) GetContract(w http.ResponseWriter, r *http.Request) {

	handler := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		siw.Handler.GetContract(w, r)
	}))

	for _, middleware := range siw.HandlerMiddlewares {
		handler = middleware(handler)
	}

	handler.ServeHTTP(w, r)
}

// GetReadiness operation middleware
func (siw *ServerInterfaceWrapper) GetReadiness(w http.ResponseWriter, r *http.Request) {

	handler := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		siw.Handler.GetReadiness(w, r)
	}))

	for _, middleware := range siw.HandlerMiddlewares {
		handler = middleware(handler)
	}

	handler.ServeHTTP(w, r)
}

// ListOnline operation middleware
func (siw *ServerInterfaceWrapper) ListOnline(w http.ResponseWriter, r *http.Request) {

	var err error
	_ = err

	ctx := r.Context()

	ctx = context.WithValue(ctx, BearerScopes, []string{"presence:admin"})

	ctx = context.WithValue(ctx, CookieScopes, []string{"presence:admin"})

	r = r.WithContext(ctx)

	// Parameter object where we will unmarshal all parameters from the context
	var params ListOnlineParams

	// ------------- Optional query parameter "limit" -------------

	err = runtime.BindQueryParameterWithOptions("form", true, false, "limit", QueryOf(r), &params.Limit, runtime.BindQueryParameterOptions{Type: "integer", Format: "int64"})
	if err != nil {
		var requiredError *runtime.RequiredParameterError
		if errors.As(err, &requiredError) {
			siw.ErrorHandlerFunc(w, r, &RequiredParamError{ParamName: "limit"})
		} else {
			siw.ErrorHandlerFunc(w, r, &InvalidParamFormatError{ParamName: "limit", Err: err})
		}
		return
	}

	// ------------- Optional query parameter "cursor" -------------

	err = runtime.BindQueryParameterWithOptions("form", true, false, "cursor", QueryOf(r), &params.Cursor, runtime.BindQueryParameterOptions{Type: "string", Format: ""})
	if err != nil {
		var requiredError *runtime.RequiredParameterError
		if errors.As(err, &requiredError) {
			siw.ErrorHandlerFunc(w, r, &RequiredParamError{ParamName: "cursor"})
		} else {
			siw.ErrorHandlerFunc(w, r, &InvalidParamFormatError{ParamName: "cursor", Err: err})
		}
		return
	}

	handler := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		siw.Handler.ListOnline(w, r, params)
	}))

	for _, middleware := range siw.HandlerMiddlewares {
		handler = middleware(handler)
	}

	handler.ServeHTTP(w, r)
}

// SetPresence operation middleware
func (siw *ServerInterfaceWrapper) SetPresence(w http.ResponseWriter, r *http.Request) {

	var err error
	_ = err

	// ------------- Path parameter "userId" -------------
	var userID UserIDInPath

	err = runtime.BindStyledParameterWithOptions("simple", "userId", chi.URLParam(r, "userId"), &userID, runtime.BindStyledParameterOptions{ParamLocation: runtime.ParamLocationPath, Explode: false, Required: true, Type: "string", Format: "", ValueIsUnescaped: r.URL.RawPath == ""})
	if err != nil {
		siw.ErrorHandlerFunc(w, r, &InvalidParamFormatError{ParamName: "userId", Err: err})
		return
	}

	ctx := r.Context()

	ctx = context.WithValue(ctx, BearerScopes, []string{"presence:admin"})

	ctx = context.WithValue(ctx, CookieScopes, []string{"presence:admin"})

	r = r.WithContext(ctx)

	handler := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		siw.Handler.SetPresence(w, r, userID)
	}))

	for _, middleware := range siw.HandlerMiddlewares {
		handler = middleware(handler)
	}

	handler.ServeHTTP(w, r)
}

// RevokeTokens operation middleware
func (siw *ServerInterfaceWrapper) RevokeTokens(w http.ResponseWriter, r *http.Request) {

	var err error
	_ = err

	// ------------- Path parameter "userId" -------------
	var userID UserIDInPath

	err = runtime.BindStyledParameterWithOptions("simple", "userId", chi.URLParam(r, "userId"), &userID, runtime.BindStyledParameterOptions{ParamLocation: runtime.ParamLocationPath, Explode: false, Required: true, Type: "string", Format: "", ValueIsUnescaped: r.URL.RawPath == ""})
	if err != nil {
		siw.ErrorHandlerFunc(w, r, &InvalidParamFormatError{ParamName: "userId", Err: err})
		return
	}

	ctx := r.Context()

	ctx = context.WithValue(ctx, BearerScopes, []string{"presence:admin"})

	ctx = context.WithValue(ctx, CookieScopes, []string{"presence:admin"})

	r = r.WithContext(ctx)

	handler := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		siw.Handler.RevokeTokens(w, r, userID)
	}))

	for _, middleware := range siw.HandlerMiddlewares {
		handler = middleware(handler)
	}

	handler.ServeHTTP(w, r)
}

// EndSessions operation middleware
func (siw *ServerInterfaceWrapper) EndSessions(w http.ResponseWriter, r *http.Request) {

	var err error
	_ = err

	// ------------- Path parameter "userId" -------------
	var userID UserIDInPath

	err = runtime.BindStyledParameterWithOptions("simple", "userId", chi.URLParam(r, "userId"), &userID, runtime.BindStyledParameterOptions{ParamLocation: runtime.ParamLocationPath, Explode: false, Required: true, Type: "string", Format: "", ValueIsUnescaped: r.URL.RawPath == ""})
	if err != nil {
		siw.ErrorHandlerFunc(w, r, &InvalidParamFormatError{ParamName: "userId", Err: err})
		return
	}

	ctx := r.Context()

	ctx = context.WithValue(ctx, BearerScopes, []string{"presence:admin"})

	ctx = context.WithValue(ctx, CookieScopes, []string{"presence:admin"})

	r = r.WithContext(ctx)

	handler := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		siw.Handler.EndSessions(w, r, userID)
	}))

	for _, middleware := range siw.HandlerMiddlewares {
		handler = middleware(handler)
	}

	handler.ServeHTTP(w, r)
}

// ListBlocks operation middleware
func (siw *ServerInterfaceWrapper) ListBlocks(w http.ResponseWriter, r *http.Request) {

	ctx := r.Context()

	ctx = context.WithValue(ctx, BearerScopes, []string{"presence:read"})

	ctx = context.WithValue(ctx, CookieScopes, []string{"presence:read"})

	r = r.WithContext(ctx)

	handler := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		siw.Handler.ListBlocks(w, r)
	}))

	for _, middleware := range siw.HandlerMiddlewares {
		handler = middleware(handler)
	}

	handler.ServeHTTP(w, r)
}

// RemoveBlock operation middleware
func (siw *ServerInterfaceWrapper) RemoveBlock(w http.ResponseWriter, r *http.Request) {

	var err error
	_ = err

	// ------------- Path parameter "userId" -------------
	var userID UserIDInPath

	err = runtime.BindStyledParameterWithOptions("simple", "userId", chi.URLParam(r, "userId"), &userID, runtime.BindStyledParameterOptions{ParamLocation: runtime.ParamLocationPath, Explode: false, Required: true, Type: "string", Format: "", ValueIsUnescaped: r.URL.RawPath == ""})
	if err != nil {
		siw.ErrorHandlerFunc(w, r, &InvalidParamFormatError{ParamName: "userId", Err: err})
		return
	}

	ctx := r.Context()

	ctx = context.WithValue(ctx, BearerScopes, []string{"presence:write"})

	ctx = context.WithValue(ctx, CookieScopes, []string{"presence:write"})

	r = r.WithContext(ctx)

	handler := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		siw.Handler.RemoveBlock(w, r, userID)
	}))

	for _, middleware := range siw.HandlerMiddlewares {
		handler = middleware(handler)
	}

	handler.ServeHTTP(w, r)
}

// AddBlock operation middleware
func (siw *ServerInterfaceWrapper) AddBlock(w http.ResponseWriter, r *http.Request) {

	var err error
	_ = err

	// ------------- Path parameter "userId" -------------
	var userID UserIDInPath

	err = runtime.BindStyledParameterWithOptions("simple", "userId", chi.URLParam(r, "userId"), &userID, runtime.BindStyledParameterOptions{ParamLocation: runtime.ParamLocationPath, Explode: false, Required: true, Type: "string", Format: "", ValueIsUnescaped: r.URL.RawPath == ""})
	if err != nil {
		siw.ErrorHandlerFunc(w, r, &InvalidParamFormatError{ParamName: "userId", Err: err})
		return
	}

	ctx := r.Context()

	ctx = context.WithValue(ctx, BearerScopes, []string{"presence:write"})

	ctx = context.WithValue(ctx, CookieScopes, []string{"presence:write"})

	r = r.WithContext(ctx)

	handler := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		siw.Handler.AddBlock(w, r, userID)
	}))

	for _, middleware := range siw.HandlerMiddlewares {
		handler = middleware(handler)
	}

	handler.ServeHTTP(w, r)
}

// ListContacts operation middleware
func (siw *ServerInterfaceWrapper) ListContacts(w http.ResponseWriter, r *http.Request) {

	ctx := r.Context()

	ctx = context.WithValue(ctx, BearerScopes, []string{"presence:read"})

	ctx = context.WithValue(ctx, CookieScopes, []string{"presence:read"})

	r = r.WithContext(ctx)

	handler := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		siw.Handler.ListContacts(w, r)
	}))

	for _, middleware := range siw.HandlerMiddlewares {
		handler = middleware(handler)
	}

	handler.ServeHTTP(w, r)
}

// RemoveContact operation middleware
func (siw *ServerInterfaceWrapper) RemoveContact(w http.ResponseWriter, r *http.Request) {

	var err error
	_ = err

	// ------------- Path parameter "userId" -------------
	var userID UserIDInPath

	err = runtime.BindStyledParameterWithOptions("simple", "userId", chi.URLParam(r, "userId"), &userID, runtime.BindStyledParameterOptions{ParamLocation: runtime.ParamLocationPath, Explode: false, Required: true, Type: "string", Format: "", ValueIsUnescaped: r.URL.RawPath == ""})
	if err != nil {
		siw.ErrorHandlerFunc(w, r, &InvalidParamFormatError{ParamName: "userId", Err: err})
		return
	}

	ctx := r.Context()

	ctx = context.WithValue(ctx, BearerScopes, []string{"presence:write"})

	ctx = context.WithValue(ctx, CookieScopes, []string{"presence:write"})

	r = r.WithContext(ctx)

	handler := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		siw.Handler.RemoveContact(w, r, userID)
	}))

	for _, middleware := range siw.HandlerMiddlewares {
		handler = middleware(handler)
	}

	handler.ServeHTTP(w, r)
}

// AddContact operation middleware
func (siw *ServerInterfaceWrapper) AddContact(w http.ResponseWriter, r *http.Request) {

	var err error
	_ = err

	// ------------- Path parameter "userId" -------------
	var userID UserIDInPath

	err = runtime.BindStyledParameterWithOptions("simple", "userId", chi.URLParam(r, "userId"), &userID, runtime.BindStyledParameterOptions{ParamLocation: runtime.ParamLocationPath, Explode: false, Required: true, Type: "string", Format: "", ValueIsUnescaped: r.URL.RawPath == ""})
	if err != nil {
		siw.ErrorHandlerFunc(w, r, &InvalidParamFormatError{ParamName: "userId", Err: err})
		return
	}

	ctx := r.Context()

	ctx = context.WithValue(ctx, BearerScopes, []string{"presence:write"})

	ctx = context.WithValue(ctx, CookieScopes, []string{"presence:write"})

	r = r.WithContext(ctx)

	handler := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		siw.Handler.AddContact(w, r, userID)
	}))

	for _, middleware := range siw.HandlerMiddlewares {
		handler = middleware(handler)
	}

	handler.ServeHTTP(w, r)
}

// ListPresences operation middleware
func (siw *ServerInterfaceWrapper) ListPresences(w http.ResponseWriter, r *http.Request) {

	var err error
	_ = err

	ctx := r.Context()

	ctx = context.WithValue(ctx, BearerScopes, []string{"presence:read"})

	ctx = context.WithValue(ctx, CookieScopes, []string{"presence:read"})

	r = r.WithContext(ctx)

	// Parameter object where we will unmarshal all parameters from the context
	var params ListPresencesParams

	// ------------- Required query parameter "user" -------------

	err = runtime.BindQueryParameterWithOptions("form", true, true, "user", QueryOf(r), &params.User, runtime.BindQueryParameterOptions{Type: "array", Format: ""})
	if err != nil {
		var requiredError *runtime.RequiredParameterError
		if errors.As(err, &requiredError) {
			siw.ErrorHandlerFunc(w, r, &RequiredParamError{ParamName: "user"})
		} else {
			siw.ErrorHandlerFunc(w, r, &InvalidParamFormatError{ParamName: "user", Err: err})
		}
		return
	}

	handler := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		siw.Handler.ListPresences(w, r, params)
	}))

	for _, middleware := range siw.HandlerMiddlewares {
		handler = middleware(handler)
	}

	handler.ServeHTTP(w, r)
}

// ClearActivity operation middleware
func (siw *ServerInterfaceWrapper) ClearActivity(w http.ResponseWriter, r *http.Request) {

	var err error
	_ = err

	ctx := r.Context()

	ctx = context.WithValue(ctx, BearerScopes, []string{"presence:write"})

	ctx = context.WithValue(ctx, CookieScopes, []string{"presence:write"})

	r = r.WithContext(ctx)

	// Parameter object where we will unmarshal all parameters from the context
	var params ClearActivityParams

	// ------------- Optional query parameter "sessionId" -------------

	err = runtime.BindQueryParameterWithOptions("form", true, false, "sessionId", QueryOf(r), &params.SessionID, runtime.BindQueryParameterOptions{Type: "string", Format: ""})
	if err != nil {
		var requiredError *runtime.RequiredParameterError
		if errors.As(err, &requiredError) {
			siw.ErrorHandlerFunc(w, r, &RequiredParamError{ParamName: "sessionId"})
		} else {
			siw.ErrorHandlerFunc(w, r, &InvalidParamFormatError{ParamName: "sessionId", Err: err})
		}
		return
	}

	handler := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		siw.Handler.ClearActivity(w, r, params)
	}))

	for _, middleware := range siw.HandlerMiddlewares {
		handler = middleware(handler)
	}

	handler.ServeHTTP(w, r)
}

// SetActivity operation middleware
func (siw *ServerInterfaceWrapper) SetActivity(w http.ResponseWriter, r *http.Request) {

	ctx := r.Context()

	ctx = context.WithValue(ctx, BearerScopes, []string{"presence:write"})

	ctx = context.WithValue(ctx, CookieScopes, []string{"presence:write"})

	r = r.WithContext(ctx)

	handler := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		siw.Handler.SetActivity(w, r)
	}))

	for _, middleware := range siw.HandlerMiddlewares {
		handler = middleware(handler)
	}

	handler.ServeHTTP(w, r)
}

// ClearCustom operation middleware
func (siw *ServerInterfaceWrapper) ClearCustom(w http.ResponseWriter, r *http.Request) {

	ctx := r.Context()

	ctx = context.WithValue(ctx, BearerScopes, []string{"presence:write"})

	ctx = context.WithValue(ctx, CookieScopes, []string{"presence:write"})

	r = r.WithContext(ctx)

	handler := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		siw.Handler.ClearCustom(w, r)
	}))

	for _, middleware := range siw.HandlerMiddlewares {
		handler = middleware(handler)
	}

	handler.ServeHTTP(w, r)
}

// SetCustom operation middleware
func (siw *ServerInterfaceWrapper) SetCustom(w http.ResponseWriter, r *http.Request) {

	ctx := r.Context()

	ctx = context.WithValue(ctx, BearerScopes, []string{"presence:write"})

	ctx = context.WithValue(ctx, CookieScopes, []string{"presence:write"})

	r = r.WithContext(ctx)

	handler := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		siw.Handler.SetCustom(w, r)
	}))

	for _, middleware := range siw.HandlerMiddlewares {
		handler = middleware(handler)
	}

	handler.ServeHTTP(w, r)
}

// Heartbeat operation middleware
func (siw *ServerInterfaceWrapper) Heartbeat(w http.ResponseWriter, r *http.Request) {

	var err error
	_ = err

	ctx := r.Context()

	ctx = context.WithValue(ctx, BearerScopes, []string{"presence:write"})

	ctx = context.WithValue(ctx, CookieScopes, []string{"presence:write"})

	r = r.WithContext(ctx)

	// Parameter object where we will unmarshal all parameters from the context
	var params HeartbeatParams

	headers := r.Header

	// ------------- Optional header parameter "Prefer" -------------
	if valueList, found := headers[http.CanonicalHeaderKey("Prefer")]; found {
		var Prefer Prefer
		n := len(valueList)
		if n != 1 {
			siw.ErrorHandlerFunc(w, r, &TooManyValuesForParamError{ParamName: "Prefer", Count: n})
			return
		}

		err = runtime.BindStyledParameterWithOptions("simple", "Prefer", valueList[0], &Prefer, runtime.BindStyledParameterOptions{ParamLocation: runtime.ParamLocationHeader, Explode: false, Required: false, Type: "string", Format: ""})
		if err != nil {
			siw.ErrorHandlerFunc(w, r, &InvalidParamFormatError{ParamName: "Prefer", Err: err})
			return
		}

		params.Prefer = &Prefer

	}

	handler := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		siw.Handler.Heartbeat(w, r, params)
	}))

	for _, middleware := range siw.HandlerMiddlewares {
		handler = middleware(handler)
	}

	handler.ServeHTTP(w, r)
}

// Leave operation middleware
func (siw *ServerInterfaceWrapper) Leave(w http.ResponseWriter, r *http.Request) {

	handler := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		siw.Handler.Leave(w, r)
	}))

	for _, middleware := range siw.HandlerMiddlewares {
		handler = middleware(handler)
	}

	handler.ServeHTTP(w, r)
}

// GetMe operation middleware
func (siw *ServerInterfaceWrapper) GetMe(w http.ResponseWriter, r *http.Request) {

	ctx := r.Context()

	ctx = context.WithValue(ctx, BearerScopes, []string{"presence:read"})

	ctx = context.WithValue(ctx, CookieScopes, []string{"presence:read"})

	r = r.WithContext(ctx)

	handler := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		siw.Handler.GetMe(w, r)
	}))

	for _, middleware := range siw.HandlerMiddlewares {
		handler = middleware(handler)
	}

	handler.ServeHTTP(w, r)
}

// ListMySessions operation middleware
func (siw *ServerInterfaceWrapper) ListMySessions(w http.ResponseWriter, r *http.Request) {

	ctx := r.Context()

	ctx = context.WithValue(ctx, BearerScopes, []string{"presence:read"})

	ctx = context.WithValue(ctx, CookieScopes, []string{"presence:read"})

	r = r.WithContext(ctx)

	handler := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		siw.Handler.ListMySessions(w, r)
	}))

	for _, middleware := range siw.HandlerMiddlewares {
		handler = middleware(handler)
	}

	handler.ServeHTTP(w, r)
}

// EndMySession operation middleware
func (siw *ServerInterfaceWrapper) EndMySession(w http.ResponseWriter, r *http.Request) {

	var err error
	_ = err

	// ------------- Path parameter "sessionId" -------------
	var sessionID SessionIDInPath

	err = runtime.BindStyledParameterWithOptions("simple", "sessionId", chi.URLParam(r, "sessionId"), &sessionID, runtime.BindStyledParameterOptions{ParamLocation: runtime.ParamLocationPath, Explode: false, Required: true, Type: "string", Format: "", ValueIsUnescaped: r.URL.RawPath == ""})
	if err != nil {
		siw.ErrorHandlerFunc(w, r, &InvalidParamFormatError{ParamName: "sessionId", Err: err})
		return
	}

	ctx := r.Context()

	ctx = context.WithValue(ctx, BearerScopes, []string{"presence:write"})

	ctx = context.WithValue(ctx, CookieScopes, []string{"presence:write"})

	r = r.WithContext(ctx)

	handler := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		siw.Handler.EndMySession(w, r, sessionID)
	}))

	for _, middleware := range siw.HandlerMiddlewares {
		handler = middleware(handler)
	}

	handler.ServeHTTP(w, r)
}

// GetPrivacy operation middleware
func (siw *ServerInterfaceWrapper) GetPrivacy(w http.ResponseWriter, r *http.Request) {

	ctx := r.Context()

	ctx = context.WithValue(ctx, BearerScopes, []string{"presence:read"})

	ctx = context.WithValue(ctx, CookieScopes, []string{"presence:read"})

	r = r.WithContext(ctx)

	handler := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		siw.Handler.GetPrivacy(w, r)
	}))

	for _, middleware := range siw.HandlerMiddlewares {
		handler = middleware(handler)
	}

	handler.ServeHTTP(w, r)
}

// SetPrivacy operation middleware
func (siw *ServerInterfaceWrapper) SetPrivacy(w http.ResponseWriter, r *http.Request) {

	var err error
	_ = err

	ctx := r.Context()

	ctx = context.WithValue(ctx, BearerScopes, []string{"presence:write"})

	ctx = context.WithValue(ctx, CookieScopes, []string{"presence:write"})

	r = r.WithContext(ctx)

	// Parameter object where we will unmarshal all parameters from the context
	var params SetPrivacyParams

	headers := r.Header

	// ------------- Optional header parameter "If-Match" -------------
	if valueList, found := headers[http.CanonicalHeaderKey("If-Match")]; found {
		var IfMatch IfMatch
		n := len(valueList)
		if n != 1 {
			siw.ErrorHandlerFunc(w, r, &TooManyValuesForParamError{ParamName: "If-Match", Count: n})
			return
		}

		err = runtime.BindStyledParameterWithOptions("simple", "If-Match", valueList[0], &IfMatch, runtime.BindStyledParameterOptions{ParamLocation: runtime.ParamLocationHeader, Explode: false, Required: false, Type: "string", Format: ""})
		if err != nil {
			siw.ErrorHandlerFunc(w, r, &InvalidParamFormatError{ParamName: "If-Match", Err: err})
			return
		}

		params.IfMatch = &IfMatch

	}

	handler := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		siw.Handler.SetPrivacy(w, r, params)
	}))

	for _, middleware := range siw.HandlerMiddlewares {
		handler = middleware(handler)
	}

	handler.ServeHTTP(w, r)
}

// QueryPresences operation middleware
func (siw *ServerInterfaceWrapper) QueryPresences(w http.ResponseWriter, r *http.Request) {

	ctx := r.Context()

	ctx = context.WithValue(ctx, BearerScopes, []string{"presence:read"})

	ctx = context.WithValue(ctx, CookieScopes, []string{"presence:read"})

	r = r.WithContext(ctx)

	handler := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		siw.Handler.QueryPresences(w, r)
	}))

	for _, middleware := range siw.HandlerMiddlewares {
		handler = middleware(handler)
	}

	handler.ServeHTTP(w, r)
}

// ClearStatus operation middleware
func (siw *ServerInterfaceWrapper) ClearStatus(w http.ResponseWriter, r *http.Request) {

	ctx := r.Context()

	ctx = context.WithValue(ctx, BearerScopes, []string{"presence:write"})

	ctx = context.WithValue(ctx, CookieScopes, []string{"presence:write"})

	r = r.WithContext(ctx)

	handler := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		siw.Handler.ClearStatus(w, r)
	}))

	for _, middleware := range siw.HandlerMiddlewares {
		handler = middleware(handler)
	}

	handler.ServeHTTP(w, r)
}

// SetStatus operation middleware
func (siw *ServerInterfaceWrapper) SetStatus(w http.ResponseWriter, r *http.Request) {

	ctx := r.Context()

	ctx = context.WithValue(ctx, BearerScopes, []string{"presence:write"})

	ctx = context.WithValue(ctx, CookieScopes, []string{"presence:write"})

	r = r.WithContext(ctx)

	handler := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		siw.Handler.SetStatus(w, r)
	}))

	for _, middleware := range siw.HandlerMiddlewares {
		handler = middleware(handler)
	}

	handler.ServeHTTP(w, r)
}

// GetPresence operation middleware
func (siw *ServerInterfaceWrapper) GetPresence(w http.ResponseWriter, r *http.Request) {

	var err error
	_ = err

	// ------------- Path parameter "userId" -------------
	var userID UserIDInPath

	err = runtime.BindStyledParameterWithOptions("simple", "userId", chi.URLParam(r, "userId"), &userID, runtime.BindStyledParameterOptions{ParamLocation: runtime.ParamLocationPath, Explode: false, Required: true, Type: "string", Format: "", ValueIsUnescaped: r.URL.RawPath == ""})
	if err != nil {
		siw.ErrorHandlerFunc(w, r, &InvalidParamFormatError{ParamName: "userId", Err: err})
		return
	}

	ctx := r.Context()

	ctx = context.WithValue(ctx, BearerScopes, []string{"presence:read"})

	ctx = context.WithValue(ctx, CookieScopes, []string{"presence:read"})

	r = r.WithContext(ctx)

	// Parameter object where we will unmarshal all parameters from the context
	var params GetPresenceParams

	headers := r.Header

	// ------------- Optional header parameter "If-None-Match" -------------
	if valueList, found := headers[http.CanonicalHeaderKey("If-None-Match")]; found {
		var IfNoneMatch IfNoneMatch
		n := len(valueList)
		if n != 1 {
			siw.ErrorHandlerFunc(w, r, &TooManyValuesForParamError{ParamName: "If-None-Match", Count: n})
			return
		}

		err = runtime.BindStyledParameterWithOptions("simple", "If-None-Match", valueList[0], &IfNoneMatch, runtime.BindStyledParameterOptions{ParamLocation: runtime.ParamLocationHeader, Explode: false, Required: false, Type: "string", Format: ""})
		if err != nil {
			siw.ErrorHandlerFunc(w, r, &InvalidParamFormatError{ParamName: "If-None-Match", Err: err})
			return
		}

		params.IfNoneMatch = &IfNoneMatch

	}

	handler := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		siw.Handler.GetPresence(w, r, userID, params)
	}))

	for _, middleware := range siw.HandlerMiddlewares {
		handler = middleware(handler)
	}

	handler.ServeHTTP(w, r)
}

// ExplainPresence operation middleware
func (siw *ServerInterfaceWrapper) ExplainPresence(w http.ResponseWriter, r *http.Request) {

	var err error
	_ = err

	// ------------- Path parameter "userId" -------------
	var userID UserIDInPath

	err = runtime.BindStyledParameterWithOptions("simple", "userId", chi.URLParam(r, "userId"), &userID, runtime.BindStyledParameterOptions{ParamLocation: runtime.ParamLocationPath, Explode: false, Required: true, Type: "string", Format: "", ValueIsUnescaped: r.URL.RawPath == ""})
	if err != nil {
		siw.ErrorHandlerFunc(w, r, &InvalidParamFormatError{ParamName: "userId", Err: err})
		return
	}

	ctx := r.Context()

	ctx = context.WithValue(ctx, BearerScopes, []string{})

	ctx = context.WithValue(ctx, CookieScopes, []string{})

	r = r.WithContext(ctx)

	// Parameter object where we will unmarshal all parameters from the context
	var params ExplainPresenceParams

	// ------------- Optional query parameter "viewer" -------------

	err = runtime.BindQueryParameterWithOptions("form", true, false, "viewer", QueryOf(r), &params.Viewer, runtime.BindQueryParameterOptions{Type: "string", Format: ""})
	if err != nil {
		var requiredError *runtime.RequiredParameterError
		if errors.As(err, &requiredError) {
			siw.ErrorHandlerFunc(w, r, &RequiredParamError{ParamName: "viewer"})
		} else {
			siw.ErrorHandlerFunc(w, r, &InvalidParamFormatError{ParamName: "viewer", Err: err})
		}
		return
	}

	handler := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		siw.Handler.ExplainPresence(w, r, userID, params)
	}))

	for _, middleware := range siw.HandlerMiddlewares {
		handler = middleware(handler)
	}

	handler.ServeHTTP(w, r)
}

// CountMembers operation middleware
func (siw *ServerInterfaceWrapper) CountMembers(w http.ResponseWriter, r *http.Request) {

	var err error
	_ = err

	// ------------- Path parameter "room" -------------
	var room RoomInPath

	err = runtime.BindStyledParameterWithOptions("simple", "room", chi.URLParam(r, "room"), &room, runtime.BindStyledParameterOptions{ParamLocation: runtime.ParamLocationPath, Explode: false, Required: true, Type: "string", Format: "", ValueIsUnescaped: r.URL.RawPath == ""})
	if err != nil {
		siw.ErrorHandlerFunc(w, r, &InvalidParamFormatError{ParamName: "room", Err: err})
		return
	}

	ctx := r.Context()

	ctx = context.WithValue(ctx, BearerScopes, []string{"presence:read"})

	ctx = context.WithValue(ctx, CookieScopes, []string{"presence:read"})

	r = r.WithContext(ctx)

	handler := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		siw.Handler.CountMembers(w, r, room)
	}))

	for _, middleware := range siw.HandlerMiddlewares {
		handler = middleware(handler)
	}

	handler.ServeHTTP(w, r)
}

// LeaveRoom operation middleware
func (siw *ServerInterfaceWrapper) LeaveRoom(w http.ResponseWriter, r *http.Request) {

	var err error
	_ = err

	// ------------- Path parameter "room" -------------
	var room RoomInPath

	err = runtime.BindStyledParameterWithOptions("simple", "room", chi.URLParam(r, "room"), &room, runtime.BindStyledParameterOptions{ParamLocation: runtime.ParamLocationPath, Explode: false, Required: true, Type: "string", Format: "", ValueIsUnescaped: r.URL.RawPath == ""})
	if err != nil {
		siw.ErrorHandlerFunc(w, r, &InvalidParamFormatError{ParamName: "room", Err: err})
		return
	}

	ctx := r.Context()

	ctx = context.WithValue(ctx, BearerScopes, []string{"presence:write"})

	ctx = context.WithValue(ctx, CookieScopes, []string{"presence:write"})

	r = r.WithContext(ctx)

	// Parameter object where we will unmarshal all parameters from the context
	var params LeaveRoomParams

	// ------------- Optional query parameter "sessionId" -------------

	err = runtime.BindQueryParameterWithOptions("form", true, false, "sessionId", QueryOf(r), &params.SessionID, runtime.BindQueryParameterOptions{Type: "string", Format: ""})
	if err != nil {
		var requiredError *runtime.RequiredParameterError
		if errors.As(err, &requiredError) {
			siw.ErrorHandlerFunc(w, r, &RequiredParamError{ParamName: "sessionId"})
		} else {
			siw.ErrorHandlerFunc(w, r, &InvalidParamFormatError{ParamName: "sessionId", Err: err})
		}
		return
	}

	handler := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		siw.Handler.LeaveRoom(w, r, room, params)
	}))

	for _, middleware := range siw.HandlerMiddlewares {
		handler = middleware(handler)
	}

	handler.ServeHTTP(w, r)
}

// JoinRoom operation middleware
func (siw *ServerInterfaceWrapper) JoinRoom(w http.ResponseWriter, r *http.Request) {

	var err error
	_ = err

	// ------------- Path parameter "room" -------------
	var room RoomInPath

	err = runtime.BindStyledParameterWithOptions("simple", "room", chi.URLParam(r, "room"), &room, runtime.BindStyledParameterOptions{ParamLocation: runtime.ParamLocationPath, Explode: false, Required: true, Type: "string", Format: "", ValueIsUnescaped: r.URL.RawPath == ""})
	if err != nil {
		siw.ErrorHandlerFunc(w, r, &InvalidParamFormatError{ParamName: "room", Err: err})
		return
	}

	ctx := r.Context()

	ctx = context.WithValue(ctx, BearerScopes, []string{"presence:write"})

	ctx = context.WithValue(ctx, CookieScopes, []string{"presence:write"})

	r = r.WithContext(ctx)

	// Parameter object where we will unmarshal all parameters from the context
	var params JoinRoomParams

	// ------------- Required query parameter "sessionId" -------------

	err = runtime.BindQueryParameterWithOptions("form", true, true, "sessionId", QueryOf(r), &params.SessionID, runtime.BindQueryParameterOptions{Type: "string", Format: ""})
	if err != nil {
		var requiredError *runtime.RequiredParameterError
		if errors.As(err, &requiredError) {
			siw.ErrorHandlerFunc(w, r, &RequiredParamError{ParamName: "sessionId"})
		} else {
			siw.ErrorHandlerFunc(w, r, &InvalidParamFormatError{ParamName: "sessionId", Err: err})
		}
		return
	}

	handler := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		siw.Handler.JoinRoom(w, r, room, params)
	}))

	for _, middleware := range siw.HandlerMiddlewares {
		handler = middleware(handler)
	}

	handler.ServeHTTP(w, r)
}

// ListMembers operation middleware
func (siw *ServerInterfaceWrapper) ListMembers(w http.ResponseWriter, r *http.Request) {

	var err error
	_ = err

	// ------------- Path parameter "room" -------------
	var room RoomInPath

	err = runtime.BindStyledParameterWithOptions("simple", "room", chi.URLParam(r, "room"), &room, runtime.BindStyledParameterOptions{ParamLocation: runtime.ParamLocationPath, Explode: false, Required: true, Type: "string", Format: "", ValueIsUnescaped: r.URL.RawPath == ""})
	if err != nil {
		siw.ErrorHandlerFunc(w, r, &InvalidParamFormatError{ParamName: "room", Err: err})
		return
	}

	ctx := r.Context()

	ctx = context.WithValue(ctx, BearerScopes, []string{"presence:read"})

	ctx = context.WithValue(ctx, CookieScopes, []string{"presence:read"})

	r = r.WithContext(ctx)

	// Parameter object where we will unmarshal all parameters from the context
	var params ListMembersParams

	// ------------- Optional query parameter "limit" -------------

	err = runtime.BindQueryParameterWithOptions("form", true, false, "limit", QueryOf(r), &params.Limit, runtime.BindQueryParameterOptions{Type: "integer", Format: "int64"})
	if err != nil {
		var requiredError *runtime.RequiredParameterError
		if errors.As(err, &requiredError) {
			siw.ErrorHandlerFunc(w, r, &RequiredParamError{ParamName: "limit"})
		} else {
			siw.ErrorHandlerFunc(w, r, &InvalidParamFormatError{ParamName: "limit", Err: err})
		}
		return
	}

	// ------------- Optional query parameter "cursor" -------------

	err = runtime.BindQueryParameterWithOptions("form", true, false, "cursor", QueryOf(r), &params.Cursor, runtime.BindQueryParameterOptions{Type: "string", Format: ""})
	if err != nil {
		var requiredError *runtime.RequiredParameterError
		if errors.As(err, &requiredError) {
			siw.ErrorHandlerFunc(w, r, &RequiredParamError{ParamName: "cursor"})
		} else {
			siw.ErrorHandlerFunc(w, r, &InvalidParamFormatError{ParamName: "cursor", Err: err})
		}
		return
	}

	handler := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		siw.Handler.ListMembers(w, r, room, params)
	}))

	for _, middleware := range siw.HandlerMiddlewares {
		handler = middleware(handler)
	}

	handler.ServeHTTP(w, r)
}

// StopTyping operation middleware
func (siw *ServerInterfaceWrapper) StopTyping(w http.ResponseWriter, r *http.Request) {

	var err error
	_ = err

	// ------------- Path parameter "room" -------------
	var room RoomInPath

	err = runtime.BindStyledParameterWithOptions("simple", "room", chi.URLParam(r, "room"), &room, runtime.BindStyledParameterOptions{ParamLocation: runtime.ParamLocationPath, Explode: false, Required: true, Type: "string", Format: "", ValueIsUnescaped: r.URL.RawPath == ""})
	if err != nil {
		siw.ErrorHandlerFunc(w, r, &InvalidParamFormatError{ParamName: "room", Err: err})
		return
	}

	ctx := r.Context()

	ctx = context.WithValue(ctx, BearerScopes, []string{"presence:write"})

	ctx = context.WithValue(ctx, CookieScopes, []string{"presence:write"})

	r = r.WithContext(ctx)

	// Parameter object where we will unmarshal all parameters from the context
	var params StopTypingParams

	// ------------- Optional query parameter "sessionId" -------------

	err = runtime.BindQueryParameterWithOptions("form", true, false, "sessionId", QueryOf(r), &params.SessionID, runtime.BindQueryParameterOptions{Type: "string", Format: ""})
	if err != nil {
		var requiredError *runtime.RequiredParameterError
		if errors.As(err, &requiredError) {
			siw.ErrorHandlerFunc(w, r, &RequiredParamError{ParamName: "sessionId"})
		} else {
			siw.ErrorHandlerFunc(w, r, &InvalidParamFormatError{ParamName: "sessionId", Err: err})
		}
		return
	}

	// ------------- Optional query parameter "threadId" -------------

	err = runtime.BindQueryParameterWithOptions("form", true, false, "threadId", QueryOf(r), &params.ThreadID, runtime.BindQueryParameterOptions{Type: "string", Format: ""})
	if err != nil {
		var requiredError *runtime.RequiredParameterError
		if errors.As(err, &requiredError) {
			siw.ErrorHandlerFunc(w, r, &RequiredParamError{ParamName: "threadId"})
		} else {
			siw.ErrorHandlerFunc(w, r, &InvalidParamFormatError{ParamName: "threadId", Err: err})
		}
		return
	}

	handler := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		siw.Handler.StopTyping(w, r, room, params)
	}))

	for _, middleware := range siw.HandlerMiddlewares {
		handler = middleware(handler)
	}

	handler.ServeHTTP(w, r)
}

// ListTyping operation middleware
func (siw *ServerInterfaceWrapper) ListTyping(w http.ResponseWriter, r *http.Request) {

	var err error
	_ = err

	// ------------- Path parameter "room" -------------
	var room RoomInPath

	err = runtime.BindStyledParameterWithOptions("simple", "room", chi.URLParam(r, "room"), &room, runtime.BindStyledParameterOptions{ParamLocation: runtime.ParamLocationPath, Explode: false, Required: true, Type: "string", Format: "", ValueIsUnescaped: r.URL.RawPath == ""})
	if err != nil {
		siw.ErrorHandlerFunc(w, r, &InvalidParamFormatError{ParamName: "room", Err: err})
		return
	}

	ctx := r.Context()

	ctx = context.WithValue(ctx, BearerScopes, []string{"presence:read"})

	ctx = context.WithValue(ctx, CookieScopes, []string{"presence:read"})

	r = r.WithContext(ctx)

	// Parameter object where we will unmarshal all parameters from the context
	var params ListTypingParams

	// ------------- Optional query parameter "threadId" -------------

	err = runtime.BindQueryParameterWithOptions("form", true, false, "threadId", QueryOf(r), &params.ThreadID, runtime.BindQueryParameterOptions{Type: "string", Format: ""})
	if err != nil {
		var requiredError *runtime.RequiredParameterError
		if errors.As(err, &requiredError) {
			siw.ErrorHandlerFunc(w, r, &RequiredParamError{ParamName: "threadId"})
		} else {
			siw.ErrorHandlerFunc(w, r, &InvalidParamFormatError{ParamName: "threadId", Err: err})
		}
		return
	}

	handler := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		siw.Handler.ListTyping(w, r, room, params)
	}))

	for _, middleware := range siw.HandlerMiddlewares {
		handler = middleware(handler)
	}

	handler.ServeHTTP(w, r)
}

// PostTyping operation middleware
func (siw *ServerInterfaceWrapper) PostTyping(w http.ResponseWriter, r *http.Request) {

	var err error
	_ = err

	// ------------- Path parameter "room" -------------
	var room RoomInPath

	err = runtime.BindStyledParameterWithOptions("simple", "room", chi.URLParam(r, "room"), &room, runtime.BindStyledParameterOptions{ParamLocation: runtime.ParamLocationPath, Explode: false, Required: true, Type: "string", Format: "", ValueIsUnescaped: r.URL.RawPath == ""})
	if err != nil {
		siw.ErrorHandlerFunc(w, r, &InvalidParamFormatError{ParamName: "room", Err: err})
		return
	}

	ctx := r.Context()

	ctx = context.WithValue(ctx, BearerScopes, []string{"presence:write"})

	ctx = context.WithValue(ctx, CookieScopes, []string{"presence:write"})

	r = r.WithContext(ctx)

	handler := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		siw.Handler.PostTyping(w, r, room)
	}))

	for _, middleware := range siw.HandlerMiddlewares {
		handler = middleware(handler)
	}

	handler.ServeHTTP(w, r)
}

// SetTyping operation middleware
func (siw *ServerInterfaceWrapper) SetTyping(w http.ResponseWriter, r *http.Request) {

	var err error
	_ = err

	// ------------- Path parameter "room" -------------
	var room RoomInPath

	err = runtime.BindStyledParameterWithOptions("simple", "room", chi.URLParam(r, "room"), &room, runtime.BindStyledParameterOptions{ParamLocation: runtime.ParamLocationPath, Explode: false, Required: true, Type: "string", Format: "", ValueIsUnescaped: r.URL.RawPath == ""})
	if err != nil {
		siw.ErrorHandlerFunc(w, r, &InvalidParamFormatError{ParamName: "room", Err: err})
		return
	}

	ctx := r.Context()

	ctx = context.WithValue(ctx, BearerScopes, []string{"presence:write"})

	ctx = context.WithValue(ctx, CookieScopes, []string{"presence:write"})

	r = r.WithContext(ctx)

	handler := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		siw.Handler.SetTyping(w, r, room)
	}))

	for _, middleware := range siw.HandlerMiddlewares {
		handler = middleware(handler)
	}

	handler.ServeHTTP(w, r)
}

// GetStats operation middleware
func (siw *ServerInterfaceWrapper) GetStats(w http.ResponseWriter, r *http.Request) {

	ctx := r.Context()

	ctx = context.WithValue(ctx, BearerScopes, []string{"presence:stats"})

	ctx = context.WithValue(ctx, CookieScopes, []string{"presence:stats"})

	r = r.WithContext(ctx)

	handler := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		siw.Handler.GetStats(w, r)
	}))

	for _, middleware := range siw.HandlerMiddlewares {
		handler = middleware(handler)
	}

	handler.ServeHTTP(w, r)
}

// OpenStream operation middleware
func (siw *ServerInterfaceWrapper) OpenStream(w http.ResponseWriter, r *http.Request) {

	var err error
	_ = err

	ctx := r.Context()

	ctx = context.WithValue(ctx, BearerScopes, []string{"presence:read"})

	ctx = context.WithValue(ctx, CookieScopes, []string{"presence:read"})

	ctx = context.WithValue(ctx, TicketScopes, []string{})

	r = r.WithContext(ctx)

	// Parameter object where we will unmarshal all parameters from the context
	var params OpenStreamParams

	// ------------- Optional query parameter "user" -------------

	err = runtime.BindQueryParameterWithOptions("form", true, false, "user", QueryOf(r), &params.User, runtime.BindQueryParameterOptions{Type: "array", Format: ""})
	if err != nil {
		var requiredError *runtime.RequiredParameterError
		if errors.As(err, &requiredError) {
			siw.ErrorHandlerFunc(w, r, &RequiredParamError{ParamName: "user"})
		} else {
			siw.ErrorHandlerFunc(w, r, &InvalidParamFormatError{ParamName: "user", Err: err})
		}
		return
	}

	// ------------- Optional query parameter "room" -------------

	err = runtime.BindQueryParameterWithOptions("form", true, false, "room", QueryOf(r), &params.Room, runtime.BindQueryParameterOptions{Type: "array", Format: ""})
	if err != nil {
		var requiredError *runtime.RequiredParameterError
		if errors.As(err, &requiredError) {
			siw.ErrorHandlerFunc(w, r, &RequiredParamError{ParamName: "room"})
		} else {
			siw.ErrorHandlerFunc(w, r, &InvalidParamFormatError{ParamName: "room", Err: err})
		}
		return
	}

	// ------------- Optional query parameter "ticket" -------------

	err = runtime.BindQueryParameterWithOptions("form", true, false, "ticket", QueryOf(r), &params.Ticket, runtime.BindQueryParameterOptions{Type: "string", Format: ""})
	if err != nil {
		var requiredError *runtime.RequiredParameterError
		if errors.As(err, &requiredError) {
			siw.ErrorHandlerFunc(w, r, &RequiredParamError{ParamName: "ticket"})
		} else {
			siw.ErrorHandlerFunc(w, r, &InvalidParamFormatError{ParamName: "ticket", Err: err})
		}
		return
	}

	// ------------- Optional query parameter "lastEventId" -------------

	err = runtime.BindQueryParameterWithOptions("form", true, false, "lastEventId", QueryOf(r), &params.LastEventID, runtime.BindQueryParameterOptions{Type: "string", Format: ""})
	if err != nil {
		var requiredError *runtime.RequiredParameterError
		if errors.As(err, &requiredError) {
			siw.ErrorHandlerFunc(w, r, &RequiredParamError{ParamName: "lastEventId"})
		} else {
			siw.ErrorHandlerFunc(w, r, &InvalidParamFormatError{ParamName: "lastEventId", Err: err})
		}
		return
	}

	// ------------- Optional query parameter "errors" -------------

	err = runtime.BindQueryParameterWithOptions("form", true, false, "errors", QueryOf(r), &params.Errors, runtime.BindQueryParameterOptions{Type: "string", Format: ""})
	if err != nil {
		var requiredError *runtime.RequiredParameterError
		if errors.As(err, &requiredError) {
			siw.ErrorHandlerFunc(w, r, &RequiredParamError{ParamName: "errors"})
		} else {
			siw.ErrorHandlerFunc(w, r, &InvalidParamFormatError{ParamName: "errors", Err: err})
		}
		return
	}

	headers := r.Header

	// ------------- Optional header parameter "Last-Event-ID" -------------
	if valueList, found := headers[http.CanonicalHeaderKey("Last-Event-ID")]; found {
		var LastEventIDHeader EventID
		n := len(valueList)
		if n != 1 {
			siw.ErrorHandlerFunc(w, r, &TooManyValuesForParamError{ParamName: "Last-Event-ID", Count: n})
			return
		}

		err = runtime.BindStyledParameterWithOptions("simple", "Last-Event-ID", valueList[0], &LastEventIDHeader, runtime.BindStyledParameterOptions{ParamLocation: runtime.ParamLocationHeader, Explode: false, Required: false, Type: "string", Format: ""})
		if err != nil {
			siw.ErrorHandlerFunc(w, r, &InvalidParamFormatError{ParamName: "Last-Event-ID", Err: err})
			return
		}

		params.LastEventIDHeader = &LastEventIDHeader

	}

	handler := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		siw.Handler.OpenStream(w, r, params)
	}))

	for _, middleware := range siw.HandlerMiddlewares {
		handler = middleware(handler)
	}

	handler.ServeHTTP(w, r)
}

// OpenSelftest operation middleware
func (siw *ServerInterfaceWrapper) OpenSelftest(w http.ResponseWriter, r *http.Request) {

	ctx := r.Context()

	ctx = context.WithValue(ctx, BearerScopes, []string{"presence:read"})

	ctx = context.WithValue(ctx, CookieScopes, []string{"presence:read"})

	r = r.WithContext(ctx)

	handler := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		siw.Handler.OpenSelftest(w, r)
	}))

	for _, middleware := range siw.HandlerMiddlewares {
		handler = middleware(handler)
	}

	handler.ServeHTTP(w, r)
}

// CreateSubscription operation middleware
func (siw *ServerInterfaceWrapper) CreateSubscription(w http.ResponseWriter, r *http.Request) {

	ctx := r.Context()

	ctx = context.WithValue(ctx, BearerScopes, []string{"presence:read"})

	ctx = context.WithValue(ctx, CookieScopes, []string{"presence:read"})

	r = r.WithContext(ctx)

	handler := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		siw.Handler.CreateSubscription(w, r)
	}))

	for _, middleware := range siw.HandlerMiddlewares {
		handler = middleware(handler)
	}

	handler.ServeHTTP(w, r)
}

// EndSubscription operation middleware
func (siw *ServerInterfaceWrapper) EndSubscription(w http.ResponseWriter, r *http.Request) {

	var err error
	_ = err

	// ------------- Path parameter "id" -------------
	var id SubscriptionIDInPath

	err = runtime.BindStyledParameterWithOptions("simple", "id", chi.URLParam(r, "id"), &id, runtime.BindStyledParameterOptions{ParamLocation: runtime.ParamLocationPath, Explode: false, Required: true, Type: "string", Format: "", ValueIsUnescaped: r.URL.RawPath == ""})
	if err != nil {
		siw.ErrorHandlerFunc(w, r, &InvalidParamFormatError{ParamName: "id", Err: err})
		return
	}

	ctx := r.Context()

	ctx = context.WithValue(ctx, BearerScopes, []string{"presence:read"})

	ctx = context.WithValue(ctx, CookieScopes, []string{"presence:read"})

	r = r.WithContext(ctx)

	handler := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		siw.Handler.EndSubscription(w, r, id)
	}))

	for _, middleware := range siw.HandlerMiddlewares {
		handler = middleware(handler)
	}

	handler.ServeHTTP(w, r)
}

// GetSubscription operation middleware
func (siw *ServerInterfaceWrapper) GetSubscription(w http.ResponseWriter, r *http.Request) {

	var err error
	_ = err

	// ------------- Path parameter "id" -------------
	var id SubscriptionIDInPath

	err = runtime.BindStyledParameterWithOptions("simple", "id", chi.URLParam(r, "id"), &id, runtime.BindStyledParameterOptions{ParamLocation: runtime.ParamLocationPath, Explode: false, Required: true, Type: "string", Format: "", ValueIsUnescaped: r.URL.RawPath == ""})
	if err != nil {
		siw.ErrorHandlerFunc(w, r, &InvalidParamFormatError{ParamName: "id", Err: err})
		return
	}

	ctx := r.Context()

	ctx = context.WithValue(ctx, BearerScopes, []string{"presence:read"})

	ctx = context.WithValue(ctx, CookieScopes, []string{"presence:read"})

	r = r.WithContext(ctx)

	handler := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		siw.Handler.GetSubscription(w, r, id)
	}))

	for _, middleware := range siw.HandlerMiddlewares {
		handler = middleware(handler)
	}

	handler.ServeHTTP(w, r)
}

// ChangeSubscription operation middleware
func (siw *ServerInterfaceWrapper) ChangeSubscription(w http.ResponseWriter, r *http.Request) {

	var err error
	_ = err

	// ------------- Path parameter "id" -------------
	var id SubscriptionIDInPath

	err = runtime.BindStyledParameterWithOptions("simple", "id", chi.URLParam(r, "id"), &id, runtime.BindStyledParameterOptions{ParamLocation: runtime.ParamLocationPath, Explode: false, Required: true, Type: "string", Format: "", ValueIsUnescaped: r.URL.RawPath == ""})
	if err != nil {
		siw.ErrorHandlerFunc(w, r, &InvalidParamFormatError{ParamName: "id", Err: err})
		return
	}

	ctx := r.Context()

	ctx = context.WithValue(ctx, BearerScopes, []string{"presence:read"})

	ctx = context.WithValue(ctx, CookieScopes, []string{"presence:read"})

	r = r.WithContext(ctx)

	handler := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		siw.Handler.ChangeSubscription(w, r, id)
	}))

	for _, middleware := range siw.HandlerMiddlewares {
		handler = middleware(handler)
	}

	handler.ServeHTTP(w, r)
}

// RenewSubscription operation middleware
func (siw *ServerInterfaceWrapper) RenewSubscription(w http.ResponseWriter, r *http.Request) {

	var err error
	_ = err

	// ------------- Path parameter "id" -------------
	var id SubscriptionIDInPath

	err = runtime.BindStyledParameterWithOptions("simple", "id", chi.URLParam(r, "id"), &id, runtime.BindStyledParameterOptions{ParamLocation: runtime.ParamLocationPath, Explode: false, Required: true, Type: "string", Format: "", ValueIsUnescaped: r.URL.RawPath == ""})
	if err != nil {
		siw.ErrorHandlerFunc(w, r, &InvalidParamFormatError{ParamName: "id", Err: err})
		return
	}

	ctx := r.Context()

	ctx = context.WithValue(ctx, BearerScopes, []string{"presence:read"})

	ctx = context.WithValue(ctx, CookieScopes, []string{"presence:read"})

	r = r.WithContext(ctx)

	handler := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		siw.Handler.RenewSubscription(w, r, id)
	}))

	for _, middleware := range siw.HandlerMiddlewares {
		handler = middleware(handler)
	}

	handler.ServeHTTP(w, r)
}

// ListRoomsOfUser operation middleware
func (siw *ServerInterfaceWrapper) ListRoomsOfUser(w http.ResponseWriter, r *http.Request) {

	var err error
	_ = err

	// ------------- Path parameter "userId" -------------
	var userID UserIDInPath

	err = runtime.BindStyledParameterWithOptions("simple", "userId", chi.URLParam(r, "userId"), &userID, runtime.BindStyledParameterOptions{ParamLocation: runtime.ParamLocationPath, Explode: false, Required: true, Type: "string", Format: "", ValueIsUnescaped: r.URL.RawPath == ""})
	if err != nil {
		siw.ErrorHandlerFunc(w, r, &InvalidParamFormatError{ParamName: "userId", Err: err})
		return
	}

	ctx := r.Context()

	ctx = context.WithValue(ctx, BearerScopes, []string{"presence:read"})

	ctx = context.WithValue(ctx, CookieScopes, []string{"presence:read"})

	r = r.WithContext(ctx)

	handler := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		siw.Handler.ListRoomsOfUser(w, r, userID)
	}))

	for _, middleware := range siw.HandlerMiddlewares {
		handler = middleware(handler)
	}

	handler.ServeHTTP(w, r)
}

type UnescapedCookieParamError struct {
	ParamName string
	Err       error
}

func (e *UnescapedCookieParamError) Error() string {
	return fmt.Sprintf("error unescaping cookie parameter '%s'", e.ParamName)
}

func (e *UnescapedCookieParamError) Unwrap() error {
	return e.Err
}

type UnmarshalingParamError struct {
	ParamName string
	Err       error
}

func (e *UnmarshalingParamError) Error() string {
	return fmt.Sprintf("Error unmarshaling parameter %s as JSON: %s", e.ParamName, e.Err.Error())
}

func (e *UnmarshalingParamError) Unwrap() error {
	return e.Err
}

type RequiredParamError struct {
	ParamName string
}

func (e *RequiredParamError) Error() string {
	return fmt.Sprintf("Query argument %s is required, but not found", e.ParamName)
}

type RequiredHeaderError struct {
	ParamName string
	Err       error
}

func (e *RequiredHeaderError) Error() string {
	return fmt.Sprintf("Header parameter %s is required, but not found", e.ParamName)
}

func (e *RequiredHeaderError) Unwrap() error {
	return e.Err
}

type InvalidParamFormatError struct {
	ParamName string
	Err       error
}

func (e *InvalidParamFormatError) Error() string {
	return fmt.Sprintf("Invalid format for parameter %s: %s", e.ParamName, e.Err.Error())
}

func (e *InvalidParamFormatError) Unwrap() error {
	return e.Err
}

type TooManyValuesForParamError struct {
	ParamName string
	Count     int
}

func (e *TooManyValuesForParamError) Error() string {
	return fmt.Sprintf("Expected one value for %s, got %d", e.ParamName, e.Count)
}

// Handler creates http.Handler with routing matching OpenAPI spec.
func Handler(si ServerInterface) http.Handler {
	return HandlerWithOptions(si, ChiServerOptions{})
}

type ChiServerOptions struct {
	BaseURL          string
	BaseRouter       chi.Router
	Middlewares      []MiddlewareFunc
	ErrorHandlerFunc func(w http.ResponseWriter, r *http.Request, err error)
}

// HandlerFromMux creates http.Handler with routing matching OpenAPI spec based on the provided mux.
func HandlerFromMux(si ServerInterface, r chi.Router) http.Handler {
	return HandlerWithOptions(si, ChiServerOptions{
		BaseRouter: r,
	})
}

func HandlerFromMuxWithBaseURL(si ServerInterface, r chi.Router, baseURL string) http.Handler {
	return HandlerWithOptions(si, ChiServerOptions{
		BaseURL:    baseURL,
		BaseRouter: r,
	})
}

// HandlerWithOptions creates http.Handler with additional options
func HandlerWithOptions(si ServerInterface, options ChiServerOptions) http.Handler {
	r := options.BaseRouter

	if r == nil {
		r = chi.NewRouter()
	}
	if options.ErrorHandlerFunc == nil {
		options.ErrorHandlerFunc = func(w http.ResponseWriter, r *http.Request, err error) {
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
	}
	wrapper := ServerInterfaceWrapper{
		Handler:            si,
		HandlerMiddlewares: options.Middlewares,
		ErrorHandlerFunc:   options.ErrorHandlerFunc,
	}

	r.Group(func(r chi.Router) {
		r.Post(options.BaseURL+"/v1/presence/heartbeat", wrapper.Heartbeat)
	})
	r.Group(func(r chi.Router) {
		r.Post(options.BaseURL+"/v1/presence/leave", wrapper.Leave)
	})
	r.Group(func(r chi.Router) {
		r.Get(options.BaseURL+"/v1/presence/me", wrapper.GetMe)
	})
	r.Group(func(r chi.Router) {
		r.Get(options.BaseURL+"/v1/presence/me/sessions", wrapper.ListMySessions)
	})
	r.Group(func(r chi.Router) {
		r.Delete(options.BaseURL+"/v1/presence/me/sessions/{sessionId}", wrapper.EndMySession)
	})
	r.Group(func(r chi.Router) {
		r.Delete(options.BaseURL+"/v1/presence/status", wrapper.ClearStatus)
	})
	r.Group(func(r chi.Router) {
		r.Put(options.BaseURL+"/v1/presence/status", wrapper.SetStatus)
	})
	r.Group(func(r chi.Router) {
		r.Delete(options.BaseURL+"/v1/presence/custom", wrapper.ClearCustom)
	})
	r.Group(func(r chi.Router) {
		r.Put(options.BaseURL+"/v1/presence/custom", wrapper.SetCustom)
	})
	r.Group(func(r chi.Router) {
		r.Delete(options.BaseURL+"/v1/presence/activity", wrapper.ClearActivity)
	})
	r.Group(func(r chi.Router) {
		r.Put(options.BaseURL+"/v1/presence/activity", wrapper.SetActivity)
	})
	r.Group(func(r chi.Router) {
		r.Get(options.BaseURL+"/v1/presence/privacy", wrapper.GetPrivacy)
	})
	r.Group(func(r chi.Router) {
		r.Put(options.BaseURL+"/v1/presence/privacy", wrapper.SetPrivacy)
	})
	r.Group(func(r chi.Router) {
		r.Get(options.BaseURL+"/v1/presence/{userId}", wrapper.GetPresence)
	})
	r.Group(func(r chi.Router) {
		r.Get(options.BaseURL+"/v1/presence/{userId}/explain", wrapper.ExplainPresence)
	})
	r.Group(func(r chi.Router) {
		r.Get(options.BaseURL+"/v1/presence", wrapper.ListPresences)
	})
	r.Group(func(r chi.Router) {
		r.Post(options.BaseURL+"/v1/presence/query", wrapper.QueryPresences)
	})
	r.Group(func(r chi.Router) {
		r.Get(options.BaseURL+"/v1/contacts", wrapper.ListContacts)
	})
	r.Group(func(r chi.Router) {
		r.Delete(options.BaseURL+"/v1/contacts/{userId}", wrapper.RemoveContact)
	})
	r.Group(func(r chi.Router) {
		r.Put(options.BaseURL+"/v1/contacts/{userId}", wrapper.AddContact)
	})
	r.Group(func(r chi.Router) {
		r.Get(options.BaseURL+"/v1/blocks", wrapper.ListBlocks)
	})
	r.Group(func(r chi.Router) {
		r.Delete(options.BaseURL+"/v1/blocks/{userId}", wrapper.RemoveBlock)
	})
	r.Group(func(r chi.Router) {
		r.Put(options.BaseURL+"/v1/blocks/{userId}", wrapper.AddBlock)
	})
	r.Group(func(r chi.Router) {
		r.Delete(options.BaseURL+"/v1/rooms/{room}/members/me", wrapper.LeaveRoom)
	})
	r.Group(func(r chi.Router) {
		r.Put(options.BaseURL+"/v1/rooms/{room}/members/me", wrapper.JoinRoom)
	})
	r.Group(func(r chi.Router) {
		r.Get(options.BaseURL+"/v1/rooms/{room}/presence", wrapper.ListMembers)
	})
	r.Group(func(r chi.Router) {
		r.Get(options.BaseURL+"/v1/rooms/{room}/count", wrapper.CountMembers)
	})
	r.Group(func(r chi.Router) {
		r.Delete(options.BaseURL+"/v1/rooms/{room}/typing", wrapper.StopTyping)
	})
	r.Group(func(r chi.Router) {
		r.Get(options.BaseURL+"/v1/rooms/{room}/typing", wrapper.ListTyping)
	})
	r.Group(func(r chi.Router) {
		r.Post(options.BaseURL+"/v1/rooms/{room}/typing", wrapper.PostTyping)
	})
	r.Group(func(r chi.Router) {
		r.Put(options.BaseURL+"/v1/rooms/{room}/typing", wrapper.SetTyping)
	})
	r.Group(func(r chi.Router) {
		r.Get(options.BaseURL+"/v1/users/{userId}/rooms", wrapper.ListRoomsOfUser)
	})
	r.Group(func(r chi.Router) {
		r.Post(options.BaseURL+"/v1/subscriptions", wrapper.CreateSubscription)
	})
	r.Group(func(r chi.Router) {
		r.Delete(options.BaseURL+"/v1/subscriptions/{id}", wrapper.EndSubscription)
	})
	r.Group(func(r chi.Router) {
		r.Get(options.BaseURL+"/v1/subscriptions/{id}", wrapper.GetSubscription)
	})
	r.Group(func(r chi.Router) {
		r.Patch(options.BaseURL+"/v1/subscriptions/{id}", wrapper.ChangeSubscription)
	})
	r.Group(func(r chi.Router) {
		r.Post(options.BaseURL+"/v1/subscriptions/{id}/renew", wrapper.RenewSubscription)
	})
	r.Group(func(r chi.Router) {
		r.Get(options.BaseURL+"/v1/stream", wrapper.OpenStream)
	})
	r.Group(func(r chi.Router) {
		r.Get(options.BaseURL+"/v1/stream/selftest", wrapper.OpenSelftest)
	})
	r.Group(func(r chi.Router) {
		r.Get(options.BaseURL+"/v1/stats", wrapper.GetStats)
	})
	r.Group(func(r chi.Router) {
		r.Get(options.BaseURL+"/v1/admin/online", wrapper.ListOnline)
	})
	r.Group(func(r chi.Router) {
		r.Delete(options.BaseURL+"/v1/admin/users/{userId}/sessions", wrapper.EndSessions)
	})
	r.Group(func(r chi.Router) {
		r.Post(options.BaseURL+"/v1/admin/users/{userId}/revoke", wrapper.RevokeTokens)
	})
	r.Group(func(r chi.Router) {
		r.Put(options.BaseURL+"/v1/admin/presence/{userId}", wrapper.SetPresence)
	})
	r.Group(func(r chi.Router) {
		r.Get(options.BaseURL+"/healthz", wrapper.GetHealth)
	})
	r.Group(func(r chi.Router) {
		r.Get(options.BaseURL+"/readyz", wrapper.GetReadiness)
	})
	r.Group(func(r chi.Router) {
		r.Get(options.BaseURL+"/metrics", wrapper.GetMetrics)
	})
	r.Group(func(r chi.Router) {
		r.Get(options.BaseURL+"/openapi.yaml", wrapper.GetContract)
	})
	r.Group(func(r chi.Router) {
		r.Get(options.BaseURL+"/docs", wrapper.GetDocs)
	})
	r.Group(func(r chi.Router) {
		r.Get(options.BaseURL+"/", wrapper.GetHome)
	})

	return r
}
