package pipeline

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/huskies/huskies-mcp/crdt"
)

// State is the pipeline as the ops applied so far make it.
type State struct {
	doc *crdt.Doc
	// numbers holds, for each number, the IDs of all stories that begin with
	// it, deleted and invisible ones too.
	numbers map[uint32][]string
	// shared has the numbers of several stories.
	shared map[uint32]*sharedNumber
	// dependents holds, for each number, the IDs of the stories that depend on it.
	dependents map[uint32]map[string]struct{}
	// claimed holds the IDs of the stories that have a claim, deleted ones too.
	claimed map[string]struct{}
	// greatest is the greatest number ever used.
	greatest uint32
	lost     int    // see Lose
	leases   Leases // nil: none are known
	recorder recorder
}

// NewState returns an empty pipeline. If any authors are given, ops of all
// others are held: they change no story.
func NewState(trusted ...crdt.Author) *State {
	return &State{
		doc:        crdt.NewDoc(schema, trusted...),
		numbers:    make(map[uint32][]string),
		shared:     make(map[uint32]*sharedNumber),
		dependents: make(map[uint32]map[string]struct{}),
		claimed:    make(map[string]struct{}),
	}
}

// UseLeases says where the state learns how long claims last.
func (s *State) UseLeases(l Leases) { s.leases = l }

// Grow makes room for n more ops, before a replay of so many.
func (s *State) Grow(n int) { s.doc.Grow(n) }

// Apply merges an op, see [crdt.Doc.Apply].
func (s *State) Apply(op *crdt.Op) (crdt.Result, error) {
	before := s.doc.StoryCount()
	s.recorder.begin()
	res, err := s.doc.Apply(op)
	if err == nil && s.doc.StoryCount() != before {
		s.indexNumber(op.Story)
	}
	s.changed(op)
	s.indexReleased(res)
	return res, err
}

// AssumeApplied passes over a damaged op, see [crdt.Doc.AssumeApplied].
func (s *State) AssumeApplied(id crdt.OpID, seq uint64) crdt.Result {
	s.recorder.begin()
	res := s.doc.AssumeApplied(id, seq)
	s.indexReleased(res)
	return res
}

// Lose says that the log has one more op that cannot be read, and of which not enough
// is known to pass over it by AssumeApplied.
func (s *State) Lose() { s.lost++ }

func (s *State) indexReleased(res crdt.Result) {
	for _, op := range res.Released {
		s.indexNumber(op.Story)
		s.changed(op)
	}
}

// Doc returns the document, for reading.
func (s *State) Doc() *crdt.Doc { return s.doc }

// visible returns the story if readers may see it: it has a stage and is not
// deleted.
func (s *State) visible(id string) *crdt.Story {
	c := s.doc.Story(id)
	if c == nil || c.Deleted() || c.Str(fieldStage) == "" {
		return nil
	}
	return c
}

// Story returns a snapshot of the story, or an error that says how to go on:
// [CodeNotFound] or [CodeDeleted].
func (s *State) Story(id string) (Story, error) {
	if !crdt.ValidStoryID(id) {
		return Story{}, invalidStoryID(id)
	}
	c := s.visible(id)
	if c == nil {
		return Story{}, s.notFound(id)
	}
	st := s.snapshot(c)
	var err error
	st.Claim, err = s.claim(c)
	return st, err
}

func (s *State) notFound(id string) error {
	if c := s.doc.Story(id); c != nil && c.Deleted() {
		return &Error{
			Code:    CodeDeleted,
			Message: fmt.Sprintf("story %q is deleted", id),
			Next:    "stop working on it; delete_item with restore: true brings it back if that was a mistake; for new work write a story with a new number",
		}
	}
	next := "find the right story_id with list_items; a new story is created with write_item (give story_id and stage)"
	if similar := s.similar(id); len(similar) > 0 {
		next = fmt.Sprintf("did you mean %s? Otherwise %s", strings.Join(similar, " or "), next)
	}
	e := &Error{Code: CodeNotFound, Message: fmt.Sprintf("there is no story %q", id), Next: next}
	if missing := s.Missing(); missing != "" {
		e.Message += " that can be seen; " + missing
	}
	return e
}

// similar returns up to three visible stories that id may mean: those with its
// number, else those whose ID it is a part of.
func (s *State) similar(id string) []string {
	var ids []string
	if n, ok := Number(id); ok {
		ids, _ = s.dependency(n)
	}
	if len(ids) == 0 && len(id) >= 3 {
		for c := range s.doc.Stories() {
			if strings.Contains(c.ID(), id) && s.visible(c.ID()) != nil {
				ids = append(ids, c.ID())
			}
		}
		slices.SortFunc(ids, crdt.CompareStoryIDs)
	}
	return ids[:min(len(ids), 3)]
}

// snapshot builds the story's view.
func (s *State) snapshot(c *crdt.Story) Story {
	st := Story{
		ID:          c.ID(),
		Stage:       Stage(c.Str(fieldStage)),
		Name:        c.Str(fieldName),
		Agent:       c.Str(fieldAgent),
		RetryCount:  c.Count(fieldRetryCount),
		Blocked:     c.Bool(fieldBlocked),
		Description: c.Str(fieldDescription),
		DependsOn:   c.Dependencies(),
		UpdatedAt:   time.UnixMilli(c.UpdatedAt()).UTC(),
		Rev:         c.Rev(),
		Place:       c.Anchor(),
	}
	if st.Blocked {
		st.BlockedReason = c.Str(fieldBlockedReason)
	}
	for _, n := range st.DependsOn {
		if _, met := s.dependency(n); !met {
			st.WaitingOn = append(st.WaitingOn, n)
		}
	}
	st.Ready = s.ready(c)
	if !st.Stage.met() {
		st.Warnings = s.warnings(st)
	}
	return st
}

// ready reports whether an agent may take the story.
func (s *State) ready(c *crdt.Story) bool {
	if Stage(c.Str(fieldStage)) != Backlog || c.Bool(fieldBlocked) || c.Str(fieldAgent) != "" {
		return false
	}
	return s.met(c)
}

// met reports whether all that the story depends on is done.
func (s *State) met(c *crdt.Story) bool {
	for _, n := range c.Dependencies() {
		if _, met := s.dependency(n); !met {
			return false
		}
	}
	return true
}

func (s *State) stage(id string) Stage { return Stage(s.doc.Story(id).Str(fieldStage)) }
