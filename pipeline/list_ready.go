package pipeline

import "github.com/huskies/huskies-mcp/crdt"

// This file has lists by what is ready. Whether a story can be claimed if nobody has it is known
// to the source, which has indexes for it. Who has the story, and whether that counts, depends on
// the reader and on time, so a State decides that while it pages. Few stories have an agent.

// readyPage is how many stories a list by what is ready reads at once.
const readyPage = 64

// maxReadyLooked bounds the stories that one count by what is ready looks at, and the agents.
const maxReadyLooked = 200

// isReady reports whether the reader would make a new claim by claiming the story.
func (s *State) isReady(c *crdt.Story) bool {
	keeping, _ := s.keeping(c, &s.caller)
	return keeping == IsFree && claimable(c, len(s.waitingOn(c)) > 0) && s.crowdFor(VisibleStage(c)) == nil
}

// sourceFilter returns the filter that a source can apply of one with Ready. It has no stages where
// nothing in any of them can be ready.
func (s *State) sourceFilter(f Filter) Filter {
	if *f.Ready {
		f.Claimable = f.Ready
		f.Stages = s.withRoom(f.Stages)
	}
	f.Ready = nil
	return f
}

// pageFor is page for a filter that may have Ready.
func (s *State) pageFor(f Filter, after *Position, limit int) (stories []*crdt.Story, more, ok bool) {
	if f.Ready == nil {
		return s.page(f, after, limit)
	}
	want, wide := *f.Ready, s.sourceFilter(f)
	if len(wide.Stages) == 0 {
		return nil, false, s.err == nil
	}
	for {
		page, rest, ok := s.page(wide, after, readyPage)
		if !ok {
			return nil, false, false
		}
		for _, c := range page {
			if s.isReady(c) != want {
				continue
			}
			if len(stories) == limit {
				return stories, true, true
			}
			stories = append(stories, c)
		}
		if !rest || s.err != nil {
			return stories, false, s.err == nil
		}
		last := page[len(page)-1]
		after = &Position{Stage: VisibleStage(last), Place: last.Anchor()}
	}
}

// countsFor is counts for a filter that may have Ready.
func (s *State) countsFor(f Filter) (counts []StageCount, complete bool) {
	switch {
	case f.Ready == nil:
		return s.counts(f)
	case len(f.Words) > 0:
		return s.countByLooking(f, s.sourceFilter(f))
	case *f.Ready:
		return s.countReady(f)
	}
	all, allCounted := s.counts(s.sourceFilter(f))
	yes := true
	f.Ready = &yes
	ready, readyCounted := s.countReady(f)
	return subtract(all, ready), allCounted && readyCounted
}

// countReady counts what is ready: by the source the stories without an agent, and one by one
// those that an agent has.
func (s *State) countReady(f Filter) (counts []StageCount, complete bool) {
	if f.Stages = s.withRoom(f.Stages); len(f.Stages) == 0 {
		return nil, s.err == nil
	}
	nobody, complete := "", true
	if f.Agent == nil || *f.Agent == "" {
		free := s.sourceFilter(f)
		free.Agent = &nobody
		counts, complete = s.counts(free)
	}
	if f.Agent != nil {
		if *f.Agent == "" {
			return counts, complete
		}
		return s.countByLooking(f, s.sourceFilter(f))
	}
	agents := s.Agents()
	if len(agents) > maxReadyLooked {
		agents, complete = agents[:maxReadyLooked], false
	}
	room := maxReadyLooked
	for _, agent := range agents {
		theirs := s.sourceFilter(f)
		theirs.Agent = &agent
		more, all := s.countLooking(f, theirs, &room)
		counts, complete = add(f.Stages, counts, more), complete && all
	}
	return counts, complete
}

// countByLooking counts the stories of f among those that the source's filter chooses.
func (s *State) countByLooking(f, wide Filter) (counts []StageCount, complete bool) {
	if len(wide.Stages) == 0 {
		return nil, s.err == nil
	}
	room := maxReadyLooked
	return s.countLooking(f, wide, &room)
}

// countLooking is countByLooking with room for so many stories, of which it takes those that it
// looks at.
func (s *State) countLooking(f, wide Filter, room *int) (counts []StageCount, complete bool) {
	by := make(map[Stage]int)
	for c := range s.each(wide) {
		if *room == 0 {
			return inStages(f.Stages, by), false
		}
		*room--
		if s.isReady(c) == *f.Ready {
			by[VisibleStage(c)]++
		}
	}
	return inStages(f.Stages, by), true
}

// inStages returns the counts that are above 0, in the order of the stages.
func inStages(stages []Stage, by map[Stage]int) (counts []StageCount) {
	for _, stage := range stages {
		if by[stage] > 0 {
			counts = append(counts, StageCount{stage, by[stage]})
		}
	}
	return counts
}

// add returns the sums of two counts, in the order of the stages.
func add(stages []Stage, a, b []StageCount) []StageCount {
	by := make(map[Stage]int)
	for _, c := range append(a[:len(a):len(a)], b...) {
		by[c.Stage] += c.Count
	}
	return inStages(stages, by)
}

// subtract returns the counts of all without those of some, in the order of all.
func subtract(all, some []StageCount) (rest []StageCount) {
	by := make(map[Stage]int)
	for _, c := range some {
		by[c.Stage] = c.Count
	}
	for _, c := range all {
		if n := c.Count - by[c.Stage]; n > 0 {
			rest = append(rest, StageCount{c.Stage, n})
		}
	}
	return rest
}
