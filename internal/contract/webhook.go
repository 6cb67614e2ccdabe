package contract

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// CheckWebhook fails tb unless what was posted to a receiver is a webhook of the contract.
func (c *Contract) CheckWebhook(tb testing.TB, header http.Header, body []byte) {
	tb.Helper()
	if err := c.checkWebhook(header, body); err != nil {
		tb.Errorf("what was posted is no webhook of the contract: %v\n%s", err, body)
	}
}

func (c *Contract) checkWebhook(header http.Header, body []byte) error {
	for name, parameter := range map[string]string{
		"webhook-id": "WebhookID", "webhook-timestamp": "WebhookTimestamp", "webhook-signature": "WebhookSignature",
	} {
		if err := c.check("#/components/parameters/"+parameter+"/schema", header.Get(name)); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return err
	}
	schema := "#/components/schemas/UserWebhook"
	if object, ok := value.(map[string]any); ok {
		if kind, _ := object["type"].(string); strings.HasPrefix(kind, "room.") {
			schema = "#/components/schemas/RoomWebhook"
		}
	}
	return c.check(schema, value)
}
