package intake

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/pipeline"
)

// PlanOptions say how items become stories.
type PlanOptions struct {
	// Slug returns the end of a story ID for a name. Without it an ID is a number and a type.
	Slug func(name string) string
	// SkipBad leaves out broken rows and refused items. Without it one of them refuses the plan.
	SkipBad bool
	// Nested makes an item wait for the items that are parts of it.
	Nested bool
}

// Plan says what bringing in a list does to a pipeline.
type Plan struct {
	// Create holds the stories to create. A story comes after those it depends on. Create is empty
	// when something is refused.
	Create []Story
	// Known are the items that the pipeline holds already.
	Known []Known
	// Refused are broken rows, and items that cannot become stories.
	Refused []Problem
	// Warnings are about things that become other than the source has them.
	Warnings []Problem
	skipBad  bool
}

// Story is a story to create.
type Story struct {
	ID            string
	Stage         pipeline.Stage
	Name          string
	Blocked       bool
	BlockedReason string
	RetryCount    int64
	Description   string
	DependsOn     []uint32
	// Note names the source, by which the story is known again, and holds what people said there.
	Note string
	At   Place
}

// Known is an item that the pipeline holds already, as a story.
type Known struct {
	At    Place
	Key   Key
	Story string
}

// Changes returns what to write to the story's ID, in one op.
func (s *Story) Changes() pipeline.Changes {
	c := pipeline.Changes{
		Stage:       &s.Stage,
		Name:        &s.Name,
		Description: &s.Description,
		DependsOn:   &s.DependsOn,
		Note:        &s.Note,
	}
	if s.Blocked {
		c.Blocked, c.BlockedReason = &s.Blocked, s.BlockedReason
	}
	if s.RetryCount != 0 {
		c.RetryCount = &s.RetryCount
	}
	return c
}

// Err returns why nothing is to be brought in, or nil.
func (p *Plan) Err() error {
	if len(p.Refused) == 0 || p.skipBad {
		return nil
	}
	more := ""
	if n := len(p.Refused) - 1; n > 0 {
		more = fmt.Sprintf(" (and %d more)", n)
	}
	return fmt.Errorf("nothing was brought in: %s%s; mend the source, or leave such items out with --skip-bad", p.Refused[0], more)
}

// NewPlan returns the plan for a list and a pipeline.
func NewPlan(l *List, here *Index, o PlanOptions) *Plan {
	p := &planner{
		plan:     &Plan{skipBad: o.SkipBad, Refused: slices.Clone(l.Broken), Warnings: slices.Clone(l.Warnings)},
		here:     here,
		options:  o,
		byKey:    map[Key]int{},
		byNumber: map[uint32][]int{},
		known:    map[uint32][]uint32{},
	}
	p.sort(l.Items)
	p.link()
	p.bound()
	order := p.order()
	p.warnOfOdd()
	if p.plan.Err() != nil {
		return p.plan
	}
	p.number(order)
	for _, i := range order {
		p.plan.Create = append(p.plan.Create, p.story(i))
	}
	return p.plan
}

// planner makes a plan. Its methods are called in the order in which they stand here.
type planner struct {
	plan    *Plan
	here    *Index
	options PlanOptions
	items   []planned
	// byKey and byNumber hold indexes into items. byNumber is about stories of huskies alone, whose
	// dependencies are numbers.
	byKey    map[Key]int
	byNumber map[uint32][]int
	// known holds the numbers that stories of the source have in the pipeline, by those in the source.
	known map[uint32][]uint32
}

// planned is an item that is new to the pipeline.
type planned struct {
	Item
	// waits are the new items that come first, as indexes.
	waits []int
	// numbers are the stories of the pipeline that come first.
	numbers []uint32
	refused bool
	id      string
}

func (p *planner) warn(at Place, format string, args ...any) {
	p.plan.Warnings = append(p.plan.Warnings, Problem{at, fmt.Sprintf(format, args...)})
}

func (p *planner) refuse(i int, format string, args ...any) {
	p.items[i].refused = true
	p.plan.Refused = append(p.plan.Refused, Problem{p.items[i].At, fmt.Sprintf(format, args...)})
}

