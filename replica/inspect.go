package replica

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/oplog"
)

// maxClockSkew is how far apart the clocks of machines may be before Inspect
// counts an op as one of a wrong clock.
const maxClockSkew = 10 * time.Minute

// Inspection is what the ops and the decisions in a log amount to, for a person
// who looks for what is wrong.
type Inspection struct {
	// Author is the replica's own.
	Author crdt.Author
	// Trusted is the list; when it is empty, ops of all are applied.
	Trusted []oplog.TrustedAuthor
	// Stories are those that the applied ops are about.
	Stories, Applied, Held, Pending int
	// Authors has a row for each author of an op, sorted.
	Authors []AuthorOps
	// Missing are the ops that pending ones wait for, sorted.
	Missing []MissingOp
	// Damaged rows cannot be read; Refused ops break a rule. Sorted.
	Damaged, Refused []crdt.OpID
	// SharedNumbers are stories that have a number in common, Circles those that
	// wait for each other, see package pipeline.
	SharedNumbers, Circles [][]string
}

// AuthorOps counts the ops of one author that are in the log.
type AuthorOps struct {
	Author        crdt.Author
	Ops           int
	Held, Pending int // of them
	// Ahead of them bear a time that has not come yet, Latest at most.
	Ahead  int
	Latest time.Time
}

// MissingOp is an op that others wait for.
type MissingOp struct {
	ID crdt.OpID
	// Waiting ops name it as a parent. Their authors had it, sorted.
	Waiting int
	Authors []crdt.Author
	// Damaged: its row is here and cannot be read. Refused: it is here and
	// breaks a rule, so what builds on it is never applied, anywhere.
	Damaged, Refused bool
}

// Inspect reads the whole log and says what is in it. Without one the error is
// oplog.ErrNoLog.
func (r *Replica) Inspect(ctx context.Context) (in Inspection, err error) {
	err = r.read(ctx, func() error {
		if r.log == nil {
			return oplog.ErrNoLog
		}
		if err := r.catchUp(ctx); err != nil {
			r.drop()
			return err
		}
		doc := r.state.Doc()
		in = Inspection{
			Author:        r.author,
			Stories:       doc.StoryCount(),
			Applied:       doc.Len(),
			Held:          doc.HeldLen(),
			Pending:       doc.PendingLen(),
			SharedNumbers: r.state.SharedNumbers(),
			Circles:       r.state.Circles(),
		}
		for id, state := range r.odd {
			if state == rowDamaged {
				in.Damaged = append(in.Damaged, id)
			} else {
				in.Refused = append(in.Refused, id)
			}
		}
		slices.SortFunc(in.Damaged, crdt.OpID.Compare)
		slices.SortFunc(in.Refused, crdt.OpID.Compare)
		if in.Trusted, err = r.log.Trusted(ctx); err != nil {
			return err
		}
		return r.inspectRows(ctx, &in)
	})
	return in, err
}

// errEnough ends a reading of the log.
var errEnough = errors.New("read enough")

// inspectRows counts the rows that the document was built from.
func (r *Replica) inspectRows(ctx context.Context, in *Inspection) error {
	authors := make(map[crdt.Author]*AuthorOps)
	missing := make(map[crdt.OpID]*MissingOp)
	latest := r.cfg.Now().Add(maxClockSkew).UnixMilli()
	err := r.log.Read(ctx, 0, func(row oplog.Row) error {
		if row.Arrival > r.cursor.arrival {
			return errEnough
		}
		op, err := r.decode(row)
		if op == nil || err != nil {
			return err
		}
		a := authors[op.Author]
		if a == nil {
			a = &AuthorOps{Author: op.Author}
			authors[op.Author] = a
		}
		r.countOp(a, op, latest)
		if r.isPending(op.ID) {
			r.noteMissing(missing, op)
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return err
	}
	for _, a := range slices.SortedFunc(maps.Keys(authors), compareAuthors) {
		in.Authors = append(in.Authors, *authors[a])
	}
	for _, id := range slices.SortedFunc(maps.Keys(missing), crdt.OpID.Compare) {
		slices.SortFunc(missing[id].Authors, compareAuthors)
		in.Missing = append(in.Missing, *missing[id])
	}
	return nil
}

func compareAuthors(a, b crdt.Author) int { return bytes.Compare(a[:], b[:]) }

func (r *Replica) isPending(id crdt.OpID) bool {
	doc := r.state.Doc()
	return doc.Knows(id) && !doc.Has(id)
}

// countOp counts an op for its author.
func (r *Replica) countOp(a *AuthorOps, op *crdt.Op, latest int64) {
	a.Ops++
	switch {
	case r.isPending(op.ID):
		a.Pending++
	case len(r.trusted) > 0 && !slices.Contains(r.trusted, op.Author) && r.state.Doc().Has(op.ID):
		a.Held++
	}
	if op.At > latest {
		a.Ahead++
		if at := time.UnixMilli(op.At).UTC(); at.After(a.Latest) {
			a.Latest = at
		}
	}
}

// noteMissing notes which parents a pending op waits for, those apart that wait
// for others themselves.
func (r *Replica) noteMissing(missing map[crdt.OpID]*MissingOp, op *crdt.Op) {
	doc := r.state.Doc()
	for _, parent := range op.Parents {
		if doc.Knows(parent) || doc.Has(parent) {
			continue
		}
		m := missing[parent]
		if m == nil {
			state := r.odd[parent]
			m = &MissingOp{ID: parent, Damaged: state == rowDamaged, Refused: state == rowRefused}
			missing[parent] = m
		}
		m.Waiting++
		if !slices.Contains(m.Authors, op.Author) {
			m.Authors = append(m.Authors, op.Author)
		}
	}
}
