package pipeline

import (
	"slices"
	"time"

	"github.com/huskies/huskies-mcp/crdt"
)

// Filter chooses visible stories; a nil member does not restrict.
type Filter struct {
	// Stages are the stages of the stories. A [Source] gets one at least and lists them in
	// this order. [State.List] lists them in the order of Listed, and all of them for none.
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
	// UpdatedSince chooses the stories that changed then or later, by their authors' clocks. A
	// [Source] pays no heed to it. [State.List] looks at each story that is chosen otherwise.
	UpdatedSince time.Time
}

// Chooses reports whether the filter, but for its words, chooses a story.
func (f *Filter) Chooses(st Story) bool {
	return (len(f.Stages) == 0 || slices.Contains(f.Stages, st.Stage)) &&
		(f.Agent == nil || *f.Agent == st.Agent) &&
		(f.Blocked == nil || *f.Blocked == st.Blocked) &&
		(f.Ready == nil || *f.Ready == st.Ready) &&
		(f.Waiting == nil || *f.Waiting == (len(st.WaitingOn) > 0)) &&
		!st.UpdatedAt.Before(f.UpdatedSince)
}

// Position is a place in the order of lists: by stage, then by the list of
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
	// Stages counts all stories chosen, on whatever page, in the order of lists;
	// stages without any are left out.
	Stages []StageCount
	// Total is the number of stories chosen.
	Total int
	// Complete is false if more stories are chosen than Stages and Total count.
	Complete bool
	// Stories are this page's, in the order of lists.
	Stories []Story
	// More reports whether stories follow the last of Stories.
	More bool
}

// maxUnknown bounds the stages that this build does not know and a list shows. A newer build has few,
// and a foreign one may have given each story a stage of its own.
const maxUnknown = 10_000

// MaxQuery bounds the words to search for, in bytes: a search is not a text.
const MaxQuery = 256

// CheckQuery returns why the words cannot be searched for, or nil.
func CheckQuery(words string) error { return checkText("query", words, MaxQuery) }

// List returns up to limit of the stories that f chooses, those after the
// position after if that is not nil. A position that is not of this pipeline is
// an error.
func (s *State) List(f Filter, after *Position, limit int) (Page, error) {
	if len(f.Stages) == 0 {
		f.Stages = append(Stages(), s.Unknown()...)
	}
	f.Stages = slices.Compact(slices.SortedFunc(slices.Values(f.Stages), Stage.compare))
	var page Page
	look := s.pageFor
	if f.UpdatedSince.IsZero() {
		page.Stages, page.Complete = s.countsFor(f)
	} else {
		look = s.recent
		page.Stages, page.Complete = s.countRecent(f)
	}
	for _, c := range page.Stages {
		page.Total += c.Count
	}
	if after != nil {
		f.Stages = slices.DeleteFunc(f.Stages, func(stage Stage) bool { return stage.compare(after.Stage) < 0 })
	}
	if len(f.Stages) == 0 || s.err != nil {
		return page, s.err
	}
	stories, more, ok := look(f, after, limit)
	if s.err == nil && !ok {
		return Page{}, refuse(Fact{Code: CodeBadCursor})
	}
	page.More = more
	for _, c := range stories {
		page.Stories = append(page.Stories, s.snapshot(c))
	}
	return page, s.err
}

// recentScan is how many stories are read at a time in search of recent ones, and maxRecent up to how
// many stories are looked at to count them.
const (
	recentScan = 256
	maxRecent  = 20_000
)

// recent returns a page of the stories that changed since f.UpdatedSince.
func (s *State) recent(f Filter, after *Position, limit int) (page []*crdt.Story, more, ok bool) {
	for {
		stories, rest, ok := s.pageFor(f, after, recentScan)
		if !ok {
			return nil, false, false
		}
		for _, c := range stories {
			if c.UpdatedAt() < f.UpdatedSince.UnixMilli() {
				continue
			}
			if len(page) == limit {
				return page, true, true
			}
			page = append(page, c)
		}
		if !rest {
			return page, false, true
		}
		last := stories[len(stories)-1]
		after = &Position{VisibleStage(last), last.Anchor()}
	}
}

// countRecent counts the stories that changed since f.UpdatedSince, by stage.
func (s *State) countRecent(f Filter) (counts []StageCount, complete bool) {
	stories, more, _ := s.recent(f, nil, maxRecent)
	for _, c := range stories {
		stage := VisibleStage(c)
		if n := len(counts); n == 0 || counts[n-1].Stage != stage {
			counts = append(counts, StageCount{Stage: stage})
		}
		counts[len(counts)-1].Count++
	}
	return counts, !more
}

// Numbered returns the visible stories with the number that are named first, a few at most.
func (s *State) Numbered(n uint32) (stories []Story) {
	for _, id := range s.visibleWith(n, MaxNamed, "") {
		if story, err := s.Story(id); err == nil {
			stories = append(stories, story)
		}
	}
	return stories
}

// NumberedOutlines returns the outlines of the stories that Numbered returns, see [State.Outline].
func (s *State) NumberedOutlines(n uint32) (stories []Story) {
	for _, id := range s.visibleWith(n, MaxNamed, "") {
		if story, err := s.Outline(id); err == nil {
			stories = append(stories, story)
		}
	}
	return stories
}

// Unknown returns the stages of stories that this build does not know.
func (s *State) Unknown() []Stage {
	if s.err != nil {
		return nil
	}
	stages, err := s.src.Unknown(maxUnknown)
	return keep(s, stages, err)
}
