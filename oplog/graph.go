package oplog

import (
	"context"
	"crypto/sha256"
	"errors"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/db"
	"github.com/huskies/huskies-mcp/members"
	"github.com/huskies/huskies-mcp/pipeline"
)

// readableOp returns the op of a row by decode, nil if the row is damaged.
func readableOp(row *db.SignedOpsAfterRow, decode func([]byte) (*crdt.Op, error)) (*crdt.Op, error) {
	op, err := decode(row.Payload)
	switch {
	case err == nil && string(op.ID[:]) == string(row.OpID):
		return op, nil
	case errors.Is(err, crdt.ErrVersion):
		if sum := sha256.Sum256(row.Payload); string(sum[:]) == string(row.OpID) {
			return nil, errNewerOp
		}
	}
	// If it is the ID that is damaged, the signature still vouches for the payload.
	var sig crdt.Signature
	copy(sig[:], row.Signature)
	op, err = crdt.Verify(row.Payload, sig)
	if err != nil {
		return nil, nil
	}
	return op, nil
}

// readGraph reads the ops of the whole log with their parents.
func readGraph(ctx context.Context, q *db.Queries) (*members.Graph, error) {
	g := members.NewGraph()
	var decoder crdt.Decoder
	for arrival := int64(0); ; {
		rows, err := q.SignedOpsAfter(ctx, db.SignedOpsAfterParams{Arrival: arrival, Limit: pageSize})
		if err != nil {
			return nil, err
		}
		for i := range rows {
			arrival = rows[i].Arrival
			op, err := readableOp(&rows[i], decoder.Decode)
			switch {
			case err != nil:
				return nil, err
			case op == nil:
				var id crdt.OpID
				copy(id[:], rows[i].OpID)
				g.AddLost(id, uint64(rows[i].Seq))
			default:
				g.Add(op, pipeline.Check(op) == nil)
			}
		}
		if len(rows) < pageSize {
			g.Join()
			return g, nil
		}
	}
}
