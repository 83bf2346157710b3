package sourcetest

import (
	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/pipeline"
)

// Hooked is a source whose every answer can be replaced. Hook is called with the name of
// the method before each question. If Hook returns an error, that is the answer. If ask is
// false, the answer is empty. Otherwise Source answers.
type Hooked struct {
	Source pipeline.Source
	Hook   func(method string) (ask bool, err error)
}

var _ pipeline.Source = (*Hooked)(nil)

// ask reports whether the source is to answer, and sets err to the hook's error.
func (h *Hooked) ask(method string, err *error) (ask bool) {
	ask, *err = h.Hook(method)
	return ask && *err == nil
}

// Story is that of [pipeline.Source], and so are all other methods.
func (h *Hooked) Story(id string) (c *crdt.Story, err error) {
	if h.ask("Story", &err) {
		return h.Source.Story(id)
	}
	return c, err
}

func (h *Hooked) Dependencies(id string) (on []pipeline.Dependency, err error) {
	if h.ask("Dependencies", &err) {
		return h.Source.Dependencies(id)
	}
	return on, err
}

func (h *Hooked) Notes(id string, most int) (notes []crdt.NoteEntry, err error) {
	if h.ask("Notes", &err) {
		return h.Source.Notes(id, most)
	}
	return notes, err
}

func (h *Hooked) Number(n uint32) (state pipeline.NumberState, err error) {
	if h.ask("Number", &err) {
		return h.Source.Number(n)
	}
	return state, err
}

func (h *Hooked) Numbered(n uint32, most int) (stories []*crdt.Story, err error) {
	if h.ask("Numbered", &err) {
		return h.Source.Numbered(n, most)
	}
	return stories, err
}

func (h *Hooked) Newest(most int) (stories []*crdt.Story, err error) {
	if h.ask("Newest", &err) {
		return h.Source.Newest(most)
	}
	return stories, err
}

func (h *Hooked) Greatest() (n uint32, err error) {
	if h.ask("Greatest", &err) {
		return h.Source.Greatest()
	}
	return n, err
}

func (h *Hooked) Unused() (n uint32, ok bool, err error) {
	if h.ask("Unused", &err) {
		return h.Source.Unused()
	}
	return n, ok, err
}

func (h *Hooked) SharedNumbers(most int) (numbers []uint32, err error) {
	if h.ask("SharedNumbers", &err) {
		return h.Source.SharedNumbers(most)
	}
	return numbers, err
}

func (h *Hooked) Dependents(n uint32, except string, open bool, most int) (ids []string, count int, err error) {
	if h.ask("Dependents", &err) {
		return h.Source.Dependents(n, except, open, most)
	}
	return ids, count, err
}

func (h *Hooked) Edges(n uint32, open bool, most int) (edges []pipeline.Edge, err error) {
	if h.ask("Edges", &err) {
		return h.Source.Edges(n, open, most)
	}
	return edges, err
}

func (h *Hooked) Dependent(after int64, most int) (numbers []uint32, err error) {
	if h.ask("Dependent", &err) {
		return h.Source.Dependent(after, most)
	}
	return numbers, err
}

func (h *Hooked) Claims(agent string, most int) (stories []*crdt.Story, err error) {
	if h.ask("Claims", &err) {
		return h.Source.Claims(agent, most)
	}
	return stories, err
}

func (h *Hooked) Holding(stage pipeline.Stage, most int) (stories []*crdt.Story, err error) {
	if h.ask("Holding", &err) {
		return h.Source.Holding(stage, most)
	}
	return stories, err
}

func (h *Hooked) ClaimedBy(prefix string) (c *crdt.Story, err error) {
	if h.ask("ClaimedBy", &err) {
		return h.Source.ClaimedBy(prefix)
	}
	return c, err
}

func (h *Hooked) Count() (n int, err error) {
	if h.ask("Count", &err) {
		return h.Source.Count()
	}
	return n, err
}

func (h *Hooked) IDs(prefix string, most int) (ids []string, err error) {
	if h.ask("IDs", &err) {
		return h.Source.IDs(prefix, most)
	}
	return ids, err
}

func (h *Hooked) Similar(part string, most int) (ids []string, err error) {
	if h.ask("Similar", &err) {
		return h.Source.Similar(part, most)
	}
	return ids, err
}

func (h *Hooked) Agents() (agents []string, err error) {
	if h.ask("Agents", &err) {
		return h.Source.Agents()
	}
	return agents, err
}

func (h *Hooked) Last() (c *crdt.Story, err error) {
	if h.ask("Last", &err) {
		return h.Source.Last()
	}
	return c, err
}

func (h *Hooked) Neighbours(id string) (before, after *crdt.Story, err error) {
	if h.ask("Neighbours", &err) {
		return h.Source.Neighbours(id)
	}
	return before, after, err
}

func (h *Hooked) List(f pipeline.Filter, after *pipeline.Position, limit int) (page []*crdt.Story, more, ok bool, err error) {
	if h.ask("List", &err) {
		return h.Source.List(f, after, limit)
	}
	return page, more, true, err
}

func (h *Hooked) Counts(f pipeline.Filter) (counts []pipeline.StageCount, complete bool, err error) {
	if h.ask("Counts", &err) {
		return h.Source.Counts(f)
	}
	return counts, true, err
}

func (h *Hooked) Unknown(most int) (stages []pipeline.Stage, err error) {
	if h.ask("Unknown", &err) {
		return h.Source.Unknown(most)
	}
	return stages, err
}

func (h *Hooked) Gaps() (gaps pipeline.Gaps, err error) {
	if h.ask("Gaps", &err) {
		return h.Source.Gaps()
	}
	return gaps, err
}

func (h *Hooked) Overwritten(story string, since int64, most int) (all []pipeline.Overwritten, err error) {
	if h.ask("Overwritten", &err) {
		return h.Source.Overwritten(story, since, most)
	}
	return all, err
}
