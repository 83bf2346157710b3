package replica

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/oplog"
	"github.com/huskies/huskies-mcp/oplog/bundle"
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
var ErrNoBundle = errors.New("its first lines are no ops")

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
	// Apart are stories that came and were created apart under one ID: the first of them, by ID.
	Apart []pipeline.Fact
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
	bytes  int64  // of the bundle
	seq    uint64 // once verified; the op itself may take forty times its payload
	err    error
}

// importer is the state of one Import.
type importer struct {
	r        *Replica
	progress func(bytes int64)
	report   ImportReport
	decoder  crdt.Decoder
	sound    bool // a line was an op
	// waiting are the ops taken in that had to wait for parents, by line.
	waiting map[crdt.OpID]int
	// created are stories that ops taken in create, up to maxCreated.
	created map[string]bool
	// fromHub, if it is not empty: the ops are on the hub that the replica is joined to under this name. known are those of them
	// that were here already.
	fromHub string
	known   []crdt.OpID
	// again are ops of the window for which there was no room among those of
	// authors who are not trusted. When a trusted author's op that builds on one
	// has come, there is; nil in the second round.
	again *[]candidate
	// from, if it is not nil, is what a new database is made of besides. Then no op is refused for want
	// of room.
	from *oplog.Legacy
}

func newImporter(r *Replica, progress func(bytes int64)) *importer {
	if progress == nil {
		progress = func(int64) {}
	}
	return &importer{r: r, progress: progress, waiting: make(map[crdt.OpID]int)}
}

// Import verifies the ops of a bundle, appends those that are new and applies
// them, in one transaction per batch. Taking a bundle in again, or in another
// order, makes no difference. Progress, if not nil, is told how many more bytes
// of the bundle are done; it is called from several goroutines.
//
// After an error what was taken in until then is in the log, and the report says
// so; the rest can be had by importing the bundle again.
func (r *Replica) Import(ctx context.Context, in *bundle.Reader, progress func(bytes int64)) (ImportReport, error) {
	im := newImporter(r, progress)
	err := im.end(ctx, im.takeAll(ctx, in))
	return im.report, err
}

// takeAll takes in the ops of the bundle, window by window.
func (im *importer) takeAll(ctx context.Context, in *bundle.Reader) error {
	for {
		window, end := im.read(in)
		if end != nil && !errors.Is(end, io.EOF) {
			return end
		}
		if im.from != nil {
			if err := im.r.createFrom(ctx, im.from); err != nil {
				return err
			}
		}
		window, err := im.unknown(ctx, window)
		if err == nil {
			err = im.store(ctx, im.verify(window))
		}
		if err != nil || end != nil {
			return err
		}
	}
}

// end counts what became of the ops taken in that had to wait, and returns err.
func (im *importer) end(ctx context.Context, err error) error {
	before := im.report
	viewErr := im.r.snapshotIfThere(ctx, func(snap *oplog.Snapshot) error {
		im.report = before
		for id, line := range im.waiting {
			kind, _, there, err := snap.KindOf(id)
			if err != nil {
				return err
			}
			switch {
			case !there: // its commit failed
			case kind == oplog.Pending:
				im.report.Pending++
			case kind == oplog.Held:
				im.report.Held++
			case kind == oplog.Refused: // when the state was rebuilt
				im.report.New--
				im.refuse(Refusal{line, id, errSeq})
			}
		}
		return nil
	})
	if viewErr == nil && len(im.created) > 0 {
		viewErr = im.r.view(ctx, func(v *View) error {
			im.report.Apart = im.apart(v)
			return nil
		})
	}
	if err == nil {
		err = viewErr
	}
	return err
}

// maxCreated bounds the stories that an import looks at again, to say which were created apart. Doctor
// looks at all.
const maxCreated = 10_000

// apart returns what is known of the stories that came and were created apart.
func (im *importer) apart(v *View) (apart []pipeline.Fact) {
	for _, id := range slices.Sorted(maps.Keys(im.created)) {
		if made, ok := v.MadeApart(id); ok && len(apart) < maxApart {
			apart = append(apart, made)
		}
	}
	return apart
}

// errSeq: why a pending op is refused when its parents have come.
var errSeq = errors.New("its seq does not follow from its parents")

// read reads a window of the bundle. At its end the error is io.EOF, with the
// last window.
func (im *importer) read(in *bundle.Reader) (window []candidate, err error) {
	for size := 0; size < windowBytes; {
		start := in.Offset()
		signed, err := in.Next()
		bytes := in.Offset() - start
		var bad *bundle.LineError
		switch {
		case errors.As(err, &bad):
			im.refuse(Refusal{Line: bad.Line, Err: bad.Err})
			im.progress(bytes)
			if !im.sound && im.report.Refused == maxRefusals {
				return nil, fmt.Errorf("%w; line %d: %w", ErrNoBundle, im.report.Refusals[0].Line, im.report.Refusals[0].Err)
			}
			continue
		case err != nil:
			return window, err
		}
		im.sound = true
		window = append(window, candidate{signed: signed, line: in.Line(), bytes: bytes})
		size += len(signed.Payload) + candidateBytes
	}
	return window, nil
}

