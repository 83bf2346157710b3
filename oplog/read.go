package oplog

import (
	"context"
	"database/sql"
	"database/sql/driver"
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
}

// pageSize is how many rows one read takes: enough to make the statement's
// cost vanish, few enough to stay in the processor's cache.
const pageSize = 512

// Read calls fn for every row that arrived after the given arrival number, in
// order of arrival, until fn returns an error, which Read returns as it is.
// Inside a Write it sees the transaction's own rows.
//
// A row's Payload is valid until fn returns. fn may ask the log for receipts
// and whom to trust, but must not call Read.
func (l *Log) Read(ctx context.Context, after int64, fn func(Row) error) error {
	ctx = context.WithoutCancel(ctx) // an interrupt would throw the connection away
	for {
		p := &l.page
		if err := l.readPage(ctx, after, p); err != nil {
			return err
		}
		for _, row := range *p {
			if err := fn(row); err != nil {
				return err
			}
		}
		if len(*p) < pageSize {
			return nil
		}
		after = (*p)[pageSize-1].Arrival
	}
}

// readThrough reads all that a replica reads before it writes. Where that fails, the file
// is left as it is: it gets no key for a write that cannot be made.
func (l *Log) readThrough(ctx context.Context) error {
	if _, err := l.Epoch(ctx); err != nil {
		return err
	}
	return l.Read(ctx, 0, func(Row) error { return nil })
}

// page is rows as Read reads them. One page is filled again and again.
type page []Row

// readPage fills the page with the rows after the given arrival number. It is
// the query's generated method written by hand, since replay reads all rows.
func (l *Log) readPage(ctx context.Context, after int64, p *page) error {
	*p = (*p)[:0]
	var disorder error
	err := l.direct.each(ctx, db.OpsAfter, func(row []driver.Value) {
		r := Row{Payload: bytesOf(row[2])}
		r.Arrival, _ = row[0].(int64)
		copy(r.ID[:], bytesOf(row[1]))
		if disorder == nil {
			disorder = inOrder(after, r.Arrival)
		}
		after = r.Arrival
		*p = append(*p, r)
	}, after, int64(pageSize))
	if err == nil {
		err = disorder
	}
	return l.fail("read ops", err)
}

// errDisorder: rows do not stand as SQLite keeps them in a table that is sound. A page
// of which a part is lost looks like that to SQLite, which then finds or passes over
// rows as it happens.
var errDisorder = errors.New("the table of ops is damaged")

// inOrder returns an error if the row does not come after the one before.
func inOrder(before, arrival int64) error {
	if arrival > before {
		return nil
	}
	return fmt.Errorf("row %d stands behind row %d: %w", arrival, before, errDisorder)
}

// bytesOf returns what stands in a column of bytes, where a damaged file may hold
// anything.
func bytesOf(v driver.Value) []byte {
	switch v := v.(type) {
	case []byte:
		return v
	case string:
		return []byte(v)
	}
	return nil
}

// ReadSigned is Read for all but replay: rows come with their receipts, and a
// Payload is the caller's to keep.
func (l *Log) ReadSigned(ctx context.Context, after int64, fn func(SignedRow) error) error {
	ctx = context.WithoutCancel(ctx)
	for {
		page, err := l.queries.SignedOpsAfter(ctx, db.SignedOpsAfterParams{Arrival: after, Limit: pageSize})
		if err != nil {
			return l.fail("read ops", err)
		}
		for i := range page {
			if err := inOrder(after, page[i].Arrival); err != nil {
				return l.fail("read ops", err)
			}
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

// SignedAt returns the row with the given arrival number, which must be there.
func (l *Log) SignedAt(ctx context.Context, arrival int64) (SignedRow, error) {
	row, err := l.queries.SignedOpAt(context.WithoutCancel(ctx), arrival)
	if err != nil {
		return SignedRow{}, l.failRow(arrival, err)
	}
	from := db.SignedOpsAfterRow(row)
	return signedRow(&from), nil
}

func signedRow(from *db.SignedOpsAfterRow) SignedRow {
	row := SignedRow{
		Row:     Row{Arrival: from.Arrival, Payload: from.Payload},
		Receipt: Receipt{Seq: uint64(from.Seq), ReceivedAt: from.ReceivedAt},
	}
	copy(row.ID[:], from.OpID)
	copy(row.Signature[:], from.Signature)
	return row
}

// Signature returns the stored signature of an op; there is false if no row has
// its ID. The op is found at once by its seq, and slowly if that is damaged.
func (l *Log) Signature(ctx context.Context, id crdt.OpID, seq uint64) (sig crdt.Signature, there bool, err error) {
	ctx = context.WithoutCancel(ctx)
	stored, err := l.queries.OpSignature(ctx, db.OpSignatureParams{Seq: int64(seq), OpID: id[:]})
	if errors.Is(err, sql.ErrNoRows) {
		stored, err = l.queries.OpSignatureAnySeq(ctx, id[:])
	}
	if errors.Is(err, sql.ErrNoRows) {
		return sig, false, nil
	}
	copy(sig[:], stored)
	return sig, err == nil, l.fail("read signature", err)
}

// Epoch tells of all the decisions whom to trust, repairs of damaged rows, keys
// after the first, and keys that a backup left out: 0 without any. When it is not the one that a document was built
// at, build it anew: it may also be lower, after a backup was restored. Who asks
// after a Read hears of all that preceded any of its rows.
func (l *Log) Epoch(ctx context.Context) (epoch int64, err error) {
	err = l.direct.each(context.WithoutCancel(ctx), db.Epoch, func(row []driver.Value) {
		epoch, _ = row[0].(int64)
	})
	return epoch, l.fail("read epoch", err)
}

// Last returns the arrival number of the last row, 0 if there is none.
func (l *Log) Last(ctx context.Context) (arrival int64, err error) {
	arrival, err = l.queries.LastArrival(context.WithoutCancel(ctx))
	return arrival, l.fail("read ops", err)
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

// Receipt returns the receipt of the row with the given arrival number.
func (l *Log) Receipt(ctx context.Context, arrival int64) (Receipt, error) {
	row, err := l.queries.OpReceipt(context.WithoutCancel(ctx), arrival)
	if err != nil {
		return Receipt{}, l.failRow(arrival, err)
	}
	r := Receipt{Seq: uint64(row.Seq), ReceivedAt: row.ReceivedAt}
	copy(r.Signature[:], row.Signature)
	return r, nil
}

// failRow is fail for reading one row that was read before.
func (l *Log) failRow(arrival int64, err error) error {
	if !errors.Is(err, sql.ErrNoRows) {
		return l.fail("read op", err)
	}
	return &Error{
		Op: "read op", Path: l.cfg.Path, Err: fmt.Errorf("row %d was here and is not found again", arrival),
		Next: "repeat the call: somebody may have put back a backup. If it fails again the database is damaged: huskies-mcp verify says what to do",
	}
}
