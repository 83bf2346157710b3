package replica

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/members"
	"github.com/huskies/huskies-mcp/oplog"
	"github.com/huskies/huskies-mcp/pipeline"
)

// maxClockSkew is how far apart the clocks of machines may be before Inspect
// counts an op as one of a wrong clock.
const maxClockSkew = 10 * time.Minute

// Inspection is what the ops and the decisions in a log amount to, for a person
// who looks for what is wrong.
type Inspection struct {
	// Author is the replica's own.
	Author crdt.Author
	// Members decide whose ops are applied if they are not nil. Then the list of Trusted decides nothing.
	Members *members.Members
	// Trusted is the list; when it is empty, ops of all are applied.
	Trusted []oplog.TrustedAuthor
	// Stories are those that lists show: not the deleted ones, and not the settings.
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
	// Apart are the stories that replicas created apart under one ID, see
	// [pipeline.State.MadeApart]: the first of them, by ID.
	Apart []pipeline.Fact
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
	if err := r.use(ctx, func(log *oplog.Log) error { in.Author = log.Author(); return nil }); err != nil {
		return in, err
	}
	err = r.view(ctx, func(v *View) error {
		if v.snap == nil {
			return oplog.ErrNoLog
		}
		in = Inspection{Author: in.Author}
		i := &inspector{r: r, in: &in, snap: v.snap, kinds: make(map[crdt.OpID]oplog.Kind), latest: r.cfg.Now().Add(maxClockSkew).UnixMilli()}
		in.Stories = len(v.IDs("", crdt.MaxStories))
		in.SharedNumbers, in.Circles = v.SharedNumbers(), v.Circles()
		if err := i.inspect(); err != nil {
			return err
		}
		in.Apart = i.apart(v)
		return nil
	})
	return in, err
}

// maxApart bounds the stories created apart that are named.
const maxApart = 20

// apart returns what is known of the stories that several ops created.
func (i *inspector) apart(v *View) (apart []pipeline.Fact) {
	for _, id := range slices.Sorted(maps.Keys(i.creates)) {
		if i.creates[id] < 2 || len(apart) == maxApart {
			continue
		}
		if made, ok := v.MadeApart(id); ok {
			apart = append(apart, made)
		}
	}
	return apart
}

// inspector reads one snapshot.
type inspector struct {
	r       *Replica
	in      *Inspection
	snap    *oplog.Snapshot
	kinds   map[crdt.OpID]oplog.Kind // of the exceptions
	authors map[crdt.Author]*AuthorOps
	missing map[crdt.OpID]*MissingOp
	creates map[string]int // how many ops create a story
	latest  int64
}

func (i *inspector) inspect() (err error) {
	for _, kind := range []oplog.Kind{oplog.Held, oplog.Pending, oplog.Refused, oplog.Damaged, oplog.Assumed} {
		if err := i.snap.Exceptions(kind, i.note); err != nil {
			return err
		}
	}
	slices.SortFunc(i.in.Refused, crdt.OpID.Compare)
	if i.in.Trusted, err = i.snap.Trusted(); err != nil {
		return err
	}
	if i.in.Members, err = i.snap.Members(); err != nil {
		return err
	}
	return i.rows()
}

func (i *inspector) note(e oplog.Exception) error {
	i.kinds[e.ID] = e.Kind
	switch e.Kind {
	case oplog.Held:
		i.in.Held++
	case oplog.Pending:
		i.in.Pending++
	case oplog.Refused:
		i.in.Refused = append(i.in.Refused, e.ID)
	case oplog.Damaged, oplog.Assumed:
		i.in.Damaged = append(i.in.Damaged, e.ID)
	}
	return nil
}

// rows counts the rows by author. A row may be damaged although its op is applied: the
// state was made before.
func (i *inspector) rows() error {
	i.authors, i.missing = make(map[crdt.Author]*AuthorOps), make(map[crdt.OpID]*MissingOp)
	i.creates = make(map[string]int)
	err := i.snap.Rows(0, func(row oplog.SignedRow) error {
		if op := row.Op; op != nil {
			return i.row(op)
		}
		if _, noted := i.kinds[row.ID]; !noted {
			i.in.Damaged = append(i.in.Damaged, row.ID)
		}
		return nil
	})
	slices.SortFunc(i.in.Damaged, crdt.OpID.Compare)
	for _, a := range slices.SortedFunc(maps.Keys(i.authors), compareAuthors) {
		i.in.Authors = append(i.in.Authors, *i.authors[a])
	}
	for _, id := range slices.SortedFunc(maps.Keys(i.missing), crdt.OpID.Compare) {
		slices.SortFunc(i.missing[id].Authors, compareAuthors)
		i.in.Missing = append(i.in.Missing, *i.missing[id])
	}
	return err
}

func (i *inspector) row(op *crdt.Op) error {
	a := i.authors[op.Author]
	if a == nil {
		a = &AuthorOps{Author: op.Author}
		i.authors[op.Author] = a
	}
	a.Ops++
	if op.Creates {
		i.creates[op.Story]++
	}
	kind, exception := i.kinds[op.ID]
	switch {
	case !exception:
		i.in.Applied++
	case kind == oplog.Held:
		a.Held++
	case kind == oplog.Assumed:
		i.in.Applied++
	}
	if op.At > i.latest {
		a.Ahead++
		if at := time.UnixMilli(op.At).UTC(); at.After(a.Latest) {
			a.Latest = at
		}
	}
	if kind != oplog.Pending {
		return nil
	}
	a.Pending++
	return i.noteMissing(op)
}

func compareAuthors(a, b crdt.Author) int { return bytes.Compare(a[:], b[:]) }

// noteMissing notes which parents a pending op waits for, those apart that wait
// for others themselves.
func (i *inspector) noteMissing(op *crdt.Op) error {
	for _, parent := range op.Parents {
		kind, _, there, err := i.snap.KindOf(parent)
		if err != nil {
			return err
		}
		if there && kind != oplog.Damaged && kind != oplog.Refused {
			continue
		}
		m := i.missing[parent]
		if m == nil {
			m = &MissingOp{ID: parent, Damaged: there && kind == oplog.Damaged, Refused: there && kind == oplog.Refused}
			i.missing[parent] = m
		}
		m.Waiting++
		if !slices.Contains(m.Authors, op.Author) {
			m.Authors = append(m.Authors, op.Author)
		}
	}
	return nil
}
