package calls

import (
	"bytes"
	"encoding/json"
	"regexp"

	"github.com/mark3labs/mcp-go/mcp"
)

// This file finds whom to answer about a message that is not read: a request without an answer lets its
// client wait.

// EndBytes is how much of a message over MaxMessageBytes is kept of its beginning, and of its end.
// Clients write the ID of a request first or last, and IDs are short.
const EndBytes = 1 << 10

// idAtEnd matches the ID of a request that ends with it, or with it and other short members.
var idAtEnd = regexp.MustCompile(`[,{]\s*"id"\s*:\s*(-?[0-9]{1,19}|"(?:[^"\\]|\\.)*")\s*(?:,\s*"(?:jsonrpc|method)"\s*:\s*"[^"\\]*"\s*)*\}\s*$`)

// idOfEnds returns the ID of the request that begins and ends so. The ID is nil if it is in neither, or
// if the beginning has no method: a response is not answered.
func idOfEnds(first, last []byte) (id mcp.RequestId) {
	members := membersAtStart(first)
	raw := members["id"]
	if found := idAtEnd.FindSubmatch(last); raw == nil && found != nil {
		raw = found[1]
	}
	if raw != nil && members["method"] != nil {
		id, _ = parseID(raw)
	}
	return id
}

// membersAtStart returns the members of an object of which the text is the beginning, up to the one with
// which the text ends.
func membersAtStart(text []byte) map[any]json.RawMessage {
	members := make(map[any]json.RawMessage)
	dec := json.NewDecoder(bytes.NewReader(text))
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		return nil
	}
	for {
		name, err := dec.Token()
		var value json.RawMessage
		if err != nil || dec.Decode(&value) != nil {
			return members
		}
		members[name] = value
	}
}

// batchIDs returns the IDs of the requests in a batch. It returns nil if the text is no batch, or if the
// batch has more values than a message may have.
func batchIDs(text []byte) (ids []mcp.RequestId) {
	var batch []json.RawMessage
	if countValues(text) > MaxMessageValues || json.Unmarshal(text, &batch) != nil {
		return nil
	}
	for _, one := range batch {
		if m, refusal := parse(one); refusal == nil && !m.id.IsNil() {
			ids = append(ids, m.id)
		}
	}
	return ids
}
