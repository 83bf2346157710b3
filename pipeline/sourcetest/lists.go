package sourcetest

import (
	"fmt"
	"strings"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/pipeline"
)

// lists compares lists and counts under filters, page by page, and positions.
func (c *comparison) lists() {
	everything := pipeline.Filter{Stages: c.stages}
	for _, limit := range []int{1, 2, all} {
		c.pages(everything, limit)
	}
	for _, f := range c.filters() {
		c.check(func(s pipeline.Source) (string, error) {
			counts, complete, err := s.Counts(f)
			return fmt.Sprint(counts, complete), err
		}, "Counts(%s)", describe(f))
		c.pages(f, 3)
	}
	c.positions()
}

// filters returns every combination of flags over all stages with every agent, the same
// over each stage by itself without one, and words by themselves and with a flag.
func (c *comparison) filters() (all []pipeline.Filter) {
	agents := []*string{nil, ptr(""), ptr("no such agent")}
	for _, agent := range c.agents[:min(3, len(c.agents))] {
		agents = append(agents, &agent)
	}
	stages := [][]pipeline.Stage{c.stages}
	for _, stage := range append(pipeline.Stages(), "no such stage") {
		stages = append(stages, []pipeline.Stage{stage})
	}
	flags := []*bool{nil, ptr(false), ptr(true)}
	for i := range 27 {
		f := pipeline.Filter{Blocked: flags[i%3], Claimable: flags[i/3%3], Waiting: flags[i/9]}
		for _, f.Agent = range agents {
			f.Stages = c.stages
			all = append(all, f)
		}
		f.Agent = nil
		for _, f.Stages = range stages[1:] {
			all = append(all, f)
		}
	}
	for _, words := range c.words {
		for _, some := range stages {
			all = append(all, pipeline.Filter{Stages: some, Words: words})
		}
		for i, agent := range agents {
			all = append(all, pipeline.Filter{Stages: c.stages, Words: words, Agent: agent, Blocked: flags[i%3], Waiting: flags[(i+1)%3]})
		}
		all = append(all, pipeline.Filter{Stages: c.stages, Words: words, Ready: ptr(true)}, pipeline.Filter{Stages: c.stages, Words: words, Blocked: ptr(false)})
	}
	// Two stages against the pipeline's order, with one between them left out.
	return append(all, pipeline.Filter{Stages: []pipeline.Stage{pipeline.QA, pipeline.Backlog}})
}

// pages compares a list from the start to its end, which must come.
func (c *comparison) pages(f pipeline.Filter, limit int) {
	var after *pipeline.Position
	for range len(c.visible) + 1 {
		if c.list(f, after, limit); c.diff != "" {
			return
		}
		page, more, _, err := c.a.List(f, after, limit)
		if c.must(err); !more || c.diff != "" {
			return
		}
		if len(page) == 0 {
			break
		}
		after = positionOf(page[len(page)-1])
	}
	c.diff = fmt.Sprintf("List(%s, ..., %d) does not end", describe(f), limit)
}

func (c *comparison) list(f pipeline.Filter, after *pipeline.Position, limit int) {
	at := "start"
	if after != nil {
		at = fmt.Sprintf("%s %v", after.Stage, after.Place)
	}
	c.check(func(s pipeline.Source) (string, error) {
		page, more, ok, err := s.List(f, after, limit)
		return fmt.Sprint(ids(page), more, ok), err
	}, "List(%s, %s, %d)", describe(f), at, limit)
}

// positions compares lists that go on behind every story, in its stage and in others, and
// behind places that no story has.
func (c *comparison) positions() {
	everything := pipeline.Filter{Stages: c.stages}
	places := []crdt.Anchor{{}, {Op: crdt.OpID{1}}, {Story: "no_such_story"}}
	for _, id := range c.ids {
		places = append(places, crdt.Anchor{Story: id})
		story, err := c.a.Story(id)
		if c.must(err); c.diff != "" {
			return
		}
		if story == nil {
			continue
		}
		places = append(places, story.Anchor())
		c.list(everything, positionOf(story), 3)
	}
	for i, place := range places {
		stage := c.stages[i%len(c.stages)]
		c.list(everything, &pipeline.Position{Stage: stage, Place: place}, 3)
		c.list(pipeline.Filter{Stages: []pipeline.Stage{pipeline.Backlog, pipeline.Current}}, &pipeline.Position{Stage: stage, Place: place}, 2)
	}
}

func positionOf(story *crdt.Story) *pipeline.Position {
	return &pipeline.Position{Stage: pipeline.VisibleStage(story), Place: story.Anchor()}
}

func ptr[T any](v T) *T { return &v }

// describe writes a filter for a person.
func describe(f pipeline.Filter) string {
	text := fmt.Sprint("stages ", f.Stages)
	if f.Agent != nil {
		text += fmt.Sprintf(" agent %q", *f.Agent)
	}
	for _, flag := range []struct {
		name string
		want *bool
	}{{"blocked", f.Blocked}, {"claimable", f.Claimable}, {"waiting", f.Waiting}} {
		if flag.want != nil {
			text += fmt.Sprint(" ", flag.name, " ", *flag.want)
		}
	}
	if f.Words != nil {
		text += " words " + strings.Join(f.Words, "+")
	}
	return text
}

// text writes an answer. An empty list and none are the same.
func text[T any](answer T, err error) (string, error) { return fmt.Sprintf("%+v", answer), err }

// one makes a list of an answer that is a story or none.
func one(story *crdt.Story, err error) ([]*crdt.Story, error) {
	if story == nil {
		return nil, err
	}
	return []*crdt.Story{story}, err
}

func idOf(story *crdt.Story) string {
	if story == nil {
		return "none"
	}
	return story.ID()
}

func ids(list []*crdt.Story) (all []string) {
	for _, story := range list {
		all = append(all, story.ID())
	}
	return all
}

// stories writes all that readers can learn of stories.
func stories(list []*crdt.Story, err error) (string, error) {
	var b strings.Builder
	schema := pipeline.Schema()
	for _, s := range list {
		fmt.Fprintf(&b, "%s: rev %s at %d, %d notes, place %v", s.ID(), s.Rev().Short(), s.UpdatedAt(), s.NoteCount(), s.Anchor())
		for f := range crdt.Field(schema.Len()) {
			if value := fmt.Sprintf("%q %v %d", s.Str(f), s.Bool(f), s.Count(f)); !s.Writer(f).IsZero() || value != `"" false 0` {
				fmt.Fprintf(&b, ", %s %s by %s at %d", schema.Name(f), value, s.Writer(f).Short(), s.WrittenAt(f))
			}
		}
		b.WriteString("; ")
	}
	return b.String(), err
}

// notes writes notes with their places in the order.
func notes(list []crdt.NoteEntry, err error) (string, error) {
	var b strings.Builder
	for _, n := range list {
		fmt.Fprintf(&b, "%q by %q at %d, op %s, seq %d, author %s; ", n.Text, n.Agent, n.At, n.By.Op.Short(), n.By.Seq, n.By.Author)
	}
	return b.String(), err
}
