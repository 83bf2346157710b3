// Package sourcetest is for tests of implementations of [pipeline.Source].
package sourcetest

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/pipeline"
)

// Compare asks two sources every question that the content of a suggests, and fails the
// test at the first one that they answer differently.
func Compare(t testing.TB, a, b pipeline.Source) {
	t.Helper()
	if diff := Difference(a, b); diff != "" {
		t.Fatal(diff)
	}
}

// Difference returns the first question that two sources answer differently, with both
// answers, or "" if there is none.
func Difference(a, b pipeline.Source) string {
	c := &comparison{a: a, b: b}
	for _, part := range []func(){c.collect, c.totals, c.stories, c.numbersAndAround, c.names, c.lists} {
		if part(); c.diff != "" {
			break
		}
	}
	return c.diff
}

// all is more than any test has of anything.
const all = 1 << 20

// limits are how many answers the comparison asks for at once.
var limits = []int{1, 2, all}

// comparison asks two sources the same questions until their answers differ.
type comparison struct {
	a, b pipeline.Source
	diff string

	ids     []string // of known stories, as far as a tells them, and of none
	visible []*crdt.Story
	numbers []uint32 // in use, and their neighbours
	agents  []string
	stages  []pipeline.Stage // in pipeline order
	words   [][]string
}

// check asks both sources a question. Answers are compared as text.
func (c *comparison) check(ask func(pipeline.Source) (string, error), question string, args ...any) {
	if c.diff != "" {
		return
	}
	answer := func(s pipeline.Source) string {
		text, err := ask(s)
		if err != nil {
			return "error: " + err.Error()
		}
		return text
	}
	if a, b := answer(c.a), answer(c.b); a != b {
		c.diff = fmt.Sprintf("%s\nfirst:  %s\nsecond: %s", fmt.Sprintf(question, args...), a, b)
	}
}

// must fails the comparison for an error while it collects what to ask for.
func (c *comparison) must(err error) {
	if err != nil && c.diff == "" {
		c.diff = "first: error: " + err.Error()
	}
}

// collect reads from a what the questions are about.
func (c *comparison) collect() {
	ids, err := c.a.IDs("", all)
	c.must(err)
	unknown, err := c.a.Unknown(all)
	c.must(err)
	c.agents, err = c.a.Agents()
	c.must(err)
	c.stages = append(pipeline.Stages(), unknown...)
	numbers := []uint32{0, 1, math.MaxUint32}
	around := func(n uint32) { numbers = append(numbers, n-1, n, n+1) }
	for _, id := range ids {
		story, err := c.a.Story(id)
		c.must(err)
		on, err := c.a.Dependencies(id)
		c.must(err)
		if c.diff != "" {
			return
		}
		c.visible = append(c.visible, story)
		if n, ok := pipeline.Number(id); ok {
			around(n)
		}
		for _, d := range on {
			around(d.Number)
		}
	}
	newest, err := c.a.Newest(all) // those that nobody sees, too
	c.must(err)
	for _, story := range newest {
		n, _ := pipeline.Number(story.ID())
		around(n)
		ids = append(ids, story.ID())
	}
	if m, ok := c.a.(*pipeline.Model); ok {
		for story := range m.Doc().Stories() {
			ids = append(ids, story.ID())
		}
	}
	slices.Sort(numbers)
	slices.Sort(ids)
	c.numbers = slices.Compact(numbers)
	c.ids = append(slices.Compact(ids), "no_such_story")
	c.collectWords()
}

// collectWords chooses words that some stories have in their texts or notes, beginnings of
// such words, words that follow each other, and words that none has.
func (c *comparison) collectWords() {
	c.words = [][]string{{"nosuchword"}, {"--"}}
	for i, story := range c.visible {
		if i >= 3 && i < len(c.visible)-1 {
			continue
		}
		words := pipeline.Tokens(pipeline.StoryText(story))
		first, last := words[0], words[len(words)-1]
		c.words = append(c.words, []string{first}, []string{strings.ToUpper(last), first, "!"}, []string{strings.Join(words, "-")})
		notes, err := c.a.Notes(story.ID(), 1)
		c.must(err)
		for _, note := range notes {
			for _, word := range pipeline.Tokens(note.Text) {
				c.words = append(c.words, []string{word[:utf8.RuneLen([]rune(word)[0])], last}, []string{word + "x", first})
			}
		}
	}
}

