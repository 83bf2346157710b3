package pipeline

import (
	"time"

	"github.com/huskies/huskies-mcp/crdt"
)

// State is the pipeline as its readers and writers see it: the rules about stories over
// one [Source]. A State is good for as long as the answers of its source fit together.
// After a change of the source the caller must make another State.
//
// A State that met an error of its source or of its leases reads nothing any more: its
// methods return zero values or that error. The caller must then discard all that was
// read and decided, see [State.Err].
type State struct {
	src    Source
	leases Leases // nil: none are known
	err    error  // the first error of src or leases
	caller Caller // who reads
	open   openEdges

	lost     *bool            // whether any value was lost apart lately; nil: not read yet
	settings *Settings        // see Settings; nil: not read yet
	crowds   map[Stage]*Crowd // see crowdIn
}

// NewState returns the pipeline that a source holds. The leases say how long claims last;
// without them every claim is as one of another replica.
func NewState(src Source, leases Leases) *State { return &State{src: src, leases: leases} }

// Err returns the first error of the source or of the leases, nil if there was none.
func (s *State) Err() error { return s.err }

// visible returns the story if readers may see it: it has a stage and is not
// deleted.
func (s *State) visible(id string) *crdt.Story {
	c := s.known(id)
	if c == nil || VisibleStage(c) == "" {
		return nil
	}
	return c
}

// Story returns a snapshot of the story, or an error of [KindNotFound] or [KindDeleted].
func (s *State) Story(id string) (Story, error) {
	if err := CheckStoryID(id); err != nil {
		return Story{}, err
	}
	c := s.visible(id)
	if c == nil {
		return Story{}, s.notFound(id).orErr(s)
	}
	st := s.snapshot(c)
	st.Claim = s.claim(c)
	return st, s.err
}

// Outline returns what [State.Story] does, without Claim and Warnings. These cost more than all the rest, and
// a list of stories beside another one does not show them.
func (s *State) Outline(id string) (Story, error) {
	if err := CheckStoryID(id); err != nil {
		return Story{}, err
	}
	c := s.visible(id)
	if c == nil {
		return Story{}, s.notFound(id).orErr(s)
	}
	st, _ := s.outline(c)
	return st, s.err
}

// Outcome returns the story that a transaction changed. Of a story that it deleted, and of a reserved
// one, only the ID is there. The caller must ask a State that was made after the transaction's op was
// applied.
func (s *State) Outcome(tx *Tx) (Story, error) {
	s.caller = tx.caller
	if Reserved(tx.story) {
		return Story{ID: tx.story}, s.err
	}
	if c := s.known(tx.story); c != nil && VisibleStage(c) == "" {
		return Story{ID: c.ID(), Deleted: c.Deleted()}, nil
	}
	return s.Story(tx.story)
}

// notFound returns the error for a story that readers cannot see.
func (s *State) notFound(id string) *Error {
	if c := s.known(id); c != nil && c.Deleted() {
		return refuse(Fact{Code: CodeDeleted, Story: id})
	}
	return refuse(Fact{Code: CodeNoStory, Story: id, IDs: s.similar(id), Gaps: s.Missing()})
}

// orErr returns the error, or that of the state's source, which may be the reason why
// something was not found.
func (e *Error) orErr(s *State) error {
	if s.err != nil {
		return s.err
	}
	return e
}

// maxSimilar bounds the stories that an error proposes.
const maxSimilar = 3

// similar returns some visible stories that a name may mean: those with its number, else those whose
// ID the name is a part of, or its slug, as of a headline.
func (s *State) similar(name string) []string {
	slug := Slug(name)
	for _, id := range []string{name, slug} {
		if n, ok := Number(id); ok {
			if ids := s.visibleWith(n, maxSimilar, ""); len(ids) > 0 {
				return ids
			}
		}
	}
	for _, part := range []string{name, slug, "_" + slug} {
		if len(part) < 3 {
			continue
		}
		if ids := s.IDsWith(part, maxSimilar); len(ids) > 0 {
			return ids
		}
	}
	return nil
}

// snapshot builds the story's view.
func (s *State) snapshot(c *crdt.Story) Story {
	st, dependencies := s.outline(c)
	if !st.Stage.met() {
		st.Warnings = s.warnings(st, dependencies)
		if apart, ok := madeApart(c); ok {
			st.Warnings = append(st.Warnings, apart)
		}
	}
	if lost, ok := s.overwritten(c.ID()); ok {
		st.Warnings = append(st.Warnings, lost)
	}
	return st
}

// outline builds the story's view without warnings, and returns what it depends on.
func (s *State) outline(c *crdt.Story) (st Story, dependencies []Dependency) {
	st = Story{
		ID:          c.ID(),
		Stage:       Stage(c.Str(fieldStage)),
		StageSince:  TimeOf(c.WrittenAt(fieldStage)),
		Name:        c.Str(fieldName),
		Agent:       c.Str(fieldAgent),
		RetryCount:  c.Count(fieldRetryCount),
		Blocked:     c.Bool(fieldBlocked),
		Description: c.Str(fieldDescription),
		UpdatedAt:   time.UnixMilli(c.UpdatedAt()).UTC(),
		Rev:         c.Rev(),
		Place:       c.Anchor(),
	}
	if st.Blocked {
		st.BlockedReason = c.Str(fieldBlockedReason)
		st.BlockedSince = TimeOf(c.WrittenAt(fieldBlocked))
	}
	dependencies = s.dependencies(c.ID())
	for _, d := range dependencies {
		st.DependsOn = append(st.DependsOn, d.Number)
		if !d.Met() {
			st.WaitingOn = append(st.WaitingOn, d.Number)
		}
	}
	keeping, claim := s.keeping(c, &s.caller)
	st.Lapsed = claim != nil && !claim.Live(s.now())
	st.Ready = keeping == IsFree && claimable(c, len(st.WaitingOn) > 0) && s.crowdFor(st.Stage) == nil
	return st, dependencies
}

// claimable reports whether the story, which waits for others or not, can be claimed if nobody
// has it.
func claimable(c *crdt.Story, waiting bool) bool {
	return Claimable(Stage(c.Str(fieldStage)), c.Bool(fieldBlocked), waiting)
}

// Claimable reports whether a story in the stage can be claimed if nobody has it: neither blocked
// nor waiting, and work is left to do.
func Claimable(stage Stage, blocked, waiting bool) bool {
	return stage.rank() < Done.rank() && !blocked && !waiting
}

// waitingOn returns the numbers that the story depends on and that are not met.
func (s *State) waitingOn(c *crdt.Story) (numbers []uint32) {
	for _, d := range s.dependencies(c.ID()) {
		if !d.Met() {
			numbers = append(numbers, d.Number)
		}
	}
	return numbers
}
