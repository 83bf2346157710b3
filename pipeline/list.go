package pipeline

import (
	"slices"

	"github.com/huskies/huskies-mcp/crdt"
)

// Filter chooses visible stories; a nil member does not restrict.
type Filter struct {
	// Stages are the stages of the stories. A [Source] gets one at least and lists them in
	// this order. [State.List] lists them in pipeline order, and all of them for none.
	Stages  []Stage
	Agent   *string // "" chooses the stories without an agent
	Blocked *bool
	// Ready chooses by whether the reader of a [State] would make a new claim by claiming the
	// story. That depends on who asks and when, so a [Source] never gets it.
	Ready *bool
	// Claimable chooses by whether a story can be claimed if nobody has it.
	Claimable *bool
	// Waiting chooses by whether a dependency is not met.
	Waiting *bool
	// Words must each begin a word of the ID, the name, the description or a note, in
	// whatever case and with whatever diacritics. A word of several parts ("add-login")
	// is found where the parts follow each other. In scripts without spaces a word may
	// begin at any letter. Words without any letter or digit count only if there are no
	// others: then nothing is chosen. See [Tokens].
	Words []string
}

// Position is a place in the pipeline's order: by stage, then by the list of
// stories. It is a place whether or not a story is there (any more).
type Position struct {
	Stage Stage
	Place crdt.Anchor
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
	// Complete is false if more stories are chosen than Stages and Total count.
	Complete bool
	// Stories are this page's, in pipeline order.
	Stories []Story
	// More reports whether stories follow the last of Stories.
	More bool
}

// maxUnknown bounds the stages that this build does not know and a list shows: a newer
// build has few.
const maxUnknown = 64

// List returns up to limit of the stories that f chooses, those after the
// position after if that is not nil. A position that is not of this pipeline is
// an error.
func (s *State) List(f Filter, after *Position, limit int) (Page, error) {
	if len(f.Stages) == 0 {
		f.Stages = append(Stages(), s.unknown()...)
	}
	f.Stages = slices.Compact(slices.SortedFunc(slices.Values(f.Stages), Stage.compare))
	var page Page
	page.Stages, page.Complete = s.countsFor(f)
	for _, c := range page.Stages {
		page.Total += c.Count
	}
	if after != nil {
		f.Stages = slices.DeleteFunc(f.Stages, func(stage Stage) bool { return stage.compare(after.Stage) < 0 })
	}
	if len(f.Stages) == 0 || s.err != nil {
		return page, s.err
	}
	stories, more, ok := s.pageFor(f, after, limit)
	if s.err == nil && !ok {
		return Page{}, invalid("leave cursor out to begin at the start", "cursor names a place that is not in this pipeline")
	}
	page.More = more
	for _, c := range stories {
		page.Stories = append(page.Stories, s.snapshot(c))
	}
	return page, s.err
}

// unknown returns the stages of stories that this build does not know.
func (s *State) unknown() []Stage {
	if s.err != nil {
		return nil
	}
	stages, err := s.src.Unknown(maxUnknown)
	return keep(s, stages, err)
}