// sort parts the items into known and new ones.
func (p *planner) sort(items []Item) {
	seen := map[Key]Place{}
	for _, it := range items {
		k := it.key()
		before, twice := seen[k]
		switch {
		case twice && it.Named:
			p.warn(it.At, "an item of the same name and parent stands in %s; it is taken once", before)
			continue
		case twice:
			p.plan.Refused = append(p.plan.Refused, Problem{it.At, fmt.Sprintf("the ID %s is that of %s too; give one of them another ID", it.ID, before)})
			continue
		}
		seen[k] = it.At
		if known, ok := p.here.find(&it); ok {
			p.plan.Known = append(p.plan.Known, known)
			p.know(&it, known.Story)
			continue
		}
		p.byKey[k] = len(p.items)
		if n, ok := pipeline.Number(it.ID); ok && it.Origin == string(Huskies) {
			p.byNumber[n] = append(p.byNumber[n], len(p.items))
		}
		p.items = append(p.items, planned{Item: it})
	}
}

// know enters the number that a known story of huskies has here under the number it has in the source.
func (p *planner) know(it *Item, id string) {
	source, ok := pipeline.Number(it.ID)
	number, numbered := pipeline.Number(id)
	if ok && numbered && it.Origin == string(Huskies) && !p.here.deleted[id] {
		p.known[source] = append(p.known[source], number)
	}
}

// link finds what the items wait for.
func (p *planner) link() {
	for i := range p.items {
		it := &p.items[i]
		for _, d := range it.DependsOn {
			if !p.wait(it, d) {
				p.warn(it.At, "it depends on %s, which is neither in the source nor in the pipeline; the dependency is dropped", oneLine(d))
			}
		}
	}
	if p.options.Nested {
		for i := range p.items {
			if parent, ok := p.byKey[keyOf(p.items[i].Origin, p.items[i].Parent)]; ok && p.items[i].Parent != "" {
				p.items[parent].waits = append(p.items[parent].waits, i)
			}
		}
	}
	for i := range p.items {
		it := &p.items[i]
		slices.Sort(it.waits)
		it.waits = slices.Compact(it.waits)
		slices.Sort(it.numbers)
		it.numbers = slices.Compact(it.numbers)
	}
}

// wait makes the item wait for a dependency and reports whether there is such an item or story.
func (p *planner) wait(it *planned, dependency string) bool {
	for _, d := range []string{dependency, strings.TrimPrefix(dependency, "#")} {
		k := keyOf(it.Origin, d)
		if i, ok := p.byKey[k]; ok {
			it.waits = append(it.waits, i)
			return true
		}
		if id, ok := p.here.stories[k]; ok && !p.here.deleted[id] {
			if n, numbered := pipeline.Number(id); numbered {
				it.numbers = append(it.numbers, n)
				return true
			}
		}
	}
	if it.Origin != string(Huskies) {
		return false
	}
	n, ok := storyNumber(dependency)
	if !ok {
		return false
	}
	// Where more stories have the number, the item is refused all the same.
	it.waits = append(it.waits, p.byNumber[n][:min(len(p.byNumber[n]), crdt.MaxDependencies+1)]...)
	it.numbers = append(it.numbers, p.known[n]...)
	if len(p.byNumber[n])+len(p.known[n]) > 0 {
		return true
	}
	story, ok := p.here.live[n]
	if ok {
		it.numbers = append(it.numbers, n)
		p.warn(it.At, "it depends on the number %d, which is not in the source; it is made to wait for %s of the pipeline", n, story)
	}
	return ok
}

// storyNumber returns the number that a dependency among stories of huskies means: the dependency is
// a number, or a whole story ID.
func storyNumber(dependency string) (uint32, bool) {
	if n, err := strconv.ParseUint(dependency, 10, 32); err == nil {
		return uint32(n), true
	}
	return pipeline.Number(dependency)
}

// bound refuses the items with too many dependencies.
func (p *planner) bound() {
	for i := range p.items {
		if n := len(p.items[i].waits) + len(p.items[i].numbers); n > crdt.MaxDependencies {
			p.refuse(i, "it has %d dependencies, and a story can have %d; split it", n, crdt.MaxDependencies)
		}
	}
}