// totals compares what is there once for the whole pipeline.
func (c *comparison) totals() {
	c.check(func(s pipeline.Source) (string, error) { return text(s.Count()) }, "Count()")
	c.check(func(s pipeline.Source) (string, error) { return text(s.Gaps()) }, "Gaps()")
	c.check(func(s pipeline.Source) (string, error) { return text(s.Agents()) }, "Agents()")
	c.check(func(s pipeline.Source) (string, error) {
		most, _ := c.a.Greatest()
		n, err := s.Greatest()
		return fmt.Sprint(min(n, most)), err // a source may remember numbers of ops that do not count any more
	}, "Greatest()")
	c.check(func(s pipeline.Source) (string, error) {
		n, ok, err := s.Unused()
		return fmt.Sprint(n, ok), err
	}, "Unused()")
	c.check(func(s pipeline.Source) (string, error) { return stories(one(s.Last())) }, "Last()")
	for _, most := range limits {
		c.check(func(s pipeline.Source) (string, error) { return stories(s.Newest(most)) }, "Newest(%d)", most)
		c.check(func(s pipeline.Source) (string, error) { return text(s.SharedNumbers(most)) }, "SharedNumbers(%d)", most)
		c.check(func(s pipeline.Source) (string, error) { return text(s.Unknown(most)) }, "Unknown(%d)", most)
	}
}

// stories compares each story and what stands beside it.
func (c *comparison) stories() {
	for _, most := range limits {
		c.check(func(s pipeline.Source) (string, error) { return text(s.Overwritten("", 0, most)) }, "Overwritten(\"\", %d)", most)
	}
	for _, id := range c.ids {
		c.check(func(s pipeline.Source) (string, error) { return stories(one(s.Story(id))) }, "Story(%q)", id)
		c.check(func(s pipeline.Source) (string, error) { return text(s.Dependencies(id)) }, "Dependencies(%q)", id)
		for _, most := range limits {
			c.check(func(s pipeline.Source) (string, error) { return notes(s.Notes(id, most)) }, "Notes(%q, %d)", id, most)
			c.check(func(s pipeline.Source) (string, error) { return text(s.Overwritten(id, 0, most)) }, "Overwritten(%q, %d)", id, most)
		}
		story, err := c.a.Story(id)
		if c.must(err); story == nil || story.Deleted() {
			continue
		}
		c.check(func(s pipeline.Source) (string, error) {
			before, after, err := s.Neighbours(id)
			return fmt.Sprint(idOf(before), " ", idOf(after)), err
		}, "Neighbours(%q)", id)
	}
}

// numbersAndAround compares what is asked by number.
func (c *comparison) numbersAndAround() {
	for _, n := range c.numbers {
		c.check(func(s pipeline.Source) (string, error) { return text(s.Number(n)) }, "Number(%d)", n)
		excepts := []string{""}
		same, err := c.a.Numbered(n, 1)
		if c.must(err); len(same) > 0 {
			excepts = append(excepts, same[0].ID())
		}
		some, _, err := c.a.Dependents(n, "", false, 1)
		c.must(err)
		excepts = append(excepts, some...)
		for _, most := range limits {
			c.check(func(s pipeline.Source) (string, error) { return stories(s.Numbered(n, most)) }, "Numbered(%d, %d)", n, most)
			c.check(func(s pipeline.Source) (string, error) { return text(s.Dependent(int64(n)-1, most)) }, "Dependent(%d, %d)", int64(n)-1, most)
			for _, open := range []bool{false, true} {
				c.check(func(s pipeline.Source) (string, error) { return text(s.Edges(n, open, most)) }, "Edges(%d, %v, %d)", n, open, most)
				for _, except := range excepts {
					c.check(func(s pipeline.Source) (string, error) {
						ids, count, err := s.Dependents(n, except, open, most-1)
						return fmt.Sprint(ids, count), err
					}, "Dependents(%d, %q, %v, %d)", n, except, open, most-1)
				}
			}
		}
	}
}

// names compares what is asked by a name, a part of one, or a claim.
func (c *comparison) names() {
	parts := []string{"", "_", "no_such", "0", "é", "%", "S"}
	prefixes := []string{"000000000000", strings.Repeat("f", 64)}
	for _, story := range c.visible {
		id := story.ID()
		parts = append(parts, id, id[:len(id)/2], id[len(id)/2:], id[:1], id+"x")
		if claim := pipeline.RowOf(story).Claim; !claim.IsZero() {
			prefixes = append(prefixes, claim.String(), claim.String()[:12], claim.String()[:13])
		}
	}
	slices.Sort(parts)
	for _, part := range slices.Compact(parts) {
		for _, most := range limits {
			c.check(func(s pipeline.Source) (string, error) { return text(s.IDs(part, most)) }, "IDs(%q, %d)", part, most)
			c.check(func(s pipeline.Source) (string, error) { return text(s.Similar(part, most)) }, "Similar(%q, %d)", part, most)
		}
	}
	for _, agent := range append(slices.Clone(c.agents), "no such agent") {
		for _, most := range limits {
			c.check(func(s pipeline.Source) (string, error) { return stories(s.Claims(agent, most)) }, "Claims(%q, %d)", agent, most)
		}
	}
	for _, stage := range append(slices.Clone(c.stages), "no such stage") {
		for _, most := range limits {
			c.check(func(s pipeline.Source) (string, error) { return stories(s.Holding(stage, most)) }, "Holding(%q, %d)", stage, most)
		}
	}
	for _, prefix := range prefixes {
		c.check(func(s pipeline.Source) (string, error) { return stories(one(s.ClaimedBy(prefix))) }, "ClaimedBy(%q)", prefix)
	}
}
