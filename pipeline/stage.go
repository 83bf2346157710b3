package pipeline

import (
	"cmp"
	"slices"
)

// Stage is a stage of the pipeline, by its name in ops, e.g. "2_current".
type Stage string

// The stages of the pipeline.
const (
	Backlog  Stage = "1_backlog"
	Current  Stage = "2_current"
	QA       Stage = "3_qa"
	Merge    Stage = "4_merge"
	Done     Stage = "5_done"
	Archived Stage = "6_archived"
)

// stages is the order of the pipeline. Nothing else knows it: stages are never
// compared as text.
var stages = []Stage{Backlog, Current, QA, Merge, Done, Archived}

// Stages returns all stages in pipeline order.
func Stages() []Stage { return slices.Clone(stages) }

// ParseStage returns the stage named s, or false if there is none.
func ParseStage(s string) (Stage, bool) {
	return Stage(s), slices.Contains(stages, Stage(s))
}

// rank returns the stage's place in the pipeline, from 0. Stages that this
// build does not know, written by a newer one, come last.
func (s Stage) rank() int {
	if i := slices.Index(stages, s); i >= 0 {
		return i
	}
	return len(stages)
}

// met reports whether a dependency on a story in this stage is met.
func (s Stage) met() bool { return s == Done || s == Archived }

// compare orders stages as the pipeline does; stages that this build does not
// know come after those it does, by name.
func (s Stage) compare(other Stage) int {
	return cmp.Or(cmp.Compare(s.rank(), other.rank()), cmp.Compare(s, other))
}
