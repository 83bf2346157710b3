package pipeline

import (
	"cmp"
	"slices"
	"strings"
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

// forms are other names of the stages, in lower case with "_" between words. Each can mean only one
// stage.
var forms = map[string]Stage{
	"1": Backlog, "backlog": Backlog, "todo": Backlog, "to_do": Backlog,
	"2": Current, "current": Current, "in_progress": Current, "inprogress": Current, "doing": Current, "wip": Current,
	"3": QA, "qa": QA, "review": QA, "in_review": QA, "code_review": QA, "testing": QA,
	"4": Merge, "merge": Merge, "merging": Merge,
	"5": Done, "done": Done, "finished": Done, "completed": Done, "closed": Done,
	"6": Archived, "archived": Archived, "archive": Archived,
}

// StageNamed returns the stage that name can only mean: 3_qa, 3, QA, 3-qa, review. It returns false
// if there is none.
func StageNamed(name string) (Stage, bool) {
	name = strings.Join(strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return strings.ContainsRune(" _-.:", r) }), "_")
	if stage, ok := ParseStage(name); ok {
		return stage, true
	}
	stage, ok := forms[name]
	return stage, ok
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

// listed is the order in which lists show the stages: work in hand first.
var listed = []Stage{Current, QA, Merge, Backlog, Done, Archived}

// Listed returns all stages in the order in which lists show them.
func Listed() []Stage { return slices.Clone(listed) }

// compare orders stages as lists show them. Stages that this build does not know come after those that
// it knows, by name.
func (s Stage) compare(other Stage) int {
	place := func(stage Stage) int {
		if i := slices.Index(listed, stage); i >= 0 {
			return i
		}
		return len(listed)
	}
	return cmp.Or(cmp.Compare(place(s), place(other)), cmp.Compare(s, other))
}
