package pipeline

import (
	"cmp"
	"slices"
	"strings"

	"github.com/huskies/huskies-mcp/crdt"
)

// Filter chooses stories; a nil member does not restrict.
type Filter struct {
	Stage   *Stage
	Agent   *string // "" chooses the stories without an agent
	Blocked *bool
	Ready   *bool
}

// Position is a story's place in the pipeline's order: by stage, then by
// number, then by ID. It names a place whether or not a story is there (any
// more).
type Position struct {
	Stage Stage
	ID    string
}

// place is a position with what is compared worked out once.
type place struct {
	rank   int
	number uint64
	Position
}

func (p Position) place() place {
	return place{rank: p.Stage.rank(), number: sortNumber(p.ID), Position: p}
}

func (p place) compare(q place) int {
	switch {
	case p.rank != q.rank:
		return cmp.Compare(p.rank, q.rank)
	case p.Stage != q.Stage: // stages this build does not know
		return strings.Compare(string(p.Stage), string(q.Stage))
	case p.number != q.number:
		return cmp.Compare(p.number, q.number)
	}
	return strings.Compare(p.ID, q.ID)
}

// StageCount says how many stories a filter chooses in one stage.
type StageCount struct {
	Stage Stage
	Count int
}

// Page is a part of the pipeline.
type Page struct {
	// Stages counts all stories chosen, on whatever page, in pipeline order;
	// stages without any are left out.
	Stages []StageCount
	// Total is the number of stories chosen.
	Total int
	// Stories are this page's, in pipeline order.
	Stories []Story
	// More reports whether stories follow the last of Stories.
	More bool
}

// List returns up to limit of the stories that f chooses, those after the
// position after if that is not nil.
func (s *State) List(f Filter, after *Position, limit int) Page {
	var page Page
	var from place
	if after != nil {
		from = after.place()
	}
	var chosen []place
	counts := make(map[Stage]int)
	for c := range s.doc.Stories() {
		if !s.chooses(f, c) {
			continue
		}
		at := Position{Stage: Stage(c.Str(fieldStage)), ID: c.ID()}.place()
		counts[at.Stage]++
		page.Total++
		if after == nil || at.compare(from) > 0 {
			chosen = append(chosen, at)
		}
	}
	for stage, n := range counts {
		page.Stages = append(page.Stages, StageCount{stage, n})
	}
	slices.SortFunc(page.Stages, func(a, b StageCount) int {
		return Position{Stage: a.Stage}.place().compare(Position{Stage: b.Stage}.place())
	})
	slices.SortFunc(chosen, place.compare)
	page.More = len(chosen) > limit
	for _, at := range chosen[:min(limit, len(chosen))] {
		page.Stories = append(page.Stories, s.snapshot(s.doc.Story(at.ID)))
	}
	return page
}

func (s *State) chooses(f Filter, c *crdt.Story) bool {
	stage := c.Str(fieldStage)
	if stage == "" || c.Deleted() ||
		f.Stage != nil && stage != string(*f.Stage) ||
		f.Agent != nil && c.Str(fieldAgent) != *f.Agent ||
		f.Blocked != nil && c.Bool(fieldBlocked) != *f.Blocked {
		return false
	}
	return f.Ready == nil || s.ready(c) == *f.Ready
}
