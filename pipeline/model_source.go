package pipeline

import (
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/huskies/huskies-mcp/crdt"
)

var _ Source = (*Model)(nil)

// Story is that of [Source].
func (m *Model) Story(id string) (*crdt.Story, error) {
	if c := m.doc.Story(id); c != nil {
		return &c.Story, nil
	}
	return nil, nil
}

// Dependencies is that of [Source].
func (m *Model) Dependencies(id string) (on []Dependency, err error) {
	c := m.doc.Story(id)
	if c == nil {
		return nil, nil
	}
	for _, n := range c.Dependencies() {
		on = append(on, Dependency{n, m.same(n).state})
	}
	return on, nil
}

// waits reports whether a dependency of the story is not met.
func (m *Model) waits(c *crdt.DocStory) bool {
	return slices.ContainsFunc(c.Dependencies(), func(n uint32) bool { return !m.same(n).state.Met() })
}

// Notes is that of [Source].
func (m *Model) Notes(id string, most int) ([]crdt.NoteEntry, error) {
	c := m.doc.Story(id)
	if c == nil {
		return nil, nil
	}
	return slices.Collect(c.LastNotes(most)), nil
}

// Number is that of [Source].
func (m *Model) Number(n uint32) (NumberState, error) { return m.same(n).state, nil }

// Numbered is that of [Source].
func (m *Model) Numbered(n uint32, most int) (stories []*crdt.Story, err error) {
	for _, c := range first(m.same(n).stories, most) {
		stories = append(stories, &c.Story)
	}
	return stories, nil
}

// Newest is that of [Source].
func (m *Model) Newest(most int) (stories []*crdt.Story, err error) {
	for _, n := range slices.Backward(slices.Sorted(maps.Keys(m.numbers))) {
		for _, c := range m.same(n).stories {
			if len(stories) == most {
				return stories, nil
			}
			stories = append(stories, &c.Story)
		}
	}
	return stories, nil
}

// Greatest is that of [Source].
func (m *Model) Greatest() (greatest uint32, err error) {
	for n := range m.numbers {
		greatest = max(greatest, n)
	}
	return greatest, nil
}

// Unused is that of [Source].
func (m *Model) Unused() (n uint32, ok bool, err error) {
	for n = 1; n < math.MaxUint32; n++ {
		if m.numbers[n] == nil {
			return n, true, nil
		}
	}
	return n, m.numbers[n] == nil, nil
}

// SharedNumbers is that of [Source].
func (m *Model) SharedNumbers(most int) (shared []uint32, err error) {
	for _, n := range slices.Sorted(maps.Keys(m.numbers)) {
		if m.same(n).state.Visible > 1 {
			shared = append(shared, n)
		}
	}
	return first(shared, most), nil
}

// Dependents is that of [Source].
func (m *Model) Dependents(n uint32, except string, open bool, most int) (ids []string, count int, err error) {
	for id, c := range m.dependents[n] {
		if row := RowOf(&c.Story); row.Stage != "" && id != except && !(open && row.Finished) {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, crdt.CompareStoryIDs)
	return first(ids, most), len(ids), nil
}

// Edges is that of [Source].
func (m *Model) Edges(n uint32, open bool, most int) (edges []Edge, err error) {
	for _, c := range m.same(n).stories {
		row := RowOf(&c.Story)
		if row.Stage == "" || open && row.Finished {
			continue
		}
		for _, on := range c.Dependencies() {
			if len(edges) == most {
				return edges, nil
			}
			if !open || !m.same(on).state.Met() {
				edges = append(edges, Edge{c.ID(), on})
			}
		}
	}
	return edges, nil
}

// Dependent is that of [Source].
func (m *Model) Dependent(after int64, most int) (numbers []uint32, err error) {
	for _, n := range slices.Sorted(maps.Keys(m.numbers)) {
		if int64(n) <= after {
			continue
		}
		if len(numbers) == most {
			break
		}
		if edges, _ := m.Edges(n, false, 1); len(edges) > 0 {
			numbers = append(numbers, n)
		}
	}
	return numbers, nil
}

// visible returns the visible stories that choose chooses, in the order of
// [crdt.CompareStoryIDs].
func (m *Model) visible(choose func(c *crdt.Story, row Row) bool) (stories []*crdt.Story) {
	for c := range m.doc.Stories() {
		if row := RowOf(&c.Story); row.Stage != "" && choose(&c.Story, row) {
			stories = append(stories, &c.Story)
		}
	}
	slices.SortFunc(stories, compareStories)
	return stories
}

func idsOf(stories []*crdt.Story) (ids []string) {
	for _, c := range stories {
		ids = append(ids, c.ID())
	}
	return ids
}

// Claims is that of [Source].
func (m *Model) Claims(agent string, most int) ([]*crdt.Story, error) {
	return first(m.visible(func(_ *crdt.Story, row Row) bool {
		return row.Agent == agent && !row.Claim.IsZero()
	}), most), nil
}

// Holding is that of [Source].
func (m *Model) Holding(stage Stage, most int) ([]*crdt.Story, error) {
	return first(m.visible(func(_ *crdt.Story, row Row) bool {
		return row.Stage == stage && !row.Claim.IsZero()
	}), most), nil
}

// ClaimedBy is that of [Source].
func (m *Model) ClaimedBy(prefix string) (*crdt.Story, error) {
	claimed := m.visible(func(_ *crdt.Story, row Row) bool {
		return !row.Claim.IsZero() && strings.HasPrefix(row.Claim.String(), prefix)
	})
	if len(claimed) == 0 {
		return nil, nil
	}
	return claimed[0], nil
}

// Count is that of [Source].
func (m *Model) Count() (int, error) { return m.doc.StoryCount(), nil }

// IDs is that of [Source].
func (m *Model) IDs(prefix string, most int) ([]string, error) {
	return first(idsOf(m.visible(func(c *crdt.Story, _ Row) bool { return strings.HasPrefix(c.ID(), prefix) })), most), nil
}

// Similar is that of [Source].
func (m *Model) Similar(part string, most int) ([]string, error) {
	part = strings.ToLower(part)
	return first(idsOf(m.visible(func(c *crdt.Story, _ Row) bool { return strings.Contains(strings.ToLower(c.ID()), part) })), most), nil
}

// Agents is that of [Source].
func (m *Model) Agents() ([]string, error) {
	agents := make(map[string]bool)
	for _, c := range m.visible(func(_ *crdt.Story, row Row) bool { return row.Agent != "" }) {
		agents[c.Str(fieldAgent)] = true
	}
	return slices.Sorted(maps.Keys(agents)), nil
}

// Gaps is that of [Source].
func (m *Model) Gaps() (Gaps, error) {
	return Gaps{Damaged: m.doc.AssumedLen() + m.lost, Pending: m.doc.PendingTrustedLen()}, nil
}
