package oplog

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/pipeline"
)

// maxHits is up to how many stories a search counts, and sorts. If it has more hits, it
// walks the list instead, from where the page begins until the page is full.
const maxHits = 1000

// search is the answer of the index to the last filter with words.
type search struct {
	filter pipeline.Filter
	// hits are the stories that have all words, ascending, invisible ones too.
	hits []int64
	// placed are those of the hits that the filter chooses, in whatever stage, by label,
	// if there are at most maxHits hits.
	placed []placed
}

// search asks the index for the stories that a filter with words chooses. A page asks
// twice in one snapshot, for its counts and its stories, so the last answer is kept.
func (s *source) search(f *pipeline.Filter) (*search, error) {
	if s.last != nil && sameChoice(&s.last.filter, f) {
		return s.last, nil
	}
	found := &search{filter: *f}
	var err error
	if found.hits, err = s.hits(f.Words); err != nil {
		return nil, err
	}
	if len(found.hits) <= maxHits {
		if found.placed, err = s.text().locate(found.hits, f); err != nil {
			return nil, err
		}
		slices.SortFunc(found.placed, func(a, b placed) int { return cmp.Compare(a.label, b.label) })
	}
	s.last = found
	return found, nil
}

// sameChoice reports whether two filters choose the same stories in each stage.
func sameChoice(a, b *pipeline.Filter) bool {
	return slices.Equal(a.Words, b.Words) && same(a.Agent, b.Agent) && same(a.Blocked, b.Blocked) && same(a.Claimable, b.Claimable) && same(a.Waiting, b.Waiting)
}

func same[T comparable](a, b *T) bool { return a == b || a != nil && b != nil && *a == *b }

func (s *source) text() textIndex { return textIndex{s.ctx, s.conn} }

// hits returns the stories that have all words, each in whatever of their texts.
func (s *source) hits(words []string) (hits []int64, err error) {
	phrases := pipeline.Phrases(words)
	if len(phrases) == 0 {
		return nil, nil
	}
	// A long word has fewer hits, and without any the others need not be looked up.
	slices.SortStableFunc(phrases, func(a, b pipeline.Phrase) int {
		return cmp.Compare(len(strings.Join(b, "")), len(strings.Join(a, "")))
	})
	queue, err := readTextQueue(s.ctx, s.q)
	if err != nil {
		return nil, err
	}
	for i, p := range phrases {
		var with []int64
		if i > 0 && len(hits) <= fewHits {
			with, err = s.among(hits, p)
		} else {
			with, err = s.indexed(p, queue)
		}
		if err == nil {
			with, err = s.withNotes(with, p, queue)
		}
		if err != nil {
			return nil, err
		}
		if i > 0 {
			with = slices.DeleteFunc(with, func(n int64) bool { _, found := slices.BinarySearch(hits, n); return !found })
		}
		if hits = with; len(hits) == 0 {
			break
		}
	}
	return hits, nil
}

// fewHits is how many texts are read rather than to look up another word, which nearly
// all stories may have.
const fewHits = 128

// among returns those of some stories whose texts have a phrase.
func (s *source) among(ns []int64, p pipeline.Phrase) (hits []int64, err error) {
	at := make([]placed, len(ns))
	for i, n := range ns {
		at[i].story = n
	}
	stories, err := s.text().read(at)
	for i, story := range stories {
		if p.In(pipeline.Tokens(pipeline.StoryText(story))) {
			hits = append(hits, ns[i])
		}
	}
	return hits, err
}

// indexed returns the stories whose texts have a phrase. What the index says of a text
// that is queued does not count.
func (s *source) indexed(p pipeline.Phrase, queue []queuedText) ([]int64, error) {
	hits, err := s.text().stories(p)
	stale := make(map[int64]bool)
	var now []int64
	for i := range queue {
		if queue[i].kind != textOfStory {
			continue
		}
		stale[queue[i].n] = true
		if p.In(queue[i].tokens) {
			now = append(now, queue[i].n)
		}
	}
	if len(stale) > 0 {
		hits = slices.DeleteFunc(hits, func(n int64) bool { return stale[n] })
	}
	return append(hits, now...), err
}

// withNotes adds the stories that have a phrase in a note, and sorts.
func (s *source) withNotes(hits []int64, p pipeline.Phrase, queue []queuedText) ([]int64, error) {
	ofNotes, err := s.text().storiesOfNotes(p)
	hits = append(hits, ofNotes...)
	for i := range queue {
		if queue[i].kind == textOfNote && p.In(queue[i].tokens) {
			hits = append(hits, queue[i].n>>noteBits)
		}
	}
	slices.Sort(hits)
	return slices.Compact(hits), err
}

// stageHits returns up to limit of the stories of one stage that a filter with words
// chooses, behind a label.
func (s *source) stageHits(f *pipeline.Filter, stage pipeline.Stage, from int64, limit int) (page []placed, err error) {
	found, err := s.search(f)
	if err != nil {
		return nil, err
	}
	take := func(at placed) (more bool) {
		page = append(page, at)
		return len(page) < limit
	}
	if len(found.hits) > maxHits {
		return page, s.text().walk(f, stage, from, func(at placed) (more bool) {
			_, hit := slices.BinarySearch(found.hits, at.story)
			return !hit || take(at)
		})
	}
	for _, at := range found.placed {
		if at.stage == stage && at.label > from && !take(at) {
			break
		}
	}
	return page, nil
}

// listHits is List for a filter with words. It begins behind a label in the first stage.
func (s *source) listHits(f *pipeline.Filter, stages []pipeline.Stage, from int64, limit int) (stories []*crdt.Story, more, ok bool, err error) {
	var page []placed
	for _, stage := range stages {
		rest, err := s.stageHits(f, stage, from, limit+1-len(page))
		if err != nil {
			return nil, false, false, err
		}
		if page = append(page, rest...); len(page) > limit {
			page, more = page[:limit], true
			break
		}
		from = math.MinInt64
	}
	stories, err = s.text().read(page)
	return stories, more, err == nil, err
}

// countHits is Counts for a filter with words.
func (s *source) countHits(f *pipeline.Filter) (counts []pipeline.StageCount, complete bool, err error) {
	left := maxHits
	for _, stage := range f.Stages {
		hits, err := s.stageHits(f, stage, math.MinInt64, left+1)
		if err != nil {
			return nil, false, err
		}
		if n := min(len(hits), left); n > 0 {
			counts = append(counts, pipeline.StageCount{Stage: stage, Count: n})
		}
		if left -= len(hits); left < 0 {
			return counts, false, nil
		}
	}
	return counts, true, nil
}
