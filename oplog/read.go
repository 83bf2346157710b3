package oplog

import (
	"cmp"
	"context"
	"sync"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/db"
)

// Row is one op as stored.
type Row struct {
	Arrival int64 // from 1, in order of arrival
	ID      crdt.OpID
	Payload []byte
	// Decision is the number of the last decision whom to trust when the row
	// was read, 0 if there was none. When it is not the one that [Log.Trusted]
	// was read at, read that anew: it may also be lower, after a backup was
	// restored.
	Decision int64
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
}

// pageSize is how many rows one read takes: enough to make the statement's
// cost vanish, few enough to stay in the processor's cache.
const pageSize = 512

// Read calls fn for every row that arrived after the given arrival number, in
// order of arrival, until fn returns an error, which Read returns as it is.
// Inside a Write it sees the transaction's own rows. While fn works on one page
// of rows the next is read: a long replay keeps two processors busy.
func (l *Log) Read(ctx context.Context, after int64, fn func(Row) error) error {
	ctx = context.WithoutCancel(ctx) // an interrupt would throw the connection away
	page, err := l.readPage(ctx, after)
	if err != nil {
		return err
	}
	for {
		var next []db.OpsAfterRow
		var readErr error
		var ahead sync.WaitGroup
		more := len(page) == pageSize
		if more {
			last := page[len(page)-1].Arrival
			ahead.Go(func() { next, readErr = l.readPage(ctx, last) })
		}
		err := eachRow(page, fn)
		ahead.Wait()
		if err != nil || readErr != nil || !more {
			return cmp.Or(err, readErr)
		}
		page = next
	}
}

func (l *Log) readPage(ctx context.Context, after int64) ([]db.OpsAfterRow, error) {
	rows, err := l.queries.OpsAfter(ctx, db.OpsAfterParams{Arrival: after, Limit: pageSize})
	return rows, l.fail("read ops", err)
}

func eachRow(page []db.OpsAfterRow, fn func(Row) error) error {
	for i := range page {
		row := Row{Arrival: page[i].Arrival, Payload: page[i].Payload, Decision: page[i].Decision}
		copy(row.ID[:], page[i].OpID)
		if err := fn(row); err != nil {
			return err
		}
	}
	return nil
}

// ReadSigned is Read for all but replay: rows come with their receipts, and no
// page is read ahead.
func (l *Log) ReadSigned(ctx context.Context, after int64, fn func(SignedRow) error) error {
	ctx = context.WithoutCancel(ctx)
	for {
		page, err := l.queries.SignedOpsAfter(ctx, db.SignedOpsAfterParams{Arrival: after, Limit: pageSize})
		if err != nil {
			return l.fail("read ops", err)
		}
		for i := range page {
			after = page[i].Arrival
			if err := fn(signedRow(&page[i])); err != nil {
				return err
			}
		}
		if len(page) < pageSize {
			return nil
		}
	}
}

func signedRow(from *db.SignedOpsAfterRow) SignedRow {
	row := SignedRow{
		Row:     Row{Arrival: from.Arrival, Payload: from.Payload, Decision: from.Decision},
		Receipt: Receipt{Seq: uint64(from.Seq), ReceivedAt: from.ReceivedAt},
	}
	copy(row.ID[:], from.OpID)
	copy(row.Signature[:], from.Signature)
	return row
}

// Receipt returns the receipt of the row with the given arrival number.
func (l *Log) Receipt(ctx context.Context, arrival int64) (Receipt, error) {
	row, err := l.queries.OpReceipt(context.WithoutCancel(ctx), arrival)
	if err != nil {
		return Receipt{}, l.fail("read op", err)
	}
	r := Receipt{Seq: uint64(row.Seq), ReceivedAt: row.ReceivedAt}
	copy(r.Signature[:], row.Signature)
	return r, nil
}
