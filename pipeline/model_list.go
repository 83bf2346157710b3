package pipeline

import (
	"iter"
	"maps"
	"slices"

	"github.com/huskies/huskies-mcp/crdt"
)

// Last is that of [Source].
func (m *Model) Last() (*crdt.Story, error) { return m.placedAt(m.doc.PlacedLen() - 1), nil }

// Neighbours is that of [Source].
func (m *Model) Neighbours(id string) (before, after *crdt.Story, err error) {
	at := m.doc.Position(m.doc.Story(id))
	return m.placedAt(at - 1), m.placedAt(at + 1), nil
}

// placedAt returns the story at a position of the list, nil outside of it.
func (m *Model) placedAt(i int) *crdt.Story {
	if c := m.doc.PlacedAt(i); c != nil {
		return &c.Story
	}
	return nil
}

// List is that of [Source].
func (m *Model) List(f Filter, after *Position, limit int) (page []*crdt.Story, more, ok bool, err error) {
	var rest iter.Seq[*crdt.DocStory]
	stages := f.Stages
	if after != nil {
		if rest, ok = m.doc.PlacedAfter(after.Place); !ok {
			return nil, false, false, nil
		}
		stages = stages[max(0, slices.Index(stages, after.Stage)):]
	}
	phrases := Phrases(f.Words)
	for _, stage := range stages {
		from := m.doc.Placed()
		if after != nil && stage == after.Stage {
			from = rest
		}
		for c := range from {
			if !m.chooses(&f, phrases, stage, c) {
				continue
			}
			if len(page) == limit {
				return page, true, true, nil
			}
			page = append(page, &c.Story)
		}
	}
	return page, false, true, nil
}

// Counts is that of [Source].
func (m *Model) Counts(f Filter) (counts []StageCount, complete bool, err error) {
	phrases := Phrases(f.Words)
	for _, stage := range f.Stages {
		n := 0
		for c := range m.doc.Placed() {
			if m.chooses(&f, phrases, stage, c) {
				n++
			}
		}
		if n > 0 {
			counts = append(counts, StageCount{stage, n})
		}
	}
	return counts, true, nil
}

// Unknown is that of [Source].
func (m *Model) Unknown(most int) ([]Stage, error) {
	unknown := make(map[Stage]bool)
	for c := range m.doc.Placed() {
		stage := VisibleStage(&c.Story)
		if _, known := ParseStage(string(stage)); !known && stage != "" {
			unknown[stage] = true
		}
	}
	return first(slices.Sorted(maps.Keys(unknown)), most), nil
}

// chooses reports whether the filter, whose words stand for the phrases, chooses the story
// in the stage.
func (m *Model) chooses(f *Filter, phrases []Phrase, stage Stage, c *crdt.DocStory) bool {
	if VisibleStage(&c.Story) != stage ||
		f.Agent != nil && c.Str(fieldAgent) != *f.Agent ||
		f.Blocked != nil && c.Bool(fieldBlocked) != *f.Blocked {
		return false
	}
	if f.Waiting != nil || f.Claimable != nil {
		waits := m.waits(c)
		if f.Waiting != nil && waits != *f.Waiting || f.Claimable != nil && claimable(&c.Story, waits) != *f.Claimable {
			return false
		}
	}
	return len(f.Words) == 0 || HasPhrases(texts(c), phrases)
}

// texts are the texts of a story in which a search looks.
func texts(c *crdt.DocStory) iter.Seq[string] {
	return func(yield func(string) bool) {
		if !yield(StoryText(&c.Story)) {
			return
		}
		for note := range c.Notes() {
			if !yield(note.Text) {
				return
			}
		}
	}
}
