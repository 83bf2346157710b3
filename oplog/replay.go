package oplog

import (
	"context"
	"strings"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/db"
	"github.com/huskies/huskies-mcp/members"
	"github.com/huskies/huskies-mcp/pipeline"
)

// replay reads a log from its start into a model, in the order of arrival, and keeps
// what the tables of the state need to know besides.
type replay struct {
	model   *pipeline.Model
	decoder crdt.Decoder

	arrival    int64 // of the last row
	received   int64 // when it came
	last       crdt.OpID
	exceptions map[int64]*db.AddExceptionParams
	pending    map[crdt.OpID]int64 // the rows of pending ops
	late       []db.AddLateParams
	history    []historyRow
	spells     []replayedSpell
	lastSpells map[int32]int         // of each story, the index of its last spell in spells
	stories    names                 // of history
	stages     names                 // of history
	authors    map[crdt.Author]int64 // how many ops of each there are
	// written, if it is not nil, hears how far the writing of the tables has come.
	written   func(rows, of int64)
	memberOps []int64             // the rows of ops about members that are applied or held
	misnamed  map[int64]crdt.OpID // rows whose op ID is damaged, and what it must be
}

// historyRow is what an applied op did to its story. There are as many as ops, so names are
// numbers in it.
type historyRow struct {
	arrival       int64
	story         int32
	before, after int32
}

// names gives numbers to names, from 0.
type names struct {
	all []string
	of  map[string]int32
}

// number returns the number of a name. What the name shares its memory with is not kept.
func (n *names) number(name string) int32 {
	i, ok := n.of[name]
	if !ok {
		if n.of == nil {
			n.of = make(map[string]int32)
		}
		name = strings.Clone(name)
		i = int32(len(n.all))
		n.all, n.of[name] = append(n.all, name), i
	}
	return i
}

// replayLog reads the whole log. Progress, if it is not nil, hears of each page of
// rows.
func replayLog(ctx context.Context, q *db.Queries, trust *trust, progress func(arrival, last int64)) (*replay, error) {
	r := &replay{
		exceptions: make(map[int64]*db.AddExceptionParams),
		pending:    make(map[crdt.OpID]int64),
		authors:    make(map[crdt.Author]int64),
		misnamed:   make(map[int64]crdt.OpID),
		lastSpells: make(map[int32]int),
	}
	r.model = pipeline.NewModelOf(trust.countsOp, trust.counts)
	state, err := q.GetState(ctx)
	if err != nil {
		return nil, err
	}
	for {
		rows, err := q.SignedOpsAfter(ctx, db.SignedOpsAfterParams{Arrival: r.arrival, Limit: pageSize})
		if err != nil {
			return nil, err
		}
		for i := range rows {
			if err := inOrder(r.arrival, rows[i].Arrival); err != nil {
				return nil, err
			}
			if err := r.row(&rows[i]); err != nil {
				return nil, err
			}
		}
		if progress != nil {
			progress(r.arrival, state.LogLast)
		}
		if len(rows) < pageSize {
			return r, nil
		}
	}
}

// row takes in one row of the log.
func (r *replay) row(row *db.SignedOpsAfterRow) error {
	r.arrival, r.received = row.Arrival, row.ReceivedAt
	r.model.Receive(row.ReceivedAt)
	r.last = crdt.OpID{}
	copy(r.last[:], row.OpID)
	op, err := readableOp(row, r.decoder.Decode)
	switch {
	case err != nil:
		return err
	case op == nil:
		r.damaged(row)
		return nil
	case op.ID != r.last: // the row's ID is damaged
		r.misnamed[row.Arrival] = op.ID
	}
	return r.apply(op)
}

func (r *replay) apply(op *crdt.Op) error {
	r.authors[op.Author]++
	res, err := r.model.Apply(op)
	kind := Applied
	switch {
	case err != nil:
		kind = Refused
	case res.Status == crdt.Held:
		kind = Held
	case res.Status == crdt.Pending:
		kind = Pending
		r.pending[op.ID] = r.arrival
	case res.Status == crdt.Duplicate:
		return nil // a second row of one op, which only a damaged file has
	}
	if kind != Applied {
		r.except(op, r.arrival, kind)
	}
	if kind.isParent() {
		r.noteMember(op, r.arrival)
	}
	r.released(res)
	return nil
}

// noteMember notes the row of an op about members.
func (r *replay) noteMember(op *crdt.Op, arrival int64) {
	if op.Story == members.Story {
		r.memberOps = append(r.memberOps, arrival)
	}
}

func (r *replay) except(op *crdt.Op, arrival int64, kind Kind) {
	id, author := op.ID, op.Author
	r.exceptions[arrival] = &db.AddExceptionParams{
		Arrival: arrival, Kind: int64(kind), OpID: id[:], Seq: int64(op.Seq), Author: author[:], Size: int64(op.Size()),
	}
}

// stage returns the number of a stage.
func (r *replay) stage(s pipeline.Stage) int32 { return r.stages.number(string(s)) }

// released notes what became of the ops that the last row released, and of its own.
func (r *replay) released(res crdt.Result) {
	n := int64(0)
	for _, c := range r.model.Changes() {
		arrival := r.arrival
		if at, waited := r.pending[c.Op]; waited {
			arrival = at
			n++
			r.late = append(r.late, db.AddLateParams{AtArrival: r.arrival, N: n, Arrival: at})
			delete(r.exceptions, at)
		}
		story := r.stories.number(c.Story)
		r.history = append(r.history, historyRow{arrival, story, r.stage(c.Before), r.stage(c.After)})
		if c.Before != c.After {
			r.move(story, &c)
		}
	}
	for _, op := range res.Released {
		r.noteMember(op, r.pending[op.ID])
		if e := r.exceptions[r.pending[op.ID]]; e != nil {
			e.Kind = int64(Held)
		}
		delete(r.pending, op.ID)
	}
	for _, op := range res.Refused {
		if e := r.exceptions[r.pending[op.ID]]; e != nil {
			e.Kind = int64(Refused)
		}
		delete(r.pending, op.ID)
	}
}

// damaged passes over a row that cannot be read, if what builds on it may go on. Else
// its seq is damaged too, or the op waited for others: to believe it could put the
// clock of all later writes where no other replica follows.
func (r *replay) damaged(row *db.SignedOpsAfterRow) {
	id, kind := r.last, Assumed
	if uint64(row.Seq) > r.model.Doc().LastSeq()+1 || r.model.Doc().Knows(id) {
		kind = Damaged
		r.model.Lose()
	}
	r.exceptions[row.Arrival] = &db.AddExceptionParams{Arrival: row.Arrival, Kind: int64(kind), OpID: id[:], Seq: row.Seq, Author: []byte{}}
	if kind == Assumed {
		r.released(r.model.AssumeApplied(id, uint64(row.Seq)))
	}
}
