package calls

import (
	"encoding/json"
	"testing"

	"github.com/mark3labs/mcp-go/mcp"
)

func TestQueueIsBoundedInBytes(t *testing.T) {
	longest := make(json.RawMessage, MaxMessageBytes)
	var q queue
	for i := range maxQueuedBytes / MaxMessageBytes {
		if q.full() {
			t.Fatalf("after %d of the longest calls: got full, want room", i)
		}
		q.push(&request{message: message{id: mcp.NewRequestId(int64(i)), raw: longest}})
	}
	if !q.full() {
		t.Errorf("with %d bytes: got room, want full", maxQueuedBytes)
	}
	if removed := q.remove(mcp.NewRequestId(int64(3))); len(removed) != 1 || q.full() {
		t.Errorf("after removing one call: got %d removed, full %v, want 1 and room", len(removed), q.full())
	}
	for len(q.calls) > 0 {
		q.pop()
	}
	if q.bytes != 0 {
		t.Errorf("bytes of an empty queue: got %d, want 0", q.bytes)
	}
}
