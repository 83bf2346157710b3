package pipeline

import (
	"maps"
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
	// Words must all occur in the ID, the name or the description, in whatever case.
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
	// Stories are this page's, in pipeline order.
	Stories []Story
	// More reports whether stories follow the last of Stories.
	More bool
}

// List returns up to limit of the stories that f chooses, those after the
// position after if that is not nil. A position that is not of this pipeline is
// an error.
func (s *State) List(f Filter, after *Position, limit int) (Page, error) {
	f.Words = lower(f.Words)
	chosen := make(map[Stage][]*crdt.Story)
	for c := range s.doc.Placed() {
		if s.chooses(f, c) {
			stage := Stage(c.Str(fieldStage))
			chosen[stage] = append(chosen[stage], c)
		}
	}
	var page Page
	order := slices.SortedFunc(maps.Keys(chosen), Stage.compare)
	for _, stage := range order {
		page.Stages = append(page.Stages, StageCount{stage, len(chosen[stage])})
		page.Total += len(chosen[stage])
	}
	if after != nil {
		rest, ok := s.doc.PlacedAfter(after.Place)
		if !ok {
			return Page{}, invalid("leave cursor out to begin at the start", "cursor names a place that is not in this pipeline")
		}
		order = slices.DeleteFunc(order, func(stage Stage) bool { return stage.compare(after.Stage) < 0 })
		chosen[after.Stage] = nil
		for c := range rest {
			if Stage(c.Str(fieldStage)) == after.Stage && s.chooses(f, c) {
				chosen[after.Stage] = append(chosen[after.Stage], c)
			}
		}
	}
	for _, stage := range order {
		room := limit - len(page.Stories)
		page.More = page.More || len(chosen[stage]) > room
		for _, c := range chosen[stage][:min(room, len(chosen[stage]))] {
			page.Stories = append(page.Stories, s.snapshot(c))
		}
	}
	return page, nil
}

func (s *State) chooses(f Filter, c *crdt.Story) bool {
	stage := c.Str(fieldStage)
	if stage == "" ||
		f.Stage != nil && stage != string(*f.Stage) ||
		f.Agent != nil && c.Str(fieldAgent) != *f.Agent ||
		f.Blocked != nil && c.Bool(fieldBlocked) != *f.Blocked {
		return false
	}
	return (f.Ready == nil || s.ready(c) == *f.Ready) && hasWords(c, f.Words)
}

func lower(words []string) []string {
	var all []string
	for _, w := range words {
		all = append(all, strings.ToLower(w))
	}
	return all
}

// hasWords reports whether all words, which are in lower case, occur in the
// story's ID, name or description.
func hasWords(c *crdt.Story, words []string) bool {
	if len(words) == 0 {
		return true
	}
	headline := strings.ToLower(c.ID() + "\n" + c.Str(fieldName))
	missing := slices.DeleteFunc(slices.Clone(words), func(w string) bool { return strings.Contains(headline, w) })
	if len(missing) == 0 {
		return true
	}
	text := strings.ToLower(c.Str(fieldDescription))
	return !slices.ContainsFunc(missing, func(w string) bool { return !strings.Contains(text, w) })
}
