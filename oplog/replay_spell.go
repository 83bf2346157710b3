package oplog

import (
	"database/sql"

	"github.com/huskies/huskies-mcp/pipeline"
)

// move ends the story's spell and begins the next, as that of a stateWriter does.
func (r *replay) move(story int32, c *pipeline.Change) {
	next := replayedSpell{story: story, count: 1, before: r.stage(c.Before), stage: r.stage(c.After)}
	var started sql.NullInt64
	var began int64
	if i, ok := r.lastSpells[story]; ok {
		last := &r.spells[i]
		next.count, began, started = last.count+1, last.began, last.started
	}
	next.began = pipeline.MoveAt(c.At, r.received, began)
	next.started = startedBy(started, c.After, next.began)
	if i, ok := r.lastSpells[story]; ok {
		r.spells[i].ended = sql.NullInt64{Int64: next.began, Valid: true}
	}
	r.lastSpells[story] = len(r.spells)
	r.spells = append(r.spells, next)
}