// unknown leaves out what is here already, with the same signature: what was
// admitted once need not be verified again, which is nearly all that an import
// costs.
func (im *importer) unknown(ctx context.Context, window []candidate) (left []candidate, err error) {
	all := window
	var known []candidate
	err = im.r.snapshotIfThere(ctx, func(snap *oplog.Snapshot) error {
		left, known = make([]candidate, 0, len(window)), nil
		for _, c := range window {
			same, err := isStored(snap, c.signed)
			if err != nil {
				return err
			}
			if !same {
				left = append(left, c)
				continue
			}
			known = append(known, c)
		}
		all = nil
		return nil
	})
	if errors.Is(err, oplog.ErrState) { // whoever writes makes it anew first
		known, err = nil, nil
	}
	for _, c := range known {
		im.note(c.signed.ID)
		im.progress(c.bytes)
	}
	if err == nil && all != nil { // there is no database yet, or its state is damaged
		left = all
	}
	return left, err
}

// isStored reports whether the log has the op as it is, and not refused.
func isStored(snap *oplog.Snapshot, signed crdt.SignedOp) (bool, error) {
	kind, arrival, there, err := snap.KindOf(signed.ID)
	if err != nil || !there || kind == oplog.Refused {
		return false, err
	}
	row, err := snap.Row(arrival)
	return err == nil && row.Signature == signed.Signature && bytes.Equal(row.Payload, signed.Payload), err
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
		before, again := im.report, 0
		if im.again != nil {
			again = len(*im.again)
		}
		var refused []crdt.OpID
		err := im.r.locked(ctx, func(log *oplog.Log) error {
			return log.Write(ctx, func(tx *oplog.Tx) error {
				if im.report = before; im.again != nil { // this may be a second try
					*im.again = (*im.again)[:again]
				}
				if im.fromHub != "" {
					if err := tx.FromHub(im.fromHub); err != nil {
						return err
					}
				}
				for i := range batch {
					if err := im.take(tx, &batch[i]); err != nil {
						return err
					}
				}
				refused = tx.Refused()
				return nil
			})
		})
		if err != nil {
			im.report = before
			return err
		}
		for _, id := range refused {
			im.refuseReleased(id)
		}
	}
	return nil
}

// take takes in one op, or refuses it. An error is the storage's.
func (im *importer) take(tx *oplog.Tx, c *candidate) error {
	op, err := im.decoder.Decode(c.signed.Payload)
	if err != nil {
		return err // it was read before
	}
	kind, known, err := tx.Admit(op)
	var full *oplog.NoRoom
	if errors.As(err, &full) && im.from != nil {
		err = nil
	}
	switch {
	case errors.As(err, &full) && errors.Is(err, crdt.ErrHeldFull) && im.again != nil:
		*im.again = append(*im.again, *c)
		return nil
	case errors.As(err, &full):
		im.refuse(Refusal{c.line, op.ID, err})
		return nil
	case err != nil:
		return err
	case known:
		return im.takeKnown(tx, kind, op, c)
	case kind == oplog.Refused:
		im.refuse(Refusal{c.line, op.ID, refusalOf(op)})
		return nil
	}
	if _, kind, err = tx.Append(op, c.signed); err != nil {
		return err
	}
	if op.Creates && len(im.created) < maxCreated {
		if im.created == nil {
			im.created = make(map[string]bool)
		}
		im.created[strings.Clone(op.Story)] = true // the decoder's text is gone with the next op
	}
	im.report.New++
	switch kind {
	case oplog.Held:
		im.report.Held++
	case oplog.Pending:
		im.waiting[op.ID] = c.line
	}
	return nil
}

// refuseReleased counts an op that waited for its parents and broke a rule when they came. The
// line is 0 if the op waited here before the import.
func (im *importer) refuseReleased(id crdt.OpID) {
	line, ours := im.waiting[id]
	if ours {
		delete(im.waiting, id)
		im.report.New--
	}
	im.refuse(Refusal{line, id, errSeq})
}

// takeKnown mends the row of an op that is here already, if it is damaged or bears a
// signature that is not valid.
func (im *importer) takeKnown(tx *oplog.Tx, kind oplog.Kind, op *crdt.Op, c *candidate) error {
	sound, err := tx.IsSound(op.ID)
	switch {
	case err != nil:
		return err
	case !sound:
		im.report.Mended++
		return tx.Repair(op, c.signed)
	case kind == oplog.Refused:
		im.refuse(Refusal{c.line, op.ID, refusalOf(op)})
	default:
		im.note(op.ID)
	}
	return nil
}

// note counts an op that is here already.
func (im *importer) note(id crdt.OpID) {
	im.report.Known++
	if im.fromHub != "" {
		im.known = append(im.known, id)
	}
}

// refusalOf says why an op is refused.
func refusalOf(op *crdt.Op) error {
	if err := pipeline.Check(op); err != nil {
		return err
	}
	return fmt.Errorf("%w: op %s has seq %d, which does not follow from its parents", crdt.ErrRefused, op.ID.Short(), op.Seq)
}

// Admit takes in verified or unverified ops from elsewhere, in one transaction a
// batch: the way in for a bundle's lines or a relay's messages alike. It returns what
// became of them.
func (r *Replica) Admit(ctx context.Context, ops []crdt.SignedOp) (ImportReport, error) {
	im := newImporter(r, nil)
	err := im.admit(ctx, ops)
	return im.report, err
}

func (im *importer) admit(ctx context.Context, ops []crdt.SignedOp) error {
	window := make([]candidate, len(ops))
	for i, op := range ops {
		window[i] = candidate{signed: op, line: i + 1}
	}
	window, err := im.unknown(ctx, window)
	if err == nil {
		err = im.store(ctx, im.verify(window))
	}
	return im.end(ctx, err)
}

func (im *importer) refuse(r Refusal) {
	im.report.Refused++
	if len(im.report.Refusals) < maxRefusals || im.fromHub != "" { // each of a batch is told apart
		im.report.Refusals = append(im.report.Refusals, r)
	}
}
