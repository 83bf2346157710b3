package oplog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/db"
)

// Row is one op as stored.
type Row struct {
	Arrival int64 // from 1, in order of arrival
	ID      crdt.OpID
	// Payload is valid until the function that was called with the row returns:
	// who keeps it copies it.
	Payload []byte
}

// Receipt is what is stored beside an op. Replay does without it.
type Receipt struct {
	Seq        uint64
	Signature  crdt.Signature
	ReceivedAt int64 // ms since 1970 UTC, this replica's clock
}

// SignedRow is a row with all that is stored of it.
type SignedRow struct {
	Row
	Receipt
	// Op is what the row holds. It is nil if the row is damaged and its author did not sign what is
	// there.
	Op *crdt.Op
}

// pageSize is how many rows one read takes: enough to make the statement's
// cost vanish, few enough to stay in the processor's cache.
const pageSize = 512

// errDisorder: rows do not stand as SQLite keeps them in a table that is sound. A page
// of which a part is lost looks like that to SQLite, which then finds or passes over
// rows as it happens.
var errDisorder = disorder{}

// inOrder returns an error if the row does not come after the one before.
func inOrder(before, arrival int64) error {
	if arrival > before {
		return nil
	}
	return fmt.Errorf("row %d stands behind row %d: %w", arrival, before, errDisorder)
}

// signedRow returns a row with its op. The log notes a row that is damaged.
func (l *Log) signedRow(from *db.SignedOpsAfterRow) SignedRow {
	row := storedAs(from)
	if row.Op = opIn(&row); row.Op == nil {
		l.noteDamage(row.Arrival, row.ID)
	}
	return row
}

// storedAs returns a row without its op.
func storedAs(from *db.SignedOpsAfterRow) SignedRow {
	row := SignedRow{
		Row:     Row{Arrival: from.Arrival, Payload: from.Payload},
		Receipt: Receipt{Seq: uint64(from.Seq), ReceivedAt: from.ReceivedAt},
	}
	copy(row.ID[:], from.OpID)
	copy(row.Signature[:], from.Signature)
	return row
}

// First returns the ID of the first row's op, the zero OpID if there is none.
func (l *Log) First(ctx context.Context) (id crdt.OpID, err error) {
	stored, err := l.queries.FirstOp(context.WithoutCancel(ctx))
	if errors.Is(err, sql.ErrNoRows) {
		return id, nil
	}
	copy(id[:], stored)
	return id, l.fail("read ops", err)
}

// failRow is fail for reading one row that was read before.
func (l *Log) failRow(arrival int64, err error) error {
	if !errors.Is(err, sql.ErrNoRows) {
		return l.fail("read op", err)
	}
	return &Error{Op: "read op", Path: l.cfg.Path, Code: CodeRowGone, Err: fmt.Errorf("row %d was here and is not found again", arrival)}
}
