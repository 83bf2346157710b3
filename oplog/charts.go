package oplog

import (
	"time"

	"github.com/huskies/huskies-mcp/db"
	"github.com/huskies/huskies-mcp/pipeline"
)

// Began returns when the first op of the log was written, by its author's clock but no later than it came
// here. Began returns the zero time for an empty log.
func (s *Snapshot) Began() (time.Time, error) {
	rows, err := s.q.SignedOpsAfter(s.ctx, db.SignedOpsAfterParams{Limit: 1})
	if err != nil || len(rows) == 0 {
		return time.Time{}, s.log.fail("read ops", err)
	}
	came := rows[0].ReceivedAt
	at := came
	if op := s.log.signedRow(&rows[0]).Op; op != nil {
		at = pipeline.MoveAt(op.At, came, 0)
	}
	return time.UnixMilli(at), nil
}

// Flow returns how many stories of a type came into each stage and went out of it on each day that has
// any, the first day first. An empty type means all types. Moves before the day first are counted on it.
func (s *Snapshot) Flow(first int64, typ string) ([]pipeline.Moves, error) {
	rows, err := s.q.FlowFrom(s.ctx, db.FlowFromParams{FirstDay: first, Type: typ})
	moves := make([]pipeline.Moves, len(rows))
	for i, r := range rows {
		moves[i] = pipeline.Moves{Day: r.OnDay, Stage: pipeline.Stage(r.Stage), Came: int(r.Came), Went: int(r.Went)}
	}
	return moves, s.log.fail("read state", err)
}

// Spells calls fn for up to most spells of stories of a type that ended at a time or later, the last first.
func (s *Snapshot) Spells(since time.Time, typ string, most int, fn func(pipeline.Spell)) error {
	rows, err := s.q.EndedSpells(s.ctx, db.EndedSpellsParams{Since: since.UnixMilli(), Type: typ, Most: int64(most)})
	for _, r := range rows {
		fn(pipeline.Spell{Stage: pipeline.Stage(r.Stage), Began: time.UnixMilli(r.Began), Ended: time.UnixMilli(r.Ended.Int64)})
	}
	return s.log.fail("read state", err)
}

// Finished returns when up to most stories of a type came to be done, at a time or later, the last first.
func (s *Snapshot) Finished(since time.Time, typ string, most int) ([]pipeline.Finished, error) {
	rows, err := s.q.DoneSpells(s.ctx, db.DoneSpellsParams{Since: since.UnixMilli(), Type: typ, Most: int64(most)})
	all := make([]pipeline.Finished, len(rows))
	for i, r := range rows {
		done := time.UnixMilli(r.Began)
		all[i] = pipeline.Finished{N: r.N >> noteBits, Done: done, Took: done.Sub(time.UnixMilli(r.Started.Int64))}
	}
	return all, s.log.fail("read state", err)
}

// StoryID returns the ID of the story with a number of this file.
func (s *Snapshot) StoryID(n int64) (string, error) {
	id, err := s.q.StoryIDOf(s.ctx, n)
	return id, s.log.fail("read state", err)
}

// InHand returns up to most stories of a type that are in hand. Those on which work began first come first.
func (s *Snapshot) InHand(typ string, most int) ([]pipeline.Aging, error) {
	rows, err := s.q.SpellsInHand(s.ctx, db.SpellsInHandParams{Type: typ, Most: int64(most)})
	all := make([]pipeline.Aging, len(rows))
	for i, r := range rows {
		all[i] = pipeline.Aging{
			Story: r.ID, Stage: pipeline.Stage(r.Stage), Since: time.UnixMilli(r.Began), Started: time.UnixMilli(r.Started.Int64),
		}
	}
	return all, s.log.fail("read state", err)
}
