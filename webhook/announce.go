package webhook

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/presently/presently/api"
	"github.com/presently/presently/presence"
)

// timeFormat is that of the wire: UTC with milliseconds.
const timeFormat = "2006-01-02T15:04:05.000Z"

// idOf names what is told of a note, the same each time: a note has one announcement at most.
func idOf(n presence.Note) string { return fmt.Sprintf("msg_%d_%d_%s", n.Lane, n.Version, n.ID) }

// bodyOf is an announcement as openapi.yaml describes it.
func bodyOf(a presence.Announcement) ([]byte, error) {
	at := a.At.Time().Truncate(time.Millisecond).Format(timeFormat)
	if a.Room != "" {
		return json.Marshal(api.RoomWebhook{
			Type: api.RoomWebhookType(a.Kind), Timestamp: at, Data: api.RoomTransition{Room: a.Room, Rev: int64(a.At)},
		})
	}
	return json.Marshal(api.UserWebhook{
		Type: api.UserWebhookType(a.Kind), Timestamp: at,
		Data: api.UserTransition{UserID: a.User, Status: api.ShownStatus(a.Status), Before: api.ShownStatus(a.Before), Rev: int64(a.At)},
	})
}
