package replica

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/oplog"
	"github.com/huskies/huskies-mcp/pipeline"
)

const (
	// windowBytes bounds what is in memory of a bundle at once. Inside a window
	// parents are taken first, whatever the bundle's order.
	windowBytes = 64 << 20
	// candidateBytes is what an op in a window takes besides its payload.
	candidateBytes = 320
	// batchSize is the ops of one transaction: few enough that other writers
	// wait no longer than for some dozen writes of their own.
	batchSize = 256
	// maxRefusals bounds the refusals that a report spells out: enough to see what
	// is wrong, little enough for an agent to read.
	maxRefusals = 20
)

// ErrNoBundle marks input that is not a bundle.
var ErrNoBundle = errors.New("nothing that huskies-mcp export wrote")

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
	bytes  int64          // of the bundle
	known  bool           // it is here already,
	stored crdt.Signature // with another signature
	seq    uint64         // once verified; the op itself may take forty times its payload
	err    error
}

// importer is the state of one Import.
type importer struct {
	r        *Replica
	progress func(bytes int64)
	report   ImportReport
	decoder  crdt.Decoder
	sound    bool // a line was an op
	// waiting are the ops taken in that have to wait for parents, by line.
	waiting map[crdt.OpID]int
	// mended are the ops of the batch whose rows got their bytes back.
	mended map[crdt.OpID]bool
	// again are ops of the window for which there was no room among those of
	// authors who are not trusted. When a trusted author's op that builds on one
	// has come, there is; nil in the second round.
	again *[]candidate
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
			err := im.end(ctx, end)
			return im.report, err
		}
		window, err := im.unknown(ctx, window)
		if err == nil {
			err = im.store(ctx, im.verify(window))
		}
		if err != nil || end != nil {
			err = im.end(ctx, err)
			return im.report, err
		}
	}
}

// end counts the ops taken in that still wait, and returns err.
func (im *importer) end(ctx context.Context, err error) error {
	viewErr := im.r.View(ctx, func(s *pipeline.State) error {
		for id := range im.waiting {
			if s.Doc().Knows(id) && !s.Doc().Has(id) { // not if its commit failed
				im.report.Pending++
			}
		}
		return nil
	})
	if err == nil {
		err = viewErr
	}
	return err
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
			if !im.sound && im.report.Refused == maxRefusals {
				return nil, fmt.Errorf("%w: its first lines are no ops; line %d: %w", ErrNoBundle, im.report.Refusals[0].Line, im.report.Refusals[0].Err)
			}
			continue
		case err != nil:
			return window, err
		}
		im.sound = true
		window = append(window, candidate{signed: signed, line: bundle.Line(), bytes: bytes})
		size += len(signed.Payload) + candidateBytes
	}
	return window, nil
}

// unknown leaves out what is here already, with the same signature: what was
// admitted once need not be verified again, which is nearly all that an import
// costs.
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
				op, err := im.decoder.Decode(c.signed.Payload)
				if err != nil {
					return err
				}
				var there bool
				if c.stored, there, err = im.r.log.Signature(ctx, c.signed.ID, op.Seq); err != nil {
					return err
				}
				// Without a row of its ID the op is in one whose ID is damaged, by which
				// it cannot be found; nothing of it is missing.
				if c.known = true; c.stored == c.signed.Signature || !there {
					im.report.Known++
					im.progress(c.bytes)
					continue
				}
			}
			left = append(left, c)
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
					op, err := crdt.Verify(c.signed.Payload, c.signed.Signature)
					if c.err = err; err == nil {
						c.seq = op.Seq
					}
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
	slices.SortStableFunc(good, func(a, b candidate) int { return cmp.Compare(a.seq, b.seq) })
	if err := oplog.CreateFolder(im.r.cfg.Path); err != nil {
		return err
	}
	var again []candidate
	im.again = &again
	if err := im.storeBatches(ctx, good); err != nil {
		return err
	}
	im.again = nil
	return im.storeBatches(ctx, again)
}

func (im *importer) storeBatches(ctx context.Context, good []candidate) error {
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
	err := im.mend(ctx, batch)
	if err == nil {
		err = im.r.log.Write(ctx, func(tx *oplog.Tx) error {
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
	}
	if err != nil {
		im.report = before
		im.r.fail(err)
	}
	return err
}

// mend gives damaged rows of the batch's ops their bytes back, in a transaction
// of its own: what was refused or is missing because of the damage is known
// only when the log has been read anew.
func (im *importer) mend(ctx context.Context, batch []candidate) error {
	im.mended = nil
	if err := im.r.catchUp(ctx); err != nil {
		return err
	}
	if !slices.ContainsFunc(batch, im.isDamaged) {
		return nil
	}
	return im.r.log.Write(ctx, func(tx *oplog.Tx) error {
		for i := range batch {
			c := &batch[i]
			if !im.isDamaged(*c) || im.mended[c.signed.ID] {
				continue
			}
			op, err := im.decoder.Decode(c.signed.Payload)
			if err == nil {
				err = tx.Repair(op, c.signed)
			}
			if err != nil {
				return err
			}
			if im.mended == nil {
				im.mended = make(map[crdt.OpID]bool)
			}
			im.mended[c.signed.ID] = true
			im.report.Mended++
		}
		return nil
	})
}

// isDamaged reports whether the op's row cannot be read, or bears a signature
// that is not valid. The document shows the second, but nobody else would take it.
func (im *importer) isDamaged(c candidate) bool {
	if !c.known {
		return im.r.odd[c.signed.ID] == rowDamaged
	}
	_, err := crdt.Verify(c.signed.Payload, c.stored)
	return err != nil
}

// take takes in one op, or refuses it. An error is the storage's.
func (im *importer) take(tx *oplog.Tx, c *candidate) error {
	doc := im.r.state.Doc()
	op, err := im.decoder.Decode(c.signed.Payload)
	if err != nil {
		return err // it was read before
	}
	status, err := doc.Admit(op)
	switch {
	case im.mended[op.ID]:
		return nil
	case errors.Is(err, crdt.ErrHeldFull) && im.again != nil:
		*im.again = append(*im.again, *c)
		return nil
	case err != nil:
		im.refuse(Refusal{c.line, op.ID, err})
		return nil
	case status == crdt.Duplicate || im.r.odd[op.ID] != rowGood:
		im.report.Known++
		return nil
	}
	arrival, err := tx.Append(op, c.signed)
	if err != nil {
		return err
	}
	im.report.New++
	held := doc.HeldLen()
	res := im.r.apply(op, cursor{arrival, op.ID})
	im.report.Held += doc.HeldLen() - held
	if res.Status == crdt.Pending {
		im.waiting[op.ID] = c.line
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
