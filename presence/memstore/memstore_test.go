package memstore_test

import (
	"testing"

	"github.com/presently/presently/presence/storetest"
)

func TestMemstoreKeepsTheContract(t *testing.T) {
	storetest.Stories(t, storetest.WithMemstore)
}

func TestAClosedMemstoreShowsWhoHasWrittenASetting(t *testing.T) {
	storetest.Losses(t, storetest.WithClosedMemstore)
}

// The histories compare memstore with itself: what they prove here is that changes alone lead to the record that is read.
func TestChangesAloneLeadToTheRecord(t *testing.T) {
	storetest.Histories(t, storetest.WithMemstore)
}
