package oplog

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/db"
	"github.com/huskies/huskies-mcp/pipeline"
)

// spellN returns the number of a story's spell, the first of which has the count 1. Spells share the
// bits of their numbers with notes: see noteN.
func spellN(story int64, count int) int64 { return noteN(story, count) }

// move ends the story's spell and begins the next, if the op brought the story to another stage.
func (w *stateWriter) move(s *openStory, before pipeline.Stage, op *crdt.Op) error {
	after := pipeline.VisibleStage(s.Story)
	if before == after {
		return nil
	}
	last, err := w.q.LastSpell(w.ctx, db.LastSpellParams{FirstN: spellN(s.n, 0), LastN: spellN(s.n+1, 0) - 1})
	if errors.Is(err, sql.ErrNoRows) {
		last, err = db.LastSpellRow{N: spellN(s.n, 0)}, nil
	}
	if err != nil {
		return err
	}
	at := pipeline.MoveAt(op.At, w.receivedAt, last.Began)
	if last.Began != 0 {
		if err := w.q.EndSpell(w.ctx, db.EndSpellParams{Ended: sql.NullInt64{Int64: at, Valid: true}, N: last.N}); err != nil {
			return err
		}
	}
	row := db.AddSpellParams{
		N: last.N + 1, Type: pipeline.TypeOf(s.ID()), Stage: string(after), Began: at, Started: startedBy(last.Started, after, at),
	}
	w.flow.move(row.Type, string(before), row.Stage, at)
	return w.q.AddSpell(w.ctx, row)
}

// startedBy returns when work on a story began that comes into a stage.
func startedBy(was sql.NullInt64, stage pipeline.Stage, at int64) sql.NullInt64 {
	if !was.Valid && stage.InHand() {
		return sql.NullInt64{Int64: at, Valid: true}
	}
	return was
}

// replayedSpell is a spell that a replay found. There are about half as many as ops, so names are numbers
// in it.
type replayedSpell struct {
	story         int32
	count         int
	before, stage int32
	began         int64
	ended         sql.NullInt64
	started       sql.NullInt64
}

// flow counts moves that the table does not have yet.
type flow map[flowKey]*flowCount

type flowKey struct {
	day       int64
	typ, name string // name is that of the stage
}

type flowCount struct{ came, went int64 }

// move counts one move, at a time in ms since 1970.
func (f flow) move(typ, before, after string, at int64) {
	day := at / (24 * time.Hour).Milliseconds()
	f.at(flowKey{day, typ, before}).went++
	f.at(flowKey{day, typ, after}).came++
}

func (f flow) at(key flowKey) *flowCount {
	n := f[key]
	if n == nil {
		n = &flowCount{}
		f[key] = n
	}
	return n
}

// flush writes what was counted.
func (f flow) flush(ctx context.Context, q *db.Queries) error {
	for key, n := range f {
		err := q.AddFlow(ctx, db.AddFlowParams{Day: key.day, Type: key.typ, Stage: key.name, Came: n.came, Went: n.went})
		if err != nil {
			return err
		}
	}
	clear(f)
	return nil
}
