package pipeline

import (
	"maps"
	"slices"

	"github.com/huskies/huskies-mcp/crdt"
)

// IDs returns the IDs of all stories that can be seen, in their order.
func (s *State) IDs() (ids []string) {
	for c := range s.doc.Stories() {
		if s.visible(c.ID()) != nil {
			ids = append(ids, c.ID())
		}
	}
	slices.SortFunc(ids, crdt.CompareStoryIDs)
	return ids
}

// Agents returns the agents that have a story, sorted.
func (s *State) Agents() []string {
	agents := make(map[string]bool)
	for c := range s.doc.Stories() {
		if agent := c.Str(fieldAgent); agent != "" && s.visible(c.ID()) != nil {
			agents[agent] = true
		}
	}
	return slices.Sorted(maps.Keys(agents))
}
