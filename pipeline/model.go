package pipeline

import (
	"slices"

	"github.com/huskies/huskies-mcp/crdt"
)

// Model is a [Source] in memory: a document of package crdt with the few indexes without
// which the rules would be slow. The tables of a database are compared with it, and it
// serves to read a log that has none.
//
// A Model answers from the ops applied so far. It never returns an error of the storage.
type Model struct {
	doc *crdt.Doc
	// numbers holds, for each number, the known stories that begin with it.
	numbers map[uint32]*sameNumber
	// dependents holds, for each number, the known stories that depend on it.
	dependents map[uint32]map[string]*crdt.DocStory
	lost       int // see Lose
	// apart are the values that were lost apart, and received is when the op that is merged came.
	apart    map[apartKey]Overwritten
	received int64
	// merged are what the last Apply merged, in that order.
	merged []merged
}

// sameNumber is what is known of the stories with one number. Thousands of stories may have
// one number and depend on it, so the counts are made once after a change, not at every look.
type sameNumber struct {
	stories []*crdt.DocStory // in the order of crdt.CompareStoryIDs if current
	state   NumberState      // right if current
	current bool
}

// merged is an op that was merged into its story.
type merged struct {
	op     *crdt.Op
	story  *crdt.DocStory
	before Stage // in which the story was visible
}

// NewModel returns an empty pipeline. If any authors are given, ops of all
// others are held: they change no story.
func NewModel(trusted ...crdt.Author) *Model {
	m := &Model{
		doc:        crdt.NewDoc(schema, trusted...),
		numbers:    make(map[uint32]*sameNumber),
		dependents: make(map[uint32]map[string]*crdt.DocStory),
		apart:      make(map[apartKey]Overwritten),
	}
	m.doc.Observe(m.merging)
	return m
}

// NewModelOf returns an empty pipeline that holds the ops of which counts says no. See [crdt.Doc.Judge].
func NewModelOf(counts func(*crdt.Op) bool, trusted func(crdt.Author) bool) *Model {
	m := NewModel()
	m.doc.Judge(counts, trusted)
	return m
}

// Grow makes room for n more ops, before a replay of so many.
func (m *Model) Grow(n int) { m.doc.Grow(n) }

// Doc returns the document, for reading.
func (m *Model) Doc() *crdt.Doc { return m.doc }

// Apply merges an op, see [crdt.Doc.Apply].
func (m *Model) Apply(op *crdt.Op) (crdt.Result, error) {
	m.merged = m.merged[:0]
	res, err := m.doc.Apply(op)
	m.index()
	return res, err
}

// AssumeApplied passes over a damaged op, see [crdt.Doc.AssumeApplied].
func (m *Model) AssumeApplied(id crdt.OpID, seq uint64) crdt.Result {
	m.merged = m.merged[:0]
	res := m.doc.AssumeApplied(id, seq)
	m.index()
	return res
}

// Lose says that the log has one more op that cannot be read, and of which not enough
// is known to pass over it by AssumeApplied.
func (m *Model) Lose() { m.lost++ }

// merging notes an op that is about to be merged into the story.
func (m *Model) merging(op *crdt.Op, story *crdt.DocStory) {
	m.merged = append(m.merged, merged{op, story, VisibleStage(&story.Story)})
	m.noteApart(&story.Story, op)
	n, ok := Number(story.ID())
	if !ok {
		return
	}
	same := m.numbers[n]
	if same == nil {
		same = &sameNumber{}
		m.numbers[n] = same
	}
	same.current = false
	if !story.Known() {
		same.stories = append(same.stories, story)
	}
}

// index enters what was merged of dependencies.
func (m *Model) index() {
	for _, c := range m.merged {
		for i := range c.op.Edits {
			if c.op.Edits[i].Kind != crdt.KindDep {
				continue
			}
			n := c.op.Edits[i].Number
			if !c.story.DependsOn(n) {
				delete(m.dependents[n], c.story.ID())
				continue
			}
			if m.dependents[n] == nil {
				m.dependents[n] = make(map[string]*crdt.DocStory, 1)
			}
			m.dependents[n][c.story.ID()] = c.story
		}
	}
}

// Changes returns what the last Apply changed, in the order in which it did. The changes
// of pending ops that it released are among them. Their texts are parts of the ops, so a
// caller that keeps a Change must call Clone.
func (m *Model) Changes() []Change {
	changes := make([]Change, len(m.merged))
	after := make(map[*crdt.DocStory]Stage, len(m.merged))
	for i, c := range slices.Backward(m.merged) {
		stage, later := after[c.story]
		if !later {
			stage = VisibleStage(&c.story.Story)
		}
		changes[i] = ChangeOf(c.op, c.before, stage)
		after[c.story] = c.before
	}
	return changes
}

// same returns what is known of the stories with the number.
func (m *Model) same(n uint32) *sameNumber {
	same := m.numbers[n]
	if same == nil {
		return &sameNumber{}
	}
	if same.current {
		return same
	}
	slices.SortFunc(same.stories, compareDocStories)
	same.state = NumberState{Known: len(same.stories)}
	for _, c := range same.stories {
		row := RowOf(&c.Story)
		switch {
		case row.Deleted:
			same.state.Deleted++
		case row.Stage != "":
			same.state.Visible++
			same.state.count(row)
		}
	}
	same.current = true
	return same
}

// count counts a visible story.
func (n *NumberState) count(row Row) {
	if !row.Finished {
		n.Open++
	}
	if row.Stage == Archived {
		n.Archived++
	}
}

func compareDocStories(a, b *crdt.DocStory) int { return crdt.CompareStoryIDs(a.ID(), b.ID()) }

func compareStories(a, b *crdt.Story) int { return crdt.CompareStoryIDs(a.ID(), b.ID()) }

// first returns up to most of a list.
func first[T any](list []T, most int) []T { return list[:min(most, len(list))] }
