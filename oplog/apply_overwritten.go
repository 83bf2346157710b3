package oplog

import (
	"context"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/db"
	"github.com/huskies/huskies-mcp/pipeline"
)

// noteApart writes down what an op that is about to be merged overwrites or loses apart.
func (w *stateWriter) noteApart(s *openStory, op *crdt.Op) error {
	settled, lost := pipeline.WroteApart(s.Story, op, w.receivedAt)
	for i := range settled {
		err := w.q.DropOverwritten(w.ctx, db.DropOverwrittenParams{Story: s.n, Field: settled[i].Field, Prefix: settled[i].Over[:]})
		if err != nil {
			return err
		}
	}
	for i := range lost {
		if err := putOverwritten(w.ctx, w.q, s.n, &lost[i]); err != nil {
			return err
		}
	}
	return nil
}

func putOverwritten(ctx context.Context, q *db.Queries, story int64, o *pipeline.Overwritten) error {
	return q.PutOverwritten(ctx, db.PutOverwrittenParams{
		Story: story, Field: o.Field, Prefix: o.Lost[:8], Lost: o.Lost[:], Won: o.Won[:], Value: o.Value, At: o.At,
	})
}

// Overwritten is that of [pipeline.Source].
func (s *source) Overwritten(story string, since int64, most int) ([]pipeline.Overwritten, error) {
	if story == "" {
		rows, err := s.q.OverwrittenSince(s.ctx, db.OverwrittenSinceParams{Since: since, Most: int64(most)})
		all := make([]pipeline.Overwritten, len(rows))
		for i := range rows {
			all[i] = overwrittenOf(db.OverwrittenOfRow(rows[i]))
		}
		return all, err
	}
	rows, err := s.q.OverwrittenOf(s.ctx, db.OverwrittenOfParams{ID: story, Since: since, Most: int64(most)})
	all := make([]pipeline.Overwritten, len(rows))
	for i := range rows {
		all[i] = overwrittenOf(rows[i])
	}
	return all, err
}

func overwrittenOf(row db.OverwrittenOfRow) pipeline.Overwritten {
	o := pipeline.Overwritten{Story: row.ID, Field: row.Field, Value: row.Value, At: row.At}
	copy(o.Lost[:], row.Lost)
	copy(o.Won[:], row.Won)
	return o
}
