package replica

import (
	"cmp"
	"context"
	"errors"
	"io"
	"runtime"
	"slices"
	"sync"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/oplog"
)

const (
	// windowBytes bounds the payloads of a bundle that are in memory at once.
	// Inside a window parents are taken first, whatever the bundle's order.
	windowBytes = 64 << 20
	// batchSize is the ops of one transaction: few enough that other writers
	// wait no longer than for some dozen writes of their own.
	batchSize = 256
	// maxRefusals bounds the refusals that a report spells out.
	maxRefusals = 1000
)

// ImportReport says what became of a bundle's ops.
type ImportReport struct {
	// New ops are in the log now; Held and Pending of them show nowhere: those
	// of authors who are not trusted, and those whose parents are missing.
	New, Held, Pending int
	// Known ops were here already.
	Known int
	// Mended ops had a damaged row, which is whole again.
	Mended int
	// Refused counts what was not taken, and ops that waited here for parents
	// and turned out to break a rule. Refusals has the first of them.
	Refused  int
	Refusals []Refusal
}

// Refusal is an op, or a line, that was not taken.
type Refusal struct {
	Line int       // in the bundle; 0: the op came earlier
	ID   crdt.OpID // zero if the line could not be read
	Err  error
}

// candidate is one op of a bundle on its way in.
type candidate struct {
	signed crdt.SignedOp
	line   int
	bytes  int64 // of the bundle
	op     *crdt.Op
	err    error
}

// importer is the state of one Import.
type importer struct {
	r        *Replica
	progress func(bytes int64)
	report   ImportReport
	// waiting are the ops taken in that have to wait for parents, by line.
	waiting map[crdt.OpID]int
}

// Import verifies the ops of a bundle, appends those that are new and applies
// them, in one transaction per batch. Taking a bundle in again, or in another
// order, makes no difference. Progress, if not nil, is told how many more bytes
// of the bundle are done; it is called from several goroutines.
//
// After an error what was taken in until then is in the log, and the report says
// so; the rest can be had by importing the bundle again.
func (r *Replica) Import(ctx context.Context, bundle *oplog.BundleReader, progress func(bytes int64)) (ImportReport, error) {
	im := &importer{r: r, progress: progress, waiting: make(map[crdt.OpID]int)}
	if progress == nil {
		im.progress = func(int64) {}
	}
	for {
		window, end := im.read(bundle)
		if end != nil && !errors.Is(end, io.EOF) {
			return im.report, end
		}
		window, err := im.unknown(ctx, window)
		if err == nil {
			err = im.store(ctx, im.verify(window))
		}
		if im.report.Pending = len(im.waiting); err != nil || end != nil {
			return im.report, err
		}
	}
}

// read reads a window of the bundle. At its end the error is io.EOF, with the
// last window.
func (im *importer) read(bundle *oplog.BundleReader) (window []candidate, err error) {
	for size := 0; size < windowBytes; {
		start := bundle.Offset()
		signed, err := bundle.Next()
		bytes := bundle.Offset() - start
		var bad *oplog.LineError
		switch {
		case errors.As(err, &bad):
			im.refuse(Refusal{Line: bad.Line, Err: bad.Err})
			im.progress(bytes)
			continue
		case err != nil:
			return window, err
		}
		window = append(window, candidate{signed: signed, line: bundle.Line(), bytes: bytes})
		size += len(signed.Payload)
	}
	return window, nil
}

// unknown leaves out what is here already: a payload that was admitted once need
// not be verified again, which is nearly all that an import costs.
func (im *importer) unknown(ctx context.Context, window []candidate) (left []candidate, err error) {
	err = im.r.read(ctx, func() error {
		if im.r.log == nil {
			left = window
			return nil
		}
		if err := im.r.catchUp(ctx); err != nil {
			im.r.drop()
			return err
		}
		left = window[:0]
		for _, c := range window {
			if im.r.state.Doc().Knows(c.signed.ID) {
				im.report.Known++
				im.progress(c.bytes)
			} else {
				left = append(left, c)
			}
		}
		return nil
	})
	return left, err
}

// verify checks all signatures of a window, on all processors, without any
// lock, refuses what is not valid and returns the rest.
func (im *importer) verify(window []candidate) []candidate {
	parts := make(chan []candidate)
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for part := range parts {
				for i := range part {
					c := &part[i]
					c.op, c.err = crdt.Verify(c.signed.Payload, c.signed.Signature)
					im.progress(c.bytes)
				}
			}
		})
	}
	for part := range slices.Chunk(window, 64) {
		parts <- part
	}
	close(parts)
	wg.Wait()
	good := window[:0]
	for _, c := range window {
		if c.err != nil {
			im.refuse(Refusal{c.line, c.signed.ID, c.err})
		} else {
			good = append(good, c)
		}
	}
	return good
}

// store appends and applies what was verified, parents first: the seq of an op
// is greater than those of its parents.
func (im *importer) store(ctx context.Context, good []candidate) error {
	if len(good) == 0 {
		return nil // nothing is created for a bundle that has nothing
	}
	slices.SortStableFunc(good, func(a, b candidate) int { return cmp.Compare(a.op.Seq, b.op.Seq) })
	if err := oplog.CreateFolder(im.r.cfg.Path); err != nil {
		return err
	}
	for batch := range slices.Chunk(good, batchSize) {
		if err := im.r.locked(ctx, func() error { return im.write(ctx, batch) }); err != nil {
			return err
		}
	}
	return nil
}

// write takes in one batch in one transaction. Each op is applied as it is
// appended, since the next may build on it. Nobody sees the document before
// the commit, for mu is held; and if anything fails the document is forgotten.
func (im *importer) write(ctx context.Context, batch []candidate) error {
	before := im.report
	err := im.r.log.Write(ctx, func(tx *oplog.Tx) error {
		if err := im.r.catchUp(ctx); err != nil {
			return err
		}
		for i := range batch {
			if err := im.take(tx, &batch[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		im.report = before
		im.r.drop()
	}
	return err
}

// take takes in one op, or refuses it. An error is the storage's.
func (im *importer) take(tx *oplog.Tx, c *candidate) error {
	doc := im.r.state.Doc()
	status, err := doc.Admit(c.op)
	switch {
	case err != nil:
		im.refuse(Refusal{c.line, c.op.ID, err})
		return nil
	case status == crdt.Duplicate:
		im.report.Known++
		return nil
	}
	at, held := im.r.cursor, doc.HeldLen()
	if doc.Assumed(c.op.ID) {
		if err := tx.Repair(c.op, c.signed); err != nil {
			return err
		}
		im.report.Mended++
	} else {
		arrival, err := tx.Append(c.op, c.signed)
		if err != nil {
			return err
		}
		at = cursor{arrival, c.op.ID}
		im.report.New++
	}
	res := im.r.apply(c.op, at)
	im.report.Held += doc.HeldLen() - held
	if res.Status == crdt.Pending {
		im.waiting[c.op.ID] = c.line
	}
	for _, op := range res.Released {
		delete(im.waiting, op.ID)
	}
	for _, op := range res.Refused {
		im.refuse(Refusal{im.waiting[op.ID], op.ID, errSeq})
		if _, mine := im.waiting[op.ID]; mine {
			im.report.New--
			delete(im.waiting, op.ID)
		}
	}
	return nil
}

func (im *importer) refuse(r Refusal) {
	im.report.Refused++
	if len(im.report.Refusals) < maxRefusals {
		im.report.Refusals = append(im.report.Refusals, r)
	}
}
