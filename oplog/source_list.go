package oplog

import (
	"database/sql"
	"errors"
	"math"
	"slices"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/db"
	"github.com/huskies/huskies-mcp/pipeline"
)

// Last is that of [pipeline.Source].
func (s *source) Last() (*crdt.Story, error) {
	row, err := s.q.LastShown(s.ctx)
	if err != nil {
		return nil, none(err)
	}
	return decodeStory(row.ID, row.Merged)
}

// Neighbours is that of [pipeline.Source].
func (s *source) Neighbours(id string) (before, after *crdt.Story, err error) {
	label, err := s.q.LabelOf(s.ctx, id)
	if err != nil {
		return nil, nil, none(err)
	}
	if row, err := s.q.ShownBefore(s.ctx, label); err == nil {
		if before, err = decodeStory(row.ID, row.Merged); err != nil {
			return nil, nil, err
		}
	} else if !errors.Is(err, sql.ErrNoRows) {
		return nil, nil, err
	}
	row, err := s.q.ShownAfter(s.ctx, label)
	if err != nil {
		return before, nil, none(err)
	}
	after, err = decodeStory(row.ID, row.Merged)
	return before, after, err
}

// List is that of [pipeline.Source].
func (s *source) List(f pipeline.Filter, after *pipeline.Position, limit int) (page []*crdt.Story, more, ok bool, err error) {
	stages, from := f.Stages, int64(math.MinInt64)
	if after != nil {
		if from, ok, err = s.labelAt(after.Place); err != nil || !ok {
			return nil, false, false, err
		}
		if i := slices.Index(stages, after.Stage); i >= 0 {
			stages = stages[i:]
		} else {
			from = math.MinInt64
		}
	}
	if len(f.Words) > 0 {
		return s.listHits(&f, stages, from, limit)
	}
	for _, stage := range stages {
		rest, err := s.listStage(&f, stage, from, limit+1-len(page))
		if err != nil {
			return nil, false, false, err
		}
		page = append(page, rest...)
		if len(page) > limit {
			return page[:limit], true, true, nil
		}
		from = math.MinInt64
	}
	return page, false, true, nil
}

// labelAt returns the label of a place, and whether there is such a place.
func (s *source) labelAt(a crdt.Anchor) (label int64, ok bool, err error) {
	switch {
	case a.Story != "":
		return s.ownLabel(a.Story)
	case a.Op.IsZero():
		return math.MinInt64, true, nil
	}
	row, err := s.q.PlaceByOp(s.ctx, a.Op[:])
	return row.Label.Int64, err == nil, none(err)
}

// ownLabel returns the label of a known story's own element, or, if nobody has needed
// it, one behind which everything stands that would stand behind it.
func (s *source) ownLabel(id string) (label int64, ok bool, err error) {
	key := crdt.StorySortKey(id)
	if row, err := s.q.OwnPlace(s.ctx, key); err == nil {
		return row.Label.Int64, true, nil
	} else if !errors.Is(err, sql.ErrNoRows) {
		return 0, false, err
	}
	story, err := s.Story(id)
	if err != nil || story == nil {
		return 0, false, err
	}
	next, err := s.q.NextOwnPlace(s.ctx, key)
	if errors.Is(err, sql.ErrNoRows) {
		return math.MaxInt64, true, nil
	}
	return next.Label.Int64 - 1, true, err
}

// listStage returns up to limit stories of one stage that a filter without words chooses,
// behind a label. It uses the index that leaves the fewest to look at.
func (s *source) listStage(f *pipeline.Filter, stage pipeline.Stage, from int64, limit int) ([]*crdt.Story, error) {
	rows := int64(limit)
	at := sql.NullInt64{Int64: from, Valid: true}
	in, agent := stageColumn(stage), textFilter(f.Agent)
	blocked, waiting, claimable := flagFilter(f.Blocked), flagFilter(f.Waiting), flagFilter(f.Claimable)
	switch {
	case f.Claimable != nil && *f.Claimable && f.Blocked == nil && f.Waiting == nil:
		found, err := s.q.ListClaimable(s.ctx, db.ListClaimableParams{Stage: in, Label: at, Agent: agent, Rows: rows})
		return stories(found, func(r *db.ListClaimableRow) (string, []byte) { return r.ID, r.Merged }, err)
	case f.Claimable == nil && f.Agent != nil && *f.Agent != "":
		found, err := s.q.ListAgent(s.ctx, db.ListAgentParams{Agent: *f.Agent, Stage: in, Label: at, Blocked: blocked, Waiting: waiting, Rows: rows})
		return stories(found, func(r *db.ListAgentRow) (string, []byte) { return r.ID, r.Merged }, err)
	case f.Claimable == nil && f.Blocked != nil && *f.Blocked:
		found, err := s.q.ListBlocked(s.ctx, db.ListBlockedParams{Stage: in, Label: at, Agent: agent, Waiting: waiting, Rows: rows})
		return stories(found, func(r *db.ListBlockedRow) (string, []byte) { return r.ID, r.Merged }, err)
	case f.Claimable == nil && f.Waiting != nil && *f.Waiting:
		found, err := s.q.ListWaiting(s.ctx, db.ListWaitingParams{Stage: in, Label: at, Agent: agent, Blocked: blocked, Rows: rows})
		return stories(found, func(r *db.ListWaitingRow) (string, []byte) { return r.ID, r.Merged }, err)
	}
	found, err := s.q.ListStage(s.ctx, db.ListStageParams{Stage: in, Label: at, Agent: agent, Blocked: blocked, Waiting: waiting, Claimable: claimable, Rows: rows})
	return stories(found, func(r *db.ListStageRow) (string, []byte) { return r.ID, r.Merged }, err)
}

// textFilter returns what a query takes for a filter: NULL does not restrict.
func textFilter(v *string) any {
	if v == nil {
		return nil
	}
	return *v
}

func flagFilter(v *bool) any {
	if v == nil {
		return nil
	}
	return flag(*v)
}

// Counts is that of [pipeline.Source].
func (s *source) Counts(f pipeline.Filter) (counts []pipeline.StageCount, complete bool, err error) {
	if len(f.Words) > 0 {
		return s.countHits(&f)
	}
	rows, err := s.q.CountsByStage(s.ctx, db.CountsByStageParams{
		Agent: textFilter(f.Agent), Blocked: flagFilter(f.Blocked), Waiting: flagFilter(f.Waiting), Claimable: flagFilter(f.Claimable),
	})
	by := make(map[pipeline.Stage]int, len(rows))
	for _, row := range rows {
		by[pipeline.Stage(row.Stage)] = int(row.Stories)
	}
	for _, stage := range f.Stages {
		if n := by[stage]; n > 0 {
			counts = append(counts, pipeline.StageCount{Stage: stage, Count: n})
		}
	}
	return counts, true, err
}

// Unknown is that of [pipeline.Source].
func (s *source) Unknown(most int) ([]pipeline.Stage, error) {
	rows, err := s.q.StagesOfCounts(s.ctx)
	var unknown []pipeline.Stage
	for _, name := range rows {
		if _, known := pipeline.ParseStage(name); !known && len(unknown) < most {
			unknown = append(unknown, pipeline.Stage(name))
		}
	}
	return unknown, err
}
