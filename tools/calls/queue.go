package calls

import (
	"slices"

	"github.com/mark3labs/mcp-go/mcp"
)

// queue holds the calls that wait to be started, oldest first.
type queue struct {
	calls []*request
	bytes int // of their lines
}

func (q *queue) full() bool {
	return len(q.calls) >= maxQueuedCalls || q.bytes >= maxQueuedBytes
}

func (q *queue) push(r *request) {
	q.calls = append(q.calls, r)
	q.bytes += len(r.raw)
}

// pop takes out the first call.
func (q *queue) pop() *request {
	first := q.calls[0]
	q.bytes -= len(first.raw)
	q.calls = slices.Delete(q.calls, 0, 1)
	return first
}

// remove takes out the calls with that id and returns them.
func (q *queue) remove(id mcp.RequestId) (removed []*request) {
	q.calls = slices.DeleteFunc(q.calls, func(r *request) bool {
		if r.id != id {
			return false
		}
		q.bytes -= len(r.raw)
		removed = append(removed, r)
		return true
	})
	return removed
}
