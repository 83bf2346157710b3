package oplog

import (
	"maps"
	"slices"
	"sync"

	"github.com/huskies/huskies-mcp/crdt"
)

// maxNoted bounds the damaged rows that are noted at once: more than a person looks at.
const maxNoted = 1000

// notedRows are rows that readers found damaged. A reader cannot write, so the next transaction that
// writes enters them among the exceptions.
type notedRows struct {
	mu   sync.Mutex // guards rows
	rows map[int64]bool
}

// take returns the noted rows in order, and forgets them.
func (n *notedRows) take() []int64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	rows := slices.Sorted(maps.Keys(n.rows))
	n.rows = nil
	return rows
}

func (n *notedRows) add(arrival int64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.rows == nil {
		n.rows = make(map[int64]bool)
	}
	if len(n.rows) < maxNoted {
		n.rows[arrival] = true
	}
}

// opIn returns the op of a row, or nil if the row is damaged and its author did not sign what is
// there.
func opIn(row *SignedRow) *crdt.Op {
	op, err := crdt.Decode(row.Payload)
	if err == nil && op.ID == row.ID {
		return op
	}
	if op, err = crdt.Verify(row.Payload, row.Signature); err == nil {
		return op
	}
	return nil
}

// noteDamage tells the log file of a damaged row, and the next transaction that writes.
func (l *Log) noteDamage(arrival int64, id crdt.OpID) {
	l.noted.add(arrival)
	l.cfg.Logger.Error("op in the database is damaged and is passed over: import a bundle that has it, or restore a backup",
		"arrival", arrival, "op", id.Short())
}
